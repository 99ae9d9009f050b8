#include <taskstore/base/json.hpp>
#include <taskstore/exchange/meaning.hpp>

#include <gtest/gtest.h>

namespace taskstore::exchange {
namespace {

struct Read {
    explicit Read(std::string text) : json(std::move(text)) {
        const auto members = slicer.slice(json);
        for (const JsonMember& member : **members)
            record.members.push_back({member.name, member.raw_value});
    }
    std::string json;
    JsonSlicer slicer;
    Incoming record;
};

TEST(Meaning, StatusWordsAreReadInAnyDress) {
    EXPECT_EQ(stage_of_word("In Progress"), Stage::active);
    EXPECT_EQ(stage_of_word("in-progress"), Stage::active);
    EXPECT_EQ(stage_of_word("CLOSED"), Stage::done);
    EXPECT_EQ(stage_of_word("tombstone"), Stage::deleted);
    EXPECT_EQ(stage_of_word("sideways"), std::nullopt);
}

TEST(Meaning, ATrackersChildNamesItsEpicInADependency) {
    const Read read(
        R"({"id":"a-1","title":"T","status":"hooked","created_at":"2025-11-02T21:58:07.295058-08:00",)"
        R"("assignee":"me","dependencies":[{"issue_id":"a-1","depends_on_id":"a-9","type":"blocks"},)"
        R"({"issue_id":"a-1","depends_on_id":"a-2","type":"parent-child"}]})");
    const Meaning meaning = interpret(Kind::tracker, read.record);
    EXPECT_EQ(meaning.id, "a-1");
    EXPECT_EQ(meaning.parent, "a-2");
    EXPECT_EQ(meaning.stage, Stage::active);
    EXPECT_EQ(meaning.created.raw, "1762149487295");
    EXPECT_EQ(meaning.assignee.raw, "\"me\"");
    EXPECT_FALSE(meaning.is_group);
    const Read epic(R"({"id":"a-2","title":"E","issue_type":"epic","status":"odd"})");
    EXPECT_TRUE(interpret(Kind::tracker, epic.record).is_group);
    EXPECT_FALSE(interpret(Kind::tracker, epic.record).stage_known);
}

TEST(Meaning, BothShapesOfGitHubsListsGiveOneId) {
    const Read rest(
        R"({"url":"https://api.github.com/repos/o/r/issues/7","html_url":"https://github.com/o/r/issues/7",)"
        R"("id":99,"number":7,"title":"T","state":"closed","state_reason":"not_planned","body":null,)"
        R"("assignee":{"login":"kay"},"milestone":{"title":"v1","state":"open","description":"first"}})");
    const Read listed(
        R"({"number":7,"title":"T","state":"CLOSED","stateReason":"COMPLETED","body":"b",)"
        R"("url":"https://github.com/o/r/issues/7","assignees":[{"login":"lee"}],"createdAt":"2024-01-31T00:00:00Z"})");
    const Meaning one = interpret(Kind::github, rest.record);
    const Meaning two = interpret(Kind::github, listed.record);
    EXPECT_EQ(one.id, "o/r#7");
    EXPECT_EQ(two.id, "o/r#7");
    EXPECT_EQ(one.stage, Stage::dropped);
    EXPECT_EQ(two.stage, Stage::done);
    EXPECT_EQ(one.assignee.raw, "\"kay\"");
    EXPECT_EQ(two.assignee.raw, "\"lee\"");
    ASSERT_TRUE(one.group);
    EXPECT_EQ(one.group->name, "o/r#v1");
    EXPECT_EQ(one.group->title_raw, "\"v1\"");
    EXPECT_EQ(one.group->description_raw, "\"first\"");
    EXPECT_EQ(interpret(Kind::github, Read(R"({"number":7,"title":"T"})").record).id, "gh-7");
}

TEST(Meaning, TaskwarriorsProjectIsAGroupAndAStartedTaskRuns) {
    const Read read(
        R"({"uuid":"u-1","description":"D","status":"pending","start":"20240131T120000Z",)"
        R"("entry":"20240131T115900Z","project":"home.garden"})");
    const Meaning meaning = interpret(Kind::taskwarrior, read.record);
    EXPECT_EQ(meaning.id, "u-1");
    EXPECT_EQ(meaning.title.raw, "\"D\"");
    EXPECT_EQ(meaning.stage, Stage::active);
    EXPECT_EQ(meaning.created.raw, "1706702340000");
    ASSERT_TRUE(meaning.group);
    EXPECT_EQ(meaning.group->name, "home.garden");
}

TEST(Meaning, ATablesColumnsAreFoundInAnyCase) {
    const Read read(
        R"({"Key":12,"Summary":34,"State":"Done","Created On":"2024-01-31","Issue Type":"Epic"})");
    const Meaning meaning = interpret(Kind::table, read.record);
    EXPECT_EQ(meaning.id, "12");
    EXPECT_EQ(meaning.title.raw, "\"34\"");
    EXPECT_EQ(meaning.title.from, "Summary");
    EXPECT_EQ(meaning.stage, Stage::done);
    EXPECT_EQ(meaning.created.raw, "1706659200000");
    EXPECT_TRUE(meaning.is_group);
}

TEST(Meaning, TimesThatDoNotExistAreNone) {
    EXPECT_EQ(time_of_raw("\"2024-02-30\""), std::nullopt);
    EXPECT_EQ(time_of_raw("\"20241301T000000Z\""), std::nullopt);
    EXPECT_EQ(time_of_raw("-1"), std::nullopt);
    EXPECT_EQ(time_of_raw("1700000000000"), 1'700'000'000'000);
    EXPECT_EQ(time_of_raw("\"soon\""), std::nullopt);
}

}  // namespace
}  // namespace taskstore::exchange
