#include "merge_record.hpp"

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

constexpr std::string_view kActor = "taskstore-merge";
constexpr std::size_t kReplicaBytes = 10;
/// Of times as text the digits after the milliseconds.
constexpr std::size_t kMillisecondDigits = 3;

using Set = std::set<const Line*>;

Set set_of(const Lines& lines) {
    return {lines.begin(), lines.end()};
}

State fold_of(const Shape& shape, const Lines& lines) {
    std::vector<Line> copies;
    copies.reserve(lines.size());
    for (const Line* line : lines) copies.push_back(*line);
    return fold(shape, copies);
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

/// A time to compare lines without stamps by: ms, then what a text says beyond them.
std::pair<std::int64_t, std::string> time_of(const Shape& shape, const Line& line) {
    for (const std::string& name : shape.time_members) {
        const auto member = std::ranges::find(line.members, name, &Member::name);
        if (member == line.members.end()) continue;
        const std::string_view raw = member->raw_value;
        const std::size_t point = raw.find('.');
        std::string beyond;
        if (kind_of_raw(raw) == JsonKind::string && point != std::string_view::npos) {
            std::size_t i = point + 1;
            for (; i < raw.size() && raw[i] >= '0' && raw[i] <= '9'; ++i) {
                if (i > point + kMillisecondDigits) beyond += raw[i];
            }
            while (beyond.ends_with('0')) beyond.pop_back();
        }
        return {line.updated_at, beyond};
    }
    return {line.updated_at, {}};
}

/// A member's version on one side.
struct Version {
    std::string_view raw;  ///< Empty: absent or removed.
    Stamp stamp;
    bool known = false;  ///< The side has it, or removed it.
};

Version version_of(const State& state, std::string_view name) {
    if (const MemberState* member = state.find(name))
        return {member->raw_value, member->stamp, true};
    const auto removed = std::ranges::find(state.removed, name, &RemovedMember::name);
    if (removed != state.removed.end()) return {{}, removed->stamp, true};
    return {};
}

/// Stamps tell an edit from what it was made on even where it says the same; without them values
/// must do.
bool unchanged(const Version& side, const Version& base) {
    if (!side.stamp.replica.empty() && side.stamp != base.stamp) return false;
    return side.known == base.known && same_value(side.raw, base.raw);
}

/// What the merge says of one member.
struct Choice {
    std::string raw;
    bool clash = false;
    /// Both versions are in it: it replaces them, of which this is the older one.
    bool joins = false;
    Stamp older = {};
    /// Both changed it, and of that side not all stands.
    bool ours_lost = false;
    bool theirs_lost = false;
};

class MemberMerge {
  public:
    /// `corrections`: the stamps of lines that merges have added.
    MemberMerge(const Shape& shape, const State& base, const State& ours, const State& theirs,
                const std::set<Stamp>& corrections)
        : x_shape(shape),
          x_base(base),
          x_ours(ours),
          x_theirs(theirs),
          x_corrections(corrections) {}

    /// `later`: of two versions without stamps, <0: ours is older, >0: theirs, 0: nobody knows.
    Choice choose(const std::string& name, int later) const {
        const Version base = version_of(x_base, name);
        Version ours = version_of(x_ours, name);
        Version theirs = version_of(x_theirs, name);
        // Who knows no stamps removes a member without leaving one.
        if (!ours.known && base.known) ours = {{}, x_ours.at, true};
        if (!theirs.known && base.known) theirs = {{}, x_theirs.at, true};
        if (same_value(ours.raw, theirs.raw)) {
            // Of two spellings the larger, so that both mergers take the same one.
            return {std::string(std::max(ours.raw, theirs.raw))};
        }
        if (unchanged(ours, base) || restored(ours, base)) return {std::string(theirs.raw)};
        if (unchanged(theirs, base) || restored(theirs, base)) return {std::string(ours.raw)};
        const bool ours_first = std::tie(ours.stamp, ours.raw) < std::tie(theirs.stamp, theirs.raw);
        if (values_agree(x_shape, name, ours.raw, theirs.raw))
            return {std::string(ours_first ? theirs.raw : ours.raw)};
        if (!ours.raw.empty() && !theirs.raw.empty()) {
            const std::string_view first = ours_first ? ours.raw : theirs.raw;
            const std::string_view second = ours_first ? theirs.raw : ours.raw;
            if (auto joined = merge_values(base.raw, first, second))
                return {std::move(joined->raw),
                        false,
                        true,
                        ours_first ? ours.stamp : theirs.stamp,
                        ours_first ? joined->first_lost : joined->second_lost,
                        ours_first ? joined->second_lost : joined->first_lost};
        }
        const bool stamped = !ours.stamp.replica.empty() || !theirs.stamp.replica.empty();
        if (stamped && ours.stamp != theirs.stamp) later = ours.stamp < theirs.stamp ? -1 : 1;
        if (later == 0) return {{}, true, false};
        Choice out{std::string(later < 0 ? theirs.raw : ours.raw)};
        (later < 0 ? out.ours_lost : out.theirs_lost) = true;
        return out;
    }

    std::vector<std::string> names() const {
        std::set<std::string> out;
        for (const State* state : {&x_ours, &x_theirs}) {
            for (const MemberState& member : state->members) out.insert(member.name);
            for (const RemovedMember& member : state->removed) out.insert(member.name);
        }
        return {out.begin(), out.end()};
    }

  private:
    /// A merge said again what the base says, because a line that it took (a picked one) carried
    /// another value along: nobody has changed it.
    bool restored(const Version& side, const Version& base) const {
        return x_corrections.contains(side.stamp) && same_value(side.raw, base.raw);
    }

    const Shape& x_shape;
    const State& x_base;
    const State& x_ours;
    const State& x_theirs;
    const std::set<Stamp>& x_corrections;
};

/// Members by name; empty: absent.
using Values = std::map<std::string, std::string, std::less<>>;

/// The line of a tracker that rewrites its lines, and knows no stamps.
std::string rewritten(const Shape& shape, const Line& newer, const Line& older,
                      const Values& values) {
    std::string text;
    JsonWriter writer(text);
    writer.begin_object();
    std::set<std::string_view> put;
    for (const Line* line : {&newer, &older}) {
        for (const Member& member : line->members) {
            if (!put.insert(member.name).second) continue;
            const auto value = values.find(member.name);
            const std::string_view raw =
                is_frame_member(shape, member.name) || value == values.end()
                    ? (line == &newer ? member.raw_value : std::string_view())
                    : std::string_view(value->second);
            if (!raw.empty()) writer.key(member.name).raw(raw);
        }
    }
    writer.end_object();
    return text += '\n';
}

bool says(const Shape& shape, const Line& line, const Values& values) {
    std::size_t count = 0;
    for (const Member& member : line.members) {
        if (is_frame_member(shape, member.name)) continue;
        const auto value = values.find(member.name);
        if (value == values.end() || value->second != member.raw_value) return false;
        ++count;
    }
    return count == static_cast<std::size_t>(std::ranges::count_if(
                        values, [](const auto& entry) { return !entry.second.empty(); }));
}

class RecordMerger {
  public:
    RecordMerger(const Shape& shape, RecordVersions versions, bool lists)
        : x_shape(shape), x_versions(std::move(versions)), x_lists(lists) {}

    RecordMerge run() {
        x_base = fold_of(x_shape, x_versions.base);
        x_ours = fold_of(x_shape, x_versions.ours);
        x_theirs = fold_of(x_shape, x_versions.theirs);
        x_stay = survivors(x_versions);
        for (const Lines* lines : {&x_versions.base, &x_versions.ours, &x_versions.theirs}) {
            for (const Line* line : *lines) {
                if (line->stamped && line->by == kActor) x_corrections.insert(line->at);
            }
        }
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
        LineDecoder decoder(x_shape);
        while (!text.empty()) {
            const std::size_t end = text.find('\n');
            const auto line = decoder.decode(text.substr(0, end));
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
        std::erase_if(rest, [&](const Line* line) {
            const bool guess = line->tombstone && line->stamped && line->by == kActor &&
                               std::ranges::any_of(live, [&](const Line* known) {
                                   return known->at == line->from && !known->tombstone;
                               });
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
        const auto unseen = [&](const MemberState& member) {
            const MemberState* now = other.find(member.name);
            return now != nullptr && now->stamp <= x_base.at &&
                   !same_value(now->raw_value, member.raw_value);
        };
        if (std::erase_if(seen.members, unseen) != 0) seen.at = {};
        x_buries = true;
        const bool stamped = std::ranges::any_of(x_versions.base, &Line::stamped);
        return {RecordMerge::Outcome::lines, encode_tombstone(x_shape, seen, at, options()),
                stamped};
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
        const MemberMerge merge(x_shape, x_base, x_ours, x_theirs, x_corrections);
        Values values;
        std::vector<std::string> clashing;
        std::vector<MemberState> lost;
        for (const std::string& name : merge.names()) {
            if (is_frame_member(x_shape, name)) continue;
            Choice choice = merge.choose(name, order);
            if (choice.clash) clashing.push_back(name);
            for (Loser& loser : losers_of(name, choice)) lost.push_back(std::move(loser.value));
            values.emplace(name, std::move(choice.raw));
        }
        const auto written = [&](const Line& line, const Line& other) {
            return says(x_shape, line, values) ? std::string(line.text) + "\n"
                                               : rewritten(x_shape, line, other, values);
        };
        if (!clashing.empty()) {
            const auto side = [&](const State& state, const Line& line, const Line& other) {
                for (const std::string& name : clashing) values[name] = version_of(state, name).raw;
                return written(line, other);
            };
            std::string one = side(x_ours, ours, theirs);
            RecordMerge out = clash(std::move(one), side(x_theirs, theirs, ours));
            out.unlisted = std::move(lost);
            return out;
        }
        const bool ours_newer = order > 0 || (order == 0 && ours.text > theirs.text);
        const Line& newer = ours_newer ? ours : theirs;
        RecordMerge out{RecordMerge::Outcome::replaced, written(newer, ours_newer ? theirs : ours)};
        if (x_lists && !lost.empty())
            note(out.added, newer, values, lost);
        else
            out.unlisted = std::move(lost);
        return out;
    }

    struct Loser {
        MemberState value;
        bool ours = false;
    };
    /// What lost of that member, unless nobody chose it.
    std::vector<Loser> losers_of(const std::string& name, const Choice& choice) const {
        std::vector<Loser> out;
        if (std::ranges::find(x_shape.own_members, name) != x_shape.own_members.end()) return out;
        const auto add = [&](const State& state, bool ours) {
            const Version version = version_of(state, name);
            out.push_back(
                {{name, std::string(version.raw), version.known ? version.stamp : state.at}, ours});
        };
        if (choice.ours_lost) add(x_ours, true);
        if (choice.theirs_lost) add(x_theirs, false);
        return out;
    }

    /// Of a stamp that another value has too, one of its own.
    static Stamp own_stamp(const MemberState& lost) {
        return {lost.stamp.ms, lost.stamp.counter,
                sha256_hex(lost.name + ":" + lost.raw_value).substr(0, kReplicaBytes)};
    }

    /// Makes of the line, which says what `newer` says and `values`, one that lists what lost. Its
    /// time stays: for who knows no stamps nothing is new in it.
    void note(std::string& line, const Line& newer, const Values& values,
              std::vector<MemberState>& lost) const {
        std::vector<ListedValue> listed;
        for (MemberState& value : lost) {
            if (value.stamp == newer.at) value.stamp = own_stamp(value);
            listed.push_back({value.name, value.raw_value, value.stamp});
        }
        line.resize(line.rfind('}'));
        line += ",\"_stamps\":";
        const std::string before = to_text(newer.at);
        JsonWriter writer(line);
        writer.begin_object().key("v").integer(1);
        writer.key("at").string(to_text(Stamp{newer.at.ms, 0, replica_of(x_versions)}));
        writer.key("by").string(kActor).key("from").string(before).key("base").string(before);
        bool any = false;
        for (const auto& [name, raw] : values) {
            const auto member = std::ranges::find(newer.members, name, &Member::name);
            const bool said = member != newer.members.end() && member->raw_value == raw;
            const bool doubtful = std::ranges::any_of(lost, [&](const MemberState& value) {
                return value.name == name && value.stamp.ms == newer.at.ms;
            });
            if (said && !doubtful) continue;
            if (!any) writer.key("f").begin_object();
            any = true;
            writer.key(name).string("");
        }
        if (any) writer.end_object();
        write_lost(writer, listed);
        writer.end_object();
        line += "}\n";
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
        if (half && !has_unstamped()) return out;
        const int order = later();
        const MemberMerge merge(x_shape, x_base, x_ours, x_theirs, x_corrections);
        std::vector<Change> changes;
        EditOptions with = options();
        std::vector<MemberState> unlisted = forgotten(stands);
        for (const std::string& name : merge.names()) {
            if (is_frame_member(x_shape, name) || name == "id") continue;
            Choice choice = merge.choose(name, order);
            for (Loser& loser : losers_of(name, choice)) {
                if (!choice.joins && is_unlisted(stands, loser))
                    unlisted.push_back(std::move(loser.value));
            }
            if (half) continue;
            if (choice.clash) return clash(merge, order);
            const MemberState* now = stands.find(name);
            const std::string_view raw = now == nullptr ? std::string_view() : now->raw_value;
            const auto lost = [&](const auto& is) {
                return std::ranges::any_of(stands.lost, [&](const LostValue& value) {
                    return value.name == name && is(value);
                });
            };
            // Who wrote what stands may have seen the other and decided.
            if (choice.joins && (!choice.older.replica.empty() || same_value(raw, choice.raw)) &&
                !lost([&](const LostValue& value) { return value.stamp == choice.older; }))
                continue;
            // Written by hand under the stamp of another value.
            const bool unclear = lost([](const LostValue& value) { return value.clash; });
            if (same_value(raw, choice.raw) && !choice.joins && !unclear) continue;
            if (choice.joins) {
                replace_all(name, stands, with);
                for (Loser& loser : losers_of(name, choice))
                    unlisted.push_back(std::move(loser.value));
            }
            if (unclear && now != nullptr) with.settles.emplace_back(name, now->stamp);
            changes.push_back({name, std::move(choice.raw)});
        }
        std::erase_if(unlisted, [&](const MemberState& value) {
            const auto change = std::ranges::find(changes, value.name, &Change::name);
            return same_value(value.raw_value, change == changes.end()
                                                   ? version_of(stands, value.name).raw
                                                   : std::string_view(change->raw_value));
        });
        if (half || !x_lists) out.unlisted = std::exchange(unlisted, {});
        if (changes.empty() && unlisted.empty()) return out;
        const Stamp at = stamp();
        if (at.ms <= stands.at.ms) return {RecordMerge::Outcome::clash, {}};
        if (x_lists) keep_unstamped(stands, with, unlisted);
        list(unlisted, stands, with);
        out.added = encode_edit(x_shape, stands, changes, at, with);
        return out;
    }

    /// Into the line that the merge adds. A stamp without a replica is no name: that line, or one
    /// that stays, may replace another value of that time.
    void list(std::vector<MemberState>& unlisted, const State& stands, EditOptions& with) const {
        for (MemberState& value : unlisted) {
            const bool replaced =
                version_of(stands, value.name).stamp == value.stamp || names(x_stay, value) ||
                std::ranges::find(with.settles, std::pair(value.name, value.stamp)) !=
                    with.settles.end();
            if (replaced) value.stamp = own_stamp(value);
            with.lost.push_back({value.name, value.raw_value, value.stamp});
        }
    }

    bool has_unstamped() const {
        const auto plain = [](const Line* line) { return !line->stamped; };
        return std::ranges::any_of(x_versions.ours, plain) ||
               std::ranges::any_of(x_versions.theirs, plain);
    }

    static bool lists(const State& state, const MemberState& value) {
        return std::ranges::any_of(state.lost, [&](const LostValue& lost) {
            return lost.name == value.name && lost.raw_value == value.raw_value &&
                   lost.stamp == value.stamp;
        });
    }

    /// Whether any of the lines was written over it.
    static bool names(const Lines& lines, const MemberState& value) {
        return std::ranges::any_of(lines, [&](const Line* line) {
            const auto in_was = [&](const auto& entry) {
                return entry.first == value.stamp &&
                       std::ranges::find(entry.second, value.name) != entry.second.end();
            };
            if (line->was != nullptr && std::ranges::any_of(line->was->over, in_was)) return true;
            const auto member = std::ranges::find(line->members, value.name, &Member::name);
            if (member == line->members.end() || member->stamp != line->at) return false;
            return member->over.empty()
                       ? line->stamped && line->from == value.stamp
                       : std::ranges::find(member->over, value.stamp) != member->over.end();
        });
    }

    /// By its value: lines without stamps say it again under another time.
    static bool knows(const State& state, const MemberState& value) {
        return same_value(version_of(state, value.name).raw, value.raw_value) ||
               std::ranges::any_of(state.lost, [&](const LostValue& lost) {
                   return lost.name == value.name && same_value(lost.raw_value, value.raw_value);
               });
    }

    /// What a side lists, and would not be listed any more for lines without stamps whose writers
    /// never saw it.
    std::vector<MemberState> forgotten(const State& stands) const {
        std::vector<MemberState> out;
        if (!has_unstamped()) return out;
        const auto look = [&](const State& side, const State& other, const Lines& others) {
            for (const LostValue& lost : side.lost) {
                MemberState value{lost.name, lost.raw_value, lost.stamp};
                const bool settled =
                    !knows(other, value) && (names(others, value) || knows(x_base, value));
                if (!lost.clash && !settled && !lists(stands, value) &&
                    std::ranges::find(out, value) == out.end())
                    out.push_back(std::move(value));
            }
        };
        look(x_ours, x_theirs, x_versions.theirs);
        look(x_theirs, x_ours, x_versions.ours);
        return out;
    }

    bool is_noted(const MemberState& value) const {
        return std::ranges::any_of(x_stay, [&](const Line* line) {
            return std::ranges::any_of(line->lost, [&](const ListedValue& listed) {
                return listed.name == value.name && listed.stamp.ms == value.stamp.ms &&
                       listed.raw_value == value.raw_value;
            });
        });
    }

    /// Values without stamps that are listed, and would not be beside a line made from so late a
    /// version.
    void keep_unstamped(const State& stands, const EditOptions& with,
                        std::vector<MemberState>& unlisted) const {
        for (const LostValue& lost : stands.lost) {
            MemberState value{lost.name, lost.raw_value, lost.stamp};
            const bool settled =
                std::ranges::find(with.settles, std::pair(lost.name, lost.stamp)) !=
                with.settles.end();
            if (lost.stamp.replica.empty() && !lost.clash && !settled && !is_noted(value) &&
                std::ranges::find(unlisted, value) == unlisted.end())
                unlisted.push_back(std::move(value));
        }
    }

    /// Whether nobody who wrote a line that stays has seen it, and none tells of it.
    bool is_unlisted(const State& stands, const Loser& by) const {
        const MemberState& loser = by.value;
        if (is_noted(loser)) return false;
        if (loser.stamp.replica.empty()) {
            // Listed by the fold, it would not outlive the next line with stamps (rule 4).
            return std::ranges::none_of(
                by.ours ? x_versions.theirs : x_versions.ours, [&](const Line* line) {
                    const auto member = std::ranges::find(line->members, loser.name, &Member::name);
                    return member != line->members.end() && member->stamp == loser.stamp &&
                           member->raw_value == loser.raw_value;
                });
        }
        return has_unstamped() && !lists(stands, loser) &&
               !names(by.ours ? x_versions.theirs : x_versions.ours, loser);
    }

    /// Each side's own lines, with one that says what it takes of the other.
    RecordMerge clash(const MemberMerge& merge, int order) const {
        const Stamp at = stamp();
        const auto side = [&](const Lines& own, const Lines& others, const State& state) {
            std::string text;
            const Set elsewhere = set_of(others);
            for (const Line* line : own) {
                if (!elsewhere.contains(line)) text.append(line->text).append("\n");
            }
            std::vector<Change> changes;
            EditOptions with = options();
            for (const std::string& name : merge.names()) {
                if (is_frame_member(x_shape, name) || name == "id") continue;
                Choice choice = merge.choose(name, order);
                if (choice.clash || same_value(version_of(state, name).raw, choice.raw)) continue;
                if (choice.joins) replace_all(name, state, with);
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
    void replace_all(const std::string& name, const State& stands, EditOptions& with) const {
        std::set<Stamp> stamps;
        for (const State* side : {&x_ours, &x_theirs, &stands}) {
            if (side != &stands) stamps.insert(version_of(*side, name).stamp);
            for (const AgreedValue& agreed : side->agreed) {
                if (agreed.name == name) stamps.insert(agreed.stamp);
            }
        }
        for (const Stamp& stamp : stamps) {
            if (!stamp.none() && stamp != version_of(stands, name).stamp)
                with.settles.emplace_back(name, stamp);
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
        out.by = kActor;
        return out;
    }

    const Shape& x_shape;
    RecordVersions x_versions;
    State x_base;
    State x_ours;
    State x_theirs;
    Lines x_stay;
    std::set<Stamp> x_corrections;  ///< Of lines that merges have added.
    bool x_lists;
    bool x_buries = false;
};

}  // namespace

RecordMerge merge_record(const Shape& shape, RecordVersions versions, bool lists) {
    return RecordMerger(shape, std::move(versions), lists).run();
}

}  // namespace taskstore::ledger
