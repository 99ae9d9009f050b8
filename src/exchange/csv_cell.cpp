#include "csv_cell.hpp"

#include <taskstore/base/json.hpp>

#include <algorithm>

namespace taskstore::exchange {
namespace {

bool is_space(char c) {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool is_number(std::string_view text) {
    std::size_t at = 0;
    const auto digits = [&] {
        const std::size_t start = at;
        while (at < text.size() && text[at] >= '0' && text[at] <= '9') ++at;
        return at > start;
    };
    const auto here = [&](std::string_view any) {
        return at < text.size() && any.find(text[at]) != std::string_view::npos;
    };
    if (here("-")) ++at;
    const bool zero = here("0");
    const std::size_t first = at;
    if (!digits() || (zero && at > first + 1)) return false;
    if (here(".")) {
        ++at;
        if (!digits()) return false;
    }
    if (here("eE")) {
        ++at;
        if (here("+-")) ++at;
        if (!digits()) return false;
    }
    return at == text.size();
}

/// Whether a cell of this text is JSON rather than a string of its own.
bool reads_as_json(std::string_view text) {
    switch (text.front()) {
        case 't':
            return text == "true";
        case 'f':
            return text == "false";
        case 'n':
            return text == "null";
        case '"':
        case '[':
        case '{':
            return !is_space(text.back()) && check_json(text).has_value();
        default:
            return is_number(text);
    }
}

}  // namespace

std::string on_one_line(std::string_view raw) {
    std::string out;
    out.reserve(raw.size());
    bool quoted = false;
    for (std::size_t i = 0; i < raw.size(); ++i) {
        const char c = raw[i];
        if (!quoted && is_space(c)) continue;
        out += c;
        if (quoted && c == '\\') out += raw[++i];
        if (c == '"') quoted = !quoted;
    }
    return out;
}

std::string cell_of_raw(std::string_view raw) {
    if (kind_of_raw(raw) != JsonKind::string) return std::string(raw);
    auto text = unescape_json(raw);
    const bool plain = text && !text->empty() && text->front() != '"' && !reads_as_json(*text) &&
                       std::ranges::none_of(*text, [](char c) {
                           return (c >= 0 && c < ' ' && !is_space(c)) || c == '\x7F';
                       });
    return plain ? std::move(*text) : std::string(raw);
}

std::string raw_of_cell(std::string_view cell) {
    if (reads_as_json(cell)) {
        return cell.find_first_of("\r\n") == std::string_view::npos ? std::string(cell)
                                                                    : on_one_line(cell);
    }
    std::string raw;
    append_json_string(raw, cell);
    return raw;
}

void append_cell(std::string& out, std::string_view cell) {
    const bool quotes =
        cell.find_first_of("\",;\t\r\n") != std::string_view::npos ||
        (!cell.empty() && (cell.front() == ' ' || cell.back() == ' ' || cell.front() == '#'));
    if (!quotes) {
        out += cell;
        return;
    }
    out += '"';
    for (const char c : cell) {
        if (c == '"') out += '"';
        out += c;
    }
    out += '"';
}

}  // namespace taskstore::exchange
