#include "task_model.hpp"

#include <algorithm>
#include <tuple>

namespace taskstore::tasks {
namespace {

std::set<std::string> needs_of_task(const Task& task) {
    std::set<std::string> needs(task.capabilities.begin(), task.capabilities.end());
    return needs;
}

bool is_final(TaskStatus status) {
    return status != TaskStatus::pending && status != TaskStatus::in_progress;
}

}  // namespace

const TaskModel::Key* TaskModel::key_of(const CreateTask& request) const {
    if (!request.idempotency_key) return nullptr;
    const auto found = x_keys.find({request.project, *request.idempotency_key});
    return found == x_keys.end() || found->second.expires_at <= now_ms ? nullptr : &found->second;
}

void TaskModel::say_slots(const std::string& key, std::optional<std::int64_t> limit) {
    if (limit)
        slots[key] = *limit;
    else
        slots.try_emplace(key, 1);
}

void TaskModel::create(const CreateTask& request, const Task& made) {
    ModelTask one{.task = made};
    one.task.status = TaskStatus::pending;
    one.task.revision = 1;
    for (const std::string& id : request.depends_on) {
        const TaskStatus status = tasks.at(id).task.status;
        const bool failed = status == TaskStatus::failed || status == TaskStatus::cancelled;
        const bool counts = failed && request.on_failed_dependency == OnFailedDependency::run;
        if (status != TaskStatus::completed && !counts) one.open.insert(id);
    }
    if (request.concurrency_key) say_slots(*request.concurrency_key, request.concurrency_limit);
    if (request.idempotency_key)
        x_keys[{request.project, *request.idempotency_key}] = {made.id, request.title,
                                                               now_ms + request.key_retention_ms};
    tasks[made.id] = std::move(one);
}

bool TaskModel::may_have(const ModelTask& one, const ClaimRequest& request) const {
    const Task& task = one.task;
    if (!one.pending() || !one.open.empty()) return false;
    if (task.not_before && *task.not_before > now_ms) return false;
    if (task.deadline && *task.deadline <= now_ms) return false;
    if (request.project && *request.project != task.project) return false;
    const std::set<std::string> offers(request.capabilities.begin(), request.capabilities.end());
    return std::ranges::includes(offers, needs_of_task(task)) &&
           (!task.agent_type || task.agent_type == request.agent_type) &&
           (!request.with_command || task.command);
}

std::int64_t TaskModel::held_of(const std::string& key) const {
    return std::ranges::count_if(tasks, [&](const auto& entry) {
        return entry.second.held() && entry.second.task.concurrency_key == key;
    });
}

std::vector<std::string> TaskModel::claimable(const ClaimRequest& request) const {
    std::vector<const Task*> order;
    for (const auto& [id, one] : tasks) {
        // Slots are given to the first of a key, whoever can do them.
        const Task& task = one.task;
        const bool could = one.pending() && one.open.empty() &&
                           (!task.not_before || *task.not_before <= now_ms) &&
                           (!task.deadline || *task.deadline > now_ms);
        if (could) order.push_back(&task);
    }
    std::ranges::sort(order, {}, [](const Task* task) {
        return std::tuple(-task->priority, task->created_at, task->id);
    });
    std::map<std::string, std::int64_t> given;
    std::vector<std::string> ids;
    for (const Task* task : order) {
        if (task->concurrency_key) {
            const std::string& key = *task->concurrency_key;
            if (held_of(key) + given[key] >= slots.at(key)) continue;
            ++given[key];
        }
        if (may_have(tasks.at(task->id), request)) ids.push_back(task->id);
    }
    return ids;
}

void TaskModel::claim(const std::string& id, const ClaimRequest& request) {
    ModelTask& one = tasks.at(id);
    one.task.status = TaskStatus::in_progress;
    one.task.assigned_to = request.worker;
    one.task.liveness = request.liveness;
    one.task.lease_expires_at = now_ms + request.lease_ms.value_or(one.task.lease_ms);
    ++one.task.revision;
    one.verbs.emplace_back("claim");
}

std::optional<Code> TaskModel::why_not(const Hold& hold) const {
    const auto found = tasks.find(hold.task_id);
    if (found == tasks.end()) return Code::not_found;
    const ModelTask& one = found->second;
    if (one.held() && (!hold.fence || *hold.fence == one.task.fence)) return std::nullopt;
    return hold.fence ? Code::lease_lost : Code::conflict;
}

void TaskModel::renew(const std::string& id, std::optional<std::int64_t> lease_ms) {
    ModelTask& one = tasks.at(id);
    if (one.task.cancel_requested_at) return end(one, TaskStatus::cancelled, "cancel");
    one.task.lease_expires_at =
        std::max(*one.task.lease_expires_at, now_ms + lease_ms.value_or(one.task.lease_ms));
}

void TaskModel::to_pending(ModelTask& one, std::int64_t waits) {
    Task& task = one.task;
    task.status = TaskStatus::pending;
    task.assigned_to = std::nullopt;
    task.lease_expires_at.reset();
    task.liveness.reset();
    task.cancel_requested_at = task.completed_at = task.dead_at = task.not_before = std::nullopt;
    if (waits > 0) task.not_before = now_ms + waits;
    ++task.revision;
}

void TaskModel::end(ModelTask& one, TaskStatus status, const std::string& verb) {
    Task& task = one.task;
    task.status = status;
    task.lease_expires_at.reset();
    task.liveness.reset();
    task.cancel_requested_at.reset();
    task.completed_at = now_ms;
    ++task.revision;
    one.verbs.push_back(verb);
    ended(task.id);
}

/// What the end of a task means to those that wait for it.
void TaskModel::ended(const std::string& id) {
    const bool completed = tasks.at(id).task.status == TaskStatus::completed;
    for (auto& [other_id, other] : tasks) {
        if (!other.open.contains(id)) continue;
        if (completed || other.task.on_failed_dependency == OnFailedDependency::run) {
            other.open.erase(id);
        } else if (other.pending() &&
                   other.task.on_failed_dependency == OnFailedDependency::cancel) {
            other.task.error = "cancelled with another";
            end(other, TaskStatus::cancelled, "cancel");
        }
    }
}

void TaskModel::complete(const std::string& id) {
    ModelTask& one = tasks.at(id);
    one.task.error.reset();
    end(one, TaskStatus::completed, "complete");
}

std::int64_t TaskModel::full_wait(const RetryPolicy& retry, std::int64_t failed) {
    std::int64_t factor = retry.backoff == Backoff::none ? 0 : 1;
    std::int64_t before = 0;
    for (std::int64_t i = 1; i < failed; ++i) {
        const std::int64_t was = factor;
        if (retry.backoff == Backoff::linear) factor += 1;
        if (retry.backoff == Backoff::exponential) factor *= 2;
        if (retry.backoff == Backoff::fibonacci) factor += before;
        before = was;
    }
    return std::min(factor * retry.base_ms, retry.cap_ms);
}

void TaskModel::fail(const std::string& id, const FailedAttempt& attempt, std::int64_t waits) {
    ModelTask& one = tasks.at(id);
    Task& task = one.task;
    ++task.retry_count;
    task.error = attempt.error;
    if (task.cancel_requested_at) return end(one, TaskStatus::cancelled, "fail");
    if (attempt.final || task.retry_count >= task.retry.max_attempts) {
        if (!attempt.final) task.dead_at = now_ms;
        return end(one, TaskStatus::failed, "fail");
    }
    to_pending(one, waits);
    one.verbs.emplace_back("fail");
}

void TaskModel::release(const std::string& id) {
    ModelTask& one = tasks.at(id);
    if (one.task.cancel_requested_at) return end(one, TaskStatus::cancelled, "release");
    to_pending(one, 0);
    one.verbs.emplace_back("release");
}

void TaskModel::rescue(const std::string& id) {
    ModelTask& one = tasks.at(id);
    Task& task = one.task;
    const bool too_often = task.rescues >= task.retry.max_rescues;
    ++task.rescues;
    if (task.cancel_requested_at) return end(one, TaskStatus::cancelled, "rescue");
    if (too_often) {
        task.dead_at = now_ms;
        task.error = "once too often";
        return end(one, TaskStatus::failed, "rescue");
    }
    to_pending(one, 0);
    one.verbs.emplace_back("rescue");
}

void TaskModel::tend() {
    for (auto& [id, one] : tasks) {
        if (one.held() && *one.task.lease_expires_at <= now_ms) rescue(id);
    }
    for (auto& [id, one] : tasks) {
        if (!one.pending() || !one.task.deadline || *one.task.deadline > now_ms) continue;
        one.task.error = "too late";
        one.task.dead_at = now_ms;
        end(one, TaskStatus::failed, "expire");
    }
}

std::optional<Code> TaskModel::cancel(const std::string& id) {
    const auto found = tasks.find(id);
    if (found == tasks.end()) return Code::not_found;
    ModelTask& one = found->second;
    if (is_final(one.task.status)) return Code::conflict;
    if (one.held()) {
        if (!one.task.cancel_requested_at) one.task.cancel_requested_at = now_ms;
        ++one.task.revision;
    } else {
        end(one, TaskStatus::cancelled, "cancel");
    }
    return std::nullopt;
}

std::optional<Code> TaskModel::retry(const std::string& id) {
    const auto found = tasks.find(id);
    if (found == tasks.end()) return Code::not_found;
    ModelTask& one = found->second;
    if (one.task.status != TaskStatus::failed && one.task.status != TaskStatus::cancelled)
        return Code::conflict;
    one.task.retry_count = one.task.rescues = 0;
    one.task.error.reset();
    to_pending(one, 0);
    one.verbs.emplace_back("retry");
    return std::nullopt;
}

std::optional<Code> TaskModel::remove(const std::string& id) {
    const auto found = tasks.find(id);
    if (found == tasks.end()) return Code::not_found;
    if (found->second.held()) return Code::conflict;
    for (const auto& [other_id, other] : tasks) {
        if (other.pending() && other.open.contains(id)) return Code::conflict;
    }
    tasks.erase(found);
    // The others still say that they depended on it.
    for (auto& [other_id, other] : tasks) other.open.erase(id);
    std::erase_if(x_keys, [&](const auto& entry) { return entry.second.id == id; });
    return std::nullopt;
}

bool TaskModel::waits_for(const std::string& id, const std::string& other) const {
    if (id == other) return true;
    const auto found = tasks.find(id);
    return found != tasks.end() &&
           std::ranges::any_of(found->second.task.depends_on,
                               [&](const std::string& one) { return waits_for(one, other); });
}

std::optional<Code> TaskModel::why_not_so(const std::string& id, const UpdateTask& change) const {
    if (change.add_dependencies.empty() && change.remove_dependencies.empty()) return std::nullopt;
    const Task& task = tasks.at(id).task;
    if (task.status == TaskStatus::in_progress || task.status == TaskStatus::completed)
        return Code::conflict;
    std::vector<std::string> left = task.depends_on;
    for (const std::string& other : change.remove_dependencies)
        if (std::erase(left, other) == 0) return Code::not_found;
    for (const std::string& other : change.add_dependencies) {
        if (std::ranges::find(left, other) != left.end()) continue;
        if (!tasks.contains(other)) return Code::not_found;
        if (waits_for(other, id)) return Code::conflict;
    }
    return std::nullopt;
}

void TaskModel::update(const std::string& id, const UpdateTask& change) {
    ModelTask& one = tasks.at(id);
    Task& task = one.task;
    ++task.revision;
    if (change.priority) task.priority = *change.priority;
    if (change.project) task.project = *change.project;
    if (change.capabilities) task.capabilities = *change.capabilities;
    if (change.lease_ms) task.lease_ms = *change.lease_ms;
    if (change.not_before) task.not_before = *change.not_before;
    if (change.deadline) task.deadline = *change.deadline;
    if (change.concurrency_key) {
        task.concurrency_key = *change.concurrency_key;
        task.concurrency_limit.reset();
    }
    if (change.concurrency_limit) task.concurrency_limit = change.concurrency_limit;
    if (task.concurrency_key && (change.concurrency_key || change.concurrency_limit))
        say_slots(*task.concurrency_key, task.concurrency_limit);
    if (change.on_failed_dependency) task.on_failed_dependency = *change.on_failed_dependency;
    for (const std::string& other : change.remove_dependencies) {
        one.open.erase(other);
        std::erase(task.depends_on, other);
    }
    for (const std::string& other : change.add_dependencies) {
        if (std::ranges::find(task.depends_on, other) != task.depends_on.end()) continue;
        task.depends_on.push_back(other);
        if (tasks.at(other).task.status != TaskStatus::completed) one.open.insert(other);
    }
    std::ranges::sort(task.depends_on);
    if (task.on_failed_dependency != OnFailedDependency::run) return;
    // Who runs anyway does not wait for what has failed already.
    std::erase_if(one.open,
                  [&](const std::string& other) { return is_final(tasks.at(other).task.status); });
}

std::optional<std::int64_t> TaskModel::next_time() const {
    std::optional<std::int64_t> first;
    const auto take = [&](std::optional<std::int64_t> at) {
        if (at && *at > now_ms && (!first || *at < *first)) first = at;
    };
    for (const auto& [id, one] : tasks) {
        if (one.held()) take(one.task.lease_expires_at);
        if (!one.pending()) continue;
        take(one.task.deadline);
        if (one.open.empty()) take(one.task.not_before);
    }
    return first;
}

}  // namespace taskstore::tasks
