#pragma once
// What processes asked of a store of tasks and what they were told, with the times of both (floor
// 5): the history that the checker judges. Times are nanoseconds of one clock that all of the
// processes share (CLOCK_MONOTONIC of one host).

#include <taskstore/tasks/task.hpp>

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::ownership {

/// Written by name.
enum class Act : std::uint8_t {
    create,
    claim,
    renew,
    complete,
    fail,
    release,
    cancel,
    retry,
    look,
    /// A command that runs under a claim shows that it is still there. It asks nothing of the
    /// store; `fence` is the claim's.
    sign,
};
std::string_view name_of(Act act);
std::optional<Act> act_of(std::string_view word);

enum class Outcome : std::uint8_t {
    done,
    refused,  ///< The store said no, and that nothing was written.
    /// Nobody was told: it may have happened at any time since it began, or never.
    unknown,
};
std::string_view name_of(Outcome outcome);
std::optional<Outcome> outcome_of(std::string_view word);

inline constexpr std::int64_t kNever = std::numeric_limits<std::int64_t>::max();

/// One act on one task. A claim of several tasks is one operation for each.
struct Operation {
    std::string process;      ///< Who asked, for the report.
    std::int64_t number = 0;  ///< Which of its questions.
    Act act = Act::look;
    std::string task;
    std::int64_t begin_ns = 0;
    std::int64_t end_ns = kNever;  ///< kNever where the outcome is unknown.
    Outcome outcome = Outcome::unknown;
    /// Of renew, complete, fail, release and sign: the one that was given. Of claim and look: the
    /// one that was told.
    std::int64_t fence = 0;
    std::int64_t lease_ms = 0;  ///< What a claim or renewal asked for.
    /// What the task is after it; of claims always in_progress. Nothing: not told.
    std::optional<tasks::TaskStatus> status = {};
};

}  // namespace taskstore::ownership
