#include "import_mapping.hpp"

#include <taskstore/base/hash.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/base/text.hpp>

#include <algorithm>
#include <optional>

namespace taskstore::store {
namespace {

using exchange::Incoming;
using exchange::Meaning;
using exchange::Member;
using exchange::Part;
using exchange::Stage;
using records::Field;
using records::FieldSetter;
using records::FieldType;

std::string quoted(std::string_view text) {
    std::string raw;
    append_json_string(raw, text);
    return raw;
}

std::string_view prd_status(Stage stage) {
    switch (stage) {
        case Stage::ready:
            return "ready";
        case Stage::active:
            return "active";
        case Stage::done:
            return "complete";
        case Stage::failed:
        case Stage::dropped:
            return "cancelled";
        case Stage::open:
        case Stage::deleted:
            break;
    }
    return "draft";
}

std::string_view spec_status(Stage stage) {
    switch (stage) {
        case Stage::active:
            return "running";
        case Stage::done:
            return "complete";
        case Stage::failed:
        case Stage::dropped:
            return "failed";
        case Stage::open:
        case Stage::ready:
        case Stage::deleted:
            break;
    }
    return "pending";
}

std::string_view name_of(exchange::Kind kind) {
    return exchange::kind_words()[static_cast<std::size_t>(kind)];
}

/// Text that a field of the kind can hold.
std::optional<std::string> as_text(const Field& field, std::string_view raw) {
    if (kind_of_raw(raw) != JsonKind::string) return std::nullopt;
    if (field.required && raw == "\"\"") return std::nullopt;
    // Nearly no text has an escape for it.
    if (raw.find("\\u0000") != std::string_view::npos &&
        exchange::text_of_raw(raw).find('\0') != std::string::npos)
        return std::nullopt;
    return std::string(raw);
}

/// The value that the field takes for `raw`; nothing: it cannot hold it.
std::optional<std::string> as_value(const Field& field, std::string_view raw) {
    if (raw == "null") {
        if (field.required || !field.initial.empty()) return std::nullopt;
        return "null";
    }
    switch (field.type) {
        case FieldType::text:
            return as_text(field, raw);
        case FieldType::integer: {
            const auto value = raw_to_int64(raw);
            if (!value || *value < 0 || *value > field.max) return std::nullopt;
            return std::string(raw);
        }
        case FieldType::time_ms: {
            const auto ms = exchange::time_of_raw(raw);
            return ms ? std::optional(std::to_string(*ms)) : std::nullopt;
        }
        case FieldType::choice: {
            if (kind_of_raw(raw) != JsonKind::string) return std::nullopt;
            const auto choice = records::parse_choice(field, exchange::text_of_raw(raw));
            return choice ? std::optional(quoted(*choice)) : std::nullopt;
        }
        case FieldType::number:
        case FieldType::boolean:
            return std::string(raw);
    }
    return std::nullopt;
}

std::string default_of(const Field& field) {
    return field.initial.empty() ? "null" : std::string(field.initial);
}

/// Writes `_import` and the hash.
void finish(Mapped& out, exchange::Kind from, const std::vector<Member>& was) {
    Sha256 hash;
    const auto add = [&](std::string_view name, std::string_view raw) {
        hash.update(name);
        hash.update(std::string_view("\0", 1));
        hash.update(raw);
        hash.update("\n");
    };
    for (const ledger::Change& member : out.members) {
        if (!out.parent_implied || member.name != "prd_id") add(member.name, member.raw_value);
    }
    for (const Member& member : was) add(member.name, member.raw);
    out.hash = hash.finish_hex().substr(0, 16);
    std::string raw;
    JsonWriter writer(raw);
    writer.begin_object().key(name_of(from)).begin_object().key("hash").string(out.hash);
    if (!was.empty()) {
        writer.key("was").begin_object();
        for (const Member& member : was) writer.key(member.name).raw(member.raw);
        writer.end_object();
    }
    writer.end_object().end_object();
    out.members.push_back({std::string(kImportMember), std::move(raw)});
}

/// What the meaning of the record gives a field, beside members of the field's own name.
const Part* part_of(const Meaning& meaning, std::string_view collection, std::string_view field) {
    const bool spec = collection == "task_specs";
    if (field == (spec ? "phase_name" : "title")) return &meaning.title;
    if (field == "description") return &meaning.description;
    if (field == "content") return &meaning.content;
    if (field == "created_at") return &meaning.created;
    if (spec && field == "assigned_to") return &meaning.assignee;
    return nullptr;
}

/// Declared fields of a PRD or a spec, or of any declared kind that is named with --to.
class DeclaredMapping {
  public:
    DeclaredMapping(const Incoming& record, const records::Kind& kind, Mapped& out)
        : x_record(record), x_kind(kind), x_out(out), x_kept(record.members.size(), false) {}

    void put(std::string name, std::string raw) {
        x_out.members.push_back({std::move(name), std::move(raw)});
    }
    void put_default(const Field& field) {
        x_out.defaults.emplace_back(field.name);
        put(std::string(field.name), default_of(field));
    }
    /// Whether the member of that name is now there as it was.
    void keep(std::string_view name, std::string_view raw) {
        for (std::size_t i = 0; i < x_record.members.size(); ++i) {
            if (x_record.members[i].name == name && x_record.members[i].raw == raw)
                x_kept[i] = true;
        }
    }
    bool put_part(const Field& field, const Part* part) {
        if (part == nullptr || part->raw.empty()) return false;
        auto raw = as_value(field, part->raw);
        if (!raw) return false;
        if (!part->from.empty()) keep(part->from, *raw);
        put(std::string(field.name), std::move(*raw));
        return true;
    }
    bool put_same_name(const Field& field) {
        const std::string_view raw = x_record.raw_of(field.name);
        if (raw.empty()) return false;
        auto value = as_value(field, raw);
        if (!value) {
            ++x_out.misfits;
            return false;
        }
        keep(field.name, *value);
        put(std::string(field.name), std::move(*value));
        return true;
    }
    /// Members that are no field of the kind stay; what could not is returned.
    std::vector<Member> put_rest() {
        std::vector<Member> was;
        for (std::size_t i = 0; i < x_record.members.size(); ++i) {
            const Member& member = x_record.members[i];
            if (x_kept[i]) continue;
            const bool taken = x_kind.field(member.name) != nullptr ||
                               ledger::is_frame_member(x_kind.shape(), member.name) ||
                               member.name == kImportMember;
            if (taken)
                was.push_back(member);
            else
                put(std::string(member.name), std::string(member.raw));
        }
        return was;
    }

  private:
    const Incoming& x_record;
    const records::Kind& x_kind;
    Mapped& x_out;
    std::vector<bool> x_kept;
};

}  // namespace

Mapped map_record(exchange::Kind from, const Incoming& record, const Meaning& meaning,
                  std::string_view collection, const records::Kind* kind, std::string_view id,
                  const Parent& parent) {
    Mapped out;
    out.parent_implied = parent.implied;
    out.collection = collection;
    out.id = id;
    out.gone = meaning.stage == Stage::deleted;
    out.line = record.line;
    out.column = record.column;
    const std::string raw_id = quoted(id);
    if (kind == nullptr) {
        const ledger::Shape shape;
        std::vector<Member> was;
        for (const Member& member : record.members) {
            if (member.name == shape.id_member && member.raw == raw_id) continue;
            if (ledger::is_frame_member(shape, member.name) || member.name == kImportMember)
                was.push_back(member);
            else
                out.members.push_back({std::string(member.name), std::string(member.raw)});
        }
        finish(out, from, was);
        return out;
    }
    const bool planned = !parent.id.empty() || meaning.is_group;
    DeclaredMapping mapping(record, *kind, out);
    // The id stands in the frame, under whatever name the source has it.
    if (!meaning.id_from.empty()) mapping.keep(meaning.id_from, raw_id);
    for (const Field& field : kind->fields) {
        const Part* const part = planned ? part_of(meaning, collection, field.name) : nullptr;
        if (planned && field.name == "prd_id") {
            mapping.keep("prd_id", quoted(parent.id));
            mapping.put("prd_id", quoted(parent.id));
            if (parent.implied) out.defaults.emplace_back("prd_id");
        } else if (planned && field.name == "status") {
            const std::string raw = quoted(collection == "prds" ? prd_status(meaning.stage)
                                                                : spec_status(meaning.stage));
            if (!meaning.status.from.empty()) mapping.keep(meaning.status.from, raw);
            if (meaning.status.raw.empty() || !meaning.stage_given)
                out.defaults.emplace_back("status");
            mapping.put("status", raw);
        } else if (mapping.put_part(field, part)) {
            continue;
        } else if (field.setter == FieldSetter::created) {
            // Without a time of its own it gets one when it is written.
            if (!planned) mapping.put_same_name(field);
        } else if (planned && !field.refers_to.empty()) {
            mapping.put_default(field);  // a name of theirs is none of ours
        } else if (!mapping.put_same_name(field)) {
            if (planned && field.required) {
                out.defaults.emplace_back(field.name);
                mapping.put(std::string(field.name), raw_id);
            } else if (!field.required) {
                mapping.put_default(field);
            } else {
                out.missing = field.name;
            }
        }
    }
    finish(out, from, mapping.put_rest());
    return out;
}

Mapped map_group(exchange::Kind from, const exchange::NamedGroup& group, std::string_view id) {
    const records::Kind& kind = *records::find_collection("prds");
    Mapped out;
    out.collection = kind.collection;
    out.id = id;
    for (const Field& field : kind.fields) {
        if (field.setter == FieldSetter::created) continue;
        std::string raw = default_of(field);
        if (field.name == "title") raw = group.title_raw;
        if (field.name == "description" && !group.description_raw.empty())
            raw = group.description_raw;
        if (field.name == "status") raw = quoted(prd_status(group.stage));
        out.members.push_back({std::string(field.name), std::move(raw)});
    }
    finish(out, from, {});
    return out;
}

std::string_view entry_of_import(std::string_view raw, exchange::Kind from) {
    if (kind_of_raw(raw) != JsonKind::object) return {};
    thread_local JsonSlicer slicer;
    const auto members = slicer.slice(raw);
    if (!members) return {};
    const auto found = std::ranges::find(**members, name_of(from), &JsonMember::name);
    return found == (*members)->end() ? std::string_view() : found->raw_value;
}

std::string hash_of_entry(std::string_view entry) {
    const auto json = Json::parse(entry);
    return json ? json->get("hash").as_string().value_or("") : "";
}

std::string joined_import(std::string_view raw, std::string_view own, exchange::Kind from) {
    JsonSlicer slicer;
    const auto members = slicer.slice(raw);
    if (!members) return std::string(own);
    std::string out;
    for (const JsonMember& member : **members) {
        if (member.name == name_of(from)) continue;
        out += out.empty() ? "{" : ",";
        out.append(member.raw_name).append(":").append(member.raw_value);
    }
    if (out.empty()) return std::string(own);
    return out + "," + std::string(own.substr(1));
}

}  // namespace taskstore::store
