#include "backoff.hpp"

#include <gmock/gmock.h>

namespace taskstore::tasks {
namespace {

using testing::ElementsAre;

std::vector<std::int64_t> waits(const RetryPolicy& policy, int attempts) {
    SeededRandom random{1};
    std::vector<std::int64_t> out;
    for (int i = 1; i <= attempts; ++i) out.push_back(backoff_ms(policy, i, random));
    return out;
}

TEST(Backoff, GrowsAsItsNameSaysUpToTheCap) {
    EXPECT_THAT(waits({.backoff = Backoff::none, .base_ms = 10}, 3), ElementsAre(0, 0, 0));
    EXPECT_THAT(waits({.backoff = Backoff::linear, .base_ms = 10, .cap_ms = 35}, 5),
                ElementsAre(10, 20, 30, 35, 35));
    EXPECT_THAT(waits({.backoff = Backoff::exponential, .base_ms = 10, .cap_ms = 75}, 5),
                ElementsAre(10, 20, 40, 75, 75));
    EXPECT_THAT(waits({.backoff = Backoff::fibonacci, .base_ms = 10, .cap_ms = 75}, 7),
                ElementsAre(10, 10, 20, 30, 50, 75, 75));
}

TEST(Backoff, ManyAttemptsOverflowNothing) {
    SeededRandom random{1};
    const std::int64_t year = 366LL * 86'400'000;
    for (const Backoff backoff : {Backoff::linear, Backoff::exponential, Backoff::fibonacci}) {
        const RetryPolicy policy{.backoff = backoff, .base_ms = year, .cap_ms = year, .jitter = 0};
        EXPECT_EQ(backoff_ms(policy, 1'000'000'000'000, random), year);
    }
}

TEST(Backoff, JitterTakesAwayAtMostItsShareAndAllOfItIsUsed) {
    SeededRandom random{7};
    const RetryPolicy policy{.backoff = Backoff::linear, .base_ms = 1'000, .jitter = 30};
    std::int64_t least = 1'000;
    std::int64_t most = 0;
    std::int64_t sum = 0;
    constexpr int kDraws = 20'000;
    for (int i = 0; i < kDraws; ++i) {
        const std::int64_t wait = backoff_ms(policy, 1, random);
        least = std::min(least, wait);
        most = std::max(most, wait);
        sum += wait;
    }
    EXPECT_EQ(least, 700);
    EXPECT_EQ(most, 1'000);
    EXPECT_NEAR(static_cast<double>(sum) / kDraws, 850, 5);
}

}  // namespace
}  // namespace taskstore::tasks
