#pragma once
// A task of the device's queue (floor 4; whoever enqueues, works and lists). Times are Unix
// milliseconds, UTC. JSON members are JSON text, kept and compared as text.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace taskstore::tasks {

/// Stored by name.
enum class TaskStatus : std::uint8_t { pending, in_progress, completed, failed, cancelled };
std::string_view name_of(TaskStatus status);
/// Every founding spelling, in any case: running, complete, done, error, canceled too.
std::optional<TaskStatus> status_of(std::string_view word);

struct Task {
    std::string id;  ///< UUIDv7.
    std::string project;
    std::string title;
    std::optional<std::string> description;
    std::optional<std::string> command;
    std::string input = "null";  ///< JSON.
    std::int64_t priority = 0;   ///< -100..100, larger first.
    TaskStatus status = TaskStatus::pending;
    std::optional<std::string> assigned_to;
    std::optional<std::string> result;  ///< JSON.
    std::optional<std::string> error;
    std::optional<std::int64_t> exit_code;
    std::optional<std::string> logs;
    std::int64_t retry_count = 0;
    std::string metadata = "{}";  ///< JSON object.
    std::int64_t created_at = 0;
    std::optional<std::int64_t> started_at;
    std::optional<std::int64_t> completed_at;
    std::int64_t updated_at = 0;
    std::int64_t revision = 1;  ///< Grows with each change.

    friend bool operator==(const Task&, const Task&) = default;
};

}  // namespace taskstore::tasks
