// Who lives, by what the host shows, and what becomes of the tasks of those who do not.

#include "scratch_tasks.hpp"

#include <taskstore/os/process.hpp>
#include <taskstore/testing/child.hpp>

#include <gmock/gmock.h>

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
    auto guard = os::Guard::start(lock_path_of(x_run, "lock:live-" + x_run.tag + "-a"));
    ASSERT_TRUE(guard);
    const std::string id = claimed("lock:live-" + x_run.tag + "-a");
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

TEST_F(LivenessTest, WhatIsNotHereIsNotJudged) {
    const auto here = *os::this_process();
    const std::string machine = os::machine_id().value_or("");
    const auto text = [&](const std::string& on, const std::string& boot, std::uint64_t name_space,
                          std::int64_t pid) {
        return "process:" + on + ":" + boot + ":" + std::to_string(name_space) + ":" +
               std::to_string(pid) + ":1";
    };
    const std::string other_boot = "00000000-0000-0000-0000-000000000000";
    EXPECT_EQ(life_of(x_run, text("another", other_boot, 1, 1)), Life::unknown);
    EXPECT_EQ(life_of(x_run, text(machine, here.boot_id, here.pid_namespace + 1, 1)),
              Life::unknown);
    EXPECT_EQ(life_of(x_run, text(machine, here.boot_id, here.pid_namespace, 0x3FFFFFFF)),
              Life::dead);
    EXPECT_EQ(life_of(x_run, text(machine, here.boot_id, here.pid_namespace, here.pid)), Life::dead)
        << "another one of that pid";
    for (const char* strange : {"", "lock:", "lock:live-a/../x", "lock:other",
                                "process:", "process:a:b:c:d:e", "process:a:b:1:2:3:4", "pid:1"})
        EXPECT_EQ(life_of(x_run, strange), Life::unknown) << strange;
    EXPECT_EQ(life_of(x_run, "lock:live-" + x_run.tag + "-nobody"), Life::unknown);
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
