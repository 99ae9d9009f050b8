#include <gtest/gtest.h>
#include <taskstore/base/clock.hpp>
#include <taskstore/sql/identity.hpp>

#include <algorithm>
#include <set>

namespace taskstore::sql {
namespace {

constexpr std::int64_t kNowMs = 1'700'000'000'999;
constexpr std::int64_t kNow = 1'700'000'000;

TEST(NextEpoch, IsTheTimeInSeconds) {
    EXPECT_EQ(next_epoch(0, kNowMs), kNow);
    EXPECT_EQ(next_epoch(1, kNowMs), kNow);
    EXPECT_EQ(next_epoch(kNow - 1, kNowMs), kNow);
}

TEST(NextEpoch, IsOneMoreThanWhatIsKnownWhereTheClockDoesNotSayMore) {
    EXPECT_EQ(next_epoch(kNow, kNowMs), kNow + 1);
    EXPECT_EQ(next_epoch(kNow + 100, kNowMs), kNow + 101);
    EXPECT_EQ(next_epoch(0, 0), 1);
    EXPECT_EQ(next_epoch(7, -kNowMs), 8);
}

TEST(NextEpoch, DoesNotTakeATimeThatIsNone) {
    EXPECT_EQ(next_epoch(kNow, 7'258'118'400'000), kNow + 1) << "2200-01-01";
    EXPECT_EQ(next_epoch(kNow, INT64_MAX), kNow + 1);
    EXPECT_EQ(next_epoch(kNow, 7'258'118'399'000), 7'258'118'399);
}

// Whatever the clock says: larger than what is known, and fences of 2^20 claims are below 2^53.
TEST(NextEpoch, GrowsWithAnyClock) {
    SystemRandom system;
    const std::uint64_t seed = system.next_u64();
    SeededRandom random(seed);
    std::int64_t known = 0;
    for (int i = 0; i < 200'000; ++i) {
        const std::uint64_t drawn = random.next_u64();
        const std::int64_t wild_ms = static_cast<std::int64_t>(drawn) >> (drawn % 23U);
        const std::int64_t near_ms = kNowMs + static_cast<std::int64_t>(drawn % 4'000'000U);
        if (drawn % 1'000U == 0) known = 0;
        const std::int64_t next = next_epoch(known, drawn % 3U == 0 ? wild_ms : near_ms);
        ASSERT_GT(next, known) << "seed " << seed;
        ASSERT_LE(next, kEpochMax) << "seed " << seed;
        ASSERT_LT(((next + 1) << kEpochShift) - 1, (std::int64_t{1} << 53)) << "seed " << seed;
        known = next;
    }
}

// Places are lost with all that they knew, and made anew, or from a backup of any age.
TEST(NextEpoch, IsNeverGivenOutAgainThoughNobodyKnowsItAnyMore) {
    SystemRandom system;
    const std::uint64_t seed = system.next_u64();
    SeededRandom random(seed);
    std::set<std::int64_t> given;
    std::int64_t now_ms = kNowMs;
    std::int64_t place = 0;
    std::int64_t backup = 0;
    for (int i = 0; i < 50'000; ++i) {
        now_ms += 1'000 + static_cast<std::int64_t>(random.next_u64() % 100'000U);
        switch (random.next_u64() % 4U) {
            case 0:
                place = 0;
                break;
            case 1:
                backup = place;
                break;
            default:
                break;
        }
        place = next_epoch(std::max(place, random.next_u64() % 2U == 0 ? backup : 0), now_ms);
        ASSERT_TRUE(given.insert(place).second) << "seed " << seed;
        ASSERT_EQ(place, *given.rbegin()) << "seed " << seed << ": fences of before are smaller";
    }
}

// What versions before the first release counted: (epoch << 40) + n.
TEST(NextEpoch, IsAboveFencesOfEpochsThatWereCounted) {
    constexpr std::int64_t kLargest = (std::int64_t{1'600} << 40) + (std::int64_t{1} << 39);
    EXPECT_GT(next_epoch(1'600, kNowMs) << kEpochShift, kLargest);
}

}  // namespace
}  // namespace taskstore::sql
