#pragma once
// From an incoming record to the members of a record of ours. Private to store; knows no plan.

#include <taskstore/exchange/meaning.hpp>
#include <taskstore/ledger/edit.hpp>
#include <taskstore/records/kind.hpp>

namespace taskstore::store {

inline constexpr std::string_view kImportMember = "_import";

struct Mapped {
    std::string collection;
    std::string id;
    /// All that the source says, and `_import` last. Of declared kinds: every field that people
    /// set, with its default where the source says nothing.
    std::vector<ledger::Change> members;
    std::vector<std::string> defaults;  ///< Names of members that the source did not give.
    std::string hash;
    std::string updated_at;    ///< Raw; of an export's record.
    std::string missing;       ///< A required field that nothing fills; empty: none.
    std::int64_t misfits = 0;  ///< Values that their field cannot hold; they are in `was`.
    bool gone = false;         ///< The source says that it is deleted.
    /// Of a task spec whose source names nothing that it belongs to: `prd_id` is the PRD of the
    /// file, for want of another, and no part of the hash.
    bool parent_implied = false;
    std::int64_t line = 0;
    std::int64_t column = 0;
};

/// The PRD of a task spec.
struct Parent {
    std::string id;
    bool implied = false;  ///< As Mapped::parent_implied.
};

/// `parent`: of a task spec, else empty. `kind` null: an untyped collection.
Mapped map_record(exchange::Kind from, const exchange::Incoming& record,
                  const exchange::Meaning& meaning, std::string_view collection,
                  const records::Kind* kind, std::string_view id, const Parent& parent);
/// A PRD for a project, a milestone or the file.
Mapped map_group(exchange::Kind from, const exchange::NamedGroup& group, std::string_view id);

/// What a kind of source has left in an `_import` member, as a view into it; empty where nothing.
std::string_view entry_of_import(std::string_view raw, exchange::Kind from);
/// Empty where it is none.
std::string hash_of_entry(std::string_view entry);
/// The member with the entry of `own` put in place of that source's former one.
std::string joined_import(std::string_view raw, std::string_view own, exchange::Kind from);

}  // namespace taskstore::store
