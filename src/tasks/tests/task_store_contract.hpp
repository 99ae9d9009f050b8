#pragma once
// What tasks promise over every engine. A test program of a backend instantiates it.

#include <gtest/gtest.h>
#include <taskstore/sql/database.hpp>
#include <taskstore/tasks/task_store.hpp>

#include <functional>
#include <memory>
#include <string>

namespace taskstore::tasks {

/// A fresh, empty database; it vanishes with this object.
class TaskSandbox {
  public:
    virtual ~TaskSandbox() = default;
    /// Migrated.
    virtual sql::Database& database() = 0;
    /// Of the archive, migrated too; the same at each call.
    virtual sql::Database& archive() = 0;
};

struct TaskBackend {
    std::string name;
    std::function<std::unique_ptr<TaskSandbox>(const Clock&)> make;
    /// One whose commits are not flushed one by one, for tests that write much; empty: none.
    std::function<std::unique_ptr<TaskSandbox>(const Clock&)> make_hasty = {};
    /// Of its commits, and of what its reads see.
    sql::DurabilityLevel level = sql::DurabilityLevel::flushed;
    sql::DurabilityLevel seen = sql::DurabilityLevel::server;
};
inline void PrintTo(const TaskBackend& backend, std::ostream* out) {
    *out << backend.name;
}
inline std::string backend_name(const testing::TestParamInfo<TaskBackend>& info) {
    return info.param.name;
}

class TaskStoreContract : public testing::TestWithParam<TaskBackend> {
  protected:
    Task created(const CreateTask& task);
    std::vector<Task> claimed(const std::string& worker, ClaimRequest request = {});
    std::vector<std::string> titles(const TaskFilter& filter = {});

    FakeClock x_clock;
    SeededRandom x_random{11};
    std::unique_ptr<TaskSandbox> x_sandbox = GetParam().make(x_clock);
    std::unique_ptr<TaskStore> x_store =
        make_task_store(x_sandbox->database(), x_clock, x_random, {.time = TimeSource::clock});
};

}  // namespace taskstore::tasks
