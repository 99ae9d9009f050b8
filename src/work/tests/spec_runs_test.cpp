// What a plan shows of tasks that carry out its specs, whatever becomes of the workers.

#include "scratch_tasks.hpp"

#include <taskstore/records/collection.hpp>
#include <taskstore/sqlite/driver.hpp>
#include <taskstore/work/spec_runs.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <utility>

namespace taskstore::work {
namespace {

using records::Collection;
using records::Execution;
using records::ExecutionStatus;
using records::Prd;
using records::TaskSpec;
using records::TaskSpecStatus;
using tasks::Task;

class SpecRunsTest : public testing::Test {
  protected:
    void SetUp() override {
        auto plan = records::Plan::open(
            x_tasks.files, x_driver, x_tasks.clock, x_tasks.random,
            {.folder = x_folder.path(), .replica_path = x_folder / "replica", .actor = "ann"});
        ASSERT_TRUE(plan) << plan.error().message;
        x_plan = std::move(*plan);
        const auto prd = Collection<Prd>(*x_plan).create({.title = "Search"});
        ASSERT_TRUE(prd) << prd.error().message;
        const auto spec = Collection<TaskSpec>(*x_plan).create(
            {.prd_id = prd->id, .phase_name = "Build the index", .description = "all files"});
        ASSERT_TRUE(spec) << spec.error().message;
        x_spec = spec->id.text();
        x_runs = std::make_unique<SpecRuns>(
            *x_plan, *x_tasks.store,
            SpecRunsOptions{.worktree_path = "/work", .branch_name = [] { return "main"; }});
    }
    TaskSpec spec() { return *Collection<TaskSpec>(*x_plan).get(Id<TaskSpec>(x_spec)); }
    std::vector<Execution> executions() {
        auto page = Collection<Execution>(*x_plan).list();
        std::ranges::sort(page->records, {}, &Execution::iteration_count);
        return std::move(page->records);
    }
    Task enqueued() {
        auto made = x_runs->enqueue(x_spec, {});
        EXPECT_TRUE(made) << made.error().message;
        return made ? made->task : Task();
    }
    Task claimed(const std::string& worker = "w1") {
        auto claims = x_tasks.store->claim_tasks({.worker = worker});
        EXPECT_EQ(claims->value.size(), 1U);
        return claims->value.at(0);
    }
    static tasks::Hold hold(const Task& task) { return {.task_id = task.id, .fence = task.fence}; }

    TemporaryFolder x_folder;
    ScratchTasks x_tasks{x_folder.path()};
    sqlite::Driver x_driver;
    std::unique_ptr<records::Plan> x_plan;
    std::unique_ptr<SpecRuns> x_runs;
    std::string x_spec;
};

TEST_F(SpecRunsTest, ASpecHasOneOpenTaskAndItCarriesTheSpec) {
    const auto first = x_runs->enqueue(x_spec, {.priority = 5});
    ASSERT_TRUE(first) << first.error().message;
    EXPECT_TRUE(first->made);
    EXPECT_EQ(first->task.title, "Build the index");
    EXPECT_EQ(first->task.description, "all files");
    EXPECT_EQ(first->task.spec_id, x_spec);
    EXPECT_NE(first->task.input.find("\"phase_name\":\"Build the index\""), std::string::npos);
    const auto again = x_runs->enqueue(x_spec, {.priority = 7});
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_FALSE(again->made);
    EXPECT_EQ(again->task.id, first->task.id);
    EXPECT_EQ(again->task.priority, 5);
    EXPECT_EQ(x_runs->enqueue("nowhere", {}).error().code, Code::not_found);
}

TEST_F(SpecRunsTest, ItsRunIsAnExecutionOfThePlan) {
    enqueued();
    const Task task = claimed();
    ASSERT_TRUE(x_runs->began(task));
    EXPECT_EQ(spec().status, TaskSpecStatus::running);
    EXPECT_EQ(spec().assigned_to, "w1");
    ASSERT_EQ(executions().size(), 1U);
    const Execution run = executions()[0];
    EXPECT_EQ(run.status, ExecutionStatus::running);
    EXPECT_EQ(run.ts_id.text(), x_spec);
    EXPECT_EQ(run.worktree_path, "/work");
    EXPECT_EQ(run.branch_name, "main");
    EXPECT_EQ(run.iteration_count, 1U);
    ASSERT_TRUE(x_runs->began(task)) << "told twice";
    ASSERT_TRUE(x_tasks.store->complete_task(hold(task), {}));
    ASSERT_TRUE(x_runs->ended({.task = task, .outcome = Outcome::completed}));
    EXPECT_EQ(spec().status, TaskSpecStatus::complete);
    ASSERT_EQ(executions().size(), 1U);
    EXPECT_EQ(executions()[0].status, ExecutionStatus::complete);
    EXPECT_TRUE(executions()[0].completed_at);
    EXPECT_EQ(x_runs->enqueue(x_spec, {}).error().code, Code::conflict);
}

TEST_F(SpecRunsTest, EachAttemptIsOne) {
    enqueued();
    const Task first = claimed();
    ASSERT_TRUE(x_runs->began(first));
    ASSERT_TRUE(x_tasks.store->fail_task(hold(first), {.error = "exit 2"}));
    ASSERT_TRUE(x_runs->ended({.task = first, .outcome = Outcome::again, .error = "exit 2"}));
    EXPECT_EQ(spec().status, TaskSpecStatus::pending);
    EXPECT_EQ(spec().assigned_to, std::nullopt);
    EXPECT_EQ(executions()[0].status, ExecutionStatus::failed);
    EXPECT_EQ(executions()[0].error_message, "exit 2");
    Task second = first;
    second.fence = first.fence + 1;
    ASSERT_TRUE(x_runs->began(second));
    ASSERT_TRUE(x_runs->ended({.task = second, .outcome = Outcome::failed, .error = "exit 3"}));
    EXPECT_EQ(spec().status, TaskSpecStatus::failed);
    ASSERT_EQ(executions().size(), 2U);
    EXPECT_EQ(executions()[1].iteration_count, 2U);
}

TEST_F(SpecRunsTest, WhatADeadWorkerLeftIsSettledFromTheQueue) {
    enqueued();
    const Task task = claimed("w1");
    ASSERT_TRUE(x_runs->began(task));
    EXPECT_EQ(*x_runs->settle(), 0) << "it is at work";
    // It had completed, and died before it could tell the plan.
    ASSERT_TRUE(x_tasks.store->complete_task(hold(task), {}));
    EXPECT_EQ(*x_runs->settle(), 1);
    EXPECT_EQ(spec().status, TaskSpecStatus::complete);
    EXPECT_EQ(executions()[0].status, ExecutionStatus::complete);
    EXPECT_EQ(*x_runs->settle(), 0);
}

TEST_F(SpecRunsTest, WhatWasCarriedOutElsewhereIsHeardOfLater) {
    enqueued();
    ASSERT_TRUE(x_tasks.store->complete_task(hold(claimed("elsewhere")), {}));
    EXPECT_EQ(spec().status, TaskSpecStatus::pending);
    EXPECT_EQ(*x_runs->settle(), 1);
    EXPECT_EQ(spec().status, TaskSpecStatus::complete);
    EXPECT_EQ(spec().assigned_to, "elsewhere");
    ASSERT_EQ(executions().size(), 1U);
    EXPECT_EQ(executions()[0].status, ExecutionStatus::complete);
    EXPECT_EQ(executions()[0].worktree_path, "");
    EXPECT_EQ(*x_runs->settle(), 0);
    // Taken up again by a person, it is open again.
    TaskSpec back = spec();
    back.status = TaskSpecStatus::pending;
    ASSERT_TRUE(Collection<TaskSpec>(*x_plan).update(back));
    EXPECT_EQ(*x_runs->settle(), 0);
    const Task again = enqueued();
    // An enqueue hears of it as well, and makes no second task for what is done.
    ASSERT_TRUE(x_tasks.store->complete_task(hold(claimed("elsewhere")), {}));
    const auto more = x_runs->enqueue(x_spec, {});
    ASSERT_FALSE(more) << more->task.id;
    EXPECT_EQ(more.error().code, Code::conflict);
    EXPECT_EQ(spec().status, TaskSpecStatus::complete);
    EXPECT_EQ(executions().size(), 2U);
}

TEST_F(SpecRunsTest, WhatMayBeInAnArchiveThatIsAwayIsSettledLater) {
    enqueued();
    const Task task = claimed("w1");
    ASSERT_TRUE(x_runs->began(task));
    ASSERT_TRUE(x_tasks.store->complete_task(hold(task), {}));
    ASSERT_TRUE(x_tasks.database().write(
        [](sql::Connection& connection) { return connection.execute("DELETE FROM tasks"); }));
    const auto away =
        tasks::make_task_store(x_tasks.database(), x_tasks.clock, x_tasks.random,
                               {.archive = []() -> Result<std::shared_ptr<tasks::TaskArchive>> {
                                   return fail(Code::unavailable, "its disk is not mounted");
                               }});
    SpecRuns runs(*x_plan, *away, {.worktree_path = "/work", .branch_name = [] { return "main"; }});
    const auto settled = runs.settle();
    ASSERT_TRUE(settled) << settled.error().message;
    EXPECT_EQ(*settled, 0);
    EXPECT_EQ(executions()[0].status, ExecutionStatus::running);
    EXPECT_EQ(runs.enqueue(x_spec, {}).error().code, Code::unavailable) << "nobody may be at it";
}

TEST_F(SpecRunsTest, TheNextClaimStopsTheExecutionOfARescuedOne) {
    enqueued();
    const Task first = claimed("w1");
    ASSERT_TRUE(x_runs->began(first));
    ASSERT_TRUE(x_tasks.store->release_task(hold(first), "rescued"));
    const Task second = claimed("w2");
    ASSERT_TRUE(x_runs->began(second));
    ASSERT_EQ(executions().size(), 2U);
    EXPECT_EQ(executions()[0].status, ExecutionStatus::stopped);
    EXPECT_EQ(executions()[1].status, ExecutionStatus::running);
    EXPECT_EQ(spec().assigned_to, "w2");
    ASSERT_TRUE(x_runs->ended({.task = first, .outcome = Outcome::lost})) << "it hears of it late";
    EXPECT_EQ(spec().status, TaskSpecStatus::running);
}

TEST_F(SpecRunsTest, WhatAPersonSaidOfTheSpecHoldsAndOtherPlansAreLeftAlone) {
    enqueued();
    const Task task = claimed();
    ASSERT_TRUE(x_runs->began(task));
    TaskSpec done = spec();
    done.status = TaskSpecStatus::complete;
    ASSERT_TRUE(Collection<TaskSpec>(*x_plan).update(done));
    ASSERT_TRUE(x_runs->ended({.task = task, .outcome = Outcome::failed, .error = "exit 1"}));
    EXPECT_EQ(spec().status, TaskSpecStatus::complete);
    Task foreign = task;
    foreign.spec_id = "of another plan";
    EXPECT_TRUE(x_runs->began(foreign));
    EXPECT_TRUE(x_runs->ended({.task = foreign, .outcome = Outcome::completed}));
    EXPECT_EQ(executions().size(), 1U);
}

TEST_F(SpecRunsTest, ASpecOfTheSameIdInAnotherPlanIsAnotherSpec) {
    const FakeClock later(x_tasks.clock.wall_ms() + 1);
    const TemporaryFolder folder;
    const auto elsewhere = records::Plan::open(
        x_tasks.files, x_driver, later, x_tasks.random,
        {.folder = folder.path(), .replica_path = folder / "replica", .actor = "bob"});
    ASSERT_TRUE(elsewhere) << elsewhere.error().message;
    ASSERT_TRUE((*elsewhere)->create("prds", {{"title", "\"Other\""}}, "p1"));
    ASSERT_TRUE(
        (*elsewhere)
            ->create("task_specs", {{"prd_id", "\"p1\""}, {"phase_name", "\"Paint it\""}}, x_spec));
    SpecRuns others(**elsewhere, *x_tasks.store, {});

    const auto here = x_runs->enqueue(x_spec, {.metadata = R"({"a":1})"});
    ASSERT_TRUE(here) << here.error().message;
    const auto there = others.enqueue(x_spec, {});
    ASSERT_TRUE(there) << there.error().message;
    EXPECT_TRUE(there->made);
    EXPECT_NE(there->task.id, here->task.id);
    EXPECT_EQ(x_runs->enqueue(x_spec, {})->task.id, here->task.id);
    EXPECT_EQ(others.enqueue(x_spec, {})->task.id, there->task.id);
    EXPECT_NE(here->task.metadata.find(R"("a":1)"), std::string::npos);

    const Task task = claimed();
    ASSERT_EQ(task.id, here->task.id);
    ASSERT_TRUE(others.began(task));
    EXPECT_TRUE(Collection<Execution>(**elsewhere).list()->records.empty());
    ASSERT_TRUE(x_runs->began(task));
    EXPECT_EQ(spec().status, TaskSpecStatus::running);
    // One whose metadata does not say is of whoever has such a spec.
    Task by_hand = task;
    by_hand.metadata = "{}";
    ASSERT_TRUE(others.began(by_hand));
    EXPECT_EQ(Collection<Execution>(**elsewhere).list()->records.size(), 1U);
}

TEST_F(SpecRunsTest, ASpecIsEnqueuedAgainAlsoAfterAHostWhoseClockWasAhead) {
    FakeClock clock;
    const std::int64_t now_ms = SystemClock().wall_ms();
    const auto store = tasks::make_task_store(x_tasks.database(), clock, x_tasks.random, {});
    SpecRuns runs(*x_plan, *store, {});
    for (int i = 0; i < 4; ++i) {
        clock.set_wall_ms(i == 0 ? now_ms + 60'000 : now_ms);
        const auto made = runs.enqueue(x_spec, {.input = i % 2 == 0 ? "1" : "2"});
        ASSERT_TRUE(made) << i << ": " << made.error().message;
        EXPECT_TRUE(made->made);
        const auto claim = store->claim_tasks({.worker = "w"});
        ASSERT_TRUE(claim);
        ASSERT_EQ(claim->value.size(), 1U);
        ASSERT_TRUE(store->fail_task(hold(claim->value[0]), {.error = "e", .final = true}));
    }
}

TEST_F(SpecRunsTest, MetadataThatIsNoObjectIsRefused) {
    const auto made = x_runs->enqueue(x_spec, {.metadata = "[1,2]"});
    ASSERT_FALSE(made) << made->task.metadata;
    EXPECT_EQ(made.error().code, Code::invalid);
}

/// Does something else first, once.
class InterruptedRandom final : public Random {
  public:
    explicit InterruptedRandom(Random& random) : x_random(random) {}
    void fill(std::span<std::byte> out) override {
        if (const auto first = std::exchange(before, {})) first();
        x_random.fill(out);
    }
    std::function<void()> before = {};

  private:
    Random& x_random;
};

TEST_F(SpecRunsTest, WhoIsOvertakenByATaskThatEndsGetsOneThatIsOpen) {
    InterruptedRandom random(x_tasks.random);
    const auto store = tasks::make_task_store(x_tasks.database(), x_tasks.clock, random, {});
    SpecRuns runs(*x_plan, *store, {});
    std::string first;
    random.before = [&] {
        first = enqueued().id;
        ASSERT_TRUE(x_tasks.store->fail_task(hold(claimed()), {.error = "e", .final = true}));
    };
    const auto enqueued = runs.enqueue(x_spec, {});
    ASSERT_TRUE(enqueued) << enqueued.error().message;
    EXPECT_FALSE(first.empty());
    EXPECT_NE(enqueued->task.id, first);
    EXPECT_TRUE(tasks::is_open(enqueued->task));
}

}  // namespace
}  // namespace taskstore::work
