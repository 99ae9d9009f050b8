#include "device_store.hpp"

#include <gtest/gtest.h>
#include <taskstore/os/file_system.hpp>
#include <taskstore/store/databases.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <thread>

namespace taskstore::store {
namespace {

/// A server that refuses the first connections with a code, and all others with `denied`.
class ShyPart final : public sql::Part {
  public:
    ShyPart(Code code, int refusals) : x_code(code), x_refusals(refusals) {}
    Result<std::unique_ptr<sql::Database>> open_database(const sql::OpenRequest&) override {
        return fail(Code::failed, "not asked for");
    }
    Result<std::unique_ptr<sql::Connection>> connect(const sql::OpenRequest&) override {
        ++asked;
        return fail(asked <= x_refusals ? x_code : Code::denied, "refused");
    }
    std::string version() const override { return "none"; }

    int asked = 0;

  private:
    Code x_code;
    int x_refusals;
};

Code code_of_opening(ShyPart& part, const Clock& clock) {
    const TemporaryFolder folder;
    os::SystemFileSystem files;
    SeededRandom random(7);
    DatabasesOptions options;
    options.settings.url = {"postgres://h/d", "config.toml", false};
    options.settings.variable = [](const std::string&) { return std::nullopt; };
    options.part = [&](sql::Engine) -> Result<sql::Part*> { return &part; };
    Databases databases(files, clock, random, std::move(options));
    const auto opened = databases.open(DatabaseName::tasks);
    EXPECT_FALSE(opened);
    return opened ? Code::failed : opened.error().code;
}

TEST(Databases, AServerThatIsStartedAgainIsAskedAgain) {
    const FakeClock clock;
    ShyPart part(Code::unavailable, 3);
    EXPECT_EQ(code_of_opening(part, clock), Code::denied);
    EXPECT_EQ(part.asked, 4);
}

TEST(Databases, WhatNoRepetitionMendsIsToldAtOnce) {
    const FakeClock clock;
    for (const Code code : {Code::denied, Code::invalid, Code::not_found, Code::timed_out}) {
        ShyPart part(code, 3);
        EXPECT_EQ(code_of_opening(part, clock), code);
        EXPECT_EQ(part.asked, 1) << name_of(code);
    }
}

TEST(Databases, AServerThatStaysAwayIsGivenUp) {
    /// Half a second goes by with each look at it.
    class HurriedClock final : public Clock {
      public:
        std::int64_t wall_ms() const override { return 0; }
        std::int64_t boot_ns() const override { return x_ns += 500'000'000; }
        std::int64_t running_ns() const override { return boot_ns(); }

      private:
        mutable std::int64_t x_ns = 0;
    };
    const HurriedClock clock;
    ShyPart part(Code::unavailable, 1'000'000);
    EXPECT_EQ(code_of_opening(part, clock), Code::unavailable);
    EXPECT_LT(part.asked, 10);
}

TEST(Databases, TheCopyBeforeAMigrationIsOfNowAndNoneIsWrittenOver) {
    Device device;
    OpenTasks(device).add("a");
    const std::string path = device.folder / "home/tasks.db";
    const auto grow_old = [&] {
        const auto databases = device.databases();
        const auto connection = databases->connect(DatabaseName::tasks, {sql::Engine::sqlite, path},
                                                   {.read_only = false});
        ASSERT_TRUE((*connection)->execute("DELETE FROM taskstore_migrations WHERE version > 1"));
        ASSERT_TRUE((*connection)->execute("DROP TABLE task_clock"));
    };
    const auto copies = [&] {
        std::vector<std::string> names = *device.files.list(device.folder / "home");
        std::erase_if(names, [](const std::string& name) {
            return name.find(".before-version-") == std::string::npos;
        });
        return names.size();
    };
    for (std::size_t upgrades = 1; upgrades <= 3; ++upgrades) {
        grow_old();
        static_cast<void>(device.databases()->open(DatabaseName::tasks));
        EXPECT_EQ(copies(), upgrades);
    }
}

TEST(Databases, ManyThatFindAnOlderOneAtOnceEachOpenIt) {
    for (int round = 0; round < 5; ++round) {
        Device device;
        const std::string path = device.folder / "home/tasks.db";
        {
            const auto databases = device.databases();
            const auto connection =
                databases->connect(DatabaseName::tasks, {sql::Engine::sqlite, path},
                                   {.read_only = false, .create = true});
            ASSERT_TRUE(connection);
            ASSERT_TRUE(sql::migrate(**connection, tasks::kModule,
                                     tasks::migrations("sqlite").first(1), device.clock));
        }
        std::vector<std::string> errors(8);
        {
            std::vector<std::jthread> threads;
            for (std::string& error : errors) {
                threads.emplace_back([&] {
                    const auto opened = device.databases()->open(DatabaseName::tasks);
                    if (!opened) error = opened.error().message;
                });
            }
        }
        for (const std::string& error : errors) EXPECT_EQ(error, "");
        EXPECT_TRUE(device.files.info(path + ".before-version-" +
                                      std::to_string(tasks::migrations("sqlite").size())));
    }
}

}  // namespace
}  // namespace taskstore::store
