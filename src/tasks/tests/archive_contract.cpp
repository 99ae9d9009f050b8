// What is in both databases, and who archives, drops and removes at once.

#include "archiving.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <functional>
#include <thread>

namespace taskstore::tasks {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

/// Something happens between the steps of whoever archives or removes.
class WatchedArchive final : public TaskArchive {
  public:
    explicit WatchedArchive(std::shared_ptr<TaskArchive> archive) : x_archive(std::move(archive)) {}
    Result<sql::DurabilityLevel> put(const WholeTasks& whole, std::int64_t archived_at) override {
        if (const auto now = std::exchange(before_put, {})) now();
        return x_archive->put(whole, archived_at);
    }
    Result<std::optional<Task>> get_task(const std::string& id) override {
        return x_archive->get_task(id);
    }
    Result<std::string> find_id(const std::string& part) override {
        return x_archive->find_id(part);
    }
    Result<TaskPage> list_tasks(const TaskFilter& filter) override {
        return x_archive->list_tasks(filter);
    }
    Result<std::vector<HistoryEntry>> history(const std::string& id) override {
        return x_archive->history(id);
    }
    Result<std::int64_t> count(const std::optional<std::string>& project) override {
        return x_archive->count(project);
    }
    Result<std::vector<std::string>> held(std::span<const std::string> ids) override {
        return x_archive->held(ids);
    }
    Result<std::optional<sql::DurabilityLevel>> remove(const std::string& id) override {
        auto removed = x_archive->remove(id);
        if (const auto now = std::exchange(after_remove, {})) now();
        return removed;
    }

    std::function<void()> before_put;
    std::function<void()> after_remove;

  private:
    std::shared_ptr<TaskArchive> x_archive;
};

}  // namespace

TEST_P(TaskStoreContract, LargeTasksGoAFewAtATime) {
    Archiving it(*x_sandbox, x_clock, x_random);
    constexpr std::size_t kBytes = 3U << 20U;
    std::vector<CreateTask> many(10, CreateTask{.title = "large"});
    many.push_back({.title = "small"});
    ASSERT_TRUE(it.store->create_tasks(many));
    const auto held = it.store->claim_tasks({.worker = "w", .limit = 100});
    ASSERT_THAT(held->value, SizeIs(many.size()));
    for (const Task& task : held->value) {
        const std::string text(task.title == "large" ? kBytes : 1, 'x');
        ASSERT_TRUE(it.store->complete_task({.task_id = task.id},
                                            {.result = "\"" + text + "\"", .logs = text}));
    }
    it.move_something();
    const auto read = it.store->pruning().whole_tasks(it.page(x_clock));
    ASSERT_TRUE(read) << read.error().message;
    const WholeTasks& first = *read;
    EXPECT_THAT(first.tasks, SizeIs(1)) << "two of them are more than a slice";
    EXPECT_THAT(first.histories, SizeIs(3));
    EXPECT_EQ(it.prune({}).gone, 11);
    const auto count = it.archive->count(std::nullopt);
    ASSERT_TRUE(count) << count.error().message;
    EXPECT_EQ(*count, 11);
}

TEST_P(TaskStoreContract, ADroppedTaskIsNotInTheArchiveEither) {
    Archiving it(*x_sandbox, x_clock, x_random);
    const Task task = it.add({.title = "archived once"});
    ASSERT_TRUE(it.store->cancel_task(task.id, "ann", ""));
    it.move_something();
    ASSERT_TRUE(it.archive->put(
        *it.store->pruning().whole_tasks(it.page(x_clock, TaskStatus::cancelled)), 1));
    EXPECT_EQ(it.prune({.drop = true}).gone, 1);
    EXPECT_FALSE(*it.store->get_task(task.id));
    EXPECT_THAT(*it.store->history(task.id), IsEmpty());
    EXPECT_THAT(it.titles(), IsEmpty());
}

TEST_P(TaskStoreContract, WhatIsRemovedBesideTheArchiverIsRemoved) {
    Archiving it(*x_sandbox, x_clock, x_random);
    const Task task = it.add({.title = "removed"});
    it.complete(task);
    it.move_something();
    const auto page = it.page(x_clock);
    ASSERT_THAT(page, SizeIs(1));
    const WholeTasks whole = *it.store->pruning().whole_tasks(page);
    ASSERT_TRUE(it.store->delete_task(task.id, "ann"));
    ASSERT_TRUE(it.archive->put(whole, 1)) << "who read it before that";
    EXPECT_FALSE(*it.store->get_task(task.id));
    EXPECT_EQ(it.store->why(task.id).error().code, Code::not_found);
    EXPECT_EQ(it.store->create_task({.title = "x", .depends_on = {task.id}}).error().code,
              Code::not_found);
    EXPECT_EQ(it.store->history(task.id)->back().verb, "remove");
    EXPECT_TRUE(it.store->delete_task(task.id, "ann")) << "once more: its copy goes, too";
    EXPECT_THAT(it.titles(), IsEmpty());
    EXPECT_EQ(it.store->delete_task(task.id, "ann").error().code, Code::not_found);
}

TEST_P(TaskStoreContract, ARemovalGoesOnWithoutTheArchiveAndACopyThereIsNotFoundAgain) {
    Archiving it(*x_sandbox, x_clock, x_random);
    const Task task = it.add({.title = "brought back"});
    ASSERT_TRUE(it.store->cancel_task(task.id, "ann", ""));
    it.move_something();
    const auto page = it.page(x_clock, TaskStatus::cancelled);
    ASSERT_TRUE(it.archive->put(*it.store->pruning().whole_tasks(page), 1));
    const auto away = make_task_store(
        x_sandbox->database(), x_clock, x_random,
        {.time = TimeSource::clock, .archive = []() -> Result<std::shared_ptr<TaskArchive>> {
             return fail(Code::unavailable, "its disk is not mounted");
         }});
    EXPECT_TRUE(away->get_task(task.id)->has_value());
    ASSERT_TRUE(away->delete_task(task.id, "ann"));
    const auto unknown = away->get_task(task.id);
    ASSERT_FALSE(unknown);
    EXPECT_EQ(unknown.error().code, Code::unavailable);
    EXPECT_THAT(unknown.error().message, HasSubstr("the archive cannot be asked: its disk"));
    EXPECT_EQ(away->delete_task(task.id, "ann").error().code, Code::unavailable);
    EXPECT_FALSE(*it.store->get_task(task.id));
    EXPECT_THAT(list_archived(*it.store, *it.archive, {})->tasks, IsEmpty());
}

TEST_P(TaskStoreContract, WhatIsInBothDatabasesIsCountedOnce) {
    Archiving it(*x_sandbox, x_clock, x_random);
    for (const char* project : {"p", "p", "q"})
        it.complete(it.add({.title = "done", .project = project}));
    it.move_something();
    ASSERT_TRUE(it.archive->put(*it.store->pruning().whole_tasks(it.page(x_clock)), 1));
    const auto counted = [&](const std::optional<std::string>& project) {
        return *count_archived(*it.store, *it.archive, project);
    };
    EXPECT_EQ(counted(std::nullopt), 0) << "somebody stopped before their end";
    EXPECT_THAT(list_archived(*it.store, *it.archive, {})->tasks, IsEmpty());
    ASSERT_EQ(it.prune({.project = "p", .limit = 1}).gone, 1);
    EXPECT_EQ(counted(std::nullopt), 1);
    EXPECT_EQ(counted("p"), 1);
    EXPECT_EQ(counted("q"), 0);
    ASSERT_EQ(it.prune({}).gone, 2);
    EXPECT_EQ(counted(std::nullopt), 3);
    EXPECT_EQ(counted("q"), 1);
}

TEST_P(TaskStoreContract, AnArchiverTakesBackTheCopyOfATaskThatWasRemovedMeanwhile) {
    Archiving it(*x_sandbox, x_clock, x_random);
    const Task removed = it.add({.title = "removed"});
    it.complete(removed);
    const Task stays = it.add({.title = "archived"});
    it.complete(stays);
    it.move_something();
    const auto between = std::make_shared<WatchedArchive>(it.archive);
    between->before_put = [&] { ASSERT_TRUE(it.store->delete_task(removed.id, "ann")); };
    const auto report = prune_tasks(*it.store, finder(between), {});
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->gone, 1);
    EXPECT_THAT(it.titles(), ElementsAre("archived"));
    EXPECT_FALSE(*it.store->get_task(removed.id));
}

TEST_P(TaskStoreContract, ARemovalThatAnArchiverComesIntoRemoves) {
    for (const bool to_its_end : {false, true}) {
        Archiving it(*x_sandbox, x_clock, x_random);
        const Task task = it.add({.title = "removed"});
        it.complete(task);
        it.move_something();
        const auto between = std::make_shared<WatchedArchive>(it.archive);
        const auto store = make_task_store(x_sandbox->database(), x_clock, x_random,
                                           {.time = TimeSource::clock, .archive = finder(between)});
        between->after_remove = [&] {
            const auto page = it.page(x_clock);
            ASSERT_TRUE(it.archive->put(*it.store->pruning().whole_tasks(page), 1));
            if (to_its_end) {
                ASSERT_TRUE(it.store->pruning().forget_tasks(page));
            }
        };
        ASSERT_TRUE(store->delete_task(task.id, "ann"));
        EXPECT_FALSE(*store->get_task(task.id)) << to_its_end;
    }
}

TEST_P(TaskStoreContract, TheArchiveIsAskedForWhenTheFirstTaskGoes) {
    Archiving it(*x_sandbox, x_clock, x_random);
    const Task done = it.add({.title = "done"});
    it.complete(done);
    int asked = 0;
    const ArchiveFinder counting = [&] {
        ++asked;
        return finder(it.archive)();
    };
    EXPECT_EQ(prune_tasks(*it.store, counting, {})->gone, 0) << "it is the last that moved";
    it.move_something();
    EXPECT_EQ(prune_tasks(*it.store, counting, {.dry_run = true})->gone, 1);
    EXPECT_EQ(asked, 0);
    EXPECT_EQ(prune_tasks(*it.store, finder(nullptr), {}).error().code, Code::invalid);
    EXPECT_EQ(prune_tasks(*it.store, counting, {})->gone, 1);
    EXPECT_EQ(asked, 1);
}

TEST_P(TaskStoreContract, TwoArchiversAtOnceTakeEachTaskOnce) {
    Archiving it(*x_sandbox, x_clock, x_random);
    constexpr std::int64_t kTasks = 2 * kPruneBatch + 40;
    std::vector<CreateTask> many(kTasks, CreateTask{.title = "t"});
    const auto made = it.store->create_tasks(many);
    ASSERT_TRUE(made);
    const auto held = it.store->claim_tasks({.worker = "w", .limit = 1'000});
    ASSERT_THAT(held->value, SizeIs(many.size()));
    for (const Task& task : held->value)
        ASSERT_TRUE(it.store->complete_task({.task_id = task.id}, {.result = "1"}));
    it.move_something();
    std::atomic<std::int64_t> gone = 0;
    SeededRandom another(100);
    Archiving other(*x_sandbox, x_clock, another);
    {
        std::vector<std::jthread> archivers;
        for (Archiving* const one : {&it, &other})
            archivers.emplace_back([&gone, one] { gone += one->prune({}).gone; });
    }
    EXPECT_EQ(gone, kTasks);
    EXPECT_EQ(*it.archive->count(std::nullopt), kTasks);
    EXPECT_THAT(titles(), ElementsAre("the last that moved"));
    for (const std::string& id : made->value) EXPECT_THAT(*it.archive->history(id), SizeIs(3));
}

TEST_P(TaskStoreContract, ATaskInBothDatabasesIsWhatTheTasksSay) {
    Archiving it(*x_sandbox, x_clock, x_random);
    const Task done = it.add({.title = "done"});
    it.complete(done);
    it.move_something();
    const std::vector<EndedTask> page =
        *it.store->pruning().ended_tasks({.by = x_clock.wall_ms(), .limit = 10});
    ASSERT_THAT(page, SizeIs(1));
    const WholeTasks early = *it.store->pruning().whole_tasks(page);
    ASSERT_TRUE(it.archive->put(early, 1)) << "who stopped here";
    EXPECT_FALSE((*it.store->get_task(done.id))->archived_at);
    ASSERT_TRUE(it.store->update_task(done.id, {.title = "changed since"}));
    EXPECT_THAT(it.store->pruning().forget_tasks(page)->value, IsEmpty())
        << "it is not what was copied";
    ASSERT_EQ(it.prune({}).gone, 1);
    EXPECT_THAT(it.titles(), ElementsAre("changed since"));
    ASSERT_TRUE(it.archive->put(early, 2)) << "who was stopped, and went on";
    EXPECT_THAT(it.titles(), ElementsAre("changed since")) << "the later state stays";
}

TEST_P(TaskStoreContract, ARemovalThatIsRefusedLeavesTheArchivedTask) {
    Archiving it(*x_sandbox, x_clock, x_random);
    const Task task = it.add({.title = "brought back"});
    ASSERT_TRUE(it.store->cancel_task(task.id, "ann", "no"));
    const std::vector<EndedTask> ended{
        {.id = task.id, .revision = it.store->get_task(task.id)->value().revision}};
    ASSERT_TRUE(it.archive->put(*it.store->pruning().whole_tasks(ended), x_clock.wall_ms()));
    ASSERT_TRUE(it.store->retry_task(task.id, "ann"));
    ASSERT_THAT(it.store->claim_tasks({.worker = "w"})->value, SizeIs(1));
    EXPECT_EQ(it.store->delete_task(task.id, "ann").error().code, Code::conflict);
    EXPECT_THAT(it.titles(), ElementsAre("brought back"));
    EXPECT_THAT(*it.archive->history(task.id), SizeIs(2));
    ASSERT_TRUE(it.store->release_task({.task_id = task.id}, ""));
    ASSERT_TRUE(it.store->delete_task(task.id, "ann"));
    EXPECT_THAT(it.titles(), IsEmpty());
}

TEST_P(TaskStoreContract, AnEarlierStateNeverReplacesALaterOne) {
    Archiving it(*x_sandbox, x_clock, x_random);
    const Task task = it.add({.title = "first"});
    ASSERT_TRUE(it.store->cancel_task(task.id, "ann", ""));
    it.move_something();
    const auto page = [&] {
        return *it.store->pruning().ended_tasks(
            {.status = TaskStatus::cancelled, .by = x_clock.wall_ms(), .limit = 10});
    };
    const WholeTasks early = *it.store->pruning().whole_tasks(page());
    ASSERT_TRUE(it.store->retry_task(task.id, "ann"));
    ASSERT_TRUE(it.store->cancel_task(task.id, "bob", ""));
    it.move_something();
    const auto history = *it.store->history(task.id);
    ASSERT_EQ(it.prune({}).gone, 1);
    ASSERT_TRUE(it.archive->put(early, 2));
    EXPECT_EQ(*it.archive->history(task.id), history);
}

}  // namespace taskstore::tasks
