// replace_file and make_directories under every fault and power cut.

#include <taskstore/os/fault_file_system.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>

namespace taskstore::os {
namespace {

const std::string kOld = "the old content\n";
const std::string kNew(1500, 'n');

void put_old(FaultFileSystem& disk) {
    disk.put_file("/d/x", kOld);
}

TEST(ReplaceFile, LeavesOldOrNewWhicheverCallFails) {
    for (const FaultKind kind :
         {FaultKind::error, FaultKind::error_after, FaultKind::short_write, FaultKind::disk_full}) {
        std::size_t n = 1;
        for (;; ++n) {
            FaultFileSystem disk;
            put_old(disk);
            disk.fail_at(n, {.kind = kind});
            const Status replaced = replace_file(disk, "/d/x", kNew);
            const std::string now = disk.get_file("/d/x").value_or("(absent)");
            SCOPED_TRACE("call " + std::to_string(n) + "\n" + disk.log_text());
            EXPECT_TRUE(now == kOld || now == kNew);
            if (replaced) {
                EXPECT_EQ(now, kNew);
            } else if (replaced.error().code == Code::outcome_unknown) {
                EXPECT_EQ(now, kNew);
            } else {
                EXPECT_EQ(now, kOld);
            }
            if (kind == FaultKind::error && !disk.log().back().error) {
                EXPECT_THAT(*disk.list("/d"), testing::ElementsAre("x"));
            }
            disk.clear_faults();
            ASSERT_TRUE(replace_file(disk, "/d/x", "third"));
            EXPECT_EQ(disk.get_file("/d/x"), "third");
            EXPECT_THAT(*disk.list("/d"), testing::ElementsAre("x")) << "no temporary file stays";
            if (disk.calls() < n) break;
            if (n > 40) break;
        }
        EXPECT_GE(n, 5U) << "create, write, flush, rename, flush of the folder";
    }
}

TEST(ReplaceFile, LeavesOldOrNewWheneverThePowerGoes) {
    for (std::size_t n = 0;; ++n) {
        FaultFileSystem disk;
        put_old(disk);
        disk.power_off_after(n);
        const bool acknowledged = replace_file(disk, "/d/x", kNew).has_value();
        for (const PowerCut& cut : PowerCut::matrix(30)) {
            const auto after = disk.after_power_cut(cut);
            SCOPED_TRACE("power off after " + std::to_string(n) + " calls, " + cut.text() + "\n" +
                         disk.log_text() + after->tree());
            const std::string now = after->get_file("/d/x").value_or("(absent)");
            EXPECT_TRUE(now == kOld || now == kNew);
            if (acknowledged) {
                EXPECT_EQ(now, kNew);
            }
            ASSERT_TRUE(replace_file(*after, "/d/x", "third"));
            EXPECT_THAT(*after->list("/d"), testing::ElementsAre("x"));
            EXPECT_EQ(after->unflushed(), "");
        }
        if (!disk.power_is_off()) break;
        ASSERT_LT(n, 40U);
    }
}

TEST(ReplaceFile, SaysThatTheOutcomeIsUnknownWhenOnlyTheLastFlushFails) {
    FaultFileSystem disk;
    put_old(disk);
    disk.fail_at(1, {.only = Call::sync_directory});
    const Status replaced = replace_file(disk, "/d/x", kNew);
    ASSERT_FALSE(replaced);
    EXPECT_EQ(replaced.error().code, Code::outcome_unknown);
    EXPECT_EQ(replaced.error().native, EIO);
}

TEST(ReplaceFile, SaysThatTheOutcomeIsUnknownWhenTheRenameHappenedButFailed) {
    FaultFileSystem disk;
    put_old(disk);
    disk.fail_at(1, {.kind = FaultKind::error_after, .only = Call::rename});
    const Status replaced = replace_file(disk, "/d/x", kNew);
    ASSERT_FALSE(replaced);
    EXPECT_EQ(replaced.error().code, Code::outcome_unknown);
    EXPECT_EQ(disk.get_file("/d/x"), kNew);
}

TEST(ReplaceFile, WaitsForAnotherWriterOfTheSameFile) {
    FaultFileSystem disk;
    put_old(disk);
    // The other one begins just after our temporary file was created, before it is locked.
    bool done = false;
    disk.set_hook([&](const CallRecord& record) {
        if (record.call != Call::try_lock || done) return;
        done = true;
        ASSERT_TRUE(replace_file(disk, "/d/x", "theirs"));
    });
    ASSERT_TRUE(replace_file(disk, "/d/x", "ours"));
    EXPECT_TRUE(done);
    EXPECT_EQ(disk.get_file("/d/x"), "ours");
    EXPECT_THAT(*disk.list("/d"), testing::ElementsAre("x"));
}

TEST(MakeDirectories, AreDurableWhenItSaysSo) {
    for (std::size_t n = 0;; ++n) {
        FaultFileSystem disk;
        disk.power_off_after(n);
        const bool acknowledged = make_directories(disk, "/a/b/c").has_value();
        for (const PowerCut& cut : PowerCut::matrix(10)) {
            const auto after = disk.after_power_cut(cut);
            SCOPED_TRACE(cut.text() + "\n" + disk.log_text());
            if (acknowledged) {
                EXPECT_TRUE(after->info("/a/b/c"));
            }
            ASSERT_TRUE(make_directories(*after, "/a/b/c"));
            EXPECT_TRUE(after->after_power_cut(PowerCut::drop_all())->info("/a/b/c"));
        }
        // A process that dies without a power cut leaves names that nobody has flushed.
        disk.power_cut(PowerCut::keep_all());
        if (acknowledged) break;
        ASSERT_LT(n, 40U);
    }
}

TEST(MakeDirectories, FlushAFolderWhoseMakerDied) {
    FaultFileSystem disk;
    ASSERT_TRUE(disk.make_directory("/a"));
    ASSERT_TRUE(make_directories(disk, "/a"));
    EXPECT_TRUE(disk.after_power_cut(PowerCut::drop_all())->info("/a"));
}

}  // namespace
}  // namespace taskstore::os
