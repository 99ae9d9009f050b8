#include <taskstore/sql/tokens.hpp>

#include <gmock/gmock.h>
#include <taskstore/base/clock.hpp>
#include <taskstore/base/text.hpp>

#include <algorithm>

namespace taskstore::sql {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(Tokens, AreWordsInSmallLettersOnceEach) {
    EXPECT_THAT(tokens_of("Fix the login, the LOGIN page (v2)"),
                ElementsAre("fix", "login", "page", "the", "v2"));
    EXPECT_THAT(tokens_of("task_store::open-file/x.cpp 1.5"),
                ElementsAre("1", "5", "cpp", "file", "open", "store", "task", "x"));
    EXPECT_THAT(tokens_of(""), IsEmpty());
    EXPECT_THAT(tokens_of(" \t\n%_'\"\\ ¿§ 🦀"), IsEmpty());
}

TEST(Tokens, CaseAndAccentsMakeNoDifferenceHoweverTheyAreWritten) {
    for (const char* text : {"Über", "uber", "ÜBER",
                             "U\xCC\x88"
                             "ber",
                             "ｕｂｅｒ"})
        EXPECT_THAT(tokens_of(text), ElementsAre("uber")) << text;
    EXPECT_THAT(tokens_of("ΌΔΟΣ όδος"), ElementsAre("οδοσ"));
    EXPECT_THAT(tokens_of("Ёлка елка"), ElementsAre("елка"));
    EXPECT_THAT(tokens_of("Việt viet"), ElementsAre("viet"));
    EXPECT_THAT(tokens_of("ẞ ß"), ElementsAre("ß"));
    EXPECT_THAT(tokens_of("so\xC2\xAD"
                          "ft zero\xE2\x80\x8D"
                          "width"),
                ElementsAre("soft", "zerowidth"));
}

TEST(Tokens, ScriptsWithoutSpacesGiveACharacterEach) {
    EXPECT_THAT(tokens_of("東京tower2へ"), ElementsAre("tower2", "へ", "京", "東"));
    EXPECT_THAT(tokens_of("한국어 검색"), ElementsAre("검색", "한국어"));
}

TEST(Tokens, WhatIsNoUtf8Divides) {
    EXPECT_THAT(tokens_of("a\xFF"
                          "b\xC3"),
                ElementsAre("a", "b"));
    EXPECT_THAT(tokens_of(std::string_view("a\0b", 3)), ElementsAre("a", "b"));
}

TEST(Tokens, ALongOneIsCutAtACharacter) {
    std::string word = "x";
    while (word.size() < 100) word += "ж";
    const auto tokens = tokens_of(word);
    ASSERT_EQ(tokens.size(), 1U);
    EXPECT_EQ(tokens[0], word.substr(0, 63));
}

/// Any text: tokens are well-formed, small, sorted, distinct, their own tokens, and those of a part
/// that ends at a space are among those of the whole.
TEST(Tokens, AreTheirOwnTokensWhateverTheText) {
    SeededRandom random(20261122);
    for (int round = 0; round < 2'000; ++round) {
        std::string text;
        for (std::uint64_t left = random.next_u64() % 40; left > 0; --left) {
            const char32_t code =
                static_cast<char32_t>(random.next_u64() % 4 == 0 ? random.next_u64() % 0x11000
                                                                 : random.next_u64() % 0x600);
            if (code < 0x80 || random.next_u64() % 8 == 0) {
                text += static_cast<char>(code);
            } else if (code < 0x10000) {
                append_utf8(text, code);
            }
        }
        const auto tokens = tokens_of(text);
        EXPECT_TRUE(std::ranges::is_sorted(tokens)) << text;
        EXPECT_EQ(std::ranges::adjacent_find(tokens), tokens.end()) << text;
        for (const std::string& token : tokens) {
            EXPECT_EQ(first_invalid_utf8(token), std::nullopt) << text;
            EXPECT_LE(token.size(), kTokenBytesMax);
            EXPECT_THAT(tokens_of(token), ElementsAre(token)) << text;
            EXPECT_EQ(token.find_first_of(" %_'\"\\"), std::string::npos) << text;
        }
        auto whole = tokens_of(text + " more");
        EXPECT_TRUE(std::ranges::includes(whole, tokens)) << text;
    }
}

}  // namespace
}  // namespace taskstore::sql
