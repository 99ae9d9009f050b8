#include <taskstore/base/ascii.hpp>
#include <taskstore/base/secrets.hpp>

#include <algorithm>
#include <array>

namespace taskstore {
namespace {

constexpr std::string_view kBlank = " \t\r\n";
constexpr std::string_view kHidden = "***";

bool is_letter_or_digit(char c) {
    return (c >= '0' && c <= '9') || (ascii::lower(c) >= 'a' && ascii::lower(c) <= 'z');
}

bool holds_only(std::string_view text, std::string_view signs) {
    return std::ranges::all_of(text, [&](char c) {
        return is_letter_or_digit(c) || signs.find(c) != std::string_view::npos;
    });
}

// --- URLs ---------------------------------------------------------------------------------------

bool is_port(std::string_view text) {
    constexpr int kPortMax = 65'535;
    constexpr std::size_t kDigitsMax = 5;
    if (text.size() > kDigitsMax) return false;
    int number = 0;
    for (const char c : text) {
        if (c < '0' || c > '9') return false;
        number = number * 10 + (c - '0');
    }
    return number <= kPortMax;
}

/// HOST[:PORT], and no part of a password that took its place.
bool is_host(std::string_view text) {
    if (text == kHidden || text == "…") return true;
    std::size_t colon = std::min(text.find(':'), text.size());
    if (text.starts_with('[')) {
        const std::size_t closed = text.find(']');
        if (closed == std::string_view::npos) return false;
        if (!holds_only(text.substr(1, closed - 1), ":.%")) return false;
        colon = closed + 1;
    } else {
        if (!holds_only(text.substr(0, colon), "-._~%")) return false;
        // A whole URL that was encoded: what looks like a host is user and password.
        for (std::string_view rest = text.substr(0, colon); rest.size() >= 3;
             rest.remove_prefix(1)) {
            const std::array<char, 3> sign{rest[0], ascii::lower(rest[1]), ascii::lower(rest[2])};
            const std::string_view code(sign.data(), sign.size());
            if (code == "%3a" || code == "%40" || code == "%23" || code == "%3f") return false;
        }
    }
    const std::string_view port = text.substr(colon);
    return port.empty() || (port.starts_with(':') && is_port(port.substr(1)));
}

bool are_hosts(std::string_view authority) {
    while (true) {
        const std::size_t comma = authority.find(',');
        if (!is_host(authority.substr(0, comma))) return false;
        if (comma == std::string_view::npos) return true;
        authority.remove_prefix(comma + 1);
    }
}

constexpr std::array<std::string_view, 4> kLeading{"host", "hostaddr", "port", "service"};
constexpr std::array<std::string_view, 12> kHarmless{
    "dbname",          "user",       "sslmode",
    "sslrootcert",     "sslcert",    "connect_timeout",
    "options",         "tls",        "target_session_attrs",
    "client_encoding", "gssencmode", "application_name"};

struct Parameter {
    std::string_view name;
    std::string_view value;
};

/// Up to the next '&': of a value, '#' and '?' may be a part.
Parameter next_parameter(std::string_view& query) {
    const std::size_t end = std::min(query.find('&', 1), query.size());
    const std::string_view member = query.substr(1, end - 1);
    query.remove_prefix(end);
    const std::size_t equals = member.find('=');
    if (equals == std::string_view::npos) return {{}, member};
    return {member.substr(0, equals), member.substr(equals + 1)};
}

bool is_plain_value(std::string_view value) {
    return value == kHidden || holds_only(value, "-._~%+,:/[]");
}

template <std::size_t N>
bool is_one_of(std::string_view name, const std::array<std::string_view, N>& names) {
    return std::ranges::find(names, name) != names.end();
}

std::string masked_query(std::string_view query) {
    std::string out;
    while (!query.empty()) {
        out += query.front();
        const Parameter one = next_parameter(query);
        const bool harmless = is_one_of(one.name, kLeading) || is_one_of(one.name, kHarmless);
        if (!harmless && !is_secret_name(one.name)) {
            out += kHidden;
            continue;
        }
        const std::string_view value = one.value.substr(0, one.value.find('#'));
        out.append(one.name).append("=");
        out += harmless && is_plain_value(value) ? value : kHidden;
    }
    return out;
}

std::string masked_url(const UrlParts& parts) {
    const bool postgres = parts.scheme.starts_with("postgres");
    std::string out;
    if (!parts.user.empty()) {
        // What stands before the '@' is a name to PostgreSQL, and to others often a token.
        const std::size_t colon = std::min(parts.user.find(':'), parts.user.size());
        if (!postgres)
            out += kHidden;
        else if (colon == parts.user.size())
            out += parts.user;
        else
            out.append(parts.user.substr(0, colon)).append(":").append(kHidden);
        out += '@';
    }
    return out.append(parts.place).append(masked_query(parts.query));
}

std::size_t scheme_start(std::string_view text, std::size_t colon) {
    std::size_t at = colon;
    while (at > 0 && (is_letter_or_digit(text[at - 1]) || text[at - 1] == '+')) --at;
    return at;
}

/// Where what stands in quotes at `at` ends; `at` where it does not.
std::size_t end_of_quoted(std::string_view text, std::size_t at) {
    const std::size_t line = text.substr(0, at).find_last_of('\n') + 1;  // npos + 1 == 0
    if (std::ranges::count(text.substr(line, at - line), '\'') % 2 == 0) return at;
    for (std::size_t end = text.find('\'', at); end != std::string_view::npos;
         end = text.find('\'', end + 1)) {
        if (end + 1 == text.size() ||
            std::string_view(" .,:;)\n").find(text[end + 1]) != std::string_view::npos)
            return end;
    }
    return text.size();
}

/// Where a URL in a sentence ends.
std::size_t end_in_prose(std::string_view text, std::size_t at) {
    std::size_t end = std::min(text.find_first_of(kBlank, at), text.size());
    while (end > at && std::string_view(".,:;!\")").find(text[end - 1]) != std::string_view::npos)
        --end;
    return end;
}

/// Behind SCHEME:/, what a URL is to whoever takes it for a path.
bool is_url_as_path(std::string_view scheme, std::string_view rest) {
    constexpr std::array<std::string_view, 5> kSchemes{"postgres", "postgresql", "libsql", "http",
                                                       "https"};
    return is_one_of(scheme, kSchemes) ||
           (!scheme.empty() && rest.find('@') != std::string_view::npos);
}

struct Masked {
    std::string text;
    bool changed = false;  ///< Something is hidden.
};

/// What stands behind SCHEME:/ or SCHEME://, up to its end.
Masked masked_rest(std::string_view scheme, std::string_view rest) {
    if (!rest.starts_with('/')) {
        if (!is_url_as_path(scheme, rest)) return {std::string(rest)};
        return {std::string(kHidden), true};
    }
    const UrlParts parts = split_url({scheme.data(), scheme.size() + 2 + rest.size()});
    if (!parts.certain) return {"/" + std::string(kHidden), true};
    std::string shown = "/" + masked_url(parts);
    const bool changed = shown != rest;
    return {std::move(shown), changed};
}

std::string without_urls(std::string_view text, Wording wording) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t colon = text.find(":/", at);
        if (colon == std::string_view::npos) return out.append(text.substr(at));
        const std::size_t from = scheme_start(text, colon);
        const std::size_t start = colon + 2;
        out.append(text.substr(at, start - at));
        const std::size_t quoted =
            wording == Wording::value ? text.size() : end_of_quoted(text, from);
        // Of one value the rest belongs to a URL that hides something: a blank in a password ends
        // it to us, not to whoever wrote it.
        const bool exact = quoted > from;
        at =
            exact ? std::min(text.find_first_of(kBlank, start), quoted) : end_in_prose(text, start);
        Masked masked =
            masked_rest(text.substr(from, colon - from), text.substr(start, at - start));
        if (exact) {
            const std::string_view behind = text.substr(at, quoted - at);
            const std::string_view until = behind.substr(0, behind.find("://"));
            if (!masked.changed && until.find('@') != std::string_view::npos)
                masked = {(text[start] == '/' ? "/" : "") + std::string(kHidden), true};
            if (masked.changed) at = quoted;
        }
        out += masked.text;
    }
    return out;
}

// --- libpq's keyword = value pairs --------------------------------------------------------------

/// A value is a word, or stands in single quotes, with \ before a quote or a blank that is meant.
std::string without_secret_pairs(std::string_view text) {
    std::string out;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t equals = text.find('=', at);
        if (equals == std::string_view::npos) return out.append(text.substr(at));
        const std::string_view before = text.substr(at, equals - at);
        const std::size_t name_end = before.find_last_not_of(kBlank) + 1;
        const std::size_t name_start =
            before.substr(0, name_end).find_last_of(" \t\r\n;,'\"") + 1;  // npos + 1 == 0
        std::size_t start = equals + 1;
        while (start < text.size() && kBlank.find(text[start]) != std::string_view::npos) ++start;
        out.append(text.substr(at, start - at));
        at = start;
        const std::string_view name = before.substr(name_start, name_end - name_start);
        // Those of a URL are looked at with it.
        if (name.find("://") != std::string_view::npos || !is_secret_name(name)) continue;
        const bool quoted = at < text.size() && text[at] == '\'';
        if (quoted) ++at;
        for (; at < text.size(); ++at) {
            if (text[at] == '\\')
                ++at;
            else if (quoted ? text[at] == '\'' : kBlank.find(text[at]) != std::string_view::npos)
                break;
        }
        // What follows a closing quote at once is none of libpq's, and may be meant.
        at = std::min(text.find_first_of(kBlank, std::min(at, text.size())), text.size());
        out += kHidden;
    }
    return out;
}

}  // namespace

UrlParts split_url(std::string_view url) {
    UrlParts out;
    out.scheme = url.substr(0, url.find("://") + 3);
    const std::string_view body = url.substr(out.scheme.size());
    const std::size_t mark = std::min(body.find_first_of("?#"), body.size());
    const std::string_view front = body.substr(0, mark);
    const std::size_t at = front.rfind('@');
    if (at != std::string_view::npos) out.user = front.substr(0, at);
    out.place = front.substr(at == std::string_view::npos ? 0 : at + 1);
    if (mark < body.size() && body[mark] == '?') out.query = body.substr(mark);
    // An '@' further on: a parameter's, or the end of a password that holds the '?' or '#'.
    const bool one_reading = body.find('@', mark) == std::string_view::npos;
    out.certain = one_reading && are_hosts(out.place.substr(0, out.place.find('/')));
    return out;
}

bool is_secret_name(std::string_view name) {
    constexpr std::array<std::string_view, 8> kEndings{
        "password", "passwd", "passphrase", "token", "secret", "jwt", "apikey", "api_key"};
    const std::string small = ascii::lowered(name);
    return small == "pwd" || std::ranges::any_of(kEndings, [&](std::string_view ending) {
               return small.ends_with(ending);
           });
}

std::string leading_parameters(std::string_view query) {
    std::string out;
    while (!query.empty()) {
        const Parameter one = next_parameter(query);
        const std::string_view value = one.value.substr(0, one.value.find('#'));
        if (is_one_of(one.name, kLeading) && is_plain_value(value))
            out.append(out.empty() ? "?" : "&").append(one.name).append("=").append(value);
    }
    return out;
}

std::string without_passwords(std::string_view text, Wording wording) {
    return without_urls(without_secret_pairs(text), wording);
}

}  // namespace taskstore
