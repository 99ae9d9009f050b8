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

TEST(StopSignals, AreLookedForWithoutWaiting) {
    Child child([](Pipe& pipe) {
        auto signals = StopSignals::take();
        const bool early = signals->look().has_value();
        ::raise(SIGINT);
        pipe.send('y');
        const bool told = signals->look() == SIGINT && !signals->look();
        return !early && told ? 0 : 1;
    });
    ASSERT_EQ(child.pipe().receive(), 'y');
    EXPECT_EQ(child.wait(), 0);
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
