#include <taskstore/backends.hpp>
#include <taskstore/store/archive.hpp>
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
        if (options.run.path.empty()) {
            TASKSTORE_LET(options.run, it.run_folder());
        }
        it.x_store = tasks::make_task_store(
            *database, it.x_clock, it.x_random,
            {.before_freeing = work::end_lapsed(options.run), .archive = it.archive_finder()});
        if (options.log_folder.empty()) {
            TASKSTORE_LET(const std::string folder, it.folder());
            options.log_folder = os::join_path(folder, "logs/tasks");
        }
        options.owner = std::move(opened);
        return std::make_unique<work::Worker>(*it.x_store, it.x_clock, it.x_random, it.x_files,
                                              std::move(options));
    }

    static Result<std::unique_ptr<tasks::TaskStore>> store(const TaskStoreBackend& backend) {
        auto opened = std::make_shared<Opened>(backend);
        TASKSTORE_LET(sql::Database* const database,
                      opened->x_databases.open(store::DatabaseName::tasks));
        Opened& it = *opened;
        TASKSTORE_LET(work::RunFolder run, it.run_folder());
        return tasks::make_task_store(*database, it.x_clock, it.x_random,
                                      {.owner = std::move(opened),
                                       .before_freeing = work::end_lapsed(std::move(run)),
                                       .archive = it.archive_finder()});
    }

  private:
    /// Where the device's state lies that is not in the database.
    Result<std::string> folder() {
        TASKSTORE_LET(const store::DatabasePlace at, x_databases.place(store::DatabaseName::tasks));
        return sql::row_of(at.location.engine).is_file ? os::folder_of(at.location.text)
                                                       : device_home();
    }
    Result<work::RunFolder> run_folder() {
        TASKSTORE_LET(const store::DatabasePlace at, x_databases.place(store::DatabaseName::tasks));
        if (sql::row_of(at.location.engine).is_file)
            return work::run_folder_beside(at.location.text);
        return work::run_folder(device_home(), at.location.text);
    }
    /// Of databases of its own: those of the tasks are not for any thread.
    tasks::ArchiveFinder archive_finder() {
        return store::archive_finder([this] {
            return Result<std::shared_ptr<store::Databases>>(std::make_shared<store::Databases>(
                x_files, x_clock, x_random, x_databases.options()));
        });
    }
    store::DatabasesOptions options(const TaskStoreBackend& backend) {
        store::DatabasesOptions options;
        auto& place = options.settings.places[static_cast<std::size_t>(store::DatabaseName::tasks)];
        auto& archive =
            options.settings.places[static_cast<std::size_t>(store::DatabaseName::archive)];
        place.source = archive.source = "create_task_store";
        if (const auto* sqlite = std::get_if<Sqlite>(&backend)) {
            place.value = "sqlite:" + sqlite->path;
            archive.value = "sqlite:" + os::join_path(os::folder_of(sqlite->path), "archive.db");
        } else if (const auto* postgres = std::get_if<Postgres>(&backend)) {
            place.value = archive.value = postgres->url;
            options.pool = postgres->pool;
        } else if (const auto* libsql = std::get_if<Libsql>(&backend)) {
            place.value = archive.value = libsql->url;
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
