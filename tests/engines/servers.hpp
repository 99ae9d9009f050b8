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

/// An empty place of that engine.
inline std::string fresh_place(Device& device, sql::Engine engine, const std::string& file) {
    return engine == sql::Engine::sqlite ? device.folder / file : servers->fresh(engine);
}

}  // namespace store
}  // namespace taskstore
