#include "dump.hpp"

#include <taskstore/base/ascii.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <utility>

namespace taskstore::sqlite {
namespace {

/// As much as a libSQL server may answer otherwise: one value is no larger than some megabytes.
constexpr std::size_t kRowBytesMax = 256U << 20U;
constexpr std::size_t kSchemaBytesMax = 1U << 20U;
constexpr std::string_view kEnd = "END";
constexpr std::string_view kSpace = " \t\r\n\f";

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}
bool is_word(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           c == '$' || static_cast<unsigned char>(c) >= 0x80;
}

/// Without space and comments in front.
std::string_view from_first_word(std::string_view text) {
    while (true) {
        text.remove_prefix(std::min(text.find_first_not_of(kSpace), text.size()));
        const std::string_view end = text.starts_with("--") ? "\n" : "*/";
        if (!text.starts_with("--") && !text.starts_with("/*")) return text;
        const std::size_t at = text.find(end, 2);
        if (at == std::string_view::npos) return {};
        text.remove_prefix(at + end.size());
    }
}

/// The next word in capitals, a name without its quotes; empty: something else is next.
std::string take_word(std::string_view& text) {
    text = from_first_word(text);
    const bool quoted = !text.empty() && (text[0] == '"' || text[0] == '`' || text[0] == '\'');
    std::string word;
    if (quoted) {
        const std::size_t end = std::min(text.find(text[0], 1), text.size());
        word = text.substr(1, end - 1);
        text.remove_prefix(std::min(end + 1, text.size()));
    } else {
        const auto* const end = std::ranges::find_if_not(text, is_word);
        word = text.substr(0, static_cast<std::size_t>(end - text.begin()));
        text.remove_prefix(word.size());
    }
    return ascii::uppered(word);
}

DumpStatement kind_of_create(std::string_view text) {
    std::string word = take_word(text);
    if (word == "TABLE") return DumpStatement::table;
    if (word == "UNIQUE") word = take_word(text);
    const bool known = word == "INDEX" || word == "TRIGGER" || word == "VIEW";
    return known ? DumpStatement::left_out : DumpStatement::foreign;
}

/// Of rows that go into, or out of, the named table.
DumpStatement kind_of_table(std::string_view text, DumpStatement otherwise) {
    const std::string name = take_word(text);
    if (name == "SQLITE_SEQUENCE" || name.starts_with("SQLITE_STAT"))
        return DumpStatement::left_out;
    return name.starts_with("SQLITE_") ? DumpStatement::foreign : otherwise;
}

/// At the first of its digits; hexadecimal ones and what is no number are not taken.
std::string_view number_at(std::string_view text, std::size_t at) {
    std::size_t end = at;
    const auto digits = [&] {
        while (end < text.size() && is_digit(text[end])) ++end;
    };
    digits();
    if (end < text.size() && text[end] == '.') {
        ++end;
        digits();
    }
    if (end < text.size() && (text[end] == 'e' || text[end] == 'E')) {
        ++end;
        if (end < text.size() && (text[end] == '+' || text[end] == '-')) ++end;
        digits();
    }
    return text.substr(at, end - at);
}

/// The real that the number stands for, none where it is a whole number, or beyond all reals.
std::optional<double> real_of(std::string_view number) {
    std::int64_t whole = 0;
    const char* const end = number.data() + number.size();
    const auto as_whole = std::from_chars(number.data(), end, whole);
    const bool is_whole = as_whole.ec == std::errc() && as_whole.ptr == end;
    if (is_whole && (whole != 0 || number[0] != '-')) return std::nullopt;
    double real = 0;
    const auto as_real = std::from_chars(number.data(), end, real);
    if (as_real.ec != std::errc() || as_real.ptr != end) return std::nullopt;
    return real;
}

}  // namespace

Status DumpText::take(std::string_view text, const Each& each) {
    if (text.find('\0') != std::string_view::npos)
        return fail(Code::unsupported, "the dump holds U+0000");
    x_text.append(text);
    while (scan()) {
        const std::string_view one = std::string_view(x_text).substr(x_begin, x_at - x_begin);
        x_begin = ++x_at;
        TASKSTORE_TRY(each(one));
    }
    x_text.erase(0, x_begin);
    x_at -= x_begin;
    x_begin = 0;
    std::string_view open = x_text;
    const bool row = x_text.size() <= kSchemaBytesMax || take_word(open) == "INSERT";
    if (x_text.size() > (row ? kRowBytesMax : kSchemaBytesMax))
        return fail(Code::unsupported, "a statement of the dump is longer than " +
                                           std::to_string(row ? kRowBytesMax : kSchemaBytesMax) +
                                           " bytes");
    return ok();
}

bool DumpText::is_at_end() const {
    return from_first_word(std::string_view(x_text).substr(x_begin)).empty();
}

bool DumpText::scan() {
    while (x_at < x_text.size()) {
        switch (x_state) {
            case State::plain:
                if (scan_plain()) return true;
                if (x_state == State::plain) return false;
                break;
            case State::quoted:
                if (!skip_past({&x_quote, 1})) return false;
                break;
            case State::line_comment:
                if (!skip_past("\n")) return false;
                break;
            case State::block_comment:
                if (!skip_past("*/")) return false;
                break;
        }
    }
    return false;
}

/// True: at the end of a statement. Otherwise the state says what begins, or stays: the text ends.
bool DumpText::scan_plain() {
    while (x_at < x_text.size()) {
        const char c = x_text[x_at];
        const std::size_t next = x_at + 1;
        if (is_word(c)) {
            if (!pass_word()) return false;
            continue;
        }
        if (c == ';' && ends_statement()) return true;
        if (c == '\'' || c == '"' || c == '`' || c == '[') {
            x_quote = c == '[' ? ']' : c;
            x_state = State::quoted;
            x_tail = Tail::other;
            x_at = next;
            return false;
        }
        const bool may_comment = c == '-' || c == '/';
        if (may_comment && next == x_text.size()) return false;  // What follows tells.
        if (!may_comment || x_text[next] != (c == '-' ? '-' : '*')) {
            if (c != ';' && kSpace.find(c) == std::string_view::npos) x_tail = Tail::other;
            x_at = next;
            continue;
        }
        x_state = c == '-' ? State::line_comment : State::block_comment;
        x_at = next + 1;
        return false;
    }
    return false;
}

/// To behind `end`, and plain again; false: it is not there yet.
bool DumpText::skip_past(std::string_view end) {
    const std::size_t found = x_text.find(end, x_at);
    if (found != std::string::npos) {
        x_at = found + end.size();
        x_state = State::plain;
        return true;
    }
    // The first half of its end may be all that is here.
    x_at = std::max(x_at, x_text.size() - (end.size() - 1));
    return false;
}

/// Within a trigger they end its own statements.
bool DumpText::ends_statement() {
    if (!x_is_trigger) {
        std::string_view text = std::string_view(x_text).substr(x_begin, x_at - x_begin);
        x_is_trigger = take_word(text) == "CREATE";
        if (*x_is_trigger) {
            std::string word = take_word(text);
            if (word == "TEMP" || word == "TEMPORARY") word = take_word(text);
            x_is_trigger = word == "TRIGGER";
        }
    }
    if (*x_is_trigger && std::exchange(x_tail, Tail::semicolon) != Tail::end) return false;
    x_is_trigger.reset();
    x_tail = Tail::other;
    return true;
}

/// To behind the word that begins here; false: it may be END, and may go on in the next part.
bool DumpText::pass_word() {
    const std::string_view rest = std::string_view(x_text).substr(x_at);
    const auto length =
        static_cast<std::size_t>(std::ranges::find_if_not(rest, is_word) - rest.begin());
    if (length == rest.size() && length <= kEnd.size()) return false;
    std::string_view word = rest.substr(0, length);
    const bool is_end = length == kEnd.size() && take_word(word) == kEnd;
    x_tail = is_end && x_tail == Tail::semicolon ? Tail::end : Tail::other;
    x_at += length;
    return true;
}

DumpStatement kind_of_dump_statement(std::string_view statement) {
    std::string_view rest = from_first_word(statement);
    if (rest.empty()) return DumpStatement::nothing;
    const std::string word = take_word(rest);
    if (word == "BEGIN") return DumpStatement::begin;
    if (word == "COMMIT") return DumpStatement::commit;
    if (word == "ROLLBACK") return DumpStatement::rollback;
    if (word == "ANALYZE") return DumpStatement::left_out;
    if (word == "CREATE") return kind_of_create(rest);
    if (word == "PRAGMA" && take_word(rest) == "FOREIGN_KEYS") return DumpStatement::nothing;
    if (word == "INSERT" && take_word(rest) == "INTO")
        return kind_of_table(rest, DumpStatement::row);
    if (word == "DELETE" && take_word(rest) == "FROM")
        return kind_of_table(rest, DumpStatement::foreign);
    return DumpStatement::foreign;
}

RowText without_reals(std::string_view insert) {
    RowText out;
    std::size_t from = 0;  // What is not in `out` yet.
    for (std::size_t at = 0; at < insert.size();) {
        const char c = insert[at];
        if (c == '\'' || c == '"' || c == '`') {
            at = std::min(insert.find(c, at + 1), insert.size() - 1) + 1;
        } else if (is_digit(c)) {
            const std::size_t end = at + number_at(insert, at).size();
            const std::size_t begin = at > 0 && insert[at - 1] == '-' ? at - 1 : at;
            at = end;
            if (at < insert.size() && is_word(insert[at])) continue;  // 0x…: SQLite's to judge.
            const auto real = real_of(insert.substr(begin, end - begin));
            if (!real) continue;
            out.sql.append(insert.substr(from, begin - from));
            out.reals.push_back(*real);
            out.sql += "?" + std::to_string(out.reals.size());
            from = end;
        } else if (is_word(c)) {
            while (at < insert.size() && is_word(insert[at])) ++at;
        } else {
            ++at;
        }
    }
    out.sql.append(insert.substr(from));
    return out;
}

}  // namespace taskstore::sqlite
