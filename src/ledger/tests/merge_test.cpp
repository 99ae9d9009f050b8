// Three-way merges of ledger files: by example, and by law over random histories.
#include "texts.hpp"

#include <taskstore/ledger/edit.hpp>
#include <taskstore/ledger/merge.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <deque>

namespace taskstore::ledger {
namespace {

State fold_file(std::string_view text, std::string_view id = "a") {
    std::vector<std::string> texts = lines_of(text);
    std::deque<LineDecoder> decoders;
    std::vector<Line> lines;
    for (const std::string& line : texts) {
        auto decoded = decoders.emplace_back().decode(line);
        EXPECT_TRUE(decoded) << line;
        if (decoded && decoded->id == id) lines.push_back(std::move(*decoded));
    }
    State state = fold({}, lines);
    return state;
}

std::string value_of(const State& state, std::string_view name) {
    const MemberState* member = state.find(name);
    return member == nullptr ? "" : member->raw_value;
}

std::string edited(const std::string& file, const std::vector<Change>& changes, std::int64_t ms,
                   const std::string& replica) {
    const State state = fold_file(file);
    std::vector<Change> all = changes;
    if (!state.live()) all.push_back({"id", "\"a\""});
    return file + encode_edit({}, state, all, {ms, 0, replica}, {.by = replica});
}

std::string removed(const std::string& file, std::int64_t ms, const std::string& replica) {
    return file + encode_tombstone({}, fold_file(file), {ms, 0, replica}, {.by = replica});
}

Merged merged(const std::string& base, const std::string& ours, const std::string& theirs) {
    const Merged there = merge_files({base, theirs, ours}, {});
    Merged here = merge_files({base, ours, theirs}, {});
    // Whoever merges gets the same lines, whatever their order.
    auto one = lines_of(here.text);
    auto other = lines_of(there.text);
    if (here.clashes.empty()) {
        std::ranges::sort(one);
        std::ranges::sort(other);
        EXPECT_EQ(one, other);
    }
    return here;
}

std::string plain(const std::string& members, const std::string& time) {
    return "{\"id\":\"a\"," + members + ",\"updated_at\":" + time + "}\n";
}

const std::string kBase = edited("",
                                 {{"title", "\"t\""},
                                  {"status", "\"draft\""},
                                  {"tags", "[\"x\",\"y\"]"},
                                  {"text", "\"one\\ntwo\\nthree\\nfour\\n\""}},
                                 100, "p");

TEST(Merge, AppendedLinesAreJoinedOursFirst) {
    const std::string ours = edited(kBase, {{"title", "\"ours\""}}, 110, "p");
    const std::string theirs = edited(kBase, {{"status", "\"ready\""}}, 120, "q");
    const Merged result = merged(kBase, ours, theirs);
    EXPECT_EQ(result.text, ours + theirs.substr(kBase.size()));
    EXPECT_TRUE(result.clashes.empty());
    EXPECT_TRUE(result.corrected.empty());
}

TEST(Merge, AMemberThatBothChangedGoesByTheRuleAndTheLoserStaysListed) {
    const std::string ours = edited(kBase, {{"title", "\"ours\""}}, 110, "p");
    const std::string theirs = edited(kBase, {{"title", "\"theirs\""}}, 120, "q");
    const State state = fold_file(merged(kBase, ours, theirs).text);
    EXPECT_EQ(value_of(state, "title"), "\"theirs\"");
    ASSERT_EQ(state.lost.size(), 1U);
    EXPECT_EQ(state.lost[0].raw_value, "\"ours\"");
}

TEST(Merge, ArraysTextAndObjectsMergeInPartsAndNothingOfThemIsLost) {
    const std::string ours = edited(
        kBase, {{"tags", "[\"x\",\"y\",\"o\"]"}, {"text", "\"ONE\\ntwo\\nthree\\nfour\\n\""}}, 110,
        "p");
    const std::string theirs = edited(
        kBase, {{"tags", "[\"y\",\"t\"]"}, {"text", "\"one\\ntwo\\nthree\\nFOUR\\n\""}}, 120, "q");
    const Merged result = merged(kBase, ours, theirs);
    const State state = fold_file(result.text);
    EXPECT_EQ(value_of(state, "tags"), "[\"y\",\"o\",\"t\"]");
    EXPECT_EQ(value_of(state, "text"), "\"ONE\\ntwo\\nthree\\nFOUR\\n\"");
    EXPECT_TRUE(state.lost.empty());
    EXPECT_EQ(result.corrected.size(), 1U);
}

TEST(Merge, ARevertOfALineBesideAnEditOfAnotherMemberHoldsBoth) {
    const std::string head = edited(kBase, {{"title", "\"mistake\""}}, 110, "p");
    const std::string ours = edited(head, {{"status", "\"ready\""}}, 120, "p");
    // git revert of the commit that brought "mistake": base is head, theirs is what was before.
    const State state = fold_file(merged(head, ours, kBase).text);
    EXPECT_EQ(value_of(state, "title"), "\"t\"");
    EXPECT_EQ(value_of(state, "status"), "\"ready\"");
    EXPECT_TRUE(state.lost.empty());
}

TEST(Merge, ACherryPickOfALaterCommitWithoutTheEarlierTakesItsChangeAlone) {
    const std::string earlier = edited(kBase, {{"title", "\"earlier\""}}, 110, "q");
    const std::string later = edited(earlier, {{"status", "\"ready\""}}, 120, "q");
    const State state = fold_file(merged(earlier, kBase, later).text);
    EXPECT_EQ(value_of(state, "title"), "\"t\"");
    EXPECT_EQ(value_of(state, "status"), "\"ready\"");
}

TEST(Merge, ADeletionBesideAnEditWinsAndTheEditStaysListed) {
    const std::string ours = removed(kBase, 110, "p");
    const std::string theirs = edited(kBase, {{"title", "\"late\""}}, 150, "q");
    const State state = fold_file(merged(kBase, ours, theirs).text);
    EXPECT_TRUE(state.deleted);
    ASSERT_EQ(state.lost.size(), 1U);
    EXPECT_EQ(state.lost[0].lost_to, LostTo::deletion);
}

TEST(Merge, ARecordOfWhichOneSideHasNoLineWasDeletedThere) {
    const std::string other = "{\"id\":\"b\",\"updated_at\":1}\n";
    const std::string theirs = edited(kBase, {{"title", "\"late\""}}, 150, "q");
    for (const std::string& text : {theirs, kBase}) {
        const Merged result = merged(kBase + other, other, text + other);
        const State state = fold_file(result.text);
        EXPECT_FALSE(state.live());
        EXPECT_EQ(state.deleted, text == theirs) << "only what says something new is buried";
        EXPECT_EQ(state.lost.size(), text == theirs ? 1U : 0U);
        EXPECT_TRUE(fold_file(result.text, "b").live());
    }
}

/// Two branches of one base: on one a record and an edit of another one are made in two commits.
TEST(Merge, APickedCommitBuriesNothingOfTheOneBeforeIt) {
    const std::string first =
        "{\"id\":\"n\",\"title\":\"N\",\"updated_at\":120,\"_stamps\":{\"v\":1,"
        "\"at\":\"120@q\",\"by\":\"q\"}}\n";
    const std::string b1 = kBase + first;
    const std::string b2 = edited(kBase, {{"title", "\"late\""}}, 130, "q") + first;
    const std::string ours = edited(kBase, {{"status", "\"ready\""}}, 140, "p");
    const std::string picked = merged(b1, ours, b2).text;
    EXPECT_FALSE(fold_file(picked, "n").live());
    EXPECT_TRUE(fold_file(merged(kBase, picked, b2).text, "n").live());
    EXPECT_EQ(value_of(fold_file(merged(kBase, picked, b2).text), "title"), "\"late\"");
    // Reverted, merged once more, and the revert reverted.
    const std::string reverted = merged(b1, b1, kBase).text;
    const std::string again = merged(b1, reverted, b2).text;
    EXPECT_FALSE(fold_file(again, "n").live());
    EXPECT_TRUE(fold_file(merged(reverted, again, b1).text, "n").live());
}

TEST(Merge, WhatAPickRestoredIsNoChangeToALaterMerge) {
    const std::string b1 = edited(kBase, {{"status", "\"ready\""}}, 120, "q");
    const std::string b2 = edited(b1, {{"title", "\"late\""}}, 130, "q");
    const std::string picked = merged(b1, kBase, b2).text;
    EXPECT_EQ(value_of(fold_file(picked), "status"), "\"draft\"");
    EXPECT_EQ(value_of(fold_file(picked), "title"), "\"late\"");
    const State state = fold_file(merged(kBase, picked, b2).text);
    EXPECT_EQ(value_of(state, "status"), "\"ready\"");
    EXPECT_EQ(value_of(state, "title"), "\"late\"");
    EXPECT_TRUE(state.lost.empty());
    // A rebase of the two commits onto what was picked.
    const std::string onto = merged(kBase, picked, b1).text;
    EXPECT_EQ(value_of(fold_file(onto), "status"), "\"ready\"");
    EXPECT_EQ(value_of(fold_file(merged(b1, onto, b2).text), "status"), "\"ready\"");
}

TEST(Merge, WhatAPickedLineCarriesAlongHasNotLostUntilItsCommitComes) {
    const std::string b1 = edited(kBase, {{"title", "\"early\""}}, 120, "q");
    const std::string b2 = edited(b1, {{"status", "\"ready\""}}, 130, "q");
    const std::string ours = edited(kBase, {{"title", "\"ours\""}}, 140, "p");
    const std::string picked = merged(b1, ours, b2).text;
    const State state = fold_file(picked);
    EXPECT_EQ(value_of(state, "title"), "\"ours\"");
    EXPECT_EQ(value_of(state, "status"), "\"ready\"");
    EXPECT_TRUE(state.lost.empty()) << "the branch never had it";
    const State both = fold_file(merged(kBase, picked, b2).text);
    EXPECT_EQ(value_of(both, "title"), "\"ours\"");
    ASSERT_EQ(both.lost.size(), 1U);
    EXPECT_EQ(both.lost[0].raw_value, "\"early\"");
    EXPECT_EQ(both.lost[0].by, "q");
}

/// A commit that edits a record which the branch never had: deleted there, for all that this merge
/// can tell, until the branch comes that made it.
TEST(Merge, APickedEditOfARecordThatTheBranchNeverHadDoesNotBuryIt) {
    const std::string other = "{\"id\":\"b\",\"updated_at\":1}\n";
    const std::string made = kBase;
    const std::string later = edited(made, {{"title", "\"late\""}}, 150, "q");
    const std::string picked = merged(made + other, other, later + other).text;
    EXPECT_TRUE(fold_file(picked).deleted);
    ASSERT_EQ(fold_file(picked).lost.size(), 1U);
    const Merged joined = merged(other, picked, later + other);
    const State state = fold_file(joined.text);
    EXPECT_TRUE(state.live());
    EXPECT_EQ(value_of(state, "title"), "\"late\"");
    EXPECT_TRUE(state.lost.empty());
    EXPECT_TRUE(joined.buried.empty());
    // And on from there, in whichever direction.
    const std::string on = edited(later, {{"status", "\"ready\""}}, 160, "q") + other;
    EXPECT_TRUE(fold_file(merged(later + other, joined.text, on).text).live());
    EXPECT_TRUE(fold_file(merged(picked, joined.text, picked).text).live());
    EXPECT_EQ(lines_of(merged(other, joined.text, later + other).text).size(),
              lines_of(joined.text).size());
    // A deletion that somebody meant stays.
    const std::string meant = removed(later, 200, "p") + other;
    EXPECT_TRUE(fold_file(merged(other, meant, later + other).text).deleted);
    EXPECT_TRUE(fold_file(merged(later + other, picked, on).text).deleted)
        << "this side has forgotten what the base has";
}

TEST(Merge, ALateEditOfACompactedDeletionDoesNotBringItBack) {
    const std::string dead = removed(kBase, 110, "p");
    const std::string late = edited(kBase, {{"title", "\"late\""}}, 150, "q").substr(kBase.size());
    const State state = fold_file(merged(dead, "", dead + late).text);
    EXPECT_FALSE(state.live());
    EXPECT_EQ(state.lost.size(), 1U);
    // Taken back on one side by taking its tombstone away.
    EXPECT_TRUE(fold_file(merged(dead, "", kBase).text).live());
}

TEST(Merge, ThatARecordWasForgottenOnOneSideIsTold) {
    const std::string late = edited(kBase, {{"title", "\"late\""}}, 150, "q");
    EXPECT_EQ(merged(kBase, "", late).buried, std::vector<std::string>{"a"});
    EXPECT_TRUE(merged(removed(kBase, 110, "p"), "", removed(kBase, 110, "p")).buried.empty());
    // Trackers that know no stamps delete so.
    const std::string bare = plain(R"("title":"t")", "5");
    EXPECT_TRUE(merged(bare, "", bare).buried.empty());
}

TEST(Merge, ADeletedRecordOfWhichOneSideHasNoLineWasCompactedThere) {
    const std::string dead = removed(kBase, 110, "p");
    EXPECT_EQ(merged(dead, "", dead).text, "");
    const std::string again = edited(dead, {{"title", "\"again\""}}, 120, "q");
    const State state = fold_file(merged(dead, "", again).text);
    EXPECT_TRUE(state.live());
    EXPECT_EQ(value_of(state, "title"), "\"again\"");
}

TEST(Merge, ACompactionBesideAnEditKeepsBoth) {
    const std::string base = edited(kBase, {{"title", "\"second\""}}, 110, "p");
    const std::string compacted = base.substr(kBase.size());
    const std::string theirs = edited(base, {{"status", "\"ready\""}}, 120, "q");
    const Merged result = merged(base, compacted, theirs);
    EXPECT_EQ(result.text, theirs.substr(kBase.size()));
}

TEST(Merge, ATrackerThatRewritesItsLinesKeepsOneLine) {
    const std::string base = plain(R"("title":"t","n":1)", "\"2025-01-01T00:00:00Z\"");
    const std::string ours = plain(R"("title":"ours","n":1)", "\"2025-01-02T00:00:00Z\"");
    const std::string theirs = plain(R"("title":"t","n":2)", "\"2025-01-03T02:00:00+02:00\"");
    const Merged result = merged(base, ours, theirs);
    EXPECT_EQ(result.text, plain(R"("title":"ours","n":2)", "\"2025-01-03T02:00:00+02:00\""));
    // Equal times matter only where both changed one member.
    const std::string same_time = plain(R"("title":"t","n":2)", "\"2025-01-02T01:00:00+01:00\"");
    EXPECT_TRUE(merged(base, ours, same_time).clashes.empty());
}

TEST(Merge, WithoutStampsTheLaterTimeWinsAndEqualOnesClash) {
    const std::string base = plain(R"("title":"t")", "1");
    const std::string ours = plain(R"("title":"ours")", "5");
    EXPECT_EQ(merged(base, ours, plain(R"("title":"theirs")", "6")).text,
              plain(R"("title":"theirs")", "6"));
    const Merged clash = merged(base, ours, plain(R"("title":"theirs")", "5"));
    EXPECT_EQ(clash.text, "<<<<<<< ours a\n" + ours + "=======\n" +
                              plain(R"("title":"theirs")", "5") + ">>>>>>> theirs a\n");
    EXPECT_EQ(clash.clashes, std::vector<std::string>{"a"});
    const std::string fine = "\"2025-01-01T00:00:00.1234";
    EXPECT_EQ(merged(base, plain(R"("title":"ours")", fine + "567Z\""),
                     plain(R"("title":"theirs")", fine + "57Z\""))
                  .text,
              plain(R"("title":"theirs")", fine + "57Z\""));
}

/// What would stand if the clash was settled by taking a side.
std::array<std::string, 2> sides_of(const std::string& text) {
    std::array<std::string, 2> out;
    bool in_ours = true;
    bool in_theirs = true;
    for (const std::string& line : lines_of(text)) {
        if (line.starts_with("<<<<<<<")) {
            in_theirs = false;
        } else if (line.starts_with("=======")) {
            std::swap(in_ours, in_theirs);
        } else if (line.starts_with(">>>>>>>")) {
            in_ours = true;
        } else {
            if (in_ours) out[0] += line + "\n";
            if (in_theirs) out[1] += line + "\n";
        }
    }
    return out;
}

TEST(Merge, WhoTakesASideOfAClashLosesWhatClashesAlone) {
    const std::string base = plain(R"("title":"t","n":1,"tags":["x"],"gone":1)", "5");
    const std::string ours = plain(R"("title":"ours","n":2,"tags":["x","o"],"gone":1)", "7");
    const std::string theirs = plain(R"("title":"theirs","n":1,"tags":["x","t"],"new":3)", "7");
    const Merged result = merged(base, ours, theirs);
    ASSERT_EQ(result.clashes, std::vector<std::string>{"a"});
    const auto [one, other] = sides_of(result.text);
    for (const std::string& side : {one, other}) {
        const State state = fold_file(side);
        EXPECT_EQ(lines_of(side).size(), 1U);
        EXPECT_EQ(value_of(state, "n"), "2") << side;
        EXPECT_EQ(value_of(state, "new"), "3") << side;
        EXPECT_EQ(value_of(state, "gone"), "") << side;
        EXPECT_EQ(value_of(state, "tags"), R"(["x","o","t"])") << side;
    }
    EXPECT_EQ(value_of(fold_file(one), "title"), "\"ours\"");
    EXPECT_EQ(value_of(fold_file(other), "title"), "\"theirs\"");
    // Whoever merges in the other direction has the same two sides.
    const auto [theirs_there, ours_there] = sides_of(merge_files({base, theirs, ours}, {}).text);
    EXPECT_EQ(ours_there, one);
    EXPECT_EQ(theirs_there, other);
}

TEST(Merge, SidesOfAClashOfSeveralLinesHoldWhatDoesNotClash) {
    const std::string base = plain(R"("title":"t","n":1)", "5");
    const std::string ours = base + plain(R"("title":"ours","n":2)", "7");
    const std::string theirs = base + plain(R"("title":"theirs","n":1,"new":3)", "7");
    const Merged result = merged(base, ours, theirs);
    ASSERT_EQ(result.clashes, std::vector<std::string>{"a"});
    const auto sides = sides_of(result.text);
    for (const std::string& side : sides) {
        const State state = fold_file(side);
        EXPECT_EQ(value_of(state, "n"), "2") << side;
        EXPECT_EQ(value_of(state, "new"), "3") << side;
        EXPECT_TRUE(state.lost.empty());
    }
    EXPECT_EQ(value_of(fold_file(sides[0]), "title"), "\"ours\"");
    EXPECT_EQ(value_of(fold_file(sides[1]), "title"), "\"theirs\"");
}

Merged merged_in_store(const std::string& base, const std::string& ours,
                       const std::string& theirs) {
    MergeOptions options;
    options.in_store = true;
    const Merged there = merge_files({base, theirs, ours}, options);
    Merged here = merge_files({base, ours, theirs}, options);
    auto one = lines_of(here.text);
    auto other = lines_of(there.text);
    std::ranges::sort(one);
    std::ranges::sort(other);
    EXPECT_EQ(one, other);
    return here;
}

TEST(Merge, WithoutStampsWhatLostToALaterTimeIsListed) {
    const std::string base = plain(R"("title":"t","n":1)", "1");
    const std::string ours = plain(R"("title":"ours","n":1)", "5");
    const std::string theirs = plain(R"("title":"theirs","n":2)", "6");
    const Merged result = merged_in_store(base, ours, theirs);
    EXPECT_TRUE(result.clashes.empty());
    EXPECT_TRUE(result.unlisted.empty());
    EXPECT_EQ(lines_of(result.text).size(), 1U);
    EXPECT_EQ(result.text.find(theirs.substr(0, theirs.size() - 2)), 0U) << "readable as before";
    const State state = fold_file(result.text);
    EXPECT_EQ(value_of(state, "title"), "\"theirs\"");
    EXPECT_EQ(value_of(state, "n"), "2");
    ASSERT_EQ(state.lost.size(), 1U);
    EXPECT_EQ(state.lost[0].name, "title");
    EXPECT_EQ(state.lost[0].raw_value, "\"ours\"");
    EXPECT_EQ(state.lost[0].stamp, (Stamp{5, 0, {}}));
    EXPECT_FALSE(state.lost[0].clash);
    // Beside the lines that it was made from it says the same.
    EXPECT_EQ(fold_file(base + ours + result.text + theirs).lost, state.lost);
    // An edit that names it settles it.
    const std::string settled =
        result.text + encode_edit({}, state, {{"title", "\"ours\""}}, {9, 0, "p"},
                                  {.by = "p", .settles = {{"title", state.lost[0].stamp}}});
    EXPECT_TRUE(fold_file(settled).lost.empty());
    EXPECT_EQ(value_of(fold_file(settled), "title"), "\"ours\"");
    // Merged again with either side, and in a criss-cross.
    for (const std::string& side : {ours, theirs}) {
        EXPECT_EQ(merged_in_store(side, result.text, side).text, result.text);
        EXPECT_EQ(fold_file(merged_in_store(base, result.text, side).text).lost, state.lost);
    }
}

TEST(Merge, WithoutStampsARemovalThatLostIsListedAndTimesOfTheStoreAreNot) {
    MergeOptions options;
    options.in_store = true;
    options.shape.own_members = {"created_at"};
    const std::string base = plain(R"("title":"t","created_at":1)", "1");
    const Merged result = merge_files(
        {base, plain(R"("created_at":"2")", "5"), plain(R"("title":"u","created_at":3)", "6")},
        options);
    const State state = fold_file(result.text);
    EXPECT_EQ(value_of(state, "title"), "\"u\"");
    ASSERT_EQ(state.lost.size(), 1U) << result.text;
    EXPECT_EQ(state.lost[0].name, "title");
    EXPECT_EQ(state.lost[0].raw_value, "");
}

TEST(Merge, WithoutStampsWhatLostWithinAMillisecondIsListed) {
    const std::string fine = "\"2025-01-01T00:00:00.1234";
    const std::string base = plain(R"("title":"t")", fine + "Z\"");
    const std::string ours = plain(R"("title":"ours")", fine + "567Z\"");
    const std::string theirs = plain(R"("title":"theirs")", fine + "57Z\"");
    const State state = fold_file(merged_in_store(base, ours, theirs).text);
    EXPECT_EQ(value_of(state, "title"), "\"theirs\"");
    ASSERT_EQ(state.lost.size(), 1U);
    EXPECT_EQ(state.lost[0].raw_value, "\"ours\"");
    EXPECT_FALSE(state.lost[0].clash);
}

TEST(Merge, InAFileOfAnotherProgramNothingIsAddedAndTheCallerIsTold) {
    const std::string base = plain(R"("title":"t")", "1");
    const std::string ours = plain(R"("title":"ours")", "5");
    const std::string theirs = plain(R"("title":"theirs")", "6");
    const Merged foreign = merge_files({base, ours, theirs}, {});
    EXPECT_EQ(foreign.text, theirs);
    ASSERT_EQ(foreign.unlisted.size(), 1U);
    EXPECT_EQ(foreign.unlisted[0].id, "a");
    EXPECT_EQ(foreign.unlisted[0].member, "title");
    EXPECT_EQ(foreign.unlisted[0].raw_value, "\"ours\"");
    // One line with stamps makes it one of ours.
    const std::string own =
        "{\"id\":\"b\",\"updated_at\":7,\"_stamps\":{\"v\":1,\"at\":\"7@p\"}}\n";
    EXPECT_EQ(fold_file(merge_files({base, ours, theirs + own}, {}).text).lost.size(), 1U);
    EXPECT_EQ(merge_files({base, ours, theirs + "{\"id\":\"b\",\"x\":{\"_stamps\":1}}\n"}, {})
                  .unlisted.size(),
              1U);
}

TEST(Merge, AnEditWithStampsThatLostToALineWithoutIsListed) {
    const std::string ours = edited(kBase, {{"title", "\"ours\""}}, 110, "p");
    const std::string theirs =
        kBase + plain(R"("title":"theirs","status":"draft","tags":["x","y"],"text":"u")", "120");
    const Merged result = merged(kBase, ours, theirs);
    const State state = fold_file(result.text);
    EXPECT_EQ(value_of(state, "title"), "\"theirs\"");
    ASSERT_EQ(state.lost.size(), 1U) << result.text;
    EXPECT_EQ(state.lost[0].raw_value, "\"ours\"");
    EXPECT_EQ(state.lost[0].stamp, (Stamp{110, 0, "p"}));
    // The other way round: what was written without stamps lost.
    const std::string late = edited(kBase, {{"title", "\"late\""}}, 150, "p");
    const State other = fold_file(merged(kBase, late, theirs).text);
    EXPECT_EQ(value_of(other, "title"), "\"late\"");
    ASSERT_EQ(other.lost.size(), 1U);
    EXPECT_EQ(other.lost[0].raw_value, "\"theirs\"");
    // Who edited that very line has seen it.
    const std::string seen = edited(theirs, {{"title", "\"seen\""}}, 150, "p");
    EXPECT_TRUE(fold_file(merged(kBase, seen, theirs).text).lost.empty());
}

TEST(Merge, WhatIsListedStaysSoWhereALineWithoutStampsComesThatDidNotKnowOfIt) {
    const std::string base = plain(R"("title":"t","n":1)", "1");
    const std::string ours = plain(R"("title":"ours","n":1)", "5");
    const std::string theirs = plain(R"("title":"theirs","n":1)", "6");
    const std::string both = merged_in_store(base, ours, theirs).text;
    const std::string later = plain(R"("title":"theirs","n":2)", "9");
    const std::string again = merged_in_store(theirs, both, later).text;
    const State state = fold_file(again);
    EXPECT_EQ(value_of(state, "title"), "\"theirs\"");
    EXPECT_EQ(value_of(state, "n"), "2");
    ASSERT_EQ(state.lost.size(), 1U) << again;
    EXPECT_EQ(state.lost[0].raw_value, "\"ours\"");
    // Of two stamped edits that lost and won, too.
    const std::string one = edited(kBase, {{"title", "\"one\""}}, 110, "p");
    const std::string two = edited(kBase, {{"title", "\"two\""}}, 120, "q");
    const std::string joined = merged(kBase, one, two).text;
    const std::string rewritten =
        two + plain(R"("title":"two","status":"ready","tags":["x","y"])", "130");
    const State kept = fold_file(merged(two, joined, rewritten).text);
    ASSERT_EQ(kept.lost.size(), 1U);
    EXPECT_EQ(kept.lost[0].raw_value, "\"one\"");
    EXPECT_EQ(value_of(kept, "status"), "\"ready\"");
    // Whoever rewrote the line that lists it has seen it.
    EXPECT_TRUE(fold_file(merged_in_store(both, later, both).text).lost.empty());
}

TEST(Merge, ElementsNumberedAnewBesideOnesWithNewMarksAreJoinedAndWhatIsNotInThereIsListed) {
    const auto comment = [](int id, int at) {
        return R"("comments":[{"id":)" + std::to_string(id) + R"(,"text":"c","created_at":)" +
               std::to_string(at) + "}]";
    };
    const std::string base = plain(comment(1, 3), "5");
    const std::string ours = plain(comment(6, 4), "5");
    const std::string theirs = plain(comment(1, 2), "5");
    const Merged foreign = merged(base, ours, theirs);
    EXPECT_TRUE(foreign.clashes.empty());
    EXPECT_EQ(foreign.text, ours);
    ASSERT_EQ(foreign.unlisted.size(), 1U);
    EXPECT_EQ("\"comments\":" + foreign.unlisted[0].raw_value, comment(1, 2));
    const Merged listed = merged_in_store(base, ours, theirs);
    const State state = fold_file(listed.text);
    ASSERT_EQ(state.lost.size(), 1U) << listed.text;
    EXPECT_EQ("\"comments\":" + state.lost[0].raw_value, comment(1, 2));
    EXPECT_EQ("\"comments\":" + value_of(state, "comments"), comment(6, 4));
    EXPECT_EQ(fold_file(merged_in_store(base, listed.text, theirs).text).lost, state.lost);
    // With stamps, too.
    const auto of = [&](const std::string& file, int id, int at, std::int64_t ms,
                        const std::string& replica) {
        return edited(file, {{"comments", comment(id, at).substr(11)}}, ms, replica);
    };
    const std::string start = of(kBase, 1, 3, 105, "p");
    const std::string one = of(start, 6, 4, 110, "p");
    const std::string other = of(start, 1, 2, 120, "q");
    const Merged stamped = merged(start, one, other);
    const State both = fold_file(stamped.text);
    EXPECT_EQ("\"comments\":" + value_of(both, "comments"), comment(6, 4));
    ASSERT_EQ(both.lost.size(), 1U) << stamped.text;
    EXPECT_EQ("\"comments\":" + both.lost[0].raw_value, comment(1, 2));
    EXPECT_EQ(merged(start, stamped.text, other).text, stamped.text);
}

TEST(Merge, OneValueOfTwoTimesIsWrittenTheSameByBothMergers) {
    const auto line = [](const std::string& members, const std::string& time) {
        return R"({"id":"a",)" + members + R"(,"updated_at":)" + time +
               R"(,"_stamps":{"v":1,"at":"5@p"}})" + "\n";
    };
    const std::string base = line(R"("title":"t","text":"1")", "5");
    const std::string ours = line(R"("title":"t","text":"2")", "0");
    const std::string theirs = base + plain(R"("title":"u","other":1)", "4");
    EXPECT_FALSE(merged(base, ours, theirs).corrected.empty());
}

TEST(Merge, LinesThatAreNoRecordsAreKept) {
    const std::string base = "damage\n" + kBase;
    const std::string result = merged(base, "damage\nours\n" + kBase, base + "theirs\n").text;
    EXPECT_EQ(result, "damage\nours\n" + kBase + "theirs\n");
    EXPECT_EQ(merged(base, kBase, base).text, kBase) << "dropped by one side";
}

TEST(Merge, ALineThatOnlyBeginsAsOneOfTheRecordStays) {
    const std::string torn = "{\"id\":\"a\",\"title\":\"to\n";
    const std::string base = plain(R"("title":"t","n":1)", "5") + torn;
    const Merged result = merged(base, plain(R"("title":"u","n":1)", "6") + torn,
                                 plain(R"("title":"t","n":2)", "7") + torn);
    EXPECT_EQ(lines_of(result.text).size(), 2U) << result.text;
    EXPECT_NE(result.text.find(torn), std::string::npos);
    const State state = fold_file(result.text.substr(0, result.text.find('\n') + 1));
    EXPECT_EQ(value_of(state, "title"), "\"u\"");
    EXPECT_EQ(value_of(state, "n"), "2");
}

TEST(Merge, LineEndsMayMixAndTheLastOneMayBeMissing) {
    std::string crlf = kBase;
    crlf.insert(crlf.size() - 1, "\r");
    const std::string theirs = edited(kBase, {{"title", "\"x\""}}, 120, "q");
    EXPECT_EQ(merge_files({kBase, crlf, theirs}, {}).text, crlf + theirs.substr(kBase.size()));
    EXPECT_EQ(merge_files({"", kBase.substr(0, kBase.size() - 1), ""}, {}).text, kBase);
}

TEST(Merge, MarkersInTheBaseAreSkippedAndWhatStandsBetweenSaysNothing) {
    const std::string one = plain(R"("title":"one")", "5");
    const std::string two = plain(R"("title":"two")", "5");
    const std::string base = "<<<<<<<<<<< Temporary merge branch 1\n" + one + "===========\n" +
                             two + ">>>>>>>>>>> Temporary merge branch 2\n";
    const std::string ours = plain(R"("title":"one")", "7");
    EXPECT_EQ(merged(base, ours, two).text, ours);
}

TEST(Merge, WhereEachSideDroppedWhatTheOtherKeptNothingIsLost) {
    const std::string second =
        encode_edit({}, fold_file(kBase), {{"title", "\"u\""}}, {110, 0, "p"}, {});
    // A revert of the second line, and a compaction to it.
    const Merged result = merged(kBase + second, kBase, second);
    const State state = fold_file(result.text);
    EXPECT_TRUE(state.live());
    EXPECT_EQ(value_of(state, "status"), "\"draft\"");
    EXPECT_TRUE(fold_file(merged(plain(R"("t":1)", "5") + plain(R"("t":2)", "6"),
                                 plain(R"("t":1)", "5"), plain(R"("t":2)", "6"))
                              .text)
                    .live());
}

TEST(Merge, ALineThatCannotBeReadIsNoDeletion) {
    for (const char* const line :
         {R"({"id":"a","title":"t" oops,"updated_at":100})",
          R"({"id":"a","updated_at":100,"_stamps":{"v":2,"at":"100@p"}})", "<<<<<<< ours"}) {
        const Merged result = merged(kBase, std::string(line) + "\n", kBase);
        EXPECT_NE(result.text.find(line), std::string::npos);
        EXPECT_NE(result.text.find(kBase), std::string::npos);
        EXPECT_EQ(result.text.find("deleted"), std::string::npos);
    }
}

TEST(Merge, WhatTheBaseHoldsBetweenMarkersIsDroppedByNobody) {
    const std::string a = edited(kBase, {{"title", "\"A\""}}, 110, "p");
    const std::string b = edited(kBase, {{"title", "\"B\""}}, 120, "q");
    const std::string open = kBase + "<<<<<<< one\n" + a.substr(kBase.size()) + "=======\n" +
                             b.substr(kBase.size()) + ">>>>>>> two\n";
    const State state = fold_file(merged(open, a, b).text);
    EXPECT_EQ(value_of(state, "title"), "\"B\"");
    EXPECT_EQ(state.lost.size(), 1U);
    EXPECT_TRUE(
        fold_file(merged("<<<<<<< x\n" + kBase + "=======\n>>>>>>> y\n", kBase, "").text).live());
    // One marker without an end opens nothing.
    EXPECT_EQ(merged("<<<<<<< x\n" + kBase, kBase, a).text, a);
}

TEST(Merge, AnEditThatTookNoTimeBesideADeletionIsNotLostUnseen) {
    const std::string base = plain(R"("title":"t","n":1)", "5");
    const Merged result = merged(base, "", plain(R"("title":"hand","n":1)", "5"));
    EXPECT_TRUE(result.clashes.empty());
    const State state = fold_file(result.text);
    EXPECT_TRUE(state.deleted);
    ASSERT_EQ(state.lost.size(), 1U);
    EXPECT_EQ(state.lost[0].raw_value, "\"hand\"");
    const Merged added = merged(base, "", plain(R"("title":"t","n":1,"note":"hand")", "5"));
    ASSERT_EQ(fold_file(added.text).lost.size(), 1U) << added.text;
    EXPECT_EQ(fold_file(added.text).lost[0].name, "note");
}

TEST(Merge, OfAnEditBesideADeletionInAFileOfAnotherProgramTheCallerIsTold) {
    const std::string base = plain(R"("title":"t","n":1)", "5");
    const Merged result = merged(base, "", plain(R"("title":"u","n":1)", "6"));
    EXPECT_TRUE(fold_file(result.text).deleted);
    ASSERT_EQ(result.unlisted.size(), 1U);
    EXPECT_EQ(result.unlisted[0].raw_value, "\"u\"");
    EXPECT_TRUE(merged_in_store(base, "", plain(R"("title":"u","n":1)", "6")).unlisted.empty());
    EXPECT_TRUE(merged(base, "", base).unlisted.empty());
}

std::string joined(const std::string& base, const std::string& ours, const std::string& theirs) {
    const std::string start = edited("", {{"v", base}}, 100, "p");
    const Merged result = merged(start, edited(start, {{"v", ours}}, 120, "p"),
                                 edited(start, {{"v", theirs}}, 110, "q"));
    const State state = fold_file(result.text);
    std::string text = value_of(state, "v");
    for (const LostValue& lost : state.lost) text += " lost " + lost.raw_value;
    // Merging once more with what is merged already changes nothing.
    EXPECT_EQ(merge_files({start, result.text, edited(start, {{"v", theirs}}, 110, "q")}, {}).text,
              result.text);
    return text;
}

TEST(Merge, PartsAreJoinedOnlyWhereNothingIsLostByIt) {
    EXPECT_EQ(joined("[1]", "[1,2]", "[1,3]"), "[1,3,2]");
    EXPECT_EQ(joined(R"(["a","b"])", R"(["a"])", R"(["a","b","c"])"), R"(["a","c"])");
    EXPECT_EQ(joined(R"(["a","b","c"])", R"(["c","b","a"])", R"(["a","b","c","d"])"),
              R"(["c","b","a","d"])");
    EXPECT_EQ(joined(R"(["a","b","c"])", R"(["c","b","a"])", R"(["b","a","c"])"),
              R"(["c","b","a"] lost ["b","a","c"])");
    EXPECT_EQ(joined("[1,2]", "[1,3]", "[1,4]"), "[1,3] lost [1,4]");
    EXPECT_EQ(joined(R"({"k":1,"z":1})", R"({"k":1,"z":2})", R"({"k":3,"z":1})"),
              R"({"k":3,"z":2})");
    EXPECT_EQ(joined(R"({"k":1,"z":1})", R"({"z":1})", R"({"k":2,"z":1})"),
              R"({"z":1} lost {"k":2,"z":1})");
    EXPECT_EQ(
        joined(R"([{"id":1}])", R"([{"id":1},{"id":2,"t":"a"}])", R"([{"id":1},{"id":2,"t":"b"}])"),
        R"([{"id":1},{"id":2,"t":"a"},{"id":2,"t":"b"}])");
    EXPECT_EQ(joined(R"([{"id":1,"made_at":5}])", R"([{"id":7,"made_at":6}])",
                     R"([{"id":1,"made_at":4}])"),
              R"([{"id":7,"made_at":6}] lost [{"id":1,"made_at":4}])");
    EXPECT_EQ(joined("[]", R"([{"to_id":"x","type":"t","created_at":2}])",
                     R"([{"to_id":"x","type":"t","created_at":1}])"),
              R"([{"to_id":"x","type":"t","created_at":1}] lost )"
              R"([{"to_id":"x","type":"t","created_at":2}])");
    EXPECT_EQ(joined(R"("one\ntwo\n")", R"("ONE\ntwo\n")", R"("uno\ntwo\n")"),
              R"("ONE\ntwo\n" lost "uno\ntwo\n")");
}

TEST(Merge, WhatWasTakenOutOfAJoinedListKnowinglyDoesNotComeBack) {
    const std::string ours = edited(kBase, {{"tags", "[\"x\",\"y\",\"o\"]"}}, 110, "p");
    const std::string theirs = edited(kBase, {{"tags", "[\"x\",\"y\",\"t\"]"}}, 120, "q");
    const std::string once = merged(kBase, ours, theirs).text;
    const std::string after = edited(once, {{"tags", "[\"x\",\"o\"]"}}, 500, "p");
    const State state = fold_file(merged(kBase, after, theirs).text);
    EXPECT_EQ(value_of(state, "tags"), "[\"x\",\"o\"]");
    EXPECT_TRUE(state.lost.empty());
}

TEST(Merge, AJoinReplacesWhateverSaidTheSame) {
    std::string ours = edited(kBase, {{"tags", "[\"x\",\"y\",\"o\"]"}}, 110, "p");
    ours += edited(kBase, {{"tags", "[\"x\",\"y\",\"o\"]"}}, 105, "r").substr(kBase.size());
    const std::string theirs = edited(kBase, {{"tags", "[\"x\",\"y\",\"t\"]"}}, 120, "q");
    EXPECT_TRUE(fold_file(merged(kBase, ours, theirs).text).lost.empty());
}

TEST(Merge, HalfABatchGetsNoCorrection) {
    const State state = fold_file(kBase);
    const std::string half = kBase + encode_edit({}, state, {{"tags", "[\"x\",\"o\"]"}},
                                                 {110, 0, "p"}, {.batch = Batch{"bb", 1, 2}});
    const std::string theirs = edited(kBase, {{"tags", "[\"x\",\"y\",\"t\"]"}}, 120, "q");
    EXPECT_TRUE(merged(kBase, half, theirs).corrected.empty());
}

TEST(Merge, TimesOfTheStoreAreNoConflict) {
    MergeOptions options;
    options.shape.own_members = {"created_at"};
    const Merged result = merge_files(
        {"", plain(R"("created_at":2)", "5"), plain(R"("created_at":3)", "5")}, options);
    EXPECT_TRUE(result.clashes.empty());
    EXPECT_EQ(result.text, plain(R"("created_at":3)", "5"));
}

TEST(Merge, WhatBothSidesDroppedIsGone) {
    EXPECT_EQ(merged(kBase, "", "").text, "");
}

TEST(Merge, LinesNamedByIdAreGroupedWhereTheKindHasAnotherKey) {
    MergeOptions options;
    options.shape.id_member = "repo_path";
    const std::string other = edited(kBase, {{"tags", "[\"y\"]"}}, 120, "q");
    const Merged result = merge_files(
        {kBase, edited(kBase, {{"tags", "[\"x\",\"y\",\"o\"]"}}, 110, "p"), other}, options);
    EXPECT_EQ(value_of(fold_file(result.text), "tags"), "[\"y\",\"o\"]");
}

TEST(Merge, CostStaysBoundedForLargeValuesAndManyLines) {
    std::string one = "{";
    std::string other = "{";
    for (int i = 0; i < 20'000; ++i) {
        one += (i == 0 ? "\"k" : ",\"k") + std::to_string(i) + "\":1";
        other += (i == 0 ? "\"k" : ",\"k") + std::to_string(19'999 - i) + "\":1";
    }
    EXPECT_EQ(merged(plain("\"v\":1", "1"), plain("\"v\":" + one + "}", "2"),
                     plain("\"v\":" + other + "}", "3"))
                  .clashes.size(),
              0U);
    const std::string deep = std::string(400, '[') + "%" + std::string(400, ']');
    const auto at = [&](const std::string& value) {
        std::string text = deep;
        return plain("\"v\":" + text.replace(text.find('%'), 1, value), value);
    };
    EXPECT_EQ(merged(at("1"), at("2"), at("3")).text, at("3"));
}

/// Two clones that edit at random and merge over a common base, as git would have them.
TEST(MergeLaws, AMergeOfAppendedHistoriesIsTheFoldOfAllLines) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        SeededRandom random(seed);
        std::string base = random.next_u64() % 4 == 0 ? "" : kBase;
        std::array<std::string, 2> sides{base, base};
        std::int64_t now = 200;
        for (int i = 0; i < 8; ++i) {
            std::string& side = sides[random.next_u64() % 2];
            const std::string replica = &side == &sides[0] ? "p" : "q";
            // Clocks disagree, but a stamp is later than what it was made from.
            const std::int64_t ms = std::max(
                now + static_cast<std::int64_t>(random.next_u64() % 50), fold_file(side).at.ms + 1);
            now += 7;
            const std::string value = std::to_string(random.next_u64() % 3);
            switch (random.next_u64() % 4) {
                case 0:
                    if (fold_file(side).live()) side = removed(side, ms, replica);
                    break;
                case 1:
                    side = edited(side, {{"status", value}}, ms, replica);
                    break;
                default:
                    side = edited(side, {{"title", value}}, ms, replica);
            }
        }
        const std::string all = sides[0] + sides[1].substr(base.size());
        const Merged result = merged(base, sides[0], sides[1]);
        ASSERT_EQ(fold_file(result.text), fold_file(all)) << base << "\n" << all;
        // Merging again with what is merged already changes nothing.
        ASSERT_EQ(merge_files({base, result.text, sides[1]}, {}).text, result.text);
        ASSERT_EQ(merge_files({sides[0], result.text, sides[0]}, {}).text, result.text);
    }
}

/// Lists, dropped lines and lines without stamps: no record that lives on both sides is gone, both
/// mergers agree, and a merge repeated changes nothing.
TEST(MergeLaws, NoRecordIsLostAndAMergeRepeatedChangesNothing) {
    for (std::uint64_t seed = 1; seed <= 400; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        SeededRandom random(seed);
        const std::string base = edited(kBase, {{"title", "\"second\""}}, 150, "p");
        std::array<std::string, 2> sides{base, base};
        std::int64_t now = 200;
        for (int i = 0; i < 6; ++i) {
            std::string& side = sides[random.next_u64() % 2];
            const std::string replica = &side == &sides[0] ? "p" : "q";
            const std::int64_t ms = std::max(now, fold_file(side).at.ms + 1);
            now += 11;
            const std::string n = std::to_string(random.next_u64() % 4);
            switch (random.next_u64() % 5) {
                case 0:
                    if (side.starts_with(base)) side = kBase + side.substr(base.size());
                    break;
                case 1:
                    side += "{\"id\":\"a\",\"title\":" + n +
                            ",\"updated_at\":" + std::to_string(ms) + "}\n";
                    break;
                case 2:
                    side = edited(side, {{"title", n}}, ms, replica);
                    break;
                default:
                    side = edited(side, {{"tags", "[\"x\",\"" + n + "\"]"}}, ms, replica);
            }
        }
        const Merged result = merged(base, sides[0], sides[1]);
        if (!result.clashes.empty()) continue;
        ASSERT_TRUE(fold_file(result.text).live()) << result.text;
        ASSERT_EQ(lines_of(merge_files({sides[1], result.text, sides[1]}, {}).text),
                  lines_of(result.text));
    }
}

}  // namespace
}  // namespace taskstore::ledger
