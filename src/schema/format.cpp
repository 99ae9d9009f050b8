#include "format.hpp"

#include "pattern.hpp"

#include <algorithm>
#include <array>
#include <utility>

namespace taskstore::schema {
namespace {

constexpr std::array<std::pair<std::string_view, Format>, 19> kNames{{
    {"date-time", Format::date_time},
    {"date", Format::date},
    {"time", Format::time},
    {"duration", Format::duration},
    {"email", Format::email},
    {"idn-email", Format::idn_email},
    {"hostname", Format::hostname},
    {"idn-hostname", Format::idn_hostname},
    {"ipv4", Format::ipv4},
    {"ipv6", Format::ipv6},
    {"uri", Format::uri},
    {"uri-reference", Format::uri_reference},
    {"iri", Format::iri},
    {"iri-reference", Format::iri_reference},
    {"uri-template", Format::uri_template},
    {"uuid", Format::uuid},
    {"json-pointer", Format::json_pointer},
    {"relative-json-pointer", Format::relative_json_pointer},
    {"regex", Format::regex},
}};

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool is_hex(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}
bool is_beyond_ascii(char c) {
    return static_cast<unsigned char>(c) >= 0x80;
}
bool is_one_of(char c, std::string_view set) {
    return set.find(c) != std::string_view::npos;
}

/// Reads a text from the left.
class Cursor {
  public:
    explicit Cursor(std::string_view text) : x_text(text) {}
    bool end() const { return x_at == x_text.size(); }
    char here() const { return end() ? '\0' : x_text[x_at]; }
    std::string_view rest() const { return x_text.substr(x_at); }
    bool take(char c) {
        if (end() || x_text[x_at] != c) return false;
        ++x_at;
        return true;
    }
    bool take_any(std::string_view set) {
        if (end() || !is_one_of(x_text[x_at], set)) return false;
        ++x_at;
        return true;
    }
    void skip(std::size_t bytes) { x_at += bytes; }
    /// Exactly `count` digits, or -1.
    int digits(int count) {
        int value = 0;
        for (int i = 0; i < count; ++i) {
            if (!is_digit(here())) return -1;
            value = value * 10 + (here() - '0');
            ++x_at;
        }
        return value;
    }
    /// One digit or more.
    bool number() {
        const std::size_t start = x_at;
        while (is_digit(here())) ++x_at;
        return x_at > start;
    }

  private:
    std::string_view x_text;
    std::size_t x_at = 0;
};

// --- RFC 3339 -------------------------------------------------------------------------------

bool read_date(Cursor& at) {
    constexpr std::array kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const int year = at.digits(4);
    if (year < 0 || !at.take('-')) return false;
    const int month = at.digits(2);
    if (month < 1 || month > 12 || !at.take('-')) return false;
    const int day = at.digits(2);
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    const int days = kDays[static_cast<std::size_t>(month - 1)] + (month == 2 && leap ? 1 : 0);
    return day >= 1 && day <= days;
}

bool read_time(Cursor& at) {
    const int hour = at.digits(2);
    if (hour < 0 || hour > 23 || !at.take(':')) return false;
    const int minute = at.digits(2);
    if (minute < 0 || minute > 59 || !at.take(':')) return false;
    const int second = at.digits(2);
    if (second < 0 || second > 60) return false;
    if (at.take('.') && !at.number()) return false;
    int offset = 0;
    if (!at.take_any("Zz")) {
        const int sign = at.here() == '-' ? 1 : -1;
        if (!at.take_any("+-")) return false;
        const int hours = at.digits(2);
        if (hours < 0 || hours > 23 || !at.take(':')) return false;
        const int minutes = at.digits(2);
        if (minutes < 0 || minutes > 59) return false;
        offset = sign * (hours * 60 + minutes);
    }
    // A leap second is the last one of a day of UTC.
    constexpr int kDay = 24 * 60;
    return second < 60 || ((hour * 60 + minute + offset) % kDay + kDay) % kDay == kDay - 1;
}

bool is_date_time(std::string_view text) {
    Cursor at(text);
    return read_date(at) && at.take_any("Tt") && read_time(at) && at.end();
}

/// RFC 3339 appendix A: units in order, none left out between two.
bool is_duration(std::string_view text) {
    Cursor at(text);
    if (!at.take('P')) return false;
    const auto units = [&at](std::string_view order) {
        std::size_t last = std::string_view::npos;
        while (is_digit(at.here())) {
            if (!at.number()) return false;
            const std::size_t unit = order.find(at.here());
            if (at.end() || unit == std::string_view::npos) return false;
            if (last != std::string_view::npos && unit != last + 1) return false;
            at.skip(1);
            last = unit;
        }
        return last != std::string_view::npos;
    };
    if (text.ends_with('W')) return at.number() && at.take('W') && at.end();
    if (at.here() != 'T' && !units("YMD")) return false;
    if (at.take('T') && !units("HMS")) return false;
    return at.end();
}

// --- names and addresses of hosts ---------------------------------------------------------------

bool is_hostname(std::string_view text) {
    if (text.empty() || text.size() > 253) return false;
    while (true) {
        const std::size_t dot = text.find('.');
        const std::string_view label = text.substr(0, dot);
        if (label.empty() || label.size() > 63 || label.front() == '-' || label.back() == '-' ||
            !std::ranges::all_of(label,
                                 [](char c) { return is_letter(c) || is_digit(c) || c == '-'; })) {
            return false;
        }
        // RFC 5891 4.2.3.1: hyphens in the third and fourth place belong to A-labels.
        if (label.size() >= 4 && label.substr(2, 2) == "--" && !label.starts_with("xn") &&
            !label.starts_with("XN")) {
            return false;
        }
        if (dot == std::string_view::npos) return true;
        text = text.substr(dot + 1);
    }
}

bool is_ipv4(std::string_view text) {
    Cursor at(text);
    for (int part = 0; part < 4; ++part) {
        if (part > 0 && !at.take('.')) return false;
        const std::string_view rest = at.rest();
        std::size_t size = 0;
        int value = 0;
        while (size < rest.size() && size < 4 && is_digit(rest[size])) {
            value = value * 10 + (rest[size++] - '0');
        }
        if (size == 0 || size > 3 || value > 255 || (size > 1 && rest[0] == '0')) return false;
        at.skip(size);
    }
    return at.end();
}

bool is_ipv6(std::string_view text) {
    int groups = 0;
    bool gap = false;
    if (text.starts_with("::")) {
        gap = true;
        text.remove_prefix(2);
        if (text.empty()) return true;
    }
    while (true) {
        std::size_t size = 0;
        while (size < text.size() && is_hex(text[size])) ++size;
        if (size < text.size() && text[size] == '.') {
            return is_ipv4(text) && (gap ? groups < 6 : groups == 6);
        }
        if (size == 0 || size > 4) return false;
        ++groups;
        text.remove_prefix(size);
        if (text.empty()) return gap ? groups < 8 : groups == 8;
        if (text.starts_with("::")) {
            if (gap) return false;
            gap = true;
            text.remove_prefix(2);
            if (text.empty()) return groups < 8;
        } else if (!text.starts_with(":") || text.size() == 1) {
            return false;
        } else {
            text.remove_prefix(1);
        }
        if (groups > 8) return false;
    }
}

/// RFC 5321 section 4.1.2; with `international` RFC 6531's characters too.
bool is_email(std::string_view text, bool international) {
    const auto allowed = [&](char c) { return international && is_beyond_ascii(c); };
    std::size_t at = 0;
    if (text.starts_with('"')) {
        for (at = 1; at < text.size() && text[at] != '"'; ++at) {
            if (text[at] == '\\') ++at;
            if (at >= text.size()) return false;
            if (!allowed(text[at]) && (text[at] < 32 || text[at] > 126)) return false;
        }
        if (at >= text.size()) return false;
        ++at;
    } else {
        const auto is_atom = [&](char c) {
            return is_letter(c) || is_digit(c) || is_one_of(c, "!#$%&'*+/=?^_`{|}~-") || allowed(c);
        };
        while (at < text.size() && text[at] != '@') {
            const std::size_t start = at;
            while (at < text.size() && is_atom(text[at])) ++at;
            if (at == start) return false;
            if (at < text.size() && text[at] == '.') {
                ++at;
                if (at == text.size() || text[at] == '@') return false;
            } else {
                break;
            }
        }
        if (at == 0) return false;
    }
    if (at > (international ? 255U : 64U) || at >= text.size() || text[at] != '@') return false;
    const std::string_view domain = text.substr(at + 1);
    if (domain.starts_with('[') && domain.ends_with(']')) {
        const std::string_view address = domain.substr(1, domain.size() - 2);
        return address.starts_with("IPv6:") ? is_ipv6(address.substr(5)) : is_ipv4(address);
    }
    if (international && std::ranges::any_of(domain, is_beyond_ascii)) {
        return std::ranges::none_of(domain, [](char c) { return is_one_of(c, " @"); });
    }
    return is_hostname(domain);
}

// --- RFC 3986, RFC 3987, RFC 6570
// -----------------------------------------------------------------

constexpr std::string_view kUnreserved = "-._~";
constexpr std::string_view kSubDelims = "!$&'()*+,;=";

/// Only letters, digits, `more` and percent escapes; with `iri` what is beyond ASCII too.
bool has_only(std::string_view text, std::string_view more, bool iri) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '%') {
            if (i + 2 >= text.size() || !is_hex(text[i + 1]) || !is_hex(text[i + 2])) return false;
            i += 2;
        } else if (!is_letter(c) && !is_digit(c) && !is_one_of(c, kUnreserved) &&
                   !is_one_of(c, kSubDelims) && !is_one_of(c, more) &&
                   !(iri && is_beyond_ascii(c))) {
            return false;
        }
    }
    return true;
}

bool is_authority(std::string_view text, bool iri) {
    if (const std::size_t at = text.rfind('@'); at != std::string_view::npos) {
        if (!has_only(text.substr(0, at), ":", iri)) return false;
        text = text.substr(at + 1);
    }
    std::string_view port;
    if (text.starts_with('[')) {
        const std::size_t close = text.find(']');
        if (close == std::string_view::npos) return false;
        const std::string_view literal = text.substr(1, close - 1);
        port = text.substr(close + 1);
        if (literal.starts_with('v') || literal.starts_with('V')) {
            const std::size_t dot = literal.find('.');
            if (dot == std::string_view::npos || dot < 2 || dot + 1 == literal.size() ||
                !std::ranges::all_of(literal.substr(1, dot - 1), is_hex) ||
                !has_only(literal.substr(dot + 1), ":", false)) {
                return false;
            }
        } else if (!is_ipv6(literal)) {
            return false;
        }
    } else {
        const std::size_t colon = text.find(':');
        if (!has_only(text.substr(0, colon), "", iri)) return false;
        if (colon != std::string_view::npos) port = text.substr(colon);
    }
    return port.empty() || (port[0] == ':' && std::ranges::all_of(port.substr(1), is_digit));
}

bool is_uri(std::string_view text, bool reference, bool iri) {
    if (const std::size_t hash = text.find('#'); hash != std::string_view::npos) {
        if (!has_only(text.substr(hash + 1), ":@/?", iri)) return false;
        text = text.substr(0, hash);
    }
    if (const std::size_t mark = text.find('?'); mark != std::string_view::npos) {
        if (!has_only(text.substr(mark + 1), ":@/?", iri)) return false;
        text = text.substr(0, mark);
    }
    const std::size_t colon = text.find_first_of(":/");
    const bool scheme = colon != std::string_view::npos && text[colon] == ':';
    if (scheme) {
        const std::string_view name = text.substr(0, colon);
        if (name.empty() || !is_letter(name[0]) || !std::ranges::all_of(name, [](char c) {
                return is_letter(c) || is_digit(c) || is_one_of(c, "+-.");
            })) {
            return false;
        }
        text = text.substr(colon + 1);
    } else if (!reference) {
        return false;
    }
    if (text.starts_with("//")) {
        const std::size_t slash = text.find('/', 2);
        const std::string_view authority =
            text.substr(2, slash == std::string_view::npos ? slash : slash - 2);
        if (!is_authority(authority, iri)) return false;
        text = slash == std::string_view::npos ? std::string_view() : text.substr(slash);
    }
    return has_only(text, ":@/", iri);
}

bool is_uri_template(std::string_view text) {
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (c == '%') {
            if (i + 2 >= text.size() || !is_hex(text[i + 1]) || !is_hex(text[i + 2])) return false;
            i += 2;
            continue;
        }
        if (c != '{') {
            if (static_cast<unsigned char>(c) <= 32 || c == 127 || is_one_of(c, "\"'<>\\^`|}"))
                return false;
            continue;
        }
        const std::size_t close = text.find('}', i);
        if (close == std::string_view::npos) return false;
        std::string_view expression = text.substr(i + 1, close - i - 1);
        i = close;
        if (!expression.empty() && is_one_of(expression[0], "+#./;?&=,!@|")) {
            expression.remove_prefix(1);
        }
        while (true) {
            const std::size_t comma = expression.find(',');
            std::string_view name = expression.substr(0, comma);
            if (name.ends_with('*')) {
                name.remove_suffix(1);
            } else if (const std::size_t colon = name.find(':'); colon != std::string_view::npos) {
                const std::string_view prefix = name.substr(colon + 1);
                if (prefix.empty() || prefix.size() > 4 || prefix[0] == '0' ||
                    !std::ranges::all_of(prefix, is_digit)) {
                    return false;
                }
                name = name.substr(0, colon);
            }
            if (name.empty() || name.front() == '.' || name.back() == '.' ||
                name.find("..") != std::string_view::npos) {
                return false;
            }
            for (std::size_t k = 0; k < name.size(); ++k) {
                if (name[k] == '%') {
                    if (k + 2 >= name.size() || !is_hex(name[k + 1]) || !is_hex(name[k + 2]))
                        return false;
                    k += 2;
                } else if (!is_letter(name[k]) && !is_digit(name[k]) && !is_one_of(name[k], "_.")) {
                    return false;
                }
            }
            if (comma == std::string_view::npos) break;
            expression = expression.substr(comma + 1);
        }
    }
    return true;
}

// --- the rest -----------------------------------------------------------------------------------

bool is_uuid(std::string_view text) {
    if (text.size() != 36) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !is_hex(text[i])) return false;
    }
    return true;
}

bool is_json_pointer(std::string_view text) {
    if (!text.empty() && text[0] != '/') return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '~' && (i + 1 == text.size() || !is_one_of(text[i + 1], "01"))) return false;
    }
    return true;
}

bool is_relative_json_pointer(std::string_view text) {
    const auto number = [&text] {
        std::size_t size = 0;
        while (size < text.size() && is_digit(text[size])) ++size;
        const bool good = size > 0 && (size == 1 || text[0] != '0');
        text.remove_prefix(size);
        return good;
    };
    if (!number()) return false;
    if (text.starts_with('+') || text.starts_with('-')) {
        text.remove_prefix(1);
        if (text.starts_with('0') || !number()) return false;
    }
    return text == "#" || is_json_pointer(text);
}

}  // namespace

std::optional<Format> format_named(std::string_view name) {
    for (const auto& [known, format] : kNames) {
        if (known == name) return format;
    }
    return std::nullopt;
}

bool has_format(Format format, std::string_view text) {
    Cursor at(text);
    switch (format) {
        case Format::date_time:
            return is_date_time(text);
        case Format::date:
            return read_date(at) && at.end();
        case Format::time:
            return read_time(at) && at.end();
        case Format::duration:
            return is_duration(text);
        case Format::email:
            return is_email(text, false);
        case Format::idn_email:
            return is_email(text, true);
        case Format::hostname:
            return is_hostname(text);
        case Format::idn_hostname:
            return true;
        case Format::ipv4:
            return is_ipv4(text);
        case Format::ipv6:
            return is_ipv6(text);
        case Format::uri:
            return is_uri(text, false, false);
        case Format::uri_reference:
            return is_uri(text, true, false);
        case Format::iri:
            return is_uri(text, false, true);
        case Format::iri_reference:
            return is_uri(text, true, true);
        case Format::uri_template:
            return is_uri_template(text);
        case Format::uuid:
            return is_uuid(text);
        case Format::json_pointer:
            return is_json_pointer(text);
        case Format::relative_json_pointer:
            return is_relative_json_pointer(text);
        case Format::regex:
            return check_pattern(text).has_value();
    }
    return true;
}

}  // namespace taskstore::schema
