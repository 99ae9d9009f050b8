// A disk that fills up under load, on each engine: nothing that was acknowledged is lost, nothing
// is there twice, and once there is space again, all goes on. The disks are the test's own.

#include "device_store.hpp"
#include "roles.hpp"

#include <taskstore/testing/server.hpp>
#include <taskstore/testing/small_disk.hpp>
#include <taskstore/testing/sqld.hpp>

#include <atomic>
#include <filesystem>
#include <map>
#include <mutex>
#include <thread>

namespace taskstore {
namespace {

using sql::BoundStatement;

constexpr std::int64_t kNsPerMs = 1'000'000;

/// What the writers were told of each row.
class Told {
  public:
    void note(std::int64_t id, const Result<sql::Committed>& told) {
        const std::lock_guard lock(x_mutex);
        x_of[id] = told ? std::nullopt : std::optional(told.error().code);
        ++(told ? acknowledged : refused);
    }
    void compare(const std::map<std::int64_t, std::int64_t>& rows) const {
        for (const auto& [id, code] : x_of) {
            const auto found = rows.find(id);
            const std::int64_t count = found == rows.end() ? 0 : found->second;
            if (!code)
                EXPECT_EQ(count, 1) << "acknowledged: " << id;
            else if (*code == Code::outcome_unknown)
                EXPECT_LE(count, 1) << "unknown: " << id;
            else
                EXPECT_EQ(count, 0) << "refused (" << name_of(*code) << "): " << id;
        }
    }

    std::atomic<int> acknowledged{0};
    std::atomic<int> refused{0};

  private:
    std::mutex x_mutex;
    std::map<std::int64_t, std::optional<Code>> x_of;
};

/// Four callers that write rows of 4 KiB until this goes.
class Load {
  public:
    Load(sql::Database& database, const Clock& clock, Told& told) {
        constexpr int kCallers = 4;
        for (int caller = 0; caller < kCallers; ++caller)
            x_callers.emplace_back([&](const std::stop_token& stop) {
                while (!stop.stop_requested()) {
                    const std::int64_t id = ++x_last;
                    const BoundStatement insert{.sql = "INSERT INTO rows VALUES (?1, ?2)",
                                                .values = {id, std::string(4'096, 'x')}};
                    told.note(id, database.write_batch(
                                      {&insert, 1},
                                      {.deadline_boot_ns = clock.boot_ns() + 2'000 * kNsPerMs}));
                }
            });
    }

  private:
    std::atomic<std::int64_t> x_last{0};
    std::vector<std::jthread> x_callers;
};

/// False: not within a minute.
bool wait_until(const Clock& clock, const std::function<bool()>& done) {
    constexpr std::int64_t kMsMax = 60'000;
    const std::int64_t until_ns = clock.boot_ns() + kMsMax * kNsPerMs;
    while (!done()) {
        if (clock.boot_ns() > until_ns) return false;
        std::this_thread::yield();
    }
    return true;
}

/// `server`: null for a file.
void fill_and_free(const std::string& place, const std::string& disk, Server* server) {
    store::Device device{TASKSTORE_DRIVERS_HERE};
    device.place = place;
    auto databases = device.databases();
    const auto opened = databases->open(store::DatabaseName::tasks);
    ASSERT_TRUE(opened) << opened.error().message;
    sql::Database& database = **opened;
    const BoundStatement create{.sql = "CREATE TABLE rows (id BIGINT, body TEXT)"};
    ASSERT_TRUE(database.write_batch({&create, 1}));
    Told told;
    {
        const Load load(database, device.clock, told);
        ASSERT_TRUE(wait_until(device.clock, [&] { return told.acknowledged >= 50; }));
        {
            const Ballast ballast(disk);
            ASSERT_TRUE(wait_until(device.clock, [&] { return told.refused >= 8; }));
        }
        const int before = told.acknowledged;
        EXPECT_TRUE(wait_until(device.clock,
                               [&] {
                                   // PostgreSQL ends where it cannot write its log, and so may
                                   // sqld.
                                   if (server != nullptr && !server->is_running()) {
                                       const Status again = server->start_again();
                                       EXPECT_TRUE(again) << server->output();
                                   }
                                   return told.acknowledged >= before + 50;
                               }))
            << "there is space, and nobody can write"
            << (server != nullptr ? server->output() : "");
    }
    const BoundStatement all{.sql = "SELECT id, count(*) FROM rows GROUP BY id"};
    const auto read = database.read_batch({&all, 1});
    ASSERT_TRUE(read) << read.error().message;
    std::map<std::int64_t, std::int64_t> rows;
    for (const auto& row : read->at(0).rows)
        rows[std::get<std::int64_t>(row[0])] = std::get<std::int64_t>(row[1]);
    told.compare(rows);
}

#define TASKSTORE_SKIP_WITHOUT_DISK(made)                              \
    if (!(made) && (made).error().code == Code::denied)                \
        GTEST_SKIP() << "missing capability: " << (made).error().hint; \
    ASSERT_TRUE(made) << (made).error().message

TEST(FullDisk, UnderAFileLosesNothingThatWasAcknowledged) {
    const TemporaryFolder folder;
    const auto disk = SmallDisk::mount(folder.path(), 8 << 20);
    TASKSTORE_SKIP_WITHOUT_DISK(disk);
    fill_and_free("sqlite:" + (folder / "tasks.db"), folder.path(), nullptr);
}

TEST(FullDisk, UnderPostgresLosesNothingThatWasAcknowledged) {
    const auto server = start_postgres({.fsync = true,
                                        .settings = {"max_wal_size=8MB", "min_wal_size=2MB"},
                                        .disk_bytes_max = 128 << 20});
    TASKSTORE_SKIP_WITHOUT_DISK(server);
    make_plain_role(**server);
    fill_and_free(make_plain_database(**server, "tasks"), (*server)->folder(), server->get());
}

TEST(FullDisk, UnderSqldLosesNothingThatWasAcknowledged) {
    const auto sqld = start_sqld({.disk_bytes_max = 32 << 20});
    TASKSTORE_SKIP_WITHOUT_DISK(sqld);
    fill_and_free(sqld->location(), sqld->server->folder(), sqld->server.get());
}

}  // namespace
}  // namespace taskstore
