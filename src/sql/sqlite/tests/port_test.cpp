// The contract of the sql port, run on a SQLite file.
#include <taskstore/sql/migration.hpp>
#include <taskstore/sqlite/driver.hpp>

#include <gtest/gtest.h>

#include <sys/stat.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <thread>

namespace taskstore {
namespace {

class SqlPort : public testing::Test {
  protected:
    SqlPort() {
        std::string pattern = std::filesystem::temp_directory_path() / "taskstore-sql-XXXXXX";
        x_folder = mkdtemp(pattern.data());
    }
    ~SqlPort() override { std::filesystem::remove_all(x_folder); }
    std::string path() const { return x_folder / "t.db"; }
    std::unique_ptr<sql::Connection> connect(const sql::OpenOptions& options = {}) {
        auto connection = x_driver.connect(path(), options);
        EXPECT_TRUE(connection) << connection.error().message;
        return std::move(*connection);
    }
    sqlite::Driver x_driver;
    std::filesystem::path x_folder;
};

std::int64_t count(sql::Connection& connection, const std::string& table) {
    auto rows = connection.prepare("SELECT count(*) FROM " + table);
    EXPECT_TRUE(rows) << rows.error().message;
    EXPECT_TRUE((*rows)->step());
    return (*rows)->column_int64(0);
}

TEST_F(SqlPort, EveryValueComesBackAsItWent) {
    auto connection = connect();
    ASSERT_TRUE(connection->execute("CREATE TABLE t(i INTEGER PRIMARY KEY, v ANY) STRICT"));
    const std::vector<sql::Value> values{
        std::monostate{}, std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max(),
        std::int64_t{0}, 0.1, -1e308, std::string(), std::string("é😀\n"), std::string(10'000'000, 'x'),
        sql::Blob{std::string("\0\xff", 2)}, sql::Blob{}};
    for (std::size_t i = 0; i < values.size(); ++i) {
        auto insert = connection->prepare("INSERT INTO t VALUES (?1, ?2)");
        ASSERT_TRUE((*insert)->bind(1, static_cast<std::int64_t>(i)));
        ASSERT_TRUE((*insert)->bind_value(2, values[i]));
        ASSERT_TRUE((*insert)->run());
    }
    auto select = connection->prepare("SELECT v FROM t ORDER BY i");
    for (const sql::Value& value : values) {
        ASSERT_TRUE(*(*select)->step());
        EXPECT_TRUE((*select)->column_value(0) == value);
    }
}

TEST_F(SqlPort, TextWithNulIsRefused) {
    auto connection = connect();
    auto select = connection->prepare("SELECT ?1");
    EXPECT_EQ((*select)->bind(1, std::string_view("a\0b", 3)).error().code, Code::invalid);
}

TEST_F(SqlPort, AnUncommittedTransactionIsUndone) {
    auto connection = connect();
    ASSERT_TRUE(connection->execute("CREATE TABLE t(a INTEGER) STRICT"));
    {
        auto transaction = sql::Transaction::begin_write(*connection);
        ASSERT_TRUE(transaction);
        ASSERT_TRUE(connection->execute("INSERT INTO t VALUES (1)"));
    }
    EXPECT_EQ(count(*connection, "t"), 0);
}

TEST_F(SqlPort, AReaderSeesOneStateWhileAWriterCommits) {
    auto writer = connect();
    ASSERT_TRUE(writer->execute("CREATE TABLE t(a INTEGER) STRICT"));
    auto reader = connect({.read_only = true});
    auto snapshot = sql::Transaction::begin_read(*reader);
    ASSERT_EQ(count(*reader, "t"), 0);
    ASSERT_TRUE(writer->execute("INSERT INTO t VALUES (1)"));
    EXPECT_EQ(count(*reader, "t"), 0);
    ASSERT_TRUE(snapshot->commit());
    EXPECT_EQ(count(*reader, "t"), 1);
}

TEST_F(SqlPort, ReadOnlyRefusesEveryWayToWrite) {
    ASSERT_TRUE(connect()->execute("CREATE TABLE t(a INTEGER) STRICT; INSERT INTO t VALUES (1)"));
    auto reader = connect({.read_only = true});
    for (const char* sql : {"DELETE FROM t", "INSERT INTO t VALUES (2)", "ATTACH '/tmp/taskstore-x.db' AS x",
                            "PRAGMA user_version = 7", "PRAGMA query_only = 0", "CREATE TEMP TABLE x(a)", "DROP TABLE t",
                            "WITH x AS (SELECT 1) INSERT INTO t SELECT * FROM x", "VACUUM INTO '/tmp/taskstore-y.db'",
                            "SELECT load_extension('x')"}) {
        auto statement = reader->prepare(sql);
        EXPECT_FALSE(statement && (*statement)->run()) << sql;
    }
    EXPECT_EQ(count(*reader, "t"), 1);
}

TEST_F(SqlPort, ErrorsHaveTheirCodes) {
    auto connection = connect();
    ASSERT_TRUE(connection->execute("CREATE TABLE t(a INTEGER PRIMARY KEY) STRICT; INSERT INTO t VALUES (1)"));
    EXPECT_EQ(connection->execute("INSERT INTO t VALUES (1)").error().code, Code::conflict);
    EXPECT_EQ(connection->prepare("SELEC").error().code, Code::invalid);
    EXPECT_EQ(connection->prepare("SELECT 1; DELETE FROM t").error().code, Code::invalid);
    EXPECT_EQ(x_driver.connect(x_folder / "none.db", {.create = false}).error().code, Code::not_found);
    std::ofstream(x_folder / "junk.db") << std::string(8192, 'j');
    auto junk = x_driver.connect(x_folder / "junk.db", {});
    EXPECT_EQ(junk.error().code, Code::corrupt) << junk.error().message;
}

TEST_F(SqlPort, ABusyDatabaseIsUnavailable) {
    auto one = connect({.busy_timeout_ms = 0});
    auto two = connect({.busy_timeout_ms = 0});
    ASSERT_TRUE(one->begin_write());
    EXPECT_EQ(two->begin_write().error().code, Code::unavailable);
    one->rollback();
    EXPECT_TRUE(two->begin_write());
}

TEST_F(SqlPort, NewDatabasesArePrivate) {
    auto connection = connect();
    struct stat status{};
    ASSERT_EQ(stat(path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

constexpr std::array kMigrations{sql::Migration{1, "first", "CREATE TABLE a(x INTEGER) STRICT"},
                                 sql::Migration{2, "second", "ALTER TABLE a ADD COLUMN y TEXT"}};

TEST_F(SqlPort, MigrationsApplyOnceAlsoWhenFourStartTogether) {
    FakeClock clock;
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i) {
        threads.emplace_back([&] {
            auto connection = connect();
            const auto status = sql::migrate(*connection, "m", kMigrations, clock);
            EXPECT_TRUE(status) << status.error().message;
        });
    }
    for (auto& thread : threads) thread.join();
    EXPECT_EQ(count(*connect(), "taskstore_migrations"), 2);
}

TEST_F(SqlPort, ANewerOrAlteredSchemaIsRefused) {
    FakeClock clock;
    auto connection = connect();
    ASSERT_TRUE(sql::migrate(*connection, "m", kMigrations, clock));
    EXPECT_EQ(sql::migrate(*connection, "m", std::span(kMigrations).first(1), clock).error().code, Code::unsupported);
    auto altered = kMigrations;
    altered[0].sql = "CREATE TABLE a(z INTEGER) STRICT";
    EXPECT_EQ(sql::migrate(*connection, "m", altered, clock).error().code, Code::corrupt);
}

}  // namespace
}  // namespace taskstore
