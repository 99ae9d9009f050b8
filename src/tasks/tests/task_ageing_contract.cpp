// How age counts against priority, on every engine.

#include "task_store_contract.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <thread>

namespace taskstore::tasks {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr std::int64_t kMinuteMs = 60'000;

const TaskFilter kReady{.part = TaskPart::ready};

void set(TaskStore& store, std::optional<std::int64_t> ageing_ms) {
    const auto set = store.set_ageing(ageing_ms);
    ASSERT_TRUE(set) << (set ? "" : set.error().message);
    EXPECT_EQ(set->value.ms, ageing_ms);
}

/// Until the tasks that were pending are in order, too.
void rank_all(TaskStore& store) {
    for (int page = 0; page < 1'000 && store.ageing()->ranking; ++page) {
        const auto done = store.tend();
        ASSERT_TRUE(done) << (done ? "" : done.error().message);
    }
    EXPECT_FALSE(store.ageing()->ranking);
}

/// Of the pending tasks those whose rank is another than what the setting makes of them.
std::int64_t misranked(sql::Database& database) {
    const sql::BoundStatement count{
        .sql =
            "SELECT count(*) FROM tasks WHERE status = 'pending' AND rank <> (100 - priority) * "
            "coalesce((SELECT ageing_ms FROM task_ageing), 87960930222080) / 10 + created_at"};
    const auto answers = database.read_batch({&count, 1});
    EXPECT_TRUE(answers);
    return std::get<std::int64_t>((*answers)[0].rows.at(0).at(0));
}

TEST_P(TaskStoreContract, PriorityGoesStrictlyBeforeAgeUntilAnAgeingIsSet) {
    EXPECT_EQ(*x_store->ageing(), Ageing{});
    created({.title = "low", .priority = -10});
    x_clock.advance_ms(365 * 24 * 60 * kMinuteMs);
    created({.title = "normal", .priority = 0});
    created({.title = "high", .priority = 10});
    EXPECT_THAT(titles(kReady), ElementsAre("high", "normal", "low"));
}

TEST_P(TaskStoreContract, ATaskGoesBeforeOneOfTheNextPriorityThatIsMadeSoMuchLater) {
    set(*x_store, 10 * kMinuteMs);
    created({.title = "low", .priority = -10});
    x_clock.advance_ms(10 * kMinuteMs - 1);
    created({.title = "normal, soon enough", .priority = 0});
    x_clock.advance_ms(1);
    created({.title = "normal, of the same rank", .priority = 0});
    x_clock.advance_ms(10 * kMinuteMs - 1);
    created({.title = "high, soon enough", .priority = 10});
    x_clock.advance_ms(2);
    created({.title = "high, too late", .priority = 10});
    const std::vector<std::string> order{"normal, soon enough", "high, soon enough", "low",
                                         "normal, of the same rank", "high, too late"};
    EXPECT_EQ(titles(kReady), order);
    std::vector<std::string> got;
    for (const Task& task : claimed("w", {.limit = 10})) got.push_back(task.title);
    EXPECT_EQ(got, order);
}

TEST_P(TaskStoreContract, WhatIsPendingWhenItIsSetFollowsInPages) {
    std::vector<CreateTask> many;
    for (int i = 0; i < 1'200; ++i)
        many.push_back({.title = std::to_string(i), .priority = i % 3 * 10});
    ASSERT_TRUE(x_store->create_tasks(many));
    x_clock.advance_ms(3 * kMinuteMs);
    created({.title = "first of all", .priority = 30});
    EXPECT_EQ(titles(kReady).front(), "first of all");
    set(*x_store, kMinuteMs);
    EXPECT_TRUE(x_store->ageing()->ranking);
    created({.title = "low", .priority = -10});
    rank_all(*x_store);
    EXPECT_EQ(misranked(x_sandbox->database()), 0);
    EXPECT_EQ(*x_store->ageing(), (Ageing{.ms = kMinuteMs}));
    const auto first = titles({.part = TaskPart::ready, .limit = 1'202});
    EXPECT_EQ(first[0], "2");
    EXPECT_EQ(first[400], "1");
    EXPECT_EQ(first[800], "0");
    EXPECT_EQ(first[1'200], "first of all");
    set(*x_store, std::nullopt);
    rank_all(*x_store);
    EXPECT_EQ(misranked(x_sandbox->database()), 0);
    EXPECT_EQ(titles(kReady).front(), "first of all");
}

TEST_P(TaskStoreContract, ClaimsGoOnWithWhatSomebodyBrokeOff) {
    created({.title = "old", .priority = 0});
    x_clock.advance_ms(kMinuteMs + 1);
    created({.title = "new", .priority = 10});
    set(*x_store, kMinuteMs);
    ASSERT_TRUE(x_store->ageing()->ranking);
    EXPECT_EQ(claimed("w").size(), 1U);
    EXPECT_FALSE(x_store->ageing()->ranking);
    EXPECT_EQ(misranked(x_sandbox->database()), 0);
}

TEST_P(TaskStoreContract, WhatIsHeldOrHasEndedIsRankedWhenItIsPendingAgain) {
    for (const char* const title : {"released", "failed", "rescued", "tried again"})
        created({.title = title, .retry = {.backoff = Backoff::none}, .lease_ms = kMinuteMs});
    const std::vector<Task> held = claimed("w", {.limit = 4});
    ASSERT_EQ(held.size(), 4U);
    ASSERT_TRUE(x_store->fail_task({.task_id = held[3].id}, {.error = "e", .final = true}));
    set(*x_store, kMinuteMs);
    rank_all(*x_store);
    ASSERT_TRUE(x_store->release_task({.task_id = held[0].id}, ""));
    ASSERT_TRUE(x_store->fail_task({.task_id = held[1].id}, {.error = "e"}));
    x_clock.advance_ms(kMinuteMs + 1);
    ASSERT_TRUE(x_store->tend());
    ASSERT_TRUE(x_store->retry_task(held[3].id, "ann"));
    created({.title = "high", .priority = 10});
    EXPECT_EQ(misranked(x_sandbox->database()), 0);
    EXPECT_THAT(titles(kReady),
                ElementsAre("released", "failed", "rescued", "tried again", "high"));
}

TEST_P(TaskStoreContract, AnotherPriorityIsAnotherRankAndAgeStays) {
    set(*x_store, kMinuteMs);
    const Task task = created({.title = "was low", .priority = -10});
    x_clock.advance_ms(kMinuteMs - 1);
    created({.title = "high", .priority = 10});
    EXPECT_THAT(titles(kReady), ElementsAre("high", "was low"));
    ASSERT_TRUE(x_store->update_task(task.id, {.priority = 0}));
    EXPECT_THAT(titles(kReady), ElementsAre("high", "was low"));
    ASSERT_TRUE(x_store->update_task(task.id, {.priority = 1}));
    EXPECT_EQ(misranked(x_sandbox->database()), 0);
    EXPECT_THAT(titles(kReady), ElementsAre("was low", "high"));
}

TEST_P(TaskStoreContract, TheSlotsOfAKeyGoToTheNewFirst) {
    created({.title = "old", .concurrency_key = "k", .concurrency_limit = 1});
    x_clock.advance_ms(kMinuteMs + 1);
    created({.title = "high", .priority = 10, .concurrency_key = "k", .concurrency_limit = 1});
    EXPECT_THAT(titles(kReady), ElementsAre("high"));
    set(*x_store, kMinuteMs);
    rank_all(*x_store);
    EXPECT_THAT(titles(kReady), ElementsAre("old"));
}

TEST_P(TaskStoreContract, WhoeverWritesWhileItIsSetLeavesNoRankOfBefore) {
    const bool network = x_sandbox->database().capabilities().network;
    std::atomic<bool> over = false;
    std::vector<std::jthread> makers;
    for (int maker = 0; maker < 4; ++maker)
        makers.emplace_back([&, maker] {
            while (!over) EXPECT_TRUE(x_store->create_task({.title = "t", .priority = maker * 10}));
        });
    for (int round = 0; round < (network ? 10 : 20); ++round) {
        set(*x_store, round % 2 == 0 ? std::optional(kMinuteMs) : std::nullopt);
        rank_all(*x_store);
    }
    over = true;
    makers.clear();
    EXPECT_EQ(misranked(x_sandbox->database()), 0);
}

TEST_P(TaskStoreContract, ListsOfWhatIsReadyGoOnInTheOrderOfClaims) {
    set(*x_store, kMinuteMs);
    for (int i = 0; i < 9; ++i) {
        created({.title = std::to_string(i), .priority = i % 3 * 10});
        x_clock.advance_ms(kMinuteMs / 2);
    }
    const std::vector<std::string> whole = titles(kReady);
    ASSERT_EQ(whole.size(), 9U);
    std::vector<std::string> pages;
    TaskFilter filter{.part = TaskPart::ready, .limit = 2};
    do {
        const auto page = x_store->list_tasks(filter);
        ASSERT_TRUE(page) << page.error().message;
        ASSERT_EQ(page->places.size(), page->tasks.size());
        for (std::size_t i = 0; i < page->tasks.size(); ++i) {
            pages.push_back(page->tasks[i].title);
            EXPECT_TRUE(i == 0 || comes_before(filter, *page, i - 1, *page, i));
        }
        const std::string cursor = cursor_after(filter, *page, page->tasks.size() - 1);
        EXPECT_TRUE(page->next_cursor.empty() || page->next_cursor == cursor);
        filter.after = page->next_cursor;
    } while (!filter.after.empty());
    EXPECT_EQ(pages, whole);
    // By priority is by priority.
    EXPECT_THAT(titles({.order = TaskOrder::priority, .descending = true}),
                ElementsAre("2", "5", "8", "1", "4", "7", "0", "3", "6"));
}

TEST_P(TaskStoreContract, WhySaysWhatATasksAgeIsWorth) {
    const Task task = created({.title = "t"});
    EXPECT_THAT(*x_store->why(task.id), testing::Not(HasSubstr("by its age")));
    set(*x_store, kMinuteMs);
    EXPECT_THAT(*x_store->why(task.id),
                HasSubstr("by its age it goes before tasks of priority 10 that are made after "
                          "2023-11-14T22:14:20"));
}

TEST_P(TaskStoreContract, OutOfBoundsItIsRefusedAndTheSameAgainChangesNothing) {
    for (const std::int64_t ms : {0L, 999L, 367 * 86'400'000L})
        EXPECT_EQ(x_store->set_ageing(ms).error().code, Code::invalid);
    set(*x_store, kMinuteMs);
    rank_all(*x_store);
    set(*x_store, kMinuteMs);
    EXPECT_FALSE(x_store->ageing()->ranking);
}

}  // namespace
}  // namespace taskstore::tasks
