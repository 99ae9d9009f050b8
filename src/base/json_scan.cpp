#include "json_scan.hpp"

#include <taskstore/base/text.hpp>

#include <cstring>

namespace taskstore {
namespace {

/// A recursive-descent check. The first damage wins.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : x_text(text) {}

    std::optional<JsonDamage> run() {
        if (const auto bad = first_invalid_utf8(x_text)) return JsonDamage{*bad, "not UTF-8"};
        space();
        if (!value(0)) return x_damage;
        space();
        if (x_at < x_text.size()) return JsonDamage{x_at, "text after the end of the value"};
        return std::nullopt;
    }

  private:
    bool bad(std::string reason) {
        x_damage = JsonDamage{x_at, std::move(reason)};
        return false;
    }
    bool end() const { return x_at >= x_text.size(); }
    char here() const { return end() ? '\0' : x_text[x_at]; }
    void space() { x_at = skip_space(x_text, x_at); }

    bool value(std::size_t depth) {
        if (end()) return bad("the text ends where a value is expected");
        switch (here()) {
            case '{':
                return object(depth + 1);
            case '[':
                return array(depth + 1);
            case '"':
                return string();
            case 't':
                return word("true");
            case 'f':
                return word("false");
            case 'n':
                return word("null");
            default:
                return number();
        }
    }
    bool word(std::string_view word) {
        if (x_text.substr(x_at, word.size()) != word) return bad("expected a value");
        x_at += word.size();
        return true;
    }
    bool digits(std::string_view what) {
        const std::size_t start = x_at;
        while (here() >= '0' && here() <= '9') ++x_at;
        return x_at > start || bad("expected " + std::string(what));
    }
    bool number() {
        const std::size_t start = x_at;
        if (here() == '-') ++x_at;
        const bool zero = here() == '0';
        const std::size_t first = x_at;
        if (!digits(x_at == start ? "a value" : "a digit after '-'")) return false;
        if (zero && x_at > first + 1) {
            x_at = first;
            return bad("a number has a leading zero");
        }
        if (here() == '.') {
            ++x_at;
            if (!digits("a digit after '.'")) return false;
        }
        if (here() == 'e' || here() == 'E') {
            ++x_at;
            if (here() == '+' || here() == '-') ++x_at;
            if (!digits("a digit in the exponent")) return false;
        }
        return true;
    }
    bool hex4(unsigned& unit) {
        unit = 0;
        for (int i = 0; i < 4; ++i, ++x_at) {
            const char c = here();
            unsigned digit = 0;
            if (c >= '0' && c <= '9')
                digit = static_cast<unsigned>(c - '0');
            else if (c >= 'a' && c <= 'f')
                digit = static_cast<unsigned>(c - 'a') + 10;
            else if (c >= 'A' && c <= 'F')
                digit = static_cast<unsigned>(c - 'A') + 10;
            else
                return bad("expected four hexadecimal digits after \\u");
            unit = unit * 16 + digit;
        }
        return true;
    }
    bool escape() {
        if (end()) return bad("the text ends inside a string");
        const char c = x_text[x_at++];
        if (c != 'u') {
            if (std::strchr("\"\\/bfnrt", c) != nullptr && c != '\0') return true;
            --x_at;
            return bad("unknown escape in a string");
        }
        unsigned unit = 0;
        if (!hex4(unit)) return false;
        if (unit >= 0xDC00 && unit <= 0xDFFF) return bad("a lone low surrogate in a string");
        if (unit < 0xD800 || unit > 0xDBFF) return true;
        if (x_text.substr(x_at, 2) != "\\u") return bad("a lone high surrogate in a string");
        x_at += 2;
        if (!hex4(unit)) return false;
        return (unit >= 0xDC00 && unit <= 0xDFFF) || bad("a lone high surrogate in a string");
    }
    bool string() {
        if (here() != '"') return bad("expected a string");
        ++x_at;
        while (!end()) {
            const char c = x_text[x_at];
            if (c == '"') {
                ++x_at;
                return true;
            }
            if (static_cast<unsigned char>(c) < 0x20) return bad("a control character in a string");
            ++x_at;
            if (c == '\\' && !escape()) return false;
        }
        return bad("the text ends inside a string");
    }
    bool object(std::size_t depth) {
        if (depth > kJsonDepthMax) return bad("nested too deeply");
        ++x_at;
        space();
        if (here() == '}') return ++x_at, true;
        while (true) {
            if (end()) return bad("the text ends inside an object");
            if (!string()) return false;
            space();
            if (here() != ':') return bad("expected ':'");
            ++x_at;
            space();
            if (!value(depth)) return false;
            space();
            if (here() == '}') return ++x_at, true;
            if (end()) return bad("the text ends inside an object");
            if (here() != ',') return bad("expected ',' or '}'");
            ++x_at;
            space();
        }
    }
    bool array(std::size_t depth) {
        if (depth > kJsonDepthMax) return bad("nested too deeply");
        ++x_at;
        space();
        if (here() == ']') return ++x_at, true;
        while (true) {
            if (!value(depth)) return false;
            space();
            if (here() == ']') return ++x_at, true;
            if (end()) return bad("the text ends inside an array");
            if (here() != ',') return bad("expected ',' or ']'");
            ++x_at;
            space();
        }
    }

    std::string_view x_text;
    std::size_t x_at = 0;
    JsonDamage x_damage;
};

}  // namespace

std::optional<JsonDamage> find_json_damage(std::string_view text) {
    return Scanner(text).run();
}

std::size_t skip_string(std::string_view text, std::size_t at) {
    ++at;
    while (true) {
        // memchr runs at memory speed; a quote is escaped when an odd run of backslashes stands
        // before it.
        const void* hit = std::memchr(text.data() + at, '"', text.size() - at);
        const auto quote = static_cast<std::size_t>(static_cast<const char*>(hit) - text.data());
        std::size_t slashes = 0;
        while (quote - slashes > at && text[quote - slashes - 1] == '\\') ++slashes;
        at = quote + 1;
        if (slashes % 2 == 0) return at;
    }
}

std::size_t skip_value(std::string_view text, std::size_t at) {
    const char first = text[at];
    if (first == '"') return skip_string(text, at);
    if (first != '{' && first != '[') {
        while (at < text.size() && std::strchr(",]} \t\r\n", text[at]) == nullptr) ++at;
        return at;
    }
    std::size_t depth = 0;
    while (true) {
        switch (text[at]) {
            case '"':
                at = skip_string(text, at);
                continue;
            case '{':
            case '[':
                ++depth;
                break;
            case '}':
            case ']':
                if (--depth == 0) return at + 1;
                break;
            default:
                break;
        }
        ++at;
    }
}

}  // namespace taskstore
