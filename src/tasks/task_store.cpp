#include "sql_task_store.hpp"
#include "task_words.hpp"

#include <task_sql.hpp>
#include <task_sql_postgres.hpp>
#include <task_sql_sqlite.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/os/process.hpp>

#include <array>

namespace taskstore::tasks {
namespace {

constexpr std::array kTables{
    sql::Table{"tasks", "id"},
    sql::Table{"task_history", "seq", "task_id, revision"},
    sql::Table{"task_dependencies", "task_id, depends_on"},
    sql::Table{"task_keys", "project, idempotency_key"},
    sql::Table{"task_requests", "request_id"},
    sql::Table{"task_lanes", "id"},
    sql::Table{"task_limits", "name"},
    sql::Table{.name = "task_schedules", .key = "id", .since = 5},
    sql::Table{.name = "task_schedule_history", .key = "schedule_id, revision", .since = 5},
    sql::Table{.name = "task_ageing", .key = "id", .since = 6},
    sql::Table{.name = "task_cancels", .key = "task_id", .since = 7},
};
constexpr std::array kSqlite{sql::Migration{1, "tasks", task_sql_sqlite::create_tasks},
                             sql::Migration{2, "clock", task_sql::add_clock},
                             sql::Migration{3, "liveness", task_sql_sqlite::add_liveness},
                             sql::Migration{4, "words", task_sql_sqlite::add_words, fill_words},
                             sql::Migration{5, "schedules", task_sql_sqlite::add_schedules},
                             sql::Migration{6, "ageing", task_sql::add_ageing},
                             sql::Migration{7, "cancels", task_sql_sqlite::add_cancels},
                             sql::Migration{8, "sessions", task_sql::add_sessions},
                             sql::Migration{9, "graces", task_sql::add_graces}};
constexpr std::array kPostgres{
    sql::Migration{1, "tasks", task_sql_postgres::create_tasks},
    sql::Migration{2, "clock", task_sql::add_clock},
    sql::Migration{3, "liveness", task_sql_postgres::add_liveness},
    sql::Migration{4, "words", task_sql_postgres::add_words, keep_and_fill_words},
    sql::Migration{5, "schedules", task_sql_postgres::add_schedules},
    sql::Migration{6, "ageing", task_sql::add_ageing},
    sql::Migration{7, "cancels", task_sql_postgres::add_cancels},
    sql::Migration{8, "sessions", task_sql::add_sessions},
    sql::Migration{9, "graces", task_sql::add_graces}};

}  // namespace

Failure no_such_task(const std::string& id) {
    return fail(Code::not_found, "there is no task '" + id + "'")
        .with_hint("look at 'taskstore task list --all-projects'");
}

std::string way_on_from(const Task& task) {
    const std::string of_task = " " + task.id;
    if (is_open(task)) return "'taskstore task why" + of_task + "' says where it stands";
    return "'taskstore task show" + of_task + " --history' says how it ended" +
           (allowed(state_of(task.status), Verb::retry)
                ? ", 'taskstore task retry" + of_task + "' tries it again"
                : "");
}

SqlTaskStore::SqlTaskStore(sql::Database& database, const Clock& clock, Random& random,
                           TaskStoreOptions options)
    : x_owner(std::move(options.owner)),
      x_database(database),
      x_clock(clock),
      x_random(random),
      x_ids(clock, random),
      x_server_time(options.time == TimeSource::by_engine && database.capabilities().network),
      x_texts(
          texts_of(database.dialect(), x_server_time ? NowIs::passed_or_engines : NowIs::passed)),
      x_read_texts(texts_of(database.dialect())),
      x_before_freeing(std::move(options.before_freeing)),
      x_archive(std::move(options.archive)) {
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

Result<std::shared_ptr<TaskArchive>> SqlTaskStore::archive() const {
    if (!x_archive) return std::shared_ptr<TaskArchive>();
    auto found = x_archive();
    if (found) return found;
    Error error = std::move(found).error();
    error.message = "the archive cannot be asked: " + error.message;
    return fail(std::move(error));
}

/// A copy may be left there of what was removed: by an archiver that had read it before that, or
/// because the archive was away.
Result<std::optional<Task>> SqlTaskStore::get_archived(const std::string& id) {
    TASKSTORE_LET(const auto kept, archive());
    if (!kept) return std::optional<Task>();
    TASKSTORE_LET(auto task, kept->get_task(id));
    if (!task) return task;
    TASKSTORE_LET(const auto known, known_tasks({&id, 1}));
    if (!known.empty() && known[0].removed) task.reset();
    return task;
}

/// What goes into the archive is there before it is gone here: who asks in this order misses none.
Result<std::optional<Task>> SqlTaskStore::get_task(const std::string& id) {
    TASKSTORE_LET(auto task, get_kept(id));
    if (!task) return get_archived(id);
    return task;
}

Result<std::optional<Task>> SqlTaskStore::get_kept(const std::string& id) {
    TASKSTORE_LET(const auto answers, read_one({.sql = x_texts.get_task, .values = {id}}));
    if (answers[0].rows.empty()) return std::optional<Task>();
    TASKSTORE_LET(Task task, task_of(answers[0].rows[0]));
    return std::optional(std::move(task));
}

Result<std::vector<std::optional<Task>>> SqlTaskStore::get_tasks(std::span<const std::string> ids) {
    std::vector<std::optional<Task>> tasks;
    if (ids.empty()) return tasks;
    Statements gets;
    for (const std::string& id : ids) gets.push_back({.sql = x_texts.get_task, .values = {id}});
    TASKSTORE_LET(const auto answers, x_database.read_batch(gets));
    for (std::size_t i = 0; i < ids.size(); ++i) {
        tasks.emplace_back();
        if (answers[i].rows.empty()) {
            TASKSTORE_LET(tasks.back(), get_archived(ids[i]));
        } else {
            TASKSTORE_LET(tasks.back(), task_of(answers[i].rows[0]));
        }
    }
    return tasks;
}

Result<Task> SqlTaskStore::must_get(const std::string& id) {
    TASKSTORE_LET(auto task, get_kept(id));
    if (task) return std::move(*task);
    TASKSTORE_LET(const auto archived, get_archived(id));
    if (!archived) return no_such_task(id);
    return fail(Code::conflict, "task '" + id + "' is archived: it was " +
                                    std::string(name_of(archived->status)) + " at " +
                                    to_rfc3339(archived->completed_at.value_or(0)) +
                                    ", and changes no more")
        .with_hint("make a new one of it: 'taskstore task show " + id + "' has what it was");
}

Result<std::vector<HistoryEntry>> SqlTaskStore::history(const std::string& id) {
    TASKSTORE_LET(const auto answers, read_one({.sql = task_sql::list_history, .values = {id}}));
    std::vector<HistoryEntry> entries;
    for (const auto& row : answers[0].rows) {
        TASKSTORE_LET(HistoryEntry entry, history_entry_of(row));
        entries.push_back(std::move(entry));
    }
    if (!entries.empty() && entries.front().revision == 1) return entries;
    TASKSTORE_LET(const auto kept, archive());
    if (!kept) return entries;
    // Somebody is removing it there: that stands here first.
    TASKSTORE_LET(auto archived, kept->history(id));
    archived.insert(archived.end(), entries.begin(), entries.end());
    return archived;
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

std::string_view begin_epoch(std::string_view dialect) {
    return dialect == "postgres" ? task_sql_postgres::begin_epoch : std::string_view();
}

std::string_view after_restore(std::string_view dialect) {
    return texts_of(dialect).after_restore;
}
std::string_view after_loss(std::string_view dialect) {
    return texts_of(dialect).after_loss;
}

}  // namespace taskstore::tasks
