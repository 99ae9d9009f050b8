#pragma once
// Walks JSON text that is known to be valid, and says where text is not valid. Private to base.

#include <taskstore/base/json.hpp>

namespace taskstore {

inline constexpr std::size_t kJsonDepthMax = 512;

/// The strict, slow check (RFC 8259 and UTF-8): where and why `text` is not one JSON value; nothing
/// if it is.
std::optional<JsonDamage> find_json_damage(std::string_view text);

/// Whether simdjson accepts `text` as one JSON value: the fast check.
bool is_valid_json(std::string_view text);

inline std::size_t skip_space(std::string_view text, std::size_t at) {
    while (at < text.size() &&
           (text[at] == ' ' || text[at] == '\t' || text[at] == '\n' || text[at] == '\r'))
        ++at;
    return at;
}
/// The end of the value that starts at `at`. Valid text only.
std::size_t skip_value(std::string_view text, std::size_t at);
/// The end (after the closing quote) of the string that starts at `at`. Valid text only.
std::size_t skip_string(std::string_view text, std::size_t at);

/// Calls each(raw_name, raw_value) for the members of the object that starts at `text[0]`. Valid
/// text only.
template <typename Each>
void walk_object(std::string_view text, Each&& each) {
    std::size_t at = skip_space(text, 1);
    while (text[at] != '}') {
        const std::size_t name_end = skip_string(text, at);
        const std::string_view raw_name = text.substr(at, name_end - at);
        at = skip_space(text, skip_space(text, name_end) + 1);
        const std::size_t value_end = skip_value(text, at);
        each(raw_name, text.substr(at, value_end - at));
        at = skip_space(text, value_end);
        if (text[at] == ',') at = skip_space(text, at + 1);
    }
}

template <typename Each>
void walk_array(std::string_view text, Each&& each) {
    std::size_t at = skip_space(text, 1);
    while (text[at] != ']') {
        const std::size_t value_end = skip_value(text, at);
        each(text.substr(at, value_end - at));
        at = skip_space(text, value_end);
        if (text[at] == ',') at = skip_space(text, at + 1);
    }
}

}  // namespace taskstore
