// Moves and restores of a database whose URL names a replica: it sends writes on to its primary,
// and answers reads from a copy that lags.

#include "device_store.hpp"
#include "must.hpp"

#include <gmock/gmock.h>
#include <taskstore/testing/proxy.hpp>
#include <taskstore/testing/sqld.hpp>

#include <chrono>
#include <functional>
#include <thread>

namespace taskstore::store {
namespace {

using testing::ElementsAre;

/// A primary, and a replica that stops to follow it when it is told to.
struct Pair {
    std::string replica_place() const { return replica.location(); }
    std::string primary_place() const { return primary.location(); }

    /// What the replica answers from now on is what its primary says now.
    void begin_to_lag() const {
        const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
        while (state(replica_place()) != state(primary_place())) {
            ASSERT_LT(std::chrono::steady_clock::now(), until) << "the replica does not follow";
            std::this_thread::yield();
        }
        between->hold_streams(true);
    }

    bool lags() const { return state(replica_place()) != state(primary_place()); }

    Sqld primary = must(start_sqld({.replicated = true}));
    std::unique_ptr<Proxy> between = must(Proxy::start_http2(primary.replica_port));
    Sqld replica = must(start_sqld({.primary_port = between->port()}));

  private:
    static std::string state(const std::string& place) {
        Device device(TASKSTORE_DRIVERS_HERE);
        const auto databases = device.databases();
        const auto connection =
            databases->connect(DatabaseName::tasks, must(sql::parse_location(place)), {});
        std::string text;
        for (const char* query :
             {"SELECT coalesce(max(seq), 0) || ' ' || count(*) FROM task_history",
              "SELECT coalesce(group_concat(id || epoch || coalesce(moved_to, '') || "
              "coalesce(incoming_from, '')), '') FROM taskstore_database"}) {
            const sql::BoundStatement one{.sql = query};
            const auto answers = sql::run_batch(**connection, {&one, 1});
            text += answers ? std::get<std::string>((*answers)[0].rows[0][0]) : "nothing yet";
            text += '\n';
        }
        return text;
    }
};

/// A replica asks its primary anew now and then, and has caught up by that: what is shown holds
/// all the same, but shows nothing, so it is tried again.
void until_it_lags(const std::function<void(const Pair& pair)>& scenario) {
    constexpr int kTries = 40;  // Where everything is slow it catches up more often than not.
    for (int i = 0; i < kTries; ++i) {
        const Pair pair;
        scenario(pair);
        if (testing::Test::HasFailure() || pair.lags()) return;
    }
    FAIL() << "the replica never lagged";
}

MoveRequest to(Device& device, const std::string& url) {
    MoveRequest request = device.move_to("unused");
    request.to = must(sql::parse_location(url));
    request.to_text = url;
    return request;
}

TEST(Replica, WhatWasAcknowledgedBeforeTheSealIsInTheNewPlace) {
    until_it_lags([](const Pair& pair) {
        Device device(TASKSTORE_DRIVERS_HERE);
        device.place = pair.replica_place();
        OpenTasks before(device);
        before.add("a");
        pair.begin_to_lag();
        before.add("b");
        const auto moved = move_database(*device.databases(), device.move_to("new.db"));
        ASSERT_TRUE(moved) << moved.error().message;
        device.place = device.folder / "new.db";
        EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a", "b"));
    });
}

TEST(Replica, WhatIsCopiedThereIsComparedWithWhatThePrimaryHas) {
    until_it_lags([](const Pair& pair) {
        Device device(TASKSTORE_DRIVERS_HERE);
        {
            OpenTasks tasks(device);
            tasks.add("a");
            tasks.add("b");
        }
        // A place that the database had before: as the replica shows it, nothing is to be written.
        ASSERT_TRUE(move_database(*device.databases(), to(device, pair.primary_place())));
        ASSERT_TRUE(undo_move(*device.databases(), to(device, pair.primary_place())));
        pair.begin_to_lag();
        Device vandal(TASKSTORE_DRIVERS_HERE);
        const auto databases = vandal.databases();
        const auto hand = must(databases->connect(DatabaseName::tasks,
                                                  must(sql::parse_location(pair.primary_place())),
                                                  {.read_only = false}));
        for (const char* change : {"INSERT", "UPDATE", "DELETE"}) {
            for (const char* kind : {"sealed", "incoming"})
                ASSERT_TRUE(hand->execute("DROP TRIGGER IF EXISTS taskstore_" + std::string(kind) +
                                          "_tasks_" + change));
        }
        ASSERT_TRUE(hand->execute("UPDATE tasks SET title = 'changed by hand' WHERE title = 'b'"));
        const auto moved = move_database(*device.databases(), to(device, pair.replica_place()));
        ASSERT_TRUE(moved) << moved.error().message;
        device.place = pair.primary_place();
        EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a", "b"));
    });
}

TEST(Replica, AnUndoBringsBackWhatWasAcknowledgedThere) {
    until_it_lags([](const Pair& pair) {
        Device device(TASKSTORE_DRIVERS_HERE);
        {
            OpenTasks(device).add("a");
        }
        const auto moved = move_database(*device.databases(), to(device, pair.replica_place()));
        ASSERT_TRUE(moved) << moved.error().message;
        pair.begin_to_lag();
        {
            Device other(TASKSTORE_DRIVERS_HERE);
            other.place = pair.replica_place();
            OpenTasks(other).add("b");
        }
        const auto back = undo_move(*device.databases(), to(device, pair.replica_place()));
        ASSERT_TRUE(back) << back.error().message;
        EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a", "b"));
        EXPECT_TRUE(device.identity_at(pair.primary_place()).moved_to);
    });
}

// The replica still shows the new place as it was half filled.
TEST(Replica, AnUndoDoesNotOpenTheOldPlaceBesideANewOneThatWentLive) {
    until_it_lags([](const Pair& pair) {
        Device device(TASKSTORE_DRIVERS_HERE);
        {
            OpenTasks(device).add("a");
        }
        MoveRequest request = to(device, pair.replica_place());
        request.after_step_for_testing = [&](MoveStep step) {
            if (step == MoveStep::going_live) pair.begin_to_lag();
            return step == MoveStep::live ? Status(fail(Code::cancelled, "as planned")) : ok();
        };
        EXPECT_EQ(move_database(*device.databases(), request).error().code, Code::cancelled);
        {
            Device other(TASKSTORE_DRIVERS_HERE);
            other.place = pair.primary_place();
            OpenTasks(other).add("b");
        }
        const auto back = undo_move(*device.databases(), to(device, pair.replica_place()));
        ASSERT_TRUE(back) << back.error().message;
        EXPECT_FALSE(back->reopened);
        EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a", "b"));
    });
}

TEST(Replica, ARestoreWritesOverWhatTheReplicaDoesNotShow) {
    until_it_lags([](const Pair& pair) {
        Device device(TASKSTORE_DRIVERS_HERE);
        device.place = pair.replica_place();
        OpenTasks tasks(device);
        tasks.add("a");
        ASSERT_TRUE(back_up(*device.databases(), DatabaseName::tasks, device.folder / "t.zst", {}));
        pair.begin_to_lag();
        tasks.add("later");
        const auto restored =
            restore(*device.databases(), {.path = device.folder / "t.zst", .replace = true});
        ASSERT_TRUE(restored) << restored.error().message;
        device.place = pair.primary_place();
        EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a"));
    });
}

}  // namespace
}  // namespace taskstore::store
