#include <taskstore/ledger/fold.hpp>

#include <algorithm>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace taskstore::ledger {
namespace {

/// A line with its life settled.
struct Placed {
    const Line* line;
    std::uint32_t life;
};

/// Tombstones by their time, and the largest life that one before a time ended.
class Burials {
  public:
    /// In ascending order.
    void add(const Placed& tombstone) {
        const std::uint32_t before = x_lives.empty() ? 0 : x_lives.back().second;
        x_lives.emplace_back(tombstone.line->at.ms, std::max(before, tombstone.life));
    }
    std::uint32_t life_before(std::int64_t ms) const {
        const auto end = std::ranges::lower_bound(x_lives, ms, {},
                                                  &std::pair<std::int64_t, std::uint32_t>::first);
        return end == x_lives.begin() ? 0 : std::prev(end)->second;
    }

  private:
    std::vector<std::pair<std::int64_t, std::uint32_t>> x_lives;
};

/// Of lines of a compaction: when the first of the lines began that they stand for.
class Beginnings {
  public:
    explicit Beginnings(const std::vector<Placed>& placed) {
        for (const Placed& item : placed) {
            if (item.line->was != nullptr && !item.line->was->since.none())
                x_lives.emplace_back(item.line->was->since, item.life);
        }
        std::ranges::sort(x_lives);
        for (std::size_t i = 1; i < x_lives.size(); ++i)
            x_lives[i].second = std::max(x_lives[i].second, x_lives[i - 1].second);
    }
    std::uint32_t life_before(const Stamp& stamp) const {
        const auto end =
            std::ranges::lower_bound(x_lives, stamp, {}, &std::pair<Stamp, std::uint32_t>::first);
        return end == x_lives.begin() ? 0 : std::prev(end)->second;
    }

  private:
    std::vector<std::pair<Stamp, std::uint32_t>> x_lives;
};

auto order_of(const Line& line) {
    return std::tie(line.at, line.text);
}

/// Rule 1. Lines in ascending order, so that what an unstamped line depends on is settled before
/// it.
std::vector<Placed> place(std::span<const Line* const> lines) {
    std::vector<Placed> placed;
    placed.reserve(lines.size());
    for (const Line* line : lines) placed.push_back({line, line->life});
    std::ranges::sort(placed, [](const Placed& a, const Placed& b) {
        return order_of(*a.line) < order_of(*b.line);
    });
    const auto same = std::ranges::unique(
        placed, [](const Placed& a, const Placed& b) { return a.line->text == b.line->text; });
    placed.erase(same.begin(), same.end());
    // Unstamped tombstones first: an edit's life hangs on theirs, theirs on what was stamped before
    // them.
    Burials stamped;
    for (const Placed& item : placed) {
        if (item.line->tombstone && item.life != 0) stamped.add(item);
    }
    Burials unstamped;
    const Beginnings folded(placed);
    std::uint32_t earlier = 0;  // the largest life among the lines of smaller stamps
    std::uint32_t same_stamp = 0;
    for (std::size_t i = 0; i < placed.size(); ++i) {
        Placed& item = placed[i];
        if (i > 0 && placed[i - 1].line->at < item.line->at)
            earlier = std::max(earlier, std::exchange(same_stamp, 0));
        if (item.life == 0 && item.line->tombstone) {
            item.life = std::max({1U, earlier, folded.life_before(item.line->at)});
            unstamped.add(item);
        } else if (item.life == 0) {
            const std::int64_t born_at = item.line->born_at;
            item.life = 1 + std::max(stamped.life_before(born_at), unstamped.life_before(born_at));
        }
        same_stamp = std::max(same_stamp, item.life);
    }
    return placed;
}

struct Write {
    std::string_view raw_value;
    Stamp stamp;
    const Line* line;
    std::uint32_t life;
    std::size_t placed_at;  ///< Of its line among the placed ones.
    bool carried;
    bool listed = false;  ///< Rule 7.
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
              State& state) {
        Values seen;
        Values listed;
        std::set<Stamp> written;  // what was written comes before what was carried on
        for (const Write& write : writes) {
            if (write.listed) {
                find_listed(name, write, standing, state, listed);
                continue;
            }
            if (!seen.emplace(write.stamp, write.raw_value).second) continue;
            const bool stands = standing != nullptr && write.stamp == standing->stamp &&
                                write.raw_value == standing->raw_value;
            if (stands) continue;
            const bool clash =
                standing != nullptr && write.stamp == standing->stamp && write.life == x_life;
            if (!write.carried) written.insert(write.stamp);
            // Rule 4: carried along by a line that was picked without the one that wrote it.
            if (write.carried && !clash && !write.stamp.replica.empty() &&
                !written.contains(write.stamp))
                continue;
            if (!clash && replaced(name, write)) continue;
            if (standing != nullptr &&
                values_agree(x_shape, name, write.raw_value, standing->raw_value)) {
                if (!clash) state.agreed.push_back({name, write.stamp});
                continue;
            }
            listed.emplace(write.stamp, write.raw_value);
            state.lost.push_back({name, std::string(write.raw_value), write.stamp,
                                  std::string(writer_of(*write.line, write.stamp)),
                                  lost_to(write, standing), clash});
        }
    }

  private:
    LostTo lost_to(const Write& write, const Write* standing) const {
        return standing == nullptr && (x_deleted || write.life < x_life) ? LostTo::deletion
                                                                         : LostTo::edit;
    }

    using Values = std::set<std::pair<Stamp, std::string_view>>;

    /// `listed`: values of that member that are.
    void find_listed(const std::string& name, const Write& write, const Write* standing,
                     State& state, Values& listed) {
        if (standing != nullptr && write.stamp == standing->stamp &&
            write.raw_value == standing->raw_value)
            return;
        if (x_after.empty()) index();
        const auto later = std::ranges::upper_bound(
            x_placed, write.line->at, {}, [](const Placed& item) { return item.line->at; });
        if (later != x_placed.end() &&
            x_after[static_cast<std::size_t>(later - x_placed.begin())].has_unstamped)
            return;
        if (named(name, write)) return;
        if (standing != nullptr &&
            values_agree(x_shape, name, write.raw_value, standing->raw_value)) {
            state.agreed.push_back({name, write.stamp});
            return;
        }
        // Two lines may list it, and the one that wrote it may be here.
        if (listed.emplace(write.stamp, write.raw_value).second)
            state.lost.push_back({name,
                                  std::string(write.raw_value),
                                  write.stamp,
                                  {},
                                  lost_to(write, standing),
                                  false});
    }

    bool replaced(const std::string& name, const Write& write) {
        if (x_after.empty()) index();
        const bool unstamped = write.stamp.replica.empty() && write.stamp.counter == 0;
        const auto later = std::ranges::upper_bound(
            x_placed, write.stamp, {}, [](const Placed& item) { return item.line->at; });
        if (later != x_placed.end()) {
            const auto& after = x_after[static_cast<std::size_t>(later - x_placed.begin())];
            if (after.has_unstamped || (unstamped && write.stamp <= after.from)) return true;
        }
        // A tombstone ends all but the members for which it says otherwise.
        const auto ended = x_ended.find({write.stamp, write.life});
        if (ended != x_ended.end()) {
            const auto but = ended->second.named.find(name);
            if (ended->second.count > (but == ended->second.named.end() ? 0 : but->second))
                return true;
        }
        return this->named(name, write);
    }

    /// Who names a stamp has seen it, whatever the clocks said: what lost in an earlier life may be
    /// stamped later than what settles it.
    bool named(const std::string& name, const Write& write) const {
        const auto written = x_written.find(name);
        if (written == x_written.end()) return false;
        const auto life = written->second.named.find(write.stamp);
        return (life != written->second.named.end() && life->second >= write.life) ||
               written->second.followed.contains({write.stamp, write.life});
    }

    /// What the lines from one on say of any member before them.
    struct After {
        bool has_unstamped = false;
        Stamp from;  ///< The largest.
    };
    /// What the lines that wrote a member say of what they replaced.
    struct Written {
        std::map<Stamp, std::uint32_t> named;  ///< In `over`, by the largest life of who did.
        std::set<std::pair<Stamp, std::uint32_t>> followed;  ///< By `from`, within a life.
    };

    /// Tombstones.
    struct Ended {
        std::size_t count = 0;
        std::map<std::string_view, std::size_t> named;  ///< How many of them name that member.
    };

    void index() {
        x_after.resize(x_placed.size());
        for (std::size_t i = x_placed.size(); i-- > 0;) {
            const Line& line = *x_placed[i].line;
            x_after[i] = i + 1 < x_placed.size() ? x_after[i + 1] : After{};
            x_after[i].has_unstamped = x_after[i].has_unstamped || !line.stamped;
            x_after[i].from = std::max(x_after[i].from, line.from);
            if (line.was != nullptr) x_after[i].from = std::max(x_after[i].from, line.was->from);
        }
        for (const Placed& item : x_placed) {
            const Line& line = *item.line;
            const bool follows = line.at > line.from;
            if (line.tombstone && follows) {
                Ended& ended = x_ended[{line.from, item.life}];
                ++ended.count;
                for (const Member& member : line.members) ++ended.named[member.name];
            }
            if (line.was != nullptr) add_replaced(*line.was, item.life);
            for (const Member& member : line.members) {
                if (!line.tombstone && member.stamp != line.at) continue;  // carried on
                Written& written = x_written[member.name];
                for (const Stamp& stamp : member.over) {
                    if (stamp == line.at) continue;
                    std::uint32_t& life = written.named[stamp];
                    life = std::max(life, item.life);
                }
                if (member.over.empty() && follows && line.was == nullptr)
                    written.followed.emplace(line.from, item.life);
            }
        }
    }

    void add_replaced(const Folded& was, std::uint32_t by_life) {
        for (const auto& [stamp, names] : was.over) {
            for (const std::string& name : names) {
                std::uint32_t& life = x_written[name].named[stamp];
                life = std::max(life, by_life);
            }
        }
    }

    const Shape& x_shape;
    const std::vector<Placed>& x_placed;
    std::uint32_t x_life;
    bool x_deleted;
    std::vector<After> x_after;  ///< One per placed line.
    std::map<std::string, Written, std::less<>> x_written;
    std::map<std::pair<Stamp, std::uint32_t>, Ended> x_ended;  ///< By `from`, within a life.
};

using Writes = std::map<std::string, std::vector<Write>, std::less<>>;
using Standing = std::map<std::string, const Write*, std::less<>>;

/// Takes a line in: what it says of the record, and of its members.
void take(const std::vector<Placed>& placed, std::size_t at, State& state, const Line*& latest,
          Writes& writes) {
    const Placed& item = placed[at];
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
    if (line.tombstone) return;
    for (const Member& member : line.members)
        writes[member.name].push_back({member.raw_value, member.stamp, &line, item.life, at,
                                       line.was == nullptr && member.stamp != line.at});
    for (const ListedValue& value : line.lost)
        writes[value.name].push_back(
            {value.raw_value, value.stamp, &line, item.life, at, true, true});
}

/// In the order of the latest line, then the others by (stamp, name).
void put_members(const Line& latest, const Standing& standing, State& state) {
    std::set<std::string_view> placed_names;
    const auto put = [&](const std::string& name) {
        const Write& write = *standing.find(name)->second;
        placed_names.insert(standing.find(name)->first);
        if (write.raw_value.empty())
            state.removed.push_back({name, write.stamp});
        else
            state.members.push_back({name, std::string(write.raw_value), write.stamp});
    };
    for (const Member& member : latest.members) {
        if (!placed_names.contains(member.name)) put(member.name);
    }
    std::vector<std::pair<Stamp, std::string>> others;
    for (const auto& [name, write] : standing) {
        if (!placed_names.contains(name)) others.emplace_back(write->stamp, name);
    }
    std::ranges::sort(others);
    for (const auto& [stamp, name] : others) put(name);
    std::ranges::sort(state.removed, {}, &RemovedMember::name);
}

/// What the fold promises of its lists: their order, and nothing twice.
void sort_lists(State& state) {
    std::ranges::sort(state.agreed, [](const AgreedValue& a, const AgreedValue& b) {
        return std::tie(a.name, a.stamp) < std::tie(b.name, b.stamp);
    });
    // Two own values of one stamp are replaced by naming it once.
    const auto same = std::ranges::unique(state.agreed);
    state.agreed.erase(same.begin(), same.end());
    std::ranges::sort(state.lost, [](const LostValue& a, const LostValue& b) {
        return std::tie(a.name, a.stamp, a.raw_value) < std::tie(b.name, b.stamp, b.raw_value);
    });
}

}  // namespace

const MemberState* State::find(std::string_view name) const {
    const auto found = std::ranges::find(members, name, &MemberState::name);
    return found == members.end() ? nullptr : &*found;
}

State fold(const Shape& shape, std::span<const Line> lines) {
    std::vector<const Line*> pointers;
    pointers.reserve(lines.size());
    for (const Line& line : lines) pointers.push_back(&line);
    return fold(shape, std::span<const Line* const>(pointers));
}

State fold(const Shape& shape, std::span<const Line* const> lines) {
    State state;
    if (lines.empty()) return state;
    const std::vector<Placed> placed = place(lines);
    state.id = lines.front()->id;
    for (const Placed& item : placed) state.life = std::max(state.life, item.life);

    Writes writes;
    const Line* latest = nullptr;
    for (std::size_t at = 0; at < placed.size(); ++at) take(placed, at, state, latest, writes);
    if (state.deleted) latest = nullptr;

    LostFinder finder(shape, placed, state);
    Standing standing;
    for (auto& [name, candidates] : writes) {
        // What a line wrote comes before what others carried on from it, so that the writer is
        // named.
        std::ranges::sort(candidates, [](const Write& a, const Write& b) {
            // Not by their text: lines are long, and placed in one order already.
            return std::tie(a.carried, a.stamp, a.raw_value, a.placed_at) <
                   std::tie(b.carried, b.stamp, b.raw_value, b.placed_at);
        });
        const Write* best = nullptr;
        for (const Write& write : candidates) {
            if (write.life == state.life && !state.deleted && !write.listed &&
                (best == nullptr || smaller(*best, write)))
                best = &write;
        }
        if (best != nullptr) standing[name] = best;
        if (!is_frame_member(shape, name) && name != "id")
            finder.find(name, candidates, best, state);
    }
    sort_lists(state);
    if (latest == nullptr) return state;

    put_members(*latest, standing, state);
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
