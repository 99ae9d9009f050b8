// What schedules promise over every engine.

#include "task_store_contract.hpp"

#include <gmock/gmock.h>
#include <taskstore/base/text.hpp>
#include <taskstore/tasks/schedule.hpp>

#include <set>
#include <thread>

namespace taskstore::tasks {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::int64_t kMinute = 60'000;

Schedule added(TaskStore& store, const CreateSchedule& request) {
    auto written = store.schedules().add_schedule(request);
    EXPECT_TRUE(written) << (written ? "" : written.error().message);
    return written ? std::move(written->value) : Schedule{};
}

Schedule added_every(TaskStore& store, std::int64_t ms, CatchUp catch_up = CatchUp::one) {
    return added(store,
                 {.timing = {.every_ms = ms}, .catch_up = catch_up, .made = {{.title = "tick"}}});
}

Schedule now_of(TaskStore& store, const std::string& id) {
    const auto schedule = store.schedules().get_schedule(id);
    EXPECT_TRUE(schedule && *schedule);
    return schedule && *schedule ? **schedule : Schedule{};
}

std::vector<std::string> verbs_of(TaskStore& store, const std::string& id) {
    std::vector<std::string> verbs;
    const auto history = store.schedules().schedule_history(id);
    EXPECT_TRUE(history) << (history ? "" : history.error().message);
    if (!history) return verbs;
    for (const ScheduleEntry& one : *history) verbs.push_back(one.verb);
    return verbs;
}

std::int64_t fired(TaskStore& store) {
    const auto made = store.schedules().fire_due();
    EXPECT_TRUE(made) << (made ? "" : made.error().message);
    return made ? *made : -1;
}

}  // namespace

TEST_P(TaskStoreContract, AScheduleComesBackAsItWasMade) {
    const Schedule made =
        added(*x_store, {.timing = {.cron = "0 3 * * mon-fri", .zone = "Europe/Berlin"},
                         .catch_up = CatchUp::all,
                         .made = {.task = {.title = "Build \xF0\x9F\xA6\x80 'it'",
                                           .description = "Run\nall",
                                           .command = "make \"x\"",
                                           .input = R"({"b":1, "a":[1.0,null]})",
                                           .project = "p",
                                           .priority = -7,
                                           .metadata = R"({"k":"v"})",
                                           .agent_type = "cursor",
                                           .capabilities = {"gpu", "big \"q\""},
                                           .retry = {.max_attempts = 7,
                                                     .max_rescues = 0,
                                                     .backoff = Backoff::fibonacci,
                                                     .base_ms = 5,
                                                     .cap_ms = 9,
                                                     .jitter = 50},
                                           .lease_ms = 1'234,
                                           .parent = "q",
                                           .concurrency_key = "k",
                                           .concurrency_limit = 3,
                                           .spec_id = "spec",
                                           .shell = true,
                                           .timeout_ms = 77},
                                  .deadline_ms = 5'000},
                         .actor = "ann"});
    EXPECT_EQ(now_of(*x_store, made.id), made);
    EXPECT_EQ(made.timing.anchor_at, x_clock.wall_ms());
    EXPECT_EQ(to_rfc3339(made.next_at.value_or(0)), "2023-11-15T02:00:00Z");
    EXPECT_THAT(*x_store->schedules().list_schedules("p"), ElementsAre(made));
    EXPECT_THAT(*x_store->schedules().list_schedules("q"), IsEmpty());
    EXPECT_EQ(*x_store->schedules().find_schedule_id(made.id.substr(9)), made.id);
    EXPECT_EQ(x_store->schedules().find_schedule_id("nobody").error().code, Code::not_found);
    const auto history = *x_store->schedules().schedule_history(made.id);
    ASSERT_THAT(history, SizeIs(1));
    EXPECT_EQ(history[0].verb, "add");
    EXPECT_EQ(history[0].actor, "ann");
}

TEST_P(TaskStoreContract, AClaimMakesTheTaskOfATick) {
    const Schedule schedule = added(
        *x_store, {.timing = {.cron = "*/10 * * * *"},
                   .made = {.task = {.title = "Clean", .priority = 10}, .deadline_ms = kMinute}});
    EXPECT_THAT(claimed("w"), IsEmpty());
    const auto outlook = x_store->outlook({.worker = "w"});
    EXPECT_FALSE(outlook->claimable);
    EXPECT_EQ(outlook->next_time, schedule.next_at) << "who waits ends at the tick";
    EXPECT_EQ(*x_store->schedules().next_tick_in_ms(), *schedule.next_at - x_clock.wall_ms());
    x_clock.advance_ms(*outlook->next_in_ms);
    EXPECT_TRUE(x_store->outlook({.worker = "w"})->claimable);
    const auto held = claimed("w");
    ASSERT_THAT(held, SizeIs(1));
    EXPECT_EQ(held[0].title, "Clean");
    EXPECT_EQ(held[0].priority, 10);
    EXPECT_EQ(held[0].deadline, *schedule.next_at + kMinute);
    EXPECT_EQ(held[0].idempotency_key,
              "schedule:" + schedule.id + ":" + to_rfc3339(*schedule.next_at));
    EXPECT_EQ(x_store->history(held[0].id)->at(0).actor, "schedule " + schedule.id);
    const Schedule then = now_of(*x_store, schedule.id);
    EXPECT_EQ(then.next_at, *schedule.next_at + 10 * kMinute);
    EXPECT_EQ(then.last_at, schedule.next_at);
    EXPECT_EQ(then.last_task, held[0].id);
    EXPECT_THAT(verbs_of(*x_store, schedule.id), ElementsAre("add", "tick"));
    EXPECT_THAT(claimed("w"), IsEmpty());
}

TEST_P(TaskStoreContract, HoweverManyLookATickIsOneTask) {
    added_every(*x_store, kMinute);
    for (int round = 1; round <= 5; ++round) {
        x_clock.advance_ms(kMinute);
        std::vector<std::jthread> threads;
        for (int i = 0; i < 8; ++i)
            threads.emplace_back([&, i] {
                const auto done = i % 2 == 0 ? x_store->schedules().fire_due() : x_store->tend();
                EXPECT_TRUE(done) << (done ? "" : done.error().message);
            });
        threads.clear();
        EXPECT_THAT(titles(), SizeIs(round));
    }
}

TEST_P(TaskStoreContract, WhatWasMissedIsCaughtUpAsThePolicySays) {
    const Schedule none = added_every(*x_store, 10 * kMinute, CatchUp::none);
    const Schedule one = added_every(*x_store, 10 * kMinute, CatchUp::one);
    const Schedule all = added_every(*x_store, 10 * kMinute, CatchUp::all);
    x_clock.advance_ms(35 * kMinute);
    EXPECT_EQ(fired(*x_store), 4) << "none of the first, one of the second, three of the third";
    EXPECT_EQ(now_of(*x_store, none.id).last_at, std::nullopt);
    EXPECT_EQ(now_of(*x_store, one.id).last_at, *one.next_at + 20 * kMinute);
    EXPECT_EQ(now_of(*x_store, all.id).last_at, *all.next_at + 20 * kMinute);
    for (const Schedule* schedule : {&none, &one, &all})
        EXPECT_EQ(now_of(*x_store, schedule->id).next_at, *schedule->next_at + 30 * kMinute);
    EXPECT_THAT(verbs_of(*x_store, none.id), ElementsAre("add", "skip"));
    EXPECT_THAT(verbs_of(*x_store, one.id), ElementsAre("add", "skip", "tick"));
    EXPECT_THAT(verbs_of(*x_store, all.id), ElementsAre("add", "tick", "tick", "tick"));
    const auto skipped = x_store->schedules().schedule_history(one.id)->at(1);
    EXPECT_THAT(skipped.reason.value_or(""), HasSubstr(to_rfc3339(*one.next_at)));
    // On time is on time, also a moment later.
    x_clock.advance_ms(5 * kMinute + kOnTimeMs);
    EXPECT_EQ(fired(*x_store), 3);
    EXPECT_EQ(now_of(*x_store, none.id).last_at, *none.next_at + 30 * kMinute);
}

TEST_P(TaskStoreContract, CatchingUpHasABound) {
    const Schedule schedule = added_every(*x_store, 1'000, CatchUp::all);
    x_clock.advance_ms(5'000'000);
    EXPECT_EQ(fired(*x_store), static_cast<std::int64_t>(kCaughtUpMax));
    EXPECT_EQ(now_of(*x_store, schedule.id).last_at, schedule.created_at + 5'000'000)
        << "the newest";
    EXPECT_EQ(now_of(*x_store, schedule.id).next_at, schedule.created_at + 5'001'000);
    EXPECT_EQ(fired(*x_store), 0);
}

TEST_P(TaskStoreContract, APausedScheduleDoesNotTickAndCatchesUpNothing) {
    const Schedule schedule = added_every(*x_store, kMinute, CatchUp::all);
    Schedules& schedules = x_store->schedules();
    const auto paused = schedules.update_schedule(schedule.id, {.paused = true, .actor = "ann"});
    ASSERT_TRUE(paused) << paused.error().message;
    EXPECT_EQ(paused->value.next_at, std::nullopt);
    EXPECT_EQ(paused->value, now_of(*x_store, schedule.id));
    x_clock.advance_ms(10 * kMinute);
    EXPECT_EQ(fired(*x_store), 0);
    EXPECT_EQ(*schedules.next_tick_in_ms(), std::nullopt);
    ASSERT_TRUE(schedules.update_schedule(schedule.id, {.paused = false}));
    EXPECT_EQ(fired(*x_store), 0);
    x_clock.advance_ms(kMinute);
    EXPECT_EQ(fired(*x_store), 1);
    EXPECT_THAT(verbs_of(*x_store, schedule.id), ElementsAre("add", "pause", "resume", "tick"));
}

TEST_P(TaskStoreContract, AChangeHoldsFromTheNextTickOn) {
    const Schedule schedule = added_every(*x_store, kMinute);
    Schedules& schedules = x_store->schedules();
    TaskTemplate made = schedule.made;
    made.task.title = "other";
    x_clock.advance_ms(kMinute / 2);
    const auto changed = schedules.update_schedule(
        schedule.id, {.timing = Timing{.every_ms = 2 * kMinute}, .made = made, .revision = 1});
    ASSERT_TRUE(changed) << changed.error().message;
    EXPECT_EQ(changed->value.next_at, x_clock.wall_ms() + 2 * kMinute);
    EXPECT_EQ(schedules.update_schedule(schedule.id, {.paused = true, .revision = 1}).error().code,
              Code::conflict);
    x_clock.advance_ms(2 * kMinute);
    EXPECT_EQ(fired(*x_store), 1);
    EXPECT_THAT(titles(), ElementsAre("other"));
    // A tick in between is no matter to who changes a part; another one's change is.
    TaskTemplate third = made;
    third.task.priority = 5;
    EXPECT_TRUE(schedules.update_schedule(schedule.id, {.made = third, .made_was = made}));
    EXPECT_EQ(schedules.update_schedule(schedule.id, {.made = made, .made_was = made}).error().code,
              Code::conflict);
}

TEST_P(TaskStoreContract, WhatIsRemovedTicksNoMoreAndItsHistoryStays) {
    const Schedule schedule = added_every(*x_store, kMinute);
    Schedules& schedules = x_store->schedules();
    ASSERT_TRUE(schedules.delete_schedule(schedule.id, "ann"));
    x_clock.advance_ms(kMinute);
    EXPECT_EQ(fired(*x_store), 0);
    EXPECT_EQ(*schedules.get_schedule(schedule.id), std::nullopt);
    EXPECT_THAT(verbs_of(*x_store, schedule.id), ElementsAre("add", "remove"));
    EXPECT_EQ(schedules.delete_schedule(schedule.id, "ann").error().code, Code::not_found);
    EXPECT_EQ(schedules.update_schedule(schedule.id, {.paused = true}).error().code,
              Code::not_found);
}

TEST_P(TaskStoreContract, ATickWhoseKeyIsTakenMakesNothingAndGoesOn) {
    const Schedule schedule = added_every(*x_store, kMinute);
    created({.title = "by hand",
             .idempotency_key = "schedule:" + schedule.id + ":" + to_rfc3339(*schedule.next_at)});
    x_clock.advance_ms(kMinute);
    EXPECT_EQ(fired(*x_store), 0);
    EXPECT_EQ(now_of(*x_store, schedule.id).next_at, *schedule.next_at + kMinute);
    EXPECT_THAT(verbs_of(*x_store, schedule.id), ElementsAre("add", "skip"));
    EXPECT_THAT(titles(), ElementsAre("by hand"));
}

TEST_P(TaskStoreContract, WhatCannotTickIsPausedAndSaysWhy) {
    const Schedule schedule =
        added(*x_store, {.timing = {.cron = "@hourly"}, .made = {{.title = "t"}}});
    const sql::BoundStatement damage{
        .sql = "UPDATE task_schedules SET zone = 'Nowhere/None' WHERE id = ?1",
        .values = {schedule.id}};
    ASSERT_TRUE(x_sandbox->database().write_batch({&damage, 1}));
    x_clock.advance_ms(60 * kMinute);
    created({.title = "other"});
    EXPECT_THAT(claimed("w"), SizeIs(1)) << "claims go on";
    EXPECT_EQ(fired(*x_store), 0);
    EXPECT_TRUE(now_of(*x_store, schedule.id).paused);
    EXPECT_THAT(x_store->schedules().schedule_history(schedule.id)->back().reason.value_or(""),
                HasSubstr("Nowhere/None"));
}

TEST_P(TaskStoreContract, AScheduleThatCannotBeReadKeepsNobodyFromClaiming) {
    const Schedule broken = added_every(*x_store, kMinute);
    const Schedule whole = added_every(*x_store, kMinute);
    const sql::BoundStatement damage{
        .sql = "UPDATE task_schedules SET template = '{\"title\":' WHERE id = ?1",
        .values = {broken.id}};
    ASSERT_TRUE(x_sandbox->database().write_batch({&damage, 1}));
    x_clock.advance_ms(kMinute);
    EXPECT_THAT(claimed("w", {.limit = 10}), SizeIs(1)) << "of the other schedule";
    EXPECT_THAT(claimed("w"), IsEmpty()) << "nothing is there, and nothing fails";
    tasks::Schedules& schedules = x_store->schedules();
    const Schedule seen = now_of(*x_store, broken.id);
    EXPECT_THAT(seen.fault, HasSubstr("template"));
    EXPECT_TRUE(seen.paused);
    EXPECT_THAT(*schedules.list_schedules(std::nullopt), SizeIs(2));
    EXPECT_THAT(schedules.schedule_history(broken.id)->back().reason.value_or(""),
                HasSubstr("cannot be read"));
    EXPECT_EQ(schedules.update_schedule(broken.id, {.paused = false}).error().code, Code::corrupt);
    EXPECT_EQ(schedules.next_tick_in_ms()->value_or(-1), kMinute);
    EXPECT_EQ(now_of(*x_store, whole.id).fault, "");
    EXPECT_TRUE(schedules.delete_schedule(broken.id, "ann"));
    EXPECT_EQ(*schedules.get_schedule(broken.id), std::nullopt);
}

TEST_P(TaskStoreContract, SlotsOfAConcurrencyKeyHoldForTicksToo) {
    added(*x_store, {.timing = {.every_ms = kMinute},
                     .catch_up = CatchUp::all,
                     .made = {{.title = "t", .concurrency_key = "k"}}});
    x_clock.advance_ms(3 * kMinute);
    EXPECT_THAT(claimed("w", {.limit = 10}), SizeIs(1));
    EXPECT_THAT(titles(), SizeIs(3));
}

TEST_P(TaskStoreContract, WhatNoTaskCouldBeMadeOfIsRefused) {
    Schedules& schedules = x_store->schedules();
    const Timing hourly{.cron = "@hourly"};
    for (const CreateSchedule& request :
         {CreateSchedule{.timing = hourly}, CreateSchedule{.timing = {}, .made = {{.title = "t"}}},
          CreateSchedule{.timing = {.cron = "0 0 31 2 *"}, .made = {{.title = "t"}}},
          CreateSchedule{.timing = hourly, .made = {{.title = "t", .input = "{"}}},
          CreateSchedule{.timing = hourly, .made = {{.title = "t", .not_before = 1}}},
          CreateSchedule{.timing = hourly, .made = {{.title = "t", .depends_on = {"x"}}}},
          CreateSchedule{.timing = hourly, .made = {{.title = "t", .idempotency_key = "k"}}},
          CreateSchedule{.timing = hourly, .made = {{.title = "t"}, 0}}}) {
        const auto written = schedules.add_schedule(request);
        ASSERT_FALSE(written);
        EXPECT_EQ(written.error().code, Code::invalid) << written.error().message;
    }
    EXPECT_THAT(*schedules.list_schedules(std::nullopt), IsEmpty());
}

}  // namespace taskstore::tasks
