#include "group.hpp"

#include "group_plan.hpp"
#include "statement.hpp"

#include <taskstore/base/check.hpp>

#include <algorithm>
#include <deque>
#include <utility>

namespace taskstore::postgres {
namespace {

/// How long a member may wait for a row that another session holds while others wait for it.
constexpr std::int64_t kLockInGroupMsMax = 100;
constexpr std::string_view kLockNotAvailable = "55P03";
class Group {
  public:
    Group(EngineConnection& connection, std::vector<Member*>& members, std::string_view schema,
          bool shared)
        : x_connection(connection), x_members(members), x_schema(schema), x_shared(shared) {}

    GroupOutcome run() {
        x_items = plan(x_members);
        const bool expects = std::ranges::any_of(x_items, [](const Item& item) {
            return std::ranges::any_of(item.rows, [](const Row& row) {
                return part_of(row).bound->changes_expected.has_value();
            });
        });
        x_outcome.level = x_connection.facts().level;
        if (!send(/*with_commit=*/!expects)) return std::move(x_outcome);
        if (expects && meets_expectations()) commit();
        return std::move(x_outcome);
    }

  private:
    bool fill(Item& item);
    void append_wakes(std::vector<Outgoing>& parts);
    bool send(bool with_commit);
    void take(std::size_t index, ResultPtr result);
    void take_item(Item& item, ResultPtr result);
    void deal_out(const Item& item, sql::Rows found);
    void give_up_on(const Item& item);
    void blame_strange();
    bool judge(const Status& sent, std::size_t commit_index);
    void connection_lost(const Status& why);
    void blame(const Item& item, const PGresult* refusal);
    bool meets_expectations();
    void commit();
    void commit_refused(const Error& error, bool transient);
    void everyone(Verdict verdict);
    void answer_all();
    bool lone() const { return x_members.size() == 1; }

    EngineConnection& x_connection;
    std::vector<Member*>& x_members;
    std::string_view x_schema;
    const bool x_shared;
    std::deque<Item> x_items;
    std::deque<std::string> x_texts;  ///< Of our own statements.
    std::size_t x_before = 0;         ///< Statements before the first item.
    std::size_t x_refused_at = 0;
    ResultPtr x_refusal;
    ResultPtr x_committed;
    Outgoing* x_commit = nullptr;     ///< Not sent before the answers of forms are there.
    const Item* x_strange = nullptr;  ///< Its form answered rows that nobody sent.
    GroupOutcome x_outcome;
};

/// False: the values of a column are of unlike types, so the rows cannot be sent as one.
bool Group::fill(Item& item) {
    item.parameters = Parameters(item.statement->parameters);
    if (!item.merged) {
        const auto& values = part_of(item.rows.front()).bound->values;
        for (std::size_t i = 0; i < values.size(); ++i)
            item.parameters.set_value(static_cast<int>(i), values[i]);
        return true;
    }
    std::vector<const std::vector<sql::Value>*> rows;
    rows.reserve(item.rows.size());
    for (const Row& row : item.rows) rows.push_back(&part_of(row).bound->values);
    for (int i = 0; i < item.parameters.count(); ++i)
        if (!item.parameters.set_column(i, rows)) return false;
    return true;
}

void Group::append_wakes(std::vector<Outgoing>& parts) {
    std::vector<std::string_view> topics{""};
    for (const Member* member : x_members) {
        for (const std::string_view topic : {member->wake, member->wake_too}) {
            if (std::ranges::find(topics, topic) != topics.end()) continue;
            topics.push_back(topic);
            parts.push_back({.sql = x_texts.emplace_back(notify_sql(x_schema, topic))});
        }
    }
}

/// True: everything was run and, `with_commit`, committed; else all verdicts are given.
bool Group::send(bool with_commit) {
    for (std::size_t i = 0; i < x_items.size(); ++i) {
        if (fill(x_items[i])) continue;
        for (const Row& row : x_items[i].rows) row.member->merge = false;
        everyone(Verdict::again);
        return false;
    }
    std::vector<Outgoing> parts;
    parts.reserve(x_items.size() + 8);
    parts.push_back({.sql = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE"});
    const auto& prelude = x_texts.emplace_back(x_connection.prelude(
        true, x_shared ? kLockInGroupMsMax : 0, std::ranges::any_of(x_items, &Item::merged)));
    parts.push_back({.sql = prelude, .once = x_connection.session().deadline() != 0});
    x_before = parts.size();
    // The id comes back while the statements run, and COMMIT is not sent before it is there: a
    // commit that was lost without it could not be asked for. Answers that hold more than a number
    // are waited for, too: they would be lost with it.
    const bool merged = std::ranges::all_of(
        x_items, [](const Item& item) { return item.merged && !returns_rows(item); });
    if (with_commit && merged) parts.push_back({.mark = Outgoing::Mark::flush});
    for (const Item& item : x_items)
        parts.push_back({.sql = item.statement->text, .parameters = &item.parameters});
    std::size_t commit_index = 0;
    if (with_commit) {
        append_wakes(parts);
        commit_index = parts.size() - (merged ? 1 : 0);  // The mark is no statement.
        if (!merged) parts.push_back({.mark = Outgoing::Mark::flush});
        parts.push_back({.mark = Outgoing::Mark::wait});
        parts.push_back({.mark = Outgoing::Mark::doubt});
        parts.push_back({.sql = "COMMIT"});
        x_commit = &parts.back();
    }
    static_cast<void>(x_connection.session().take_warned());
    const Status sent = x_connection.session().exchange(
        parts, [&](std::size_t index, ResultPtr result) { take(index, std::move(result)); });
    x_commit = nullptr;
    return judge(sent, commit_index);
}

void Group::take(std::size_t index, ResultPtr result) {
    const ExecStatusType status = PQresultStatus(result.get());
    if (status == PGRES_PIPELINE_ABORTED) return;
    if (status == PGRES_FATAL_ERROR) {
        if (x_refusal != nullptr) return;
        x_refused_at = index;
        x_refusal = std::move(result);
    } else if (index == 1) {
        x_connection.note_transaction_id(result.get());
        x_outcome.transaction_id = x_connection.transaction_id();
    } else if (index >= x_before && index - x_before < x_items.size()) {
        take_item(x_items[index - x_before], std::move(result));
    } else {
        x_committed = std::move(result);
    }
}

void Group::take_item(Item& item, ResultPtr result) {
    item.changes = changes_of(result.get());
    if (!item.merged) {
        const Row& row = item.rows.front();
        row.member->answers[row.part] = rows_of(result.get());
        return;
    }
    if (PQnfields(result.get()) > 0) return deal_out(item, rows_of(result.get()));
    // Each row changes one row at most, so all did where the sum says so.
    const bool each = item.changes == static_cast<std::int64_t>(item.rows.size());
    const std::int64_t changes = item.changes == 0 ? 0 : each ? 1 : -1;
    for (const Row& row : item.rows) row.member->answers[row.part].changes = changes;
}

/// To each row of values what its form answered it.
void Group::deal_out(const Item& item, sql::Rows found) {
    const sql::ColumnNames own(
        std::vector<std::string>(std::next(found.columns.begin()), found.columns.end()));
    for (const Row& row : item.rows)
        row.member->answers[row.part] = {.columns = own, .rows = {}, .changes = 0};
    for (std::vector<sql::Value>& values : found.rows) {
        const auto* const number = std::get_if<std::int64_t>(&values.front());
        if (number == nullptr || *number < 1 || std::cmp_greater(*number, item.rows.size()))
            return give_up_on(item);
        const Row& row = item.rows[static_cast<std::size_t>(*number - 1)];
        values.erase(values.begin());
        sql::Rows& answer = row.member->answers[row.part];
        answer.rows.push_back(std::move(values));
        ++answer.changes;
    }
}

/// Nobody knows whose rows they are: nothing of this transaction is kept.
void Group::give_up_on(const Item& item) {
    x_strange = &item;
    if (x_commit != nullptr) x_commit->sql = "ROLLBACK";
}

void Group::blame_strange() {
    everyone(Verdict::again);
    for (const Row& row : x_strange->rows) {
        row.member->verdict = Verdict::answered;
        row.member->answer = fail(Code::failed, x_connection.session().place() + ": \"" +
                                                    excerpt(x_strange->statement->text) +
                                                    "\" answered rows without the number of one "
                                                    "that was sent: nothing was written");
    }
}

bool Group::judge(const Status& sent, std::size_t commit_index) {
    const bool fatal = x_refusal != nullptr && is_of_the_line(x_refusal.get());
    if (x_refusal != nullptr && !fatal) {
        x_connection.note_failure(x_refusal.get());
        x_outcome.transient = is_transient(sqlstate_of(x_refusal.get()));
        if (commit_index != 0 && x_refused_at == commit_index) {
            const auto failure =
                engine_failure(x_refusal.get(), x_connection.session().place(), "cannot commit");
            commit_refused(failure.error, x_outcome.transient);
        } else if (x_refused_at >= x_before && x_refused_at - x_before < x_items.size()) {
            blame(x_items[x_refused_at - x_before], x_refusal.get());
        } else {
            const auto failure = engine_failure(x_refusal.get(), x_connection.session().place(),
                                                "cannot run the batch");
            commit_refused(failure.error, x_outcome.transient);
        }
        x_connection.rollback();
        return false;
    }
    if (!sent || fatal) {
        const bool complete = std::ranges::all_of(x_items, [](const Item& i) {
            return i.changes >= 0 || (i.merged && !returns_rows(i));
        });
        for (Member* member : x_members) member->answers_complete = complete;
        Status why = sent ? Status(ok()) : Status(fail(sent.error()));
        if (fatal)
            why = engine_failure(x_refusal.get(), x_connection.session().place(),
                                 "the server ended the session");
        x_connection.session().break_off();
        connection_lost(why);
        return false;
    }
    if (x_strange != nullptr) {
        x_connection.rollback();
        blame_strange();
        return false;
    }
    if (commit_index == 0) return true;
    answer_all();
    return true;
}

void Group::connection_lost(const Status& why) {
    x_outcome.transient = true;
    if (x_connection.session().in_doubt()) {
        everyone(Verdict::in_doubt);
    } else {
        everyone(Verdict::answered);
    }
    for (Member* member : x_members) member->answer = fail(why.error());
}

/// `item` failed: perhaps because of what an earlier member did, which is undone now.
void Group::blame(const Item& item, const PGresult* refusal) {
    const bool held = x_shared && sqlstate_of(refusal) == kLockNotAvailable;
    if (lone() && !item.merged && !held) {
        Member& member = *x_members.front();
        member.verdict = Verdict::answered;
        member.answer = engine_failure(refusal, x_connection.session().place(),
                                       "cannot run \"" + excerpt(item.statement->text) + "\"");
        return;
    }
    everyone(Verdict::again);
    for (const Row& row : item.rows) {
        if (item.merged && !(held && item.rows.size() == 1))
            row.member->merge = false;
        else
            row.member->verdict = Verdict::alone;
    }
}

bool Group::meets_expectations() {
    const Item* culprit = nullptr;
    for (Item& item : x_items) {
        const bool expects = std::ranges::any_of(item.rows, [](const Row& row) {
            return part_of(row).bound->changes_expected.has_value();
        });
        // Of merged rows each expects one change, or does not care and makes one at most.
        const std::int64_t expected =
            item.merged ? static_cast<std::int64_t>(item.rows.size())
                        : part_of(item.rows.front()).bound->changes_expected.value_or(0);
        if (!expects || item.changes == expected) continue;
        culprit = &item;
        everyone(Verdict::again);
        break;
    }
    if (culprit == nullptr) return true;
    x_connection.rollback();
    if (lone() && !culprit->merged) {
        const auto& bound = *part_of(culprit->rows.front()).bound;
        Member& member = *x_members.front();
        member.verdict = Verdict::answered;
        member.answer = fail(Code::conflict,
                             x_connection.session().place() + ": statement " +
                                 std::to_string(culprit->rows.front().part + 1) +
                                 " of the batch changed " + std::to_string(culprit->changes) +
                                 " rows, expected were " + std::to_string(*bound.changes_expected));
        return false;
    }
    for (const Item& item : x_items) {
        if (item.merged) {
            if (&item == culprit)
                for (const Row& row : item.rows) row.member->merge = false;
            continue;
        }
        const auto& expected = part_of(item.rows.front()).bound->changes_expected;
        if (expected && *expected != item.changes)
            item.rows.front().member->verdict = Verdict::alone;
    }
    return false;
}

void Group::commit() {
    std::vector<Outgoing> parts;
    append_wakes(parts);
    const Status committed = x_connection.commit_after(parts);
    x_outcome.level = x_connection.level_of_commit();
    if (committed) {
        everyone(Verdict::answered);
        return;
    }
    if (committed.error().code == Code::outcome_unknown || x_connection.broken()) {
        for (Member* member : x_members) member->answers_complete = true;
        connection_lost(committed);
        return;
    }
    commit_refused(committed.error(), x_connection.met_transient());
}

void Group::commit_refused(const Error& error, bool transient) {
    x_outcome.transient = transient;
    everyone(lone() ? Verdict::answered : Verdict::alone);
    for (Member* member : x_members) member->answer = fail(error);
}

void Group::everyone(Verdict verdict) {
    for (Member* member : x_members) {
        member->verdict = verdict;
        member->answer = ok();
    }
}

void Group::answer_all() {
    if (x_committed == nullptr || std::string_view(PQcmdStatus(x_committed.get())) != "COMMIT") {
        commit_refused(fail(Code::failed, x_connection.session().place() +
                                              ": the server has undone the transaction")
                           .error,
                       false);
        return;
    }
    if (x_connection.session().take_warned() && x_outcome.level == sql::DurabilityLevel::replicated)
        x_outcome.level = sql::DurabilityLevel::flushed;
    everyone(Verdict::answered);
}

std::size_t bytes_of(const sql::Value& value) {
    if (const auto* text = std::get_if<std::string>(&value)) return text->size();
    if (const auto* blob = std::get_if<sql::Blob>(&value)) return blob->bytes.size();
    return 8;
}

}  // namespace

Result<CheckedBatch> check_batch(sql::Batch batch, Translations& translations, bool read_only) {
    CheckedBatch checked;
    checked.parts.reserve(batch.size());
    for (const sql::BoundStatement& bound : batch) {
        CheckedBatch::Part part{.bound = &bound};
        const CheckedBatch::Part* const last =
            checked.parts.empty() ? nullptr : &checked.parts.back();
        const bool same = last != nullptr && last->bound->sql == bound.sql &&
                          last->bound->set_based == bound.set_based;
        if (same) {
            part.one = last->one;
            part.many = last->many;
        } else {
            TASKSTORE_LET(part.one, translations.one(bound.sql));
            if (!bound.set_based.empty() && !read_only) {
                TASKSTORE_LET(part.many, translations.one(bound.set_based));
            }
            TASKSTORE_TRY(check_statement(*part.one, read_only));
            if (part.many != nullptr) TASKSTORE_TRY(check_statement(*part.many, read_only));
        }
        // Another batch of the group might roll back to its savepoint.
        if (part.one->kind == StatementKind::savepoint) checked.alone = true;
        if (std::cmp_greater(bound.values.size(), part.one->parameters)) {
            return fail(Code::invalid, "there are " + std::to_string(bound.values.size()) +
                                           " values for " + std::to_string(part.one->parameters) +
                                           " parameters of \"" + excerpt(bound.sql) + "\"");
        }
        for (const sql::Value& value : bound.values) {
            TASKSTORE_TRY(check_value(value));
            checked.bytes += bytes_of(value);
        }
        checked.parts.push_back(std::move(part));
    }
    return checked;
}

GroupOutcome run_group(EngineConnection& connection, std::vector<Member*>& members,
                       std::string_view schema, bool shared) {
    connection.begin_use();
    connection.deallocate_evicted();
    return Group(connection, members, schema, shared).run();
}

std::string channel_of(std::string_view schema, std::string_view topic) {
    return "taskstore_" + std::string(schema) + "_" + std::string(topic);
}

std::string notify_sql(std::string_view schema, std::string_view topic) {
    const std::string channel = channel_of(schema, topic);
    return "SELECT pg_notify('" + channel + "', '') WHERE NOT pg_try_advisory_xact_lock(" +
           advisory_key(channel) + ")";
}

Result<std::vector<sql::Rows>> read_group(EngineConnection& connection, const CheckedBatch& batch) {
    connection.begin_use();
    connection.deallocate_evicted();
    std::vector<Parameters> parameters;
    std::vector<Outgoing> parts;
    parameters.reserve(batch.parts.size());
    parts.push_back({.sql = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"});
    std::string prelude;
    if (connection.options().pooler || connection.session().deadline() != 0) {
        prelude = connection.prelude(false, 0);
        parts.push_back({.sql = prelude, .once = true});
    }
    const std::size_t before = parts.size();
    for (const CheckedBatch::Part& part : batch.parts) {
        Parameters& own = parameters.emplace_back(part.one->parameters);
        for (std::size_t i = 0; i < part.bound->values.size(); ++i)
            own.set_value(static_cast<int>(i), part.bound->values[i]);
        parts.push_back({.sql = part.one->text, .parameters = &own});
    }
    parts.push_back({.sql = "COMMIT"});
    std::vector<sql::Rows> answers(batch.parts.size());
    ResultPtr refusal;
    std::size_t refused_at = 0;
    const Status sent =
        connection.session().exchange(parts, [&](std::size_t index, ResultPtr result) {
            const ExecStatusType status = PQresultStatus(result.get());
            if (status == PGRES_FATAL_ERROR && refusal == nullptr) {
                refusal = std::move(result);
                refused_at = index;
            } else if (index >= before && index - before < answers.size()) {
                answers[index - before] = rows_of(result.get());
            }
        });
    if (refusal != nullptr) {
        connection.note_failure(refusal.get());
        const bool own = refused_at >= before && refused_at - before < batch.parts.size();
        auto failure = engine_failure(
            refusal.get(), connection.session().place(),
            own ? "cannot run \"" + excerpt(batch.parts[refused_at - before].bound->sql) + "\""
                : "cannot read");
        connection.rollback();
        return failure;
    }
    if (!sent) {
        connection.note_lost();
        return fail(sent.error());
    }
    return answers;
}

}  // namespace taskstore::postgres
