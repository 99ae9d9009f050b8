#include "task_rows.hpp"

#include <taskstore/base/json.hpp>

namespace taskstore::tasks {
namespace {

Failure unknown(const std::string& id, std::string_view what, const std::string& word) {
    return fail(Code::corrupt, "task " + id + " has the " + std::string(what) + " '" + word + "'");
}

Result<std::vector<std::string>> words_of(const std::string& id, const std::string& text) {
    std::vector<std::string> words;
    if (text == "[]") return words;
    if (!check_json(text)) return unknown(id, "list", text);
    for (const std::string_view raw : items_of_raw(text)) {
        TASKSTORE_LET(std::string word, unescape_json(raw));
        words.push_back(std::move(word));
    }
    return words;
}

}  // namespace

std::string json_list(const std::vector<std::string>& words) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_array();
    for (const std::string& word : words) writer.string(word);
    writer.end_array();
    return out;
}

std::string ids_json(std::span<const std::string> ids) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_array();
    for (const std::string& id : ids) writer.begin_array().string(id).end_array();
    writer.end_array();
    return out;
}

std::vector<std::string> ids_of(const sql::Rows& answer) {
    std::vector<std::string> ids;
    for (const auto& row : answer.rows) ids.push_back(RowReader(row).text());
    return ids;
}

void append_terms(std::vector<sql::Value>& values, const Task& task) {
    values.insert(
        values.end(),
        {task.project, task.title, value_of(task.description), value_of(task.command), task.input,
         task.priority, value_of(task.agent_type), json_list(task.capabilities),
         task.retry.max_attempts, task.retry.max_rescues, std::string(name_of(task.retry.backoff)),
         task.retry.base_ms, task.retry.cap_ms, task.retry.jitter, task.lease_ms,
         value_of(task.not_before), value_of(task.deadline)});
}

Result<Task> task_of(const std::vector<sql::Value>& row) {
    RowReader read(row);
    Task task;
    task.id = read.text();
    task.project = read.text();
    task.title = read.text();
    task.description = read.maybe_text();
    task.command = read.maybe_text();
    task.input = read.text();
    task.priority = read.number();
    const std::string status = read.text();
    const auto known = status_of(status);
    if (!known) return unknown(task.id, "status", status);
    task.status = *known;
    task.assigned_to = read.maybe_text();
    task.agent_type = read.maybe_text();
    TASKSTORE_LET(task.capabilities, words_of(task.id, read.text()));
    task.retry_count = read.number();
    task.retry.max_attempts = read.number();
    task.rescues = read.number();
    task.retry.max_rescues = read.number();
    const std::string backoff = read.text();
    const auto grows = backoff_of(backoff);
    if (!grows) return unknown(task.id, "backoff", backoff);
    task.retry.backoff = *grows;
    task.retry.base_ms = read.number();
    task.retry.cap_ms = read.number();
    task.retry.jitter = read.number();
    task.lease_ms = read.number();
    task.not_before = read.maybe_number();
    task.deadline = read.maybe_number();
    task.lease_expires_at = read.maybe_number();
    task.fence = read.number();
    task.cancel_requested_at = read.maybe_number();
    task.dead_at = read.maybe_number();
    TASKSTORE_LET(task.depends_on, words_of(task.id, read.text()));
    task.open_dependencies = read.number();
    const std::string policy = read.text();
    const auto on_failed = on_failed_dependency_of(policy);
    if (!on_failed) return unknown(task.id, "policy", policy);
    task.on_failed_dependency = *on_failed;
    task.parent = read.maybe_text();
    task.concurrency_key = read.maybe_text();
    task.concurrency_limit = read.maybe_number();
    task.idempotency_key = read.maybe_text();
    task.result = read.maybe_text();
    task.error = read.maybe_text();
    if (const auto word = read.maybe_text()) {
        task.error_class = error_class_of(*word);
        if (!task.error_class) return unknown(task.id, "error class", *word);
    }
    task.exit_code = read.maybe_number();
    task.logs = read.maybe_text();
    task.metadata = read.text();
    task.spec_id = read.maybe_text();
    task.created_at = read.number();
    task.started_at = read.maybe_number();
    task.completed_at = read.maybe_number();
    task.updated_at = read.number();
    task.revision = read.number();
    task.shell = read.number() != 0;
    task.timeout_ms = read.maybe_number();
    task.liveness = read.maybe_text();
    return task;
}

WatchedTask watched_task_of(const std::vector<sql::Value>& row) {
    RowReader read(row);
    WatchedTask task;
    task.task_id = read.text();
    task.fence = read.number();
    task.holder = read.text();
    task.liveness = read.text();
    return task;
}

Result<HistoryEntry> history_entry_of(const std::vector<sql::Value>& row) {
    RowReader read(row);
    HistoryEntry entry;
    entry.seq = read.number();
    entry.task_id = read.text();
    entry.revision = read.number();
    entry.verb = read.text();
    for (auto* const state : {&entry.from, &entry.to}) {
        const auto word = read.maybe_text();
        if (!word) continue;
        *state = status_of(*word);
        if (!*state) return unknown(entry.task_id, "status", *word);
    }
    entry.actor = read.text();
    entry.fence = read.number();
    entry.at = read.number();
    entry.reason = read.maybe_text();
    entry.request_id = read.maybe_text();
    return entry;
}

}  // namespace taskstore::tasks
