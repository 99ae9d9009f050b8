// Claims and what follows from them, over every engine.

#include "task_store_contract.hpp"

#include <gmock/gmock.h>
#include <taskstore/sql/identity.hpp>

#include <array>
#include <barrier>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <thread>

namespace taskstore::tasks {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<std::string> verbs_of(TaskStore& store, const std::string& id) {
    std::vector<std::string> verbs;
    const auto history = store.history(id);
    EXPECT_TRUE(history) << (history ? "" : history.error().message);
    if (!history) return verbs;
    for (const HistoryEntry& entry : *history) verbs.push_back(entry.verb);
    return verbs;
}

std::int64_t epoch_of(sql::Database& database) {
    std::int64_t epoch = 0;
    EXPECT_TRUE(database.read([&](sql::Connection& connection) -> Status {
        TASKSTORE_LET(const auto found, sql::find_identity(connection, kModule));
        epoch = found->epoch;
        return ok();
    }));
    return epoch;
}

}  // namespace

// Named so that the programs of all backends instantiate one suite.

TEST_P(TaskStoreContract, AClaimHoldsTheTaskAndTellsEverything) {
    const Task made = created({.title = "x", .lease_ms = 1'000});
    x_clock.advance_ms(5);
    const std::vector<Task> got = claimed("w1");
    ASSERT_THAT(got, SizeIs(1));
    EXPECT_EQ(got[0].id, made.id);
    EXPECT_EQ(got[0].status, TaskStatus::in_progress);
    EXPECT_EQ(got[0].assigned_to, "w1");
    EXPECT_EQ(got[0].started_at, x_clock.wall_ms());
    EXPECT_EQ(got[0].lease_expires_at, x_clock.wall_ms() + 1'000);
    const std::int64_t first = epoch_of(x_sandbox->database()) << sql::kEpochShift;
    EXPECT_EQ(got[0].fence, first + 1);
    EXPECT_LT(got[0].fence, std::int64_t{1} << 53) << "exact in a double";
    EXPECT_EQ(got[0].revision, 2);
    EXPECT_EQ(**x_store->get_task(made.id), got[0]);
    EXPECT_THAT(claimed("w2"), IsEmpty());
    const auto history = *x_store->history(made.id);
    ASSERT_THAT(history, SizeIs(2));
    EXPECT_GT(history[0].seq, first);
    EXPECT_GT(history[1].seq, history[0].seq);
    EXPECT_LT(history[1].seq, std::int64_t{1} << 53);
    EXPECT_EQ(history[1].actor, "w1");
    EXPECT_EQ(history[1].fence, got[0].fence);
    EXPECT_EQ(history[1].from, TaskStatus::pending);
    EXPECT_EQ(history[1].to, TaskStatus::in_progress);
}

TEST_P(TaskStoreContract, PriorityGoesFirstThenAge) {
    created({.title = "old", .priority = 0});
    x_clock.advance_ms(1);
    created({.title = "low", .priority = -10});
    created({.title = "urgent", .priority = 20});
    x_clock.advance_ms(1);
    created({.title = "young", .priority = 0});
    created({.title = "second urgent", .priority = 20});
    std::vector<std::string> order;
    for (const Task& task : claimed("w", {.limit = 2})) order.push_back(task.title);
    for (const Task& task : claimed("w", {.limit = 10})) order.push_back(task.title);
    EXPECT_THAT(order, ElementsAre("urgent", "second urgent", "old", "young", "low"));
}

TEST_P(TaskStoreContract, AWorkerGetsWhatItCanDoInItsProject) {
    created({.title = "gpu", .project = "p", .priority = 3, .capabilities = {"gpu", "linux"}});
    created({.title = "cursor", .project = "p", .priority = 2, .agent_type = "cursor"});
    created({.title = "other project", .project = "q", .priority = 9});
    created({.title = "plain", .project = "p", .priority = 1});
    const auto title = [&](ClaimRequest request) {
        const auto got = claimed("w", std::move(request));
        return got.empty() ? "" : got[0].title;
    };
    EXPECT_EQ(title({.project = "p", .capabilities = {"gpu"}}), "plain");
    EXPECT_EQ(title({.project = "p", .capabilities = {"gpu"}}), "");
    EXPECT_EQ(title({.project = "p", .capabilities = {"x", "linux", "gpu"}}), "gpu");
    EXPECT_EQ(title({.agent_type = "builder"}), "other project");
    EXPECT_EQ(title({.agent_type = "cursor"}), "cursor");
}

TEST_P(TaskStoreContract, TwoClaimersNeverHoldOneTask) {
    constexpr int kTasks = 120;
    std::vector<CreateTask> tasks(kTasks, {.title = "t"});
    ASSERT_TRUE(x_store->create_tasks(tasks));
    std::mutex mutex;
    std::map<std::string, int> holders;
    std::string error;
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < 8; ++t) {
            threads.emplace_back([&, t] {
                while (true) {
                    const auto got = x_store->claim_tasks(
                        {.worker = "w" + std::to_string(t), .limit = 1 + t % 3});
                    const std::scoped_lock lock(mutex);
                    if (!got) error = got.error().message;
                    if (!got || got->value.empty()) return;
                    for (const Task& task : got->value) ++holders[task.id];
                }
            });
        }
    }
    EXPECT_EQ(error, "");
    EXPECT_THAT(holders, SizeIs(kTasks));
    for (const auto& [id, count] : holders) {
        EXPECT_EQ(count, 1) << id;
        EXPECT_THAT(verbs_of(*x_store, id), ElementsAre("create", "claim"));
    }
}

TEST_P(TaskStoreContract, CompletingEndsTheHoldAndAStaleFenceWritesNothing) {
    created({.title = "x", .lease_ms = 10});
    const Task first = claimed("w1").at(0);
    x_clock.advance_ms(11);
    const Task second = claimed("w2").at(0);
    EXPECT_EQ(second.id, first.id);
    EXPECT_GT(second.fence, first.fence);
    EXPECT_EQ(second.rescues, 1);
    const Hold stale{.task_id = first.id, .fence = first.fence};
    const Task before = **x_store->get_task(first.id);
    EXPECT_EQ(x_store->complete_task(stale, {.result = "1"}).error().code, Code::lease_lost);
    EXPECT_EQ(x_store->fail_task(stale, {.error = "e"}).error().code, Code::lease_lost);
    EXPECT_EQ(x_store->release_task(stale, "").error().code, Code::lease_lost);
    EXPECT_EQ(x_store->renew_task(stale, 99'999).error().code, Code::lease_lost);
    EXPECT_EQ(**x_store->get_task(first.id), before);
    const auto done = x_store->complete_task({.task_id = second.id, .fence = second.fence},
                                             {.result = R"({"n":1})", .exit_code = 0});
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(done->value.status, TaskStatus::completed);
    EXPECT_EQ(done->value.result, R"({"n":1})");
    EXPECT_EQ(done->value.completed_at, x_clock.wall_ms());
    EXPECT_EQ(done->value.lease_expires_at, std::nullopt);
    EXPECT_EQ(
        x_store->complete_task({.task_id = second.id, .fence = second.fence}, {}).error().code,
        Code::lease_lost);
    EXPECT_EQ(x_store->complete_task({.task_id = second.id}, {}).error().code, Code::conflict);
    EXPECT_EQ(x_store->complete_task({.task_id = "nobody"}, {}).error().code, Code::not_found);
    EXPECT_THAT(verbs_of(*x_store, first.id),
                ElementsAre("create", "claim", "rescue", "claim", "complete"));
}

TEST_P(TaskStoreContract, APersonCompletesInTheHoldersPlace) {
    created({.title = "x"});
    const Task held = claimed("w").at(0);
    ASSERT_TRUE(x_store->complete_task({.task_id = held.id, .actor = "ann"}, {}));
    const auto history = *x_store->history(held.id);
    EXPECT_EQ(history.back().actor, "ann");
    EXPECT_EQ(history.back().fence, held.fence);
}

TEST_P(TaskStoreContract, ARenewalLengthensTheLeaseAndIsNoTransition) {
    created({.title = "x", .lease_ms = 100});
    const Task held = claimed("w").at(0);
    const Hold hold{.task_id = held.id, .fence = held.fence};
    x_clock.advance_ms(60);
    EXPECT_EQ(x_store->renew_task(hold, {})->value.lease_expires_at, x_clock.wall_ms() + 100);
    EXPECT_EQ(x_store->renew_task(hold, 5)->value.lease_expires_at, x_clock.wall_ms() + 100);
    x_clock.advance_ms(60);
    EXPECT_THAT(claimed("other"), IsEmpty());
    EXPECT_EQ((*x_store->get_task(held.id))->revision, held.revision);
    EXPECT_THAT(verbs_of(*x_store, held.id), ElementsAre("create", "claim"));
    EXPECT_EQ(x_store->renew_task(hold, 0).error().code, Code::invalid);
}

TEST_P(TaskStoreContract, AFailedAttemptWaitsAndTheLastOneIsTheEnd) {
    created(
        {.title = "x", .retry = {.max_attempts = 3, .backoff = Backoff::linear, .base_ms = 100}});
    Task held = claimed("w").at(0);
    const auto fail_it = [&] {
        return x_store->fail_task(
            {.task_id = held.id, .fence = held.fence},
            {.error = "boom", .error_class = ErrorClass::logic, .exit_code = 3});
    };
    auto failed = fail_it();
    ASSERT_TRUE(failed) << failed.error().message;
    EXPECT_EQ(failed->value.status, TaskStatus::pending);
    EXPECT_EQ(failed->value.not_before, x_clock.wall_ms() + 100);
    EXPECT_EQ(failed->value.retry_count, 1);
    EXPECT_EQ(failed->value.assigned_to, std::nullopt);
    EXPECT_EQ(failed->value.error, "boom");
    EXPECT_THAT(claimed("w"), IsEmpty());
    x_clock.advance_ms(99);
    EXPECT_THAT(claimed("w"), IsEmpty());
    x_clock.advance_ms(1);
    held = claimed("w").at(0);
    EXPECT_EQ(fail_it()->value.not_before, x_clock.wall_ms() + 200);
    x_clock.advance_ms(200);
    held = claimed("w").at(0);
    failed = fail_it();
    EXPECT_EQ(failed->value.status, TaskStatus::failed);
    EXPECT_EQ(failed->value.dead_at, x_clock.wall_ms());
    EXPECT_EQ(failed->value.exit_code, 3);
    EXPECT_EQ(x_store->list_tasks({.part = TaskPart::dead})->tasks.at(0).id, held.id);
    const auto again = x_store->retry_task(held.id, "ann");
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->value.retry_count, 0);
    EXPECT_EQ(again->value.dead_at, std::nullopt);
    EXPECT_EQ(claimed("w").at(0).id, held.id);
    EXPECT_EQ(x_store->retry_task(held.id, "ann").error().code, Code::conflict);
}

TEST_P(TaskStoreContract, AFinalFailureIsTheEndAtOnce) {
    created({.title = "x"});
    const Task held = claimed("w").at(0);
    const auto failed = x_store->fail_task({.task_id = held.id, .fence = held.fence},
                                           {.error = "never", .final = true});
    EXPECT_EQ(failed->value.status, TaskStatus::failed);
    EXPECT_EQ(failed->value.dead_at, std::nullopt);
}

TEST_P(TaskStoreContract, AReleasedTaskIsThereAtOnce) {
    created({.title = "x"});
    const Task held = claimed("w").at(0);
    EXPECT_EQ(x_store->delete_task(held.id).error().code, Code::conflict);
    const auto released =
        x_store->release_task({.task_id = held.id, .fence = held.fence}, "going home");
    EXPECT_EQ(released->value.retry_count, 0);
    EXPECT_EQ(x_store->history(held.id)->back().reason, "going home");
    EXPECT_EQ(claimed("w2").at(0).id, held.id);
}

TEST_P(TaskStoreContract, CancellingEndsWhatIsPendingAndTellsWhoHoldsIt) {
    const Task pending = created({.title = "pending"});
    const auto gone = x_store->cancel_task(pending.id, "ann", "not needed");
    EXPECT_EQ(gone->value.status, TaskStatus::cancelled);
    EXPECT_THAT(claimed("w"), IsEmpty());
    EXPECT_EQ(x_store->cancel_task(pending.id, "ann", "").error().code, Code::conflict);
    for (const bool told : {true, false}) {
        created({.title = "held", .lease_ms = 50});
        const Task held = claimed("w").at(0);
        const Hold hold{.task_id = held.id, .fence = held.fence};
        const auto asked = x_store->cancel_task(held.id, "ann", "");
        EXPECT_EQ(asked->value.status, TaskStatus::in_progress);
        EXPECT_EQ(asked->value.cancel_requested_at, x_clock.wall_ms());
        if (told) {
            EXPECT_EQ(x_store->renew_task(hold, {})->value.status, TaskStatus::cancelled);
        } else {
            x_clock.advance_ms(51);
            EXPECT_THAT(claimed("other"), IsEmpty());
        }
        EXPECT_EQ((*x_store->get_task(held.id))->status, TaskStatus::cancelled);
        EXPECT_EQ(x_store->complete_task(hold, {}).error().code, Code::lease_lost);
    }
}

TEST_P(TaskStoreContract, WhoAskedAHolderToCancelAndWhyIsInTheHistory) {
    const auto ends = [&](const std::function<void(const Hold&)>& end) {
        created({.title = "held", .retry = {.backoff = Backoff::none}, .lease_ms = 50});
        const Task held = claimed("w").at(0);
        EXPECT_TRUE(x_store->cancel_task(held.id, "ann", "wrong input"));
        EXPECT_TRUE(x_store->cancel_task(held.id, "bob", "too late"));
        EXPECT_THAT(*x_store->why(held.id),
                    EndsWith(", and is to cancel it, as ann asked: wrong input"));
        end({.task_id = held.id, .fence = held.fence});
        EXPECT_EQ((*x_store->get_task(held.id))->status, TaskStatus::cancelled);
        EXPECT_TRUE(x_store->retry_task(held.id, "ann"));
        EXPECT_TRUE(x_store->tend());
        const sql::BoundStatement left{.sql = "SELECT * FROM task_cancels"};
        EXPECT_THAT(x_sandbox->database().read_batch({&left, 1})->at(0).rows, IsEmpty());
        const Task again = claimed("w").at(0);
        EXPECT_TRUE(x_store->cancel_task(again.id, "", ""));
        EXPECT_THAT(*x_store->why(again.id), EndsWith(", and is to cancel it"));
        EXPECT_TRUE(x_store->release_task({.task_id = again.id, .fence = again.fence}, ""));
        const auto history = *x_store->history(held.id);
        EXPECT_EQ(history.back().reason, "asked for");
        return history.at(2).reason.value_or("");
    };
    EXPECT_EQ(ends([&](const Hold& hold) { EXPECT_TRUE(x_store->renew_task(hold, {})); }),
              "the holder was told; asked for by ann: wrong input");
    EXPECT_EQ(ends([&](const Hold& hold) { EXPECT_TRUE(x_store->release_task(hold, "")); }),
              "asked for by ann: wrong input");
    EXPECT_EQ(
        ends([&](const Hold& hold) { EXPECT_TRUE(x_store->fail_task(hold, {.error = "boom"})); }),
        "boom; asked for by ann: wrong input");
    EXPECT_EQ(ends([&](const Hold&) {
                  x_clock.advance_ms(51);
                  EXPECT_TRUE(x_store->tend());
              }),
              "the lease of w ran out; asked for by ann: wrong input");
    // A completion is what happened: nobody is told that it was cancelled.
    created({.title = "completed"});
    const Task held = claimed("w").at(0);
    EXPECT_TRUE(x_store->cancel_task(held.id, "ann", "wrong input"));
    EXPECT_TRUE(x_store->complete_task({.task_id = held.id, .fence = held.fence}, {}));
    EXPECT_EQ(x_store->history(held.id)->back().reason, std::nullopt);
}

TEST_P(TaskStoreContract, ATaskThatKeepsLosingItsWorkersIsDead) {
    const Task made = created({.title = "x", .retry = {.max_rescues = 1}, .lease_ms = 10});
    claimed("w1");
    x_clock.advance_ms(11);
    EXPECT_EQ(claimed("w2").at(0).id, made.id);
    x_clock.advance_ms(11);
    EXPECT_THAT(claimed("w3"), IsEmpty());
    const Task dead = **x_store->get_task(made.id);
    EXPECT_EQ(dead.status, TaskStatus::failed);
    EXPECT_EQ(dead.dead_at, x_clock.wall_ms());
    EXPECT_EQ(dead.error_class, ErrorClass::infra);
    EXPECT_THAT(verbs_of(*x_store, made.id),
                ElementsAre("create", "claim", "rescue", "claim", "rescue"));
}

TEST_P(TaskStoreContract, WhatIsNotYetDueWaitsAndWhatIsOverdueFails) {
    const std::int64_t now_ms = x_clock.wall_ms();
    const Task later = created({.title = "later", .not_before = now_ms + 10});
    const Task late = created({.title = "late", .deadline = now_ms + 5});
    const auto outlook = x_store->outlook({.worker = "w"});
    ASSERT_TRUE(outlook) << outlook.error().message;
    EXPECT_TRUE(outlook->claimable);
    EXPECT_EQ(outlook->next_time, now_ms + 5);
    EXPECT_EQ(outlook->next_in_ms, 5);
    x_clock.advance_ms(5);
    EXPECT_THAT(claimed("w"), IsEmpty());
    EXPECT_EQ((*x_store->get_task(late.id))->status, TaskStatus::failed);
    EXPECT_EQ((*x_store->get_task(late.id))->error_class, ErrorClass::timeout);
    EXPECT_FALSE(x_store->outlook({.worker = "w"})->claimable);
    x_clock.advance_ms(5);
    EXPECT_TRUE(x_store->outlook({.worker = "w"})->claimable);
    EXPECT_EQ(claimed("w").at(0).id, later.id);
}

TEST_P(TaskStoreContract, WhatIsReadyAndWhyGoesByTheClockBeforeAnybodyClaims) {
    const std::int64_t now_ms = x_clock.wall_ms();
    const Task late = created({.title = "late", .deadline = now_ms + 5});
    const Task later = created({.title = "later", .not_before = now_ms + 5});
    const Task held = created({.title = "held", .priority = 5});
    ASSERT_EQ(claimed("gone", {.lease_ms = 5}).at(0).id, held.id);
    const TaskFilter ready{.part = TaskPart::ready};
    EXPECT_THAT(titles(ready), ElementsAre("late"));
    x_clock.advance_ms(5);
    EXPECT_THAT(titles(ready), ElementsAre("later"));
    EXPECT_THAT(titles({.part = TaskPart::ready, .words = {"later"}}), ElementsAre("later"));
    EXPECT_THAT(titles({.part = TaskPart::ready, .words = {"late"}}), IsEmpty());
    EXPECT_THAT(*x_store->why(late.id), HasSubstr("its deadline passed"));
    EXPECT_THAT(*x_store->why(later.id), HasSubstr("a worker may claim it now"));
    EXPECT_THAT(*x_store->why(held.id), HasSubstr("the lease of gone ran out"));
    EXPECT_THAT(claimed("w", {.limit = 5}), SizeIs(1));
    EXPECT_THAT(titles(ready), ElementsAre("held")) << "put back by that claim";
}

TEST_P(TaskStoreContract, AConcurrencyKeyBoundsWhatIsHeldAtOnce) {
    const auto make = [&](const std::string& title, std::int64_t priority) {
        return created({.title = title,
                        .priority = priority,
                        .concurrency_key = "db",
                        .concurrency_limit = 2});
    };
    make("a", 0);
    make("b", 0);
    make("c", 0);
    make("first", 5);
    const auto got = claimed("w", {.limit = 10});
    ASSERT_THAT(got, SizeIs(2));
    EXPECT_EQ(got[0].title, "first");
    EXPECT_EQ(got[1].title, "a");
    EXPECT_THAT(claimed("w2"), IsEmpty());
    ASSERT_TRUE(x_store->complete_task({.task_id = got[0].id, .fence = got[0].fence}, {}));
    const auto next = claimed("w2", {.limit = 10});
    ASSERT_THAT(next, SizeIs(1));
    EXPECT_EQ(next[0].title, "b");
    ASSERT_TRUE(x_store->fail_task({.task_id = next[0].id, .fence = next[0].fence},
                                   {.error = "e", .final = true}));
    EXPECT_EQ(claimed("w3").at(0).title, "c");
}

TEST_P(TaskStoreContract, ATaskBecomesReadyWithItsLastDependency) {
    const Task a = created({.title = "a"});
    const Task b = created({.title = "b"});
    const Task c = created({.title = "c", .priority = 50, .depends_on = {a.id, b.id}});
    EXPECT_THAT(titles({.part = TaskPart::blocked}), ElementsAre("c"));
    EXPECT_THAT(*x_store->why(c.id), HasSubstr("waits for 2 tasks"));
    for (const Task& task : claimed("w", {.limit = 5})) {
        EXPECT_NE(task.id, c.id);
        ASSERT_TRUE(x_store->complete_task({.task_id = task.id, .fence = task.fence}, {}));
        const std::int64_t open = (*x_store->get_task(c.id))->open_dependencies;
        EXPECT_EQ(open, task.id == a.id ? 1 : 0);
    }
    EXPECT_THAT(titles({.part = TaskPart::ready}), ElementsAre("c"));
    EXPECT_EQ(claimed("w").at(0).id, c.id);
    EXPECT_EQ(created({.title = "d", .depends_on = {a.id}}).open_dependencies, 0);
}

TEST_P(TaskStoreContract, WhatBecomesOfDependentsIsTheirOwnPolicy) {
    const Task root = created({.title = "root", .priority = 9});
    const auto make = [&](const std::string& title, const std::string& on,
                          OnFailedDependency policy) {
        return created({.title = title, .depends_on = {on}, .on_failed_dependency = policy});
    };
    const Task blocked = make("blocked", root.id, OnFailedDependency::block);
    const Task runs = make("runs", root.id, OnFailedDependency::run);
    const Task doomed = make("doomed", root.id, OnFailedDependency::cancel);
    const Task doomed_too = make("doomed too", doomed.id, OnFailedDependency::cancel);
    const Task runs_after = created({.title = "runs after",
                                     .depends_on = {root.id, doomed.id, doomed_too.id},
                                     .on_failed_dependency = OnFailedDependency::run});
    const Task held = claimed("w").at(0);
    ASSERT_EQ(held.id, root.id);
    const auto failed = x_store->fail_task({.task_id = root.id, .fence = held.fence},
                                           {.error = "e", .final = true});
    ASSERT_TRUE(failed) << failed.error().message;
    const auto status = [&](const Task& task) { return (*x_store->get_task(task.id))->status; };
    EXPECT_EQ(status(blocked), TaskStatus::pending);
    EXPECT_EQ((*x_store->get_task(blocked.id))->open_dependencies, 1);
    EXPECT_EQ(status(doomed), TaskStatus::cancelled);
    EXPECT_EQ(status(doomed_too), TaskStatus::cancelled);
    EXPECT_THAT(verbs_of(*x_store, doomed_too.id), ElementsAre("create", "cancel"));
    EXPECT_EQ((*x_store->get_task(runs_after.id))->open_dependencies, 0);
    EXPECT_THAT(titles({.part = TaskPart::ready}), ElementsAre("runs", "runs after"));
    ASSERT_TRUE(x_store->retry_task(root.id, "ann"));
    const Task again = claimed("w").at(0);
    ASSERT_EQ(again.id, root.id);
    ASSERT_TRUE(x_store->complete_task({.task_id = root.id, .fence = again.fence}, {}));
    EXPECT_EQ((*x_store->get_task(blocked.id))->open_dependencies, 0);
    EXPECT_EQ((*x_store->get_task(runs.id))->open_dependencies, 0);
}

TEST_P(TaskStoreContract, StatsCountByStatusHolderAndTime) {
    created({.title = "Build the INDEX", .project = "p"});
    created({.title = "other", .description = "an index, 100% built", .project = "q"});
    created({.title = "nothing"});
    const Task held = claimed("w", {.project = "p"}).at(0);
    ASSERT_TRUE(x_store->complete_task({.task_id = held.id, .fence = held.fence}, {}));
    claimed("w", {.project = "q"});
    const auto stats = x_store->stats({});
    ASSERT_TRUE(stats) << stats.error().message;
    EXPECT_THAT(stats->by_status, ElementsAre(1, 1, 1, 0, 0));
    EXPECT_EQ(stats->by_holder.at("w"), 1);
    EXPECT_EQ(stats->completed_last_hour, 1);
    EXPECT_EQ(stats->oldest_pending_at, x_clock.wall_ms());
    EXPECT_THAT(x_store->stats("p")->by_status, ElementsAre(0, 0, 1, 0, 0));
    EXPECT_THAT(*x_store->why(held.id), HasSubstr("completed"));
    EXPECT_EQ(x_store->why("nobody").error().code, Code::not_found);
}

TEST_P(TaskStoreContract, TheSameRequestTwiceIsOneEffectAndTheFirstAnswer) {
    for (int i = 0; i < 3; ++i) created({.title = "t" + std::to_string(i)});
    const ClaimRequest request{.worker = "w", .limit = 2, .request_id = "r1"};
    const auto first = x_store->claim_tasks(request);
    ASSERT_TRUE(first) << first.error().message;
    ASSERT_THAT(first->value, SizeIs(2));
    EXPECT_EQ(x_store->claim_tasks(request)->value, first->value);
    const Task& held = first->value[0];
    const Hold hold{.task_id = held.id, .fence = held.fence, .request_id = "r2"};
    const auto done = x_store->complete_task(hold, {.result = "1"});
    ASSERT_TRUE(done) << done.error().message;
    EXPECT_EQ(x_store->complete_task(hold, {.result = "1"})->value, done->value);
    EXPECT_EQ(x_store->complete_task(hold, {.result = "2"}).error().code, Code::conflict);
    EXPECT_EQ(x_store->claim_tasks(request)->value[0].status, TaskStatus::in_progress);
    EXPECT_THAT(verbs_of(*x_store, held.id), ElementsAre("create", "claim", "complete"));
    const Task& other = first->value[1];
    const Hold failing{.task_id = other.id, .fence = other.fence, .request_id = "r3"};
    const auto failed = x_store->fail_task(failing, {.error = "e"});
    ASSERT_TRUE(failed) << failed.error().message;
    EXPECT_EQ(x_store->fail_task(failing, {.error = "e"})->value, failed->value);
    EXPECT_THAT(verbs_of(*x_store, other.id), ElementsAre("create", "claim", "fail"));
    EXPECT_EQ(x_store->claim_tasks({.worker = "w", .limit = 3, .request_id = "r1"}).error().code,
              Code::conflict);
    x_clock.advance_ms(86'400'001);
    EXPECT_THAT(x_store->claim_tasks(request)->value, SizeIs(2)) << "answers are forgotten";
}

TEST_P(TaskStoreContract, OneRequestFromManyThreadsIsOneClaim) {
    for (int i = 0; i < 20; ++i) created({.title = "t"});
    std::array<std::string, 8> ids;
    {
        std::vector<std::jthread> threads;
        for (std::string& id : ids) {
            threads.emplace_back([&] {
                const auto got = x_store->claim_tasks({.worker = "w", .request_id = "same"});
                id = got ? got->value.at(0).id : got.error().message;
            });
        }
    }
    EXPECT_THAT(std::set(ids.begin(), ids.end()), SizeIs(1)) << ids[0];
    EXPECT_THAT(claimed("w2", {.limit = 100}), SizeIs(19));
}

/// What each of some threads was told that asked at once; "" where it was refused.
template <typename Ask>
std::array<std::string, 4> told_to_each(const Ask& ask) {
    std::array<std::string, 4> told;
    std::barrier together(std::ssize(told));
    std::vector<std::jthread> threads;
    for (std::string& one : told) {
        threads.emplace_back([&] {
            together.arrive_and_wait();
            one = ask();
        });
    }
    threads.clear();
    return told;
}

// As of a holder that was killed while its transaction was on its way, and asks again.
TEST_P(TaskStoreContract, OneRequestFromManyThreadsIsOneCompletion) {
    for (int i = 0; i < 20; ++i) {
        created({.title = "t"});
        const Task held = claimed("w").at(0);
        const Hold hold{.task_id = held.id, .fence = held.fence, .request_id = "r" + held.id};
        const auto told = told_to_each([&] {
            const auto done = x_store->complete_task(hold, {.result = "1"});
            return done ? std::string(name_of(done->value.status)) : done.error().message;
        });
        EXPECT_THAT(told, Each("completed"));
        EXPECT_THAT(verbs_of(*x_store, held.id), ElementsAre("create", "claim", "complete"));
    }
}

TEST_P(TaskStoreContract, OneRequestFromManyThreadsGetsTheOnlyTask) {
    for (int i = 0; i < 20; ++i) {
        const Task made = created({.title = "t"});
        const auto told = told_to_each([&] {
            const auto got = x_store->claim_tasks({.worker = "w", .request_id = "r" + made.id});
            if (!got) return got.error().message;
            return got->value.empty() ? std::string("nothing") : got->value[0].id;
        });
        EXPECT_THAT(told, Each(made.id));
        EXPECT_THAT(verbs_of(*x_store, made.id), ElementsAre("create", "claim"));
    }
}

TEST_P(TaskStoreContract, AWaiterIsWokenByANewTask) {
    const auto waiter = x_store->waiter();
    ASSERT_TRUE(waiter) << waiter.error().message;
    EXPECT_FALSE(x_store->outlook({.worker = "w"})->claimable);
    std::jthread other([&] { created({.title = "x"}); });
    while (!x_store->outlook({.worker = "w"})->claimable) ASSERT_TRUE((*waiter)->wait(0));
}

TEST_P(TaskStoreContract, AClaimSaysByWhatItsHolderIsSeenToLive) {
    const Task made = created({.title = "x"});
    created({.title = "unseen"});
    EXPECT_THAT(*x_store->watched_tasks(), IsEmpty());
    const std::vector<Task> got = claimed("w1", {.liveness = "lock:a"});
    ASSERT_THAT(got, SizeIs(1));
    EXPECT_EQ(got[0].liveness, "lock:a");
    ASSERT_THAT(claimed("w2"), SizeIs(1));
    const WatchedTask watched{made.id, got[0].fence, "w1", "lock:a"};
    EXPECT_THAT(*x_store->watched_tasks(), ElementsAre(watched));
    const auto done = x_store->complete_task({.task_id = made.id, .fence = got[0].fence}, {});
    ASSERT_TRUE(done);
    EXPECT_EQ(done->value.liveness, std::nullopt);
    EXPECT_THAT(*x_store->watched_tasks(), IsEmpty());
}

TEST_P(TaskStoreContract, ATaskOfADeadHolderIsFreeAtOnceAndOnlyFromThatClaim) {
    const Task made = created({.title = "x", .retry = {.max_rescues = 1}});
    const Task first = claimed("w1", {.liveness = "lock:a"}).at(0);
    const WatchedTask watched = x_store->watched_tasks()->at(0);
    const auto rescued = x_store->rescue_task(watched, "its worker died");
    ASSERT_TRUE(rescued);
    EXPECT_EQ(rescued->value.status, TaskStatus::pending);
    EXPECT_EQ(rescued->value.rescues, 1);
    EXPECT_EQ(rescued->value.retry_count, 0) << "no attempt is counted";
    EXPECT_EQ(rescued->value.liveness, std::nullopt);
    EXPECT_EQ(x_store->history(made.id)->back().verb, "rescue");
    EXPECT_EQ(x_store->history(made.id)->back().reason, "its worker died");

    const Task second = claimed("w2", {.liveness = "lock:b"}).at(0);
    const auto again = x_store->rescue_task(watched, "its worker died");
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, Code::lease_lost);
    EXPECT_EQ(**x_store->get_task(made.id), second);
    const auto late = x_store->complete_task({.task_id = made.id, .fence = first.fence}, {});
    ASSERT_FALSE(late);
    EXPECT_EQ(late.error().code, Code::lease_lost);

    // Once too often: dead.
    const auto dead = x_store->rescue_task(x_store->watched_tasks()->at(0), "its worker died");
    ASSERT_TRUE(dead);
    EXPECT_EQ(dead->value.status, TaskStatus::failed);
    EXPECT_TRUE(dead->value.dead_at);
    EXPECT_EQ(dead->value.error, "its worker died once too often");
}

TEST_P(TaskStoreContract, ATaskThatWasToBeCancelledIsCancelledWhenItsHolderDies) {
    const Task made = created({.title = "x"});
    claimed("w1", {.liveness = "lock:a"});
    ASSERT_TRUE(x_store->cancel_task(made.id, "ann", ""));
    const auto rescued = x_store->rescue_task(x_store->watched_tasks()->at(0), "its worker died");
    ASSERT_TRUE(rescued);
    EXPECT_EQ(rescued->value.status, TaskStatus::cancelled);
}

TEST_P(TaskStoreContract, WhoRunsCommandsGetsTasksThatHaveOne) {
    created({.title = "by hand", .priority = 20});
    created({.title = "by itself", .command = "true"});
    EXPECT_TRUE(x_store->outlook({.worker = "w", .with_command = true})->claimable);
    const auto got = claimed("w", {.limit = 5, .with_command = true});
    ASSERT_THAT(got, SizeIs(1));
    EXPECT_EQ(got[0].title, "by itself");
    EXPECT_FALSE(x_store->outlook({.worker = "w", .with_command = true})->claimable);
    EXPECT_THAT(claimed("w"), SizeIs(1));
}

TEST_P(TaskStoreContract, HowACommandIsRunIsKept) {
    const CreateTask asked{
        .title = "x", .command = "make test", .shell = true, .timeout_ms = 5'000};
    const Task made = created(asked);
    EXPECT_TRUE(made.shell);
    EXPECT_EQ(made.timeout_ms, 5'000);
    EXPECT_EQ(**x_store->get_task(made.id), made);
    const std::vector<CreateTask> many{asked, {.title = "y"}};
    const auto ids = x_store->create_tasks(many);
    ASSERT_TRUE(ids);
    EXPECT_TRUE((*x_store->get_task(ids->value[0]))->shell);
    EXPECT_EQ((*x_store->get_task(ids->value[0]))->timeout_ms, 5'000);
    EXPECT_FALSE((*x_store->get_task(ids->value[1]))->shell);
    EXPECT_EQ((*x_store->get_task(ids->value[1]))->timeout_ms, std::nullopt);
    UpdateTask change{.shell = false};
    change.timeout_ms.emplace(std::nullopt);
    const auto changed = x_store->update_task(made.id, change);
    ASSERT_TRUE(changed);
    EXPECT_FALSE(changed->value.shell);
    EXPECT_EQ(changed->value.timeout_ms, std::nullopt);
    EXPECT_EQ(x_store->create_task({.title = "x", .timeout_ms = 0}).error().code, Code::invalid);
}

TEST_P(TaskStoreContract, ALapsedTaskIsFreedWhenWhoSeesItsHolderAgrees) {
    std::vector<WatchedTask> asked;
    bool agrees = false;
    const auto store = make_task_store(
        x_sandbox->database(), x_clock, x_random,
        {.time = TimeSource::clock, .before_freeing = [&](const WatchedTask& task) -> Status {
             asked.push_back(task);
             return agrees ? ok() : fail(Code::timed_out, "it still runs");
         }});
    const Task unseen = created({.title = "unseen", .lease_ms = 1'000});
    ASSERT_EQ(claimed("w1").size(), 1U);
    const Task seen = created({.title = "seen", .lease_ms = 1'000});
    const auto held = claimed("w2", {.liveness = "lock:x"});
    ASSERT_EQ(held.size(), 1U);
    x_clock.advance_ms(2'000);
    EXPECT_EQ(*store->tend(), 1);
    EXPECT_EQ((*store->get_task(unseen.id))->status, TaskStatus::pending);
    EXPECT_EQ((*store->get_task(seen.id))->status, TaskStatus::in_progress);
    ASSERT_EQ(asked.size(), 1U);
    EXPECT_EQ(asked[0], (WatchedTask{seen.id, held[0].fence, "w2", "lock:x"}));
    agrees = true;
    EXPECT_EQ(*store->tend(), 1);
    EXPECT_EQ((*store->get_task(seen.id))->status, TaskStatus::pending);
}

TEST_P(TaskStoreContract, AHolderThatListensIsToldOfACancellationAtOnce) {
    const Task made = created({.title = "x"});
    claimed("w1");
    const auto waiter = x_store->holder_waiter();
    ASSERT_TRUE(waiter);
    ASSERT_TRUE(x_store->cancel_task(made.id, "ann", ""));
    EXPECT_TRUE(*(*waiter)->wait(0));
    EXPECT_TRUE((*x_store->get_task(made.id))->cancel_requested_at);
}

}  // namespace taskstore::tasks
