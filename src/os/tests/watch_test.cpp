// The folder watch, by inotify and by polling.

#include <taskstore/os/fault_file_system.hpp>
#include <taskstore/os/watch.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <thread>

namespace taskstore::os {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::IsEmpty;
using Kind = FolderChange::Kind;

constexpr std::int64_t kLongMs = 60'000;

class FolderWatchModes : public testing::TestWithParam<WatchMode> {
  protected:
    FolderWatch watch() {
        auto made = FolderWatch::open(x_files, x_folder.path(), GetParam());
        EXPECT_TRUE(made) << made.error().message;
        return std::move(*made);
    }
    TemporaryFolder x_folder;
    SystemFileSystem x_files;
};

TEST_P(FolderWatchModes, TellsTheNamesThatChanged) {
    ASSERT_TRUE(replace_file(x_files, x_folder / "kept", "1"));
    auto folder = watch();
    auto change = folder.wait(0);
    ASSERT_TRUE(change);
    EXPECT_EQ(change->kind, Kind::timed_out);
    ASSERT_TRUE(replace_file(x_files, x_folder / "x", "1"));
    change = folder.wait(kLongMs);
    ASSERT_TRUE(change);
    EXPECT_EQ(change->kind, Kind::changed);
    EXPECT_THAT(change->names, Contains("x"));
    ASSERT_TRUE(x_files.unlink(x_folder / "x"));
    change = folder.wait(kLongMs);
    ASSERT_TRUE(change);
    EXPECT_THAT(change->names, ElementsAre("x"));
    EXPECT_EQ(folder.wait(0)->kind, Kind::timed_out);
}

TEST_P(FolderWatchModes, WakesForAWriteByAnother) {
    ASSERT_TRUE(replace_file(x_files, x_folder / "x", "1"));
    auto folder = watch();
    std::jthread writer([&] {
        SystemFileSystem files;
        EXPECT_TRUE((*files.open(x_folder / "x", OpenMode::read_write))->write_at(1, "2"));
    });
    const auto change = folder.wait(kLongMs);
    ASSERT_TRUE(change);
    EXPECT_EQ(change->kind, Kind::changed);
    EXPECT_THAT(change->names, ElementsAre("x"));
}

TEST_P(FolderWatchModes, ACancelledWaitReturns) {
    auto folder = watch();
    std::stop_source stop;
    std::jthread canceller([&] { stop.request_stop(); });
    EXPECT_EQ(folder.wait(std::nullopt, stop.get_token())->kind, Kind::cancelled);
    EXPECT_EQ(folder.wait(5)->kind, Kind::timed_out) << "the next one waits again";
}

TEST_P(FolderWatchModes, SaysWhenTheFolderIsGone) {
    ASSERT_TRUE(x_files.make_directory(x_folder / "d"));
    auto made = FolderWatch::open(x_files, x_folder / "d", GetParam());
    ASSERT_TRUE(made);
    ASSERT_TRUE(x_files.rename(x_folder / "d", x_folder / "e"));
    EXPECT_EQ(made->wait(kLongMs)->kind, Kind::gone);
}

TEST_P(FolderWatchModes, NeedsAFolder) {
    const auto missing = FolderWatch::open(x_files, x_folder / "no", GetParam());
    ASSERT_FALSE(missing);
    EXPECT_EQ(missing.error().code, Code::not_found);
}

INSTANTIATE_TEST_SUITE_P(Both, FolderWatchModes,
                         testing::Values(WatchMode::automatic, WatchMode::polling),
                         [](const auto& tested) {
                             return tested.param == WatchMode::polling ? "Polling" : "Automatic";
                         });

TEST(FolderWatch, SleepsBetweenLooksAlsoAfterACancellation) {
    FaultFileSystem disk({.count_reads = true});
    disk.put_directory("/d");
    auto watch = FolderWatch::open(disk, "/d", WatchMode::polling);
    ASSERT_TRUE(watch);
    std::stop_source stop;
    const std::jthread canceller([&] { stop.request_stop(); });
    EXPECT_EQ(watch->wait(std::nullopt, stop.get_token())->kind, Kind::cancelled);
    disk.reset_calls();
    EXPECT_EQ(watch->wait(50)->kind, Kind::timed_out);
    EXPECT_LE(disk.calls(), 8U);
}

TEST(FolderWatch, PollsOnANetworkFileSystemAndSaysSo) {
    FaultFileSystem disk({.network_type = "NFS"});
    disk.put_file("/d/x", "1");
    auto watch = FolderWatch::open(disk, "/d");
    ASSERT_TRUE(watch);
    EXPECT_THAT(watch->polling_reason(), testing::HasSubstr("NFS"));
    disk.put_file("/d/x", "2");
    EXPECT_THAT(watch->wait(0)->names, ElementsAre("x"));
    EXPECT_THAT(watch->wait(0)->names, IsEmpty());
}

TEST(FolderWatch, AnotherDescriptorEndsTheWait) {
    TemporaryFolder folder;
    SystemFileSystem files;
    for (const WatchMode mode : {WatchMode::automatic, WatchMode::polling}) {
        auto watch = FolderWatch::open(files, folder.path(), mode);
        ASSERT_TRUE(watch);
        std::array<int, 2> ends{};
        ASSERT_EQ(::pipe(ends.data()), 0);
        ASSERT_EQ(::write(ends[1], "x", 1), 1);
        EXPECT_EQ(watch->wait(60'000, {}, ends[0])->kind, FolderChange::Kind::other);
        ::close(ends[0]);
        ::close(ends[1]);
    }
}

}  // namespace
}  // namespace taskstore::os
