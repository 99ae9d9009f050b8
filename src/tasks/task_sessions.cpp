// Programs that hold tasks, as the server of the database sees them: a session that ends is missed
// by whoever looks first, and what it held is lost when the grace is over and it is not back.

#include "sql_task_store.hpp"
#include "task_rows.hpp"

#include <task_sql_postgres.hpp>

#include <set>

namespace taskstore::tasks {
namespace {

constexpr std::string_view kSession = "session:";

struct Session {
    explicit Session(const std::vector<sql::Value>& row) {
        RowReader read(row);
        id = read.number();
        there = read.number() != 0;
        of_this_run = read.number() != 0;
        lost_at = read.maybe_number();
        now_ms = read.number();
        own_grace_ms = read.maybe_number();
    }
    bool is_over(std::int64_t grace_ms) const {
        return !there && of_this_run && lost_at &&
               now_ms - *lost_at >= own_grace_ms.value_or(grace_ms);
    }
    std::string name() const { return std::string(kSession) + std::to_string(id); }

    std::int64_t id = 0;
    bool there = false;
    bool of_this_run = false;
    std::optional<std::int64_t> lost_at;
    std::int64_t now_ms = 0;
    std::optional<std::int64_t> own_grace_ms;
};

std::set<std::string> over_of(const sql::Rows& sessions, std::int64_t grace_ms) {
    std::set<std::string> over;
    for (const auto& row : sessions.rows) {
        const Session session(row);
        if (session.is_over(grace_ms)) over.insert(session.name());
    }
    return over;
}

}  // namespace

Result<std::optional<std::string>> SqlTaskStore::keep_session(std::int64_t key,
                                                              std::int64_t grace_ms) {
    const std::lock_guard lock(x_session_mutex);
    if (!sees_sessions()) return std::optional<std::string>();
    if (!x_session || x_session->key() != key) {
        x_session.reset();
        TASKSTORE_LET(x_session, x_database.presence(key));
        if (!x_session) return std::optional<std::string>();
        x_session_written = false;
    }
    // Whose lock is away and who reaches the server says by this row that it lives.
    const bool held = x_session->held();
    if (!held && !x_session_written) return std::optional<std::string>();
    const std::vector<sql::Value> values{key, grace_ms > 0 ? sql::Value{grace_ms} : sql::Value{}};
    TASKSTORE_LET(const auto kept,
                  read_one({.sql = task_sql_postgres::session_is_kept, .values = values}));
    if (kept[0].rows.empty()) {
        const sql::BoundStatement keep{.sql = task_sql_postgres::keep_session, .values = values};
        TASKSTORE_TRY(write_batch({&keep, 1}));
    }
    x_session_written = true;
    if (!held) return std::optional<std::string>();
    return std::optional(std::string(kSession) + std::to_string(key));
}

Result<std::vector<WatchedTask>> SqlTaskStore::lost_tasks(std::int64_t grace_ms) {
    std::vector<WatchedTask> lost;
    if (!sees_sessions()) return lost;
    TASKSTORE_LET(const auto any, read_one({.sql = task_sql_postgres::any_session}));
    if (any[0].rows.empty()) return lost;
    TASKSTORE_LET(auto answers, read_one({.sql = task_sql_postgres::sessions}));
    const bool frees = !over_of(answers[0], grace_ms).empty();
    if (frees) {
        // In one state: a program that is back may have claimed since the look before.
        const Statements both{{.sql = task_sql_postgres::sessions}, {.sql = x_texts.list_watched}};
        TASKSTORE_LET(answers, x_database.read_batch(both));
    }
    Statements batch;
    for (const auto& row : answers[0].rows) {
        const Session session(row);
        const bool missed = !session.there && session.of_this_run;
        // Whoever is back says so itself; one who is killed right after that is missed anew.
        if (missed && !session.lost_at)
            batch.push_back(
                {.sql = task_sql_postgres::miss_session, .values = {session.id, std::int64_t{0}}});
        if (session.there && session.lost_at)
            batch.push_back(
                {.sql = task_sql_postgres::miss_session, .values = {session.id, std::int64_t{1}}});
        if (!session.there && (session.is_over(grace_ms) || !session.of_this_run))
            batch.push_back({.sql = task_sql_postgres::forget_session, .values = {session.id}});
    }
    if (!batch.empty()) TASKSTORE_TRY(write_batch(batch));
    if (!frees) return lost;
    const std::set<std::string> over = over_of(answers[0], grace_ms);
    for (const auto& row : answers[1].rows) {
        WatchedTask task = watched_task_of(row);
        const std::size_t at = task.liveness.rfind(kSession);
        if (at != std::string::npos && over.contains(task.liveness.substr(at)))
            lost.push_back(std::move(task));
    }
    return lost;
}

}  // namespace taskstore::tasks
