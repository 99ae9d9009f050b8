// What lies between us and the server breaks. After each fault: what was acknowledged is there,
// what failed is not, what is unknown is either, and nothing is there twice.

#include "faults.hpp"

#include <gmock/gmock.h>

#include <functional>

namespace taskstore::postgres {
namespace {

// --- servers that go
// ------------------------------------------------------------------------------------------

TEST(ServerFaults, AKilledServerLosesNothingAndIsMetWithinASecond) {
    const auto server = must(start_postgres({.fsync = true, .settings = {kQuickRecovery}}));
    make_plain_user(*server);
    const auto database = open(plain_location(*server), "main", {.pool = {.max_connections = 4}});
    execute(*database, kCreate);
    Ledger ledger;
    {
        Load load(*database, ledger, 8);
        kill_again_and_again(*server, load, 2);
        server->stop();  // Sessions are ended, and say so.
        start_again(*server);
        const auto back = steady_clock::now();
        load.wait_for_successes(1);
        EXPECT_LT(ms_since(back), 1'000);
    }
    compare_and_expect_no_failure(ledger, *database);
}

TEST(ServerFaults, APromotedStandbyHasEverythingThatWasAcknowledged) {
    const auto primary = must(start_postgres({.fsync = true}));
    make_plain_user(*primary);
    const std::string programs = must(postgres_programs());
    const auto standby = must(start_postgres(
        {.fsync = true,
         .prepare = {
             {programs + "pg_basebackup", "--pgdata={folder}/data", "--write-recovery-conf",
              "--wal-method=stream", "--checkpoint=fast", "--no-sync",
              "--dbname=host=127.0.0.1 user=postgres port=" + std::to_string(primary->port())}}}));
    as_superuser(*primary, "ALTER SYSTEM SET synchronous_standby_names = '*'");
    as_superuser(*primary, "SELECT pg_reload_conf()");
    const std::string location = "postgresql://plain@127.0.0.1:" + std::to_string(primary->port()) +
                                 ",127.0.0.1:" + std::to_string(standby->port()) +
                                 "/taskstore?target_session_attrs=read-write";
    Ledger ledger;
    // A setting that was just reloaded reaches new sessions a moment later.
    auto database = open(location, "main");
    execute(*database, kCreate);
    while (must(database->write_batch(insert(-1))).level != sql::DurabilityLevel::replicated)
        database = open(location, "main");
    {
        Load load(*database, ledger, 8);
        load.wait_for_successes(100);
        primary->kill();
        must(standby->run({programs + "pg_ctl", "promote", "--pgdata={folder}/data"}));
        load.wait_for_successes(100);
    }
    ledger.compare(*database);
    EXPECT_EQ(must(database->write_batch(insert(-2))).level, sql::DurabilityLevel::flushed)
        << "the new primary has no standby";
}

TEST(ServerFaults, AFullDiskFailsTheWriteAndNothingElse) {
    const auto server = must(start_postgres({.fsync = true, .file_kib_max = 4 * 1024}));
    make_plain_user(*server);
    const auto database = open(plain_location(*server), "main");
    execute(*database, kCreate);
    execute(*database, "CREATE TABLE large (id BIGINT, bytes BYTEA)");
    execute(*database, "ALTER TABLE large ALTER COLUMN bytes SET STORAGE EXTERNAL");
    Ledger ledger;
    std::int64_t id = 0;
    std::optional<Error> refused;
    while (!refused && id < 64) {
        ++id;
        auto batch = insert(id);
        batch.push_back({.sql = "INSERT INTO large VALUES (?1, ?2)",
                         .values = {id, sql::Blob{std::string(1 << 20, 'x')}}});
        const auto told = database->write_batch(batch);
        ledger.note(id, told);
        if (!told) refused = told.error();
    }
    ASSERT_TRUE(refused);
    EXPECT_EQ(refused->code, Code::failed) << refused->message;
    EXPECT_TRUE(database->write_batch(insert(++id))) << "small ones still fit";
    ledger.compare(*database);
    EXPECT_EQ(number(*database, "SELECT count(*) FROM large"), ledger.count(std::nullopt));
}

// --- deadlines
// ------------------------------------------------------------------------------------------------

TEST(Deadlines, NoThreadIsStuckPastItsDeadline) {
    const auto proxy = must(Proxy::start(shared_server().port()));
    const std::string schema = fresh_schema();
    const auto database = open(through(*proxy), schema, {.pool = {.max_connections = 2}});
    execute(*database, kCreate);
    const std::vector<sql::BoundStatement> select{{.sql = "SELECT 1"}};
    const sql::Work work = [](sql::Connection& connection) {
        return connection.execute("INSERT INTO notes VALUES (-1)");
    };
    const std::vector<std::function<Code(std::int64_t)>> calls{
        [&](std::int64_t until) {
            return database->write(work, {.deadline_boot_ns = until}).error().code;
        },
        [&](std::int64_t until) {
            return database->write_batch(insert(1), {.deadline_boot_ns = until}).error().code;
        },
        [&](std::int64_t until) {
            return database->read(work, {.deadline_boot_ns = until}).error().code;
        },
        [&](std::int64_t until) {
            return database->read_batch(select, {.deadline_boot_ns = until}).error().code;
        }};
    for (const auto& call : calls) {
        proxy->heal();
        execute(*database, "SELECT 1");  // A connection is there again.
        for (const auto direction : {Proxy::to_client, Proxy::to_server}) {
            proxy->hold(direction, true);
            std::vector<std::jthread> threads;
            for (int t = 0; t < 4; ++t) {
                threads.emplace_back([&] {
                    const auto start = steady_clock::now();
                    const Code code = call(in_ms(150));
                    // unavailable: a kept connection was found dead so late that no pause fitted
                    // in before the deadline.
                    EXPECT_TRUE(code == Code::timed_out || code == Code::outcome_unknown ||
                                code == Code::unavailable || code == Code::denied)
                        << name_of(code);
                    // All other waits of the driver end after 2 s or more.
                    EXPECT_LT(ms_since(start), 150 + 1'500);
                });
            }
            threads.clear();
            proxy->heal();
            proxy->cut_all();
        }
    }
}

TEST(Deadlines, TheServerEndsTheStatementToo) {
    const std::string schema = fresh_schema();
    const auto database = open(plain_location(shared_server()), schema);
    const std::vector<sql::BoundStatement> sleep{{.sql = "SELECT pg_sleep(20)"}};
    const auto start = steady_clock::now();
    EXPECT_EQ(database->read_batch(sleep, {.deadline_boot_ns = in_ms(100)}).error().code,
              Code::timed_out);
    EXPECT_LT(ms_since(start), 1'000);
    const auto watcher = open(postgres_location(shared_server()), "main");
    while (number(*watcher,
                  "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(20)%' AND "
                  "state = 'active' AND pid <> pg_backend_pid()") != 0)
        ASSERT_LT(ms_since(start), 5'000);
}

TEST(Deadlines, TheStatementTimeoutCancels) {
    const auto database = open(plain_location(shared_server()), fresh_schema(),
                               {.pool = {.statement_timeout_ms = 50}});
    const std::vector<sql::BoundStatement> sleep{{.sql = "SELECT pg_sleep(20)"}};
    EXPECT_EQ(database->read_batch(sleep).error().code, Code::cancelled);
    EXPECT_EQ(number(*database, "SELECT 1"), 1);
}

TEST(Deadlines, AnInterruptEndsTheStatementOfAnotherThread) {
    Driver driver({.clock = &real_clock(), .schema = fresh_schema()});
    const auto connection = must(driver.connect(plain_location(shared_server()), {}));
    const auto start = steady_clock::now();
    std::atomic<bool> done{false};
    std::jthread interrupter([&] {
        while (!done.load()) connection->interrupt();  // Nothing, until something runs.
    });
    EXPECT_EQ(connection->execute("SELECT pg_sleep(20)").error().code, Code::cancelled);
    done.store(true);
    EXPECT_LT(ms_since(start), 5'000);
}

// --- the pool
// -------------------------------------------------------------------------------------------------

TEST(PoolLimits, WhoFindsNoConnectionIsToldHowManyAreInUse) {
    std::string told;
    const auto database = open(plain_location(shared_server()), fresh_schema(),
                               {.pool = {.max_connections = 1, .acquire_timeout_seconds = 1},
                                .tell = [&](std::string_view line) { told = line; }});
    std::atomic<bool> inside{false};
    std::atomic<bool> leave{false};
    std::jthread holder([&] {
        EXPECT_TRUE(database->read([&](sql::Connection&) {
            inside.store(true);
            inside.notify_all();
            leave.wait(false);
            return ok();
        }));
    });
    inside.wait(false);
    const auto start = steady_clock::now();
    const auto refused =
        database->write_batch(std::vector<sql::BoundStatement>{{.sql = "SELECT 1"}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::unavailable);
    EXPECT_THAT(refused.error().message, testing::HasSubstr("1 of at most 1 are in use"));
    EXPECT_GE(ms_since(start), 1'000);
    const std::vector<sql::BoundStatement> select{{.sql = "SELECT 1"}};
    EXPECT_EQ(database->read_batch(select, {.deadline_boot_ns = in_ms(30)}).error().code,
              Code::timed_out);
    std::jthread slow([&] { EXPECT_TRUE(database->read_batch(select)); });
    // Longer than slow_acquire_threshold_ms.
    EXPECT_EQ(database->read_batch(select, {.deadline_boot_ns = in_ms(600)}).error().code,
              Code::timed_out);
    leave.store(true);
    leave.notify_all();
    slow.join();
    EXPECT_THAT(told, testing::HasSubstr("ms for a connection"));
}

/// What the pool tells while somebody waits for its only connection, for more than `wait_ms`.
std::string told_of_a_wait(const sql::PoolOptions& pool, std::int64_t wait_ms) {
    std::string told;
    const auto database = open(plain_location(shared_server()), fresh_schema(),
                               {.pool = pool, .tell = [&](std::string_view line) { told = line; }});
    const std::vector<sql::BoundStatement> select{{.sql = "SELECT 1"}};
    std::jthread waiter;
    EXPECT_TRUE(database->read([&](sql::Connection&) {
        waiter = std::jthread([&] { EXPECT_TRUE(database->read_batch(select)); });
        const auto stands_in_line = [&] {
            const auto late = database->read_batch(select, {.deadline_boot_ns = in_ms(1)});
            return late.error().message.find("and 1 others wait") != std::string::npos;
        };
        while (!stands_in_line()) {
        }
        const auto stood = steady_clock::now();
        while (ms_since(stood) <= wait_ms) std::this_thread::yield();
        return ok();
    }));
    waiter.join();
    return told;
}

TEST(PoolLimits, ASlowWaitForAConnectionIsToldAndAFastOneIsNot) {
    EXPECT_THAT(told_of_a_wait({.max_connections = 1, .slow_acquire_threshold_ms = 2}, 2),
                testing::HasSubstr("ms for a connection; 1 are open"));
    EXPECT_EQ(told_of_a_wait({.max_connections = 1, .slow_acquire_threshold_ms = 3'600'000}, 2),
              "");
}

std::int64_t sessions_of(sql::Database& watcher, const std::string& role) {
    return number(watcher, "SELECT count(*) FROM pg_stat_activity WHERE usename = '" + role + "'");
}

TEST(PoolLimits, IdleAndOldConnectionsAreClosedAndAFewKept) {
    as_superuser(shared_server(),
                 "CREATE ROLE pooled LOGIN; GRANT CREATE ON DATABASE taskstore TO pooled");
    const auto watcher = open(postgres_location(shared_server()), "main");
    const auto location = postgres_location(shared_server(), "pooled", "taskstore");
    const auto database =
        open(location, fresh_schema(),
             {.pool = {.max_connections = 5, .min_connections = 2, .idle_timeout_seconds = 0}});
    {
        std::vector<std::jthread> threads;
        std::atomic<int> inside{0};
        for (int t = 0; t < 5; ++t) {
            threads.emplace_back([&] {
                EXPECT_TRUE(database->read([&](sql::Connection& connection) {
                    inside.fetch_add(1);
                    while (inside.load() < 5) std::this_thread::yield();
                    return connection.execute("SELECT 1");
                }));
            });
        }
    }
    const auto start = steady_clock::now();
    while (sessions_of(*watcher, "pooled") != 2) ASSERT_LT(ms_since(start), 10'000);
    as_superuser(shared_server(),
                 "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'pooled'");
    while (sessions_of(*watcher, "pooled") != 2) ASSERT_LT(ms_since(start), 20'000);
    EXPECT_EQ(number(*database, "SELECT 1"), 1);
}

}  // namespace
}  // namespace taskstore::postgres
