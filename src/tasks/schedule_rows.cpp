#include "schedule_rows.hpp"

#include "json_members.hpp"
#include "task_checks.hpp"
#include "task_rows.hpp"

#include <algorithm>
#include <array>

namespace taskstore::tasks {
namespace {

constexpr std::int64_t kDeadlineMsMax = 366LL * 86'400'000;
constexpr std::array<std::string_view, 3> kPolicies{"none", "one", "all"};

/// Left out where there is no value.
template <typename T>
void put_some(JsonWriter& writer, std::string_view name, const std::optional<T>& value) {
    if (value) put(writer, name, value);
}

/// JSON members of the task are kept as text, so that they stay as they were written.
std::string text_of(const TaskTemplate& made) {
    const CreateTask& task = made.task;
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().key("title").string(task.title);
    put_some(writer, "description", task.description);
    put_some(writer, "command", task.command);
    writer.key("shell").boolean(task.shell);
    put_some(writer, "timeout_ms", task.timeout_ms);
    writer.key("input").string(task.input).key("metadata").string(task.metadata);
    writer.key("priority").integer(task.priority);
    put_some(writer, "agent_type", task.agent_type);
    writer.key("capabilities").raw(json_list(task.capabilities));
    put_retry(writer, task.retry);
    writer.key("lease_ms").integer(task.lease_ms);
    put_some(writer, "deadline_ms", made.deadline_ms);
    put_some(writer, "parent", task.parent);
    put_some(writer, "concurrency_key", task.concurrency_key);
    put_some(writer, "concurrency_limit", task.concurrency_limit);
    put_some(writer, "spec_id", task.spec_id);
    writer.key("key_retention_ms").integer(task.key_retention_ms).end_object();
    return out;
}

void read_retry(const Json& json, RetryPolicy& retry) {
    const auto number = [&](std::string_view name, std::int64_t& into) {
        into = json.get(name).as_int64().value_or(into);
    };
    number("max_attempts", retry.max_attempts);
    number("max_rescues", retry.max_rescues);
    number("backoff_base_ms", retry.base_ms);
    number("backoff_cap_ms", retry.cap_ms);
    number("backoff_jitter", retry.jitter);
    retry.backoff =
        backoff_of(json.get("backoff").as_string().value_or("")).value_or(retry.backoff);
}

Result<TaskTemplate> template_of(const std::string& text) {
    TASKSTORE_LET(const Json json, Json::parse(text));
    TaskTemplate made;
    CreateTask& task = made.task;
    const auto word = [&](std::string_view name) { return json.get(name).as_string(); };
    const auto number = [&](std::string_view name) { return json.get(name).as_int64(); };
    task.title = word("title").value_or("");
    task.description = word("description");
    task.command = word("command");
    task.shell = json.get("shell").as_bool().value_or(false);
    task.timeout_ms = number("timeout_ms");
    task.input = word("input").value_or(task.input);
    task.metadata = word("metadata").value_or(task.metadata);
    task.priority = number("priority").value_or(0);
    task.agent_type = word("agent_type");
    const Json capabilities = json.get("capabilities");
    for (std::size_t i = 0; i < capabilities.size(); ++i)
        task.capabilities.push_back(capabilities.at(i).as_string().value_or(""));
    read_retry(json, task.retry);
    task.lease_ms = number("lease_ms").value_or(task.lease_ms);
    made.deadline_ms = number("deadline_ms");
    task.parent = word("parent");
    task.concurrency_key = word("concurrency_key");
    task.concurrency_limit = number("concurrency_limit");
    task.spec_id = word("spec_id");
    task.key_retention_ms = number("key_retention_ms").value_or(task.key_retention_ms);
    return made;
}

}  // namespace

std::string_view name_of(CatchUp policy) {
    return kPolicies[static_cast<std::size_t>(policy)];
}

std::optional<CatchUp> catch_up_of(std::string_view word) {
    const auto found = std::ranges::find(kPolicies, word);
    if (found == kPolicies.end()) return std::nullopt;
    return static_cast<CatchUp>(found - kPolicies.begin());
}

Schedule schedule_of(const std::vector<sql::Value>& row) {
    RowReader read(row);
    Schedule schedule;
    schedule.id = read.text();
    const std::string project = read.text();
    schedule.timing.cron = read.text();
    schedule.timing.every_ms = read.number();
    schedule.timing.zone = read.text();
    schedule.timing.anchor_at = read.number();
    const std::string policy = read.text();
    const auto catch_up = catch_up_of(policy);
    if (!catch_up) schedule.fault = "its catch-up policy '" + policy + "' is none";
    schedule.catch_up = catch_up.value_or(CatchUp::none);
    auto made = template_of(read.text());
    if (made)
        schedule.made = std::move(*made);
    else
        schedule.fault = "its template is none: " + made.error().message;
    schedule.made.task.project = project;
    schedule.paused = read.number() != 0;
    schedule.next_at = read.maybe_number();
    schedule.last_at = read.maybe_number();
    schedule.last_task = read.maybe_text();
    schedule.created_at = read.number();
    schedule.updated_at = read.number();
    schedule.revision = read.number();
    return schedule;
}

ScheduleEntry schedule_entry_of(const std::vector<sql::Value>& row) {
    RowReader read(row);
    ScheduleEntry entry;
    entry.revision = read.number();
    entry.verb = read.text();
    entry.actor = read.text();
    entry.at = read.number();
    entry.tick = read.maybe_number();
    entry.task_id = read.maybe_text();
    entry.reason = read.maybe_text();
    return entry;
}

std::vector<sql::Value> values_of(const Schedule& schedule) {
    const Timing& timing = schedule.timing;
    const bool by_cron = !timing.cron.empty();
    return {schedule.id,
            schedule.made.task.project,
            by_cron ? sql::Value{timing.cron} : sql::Value{},
            by_cron ? sql::Value{} : sql::Value{timing.every_ms},
            timing.zone,
            timing.anchor_at,
            std::string(name_of(schedule.catch_up)),
            text_of(schedule.made),
            std::int64_t{schedule.paused ? 1 : 0},
            value_of(schedule.next_at),
            value_of(schedule.last_at),
            value_of(schedule.last_task)};
}

Status check_template(const TaskTemplate& made) {
    const CreateTask& task = made.task;
    if (!task.depends_on.empty() || task.not_before || task.deadline || task.idempotency_key)
        return fail(Code::invalid,
                    "a schedule's tasks have no dependencies, no time and no key of their own");
    if (made.deadline_ms && (*made.deadline_ms < 1 || *made.deadline_ms > kDeadlineMsMax))
        return fail(Code::invalid, "a deadline of " + std::to_string(*made.deadline_ms) +
                                       " ms after the tick is not in 1.." +
                                       std::to_string(kDeadlineMsMax));
    TASKSTORE_TRY(task_asked_for(task));
    return ok();
}

}  // namespace taskstore::tasks
