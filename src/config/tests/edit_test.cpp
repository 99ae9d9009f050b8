#include <taskstore/config/edit.hpp>

#include <gtest/gtest.h>

namespace taskstore::config {
namespace {

std::string set(const std::string& text, const std::optional<std::string>& value) {
    const auto out = with_text_setting(text, "databases.tasks", value);
    return out ? *out : "error: " + out.error().message;
}

TEST(ConfigEdit, AnAbsentSettingIsAdded) {
    EXPECT_EQ(set("", "x"), "[databases]\ntasks = \"x\"\n");
    EXPECT_EQ(set("[list]\nlimit = 3", "x"), "[list]\nlimit = 3\n\n[databases]\ntasks = \"x\"\n");
    EXPECT_EQ(set("[databases]\n# mine\nmain = 'm'\n[list]\n", "x"),
              "[databases]\ntasks = \"x\"\n# mine\nmain = 'm'\n[list]\n");
    EXPECT_EQ(set("[databases]", "x"), "[databases]\ntasks = \"x\"\n");
}

TEST(ConfigEdit, AnOldValueIsReplacedAndNothingElse) {
    EXPECT_EQ(set("# a\n[databases]\n  tasks='y'  # old\nlogs = 'l'\n", "a\"b\\"),
              "# a\n[databases]\ntasks = \"a\\\"b\\\\\"\nlogs = 'l'\n");
    EXPECT_EQ(set("databases.tasks = 'y'\n[list]\nlimit = 1\n", "x"),
              "databases.tasks = \"x\"\n[list]\nlimit = 1\n");
}

TEST(ConfigEdit, ItGoesAwayWithoutATrace) {
    EXPECT_EQ(set("[databases]\ntasks = 'y'\nlogs = 'l'\n", std::nullopt),
              "[databases]\nlogs = 'l'\n");
    EXPECT_EQ(set("[list]\nlimit = 1\n", std::nullopt), "[list]\nlimit = 1\n");
}

TEST(ConfigEdit, FormsThatAreNotOneLineAreRefused) {
    EXPECT_EQ(set("databases = {tasks = 'y'}\n", "x").substr(0, 6), "error:");
    EXPECT_EQ(set("[databases]\ntasks = '''\ny'''\n", "x").substr(0, 6), "error:");
    EXPECT_EQ(set("[databases\n", "x").substr(0, 6), "error:");
}

}  // namespace
}  // namespace taskstore::config
