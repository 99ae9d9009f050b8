// Compaction of ledger files: by example, and by law: beside clones that never compact.
#include "texts.hpp"

#include <taskstore/ledger/compact.hpp>
#include <taskstore/ledger/edit.hpp>
#include <taskstore/ledger/merge.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <deque>
#include <map>

namespace taskstore::ledger {
namespace {

/// What counts of a file, by record: batches must be whole.
std::map<std::string, State> states_of(const std::string& file) {
    const std::vector<std::string> texts = lines_of(file);
    std::deque<LineDecoder> decoders;
    std::vector<Line> lines;
    std::map<std::string, std::set<std::uint32_t>> places;
    for (const std::string& text : texts) {
        auto line = decoders.emplace_back().decode(text);
        EXPECT_TRUE(line) << text << line.error().message;
        if (!line) continue;
        if (line->batch) places[line->batch->id].insert(line->batch->number);
        if (line->was) {
            for (const Batch& batch : line->was->batches) places[batch.id].insert(batch.number);
        }
        lines.push_back(std::move(*line));
    }
    std::map<std::string, std::vector<Line>> records;
    for (const Line& line : lines) {
        if (!line.batch || places[line.batch->id].size() == line.batch->count)
            records[line.id].push_back(line);
    }
    std::map<std::string, State> states;
    for (const auto& [id, own] : records) {
        State state = fold({}, own);
        std::ranges::sort(state.members, {}, &MemberState::name);  // their order is for people
        states.emplace(id, std::move(state));
    }
    return states;
}

/// What counts of a file, for people.
std::string told(const std::string& file) {
    std::string out;
    for (const auto& [id, state] : states_of(file)) {
        out += id + " life " + std::to_string(state.life) + (state.deleted ? " deleted" : "") +
               " at " + to_text(state.at) + " by " + state.by + " " +
               std::to_string(state.updated_at) + "\n";
        for (const MemberState& member : state.members)
            out +=
                "  " + member.name + " = " + member.raw_value + " " + to_text(member.stamp) + "\n";
        for (const RemovedMember& member : state.removed)
            out += "  " + member.name + " removed " + to_text(member.stamp) + "\n";
        for (const LostValue& lost : state.lost)
            out += "  lost " + lost.name + " = " + lost.raw_value + " " + to_text(lost.stamp) +
                   " by " + lost.by + (lost.lost_to == LostTo::deletion ? " to deletion" : "") +
                   (lost.clash ? " clash" : "") + "\n";
        for (const AgreedValue& agreed : state.agreed)
            out += "  agreed " + agreed.name + " " + to_text(agreed.stamp) + "\n";
    }
    return out;
}

State state_of(const std::string& file, const std::string& id = "a") {
    const auto states = states_of(file);
    const auto found = states.find(id);
    return found == states.end() ? State{} : found->second;
}

struct Result {
    std::string text;
    CompactCounts counts;
};

Result compacted(const std::string& file, std::int64_t horizon_ms = 0,
                 const LineSet* committed = nullptr) {
    BatchPlaces batches;
    batches.read(file, {}, committed);
    const Compaction compaction(
        file, {.shape = {}, .horizon_ms = horizon_ms, .committed = committed, .batches = &batches});
    Result out{{}, compaction.counts()};
    EXPECT_TRUE(compaction.write([&](std::string_view piece) {
        out.text += piece;
        return ok();
    }));
    EXPECT_EQ(static_cast<std::int64_t>(out.text.size()), out.counts.bytes_after);
    EXPECT_EQ(static_cast<std::int64_t>(lines_of(out.text).size()), out.counts.lines_after);
    return out;
}

std::string edited(const std::string& file, std::vector<Change> changes, std::int64_t ms,
                   const std::string& replica, EditOptions options = {},
                   const std::string& id = "a") {
    const State state = state_of(file, id);
    if (!state.live()) changes.push_back({"id", "\"" + id + "\""});
    if (options.by.empty()) options.by = "by " + replica;
    return file + encode_edit({}, state, changes, {ms, 0, replica}, options);
}

std::string removed(const std::string& file, std::int64_t ms, const std::string& replica,
                    const std::string& id = "a") {
    return file + encode_tombstone({}, state_of(file, id), {ms, 0, replica}, {.by = replica});
}

std::string chain(int edits) {
    std::string file = edited("", {{"title", "\"t\""}, {"status", "\"draft\""}}, 100, "p");
    for (int i = 0; i < edits; ++i)
        file = edited(file, {{i % 3 == 0 ? "title" : "status", std::to_string(i)}}, 110 + i,
                      i % 2 == 0 ? "q" : "p");
    return file;
}

TEST(Compact, AHistoryOfEditsBecomesOneLineThatSaysTheSame) {
    const std::string file = chain(9);
    const Result result = compacted(file);
    EXPECT_EQ(result.counts.lines_after, 1);
    EXPECT_EQ(result.counts.folded, 1);
    EXPECT_EQ(state_of(result.text), state_of(file));
    EXPECT_LT(result.text.size() * 2, file.size());
    EXPECT_EQ(compacted(result.text).text, result.text);
    EXPECT_EQ(compacted(file + result.text).text, result.text) << "old lines that come again";
}

TEST(Compact, AnEditOfAnOldVersionFindsWhatItWouldHaveFound) {
    const std::string file = chain(9);
    const std::string compact = compacted(file).text;
    const auto all = lines_of(file);
    for (std::size_t seen = 1; seen <= all.size(); ++seen) {
        std::string old;
        for (std::size_t i = 0; i < seen; ++i) old += all[i] + "\n";
        const std::string late = edited(old, {{"title", "\"late\""}}, 500, "r").substr(old.size());
        EXPECT_EQ(state_of(compact + late), state_of(file + late)) << seen;
        EXPECT_EQ(state_of(compact + old + late), state_of(file + late)) << seen;
        EXPECT_EQ(state_of(compact + compacted(old + late).text), state_of(file + late)) << seen;
    }
}

TEST(Compact, WhatLostAndIsNotSettledStaysListed) {
    const std::string base = chain(2);
    const std::string ours = edited(base, {{"title", "\"ours\""}}, 300, "p");
    const std::string theirs = edited(base, {{"title", "\"theirs\""}}, 250, "q");
    const std::string file = ours + theirs.substr(base.size());
    const Result result = compacted(file);
    EXPECT_EQ(result.counts.lines_after, 2);
    EXPECT_EQ(state_of(result.text), state_of(file));
    ASSERT_EQ(state_of(result.text).lost.size(), 1U);
    EXPECT_EQ(state_of(result.text).lost[0].by, "by q");
    EXPECT_EQ(compacted(result.text).text, result.text);
    const std::string settled =
        edited(result.text, {{"title", "\"both\""}}, 400, "p",
               {.settles = {{"title", state_of(result.text).lost[0].stamp}}});
    EXPECT_EQ(compacted(settled).counts.lines_after, 1);
    EXPECT_TRUE(state_of(compacted(settled).text).lost.empty());
}

TEST(Compact, WhatALineListsStaysListedUntilItIsSettled) {
    const std::string listing =
        R"({"id":"a","title":"won","n":1,"updated_at":30,"_stamps":{"v":1,"at":"30@m","lost":[)"
        R"({"member":"title","at":"20@","value":"lost"}]}})"
        "\n";
    std::string file = listing;
    for (int i = 4; i < 9; ++i) file = edited(file, {{"n", std::to_string(i)}}, 10 * i, "p");
    const Result kept = compacted(file);
    EXPECT_LT(lines_of(kept.text).size(), lines_of(file).size());
    EXPECT_EQ(told(kept.text), told(file));
    ASSERT_EQ(state_of(kept.text).lost.size(), 1U);
    const std::string settled =
        file + encode_edit({}, state_of(file), {{"title", "\"lost\""}}, {100, 0, "p"},
                           {.by = "p", .settles = {{"title", {20, 0, {}}}}});
    const std::string gone = compacted(settled).text;
    EXPECT_EQ(lines_of(gone).size(), 1U);
    EXPECT_TRUE(state_of(gone + listing).lost.empty()) << "a clone has the line still";
}

TEST(Compact, ClonesThatCompactApartEndAtTheSameLine) {
    const std::string file = chain(4);
    const std::string more = edited(file, {{"status", "\"more\""}}, 300, "r");
    const std::string one = compacted(compacted(file).text + more.substr(file.size())).text;
    EXPECT_EQ(one, compacted(more).text);
    EXPECT_EQ(compacted(compacted(file).text + compacted(more).text).text, one);
}

TEST(Compact, OnlyWhatGitHasIsDropped) {
    const std::string file = chain(5);
    LineSet head;
    const auto all = lines_of(file);
    for (std::size_t i = 0; i < 4; ++i) head.add(all[i]);
    const Result result = compacted(file, 0, &head);
    EXPECT_EQ(result.counts.lines_after, 3);
    EXPECT_EQ(result.counts.uncommitted, 2);
    EXPECT_TRUE(result.text.ends_with(all[4] + "\n" + all[5] + "\n"));
    EXPECT_EQ(state_of(result.text), state_of(file));
    const LineSet nothing;
    EXPECT_EQ(compacted(file, 0, &nothing).text, file);
}

TEST(Compact, DeletedRecordsGoOnceTheyAreOlderThanTheHorizon) {
    const std::string file = removed(chain(5), 300, "p");
    EXPECT_EQ(compacted(file, 301).text, "");
    EXPECT_EQ(compacted(file, 301).counts.tombstones, 1);
    const Result kept = compacted(file, 300);
    EXPECT_EQ(kept.counts.lines_after, 1);
    EXPECT_EQ(state_of(kept.text), state_of(file));
    EXPECT_EQ(compacted(kept.text, 301).text, "");
    const std::string late =
        edited(chain(5), {{"title", "\"late\""}}, 290, "r").substr(chain(5).size());
    EXPECT_EQ(state_of(kept.text + late), state_of(file + late));
    EXPECT_EQ(state_of(compacted(file + late, 900).text).lost.size(), 1U)
        << "what lost to a deletion keeps it";
    const std::string timeless = R"({"id":"a","deleted":true})"
                                 "\n";
    EXPECT_EQ(compacted(timeless, 900).text, timeless);
}

TEST(Compact, ARecordThatWasCreatedAgainKeepsItsLives) {
    std::string file = removed(chain(3), 300, "p");
    file = edited(file, {{"title", "\"again\""}}, 310, "p");
    file = edited(file, {{"status", "\"x\""}}, 320, "p");
    const Result result = compacted(file, 900);
    EXPECT_EQ(result.counts.lines_after, 2);
    EXPECT_EQ(state_of(result.text), state_of(file));
    const std::string foreign = R"({"id":"a","title":"hand","created_at":305,"updated_at":330})"
                                "\n";
    EXPECT_EQ(state_of(result.text + foreign), state_of(file + foreign));
}

TEST(Compact, LinesOfOtherProgramsStayAndTheirRepeatsGo) {
    const std::string one = R"({"id":"a","title":"1","created_at":5,"updated_at":5})"
                            "\n";
    const std::string two = R"({"id":"a","title":"2","created_at":5,"updated_at":6})"
                            "\n";
    const std::string three = R"({"id":"a","created_at":5,"updated_at":7})"
                              "\n";
    EXPECT_EQ(compacted(one + two).text, two);
    EXPECT_EQ(compacted(two + two).text, two);
    EXPECT_EQ(compacted(two + three).text, two + three) << "it has not all members";
    EXPECT_EQ(compacted(one).text, one);
    const std::string file =
        edited(edited(one, {{"title", "\"3\""}}, 50, "p"), {{"title", "\"4\""}}, 60, "p");
    EXPECT_EQ(compacted(file).counts.lines_after, 2);
    EXPECT_EQ(state_of(compacted(file).text), state_of(file));
}

TEST(Compact, WhatCannotBeReadStaysWhereItIs) {
    const std::string file = chain(3);
    const auto all = lines_of(file);
    const std::string damaged =
        all[0] + "\r\n\n{\"id\":\"a\",oops\n" + all[1] + "\n" + all[2] + "\n" + all[3];
    const Result result = compacted(damaged);
    EXPECT_EQ(result.text, compacted(file).text + "\n{\"id\":\"a\",oops\n");
    const std::string marked = "<<<<<<< ours\n" + file;
    EXPECT_EQ(compacted(marked).text, marked);
    EXPECT_TRUE(compacted(marked).counts.has_markers);
}

std::string batched(const std::string& file, const std::string& batch, std::int64_t ms) {
    const std::string first =
        edited(file, {{"title", std::to_string(ms)}}, ms, "p", {.batch = Batch{batch, 1, 2}}, "a")
            .substr(file.size());
    return file + first +
           edited(file, {{"title", std::to_string(ms)}}, ms, "p", {.batch = Batch{batch, 2, 2}},
                  "b")
               .substr(file.size());
}

TEST(Compact, TheOtherLinesOfABatchStillCount) {
    std::string file = batched("", "one", 100);
    file = edited(file, {{"title", "\"x\""}}, 200, "p");
    const Result result = compacted(file);
    EXPECT_EQ(result.counts.lines_after, 2);
    EXPECT_EQ(states_of(result.text), states_of(file));
    // Half a batch is left alone, and does not count.
    const auto all = lines_of(batched(file, "two", 300));
    std::string half = file + all[3] + "\n";
    EXPECT_EQ(states_of(compacted(half).text), states_of(half));
    EXPECT_NE(compacted(half).text.find(all[3]), std::string::npos);
    EXPECT_EQ(states_of(compacted(half).text + all[4] + "\n"), states_of(half + all[4] + "\n"));
}

TEST(Compact, ALineThatStandsTwiceKeepsNoDeletedRecord) {
    std::string file = batched("", "one", 100);
    file = removed(file, 200, "p", "b");
    file = removed(file, 210, "p", "a");
    const Result once = compacted(file, 900);
    EXPECT_EQ(once.counts.tombstones, 2);
    for (const std::size_t number : {0U, 1U}) {
        const Result twice = compacted(file + std::string(lines_of(file).at(number)) + "\n", 900);
        EXPECT_EQ(twice.counts.tombstones, 2) << number;
        EXPECT_EQ(twice.text, once.text) << number;
    }
}

TEST(Compact, ADeletedRecordStaysWhileALineCountsByItsBatch) {
    std::string file = batched("", "one", 100);
    file = removed(file, 200, "p", "b");
    const Result result = compacted(file, 900);
    EXPECT_EQ(result.counts.tombstones_waiting, 1);
    EXPECT_EQ(states_of(result.text), states_of(file));
    // Once the other one was folded nothing holds it.
    const std::string more = edited(result.text, {{"title", "\"x\""}}, 300, "p");
    const std::string after = compacted(compacted(more, 900).text, 900).text;
    EXPECT_EQ(states_of(after).size(), 1U);
    EXPECT_EQ(state_of(after), state_of(more));
    // Both deleted go at once.
    EXPECT_EQ(compacted(removed(file, 210, "p"), 900).text, "");
}

// --- the law ------------------------------------------------------------------------------------
// Clones edit, merge and exchange lines; each has a twin that never compacts. Whenever one
// compacts, and whatever comes after, both say the same.

class Twins {
  public:
    enum class Kind : std::uint8_t { own, foreign, forgetting };
    explicit Twins(std::uint64_t seed, Kind kind)
        : x_random(seed), x_foreign(kind == Kind::foreign), x_forgets(kind == Kind::forgetting) {}

    void run(int steps) {
        if (x_forgets) {
            // Who makes a record anew knows of no life that is forgotten.
            for (const char* id : {"a", "b"}) append(0, edit_text(0, id, std::nullopt));
            for (std::size_t clone = 0; clone < kClones; ++clone) meet(clone);
        }
        for (int i = 0; i < steps && !testing::Test::HasFailure(); ++i) {
            const std::size_t clone = x_random.next_u64() % kClones;
            step(clone);
            check(clone);
        }
        for (std::size_t clone = 0; clone < kClones; ++clone) meet(clone);
        for (std::size_t clone = 0; clone < kClones; ++clone) meet(clone);
        check(0);
    }

  private:
    static constexpr std::size_t kClones = 3;
    struct Clone {
        std::string file;
        std::string base;  ///< What it last had in common with the origin.
        std::string head;
    };

    std::int64_t roll(std::int64_t below) {
        return static_cast<std::int64_t>(x_random.next_u64() % static_cast<std::uint64_t>(below));
    }

    void step(std::size_t clone) {
        const std::string id = roll(4) == 0 ? "b" : "a";
        switch (roll(16)) {
            case 0:
                return bury(clone, id);
            case 1:
            case 2:
                return meet(clone);
            case 3:
                if (x_forgets) return meet(clone);  // the base tells what was deleted
                return exchange(clone, static_cast<std::size_t>(roll(kClones)));
            case 4:
            case 5:
                for (auto* side : {&x_plain, &x_compact}) (*side)[clone].head = (*side)[clone].file;
                return;
            case 6:
            case 7:
            case 8:
                return compact(clone);
            case 9:
                return settle(clone, id);
            case 10:
                return batch(clone);
            case 11:
                if (x_foreign) return by_hand(clone, id);
                [[fallthrough]];
            default:
                return edit(clone, id, std::nullopt);
        }
    }

    Stamp stamp(std::size_t clone, const State& state) {
        x_now += roll(4);
        const Stamp tick{1000 + x_now + static_cast<std::int64_t>(clone) * 5, 0,
                         std::string(1, static_cast<char>('p' + clone))};
        return *next_stamp(tick, state);
    }

    State state(std::size_t clone, const std::string& id) {
        return state_of(x_plain[clone].file, id);
    }
    void append(std::size_t clone, const std::string& text) {
        x_plain[clone].file += text;
        x_compact[clone].file += text;
    }

    static EditOptions options_of(const State& state, const std::vector<Change>& changes,
                                  const std::string& by) {
        EditOptions options{.by = by};
        for (const AgreedValue& agreed : state.agreed) {
            const auto change = std::ranges::find(changes, agreed.name, &Change::name);
            const MemberState* now = state.find(agreed.name);
            if (change != changes.end() &&
                (now == nullptr ? std::string() : now->raw_value) != change->raw_value)
                options.settles.emplace_back(agreed.name, agreed.stamp);
        }
        return options;
    }

    std::string edit_text(std::size_t clone, const std::string& id,
                          const std::optional<Batch>& batch) {
        const State now = state(clone, id);
        std::vector<Change> changes;
        for (const char* name : {"x", "y", "z"}) {
            if (roll(2) == 0) continue;
            const bool known = now.find(name) != nullptr;
            changes.push_back({name, known && roll(5) == 0 ? "" : std::to_string(roll(3))});
        }
        EditOptions options = options_of(now, changes, "by" + std::to_string(roll(3)));
        if (!now.live()) {
            changes.push_back({"id", "\"" + id + "\""});
            options.settles.clear();
        }
        options.batch = batch;
        return encode_edit({}, now, changes, stamp(clone, now), options);
    }

    void edit(std::size_t clone, const std::string& id, const std::optional<Batch>& batch) {
        if (x_forgets && !state(clone, id).live()) return;
        append(clone, edit_text(clone, id, batch));
    }

    void batch(std::size_t clone) {
        if (x_forgets && !(state(clone, "a").live() && state(clone, "b").live())) return;
        const std::string id = "b" + std::to_string(++x_batches);
        const std::string one = edit_text(clone, "a", Batch{id, 1, 2});
        append(clone, one + edit_text(clone, "b", Batch{id, 2, 2}));
    }

    void bury(std::size_t clone, const std::string& id) {
        const State now = state(clone, id);
        if (!now.live()) return;
        EditOptions options{.by = "gone"};
        for (const AgreedValue& agreed : now.agreed)
            options.settles.emplace_back(agreed.name, agreed.stamp);
        append(clone, encode_tombstone({}, now, stamp(clone, now), options));
    }

    void settle(std::size_t clone, const std::string& id) {
        const State now = state(clone, id);
        if (now.lost.empty()) return;
        EditOptions options{.by = "settled"};
        for (const LostValue& lost : now.lost) {
            if (roll(2) == 0) options.settles.emplace_back(lost.name, lost.stamp);
        }
        append(clone, now.live() ? encode_edit({}, now, {}, stamp(clone, now), options)
                                 : encode_tombstone({}, now, stamp(clone, now), options));
    }

    /// As the founding program does it.
    void by_hand(std::size_t clone, const std::string& id) {
        const State now = state(clone, id);
        const std::string ms = std::to_string(stamp(clone, now).ms);
        if (roll(5) == 0)
            return append(clone,
                          "{\"id\":\"" + id + "\",\"deleted\":true,\"updated_at\":" + ms + "}\n");
        std::string text = "{\"id\":\"" + id + "\"";
        for (const char* name : {"x", "y", "z"}) {
            if (roll(4) != 0) text += ",\"" + std::string(name) + "\":" + std::to_string(roll(3));
        }
        if (now.life != 1 || now.deleted) text += ",\"created_at\":" + ms;
        append(clone, text + ",\"updated_at\":" + ms + "}\n");
    }

    static void add_missing(const std::string& from, std::string& to) {
        const auto there = lines_of(to);
        const std::set<std::string> known(there.begin(), there.end());
        for (const std::string& line : lines_of(from)) {
            if (!known.contains(line)) to += line + "\n";
        }
    }

    void exchange(std::size_t clone, std::size_t other) {
        for (auto* side : {&x_plain, &x_compact})
            add_missing((*side)[other].file, (*side)[clone].file);
    }

    /// git pull, git push.
    void meet(std::size_t clone) {
        if (x_foreign) return exchange(clone, static_cast<std::size_t>(roll(kClones)));
        std::size_t index = 0;
        for (auto* side : {&x_plain, &x_compact}) {
            Clone& own = (*side)[clone];
            std::string& origin = x_origin[index++];
            const Merged merged = merge_files({own.base, own.file, origin}, {});
            ASSERT_TRUE(merged.clashes.empty());
            own.file = own.base = own.head = origin = merged.text;
        }
    }

    void compact(std::size_t clone) {
        Clone& own = x_compact[clone];
        LineSet head;
        head.add_file(own.head);
        const std::string before = own.file;
        // Some of what was deleted is older, and some is not.
        const std::int64_t horizon = x_forgets ? 1000 + x_now - roll(20) : 0;
        own.file = compacted(own.file, horizon, &head).text;
        ASSERT_EQ(compacted(own.file, horizon, &head).text, own.file) << before;
    }

    /// Deletions may be forgotten: what lives is as it would be, what was deleted does not come
    /// back, and what lost to its deletion later is listed.
    void check_forgetting(std::size_t clone) {
        const auto plain = states_of(x_plain[clone].file);
        const auto compact = states_of(x_compact[clone].file);
        SCOPED_TRACE("clone " + std::to_string(clone) + "\nplain:\n" + x_plain[clone].file +
                     "compact:\n" + x_compact[clone].file);
        for (const auto& [id, state] : plain) {
            const auto found = compact.find(id);
            const State there = found == compact.end() ? State{} : found->second;
            ASSERT_EQ(there.live(), state.live()) << id;
            if (state.live()) {
                ASSERT_EQ(there.members.size(), state.members.size()) << id;
                for (std::size_t i = 0; i < state.members.size(); ++i)
                    ASSERT_EQ(there.members[i].raw_value, state.members[i].raw_value);
            }
            for (const LostValue& lost : state.lost) {
                ASSERT_TRUE(std::ranges::any_of(there.lost,
                                                [&](const LostValue& other) {
                                                    return other.name == lost.name &&
                                                           other.raw_value == lost.raw_value;
                                                }))
                    << id << " " << lost.name << " " << lost.raw_value;
            }
        }
    }

    void check(std::size_t clone) {
        if (x_forgets) return check_forgetting(clone);
        ASSERT_EQ(told(x_compact[clone].file), told(x_plain[clone].file))
            << "clone " << clone << "\nplain:\n"
            << x_plain[clone].file << "compact:\n"
            << x_compact[clone].file;
    }

    SeededRandom x_random;
    bool x_foreign;
    bool x_forgets;
    std::int64_t x_now = 0;
    int x_batches = 0;
    std::array<Clone, kClones> x_plain;
    std::array<Clone, kClones> x_compact;
    std::array<std::string, 2> x_origin;
};

int runs() {
    const char* full = std::getenv("TASKSTORE_FULL");
    return full != nullptr && *full != '\0' ? 20'000 : 50;
}

TEST(CompactLaws, ClonesThatCompactSayWhatTheirTwinsSay) {
    for (int seed = 1; seed <= runs() && !HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Twins(static_cast<std::uint64_t>(seed), Twins::Kind::own).run(40);
    }
}

TEST(CompactLaws, ClonesThatForgetDeletionsBringNothingBack) {
    for (int seed = 1; seed <= runs() && !HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Twins(static_cast<std::uint64_t>(seed), Twins::Kind::forgetting).run(40);
    }
}

/// Their lines are joined, not merged: a record of one line without stamps is merged in another way
/// than one of several.
TEST(CompactLaws, SoDoThoseThatOtherProgramsWriteTo) {
    for (int seed = 1; seed <= runs() && !HasFailure(); ++seed) {
        SCOPED_TRACE("seed " + std::to_string(seed));
        Twins(static_cast<std::uint64_t>(seed), Twins::Kind::foreign).run(30);
    }
}

}  // namespace
}  // namespace taskstore::ledger
