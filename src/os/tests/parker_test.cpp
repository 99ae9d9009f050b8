#include <taskstore/os/parker.hpp>

#include <gtest/gtest.h>

#include <thread>
#include <vector>

namespace taskstore::os {
namespace {

TEST(Parker, APermitThatWasGivenBeforeIsTakenAtOnceAndOnce) {
    Parker parker;
    parker.unpark();
    parker.unpark();
    parker.park();
    EXPECT_FALSE(parker.park_for(0));
    EXPECT_FALSE(parker.park_for(-1));
}

TEST(Parker, WithoutAPermitATimeoutEndsTheSleep) {
    Parker parker;
    EXPECT_FALSE(parker.park_for(1'000'000));
    parker.unpark();
    EXPECT_TRUE(parker.park_for(1'000'000));
}

TEST(Parker, TwoThreadsHandAPermitToAndFroAndSeeWhatTheOtherWrote) {
    constexpr int kRounds = 20'000;
    Parker here;
    Parker there;
    int number = 0;  // Not atomic: the permits order who writes.
    std::jthread other([&] {
        for (int i = 0; i < kRounds; ++i) {
            there.park();
            ++number;
            here.unpark();
        }
    });
    for (int i = 0; i < kRounds; ++i) {
        ++number;
        there.unpark();
        if (i % 2 == 0) {
            here.park();
        } else {
            while (!here.park_for(1'000)) continue;
        }
        ASSERT_EQ(number, 2 * (i + 1));
    }
}

}  // namespace
}  // namespace taskstore::os
