#pragma once
// The verbs of schedules: their rows of the command table.

#include "task_verbs.hpp"

#include <array>

namespace taskstore::cli {

Status run_schedule_add(Context& context);
Status run_schedule_list(Context& context);
Status run_schedule_show(Context& context);
Status run_schedule_set(Context& context);
Status run_schedule_rm(Context& context);
Status run_schedule_next(Context& context);
Status run_schedule_run(Context& context);

inline constexpr std::array<std::string_view, 3> kCatchUpWords{"none", "one", "all"};
inline constexpr Option kCron{"cron", 0, "FIELDS",
                              "minute, hour, day, month, weekday as in crontab(5), or @daily …"};
inline constexpr Option kEvery{"every", 0, "D", "every 30s, 5m, 2h, from now on"};
inline constexpr Option kZone{"tz", 0, "ZONE",
                              "whose clocks cron goes by: Europe/Berlin (default: UTC)"};
inline constexpr Option kCatchUp{
    "catch-up", 0, "X", "ticks that nobody saw (default: one)", false, kCatchUpWords};
inline constexpr Option kDeadlineAfter{
    "deadline", 0, "D", "if nobody has begun so long after the tick, it fails", false, {}, true};
// Of its tasks, and as of `task add`; what belongs to one task has no place here.
#define TASKSTORE_SCHEDULE_FIELDS                                                             \
    kCron, kEvery, kZone, kCatchUp, option_of(kTaskAdd, "title"),                             \
        option_of(kTaskAdd, "description"), option_of(kTaskAdd, "command"),                   \
        option_of(kTaskAdd, "shell"), option_of(kTaskAdd, "timeout"),                         \
        option_of(kTaskAdd, "input"), option_of(kTaskAdd, "priority"),                        \
        option_of(kTaskAdd, "agent-type"), option_of(kTaskAdd, "capability"),                 \
        option_of(kTaskAdd, "metadata"), kDeadlineAfter, option_of(kTaskAdd, "max-attempts"), \
        option_of(kTaskAdd, "max-rescues"), option_of(kTaskAdd, "backoff"),                   \
        option_of(kTaskAdd, "backoff-base"), option_of(kTaskAdd, "backoff-cap"),              \
        option_of(kTaskAdd, "jitter"), kLease, option_of(kTaskAdd, "parent"),                 \
        option_of(kTaskAdd, "concurrency-key"), option_of(kTaskAdd, "concurrency-limit"),     \
        option_of(kTaskAdd, "spec")
inline constexpr std::array kScheduleAdd{TASKSTORE_SCHEDULE_FIELDS, option_of(kTaskAdd, "project")};
inline constexpr std::array kScheduleSet{
    TASKSTORE_SCHEDULE_FIELDS,
    option_of(kTaskSet, "project"),
    option_of(kTaskSet, "no-shell"),
    Option{"pause", 0, "", "it ticks no more until --resume"},
    Option{"resume", 0, "", "it ticks again; what was missed meanwhile is not caught up"},
    Option{"if-revision", 0, "R", "only if the schedule is still at this revision"}};
#undef TASKSTORE_SCHEDULE_FIELDS
inline constexpr std::array kScheduleList{kProject, kAllProjects};
inline constexpr std::array kScheduleShow{
    Option{"history", 0, "", "every change, and every tick with its task"}};
inline constexpr std::array kScheduleNext{
    kProject, kAllProjects, Option{"count", 0, "N", "so many ticks of each (default: 5)"}};
inline constexpr std::array kScheduleRun{Option{"once", 0, "", "make what is due now, then end"}};

inline constexpr std::array kScheduleCommands{
    Command{"schedule add", "",
            "make tasks on time; whoever claims makes what is due, and so does schedule run",
            kScheduleAdd,
            "taskstore schedule add --cron '0 3 * * mon-fri' --tz Europe/Berlin --title Backup "
            "--command ./backup.sh\n"
            "taskstore schedule add --every 5m --title Poll --command ./poll.sh --catch-up none",
            run_schedule_add},
    Command{"schedule list", "", "list schedules, oldest first", kScheduleList,
            "taskstore schedule list --all-projects", run_schedule_list},
    Command{"schedule show", "ID", "show one schedule", kScheduleShow,
            "taskstore schedule show 0193a1b2 --history", run_schedule_show},
    Command{"schedule set", "ID", "change a schedule; an empty value takes a field away",
            kScheduleSet,
            "taskstore schedule set 0193a1b2 --pause\n"
            "taskstore schedule set 0193a1b2 --every 10m --priority low",
            run_schedule_set},
    Command{"schedule rm", "ID", "remove a schedule; its tasks and its history stay", kTaskNone,
            "taskstore schedule rm 0193a1b2", run_schedule_rm},
    Command{"schedule next", "[ID]", "when schedules tick next", kScheduleNext,
            "taskstore schedule next 0193a1b2 --count 10", run_schedule_next},
    Command{"schedule run", "",
            "make tasks on time where nobody claims: waits for ticks until it is ended",
            kScheduleRun, "taskstore schedule run --once", run_schedule_run},
};

}  // namespace taskstore::cli
