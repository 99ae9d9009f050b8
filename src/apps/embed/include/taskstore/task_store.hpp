#pragma once
// A device's tasks in one call (floor 6), for programs that embed them: in a file, on a PostgreSQL
// server or on a libSQL server, the same interface behind all three.
//
//   TASKSTORE_LET(auto store, taskstore::create_task_store(
//                                 taskstore::Sqlite{"~/.local/share/adi/tasks.db"}));
//   TASKSTORE_LET(auto created, store->create_task({.title = "Build project"}));

#include <taskstore/sql/pool.hpp>
#include <taskstore/tasks/task_store.hpp>
#include <taskstore/work/worker.hpp>

#include <memory>
#include <string>
#include <variant>

namespace taskstore {

/// A file; `~` and environment variables are replaced, folders are made.
struct Sqlite {
    std::string path;
};
/// postgres://… or postgresql://…
struct Postgres {
    std::string url;
    sql::PoolOptions pool = {};
};
/// libsql://… or http(s)://…; the token may stand in the URL instead.
struct Libsql {
    std::string url;
    std::string token = {};
};
using TaskStoreBackend = std::variant<Sqlite, Postgres, Libsql>;

/// Opens it, makes it where it is missing, and brings its schema up to this version. Errors as of
/// store::Databases::open. Thread-safe as TaskStore is.
Result<std::unique_ptr<tasks::TaskStore>> create_task_store(const TaskStoreBackend& backend);

/// A worker on such a store, which it opens for itself. Where `run` and `log_folder` are empty they
/// follow: beside the file, else in the device's home ($TASKSTORE_HOME, $XDG_DATA_HOME/taskstore,
/// ~/.local/share/taskstore).
///
///   TASKSTORE_LET(auto worker, taskstore::create_worker(backend, {.name = "w1", .jobs = 4}));
///   TASKSTORE_TRY(worker->run());
Result<std::unique_ptr<work::Worker>> create_worker(const TaskStoreBackend& backend,
                                                    work::WorkerOptions options);

}  // namespace taskstore
