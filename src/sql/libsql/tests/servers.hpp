#pragma once
// One sqld for the whole test program, a database of it for each test.

#include <taskstore/base/clock.hpp>
#include <taskstore/libsql/database.hpp>
#include <taskstore/testing/sqld.hpp>

#include <cstdint>
#include <map>
#include <memory>
#include <string>

namespace taskstore::libsql {

/// The system's clock and random source.
Options test_options();

/// An empty database on the server that all tests of the program share.
class FreshDatabase {
  public:
    FreshDatabase();
    ~FreshDatabase();
    FreshDatabase(const FreshDatabase&) = delete;
    FreshDatabase& operator=(const FreshDatabase&) = delete;
    std::string location() const;

  private:
    std::string x_name;
};

inline constexpr std::int64_t kNsPerMs = 1'000'000;
inline const SystemClock kClock;
inline std::int64_t ms_since(std::int64_t boot_ns) {
    return (kClock.boot_ns() - boot_ns) / kNsPerMs;
}

void must(const Status& status);
std::unique_ptr<sql::Database> open(const std::string& url, const Options& options);
/// With the table notes (id INTEGER, x TEXT): no key, so that what is applied twice is there twice.
std::unique_ptr<sql::Database> open_with_table(const std::string& url,
                                               const Options& options = test_options());
sql::BoundStatement insert(std::int64_t id);
sql::Work insert_work(std::int64_t id);
/// How often each id is there.
std::map<std::int64_t, int> counts(sql::Database& database);

}  // namespace taskstore::libsql
