// Where the plan meets the queue: a spec becomes a task, workers show their runs in the plan, and
// executions wait for each other.

#include "task_verbs.hpp"
#include "written.hpp"

#include <taskstore/os/watch.hpp>
#include <taskstore/records/collection.hpp>

namespace taskstore::cli {
namespace {

using records::Dependency;
using records::DependencyType;

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::string_view kDependencies = "dependencies";

/// The branch that is checked out; empty: none, or no git.
std::string branch_of(Context& context) {
    const auto repository = context.repository();
    if (!repository) return {};
    const auto head = repository->run({"symbolic-ref", "--short", "--quiet", "HEAD"});
    if (!head || head->exit_code != 0) return {};
    std::string branch = head->output;
    while (branch.ends_with('\n')) branch.pop_back();
    return branch;
}

std::string worktree_of(Context& context) {
    const auto repository = context.repository();
    return repository && !repository->work_tree().empty() ? repository->work_tree()
                                                          : context.absolute(".");
}

/// Who asks waits: for the answer to a query, for what others tell and share.
bool waits(const Dependency& dependency, const std::string& execution) {
    const auto& who = dependency.dependency_type == DependencyType::query ? dependency.from_exec_id
                                                                          : dependency.to_exec_id;
    return who.text() == execution;
}

struct Waited {
    std::vector<records::Record> resolved;
    std::size_t open = 0;
};

Result<Waited> look(records::Plan& plan, const std::string& execution) {
    TASKSTORE_LET(const records::Page page, plan.list({.collection = std::string(kDependencies)}));
    Waited waited;
    for (const records::Record& record : page.records) {
        TASKSTORE_LET(const Dependency dependency, records::record_as<Dependency>(record));
        if (!waits(dependency, execution)) continue;
        if (dependency.resolved_at)
            waited.resolved.push_back(record);
        else
            ++waited.open;
    }
    return waited;
}

void print_waited(Context& context, const std::vector<records::Record>& resolved) {
    if (context.json) {
        std::string data = "[";
        for (const records::Record& record : resolved)
            data += (data.size() > 1 ? "," : "") + json_of(record);
        context.print_json("dependency_list", data + "]");
        return;
    }
    if (context.quiet) return;
    context.print("it waits for nothing" +
                  (resolved.empty()
                       ? std::string()
                       : ": " + counted(std::ssize(resolved), "dependency is", "dependencies are") +
                             " resolved") +
                  "\n");
}

}  // namespace

Result<std::unique_ptr<work::SpecRuns>> spec_runs_of(Context& context, tasks::TaskStore& store) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    return std::make_unique<work::SpecRuns>(
        *plan, store,
        work::SpecRunsOptions{.worktree_path = worktree_of(context),
                              .branch_name = [&context] { return branch_of(context); }});
}

Status run_spec_enqueue(Context& context) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const std::string id, plan->resolve("task_specs", context.call.arguments[0]));
    TASKSTORE_LET(tasks::CreateTask task, new_task_of(context));
    TASKSTORE_LET(const auto store, open_tasks(context));
    TASKSTORE_TRY(complete_references(*store, task));
    TASKSTORE_TRY(rescue_first(context, *store));
    TASKSTORE_LET(const auto runs, spec_runs_of(context, *store));
    TASKSTORE_LET(const work::EnqueuedSpec enqueued, runs->enqueue(id, std::move(task)));
    if (enqueued.level) context.survives(*enqueued.level);
    print_task(context, enqueued.task,
               (enqueued.made ? "created task " : "there is task ") + enqueued.task.id);
    return ok();
}

Status run_dependency_resolve(Context& context) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const std::string id, plan->resolve(kDependencies, context.call.arguments[0]));
    records::Write write{.kind = records::WriteKind::update,
                         .collection = std::string(kDependencies),
                         .id = id,
                         .changes = {}};
    TASKSTORE_LET(const records::Record standing, plan->get(kDependencies, id));
    TASKSTORE_LET(const Dependency dependency, records::record_as<Dependency>(standing));
    // Its time is that of the first word.
    if (!dependency.resolved_at) write.changes.push_back({"resolved_at", "true"});
    if (context.call.has("payload")) {
        TASKSTORE_LET(const std::string payload, text_option(context, "payload"));
        write.changes.push_back({"payload", quoted(payload)});
    }
    TASKSTORE_LET(const records::Written written, plan->write({std::move(write)}));
    return print_written(context, written, "resolved");
}

Status run_dependency_wait(Context& context) {
    if (!context.call.has("for"))
        return fail(Code::invalid, "whom it is for is missing")
            .with_hint("taskstore dependency wait --for EXECUTION");
    TASKSTORE_LET(const std::int64_t deadline_ns, deadline_of(context, "timeout"));
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const std::string id, plan->resolve("executions", context.call.value("for")));
    TASKSTORE_LET(const std::string folder, context.ledger_folder());
    // Before the first look: what changes after it wakes.
    TASKSTORE_LET(auto watch, os::FolderWatch::open(context.files, folder));
    while (true) {
        TASKSTORE_LET(const Waited waited, look(*plan, id));
        if (waited.open == 0) {
            print_waited(context, waited.resolved);
            context.tell_now();
            return ok();
        }
        std::optional<std::int64_t> left_ms;
        if (deadline_ns != 0) {
            left_ms = (deadline_ns - context.clock.boot_ns() + kNsPerMs - 1) / kNsPerMs;
            if (*left_ms <= 0)
                return waited_in_vain(counted(static_cast<std::int64_t>(waited.open),
                                              "dependency is", "dependencies are") +
                                      " not resolved after " + context.call.value("timeout"));
        }
        TASKSTORE_LET(const os::FolderChange change, watch.wait(left_ms));
        if (change.kind == os::FolderChange::Kind::gone)
            return fail(Code::unavailable, "the store's folder is gone: " + folder);
    }
}

}  // namespace taskstore::cli
