#include "task_store_contract.hpp"

#include <gmock/gmock.h>

#include <thread>

namespace taskstore::tasks {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

}  // namespace

Task TaskStoreContract::created(const CreateTask& task) {
    auto written = x_store->create_task(task);
    EXPECT_TRUE(written) << (written ? "" : written.error().message);
    return written ? std::move(written->value) : Task{};
}

std::vector<std::string> TaskStoreContract::titles(const TaskFilter& filter) {
    std::vector<std::string> titles;
    const auto page = x_store->list_tasks(filter);
    EXPECT_TRUE(page) << (page ? "" : page.error().message);
    if (!page) return {};
    for (const Task& task : page->tasks) titles.push_back(task.title);
    return titles;
}

TEST_P(TaskStoreContract, ATaskComesBackAsItWasMade) {
    const Task made = created({.title = "Build \xF0\x9F\xA6\x80 'it'",
                               .description = "Run\nall",
                               .command = "make -j2 \"x\" $1 ?1",
                               .input = R"({"b":1, "a":[1.0,null]})",
                               .project = "p",
                               .priority = -7,
                               .metadata = R"({"k":"v"})"});
    const auto read = x_store->get_task(made.id);
    ASSERT_TRUE(read) << read.error().message;
    ASSERT_TRUE(read->has_value());
    EXPECT_EQ(**read, made) << "what create answers is what is there";
    EXPECT_EQ(made.input, R"({"b":1, "a":[1.0,null]})") << "JSON is kept as it was written";
    EXPECT_EQ(made.status, TaskStatus::pending);
    EXPECT_EQ(made.created_at, x_clock.wall_ms());
    EXPECT_EQ(made.revision, 1);
}

TEST_P(TaskStoreContract, WhatIsAbsentStaysAbsent) {
    const Task made = created({.title = "x"});
    EXPECT_EQ((*x_store->get_task(made.id))->description, std::nullopt);
    EXPECT_EQ((*x_store->get_task(made.id))->input, "null");
    EXPECT_FALSE(x_store->get_task("no such id")->has_value());
}

TEST_P(TaskStoreContract, ADescriptionGivesATitle) {
    EXPECT_EQ(created({.title = "", .description = "First line\r\nsecond"}).title, "First line");
    EXPECT_EQ(x_store->create_task({.title = ""}).error().code, Code::invalid);
}

TEST_P(TaskStoreContract, WhatNoDatabaseKeepsIsRefusedAlike) {
    const CreateTask good{.title = "x"};
    CreateTask task = good;
    task.title = std::string("a\0b", 3);
    EXPECT_EQ(x_store->create_task(task).error().code, Code::invalid);
    task = good;
    task.description = "\xff";
    EXPECT_EQ(x_store->create_task(task).error().code, Code::invalid);
    task = good;
    task.input = "{";
    EXPECT_EQ(x_store->create_task(task).error().code, Code::invalid);
    task = good;
    task.metadata = "[]";
    EXPECT_EQ(x_store->create_task(task).error().code, Code::invalid);
    task = good;
    task.priority = 101;
    EXPECT_EQ(x_store->create_task(task).error().code, Code::invalid);
    EXPECT_THAT(titles(), ElementsAre());
}

TEST_P(TaskStoreContract, ManyAreMadeInOneGoOrNotAtAll) {
    std::vector<CreateTask> tasks;
    for (int i = 0; i < 1'000; ++i) tasks.push_back({.title = "t" + std::to_string(i)});
    const auto written = x_store->create_tasks(tasks);
    ASSERT_TRUE(written) << written.error().message;
    EXPECT_THAT(written->value, SizeIs(1'000));
    EXPECT_TRUE(std::ranges::is_sorted(written->value));
    EXPECT_THAT(titles({.limit = 3}), ElementsAre("t999", "t998", "t997"));
    tasks[500].title.clear();
    const auto refused = x_store->create_tasks(tasks);
    EXPECT_THAT(refused.error().message, testing::HasSubstr("task 501"));
    EXPECT_THAT(titles({.limit = 10'000}), SizeIs(1'000));
}

TEST_P(TaskStoreContract, PagesShowEachTaskOnceNewestFirst) {
    for (int i = 0; i < 25; ++i) {
        created({.title = std::to_string(i), .project = i % 2 == 0 ? "even" : "odd"});
        if (i % 3 == 0) x_clock.advance_ms(1);
    }
    std::vector<std::string> seen;
    TaskFilter filter{.limit = 4};
    do {
        const auto page = x_store->list_tasks(filter);
        ASSERT_TRUE(page) << page.error().message;
        for (const Task& task : page->tasks) seen.push_back(task.title);
        filter.after = page->next_cursor;
    } while (!filter.after.empty());
    ASSERT_THAT(seen, SizeIs(25));
    for (std::size_t i = 0; i < seen.size(); ++i) EXPECT_EQ(seen[i], std::to_string(24 - i));
    EXPECT_THAT(titles({.project = "odd", .limit = 2}), ElementsAre("23", "21"));
    EXPECT_THAT(titles({.status = TaskStatus::completed}), ElementsAre());
    EXPECT_EQ(x_store->list_tasks({.limit = 0}).error().code, Code::invalid);
    EXPECT_EQ(x_store->list_tasks({.after = "nonsense"}).error().code, Code::invalid);
}

TEST_P(TaskStoreContract, AnUpdateSetsTakesAwayAndLeaves) {
    const Task made = created({.title = "x", .description = "d", .command = "c"});
    x_clock.advance_ms(5);
    const auto changed = x_store->update_task(
        made.id, {.title = "it's", .description = std::optional<std::string>(), .priority = 3});
    ASSERT_TRUE(changed) << changed.error().message;
    EXPECT_EQ(changed->value.title, "it's");
    EXPECT_EQ(changed->value.description, std::nullopt);
    EXPECT_EQ(changed->value.command, "c");
    EXPECT_EQ(changed->value.priority, 3);
    EXPECT_EQ(changed->value.revision, 2);
    EXPECT_EQ(changed->value.updated_at, made.updated_at + 5);
    EXPECT_EQ(**x_store->get_task(made.id), changed->value);
    EXPECT_EQ(x_store->update_task(made.id, {.title = "y", .revision = 1}).error().code,
              Code::conflict);
    EXPECT_EQ(x_store->update_task("nobody", {.title = "y"}).error().code, Code::not_found);
    EXPECT_EQ((*x_store->get_task(made.id))->title, "it's");
}

TEST_P(TaskStoreContract, WhatIsDeletedIsGone) {
    const Task made = created({.title = "x"});
    EXPECT_TRUE(x_store->delete_task(made.id));
    EXPECT_FALSE(x_store->get_task(made.id)->has_value());
    EXPECT_EQ(x_store->delete_task(made.id).error().code, Code::not_found);
}

TEST_P(TaskStoreContract, ThreadsLoseNoTask) {
    constexpr int kThreads = 16;
    constexpr int kTasks = 20;
    std::atomic<int> failed{0};
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < kThreads; ++t) {
            threads.emplace_back([&, t] {
                for (int i = 0; i < kTasks; ++i) {
                    if (!x_store->create_task({.title = std::to_string(t)})) failed.fetch_add(1);
                }
            });
        }
    }
    EXPECT_EQ(failed.load(), 0);
    EXPECT_THAT(titles({.limit = 10'000}), SizeIs(kThreads * kTasks));
}

}  // namespace taskstore::tasks
