#include <taskstore/base/display.hpp>
#include <taskstore/base/hash.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/exchange/checklist.hpp>

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>

namespace taskstore::exchange {
namespace {

std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

constexpr std::string_view kMark = "<!-- taskstore:";
constexpr std::string_view kMarkEnd = " -->";
/// Each costs a look through the rest of the file.
constexpr int kOpenEndsMax = 64;

/// What stands in a mark that ends the line, which is cut off.
std::optional<std::string_view> cut_mark(std::string_view& line) {
    const std::string_view text = trimmed(line);
    const std::size_t at = text.rfind(kMark);
    if (at == std::string_view::npos || !text.ends_with(kMarkEnd)) return std::nullopt;
    std::string_view inside = text.substr(at + kMark.size());
    inside.remove_suffix(std::min(kMarkEnd.size(), inside.size()));
    if (inside.empty() || inside.find_first_of("<> \t") != std::string_view::npos)
        return std::nullopt;
    line = line.substr(0, static_cast<std::size_t>(text.data() - line.data()) + at);
    return inside;
}

bool is_plain(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '_' || c == ':' || c == '/';
}

std::string marked_id(std::string_view id) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string out;
    for (std::size_t i = 0; i < id.size(); ++i) {
        const char c = id[i];
        const bool hyphen =
            c == '-' && i > 0 && i + 1 < id.size() && id[i + 1] != '-' && id[i - 1] != '-';
        if (is_plain(c) || hyphen) {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += '%';
        out += kDigits[byte >> 4U];
        out += kDigits[byte & 15U];
    }
    return out;
}

/// Nothing where it is no id that a record can have.
std::optional<std::string> id_of_mark(std::string_view mark) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string id;
    for (std::size_t i = 0; i < mark.size(); ++i) {
        if (mark[i] != '%') {
            if (!is_plain(mark[i]) && mark[i] != '-') return std::nullopt;
            id += mark[i];
            continue;
        }
        if (i + 2 >= mark.size()) return std::nullopt;
        const std::size_t high = kDigits.find(mark[i + 1]);
        const std::size_t low = kDigits.find(mark[i + 2]);
        if (high == std::string_view::npos || low == std::string_view::npos) return std::nullopt;
        const auto byte = static_cast<unsigned char>(16 * high + low);
        if (byte < 0x20 || byte == 0x7F) return std::nullopt;
        id += static_cast<char>(byte);
        i += 2;
    }
    if (id.size() > 256 || first_invalid_utf8(id)) return std::nullopt;
    return id;
}

std::string text_mark(std::string_view word, std::string_view number) {
    return std::string(kMark) + std::string(word) + " " + std::string(number) +
           std::string(kMarkEnd);
}

/// The number of a line that opens a text block.
std::optional<std::string_view> opens_text(std::string_view line) {
    const std::string start = std::string(kMark) + "text ";
    if (!line.starts_with(start) || !line.ends_with(kMarkEnd)) return std::nullopt;
    std::string_view number = line.substr(start.size());
    if (number.size() <= kMarkEnd.size()) return std::nullopt;
    number.remove_suffix(kMarkEnd.size());
    if (number.find_first_not_of("0123456789") != std::string_view::npos) return std::nullopt;
    return number;
}

struct Heading {
    std::size_t level;
    std::string text;  ///< Empty: nothing stands behind its #.
    std::optional<std::string> id;
};

std::optional<std::string> take_id(std::string_view& line) {
    std::string_view rest = line;
    const auto mark = cut_mark(rest);
    if (!mark) return std::nullopt;
    auto id = id_of_mark(*mark);
    if (id) line = rest;
    return id;
}

std::optional<Heading> heading_of(std::string_view line) {
    const std::size_t level = std::min(line.find_first_not_of('#'), line.size());
    if (level == 0 || level > 6 ||
        (level < line.size() && line[level] != ' ' && line[level] != '\t'))
        return std::nullopt;
    auto id = take_id(line);
    std::string_view text = trimmed(line.substr(std::min(level, line.size())));
    // A closing run of #, as CommonMark allows.
    const std::size_t last = text.find_last_not_of('#');
    if (last == std::string_view::npos)
        text = {};
    else if (last + 1 < text.size() && (text[last] == ' ' || text[last] == '\t'))
        text = trimmed(text.substr(0, last));
    return Heading{level, std::string(text), std::move(id)};
}

std::size_t indent_of(std::string_view line) {
    return std::min(line.find_first_not_of(' '), line.size());
}

/// The level of the heading that the line makes of a paragraph above it; 0: none.
std::size_t underline_of(std::string_view line) {
    const std::size_t indent = indent_of(line);
    const std::string_view run = trimmed(line);
    if (indent > 3 || run.empty() || (run[0] != '=' && run[0] != '-') ||
        run.find_first_not_of(run[0]) != std::string_view::npos)
        return 0;
    return run[0] == '=' ? 1 : 2;
}

/// A line across the page: what comes below it begins anew.
bool is_break(std::string_view line) {
    std::string run;
    for (const char c : line) {
        if (c != ' ' && c != '\t') run += c;
    }
    return run.size() >= 3 && (run[0] == '-' || run[0] == '*' || run[0] == '_') &&
           run.find_first_not_of(run[0]) == std::string::npos;
}

/// Text of no list, quote, code or HTML: with a line of = or - below it, it is a heading.
bool is_prose(std::string_view line) {
    const std::size_t indent = indent_of(line);
    const std::string_view text = line.substr(indent);
    if (indent > 3 || text.empty() || text[0] == '\t' || text[0] == '>' || text[0] == '<' ||
        is_break(line))
        return false;
    if (text[0] == '[' && text.find("]:") != std::string_view::npos) return false;
    std::size_t marker = text.find_first_not_of("0123456789");
    if (marker == 0)
        marker = std::string_view("-*+").find(text[0]) == std::string_view::npos ? 0 : 1;
    else if (marker != std::string_view::npos && (text[marker] == '.' || text[marker] == ')'))
        ++marker;
    else
        marker = 0;
    return marker == 0 || (marker < text.size() && text[marker] != ' ' && text[marker] != '\t');
}

/// Where the settings end that some tools keep above the text (front matter); 0: there are none.
std::size_t front_matter_end(std::string_view text) {
    const auto line_at = [&](std::size_t at) {
        std::string_view line = text.substr(at, text.find('\n', at) - at);
        if (line.ends_with('\r')) line.remove_suffix(1);
        return line;
    };
    if (line_at(0) != "---") return 0;
    std::size_t at = text.find('\n');
    if (at == std::string_view::npos) return 0;
    const std::string_view first = line_at(at + 1);
    const std::size_t colon = first.find(':');
    if (colon == 0 || colon == std::string_view::npos ||
        !std::ranges::all_of(first.substr(0, colon),
                             [](char c) { return is_plain(c) || c == '-'; }))
        return 0;
    while (at != std::string_view::npos) {
        const std::string_view line = line_at(at + 1);
        const std::size_t next = text.find('\n', at + 1);
        if (line == "---" || line == "...")
            return next == std::string_view::npos ? text.size() : next + 1;
        at = next;
    }
    return 0;
}

struct Item {
    bool checked;
    std::string_view text;
    std::optional<std::string> id;
};

std::optional<Item> item_of(std::string_view line) {
    line = trimmed(line);
    std::size_t marker = 0;
    if (!line.empty() && (line[0] == '-' || line[0] == '*' || line[0] == '+')) {
        marker = 1;
    } else {
        while (marker < line.size() && line[marker] >= '0' && line[marker] <= '9') ++marker;
        if (marker == 0 || marker >= line.size() || (line[marker] != '.' && line[marker] != ')'))
            return std::nullopt;
        ++marker;
    }
    const std::string_view rest = trimmed(line.substr(marker));
    if (marker >= line.size() || line[marker] != ' ' || rest.size() < 5 || rest[0] != '[' ||
        rest[2] != ']' || rest[3] != ' ')
        return std::nullopt;
    if (rest[1] != ' ' && rest[1] != 'x' && rest[1] != 'X') return std::nullopt;
    std::string_view text = rest.substr(4);
    auto id = take_id(text);
    text = trimmed(text);
    if (text.empty()) return std::nullopt;
    return Item{rest[1] != ' ', text, std::move(id)};
}

bool is_fence(std::string_view line) {
    const std::string_view text = trimmed(line);
    return text.starts_with("```") || text.starts_with("~~~");
}

void add_line(std::string& content, std::string_view line) {
    if (content.empty() && trimmed(line).empty()) return;
    content += std::string(line) + "\n";
}

void trim_end(std::string& content) {
    const std::size_t last = content.find_last_not_of(" \t\r\n");
    content.resize(last == std::string::npos ? 0 : last + 1);
}

}  // namespace

Result<std::vector<ChecklistSection>> read_checklist(std::string_view text,
                                                     std::string_view given_path) {
    const std::string name = repaired_utf8(given_path);
    if (text.size() > (64U << 20U))
        return fail(Code::invalid, "'" + name + "' is larger than 64 MiB");
    if (const auto bad = first_invalid_utf8(text)) {
        return fail(Code::invalid, "'" + name + "' is not UTF-8: byte " + std::to_string(*bad + 1))
            .with_hint("convert it, for example with iconv");
    }
    if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
        return fail(Code::invalid,
                    "'" + name + "' holds U+0000 at byte " + std::to_string(nul + 1));
    }
    const std::size_t file = name.rfind('/') + 1;
    const std::size_t dot = name.rfind('.');
    const std::size_t stem_end = dot == std::string::npos || dot <= file ? name.size() : dot;
    const std::string stem = name.substr(file, stem_end - file);
    std::array<std::string, 7> path;
    path[0] = name.substr(0, stem_end);
    std::map<std::string, int> repeats;
    // A heading and an item may have one id: PRDs and specs are kinds of their own.
    std::set<std::string, std::less<>> taken;
    const auto take = [&](std::string_view prefix, const std::string& id) {
        return taken.insert(std::string(prefix) + "\n" + id).second;
    };
    const auto id_of = [&](std::string_view prefix, const std::string& key,
                           const std::optional<std::string>& given) {
        if (given && take(prefix, *given)) return *given;
        while (true) {
            const int repeat = repeats[std::string(prefix) + key]++;
            std::string id =
                std::string(prefix) +
                sha256_hex(key + (repeat == 0 ? "" : "\n#" + std::to_string(repeat))).substr(0, 12);
            if (take(prefix, id)) return id;
        }
    };
    std::vector<ChecklistSection> sections;
    // Headings and items whose content stood between marks, by their keys.
    std::set<std::string, std::less<>> exact;
    const auto section_key = [](const ChecklistSection& section) { return "s" + section.id; };
    const auto item_key = [](const ChecklistItem& item) { return "i" + item.id; };
    bool implied = false;  // the first section has no heading of its own
    const auto open_section = [&](std::string_view title, int line,
                                  const std::optional<std::string>& id = {}) {
        std::string key;
        for (const std::string& part : path) key += part + "\n";
        sections.push_back({id_of("prd-", key, id), std::string(title), {}, {}, line});
    };
    const auto open_heading = [&](const Heading& heading, int line) {
        const std::string title = heading.text.empty() ? "(untitled)" : heading.text;
        path[heading.level] = title;
        for (std::size_t level = heading.level + 1; level < path.size(); ++level)
            path[level].clear();
        open_section(title, line, heading.id);
    };
    /// Text that the next line may make a heading.
    struct Paragraph {
        std::string text;
        std::size_t at = 0;  ///< In the content that it is part of so far.
        bool was_exact = false;
        int line = 0;
    };
    std::optional<Paragraph> paragraph;
    bool fresh = true;  // no list, quote or paragraph goes on from the line above
    const std::size_t front_end = front_matter_end(text);
    bool fenced = false;
    std::string verbatim;        // the line that ends a text block
    std::size_t first_line = 0;  // of a text block, in its content
    const auto content = [&]() -> std::string& {
        ChecklistSection& section = sections.back();
        return section.items.empty() ? section.content : section.items.back().content;
    };
    const auto owner = [&] {
        const ChecklistSection& section = sections.back();
        return section.items.empty() ? section_key(section) : item_key(section.items.back());
    };
    int open_ends = 0;
    int number = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        std::string_view line = text.substr(at, end - at);
        const std::string_view whole = line;
        if (line.ends_with('\r')) line.remove_suffix(1);
        at = end + 1;
        ++number;
        if (!verbatim.empty()) {
            if (line == verbatim) {
                verbatim.clear();
                fresh = true;
            } else {
                if (first_line++ > 0) content() += '\n';
                content() += whole;
            }
            continue;
        }
        const auto opened = fenced ? std::nullopt : opens_text(line);
        // Only where its end stands too: a lone mark is text like any other.
        if (opened && open_ends < kOpenEndsMax && !sections.empty() && trimmed(content()).empty()) {
            std::string close = text_mark("end", *opened);
            const std::size_t close_at = text.find("\n" + close, end);
            const std::size_t behind = close_at + 1 + close.size();
            if (close_at != std::string_view::npos &&
                (behind == text.size() || text[behind] == '\n' ||
                 text.substr(behind, 2) == "\r\n")) {
                content().clear();
                verbatim = std::move(close);
                paragraph.reset();
                first_line = 0;
                exact.insert(owner());
                continue;
            }
            ++open_ends;
        }
        const bool front = at <= front_end;
        const bool fence = !front && is_fence(line);
        if (fence) fenced = !fenced;
        const bool plain = !fenced && !fence && !front;
        if (plain) {
            if (const std::size_t level = paragraph ? underline_of(line) : 0; level > 0) {
                std::string_view title = paragraph->text;
                auto id = take_id(title);
                content().resize(paragraph->at);
                if (paragraph->was_exact) exact.insert(owner());
                open_heading({level, std::string(trimmed(title)), std::move(id)}, paragraph->line);
                paragraph.reset();
                fresh = true;
                continue;
            }
            if (const auto heading = heading_of(line)) {
                open_heading(*heading, number);
                paragraph.reset();
                fresh = true;
                continue;
            }
            if (const auto item = item_of(line)) {
                paragraph.reset();
                fresh = false;
                if (sections.empty()) {
                    open_section(stem, number);
                    implied = true;
                }
                ChecklistSection& section = sections.back();
                section.items.push_back(
                    {id_of("ts-", section.id + "\n" + std::string(item->text), item->id),
                     std::string(item->text),
                     {},
                     item->checked,
                     number});
                continue;
            }
        }
        if (sections.empty()) {
            if (trimmed(line).empty()) continue;
            open_section(stem, number);
            implied = true;
        }
        const bool prose = plain && is_prose(line) &&
                           (paragraph || sections.back().items.empty() || indent_of(line) == 0);
        if (!prose) {
            paragraph.reset();
        } else if (paragraph) {
            paragraph->text += " " + std::string(trimmed(line));
        } else if (fresh) {
            paragraph = Paragraph{std::string(trimmed(line)), content().size(),
                                  exact.contains(owner()), number};
        }
        fresh = trimmed(line).empty() || (fence && !fenced) || (plain && is_break(line)) ||
                at == front_end;
        // What follows a text block is not part of it, but for blank lines it would be lost.
        if (exact.contains(owner())) {
            if (trimmed(line).empty()) continue;
            exact.erase(owner());
            if (!content().ends_with('\n')) content() += '\n';
        }
        add_line(content(), line);
    }
    if (implied && sections.front().items.empty() && trimmed(sections.front().content).empty())
        sections.erase(sections.begin());
    for (ChecklistSection& section : sections) {
        if (!exact.contains(section_key(section))) trim_end(section.content);
        for (ChecklistItem& item : section.items) {
            if (!exact.contains(item_key(item))) trim_end(item.content);
        }
    }
    return sections;
}

std::string title_in_checklist(std::string_view text) {
    std::string line;
    for (const char c : text) {
        const bool ends_line = c == '\r' || c == '\n' || c == '\0';
        if (!ends_line)
            line += c;
        else if (!line.ends_with(' '))
            line += ' ';
    }
    line = trimmed(line);
    return line.empty() ? "(untitled)" : line;
}

namespace {

void append_content(std::string& out, std::string_view content) {
    if (content.empty()) return;
    // Plain where it reads back as it is; what looks like structure goes between marks.
    const auto again = read_checklist("# t\n" + std::string(content) + "\n", "t");
    const bool plain = again && again->size() == 1 && again->front().items.empty() &&
                       again->front().content == content &&
                       content.find(kMark) == std::string_view::npos &&
                       std::ranges::none_of(std::array{"```", "~~~"}, [&](std::string_view fence) {
                           return content.find(fence) != std::string_view::npos;
                       });
    if (plain) {
        out.append(content).append("\n");
        return;
    }
    int number = 1;
    while (content.find(text_mark("end", std::to_string(number))) != std::string_view::npos)
        ++number;
    out += text_mark("text", std::to_string(number)) + "\n";
    out.append(content).append("\n" + text_mark("end", std::to_string(number)) + "\n");
}

}  // namespace

void append_section(std::string& out, const ChecklistSection& section) {
    if (!out.empty()) out += "\n";
    std::string title = title_in_checklist(section.title);
    // A closing run of # would be taken for the heading's own.
    if (title.ends_with('#')) title += " #";
    out += "# " + title + " " + std::string(kMark) + marked_id(section.id) + std::string(kMarkEnd) +
           "\n\n";
    append_content(out, section.content);
}

void append_item(std::string& out, const ChecklistItem& item) {
    out += std::string(item.checked ? "- [x] " : "- [ ] ") + title_in_checklist(item.text) + " " +
           std::string(kMark) + marked_id(item.id) + std::string(kMarkEnd) + "\n";
    append_content(out, item.content);
}

}  // namespace taskstore::exchange
