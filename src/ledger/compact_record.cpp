#include "compact_record.hpp"

#include "compact_fold.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <tuple>

namespace taskstore::ledger {
namespace {

using Lines = std::vector<RecordLine*>;

/// What the lines replaced, where their batches were, and when they began.
void collect(const Shape& shape, const Lines& lines, Folding& folding) {
    const auto wrote_at = [&](const Stamp& at, const std::string& name) {
        bool known = false;
        auto place = std::ranges::lower_bound(lines, at, {},
                                              [](const RecordLine* item) { return item->line.at; });
        for (; place != lines.end() && (*place)->line.at == at; ++place) {
            const RecordLine* const item = *place;
            known = true;
            const Member* member = item->line.find(name);
            if (member != nullptr && member->stamp == at) return true;
        }
        return !known;  // who knows
    };
    for (const RecordLine* item : lines) {
        const Line& line = item->line;
        const Stamp& first =
            line.was == nullptr || line.was->since.none() ? line.at : line.was->since;
        if (folding.since.none() || first < folding.since) folding.since = first;
        folding.from = std::max(folding.from, line.from);
        if (line.batch && line.batch->count > 1) folding.batches.push_back(*line.batch);
        if (line.was != nullptr) {
            folding.from = std::max(folding.from, line.was->from);
            for (const auto& [stamp, names] : line.was->over) {
                for (const std::string& name : names) say_over(folding, stamp, name);
            }
            for (const Batch& batch : line.was->batches) folding.batches.push_back(batch);
        }
        for (const Member& member : line.members) {
            if (!is_content(shape, member.name)) continue;
            if (!line.tombstone && member.stamp != line.at) continue;  // carried on
            for (const Stamp& stamp : member.over) {
                if (stamp != line.at) say_over(folding, stamp, member.name);
            }
            if (member.over.empty() && !line.tombstone && line.was == nullptr &&
                !line.from.none() && line.from < line.at && wrote_at(line.from, member.name))
                say_over(folding, line.from, member.name);
        }
    }
    const auto place = [](const Batch& a) { return std::tie(a.id, a.number); };
    std::ranges::sort(folding.batches,
                      [&](const Batch& a, const Batch& b) { return place(a) < place(b); });
    const auto same = std::ranges::unique(
        folding.batches, [&](const Batch& a, const Batch& b) { return place(a) == place(b); });
    folding.batches.erase(same.begin(), same.end());
}

/// Who wrote the standing value of that stamp, as the fold of the lines names them.
std::string_view writer_in(const Lines& lines, std::string_view name, const Stamp& stamp) {
    auto place = std::ranges::lower_bound(lines, stamp, {},
                                          [](const RecordLine* item) { return item->line.at; });
    for (; place != lines.end() && (*place)->line.at == stamp; ++place) {
        if ((*place)->line.was == nullptr) return (*place)->line.by;
    }
    for (const RecordLine* item : lines) {
        if (item->line.was == nullptr) continue;
        const Member* member = item->line.find(name);
        if (member != nullptr && member->stamp == stamp) return writer_of(item->line, stamp);
    }
    return {};
}

void name_writer(const Lines& lines, std::string_view name, const Stamp& stamp, Folding& folding) {
    if (stamp == folding.latest->at || folding.by.contains(stamp)) return;
    const std::string_view by = writer_in(lines, name, stamp);
    if (by != folding.latest->by) folding.by.emplace(stamp, by);
}

/// Whether each line was made from the one before it and holds all of it: then the last one is the
/// state, and nothing lost.
bool follows(const Shape& shape, const Line& line, const Line& before) {
    if (line.from != before.at || line.at == before.at || line.was != nullptr ||
        !line.lost.empty() || !before.lost.empty())
        return false;
    std::ptrdiff_t carried = 0;
    std::size_t hint = 0;
    for (const Member& old : before.members) {
        if (!is_content(shape, old.name)) continue;
        while (hint < line.members.size() && !is_content(shape, line.members[hint].name)) ++hint;
        if (hint >= line.members.size() || line.members[hint].name != old.name) {
            const Member* const found = line.find(old.name);
            if (found == nullptr) return false;
            hint = static_cast<std::size_t>(found - line.members.data());
        }
        const Member& now = line.members[hint++];
        if (now.stamp != line.at) {
            if (now.stamp != old.stamp || now.raw_value != old.raw_value) return false;
            ++carried;
        } else if (now.over.empty() ? old.stamp != line.from
                                    : std::ranges::find(now.over, old.stamp) == now.over.end()) {
            return false;
        }
    }
    return std::ranges::count_if(line.members, [&](const Member& now) {
               return is_content(shape, now.name) && now.stamp != line.at;
           }) == carried;
}

class RecordCompactor {
  public:
    RecordCompactor(const Shape& shape, std::vector<RecordLine>& lines, bool has_others,
                    std::int64_t horizon_ms)
        : x_shape(shape), x_lines(lines), x_has_others(has_others), x_horizon_ms(horizon_ms) {}

    RecordCompaction run() {
        RecordCompaction out;
        out.buried = is_buried();
        if (x_lines.size() < 2) return out;
        bool sure = true;
        drop_unstamped(sure);
        std::map<std::uint32_t, Lines> lives;
        bool deleted = false;
        for (RecordLine& item : x_lines) {
            if (item.committed && item.line.stamped) lives[item.line.life].push_back(&item);
            deleted = deleted || item.line.tombstone;
        }
        if (deleted || lives.size() > 1) sure = false;
        for (const auto& [life, group] : lives) {
            if (group.size() < 2) continue;
            const bool ended = std::ranges::any_of(
                group, [](const RecordLine* item) { return item->line.tombstone; });
            out.added += ended ? fold_ended(group) : fold_live(group, sure);
        }
        if (!sure && !is_same(out.added)) {
            for (RecordLine& item : x_lines) item.dropped = false;
            out.added.clear();
        }
        return out;
    }

  private:
    std::vector<Line> lines_of(const auto& wanted) const {
        std::vector<Line> out;
        for (const RecordLine& item : x_lines) {
            if (wanted(item)) out.push_back(item.line);
        }
        return out;
    }

    State fold_committed() const {
        return fold(x_shape, lines_of([](const RecordLine& item) { return item.committed; }));
    }

    bool is_buried() const {
        if (x_has_others) return false;
        bool deleted = false;
        for (const RecordLine& item : x_lines) {
            deleted = deleted || item.line.tombstone;
            const std::int64_t ms = item.line.at.ms;
            if (!item.committed || ms <= 0 || ms >= x_horizon_ms) return false;
        }
        if (!deleted) return false;
        const State state = fold_committed();
        return state.deleted && state.lost.empty();
    }

    /// Of edits without stamps each replaces whatever stood before it.
    void drop_unstamped(bool& sure) {
        const RecordLine* last = nullptr;
        for (const RecordLine& item : x_lines) {
            if (item.line.tombstone || item.line.life > 1) return;
            if (!item.line.stamped && item.committed) last = &item;
        }
        if (last == nullptr) return;
        for (RecordLine& item : x_lines) {
            const Line& line = item.line;
            if (line.stamped || !item.committed || !(line.at < last->line.at)) continue;
            if (line.born_at != last->line.born_at) continue;
            item.dropped = std::ranges::all_of(line.members, [&](const Member& member) {
                return last->line.find(member.name) != nullptr;
            });
            sure = sure && !item.dropped;
        }
    }

    /// A line of each value that is listed, or agrees with what stands. Which one must not hang on
    /// what else there is: of two sides that each dropped another one a merge would drop both. So
    /// it is the latest folded one, for where the value stands that is the one that stays.
    static void keep_listed(const State& state, const Lines& group) {
        // By member and stamp, so that each value is not looked for in each line.
        std::map<std::pair<std::string_view, Stamp>, std::vector<RecordLine*>> holders;
        std::map<std::pair<std::string_view, Stamp>, std::vector<RecordLine*>> listers;
        for (const LostValue& lost : state.lost) holders.try_emplace({lost.name, lost.stamp});
        for (const AgreedValue& agreed : state.agreed)
            holders.try_emplace({agreed.name, agreed.stamp});
        if (holders.empty()) return;
        for (RecordLine* item : group) {
            if (item->line.tombstone) continue;
            for (const Member& member : item->line.members) {
                const auto found = holders.find({member.name, member.stamp});
                if (found != holders.end()) found->second.push_back(item);
            }
            for (const ListedValue& value : item->line.lost)
                listers[{value.name, value.stamp}].push_back(item);
        }
        const auto keep = [&](const std::string& name, const Stamp& stamp,
                              const std::string* raw_value) {
            RecordLine* best = nullptr;
            const auto rank = [&](const RecordLine& item) {
                return item.line.was != nullptr ? 2 : item.line.at == stamp ? 1 : 0;
            };
            for (RecordLine* item : holders.find({name, stamp})->second) {
                if (raw_value != nullptr && item->line.find(name)->raw_value != *raw_value)
                    continue;
                if (best == nullptr || rank(*item) >= rank(*best)) best = item;
            }
            if (best != nullptr) best->dropped = false;
            const auto listing = listers.find({name, stamp});
            if (listing == listers.end()) return;
            for (RecordLine* item : listing->second) item->dropped = false;
        };
        for (const LostValue& lost : state.lost) keep(lost.name, lost.stamp, &lost.raw_value);
        for (const AgreedValue& agreed : state.agreed) keep(agreed.name, agreed.stamp, nullptr);
    }

    /// What the folded line is good for: fewer lines and fewer bytes. Else nothing is dropped.
    static std::string settle(const Lines& group, std::string text) {
        std::size_t dropped = 0;
        std::size_t bytes = 0;
        for (const RecordLine* item : group) {
            if (!item->dropped) continue;
            ++dropped;
            bytes += item->line.text.size() + 1;
        }
        if (dropped > 1 && bytes > text.size()) return text;
        for (RecordLine* item : group) item->dropped = false;
        return {};
    }

    std::string fold_live(const Lines& group, bool& sure) {
        Folding folding;
        folding.latest = &group.back()->line;
        bool chain = true;
        for (std::size_t i = 1; i < group.size() && chain; ++i)
            chain = follows(x_shape, group[i]->line, group[i - 1]->line);
        State state;
        if (!chain) {
            sure = false;
            std::vector<Line> lines;
            for (const RecordLine* item : group) lines.push_back(item->line);
            state = fold(x_shape, lines);
        }
        for (RecordLine* item : group) item->dropped = true;
        collect(x_shape, group, folding);
        if (chain) {
            for (const Member& member : folding.latest->members) {
                if (is_content(x_shape, member.name))
                    name_writer(group, member.name, member.stamp, folding);
                folding.entries.push_back({member.name, member.raw_value, &member.stamp});
            }
        } else {
            keep_listed(state, group);
            for (const MemberState& member : state.members) {
                if (is_content(x_shape, member.name))
                    name_writer(group, member.name, member.stamp, folding);
                folding.entries.push_back({member.name, member.raw_value, &member.stamp});
            }
            for (const RemovedMember& removed : state.removed) {
                name_writer(group, removed.name, removed.stamp, folding);
                folding.entries.push_back({removed.name, {}, &removed.stamp});
            }
        }
        std::vector<Folding::Entry> removed;
        std::ranges::copy_if(folding.entries, std::back_inserter(removed),
                             [](const auto& entry) { return entry.raw_value.empty(); });
        std::erase_if(folding.entries, [](const auto& entry) { return entry.raw_value.empty(); });
        std::ranges::sort(removed, {}, &Folding::Entry::name);
        std::ranges::move(removed, std::back_inserter(folding.entries));
        return settle(group, encode_folded_edit(x_shape, folding));
    }

    std::string fold_ended(const Lines& group) const {
        Folding folding;
        std::vector<Line> lines;
        for (RecordLine* item : group) {
            lines.push_back(item->line);
            if (item->line.tombstone && folding.latest == nullptr) folding.latest = &item->line;
            // The same one, folded and not, is one.
            item->dropped = !item->line.tombstone || (item->line.at == folding.latest->at &&
                                                      item->line.from == folding.latest->from);
        }
        collect(x_shape, group, folding);
        for (const Member& member : folding.latest->members) {
            for (const Stamp& stamp : member.over) {
                const auto found = folding.over.find(stamp);
                if (found == folding.over.end()) continue;
                std::erase(found->second, std::string_view(member.name));
                if (found->second.empty()) folding.over.erase(found);
            }
        }
        if (folding.from == folding.latest->from) folding.from = {};
        keep_listed(fold(x_shape, lines), group);
        return settle(group, encode_folded_tombstone(folding));
    }

    /// Whether what stays, with `added`, says what all lines say.
    bool is_same(const std::string& added) const {
        std::vector<Line> stays = lines_of([](const RecordLine& item) { return !item.dropped; });
        LineDecoder decoder(x_shape);
        for (std::size_t at = 0; at < added.size();) {
            const std::size_t end = added.find('\n', at);
            auto line = decoder.decode(std::string_view(added).substr(at, end - at));
            if (!line) return false;
            stays.push_back(std::move(*line));
            at = end + 1;
        }
        return fold(x_shape, stays) ==
               fold(x_shape, lines_of([](const RecordLine&) { return true; }));
    }

    const Shape& x_shape;
    std::vector<RecordLine>& x_lines;
    bool x_has_others;
    std::int64_t x_horizon_ms;
};

}  // namespace

RecordCompaction compact_record(const Shape& shape, std::vector<RecordLine>& lines, bool has_others,
                                std::int64_t horizon_ms) {
    return RecordCompactor(shape, lines, has_others, horizon_ms).run();
}

}  // namespace taskstore::ledger
