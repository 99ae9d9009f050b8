// A spec is enqueued, and broken off: at every statement of the queue, at every call of the disk
// that the plan is on, and by a power cut after each call of both. Asked again, it has one task.

#include "faulty_database.hpp"
#include "task_invariants.hpp"

#include <taskstore/os/fault_file_system.hpp>
#include <taskstore/records/collection.hpp>
#include <taskstore/sqlite/database.hpp>
#include <taskstore/work/spec_runs.hpp>

#include <gmock/gmock.h>

#include <array>
#include <set>

namespace taskstore::work {
namespace {

using os::FaultFileSystem;
using os::PowerCut;
using records::Collection;
using records::Execution;
using records::TaskSpec;

constexpr std::string_view kTasksPath = "/d/tasks.db";
constexpr std::size_t kPlacesMax = 2'000;
/// One that was never enqueued, and one whose task was cancelled while the plan showed it at work:
/// that is settled first, in the ledger.
constexpr std::array<const char*, 2> kSpecs{"new", "left"};

/// A program that has just begun, with a plan and a queue on one disk.
class Program {
  public:
    Program(FaultFileSystem& disk, std::uint64_t seed, tasks::Fault* fault = nullptr)
        : x_disk(disk), x_random(seed), x_driver(&disk), x_fault(fault) {}

    Status open() {
        TASKSTORE_LET(plan, records::Plan::open(x_disk, x_driver, x_clock, x_random,
                                                {.folder = "/p",
                                                 .replica_path = "/p/run/replica.json",
                                                 .actor = "ann",
                                                 .boot_id = "boot"}));
        TASKSTORE_LET(database, sqlite::open_database(std::string(kTasksPath), {},
                                                      {.driver = &x_driver, .clock = &x_clock}));
        sql::Database* asked = database.get();
        if (x_fault != nullptr) {
            x_faulty = std::make_unique<tasks::FaultyDatabase>(*database, *x_fault);
            asked = x_faulty.get();
        }
        store = tasks::make_task_store(*asked, x_clock, x_random,
                                       {.time = tasks::TimeSource::clock, .boot_id = "boot"});
        runs = std::make_unique<SpecRuns>(*plan, *store, SpecRunsOptions{.worktree_path = "/work"});
        return ok();
    }
    Status make_databases() {
        TASKSTORE_LET(const auto one, x_driver.connect(std::string(kTasksPath), {}));
        TASKSTORE_TRY(sql::migrate(*one, tasks::kModule, tasks::migrations("sqlite"), x_clock));
        TASKSTORE_TRY(sql::identify(*one, tasks::kModule, x_clock, x_random));
        return ok();
    }
    std::vector<std::string> faults_of_the_queue() {
        return tasks::what_is_wrong(*database, x_clock.wall_ms());
    }

  private:
    FaultFileSystem& x_disk;
    const FakeClock x_clock;
    SeededRandom x_random;
    sqlite::Driver x_driver;
    tasks::Fault* x_fault;

  public:
    std::unique_ptr<records::Plan> plan;
    std::unique_ptr<sql::Database> database;

  private:
    std::unique_ptr<sql::Database> x_faulty;

  public:
    std::unique_ptr<tasks::TaskStore> store;
    std::unique_ptr<SpecRuns> runs;
};

class SpecEnqueueFaults : public testing::TestWithParam<const char*> {
  protected:
    SpecEnqueueFaults() {
        x_world.put_directory("/p/run");
        x_world.put_directory("/d");
        Program program(x_world, 1);
        EXPECT_TRUE(program.make_databases());
        EXPECT_TRUE(program.open());
        EXPECT_TRUE(program.plan->create("prds", {{"title", "\"Search\""}}, "p1"));
        for (const char* const spec : kSpecs)
            EXPECT_TRUE(program.plan->create(
                "task_specs", {{"prd_id", "\"p1\""}, {"phase_name", "\"index\""}}, spec));
        EXPECT_TRUE(program.runs->enqueue("left", {}));
        const auto claimed = program.store->claim_tasks({.worker = "w"});
        const tasks::Task& task = claimed->value.at(0);
        EXPECT_TRUE(program.runs->began(task));
        EXPECT_TRUE(program.store->release_task({.task_id = task.id, .fence = task.fence}, ""));
        EXPECT_TRUE(program.store->cancel_task(task.id, "ann", ""));
        x_world.sync_everything();
    }
    std::unique_ptr<FaultFileSystem> disk_of_the_world() const {
        return x_world.after_power_cut(PowerCut::keep_all());
    }
    static Result<EnqueuedSpec> enqueue(Program& program) {
        return program.runs->enqueue(GetParam(), {.command = "make"});
    }
    static Result<EnqueuedSpec> enqueue_in_a_new_program(FaultFileSystem& disk) {
        Program program(disk, 2);
        TASKSTORE_TRY(program.open());
        return enqueue(program);
    }

    /// By programs that have just begun; `told`: what the one that was broken off said.
    static void ends_with_one_task(FaultFileSystem& disk, const Result<EnqueuedSpec>& told) {
        Program program(disk, 3);
        ASSERT_TRUE(program.open());
        const auto again = enqueue(program);
        ASSERT_TRUE(again) << again.error().message;
        if (told) {
            EXPECT_EQ(again->task.id, told->task.id);
            EXPECT_FALSE(again->made) << "what was told is not there";
        }
        const auto page = program.store->list_tasks({.spec_id = GetParam()});
        const bool left = std::string_view(GetParam()) == "left";
        EXPECT_EQ(page->tasks.size(), left ? 2U : 1U);
        for (const tasks::Task& task : page->tasks)
            EXPECT_EQ(tasks::is_open(task), task.id == again->task.id);
        EXPECT_THAT(program.faults_of_the_queue(), testing::IsEmpty());
        const auto spec = Collection<TaskSpec>(*program.plan).get(Id<TaskSpec>(GetParam()));
        EXPECT_EQ(spec->status, records::TaskSpecStatus::pending);
        EXPECT_EQ(spec->assigned_to, std::nullopt);
        const auto executions = Collection<Execution>(*program.plan).list();
        ASSERT_EQ(executions->records.size(), 1U);
        EXPECT_EQ(executions->records[0].status, records::ExecutionStatus::stopped);
        EXPECT_EQ(*program.runs->settle(), 0);
    }

    FaultFileSystem x_world;
};

TEST_P(SpecEnqueueFaults, AtEachStatementOfTheQueue) {
    for (const tasks::FaultKind kind :
         {tasks::FaultKind::statement, tasks::FaultKind::commit, tasks::FaultKind::answer_lost}) {
        for (const bool comes_back : {false, true}) {
            int place = 0;
            for (bool struck = true; struck; ++place) {
                SCOPED_TRACE("kind " + std::to_string(static_cast<int>(kind)) +
                             (comes_back ? ", once, " : ", for ever, ") + "place " +
                             std::to_string(place));
                ASSERT_LT(place, static_cast<int>(kPlacesMax)) << "it never came to its end";
                const auto disk = disk_of_the_world();
                tasks::Fault fault{.kind = kind, .comes_back = comes_back, .left = place};
                Program program(*disk, 2, &fault);
                ASSERT_TRUE(program.open());
                const auto told = enqueue(program);
                struck = fault.struck;
                if (!told) {
                    EXPECT_TRUE(struck) << told.error().message;
                    EXPECT_THAT(told.error().code,
                                testing::AnyOf(Code::unavailable, Code::outcome_unknown))
                        << told.error().message;
                }
                // The same program, once the queue answers again.
                fault = {};
                const auto again = enqueue(program);
                ASSERT_TRUE(again) << again.error().message;
                if (told) {
                    EXPECT_EQ(again->task.id, told->task.id);
                }
                ends_with_one_task(*disk, again);
                if (HasFailure()) return;
            }
            EXPECT_GT(place, 1) << "the queue was not asked";
        }
    }
}

TEST_P(SpecEnqueueFaults, AtEachCallOfThePlansDisk) {
    for (const os::FaultKind kind : {os::FaultKind::error, os::FaultKind::error_after,
                                     os::FaultKind::short_write, os::FaultKind::disk_full}) {
        for (const bool forever : {false, true}) {
            std::size_t n = 1;
            for (bool struck = true; struck; ++n) {
                SCOPED_TRACE("kind " + std::to_string(static_cast<int>(kind)) +
                             (forever ? ", for ever, " : ", once, ") + "call " + std::to_string(n));
                ASSERT_LT(n, kPlacesMax) << "it never came to its end";
                const auto disk = disk_of_the_world();
                std::size_t calls = 0;
                disk->set_hook([&](const os::CallRecord& call) {
                    if (os::is_mutating(call.call) && call.path.starts_with("/p/")) ++calls;
                });
                disk->fail_at(n, {.kind = kind, .forever = forever, .path_part = "/p/"});
                const auto told = enqueue_in_a_new_program(*disk);
                disk->set_hook({});
                disk->clear_faults();
                struck = calls >= n;
                EXPECT_TRUE(told || struck) << told.error().message;
                ends_with_one_task(*disk, told);
                if (HasFailure()) {
                    ADD_FAILURE() << disk->log_text();
                    return;
                }
            }
            EXPECT_GT(n, 2U) << "the plan made no call";
        }
    }
}

TEST_P(SpecEnqueueFaults, AfterAPowerCutAtEachCall) {
    const std::uint64_t seeds = std::getenv("TASKSTORE_FULL") != nullptr ? 20 : 1;
    bool off = true;
    for (std::size_t calls = 0; off; ++calls) {
        ASSERT_LT(calls, kPlacesMax) << "it never came to its end";
        const auto disk = disk_of_the_world();
        disk->power_off_after(calls);
        const auto told = enqueue_in_a_new_program(*disk);
        off = disk->power_is_off();
        EXPECT_TRUE(told || off) << told.error().message;
        for (const PowerCut& cut : PowerCut::matrix(seeds, 1 + calls * seeds)) {
            SCOPED_TRACE("after " + std::to_string(calls) + " calls, " + cut.text());
            ends_with_one_task(*disk->after_power_cut(cut), told);
            if (HasFailure()) return;
        }
    }
}

INSTANTIATE_TEST_SUITE_P(Specs, SpecEnqueueFaults, testing::ValuesIn(kSpecs),
                         [](const auto& one) { return std::string(one.param); });

}  // namespace
}  // namespace taskstore::work
