#include "backoff.hpp"

#include <algorithm>
#include <utility>

namespace taskstore::tasks {
namespace {

/// How many times the base; stops growing beyond what a cap can be.
std::int64_t factor_of(Backoff backoff, std::int64_t failed) {
    constexpr std::int64_t kFactorMax = std::int64_t{1} << 40;
    switch (backoff) {
        case Backoff::none:
            return 0;
        case Backoff::linear:
            return std::min(failed, kFactorMax);
        case Backoff::exponential: {
            std::int64_t factor = 1;
            for (std::int64_t i = 1; i < failed && factor < kFactorMax; ++i) factor *= 2;
            return factor;
        }
        case Backoff::fibonacci: {
            std::int64_t before = 0;
            std::int64_t factor = 1;
            for (std::int64_t i = 1; i < failed && factor < kFactorMax; ++i)
                before = std::exchange(factor, factor + before);
            return factor;
        }
    }
    return 0;
}

}  // namespace

std::int64_t backoff_ms(const RetryPolicy& policy, std::int64_t failed, Random& random) {
    const std::int64_t factor = factor_of(policy.backoff, std::max<std::int64_t>(failed, 1));
    if (factor == 0 || policy.base_ms == 0) return 0;
    const std::int64_t wait =
        factor > policy.cap_ms / policy.base_ms ? policy.cap_ms : factor * policy.base_ms;
    const std::int64_t most = std::min(wait, policy.cap_ms);
    const std::int64_t loose = most / 100 * policy.jitter + most % 100 * policy.jitter / 100;
    if (loose == 0) return most;
    return most -
           static_cast<std::int64_t>(random.next_u64() % (static_cast<std::uint64_t>(loose) + 1));
}

}  // namespace taskstore::tasks
