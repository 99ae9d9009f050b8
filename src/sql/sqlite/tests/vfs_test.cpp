#include "../vfs_locks.hpp"
#include "sandbox.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>

#include <thread>

namespace taskstore::sqlite {

TEST(DatabaseLocks, OneWriterWaitsForReadersAndKeepsNewOnesOut) {
    DatabaseLocks locks;
    LockHolder a;
    LockHolder b;
    LockHolder c;
    EXPECT_EQ(locks.lock(a, SQLITE_LOCK_SHARED), SQLITE_OK);
    EXPECT_EQ(locks.lock(b, SQLITE_LOCK_SHARED), SQLITE_OK);
    EXPECT_EQ(locks.lock(a, SQLITE_LOCK_RESERVED), SQLITE_OK);
    EXPECT_TRUE(locks.reserved());
    EXPECT_EQ(locks.lock(b, SQLITE_LOCK_RESERVED), SQLITE_BUSY);
    EXPECT_EQ(locks.lock(a, SQLITE_LOCK_EXCLUSIVE), SQLITE_BUSY);
    EXPECT_EQ(a.level, SQLITE_LOCK_PENDING);
    EXPECT_EQ(locks.lock(c, SQLITE_LOCK_SHARED), SQLITE_BUSY) << "a waiting writer must not starve";
    locks.unlock(b, SQLITE_LOCK_NONE);
    EXPECT_EQ(locks.lock(a, SQLITE_LOCK_EXCLUSIVE), SQLITE_OK);
    EXPECT_EQ(locks.lock(b, SQLITE_LOCK_SHARED), SQLITE_BUSY);
    locks.unlock(a, SQLITE_LOCK_SHARED);
    EXPECT_FALSE(locks.reserved());
    EXPECT_EQ(locks.lock(c, SQLITE_LOCK_SHARED), SQLITE_OK);
    EXPECT_EQ(locks.lock(b, SQLITE_LOCK_EXCLUSIVE), SQLITE_BUSY)
        << "without a shared lock of its own";
}

TEST(DatabaseLocks, TheLocksOfTheIndexAreSharedOrExclusiveEach) {
    DatabaseLocks locks;
    LockHolder a;
    LockHolder b;
    locks.join_index();
    locks.join_index();
    EXPECT_EQ(locks.lock_index(a, 0b0110, /*exclusive=*/true), SQLITE_OK);
    EXPECT_EQ(locks.lock_index(b, 0b0011, /*exclusive=*/true), SQLITE_BUSY);
    EXPECT_EQ(locks.lock_index(b, 0b0001, /*exclusive=*/true), SQLITE_OK)
        << "a refusal takes nothing";
    EXPECT_EQ(locks.lock_index(b, 0b0100, /*exclusive=*/false), SQLITE_BUSY);
    locks.unlock_index(a, 0b0100);
    EXPECT_EQ(locks.lock_index(b, 0b0100, /*exclusive=*/false), SQLITE_OK);
    EXPECT_EQ(locks.lock_index(a, 0b0100, /*exclusive=*/false), SQLITE_OK);
    EXPECT_EQ(locks.lock_index(a, 0b0100, /*exclusive=*/true), SQLITE_BUSY);
    locks.leave_index(b);
    EXPECT_EQ(locks.lock_index(a, 0b0100, /*exclusive=*/true), SQLITE_OK);
    EXPECT_EQ(locks.lock_index(a, 0b0001, /*exclusive=*/true), SQLITE_OK) << "leaving frees all";
}

TEST(Vfs, TwoConnectionsShareTheWalAndTheLastOneTakesItAway) {
    os::FaultFileSystem disk;
    Driver driver(&disk);
    {
        const auto one = must(driver.connect("/a.db", {}));
        const auto two = must(driver.connect("/a.db", {}));
        must(one->execute("CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1)"));
        EXPECT_EQ(number(*two, "SELECT COUNT(*) FROM t"), 1);
        EXPECT_TRUE(disk.get_file("/a.db-wal"));
    }
    EXPECT_FALSE(disk.get_file("/a.db-wal"));
}

TEST(Vfs, AFilePutInPlaceOfAnOpenOneHasLocksAndALogOfItsOwn) {
    os::FaultFileSystem disk;
    Driver driver(&disk);
    auto old = must(driver.connect("/a.db", {.busy_timeout_ms = 0}));
    must(old->execute("CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1)"));
    must(must(driver.connect("/b.db", {}))
             ->execute("CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (10)"));
    must(old->begin_write());
    must(old->execute("INSERT INTO t VALUES (2)"));
    must(disk.unlink("/a.db"));
    must(disk.unlink("/a.db-wal"));
    must(disk.rename("/b.db", "/a.db"));

    const auto fresh = must(driver.connect("/a.db", {.busy_timeout_ms = 0}));
    EXPECT_EQ(number(*fresh, "SELECT SUM(id) FROM t"), 10);
    must(fresh->execute("INSERT INTO t VALUES (20)"));
    old->rollback();
    old.reset();
    EXPECT_TRUE(disk.get_file("/a.db-wal")) << "the log is not that of the file that left";
    const auto after = disk.after_power_cut(os::PowerCut::keep_all());
    Driver next(after.get());
    EXPECT_EQ(number(*must(next.connect("/a.db", {})), "SELECT SUM(id) FROM t"), 30);
}

TEST(Vfs, AProcessThatDiedLeavesItsCommitsInTheWal) {
    os::FaultFileSystem disk;
    Driver driver(&disk);
    const auto connection = must(driver.connect("/a.db", {}));
    must(connection->execute("CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1)"));
    must(connection->begin_write());
    must(connection->execute("INSERT INTO t VALUES (2)"));
    for (const os::PowerCut& cut : os::PowerCut::matrix(8)) {
        const auto after = disk.after_power_cut(cut);
        Driver next(after.get());
        const auto again = must(next.connect("/a.db", {}));
        EXPECT_EQ(number(*again, "SELECT SUM(id) FROM t"), 1) << cut.text();
        EXPECT_EQ(text(*again, "PRAGMA integrity_check"), "ok") << cut.text();
    }
}

TEST(Vfs, TimeComesFromTheCaller) {
    os::FaultFileSystem disk;
    const FakeClock clock(1'600'000'000'000);
    Driver driver(&disk, &clock);
    const auto connection = must(driver.connect("/a.db", {}));
    EXPECT_EQ(text(*connection, "SELECT strftime('%s', 'now')"), "1600000000");
}

TEST(Vfs, WhatTheDiskRefusesIsDeniedOrFailed) {
    os::FaultFileSystem disk;
    Driver driver(&disk);
    must(must(driver.connect("/a.db", {}))
             ->execute("CREATE TABLE t (id INTEGER); INSERT INTO t VALUES (1)"));
    disk.fail_at(1, {.kind = os::FaultKind::read_only});
    const auto writer = driver.connect("/b.db", {});
    ASSERT_FALSE(writer);
    EXPECT_EQ(writer.error().code, Code::denied);
    const auto reader = must(driver.connect("/a.db", {.read_only = true}));
    EXPECT_EQ(number(*reader, "SELECT COUNT(*) FROM t"), 1);
}

TEST(Vfs, LargeTransactionsSpillAndSortWithoutTemporaryFiles) {
    os::FaultFileSystem disk;
    Driver driver(&disk);
    const auto connection = must(driver.connect("/a.db", {.cache_bytes = 64 << 10}));
    must(connection->execute(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT);"
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
        "INSERT INTO t SELECT i, printf('%08d some text', (i * 7919) % 20000) FROM n;"
        "CREATE INDEX by_text ON t (text)"));
    EXPECT_EQ(text(*connection, "PRAGMA integrity_check"), "ok");
    must(connection->execute("DELETE FROM t WHERE id % 2 = 0; VACUUM"));
    EXPECT_EQ(number(*connection, "SELECT COUNT(*) FROM t"), 10'000);
    EXPECT_EQ(text(*connection, "PRAGMA integrity_check"), "ok");
}

}  // namespace taskstore::sqlite
