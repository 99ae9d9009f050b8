// A device's tasks: the same interface behind a file, a PostgreSQL server and a libSQL server.
#include <taskstore/task_store.hpp>

#include <cstdio>
#include <cstdlib>

namespace {

taskstore::Status build_on(const taskstore::TaskStoreBackend& backend) {
    TASKSTORE_LET(const auto store, taskstore::create_task_store(backend));
    TASKSTORE_LET(const auto created, store->create_task({.title = "Build project",
                                                          .description = "Run the build",
                                                          .command = "cmake --build build",
                                                          .input = "{}"}));
    std::printf("Created task: %s (%s)\n", created.value.title.c_str(),
                std::string(name_of(created.level)).c_str());

    TASKSTORE_LET(const auto page,
                  store->list_tasks({.status = taskstore::tasks::TaskStatus::pending}));
    for (const auto& task : page.tasks) std::printf("pending: %s\n", task.title.c_str());
    return taskstore::ok();
}

}  // namespace

int main(int argc, char** argv) {
    // Device A, a laptop: a file. Device B, a server in a data centre: the URL is in its
    // environment.
    const char* const url = std::getenv("TASKS_URL");
    const auto status =
        url != nullptr
            ? build_on(taskstore::Postgres{url})
            : build_on(taskstore::Sqlite{argc > 1 ? argv[1] : "~/.local/share/adi/tasks.db"});
    if (!status) std::fprintf(stderr, "%s\n", status.error().message.c_str());
    return status ? 0 : 1;
}
