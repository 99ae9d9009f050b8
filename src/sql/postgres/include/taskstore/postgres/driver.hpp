#pragma once
// The PostgreSQL driver of the Database port (floor 3; composition roots and tests name it, nobody
// else). Servers 13 to 18 through libpq 15 or later
// (https://www.postgresql.org/docs/current/libpq.html).

#include <taskstore/base/clock.hpp>
#include <taskstore/sql/database.hpp>

#include <memory>
#include <string>

namespace taskstore::postgres {

class Translations;

struct DriverOptions {
    const Clock* clock = nullptr;  ///< Needed. Must outlive the driver.
    /// Where unqualified names live; made when it is not there (as OpenOptions::create says). 1 to
    /// 32 of [a-z0-9_].
    std::string schema = "main";
    /// Behind PgBouncer in transaction mode: see Options::pooler.
    bool pooler = false;
    std::int64_t statement_timeout_ms = 30'000;  ///< 0: none. Passed: cancelled.
    /// As of sql::OpenRequest.
    std::int64_t until_boot_ns = 0;
};

/// Single connections, for tools and migrations; threads that share a database open it with
/// open_database(). Locations are URLs (postgres://, postgresql://) as libpq takes them: several
/// hosts, IPv6, Unix sockets, services, TLS. Thread-safe; must outlive its connections.
///
/// Of OpenOptions: busy_timeout_ms is how long a statement waits for a lock (then: unavailable),
/// durability and the sizes are the server's affair.
///
/// A transaction in which a statement failed can only be undone: commit() then says `failed`. Text
/// holds the whole result of a statement in memory. BEGIN goes out with the first statement. Times,
/// JSON and other types come as the text that PostgreSQL prints; numeric as an integer where it is
/// one, else as a double; booleans as 0 and 1.
///
/// read_only: the server is told to refuse changes, and a filter on top lets queries only through,
/// without functions that change something in a read-only transaction (set_config, large objects).
/// Whoever must rely on it against a hostile schema takes a role without the right to write.
///
/// Errors name host, port and database, never user or password. `native` is the SQLSTATE as a
/// number in base 36.
class Driver final : public sql::Driver {
  public:
    explicit Driver(DriverOptions options);
    ~Driver() override;
    Driver(const Driver&) = delete;
    Driver& operator=(const Driver&) = delete;

    /// Errors beyond those of Connection: not_found (no such database; no such schema, with
    /// create=false or read_only), denied (password, rights), unavailable (nobody answers).
    Result<std::unique_ptr<sql::Connection>> connect(const std::string& location,
                                                     const sql::OpenOptions& options) override;

  private:
    DriverOptions x_options;
    std::shared_ptr<Translations> x_translations;
};

}  // namespace taskstore::postgres
