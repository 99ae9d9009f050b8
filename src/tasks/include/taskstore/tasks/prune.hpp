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
// As much as fits into memory (kWholeBytes) is copied, committed there, and then deleted where it
// was, in a transaction that deletes only what is still as it was copied and may still go. A crash
// between the two leaves tasks in both databases: there they are what the tasks database says, and
// the next run does it again. What somebody removed meanwhile is gone, whatever was copied: its
// history says so here, and the copy is taken back.

#include <taskstore/tasks/task_archive.hpp>
#include <taskstore/tasks/task_store.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

namespace taskstore::tasks {

/// Tasks that are looked at at once.
inline constexpr std::int64_t kPruneBatch = 250;

struct PruneReport {
    /// Tasks; of a dry run those that would have gone, but for what is needed by those alone.
    std::int64_t gone = 0;
    std::int64_t held_back = 0;  ///< Old enough, and needed by others.
    /// The weakest commit; nothing: there was none.
    std::optional<sql::DurabilityLevel> level = {};
};

struct PruneRequest {
    std::int64_t age_ms = 0;                  ///< Since they ended, and were made. From 0.
    std::optional<std::string> project = {};  ///< Of this one alone.
    std::optional<std::int64_t> limit = {};   ///< Tasks at most: completed, then cancelled.
    bool drop = false;                        ///< For good, and from the archive, too.
    bool dry_run = false;                     ///< Changes nothing.
    /// Called after each batch; false ends the run there.
    std::function<bool(const PruneReport&)> go_on = {};
};

/// Into the archive, or to `drop`. `archive` is asked once, when the first of them goes: so none is
/// made for nothing. What waited for another that ended goes with it, the last of a chain first. An
/// error leaves every task that is not dropped in one of the two databases at least; what went
/// before it, went. invalid: an age or a limit out of bounds, or tasks are to be archived and there
/// is nothing to take them. Two runs at once do not harm each other.
Result<PruneReport> prune_tasks(TaskStore& store, const ArchiveFinder& archive,
                                const PruneRequest& request);

}  // namespace taskstore::tasks
