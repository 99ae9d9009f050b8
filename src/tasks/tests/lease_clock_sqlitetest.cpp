#include <gmock/gmock.h>
#include <taskstore/sqlite/database.hpp>
#include <taskstore/tasks/task_store.hpp>
#include <taskstore/testing/temporary_folder.hpp>

namespace taskstore::tasks {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;

class LeaseClock : public testing::Test {
  protected:
    LeaseClock() {
        const auto connection = x_driver.connect(x_folder / "tasks.db", {});
        EXPECT_TRUE(sql::migrate(**connection, kModule, migrations("sqlite"), x_clock));
        EXPECT_TRUE(sql::identify(**connection, kModule, x_clock, x_random));
        x_database = std::move(*sqlite::open_database(x_folder / "tasks.db", {},
                                                      {.driver = &x_driver, .clock = &x_clock}));
        x_store = store("this boot");
        EXPECT_TRUE(x_store->create_task({.title = "t"}));
    }
    /// As another process opens it.
    std::unique_ptr<TaskStore> store(const std::string& boot_id) {
        return make_task_store(*x_database, x_clock, x_random, {.boot_id = boot_id});
    }
    static std::optional<Task> claimed(TaskStore& store) {
        const auto got = store.claim_tasks({.worker = "w", .lease_ms = 60'000});
        EXPECT_TRUE(got) << (got ? "" : got.error().message);
        if (!got || got->value.empty()) return std::nullopt;
        return got->value[0];
    }

    TemporaryFolder x_folder;
    FakeClock x_clock;
    SeededRandom x_random{5};
    sqlite::Driver x_driver;
    std::unique_ptr<sql::Database> x_database;
    std::unique_ptr<TaskStore> x_store;
};

TEST_F(LeaseClock, AWallClockThatIsSetForwardTakesNothingFromItsHolder) {
    const auto task = claimed(*x_store);
    ASSERT_TRUE(task);
    x_clock.set_wall_ms(x_clock.wall_ms() + kDayMs);
    EXPECT_FALSE(claimed(*store("this boot")));
    EXPECT_FALSE(claimed(*x_store));
    EXPECT_EQ(x_store->get_task(task->id)->value().lease_expires_at, x_clock.wall_ms() + 60'000);
    EXPECT_TRUE(x_store->renew_task({.task_id = task->id, .fence = task->fence}, 60'000));
    x_clock.advance_ms(60'000);
    EXPECT_TRUE(claimed(*x_store));
}

TEST_F(LeaseClock, AWallClockThatIsSetBackHoldsNothingLonger) {
    ASSERT_TRUE(claimed(*x_store));
    x_clock.set_wall_ms(x_clock.wall_ms() - kDayMs);
    EXPECT_FALSE(claimed(*x_store));
    x_clock.advance_ms(59'999);
    EXPECT_FALSE(claimed(*x_store));
    x_clock.advance_ms(1);
    EXPECT_TRUE(claimed(*x_store));
}

TEST_F(LeaseClock, AMachineThatSleptFindsItsLeasesAsTheyWere) {
    ASSERT_TRUE(claimed(*x_store));
    x_clock.suspend_ms(kDayMs);
    EXPECT_FALSE(claimed(*x_store));
    x_clock.advance_ms(60'000);
    EXPECT_TRUE(claimed(*x_store));
}

TEST_F(LeaseClock, AProcessThatHasNotNoticedTheStepClaimsForAFullLease) {
    const auto other = store("this boot");
    EXPECT_TRUE(other->outlook({.worker = "w"})->claimable);
    x_clock.set_wall_ms(x_clock.wall_ms() + kDayMs);
    EXPECT_TRUE(x_store->create_task({.title = "u"}));
    ASSERT_TRUE(claimed(*other));
    ASSERT_TRUE(claimed(*other));
    EXPECT_FALSE(claimed(*x_store));
}

TEST_F(LeaseClock, LeasesOfAnEarlierBootRunOutByTheWallClock) {
    ASSERT_TRUE(claimed(*x_store));
    x_clock.suspend_ms(59'999);
    const auto after = store("next boot");
    EXPECT_FALSE(claimed(*after));
    x_clock.advance_ms(1);
    EXPECT_TRUE(claimed(*after));
}

TEST_F(LeaseClock, ADatabaseThatCameBackFromElsewhereKeepsTheLeasesAsTheyCame) {
    ASSERT_TRUE(claimed(*x_store));
    // It was away while the clock was set; its leases came back in the time of that place.
    x_clock.set_wall_ms(x_clock.wall_ms() + kDayMs);
    ASSERT_TRUE(x_database->write([&](sql::Connection& connection) -> Status {
        TASKSTORE_TRY(connection.execute("UPDATE tasks SET lease_expires_at = " +
                                         std::to_string(x_clock.wall_ms() + 60'000)));
        return connection.execute("UPDATE taskstore_database SET epoch = epoch + 2");
    }));
    const auto back = store("this boot");
    EXPECT_FALSE(claimed(*back));
    x_clock.advance_ms(59'999);
    EXPECT_FALSE(claimed(*back));
    x_clock.advance_ms(1);
    EXPECT_TRUE(claimed(*back));
}

TEST_F(LeaseClock, WhoReadsADatabaseThatCameFromElsewhereHasATime) {
    x_clock.set_wall_ms(SystemClock().wall_ms());
    const auto task = claimed(*x_store);
    ASSERT_TRUE(task);
    ASSERT_TRUE(x_store->complete_task({.task_id = task->id, .fence = task->fence}, {}));
    ASSERT_TRUE(x_store->create_task({.title = "fails"}));
    const auto fails = claimed(*x_store);
    ASSERT_TRUE(fails);
    const Hold hold{.task_id = fails->id, .fence = fails->fence, .request_id = "r"};
    ASSERT_TRUE(x_store->fail_task(hold, {.error = "e", .final = true}));
    const auto later =
        x_store->create_task({.title = "later", .not_before = x_clock.wall_ms() - 1'000});
    ASSERT_TRUE(later);
    // Not carried by moves and backups.
    ASSERT_TRUE(x_database->write(
        [](sql::Connection& connection) { return connection.execute("DELETE FROM task_clock"); }));
    const auto there = store("that boot");
    EXPECT_TRUE(there->fail_task(hold, {.error = "e", .final = true})) << "as it was told before";
    EXPECT_EQ(there->stats(std::nullopt)->completed_last_hour, 1);
    EXPECT_THAT(*there->why(later->value.id), testing::HasSubstr("a worker may claim it now"));
    EXPECT_THAT(there->list_tasks({.part = TaskPart::ready})->tasks, testing::SizeIs(1));
}

TEST_F(LeaseClock, WhatWaitsForATimeGoesByTheWallClock) {
    ASSERT_TRUE(claimed(*x_store));
    ASSERT_TRUE(x_store->create_task({.title = "later", .not_before = x_clock.wall_ms() + kDayMs}));
    EXPECT_FALSE(claimed(*x_store));
    x_clock.set_wall_ms(x_clock.wall_ms() + kDayMs);
    const auto task = claimed(*x_store);
    ASSERT_TRUE(task);
    EXPECT_EQ(task->title, "later");
}

TEST_F(LeaseClock, ReadingNeverMovesIt) {
    const auto offset = [&] {
        const sql::BoundStatement one{.sql = "SELECT offset_ms FROM task_clock"};
        return std::get<std::int64_t>((*x_database->read_batch({&one, 1}))[0].rows.at(0).at(0));
    };
    const std::int64_t before = offset();
    x_clock.set_wall_ms(x_clock.wall_ms() + kDayMs);
    EXPECT_TRUE(x_store->stats({}));
    EXPECT_TRUE(x_store->list_tasks({}));
    EXPECT_EQ(offset(), before);
}

}  // namespace
}  // namespace taskstore::tasks
