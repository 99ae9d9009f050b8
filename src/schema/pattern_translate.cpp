#include "pattern_translate.hpp"

#include <taskstore/base/text.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <set>
#include <span>
#include <utility>

namespace taskstore::schema {
namespace {

constexpr std::uint32_t kLast = 0x10FFFF;
constexpr int kDepthMax = 150;
constexpr std::uint32_t kRepeatMax = 1000;     // RE2's own bound for one counter.
constexpr std::uint32_t kRepeatTotal = 20000;  // Ours for a counter that is written as several.

using Range = std::pair<std::uint32_t, std::uint32_t>;

constexpr std::array kDigits{Range{'0', '9'}};
constexpr std::array kWord{Range{'0', '9'}, Range{'A', 'Z'}, Range{'_', '_'}, Range{'a', 'z'}};
// ECMA-262 WhiteSpace and LineTerminator.
constexpr std::array kSpaces{Range{0x09, 0x0D},     Range{0x20, 0x20},     Range{0xA0, 0xA0},
                             Range{0x1680, 0x1680}, Range{0x2000, 0x200A}, Range{0x2028, 0x2029},
                             Range{0x202F, 0x202F}, Range{0x205F, 0x205F}, Range{0x3000, 0x3000},
                             Range{0xFEFF, 0xFEFF}};
constexpr std::array kLineEnds{Range{'\n', '\n'}, Range{'\r', '\r'}, Range{0x2028, 0x2029}};

constexpr std::array<std::pair<std::string_view, std::string_view>, 38> kCategories{{
    {"Letter", "L"},
    {"Cased_Letter", "LC"},
    {"Uppercase_Letter", "Lu"},
    {"Lowercase_Letter", "Ll"},
    {"Titlecase_Letter", "Lt"},
    {"Modifier_Letter", "Lm"},
    {"Other_Letter", "Lo"},
    {"Mark", "M"},
    {"Combining_Mark", "M"},
    {"Nonspacing_Mark", "Mn"},
    {"Spacing_Mark", "Mc"},
    {"Enclosing_Mark", "Me"},
    {"Number", "N"},
    {"Decimal_Number", "Nd"},
    {"digit", "Nd"},
    {"Letter_Number", "Nl"},
    {"Other_Number", "No"},
    {"Punctuation", "P"},
    {"punct", "P"},
    {"Connector_Punctuation", "Pc"},
    {"Dash_Punctuation", "Pd"},
    {"Open_Punctuation", "Ps"},
    {"Close_Punctuation", "Pe"},
    {"Initial_Punctuation", "Pi"},
    {"Final_Punctuation", "Pf"},
    {"Other_Punctuation", "Po"},
    {"Symbol", "S"},
    {"Math_Symbol", "Sm"},
    {"Currency_Symbol", "Sc"},
    {"Modifier_Symbol", "Sk"},
    {"Other_Symbol", "So"},
    {"Separator", "Z"},
    {"Space_Separator", "Zs"},
    {"Line_Separator", "Zl"},
    {"Paragraph_Separator", "Zp"},
    {"Control", "Cc"},
    {"Format", "Cf"},
    {"Private_Use", "Co"},
}};

std::string code_point(std::uint32_t code) {
    std::array<char, 16> text;
    const int size = std::snprintf(text.data(), text.size(), "\\x{%X}", code);
    return {text.data(), static_cast<std::size_t>(size)};
}

/// What stands between brackets, in RE2's syntax.
struct Set {
    std::string items;
    std::uint32_t single = kLast + 1;  ///< The code point where the set is exactly one.

    void add(Range range) {
        items += code_point(range.first);
        if (range.second != range.first) items += "-" + code_point(range.second);
    }
    void add(std::span<const Range> ranges) {
        for (const Range& range : ranges) add(range);
    }
    void add_others(std::span<const Range> ranges) {
        std::uint32_t from = 0;
        for (const Range& range : ranges) {
            if (range.first > from) add(Range{from, range.first - 1});
            from = range.second + 1;
        }
        add(Range{from, kLast});
    }
    std::string text(bool negated) const {
        if (items.empty()) {
            return negated ? "[\\x{0}-\\x{10FFFF}]" : "[^\\x{0}-\\x{10FFFF}]";
        }
        return (negated ? "[^" : "[") + items + "]";
    }
};

class Translator {
  public:
    explicit Translator(std::string_view source) : x_source(source) {}

    Result<Translation> run() {
        // References may stand before the group they name.
        find_groups();
        std::vector<std::vector<TranslatedCondition>> alternatives;
        do {
            x_conditions.clear();
            std::string text;
            if (!alternative(text, 0, true)) return broken();
            x_conditions.push_back({"(?:" + text + ")", true});
            alternatives.push_back(std::move(x_conditions));
        } while (take('|'));
        if (!end()) {
            bad("an unmatched ')'");
            return broken();
        }
        // Without look-ahead the alternatives are one machine.
        const bool plain = std::ranges::all_of(
            alternatives, [](const auto& conditions) { return conditions.size() == 1; });
        if (plain && alternatives.size() > 1) {
            std::string all;
            for (const auto& conditions : alternatives) {
                all += (all.empty() ? "" : "|") + conditions[0].machine;
            }
            alternatives = {{{std::move(all), true}}};
        }
        return Translation{std::move(alternatives), std::move(x_unsupported)};
    }

  private:
    bool end() const { return x_at >= x_source.size(); }
    char here() const { return end() ? '\0' : x_source[x_at]; }
    bool looks_at(std::string_view text) const { return x_source.substr(x_at).starts_with(text); }
    bool take(char c) {
        if (end() || x_source[x_at] != c) return false;
        ++x_at;
        return true;
    }
    bool take(std::string_view text) {
        if (!looks_at(text)) return false;
        x_at += text.size();
        return true;
    }
    bool bad(std::string reason) {
        if (x_reason.empty()) {
            x_reason = std::move(reason) + " at offset " + std::to_string(x_at);
        }
        return false;
    }
    Failure broken() const { return fail(Code::invalid, "not a pattern: " + x_reason); }
    void unsupported(std::string_view what) {
        if (x_unsupported.empty()) x_unsupported = what;
    }

    void find_groups() {
        bool in_class = false;
        for (std::size_t i = 0; i < x_source.size(); ++i) {
            if (x_source[i] == '\\') {
                ++i;
            } else if (in_class) {
                in_class = x_source[i] != ']';
            } else if (x_source[i] == '[') {
                in_class = true;
            } else if (x_source[i] == '(') {
                const std::string_view rest = x_source.substr(i + 1);
                if (!rest.starts_with('?') || (rest.starts_with("?<") && !rest.starts_with("?<=") &&
                                               !rest.starts_with("?<!"))) {
                    ++x_groups;
                }
                if (rest.starts_with("?<")) {
                    x_names.insert(rest.substr(2, rest.substr(2).find('>')));
                }
            }
        }
    }

    std::uint32_t next_code_point() {
        const auto byte = [&](std::size_t i) {
            return static_cast<std::uint32_t>(static_cast<unsigned char>(x_source[x_at + i]));
        };
        const std::uint32_t first = byte(0);
        std::uint32_t code = first;
        std::size_t size = 1;
        if (first >= 0xF0) {
            code = (first & 7U) << 18U | (byte(1) & 63U) << 12U | (byte(2) & 63U) << 6U |
                   (byte(3) & 63U);
            size = 4;
        } else if (first >= 0xE0) {
            code = (first & 15U) << 12U | (byte(1) & 63U) << 6U | (byte(2) & 63U);
            size = 3;
        } else if (first >= 0xC0) {
            code = (first & 31U) << 6U | (byte(1) & 63U);
            size = 2;
        }
        x_at += size;
        return code;
    }

    bool disjunction(std::string& out, int depth) {
        if (depth > kDepthMax) return bad("groups nested too deeply");
        do {
            if (!alternative(out, depth, false)) return false;
            if (here() == '|') out += '|';
        } while (take('|'));
        return true;
    }

    /// `top`: an alternative of the whole pattern, where look-ahead right after '^' can be done.
    bool alternative(std::string& out, int depth, bool top) {
        if (top && take('^')) {
            out += "\\A";
            while (looks_at("(?=") || looks_at("(?!")) {
                const bool wanted = x_source[x_at + 2] == '=';
                x_at += 3;
                std::string inner;
                if (!disjunction(inner, depth + 1)) return false;
                if (!take(')')) return bad("a group without its ')'");
                x_conditions.push_back({"\\A(?:" + inner + ")", wanted});
            }
        }
        while (!end() && here() != '|' && here() != ')') {
            if (!term(out, depth)) return false;
        }
        return true;
    }

    bool term(std::string& out, int depth) {
        if (take('^')) return assertion(out, "\\A");
        if (take('$')) return assertion(out, "\\z");
        if (take("\\b")) return assertion(out, "\\b");
        if (take("\\B")) return assertion(out, "\\B");
        if (looks_at("(?=") || looks_at("(?!") || looks_at("(?<=") || looks_at("(?<!")) {
            const bool behind = x_source[x_at + 2] == '<';
            unsupported(behind ? "look-behind"
                               : "look-ahead that is not right after a leading '^'");
            x_at += behind ? 4 : 3;
            std::string inner;
            if (!disjunction(inner, depth + 1)) return false;
            if (!take(')')) return bad("a group without its ')'");
            return assertion(out, "");
        }
        std::string atom_text;
        if (!atom(atom_text, depth)) return false;
        return quantifier(out, atom_text);
    }

    bool assertion(std::string& out, std::string_view text) {
        out += text;
        const char c = here();
        if (c == '*' || c == '+' || c == '?' || c == '{') return bad("nothing to repeat");
        return true;
    }

    bool atom(std::string& out, int depth) {
        switch (here()) {
            case '(':
                return group(out, depth);
            case '[':
                return bracket(out);
            case '.': {
                ++x_at;
                Set set;
                set.add(kLineEnds);
                out += set.text(true);
                return true;
            }
            case '\\':
                return escaped_atom(out);
            case '*':
            case '+':
            case '?':
            case '{':
                return bad("nothing to repeat");
            default:
                // A lone ']' or '}' means itself, as engines without the u flag read it.
                out += code_point(next_code_point());
                return true;
        }
    }

    bool group(std::string& out, int depth) {
        ++x_at;
        if (take("?<")) {
            std::string_view name;
            if (!group_name(name)) return false;
            if (!x_named.insert(name).second) return bad("a group's name stands twice");
        } else if (looks_at("?")) {
            if (!take("?:")) return bad("an unknown kind of group");
        }
        out += "(?:";
        if (!disjunction(out, depth + 1)) return false;
        if (!take(')')) return bad("a group without its ')'");
        out += ')';
        return true;
    }

    bool group_name(std::string_view& name) {
        const std::size_t close = x_source.find('>', x_at);
        if (close == std::string_view::npos || close == x_at)
            return bad("a group's name is missing");
        name = x_source.substr(x_at, close - x_at);
        for (std::size_t i = 0; i < name.size(); ++i) {
            const char c = name[i];
            const bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
                                c == '$' || static_cast<unsigned char>(c) >= 0x80;
            if (!letter && (i == 0 || c < '0' || c > '9')) return bad("a bad name of a group");
        }
        x_at = close + 1;
        return true;
    }

    bool quantifier(std::string& out, const std::string& atom_text) {
        std::uint32_t low = 0;
        std::uint32_t high = UINT32_MAX;
        if (take('+')) {
            low = 1;
        } else if (take('?')) {
            high = 1;
        } else if (take('{')) {
            if (!counter(low, high)) return false;
        } else if (!take('*')) {
            out += atom_text;
            return true;
        }
        // Lazy or greedy: the same texts match.
        take('?');
        const std::string one = "(?:" + atom_text + ")";
        const std::uint32_t largest = high == UINT32_MAX ? low : high;
        if (largest > kRepeatTotal) {
            unsupported("a counter above " + std::to_string(kRepeatTotal));
            return true;
        }
        if (out.size() + (largest / kRepeatMax + 2) * one.size() > 1U << 20U) {
            unsupported("counters of that size");
            return true;
        }
        std::uint32_t fixed = low;
        for (; fixed > kRepeatMax; fixed -= kRepeatMax) {
            out += one + "{" + std::to_string(kRepeatMax) + "}";
        }
        if (high == UINT32_MAX) {
            out += one + "{" + std::to_string(fixed) + ",}";
            return true;
        }
        if (fixed > 0) out += one + "{" + std::to_string(fixed) + "}";
        for (std::uint32_t rest = high - low; rest > 0;) {
            const std::uint32_t part = std::min(rest, kRepeatMax);
            out += one + "{0," + std::to_string(part) + "}";
            rest -= part;
        }
        if (high == 0) out += one + "{0}";
        return true;
    }

    bool number(std::uint32_t& value) {
        if (here() < '0' || here() > '9') return false;
        std::uint64_t wide = 0;
        while (here() >= '0' && here() <= '9') {
            wide = std::min<std::uint64_t>(wide * 10 + static_cast<std::uint64_t>(here() - '0'),
                                           UINT32_MAX - 1);
            ++x_at;
        }
        value = static_cast<std::uint32_t>(wide);
        return true;
    }

    bool counter(std::uint32_t& low, std::uint32_t& high) {
        if (!number(low)) return bad("a '{' that begins no counter");
        high = low;
        if (take(',')) {
            high = UINT32_MAX;
            number(high);
        }
        if (!take('}')) return bad("a counter without its '}'");
        return low <= high || bad("a counter that ends below its start");
    }

    bool escaped_atom(std::string& out) {
        ++x_at;
        const char c = here();
        if (c >= '1' && c <= '9') {
            std::uint32_t index = 0;
            number(index);
            if (index > x_groups) return bad("a reference to a group that is not there");
            unsupported("backreferences");
            return true;
        }
        if (c == 'k') {
            ++x_at;
            std::string_view name;
            if (!take('<') || !group_name(name)) return bad("a reference without a name");
            if (!x_names.contains(name)) return bad("a reference to a group that is not there");
            unsupported("backreferences");
            return true;
        }
        Set set;
        if (!escape(set, false)) return false;
        out += set.text(false);
        return true;
    }

    /// After the backslash.
    bool escape(Set& set, bool in_class) {
        if (end()) return bad("a '\\' at the end");
        const auto one = [&](std::uint32_t code) {
            set.single = code;
            set.add(Range{code, code});
            return true;
        };
        const char c = here();
        if (static_cast<unsigned char>(c) >= 0x80) return bad("an unknown escape");
        ++x_at;
        switch (c) {
            case 'd':
                return set.add(kDigits), true;
            case 'D':
                return set.add_others(kDigits), true;
            case 'w':
                return set.add(kWord), true;
            case 'W':
                return set.add_others(kWord), true;
            case 's':
                return set.add(kSpaces), true;
            case 'S':
                return set.add_others(kSpaces), true;
            case 'p':
            case 'P':
                return property(set, c == 'P');
            case 't':
                return one('\t');
            case 'n':
                return one('\n');
            case 'v':
                return one('\v');
            case 'f':
                return one('\f');
            case 'r':
                return one('\r');
            case 'b':
                if (in_class) return one('\b');
                break;
            case '0':
                if (here() >= '0' && here() <= '9') return bad("an octal escape");
                return one(0);
            case 'c': {
                const char letter = here();
                if ((letter < 'a' || letter > 'z') && (letter < 'A' || letter > 'Z')) break;
                ++x_at;
                return one(static_cast<std::uint32_t>(letter) % 32);
            }
            case 'x': {
                std::uint32_t code = 0;
                return hexadecimal(2, code) ? one(code) : bad("expected two hexadecimal digits");
            }
            case 'u': {
                std::uint32_t code = 0;
                return unicode(code) ? one(code) : bad("a bad \\u escape");
            }
            default:
                // The u flag allows syntax characters alone; other punctuation means itself in
                // every engine, and is met in real schemas.
                if ((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) {
                    break;
                }
                return one(static_cast<std::uint32_t>(c));
        }
        --x_at;
        return bad("an unknown escape");
    }

    bool hexadecimal(int digits, std::uint32_t& code) {
        code = 0;
        for (int i = 0; i < digits; ++i, ++x_at) {
            const char c = here();
            std::uint32_t digit = 0;
            if (c >= '0' && c <= '9')
                digit = static_cast<std::uint32_t>(c - '0');
            else if (c >= 'a' && c <= 'f')
                digit = static_cast<std::uint32_t>(c - 'a' + 10);
            else if (c >= 'A' && c <= 'F')
                digit = static_cast<std::uint32_t>(c - 'A' + 10);
            else
                return false;
            code = code * 16 + digit;
        }
        return true;
    }

    bool unicode(std::uint32_t& code) {
        if (take('{')) {
            code = 0;
            std::size_t digits = 0;
            for (; here() != '}'; ++digits) {
                std::uint32_t digit = 0;
                if (!hexadecimal(1, digit)) return false;
                code = code * 16 + digit;
                if (code > kLast) return false;
            }
            ++x_at;
            return digits > 0;
        }
        if (!hexadecimal(4, code)) return false;
        if (code >= 0xD800 && code <= 0xDBFF && looks_at("\\u")) {
            const std::size_t back = x_at;
            std::uint32_t low = 0;
            x_at += 2;
            if (hexadecimal(4, low) && low >= 0xDC00 && low <= 0xDFFF) {
                code = 0x10000 + ((code - 0xD800) << 10U) + (low - 0xDC00);
            } else {
                x_at = back;
            }
        }
        return true;
    }

    bool property(Set& set, bool negated) {
        if (!take('{')) return bad("expected '{' after \\p");
        const std::size_t close = x_source.find('}', x_at);
        if (close == std::string_view::npos) return bad("\\p{ without its '}'");
        std::string_view name = x_source.substr(x_at, close - x_at);
        const std::size_t equals = name.find('=');
        const std::string_view key = equals == std::string_view::npos ? "" : name.substr(0, equals);
        if (equals != std::string_view::npos) name = name.substr(equals + 1);
        if (name.empty() || !std::ranges::all_of(name, [](char c) {
                return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '_';
            })) {
            return bad("a bad name of a property");
        }
        if (key == "Script" || key == "sc") {
            set.items += (negated ? "\\P{" : "\\p{") + std::string(name) + "}";
        } else if (key == "Script_Extensions" || key == "scx") {
            unsupported("\\p{Script_Extensions}");
        } else if (!key.empty() && key != "General_Category" && key != "gc") {
            return bad("an unknown property");
        } else if (key.empty() && (name == "Any" || name == "ASCII")) {
            const std::array all{Range{0, name == "Any" ? kLast : 0x7FU}};
            if (!negated) {
                set.add(all);
            } else if (name == "ASCII") {
                set.add_others(all);
            }
        } else {
            std::string_view category = name;
            for (const auto& [long_name, short_name] : kCategories) {
                if (name == long_name) category = short_name;
            }
            const bool known = std::ranges::any_of(
                kCategories, [&](const auto& row) { return row.second == category; });
            if (category == "LC") {
                if (negated) unsupported("\\P{LC}");
                set.items += "\\p{Lu}\\p{Ll}\\p{Lt}";
            } else if (known) {
                set.items += (negated ? "\\P{" : "\\p{") + std::string(category) + "}";
            } else {
                unsupported("\\p{" + std::string(name) + "}");
            }
        }
        x_at = close + 1;
        return true;
    }

    bool class_atom(Set& set) {
        if (take('\\')) {
            if (here() == '-') return ++x_at, set.single = '-', set.add(Range{'-', '-'}), true;
            return escape(set, true);
        }
        set.single = next_code_point();
        set.add(Range{set.single, set.single});
        return true;
    }

    bool bracket(std::string& out) {
        ++x_at;
        const bool negated = take('^');
        Set all;
        while (true) {
            if (end()) return bad("'[' without its ']'");
            if (take(']')) break;
            Set first;
            if (!class_atom(first)) return false;
            if (here() != '-' || looks_at("-]") || x_at + 1 >= x_source.size()) {
                all.items += first.items;
                continue;
            }
            ++x_at;
            Set last;
            if (!class_atom(last)) return false;
            if (first.single > kLast || last.single > kLast) {
                return bad("a range between sets of characters");
            }
            if (first.single > last.single) return bad("a range that ends below its start");
            all.add(Range{first.single, last.single});
        }
        out += all.text(negated);
        return true;
    }

    std::string_view x_source;
    std::size_t x_at = 0;
    std::string x_reason;
    std::string x_unsupported;
    std::uint32_t x_groups = 0;
    std::set<std::string_view> x_names;
    std::set<std::string_view> x_named;
    std::vector<TranslatedCondition> x_conditions;
};

}  // namespace

Result<Translation> translate_pattern(std::string_view source) {
    if (const auto damage = first_invalid_utf8(source)) {
        return fail(Code::invalid, "not a pattern: not UTF-8");
    }
    return Translator(source).run();
}

}  // namespace taskstore::schema
