#pragma once
// How long a task waits before its next attempt.

#include <taskstore/base/clock.hpp>
#include <taskstore/tasks/task.hpp>

#include <cstdint>

namespace taskstore::tasks {

/// After `failed` failed attempts (from 1): nothing, base·n, base·2^(n-1) or base·F(n) with F = 1,
/// 1, 2, 3, 5, …, at most the cap; of that, chance takes away up to `jitter` percent.
std::int64_t backoff_ms(const RetryPolicy& policy, std::int64_t failed, Random& random);

}  // namespace taskstore::tasks
