#pragma once
// The case of ASCII letters (floor 0): of keywords, schemes and names of settings. No locale has a
// say; every other byte stays as it is, so well-formed UTF-8 stays well formed.

#include <algorithm>
#include <string>
#include <string_view>

namespace taskstore::ascii {

constexpr char lower(char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}
constexpr char upper(char c) {
    return c >= 'a' && c <= 'z' ? static_cast<char>(c - 'a' + 'A') : c;
}

inline std::string lowered(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = lower(c);
    return out;
}
inline std::string uppered(std::string_view text) {
    std::string out(text);
    for (char& c : out) c = upper(c);
    return out;
}

/// Equal but for the case.
constexpr bool same_word(std::string_view a, std::string_view b) {
    return std::ranges::equal(a, b, {}, lower, lower);
}

}  // namespace taskstore::ascii
