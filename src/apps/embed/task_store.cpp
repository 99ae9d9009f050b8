#include <taskstore/backends.hpp>
#include <taskstore/store/databases.hpp>
#include <taskstore/task_store.hpp>

#include <unistd.h>

#include <cstdlib>
#include <filesystem>

namespace taskstore {
namespace {

std::optional<std::string> variable(const std::string& name) {
    const char* const value = std::getenv(name.c_str());
    return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

std::string device_home() {
    if (const auto home = variable("TASKSTORE_HOME"); home && !home->empty()) return *home;
    if (const auto data = variable("XDG_DATA_HOME"); data && !data->empty())
        return os::join_path(*data, "taskstore");
    return os::join_path(variable("HOME").value_or("."), ".local/share/taskstore");
}

/// What opens the database; lives as long as the store on top of it.
class Opened {
  public:
    explicit Opened(const TaskStoreBackend& backend)
        : x_databases(x_files, x_clock, x_random, options(backend)) {}

    static Result<std::unique_ptr<work::Worker>> worker(const TaskStoreBackend& backend,
                                                        work::WorkerOptions options) {
        auto opened = std::make_shared<Opened>(backend);
        Opened& it = *opened;
        TASKSTORE_LET(sql::Database* const database,
                      it.x_databases.open(store::DatabaseName::tasks));
        TASKSTORE_LET(const store::DatabasePlace at,
                      it.x_databases.place(store::DatabaseName::tasks));
        it.x_store = tasks::make_task_store(*database, it.x_clock, it.x_random);
        const std::string folder = sql::row_of(at.location.engine).is_file
                                       ? os::folder_of(at.location.text)
                                       : device_home();
        if (options.run.path.empty()) options.run = work::run_folder(folder, at.location.text);
        if (options.log_folder.empty()) options.log_folder = os::join_path(folder, "logs/tasks");
        options.owner = std::move(opened);
        return std::make_unique<work::Worker>(*it.x_store, it.x_clock, it.x_random, it.x_files,
                                              std::move(options));
    }

    static Result<std::unique_ptr<tasks::TaskStore>> store(const TaskStoreBackend& backend) {
        auto opened = std::make_shared<Opened>(backend);
        TASKSTORE_LET(sql::Database* const database,
                      opened->x_databases.open(store::DatabaseName::tasks));
        Opened& it = *opened;
        return tasks::make_task_store(*database, it.x_clock, it.x_random,
                                      {.owner = std::move(opened)});
    }

  private:
    store::DatabasesOptions options(const TaskStoreBackend& backend) {
        store::DatabasesOptions options;
        auto& place = options.settings.places[static_cast<std::size_t>(store::DatabaseName::tasks)];
        place.source = "create_task_store";
        if (const auto* sqlite = std::get_if<Sqlite>(&backend)) {
            place.value = "sqlite:" + sqlite->path;
        } else if (const auto* postgres = std::get_if<Postgres>(&backend)) {
            place.value = postgres->url;
            options.pool = postgres->pool;
        } else if (const auto* libsql = std::get_if<Libsql>(&backend)) {
            place.value = libsql->url;
            options.token = libsql->token;
        }
        std::error_code error;
        options.settings.folder = std::filesystem::current_path(error).string();
        options.settings.variable = variable;
        options.opener.uid = geteuid();
        options.part = [this](sql::Engine engine) { return x_backends.part(engine); };
        return options;
    }

    SystemClock x_clock;
    SystemRandom x_random;
    os::SystemFileSystem x_files;
    Backends x_backends{variable("TASKSTORE_DRIVERS").value_or("")};
    store::Databases x_databases;
    std::unique_ptr<tasks::TaskStore> x_store;
};

}  // namespace

Result<std::unique_ptr<tasks::TaskStore>> create_task_store(const TaskStoreBackend& backend) {
    return Opened::store(backend);
}

Result<std::unique_ptr<work::Worker>> create_worker(const TaskStoreBackend& backend,
                                                    work::WorkerOptions options) {
    return Opened::worker(backend, std::move(options));
}

}  // namespace taskstore
