#include <taskstore/sql/retry.hpp>

#include <gtest/gtest.h>

#include <vector>

namespace taskstore::sql {
namespace {

constexpr std::int64_t kFarNs = 1'000'000'000'000'000;

TEST(Backoff, WaitsAreSpreadOverTheWholeRangeUpToADoublingBound) {
    const FakeClock clock;
    SeededRandom random(7);
    std::vector<std::int64_t> longest(12, 0);
    std::vector<std::int64_t> shortest(12, 1'000'000);
    for (int run = 0; run < 500; ++run) {
        Backoff backoff({.base_ms = 8, .cap_ms = 1'000, .deadline_boot_ns = kFarNs}, clock, random);
        for (std::size_t n = 0; n < longest.size(); ++n) {
            const std::int64_t wait = backoff.next_ms();
            longest[n] = std::max(longest[n], wait);
            shortest[n] = std::min(shortest[n], wait);
        }
    }
    for (std::size_t n = 0; n < longest.size(); ++n) {
        const std::int64_t bound = std::min<std::int64_t>(1'000, 8LL << n);
        EXPECT_LE(longest[n], bound) << n;
        EXPECT_GE(longest[n], bound * 9 / 10 - 1) << n;
        EXPECT_LE(shortest[n], bound / 10 + 1) << n;
    }
}

TEST(Backoff, NeverWaitsPastTheDeadline) {
    const FakeClock clock;
    SeededRandom random(7);
    Backoff backoff({.base_ms = 1'000, .cap_ms = 1'000, .deadline_boot_ns = clock.boot_ns() - 1},
                    clock, random);
    EXPECT_LT(backoff.next_ms(), 0);
}

TEST(Retry, RepeatsWhatMayMendItselfAndNothingElse) {
    const FakeClock clock;
    SeededRandom random(7);
    const RetryPolicy policy{.base_ms = 1, .cap_ms = 1, .deadline_boot_ns = kFarNs};
    int runs = 0;
    const auto failing = [&](Code code, int times) {
        runs = 0;
        return retry(policy, clock, random,
                     [&]() -> Status { return ++runs > times ? ok() : fail(code, "as planned"); });
    };
    EXPECT_TRUE(failing(Code::unavailable, 3));
    EXPECT_EQ(runs, 4);
    for (const Code code : {Code::invalid, Code::conflict, Code::outcome_unknown, Code::timed_out,
                            Code::denied, Code::corrupt}) {
        EXPECT_EQ(failing(code, 3).error().code, code);
        EXPECT_EQ(runs, 1) << name_of(code);
    }
}

TEST(Retry, GivesTheLastErrorWhenTimeIsOver) {
    const FakeClock clock;
    SeededRandom random(7);
    const auto status =
        retry({.base_ms = 1, .cap_ms = 1, .deadline_boot_ns = clock.boot_ns() - 1}, clock, random,
              []() -> Status { return fail(Code::unavailable, "busy"); });
    EXPECT_EQ(status.error().message, "busy");
}

}  // namespace
}  // namespace taskstore::sql
