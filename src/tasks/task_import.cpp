// Tasks of another system, with what they had come to there. The history gets the moves that lead
// to it, as the table of transitions has them: made, taken, ended.

#include "sql_task_store.hpp"
#include "task_making.hpp"

#include <taskstore/tasks/task_import.hpp>

#include <task_sql.hpp>

#include <algorithm>
#include <map>

namespace taskstore::tasks {
namespace {

/// Of one look at the database.
constexpr std::size_t kLooksMax = 500;

struct Step {
    Verb verb;
    State from;
    State to;
    std::int64_t at;
    std::string actor;
};

/// From `create` on, which has its own statement.
std::vector<Step> steps_of(const Task& task, const std::string& actor) {
    if (task.status == TaskStatus::pending) return {};
    const std::int64_t ended_at = task.completed_at.value_or(task.updated_at);
    if (task.status == TaskStatus::cancelled)
        return {{Verb::cancel, State::pending, State::cancelled, ended_at, actor}};
    const std::string holder = task.assigned_to.value_or(actor);
    const std::int64_t begun_at = task.started_at.value_or(std::min(task.created_at, ended_at));
    return {{Verb::claim, State::pending, State::in_progress, begun_at, holder},
            {task.status == TaskStatus::completed ? Verb::complete : Verb::fail, State::in_progress,
             state_of(task.status), ended_at, holder}};
}

sql::BoundStatement finish(const Task& task, std::int64_t revision) {
    const bool failed = task.status == TaskStatus::failed;
    return {
        .sql = task_sql::finish_imported,
        .values = {task.id, std::string(name_of(task.status)), value_of(task.assigned_to),
                   task.retry_count, value_of(task.result), value_of(task.error),
                   value_of(task.exit_code), value_of(task.logs), value_of(task.started_at),
                   value_of(task.completed_at), failed ? value_of(task.completed_at) : sql::Value{},
                   task.updated_at, revision},
        .changes_expected = 1};
}

Status check_times(const Task& task) {
    for (const std::optional<std::int64_t>& at :
         {std::optional(task.created_at), std::optional(task.updated_at), task.started_at,
          task.completed_at}) {
        if (at && *at < 0) return fail(Code::invalid, "a time is before 1970");
    }
    return ok();
}

}  // namespace

Status check_import(const Task& task) {
    Task checked = task;
    TASKSTORE_TRY(check_name("id", task.id));
    TASKSTORE_TRY(check_task(checked));
    if (task.status == TaskStatus::in_progress)
        return fail(Code::invalid, "a task that is held cannot be imported: nobody here holds it");
    if (task.concurrency_key || task.idempotency_key)
        return fail(Code::invalid, "keys of a task cannot be imported");
    if (!is_open(task) && !task.completed_at)
        return fail(Code::invalid, "the task has ended, and does not say when");
    if (task.assigned_to) TASKSTORE_TRY(check_member("assigned_to", *task.assigned_to));
    if (task.error) TASKSTORE_TRY(check_member("error", *task.error));
    if (task.logs) TASKSTORE_TRY(check_member("logs", *task.logs));
    if (task.result) TASKSTORE_TRY(check_json_member("result", *task.result));
    if (task.retry_count < 0) return fail(Code::invalid, "retry_count is below 0");
    return check_times(task);
}

/// Which of the ids are tasks here, and which were. What is not among the tasks is looked for in
/// the archive after that: it is there before it goes from here.
Result<SqlTaskStore::Traces> SqlTaskStore::find_traces(const std::set<std::string>& ids) {
    Traces traces;
    for (auto next = ids.begin(); next != ids.end();) {
        const auto first = next;
        Statements looks;
        for (; next != ids.end() && looks.size() < kLooksMax; ++next)
            looks.push_back({.sql = task_sql::find_traces, .values = {*next}});
        TASKSTORE_LET(const auto answers, x_database.read_batch(looks));
        std::size_t at = 0;
        for (auto id = first; id != next; ++id) {
            RowReader read(answers[at++].rows.at(0));
            const bool there = read.number() > 0;
            const bool was = read.number() > 0;
            if (there || was) {
                traces.known.emplace(*id, there ? Imported::there : Imported::removed);
                continue;
            }
            TASKSTORE_LET(const auto archived, get_archived(*id));
            if (!archived) continue;
            traces.known.emplace(*id, Imported::there);
            traces.archived.emplace(*id, archived->status);
        }
    }
    return traces;
}

/// Whether all that the task depends on is here; what is archived has to have completed, unless the
/// task has ended itself.
bool SqlTaskStore::Traces::has_dependencies(const Task& task) const {
    return std::ranges::all_of(task.depends_on, [&](const std::string& id) {
        const auto other = known.find(id);
        if (other == known.end() || other->second != Imported::there) return false;
        const auto end = archived.find(id);
        return end == archived.end() || end->second == TaskStatus::completed || !is_open(task);
    });
}

Status SqlTaskStore::add_imported(Making& making, const ImportTasks& request, const Task& task,
                                  const Traces& traces) const {
    std::set<std::string> settled;
    for (const auto& [id, status] : traces.archived) settled.insert(id);
    TASKSTORE_TRY(
        add_task(making, CreateTask{.title = task.title, .actor = request.actor}, task, settled));
    const std::vector<Step> steps = steps_of(task, request.actor);
    std::int64_t revision = 1;
    for (const Step& step : steps) {
        making.moves.push_back(
            {.sql = x_texts.insert_imported_history,
             .values = {task.id, ++revision, std::string(name_of(step.verb)),
                        std::string(name_of(step.from)), std::string(name_of(step.to)), step.actor,
                        step.at, request.reason}});
    }
    making.ends.push_back(finish(task, revision));
    return ok();
}

Result<Written<std::vector<Imported>>> SqlTaskStore::import_tasks(const ImportTasks& request) {
    TASKSTORE_TRY(check_member("actor", request.actor));
    TASKSTORE_TRY(check_member("reason", request.reason));
    std::set<std::string> ids;
    for (std::size_t i = 0; i < request.tasks.size(); ++i) {
        const Task& task = request.tasks[i];
        auto status = check_import(task);
        if (!status)
            return fail(Code::invalid,
                        "task " + std::to_string(i + 1) + ": " + status.error().message);
        ids.insert(task.id);
        ids.insert(task.depends_on.begin(), task.depends_on.end());
    }
    for (int attempt = 0;; ++attempt) {
        TASKSTORE_LET(Traces traces, find_traces(ids));
        Written<std::vector<Imported>> written{{}, seen()};
        Making making;
        for (const Task& task : request.tasks) {
            const auto found = traces.known.find(task.id);
            Imported fate = found == traces.known.end() ? Imported::created : found->second;
            if (fate == Imported::created && !traces.has_dependencies(task))
                fate = Imported::lacks_dependency;
            written.value.push_back(fate);
            if (fate != Imported::created) continue;
            if (!request.dry_run) TASKSTORE_TRY(add_imported(making, request, task, traces));
            traces.known.emplace(task.id, Imported::there);
        }
        const Statements batch = std::move(making).all();
        if (batch.empty()) return written;
        auto committed = write_batch(batch, {.alone = true, .wake = kTopic});
        if (committed) {
            written.level = committed->level;
            return written;
        }
        // Somebody imports the same, or removed what one depends on.
        if (!is_conflict(committed.error()) || attempt >= kDecisionsMax)
            return fail(std::move(committed).error());
    }
}

}  // namespace taskstore::tasks
