#include <gtest/gtest.h>
#include <taskstore/os/forked.hpp>

#include <thread>

namespace taskstore::os {
namespace {

/// Asks until it says yes; ctest ends a test that never does.
template <typename Ask>
void wait_until(Ask ask) {
    while (!ask()) std::this_thread::yield();
}

TEST(Forked, ItsNumbersAreSharedAndItsEndIsTold) {
    const auto numbers = SharedNumbers::make(2);
    ASSERT_TRUE(numbers);
    auto child = Forked::start([&] {
        (*numbers)[1] = 7;
        return 3;
    });
    ASSERT_TRUE(child);
    std::optional<int> code;
    wait_until([&] { return (code = child->ended()).has_value(); });
    EXPECT_EQ(code, 3);
    EXPECT_EQ((*numbers)[0].load(), 0);
    EXPECT_EQ((*numbers)[1].load(), 7);
}

TEST(Forked, PausedItDoesNothingAndThenItGoesOn) {
    const auto numbers = SharedNumbers::make(1);
    ASSERT_TRUE(numbers);
    std::atomic<std::int64_t>& count = (*numbers)[0];
    auto child = Forked::start([&] {
        while (true) ++count;
        return 0;
    });
    ASSERT_TRUE(child);
    wait_until([&] { return count.load() > 0; });
    child->pause();
    const std::int64_t paused_at = count.load();
    for (int i = 0; i < 1'000; ++i) {
        std::this_thread::yield();
        ASSERT_EQ(count.load(), paused_at);
    }
    child->go_on();
    wait_until([&] { return count.load() > paused_at; });
    child->kill();
    EXPECT_FALSE(child->ended());
}

}  // namespace
}  // namespace taskstore::os
