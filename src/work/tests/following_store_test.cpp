// What becomes of workers and waiters when their database moves under them.

#include "hang_report.hpp"
#include "scratch_tasks.hpp"

#include <taskstore/os/watch.hpp>
#include <taskstore/sql/identity.hpp>
#include <taskstore/work/following_store.hpp>

#include <gmock/gmock.h>

#include <filesystem>
#include <thread>

namespace taskstore::work {
namespace {

using tasks::Task;
using tasks::TaskStatus;
using testing::HasSubstr;

/// Two places of one database, and where the device says it is.
class FollowingTest : public testing::Test {
  protected:
    void SetUp() override {
        std::filesystem::create_directory(x_folder / "old");
        std::filesystem::create_directory(x_folder / "new");
        x_old = std::make_unique<ScratchTasks>(x_folder / "old");
    }
    TasksAt at_old() { return at(*x_old, "old"); }
    TasksAt at(ScratchTasks& place, const std::string& folder) {
        return {
            .store = std::shared_ptr<tasks::TaskStore>(std::shared_ptr<void>(), place.store.get()),
            .database = &place.database(),
            .place = folder,
            .run = run_folder(x_folder / folder, "tasks")};
    }
    std::unique_ptr<FollowingStore> following(Patience patience) {
        return std::make_unique<FollowingStore>(x_old->clock, at_old(), settings(), patience);
    }
    TasksNow settings() {
        TasksNow now;
        now.place = [this]() -> Result<std::string> {
            const std::lock_guard lock(x_mutex);
            return std::string(x_named ? "new" : "old");
        };
        now.open = [this]() -> Result<TasksAt> {
            ++x_asked;
            const std::lock_guard lock(x_mutex);
            if (x_new == nullptr || !x_named)
                return fail(Code::unavailable, "the database has moved to new");
            return at(*x_new, "new");
        };
        return now;
    }
    void change(ScratchTasks& place, const std::function<void(sql::Identity&)>& how) {
        const auto changed = place.database().write(
            [&](sql::Connection& connection) -> Status {
                TASKSTORE_LET(const auto now, sql::find_identity(connection, tasks::kModule));
                sql::Identity next = *now;
                how(next);
                return sql::change_identity(connection, tasks::kModule, tasks::tables(), *now,
                                            next);
            },
            {.alone = true, .wake = tasks::kTopics[0], .wake_too = tasks::kTopics[1]});
        ASSERT_TRUE(changed) << changed.error().message;
    }
    /// As a move does it: the rows of the old place are in the new one, and the old one is closed.
    void seal() {
        change(*x_old, [](sql::Identity& next) { next.moved_to = "new"; });
        x_old->copy_to(x_folder / "new/tasks.db");
        const std::lock_guard lock(x_mutex);
        x_new = std::make_unique<ScratchTasks>(x_folder / "new");
        change(*x_new, [](sql::Identity& next) {
            next.moved_to.reset();
            ++next.epoch;
        });
    }
    void name_new() {
        const std::lock_guard lock(x_mutex);
        x_named = true;
    }
    void move() {
        seal();
        name_new();
    }
    void wait_for_file(const std::string& name) {
        while (!x_files.info(x_folder / name)) {
            ASSERT_TRUE(x_watch.wait(60'000));
        }
    }

    HangReport x_hang{std::chrono::seconds(150)};
    TemporaryFolder x_folder;
    os::SystemFileSystem x_files;
    os::FolderWatch x_watch = std::move(*os::FolderWatch::open(x_files, x_folder.path()));
    std::unique_ptr<ScratchTasks> x_old;
    std::mutex x_mutex;
    std::unique_ptr<ScratchTasks> x_new;
    bool x_named = false;
    std::atomic<int> x_asked = 0;
};

TEST_F(FollowingTest, WritesThatTheOldPlaceRefusesAreMadeInTheNewOne) {
    const auto store = following({});
    const Task made = x_old->add({.title = "held"});
    const auto claimed = store->claim_tasks({.worker = "w"});
    ASSERT_TRUE(claimed && claimed->value.size() == 1);
    move();
    const auto done = store->complete_task(
        {.task_id = made.id, .fence = claimed->value[0].fence, .actor = "w"}, {.result = "7"});
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(x_new->get(made.id).status, TaskStatus::completed);
    EXPECT_EQ(x_old->get(made.id).status, TaskStatus::in_progress);
    EXPECT_EQ(store->at()->run, run_folder(x_folder / "new", "tasks"));
}

TEST_F(FollowingTest, WhatIsReadIsOfWhereTheTruthIs) {
    const auto store = following({});
    const Task made = x_old->add({.title = "before"});
    move();
    ASSERT_TRUE(x_new->store->cancel_task(made.id, "p", ""));
    const auto read = store->get_task(made.id);
    ASSERT_TRUE(read && *read);
    EXPECT_EQ((*read)->status, TaskStatus::cancelled);
}

// What the listener of a worker asks that runs nothing: its next wait is in the new place.
TEST_F(FollowingTest, ALookAtNoTaskFollowsToo) {
    const auto store = following({});
    move();
    ASSERT_TRUE(store->get_tasks({}));
    EXPECT_EQ(store->at()->place, "new");
}

TEST_F(FollowingTest, WhereNoOtherPlaceIsNamedTheErrorSaysWhereItIs) {
    const auto store = following({});
    const Task made = x_old->add({.title = "x"});
    seal();
    const auto read = store->get_task(made.id);
    ASSERT_FALSE(read);
    EXPECT_EQ(read.error().code, Code::unavailable);
    EXPECT_THAT(read.error().message, HasSubstr("moved to new"));
    EXPECT_FALSE(store->renew_task({.task_id = made.id}, {}));
    name_new();
    EXPECT_TRUE(store->get_task(made.id));
}

TEST_F(FollowingTest, NobodyWaitsForTheEndOfAMoveLongerThanForWhatHeWants) {
    const auto store = following({.ms = 60'000'000, .until_boot_ns = x_old->clock.boot_ns()});
    seal();
    const auto read = store->get_tasks({});
    ASSERT_FALSE(read);
    EXPECT_THAT(read.error().message, HasSubstr("moved to new"));
}

// As behind a name that leads to several replicas, one of which has not heard of the seal.
TEST_F(FollowingTest, WhatOpensAndIsClosedAgainAndAgainIsToldAndNothingOfItIsKept) {
    const Task made = x_old->add({.title = "x"});
    auto owner = std::make_shared<int>(0);
    TasksNow now = settings();
    now.open = [&]() -> Result<TasksAt> {
        TasksAt opened = at_old();
        opened.store = std::shared_ptr<tasks::TaskStore>(owner, x_old->store.get());
        return opened;
    };
    FollowingStore store(x_old->clock, at_old(), now, {});
    seal();
    for (int i = 0; i < 3; ++i) {
        for (const auto& refused :
             {store.cancel_task(made.id, "p", "").error(), store.get_tasks({}).error()}) {
            EXPECT_EQ(refused.code, Code::unavailable);
            EXPECT_THAT(refused.message, HasSubstr("moved to new"));
        }
    }
    EXPECT_EQ(owner.use_count(), 2);
}

/// A server that was ended.
class Gone final : public sql::Database {
  public:
    explicit Gone(sql::Database& before) : x_before(before) {}
    Result<sql::Committed> write(const sql::Work&, const sql::WriteOptions&) override {
        return gone();
    }
    Result<sql::Committed> write_batch(sql::Batch, const sql::WriteOptions&) override {
        return gone();
    }
    Status read(const sql::Work&, const sql::ReadOptions&) override { return gone(); }
    Result<std::vector<sql::Rows>> read_batch(sql::Batch, const sql::ReadOptions&) override {
        return gone();
    }
    Result<std::unique_ptr<sql::Waiter>> waiter(std::string_view topic) override {
        return x_before.waiter(topic);
    }
    std::string_view dialect() const override { return x_before.dialect(); }
    sql::Capabilities capabilities() const override { return x_before.capabilities(); }

  private:
    static Failure gone() { return fail(Code::unavailable, "cannot connect"); }
    sql::Database& x_before;
};

TEST_F(FollowingTest, AnOldPlaceThatAnswersNoMoreIsLeftOnceTheSettingsNameAnother) {
    Gone gone(x_old->database());
    const auto there = tasks::make_task_store(gone, x_old->clock, x_old->random);
    TasksAt old = at_old();
    old.store = std::shared_ptr<tasks::TaskStore>(std::shared_ptr<void>(), there.get());
    old.database = &gone;
    const Task made = x_old->add({.title = "x"});
    FollowingStore store(x_old->clock, old, settings(), {});
    const auto away = store.get_task(made.id);
    ASSERT_FALSE(away);
    EXPECT_EQ(away.error().message, "cannot connect");
    EXPECT_EQ(x_asked, 0);
    move();
    EXPECT_TRUE(store.cancel_task(made.id, "p", ""));
    EXPECT_EQ(x_new->get(made.id).status, TaskStatus::cancelled);
}

TEST_F(FollowingTest, AnErrorOfALivePlaceIsGivenAsItIs) {
    const auto store = following({.ms = 60'000});
    const auto none = store->cancel_task("0", "p", "");
    ASSERT_FALSE(none);
    EXPECT_EQ(none.error().code, Code::not_found);
    EXPECT_EQ(x_asked, 0);
}

TEST_F(FollowingTest, APlaceThatIsOpenAgainIsGoneOnWith) {
    const auto store = following({});
    const Task made = x_old->add({.title = "x"});
    seal();
    ASSERT_FALSE(store->get_task(made.id));
    change(*x_old, [](sql::Identity& next) {
        next.moved_to.reset();
        ++next.epoch;
    });
    EXPECT_TRUE(store->cancel_task(made.id, "p", ""));
    EXPECT_EQ(x_old->get(made.id).status, TaskStatus::cancelled);
}

TEST_F(FollowingTest, AWaitThatBeganBeforeTheMoveEndsByWhatHappensAfterIt) {
    const auto store = following({.ms = 60'000});
    const Task made = x_old->add({.title = "x"});
    const auto waiter = store->waiter();
    ASSERT_TRUE(waiter);
    ASSERT_TRUE(store->get_task(made.id));
    std::jthread others([&] {
        move();
        ASSERT_TRUE(x_new->store->cancel_task(made.id, "p", ""));
    });
    while (true) {
        const auto task = store->get_task(made.id);
        ASSERT_TRUE(task && *task) << (task ? "gone" : task.error().message);
        if ((*task)->status == TaskStatus::cancelled) break;
        ASSERT_TRUE((*waiter)->wait(0));
    }
}

TEST_F(FollowingTest, AWorkerEndsInTheNewPlaceWhatItBeganInTheOldOne) {
    const auto store = following({});
    const std::string begins = "cd " + x_folder.path() + " && : > begun && ";
    const Task first = x_old->add({.title = "first",
                                   .command = begins + "while ! test -e on; do sleep 0.02; done",
                                   .shell = true});
    auto options = x_old->options("w1");
    options.run_now = [&] { return store->at()->run; };
    options.warn = {};
    std::vector<Finished> finished;
    options.finished = [&](const Finished& one) { finished.push_back(one); };
    Status worked;
    {
        Worker worker(*store, x_old->clock, x_old->random, x_old->files, options);
        const std::jthread thread([&] { worked = worker.run(); });
        wait_for_file("begun");
        move();
        const Task second = x_new->add({.title = "second", .command = "true"});
        ASSERT_TRUE(os::replace_file(x_files, x_folder / "on", "", 0600));
    }
    ASSERT_TRUE(worked) << worked.error().message;
    ASSERT_EQ(finished.size(), 2U);
    for (const Finished& one : finished) EXPECT_EQ(one.outcome, Outcome::completed) << one.error;
    EXPECT_EQ(x_new->get(first.id).status, TaskStatus::completed);
    const auto stats = x_new->store->stats({});
    ASSERT_TRUE(stats);
    EXPECT_EQ(stats->by_status[static_cast<std::size_t>(TaskStatus::completed)], 2);
    // What it claimed there was to be seen by whoever watches there.
    EXPECT_TRUE(x_files.info(x_folder / "new/run"));
}

}  // namespace
}  // namespace taskstore::work
