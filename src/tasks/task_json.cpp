// A task as JSON: what the program prints, and what a worker's command reads.

#include "json_members.hpp"

namespace taskstore::tasks {
namespace {

void put_work(JsonWriter& writer, const Task& task) {
    put(writer, "assigned_to", task.assigned_to);
    writer.key("fence").integer(task.fence);
    put(writer, "lease_expires_at", task.lease_expires_at);
    put(writer, "liveness", task.liveness);
    put(writer, "cancel_requested_at", task.cancel_requested_at);
    put(writer, "dead_at", task.dead_at);
    writer.key("retry_count").integer(task.retry_count);
    writer.key("attempts").integer(task.retry_count);
    writer.key("rescues").integer(task.rescues);
    writer.key("result");
    if (task.result)
        writer.raw(*task.result);
    else
        writer.null();
    put(writer, "error", task.error);
    writer.key("error_class");
    if (task.error_class)
        writer.string(name_of(*task.error_class));
    else
        writer.null();
    put(writer, "exit_code", task.exit_code);
    put(writer, "logs", task.logs);
}

void put_task(JsonWriter& writer, const Task& task) {
    writer.begin_object().key("id").string(task.id).key("project").string(task.project);
    writer.key("title").string(task.title);
    put(writer, "description", task.description);
    put(writer, "command", task.command);
    writer.key("shell").boolean(task.shell);
    put(writer, "timeout_ms", task.timeout_ms);
    writer.key("input").raw(task.input).key("priority").integer(task.priority);
    writer.key("status").string(name_of(task.status));
    put(writer, "agent_type", task.agent_type);
    put(writer, "capabilities", task.capabilities);
    put_work(writer, task);
    put_retry(writer, task.retry);
    writer.key("lease_ms").integer(task.lease_ms);
    put(writer, "not_before", task.not_before);
    put(writer, "deadline", task.deadline);
    put(writer, "depends_on", task.depends_on);
    writer.key("open_dependencies").integer(task.open_dependencies);
    writer.key("on_failed_dependency").string(name_of(task.on_failed_dependency));
    put(writer, "parent", task.parent);
    put(writer, "concurrency_key", task.concurrency_key);
    put(writer, "concurrency_limit", task.concurrency_limit);
    put(writer, "idempotency_key", task.idempotency_key);
    writer.key("metadata").raw(task.metadata);
    put(writer, "spec_id", task.spec_id);
    writer.key("created_at").integer(task.created_at);
    put(writer, "started_at", task.started_at);
    put(writer, "completed_at", task.completed_at);
    put(writer, "archived_at", task.archived_at);
    writer.key("updated_at").integer(task.updated_at);
    writer.key("revision").integer(task.revision).end_object();
}

}  // namespace

std::string task_json(const Task& task) {
    std::string out;
    JsonWriter writer(out);
    put_task(writer, task);
    return out;
}

std::string task_list_json(const std::vector<Task>& list) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_array();
    for (const Task& task : list) put_task(writer, task);
    writer.end_array();
    return out;
}

}  // namespace taskstore::tasks
