#include "sql_task_store.hpp"

#include <task_sql.hpp>
#include <task_sql_postgres.hpp>
#include <task_sql_sqlite.hpp>
#include <taskstore/os/process.hpp>

#include <array>

namespace taskstore::tasks {
namespace {

constexpr std::array kTables{
    sql::Table{"tasks", "id"},
    sql::Table{"task_history", "seq"},
    sql::Table{"task_dependencies", "task_id, depends_on"},
    sql::Table{"task_keys", "project, idempotency_key"},
    sql::Table{"task_requests", "request_id"},
    sql::Table{"task_lanes", "id"},
    sql::Table{"task_limits", "name"},
};
constexpr std::array kSqlite{sql::Migration{1, "tasks", task_sql_sqlite::create_tasks},
                             sql::Migration{2, "clock", task_sql::add_clock},
                             sql::Migration{3, "liveness", task_sql_sqlite::add_liveness}};
constexpr std::array kPostgres{sql::Migration{1, "tasks", task_sql_postgres::create_tasks},
                               sql::Migration{2, "clock", task_sql::add_clock},
                               sql::Migration{3, "liveness", task_sql_postgres::add_liveness}};

}  // namespace

Failure no_such_task(const std::string& id) {
    return fail(Code::not_found, "there is no task '" + id + "'");
}

SqlTaskStore::SqlTaskStore(sql::Database& database, const Clock& clock, Random& random,
                           TaskStoreOptions options)
    : x_owner(std::move(options.owner)),
      x_database(database),
      x_clock(clock),
      x_random(random),
      x_ids(clock, random),
      x_texts(texts_of(database.dialect())),
      x_server_time(options.time == TimeSource::by_engine && database.capabilities().network) {
    if (x_server_time || database.dialect() == "postgres") return;
    if (options.boot_id.empty()) options.boot_id = os::boot_id().value_or("unknown");
    x_lease_clock.emplace(clock, std::move(options.boot_id));
}

sql::Value SqlTaskStore::now() const {
    if (x_server_time) return {};
    return x_lease_clock ? x_lease_clock->running_ms() : x_clock.wall_ms();
}

Status SqlTaskStore::keep_time() {
    return x_lease_clock ? x_lease_clock->keep(x_database) : ok();
}

Result<sql::Committed> SqlTaskStore::write_batch(sql::Batch batch,
                                                 const sql::WriteOptions& options) {
    TASKSTORE_TRY(keep_time());
    return x_database.write_batch(batch, options);
}

Result<std::vector<sql::Rows>> SqlTaskStore::read_one(sql::BoundStatement statement) {
    return x_database.read_batch({&statement, 1});
}

Result<std::optional<Task>> SqlTaskStore::get_task(const std::string& id) {
    TASKSTORE_LET(const auto answers, read_one({.sql = x_texts.get_task, .values = {id}}));
    if (answers[0].rows.empty()) return std::optional<Task>();
    TASKSTORE_LET(Task task, task_of(answers[0].rows[0]));
    return std::optional(std::move(task));
}

Result<Task> SqlTaskStore::must_get(const std::string& id) {
    TASKSTORE_LET(auto task, get_task(id));
    if (!task) return no_such_task(id);
    return std::move(*task);
}

Result<Written<Task>> SqlTaskStore::update_task(const std::string& id, const UpdateTask& change) {
    for (int attempt = 0; attempt < kDecisionsMax; ++attempt) {
        TASKSTORE_LET(Task task, must_get(id));
        if (change.revision && *change.revision != task.revision)
            return fail(Code::conflict, "task '" + id + "' is at revision " +
                                            std::to_string(task.revision) + " by now");
        const auto key_before = task.concurrency_key;
        TASKSTORE_TRY(apply_change(change, task));
        const Lane lane = lane_of(task);
        const bool ready = !task.not_before && !task.concurrency_key;
        Statements batch{
            {.sql = task_sql::insert_lane, .values = {lane.id, task.project, lane.needs}},
            {.sql = x_texts.rewrite_task,
             .values = {now(),
                        id,
                        task.revision,
                        task.project,
                        task.title,
                        value_of(task.description),
                        value_of(task.command),
                        task.input,
                        task.priority,
                        value_of(task.agent_type),
                        json_list(task.capabilities),
                        task.retry.max_attempts,
                        task.retry.max_rescues,
                        std::string(name_of(task.retry.backoff)),
                        task.retry.base_ms,
                        task.retry.cap_ms,
                        task.retry.jitter,
                        task.lease_ms,
                        value_of(task.not_before),
                        value_of(task.deadline),
                        std::string(name_of(task.on_failed_dependency)),
                        value_of(task.concurrency_key),
                        value_of(task.concurrency_limit),
                        task.metadata,
                        value_of(task.spec_id),
                        value_of(task.parent),
                        lane.id,
                        rank_of(task),
                        std::int64_t{ready ? 1 : 0},
                        std::int64_t{task.shell ? 1 : 0},
                        value_of(task.timeout_ms)}}};
        if (task.concurrency_key)
            batch.push_back({.sql = task_sql::insert_limit,
                             .values = {*task.concurrency_key, *task.concurrency_limit}});
        TASKSTORE_LET(const sql::Committed committed, write_batch(batch, waking()));
        if (committed.answers[1].rows.empty()) continue;
        if (task.concurrency_key) TASKSTORE_TRY(settle(*task.concurrency_key));
        if (key_before && key_before != task.concurrency_key) TASKSTORE_TRY(settle(*key_before));
        TASKSTORE_LET(Task written, task_of(committed.answers[1].rows[0]));
        return Written<Task>{std::move(written), committed.level};
    }
    return fail(Code::unavailable, "task '" + id + "' changes faster than it can be written")
        .with_hint("try again");
}

Status SqlTaskStore::delete_task(const std::string& id, const std::string& actor) {
    TASKSTORE_TRY(check_member("actor", actor));
    for (int attempt = 0; attempt < kDecisionsMax; ++attempt) {
        TASKSTORE_LET(const Task task, must_get(id));
        if (!allowed(state_of(task.status), Verb::remove))
            return fail(Code::conflict,
                        "task '" + id + "' is held by " + task.assigned_to.value_or("somebody"))
                .with_hint("cancel it first: 'taskstore task cancel " + id + "'");
        TASKSTORE_LET(const auto waiting,
                      read_one({.sql = task_sql::open_dependents, .values = {id}}));
        if (!waiting[0].rows.empty())
            return fail(Code::conflict, "task '" + id + "' is waited for by task " +
                                            RowReader(waiting[0].rows[0]).text())
                .with_hint("take that dependency away first, or cancel that task");
        const Statements batch{
            {.sql = x_texts.history_of_removal,
             .values = {now(), id, actor, task.revision},
             .changes_expected = 1},
            {.sql = task_sql::delete_task, .values = {id, task.revision}, .changes_expected = 1},
            {.sql = task_sql::delete_edges, .values = {id}},
            {.sql = task_sql::delete_keys, .values = {id}}};
        auto committed = write_batch(batch, waking());
        if (committed) return ok();
        if (!is_conflict(committed.error())) return fail(std::move(committed).error());
    }
    return fail(Code::unavailable, "task '" + id + "' changes faster than it can be removed")
        .with_hint("try again");
}

Result<std::vector<HistoryEntry>> SqlTaskStore::history(const std::string& id) {
    TASKSTORE_LET(const auto answers, read_one({.sql = task_sql::list_history, .values = {id}}));
    std::vector<HistoryEntry> entries;
    for (const auto& row : answers[0].rows) {
        TASKSTORE_LET(HistoryEntry entry, history_entry_of(row));
        entries.push_back(std::move(entry));
    }
    return entries;
}

std::unique_ptr<TaskStore> make_task_store(sql::Database& database, const Clock& clock,
                                           Random& random, TaskStoreOptions options) {
    return std::make_unique<SqlTaskStore>(database, clock, random, std::move(options));
}

std::span<const sql::Migration> migrations(std::string_view dialect) {
    if (dialect == "postgres") return kPostgres;
    return kSqlite;
}

std::span<const sql::Table> tables() {
    return kTables;
}

}  // namespace taskstore::tasks
