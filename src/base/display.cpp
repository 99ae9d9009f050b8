#include "width_ranges.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/base/text.hpp>

#include <algorithm>

namespace taskstore {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD
constexpr char32_t kReplacementCode = 0xFFFD;

template <std::size_t N>
bool holds(const std::array<WidthRange, N>& ranges, char32_t code) {
    const auto after = std::ranges::upper_bound(ranges, code, {}, &WidthRange::first);
    return after != ranges.begin() && code <= std::prev(after)->last;
}

bool is_control(char32_t code) {
    return code < 0x20 || (code >= 0x7F && code < 0xA0);
}

std::size_t columns_of(char32_t code) {
    if (code < 0x300) return is_control(code) ? 0 : 1;
    if (holds(kZeroWidth, code)) return 0;
    return holds(kDoubleWidth, code) ? 2 : 1;
}

bool turns_direction(char32_t code) {
    return (code >= 0x202A && code <= 0x202E) || (code >= 0x2066 && code <= 0x2069);
}

bool is_picture(char32_t code) {
    return code >= 0xA9 && holds(kEmoji, code);
}

bool is_half_flag(char32_t code) {
    return code >= 0x1F1E6 && code <= 0x1F1FF;
}

std::string printable(std::string_view text, bool lines_stay) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const Glyph glyph = glyph_at(text, at);
        const std::string_view bytes = text.substr(at, glyph.bytes);
        at += glyph.bytes;
        const bool space = glyph.code == '\n' || glyph.code == '\t';
        if (glyph.code == '\r' && at < text.size() && text[at] == '\n') continue;
        if (space)
            out += lines_stay ? bytes : " ";
        else if ((glyph.code == '\r' && !lines_stay) || glyph.code == 0x2028 ||
                 glyph.code == 0x2029)
            out += ' ';
        else if (is_control(glyph.code) || turns_direction(glyph.code) ||
                 glyph.code == kReplacementCode)
            out += kReplacement;
        else
            out += bytes;
    }
    return out;
}

}  // namespace

Glyph glyph_at(std::string_view text, std::size_t at) {
    const auto lead = static_cast<unsigned char>(text[at]);
    if (lead < 0x80) return {lead, 1, columns_of(lead)};
    const std::size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
    const std::string_view one = text.substr(at, bytes);
    if (lead < 0xC2 || one.size() < bytes || first_invalid_utf8(one))
        return {kReplacementCode, 1, 1};
    char32_t code = lead & (0x7FU >> bytes);
    for (std::size_t i = 1; i < bytes; ++i)
        code = (code << 6U) | (static_cast<unsigned char>(one[i]) & 0x3FU);
    return {code, bytes, columns_of(code)};
}

Cluster cluster_at(std::string_view text, std::size_t at) {
    constexpr char32_t kJoiner = 0x200D;
    constexpr char32_t kAsPicture = 0xFE0F;
    const Glyph first = glyph_at(text, at);
    Cluster cluster{first.bytes, first.columns};
    if (is_control(first.code)) return cluster;
    bool half_flag = is_half_flag(first.code);
    while (at + cluster.bytes < text.size()) {
        const Glyph next = glyph_at(text, at + cluster.bytes);
        const bool tone = next.code >= 0x1F3FB && next.code <= 0x1F3FF && is_picture(first.code);
        const bool flag = half_flag && is_half_flag(next.code);
        if (is_control(next.code) || !(next.columns == 0 || tone || flag)) break;
        if (tone || flag || (next.code == kAsPicture && holds(kEmoji, first.code)))
            cluster.columns = 2;
        half_flag = false;
        cluster.bytes += next.bytes;
        if (next.code != kJoiner || !is_picture(first.code) || at + cluster.bytes >= text.size())
            continue;
        const Glyph joined = glyph_at(text, at + cluster.bytes);
        if (!is_picture(joined.code)) continue;
        cluster.bytes += joined.bytes;
        cluster.columns = 2;
    }
    return cluster;
}

std::size_t display_width(std::string_view text) {
    std::size_t columns = 0;
    for (std::size_t at = 0; at < text.size();) {
        const Cluster cluster = cluster_at(text, at);
        columns += cluster.columns;
        at += cluster.bytes;
    }
    return columns;
}

std::string repaired_utf8(std::string_view text) {
    std::string out;
    while (const auto bad = first_invalid_utf8(text)) {
        out += text.substr(0, *bad);
        out += kReplacement;
        text.remove_prefix(*bad + 1);
    }
    return out += text;
}

std::string printable_line(std::string_view text) {
    return printable(text, false);
}

std::string printable_text(std::string_view text) {
    return printable(text, true);
}

std::string printable_json(std::string_view json) {
    std::string out;
    out.reserve(json.size());
    for (std::size_t at = 0; at < json.size();) {
        const auto lead = static_cast<unsigned char>(json[at]);
        if (lead < 0x7F) {
            out += json[at++];
            continue;
        }
        const Glyph glyph = glyph_at(json, at);
        if (is_control(glyph.code)) {
            out += "\\u00";
            out += "0123456789abcdef"[glyph.code >> 4U];
            out += "0123456789abcdef"[glyph.code & 15U];
        } else if (glyph.code == kReplacementCode) {
            out += kReplacement;
        } else {
            out += json.substr(at, glyph.bytes);
        }
        at += glyph.bytes;
    }
    return out;
}

}  // namespace taskstore
