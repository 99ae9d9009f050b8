#pragma once
// Schedules: what makes tasks on time (floor 4; whoever works, and who sets them up). Times are
// Unix milliseconds, UTC.

#include <taskstore/base/result.hpp>
#include <taskstore/tasks/task_store.hpp>
#include <taskstore/tasks/ticks.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::tasks {

/// What is made of ticks that have passed before anybody looked.
enum class CatchUp : std::uint8_t {
    none,  ///< Nothing: the last one is made only if it is no older than kOnTimeMs.
    one,   ///< One task, of the last of them.
    all,   ///< A task for each, of the last kCaughtUpMax.
};
std::string_view name_of(CatchUp policy);
std::optional<CatchUp> catch_up_of(std::string_view word);
inline constexpr std::int64_t kOnTimeMs = 60'000;
inline constexpr std::size_t kCaughtUpMax = 1'000;

/// What each task of a schedule is made of. `depends_on`, `not_before`, `deadline` and
/// `idempotency_key` stay unset: they belong to one task.
struct TaskTemplate {
    CreateTask task = {};
    std::optional<std::int64_t> deadline_ms = {};  ///< Of each task, after its tick.
    friend bool operator==(const TaskTemplate&, const TaskTemplate&) = default;
};

struct CreateSchedule {
    Timing timing;  ///< `anchor_at` says nothing: it is set to now.
    CatchUp catch_up = CatchUp::one;
    TaskTemplate made = {};
    std::string actor = {};
};

/// Members without a value stay as they are.
struct UpdateSchedule {
    std::optional<Timing> timing = {};
    std::optional<CatchUp> catch_up = {};
    std::optional<TaskTemplate> made = {};
    /// conflict where its tasks are made of something else by now: for who changes a part. Ticks
    /// in between, which change the revision, are no matter.
    std::optional<TaskTemplate> made_was = {};
    std::optional<bool> paused = {};
    /// conflict where the schedule has another one by now.
    std::optional<std::int64_t> revision = {};
    std::string actor = {};
};

struct Schedule {
    std::string id;  ///< UUIDv7.
    Timing timing;
    CatchUp catch_up = CatchUp::one;
    TaskTemplate made;
    bool paused = false;
    std::optional<std::int64_t> next_at;  ///< Nothing: it is paused, or no tick is left.
    std::optional<std::int64_t> last_at;  ///< The last tick of which a task was made.
    std::optional<std::string> last_task;
    std::int64_t created_at = 0;
    std::int64_t updated_at = 0;
    std::int64_t revision = 1;
    /// What of it cannot be read; empty: nothing. Such a one has no template, makes no tasks, and
    /// can only be removed.
    std::string fault = {};
    friend bool operator==(const Schedule&, const Schedule&) = default;
};

/// How many changes and ticks the history of a schedule keeps.
inline constexpr std::int64_t kScheduleHistoryKept = 1'000;

/// What was done to a schedule, or by it. Stays when it is removed.
struct ScheduleEntry {
    std::int64_t revision = 0;
    std::string verb;  ///< add, set, pause, resume, tick, skip, remove.
    std::string actor;
    std::int64_t at = 0;
    std::optional<std::int64_t> tick;
    std::optional<std::string> task_id;
    std::optional<std::string> reason;
};

/// As JSON; the second one with its history.
std::string schedule_json(const Schedule& schedule);
std::string schedule_json(const Schedule& schedule, const std::vector<ScheduleEntry>& history);

/// The schedules of a device. A tick and its task are one transaction, guarded by the schedule's
/// revision and its `next_at`: of however many processes that look, one makes the task, and its
/// idempotency key names schedule and tick. Claims fire what is due by themselves (TaskStore::tend,
/// Outlook). Thread-safe. Errors of every method, beyond its own: those of sql::Database.
class Schedules {
  public:
    virtual ~Schedules() = default;
    /// invalid: a timing that is none or never comes, a template that no task could be made of.
    virtual Result<Written<Schedule>> add_schedule(const CreateSchedule& schedule) = 0;
    /// Nothing where there is none.
    virtual Result<std::optional<Schedule>> get_schedule(const std::string& id) = 0;
    /// As TaskStore::find_id().
    virtual Result<std::string> find_schedule_id(const std::string& part) = 0;
    /// Of one project, or of all; oldest first.
    virtual Result<std::vector<Schedule>> list_schedules(
        const std::optional<std::string>& project) = 0;
    /// Ticks that passed while it was paused, or before its timing was changed, are not caught up.
    /// not_found; conflict: the revision; invalid as of add_schedule(); corrupt: it has a fault.
    virtual Result<Written<Schedule>> update_schedule(const std::string& id,
                                                      const UpdateSchedule& change) = 0;
    /// The tasks that it made stay, and its history. not_found.
    virtual Result<sql::DurabilityLevel> delete_schedule(const std::string& id,
                                                         const std::string& actor) = 0;
    /// Oldest first; also of one that was removed. The last kScheduleHistoryKept at least: each
    /// change and tick after those takes a few of the oldest away.
    virtual Result<std::vector<ScheduleEntry>> schedule_history(const std::string& id) = 0;
    /// Makes the tasks of all ticks that have come. How many were made. A schedule of which no
    /// task can be made, that names a time zone which is not known here, or that has a fault, is
    /// paused, and its history says why: the others tick on.
    virtual Result<std::int64_t> fire_due() = 0;
    /// How long it is to the next tick of any schedule, by the clock that ticks go by; nothing
    /// where none will come. Not below 0.
    virtual Result<std::optional<std::int64_t>> next_tick_in_ms() = 0;
};

}  // namespace taskstore::tasks
