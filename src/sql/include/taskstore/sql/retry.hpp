#pragma once
// When to try again (floor 2; drivers, and whoever waits for a server).

#include <taskstore/base/clock.hpp>
#include <taskstore/base/result.hpp>

#include <cstdint>
#include <functional>

namespace taskstore::sql {

struct RetryPolicy {
    std::int64_t base_ms = 5;     ///< The first wait is a random time up to this.
    std::int64_t cap_ms = 1'000;  ///< And no wait is longer.
    /// In the clock's boot_ns(); no wait begins that would end later.
    std::int64_t deadline_boot_ns = 0;
};

/// Exponential backoff with full jitter: the n-th wait is uniform in [0, min(cap, base * 2^n)]
/// (Brooker, "Exponential Backoff and Jitter", 2015). Not thread-safe.
class Backoff {
  public:
    Backoff(const RetryPolicy& policy, const Clock& clock, Random& random)
        : x_policy(policy), x_clock(clock), x_random(random) {}
    /// How long to wait now, in ms; negative: the deadline would pass, give up.
    std::int64_t next_ms();

  private:
    RetryPolicy x_policy;
    const Clock& x_clock;
    Random& x_random;
    int x_attempt = 0;
};

/// Runs `attempt` until it succeeds, fails with a code that no repetition mends, or the deadline
/// would pass: then its last error. Repeated are the codes whose row says so (code.hpp), except
/// outcome_unknown and timed_out. Sleeps in the calling thread.
Status retry(const RetryPolicy& policy, const Clock& clock, Random& random,
             const std::function<Status()>& attempt);

}  // namespace taskstore::sql
