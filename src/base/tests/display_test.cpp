#include <taskstore/base/display.hpp>
#include <taskstore/base/text.hpp>

#include <gtest/gtest.h>

#include <random>

namespace taskstore {
namespace {

TEST(DisplayWidth, WideCharactersAndEmojiTakeTwoColumns) {
    for (const char* wide :
         {"日", "한", "ｗ", "⭐", "⚡", "⛔", "❗", "➕", "🟢", "✅", "🚀", "🫠", "𠀀"})
        EXPECT_EQ(display_width(wide), 2U) << wide;
    for (const char* narrow : {"a", "é", "✓", "→", "…", "ﬁ", "ж", "ｱ", "™", "⎈"})
        EXPECT_EQ(display_width(narrow), 1U) << narrow;
}

TEST(DisplayWidth, MarksJoinersAndSelectorsTakeNone) {
    EXPECT_EQ(display_width("e\u0301"), 1U);             // combining acute
    EXPECT_EQ(display_width("\u0928\u0940\u0947"), 2U);  // Devanagari: a spacing vowel, a mark
    EXPECT_EQ(display_width("\u200D\uFE0F\u200B\u2060"), 0U);
    EXPECT_EQ(display_width("\u1112\u1161\u11AB"), 2U);    // conjoining jamo: one syllable
    EXPECT_EQ(display_width("\U0001F1E9\U0001F1EA"), 2U);  // a flag
    EXPECT_EQ(display_width("\x1b\x7f\u0085\n"), 0U);
}

TEST(DisplayWidth, WhatIsDrawnAsOnePictureCountsOnce) {
    EXPECT_EQ(display_width("\U0001F468\u200D\U0001F469\u200D\U0001F467"), 2U);  // a family
    EXPECT_EQ(display_width("\U0001F3F3\uFE0F\u200D\U0001F308"), 2U);            // a joined flag
    EXPECT_EQ(display_width("\u2764\uFE0F"), 2U);                                // asked to be one
    EXPECT_EQ(display_width("1\uFE0F\u20E3"), 2U);                               // a keycap
    EXPECT_EQ(display_width("\u261D\U0001F3FD"), 2U);                            // a skin tone
    EXPECT_EQ(display_width("\U0001F1E9\U0001F1EA\U0001F1E9"), 3U);  // a flag and a half
    EXPECT_EQ(display_width("a\u200Db"), 2U);
    EXPECT_EQ(display_width("\u65E5\u200D\u65E5"), 4U);
    EXPECT_EQ(cluster_at("e\u0301\u0302x", 0).bytes, 5U);
}

TEST(Printable, JsonMeansTheSameWithoutRawControls) {
    EXPECT_EQ(printable_json("{\"a\":\"\x7f\u009b1m\xff é\"}"),
              "{\"a\":\"\\u007f\\u009b1m\uFFFD é\"}");
}

TEST(Printable, NothingThatMovesTheCursorComesThrough) {
    EXPECT_EQ(printable_line("a\x1b[2Jb\tc\nd\r\ne\x7f"), "a\uFFFD[2Jb c d e\uFFFD");
    EXPECT_EQ(printable_line("\u009b31m"), "\uFFFD31m");  // C1: CSI in one character
    EXPECT_EQ(printable_text("a\r\n\tb\rc\x07"), "a\n\tb\uFFFDc\uFFFD");
    EXPECT_EQ(printable_text("日本語 ⭐ é"), "日本語 ⭐ é");
    EXPECT_EQ(printable_line("a\u202Eb\u2066c\u2028d"), "a\uFFFDb\uFFFDc d");
}

TEST(Printable, BadBytesAreReplacedAndTheRestStays) {
    EXPECT_EQ(repaired_utf8("a\xff"
                            "b\xe6\x97"),
              "a\uFFFDb\uFFFD\uFFFD");
    EXPECT_EQ(repaired_utf8("good"), "good");
    EXPECT_EQ(printable_line("\xe6\x97"), "\uFFFD\uFFFD");
}

TEST(Printable, AnyBytesGiveGoodTextWithoutControls) {
    std::mt19937 random(20261121);  // the seed, for repeating
    for (int round = 0; round < 2000; ++round) {
        std::string text;
        for (int i = 0; i < 40; ++i) text += static_cast<char>(random() & 0xFFU);
        for (const std::string& out : {printable_line(text), printable_text(text)}) {
            ASSERT_FALSE(first_invalid_utf8(out)) << round;
            for (std::size_t at = 0; at < out.size();) {
                const Glyph glyph = glyph_at(out, at);
                ASSERT_TRUE((glyph.code >= 0x20 && (glyph.code < 0x7F || glyph.code > 0x9F)) ||
                            glyph.code == '\n' || glyph.code == '\t')
                    << round;
                at += glyph.bytes;
            }
        }
        ASSERT_FALSE(first_invalid_utf8(repaired_utf8(text))) << round;
    }
}

}  // namespace
}  // namespace taskstore
