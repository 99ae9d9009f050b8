// The rule against examples, and against a model over simulated replicas that knows who had seen
// what.
#include "rounds.hpp"

#include <taskstore/ledger/edit.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>
#include <random>
#include <set>
#include <tuple>

namespace taskstore::ledger {
namespace {

State fold_texts(std::vector<std::string> texts) {
    for (std::string& text : texts) {
        if (!text.empty() && text.back() == '\n') text.pop_back();
    }
    std::vector<Line> lines;
    std::vector<LineDecoder> decoders(texts.size());
    for (std::size_t i = 0; i < texts.size(); ++i) {
        auto line = decoders[i].decode(texts[i]);
        EXPECT_TRUE(line) << texts[i] << line.error().message;
        lines.push_back(std::move(*line));
    }
    return fold({}, lines);
}

std::string value_of(const State& state, std::string_view name) {
    const MemberState* member = state.find(name);
    return member == nullptr ? "" : member->raw_value;
}

const std::string kCreate = encode_edit(
    {}, {}, {{"id", "\"a\""}, {"title", "\"t\""}, {"status", "\"draft\""}, {"big", "1.10"}},
    {100, 0, "p"}, {.by = "ann"});

std::string edit(const std::vector<std::string>& seen, const std::vector<Change>& changes,
                 const Stamp& at) {
    return encode_edit({}, fold_texts(seen), changes, at, {.by = at.replica});
}
std::string remove(const std::vector<std::string>& seen, const Stamp& at) {
    return encode_tombstone({}, fold_texts(seen), at, {.by = at.replica});
}

TEST(Fold, DisjointEditsBothSurvive) {
    const auto ours = edit({kCreate}, {{"title", "\"new\""}}, {110, 0, "p"});
    const auto theirs = edit({kCreate}, {{"status", "\"ready\""}}, {120, 0, "q"});
    const State state = fold_texts({kCreate, ours, theirs});
    EXPECT_EQ(value_of(state, "title"), "\"new\"");
    EXPECT_EQ(value_of(state, "status"), "\"ready\"");
    EXPECT_EQ(value_of(state, "big"), "1.10");
    EXPECT_TRUE(state.lost.empty());
}

TEST(Fold, ALateValueWinsAndTheOtherStaysListed) {
    const auto ours = edit({kCreate}, {{"title", "\"ours\""}}, {110, 0, "p"});
    const auto theirs = edit({kCreate}, {{"title", "\"theirs\""}}, {105, 0, "q"});
    const State state = fold_texts({theirs, kCreate, ours});
    EXPECT_EQ(value_of(state, "title"), "\"ours\"");
    ASSERT_EQ(state.lost.size(), 1U);
    EXPECT_EQ(state.lost[0].raw_value, "\"theirs\"");
    EXPECT_EQ(state.lost[0].by, "q");
}

TEST(Fold, AnEditAfterAnotherLeavesNothingLost) {
    const auto first = edit({kCreate}, {{"status", "\"ready\""}}, {110, 0, "p"});
    const auto second = edit({kCreate, first}, {{"status", "\"active\""}}, {120, 0, "q"});
    const auto third = edit({kCreate, first, second}, {{"title", "\"x\""}}, {130, 0, "p"});
    const State state = fold_texts({third, first, kCreate, second});
    EXPECT_EQ(value_of(state, "status"), "\"active\"");
    EXPECT_TRUE(state.lost.empty());
}

TEST(Fold, ATombstoneBeatsALaterEditOfItsLifeWhichStaysListed) {
    const auto gone = remove({kCreate}, {110, 0, "p"});
    const auto late = edit({kCreate}, {{"title", "\"late\""}}, {150, 0, "q"});
    const State state = fold_texts({kCreate, late, gone});
    EXPECT_TRUE(state.deleted);
    ASSERT_EQ(state.lost.size(), 1U);
    EXPECT_EQ(state.lost[0].raw_value, "\"late\"");
    EXPECT_EQ(state.lost[0].lost_to, LostTo::deletion);
}

TEST(Fold, ADeliberateReCreationStartsANewLife) {
    const auto gone = remove({kCreate}, {110, 0, "p"});
    const auto again =
        edit({kCreate, gone}, {{"id", "\"a\""}, {"title", "\"again\""}}, {120, 0, "p"});
    const State state = fold_texts({again, gone, kCreate});
    EXPECT_TRUE(state.live());
    EXPECT_EQ(state.life, 2U);
    EXPECT_EQ(value_of(state, "status"), "");
    EXPECT_TRUE(state.lost.empty());
}

TEST(Fold, EqualStampsWithUnlikeValuesClashAndTheOrderIsTotal) {
    const std::string one = R"({"id":"a","title":"b","updated_at":5})";
    const std::string two = R"({"id":"a","title":"c","updated_at":5})";
    const State state = fold_texts({one, two});
    EXPECT_EQ(value_of(state, "title"), "\"c\"");
    ASSERT_EQ(state.lost.size(), 1U);
    EXPECT_TRUE(state.lost[0].clash);
    EXPECT_EQ(fold_texts({two, one}), state);
}

TEST(Fold, UnstampedLinesGoByTheirTimes) {
    const std::string one = R"({"id":"a","title":"b","updated_at":5,"created_at":1})";
    const std::string two = R"({"id":"a","title":"c","updated_at":6,"created_at":1})";
    const std::string gone = R"({"id":"a","deleted":true,"updated_at":7})";
    const std::string again = R"({"id":"a","title":"d","updated_at":9,"created_at":8})";
    EXPECT_EQ(value_of(fold_texts({two, one}), "title"), "\"c\"");
    EXPECT_TRUE(fold_texts({two, one}).lost.empty());
    EXPECT_TRUE(fold_texts({two, gone, one}).deleted);
    EXPECT_EQ(value_of(fold_texts({again, two, gone, one}), "title"), "\"d\"");
}

TEST(Fold, RemovedMembersStayRemoved) {
    const auto cut = edit({kCreate}, {{"status", ""}}, {110, 0, "p"});
    const auto other = edit({kCreate}, {{"title", "\"x\""}}, {120, 0, "q"});
    const State state = fold_texts({kCreate, other, cut});
    EXPECT_EQ(value_of(state, "status"), "");
    EXPECT_EQ(value_of(state, "title"), "\"x\"");
}

TEST(Fold, AnEditThatNamesALostValueSettlesIt) {
    const auto ours = edit({kCreate}, {{"title", "\"ours\""}}, {110, 0, "p"});
    const auto theirs = edit({kCreate}, {{"title", "\"theirs\""}}, {105, 0, "q"});
    const State state = fold_texts({kCreate, ours, theirs});
    const auto settled =
        encode_edit({}, state, {}, {130, 0, "p"}, {.settles = {{"title", state.lost[0].stamp}}});
    EXPECT_TRUE(fold_texts({kCreate, ours, theirs, settled}).lost.empty());
    const auto unrelated = edit({kCreate, ours, theirs}, {{"title", "\"third\""}}, {130, 0, "p"});
    EXPECT_EQ(fold_texts({kCreate, ours, theirs, unrelated}).lost.size(), 1U)
        << "nothing is settled by accident";
}

TEST(Fold, AValueThatBothSetAlikeDoesNotComeUpAsLostAfterTheNextEdit) {
    const auto ours = edit({kCreate}, {{"title", "\"same\""}}, {110, 0, "p"});
    const auto theirs = edit({kCreate}, {{"title", "\"same\""}}, {105, 0, "q"});
    const State state = fold_texts({kCreate, ours, theirs});
    EXPECT_TRUE(state.lost.empty());
    ASSERT_EQ(state.agreed, (std::vector<AgreedValue>{{"title", {105, 0, "q"}}}));
    const auto next = encode_edit({}, state, {{"title", "\"next\""}}, {130, 0, "p"},
                                  {.settles = {{"title", state.agreed[0].stamp}}});
    const State after = fold_texts({kCreate, ours, theirs, next});
    EXPECT_TRUE(after.lost.empty());
    EXPECT_TRUE(after.agreed.empty());
    // Who changed it beside them, knowing one of the two, has not seen the other.
    const auto beside = edit({kCreate, ours}, {{"title", "\"beside\""}}, {140, 0, "r"});
    EXPECT_EQ(fold_texts({kCreate, ours, theirs, beside}).lost.size(), 1U);
}

TEST(Fold, OfTimesThatTheStoreSetNoneIsLostToAnother) {
    Shape shape;
    shape.own_members = {"created_at"};
    LineDecoder decoder_a(shape);
    LineDecoder decoder_b(shape);
    LineDecoder decoder_c(shape);
    const std::string one =
        encode_edit(shape, {}, {{"id", "\"a\""}, {"created_at", "5"}}, {100, 0, "p"}, {});
    const std::string two =
        encode_edit(shape, {}, {{"id", "\"a\""}, {"created_at", "7"}}, {101, 0, "q"}, {});
    const std::string none =
        encode_edit(shape, {}, {{"id", "\"a\""}, {"created_at", "null"}}, {102, 0, "r"}, {});
    const auto decode = [](LineDecoder& decoder, const std::string& text) {
        return *decoder.decode(std::string_view(text).substr(0, text.size() - 1));
    };
    std::vector<Line> lines{decode(decoder_a, one), decode(decoder_b, two)};
    const State state = fold(shape, lines);
    EXPECT_EQ(value_of(state, "created_at"), "7");
    EXPECT_TRUE(state.lost.empty());
    EXPECT_EQ(state.agreed.size(), 1U);
    // Whether there is a time at all is another matter.
    lines.push_back(decode(decoder_c, none));
    EXPECT_EQ(fold(shape, lines).lost.size(), 2U);
}

// --- the model
// -------------------------------------------------------------------------------------------------
// Replicas hold sets of lines, act on what they see, and exchange lines. The model keeps for each
// write which writes its author had in sight, and says independently of stamps' short forms what
// must stand and what must be listed.

struct ModelWrite {
    std::size_t line;
    std::string name;
    std::string value;  ///< Empty: removed.
    Stamp at;
    std::uint32_t life;
    std::set<std::size_t> replaces;  ///< Writes that stood or were settled when it was made.
};

class Model {
  public:
    static constexpr std::array kNames{"x", "y"};

    /// An operation: replica, kind (0 x:=, 1 y:=, 2 delete, 3 exchange, 4 x removed).
    void apply(std::size_t replica, int kind, std::size_t peer) {
        auto& mine = x_seen[replica];
        if (kind == 3) {
            auto& other = x_seen[peer];
            mine.insert(other.begin(), other.end());
            other = mine;
            return;
        }
        const State state = fold_of(mine);
        // Wall clocks disagree: each replica is ahead or behind by its own amount.
        const Stamp tick{1000 + x_now + static_cast<std::int64_t>(replica) * 3, 0,
                         std::string(1, static_cast<char>('p' + replica))};
        x_now += 1;
        const Stamp at = *next_stamp(tick, state);
        const std::size_t line = x_lines.size();
        if (kind == 2) {
            if (!state.live()) return;
            EditOptions options{.by = at.replica};
            for (const AgreedValue& agreed : state.agreed)
                options.settles.emplace_back(agreed.name, agreed.stamp);
            x_lines.push_back(encode_tombstone({}, state, at, options));
            Dead dead{line, at, state.life, standing(mine)};
            dead.replaces.merge(beside(mine, dead.replaces));
            x_dead.push_back(dead);
        } else {
            std::vector<Change> changes;
            const std::uint32_t life = state.life == 0 ? 1
                                       : state.deleted ? state.life + 1
                                                       : state.life;
            const std::string name = kNames[kind == 1 ? 1 : 0];
            // Values of x come again, as replicas that agree write them; those of y never do.
            const std::string value = kind == 4   ? ""
                                      : kind == 1 ? std::to_string(x_lines.size())
                                                  : std::to_string(replica % 2);
            if (value.empty() && state.find(name) == nullptr) return;
            const MemberState* before = state.find(name);
            const bool writes = before == nullptr || before->raw_value != value;
            changes.push_back({name, value});
            if (!state.live()) changes.push_back({"id", "\"a\""});
            EditOptions options{.by = at.replica};
            for (const AgreedValue& agreed : state.agreed) {
                if (writes && agreed.name == name) options.settles.emplace_back(name, agreed.stamp);
            }
            x_lines.push_back(encode_edit({}, state, changes, at, options));
            ModelWrite write{line, name, value, at, life, {}};
            const auto stand = standing(mine);
            for (const std::size_t seen : stand) {
                if (x_writes[seen].name == name && x_writes[seen].life == life)
                    write.replaces.insert(seen);
            }
            for (const std::size_t seen : beside(mine, stand)) {
                if (x_writes[seen].name == name && state.live()) write.replaces.insert(seen);
            }
            if (writes) x_writes.push_back(write);
        }
        mine.insert(line);
    }

    void check() const {
        std::set<std::size_t> all;
        for (const auto& seen : x_seen) all.insert(seen.begin(), seen.end());
        if (all.empty()) return;
        const State state = fold_of(all);
        std::uint32_t life = 0;
        for (const ModelWrite& write : x_writes) life = std::max(life, write.life);
        const bool deleted =
            std::ranges::any_of(x_dead, [&](const Dead& dead) { return dead.life == life; });
        ASSERT_EQ(state.life, life);
        ASSERT_EQ(state.deleted, deleted);
        std::set<std::pair<std::string, Stamp>> lost;
        std::set<std::pair<std::string, Stamp>> agreed;
        const std::set<std::size_t> replaced = replaced_in(all);
        for (const char* name : kNames) {
            const ModelWrite* best = nullptr;
            for (const ModelWrite& write : x_writes) {
                if (write.name == name && write.life == life && !deleted &&
                    (best == nullptr || best->at < write.at))
                    best = &write;
            }
            ASSERT_EQ(value_of(state, name), best == nullptr ? "" : best->value) << name;
            for (std::size_t i = 0; i < x_writes.size(); ++i) {
                const ModelWrite& write = x_writes[i];
                if (write.name != name || &write == best || replaced.contains(i)) continue;
                const bool alike = best != nullptr && best->value == write.value;
                (alike ? agreed : lost).emplace(name, write.at);
            }
        }
        std::set<std::pair<std::string, Stamp>> listed;
        for (const LostValue& value : state.lost) listed.emplace(value.name, value.stamp);
        ASSERT_EQ(listed, lost) << dump();
        listed.clear();
        for (const AgreedValue& value : state.agreed) listed.emplace(value.name, value.stamp);
        ASSERT_EQ(listed, agreed) << dump();
        // Order and repeats do not matter; folding a part's lines again with the rest changes
        // nothing.
        std::vector<std::string> texts;
        for (const std::size_t line : all) texts.push_back(x_lines[line]);
        std::vector<std::string> twice(texts.rbegin(), texts.rend());
        twice.insert(twice.end(), texts.begin(), texts.end());
        ASSERT_EQ(fold_texts(twice), state);
    }

    std::string dump() const {
        std::string out;
        for (const std::string& line : x_lines) out += line;
        return out;
    }

  private:
    struct Dead {
        std::size_t line;
        Stamp at;
        std::uint32_t life;
        std::set<std::size_t> replaces;
    };

    State fold_of(const std::set<std::size_t>& lines) const {
        std::vector<std::string> texts;
        for (const std::size_t line : lines) texts.push_back(x_lines[line]);
        return fold_texts(std::move(texts));
    }

    /// The writes that stand for a replica which sees `lines`.
    std::set<std::size_t> standing(const std::set<std::size_t>& lines) const {
        std::map<std::string, std::size_t> best;
        std::uint32_t life = 0;
        for (const ModelWrite& write : x_writes) {
            if (lines.contains(write.line)) life = std::max(life, write.life);
        }
        for (std::size_t i = 0; i < x_writes.size(); ++i) {
            const ModelWrite& write = x_writes[i];
            if (!lines.contains(write.line) || write.life != life) continue;
            const auto found = best.find(write.name);
            if (found == best.end() || x_writes[found->second].at < write.at) best[write.name] = i;
        }
        std::set<std::size_t> out;
        for (const auto& [name, index] : best) out.insert(index);
        return out;
    }

    /// What was replaced knowingly, as far as `lines` tell.
    std::set<std::size_t> replaced_in(const std::set<std::size_t>& lines) const {
        std::set<std::size_t> replaced;
        for (const ModelWrite& write : x_writes) {
            if (lines.contains(write.line))
                replaced.insert(write.replaces.begin(), write.replaces.end());
        }
        for (const Dead& dead : x_dead) {
            if (lines.contains(dead.line))
                replaced.insert(dead.replaces.begin(), dead.replaces.end());
        }
        return replaced;
    }

    /// The writes that say the same as those that stand, for a replica which sees `lines`.
    std::set<std::size_t> beside(const std::set<std::size_t>& lines,
                                 const std::set<std::size_t>& stand) const {
        const std::set<std::size_t> replaced = replaced_in(lines);
        std::set<std::size_t> out;
        for (const std::size_t best : stand) {
            for (std::size_t i = 0; i < x_writes.size(); ++i) {
                if (i != best && lines.contains(x_writes[i].line) && !replaced.contains(i) &&
                    x_writes[i].name == x_writes[best].name &&
                    x_writes[i].value == x_writes[best].value)
                    out.insert(i);
            }
        }
        return out;
    }

    std::vector<std::string> x_lines;
    std::vector<ModelWrite> x_writes;
    std::vector<Dead> x_dead;
    std::array<std::set<std::size_t>, 3> x_seen;
    std::int64_t x_now = 0;
};

void run_history(const std::vector<int>& code) {
    Model model;
    for (const int op : code) {
        model.apply(static_cast<std::size_t>(op % 3), op / 3 % 5,
                    static_cast<std::size_t>((op % 3 + 1 + op / 15) % 3));
    }
    model.check();
}

/// A record as several hands wrote it: mostly each after what it saw, some beside others, some that
/// know no stamps.
std::vector<std::string> random_history(std::mt19937_64& random, std::size_t lines) {
    const auto one_of = [&](std::size_t count) { return random() % count; };
    std::vector<std::string> texts{kCreate};
    for (std::size_t i = 1; i < lines; ++i) {
        const std::int64_t ms = 100 + static_cast<std::int64_t>(i) * 3 -
                                static_cast<std::int64_t>(one_of(5) == 0 ? one_of(9) : 0);
        Stamp at{ms, static_cast<std::uint16_t>(one_of(2)), one_of(2) == 0 ? "p" : "q"};
        std::vector<std::string> seen = texts;
        if (one_of(5) == 0) seen.resize(1 + one_of(seen.size()));
        if (one_of(40) == 0) {
            texts.push_back("{\"id\":\"a\",\"title\":\"u" + std::to_string(i) +
                            "\",\"updated_at\":" + std::to_string(ms) + "}");
            continue;
        }
        const State state = fold_texts(seen);
        at.ms = std::max(at.ms, state.at.ms + 1);
        if (state.live() && one_of(30) == 0) {
            texts.push_back(remove(seen, at));
            continue;
        }
        std::vector<Change> changes;
        if (!state.live()) changes.push_back({"id", "\"a\""});
        constexpr std::array kNames{"title", "status", "big", "more"};
        for (const char* const name : kNames) {
            const bool away = one_of(6) == 0 && state.live();
            if (one_of(3) == 0) changes.push_back({name, away ? "" : std::to_string(one_of(3))});
        }
        EditOptions options{.by = at.replica};
        for (const LostValue& lost : state.lost) {
            if (one_of(2) == 0) options.settles.emplace_back(lost.name, lost.stamp);
        }
        if (one_of(20) == 0) options.lost.push_back({"title", "\"listed\"", {50, 0, "z"}});
        texts.push_back(encode_edit({}, state, changes, at, options));
    }
    return texts;
}

TEST(FoldNext, IsTheFoldOfAllLinesAfterEachOfThem) {
    const int count = rounds(20'000, 100, 30);
    for (std::uint64_t seed = 1; seed <= static_cast<std::uint64_t>(count); ++seed) {
        std::mt19937_64 random(seed);
        std::vector<std::string> texts = random_history(random, 40);
        std::vector<Line> lines;
        LineDecoder decoder;
        for (std::string& text : texts) {
            if (text.ends_with('\n')) text.pop_back();
            auto line = decoder.decode(text);
            ASSERT_TRUE(line) << seed << ": " << text;
            lines.push_back(std::move(*line));
        }
        const auto key = [](const Line& line) { return std::tie(line.at, line.text); };
        std::ranges::sort(lines, [&](const Line& a, const Line& b) { return key(a) < key(b); });
        State state;
        for (std::size_t i = 0; i < lines.size(); ++i) {
            const auto first = std::span(lines).first(i + 1);
            const State next = fold_next({}, state, first);
            state = fold({}, first);
            ASSERT_TRUE(next == state)
                << "seed " << seed << ", line " << i << ": " << lines[i].text;
        }
    }
}

TEST(FoldLaws, HoldForEveryShortHistory) {
    // Every history of up to n operations of 3 replicas over 18 distinct ones (edit, delete,
    // exchange with each peer).
    const auto length = static_cast<std::size_t>(rounds(6, 4, 3));
    std::vector<int> ops;
    for (int op = 0; op < 15; ++op) ops.push_back(op);
    for (int replica = 0; replica < 3; ++replica) ops.push_back(15 + 9 + replica);
    std::vector<std::size_t> digits(length, 0);
    while (!testing::Test::HasFatalFailure()) {
        std::vector<int> code;
        for (const std::size_t digit : digits) code.push_back(ops[digit]);
        run_history(code);
        std::size_t i = 0;
        while (i < length && ++digits[i] == ops.size()) digits[i++] = 0;
        if (i == length) break;
    }
}

TEST(FoldLaws, HoldForRandomLongHistories) {
    const std::uint64_t seed = 20261121;
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    const int count = rounds(1'000'000, 100'000, 3'000);
    for (int round = 0; round < count && !testing::Test::HasFatalFailure(); ++round) {
        std::vector<int> code;
        for (std::uint64_t i = 0; i < 4 + random.next_u64() % 12; ++i)
            code.push_back(static_cast<int>(random.next_u64() % 30));
        run_history(code);
    }
}

}  // namespace
}  // namespace taskstore::ledger
