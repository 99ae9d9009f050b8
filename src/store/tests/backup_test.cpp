#include "device_store.hpp"

#include <gmock/gmock.h>
#include <taskstore/base/hash.hpp>
#include <taskstore/store/backup.hpp>

#include <algorithm>
#include <filesystem>

namespace taskstore::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

BackupReport must_back_up(Device& device, const std::string& name) {
    auto report = back_up(*device.databases(), DatabaseName::tasks, device.folder / name, {});
    EXPECT_TRUE(report) << (report ? "" : report.error().message);
    return std::move(report).value_or({});
}

Result<RestoreReport> restore_into(Device& device, const std::string& path, bool replace = false) {
    return restore(*device.databases(), {.path = path, .replace = replace});
}

TEST(Backup, WhatIsRestoredIsWhatWasThere) {
    Device device;
    OpenTasks tasks(device);
    tasks.add("a \xF0\x9F\xA6\x80 \"b\"\n");
    ASSERT_TRUE(tasks.store->create_task(
        {.title = "full", .description = "", .command = "x", .input = R"({"n":1.50})"}));
    const auto before = tasks.store->list_tasks({})->tasks;
    // Two tasks, their two histories, their lane.
    EXPECT_EQ(must_back_up(device, "t.zst").rows, 5);
    Device other;
    const auto report = restore_into(other, device.folder / "t.zst");
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_EQ(report->rows, 5);
    EXPECT_EQ(OpenTasks(other).store->list_tasks({})->tasks, before);
}

std::vector<std::string> names_in(const std::string& folder) {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(folder))
        names.push_back(entry.path().filename());
    std::ranges::sort(names);
    return names;
}

// A kill leaves no copy behind, for it has no name while it is written and read.
TEST(Backup, TheCopyThatItReadsHasNoName) {
    Device device;
    {
        OpenTasks tasks(device);
        for (int i = 0; i < 1'000; ++i) tasks.add("a");
    }
    const std::string folder = device.folder / "backups";
    ASSERT_TRUE(os::make_directories(device.files, folder));
    // The moment in which it has one.
    ASSERT_TRUE(os::replace_file(device.files, folder + "/.taskstore-copy.tmp", "left by a crash"));
    std::vector<std::string> during;
    const auto report = back_up(*device.databases(), DatabaseName::tasks, folder + "/t.zst",
                                [&](std::int64_t, std::int64_t) { during = names_in(folder); });
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_THAT(during, ElementsAre(".t.zst.tmp"));
    EXPECT_THAT(names_in(folder), ElementsAre("t.zst"));
}

TEST(Backup, TheEpochGrowsWithEachRestore) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    must_back_up(device, "t.zst");
    std::int64_t epoch = device.identity_at(device.folder / "home/tasks.db").epoch;
    for (const std::int64_t later_ms : {0, 0, 5'000}) {
        device.clock.pass_ms(later_ms);
        const auto restored = restore_into(device, device.folder / "t.zst", true);
        ASSERT_TRUE(restored) << restored.error().message;
        EXPECT_GE(restored->epoch, epoch + (later_ms > 0 ? 3 : 1));
        epoch = restored->epoch;
    }
}

// Nobody knows its epoch any more: the place is gone, and the backup is older.
TEST(Backup, AFenceOfAPlaceThatWasLostIsSmallerThanAllAfterItAndRefused) {
    Device device;
    OpenTasks(device).add("a");
    must_back_up(device, "t.zst");
    std::vector<tasks::Task> stale;
    for (int i = 0; i < 4; ++i) {
        if (i % 2 == 0) {
            ASSERT_TRUE(restore_into(device, device.folder / "t.zst", true));
        }
        OpenTasks tasks(device);
        for (const tasks::Task& old : stale) {
            const auto late = tasks.store->complete_task({old.id, old.fence}, {});
            EXPECT_EQ(late.error().code, Code::lease_lost) << late.error().message;
        }
        const auto held = tasks.store->claim_tasks({.worker = "w" + std::to_string(i)});
        ASSERT_TRUE(held) << held.error().message;
        for (const tasks::Task& old : stale) {
            EXPECT_GT(held->value.at(0).fence, old.fence);
            EXPECT_EQ(tasks.store->complete_task({old.id, old.fence}, {}).error().code,
                      Code::lease_lost);
        }
        stale.push_back(held->value.at(0));
        ASSERT_TRUE(tasks.store->release_task({stale.back().id, stale.back().fence}, ""));
        if (i % 2 == 0) continue;
        for (const char* file : {"tasks.db", "tasks.db-wal", "tasks.db-shm"})
            static_cast<void>(device.files.unlink(device.folder / (std::string("home/") + file)));
        device.clock.pass_ms(1'000);
    }
}

TEST(Backup, WhatANewerVersionHasWrittenIsNotCopiedInPart) {
    Device device;
    {
        OpenTasks(device).add("a");
        const auto databases = device.databases();
        const auto connection =
            databases->connect(DatabaseName::tasks, databases->place(DatabaseName::tasks)->location,
                               {.read_only = false});
        ASSERT_TRUE(connection);
        ASSERT_TRUE((*connection)
                        ->execute("INSERT INTO taskstore_migrations SELECT module, version + 1, "
                                  "'new', checksum, applied_at FROM taskstore_migrations WHERE "
                                  "module = 'tasks' ORDER BY version DESC LIMIT 1"));
    }
    const auto report =
        back_up(*device.databases(), DatabaseName::tasks, device.folder / "t.zst", {});
    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, Code::unsupported) << report.error().message;
    EXPECT_THAT(report.error().hint, HasSubstr("upgrade"));
    EXPECT_TRUE(device.databases()->migrations(DatabaseName::tasks)->modules.at(0).newer);
}

TEST(Backup, ADatabaseWithRowsIsReplacedOnlyWhenTold) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    must_back_up(device, "t.zst");
    {
        OpenTasks(device).add("b");
    }
    EXPECT_EQ(restore_into(device, device.folder / "t.zst").error().code, Code::exists);
    EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a", "b"));
    const auto report = restore_into(device, device.folder / "t.zst", true);
    ASSERT_TRUE(report);
    EXPECT_EQ(report->deleted, 2) << "the task and its history";
    EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a"));
}

// Every byte that flips, and every cut: refused before anything is changed.
TEST(Backup, ADamagedOneIsRefusedBeforeAnythingIsChanged) {
    Device device;
    std::vector<std::string> saved;
    {
        OpenTasks tasks(device);
        for (int i = 0; i < 50; ++i) tasks.add("task " + std::to_string(i));
        saved = tasks.titles();
    }
    must_back_up(device, "t.zst");
    const std::string whole = *os::read_file(device.files, device.folder / "t.zst");
    auto other = std::make_unique<Device>();
    OpenTasks(*other).add("mine");
    const auto tried = [&](const std::string& bytes) {
        EXPECT_TRUE(os::replace_file(other->files, other->folder / "bad.zst", bytes));
        return restore_into(*other, other->folder / "bad.zst", true);
    };
    for (std::size_t at = 0; at < whole.size(); at += at + 16 < whole.size() ? 7U : 1U) {
        std::string bytes = whole;
        bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
        if (!tried(bytes)) continue;
        // One text can be packed in several ways: the bit may name another place with the same
        // text.
        EXPECT_EQ(OpenTasks(*other).titles(), saved) << "byte " << at;
        other = std::make_unique<Device>();
        OpenTasks(*other).add("mine");
    }
    for (std::size_t size = 0; size < whole.size(); size += 11)
        EXPECT_FALSE(tried(whole.substr(0, size))) << "cut at " << size;
    for (std::size_t size = whole.size() - 16; size < whole.size(); ++size)
        EXPECT_FALSE(tried(whole.substr(0, size))) << "cut at " << size;
    EXPECT_FALSE(tried(whole + "x")) << "something behind its end";
    EXPECT_THAT(OpenTasks(*other).titles(), ElementsAre("mine"));
    EXPECT_TRUE(tried(whole));
}

TEST(Backup, AFileThatIsNoBackupIsNotWrittenOver) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    ASSERT_TRUE(os::replace_file(device.files, device.folder / "thesis.txt", "years of work"));
    const auto report =
        back_up(*device.databases(), DatabaseName::tasks, device.folder / "thesis.txt", {});
    EXPECT_EQ(report.error().code, Code::exists);
    EXPECT_EQ(*os::read_file(device.files, device.folder / "thesis.txt"), "years of work");
    must_back_up(device, "t.zst");
    {
        OpenTasks(device).add("b");
    }
    EXPECT_EQ(must_back_up(device, "t.zst").rows, 5) << "an older backup of that name is replaced";
}

Result<RestoreReport> broken_off(Device& device, const std::string& path, int step,
                                 bool replace = true) {
    return restore(
        *device.databases(),
        {.path = path, .replace = replace, .after_step_for_testing = [step](int reached) {
             return reached == step ? Status(fail(Code::cancelled, "planned")) : ok();
         }});
}

TEST(Backup, ARestoreThatIsBrokenOffIsNobodysTruthAndIsDoneAgain) {
    for (int step = 1; step <= 2; ++step) {
        Device device;
        {
            OpenTasks(device).add("a");
        }
        must_back_up(device, "t.zst");
        Device other;
        OpenTasks before(other);
        before.add("mine");
        EXPECT_EQ(broken_off(other, device.folder / "t.zst", step).error().code, Code::cancelled);
        const auto refused = before.store->create_task({.title = "late"});
        ASSERT_FALSE(refused) << "though it was open before";
        EXPECT_EQ(refused.error().code, Code::unavailable);
        EXPECT_THAT(refused.error().message, HasSubstr("being restored"));
        EXPECT_EQ(other.databases()->open(DatabaseName::tasks).error().code, Code::unavailable);
        EXPECT_EQ(back_up(*other.databases(), DatabaseName::tasks, other.folder / "b.zst", {})
                      .error()
                      .code,
                  Code::unavailable);
        const auto moved = move_database(*other.databases(), other.move_to("new.db"));
        EXPECT_EQ(moved.error().code, Code::unavailable);
        const auto again = restore_into(other, device.folder / "t.zst");
        ASSERT_TRUE(again) << again.error().message;
        before.add("b");
        EXPECT_THAT(OpenTasks(other).titles(), ElementsAre("a", "b")) << "who had it open works on";
    }
}

TEST(Backup, WhereARestoreWasBrokenOffAnotherBackupGoesWhenTold) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    must_back_up(device, "one.zst");
    {
        OpenTasks(device).add("b");
    }
    must_back_up(device, "two.zst");
    EXPECT_FALSE(broken_off(device, device.folder / "one.zst", 2));
    EXPECT_EQ(restore_into(device, device.folder / "two.zst").error().code, Code::exists);
    ASSERT_TRUE(restore_into(device, device.folder / "two.zst", true));
    EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a", "b"));
}

TEST(Backup, ARestoreGoesBetweenTimeLines) {
    Device device;
    const auto claim = [&] {
        OpenTasks tasks(device);
        return tasks.store->claim_tasks({.worker = "w"})->value.size();
    };
    {
        OpenTasks(device).add("a");
    }
    must_back_up(device, "early.zst");
    ASSERT_EQ(claim(), 1U);
    {
        OpenTasks(device).add("b");
    }
    must_back_up(device, "late.zst");
    ASSERT_TRUE(restore_into(device, device.folder / "early.zst", true));
    ASSERT_EQ(claim(), 1U) << "the history goes on in another way";
    const auto restored = restore_into(device, device.folder / "late.zst", true);
    ASSERT_TRUE(restored) << restored.error().message;
    EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a", "b"));
    ASSERT_TRUE(restore_into(device, device.folder / "early.zst", true));
    EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a"));
}

TEST(Backup, ARestoreShutsWritersOutAndClaimsOfSinceTheBackupEnd) {
    Device device;
    OpenTasks tasks(device);
    tasks.add("a");
    must_back_up(device, "t.zst");
    const auto held = tasks.store->claim_tasks({.worker = "w"});
    ASSERT_TRUE(held);
    const tasks::Task mine = held->value.at(0);
    bool tried = false;
    const auto report = restore(
        *device.databases(),
        {.path = device.folder / "t.zst", .replace = true, .after_step_for_testing = [&](int) {
             tried = true;
             EXPECT_EQ(tasks.store->create_task({.title = "b"}).error().code, Code::unavailable);
             return ok();
         }});
    ASSERT_TRUE(report) << report.error().message;
    EXPECT_TRUE(tried);
    const auto late = tasks.store->complete_task({.task_id = mine.id, .fence = mine.fence}, {});
    EXPECT_EQ(late.error().code, Code::lease_lost) << late.error().message;
    const auto again = tasks.store->claim_tasks({.worker = "w2"});
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->value.at(0).fence, (report->epoch << sql::kEpochShift) + 1);
    EXPECT_EQ(
        tasks.store->complete_task({.task_id = mine.id, .fence = mine.fence}, {}).error().code,
        Code::lease_lost);
}

TEST(Backup, WhatWasHeldWhenItWasMadeIsHeldByNobodyAfterIt) {
    Device device;
    OpenTasks tasks(device);
    tasks.add("plain");
    for (const char* title : {"slot", "waits for the slot"})
        ASSERT_TRUE(tasks.store->create_task(
            {.title = title, .concurrency_key = "k", .concurrency_limit = 1}));
    ASSERT_TRUE(tasks.store->create_task({.title = "unwanted"}));
    const auto held = tasks.store->claim_tasks({.worker = "w", .limit = 9, .request_id = "r"});
    ASSERT_TRUE(held) << held.error().message;
    ASSERT_EQ(held->value.size(), 3U);
    const std::string unwanted = held->value[2].id;
    ASSERT_TRUE(tasks.store->cancel_task(unwanted, "ann", ""));
    ASSERT_TRUE(
        tasks.store->create_task({.title = "after the unwanted",
                                  .depends_on = {unwanted},
                                  .on_failed_dependency = tasks::OnFailedDependency::cancel}));
    must_back_up(device, "t.zst");
    const auto waiter = tasks.store->waiter();
    ASSERT_TRUE(waiter) << waiter.error().message;
    ASSERT_TRUE(restore_into(device, device.folder / "t.zst", true));
    const auto woken = (*waiter)->wait(device.clock.boot_ns() + 60'000'000'000);
    EXPECT_TRUE(woken && *woken);

    for (const tasks::Task& task : held->value) {
        const tasks::Hold hold{.task_id = task.id, .fence = task.fence};
        EXPECT_EQ(tasks.store->renew_task(hold, {}).error().code, Code::lease_lost);
        EXPECT_EQ(tasks.store->complete_task(hold, {}).error().code, Code::lease_lost);
    }
    for (std::size_t i = 0; i < 2; ++i) {
        const auto task = **tasks.store->get_task(held->value[i].id);
        EXPECT_EQ(task.status, tasks::TaskStatus::pending);
        EXPECT_EQ(task.assigned_to, std::nullopt);
        EXPECT_EQ(task.retry_count + task.rescues, 0) << "neither is its fault";
        const auto last = tasks.store->history(task.id)->back();
        EXPECT_EQ(last.verb, "rescue");
        EXPECT_EQ(last.actor, "taskstore");
        EXPECT_EQ(last.reason, "the database was restored");
        EXPECT_EQ(last.revision, task.revision);
    }
    // The same request again is no answer from before. What has a key comes when that is settled.
    const auto first = tasks.store->claim_tasks({.worker = "w", .limit = 9, .request_id = "r"});
    const auto second = tasks.store->claim_tasks({.worker = "w", .limit = 9});
    ASSERT_TRUE(first && second);
    ASSERT_THAT(first->value, testing::SizeIs(1));
    ASSERT_THAT(second->value, testing::SizeIs(1)) << "one slot, and one has none";
    EXPECT_EQ(first->value[0].id, held->value[0].id);
    EXPECT_GT(first->value[0].fence, held->value[0].fence);
    EXPECT_EQ(second->value[0].id, held->value[1].id);
    EXPECT_GT(second->value[0].fence, held->value[1].fence);
    EXPECT_EQ((**tasks.store->get_task(unwanted)).status, tasks::TaskStatus::cancelled);
    EXPECT_EQ(tasks.store->list_tasks({.status = tasks::TaskStatus::cancelled})->tasks.size(), 2U);
}

TEST(Backup, OfTwoRestoresOfOneDeviceTheSecondIsToldOfTheFirst) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    must_back_up(device, "t.zst");
    const auto report = restore(
        *device.databases(),
        {.path = device.folder / "t.zst", .replace = true, .after_step_for_testing = [&](int) {
             const auto second = restore_into(device, device.folder / "t.zst", true);
             EXPECT_EQ(second.error().code, Code::conflict);
             EXPECT_THAT(second.error().message, HasSubstr("another process"));
             return ok();
         }});
    EXPECT_TRUE(report) << report.error().message;
}

// Another device has the same place in its config.
TEST(Backup, ARestoreThatLostItsPlaceToAnotherWritesNothingMore) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    must_back_up(device, "one.zst");
    {
        OpenTasks(device).add("b");
    }
    must_back_up(device, "two.zst");
    Device other;
    other.place = device.folder / "home/tasks.db";
    const auto first =
        restore(*device.databases(), {.path = device.folder / "one.zst",
                                      .replace = true,
                                      .after_step_for_testing = [&](int step) {
                                          if (step != 1) return ok();
                                          const auto taken =
                                              restore_into(other, device.folder / "two.zst", true);
                                          EXPECT_TRUE(taken);
                                          return ok();
                                      }});
    EXPECT_EQ(first.error().code, Code::conflict);
    EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a", "b"));
}

TEST(Backup, WhatHasMovedAwayIsNotBackedUpAndNotRestoredInto) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    must_back_up(device, "t.zst");
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
    const auto refused =
        back_up(*device.databases(), DatabaseName::tasks, device.folder / "late.zst", {});
    EXPECT_EQ(refused.error().code, Code::unavailable);
    EXPECT_THAT(refused.error().message,
                HasSubstr("has moved to sqlite:" + (device.folder / "new.db")));
    EXPECT_FALSE(device.files.info(device.folder / "late.zst"));
    EXPECT_EQ(restore_into(device, device.folder / "t.zst", true).error().code, Code::unavailable);
}

/// A backup with other lines, its checksum made to fit.
std::string forged(const std::vector<std::string>& lines) {
    std::string text;
    std::int64_t rows = 0;
    for (const std::string& line : lines) {
        text += line + "\n";
        if (line.starts_with('[')) ++rows;
    }
    return text + R"({"end":true,"rows":)" + std::to_string(rows) + R"(,"sha256":")" +
           sha256_hex(text) + "\"}\n";
}

TEST(Backup, AForgedOneIsNoWayIntoTheDatabase) {
    Device device;
    OpenTasks(device).add("mine");
    const std::string header =
        R"({"taskstore_backup":1,"database":"tasks","id":"x","epoch":1,"made_at":1,"modules":{"tasks":)" +
        std::to_string(tasks::migrations("sqlite").size()) + "}}";
    const std::string lanes = R"({"table":"task_limits","columns":["name) SELECT 1; --","slots"]})";
    for (const auto& lines : std::vector<std::vector<std::string>>{
             {header},
             {header, lanes, R"(["x",1])"},
             {header, R"({"table":"taskstore_database","columns":["name"]})"},
             {header, R"({"table":"task_limits","columns":["name","slots"]})",
              R"({"table":"task_limits","columns":["name","slots"]})"},
             {header, R"(["x",1])"},
             {R"({"taskstore_backup":1,"database":"tasks","id":"x","epoch":9223372036854775807})"},
             {R"({"taskstore_backup":1,"database":"tasks","id":"x"})"}}) {
        ASSERT_TRUE(os::replace_file(device.files, device.folder / "f", forged(lines)));
        const auto refused = restore_into(device, device.folder / "f", true);
        EXPECT_EQ(refused.error().code, Code::corrupt) << refused.error().message;
    }
    OpenTasks after(device);
    after.add("b");
    EXPECT_THAT(after.titles(), ElementsAre("mine", "b"));
}

TEST(Backup, OtherFilesAreNamedForWhatTheyAreNot) {
    Device device;
    ASSERT_TRUE(os::replace_file(device.files, device.folder / "x", "{\"id\":1}\n"));
    const auto refused = restore_into(device, device.folder / "x");
    EXPECT_EQ(refused.error().code, Code::invalid);
    EXPECT_THAT(refused.error().message, HasSubstr("no backup of taskstore"));
    EXPECT_EQ(restore_into(device, device.folder / "nothing").error().code, Code::not_found);
}

TEST(BackupName, SaysWhatAndWhen) {
    EXPECT_EQ(backup_name(DatabaseName::tasks, 1'700'000'000'000),
              "tasks-20231114T221320Z.taskstore.zst");
}

}  // namespace
}  // namespace taskstore::store
