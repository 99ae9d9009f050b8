#include <taskstore/config/config.hpp>
#include <taskstore/config/edit.hpp>

#include <vector>

namespace taskstore::config {
namespace {

constexpr std::string_view kBlank = " \t\r";

std::string_view trimmed(std::string_view text) {
    const std::size_t start = std::min(text.find_first_not_of(kBlank), text.size());
    const std::size_t end = text.find_last_not_of(kBlank) + 1;
    return text.substr(start, end < start ? 0 : end - start);
}

/// A TOML basic string (TOML 1.0, "String").
std::string quoted(std::string_view value) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string out = "\"";
    for (const char c : value) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out += '\\';
            out += c;
        } else if (byte < 0x20 || byte == 0x7F) {
            out += "\\u00";
            out += kDigits[byte >> 4U];
            out += kDigits[byte & 15U];
        } else {
            out += c;
        }
    }
    return out + "\"";
}

struct Line {
    std::size_t start = 0;
    std::size_t end = 0;  ///< Behind its line end.
    std::string_view text;
};

std::vector<Line> lines_of(std::string_view text) {
    std::vector<Line> lines;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size() - 1) + 1;
        lines.push_back({at, end, trimmed(text.substr(at, end - at - (text[end - 1] == '\n')))});
        at = end;
    }
    return lines;
}

/// The name of a `[section]` line; empty for others.
std::string_view section_of(std::string_view line) {
    if (!line.starts_with('[') || line.starts_with("[[")) return {};
    const std::size_t end = line.find(']');
    return end == std::string_view::npos ? std::string_view() : trimmed(line.substr(1, end - 1));
}

bool sets(std::string_view line, std::string_view key) {
    return line.starts_with(key) && trimmed(line.substr(key.size())).starts_with('=');
}

}  // namespace

Result<std::string> with_text_setting(std::string_view text, std::string_view key,
                                      const std::optional<std::string>& value) {
    TASKSTORE_LET(const Layer before, parse_toml(text, "config.toml", false));
    const std::size_t dot = key.find('.');
    const std::string_view section = key.substr(0, dot);
    const std::string_view name = key.substr(dot + 1);
    std::string out(text);
    std::string_view at;
    std::optional<std::size_t> after_section;
    bool done = false;
    for (const Line& line : lines_of(text)) {
        if (line.text.starts_with('[')) at = section_of(line.text);
        if (at == section && line.text.starts_with('[')) after_section = line.end;
        const bool here =
            (at == section && sets(line.text, name)) || (at.empty() && sets(line.text, key));
        if (!here) continue;
        const std::string spelled(at == section ? name : key);
        const bool ends = text.substr(line.start, line.end - line.start).ends_with('\n');
        out.replace(line.start, line.end - line.start,
                    value ? spelled + " = " + quoted(*value) + (ends ? "\n" : "") : std::string());
        done = true;
        break;
    }
    if (!done && value) {
        const std::string line = std::string(name) + " = " + quoted(*value) + "\n";
        if (after_section) {
            const bool ended = *after_section > 0 && out[*after_section - 1] == '\n';
            out.insert(*after_section, (ended ? "" : "\n") + line);
        } else {
            if (!out.empty() && !out.ends_with('\n')) out += '\n';
            out += (out.empty() ? "[" : "\n[") + std::string(section) + "]\n" + line;
        }
    }
    // What came out is read again: where the line was part of something else, nothing is changed.
    const auto after = parse_toml(out, "config.toml", false);
    auto expected = before.values;
    if (value)
        expected[std::string(key)] = *value;
    else
        expected.erase(std::string(key));
    if (!after || after->values != expected)
        return fail(Code::invalid, before.place_of(key) + ": '" + std::string(key) +
                                       "' is written in a form that is not changed by itself")
            .with_hint("write it as a line of its own below [" + std::string(section) + "]");
    return out;
}

}  // namespace taskstore::config
