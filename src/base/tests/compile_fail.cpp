// Right as it stands; each macro adds one mistake that must not compile.
#include <taskstore/base/id.hpp>
#include <taskstore/base/result.hpp>

using TaskId = taskstore::Id<struct TaskTag>;
using WorkerId = taskstore::Id<struct WorkerTag>;

taskstore::Status assign(const TaskId& task, const WorkerId& worker);
taskstore::Status assign(const TaskId&, const WorkerId&) {
    return taskstore::ok();
}

bool use() {
    const TaskId task("t");
    const WorkerId worker("w");
#ifdef TASKSTORE_SWAPPED_IDS
    return assign(worker, task).has_value();
#endif
#ifdef TASKSTORE_DROPPED_RESULT
    assign(task, worker);
#endif
    return assign(task, worker).has_value();
}
