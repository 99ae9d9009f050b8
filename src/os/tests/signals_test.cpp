#include <taskstore/os/signals.hpp>
#include <taskstore/testing/child.hpp>

#include <gtest/gtest.h>

#include <thread>

namespace taskstore::os {
namespace {

TEST(StopSignals, AreToldInsteadOfEndingTheProcess) {
    Child child([](Pipe& pipe) {
        auto signals = StopSignals::take();
        pipe.send(signals ? 'y' : 'n');
        return signals->wait().value_or(0);
    });
    ASSERT_EQ(child.pipe().receive(), 'y');
    ::kill(child.pid(), SIGTERM);
    EXPECT_EQ(child.wait(), SIGTERM);
}

TEST(StopSignals, AnotherThreadEndsTheWait) {
    auto signals = StopSignals::take();
    ASSERT_TRUE(signals);
    const std::jthread other([&] { signals->wake(); });
    EXPECT_EQ(signals->wait(), std::nullopt);
}

TEST(StopSignals, EndTheProcessAgainAfterwards) {
    Child child([](Pipe& pipe) {
        {
            auto signals = StopSignals::take();
        }
        pipe.send('y');
        pipe.receive();
        return 0;
    });
    ASSERT_EQ(child.pipe().receive(), 'y');
    ::kill(child.pid(), SIGTERM);
    EXPECT_EQ(child.wait(), -1);
}

}  // namespace
}  // namespace taskstore::os
