// What a server does not do on request, done by the stub: lost answers, stolen and expired
// transactions, refusals, cut and endless replies.

#include "stub.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <taskstore/libsql/database.hpp>

#include <chrono>
#include <condition_variable>
#include <latch>
#include <mutex>
#include <thread>

namespace taskstore::libsql {
namespace {

using sql::BoundStatement;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t kNsPerMs = 1'000'000;

class Faults : public testing::Test {
  protected:
    Faults() {
        x_options.clock = &x_clock;
        x_options.random = &x_random;
        fate([](const Seen&) { return Fate{}; });
        x_stub.number("CREATE TABLE notes (id INTEGER PRIMARY KEY, x)");
    }
    void TearDown() override {
        x_database.reset();
        EXPECT_EQ(x_stub.open_streams(), 0U);
    }

    /// A fault of the protocol loses the answers of all requests and keeps what they did, so no
    /// pipeline has two that change something.
    static int changing_requests(const std::string& body) {
        int count = 0;
        for (const std::string_view type :
             {"{\"type\":\"batch\"", "{\"type\":\"execute\"", "{\"type\":\"sequence\""}) {
            for (std::size_t at = body.find(type); at != std::string::npos;
                 at = body.find(type, at + 1))
                ++count;
        }
        return count;
    }

    void fate(std::function<Fate(const Seen&)> of) {
        x_stub.set_fate([of = std::move(of)](const Seen& seen) {
            EXPECT_LE(changing_requests(seen.body), 1) << seen.body;
            return of(seen);
        });
    }
    sql::Database& database() {
        const std::lock_guard lock(x_open_mutex);
        if (x_database == nullptr) x_database = *open_database(x_stub.location(), x_options);
        return *x_database;
    }
    std::unique_ptr<sql::Connection> connect(const sql::OpenOptions& options = {}) {
        return *Driver(x_options).connect(x_stub.location(), options);
    }
    std::int64_t notes() { return x_stub.number("SELECT COUNT(*) FROM notes"); }
    std::int64_t in_ms(std::int64_t ms) { return x_clock.boot_ns() + ms * kNsPerMs; }
    std::int64_t ms_since(std::int64_t boot_ns) { return (x_clock.boot_ns() - boot_ns) / kNsPerMs; }

    const SystemClock x_clock;
    SystemRandom x_random;
    Options x_options;
    HranaStub x_stub;
    std::mutex x_open_mutex;
    std::unique_ptr<sql::Database> x_database;
};

BoundStatement insert(std::int64_t id) {
    return {.sql = "INSERT INTO notes (id) VALUES (?1)", .values = {id}};
}
sql::Work insert_work(std::int64_t id) {
    return [id](sql::Connection& connection) {
        return connection.execute("INSERT INTO notes (id) VALUES (" + std::to_string(id) + ")");
    };
}
bool commits(const Seen& seen) {
    return seen.body.find("\"COMMIT\"") != std::string::npos;
}
Fate nth_commit(const Seen& seen, int& commits_seen, int nth, Fate fate) {
    if (!commits(seen) || ++commits_seen != nth) return {};
    return fate;
}

// --- transactions that the server takes away ----------------------------------------------------

TEST_F(Faults, AfterAStolenTransactionNothingRunsByItself) {
    const auto connection = connect();
    ASSERT_TRUE(connection->begin_write());
    ASSERT_TRUE(connection->execute("INSERT INTO notes (id) VALUES (1)"));
    x_stub.steal();
    const auto status =
        connection->execute("INSERT INTO notes (id) VALUES (2); INSERT INTO notes (id) VALUES (3)");
    EXPECT_EQ(status.error().code, Code::unavailable);
    EXPECT_FALSE(connection->in_transaction());
    EXPECT_FALSE(connection->commit());
    EXPECT_EQ(notes(), 0);
}

TEST_F(Faults, ACommitAfterAStolenTransactionSaysThatNothingIsKept) {
    const auto connection = connect();
    ASSERT_TRUE(connection->begin_write());
    ASSERT_TRUE(connection->execute("INSERT INTO notes (id) VALUES (1)"));
    x_stub.steal();
    EXPECT_EQ(connection->commit().error().code, Code::unavailable);
    EXPECT_FALSE(connection->in_transaction());
    EXPECT_EQ(notes(), 0);
}

TEST_F(Faults, AnExpiredStreamIsUnavailableAndRolledBack) {
    const auto connection = connect();
    ASSERT_TRUE(connection->begin_write());
    ASSERT_TRUE(connection->execute("INSERT INTO notes (id) VALUES (1)"));
    x_stub.expire();
    EXPECT_EQ(connection->execute("INSERT INTO notes (id) VALUES (2)").error().code,
              Code::unavailable);
    EXPECT_FALSE(connection->in_transaction());
    EXPECT_EQ(notes(), 0);
    EXPECT_TRUE(connection->execute("INSERT INTO notes (id) VALUES (3)"));
}

TEST_F(Faults, AWorkWhoseTransactionIsTakenRunsAgain) {
    int runs = 0;
    const auto committed = database().write([&](sql::Connection& connection) -> Status {
        ++runs;
        TASKSTORE_TRY(connection.execute("INSERT INTO notes (id) VALUES (1)"));
        if (runs == 1) x_stub.steal();
        if (runs == 2) x_stub.expire();
        return connection.execute("INSERT INTO notes (id) VALUES (2)");
    });
    EXPECT_TRUE(committed) << committed.error().message;
    EXPECT_EQ(runs, 3);
    EXPECT_EQ(notes(), 2);
}

TEST_F(Faults, AStreamFollowsItsBaseUrl) {
    const std::string port = x_stub.location().substr(x_stub.location().rfind(':'));
    x_stub.base_url = "http://localhost" + port;
    std::vector<std::string> hosts;
    fate([&](const Seen& seen) {
        hosts.push_back(seen.headers.substr(seen.headers.find("Host: ") + 6, 9));
        return Fate{};
    });
    ASSERT_TRUE(database().write(insert_work(1)));
    EXPECT_THAT(hosts, ElementsAre("127.0.0.1", "localhost", "localhost"));
}

// --- lost answers -------------------------------------------------------------------------------

TEST_F(Faults, ALostAnswerToAGroupThatIsCommittedIsFoundOut) {
    int seen_commits = 0;
    fate([&](const Seen& seen) {
        return nth_commit(seen, seen_commits, 1, {.hang_up_before_answer = true});
    });
    const auto committed = database().write_batch(std::vector{insert(1)});
    ASSERT_TRUE(committed) << committed.error().message;
    EXPECT_EQ(committed->answers.at(0).changes, 1);
    EXPECT_EQ(notes(), 1);
}

TEST_F(Faults, ALostRequestIsSentAgainAndCannotArriveLater) {
    int seen_commits = 0;
    Seen lost;
    fate([&](const Seen& seen) {
        const Fate fate =
            nth_commit(seen, seen_commits, 2, {.run = false, .hang_up_before_answer = true});
        if (!fate.run) lost = seen;
        return fate;
    });
    ASSERT_TRUE(database().write_batch(std::vector{insert(1)}));
    const std::vector<BoundStatement> add{{.sql = "INSERT INTO notes (x) SELECT 'again' WHERE 1"}};
    ASSERT_TRUE(database().write_batch(add));
    x_stub.settle();
    ASSERT_FALSE(lost.body.empty());
    EXPECT_EQ(notes(), 2);
    x_stub.arrive(lost);
    EXPECT_EQ(notes(), 2);
}

class FailingMember : public Faults {
  protected:
    FailingMember() {
        x_options.queued_for_testing = [this] { ++x_queued; };
    }
    /// A group of three, the second of which breaks a key, behind a batch that is alone. The answer
    /// to the n-th COMMIT is lost: 2 is the group as it is sent first, 3 the one with savepoints.
    void check(const BoundStatement& breaks_key, int lost) {
        ASSERT_TRUE(database().write_batch(std::vector{insert(7)}));
        std::latch gate(1);
        std::atomic<int> seen_commits{0};
        fate([&](const Seen& seen) -> Fate {
            if (!commits(seen)) return {};
            const int number = ++seen_commits;
            if (number == 1) gate.wait();
            return {.hang_up_before_answer = number == lost};
        });
        x_queued = 0;
        std::vector<Result<sql::Committed>> results(4, sql::Committed{});
        {
            const std::array<BoundStatement, 4> all{insert(1), insert(2), breaks_key, insert(3)};
            std::vector<std::jthread> threads;
            const auto start = [&](std::size_t at) {
                threads.emplace_back(
                    [&, at] { results[at] = database().write_batch(std::span(&all[at], 1)); });
            };
            start(0);
            while (seen_commits == 0) std::this_thread::yield();
            for (std::size_t at = 1; at < all.size(); ++at) start(at);
            while (x_queued < 4) std::this_thread::yield();
            gate.count_down();
        }
        EXPECT_TRUE(results[0]);
        EXPECT_TRUE(results[1]) << results[1].error().message;
        EXPECT_EQ(results[2].error().code, Code::conflict) << results[2].error().message;
        EXPECT_TRUE(results[3]);
        EXPECT_EQ(notes(), 4);
    }
    const BoundStatement x_breaks_key = insert(7);

  private:
    std::atomic<int> x_queued{0};
};

TEST_F(FailingMember, HarmsNobodyOfItsGroup) {
    check(x_breaks_key, /*lost=*/0);
}
TEST_F(FailingMember, IsToldSoThoughTheAnswerWasLost) {
    check(x_breaks_key, /*lost=*/3);
}
TEST_F(FailingMember, LetsItsGroupBeSentAgainWhereTheAnswerWasLost) {
    check(x_breaks_key, /*lost=*/2);
}
TEST_F(FailingMember, LeavesNothingOfWhatItDidBefore) {
    check({.sql = "INSERT OR FAIL INTO notes (id) VALUES (8), (7)"}, /*lost=*/0);
}

TEST_F(Faults, RowsThatAreLostWithTheAnswerAreNotMadeUp) {
    int seen_commits = 0;
    fate([&](const Seen& seen) {
        return nth_commit(seen, seen_commits, 1, {.hang_up_before_answer = true});
    });
    const auto committed = database().write_batch(
        std::vector<BoundStatement>{{.sql = "INSERT INTO notes (x) VALUES ('a') RETURNING id"}});
    EXPECT_EQ(committed.error().code, Code::outcome_unknown);
    EXPECT_THAT(committed.error().message, HasSubstr("is committed"));
    EXPECT_EQ(notes(), 1);
}

TEST_F(Faults, AWorkWhoseCommitIsLostIsAskedForAndRunOnce) {
    int seen_commits = 0;
    fate([&](const Seen& seen) {
        return nth_commit(seen, seen_commits, 1, {.hang_up_before_answer = true});
    });
    int runs = 0;
    EXPECT_TRUE(database().write([&](sql::Connection& connection) {
        ++runs;
        return connection.execute("INSERT INTO notes (x) VALUES ('a')");
    }));
    EXPECT_EQ(runs, 1);
    EXPECT_EQ(notes(), 1);
}

TEST_F(Faults, AWorkWhoseCommitNeverArrivedIsRunAgain) {
    int seen_commits = 0;
    fate([&](const Seen& seen) {
        return nth_commit(seen, seen_commits, 1, {.run = false, .hang_up_before_answer = true});
    });
    int runs = 0;
    EXPECT_TRUE(database().write([&](sql::Connection& connection) {
        ++runs;
        return connection.execute("INSERT INTO notes (x) VALUES ('a')");
    }));
    EXPECT_EQ(runs, 2);
    EXPECT_EQ(notes(), 1);
}

TEST_F(Faults, WhatCannotBeAskedStaysUnknown) {
    bool down = false;
    fate([&](const Seen& seen) -> Fate {
        down = down || commits(seen);
        return {.run = !down, .hang_up_before_answer = down};
    });
    const std::int64_t from = x_clock.boot_ns();
    const auto committed =
        database().write_batch(std::vector{insert(1)}, {.deadline_boot_ns = in_ms(300)});
    EXPECT_EQ(committed.error().code, Code::outcome_unknown);
    EXPECT_LT(ms_since(from), 2'000);
}

TEST_F(Faults, AConnectionsLostCommitIsUnknownAndALostWriteToo) {
    int seen_commits = 0;
    fate([&](const Seen& seen) {
        if (seen.body.find("(9)") != std::string::npos) return Fate{.hang_up_before_answer = true};
        return nth_commit(seen, seen_commits, 1, {.hang_up_before_answer = true});
    });
    const auto connection = connect();
    ASSERT_TRUE(connection->begin_write());
    ASSERT_TRUE(connection->execute("INSERT INTO notes (id) VALUES (1)"));
    EXPECT_EQ(connection->commit().error().code, Code::outcome_unknown);
    EXPECT_EQ(connection->execute("INSERT INTO notes (id) VALUES (9)").error().code,
              Code::outcome_unknown);
    EXPECT_EQ(notes(), 2) << "sent once each: curl repeats nothing";
}

TEST_F(Faults, ADroppedTableOfOutcomesIsMadeAgain) {
    ASSERT_TRUE(database().write_batch(std::vector{insert(1)}));
    x_stub.number("DROP TABLE taskstore_outcomes");
    EXPECT_TRUE(database().write_batch(std::vector{insert(2)}));
    x_stub.number("DROP TABLE taskstore_outcomes");
    EXPECT_TRUE(database().write(insert_work(3)));
    EXPECT_EQ(notes(), 3);
}

// --- refusals -----------------------------------------------------------------------------------

TEST_F(Faults, AnOverloadedServerIsAskedAgainWhenItSays) {
    fate([&](const Seen& seen) -> Fate {
        if (seen.number == 1) return {.run = false, .status = 503};
        if (seen.number == 2)
            return {.run = false,
                    .body = "{\"error\":\"busy\"}",
                    .status = 429,
                    .headers = "Retry-After: 1\r\n"};
        return {};
    });
    const std::int64_t from = x_clock.boot_ns();
    EXPECT_TRUE(database().write_batch(std::vector{insert(1)}));
    EXPECT_GE(ms_since(from), 1'000);
    EXPECT_EQ(notes(), 1);
}

TEST_F(Faults, ADeniedTokenIsNotTriedAgainAndNotTold) {
    x_options.token = "geheim";
    std::string authorization;
    fate([&](const Seen& seen) -> Fate {
        authorization = seen.headers;
        return {.run = false, .body = R"({"error":"no"})", .status = 401};
    });
    const auto read = database().read_batch(std::vector<BoundStatement>{{.sql = "SELECT 1"}});
    EXPECT_EQ(read.error().code, Code::denied);
    EXPECT_THAT(read.error().message + read.error().hint, Not(HasSubstr("geheim")));
    EXPECT_THAT(authorization, HasSubstr("Authorization: Bearer geheim"));
    EXPECT_EQ(x_stub.requests(), 1);
}

TEST_F(Faults, StatusesOfHttpHaveCodes) {
    const struct {
        int status;
        Code of_a_read;
        Code of_a_write;
    } kCases[] = {{400, Code::failed, Code::failed},
                  {401, Code::denied, Code::denied},
                  {403, Code::denied, Code::denied},
                  {404, Code::not_found, Code::not_found},
                  {408, Code::unavailable, Code::unavailable},
                  {413, Code::invalid, Code::invalid},
                  {418, Code::failed, Code::outcome_unknown},
                  {425, Code::unavailable, Code::unavailable},
                  {429, Code::unavailable, Code::unavailable},
                  {500, Code::failed, Code::outcome_unknown},
                  {502, Code::unavailable, Code::outcome_unknown},
                  {503, Code::unavailable, Code::unavailable},
                  {504, Code::unavailable, Code::outcome_unknown}};
    for (const auto& one : kCases) {
        fate([&](const Seen&) -> Fate {
            return {.run = false, .body = R"({"error":"no"})", .status = one.status};
        });
        Driver driver(x_options);
        const auto connection = driver.connect(x_stub.location(), {.busy_timeout_ms = 0});
        const auto read = (*connection)->execute("SELECT 1");
        EXPECT_EQ(read.error().code, one.of_a_read) << one.status;
        EXPECT_EQ(read.error().native, one.status);
        EXPECT_EQ((*connection)->execute("DELETE FROM notes").error().code, one.of_a_write)
            << one.status;
    }
}

TEST_F(Faults, ARedirectIsNotFollowed) {
    HranaStub other;
    fate([&](const Seen&) -> Fate {
        return {.run = false,
                .status = 307,
                .headers = "Location: " + other.location() + "/v3/pipeline\r\n"};
    });
    EXPECT_EQ(database().write_batch(std::vector{insert(1)}).error().code, Code::failed);
    EXPECT_EQ(other.requests(), 0);
}

TEST_F(Faults, GarbageIsAnErrorAndNothingIsGuessed) {
    fate([&](const Seen&) -> Fate { return {.run = false, .body = "<html>hello</html>"}; });
    EXPECT_EQ(database().read_batch(std::vector<BoundStatement>{{.sql = "SELECT 1"}}).error().code,
              Code::failed);
    EXPECT_EQ(database()
                  .write_batch(std::vector{insert(1)}, {.deadline_boot_ns = in_ms(200)})
                  .error()
                  .code,
              Code::outcome_unknown);
}

TEST_F(Faults, AReplyBeyondTheLimitIsRefused) {
    x_options.reply_bytes_max = 100'000;
    fate([&](const Seen&) -> Fate { return {.run = false, .body = std::string(200'000, ' ')}; });
    const auto read = database().read_batch(std::vector<BoundStatement>{{.sql = "SELECT 1"}});
    EXPECT_EQ(read.error().code, Code::failed);
    EXPECT_THAT(read.error().message, HasSubstr("larger than"));
}

// --- versions and forms -------------------------------------------------------------------------

TEST_F(Faults, AServerOfVersion2IsSpokenToInItsWords) {
    x_stub.only_version_2 = true;
    std::vector<std::string> paths;
    fate([&](const Seen& seen) {
        paths.push_back(seen.path.substr(0, 3));
        return Fate{};
    });
    EXPECT_TRUE(database().write_batch(std::vector{insert(1), insert(2)}));
    EXPECT_THAT(paths, ElementsAre("/v3", "/v2", "/v2")) << "and remembered";
    EXPECT_EQ(database().write_batch(std::vector{insert(3), insert(1)}).error().code,
              Code::conflict);
    EXPECT_TRUE(database().write(insert_work(4)));
    EXPECT_EQ(database()
                  .write([](sql::Connection& connection) -> Status {
                      TASKSTORE_TRY(insert_work(5)(connection));
                      static_cast<void>(insert_work(5)(connection));
                      return insert_work(6)(connection);
                  })
                  .error()
                  .code,
              Code::failed)
        << "an error ends the transaction there";
    const auto read =
        database().read_batch(std::vector<BoundStatement>{{.sql = "SELECT COUNT(*) FROM notes"}});
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->at(0).rows.at(0).at(0), sql::Value{std::int64_t{3}});
    EXPECT_THAT(paths, testing::Contains("/v3").Times(1));
}

TEST_F(Faults, AConnectionFindsVersion2ByItself) {
    x_stub.only_version_2 = true;
    const auto connection = connect({.busy_timeout_ms = 0});
    ASSERT_TRUE(connection->begin_write());
    EXPECT_TRUE(connection->execute("INSERT INTO notes (id) VALUES (1)"));
    EXPECT_TRUE(connection->commit());
    EXPECT_EQ(notes(), 1);
}

TEST_F(Faults, BlobsComeBackPaddedOrNot) {
    for (const bool pads : {false, true}) {
        x_stub.pads_base64 = pads;
        for (const char* blob : {"a", "ab", "abc", ""}) {
            const auto read = database().read_batch(
                std::vector<BoundStatement>{{.sql = "SELECT ?1", .values = {sql::Blob{blob}}}});
            ASSERT_TRUE(read);
            EXPECT_EQ(read->at(0).rows.at(0).at(0), sql::Value{sql::Blob{blob}});
        }
    }
}

TEST_F(Faults, WhatIsTooLargeComesByCursorAndACutOneIsAskedAgain) {
    const std::string too_large =
        R"({"baton":null,"base_url":null,"results":[{"type":"error","error":{"message":"Response is too large","code":"RESPONSE_TOO_LARGE"}},{"type":"ok","response":{"type":"close"}}]})";
    int cursors = 0;
    fate([&](const Seen& seen) -> Fate {
        if (seen.path == "/v3/pipeline" && seen.body.find("notes") != std::string::npos)
            return {.run = false, .body = too_large};
        if (seen.path != "/v3/cursor") return {};
        ++cursors;
        if (cursors == 1) return {.cut_after = 30};
        if (cursors == 2) return {.run = false, .body = "{\"baton\":null,\"base_url\":null}\n"};
        return {};
    });
    const auto read =
        database().read_batch(std::vector<BoundStatement>{{.sql = "SELECT COUNT(*) FROM notes"}});
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(read->at(0).rows.at(0).at(0), sql::Value{std::int64_t{0}});
    EXPECT_EQ(cursors, 3);
    const auto written = database().write_batch(
        std::vector<BoundStatement>{{.sql = "INSERT INTO notes (id) VALUES (1) RETURNING id"}});
    ASSERT_TRUE(written) << written.error().message;
    EXPECT_EQ(written->answers.at(0).rows.at(0).at(0), sql::Value{std::int64_t{1}});
    EXPECT_EQ(notes(), 1);
    x_stub.expire();  // The cursor that was cut.
}

// --- patience -----------------------------------------------------------------------------------

TEST_F(Faults, ASlowServerKeepsNobodyPastHisDeadline) {
    fate([&](const Seen&) -> Fate { return {.drip_ms = 20}; });
    const std::int64_t from = x_clock.boot_ns();
    const auto read = database().read_batch(std::vector<BoundStatement>{{.sql = "SELECT 1"}},
                                            {.deadline_boot_ns = in_ms(150)});
    EXPECT_EQ(read.error().code, Code::timed_out);
    const auto written =
        database().write_batch(std::vector{insert(1)}, {.deadline_boot_ns = in_ms(150)});
    EXPECT_EQ(written.error().code, Code::outcome_unknown);
    const auto work = database().write(insert_work(2), {.deadline_boot_ns = in_ms(150)});
    EXPECT_THAT(work.error().code, testing::AnyOf(Code::timed_out, Code::outcome_unknown));
    EXPECT_LT(ms_since(from), 1'500);
    x_database.reset();
    x_stub.expire();
}

TEST_F(Faults, WhoIsInNoHurryIsNotHeldByWhoIs) {
    std::atomic<bool> slow{true};
    fate([&](const Seen&) -> Fate { return {.drip_ms = slow ? 2 : 0}; });
    Result<sql::Committed> hurried = sql::Committed{};
    Result<sql::Committed> patient = sql::Committed{};
    {
        std::jthread first([&] {
            hurried =
                database().write_batch(std::vector{insert(1)}, {.deadline_boot_ns = in_ms(50)});
        });
        std::jthread second([&] { patient = database().write_batch(std::vector{insert(2)}); });
        first.join();
        slow = false;
    }
    EXPECT_FALSE(hurried);
    EXPECT_TRUE(patient) << patient.error().message;
}

TEST_F(Faults, AnInterruptEndsTheWait) {
    std::atomic<bool> arrived{false};
    fate([&](const Seen&) -> Fate {
        arrived = true;
        return {.drip_ms = 50};
    });
    const auto connection = connect();
    Status status = ok();
    {
        std::jthread runner([&] { status = connection->execute("SELECT 1"); });
        while (!arrived) std::this_thread::yield();
        while (true) {
            connection->interrupt();
            if (x_stub.requests() > 0) break;
        }
        for (int i = 0; i < 100 && runner.joinable(); ++i) connection->interrupt();
    }
    EXPECT_EQ(status.error().code, Code::cancelled);
}

TEST_F(Faults, AStatementThatTakesTooLongIsCancelled) {
    x_options.pool.statement_timeout_ms = 100;
    fate([&](const Seen&) -> Fate { return {.drip_ms = 20}; });
    const std::int64_t from = x_clock.boot_ns();
    EXPECT_EQ(connect()->execute("SELECT 1").error().code, Code::cancelled);
    EXPECT_LT(ms_since(from), 1'000);
}

TEST_F(Faults, APoolThatIsExhaustedSaysSo) {
    x_options.pool = {
        .max_connections = 1, .acquire_timeout_seconds = 0, .slow_acquire_threshold_ms = 0};
    std::vector<std::string> warnings;
    x_options.warn = [&](const std::string& text) { warnings.push_back(text); };
    Status inner = ok();
    EXPECT_TRUE(database().read([&](sql::Connection&) {
        inner = database().read([](sql::Connection&) { return ok(); });
        return ok();
    }));
    EXPECT_EQ(inner.error().code, Code::unavailable);
    EXPECT_THAT(inner.error().message, HasSubstr("all 1 connections"));
    EXPECT_EQ(warnings.size(), 1U) << "once a minute";
}

TEST_F(Faults, AThousandInsertsOfSixtyFourCallersAreFewRequests) {
    constexpr int kCallers = 64;
    constexpr int kInserts = 1'000;
    ASSERT_TRUE(database().write_batch(std::vector{insert(-1)}));
    // A way so long that meanwhile everybody who has something to write has asked.
    std::mutex mutex;
    std::condition_variable changed;
    int callers = kCallers;
    int asking = 0;
    fate([&](const Seen&) {
        std::unique_lock lock(mutex);
        changed.wait(lock, [&] { return asking == callers; });
        return Fate{};
    });
    const auto count = [&](int& counter, int by) {
        const std::lock_guard lock(mutex);
        counter += by;
        changed.notify_all();
    };
    const int before = x_stub.requests();
    std::atomic<int> next{0};
    std::atomic<int> failed{0};
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < kCallers; ++t) {
            threads.emplace_back([&] {
                for (int id = next++; id < kInserts; id = next++) {
                    count(asking, 1);
                    if (!database().write_batch(std::vector{insert(id)})) ++failed;
                    count(asking, -1);
                }
                count(callers, -1);
            });
        }
    }
    fate([](const Seen&) { return Fate{}; });
    EXPECT_EQ(failed.load(), 0);
    EXPECT_EQ(notes(), kInserts + 1);
    EXPECT_LE(x_stub.requests() - before, 40) << "20 on a machine that has nothing else to do";
}

}  // namespace
}  // namespace taskstore::libsql
