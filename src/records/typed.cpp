// Values between structs and raw JSON.

#include <taskstore/records/declare.hpp>

#include <algorithm>
#include <array>

namespace taskstore::records {
namespace {

Failure misfit(const Field& field, std::string_view raw, std::string_view want) {
    return fail(Code::invalid, std::string(field.name) + " is " + std::string(raw.substr(0, 40)) +
                                   ", not " + std::string(want));
}

}  // namespace

std::string raw_text(std::string_view text) {
    std::string raw;
    append_json_string(raw, text);
    return raw;
}

Result<std::string> text_of(const Field& field, std::string_view raw) {
    if (kind_of_raw(raw) != JsonKind::string) return misfit(field, raw, "text");
    return unescape_json(raw);
}

Result<std::int64_t> integer_of(const Field& field, std::string_view raw) {
    const auto number = raw_to_int64(raw);
    if (!number || *number < field.min || *number > field.max)
        return misfit(field, raw,
                      "a whole number from " + std::to_string(field.min) + " to " +
                          std::to_string(field.max));
    return *number;
}

Result<double> number_of(const Field& field, std::string_view raw) {
    const auto value = Json::parse(raw);
    const auto number = value ? value->as_double() : std::nullopt;
    if (!number) return misfit(field, raw, "a number");
    return *number;
}

Result<bool> boolean_of(const Field& field, std::string_view raw) {
    if (raw != "true" && raw != "false") return misfit(field, raw, "true or false");
    return raw == "true";
}

std::string raw_number(double number) {
    std::string raw;
    JsonWriter(raw).number(number);
    return raw;
}

Result<std::size_t> choice_of(const Field& field, std::string_view raw) {
    TASKSTORE_LET(const std::string text, text_of(field, raw));
    TASKSTORE_LET(const std::string_view choice, parse_choice(field, text));
    return static_cast<std::size_t>(std::ranges::find(field.choices, choice) -
                                    field.choices.begin());
}

namespace {

void put_property(JsonWriter& writer, const Field& field) {
    constexpr std::array<std::string_view, 6> kTypes{"string", "integer", "integer",
                                                     "string", "number",  "boolean"};
    const std::string_view type = kTypes[static_cast<std::size_t>(field.type)];
    const bool may_be_null = !field.required && field.initial.empty();
    writer.key(field.name).begin_object().key("type");
    if (may_be_null)
        writer.begin_array().string(type).string("null").end_array();
    else
        writer.string(type);
    if (!field.help.empty()) writer.key("description").string(field.help);
    if (field.type == FieldType::choice) {
        writer.key("enum").begin_array();
        for (const std::string_view choice : field.choices) writer.string(choice);
        if (may_be_null) writer.null();
        writer.end_array();
    }
    if (field.type == FieldType::text && field.required) writer.key("minLength").integer(1);
    if (field.type == FieldType::integer && field.min != INT64_MIN)
        writer.key("minimum").integer(field.min);
    if (field.type == FieldType::integer && field.max != INT64_MAX)
        writer.key("maximum").integer(field.max);
    if (!field.initial.empty()) writer.key("default").raw(field.initial);
    writer.end_object();
}

}  // namespace

CollectionRequest request_for(std::string_view collection, std::string_view help,
                              std::span<const Field> fields,
                              std::span<const Transition> transitions) {
    std::string text;
    JsonWriter writer(text);
    writer.begin_object().key("$schema").string("https://json-schema.org/draft/2020-12/schema");
    if (!help.empty()) writer.key("title").string(help);
    writer.key("type").string("object").key("properties").begin_object();
    for (const Field& field : fields) put_property(writer, field);
    writer.end_object().key("required").begin_array();
    for (const Field& field : fields) {
        if (field.required) writer.string(field.name);
    }
    writer.end_array().end_object();
    CollectionRequest request{.name = std::string(collection), .schema = pretty_json(text)};
    request.indexes.emplace();
    for (const Field& field : fields) {
        if (field.indexed) request.indexes->emplace_back(field.name);
    }
    request.status_table.emplace();
    const auto status = std::ranges::find(fields, "status", &Field::name);
    if (transitions.empty() || status == fields.end()) return request;
    JsonWriter table(*request.status_table);
    table.begin_object().key("initial").raw(status->initial).key("transitions").begin_object();
    for (const std::string_view from : status->choices) {
        table.key(from).begin_array();
        for (const Transition& transition : transitions) {
            if (transition.from == from) table.string(transition.to);
        }
        table.end_array();
    }
    table.end_object().end_object();
    return request;
}

}  // namespace taskstore::records
