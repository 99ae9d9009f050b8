// Making, changing and listing schedules.

#include "schedule_rows.hpp"
#include "sql_task_store.hpp"

#include <task_sql.hpp>

namespace taskstore::tasks {
namespace {

Failure no_such_schedule(const std::string& id) {
    return fail(Code::not_found, "there is no schedule '" + id + "'")
        .with_hint("'taskstore schedule list --all-projects' lists what there is");
}

/// The next tick after now, of a schedule that is not paused. invalid.
Result<std::optional<std::int64_t>> first_tick(const Schedule& schedule, std::int64_t now_ms) {
    TASKSTORE_LET(const Ticks ticks, Ticks::of(schedule.timing));
    const auto next = ticks.next(now_ms);
    if (!next) return fail(Code::invalid, "a schedule that never comes: there is no such day");
    return schedule.paused ? std::optional<std::int64_t>() : next;
}

ScheduleEntry entry_of(const Schedule& schedule, std::string verb, std::string actor) {
    return {.revision = schedule.revision,
            .verb = std::move(verb),
            .actor = std::move(actor),
            .at = schedule.updated_at,
            .tick = {},
            .task_id = {},
            .reason = {}};
}

sql::BoundStatement entry_row(const std::string& id, const ScheduleEntry& entry) {
    return {.sql = task_sql::insert_schedule_history,
            .values = {id, entry.revision, entry.verb, entry.actor, entry.at, value_of(entry.tick),
                       value_of(entry.task_id), value_of(entry.reason)}};
}

std::string verb_of(const Schedule& was, const Schedule& next) {
    if (was.paused == next.paused) return "set";
    return next.paused ? "pause" : "resume";
}

}  // namespace

Result<std::int64_t> SqlTaskStore::now_ms() {
    TASKSTORE_TRY(keep_time());
    TASKSTORE_LET(const auto answers,
                  read_one({.sql = x_read_texts.next_schedule, .values = {now()}}));
    return RowReader(answers[0].rows.at(0)).number();
}

Result<Written<Schedule>> SqlTaskStore::add_schedule(const CreateSchedule& request) {
    TASKSTORE_TRY(check_member("actor", request.actor));
    TASKSTORE_TRY(check_template(request.made));
    TASKSTORE_LET(const std::int64_t now, now_ms());
    Schedule schedule{.id = x_ids.next(),
                      .timing = request.timing,
                      .catch_up = request.catch_up,
                      .made = request.made,
                      .next_at = {},
                      .last_at = {},
                      .last_task = {},
                      .created_at = now,
                      .updated_at = now};
    schedule.made.task.actor.clear();
    schedule.timing.anchor_at = now;
    TASKSTORE_LET(schedule.next_at, first_tick(schedule, now));
    std::vector<sql::Value> values = values_of(schedule);
    values.insert(values.end(), {schedule.created_at, schedule.updated_at, schedule.revision});
    const Statements batch{{.sql = task_sql::insert_schedule, .values = std::move(values)},
                           entry_row(schedule.id, entry_of(schedule, "add", request.actor))};
    // Who waits has to wait for this tick, too.
    TASKSTORE_LET(const sql::Committed committed, write_batch(batch, waking()));
    return Written<Schedule>{std::move(schedule), committed.level};
}

Result<std::optional<Schedule>> SqlTaskStore::get_schedule(const std::string& id) {
    TASKSTORE_LET(const auto answers, read_one({.sql = task_sql::get_schedule, .values = {id}}));
    if (answers[0].rows.empty()) return std::optional<Schedule>();
    return std::optional(schedule_of(answers[0].rows[0]));
}

Result<Schedule> SqlTaskStore::must_get_schedule(const std::string& id) {
    TASKSTORE_LET(auto schedule, get_schedule(id));
    if (!schedule) return no_such_schedule(id);
    return std::move(*schedule);
}

Result<std::string> SqlTaskStore::find_schedule_id(const std::string& part) {
    if (part.empty()) return taskstore::fail(Code::invalid, "an id is needed");
    TASKSTORE_LET(const auto all, list_schedules(std::nullopt));
    std::vector<std::string> begin;
    std::vector<std::string> hold;
    for (const Schedule& one : all) {
        if (one.id == part) return part;
        if (one.id.starts_with(part)) begin.push_back(one.id);
        if (one.id.find(part) != std::string::npos) hold.push_back(one.id);
    }
    const auto& found = begin.empty() ? hold : begin;
    if (found.size() == 1) return found[0];
    if (found.empty()) return no_such_schedule(part);
    std::string list;
    for (const std::string& id : found) list += "\n  " + id;
    return taskstore::fail(Code::conflict,
                           "'" + part + "' is part of more than one schedule's id:" + list)
        .with_hint("give more of the id");
}

Result<std::vector<Schedule>> SqlTaskStore::list_schedules(
    const std::optional<std::string>& project) {
    TASKSTORE_LET(const auto answers,
                  read_one({.sql = task_sql::list_schedules, .values = {value_of(project)}}));
    std::vector<Schedule> schedules;
    for (const auto& row : answers[0].rows) schedules.push_back(schedule_of(row));
    return schedules;
}

void SqlTaskStore::forget_schedule_history(Statements& batch, const Schedule& schedule) {
    if (schedule.revision <= kScheduleHistoryKept) return;
    batch.push_back({.sql = task_sql::forget_schedule_history,
                     .values = {schedule.id, schedule.revision - kScheduleHistoryKept}});
}

/// False: somebody else has changed it since it was read.
Result<bool> SqlTaskStore::write_schedule(const Schedule& was, const Schedule& next,
                                          const ScheduleEntry& entry, sql::DurabilityLevel& level) {
    std::vector<sql::Value> values = values_of(next);
    values.insert(values.end(),
                  {next.updated_at, next.revision, was.revision, value_of(was.next_at)});
    Statements batch{
        {.sql = task_sql::rewrite_schedule, .values = std::move(values), .changes_expected = 1},
        entry_row(next.id, entry)};
    forget_schedule_history(batch, next);
    const auto committed = write_batch(batch, waking());
    if (!committed && is_conflict(committed.error())) return false;
    if (!committed) return taskstore::fail(committed.error());
    level = committed->level;
    return true;
}

Result<Written<Schedule>> SqlTaskStore::update_schedule(const std::string& id,
                                                        const UpdateSchedule& change) {
    TASKSTORE_TRY(check_member("actor", change.actor));
    if (change.made) TASKSTORE_TRY(check_template(*change.made));
    for (int attempt = 0; attempt < kDecisionsMax; ++attempt) {
        TASKSTORE_LET(const Schedule was, must_get_schedule(id));
        if (!was.fault.empty())
            return taskstore::fail(Code::corrupt,
                                   "schedule " + id + " cannot be read: " + was.fault)
                .with_hint("remove it and add it anew: 'taskstore schedule rm " + id + "'");
        if (change.revision && *change.revision != was.revision)
            return taskstore::fail(Code::conflict, "schedule '" + id + "' is at revision " +
                                                       std::to_string(was.revision) + ", not " +
                                                       std::to_string(*change.revision))
                .with_hint("look at it again, then repeat the change");
        if (change.made_was && !(*change.made_was == was.made))
            return taskstore::fail(Code::conflict, "schedule '" + id +
                                                       "' was changed meanwhile: its tasks are "
                                                       "made of something else")
                .with_hint("look at it again, then repeat the change");
        TASKSTORE_LET(const std::int64_t now, now_ms());
        Schedule next = was;
        next.catch_up = change.catch_up.value_or(was.catch_up);
        next.made = change.made.value_or(was.made);
        next.made.task.actor.clear();
        next.paused = change.paused.value_or(was.paused);
        next.updated_at = now;
        next.revision = was.revision + 1;
        if (change.timing) next.timing = *change.timing;
        if (change.timing) next.timing.anchor_at = now;
        // What was missed before stays to be caught up, unless ticks begin anew.
        if (change.timing || next.paused != was.paused) {
            TASKSTORE_LET(next.next_at, first_tick(next, now));
        }
        sql::DurabilityLevel level{};
        TASKSTORE_LET(
            const bool written,
            write_schedule(was, next, entry_of(next, verb_of(was, next), change.actor), level));
        if (written) return Written<Schedule>{std::move(next), level};
    }
    return taskstore::fail(Code::unavailable,
                           "schedule '" + id + "' changes faster than it can be written");
}

Result<sql::DurabilityLevel> SqlTaskStore::delete_schedule(const std::string& id,
                                                           const std::string& actor) {
    TASKSTORE_TRY(check_member("actor", actor));
    for (int attempt = 0; attempt < kDecisionsMax; ++attempt) {
        TASKSTORE_LET(Schedule schedule, must_get_schedule(id));
        const std::int64_t revision = schedule.revision++;
        TASKSTORE_LET(schedule.updated_at, now_ms());
        const Statements batch{
            {.sql = task_sql::delete_schedule, .values = {id, revision}, .changes_expected = 1},
            entry_row(id, entry_of(schedule, "remove", actor))};
        const auto committed = write_batch(batch, waking());
        if (committed) return committed->level;
        if (!is_conflict(committed.error())) return taskstore::fail(committed.error());
    }
    return taskstore::fail(Code::unavailable,
                           "schedule '" + id + "' changes faster than it can be removed");
}

Result<std::vector<ScheduleEntry>> SqlTaskStore::schedule_history(const std::string& id) {
    TASKSTORE_LET(const auto answers,
                  read_one({.sql = task_sql::list_schedule_history, .values = {id}}));
    std::vector<ScheduleEntry> entries;
    for (const auto& row : answers[0].rows) entries.push_back(schedule_entry_of(row));
    return entries;
}

Result<std::optional<std::int64_t>> SqlTaskStore::next_tick_in_ms() {
    TASKSTORE_TRY(keep_time());
    TASKSTORE_LET(const auto answers,
                  read_one({.sql = x_read_texts.next_schedule, .values = {now()}}));
    RowReader read(answers[0].rows.at(0));
    const std::int64_t now_ms = read.number();
    const auto next = read.maybe_number();
    if (!next) return std::optional<std::int64_t>();
    return std::optional(std::max<std::int64_t>(*next - now_ms, 0));
}

}  // namespace taskstore::tasks
