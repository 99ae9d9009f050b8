#include "merge_record.hpp"

#include "merge_value.hpp"

#include <taskstore/base/hash.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/ledger/edit.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace taskstore::ledger {
namespace {

using Lines = std::vector<const Line*>;

constexpr std::string_view kActor = "taskstore-merge";
/// Of times as text the digits after the milliseconds.
constexpr std::size_t kMillisecondDigits = 3;

bool holds(const Lines& lines, const Line& line) {
    return std::ranges::any_of(lines, [&](const Line* other) { return other->text == line.text; });
}

State fold_of(const Shape& shape, const Lines& lines) {
    std::vector<Line> copies;
    copies.reserve(lines.size());
    for (const Line* line : lines) copies.push_back(*line);
    return fold(shape, copies);
}

/// What stays: lines of both sides but those that one side dropped from the base.
Lines survivors(const RecordVersions& versions) {
    Lines out;
    const auto take = [&](const Lines& side, const Lines& other) {
        for (const Line* line : side) {
            const bool dropped = holds(versions.base, *line) && !holds(other, *line);
            if (!dropped && !holds(out, *line)) out.push_back(line);
        }
    };
    take(versions.ours, versions.theirs);
    take(versions.theirs, versions.ours);
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
    return sha256_hex(digest(versions.base) + ours + theirs).substr(0, 10);
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
    const bool stamped = !side.stamp.replica.empty() && !base.stamp.replica.empty();
    if (stamped && side.stamp != base.stamp) return false;
    return side.known == base.known && same_value(side.raw, base.raw);
}

/// What the merge says of one member.
struct Choice {
    std::string raw;
    bool clash = false;
    /// Both versions are in it: it replaces them.
    bool joins = false;
};

class MemberMerge {
  public:
    MemberMerge(const State& base, const State& ours, const State& theirs)
        : x_base(base), x_ours(ours), x_theirs(theirs) {}

    /// `later`: of two versions without stamps, <0: ours is older, >0: theirs, 0: nobody knows.
    Choice choose(const std::string& name, int later) const {
        const Version base = version_of(x_base, name);
        const Version ours = version_of(x_ours, name);
        const Version theirs = version_of(x_theirs, name);
        if (same_value(ours.raw, theirs.raw)) {
            // Of two spellings the larger, so that both mergers take the same one.
            return {std::string(std::max(ours.raw, theirs.raw))};
        }
        if (unchanged(ours, base)) return {std::string(theirs.raw)};
        if (unchanged(theirs, base)) return {std::string(ours.raw)};
        const bool ours_first = std::tie(ours.stamp, ours.raw) < std::tie(theirs.stamp, theirs.raw);
        if (!ours.raw.empty() && !theirs.raw.empty()) {
            const std::string_view first = ours_first ? ours.raw : theirs.raw;
            const std::string_view second = ours_first ? theirs.raw : ours.raw;
            if (auto joined = merge_values(base.raw, first, second))
                return {std::move(*joined), false, true};
        }
        const bool stamped = !ours.stamp.replica.empty() || !theirs.stamp.replica.empty();
        if (stamped && ours.stamp != theirs.stamp)
            return {std::string(ours.stamp < theirs.stamp ? theirs.raw : ours.raw)};
        if (later != 0) return {std::string(later < 0 ? theirs.raw : ours.raw)};
        return {{}, true, false};
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
    const State& x_base;
    const State& x_ours;
    const State& x_theirs;
};

/// The line of a tracker that rewrites its lines, and knows no stamps.
std::string rewritten(const Shape& shape, const Line& newer, const Line& older,
                      const std::map<std::string, std::string, std::less<>>& values) {
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

bool says(const Shape& shape, const Line& line,
          const std::map<std::string, std::string, std::less<>>& values) {
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
    RecordMerger(const Shape& shape, const RecordVersions& versions)
        : x_shape(shape), x_versions(versions) {}

    RecordMerge run() {
        if (!x_versions.base_is_open) x_base = fold_of(x_shape, x_versions.base);
        x_ours = fold_of(x_shape, x_versions.ours);
        x_theirs = fold_of(x_shape, x_versions.theirs);
        x_stay = survivors(x_versions);
        if (x_versions.ours.empty() || x_versions.theirs.empty()) return gone();
        if (!x_ours.live() || !x_theirs.live() || x_ours.life != x_theirs.life) return {};
        if (x_base.life != x_ours.life) x_base = {};
        return is_rewritten() ? rewrite() : correct();
    }

  private:
    /// One side has no line of it.
    RecordMerge gone() const {
        const State& other = x_versions.ours.empty() ? x_theirs : x_ours;
        if (!x_base.live() || other.deleted || other.life > x_base.life) return {};
        return {RecordMerge::Outcome::lines, encode_tombstone(x_shape, x_base, stamp(), options())};
    }

    bool is_rewritten() const {
        const auto plain = [](const Lines& lines) {
            return std::ranges::none_of(lines, [](const Line* line) { return line->stamped; });
        };
        return x_versions.ours.size() == 1 && x_versions.theirs.size() == 1 &&
               (x_versions.base.size() <= 1 || x_versions.base_is_open) && plain(x_versions.base) &&
               plain(x_versions.ours) && plain(x_versions.theirs) &&
               // Where the base's line is still there one side appended, and so does the merge.
               std::ranges::none_of(x_stay, [&](const Line* line) {
                   return x_stay.size() > 1 && holds(x_versions.base, *line);
               });
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
        const MemberMerge merge(x_base, x_ours, x_theirs);
        std::map<std::string, std::string, std::less<>> values;
        for (const std::string& name : merge.names()) {
            if (is_frame_member(x_shape, name)) continue;
            Choice choice = merge.choose(name, order);
            if (choice.clash) return {RecordMerge::Outcome::clash, {}};
            values.emplace(name, std::move(choice.raw));
        }
        const bool ours_newer = order > 0 || (order == 0 && ours.text > theirs.text);
        const Line& newer = ours_newer ? ours : theirs;
        const Line& older = ours_newer ? theirs : ours;
        if (says(x_shape, newer, values))
            return {RecordMerge::Outcome::replaced, std::string(newer.text) + "\n"};
        return {RecordMerge::Outcome::replaced, rewritten(x_shape, newer, older, values)};
    }

    RecordMerge correct() const {
        const State stands = fold_of(x_shape, x_stay);
        const int order = later();
        const MemberMerge merge(x_base, x_ours, x_theirs);
        std::vector<Change> changes;
        EditOptions with = options();
        for (const std::string& name : merge.names()) {
            if (is_frame_member(x_shape, name) || name == "id") continue;
            Choice choice = merge.choose(name, order);
            if (choice.clash) return {RecordMerge::Outcome::clash, {}};
            const MemberState* now = stands.find(name);
            const std::string_view raw = now == nullptr ? std::string_view() : now->raw_value;
            if (!choice.joins && same_value(raw, choice.raw)) continue;
            if (choice.joins) {
                for (const State* side : {&x_ours, &x_theirs}) {
                    const Stamp& stamp = version_of(*side, name).stamp;
                    if (now == nullptr || stamp != now->stamp)
                        with.settles.emplace_back(name, stamp);
                }
            }
            changes.push_back({name, std::move(choice.raw)});
        }
        if (changes.empty()) return {};
        return {RecordMerge::Outcome::lines, encode_edit(x_shape, stands, changes, stamp(), with)};
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
    const RecordVersions& x_versions;
    State x_base;
    State x_ours;
    State x_theirs;
    Lines x_stay;
};

}  // namespace

RecordMerge merge_record(const Shape& shape, const RecordVersions& versions) {
    return RecordMerger(shape, versions).run();
}

}  // namespace taskstore::ledger
