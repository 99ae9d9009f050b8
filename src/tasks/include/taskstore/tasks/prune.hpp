#pragma once
// Tasks that ended long ago leave the tasks database: for the archive, or for good (floor 4; the
// program, workers, and whoever embeds the store).
//
// What goes has ended as completed or cancelled, was made and ended at least so long ago, and is
// needed by nobody: no open task depends on it, is a part of it or the whole that it is a part of;
// no task has a dependency on it that is still open; its idempotency key is no longer kept; and it
// is not the one that moved last, from whose number the history goes on. Failed tasks stay: they
// may be tried again.
//
// A batch is copied, committed there, and then deleted where it was, in a transaction that deletes
// only what is still as it was copied and may still go. A crash between the two leaves tasks in
// both databases: there they are what the tasks database says, and the next run does it again.

#include <taskstore/tasks/task_archive.hpp>
#include <taskstore/tasks/task_store.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace taskstore::tasks {

/// Tasks a batch has.
inline constexpr std::int64_t kPruneBatch = 250;

struct PruneReport {
    std::int64_t gone = 0;       ///< Tasks; of a dry run those that would have gone.
    std::int64_t held_back = 0;  ///< Old enough, and needed by others.
    /// The weakest commit; nothing: there was none.
    std::optional<sql::DurabilityLevel> level = {};
};

struct PruneRequest {
    std::int64_t age_ms = 0;                  ///< Since they ended, and were made. From 0.
    std::optional<std::string> project = {};  ///< Of this one alone.
    std::optional<std::int64_t> limit = {};   ///< At most so many tasks, those made first.
    bool dry_run = false;                     ///< Changes nothing.
    /// Called after each batch; false ends the run there.
    std::function<bool(const PruneReport&)> go_on = {};
};

/// Into the archive; without one they are dropped. One look through what ended and is old enough:
/// what others held back goes in a later run. An error leaves every task in one of the two
/// databases at least; what went before it, went. invalid: an age or a limit out of bounds. Two
/// runs at once do not harm each other.
Result<PruneReport> prune_tasks(TaskStore& store, TaskArchive* archive,
                                const PruneRequest& request);

}  // namespace taskstore::tasks
