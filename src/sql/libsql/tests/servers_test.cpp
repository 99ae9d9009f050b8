// A real sqld that goes away, comes back, answers half, wants a token; through a proxy that cuts.

#include "servers.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <taskstore/testing/proxy.hpp>

#include <functional>
#include <map>
#include <thread>

namespace taskstore::libsql {
namespace {

using sql::BoundStatement;
using testing::HasSubstr;

std::string through(const Proxy& proxy, const FreshDatabase& database) {
    const std::string url = database.location();
    return url.substr(0, url.rfind(':') + 1) + std::to_string(proxy.port());
}

std::unique_ptr<Proxy> proxy_to(const std::string& url) {
    auto proxy =
        Proxy::start(static_cast<std::uint16_t>(std::stoi(url.substr(url.rfind(':') + 1))));
    EXPECT_TRUE(proxy);
    return std::move(*proxy);
}

// --- the way is cut -----------------------------------------------------------------------------

void cut_everywhere(Proxy::Direction direction, std::uint64_t bytes_max, std::uint64_t step) {
    const FreshDatabase fresh;
    const auto proxy = proxy_to(fresh.location());
    const auto database = open_with_table(through(*proxy, fresh));
    must(Status(database->write_batch(std::vector{insert(-1)}) ? ok() : fail(Code::failed, "-1")));
    constexpr std::int64_t kWorkAt = 5;
    std::int64_t id = 0;
    for (std::uint64_t bytes = 0; bytes < bytes_max; bytes += step) {
        proxy->cut_after(direction, bytes);
        const std::int64_t from = kClock.boot_ns();
        // A work whose stream is lost leaves its lock to be taken after 5 s.
        const bool as_work = id == kWorkAt;
        const auto written = as_work ? database->write(insert_work(id))
                                     : database->write_batch(std::vector{insert(id)});
        EXPECT_TRUE(written) << "after " << bytes << " bytes: " << written.error().message;
        EXPECT_LT(ms_since(from), 8'000);
        proxy->heal();
        ++id;
    }
    EXPECT_GT(proxy->cuts(), 5);
    auto seen = counts(*database);
    EXPECT_EQ(seen.size(), static_cast<std::size_t>(id) + 1);
    for (const auto& [one, count] : seen) EXPECT_EQ(count, 1) << "of " << one;
}

TEST(CutWay, RequestsCutAtAnyByteAreAppliedOnce) {
    cut_everywhere(Proxy::to_server, 2'000, 97);
}

TEST(CutWay, AnswersCutAtAnyByteAreAppliedOnce) {
    cut_everywhere(Proxy::to_client, 1'400, 61);
}

TEST(CutWay, NobodyWaitsPastHisDeadlineAndTheWayHeals) {
    const FreshDatabase fresh;
    const auto proxy = proxy_to(fresh.location());
    const auto database = open_with_table(through(*proxy, fresh));
    proxy->hold(Proxy::to_client, true);
    const auto deadline = [] { return kClock.boot_ns() + 200 * kNsPerMs; };
    std::int64_t from = kClock.boot_ns();
    EXPECT_EQ(database->write_batch(std::vector{insert(1)}, {.deadline_boot_ns = deadline()})
                  .error()
                  .code,
              Code::outcome_unknown);
    EXPECT_FALSE(database->write(insert_work(2), {.deadline_boot_ns = deadline()}));
    EXPECT_EQ(database
                  ->read_batch(std::vector<BoundStatement>{{.sql = "SELECT 1"}},
                               {.deadline_boot_ns = deadline()})
                  .error()
                  .code,
              Code::timed_out);
    EXPECT_LT(ms_since(from), 2'000);
    proxy->heal();
    proxy->cut_all();
    from = kClock.boot_ns();
    EXPECT_TRUE(database->write_batch(std::vector{insert(3)}));
    EXPECT_LT(ms_since(from), 7'000) << "the lock of the one that was dropped is taken in 5 s";
    auto seen = counts(*database);
    EXPECT_LE(seen[1], 1);
    EXPECT_LE(seen[2], 1);
    EXPECT_EQ(seen[3], 1);
}

// curl makes a new connection by itself when a kept one ends without an answer; that nobody is
// there then says nothing of the request that was sent.
TEST(CutWay, WhatWasSentToAServerThatIsNoLongerThereIsInDoubt) {
    const auto write_as_batch = [](sql::Database& database, Proxy& proxy) {
        proxy.hold(Proxy::to_client, true);
        return database.write_batch(std::vector{insert(1)});
    };
    const auto write_as_work = [](sql::Database& database, Proxy& proxy) {
        return database.write([&](sql::Connection& connection) -> Status {
            TASKSTORE_TRY(insert_work(1)(connection));
            proxy.hold(Proxy::to_client, true);
            return ok();
        });
    };
    using Write = std::function<Result<sql::Committed>(sql::Database&, Proxy&)>;
    for (const Write& write : {Write(write_as_batch), Write(write_as_work)}) {
        const FreshDatabase fresh;
        auto proxy = proxy_to(fresh.location());
        Options options = test_options();
        options.pool.retry_ms_max = 200;
        const auto direct = open_with_table(fresh.location());
        const auto database = open(through(*proxy, fresh), options);
        EXPECT_TRUE(database->write_batch(std::vector{insert(0)})) << "its connection is kept";
        Result<sql::Committed> told = sql::Committed{};
        std::jthread writer([&] { told = write(*database, *proxy); });
        while (counts(*direct)[1] == 0) std::this_thread::yield();
        proxy.reset();
        writer.join();
        ASSERT_FALSE(told);
        EXPECT_EQ(told.error().code, Code::outcome_unknown) << told.error().message;
    }
}

// --- the server says nothing --------------------------------------------------------------------

TEST(SilentServer, IsUnavailableAndAWriteThatMayBeThereIsUnknown) {
    const FreshDatabase fresh;
    const auto proxy = proxy_to(fresh.location());
    Options options = test_options();
    options.silence_ms_max = 200;
    options.pool.retry_ms_max = 300;
    auto opened = open_database(through(*proxy, fresh), options);
    ASSERT_TRUE(opened);
    sql::Database& database = **opened;
    Driver driver(options);
    const auto connection = driver.connect(through(*proxy, fresh), {});
    proxy->hold(Proxy::to_client, true);
    const std::vector<BoundStatement> asked{{.sql = "SELECT 1"}};
    for (int answered_before = 0; answered_before < 2; ++answered_before) {
        EXPECT_EQ(database.read_batch(asked).error().code, Code::unavailable);
        const Status read = (*connection)->execute("SELECT 1");
        EXPECT_EQ(read.error().code, Code::unavailable);
        EXPECT_NE(read.error().message.find("answers nothing"), std::string::npos);
        const auto question = (*connection)->prepare("SELECT 1");
        EXPECT_EQ((*question)->column_count(), 0);
        EXPECT_EQ((*question)->step().error().code, Code::unavailable);
        EXPECT_EQ((*connection)->execute("CREATE TABLE t (x)").error().code, Code::outcome_unknown);
        EXPECT_EQ(database.write(insert_work(1)).error().code, Code::unavailable);
        EXPECT_EQ(database.write_batch(std::vector{insert(2)}).error().code, Code::outcome_unknown);
        proxy->heal();
        proxy->cut_all();
        EXPECT_TRUE(database.read_batch(asked));
        proxy->hold(Proxy::to_client, true);
    }
}

TEST(SilentServer, AServerAtWorkIsNoSilentOne) {
    const FreshDatabase fresh;
    Options options = test_options();
    // Its half must be enough for an answer on a busy machine; the statement takes longer than all
    // of it.
    options.silence_ms_max = 1'000;
    Driver driver(options);
    const auto connection = driver.connect(fresh.location(), {});
    const Status counted = (*connection)
                               ->execute(
                                   "WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM "
                                   "n WHERE x < 12000000) "
                                   "SELECT count(*) FROM n");
    EXPECT_TRUE(counted) << counted.error().message;
}

// --- the server goes away -----------------------------------------------------------------------

TEST(GoneServer, ATransactionOverARestartIsUndoneAndAWorkRunsAgain) {
    auto sqld = start_sqld();
    ASSERT_TRUE(sqld) << sqld.error().message;
    const auto database = open_with_table(sqld->location());
    Driver driver(test_options());
    const auto connection = *driver.connect(sqld->location(), {});
    must(connection->begin_write());
    must(connection->execute("INSERT INTO notes (id) VALUES (1)"));
    sqld->server->stop();
    must(sqld->server->start_again());
    EXPECT_EQ(connection->commit().error().code, Code::unavailable);
    EXPECT_FALSE(connection->in_transaction());
    int runs = 0;
    const auto written = database->write([&](sql::Connection& inner) -> Status {
        TASKSTORE_TRY(insert_work(2)(inner));
        if (++runs == 1) {
            sqld->server->kill();
            TASKSTORE_TRY(sqld->server->start_again());
        }
        return insert_work(3)(inner);
    });
    EXPECT_TRUE(written) << written.error().message;
    EXPECT_EQ(runs, 2);
    auto seen = counts(*database);
    EXPECT_EQ(seen[1], 0);
    EXPECT_EQ(seen[2], 1);
    EXPECT_EQ(seen[3], 1);
}

TEST(GoneServer, AnIdleHolderLosesItsLockToAWriterThatWaits) {
    const FreshDatabase fresh;
    const auto database = open_with_table(fresh.location());
    Driver driver(test_options());
    const auto holder = *driver.connect(fresh.location(), {});
    must(holder->begin_write());
    must(holder->execute("INSERT INTO notes (id) VALUES (1)"));
    const auto other = *driver.connect(fresh.location(), {.busy_timeout_ms = 20'000});
    must(other->begin_write());
    must(other->execute("INSERT INTO notes (id) VALUES (2)"));
    must(other->commit());
    EXPECT_EQ(
        holder->execute("INSERT INTO notes (id) VALUES (3); INSERT INTO notes (id) VALUES (4)")
            .error()
            .code,
        Code::unavailable);
    EXPECT_FALSE(holder->in_transaction());
    EXPECT_EQ(counts(*database), (std::map<std::int64_t, int>{{2, 1}}));
}

TEST(GoneServer, StreamsAreGivenBack) {
    const FreshDatabase fresh;
    const auto database = open_with_table(fresh.location());
    for (int i = 0; i < 150; ++i) {
        EXPECT_FALSE(database->write([](sql::Connection&) { return fail(Code::conflict, "no"); }));
        ASSERT_TRUE(database->read(
            [](sql::Connection& connection) -> Status { return connection.execute("SELECT 1"); }));
        ASSERT_TRUE(database->read_batch(std::vector<BoundStatement>{{.sql = "SELECT 1"}})) << i;
    }
}

// --- who may, where, and how much ---------------------------------------------------------------

constexpr const char* kPublicKey =
    "-----BEGIN PUBLIC KEY-----\n"
    "MCowBQYDK2VwAyEAVqtxVzYiYz/Gfk1VD6uTBn1L/agqQ/3bv6LenvbHdGQ=\n"
    "-----END PUBLIC KEY-----\n";
constexpr const char* kReadWrite =
    "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJhIjoicncifQ.oSz24l6FuBTX7JdgqCuQ1awHLU2f2thA0ntkPjN5H"
    "t8ULSYaMjy7DvYSgz4M_0UZZnlOC4CzTIcV8tGbk2d3AQ";
constexpr const char* kReadOnly =
    "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJhIjoicm8ifQ.koJaWmhIl81dbPTzklk6Z6VuIPSQZ3s_bWOLheEJf"
    "gLPlAz0afLseqFffeLWPLk-h5AamrVXUpc31SQT4RFWCw";
constexpr const char* kExpired =
    "eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9.eyJhIjoicnciLCJleHAiOjE3MDAwMDAwMDB9.dT1MClu0VBx1PkElF2x"
    "9ZK-lfKlODCPr1DbOPIImpkEjoMePVKgoBb0KQfzjyNcHa7mD7ZElOufJ3D4Epkb2Cw";

TEST(Access, TokensAreWhatTheyAllow) {
    auto sqld = start_sqld({.jwt_key = kPublicKey});
    ASSERT_TRUE(sqld) << sqld.error().message;
    Options options = test_options();
    options.token = kReadWrite;
    const auto database = open_with_table(sqld->location(), options);
    EXPECT_TRUE(database->write_batch(std::vector{insert(1)}));
    for (const char* token : {"", kExpired, "nonsense"}) {
        options.token = token;
        const auto refused = open(sqld->location(), options);
        EXPECT_EQ(refused->write_batch(std::vector{insert(2)}).error().code, Code::denied) << token;
        EXPECT_EQ(refused->read_batch(std::vector{insert(2)}).error().code, Code::denied) << token;
    }
    const auto reader = open(sqld->location() + "?authToken=" + kReadOnly, options);
    EXPECT_EQ(counts(*reader).size(), 1U) << "the URL's token goes first";
    EXPECT_EQ(reader->write_batch(std::vector{insert(3)}).error().code, Code::denied);
    EXPECT_EQ(reader->write(insert_work(3)).error().code, Code::denied);
    EXPECT_EQ(counts(*database).size(), 1U);
}

TEST(Access, APasswordIsSentAsTheServerWantsIt) {
    auto sqld = start_sqld({.basic_auth = "dXNlcjpnZWhlaW0="});
    ASSERT_TRUE(sqld) << sqld.error().message;
    const std::string port = std::to_string(sqld->server->port());
    const auto database = open_with_table("http://user:geheim@127.0.0.1:" + port);
    EXPECT_TRUE(database->write_batch(std::vector{insert(1)}));
    const auto refused = open("http://user:falsch@127.0.0.1:" + port, test_options());
    const auto written = refused->write_batch(std::vector{insert(1)});
    EXPECT_EQ(written.error().code, Code::denied);
    EXPECT_THAT(written.error().message, testing::Not(HasSubstr("falsch")));
}

TEST(Access, AStreamGoesWhereTheServerSendsIt) {
    auto sqld = start_sqld({.self_url = "http://localhost:{port}"});
    ASSERT_TRUE(sqld) << sqld.error().message;
    const auto database = open_with_table(sqld->location());
    EXPECT_TRUE(database->write(insert_work(1)));
    EXPECT_EQ(counts(*database).size(), 1U);
}

TEST(Access, ADatabaseThatIsNotThereIsNotFound) {
    const FreshDatabase fresh;
    std::string url = fresh.location();
    url.replace(url.find("//") + 2, 1, "nowhere-");
    const auto database = open(url, test_options());
    const auto absent = database->write_batch(std::vector{insert(1)});
    EXPECT_EQ(absent.error().code, Code::not_found);
    EXPECT_NE(absent.error().hint.find("make the database"), std::string::npos);
    const auto nobody = open("http://127.0.0.1:1", test_options());
    const auto read = nobody->read_batch(std::vector<BoundStatement>{{.sql = "SELECT 1"}},
                                         {.deadline_boot_ns = kClock.boot_ns() + 200 * kNsPerMs});
    EXPECT_EQ(read.error().code, Code::unavailable);
}

TEST(Sizes, MoreThanThePipelineAnswersComesByCursorAndIsAppliedOnce) {
    auto sqld = start_sqld({.max_response_size = "100KB"});
    ASSERT_TRUE(sqld) << sqld.error().message;
    const auto database = open_with_table(sqld->location());
    const std::string text(60'000, 'x');
    for (std::int64_t id = 1; id <= 3; ++id) {
        ASSERT_TRUE(database->write_batch(std::vector<BoundStatement>{
            {.sql = "INSERT INTO notes (id, x) VALUES (?1, ?2)", .values = {id, text}}}));
    }
    const auto updated = database->write_batch(
        std::vector<BoundStatement>{{.sql = "UPDATE notes SET x = x || 'y' RETURNING x"}});
    ASSERT_TRUE(updated) << updated.error().message;
    EXPECT_EQ(updated->answers.at(0).rows.size(), 3U);
    Driver driver(test_options());
    const auto connection = *driver.connect(sqld->location(), {});
    const auto alone = *connection->prepare("UPDATE notes SET x = x || 'z' RETURNING x");
    int rows = 0;
    while (*alone->step()) ++rows;
    EXPECT_EQ(rows, 3);
    must(connection->begin_write());
    const auto select = *connection->prepare("SELECT x FROM notes");
    while (*select->step()) EXPECT_EQ(select->column_text(0), text + "yz");
    EXPECT_EQ(alone->column_count(), 1);
    alone->reset();
    EXPECT_EQ(alone->step().error().code, Code::invalid);
    EXPECT_FALSE(connection->in_transaction());
}

TEST(Sizes, AValueThatTheServerDoesNotTakeIsInvalidAndSaysWhy) {
    auto sqld = start_sqld();
    ASSERT_TRUE(sqld) << sqld.error().message;
    const auto database = open_with_table(sqld->location());
    const auto written = database->write_batch(std::vector<BoundStatement>{
        {.sql = "INSERT INTO notes (x) VALUES (?1)", .values = {std::string(5'100'000, 'x')}}});
    EXPECT_EQ(written.error().code, Code::invalid);
    EXPECT_THAT(written.error().hint, HasSubstr("max_row_size"));
}

}  // namespace
}  // namespace taskstore::libsql
