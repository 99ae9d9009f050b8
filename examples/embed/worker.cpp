// Puts a task into the queue in one line, and works it off in ten.
#include <taskstore/base/json.hpp>
#include <taskstore/task_store.hpp>

#include <cstdio>

namespace {

/// The application's own work: here, how many numbers the task was given.
taskstore::Result<std::string> count(const taskstore::tasks::Task& task, const std::stop_token&) {
    return std::to_string(taskstore::items_of_raw(task.input).size());
}

taskstore::Status enqueue_and_work(const taskstore::TaskStoreBackend& backend) {
    TASKSTORE_LET(const auto store, taskstore::create_task_store(backend));
    TASKSTORE_TRY(store->create_task({.title = "Count", .input = "[1, 2, 3]"}));

    TASKSTORE_LET(const auto worker,
                  taskstore::create_worker(
                      backend, {.name = "example",
                                .jobs = 2,
                                .handler = count,
                                .until_empty = true,
                                .finished = [](const taskstore::work::Finished& one) {
                                    std::printf("%s: %s\n", one.task.title.c_str(),
                                                std::string(name_of(one.outcome)).c_str());
                                }}));
    return worker->run();
}

}  // namespace

int main(int argc, char** argv) {
    const auto status = enqueue_and_work(taskstore::Sqlite{argc > 1 ? argv[1] : "tasks.db"});
    if (!status) std::fprintf(stderr, "%s\n", status.error().message.c_str());
    return status ? 0 : 1;
}
