// The wake-up word between threads and processes.

#include <taskstore/os/file_system.hpp>
#include <taskstore/os/wake.hpp>
#include <taskstore/testing/child.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <stop_token>
#include <thread>

namespace taskstore::os {
namespace {

constexpr std::int64_t kLongMs = 60'000;

TEST(WakeWord, WakesAnotherProcess) {
    const TemporaryFolder folder;
    const std::string path = folder / "wake";
    auto word = WakeWord::open(path);
    ASSERT_TRUE(word) << word.error().message;
    Child child([&](Pipe& pipe) {
        auto own = WakeWord::open(path);
        if (!own) return 1;
        const std::uint64_t seen = own->value();
        pipe.send('r');
        return own->wait(seen, kLongMs) == WakeReason::changed ? 0 : 2;
    });
    ASSERT_EQ(child.pipe().receive(), 'r');
    word->wake();
    EXPECT_EQ(child.wait(), 0);
}

TEST(WakeWord, AnswersToAndFroBetweenProcesses) {
    auto to = WakeWord::in_process();
    auto fro = WakeWord::in_process();
    ASSERT_TRUE(to && fro);
    constexpr int kRounds = 200;
    const auto to_start = to->value();
    Child child([&](Pipe&) {
        std::uint64_t seen = to_start;
        for (int round = 0; round < kRounds; ++round) {
            if (to->wait(seen, kLongMs) != WakeReason::changed) return 1;
            seen = to->value();
            fro->wake();
        }
        return 0;
    });
    std::uint64_t seen = fro->value();
    for (int round = 0; round < kRounds; ++round) {
        to->wake();
        ASSERT_EQ(fro->wait(seen, kLongMs), WakeReason::changed) << "round " << round;
        seen = fro->value();
    }
    EXPECT_EQ(child.wait(), 0);
}

TEST(WakeWord, AChangeBeforeTheWaitIsNotMissed) {
    auto word = WakeWord::in_process();
    ASSERT_TRUE(word);
    const auto seen = word->value();
    word->wake();
    EXPECT_NE(word->value(), seen);
    EXPECT_EQ(word->wait(seen, std::nullopt), WakeReason::changed);
}

TEST(WakeWord, WakesAllWaiters) {
    auto word = WakeWord::in_process();
    ASSERT_TRUE(word);
    const auto seen = word->value();
    std::vector<std::jthread> waiters;
    for (int i = 0; i < 4; ++i) {
        waiters.emplace_back(
            [&] { EXPECT_EQ(word->wait(seen, std::nullopt), WakeReason::changed); });
    }
    word->wake();
}

TEST(WakeWord, GivesUpWhenTheTimeIsOver) {
    auto word = WakeWord::in_process();
    ASSERT_TRUE(word);
    const auto begin = std::chrono::steady_clock::now();
    EXPECT_EQ(word->wait(word->value(), 15), WakeReason::timed_out);
    EXPECT_GE(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(15));
    EXPECT_EQ(word->wait(word->value(), 0), WakeReason::timed_out);
    EXPECT_EQ(word->wait(word->value(), -5), WakeReason::timed_out);
}

TEST(WakeWord, ACancelledWaitReturns) {
    auto word = WakeWord::in_process();
    ASSERT_TRUE(word);
    const auto begin = std::chrono::steady_clock::now();
    for (int round = 0; round < 30; ++round) {
        std::stop_source stop;
        std::jthread canceller([&] { stop.request_stop(); });
        const auto seen = word->value();
        EXPECT_EQ(word->wait(seen, std::nullopt, stop.get_token()), WakeReason::cancelled);
        EXPECT_EQ(word->wait(seen, std::nullopt, stop.get_token()), WakeReason::cancelled);
    }
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::milliseconds(1'900))
        << "woken by the cancellation, not by looking again";
}

TEST(WakeWord, GoesOnWorkingAfterTheFileIsDeleted) {
    const TemporaryFolder folder;
    const std::string path = folder / "wake";
    SystemFileSystem files;
    auto waker = WakeWord::open(path);
    const auto waiter = WakeWord::open(path);
    ASSERT_TRUE(waker && waiter);
    const auto seen = waiter->value();
    ASSERT_TRUE(files.unlink(path));
    waker->wake();
    EXPECT_NE(waiter->value(), seen);
    EXPECT_EQ(waiter->wait(seen, kLongMs), WakeReason::changed) << "both still have the old file";
    const auto newcomer = WakeWord::open(path);
    ASSERT_TRUE(newcomer);
    const auto seen_by_newcomer = newcomer->value();
    waker->wake();
    EXPECT_EQ(newcomer->wait(seen_by_newcomer, kLongMs), WakeReason::changed)
        << "the waker has followed to the new file";
}

TEST(WakeWord, AWaiterFollowsAReplacedFile) {
    const TemporaryFolder folder;
    const std::string path = folder / "wake";
    SystemFileSystem files;
    const auto waiter = WakeWord::open(path);
    ASSERT_TRUE(waiter);
    ASSERT_TRUE(files.unlink(path));
    auto waker = WakeWord::open(path);
    ASSERT_TRUE(waker);
    EXPECT_EQ(waiter->wait(waiter->value(), kLongMs), WakeReason::changed);
    const auto seen = waiter->value();
    waker->wake();
    EXPECT_EQ(waiter->wait(seen, kLongMs), WakeReason::changed);
}

TEST(WakeWord, RefusesWhatIsNoFileOrCannotBeMade) {
    const TemporaryFolder folder;
    EXPECT_FALSE(WakeWord::open(folder.path()));
    const auto missing = WakeWord::open(folder / "no/wake");
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, Code::not_found);
}

}  // namespace
}  // namespace taskstore::os
