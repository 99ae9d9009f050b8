// Changing what people set of a task, and removing one.

#include "sql_task_store.hpp"

#include "task_move.hpp"
#include "task_words.hpp"

#include <task_sql.hpp>

namespace taskstore::tasks {
namespace {

std::vector<sql::Value> values_of(const Task& task, std::int64_t lane, bool ready,
                                  std::int64_t write) {
    std::vector<sql::Value> values{task.id, task.revision};
    append_terms(values, task);
    values.insert(values.end(),
                  {std::string(name_of(task.on_failed_dependency)), value_of(task.concurrency_key),
                   value_of(task.concurrency_limit), task.metadata, value_of(task.spec_id),
                   value_of(task.parent), lane, age_of(task), std::int64_t{ready ? 1 : 0},
                   std::int64_t{task.shell ? 1 : 0}, value_of(task.timeout_ms), write,
                   json_list(task.depends_on), words_of(task.title, task.description)});
    return values;
}

}  // namespace

/// First of all, in one order: who settles a key takes it before its tasks, too.
void SqlTaskStore::mark_keys(Statements& batch, std::set<std::optional<std::string>> keys) {
    for (const auto& key : keys)
        if (key) batch.push_back({.sql = task_sql::mark_key, .values = {*key}});
}

Result<Written<Task>> SqlTaskStore::update_task(const std::string& id, const UpdateTask& change) {
    for (int attempt = 0; attempt < kDecisionsMax; ++attempt) {
        TASKSTORE_LET(Task task, must_get(id));
        if (change.revision && *change.revision != task.revision)
            return fail(Code::conflict, "task '" + id + "' is at revision " +
                                            std::to_string(task.revision) + " by now");
        const auto key_before = task.concurrency_key;
        const std::vector<std::string> had = task.depends_on;
        std::set<std::string> settled;
        TASKSTORE_TRY(apply_edges(change, task, settled));
        TASKSTORE_TRY(apply_change(change, task));
        const Lane lane = lane_of(task);
        const std::int64_t write = draw();
        const bool ready = !task.not_before && !task.concurrency_key;
        const bool edges = task.depends_on != had || change.on_failed_dependency;
        Statements batch;
        mark_keys(batch, {key_before, task.concurrency_key});
        if (edges) hold_edges(batch, task, had, !change.add_dependencies.empty());
        batch.push_back(
            {.sql = task_sql::insert_lane, .values = {lane.id, task.project, lane.needs}});
        std::vector<sql::Value> values = values_of(task, lane.id, ready, write);
        values.insert(values.begin(), now());
        batch.push_back({.sql = x_texts.rewrite_task, .values = std::move(values)});
        if (edges) write_edges(batch, task, had, settled, ready, write);
        const std::size_t answer = batch.size() - 1;
        if (task.concurrency_key && (change.concurrency_key || change.concurrency_limit))
            batch.push_back(
                {.sql = task_sql::limit_of_write,
                 .values = {*task.concurrency_key, value_of(task.concurrency_limit), id, write}});
        auto committed = write_batch(batch, waking());
        // An edge was not as expected: why, is found out by the next look.
        if (!committed && is_conflict(committed.error()) && edges) continue;
        if (!committed) return fail(std::move(committed).error());
        if (committed->answers[answer].rows.empty()) continue;
        if (task.concurrency_key || key_before) settle_or_leave_marked();
        TASKSTORE_LET(Task written, task_of(committed->answers[answer].rows[0]));
        return Written<Task>{std::move(written), committed->level};
    }
    return too_fast(id);
}

Status SqlTaskStore::check_removable(const Task& task) {
    if (!allowed(state_of(task.status), Verb::remove))
        return fail(Code::conflict,
                    "task '" + task.id + "' is held by " + task.assigned_to.value_or("somebody"))
            .with_hint("cancel it first: 'taskstore task cancel " + task.id + "'");
    TASKSTORE_LET(const auto waiting,
                  read_one({.sql = task_sql::open_dependents, .values = {task.id}}));
    if (waiting[0].rows.empty()) return ok();
    return fail(Code::conflict, "task '" + task.id + "' is waited for by task " +
                                    RowReader(waiting[0].rows[0]).text())
        .with_hint("take that dependency away first ('taskstore task set THAT --no-depends-on " +
                   task.id + "'), or cancel that task");
}

Result<std::optional<sql::DurabilityLevel>> SqlTaskStore::remove_archived(
    TaskArchive& archive, const std::string& id, const std::string& actor) {
    TASKSTORE_LET(const auto task, archive.get_task(id));
    if (!task) return std::optional<sql::DurabilityLevel>();
    const sql::BoundStatement trace{.sql = x_texts.history_of_archived_removal,
                                    .values = {now(), id, actor, task->revision + 1,
                                               std::string(name_of(task->status)), task->fence}};
    TASKSTORE_LET(const sql::Committed traced, write_batch({&trace, 1}));
    TASKSTORE_LET(const auto removed, archive.remove(id));
    if (!removed) return removed;
    return std::optional(sql::weaker_of(*removed, traced.level));
}

Result<std::optional<sql::DurabilityLevel>> SqlTaskStore::remove_copy(const std::string& id,
                                                                      const std::string& actor,
                                                                      bool is_here) {
    TASKSTORE_LET(const auto kept, archive());
    if (!kept) return std::optional<sql::DurabilityLevel>();
    return is_here ? kept->remove(id) : remove_archived(*kept, id, actor);
}

Result<sql::DurabilityLevel> SqlTaskStore::delete_task(const std::string& id,
                                                       const std::string& actor) {
    TASKSTORE_TRY(check_member("actor", actor));
    std::optional<sql::DurabilityLevel> removed;
    for (int attempt = 0; attempt < kDecisionsMax; ++attempt) {
        TASKSTORE_LET(const auto found, get_kept(id));
        if (found) TASKSTORE_TRY(check_removable(*found));
        // There first, and each time: somebody may archive it meanwhile. Of what was here the
        // history says that it was removed: a copy that cannot be reached is not found again.
        const auto copy = remove_copy(id, actor, found.has_value());
        if (!copy && is_conflict(copy.error())) continue;
        if (!copy && !found) return fail(copy.error());
        if (copy && *copy) removed = removed ? sql::weaker_of(*removed, **copy) : **copy;
        if (!found && removed) return *removed;
        if (!found) return no_such_task(id);
        const Task& task = *found;
        Statements batch;
        // Its slot is another's.
        mark_keys(batch, {task.concurrency_key});
        batch.push_back({.sql = task_sql::touch_task, .values = {id}});
        batch.push_back({.sql = x_texts.history_of_removal,
                         .values = {now(), id, actor, task.revision},
                         .changes_expected = 1});
        batch.push_back(
            {.sql = task_sql::delete_task, .values = {id, task.revision}, .changes_expected = 1});
        for (const std::string_view sql :
             {task_sql::count_down_removed, task_sql::delete_edges, task_sql::delete_keys})
            batch.push_back({.sql = sql, .values = {id}});
        auto committed = write_batch(batch, waking());
        if (committed && task.concurrency_key) settle_or_leave_marked();
        if (committed)
            return removed ? sql::weaker_of(*removed, committed->level) : committed->level;
        if (!is_conflict(committed.error())) return fail(std::move(committed).error());
    }
    return too_fast(id);
}

}  // namespace taskstore::tasks
