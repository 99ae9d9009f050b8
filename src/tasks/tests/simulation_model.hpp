#pragma once
// Who gets which task, and when: the rules of docs/tasks.md as one would say them, written apart
// from the store: no ranks, no counters, nothing kept ready.

#include <taskstore/tasks/task.hpp>

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace taskstore::tasks {

struct SimulatedTask {
    enum class State : std::uint8_t { waits, held, completed, failed };
    std::size_t number = 0;  ///< In the order in which they were made.
    std::int64_t made_at = 0;
    std::int64_t priority = 0;  ///< In tens.
    bool wants_gpu = false;
    std::optional<std::string> key = {};
    std::set<std::size_t> waits_for = {};
    std::int64_t not_before = 0;
    std::int64_t lease_ms = 0;
    RetryPolicy retry = {};

    State state = State::waits;
    std::int64_t lease_end = 0;
    std::int64_t failures = 0;
    std::int64_t rescues = 0;
    bool dead = false;
    std::int64_t claims = 0;
    std::int64_t overtaken = 0;  ///< Claims of others while it could have been claimed.
};

class SimulationModel {
  public:
    std::int64_t now_ms = 0;
    /// After how long a task counts as one of the next priority; nothing: never.
    std::optional<std::int64_t> ageing_ms;
    std::vector<SimulatedTask> tasks;
    std::map<std::string, std::int64_t> slots;

    bool goes_before(const SimulatedTask& one, const SimulatedTask& other) const;
    /// Nothing but others keeps it from being claimed.
    bool could_be_claimed(const SimulatedTask& task) const;
    /// What a worker gets, first things first.
    std::vector<std::size_t> claimable(bool has_gpu) const;
    std::int64_t held_of(const std::string& key) const;
    /// No task made after that moment goes before it, as long as none has more than `most`.
    std::optional<std::int64_t> waits_for_those_made_until(const SimulatedTask& task,
                                                           std::int64_t most) const;

    void claim(SimulatedTask& task, std::optional<std::int64_t> lease_ms);
    void complete(SimulatedTask& task) { task.state = SimulatedTask::State::completed; }
    void fail(SimulatedTask& task, std::int64_t wait_ms);
    void release(SimulatedTask& task) { task.state = SimulatedTask::State::waits; }
    void retry(SimulatedTask& task);
    /// Leases that have run out give their tasks back.
    void take_back();
    /// Something has come to its time that only the store itself tells others of.
    bool is_something_due() const;
    /// The next moment at which a lease or a wait ends.
    std::optional<std::int64_t> next_moment() const;
    /// How long the n-th failure makes a task wait, if chance takes nothing away.
    static std::int64_t wait_of(const RetryPolicy& retry, std::int64_t failures);
};

}  // namespace taskstore::tasks
