#pragma once
// Tasks in a file of a scratch folder, with the system's clock: what real processes work on.

#include <taskstore/sqlite/database.hpp>
#include <taskstore/tasks/task_store.hpp>
#include <taskstore/testing/temporary_folder.hpp>
#include <taskstore/work/worker.hpp>

#include <cstdlib>
#include <iostream>

namespace taskstore::work {

/// Opened by each process for itself: connections do not survive a fork.
class ScratchTasks {
  public:
    explicit ScratchTasks(const std::string& folder) : x_folder(folder) {
        const std::string path = folder + "/tasks.db";
        {
            const auto connection = x_driver.connect(path, {});
            const bool ready =
                connection &&
                sql::migrate(**connection, tasks::kModule, tasks::migrations("sqlite"), clock) &&
                sql::identify(**connection, tasks::kModule, clock, random);
            if (!ready) std::abort();
        }
        auto database = sqlite::open_database(path, {}, {.driver = &x_driver, .clock = &clock});
        if (!database) std::abort();
        x_database = std::move(*database);
        store = tasks::make_task_store(*x_database, clock, random,
                                       {.before_freeing = end_lapsed(run_folder(folder, "tasks"))});
    }
    WorkerOptions options(const std::string& name) const {
        return {.name = name,
                .until_empty = true,
                .run = run_folder(x_folder, "tasks"),
                .log_folder = x_folder + "/logs",
                .warn = [](const std::string& what) { std::cerr << what << '\n'; }};
    }
    sql::Database& database() const { return *x_database; }
    /// A file of its own with all that is in this one.
    void copy_to(const std::string& path) {
        const auto connection = x_driver.connect(x_folder + "/tasks.db", {});
        if (!connection || !(*connection)->execute("VACUUM INTO '" + path + "'")) std::abort();
    }
    tasks::Task add(const tasks::CreateTask& task) const {
        auto made = store->create_task(task);
        if (!made) std::abort();
        return std::move(made->value);
    }
    tasks::Task get(const std::string& id) const { return **store->get_task(id); }
    Status work(WorkerOptions options) {
        return Worker(*store, clock, random, files, std::move(options)).run();
    }

    SystemClock clock;
    SystemRandom random;
    os::SystemFileSystem files;

  private:
    std::string x_folder;
    sqlite::Driver x_driver;
    std::unique_ptr<sql::Database> x_database;

  public:
    std::unique_ptr<tasks::TaskStore> store;
};

}  // namespace taskstore::work
