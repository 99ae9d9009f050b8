// The laws of the three-way merge: over every short history of a base and two sides, and over
// random long ones. A side appends edits and deletions, as people do, and takes its last line away,
// as `git revert` does.
#include "rounds.hpp"

#include <taskstore/base/clock.hpp>
#include <taskstore/ledger/edit.hpp>
#include <taskstore/ledger/merge.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <set>

namespace taskstore::ledger {
namespace {

using Texts = std::vector<std::string>;

State fold_texts(const Texts& texts) {
    LineDecoder decoder;
    std::vector<Line> lines;
    for (const std::string& text : texts) {
        auto line = decoder.decode(text);
        if (line) lines.push_back(std::move(*line));
    }
    return fold({}, lines);
}

std::string file_of(const Texts& texts) {
    std::string file;
    for (const std::string& text : texts) file += text + "\n";
    return file;
}

Texts texts_of(std::string_view file) {
    Texts texts;
    while (!file.empty()) {
        const std::size_t end = file.find('\n');
        texts.emplace_back(file.substr(0, end));
        file.remove_prefix(end + 1);
    }
    return texts;
}

enum Op : int { a_one, a_two, b_one, delete_it, settle_a, drop_last, kOps };

/// One branch of the ledger.
struct Branch {
    std::string replica;
    std::int64_t clock;  ///< Wall clocks disagree.
    Texts texts;
    bool dropped = false;
    bool deleted = false;

    void apply(int op) {
        ++clock;
        const State state = fold_texts(texts);
        if (op == drop_last) {
            if (texts.empty()) return;
            texts.pop_back();
            dropped = true;
            return;
        }
        const Stamp at = *next_stamp({clock, 0, replica}, state);
        EditOptions options{.by = replica};
        for (const LostValue& lost : state.lost)
            options.settles.emplace_back(lost.name, lost.stamp);
        for (const AgreedValue& agreed : state.agreed)
            options.settles.emplace_back(agreed.name, agreed.stamp);
        if (op == delete_it) {
            if (!state.live()) return;
            deleted = true;
            put(encode_tombstone({}, state, at, options));
            return;
        }
        const std::string name = op == b_one ? "b" : "a";
        const std::string value = op == settle_a ? std::to_string(clock) : op == a_two ? "2" : "1";
        std::vector<Change> changes{{name, value}};
        if (!state.live()) changes.push_back({"id", "\"r\""});
        const MemberState* const before = state.find(name);
        const bool decides = op == settle_a || before == nullptr || before->raw_value != value;
        std::erase_if(options.settles,
                      [&](const auto& known) { return !decides || known.first != name; });
        put(encode_edit({}, state, changes, at, options));
    }
    void put(const std::string& line) { texts.push_back(line.substr(0, line.size() - 1)); }
};

std::set<std::string> set_of(const Texts& texts) {
    return {texts.begin(), texts.end()};
}

std::string raw_of(const State& state, const std::string& name) {
    const MemberState* const member = state.find(name);
    return member == nullptr ? "" : member->raw_value;
}

/// The state without what depends on which lines carry it.
auto said(const State& state) {
    std::map<std::string, std::string> out;
    for (const MemberState& member : state.members) {
        if (member.name != "updated_at") out[member.name] = member.raw_value;
    }
    return std::tuple(state.live(), state.live() ? out : std::map<std::string, std::string>());
}

bool is_listed(const State& state, const std::string& name, const std::string& raw) {
    return std::ranges::any_of(state.lost, [&](const LostValue& lost) {
        return lost.name == name && lost.raw_value == raw;
    });
}

void check(const Texts& base, const Branch& ours, const Branch& theirs) {
    const std::string b = file_of(base);
    const std::string x = file_of(ours.texts);
    const std::string y = file_of(theirs.texts);
    SCOPED_TRACE("base:\n" + b + "ours:\n" + x + "theirs:\n" + y);
    const Merged here = merge_files({b, x, y}, {});
    const Merged there = merge_files({b, y, x}, {});
    ASSERT_EQ(here.clashes, there.clashes);
    // Lines of equal texts on both sides and one side alone.
    EXPECT_EQ(set_of(texts_of(merge_files({b, x, x}, {}).text)), set_of(ours.texts));
    EXPECT_EQ(said(fold_texts(texts_of(merge_files({b, x, b}, {}).text))),
              said(fold_texts(ours.texts)));
    EXPECT_EQ(said(fold_texts(texts_of(merge_files({b, b, y}, {}).text))),
              said(fold_texts(theirs.texts)));
    ASSERT_TRUE(here.clashes.empty()) << "stamped lines never clash";
    EXPECT_EQ(set_of(texts_of(here.text)), set_of(texts_of(there.text)));
    const Texts result = texts_of(here.text);
    EXPECT_EQ(set_of(result).size(), result.size()) << "a line stands twice";
    const State state = fold_texts(result);
    // Once more with the same side: nothing new.
    EXPECT_EQ(said(fold_texts(texts_of(merge_files({x, here.text, x}, {}).text))), said(state));
    const State was = fold_texts(base);
    const State one = fold_texts(ours.texts);
    const State other = fold_texts(theirs.texts);
    if (!ours.dropped && !theirs.dropped) {
        Texts all = ours.texts;
        for (const std::string& text : theirs.texts) {
            if (std::ranges::find(ours.texts, text) == ours.texts.end()) all.push_back(text);
        }
        EXPECT_EQ(result, all) << "of what was appended the merge is the union";
    }
    if (was.live() && one.live() && other.live() && was.life == one.life &&
        was.life == other.life) {
        ASSERT_TRUE(state.live());
        for (const std::string name : {"a", "b"}) {
            const std::string base_raw = raw_of(was, name);
            const std::string ours_raw = raw_of(one, name);
            const std::string theirs_raw = raw_of(other, name);
            const std::string raw = raw_of(state, name);
            const auto stamp = [&](const State& of) {
                const MemberState* const member = of.find(name);
                return member == nullptr ? Stamp{} : member->stamp;
            };
            if (stamp(one) == stamp(was)) {
                EXPECT_EQ(raw, theirs_raw) << name << ": theirs alone changed it";
            } else if (stamp(other) == stamp(was)) {
                EXPECT_EQ(raw, ours_raw) << name << ": ours alone changed it";
            } else {
                EXPECT_TRUE(raw == ours_raw || raw == theirs_raw) << name;
                const std::string loser = raw == ours_raw ? theirs_raw : ours_raw;
                // A side that went back to what was before says nothing that could be lost.
                const bool back = ours_raw == base_raw || theirs_raw == base_raw || ours.dropped ||
                                  theirs.dropped;
                if (!back && loser != raw && !loser.empty()) {
                    EXPECT_TRUE(is_listed(state, name, loser)) << name << ": " << loser;
                }
            }
        }
    }
    // What one side has deleted knowingly does not come back by an edit of the other.
    if (was.live() && !one.live() && ours.deleted && !ours.dropped && !theirs.dropped &&
        other.life == was.life) {
        EXPECT_FALSE(state.live());
    }
}

/// Every sequence of up to `length` operations.
std::vector<std::vector<int>> sequences(std::size_t length) {
    std::vector<std::vector<int>> all{{}};
    for (std::size_t first = 0, n = 0; n < length; ++n) {
        const std::size_t end = all.size();
        for (std::size_t i = first; i < end; ++i) {
            for (int op = 0; op < kOps; ++op) {
                all.push_back(all[i]);
                all.back().push_back(op);
            }
        }
        first = end;
    }
    return all;
}

void run_history(const std::vector<int>& base, const std::vector<int>& ours,
                 const std::vector<int>& theirs, std::int64_t behind) {
    Branch root{"p", 5000, {}};
    for (const int op : base) root.apply(op);
    Branch one{"q", 6000, root.texts};
    Branch other{"r", 6000 - behind, root.texts};
    for (const int op : ours) one.apply(op);
    for (const int op : theirs) other.apply(op);
    check(root.texts, one, other);
}

TEST(MergeLaws, HoldForEveryShortHistory) {
    const auto roots = sequences(full_run() ? 3 : 2);
    const auto sides = sequences(2);
    const int one_of = rounds(1, 7, 49);
    int number = 0;
    for (const auto& root : roots) {
        for (const auto& ours : sides) {
            for (const auto& theirs : sides) {
                // Usually a part of them: the full run has them all.
                if (++number % one_of != 0) continue;
                run_history(root, ours, theirs, 1500);
                if (testing::Test::HasFailure()) return;
            }
        }
    }
}

TEST(MergeLaws, HoldForRandomLongHistories) {
    const std::uint64_t seed = 20261121;
    SCOPED_TRACE("seed " + std::to_string(seed));
    SeededRandom random(seed);
    const auto some = [&](std::uint64_t most) {
        std::vector<int> ops;
        for (std::uint64_t n = random.next_u64() % (most + 1); n > 0; --n)
            ops.push_back(static_cast<int>(random.next_u64() % kOps));
        return ops;
    };
    const int count = rounds(300'000, 1'500, 300);
    for (int round = 0; round < count && !testing::Test::HasFailure(); ++round)
        run_history(some(6), some(8), some(8), static_cast<std::int64_t>(random.next_u64() % 3000));
}

/// What git does with single commits, on a branch of several and a main line, in any order, before
/// and after the branches are merged.
class Picks {
  public:
    explicit Picks(std::uint64_t seed) : x_random(seed) {
        Branch root{"p", 5000, {}};
        // Often the record is made on the branch alone.
        if (x_random.next_u64() % 4 != 0) {
            root.apply(a_one);
            root.apply(b_one);
        }
        x_main = {"q", 6000, root.texts};
        Branch other{"r", 6000 - static_cast<std::int64_t>(x_random.next_u64() % 900), root.texts};
        x_base = root.texts;
        x_commits.push_back(root.texts);
        for (std::uint64_t n = 1 + x_random.next_u64() % 4; n > 0; --n) {
            const std::uint64_t op = x_random.next_u64() % 4;
            other.apply(op == 3 ? int{settle_a} : static_cast<int>(op));
            x_commits.push_back(other.texts);
        }
    }

    void run() {
        for (int i = 0; i < 6 && !testing::Test::HasFailure(); ++i) {
            switch (x_random.next_u64() % 4) {
                case 0:
                    if (fold_texts(x_main.texts).live() || x_main.texts.empty()) edit();
                    break;
                case 1:
                    revert();
                    break;
                case 2:
                    join();
                    break;
                default:
                    pick(1 + x_random.next_u64() % (x_commits.size() - 1));
            }
        }
        if (testing::Test::HasFailure()) return;
        join();
        // Once the branch is in, what it holds cannot be picked again.
        const State before = fold_texts(x_main.texts);
        for (std::size_t i = 1; i < x_commits.size() && !x_reverted; ++i) {
            SCOPED_TRACE("picked again: " + std::to_string(i) + ":\n" + file_of(x_commits[i]) +
                         "onto:\n" + file_of(x_main.texts));
            EXPECT_EQ(said(fold_texts(merged(x_commits[i - 1], x_main.texts, x_commits[i]))),
                      said(before));
        }
    }

  private:
    /// As both directions do it.
    static Texts merged(const Texts& base, const Texts& ours, const Texts& theirs) {
        const Merged here = merge_files({file_of(base), file_of(ours), file_of(theirs)}, {});
        const Merged there = merge_files({file_of(base), file_of(theirs), file_of(ours)}, {});
        EXPECT_TRUE(here.clashes.empty());
        EXPECT_EQ(set_of(texts_of(here.text)), set_of(texts_of(there.text)));
        return texts_of(here.text);
    }

    void edit() {
        const Texts before = x_main.texts;
        x_main.apply(static_cast<int>(x_random.next_u64() % 3));
        x_last = before;
        x_edited = true;
    }

    /// Of the last commit of the main line: what was before it is what is there again.
    void revert() {
        if (!x_last) return;
        const Texts before = *x_last;
        const Texts after = merged(x_main.texts, x_main.texts, before);
        EXPECT_EQ(said(fold_texts(after)), said(fold_texts(before)));
        x_last = x_main.texts;
        x_main.texts = after;
        x_reverted = true;
    }

    void pick(std::size_t i) {
        SCOPED_TRACE("pick of " + std::to_string(i) + " onto:\n" + file_of(x_main.texts));
        const State ours = fold_texts(x_main.texts);
        const State was = fold_texts(x_commits[i - 1]);
        const State now = fold_texts(x_commits[i]);
        const Texts before = x_main.texts;
        x_main.texts = merged(x_commits[i - 1], before, x_commits[i]);
        x_last = before;
        const State after = fold_texts(x_main.texts);
        if (!ours.live() || !was.live()) return;
        ASSERT_TRUE(after.live());
        for (const std::string name : {"a", "b"}) {
            const std::string old = raw_of(was, name);
            const std::string picked = raw_of(now, name);
            const std::string own = raw_of(ours, name);
            const std::string raw = raw_of(after, name);
            if (picked == old) {
                EXPECT_EQ(raw, own) << name << ": the commit does not change it";
            }
            // A line that says again what the base says may be one that went back on purpose.
            const MemberState* const from = was.find(name);
            const MemberState* const mine = ours.find(name);
            const bool as_before = from != nullptr && mine != nullptr && from->stamp == mine->stamp;
            if (as_before || own == picked) {
                EXPECT_EQ(raw, picked) << name;
            }
            EXPECT_TRUE(raw == own || raw == picked) << name;
        }
    }

    /// The whole branch.
    void join() {
        SCOPED_TRACE("joined with:\n" + file_of(x_main.texts));
        const Texts before = x_main.texts;
        const Texts& tip = x_commits.back();
        const State was = fold_texts(x_base);
        const State ours = fold_texts(before);
        const State theirs = fold_texts(tip);
        x_main.texts = merged(x_base, before, tip);
        x_last = before;
        x_base = tip;
        const State after = fold_texts(x_main.texts);
        ASSERT_TRUE(after.live() || !theirs.live() || (was.live() && x_reverted));
        if (!after.live() || !theirs.live()) return;
        for (const std::string name : {"a", "b"}) {
            const std::string raw = raw_of(after, name);
            const std::string old = raw_of(was, name);
            const std::string other = raw_of(theirs, name);
            const std::string own = raw_of(ours, name);
            if (other == own) {
                EXPECT_EQ(raw, own) << name;
            }
            EXPECT_TRUE(raw == own || raw == other) << name;
            // Who changed it alone is heard.
            if (!x_edited && !x_reverted) {
                EXPECT_EQ(raw, other) << name << ": nobody edited here";
            }
            const std::string loser = raw == own ? other : own;
            // What was picked was seen by whoever edited it since, on either side.
            const MemberState* const lost = (raw == own ? theirs : ours).find(name);
            const bool here = lost != nullptr && file_of(before).find("\"" + to_text(lost->stamp) +
                                                                      "\"") != std::string::npos;
            const bool there = std::ranges::any_of(x_commits, [&](const Texts& commit) {
                return raw_of(fold_texts(commit), name) == loser;
            });
            const bool seen = raw == own ? here : there;
            if (loser != raw && loser != old && !loser.empty() && !x_reverted && !seen) {
                EXPECT_TRUE(is_listed(after, name, loser)) << name << ": " << loser;
            }
        }
    }

    SeededRandom x_random;
    Branch x_main;
    Texts x_base;                  ///< The last one that main and branch have in common.
    std::vector<Texts> x_commits;  ///< Of the branch, from where it began.
    std::optional<Texts> x_last;   ///< Main before its last commit.
    bool x_edited = false;
    bool x_reverted = false;
};

TEST(MergeLaws, PicksAndRevertsBeforeAndAfterAMergeSayWhatGitSays) {
    const int count = rounds(300'000, 3'000, 300);
    for (int round = 0; round < count && !testing::Test::HasFailure(); ++round) {
        const auto seed = static_cast<std::uint64_t>(round) + 20261123;
        SCOPED_TRACE("seed " + std::to_string(seed));
        Picks(seed).run();
    }
}

/// A line of a program that knows no stamps: the record as it stands, with one member changed.
std::string plain_line(const State& state, const std::string& name, const std::string& value,
                       std::int64_t at) {
    std::map<std::string, std::string> members{{"a", "0"}, {"b", "0"}};
    for (const MemberState& member : state.members) members[member.name] = member.raw_value;
    members["id"] = "\"r\"";
    members["updated_at"] = std::to_string(at);
    members[name] = value;
    std::string text;
    for (const auto& [key, raw] : members)
        text += (text.empty() ? "{\"" : ",\"") + key + "\":" + raw;
    return text + "}";
}

/// Edits by programs that know stamps, that append lines without, and that rewrite their lines.
Texts mixed_side(const Texts& base, SeededRandom& random, const std::string& replica,
                 std::int64_t clock) {
    Texts texts = base;
    for (std::uint64_t n = random.next_u64() % 3; n > 0; --n) {
        const State state = fold_texts(texts);
        clock += static_cast<std::int64_t>(random.next_u64() % 40);
        const std::int64_t at = std::max(clock, state.at.ms + 1);
        const std::string name = random.next_u64() % 2 == 0 ? "a" : "b";
        const std::string number =
            std::to_string(10 * (1 + random.next_u64() % 4) + (replica == "q" ? 1U : 2U));
        switch (random.next_u64() % 3) {
            case 0: {
                Branch branch{replica, at, texts};
                EditOptions options{.by = replica};
                for (const LostValue& lost : state.lost) {
                    if (lost.name == name) options.settles.emplace_back(name, lost.stamp);
                }
                branch.put(encode_edit({}, state, {{name, number}}, {at, 0, replica}, options));
                texts = branch.texts;
                break;
            }
            case 1:
                texts.push_back(plain_line(state, name, number, at));
                break;
            default:
                texts = {plain_line(state, name, number, at)};
        }
    }
    return texts;
}

Merged merged_in_store(const Texts& base, const Texts& ours, const Texts& theirs) {
    MergeOptions options;
    options.in_store = true;
    const std::string b = file_of(base);
    const std::string x = file_of(ours);
    const std::string y = file_of(theirs);
    Merged there = merge_files({b, y, x}, options);
    Merged here = merge_files({b, x, y}, options);
    EXPECT_EQ(here.clashes, there.clashes);
    if (here.clashes.empty()) {
        EXPECT_EQ(set_of(texts_of(here.text)), set_of(texts_of(there.text)));
    }
    EXPECT_TRUE(here.unlisted.empty());
    return here;
}

/// Of what both sides changed one value stands and the other is listed, whether lines have stamps
/// or not; and stays listed over the next merges, until somebody who has seen it changes the
/// member.
TEST(MergeLaws, WhatLosesIsListedWhetherLinesHaveStampsOrNot) {
    const int count = rounds(300'000, 4'000, 400);
    for (int round = 0; round < count && !testing::Test::HasFailure(); ++round) {
        const auto seed = static_cast<std::uint64_t>(round) + 20261122;
        SCOPED_TRACE("seed " + std::to_string(seed));
        SeededRandom random(seed);
        const Texts base = mixed_side({plain_line({}, "a", "1", 1000)}, random, "p", 2000);
        const Texts ours = mixed_side(base, random, "q", 3000);
        const Texts theirs = mixed_side(base, random, "r", 3020);
        SCOPED_TRACE("base:\n" + file_of(base) + "ours:\n" + file_of(ours) + "theirs:\n" +
                     file_of(theirs));
        const Merged result = merged_in_store(base, ours, theirs);
        if (!result.clashes.empty()) continue;
        const Texts both = texts_of(result.text);
        SCOPED_TRACE("result:\n" + result.text);
        const State state = fold_texts(both);
        const State was = fold_texts(base);
        const State one = fold_texts(ours);
        const State other = fold_texts(theirs);
        for (const std::string name : {"a", "b"}) {
            const std::string old = raw_of(was, name);
            const std::string here = raw_of(one, name);
            const std::string there = raw_of(other, name);
            const std::string raw = raw_of(state, name);
            if (here == there) {
                EXPECT_EQ(raw, here);
                continue;
            }
            EXPECT_TRUE(raw == here || raw == there) << name;
            // A side that says what the base says may have come back to it on purpose.
            const std::string loser = raw == here ? there : here;
            EXPECT_TRUE(loser == old || is_listed(state, name, loser)) << name;
        }
        EXPECT_EQ(said(fold_texts(texts_of(merged_in_store(ours, both, ours).text))), said(state));
        EXPECT_EQ(fold_texts(texts_of(merged_in_store(base, both, theirs).text)).lost, state.lost);
        // Theirs goes on without having seen the merge.
        const Texts later = mixed_side(theirs, random, "r", 3100);
        const Merged next = merged_in_store(theirs, both, later);
        if (!next.clashes.empty()) continue;
        const State after = fold_texts(texts_of(next.text));
        const State goes = fold_texts(later);
        SCOPED_TRACE("later:\n" + file_of(later) + "next:\n" + next.text);
        for (const LostValue& lost : state.lost) {
            const bool agreed = raw_of(after, lost.name) == lost.raw_value;
            // A line without stamps says again what it did not change.
            const bool edit = raw_of(was, lost.name) != lost.raw_value;
            const bool changed = raw_of(goes, lost.name) != raw_of(other, lost.name);
            if (edit && !changed && !agreed) {
                EXPECT_TRUE(is_listed(after, lost.name, lost.raw_value)) << lost.name;
            }
        }
    }
}

}  // namespace
}  // namespace taskstore::ledger
