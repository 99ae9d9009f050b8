// What this driver does beyond the port's contract: groups, waiters, sessions, what is told.

#include "sandbox.hpp"

#include <gmock/gmock.h>
#include <taskstore/sql/migration.hpp>
#include <taskstore/testing/proxy.hpp>

#include <atomic>
#include <thread>

namespace taskstore::postgres {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::string_view kInsert = "INSERT INTO notes (id, text) VALUES (?1, ?2)";
constexpr std::string_view kInsertMany =
    "INSERT INTO notes (id, text) SELECT * FROM unnest(?1::bigint[], ?2::text[])";
const std::string kCreate = "CREATE TABLE notes (id BIGINT PRIMARY KEY, text TEXT COLLATE \"C\")";

std::vector<sql::BoundStatement> insert(std::int64_t id, sql::Value text = std::string("x")) {
    return {{.sql = kInsert, .values = {id, std::move(text)}, .set_based = kInsertMany}};
}

std::string through(const Proxy& proxy) {
    return "postgresql://plain@127.0.0.1:" + std::to_string(proxy.port()) + "/taskstore";
}

std::size_t count_of(const std::string& text, std::string_view what) {
    std::size_t count = 0;
    for (std::size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1))
        ++count;
    return count;
}

/// A database behind a proxy, whose batches can be made to meet in one group.
class Grouped : public testing::Test {
  protected:
    void SetUp() override {
        x_proxy = must(Proxy::start(shared_server().port()));
        x_database = open(through(*x_proxy), x_schema,
                          {.pool = {.max_connections = 1}, .queued_for_testing = [this] {
                               x_queued.fetch_add(1);
                               x_queued.notify_all();
                           }});
        execute(*x_database, kCreate);
    }

    /// All `batches` wait while the leader before them has no answer yet.
    std::vector<Result<sql::Committed>> together(
        const std::vector<std::vector<sql::BoundStatement>>& batches,
        const sql::WriteOptions& options = {}) {
        std::vector<Result<sql::Committed>> told(batches.size(), sql::Committed{});
        std::vector<std::jthread> threads;
        x_proxy->hold(Proxy::to_client, true);
        int before = x_queued.load();
        threads.emplace_back(
            [&] { EXPECT_TRUE(x_database->write_batch(insert(-1 - ++x_leaders))); });
        x_queued.wait(before);
        for (std::size_t i = 0; i < batches.size(); ++i) {
            before = x_queued.load();
            threads.emplace_back(
                [&, i] { told[i] = x_database->write_batch(batches[i], options); });
            x_queued.wait(before);
        }
        x_proxy->mark();
        x_proxy->hold(Proxy::to_client, false);
        threads.clear();
        return told;
    }
    std::int64_t count(const std::string& where) {
        return number(*x_database, "SELECT count(*) FROM notes WHERE " + where);
    }

    const std::string x_schema = fresh_schema();
    std::unique_ptr<Proxy> x_proxy;
    std::atomic<int> x_queued{0};
    int x_leaders = 0;
    std::unique_ptr<sql::Database> x_database;
};

TEST_F(Grouped, LoneStatementsOfOneFormAreSentAsOne) {
    std::vector<std::vector<sql::BoundStatement>> batches;
    for (std::int64_t id = 0; id < 20; ++id) batches.push_back(insert(id));
    batches.push_back(insert(20, std::monostate{}));
    for (const auto& told : together(batches)) {
        ASSERT_TRUE(told) << told.error().message;
        EXPECT_EQ(told->answers.front().changes, 1);
    }
    EXPECT_EQ(count("id >= 0"), 21);
    EXPECT_EQ(count("text IS NULL"), 1);
    EXPECT_LE(count_of(x_proxy->recorded(Proxy::to_client), "INSERT 0 "), 3U);
}

TEST_F(Grouped, BatchesOfTheSameFormsMeetStatementByStatement) {
    const auto made_and_read = [](std::int64_t id, std::int64_t reads) {
        auto batch = insert(id, "of " + std::to_string(id));
        batch.push_back({.sql = "SELECT text, id FROM notes WHERE id = ?1",
                         .values = {reads},
                         .set_based = "SELECT n.number, text, id FROM unnest(?1::bigint[]) WITH "
                                      "ORDINALITY AS n (of_note, number) JOIN notes ON id = "
                                      "n.of_note"});
        return batch;
    };
    std::vector<std::vector<sql::BoundStatement>> batches;
    for (std::int64_t id = 0; id < 8; ++id) batches.push_back(made_and_read(id, id == 3 ? 99 : id));
    const auto told = together(batches);
    EXPECT_EQ(count_of(x_proxy->recorded(Proxy::to_client), std::string("INSERT 0 8\0", 11)), 1U);
    for (std::size_t i = 0; i < told.size(); ++i) {
        ASSERT_TRUE(told[i]) << told[i].error().message;
        const sql::Rows& read = told[i]->answers[1];
        EXPECT_EQ(read.columns.list(), (std::vector<std::string>{"text", "id"}));
        ASSERT_EQ(read.rows.size(), i == 3 ? 0U : 1U);
        if (i == 3) continue;
        EXPECT_EQ(read.rows[0][0], sql::Value("of " + std::to_string(i)));
        EXPECT_EQ(read.rows[0][1], sql::Value(static_cast<std::int64_t>(i)));
    }
    // One of them fails, and is told so alone.
    const auto again = together({made_and_read(20, 20), made_and_read(5, 5), made_and_read(21, 3)});
    EXPECT_TRUE(again[0]);
    EXPECT_EQ(again[1].error().code, Code::conflict);
    ASSERT_TRUE(again[2]);
    EXPECT_EQ(again[2]->answers[1].rows[0][0], sql::Value(std::string("of 3")));
    EXPECT_EQ(count("id >= 0"), 10);
}

TEST_F(Grouped, WhoFailsHarmsNobodyElse) {
    must(x_database->write_batch(insert(3)));
    std::vector<std::vector<sql::BoundStatement>> batches;
    for (std::int64_t id = 0; id < 8; ++id) batches.push_back(insert(id));
    batches.push_back({{.sql = "INSERT INTO nowhere VALUES (1)"}});
    batches.push_back(
        {{.sql = "UPDATE notes SET text = 'y' WHERE id = 99", .changes_expected = 1}});
    batches.push_back({{.sql = "UPDATE notes SET text = 'z' WHERE id = 3", .changes_expected = 1}});
    const auto told = together(batches);
    for (std::size_t i = 0; i < 8; ++i) EXPECT_EQ(static_cast<bool>(told[i]), i != 3) << i;
    EXPECT_EQ(told[3].error().code, Code::conflict);
    EXPECT_EQ(told[8].error().code, Code::invalid);
    EXPECT_EQ(told[9].error().code, Code::conflict);
    EXPECT_TRUE(told[10]);
    EXPECT_EQ(count("id >= 0"), 8);
}

TEST_F(Grouped, TwoThatSwapTheSameStateHaveOneWinner) {
    must(x_database->write_batch(insert(1, std::string("old"))));
    const auto swap = [](const std::string& to) {
        return std::vector<sql::BoundStatement>{
            {.sql = "UPDATE notes SET text = ?1 WHERE id = 1 AND text = 'old'",
             .values = {to},
             .changes_expected = 1,
             .set_based = "UPDATE notes SET text = u.t FROM unnest(?1::text[]) AS u (t) WHERE id = "
                          "1 AND text = 'old'"}};
    };
    const auto told = together({swap("a"), swap("b"), swap("c")});
    EXPECT_EQ(std::ranges::count_if(told, [](const auto& one) { return one.has_value(); }), 1);
    for (const auto& one : told) EXPECT_TRUE(one || one.error().code == Code::conflict);
}

TEST_F(Grouped, AFormThatNumbersRowsThatNobodySentIsAnErrorAndWritesNothing) {
    for (const std::string number : {"99::bigint", "0::bigint", "NULL::bigint", "text"}) {
        const std::string form =
            "INSERT INTO notes (id, text) SELECT u.i, u.t FROM "
            "unnest(?1::bigint[], ?2::text[]) AS u (i, t) RETURNING " +
            number;
        auto first = insert(1);
        auto second = insert(2);
        first[0].set_based = second[0].set_based = form;
        const auto told = together({first, insert(10), second});
        for (const std::size_t i : {0U, 2U}) {
            ASSERT_FALSE(told[i]) << number;
            EXPECT_EQ(told[i].error().code, Code::failed) << told[i].error().message;
        }
        EXPECT_TRUE(told[1]) << "another form goes on";
        EXPECT_EQ(count("id IN (1, 2)"), 0);
        EXPECT_EQ(count("id = 10"), 1);
        execute(*x_database, "DELETE FROM notes");
    }
}

TEST_F(Grouped, StatementsThatAreNotUsedAnyMoreAreForgottenByTheServer) {
    for (int i = 0; i < 60; ++i) {
        const std::string where = " WHERE id = " + std::to_string(i);
        const std::string write = "UPDATE notes SET text = ?1" + where;
        const std::string read = "SELECT id FROM notes" + where;
        for (int time = 0; time < 2; ++time) {
            must(x_database->write_batch(
                std::vector<sql::BoundStatement>{{.sql = write, .values = {std::string("x")}}}));
            must(x_database->read_batch(std::vector<sql::BoundStatement>{{.sql = read}}));
        }
    }
    const auto kept = must(x_database->read_batch(
        std::vector<sql::BoundStatement>{{.sql = "SELECT count(*) FROM pg_prepared_statements"}}));
    EXPECT_LT(std::get<std::int64_t>(kept[0].rows[0][0]), 100);
}

TEST_F(Grouped, ValuesOfUnlikeTypesGoOneByOne) {
    const auto told = together({insert(1),
                                insert(2, std::monostate{}),
                                {{.sql = kInsert,
                                  .values = {std::string("3"), std::string("text")},
                                  .set_based = kInsertMany}}});
    EXPECT_TRUE(told[0]);
    EXPECT_TRUE(told[1]);
    EXPECT_FALSE(told[2]) << "a text is no bigint";
    EXPECT_EQ(count("id > 0"), 2);
}

TEST_F(Grouped, ARowThatAnotherSessionHoldsDelaysItsBatchAlone) {
    must(x_database->write_batch(insert(1)));
    Driver driver({.clock = &real_clock(), .schema = x_schema});
    const auto holder = must(driver.connect(plain_location(shared_server()), {}));
    must(holder->begin_write());
    must(holder->execute("UPDATE notes SET text = 'held' WHERE id = 1"));
    const std::vector<sql::BoundStatement> blocked{
        {.sql = "UPDATE notes SET text = 'b' WHERE id = 1"}};
    const auto database =
        open(plain_location(shared_server()), x_schema, {.pool = {.max_connections = 2}});
    std::jthread waits([&] { EXPECT_TRUE(database->write_batch(blocked)); });
    for (std::int64_t id = 10; id < 30; ++id) EXPECT_TRUE(database->write_batch(insert(id)));
    must(holder->commit());
    waits.join();
    EXPECT_EQ(count("id = 1 AND text = 'b'"), 1);
}

TEST_F(Grouped, TenThousandRowsGoInAFewStatements) {
    constexpr std::int64_t kRows = 10'000;
    std::vector<sql::BoundStatement> batch;
    for (std::int64_t id = 0; id < kRows; ++id) batch.push_back(insert(id).front());
    x_proxy->mark();
    const auto told = x_database->write_batch(batch);
    ASSERT_TRUE(told) << told.error().message;
    EXPECT_EQ(told->answers.size(), static_cast<std::size_t>(kRows));
    EXPECT_EQ(count("id >= 0"), kRows);
    EXPECT_LE(count_of(x_proxy->recorded(Proxy::to_client), "INSERT 0 "), 8U);
    batch.push_back(insert(5).front());
    for (std::size_t i = 0; i + 1 < batch.size(); ++i)
        std::get<std::int64_t>(batch[i].values[0]) += kRows;
    EXPECT_EQ(x_database->write_batch(batch).error().code, Code::conflict);
    EXPECT_EQ(count("id >= 0"), kRows) << "nothing of it is kept";
}

// --- waiters
// ----------------------------------------------------------------------------------------------

TEST_F(Grouped, TheServerNotifiesOnlyWhileSomebodyWaits) {
    const auto notified = [&](std::int64_t id) {
        x_proxy->mark();
        must(x_database->write_batch(insert(id), {.wake = "notes"}));
        // The tag of a SELECT that found a row, or none.
        return count_of(x_proxy->recorded(Proxy::to_client), std::string("SELECT 0\0", 9)) == 0;
    };
    must(x_database->write_batch(insert(1), {.wake = "notes"}));
    EXPECT_FALSE(notified(2));
    {
        const auto waiter = must(x_database->waiter("notes"));
        EXPECT_TRUE(notified(3));
        EXPECT_TRUE(must(waiter->wait(0)));
    }
}

TEST_F(Grouped, ALostSessionOfWaitersIsMadeAgain) {
    const auto waiter = must(x_database->waiter("notes"));
    for (int round = 0; round < 3; ++round) {
        x_proxy->cut_all();
        EXPECT_TRUE(must(waiter->wait(0))) << "told to look";
        std::jthread writer(
            [&] { must(x_database->write_batch(insert(round), {.wake = "notes"})); });
        while (count("id = " + std::to_string(round)) == 0) EXPECT_TRUE(must(waiter->wait(0)));
    }
}

// Who is in a wait when that happens would look by himself after up to 30 s only.
TEST_F(Grouped, WhoWaitsOnASessionThatIsLostIsToldAndHearsOfWhatComesOnTheNextOne) {
    const auto other = open(plain_location(shared_server()), x_schema);
    const auto waiter = must(x_database->waiter("notes"));
    // A deadline that is over: only whom somebody has told anything hears that he is to look.
    const auto wait_until_told = [&] {
        while (!must(waiter->wait(1))) std::this_thread::yield();
    };
    must(other->write_batch(insert(1), {.wake = "notes"}));
    wait_until_told();
    x_proxy->refuse(true);
    x_proxy->cut_all();
    wait_until_told();
    x_proxy->mark();
    x_proxy->heal();
    const auto passed = [&](const std::string& what) {
        return x_proxy->recorded(Proxy::to_client).find(what) != std::string::npos;
    };
    while (!passed("pg_advisory_lock_shared")) wait_until_told();
    must(other->write_batch(insert(2), {.wake = "notes"}));
    while (!passed("taskstore_" + x_schema)) wait_until_told();
    EXPECT_EQ(count("id = 2"), 1);
}

TEST_F(Grouped, SchemasHaveTopicsOfTheirOwn) {
    const auto other = open(plain_location(shared_server()), fresh_schema());
    const auto waiter = must(other->waiter("notes"));
    must(x_database->write_batch(insert(1), {.wake = "notes"}));
    const std::int64_t until = real_clock().boot_ns() + 100'000'000;
    EXPECT_FALSE(must(waiter->wait(until)));
}

// --- sessions
// ---------------------------------------------------------------------------------------------

TEST(Sessions, ErrorsNameThePlaceAndNeverThePassword) {
    const std::string port = std::to_string(shared_server().port());
    const auto error_of = [](const std::string& location) {
        auto opened =
            open_database({.location = location, .clock = &real_clock(), .random = &real_random()});
        return opened ? Error{} : opened.error();
    };
    const Error absent = error_of("postgresql://plain:s3cret@127.0.0.1:" + port + "/nowhere");
    EXPECT_EQ(absent.code, Code::not_found) << absent.message;
    EXPECT_THAT(absent.message, HasSubstr("127.0.0.1:" + port + "/nowhere"));
    EXPECT_THAT(absent.message, Not(HasSubstr("s3cret")));
    EXPECT_THAT(absent.hint, HasSubstr("createdb"));
    EXPECT_NE(absent.native, 0);
    const Error nobody = error_of("postgresql://nobody:s3cret@127.0.0.1:" + port + "/taskstore");
    EXPECT_EQ(nobody.code, Code::denied) << nobody.message;
    const Error closed = error_of("postgresql://plain:s3cret@127.0.0.1:1/taskstore");
    EXPECT_EQ(closed.code, Code::unavailable) << closed.message;
    for (const char* location :
         {"postgresql://plain:s3%zzcret@127.0.0.1/x", "postgresql://plain:s3cret@[::1/x",
          "postgresql://plain:s3cret@h/x?nothing=s3cret",
          "postgresql://plain:s3cret@h:port:s3cret/x", "mysql://plain:s3cret@h/x",
          // Raw signs of a URL: what libpq takes for host, port or database is said nowhere.
          "postgresql://plain:p@s3cret@127.0.0.1:1/x", "postgresql://plain:1/s3cret@127.0.0.1:1/x",
          "postgresql://plain:1/a?b=s3cret@127.0.0.1:1/x", "postgresql://plain:p\"s3%zz@h/x",
          "postgresql://plain:p?s3cret@127.0.0.1:1/x", "postgresql://plain:p#s3cret@127.0.0.1:1/x",
          "postgresql://127.0.0.1:1/x?password=s3#cret?s3/cret@s3"}) {
        const Error error = error_of(location);
        EXPECT_THAT(error.message, Not(HasSubstr("s3"))) << location;
        EXPECT_NE(error.code, Code::outcome_unknown);
    }
}

TEST(Sessions, UnixSocketsAndSeveralHostsAreFound) {
    const Server& server = shared_server();
    const std::string socket = "postgresql://plain@/taskstore?host=" + server.folder() +
                               "&port=" + std::to_string(server.port());
    EXPECT_EQ(number(*open(socket, fresh_schema()), "SELECT 1"), 1);
    const std::string two =
        "postgresql://plain@127.0.0.1:1,127.0.0.1:" + std::to_string(server.port()) + "/taskstore";
    EXPECT_EQ(number(*open(two, fresh_schema()), "SELECT 1"), 1);
}

TEST(Sessions, TextSortsByBytesWhereItIsDeclaredSo) {
    const auto database = open(plain_location(shared_server()), fresh_schema());
    execute(*database, kCreate);
    for (const char* text : {"a", "B", "\xC3\xA4", "Z", "_"})
        must(database->write_batch(insert(static_cast<unsigned char>(text[0]), std::string(text))));
    const std::vector<sql::BoundStatement> select{
        {.sql = "SELECT string_agg(text, '' ORDER BY text) FROM notes"}};
    const auto rows = must(database->read_batch(select));
    EXPECT_EQ(rows[0].rows[0][0], sql::Value(std::string("BZ_a\xC3\xA4")));
}

TEST(Sessions, AReadCannotBeTalkedIntoWriting) {
    const auto database = open(plain_location(shared_server()), fresh_schema());
    execute(*database, kCreate);
    Driver driver({.clock = &real_clock(), .schema = fresh_schema()});
    must(driver.connect(plain_location(shared_server()), {}));
    const auto connection =
        must(driver.connect(plain_location(shared_server()), {.read_only = true}));
    for (const char* sql :
         {"SET default_transaction_read_only = off",
          "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
          "BEGIN READ WRITE",
          "START TRANSACTION READ WRITE",
          "RESET ALL",
          "DISCARD ALL",
          "SELECT set_config('default_transaction_read_only', 'off', false)",
          "SELECT pg_catalog.set_config('transaction_read_only', 'off', true)",
          "SELECT lo_create(0)",
          "SELECT lo_from_bytea(0, 'x')",
          "DO $$ BEGIN END $$",
          "CALL nothing()",
          "EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1",
          "COPY (SELECT 1) TO STDOUT",
          "SELECT 1 INTO y",
          "WITH a AS (INSERT INTO notes VALUES (1) RETURNING 1) SELECT * FROM a",
          "PREPARE p AS DELETE FROM notes",
          "VACUUM",
          "NOTIFY x",
          "SELECT U&\"set\\005fconfig\"('default_transaction_read_only', 'off', false)",
          "SELECT query_to_xml('SELECT set_config(''default_transaction_read_only'', ''off'', "
          "false)', true, true, '')",
          "SELECT pg_notify('a', 'b')",
          "SELECT pg_terminate_backend(pg_backend_pid())",
          "SELECT pg_create_restore_point('x')",
          "SELECT pg_stat_reset()",
          "SELECT pg_switch_wal()",
          "SELECT pg_reload_conf()"}) {
        EXPECT_FALSE(connection->execute(sql)) << sql;
        connection->rollback();
        const std::vector<sql::BoundStatement> batch{{.sql = sql}};
        EXPECT_FALSE(database->read_batch(batch)) << sql;
    }
    EXPECT_TRUE(connection->execute("SELECT 1"));
    EXPECT_FALSE(connection->execute("CREATE TABLE t (x INT)"));
}

// The tests' role is a superuser, to whom the server refuses none of these.
TEST(Sessions, AReadReachesNothingBesideTheDatabase) {
    const std::string schema = fresh_schema();
    const auto database = open(plain_location(shared_server()), schema);
    execute(*database, kCreate);
    execute(*database,
            "CREATE FUNCTION whatever() RETURNS INT LANGUAGE plpgsql AS $$ BEGIN PERFORM "
            "pg_sleep(0); RETURN 1; END $$");
    Driver driver({.clock = &real_clock(), .schema = schema});
    const auto connection =
        must(driver.connect(plain_location(shared_server()), {.read_only = true}));
    for (const char* sql : {"SELECT pg_read_file('postgresql.conf')",
                            "SELECT pg_read_binary_file('PG_VERSION')",
                            "SELECT * FROM pg_ls_dir('.')",
                            "SELECT pg_catalog.\"pg_stat_file\" ('PG_VERSION')",
                            "SELECT * FROM ROWS FROM (pg_ls_waldir()) x",
                            "SELECT lo_get(1)",
                            "SELECT pg_advisory_lock(1)",
                            "SELECT pg_try_advisory_xact_lock(1)",
                            "SELECT pg_sleep(0)",
                            "SELECT pg_export_snapshot()",
                            "SELECT setseed(0)",
                            "SELECT pg_logical_emit_message(false, 'a', 'b')",
                            "SELECT count(*) FROM pg_hba_file_rules",
                            "SELECT * FROM pg_file_settings",
                            "SELECT rolpassword FROM pg_authid",
                            "TABLE pg_shadow",
                            "SELECT 1 WHERE EXISTS (SELECT whatever())",
                            "SELECT ('/etc/hostname'::text).pg_read_file",
                            "SELECT (1.5::float8).pg_sleep",
                            "SELECT (4242::bigint).\"pg_advisory_lock\"",
                            "SELECT E'x'\n'\\'', lo_create(777) /* ' */",
                            "SELECT E'x' -- y\r '\\'', pg_sleep(0) /* ' */"}) {
        const auto refused = connection->execute(sql);
        EXPECT_FALSE(refused) << sql;
        EXPECT_EQ(refused ? Code::invalid : refused.error().code, Code::denied) << sql;
        auto prepared = connection->prepare(sql);
        EXPECT_FALSE(prepared && (*prepared)->step()) << sql;
        connection->rollback();
    }
    for (const char* sql :
         {"SELECT count(*), max(length(text)) FROM notes WHERE id IN (1, 2) AND text LIKE ('a')",
          "WITH a (b) AS (VALUES (1), (2)) SELECT sum(b) OVER (ORDER BY b) FROM a",
          "SELECT pg_total_relation_size('notes'), random() < 1, now(), to_char(now(), 'YYYY')",
          "SELECT pg_get_indexdef(indexrelid) FROM pg_index LIMIT 1",
          "SELECT count(*) FROM notes TABLESAMPLE BERNOULLI (10)",
          "EXPLAIN (COSTS OFF) SELECT 1"}) {
        const auto answered = connection->execute(sql);
        EXPECT_TRUE(answered) << sql << ": " << (answered ? "" : answered.error().message);
    }
}

TEST(Sessions, MoreStatementsThanAreKeptAreGivenBack) {
    Driver driver({.clock = &real_clock(), .schema = fresh_schema()});
    const auto connection = must(driver.connect(plain_location(shared_server()), {}));
    for (int i = 0; i < 60; ++i) {
        const std::string sql = "SELECT " + std::to_string(i);
        for (int twice = 0; twice < 2; ++twice)
            EXPECT_TRUE(must(must(connection->prepare(sql))->step()));
    }
    const auto select = must(connection->prepare("SELECT count(*) FROM pg_prepared_statements"));
    EXPECT_TRUE(must(select->step()));
    EXPECT_LE(select->column_int64(0), 64 + 16);
}

TEST(Sessions, TenThatStartAtOnceMigrateOnce) {
    constexpr std::array kMigrations{sql::Migration{1, "one", "CREATE TABLE a (id BIGINT)"},
                                     sql::Migration{2, "two", "INSERT INTO a VALUES (1)"}};
    const std::string schema = fresh_schema();
    std::vector<Status> told(10);
    {
        std::vector<std::jthread> threads;
        for (Status& one : told) {
            threads.emplace_back([&] {
                Driver driver({.clock = &real_clock(), .schema = schema});
                const auto connection = must(driver.connect(plain_location(shared_server()), {}));
                one = sql::migrate(*connection, "m", kMigrations, real_clock());
            });
        }
    }
    for (const Status& one : told) EXPECT_TRUE(one) << one.error().message;
    const auto database = open(plain_location(shared_server()), schema);
    EXPECT_EQ(number(*database, "SELECT count(*) FROM a"), 1);
}

TEST(Sessions, ADeadlocksVictimIsTriedAgain) {
    const auto database = open(postgres_location(shared_server()), fresh_schema());
    execute(*database, kCreate);
    execute(*database, "INSERT INTO notes VALUES (1, '0'), (2, '0')");
    // Each takes the rows in another order: one of two that meet is a deadlock's victim.
    std::atomic<int> attempts{0};
    const auto add = [&](int first, int second) {
        return [&attempts, first, second](sql::Connection& connection) -> Status {
            attempts.fetch_add(1);
            TASKSTORE_TRY(connection.execute("SET LOCAL deadlock_timeout = '10ms'"));
            for (const int id : {first, second}) {
                TASKSTORE_TRY(
                    connection.execute("UPDATE notes SET text = (text::int + 1)::text WHERE id = " +
                                       std::to_string(id)));
            }
            return ok();
        };
    };
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 4; ++t) {
            threads.emplace_back([&, t] {
                for (int i = 0; i < 20; ++i)
                    EXPECT_TRUE(database->write(t % 2 == 0 ? add(1, 2) : add(2, 1)));
            });
        }
    }
    EXPECT_EQ(number(*database, "SELECT sum(text::int) FROM notes"), 4 * 20 * 2);
}

}  // namespace
}  // namespace taskstore::postgres
