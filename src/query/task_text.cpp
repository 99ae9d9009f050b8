#include "task_text.hpp"

#include <taskstore/base/text.hpp>

#include <array>
#include <numeric>

namespace taskstore::query {
namespace {

using tasks::Task;
using tasks::TaskStatus;

void put(JsonWriter& writer, std::string_view name, const std::optional<std::string>& text) {
    if (text) writer.key(name).string(*text);
}

void put(JsonWriter& writer, std::string_view name, std::optional<std::int64_t> number) {
    if (number) writer.key(name).integer(*number);
}

void put_time(JsonWriter& writer, std::string_view name, std::optional<std::int64_t> at) {
    if (at) writer.key(name).string(to_rfc3339(*at));
}

void put_list(JsonWriter& writer, std::string_view name, const std::vector<std::string>& words) {
    if (words.empty()) return;
    writer.key(name).begin_array();
    for (const std::string& word : words) writer.string(word);
    writer.end_array();
}

void put_outcome(JsonWriter& writer, const Task& task) {
    put(writer, "assigned_to", task.assigned_to);
    put_time(writer, "lease_expires_at", task.lease_expires_at);
    put_time(writer, "cancel_requested_at", task.cancel_requested_at);
    put_time(writer, "dead_at", task.dead_at);
    writer.key("retry_count").integer(task.retry_count);
    if (task.result) writer.key("result").raw(*task.result);
    put(writer, "error", task.error);
    if (task.error_class) writer.key("error_class").string(name_of(*task.error_class));
    put(writer, "exit_code", task.exit_code);
    put(writer, "logs", task.logs);
}

void put_counts(JsonWriter& writer, const tasks::TaskStats::Counts& counts) {
    constexpr std::array kAll{TaskStatus::pending, TaskStatus::in_progress, TaskStatus::completed,
                              TaskStatus::failed, TaskStatus::cancelled};
    for (const TaskStatus status : kAll)
        writer.key(name_of(status)).integer(counts[static_cast<std::size_t>(status)]);
    writer.key("total").integer(std::accumulate(counts.begin(), counts.end(), std::int64_t{0}));
}

}  // namespace

void put_task(JsonWriter& writer, const Task& task, std::string_view store) {
    writer.begin_object();
    if (!store.empty()) writer.key("store").string(store);
    writer.key("id").string(task.id);
    if (!task.project.empty()) writer.key("project").string(task.project);
    writer.key("title").string(task.title);
    put(writer, "description", task.description);
    put(writer, "command", task.command);
    writer.key("input").raw(task.input);
    writer.key("priority").integer(task.priority);
    writer.key("status").string(name_of(task.status));
    put(writer, "agent_type", task.agent_type);
    put_list(writer, "capabilities", task.capabilities);
    put_list(writer, "depends_on", task.depends_on);
    if (task.open_dependencies > 0) writer.key("open_dependencies").integer(task.open_dependencies);
    put(writer, "parent", task.parent);
    put(writer, "spec_id", task.spec_id);
    put_time(writer, "not_before", task.not_before);
    put_time(writer, "deadline", task.deadline);
    put_outcome(writer, task);
    writer.key("metadata").raw(task.metadata);
    put_time(writer, "created_at", task.created_at);
    put_time(writer, "started_at", task.started_at);
    put_time(writer, "completed_at", task.completed_at);
    put_time(writer, "updated_at", task.updated_at);
    writer.key("revision").integer(task.revision).end_object();
}

void put_stats(JsonWriter& writer, const tasks::TaskStats& stats) {
    writer.begin_object();
    put_counts(writer, stats.by_status);
    writer.key("by_project").begin_object();
    for (const auto& [project, counts] : stats.by_project) {
        writer.key(project).begin_object();
        put_counts(writer, counts);
        writer.end_object();
    }
    writer.end_object().key("by_holder").begin_object();
    for (const auto& [holder, count] : stats.by_holder) writer.key(holder).integer(count);
    writer.end_object();
    put_time(writer, "oldest_pending_at", stats.oldest_pending_at);
    writer.key("completed_last_hour").integer(stats.completed_last_hour);
    writer.key("completed_last_day").integer(stats.completed_last_day).end_object();
}

}  // namespace taskstore::query
