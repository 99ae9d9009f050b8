// Figures, and why a task is not being worked on.

#include "sql_task_store.hpp"

#include <task_sql.hpp>
#include <taskstore/base/text.hpp>

namespace taskstore::tasks {
namespace {

std::string moment(std::int64_t at) {
    return to_rfc3339(at);
}

}  // namespace

Result<TaskStats> SqlTaskStore::stats(const std::optional<std::string>& project) {
    const sql::Value of = value_of(project);
    const Statements batch{{.sql = task_sql::stats_by_status, .values = {of}},
                           {.sql = task_sql::stats_by_project, .values = {of}},
                           {.sql = task_sql::stats_by_holder, .values = {of}},
                           {.sql = x_read_texts.stats_throughput, .values = {now(), of}}};
    TASKSTORE_LET(const auto answers, x_database.read_batch(batch));
    TaskStats stats;
    for (const auto& row : answers[0].rows) {
        RowReader read(row);
        const std::string word = read.text();
        const auto status = status_of(word);
        if (!status) return fail(Code::corrupt, "there are tasks of the status '" + word + "'");
        stats.by_status[static_cast<std::size_t>(*status)] = read.number();
        if (*status == TaskStatus::pending) stats.oldest_pending_at = read.maybe_number();
    }
    for (const auto& row : answers[1].rows) {
        RowReader read(row);
        const std::string name = read.text();
        const auto status = status_of(read.text());
        if (!status) continue;
        stats.by_project[name][static_cast<std::size_t>(*status)] = read.number();
    }
    for (const auto& row : answers[2].rows) {
        RowReader read(row);
        const std::string name = read.text();
        stats.by_holder[name] = read.number();
    }
    RowReader read(answers[3].rows.at(0));
    stats.completed_last_hour = read.number();
    stats.completed_last_day = read.number();
    return stats;
}

Result<std::string> SqlTaskStore::why(const std::string& id) {
    TASKSTORE_LET(const auto found, get_task(id));
    if (!found) return no_such_task(id);
    const Task& task = *found;
    const std::string status(name_of(task.status));
    if (task.status == TaskStatus::in_progress) {
        TASKSTORE_LET(const auto times,
                      read_one({.sql = x_read_texts.why_task, .values = {now(), id}}));
        if (times[0].rows.empty()) return no_such_task(id);
        const std::string holder = task.assigned_to.value_or("somebody");
        const std::int64_t until = task.lease_expires_at.value_or(0);
        std::string out =
            until <= std::get<std::int64_t>(times[0].rows[0].at(1))
                ? "the lease of " + holder + " ran out " + moment(until) +
                      ": the next claim puts it back"
                : "it is being worked on: " + holder + " holds it until " + moment(until);
        if (!task.cancel_requested_at) return out;
        TASKSTORE_LET(const auto asked,
                      read_one({.sql = task_sql::find_cancel, .values = {id, task.fence}}));
        out += ", and is to cancel it";
        if (asked[0].rows.empty()) return out;
        RowReader read(asked[0].rows[0]);
        const std::string by = read.text();
        const std::optional<std::string> reason = read.maybe_text();
        return out + (by.empty() ? "" : ", as " + by + " asked") + (reason ? ": " + *reason : "");
    }
    if (task.status != TaskStatus::pending)
        return "it is " + status + " since " + moment(task.completed_at.value_or(0)) +
               (task.error ? ": " + *task.error : "") +
               (task.archived_at ? "; archived since " + moment(*task.archived_at) : "");
    const Statements batch{{.sql = x_read_texts.why_task, .values = {now(), id}},
                           {.sql = task_sql::why_dependencies, .values = {id}}};
    TASKSTORE_LET(const auto answers, x_database.read_batch(batch));
    if (answers[0].rows.empty()) return no_such_task(id);
    RowReader read(answers[0].rows[0]);
    const bool ready = read.number() != 0;
    const std::int64_t now_ms = read.number();
    const std::int64_t slots = read.number();
    const std::int64_t held = read.number();
    const std::int64_t before = read.number();
    const std::optional<std::int64_t> ageing_ms = read.maybe_number();
    if (task.open_dependencies > 0) {
        std::vector<std::string> lost;
        std::string out = "it waits for " + std::to_string(task.open_dependencies) +
                          (task.open_dependencies == 1 ? " task:" : " tasks:");
        for (const auto& row : answers[1].rows) {
            RowReader other(row);
            const std::string other_id = other.text();
            const std::string title = other.text();
            const std::string word = other.text();
            out += "\n  " + other_id + " (" + word + "): " + title;
            if (word == name_of(TaskStatus::failed) || word == name_of(TaskStatus::cancelled))
                lost.push_back(other_id);
        }
        for (const std::string& other : lost)
            out += "\nfor ever, unless somebody tries that again ('taskstore task retry " + other +
                   "') or takes the dependency away ('taskstore task set " + id +
                   " --no-depends-on " + other + "')";
        return out;
    }
    if (task.deadline && *task.deadline <= now_ms)
        return "its deadline passed " + moment(*task.deadline) +
               " before anybody began: the next claim says that it failed";
    if (task.not_before && *task.not_before > now_ms)
        return "its time has not come: not before " + moment(*task.not_before) +
               (task.retry_count > 0
                    ? ", after " + std::to_string(task.retry_count) + " failed attempts"
                    : "");
    std::string out;
    if (!ready && task.concurrency_key)
        return "the key '" + *task.concurrency_key + "' has " + std::to_string(slots) +
               (slots == 1 ? " slot" : " slots") + ", and " + std::to_string(held) +
               (held == 1 ? " is" : " are") + " taken";
    out = ready || task.not_before ? "nothing keeps it: a worker may claim it now"
                                   : "nobody has put it in order yet: the next claim does";
    if (before > 0)
        out += ", after " + std::to_string(before) + (before == 1 ? " other" : " others");
    if (ageing_ms && task.priority <= kPriorityMax - 10)
        out += "; by its age it goes before tasks of priority " +
               std::to_string(task.priority + 10) + " that are made after " +
               moment(task.created_at + *ageing_ms);
    std::string needs;
    for (const std::string& need : needs_of(task.capabilities, task.agent_type))
        needs += (needs.empty() ? "" : ", ") + need;
    if (!needs.empty()) out += "; it wants a worker that offers " + needs;
    return out;
}

}  // namespace taskstore::tasks
