// Epochs, and what hangs on them, on real servers.

#include "servers.hpp"

#include <taskstore/sql/identity.hpp>
#include <taskstore/store/backup.hpp>

#include <algorithm>

namespace taskstore::store {
namespace {

// Nobody knows its epoch any more: the place is gone, and the backup is older.
TEST(Engines, AFenceOfAPlaceThatWasLostIsSmallerThanAllAfterItAndRefused) {
    for (const auto engine : kEngines) {
        Device device(TASKSTORE_DRIVERS_HERE);
        device.place = fresh_place(device, engine, "here.db");
        OpenTasks(device).add("a");
        const std::string backup = device.folder / "t.zst";
        ASSERT_TRUE(back_up(*device.databases(), DatabaseName::tasks, backup, {}));
        ASSERT_TRUE(restore(*device.databases(), {.path = backup, .replace = true}));
        const auto held = must(OpenTasks(device).store->claim_tasks({.worker = "w"}));
        const tasks::Task stale = held.value.at(0);
        device.clock.pass_ms(1'000);
        device.place = fresh_place(device, engine, "anew.db");
        ASSERT_TRUE(restore(*device.databases(), {.path = backup}));
        OpenTasks tasks(device);
        const auto next = must(tasks.store->claim_tasks({.worker = "w2"}));
        EXPECT_GT(next.value.at(0).fence, stale.fence);
        EXPECT_EQ(tasks.store->complete_task({stale.id, stale.fence}, {}).error().code,
                  Code::lease_lost);
        const auto history = must(tasks.store->history(stale.id));
        EXPECT_TRUE(std::ranges::is_sorted(history, {}, &tasks::HistoryEntry::seq));
    }
}

TEST(Engines, WhatWasHeldWhenABackupWasMadeIsHeldByNobodyAfterTheRestore) {
    for (const auto engine : kEngines) {
        Device device(TASKSTORE_DRIVERS_HERE);
        device.place = fresh_place(device, engine, "here.db");
        OpenTasks tasks(device);
        must(tasks.store->create_task({.title = "plain"}));
        must(tasks.store->create_task({.title = "slot", .concurrency_key = "k"}));
        must(tasks.store->create_task({.title = "unwanted"}));
        std::vector<tasks::Task> held;
        for (int i = 0; i < 3; ++i) {
            const auto got = must(tasks.store->claim_tasks({.worker = "w"}));
            ASSERT_EQ(got.value.size(), 1U) << device.place;
            held.push_back(got.value[0]);
        }
        must(tasks.store->cancel_task(held[2].id, "ann", ""));
        const std::string backup = device.folder / "t.zst";
        ASSERT_TRUE(back_up(*device.databases(), DatabaseName::tasks, backup, {}));
        const auto restored = restore(*device.databases(), {.path = backup, .replace = true});
        ASSERT_TRUE(restored) << restored.error().message;
        for (const tasks::Task& task : held)
            EXPECT_EQ(tasks.store->complete_task({task.id, task.fence}, {}).error().code,
                      Code::lease_lost);
        std::vector<std::string> again;
        for (int i = 0; i < 4; ++i)
            for (const auto& task : must(tasks.store->claim_tasks({.worker = "w2"})).value) {
                EXPECT_GT(task.fence, restored->epoch << sql::kEpochShift);
                again.push_back(task.id);
            }
        std::ranges::sort(again);
        EXPECT_EQ(again, (std::vector{held[0].id, held[1].id})) << device.place;
        const auto history = must(tasks.store->history(held[0].id));
        EXPECT_TRUE(std::ranges::is_sorted(history, {}, &tasks::HistoryEntry::seq));
        EXPECT_EQ(history.at(2).reason, "the database was restored");
        EXPECT_EQ((**tasks.store->get_task(held[2].id)).status, tasks::TaskStatus::cancelled);
    }
}

// However far the sequence of the source has come.
TEST(Engines, TheHistoryGoesOnAboveWhatCameFromElsewhere) {
    Device device(TASKSTORE_DRIVERS_HERE);
    device.place = servers->fresh(sql::Engine::postgres);
    OpenTasks(device).add("a");
    {
        const auto databases = device.databases();
        const auto connection = must(databases->connect(
            DatabaseName::tasks, must(sql::parse_location(device.place)), {.read_only = false}));
        ASSERT_TRUE(connection->execute(
            "SELECT setval('task_history_seq', nextval('task_history_seq') + 1000000000)"));
    }
    std::int64_t last = 0;
    for (const std::string& place :
         {servers->fresh(sql::Engine::postgres), device.folder / "file.db",
          servers->fresh(sql::Engine::postgres), servers->fresh(sql::Engine::libsql)}) {
        {
            OpenTasks tasks(device);
            const tasks::Task made = must(tasks.store->create_task({.title = "b"})).value;
            const std::int64_t seq = must(tasks.store->history(made.id)).at(0).seq;
            EXPECT_GT(seq, last) << device.place;
            EXPECT_LT(seq, std::int64_t{1} << 53);
            last = seq;
        }
        const auto moved = move_database(*device.databases(), to(device, place));
        ASSERT_TRUE(moved) << moved.error().message;
        device.place = place;
    }
}

TEST(Engines, ADatabaseWhoseEpochWasCountedGoesOn) {
    for (const auto engine : kEngines) {
        Device device(TASKSTORE_DRIVERS_HERE);
        device.place = fresh_place(device, engine, "here.db");
        OpenTasks(device).add("a");
        {
            const auto databases = device.databases();
            const auto connection = must(databases->connect(DatabaseName::tasks,
                                                            must(sql::parse_location(device.place)),
                                                            {.read_only = false}));
            ASSERT_TRUE(connection->execute(
                "UPDATE taskstore_database SET epoch = 3; UPDATE task_history SET seq = (CAST(3 AS "
                "BIGINT) << 40) + 5; UPDATE tasks SET status = 'in_progress', ready = 0, fence = "
                "(CAST(3 AS BIGINT) << 40) + 2, assigned_to = 'w', lease_expires_at = "
                "9000000000000"));
            if (engine == sql::Engine::postgres) {
                ASSERT_TRUE(connection->execute("SELECT setval('task_history_seq', 5)"));
            }
        }
        OpenTasks tasks(device);
        const tasks::Task held = must(tasks.store->list_tasks({})).tasks.at(0);
        ASSERT_TRUE(tasks.store->release_task({held.id, held.fence}, "")) << "it is held on";
        const auto again = must(tasks.store->claim_tasks({.worker = "w2"}));
        EXPECT_EQ(again.value.at(0).fence,
                  (device.identity_at(device.place).epoch << sql::kEpochShift) + 1);
        EXPECT_GT(again.value.at(0).fence, held.fence);
        const auto history = must(tasks.store->history(held.id));
        ASSERT_EQ(history.size(), 3U);
        EXPECT_TRUE(std::ranges::is_sorted(history, {}, &tasks::HistoryEntry::seq));
        EXPECT_LT(history[2].seq, std::int64_t{1} << 53);
    }
}

}  // namespace
}  // namespace taskstore::store
