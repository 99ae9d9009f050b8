#include "task_store_contract.hpp"

#include <taskstore/tasks/prune.hpp>
#include <taskstore/tasks/task_archive.hpp>

#include <gmock/gmock.h>

#include <algorithm>
#include <thread>

namespace taskstore::tasks {
namespace {

using testing::ElementsAre;

Task pending(std::string id, std::vector<std::string> depends_on = {}) {
    return {.id = std::move(id),
            .project = "p",
            .title = "old",
            .depends_on = std::move(depends_on),
            .created_at = 1'000,
            .updated_at = 1'500};
}

Task ended(std::string id, TaskStatus status) {
    Task task = pending(std::move(id));
    task.status = status;
    task.assigned_to = "cursor";
    task.retry_count = 2;
    task.result = R"({"n":1})";
    task.error = "late";
    task.exit_code = 3;
    task.logs = "line\n";
    task.started_at = 2'000;
    task.completed_at = 3'000;
    task.updated_at = 3'000;
    return task;
}

std::vector<Imported> imported(TaskStore& store, const std::vector<Task>& tasks) {
    const auto written =
        store.import_tasks({.tasks = tasks, .actor = "ann", .reason = "imported from adt"});
    EXPECT_TRUE(written) << (written ? "" : written.error().message);
    return written ? written->value : std::vector<Imported>{};
}

std::vector<std::string> moves(TaskStore& store, const std::string& id) {
    std::vector<std::string> moves;
    const auto history = store.history(id);
    EXPECT_TRUE(history);
    for (const HistoryEntry& entry : *history)
        moves.push_back(entry.verb + " " + std::to_string(entry.at) + " " + entry.actor + " " +
                        entry.reason.value_or("-"));
    return moves;
}

}  // namespace

TEST_P(TaskStoreContract, ImportedTasksComeBackAsTheyWereElsewhere) {
    std::vector<Task> tasks{pending("a"), ended("b", TaskStatus::completed),
                            ended("c", TaskStatus::failed), ended("d", TaskStatus::cancelled)};
    EXPECT_THAT(imported(*x_store, tasks), ElementsAre(Imported::created, Imported::created,
                                                       Imported::created, Imported::created));
    tasks[1].revision = tasks[2].revision = 3;
    tasks[2].dead_at = 3'000;
    tasks[3].revision = 2;
    for (const Task& task : tasks) EXPECT_EQ(**x_store->get_task(task.id), task);
    EXPECT_THAT(moves(*x_store, "b"),
                ElementsAre("create 1000 ann -", "claim 2000 cursor imported from adt",
                            "complete 3000 cursor imported from adt"));
    EXPECT_THAT(moves(*x_store, "d"),
                ElementsAre("create 1000 ann -", "cancel 3000 ann imported from adt"));
}

TEST_P(TaskStoreContract, WhatIsImportedAgainOrWasRemovedHereStaysAsItIs) {
    const std::vector<Task> tasks{pending("a"), ended("b", TaskStatus::completed)};
    imported(*x_store, tasks);
    ASSERT_TRUE(x_store->update_task("a", {.title = "mine"}));
    ASSERT_TRUE(x_store->delete_task("b"));
    const Task mine = **x_store->get_task("a");
    EXPECT_THAT(imported(*x_store, tasks), ElementsAre(Imported::there, Imported::removed));
    EXPECT_EQ(**x_store->get_task("a"), mine);
    EXPECT_FALSE(*x_store->get_task("b"));
    EXPECT_EQ(x_store->import_tasks({.tasks = tasks})->level, GetParam().seen)
        << "nothing was written";
}

TEST_P(TaskStoreContract, ImportedTasksWaitForThoseThatTheyDependOn) {
    const std::vector<Task> tasks{
        ended("done", TaskStatus::completed), pending("open"),
        pending("ready", {"done"}),           pending("waits", {"done", "open"}),
        pending("lost", {"nowhere"}),         pending("behind", {"lost"})};
    EXPECT_THAT(
        imported(*x_store, tasks),
        ElementsAre(Imported::created, Imported::created, Imported::created, Imported::created,
                    Imported::lacks_dependency, Imported::lacks_dependency));
    EXPECT_EQ((*x_store->get_task("waits"))->open_dependencies, 1);
    const auto held = claimed("w", {.limit = 10});
    ASSERT_EQ(held.size(), 2U);
    for (const Task& task : held) {
        EXPECT_NE(task.id, "waits");
        ASSERT_TRUE(x_store->complete_task({.task_id = task.id, .fence = task.fence}, {}));
    }
    EXPECT_EQ(claimed("w").at(0).id, "waits");
}

TEST_P(TaskStoreContract, AnImportedTaskThatHadFailedCanBeTriedAgain) {
    imported(*x_store, {ended("a", TaskStatus::failed)});
    EXPECT_EQ(x_store->list_tasks({.part = TaskPart::dead})->tasks.size(), 1U);
    EXPECT_TRUE(claimed("w").empty());
    ASSERT_TRUE(x_store->retry_task("a", "ann"));
    const auto held = claimed("w");
    ASSERT_EQ(held.size(), 1U);
    EXPECT_GT(held[0].fence, 0);
    EXPECT_TRUE(x_store->complete_task({.task_id = "a", .fence = held[0].fence}, {}));
}

TEST_P(TaskStoreContract, ImportsOfTheSameAtOnceMakeEachTaskOnce) {
    std::vector<Task> tasks;
    for (int i = 0; i < 20; ++i) tasks.push_back(pending("t" + std::to_string(i)));
    std::vector<std::vector<Imported>> fates(4);
    {
        std::vector<std::jthread> threads;
        for (auto& fate : fates) threads.emplace_back([&] { fate = imported(*x_store, tasks); });
    }
    std::ptrdiff_t created = 0;
    for (const auto& fate : fates) created += std::ranges::count(fate, Imported::created);
    EXPECT_EQ(created, 20);
    EXPECT_EQ(x_store->list_tasks({})->tasks.size(), 20U);
}

TEST_P(TaskStoreContract, WhatWasArchivedSinceItsImportIsKnown) {
    const std::shared_ptr<TaskArchive> archive = make_task_archive(x_sandbox->archive());
    const ArchiveFinder find = [&] { return Result<std::shared_ptr<TaskArchive>>(archive); };
    const auto store = make_task_store(x_sandbox->database(), x_clock, x_random,
                                       {.time = TimeSource::clock, .archive = find});
    const std::vector<Task> first{ended("done", TaskStatus::completed),
                                  ended("dropped", TaskStatus::cancelled)};
    imported(*store, first);
    const auto pruned = prune_tasks(*store, find, {});
    ASSERT_TRUE(pruned) << pruned.error().message;
    // The task that moved last stays.
    std::vector<Task> all = first;
    all.push_back(pending("ready", {"done"}));
    all.push_back(ended("late", TaskStatus::failed));
    all.back().depends_on = {"done"};
    EXPECT_TRUE((*store->get_task("done"))->archived_at);
    EXPECT_THAT(imported(*store, all), ElementsAre(Imported::there, Imported::there,
                                                   Imported::created, Imported::created));
    EXPECT_EQ((*store->get_task("ready"))->open_dependencies, 0);
    EXPECT_EQ(store->claim_tasks({.worker = "w"})->value.at(0).id, "ready");
    ASSERT_TRUE(prune_tasks(*store, find, {}));
    ASSERT_TRUE((*store->get_task("dropped"))->archived_at);
    EXPECT_THAT(imported(*store, {pending("never", {"dropped"})}),
                ElementsAre(Imported::lacks_dependency));
    ASSERT_TRUE(store->delete_task("dropped", "ann"));
    EXPECT_THAT(imported(*store, first), ElementsAre(Imported::there, Imported::removed));
    EXPECT_FALSE(*store->get_task("dropped")) << "what was removed stays removed";
}

TEST_P(TaskStoreContract, AnImportOfWhatNoTaskCanBeIsRefusedWhole) {
    const auto refused = [&](Task task) {
        const std::vector<Task> tasks{pending("good"), std::move(task)};
        const auto written = x_store->import_tasks({.tasks = tasks});
        EXPECT_FALSE(written);
        EXPECT_FALSE(*x_store->get_task("good"));
        return written ? std::string() : written.error().message;
    };
    Task held = pending("x");
    held.status = TaskStatus::in_progress;
    EXPECT_THAT(refused(held), testing::HasSubstr("task 2: a task that is held"));
    Task endless = pending("x");
    endless.status = TaskStatus::completed;
    EXPECT_THAT(refused(endless), testing::HasSubstr("does not say when"));
    Task odd = ended("x", TaskStatus::completed);
    odd.result = "{";
    EXPECT_THAT(refused(odd), testing::HasSubstr("result is no JSON"));
}

}  // namespace taskstore::tasks
