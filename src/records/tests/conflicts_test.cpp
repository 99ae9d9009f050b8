// What waits to be settled is told side by side, and settled by what a person chose.
#include "plan_process.hpp"

#include <gmock/gmock.h>

namespace taskstore::records {
namespace {

using testing_plan::Clones;
using testing_plan::new_disk;
using testing_plan::prd;
using testing_plan::Process;
using testing_plan::Titles;

/// One edit of each side, ours later.
Clones& edited(Clones& clones, const std::string& member, const std::string& ours,
               const std::string& theirs) {
    clones.here.clock.advance_ms(9000);
    clones.there.clock.advance_ms(5000);
    EXPECT_TRUE(clones.here->update("prds", "p", {{member, ours}}));
    EXPECT_TRUE(clones.there->update("prds", "p", {{member, theirs}}));
    clones.merge();
    return clones;
}

Conflict only(Clones& clones) {
    const auto conflicts = clones.here->conflicts();
    EXPECT_TRUE(conflicts);
    EXPECT_EQ(conflicts->size(), 1U);
    return conflicts->at(0);
}

Result<Written> take(Clones& clones, const std::vector<std::string>& words) {
    TASKSTORE_LET(const Settlement settlement, settlement_of(only(clones), words));
    return clones.here->settle(settlement);
}

TEST(Conflicts, BothSidesAreToldWithWhoAndWhen) {
    Clones clones(Titles{{"p", "T"}});
    edited(clones, "title", "\"ours\"", "\"theirs\"");
    const Conflict conflict = only(clones);
    EXPECT_EQ(conflict.id, "p");
    ASSERT_EQ(conflict.members.size(), 1U);
    const ConflictMember& member = conflict.members[0];
    EXPECT_EQ(member.name, "title");
    EXPECT_EQ(member.ours.raw_value, "\"ours\"");
    EXPECT_TRUE(member.ours.stands);
    ASSERT_EQ(member.theirs.size(), 1U);
    EXPECT_EQ(member.theirs[0].raw_value, "\"theirs\"");
    EXPECT_EQ(member.theirs[0].by, "ann");
    EXPECT_GT(member.ours.stamp, member.theirs[0].stamp);
    EXPECT_TRUE(clones.there->conflicts("task_specs")->empty());
    EXPECT_EQ(clones.here->conflicts("prds", "none").error().code, Code::not_found);
}

TEST(Conflicts, EachSideCanBeTakenAndNothingIsLeftListed) {
    for (const std::string side : {"ours", "theirs"}) {
        Clones clones(Titles{{"p", "T"}});
        edited(clones, "title", "\"ours\"", "\"theirs\"");
        const auto written = take(clones, {side});
        ASSERT_TRUE(written) << written.error().message;
        EXPECT_EQ(clones.value("p", "title"), side);
        EXPECT_TRUE(clones.lost().empty());
        EXPECT_TRUE(clones.here->conflicts()->empty());
    }
}

TEST(Conflicts, WhatIsNotNamedStaysListed) {
    Clones clones(Titles{{"p", "T"}});
    edited(clones, "title", "\"ours\"", "\"theirs\"");
    edited(clones, "description", "\"ours too\"", "\"theirs too\"");
    ASSERT_TRUE(take(clones, {"title=theirs"}));
    EXPECT_EQ(clones.value("p", "title"), "theirs");
    EXPECT_EQ(clones.lost(), std::vector<std::string>{"p.description=\"theirs too\""});
    ASSERT_TRUE(take(clones, {"description=ours"}));
    EXPECT_TRUE(clones.lost().empty());
}

TEST(Conflicts, AStatusBringsItsTimesAlong) {
    Clones clones(Titles{{"p", "T"}});
    ASSERT_TRUE(clones.here->write(
        {{.collection = "executions",
          .id = "s",
          .changes = {{"ts_id", "\"t\""}, {"worktree_path", "\"/w\""}, {"branch_name", "\"b\""}},
          .check_references = false}}));
    const auto file = "/p/executions.jsonl";
    const std::string common = *clones.here_disk->get_file(file);
    clones.there_disk->put_file(file, common);
    ASSERT_TRUE(clones.there->sync());
    clones.there.clock.advance_ms(5000);
    clones.here.clock.advance_ms(9000);
    ASSERT_TRUE(clones.there->update("executions", "s", {{"status", "\"complete\""}}));
    ASSERT_TRUE(clones.here->update("executions", "s", {{"status", "\"failed\""}}));
    clones.here_disk->put_file(file, *clones.here_disk->get_file(file) +
                                         clones.there_disk->get_file(file)->substr(common.size()));
    ASSERT_TRUE(clones.here->sync());
    const auto conflict = clones.here->conflicts("executions", "s");
    ASSERT_TRUE(conflict);
    ASSERT_EQ(conflict->size(), 1U);
    const auto settlement = settlement_of(conflict->at(0), {"status=theirs"});
    ASSERT_TRUE(settlement) << settlement.error().message;
    // From failed to complete no way leads by `set`.
    ASSERT_TRUE(clones.here->settle(*settlement));
    const auto theirs = Json::parse(clones.there->get("executions", "s")->data);
    const auto now = Json::parse(clones.here->get("executions", "s")->data);
    for (const std::string& name : theirs->names()) {
        if (name == "updated_at") continue;
        EXPECT_EQ(now->get(name), theirs->get(name)) << name;
    }
}

TEST(Conflicts, OfADeletedRecordItIsAllOrNothing) {
    for (const std::string side : {"ours", "theirs"}) {
        Clones clones(Titles{{"p", "T"}});
        clones.there.clock.advance_ms(9000);
        clones.here.clock.advance_ms(5000);
        ASSERT_TRUE(clones.here->remove("prds", "p"));
        ASSERT_TRUE(clones.there->update("prds", "p", {{"title", "\"edited\""}}));
        clones.merge();
        const Conflict conflict = only(clones);
        EXPECT_TRUE(conflict.deleted);
        const ConflictSide& deletion = conflict.members.at(0).ours;
        EXPECT_EQ(to_text(deletion.stamp), clones.here->history("prds", "p")->at(1).stamp)
            << "the deletion's own, although an edit beside it is later";
        EXPECT_NE(conflict.data.find("edited"), std::string::npos) << conflict.data;
        EXPECT_EQ(settlement_of(conflict, {"title=theirs"}).error().code, Code::invalid);
        const auto written = take(clones, {side});
        ASSERT_TRUE(written) << written.error().message;
        EXPECT_EQ(clones.value("p", "title"), side == "ours" ? "(none)" : "edited");
        EXPECT_TRUE(clones.lost().empty());
    }
}

/// A note of no declared kind in two clones, ours later.
struct Notes {
    Notes() {
        EXPECT_TRUE(process->create("notes", {{"text", "\"T\""}, {"tag", "\"a\""}}, "n"));
        common = *disk->get_file(kFile);
        other_disk->put_file(kFile, common);
        EXPECT_TRUE(other->sync());
        other.clock.advance_ms(5000);
        process.clock.advance_ms(9000);
    }
    Conflict merged() {
        disk->put_file(kFile,
                       *disk->get_file(kFile) + other_disk->get_file(kFile)->substr(common.size()));
        EXPECT_TRUE(process->sync());
        const auto conflicts = process->conflicts();
        EXPECT_EQ(conflicts->size(), 1U);
        return conflicts->at(0);
    }
    Json note() { return *Json::parse(process->get("notes", "n")->data); }

    static constexpr const char* kFile = "/p/notes.jsonl";
    std::unique_ptr<os::FaultFileSystem> disk = new_disk();
    std::unique_ptr<os::FaultFileSystem> other_disk = new_disk();
    Process process{*disk};
    Process other{*other_disk, 2};
    std::string common;
};

TEST(Conflicts, ARemovalCanBeTakenAndCanStay) {
    for (const std::string side : {"ours", "theirs"}) {
        Notes notes;
        ASSERT_TRUE(notes.process->update("notes", "n", {{"tag", ""}}));
        ASSERT_TRUE(notes.other->update("notes", "n", {{"tag", "\"b\""}}));
        const auto settlement = settlement_of(notes.merged(), {side});
        ASSERT_TRUE(settlement);
        ASSERT_TRUE(notes.process->settle(*settlement));
        EXPECT_EQ(notes.note().get("tag").as_string().value_or("(none)"),
                  side == "ours" ? "(none)" : "b");
        EXPECT_TRUE(notes.process->lost()->empty());
    }
}

TEST(Conflicts, WhatLostInAnEarlierLifeCanBeSettledByClearing) {
    Notes notes;
    ASSERT_TRUE(notes.process->remove("notes", "n"));
    ASSERT_TRUE(notes.process->create("notes", {{"text", "\"anew\""}}, "n"));
    ASSERT_TRUE(notes.other->update("notes", "n", {{"tag", "\"b\""}}));
    ASSERT_TRUE(notes.process->settle(accept(notes.merged())));
    EXPECT_TRUE(notes.process->lost()->empty());
    Process again(*notes.disk, 3, &notes.process);
    EXPECT_TRUE(again->lost()->empty());
    EXPECT_FALSE(notes.note().has("tag"));
}

TEST(Conflicts, OfThreeSidesOneIsNamedByItsStamp) {
    Clones clones(Titles{{"p", "T"}});
    edited(clones, "title", "\"first\"", "\"second\"");
    // A third clone that saw neither.
    auto disk = new_disk();
    disk->put_file(Clones::kFile, clones.common.substr(0, clones.common.find('\n') + 1));
    Process third(*disk, 7);
    third.clock.advance_ms(7000);
    ASSERT_TRUE(third->update("prds", "p", {{"title", "\"third\""}}));
    const std::string text = *disk->get_file(Clones::kFile);
    clones.common += text.substr(text.find('\n') + 1);
    clones.here_disk->put_file(Clones::kFile, clones.common);
    ASSERT_TRUE(clones.here->sync());
    const Conflict conflict = only(clones);
    ASSERT_EQ(conflict.members[0].theirs.size(), 2U);
    const auto unclear = settlement_of(conflict, {"theirs"});
    ASSERT_FALSE(unclear);
    EXPECT_THAT(unclear.error().hint,
                testing::HasSubstr("title=" + to_text(conflict.members[0].theirs[0].stamp)));
    const ConflictSide& chosen = conflict.members[0].theirs[1];
    ASSERT_TRUE(take(clones, {"title=" + to_text(chosen.stamp)}));
    EXPECT_EQ("\"" + clones.value("p", "title") + "\"", chosen.raw_value);
    EXPECT_TRUE(clones.lost().empty());
}

TEST(Conflicts, NothingIsSettledOverAChangeThatNobodySaw) {
    Clones clones(Titles{{"p", "T"}});
    edited(clones, "title", "\"ours\"", "\"theirs\"");
    const Settlement settlement = accept(only(clones));
    ASSERT_TRUE(clones.here->update("prds", "p", {{"description", "\"later\""}}));
    EXPECT_EQ(clones.here->settle(settlement).error().code, Code::conflict);
    EXPECT_EQ(clones.lost().size(), 1U);
}

TEST(Conflicts, WhatCameAfterItWasShownStaysListed) {
    Clones clones(Titles{{"p", "T"}});
    edited(clones, "title", "\"ours\"", "\"theirs\"");
    const Settlement settlement = accept(only(clones));
    auto disk = new_disk();
    disk->put_file(Clones::kFile, clones.common.substr(0, clones.common.find('\n') + 1));
    Process third(*disk, 7);
    third.clock.advance_ms(2000);  // before what stands
    ASSERT_TRUE(third->update("prds", "p", {{"title", "\"third\""}}));
    const std::string text = *disk->get_file(Clones::kFile);
    clones.here_disk->put_file(Clones::kFile, clones.common + text.substr(text.find('\n') + 1));
    ASSERT_TRUE(clones.here->sync());
    ASSERT_TRUE(clones.here->settle(settlement));
    EXPECT_EQ(clones.lost(), std::vector<std::string>{"p.title=\"third\""});
}

TEST(Conflicts, OfADeletedRecordWithSeveralLostValuesNoneIsTakenUnseen) {
    Clones clones(Titles{{"p", "T"}});
    edited(clones, "title", "\"one\"", "\"other\"");
    clones.here.clock.advance_ms(50'000);
    auto disk = new_disk();
    disk->put_file(Clones::kFile, clones.common.substr(0, clones.common.find('\n') + 1));
    Process third(*disk, 7);
    third.clock.advance_ms(90'000);
    ASSERT_TRUE(third->remove("prds", "p"));
    const std::string text = *disk->get_file(Clones::kFile);
    clones.here_disk->put_file(Clones::kFile, clones.common + text.substr(text.find('\n') + 1));
    ASSERT_TRUE(clones.here->sync());
    const Conflict conflict = only(clones);
    ASSERT_EQ(conflict.members.at(0).theirs.size(), 2U);
    EXPECT_EQ(settlement_of(conflict, {"theirs"}).error().code, Code::invalid);
    EXPECT_TRUE(settlement_of(conflict, {"ours"}));
}

TEST(Conflicts, WordsThatDoNotFitAreRefusedWithThoseThatDo) {
    Clones clones(Titles{{"p", "T"}});
    edited(clones, "title", "\"ours\"", "\"theirs\"");
    const Conflict conflict = only(clones);
    for (const std::vector<std::string>& words : std::vector<std::vector<std::string>>{
             {"mine"}, {"title=mine"}, {"description=ours"}, {"ours", "theirs"}, {""}, {"="}}) {
        const auto settlement = settlement_of(conflict, words);
        ASSERT_FALSE(settlement) << words[0];
        EXPECT_EQ(settlement.error().code, Code::invalid);
        EXPECT_THAT(settlement.error().hint, testing::HasSubstr("title=theirs"));
    }
    EXPECT_TRUE(settlement_of(conflict, {"title=ours,title=ours"}));
}

TEST(Conflicts, BetweenMarkersTheSidesAreThoseOfGit) {
    for (const bool larger_first : {false, true}) {
        auto disk = new_disk();
        const std::string a = R"({"id":"n","text":"aaa","updated_at":5})";
        const std::string b = R"({"id":"n","text":"bbb","updated_at":5})";
        disk->put_file("/p/notes.jsonl", "<<<<<<< ours\n" + (larger_first ? b : a) + "\n=======\n" +
                                             (larger_first ? a : b) + "\n>>>>>>> theirs\n");
        Process process(*disk);
        ASSERT_EQ(process->sync()->clashes, 1);
        const auto conflicts = process->conflicts();
        ASSERT_EQ(conflicts->size(), 1U);
        const ConflictMember& member = conflicts->at(0).members.at(0);
        EXPECT_TRUE(member.clash);
        EXPECT_EQ(member.ours.raw_value, larger_first ? "\"bbb\"" : "\"aaa\"");
        EXPECT_EQ(member.ours.stands, larger_first);
        const auto settlement = settlement_of(conflicts->at(0), {"ours"});
        ASSERT_TRUE(settlement);
        ASSERT_TRUE(process->settle(*settlement));
        const auto report = process->sync();
        ASSERT_TRUE(report);
        EXPECT_EQ(report->clashes, 0);
        EXPECT_EQ(disk->get_file("/p/notes.jsonl")->find("<<<<"), std::string::npos);
        EXPECT_EQ(Json::parse(process->get("notes", "n")->data)->get("text").as_string(),
                  larger_first ? "bbb" : "aaa");
        EXPECT_TRUE(process->lost()->empty());
    }
}

}  // namespace
}  // namespace taskstore::records
