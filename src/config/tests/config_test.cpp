#include <taskstore/config/config.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

namespace taskstore::config {
namespace {

TEST(Config, LaterLayersWinAndEachValueKnowsItsSource) {
    const auto device =
        parse_toml("[user]\nactor = 'ann'\n[list]\nlimit = 5\n", "device.toml", false);
    ASSERT_TRUE(device) << device.error().message;
    const std::vector<std::string> environment{"TASKSTORE_CONFIG_LIST__LIMIT=7", "PATH=/bin",
                                               "TASKSTORE_TASK_ID=x"};
    const auto config = Config::from({*device, *from_environment(environment)});
    ASSERT_TRUE(config) << config.error().message;
    EXPECT_EQ(config->integer("list.limit"), 7);
    EXPECT_EQ(config->text("user.actor"), "ann");
    EXPECT_FALSE(config->boolean("files.allow_network"));
    const auto entry = std::ranges::find(config->entries(), "list.limit", &Config::Entry::key);
    EXPECT_EQ(entry->source, "environment");
}

TEST(Config, AnUnknownSettingNamesTheNearest) {
    EXPECT_EQ(Config::from({*parse_toml("list.limt = 5", "f", false)}).error().hint,
              "did you mean 'list.limit'?");
    const std::vector<std::string> environment{"TASKSTORE_CONFIG_LIST__LIMTI=7"};
    EXPECT_EQ(from_environment(environment).error().code, Code::invalid);
}

TEST(Config, AFaultInAFileNamesItsLine) {
    const auto layer = parse_toml("[list]\n\nlimt = 5\n", "f.toml", false);
    EXPECT_EQ(Config::from({*layer}).error().message,
              "unknown setting 'list.limt' in f.toml, line 3");
    EXPECT_NE(Config::from({*parse_toml("\nlist.limit = 'x'", "f.toml", false)})
                  .error()
                  .message.find("f.toml, line 2"),
              std::string::npos);
    EXPECT_NE(parse_toml("[x", "f.toml", false).error().hint, "");
}

TEST(Config, TheNamesOfTheEnvironmentAreAClosedList) {
    const auto of = [](const std::string& entry) {
        const std::vector<std::string> environment{entry};
        const auto layer = from_environment(environment);
        return layer ? std::string("taken") : layer.error().hint;
    };
    EXPECT_EQ(of("TASKSTORE_HOEM=/x"), "did you mean 'TASKSTORE_HOME'?");
    EXPECT_EQ(of("TASK_STORE_PTH=/x"), "did you mean 'TASK_STORE_PATH'?");
    EXPECT_NE(of("TASKSTORE_SOMETHING_ELSE=").find("TASKSTORE_ACTOR"), std::string::npos);
    for (const char* entry : {"TASKSTORE_TASK_CONFIG=1", "TASKSTORE=/bin/taskstore", "TASKS=1"})
        EXPECT_EQ(of(entry), "taken") << entry;
    for (const auto& [name, what] : plain_names()) EXPECT_EQ(of(std::string(name) + "=x"), "taken");
}

TEST(Config, TheDocsNameEverySettingAndVariable) {
    std::ifstream file(std::filesystem::path(TASKSTORE_DOCS_DIR) / "operating" / "settings.md");
    const std::string text{std::istreambuf_iterator<char>(file), {}};
    for (const Setting& setting : settings())
        EXPECT_NE(text.find("`" + std::string(setting.key) + "`"), std::string::npos)
            << setting.key;
    for (const auto& [name, what] : plain_names())
        EXPECT_NE(text.find("`" + std::string(name) + "`"), std::string::npos) << name;
}

TEST(Config, WrongTypesAndBoundsAreRefused) {
    EXPECT_FALSE(Config::from({*parse_toml("list.limit = 'many'", "f", false)}));
    EXPECT_FALSE(Config::from({*parse_toml("list.limit = -1", "f", false)}));
    EXPECT_FALSE(Config::from({*parse_toml("files.allow_network = 1", "f", false)}));
    EXPECT_FALSE(parse_toml("list.limit = [1]", "f", false));
    EXPECT_FALSE(parse_toml("list.limit = 1.5", "f", false));
    const auto broken = parse_toml("a = \n", "f.toml", false);
    EXPECT_NE(broken.error().message.find("f.toml, line 1"), std::string::npos)
        << broken.error().message;
}

TEST(Config, CharactersBeyondAsciiStandInStringsAndCommentsAlone) {
    const auto layer =
        parse_toml("# Gr\u00fc\u00dfe \"\n[user] # \u02e4\nactor = \"J\u00fcrgen \\\" \u02e4\"\n",
                   "device", false);
    ASSERT_TRUE(layer) << layer.error().message;
    EXPECT_EQ(layer->values.at("user.actor"), "J\u00fcrgen \" \u02e4");
    EXPECT_EQ(parse_toml("[user]\nactor = '~\u00fc~41'", "device", false)->values.at("user.actor"),
              "~\u00fc~41");
    EXPECT_EQ(parse_toml("a = \"\xff\"", "device", false).error().code, Code::invalid);
    EXPECT_FALSE(parse_toml("a=2.5\"\"\"\u01645\\", "device", false));
    EXPECT_TRUE(parse_toml("[user]\nactor = \"\"\"\n\u00fc \"quoted\"\n\"\"\"", "device", false));
    for (const char* text :
         {"\u02e4", "\u00fc = 1", "[user]\n  \u00fc", "a = 1 \u00a0", "x = \"\n\u00fc"}) {
        const auto bad = parse_toml(text, "device", false);
        ASSERT_FALSE(bad) << text;
        EXPECT_EQ(bad.error().code, Code::invalid);
        EXPECT_NE(bad.error().message.find("line "), std::string::npos) << bad.error().message;
    }
    EXPECT_NE(
        parse_toml("[user]\n  \u00fc", "device", false).error().message.find("line 2, column 3"),
        std::string::npos);
}

TEST(Config, APlanDecidesNothingForADevice) {
    for (const char* text :
         {"user.actor = 'x'", "files.allow_network = true", "files.safe_directories = '*'",
          "[databases]\ntasks = 'postgres://h'", "sync.command = 'rm'"}) {
        EXPECT_EQ(Config::from({*parse_toml(text, "plan", true)}).error().code, Code::denied)
            << text;
    }
    EXPECT_TRUE(Config::from({*parse_toml("list.limit = 3", "plan", true)}));
}

TEST(Config, EverySettingHasAHelpAndAGoodDefault) {
    for (const Setting& setting : settings()) EXPECT_FALSE(setting.help.empty());
    EXPECT_TRUE(Config::from({}));
}

}  // namespace
}  // namespace taskstore::config
