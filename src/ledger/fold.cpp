#include <taskstore/ledger/fold.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

namespace taskstore::ledger {
namespace {

/// A line with its life settled.
struct Placed {
    const Line* line;
    std::uint32_t life;
};

auto order_of(const Line& line) {
    return std::tie(line.at, line.text);
}

/// Rule 1. Lines in ascending order, so that what an unstamped line depends on is settled before
/// it.
std::vector<Placed> place(std::span<const Line> lines) {
    std::vector<Placed> placed;
    placed.reserve(lines.size());
    for (const Line& line : lines) placed.push_back({&line, line.life});
    std::ranges::sort(placed, [](const Placed& a, const Placed& b) {
        return order_of(*a.line) < order_of(*b.line);
    });
    const auto same = std::ranges::unique(
        placed, [](const Placed& a, const Placed& b) { return a.line->text == b.line->text; });
    placed.erase(same.begin(), same.end());
    // Unstamped tombstones first: an edit's life hangs on theirs, theirs on what was stamped before
    // them.
    for (std::size_t i = 0; i < placed.size(); ++i) {
        Placed& item = placed[i];
        if (item.life != 0) continue;
        item.life = 1;
        for (std::size_t k = 0; k < placed.size(); ++k) {
            const Placed& other = placed[k];
            if (item.line->tombstone) {
                if (other.line->at < item.line->at) item.life = std::max(item.life, other.life);
            } else if (other.line->tombstone && other.life != 0 &&
                       item.line->born_at > other.line->at.ms) {
                item.life = std::max(item.life, other.life + 1);
            }
        }
    }
    return placed;
}

struct Write {
    std::string_view raw_value;
    Stamp stamp;
    const Line* line;
    std::uint32_t life;
    bool carried;
};

bool smaller(const Write& a, const Write& b) {
    return std::tie(a.stamp, a.raw_value) < std::tie(b.stamp, b.raw_value);
}

/// Rules 4 and 5 for one member.
class LostFinder {
  public:
    LostFinder(const Shape& shape, const std::vector<Placed>& placed, const State& state)
        : x_shape(shape), x_placed(placed), x_life(state.life), x_deleted(state.deleted) {}

    void find(const std::string& name, const std::vector<Write>& writes, const Write* standing,
              State& state) const {
        std::set<std::pair<Stamp, std::string_view>> seen;
        for (const Write& write : writes) {
            if (!seen.emplace(write.stamp, write.raw_value).second) continue;
            const bool stands = standing != nullptr && write.stamp == standing->stamp &&
                                write.raw_value == standing->raw_value;
            if (stands) continue;
            const bool clash =
                standing != nullptr && write.stamp == standing->stamp && write.life == x_life;
            if (!clash && replaced(name, write)) continue;
            if (standing != nullptr && agree(name, write.raw_value, standing->raw_value)) {
                if (!clash) state.agreed.push_back({name, write.stamp});
                continue;
            }
            state.lost.push_back({name, std::string(write.raw_value), write.stamp,
                                  write.carried ? std::string() : write.line->by,
                                  standing == nullptr && (x_deleted || write.life < x_life)
                                      ? LostTo::deletion
                                      : LostTo::edit,
                                  clash});
        }
    }

  private:
    bool agree(const std::string& name, std::string_view one, std::string_view other) const {
        if (one == other) return true;
        return !one.empty() && !other.empty() && kind_of_raw(one) == kind_of_raw(other) &&
               std::ranges::find(x_shape.own_members, name) != x_shape.own_members.end();
    }

    bool replaced(const std::string& name, const Write& write) const {
        const bool unstamped = write.stamp.replica.empty() && write.stamp.counter == 0;
        for (const Placed& other : x_placed) {
            const Line& line = *other.line;
            if (line.at == write.stamp) continue;
            const bool later = line.at > write.stamp;
            if (later && (!line.stamped || (unstamped && write.stamp <= line.from))) return true;
            if (other.life < write.life) continue;
            const auto member = std::ranges::find(line.members, name, &Member::name);
            const bool named = member != line.members.end();
            if (named && !line.tombstone && member->stamp != line.at)
                continue;  // carried on, not written
            if (named && !member->over.empty()) {
                // Who names a stamp has seen it, whatever the clocks said: what lost in an earlier
                // life may be stamped later than what settles it.
                if (std::ranges::find(member->over, write.stamp) != member->over.end()) return true;
            } else if (later && (named || line.tombstone) && other.life == write.life &&
                       line.from == write.stamp) {
                return true;
            }
        }
        return false;
    }

    const Shape& x_shape;
    const std::vector<Placed>& x_placed;
    std::uint32_t x_life;
    bool x_deleted;
};

}  // namespace

const MemberState* State::find(std::string_view name) const {
    const auto found = std::ranges::find(members, name, &MemberState::name);
    return found == members.end() ? nullptr : &*found;
}

State fold(const Shape& shape, std::span<const Line> lines) {
    State state;
    if (lines.empty()) return state;
    const std::vector<Placed> placed = place(lines);
    state.id = lines.front().id;
    for (const Placed& item : placed) state.life = std::max(state.life, item.life);

    std::map<std::string, std::vector<Write>, std::less<>> writes;
    const Line* latest = nullptr;
    for (const Placed& item : placed) {
        const Line& line = *item.line;
        if (item.life == state.life) {
            state.deleted = state.deleted || line.tombstone;
            if (line.at >= state.at) {
                state.at = line.at;
                state.by = line.by;
            }
            state.updated_at = std::max(state.updated_at, line.updated_at);
            if (!line.tombstone) latest = &line;
        }
        if (line.tombstone) continue;
        for (const Member& member : line.members) {
            writes[member.name].push_back(
                {member.raw_value, member.stamp, &line, item.life, member.stamp != line.at});
        }
    }
    if (state.deleted) latest = nullptr;

    const LostFinder finder(shape, placed, state);
    std::map<std::string, const Write*, std::less<>> standing;
    for (auto& [name, candidates] : writes) {
        // What a line wrote comes before what others carried on from it, so that the writer is
        // named.
        std::ranges::sort(candidates, [](const Write& a, const Write& b) {
            return std::tie(a.carried, a.stamp, a.raw_value, a.line->text) <
                   std::tie(b.carried, b.stamp, b.raw_value, b.line->text);
        });
        const Write* best = nullptr;
        for (const Write& write : candidates) {
            if (write.life == state.life && !state.deleted &&
                (best == nullptr || smaller(*best, write)))
                best = &write;
        }
        if (best != nullptr) standing[name] = best;
        if (!is_frame_member(shape, name) && name != "id")
            finder.find(name, candidates, best, state);
    }
    const auto by_stamp = [](const AgreedValue& a, const AgreedValue& b) {
        return std::tie(a.name, a.stamp) < std::tie(b.name, b.stamp);
    };
    std::ranges::sort(state.agreed, by_stamp);
    // Two own values of one stamp are replaced by naming it once.
    const auto same = std::ranges::unique(state.agreed);
    state.agreed.erase(same.begin(), same.end());
    std::ranges::sort(state.lost, [](const LostValue& a, const LostValue& b) {
        return std::tie(a.name, a.stamp, a.raw_value) < std::tie(b.name, b.stamp, b.raw_value);
    });
    if (latest == nullptr) return state;

    std::set<std::string_view> placed_names;
    const auto put = [&](const std::string& name) {
        const Write& write = *standing.find(name)->second;
        placed_names.insert(standing.find(name)->first);
        if (write.raw_value.empty())
            state.removed.push_back({name, write.stamp});
        else
            state.members.push_back({name, std::string(write.raw_value), write.stamp});
    };
    for (const Member& member : latest->members) {
        if (!placed_names.contains(member.name)) put(member.name);
    }
    std::vector<std::pair<Stamp, std::string>> others;
    for (const auto& [name, write] : standing) {
        if (!placed_names.contains(name)) others.emplace_back(write->stamp, name);
    }
    std::ranges::sort(others);
    for (const auto& [stamp, name] : others) put(name);
    std::ranges::sort(state.removed, {}, &RemovedMember::name);
    return state;
}

std::string to_record_text(const State& state) {
    std::string text;
    JsonWriter writer(text);
    writer.begin_object();
    for (const MemberState& member : state.members) writer.key(member.name).raw(member.raw_value);
    writer.end_object();
    return text;
}

}  // namespace taskstore::ledger
