#include "sql_task_store.hpp"
#include "task_making.hpp"
#include "task_words.hpp"

#include <task_sql.hpp>

#include <algorithm>
#include <iterator>
#include <map>
#include <set>

namespace taskstore::tasks {

namespace {

bool is_ready(const Task& task) {
    return !task.not_before && !task.concurrency_key && task.depends_on.empty();
}

std::vector<sql::Value> values_of(const Task& task, std::int64_t lane) {
    std::vector<sql::Value> values{task.id};
    append_terms(values, task);
    values.insert(
        values.end(),
        {json_list(task.depends_on), std::string(name_of(task.on_failed_dependency)),
         value_of(task.parent), value_of(task.concurrency_key), value_of(task.concurrency_limit),
         value_of(task.idempotency_key), task.metadata, value_of(task.spec_id), task.created_at,
         lane, age_of(task), std::int64_t{is_ready(task) ? 1 : 0}, std::int64_t{task.shell ? 1 : 0},
         value_of(task.timeout_ms), words_of(task.title, task.description)});
    return values;
}

Failure key_of_another(const CreateTask& request, const std::string& id) {
    return fail(Code::conflict, "the key '" + *request.idempotency_key + "' belongs to task " + id +
                                    ", which has another content")
        .with_hint("use another key, or change that task: 'taskstore task set " + id + " …'");
}

}  // namespace

Status SqlTaskStore::add_task(Making& making, const CreateTask& request, const Task& task,
                              const std::set<std::string>& settled) const {
    if (task.idempotency_key) {
        making.keys.push_back({.sql = x_texts.claim_key,
                               .values = {now(), task.project, *task.idempotency_key, task.id,
                                          fingerprint_of(request), request.key_retention_ms},
                               .changes_expected = 1});
    }
    Lane lane = lane_of(task);
    const std::int64_t lane_id = lane.id;
    making.lanes.try_emplace(
        lane_id, sql::BoundStatement{.sql = task_sql::insert_lane,
                                     .values = {lane_id, task.project, std::move(lane.needs)},
                                     .set_based = x_texts.insert_lanes});
    making.tasks.push_back({.sql = x_texts.insert_task,
                            .values = values_of(task, lane_id),
                            .set_based = x_texts.insert_tasks});
    making.histories.push_back({.sql = x_texts.insert_history,
                                .values = {task.id, request.actor, task.created_at},
                                .set_based = x_texts.insert_histories});
    for (const std::string& other : task.depends_on) {
        if (settled.contains(other)) continue;
        making.touches.push_back({.sql = task_sql::touch_task, .values = {other}});
        making.edges.push_back(
            {.sql = task_sql::insert_edge,
             .values = {task.id, other, std::string(name_of(task.on_failed_dependency))},
             .changes_expected = 1});
    }
    if (!task.depends_on.empty()) {
        const bool otherwise_ready = !task.not_before && !task.concurrency_key;
        making.counts.push_back({.sql = task_sql::count_open,
                                 .values = {task.id, std::int64_t{otherwise_ready ? 1 : 0}}});
    }
    if (task.concurrency_key) {
        making.limits.push_back(
            {.sql = task_sql::insert_limit,
             .values = {*task.concurrency_key, value_of(task.concurrency_limit)}});
    }
    return ok();
}

/// The task that has the key of the request, if there is one with the same content.
Result<std::optional<std::string>> SqlTaskStore::find_key(const CreateTask& request) {
    if (!request.idempotency_key) return std::optional<std::string>();
    TASKSTORE_LET(const auto answers,
                  read_one({.sql = x_read_texts.find_key,
                            .values = {now(), request.project, *request.idempotency_key}}));
    if (answers[0].rows.empty()) return std::optional<std::string>();
    RowReader read(answers[0].rows[0]);
    std::string id = read.text();
    if (read.text() != fingerprint_of(request)) return key_of_another(request, id);
    return std::optional(std::move(id));
}

Status SqlTaskStore::find_settled(const Task& task, std::set<std::string>& settled) {
    for (const std::string& other : task.depends_on) {
        if (settled.contains(other)) continue;
        TASKSTORE_LET(const auto there, get_kept(other));
        if (there) continue;
        TASKSTORE_LET(const auto archived, get_archived(other));
        if (!archived) return no_such_task(other);
        if (archived->status != TaskStatus::completed &&
            task.on_failed_dependency != OnFailedDependency::run)
            return fail(Code::conflict, "task '" + other + "' is archived, " +
                                            std::string(name_of(archived->status)) +
                                            ": it will never complete")
                .with_hint("leave it out, or say --on-failed-dependency run");
        settled.insert(other);
    }
    return ok();
}

Result<Written<Task>> SqlTaskStore::create_anew(const CreateTask& request, Task task,
                                                const std::set<std::string>& settled) {
    Making making;
    TASKSTORE_TRY(add_task(making, request, task, settled));
    Statements batch = std::move(making).all();
    if (!task.depends_on.empty()) batch.push_back({.sql = x_texts.get_task, .values = {task.id}});
    TASKSTORE_LET(const sql::Committed committed, write_batch(batch, waking()));
    if (!task.depends_on.empty()) {
        TASKSTORE_LET(task, task_of(committed.answers.back().rows.at(0)));
    }
    if (task.concurrency_key) settle_or_leave_marked();
    return Written<Task>{std::move(task), committed.level};
}

Result<Written<Task>> SqlTaskStore::create_task(const CreateTask& request) {
    TASKSTORE_LET(Task task, task_asked_for(request));
    task.id = x_ids.next();
    task.created_at = task.updated_at = x_clock.wall_ms();
    std::set<std::string> settled;
    for (int attempt = 0;; ++attempt) {
        auto made = create_anew(request, task, settled);
        if (made || !is_conflict(made.error())) return made;
        // Only now, so that those that are new pay for no look.
        TASKSTORE_LET(const auto known, find_key(request));
        if (known) {
            TASKSTORE_LET(auto there, get_task(*known));
            if (!there) return no_such_task(*known);
            return Written<Task>{std::move(*there), seen()};
        }
        const std::size_t before = settled.size();
        TASKSTORE_TRY(find_settled(task, settled));
        if (settled.size() == before || attempt >= kDecisionsMax) return made;
    }
}

Result<Written<std::vector<std::string>>> SqlTaskStore::create_tasks(
    std::span<const CreateTask> requests) {
    const std::int64_t now_ms = x_clock.wall_ms();
    std::set<std::string> settled;
    for (int attempt = 0;; ++attempt) {
        Written<std::vector<std::string>> written{{}, seen()};
        bool knew = false;
        Making making;
        std::map<std::pair<std::string, std::string>, std::pair<std::string, std::string>> keys;
        std::vector<Task> made;
        for (std::size_t i = 0; i < requests.size(); ++i) {
            const CreateTask& request = requests[i];
            const auto of_task = [&](Error error) {
                error.message = "task " + std::to_string(i + 1) + ": " + error.message;
                return fail(std::move(error));
            };
            auto task = task_asked_for(request);
            if (!task) return of_task(std::move(task).error());
            if (request.idempotency_key) {
                const auto key = std::pair(request.project, *request.idempotency_key);
                const auto same = keys.find(key);
                if (same != keys.end()) {
                    if (same->second.second != fingerprint_of(request))
                        return of_task(key_of_another(request, same->second.first).error);
                    written.value.push_back(same->second.first);
                    continue;
                }
                auto known = find_key(request);
                if (!known) return of_task(std::move(known).error());
                task->id = *known ? **known : x_ids.next();
                keys.emplace(key, std::pair(task->id, fingerprint_of(request)));
                if (*known) {
                    written.value.push_back(task->id);
                    knew = true;
                    continue;
                }
            } else {
                task->id = x_ids.next();
            }
            task->created_at = task->updated_at = now_ms;
            written.value.push_back(task->id);
            TASKSTORE_TRY(add_task(making, request, *task, settled));
            if (!task->depends_on.empty()) made.push_back(std::move(*task));
        }
        const Statements batch = std::move(making).all();
        if (batch.empty()) return written;
        auto committed = write_batch(batch, {.alone = true, .wake = kTopic});
        if (committed) {
            settle_or_leave_marked();
            written.level = knew ? sql::weaker_of(committed->level, seen()) : committed->level;
            return written;
        }
        if (!is_conflict(committed.error())) return fail(std::move(committed).error());
        const std::size_t before = settled.size();
        for (const Task& task : made) TASKSTORE_TRY(find_settled(task, settled));
        // Somebody took a key meanwhile, or archived what is waited for.
        if ((keys.empty() && settled.size() == before) || attempt >= kDecisionsMax)
            return fail(std::move(committed).error());
    }
}

}  // namespace taskstore::tasks
