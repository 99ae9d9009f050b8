// Values between structs and raw JSON.

#include <taskstore/records/declare.hpp>

#include <algorithm>

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
    if (!number || *number < 0 || *number > field.max)
        return misfit(field, raw, "a whole number from 0 to " + std::to_string(field.max));
    return *number;
}

Result<std::size_t> choice_of(const Field& field, std::string_view raw) {
    TASKSTORE_LET(const std::string text, text_of(field, raw));
    TASKSTORE_LET(const std::string_view choice, parse_choice(field, text));
    return static_cast<std::size_t>(std::ranges::find(field.choices, choice) -
                                    field.choices.begin());
}

}  // namespace taskstore::records
