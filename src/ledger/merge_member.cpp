#include "merge_member.hpp"

#include "merge_value.hpp"

#include <algorithm>
#include <tuple>

namespace taskstore::ledger {
namespace {

/// Fewer are found as fast by looking at all.
constexpr std::size_t kMembersFew = 24;

/// Stamps tell an edit from what it was made on even where it says the same; without them values
/// must do.
bool unchanged(const Version& side, const Version& base) {
    if (!side.stamp.replica.empty() && side.stamp != base.stamp) return false;
    return side.known == base.known && same_value(side.raw, base.raw);
}

template <typename Value>
std::span<const Value> named(const std::vector<Value>& values, std::string_view name) {
    const auto found = std::ranges::equal_range(
        values, name, {}, [](const Value& value) { return std::string_view(value.name); });
    return {found.begin(), found.end()};
}

}  // namespace

Versions::Versions(const State& state) : x_state(&state) {
    if (state.members.size() + state.removed.size() <= kMembersFew) return;
    for (const MemberState& member : state.members) x_members.emplace(member.name, &member);
    for (const RemovedMember& member : state.removed) x_removed.emplace(member.name, &member);
}

Version Versions::of(std::string_view name) const {
    const auto find = [&](const auto& values, const auto& index) {
        if (x_members.empty() && x_removed.empty()) {
            const auto found = std::ranges::find(
                values, name, [](const auto& value) { return std::string_view(value.name); });
            return found == values.end() ? nullptr : &*found;
        }
        const auto found = index.find(name);
        return found == index.end() ? nullptr : found->second;
    };
    if (const MemberState* member = find(x_state->members, x_members))
        return {member->raw_value, member->stamp, true};
    if (const RemovedMember* member = find(x_state->removed, x_removed))
        return {{}, member->stamp, true};
    return {};
}

std::span<const LostValue> lost_of(const State& state, std::string_view name) {
    return named(state.lost, name);
}

std::span<const AgreedValue> agreed_of(const State& state, std::string_view name) {
    return named(state.agreed, name);
}

Corrections::Corrections(const RecordVersions& versions) : x_versions(versions) {
    for (const auto* lines : {&versions.base, &versions.ours, &versions.theirs}) {
        for (const Line* line : *lines) {
            if (line->stamped && line->by == kMergeActor) x_lines.emplace(line->at, line);
        }
    }
}

bool Corrections::comes_from(const std::vector<const Line*>& other, std::string_view name,
                             const Version& version) const {
    constexpr int kStepsMax = 16;
    const auto wrote = [&](const std::vector<const Line*>& lines, const Stamp& stamp) {
        return std::ranges::any_of(lines, [&](const Line* line) {
            if (line->at != stamp) return false;
            const Member* const member = line->find(name);
            return member != nullptr && member->stamp == stamp && member->raw_value == version.raw;
        });
    };
    Stamp stamp = version.stamp;
    for (int step = 0; step < kStepsMax; ++step) {
        const auto line = x_lines.find(stamp);
        const Member* const member = line == x_lines.end() ? nullptr : line->second->find(name);
        if (member == nullptr) return false;
        bool merged_before = false;
        for (const Stamp& said : member->over) {
            if (said == stamp) continue;
            if (wrote(other, said) && !wrote(x_versions.base, said)) return true;
            if (x_lines.contains(said) && said < stamp && !merged_before) {
                merged_before = true;
                stamp = said;
            }
        }
        if (!merged_before) return false;
    }
    return false;
}

Choice MemberMerge::choose(const std::string& name, int later) const {
    const Version base = x_base.of(name);
    Version ours = x_ours.of(name);
    Version theirs = x_theirs.of(name);
    // Who knows no stamps removes a member without leaving one.
    if (!ours.known && base.known) ours = {{}, x_ours.state().at, true};
    if (!theirs.known && base.known) theirs = {{}, x_theirs.state().at, true};
    if (same_value(ours.raw, theirs.raw)) {
        // Of two spellings the larger, so that both mergers take the same one.
        const bool theirs_larger =
            std::tie(ours.raw, ours.stamp) < std::tie(theirs.raw, theirs.stamp);
        const Version& larger = theirs_larger ? theirs : ours;
        return {std::string(larger.raw), larger.stamp};
    }
    const auto take = [](const Version& version) {
        return Choice{std::string(version.raw), version.stamp};
    };
    if (unchanged(ours, base) || restored(x_versions.ours, ours, base, name, theirs))
        return take(theirs);
    if (unchanged(theirs, base) || restored(x_versions.theirs, theirs, base, name, ours))
        return take(ours);
    if (x_corrections.comes_from(x_versions.theirs, name, ours)) return take(theirs);
    if (x_corrections.comes_from(x_versions.ours, name, theirs)) return take(ours);
    const bool ours_first = std::tie(ours.stamp, ours.raw) < std::tie(theirs.stamp, theirs.raw);
    if (values_agree(x_shape, name, ours.raw, theirs.raw)) return take(ours_first ? theirs : ours);
    if (!ours.raw.empty() && !theirs.raw.empty()) {
        const std::string_view first = ours_first ? ours.raw : theirs.raw;
        const std::string_view second = ours_first ? theirs.raw : ours.raw;
        if (auto joined = merge_values(base.raw, first, second))
            return {std::move(joined->raw),
                    {},
                    false,
                    true,
                    ours_first ? ours.stamp : theirs.stamp,
                    ours_first ? joined->first_lost : joined->second_lost,
                    ours_first ? joined->second_lost : joined->first_lost};
    }
    const bool stamped = !ours.stamp.replica.empty() || !theirs.stamp.replica.empty();
    if (stamped && ours.stamp != theirs.stamp) later = ours.stamp < theirs.stamp ? -1 : 1;
    if (later == 0) return {{}, {}, true};
    Choice out = take(later < 0 ? theirs : ours);
    (later < 0 ? out.ours_lost : out.theirs_lost) = true;
    return out;
}

std::vector<std::string> MemberMerge::names() const {
    std::vector<std::string> out;
    for (const State* state : {&x_ours.state(), &x_theirs.state()}) {
        for (const MemberState& member : state->members) out.push_back(member.name);
        for (const RemovedMember& member : state->removed) out.push_back(member.name);
    }
    std::ranges::sort(out);
    const auto same = std::ranges::unique(out);
    out.erase(same.begin(), same.end());
    return out;
}

/// A merge said again what the base says, because a line that it took (a picked one) carried
/// another value along: nobody has changed it. But of a side that has edits made over the other
/// one's value it is what came of them.
bool MemberMerge::restored(const std::vector<const Line*>& lines, const Version& side,
                           const Version& base, std::string_view name, const Version& other) const {
    if (!x_corrections.has(side.stamp) || !same_value(side.raw, base.raw)) return false;
    return std::ranges::none_of(lines, [&](const Line* line) {
        if (line->by == kMergeActor || line->tombstone) return false;
        const Member* const member = line->find(name);
        if (member == nullptr || member->stamp != line->at) return false;
        const bool over = member->over.empty()
                              ? line->stamped && line->from == other.stamp
                              : std::ranges::find(member->over, other.stamp) != member->over.end();
        return over && std::ranges::find(x_versions.base, line) == x_versions.base.end();
    });
}

}  // namespace taskstore::ledger
