// One holder at a time, among threads, handles and processes, whatever happens to the file.

#include <taskstore/os/fault_file_system.hpp>
#include <taskstore/os/lock.hpp>
#include <taskstore/testing/child.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <thread>
#include <vector>

namespace taskstore::os {
namespace {

using testing::HasSubstr;

TEST(FileLock, ExcludesThreadsOfOneLockAndOtherLocks) {
    const TemporaryFolder folder;
    SystemFileSystem files;
    FileLock shared(files, folder / "lock");
    std::atomic<int> inside{0};
    std::atomic<int> rounds{0};
    std::vector<std::thread> threads;
    threads.reserve(4);
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&, i] {
            FileLock own(files, folder / "lock");
            for (int round = 0; round < 25; ++round) {
                auto guard = i % 2 == 0 ? shared.acquire() : own.acquire_within(60'000);
                ASSERT_TRUE(guard) << guard.error().message;
                EXPECT_EQ(inside.fetch_add(1), 0);
                inside.fetch_sub(1);
                ++rounds;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(rounds, 100);
}

TEST(FileLock, KeepsItsPlaceWhileItTellsThatItWaits) {
    const TemporaryFolder folder;
    SystemFileSystem files;
    FileLock first(files, folder / "lock");
    FileLock second(files, folder / "lock");
    std::optional<FileLock::Guard> held(*first.acquire());
    std::vector<std::string> told;
    const auto got = second.acquire(
        {.limit_ms = 60'000, .tell_after_ms = 1, .tell = [&](const std::string& what) {
             told.push_back(what);
             held.reset();
         }});
    ASSERT_TRUE(got) << got.error().message;
    ASSERT_EQ(told.size(), 1U);
    EXPECT_THAT(told[0], HasSubstr("waiting for '" + (folder / "lock") + "'"));
    // Who waits in vain lets go of its place: the next one is not kept out by it.
    FileLock third(files, folder / "lock");
    for (int i = 0; i < 3; ++i) {
        const auto refused = third.acquire({.limit_ms = 5, .tell_after_ms = 1});
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Code::timed_out);
        EXPECT_THAT(refused.error().message, HasSubstr("within"));
    }
}

TEST(FileLock, AnAbandonedPlaceInTheQueueKeepsNobodyOut) {
    const TemporaryFolder folder;
    SystemFileSystem files;
    FileLock first(files, folder / "lock");
    FileLock second(files, folder / "lock");
    {
        const auto held = first.acquire();
        ASSERT_TRUE(held);
        ASSERT_FALSE(second.acquire({.limit_ms = 5}));
    }
    EXPECT_TRUE(second.acquire({.limit_ms = 60'000}));
    EXPECT_TRUE(first.acquire());
}

TEST(FileLock, GivesUpAtTheDeadlineAndNamesTheHolder) {
    const TemporaryFolder folder;
    SystemFileSystem files;
    FileLock first(files, folder / "lock");
    FileLock second(files, folder / "lock");
    std::optional<FileLock::Guard> held(*first.acquire());
    const auto refused = second.acquire_within(20);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::timed_out);
    EXPECT_THAT(refused.error().message, HasSubstr("within 20 ms"));
    const auto info = files.info(folder / "lock");
    if (lock_holder(info->identity)) {
        EXPECT_THAT(refused.error().message, HasSubstr(std::to_string(::getpid())));
    }
    const auto by_thread = first.acquire_within(0);
    ASSERT_FALSE(by_thread);
    EXPECT_THAT(by_thread.error().message, HasSubstr("another thread"));
    held.reset();
    EXPECT_TRUE(second.acquire_within(0));
    EXPECT_TRUE(first.acquire_within(0));
}

TEST(FileLock, ExcludesProcessesAndIsFreedWhenTheHolderIsKilled) {
    const TemporaryFolder folder;
    SystemFileSystem files;
    const std::string path = folder / "lock";
    Child holder([&](Pipe& pipe) {
        SystemFileSystem own_files;
        FileLock lock(own_files, path);
        const auto guard = lock.acquire();
        pipe.send(guard ? 'L' : 'E');
        pipe.receive();  // until killed
        return 0;
    });
    ASSERT_EQ(holder.pipe().receive(), 'L');
    FileLock lock(files, path);
    const auto refused = lock.acquire_within(10);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::timed_out);
    holder.kill();
    EXPECT_TRUE(lock.acquire_within(60'000));
}

TEST(FileLock, ContendingProcessesLoseNoIncrement) {
    const TemporaryFolder folder;
    const std::string path = folder / "lock";
    const std::string counter = folder / "counter";
    SystemFileSystem files;
    ASSERT_TRUE(replace_file(files, counter, "0"));
    constexpr int kRounds = 20;
    const auto count = [&](Pipe&) {
        SystemFileSystem own_files;
        FileLock lock(own_files, path);
        for (int round = 0; round < kRounds; ++round) {
            const auto guard = round % 2 == 0 ? lock.acquire() : lock.acquire_within(60'000);
            if (!guard) return 1;
            auto file = own_files.open(counter, OpenMode::read_write);
            std::string text(20, '\0');
            const std::size_t bytes = *(*file)->read_at(0, text.data(), text.size());
            text = std::to_string(std::stoi(text.substr(0, bytes)) + 1);
            if (!(*file)->write_at(0, text)) return 2;
        }
        return 0;
    };
    {
        Child a(count);
        Child b(count);
        Child c(count);
        EXPECT_EQ(a.wait(), 0);
        EXPECT_EQ(b.wait(), 0);
        EXPECT_EQ(c.wait(), 0);
    }
    EXPECT_EQ(*read_file(files, counter), std::to_string(3 * kRounds));
}

TEST(FileLock, QueuesAgainWhenTheFileWasReplacedWhileWaiting) {
    FaultFileSystem disk({.birth_times = false});
    disk.put_file("/lock", "");
    int attempts = 0;
    disk.set_hook([&](const CallRecord& record) {
        if (record.call != Call::lock && record.call != Call::try_lock) return;
        ++attempts;
        if (attempts == 1) disk.put_file("/lock", "");
        if (attempts == 2) {
            EXPECT_TRUE(disk.unlink("/lock"));
        }
    });
    FileLock lock(disk, "/lock");
    const auto guard = lock.acquire();
    ASSERT_TRUE(guard);
    EXPECT_EQ(attempts, 3);
    disk.set_hook({});
    FileLock other(disk, "/lock");
    EXPECT_FALSE(other.acquire_within(0)) << "it is the file at the path that is locked";
}

TEST(FileLock, TellsAReplacementThatGotTheSameInodeNumber) {
    FaultFileSystem disk({.reuse_inode_numbers = true});
    int attempts = 0;
    disk.set_hook([&](const CallRecord& record) {
        if (record.call == Call::lock && ++attempts == 1) disk.put_file("/lock", "");
    });
    FileLock lock(disk, "/lock");
    ASSERT_TRUE(lock.acquire());
    EXPECT_EQ(attempts, 2);
}

TEST(FileLock, IsUsableAfterAnErrorAndAfterAPowerCut) {
    FaultFileSystem disk;
    FileLock lock(disk, "/run/lock");
    const auto missing = lock.acquire();
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, Code::not_found);
    disk.put_directory("/run");
    std::optional<FileLock::Guard> held(*lock.acquire());
    disk.power_cut(PowerCut::drop_all());
    held.reset();
    EXPECT_TRUE(lock.acquire_within(0));
}

TEST(FileLock, MayBeReleasedByAnotherThread) {
    FaultFileSystem disk;
    FileLock lock(disk, "/lock");
    auto guard = lock.acquire();
    ASSERT_TRUE(guard);
    std::thread([held = std::move(*guard)]() mutable { const auto end = std::move(held); }).join();
    EXPECT_TRUE(lock.acquire_within(0));
}

}  // namespace
}  // namespace taskstore::os
