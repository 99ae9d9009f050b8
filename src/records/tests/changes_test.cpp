// What changed between states of a ledger's files, from their bytes alone.

#include <taskstore/ledger/edit.hpp>
#include <taskstore/records/changes.hpp>

#include "../line_difference.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <set>

namespace taskstore::records {
namespace {

using Files = std::map<std::string, std::string>;

/// The marks are the bytes themselves unless the test says that nobody knows.
Snapshot snapshot_of(const Files& files, bool marked = true) {
    Snapshot snapshot;
    for (const auto& [name, text] : files) snapshot.marks[name] = marked ? "=" + text : "";
    snapshot.text = [files](const std::string& name) -> Result<std::shared_ptr<const std::string>> {
        return std::make_shared<const std::string>(files.at(name));
    };
    return snapshot;
}

Changes changes_of(const std::vector<Files>& befores, const Files& after) {
    std::vector<Snapshot> snapshots;
    for (const Files& before : befores) snapshots.push_back(snapshot_of(before));
    std::vector<const Snapshot*> sides;
    for (const Snapshot& snapshot : snapshots) sides.push_back(&snapshot);
    auto changes = changes_between(sides, snapshot_of(after));
    EXPECT_TRUE(changes) << changes.error().message;
    return changes ? *changes : Changes{};
}

/// "created a, changed b"
std::string told(const Changes& changes) {
    std::string text;
    for (const RecordChange& change : changes.records)
        text += (text.empty() ? "" : ", ") + std::string(to_text(change.action)) + " " + change.id;
    return text;
}

std::string members_of(const RecordChange& change) {
    std::string text;
    for (const MemberChange& member : change.members)
        text += (text.empty() ? "" : ", ") + to_text(member);
    return text;
}

/// Writes lines of one record after the other, as a plan would.
class Author {
  public:
    explicit Author(std::string name) : x_name(std::move(name)) {}
    /// A line on top of `file`, in which the record may stand already.
    std::string edit(const std::string& file, const std::string& id, std::int64_t ms,
                     std::vector<ledger::Change> changes,
                     std::optional<ledger::Batch> batch = std::nullopt) {
        const ledger::State state = state_of(file, id);
        if (!state.live()) changes.insert(changes.begin(), {"id", "\"" + id + "\""});
        return ledger::encode_edit({}, state, changes, {ms, 0, x_name},
                                   {.by = x_name, .batch = std::move(batch)});
    }
    std::string remove(const std::string& file, const std::string& id, std::int64_t ms) {
        return ledger::encode_tombstone({}, state_of(file, id), {ms, 0, x_name}, {.by = x_name});
    }

  private:
    static ledger::State state_of(const std::string& file, const std::string& id) {
        std::vector<ledger::Line> lines;
        ledger::LineDecoder decoder;
        ledger::scan_text(file, 1, [&](const ledger::ScannedLine& line) {
            auto decoded = decoder.decode(line.text);
            if (decoded && decoded->id == id) lines.push_back(*decoded);
            return true;
        });
        return ledger::fold({}, lines);
    }
    std::string x_name;
};

TEST(Changes, AreToldRecordByRecord) {
    Author anna("anna");
    Author ben("ben");
    std::string before = anna.edit("", "a", 1000, {{"title", "\"A\""}});
    before += anna.edit(before, "b", 1001, {{"title", "\"B\""}});
    before += anna.edit(before, "c", 1002, {{"title", "\"C\""}});
    std::string after = before;
    after += ben.edit(after, "b", 2000, {{"title", "\"Bee\""}, {"size", "2"}});
    after += anna.edit(after, "b", 2500, {{"size", "3"}});
    after += anna.remove(after, "c", 3000);
    after += anna.edit(after, "d", 4000, {{"title", "\"D\""}});
    const Changes changes = changes_of({{{"notes", before}}}, {{"notes", after}});
    ASSERT_EQ(told(changes), "changed b, deleted c, created d");
    EXPECT_EQ(members_of(changes.records[0]), "title: B → Bee, size: – → 3");
    EXPECT_EQ(changes.records[0].by, (std::vector<std::string>{"ben", "anna"}));
    EXPECT_EQ(changes.records[0].updated_at, 2500);
    EXPECT_EQ(changes.records[0].lines, 2U);
    EXPECT_EQ(changes.records[1].title, "C");
    EXPECT_EQ(changes.lines_added, 4);
    EXPECT_EQ(told(changes_of({{{"notes", after}}}, {{"notes", before}})),
              "changed b, created_again c, dropped d");
    EXPECT_TRUE(changes_of({{{"notes", after}}}, {{"notes", after}}).empty());
    EXPECT_EQ(told(changes_of({}, {{"notes", before}})), "created a, created b, created c");
    EXPECT_EQ(told(changes_of({{{"notes", before}}}, {})), "dropped a, dropped b, dropped c");
}

TEST(Changes, OfFilesWithEqualMarksAreNotLookedFor) {
    const auto read = std::make_shared<std::set<std::string>>();
    const auto counting = [&](std::string things) {
        Snapshot snapshot;
        snapshot.marks = {{"notes", "1"}, {"things", things}};
        snapshot.text =
            [read](const std::string& name) -> Result<std::shared_ptr<const std::string>> {
            read->insert(name);
            return std::make_shared<const std::string>();
        };
        return snapshot;
    };
    const Snapshot before = counting("2");
    const Snapshot after = counting("3");
    const Snapshot* const side = &before;
    EXPECT_TRUE(changes_between({&side, 1}, after));
    EXPECT_EQ(*read, std::set<std::string>{"things"});
}

TEST(Changes, OfMergesAreWhatNoParentHas) {
    Author anna("anna");
    Author ben("ben");
    const std::string base = anna.edit("", "a", 1000, {{"title", "\"A\""}, {"size", "1"}});
    const std::string one = base + anna.edit(base, "a", 2000, {{"title", "\"One\""}}) +
                            anna.edit("", "b", 2001, {{"title", "\"B\""}});
    const std::string other = base + ben.edit(base, "a", 3000, {{"size", "2"}});
    const std::string merged = one + other.substr(base.size());
    EXPECT_TRUE(changes_of({{{"n", one}}, {{"n", other}}}, {{"n", merged}}).empty());
    const std::string rival = base + ben.edit(base, "a", 3000, {{"title", "\"Two\""}});
    const Changes clashing =
        changes_of({{{"n", one}}, {{"n", rival}}}, {{"n", one + rival.substr(base.size())}});
    ASSERT_EQ(told(clashing), "changed a");
    ASSERT_EQ(clashing.records[0].lost.size(), 1U);
    EXPECT_EQ(clashing.records[0].lost[0].raw_value, "\"One\"");
    EXPECT_EQ(members_of(clashing.records[0]), "");
    const std::string by_hand = merged + anna.edit(merged, "b", 4000, {{"title", "\"Bee\""}});
    EXPECT_EQ(told(changes_of({{{"n", one}}, {{"n", other}}}, {{"n", by_hand}})), "changed b");
    EXPECT_EQ(told(changes_of({{{"n", one}}, {{"n", other}}}, {{"n", base}})), "");
}

TEST(Changes, SettlingALostValueIsOne) {
    Author anna("anna");
    Author ben("ben");
    const std::string base = anna.edit("", "a", 1000, {{"title", "\"A\""}});
    std::string both = base + anna.edit(base, "a", 2000, {{"title", "\"One\""}}) +
                       ben.edit(base, "a", 3000, {{"title", "\"Two\""}});
    ledger::LineDecoder decoder;
    std::vector<ledger::Line> lines;
    ledger::scan_text(both, 1, [&](const ledger::ScannedLine& line) {
        lines.push_back(*decoder.decode(line.text));
        return true;
    });
    const std::string settled =
        both + ledger::encode_edit({}, ledger::fold({}, lines), {{"title", "\"Two\""}},
                                   {4000, 0, "anna"},
                                   {.by = "anna", .settles = {{"title", {2000, 0, "anna"}}}});
    const Changes changes = changes_of({{{"n", both}}}, {{"n", settled}});
    ASSERT_EQ(told(changes), "changed a");
    ASSERT_EQ(changes.records[0].settled.size(), 1U);
    EXPECT_EQ(changes.records[0].settled[0].raw_value, "\"One\"");
}

TEST(Changes, ALineThatCompletesABatchChangesItsOtherRecords) {
    Author anna("anna");
    const std::string first = anna.edit("", "a", 1000, {{"x", "1"}}, ledger::Batch{"B", 1, 2});
    const std::string second = anna.edit("", "b", 1000, {{"x", "2"}}, ledger::Batch{"B", 2, 2});
    EXPECT_TRUE(changes_of({}, {{"one", first}}).empty());
    EXPECT_EQ(told(changes_of({{{"one", first}}}, {{"one", first}, {"two", second}})),
              "created a, created b");
    EXPECT_EQ(told(changes_of({{{"one", first}, {"two", second}}}, {{"two", second}})),
              "dropped a, dropped b");
    // A damaged line of it keeps its place.
    const std::string damaged = "{" + second.substr(2);
    const Changes changes = changes_of({{{"one", first}}}, {{"one", first}, {"two", damaged}});
    EXPECT_EQ(told(changes), "created a");
    ASSERT_EQ(changes.odd.size(), 1U);
    EXPECT_EQ(changes.odd[0].what, "damaged_line");
}

TEST(Changes, TellOfLinesThatAreNoRecords) {
    const std::string good = R"({"id":"a","updated_at":1,"x":1})"
                             "\n";
    const Changes changes =
        changes_of({{{"n", good}}}, {{"n", good + "<<<<<<< ours\n{}\n>>>>>>> theirs\n{\"id\":"}});
    ASSERT_EQ(changes.odd.size(), 4U);
    EXPECT_EQ(changes.odd[0].what, "merge_marker");
    EXPECT_EQ(changes.odd[1].what, "damaged_line");
    EXPECT_EQ(changes.odd[1].number, 3);
    EXPECT_EQ(changes.odd[3].what, "torn_tail");
    EXPECT_TRUE(changes.odd[3].added);
    EXPECT_FALSE(changes_of({{{"n", good + "nonsense\n"}}}, {{"n", good}}).odd[0].added);
}

TEST(Changes, LineEndsOrderAndRepetitionAreNone) {
    const std::string one = R"({"id":"a","updated_at":1,"x":1})";
    const std::string two = R"({ "id" : "b", "updated_at":2,"x":1})";
    EXPECT_TRUE(changes_of({{{"n", one + "\n" + two + "\n"}}},
                           {{"n", two + "\r\n\r\n" + one + "\r\n" + two}})
                    .empty());
}

/// Whatever was done to the files: what is told is what folding everything tells.
TEST(Changes, AgreeWithAFoldOfEverything) {
    for (unsigned seed = 1; seed <= 60; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937 random(seed);
        const auto pick = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
        std::vector<std::string> lines;
        for (unsigned i = 0; i < 40; ++i) {
            const std::string id = "r" + std::to_string(pick(8));
            std::string line = R"({"id":")" + id + R"(","updated_at":)" + std::to_string(pick(9)) +
                               R"(,"x":)" + std::to_string(pick(3)) + "}";
            if (pick(6) == 0)
                line = R"({"id":")" + id + R"(","deleted":true,"updated_at":)" +
                       std::to_string(pick(9)) + "}";
            lines.push_back(pick(12) == 0 ? "damaged " + std::to_string(pick(3)) : line);
        }
        const auto file = [&](unsigned keep) {
            std::string text;
            for (const std::string& line : lines) {
                if (pick(10) < keep) text += line + (pick(9) == 0 ? "\r\n" : "\n");
                if (pick(30) == 0) text += "\n";
            }
            if (pick(4) == 0 && !text.empty()) text.pop_back();
            return text;
        };
        const std::string before = file(10 - pick(4));
        std::ranges::shuffle(lines.begin() + pick(20), lines.end(), random);
        const std::string after = pick(3) == 0 ? before + file(2) : file(10 - pick(4));
        const auto states = [](const std::string& text) {
            std::map<std::string, std::vector<ledger::Line>> records;
            ledger::LineDecoder decoder;
            ledger::scan_text(text, 1, [&](const ledger::ScannedLine& line) {
                auto decoded = decoder.decode(line.text);
                if (decoded) records[decoded->id].push_back(std::move(*decoded));
                return true;
            });
            std::map<std::string, std::string> out;
            for (const auto& [id, own] : records) {
                const ledger::State state = ledger::fold({}, own);
                const ledger::MemberState* const x = state.find("x");
                out[id] = !state.live() ? "" : x == nullptr ? "none" : x->raw_value;
            }
            return out;
        };
        auto old_states = states(before);
        auto new_states = states(after);
        std::set<std::string> expected;
        for (unsigned i = 0; i < 8; ++i) {
            const std::string id = "r" + std::to_string(i);
            if (old_states[id] != new_states[id]) expected.insert(id);
        }
        std::set<std::string> found;
        for (const RecordChange& change : changes_of({{{"n", before}}}, {{"n", after}}).records)
            if (!change.members.empty()) found.insert(change.id);
        EXPECT_EQ(found, expected) << before << "---\n" << after;
    }
}

TEST(LineDifference, IsThatOfTheSetsOfLines) {
    for (unsigned seed = 1; seed <= 300; ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        std::mt19937 random(seed);
        const auto file = [&] {
            std::string text;
            for (unsigned i = 0; i < random() % 8; ++i)
                text += std::string(random() % 3 + 1, static_cast<char>('a' + random() % 2)) + "\n";
            if (random() % 3 == 0 && !text.empty()) text.pop_back();
            return text;
        };
        const std::string before = file();
        const std::string after = random() % 3 == 0 ? before + file() : file();
        const auto set_of = [](const std::string& text) {
            std::set<std::string> lines;
            ledger::scan_text(text, 1, [&](const ledger::ScannedLine& line) {
                lines.insert(std::string(line.text));
                return true;
            });
            return lines;
        };
        const auto old_lines = set_of(before);
        const auto new_lines = set_of(after);
        const LineDifference difference = difference_of(before, after);
        std::set<std::string> expected;
        std::ranges::set_difference(new_lines, old_lines, std::inserter(expected, expected.end()));
        // A line in the part that both share may stand again in the other: such a one differs not.
        for (const std::string& line : expected) {
            EXPECT_TRUE(std::ranges::any_of(difference.added, [&](const PlacedText& text) {
                return text.text == line;
            })) << line;
        }
        for (const PlacedText& line : difference.added)
            EXPECT_TRUE(new_lines.contains(std::string(line.text)));
        for (const PlacedText& line : difference.gone)
            EXPECT_TRUE(old_lines.contains(std::string(line.text)));
    }
}

TEST(LinePicker, FindsIdsAndBatchesAsTheyAreWritten) {
    const LinePicker picker({});
    EXPECT_EQ(picker.id_of(R"({"id":"a b","x":1})"), "a b");
    EXPECT_EQ(picker.id_of(R"( { "id" : "a" })"), "a");
    EXPECT_EQ(picker.id_of(R"({"id":"a\u0062"})"), "");
    EXPECT_EQ(picker.id_of(R"({"x":"id","id":"a"})"), "");
    EXPECT_EQ(picker.id_of(R"({"id":7})"), "");
    EXPECT_EQ(LinePicker::batch_of(R"({"id":"a","_stamps":{"b":["B",1,2]}})"), "B");
    EXPECT_EQ(LinePicker::batch_of(R"({"id":"a"})"), "");
    EXPECT_FALSE(LinePicker::batch_of(R"({"id":"a","_stamps":{"b": ["B",1,2]}})"));
    EXPECT_FALSE(LinePicker::batch_of(R"({"b":["x"],"_stamps":{"b":["B",1,2]}})"));
}

}  // namespace
}  // namespace taskstore::records
