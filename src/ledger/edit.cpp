#include <taskstore/ledger/edit.hpp>

#include "common_stamp.hpp"

#include <algorithm>
#include <map>
#include <set>

namespace taskstore::ledger {
namespace {

constexpr std::size_t kUsualLineBytes = 512;

struct Stamped {
    std::string name;
    Stamp stamp;
    std::vector<Stamp> over;
    bool removed = false;
};

void write_stamps(JsonWriter& writer, const State& state, std::uint32_t life, const Stamp& at,
                  const std::vector<Stamped>& members, bool tombstone, const EditOptions& options) {
    writer.key("_stamps").begin_object().key("v").integer(1).key("at").string(to_text(at));
    if (!options.by.empty()) writer.key("by").string(options.by);
    if (state.life != 0) writer.key("from").string(to_text(state.at));
    if (life != 1) writer.key("life").integer(life);
    const auto text_of = [&](const Stamp& stamp) {
        return stamp == at ? std::string() : to_text(stamp);
    };
    if (!tombstone) {
        std::vector<const Stamp*> stamps;
        for (const Stamped& member : members) stamps.push_back(&member.stamp);
        const Stamp base = common_stamp(std::move(stamps), at);
        if (base != at) writer.key("base").string(to_text(base));
        bool any = false;
        for (const Stamped& member : members) {
            if (member.stamp == base && !member.removed) continue;
            if (!any) writer.key("f").begin_object();
            any = true;
            writer.key(member.name).string(text_of(member.stamp));
        }
        if (any) writer.end_object();
    }
    bool any = false;
    for (const Stamped& member : members) {
        // `from` says the same, but only within a life.
        const bool said_by_from =
            life == state.life && member.over.size() == 1 && member.over[0] == state.at;
        if (member.over.empty() || said_by_from) continue;
        if (!any) writer.key("over").begin_object();
        any = true;
        writer.key(member.name);
        if (member.over.size() == 1) {
            writer.string(text_of(member.over[0]));
            continue;
        }
        writer.begin_array();
        for (const Stamp& stamp : member.over) writer.string(text_of(stamp));
        writer.end_array();
    }
    if (any) writer.end_object();
    if (options.batch) {
        writer.key("b").begin_array().string(options.batch->id).integer(options.batch->number);
        writer.integer(options.batch->count).end_array();
    }
    if (options.forced) writer.key("forced").boolean(true);
    if (!tombstone) write_lost(writer, options.lost);
    writer.end_object();
}

/// What an edit says of its members, by name. It may be of a hundred thousand.
class Said {
  public:
    Said(const std::vector<Change>& changes, const EditOptions& options) {
        // The first one of a name counts.
        for (const Change& change : changes) x_changes.emplace(change.name, &change);
        for (const auto& [name, stamp] : options.settles) x_settles[name].push_back(&stamp);
        for (const auto& [name, stamps] : options.restates) x_restates.emplace(name, &stamps);
    }
    /// `member` changes at `at`: it replaces what stood.
    void replace(Stamped& member, const Stamp& at) const {
        const auto found = x_restates.find(member.name);
        if (found == x_restates.end()) {
            member.over.insert(member.over.begin(), member.stamp);
        } else {
            member.over.insert(member.over.begin(), found->second->begin(), found->second->end());
            // Its own stamp says that it replaces nothing: without any it would be `from`.
            if (member.over.empty()) member.over.push_back(at);
        }
        member.stamp = at;
    }
    /// Null: nothing.
    const Change* change_of(std::string_view name) const {
        const auto found = x_changes.find(name);
        return found == x_changes.end() ? nullptr : found->second;
    }
    void add_settled(Stamped& member) const {
        const auto found = x_settles.find(member.name);
        if (found == x_settles.end()) return;
        for (const Stamp* stamp : found->second) member.over.push_back(*stamp);
    }

  private:
    std::map<std::string_view, const Change*> x_changes;
    std::map<std::string_view, std::vector<const Stamp*>> x_settles;
    std::map<std::string_view, const std::vector<Stamp>*> x_restates;
};

}  // namespace

Stamp common_stamp(std::vector<const Stamp*> stamps, const Stamp& at) {
    std::ranges::sort(stamps, {}, [](const Stamp* stamp) -> const Stamp& { return *stamp; });
    const auto run_of = [&](std::size_t i) {
        std::size_t end = i;
        while (end < stamps.size() && *stamps[end] == *stamps[i]) ++end;
        return end - i;
    };
    const Stamp* best = &at;
    // It costs nothing to name `at`; of equals the smallest.
    std::size_t best_count = 1;
    for (std::size_t i = 0; i < stamps.size(); i += run_of(i)) {
        if (*stamps[i] == at) best_count += run_of(i);
    }
    for (std::size_t i = 0; i < stamps.size(); i += run_of(i)) {
        if (*stamps[i] == at || run_of(i) <= best_count) continue;
        best = stamps[i];
        best_count = run_of(i);
    }
    return *best;
}

void write_lost(JsonWriter& writer, const std::vector<ListedValue>& lost) {
    if (lost.empty()) return;
    writer.key("lost").begin_array();
    for (const ListedValue& value : lost) {
        writer.begin_object().key("member").string(value.name);
        writer.key("at").string(to_text(value.stamp));
        if (!value.raw_value.empty()) writer.key("value").raw(value.raw_value);
        writer.end_object();
    }
    writer.end_array();
}

Result<Stamp> next_stamp(const Stamp& tick, const State& state) {
    const std::int64_t floor_ms = std::max(state.updated_at, state.at.ms) + 1;
    if (state.life == 0 || tick.ms >= floor_ms) return tick;
    if (floor_ms > kStampMsMax)
        return fail(Code::invalid, "the record's time has reached the year 2200");
    return Stamp{floor_ms, 0, tick.replica};
}

std::string encode_edit(const Shape& shape, const State& state, const std::vector<Change>& changes,
                        const Stamp& at, const EditOptions& options) {
    const bool creates = !state.live();
    const std::uint32_t life = state.life == 0 ? 1 : state.deleted ? state.life + 1 : state.life;
    std::string text;
    text.reserve(kUsualLineBytes);
    JsonWriter writer(text);
    writer.begin_object();
    std::vector<Stamped> stamped;
    stamped.reserve(state.members.size() + state.removed.size() + changes.size());
    const Said said(changes, options);
    std::set<std::string_view> known;  // members that the record has or had
    bool time_written = false;
    const auto write_time = [&] {
        writer.key("updated_at").integer(at.ms);
        time_written = true;
    };
    if (!creates) {
        for (const MemberState& member : state.members) {
            if (!changes.empty()) known.insert(member.name);
            if (member.name == "updated_at") {
                write_time();
                continue;
            }
            const Change* change =
                is_frame_member(shape, member.name) ? nullptr : said.change_of(member.name);
            Stamped entry{member.name, member.stamp, {}};
            said.add_settled(entry);
            if ((change != nullptr && change->raw_value != member.raw_value) ||
                !entry.over.empty()) {
                said.replace(entry, at);
            }
            const std::string& raw = change != nullptr ? change->raw_value : member.raw_value;
            entry.removed = raw.empty();
            if (!raw.empty()) writer.key(member.name).raw(raw);
            if (!is_frame_member(shape, member.name)) stamped.push_back(std::move(entry));
        }
        for (const RemovedMember& removed : state.removed) {
            const Change* change = said.change_of(removed.name);
            known.insert(removed.name);
            Stamped entry{removed.name, removed.stamp, {}, true};
            said.add_settled(entry);
            const bool returns = change != nullptr && !change->raw_value.empty();
            if (returns || !entry.over.empty()) {
                said.replace(entry, at);
            }
            if (returns) {
                entry.removed = false;
                writer.key(removed.name).raw(change->raw_value);
            }
            stamped.push_back(std::move(entry));
        }
    }
    for (const Change& change : changes) {
        if (known.contains(change.name)) continue;
        Stamped entry{change.name, at, {}, change.raw_value.empty()};
        said.add_settled(entry);
        // That a member is absent is worth a word where it settles what another line says of it.
        if (entry.removed && entry.over.empty()) continue;
        if (!entry.removed) writer.key(change.name).raw(change.raw_value);
        if (!is_frame_member(shape, change.name)) stamped.push_back(std::move(entry));
    }
    if (!time_written) write_time();
    write_stamps(writer, state, life, at, stamped, false, options);
    writer.end_object();
    return text += '\n';
}

std::pair<std::string_view, std::string_view> split_own_line(std::string_view text) {
    constexpr std::string_view kMark = ",\"_stamps\":";
    const std::size_t mark = text.rfind(kMark);
    if (mark == std::string_view::npos) return {};
    std::string_view stamps = text.substr(mark + kMark.size());
    stamps.remove_suffix(text.back() == '\n' ? 2 : 1);
    return {text.substr(0, mark), stamps};
}

std::pair<std::string_view, std::string_view> split_line(std::string_view text) {
    const auto split = split_own_line(text);
    // A member of that name within a value would leave more than one object behind.
    const auto stamps = Json::parse(split.second);
    if (!stamps || stamps->kind() != JsonKind::object) return {};
    return split;
}

std::string encode_tombstone(const Shape& shape, const State& state, const Stamp& at,
                             const EditOptions& options) {
    std::string text;
    text.reserve(kUsualLineBytes);
    JsonWriter writer(text);
    writer.begin_object().key(shape.id_member).string(state.id).key("deleted").boolean(true);
    writer.key("updated_at").integer(at.ms);
    std::vector<Stamped> stamped;
    const Said said({}, options);
    const auto bury = [&](const std::string& name, const Stamp& stamp) {
        Stamped entry{name, at, {stamp}};
        said.add_settled(entry);
        stamped.push_back(std::move(entry));
    };
    for (const MemberState& member : state.members) {
        if (!is_frame_member(shape, member.name)) bury(member.name, member.stamp);
    }
    for (const RemovedMember& removed : state.removed) bury(removed.name, removed.stamp);
    // Of a record that is deleted already only what lost to its deletion is left to be settled.
    std::map<std::string, std::size_t, std::less<>> places;
    std::set<std::pair<std::string_view, Stamp>> replaced;
    for (std::size_t i = 0; i < stamped.size(); ++i) {
        places.emplace(stamped[i].name, i);
        for (const Stamp& stamp : stamped[i].over)
            replaced.emplace(places.find(stamped[i].name)->first, stamp);
    }
    for (const auto& [name, stamp] : options.settles) {
        const auto [place, is_new] = places.emplace(name, stamped.size());
        if (is_new) stamped.push_back({name, at, {}});
        if (replaced.emplace(place->first, stamp).second)
            stamped[place->second].over.push_back(stamp);
    }
    write_stamps(writer, state, state.life, at, stamped, true, options);
    writer.end_object();
    return text += '\n';
}

}  // namespace taskstore::ledger
