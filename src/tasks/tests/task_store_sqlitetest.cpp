#include "task_rows.hpp"
#include "task_store_contract.hpp"
#include "task_texts.hpp"

#include <taskstore/sqlite/database.hpp>
#include <taskstore/tasks/task_archive.hpp>
#include <taskstore/testing/temporary_folder.hpp>

namespace taskstore::tasks {
namespace {

class SqliteSandbox final : public TaskSandbox {
  public:
    explicit SqliteSandbox(const Clock& clock,
                           sql::Durability durability = sql::Durability::flushed) {
        const auto connection = x_driver.connect(x_folder / "tasks.db", {});
        EXPECT_TRUE(sql::migrate(**connection, kModule, migrations("sqlite"), clock));
        SeededRandom random{3};
        EXPECT_TRUE(sql::identify(**connection, kModule, clock, random));
        auto database = sqlite::open_database(x_folder / "tasks.db", {.durability = durability},
                                              {.driver = &x_driver, .clock = &clock});
        EXPECT_TRUE(database);
        x_database = std::move(*database);
    }
    sql::Database& database() override { return *x_database; }
    sql::Database& archive() override {
        if (x_archive) return *x_archive;
        const auto connection = x_driver.connect(x_folder / "archive.db", {});
        EXPECT_TRUE(
            sql::migrate(**connection, kArchiveModule, archive_migrations("sqlite"), x_clock));
        auto database = sqlite::open_database(x_folder / "archive.db", {},
                                              {.driver = &x_driver, .clock = &x_clock});
        EXPECT_TRUE(database);
        x_archive = std::move(*database);
        return *x_archive;
    }

  private:
    TemporaryFolder x_folder;
    SystemClock x_clock;
    sqlite::Driver x_driver;
    std::unique_ptr<sql::Database> x_database;
    std::unique_ptr<sql::Database> x_archive;
};

INSTANTIATE_TEST_SUITE_P(
    Sqlite, TaskStoreContract,
    testing::Values(TaskBackend{
        "File", [](const Clock& clock) { return std::make_unique<SqliteSandbox>(clock); },
        [](const Clock& clock) {
            return std::make_unique<SqliteSandbox>(clock, sql::Durability::cache);
        },
        sql::DurabilityLevel::flushed, sql::DurabilityLevel::flushed}),
    backend_name);

std::vector<std::string> plan_of(const std::string& statement) {
    const SystemClock clock;
    SqliteSandbox sandbox(clock);
    std::vector<std::string> steps;
    const auto planned = sandbox.database().write([&](sql::Connection& connection) -> Status {
        TASKSTORE_LET(const auto plan, connection.prepare("EXPLAIN QUERY PLAN " + statement));
        while (true) {
            TASKSTORE_LET(const bool row, plan->step());
            if (!row) return ok();
            steps.emplace_back(plan->column_text(3));
        }
    });
    EXPECT_TRUE(planned) << planned.error().message << statement;
    EXPECT_FALSE(steps.empty()) << statement;
    return steps;
}

TEST(TaskTable, ColumnsStandWhereHistoriesTakeThem) {
    const SystemClock clock;
    SqliteSandbox sandbox(clock);
    const sql::BoundStatement get{.sql = texts_of("sqlite").get_task,
                                  .values = {std::string("none")}};
    const auto answers = sandbox.database().read_batch({&get, 1});
    ASSERT_TRUE(answers);
    const auto& columns = (*answers)[0].columns;
    ASSERT_EQ(std::ssize(columns), kTaskColumns);
    const std::pair<int, std::string_view> places[] = {{kIdColumn, "id"},
                                                       {kStatusColumn, "status"},
                                                       {kAssignedToColumn, "assigned_to"},
                                                       {kFenceColumn, "fence"},
                                                       {kUpdatedAtColumn, "updated_at"},
                                                       {kRevisionColumn, "revision"}};
    for (const auto& [place, name] : places)
        EXPECT_EQ(columns[static_cast<std::size_t>(place)], name);
}

TEST(TaskTable, HotStatementsNeverGoThroughAllThatIsPending) {
    const Texts& texts = texts_of("sqlite", NowIs::passed);
    for (const std::string* text : {&texts.claim,
                                    &texts.claim_one,
                                    &texts.find_claimable,
                                    &texts.claim_found,
                                    &texts.claimed_task,
                                    &texts.complete_held,
                                    &texts.completed_task,
                                    &texts.look,
                                    &texts.promote_due,
                                    &texts.find_candidate,
                                    &texts.next_time,
                                    &texts.mark_limits,
                                    &texts.history_of_claim,
                                    &texts.history_of_row,
                                    &texts.history_of_claimed_row,
                                    &texts.complete,
                                    &texts.renew,
                                    &texts.move_task,
                                    &texts.cancel_dependents,
                                    &texts.list_expired,
                                    &texts.keys_to_settle,
                                    &texts.settle_in,
                                    &texts.settle_out,
                                    &texts.list_watched}) {
        for (const std::string& step : plan_of(*text)) {
            EXPECT_EQ(step.find("idx_tasks_status"), std::string::npos) << step << *text;
            EXPECT_EQ(step.find("SCAN tasks"), std::string::npos) << step << *text;
        }
    }
}

TEST(TaskTable, PruningGoesByIndexes) {
    const Texts& texts = texts_of("sqlite");
    for (const std::string* text :
         {&texts.ended_tasks, &texts.ended_tasks_of_project, &texts.measure_tasks,
          &texts.known_tasks, &texts.whole_tasks, &texts.whole_histories, &texts.hold_ended,
          &texts.mark_ended, &texts.forget_history_of_ended, &texts.forget_edges_of_ended,
          &texts.forget_edges_on_ended, &texts.forget_keys_of_ended, &texts.forget_ended}) {
        for (const std::string& step : plan_of(*text)) {
            // The list that is passed in, the row with the last number, a table of one row, and
            // what is a page already.
            const bool bounded = step.find("json_each") != std::string::npos || step == "SCAN h" ||
                                 step == "SCAN task_clock" || step == "SCAN few" ||
                                 step == "SCAN page";
            EXPECT_TRUE(bounded || !step.starts_with("SCAN")) << step << *text;
            EXPECT_TRUE(text == &texts.ended_tasks ||
                        step.find("idx_tasks_status") == std::string::npos)
                << step << *text;
        }
    }
}

TEST(TaskTable, ADatabaseOfBeforeSearchIsBroughtUp) {
    const FakeClock clock;
    const TemporaryFolder folder;
    sqlite::Driver driver;
    const auto connection = driver.connect(folder / "tasks.db", {});
    ASSERT_TRUE(connection);
    const auto steps = migrations("sqlite");
    ASSERT_TRUE(sql::migrate(**connection, kModule, steps.first(3), clock));
    ASSERT_TRUE((*connection)
                    ->execute("INSERT INTO tasks (id, title, description, created_at, updated_at) "
                              "VALUES ('a', 'Old ones', 'are found', 1, 1), ('b', '?!', NULL, 1, "
                              "1)"));
    ASSERT_TRUE(sql::migrate(**connection, kModule, steps, clock));
    const std::vector<sql::BoundStatement> batch{
        {.sql = "SELECT token, at, task_id FROM task_words ORDER BY token"},
        {.sql = "SELECT words FROM tasks ORDER BY id"}};
    const auto answers = sql::run_batch(**connection, batch);
    ASSERT_TRUE(answers) << answers.error().message;
    ASSERT_EQ((*answers)[0].rows.size(), 4U);
    EXPECT_EQ((*answers)[0].rows[0],
              (std::vector<sql::Value>{std::string("are"), std::int64_t{1}, std::string("a")}));
    EXPECT_EQ((*answers)[1].rows[0][0], sql::Value{std::string("are found old ones")});
    EXPECT_EQ((*answers)[1].rows[1][0], sql::Value{std::string("")});
}

TEST(TaskTable, ColumnsIndexesAndDefaultsAreThoseOfTheFoundingDocuments) {
    const SystemClock clock;
    SqliteSandbox sandbox(clock);
    ASSERT_TRUE(sandbox.database().write([](sql::Connection& connection) {
        return connection.execute(
            "INSERT INTO tasks (id, title, created_at, updated_at) VALUES ('a', 't', 1, 1)");
    }));
    const std::vector<sql::BoundStatement> batch{
        {.sql = "SELECT status, priority, retry_count FROM tasks"},
        {.sql = "SELECT name FROM sqlite_master WHERE type = 'index' AND name IN "
                "('idx_tasks_status', 'idx_tasks_project', 'idx_tasks_created') ORDER BY name"}};
    const auto answers = sandbox.database().read_batch(batch);
    ASSERT_TRUE(answers);
    EXPECT_EQ((*answers)[0].rows[0],
              (std::vector<sql::Value>{std::string("pending"), std::int64_t{0}, std::int64_t{0}}));
    ASSERT_EQ((*answers)[1].rows.size(), 3U);
    EXPECT_EQ((*answers)[1].rows[0][0], sql::Value{std::string("idx_tasks_created")});
    EXPECT_EQ((*answers)[1].rows[1][0], sql::Value{std::string("idx_tasks_project")});
    EXPECT_EQ((*answers)[1].rows[2][0], sql::Value{std::string("idx_tasks_status")});
}

}  // namespace
}  // namespace taskstore::tasks
