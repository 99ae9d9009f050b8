#include <task_sql.hpp>
#include <task_sql_postgres.hpp>
#include <task_sql_sqlite.hpp>
#include <taskstore/base/id.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/tasks/task_store.hpp>

#include <algorithm>
#include <array>

namespace taskstore::tasks {
namespace {

constexpr std::int64_t kPageMax = 10'000;
constexpr std::int64_t kPriorityMax = 100;
constexpr std::array kTables{sql::Table{"tasks", "id"}};

// --- rows and values
// ------------------------------------------------------------------------------------------------

sql::Value value_of(const std::optional<std::string>& text) {
    return text ? sql::Value{*text} : sql::Value{};
}

/// Reads the columns of get_task.sql in their order.
class RowReader {
  public:
    explicit RowReader(const std::vector<sql::Value>& row) : x_row(row) {}
    std::string text() { return maybe_text().value_or(std::string()); }
    std::int64_t number() { return maybe_number().value_or(0); }
    std::optional<std::string> maybe_text() {
        const auto* text = std::get_if<std::string>(&x_row[x_at++]);
        return text == nullptr ? std::nullopt : std::optional(*text);
    }
    std::optional<std::int64_t> maybe_number() {
        const auto* number = std::get_if<std::int64_t>(&x_row[x_at++]);
        return number == nullptr ? std::nullopt : std::optional(*number);
    }

  private:
    const std::vector<sql::Value>& x_row;
    std::size_t x_at = 0;
};

Result<Task> task_of(const std::vector<sql::Value>& row) {
    RowReader read(row);
    Task task;
    task.id = read.text();
    task.project = read.text();
    task.title = read.text();
    task.description = read.maybe_text();
    task.command = read.maybe_text();
    task.input = read.text();
    task.priority = read.number();
    const std::string status = read.text();
    const auto known = status_of(status);
    if (!known) return fail(Code::corrupt, "task " + task.id + " has the status '" + status + "'");
    task.status = *known;
    task.assigned_to = read.maybe_text();
    task.result = read.maybe_text();
    task.error = read.maybe_text();
    task.exit_code = read.maybe_number();
    task.logs = read.maybe_text();
    task.retry_count = read.number();
    task.metadata = read.text();
    task.created_at = read.number();
    task.started_at = read.maybe_number();
    task.completed_at = read.maybe_number();
    task.updated_at = read.number();
    task.revision = read.number();
    return task;
}

// --- checks
// ------------------------------------------------------------------------------------------------

Status check_member(std::string_view name, const std::string& text) {
    if (const auto at = first_invalid_utf8(text))
        return fail(Code::invalid,
                    std::string(name) + " is no UTF-8 (byte " + std::to_string(*at) + ")");
    if (text.find('\0') != std::string::npos)
        return fail(Code::invalid, std::string(name) + " holds U+0000, which no database keeps")
            .with_hint("take it out");
    return ok();
}

Status check_json_member(std::string_view name, const std::string& text) {
    if (auto status = check_json(text); !status)
        return fail(Code::invalid, std::string(name) + " is no JSON: " + status.error().message);
    return ok();
}

Status check_priority(std::int64_t priority) {
    if (priority >= -kPriorityMax && priority <= kPriorityMax) return ok();
    return fail(Code::invalid, "priority " + std::to_string(priority) + " is not in -100..100");
}

Status check_metadata(const std::string& text) {
    TASKSTORE_TRY(check_json_member("metadata", text));
    if (kind_of_raw(text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size()))) !=
        JsonKind::object)
        return fail(Code::invalid, "metadata is no JSON object");
    return ok();
}

Result<std::string> title_of(const CreateTask& task) {
    std::string title = task.title;
    if (title.empty() && task.description) {
        title = task.description->substr(0, task.description->find('\n'));
        if (title.ends_with('\r')) title.pop_back();
    }
    if (title.empty()) return fail(Code::invalid, "a task wants a title, or a description");
    TASKSTORE_TRY(check_member("title", title));
    return title;
}

// --- the store
// ------------------------------------------------------------------------------------------------

class SqlTaskStore final : public TaskStore {
  public:
    SqlTaskStore(sql::Database& database, const Clock& clock, Random& random)
        : x_database(database), x_clock(clock), x_ids(clock, random) {}

    Result<Written<Task>> create_task(const CreateTask& task) override;
    Result<Written<std::vector<std::string>>> create_tasks(
        std::span<const CreateTask> tasks) override;
    Result<std::optional<Task>> get_task(const std::string& id) override;
    Result<TaskPage> list_tasks(const TaskFilter& filter) override;
    Result<Written<Task>> update_task(const std::string& id, const UpdateTask& change) override;
    Status delete_task(const std::string& id) override;

  private:
    Result<sql::BoundStatement> insert_of(const CreateTask& task, std::int64_t now_ms);
    std::string_view set_based() const {
        return x_database.dialect() == "postgres" ? task_sql_postgres::insert_tasks
                                                  : std::string_view();
    }

    sql::Database& x_database;
    const Clock& x_clock;
    UuidSource x_ids;
};

Result<sql::BoundStatement> SqlTaskStore::insert_of(const CreateTask& task, std::int64_t now_ms) {
    TASKSTORE_LET(std::string title, title_of(task));
    if (task.description) TASKSTORE_TRY(check_member("description", *task.description));
    if (task.command) TASKSTORE_TRY(check_member("command", *task.command));
    TASKSTORE_TRY(check_member("project", task.project));
    TASKSTORE_TRY(check_json_member("input", task.input));
    TASKSTORE_TRY(check_metadata(task.metadata));
    TASKSTORE_TRY(check_priority(task.priority));
    return sql::BoundStatement{
        .sql = task_sql::insert_task,
        .values = {x_ids.next(), task.project, std::move(title), value_of(task.description),
                   value_of(task.command), task.input, task.priority, task.metadata, now_ms},
        .set_based = set_based()};
}

Result<Written<Task>> SqlTaskStore::create_task(const CreateTask& task) {
    const std::int64_t now_ms = x_clock.wall_ms();
    TASKSTORE_LET(const sql::BoundStatement insert, insert_of(task, now_ms));
    TASKSTORE_LET(const sql::Committed committed, x_database.write_batch({&insert, 1}));
    Task made{.id = std::get<std::string>(insert.values[0]),
              .project = task.project,
              .title = std::get<std::string>(insert.values[2]),
              .description = task.description,
              .command = task.command,
              .input = task.input,
              .priority = task.priority,
              .metadata = task.metadata,
              .created_at = now_ms,
              .updated_at = now_ms};
    return Written<Task>{std::move(made), committed.level};
}

Result<Written<std::vector<std::string>>> SqlTaskStore::create_tasks(
    std::span<const CreateTask> tasks) {
    const std::int64_t now_ms = x_clock.wall_ms();
    std::vector<sql::BoundStatement> batch;
    batch.reserve(tasks.size());
    Written<std::vector<std::string>> written{{}, sql::DurabilityLevel::flushed};
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        auto insert = insert_of(tasks[i], now_ms);
        if (!insert) {
            Error error = std::move(insert).error();
            error.message = "task " + std::to_string(i + 1) + ": " + error.message;
            return fail(std::move(error));
        }
        written.value.push_back(std::get<std::string>(insert->values[0]));
        batch.push_back(std::move(*insert));
    }
    if (batch.empty()) return written;
    TASKSTORE_LET(const sql::Committed committed, x_database.write_batch(batch, {.alone = true}));
    written.level = committed.level;
    return written;
}

Result<std::optional<Task>> SqlTaskStore::get_task(const std::string& id) {
    const sql::BoundStatement get{.sql = task_sql::get_task, .values = {id}};
    TASKSTORE_LET(const auto answers, x_database.read_batch({&get, 1}));
    if (answers[0].rows.empty()) return std::optional<Task>();
    TASKSTORE_LET(Task task, task_of(answers[0].rows[0]));
    return std::optional(std::move(task));
}

Result<TaskPage> SqlTaskStore::list_tasks(const TaskFilter& filter) {
    if (filter.limit < 1 || filter.limit > kPageMax)
        return fail(Code::invalid, "limit " + std::to_string(filter.limit) + " is not in 1.." +
                                       std::to_string(kPageMax));
    std::string text(task_sql::list_tasks);
    std::vector<sql::Value> values;
    const auto add = [&](std::string_view condition, sql::Value value) {
        text += values.empty() ? " WHERE " : " AND ";
        values.push_back(std::move(value));
        text += std::string(condition) + "?" + std::to_string(values.size());
    };
    if (filter.status) add("status = ", std::string(name_of(*filter.status)));
    if (filter.project) add("project = ", *filter.project);
    if (!filter.after.empty()) {
        const std::size_t dot = filter.after.find('.');
        const auto at = raw_to_int64(std::string_view(filter.after).substr(0, dot));
        if (!at || dot == std::string::npos)
            return fail(Code::invalid, "'" + filter.after + "' is no cursor of a list of tasks")
                .with_hint("take next_cursor of the page before, or begin anew");
        add("(created_at, id) < (", *at);
        values.emplace_back(filter.after.substr(dot + 1));
        text += ", ?" + std::to_string(values.size()) + ")";
    }
    values.emplace_back(filter.limit + 1);
    text += " ORDER BY created_at DESC, id DESC LIMIT ?" + std::to_string(values.size());
    const sql::BoundStatement list{.sql = text, .values = std::move(values)};
    TASKSTORE_LET(const auto answers, x_database.read_batch({&list, 1}));
    TaskPage page;
    for (const auto& row : answers[0].rows) {
        if (static_cast<std::int64_t>(page.tasks.size()) == filter.limit) {
            const Task& last = page.tasks.back();
            page.next_cursor = std::to_string(last.created_at) + "." + last.id;
            break;
        }
        TASKSTORE_LET(Task task, task_of(row));
        page.tasks.push_back(std::move(task));
    }
    return page;
}

Result<Written<Task>> SqlTaskStore::update_task(const std::string& id, const UpdateTask& change) {
    std::string text = "UPDATE tasks SET updated_at = ?1, revision = revision + 1";
    std::vector<sql::Value> values{x_clock.wall_ms()};
    const auto set = [&](std::string_view column, sql::Value value) {
        values.push_back(std::move(value));
        text += ", " + std::string(column) + " = ?" + std::to_string(values.size());
    };
    const auto set_text = [&](std::string_view column, const std::string& value) -> Status {
        TASKSTORE_TRY(check_member(column, value));
        set(column, value);
        return ok();
    };
    if (change.title) {
        if (change.title->empty()) return fail(Code::invalid, "a task wants a title");
        TASKSTORE_TRY(set_text("title", *change.title));
    }
    if (change.description) {
        if (*change.description) TASKSTORE_TRY(check_member("description", **change.description));
        set("description", value_of(*change.description));
    }
    if (change.command) {
        if (*change.command) TASKSTORE_TRY(check_member("command", **change.command));
        set("command", value_of(*change.command));
    }
    if (change.input) {
        TASKSTORE_TRY(check_json_member("input", *change.input));
        set("input", *change.input);
    }
    if (change.priority) {
        TASKSTORE_TRY(check_priority(*change.priority));
        set("priority", *change.priority);
    }
    if (change.metadata) {
        TASKSTORE_TRY(check_metadata(*change.metadata));
        set("metadata", *change.metadata);
    }
    values.emplace_back(id);
    text += " WHERE id = ?" + std::to_string(values.size());
    if (change.revision) {
        values.emplace_back(*change.revision);
        text += " AND revision = ?" + std::to_string(values.size());
    }
    const std::array<sql::BoundStatement, 2> batch{
        sql::BoundStatement{.sql = text, .values = std::move(values)},
        sql::BoundStatement{.sql = task_sql::get_task, .values = {id}}};
    TASKSTORE_LET(const sql::Committed committed, x_database.write_batch(batch));
    const auto& rows = committed.answers[1].rows;
    if (rows.empty()) return fail(Code::not_found, "there is no task '" + id + "'");
    TASKSTORE_LET(Task task, task_of(rows[0]));
    if (committed.answers[0].changes == 0)
        return fail(Code::conflict, "task '" + id + "' is at revision " +
                                        std::to_string(task.revision) + " by now");
    return Written<Task>{std::move(task), committed.level};
}

Status SqlTaskStore::delete_task(const std::string& id) {
    const sql::BoundStatement erase{.sql = task_sql::delete_task, .values = {id}};
    TASKSTORE_LET(const sql::Committed committed, x_database.write_batch({&erase, 1}));
    if (committed.answers[0].changes == 0)
        return fail(Code::not_found, "there is no task '" + id + "'");
    return ok();
}

constexpr std::array kSqlite{sql::Migration{1, "tasks", task_sql_sqlite::create_tasks}};
constexpr std::array kPostgres{sql::Migration{1, "tasks", task_sql_postgres::create_tasks}};

}  // namespace

std::unique_ptr<TaskStore> make_task_store(sql::Database& database, const Clock& clock,
                                           Random& random) {
    return std::make_unique<SqlTaskStore>(database, clock, random);
}

std::span<const sql::Migration> migrations(std::string_view dialect) {
    if (dialect == "postgres") return kPostgres;
    return kSqlite;
}

std::span<const sql::Table> tables() {
    return kTables;
}

}  // namespace taskstore::tasks
