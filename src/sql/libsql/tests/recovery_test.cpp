// A server that was away is met within a second of its return, by whoever asks for whatever, and
// has lost nothing that was acknowledged.

#include "servers.hpp"
#include "stub.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <csignal>
#include <cstring>
#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <thread>

namespace taskstore::libsql {
namespace {

/// One thing to ask of a database; writes write the id.
struct Kind {
    std::string name;
    std::function<Status(sql::Database&, std::int64_t id)> ask;
    bool writes = false;
};

Status status_of(const auto& result) {
    return result ? ok() : Status(fail(result.error()));
}

const std::array<Kind, 4> kKinds{
    Kind{.name = "batch",
         .ask = [](sql::Database& database,
                   std::int64_t id) { return status_of(database.write_batch({{insert(id)}})); },
         .writes = true},
    Kind{.name = "work",
         .ask = [](sql::Database& database,
                   std::int64_t id) { return status_of(database.write(insert_work(id))); },
         .writes = true},
    Kind{.name = "read_batch",
         .ask =
             [](sql::Database& database, std::int64_t) {
                 return status_of(database.read_batch({{{.sql = "SELECT 1"}}}));
             }},
    Kind{.name = "read", .ask = [](sql::Database& database, std::int64_t) {
             return database.read(
                 [](sql::Connection& connection) { return connection.execute("SELECT 1"); });
         }}};

// --- how often one that is away is asked --------------------------------------------------------

/// Of each range 0 to n that a backoff draws from, the end: one less than a common multiple of all
/// that n + 1 is.
class LongestWaits final : public Random {
  public:
    void fill(std::span<std::byte> out) override {
        constexpr std::uint64_t kMultiple =
            2ULL * 81 * 7 * 11 * 13 * 23 * 41 * 67 * 107 * 251 * 641;
        constexpr std::uint64_t kNumber = kMultiple - 1;
        for (std::size_t at = 0; at < out.size(); at += sizeof kNumber)
            std::memcpy(out.data() + at, &kNumber, std::min(sizeof kNumber, out.size() - at));
    }
};

TEST(AwayServer, IsAskedMoreOftenThanTwiceASecondHoweverLongItIsAway) {
    constexpr std::size_t kRefusals = 10;
    std::array<std::vector<std::int64_t>, kKinds.size()> waits;
    {
        std::vector<std::jthread> threads;
        for (std::size_t k = 0; k < kKinds.size(); ++k) {
            threads.emplace_back([&, k] {
                HranaStub stub;
                stub.number("CREATE TABLE notes (id INTEGER)");
                std::vector<std::int64_t> asked_ns;
                stub.set_fate([&](const Seen&) -> Fate {
                    if (asked_ns.size() == kRefusals) return {};
                    asked_ns.push_back(kClock.boot_ns());
                    return {.run = false, .status = 503};
                });
                LongestWaits random;
                Options options = test_options();
                options.random = &random;
                const Status asked = kKinds.at(k).ask(*open(stub.location(), options), 1);
                EXPECT_TRUE(asked) << kKinds.at(k).name << ": " << asked.error().message;
                stub.settle();
                for (std::size_t i = 1; i < asked_ns.size(); ++i)
                    waits.at(k).push_back((asked_ns[i] - asked_ns[i - 1]) / kNsPerMs);
            });
        }
    }
    // The last ones are the longest; of these the shortest, for a busy machine adds to some.
    for (std::size_t k = 0; k < kKinds.size(); ++k) {
        ASSERT_EQ(waits.at(k).size(), kRefusals - 1);
        EXPECT_LT(*std::min_element(waits.at(k).end() - 2, waits.at(k).end()), 500)
            << kKinds.at(k).name;
    }
}

// sqld, while it shuts down, says that it has no such database.
TEST(AwayServer, IsAskedAgainForADatabaseThatItHad) {
    for (const Kind& kind : kKinds) {
        HranaStub stub;
        stub.number("CREATE TABLE notes (id INTEGER)");
        Options options = test_options();
        options.pool.retry_ms_max = 100;
        const auto database = open(stub.location(), options);
        const auto gone = [](const Seen&) -> Fate {
            return {
                .run = false, .body = R"({"error":"Namespace `a` doesn't exist"})", .status = 404};
        };
        stub.set_fate(gone);
        EXPECT_EQ(kind.ask(*database, 1).error().code, Code::not_found) << kind.name;
        EXPECT_LE(stub.requests(), 2) << "it was never there";
        stub.set_fate([](const Seen&) { return Fate{}; });
        EXPECT_TRUE(kind.ask(*database, 2)) << kind.name;
        int refusals = 2;
        stub.set_fate([&](const Seen& seen) { return --refusals < 0 ? Fate{} : gone(seen); });
        EXPECT_TRUE(kind.ask(*database, 3)) << kind.name;
        stub.set_fate(gone);
        EXPECT_EQ(kind.ask(*database, 4).error().code, Code::not_found) << "and it stays away";
    }
}

// --- one that was killed under load -------------------------------------------------------------

/// What writers were told, to be compared with what is there.
class Ledger {
  public:
    void note(std::int64_t id, const Status& told) {
        const std::lock_guard lock(x_mutex);
        x_told[id] = told ? std::optional<Code>{} : told.error().code;
    }
    void expect_all_of(sql::Database& database) {
        auto there = counts(database);
        for (const auto& [id, code] : x_told) {
            EXPECT_FALSE(code) << id << " was told " << name_of(*code)
                               << ": the server could be asked again";
            EXPECT_EQ(there[id], 1) << id;
        }
    }

  private:
    std::mutex x_mutex;
    std::map<std::int64_t, std::optional<Code>> x_told;
};

/// Callers that never stop asking for one thing, at a database of their own.
class Callers {
  public:
    Callers(const Kind& kind, const std::string& url, std::int64_t first_id, Ledger& ledger)
        : x_kind(kind) {
        constexpr int kThreads = 4;
        Options options = test_options();
        options.traffic_for_testing = [this](const Traffic&) { count(x_requests); };
        x_database = open(url, options);
        for (int t = 0; t < kThreads; ++t) {
            x_threads.emplace_back(
                [this, &ledger, id = first_id + t](const std::stop_token& stop) mutable {
                    for (; !stop.stop_requested(); id += kThreads) {
                        const Status told = x_kind.ask(*x_database, id);
                        if (x_kind.writes) ledger.note(id, told);
                        EXPECT_TRUE(told) << x_kind.name << ": " << told.error().message;
                        if (told) count(x_successes);
                    }
                });
        }
    }
    const std::string& name() const { return x_kind.name; }
    std::int64_t requests() const { return x_requests.load(); }
    void wait_for_requests(std::int64_t count) { wait_for(x_requests, count); }
    void wait_for_successes(std::int64_t more) { wait_for(x_successes, x_successes.load() + more); }

  private:
    static void count(std::atomic<std::int64_t>& counter) {
        counter.fetch_add(1);
        counter.notify_all();
    }
    static void wait_for(std::atomic<std::int64_t>& counter, std::int64_t until) {
        for (std::int64_t now = counter.load(); now < until; now = counter.load())
            counter.wait(now);
    }

    const Kind& x_kind;
    std::atomic<std::int64_t> x_requests{0};
    std::atomic<std::int64_t> x_successes{0};
    std::unique_ptr<sql::Database> x_database;
    std::vector<std::jthread> x_threads;
};

TEST(AwayServer, LosesNothingThatWasAcknowledgedAndIsMetWithinASecondOfItsReturn) {
    constexpr int kRounds = 2;
    // Of one writer that repeats: so many, and its pauses are as long as they get.
    constexpr std::int64_t kRequestsInVain = 10;
    const auto sqld = start_sqld();
    ASSERT_TRUE(sqld) << sqld.error().message;
    Server& server = *sqld->server;
    const auto database = open_with_table(sqld->location());
    Ledger ledger;
    {
        std::deque<Callers> all;
        for (const Kind& kind : kKinds)
            all.emplace_back(kind, sqld->location(),
                             static_cast<std::int64_t>(all.size()) * 1'000'000, ledger);
        for (int round = 0; round < kRounds; ++round) {
            for (Callers& callers : all) callers.wait_for_successes(20);
            // Asked to end, it takes its time, and refuses meanwhile.
            if (round == 0)
                ::kill(static_cast<pid_t>(server.pid()), SIGTERM);
            else
                server.kill();
            std::vector<std::int64_t> before;
            for (Callers& callers : all) before.push_back(callers.requests());
            for (std::size_t k = 0; k < all.size(); ++k)
                all[k].wait_for_requests(before[k] + kRequestsInVain);
            server.kill();
            must(server.start_again());
            // It is back when it answers somebody who comes anew.
            EXPECT_EQ(counts(*open(sqld->location(), test_options())).count(-1), 0U);
            const std::int64_t back_ns = kClock.boot_ns();
            for (Callers& callers : all) {
                callers.wait_for_successes(1);
                EXPECT_LT(ms_since(back_ns), 1'000) << callers.name();
            }
        }
    }
    ledger.expect_all_of(*database);
}

}  // namespace
}  // namespace taskstore::libsql
