// Tasks that ended long ago go into the archive, or for good.

#include "archiving.hpp"

#include <gmock/gmock.h>
#include <taskstore/tasks/prune.hpp>
#include <taskstore/tasks/schedule.hpp>

#include <algorithm>

namespace taskstore::tasks {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kMonthMs = 30 * kDayMs;

/// What a task is but for where it is.
Task without_place(Task task) {
    task.archived_at.reset();
    return task;
}

}  // namespace

TEST_P(TaskStoreContract, TasksThatEndedLongAgoGoIntoTheArchiveAsTheyWere) {
    Archiving it(*x_sandbox, x_clock, x_random);
    const Task done = it.add({.title = "done",
                              .description = "d",
                              .input = R"({"a":[1,2]})",
                              .project = "p",
                              .priority = 7,
                              .metadata = R"({"k":"v"})",
                              .capabilities = {"gpu"}});
    const auto held = it.store->claim_tasks({.worker = "w", .capabilities = {"gpu"}});
    ASSERT_THAT(held->value, SizeIs(1));
    ASSERT_TRUE(it.store->complete_task({.task_id = done.id, .actor = "w"},
                                        {.result = "{\"ok\":1}", .exit_code = 0, .logs = "l"}));
    const Task dropped = it.add({.title = "not wanted"});
    ASSERT_TRUE(it.store->cancel_task(dropped.id, "ann", "no"));
    const auto before = it.store->get_task(done.id);
    const auto history = it.store->history(done.id);
    x_clock.advance_ms(kMonthMs);
    const Task fresh = it.add({.title = "fresh"});
    it.complete(fresh);
    it.move_something();

    const PruneReport report = it.prune({.age_ms = kMonthMs});
    EXPECT_EQ(report.gone, 2);
    EXPECT_EQ(report.held_back, 0);
    EXPECT_EQ(report.level, GetParam().level);
    EXPECT_THAT(titles(), ElementsAre("the last that moved", "fresh"));
    EXPECT_THAT(it.titles(), UnorderedElementsAre("not wanted", "done"));

    const auto after = it.store->get_task(done.id);
    ASSERT_TRUE(after && *after);
    EXPECT_EQ((*after)->archived_at, x_clock.wall_ms());
    EXPECT_EQ(without_place(**after), **before);
    EXPECT_EQ(*it.store->history(done.id), *history);
    EXPECT_EQ(*it.store->find_id(done.id.substr(0, 35)), done.id);
    EXPECT_THAT(*it.store->why(done.id), HasSubstr("archived since"));
    EXPECT_EQ(it.prune({.age_ms = kMonthMs}).gone, 0) << "again, there is nothing to do";
}

TEST_P(TaskStoreContract, WithoutAnArchiveOldTasksAreDropped) {
    Archiving it(*x_sandbox, x_clock, x_random);
    const Task done = it.add({.title = "done"});
    it.complete(done);
    it.move_something();
    x_clock.advance_ms(kDayMs);
    const auto dropped = prune_tasks(*it.store, nullptr, {.age_ms = kDayMs, .drop = true});
    ASSERT_TRUE(dropped) << dropped.error().message;
    EXPECT_EQ(dropped->gone, 1);
    EXPECT_FALSE(*it.store->get_task(done.id));
    EXPECT_THAT(*it.store->history(done.id), IsEmpty());
    EXPECT_THAT(it.titles(), IsEmpty());
}

TEST_P(TaskStoreContract, WhatMayBeTriedAgainOrIsNeededStays) {
    Archiving it(*x_sandbox, x_clock, x_random);
    const Task needed = it.add({.title = "needed"});
    it.complete(needed);
    const Task whole = it.add({.title = "whole"});
    it.complete(whole);
    const Task part = it.add({.title = "part of what is open"});
    it.complete(part);
    const Task keyed =
        it.add({.title = "keyed", .idempotency_key = "k", .key_retention_ms = 2 * kMonthMs});
    it.complete(keyed);
    const Task failed = it.add({.title = "failed"});
    ASSERT_THAT(it.store->claim_tasks({.worker = "w"})->value, SizeIs(1));
    ASSERT_TRUE(it.store->fail_task({.task_id = failed.id}, {.error = "e", .final = true}));
    const Task gone = it.add({.title = "cancelled"});
    const Task waits = it.add({.title = "would wait for it", .depends_on = {gone.id}});
    ASSERT_TRUE(it.store->cancel_task(waits.id, "ann", ""));
    ASSERT_TRUE(it.store->cancel_task(gone.id, "ann", ""));
    const Task open = it.add({.title = "open", .depends_on = {needed.id}, .parent = whole.id});
    UpdateTask into;
    into.parent.emplace(open.id);
    ASSERT_TRUE(it.store->update_task(part.id, into));
    it.move_something();
    x_clock.advance_ms(kMonthMs);

    const PruneReport report = it.prune({.age_ms = kDayMs});
    EXPECT_EQ(report.gone, 2) << "nobody could wait for the second any more";
    EXPECT_EQ(report.held_back, 4);
    EXPECT_THAT(it.titles(), UnorderedElementsAre("would wait for it", "cancelled"));

    ASSERT_TRUE(it.store->cancel_task(open.id, "ann", ""));
    it.move_something();
    x_clock.advance_ms(kMonthMs);
    it.prune({.age_ms = kDayMs});
    EXPECT_THAT(it.titles(),
                UnorderedElementsAre("would wait for it", "cancelled", "needed", "whole",
                                     "part of what is open", "keyed", "open"));
    EXPECT_THAT(titles({.status = TaskStatus::failed}), ElementsAre("failed"));
}

TEST_P(TaskStoreContract, TheNumbersOfTheHistoryGoOnAfterTasksLeft) {
    Archiving it(*x_sandbox, x_clock, x_random);
    const Task one = it.add({.title = "one"});
    it.complete(one);
    const Task last = it.add({.title = "last"});
    it.complete(last);
    const std::int64_t seq = it.store->history(last.id)->back().seq;
    EXPECT_EQ(it.prune({}).gone, 1) << "the one that moved last stays";
    const Task next = it.add({.title = "next"});
    EXPECT_GT(it.store->history(next.id)->front().seq, seq);
    EXPECT_EQ(it.prune({}).gone, 1);
}

TEST_P(TaskStoreContract, AnArchivedTaskIsWaitedForAsOneThatCompleted) {
    Archiving it(*x_sandbox, x_clock, x_random);
    const Task done = it.add({.title = "done"});
    it.complete(done);
    const Task cancelled = it.add({.title = "cancelled"});
    ASSERT_TRUE(it.store->cancel_task(cancelled.id, "ann", ""));
    const Task open = it.add({.title = "open"});
    ASSERT_EQ(it.prune({}).gone, 2);

    const Task after = it.add({.title = "after", .depends_on = {done.id}});
    EXPECT_EQ(after.depends_on, std::vector{done.id});
    EXPECT_EQ(after.open_dependencies, 0);
    const Task both = it.add({.title = "both", .depends_on = {done.id, open.id}});
    EXPECT_EQ(both.open_dependencies, 1);
    const CreateTask many[] = {{.title = "many", .depends_on = {done.id}}, {.title = "free"}};
    ASSERT_TRUE(it.store->create_tasks(many));
    EXPECT_THAT(titles({.part = TaskPart::ready}), ElementsAre("open", "after", "many", "free"));
    const auto changed = it.store->update_task(open.id, {.add_dependencies = {done.id}});
    ASSERT_TRUE(changed) << changed.error().message;
    EXPECT_EQ(changed->value.open_dependencies, 0);
    const auto back = it.store->update_task(open.id, {.remove_dependencies = {done.id}});
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_THAT(back->value.depends_on, IsEmpty());

    const auto never = it.store->create_task({.title = "x", .depends_on = {cancelled.id}});
    ASSERT_FALSE(never);
    EXPECT_EQ(never.error().code, Code::conflict);
    EXPECT_THAT(never.error().message, HasSubstr("it will never complete"));
    EXPECT_TRUE(it.store->create_task({.title = "x",
                                       .depends_on = {cancelled.id},
                                       .on_failed_dependency = OnFailedDependency::run}));
}

TEST_P(TaskStoreContract, WhatWouldChangeAnArchivedTaskSaysThatItIs) {
    Archiving it(*x_sandbox, x_clock, x_random);
    const Task done = it.add({.title = "done"});
    it.complete(done);
    it.move_something();
    ASSERT_EQ(it.prune({}).gone, 1);
    const auto refused = [](const auto& answer) {
        ASSERT_FALSE(answer);
        EXPECT_EQ(answer.error().code, Code::conflict);
        EXPECT_THAT(answer.error().message, HasSubstr("is archived: it was completed"));
    };
    refused(it.store->retry_task(done.id, "ann"));
    refused(it.store->complete_task({.task_id = done.id}, {}));
    refused(it.store->fail_task({.task_id = done.id}, {.error = "e"}));
    refused(it.store->cancel_task(done.id, "ann", ""));
    refused(it.store->renew_task({.task_id = done.id}, {}));
    refused(it.store->update_task(done.id, {.title = "new"}));
    EXPECT_TRUE(it.store->delete_task(done.id));
    EXPECT_FALSE(*it.store->get_task(done.id));
    const std::vector<HistoryEntry> history = *it.store->history(done.id);
    ASSERT_THAT(history, SizeIs(1));
    EXPECT_EQ(history[0].verb, "remove");
    EXPECT_EQ(history[0].from, TaskStatus::completed);
    EXPECT_EQ(it.store->delete_task(done.id).error().code, Code::not_found);
}

TEST_P(TaskStoreContract, AChainOfCancelledTasksGoesInOneRun) {
    Archiving it(*x_sandbox, x_clock, x_random);
    std::vector<std::string> chain;
    for (int i = 0; i < 5; ++i) {
        x_clock.advance_ms(1);
        CreateTask next{.title = "waits"};
        if (!chain.empty()) next.depends_on = {chain.back()};
        chain.push_back(it.add(next).id);
    }
    for (auto id = chain.rbegin(); id != chain.rend(); ++id)
        ASSERT_TRUE(it.store->cancel_task(*id, "ann", ""));
    it.move_something();
    EXPECT_EQ(it.prune({.limit = 2}).gone, 2);
    EXPECT_TRUE(*it.store->get_task(chain.front()));
    const PruneReport report = it.prune({});
    EXPECT_EQ(report.gone, 3);
    EXPECT_EQ(report.held_back, 0);
}

TEST_P(TaskStoreContract, WhatIsDependedOnAfterTheLookStays) {
    Archiving it(*x_sandbox, x_clock, x_random);
    const Task done = it.add({.title = "done"});
    it.complete(done);
    it.move_something();
    const auto page = *it.store->pruning().ended_tasks({.by = x_clock.wall_ms(), .limit = 10});
    it.add({.title = "after", .depends_on = {done.id}});
    EXPECT_THAT(it.store->pruning().forget_tasks(page)->value, IsEmpty());
    EXPECT_TRUE(*it.store->get_task(done.id));
}

TEST_P(TaskStoreContract, APruningIsBoundedAndADryRunChangesNothing) {
    Archiving it(*x_sandbox, x_clock, x_random);
    std::vector<CreateTask> many(kPruneBatch + 30, CreateTask{.title = "t", .project = "p"});
    ASSERT_TRUE(it.store->create_tasks(many));
    const auto held = it.store->claim_tasks({.worker = "w", .limit = 1'000});
    ASSERT_THAT(held->value, SizeIs(many.size()));
    for (const Task& task : held->value)
        ASSERT_TRUE(it.store->complete_task({.task_id = task.id}, {}));
    const Task other = it.add({.title = "other", .project = "q"});
    it.complete(other);
    it.move_something();
    EXPECT_EQ(it.prune({.dry_run = true}).gone, kPruneBatch + 31);
    EXPECT_THAT(it.titles(), IsEmpty());
    EXPECT_EQ(it.prune({.project = "p", .limit = 20}).gone, 20);
    int looks = 0;
    const PruneReport stopped =
        it.prune({.go_on = [&](const PruneReport&) { return ++looks < 1; }});
    EXPECT_EQ(stopped.gone, kPruneBatch);
    EXPECT_EQ(it.prune({.project = "p"}).gone, 10);
    EXPECT_EQ(*it.archive->count("p"), kPruneBatch + 30);
    EXPECT_EQ(*it.archive->count(std::nullopt), kPruneBatch + 30);
    EXPECT_EQ(it.prune({}).gone, 1);
    EXPECT_EQ(prune_tasks(*it.store, nullptr, {.age_ms = -1}).error().code, Code::invalid);
    EXPECT_EQ(prune_tasks(*it.store, nullptr, {.limit = 0}).error().code, Code::invalid);
}

TEST_P(TaskStoreContract, TheArchiveIsListedAsTasksAre) {
    Archiving it(*x_sandbox, x_clock, x_random);
    for (const char* title : {"build the index", "index again", "other"}) {
        x_clock.advance_ms(1);
        it.complete(it.add({.title = title, .project = title[0] == 'o' ? "q" : "p"}));
    }
    it.move_something();
    ASSERT_EQ(it.prune({}).gone, 3);
    EXPECT_THAT(it.titles(), ElementsAre("other", "index again", "build the index"));
    EXPECT_THAT(it.titles({.project = "p"}), ElementsAre("index again", "build the index"));
    EXPECT_THAT(it.titles({.words = {"INDEX"}}), ElementsAre("index again", "build the index"));
    EXPECT_THAT(it.titles({.words = {"index", "build"}}), ElementsAre("build the index"));
    EXPECT_THAT(it.titles({.words = {"ind"}}), IsEmpty());
    EXPECT_THAT(it.titles({.status = TaskStatus::cancelled}), IsEmpty());
    EXPECT_THAT(it.titles({.part = TaskPart::ready}), IsEmpty());
    const auto first = it.archive->list_tasks({.limit = 2});
    ASSERT_FALSE(first->next_cursor.empty());
    EXPECT_THAT(it.titles({.limit = 2, .after = first->next_cursor}),
                ElementsAre("build the index"));
    EXPECT_EQ(it.archive->find_id("nothing").error().code, Code::not_found);
}

TEST_P(TaskStoreContract, ARequestThatIsRepeatedAfterItsTaskWasArchivedGetsItsAnswer) {
    Archiving it(*x_sandbox, x_clock, x_random);
    const Task task = it.add({.title = "t"});
    const auto held = it.store->claim_tasks({.worker = "w"});
    const Hold hold{.task_id = task.id, .fence = held->value.at(0).fence, .request_id = "r"};
    const auto first = it.store->complete_task(hold, {});
    ASSERT_TRUE(first);
    it.move_something();
    ASSERT_EQ(it.prune({}).gone, 1);
    const auto again = it.store->complete_task(hold, {});
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(without_place(again->value), first->value);
}

TEST_P(TaskStoreContract, TheHistoryOfAScheduleKeepsItsLastMoves) {
    const auto made = x_store->schedules().add_schedule(
        {.timing = {.every_ms = 60'000}, .made = {.task = {.title = "t"}}});
    ASSERT_TRUE(made) << made.error().message;
    const std::string id = made->value.id;
    ASSERT_TRUE(x_sandbox->database().write([&](sql::Connection& connection) {
        std::string text = "UPDATE task_schedules SET revision = 1099;";
        for (int i = 2; i < 1'100; ++i)
            text +=
                "INSERT INTO task_schedule_history (schedule_id, revision, verb, actor, at) "
                "VALUES ('" +
                id + "', " + std::to_string(i) + ", 'set', 'ann', 1);";
        return connection.execute(text);
    }));
    const auto change = [&](bool paused) {
        UpdateSchedule update;
        update.paused = paused;
        ASSERT_TRUE(x_store->schedules().update_schedule(id, update));
    };
    change(true);
    EXPECT_THAT(*x_store->schedules().schedule_history(id), SizeIs(1'100 - 64))
        << "a bounded number at a time";
    change(false);
    EXPECT_THAT(*x_store->schedules().schedule_history(id), SizeIs(1'000));
    EXPECT_EQ(x_store->schedules().schedule_history(id)->front().revision, 102);
}

}  // namespace taskstore::tasks
