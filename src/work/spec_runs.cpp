#include <taskstore/base/hash.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/records/collection.hpp>
#include <taskstore/work/spec_runs.hpp>

#include <algorithm>
#include <set>

namespace taskstore::work {

using records::Execution;
using records::Filter;
using records::Op;
using records::TaskSpec;
using tasks::Task;
using tasks::TaskStatus;

/// What the end of a claim makes of its execution and of the spec.
struct SpecRuns::Ending {
    std::string_view execution;  ///< Its status.
    std::string_view spec;       ///< Empty: it stays as it is.
    std::string error = {};
};

/// A spec with an execution whose task could not be asked for.
struct SpecRuns::Unasked {
    std::string spec_id;
    Error error;
};

namespace {

constexpr std::string_view kSpecs = "task_specs";
constexpr std::string_view kExecutions = "executions";
/// Of a task's metadata: `{"created_at":…}` of the spec. People may give ids, so that another plan
/// may have a spec of the same one.
constexpr std::string_view kSpecMember = "_spec";
constexpr int kEnqueueTriesMax = 8;

std::string json_text(std::string_view text) {
    std::string out;
    JsonWriter(out).string(text);
    return out;
}

ledger::Change change(std::string name, std::string_view text) {
    return {std::move(name), json_text(text)};
}

records::Write update_of(std::string_view collection, std::string id,
                         std::vector<ledger::Change> changes) {
    return {.kind = records::WriteKind::update,
            .collection = std::string(collection),
            .id = std::move(id),
            .changes = std::move(changes)};
}

/// Of one claim of one task.
std::string execution_id_of(const Task& task) {
    return task.id + "-" + std::to_string(task.fence);
}

/// The claim that an execution is of; nothing: it is of no task.
std::optional<std::pair<std::string, std::int64_t>> claim_of(const std::string& execution_id) {
    const std::size_t dash = execution_id.rfind('-');
    if (dash == std::string::npos) return std::nullopt;
    const auto fence = raw_to_int64(std::string_view(execution_id).substr(dash + 1));
    if (!fence) return std::nullopt;
    return std::pair(execution_id.substr(0, dash), *fence);
}

records::Query where(std::string_view collection, std::string_view field, std::string_view value) {
    return {.collection = std::string(collection),
            .filter = Filter::compare(std::string(field), Op::eq, json_text(value))};
}

records::Query executions_of(std::string_view field, std::string_view value) {
    return where(kExecutions, field, value);
}

/// As it stands in the plan.
Result<std::string> created_at_of(const records::Record& spec) {
    TASKSTORE_LET(const Json data, Json::parse(spec.data));
    return data.get("created_at").to_text();
}

/// False: of a spec of the same id, in another plan. True where it does not say.
bool is_of(const Task& task, std::string_view created_at) {
    const auto metadata = Json::parse(task.metadata);
    if (!metadata || !metadata->has(kSpecMember)) return true;
    return metadata->get(kSpecMember).get("created_at").to_text() == created_at;
}

Result<std::string> metadata_with(std::string_view created_at, std::string_view metadata) {
    TASKSTORE_LET(const Json given, Json::parse(metadata));
    // The queue says what is wrong with it.
    if (given.kind() != JsonKind::object) return std::string(metadata);
    std::string out;
    JsonWriter writer(out);
    writer.begin_object();
    for (const std::string& name : given.names())
        if (name != kSpecMember) writer.key(name).raw(given.get(name).to_text());
    writer.key(kSpecMember).begin_object().key("created_at").raw(created_at).end_object();
    writer.end_object();
    return out;
}

}  // namespace

SpecRuns::SpecRuns(records::Plan& plan, tasks::TaskStore& store, SpecRunsOptions options)
    : x_plan(plan), x_store(store), x_options(std::move(options)) {}

Result<EnqueuedSpec> SpecRuns::enqueue(const std::string& spec_id, const tasks::CreateTask& task) {
    for (int i = 0; i < kEnqueueTriesMax; ++i) {
        TASKSTORE_LET(auto enqueued, enqueue_once(spec_id, task));
        // Else who asked at the same time made it, and it has ended already.
        if (tasks::is_open(enqueued.task)) return enqueued;
    }
    return fail(Code::unavailable,
                "tasks of the spec " + spec_id + " are made and end while this asks for one")
        .with_hint("ask again");
}

Result<std::vector<Task>> SpecRuns::tasks_of(const std::string& spec_id,
                                             std::string_view created_at) {
    std::vector<Task> out;
    tasks::TaskFilter filter{
        .spec_id = spec_id, .order = tasks::TaskOrder::created, .descending = true};
    do {
        TASKSTORE_LET(tasks::TaskPage page, x_store.list_tasks(filter));
        std::ranges::copy_if(page.tasks, std::back_inserter(out),
                             [&](const Task& one) { return is_of(one, created_at); });
        filter.after = std::move(page.next_cursor);
    } while (!filter.after.empty());
    return out;
}

Result<EnqueuedSpec> SpecRuns::enqueue_once(const std::string& spec_id, tasks::CreateTask task) {
    std::vector<Unasked> unasked;
    TASKSTORE_TRY(settle(unasked));
    TASKSTORE_LET(records::Record record, x_plan.get(kSpecs, spec_id));
    TASKSTORE_LET(const std::string created_at, created_at_of(record));
    TASKSTORE_LET(const std::vector<Task> earlier, tasks_of(spec_id, created_at));
    if (const auto open = std::ranges::find_if(earlier, tasks::is_open); open != earlier.end())
        return EnqueuedSpec{*open, false};
    TASKSTORE_LET(const bool heard, hear_of(record, earlier));
    if (heard) {
        TASKSTORE_LET(record, x_plan.get(kSpecs, spec_id));
    }
    TASKSTORE_LET(const TaskSpec spec, records::record_as<TaskSpec>(record));
    if (spec.status == records::TaskSpecStatus::complete)
        return fail(Code::conflict, "the spec " + spec_id + " is complete")
            .with_hint("'taskstore spec set " + spec_id + " --status pending' takes it up again");
    if (spec.status == records::TaskSpecStatus::running) {
        // Nobody may be at it: the queue, or its archive, could not say.
        if (const auto one = std::ranges::find(unasked, spec_id, &Unasked::spec_id);
            one != unasked.end())
            return fail(one->error);
        return fail(Code::conflict, "the spec " + spec_id + " is being worked on" +
                                        (spec.assigned_to ? " by " + *spec.assigned_to : ""))
            .with_hint("'taskstore spec set " + spec_id + " --status pending' gives it back");
    }
    if (task.title.empty()) task.title = spec.phase_name;
    if (!task.description && !spec.description.empty()) task.description = spec.description;
    if (task.input == "null") task.input = record.data;
    task.spec_id = spec_id;
    TASKSTORE_LET(task.metadata, metadata_with(created_at, task.metadata));
    // Who asks at once for the same spec sees the same tasks before this one; their order goes by
    // the clocks of those who made them.
    std::set<std::string> before;
    for (const Task& one : earlier) before.insert(one.id);
    std::string ids;
    for (const std::string& id : before) ids += id + "\n";
    task.idempotency_key = "spec:" + spec_id + ":" + created_at + ":" + sha256_hex(ids);
    TASKSTORE_LET(auto made, x_store.create_task(task));
    return EnqueuedSpec{std::move(made.value), true, made.level};
}

Result<std::optional<records::Record>> SpecRuns::spec_of(const Task& task) {
    if (!task.spec_id) return std::optional<records::Record>();
    auto found = x_plan.get(kSpecs, *task.spec_id);
    if (!found && found.error().code == Code::not_found) return std::optional<records::Record>();
    if (!found) return fail(std::move(found).error());
    TASKSTORE_LET(const std::string created_at, created_at_of(*found));
    if (!is_of(task, created_at)) return std::optional<records::Record>();
    return std::optional(std::move(*found));
}

Status SpecRuns::began(const Task& task) {
    TASKSTORE_LET(const auto record, spec_of(task));
    if (!record) return ok();
    TASKSTORE_LET(const TaskSpec spec, records::record_as<TaskSpec>(*record));
    const std::string& spec_id = *task.spec_id;
    TASKSTORE_LET(const records::Page before, x_plan.list(executions_of("ts_id", spec_id)));
    std::vector<records::Write> writes;
    for (const records::Record& one : before.records) {
        if (one.id == execution_id_of(task)) return ok();  // The same claim, told twice.
        const auto claim = claim_of(one.id);
        TASKSTORE_LET(const Execution execution, records::record_as<Execution>(one));
        if (!claim || claim->first != task.id ||
            execution.status != records::ExecutionStatus::running)
            continue;
        writes.push_back(update_of(
            kExecutions, one.id,
            {change("status", "stopped"), change("error_message", "its worker is gone")}));
    }
    const std::string branch = x_options.branch_name ? x_options.branch_name() : std::string();
    writes.push_back({.kind = records::WriteKind::create,
                      .collection = std::string(kExecutions),
                      .id = execution_id_of(task),
                      .changes = {change("ts_id", spec_id),
                                  change("worktree_path", x_options.worktree_path),
                                  change("branch_name", branch),
                                  change("status", "running"),
                                  change("current_phase", spec.phase_name),
                                  {"iteration_count", std::to_string(before.records.size() + 1)}}});
    if (spec.status != records::TaskSpecStatus::complete)
        writes.push_back(update_of(kSpecs, spec_id,
                                   {change("status", "running"),
                                    change("assigned_to", task.assigned_to.value_or("somebody"))}));
    TASKSTORE_TRY(x_plan.write(std::move(writes)));
    return ok();
}

Status SpecRuns::ended(const Finished& finished) {
    const Task& task = finished.task;
    TASKSTORE_LET(const auto record, spec_of(task));
    if (!record) return ok();
    Ending ending{.execution = "stopped", .spec = "pending", .error = finished.error};
    switch (finished.outcome) {
        case Outcome::completed:
            ending = {.execution = "complete", .spec = "complete"};
            break;
        case Outcome::failed:
            ending.execution = "failed";
            ending.spec = "failed";
            break;
        case Outcome::again:
            ending.execution = "failed";
            break;
        case Outcome::cancelled:
        case Outcome::released:
            break;
        case Outcome::lost:
            ending.spec = "";
            break;
        case Outcome::unwritten:
            return ok();  // The queue will know; settle() asks it.
    }
    return close(execution_id_of(task), *task.spec_id, ending);
}

Status SpecRuns::close(const std::string& execution_id, const std::string& spec_id,
                       const Ending& ending) {
    std::vector<records::Write> writes;
    auto execution = x_plan.get(kExecutions, execution_id);
    if (!execution && execution.error().code != Code::not_found)
        return fail(std::move(execution).error());
    if (execution) {
        TASKSTORE_LET(const Execution typed, records::record_as<Execution>(*execution));
        if (typed.status == records::ExecutionStatus::running) {
            std::vector<ledger::Change> changes{change("status", ending.execution)};
            if (!ending.error.empty()) changes.push_back(change("error_message", ending.error));
            writes.push_back(update_of(kExecutions, execution_id, std::move(changes)));
        }
    }
    if (!ending.spec.empty()) {
        TASKSTORE_LET(const TaskSpec spec,
                      records::Collection<TaskSpec>(x_plan).get(Id<TaskSpec>(spec_id)));
        // Whatever a person has made of it meanwhile holds.
        if (spec.status == records::TaskSpecStatus::running) {
            std::vector<ledger::Change> changes{change("status", ending.spec)};
            if (ending.spec == "pending") changes.push_back({"assigned_to", ""});
            writes.push_back(update_of(kSpecs, spec_id, std::move(changes)));
        }
    }
    if (!writes.empty()) TASKSTORE_TRY(x_plan.write(std::move(writes)));
    return ok();
}

/// What workers elsewhere, and whoever completed it by hand, did not tell the plan: the newest of
/// the spec's `tasks`, where it was carried out and has no execution.
Result<bool> SpecRuns::hear_of(const records::Record& spec, std::span<const Task> tasks) {
    TASKSTORE_LET(const TaskSpec typed, records::record_as<TaskSpec>(spec));
    if (typed.status != records::TaskSpecStatus::pending) return false;
    const auto last = std::ranges::max_element(
        tasks, {}, [](const Task& task) { return task.completed_at.value_or(0); });
    if (last == tasks.end() || last->fence == 0) return false;
    const bool complete = last->status == TaskStatus::completed;
    if (!complete && last->status != TaskStatus::failed) return false;
    const auto told = x_plan.get(kExecutions, execution_id_of(*last));
    if (told || told.error().code != Code::not_found)
        return told ? Result<bool>(false) : fail(told.error());
    TASKSTORE_LET(const records::Page before, x_plan.list(executions_of("ts_id", spec.id)));
    const std::string_view status = complete ? "complete" : "failed";
    std::vector<ledger::Change> execution{
        change("ts_id", spec.id),
        change("status", status),
        change("current_phase", typed.phase_name),
        {"iteration_count", std::to_string(before.records.size() + 1)}};
    if (last->error) execution.push_back(change("error_message", *last->error));
    std::vector<ledger::Change> changes{change("status", status)};
    if (last->assigned_to) changes.push_back(change("assigned_to", *last->assigned_to));
    std::vector<records::Write> writes;
    writes.push_back({.kind = records::WriteKind::create,
                      .collection = std::string(kExecutions),
                      .id = execution_id_of(*last),
                      .changes = std::move(execution)});
    writes.push_back(update_of(kSpecs, spec.id, std::move(changes)));
    TASKSTORE_TRY(x_plan.write(std::move(writes)));
    return true;
}

Result<std::int64_t> SpecRuns::settle() {
    std::vector<Unasked> unasked;
    TASKSTORE_LET(std::int64_t settled, settle(unasked));
    TASKSTORE_LET(const records::Page pending, x_plan.list(where(kSpecs, "status", "pending")));
    for (const records::Record& spec : pending.records) {
        TASKSTORE_LET(const std::string created_at, created_at_of(spec));
        TASKSTORE_LET(const std::vector<Task> tasks, tasks_of(spec.id, created_at));
        if (std::ranges::any_of(tasks, tasks::is_open)) continue;
        TASKSTORE_LET(const bool heard, hear_of(spec, tasks));
        if (heard) ++settled;
    }
    return settled;
}

Result<std::int64_t> SpecRuns::settle(std::vector<Unasked>& unasked) {
    TASKSTORE_LET(const records::Page open, x_plan.list(executions_of("status", "running")));
    std::int64_t settled = 0;
    for (const records::Record& one : open.records) {
        const auto claim = claim_of(one.id);
        if (!claim) continue;
        const auto found = x_store.get_task(claim->first);
        // It may be archived: what cannot be asked now is settled when it can.
        if (!found && found.error().code == Code::unavailable) {
            TASKSTORE_LET(const Execution execution, records::record_as<Execution>(one));
            unasked.push_back({.spec_id = execution.ts_id.text(), .error = found.error()});
            continue;
        }
        if (!found) return fail(found.error());
        const std::optional<Task>& task = *found;
        // Of another device's queue, or still at work.
        if (!task || (task->status == TaskStatus::in_progress && task->fence == claim->second))
            continue;
        TASKSTORE_LET(const Execution execution, records::record_as<Execution>(one));
        Ending ending{.execution = "stopped", .spec = "pending", .error = "its worker is gone"};
        const bool last = task->fence == claim->second;
        if (task->status == TaskStatus::completed && last)
            ending = {.execution = "complete", .spec = "complete"};
        else if (task->status == TaskStatus::failed && last)
            ending = {.execution = "failed", .spec = "failed", .error = task->error.value_or("")};
        else if (!last)
            ending.spec = "";
        TASKSTORE_TRY(close(one.id, execution.ts_id.text(), ending));
        ++settled;
    }
    return settled;
}

}  // namespace taskstore::work
