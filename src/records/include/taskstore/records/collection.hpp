#pragma once
// A typed collection (floor 4): records of a plan as values of one struct. For structs with a
// Declaration (declare.hpp); for raw JSON, or many collections in one batch, use Plan itself.
//
//   Collection<Prd> prds(plan);
//   TASKSTORE_LET(Prd prd, prds.create({.title = "Attributes"}));
//   prd.status = PrdStatus::ready;
//   TASKSTORE_LET(prd, prds.update(prd));

#include <taskstore/records/declare.hpp>

namespace taskstore::records {

template <typename T>
struct PageOf {
    std::vector<T> records;
    std::vector<Error> misfits;  ///< Records that do not fit the struct, each named.
    std::string next_cursor;     ///< Empty: that was all.
};

/// Borrows the plan, which must outlive it. Thread-safe as the plan is; cheap to make. Errors and
/// durability are those of Plan; besides, `invalid` where a record does not fit the struct.
template <typename T>
class Collection {
    static_assert(is_complete_record<T>());

  public:
    explicit Collection(Plan& plan) : x_plan(plan) {}

    /// Makes the declaration known to the plan and to whoever clones it: indexes, checks at every
    /// write, states (Plan::declare; the file is .taskstore/schemas/COLLECTION.json). Idempotent:
    /// what is there already is not written. Needed once, and again when the struct has changed;
    /// without it the collection works too, unchecked and unindexed. conflict: a founding kind,
    /// which needs none.
    Result<Declaring> declare() {
        std::string_view help;
        std::span<const Transition> transitions;
        if constexpr (HasHelp<T>) help = Declaration<T>::help;
        if constexpr (HasTransitions<T>) transitions = Declaration<T>::transitions;
        return x_plan.declare(request_for(kName, help, kFields, transitions), Declare::either);
    }

    /// An empty id: a new UUIDv7. Returns the record as it now is. Times that the store sets are
    /// ignored on the way in.
    Result<T> create(const T& record) {
        std::vector<ledger::Change> changes = changes_of(record);
        std::erase_if(changes,
                      [](const ledger::Change& change) { return change.raw_value.empty(); });
        return typed(x_plan.create(kName, std::move(changes), record.id.text()));
    }
    Result<T> get(const Id<T>& id) { return typed(x_plan.get(kName, id.text())); }
    /// Writes the members that differ from what stands. Where `record` carries the revision that it
    /// was read at, `conflict` if the record has changed since.
    Result<T> update(const T& record) {
        return typed(x_plan.update(kName, record.id.text(), changes_of(record), record.revision));
    }
    /// Returns the record as it was.
    Result<T> remove(const Id<T>& id) { return typed(x_plan.remove(kName, id.text())); }

    /// The kind's order, or the query's. `query.collection` is ours whatever it says.
    Result<PageOf<T>> list(Query query = {}) {
        query.collection = kName;
        TASKSTORE_LET(const Page page, x_plan.list(query));
        PageOf<T> out;
        out.next_cursor = page.next_cursor;
        for (const Record& record : page.records) {
            auto value = record_as<T>(record);
            if (value)
                out.records.push_back(std::move(*value));
            else
                out.misfits.push_back(value.error());
        }
        return out;
    }
    Result<std::int64_t> count(Filter filter = {}) {
        return x_plan.count({.collection = std::string(kName), .filter = std::move(filter)});
    }
    /// As people write them ("mood=calm AND author!=null", see parse_filter), with values read as
    /// the struct has them. invalid, saying why.
    static Result<Filter> filter(std::string_view text) {
        const Kind kind{.collection = kName, .noun = kName, .fields = kFields};
        return parse_filter(text, &kind);
    }

  private:
    static constexpr std::string_view kName = Declaration<T>::collection;
    static constexpr auto kFields = fields_of<T>();
    Result<T> typed(const Result<Record>& record) {
        if (!record) return fail(record.error());
        return record_as<T>(*record);
    }
    Plan& x_plan;
};

}  // namespace taskstore::records
