#include <taskstore/store/task_import.hpp>

#include "../task_import_order.hpp"

#include <taskstore/base/id.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/sql/migration.hpp>
#include <taskstore/sqlite/database.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace taskstore::store {
namespace {

using founding::Found;
using founding::FoundTask;
using founding::Standing;
using tasks::TaskStatus;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

FoundTask task(std::string id, Standing standing, std::vector<std::string> depends_on = {}) {
    FoundTask out{.id = id, .where = "db, task '" + id + "'", .standing = standing, .title = id};
    out.status = standing == Standing::held        ? "running"
                 : standing == Standing::completed ? "completed"
                                                   : "pending";
    out.depends_on = std::move(depends_on);
    out.created_at = out.created_as_written = 1'000;
    return out;
}

class TaskImport : public testing::Test {
  protected:
    TaskImport() {
        const auto connection = x_driver.connect(x_folder / "tasks.db", {});
        EXPECT_TRUE(
            sql::migrate(**connection, tasks::kModule, tasks::migrations("sqlite"), x_clock));
        EXPECT_TRUE(sql::identify(**connection, tasks::kModule, x_clock, x_random));
        auto database = sqlite::open_database(x_folder / "tasks.db", {},
                                              {.driver = &x_driver, .clock = &x_clock});
        EXPECT_TRUE(database);
        x_database = std::move(*database);
        x_store = tasks::make_task_store(*x_database, x_clock, x_random);
    }
    TaskImportReport import(std::vector<FoundTask> list, const TaskImportRequest& request = {}) {
        Found found{.system = founding::System::adt,
                    .records = static_cast<std::int64_t>(list.size()),
                    .tasks = std::move(list)};
        auto report = import_found(x_store.get(), x_clock, std::move(found), request);
        EXPECT_TRUE(report) << (report ? "" : report.error().message);
        return report ? std::move(*report) : TaskImportReport{};
    }
    tasks::Task imported(const FoundTask& found) {
        const auto there = x_store->get_task(imported_id(founding::System::adt, found));
        EXPECT_TRUE(there && *there) << found.id;
        return there && *there ? **there : tasks::Task{};
    }
    std::size_t count() { return x_store->list_tasks({.limit = 10'000})->tasks.size(); }

    FakeClock x_clock;
    SeededRandom x_random{5};
    TemporaryFolder x_folder;
    sqlite::Driver x_driver;
    std::unique_ptr<sql::Database> x_database;
    std::unique_ptr<tasks::TaskStore> x_store;
};

std::vector<std::string> reasons(const TaskImportReport& report) {
    std::vector<std::string> out;
    for (const founding::Refused& one : report.refused)
        out.push_back(one.where + ": " + one.reason);
    return out;
}

TEST_F(TaskImport, IdsFollowFromTheSourceAlone) {
    FoundTask one = task("ab12", Standing::pending);
    const std::string id = imported_id(founding::System::adt, one);
    EXPECT_TRUE(is_uuid(id)) << id;
    EXPECT_EQ(id.substr(0, 15), "00000000-03e8-7") << "sorts by its time, as ids made here do";
    one.title = "other";
    one.created_at = 5;
    EXPECT_EQ(imported_id(founding::System::adt, one), id);
    EXPECT_NE(imported_id(founding::System::lib_task_store, one), id);
    one.created_as_written = 2'000;
    EXPECT_NE(imported_id(founding::System::adt, one), id);
    one.id = "11111111-2222-4333-8444-ABCDEF555555";
    EXPECT_EQ(imported_id(founding::System::adt, one), "11111111-2222-4333-8444-abcdef555555");
}

TEST_F(TaskImport, WhatSomebodyWasAtIsPendingAndKeepsWhoItWas) {
    FoundTask held = task("a", Standing::held);
    held.assigned_to = "cursor";
    held.started_at = 2'000;
    held.metadata = R"({"k":1,"color":"red"})";
    held.others = {{"color", "2"}, {"extra", "[3]"}, {"_import", "4"}};
    const TaskImportReport report = import({held});
    EXPECT_EQ(report.created, 1);
    EXPECT_EQ(report.held, 1);
    EXPECT_THAT(report.notes, Contains(HasSubstr("1 task was in progress there")));
    const tasks::Task there = imported(held);
    EXPECT_EQ(there.status, TaskStatus::pending);
    EXPECT_EQ(there.assigned_to, std::nullopt);
    const auto metadata = Json::parse(there.metadata);
    ASSERT_TRUE(metadata);
    EXPECT_EQ(metadata->get("color").as_string(), "red") << "the source's own metadata stays";
    EXPECT_EQ(metadata->get("extra").to_text(), "[3]");
    const Json came = metadata->get("_import").get("adt");
    EXPECT_EQ(came.get("id").as_string(), "a");
    EXPECT_EQ(
        came.get("was").to_text(),
        R"({"status":"running","assigned_to":"cursor","started_at":2000,"color":2,"_import":4})");
    EXPECT_EQ(x_store->claim_tasks({.worker = "w"})->value.size(), 1U);
}

TEST_F(TaskImport, WhatHadEndedKeepsItsEnd) {
    FoundTask done = task("a", Standing::completed);
    done.assigned_to = "cursor";
    done.result = "\"fine\"";
    done.started_at = 2'000;
    done.completed_at = 3'000;
    FoundTask bare = task("b", Standing::failed);
    bare.status = "failed";
    bare.updated_at = 4'000;
    import({done, bare});
    const tasks::Task there = imported(done);
    EXPECT_EQ(there.status, TaskStatus::completed);
    EXPECT_EQ(there.assigned_to, "cursor");
    EXPECT_EQ(there.result, "\"fine\"");
    EXPECT_EQ(there.started_at, 2'000);
    EXPECT_EQ(there.completed_at, 3'000);
    EXPECT_EQ(imported(bare).completed_at, 4'000) << "lib-task-store says no other time";
}

TEST_F(TaskImport, WhatWaitedForAPersonRunsOnlyWhenSomebodySaysSo) {
    const FoundTask done = task("done", Standing::completed);
    const FoundTask open = task("open", Standing::pending);
    const FoundTask asks = task("asks", Standing::blocked);
    const FoundTask free = task("free", Standing::blocked, {"done"});
    const FoundTask waits = task("waits", Standing::blocked, {"open"});
    const FoundTask review = task("review", Standing::review);
    EXPECT_EQ(import({done, open, asks, free, waits, review}).for_person, 3);
    EXPECT_EQ(imported(asks).status, TaskStatus::cancelled);
    EXPECT_EQ(imported(free).status, TaskStatus::cancelled);
    EXPECT_EQ(imported(review).status, TaskStatus::cancelled);
    EXPECT_EQ(imported(waits).status, TaskStatus::pending);
    EXPECT_EQ(imported(waits).open_dependencies, 1);
    ASSERT_TRUE(x_store->retry_task(imported(review).id, "ann"));
    EXPECT_EQ(imported(review).status, TaskStatus::pending);
}

TEST_F(TaskImport, TwiceChangesNothingAndTellsWhatChangedThere) {
    FoundTask one = task("a", Standing::pending);
    const FoundTask two = task("b", Standing::pending);
    import({one, two});
    ASSERT_TRUE(x_store->update_task(imported(one).id, {.title = "mine"}));
    const tasks::Task mine = imported(one);
    EXPECT_EQ(import({one, two}).unchanged, 2);
    one.status = "completed";
    one.standing = Standing::completed;
    const TaskImportReport report = import({one, two});
    EXPECT_EQ(report.created, 0);
    EXPECT_EQ(report.changed, 1);
    EXPECT_EQ(report.level, std::nullopt);
    EXPECT_EQ(imported(one), mine);
}

TEST_F(TaskImport, ARemovedTaskStaysRemovedAndWhatWaitsForItIsTold) {
    const FoundTask one = task("a", Standing::pending);
    import({one});
    ASSERT_TRUE(x_store->delete_task(imported(one).id));
    const std::vector<FoundTask> both{one, task("b", Standing::pending, {"a"})};
    for (const bool strict : {true, false}) {
        const TaskImportReport report = import(both, {.strict = strict});
        EXPECT_THAT(reasons(report), ElementsAre(HasSubstr("db, task 'b': it waits for a task")));
        EXPECT_EQ(count(), 0U);
    }
}

TEST_F(TaskImport, WhatWaitsForNothingThatComesIsLeftOut) {
    const TaskImportReport report = import(
        {task("x", Standing::pending, {"y"}), task("y", Standing::pending, {"z"}),
         task("z", Standing::pending, {"x"}), task("behind", Standing::pending, {"x"}),
         task("lost", Standing::pending, {"nowhere"}), task("own", Standing::pending, {"own"}),
         task("good", Standing::pending), task("good", Standing::pending)});
    EXPECT_THAT(reasons(report),
                ElementsAre("db, task 'x': it would wait for ever: x → y → z → x",
                            "db, task 'y': it would wait for ever: x → y → z → x",
                            "db, task 'z': it would wait for ever: x → y → z → x",
                            "db, task 'behind': it would wait for ever: x → y → z → x",
                            "db, task 'lost': it waits for task 'nowhere', which the source does "
                            "not have",
                            "db, task 'own': it would wait for ever: own → own",
                            "db, task 'good': its id is another task's of the same source"));
    EXPECT_EQ(count(), 1U);
}

TEST_F(TaskImport, ACircleOfManyIsToldInShort) {
    constexpr int kCount = 100'000;
    std::vector<FoundTask> many;
    for (int i = 0; i < kCount; ++i)
        many.push_back(task("t" + std::to_string(i), Standing::pending,
                            {"t" + std::to_string((i + 1) % kCount)}));
    const TaskImportReport report = import(std::move(many), {.dry_run = true});
    ASSERT_EQ(report.refused.size(), std::size_t{kCount});
    EXPECT_EQ(report.refused.back().reason,
              "it would wait for ever: t0 → t1 → t2 → t3 → t4 → t5 → t6 → t7 → and 99992 more → "
              "t0");
}

TEST_F(TaskImport, IdsThatDifferInLettersOfTheirCaseAreToldAndNotLost) {
    const FoundTask one = task("abcdef00-1111-4222-8333-444444444444", Standing::pending);
    const FoundTask other = task("ABCDEF00-1111-4222-8333-444444444444", Standing::pending);
    const TaskImportReport report = import({one, other});
    EXPECT_EQ(report.created, 1);
    EXPECT_EQ(report.unchanged, 0);
    EXPECT_THAT(reasons(report), ElementsAre(HasSubstr("its id is another task's")));
}

TEST_F(TaskImport, WhatHasEndedComesWithoutTheEdgesThatCannotBe) {
    const FoundTask done = task("done", Standing::completed, {"gone", "old", "open"});
    const FoundTask old = task("old", Standing::completed);
    const FoundTask open = task("open", Standing::pending, {"failed"});
    FoundTask failed = task("failed", Standing::failed, {"open"});
    const TaskImportReport report = import({done, old, open, failed});
    EXPECT_EQ(report.created, 4);
    EXPECT_THAT(imported(done).depends_on, ElementsAre(imported(old).id));
    EXPECT_THAT(imported(done).metadata, HasSubstr(R"("depends_on":["gone","old","open"])"));
    EXPECT_EQ(imported(done).open_dependencies, 0);
    EXPECT_THAT(imported(failed).depends_on, testing::IsEmpty());
    EXPECT_THAT(imported(open).depends_on, ElementsAre(imported(failed).id));
}

TEST_F(TaskImport, ADryRunSaysTheSameAndWritesNothing) {
    std::vector<FoundTask> list;
    for (int i = 0; i < 600; ++i)
        list.push_back(
            task("t" + std::to_string(i), Standing::pending,
                 i == 0 ? std::vector<std::string>{} : std::vector{"t" + std::to_string(i - 1)}));
    std::ranges::reverse(list);
    EXPECT_EQ(import(list, {.dry_run = true}).created, 600) << "across the borders of batches";
    EXPECT_EQ(count(), 0U);
    std::vector<std::int64_t> told;
    EXPECT_EQ(
        import(list, {.strict = true,
                      .progress = [&](std::int64_t done, std::int64_t) { told.push_back(done); }})
            .created,
        600);
    EXPECT_THAT(told, ElementsAre(500, 600));
    EXPECT_EQ(count(), 600U);
}

TEST_F(TaskImport, AnImportThatWasCutOffIsFinishedByTheSameAgain) {
    std::vector<FoundTask> list;
    for (int i = 0; i < 300; ++i) list.push_back(task("t" + std::to_string(i), Standing::pending));
    import({list.begin(), list.begin() + 120});
    const TaskImportReport report = import(list);
    EXPECT_EQ(report.created, 180);
    EXPECT_EQ(report.unchanged, 120);
    EXPECT_EQ(count(), 300U);
}

TEST_F(TaskImport, AStrictImportWritesNothingWhereSomethingHasNoPlace) {
    Found found{.system = founding::System::adt,
                .records = 1,
                .tasks = {task("a", Standing::pending)},
                .no_place = {{"events", "logs.db", 3}}};
    const auto report = import_found(x_store.get(), x_clock, found, {.strict = true});
    ASSERT_TRUE(report);
    EXPECT_FALSE(report->complete());
    EXPECT_EQ(count(), 0U);
}

TEST_F(TaskImport, ATaskThatNoStoreCanKeepIsLeftOutByName) {
    FoundTask bad = task("a", Standing::pending);
    bad.project = std::string(300, 'p');
    const TaskImportReport report = import({bad, task("b", Standing::pending, {"a"})});
    EXPECT_THAT(reasons(report),
                ElementsAre(HasSubstr("project is longer than 256 bytes"),
                            "db, task 'b': it waits for task 'a', which is left out"));
}

}  // namespace
}  // namespace taskstore::store
