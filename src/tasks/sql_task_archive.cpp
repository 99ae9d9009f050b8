#include "task_filter.hpp"
#include "task_rows.hpp"
#include "task_texts.hpp"

#include <task_sql.hpp>
#include <task_sql_postgres.hpp>
#include <task_sql_sqlite.hpp>
#include <taskstore/tasks/task_archive.hpp>

#include <array>
#include <map>

namespace taskstore::tasks {
namespace {

constexpr std::array kTables{sql::Table{"archived_tasks", "id"},
                             sql::Table{"archived_task_history", "task_id, revision"}};
constexpr std::array kSqlite{sql::Migration{1, "archive", task_sql_sqlite::create_archive}};
constexpr std::array kPostgres{sql::Migration{1, "archive", task_sql_postgres::create_archive}};

/// Of the values of a commit, more or less.
constexpr std::size_t kCommitBytes = std::size_t{8} << 20U;

using Row = std::vector<sql::Value>;
using Statements = std::vector<sql::BoundStatement>;

std::size_t bytes_of(const Row& row) {
    std::size_t bytes = 0;
    for (const sql::Value& value : row) {
        const auto* const text = std::get_if<std::string>(&value);
        bytes += 8 + (text == nullptr ? 0 : text->size());
    }
    return bytes;
}

Result<Task> archived_task_of(const Row& row) {
    TASKSTORE_LET(Task task, task_of(row));
    const auto* const at = std::get_if<std::int64_t>(&row.back());
    if (at == nullptr) return fail(Code::corrupt, "task " + task.id + " has no archived_at");
    task.archived_at = *at;
    return task;
}

/// There is no index of words here: each is looked for in all of a task's.
void add_words(Conditions& where, const std::vector<std::string>& tokens) {
    for (const std::string& token : tokens)
        where.add("replace(' ' || coalesce(words, '') || ' ', " + where.bound(" " + token + " ") +
                  ", '') <> ' ' || coalesce(words, '') || ' '");
}

class SqlTaskArchive final : public TaskArchive {
  public:
    SqlTaskArchive(sql::Database& database, std::shared_ptr<void> owner)
        : x_owner(std::move(owner)), x_database(database), x_texts(texts_of(database.dialect())) {}

    Result<sql::DurabilityLevel> put(const WholeTasks& whole, std::int64_t archived_at) override;
    Result<std::optional<Task>> get_task(const std::string& id) override;
    Result<std::string> find_id(const std::string& part) override;
    Result<TaskPage> list_tasks(const TaskFilter& filter) override;
    Result<std::vector<HistoryEntry>> history(const std::string& id) override;
    Result<std::int64_t> count(const std::optional<std::string>& project) override;
    Result<std::vector<std::string>> held(std::span<const std::string> ids) override;
    Result<std::optional<sql::DurabilityLevel>> remove(const std::string& id) override;

  private:
    Result<sql::Rows> read(const sql::BoundStatement& statement) {
        TASKSTORE_LET(auto answers, x_database.read_batch({&statement, 1}));
        return std::move(answers.at(0));
    }

    std::shared_ptr<void> x_owner;  // Destroyed last: what opened the database.
    sql::Database& x_database;
    const Texts& x_texts;
};

/// What takes one task in, and its transitions.
void add_put(Statements& batch, const Row& task, const std::vector<const Row*>& histories,
             std::int64_t archived_at) {
    const sql::Value& id = task.front();
    const sql::Value& epoch = task.back();
    const sql::Value& revision = task.at(static_cast<std::size_t>(kRevisionColumn));
    Row values = task;
    values.emplace_back(archived_at);
    batch.push_back({.sql = task_sql::archive_task, .values = std::move(values)});
    batch.push_back({.sql = task_sql::archive_history_anew, .values = {id, epoch, revision}});
    for (const Row* const one : histories) {
        Row entry = *one;
        entry.insert(entry.end(), {epoch, revision});
        batch.push_back({.sql = task_sql::archive_history, .values = std::move(entry)});
    }
}

Result<sql::DurabilityLevel> SqlTaskArchive::put(const WholeTasks& whole,
                                                 std::int64_t archived_at) {
    std::map<std::string, std::vector<const Row*>> histories;
    for (const Row& row : whole.histories) histories[RowReader(row).text_at(1)].push_back(&row);
    sql::DurabilityLevel level = sql::DurabilityLevel::replicated;
    Statements batch;
    std::size_t bytes = 0;
    for (std::size_t i = 0; i < whole.tasks.size(); ++i) {
        const Row& task = whole.tasks[i];
        const auto& moves = histories[RowReader(task).text()];
        add_put(batch, task, moves, archived_at);
        bytes += bytes_of(task);
        for (const Row* const one : moves) bytes += bytes_of(*one);
        if (bytes < kCommitBytes && i + 1 < whole.tasks.size()) continue;
        TASKSTORE_LET(const auto committed, x_database.write_batch(batch, {.alone = true}));
        level = sql::weaker_of(level, committed.level);
        batch.clear();
        bytes = 0;
    }
    return level;
}

Result<std::optional<Task>> SqlTaskArchive::get_task(const std::string& id) {
    TASKSTORE_LET(const sql::Rows found, read({.sql = x_texts.get_archived, .values = {id}}));
    if (found.rows.empty()) return std::optional<Task>();
    TASKSTORE_LET(Task task, archived_task_of(found.rows[0]));
    return std::optional(std::move(task));
}

Result<std::string> SqlTaskArchive::find_id(const std::string& part) {
    if (part.empty()) return fail(Code::invalid, "an id is needed");
    const std::string end = part + "\xF4\x8F\xBF\xBF";  // Behind all that begins with it.
    std::vector<std::string> found;
    for (const sql::BoundStatement& look :
         {sql::BoundStatement{.sql = task_sql::find_archived_ids_from, .values = {part, end}},
          sql::BoundStatement{.sql = task_sql::find_archived_ids_with, .values = {part}}}) {
        TASKSTORE_LET(const sql::Rows answer, read(look));
        for (const Row& row : answer.rows) found.push_back(RowReader(row).text());
        // A whole one wins.
        if (!found.empty() && found[0] == part) found.resize(1);
        if (!found.empty()) break;
    }
    if (found.size() == 1) return found[0];
    if (found.empty())
        return fail(Code::not_found, "there is no task '" + part + "', in the archive neither")
            .with_hint("look at 'taskstore task list --all-projects', with --archived too");
    return part_of_many(part, found);
}

Result<TaskPage> SqlTaskArchive::list_tasks(const TaskFilter& filter) {
    TASKSTORE_TRY(check_filter(filter));
    if (filter.part != TaskPart::all) return TaskPage{};
    Conditions where;
    if (!filter.words.empty()) {
        TASKSTORE_LET(const auto tokens, tokens_of_words(filter.words));
        add_words(where, tokens);
    }
    add_filter(where, filter, "created_at", "ready = 1");
    const Ordered order = ordered_by(filter, "created_at");
    TASKSTORE_TRY(add_cursor(where, filter.after, order, "id"));
    std::string text = x_texts.list_archived + where.text;
    text += order_and_limit(where, filter, order, "id");
    TASKSTORE_LET(const sql::Rows answer, read({.sql = text, .values = std::move(where.values)}));
    return page_of(answer, filter, order, archived_task_of);
}

Result<std::vector<HistoryEntry>> SqlTaskArchive::history(const std::string& id) {
    TASKSTORE_LET(const sql::Rows answer,
                  read({.sql = task_sql::list_archived_history, .values = {id}}));
    std::vector<HistoryEntry> entries;
    for (const Row& row : answer.rows) {
        TASKSTORE_LET(HistoryEntry entry, history_entry_of(row));
        entries.push_back(std::move(entry));
    }
    return entries;
}

Result<std::int64_t> SqlTaskArchive::count(const std::optional<std::string>& project) {
    TASKSTORE_LET(const sql::Rows answer,
                  read({.sql = task_sql::count_archived, .values = {value_of(project)}}));
    return RowReader(answer.rows.at(0)).number();
}

Result<std::vector<std::string>> SqlTaskArchive::held(std::span<const std::string> ids) {
    TASKSTORE_LET(const sql::Rows answer,
                  read({.sql = x_texts.held_archived, .values = {ids_json(ids)}}));
    return ids_of(answer);
}

Result<std::optional<sql::DurabilityLevel>> SqlTaskArchive::remove(const std::string& id) {
    // Most are not there, and need no write.
    TASKSTORE_LET(const auto there, held({&id, 1}));
    if (there.empty()) return std::optional<sql::DurabilityLevel>();
    const Statements batch{{.sql = task_sql::delete_archived_history, .values = {id}},
                           {.sql = task_sql::delete_archived, .values = {id}}};
    TASKSTORE_LET(const sql::Committed committed, x_database.write_batch(batch));
    return std::optional(committed.level);
}

}  // namespace

std::unique_ptr<TaskArchive> make_task_archive(sql::Database& database,
                                               std::shared_ptr<void> owner) {
    return std::make_unique<SqlTaskArchive>(database, std::move(owner));
}

std::span<const sql::Migration> archive_migrations(std::string_view dialect) {
    if (dialect == "postgres") return kPostgres;
    return kSqlite;
}

std::span<const sql::Table> archive_tables() {
    return kTables;
}

}  // namespace taskstore::tasks
