#pragma once
// A move that is decided on in the program, by the task as it was read.

#include "sql_task_store.hpp"

namespace taskstore::tasks {

struct SqlTaskStore::Move {
    Verb verb;
    TaskStatus to;
    std::string actor;
    std::optional<std::string> reason = {};
    /// What the task will hold of its attempts, error, result, logs.
    Task next;
    std::optional<std::int64_t> wait_ms = {};  ///< Pending, but not before that.
    bool dead = false;
    Request request = {};
};

inline Failure too_fast(const std::string& id) {
    return taskstore::fail(Code::unavailable,
                           "task '" + id + "' changes faster than it can be written")
        .with_hint("try again");
}

}  // namespace taskstore::tasks
