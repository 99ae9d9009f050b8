#include <taskstore/work/claim_wait.hpp>

#include <gtest/gtest.h>

namespace taskstore::work {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

class ClaimWaitTest : public testing::Test {
  protected:
    /// In ms from now; nothing: until somebody wakes.
    std::optional<std::int64_t> wait(std::optional<std::int64_t> next_in_ms, bool in_vain) {
        const std::int64_t until_ns =
            x_wait.until_ns({.claimable = in_vain, .next_in_ms = next_in_ms}, in_vain);
        if (until_ns == 0) return std::nullopt;
        return (until_ns - x_clock.boot_ns()) / kNsPerMs;
    }

    FakeClock x_clock;
    SeededRandom x_random{7};
    ClaimWait x_wait{x_clock, x_random};
};

TEST_F(ClaimWaitTest, ItIsUntilTheTimeThatComesAsTheDatabaseCountsIt) {
    EXPECT_EQ(wait(std::nullopt, false), std::nullopt);
    EXPECT_EQ(wait(40'000, false), 40'000);
    EXPECT_EQ(wait(1, false), 1);
    // Due, and nobody has done it: not again at once, and not never.
    EXPECT_GT(wait(0, false), 0);
}

TEST_F(ClaimWaitTest, AfterAClaimInVainLooksComeSoonAndFurtherApart) {
    std::int64_t longest_at_first = 0;
    std::int64_t longest_later = 0;
    for (int i = 0; i < 200; ++i) {
        const auto ms = wait(std::nullopt, true);
        ASSERT_TRUE(ms);
        EXPECT_GT(*ms, 0);
        EXPECT_LE(*ms, 1'001);
        std::int64_t& longest = i < 2 ? longest_at_first : longest_later;
        longest = std::max(longest, *ms);
    }
    EXPECT_LE(longest_at_first, 21);
    EXPECT_GT(longest_later, 500);
    EXPECT_EQ(wait(std::nullopt, false), std::nullopt) << "what others have taken is over";
    EXPECT_LE(wait(std::nullopt, true), 11) << "and the next one begins anew";
    EXPECT_EQ(wait(1, true).value_or(0), 1) << "what is known to come counts, too";
}

}  // namespace
}  // namespace taskstore::work
