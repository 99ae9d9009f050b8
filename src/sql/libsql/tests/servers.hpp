#pragma once
// One sqld for the whole test program, a database of it for each test.

#include <taskstore/base/clock.hpp>
#include <taskstore/libsql/database.hpp>
#include <taskstore/testing/sqld.hpp>

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

}  // namespace taskstore::libsql
