// Verbs of whoever works on tasks: claiming, renewing, ending, waiting.

#include "task_verbs.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/base/json.hpp>

#include <algorithm>
#include <utility>

namespace taskstore::cli {
namespace {

using tasks::Hold;
using tasks::Task;

Result<std::string> worker_of(Context& context) {
    if (context.call.has("worker")) return context.call.value("worker");
    if (const char* name = environment("TASKSTORE_TASK_WORKER")) return std::string(name);
    return task_actor(context);
}

Result<tasks::ClaimRequest> claim_of(Context& context) {
    tasks::ClaimRequest request;
    TASKSTORE_LET(request.worker, worker_of(context));
    TASKSTORE_LET(request.project, project_of(context));
    const Invocation& call = context.call;
    if (const auto found = call.options.find("capability"); found != call.options.end())
        request.capabilities = found->second;
    if (call.has("agent-type")) request.agent_type = call.value("agent-type");
    if (call.has("limit")) {
        TASKSTORE_LET(request.limit, number_of("limit", call.value("limit")));
    }
    if (call.has("lease")) {
        TASKSTORE_LET(request.lease_ms, duration_of("lease", call.value("lease")));
    }
    request.request_id = call.value("request-id");
    if (call.has("pid")) {
        TASKSTORE_LET(const std::int64_t pid, number_of("pid", call.value("pid")));
        TASKSTORE_LET(const work::RunFolder run, run_folder_of(context));
        TASKSTORE_LET(request.liveness, work::watch_process(context.files, run, pid));
    }
    return request;
}

/// How long who waits for tasks waits for the end of a move of their database.
constexpr std::int64_t kMoveMsMax = 60'000;

/// The same request gets the first answer again; what has become of it since, the answer does not
/// tell.
Status note_since(Context& context, tasks::TaskStore& store, const std::vector<Task>& claimed) {
    std::vector<std::string> ids;
    for (const Task& task : claimed) ids.push_back(task.id);
    TASKSTORE_LET(const auto now, store.get_tasks(ids));
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const bool held = now[i] && now[i]->fence == claimed[i].fence &&
                          now[i]->status == tasks::TaskStatus::in_progress;
        if (!held)
            context.warn(
                "this is the answer of an earlier claim: task " + ids[i] + " is " +
                (now[i] ? std::string(name_of(now[i]->status)) : "gone") + " by now" +
                (now[i] && now[i]->fence != claimed[i].fence ? ", under another claim" : ""));
    }
    return ok();
}

Result<std::vector<Task>> claim(Context& context, tasks::TaskStore& store,
                                const tasks::ClaimRequest& request) {
    TASKSTORE_LET(auto claimed, store.claim_tasks(request));
    context.level = claimed.level;
    // What was claimed is told, whatever comes after it.
    const auto or_say = [&](const Status& status) {
        if (!status) context.warn(status.error().message);
    };
    // The process may have died before anybody could watch it for this.
    if (request.liveness && !claimed.value.empty()) or_say(rescue_first(context, store));
    if (!request.request_id.empty()) or_say(note_since(context, store, claimed.value));
    return std::move(claimed.value);
}

void print_claimed(Context& context, const std::vector<Task>& claimed) {
    for (const Task& task : claimed)
        context.wrote += (context.wrote.empty() ? "claimed task " : ", ") + task.id;
    if (claimed.empty() && !context.json && !context.quiet)
        context.print("nothing to claim\n");
    else
        print_tasks(context, claimed);
}

/// The task that is meant, and the fence of its claim: from the command line, else from what
/// a worker gives to the commands that it runs.
Result<Hold> hold_of(Context& context, tasks::TaskStore& store) {
    Hold hold;
    const char* const own = environment("TASKSTORE_TASK_ID");
    if (!context.call.arguments.empty()) {
        TASKSTORE_LET(hold.task_id, task_id_of(store, context.call.arguments[0]));
    } else if (own != nullptr) {
        hold.task_id = own;
    } else {
        return fail(Code::invalid, "which task? neither an ID nor TASKSTORE_TASK_ID is given");
    }
    std::string fence = context.call.value("fence");
    const char* const own_fence = environment("TASKSTORE_TASK_FENCE");
    if (fence.empty() && own_fence != nullptr && own != nullptr && hold.task_id == own)
        fence = own_fence;
    if (!fence.empty()) {
        TASKSTORE_LET(hold.fence, number_of("fence", fence));
    }
    const char* const worker = environment("TASKSTORE_TASK_WORKER");
    if (hold.fence && worker != nullptr) {
        hold.actor = worker;
    } else if (!hold.fence) {
        TASKSTORE_LET(hold.actor, task_actor(context));
    }
    hold.request_id = context.call.value("request-id");
    return hold;
}

Result<std::optional<std::string>> maybe_text(Context& context, std::string_view option) {
    if (!context.call.has(option)) return std::optional<std::string>();
    TASKSTORE_LET(std::string text, text_option(context, option));
    return std::optional(std::move(text));
}

Result<std::optional<std::int64_t>> maybe_number(Context& context, std::string_view option) {
    if (!context.call.has(option)) return std::optional<std::int64_t>();
    TASKSTORE_LET(const std::int64_t number, number_of(option, context.call.value(option)));
    return std::optional(number);
}

}  // namespace

Status run_task_claim(Context& context) {
    TASKSTORE_LET(const tasks::ClaimRequest request, claim_of(context));
    TASKSTORE_LET(const auto store, open_tasks(context));
    TASKSTORE_TRY(rescue_first(context, *store));
    TASKSTORE_LET(const auto claimed, claim(context, *store, request));
    print_claimed(context, claimed);
    return ok();
}

Status run_task_next(Context& context) {
    if (!context.call.has("wait")) return run_task_claim(context);
    TASKSTORE_LET(const tasks::ClaimRequest request, claim_of(context));
    TASKSTORE_LET(const std::int64_t deadline_ns, deadline_of(context, "wait"));
    TASKSTORE_LET(const auto store,
                  open_tasks_to_stay(context, {.ms = kMoveMsMax, .until_boot_ns = deadline_ns}));
    TASKSTORE_LET(const auto waiter, store->waiter());
    // Frees what workers held that die meanwhile; that wakes the waiter.
    work::RunFolder watched;
    std::unique_ptr<work::Watch> watch;
    TASKSTORE_TRY(rescue_first(context, *store));
    TASKSTORE_LET(const config::Config* const settings, context.settings());
    const work::SessionWatch sessions(*store, context.clock,
                                      {.grace_ms = settings->integer("tasks.session_grace_ms"),
                                       .run = [&store] { return store->at()->run; },
                                       .warn = [&](const auto& what) { context.warn(what); }});
    work::ClaimWait wait(context.clock, context.random);
    // What the same request was answered before no outlook tells.
    bool asks_again = !request.request_id.empty();
    while (true) {
        TASKSTORE_LET(const tasks::Outlook outlook, store->outlook(request));
        if (std::exchange(asks_again, false) || outlook.claimable) {
            TASKSTORE_LET(const auto claimed, claim(context, *store, request));
            if (!claimed.empty()) {
                print_claimed(context, claimed);
                context.tell_now();
                return ok();
            }
        }
        if (const work::RunFolder run = store->at()->run; !watch || run != watched) {
            TASKSTORE_LET(watch, work::Watch::start(*store, context.files, watched = run,
                                                    [&](const auto& what) { context.warn(what); }));
        }
        const std::int64_t until_ns = wait.until_ns(outlook, outlook.claimable);
        TASKSTORE_TRY(waiter->wait(until_ns == 0 ? deadline_ns : std::min(until_ns, deadline_ns)));
        if (context.clock.boot_ns() >= deadline_ns)
            return waited_in_vain("there was nothing to claim in " + context.call.value("wait"));
    }
}

Status run_task_renew(Context& context) {
    TASKSTORE_LET(const auto store, open_tasks(context));
    TASKSTORE_LET(const Hold hold, hold_of(context, *store));
    std::optional<std::int64_t> lease_ms;
    if (context.call.has("lease")) {
        TASKSTORE_LET(lease_ms, duration_of("lease", context.call.value("lease")));
    }
    TASKSTORE_LET(const auto written, store->renew_task(hold, lease_ms));
    const bool cancelled = written.value.status == tasks::TaskStatus::cancelled;
    print_task_written(context, written, cancelled ? "cancelled, and no longer held:" : "renewed");
    return ok();
}

Status run_task_complete(Context& context) {
    TASKSTORE_LET(const auto store, open_tasks(context));
    TASKSTORE_LET(const Hold hold, hold_of(context, *store));
    tasks::Completion completion;
    TASKSTORE_LET(completion.result, maybe_text(context, "result"));
    TASKSTORE_LET(completion.exit_code, maybe_number(context, "exit-code"));
    TASKSTORE_LET(completion.logs, maybe_text(context, "logs"));
    TASKSTORE_LET(const auto written, store->complete_task(hold, completion));
    print_task_written(context, written, "completed");
    return ok();
}

Status run_task_fail(Context& context) {
    TASKSTORE_LET(const auto store, open_tasks(context));
    TASKSTORE_LET(const Hold hold, hold_of(context, *store));
    tasks::FailedAttempt attempt{.error = context.call.value("error", "no reason given")};
    if (context.call.has("class")) {
        attempt.error_class = tasks::error_class_of(context.call.value("class"));
        if (!attempt.error_class)
            return fail(Code::invalid, "'" + context.call.value("class") + "' is no class")
                .with_hint("infra, logic, policy or timeout");
    }
    TASKSTORE_LET(attempt.exit_code, maybe_number(context, "exit-code"));
    TASKSTORE_LET(attempt.logs, maybe_text(context, "logs"));
    attempt.final = context.call.has("final");
    TASKSTORE_LET(const auto written, store->fail_task(hold, attempt));
    const bool again = written.value.status == tasks::TaskStatus::pending;
    print_task_written(context, written, again ? "failed, to be tried again:" : "failed");
    return ok();
}

Status run_task_release(Context& context) {
    TASKSTORE_LET(const auto store, open_tasks(context));
    TASKSTORE_LET(const Hold hold, hold_of(context, *store));
    TASKSTORE_LET(const auto written, store->release_task(hold, context.call.value("reason")));
    print_task_written(context, written, "released");
    return ok();
}

Status run_task_cancel(Context& context) {
    TASKSTORE_LET(const std::string actor, task_actor(context));
    TASKSTORE_LET(const auto store, open_tasks(context));
    TASKSTORE_LET(const std::string id, task_id_of(*store, context.call.arguments[0]));
    TASKSTORE_LET(const auto written, store->cancel_task(id, actor, context.call.value("reason")));
    const bool asked = written.value.status == tasks::TaskStatus::in_progress;
    print_task_written(context, written, asked ? "asked its holder to cancel" : "cancelled");
    return ok();
}

Status run_task_retry(Context& context) {
    TASKSTORE_LET(const std::string actor, task_actor(context));
    TASKSTORE_LET(const auto store, open_tasks(context));
    TASKSTORE_LET(const std::string id, task_id_of(*store, context.call.arguments[0]));
    TASKSTORE_LET(const auto written, store->retry_task(id, actor));
    print_task_written(context, written, "to be tried again:");
    return ok();
}

namespace {

/// Those that the command line names, each dead.
Result<std::vector<Task>> dead_tasks(Context& context, tasks::TaskStore& store) {
    std::vector<Task> dead;
    std::vector<std::string> ids = context.call.arguments;
    TASKSTORE_TRY(complete_ids(store, ids));
    for (const std::string& id : ids) {
        TASKSTORE_LET(auto task, store.get_task(id));
        if (!task) return no_such_task(id);
        if (!task->dead_at)
            return fail(Code::conflict, "task '" + id + "' is not dead: it is " +
                                            std::string(name_of(task->status)))
                .with_hint("'taskstore task dead list' lists those that are");
        dead.push_back(std::move(*task));
    }
    return dead;
}

}  // namespace

Status run_task_dead_retry(Context& context) {
    TASKSTORE_LET(const std::string actor, task_actor(context));
    TASKSTORE_LET(const auto store, open_tasks(context));
    TASKSTORE_LET(auto dead, dead_tasks(context, *store));
    for (Task& task : dead) {
        TASKSTORE_LET(auto written, store->retry_task(task.id, actor));
        task = std::move(written.value);
        context.survives(written.level);
        context.wrote += (context.wrote.empty() ? "to be tried again: " : ", ") + task.id;
    }
    print_tasks(context, dead);
    return ok();
}

Status run_task_dead_drop(Context& context) {
    TASKSTORE_LET(const std::string actor, task_actor(context));
    const tasks::ArchiveFinder archive = archive_of_command(context);
    TASKSTORE_LET(const auto store, open_tasks(context, archive));
    TASKSTORE_LET(const auto dead, dead_tasks(context, *store));
    std::string data;
    JsonWriter writer(data);
    writer.begin_array();
    for (const Task& task : dead) {
        TASKSTORE_LET(const sql::DurabilityLevel level, store->delete_task(task.id, actor));
        context.survives(level);
        context.wrote += (context.wrote.empty() ? "removed " : ", ") + task.id;
        writer.begin_object().key("id").string(task.id).end_object();
    }
    writer.end_array();
    if (!dead.empty()) note_copies_that_stay(context, archive);
    if (context.json)
        context.print_json("task_removed_list", data);
    else
        context.print(context.wrote + "\n");
    return ok();
}

Status run_task_wait(Context& context) {
    TASKSTORE_LET(const std::int64_t deadline_ns, deadline_of(context, "timeout"));
    TASKSTORE_LET(const auto store,
                  open_tasks_to_stay(context, {.ms = kMoveMsMax, .until_boot_ns = deadline_ns}));
    TASKSTORE_LET(const auto waiter, store->waiter());
    std::vector<std::string> ids = context.call.arguments;
    TASKSTORE_TRY(complete_ids(*store, ids));
    while (true) {
        std::vector<Task> ended;
        for (const std::string& id : ids) {
            TASKSTORE_LET(auto task, store->get_task(id));
            if (!task) return no_such_task(id);
            if (!tasks::is_open(*task)) ended.push_back(std::move(*task));
        }
        if (ended.size() == ids.size()) {
            print_tasks(context, ended);
            context.tell_now();
            return ok();
        }
        TASKSTORE_TRY(waiter->wait(deadline_ns));
        if (deadline_ns != 0 && context.clock.boot_ns() >= deadline_ns)
            return waited_in_vain(std::to_string(ids.size() - ended.size()) + " of " +
                                  std::to_string(ids.size()) + " tasks have not ended in " +
                                  context.call.value("timeout"));
    }
}

}  // namespace taskstore::cli
