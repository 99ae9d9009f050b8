#include "tape.hpp"

#include "decimal.hpp"

#include <taskstore/base/text.hpp>

#include <simdjson.h>
#define XXH_INLINE_ALL
#include <xxhash.h>
#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#include <algorithm>
#include <array>
#include <bit>

namespace taskstore::schema {
namespace {

constexpr std::size_t kTextBytesMax = 1U << 30U;
constexpr std::size_t kDepthMax = 512;
constexpr std::ptrdiff_t kExponentDigitsMax = 9;
constexpr std::size_t kNamesComparedInPairs = 32;

enum : std::uint8_t { kSpace = 1, kDigit = 2 };
constexpr std::array<std::uint8_t, 256> make_classes() {
    std::array<std::uint8_t, 256> classes{};
    for (const char c : {' ', '\t', '\n', '\r'}) classes[static_cast<unsigned char>(c)] = kSpace;
    for (unsigned char c = '0'; c <= '9'; ++c) classes[c] = kDigit;
    return classes;
}
constexpr std::array<std::uint8_t, 256> kClasses = make_classes();

bool is_digit(char c) {
    return (kClasses[static_cast<unsigned char>(c)] & kDigit) != 0;
}

int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/// The first quote, backslash or control character from `at` on.
const char* find_special(const char* at, const char* end) {
#if defined(__SSE2__)
    const __m128i quote = _mm_set1_epi8('"');
    const __m128i slash = _mm_set1_epi8('\\');
    const __m128i control = _mm_set1_epi8(0x1F);
    while (end - at >= 16) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(at));
        const __m128i hits =
            _mm_or_si128(_mm_or_si128(_mm_cmpeq_epi8(bytes, quote), _mm_cmpeq_epi8(bytes, slash)),
                         _mm_cmpeq_epi8(_mm_max_epu8(bytes, control), control));
        const auto mask = static_cast<unsigned>(_mm_movemask_epi8(hits));
        if (mask != 0) return at + std::countr_zero(mask);
        at += 16;
    }
#endif
    while (at < end && *at != '"' && *at != '\\' && static_cast<unsigned char>(*at) >= 0x20) ++at;
    return at;
}

}  // namespace

std::uint32_t hash_of_name(std::string_view name) {
    return static_cast<std::uint32_t>(XXH3_64bits(name.data(), name.size()));
}

/// One pass over the text with its own stack: nesting costs no stack of the thread.
class Tape::Reader {
  public:
    explicit Reader(Tape& tape)
        : x_tape(tape),
          x_cells(tape.x_cells),
          x_begin(tape.x_text.data()),
          x_end(x_begin + tape.x_text.size()),
          x_at(x_begin) {}

    bool run() {
        if (!value()) return false;
        while (x_depth > 0) {
            skip();
            Open& open = x_open[x_depth - 1];
            Cell& container = x_cells[open.cell];
            const bool object = container.kind == CellKind::object;
            if (here() == (object ? '}' : ']') && (open.after_value || container.count == 0)) {
                ++x_at;
                container.end = offset();
                container.next = static_cast<CellIndex>(x_cells.size());
                if (object && container.count > 1 && !names_differ(open.cell)) return false;
                --x_depth;
                if (x_depth > 0) x_open[x_depth - 1].after_value = true;
                continue;
            }
            if (open.after_value) {
                if (here() != ',') {
                    return bad(object ? "expected ',' or '}'" : "expected ',' or ']'");
                }
                ++x_at;
                skip();
                open.after_value = false;
            }
            ++container.count;
            if (object) {
                if (here() != '"') return bad("expected a member's name");
                if (!string(true)) return false;
                skip();
                if (here() != ':') return bad("expected ':'");
                ++x_at;
                skip();
            }
            if (!value()) return false;
        }
        skip();
        return x_at == x_end || bad("text after the end of the value");
    }
    const JsonDamage& damage() const { return x_damage; }

  private:
    struct Open {
        CellIndex cell;
        bool after_value;
    };

    std::uint32_t offset() const { return static_cast<std::uint32_t>(x_at - x_begin); }
    char here() const { return x_at < x_end ? *x_at : '\0'; }
    void skip() {
        while (x_at < x_end && (kClasses[static_cast<unsigned char>(*x_at)] & kSpace) != 0) ++x_at;
    }
    bool bad(std::string reason) {
        x_damage = {static_cast<std::size_t>(x_at - x_begin), std::move(reason)};
        return false;
    }
    CellIndex add(CellKind kind, std::uint32_t start, bool flag) {
        const auto index = static_cast<CellIndex>(x_cells.size());
        x_cells.push_back({start, offset(), index + 1, 0, kind, flag});
        return index;
    }
    void done() {
        if (x_depth > 0) x_open[x_depth - 1].after_value = true;
    }

    bool value() {
        skip();
        const std::uint32_t start = offset();
        switch (here()) {
            case '{':
            case '[': {
                if (x_depth == kDepthMax) return bad("nested too deeply");
                const CellKind kind = *x_at == '{' ? CellKind::object : CellKind::array;
                ++x_at;
                x_open[x_depth++] = {add(kind, start, false), false};
                return true;
            }
            case '"':
                done();
                return string(false);
            case 't':
                return word("true", CellKind::boolean, true);
            case 'f':
                return word("false", CellKind::boolean, false);
            case 'n':
                return word("null", CellKind::null, false);
            default:
                done();
                return number();
        }
    }
    bool word(std::string_view word, CellKind kind, bool flag) {
        if (std::string_view(x_at, static_cast<std::size_t>(x_end - x_at)).substr(0, word.size()) !=
            word) {
            return bad("expected a value");
        }
        const std::uint32_t start = offset();
        x_at += word.size();
        add(kind, start, flag);
        done();
        return true;
    }
    const char* digits(const char* at) const {
        while (at < x_end && is_digit(*at)) ++at;
        return at;
    }
    bool number() {
        const std::uint32_t start = offset();
        if (here() == '-') ++x_at;
        const char* const whole = x_at;
        x_at = digits(whole);
        if (x_at == whole) return bad("expected a value");
        if (*whole == '0' && x_at - whole > 1) return bad("a number has a leading zero");
        bool plain = x_at - whole <= 18;
        if (here() == '.') {
            plain = false;
            const char* const fraction = ++x_at;
            x_at = digits(fraction);
            if (x_at == fraction) return bad("expected a digit after '.'");
        }
        if (here() == 'e' || here() == 'E') {
            plain = false;
            ++x_at;
            if (here() == '+' || here() == '-') ++x_at;
            const char* exponent = x_at;
            x_at = digits(exponent);
            if (x_at == exponent) return bad("expected a digit in the exponent");
            while (exponent < x_at && *exponent == '0') ++exponent;
            if (x_at - exponent > kExponentDigitsMax) {
                return bad("an exponent of more than nine digits");
            }
        }
        add(CellKind::number, start, plain);
        return true;
    }
    /// Four hexadecimal digits after \u, or -1.
    int unit() {
        if (x_end - x_at < 4) return -1;
        int unit = 0;
        for (int i = 0; i < 4; ++i, ++x_at) {
            const int digit = hex_digit(*x_at);
            if (digit < 0) return -1;
            unit = unit * 16 + digit;
        }
        return unit;
    }
    bool escape() {
        ++x_at;
        const char c = here();
        ++x_at;
        switch (c) {
            case '"':
            case '\\':
            case '/':
            case 'b':
            case 'f':
            case 'n':
            case 'r':
            case 't':
                return true;
            case 'u':
                break;
            default:
                --x_at;
                return bad("unknown escape in a string");
        }
        const int first = unit();
        if (first < 0) return bad("expected four hexadecimal digits after \\u");
        if (first < 0xD800 || first > 0xDFFF) return true;
        if (first > 0xDBFF) return bad("a lone low surrogate in a string");
        if (x_end - x_at < 6 || x_at[0] != '\\' || x_at[1] != 'u') {
            return bad("a lone high surrogate in a string");
        }
        x_at += 2;
        const int second = unit();
        return (second >= 0xDC00 && second <= 0xDFFF) || bad("a lone high surrogate in a string");
    }
    bool string(bool name) {
        const std::uint32_t start = offset();
        bool escaped = false;
        ++x_at;
        while (true) {
            x_at = find_special(x_at, x_end);
            if (x_at == x_end) return bad("the text ends inside a string");
            if (*x_at == '"') break;
            if (*x_at != '\\') return bad("a control character in a string");
            escaped = true;
            if (!escape()) return false;
        }
        ++x_at;
        const CellIndex index = add(CellKind::string, start, escaped);
        if (name) x_cells[index].count = hash_of_name(x_tape.string(index, x_buffer));
        return true;
    }

    bool twice(CellIndex name) {
        x_at = x_begin + x_cells[name].start;
        return bad("member " + std::string(cut_utf8(x_tape.raw(name), 80)) + " stands twice");
    }
    bool names_differ(CellIndex object) {
        const std::uint32_t count = x_cells[object].count;
        if (count > kNamesComparedInPairs) return many_names_differ(object);
        std::array<std::uint32_t, kNamesComparedInPairs> hashes;
        std::array<CellIndex, kNamesComparedInPairs> names;
        CellIndex name = object + 1;
        for (std::uint32_t i = 0; i < count; ++i) {
            const std::uint32_t hash = x_cells[name].count;
            unsigned hits = 0;
            for (std::uint32_t k = 0; k < i; ++k) hits |= unsigned{hashes[k] == hash};
            if (hits != 0) {
                for (std::uint32_t k = 0; k < i; ++k) {
                    if (hashes[k] == hash && same_name(names[k], name)) return twice(name);
                }
            }
            hashes[i] = hash;
            names[i] = name;
            name = x_cells[name + 1].next;
        }
        return true;
    }
    bool same_name(CellIndex a, CellIndex b) {
        return x_tape.string(a, x_buffer) == x_tape.string(b, x_buffer_b);
    }
    bool many_names_differ(CellIndex object) {
        std::vector<CellIndex> names;
        names.reserve(x_cells[object].count);
        for (CellIndex name = object + 1; name < x_cells[object].next;
             name = x_cells[name + 1].next) {
            names.push_back(name);
        }
        std::ranges::sort(names, [&](CellIndex a, CellIndex b) {
            if (x_cells[a].count != x_cells[b].count) return x_cells[a].count < x_cells[b].count;
            const int order = x_tape.string(a, x_buffer).compare(x_tape.string(b, x_buffer_b));
            return order != 0 ? order < 0 : a < b;
        });
        for (std::size_t i = 1; i < names.size(); ++i) {
            if (x_cells[names[i - 1]].count == x_cells[names[i]].count &&
                same_name(names[i - 1], names[i])) {
                return twice(names[i]);
            }
        }
        return true;
    }

    Tape& x_tape;
    std::vector<Cell>& x_cells;
    const char* x_begin;
    const char* x_end;
    const char* x_at;
    std::size_t x_depth = 0;
    std::array<Open, kDepthMax> x_open;
    std::string x_buffer;
    std::string x_buffer_b;
    JsonDamage x_damage;
};

Status Tape::read(std::string_view text) {
    x_text = text;
    x_cells.clear();
    if (text.size() > kTextBytesMax) return fail(Code::invalid, "more than 1 GiB of JSON text");
    JsonDamage damage;
    if (!simdjson::validate_utf8(text.data(), text.size())) {
        damage = {first_invalid_utf8(text).value_or(0), "not UTF-8"};
    } else {
        Reader reader(*this);
        if (reader.run()) return ok();
        damage = reader.damage();
    }
    const std::string_view before = text.substr(0, damage.offset);
    const auto line = 1 + std::ranges::count(before, '\n');
    const std::size_t newline = before.rfind('\n');
    const std::size_t column =
        1 + damage.offset - (newline == std::string_view::npos ? 0 : newline + 1);
    return fail(Code::invalid, "not JSON: line " + std::to_string(line) + ", column " +
                                   std::to_string(column) + ": " + damage.reason);
}

std::string_view Tape::unescaped(CellIndex index, std::string& buffer) const {
    auto text = unescape_json(raw(index));
    buffer = text ? std::move(*text) : std::string();
    return buffer;
}

CellIndex Tape::member(CellIndex object, std::string_view name) const {
    return member(object, name, hash_of_name(name));
}

CellIndex Tape::member(CellIndex object, std::string_view name, std::uint32_t hash) const {
    std::string buffer;
    for (CellIndex at = object + 1; at < x_cells[object].next; at = x_cells[at + 1].next) {
        if (x_cells[at].count == hash && string(at, buffer) == name) return at + 1;
    }
    return kNoCell;
}

std::string Tape::pointer_to(CellIndex index) const {
    std::string pointer;
    std::string buffer;
    CellIndex here = 0;
    while (here != index) {
        const bool object = x_cells[here].kind == CellKind::object;
        CellIndex child = here + 1;
        std::uint32_t position = 0;
        // A member's name counts as its value: both have the pointer of the member.
        while (index >= x_cells[object ? child + 1 : child].next) {
            child = x_cells[object ? child + 1 : child].next;
            ++position;
        }
        pointer += '/';
        if (object) {
            for (const char c : string(child, buffer)) {
                if (c == '~')
                    pointer += "~0";
                else if (c == '/')
                    pointer += "~1";
                else
                    pointer += c;
            }
            here = child + 1;
            if (index == child) break;
        } else {
            pointer += std::to_string(position);
            here = child;
        }
    }
    return pointer;
}

std::uint64_t Tape::length(CellIndex index) const {
    const Cell& cell = x_cells[index];
    const std::string_view text = x_text.substr(cell.start + 1, cell.end - cell.start - 2);
    std::uint64_t count = 0;
    if (!cell.flag) {
        for (const char c : text) count += (static_cast<unsigned char>(c) & 0xC0U) != 0x80U ? 1 : 0;
        return count;
    }
    for (std::size_t i = 0; i < text.size(); ++count) {
        if (text[i] == '\\') {
            if (text[i + 1] != 'u') {
                i += 2;
            } else {
                const int high = hex_digit(text[i + 2]);
                const int low = hex_digit(text[i + 3]);
                // A pair of surrogates, which the reader has checked, is one character.
                i += high == 0xD && low >= 8 ? 12 : 6;
            }
        } else {
            ++i;
            while (i < text.size() && (static_cast<unsigned char>(text[i]) & 0xC0U) == 0x80U) ++i;
        }
    }
    return count;
}

void Tape::shrink() {
    constexpr std::size_t kCellsKept = 1U << 16U;
    if (x_cells.capacity() > kCellsKept) {
        x_cells.clear();
        x_cells.shrink_to_fit();
    }
    x_text = {};
}

bool equal_values(const Tape& a, CellIndex at_a, const Tape& b, CellIndex at_b, Effort& effort) {
    const Cell& left = a.at(at_a);
    const Cell& right = b.at(at_b);
    if (left.kind != right.kind) return false;
    if (!effort.spend(1 + (left.kind == CellKind::string ? (left.end - left.start) / 64 : 0))) {
        return false;
    }
    switch (left.kind) {
        case CellKind::null:
            return true;
        case CellKind::boolean:
            return left.flag == right.flag;
        case CellKind::number:
            return compare(Decimal(a.raw(at_a)), Decimal(b.raw(at_b))) == 0;
        case CellKind::string: {
            std::string buffer_a;
            std::string buffer_b;
            return a.string(at_a, buffer_a) == b.string(at_b, buffer_b);
        }
        case CellKind::array: {
            if (left.count != right.count) return false;
            CellIndex i = at_a + 1;
            CellIndex k = at_b + 1;
            for (; i < left.next; i = a.at(i).next, k = b.at(k).next) {
                if (!equal_values(a, i, b, k, effort)) return false;
            }
            return true;
        }
        case CellKind::object:
            break;
    }
    if (left.count != right.count) return false;
    for (CellIndex i = at_a + 1; i < left.next; i = a.at(i + 1).next) {
        std::string buffer;
        if (!effort.spend(right.count / 16 + 1)) return false;
        const CellIndex other = b.member(at_b, a.string(i, buffer), a.at(i).count);
        if (other == kNoCell || !equal_values(a, i + 1, b, other, effort)) return false;
    }
    return true;
}

std::uint64_t hash_of_value(const Tape& tape, CellIndex at, Effort& effort) {
    const auto mix = [](std::uint64_t hash) {
        hash ^= hash >> 32U;
        hash *= 0x9E3779B97F4A7C15ULL;
        return hash ^ (hash >> 29U);
    };
    const Cell& cell = tape.at(at);
    std::uint64_t hash = static_cast<std::uint64_t>(cell.kind) + 1;
    if (!effort.spend(1)) return 0;
    switch (cell.kind) {
        case CellKind::null:
            break;
        case CellKind::boolean:
            hash += cell.flag ? 100 : 200;
            break;
        case CellKind::number:
            return Decimal(tape.raw(at)).hash();
        case CellKind::string: {
            std::string buffer;
            const std::string_view text = tape.string(at, buffer);
            return XXH3_64bits(text.data(), text.size());
        }
        case CellKind::array:
            for (CellIndex i = at + 1; i < cell.next; i = tape.at(i).next) {
                hash = mix(hash) + hash_of_value(tape, i, effort);
            }
            break;
        case CellKind::object:
            for (CellIndex i = at + 1; i < cell.next; i = tape.at(i + 1).next) {
                hash += mix(mix(tape.at(i).count) + hash_of_value(tape, i + 1, effort));
            }
            break;
    }
    return mix(hash);
}

}  // namespace taskstore::schema
