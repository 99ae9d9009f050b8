#include "merge_lost.hpp"

#include "merge_value.hpp"

#include <taskstore/base/hash.hpp>

#include <algorithm>
#include <iterator>

namespace taskstore::ledger {
namespace {

constexpr std::size_t kReplicaBytes = 10;

}  // namespace

bool has_unstamped(const RecordVersions& versions) {
    const auto plain = [](const Line* line) { return !line->stamped; };
    return std::ranges::any_of(versions.ours, plain) || std::ranges::any_of(versions.theirs, plain);
}

Stamp own_stamp(const MemberState& value) {
    return {value.stamp.ms, value.stamp.counter,
            sha256_hex(value.name + ":" + value.raw_value).substr(0, kReplicaBytes)};
}

std::vector<MemberState> LostKeeper::losers(const std::string& name, const Choice& choice) const {
    std::vector<MemberState> out;
    if (std::ranges::find(x_shape.own_members, name) != x_shape.own_members.end()) return out;
    const auto add = [&](const Versions& side) {
        const Version version = side.of(name);
        out.push_back(
            {name, std::string(version.raw), version.known ? version.stamp : side.state().at});
    };
    if (choice.ours_lost) add(x_ours);
    if (choice.theirs_lost) add(x_theirs);
    return out;
}

std::vector<MemberState> LostKeeper::unseen_losers(const std::string& name, const Choice& choice) {
    std::vector<MemberState> out = losers(name, choice);
    bool ours = choice.ours_lost;
    std::erase_if(out, [&](const MemberState& value) {
        return !is_unseen(value, std::exchange(ours, false));
    });
    return out;
}

bool LostKeeper::is_unseen(const MemberState& value, bool ours) {
    if (is_noted(value)) return false;
    const Lines& others = ours ? x_versions.theirs : x_versions.ours;
    // Listed by the fold, it would not outlive the next line with stamps (fold.hpp, rule 4).
    if (value.stamp.replica.empty())
        return !plain_values(others, ours ? x_plain_theirs : x_plain_ours)
                    .contains({value.name, value.stamp, value.raw_value});
    return has_unstamped(x_versions) && !is_listed(value) &&
           !names(others, ours ? x_replaced_theirs : x_replaced_ours, value);
}

std::vector<MemberState> LostKeeper::forgotten() {
    std::vector<MemberState> out;
    if (!has_unstamped(x_versions)) return out;
    Keys taken;
    const auto look = [&](const State& side, const Versions& other, const Lines& others,
                          std::optional<Keys>& lost, std::optional<Keys>& replaced) {
        for (const LostValue& value : side.lost) {
            MemberState state{value.name, value.raw_value, value.stamp};
            const bool settled = !knows(other, lost, state) && (names(others, replaced, state) ||
                                                                knows(x_base, x_lost_base, state));
            if (!value.clash && !settled && !is_listed(state) &&
                taken.emplace(value.name, value.stamp, value.raw_value).second)
                out.push_back(std::move(state));
        }
    };
    look(x_ours.state(), x_theirs, x_versions.theirs, x_lost_theirs, x_replaced_theirs);
    look(x_theirs.state(), x_ours, x_versions.ours, x_lost_ours, x_replaced_ours);
    return out;
}

void LostKeeper::list(std::vector<MemberState>& values, EditOptions& with) {
    const std::set<std::pair<std::string_view, Stamp>> settled(with.settles.begin(),
                                                               with.settles.end());
    Keys taken;
    for (const MemberState& value : values) taken.emplace(value.name, value.stamp, value.raw_value);
    std::vector<MemberState> more;
    for (const LostValue& lost : x_stands.lost) {
        MemberState value{lost.name, lost.raw_value, lost.stamp};
        if (lost.stamp.replica.empty() && !lost.clash &&
            !settled.contains({lost.name, lost.stamp}) && !is_noted(value) &&
            !taken.contains({lost.name, lost.stamp, lost.raw_value}))
            more.push_back(std::move(value));
    }
    std::ranges::move(more, std::back_inserter(values));
    const Versions stands(x_stands);
    for (MemberState& value : values) {
        // A stamp without a replica is no name: that line, or one that stays, may replace another
        // value of that time.
        if (stands.of(value.name).stamp == value.stamp ||
            settled.contains({value.name, value.stamp}) || names(x_stay, x_replaced_stay, value))
            value.stamp = own_stamp(value);
        with.lost.push_back({value.name, value.raw_value, value.stamp});
    }
}

/// What the lines were written over: member and stamp.
const LostKeeper::Keys& LostKeeper::replaced_by(const Lines& lines,
                                                std::optional<Keys>& keys) const {
    if (keys) return *keys;
    keys.emplace();
    for (const Line* line : lines) {
        if (line->was != nullptr) {
            for (const auto& [stamp, names] : line->was->over) {
                for (const std::string& name : names) keys->emplace(name, stamp, "");
            }
        }
        for (const Member& member : line->members) {
            if (member.stamp != line->at) continue;
            for (const Stamp& stamp : member.over) keys->emplace(member.name, stamp, "");
            if (member.over.empty() && line->stamped) keys->emplace(member.name, line->from, "");
        }
    }
    return *keys;
}

const LostKeeper::Keys& LostKeeper::plain_values(const Lines& lines,
                                                 std::optional<Keys>& keys) const {
    if (keys) return *keys;
    keys.emplace();
    for (const Line* line : lines) {
        for (const Member& member : line->members) {
            if (member.stamp.replica.empty())
                keys->emplace(member.name, member.stamp, member.raw_value);
        }
    }
    return *keys;
}

bool LostKeeper::names(const Lines& lines, std::optional<Keys>& keys,
                       const MemberState& value) const {
    return replaced_by(lines, keys).contains({value.name, value.stamp, ""});
}

/// By its value: lines without stamps say it again under another time.
bool LostKeeper::knows(const Versions& side, std::optional<Keys>& keys,
                       const MemberState& value) const {
    if (same_value(side.of(value.name).raw, value.raw_value)) return true;
    if (!keys) {
        keys.emplace();
        for (const LostValue& lost : side.state().lost)
            keys->emplace(lost.name, Stamp{}, lost.raw_value);
    }
    return keys->contains({value.name, Stamp{}, value.raw_value});
}

bool LostKeeper::is_noted(const MemberState& value) {
    if (!x_noted) {
        x_noted.emplace();
        for (const Line* line : x_stay) {
            for (const ListedValue& listed : line->lost)
                x_noted->emplace(listed.name, Stamp{listed.stamp.ms, 0, {}}, listed.raw_value);
        }
    }
    return x_noted->contains({value.name, Stamp{value.stamp.ms, 0, {}}, value.raw_value});
}

bool LostKeeper::is_listed(const MemberState& value) const {
    const auto lost = lost_of(x_stands, value.name);
    return std::ranges::binary_search(
        lost, std::tie(value.stamp, value.raw_value), {},
        [](const LostValue& one) { return std::tie(one.stamp, one.raw_value); });
}

}  // namespace taskstore::ledger
