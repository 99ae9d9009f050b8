#include "merge_rewrite.hpp"

#include "merge_lost.hpp"
#include "merge_member.hpp"

#include <taskstore/base/json.hpp>
#include <taskstore/ledger/edit.hpp>

#include <algorithm>
#include <set>

namespace taskstore::ledger {
namespace {

/// Of times as text the digits after the milliseconds.
constexpr std::size_t kMillisecondDigits = 3;

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

}  // namespace

std::pair<std::int64_t, std::string> time_of(const Shape& shape, const Line& line) {
    for (const std::string& name : shape.time_members) {
        const Member* member = line.find(name);
        if (member == nullptr) continue;
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

std::string rewritten_line(const Shape& shape, const Line& newer, const Line& older,
                           const Values& values) {
    return says(shape, newer, values) ? std::string(newer.text) + "\n"
                                      : rewritten(shape, newer, older, values);
}

void note_lost(std::string& line, const Line& newer, const Values& values,
               std::vector<MemberState>& lost, const ReplicaId& replica) {
    std::vector<ListedValue> listed;
    std::set<std::string_view> doubtful;  // another value has the time of theirs
    for (MemberState& value : lost) {
        if (value.stamp.ms == newer.at.ms) doubtful.insert(value.name);
        if (value.stamp == newer.at) value.stamp = own_stamp(value);
        listed.push_back({value.name, value.raw_value, value.stamp});
    }
    line.resize(line.rfind('}'));
    line += ",\"_stamps\":";
    const std::string before = to_text(newer.at);
    JsonWriter writer(line);
    writer.begin_object().key("v").integer(1);
    writer.key("at").string(to_text(Stamp{newer.at.ms, 0, replica}));
    writer.key("by").string(kMergeActor).key("from").string(before).key("base").string(before);
    bool any = false;
    for (const auto& [name, raw] : values) {
        const Member* member = newer.find(name);
        const bool said = member != nullptr && member->raw_value == raw;
        if (said && !doubtful.contains(name)) continue;
        if (!any) writer.key("f").begin_object();
        any = true;
        writer.key(name).string("");
    }
    if (any) writer.end_object();
    write_lost(writer, listed);
    writer.end_object();
    line += "}\n";
}

}  // namespace taskstore::ledger
