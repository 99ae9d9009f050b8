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

/// What opens the database, and the store on top of it.
class OwningTaskStore final : public tasks::TaskStore {
  public:
    explicit OwningTaskStore(const TaskStoreBackend& backend)
        : x_databases(x_files, x_clock, x_random, options(backend)) {}

    Status open() {
        TASKSTORE_LET(sql::Database* const database, x_databases.open(store::DatabaseName::tasks));
        x_store = tasks::make_task_store(*database, x_clock, x_random);
        return ok();
    }

    Result<tasks::Written<tasks::Task>> create_task(const tasks::CreateTask& task) override {
        return x_store->create_task(task);
    }
    Result<tasks::Written<std::vector<std::string>>> create_tasks(
        std::span<const tasks::CreateTask> tasks) override {
        return x_store->create_tasks(tasks);
    }
    Result<std::optional<tasks::Task>> get_task(const std::string& id) override {
        return x_store->get_task(id);
    }
    Result<tasks::TaskPage> list_tasks(const tasks::TaskFilter& filter) override {
        return x_store->list_tasks(filter);
    }
    Result<tasks::Written<tasks::Task>> update_task(const std::string& id,
                                                    const tasks::UpdateTask& change) override {
        return x_store->update_task(id, change);
    }
    Status delete_task(const std::string& id) override { return x_store->delete_task(id); }

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
    auto store = std::make_unique<OwningTaskStore>(backend);
    TASKSTORE_TRY(store->open());
    return std::unique_ptr<tasks::TaskStore>(std::move(store));
}

}  // namespace taskstore
