// taskstore task stats, taskstore task why.

#include "task_verbs.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/base/json.hpp>

namespace taskstore::cli {
namespace {

void put_counts(JsonWriter& writer, const tasks::TaskStats::Counts& counts) {
    writer.begin_object();
    std::int64_t total = 0;
    for (std::size_t i = 0; i < counts.size(); ++i) {
        writer.key(kTaskStatuses[i]).integer(counts[i]);
        total += counts[i];
    }
    writer.key("total").integer(total).end_object();
}

std::string stats_json(const tasks::TaskStats& stats, std::optional<std::int64_t> archived) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().key("by_status");
    put_counts(writer, stats.by_status);
    writer.key("by_project").begin_object();
    for (const auto& [project, counts] : stats.by_project) {
        writer.key(project);
        put_counts(writer, counts);
    }
    writer.end_object().key("by_holder").begin_object();
    for (const auto& [holder, count] : stats.by_holder) writer.key(holder).integer(count);
    writer.end_object().key("oldest_pending_at");
    if (stats.oldest_pending_at)
        writer.integer(*stats.oldest_pending_at);
    else
        writer.null();
    writer.key("completed_last_hour").integer(stats.completed_last_hour);
    writer.key("completed_last_day").integer(stats.completed_last_day);
    writer.key("archived");
    if (archived)
        writer.integer(*archived);
    else
        writer.null();
    writer.end_object();
    return out;
}

std::vector<Cell> count_row(const std::string& name, const tasks::TaskStats::Counts& counts) {
    std::vector<Cell> row{{name}};
    for (const std::int64_t count : counts) row.push_back({std::to_string(count)});
    return row;
}

}  // namespace

Status run_task_stats(Context& context) {
    TASKSTORE_LET(const auto project, project_of(context));
    TASKSTORE_LET(const auto store, open_tasks(context));
    TASKSTORE_LET(const tasks::TaskStats stats, store->stats(project));
    const std::optional<std::int64_t> archived = count_archive(context, *store, project);
    if (context.json) {
        context.print_json("task_stats", stats_json(stats, archived));
        return ok();
    }
    std::vector<std::vector<Cell>> rows;
    for (const auto& [name, counts] : stats.by_project)
        rows.push_back(count_row(name.empty() ? "(none)" : printable_line(name), counts));
    if (!project)
        rows.push_back(count_row("all", stats.by_status));
    else if (rows.empty())
        rows.push_back(count_row(printable_line(*project), stats.by_status));
    context.print(format_table(
        context.terminal, {"PROJECT", "PENDING", "IN PROGRESS", "COMPLETED", "FAILED", "CANCELLED"},
        rows));
    for (const auto& [holder, count] : stats.by_holder)
        context.print(printable_line(holder) + " holds " + std::to_string(count) + "\n");
    if (stats.oldest_pending_at)
        context.print("the oldest pending task is of " + shown_time(*stats.oldest_pending_at) +
                      " UTC\n");
    context.print("completed: " + std::to_string(stats.completed_last_hour) + " in an hour, " +
                  std::to_string(stats.completed_last_day) + " in a day\n");
    if (archived.value_or(0) > 0) context.print("archived: " + std::to_string(*archived) + "\n");
    return ok();
}

Status run_task_why(Context& context) {
    TASKSTORE_LET(const auto store, open_tasks(context));
    TASKSTORE_LET(const std::string id, task_id_of(*store, context.call.arguments[0]));
    TASKSTORE_LET(std::string why, store->why(id));
    // Nobody has looked since then: the store tells what is written, only this host sees who lives.
    TASKSTORE_LET(const auto task, store->get_task(id));
    if (task && task->status == tasks::TaskStatus::in_progress && task->liveness) {
        TASKSTORE_LET(const work::RunFolder run, run_folder_of(context));
        if (work::life_of(run, *task->liveness) == work::Life::dead)
            why = "nobody works on it any more: " + task->assigned_to.value_or("somebody") +
                  ", who holds it, is dead, and whoever claims or waits for tasks on this host "
                  "frees it";
    }
    if (context.json) {
        std::string data;
        JsonWriter(data).begin_object().key("id").string(id).key("why").string(why).end_object();
        context.print_json("task_why", data);
    } else {
        context.print(printable_text(why) + "\n");
    }
    return ok();
}

}  // namespace taskstore::cli
