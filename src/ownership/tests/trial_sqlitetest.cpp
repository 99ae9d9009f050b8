#include <gtest/gtest.h>
#include <taskstore/ownership/trial.hpp>
#include <taskstore/sql/migration.hpp>
#include <taskstore/sqlite/database.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <cstdlib>
#include <iostream>

namespace taskstore::ownership {
namespace {

/// What one process has open.
struct Opened {
    sqlite::Driver driver;
    std::unique_ptr<sql::Database> database;
};

Result<std::unique_ptr<tasks::TaskStore>> open_tasks(const std::string& path, const Clock& clock,
                                                     Random& random) {
    auto opened = std::make_shared<Opened>();
    {
        TASKSTORE_LET(const auto connection, opened->driver.connect(path, {}));
        TASKSTORE_TRY(
            sql::migrate(*connection, tasks::kModule, tasks::migrations("sqlite"), clock));
        TASKSTORE_TRY(sql::identify(*connection, tasks::kModule, clock, random));
    }
    TASKSTORE_LET(opened->database,
                  sqlite::open_database(path, {}, {.driver = &opened->driver, .clock = &clock}));
    sql::Database& database = *opened->database;
    return tasks::make_task_store(database, clock, random, {.owner = std::move(opened)});
}

std::int64_t operations_asked() {
    const char* const full = std::getenv("TASKSTORE_FULL");
    const char* const own = std::getenv("TASKSTORE_TRIAL_OPERATIONS");
    if (own != nullptr) return std::atoll(own);
    return full != nullptr ? 1'000'000 : TASKSTORE_TRIAL_OPERATIONS;
}

TEST(Trial, NoClaimIsDoubledAndNoAnswerIsLostUnderKillsPausesAndJumps) {
    const TemporaryFolder folder;
    os::SystemFileSystem files;
    const SystemClock clock;
    TrialOptions options{.operations = operations_asked(),
                         .seed = 20'261'122,
                         .folder = folder.path(),
                         .open = [&](const Clock& own, Random& random) {
                             return open_tasks(folder / "tasks.db", own, random);
                         }};
    const auto report = run_trial(options, files, clock);
    ASSERT_TRUE(report) << report.error().message;
    for (const Violation& one : report->verdict.violations) ADD_FAILURE() << one.report;
    std::cout << report->verdict.operations << " operations on " << report->verdict.tasks
              << " tasks, seed " << options.seed << ": " << report->claimed << " claims, "
              << report->completed << " completed, " << report->refused << " refused, "
              << report->unanswered << " unanswered; " << report->kills << " kills, "
              << report->pauses << " pauses, " << report->jumps << " jumps; " << report->took_ms
              << " ms\n";
    EXPECT_GT(report->claimed, 0);
    EXPECT_GT(report->kills + report->pauses, 0);
}

}  // namespace
}  // namespace taskstore::ownership
