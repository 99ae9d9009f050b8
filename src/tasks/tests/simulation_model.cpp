#include "simulation_model.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace taskstore::tasks {

using State = SimulatedTask::State;

bool SimulationModel::goes_before(const SimulatedTask& one, const SimulatedTask& other) const {
    if (one.priority == other.priority) return one.number < other.number;
    const bool is_higher = one.priority > other.priority;
    const SimulatedTask& higher = is_higher ? one : other;
    const SimulatedTask& lower = is_higher ? other : one;
    // The lower one has waited so long that it counts as much, and was there first.
    const bool caught_up =
        ageing_ms && std::pair(lower.made_at + (higher.priority - lower.priority) / 10 * *ageing_ms,
                               lower.number) < std::pair(higher.made_at, higher.number);
    return is_higher != caught_up;
}

bool SimulationModel::could_be_claimed(const SimulatedTask& task) const {
    return task.state == State::waits && task.not_before <= now_ms &&
           std::ranges::all_of(task.waits_for,
                               [&](std::size_t i) { return tasks[i].state == State::completed; });
}

std::int64_t SimulationModel::held_of(const std::string& key) const {
    return std::ranges::count_if(tasks, [&](const SimulatedTask& task) {
        return task.state == State::held && task.key == key;
    });
}

std::vector<std::size_t> SimulationModel::claimable(bool has_gpu) const {
    std::vector<std::size_t> order;
    for (const SimulatedTask& task : tasks)
        if (could_be_claimed(task)) order.push_back(task.number);
    std::ranges::sort(
        order, [&](std::size_t a, std::size_t b) { return goes_before(tasks[a], tasks[b]); });
    // The first of a key have its slots, whoever can do them.
    std::map<std::string, std::int64_t> free;
    for (const auto& [key, count] : slots) free[key] = count - held_of(key);
    std::erase_if(order,
                  [&](std::size_t i) { return tasks[i].key && free.at(*tasks[i].key)-- <= 0; });
    std::erase_if(order, [&](std::size_t i) { return tasks[i].wants_gpu && !has_gpu; });
    return order;
}

std::optional<std::int64_t> SimulationModel::waits_for_those_made_until(const SimulatedTask& task,
                                                                        std::int64_t most) const {
    if (task.priority == most) return task.made_at;
    if (!ageing_ms) return std::nullopt;
    return task.made_at + (most - task.priority) / 10 * *ageing_ms;
}

void SimulationModel::claim(SimulatedTask& task, std::optional<std::int64_t> lease_ms) {
    task.state = State::held;
    task.lease_end = now_ms + lease_ms.value_or(task.lease_ms);
    ++task.claims;
}

void SimulationModel::fail(SimulatedTask& task, std::int64_t wait_ms) {
    const bool is_last = ++task.failures == task.retry.max_attempts;
    task.state = is_last ? State::failed : State::waits;
    task.dead = is_last;
    task.not_before = now_ms + wait_ms;
}

void SimulationModel::retry(SimulatedTask& task) {
    task.state = State::waits;
    task.failures = task.rescues = task.not_before = 0;
    task.dead = false;
}

void SimulationModel::take_back() {
    for (SimulatedTask& task : tasks) {
        if (task.state != State::held || task.lease_end > now_ms) continue;
        const bool is_once_too_often = task.rescues++ == task.retry.max_rescues;
        task.state = is_once_too_often ? State::failed : State::waits;
        task.dead = is_once_too_often;
    }
    for (SimulatedTask& task : tasks)
        if (task.not_before <= now_ms) task.not_before = 0;
}

bool SimulationModel::is_something_due() const {
    return std::ranges::any_of(tasks, [&](const SimulatedTask& task) {
        return (task.state == State::held && task.lease_end <= now_ms) ||
               (task.state == State::waits && task.key && task.not_before > 0 &&
                task.not_before <= now_ms);
    });
}

std::optional<std::int64_t> SimulationModel::next_moment() const {
    std::optional<std::int64_t> next;
    for (const SimulatedTask& task : tasks) {
        const std::int64_t at = task.state == State::held    ? task.lease_end
                                : task.state == State::waits ? task.not_before
                                                             : 0;
        if (at > now_ms && (!next || at < *next)) next = at;
    }
    return next;
}

std::int64_t SimulationModel::wait_of(const RetryPolicy& retry, std::int64_t failures) {
    constexpr std::array<std::int64_t, 9> kPowers{0, 1, 2, 4, 8, 16, 32, 64, 128};
    constexpr std::array<std::int64_t, 9> kFibonacci{0, 1, 1, 2, 3, 5, 8, 13, 21};
    const auto n = static_cast<std::size_t>(failures);
    switch (retry.backoff) {
        case Backoff::none:
            return 0;
        case Backoff::linear:
            return std::min(failures * retry.base_ms, retry.cap_ms);
        case Backoff::exponential:
            return std::min(kPowers.at(n) * retry.base_ms, retry.cap_ms);
        case Backoff::fibonacci:
            return std::min(kFibonacci.at(n) * retry.base_ms, retry.cap_ms);
    }
    return 0;
}

}  // namespace taskstore::tasks
