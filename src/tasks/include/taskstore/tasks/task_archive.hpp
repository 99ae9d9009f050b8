#pragma once
// Where tasks go that have ended long ago (floor 4; the store and whoever embeds it): a database of
// its own, that no claim pays for. prune.hpp takes them there.

#include <taskstore/base/result.hpp>
#include <taskstore/sql/database.hpp>
#include <taskstore/sql/identity.hpp>
#include <taskstore/sql/migration.hpp>
#include <taskstore/tasks/task_store.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace taskstore::tasks {

/// Over a database that has the archive's migrations and an identity named kArchiveModule. What it
/// answers has Task::archived_at. A task that is in the tasks database too is what it is there:
/// somebody archived it and has not got to the end, or a backup brought it back. Thread-safe.
/// Errors of every method, beyond its own: those of sql::Database.
class TaskArchive {
  public:
    virtual ~TaskArchive() = default;
    /// Takes these in, with their histories, in commits of a bounded size; the answer is the
    /// weakest of their levels. A task that is there already is replaced, unless it is there in a
    /// later state: the same again changes nothing. After an error some of them are there.
    virtual Result<sql::DurabilityLevel> put(const WholeTasks& whole, std::int64_t archived_at) = 0;
    /// Nothing where there is none.
    virtual Result<std::optional<Task>> get_task(const std::string& id) = 0;
    /// As TaskStore::find_id().
    virtual Result<std::string> find_id(const std::string& part) = 0;
    /// As TaskStore::list_tasks(); parts but `all` have no tasks here. Goes by an index where a
    /// project is given, or nothing is, and tasks come as they were made; else, and for words, it
    /// looks through all of them.
    virtual Result<TaskPage> list_tasks(const TaskFilter& filter) = 0;
    virtual Result<std::vector<HistoryEntry>> history(const std::string& id) = 0;
    /// Of one project, or of all. The cost grows with them.
    virtual Result<std::int64_t> count(const std::optional<std::string>& project) = 0;
    /// Which of these are there.
    virtual Result<std::vector<std::string>> held(std::span<const std::string> ids) = 0;
    /// With its history. Nothing: it was not there.
    virtual Result<std::optional<sql::DurabilityLevel>> remove(const std::string& id) = 0;
};

/// A page of what is archived, without tasks that the tasks database has, or somebody removed from
/// it: it may be a shorter one.
Result<TaskPage> list_archived(TaskStore& store, TaskArchive& archive, const TaskFilter& filter);
/// How many are archived and not among the tasks. The cost is that of TaskArchive::count(), and
/// grows with the tasks that were made before the last one of the archive.
Result<std::int64_t> count_archived(TaskStore& store, TaskArchive& archive,
                                    const std::optional<std::string>& project);

/// `owner` is kept till the archive is gone: what opened the database.
std::unique_ptr<TaskArchive> make_task_archive(sql::Database& database,
                                               std::shared_ptr<void> owner = {});

/// The module's name in taskstore_migrations, and what to apply. `dialect` as of sql::Connection.
inline constexpr std::string_view kArchiveModule = "archive";
std::span<const sql::Migration> archive_migrations(std::string_view dialect);
std::span<const sql::Table> archive_tables();

}  // namespace taskstore::tasks
