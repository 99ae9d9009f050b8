#include <taskstore/base/ascii.hpp>
#include <taskstore/git/config_text.hpp>

#include <algorithm>

namespace taskstore::git {
namespace {

bool is_blank(char c) {
    return c == ' ' || c == '\t' || c == '\r';
}

bool is_name_character(char c) {
    return (ascii::lower(c) >= 'a' && ascii::lower(c) <= 'z') || (c >= '0' && c <= '9') || c == '-';
}

std::string quoted(std::string_view value) {
    const bool plain = value.find_first_of("#;\"\\\n\t\b") == std::string_view::npos &&
                       !value.starts_with(' ') && !value.ends_with(' ');
    if (plain) return std::string(value);
    std::string out = "\"";
    for (const char c : value) {
        if (c == '"' || c == '\\') out += '\\';
        if (c == '\n')
            out += "\\n";
        else if (c == '\t')
            out += "\\t";
        else
            out += c;
    }
    return out + '"';
}

}  // namespace

ConfigText::ConfigText(std::string text) : x_text(std::move(text)) {
    parse();
}

/// `at` stands behind '['. Returns where ']' ends, or npos where it is no header.
std::size_t ConfigText::parse_header(std::size_t at, Item& item) const {
    const auto next = [&] { return at < x_text.size() ? x_text[at] : '\n'; };
    while (is_name_character(next()) || next() == '.') item.section += ascii::lower(x_text[at++]);
    if (const std::size_t dot = item.section.find('.'); dot != std::string::npos) {
        item.subsection = item.section.substr(dot + 1);
        item.section.resize(dot);
    }
    if (next() == ' ' || next() == '\t') {
        while (next() == ' ' || next() == '\t') ++at;
        if (next() != '"') return std::string::npos;
        for (++at; next() != '"'; ++at) {
            if (next() == '\\') ++at;
            if (next() == '\n') return std::string::npos;
            item.subsection += next();
        }
        ++at;
    }
    return next() == ']' ? at + 1 : std::string::npos;
}

/// `at` stands behind '='. Returns the start of the line after the value.
std::size_t ConfigText::parse_value(std::size_t at, Item& item) const {
    std::string& value = item.value;
    bool in_quotes = false;
    bool comment = false;
    std::size_t kept = 0;  // up to here blanks count
    for (; at < x_text.size(); ++at) {
        const char c = x_text[at];
        if (c == '\n') return value.resize(kept), at + 1;
        if (comment) continue;
        if (c == '\\' && at + 1 < x_text.size()) {
            const char escaped = x_text[++at];
            if (escaped == '\r' && at + 1 < x_text.size() && x_text[at + 1] == '\n') ++at;
            if (x_text[at] == '\n') continue;
            value += escaped == 'n'   ? '\n'
                     : escaped == 't' ? '\t'
                     : escaped == 'b' ? '\b'
                                      : escaped;
            kept = value.size();
        } else if (c == '"') {
            in_quotes = !in_quotes;
            kept = value.size();
        } else if (!in_quotes && (c == '#' || c == ';')) {
            comment = true;
            item.comment = at;
        } else if (in_quotes || !is_blank(c)) {
            value += c;
            kept = value.size();
        } else if (!value.empty()) {
            value += c;
        }
    }
    value.resize(kept);
    return at;
}

void ConfigText::parse() {
    x_items.clear();
    std::string section;
    std::string subsection;
    std::size_t at = x_text.starts_with("\xef\xbb\xbf") ? 3 : 0;
    std::size_t begin = at;
    const auto skip_line = [&] {
        at = std::min(x_text.find('\n', at), x_text.size());
        if (at < x_text.size()) ++at;
        begin = at;
    };
    while (at < x_text.size()) {
        const char c = x_text[at];
        if (c == '\n' || is_blank(c)) {
            ++at;
            if (c == '\n') begin = at;
        } else if (c == '[') {
            Item item{.begin = begin, .header = true};
            const std::size_t end = parse_header(at + 1, item);
            if (end == std::string::npos) {
                section.clear();
                skip_line();
                continue;
            }
            section = item.section;
            subsection = item.subsection;
            at = end;
            // A header ends its line, or a key stands behind it.
            std::size_t rest = at;
            while (rest < x_text.size() && is_blank(x_text[rest])) ++rest;
            if (rest < x_text.size() && x_text[rest] == '\n') at = rest + 1;
            item.end = begin = at;
            x_items.push_back(std::move(item));
        } else if (is_name_character(c) && !section.empty()) {
            Item item{.begin = begin, .section = section, .subsection = subsection};
            while (at < x_text.size() && is_name_character(x_text[at]))
                item.key += ascii::lower(x_text[at++]);
            while (at < x_text.size() && is_blank(x_text[at])) ++at;
            if (at < x_text.size() && x_text[at] == '=') {
                at = parse_value(at + 1, item);
                begin = at;
            } else {
                skip_line();
            }
            item.end = at;
            x_items.push_back(std::move(item));
        } else {
            skip_line();
        }
    }
}

const ConfigText::Item* ConfigText::find(const ConfigName& name) const {
    const Item* out = nullptr;
    for (const Item& item : x_items) {
        if (!item.header && item.key == name.key && in_section(item, name)) out = &item;
    }
    return out;
}

std::optional<std::string> ConfigText::get(const ConfigName& name) const {
    const Item* const item = find(name);
    return item != nullptr ? std::optional<std::string>(item->value) : std::nullopt;
}

void ConfigText::set(const ConfigName& name, std::string_view value) {
    put(name, name.key + " = " + quoted(value) + "\n");
}

void ConfigText::set_as_in(const ConfigText& other, const ConfigName& name) {
    const Item* const there = other.find(name);
    if (there == nullptr) return unset(name, true);
    std::string_view line =
        std::string_view(other.x_text).substr(there->begin, there->end - there->begin);
    const Item* const here = find(name);
    if (here == nullptr || !line.ends_with('\n')) {
        while (!line.empty() && is_blank(line.front())) line.remove_prefix(1);
        return put(name, std::string(line) + (line.ends_with('\n') ? "" : "\n"));
    }
    x_text.replace(here->begin, here->end - here->begin, line);
    parse();
}

void ConfigText::put(const ConfigName& name, std::string_view line) {
    const Item* same = nullptr;
    const Item* last = nullptr;
    for (const Item& item : x_items) {
        if (!in_section(item, name)) continue;
        last = &item;
        if (!item.header && item.key == name.key) same = &item;
    }
    const auto put = [&](std::size_t at, std::size_t bytes) {
        const bool at_line_start = at == 0 || x_text[at - 1] == '\n';
        // Behind a header on its line, or behind a last line without an end.
        std::string start = at_line_start ? "\t" : bytes > 0 ? " " : "\n\t";
        x_text.replace(at, bytes, start.append(line));
    };
    if (same != nullptr) {
        put(same->begin, same->end - same->begin);
    } else if (last != nullptr) {
        put(last->end, 0);
    } else {
        if (!x_text.empty() && x_text.back() != '\n') x_text += '\n';
        std::string header = "[" + name.section;
        if (!name.subsection.empty()) {
            header += " \"";
            for (const char c : name.subsection) {
                if (c == '"' || c == '\\') header += '\\';
                header += c;
            }
            header += '"';
        }
        x_text += header.append("]\n\t").append(line);
    }
    parse();
}

void ConfigText::unset(const ConfigName& name, bool headers) {
    struct Gone {
        std::size_t begin;
        std::size_t end;
        std::string left;  ///< The comment behind a value.
    };
    std::vector<Gone> gone;
    for (std::size_t i = 0; i < x_items.size(); ++i) {
        const Item& item = x_items[i];
        if (!in_section(item, name)) continue;
        if (!item.header) {
            if (item.key != name.key) continue;
            const bool commented = item.comment != std::string::npos;
            gone.push_back(
                {item.begin, item.end,
                 commented ? "\t" + x_text.substr(item.comment, item.end - item.comment) : ""});
            continue;
        }
        // Comments beneath a header keep it.
        std::size_t end = item.end;
        std::size_t next = i + 1;
        for (; next < x_items.size() && !x_items[next].header; ++next) {
            if (x_items[next].key != name.key || x_items[next].begin != end ||
                x_items[next].comment != std::string::npos)
                break;
            end = x_items[next].end;
        }
        const std::size_t following = next < x_items.size() ? x_items[next].begin : x_text.size();
        const bool bare =
            (next == x_items.size() || x_items[next].header) &&
            x_text.substr(end, following - end).find_first_not_of(" \t\r\n") == std::string::npos;
        if (headers && bare) gone.push_back({item.begin, item.end, {}});
    }
    std::ranges::sort(gone, std::greater<>(), &Gone::begin);
    for (const Gone& one : gone) x_text.replace(one.begin, one.end - one.begin, one.left);
    parse();
}

}  // namespace taskstore::git
