// The power goes after each call that a verb makes to the disk; "keep all" is what kill -9 leaves.
// What was told is there, and of what was not there is nothing or all.

#include "task_invariants.hpp"
#include "task_state.hpp"
#include "writing_verbs.hpp"

#include <gmock/gmock.h>
#include <taskstore/os/fault_file_system.hpp>
#include <taskstore/sqlite/database.hpp>

#include <cstdlib>
#include <functional>
#include <optional>
#include <set>

namespace taskstore::tasks {
namespace {

constexpr std::string_view kTasksPath = "/d/tasks.db";
constexpr std::string_view kArchivePath = "/d/archive.db";

/// Both databases of a device on a disk, as a program that has just begun has them.
class OnDisk {
  public:
    OnDisk(os::FaultFileSystem& disk, const Clock& clock, std::uint64_t seed)
        : x_clock(clock), x_random(seed), x_driver(&disk) {}

    Status make() {
        TASKSTORE_LET(const auto one, x_driver.connect(std::string(kTasksPath), {}));
        TASKSTORE_TRY(sql::migrate(*one, kModule, migrations("sqlite"), x_clock));
        TASKSTORE_TRY(sql::identify(*one, kModule, x_clock, x_random));
        TASKSTORE_LET(const auto other, x_driver.connect(std::string(kArchivePath), {}));
        return sql::migrate(*other, kArchiveModule, archive_migrations("sqlite"), x_clock);
    }
    Status open() {
        const sqlite::WriterOptions writer{.driver = &x_driver, .clock = &x_clock};
        TASKSTORE_LET(tasks, sqlite::open_database(std::string(kTasksPath), {}, writer));
        TASKSTORE_LET(archived, sqlite::open_database(std::string(kArchivePath), {}, writer));
        archive = make_task_archive(*archived);
        store = make_task_store(*tasks, x_clock, x_random,
                                {.boot_id = "boot", .archive = [this] {
                                     return Result<std::shared_ptr<TaskArchive>>(archive);
                                 }});
        return ok();
    }
    bool is_sound() {
        for (const std::string_view path : {kTasksPath, kArchivePath}) {
            const auto connection = x_driver.connect(std::string(path), {});
            if (!connection) return false;
            const auto check = (*connection)->prepare("PRAGMA integrity_check");
            if (!check || !(*check)->step() || (*check)->column_text(0) != "ok") return false;
        }
        return true;
    }

  private:
    const Clock& x_clock;
    SeededRandom x_random;
    sqlite::Driver x_driver;

  public:
    std::unique_ptr<sql::Database> tasks;
    std::unique_ptr<sql::Database> archived;
    std::shared_ptr<TaskArchive> archive;
    std::unique_ptr<TaskStore> store;
};

class TaskCrash : public testing::Test {
  protected:
    TaskCrash() {
        const FakeClock clock;
        x_disk.put_directory("/d");
        OnDisk device(x_disk, clock, 11);
        EXPECT_TRUE(device.make());
        EXPECT_TRUE(device.open());
        make_world(*device.store, *device.archive);
        x_world = State::of(*device.tasks, *device.archived);
        const auto page = device.store->list_tasks({.limit = 1'000});
        for (const Task& task : page->tasks) x_tasks.emplace(task.title, task);
        const auto old = device.archive->list_tasks({});
        for (const Task& task : old->tasks) x_tasks.emplace(task.title, task);
        x_schedules = *device.store->schedules().list_schedules({});
    }
    std::unique_ptr<os::FaultFileSystem> disk_of_the_world() {
        x_disk.sync_everything();
        return x_disk.after_power_cut(os::PowerCut::keep_all());
    }
    /// `calls` of the verb's own come to the disk, and no more.
    Status ask(os::FaultFileSystem& disk, const Clock& clock, const WritingVerb& verb,
               std::optional<std::size_t> calls = {}) {
        OnDisk device(disk, clock, 2);
        TASKSTORE_TRY(device.open());
        if (calls) disk.power_off_after(*calls);
        Stage stage{*device.store, *device.archive, x_tasks, x_schedules};
        TASKSTORE_TRY(verb.ask(stage));
        return ok();
    }
    /// With what is left to whoever comes next.
    std::string tended(os::FaultFileSystem& disk, const Clock& clock) {
        OnDisk device(disk, clock, 3);
        EXPECT_TRUE(device.open());
        EXPECT_TRUE(device.store->tend());
        return x_world.without_new_ids(State::of(*device.tasks, *device.archived).text());
    }

    void check(os::FaultFileSystem& disk, const Clock& clock, const WritingVerb& verb, bool told) {
        {
            OnDisk device(disk, clock, 3);
            ASSERT_TRUE(device.open());
            if (!told && State::of(*device.tasks, *device.archived).text() == x_world.text())
                return;
            ASSERT_TRUE(device.is_sound());
            EXPECT_THAT(what_is_wrong(*device.tasks, clock.wall_ms()), testing::IsEmpty());
        }
        // Of several transactions the first may be there: the verb goes on from it.
        if (verb.steps && !told) static_cast<void>(ask(disk, clock, verb));
        EXPECT_EQ(tended(disk, clock), x_after);
    }

    /// Many cuts leave the same.
    static std::size_t content(const os::FaultFileSystem& disk) {
        std::size_t all = 0;
        for (const std::string_view path : {kTasksPath, kArchivePath})
            for (const std::string_view suffix : {"", "-wal"}) {
                const auto file = disk.get_file(std::string(path) + std::string(suffix));
                all = all * 31 + std::hash<std::string>()(file.value_or("none"));
            }
        return all;
    }

    /// The `first` and each `step`-th call after it.
    void break_off(const WritingVerb& verb, std::size_t first, std::size_t step,
                   std::uint64_t seeds) {
        SCOPED_TRACE(verb.name);
        FakeClock clock;
        if (verb.late) clock.advance_ms(kLateMs);
        const auto whole = disk_of_the_world();
        const Status done = ask(*whole, clock, verb);
        ASSERT_TRUE(done) << done.error().message;
        x_after = tended(*whole, clock);
        std::set<std::pair<std::size_t, bool>> seen;
        for (std::size_t calls = first;; calls += step) {
            const auto disk = disk_of_the_world();
            const bool told = ask(*disk, clock, verb, calls).has_value();
            for (const os::PowerCut& cut : os::PowerCut::matrix(seeds, 1 + calls * seeds)) {
                SCOPED_TRACE("after " + std::to_string(calls) + " calls, " + cut.text());
                const auto after = disk->after_power_cut(cut);
                if (!seen.emplace(content(*after), told).second) continue;
                check(*after, clock, verb, told);
                if (HasFailure()) return;
            }
            if (!disk->power_is_off()) return;
        }
    }

    os::FaultFileSystem x_disk;
    State x_world;
    std::map<std::string, Task> x_tasks;
    std::vector<Schedule> x_schedules;
    std::string x_after;
};

TEST_F(TaskCrash, AfterAPowerCutAnywhereAVerbIsThereAsAWholeOrNotAtAll) {
    const bool full = std::getenv("TASKSTORE_FULL") != nullptr;
    const std::size_t step = full ? 1 : 4;
    std::size_t first = 0;
    for (const WritingVerb& verb : writing_verbs()) {
        break_off(verb, first++ % step, step, full ? 20 : 0);
        if (HasFailure()) return;
    }
}

}  // namespace
}  // namespace taskstore::tasks
