#pragma once
// A device with its databases in a folder of the test.

#include <gtest/gtest.h>
#include <taskstore/backends.hpp>
#include <taskstore/store/move.hpp>
#include <taskstore/tasks/task_store.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <array>
#include <atomic>
#include <memory>
#include <string>
#include <vector>

namespace taskstore::store {

/// The system's, some time later.
class LaterClock final : public Clock {
  public:
    std::int64_t wall_ms() const override { return x_now.wall_ms() + x_later_ms; }
    std::int64_t boot_ns() const override { return x_now.boot_ns() + x_later_ms * 1'000'000; }
    std::int64_t running_ns() const override { return x_now.running_ns() + x_later_ms * 1'000'000; }
    void pass_ms(std::int64_t ms) { x_later_ms += ms; }

  private:
    SystemClock x_now;
    std::atomic<std::int64_t> x_later_ms{0};
};

struct Device {
    /// `drivers`: where those are that are loaded.
    explicit Device(std::string drivers = {}) : backends(std::move(drivers)) {}

    /// As another process of the same device would open it now.
    std::unique_ptr<Databases> databases() {
        DatabasesOptions options;
        options.settings.home = folder / "home";
        options.settings.folder = folder / ".";
        options.settings.variable = [](const std::string&) { return std::nullopt; };
        options.settings.places[static_cast<std::size_t>(DatabaseName::tasks)] = {
            place, "config.toml", false};
        options.settings.places[static_cast<std::size_t>(DatabaseName::archive)] = {
            archive_place, "config.toml", false};
        options.opener.uid = os::SystemFileSystem().info(folder / ".")->owner;
        options.pool = pool;
        options.part = [this](sql::Engine engine) { return backends.part(engine); };
        if (next_version)
            options.modules_for_testing = [updates = next_updates, table = next_table](
                                              DatabaseName name, std::string_view dialect) {
                auto modules = next_modules(name, dialect, updates);
                if (table) add_table(modules);
                return modules;
            };
        if (next_module)
            options.modules_for_testing = [](DatabaseName name, std::string_view dialect) {
                auto modules = modules_of(name, dialect);
                add_module(modules);
                return modules;
            };
        return std::make_unique<Databases>(files, clock, random, std::move(options));
    }

    MoveRequest move_to(const std::string& name) {
        return {.name = DatabaseName::tasks,
                .to = {sql::Engine::sqlite, folder / name},
                .to_text = "sqlite:" + (folder / name),
                .config_path = folder / "home/config.toml",
                .home = folder / "home"};
    }

    /// What the row of the tasks database at a place says.
    sql::Identity identity_at(const std::string& at) {
        const auto opened = databases();
        const auto connection =
            opened->connect(DatabaseName::tasks, *sql::parse_location(at), {.read_only = true});
        EXPECT_TRUE(connection) << at << ": " << (connection ? "" : connection.error().message);
        if (!connection) return {};
        const auto found = sql::find_identity(**connection, "tasks");
        EXPECT_TRUE(found && *found) << at << " holds no database";
        return found && *found ? **found : sql::Identity{};
    }

    TemporaryFolder folder;
    os::SystemFileSystem files;
    LaterClock clock;
    SeededRandom random{5};
    Backends backends;
    sql::PoolOptions pool;
    std::string place;          ///< What config.toml says of tasks.
    std::string archive_place;  ///< The same of the archive.
    bool next_version = false;  ///< The program is of a version that has one migration more,
    bool next_updates = true;   ///< and changes rows with it.
    bool next_table = false;    ///< And another one after that, which makes a table.
    bool next_module = false;   ///< Instead of these: it has one module more, with a table.

  private:
    static std::vector<DatabaseModule> next_modules(DatabaseName name, std::string_view dialect,
                                                    bool updates) {
        static std::array<std::vector<sql::Migration>, 4> all;
        auto modules = modules_of(name, dialect);
        for (DatabaseModule& module : modules) {
            auto& next = all.at((dialect == "postgres" ? 2U : 0U) + (updates ? 1U : 0U));
            next.assign(module.migrations.begin(), module.migrations.end());
            next.push_back({static_cast<int>(next.size()) + 1, "next",
                            updates ? "ALTER TABLE tasks ADD COLUMN next_one TEXT; "
                                      "UPDATE tasks SET next_one = title"
                                    : "ALTER TABLE tasks ADD COLUMN next_one TEXT"});
            module.migrations = next;
        }
        return modules;
    }
    static void add_module(std::vector<DatabaseModule>& modules) {
        static constexpr std::array kMigrations{
            sql::Migration{1, "notes", "CREATE TABLE notes (id TEXT PRIMARY KEY)"}};
        static constexpr std::array kTables{sql::Table{.name = "notes", .key = "id"}};
        modules.push_back({.name = "notes", .migrations = kMigrations, .tables = kTables});
    }
    static void add_table(std::vector<DatabaseModule>& modules) {
        static std::vector<sql::Migration> migrations;
        static std::vector<sql::Table> tables;
        DatabaseModule& module = modules.at(0);
        const int version = static_cast<int>(module.migrations.size()) + 1;
        migrations.assign(module.migrations.begin(), module.migrations.end());
        migrations.push_back({version, "table", "CREATE TABLE task_more (id TEXT PRIMARY KEY)"});
        tables.assign(module.tables.begin(), module.tables.end());
        tables.push_back({.name = "task_more", .key = "id", .since = version});
        module.migrations = migrations;
        module.tables = tables;
    }
};

/// A device's tasks, as one process has them open.
struct OpenTasks {
    explicit OpenTasks(Device& device) : databases(device.databases()) {
        const auto database = databases->open(DatabaseName::tasks);
        EXPECT_TRUE(database) << (database ? "" : database.error().message);
        if (database) store = tasks::make_task_store(**database, device.clock, device.random);
    }
    void add(const std::string& title) {
        const auto written = store->create_task({.title = title});
        ASSERT_TRUE(written) << written.error().message;
    }
    std::vector<std::string> titles() {
        std::vector<std::string> titles;
        const auto page = store->list_tasks({.limit = 10'000});
        EXPECT_TRUE(page) << (page ? "" : page.error().message);
        if (!page) return {};
        for (auto task = page->tasks.rbegin(); task != page->tasks.rend(); ++task)
            titles.push_back(task->title);
        return titles;
    }

    std::unique_ptr<Databases> databases;
    std::unique_ptr<tasks::TaskStore> store;
};

}  // namespace taskstore::store
