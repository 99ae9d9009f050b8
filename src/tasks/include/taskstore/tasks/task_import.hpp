#pragma once
// Tasks as they stood in another system (floor 4; the store's import): written with what they had
// come to there, which no verb can say.

#include <taskstore/base/result.hpp>
#include <taskstore/tasks/task.hpp>

#include <cstdint>
#include <span>
#include <string>

namespace taskstore::tasks {

struct ImportTasks {
    /// Each with its id, times and end; those that others depend on before them. Held by nobody,
    /// and without a concurrency key or an idempotency key.
    std::span<const Task> tasks;
    std::string actor = {};   ///< Who asks, for the history.
    std::string reason = {};  ///< Of each move in it: "imported from …".
    bool dry_run = false;     ///< Only says what would become of each.
};

/// What became of a task that was to be imported.
enum class Imported : std::uint8_t {
    created,
    there,            ///< The id is known: nothing was written.
    removed,          ///< It was here, and somebody removed it: it stays removed.
    lacks_dependency  ///< One that it depends on is not here: nothing was written.
};

/// invalid: what TaskStore::import_tasks() would refuse of the task by itself.
Status check_import(const Task& task);

}  // namespace taskstore::tasks
