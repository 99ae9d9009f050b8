// The disk in memory itself: faults strike where told, and a power cut takes what it may and
// nothing more.

#include <taskstore/os/fault_file_system.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <random>
#include <set>
#include <thread>

namespace taskstore::os {
namespace {

using testing::HasSubstr;

std::unique_ptr<File> open_or_fail(FaultFileSystem& disk, const std::string& path,
                                   OpenMode mode = OpenMode::create) {
    auto file = disk.open(path, mode);
    if (!file) {
        ADD_FAILURE() << file.error().message;
        return nullptr;
    }
    return std::move(*file);
}

int native_of(const Status& status) {
    return status ? 0 : status.error().native;
}

std::set<std::string> contents_after_cuts(const FaultFileSystem& disk, const std::string& path,
                                          std::uint64_t seeds) {
    std::set<std::string> seen;
    for (const PowerCut& cut : PowerCut::matrix(seeds)) {
        seen.insert(disk.after_power_cut(cut)->get_file(path).value_or("(absent)"));
    }
    return seen;
}

// --- faults
// -----------------------------------------------------------------------------------------

TEST(Fault, StrikesTheNthCountedCallOnce) {
    FaultFileSystem disk;
    const auto file = open_or_fail(disk, "/a");
    disk.fail_at(2);
    EXPECT_TRUE(file->write_at(0, "1"));
    EXPECT_TRUE(file->info());
    EXPECT_EQ(native_of(file->write_at(1, "2")), EIO);
    EXPECT_TRUE(file->write_at(1, "3"));
    EXPECT_EQ(disk.get_file("/a"), "13");
    EXPECT_EQ(disk.calls(), 4U);
    EXPECT_THAT(disk.log_text(), HasSubstr("3 write /a at 1 of 1 bytes FAILED with errno 5"));
}

TEST(Fault, CanBeBoundToACallAndAPath) {
    FaultFileSystem disk;
    const auto a = open_or_fail(disk, "/a");
    const auto b = open_or_fail(disk, "/b");
    disk.fail_at(1, {.error = ENOSPC, .forever = true, .only = Call::write, .path_part = "b"});
    EXPECT_TRUE(a->write_at(0, "1"));
    EXPECT_TRUE(b->sync_data());
    EXPECT_EQ(native_of(b->write_at(0, "1")), ENOSPC);
    EXPECT_EQ(native_of(b->write_at(0, "1")), ENOSPC);
    disk.clear_faults();
    EXPECT_TRUE(b->write_at(0, "1"));
}

TEST(Fault, ReadsFailOnlyWhenAskedFor) {
    FaultFileSystem disk;
    disk.put_file("/a", "1");
    disk.fail_at(1, {.only = Call::read});
    EXPECT_EQ(read_file(disk, "/a").error().native, EIO);
    EXPECT_TRUE(read_file(disk, "/a"));
    FaultFileSystem counting({.count_reads = true});
    counting.put_file("/a", "1");
    EXPECT_TRUE(read_file(counting, "/a"));
    EXPECT_EQ(counting.calls(), 3U);  // open, info, read
}

TEST(Fault, ShortWriteStoresAPart) {
    FaultFileSystem disk;
    const auto file = open_or_fail(disk, "/a");
    disk.fail_at(1, {.kind = FaultKind::short_write});
    EXPECT_EQ(native_of(file->write_at(0, "123456")), ENOSPC);
    EXPECT_EQ(disk.get_file("/a"), "123");
    disk.fail_at(1, {.kind = FaultKind::short_write, .bytes_kept = 1});
    EXPECT_EQ(native_of(file->write_at(0, "abc")), ENOSPC);
    EXPECT_EQ(disk.get_file("/a"), "a23");
}

TEST(Fault, ErrorAfterReportsFailureOfWorkThatWasDone) {
    FaultFileSystem disk;
    disk.put_file("/a", "1");
    disk.fail_at(1, {.kind = FaultKind::error_after});
    EXPECT_EQ(native_of(disk.rename("/a", "/b")), EIO);
    EXPECT_EQ(disk.get_file("/b"), "1");
}

TEST(Fault, AFullDiskTakesNoGrowthButEverythingElse) {
    FaultFileSystem disk;
    disk.put_file("/a", "1234");
    const auto file = open_or_fail(disk, "/a", OpenMode::read_write);
    disk.fail_at(1, {.kind = FaultKind::disk_full});
    EXPECT_TRUE(file->write_at(0, "x"));
    EXPECT_EQ(native_of(file->write_at(4, "5678")), ENOSPC);
    EXPECT_EQ(disk.get_file("/a"), "x23456");
    EXPECT_EQ(native_of(file->write_at(6, "78")), ENOSPC);
    EXPECT_EQ(disk.get_file("/a"), "x23456");
    EXPECT_FALSE(disk.open("/b", OpenMode::create));
    EXPECT_FALSE(disk.make_directory("/d"));
    EXPECT_TRUE(file->sync_data());
    EXPECT_TRUE(file->truncate(1));
    EXPECT_TRUE(disk.rename("/a", "/c"));
    EXPECT_TRUE(disk.unlink("/c"));
}

TEST(Fault, AReadOnlyDiskRefusesEveryChange) {
    FaultFileSystem disk;
    disk.put_file("/a", "1");
    const auto before = open_or_fail(disk, "/a", OpenMode::read_write);
    disk.fail_at(1, {.kind = FaultKind::read_only});
    const auto opened = disk.open("/a", OpenMode::read_write);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Code::denied);
    EXPECT_EQ(native_of(before->write_at(0, "2")), EROFS);
    EXPECT_EQ(native_of(disk.unlink("/a")), EROFS);
    EXPECT_EQ(read_file(disk, "/a").value_or(""), "1");
    EXPECT_EQ(disk.open("/b", OpenMode::create).error().native, EROFS);
}

TEST(Fault, HookIsToldTheNumberOfACountedCall) {
    FaultFileSystem disk;
    std::vector<std::size_t> numbers;
    disk.set_hook([&](const CallRecord& record) { numbers.push_back(record.number); });
    const auto file = open_or_fail(disk, "/a");
    ASSERT_TRUE(file->write_at(0, "1"));
    ASSERT_TRUE(file->info());
    EXPECT_EQ(numbers, (std::vector<std::size_t>{1, 2, 0}));
}

TEST(Fault, HookMayChangeTheDiskBetweenOpenAndLock) {
    FaultFileSystem disk;
    disk.put_file("/a", "old");
    disk.set_hook([&](const CallRecord& record) {
        if (record.call == Call::lock) disk.put_file("/a", "new");
    });
    const auto file = open_or_fail(disk, "/a", OpenMode::read_write);
    ASSERT_TRUE(file->lock_exclusive());
    EXPECT_NE(file->info()->identity.inode, disk.info("/a")->identity.inode);
    EXPECT_EQ(disk.calls(), 0U);
}

// --- identity
// ---------------------------------------------------------------------------------------

TEST(Identity, TimesFollowTheClockAtItsGranularity) {
    FaultFileSystem disk({.now_ns = 5'000'000'000, .step_ns = 1, .granularity_ns = 1'000'000});
    const auto file = open_or_fail(disk, "/a");
    ASSERT_TRUE(file->write_at(0, "1"));
    const auto first = file->info();
    ASSERT_TRUE(file->write_at(0, "2"));
    EXPECT_EQ(file->info()->identity, first->identity) << "the change is too recent to be seen";
    disk.advance_time_ns(1'000'000);
    ASSERT_TRUE(file->write_at(0, "3"));
    EXPECT_EQ(file->info()->identity.mtime_ns, 5'001'000'000);
}

TEST(Identity, InodeNumbersAreReusedOnRequest) {
    FaultFileSystem fresh;
    FaultFileSystem reusing({.reuse_inode_numbers = true});
    for (FaultFileSystem* disk : {&fresh, &reusing}) {
        disk->put_file("/a", "1");
        const auto before = disk->info("/a")->identity;
        ASSERT_TRUE(disk->unlink("/a"));
        disk->put_file("/a", "1");
        const auto after = disk->info("/a")->identity;
        EXPECT_EQ(before.inode == after.inode, disk == &reusing);
        EXPECT_NE(before.btime_ns, after.btime_ns);
    }
}

// --- power
// ------------------------------------------------------------------------------------------

TEST(Power, FlushedContentNeedsAFlushedName) {
    FaultFileSystem disk;
    const auto file = open_or_fail(disk, "/a");
    ASSERT_TRUE(file->write_at(0, "1"));
    ASSERT_TRUE(file->sync_data());
    EXPECT_EQ(disk.after_power_cut(PowerCut::drop_all())->get_file("/a"), std::nullopt);
    EXPECT_EQ(disk.after_power_cut(PowerCut::keep_all())->get_file("/a"), "1");
    EXPECT_NE(disk.unflushed(), "");
    ASSERT_TRUE(disk.sync_directory("/"));
    EXPECT_EQ(disk.unflushed(), "");
    EXPECT_EQ(contents_after_cuts(disk, "/a", 20), std::set<std::string>{"1"});
}

TEST(Power, UnflushedWritesAreKeptLostTornOrReordered) {
    FaultFileSystem disk;
    disk.put_file("/a", "");
    const auto file = open_or_fail(disk, "/a");
    ASSERT_TRUE(file->write_at(0, "AAAA"));
    ASSERT_TRUE(file->write_at(4, "BBBB"));
    const auto seen = contents_after_cuts(disk, "/a", 400);
    EXPECT_TRUE(seen.contains(""));
    EXPECT_TRUE(seen.contains("AAAABBBB"));
    EXPECT_TRUE(seen.contains("AAAABB"));
    EXPECT_TRUE(seen.contains(std::string("\0\0\0\0BBBB", 8))) << "the later one alone";
    EXPECT_TRUE(seen.contains(std::string(8, '\0'))) << "a size without its bytes";
    EXPECT_TRUE(seen.contains(std::string("AAAA\0\0\0\0", 8)));
}

TEST(Power, LargeWritesTearBySectors) {
    FaultFileSystem disk;
    disk.put_file("/a", std::string(2048, '.'));
    const auto file = open_or_fail(disk, "/a");
    ASSERT_TRUE(file->write_at(0, std::string(2048, 'x')));
    const auto seen = contents_after_cuts(disk, "/a", 400);
    const std::string later_sector_alone = std::string(512, '.') + std::string(512, 'x');
    EXPECT_TRUE(std::any_of(seen.begin(), seen.end(), [&](const std::string& content) {
        return content.starts_with(later_sector_alone);
    }));
}

TEST(Power, NamesSurviveAsAPrefixOrInAnySubset) {
    FaultFileSystem disk;
    for (const char* path : {"/a", "/b"}) open_or_fail(disk, path);
    bool second_alone = false;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        const auto ordered = disk.after_power_cut(PowerCut::random(seed));
        EXPECT_FALSE(ordered->get_file("/b") && !ordered->get_file("/a")) << "seed " << seed;
        const auto any = disk.after_power_cut(PowerCut::random(seed, true));
        second_alone = second_alone || (any->get_file("/b") && !any->get_file("/a"));
    }
    EXPECT_TRUE(second_alone);
}

TEST(Power, FlushingOneFolderLeavesTheOthers) {
    FaultFileSystem disk;
    for (const char* folder : {"/a", "/b"}) disk.put_directory(folder);
    open_or_fail(disk, "/a/1");
    open_or_fail(disk, "/b/1");
    ASSERT_TRUE(disk.sync_directory("/b"));
    const auto after = disk.after_power_cut(PowerCut::drop_all());
    EXPECT_FALSE(after->get_file("/a/1"));
    EXPECT_TRUE(after->get_file("/b/1"));
}

TEST(Power, ARenameBetweenFoldersTakesAlongWhatCameBefore) {
    FaultFileSystem disk;
    disk.put_file("/a/x", "moved");
    disk.put_file("/b/x", "old");
    ASSERT_TRUE(disk.unlink("/b/x"));
    ASSERT_TRUE(disk.rename("/a/x", "/b/x"));
    ASSERT_TRUE(disk.sync_directory("/a"));
    EXPECT_EQ(disk.unflushed(), "");
    EXPECT_EQ(disk.after_power_cut(PowerCut::drop_all())->get_file("/b/x"), "moved");
}

TEST(Power, ARenameIsWholeOrNotAtAll) {
    FaultFileSystem disk;
    disk.put_file("/a", "new");
    disk.put_file("/b", "old");
    ASSERT_TRUE(disk.rename("/a", "/b"));
    std::set<bool> outcomes;
    for (const PowerCut& cut : PowerCut::matrix(40)) {
        const auto after = disk.after_power_cut(cut);
        const bool renamed = !after->get_file("/a");
        EXPECT_EQ(after->get_file("/b"), renamed ? "new" : "old") << cut.text();
        outcomes.insert(renamed);
    }
    EXPECT_EQ(outcomes.size(), 2U);
}

TEST(Power, AFailedFlushLosesTheBytesThatALaterOneSeemsToWrite) {
    FaultFileSystem disk;
    disk.put_file("/a", "");
    const auto file = open_or_fail(disk, "/a");
    ASSERT_TRUE(file->write_at(0, "lost"));
    disk.fail_at(1, {.only = Call::sync_data});
    EXPECT_EQ(native_of(file->sync_data()), EIO);
    EXPECT_TRUE(file->sync_data());
    EXPECT_EQ(disk.get_file("/a"), "lost") << "reads go on seeing it";
    EXPECT_EQ(disk.after_power_cut(PowerCut::drop_all())->get_file("/a"), "");
    ASSERT_TRUE(file->write_at(4, "kept"));
    EXPECT_TRUE(file->sync_data());
    EXPECT_EQ(disk.after_power_cut(PowerCut::drop_all())->get_file("/a"),
              std::string("\0\0\0\0kept", 8));
    ASSERT_TRUE(file->write_at(0, "anew"));
    EXPECT_TRUE(file->sync_data());
    EXPECT_EQ(contents_after_cuts(disk, "/a", 40), std::set<std::string>{"anewkept"});
}

TEST(Power, IsOffAfterTheGivenCalls) {
    FaultFileSystem disk;
    const auto file = open_or_fail(disk, "/a");
    disk.power_off_after(1);
    EXPECT_TRUE(file->write_at(0, "1"));
    EXPECT_TRUE(disk.power_is_off());
    EXPECT_FALSE(file->write_at(0, "2"));
    EXPECT_FALSE(disk.info("/a"));
    EXPECT_FALSE(disk.list("/"));
    EXPECT_EQ(disk.calls(), 2U);
    disk.power_cut(PowerCut::keep_all());
    EXPECT_FALSE(disk.power_is_off());
    EXPECT_EQ(disk.get_file("/a"), "1");
    EXPECT_FALSE(file->info()) << "handles of an earlier boot are dead";
    EXPECT_TRUE(open_or_fail(disk, "/a")->info());
}

TEST(Power, FreesLocksAndFailsWhoWaitsForThem) {
    FaultFileSystem disk;
    const auto holder = open_or_fail(disk, "/lock");
    const auto waiter = open_or_fail(disk, "/lock");
    ASSERT_TRUE(holder->lock_exclusive());
    std::thread thread([&] { EXPECT_FALSE(waiter->lock_exclusive()); });
    disk.power_cut(PowerCut::keep_all());
    thread.join();
    EXPECT_TRUE(*open_or_fail(disk, "/lock")->try_lock_exclusive());
}

TEST(Power, OneSeedGivesOneOutcome) {
    FaultFileSystem disk;
    for (const char* path : {"/a", "/b", "/c"}) {
        ASSERT_TRUE(open_or_fail(disk, path)->write_at(0, std::string(3000, 'x')));
    }
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        EXPECT_EQ(disk.after_power_cut(PowerCut::random(seed))->tree(),
                  disk.after_power_cut(PowerCut::random(seed))->tree());
    }
}

// --- the law: what was flushed survives
// ---------------------------------------------------------------

/// Appends and flushes to a few files, cuts the power, and compares with what had been promised:
/// per file the bytes at its last flush, if its folder was flushed since it was created.
void check_promises(std::uint64_t seed) {
    std::mt19937_64 dice(seed);
    FaultFileSystem disk;
    struct Promise {
        std::unique_ptr<File> file;
        std::string content;
        std::string flushed;
        bool name_flushed = false;
    };
    std::map<std::string, Promise> promises;
    for (int step = 0; step < 40; ++step) {
        const std::string path = "/f" + std::to_string(dice() % 3);
        Promise& promise = promises[path];
        if (!promise.file) promise.file = open_or_fail(disk, path);
        switch (dice() % 4) {
            case 0:
            case 1: {
                const std::string bytes(1 + dice() % 900, static_cast<char>('a' + step % 26));
                const auto at = static_cast<std::int64_t>(promise.content.size());
                ASSERT_TRUE(promise.file->write_at(at, bytes));
                promise.content += bytes;
                break;
            }
            case 2:
                ASSERT_TRUE(promise.file->sync_data());
                promise.flushed = promise.content;
                break;
            default:
                ASSERT_TRUE(disk.sync_directory("/"));
                for (auto& [name, other] : promises) other.name_flushed = other.file != nullptr;
                break;
        }
    }
    for (const PowerCut& cut : PowerCut::matrix(6, seed)) {
        const auto after = disk.after_power_cut(cut);
        for (const auto& [path, promise] : promises) {
            const auto found = after->get_file(path);
            if (promise.name_flushed) {
                ASSERT_TRUE(found) << path << " seed " << seed << " cut " << cut.text();
            }
            if (!found) continue;
            EXPECT_TRUE(found->starts_with(promise.flushed))
                << path << " seed " << seed << " cut " << cut.text() << "\n"
                << disk.log_text();
            EXPECT_LE(found->size(), promise.content.size());
        }
    }
}

TEST(Power, NeverTakesFlushedBytes) {
    for (std::uint64_t seed = 1; seed <= 150 && !testing::Test::HasFailure(); ++seed) {
        check_promises(seed);
    }
}

TEST(Power, CutsCanFollowEachOther) {
    FaultFileSystem disk;
    std::string promised;
    for (std::uint64_t seed = 1; seed <= 50; ++seed) {
        const auto file = open_or_fail(disk, "/log");
        ASSERT_TRUE(disk.sync_directory("/"));
        const auto size = static_cast<std::int64_t>(promised.size());
        ASSERT_TRUE(file->truncate(size));
        ASSERT_TRUE(file->write_at(size, "line\n"));
        ASSERT_TRUE(file->sync_data());
        promised += "line\n";
        ASSERT_TRUE(file->write_at(size + 5, "never promised"));
        disk.power_cut(PowerCut::random(seed, seed % 2 == 0));
        ASSERT_TRUE(disk.get_file("/log").value_or("").starts_with(promised)) << "seed " << seed;
    }
}

}  // namespace
}  // namespace taskstore::os
