// Two clones that edit one record beside each other: what is listed as lost, and what settles it.
#include "plan_process.hpp"

#include <gtest/gtest.h>

#include <functional>

namespace taskstore::records {
namespace {

using testing_plan::new_disk;
using testing_plan::prd;
using testing_plan::Process;

/// Two clones of one ledger, and a third that takes in what the first one has at the end.
struct Clones : testing_plan::Clones {
    Clones() : testing_plan::Clones(testing_plan::Titles{{"a", "first"}}) {}
};

TEST(Concurrent, WhoWritesAMemberSettlesWhatLostThere) {
    const std::vector<std::function<void(Plan&, const std::string&)>> decisions{
        [](Plan& plan, const std::string& stands) {
            ASSERT_TRUE(plan.update("prds", "a", {{"title", stands}}));
        },
        [](Plan& plan, const std::string&) {
            ASSERT_TRUE(plan.update("prds", "a", {{"title", "\"third\""}}));
        },
        [](Plan& plan, const std::string&) { ASSERT_TRUE(plan.remove("prds", "a")); },
    };
    for (const auto& decide : decisions) {
        Clones clones;
        ASSERT_TRUE(clones.here->update("prds", "a", {{"title", "\"mine\""}}));
        ASSERT_TRUE(clones.there->update("prds", "a", {{"title", "\"theirs\""}}));
        clones.merge();
        ASSERT_EQ(clones.lost().size(), 1U);
        const auto record = Json::parse(clones.here->get("prds", "a")->data);
        ASSERT_TRUE(clones.here->update("prds", "a", {{"description", "\"other\""}}));
        EXPECT_EQ(clones.lost().size(), 1U) << "an edit of another member settled it";
        decide(*clones.here, "\"" + *record->get("title").as_string() + "\"");
        EXPECT_EQ(clones.lost().size(), 0U);
        EXPECT_EQ(clones.lost().size(), 0U);
    }
}

TEST(Concurrent, WhatBothSetAlikeIsNeverListed) {
    const std::vector<std::function<void(Plan&)>> decisions{
        [](Plan& plan) { ASSERT_TRUE(plan.update("prds", "a", {{"title", "\"next\""}})); },
        [](Plan& plan) {
            // Twice in one group of writes, and once more with what stands already.
            ASSERT_TRUE(plan.write({{.kind = WriteKind::update,
                                     .collection = "prds",
                                     .id = "a",
                                     .changes = {{"title", "\"next\""}}},
                                    {.kind = WriteKind::update,
                                     .collection = "prds",
                                     .id = "a",
                                     .changes = {{"title", "\"last\""}}}}));
            ASSERT_TRUE(plan.update("prds", "a", {{"title", "\"last\""}}));
        },
        [](Plan& plan) { ASSERT_TRUE(plan.remove("prds", "a")); },
        [](Plan& plan) {
            ASSERT_TRUE(plan.remove("prds", "a"));
            ASSERT_TRUE(plan.create("prds", prd("anew"), "a"));
        },
    };
    for (const auto& decide : decisions) {
        Clones clones;
        ASSERT_TRUE(clones.here->update("prds", "a", {{"title", "\"same\""}}));
        ASSERT_TRUE(clones.there->update("prds", "a", {{"title", "\"same\""}}));
        clones.merge();
        ASSERT_EQ(clones.lost().size(), 0U);
        ASSERT_TRUE(clones.here->update("prds", "a", {{"description", "\"other\""}}));
        decide(*clones.here);
        EXPECT_EQ(clones.lost().size(), 0U);
        EXPECT_EQ(clones.lost().size(), 0U);
    }
}

TEST(Concurrent, SettingWhatBothSetAlikeAlreadyWritesNothing) {
    Clones clones;
    ASSERT_TRUE(clones.here->update("prds", "a", {{"title", "\"same\""}}));
    ASSERT_TRUE(clones.there->update("prds", "a", {{"title", "\"same\""}}));
    clones.merge();
    const std::string before = *clones.here_disk->get_file("/p/prds.jsonl");
    ASSERT_TRUE(clones.here->update("prds", "a", {{"title", "\"same\""}}));
    EXPECT_EQ(*clones.here_disk->get_file("/p/prds.jsonl"), before);
}

TEST(Concurrent, OneRecordCreatedOnBothClonesLosesNoTimeOfTheStore) {
    Clones clones;
    const std::vector<ledger::Change> created{{"title", "\"both\""}};
    ASSERT_TRUE(clones.here->create("prds", created, "b"));
    clones.there.clock.advance_ms(5000);
    ASSERT_TRUE(clones.there->create("prds", created, "b"));
    clones.merge();
    EXPECT_EQ(clones.lost().size(), 0U);
    ASSERT_TRUE(clones.here->update("prds", "b", {{"title", "\"next\""}}));
    EXPECT_EQ(clones.lost().size(), 0U);
    ASSERT_TRUE(clones.here->remove("prds", "b"));
    EXPECT_EQ(clones.lost().size(), 0U);
    EXPECT_EQ(clones.lost().size(), 0U);
}

TEST(Concurrent, ATimeThatGoesWithTheStatusIsSettledWithIt) {
    for (const char* decision : {"\"failed\"", "\"complete\""}) {
        auto here_disk = new_disk();
        auto there_disk = new_disk();
        Process here(*here_disk, 1);
        Process there(*there_disk, 2);
        const char* const file = "/p/task_specs.jsonl";
        ASSERT_TRUE(here->create("prds", prd("p"), "p"));
        ASSERT_TRUE(
            here->create("task_specs", {{"prd_id", "\"p\""}, {"phase_name", "\"x\""}}, "t"));
        ASSERT_TRUE(here->update("task_specs", "t", {{"status", "\"running\""}}));
        const std::string common = *here_disk->get_file(file);
        there_disk->put_file("/p/prds.jsonl", *here_disk->get_file("/p/prds.jsonl"));
        there_disk->put_file(file, common);
        ASSERT_TRUE(here->update("task_specs", "t", {{"status", "\"complete\""}}));
        ASSERT_TRUE(there->update("task_specs", "t", {{"status", "\"failed\""}}));
        here_disk->put_file(
            file, *here_disk->get_file(file) + there_disk->get_file(file)->substr(common.size()));
        ASSERT_TRUE(here->sync());
        ASSERT_GE(here->lost()->size(), 1U);
        const auto settled = here->write({{.kind = WriteKind::update,
                                           .collection = "task_specs",
                                           .id = "t",
                                           .changes = {{"status", decision}},
                                           .force = true}});
        ASSERT_TRUE(settled) << settled.error().message;
        EXPECT_EQ(here->lost()->size(), 0U) << decision;
    }
}

}  // namespace
}  // namespace taskstore::records
