// SQLite's codes as ours: the table, and what can be provoked on a file.

#include "errors.hpp"

#include <gtest/gtest.h>
#include <taskstore/sqlite/driver.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <cerrno>
#include <fstream>
#include <memory>

namespace taskstore::sqlite {
namespace {

TEST(Errors, ResultsHaveCodes) {
    const std::pair<int, Code> kCases[] = {
        {SQLITE_ERROR, Code::invalid},       {SQLITE_INTERNAL, Code::failed},
        {SQLITE_PERM, Code::denied},         {SQLITE_ABORT, Code::failed},
        {SQLITE_BUSY, Code::unavailable},    {SQLITE_BUSY_SNAPSHOT, Code::unavailable},
        {SQLITE_LOCKED, Code::unavailable},  {SQLITE_NOMEM, Code::failed},
        {SQLITE_READONLY, Code::denied},     {SQLITE_READONLY_DBMOVED, Code::denied},
        {SQLITE_INTERRUPT, Code::cancelled}, {SQLITE_IOERR, Code::failed},
        {SQLITE_IOERR_FSYNC, Code::failed},  {SQLITE_IOERR_DATA, Code::corrupt},
        {SQLITE_CORRUPT, Code::corrupt},     {SQLITE_CORRUPT_INDEX, Code::corrupt},
        {SQLITE_FULL, Code::failed},         {SQLITE_PROTOCOL, Code::unavailable},
        {SQLITE_SCHEMA, Code::unavailable},  {SQLITE_TOOBIG, Code::invalid},
        {SQLITE_CONSTRAINT, Code::conflict}, {SQLITE_CONSTRAINT_TRIGGER, Code::conflict},
        {SQLITE_MISMATCH, Code::invalid},    {SQLITE_MISUSE, Code::invalid},
        {SQLITE_AUTH, Code::denied},         {SQLITE_FORMAT, Code::corrupt},
        {SQLITE_RANGE, Code::invalid},       {SQLITE_NOTADB, Code::corrupt}};
    for (const auto& [result, code] : kCases) EXPECT_EQ(code_of(result, 0), code) << result;
    EXPECT_EQ(code_of(SQLITE_CANTOPEN, ENOENT), Code::not_found);
    EXPECT_EQ(code_of(SQLITE_CANTOPEN, EACCES), Code::denied);
    EXPECT_EQ(code_of(SQLITE_CANTOPEN, EROFS), Code::denied);
    EXPECT_EQ(code_of(SQLITE_CANTOPEN, EMFILE), Code::failed);
}

TEST(Errors, StatementsThatAreRefusedSayWhy) {
    const TemporaryFolder folder;
    Driver driver;
    auto connection = driver.connect(folder / "a.db", {});
    ASSERT_TRUE(connection);
    ASSERT_TRUE((*connection)
                    ->execute("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER CHECK (n < 9));"
                              "CREATE TRIGGER rule BEFORE DELETE ON t BEGIN SELECT RAISE(ABORT, "
                              "'a rule'); END; INSERT INTO t VALUES (1, 1)"));
    const struct {
        const char* sql;
        int native;
        Code code;
    } kCases[] = {{"SELEC 1", SQLITE_ERROR, Code::invalid},
                  {"SELECT * FROM nowhere", SQLITE_ERROR, Code::invalid},
                  {"INSERT INTO t VALUES (1, 2)", SQLITE_CONSTRAINT_PRIMARYKEY, Code::conflict},
                  {"INSERT INTO t VALUES (2, 10)", SQLITE_CONSTRAINT_CHECK, Code::conflict},
                  {"DELETE FROM t", SQLITE_CONSTRAINT_TRIGGER, Code::conflict},
                  {"INSERT INTO t VALUES ('x', 1)", SQLITE_MISMATCH, Code::invalid},
                  {"SELECT zeroblob(2000000000)", SQLITE_TOOBIG, Code::invalid}};
    for (const auto& one : kCases) {
        const Status refused = (*connection)->execute(one.sql);
        ASSERT_FALSE(refused) << one.sql;
        EXPECT_EQ(refused.error().native, one.native) << refused.error().message;
        EXPECT_EQ(refused.error().code, one.code) << refused.error().message;
    }
    ASSERT_TRUE((*connection)->execute("PRAGMA max_page_count = 4"));
    const Status full =
        (*connection)->execute("CREATE TABLE large AS SELECT zeroblob(100000) AS x");
    EXPECT_EQ(full.error().native, SQLITE_FULL) << full.error().message;
    EXPECT_EQ(full.error().code, Code::failed);
    EXPECT_NE(full.error().hint.find("free some space"), std::string::npos);
}

TEST(Errors, FilesThatCannotServeSayWhy) {
    const TemporaryFolder folder;
    Driver driver;
    EXPECT_EQ(driver.connect(folder / "absent.db", {.create = false}).error().code,
              Code::not_found);
    std::ofstream(folder / "text.db") << std::string(4'096, 'x');
    EXPECT_EQ(driver.connect(folder / "text.db", {}).error().code, Code::corrupt);
    const auto writer = driver.connect(folder / "a.db", {});
    ASSERT_TRUE((*writer)->execute("CREATE TABLE t (x)"));
    const auto reader = driver.connect(folder / "a.db", {.read_only = true});
    EXPECT_EQ((*reader)->execute("INSERT INTO t VALUES (1)").error().code, Code::denied);
    const auto second = driver.connect(folder / "a.db", {.busy_timeout_ms = 0});
    ASSERT_TRUE((*writer)->begin_write());
    EXPECT_EQ((*second)->begin_write().error().code, Code::unavailable);
    (*writer)->rollback();
}

}  // namespace
}  // namespace taskstore::sqlite
