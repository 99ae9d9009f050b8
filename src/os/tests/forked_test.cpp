#include <gtest/gtest.h>
#include <taskstore/os/forked.hpp>

#include <csignal>
#include <ctime>
#include <thread>

namespace taskstore::os {
namespace {

constexpr int kPatienceMs = 20'000;

/// Asks until it says yes.
template <typename Ask>
bool comes_true(Ask ask) {
    for (int i = 0; i < kPatienceMs; ++i) {
        if (ask()) return true;
        std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    return false;
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
    EXPECT_TRUE(comes_true([&] { return (code = child->ended()).has_value(); }));
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
    ASSERT_TRUE(comes_true([&] { return count.load() > 0; }));
    child->pause();
    // Stopped once the number stands still over two looks.
    ASSERT_TRUE(comes_true([&] {
        const std::int64_t before = count.load();
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
        return count.load() == before;
    }));
    const std::int64_t paused_at = count.load();
    child->go_on();
    EXPECT_TRUE(comes_true([&] { return count.load() > paused_at; }));
    child->kill();
    EXPECT_FALSE(child->ended());
}

}  // namespace
}  // namespace taskstore::os
