#include "compact_chain.hpp"

#include <taskstore/base/json.hpp>

#include <algorithm>

namespace taskstore::ledger {
namespace {

/// A raw string without escapes; else nothing, and `plain` is false.
std::string_view text_in(std::string_view raw, bool& plain) {
    if (raw.size() < 2 || raw.front() != '"' || raw.find('\\') != std::string_view::npos) {
        plain = false;
        return {};
    }
    return raw.substr(1, raw.size() - 2);
}

std::string_view raw_of(const std::vector<JsonMember>& members, std::string_view name) {
    const auto found = std::ranges::find(members, name, &JsonMember::name);
    return found == members.end() ? std::string_view() : found->raw_value;
}

}  // namespace

bool ChainFolder::read(std::string_view text, Version& version) {
    const auto sliced = version.slicer.slice(text);
    if (!sliced) return false;
    const std::vector<JsonMember>& members = **sliced;
    if (!members_of_raw(raw_of(members, "_stamps"), x_stamps)) return false;
    bool plain = true;
    std::string_view version_number;
    std::string_view base;
    std::string_view marks;
    std::string_view over;
    Writer writer;
    version.from = {};
    version.life = {};
    for (const JsonMember& stamp : x_stamps) {
        if (stamp.name == "v")
            version_number = stamp.raw_value;
        else if (stamp.name == "at")
            version.at = text_in(stamp.raw_value, plain);
        else if (stamp.name == "by")
            writer.by = text_in(stamp.raw_value, plain);
        else if (stamp.name == "from")
            version.from = text_in(stamp.raw_value, plain);
        else if (stamp.name == "life")
            version.life = stamp.raw_value;
        else if (stamp.name == "base")
            base = text_in(stamp.raw_value, plain);
        else if (stamp.name == "f")
            marks = stamp.raw_value;
        else if (stamp.name == "over")
            over = stamp.raw_value;
        else if (stamp.name != "forced")
            return false;  // a batch, a folded line, or what a newer program writes
    }
    x_marks.clear();
    x_over.clear();
    if (!plain || version_number != "1" || (!marks.empty() && !members_of_raw(marks, x_marks)) ||
        (!over.empty() && !members_of_raw(over, x_over)))
        return false;
    auto at = parse_stamp(version.at);
    const auto updated_at = x_shape.time_members.empty()
                                ? std::nullopt
                                : raw_to_int64(raw_of(members, x_shape.time_members.front()));
    if (!at || updated_at != at->ms) return false;
    version.stamp = std::move(*at);
    writer.at = version.at;
    x_writers.push_back(writer);
    for (JsonMember& mark : x_marks) {
        mark.raw_value = text_in(mark.raw_value, plain);
        if (mark.raw_value.empty()) mark.raw_value = version.at;
    }
    version.fields.clear();
    for (const JsonMember& member : members) {
        if (member.name == "deleted" || member.raw_name.size() != member.name.size() + 2)
            return false;
        if (!is_content(x_shape, member.name)) continue;
        version.fields.push_back({member.name, member.raw_value, base.empty() ? version.at : base});
    }
    return plain && read_fields(members, version);
}

/// Members named in `f` and `over` must be there: of one that was removed there is more to say.
bool ChainFolder::read_fields(const std::vector<JsonMember>& members, Version& version) {
    const auto field_of = [&](std::string_view name) {
        return std::ranges::find(version.fields, name, &Field::name);
    };
    for (const JsonMember& mark : x_marks) {
        const auto field = field_of(mark.name);
        if (field != version.fields.end())
            field->stamp = mark.raw_value;
        else if (raw_of(members, mark.name).empty())
            return false;
    }
    return std::ranges::all_of(x_over, [&](const JsonMember& over) {
        return field_of(over.name) != version.fields.end();
    });
}

/// `field` was written, over `replaced` (empty: it is new).
bool ChainFolder::add_over(const Field& field, std::string_view replaced, const Version& now) {
    const std::string_view over = raw_of(x_over, field.name);
    if (over.empty()) {
        if (replaced.empty()) return true;
        x_replaced.emplace_back(now.from, field.name);
        return replaced == now.from;
    }
    bool plain = true;
    bool names_it = replaced.empty();
    const auto add = [&](std::string_view raw) {
        const std::string_view stamp = text_in(raw, plain);
        if (stamp.empty() || stamp == now.at) return;
        x_replaced.emplace_back(stamp, field.name);
        names_it = names_it || stamp == replaced;
    };
    if (kind_of_raw(over) == JsonKind::array)
        std::ranges::for_each(items_of_raw(over), add);
    else
        add(over);
    return plain && names_it;
}

bool ChainFolder::follow(const Version& before, const Version& now) {
    if (now.from != before.at || !(before.stamp < now.stamp) || now.life != before.life)
        return false;
    std::size_t hint = 0;
    std::size_t known = 0;
    for (const Field& old : before.fields) {
        if (hint >= now.fields.size() || now.fields[hint].name != old.name) {
            hint = static_cast<std::size_t>(std::ranges::find(now.fields, old.name, &Field::name) -
                                            now.fields.begin());
            if (hint == now.fields.size()) return false;
        }
        const Field& field = now.fields[hint++];
        ++known;
        if (field.stamp == now.at) {
            if (!add_over(field, old.stamp, now)) return false;
        } else if (field.stamp != old.stamp || field.raw_value != old.raw_value ||
                   !raw_of(x_over, field.name).empty()) {
            return false;
        }
    }
    if (known == now.fields.size()) return true;
    return std::ranges::all_of(now.fields, [&](const Field& field) {
        return std::ranges::find(before.fields, field.name, &Field::name) != before.fields.end() ||
               (field.stamp == now.at && add_over(field, {}, now));
    });
}

/// False: nobody that is here wrote a member that stands.
bool ChainFolder::name_writers(Folding& folding, const Version& last) const {
    for (const Field& field : last.fields) {
        const auto writer = std::ranges::find(x_writers, field.stamp, &Writer::at);
        if (writer == x_writers.end()) return false;
        if (writer->by == x_writers.back().by) continue;
        auto stamp = parse_stamp(field.stamp);
        if (!stamp) return false;
        folding.by.emplace(std::move(*stamp), writer->by);
    }
    return true;
}

std::optional<std::string> ChainFolder::fold(const std::vector<std::string_view>& texts) {
    x_writers.clear();
    x_replaced.clear();
    for (std::size_t i = 0; i < texts.size(); ++i) {
        Version& now = x_versions[i % 2];
        if (!read(texts[i], now)) return std::nullopt;
        const Version& before = x_versions[(i + 1) % 2];
        if (i == 0 ? !now.from.empty() || !x_over.empty() : !follow(before, now))
            return std::nullopt;
    }
    const Version& last = x_versions[(texts.size() - 1) % 2];
    const auto line = x_decoder.decode(texts.back());
    if (!line || !line->stamped) return std::nullopt;
    Folding folding;
    folding.latest = &*line;
    for (const Member& member : line->members)
        folding.entries.push_back({member.name, member.raw_value, &member.stamp});
    if (!name_writers(folding, last)) return std::nullopt;
    for (const auto& [text, name] : x_replaced) {
        const auto stamp = parse_stamp(text);
        if (!stamp) return std::nullopt;
        say_over(folding, *stamp, name);
    }
    folding.from = line->from;
    if (line->life > 1) {
        auto since = parse_stamp(x_writers.front().at);
        if (!since) return std::nullopt;
        folding.since = std::move(*since);
    }
    return encode_folded_edit(x_shape, folding);
}

}  // namespace taskstore::ledger
