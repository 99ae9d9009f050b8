// A command under a guard: what it gets, and that nothing of it outlives its worker.

#include <taskstore/base/clock.hpp>
#include <taskstore/os/file_system.hpp>
#include <taskstore/os/guard.hpp>
#include <taskstore/os/process.hpp>
#include <taskstore/os/watch.hpp>
#include <taskstore/testing/child.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <gtest/gtest.h>

#include <csignal>
#include <sstream>

namespace taskstore::os {
namespace {

constexpr std::int64_t kLongMs = 60'000;

class GuardTest : public testing::Test {
  protected:
    std::string text(const std::string& name) {
        auto read = read_file(x_files, x_folder / name);
        return read ? *read : "";
    }
    /// Waits for the file to hold `lines` lines.
    std::vector<std::int64_t> pids_in(const std::string& name, std::size_t lines) {
        std::vector<std::int64_t> pids;
        while (pids.size() < lines) {
            pids.clear();
            std::istringstream words(text(name));
            for (std::int64_t pid = 0; words >> pid;) pids.push_back(pid);
            if (pids.size() < lines) {
                EXPECT_TRUE(x_watch.wait(kLongMs));
            }
        }
        return pids;
    }
    void wait_until_free() {
        while (*lock_state(x_lock) != LockState::free) EXPECT_TRUE(x_watch.wait(1'000));
    }
    Guard started() {
        auto guard = Guard::start(x_lock);
        EXPECT_TRUE(guard) << (guard ? "" : guard.error().message);
        return std::move(*guard);
    }
    GuardedCommand shell(const std::string& script) {
        return {.arguments = {"sh", "-c", script}, .folder = x_folder.path(), .log_path = x_log};
    }
    CommandEnd end_of(Guard& guard) {
        const auto end = guard.wait(kLongMs);
        EXPECT_TRUE(end) << (end ? "" : end.error().message);
        EXPECT_TRUE(*end);
        return **end;
    }

    TemporaryFolder x_folder;
    SystemFileSystem x_files;
    const std::string x_lock = x_folder / "live";
    const std::string x_log = x_folder / "log";
    FolderWatch x_watch = std::move(*FolderWatch::open(x_files, x_folder.path()));
};

/// What leaves its group and its session, and what only stays behind.
constexpr const char* kScatters =
    "sleep 1000 & echo $! > a; setsid sleep 1000 & "
    "(setsid sh -c 'echo $$ > b; mv b c; sleep 1000' &) ; echo $$ > d; mv a e; wait";

TEST_F(GuardTest, ACommandGetsWhatItIsGivenAndItsEndIsTold) {
    Guard guard = started();
    EXPECT_EQ(*lock_state(x_lock), LockState::held);
    GuardedCommand command = shell("pwd; cat; echo \"$GIVEN $TASKSTORE_TASK_LOCK\" >&2; exit 7");
    command.environment = {{"GIVEN", "word"}};
    command.input = "what it reads\n";
    ASSERT_TRUE(guard.run(command));
    EXPECT_EQ(end_of(guard), (CommandEnd{7, 0}));
    EXPECT_EQ(text("log"), x_folder.path() + "\nwhat it reads\nword live\n");
    EXPECT_EQ(*lock_state(x_lock), LockState::held);
    guard.dismiss();
    EXPECT_EQ(*lock_state(x_lock), LockState::absent);
}

TEST_F(GuardTest, AMegabyteOfInputIsReadOrNot) {
    const std::string input(std::size_t{5} << 20U, 'x');
    for (const char* script : {"wc -c", "echo 0"}) {
        Guard guard = started();
        GuardedCommand command = shell(script);
        command.input = input;
        ASSERT_TRUE(guard.run(command));
        EXPECT_EQ(end_of(guard).exit_code, 0);
    }
    EXPECT_EQ(text("log"), "5242880\n0\n");
}

TEST_F(GuardTest, WithoutAWorkersWordTheFileStaysAndIsFree) {
    {
        const Guard guard = started();
    }
    EXPECT_EQ(*lock_state(x_lock), LockState::free);
    EXPECT_TRUE(*remove_free_lock(x_lock));
    EXPECT_EQ(*lock_state(x_lock), LockState::absent);
    EXPECT_FALSE(*remove_free_lock(x_lock));
}

TEST_F(GuardTest, ALockThatIsHeldIsNotRemoved) {
    const Guard guard = started();
    EXPECT_FALSE(*remove_free_lock(x_lock));
    EXPECT_EQ(*lock_state(x_lock), LockState::held);
}

TEST_F(GuardTest, WhenTheWorkerDiesTheLockIsFreeOnlyAfterAllOfTheCommandIsGone) {
    Child worker([&](Pipe& pipe) {
        auto guard = Guard::start(x_lock);
        const bool runs = guard && guard->run(shell(kScatters));
        pipe.send(runs ? 'y' : 'n');
        pipe.receive();
        return 0;
    });
    ASSERT_EQ(worker.pipe().receive(), 'y');
    std::vector<std::int64_t> pids;
    for (const char* name : {"c", "d", "e"}) pids.push_back(pids_in(name, 1)[0]);
    EXPECT_EQ(*lock_state(x_lock), LockState::held);
    worker.kill();
    wait_until_free();
    for (const std::int64_t pid : pids) EXPECT_NE(::kill(static_cast<pid_t>(pid), 0), 0) << pid;
    EXPECT_EQ(*end_marked("TASKSTORE_TASK_LOCK=live"), 0);
}

TEST_F(GuardTest, AWorkerThatIsStoppedKeepsItsCommand) {
    Child worker([&](Pipe& pipe) {
        auto guard = Guard::start(x_lock);
        pipe.send(guard && guard->run(shell("echo $$ > a; mv a b; sleep 1000")) ? 'y' : 'n');
        pipe.receive();
        return 0;
    });
    ASSERT_EQ(worker.pipe().receive(), 'y');
    const auto pid = static_cast<pid_t>(pids_in("b", 1)[0]);
    ::kill(worker.pid(), SIGSTOP);
    int status = 0;
    ASSERT_EQ(::waitpid(worker.pid(), &status, WUNTRACED), worker.pid());
    EXPECT_EQ(*lock_state(x_lock), LockState::held);
    EXPECT_EQ(::kill(pid, 0), 0);
    ::kill(worker.pid(), SIGCONT);
    EXPECT_EQ(*lock_state(x_lock), LockState::held);
}

TEST_F(GuardTest, ACommandEndsAtItsEndAlsoWhereItsWorkerIsStopped) {
    Child worker([&](Pipe& pipe) {
        auto guard = Guard::start(x_lock);
        const bool runs = guard && guard->run(shell(kScatters));
        pipe.send(runs ? 'y' : 'n');
        pipe.receive();
        guard->end_at(1, GuardClock::running);
        ::kill(::getpid(), SIGSTOP);
        const auto end = guard->wait(kLongMs);
        pipe.send(end && *end && (*end)->lapsed && (*end)->signal == SIGKILL ? 'y' : 'n');
        return 0;
    });
    ASSERT_EQ(worker.pipe().receive(), 'y');
    std::vector<ProcessIdentity> processes;
    for (const char* name : {"c", "d", "e"})
        processes.push_back(*identify_process(pids_in(name, 1)[0]));
    worker.pipe().send('.');
    int status = 0;
    ASSERT_EQ(::waitpid(worker.pid(), &status, WUNTRACED), worker.pid());
    for (const auto& process : processes) EXPECT_TRUE(*wait_for_exit(process, kLongMs));
    EXPECT_EQ(*lock_state(x_lock), LockState::held);
    ::kill(worker.pid(), SIGCONT);
    EXPECT_EQ(worker.pipe().receive(), 'y');
}

TEST_F(GuardTest, ALaterEndTakesThePlaceOfAnEarlierOne) {
    const SystemClock clock;
    Guard guard = started();
    guard.end_at(clock.boot_ns() + kLongMs * 1'000'000, GuardClock::boot);
    ASSERT_TRUE(guard.run(shell("echo $$ > a; mv a b; while [ ! -e go ]; do sleep 0.01; done")));
    pids_in("b", 1);
    // Both are there to be read when it goes on.
    ::kill(static_cast<pid_t>(guard.pid()), SIGSTOP);
    guard.end_at(clock.boot_ns() + 2 * kLongMs * 1'000'000, GuardClock::boot);
    ASSERT_TRUE(replace_file(x_files, x_folder / "go", ""));
    EXPECT_EQ(end_of(guard), (CommandEnd{0, 0}));
    Guard late = std::move(*Guard::start(x_folder / "late"));
    late.end_at(1, GuardClock::boot);
    const Status begun = late.run(shell("touch begun"));
    ASSERT_FALSE(begun);
    EXPECT_EQ(begun.error().code, Code::timed_out);
    EXPECT_FALSE(x_files.info(x_folder / "begun"));
}

TEST_F(GuardTest, WhatAStoppedGuardKeepsIsEndedInItsPlace) {
    Guard guard = started();
    ASSERT_TRUE(guard.run(
        shell("env -i sh -c 'echo $$ > f; mv f g; sleep 1000' & " + std::string(kScatters))));
    std::vector<ProcessIdentity> processes;
    for (const char* name : {"c", "d", "e", "g"})
        processes.push_back(*identify_process(pids_in(name, 1)[0]));
    ::kill(static_cast<pid_t>(guard.pid()), SIGSTOP);
    const Status ended = end_guarded(x_lock, kLongMs);
    ASSERT_TRUE(ended) << ended.error().message;
    for (const auto& process : processes) EXPECT_EQ(liveness_of(process), Liveness::dead);
    EXPECT_EQ(*lock_state(x_lock), LockState::held);
    EXPECT_TRUE(end_guarded(x_folder / "nothing", 0));
    guard.kill();
    EXPECT_EQ(end_of(guard).signal, SIGKILL);
}

TEST_F(GuardTest, AGuardThatIsKilledTakesItsCommandWithIt) {
    Guard guard = started();
    ASSERT_TRUE(guard.run(shell(kScatters)));
    std::vector<std::int64_t> pids;
    for (const char* name : {"c", "d", "e"}) pids.push_back(pids_in(name, 1)[0]);
    ::kill(static_cast<pid_t>(guard.pid()), SIGKILL);
    const auto end = guard.wait(kLongMs);
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().code, Code::failed);
    EXPECT_EQ(*lock_state(x_lock), LockState::free);
    for (const std::int64_t pid : pids) {
        const auto identity = identify_process(pid);
        if (identity) {
            EXPECT_TRUE(*wait_for_exit(*identity, kLongMs)) << pid;
        }
    }
}

TEST_F(GuardTest, NoChildOfTheWorkerSharesTheLock) {
    Guard guard = started();
    Child other([](Pipe& pipe) {
        pipe.receive();
        return 0;
    });
    ASSERT_TRUE(guard.run(shell("sleep 1000")));
    ::kill(static_cast<pid_t>(guard.pid()), SIGKILL);
    EXPECT_FALSE(guard.wait(kLongMs));
    EXPECT_EQ(*lock_state(x_lock), LockState::free);
}

TEST_F(GuardTest, WhatACommandLeavesBehindEndsWithIt) {
    Guard guard = started();
    ASSERT_TRUE(guard.run(shell("sleep 1000 & setsid sleep 1000 & (setsid sleep 1000 &); exit 3")));
    EXPECT_EQ(end_of(guard).exit_code, 3);
    EXPECT_EQ(*end_marked("TASKSTORE_TASK_LOCK=live"), 0);
}

TEST_F(GuardTest, TermReachesTheWholeGroupAndKillAll) {
    Guard guard = started();
    ASSERT_TRUE(
        guard.run(shell("trap 'echo told; exit 4' TERM; echo $$ > a; mv a b; "
                        "while :; do sleep 0.01; done")));
    pids_in("b", 1);
    guard.terminate();
    EXPECT_EQ(end_of(guard), (CommandEnd{4, 0}));
    EXPECT_TRUE(text("log").ends_with("told\n")) << text("log");

    Guard deaf = [&] {
        auto next = Guard::start(x_folder / "other");
        EXPECT_TRUE(next);
        return std::move(*next);
    }();
    ASSERT_TRUE(deaf.run(shell("trap '' TERM; echo $$ > c; mv c d; while :; do sleep 1000; done")));
    pids_in("d", 1);
    deaf.terminate();
    deaf.kill();
    EXPECT_EQ(end_of(deaf), (CommandEnd{137, SIGKILL}));
}

TEST_F(GuardTest, AGuardThatWasStoppedHearsItsWorker) {
    Guard guard = started();
    ASSERT_TRUE(guard.run(shell("sleep 1000")));
    ::kill(static_cast<pid_t>(guard.pid()), SIGSTOP);
    guard.kill();
    EXPECT_EQ(end_of(guard).signal, SIGKILL);
}

TEST_F(GuardTest, SignalsButKillDoNotEndTheGuard) {
    Guard guard = started();
    for (const int number : {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGPIPE})
        ::kill(static_cast<pid_t>(guard.pid()), number);
    ASSERT_TRUE(guard.run(shell("exit 0")));
    EXPECT_EQ(end_of(guard).exit_code, 0);
}

TEST_F(GuardTest, AWaitEndsByTimeAndByAnotherThread) {
    Guard guard = started();
    ASSERT_TRUE(guard.run(shell("sleep 1000")));
    EXPECT_FALSE(*guard.wait(0));
    guard.wake();
    EXPECT_FALSE(*guard.wait(std::nullopt));
}

TEST_F(GuardTest, WhatCannotRunIsToldAsWhatItIs) {
    const auto code = [&](GuardedCommand command) {
        Guard guard = started();
        const Status status = guard.run(command);
        EXPECT_FALSE(status);
        return status ? Code::failed : status.error().code;
    };
    EXPECT_EQ(code({.arguments = {"no-such-program-anywhere"}}), Code::not_found);
    EXPECT_EQ(code({.arguments = {x_folder / "nothing"}}), Code::not_found);
    EXPECT_EQ(code({.arguments = {x_folder.path()}}), Code::denied);
    EXPECT_EQ(code({.arguments = {"true"}, .folder = x_folder / "nowhere"}), Code::not_found);
    EXPECT_EQ(code({.arguments = {}}), Code::invalid);
    const auto guard = Guard::start(x_folder / "no/such/folder/live");
    ASSERT_FALSE(guard);
    EXPECT_EQ(guard.error().code, Code::not_found);
}

TEST_F(GuardTest, AGuardWaitsForWhoeverHasTheLock) {
    Guard first = started();
    Child second([&](Pipe& pipe) {
        const auto guard = Guard::start(x_lock);
        pipe.send(guard ? 'y' : 'n');
        return 0;
    });
    first.dismiss();
    EXPECT_EQ(second.pipe().receive(), 'y');
}

TEST(EndMarked, FindsNothingWhereThereIsNothing) {
    EXPECT_EQ(*end_marked("TASKSTORE_TASK_LOCK=of-nobody"), 0);
}

}  // namespace
}  // namespace taskstore::os
