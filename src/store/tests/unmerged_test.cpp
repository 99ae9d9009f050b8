// Files that git left in three versions, and what a commit would drop.

#include <taskstore/store/unmerged.hpp>

#include <gtest/gtest.h>

namespace taskstore::store {
namespace {

std::string line(std::string_view id, std::string_view title, int at) {
    return "{\"id\":\"" + std::string(id) + "\",\"title\":\"" + std::string(title) +
           "\",\"updated_at\":" + std::to_string(at) + "}\n";
}

const std::string kBase = line("a", "base", 1);
const std::string kOurs = kBase + line("b", "ours", 2);
const std::string kTheirs = kBase + line("c", "theirs", 3);
const std::string kBoth = kBase + line("b", "ours", 2) + line("c", "theirs", 3);

std::string settled(std::string_view work, std::string_view base = kBase,
                    std::string_view ours = kOurs, std::string_view theirs = kTheirs) {
    return settle_text(work, {base, ours, theirs}, {}).text;
}

TEST(Unmerged, BothSidesAreThereWhateverStoodInTheWorkTree) {
    EXPECT_EQ(settled(kOurs), kBoth);
    EXPECT_EQ(settled(kTheirs), kBoth);
    EXPECT_EQ(settled(""), kBoth);
    EXPECT_EQ(settled(kBoth), kBoth);
    EXPECT_EQ(settled(kBase + "<<<<<<< ours\n" + line("b", "ours", 2) + "=======\n" +
                      line("c", "theirs", 3) + ">>>>>>> theirs\n"),
              kBoth);
}

TEST(Unmerged, WhatWasWrittenMeanwhileStays) {
    const std::string own = line("b", "later", 9);
    EXPECT_EQ(settled(kOurs + own), kBoth + own);
    EXPECT_EQ(settled(kOurs + "not a record\n"), kBoth + "not a record\n");
    EXPECT_EQ(settled(kOurs + own.substr(0, 20)), kBoth + own.substr(0, 20) + "\n");
    EXPECT_EQ(settled("<<<<<<< ours\n" + own + "=======\n>>>>>>> theirs\n"), kBoth + own);
}

TEST(Unmerged, AClashStandsBetweenMarkersUntilSomebodyHasChosen) {
    const std::string base = line("a", "base", 1) + line("x", "x", 1);
    const std::string ours = line("a", "ours", 5) + line("x", "o", 1) + line("b", "b", 2);
    const std::string theirs = line("a", "theirs", 5) + line("x", "x", 1) + line("c", "c", 2);
    const auto first = settle_text(ours, {base, ours, theirs}, {});
    ASSERT_EQ(first.clashes, std::vector<std::string>{"a"});
    EXPECT_NE(first.text.find("<<<<<<<"), std::string::npos);
    EXPECT_EQ(settled(first.text, base, ours, theirs), first.text);
    // Theirs was taken out of the block.
    const std::size_t begin = first.text.find("<<<<<<<");
    const std::size_t end = first.text.find('\n', first.text.find(">>>>>>>")) + 1;
    const std::string chosen =
        first.text.substr(0, begin) + line("a", "theirs", 5) + first.text.substr(end);
    const auto again = settle_text(chosen, {base, ours, theirs}, {});
    EXPECT_TRUE(again.clashes.empty());
    EXPECT_EQ(again.text, chosen);
}

TEST(Unmerged, AChosenSideHoldsWhatTheOtherOneChangedAlone) {
    const auto both = [](std::string_view title, int n, int m) {
        return "{\"id\":\"a\",\"title\":\"" + std::string(title) + "\",\"n\":" + std::to_string(n) +
               ",\"m\":" + std::to_string(m) + ",\"updated_at\":5}\n";
    };
    const std::string base = both("base", 1, 1);
    const std::string ours = both("ours", 2, 1);
    const std::string theirs = both("theirs", 1, 2);
    const auto first = settle_text(ours, {base, ours, theirs}, {});
    ASSERT_EQ(first.clashes, std::vector<std::string>{"a"});
    EXPECT_NE(first.text.find(both("ours", 2, 2)), std::string::npos);
    for (const char* const title : {"ours", "theirs"}) {
        const std::string chosen = both(title, 2, 2);
        const auto again = settle_text(chosen, {base, ours, theirs}, {});
        EXPECT_TRUE(again.clashes.empty());
        EXPECT_EQ(again.text, chosen);
    }
}

TEST(Unmerged, OneSideAloneIsAChoiceOnceTheMergeWasShown) {
    const std::string base = line("a", "base", 1);
    const std::string ours = line("a", "ours", 5);
    const std::string theirs = line("a", "theirs", 5) + line("c", "c", 2);
    const ledger::MergeInput versions{base, ours, theirs};
    EXPECT_EQ(settle_text(ours, versions, {}, false).clashes, std::vector<std::string>{"a"});
    const auto chosen = settle_text(ours, versions, {}, true);
    EXPECT_TRUE(chosen.clashes.empty());
    // What did not clash is there whatever was chosen.
    EXPECT_EQ(chosen.text, ours + line("c", "c", 2));
    EXPECT_EQ(settle_text(theirs, versions, {}, true).text, theirs);
    EXPECT_FALSE(is_merged_text(ours, versions));
    EXPECT_FALSE(is_merged_text(theirs, versions));
    EXPECT_TRUE(is_merged_text(ours + theirs, versions));
    EXPECT_TRUE(is_merged_text("<<<<<<< ours\n", versions));
}

TEST(Unmerged, ACommitThatLacksOneSidesRecordsIsKnown) {
    const ledger::Shape shape;
    const auto dropped = [&](std::string_view staged) {
        return dropped_records({kBase, kOurs, kTheirs}, staged, shape);
    };
    EXPECT_TRUE(dropped(kBoth).empty());
    EXPECT_EQ(dropped(kOurs), std::vector<std::string>{"c"});
    EXPECT_EQ(dropped(""), std::vector<std::string>{"c"});
    // Somebody said something else about it.
    EXPECT_TRUE(dropped(kOurs + line("c", "mine", 7)).empty());
}

TEST(Unmerged, AnEditThatTheRuleTakesIsMissedAndOneThatLosesIsNot) {
    const ledger::Shape shape;
    const std::string base = line("a", "base", 1);
    const std::string ours = line("a", "ours", 5);
    EXPECT_EQ(dropped_records({base, ours, line("a", "theirs", 9)}, ours, shape),
              std::vector<std::string>{"a"});
    EXPECT_TRUE(dropped_records({base, ours, line("a", "theirs", 2)}, ours, shape).empty());
    // Unlike values of equal time are for a person to choose from.
    EXPECT_TRUE(dropped_records({base, ours, line("a", "theirs", 5)}, ours, shape).empty());
}

}  // namespace
}  // namespace taskstore::store
