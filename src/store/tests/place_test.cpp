#include <taskstore/os/fault_file_system.hpp>
#include <taskstore/store/place.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace taskstore::store {
namespace {

class Places : public testing::Test {
  protected:
    TemporaryFolder x_folder;
    std::filesystem::path x_root = x_folder.path();
    os::SystemFileSystem x_files;
};

TEST_F(Places, TheSearchStopsAtTheRootOfTheWorkTree) {
    std::filesystem::create_directories(x_root / ".taskstore");
    std::filesystem::create_directories(x_root / "repo/.git");
    std::filesystem::create_directories(x_root / "repo/a/b");
    const auto place = find_place(x_files, x_root / "repo/a/b");
    EXPECT_EQ(place->folder, x_root / "repo/.taskstore");
    EXPECT_FALSE(place->exists);
    std::filesystem::create_directories(x_root / "repo/a/.taskstore");
    EXPECT_EQ(find_place(x_files, x_root / "repo/a/b")->folder, x_root / "repo/a/.taskstore");
}

TEST_F(Places, ALinkedWorkTreeHasItsOwnGitFolder) {
    std::filesystem::create_directories(x_root / "main/.git/worktrees/w");
    std::filesystem::create_directories(x_root / "w");
    std::ofstream(x_root / "w/.git")
        << "gitdir: " << (x_root / "main/.git/worktrees/w").string() << "\n";
    const auto place = find_place(x_files, x_root / "w");
    EXPECT_EQ(place->work_tree, x_root / "w");
    EXPECT_TRUE(place->replica_path.starts_with((x_root / "main/.git/worktrees/w").string()));
}

TEST_F(Places, AFileIsKnownByItsPathFromTheRootOfTheWorkTree) {
    std::filesystem::create_directories(x_root / "repo/.git");
    std::filesystem::create_directories(x_root / "repo/a/.taskstore");
    const auto found = find_place(x_files, x_root / "repo/a");
    const auto named = place_at(x_files, x_root / "repo/a/.taskstore");
    for (const auto& place : {found, named}) {
        EXPECT_EQ(name_in_plan(x_files, *place, x_root / "repo/docs/list.md"), "docs/list.md");
        EXPECT_EQ(name_in_plan(x_files, *place, x_root / "repo/list.md"), "list.md");
        EXPECT_EQ(name_in_plan(x_files, *place, x_root / "repository/list.md"),
                  x_root / "repository/list.md");
    }
    const auto outside = find_place(x_files, x_root);
    EXPECT_EQ(name_in_plan(x_files, *outside, x_root / "b/list.md"), "b/list.md");
}

TEST_F(Places, MakingAStoreTwiceChangesNothingAndCompletesAnOlderGitignore) {
    const auto place = find_place(x_files, x_root);
    std::filesystem::create_directories(x_root / ".taskstore");
    std::ofstream(x_root / ".taskstore/.gitignore") << "taskstore.db\ntaskstore.db-*";
    ASSERT_TRUE(make_store(x_files, *place));
    const auto text = *os::read_file(x_files, x_root / ".taskstore/.gitignore");
    EXPECT_TRUE(text.starts_with("taskstore.db\ntaskstore.db-*\nstore.db*\n")) << text;
    ASSERT_TRUE(make_store(x_files, *place));
    EXPECT_EQ(*os::read_file(x_files, x_root / ".taskstore/.gitignore"), text);
    EXPECT_TRUE(std::filesystem::exists(x_root / ".taskstore/prds.jsonl"));
    EXPECT_EQ(*os::read_file(x_files, x_root / ".taskstore/.version"),
              "1  # Current schema version\n");
}

TEST_F(Places, AnotherUsersStoreIsRefusedUnlessListed) {
    std::filesystem::create_directories(x_root / ".taskstore");
    const Place place = *find_place(x_files, x_root);
    const std::uint32_t owner = x_files.info(place.folder)->owner;
    EXPECT_TRUE(check_owner(x_files, place, {.uid = owner, .sudo_uid = {}}, ""));
    const Opener other{.uid = owner + 1, .sudo_uid = {}};
    const auto refused = check_owner(x_files, place, other, "");
    ASSERT_EQ(refused.error().code, Code::denied);
    EXPECT_NE(refused.error().message.find("user " + std::to_string(owner)), std::string::npos);
    EXPECT_NE(refused.error().hint.find("files.safe_directories"), std::string::npos);
    for (const std::string& listed :
         {place.folder, place.folder + "/", x_root.string(), "/none:" + x_root.string(),
          std::string("*"), std::string(":*")}) {
        EXPECT_TRUE(check_owner(x_files, place, other, listed)) << listed;
    }
    for (const std::string& unlisted :
         {std::string("/"), place.folder + "x", x_root.parent_path().string(), std::string(":"),
          place.folder + "/*", std::string("relative")}) {
        EXPECT_FALSE(check_owner(x_files, place, other, unlisted)) << unlisted;
    }
}

TEST(Owners, RootActsForWhoCalledSudoAndNobodyElseDoes) {
    os::FaultFileSystem files({.owner = 1000});
    files.put_directory("/w/.taskstore");
    const Place place = *find_place(files, "/w");
    ASSERT_TRUE(place.exists);
    EXPECT_TRUE(check_owner(files, place, {.uid = 0, .sudo_uid = 1000}, ""));
    EXPECT_FALSE(check_owner(files, place, {.uid = 0, .sudo_uid = {}}, ""));
    EXPECT_FALSE(check_owner(files, place, {.uid = 0, .sudo_uid = 1001}, ""));
    EXPECT_FALSE(check_owner(files, place, {.uid = 1001, .sudo_uid = 1000}, ""));
    os::FaultFileSystem of_root({.owner = 0});
    of_root.put_directory("/w/.taskstore");
    EXPECT_TRUE(check_owner(of_root, place, {.uid = 0, .sudo_uid = 1000}, ""));
    EXPECT_FALSE(check_owner(of_root, place, {.uid = 1000, .sudo_uid = 0}, ""));
}

TEST_F(Places, NothingIsRefusedWhereNoStoreIsYet) {
    const Place place = *find_place(x_files, x_root);
    EXPECT_TRUE(check_owner(x_files, place, {.uid = 12345, .sudo_uid = {}}, ""));
}

}  // namespace
}  // namespace taskstore::store
