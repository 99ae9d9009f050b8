#pragma once
// Text that crosses borders (floor 0): UTF-8, RFC 3339 times, nearest names, base64url.

#include <taskstore/base/result.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace taskstore {

/// The byte offset of the first byte that is not well-formed UTF-8 (RFC 3629), or nothing.
std::optional<std::size_t> first_invalid_utf8(std::string_view text);

/// `text` cut to at most `bytes_max` bytes, never inside a UTF-8 character.
std::string_view cut_utf8(std::string_view text, std::size_t bytes_max);

/// RFC 3339 (section 5.6; any offset, fractions cut to ms, "t"/"z" and a space for "T" accepted) to
/// Unix ms. invalid: anything else, or a date that does not exist.
Result<std::int64_t> parse_rfc3339_ms(std::string_view text);
/// "2026-11-21T08:15:30.123Z"; the fraction is left out when it is zero.
std::string to_rfc3339(std::int64_t unix_ms);

/// The entry of `names` nearest to `name` by edit distance, if it is near enough to be meant (at
/// most a third of the letters, at least one, differ); case is ignored.
std::optional<std::string_view> nearest_name(std::string_view name,
                                             std::span<const std::string_view> names);

/// RFC 4648 section 5, without padding.
std::string to_base64url(std::string_view bytes);
Result<std::string> from_base64url(std::string_view text);

/// Appends a code point up to U+10FFFF as UTF-8 (RFC 3629); a surrogate gives text that is not
/// well-formed.
void append_utf8(std::string& out, char32_t code);

}  // namespace taskstore
