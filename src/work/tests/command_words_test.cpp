#include <taskstore/work/command_words.hpp>

#include <gmock/gmock.h>

namespace taskstore::work {
namespace {

using testing::ElementsAre;

TEST(CommandWords, ArePartedByBlanksAndHeldTogetherByQuotes) {
    EXPECT_THAT(*words_of_command("make  test\t-j2\n"), ElementsAre("make", "test", "-j2"));
    EXPECT_THAT(*words_of_command("a 'b c' \"d e\" f'g'\"h\""),
                ElementsAre("a", "b c", "d e", "fgh"));
    EXPECT_THAT(*words_of_command(R"(a '\n' "\n\"\\" \ \')"),
                ElementsAre("a", "\\n", "\\n\"\\", " '"));
    EXPECT_THAT(*words_of_command("a '' b"), ElementsAre("a", "", "b"));
}

TEST(CommandWords, WhatAShellWouldExpandStandsForItself) {
    EXPECT_THAT(*words_of_command("echo $HOME *.cpp `id` a;b >out"),
                ElementsAre("echo", "$HOME", "*.cpp", "`id`", "a;b", ">out"));
}

TEST(CommandWords, WhatIsUnfinishedIsRefused) {
    for (const char* text : {"", "  ", "a 'b", "a \"b", "a \\", "''"}) {
        const auto words = words_of_command(text);
        ASSERT_FALSE(words) << text;
        EXPECT_EQ(words.error().code, Code::invalid) << text;
    }
}

}  // namespace
}  // namespace taskstore::work
