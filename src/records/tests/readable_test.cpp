// Ledger files as text for git's diffs.

#include <taskstore/records/readable.hpp>

#include <gtest/gtest.h>

#include <string>

namespace taskstore::records {
namespace {

std::string readable(std::string_view file, std::string_view collection = "notes") {
    std::string text;
    const auto status = write_readable(file, collection, [&](std::string_view piece) {
        text += piece;
        return ok();
    });
    EXPECT_TRUE(status);
    return text;
}

TEST(Readable, IsABlockPerRecordInTheOrderOfIds) {
    EXPECT_EQ(readable("{\"id\":\"b\",\"updated_at\":1000,\"z\":1,\"a\":[1,2]}\n"
                       "{\"id\":\"a\",\"updated_at\":2000,\"text\":\"one\\n\\ntwo\\n\"}\n"
                       "{\"id\":\"c\",\"deleted\":true,\"updated_at\":3000}\n"),
              "notes a\n"
              "  text:\n    | one\n    |\n    | two\n"
              "  edited: 1970-01-01T00:00:02Z\n"
              "notes b\n"
              "  a: [1,2]\n  z: 1\n"
              "  edited: 1970-01-01T00:00:01Z\n"
              "notes c (deleted)\n"
              "  edited: 1970-01-01T00:00:03Z\n");
}

TEST(Readable, HasTheMembersOfAKindInItsOrderAndNoEmptyOnes) {
    EXPECT_EQ(readable("{\"id\":\"p\",\"zeta\":true,\"status\":\"draft\",\"content\":\"\","
                       "\"title\":\"T\",\"created_at\":1000,\"updated_at\":1000}\n",
                       "prds"),
              "prd p\n  title: T\n  created_at: 1970-01-01T00:00:01Z\n  status: draft\n"
              "  zeta: true\n  edited: 1970-01-01T00:00:01Z\n");
}

TEST(Readable, DependsOnTheSetOfLinesAlone) {
    const std::string one = "{\"id\":\"a\",\"updated_at\":1,\"x\":1}\n";
    const std::string two = "{\"id\":\"a\",\"updated_at\":2,\"x\":2}\n";
    const std::string three = "{\"x\":3,\"id\":\"b\",\"updated_at\":1}\n";
    EXPECT_EQ(readable(one + two + three), readable(three + two + one + two));
    EXPECT_NE(readable(one + two), readable(one));
}

TEST(Readable, KeepsWhatIsNoRecordAndDisarmsIt) {
    EXPECT_EQ(
        readable("<<<<<<< ours\n{\"id\":\"a\",\"t\":\"\x7f\\u001b[2J\"}\nno \x1b[2J\n{\"id\":"),
        "notes a\n  t: \"\\u007f\\u001b[2J\"\n"
        "<<<<<<< ours\nno \xEF\xBF\xBD[2J\n{\"id\":\n");
    EXPECT_EQ(readable(""), "");
}

TEST(Readable, StopsWhereTheReaderDoes) {
    const auto status = write_readable("{\"id\":\"a\"}\n", "n", [](std::string_view) -> Status {
        return fail(Code::cancelled, "enough");
    });
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, Code::cancelled);
}

}  // namespace
}  // namespace taskstore::records
