// What changes and removals mean to other tasks, over every engine.

#include "task_store_contract.hpp"

#include <gmock/gmock.h>

#include <array>
#include <thread>

namespace taskstore::tasks {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

TEST_P(TaskStoreContract, WhoIsToRunAnywayWaitsNoMoreForWhatHasFailedAlready) {
    const Task first = created({.title = "first"});
    const Task other = created({.title = "other"});
    const Task waits = created({.title = "waits", .depends_on = {first.id, other.id}});
    ASSERT_TRUE(x_store->cancel_task(first.id, "ann", ""));
    const auto changed =
        x_store->update_task(waits.id, {.on_failed_dependency = OnFailedDependency::run});
    ASSERT_TRUE(changed) << changed.error().message;
    EXPECT_EQ(changed->value.open_dependencies, 1);
    ASSERT_TRUE(x_store->cancel_task(other.id, "ann", ""));
    EXPECT_THAT(claimed("w", {.limit = 9}), SizeIs(1));
}

TEST_P(TaskStoreContract, ATaskThatIsTriedAgainDoesNotWaitForOneThatWasRemoved) {
    const Task first = created({.title = "first"});
    const Task waits = created({.title = "waits", .depends_on = {first.id}});
    ASSERT_TRUE(x_store->cancel_task(waits.id, "ann", ""));
    ASSERT_TRUE(x_store->delete_task(first.id));
    const auto again = x_store->retry_task(waits.id, "ann");
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->value.open_dependencies, 0);
    EXPECT_THAT(claimed("w"), SizeIs(1));
}

TEST_P(TaskStoreContract, ARemovedTaskLeavesItsSlotToTheNext) {
    const CreateTask keyed{.title = "x", .concurrency_key = "k", .concurrency_limit = 1};
    const Task first = created(keyed);
    const Task second = created(keyed);
    ASSERT_TRUE(x_store->delete_task(first.id));
    const auto got = claimed("w", {.limit = 5});
    ASSERT_THAT(got, SizeIs(1));
    EXPECT_EQ(got[0].id, second.id);
}

TEST_P(TaskStoreContract, WhoSaysNothingAboutTheSlotsOfAKeyLeavesThem) {
    const Task one = created({.title = "x", .concurrency_key = "k", .concurrency_limit = 2});
    const Task two = created({.title = "x", .concurrency_key = "k"});
    EXPECT_EQ(two.concurrency_limit, std::nullopt);
    EXPECT_THAT(claimed("w", {.limit = 5}), SizeIs(2));
    const Task alone = created({.title = "x", .concurrency_key = "new"});
    const Task other = created({.title = "x", .concurrency_key = "other", .concurrency_limit = 5});
    const auto moved = x_store->update_task(other.id, {.concurrency_key = "new"});
    ASSERT_TRUE(moved) << moved.error().message;
    EXPECT_EQ(moved->value.concurrency_limit, std::nullopt) << "it was a word about another key";
    EXPECT_THAT(claimed("w", {.limit = 5}), SizeIs(1)) << "a new key has one slot";
}

TEST_P(TaskStoreContract, AChangeOfAnotherMemberIsNoWordAboutTheSlotsOfAKey) {
    const Task one = created({.title = "x", .concurrency_key = "k", .concurrency_limit = 1});
    created({.title = "x", .concurrency_key = "k", .concurrency_limit = 3});
    created({.title = "x", .concurrency_key = "k", .concurrency_limit = 3});
    ASSERT_TRUE(x_store->update_task(one.id, {.priority = 5}));
    EXPECT_THAT(claimed("w", {.limit = 5}), SizeIs(3));
    ASSERT_TRUE(x_store->update_task(one.id, {.concurrency_limit = 2}));
    created({.title = "x", .concurrency_key = "l", .concurrency_limit = 2});
    EXPECT_THAT(claimed("w", {.limit = 5}), SizeIs(1)) << "of the other key";
}

TEST_P(TaskStoreContract, AChangeThatIsRefusedSaysNothingAboutSlots) {
    const Task one = created({.title = "x", .concurrency_key = "k", .concurrency_limit = 1});
    created({.title = "x", .concurrency_key = "k", .concurrency_limit = 1});
    EXPECT_EQ(x_store->update_task(one.id, {.concurrency_limit = 2, .revision = 7}).error().code,
              Code::conflict);
    EXPECT_THAT(claimed("w", {.limit = 5}), SizeIs(1));
}

TEST_P(TaskStoreContract, ATaskThatLeavesAKeyLeavesItsSlot) {
    const CreateTask keyed{.title = "x", .concurrency_key = "k", .concurrency_limit = 1};
    created(keyed);
    created(keyed);
    const Task held = claimed("w").at(0);
    EXPECT_THAT(claimed("w"), IsEmpty());
    UpdateTask change;
    change.concurrency_key.emplace(std::nullopt);
    ASSERT_TRUE(x_store->update_task(held.id, change));
    EXPECT_THAT(claimed("w"), SizeIs(1));
}

TEST_P(TaskStoreContract, ARequestThatIsRepeatedIsAnsweredInTheOrderOfItsClaim) {
    for (const std::int64_t priority : {1, 9, 5}) created({.title = "x", .priority = priority});
    const ClaimRequest request{.worker = "w", .limit = 3, .request_id = "r"};
    const auto first = x_store->claim_tasks(request);
    ASSERT_TRUE(first) << first.error().message;
    const auto again = x_store->claim_tasks(request);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->value, first->value);
    EXPECT_EQ(again->value.at(0).priority, 9);
}

TEST_P(TaskStoreContract, AClaimFindsWhatItsOwnTidyingMadeReady) {
    created({.title = "lost", .retry = {.max_rescues = 0}, .lease_ms = 10});
    const Task lost = claimed("w1").at(0);
    // Both keep it, and both are over at once.
    const Task waits = created({.title = "waits",
                                .not_before = x_clock.wall_ms() + 5,
                                .depends_on = {lost.id},
                                .on_failed_dependency = OnFailedDependency::run});
    x_clock.advance_ms(11);
    const auto got = claimed("w2");
    ASSERT_THAT(got, SizeIs(1));
    EXPECT_EQ(got[0].id, waits.id);
}

TEST_P(TaskStoreContract, WhatALeaseGivesBackAfterItsDeadlineFailsAtOnce) {
    const Task made = created({.title = "x", .lease_ms = 10, .deadline = x_clock.wall_ms() + 5});
    claimed("w1");
    x_clock.advance_ms(11);
    EXPECT_EQ(*x_store->tend(), 2) << "the lease, and the deadline";
    EXPECT_EQ((*x_store->get_task(made.id))->status, TaskStatus::failed);
}

TEST_P(TaskStoreContract, ADependencyIsAddedAndTakenAwayUntilTheTaskIsBegun) {
    const Task first = created({.title = "first"});
    const Task task = created({.title = "task", .priority = 9});
    const auto added = x_store->update_task(task.id, {.add_dependencies = {first.id, first.id}});
    ASSERT_TRUE(added) << added.error().message;
    EXPECT_THAT(added->value.depends_on, ElementsAre(first.id));
    EXPECT_EQ(added->value.open_dependencies, 1);
    EXPECT_EQ(**x_store->get_task(task.id), added->value);
    const Task held = claimed("w", {.limit = 9}).at(0);
    EXPECT_EQ(held.id, first.id);
    EXPECT_EQ(x_store->delete_task(first.id).error().code, Code::conflict);
    EXPECT_EQ(x_store->update_task(first.id, {.add_dependencies = {task.id}}).error().code,
              Code::conflict)
        << "it is held";
    const auto freed = x_store->update_task(task.id, {.remove_dependencies = {first.id}});
    ASSERT_TRUE(freed) << freed.error().message;
    EXPECT_THAT(freed->value.depends_on, IsEmpty());
    EXPECT_EQ(claimed("w").at(0).id, task.id);
    EXPECT_EQ(x_store->update_task(task.id, {.remove_dependencies = {first.id}}).error().code,
              Code::conflict)
        << "it is held";
    const Task late = created({.title = "late"});
    EXPECT_EQ(x_store->update_task(late.id, {.add_dependencies = {"nobody"}}).error().code,
              Code::not_found);
    EXPECT_EQ(x_store->update_task(late.id, {.remove_dependencies = {first.id}}).error().code,
              Code::not_found);
    ASSERT_TRUE(x_store->complete_task({.task_id = first.id}, {}));
    const auto after = x_store->update_task(late.id, {.add_dependencies = {first.id}});
    ASSERT_TRUE(after) << after.error().message;
    EXPECT_EQ(after->value.open_dependencies, 0);
    EXPECT_EQ(claimed("w").at(0).id, late.id);
}

TEST_P(TaskStoreContract, ATaskThatWouldWaitForItselfIsRefusedWithTheCircle) {
    const Task a = created({.title = "a"});
    const Task b = created({.title = "b", .depends_on = {a.id}});
    const Task c = created({.title = "c", .depends_on = {b.id}});
    const auto before = x_store->list_tasks({})->tasks;
    const auto refused = x_store->update_task(a.id, {.priority = 3, .add_dependencies = {c.id}});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::conflict);
    EXPECT_THAT(refused.error().message,
                testing::EndsWith(": " + a.id + " → " + c.id + " → " + b.id + " → " + a.id));
    const auto itself = x_store->update_task(a.id, {.add_dependencies = {a.id}});
    ASSERT_FALSE(itself);
    EXPECT_THAT(itself.error().message, testing::EndsWith(": " + a.id + " → " + a.id));
    EXPECT_EQ(x_store->list_tasks({})->tasks, before);
    ASSERT_TRUE(x_store->update_task(c.id, {.remove_dependencies = {b.id}}));
    EXPECT_TRUE(x_store->update_task(a.id, {.add_dependencies = {c.id}}));
}

TEST_P(TaskStoreContract, TwoThatWouldCloseACircleTogetherDoNot) {
    for (int round = 0; round < 5; ++round) {
        const Task a = created({.title = "a"});
        const Task b = created({.title = "b"});
        std::array<bool, 2> done{};
        {
            const auto add = [&](std::size_t i, const std::string& task, const std::string& other) {
                const auto added = x_store->update_task(task, {.add_dependencies = {other}});
                done[i] = added.has_value();
                EXPECT_TRUE(added || added.error().code == Code::conflict) << added.error().message;
            };
            const std::jthread one(add, 0, a.id, b.id);
            const std::jthread other(add, 1, b.id, a.id);
        }
        EXPECT_NE(done[0], done[1]) << "one of them, and not both";
        EXPECT_THAT(claimed("w", {.limit = 9}), SizeIs(1));
    }
}

}  // namespace taskstore::tasks
