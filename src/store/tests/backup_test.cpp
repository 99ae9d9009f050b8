#include "device_store.hpp"

#include <gmock/gmock.h>
#include <taskstore/store/backup.hpp>

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

TEST(Backup, TheEpochGrowsWithEachRestore) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    must_back_up(device, "t.zst");
    EXPECT_EQ(restore_into(device, device.folder / "t.zst", true)->epoch, 2);
    EXPECT_EQ(restore_into(device, device.folder / "t.zst", true)->epoch, 3);
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

TEST(Backup, ARestoreThatIsBrokenOffIsNobodysTruthAndIsDoneAgain) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    must_back_up(device, "t.zst");
    Device other;
    {
        // As a crash leaves it: marked, rows not yet there.
        const auto databases = other.databases();
        const sql::Location at{sql::Engine::sqlite, other.folder / "home/tasks.db"};
        const auto connection =
            *databases->connect(DatabaseName::tasks, at, {.read_only = false, .create = true});
        auto identity = *databases->bring_up(*connection, DatabaseName::tasks, at);
        const auto source = device.databases();
        const auto from = *source->connect(
            DatabaseName::tasks, {sql::Engine::sqlite, device.folder / "home/tasks.db"}, {});
        const auto id = (*sql::find_identity(*from, "tasks"))->id;
        identity.incoming_from = "backup " + id;
        ASSERT_TRUE(sql::put_identity(*connection, "tasks", identity, other.clock));
    }
    EXPECT_EQ(other.databases()->open(DatabaseName::tasks).error().code, Code::unavailable);
    ASSERT_TRUE(restore_into(other, device.folder / "t.zst"));
    EXPECT_THAT(OpenTasks(other).titles(), ElementsAre("a"));
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
