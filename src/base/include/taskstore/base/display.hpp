#pragma once
// Text on a terminal (floor 0; the programs and whoever writes notes for people): how many columns
// it takes, and foreign bytes made harmless. Control characters can move the cursor, change titles
// or fake output, so no foreign text is shown without printable_line() or printable_text().

#include <string>
#include <string_view>

namespace taskstore {

/// One character of a text that may be damaged.
struct Glyph {
    char32_t code = 0;      ///< U+FFFD for a byte that is not UTF-8.
    std::size_t bytes = 1;  ///< Never 0; 1 for a byte that is not UTF-8.
    std::size_t columns = 0;
};

/// The character that begins at `at`, which lies inside `text`.
Glyph glyph_at(std::string_view text, std::size_t at);

/// What a terminal draws in one place and a table must not cut apart.
struct Cluster {
    std::size_t bytes = 1;  ///< Never 0.
    std::size_t columns = 0;
};

/// The character that begins at `at` with the marks, variation selectors, skin tones, joined emoji
/// (U+200D) and the second half of a flag that follow it.
Cluster cluster_at(std::string_view text, std::size_t at);

/// Columns that a terminal gives the text: 2 for wide characters (UAX #11) and emoji (UTS #51; a
/// sequence joined by U+200D is one), 0 for combining ones, joiners, variation selectors and
/// controls. Older terminals draw the parts of a joined sequence side by side.
std::size_t display_width(std::string_view text);

/// `text` with U+FFFD for every byte that is not well-formed UTF-8.
std::string repaired_utf8(std::string_view text);

/// One line: line ends (U+2028 and U+2029 too) and tabs become spaces; other control characters
/// (C0, DEL, C1), what turns the direction of the text around it (U+202A-202E, U+2066-2069), and
/// bytes that are not UTF-8 become U+FFFD.
std::string printable_line(std::string_view text);
/// As printable_line(), but line feeds and tabs stay, and CR LF becomes LF.
std::string printable_text(std::string_view text);
/// JSON text that means the same: DEL and C1, which JSON lets stand inside strings, as escapes;
/// U+FFFD for bytes that are not UTF-8.
std::string printable_json(std::string_view json);

}  // namespace taskstore
