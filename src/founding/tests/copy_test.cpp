#include <taskstore/founding/copy.hpp>
#include <taskstore/os/fault_file_system.hpp>
#include <taskstore/os/file_system.hpp>
#include <taskstore/sqlite/driver.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

namespace taskstore::founding {
namespace {

using testing::HasSubstr;

class Copy : public testing::Test {
  protected:
    Copy() {
        EXPECT_TRUE(x_files.make_directory(x_home));
        EXPECT_TRUE(x_files.make_directory(x_scratch));
    }
    std::string error() {
        const auto copy = copy_database(x_files, x_path, x_scratch);
        EXPECT_FALSE(copy);
        return copy ? std::string() : copy.error().message;
    }
    std::int64_t rows(const CopiedDatabase& copy) {
        if (copy.has_journal) {
            EXPECT_TRUE(x_driver.connect(copy.path, {.create = false}));
        }
        const auto connection = x_driver.connect(copy.path, {.read_only = true});
        EXPECT_TRUE(connection) << (connection ? "" : connection.error().message);
        const auto count = (*connection)->prepare("SELECT count(*) FROM t");
        EXPECT_TRUE((*count)->step());
        return (*count)->column_int64(0);
    }

    os::SystemFileSystem x_files;
    sqlite::Driver x_driver;
    TemporaryFolder x_folder;
    std::string x_home = x_folder / "home";
    std::string x_scratch = x_folder / "scratch";
    std::string x_path = x_home + "/tasks.db";
};

TEST_F(Copy, WhatStandsInTheWriteAheadLogComesAlongAndTheSourceStays) {
    const auto writer = x_driver.connect(x_path, {});
    ASSERT_TRUE((*writer)->execute("CREATE TABLE t (x); INSERT INTO t VALUES (1), (2)"));
    const auto names = x_files.list(x_home);
    ASSERT_THAT(*names, testing::Contains("tasks.db-wal"));
    const auto before = os::read_file(x_files, x_path);
    const auto log = os::read_file(x_files, x_path + "-wal");
    const auto copy = copy_database(x_files, x_path, x_scratch);
    ASSERT_TRUE(copy) << copy.error().message;
    EXPECT_FALSE(copy->has_journal);
    EXPECT_EQ(rows(*copy), 2);
    EXPECT_EQ(*x_files.list(x_home), *names);
    EXPECT_EQ(*os::read_file(x_files, x_path), *before);
    EXPECT_EQ(*os::read_file(x_files, x_path + "-wal"), *log);
}

TEST_F(Copy, ALogOfAnEarlierCopyIsNotTakenForOneOfTheNext) {
    {
        const auto writer = x_driver.connect(x_path, {});
        ASSERT_TRUE((*writer)->execute("CREATE TABLE t (x); INSERT INTO t VALUES (1)"));
        ASSERT_TRUE(copy_database(x_files, x_path, x_scratch));
        ASSERT_TRUE((*writer)->execute("INSERT INTO t VALUES (2)"));
    }
    ASSERT_FALSE(x_files.info(x_path + "-wal")) << "the last one who closes takes it away";
    const auto copy = copy_database(x_files, x_path, x_scratch);
    ASSERT_TRUE(copy);
    EXPECT_FALSE(x_files.info(copy->path + "-wal"));
    EXPECT_EQ(rows(*copy), 2);
}

TEST(CopyOfABusyFile, WhatWasWrittenWithinOneTickOfItsClockIsSeen) {
    os::FaultFileSystem disk({.granularity_ns = 1'000'000'000});
    const std::string magic("SQLite format 3\0", 16);
    disk.put_file("/home/a.db", magic + "old");
    disk.put_directory("/scratch");
    bool written = false;
    disk.set_hook([&](const os::CallRecord& call) {
        // The second piece, of which there is none: the first has been copied.
        if (written || call.call != os::Call::read || call.path != "/home/a.db" || call.offset == 0)
            return;
        written = true;
        disk.overwrite_file("/home/a.db", magic + "new");
    });
    const auto before = disk.info("/home/a.db");
    const auto copy = copy_database(disk, "/home/a.db", "/scratch");
    ASSERT_TRUE(copy) << copy.error().message;
    EXPECT_TRUE(written);
    EXPECT_EQ(disk.info("/home/a.db")->identity, before->identity) << "its times tell nothing";
    EXPECT_EQ(disk.get_file(copy->path), magic + "new");
}

TEST_F(Copy, WhatIsNoDatabaseSaysSo) {
    EXPECT_THAT(error(), HasSubstr(x_path));
    ASSERT_TRUE(os::replace_file(x_files, x_path, ""));
    EXPECT_THAT(error(), HasSubstr("is no SQLite database: it is empty"));
    ASSERT_TRUE(os::replace_file(x_files, x_path, "[{\"id\": 1}, {\"id\": 2}]"));
    EXPECT_THAT(error(), HasSubstr("is no SQLite database"));
    ASSERT_TRUE(x_files.unlink(x_path));
    ASSERT_TRUE(x_files.make_directory(x_path));
    EXPECT_THAT(error(), HasSubstr("is a folder"));
    ASSERT_TRUE(x_files.remove_directory(x_path));
    ASSERT_EQ(symlink("/etc/passwd", x_path.c_str()), 0);
    EXPECT_THAT(error(), HasSubstr("is a symbolic link"));
}

TEST_F(Copy, AFileThatIsTooLargeIsRefusedUnread) {
    ASSERT_TRUE(os::replace_file(x_files, x_path, "SQLite format 3"));
    ASSERT_TRUE((*x_files.open(x_path, os::OpenMode::read_write))->truncate(kDatabaseBytesMax + 1));
    EXPECT_THAT(error(), HasSubstr("an import reads at most"));
}

}  // namespace
}  // namespace taskstore::founding
