#pragma once
// How long somebody who looks for tasks sleeps, if nobody wakes them (floor 5).

#include <taskstore/base/clock.hpp>
#include <taskstore/sql/retry.hpp>
#include <taskstore/tasks/task_store.hpp>

#include <cstdint>
#include <optional>

namespace taskstore::work {

/// Not thread-safe. Clock and Random must outlive it.
class ClaimWait {
  public:
    ClaimWait(const Clock& clock, Random& random) : x_clock(clock), x_random(random) {}

    /// In the clock's boot_ns(): when the time comes that `outlook` names, counted from the look by
    /// the database's clock, so that a wall clock that is wrong here makes nobody late; 0: when
    /// somebody wakes. `in_vain`: it promised a task and the claim got none. Another worker is at
    /// it, who may yet let go without waking anybody: such looks come soon, at random, and further
    /// apart each time.
    std::int64_t until_ns(const tasks::Outlook& outlook, bool in_vain);

  private:
    const Clock& x_clock;
    Random& x_random;
    std::optional<sql::Backoff> x_in_vain;
};

}  // namespace taskstore::work
