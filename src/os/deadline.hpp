#pragma once
// How long a wait may still take. Reads the steady clock, which measures durations only; what is
// stored or compared between processes comes from the caller's Clock.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>

namespace taskstore::os {

class Deadline {
  public:
    using Steady = std::chrono::steady_clock;

    /// Nothing: never. Negative counts as zero.
    explicit Deadline(std::optional<std::int64_t> timeout_ms) {
        if (!timeout_ms) return;
        const std::int64_t ms = std::clamp<std::int64_t>(*timeout_ms, 0, kForeverMs);
        if (ms < kForeverMs) x_end = Steady::now() + std::chrono::milliseconds(ms);
    }

    bool passed() const { return x_end && Steady::now() >= *x_end; }
    /// What is left, but not more than `ms`.
    std::chrono::nanoseconds at_most(std::int64_t ms) const {
        const std::chrono::nanoseconds bound = std::chrono::milliseconds(ms);
        if (!x_end) return bound;
        return std::clamp<std::chrono::nanoseconds>(*x_end - Steady::now(), {}, bound);
    }
    /// For poll(2): rounded up, so that it does not spin through the last millisecond; -1 for
    /// never.
    int poll_ms() const {
        if (!x_end) return -1;
        return static_cast<int>(
            std::chrono::ceil<std::chrono::milliseconds>(at_most(std::numeric_limits<int>::max()))
                .count());
    }
    const std::optional<Steady::time_point>& end() const { return x_end; }

  private:
    static constexpr std::int64_t kForeverMs = std::int64_t{100} * 365 * 24 * 3600 * 1000;
    std::optional<Steady::time_point> x_end;
};

}  // namespace taskstore::os
