// Damage of a database with checksums: flipped bits, cuts and zeros in the file and in its WAL, at
// rest and under open connections. Each read gives rows that were committed once, all of the same
// commit, or `corrupt`.
#include "sandbox.hpp"

#include <gtest/gtest.h>
#include <taskstore/testing/damage.hpp>

#include <algorithm>
#include <map>
#include <random>
#include <vector>

namespace taskstore::sqlite {
namespace {

const std::string kPath = "/d/a.db";

sql::OpenOptions cache_options() {
    sql::OpenOptions options;
    options.durability = sql::Durability::cache;
    options.checksums = true;
    options.cache_bytes = 64 << 10;
    return options;
}

/// Everything that the tables hold; reads the row of each page, through both indexes.
Result<std::string> content(sql::Connection& connection) {
    std::string all;
    TASKSTORE_TRY(connection.begin_read());
    const auto read = [&]() -> Status {
        for (const char* sql : {"SELECT id, word, body FROM t ORDER BY id",
                                "SELECT id, word, '' FROM t ORDER BY word, id"}) {
            TASKSTORE_LET(auto rows, connection.prepare(sql));
            while (true) {
                TASKSTORE_LET(const bool row, rows->step());
                if (!row) break;
                for (int i = 0; i < 3; ++i) all += std::string(rows->column_text(i)) + "|";
            }
        }
        return ok();
    };
    auto status = read();
    connection.rollback();
    if (!status) return fail(std::move(status).error());
    return all;
}

/// Every `step`-th row gets another word and another body; bodies take up to four pages.
Status change(sql::Connection& connection, int round, int step) {
    TASKSTORE_LET(auto insert,
                  connection.prepare("INSERT INTO t VALUES (?1, ?2, ?3) ON CONFLICT(id) DO UPDATE "
                                     "SET word=excluded.word, body=excluded.body"));
    for (int id = 0; id < 120; id += step) {
        const std::string word =
            "w" + std::to_string((id * 37 + round * 11) % 50) + "r" + std::to_string(round);
        const std::string body(static_cast<std::size_t>(id % 7 == 0 ? 12'000 : 150),
                               static_cast<char>('a' + (id + round) % 26));
        TASKSTORE_TRY(insert->bind(1, std::int64_t{id}));
        TASKSTORE_TRY(insert->bind(2, std::string_view(word)));
        TASKSTORE_TRY(insert->bind(3, std::string_view(body)));
        TASKSTORE_TRY(insert->run());
        insert->reset();
    }
    return ok();
}

void commit_change(sql::Connection& connection, int round, int step) {
    must(connection.begin_write());
    must(change(connection, round, step));
    must(connection.commit());
}

void make_table(sql::Connection& connection) {
    must(
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT, body TEXT);"
                           "CREATE INDEX t_word ON t(word)"));
}

constexpr int kNextRound = 9;
constexpr int kNextStep = 2;

enum class Checkpoint : std::uint8_t {
    none,       ///< The WAL holds everything.
    partial,    ///< A reader kept the checkpoint from the last commits.
    whole,      ///< All is copied, and the WAL is still there.
    two_times,  ///< Whole, and written again from its start.
};

struct Stored {
    std::map<std::string, std::string> files;
    std::vector<std::string> states;  ///< After each commit.
    std::string next;                 ///< After one more, which is not in the files.
};

Stored stored(Checkpoint kind) {
    os::FaultFileSystem disk;
    disk.put_directory("/d");
    Driver driver(&disk);
    Stored out;
    const auto writer = must(driver.connect(kPath, cache_options()));
    const auto reader = must(driver.connect(kPath, cache_options()));
    make_table(*writer);
    out.states.push_back(must(content(*writer)));
    const auto commit = [&](int round, int step) {
        commit_change(*writer, round, step);
        out.states.push_back(must(content(*writer)));
    };
    commit(0, 1);
    commit(1, 3);
    if (kind == Checkpoint::partial) {
        must(reader->begin_read());
        number(*reader, "SELECT count(*) FROM t");
    }
    commit(2, 5);
    if (kind != Checkpoint::none) must(writer->execute("PRAGMA wal_checkpoint(PASSIVE)"));
    if (kind == Checkpoint::two_times) commit(3, 40);
    reader->rollback();
    for (const std::string& name : {kPath, kPath + "-wal"})
        out.files[name] = disk.get_file(name).value_or("");
    commit_change(*writer, kNextRound, kNextStep);
    out.next = must(content(*writer));
    return out;
}

class Damage : public testing::TestWithParam<Checkpoint> {};

TEST_P(Damage, AtRestGivesACommittedStateOrCorrupt) {
    const Stored good = stored(GetParam());
    int noticed = 0;
    for (std::uint64_t seed = 1; seed <= 60; ++seed) {
        std::mt19937_64 random(seed);
        os::FaultFileSystem disk;
        disk.put_directory("/d");
        auto files = good.files;
        const std::string name = random() % 2 == 0 ? kPath : kPath + "-wal";
        const std::string what = damage(files[name], random);
        SCOPED_TRACE("seed " + std::to_string(seed) + ": " + name + " " + what);
        for (const auto& [path, bytes] : files) disk.put_file(path, bytes);
        Driver driver(&disk);
        const auto read = [&](bool read_only) -> Result<std::string> {
            auto options = cache_options();
            options.read_only = read_only;
            options.create = false;
            TASKSTORE_LET(auto connection, driver.connect(kPath, options));
            return content(*connection);
        };
        for (const bool read_only : {true, false}) {
            const auto found = read(read_only);
            if (found) {
                ASSERT_NE(std::ranges::find(good.states, *found), good.states.end());
                continue;
            }
            // An empty database has no table.
            const bool empty = found.error().message.find("no such table") != std::string::npos;
            ASSERT_TRUE(found.error().code == Code::corrupt || empty) << found.error().message;
            ++noticed;
        }
    }
    EXPECT_GT(noticed, 10);
}

TEST_P(Damage, UnderOpenConnectionsGivesACommittedStateOrCorrupt) {
    const Stored good = stored(GetParam());
    for (std::uint64_t seed = 1; seed <= 30; ++seed) {
        std::mt19937_64 random(seed);
        os::FaultFileSystem disk;
        disk.put_directory("/d");
        for (const auto& [path, bytes] : good.files) disk.put_file(path, bytes);
        Driver driver(&disk);
        auto writer = must(driver.connect(kPath, cache_options()));
        auto reader = must(driver.connect(kPath, cache_options()));
        ASSERT_EQ(must(content(*writer)), good.states.back());
        const std::string name = random() % 2 == 0 ? kPath : kPath + "-wal";
        std::string bytes = *disk.get_file(name);
        const std::string what = damage(bytes, random);
        SCOPED_TRACE("seed " + std::to_string(seed) + ": " + name + " " + what);
        disk.overwrite_file(name, bytes);

        std::vector<std::string> states = good.states;
        const auto check = [&](sql::Connection& connection) {
            const auto found = content(connection);
            if (found) {
                ASSERT_NE(std::ranges::find(states, *found), states.end());
            } else {
                ASSERT_EQ(found.error().code, Code::corrupt) << found.error().message;
            }
        };
        check(*reader);
        must(writer->begin_write());
        auto changed = change(*writer, kNextRound, kNextStep);
        if (changed) changed = writer->commit();
        writer->rollback();
        if (changed) {
            states.push_back(good.next);
        } else {
            ASSERT_EQ(changed.error().code, Code::corrupt) << changed.error().message;
        }
        check(*reader);
        (void)writer->execute("PRAGMA wal_checkpoint(PASSIVE)").has_value();
        check(*reader);
        check(*writer);
    }
}

INSTANTIATE_TEST_SUITE_P(Wal, Damage,
                         testing::Values(Checkpoint::none, Checkpoint::partial, Checkpoint::whole,
                                         Checkpoint::two_times));

TEST(Checksums, WorkOverTheFilesOfTheSystem) {
    TemporaryFolder folder;
    const std::string path = folder / "a.db";
    os::SystemFileSystem files;
    Driver driver;
    {
        const auto writer = must(driver.connect(path, cache_options()));
        make_table(*writer);
        for (int round = 0; round < 5; ++round) {
            commit_change(*writer, round, round + 1);
            if (round == 2) must(writer->execute("PRAGMA wal_checkpoint(TRUNCATE)"));
        }
        const std::string before = must(content(*writer));
        const auto reader = must(driver.connect(path, cache_options()));
        EXPECT_EQ(must(content(*reader)), before);
        EXPECT_EQ(text(*reader, "PRAGMA integrity_check"), "ok");
    }
    // Others can read it.
    EXPECT_EQ(number(*must(driver.connect(path, {.read_only = true})), "SELECT count(*) FROM t"),
              120);
    const auto file = must(files.open(path, os::OpenMode::read_write));
    must(file->write_at(3 * 4'096 + 1'000, "damage"));
    const auto connection = driver.connect(path, cache_options());
    const auto found = connection ? content(**connection) : Result<std::string>(std::string());
    ASSERT_FALSE(connection && found);
    EXPECT_EQ((connection ? found.error() : connection.error()).code, Code::corrupt);
}

TEST(Checksums, ADatabaseMadeWithoutThemIsCorrupt) {
    os::FaultFileSystem disk;
    disk.put_directory("/d");
    Driver driver(&disk);
    auto options = cache_options();
    options.checksums = false;
    make_table(*must(driver.connect(kPath, options)));
    for (const bool read_only : {false, true}) {
        options = cache_options();
        options.read_only = read_only;
        const auto refused = driver.connect(kPath, options);
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Code::corrupt) << refused.error().message;
    }
}

// A transaction that outgrows its cache writes pages into the WAL several times, and reads them
// from there before SQLite has mended their sums.
TEST(Checksums, ATransactionReadsWhatItSpilledBefore) {
    os::FaultFileSystem disk;
    disk.put_directory("/d");
    Driver driver(&disk);
    const auto writer = must(driver.connect(kPath, cache_options()));
    make_table(*writer);
    std::string last;
    for (const bool keep : {false, true, true}) {
        must(writer->begin_write());
        for (int round = 0; round < 6; ++round) {
            must(change(*writer, round, 1 + round % 2));
            EXPECT_EQ(number(*writer, "SELECT count(*) FROM t WHERE length(body) > 0"), 120);
            EXPECT_EQ(number(*writer, "SELECT count(*) FROM t WHERE word > 'w'"), 120);
        }
        if (keep)
            must(writer->commit());
        else
            writer->rollback();
        last = must(content(*writer));
        EXPECT_EQ(must(content(*must(driver.connect(kPath, cache_options())))), last);
    }
    Driver other(&disk);
    EXPECT_EQ(must(content(*must(other.connect(kPath, cache_options())))), last);
}

// Freed pages of a database that is being built are never written, so they have no checksum.
TEST(Checksums, ABuiltDatabaseCanBeUsedWherePagesWereFreedMeanwhile) {
    os::FaultFileSystem disk;
    disk.put_directory("/d");
    Driver driver(&disk);
    auto options = cache_options();
    options.durability = sql::Durability::building;
    std::string built;
    {
        const auto builder = must(driver.connect(kPath, options));
        must(builder->begin_write());
        make_table(*builder);
        for (int round = 0; round < 4; ++round) {
            must(change(*builder, round, 1));
            must(builder->execute("DELETE FROM t WHERE id % 3 = 0"));
        }
        must(change(*builder, 5, 1));
        // New pages, freed at once, pushed out of the cache by changes in place, and wanted again.
        for (int i = 0; i < 2; ++i) {
            must(builder->execute("INSERT INTO t VALUES (1000, 'x', hex(zeroblob(30000)))"));
            if (i == 0) must(builder->execute("DELETE FROM t WHERE id = 1000"));
            must(builder->execute("UPDATE t SET body = replace(body, 'b', 'B')"));
        }
        must(builder->execute("DELETE FROM t WHERE id % 4 = 0"));
        must(builder->commit());
        built = must(content(*builder));
    }
    const auto connection = must(driver.connect(kPath, cache_options()));
    EXPECT_EQ(must(content(*connection)), built);
    EXPECT_GT(number(*connection, "PRAGMA freelist_count"), 0);
    for (int round = 6; round < 9; ++round) commit_change(*connection, round, 1);
    EXPECT_EQ(text(*connection, "PRAGMA integrity_check"), "ok");
}

TEST(Checksums, ATransactionWhoseFramesCouldNotBeWrittenIsNotCommitted) {
    // A spill leaves frames that are written with a later read: that a read fails is no reason for
    // SQLite to give the transaction up.
    os::FaultFileSystem disk;
    Driver driver(&disk);
    sql::OpenOptions options = cache_options();
    options.cache_bytes = 40 << 10;
    {
        auto connection = *driver.connect("/a.db", options);
        ASSERT_TRUE(connection->execute("CREATE TABLE t(id INTEGER PRIMARY KEY, b TEXT NOT NULL)"));
        ASSERT_TRUE(connection->begin_write());
        ASSERT_TRUE(connection->execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<200) "
            "INSERT INTO t SELECT i, printf('%.*c',1000,'a') FROM n"));
        disk.fail_at(
            1, {.kind = os::FaultKind::short_write, .only = os::Call::write, .path_part = "-wal"});
        EXPECT_FALSE(connection->execute("UPDATE t SET b=b||'x' WHERE id<3"));
        disk.clear_faults();
        EXPECT_FALSE(connection->commit());
        connection->rollback();
        ASSERT_TRUE(connection->execute("INSERT INTO t VALUES(1,'after')"));
    }
    auto connection = *driver.connect("/a.db", options);
    auto rows = *connection->prepare("SELECT count(*) FROM t");
    ASSERT_TRUE(*rows->step());
    EXPECT_EQ(rows->column_int64(0), 1);
}

}  // namespace
}  // namespace taskstore::sqlite
