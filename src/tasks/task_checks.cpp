#include "task_checks.hpp"

#include "task_rows.hpp"

#include <taskstore/base/hash.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/base/text.hpp>

#include <algorithm>
#include <array>

namespace taskstore::tasks {
namespace {

constexpr std::int64_t kCountMax = 1'000'000;
constexpr std::int64_t kDurationMsMax = 366LL * 86'400'000;
constexpr std::int64_t kTimeMsMax = 7'258'118'400'000;  // 2200-01-01
constexpr int kTimeBits = 43;
constexpr std::size_t kNameBytesMax = 256;
constexpr std::size_t kListMax = 1'000;

Status check_range(std::string_view name, std::int64_t value, std::int64_t least,
                   std::int64_t most) {
    if (value >= least && value <= most) return ok();
    return fail(Code::invalid, std::string(name) + " " + std::to_string(value) + " is not in " +
                                   std::to_string(least) + ".." + std::to_string(most));
}

Status check_metadata(const std::string& text) {
    TASKSTORE_TRY(check_json_member("metadata", text));
    if (kind_of_raw(text.substr(std::min(text.find_first_not_of(" \t\r\n"), text.size()))) !=
        JsonKind::object)
        return fail(Code::invalid, "metadata is no JSON object");
    return ok();
}

Status check_names(std::string_view name, std::vector<std::string>& words) {
    if (words.size() > kListMax)
        return fail(Code::invalid, std::string(name) + ": more than " + std::to_string(kListMax));
    for (const std::string& word : words) TASKSTORE_TRY(check_name(name, word));
    std::ranges::sort(words);
    words.erase(std::ranges::unique(words).begin(), words.end());
    return ok();
}

Status check_retry(const RetryPolicy& retry) {
    TASKSTORE_TRY(check_range("max_attempts", retry.max_attempts, 1, kCountMax));
    TASKSTORE_TRY(check_range("max_rescues", retry.max_rescues, 0, kCountMax));
    TASKSTORE_TRY(check_range("the base of the backoff", retry.base_ms, 0, kDurationMsMax));
    TASKSTORE_TRY(check_range("the cap of the backoff", retry.cap_ms, 0, kDurationMsMax));
    return check_range("the jitter of the backoff", retry.jitter, 0, 100);
}

void put(std::string& out, const sql::Value& value) {
    if (const auto* text = std::get_if<std::string>(&value))
        out += "t" + std::to_string(text->size()) + ":" + *text;
    else if (const auto* number = std::get_if<std::int64_t>(&value))
        out += "i" + std::to_string(*number) + ";";
    else
        out += "n";
}

}  // namespace

Status check_member(std::string_view name, const std::string& text) {
    if (const auto at = first_invalid_utf8(text))
        return fail(Code::invalid,
                    std::string(name) + " is no UTF-8 (byte " + std::to_string(*at) + ")");
    if (text.find('\0') != std::string::npos)
        return fail(Code::invalid, std::string(name) + " holds U+0000, which no database keeps")
            .with_hint("take it out");
    return ok();
}

Status check_json_member(std::string_view name, const std::string& text) {
    if (auto status = check_json(text); !status)
        return fail(Code::invalid, std::string(name) + " is no JSON: " + status.error().message);
    return ok();
}

Status check_name(std::string_view name, const std::string& text) {
    if (text.empty()) return fail(Code::invalid, std::string(name) + " is empty");
    if (text.size() > kNameBytesMax)
        return fail(Code::invalid, std::string(name) + " is longer than " +
                                       std::to_string(kNameBytesMax) + " bytes");
    return check_member(name, text);
}

Status check_task(Task& task) {
    if (task.title.empty()) return fail(Code::invalid, "a task wants a title, or a description");
    TASKSTORE_TRY(check_member("title", task.title));
    if (task.description) TASKSTORE_TRY(check_member("description", *task.description));
    if (task.command) TASKSTORE_TRY(check_member("command", *task.command));
    if (!task.project.empty()) TASKSTORE_TRY(check_name("project", task.project));
    TASKSTORE_TRY(check_json_member("input", task.input));
    TASKSTORE_TRY(check_metadata(task.metadata));
    TASKSTORE_TRY(check_range("priority", task.priority, -kPriorityMax, kPriorityMax));
    if (task.agent_type) TASKSTORE_TRY(check_name("agent_type", *task.agent_type));
    TASKSTORE_TRY(check_names("capability", task.capabilities));
    TASKSTORE_TRY(check_names("depends_on", task.depends_on));
    TASKSTORE_TRY(check_retry(task.retry));
    TASKSTORE_TRY(check_range("lease", task.lease_ms, 1, kDurationMsMax));
    if (task.not_before) TASKSTORE_TRY(check_range("not_before", *task.not_before, 0, kTimeMsMax));
    if (task.deadline) TASKSTORE_TRY(check_range("deadline", *task.deadline, 0, kTimeMsMax));
    if (task.timeout_ms) TASKSTORE_TRY(check_range("timeout", *task.timeout_ms, 1, kDurationMsMax));
    if (task.parent) TASKSTORE_TRY(check_name("parent", *task.parent));
    if (task.spec_id) TASKSTORE_TRY(check_name("spec_id", *task.spec_id));
    if (task.idempotency_key) TASKSTORE_TRY(check_name("idempotency_key", *task.idempotency_key));
    if (task.concurrency_key) {
        TASKSTORE_TRY(check_name("concurrency_key", *task.concurrency_key));
        return check_range("concurrency_limit", task.concurrency_limit.value_or(1), 1, kCountMax);
    }
    if (task.concurrency_limit)
        return fail(Code::invalid, "a concurrency_limit wants a concurrency_key");
    return ok();
}

namespace {

bool is_blank(std::string_view text) {
    return text.find_first_not_of(" \t\r\n") == std::string_view::npos;
}

}  // namespace

Result<Task> task_asked_for(const CreateTask& request) {
    Task task{.id = {},
              .project = request.project,
              .title = request.title,
              .description = request.description,
              .command = request.command,
              .input = request.input,
              .priority = request.priority,
              .agent_type = request.agent_type,
              .capabilities = request.capabilities,
              .retry = request.retry,
              .lease_ms = request.lease_ms,
              .not_before = request.not_before,
              .deadline = request.deadline,
              .depends_on = request.depends_on,
              .on_failed_dependency = request.on_failed_dependency,
              .parent = request.parent,
              .concurrency_key = request.concurrency_key,
              .concurrency_limit = request.concurrency_limit,
              .idempotency_key = request.idempotency_key,
              .metadata = request.metadata,
              .spec_id = request.spec_id,
              .shell = request.shell,
              .timeout_ms = request.timeout_ms};
    if (is_blank(task.title)) task.title.clear();
    if (task.title.empty() && task.description) {
        // The first line that says anything.
        const std::string_view text = *task.description;
        const std::size_t said = std::min(text.find_first_not_of(" \t\r\n"), text.size());
        const std::size_t begin = said == 0 ? 0 : text.rfind('\n', said - 1) + 1;
        task.title = text.substr(begin, std::min(text.find('\n', said), text.size()) - begin);
        if (task.title.ends_with('\r')) task.title.pop_back();
    }
    if (is_blank(task.title)) task.title.clear();
    TASKSTORE_TRY(check_task(task));
    TASKSTORE_TRY(check_member("actor", request.actor));
    TASKSTORE_TRY(check_range("key_retention_ms", request.key_retention_ms, 1, kDurationMsMax));
    return task;
}

namespace {

/// Whatever has the members that can be changed.
template <typename T>
void put_members(const UpdateTask& change, T& task) {
    const auto set = [](const auto& from, auto& to) {
        if (from) to = *from;
    };
    set(change.title, task.title);
    set(change.description, task.description);
    set(change.command, task.command);
    set(change.input, task.input);
    set(change.priority, task.priority);
    set(change.metadata, task.metadata);
    set(change.project, task.project);
    set(change.agent_type, task.agent_type);
    set(change.capabilities, task.capabilities);
    set(change.retry, task.retry);
    set(change.lease_ms, task.lease_ms);
    set(change.not_before, task.not_before);
    set(change.deadline, task.deadline);
    set(change.on_failed_dependency, task.on_failed_dependency);
    set(change.parent, task.parent);
    set(change.spec_id, task.spec_id);
    set(change.shell, task.shell);
    set(change.timeout_ms, task.timeout_ms);
    set(change.concurrency_key, task.concurrency_key);
    // What it said was of the key that it had.
    if (change.concurrency_key) task.concurrency_limit = std::nullopt;
    if (change.concurrency_limit) task.concurrency_limit = change.concurrency_limit;
}

}  // namespace

void put_change(const UpdateTask& change, CreateTask& task) {
    put_members(change, task);
}

Status apply_change(const UpdateTask& change, Task& task) {
    if (change.title && is_blank(*change.title)) return fail(Code::invalid, "a task wants a title");
    put_members(change, task);
    return check_task(task);
}

std::string fingerprint_of(const CreateTask& request) {
    std::string text;
    const RetryPolicy& retry = request.retry;
    const std::array<sql::Value, 24> values{request.title,
                                            value_of(request.description),
                                            value_of(request.command),
                                            request.input,
                                            request.project,
                                            request.priority,
                                            request.metadata,
                                            value_of(request.agent_type),
                                            json_list(request.capabilities),
                                            retry.max_attempts,
                                            retry.max_rescues,
                                            std::string(name_of(retry.backoff)),
                                            retry.base_ms,
                                            retry.cap_ms,
                                            retry.jitter,
                                            request.lease_ms,
                                            value_of(request.not_before),
                                            value_of(request.deadline),
                                            json_list(request.depends_on),
                                            std::string(name_of(request.on_failed_dependency)),
                                            value_of(request.parent),
                                            value_of(request.concurrency_key),
                                            value_of(request.concurrency_limit),
                                            value_of(request.spec_id)};
    for (const sql::Value& value : values) put(text, value);
    // Only where they are set: keys of before these members are known by the same text.
    if (request.shell) text += "shell";
    if (request.timeout_ms) put(text += "timeout", *request.timeout_ms);
    return sha256_hex(text);
}

std::vector<std::string> needs_of(const std::vector<std::string>& capabilities,
                                  const std::optional<std::string>& agent_type) {
    std::vector<std::string> needs = capabilities;
    if (agent_type) needs.push_back("agent_type=" + *agent_type);
    std::ranges::sort(needs);
    needs.erase(std::ranges::unique(needs).begin(), needs.end());
    return needs;
}

Lane lane_of(const Task& task) {
    std::string needs = json_list(needs_of(task.capabilities, task.agent_type));
    std::string text;
    put(text, task.project);
    put(text, needs);
    return {static_cast<std::int64_t>(xxh3_64(text) >> 1U), std::move(needs)};
}

std::int64_t age_of(const Task& task) {
    return std::clamp<std::int64_t>(task.created_at, 0, kTimeMsMax);
}

std::int64_t strict_rank_of(const Task& task) {
    // As @ageing@ of task_texts.cpp has it, for ten.
    static_assert(kTimeMsMax < (std::int64_t{1} << kTimeBits) &&
                  (std::int64_t{10} << kTimeBits) == 87'960'930'222'080);
    return ((kPriorityMax - task.priority) << kTimeBits) | age_of(task);
}

}  // namespace taskstore::tasks
