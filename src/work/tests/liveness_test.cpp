// Who lives, by what the host shows, and what becomes of the tasks of those who do not.

#include "scratch_tasks.hpp"

#include <taskstore/os/process.hpp>
#include <taskstore/testing/child.hpp>

#include <gmock/gmock.h>

#include <unistd.h>

namespace taskstore::work {
namespace {

using tasks::TaskStatus;

class LivenessTest : public testing::Test {
  protected:
    TemporaryFolder x_folder;
    ScratchTasks x_tasks{x_folder.path()};
    const RunFolder x_run = run_folder(x_folder.path(), "tasks");

    std::string claimed(const std::string& liveness) {
        const std::string id = x_tasks.add({.title = "x"}).id;
        EXPECT_TRUE(x_tasks.store->claim_tasks({.worker = "w", .liveness = liveness}));
        return id;
    }
    std::string lock(const std::string& name) const {
        return x_run.path + "/live-" + x_run.tag + "-" + name;
    }
    std::int64_t freed() { return *rescue_dead(*x_tasks.store, x_tasks.files, x_run); }
    TaskStatus status(const std::string& id) { return x_tasks.get(id).status; }
};

int until_killed(Pipe& pipe) {
    pipe.receive();
    return 0;
}

TEST_F(LivenessTest, AProcessHoldsItsTaskUntilItDies) {
    Child holder(until_killed);
    const auto liveness = watch_process(x_tasks.files, x_run, holder.pid());
    ASSERT_TRUE(liveness);
    EXPECT_EQ(life_of(x_run, *liveness), Life::lives);
    const std::string id = claimed(*liveness);
    EXPECT_EQ(freed(), 0);
    ::kill(holder.pid(), SIGSTOP);
    EXPECT_EQ(freed(), 0) << "stopped is not dead";
    EXPECT_EQ(status(id), TaskStatus::in_progress);
    holder.kill();
    EXPECT_EQ(life_of(x_run, *liveness), Life::dead);
    EXPECT_EQ(freed(), 1);
    EXPECT_EQ(status(id), TaskStatus::pending);
    EXPECT_EQ(freed(), 0);
    EXPECT_TRUE(x_tasks.files.list(x_run.path)->empty());
}

TEST_F(LivenessTest, WhoWatchesFreesTheTaskWhenTheProcessDies) {
    Child holder(until_killed);
    const std::string id = claimed(*watch_process(x_tasks.files, x_run, holder.pid()));
    const auto waiter = x_tasks.store->waiter();
    const auto watch = Watch::start(*x_tasks.store, x_tasks.files, x_run);
    ASSERT_TRUE(watch);
    holder.kill();
    while (status(id) != TaskStatus::pending) ASSERT_TRUE((*waiter)->wait(0));
    EXPECT_EQ(x_tasks.get(id).rescues, 1);
}

TEST_F(LivenessTest, WhoWatchesSeesHoldersThatCameLater) {
    const auto watch = Watch::start(*x_tasks.store, x_tasks.files, x_run);
    ASSERT_TRUE(watch);
    const auto waiter = x_tasks.store->waiter();
    auto guard = os::Guard::start(lock("a"));
    ASSERT_TRUE(guard);
    const std::string id = claimed(*lock_liveness(lock("a")));
    {
        const os::Guard dead = std::move(*guard);
    }
    while (status(id) != TaskStatus::pending) ASSERT_TRUE((*waiter)->wait(0));
}

TEST_F(LivenessTest, AProcessThatCannotBeSeenIsRefused) {
    const auto refused = watch_process(x_tasks.files, x_run, 0x3FFFFFFF);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::not_found);
}

constexpr const char* kOtherBoot = "00000000-0000-0000-0000-000000000000";

TEST_F(LivenessTest, WhatIsNotHereIsNotJudged) {
    const auto here = *os::this_process();
    const std::string machine = os::machine_name();
    const auto text = [&](const std::string& on, const std::string& boot, std::uint64_t name_space,
                          std::int64_t pid) {
        return "process:" + on + ":" + boot + ":" + std::to_string(name_space) + ":" +
               std::to_string(pid) + ":1";
    };
    EXPECT_EQ(life_of(x_run, text("another", kOtherBoot, 1, 1)), Life::unknown);
    EXPECT_EQ(life_of(x_run, text("", kOtherBoot, 1, 1)), Life::unknown);
    EXPECT_EQ(life_of(x_run, text(machine, here.boot_id, here.pid_namespace + 1, 1)),
              Life::unknown);
    EXPECT_EQ(life_of(x_run, text(machine, here.boot_id, here.pid_namespace, 0x3FFFFFFF)),
              Life::dead);
    EXPECT_EQ(life_of(x_run, text(machine, here.boot_id, here.pid_namespace, here.pid)), Life::dead)
        << "another one of that pid";
    for (const char* strange :
         {"", "lock:", "lock:live-a/../x", "lock:other", "process:", "process:a:b:c:d:e",
          "process:a:b:1:2:3:4", "pid:1", "lock:a:b:1:2:3:live-a/../x", "lock:a:b:1:2:3:other"})
        EXPECT_EQ(life_of(x_run, strange), Life::unknown) << strange;
    const std::string nobody = "live-" + x_run.tag + "-nobody";
    EXPECT_EQ(life_of(x_run, "lock:" + machine + ":" + here.boot_id + ":" +
                                 std::to_string(here.pid_namespace) + ":1:1:" + nobody),
              Life::unknown);
}

// On a server both may look at the same task.
TEST_F(LivenessTest, ACopyOfTheFolderJudgesNobody) {
    ASSERT_TRUE(make_run_folder(x_tasks.files, x_run));
    auto guard = os::Guard::start(lock("a"));
    ASSERT_TRUE(guard);
    const std::string id = claimed(*lock_liveness(lock("a")));
    const TemporaryFolder other;
    const RunFolder copy = run_folder(other.path(), "tasks");
    ASSERT_TRUE(make_run_folder(x_tasks.files, copy));
    const std::string name = lock("a").substr(x_run.path.size());
    ASSERT_TRUE(os::replace_file(x_tasks.files, copy.path + name,
                                 *os::read_file(x_tasks.files, lock("a"))));
    EXPECT_EQ(life_of(copy, *x_tasks.get(id).liveness), Life::unknown);
    EXPECT_EQ(*rescue_dead(*x_tasks.store, x_tasks.files, copy), 0);
    EXPECT_TRUE(end_lapsed(copy)({id, x_tasks.get(id).fence, "w", *x_tasks.get(id).liveness}));
    {
        const os::Guard dead = std::move(*guard);
    }
    EXPECT_EQ(*rescue_dead(*x_tasks.store, x_tasks.files, copy), 0);
    EXPECT_EQ(status(id), TaskStatus::in_progress);
    EXPECT_EQ(freed(), 1);
}

/// The same file as it would have been named elsewhere.
std::string renamed(const std::string& liveness, const std::string& machine,
                    const std::string& boot, const std::string& space, const std::string& device) {
    std::vector<std::string> parts;
    for (std::size_t at = 0; at <= liveness.size();) {
        const std::size_t end = std::min(liveness.find(':', at), liveness.size());
        parts.push_back(liveness.substr(at, end - at));
        at = end + 1;
    }
    return "lock:" + machine + ":" + boot + ":" + (space.empty() ? parts[3] : space) + ":" +
           (device.empty() ? parts[4] : device) + ":" + parts[5] + ":" + parts[6];
}

TEST_F(LivenessTest, ARebootOfThisMachineFreesItsOwnAndNoOther) {
    const std::string machine = os::machine_name();
    if (machine.empty()) GTEST_SKIP() << "missing capability: machine-id";
    ASSERT_TRUE(make_run_folder(x_tasks.files, x_run));
    ASSERT_TRUE(os::Guard::start(lock("a")));
    const std::string now = *lock_liveness(lock("a"));
    EXPECT_EQ(life_of(x_run, now), Life::dead);
    // Disks get other numbers at a boot.
    const std::string before = renamed(now, machine, kOtherBoot, "", "4711");
    EXPECT_EQ(life_of(x_run, before), Life::dead);
    EXPECT_EQ(life_of(x_run, renamed(now, "another", kOtherBoot, "", "")), Life::unknown);
    EXPECT_EQ(life_of(x_run, renamed(now, machine, os::boot_id().value_or(""), "", "4711")),
              Life::unknown);
    const std::string id = claimed(before);
    EXPECT_EQ(freed(), 1);
    EXPECT_EQ(status(id), TaskStatus::pending);
}

// A guard that was killed may have left something there, which cannot be seen from here.
TEST_F(LivenessTest, OfAnotherContainerADeadGuardIsJudgedByTheHostAlone) {
    ASSERT_TRUE(make_run_folder(x_tasks.files, x_run));
    ASSERT_TRUE(os::Guard::start(lock("a")));
    const auto here = *os::this_process();
    const std::string there =
        renamed(*lock_liveness(lock("a")), os::machine_name(), here.boot_id, "4711", "");
    const bool host = here.pid_namespace == 0xEFFFFFFC;
    EXPECT_EQ(life_of(x_run, there), host ? Life::dead : Life::unknown);
}

TEST_F(LivenessTest, ManyThatDieTogetherAreFreedTogether) {
    ASSERT_TRUE(make_run_folder(x_tasks.files, x_run));
    std::vector<os::Guard> guards;
    std::vector<std::string> ids;
    for (int i = 0; i < 40; ++i) {
        guards.push_back(std::move(*os::Guard::start(lock(std::to_string(i)))));
        ASSERT_TRUE(guards.back().run({.arguments = {"sleep", "1000"}}));
        ids.push_back(claimed(*lock_liveness(lock(std::to_string(i)))));
    }
    for (const os::Guard& guard : guards) ::kill(static_cast<pid_t>(guard.pid()), SIGKILL);
    guards.clear();
    EXPECT_EQ(freed(), 40);
    for (const std::string& id : ids) EXPECT_EQ(status(id), TaskStatus::pending);
    EXPECT_TRUE(x_tasks.files.list(x_run.path)->empty());
}

TEST_F(LivenessTest, AFolderHasOneNameHoweverItIsSpelt) {
    const std::string link = x_folder / "link";
    ASSERT_EQ(::symlink(x_folder.path().c_str(), link.c_str()), 0);
    const RunFolder plain = run_folder_beside(x_folder / "tasks.db");
    for (const std::string& spelt : {link + "/tasks.db", x_folder / "./run/../tasks.db"}) {
        EXPECT_EQ(run_folder_beside(spelt).path, plain.path);
        EXPECT_EQ(run_folder_beside(spelt).tag, plain.tag);
    }
}

TEST_F(LivenessTest, WhatTheDeadLeftIsTakenAwayAndNothingElse) {
    const std::string mine = x_run.path + "/live-" + x_run.tag + "-left";
    const std::string others = x_run.path + "/live-other-left";
    const std::string held = x_run.path + "/live-" + x_run.tag + "-held";
    for (const std::string& path : {mine, others}) {
        ASSERT_TRUE(make_run_folder(x_tasks.files, x_run));
        ASSERT_TRUE(os::Guard::start(path));
    }
    const auto guard = os::Guard::start(held);
    EXPECT_EQ(freed(), 0);
    EXPECT_EQ(*os::lock_state(mine), os::LockState::absent);
    EXPECT_EQ(*os::lock_state(others), os::LockState::free);
    EXPECT_EQ(*os::lock_state(held), os::LockState::held);
}

}  // namespace
}  // namespace taskstore::work
