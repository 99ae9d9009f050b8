#pragma once
// The tasks of a device, the same over every database (floor 4; the store and whoever embeds it).

#include <taskstore/base/clock.hpp>
#include <taskstore/base/result.hpp>
#include <taskstore/sql/database.hpp>
#include <taskstore/sql/identity.hpp>
#include <taskstore/sql/migration.hpp>
#include <taskstore/tasks/task.hpp>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace taskstore::tasks {

struct CreateTask {
    std::string title;  ///< Empty: the first line of the description.
    std::optional<std::string> description = {};
    std::optional<std::string> command = {};
    std::string input = "null";  ///< JSON.
    std::string project = {};
    std::int64_t priority = 0;    ///< -100..100.
    std::string metadata = "{}";  ///< JSON object.
};

/// Members without a value stay as they are. The second optional: set, or taken away.
struct UpdateTask {
    std::optional<std::string> title = {};
    std::optional<std::optional<std::string>> description = {};
    std::optional<std::optional<std::string>> command = {};
    std::optional<std::string> input = {};
    std::optional<std::int64_t> priority = {};
    std::optional<std::string> metadata = {};
    /// conflict where the task has another one by now.
    std::optional<std::int64_t> revision = {};
};

struct TaskFilter {
    std::optional<TaskStatus> status = {};
    std::optional<std::string> project = {};
    std::int64_t limit = 100;  ///< 1..10'000.
    std::string after = {};    ///< The cursor of an earlier page.
};

/// Newest first; of one millisecond, the larger id first.
struct TaskPage {
    std::vector<Task> tasks;
    std::string next_cursor;  ///< Empty: this was the last page.
};

/// What an acknowledged write promises, beside the answer.
template <typename T>
struct Written {
    T value;
    sql::DurabilityLevel level;
};

/// Thread-safe. Errors of every method, beyond its own: those of sql::Database.
class TaskStore {
  public:
    virtual ~TaskStore() = default;
    /// invalid: no title and no description, JSON that is none, a priority out of bounds, U+0000.
    virtual Result<Written<Task>> create_task(const CreateTask& task) = 0;
    /// All or none, in one transaction. Ids ascend in the order given.
    virtual Result<Written<std::vector<std::string>>> create_tasks(
        std::span<const CreateTask> tasks) = 0;
    /// Nothing where there is none.
    virtual Result<std::optional<Task>> get_task(const std::string& id) = 0;
    virtual Result<TaskPage> list_tasks(const TaskFilter& filter) = 0;
    /// The task as it is afterwards. not_found; conflict.
    virtual Result<Written<Task>> update_task(const std::string& id, const UpdateTask& change) = 0;
    /// not_found.
    virtual Status delete_task(const std::string& id) = 0;
};

/// Over a database that has the migrations. Both must outlive it.
std::unique_ptr<TaskStore> make_task_store(sql::Database& database, const Clock& clock,
                                           Random& random);

/// The module's name in taskstore_migrations, and what to apply. `dialect` as of sql::Connection.
inline constexpr std::string_view kModule = "tasks";
std::span<const sql::Migration> migrations(std::string_view dialect);
/// Its tables, those that others refer to first.
std::span<const sql::Table> tables();

}  // namespace taskstore::tasks
