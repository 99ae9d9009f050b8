#pragma once
// A task of the device's queue (floor 4; whoever enqueues, works and lists). Times are Unix
// milliseconds, UTC; durations are milliseconds. JSON members are JSON text, kept and compared as
// text.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::tasks {

/// Stored by name.
enum class TaskStatus : std::uint8_t { pending, in_progress, completed, failed, cancelled };
std::string_view name_of(TaskStatus status);
/// Every founding spelling, in any case: running, complete, done, error, canceled too.
std::optional<TaskStatus> status_of(std::string_view word);

/// How the wait before a new attempt grows with the attempts that failed.
enum class Backoff : std::uint8_t { none, linear, exponential, fibonacci };
std::string_view name_of(Backoff backoff);
std::optional<Backoff> backoff_of(std::string_view word);

/// What kind of thing went wrong.
enum class ErrorClass : std::uint8_t { infra, logic, policy, timeout };
std::string_view name_of(ErrorClass error_class);
std::optional<ErrorClass> error_class_of(std::string_view word);

/// What becomes of a task when one that it depends on fails or is cancelled: it stays blocked until
/// somebody retries that one, is cancelled too, or runs as if that one had completed.
enum class OnFailedDependency : std::uint8_t { block, cancel, run };
std::string_view name_of(OnFailedDependency policy);
std::optional<OnFailedDependency> on_failed_dependency_of(std::string_view word);

/// low, normal, high, urgent; nothing for other words.
std::optional<std::int64_t> priority_of(std::string_view word);

struct RetryPolicy {
    std::int64_t max_attempts = 3;  ///< Failed attempts; the last one makes the task failed.
    std::int64_t max_rescues = 5;   ///< Leases that ran out; the one after it makes it dead.
    Backoff backoff = Backoff::exponential;
    std::int64_t base_ms = 1'000;
    std::int64_t cap_ms = 3'600'000;
    std::int64_t jitter = 0;  ///< Percent of the wait that chance takes away at most: 0..100.
    friend bool operator==(const RetryPolicy&, const RetryPolicy&) = default;
};

struct Task {
    std::string id;  ///< UUIDv7.
    std::string project;
    std::string title;
    std::optional<std::string> description;
    std::optional<std::string> command;
    std::string input = "null";  ///< JSON.
    std::int64_t priority = 0;   ///< -100..100, larger first.
    TaskStatus status = TaskStatus::pending;
    std::optional<std::string> assigned_to;  ///< Who holds it, or ended it.
    std::optional<std::string> agent_type;   ///< Only workers of that type claim it.
    std::vector<std::string> capabilities;   ///< What a worker must offer. Sorted, each once.
    std::int64_t retry_count = 0;            ///< Attempts that failed.
    std::int64_t rescues = 0;
    RetryPolicy retry;
    std::int64_t lease_ms = 600'000;         ///< Of a claim that does not say otherwise.
    std::optional<std::int64_t> not_before;  ///< Nothing once that time has come.
    std::optional<std::int64_t> deadline;    ///< Not begun by then: failed.
    std::optional<std::int64_t> lease_expires_at;
    std::int64_t fence = 0;  ///< Of the last claim; 0: there was none.
    std::optional<std::int64_t> cancel_requested_at;
    std::optional<std::int64_t> dead_at;  ///< Failed for good: attempts or rescues are used up.
    std::vector<std::string> depends_on;
    std::int64_t open_dependencies = 0;
    OnFailedDependency on_failed_dependency = OnFailedDependency::block;
    std::optional<std::string> parent;
    std::optional<std::string> concurrency_key;
    std::optional<std::int64_t> concurrency_limit;  ///< What it said of its key; not the key's now.
    std::optional<std::string> idempotency_key;
    std::optional<std::string> result;  ///< JSON.
    std::optional<std::string> error;
    std::optional<ErrorClass> error_class;
    std::optional<std::int64_t> exit_code;
    std::optional<std::string> logs;
    std::string metadata = "{}";         ///< JSON object.
    std::optional<std::string> spec_id;  ///< The task spec of the plan that it carries out.
    std::int64_t created_at = 0;
    std::optional<std::int64_t> started_at;
    std::optional<std::int64_t> completed_at;  ///< Also of a failure and of a cancellation.
    std::optional<std::int64_t> archived_at;   ///< Since when it is in the archive.
    std::int64_t updated_at = 0;
    std::int64_t revision = 1;  ///< Grows with each change, but for renewals.
    /// The command is a line for sh; else it is words, with quotes and backslashes, that no shell
    /// sees.
    bool shell = false;
    std::optional<std::int64_t> timeout_ms;  ///< How long the command may run.
    /// By what the holder's host sees whether the holder lives; nothing: only the lease tells.
    std::optional<std::string> liveness;

    friend bool operator==(const Task&, const Task&) = default;
};

/// Not ended: it may yet be claimed, or is held.
inline bool is_open(const Task& task) {
    return task.status == TaskStatus::pending || task.status == TaskStatus::in_progress;
}

/// One transition of a task.
struct HistoryEntry {
    std::int64_t seq = 0;  ///< In the order of commits, over all tasks.
    std::string task_id;
    std::int64_t revision = 0;  ///< Of the task after it.
    std::string verb;
    std::optional<TaskStatus> from;  ///< Nothing: it was made.
    std::optional<TaskStatus> to;    ///< Nothing: it was removed.
    std::string actor;
    std::int64_t fence = 0;
    std::int64_t at = 0;
    std::optional<std::string> reason;
    std::optional<std::string> request_id;
    friend bool operator==(const HistoryEntry&, const HistoryEntry&) = default;
};

/// JSON with every member, null where it has no value; input, result and metadata as they are.
std::string task_json(const Task& task);
std::string task_list_json(const std::vector<Task>& list);

}  // namespace taskstore::tasks
