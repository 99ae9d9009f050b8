#include "servers.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <vector>

namespace taskstore::libsql {
namespace {

/// Started from the main thread: it ends with the thread that started it.
class SharedServer final : public testing::Environment {
  public:
    void SetUp() override {
        auto started = start_sqld({.namespaces = true});
        if (!started) {
            std::cerr << started.error().message << "; " << started.error().hint << '\n';
            std::exit(1);
        }
        x_sqld = std::move(*started);
    }
    void TearDown() override { x_sqld.server.reset(); }
    const Sqld& sqld() const { return x_sqld; }

  private:
    Sqld x_sqld;
};

auto* const shared =
    static_cast<SharedServer*>(testing::AddGlobalTestEnvironment(new SharedServer));

}  // namespace

Options test_options() {
    static const SystemClock clock;
    static SystemRandom random;
    Options options;
    options.clock = &clock;
    options.random = &random;
    return options;
}

FreshDatabase::FreshDatabase() {
    static std::atomic<int> count{0};
    x_name = "t" + std::to_string(++count);
    const auto made = make_namespace(shared->sqld(), x_name);
    EXPECT_TRUE(made) << made.error().message;
}

FreshDatabase::~FreshDatabase() {
    EXPECT_TRUE(drop_namespace(shared->sqld(), x_name));
}

std::string FreshDatabase::location() const {
    return shared->sqld().location(x_name);
}

void must(const Status& status) {
    ASSERT_TRUE(status) << status.error().message;
}

sql::BoundStatement insert(std::int64_t id) {
    return {.sql = "INSERT INTO notes (id) VALUES (?1)", .values = {id}};
}

sql::Work insert_work(std::int64_t id) {
    return [id](sql::Connection& connection) {
        return connection.execute("INSERT INTO notes (id) VALUES (" + std::to_string(id) + ")");
    };
}

std::unique_ptr<sql::Database> open(const std::string& url, const Options& options) {
    auto opened = open_database(url, options);
    EXPECT_TRUE(opened) << opened.error().message;
    return std::move(*opened);
}

std::unique_ptr<sql::Database> open_with_table(const std::string& url, const Options& options) {
    auto database = open(url, options);
    must(Status(database->write([](sql::Connection& connection) {
        return connection.execute("CREATE TABLE notes (id INTEGER, x TEXT)");
    })
                    ? ok()
                    : fail(Code::failed, "no table")));
    return database;
}

std::map<std::int64_t, int> counts(sql::Database& database) {
    std::map<std::int64_t, int> out;
    const auto read =
        database.read_batch(std::vector<sql::BoundStatement>{{.sql = "SELECT id FROM notes"}});
    EXPECT_TRUE(read) << read.error().message;
    if (!read) return out;
    for (const auto& row : read->at(0).rows) ++out[std::get<std::int64_t>(row.at(0))];
    return out;
}

}  // namespace taskstore::libsql
