// Ownership on real servers that are killed and started again while processes work.

#include "roles.hpp"

#include <gtest/gtest.h>
#include <taskstore/backends.hpp>
#include <taskstore/ownership/trial.hpp>
#include <taskstore/sql/retry.hpp>
#include <taskstore/store/databases.hpp>
#include <taskstore/testing/server.hpp>
#include <taskstore/testing/sqld.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <cstdlib>
#include <filesystem>
#include <iostream>

namespace taskstore::ownership {
namespace {

constexpr std::int64_t kPatienceNs = 60'000'000'000;
constexpr std::int64_t kFewerForLibsql = 10;

/// What one process has open.
struct Opened {
    os::SystemFileSystem files;
    Backends backends{TASKSTORE_DRIVERS_HERE};
    std::unique_ptr<store::Databases> databases;
};

class OnServer : public testing::Test {
  protected:
    /// The server may be away at this moment.
    Result<std::unique_ptr<tasks::TaskStore>> open(const Clock& clock, Random& random) {
        auto opened = std::make_shared<Opened>();
        store::DatabasesOptions options;
        options.settings.home = x_folder / "home";
        options.settings.folder = x_folder / ".";
        options.settings.variable = [](const std::string&) { return std::nullopt; };
        options.settings.places[static_cast<std::size_t>(store::DatabaseName::tasks)] = {
            x_place, "config.toml", false};
        options.pool.max_connections = 2;
        options.part = [&backends = opened->backends](sql::Engine engine) {
            return backends.part(engine);
        };
        opened->databases =
            std::make_unique<store::Databases>(opened->files, clock, random, std::move(options));
        sql::Database* database = nullptr;
        TASKSTORE_TRY(sql::retry(
            {.base_ms = 20, .cap_ms = 250, .deadline_boot_ns = clock.boot_ns() + kPatienceNs},
            clock, random, [&]() -> Status {
                auto made = opened->databases->open(store::DatabaseName::tasks);
                if (made) {
                    database = *made;
                    return ok();
                }
                // Opening it again does what is missing, and no more.
                Error error = std::move(made).error();
                if (error.code == Code::outcome_unknown) error.code = Code::unavailable;
                return fail(std::move(error));
            }));
        return tasks::make_task_store(*database, clock, random, {.owner = std::move(opened)});
    }

    void hold(Server& server, std::int64_t operations) {
        std::filesystem::create_directory(x_folder / "told");
        const TrialOptions options{
            .operations = operations,
            .seed = 20'261'122,
            .folder = x_folder / "told",
            .open = [this](const Clock& clock, Random& random) { return open(clock, random); },
            .restart_server =
                [&server] {
                    server.kill();
                    return server.start_again();
                }};
        const auto report = run_trial(options, x_files, x_clock);
        ASSERT_TRUE(report) << report.error().message << "\n" << server.output();
        for (const Violation& one : report->verdict.violations) ADD_FAILURE() << one.report;
        std::cout << report->verdict.operations << " operations on " << report->verdict.tasks
                  << " tasks, seed " << options.seed << ": " << report->claimed << " claims, "
                  << report->completed << " completed, " << report->refused << " refused, "
                  << report->unanswered << " unanswered; " << report->kills << " kills, "
                  << report->pauses << " pauses, " << report->jumps << " jumps, "
                  << report->restarts << " restarts; " << report->took_ms << " ms\n";
        EXPECT_GT(report->claimed, 0);
    }

    /// `full` where the large counts are asked for.
    static std::int64_t operations(std::int64_t full) {
        if (const char* const own = std::getenv("TASKSTORE_TRIAL_OPERATIONS"))
            return std::atoll(own);
        return std::getenv("TASKSTORE_FULL") != nullptr ? full : TASKSTORE_TRIAL_OPERATIONS;
    }

    TemporaryFolder x_folder;
    os::SystemFileSystem x_files;
    SystemClock x_clock;
    std::string x_place;
};

TEST_F(OnServer, PostgresHoldsEachTaskOnceWhateverIsKilled) {
    auto server = start_postgres({.fsync = true, .settings = {"max_connections=100"}});
    ASSERT_TRUE(server) << server.error().message;
    make_plain_role(**server);
    x_place = make_plain_database(**server, "tasks");
    hold(**server, operations(1'000'000));
}

TEST_F(OnServer, LibsqlHoldsEachTaskOnceWhateverIsKilled) {
    auto sqld = start_sqld({});
    ASSERT_TRUE(sqld) << sqld.error().message;
    x_place = sqld->location();
    // A question costs some milliseconds there, for each transaction has the server to itself.
    hold(*sqld->server, operations(1'000'000) / kFewerForLibsql);
}

}  // namespace
}  // namespace taskstore::ownership
