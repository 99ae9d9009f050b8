// Verbs that make, change, list and show tasks.

#include "task_verbs.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/base/json.hpp>

namespace taskstore::cli {
namespace {

using tasks::Task;
using tasks::TaskStore;

Result<std::int64_t> priority_of(const std::string& text) {
    if (const auto word = tasks::priority_of(text)) return *word;
    auto number = number_of("priority", text);
    if (!number)
        return fail(Code::invalid, "'" + text + "' is no priority")
            .with_hint("low, normal, high, urgent, or a number in -100..100");
    return number;
}

/// Calls `use` with the option's value, where it is given.
template <typename Use>
Status with(Context& context, std::string_view option, const Use& use) {
    if (!context.call.has(option)) return ok();
    TASKSTORE_LET(const std::string text, text_option(context, option));
    return use(text);
}

/// Of --max-attempts, --backoff and so on, over what there is.
Status read_retry(Context& context, tasks::RetryPolicy& retry) {
    const auto number = [&](std::string_view option, std::int64_t& into) {
        return with(context, option, [&](const std::string& text) -> Status {
            TASKSTORE_LET(into, number_of(option, text));
            return ok();
        });
    };
    const auto duration = [&](std::string_view option, std::int64_t& into) {
        return with(context, option, [&](const std::string& text) -> Status {
            TASKSTORE_LET(into, duration_of(option, text));
            return ok();
        });
    };
    TASKSTORE_TRY(number("max-attempts", retry.max_attempts));
    TASKSTORE_TRY(number("max-rescues", retry.max_rescues));
    TASKSTORE_TRY(number("jitter", retry.jitter));
    TASKSTORE_TRY(duration("backoff-base", retry.base_ms));
    TASKSTORE_TRY(duration("backoff-cap", retry.cap_ms));
    return with(context, "backoff", [&](const std::string& text) -> Status {
        const auto word = tasks::backoff_of(text);
        if (!word)
            return fail(Code::invalid, "'" + text + "' is no backoff")
                .with_hint("none, linear, exponential or fibonacci");
        retry.backoff = *word;
        return ok();
    });
}

bool has_retry(const Invocation& call) {
    for (const char* option :
         {"max-attempts", "max-rescues", "jitter", "backoff-base", "backoff-cap", "backoff"})
        if (call.has(option)) return true;
    return false;
}

Result<tasks::OnFailedDependency> policy_of(const std::string& text) {
    const auto word = tasks::on_failed_dependency_of(text);
    if (!word)
        return fail(Code::invalid, "'" + text + "' is no policy").with_hint("block, cancel or run");
    return *word;
}

std::vector<std::string> list_of(const Invocation& call, std::string_view option) {
    const auto found = call.options.find(option);
    if (found == call.options.end()) return {};
    std::vector<std::string> words;
    for (const std::string& word : found->second)
        if (!word.empty()) words.push_back(word);
    return words;
}

/// A filled change of every field that the command line names.
Status read_change(Context& context, tasks::UpdateTask& change) {
    const auto text = [&](std::string_view option, auto& into) {
        return with(context, option, [&](const std::string& value) -> Status {
            into = value;
            return ok();
        });
    };
    const auto maybe_text = [&](std::string_view option,
                                std::optional<std::optional<std::string>>& into) {
        return with(context, option, [&](const std::string& value) -> Status {
            into = value.empty() ? std::nullopt : std::optional(value);
            return ok();
        });
    };
    const auto maybe_time = [&](std::string_view option,
                                std::optional<std::optional<std::int64_t>>& into) {
        return with(context, option, [&](const std::string& value) -> Status {
            into.emplace();
            if (value.empty()) return ok();
            TASKSTORE_LET(const std::int64_t at, time_of(context, option, value));
            *into = at;
            return ok();
        });
    };
    TASKSTORE_TRY(text("title", change.title));
    TASKSTORE_TRY(maybe_text("description", change.description));
    TASKSTORE_TRY(maybe_text("command", change.command));
    TASKSTORE_TRY(text("input", change.input));
    TASKSTORE_TRY(text("metadata", change.metadata));
    TASKSTORE_TRY(text("project", change.project));
    TASKSTORE_TRY(maybe_text("agent-type", change.agent_type));
    TASKSTORE_TRY(maybe_text("parent", change.parent));
    TASKSTORE_TRY(maybe_text("concurrency-key", change.concurrency_key));
    TASKSTORE_TRY(maybe_text("spec", change.spec_id));
    TASKSTORE_TRY(maybe_time("not-before", change.not_before));
    TASKSTORE_TRY(maybe_time("deadline", change.deadline));
    TASKSTORE_TRY(with(context, "priority", [&](const std::string& value) -> Status {
        TASKSTORE_LET(change.priority, priority_of(value));
        return ok();
    }));
    TASKSTORE_TRY(with(context, "lease", [&](const std::string& value) -> Status {
        TASKSTORE_LET(change.lease_ms, duration_of("lease", value));
        return ok();
    }));
    TASKSTORE_TRY(with(context, "timeout", [&](const std::string& value) -> Status {
        change.timeout_ms.emplace();
        if (value.empty()) return ok();
        TASKSTORE_LET(const std::int64_t ms, duration_of("timeout", value));
        *change.timeout_ms = ms;
        return ok();
    }));
    if (context.call.has("shell") && context.call.has("no-shell"))
        return fail(Code::invalid, "--shell and --no-shell contradict each other: choose one");
    if (context.call.has("shell") || context.call.has("no-shell"))
        change.shell = context.call.has("shell");
    TASKSTORE_TRY(with(context, "concurrency-limit", [&](const std::string& value) -> Status {
        TASKSTORE_LET(change.concurrency_limit, number_of("concurrency-limit", value));
        return ok();
    }));
    TASKSTORE_TRY(with(context, "on-failed-dependency", [&](const std::string& value) -> Status {
        TASKSTORE_LET(change.on_failed_dependency, policy_of(value));
        return ok();
    }));
    if (context.call.has("capability")) change.capabilities = list_of(context.call, "capability");
    return ok();
}

std::string title_line(const std::string& name, const std::string& value) {
    std::string left = name;
    left.append(left.size() < 20 ? 20 - left.size() : 1, ' ');
    return left + value + "\n";
}

std::string comma_list(const std::vector<std::string>& words) {
    std::string out;
    for (const std::string& word : words) out += (out.empty() ? "" : ", ") + word;
    return out;
}

std::string shown(const Task& task) {
    std::string out = title_line("id", task.id) + title_line("title", printable_line(task.title));
    const auto add = [&](const std::string& name, const std::optional<std::string>& value) {
        if (value && !value->empty()) out += title_line(name, printable_line(*value));
    };
    const auto add_time = [&](const std::string& name, std::optional<std::int64_t> at) {
        if (at) out += title_line(name, shown_time(*at));
    };
    add("project", task.project);
    out += title_line("status", std::string(name_of(task.status)));
    out += title_line("priority", std::to_string(task.priority));
    add("description", task.description);
    add("command", task.command);
    if (task.shell) out += title_line("shell", "sh -c");
    if (task.timeout_ms) out += title_line("timeout", std::to_string(*task.timeout_ms) + " ms");
    if (task.input != "null") add("input", task.input);
    add("agent type", task.agent_type);
    if (!task.capabilities.empty()) add("capabilities", comma_list(task.capabilities));
    if (task.concurrency_key)
        add("concurrency key", *task.concurrency_key + ", at most " +
                                   std::to_string(task.concurrency_limit.value_or(1)));
    add("key", task.idempotency_key);
    add("parent", task.parent);
    add("spec", task.spec_id);
    if (task.metadata != "{}") add("metadata", task.metadata);
    const bool held = task.status == tasks::TaskStatus::in_progress;
    add(held ? "held by" : "last held by", task.assigned_to);
    if (task.fence != 0) out += title_line("fence", std::to_string(task.fence));
    add_time("lease until", task.lease_expires_at);
    add_time("to be cancelled", task.cancel_requested_at);
    out += title_line("attempts failed", std::to_string(task.retry_count) + " of " +
                                             std::to_string(task.retry.max_attempts));
    if (task.rescues > 0) out += title_line("rescues", std::to_string(task.rescues));
    add("error", task.error);
    if (task.error_class) add("error class", std::string(name_of(*task.error_class)));
    if (task.exit_code) out += title_line("exit code", std::to_string(*task.exit_code));
    add("result", task.result);
    for (const std::string& other : task.depends_on) out += title_line("depends on", other);
    if (task.on_failed_dependency != tasks::OnFailedDependency::block)
        add("if these fail", std::string(name_of(task.on_failed_dependency)));
    add_time("not before", task.not_before);
    add_time("deadline", task.deadline);
    add_time("created", task.created_at);
    add_time("started", task.started_at);
    add_time("ended", task.completed_at);
    add_time("dead since", task.dead_at);
    add_time("archived", task.archived_at);
    return out;
}

std::string history_json(const std::vector<tasks::HistoryEntry>& history) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_array();
    const auto put = [&](std::string_view name, const std::optional<std::string>& value) {
        writer.key(name);
        if (value)
            writer.string(*value);
        else
            writer.null();
    };
    const auto word = [](const std::optional<tasks::TaskStatus>& status) {
        return status ? std::optional(std::string(name_of(*status))) : std::nullopt;
    };
    for (const auto& one : history) {
        writer.begin_object().key("seq").integer(one.seq).key("revision").integer(one.revision);
        writer.key("verb").string(one.verb);
        put("from", word(one.from));
        put("to", word(one.to));
        writer.key("actor").string(one.actor).key("fence").integer(one.fence);
        writer.key("at").integer(one.at);
        put("reason", one.reason);
        put("request_id", one.request_id);
        writer.end_object();
    }
    writer.end_array();
    return out;
}

void print_history(Context& context, const std::vector<tasks::HistoryEntry>& history) {
    std::vector<std::vector<Cell>> rows;
    for (const auto& one : history)
        rows.push_back({{shown_time(one.at)},
                        {one.verb},
                        {one.from ? std::string(name_of(*one.from)) : ""},
                        {one.to ? std::string(name_of(*one.to)) : ""},
                        {printable_line(one.actor)},
                        {one.fence == 0 ? "" : std::to_string(one.fence)},
                        {printable_line(one.reason.value_or(""))}});
    context.print(format_table(context.terminal,
                               {"AT (UTC)", "VERB", "FROM", "TO", "WHO", "FENCE", "REASON"}, rows));
}

/// What `task list` says beside the status and the project.
Status read_filter(Context& context, tasks::TaskFilter& filter) {
    const auto number = [&](std::string_view option, std::optional<std::int64_t>& into,
                            const auto& read) {
        return with(context, option, [&](const std::string& text) -> Status {
            TASKSTORE_LET(into, read(option, text));
            return ok();
        });
    };
    const auto priority = [](std::string_view, const std::string& text) {
        return priority_of(text);
    };
    const auto time = [&](std::string_view option, const std::string& text) {
        return time_of(context, option, text);
    };
    TASKSTORE_TRY(number("min-priority", filter.priority.least, priority));
    TASKSTORE_TRY(number("max-priority", filter.priority.most, priority));
    TASKSTORE_TRY(number("created-since", filter.created_at.least, time));
    TASKSTORE_TRY(number("created-until", filter.created_at.most, time));
    TASKSTORE_TRY(number("updated-since", filter.updated_at.least, time));
    TASKSTORE_TRY(number("updated-until", filter.updated_at.most, time));
    if (context.call.has("assigned-to")) filter.assigned_to = context.call.value("assigned-to");
    if (context.call.has("agent-type")) filter.agent_type = context.call.value("agent-type");
    filter.capabilities = list_of(context.call, "capability");
    if (context.call.has("text")) filter.words = {context.call.value("text")};
    return with(context, "order", [&](const std::string& text) -> Status {
        if (tasks::order_by(text, filter)) return ok();
        return fail(Code::invalid, "tasks are not ordered by '" + text + "'")
            .with_hint("created, updated or priority; with - before it the order descends");
    });
}

Status list_part(Context& context, tasks::TaskFilter filter) {
    TASKSTORE_LET(filter.project, project_of(context));
    if (context.call.has("limit")) {
        TASKSTORE_LET(filter.limit, number_of("limit", context.call.value("limit")));
    }
    filter.after = context.call.value("cursor");
    tasks::TaskPage page;
    if (context.call.has("archived")) {
        TASKSTORE_LET(page, list_archive(context, filter));
    } else {
        TASKSTORE_LET(const auto store, open_tasks(context));
        TASKSTORE_LET(page, store->list_tasks(filter));
    }
    if (page.tasks.empty() && filter.project && !context.call.has("project") && !context.quiet)
        context.warn("only tasks of project '" + *filter.project +
                     "' were looked for: --all-projects looks for those of all");
    print_tasks(context, page.tasks, page.next_cursor);
    return ok();
}

}  // namespace

Status put_task_fields(Context& context, tasks::CreateTask& task) {
    tasks::UpdateTask fields;
    TASKSTORE_TRY(read_change(context, fields));
    TASKSTORE_TRY(read_retry(context, task.retry));
    put_change(fields, task);
    return ok();
}

Result<tasks::CreateTask> new_task_of(Context& context) {
    tasks::CreateTask task;
    TASKSTORE_TRY(put_task_fields(context, task));
    task.depends_on = list_of(context.call, "depends-on");
    if (context.call.has("key")) task.idempotency_key = context.call.value("key");
    if (context.call.has("keep-key")) {
        TASKSTORE_LET(task.key_retention_ms,
                      duration_of("keep-key", context.call.value("keep-key")));
    }
    TASKSTORE_LET(const auto project, project_of(context));
    task.project = project.value_or("");
    TASKSTORE_LET(task.actor, task_actor(context));
    return task;
}

Status run_task_add(Context& context) {
    TASKSTORE_LET(tasks::CreateTask task, new_task_of(context));
    TASKSTORE_LET(const auto store, open_tasks(context));
    TASKSTORE_TRY(complete_references(*store, task));
    TASKSTORE_LET(const auto written, store->create_task(task));
    print_task_written(context, written, "created");
    return ok();
}

Status run_task_set(Context& context) {
    tasks::UpdateTask change;
    TASKSTORE_TRY(read_change(context, change));
    if (context.call.has("depends-on"))
        change.add_dependencies = list_of(context.call, "depends-on");
    if (context.call.has("no-depends-on"))
        change.remove_dependencies = list_of(context.call, "no-depends-on");
    if (change == tasks::UpdateTask() && !has_retry(context.call))
        return fail(Code::invalid, "nothing to set").with_hint("see 'taskstore task set --help'");
    if (context.call.has("if-revision")) {
        TASKSTORE_LET(change.revision, number_of("if-revision", context.call.value("if-revision")));
    }
    TASKSTORE_LET(const auto store, open_tasks(context));
    TASKSTORE_LET(const std::string id, task_id_of(*store, context.call.arguments[0]));
    TASKSTORE_TRY(complete_ids(*store, change.add_dependencies));
    TASKSTORE_TRY(complete_ids(*store, change.remove_dependencies));
    if (change.parent && *change.parent) {
        TASKSTORE_LET(*change.parent, task_id_of(*store, **change.parent));
    }
    if (has_retry(context.call)) {
        TASKSTORE_LET(const auto task, store->get_task(id));
        tasks::RetryPolicy retry = task ? task->retry : tasks::RetryPolicy();
        TASKSTORE_TRY(read_retry(context, retry));
        change.retry = retry;
        if (task && !change.revision) change.revision = task->revision;
    }
    TASKSTORE_LET(const auto written, store->update_task(id, change));
    print_task_written(context, written, "changed");
    return ok();
}

Status run_task_rm(Context& context) {
    TASKSTORE_LET(const std::string actor, task_actor(context));
    const tasks::ArchiveFinder archive = archive_of_command(context);
    TASKSTORE_LET(const auto store, open_tasks(context, archive));
    TASKSTORE_LET(const std::string id, task_id_of(*store, context.call.arguments[0]));
    TASKSTORE_LET(const sql::DurabilityLevel level, store->delete_task(id, actor));
    note_copies_that_stay(context, archive);
    context.survives(level);
    context.wrote = "removed task " + id;
    if (context.json) {
        std::string data;
        JsonWriter(data).begin_object().key("id").string(id).end_object();
        context.print_json("task_removed", data);
    } else {
        context.print((context.quiet ? id : context.wrote) + "\n");
    }
    return ok();
}

Status run_task_list(Context& context) {
    tasks::TaskFilter filter;
    if (context.call.has("status")) {
        filter.status = tasks::status_of(context.call.value("status"));
        if (!filter.status)
            return fail(Code::invalid, "'" + context.call.value("status") + "' is no status")
                .with_hint("pending, in_progress, completed, failed or cancelled");
    }
    TASKSTORE_TRY(read_filter(context, filter));
    return list_part(context, filter);
}

Status run_task_ready(Context& context) {
    return list_part(context, {.part = tasks::TaskPart::ready});
}

Status run_task_blocked(Context& context) {
    return list_part(context, {.part = tasks::TaskPart::blocked});
}

Status run_task_dead_list(Context& context) {
    return list_part(context, {.part = tasks::TaskPart::dead});
}

Status run_task_search(Context& context) {
    return list_part(context, {.words = context.call.arguments});
}

Status run_task_show(Context& context) {
    TASKSTORE_LET(const auto store, open_tasks(context));
    TASKSTORE_LET(const std::string id, task_id_of(*store, context.call.arguments[0]));
    TASKSTORE_LET(const auto task, store->get_task(id));
    std::vector<tasks::HistoryEntry> history;
    if (context.call.has("history")) {
        TASKSTORE_LET(history, store->history(id));
    }
    if (!task && history.empty()) return no_such_task(id);
    if (context.json) {
        std::string data = task ? task_json(*task) : "{\"id\":" + [&] {
            std::string text;
            append_json_string(text, id);
            return text;
        }() + ",\"status\":null}";
        if (context.call.has("history"))
            data.replace(data.size() - 1, 1, ",\"history\":" + history_json(history) + "}");
        context.print_json("task", data);
        return ok();
    }
    if (task)
        context.print(shown(*task));
    else
        context.print("task " + printable_line(id) + " was removed\n");
    if (context.call.has("history")) {
        context.print("\n");
        print_history(context, history);
    }
    return ok();
}

}  // namespace taskstore::cli
