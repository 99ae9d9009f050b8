#include "compact_fold.hpp"

#include "common_stamp.hpp"

#include <taskstore/base/json.hpp>

#include <algorithm>

namespace taskstore::ledger {

void say_over(Folding& folding, const Stamp& stamp, std::string_view name) {
    std::vector<std::string_view>& names = folding.over[stamp];
    const auto place = std::ranges::lower_bound(names, name);
    if (place == names.end() || *place != name) names.insert(place, name);
}

namespace {

void write_was(JsonWriter& writer, const Folding& folding, std::uint32_t life) {
    writer.key("was").begin_object();
    if (!folding.over.empty()) {
        writer.key("over").begin_array();
        for (const auto& [stamp, names] : folding.over) {
            writer.begin_array().string(to_text(stamp));
            for (const std::string_view name : names) writer.string(name);
            writer.end_array();
        }
        writer.end_array();
    }
    if (!folding.by.empty()) {
        writer.key("by").begin_array();
        for (const auto& [stamp, by] : folding.by)
            writer.begin_array().string(to_text(stamp)).string(by).end_array();
        writer.end_array();
    }
    if (!folding.from.none()) writer.key("from").string(to_text(folding.from));
    if (life > 1 && folding.since != folding.latest->at)
        writer.key("since").string(to_text(folding.since));
    if (!folding.batches.empty()) {
        writer.key("b").begin_array();
        for (const Batch& batch : folding.batches) {
            writer.begin_array().string(batch.id).integer(batch.number).integer(batch.count);
            writer.end_array();
        }
        writer.end_array();
    }
    writer.end_object();
}

void begin_stamps(JsonWriter& writer, const Line& line) {
    writer.key("_stamps").begin_object().key("v").integer(1).key("at").string(to_text(line.at));
    if (!line.by.empty()) writer.key("by").string(line.by);
}

}  // namespace

std::string encode_folded_edit(const Shape& shape, const Folding& folding) {
    const Line& line = *folding.latest;
    std::string text;
    text.reserve(line.text.size() + 64 * folding.over.size() + 128);
    JsonWriter writer(text);
    writer.begin_object();
    for (const Folding::Entry& entry : folding.entries) {
        if (!entry.raw_value.empty()) writer.key(entry.name).raw(entry.raw_value);
    }
    begin_stamps(writer, line);
    if (line.life != 1) writer.key("life").integer(line.life);
    std::vector<const Stamp*> stamps;
    for (const Folding::Entry& entry : folding.entries) {
        if (!is_frame_member(shape, entry.name)) stamps.push_back(entry.stamp);
    }
    const Stamp base = common_stamp(std::move(stamps), line.at);
    if (base != line.at) writer.key("base").string(to_text(base));
    bool any = false;
    for (const Folding::Entry& entry : folding.entries) {
        if (is_frame_member(shape, entry.name)) continue;
        if (*entry.stamp == base && !entry.raw_value.empty()) continue;
        if (!any) writer.key("f").begin_object();
        any = true;
        writer.key(entry.name)
            .string(*entry.stamp == line.at ? std::string() : to_text(*entry.stamp));
    }
    if (any) writer.end_object();
    if (line.forced) writer.key("forced").boolean(true);
    write_was(writer, folding, line.life);
    writer.end_object().end_object();
    return text += '\n';
}

std::string encode_folded_tombstone(const Folding& folding) {
    const Line& line = *folding.latest;
    std::string text;
    JsonWriter writer(text);
    writer.begin_object();
    for (const Member& member : line.members) {
        if (!member.raw_value.empty()) writer.key(member.name).raw(member.raw_value);
    }
    begin_stamps(writer, line);
    if (!line.from.none()) writer.key("from").string(to_text(line.from));
    if (line.life != 1) writer.key("life").integer(line.life);
    bool any = false;
    for (const Member& member : line.members) {
        if (member.over.empty()) continue;
        if (!any) writer.key("over").begin_object();
        any = true;
        writer.key(member.name).begin_array();
        for (const Stamp& stamp : member.over) writer.string(to_text(stamp));
        writer.end_array();
    }
    if (any) writer.end_object();
    if (line.forced) writer.key("forced").boolean(true);
    write_was(writer, folding, line.life);
    writer.end_object().end_object();
    return text += '\n';
}

}  // namespace taskstore::ledger
