// What closes a place is as safe as its server can make it, before anything hangs on it.

#include "servers.hpp"

#include <gmock/gmock.h>

#include <thread>

namespace taskstore::store {
namespace {

/// A server whose standbys the test names.
class Standbys : public testing::Test {
  protected:
    Standbys() {
        make_plain_role(*x_server);
        x_device.place = make_plain_database(*x_server, "tasks");
        x_databases = x_device.databases();
    }
    /// Of the superuser.
    std::unique_ptr<sql::Connection> session() {
        return must(x_databases->connect(
            DatabaseName::tasks, must(sql::parse_location(as_role(x_device.place, "postgres"))),
            {.read_only = false}));
    }
    static std::string one(sql::Connection& connection, std::string_view text) {
        const sql::BoundStatement asked{.sql = text};
        return std::get<std::string>(must(sql::run_batch(connection, {&asked, 1}))[0].rows[0][0]);
    }
    /// Sessions that begin from now on have them.
    void name_them(const std::string& names) {
        const auto connection = session();
        EXPECT_TRUE(
            connection->execute("ALTER SYSTEM SET synchronous_standby_names = '" + names + "'"));
        EXPECT_TRUE(connection->execute("SELECT pg_reload_conf()"));
        while (one(*session(), "SELECT current_setting('synchronous_standby_names')") != names) {
        }
    }
    /// As people do who want to go on: no commit waits for a standby for long.
    std::jthread break_waits_off() {
        return std::jthread([connection = session()](const std::stop_token& stop) {
            while (!stop.stop_requested())
                EXPECT_TRUE(connection->execute(
                    "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = "
                    "'SyncRep'"));
        });
    }

    std::unique_ptr<Server> x_server = must(start_postgres({.fsync = true}));
    Device x_device{TASKSTORE_DRIVERS_HERE};
    std::unique_ptr<Databases> x_databases;
};

TEST_F(Standbys, ACommitThatTheyHaveNotIsTold) {
    OpenTasks(x_device).add("a");
    name_them("nobody");
    const std::jthread breaking = break_waits_off();
    const auto database = must(x_databases->open(DatabaseName::tasks));
    const auto store = tasks::make_task_store(*database, x_device.clock, x_device.random);
    EXPECT_EQ(must(store->create_task({.title = "b"})).level, sql::DurabilityLevel::flushed);
}

TEST_F(Standbys, ASealThatTheyHaveNotIsNoLicence) {
    OpenTasks(x_device).add("a");
    const MoveRequest again = x_device.move_to("new.db");
    MoveRequest request = again;
    request.after_step_for_testing = [&](MoveStep step) {
        if (step == MoveStep::sealing) name_them("nobody");
        return ok();
    };
    {
        const std::jthread breaking = break_waits_off();
        for (const MoveRequest& one : {request, again}) {
            const auto moved = move_database(*x_databases, one);
            ASSERT_FALSE(moved);
            EXPECT_EQ(moved.error().code, Code::unavailable) << moved.error().message;
            EXPECT_THAT(moved.error().message, testing::HasSubstr("standby"));
            EXPECT_TRUE(x_device.identity_at(x_device.place).moved_to);
            EXPECT_TRUE(x_device.identity_at(x_device.folder / "new.db").incoming_from);
        }
    }
    name_them("");
    const auto moved = move_database(*x_databases, again);
    ASSERT_TRUE(moved) << moved.error().message;
    EXPECT_TRUE(x_device.identity_at(x_device.folder / "new.db").is_live());
}

// Where rows need no standby, what closes the place waits for one all the same.
TEST_F(Standbys, ASealWaitsForThemWhateverTheRowsDo) {
    OpenTasks(x_device).add("a");
    EXPECT_TRUE(session()->execute("ALTER ROLE plain SET synchronous_commit = 'local'"));
    name_them("nobody");
    OpenTasks(x_device).add("waits for nobody");
    const std::jthread breaking = break_waits_off();
    const auto moved = move_database(*x_databases, x_device.move_to("new.db"));
    ASSERT_FALSE(moved);
    EXPECT_EQ(moved.error().code, Code::unavailable) << moved.error().message;
    EXPECT_TRUE(x_device.identity_at(x_device.folder / "new.db").incoming_from);
    EXPECT_TRUE(session()->execute("ALTER ROLE plain RESET synchronous_commit"));
}

}  // namespace
}  // namespace taskstore::store
