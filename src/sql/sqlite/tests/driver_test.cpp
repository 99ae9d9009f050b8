#include "sandbox.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <fstream>
#include <thread>

namespace taskstore::sqlite {
namespace {

using testing::HasSubstr;

std::unique_ptr<sql::Connection> connect(const std::string& path,
                                         const sql::OpenOptions& options = {}) {
    static Driver driver;
    return must(driver.connect(path, options));
}

Error connect_error(const std::string& path, const sql::OpenOptions& options = {}) {
    Driver driver;
    auto connection = driver.connect(path, options);
    EXPECT_FALSE(connection);
    return connection ? Error{} : connection.error();
}

unsigned mode_of(const std::string& path) {
    struct stat status{};
    return stat(path.c_str(), &status) == 0 ? status.st_mode & 0777U : 0U;
}

void write_file(const std::string& path, std::string_view content) {
    std::ofstream(path, std::ios::binary) << content;
}

std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
}

/// Runs `body` in a process of a user without special rights; its answer is the exit status.
int as_nobody(const std::function<int()>& body) {
    const pid_t child = fork();
    if (child == 0) {
        constexpr uid_t kNobody = 65'534;
        if (geteuid() == 0 && (setgid(kNobody) != 0 || setuid(kNobody) != 0)) _exit(99);
        _exit(body());
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace

TEST(SqliteDriver, MakesADatabaseForItsOwnerOnly) {
    const TemporaryFolder folder;
    const auto connection = connect(folder / "a.db");
    must(connection->execute("CREATE TABLE t (id INTEGER)"));
    EXPECT_EQ(mode_of(folder / "a.db"), 0600U);
    EXPECT_EQ(mode_of(folder / "a.db-wal"), 0600U);
    EXPECT_EQ(mode_of(folder / "a.db-shm"), 0600U);
}

TEST(SqliteDriver, SetsWhatItPromises) {
    const TemporaryFolder folder;
    const auto connection =
        connect(folder / "a.db", {.cache_bytes = 1 << 20, .mmap_bytes = 1 << 22});
    EXPECT_EQ(text(*connection, "PRAGMA journal_mode"), "wal");
    EXPECT_EQ(number(*connection, "PRAGMA synchronous"), 2);
    EXPECT_EQ(number(*connection, "PRAGMA foreign_keys"), 1);
    EXPECT_EQ(number(*connection, "PRAGMA secure_delete"), 0);
    EXPECT_EQ(number(*connection, "PRAGMA trusted_schema"), 0);
    EXPECT_EQ(number(*connection, "PRAGMA cache_size"), -1024);
    EXPECT_EQ(number(*connection, "PRAGMA mmap_size"), 1 << 22);
    EXPECT_EQ(connection->execute("SELECT \"no such column\"").error().code, Code::invalid);
    EXPECT_EQ(connection->dialect(), "sqlite");
    const auto cache = connect(folder / "b.db", {.durability = sql::Durability::cache});
    EXPECT_EQ(number(*cache, "PRAGMA synchronous"), 1);
    EXPECT_EQ(text(*cache, "PRAGMA journal_mode"), "wal");
}

TEST(SqliteDriver, ADatabaseBuiltWithoutFlushesCanUndoAndBecomesAWalDatabase) {
    const TemporaryFolder folder;
    {
        const auto builder = connect(folder / "a.db", {.durability = sql::Durability::building});
        EXPECT_EQ(number(*builder, "PRAGMA synchronous"), 0);
        must(builder->execute("CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1)"));
        {
            const auto undone = must(sql::Transaction::begin_write(*builder));
            must(builder->execute("DELETE FROM t"));
        }
        EXPECT_EQ(number(*builder, "SELECT COUNT(*) FROM t"), 1);
        EXPECT_FALSE(std::filesystem::exists(folder / "a.db-journal"));
    }
    const auto connection = connect(folder / "a.db");
    EXPECT_EQ(text(*connection, "PRAGMA journal_mode"), "wal");
    EXPECT_EQ(number(*connection, "SELECT COUNT(*) FROM t"), 1);
}

TEST(SqliteDriver, WhatIsNotThereIsNotFound) {
    const TemporaryFolder folder;
    EXPECT_EQ(connect_error(folder / "a.db", {.create = false}).code, Code::not_found);
    EXPECT_EQ(connect_error(folder / "a.db", {.read_only = true}).code, Code::not_found);
    EXPECT_EQ(connect_error(folder / "no/such/a.db").code, Code::not_found);
    EXPECT_FALSE(std::filesystem::exists(folder / "a.db"));
    EXPECT_EQ(connect_error(folder.path()).code, Code::invalid);
}

TEST(SqliteDriver, WhatIsNotADatabaseIsCorruptAndStaysAsItIs) {
    const TemporaryFolder folder;
    const std::string path = folder / "a.db";
    const std::string content = "{\"id\":\"not a database\"}\n" + std::string(8'192, 'x');
    write_file(path, content);
    for (const bool read_only : {false, true}) {
        const Error error = connect_error(path, {.read_only = read_only});
        EXPECT_EQ(error.code, Code::corrupt);
        EXPECT_THAT(error.message, HasSubstr(path));
        EXPECT_NE(error.native, 0);
    }
    EXPECT_EQ(read_file(path), content);
}

TEST(SqliteDriver, ADamagedDatabaseIsCorruptNotWrong) {
    const TemporaryFolder folder;
    const std::string path = folder / "a.db";
    {
        const auto connection = connect(path);
        must(connection->execute(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT);"
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
            "INSERT INTO t SELECT i, 'some text to fill the pages' FROM n"));
    }
    std::string bytes = read_file(path);
    constexpr std::size_t kPage = 4'096;
    bytes.replace(kPage * 3, kPage * 4, std::string(kPage * 4, '\x5a'));
    write_file(path, bytes);
    // Found when the database is opened or when the page is read, but found.
    const auto code_of_reading = [&] {
        Driver driver;
        const auto connection = driver.connect(path, {});
        if (!connection) return connection.error().code;
        const auto status = (*connection)->execute("SELECT SUM(LENGTH(text)) FROM t");
        EXPECT_FALSE(status);
        return status ? Code::failed : status.error().code;
    };
    EXPECT_EQ(code_of_reading(), Code::corrupt);
    write_file(path, bytes.substr(0, 5'000));
    EXPECT_EQ(code_of_reading(), Code::corrupt);
}

TEST(SqliteDriver, NamesThatLookLikeSomethingElseAreJustNames) {
    const TemporaryFolder folder;
    for (const char* name :
         {"a?mode=memory.db", "100%41.db", "a#b.db", "\xC3\xA9 \xF0\x9F\xA6\x8A.db"}) {
        must(connect(folder / name)->execute("CREATE TABLE t (id INTEGER)"));
        EXPECT_TRUE(std::filesystem::exists(folder / name)) << name;
        EXPECT_EQ(number(*connect(folder / name, {.read_only = true}), "SELECT COUNT(*) FROM t"), 0)
            << name;
    }
}

TEST(SqliteDriver, ReadOnlyRefusesWhatOnlySqliteKnows) {
    const TemporaryFolder folder;
    const std::string path = folder / "a.db";
    const auto writer = connect(path);
    must(
        writer->execute("CREATE TABLE t (id INTEGER); CREATE VIRTUAL TABLE f USING fts5(x);"
                        "INSERT INTO f VALUES ('needle in hay')"));
    const auto reader = connect(path, {.read_only = true});
    const std::string attach = "ATTACH '" + folder / "other.db" + "' AS other";
    const std::string vacuum_into = "VACUUM INTO '" + folder / "copy.db" + "'";
    for (const std::string& sql :
         std::vector<std::string>{attach,
                                  vacuum_into,
                                  "VACUUM",
                                  "REINDEX",
                                  "ANALYZE",
                                  "DETACH main",
                                  "CREATE TEMP TABLE x (id INTEGER)",
                                  "CREATE TEMP TRIGGER g AFTER DELETE ON t BEGIN SELECT 1; END",
                                  "PRAGMA query_only=OFF",
                                  "PRAGMA query_only(0)",
                                  "PRAGMA user_version=7",
                                  "PRAGMA journal_mode=DELETE",
                                  "PRAGMA writable_schema=ON",
                                  "PRAGMA wal_checkpoint",
                                  "PRAGMA wal_checkpoint(TRUNCATE)",
                                  "PRAGMA optimize",
                                  "PRAGMA locking_mode=EXCLUSIVE",
                                  "PRAGMA incremental_vacuum",
                                  "PRAGMA foreign_keys=0",
                                  "INSERT INTO f (f) VALUES ('optimize')",
                                  "DELETE FROM f",
                                  "EXPLAIN DELETE FROM t",

                                  "REPLACE INTO t VALUES (1)"}) {
        const auto status = reader->execute(sql);
        ASSERT_FALSE(status) << sql;
        EXPECT_EQ(status.error().code, Code::denied) << sql;
    }
    EXPECT_FALSE(reader->execute("SELECT load_extension('x.so')"));
    EXPECT_FALSE(reader->execute("UPDATE sqlite_schema SET sql = ''"));
    EXPECT_FALSE(std::filesystem::exists(folder / "other.db"));
    EXPECT_FALSE(std::filesystem::exists(folder / "copy.db"));
    EXPECT_EQ(number(*reader, "SELECT COUNT(*) FROM f WHERE f MATCH 'needle'"), 1);
    EXPECT_EQ(text(*reader, "PRAGMA integrity_check"), "ok");
    EXPECT_EQ(text(*reader, "SELECT name FROM pragma_table_info('t')"), "id");
    EXPECT_TRUE(reader->execute("EXPLAIN QUERY PLAN SELECT * FROM t"));
}

TEST(SqliteDriver, AFolderThatCannotBeWrittenIsReadAsItStands) {
    const TemporaryFolder folder;
    const std::string path = folder / "a.db";
    must(connect(path)->execute("CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (42)"));
    ASSERT_FALSE(std::filesystem::exists(path + "-wal"))
        << "the last connection takes the WAL with it";
    chmod(path.c_str(), 0444);
    chmod(folder.path().c_str(), 0555);
    const int answer = as_nobody([&] {
        Driver driver;
        auto reader = driver.connect(path, {.read_only = true});
        if (!reader) return 1;
        return static_cast<int>(number(**reader, "SELECT id FROM t"));
    });
    const int refused = as_nobody([&] {
        Driver driver;
        const auto writer = driver.connect(path, {});
        return !writer && writer.error().code == Code::denied ? 7 : 1;
    });
    chmod(folder.path().c_str(), 0755);
    EXPECT_EQ(answer, 42);
    EXPECT_EQ(refused, 7);
    const auto other = connect(path, {.read_only = true});
    EXPECT_EQ(number(*other, "SELECT id FROM t"), 42);
}

TEST(SqliteDriver, AWalThatCannotBeJoinedIsDeniedNotSkipped) {
    const TemporaryFolder folder;
    const std::string path = folder / "a.db";
    const std::string left = folder / "left.db";
    {
        const auto connection = connect(path);
        must(connection->execute("CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (42)"));
        // What a killed process leaves behind, without the shared memory, as after a reboot.
        std::filesystem::copy_file(path, left);
        std::filesystem::copy_file(path + "-wal", left + "-wal");
    }
    chmod(left.c_str(), 0444);
    chmod((left + "-wal").c_str(), 0444);
    chmod(folder.path().c_str(), 0555);
    const int answer = as_nobody([&] {
        Driver driver;
        auto reader = driver.connect(left, {.read_only = true});
        if (reader) return static_cast<int>(number(**reader, "SELECT id FROM t"));
        return reader.error().code == Code::denied ? 7 : 1;
    });
    chmod(folder.path().c_str(), 0755);
    EXPECT_EQ(answer, 7);
}

TEST(SqliteDriver, ASecondWriterIsToldToTryAgain) {
    const TemporaryFolder folder;
    const auto one = connect(folder / "a.db");
    const auto two = connect(folder / "a.db", {.busy_timeout_ms = 0});
    const auto held = must(sql::Transaction::begin_write(*one));
    const auto status = two->begin_write();
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, Code::unavailable);
}

TEST(SqliteDriver, WhoWritesWithoutAPauseKeepsNobodyAway) {
    const TemporaryFolder folder;
    const sql::OpenOptions options{.durability = sql::Durability::cache};
    const auto waiting = connect(folder / "a.db", options);
    must(waiting->execute("CREATE TABLE t (id INTEGER)"));
    const std::jthread busy([&](const std::stop_token& stop) {
        const auto own = connect(folder / "a.db", options);
        while (!stop.stop_requested()) {
            if (!own->begin_write()) continue;
            // Some milliseconds of work, with the lock held.
            must(
                own->execute("INSERT INTO t WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + "
                             "1 FROM n WHERE i < 20000) SELECT max(i) FROM n"));
            must(own->commit());
        }
    });
    while (number(*waiting, "SELECT COUNT(*) FROM t") == 0) std::this_thread::yield();
    for (int i = 0; i < 10; ++i) {
        const auto begun = waiting->begin_write();
        ASSERT_TRUE(begun) << i << ": " << begun.error().message;
        must(waiting->commit());
    }
}

TEST(SqliteDriver, WhatIsNotThereIsSaidSoHoweverOftenOthersChangeTheSchema) {
    const TemporaryFolder folder;
    const auto looking = connect(folder / "a.db", {.durability = sql::Durability::cache});
    must(looking->execute("CREATE TABLE t (id INTEGER)"));
    std::atomic<int> changes{0};
    std::vector<std::jthread> changing;
    for (int i = 0; i < 3; ++i)
        changing.emplace_back([&, i](const std::stop_token& stop) {
            const auto own = connect(folder / "a.db", {.durability = sql::Durability::cache});
            const std::string name = "t" + std::to_string(i);
            while (!stop.stop_requested()) {
                static_cast<void>(own->execute("CREATE TABLE " + name + " (id INTEGER)"));
                static_cast<void>(own->execute("DROP TABLE " + name));
                changes.fetch_add(1);
            }
        });
    for (int i = 0; i < 20'000 || changes.load() < 100; ++i) {
        const auto missing = looking->prepare("SELECT * FROM nowhere");
        ASSERT_FALSE(missing);
        ASSERT_EQ(missing.error().code, Code::invalid) << i << ": " << missing.error().message;
    }
}

TEST(SqliteDriver, AReadThatBecameAWriteAfterAnothersCommitIsToldToTryAgain) {
    const TemporaryFolder folder;
    const auto one = connect(folder / "a.db");
    must(one->execute("CREATE TABLE t (id INTEGER)"));
    const auto two = connect(folder / "a.db");
    const auto reading = must(sql::Transaction::begin_read(*two));
    EXPECT_EQ(number(*two, "SELECT COUNT(*) FROM t"), 0);
    must(one->execute("INSERT INTO t VALUES (1)"));
    EXPECT_EQ(two->execute("INSERT INTO t VALUES (2)").error().code, Code::unavailable);
}

TEST(SqliteDriver, AnInterruptEndsTheStatementAndTheTransactionItChanged) {
    const TemporaryFolder folder;
    const auto connection = connect(folder / "a.db");
    must(connection->execute("CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1)"));
    const auto transaction = must(sql::Transaction::begin_write(*connection));
    const auto inserting = must(connection->prepare("INSERT INTO t VALUES (2)"));
    const auto reading = must(connection->prepare("SELECT id FROM t"));
    EXPECT_TRUE(must(reading->step()));
    connection->interrupt();
    EXPECT_EQ(inserting->step().error().code, Code::cancelled);
    EXPECT_FALSE(connection->in_transaction());
    reading->reset();
    inserting->reset();
    EXPECT_EQ(number(*connection, "SELECT COUNT(*) FROM t"), 1);
}

TEST(SqliteDriver, AConnectionInMemoryNeedsNoFile) {
    const auto connection = connect(":memory:");
    must(connection->execute("CREATE TABLE t (id INTEGER)"));
    EXPECT_FALSE(std::filesystem::exists(":memory:"));
}

TEST(SqliteDriver, ManyProcessesMayMakeTheSameDatabaseAtOnce) {
    const TemporaryFolder folder;
    const std::string path = folder / "a.db";
    std::array<pid_t, 4> children{};
    for (pid_t& child : children) {
        child = fork();
        if (child != 0) continue;
        Driver driver;
        auto connection = driver.connect(path, {});
        _exit(connection && (*connection)->execute("CREATE TABLE IF NOT EXISTS t (id INTEGER)")
                  ? 0
                  : 1);
    }
    for (const pid_t child : children) {
        int status = -1;
        waitpid(child, &status, 0);
        EXPECT_EQ(status, 0);
    }
    EXPECT_EQ(text(*connect(path), "PRAGMA integrity_check"), "ok");
}

}  // namespace taskstore::sqlite
