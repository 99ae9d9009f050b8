#include <taskstore/ledger/edit.hpp>
#include <taskstore/ledger/merge.hpp>

#include <gtest/gtest.h>

namespace taskstore::ledger {
namespace {

TEST(Lines, AnUnstampedLineCountsAsWrittenAtItsTime) {
    LineDecoder decoder;
    const auto line = decoder.decode(R"({"id":"a","title":"x","n":1.10,"updated_at":5})");
    ASSERT_TRUE(line);
    EXPECT_FALSE(line->stamped);
    EXPECT_EQ(line->at, (Stamp{5, 0, ""}));
    EXPECT_EQ(line->members[2].raw_value, "1.10");
    EXPECT_EQ(line->members[2].stamp, line->at);
}

TEST(Lines, ATombstoneHasItsMembersAndNoOthers) {
    LineDecoder decoder;
    EXPECT_TRUE(decoder.decode(R"({"id":"a","deleted":true,"updated_at":5})")->tombstone);
    EXPECT_FALSE(
        decoder.decode(R"({"id":"a","deleted":true,"title":"kept","updated_at":5})")->tombstone);
    EXPECT_FALSE(decoder.decode(R"({"id":"a","deleted":false,"updated_at":5})")->tombstone);
}

TEST(Lines, TimesMayBeRfc3339TextOrFallBack) {
    LineDecoder decoder;
    EXPECT_EQ(decoder.decode(R"({"id":"a","updated_at":"1970-01-01T00:00:01Z"})")->updated_at,
              1000);
    EXPECT_EQ(decoder.decode(R"({"id":"a","updated_at":1.5})")->updated_at, 0);
    LineDecoder dependency({"id", {"updated_at", "resolved_at", "created_at"}});
    EXPECT_EQ(dependency.decode(R"({"id":"a","created_at":3,"resolved_at":null})")->updated_at, 3);
    EXPECT_EQ(dependency.decode(R"({"id":"a","created_at":3,"resolved_at":9})")->updated_at, 9);
}

TEST(Lines, DamageHasAPlaceAndAReason) {
    LineDecoder decoder;
    for (const auto& [text, reason] : std::vector<std::pair<const char*, const char*>>{
             {R"({"title":"x"})", "no member 'id'"},
             {R"({"id":7})", "'id' is not a string"},
             {R"({"id":""})", "'id' is empty"},
             {R"({"id":"a","updated_at":7258118400001})", "'updated_at' lies beyond the year 2200"},
             {R"({"id":"a","updated_at":5,"_stamps":{"v":2,"at":"5@a"}})",
              "_stamps: written by a newer taskstore (v2): upgrade to read it"},
             {R"({"id":"a","updated_at":5,"_stamps":7})", "_stamps: not an object"},
             {R"({"id":"a","x":1,"updated_at":5,"_stamps":{"v":1,"at":"5@a","f":{"x":"6@a"}}})",
              "_stamps: f.x: later than 'at'"},
             {R"({"id":"a","x":1,"updated_at":5,"_stamps":{"v":1,"at":"5@a","base":"6@a"}})",
              "_stamps: base: later than 'at'"},
         }) {
        EXPECT_FALSE(decoder.decode(text)) << text;
        EXPECT_EQ(decoder.damage().reason, reason);
    }
}

TEST(Lines, StampsAreReadInTheirShortForms) {
    LineDecoder decoder;
    const auto line = decoder.decode(
        R"({"id":"a","x":1,"y":2,"updated_at":9,"_stamps":{"v":1,"at":"9@r","by":"me","from":"7@r","life":2,"base":"5@r",)"
        R"("f":{"y":"","z":"7@q"},"over":{"y":"5@r"},"b":["B",1,2]}})");
    ASSERT_TRUE(line) << line.error().message;
    EXPECT_EQ(line->life, 2U);
    EXPECT_EQ(line->members[1].stamp, (Stamp{5, 0, "r"}));
    EXPECT_EQ(line->members[2].stamp, line->at);
    EXPECT_EQ(line->members[2].over[0], (Stamp{5, 0, "r"}));
    EXPECT_TRUE(line->members[4].removed());
    EXPECT_EQ(line->batch->count, 2U);
}

TEST(Lines, AnEditBySomebodyWhoDoesNotKnowStampsIsUnstamped) {
    LineDecoder decoder;
    EXPECT_FALSE(
        decoder.decode(R"({"id":"a","updated_at":10,"_stamps":{"v":1,"at":"9@r"}})")->stamped);
}

/// A line with very many members costs in proportion to its length: of the file's megabytes nobody
/// has to wait for minutes.
// Quadratic it would take many minutes: longer than a test may run.
TEST(Lines, VeryManyMembersAreReadInGoodTime) {
    constexpr int kMembers = 60'000;
    std::string members;
    std::string marks;
    for (int i = 0; i < kMembers; ++i) {
        const std::string name = "\"m" + std::to_string(i) + "\":";
        members += name + "1,";
        marks += (i == 0 ? "" : ",") + name + "\"" + std::to_string(i) + "@q\"";
    }
    const std::string text = "{\"id\":\"a\"," + members +
                             "\"updated_at\":100000,\"_stamps\":{\"v\":1,"
                             "\"at\":\"100000@p\",\"f\":{" +
                             marks + "},\"over\":{" + marks + "}}}";
    LineDecoder decoder;
    const auto line = decoder.decode(text);
    ASSERT_TRUE(line);
    EXPECT_EQ(line->find("m59999")->stamp, (Stamp{59'999, 0, "q"}));
    EXPECT_EQ(line->find("m60000"), nullptr);
    const State state = fold({}, std::span(&*line, 1));
    std::vector<Change> changes;
    for (const MemberState& member : state.members) {
        if (!is_frame_member({}, member.name)) changes.push_back({member.name, "2"});
    }
    const std::string edit = encode_edit({}, state, changes, {200'000, 0, "p"}, {});
    const std::string here = text + "\n" + edit;
    std::string there = here;
    there.replace(there.rfind("@p"), 2, "@q");
    EXPECT_TRUE(merge_files({text, here, there}, {}).clashes.empty());
}

}  // namespace
}  // namespace taskstore::ledger
