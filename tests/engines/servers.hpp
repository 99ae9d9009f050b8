#pragma once
// The servers that the tests of all engines share.

#include "device_store.hpp"
#include "roles.hpp"

#include <taskstore/testing/proxy.hpp>
#include <taskstore/testing/server.hpp>
#include <taskstore/testing/sqld.hpp>

#include <array>
#include <memory>
#include <string>
#include <thread>
#include <vector>

namespace taskstore {

/// Started from the main thread: they end with the thread that started them.
class Servers final : public testing::Environment {
  public:
    void SetUp() override {
        x_postgres = must(start_postgres({.fsync = true}));
        make_plain_role(*x_postgres);
        x_sqld = must(start_sqld({.namespaces = true}));
    }
    void TearDown() override {
        x_postgres.reset();
        x_sqld.server.reset();
    }
    /// `value_bytes_max`: of a namespace of sqld.
    std::string fresh(sql::Engine engine, std::int64_t value_bytes_max = 64 << 20) {
        const std::string name = "d" + std::to_string(++x_count);
        if (engine == sql::Engine::libsql) {
            EXPECT_TRUE(make_namespace(x_sqld, name, value_bytes_max));
            return x_sqld.location(name);
        }
        return make_plain_database(*x_postgres, name);
    }

    std::uint16_t port(sql::Engine engine) const {
        return engine == sql::Engine::libsql ? x_sqld.server->port() : x_postgres->port();
    }

  private:
    int x_count = 0;
    std::unique_ptr<Server> x_postgres;
    Sqld x_sqld;
};

/// Of the whole program.
inline auto* const servers = static_cast<Servers*>(testing::AddGlobalTestEnvironment(new Servers));

namespace store {

inline constexpr std::array kEngines{sql::Engine::postgres, sql::Engine::libsql,
                                     sql::Engine::sqlite};

/// The location of what listens on `port` there, by way of a proxy.
inline std::string through(const Proxy& proxy, std::string location, std::uint16_t port) {
    const std::string direct = ":" + std::to_string(port);
    return location.replace(location.find(direct), direct.size(),
                            ":" + std::to_string(proxy.port()));
}

inline MoveRequest to(Device& device, const std::string& url) {
    MoveRequest request = device.move_to("unused");
    request.to = *sql::parse_location(url);
    request.to_text = url;
    return request;
}

/// The first value of what that answers; empty: nothing.
inline std::string first_of(sql::Connection& connection, std::string_view text,
                            std::vector<sql::Value> values = {}) {
    const sql::BoundStatement one{.sql = text, .values = std::move(values)};
    const auto rows = must(sql::run_batch(connection, {&one, 1}))[0].rows;
    return rows.empty() ? "" : std::get<std::string>(rows[0][0]);
}

/// Until a session of that database waits for another's lock (PostgreSQL).
inline void wait_until_one_waits(sql::Connection& looker) {
    while (first_of(looker,
                    "SELECT 'waits' FROM pg_stat_activity WHERE datname = current_database() "
                    "AND wait_event_type = 'Lock' LIMIT 1") != "waits")
        std::this_thread::yield();
}

/// An empty place of that engine.
inline std::string fresh_place(Device& device, sql::Engine engine, const std::string& file) {
    return engine == sql::Engine::sqlite ? device.folder / file : servers->fresh(engine);
}

}  // namespace store
}  // namespace taskstore
