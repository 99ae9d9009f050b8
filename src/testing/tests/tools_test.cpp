#include <taskstore/testing/child.hpp>
#include <taskstore/testing/damage.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace taskstore {
namespace {

TEST(TemporaryFolders, AreUnlikeAndGoWithAllThatIsInThem) {
    std::string path;
    {
        const TemporaryFolder one;
        const TemporaryFolder other;
        EXPECT_NE(one.path(), other.path());
        path = one.path();
        std::filesystem::create_directories(one / "a/b");
        std::ofstream(one / "a/b/file") << "text";
        EXPECT_TRUE(std::filesystem::exists(path + "/a/b/file"));
    }
    EXPECT_FALSE(std::filesystem::exists(path));
}

TEST(Children, TakeTurnsAndTellTheirStatus) {
    Child child([](Pipe& pipe) { return pipe.receive() == 'a' ? (pipe.send('b'), 7) : 1; });
    child.pipe().send('a');
    EXPECT_EQ(child.pipe().receive(), 'b');
    EXPECT_EQ(child.wait(), 7);
}

TEST(Damage, ChangesTheBytesAndSaysHow) {
    std::mt19937_64 random(5);  // NOLINT(bugprone-random-generator-seed)
    for (int round = 0; round < 200; ++round) {
        std::string bytes(10'000, 'x');
        const std::string how = damage(bytes, random);
        EXPECT_NE(bytes, std::string(10'000, 'x')) << how;
        EXPECT_FALSE(how.empty());
    }
}

}  // namespace
}  // namespace taskstore
