// What the contract of group commit cannot say in every engine's words: interrupts,
// RAISE(ROLLBACK), the lock between processes, failing disks.

#include <taskstore/testing/database_contract.hpp>
#include "sandbox.hpp"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <thread>

namespace taskstore::sql {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class SqliteGroup : public GroupCommitContract {};

class Disk final : public Sandbox {
  public:
    Driver& driver() override { return x_driver; }
    std::string location() override { return "/test.db"; }
    std::string blob_type() const override { return "BLOB"; }
    DurabilityLevel level() const override { return DurabilityLevel::flushed; }
    Result<std::unique_ptr<Database>> open_database(const Clock& clock,
                                                    std::function<void()> queued) override {
        return sqlite::open_database(
            location(), {},
            {.driver = &x_driver, .clock = &clock, .queued_for_testing = std::move(queued)});
    }
    os::FaultFileSystem& disk() { return x_disk; }

  private:
    os::FaultFileSystem x_disk;
    sqlite::Driver x_driver{&x_disk};
};

INSTANTIATE_TEST_SUITE_P(Sqlite, SqliteGroup,
                         testing::Values(Backend{"MemoryDisk",
                                                 [] { return std::make_unique<Disk>(); }}),
                         backend_name);

}  // namespace

TEST_P(SqliteGroup, AMemberThatInterruptsLosesTheTransactionForNobodyElse) {
    int runs = 0;
    const auto results = write_together(
        {add_note(1),
         [&](Connection& connection) -> Status {
             ++runs;
             TASKSTORE_TRY(add_note(2)(connection));
             TASKSTORE_LET(const auto reading, connection.prepare("SELECT id FROM notes"));
             TASKSTORE_LET(const bool row, reading->step());
             EXPECT_TRUE(row);
             connection.interrupt();
             return add_note(3)(connection);
         },
         add_note(4)});
    EXPECT_TRUE(results[0]);
    EXPECT_EQ(results[1].error().code, Code::cancelled);
    EXPECT_TRUE(results[2]);
    EXPECT_EQ(runs, 2) << "once in the group, once alone (G3)";
    EXPECT_THAT(note_ids(), ElementsAre(1, 4));
}

TEST_P(SqliteGroup, ASavepointThatIsLeftOpenGivesNobodyTheOthersWork) {
    const auto results = write_together({[](Connection& connection) -> Status {
                                             TASKSTORE_TRY(connection.execute("SAVEPOINT mine"));
                                             return add_note(1)(connection);
                                         },
                                         [](Connection& connection) -> Status {
                                             TASKSTORE_TRY(connection.execute("ROLLBACK TO mine"));
                                             return add_note(2)(connection);
                                         },
                                         add_note(3)});
    EXPECT_TRUE(results[0]);
    EXPECT_FALSE(results[1]) << "there is no such savepoint";
    EXPECT_TRUE(results[2]);
    EXPECT_THAT(note_ids(), ElementsAre(1, 3));
}

TEST_P(SqliteGroup, WhatComesAfterAnAnswerTakesTheShorterWay) {
    constexpr std::array kId{0};
    const auto after = [&](std::int64_t id) {
        const auto committed = x_database->write_batch(std::vector<BoundStatement>{
            {.sql = "SELECT ?1, 1, 0, NULL WHERE ?1 < 50", .values = {id}},
            {.sql = "INSERT INTO notes (id) SELECT ?1 + 100",
             .values = {id},
             .after = {.back = 1,
                       .sql = "INSERT INTO notes (id) VALUES (?2 + 200)",
                       .columns = kId}},
            {.sql = "INSERT INTO notes (id) SELECT ?1 + 300",
             .values = {id},
             .after = {.back = 2, .unless_zero = 1}},
            {.sql = "INSERT INTO notes (id) SELECT ?1 + 400",
             .values = {id},
             .after = {.back = 3, .unless_zero = 2}}});
        return committed ? committed->answers.back().changes : -1;
    };
    EXPECT_EQ(after(1), 0);
    EXPECT_EQ(after(60), 0) << "no row, nothing to do";
    EXPECT_THAT(note_ids(), ElementsAre(201, 301));
}

TEST_P(SqliteGroup, AMemberWhoseTriggerRollsBackHarmsNobody) {
    ASSERT_TRUE(x_database->write([](Connection& connection) {
        return connection.execute(
            "CREATE TRIGGER no_twos BEFORE INSERT ON notes WHEN new.id = 2 "
            "BEGIN SELECT RAISE(ROLLBACK, 'no twos'); END");
    }));
    const auto results = write_together({add_note(1), add_note(2),
                                         [](Connection& connection) {
                                             // Looks away from the rollback and goes on: what
                                             // follows must not commit by itself.
                                             static_cast<void>(add_note(2)(connection));
                                             static_cast<void>(add_note(50)(connection));
                                             return ok();
                                         },
                                         add_note(3)});
    EXPECT_TRUE(results[0]);
    EXPECT_EQ(results[1].error().code, Code::conflict);
    EXPECT_THAT(results[1].error().message, HasSubstr("no twos"));
    EXPECT_FALSE(results[2]);
    EXPECT_TRUE(results[3]);
    EXPECT_THAT(note_ids(), ElementsAre(1, 3));
}

TEST_P(SqliteGroup, WhereOneFailedTheOthersRunOnceMoreAndTheNextOnesOnce) {
    int runs = 0;
    const auto counted = [&](std::int64_t id, bool fails) -> Work {
        return [&runs, id, fails](Connection& connection) -> Status {
            ++runs;
            TASKSTORE_TRY(add_note(id)(connection));
            return fails ? Status(fail(Code::conflict, "not this one")) : ok();
        };
    };
    for (int group = 0; group < 2; ++group) {
        runs = 0;
        const std::int64_t from = 10 * group;
        const auto results = write_together({counted(from + 1, false), counted(from + 2, true),
                                             counted(from + 3, false), counted(from + 4, true)});
        EXPECT_TRUE(results[0]);
        EXPECT_EQ(results[1].error().code, Code::conflict);
        EXPECT_TRUE(results[2]);
        EXPECT_EQ(results[3].error().code, Code::conflict);
        EXPECT_EQ(runs, group == 0 ? 2 + 4 : 4) << "two without savepoints, all in theirs (G3)";
    }
    EXPECT_THAT(note_ids(), ElementsAre(1, 3, 11, 13));
}

TEST_P(SqliteGroup, AMemberCannotThrowAwayItsSavepoint) {
    std::vector<Work> works{add_note(1)};
    for (const char* sql :
         {"RELEASE taskstore_member", "ROLLBACK TO Taskstore_Member", "SAVEPOINT taskstore_member",
          "PRAGMA query_only=ON", "PRAGMA foreign_keys=OFF", "ATTACH ':memory:' AS other",
          "PRAGMA journal_mode=DELETE"}) {
        works.push_back([sql](Connection& connection) -> Status {
            TASKSTORE_TRY(add_note(100)(connection));
            static_cast<void>(connection.execute(sql));
            return ok();
        });
    }
    works.push_back(add_note(2));
    const auto results = write_together(works);
    for (std::size_t i = 1; i + 1 < results.size(); ++i) {
        ASSERT_FALSE(results[i]) << i;
        EXPECT_EQ(results[i].error().code, Code::invalid) << i;
    }
    EXPECT_TRUE(results.back());
    EXPECT_THAT(note_ids(), ElementsAre(1, 2));
}

TEST_P(SqliteGroup, AMemberMayReadAndSetWhatBelongsToTheTransaction) {
    EXPECT_TRUE(x_database->write([](Connection& connection) {
        return connection.execute(
            "PRAGMA user_version=4; PRAGMA defer_foreign_keys=ON;"
            "SELECT * FROM pragma_table_info('notes'); PRAGMA table_info(notes)");
    }));
}

TEST_P(SqliteGroup, AStatementThatAWorkKeepsIsReset) {
    std::vector<std::unique_ptr<Statement>> kept;
    const auto results =
        write_together({add_note(1),
                        [&](Connection& connection) -> Status {
                            TASKSTORE_LET(auto reading, connection.prepare("SELECT id FROM notes"));
                            TASKSTORE_TRY(reading->step());
                            kept.push_back(std::move(reading));
                            return ok();
                        },
                        add_note(2)});
    for (const auto& result : results) EXPECT_TRUE(result) << result.error().message;
    kept.clear();
}

TEST_P(SqliteGroup, AHalfReadInsertThatAWorkKeepsDoesNotHoldUpTheCommit) {
    std::vector<std::unique_ptr<Statement>> kept;
    int runs = 0;
    const auto results = write_together(
        {add_note(1),
         [&](Connection& connection) -> Status {
             ++runs;
             TASKSTORE_LET(
                 auto inserting,
                 connection.prepare("INSERT INTO notes (id) VALUES (2), (3) RETURNING id"));
             TASKSTORE_TRY(inserting->step());
             kept.push_back(std::move(inserting));
             return ok();
         },
         add_note(4)});
    for (const auto& result : results) EXPECT_TRUE(result) << result.error().message;
    EXPECT_EQ(runs, 1);
    EXPECT_THAT(note_ids(), ElementsAre(1, 2, 3, 4));
    kept.clear();
}

TEST_P(SqliteGroup, DoubtAboutACommitOutlivesARepetitionThatFailsOtherwise) {
    os::FaultFileSystem& disk = static_cast<Disk&>(*x_sandbox).disk();
    disk.fail_at(1, {.only = os::Call::sync_data, .path_part = "-wal"});
    int runs = 0;
    const auto status = x_database->write([&](Connection& connection) -> Status {
        if (++runs == 2) return fail(Code::invalid, "second thoughts");
        return add_note(1)(connection);
    });
    EXPECT_EQ(runs, 2);
    EXPECT_EQ(status.error().code, Code::outcome_unknown);
}

TEST_P(SqliteGroup, ACommitThatMeetsAnErrorOnceIsRepeatedOnce) {
    os::FaultFileSystem& disk = static_cast<Disk&>(*x_sandbox).disk();
    for (const os::FaultKind kind : {os::FaultKind::error, os::FaultKind::error_after}) {
        disk.fail_at(1, {.kind = kind, .only = os::Call::sync_data, .path_part = "-wal"});
        const std::int64_t id = kind == os::FaultKind::error ? 10 : 20;
        const auto results = write_together({add_note(id), add_note(id + 1)});
        EXPECT_TRUE(results[0]) << results[0].error().message;
        EXPECT_TRUE(results[1]) << results[1].error().message;
        disk.clear_faults();
    }
    EXPECT_THAT(note_ids(), ElementsAre(10, 11, 20, 21));
}

TEST_P(SqliteGroup, WhenNoCommitSucceedsAnyMoreTheOutcomeIsUnknown) {
    os::FaultFileSystem& disk = static_cast<Disk&>(*x_sandbox).disk();
    disk.fail_at(1, {.forever = true, .only = os::Call::sync_data, .path_part = "-wal"});
    const auto results = write_together({add_note(1), add_note(2)});
    EXPECT_EQ(results[0].error().code, Code::outcome_unknown);
    EXPECT_EQ(results[1].error().code, Code::outcome_unknown);
    disk.clear_faults();
    EXPECT_THAT(note_ids(), ElementsAre());
    EXPECT_TRUE(x_database->write(add_note(3)));
    EXPECT_EQ(x_database->write(add_note(3)).error().code, Code::conflict)
        << "not unknown: nobody doubts it";
    EXPECT_THAT(note_ids(), ElementsAre(3));
}

TEST_P(SqliteGroup, AFullDiskFailsTheWriteAndKeepsTheRest) {
    ASSERT_TRUE(x_database->write(add_note(1)));
    os::FaultFileSystem& disk = static_cast<Disk&>(*x_sandbox).disk();
    disk.fail_at(1, {.kind = os::FaultKind::disk_full});
    const auto status = x_database->write(add_note(2));
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, Code::failed);
    EXPECT_THAT(status.error().hint, HasSubstr("full"));
    EXPECT_THAT(note_ids(), ElementsAre(1));
    disk.clear_faults();
    EXPECT_TRUE(x_database->write(add_note(3)));
    EXPECT_THAT(note_ids(), ElementsAre(1, 3));
}

TEST(SqliteWriterQueue, ProcessesQueueOnTheLockFileRatherThanFail) {
    const TemporaryFolder folder;
    const std::string path = folder / "a.db";
    const SystemClock clock;
    constexpr int kProcesses = 4;
    constexpr int kWrites = 25;
    // Without patience: whoever were to meet SQLite's own lock would fail.
    const OpenOptions options{.durability = Durability::cache, .busy_timeout_ms = 0};
    {
        const auto database = sqlite::must(sqlite::open_database(path, {}, {.clock = &clock}));
        sqlite::must(database->write([](Connection& connection) {
            return connection.execute("CREATE TABLE notes (id BIGINT PRIMARY KEY, text TEXT)");
        }));
    }
    // Keeps the WAL alive while the processes come and go: only opening and closing take SQLite's
    // locks.
    sqlite::Driver driver;
    const auto anchor = sqlite::must(driver.connect(path, {}));
    EXPECT_EQ(sqlite::number(*anchor, "SELECT COUNT(*) FROM notes"), 0);
    std::array<pid_t, kProcesses> children{};
    for (int p = 0; p < kProcesses; ++p) {
        children[static_cast<std::size_t>(p)] = fork();
        if (children[static_cast<std::size_t>(p)] != 0) continue;
        auto database = sqlite::open_database(path, options, {.clock = &clock});
        for (int i = 0; database && i < kWrites; ++i) {
            const auto status = (*database)->write(add_note(p * 1'000 + i));
            if (!status) {
                std::fprintf(stderr, "%s\n", status.error().message.c_str());
                _exit(1);
            }
        }
        _exit(database ? 0 : 2);
    }
    for (const pid_t child : children) {
        int status = -1;
        waitpid(child, &status, 0);
        EXPECT_EQ(status, 0);
    }
    EXPECT_EQ(sqlite::number(*anchor, "SELECT COUNT(*) FROM notes"), kProcesses * kWrites);
}

TEST(SqliteWriterQueue, AReadThatIsLongerThanItsTimeIsBrokenOff) {
    const TemporaryFolder folder;
    FakeClock clock;
    const auto database =
        sqlite::must(sqlite::open_database(folder / "a.db", {}, {.clock = &clock}));
    constexpr std::string_view kLong =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000000) "
        "SELECT max(i) FROM n";
    const auto read = [&](std::int64_t deadline_ns, std::int64_t passes_ms) {
        return database->read(
            [&](Connection& connection) {
                clock.advance_ms(passes_ms);
                return connection.execute(kLong);
            },
            {.deadline_boot_ns = deadline_ns});
    };
    const auto in_ms = [&](std::int64_t ms) { return clock.boot_ns() + ms * 1'000'000; };
    EXPECT_TRUE(read(in_ms(100), 50));
    const Status late = read(in_ms(100), 101);
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, Code::timed_out);
    EXPECT_THAT(late.error().message, HasSubstr("before the read was over"));
    EXPECT_TRUE(read(0, 1'000)) << "the connection is as before";
}

TEST(SqliteWriterQueue, AReadOnlyDatabaseReadsAndRefusesToWrite) {
    const TemporaryFolder folder;
    const SystemClock clock;
    const std::string path = folder / "a.db";
    {
        const auto database = sqlite::must(sqlite::open_database(path, {}, {.clock = &clock}));
        sqlite::must(database->write([](Connection& connection) {
            return connection.execute("CREATE TABLE t (id INTEGER)");
        }));
    }
    const auto database =
        sqlite::must(sqlite::open_database(path, {.read_only = true}, {.clock = &clock}));
    EXPECT_TRUE(database->read(
        [](Connection& connection) { return connection.execute("SELECT * FROM t"); }));
    EXPECT_EQ(database->write(add_note(1)).error().code, Code::denied);
    EXPECT_EQ(sqlite::open_database(":memory:", {}, {.clock = &clock}).error().code, Code::invalid);
}

}  // namespace taskstore::sql
