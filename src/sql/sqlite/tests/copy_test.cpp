#include "dump.hpp"
#include "sandbox.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <taskstore/sqlite/copy.hpp>
#include <taskstore/testing/small_disk.hpp>

#include <atomic>
#include <cmath>
#include <fstream>
#include <limits>
#include <thread>
#include <vector>

namespace taskstore::sqlite {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::string_view kHead = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n";

struct Copies : testing::Test {
    /// Without a name, as the store makes them.
    std::unique_ptr<sql::CopyFile> begin(const std::string& in) {
        std::ofstream(in, std::ios::binary).close();
        auto file = must(begin_copy(driver, in));
        std::filesystem::remove(in);
        return file;
    }
    std::unique_ptr<sql::CopyFile> begin() { return begin(folder / "copy"); }
    std::string database(const std::string& script) {
        const auto connection = must(driver.connect(folder / "t.db", {}));
        must(connection->execute(script));
        return folder / "t.db";
    }
    static sql::OpenRequest of(const std::string& path) {
        return {.location = {sql::Engine::sqlite, path}, .name = "tasks"};
    }
    std::vector<std::string> names() const {
        std::vector<std::string> names;
        for (const auto& entry : std::filesystem::directory_iterator(folder.path()))
            names.push_back(entry.path().filename());
        return names;
    }
    Result<std::unique_ptr<sql::Connection>> loaded(const std::string& dump) {
        const auto file = begin();
        TASKSTORE_TRY(file->load(dump));
        return file->finish();
    }
    Code refused(const std::string& statement) {
        const auto copy = loaded(std::string(kHead) + statement + ";\nCOMMIT;\n");
        return copy ? Code::exists : copy.error().code;
    }

    TemporaryFolder folder;
    Driver driver;
};

TEST_F(Copies, HaveWhatTheDatabaseHasAndLeaveNothingBesideIt) {
    const std::string path = database(
        "PRAGMA user_version = 7; CREATE TABLE t (id INTEGER PRIMARY KEY, v); INSERT INTO t VALUES "
        "(1, 'a'), (2, x'00ff'), (3, -0.0)");
    const auto file = begin();
    ASSERT_TRUE(file->copy_from(of(path)));
    EXPECT_THAT(names(), testing::IsSupersetOf({"t.db"}));
    const auto copy = must(file->finish());
    const auto before = names();
    EXPECT_EQ(number(*copy, "SELECT count(*) FROM t"), 3);
    EXPECT_EQ(number(*copy, "PRAGMA user_version"), 7);
    EXPECT_EQ(text(*copy, "PRAGMA integrity_check"), "ok");
    EXPECT_EQ(text(*copy, "PRAGMA journal_mode"), "memory") << "no log by a name that is gone";
    EXPECT_EQ(copy->execute("INSERT INTO t VALUES (4, 'b')").error().code, Code::denied);
    EXPECT_EQ(names(), before);
    for (const std::string& name : before) EXPECT_THAT(name, testing::StartsWith("t.db"));
}

TEST_F(Copies, AreOneStateWhileOthersWrite) {
    const std::string path = database(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER, room TEXT); INSERT INTO t VALUES (1, "
        "0, "
        "''), (2, 0, ''); WITH RECURSIVE c(i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM c WHERE i < "
        "3000) INSERT INTO t SELECT i, 0, hex(zeroblob(3000)) FROM c");
    std::atomic<bool> stop = false;
    std::atomic<int> written = 0;
    std::jthread writer([&] {
        const auto connection = must(driver.connect(path, {}));
        while (!stop) {
            must(
                connection->execute("BEGIN IMMEDIATE; UPDATE t SET n = n + 1 WHERE id = 1; UPDATE "
                                    "t SET n = n + 1 WHERE id = 2; COMMIT"));
            ++written;
        }
    });
    for (int i = 0; i < 5; ++i) {
        for (const int seen = written; written == seen;) std::this_thread::yield();
        const auto file = begin();
        ASSERT_TRUE(file->copy_from(of(path)));
        const auto copy = must(file->finish());
        EXPECT_EQ(number(*copy, "SELECT count(DISTINCT n) FROM t WHERE id <= 2"), 1);
        EXPECT_GE(number(*copy, "SELECT n FROM t WHERE id = 1"), 1);
    }
    stop = true;
}

TEST_F(Copies, SayWhatToDoWhereTheDiskIsFull) {
    const std::string path = database(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, v); WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL "
        "SELECT i + 1 FROM c WHERE i < 2000) INSERT INTO t SELECT i, hex(zeroblob(2000)) FROM c");
    const TemporaryFolder small;
    const auto disk = SmallDisk::mount(small.path(), 1 << 20);
    if (!disk && disk.error().code == Code::denied)
        GTEST_SKIP() << "missing capability: " << disk.error().hint;
    ASSERT_TRUE(disk);
    const auto file = begin(small / "copy");
    const Status copied = file->copy_from(of(path));
    ASSERT_FALSE(copied);
    EXPECT_EQ(copied.error().code, Code::failed) << copied.error().message;
    EXPECT_THAT(copied.error().hint, HasSubstr("as much room"));
    // Within the cache of the connection, and beyond it.
    for (const int rows : {1'000, 10'000}) {
        const auto other = begin(small / "dump");
        Status loaded =
            other->load(std::string(kHead) + "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT);\n");
        for (int i = 0; i < rows && loaded; ++i)
            loaded = other->load("INSERT INTO t VALUES(" + std::to_string(i) + ",'" +
                                 std::string(4'000, 'x') + "');\n");
        if (loaded) loaded = other->load("COMMIT;\n");
        Result<std::unique_ptr<sql::Connection>> whole = fail(loaded ? Error{} : loaded.error());
        if (loaded) whole = other->finish();
        ASSERT_FALSE(whole) << rows;
        EXPECT_EQ(whole.error().code, Code::failed) << whole.error().message;
        EXPECT_THAT(whole.error().hint, HasSubstr("as much room")) << whole.error().message;
    }
}

TEST_F(Copies, OfADumpHaveItsTablesAndRowsWhereverItIsCut) {
    const std::string dump =
        std::string(kHead) +
        "CREATE TABLE IF NOT EXISTS t (id TEXT PRIMARY KEY, -- a key; no more\n v TEXT CHECK "
        "(length(v) < 3), r REAL, b BLOB) WITHOUT ROWID;\n"
        "INSERT INTO t VALUES('a;\n''b','longer than the check',2,X'00ff');\n"
        "INSERT INTO \"t\" "
        "VALUES('line',replace(replace('x\\ny\\r','\\r',char(13)),'\\n',char(10)),"
        "-0,X'');\n"
        "INSERT INTO t(id,v,r,b) VALUES('n',NULL,NULL,NULL);\n"
        "CREATE TABLE u (i INTEGER PRIMARY KEY AUTOINCREMENT, t TEXT REFERENCES t (id));\n"
        "INSERT INTO u VALUES(-9223372036854775808,'nobody');\n"
        "INSERT INTO u VALUES(9223372036854775807,'a;\n''b');\n"
        "DELETE FROM sqlite_sequence;\nINSERT INTO sqlite_sequence VALUES('u',7);\n"
        "CREATE UNIQUE INDEX t_v ON t (v);\n"
        "CREATE TRIGGER g BEFORE INSERT ON t BEGIN SELECT 1; INSERT INTO u VALUES(5,'x'); END;\n"
        "CREATE VIEW w AS SELECT 1;\nCOMMIT;\n";
    for (const std::size_t size : {1U, 2U, 7U, 4'000U}) {
        const auto file = begin();
        for (std::size_t at = 0; at < dump.size(); at += size) {
            const Status taken = file->load(dump.substr(at, size));
            ASSERT_TRUE(taken) << taken.error().message;
        }
        const auto copy = file->finish();
        ASSERT_TRUE(copy) << copy.error().message;
        EXPECT_EQ(text(**copy, "SELECT id FROM t WHERE v LIKE 'longer%'"), "a;\n'b");
        EXPECT_EQ(text(**copy, "SELECT v FROM t WHERE id = 'line'"), "x\ny\r");
        EXPECT_EQ(text(**copy, "SELECT group_concat(i) FROM (SELECT i FROM u ORDER BY i)"),
                  "-9223372036854775808,9223372036854775807");
        EXPECT_EQ(text(**copy, "SELECT group_concat(typeof(r)) FROM t"), "real,real,null");
        EXPECT_EQ(text(**copy, "SELECT hex(b) FROM t WHERE id LIKE 'a%'"), "00FF");
        EXPECT_EQ(number(**copy,
                         "SELECT count(*) FROM sqlite_schema WHERE type IN ('trigger', "
                         "'view') OR name = 't_v'"),
                  0);
        EXPECT_EQ((*copy)->execute("DELETE FROM t").error().code, Code::denied);
    }
    EXPECT_THAT(names(), IsEmpty());
}

TEST_F(Copies, OfADumpHaveEachRealToItsLastBit) {
    const std::vector<std::pair<std::string, double>> all{
        {"0." + std::string(307, '0') + "1", 1e-308},
        {"0." + std::string(323, '0') + "5", std::numeric_limits<double>::denorm_min()},
        {"2.2250738585072014e-308", std::numeric_limits<double>::min()},
        {"17976931348623157" + std::string(292, '0'), std::numeric_limits<double>::max()},
        {"-0", -0.0},
        {"0.30000000000000004", 0.1 + 0.2},
        {"-8.41e21", -8.41e21},
        {"9007199254740993.0", 9007199254740993.0},
        {"123456789012345680", 123456789012345680.0},
        {"3", 3.0}};
    constexpr std::size_t kUntyped = 8;
    // In a REAL column SQLite itself keeps whole ones as integers, and so no -0.
    std::string dump = std::string(kHead) +
                       "CREATE TABLE t (id INTEGER PRIMARY KEY, v);\n"
                       "CREATE TABLE whole (id INTEGER PRIMARY KEY, v REAL);\n";
    for (std::size_t i = 0; i < all.size(); ++i)
        dump += "INSERT INTO " + std::string(i < kUntyped ? "t" : "whole") + " VALUES(" +
                std::to_string(i) + "," + all[i].first + ");\n";
    const auto copy = must(loaded(dump + "COMMIT;\n"));
    const auto read = must(
        copy->prepare("SELECT v FROM (SELECT * FROM t UNION ALL SELECT * FROM whole) ORDER BY id"));
    for (const auto& [text, real] : all) {
        ASSERT_TRUE(must(read->step()));
        const sql::Value value = read->column_value(0);
        ASSERT_TRUE(std::holds_alternative<double>(value)) << text;
        EXPECT_EQ(std::get<double>(value), real) << text;
        EXPECT_EQ(std::signbit(std::get<double>(value)), std::signbit(real)) << text;
    }
}

TEST_F(Copies, OfADumpThatWasCutAreNone) {
    const std::string dump =
        std::string(kHead) + "CREATE TABLE t (id TEXT PRIMARY KEY);\nINSERT INTO t VALUES('a');\n";
    for (const char* end : {"", "COMMIT", "-- COMMIT;\n", "INSERT INTO t VALUES('COMMIT;\n"}) {
        const auto copy = loaded(dump + end);
        ASSERT_FALSE(copy) << end;
        EXPECT_EQ(copy.error().code, Code::unavailable) << end;
    }
    for (const char* other : {"", "{\"error\":\"no dump here\"}", "<html>\n"})
        EXPECT_EQ(loaded(other).error().code, Code::unsupported) << other;
    EXPECT_EQ(loaded(dump + "/**** ERROR: (11) ****/\nROLLBACK; -- due to errors\n").error().code,
              Code::unavailable);
    EXPECT_TRUE(loaded(dump + "COMMIT;\n-- the end\n"));
    EXPECT_EQ(loaded(dump + "COMMIT;\nINSERT INTO t VALUES('b');\n").error().code,
              Code::unsupported);
    EXPECT_EQ(loaded("CREATE TABLE t (id TEXT PRIMARY KEY);\nCOMMIT;\n").error().code,
              Code::unsupported);
}

TEST_F(Copies, OfWhatIsNoDumpAreNone) {
    const std::string outside = folder / "outside.db";
    const std::string table = "CREATE TABLE t (id TEXT PRIMARY KEY, v TEXT);\n";
    EXPECT_EQ(refused(table + "INSERT INTO t VALUES('a','b')"), Code::exists) << "a dump";
    for (const std::string& bad : std::vector<std::string>{
             "ATTACH '" + outside + "' AS o",
             "VACUUM INTO '" + outside + "'",
             "INSERT INTO t VALUES('a',load_extension('x'))",
             "INSERT INTO t VALUES('a',hex(randomblob(3)))",
             "INSERT INTO t VALUES('a',(SELECT name FROM sqlite_schema))",
             "INSERT INTO t SELECT name, sql FROM sqlite_schema",
             "INSERT INTO t WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i FROM c) SELECT i, "
             "i "
             "FROM c",
             "INSERT INTO t VALUES('a','b') ON CONFLICT (id) DO UPDATE SET v = 'c'",
             "INSERT OR REPLACE INTO t VALUES('a','b')",
             "REPLACE INTO t VALUES('a','b')",
             "INSERT INTO sqlite_schema VALUES('table','x','x',2,'')",
             "INSERT INTO main.sqlite_schema VALUES('table','x','x',2,'')",
             "INSERT INTO t VALUES('a',unistr('\\000a'))",
             "INSERT INTO t VALUES('a',inf)",
             "INSERT INTO t VALUES('a','b'),('a','c')",
             "INSERT INTO nowhere VALUES('a')",
             "INSERT INTO t VALUES('a','b') RETURNING id",
             "PRAGMA writable_schema=ON",
             "PRAGMA temp_store_directory='/'",
             "DROP TABLE t",
             "DELETE FROM t",
             "UPDATE t SET v = 1",
             "ALTER TABLE t ADD COLUMN w",
             "SELECT 1",
             "CREATE VIRTUAL TABLE f USING fts5(v)",
             "CREATE TEMP TABLE q (i)",
             "CREATE TABLE q AS SELECT * FROM t",
             "BEGIN",
             "SAVEPOINT s",
             "Good evening"})
        EXPECT_EQ(refused(table + bad), Code::unsupported) << bad;
    EXPECT_FALSE(std::filesystem::exists(outside));
    EXPECT_EQ(refused(table + "INSERT INTO t VALUES('a','" + std::string("\0", 1) + "')"),
              Code::unsupported);
    EXPECT_EQ(refused("CREATE TABLE t (v); INSERT INTO t VALUES(3)"), Code::unsupported)
        << "3 may have been 3.0";
    EXPECT_EQ(refused("CREATE TABLE t (v); INSERT INTO t VALUES(3.5); INSERT INTO t VALUES('3')"),
              Code::exists);
}

TEST(DumpTexts, AreCutWhereTheirStatementsEnd) {
    DumpText dump;
    std::vector<std::string> all;
    const auto taken =
        dump.take("a ';' \";\" `;` [;] -- ;\n /* ; */;b;CREATE TEMP TRIGGER x BEGIN y; z; END;c",
                  [&](std::string_view one) {
                      all.emplace_back(one);
                      return ok();
                  });
    ASSERT_TRUE(taken);
    EXPECT_THAT(all, ElementsAre("a ';' \";\" `;` [;] -- ;\n /* ; */", "b",
                                 "CREATE TEMP TRIGGER x BEGIN y; z; END"));
    EXPECT_FALSE(dump.is_at_end());
}

TEST(DumpTexts, ATriggerEndsWithItsOwnEndWhereverTheTextIsCut) {
    const std::string trigger =
        "CREATE TRIGGER x AFTER INSERT ON t BEGIN SELECT CASE WHEN 1 THEN 2 END; SELECT 'a; END;', "
        "end_;"
        " SELECT \"END\"; -- END;\n /* ; END; */ END -- so\n ";
    for (std::size_t cut = 0; cut <= trigger.size(); ++cut) {
        DumpText dump;
        std::vector<std::string> all;
        const auto each = [&](std::string_view one) {
            all.emplace_back(one);
            return ok();
        };
        ASSERT_TRUE(dump.take(trigger.substr(0, cut), each));
        ASSERT_TRUE(dump.take(trigger.substr(cut) + ";next;", each));
        EXPECT_THAT(all, ElementsAre(trigger, "next")) << cut;
    }
}

TEST(DumpTexts, OfSemicolonsAloneAreReadOnce) {
    DumpText dump;
    const auto each = [](std::string_view) { return ok(); };
    const std::string many(900'000, ';');  // Some minutes, where each looks at all before it.
    ASSERT_TRUE(dump.take("CREATE TRIGGER x BEGIN " + many + " END;", each));
    EXPECT_TRUE(dump.is_at_end());
}

TEST(DumpTexts, StatementsOfASchemaHaveABound) {
    DumpText dump;
    const auto each = [](std::string_view) { return ok(); };
    ASSERT_TRUE(dump.take("INSERT INTO t VALUES('" + std::string(2 << 20, 'x') + "');", each));
    EXPECT_EQ(dump.take("CREATE TABLE \"" + std::string(2 << 20, 'x'), each).error().code,
              Code::unsupported);
}

TEST(DumpTexts, RealsArePartedFromTheRest) {
    const RowText row = without_reals(
        "INSERT INTO t1.e5 VALUES('1.5',-1.5,1,-7,1e3,X'05','it''s 2.5',0x1F,-0,0,-0.0)");
    EXPECT_EQ(row.sql, "INSERT INTO t1.e5 VALUES('1.5',?1,1,-7,?2,X'05','it''s 2.5',0x1F,?3,0,?4)");
    EXPECT_THAT(row.reals, ElementsAre(-1.5, 1e3, 0.0, 0.0));
    EXPECT_TRUE(std::signbit(row.reals[2]));
}

}  // namespace
}  // namespace taskstore::sqlite
