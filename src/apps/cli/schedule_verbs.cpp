// Verbs of schedules.

#include "schedule_verbs.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/tasks/schedule.hpp>

#include <algorithm>

namespace taskstore::cli {
namespace {

using tasks::Schedule;
using tasks::ScheduleEntry;

/// What the command line says of when it ticks, over what there is. Nothing where it says nothing.
Result<std::optional<tasks::Timing>> timing_of(Context& context, const tasks::Timing& was) {
    const Invocation& call = context.call;
    if (call.has("cron") && call.has("every"))
        return fail(Code::invalid, "--cron and --every contradict each other: choose one");
    if (!call.has("cron") && !call.has("every") && !call.has("tz"))
        return std::optional<tasks::Timing>();
    tasks::Timing timing;
    if (call.has("every")) {
        TASKSTORE_LET(timing.every_ms, duration_of("every", call.value("every")));
        timing.zone = call.value("tz", "UTC");
        return std::optional(timing);
    }
    timing.cron = call.value("cron", was.cron);
    timing.zone = call.value("tz", was.zone);
    if (timing.cron.empty())
        return fail(Code::invalid, "--tz is for --cron: --every goes by no clock on a wall");
    return std::optional(timing);
}

Result<std::optional<tasks::CatchUp>> catch_up_of(Context& context) {
    if (!context.call.has("catch-up")) return std::optional<tasks::CatchUp>();
    const auto policy = tasks::catch_up_of(context.call.value("catch-up"));
    if (!policy)
        return fail(Code::invalid, "'" + context.call.value("catch-up") + "' is no policy")
            .with_hint("none, one or all");
    return policy;
}

/// `--deadline` is a time after the tick here.
Status put_template(Context& context, tasks::TaskTemplate& made) {
    const std::string deadline = context.call.value("deadline");
    const bool has_deadline = context.call.has("deadline");
    context.call.options.erase("deadline");
    TASKSTORE_TRY(put_task_fields(context, made.task));
    if (!has_deadline) return ok();
    made.deadline_ms = std::nullopt;
    if (deadline.empty()) return ok();
    TASKSTORE_LET(made.deadline_ms, duration_of("deadline", deadline));
    return ok();
}

std::string when_of(const tasks::Timing& timing) {
    if (!timing.cron.empty()) return timing.cron + (timing.zone == "UTC" ? "" : " " + timing.zone);
    for (const auto& [ms, unit] : {std::pair{86'400'000, "d"}, std::pair{3'600'000, "h"},
                                   std::pair{60'000, "m"}, std::pair{1'000, "s"}})
        if (timing.every_ms % ms == 0)
            return "every " + std::to_string(timing.every_ms / ms) + unit;
    return "every " + std::to_string(timing.every_ms) + "ms";
}

std::string time_or(std::optional<std::int64_t> at, std::string_view other) {
    return at ? shown_time(*at) : std::string(other);
}

std::string next_of(const Schedule& schedule) {
    if (!schedule.fault.empty()) return "cannot be read";
    return schedule.paused ? "paused" : time_or(schedule.next_at, "never again");
}

void warn_of_fault(Context& context, const Schedule& schedule) {
    if (!schedule.fault.empty())
        context.warn("schedule " + schedule.id + " makes no tasks, for it cannot be read: " +
                     printable_line(schedule.fault) + ": remove it and add it anew");
}

void print_schedules(Context& context, const std::vector<Schedule>& list) {
    if (context.quiet) {
        for (const Schedule& one : list) context.print(one.id + "\n");
        return;
    }
    if (list.empty()) return context.print("no schedules\n");
    std::vector<std::vector<Cell>> rows;
    for (const Schedule& one : list)
        rows.push_back({{one.id},
                        {printable_line(one.made.task.title)},
                        {printable_line(when_of(one.timing))},
                        {std::string(name_of(one.catch_up))},
                        {next_of(one)},
                        {time_or(one.last_at, "")},
                        {printable_line(one.made.task.project)}});
    context.print(format_table(
        context.terminal, {"ID", "TITLE", "WHEN", "CATCH UP", "NEXT", "LAST", "PROJECT"}, rows));
}

void print_written(Context& context, const tasks::Written<Schedule>& written,
                   std::string_view verb) {
    context.survives(written.level);
    const Schedule& schedule = written.value;
    context.wrote = std::string(verb) + " schedule " + schedule.id;
    if (context.json)
        context.print_json("schedule", schedule_json(schedule));
    else if (context.quiet)
        context.print(schedule.id + "\n");
    else
        context.print(context.wrote + ": " + next_of(schedule) + "\n");
}

void print_shown(Context& context, const Schedule& schedule) {
    const auto line = [&](std::string_view name, const std::string& value) {
        std::string left(name);
        left.append(left.size() < 20 ? 20 - left.size() : 1, ' ');
        context.print(left + printable_line(value) + "\n");
    };
    const tasks::CreateTask& task = schedule.made.task;
    line("id", schedule.id);
    line("title", task.title);
    if (!task.project.empty()) line("project", task.project);
    line("when", when_of(schedule.timing));
    line("catch up", std::string(name_of(schedule.catch_up)));
    line("next", next_of(schedule));
    if (schedule.last_at) line("last", shown_time(*schedule.last_at));
    if (schedule.last_task) line("last task", *schedule.last_task);
    if (task.description) line("description", *task.description);
    if (task.command) line("command", *task.command);
    line("priority", std::to_string(task.priority));
    if (schedule.made.deadline_ms)
        line("deadline", std::to_string(*schedule.made.deadline_ms) + " ms after the tick");
    line("created", shown_time(schedule.created_at));
}

void print_history(Context& context, const std::vector<ScheduleEntry>& history) {
    std::vector<std::vector<Cell>> rows;
    for (const ScheduleEntry& one : history)
        rows.push_back({{shown_time(one.at)},
                        {one.verb},
                        {printable_line(one.actor)},
                        {time_or(one.tick, "")},
                        {one.task_id.value_or("")},
                        {printable_line(one.reason.value_or(""))}});
    context.print(
        "\n" + format_table(context.terminal, {"AT", "WHAT", "WHO", "TICK", "TASK", "WHY"}, rows));
}

/// The next ticks of a schedule from now on.
Result<std::vector<std::int64_t>> coming(const Schedule& schedule, std::int64_t count) {
    std::vector<std::int64_t> ticks;
    if (!schedule.next_at || !schedule.fault.empty()) return ticks;
    TASKSTORE_LET(const tasks::Ticks all, tasks::Ticks::of(schedule.timing));
    for (auto at = schedule.next_at; at && std::ssize(ticks) < count; at = all.next(*at))
        ticks.push_back(*at);
    return ticks;
}

}  // namespace

Status run_schedule_add(Context& context) {
    tasks::CreateSchedule request;
    TASKSTORE_LET(const auto timing, timing_of(context, {}));
    if (!timing)
        return fail(Code::invalid, "when? neither --cron nor --every is given")
            .with_hint("--cron '0 3 * * *', or --every 5m");
    request.timing = *timing;
    TASKSTORE_LET(const auto policy, catch_up_of(context));
    request.catch_up = policy.value_or(tasks::CatchUp::one);
    TASKSTORE_TRY(put_template(context, request.made));
    TASKSTORE_LET(const auto project, project_of(context));
    request.made.task.project = project.value_or("");
    TASKSTORE_LET(request.actor, task_actor(context));
    TASKSTORE_LET(const auto store, open_tasks(context));
    TASKSTORE_TRY(complete_references(*store, request.made.task));
    TASKSTORE_LET(const auto written, store->schedules().add_schedule(request));
    print_written(context, written, "added");
    return ok();
}

Status run_schedule_list(Context& context) {
    TASKSTORE_LET(const auto project, project_of(context));
    TASKSTORE_LET(const auto store, open_tasks(context));
    TASKSTORE_LET(const auto list, store->schedules().list_schedules(project));
    for (const Schedule& one : list) warn_of_fault(context, one);
    if (!context.json) {
        print_schedules(context, list);
        return ok();
    }
    std::string data;
    JsonWriter writer(data);
    writer.begin_array();
    for (const Schedule& one : list) writer.raw(schedule_json(one));
    writer.end_array();
    context.print_json("schedule_list", data);
    return ok();
}

Status run_schedule_show(Context& context) {
    TASKSTORE_LET(const auto store, open_tasks(context));
    tasks::Schedules& schedules = store->schedules();
    TASKSTORE_LET(const std::string id, schedules.find_schedule_id(context.call.arguments[0]));
    TASKSTORE_LET(const auto schedule, schedules.get_schedule(id));
    if (!schedule) return fail(Code::not_found, "there is no schedule '" + id + "'");
    warn_of_fault(context, *schedule);
    std::vector<ScheduleEntry> history;
    if (context.call.has("history")) {
        TASKSTORE_LET(history, schedules.schedule_history(id));
    }
    if (!context.json) {
        print_shown(context, *schedule);
        if (context.call.has("history")) print_history(context, history);
        return ok();
    }
    context.print_json("schedule", context.call.has("history") ? schedule_json(*schedule, history)
                                                               : schedule_json(*schedule));
    return ok();
}

Status run_schedule_set(Context& context) {
    tasks::UpdateSchedule change;
    if (context.call.has("pause") && context.call.has("resume"))
        return fail(Code::invalid, "--pause and --resume contradict each other: choose one");
    if (context.call.has("pause") || context.call.has("resume"))
        change.paused = context.call.has("pause");
    TASKSTORE_LET(change.catch_up, catch_up_of(context));
    TASKSTORE_LET(change.actor, task_actor(context));
    TASKSTORE_LET(const auto store, open_tasks(context));
    tasks::Schedules& schedules = store->schedules();
    TASKSTORE_LET(const std::string id, schedules.find_schedule_id(context.call.arguments[0]));
    TASKSTORE_LET(const auto was, schedules.get_schedule(id));
    if (!was) return fail(Code::not_found, "there is no schedule '" + id + "'");
    TASKSTORE_LET(change.timing, timing_of(context, was->timing));
    tasks::TaskTemplate made = was->made;
    TASKSTORE_TRY(put_template(context, made));
    TASKSTORE_TRY(complete_references(*store, made.task));
    if (!(made == was->made)) {
        change.made = std::move(made);
        change.made_was = was->made;
    }
    if (context.call.has("if-revision")) {
        TASKSTORE_LET(change.revision, number_of("if-revision", context.call.value("if-revision")));
    }
    TASKSTORE_LET(const auto written, schedules.update_schedule(id, change));
    print_written(context, written, "changed");
    return ok();
}

Status run_schedule_rm(Context& context) {
    TASKSTORE_LET(const std::string actor, task_actor(context));
    TASKSTORE_LET(const auto store, open_tasks(context));
    tasks::Schedules& schedules = store->schedules();
    TASKSTORE_LET(const std::string id, schedules.find_schedule_id(context.call.arguments[0]));
    TASKSTORE_LET(const sql::DurabilityLevel level, schedules.delete_schedule(id, actor));
    context.survives(level);
    context.wrote = "removed schedule " + id;
    if (context.json) {
        std::string data;
        JsonWriter(data).begin_object().key("id").string(id).end_object();
        context.print_json("schedule_removed", data);
    } else {
        context.print((context.quiet ? id : context.wrote) + "\n");
    }
    return ok();
}

Status run_schedule_next(Context& context) {
    constexpr std::int64_t kCountMax = 10'000;
    std::int64_t count = 5;
    if (context.call.has("count")) {
        TASKSTORE_LET(count, number_of("count", context.call.value("count")));
    }
    if (count < 1 || count > kCountMax)
        return fail(Code::invalid, "--count " + std::to_string(count) + " is not in 1.." +
                                       std::to_string(kCountMax));
    TASKSTORE_LET(const auto project, project_of(context));
    TASKSTORE_LET(const auto store, open_tasks(context));
    tasks::Schedules& schedules = store->schedules();
    TASKSTORE_LET(auto list, schedules.list_schedules(
                                 context.call.arguments.empty() ? project : std::nullopt));
    if (!context.call.arguments.empty()) {
        TASKSTORE_LET(const std::string id, schedules.find_schedule_id(context.call.arguments[0]));
        std::erase_if(list, [&](const Schedule& one) { return one.id != id; });
    }
    std::vector<std::pair<std::int64_t, const Schedule*>> ticks;
    for (const Schedule& one : list) {
        TASKSTORE_LET(const auto of_one, coming(one, count));
        for (const std::int64_t at : of_one) ticks.emplace_back(at, &one);
    }
    std::ranges::stable_sort(ticks, {}, [](const auto& tick) { return tick.first; });
    std::string data;
    JsonWriter writer(data);
    writer.begin_array();
    std::vector<std::vector<Cell>> rows;
    for (const auto& [at, one] : ticks) {
        writer.begin_object().key("at").integer(at).key("id").string(one->id).end_object();
        rows.push_back({{shown_time(at)}, {one->id}, {printable_line(one->made.task.title)}});
    }
    writer.end_array();
    if (context.json)
        context.print_json("tick_list", data);
    else if (rows.empty())
        context.print("no ticks\n");
    else
        context.print(format_table(context.terminal, {"AT (UTC)", "ID", "TITLE"}, rows));
    return ok();
}

namespace {

/// Makes what is due, and says when to look again: in boot_ns; 0: when something has changed.
Result<std::int64_t> make_due(Context& context, tasks::TaskStore& store) {
    constexpr std::int64_t kNsPerMs = 1'000'000;
    // A look goes with a database that moves; its schedules are those of the place that it finds.
    TASKSTORE_TRY(store.outlook({.worker = "schedule run"}));
    tasks::Schedules& schedules = store.schedules();
    TASKSTORE_LET(const std::int64_t made, schedules.fire_due());
    if (made > 0 && !context.json && !context.quiet) {
        context.print("made " + counted(made, "task", "tasks") + "\n");
        context.tell_now();
    }
    TASKSTORE_LET(const auto next_ms, schedules.next_tick_in_ms());
    // A moment that has begun is not before the tick.
    return next_ms ? context.clock.boot_ns() + (*next_ms + 1) * kNsPerMs : 0;
}

}  // namespace

Status run_schedule_run(Context& context) {
    constexpr std::int64_t kAfterErrorNs = 1'000'000'000;
    TASKSTORE_LET(const auto store, open_tasks_to_stay(context, {}));
    if (context.call.has("once")) {
        TASKSTORE_LET(const std::int64_t made, store->schedules().fire_due());
        std::string data;
        JsonWriter(data).begin_object().key("made").integer(made).end_object();
        if (context.json)
            context.print_json("ticks_made", data);
        else if (made > 0 && !context.quiet)
            context.print("made " + counted(made, "task", "tasks") + "\n");
        return ok();
    }
    TASKSTORE_LET(const auto waiter, store->waiter());
    while (true) {
        auto until_ns = make_due(context, *store);
        if (!until_ns) {
            if (!row_of(until_ns.error().code).retryable &&
                until_ns.error().code != Code::outcome_unknown)
                return fail(until_ns.error());
            context.warn(until_ns.error().message);
            until_ns = context.clock.boot_ns() + kAfterErrorNs;
        }
        TASKSTORE_TRY(waiter->wait(*until_ns));
    }
}

}  // namespace taskstore::cli
