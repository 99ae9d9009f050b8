#pragma once
// Moving in from the founding systems (floor 5): what founding/ found in them becomes tasks of the
// device.
//
//   id          a UUID of the source stays as it is; else it is made of the system's name, the id
//               there and the time of creation as it is written, in the form of a UUIDv7 of that
//               time: so the same task has the same id wherever its source lies, in whichever time
//               zone, and whoever imports it
//   in progress pending: who was at it is not here; `assigned_to` and `started_at` go to `was`
//   blocked     pending, and waits for the tasks that it depends on; where those have completed, or
//               there are none, it waited for a person: cancelled, as is what waited for a review,
//               and a person's retry makes it pending
//   ended       as it was, with its times, result, error, logs; its dependencies where they are
//               tasks here (of a completed one: completed ones), else in `was`
//   metadata    the source's, and its members that have no field here; `_import` tells where the
//               task came from: {"adt":{"id":…,"hash":…,"was":{MEMBER:VALUE,…}}}
//
// Refused, and told: a task that waits for one that the source does not have or that was refused
// itself, and those that wait for each other in a circle.
//
// Importing again changes nothing: what is here stays as it is, also where the source has changed
// since, which `hash` tells; what was removed here stays removed.

#include <taskstore/base/clock.hpp>
#include <taskstore/founding/found.hpp>
#include <taskstore/sql/database.hpp>
#include <taskstore/tasks/task_store.hpp>

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace taskstore::store {

struct TaskImportRequest {
    std::string actor = {};    ///< For the history.
    std::string project = {};  ///< Of tasks that name none.
    bool dry_run = false;
    bool strict = false;  ///< Writes nothing where something has no place or is refused.
    std::function<void(std::int64_t done, std::int64_t total)> progress = {};
};

struct TaskImportReport {
    founding::System system = founding::System::adt;
    std::int64_t records = 0;  ///< Tasks of the source, refused ones too.
    std::int64_t created = 0;
    std::int64_t unchanged = 0;   ///< Here already; `changed` are among them.
    std::int64_t changed = 0;     ///< The source has changed them since they came.
    std::int64_t removed = 0;     ///< Removed here, and left so.
    std::int64_t held = 0;        ///< Of those created: in progress there, pending here.
    std::int64_t for_person = 0;  ///< Of those created: waited for a person, cancelled here.
    std::vector<founding::Refused> refused;
    std::vector<founding::NoPlace> no_place;
    std::vector<std::string> notes;
    std::optional<sql::DurabilityLevel> level;  ///< The weakest commit; nothing: there was none.
    bool complete() const { return refused.empty() && no_place.empty(); }
};

/// Batches of at most kTaskImportBatch tasks and about 8 MiB, those first that others depend on;
/// each is one transaction. After an error (or a crash) those before it stand, and importing again
/// does the rest. `store` null: there are no tasks yet, and `dry_run` makes none. With `strict`,
/// where the report is not complete(), nothing was written.
Result<TaskImportReport> import_found(tasks::TaskStore* store, const Clock& clock,
                                      founding::Found found, const TaskImportRequest& request);

inline constexpr std::size_t kTaskImportBatch = 500;

/// The id that a task of a founding system has here.
std::string imported_id(founding::System system, const founding::FoundTask& task);

}  // namespace taskstore::store
