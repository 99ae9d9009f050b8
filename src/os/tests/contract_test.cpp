// The contract of FileSystem on both of them, and what is beside it.

#include <taskstore/os/fault_file_system.hpp>
#include <taskstore/testing/file_system_contract.hpp>

#include <gmock/gmock.h>

#include <cerrno>

namespace taskstore::os {
namespace {

FileSystemSubject on_system() {
    return {.files = std::make_unique<SystemFileSystem>()};
}

FileSystemSubject in_memory() {
    FileSystemSubject subject;
    auto disk = std::make_unique<FaultFileSystem>();
    disk->put_directory(subject.folder->path());
    subject.files = std::move(disk);
    return subject;
}

INSTANTIATE_TEST_SUITE_P(Implementations, FileSystemContract, testing::Values(on_system, in_memory),
                         [](const auto& tested) { return tested.index == 0 ? "System" : "Fault"; });

TEST(Paths, AreTakenApartAndJoined) {
    EXPECT_EQ(folder_of("/a/b"), "/a");
    EXPECT_EQ(folder_of("/a"), "/");
    EXPECT_EQ(folder_of("a"), ".");
    EXPECT_EQ(folder_of("a/"), ".");
    EXPECT_EQ(folder_of("a//b"), "a");
    EXPECT_EQ(folder_of("/"), "/");
    EXPECT_EQ(name_of_path("/a/b/"), "b");
    EXPECT_EQ(name_of_path("b"), "b");
    EXPECT_EQ(join_path("/", "a"), "/a");
    EXPECT_EQ(join_path("a", "b"), "a/b");
    EXPECT_EQ(join_path("", "b"), "b");
    EXPECT_EQ(temporary_path_of("/a/b.json"), "/a/.b.json.tmp");
}

TEST(SystemErrors, CarryACureWhereOneIsKnown) {
    SystemFileSystem files;
    const auto refused = files.open("/proc/taskstore", OpenMode::create);
    ASSERT_FALSE(refused);
    const auto full = files.open("/dev/full", OpenMode::read_write);
    ASSERT_TRUE(full);
    const auto written = (*full)->write_at(0, "x");
    ASSERT_FALSE(written);
    EXPECT_EQ(written.error().native, ENOSPC);
    EXPECT_THAT(written.error().hint, testing::HasSubstr("free some space"));
}

}  // namespace
}  // namespace taskstore::os
