// Filters as people write them.

#include <taskstore/base/ascii.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/records/query.hpp>

#include <algorithm>
#include <array>

namespace taskstore::records {
namespace {

constexpr int kDepthMax = 50;
// SQLite's bounds are 1000 levels of an expression and 32766 values.
constexpr int kComparisonsMax = 500;
constexpr std::size_t kListMax = 10'000;

std::string raw_text(std::string_view text) {
    std::string raw;
    append_json_string(raw, text);
    return raw;
}

std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(' ');
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

/// Takes the last word off; the only one stays, for it is a member's name.
std::string_view cut_last_word(std::string_view& text) {
    const std::size_t space = text.rfind(' ');
    if (space == std::string_view::npos) return {};
    const std::string_view word = text.substr(space + 1);
    text = trimmed(text.substr(0, space));
    return word;
}

Filter none_of(Filter part) {
    std::vector<Filter> parts;
    parts.push_back(std::move(part));
    return Filter::none_of(std::move(parts));
}

struct Sign {
    std::string_view sign;
    Op op;
};
constexpr std::array kSigns{Sign{"!=", Op::ne},     Sign{"<=", Op::le}, Sign{">=", Op::ge},
                            Sign{"=", Op::eq},      Sign{"<", Op::lt},  Sign{">", Op::gt},
                            Sign{"~", Op::contains}};

/// Recursive descent; `x_at` is where it stands.
class Parser {
  public:
    Parser(std::string_view text, const Kind* kind) : x_text(text), x_kind(kind) {}

    Result<Filter> whole() {
        TASKSTORE_LET(Filter filter, alternatives(0));
        skip_spaces();
        if (x_at < x_text.size()) return no_filter("there is a ')' too many");
        return filter;
    }

  private:
    Failure no_filter(const std::string& why) const {
        return fail(Code::invalid, "'" + std::string(x_text) + "' is no filter: " + why)
            .with_hint(
                "write FIELD=VALUE, or one of != < <= > >= ~ for =, or FIELD in (A,B); join "
                "with AND and OR, turn with NOT, group with ( ); a value that holds such a word "
                "stands in double quotes");
    }
    void skip_spaces() {
        while (x_at < x_text.size() && x_text[x_at] == ' ') ++x_at;
    }
    /// Whether `word` stands at `at`, apart from what is beside it.
    bool is_word(std::size_t at, std::string_view word) const {
        const auto apart = [&](std::size_t i) {
            return i >= x_text.size() || x_text[i] == ' ' || x_text[i] == '(';
        };
        return at > 0 && (x_text[at - 1] == ' ' || x_text[at - 1] == ')') &&
               ascii::same_word(x_text.substr(at, word.size()), word) && apart(at + word.size());
    }
    /// NOT stands before what it turns; a member of that name stands before a sign.
    bool take_not() {
        constexpr std::string_view kSignStarts = "!=<>~";
        if (!ascii::same_word(x_text.substr(x_at, 3), "NOT")) return false;
        const std::size_t next = std::min(x_text.find_first_not_of(' ', x_at + 3), x_text.size());
        const bool apart = next > x_at + 3 || (next < x_text.size() && x_text[next] == '(');
        if (!apart || (next < x_text.size() && kSignStarts.find(x_text[next]) != kSignStarts.npos))
            return false;
        x_at = next;
        return true;
    }
    bool take_word(std::string_view word) {
        skip_spaces();
        if (!is_word(x_at, word)) return false;
        x_at += word.size();
        return true;
    }

    Result<Filter> alternatives(int depth) {
        std::vector<Filter> parts;
        do {
            TASKSTORE_LET(auto part, conditions(depth));
            parts.push_back(std::move(part));
        } while (take_word("OR"));
        return parts.size() == 1 ? std::move(parts[0]) : Filter::any_of(std::move(parts));
    }
    Result<Filter> conditions(int depth) {
        std::vector<Filter> parts;
        do {
            TASKSTORE_LET(auto part, condition(depth));
            parts.push_back(std::move(part));
        } while (take_word("AND"));
        return parts.size() == 1 ? std::move(parts[0]) : Filter::all_of(std::move(parts));
    }
    Result<Filter> condition(int depth) {
        skip_spaces();
        if (take_not()) {
            if (depth == kDepthMax) return no_filter("its groups lie too deep");
            TASKSTORE_LET(auto turned, condition(depth + 1));
            return none_of(std::move(turned));
        }
        if (x_at < x_text.size() && x_text[x_at] == '(') {
            if (depth == kDepthMax) return no_filter("its groups lie too deep");
            ++x_at;
            TASKSTORE_LET(auto group, alternatives(depth + 1));
            skip_spaces();
            if (x_at >= x_text.size() || x_text[x_at] != ')') return no_filter("a ')' is missing");
            ++x_at;
            return group;
        }
        return comparison();
    }

    Result<Filter> comparison() {
        if (++x_comparisons > kComparisonsMax) return no_filter("it compares too often");
        const std::size_t end = std::min(x_text.find_first_of("!=<>~(", x_at), x_text.size());
        std::string_view field = trimmed(x_text.substr(x_at, end - x_at));
        if (end < x_text.size() && x_text[end] == '(') {
            if (!ascii::same_word(cut_last_word(field), "IN"))
                return no_filter("no operator before '('");
            std::string_view before = field;
            const bool turned = ascii::same_word(cut_last_word(before), "NOT");
            x_at = end + 1;
            TASKSTORE_LET(auto in, list(std::string(turned ? before : field)));
            return turned ? none_of(std::move(in)) : std::move(in);
        }
        if (ascii::same_word(field.substr(0, 4), "AND ") ||
            ascii::same_word(field.substr(0, 3), "OR "))
            return no_filter("nothing stands before '" + std::string(field) + "'");
        for (const Sign& sign : kSigns) {
            if (end >= x_text.size() || x_text.substr(end, sign.sign.size()) != sign.sign) continue;
            if (field.empty()) return no_filter("no field before '" + std::string(sign.sign) + "'");
            x_at = end + sign.sign.size();
            TASKSTORE_LET(std::string raw, value(field, sign.op, false));
            return Filter::compare(std::string(field), sign.op, std::move(raw));
        }
        return no_filter("it compares nothing");
    }

    /// What stands between the parentheses of `in`.
    Result<Filter> list(const std::string& field) {
        if (field.empty()) return no_filter("no field before 'in'");
        Filter filter{Filter::Kind::compare, field, Op::in, {}, {}};
        skip_spaces();
        if (x_at < x_text.size() && x_text[x_at] == ')')
            return no_filter("the list of '" + field + "' is empty");
        while (true) {
            TASKSTORE_LET(auto raw, value(field, Op::in, true));
            filter.values.push_back(std::move(raw));
            if (x_at >= x_text.size()) return no_filter("a ')' is missing");
            if (x_text[x_at++] == ')') return filter;
            if (filter.values.size() == kListMax) return no_filter("its list is too long");
        }
    }

    /// In double quotes up to the closing one; else up to AND, OR, a ')' that closes what stands
    /// before, or in a list a comma.
    Result<std::string> value(std::string_view field, Op op, bool in_list) {
        skip_spaces();
        if (const std::size_t after = end_of_quoted(in_list); after != 0) {
            const std::string raw(x_text.substr(x_at, after - x_at));
            x_at = after;
            skip_spaces();
            TASKSTORE_LET(const std::string text, unescape_json(raw));
            return field_value(x_kind, field, text, true, op == Op::contains);
        }
        int open = 0;
        std::size_t end = x_at;
        for (; end < x_text.size(); ++end) {
            const char c = x_text[end];
            if (c == '(') ++open;
            if (c == ')' && open-- == 0) break;
            if (in_list && c == ',' && open == 0) break;
            if (!in_list && open <= 0 && (is_word(end, "AND") || is_word(end, "OR"))) break;
        }
        const std::string_view text = trimmed(x_text.substr(x_at, end - x_at));
        x_at = end;
        return field_value(x_kind, field, text, false, op == Op::contains);
    }

    /// Where the quoted text that begins here ends; 0: none does, or it is only the start of a
    /// value.
    std::size_t end_of_quoted(bool in_list) const {
        if (x_at >= x_text.size() || x_text[x_at] != '"') return 0;
        std::size_t end = x_at + 1;
        while (end < x_text.size() && x_text[end] != '"') end += x_text[end] == '\\' ? 2U : 1U;
        if (end >= x_text.size() || !check_json(x_text.substr(x_at, end + 1 - x_at))) return 0;
        std::size_t next = ++end;
        while (next < x_text.size() && x_text[next] == ' ') ++next;
        const bool closes = next >= x_text.size() || x_text[next] == ')' ||
                            (in_list && x_text[next] == ',') ||
                            (!in_list && (is_word(next, "AND") || is_word(next, "OR")));
        return closes ? end : 0;
    }

    std::string_view x_text;
    const Kind* x_kind;
    std::size_t x_at = 0;
    int x_comparisons = 0;
};

}  // namespace

Result<std::string> field_value(const Kind* kind, std::string_view field, std::string_view text,
                                bool quoted, bool as_text) {
    const Field* known = kind != nullptr ? kind->field(field) : nullptr;
    const bool time = field == "updated_at" || (known && known->type == FieldType::time_ms);
    const bool number = time || (known != nullptr && known->type == FieldType::integer);
    if (text == "null" && !quoted && !as_text) return std::string("null");
    if (quoted || as_text) return raw_text(text);
    if (number) {
        if (const auto value = raw_to_int64(text)) return std::to_string(*value);
        if (const auto ms = parse_rfc3339_ms(text); time && ms) return std::to_string(*ms);
        return fail(Code::invalid, "'" + std::string(field) + "' is " +
                                       (time ? "a time" : "a whole number") + ", not '" +
                                       std::string(cut_utf8(text, 60)) + "'")
            .with_hint(time ? "write ms since 1970, or RFC 3339: 2026-11-21T08:15:30Z" : "");
    }
    if (known != nullptr &&
        (known->type == FieldType::number || known->type == FieldType::boolean)) {
        const bool boolean = known->type == FieldType::boolean;
        if (check_json(text) &&
            kind_of_raw(text) == (boolean ? JsonKind::boolean : JsonKind::number))
            return std::string(text);
        return fail(Code::invalid, "'" + std::string(field) + "' is " +
                                       (boolean ? "true or false" : "a number") + ", not '" +
                                       std::string(cut_utf8(text, 60)) + "'");
    }
    const bool id = field == (kind != nullptr ? kind->id_member : "id");
    if (known != nullptr || id) return raw_text(text);
    const JsonKind json = check_json(text) ? kind_of_raw(text) : JsonKind::string;
    return json == JsonKind::number || json == JsonKind::boolean ? std::string(text)
                                                                 : raw_text(text);
}

Result<Filter> parse_filter(std::string_view text, const Kind* kind) {
    if (const auto bad = first_invalid_utf8(text))
        return fail(Code::invalid, "the filter is not UTF-8: byte " + std::to_string(*bad + 1));
    return Parser(text, kind).whole();
}

}  // namespace taskstore::records
