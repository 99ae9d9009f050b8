// Isolated commands: what they cannot do, and that nothing of them outlives guard or worker. Where
// this system refuses a part, the tests see that it is told, and that what is left of the promise
// holds.

#include <taskstore/os/file_system.hpp>
#include <taskstore/os/guard.hpp>
#include <taskstore/os/process.hpp>
#include <taskstore/os/watch.hpp>
#include <taskstore/testing/child.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sched.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <iostream>

namespace taskstore::os {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t kLongMs = 60'000;
const std::vector<IsolationPart> kAll(kIsolationParts.begin(), kIsolationParts.end());

bool among(const std::vector<IsolationPart>& parts, IsolationPart part) {
    return std::ranges::find(parts, part) != parts.end();
}

class IsolationTest : public testing::Test {
  protected:
    IsolationTest() {
        auto trial = try_isolation(kAll);
        if (trial) x_trial = std::move(*trial);
        EXPECT_TRUE(trial) << (trial ? "" : trial.error().message);
    }
    bool got(IsolationPart part) const { return among(x_trial.got, part); }
    /// Then there is nothing to be seen of it, but that it was told.
    bool is_refused(IsolationPart part) const {
        EXPECT_NE(got(part), std::ranges::find(x_trial.refused, part, &RefusedPart::part) !=
                                 x_trial.refused.end());
        return !got(part);
    }
    std::string text(const std::string& name) {
        auto read = read_file(x_files, x_folder / name);
        return read ? *read : "";
    }
    Guard started() {
        auto guard = Guard::start(x_lock);
        EXPECT_TRUE(guard) << (guard ? "" : guard.error().message);
        return std::move(*guard);
    }
    GuardedCommand shell(const std::string& script) {
        return {.arguments = {"sh", "-c", script},
                .folder = x_folder / "own",
                .environment_kept = std::vector<std::string>{"PATH"},
                .environment = {{"TMPDIR", x_folder / "own/tmp"}},
                .log_path = x_folder / "log",
                .isolation = Isolation{.parts = x_trial.got,
                                       .writable = {x_folder / "own"},
                                       .tmp = x_folder / "own/tmp",
                                       .limits = {}}};
    }
    CommandEnd end_of(Guard& guard) {
        const auto end = guard.wait(std::nullopt);
        EXPECT_TRUE(end) << (end ? "" : end.error().message);
        EXPECT_TRUE(*end);
        return **end;
    }
    /// What it printed.
    std::string run(const GuardedCommand& command) {
        static_cast<void>(x_files.unlink(x_folder / "log").has_value());
        Guard guard = started();
        const Status begun = guard.run(command);
        EXPECT_TRUE(begun) << (begun ? "" : begun.error().message);
        if (!begun) return {};
        EXPECT_EQ(end_of(guard), (CommandEnd{0, 0})) << text("log");
        guard.dismiss();
        return text("log");
    }
    std::string run(const std::string& script) { return run(shell(script)); }
    void wait_for_file(const std::string& name) {
        while (!x_files.info(x_folder / name)) {
            ASSERT_TRUE(x_watch.wait(kLongMs));
        }
    }
    void wait_until_free() {
        while (*lock_state(x_lock) != LockState::free) EXPECT_TRUE(x_folder_watch.wait(1'000));
    }
    /// Of each that was started with this word in its command line.
    std::vector<pid_t> marked(const std::string& word) {
        std::vector<pid_t> found;
        const auto names = x_files.list("/proc");
        for (const std::string& name : *names) {
            if (name.find_first_not_of("0123456789") != std::string::npos) continue;
            auto line = read_file(x_files, "/proc/" + name + "/cmdline");
            if (line && line->find(word) != std::string::npos) found.push_back(std::stoi(name));
        }
        return found;
    }

    TemporaryFolder x_folder;
    SystemFileSystem x_files;
    const std::string x_lock = x_folder / "live";
    IsolationTrial x_trial;
    const bool x_made = make_directories(x_files, x_folder / "own", 0700) &&
                        x_files.make_directory(x_folder / "own/tmp", 0700);
    FolderWatch x_folder_watch = std::move(*FolderWatch::open(x_files, x_folder.path()));
    FolderWatch x_watch = std::move(*FolderWatch::open(x_files, x_folder / "own"));
};

TEST_F(IsolationTest, EachPartIsGotOrRefusedWithTheReason) {
    for (const IsolationPart part : kAll) {
        const auto refused = std::ranges::find(x_trial.refused, part, &RefusedPart::part);
        EXPECT_NE(got(part), refused != x_trial.refused.end()) << name_of(part);
        if (refused != x_trial.refused.end()) {
            EXPECT_THAT(refused->reason, testing::Not(testing::IsEmpty()));
            std::cout << "refused here: " << name_of(part) << ": " << refused->reason << '\n';
        }
    }
    const auto none = try_isolation({});
    ASSERT_TRUE(none);
    EXPECT_TRUE(none->got.empty() && none->refused.empty());
}

/// In a user namespace whose owner allows no others.
TEST_F(IsolationTest, WhatTheSystemRefusesIsToldAndTheCommandRunsWithTheRest) {
    if (!got(IsolationPart::user)) {
        // Then that is what this system does by itself.
        EXPECT_FALSE(x_trial.refused.empty());
        EXPECT_EQ(run("echo ran"), "ran\n");
        return;
    }
    Child child([&](Pipe& pipe) {
        if (::unshare(CLONE_NEWUSER) != 0) return 2;
        for (const char* name : {"user", "pid", "net"}) {
            const std::string path = std::string("/proc/sys/user/max_") + name + "_namespaces";
            const int fd = ::open(path.c_str(), O_WRONLY);
            if (fd < 0 || ::write(fd, "0", 1) != 1) return 3;
            ::close(fd);
        }
        const auto trial = try_isolation(kAll);
        if (!trial) return 4;
        for (const auto part : {IsolationPart::user, IsolationPart::pid, IsolationPart::network}) {
            if (among(trial->got, part)) return 5;
            const auto told = std::ranges::find(trial->refused, part, &RefusedPart::part);
            if (told == trial->refused.end() ||
                told->reason.find("No space left") == std::string::npos)
                return 6;
        }
        GuardedCommand command = shell("echo ran; touch " + x_folder.path() + "/outside");
        command.isolation->parts = trial->got;
        auto guard = Guard::start(x_lock);
        if (!guard || !guard->run(command)) return 7;
        const auto end = guard->wait(kLongMs);
        if (!end || !*end) return 8;
        // One part more than there is: nothing runs.
        command.isolation->parts = kAll;
        auto other = Guard::start(x_folder / "other");
        const Status refused = other ? other->run(command) : Status();
        pipe.send(refused ? 'y' : 'n');
        return !refused && refused.error().message.find("make the namespace") != std::string::npos
                   ? 0
                   : 9;
    });
    EXPECT_EQ(child.pipe().receive(), 'n');
    EXPECT_EQ(child.wait(), 0);
    EXPECT_THAT(text("log"), testing::StartsWith("ran\n"));
}

TEST_F(IsolationTest, ItsEnvironmentIsWhatIsKeptAndGiven) {
    ::setenv("PGPASSWORD", "hush", 1);
    ::setenv("LC_NAMED", "x", 1);
    GuardedCommand command = shell("env | sort");
    command.environment_kept = {"PATH", "LC_*"};
    const std::string seen = run(command);
    EXPECT_THAT(seen, Not(HasSubstr("hush")));
    EXPECT_THAT(seen, HasSubstr("LC_NAMED=x\n"));
    EXPECT_THAT(seen, HasSubstr("TMPDIR="));
    // Nor by way of those above it: of guard, worker and the first process.
    if (got(IsolationPart::user) || got(IsolationPart::pid)) {
        EXPECT_THAT(run("cat /proc/[0-9]*/environ 2>/dev/null | tr '\\0' '\\n'; true"),
                    Not(HasSubstr("hush")));
    }
    ::unsetenv("PGPASSWORD");
    ::unsetenv("LC_NAMED");
}

TEST_F(IsolationTest, ItHasNoPrivilegesNoForeignDescriptorsAndItsLimits) {
    const int kept = ::open("/dev/null", O_RDONLY);  // NOLINT: without O_CLOEXEC
    GuardedCommand command = shell(
        "grep -E '^(NoNewPrivs|CapEff|CapBnd|CapPrm|CapAmb)' /proc/self/status; ls /proc/self/fd "
        "| wc -l; ulimit -c; ulimit -n; ulimit -d; ulimit -t");
    command.isolation->limits = {
        .memory_bytes = std::int64_t{1} << 30, .cpu_seconds = 77, .files = 64, .processes = {}};
    const std::string seen = run(command);
    ::close(kept);
    EXPECT_THAT(seen, HasSubstr("NoNewPrivs:\t1\n"));
    EXPECT_THAT(seen, HasSubstr("CapEff:\t0000000000000000\n"));
    EXPECT_THAT(seen, HasSubstr("CapPrm:\t0000000000000000\n"));
    if (::geteuid() == 0 || got(IsolationPart::user)) {
        EXPECT_THAT(seen, HasSubstr("CapBnd:\t0000000000000000\n"));
    }
    EXPECT_THAT(seen, testing::EndsWith("\n4\n0\n64\n1048576\n77\n")) << "the fourth is ls's own";
}

TEST_F(IsolationTest, ALimitThatIsReachedEndsWhatReachesIt) {
    GuardedCommand command = shell("while :; do :; done");
    command.isolation->limits.cpu_seconds = 1;
    Guard guard = started();
    ASSERT_TRUE(guard.run(command));
    EXPECT_EQ(end_of(guard).signal, SIGXCPU);
    guard.dismiss();
    command = shell("dd if=/dev/zero of=/dev/null bs=200M count=1 2>/dev/null && echo got");
    command.isolation->limits = {
        .memory_bytes = 50'000'000, .cpu_seconds = {}, .files = {}, .processes = {}};
    Guard other = std::move(*Guard::start(x_folder / "other"));
    ASSERT_TRUE(other.run(command));
    EXPECT_NE(end_of(other).exit_code, 0);
    EXPECT_THAT(text("log"), Not(HasSubstr("got")));
}

TEST_F(IsolationTest, WithItsOwnMountsItWritesToItsFolderAlone) {
    const std::string seen =
        run("echo a > in && echo in; echo b 2>/dev/null > " + x_folder.path() +
            "/outside || echo out; echo c > \"$TMPDIR/t\" && echo tmp; echo d > /dev/null && echo "
            "null; echo e > /dev/shm/taskstore_test.$$ && echo shm");
    EXPECT_EQ(text("own/in"), "a\n");
    EXPECT_EQ(text("own/tmp/t"), "c\n");
    if (got(IsolationPart::mount)) {
        EXPECT_EQ(seen, "in\nout\ntmp\nnull\nshm\n");
        EXPECT_FALSE(x_files.info(x_folder / "outside"));
    }
    const auto shared = x_files.list("/dev/shm");
    for (const std::string& name : *shared) {
        EXPECT_FALSE(got(IsolationPart::mount) && name.starts_with("taskstore_test.")) << name;
    }
}

TEST_F(IsolationTest, AReadOnlyFolderInAWritableOneStaysSo) {
    if (is_refused(IsolationPart::mount)) return;
    Child child([&](Pipe&) {
        // As root, or in a namespace in which we are.
        if (::geteuid() != 0 && ::unshare(CLONE_NEWUSER) != 0) return 0;
        const std::string folder = x_folder / "own/fixed";
        if (::unshare(CLONE_NEWNS) != 0 || !x_files.make_directory(folder, 0700)) return 2;
        const std::string script = "mount --make-rprivate / && mount -t tmpfs none " + folder +
                                   " && mount -o remount,ro,bind " + folder;
        if (std::system(script.c_str()) != 0) return 3;
        const auto trial = try_isolation(kAll);
        GuardedCommand command = shell("! echo x > fixed/f && echo y > f");
        command.isolation->parts = trial->got;
        command.isolation->writable.push_back(folder);
        auto guard = Guard::start(x_lock);
        if (!guard || !guard->run(command)) return 4;
        const auto end = guard->wait(kLongMs);
        return end && *end && (*end)->exit_code == 0 ? 0 : 5;
    });
    EXPECT_EQ(child.wait(), 0) << text("log");
}

TEST_F(IsolationTest, ASharedTmpIsNotSeenUnlessTheCommandLivesThere) {
    if (is_refused(IsolationPart::mount)) return;
    EXPECT_TRUE(lies_in_tmp("/tmp") && lies_in_tmp("/var/tmp/x") && !lies_in_tmp("/tmpx"));
    std::string own;
    const char* const home = std::getenv("HOME");
    for (const std::string& parent :
         {std::filesystem::current_path().string(), std::string(home == nullptr ? "/" : home),
          std::string("/run"), std::string("/opt")}) {
        const std::string path = parent + "/taskstore-isolation-" + std::to_string(::getpid());
        if (own.empty() && !lies_in_tmp(path) && x_files.make_directory(path, 0700)) own = path;
    }
    ASSERT_FALSE(own.empty()) << "no folder outside of /tmp may be written to";
    ASSERT_TRUE(x_files.make_directory(own + "/tmp", 0700));
    GuardedCommand command = shell("echo x > /tmp/f && echo y > /var/tmp/g && ls /tmp");
    command.folder = own;
    command.environment = {};
    command.isolation->writable = {own};
    command.isolation->tmp = own + "/tmp";
    EXPECT_EQ(run(command), "f\ng\n");
    std::filesystem::remove_all(own);
}

TEST_F(IsolationTest, WithItsOwnProcessesItSeesNoOthers) {
    if (is_refused(IsolationPart::pid)) return;
    EXPECT_EQ(run("echo /proc/[0-9]*; kill -0 " + std::to_string(::getpid()) +
                  " 2>/dev/null || echo alone"),
              "/proc/1 /proc/2\nalone\n");
    EXPECT_EQ(run("kill -TERM 1; kill -KILL 1; kill -TERM 1; echo on"), "on\n");
}

TEST_F(IsolationTest, WithItsOwnNetworkThereIsOnlyALoopback) {
    if (is_refused(IsolationPart::network)) return;
    EXPECT_EQ(run("tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '"), "lo\n");
}

TEST_F(IsolationTest, ItsEndIsToldAsItWas) {
    for (const auto& [script, end] : {std::pair("exit 7", CommandEnd{7, 0}),
                                      std::pair("kill -SEGV $$", CommandEnd{139, SIGSEGV}),
                                      std::pair("sleep 1000 & exit 0", CommandEnd{0, 0})}) {
        Guard guard = started();
        ASSERT_TRUE(guard.run(shell(script)));
        EXPECT_EQ(end_of(guard), end) << script;
        guard.dismiss();
    }
    Guard guard = started();
    GuardedCommand command = shell("");
    command.arguments = {x_folder / "nothing"};
    const Status status = guard.run(command);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, Code::not_found);
}

/// Leaves its group and session, its parents and its environment.
std::string scatters(const std::string& word) {
    return "env -i /bin/sh -c 'setsid sleep 10" + word + " & setsid sh -c \"sleep 10" + word +
           " & sleep 10" + word + "\" & sleep 10" + word + "' & sleep 10" + word +
           " & echo > .f; mv .f f; sleep 10" + word + "; sleep 1000";
}

TEST_F(IsolationTest, WhenWorkerOrGuardIsKilledAllOfItGoes) {
    const std::string word = std::to_string(::getpid());
    for (const bool kills_guard : {false, true}) {
        static_cast<void>(x_files.unlink(x_folder / "own/f").has_value());
        Child worker([&](Pipe& pipe) {
            auto guard = Guard::start(x_lock);
            const bool runs = guard && guard->run(shell(scatters(word)));
            pipe.send(runs ? 'y' : 'n');
            if (kills_guard && runs) ::kill(static_cast<pid_t>(guard->pid()), SIGKILL);
            if (kills_guard) ::kill(::getpid(), SIGKILL);
            pipe.receive();
            return 0;
        });
        ASSERT_EQ(worker.pipe().receive(), 'y');
        if (!kills_guard) {
            wait_for_file("own/f");
            EXPECT_EQ(*lock_state(x_lock), LockState::held);
            worker.kill();
            wait_until_free();
            EXPECT_THAT(marked("10" + word), testing::IsEmpty()) << "the lock came first";
        } else if (got(IsolationPart::pid)) {
            // Nobody looks for them: the kernel does it.
            while (!marked("10" + word).empty()) ::sched_yield();
        } else {
            EXPECT_TRUE(end_marked("TASKSTORE_TASK_LOCK=live"));
        }
        EXPECT_TRUE(*remove_free_lock(x_lock));
    }
}

TEST_F(IsolationTest, TermReachesTheCommandAndKillAllOfIt) {
    Guard guard = started();
    ASSERT_TRUE(guard.run(
        shell("trap 'echo told; exit 4' TERM; echo > .f; mv .f f; while :; do sleep 0.01; done")));
    wait_for_file("own/f");
    guard.terminate();
    EXPECT_EQ(end_of(guard), (CommandEnd{4, 0}));
    EXPECT_THAT(text("log"), testing::EndsWith("told\n"));
    Guard plain = std::move(*Guard::start(x_folder / "plain"));
    ASSERT_TRUE(plain.run(shell("exec sleep 1000")));
    plain.terminate();
    EXPECT_EQ(end_of(plain).signal, SIGTERM) << "no first process keeps it off";
    Guard deaf = std::move(*Guard::start(x_folder / "deaf"));
    const std::string word = "20" + std::to_string(::getpid());
    ASSERT_TRUE(deaf.run(shell("trap '' TERM; setsid sleep " + word +
                               " & echo > .g; mv .g g; while :; do sleep 1000; done")));
    wait_for_file("own/g");
    deaf.terminate();
    deaf.kill();
    EXPECT_EQ(end_of(deaf), (CommandEnd{137, SIGKILL}));
    EXPECT_THAT(marked(word), testing::IsEmpty());
}

TEST_F(IsolationTest, WhatAStoppedGuardKeepsIsEndedInItsPlace) {
    const std::string word = "30" + std::to_string(::getpid());
    Guard guard = started();
    ASSERT_TRUE(
        guard.run(shell("env -i setsid sleep " + word + " & echo > .f; mv .f f; sleep " + word)));
    wait_for_file("own/f");
    ::kill(static_cast<pid_t>(guard.pid()), SIGSTOP);
    const Status ended = end_guarded(x_lock, kLongMs);
    EXPECT_TRUE(ended) << ended.error().message;
    EXPECT_THAT(marked(word), testing::IsEmpty());
    EXPECT_EQ(*lock_state(x_lock), LockState::held);
    guard.kill();
    EXPECT_EQ(end_of(guard).signal, SIGKILL);
}

/// Root is another matter to the kernel: it needs no user namespace, and nobody counts its
/// processes.
TEST_F(IsolationTest, AUserWithoutPrivilegesGetsTheSameOrIsToldWhatNot) {
    constexpr uid_t kNobody = 65534;
    for (const char* name : {"", "/own", "/own/tmp"}) {
        const int owned = ::chown((x_folder.path() + name).c_str(), kNobody, kNobody);
        EXPECT_TRUE(owned == 0 || ::geteuid() != 0);
    }
    Child child([&](Pipe&) {
        if (::geteuid() == 0 && (::setresgid(kNobody, kNobody, kNobody) != 0 ||
                                 ::setresuid(kNobody, kNobody, kNobody) != 0))
            return 2;
        // What setresuid() makes of a process: its files in /proc are root's.
        const auto trial = try_isolation(kAll);
        if (!trial || trial->got.size() + trial->refused.size() != kAll.size()) return 3;
        for (const RefusedPart& one : trial->refused)
            std::cout << "refused to users: " << name_of(one.part) << ": " << one.reason << '\n';
        GuardedCommand command = shell(
            "echo x > in; ! echo y 2>/dev/null > ../out; id -u; grep -E '^Cap(Eff|Prm)' "
            "/proc/self/status; i=0; while [ $i -lt 60 ]; do sleep 1000 & i=$((i + 1)); done; "
            "echo all");
        command.isolation->parts = trial->got;
        const bool counts = among(trial->got, IsolationPart::user);
        if (counts) command.isolation->limits.processes = 20;
        auto guard = Guard::start(x_lock);
        if (!guard || !guard->run(command)) return 4;
        const auto end = guard->wait(kLongMs);
        if (!end || !*end) return 5;
        if (among(trial->got, IsolationPart::mount) && x_files.info(x_folder / "out")) return 6;
        return ((*end)->exit_code != 0) == counts ? 0 : 7;
    });
    EXPECT_EQ(child.wait(), 0) << text("log");
    EXPECT_THAT(text("log"), HasSubstr("CapEff:\t0000000000000000\n"));
    EXPECT_EQ(text("own/in"), "x\n");
}

}  // namespace
}  // namespace taskstore::os
