#include <taskstore/base/ascii.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/records/collection_schema.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <set>

namespace taskstore::records {
namespace {

constexpr std::string_view kParts = "x-taskstore";
constexpr std::size_t kColumnsMax = 64;  // beside those with an index
constexpr std::size_t kIndexesMax = 32;
constexpr std::size_t kStatesMax = 256;
constexpr std::array<std::string_view, 1> kUpdated{"updated_at"};
/// Of the cache's tables; SQLite's names know no case.
constexpr std::array<std::string_view, 6> kTaken{"rid",      "id",   "updated_at",
                                                 "revision", "data", "stamps"};

std::string quoted_text(std::string_view text) {
    std::string raw;
    append_json_string(raw, text);
    return raw;
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
    std::string out;
    for (const std::string& word : words)
        out += (out.empty() ? std::string() : std::string(between)) + word;
    return out;
}

bool is_stores_own(std::string_view name) {
    return name == "id" || name == "updated_at" || name == "deleted" || name.starts_with('_');
}

/// What a path of SQLite's JSON functions can say.
bool may_be_a_field(std::string_view name) {
    return !name.empty() && !is_stores_own(name) && name.size() <= 128 &&
           name.find('"') == name.npos && name.find('\\') == name.npos &&
           std::ranges::none_of(name, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
}

/// The object's members and, apart, the value of x-taskstore; `text` without that member.
struct Sliced {
    std::string text;
    Json parts;
};

/// true and false are schemas too: what takes anything, and nothing, as an object that can hold
/// x-taskstore.
std::string_view object_of(std::string_view text) {
    const std::size_t first = std::min(text.find_first_not_of(" \t\r\n"), text.size());
    const std::string_view word = text.substr(first, text.find_last_not_of(" \t\r\n") + 1 - first);
    return word == "true" ? "{}" : word == "false" ? R"({"not": {}})" : text;
}

Result<Sliced> slice_schema(std::string_view given) {
    const std::string_view text = object_of(given);
    JsonSlicer slicer;
    const auto members = slicer.slice(text);
    if (!members) {
        const auto json = check_json(text);
        const bool object = json && kind_of_raw(text) == JsonKind::object;
        return fail(Code::invalid,
                    "the schema is " + (object ? "damaged: " + slicer.damage().reason
                                        : json ? "neither a JSON object nor true or false"
                                               : "no JSON: " + json.error().message));
    }
    Sliced out{std::string(text), {}};
    for (std::size_t i = 0; i < (*members)->size(); ++i) {
        const JsonMember& member = (**members)[i];
        if (member.name != kParts) continue;
        TASKSTORE_LET(out.parts, Json::parse(member.raw_value));
        if (out.parts.kind() != JsonKind::object)
            return fail(Code::invalid, "/x-taskstore is not an object");
        const auto offset = [&](std::string_view part) {
            return static_cast<std::size_t>(part.data() - text.data());
        };
        std::size_t from = offset(member.raw_name);
        std::size_t to = offset(member.raw_value) + member.raw_value.size();
        if (i > 0) {
            const std::string_view before = (**members)[i - 1].raw_value;
            from = offset(before) + before.size();
        } else if ((*members)->size() > 1) {
            to = offset((**members)[1].raw_name);
        }
        out.text.erase(from, to - from);
        break;
    }
    return out;
}

}  // namespace

std::string reason_of(const schema::Violation& violation) {
    return schema::to_text(violation) +
           (violation.schema_path.empty() ? "" : " (schema: " + violation.schema_path + ")");
}

CollectionSchema::CollectionSchema(std::string name, std::string text, schema::Schema schema)
    : x_name(std::move(name)), x_text(std::move(text)), x_schema(std::move(schema)) {}

Result<std::shared_ptr<const CollectionSchema>> CollectionSchema::parse(std::string name,
                                                                        std::string file_text) {
    TASKSTORE_TRY(slice_schema(file_text));
    TASKSTORE_LET(auto compiled, schema::Schema::compile(file_text));
    const std::shared_ptr<CollectionSchema> made(
        new CollectionSchema(std::move(name), std::move(file_text), std::move(compiled)));
    TASKSTORE_TRY(made->read_parts());
    return std::shared_ptr<const CollectionSchema>(made);
}

std::string_view CollectionSchema::keep(std::string text) {
    return x_texts.emplace_back(std::move(text));
}

Field* CollectionSchema::field(std::string_view name) {
    const auto found = std::ranges::find(x_fields, name, &Field::name);
    return found == x_fields.end() ? nullptr : &*found;
}

Status CollectionSchema::read_parts() {
    TASKSTORE_LET(const Json root, Json::parse(x_text));
    TASKSTORE_TRY(check_own_members(root));
    TASKSTORE_TRY(add_fields());
    const Json parts = root.get(kParts);
    if (!parts.get("status").is_null()) TASKSTORE_TRY(add_status(parts.get("status")));
    if (!parts.get("index").is_null()) TASKSTORE_TRY(add_index(parts.get("index")));
    std::size_t columns = 0;
    std::set<std::string> taken(kTaken.begin(), kTaken.end());
    for (Field& field : x_fields) {
        field.document = !field.indexed && ++columns > kColumnsMax;
        if (field.document) continue;
        std::string column(field.name);
        while (!taken.insert(ascii::lowered(column)).second) column += '_';
        if (column != field.name) field.column = keep(std::move(column));
    }
    const auto is_false = [&](std::string_view keyword) {
        return root.get(keyword).as_bool() == std::optional(false);
    };
    const std::string title = x_schema.title();
    x_kind = {.collection = x_name,
              .noun = x_name,
              .aliases = {},
              .time_members = kUpdated,
              .fields = x_fields,
              .transitions = x_transitions,
              .order_field = "updated_at",
              .help = keep(title.empty() ? x_schema.description() : title),
              .declared = true,
              .closed = is_false("additionalProperties") || is_false("unevaluatedProperties")};
    return ok();
}

Status CollectionSchema::check_own_members(const Json& root) {
    const auto is_one_of = [](const schema::Property& property,
                              std::initializer_list<std::string_view> types) {
        return property.types.empty() ||
               std::ranges::any_of(property.types, [&](const std::string& type) {
                   return std::ranges::find(types, type) != types.end();
               });
    };
    for (const schema::Property& property : x_schema.properties()) {
        x_sees_id = x_sees_id || property.name == "id";
        x_sees_updated_at = x_sees_updated_at || property.name == "updated_at";
        const std::string is = " is " + joined(property.types, " or ") +
                               " in the schema (/properties/" + property.name + "), but ";
        if (property.name == "id" && !is_one_of(property, {"string"}))
            return fail(Code::invalid, "'id'" + is + "the store's ids are text");
        if (property.name == "updated_at" && !is_one_of(property, {"integer", "number"})) {
            return fail(Code::invalid,
                        "'updated_at'" + is + "the store sets it to whole ms since 1970")
                .with_hint("leave it out of the schema, or call the member otherwise");
        }
    }
    const Json required = root.get("required");
    for (std::size_t i = 0; i < required.size(); ++i) {
        const std::string name = required.at(i).as_string().value_or("");
        x_sees_id = x_sees_id || name == "id";
        x_sees_updated_at = x_sees_updated_at || name == "updated_at";
        if (name == "deleted" || name.starts_with('_'))
            return fail(Code::invalid, "/required/" + std::to_string(i) + ": '" + name +
                                           "' is the store's own and not shown to schemas");
    }
    return ok();
}

Status CollectionSchema::add_fields() {
    for (const schema::Property& property : x_schema.properties()) {
        if (!property.default_json.empty() && !is_stores_own(property.name)) {
            TASKSTORE_LET(const Json value, Json::parse(property.default_json));
            x_defaults.push_back({property.name, value.to_text()});
        }
        if (!may_be_a_field(property.name)) continue;
        std::vector<std::string> types = property.types;
        const bool nullable = std::erase(types, "null") > 0;
        if (types.size() != 1) continue;
        Field made;
        if (types[0] == "string")
            made.type = FieldType::text;
        else if (types[0] == "integer")
            made.type = FieldType::integer;
        else if (types[0] == "number")
            made.type = FieldType::number;
        else if (types[0] == "boolean")
            made.type = FieldType::boolean;
        else
            continue;
        made.name = keep(property.name);
        made.required = property.required && !nullable;
        made.help = keep(property.description.empty() ? property.title : property.description);
        if (!property.default_json.empty()) made.initial = keep(x_defaults.back().raw_value);
        if (made.type == FieldType::text && !property.enum_values.empty()) {
            auto& choices = x_choices.emplace_back();
            for (const std::string& raw : property.enum_values) {
                if (auto text = unescape_json(raw); text && kind_of_raw(raw) == JsonKind::string)
                    choices.push_back(keep(std::move(*text)));
            }
            made.type = FieldType::choice;
            made.choices = choices;
        }
        x_fields.push_back(made);
    }
    return ok();
}

Status CollectionSchema::add_status(const Json& table) {
    const auto wrong = [](const std::string& where, const std::string& what) {
        return fail(Code::invalid, "the status table: " + where + what)
            .with_hint(
                R"(it is like {"initial": "open", "transitions": {"open": ["done"], "done": []}})");
    };
    if (table.kind() != JsonKind::object) return wrong("", "it is not an object");
    for (const std::string& name : table.names()) {
        if (name != "initial" && name != "transitions") return wrong("/" + name, " is unknown");
    }
    const auto initial = table.get("initial").as_string();
    if (!initial || initial->empty()) return wrong("/initial", " is no state");
    const Json transitions = table.get("transitions");
    if (transitions.kind() != JsonKind::object) return wrong("/transitions", " is not an object");
    const auto state = [&](const std::string& name) -> std::string_view {
        const auto found = std::ranges::find(x_states, name);
        if (found != x_states.end()) return *found;
        return x_states.emplace_back(keep(name));
    };
    x_initial_status = *initial;
    state(*initial);
    for (const std::string& from : transitions.names()) {
        const Json targets = transitions.get(from);
        const std::string where = "/transitions/" + from;
        if (from.empty() || targets.kind() != JsonKind::array)
            return wrong(where, " is not a list of states");
        state(from);
        for (std::size_t i = 0; i < targets.size(); ++i) {
            const auto to = targets.at(i).as_string();
            if (!to || to->empty()) return wrong(where + "/" + std::to_string(i), " is no state");
            if (*to == from) return wrong(where + "/" + std::to_string(i), " is the state itself");
            x_transitions.push_back({state(from), state(*to)});
        }
    }
    if (x_states.size() > kStatesMax)
        return wrong("", "it has more than " + std::to_string(kStatesMax) + " states");
    TASKSTORE_TRY(check_states());
    Field* status = field("status");
    if (status == nullptr) status = &x_fields.emplace_back(Field{.name = "status"});
    status->type = FieldType::choice;
    status->choices = x_states;
    status->indexed = true;
    std::erase_if(x_defaults, [](const Default& one) { return one.name == "status"; });
    x_defaults.push_back({"status", quoted_text(x_initial_status)});
    status->initial = keep(x_defaults.back().raw_value);
    return ok();
}

/// A state that the schema does not take would make every record in it a misfit.
Status CollectionSchema::check_states() const {
    for (const std::string_view state : x_states) {
        TASKSTORE_LET(const auto violations,
                      x_schema.validate("{\"status\":" + quoted_text(state) + "}"));
        for (const schema::Violation& violation : violations) {
            const bool closed = violation.keyword == "additionalProperties" ||
                                violation.keyword == "unevaluatedProperties";
            if (violation.instance_path.starts_with("/status") ||
                (violation.instance_path.empty() && closed)) {
                return fail(Code::invalid,
                            "the status table has the state '" + std::string(state) +
                                "', which the schema does not take: " + reason_of(violation));
            }
        }
    }
    return ok();
}

Status CollectionSchema::add_index(const Json& list) {
    if (list.kind() != JsonKind::array)
        return fail(Code::invalid, "/x-taskstore/index is not a list of fields");
    if (list.size() > kIndexesMax)
        return fail(Code::invalid, "more than " + std::to_string(kIndexesMax) + " indexes");
    for (std::size_t i = 0; i < list.size(); ++i) {
        const auto name = list.at(i).as_string();
        if (!name)
            return fail(Code::invalid, "/x-taskstore/index/" + std::to_string(i) + " is no name");
        if (*name == "id" || *name == "updated_at") continue;  // has one anyway
        if (Field* const known = field(*name)) {
            known->indexed = true;
            continue;
        }
        std::vector<std::string> names;
        for (const Field& one : x_fields) names.emplace_back(one.name);
        for (const schema::Property& property : x_schema.properties()) {
            if (property.name != *name) continue;
            return fail(Code::invalid,
                        "'" + *name + "' cannot be indexed: the schema says " +
                            (property.types.empty() ? std::string("no type")
                                                    : joined(property.types, " or ")) +
                            ", and an index wants text, a number or a boolean")
                .with_hint(names.empty() ? "" : "one of " + joined(names, ", "));
        }
        const std::vector<std::string_view> views(names.begin(), names.end());
        const auto nearest = nearest_name(*name, views);
        return fail(Code::invalid, "the schema has no property '" + *name + "' to index")
            .with_hint(nearest         ? "did you mean '" + std::string(*nearest) + "'?"
                       : names.empty() ? "declare it under \"properties\", with its type"
                                       : "one of " + joined(names, ", "));
    }
    return ok();
}

bool CollectionSchema::sees(std::string_view member) const {
    if (member == "id") return x_sees_id;
    if (member == "updated_at") return x_sees_updated_at;
    return member != "deleted" && !member.starts_with('_');
}

Result<std::vector<schema::Violation>> CollectionSchema::violations(
    std::string_view data, std::size_t violations_max) const {
    thread_local JsonSlicer slicer;
    thread_local std::string instance;
    TASKSTORE_LET(const auto* const members, slicer.slice(data));
    instance = "{";
    std::string_view status;
    for (const JsonMember& member : *members) {
        if (member.name == "status") status = member.raw_value;
        if (!sees(member.name)) continue;
        if (instance.size() > 1) instance += ',';
        instance.append(member.raw_name).append(":").append(member.raw_value);
    }
    instance += '}';
    TASKSTORE_LET(auto found, x_schema.validate(instance, {.violations_max = violations_max}));
    if (!has_status_table()) return found;
    const auto text = kind_of_raw(status.empty() ? "null" : status) == JsonKind::string
                          ? unescape_json(status).value_or("")
                          : std::string();
    if (std::ranges::find(x_states, text) != x_states.end()) return found;
    std::string states;
    for (const std::string_view state : x_states)
        states += (states.empty() ? "" : ", ") + std::string(state);
    found.insert(found.begin(),
                 {.instance_path = "/status",
                  .schema_path = "/x-taskstore/status",
                  .keyword = "status",
                  .value = status.empty() ? "absent" : std::string(cut_utf8(status, 80)),
                  .message = "must be one of the states " + states});
    return found;
}

Result<std::string> CollectionSchema::compose(const CollectionRequest& request,
                                              std::string_view before) {
    // What was there may be damaged: then only what is given counts.
    const auto old =
        before.empty() ? Result<Sliced>(fail(Code::not_found, "")) : slice_schema(before);
    if (!request.schema && !old) {
        if (before.empty()) return fail(Code::invalid, "a collection needs a schema");
        return fail(Code::invalid, old.error().message)
            .with_hint("give a whole one with --schema FILE");
    }
    Result<Sliced> given = request.schema ? slice_schema(*request.schema) : old;
    if (!given) return fail(std::move(given).error());
    std::map<std::string, std::string> parts;
    if (old) {
        for (const std::string& name : old->parts.names())
            parts[name] = old->parts.get(name).to_text();
    }
    for (const std::string& name : given->parts.names())
        parts[name] = given->parts.get(name).to_text();
    if (request.indexes) {
        std::string& raw = parts["index"];
        raw.clear();
        JsonWriter writer(raw);
        writer.begin_array();
        for (const std::string& name : *request.indexes) writer.string(name);
        writer.end_array();
        if (request.indexes->empty()) parts.erase("index");
    }
    if (request.status_table) {
        if (request.status_table->empty()) {
            parts.erase("status");
        } else {
            const auto table = Json::parse(*request.status_table);
            if (!table)
                return fail(Code::invalid, "the status table is no JSON: " + table.error().message);
            parts["status"] = table->to_text();
        }
    }
    std::string text = std::move(given->text);
    text.erase(text.find_last_not_of(" \t\r\n") + 1);
    if (!parts.empty()) {
        text.pop_back();  // the last '}'
        text.erase(text.find_last_not_of(" \t\r\n") + 1);
        text += text.ends_with('{') ? "\n  " : ",\n  ";
        text += quoted_text(kParts) + ": {";
        bool first = true;
        for (const auto& [name, raw] : parts) {
            text += std::string(first ? "" : ",") + "\n    " + quoted_text(name) + ": " + raw;
            first = false;
        }
        text += "\n  }\n}";
    }
    return text + "\n";
}

}  // namespace taskstore::records
