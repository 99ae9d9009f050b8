// A schedule as JSON: what the program prints.

#include "json_members.hpp"

#include <taskstore/tasks/schedule.hpp>

namespace taskstore::tasks {
namespace {

void put_task(JsonWriter& writer, const TaskTemplate& made) {
    const CreateTask& task = made.task;
    writer.begin_object().key("title").string(task.title);
    put(writer, "description", task.description);
    put(writer, "command", task.command);
    writer.key("shell").boolean(task.shell);
    put(writer, "timeout_ms", task.timeout_ms);
    writer.key("input").raw(task.input).key("priority").integer(task.priority);
    put(writer, "agent_type", task.agent_type);
    put(writer, "capabilities", task.capabilities);
    writer.key("metadata").raw(task.metadata);
    put(writer, "deadline_ms", made.deadline_ms);
    put_retry(writer, task.retry);
    writer.key("lease_ms").integer(task.lease_ms);
    put(writer, "parent", task.parent);
    put(writer, "concurrency_key", task.concurrency_key);
    put(writer, "concurrency_limit", task.concurrency_limit);
    put(writer, "spec_id", task.spec_id);
    writer.end_object();
}

/// The members; the object stays open.
void begin_schedule(JsonWriter& writer, const Schedule& schedule) {
    const Timing& timing = schedule.timing;
    writer.begin_object().key("id").string(schedule.id);
    writer.key("project").string(schedule.made.task.project);
    put(writer, "cron", timing.cron.empty() ? std::nullopt : std::optional(timing.cron));
    put(writer, "every_ms", timing.cron.empty() ? std::optional(timing.every_ms) : std::nullopt);
    writer.key("tz").string(timing.zone);
    writer.key("catch_up").string(name_of(schedule.catch_up));
    writer.key("paused").boolean(schedule.paused);
    if (!schedule.fault.empty()) writer.key("fault").string(schedule.fault);
    put(writer, "next_at", schedule.next_at);
    put(writer, "last_at", schedule.last_at);
    put(writer, "last_task", schedule.last_task);
    writer.key("task");
    put_task(writer, schedule.made);
    writer.key("created_at").integer(schedule.created_at);
    writer.key("updated_at").integer(schedule.updated_at);
    writer.key("revision").integer(schedule.revision);
}

void put_history(JsonWriter& writer, const std::vector<ScheduleEntry>& history) {
    writer.key("history").begin_array();
    for (const ScheduleEntry& one : history) {
        writer.begin_object().key("revision").integer(one.revision).key("verb").string(one.verb);
        writer.key("actor").string(one.actor).key("at").integer(one.at);
        put(writer, "tick", one.tick);
        put(writer, "task_id", one.task_id);
        put(writer, "reason", one.reason);
        writer.end_object();
    }
    writer.end_array();
}

}  // namespace

std::string schedule_json(const Schedule& schedule) {
    std::string out;
    JsonWriter writer(out);
    begin_schedule(writer, schedule);
    writer.end_object();
    return out;
}

std::string schedule_json(const Schedule& schedule, const std::vector<ScheduleEntry>& history) {
    std::string out;
    JsonWriter writer(out);
    begin_schedule(writer, schedule);
    put_history(writer, history);
    writer.end_object();
    return out;
}

}  // namespace taskstore::tasks
