// The way back where others changed the record too: whose change is taken back, and what stays
// listed as lost.
#include "plan_process.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace taskstore::records {
namespace {

using testing_plan::new_disk;
using testing_plan::prd;
using testing_plan::Process;

/// Of the records p and q, at times of their own.
struct Clones : testing_plan::Clones {
    Clones() : testing_plan::Clones(testing_plan::Titles{{"q", "Q"}, {"p", "T"}}) {
        here.clock.advance_ms(1000);
        there.clock.advance_ms(2000);
    }
    void merge() {
        here.clock.advance_ms(3000);
        there.clock.advance_ms(3000);
        testing_plan::Clones::merge();
    }
};

using Texts = std::vector<std::string>;
const Texts kE{"p.title=\"E\""};

TEST(Undo, TheLastOwnChangeIsFoundBeneathAnothersChangeOfOtherMembers) {
    Clones clones;
    ASSERT_TRUE(clones.here->update("prds", "q", {{"title", "\"older\""}}));
    ASSERT_TRUE(clones.here->update("prds", "p", {{"title", "\"mine\""}}));
    ASSERT_TRUE(clones.there->update("prds", "p", {{"description", "\"theirs\""}}));
    clones.merge();
    const auto undone = clones.here->undo("", "");
    ASSERT_TRUE(undone) << undone.error().message;
    EXPECT_EQ(clones.value("p", "title"), "T");
    EXPECT_EQ(clones.value("p", "description"), "theirs");
    EXPECT_EQ(clones.value("q", "title"), "older");
    ASSERT_TRUE(clones.here->undo("", ""));
    EXPECT_EQ(clones.value("p", "title"), "mine") << "taken back twice, it is done again";
}

TEST(Undo, AnOlderChangeIsNeverTakenBackForOneThatAnotherWroteOver) {
    const std::vector<std::function<void(Process&)>> others{
        [](Process& p) { ASSERT_TRUE(p->update("prds", "p", {{"title", "\"theirs\""}})); },
        [](Process& p) { ASSERT_TRUE(p->remove("prds", "p")); },
        [](Process& p) {
            ASSERT_TRUE(p->remove("prds", "p"));
            ASSERT_TRUE(p->create("prds", prd("anew"), "p"));
        },
        // There and back: somebody decided all the same.
        [](Process& p) {
            ASSERT_TRUE(p->update("prds", "p", {{"title", "\"theirs\""}}));
            ASSERT_TRUE(p->update("prds", "p", {{"title", "\"mine\""}}));
        },
    };
    for (const bool after_merge : {false, true}) {
        for (std::size_t i = 0; i < others.size(); ++i) {
            Clones clones;
            ASSERT_TRUE(clones.here->update("prds", "q", {{"title", "\"older\""}}));
            ASSERT_TRUE(clones.here->update("prds", "p", {{"title", "\"mine\""}}));
            if (after_merge) clones.merge();
            others[i](clones.there);
            clones.merge();
            const std::string before = *clones.here_disk->get_file(Clones::kFile);
            const auto undone = clones.here->undo("", "");
            ASSERT_FALSE(undone) << i << after_merge;
            EXPECT_EQ(undone.error().code, Code::conflict);
            EXPECT_NE(undone.error().message.find("'p'"), std::string::npos);
            EXPECT_NE(undone.error().hint.find("undo p"), std::string::npos);
            EXPECT_EQ(*clones.here_disk->get_file(Clones::kFile), before);
        }
    }
}

TEST(Undo, WhereNothingButAnothersChangesWereMadeThereIsNothingToTakeBack) {
    Clones clones;
    ASSERT_TRUE(clones.here->update("prds", "p", {{"title", "\"mine\""}}));
    clones.merge();
    EXPECT_EQ(clones.there->undo("", "").error().code, Code::not_found);
}

TEST(Undo, AnOwnCreationThatAnotherEditedIsNotDeleted) {
    Clones clones;
    ASSERT_TRUE(clones.here->create("prds", prd("N"), "n"));
    clones.merge();
    ASSERT_TRUE(clones.there->update("prds", "n", {{"title", "\"theirs\""}}));
    clones.merge();
    EXPECT_EQ(clones.here->undo("", "").error().code, Code::conflict);
    EXPECT_EQ(clones.value("n", "title"), "theirs");
}

TEST(Undo, AnOwnEditThatLostToALaterLifeHidesOlderChanges) {
    Clones clones;
    ASSERT_TRUE(clones.there->update("prds", "q", {{"title", "\"older\""}}));
    ASSERT_TRUE(clones.here->remove("prds", "p"));
    ASSERT_TRUE(clones.here->create("prds", prd("anew"), "p"));
    ASSERT_TRUE(clones.there->update("prds", "p", {{"title", "\"E\""}}));
    clones.merge();
    EXPECT_EQ(clones.there->undo("", "").error().code, Code::conflict);
    EXPECT_EQ(clones.value("q", "title"), "older");
    EXPECT_NE(clones.there->get("prds", "q")->data.find("\"older\""), std::string::npos);
}

TEST(Undo, AValueThatLostToADeletionStaysListedWhenTheDeletionIsTakenBack) {
    for (const std::string id : {"p", ""}) {
        Clones clones;
        ASSERT_TRUE(clones.here->remove("prds", "p"));
        ASSERT_TRUE(clones.there->update("prds", "p", {{"title", "\"E\""}}));
        clones.merge();
        ASSERT_EQ(clones.lost(), kE);
        const auto undone = clones.here->undo(id.empty() ? "" : "prds", id);
        ASSERT_TRUE(undone) << undone.error().message;
        EXPECT_EQ(clones.value("p", "title"), "T");
        EXPECT_EQ(clones.lost(), kE);
        ASSERT_TRUE(clones.here->update("prds", "p", {{"description", "\"other\""}}));
        EXPECT_EQ(clones.lost(), kE);
        if (id.empty())
            ASSERT_TRUE(clones.here->update("prds", "p", {{"title", "\"E\""}}));
        else
            ASSERT_TRUE(clones.here->remove("prds", "p"));
        EXPECT_EQ(clones.lost(), Texts{}) << "a decision settles it";
    }
}

TEST(Undo, ADecisionThatIsTakenBackLeavesWhatItSettledListed) {
    const std::vector<std::function<void(Process&)>> decisions{
        [](Process& p) { ASSERT_TRUE(p->update("prds", "p", {{"title", "\"third\""}})); },
        [](Process& p) { ASSERT_TRUE(p->update("prds", "p", {{"title", "\"M\""}})); },
        [](Process& p) { ASSERT_TRUE(p->update("prds", "p", {{"title", "\"E\""}})); },
        [](Process& p) { ASSERT_TRUE(p->remove("prds", "p")); },
    };
    for (std::size_t i = 0; i < decisions.size(); ++i) {
        Clones clones;
        ASSERT_TRUE(clones.there->update("prds", "p", {{"title", "\"M\""}}));
        // The clock here is behind: what was written here lost.
        ASSERT_TRUE(clones.here->update("prds", "p", {{"title", "\"E\""}}));
        clones.merge();
        ASSERT_EQ(clones.lost(), kE);
        ASSERT_EQ(clones.value("p", "title"), "M");
        decisions[i](clones.here);
        ASSERT_EQ(clones.lost(), Texts{});
        const auto undone = clones.here->undo("", "");
        ASSERT_TRUE(undone) << undone.error().message;
        ASSERT_EQ(undone->records.size(), 1U);
        EXPECT_EQ(undone->records[0].data, clones.here->get("prds", "p")->data) << i;
        EXPECT_EQ(clones.value("p", "title"), "M") << i;
        EXPECT_EQ(clones.lost(), kE) << i;
        const auto again = clones.here->undo("", "");
        ASSERT_TRUE(again) << again.error().message;
        EXPECT_EQ(clones.lost(), Texts{}) << i << ": the decision was made again";
        EXPECT_EQ(clones.value("p", "title"),
                  std::vector<std::string>({"third", "M", "E", "(none)"})[i]);
    }
}

TEST(Undo, TakingAnEditBackIsNoDecisionAboutWhatLostBesideIt) {
    Clones clones;
    ASSERT_TRUE(clones.here->update("prds", "p", {{"title", "\"E\""}}));
    ASSERT_TRUE(clones.there->update("prds", "p", {{"title", "\"M\""}}));
    clones.merge();
    ASSERT_TRUE(clones.here->update("prds", "p", {{"description", "\"other\""}}));
    ASSERT_TRUE(clones.here->undo("prds", "p"));
    EXPECT_EQ(clones.lost(), kE);
}

TEST(Undo, TheHistorySaysWhatLostToADeletionThoughTheRecordWasCreatedAgain) {
    Clones clones;
    ASSERT_TRUE(clones.here->remove("prds", "p"));
    ASSERT_TRUE(clones.here->create("prds", prd("anew"), "p"));
    ASSERT_TRUE(clones.there->update("prds", "p", {{"title", "\"E\""}}));
    clones.merge();
    ASSERT_EQ(clones.lost(), kE);
    const auto versions = *clones.here->history("prds", "p");
    EXPECT_EQ(versions.back().action, "lost");
    EXPECT_EQ(versions.back().changed, Texts{"title: E lost to the deletion"});
    EXPECT_TRUE(versions.back().live);
}

TEST(Undo, OfABatchOnlyWhatItWroteGoesBack) {
    Clones clones;
    ASSERT_TRUE(clones.here->write({{.kind = WriteKind::update,
                                     .collection = "prds",
                                     .id = "q",
                                     .changes = {{"title", "\"bq\""}}},
                                    {.kind = WriteKind::update,
                                     .collection = "prds",
                                     .id = "p",
                                     .changes = {{"title", "\"bp\""}}}}));
    ASSERT_TRUE(clones.there->update("prds", "p", {{"description", "\"theirs\""}}));
    ASSERT_TRUE(clones.there->update("prds", "q", {{"description", "\"theirs\""}}));
    clones.merge();
    const auto undone = clones.here->undo("", "");
    ASSERT_TRUE(undone) << undone.error().message;
    EXPECT_EQ(undone->records.size(), 2U);
    for (const std::string id : {"p", "q"}) {
        EXPECT_EQ(clones.value(id, "title"), id == "p" ? "T" : "Q");
        EXPECT_EQ(clones.value(id, "description"), "theirs");
    }
}

}  // namespace
}  // namespace taskstore::records
