// ECMA-262 patterns: what matches, what is refused and how.
#include "../pattern.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace taskstore::schema {
namespace {

using ::testing::HasSubstr;

bool matches(std::string_view source, std::string_view text) {
    const auto pattern = Pattern::compile(source, 4U << 20U);
    EXPECT_TRUE(pattern) << source << "\n" << (pattern ? "" : pattern.error().message);
    return pattern && pattern->matches(text);
}
Error refusal(std::string_view source) {
    const auto pattern = Pattern::compile(source, 4U << 20U);
    EXPECT_FALSE(pattern) << source;
    return pattern ? Error{} : pattern.error();
}

TEST(Pattern, MatchesAsEcmaSays) {
    EXPECT_TRUE(matches("b", "abc"));  // Not anchored.
    EXPECT_FALSE(matches("^b$", "a\nb\nc"));
    EXPECT_FALSE(matches("^a$", "a\n"));
    EXPECT_FALSE(matches("^.$", "\n"));
    EXPECT_FALSE(matches("^.$", "\u2028"));
    EXPECT_TRUE(matches("^.$", "😀"));
    EXPECT_TRUE(matches("^\\uD83D\\uDE00$", "😀"));
    EXPECT_TRUE(matches("^\\u{1F600}$", "😀"));
    EXPECT_FALSE(matches("\\d", "٣"));  // ASCII alone.
    EXPECT_FALSE(matches("\\w", "é"));
    EXPECT_TRUE(matches("^\\s+$", "\u00a0\ufeff\u2003\t"));
    EXPECT_FALSE(matches("\\S", "\u00a0"));
    EXPECT_TRUE(matches("^[\\S]$", "a"));
    EXPECT_TRUE(matches("^[^\\s\\d]$", "a"));
    EXPECT_TRUE(matches("^\\cA\\x41\\0$", std::string_view("\x01"
                                                           "A\0",
                                                           3)));
    EXPECT_TRUE(matches("^[\\b]$", "\b"));
    EXPECT_TRUE(matches("\\bfoo\\b", "a foo b"));
    EXPECT_TRUE(matches("^(?<year>\\d{4})-(?:a|b)??$", "2026-"));
    EXPECT_TRUE(matches("^a{2,3}?$", "aaa"));
    EXPECT_FALSE(matches("[]", "a"));
    EXPECT_TRUE(matches("^[^]$", "\n"));
    EXPECT_TRUE(matches("^[a\\-z-]+$", "a-z"));
    EXPECT_TRUE(matches("^\\p{Letter}\\p{Lu}\\p{Script=Greek}$", "éAω"));
    EXPECT_FALSE(matches("^\\P{L}$", "a"));
    EXPECT_TRUE(matches("^a|b$", "xb"));
    EXPECT_TRUE(matches("^[(?i)*+.]$", "*"));
    EXPECT_TRUE(matches("^\\/\\.\\@$", "/.@"));
    EXPECT_TRUE(matches("^x{0}$", ""));
    EXPECT_TRUE(matches("^.{1500}$", std::string(1500, 'x')));
    EXPECT_FALSE(matches("^.{0,1500}$", std::string(1501, 'x')));
    EXPECT_TRUE(matches("^.{1500,}$", std::string(4000, 'x')));
}

TEST(Pattern, LooksAheadFromTheStart) {
    EXPECT_TRUE(matches("^(?!_).+$", "a_"));
    EXPECT_FALSE(matches("^(?!_).+$", "_a"));
    EXPECT_TRUE(matches("^(?=.*[A-Z])(?=.*\\d).{4,}$", "abC1"));
    EXPECT_FALSE(matches("^(?=.*[A-Z])(?=.*\\d).{4,}$", "abcd1"));
    EXPECT_TRUE(matches("^(?!a)b|c", "ac"));
    EXPECT_FALSE(matches("^(?!a)b|^c", "ac"));
}

TEST(Pattern, RefusesWhatIsNoPattern) {
    for (const char* source : {"(",   ")",      "[",     "*",       "a**",      "a{2,1}",
                               "\\",  "\\Z",    "\\a",   "\\u12",   "(?i)a",    "(?<n>a)(?<n>b)",
                               "\\1", "\\k<n>", "[b-a]", "[\\d-a]", "\\p{",     "^*",
                               "a{",  "\\01",   "\\c1",  "(?<1>a)", "\\p{gc=}", "[a"}) {
        EXPECT_EQ(refusal(source).code, Code::invalid) << source;
        EXPECT_FALSE(check_pattern(source)) << source;
    }
}

TEST(Pattern, RefusesByNameWhatIsNotLinear) {
    EXPECT_THAT(refusal("(a)\\1").message, HasSubstr("backreferences"));
    EXPECT_THAT(refusal("(?<=a)b").message, HasSubstr("look-behind"));
    EXPECT_THAT(refusal("a(?=b)").message, HasSubstr("look-ahead"));
    EXPECT_THAT(refusal("\\p{Emoji}").message, HasSubstr("\\p{Emoji}"));
    EXPECT_EQ(refusal("((a{1000}){1000}){1000}").code, Code::unsupported);
    EXPECT_EQ(refusal("a{100000}").code, Code::unsupported);
    EXPECT_TRUE(check_pattern("(?<=a)b\\b(c)\\1"));
}

}  // namespace
}  // namespace taskstore::schema
