// What the lines of one record made of it, one after the other.

#include <taskstore/base/text.hpp>
#include <taskstore/records/changes.hpp>

#include <algorithm>
#include <numeric>
#include <tuple>

namespace taskstore::records {
namespace {

constexpr std::size_t kShownBytesMax = 60;

std::string_view action_of(const ledger::Line& line, const ledger::State& before,
                           const ledger::State& after) {
    if (line.tombstone) return "deleted";
    if (line.was != nullptr) return "compacted";
    if (!line.stamped) return before.live() ? "changed" : "imported";
    return !before.live() && after.live() ? "created" : "changed";
}

void tell(Version& version, const ledger::Line& line, const ledger::State& before,
          const ledger::State& after, const ledger::Shape& shape) {
    version.action = action_of(line, before, after);
    version.live = after.live();
    version.revision = to_text(after.at);
    if (before.live() && after.live()) {
        for (const MemberChange& change : member_changes(shape, before, after)) {
            version.changed.push_back(to_text(change));
            version.changed_members.push_back(change.name);
        }
    }
    // After a deletion nothing of it stands, also where the record was created again since.
    const bool too_late = !line.tombstone && before.life != 0 && line.life != 0 &&
                          line.life < after.life && version.changed.empty();
    if (too_late || (!version.live && !line.tombstone)) {
        version.action = "lost";
        for (const ledger::LostValue& lost : after.lost) {
            if (lost.stamp != line.at) continue;
            version.changed.push_back(lost.name + ": " + shown(lost.raw_value) +
                                      " lost to the deletion");
            version.changed_members.push_back(lost.name);
        }
    }
    version.data = ledger::to_record_text(after);
    if (line.batch) version.batch = line.batch->id;
}

}  // namespace

ledger::Shape shape_of(std::string_view collection) {
    const Kind* kind = find_collection(collection);
    return kind != nullptr ? kind->shape() : ledger::Shape{};
}

std::string shown(std::string_view raw_value) {
    const std::string text = kind_of_raw(raw_value) == JsonKind::string
                                 ? unescape_json(raw_value).value_or(std::string(raw_value))
                                 : std::string(raw_value);
    const std::string line = text.substr(0, text.find('\n'));
    return line.size() < text.size() || line.size() > kShownBytesMax
               ? std::string(cut_utf8(line, kShownBytesMax)) + "…"
               : line;
}

std::vector<MemberChange> member_changes(const ledger::Shape& shape, const ledger::State& before,
                                         const ledger::State& after) {
    std::vector<MemberChange> changes;
    for (const ledger::MemberState& member : after.members) {
        if (!after.live() || ledger::is_frame_member(shape, member.name)) continue;
        const ledger::MemberState* old = before.live() ? before.find(member.name) : nullptr;
        if (old != nullptr && old->raw_value == member.raw_value) continue;
        changes.push_back(
            {member.name, old == nullptr ? std::string() : old->raw_value, member.raw_value});
    }
    for (const ledger::MemberState& member : before.members) {
        if (!before.live() || ledger::is_frame_member(shape, member.name)) continue;
        if (after.live() && after.find(member.name) != nullptr) continue;
        changes.push_back({member.name, member.raw_value, {}});
    }
    return changes;
}

std::string to_text(const MemberChange& change) {
    return change.name + ": " + (change.before.empty() ? "–" : shown(change.before)) + " → " +
           (change.after.empty() ? "–" : shown(change.after));
}

std::vector<PastVersion> past_of_lines(std::string_view collection,
                                       std::span<const ledger::Line> lines,
                                       const std::function<void(std::size_t done)>& progress) {
    const ledger::Shape shape = shape_of(collection);
    std::vector<std::size_t> order(lines.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
        return std::tie(lines[a].at, lines[a].text) < std::tie(lines[b].at, lines[b].text);
    });
    const auto same = std::ranges::unique(
        order, [&](std::size_t a, std::size_t b) { return lines[a].text == lines[b].text; });
    order.erase(same.begin(), same.end());
    std::vector<ledger::Line> sorted;
    sorted.reserve(order.size());
    for (const std::size_t index : order) sorted.push_back(lines[index]);

    std::vector<PastVersion> past;
    ledger::State before;
    for (std::size_t i = 0; i < sorted.size(); ++i) {
        if (i % 64 == 63 && progress) progress(i);
        const ledger::Line& line = sorted[i];
        ledger::State after = ledger::fold_next(shape, before, std::span(sorted).first(i + 1));
        PastVersion one{.version = {},
                        .line = order[i],
                        .at = line.at,
                        .written = {},
                        .lost = after.lost,
                        .folded = line.was != nullptr};
        one.version.collection = collection;
        one.version.id = line.id;
        one.version.stamp = to_text(line.at);
        one.version.by = line.by;
        one.version.updated_at = line.updated_at;
        one.version.forced = line.forced;
        tell(one.version, line, before, after, shape);
        for (const ledger::Member& member : line.members) {
            if (member.stamp == line.at) one.written.push_back(member.name);
        }
        past.push_back(std::move(one));
        before = std::move(after);
    }
    return past;
}

}  // namespace taskstore::records
