#include <taskstore/base/display.hpp>
#include <taskstore/base/hash.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/store/checklist.hpp>

#include <array>
#include <map>
#include <optional>

namespace taskstore::store {
namespace {

std::string_view trimmed(std::string_view text) {
    const std::size_t first = text.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) return {};
    return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

struct Heading {
    std::size_t level;
    std::string_view text;
};

std::optional<Heading> heading_of(std::string_view line) {
    const std::size_t level = line.find_first_not_of('#');
    if (level == 0 || level == std::string_view::npos || level > 6 || line[level] != ' ')
        return std::nullopt;
    std::string_view text = trimmed(line.substr(level));
    // A closing run of #, as CommonMark allows.
    const std::size_t last = text.find_last_not_of('#');
    if (last != std::string_view::npos && last + 1 < text.size() && text[last] == ' ')
        text = trimmed(text.substr(0, last));
    if (text.empty()) return std::nullopt;
    return Heading{level, text};
}

struct Item {
    bool checked;
    std::string_view text;
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
    const std::string_view text = trimmed(rest.substr(4));
    if (text.empty()) return std::nullopt;
    return Item{rest[1] != ' ', text};
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
    const auto id_of = [&](std::string_view prefix, const std::string& key) {
        const int repeat = repeats[std::string(prefix) + key]++;
        return std::string(prefix) +
               sha256_hex(key + (repeat == 0 ? "" : "\n#" + std::to_string(repeat))).substr(0, 12);
    };
    std::vector<ChecklistSection> sections;
    const auto open_section = [&](std::string_view title, int line) {
        std::string key;
        for (const std::string& part : path) key += part + "\n";
        sections.push_back({id_of("prd-", key), std::string(title), {}, {}, line});
    };
    bool fenced = false;
    int number = 0;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        std::string_view line = text.substr(at, end - at);
        if (line.ends_with('\r')) line.remove_suffix(1);
        at = end + 1;
        ++number;
        const bool fence = is_fence(line);
        if (fence) fenced = !fenced;
        if (!fenced && !fence) {
            if (const auto heading = heading_of(line)) {
                path[heading->level] = heading->text;
                for (std::size_t level = heading->level + 1; level < path.size(); ++level)
                    path[level].clear();
                open_section(heading->text, number);
                continue;
            }
            if (const auto item = item_of(line)) {
                if (sections.empty()) open_section(stem, number);
                ChecklistSection& section = sections.back();
                section.items.push_back({id_of("ts-", section.id + "\n" + std::string(item->text)),
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
        }
        ChecklistSection& section = sections.back();
        add_line(section.items.empty() ? section.content : section.items.back().content, line);
    }
    std::erase_if(sections, [](const ChecklistSection& section) {
        return section.items.empty() && trimmed(section.content).empty();
    });
    for (ChecklistSection& section : sections) {
        trim_end(section.content);
        for (ChecklistItem& item : section.items) trim_end(item.content);
    }
    return sections;
}

}  // namespace taskstore::store
