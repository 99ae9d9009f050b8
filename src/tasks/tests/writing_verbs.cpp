#include "writing_verbs.hpp"

#include <gtest/gtest.h>
#include <taskstore/sql/database.hpp>

#include <array>

namespace taskstore::tasks {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;

template <typename T>
T needed(Result<T> result) {
    EXPECT_TRUE(result) << (result ? "" : result.error().message);
    return result ? std::move(*result) : T{};
}

/// The project is the title: so each can be claimed by itself.
Task made(TaskStore& store, CreateTask task) {
    if (task.project.empty()) task.project = task.title;
    return needed(store.create_task(task)).value;
}

Task held(TaskStore& store, const CreateTask& task, ClaimRequest claim = {}) {
    made(store, task);
    claim.worker = "w";
    claim.project = task.title;
    const auto claimed = needed(store.claim_tasks(claim)).value;
    EXPECT_EQ(claimed.size(), 1U) << task.title;
    return claimed.empty() ? Task{} : claimed[0];
}

void completed(TaskStore& store, const std::string& title) {
    const Task task = held(store, {.title = title});
    needed(store.complete_task({.task_id = task.id, .fence = task.fence}, {.result = "1"}));
}

std::string said(const Task& task) {
    return task_json(task);
}
std::string said(const std::vector<Task>& tasks) {
    return task_list_json(tasks);
}
std::string said(const std::vector<std::string>& ids) {
    std::string text;
    for (const std::string& id : ids) text += id + " ";
    return text;
}
std::string said(std::int64_t number) {
    return std::to_string(number);
}
std::string said(const Schedule& schedule) {
    return schedule_json(schedule);
}
std::string said(const std::vector<Imported>& fates) {
    std::string text;
    for (const Imported fate : fates) text += std::to_string(static_cast<int>(fate));
    return text;
}
std::string said(const PruneReport& report) {
    return std::to_string(report.gone);
}
std::string said(sql::DurabilityLevel) {
    return "gone";
}

template <typename T>
Result<std::string> answer(const Result<T>& result) {
    if (!result) return fail(result.error());
    return said(*result);
}
template <typename T>
Result<std::string> answer(const Result<Written<T>>& result) {
    if (!result) return fail(result.error());
    return said(result->value);
}

Hold hold_of(const Stage& stage, const std::string& title, std::string request_id = {}) {
    const Task& task = stage.tasks.at(title);
    return {.task_id = task.id, .fence = task.fence, .request_id = std::move(request_id)};
}
const std::string& id_of(const Stage& stage, const std::string& title) {
    return stage.tasks.at(title).id;
}

using Verbs = std::vector<WritingVerb>;

void add_making(Verbs& verbs) {
    verbs.push_back({.name = "create",
                     .ask =
                         [](Stage& stage) {
                             return answer(stage.store.create_task(
                                 {.title = "new one",
                                  .capabilities = {"new lane"},
                                  .depends_on = {id_of(stage, "held"), id_of(stage, "done")},
                                  .parent = id_of(stage, "free"),
                                  .concurrency_key = "k",
                                  .concurrency_limit = 2}));
                         },
                     .again = Again::twice});
    verbs.push_back({.name = "create by key",
                     .ask =
                         [](Stage& stage) {
                             return answer(
                                 stage.store.create_task({.title = "new one",
                                                          .depends_on = {id_of(stage, "held")},
                                                          .idempotency_key = "new key"}));
                         },
                     .again = Again::same});
    verbs.push_back(
        {.name = "create many by key",
         .ask =
             [](Stage& stage) {
                 const std::array many{
                     CreateTask{.title = "first", .idempotency_key = "first key"},
                     CreateTask{.title = "keyed", .project = "keyed", .idempotency_key = "key"},
                     CreateTask{.title = "second",
                                .depends_on = {id_of(stage, "held")},
                                .concurrency_key = "k",
                                .concurrency_limit = 1,
                                .idempotency_key = "second key"}};
                 return answer(stage.store.create_tasks(many));
             },
         .again = Again::same});
    verbs.push_back({.name = "import", .ask = [](Stage& stage) {
                         Task done{.id = "of-old",
                                   .title = "of old",
                                   .status = TaskStatus::completed,
                                   .assigned_to = "x",
                                   .created_at = 1,
                                   .completed_at = 3,
                                   .updated_at = 3};
                         const Task next{.id = "of-old-too",
                                         .title = "of old too",
                                         .depends_on = {done.id, id_of(stage, "held")},
                                         .created_at = 2,
                                         .updated_at = 2};
                         const std::array both{std::move(done), next};
                         return answer(stage.store.import_tasks({.tasks = both, .actor = "ann"}));
                     }});
}

void add_claiming(Verbs& verbs) {
    verbs.push_back({.name = "claim",
                     .ask =
                         [](Stage& stage) {
                             return answer(stage.store.claim_tasks(
                                 {.worker = "w2", .project = "free", .limit = 3}));
                         },
                     .again = Again::twice});
    verbs.push_back(
        {.name = "claim by request",
         .ask =
             [](Stage& stage) {
                 return answer(stage.store.claim_tasks(
                     {.worker = "w2", .project = "free", .limit = 3, .request_id = "r"}));
             },
         .again = Again::same});
    verbs.push_back({.name = "renew",
                     .ask =
                         [](Stage& stage) {
                             return answer(
                                 stage.store.renew_task(hold_of(stage, "held"), 3 * kHourMs));
                         },
                     .again = Again::same});
    verbs.push_back({.name = "renew what is to be cancelled", .ask = [](Stage& stage) {
                         return answer(
                             stage.store.renew_task(hold_of(stage, "to be cancelled"), {}));
                     }});
    verbs.push_back(
        {.name = "rescue", .ask = [](Stage& stage) {
             const Task& task = stage.tasks.at("seen");
             return answer(stage.store.rescue_task(
                 {.task_id = task.id, .fence = task.fence, .holder = "w", .liveness = "l"},
                 "dead"));
         }});
}

void add_ending(Verbs& verbs) {
    verbs.push_back(
        {.name = "complete by request",
         .ask =
             [](Stage& stage) {
                 return answer(stage.store.complete_task(
                     hold_of(stage, "held", "r"), {.result = "2", .exit_code = 0, .logs = "l"}));
             },
         .again = Again::same});
    verbs.push_back({.name = "complete what has a slot", .ask = [](Stage& stage) {
                         return answer(
                             stage.store.complete_task(hold_of(stage, "in the slot"), {}));
                     }});
    verbs.push_back({.name = "fail by request",
                     .ask =
                         [](Stage& stage) {
                             return answer(stage.store.fail_task(hold_of(stage, "held", "r"),
                                                                 {.error = "e", .exit_code = 1}));
                         },
                     .again = Again::same});
    verbs.push_back({.name = "fail for good by request",
                     .ask =
                         [](Stage& stage) {
                             return answer(stage.store.fail_task(hold_of(stage, "held", "r"),
                                                                 {.error = "e", .final = true}));
                         },
                     .again = Again::same});
    verbs.push_back({.name = "release by request",
                     .ask =
                         [](Stage& stage) {
                             return answer(stage.store.release_task(
                                 hold_of(stage, "in the slot", "r"), "not mine"));
                         },
                     .again = Again::same});
    verbs.push_back({.name = "cancel", .ask = [](Stage& stage) {
                         return answer(
                             stage.store.cancel_task(id_of(stage, "for the slot"), "ann", "no"));
                     }});
    verbs.push_back({.name = "cancel what others wait for", .ask = [](Stage& stage) {
                         return answer(stage.store.cancel_task(id_of(stage, "waits"), "ann", ""));
                     }});
    verbs.push_back({.name = "cancel what is held",
                     .ask =
                         [](Stage& stage) {
                             return answer(
                                 stage.store.cancel_task(id_of(stage, "held"), "ann", "no"));
                         },
                     // The revision grows with each asking.
                     .again = Again::twice});
}

void add_changing(Verbs& verbs) {
    verbs.push_back({.name = "retry what is dead", .ask = [](Stage& stage) {
                         return answer(stage.store.retry_task(id_of(stage, "failed"), "ann"));
                     }});
    verbs.push_back({.name = "retry what was cancelled", .ask = [](Stage& stage) {
                         return answer(stage.store.retry_task(id_of(stage, "cancelled"), "ann"));
                     }});
    verbs.push_back({.name = "drop what is dead", .ask = [](Stage& stage) {
                         return answer(stage.store.delete_task(id_of(stage, "failed"), "ann"));
                     }});
    verbs.push_back({.name = "delete what has a slot", .ask = [](Stage& stage) {
                         return answer(
                             stage.store.delete_task(id_of(stage, "for the slot"), "ann"));
                     }});
    verbs.push_back({.name = "delete by key", .ask = [](Stage& stage) {
                         return answer(stage.store.delete_task(id_of(stage, "keyed"), "ann"));
                     }});
    verbs.push_back({.name = "delete what is archived",
                     .ask =
                         [](Stage& stage) {
                             return answer(
                                 stage.store.delete_task(id_of(stage, "archived"), "ann"));
                         },
                     .steps = true});
    verbs.push_back({.name = "update", .ask = [](Stage& stage) {
                         const Task& task = stage.tasks.at("waits");
                         UpdateTask change{.title = "waits for others",
                                           .priority = 9,
                                           .project = "another",
                                           .capabilities = std::vector<std::string>{"gpu"},
                                           .add_dependencies = {id_of(stage, "free")},
                                           .remove_dependencies = {id_of(stage, "held")},
                                           .revision = task.revision};
                         change.concurrency_key.emplace("k");
                         change.concurrency_limit = 3;
                         return answer(stage.store.update_task(task.id, change));
                     }});
    verbs.push_back({.name = "update what waits no more", .ask = [](Stage& stage) {
                         const Task& task = stage.tasks.at("for the slot");
                         UpdateTask change{.revision = task.revision};
                         change.concurrency_key.emplace();
                         return answer(stage.store.update_task(task.id, change));
                     }});
}

void add_ageing(Verbs& verbs) {
    verbs.push_back({.name = "set the ageing",
                     .ask = [](Stage& stage) -> Result<std::string> {
                         TASKSTORE_LET(const auto set, stage.store.set_ageing(60'000));
                         return std::to_string(set.value.ms.value_or(0));
                     },
                     .again = Again::same});
    verbs.push_back({.name = "set the ageing, and rank what is pending",
                     .ask = [](Stage& stage) -> Result<std::string> {
                         TASKSTORE_TRY(stage.store.set_ageing(1'000));
                         return answer(stage.store.tend());
                     },
                     .steps = true});
}

void add_scheduling(Verbs& verbs) {
    verbs.push_back(
        {.name = "add a schedule",
         .ask =
             [](Stage& stage) {
                 return answer(stage.store.schedules().add_schedule(
                     {.timing = {.cron = "0 3 * * *"}, .made = {.task = {.title = "nightly"}}}));
             },
         .again = Again::twice});
    verbs.push_back({.name = "set a schedule", .ask = [](Stage& stage) {
                         const Schedule& was = stage.schedules.at(0);
                         return answer(stage.store.schedules().update_schedule(
                             was.id, {.paused = true, .revision = was.revision}));
                     }});
    verbs.push_back({.name = "remove a schedule", .ask = [](Stage& stage) {
                         return answer(stage.store.schedules().delete_schedule(
                             stage.schedules.at(0).id, "ann"));
                     }});
}

/// Of one that outlives what asks.
ArchiveFinder finder(TaskArchive& archive) {
    return [&archive] {
        return Result<std::shared_ptr<TaskArchive>>(
            std::shared_ptr<TaskArchive>(&archive, [](TaskArchive*) {}));
    };
}

void add_what_comes_late(Verbs& verbs) {
    const auto add = [&](std::string name, std::function<Result<std::string>(Stage&)> ask) {
        verbs.push_back(
            {.name = std::move(name), .ask = std::move(ask), .steps = true, .late = true});
    };
    add("archive", [](Stage& stage) {
        return answer(prune_tasks(stage.store, finder(stage.archive), {.age_ms = kHourMs}));
    });
    add("drop what has ended", [](Stage& stage) {
        return answer(
            prune_tasks(stage.store, finder(stage.archive), {.age_ms = kHourMs, .drop = true}));
    });
    add("fire schedules", [](Stage& stage) { return answer(stage.store.schedules().fire_due()); });
    add("rescue many", [](Stage& stage) {
        std::vector<WatchedTask> watched;
        for (const char* const title : {"seen", "held", "in the slot"})
            watched.push_back({.task_id = stage.tasks.at(title).id,
                               .fence = stage.tasks.at(title).fence,
                               .holder = "w",
                               .liveness = "l"});
        return answer(stage.store.rescue_tasks(watched, "dead"));
    });
    add("tend", [](Stage& stage) { return answer(stage.store.tend()); });
}

}  // namespace

std::vector<WritingVerb> writing_verbs() {
    Verbs verbs;
    add_making(verbs);
    add_claiming(verbs);
    add_ending(verbs);
    add_changing(verbs);
    add_ageing(verbs);
    add_scheduling(verbs);
    add_what_comes_late(verbs);
    return verbs;
}

void make_world(TaskStore& store, TaskArchive& archive) {
    completed(store, "archived");
    made(store, {.title = "free"});
    EXPECT_EQ(needed(prune_tasks(store, finder(archive), {})).gone, 1);
    made(store, {.title = "free too", .description = "of two", .project = "free", .priority = 5});
    completed(store, "done");
    completed(store, "done before");
    const Task failed = held(store, {.title = "failed", .retry = {.max_attempts = 1}});
    needed(store.fail_task({.task_id = failed.id, .fence = failed.fence}, {.error = "e"}));
    const Task cancelled =
        made(store, {.title = "cancelled", .concurrency_key = "k", .concurrency_limit = 1});
    needed(store.cancel_task(cancelled.id, "ann", ""));
    made(store, {.title = "keyed", .idempotency_key = "key"});
    made(store, {.title = "later", .not_before = 1'700'000'000'000 + kHourMs});
    made(store, {.title = "in time", .deadline = 1'700'000'000'000 + kHourMs});
    const Task held_one = held(store, {.title = "held"});
    const Task waits = made(store, {.title = "waits", .depends_on = {held_one.id}});
    made(store, {.title = "cancelled with it",
                 .depends_on = {held_one.id, waits.id},
                 .on_failed_dependency = OnFailedDependency::cancel});
    made(store, {.title = "runs anyway",
                 .depends_on = {held_one.id, waits.id},
                 .on_failed_dependency = OnFailedDependency::run,
                 .concurrency_key = "k",
                 .concurrency_limit = 1});
    held(store, {.title = "in the slot", .concurrency_key = "k", .concurrency_limit = 1});
    made(store, {.title = "for the slot", .concurrency_key = "k", .concurrency_limit = 1});
    const Task going = held(store, {.title = "to be cancelled"});
    needed(store.cancel_task(going.id, "ann", ""));
    held(store, {.title = "seen"}, {.liveness = "l"});
    needed(store.schedules().add_schedule(
        {.timing = {.every_ms = kHourMs},
         .catch_up = CatchUp::all,
         .made = {.task = {.title = "tick", .concurrency_key = "ticks", .concurrency_limit = 1}}}));
}

}  // namespace taskstore::tasks
