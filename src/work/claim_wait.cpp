#include <taskstore/work/claim_wait.hpp>

#include <algorithm>

namespace taskstore::work {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
/// Between two looks at what was due already and is not done.
constexpr std::int64_t kDueAgainMs = 50;
constexpr sql::RetryPolicy kInVain{.base_ms = 10, .cap_ms = 1'000, .deadline_boot_ns = INT64_MAX};

}  // namespace

std::int64_t ClaimWait::until_ns(const tasks::Outlook& outlook, bool in_vain) {
    std::optional<std::int64_t> ms = outlook.next_in_ms;
    if (ms && *ms == 0) ms = kDueAgainMs;
    if (!in_vain) {
        x_in_vain.reset();
    } else {
        if (!x_in_vain) x_in_vain.emplace(kInVain, x_clock, x_random);
        const std::int64_t soon = 1 + x_in_vain->next_ms();
        ms = std::min(ms.value_or(soon), soon);
    }
    return ms ? x_clock.boot_ns() + *ms * kNsPerMs : 0;
}

}  // namespace taskstore::work
