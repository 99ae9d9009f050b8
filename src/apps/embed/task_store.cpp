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

/// What opens the database; lives as long as the store on top of it.
class Opened {
  public:
    explicit Opened(const TaskStoreBackend& backend)
        : x_databases(x_files, x_clock, x_random, options(backend)) {}

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
};

}  // namespace

Result<std::unique_ptr<tasks::TaskStore>> create_task_store(const TaskStoreBackend& backend) {
    return Opened::store(backend);
}

}  // namespace taskstore
