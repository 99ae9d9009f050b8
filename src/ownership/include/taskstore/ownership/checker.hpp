#pragma once
// Judges whether what processes were told about tasks can have been true (floor 5). Written apart
// from the store: it knows a small model of one task, and looks for an order of the operations,
// each at an instant between its question and its answer, that the model can follow. Where there is
// none, somebody was told what did not happen.
//
// Linearizability after Herlihy and Wing (1990), searched as by Wing and Gong (1993) with the
// memory of Lowe (2017); each task by itself, for tasks are independent objects.

#include <taskstore/ownership/operation.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace taskstore::ownership {

enum class Wrong : std::uint8_t {
    double_claim,        ///< Two claims held a task at once.
    fence_not_grown,     ///< A claim's fence is not larger than all before it.
    claim_of_ended,      ///< A task was claimed that had ended, or was never made.
    stale_write,         ///< A write was accepted from who did not hold the task any more.
    holder_refused,      ///< Who held the task was told that it does not.
    lost_change,         ///< The task is not what was acknowledged.
    running_when_freed,  ///< A command was still running after its task was freed.
    undecided,           ///< The search grew beyond its bound.
};
std::string_view name_of(Wrong wrong);

struct Violation {
    Wrong wrong = Wrong::lost_change;
    std::string task;
    /// In words, then the operations around it, a line each.
    std::string report;
};

struct Verdict {
    std::int64_t tasks = 0;
    std::int64_t operations = 0;
    std::vector<Violation> violations;  ///< At most one per task.
};

/// In any order. The cost grows with the operations of a task times those of them that were under
/// way at once; memory with the operations.
///
/// The model: a lease that was acknowledged lasts for its time from the question on, at least;
/// after that the store may take the task back, at any instant. A renewal never shortens it.
/// Rescues, attempts and waits must not end a task by themselves: make tasks that have plenty of
/// them.
Verdict check_ownership(std::span<const Operation> operations);

}  // namespace taskstore::ownership
