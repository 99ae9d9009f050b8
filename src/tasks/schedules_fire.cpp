// Ticks that have come, as tasks. The tick and its tasks are one transaction, which expects the
// schedule as it was read: of those who look at once, one makes them.

#include "schedule_rows.hpp"
#include "sql_task_store.hpp"
#include "task_making.hpp"

#include <task_sql.hpp>
#include <taskstore/base/text.hpp>

#include <algorithm>

namespace taskstore::tasks {
namespace {

constexpr std::size_t kAtOnceMax = 100;

/// Those of which a task is to be made, and the next one.
struct Due {
    std::vector<std::int64_t> ticks;
    std::optional<std::int64_t> next;
    std::string passed_over;  ///< For the history: what nothing is made of; empty: of all.
};

Due due_of(const Schedule& schedule, const Ticks& ticks, std::int64_t now_ms) {
    const std::int64_t from = *schedule.next_at;
    Due due{.ticks = ticks.last(from, now_ms, schedule.catch_up == CatchUp::all ? kCaughtUpMax : 1),
            .next = {},
            .passed_over = {}};
    due.next = ticks.next(now_ms);
    // As when the zone's rules are others by now.
    if (due.ticks.empty()) due.passed_over = "no tick any more: " + to_rfc3339(from);
    if (!due.ticks.empty() && due.ticks.front() > from)
        due.passed_over = "passed over: ticks from " + to_rfc3339(from) + " on, before " +
                          to_rfc3339(due.ticks.front());
    if (schedule.catch_up == CatchUp::none && !due.ticks.empty() &&
        due.ticks.back() < now_ms - kOnTimeMs) {
        due.passed_over =
            "passed over: ticks from " + to_rfc3339(from) + " to " + to_rfc3339(due.ticks.back());
        due.ticks.clear();
    }
    // The rest in the next transaction.
    if (due.ticks.size() > kAtOnceMax) {
        due.next = due.ticks[kAtOnceMax];
        due.ticks.resize(kAtOnceMax);
    }
    return due;
}

CreateTask task_of_tick(const Schedule& schedule, std::int64_t tick) {
    CreateTask task = schedule.made.task;
    task.actor = "schedule " + schedule.id;
    task.idempotency_key = "schedule:" + schedule.id + ":" + to_rfc3339(tick);
    if (schedule.made.deadline_ms) task.deadline = tick + *schedule.made.deadline_ms;
    return task;
}

}  // namespace

/// False: somebody else was faster, or has taken the key of one of the tasks.
Result<bool> SqlTaskStore::write_ticks(const Schedule& was, const std::vector<std::int64_t>& ticks,
                                       const Schedule& given, const std::string& passed_over) {
    Schedule next = given;
    Making making;
    Statements histories;
    std::int64_t revision = was.revision;
    const auto tell = [&](std::string_view verb, std::optional<std::int64_t> tick,
                          const std::optional<std::string>& task, const std::string& reason) {
        histories.push_back(
            {.sql = task_sql::insert_schedule_history,
             .values = {was.id, ++revision, std::string(verb), std::string("taskstore"),
                        next.updated_at, value_of(tick), value_of(task),
                        reason.empty() ? sql::Value{} : sql::Value{reason}}});
    };
    if (!passed_over.empty() || ticks.empty())
        tell("skip", std::nullopt, std::nullopt,
             passed_over.empty() ? "its task was there" : passed_over);
    for (const std::int64_t tick : ticks) {
        const CreateTask request = task_of_tick(was, tick);
        TASKSTORE_LET(Task task, task_asked_for(request));
        task.id = x_ids.next();
        task.created_at = task.updated_at = x_clock.wall_ms();
        TASKSTORE_TRY(add_task(making, request, task));
        tell("tick", tick, task.id, "");
        next.last_at = tick;
        next.last_task = task.id;
    }
    next.revision = revision;
    std::vector<sql::Value> values = values_of(next);
    values.insert(values.end(),
                  {next.updated_at, next.revision, was.revision, value_of(was.next_at)});
    Statements batch{
        {.sql = task_sql::rewrite_schedule, .values = std::move(values), .changes_expected = 1}};
    std::ranges::move(histories, std::back_inserter(batch));
    forget_schedule_history(batch, next);
    std::ranges::move(std::move(making).all(), std::back_inserter(batch));
    const auto committed = write_batch(batch, waking());
    if (!committed && is_conflict(committed.error())) return false;
    if (!committed) return taskstore::fail(committed.error());
    if (was.made.task.concurrency_key) settle_or_leave_marked();
    return true;
}

/// Those whose keys nobody has taken: a person may have made the task of a tick.
Result<std::vector<std::int64_t>> SqlTaskStore::without_known(const Schedule& schedule,
                                                              std::vector<std::int64_t> ticks) {
    Statements looks;
    for (const std::int64_t tick : ticks)
        looks.push_back({.sql = x_read_texts.find_key,
                         .values = {now(), schedule.made.task.project,
                                    *task_of_tick(schedule, tick).idempotency_key}});
    if (looks.empty()) return ticks;
    TASKSTORE_LET(const auto answers, x_database.read_batch(looks));
    std::vector<std::int64_t> out;
    for (std::size_t i = 0; i < ticks.size(); ++i)
        if (answers[i].rows.empty()) out.push_back(ticks[i]);
    return out;
}

Status SqlTaskStore::pause_broken(const Schedule& schedule, const Error& error,
                                  std::int64_t now_ms) {
    Schedule next = schedule;
    next.paused = true;
    next.next_at = std::nullopt;
    next.updated_at = now_ms;
    ++next.revision;
    sql::DurabilityLevel level{};
    TASKSTORE_TRY(write_schedule(schedule, next,
                                 {.revision = next.revision,
                                  .verb = "pause",
                                  .actor = "taskstore",
                                  .at = now_ms,
                                  .tick = schedule.next_at,
                                  .task_id = {},
                                  .reason = error.message},
                                 level));
    return ok();
}

/// By its row alone: what stands in it besides is not written again.
Status SqlTaskStore::pause_unreadable(const Schedule& schedule, std::int64_t now_ms) {
    const Statements batch{{.sql = task_sql::pause_schedule,
                            .values = {schedule.id, now_ms, schedule.revision},
                            .changes_expected = 1},
                           {.sql = task_sql::insert_schedule_history,
                            .values = {schedule.id, schedule.revision + 1, std::string("pause"),
                                       std::string("taskstore"), now_ms, value_of(schedule.next_at),
                                       sql::Value{}, "cannot be read: " + schedule.fault}}};
    const auto committed = write_batch(batch, waking());
    // Somebody else has paused, changed or removed it.
    if (!committed && !is_conflict(committed.error())) return taskstore::fail(committed.error());
    return ok();
}

/// How many tasks were made of a schedule that is due.
Result<std::int64_t> SqlTaskStore::fire(const Schedule& schedule, std::int64_t now_ms) {
    if (!schedule.fault.empty()) {
        TASKSTORE_TRY(pause_unreadable(schedule, now_ms));
        return 0;
    }
    const auto ticks = Ticks::of(schedule.timing);
    const Status usable =
        ticks ? check_template(schedule.made) : Status(taskstore::fail(ticks.error()));
    if (!usable) {
        TASKSTORE_TRY(pause_broken(schedule, usable.error(), now_ms));
        return 0;
    }
    Due due = due_of(schedule, *ticks, now_ms);
    Schedule next = schedule;
    next.next_at = due.next;
    next.updated_at = now_ms;
    TASKSTORE_LET(const bool written, write_ticks(schedule, due.ticks, next, due.passed_over));
    if (written) return std::ssize(due.ticks);
    TASKSTORE_LET(auto unknown, without_known(schedule, due.ticks));
    if (unknown.size() == due.ticks.size()) return 0;
    TASKSTORE_LET(const bool then, write_ticks(schedule, unknown, next, due.passed_over));
    return then ? std::ssize(unknown) : 0;
}

Result<std::int64_t> SqlTaskStore::fire_due() {
    TASKSTORE_TRY(keep_time());
    std::int64_t made = 0;
    // Each look finds others, or the same ones with fewer ticks to catch up.
    for (std::size_t looks = 0; looks <= kCaughtUpMax / kAtOnceMax; ++looks) {
        TASKSTORE_LET(const auto answers,
                      read_one({.sql = x_read_texts.due_schedules, .values = {now()}}));
        if (answers[0].rows.empty()) break;
        for (const auto& row : answers[0].rows) {
            TASKSTORE_LET(const std::int64_t one,
                          fire(schedule_of(row), std::get<std::int64_t>(row.back())));
            made += one;
        }
    }
    return made;
}

}  // namespace taskstore::tasks
