// Servers that speak as PostgreSQL does and lack some of it: what docs/operating/postgres.md says
// happens then. Here the server refuses it.

#include "servers.hpp"

#include <gmock/gmock.h>
#include <taskstore/testing/proxy.hpp>

#include <thread>

namespace taskstore::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// A database of the plain role, and the superuser in it.
class Lacking : public testing::Test {
  protected:
    void SetUp() override {
        x_device.place = servers->fresh(sql::Engine::postgres);
        x_superuser = must(x_databases->connect(
            DatabaseName::tasks, must(sql::parse_location(as_role(x_device.place, "postgres"))),
            {.read_only = false, .create = true}));
        ASSERT_TRUE(x_superuser->execute("DROP SCHEMA tasks"));
    }
    /// Refuses the triggers whose statement that pattern finds.
    void refuse_triggers(const std::string& pattern) {
        const auto refused = x_superuser->execute(
            "CREATE FUNCTION public.refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN "
            "IF current_query() ~ '" +
            pattern +
            "' THEN RAISE EXCEPTION 'triggers are not supported here' USING ERRCODE = '0A000'; "
            "END IF; END $$; CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN "
            "('CREATE TRIGGER') EXECUTE FUNCTION public.refuse()");
        ASSERT_TRUE(refused) << refused.error().message;
    }
    std::unique_ptr<sql::Database> opened(const std::string& place) {
        return must(x_databases->open_at(DatabaseName::tasks, must(sql::parse_location(place))));
    }

    Device x_device{TASKSTORE_DRIVERS_HERE};
    std::unique_ptr<Databases> x_databases = x_device.databases();
    std::unique_ptr<sql::Connection> x_superuser;
};

TEST_F(Lacking, WithoutPlpgsqlTasksAreNotKeptThere) {
    ASSERT_TRUE(x_superuser->execute("REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC"));
    const auto refused = x_device.databases()->open(DatabaseName::tasks);
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::unsupported) << refused.error().message;
    EXPECT_THAT(refused.error().message, HasSubstr("PL/pgSQL"));
    EXPECT_THAT(refused.error().hint, HasSubstr("CREATE EXTENSION plpgsql"));
    ASSERT_TRUE(x_superuser->execute("GRANT USAGE ON LANGUAGE plpgsql TO PUBLIC"));
    OpenTasks(x_device).add("a");
}

// As distributed tables of Citus: others have triggers, these have not.
TEST_F(Lacking, TablesThatRefuseTriggersKeepTheirDatabaseWhereItIs) {
    OpenTasks tasks(x_device);
    tasks.add("a");
    refuse_triggers("CREATE TRIGGER taskstore_[a-z_]* BEFORE [A-Z]* ON tasks ");
    const MoveRequest away = x_device.move_to("new.db");
    const auto moved = move_database(*x_device.databases(), away);
    ASSERT_FALSE(moved);
    EXPECT_EQ(moved.error().code, Code::unsupported) << moved.error().message;
    EXPECT_FALSE(x_device.files.info(x_device.folder / "home/move-tasks.json"))
        << "before anything is changed";
    const std::string backup = x_device.folder / "t.zst";
    ASSERT_TRUE(back_up(*x_device.databases(), DatabaseName::tasks, backup, {}));
    EXPECT_EQ(restore(*x_device.databases(), {.path = backup, .replace = true}).error().code,
              Code::unsupported);
    tasks.add("b");
    EXPECT_THAT(tasks.titles(), ElementsAre("a", "b"));
    ASSERT_TRUE(x_superuser->execute("DROP EVENT TRIGGER refuse"));
    ASSERT_TRUE(move_database(*x_device.databases(), away));
}

// As CockroachDB: the functions are there, and do nothing.
TEST_F(Lacking, ManyThatStartAtOnceWithLocksThatDoNotLockFindOneSchema) {
    ASSERT_TRUE(x_superuser->execute(
        "ALTER FUNCTION pg_catalog.pg_advisory_xact_lock(bigint) RENAME TO lacking_lock; CREATE "
        "FUNCTION pg_catalog.pg_advisory_xact_lock(bigint) RETURNS void LANGUAGE sql AS ''"));
    std::array<Status, 6> told;
    {
        std::vector<std::jthread> threads;
        for (Status& one : told)
            threads.emplace_back([&] {
                const auto opened = x_device.databases()->open(DatabaseName::tasks);
                one = opened ? ok() : Status(fail(opened.error()));
            });
    }
    for (const Status& one : told) EXPECT_TRUE(one) << one.error().message;
    OpenTasks(x_device).add("a");
}

TEST_F(Lacking, WhoFindsTheSchemaBeingMadeTakesItAsItIs) {
    const auto looker = must(x_databases->connect(
        DatabaseName::tasks, must(sql::parse_location(as_role(x_device.place, "postgres"))),
        {.read_only = false, .create = true}));
    ASSERT_TRUE(looker->execute("DROP SCHEMA IF EXISTS tasks"));
    ASSERT_TRUE(x_superuser->begin_write());
    ASSERT_TRUE(x_superuser->execute("CREATE SCHEMA tasks AUTHORIZATION plain"));
    Status told = ok();
    {
        const std::jthread opener([&] {
            const auto opened = x_device.databases()->open(DatabaseName::tasks);
            told = opened ? ok() : Status(fail(opened.error()));
        });
        wait_until_one_waits(*looker);
        ASSERT_TRUE(x_superuser->commit());
    }
    EXPECT_TRUE(told) << told.error().message;
    OpenTasks(x_device).add("a");
}

// As on servers without numbers of transactions: nobody can be asked what became of a COMMIT.
TEST_F(Lacking, ALostCommitIsInDoubtWhereTransactionsHaveNoNumbers) {
    ASSERT_TRUE(x_superuser->execute(
        "REVOKE EXECUTE ON FUNCTION pg_catalog.pg_control_system() FROM PUBLIC"));
    {
        OpenTasks(x_device).add("a");
    }
    const auto proxy = must(Proxy::start(servers->port(sql::Engine::postgres)));
    const auto database =
        opened(through(*proxy, x_device.place, servers->port(sql::Engine::postgres)));
    const std::vector<sql::BoundStatement> batch{{.sql = "DELETE FROM task_limits"}};
    ASSERT_TRUE(database->write_batch(batch));
    proxy->cut_at(Proxy::to_client, "COMMIT", /*before=*/true);
    const auto lost = database->write_batch(batch);
    ASSERT_FALSE(lost);
    EXPECT_EQ(lost.error().code, Code::outcome_unknown) << lost.error().message;
    EXPECT_TRUE(database->write_batch(batch));
}

}  // namespace
}  // namespace taskstore::store
