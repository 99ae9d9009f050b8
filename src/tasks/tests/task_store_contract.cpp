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

std::vector<Task> TaskStoreContract::claimed(const std::string& worker, ClaimRequest request) {
    request.worker = worker;
    auto written = x_store->claim_tasks(request);
    EXPECT_TRUE(written) << (written ? "" : written.error().message);
    return written ? std::move(written->value) : std::vector<Task>{};
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

TEST_P(TaskStoreContract, EveryFieldComesBackAsItWasMade) {
    const Task first = created({.title = "first"});
    const Task made = created({.title = "x",
                               .agent_type = "cursor",
                               .capabilities = {"gpu", "big \"quoted\"", "gpu"},
                               .retry = {.max_attempts = 7,
                                         .max_rescues = 0,
                                         .backoff = Backoff::fibonacci,
                                         .base_ms = 5,
                                         .cap_ms = 9,
                                         .jitter = 50},
                               .lease_ms = 1'234,
                               .not_before = x_clock.wall_ms() + 5,
                               .deadline = x_clock.wall_ms() + 50,
                               .depends_on = {first.id},
                               .on_failed_dependency = OnFailedDependency::cancel,
                               .parent = first.id,
                               .concurrency_key = "k",
                               .concurrency_limit = 3,
                               .idempotency_key = "only once",
                               .spec_id = "spec"});
    EXPECT_THAT(made.capabilities, ElementsAre("big \"quoted\"", "gpu"));
    EXPECT_EQ(made.retry.backoff, Backoff::fibonacci);
    EXPECT_THAT(made.depends_on, ElementsAre(first.id));
    EXPECT_EQ(made.open_dependencies, 1);
    EXPECT_EQ(**x_store->get_task(made.id), made);
    EXPECT_EQ(x_store->list_tasks({.limit = 1})->tasks[0], made);
    EXPECT_EQ(x_store->create_task({.title = "x", .depends_on = {"nobody"}}).error().code,
              Code::not_found);
    EXPECT_EQ(x_store->create_task({.title = "x", .concurrency_limit = 2}).error().code,
              Code::invalid);
    EXPECT_EQ(x_store->create_task({.title = "x", .retry = {.jitter = 101}}).error().code,
              Code::invalid);
}

TEST_P(TaskStoreContract, EachAnswerNamesWhatItSurvives) {
    const sql::DurabilityLevel level = GetParam().level;
    const CreateTask keyed{.title = "x", .idempotency_key = "k"};
    const auto made = x_store->create_task(keyed);
    ASSERT_TRUE(made) << made.error().message;
    EXPECT_EQ(made->level, level);
    EXPECT_EQ(x_store->create_task(keyed)->level, GetParam().seen)
        << "what is there already was flushed by others, if it was";
    const std::vector<CreateTask> both{keyed, {.title = "y"}};
    EXPECT_EQ(x_store->create_tasks(both)->level, sql::weaker_of(level, GetParam().seen));
    const std::vector<CreateTask> known{keyed};
    EXPECT_EQ(x_store->create_tasks(known)->level, GetParam().seen);
    EXPECT_EQ(x_store->update_task(made->value.id, {.title = "z"})->level, level);
    const auto held = x_store->claim_tasks({.worker = "w", .request_id = "r"});
    EXPECT_EQ(held->level, level);
    EXPECT_EQ(x_store->claim_tasks({.worker = "w", .request_id = "r"})->level, GetParam().seen);
    const Hold hold{.task_id = held->value.at(0).id};
    EXPECT_EQ(x_store->renew_task(hold, std::nullopt)->level, level);
    EXPECT_EQ(x_store->release_task(hold, "")->level, level);
    EXPECT_EQ(x_store->cancel_task(hold.task_id, "ann", "")->level, level);
    EXPECT_EQ(x_store->retry_task(hold.task_id, "ann")->level, level);
    const auto removed = x_store->delete_task(hold.task_id);
    ASSERT_TRUE(removed) << removed.error().message;
    EXPECT_EQ(*removed, level);
}

TEST_P(TaskStoreContract, ByOneKeyThereIsOneTask) {
    const CreateTask request{.title = "x", .project = "p", .idempotency_key = "k"};
    const Task made = created(request);
    EXPECT_EQ(created(request), made);
    CreateTask other = request;
    other.title = "y";
    EXPECT_EQ(x_store->create_task(other).error().code, Code::conflict);
    other.project = "q";
    EXPECT_NE(created(other).id, made.id) << "a key is the project's own";
    const std::vector<CreateTask> batch{{.title = "new", .project = "p"},
                                        request,
                                        other,
                                        {.title = "z", .idempotency_key = "k"},
                                        {.title = "z", .idempotency_key = "k"}};
    const auto written = x_store->create_tasks(batch);
    ASSERT_TRUE(written) << written.error().message;
    EXPECT_EQ(written->value[1], made.id);
    EXPECT_EQ(written->value[3], written->value[4]);
    EXPECT_EQ(x_store->create_tasks(batch)->value[3], written->value[3]);
    EXPECT_THAT(titles(), SizeIs(5));
    x_clock.advance_ms(request.key_retention_ms + 1);
    EXPECT_NE(created(request).id, made.id) << "keys are forgotten in the end";
    ASSERT_TRUE(x_store->delete_task(made.id));
    EXPECT_THAT(titles(), SizeIs(5));
}

TEST_P(TaskStoreContract, ThreadsWithOneKeyMakeOneTask) {
    std::array<std::string, 8> ids;
    {
        std::vector<std::jthread> threads;
        for (std::string& id : ids) {
            threads.emplace_back([&] {
                const auto made = x_store->create_task({.title = "x", .idempotency_key = "k"});
                id = made ? made->value.id : made.error().message;
            });
        }
    }
    for (const std::string& id : ids) EXPECT_EQ(id, ids[0]);
    EXPECT_THAT(titles(), SizeIs(1));
}

TEST_P(TaskStoreContract, HistoryTellsOfMakingAndRemoving) {
    const Task made = created({.title = "x", .actor = "ann"});
    x_clock.advance_ms(3);
    ASSERT_TRUE(x_store->delete_task(made.id, "bob"));
    const auto history = x_store->history(made.id);
    ASSERT_TRUE(history) << history.error().message;
    ASSERT_THAT(*history, SizeIs(2));
    EXPECT_EQ((*history)[0].verb, "create");
    EXPECT_EQ((*history)[0].from, std::nullopt);
    EXPECT_EQ((*history)[0].to, TaskStatus::pending);
    EXPECT_EQ((*history)[0].actor, "ann");
    EXPECT_EQ((*history)[0].at, made.created_at);
    EXPECT_EQ((*history)[1].verb, "remove");
    EXPECT_EQ((*history)[1].from, TaskStatus::pending);
    EXPECT_EQ((*history)[1].to, std::nullopt);
    EXPECT_EQ((*history)[1].actor, "bob");
    EXPECT_EQ((*history)[1].at, made.created_at + 3);
    EXPECT_GT((*history)[1].seq, (*history)[0].seq);
    EXPECT_THAT(*x_store->history("nobody"), ElementsAre());
}

TEST_P(TaskStoreContract, WhatOthersWaitForIsNotRemoved) {
    const Task first = created({.title = "first"});
    const Task second = created({.title = "second", .depends_on = {first.id}});
    EXPECT_EQ(x_store->delete_task(first.id).error().code, Code::conflict);
    EXPECT_TRUE(x_store->delete_task(second.id));
    EXPECT_TRUE(x_store->delete_task(first.id));
}

TEST_P(TaskStoreContract, ARawUpdateCannotClaimAndIsToldTheVerb) {
    const Task made = created({.title = "x"});
    const auto refused = x_sandbox->database().write([&](sql::Connection& connection) {
        return connection.execute("UPDATE tasks SET status = 'in_progress', assigned_to = 'me'");
    });
    ASSERT_FALSE(refused);
    EXPECT_THAT(refused.error().message, testing::HasSubstr("use_taskstore_task_claim"));
    const auto skipped = x_sandbox->database().write([&](sql::Connection& connection) {
        return connection.execute("UPDATE tasks SET status = 'completed'");
    });
    ASSERT_FALSE(skipped);
    EXPECT_THAT(skipped.error().message, testing::HasSubstr("use_the_verbs_of_taskstore_task"));
    const auto rewritten = x_sandbox->database().write([&](sql::Connection& connection) {
        return connection.execute("UPDATE task_history SET from_status = 'completed'");
    });
    ASSERT_FALSE(rewritten);
    EXPECT_THAT(rewritten.error().message, testing::HasSubstr("a_move_of_the_table"));
    EXPECT_EQ(**x_store->get_task(made.id), made);
}

TEST_P(TaskStoreContract, PeopleReadTimesAndPrioritiesAsText) {
    const Task made = created({.title = "x", .input = "[1]", .priority = 20});
    const std::vector<sql::BoundStatement> batch{
        {.sql = "SELECT created_at, priority, started_at, input, logs FROM tasks_readable"},
        {.sql = "SELECT at, verb FROM task_history_readable"}};
    const auto answers = x_sandbox->database().read_batch(batch);
    ASSERT_TRUE(answers) << answers.error().message;
    EXPECT_EQ(
        (*answers)[0].rows[0],
        (std::vector<sql::Value>{std::string("2023-11-14T22:13:20.000Z"), std::string("urgent"),
                                 sql::Value{}, std::string("[1]"), sql::Value{}}));
    EXPECT_EQ(
        (*answers)[1].rows[0],
        (std::vector<sql::Value>{std::string("2023-11-14T22:13:20.000Z"), std::string("create")}));
}

TEST_P(TaskStoreContract, WhatIsAbsentStaysAbsent) {
    const Task made = created({.title = "x"});
    EXPECT_EQ((*x_store->get_task(made.id))->description, std::nullopt);
    EXPECT_EQ((*x_store->get_task(made.id))->input, "null");
    EXPECT_FALSE(x_store->get_task("no such id")->has_value());
}

TEST_P(TaskStoreContract, ADescriptionGivesATitle) {
    EXPECT_EQ(created({.title = "", .description = "First line\r\nsecond"}).title, "First line");
    EXPECT_EQ(created({.title = "", .description = "\n \r\n  Second\nthird"}).title, "  Second");
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
