// The fold of one line more, where that line says by itself what became of the record.

#include <taskstore/ledger/fold.hpp>

#include <algorithm>

namespace taskstore::ledger {
namespace {

bool is_unstamped(const Stamp& stamp) {
    return stamp.replica.empty() && stamp.counter == 0;
}

/// Whether a written member replaces the one of that stamp, by rule 4.
bool replaces(const Line& line, const Member& member, const Stamp& stamp) {
    return member.over.empty() ? stamp == line.from
                               : std::ranges::find(member.over, stamp) != member.over.end();
}

/// The line's members by name, to be looked up while the members before are walked in order.
class Members {
  public:
    explicit Members(const Line& line) {
        x_members.reserve(line.members.size());
        for (const Member& member : line.members) x_members.push_back(&member);
        std::ranges::sort(x_members, {}, [](const Member* member) { return member->name; });
    }
    const Member* find(std::string_view name) const {
        const auto at = std::ranges::lower_bound(x_members, name, {}, [](const Member* member) {
            return std::string_view(member->name);
        });
        return at == x_members.end() || (*at)->name != name ? nullptr : *at;
    }
    bool has_twice() const {
        return std::ranges::adjacent_find(x_members, {}, [](const Member* member) {
                   return std::string_view(member->name);
               }) != x_members.end();
    }

  private:
    std::vector<const Member*> x_members;
};

/// Whether the line carries on or replaces each member that stands: then nothing else has a say.
bool says_all(const Shape& shape, const State& before, const Line& line, const Members& members) {
    if (members.has_twice()) return false;
    std::size_t known = 0;
    const auto goes_on = [&](const std::string& name, std::string_view raw_value,
                             const Stamp& stamp) {
        const Member* const now = members.find(name);
        if (now == nullptr) return false;
        ++known;
        if (is_frame_member(shape, name) || name == "id") return true;
        if (now->stamp == line.at) return replaces(line, *now, stamp);
        return now->stamp == stamp && now->raw_value == raw_value && now->over.empty();
    };
    for (const MemberState& member : before.members) {
        if (!goes_on(member.name, member.raw_value, member.stamp)) return false;
    }
    for (const RemovedMember& member : before.removed) {
        if (!goes_on(member.name, {}, member.stamp)) return false;
    }
    if (known < line.members.size()) {
        for (const Member& member : line.members) {
            const bool stood = before.find(member.name) != nullptr ||
                               std::ranges::find(before.removed, member.name,
                                                 &RemovedMember::name) != before.removed.end();
            if (!stood && member.stamp != line.at) return false;
        }
    }
    return true;
}

/// What becomes of the values that are listed; false: all lines are to be asked.
bool say_lost(const Shape& shape, const State& before, const Line& line, const Members& members,
              State& after) {
    const auto written = [&](const std::string& name, const Stamp& stamp, const Member*& now) {
        now = members.find(name);
        return is_unstamped(stamp) || now == nullptr || now->stamp == line.at;
    };
    const Member* now = nullptr;
    for (const AgreedValue& agreed : before.agreed) {
        if (written(agreed.name, agreed.stamp, now)) return false;
    }
    for (const LostValue& lost : before.lost) {
        if (written(lost.name, lost.stamp, now)) {
            if (is_unstamped(lost.stamp) || now == nullptr || lost.clash ||
                lost.lost_to != LostTo::edit || lost.stamp == line.from || lost.stamp == line.at)
                return false;
            if (replaces(line, *now, lost.stamp)) continue;
            if (values_agree(shape, lost.name, lost.raw_value, now->raw_value)) return false;
        }
        after.lost.push_back(lost);
    }
    after.agreed = before.agreed;
    return true;
}

}  // namespace

State fold_next(const Shape& shape, const State& before, std::span<const Line> lines) {
    const Line& line = lines.back();
    const bool follows = before.live() && line.stamped && !line.tombstone && line.was == nullptr &&
                         line.lost.empty() && line.life == before.life && line.from == before.at &&
                         before.at < line.at;
    if (!follows) return fold(shape, lines);
    const Members members(line);
    if (!says_all(shape, before, line, members)) return fold(shape, lines);
    State after = fold(shape, {&line, 1});
    if (!say_lost(shape, before, line, members, after)) return fold(shape, lines);
    after.updated_at = std::max(after.updated_at, before.updated_at);
    return after;
}

}  // namespace taskstore::ledger
