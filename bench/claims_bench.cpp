// What a claim costs among few and among many tasks.
//   claims_bench [TASKS] [CLAIMS]     in the working folder; on a tmpfs no flush counts
// Three databases: one where 1,000 tasks are pending; one of TASKS (2,000,000) of which half are
// pending and half have ended; one the same, where of those that are pending one of a hundred is
// for this worker. A claim on each in turn; what was claimed is completed and replaced untimed.
#include "must.hpp"
#include "timing.hpp"

#include <sqlite3.h>
#include <taskstore/task_store.hpp>

#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace taskstore {
namespace {

using bench::must;

struct Queue {
    std::string what;
    std::unique_ptr<tasks::TaskStore> store;
    std::vector<double> ms = {};

    void claim() {
        std::vector<tasks::Task> held;
        ms.push_back(1e3 * bench::seconds_of(
                               [&] { held = must(store->claim_tasks({.worker = "w"})).value; }));
        if (held.size() != 1) std::exit(1);
        must(store->complete_task({.task_id = held[0].id, .fence = held[0].fence}, {}));
        must(store->create_task({.title = held[0].title, .project = held[0].project}));
    }
    double at(double part) {
        std::ranges::sort(ms);
        return ms[static_cast<std::size_t>(part * static_cast<double>(ms.size() - 1))];
    }
};

/// Every `every`th pending one may be claimed by a worker who offers nothing. As many again, first
/// made, have ended.
Queue filled(const std::string& what, const std::string& path, std::size_t ended,
             std::size_t pending, std::size_t every) {
    auto store = must(create_task_store(Sqlite{path}));
    constexpr std::size_t kAtOnce = 50'000;
    const auto add = [&](std::size_t count, std::size_t for_us) {
        std::vector<tasks::CreateTask> some;
        for (std::size_t i = 0; i < count; ++i) {
            tasks::CreateTask one{.title = "task " + std::to_string(i), .project = "p"};
            if (i % for_us != 0) one.capabilities = {"gpu"};
            some.push_back(std::move(one));
            if (some.size() < kAtOnce && i + 1 < count) continue;
            must(store->create_tasks(some));
            some.clear();
        }
    };
    if (ended > 0) {
        add(ended, 1);
        sqlite3* db = nullptr;
        if (sqlite3_open(path.c_str(), &db) != SQLITE_OK ||
            sqlite3_exec(db,
                         "UPDATE tasks SET status = 'completed', ready = 0, fence = 1, assigned_to "
                         "= 'w', completed_at = created_at",
                         nullptr, nullptr, nullptr) != SQLITE_OK)
            std::exit(1);
        sqlite3_close(db);
    }
    add(pending, every);
    return {what, std::move(store)};
}

}  // namespace
}  // namespace taskstore

int main(int argc, char** argv) {
    using taskstore::filled;
    const std::size_t tasks = argc > 1 ? std::strtoul(argv[1], nullptr, 10) : 2'000'000;
    const int claims = argc > 2 ? std::atoi(argv[2]) : 5'000;
    const std::string folder =
        std::filesystem::current_path() / ("claims_bench-" + std::to_string(::getpid()));
    std::filesystem::create_directory(folder);
    ::setenv("TASKSTORE_HOME", folder.c_str(), 1);
    {
        std::vector<taskstore::Queue> queues;
        queues.push_back(filled("1,000 pending", folder + "/few.db", 0, 1'000, 1));
        queues.push_back(
            filled("half of all pending", folder + "/many.db", tasks / 2, tasks / 2, 1));
        queues.push_back(filled("the same, 1 of 100 for this worker", folder + "/others.db",
                                tasks / 2, tasks / 2, 100));
        for (int i = 0; i < claims; ++i)
            for (auto& queue : queues) queue.claim();
        const double few = queues[0].at(0.99);
        for (auto& queue : queues)
            std::printf("%-36s median %.3f  p99 %.3f ms  ratio of p99 %.2f (bar: <= 1.5)\n",
                        queue.what.c_str(), queue.at(0.5), queue.at(0.99), queue.at(0.99) / few);
    }
    std::filesystem::remove_all(folder);
    return 0;
}
