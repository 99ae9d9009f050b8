#pragma once
// An archive beside the tasks of a sandbox: what the contracts of both share.

#include "task_store_contract.hpp"

#include <taskstore/tasks/prune.hpp>

#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace taskstore::tasks {

inline ArchiveFinder finder(std::shared_ptr<TaskArchive> archive) {
    return [archive = std::move(archive)] { return Result<std::shared_ptr<TaskArchive>>(archive); };
}

/// The archive of a sandbox, and a store that knows of it.
struct Archiving {
    Archiving(TaskSandbox& sandbox, const Clock& clock, Random& random)
        : archive(make_task_archive(sandbox.archive())),
          store(make_task_store(sandbox.database(), clock, random,
                                {.time = TimeSource::clock, .archive = finder(archive)})) {}

    PruneReport prune(const PruneRequest& request) {
        auto report = prune_tasks(*store, finder(archive), request);
        EXPECT_TRUE(report) << (report ? "" : report.error().message);
        return report ? *report : PruneReport{};
    }
    /// Those that may go now, at most 250.
    std::vector<EndedTask> page(const Clock& clock, TaskStatus status = TaskStatus::completed) {
        return *store->pruning().ended_tasks(
            {.status = status, .by = clock.wall_ms(), .limit = kPruneBatch});
    }
    std::vector<std::string> titles(const TaskFilter& filter = {}) {
        std::vector<std::string> titles;
        const auto page = archive->list_tasks(filter);
        EXPECT_TRUE(page) << (page ? "" : page.error().message);
        if (!page) return titles;
        for (const Task& task : page->tasks) titles.push_back(task.title);
        return titles;
    }
    Task add(const CreateTask& task) {
        auto made = store->create_task(task);
        EXPECT_TRUE(made) << (made ? "" : made.error().message);
        return made ? std::move(made->value) : Task{};
    }
    void complete(const Task& task, const Completion& completion = {}) {
        const auto held = store->claim_tasks({.worker = "w", .limit = 1'000});
        EXPECT_TRUE(held);
        const auto done = store->complete_task({.task_id = task.id, .actor = "w"}, completion);
        EXPECT_TRUE(done) << (done ? "" : done.error().message);
        for (const Task& one : held->value)
            EXPECT_TRUE(one.id == task.id ||
                        store->release_task({.task_id = one.id}, "not this one"));
    }
    /// Something moves after all others: then those may go.
    void move_something() { add({.title = "the last that moved"}); }

    std::shared_ptr<TaskArchive> archive;
    std::unique_ptr<TaskStore> store;
};

}  // namespace taskstore::tasks
