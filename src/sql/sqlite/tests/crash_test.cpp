// For each call that a series of writes makes to the disk: that call fails; and, apart from it, the
// power goes after it. What was acknowledged is there, what was not is there as a whole or not at
// all (I1).

#include "sandbox.hpp"

#include <gtest/gtest.h>
#include <taskstore/sql/migration.hpp>

#include <array>
#include <set>

namespace taskstore::sqlite {
namespace {

constexpr int kWorks = 6;
const std::string kPath = "/folder/a.db";

/// Each work writes its id and a page of text into two tables, so that half a work would show.
sql::Work work_of(std::int64_t id) {
    return [id](sql::Connection& connection) -> Status {
        TASKSTORE_TRY(
            connection.execute("CREATE TABLE IF NOT EXISTS a (id INTEGER PRIMARY KEY, text TEXT);"
                               "CREATE TABLE IF NOT EXISTS b (id INTEGER PRIMARY KEY)"));
        const std::string text(5'000, static_cast<char>('a' + id));
        TASKSTORE_LET(const auto one,
                      connection.prepare("INSERT INTO a (id, text) VALUES (?1, ?2)"));
        TASKSTORE_TRY(one->bind(1, id));
        TASKSTORE_TRY(one->bind(2, std::string_view{text}));
        TASKSTORE_TRY(one->run());
        TASKSTORE_LET(const auto two, connection.prepare("INSERT INTO b (id) VALUES (?1)"));
        TASKSTORE_TRY(two->bind(1, id));
        return two->run();
    };
}

struct Outcome {
    std::set<std::int64_t> acknowledged;
    std::set<std::int64_t> in_doubt;
};

void write_all(os::FaultFileSystem& disk, Outcome& outcome) {
    const FakeClock clock;
    Driver driver(&disk);
    auto database = open_database(kPath, {}, {.driver = &driver, .clock = &clock});
    if (!database) return;
    for (std::int64_t id = 0; id < kWorks; ++id) {
        const auto status = (*database)->write(work_of(id));
        if (status) outcome.acknowledged.insert(id);
        if (!status && status.error().code == Code::outcome_unknown) outcome.in_doubt.insert(id);
    }
}

std::set<std::int64_t> ids(sql::Connection& connection, std::string_view sql) {
    std::set<std::int64_t> found;
    const auto select = must(connection.prepare(sql));
    while (must(select->step())) found.insert(select->column_int64(0));
    return found;
}

/// `lenient`: also works that were answered with an error may be there, as a whole: the machine
/// stopped while they were being written.
void check(os::FaultFileSystem& disk, const Outcome& outcome, bool lenient,
           const std::string& label) {
    Driver driver(&disk);
    auto opened = driver.connect(kPath, {.create = false});
    if (!opened) {
        ASSERT_EQ(opened.error().code, Code::not_found) << label << ": " << opened.error().message;
        ASSERT_TRUE(outcome.acknowledged.empty()) << label;
        return;
    }
    sql::Connection& connection = **opened;
    ASSERT_EQ(text(connection, "PRAGMA integrity_check"), "ok") << label;
    const bool tables = number(connection, "SELECT COUNT(*) FROM sqlite_schema") == 2;
    ASSERT_TRUE(tables || outcome.acknowledged.empty()) << label;
    if (!tables) return;
    const auto present = ids(connection, "SELECT id FROM a WHERE LENGTH(text) = 5000");
    ASSERT_EQ(present, ids(connection, "SELECT id FROM b")) << label << ": half a work";
    for (const std::int64_t id : outcome.acknowledged) {
        ASSERT_TRUE(present.contains(id)) << label << ": lost " << id;
    }
    if (lenient) return;
    for (const std::int64_t id : present) {
        ASSERT_TRUE(outcome.acknowledged.contains(id) || outcome.in_doubt.contains(id))
            << label << ": refused, yet there: " << id;
    }
}

std::unique_ptr<os::FaultFileSystem> fresh_disk() {
    auto disk = std::make_unique<os::FaultFileSystem>();
    disk->put_directory("/folder");
    return disk;
}

}  // namespace

TEST(CrashMatrix, APowerCutAfterAnyCallKeepsWhatWasAcknowledged) {
    constexpr std::uint64_t kSeeds = 6;
    std::size_t calls = 0;
    for (;; ++calls) {
        const auto disk = fresh_disk();
        disk->power_off_after(calls);
        Outcome outcome;
        write_all(*disk, outcome);
        for (const os::PowerCut& cut : os::PowerCut::matrix(kSeeds, 1 + calls * kSeeds)) {
            const auto after = disk->after_power_cut(cut);
            check(*after, outcome, /*lenient=*/true,
                  "cut after " + std::to_string(calls) + ", " + cut.text());
            if (HasFatalFailure()) return;
        }
        if (!disk->power_is_off()) break;
    }
    EXPECT_GT(calls, 40U) << "the disk saw too little to prove anything";
}

TEST(CrashMatrix, AnyCallThatFailsHarmsAtMostItsWork) {
    for (const os::FaultKind kind :
         {os::FaultKind::error, os::FaultKind::error_after, os::FaultKind::short_write}) {
        for (std::size_t n = 1;; ++n) {
            const auto disk = fresh_disk();
            disk->fail_at(n, {.kind = kind});
            Outcome outcome;
            write_all(*disk, outcome);
            const bool reached = disk->calls() >= n;
            disk->clear_faults();
            const std::string label =
                "call " + std::to_string(n) + " of kind " + std::to_string(static_cast<int>(kind));
            check(*disk, outcome, /*lenient=*/false, label);
            if (HasFatalFailure()) return;
            for (const os::PowerCut& cut : os::PowerCut::matrix(1, n)) {
                check(*disk->after_power_cut(cut), outcome, /*lenient=*/true,
                      label + ", then " + cut.text());
                if (HasFatalFailure()) {
                    std::fputs(disk->log_text().c_str(), stderr);
                    return;
                }
            }
            if (!reached) break;
        }
    }
}

namespace {

/// What a version did shows in the rows: 1 makes the tables, 2 writes one row, 3 doubles them.
constexpr std::array kVersions{
    sql::Migration{1, "tables", "CREATE TABLE a (id INTEGER PRIMARY KEY, text TEXT)"},
    sql::Migration{2, "fill", "INSERT INTO a (text) VALUES (printf('%.9000c', 'x'))"},
    sql::Migration{3, "double", "INSERT INTO a (text) SELECT text FROM a"}};

/// How many versions were acknowledged.
int migrate_all(os::FileSystem& disk) {
    const FakeClock clock;
    Driver driver(&disk);
    auto connection = driver.connect(kPath, {});
    if (!connection) return 0;
    for (std::size_t count = 1; count <= kVersions.size(); ++count) {
        if (!sql::migrate(**connection, "m", std::span(kVersions).first(count), clock))
            return static_cast<int>(count) - 1;
    }
    return static_cast<int>(kVersions.size());
}

/// Each version is there as a whole or not at all, those acknowledged are, and the rest can follow.
void check_migrated(os::FaultFileSystem& disk, int acknowledged, const std::string& label) {
    {
        Driver driver(&disk);
        auto opened = driver.connect(kPath, {.create = false});
        if (opened) {
            sql::Connection& connection = **opened;
            ASSERT_EQ(text(connection, "PRAGMA integrity_check"), "ok") << label;
            const bool recorded =
                number(connection,
                       "SELECT COUNT(*) FROM sqlite_schema WHERE name='taskstore_migrations'") == 1;
            const auto version =
                recorded ? number(connection, "SELECT COUNT(*) FROM taskstore_migrations") : 0;
            ASSERT_GE(version, acknowledged) << label;
            const bool table =
                number(connection, "SELECT COUNT(*) FROM sqlite_schema WHERE name='a'") == 1;
            ASSERT_EQ(table, version > 0) << label;
            if (table) {
                ASSERT_EQ(number(connection, "SELECT COUNT(*) FROM a"), version - 1) << label;
            }
        } else {
            ASSERT_EQ(acknowledged, 0) << label << ": " << opened.error().message;
        }
    }
    const FakeClock clock;
    Driver driver(&disk);
    const auto connection = must(driver.connect(kPath, {}));
    const Status status = sql::migrate(*connection, "m", kVersions, clock);
    ASSERT_TRUE(status) << label << ": " << status.error().message;
    ASSERT_EQ(number(*connection, "SELECT COUNT(*) FROM a"), 2) << label;
}

}  // namespace

TEST(CrashMatrix, AMigrationIsWholeOrAbsentWhateverFails) {
    std::size_t calls = 0;
    for (;; ++calls) {
        const auto disk = fresh_disk();
        disk->power_off_after(calls);
        const int acknowledged = migrate_all(*disk);
        for (const os::PowerCut& cut : os::PowerCut::matrix(4, 1 + calls * 4)) {
            check_migrated(*disk->after_power_cut(cut), acknowledged,
                           "cut after " + std::to_string(calls) + ", " + cut.text());
            if (HasFatalFailure()) return;
        }
        if (!disk->power_is_off()) break;
    }
    EXPECT_GT(calls, 20U) << "the disk saw too little to prove anything";
    for (const os::FaultKind kind :
         {os::FaultKind::error, os::FaultKind::error_after, os::FaultKind::short_write}) {
        for (std::size_t n = 1; n <= calls; ++n) {
            const auto disk = fresh_disk();
            disk->fail_at(n, {.kind = kind});
            const int acknowledged = migrate_all(*disk);
            disk->clear_faults();
            check_migrated(
                *disk, acknowledged,
                "call " + std::to_string(n) + " of kind " + std::to_string(static_cast<int>(kind)));
            if (HasFatalFailure()) return;
        }
    }
}

}  // namespace taskstore::sqlite
