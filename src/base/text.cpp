#include <taskstore/base/ascii.hpp>
#include <taskstore/base/text.hpp>

#include <algorithm>
#include <array>
#include <numeric>
#include <vector>

namespace taskstore {
namespace {

// Days since 1970-01-01 of a proleptic Gregorian date, and back.
// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", days_from_civil and
// civil_from_days.
std::int64_t days_from_civil(std::int64_t y, unsigned m, unsigned d) {
    y -= m <= 2 ? 1 : 0;
    const std::int64_t era = (y >= 0 ? y : y - 399) / 400;
    const auto yoe = static_cast<unsigned>(y - era * 400);
    const unsigned doy = (153 * (m > 2 ? m - 3 : m + 9) + 2) / 5 + d - 1;
    const unsigned doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    return era * 146097 + static_cast<std::int64_t>(doe) - 719468;
}

struct Date {
    std::int64_t year;
    unsigned month;
    unsigned day;
};

Date civil_from_days(std::int64_t days) {
    days += 719468;
    const std::int64_t era = (days >= 0 ? days : days - 146096) / 146097;
    const auto doe = static_cast<unsigned>(days - era * 146097);
    const unsigned yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    const unsigned doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    const unsigned mp = (5 * doy + 2) / 153;
    const unsigned month = mp < 10 ? mp + 3 : mp - 9;
    return {static_cast<std::int64_t>(yoe) + era * 400 + (month <= 2 ? 1 : 0), month,
            doy - (153 * mp + 2) / 5 + 1};
}

unsigned days_in_month(std::int64_t year, unsigned month) {
    constexpr std::array<unsigned, 12> kDays{31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return kDays[month - 1] + (month == 2 && leap ? 1 : 0);
}

/// Reads fixed-width pieces off the front; one failure spoils the rest.
struct Reader {
    std::string_view rest;
    bool good = true;
    unsigned digits(std::size_t count) {
        unsigned value = 0;
        for (std::size_t i = 0; i < count; ++i) {
            if (i >= rest.size() || rest[i] < '0' || rest[i] > '9') {
                good = false;
                return 0;
            }
            value = value * 10 + static_cast<unsigned>(rest[i] - '0');
        }
        rest.remove_prefix(count);
        return value;
    }
    bool take(std::string_view any_of) {
        if (rest.empty() || any_of.find(rest[0]) == std::string_view::npos) return false;
        rest.remove_prefix(1);
        return true;
    }
    void need(std::string_view any_of) { good = take(any_of) && good; }
};

}  // namespace

std::optional<std::size_t> first_invalid_utf8(std::string_view text) {
    std::size_t i = 0;
    while (i < text.size()) {
        const auto lead = static_cast<unsigned char>(text[i]);
        if (lead < 0x80) {
            ++i;
            continue;
        }
        const std::size_t length = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
        if (lead < 0xC2 || lead > 0xF4 || i + length > text.size()) return i;
        for (std::size_t k = 1; k < length; ++k) {
            if ((static_cast<unsigned char>(text[i + k]) & 0xC0U) != 0x80U) return i;
        }
        const auto second = static_cast<unsigned char>(text[i + 1]);
        const bool overlong = (lead == 0xE0 && second < 0xA0) || (lead == 0xF0 && second < 0x90);
        const bool surrogate = lead == 0xED && second > 0x9F;
        const bool beyond = lead == 0xF4 && second > 0x8F;
        if (overlong || surrogate || beyond) return i;
        i += length;
    }
    return std::nullopt;
}

std::string_view cut_utf8(std::string_view text, std::size_t bytes_max) {
    if (text.size() <= bytes_max) return text;
    std::size_t end = bytes_max;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;
    return text.substr(0, end);
}

Result<std::int64_t> parse_rfc3339_ms(std::string_view text) {
    Reader in{text};
    const std::int64_t year = in.digits(4);
    in.need("-");
    const unsigned month = in.digits(2);
    in.need("-");
    const unsigned day = in.digits(2);
    in.need("Tt ");
    const unsigned hour = in.digits(2);
    in.need(":");
    const unsigned minute = in.digits(2);
    in.need(":");
    const unsigned second = in.digits(2);
    std::int64_t fraction_ms = 0;
    if (in.good && in.take(".")) {
        std::int64_t weight = 100;
        std::size_t count = 0;
        while (!in.rest.empty() && in.rest[0] >= '0' && in.rest[0] <= '9') {
            fraction_ms += weight * (in.rest[0] - '0');
            weight /= 10;
            ++count;
            in.rest.remove_prefix(1);
        }
        in.good = count > 0;
    }
    std::int64_t offset_minutes = 0;
    if (in.good && !in.take("Zz")) {
        const bool west = !in.rest.empty() && in.rest[0] == '-';
        in.need("+-");
        const unsigned offset_hour = in.digits(2);
        in.need(":");
        const unsigned offset_minute = in.digits(2);
        in.good = in.good && offset_hour < 24 && offset_minute < 60;
        offset_minutes =
            static_cast<std::int64_t>(offset_hour * 60 + offset_minute) * (west ? -1 : 1);
    }
    const bool exists = in.good && in.rest.empty() && month >= 1 && month <= 12 && day >= 1 &&
                        day <= days_in_month(year, month) && hour < 24 && minute < 60 &&
                        second <= 60;
    if (!exists) {
        return fail(Code::invalid, "'" + std::string(cut_utf8(text, 64)) +
                                       "' is not an RFC 3339 time such as 2026-11-21T08:15:30Z");
    }
    const std::int64_t seconds = days_from_civil(year, month, day) * 86400 +
                                 std::int64_t{hour} * 3600 + std::int64_t{minute} * 60 + second -
                                 offset_minutes * 60;
    return seconds * 1000 + fraction_ms;
}

std::string to_rfc3339(std::int64_t unix_ms) {
    std::int64_t seconds = unix_ms / 1000;
    std::int64_t ms = unix_ms % 1000;
    if (ms < 0) {
        ms += 1000;
        --seconds;
    }
    std::int64_t days = seconds / 86400;
    std::int64_t of_day = seconds % 86400;
    if (of_day < 0) {
        of_day += 86400;
        --days;
    }
    const Date date = civil_from_days(days);
    std::string text;
    const auto put = [&](std::int64_t value, std::size_t width) {
        const std::string digits = std::to_string(value);
        if (digits.size() < width) text.append(width - digits.size(), '0');
        text += digits;
    };
    put(date.year, 4);
    text += '-';
    put(date.month, 2);
    text += '-';
    put(date.day, 2);
    text += 'T';
    put(of_day / 3600, 2);
    text += ':';
    put(of_day / 60 % 60, 2);
    text += ':';
    put(of_day % 60, 2);
    if (ms != 0) {
        text += '.';
        put(ms, 3);
    }
    return text + 'Z';
}

std::optional<std::string_view> nearest_name(std::string_view name,
                                             std::span<const std::string_view> names) {
    std::optional<std::string_view> best;
    std::size_t best_distance = std::max<std::size_t>(1, (name.size() + 1) / 3) + 1;
    for (const std::string_view other : names) {
        std::vector<std::size_t> row(other.size() + 1);
        std::iota(row.begin(), row.end(), std::size_t{0});
        for (std::size_t i = 1; i <= name.size(); ++i) {
            std::size_t diagonal = row[0];
            row[0] = i;
            for (std::size_t k = 1; k <= other.size(); ++k) {
                const std::size_t change =
                    diagonal + (ascii::lower(name[i - 1]) == ascii::lower(other[k - 1]) ? 0 : 1);
                diagonal = row[k];
                row[k] = std::min({row[k] + 1, row[k - 1] + 1, change});
            }
        }
        if (row.back() < best_distance) {
            best_distance = row.back();
            best = other;
        }
    }
    return best;
}

std::string to_base64url(std::string_view bytes) {
    constexpr std::string_view kAlphabet =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    std::string text;
    for (std::size_t i = 0; i < bytes.size(); i += 3) {
        const std::size_t count = std::min<std::size_t>(3, bytes.size() - i);
        std::uint32_t word = 0;
        for (std::size_t k = 0; k < 3; ++k) {
            word = (word << 8U) | (k < count ? static_cast<unsigned char>(bytes[i + k]) : 0U);
        }
        for (std::size_t k = 0; k <= count; ++k) text += kAlphabet[(word >> (18U - 6U * k)) & 63U];
    }
    return text;
}

Result<std::string> from_base64url(std::string_view text) {
    const auto bad = [] {
        return fail(Code::invalid, "this is not base64url text without padding");
    };
    if (text.size() % 4 == 1) return bad();
    std::string bytes;
    std::uint32_t word = 0;
    unsigned bits = 0;
    for (const char c : text) {
        std::uint32_t value = 0;
        if (c >= 'A' && c <= 'Z')
            value = static_cast<std::uint32_t>(c - 'A');
        else if (c >= 'a' && c <= 'z')
            value = static_cast<std::uint32_t>(c - 'a') + 26;
        else if (c >= '0' && c <= '9')
            value = static_cast<std::uint32_t>(c - '0') + 52;
        else if (c == '-')
            value = 62;
        else if (c == '_')
            value = 63;
        else
            return bad();
        word = ((word << 6U) | value) & 0xFFFFFFU;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes += static_cast<char>((word >> bits) & 0xFFU);
        }
    }
    if ((word & ((1U << bits) - 1U)) != 0) return bad();
    return bytes;
}

void append_utf8(std::string& out, char32_t code) {
    const auto byte = [&](char32_t bits) { out += static_cast<char>(bits); };
    const auto rest = [&](unsigned shift) { byte(0x80U | ((code >> shift) & 0x3FU)); };
    if (code < 0x80) {
        byte(code);
    } else if (code < 0x800) {
        byte(0xC0U | (code >> 6U));
        rest(0);
    } else if (code < 0x10000) {
        byte(0xE0U | (code >> 12U));
        rest(6);
        rest(0);
    } else {
        byte(0xF0U | (code >> 18U));
        rest(12);
        rest(6);
        rest(0);
    }
}

}  // namespace taskstore
