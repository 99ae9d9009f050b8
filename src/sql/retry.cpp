#include <taskstore/sql/retry.hpp>

#include <algorithm>
#include <chrono>
#include <thread>

namespace taskstore::sql {

std::int64_t Backoff::next_ms() {
    constexpr int kDoublingsMax = 30;
    const std::int64_t doubled = x_policy.base_ms << std::min(x_attempt, kDoublingsMax);
    ++x_attempt;
    const auto bound =
        static_cast<std::uint64_t>(std::clamp<std::int64_t>(doubled, 0, x_policy.cap_ms));
    const auto wait_ms = static_cast<std::int64_t>(x_random.next_u64() % (bound + 1));
    const bool in_time = x_clock.boot_ns() + wait_ms * 1'000'000 <= x_policy.deadline_boot_ns;
    return in_time ? wait_ms : -1;
}

Status retry(const RetryPolicy& policy, const Clock& clock, Random& random,
             const std::function<Status()>& attempt) {
    Backoff backoff(policy, clock, random);
    while (true) {
        Status status = attempt();
        if (status) return status;
        const Code code = status.error().code;
        if (!row_of(code).retryable || code == Code::outcome_unknown || code == Code::timed_out) {
            return status;
        }
        const std::int64_t wait_ms = backoff.next_ms();
        if (wait_ms < 0) return status;
        std::this_thread::sleep_for(std::chrono::milliseconds(wait_ms));
    }
}

}  // namespace taskstore::sql
