#pragma once
// What a task may hold, the same whatever database is behind it.

#include <taskstore/base/result.hpp>
#include <taskstore/tasks/task_store.hpp>

#include <string>
#include <string_view>

namespace taskstore::tasks {

inline constexpr std::int64_t kPriorityMax = 100;

/// invalid: no UTF-8, or U+0000, which no database keeps.
Status check_member(std::string_view name, const std::string& text);
Status check_json_member(std::string_view name, const std::string& text);
/// invalid: longer than 256 bytes, empty, or not as of check_member.
Status check_name(std::string_view name, const std::string& text);
/// Everything that a task holds and people set; capabilities are sorted, each stays once.
Status check_task(Task& task);

/// The task that a request asks for, without id and times. invalid.
Result<Task> task_asked_for(const CreateTask& request);
/// Puts what the change says into the task. invalid.
Status apply_change(const UpdateTask& change, Task& task);

/// Of a create request with a key: the same for the same content.
std::string fingerprint_of(const CreateTask& request);

/// What a worker must offer: the capabilities, and the agent type as one of them.
std::vector<std::string> needs_of(const std::vector<std::string>& capabilities,
                                  const std::optional<std::string>& agent_type);
struct Lane {
    std::int64_t id;
    std::string needs;  ///< JSON.
};
Lane lane_of(const Task& task);
/// What its rank has of its age: when it was made.
std::int64_t age_of(const Task& task);
/// By priority strictly, larger first, then by age: the rank where there is no ageing.
std::int64_t strict_rank_of(const Task& task);

}  // namespace taskstore::tasks
