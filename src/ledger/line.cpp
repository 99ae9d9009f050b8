#include <taskstore/base/text.hpp>
#include <taskstore/ledger/line.hpp>

#include <algorithm>
#include <numeric>
#include <unordered_map>

namespace taskstore::ledger {
namespace {

constexpr std::int64_t kLifeMax = 1'000'000'000;
/// Fewer members are found as fast by looking at all.
constexpr std::size_t kMembersFew = 32;

std::int64_t to_time_ms(std::string_view raw) {
    if (kind_of_raw(raw) == JsonKind::number) return raw_to_int64(raw).value_or(0);
    if (kind_of_raw(raw) != JsonKind::string) return 0;
    const auto text = unescape_json(raw);
    return text ? parse_rfc3339_ms(*text).value_or(0) : 0;
}

void index_members(Line& line) {
    line.by_name.clear();
    if (line.members.size() <= kMembersFew) return;
    line.by_name.resize(line.members.size());
    std::iota(line.by_name.begin(), line.by_name.end(), 0U);
    std::ranges::sort(line.by_name, {},
                      [&](std::uint32_t i) -> const std::string& { return line.members[i].name; });
}

std::string_view find_raw(const std::vector<JsonMember>& members, std::string_view name) {
    const auto found = std::ranges::find(members, name, &JsonMember::name);
    return found == members.end() ? std::string_view() : found->raw_value;
}

/// "" stands for `at`.
Result<Stamp> stamp_of(const Json& value, const Stamp& at) {
    const auto text = value.as_string();
    if (!text) return fail(Code::corrupt, "a stamp is not text");
    if (text->empty()) return at;
    return parse_stamp(*text);
}

std::optional<Batch> batch_of(const Json& value) {
    const auto id = value.at(0).as_string();
    const std::int64_t number = value.at(1).as_int64().value_or(0);
    const std::int64_t count = value.at(2).as_int64().value_or(0);
    if (!id || number < 1 || number > count || count > 0x7FFFFFFF) return std::nullopt;
    return Batch{*id, static_cast<std::uint32_t>(number), static_cast<std::uint32_t>(count)};
}

}  // namespace

std::optional<Batch> batch_of_damaged(std::string_view text) {
    constexpr std::string_view kStamps = "\"_stamps\":";
    constexpr std::string_view kBatch = "\"b\":[";
    const std::size_t stamps = text.rfind(kStamps);
    if (stamps == std::string_view::npos) return std::nullopt;
    const std::size_t start = text.find(kBatch, stamps);
    if (start == std::string_view::npos) return std::nullopt;
    const std::size_t end = text.find(']', start);
    if (end == std::string_view::npos) return std::nullopt;
    const std::size_t array = start + kBatch.size() - 1;
    const auto value = Json::parse(text.substr(array, end + 1 - array));
    return value && value->kind() == JsonKind::array ? batch_of(*value) : std::nullopt;
}

bool is_frame_member(const Shape& shape, std::string_view name) {
    return name == shape.id_member || name == "updated_at" || name == "_stamps";
}

Failure LineDecoder::damaged(std::size_t offset, std::string reason) {
    x_damage = {offset, std::move(reason)};
    return fail(Code::corrupt, "column " + std::to_string(offset + 1) + ": " + x_damage.reason);
}

Result<Line> LineDecoder::decode(std::string_view text) {
    if (text.size() > kLineBytesMax)
        return damaged(kLineBytesMax, "the line is longer than 64 MiB");
    const auto sliced = x_slicer.slice(text);
    if (!sliced) return damaged(x_slicer.damage().offset, x_slicer.damage().reason);
    const std::vector<JsonMember>& members = **sliced;
    const auto offset_of = [&](std::string_view part) {
        return static_cast<std::size_t>(part.data() - text.data());
    };

    Line line;
    line.text = text;
    const std::string_view raw_id = find_raw(members, x_shape.id_member);
    const std::string_view raw_key = raw_id.empty() ? find_raw(members, "id") : raw_id;
    if (raw_key.empty()) return damaged(0, "no member '" + x_shape.id_member + "'");
    if (kind_of_raw(raw_key) != JsonKind::string) {
        return damaged(offset_of(raw_key), "'" + x_shape.id_member + "' is not a string");
    }
    line.id = *unescape_json(raw_key);
    if (line.id.empty()) return damaged(offset_of(raw_key), "'" + x_shape.id_member + "' is empty");

    line.members.reserve(members.size());
    std::string_view raw_stamps;
    bool only_tombstone_members = true;
    for (const JsonMember& member : members) {
        if (member.name == "_stamps") {
            raw_stamps = member.raw_value;
            continue;
        }
        if (member.name == "created_at" || member.name == "started_at") {
            line.born_at = std::max(line.born_at, to_time_ms(member.raw_value));
        }
        only_tombstone_members =
            only_tombstone_members && (is_frame_member(x_shape, member.name) ||
                                       member.name == "id" || member.name == "deleted");
        Member& own = line.members.emplace_back();
        own.name = member.name;
        own.raw_value = member.raw_value;
    }
    line.tombstone = only_tombstone_members && find_raw(members, "deleted") == "true";
    for (const std::string& name : x_shape.time_members) {
        const std::string_view raw = find_raw(members, name);
        if (raw.empty() || raw == "null") continue;
        line.updated_at = std::max<std::int64_t>(0, to_time_ms(raw));
        if (line.updated_at > kStampMsMax)
            return damaged(offset_of(raw), "'" + name + "' lies beyond the year 2200");
        break;
    }
    if (!raw_stamps.empty() && !read_usual_stamps(line, raw_stamps))
        TASKSTORE_TRY(read_stamps(line, raw_stamps, offset_of(raw_stamps)));
    if (!line.stamped) {
        line.at = Stamp{line.updated_at, 0, {}};
        for (Member& member : line.members) member.stamp = line.at;
    }
    index_members(line);
    return line;
}

const Member* Line::find(std::string_view name) const {
    if (by_name.size() != members.size()) {
        const auto found = std::ranges::find(members, name, &Member::name);
        return found == members.end() ? nullptr : &*found;
    }
    const auto name_of = [&](std::uint32_t i) -> std::string_view { return members[i].name; };
    const auto found = std::ranges::lower_bound(by_name, name, {}, name_of);
    return found == by_name.end() || name_of(*found) != name ? nullptr : &members[*found];
}

namespace {

/// A raw string without escapes; nothing else.
std::optional<std::string_view> plain_text(std::string_view raw) {
    if (kind_of_raw(raw) != JsonKind::string || raw.find('\\') != std::string_view::npos)
        return std::nullopt;
    return raw.substr(1, raw.size() - 2);
}

/// False: it is none.
bool read_stamp(std::string_view raw, Stamp& out) {
    const auto text = plain_text(raw);
    if (!text) return false;
    auto stamp = parse_stamp(*text);
    if (stamp) out = std::move(*stamp);
    return stamp.has_value();
}

/// "" stands for `at`.
bool read_stamp_or(std::string_view raw, const Stamp& at, Stamp& out) {
    if (raw != "\"\"") return read_stamp(raw, out);
    out = at;
    return true;
}

/// The members of a line that its stamps name; those that are not there were removed.
class NamedMembers {
  public:
    explicit NamedMembers(Line& line) : x_line(line) {}
    Member& of(std::string_view name) {
        std::vector<Member>& members = x_line.members;
        if (x_index.empty() && members.size() <= kMembersFew) {
            const auto found = std::ranges::find(members, name, &Member::name);
            return found != members.end() ? *found : add(name);
        }
        if (x_index.empty()) {
            for (std::size_t i = 0; i < members.size(); ++i) x_index.emplace(members[i].name, i);
        }
        const auto [place, is_new] = x_index.emplace(name, members.size());
        return is_new ? add(name) : members[place->second];
    }

  private:
    Member& add(std::string_view name) {
        return x_line.members.emplace_back(Member{std::string(name), {}, x_line.at, {}});
    }
    Line& x_line;
    std::unordered_map<std::string, std::size_t> x_index;
};

}  // namespace

/// What nearly every line has, read where it stands. False: there is more to it, or it is damaged,
/// or not to be believed; read_stamps() reads it then, and the line is as it was.
bool LineDecoder::read_usual_stamps(Line& line, std::string_view raw) {
    if (!members_of_raw(raw, x_stamps)) return false;
    const auto raw_of = [&](std::string_view name) { return find_raw(x_stamps, name); };
    const auto absent_or = [&](std::string_view name, Stamp& out) {
        const std::string_view value = raw_of(name);
        return value.empty() || read_stamp(value, out);
    };
    Stamp at;
    Stamp from;
    const auto by = raw_of("by").empty() ? std::string_view() : plain_text(raw_of("by"));
    if (raw_of("v") != "1" || !read_stamp(raw_of("at"), at) || !by || !absent_or("from", from))
        return false;
    Stamp base = at;
    std::int64_t life = 1;
    if (const std::string_view value = raw_of("life"); !value.empty())
        life = raw_to_int64(value).value_or(0);
    if (at.ms != line.updated_at || !absent_or("base", base) || base > at || life < 1 ||
        life > kLifeMax || !raw_of("b").empty() || !raw_of("was").empty() ||
        !raw_of("lost").empty())
        return false;
    const std::size_t members = line.members.size();
    const auto undo = [&] {
        line.members.resize(members);
        for (Member& member : line.members) member.over.clear();
        line.at = {};
        return false;
    };
    line.at = at;
    NamedMembers named(line);
    for (Member& member : line.members)
        member.stamp = is_frame_member(x_shape, member.name) ? at : base;
    if (const std::string_view fields = raw_of("f"); !fields.empty()) {
        if (!members_of_raw(fields, x_fields)) return undo();
        for (const JsonMember& field : x_fields) {
            Stamp stamp;
            if (!read_stamp_or(field.raw_value, at, stamp) || stamp > at) return undo();
            named.of(field.name).stamp = std::move(stamp);
        }
    }
    if (const std::string_view over = raw_of("over"); !over.empty()) {
        if (!members_of_raw(over, x_fields)) return undo();
        for (const JsonMember& field : x_fields) {
            Member& member = named.of(field.name);
            const bool several = kind_of_raw(field.raw_value) == JsonKind::array;
            const auto add = [&](std::string_view one) {
                return read_stamp_or(one, at, member.over.emplace_back());
            };
            if (!several && !add(field.raw_value)) return undo();
            if (several && !std::ranges::all_of(items_of_raw(field.raw_value), add)) return undo();
        }
    }
    line.from = std::move(from);
    line.by = *by;
    line.forced = raw_of("forced") == "true";
    line.life = static_cast<std::uint32_t>(life);
    line.stamped = true;
    return true;
}

Status LineDecoder::read_stamps(Line& line, std::string_view raw, std::size_t offset) {
    const auto bad = [&](const std::string& reason) {
        return damaged(offset, "_stamps: " + reason);
    };
    const auto parsed = Json::parse(raw);
    if (!parsed || parsed->kind() != JsonKind::object) return bad("not an object");
    const Json& stamps = *parsed;
    if (const auto version = stamps.get("v").as_int64(); version != 1) {
        return bad(version ? "written by a newer taskstore (v" + std::to_string(*version) +
                                 "): upgrade to read it"
                           : "no version");
    }
    auto at = parse_stamp(stamps.get("at").as_string().value_or(""));
    if (!at) return bad(at.error().message);
    if (x_own_stamps)
        line.updated_at = at->ms;
    else if (at->ms != line.updated_at)
        return ok();  // edited by a program that does not know stamps
    line.at = *at;
    line.by = stamps.get("by").as_string().value_or("");
    line.forced = stamps.get("forced").as_bool().value_or(false);
    const std::int64_t life = stamps.has("life") ? stamps.get("life").as_int64().value_or(0) : 1;
    if (life < 1 || life > kLifeMax) return bad("'life' is not a positive number");
    line.life = static_cast<std::uint32_t>(life);
    if (stamps.has("from")) {
        auto from = parse_stamp(stamps.get("from").as_string().value_or(""));
        if (!from) return bad(from.error().message);
        line.from = std::move(*from);
    }
    Stamp base = line.at;
    if (stamps.has("base")) {
        auto read = parse_stamp(stamps.get("base").as_string().value_or(""));
        if (!read) return bad(read.error().message);
        base = std::move(*read);
        if (base > line.at) return bad("base: later than 'at'");
    }
    for (Member& member : line.members) {
        member.stamp = is_frame_member(x_shape, member.name) ? line.at : base;
    }
    const Json fields = stamps.get("f");
    const Json over = stamps.get("over");
    NamedMembers named(line);
    const std::vector<std::string> marked = fields.names();
    for (std::size_t i = 0; i < marked.size(); ++i) {
        auto stamp = stamp_of(fields.at(i), line.at);
        if (!stamp) return bad("f." + marked[i] + ": " + stamp.error().message);
        if (*stamp > line.at) return bad("f." + marked[i] + ": later than 'at'");
        named.of(marked[i]).stamp = std::move(*stamp);
    }
    const std::vector<std::string> replaced = over.names();
    for (std::size_t k = 0; k < replaced.size(); ++k) {
        const std::string& name = replaced[k];
        Member& member = named.of(name);
        const Json value = over.at(k);
        const std::size_t count = value.kind() == JsonKind::array ? value.size() : 1;
        for (std::size_t i = 0; i < count; ++i) {
            auto stamp = stamp_of(value.kind() == JsonKind::array ? value.at(i) : value, line.at);
            if (!stamp) return bad("over." + name + ": " + stamp.error().message);
            member.over.push_back(std::move(*stamp));
        }
    }
    if (const Json batch = stamps.get("b"); !batch.is_null()) {
        line.batch = batch_of(batch);
        if (!line.batch) return bad("'b' is not [BATCH,K,N]");
    }
    if (const Json was = stamps.get("was"); !was.is_null()) {
        if (const Status status = read_folded(line, was); !status)
            return bad("was: " + status.error().message);
    }
    if (stamps.has("lost") && !line.tombstone) {
        if (const Status status = read_lost(line, raw); !status)
            return bad("lost: " + status.error().message);
    }
    line.stamped = true;
    return ok();
}

/// Values stay as they are written, so they are read where they stand.
Status LineDecoder::read_lost(Line& line, std::string_view raw_stamps) {
    const auto odd = [] { return fail(Code::corrupt, "it holds what is not {member,at,value}"); };
    if (!members_of_raw(raw_stamps, x_stamps)) return odd();
    for (const std::string_view item : items_of_raw(find_raw(x_stamps, "lost"))) {
        if (!members_of_raw(item, x_fields)) return odd();
        auto name = unescape_json(find_raw(x_fields, "member"));
        Stamp stamp;
        if (!name || !read_stamp(find_raw(x_fields, "at"), stamp)) return odd();
        line.lost.push_back({std::move(*name), find_raw(x_fields, "value"), std::move(stamp)});
    }
    return ok();
}

bool values_agree(const Shape& shape, std::string_view name, std::string_view one,
                  std::string_view other) {
    if (one == other) return true;
    return !one.empty() && !other.empty() && kind_of_raw(one) == kind_of_raw(other) &&
           std::ranges::find(shape.own_members, name) != shape.own_members.end();
}

Status LineDecoder::read_folded(Line& line, const Json& was) {
    if (was.kind() != JsonKind::object) return fail(Code::corrupt, "not an object");
    auto folded = std::make_shared<Folded>();
    const auto stamp_in = [](const Json& value, Stamp& out) -> Status {
        TASKSTORE_LET(out, parse_stamp(value.as_string().value_or("")));
        return ok();
    };
    const Json over = was.get("over");
    for (std::size_t i = 0; i < over.size(); ++i) {
        const Json entry = over.at(i);
        auto& [stamp, names] = folded->over.emplace_back();
        TASKSTORE_TRY(stamp_in(entry.at(0), stamp));
        for (std::size_t k = 1; k < entry.size(); ++k)
            names.push_back(entry.at(k).as_string().value_or(""));
    }
    const Json by = was.get("by");
    for (std::size_t i = 0; i < by.size(); ++i) {
        auto& [stamp, actor] = folded->by.emplace_back();
        TASKSTORE_TRY(stamp_in(by.at(i).at(0), stamp));
        actor = by.at(i).at(1).as_string().value_or("");
    }
    std::ranges::sort(folded->by);
    if (was.has("from")) TASKSTORE_TRY(stamp_in(was.get("from"), folded->from));
    if (was.has("since")) TASKSTORE_TRY(stamp_in(was.get("since"), folded->since));
    const Json batches = was.get("b");
    for (std::size_t i = 0; i < batches.size(); ++i) {
        auto batch = batch_of(batches.at(i));
        if (!batch) return fail(Code::corrupt, "'b' holds what is not [BATCH,K,N]");
        folded->batches.push_back(std::move(*batch));
    }
    line.was = std::move(folded);
    return ok();
}

std::string_view writer_of(const Line& line, const Stamp& stamp) {
    if (line.was != nullptr) {
        const auto found = std::ranges::lower_bound(line.was->by, stamp, {},
                                                    &std::pair<Stamp, std::string>::first);
        if (found != line.was->by.end() && found->first == stamp) return found->second;
        return line.by;
    }
    return stamp == line.at ? std::string_view(line.by) : std::string_view();
}

}  // namespace taskstore::ledger
