#include "merge_record.hpp"

#include "merge_appended.hpp"
#include "merge_lost.hpp"
#include "merge_member.hpp"
#include "merge_rewrite.hpp"
#include "merge_value.hpp"

#include <taskstore/base/hash.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/ledger/edit.hpp>

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

namespace taskstore::ledger {
namespace {

using Lines = std::vector<const Line*>;

constexpr std::size_t kReplicaBytes = 10;

using Set = std::set<const Line*>;

Set set_of(const Lines& lines) {
    return {lines.begin(), lines.end()};
}

State fold_of(const Shape& shape, const Lines& lines) {
    return fold(shape, std::span(lines));
}

/// What stays: lines of both sides but those that one side dropped from the base.
Lines survivors(const RecordVersions& versions) {
    const Set base = set_of(versions.base);
    const Set ours = set_of(versions.ours);
    const Set theirs = set_of(versions.theirs);
    Lines out;
    for (const Line* line : versions.ours) {
        if (!base.contains(line) || theirs.contains(line)) out.push_back(line);
    }
    for (const Line* line : versions.theirs) {
        if (!base.contains(line) && !ours.contains(line)) out.push_back(line);
    }
    return out;
}

Lines union_of(const RecordVersions& versions) {
    const Set ours = set_of(versions.ours);
    Lines out = versions.ours;
    for (const Line* line : versions.theirs) {
        if (!ours.contains(line)) out.push_back(line);
    }
    return out;
}

/// The replica of the line that the merge adds: whoever merges the same versions, in whichever
/// direction, writes the same line.
ReplicaId replica_of(const RecordVersions& versions) {
    const auto digest = [](const Lines& lines) {
        std::set<std::string_view> texts;
        for (const Line* line : lines) texts.insert(line->text);
        Sha256 hash;
        for (const std::string_view text : texts) {
            hash.update(std::to_string(text.size()) + ":");
            hash.update(text);
        }
        return hash.finish_hex();
    };
    std::string ours = digest(versions.ours);
    std::string theirs = digest(versions.theirs);
    if (theirs < ours) std::swap(ours, theirs);
    return sha256_hex(digest(versions.base) + ours + theirs).substr(0, kReplicaBytes);
}

class RecordMerger {
  public:
    RecordMerger(LineDecoder& decoder, const Shape& shape, RecordVersions versions, bool lists)
        : x_decoder(decoder), x_shape(shape), x_versions(std::move(versions)), x_lists(lists) {}

    RecordMerge run() {
        x_base = fold_of(x_shape, x_versions.base);
        x_ours = fold_of(x_shape, x_versions.ours);
        x_theirs = fold_of(x_shape, x_versions.theirs);
        x_stay = survivors(x_versions);
        const std::vector<std::string_view> dropped = take_back_burials();
        RecordMerge merge = decide();
        if (!dropped.empty() && merge.outcome != RecordMerge::Outcome::clash)
            merge.dropped = dropped;
        // What would be read in another way than it is meant must not stand for the record.
        if (!is_read_as_meant(merge.added) ||
            (merge.sides != nullptr &&
             (!is_read_as_meant(merge.sides->ours) || !is_read_as_meant(merge.sides->theirs))))
            return {RecordMerge::Outcome::clash, {}};
        return merge;
    }

  private:
    bool is_read_as_meant(std::string_view text) const {
        while (!text.empty()) {
            const std::size_t end = text.find('\n');
            const auto line = x_decoder.decode(text.substr(0, end));
            if (!line || line->id != id()) return false;
            if (line->tombstone != x_buries && !is_of_a_side(line->text)) return false;
            text.remove_prefix(end + 1);
        }
        return true;
    }

    bool is_of_a_side(std::string_view text) const {
        const auto is = [&](const Line* line) { return line->text == text; };
        return std::ranges::any_of(x_versions.ours, is) ||
               std::ranges::any_of(x_versions.theirs, is);
    }

    const std::string& id() const {
        return (x_versions.ours.empty() ? x_versions.theirs : x_versions.ours).front()->id;
    }

    /// The tombstones of merges that took a side without a line of the record for one that had
    /// deleted it, because a commit was picked: the base has no line either, so neither side has
    /// deleted what both knew, and here is the side that the commit came from.
    std::vector<std::string_view> take_back_burials() {
        std::vector<std::string_view> out;
        if (!x_versions.base.empty() || x_ours.live() == x_theirs.live()) return out;
        const bool ours = x_theirs.live();
        const Lines& live = ours ? x_versions.theirs : x_versions.ours;
        Lines rest = ours ? x_versions.ours : x_versions.theirs;
        std::set<Stamp> known;
        for (const Line* line : live) {
            if (!line->tombstone) known.insert(line->at);
        }
        std::erase_if(rest, [&](const Line* line) {
            const bool guess = line->tombstone && line->stamped && line->by == kMergeActor &&
                               known.contains(line->from);
            if (guess) out.push_back(line->text);
            return guess;
        });
        const State state = fold_of(x_shape, rest);
        if (out.empty() || !state.live()) return {};
        (ours ? x_ours : x_theirs) = state;
        (ours ? x_versions.ours : x_versions.theirs) = std::move(rest);
        x_stay = survivors(x_versions);
        return out;
    }

    RecordMerge decide() {
        if (x_versions.ours.empty() || x_versions.theirs.empty()) return gone();
        if (!x_ours.live() || !x_theirs.live() || x_ours.life != x_theirs.life) {
            // Both sides dropped lines, and so many that less is left than either side has.
            const State stands = fold_of(x_shape, x_stay);
            const std::uint32_t life = std::max(x_ours.life, x_theirs.life);
            return {
                stands.life < life ? RecordMerge::Outcome::all_lines : RecordMerge::Outcome::lines,
                {}};
        }
        if (x_base.life != x_ours.life) x_base = {};
        return is_rewritten() ? rewrite() : correct();
    }

    /// One side has no line of it.
    RecordMerge gone() {
        const State& other = x_versions.ours.empty() ? x_theirs : x_ours;
        if (x_versions.in_doubt) return {RecordMerge::Outcome::all_lines, {}};
        if (other.life > x_base.life) return {};
        const Set base = set_of(x_versions.base);
        const Lines& lines = x_versions.ours.empty() ? x_versions.theirs : x_versions.ours;
        // Nothing is said of it that the base has not. So it is gone, and no more than that:
        // whether it was deleted here, compacted away, or never was here (git takes the commit
        // before for the base of one that is picked) nobody can tell, and a tombstone would bury it
        // for ever.
        if (std::ranges::all_of(lines, [&](const Line* line) { return base.contains(line); }))
            return {other.live() && !x_base.live() ? RecordMerge::Outcome::all_lines
                                                   : RecordMerge::Outcome::lines,
                    {}};
        // Deleted in the base, and compacted away here: what is new there needs its tombstone.
        if (!x_base.live() || other.deleted) return {RecordMerge::Outcome::all_lines, {}};
        const Stamp at = stamp();
        if (at.ms <= x_base.at.ms) return {RecordMerge::Outcome::clash, {}};
        // An edit by hand may be stamped no later than what was deleted: the tombstone names all
        // that it has seen, and not that one, which stays listed.
        State seen = x_base;
        const Versions others(other);
        const Versions before(x_base);
        const auto unseen = [&](const MemberState& member) {
            const Version now = others.of(member.name);
            return !now.raw.empty() && now.stamp <= x_base.at &&
                   !same_value(now.raw, member.raw_value);
        };
        const auto unseen_new = [&](const MemberState& member) {
            return member.stamp <= x_base.at && before.of(member.name).raw.empty();
        };
        const bool any_new = std::ranges::any_of(other.members, unseen_new);
        if (std::erase_if(seen.members, unseen) != 0 || any_new) seen.at = {};
        x_buries = true;
        const bool stamped = std::ranges::any_of(x_versions.base, &Line::stamped);
        RecordMerge out{RecordMerge::Outcome::lines, encode_tombstone(x_shape, seen, at, options()),
                        stamped};
        if (!x_lists) out.unlisted = edits_of(other);
        return out;
    }

    /// What a side says otherwise than the base.
    std::vector<MemberState> edits_of(const State& side) const {
        std::vector<MemberState> out;
        const Versions before(x_base);
        for (const MemberState& member : side.members) {
            if (!is_frame_member(x_shape, member.name) &&
                !same_value(member.raw_value, before.of(member.name).raw))
                out.push_back(member);
        }
        return out;
    }

    /// A line of a batch counts when the batch is whole, and its other lines may be in other files.
    bool may_be_half() const {
        const Set base = set_of(x_versions.base);
        const auto half = [&](const Line* line) {
            return line->batch && line->batch->count > 1 && !base.contains(line);
        };
        return std::ranges::any_of(x_versions.ours, half) ||
               std::ranges::any_of(x_versions.theirs, half);
    }

    bool is_rewritten() const {
        const auto plain = [](const Lines& lines) {
            return std::ranges::none_of(lines, [](const Line* line) { return line->stamped; });
        };
        return x_versions.ours.size() == 1 && x_versions.theirs.size() == 1 &&
               x_versions.base.size() <= 1 && plain(x_versions.base) && plain(x_versions.ours) &&
               plain(x_versions.theirs);
    }

    int later() const {
        const auto newest = [&](const Lines& lines) {
            std::pair<std::int64_t, std::string> out{-1, {}};
            for (const Line* line : lines) out = std::max(out, time_of(x_shape, *line));
            return out;
        };
        const auto ours = newest(x_versions.ours);
        const auto theirs = newest(x_versions.theirs);
        return ours < theirs ? -1 : ours == theirs ? 0 : 1;
    }

    RecordMerge rewrite() const {
        const Line& ours = *x_versions.ours.front();
        const Line& theirs = *x_versions.theirs.front();
        const int order = later();
        const Versions base_members(x_base);
        const Versions our_members(x_ours);
        const Versions their_members(x_theirs);
        const Corrections corrections(x_versions);
        const MemberMerge merge(x_shape, x_versions, base_members, our_members, their_members,
                                corrections);
        const LostKeeper keeper(x_shape, x_versions, base_members, our_members, their_members,
                                x_stay, x_base);
        Values values;
        std::vector<std::string> clashing;
        std::vector<MemberState> lost;
        for (const std::string& name : merge.names()) {
            if (is_frame_member(x_shape, name)) continue;
            Choice choice = merge.choose(name, order);
            if (choice.clash) clashing.push_back(name);
            for (MemberState& value : keeper.losers(name, choice)) lost.push_back(std::move(value));
            values.emplace(name, std::move(choice.raw));
        }
        const auto written = [&](const Line& line, const Line& other) {
            return rewritten_line(x_shape, line, other, values);
        };
        if (!clashing.empty()) {
            const auto side = [&](const Versions& own, const Line& line, const Line& other) {
                for (const std::string& name : clashing) values[name] = own.of(name).raw;
                return written(line, other);
            };
            std::string one = side(our_members, ours, theirs);
            RecordMerge out = clash(std::move(one), side(their_members, theirs, ours));
            out.unlisted = std::move(lost);
            return out;
        }
        const bool ours_newer = order > 0 || (order == 0 && ours.text > theirs.text);
        const Line& newer = ours_newer ? ours : theirs;
        RecordMerge out{RecordMerge::Outcome::replaced, written(newer, ours_newer ? theirs : ours)};
        if (x_lists && !lost.empty())
            note_lost(out.added, newer, values, lost, replica_of(x_versions));
        else
            out.unlisted = std::move(lost);
        return out;
    }

    static RecordMerge clash(std::string ours, std::string theirs) {
        RecordMerge out{RecordMerge::Outcome::clash, {}};
        out.sides =
            std::make_unique<const ClashSides>(ClashSides{std::move(ours), std::move(theirs)});
        return out;
    }

    RecordMerge correct() const {
        RecordMerge out;
        State stands = fold_of(x_shape, x_stay);
        if (!stands.live() || stands.life != x_ours.life) {
            out.outcome = RecordMerge::Outcome::all_lines;
            stands = fold_of(x_shape, union_of(x_versions));
        }
        const bool half = may_be_half();
        if (half && !has_unstamped(x_versions)) return out;
        const Versions base(x_base);
        const Versions ours(x_ours);
        const Versions theirs(x_theirs);
        const Corrections before(x_versions);
        const MemberMerge merge(x_shape, x_versions, base, ours, theirs, before);
        LostKeeper keeper(x_shape, x_versions, base, ours, theirs, x_stay, stands);
        Correction correction{{}, options(), keeper.forgotten()};
        if (!half) {
            if (!collect(merge, Versions(stands), keeper, correction)) return clash(merge);
        } else {
            for (const std::string& name : merge.names()) {
                for (MemberState& value : keeper.unseen_losers(name, merge.choose(name, later())))
                    correction.unlisted.push_back(std::move(value));
            }
        }
        drop_standing(Versions(stands), correction);
        if (half || !x_lists) out.unlisted = std::exchange(correction.unlisted, {});
        if (correction.changes.empty() && correction.unlisted.empty()) return out;
        const Stamp at = stamp();
        if (at.ms <= stands.at.ms) return {RecordMerge::Outcome::clash, {}};
        if (x_lists) keeper.list(correction.unlisted, correction.with);
        out.added = encode_edit(x_shape, stands, correction.changes, at, correction.with);
        return out;
    }

    struct Correction {
        std::vector<Change> changes;
        EditOptions with;
        std::vector<MemberState> unlisted;  ///< What lost, and no line would tell of.
    };

    /// What the lines that stay do not say by themselves. False: a clash.
    bool collect(const MemberMerge& merge, const Versions& stands, LostKeeper& keeper,
                 Correction& out) const {
        const int order = later();
        const auto take = [&](std::vector<MemberState> values) {
            for (MemberState& value : values) out.unlisted.push_back(std::move(value));
        };
        for (const std::string& name : merge.names()) {
            if (is_frame_member(x_shape, name) || name == "id") continue;
            Choice choice = merge.choose(name, order);
            if (choice.clash) return false;
            if (!choice.joins) take(keeper.unseen_losers(name, choice));
            const Version now = stands.of(name);
            const auto lost = lost_of(stands.state(), name);
            // Who wrote what stands may have seen the other and decided.
            if (choice.joins &&
                (!choice.older.replica.empty() || same_value(now.raw, choice.raw)) &&
                std::ranges::find(lost, choice.older, &LostValue::stamp) == lost.end())
                continue;
            // Written by hand under the stamp of another value.
            const bool unclear = std::ranges::any_of(lost, &LostValue::clash);
            if (same_value(now.raw, choice.raw) && !choice.joins && !unclear) continue;
            if (choice.joins) {
                replace_all(name, stands, out.with);
                take(keeper.losers(name, choice));
            }
            if (!choice.joins) out.with.restates.emplace_back(name, said_again(choice, now));
            if (unclear && !now.raw.empty()) out.with.settles.emplace_back(name, now.stamp);
            out.changes.push_back({name, std::move(choice.raw)});
        }
        return true;
    }

    /// What a line that restores a value is written over: the version that it says again, and what
    /// stands, unless that was only carried along: whoever wrote it may come yet, and has lost
    /// then.
    std::vector<Stamp> said_again(const Choice& choice, const Version& now) const {
        std::vector<Stamp> out;
        if (!choice.stamp.none()) out.push_back(choice.stamp);
        const bool here = now.stamp.replica.empty() || std::ranges::any_of(x_stay, [&](auto* line) {
                              return line->at == now.stamp || line->was != nullptr;
                          });
        if (here && !now.stamp.none() && now.stamp != choice.stamp) out.push_back(now.stamp);
        return out;
    }

    /// What says the same as what will stand has not lost.
    static void drop_standing(const Versions& stands, Correction& correction) {
        std::erase_if(correction.unlisted, [&](const MemberState& value) {
            // In order of names, as they were collected.
            const auto change =
                std::ranges::lower_bound(correction.changes, value.name, {}, &Change::name);
            const bool changes = change != correction.changes.end() && change->name == value.name;
            return same_value(value.raw_value, changes ? std::string_view(change->raw_value)
                                                       : stands.of(value.name).raw);
        });
    }

    /// Each side's own lines, with one that says what it takes of the other.
    RecordMerge clash(const MemberMerge& merge) const {
        const Stamp at = stamp();
        const int order = later();
        const auto side = [&](const Lines& own, const Lines& others, const State& state) {
            std::string text;
            const Versions members(state);
            const Set elsewhere = set_of(others);
            for (const Line* line : own) {
                if (!elsewhere.contains(line)) text.append(line->text).append("\n");
            }
            std::vector<Change> changes;
            EditOptions with = options();
            for (const std::string& name : merge.names()) {
                if (is_frame_member(x_shape, name) || name == "id") continue;
                Choice choice = merge.choose(name, order);
                if (choice.clash || same_value(members.of(name).raw, choice.raw)) continue;
                if (choice.joins) replace_all(name, members, with);
                changes.push_back({name, std::move(choice.raw)});
            }
            if (!changes.empty() && at.ms > state.at.ms)
                text += encode_edit(x_shape, state, changes, at, with);
            return text;
        };
        return clash(side(x_versions.ours, x_versions.theirs, x_ours),
                     side(x_versions.theirs, x_versions.ours, x_theirs));
    }

    /// What the joined value holds: both versions, and whatever says the same as one of them.
    void replace_all(const std::string& name, const Versions& stands, EditOptions& with) const {
        std::set<Stamp> stamps;
        for (const State* side : {&x_ours, &x_theirs, &stands.state()}) {
            for (const AgreedValue& agreed : agreed_of(*side, name)) stamps.insert(agreed.stamp);
            if (side == &stands.state()) continue;
            if (const MemberState* member = side->find(name)) stamps.insert(member->stamp);
            const auto removed = std::ranges::find(side->removed, name, &RemovedMember::name);
            if (removed != side->removed.end()) stamps.insert(removed->stamp);
        }
        const Stamp now = stands.of(name).stamp;
        for (const Stamp& stamp : stamps) {
            if (!stamp.none() && stamp != now) with.settles.emplace_back(name, stamp);
        }
    }

    /// Later than every line of the three versions.
    Stamp stamp() const {
        std::int64_t ms = 0;
        for (const Lines* lines : {&x_versions.base, &x_versions.ours, &x_versions.theirs}) {
            for (const Line* line : *lines) ms = std::max({ms, line->at.ms, line->updated_at});
        }
        return {std::min(ms + 1, kStampMsMax), 0, replica_of(x_versions)};
    }

    static EditOptions options() {
        EditOptions out;
        out.by = kMergeActor;
        return out;
    }

    LineDecoder& x_decoder;
    const Shape& x_shape;
    RecordVersions x_versions;
    State x_base;
    State x_ours;
    State x_theirs;
    Lines x_stay;
    bool x_lists;
    bool x_buries = false;
};

}  // namespace

RecordMerge merge_record(LineDecoder& decoder, const Shape& shape, RecordVersions versions,
                         bool lists) {
    if (is_appended_plainly(shape, versions)) return {};
    return RecordMerger(decoder, shape, std::move(versions), lists).run();
}

}  // namespace taskstore::ledger
