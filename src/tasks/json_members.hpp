#pragma once
// Members that tasks and schedules have in common, as JSON. Private to tasks.

#include <taskstore/base/json.hpp>
#include <taskstore/tasks/task.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

namespace taskstore::tasks {

/// null where there is no value.
template <typename T>
void put(JsonWriter& writer, std::string_view name, const std::optional<T>& value) {
    writer.key(name);
    if (!value)
        writer.null();
    else if constexpr (std::is_same_v<T, std::string>)
        writer.string(*value);
    else
        writer.integer(*value);
}

inline void put(JsonWriter& writer, std::string_view name, const std::vector<std::string>& words) {
    writer.key(name).begin_array();
    for (const std::string& word : words) writer.string(word);
    writer.end_array();
}

inline void put_retry(JsonWriter& writer, const RetryPolicy& retry) {
    writer.key("max_attempts").integer(retry.max_attempts);
    writer.key("max_rescues").integer(retry.max_rescues);
    writer.key("backoff").string(name_of(retry.backoff));
    writer.key("backoff_base_ms").integer(retry.base_ms);
    writer.key("backoff_cap_ms").integer(retry.cap_ms);
    writer.key("backoff_jitter").integer(retry.jitter);
}

}  // namespace taskstore::tasks
