// What is archived and nowhere else: a task that the tasks database knows is what it is there.

#include <taskstore/tasks/task_archive.hpp>

#include <algorithm>
#include <set>

namespace taskstore::tasks {
namespace {

constexpr std::int64_t kLook = 1'000;

}  // namespace

Result<TaskPage> list_archived(TaskStore& store, TaskArchive& archive, const TaskFilter& filter) {
    TASKSTORE_LET(TaskPage page, archive.list_tasks(filter));
    std::vector<std::string> ids;
    for (const Task& task : page.tasks) ids.push_back(task.id);
    TASKSTORE_LET(const auto known, store.pruning().known_tasks(ids));
    std::set<std::string> theirs;
    for (const KnownTask& one : known) theirs.insert(one.id);
    std::erase_if(page.tasks, [&](const Task& task) { return theirs.contains(task.id); });
    return page;
}

Result<std::int64_t> count_archived(TaskStore& store, TaskArchive& archive,
                                    const std::optional<std::string>& project) {
    TASKSTORE_LET(std::int64_t count, archive.count(project));
    TASKSTORE_LET(const TaskPage last, archive.list_tasks({.project = project, .limit = 1}));
    if (last.tasks.empty()) return 0;
    // What was made after it is not there.
    MadeAsked asked{.by = last.tasks.front().created_at, .project = project, .limit = kLook};
    while (true) {
        TASKSTORE_LET(const auto page, store.pruning().tasks_made_by(asked));
        if (page.empty()) return std::max<std::int64_t>(count, 0);
        std::vector<std::string> ids;
        for (const MadeTask& one : page) ids.push_back(one.id);
        TASKSTORE_LET(const auto twice, archive.held(ids));
        count -= std::ssize(twice);
        asked.after_created_at = page.back().created_at;
        asked.after_id = page.back().id;
    }
}

}  // namespace taskstore::tasks
