// What a server refuses, provoked on a real one: each SQLSTATE that a program meets, with the code
// that callers act on.

#include "errors.hpp"
#include "sandbox.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

namespace taskstore::postgres {
namespace {

using testing::HasSubstr;

/// Small limits, so that they are met.
class Refusals : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        x_server = must(start_postgres(
            {.settings = {"max_connections=8", "superuser_reserved_connections=1",
                          "max_locks_per_transaction=10", "deadlock_timeout=20ms"}}));
        make_plain_user(*x_server);
    }
    static void TearDownTestSuite() { x_server.reset(); }

    static Result<std::unique_ptr<sql::Connection>> connect(const std::string& more = {}) {
        static Driver driver({.clock = &real_clock(), .schema = "codes"});
        return driver.connect(plain_location(*x_server) + more, {});
    }
    static std::unique_ptr<sql::Connection> session() { return must(connect()); }
    static void expect(const Status& status, std::string_view sqlstate, Code code) {
        ASSERT_FALSE(status);
        EXPECT_EQ(status.error().native, native_of(sqlstate)) << status.error().message;
        EXPECT_EQ(status.error().code, code) << status.error().message;
    }

    static std::unique_ptr<Server> x_server;
};
std::unique_ptr<Server> Refusals::x_server;

TEST_F(Refusals, StatementsThatAreWrong) {
    const auto connection = session();
    must(connection->execute(
        "CREATE TEMP TABLE t (id BIGINT PRIMARY KEY, n SMALLINT NOT NULL CHECK (n < 9))"));
    const struct {
        const char* sql;
        const char* sqlstate;
        Code code;
    } kCases[] = {{"SELEC 1", "42601", Code::invalid},
                  {"SELECT * FROM nowhere", "42P01", Code::invalid},
                  {"SELECT nothing FROM t", "42703", Code::invalid},
                  {"SELECT 1 / 0", "22012", Code::invalid},
                  {"SELECT 'x'::int", "22P02", Code::invalid},
                  {"INSERT INTO t VALUES (1, NULL)", "23502", Code::conflict},
                  {"INSERT INTO t VALUES (1, 10)", "23514", Code::conflict},
                  {"INSERT INTO t VALUES (1, 1), (1, 1)", "23505", Code::conflict},
                  {"INSERT INTO t VALUES (1, 99999)", "22003", Code::invalid},
                  {"CREATE TABLE pg_catalog.t (x INT)", "42501", Code::denied},
                  {"SET ROLE postgres", "42501", Code::denied},
                  {"DO $$ BEGIN RAISE EXCEPTION 'a rule'; END $$", "P0001", Code::conflict}};
    for (const auto& one : kCases) {
        SCOPED_TRACE(one.sql);
        expect(connection->execute(one.sql), one.sqlstate, one.code);
    }
}

TEST_F(Refusals, WhatASessionMayNot) {
    const auto connection = session();
    must(connection->execute("SET default_transaction_read_only = on"));
    expect(connection->execute("CREATE TABLE t (x INT)"), "25006", Code::denied);
    must(connection->execute("SET statement_timeout = '10ms'"));
    expect(connection->execute("SELECT pg_sleep(60)"), "57014", Code::cancelled);
}

TEST_F(Refusals, LocksThatOthersHold) {
    const auto first = session();
    const auto second = session();
    must(first->execute("CREATE TABLE held (id BIGINT PRIMARY KEY, n BIGINT)"));
    must(first->execute("INSERT INTO held VALUES (1, 0), (2, 0)"));
    must(first->begin_write());
    must(first->execute("UPDATE held SET n = 1 WHERE id = 1"));
    must(second->execute("SET lock_timeout = '10ms'"));
    expect(second->execute("UPDATE held SET n = 2 WHERE id = 1"), "55P03", Code::unavailable);
    must(second->execute("SET lock_timeout = 0"));
    // Two that wait for each other: one of them is the victim.
    must(second->begin_write());
    must(second->execute("UPDATE held SET n = 2 WHERE id = 2"));
    Status crossed = ok();
    Status waited = ok();
    {
        std::jthread other(
            [&] { crossed = second->execute("UPDATE held SET n = 2 WHERE id = 1"); });
        waited = first->execute("UPDATE held SET n = 1 WHERE id = 2");
        if (!waited) first->rollback();
    }
    EXPECT_NE(crossed.has_value(), waited.has_value());
    expect(crossed ? waited : crossed, "40P01", Code::unavailable);
    first->rollback();
    second->rollback();
}

TEST_F(Refusals, TransactionsThatCannotBeInARow) {
    const auto first = session();
    const auto second = session();
    must(first->execute("CREATE TABLE row_of (n BIGINT)"));
    must(first->execute("INSERT INTO row_of VALUES (0)"));
    must(first->execute("BEGIN ISOLATION LEVEL REPEATABLE READ"));
    must(first->execute("SELECT n FROM row_of"));
    must(second->execute("UPDATE row_of SET n = 1"));
    expect(first->execute("UPDATE row_of SET n = 2"), "40001", Code::unavailable);
    expect(first->execute("SELECT 1"), "25P02", Code::failed);
    first->rollback();
}

TEST_F(Refusals, MemoryThatIsShort) {
    const auto connection = session();
    // The table of locks: about (8 + …) * 10 places.
    expect(
        connection->execute("DO $$ BEGIN FOR i IN 1..5000 LOOP EXECUTE format('CREATE TEMP TABLE "
                            "t%s (x INT)', i); END LOOP; END $$"),
        "53200", Code::failed);
}

TEST_F(Refusals, SessionsThatAreTooManyAndSessionsThatAreEnded) {
    std::vector<std::unique_ptr<sql::Connection>> sessions;
    Status refused = ok();
    while (refused && sessions.size() < 16) {
        auto made = connect();
        if (made)
            sessions.push_back(std::move(*made));
        else
            refused = fail(made.error());
    }
    expect(refused, "53300", Code::unavailable);
    sessions.resize(1);
    as_superuser(*x_server,
                 "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = "
                 "'plain'");
    const Status ended = sessions.front()->execute("SELECT 1");
    ASSERT_FALSE(ended);
    EXPECT_EQ(ended.error().code, Code::unavailable) << ended.error().message;
}

TEST_F(Refusals, DatabasesAndRolesThatAreNotThere) {
    static Driver driver({.clock = &real_clock(), .schema = "codes"});
    const auto refusal = [&](const std::string& user, const std::string& database) {
        auto made = driver.connect(postgres_location(*x_server, user, database), {});
        return made ? ok() : Status(fail(made.error()));
    };
    expect(refusal("plain", "nowhere"), "3D000", Code::not_found);
    expect(refusal("nobody", "taskstore"), "28000", Code::denied);
    as_superuser(*x_server, "ALTER DATABASE taskstore ALLOW_CONNECTIONS false");
    expect(refusal("plain", "taskstore"), "55000", Code::failed);
    as_superuser(*x_server, "ALTER DATABASE taskstore ALLOW_CONNECTIONS true");
}

}  // namespace
}  // namespace taskstore::postgres
