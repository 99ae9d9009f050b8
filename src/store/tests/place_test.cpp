#include <taskstore/store/place.hpp>

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace taskstore::store {
namespace {

class Places : public testing::Test {
  protected:
    static std::filesystem::path make_folder() {
        std::string pattern = std::filesystem::temp_directory_path() / "taskstore-place-XXXXXX";
        return mkdtemp(pattern.data());
    }
    ~Places() override { std::filesystem::remove_all(x_root); }
    std::filesystem::path x_root = make_folder();
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

}  // namespace
}  // namespace taskstore::store
