#pragma once
// What tests of faults share: what writers were told, to be compared with what is there; writers
// that never stop; a proxy between us and the server.

#include "sandbox.hpp"

#include <taskstore/testing/proxy.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <map>
#include <mutex>
#include <thread>

namespace taskstore::postgres {

using std::chrono::steady_clock;

// No unique key: what is applied twice shows.
inline constexpr std::string_view kInsert = "INSERT INTO notes (id) VALUES (?1)";
inline constexpr std::string_view kInsertMany =
    "INSERT INTO notes (id) SELECT * FROM unnest(?1::bigint[])";
inline const std::string kCreate = "CREATE TABLE notes (id BIGINT NOT NULL)";

// A server that crashed flushes every file of its cluster before it is ready.
inline const std::string kQuickRecovery = "recovery_init_sync_method=syncfs";

inline std::int64_t ms_since(steady_clock::time_point start) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - start)
        .count();
}

inline std::vector<sql::BoundStatement> insert(std::int64_t id) {
    return {{.sql = kInsert, .values = {id}, .set_based = kInsertMany}};
}

inline std::int64_t in_ms(std::int64_t ms) {
    return real_clock().boot_ns() + ms * 1'000'000;
}

/// What writers were told, for the comparison with what is there.
class Ledger {
  public:
    void note(std::int64_t id, const Result<sql::Committed>& told) {
        const std::lock_guard lock(x_mutex);
        x_told[id] = told ? std::optional<Code>{} : told.error().code;
    }
    void compare(sql::Database& database) {
        std::map<std::int64_t, int> there;
        const std::vector<sql::BoundStatement> batch{{.sql = "SELECT id FROM notes"}};
        const auto read = must(database.read_batch(batch));
        for (const auto& row : read.front().rows) ++there[std::get<std::int64_t>(row[0])];
        for (const auto& [id, code] : x_told) {
            const int times = there[id];
            EXPECT_LE(times, 1) << id << " was applied twice";
            if (!code) {
                EXPECT_EQ(times, 1) << id << " was acknowledged";
            } else if (*code != Code::outcome_unknown) {
                EXPECT_EQ(times, 0) << id << " was told " << name_of(*code);
            }
        }
    }
    int count(std::optional<Code> code) {
        const std::lock_guard lock(x_mutex);
        return static_cast<int>(
            std::ranges::count_if(x_told, [&](const auto& told) { return told.second == code; }));
    }

  private:
    std::mutex x_mutex;
    std::map<std::int64_t, std::optional<Code>> x_told;
};

inline std::string through(const Proxy& proxy) {
    return "postgresql://plain@127.0.0.1:" + std::to_string(proxy.port()) + "/taskstore";
}

/// Writers that never stop, until told to.
class Load {
  public:
    Load(sql::Database& database, Ledger& ledger, int threads) {
        for (int t = 0; t < threads; ++t) {
            x_threads.emplace_back([&database, &ledger, t, this](const std::stop_token& stop) {
                for (std::int64_t i = 0; !stop.stop_requested(); ++i) {
                    const std::int64_t id = t * 1'000'000 + i;
                    const auto told = database.write_batch(insert(id));
                    ledger.note(id, told);
                    if (told) {
                        x_successes.fetch_add(1);
                        x_successes.notify_all();
                    }
                }
            });
        }
    }
    void wait_for_successes(std::int64_t more) {
        const std::int64_t until = x_successes.load() + more;
        for (std::int64_t now = x_successes.load(); now < until; now = x_successes.load())
            x_successes.wait(now);
    }

  private:
    std::atomic<std::int64_t> x_successes{0};
    std::vector<std::jthread> x_threads;
};

/// Sessions of a killed server hold its memory until they notice.
inline void start_again(Server& server) {
    const auto start = steady_clock::now();
    while (true) {
        const Status started = server.start_again();
        if (started) return;
        ASSERT_LT(ms_since(start), 20'000) << started.error().message;
    }
}

/// Kills a server or pooler under load and starts it again, over and over.
inline void kill_again_and_again(Server& server, Load& load, int rounds) {
    for (int round = 0; round < rounds; ++round) {
        load.wait_for_successes(50);
        server.kill();
        start_again(server);
        const auto back = steady_clock::now();
        load.wait_for_successes(1);
        EXPECT_LT(ms_since(back), 1'000) << "after it was ready";
    }
    load.wait_for_successes(50);
}

inline void compare_and_expect_no_failure(Ledger& ledger, sql::Database& database) {
    ledger.compare(database);
    EXPECT_EQ(ledger.count(Code::failed) + ledger.count(Code::invalid), 0);
}

}  // namespace taskstore::postgres
