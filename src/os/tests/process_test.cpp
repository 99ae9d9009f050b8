// Which process is which, and whether it runs.

#include <taskstore/os/file_system.hpp>
#include <taskstore/os/process.hpp>
#include <taskstore/testing/child.hpp>

#include <gtest/gtest.h>

#include <sys/syscall.h>

#include <thread>

namespace taskstore::os {
namespace {

TEST(Process, KnowsItself) {
    const auto self = this_process();
    ASSERT_TRUE(self) << self.error().message;
    EXPECT_EQ(self->pid, ::getpid());
    EXPECT_GT(self->start_ticks, 0U);
    EXPECT_EQ(self->boot_id.size(), 36U);
    EXPECT_EQ(liveness_of(*self), Liveness::alive);
    EXPECT_EQ(*identify_process(::getpid()), *self);
}

TEST(Process, AnotherOneOfTheSamePidIsNotTheSame) {
    auto other = *this_process();
    other.start_ticks += 1;
    EXPECT_EQ(liveness_of(other), Liveness::dead);
}

TEST(Process, OfAnotherBootIsDeadAndOfAnotherNamespaceUnknown) {
    auto earlier = *this_process();
    earlier.boot_id = "00000000-0000-0000-0000-000000000000";
    EXPECT_EQ(liveness_of(earlier), Liveness::dead);
    auto elsewhere = *this_process();
    elsewhere.pid_namespace += 1;
    EXPECT_EQ(liveness_of(elsewhere), Liveness::unknown);
    const auto waited = wait_for_exit(elsewhere, 0);
    ASSERT_FALSE(waited);
    EXPECT_EQ(waited.error().code, Code::unsupported);
}

TEST(Process, IsAliveUntilItIsKilled) {
    Child child([](Pipe& pipe) {
        pipe.receive();
        return 0;
    });
    const auto identity = identify_process(child.pid());
    ASSERT_TRUE(identity);
    EXPECT_EQ(liveness_of(*identity), Liveness::alive);
    EXPECT_FALSE(*wait_for_exit(*identity, 0));
    EXPECT_FALSE(*wait_for_exit(*identity, 5));
    child.kill();
    EXPECT_EQ(liveness_of(*identity), Liveness::dead);
    EXPECT_TRUE(*wait_for_exit(*identity, 0));
    const auto gone = identify_process(identity->pid);
    ASSERT_FALSE(gone);
    EXPECT_EQ(gone.error().code, Code::not_found);
}

TEST(Process, AZombieIsDeadAndItsEndIsAwaited) {
    Child child([](Pipe& pipe) {
        pipe.receive();
        return 0;
    });
    const auto identity = identify_process(child.pid());
    ASSERT_TRUE(identity);
    std::jthread finisher([&] { child.pipe().send('x'); });
    EXPECT_TRUE(*wait_for_exit(*identity, std::nullopt));
    EXPECT_EQ(liveness_of(*identity), Liveness::dead) << "ended, though nobody has reaped it yet";
    finisher.join();
    EXPECT_EQ(child.wait(), 0);
}

TEST(Process, LivesOnWhenItsFirstThreadHasEnded) {
    Child child([](Pipe& pipe) {
        std::thread([&pipe] {
            pipe.receive();
            ::_exit(0);
        }).detach();
        ::syscall(SYS_exit, 0);
        return 0;
    });
    const auto identity = identify_process(child.pid());
    ASSERT_TRUE(identity);
    SystemFileSystem files;
    const auto first_ended = [&] {
        const auto text = read_file(files, "/proc/" + std::to_string(child.pid()) + "/stat", 4096);
        return text && text->find(") Z") != std::string::npos;
    };
    while (!first_ended()) std::this_thread::yield();
    EXPECT_EQ(liveness_of(*identity), Liveness::alive);
    EXPECT_FALSE(*wait_for_exit(*identity, 0));
    child.pipe().send('.');
    EXPECT_TRUE(*wait_for_exit(*identity, std::nullopt));
    EXPECT_EQ(liveness_of(*identity), Liveness::dead);
}

TEST(Process, TheMachineHasOneName) {
    EXPECT_EQ(machine_name(), machine_name());
    EXPECT_EQ(machine_name().empty(), !machine_id());
}

TEST(Process, UsersHaveTheNamesOfTheUserDatabase) {
    const auto root = name_of_user(0);
    ASSERT_TRUE(root) << root.error().message;
    EXPECT_EQ(*root, "root");
    EXPECT_EQ(name_of_user(3'999'999'999U).error().code, Code::not_found);
}

TEST(Process, MachineIdIsThirtyTwoDigitsOrAbsent) {
    const auto id = machine_id();
    if (id) {
        EXPECT_EQ(id->size(), 32U);
    } else {
        EXPECT_EQ(id.error().code, Code::not_found);
    }
}

TEST(ExitWatch, TellsWhichProcessesHaveEnded) {
    const auto waits = [](Pipe& pipe) {
        pipe.receive();
        return 0;
    };
    Child first(waits);
    Child second(waits);
    auto watch = ExitWatch::open();
    ASSERT_TRUE(watch);
    const ProcessIdentity one = *identify_process(first.pid());
    const ProcessIdentity two = *identify_process(second.pid());
    EXPECT_TRUE(*watch->add(one));
    EXPECT_TRUE(*watch->add(one));
    EXPECT_TRUE(*watch->add(two));
    EXPECT_TRUE(watch->ended().empty());
    first.kill();
    EXPECT_EQ(watch->ended(), std::vector{one});
    EXPECT_TRUE(watch->ended().empty());
    EXPECT_FALSE(*watch->add(one)) << "it is dead";
    second.kill();
    EXPECT_EQ(watch->ended(), std::vector{two});
}

TEST(ExitWatch, WatchesNobodyOfAnotherNamespace) {
    auto watch = ExitWatch::open();
    auto elsewhere = *this_process();
    elsewhere.pid_namespace += 1;
    EXPECT_FALSE(*watch->add(elsewhere));
}

}  // namespace
}  // namespace taskstore::os
