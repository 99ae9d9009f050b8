// What a command left: nothing of it stays, and nothing beside it goes.

#include <taskstore/os/file_system.hpp>
#include <taskstore/os/remove_tree.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <thread>
#include <vector>

namespace taskstore::os {
namespace {

class RemoveTreeTest : public testing::Test {
  protected:
    void shell(const std::string& script) {
        ASSERT_EQ(std::system(("cd '" + x_folder.path() + "' && " + script).c_str()), 0);
    }
    TemporaryFolder x_folder;
    SystemFileSystem x_files;
};

TEST_F(RemoveTreeTest, FilesFoldersPipesAndClosedFoldersGo) {
    shell(
        "mkdir -p t/a/b/c t/empty && echo x > t/a/b/c/f && mkfifo t/a/pipe && echo y > t/.hidden "
        "&& mkdir t/a/0 t/0 && echo z > t/a/0/f && chmod 0 t/a/b/c && chmod 0500 t/a/b t/a");
    const Status removed = remove_tree(x_folder / "t");
    ASSERT_TRUE(removed) << removed.error().message;
    EXPECT_FALSE(x_files.link_info(x_folder / "t"));
    EXPECT_TRUE(remove_tree(x_folder / "t")) << "again";
}

TEST_F(RemoveTreeTest, NoLinkIsFollowed) {
    shell(
        "mkdir -p t kept/inner && echo x > kept/inner/f && ln -s ../kept t/link && ln -s / t/root");
    ASSERT_TRUE(remove_tree(x_folder / "t"));
    EXPECT_EQ(*read_file(x_files, x_folder / "kept/inner/f"), "x\n");
    struct stat kept{};
    ASSERT_EQ(::stat((x_folder / "kept").c_str(), &kept), 0);
    EXPECT_NE(kept.st_mode & 07777U, 0700U) << "its mode was changed";
    shell("ln -s kept t");
    EXPECT_FALSE(remove_tree(x_folder / "t"));
    EXPECT_EQ(*read_file(x_files, x_folder / "kept/inner/f"), "x\n");
}

TEST_F(RemoveTreeTest, SeveralMayRemoveItAtOnce) {
    for (int round = 0; round < 20; ++round) {
        shell("mkdir -p t/a/b/c t/d/e/f t/g && touch t/a/1 t/a/b/2 t/d/3 t/d/e/f/4 t/5 t/g/6");
        std::array<Status, 4> removed;
        {
            std::vector<std::jthread> threads;
            for (Status& one : removed)
                threads.emplace_back([&] { one = remove_tree(x_folder / "t"); });
        }
        for (const Status& one : removed) EXPECT_TRUE(one) << one.error().message;
        EXPECT_FALSE(x_files.link_info(x_folder / "t"));
    }
}

TEST_F(RemoveTreeTest, FoldersThatLieDeeperThanAnyPathReachesGo) {
    shell("mkdir t");
    int folder = ::open((x_folder / "t").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::string name(200, 'd');
    for (int depth = 0; depth < 50; ++depth) {
        ASSERT_EQ(::mkdirat(folder, name.c_str(), 0700), 0);
        const int next = ::openat(folder, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ::close(folder);
        folder = next;
    }
    ::close(::openat(folder, "f", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    ::close(folder);
    const Status removed = remove_tree(x_folder / "t");
    ASSERT_TRUE(removed) << removed.error().message;
    EXPECT_FALSE(x_files.link_info(x_folder / "t"));
}

}  // namespace
}  // namespace taskstore::os
