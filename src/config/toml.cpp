// The TOML parser stays in this file: its header costs more to compile than the rest of the module.
#include <taskstore/base/text.hpp>
#include <taskstore/config/config.hpp>

#include <toml++/toml.h>

#include <algorithm>

namespace taskstore::config {
namespace {

// toml++ 3.3 asks of characters outside strings, and after some errors of those inside, whether
// they are spaces, and has no answer for U+00A1 to U+0499 (undefined behaviour). So it sees ASCII
// alone: other bytes go through it as "~" and two hexadecimal digits, and "~" itself too.
constexpr char kMark = '~';
constexpr std::string_view kDigits = "0123456789abcdef";

std::string in_ascii(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x80 && c != kMark) {
            out += c;
        } else {
            out += kMark;
            out += kDigits[byte >> 4U];
            out += kDigits[byte & 15U];
        }
    }
    return out;
}

std::string out_of_ascii(std::string_view text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool marked = text[i] == kMark && i + 2 < text.size();
        const std::size_t high = marked ? kDigits.find(text[i + 1]) : std::string_view::npos;
        const std::size_t low = marked ? kDigits.find(text[i + 2]) : std::string_view::npos;
        if (high == std::string_view::npos || low == std::string_view::npos) {
            out += text[i];
            continue;
        }
        out += static_cast<char>(high * 16 + low);
        i += 2;
    }
    return out;
}

Failure misplaced(const toml::node& node, std::string_view key, std::string_view source,
                  std::string_view what) {
    return fail(Code::invalid, std::string(source) + ", line " +
                                   std::to_string(node.source().begin.line) + ": '" +
                                   std::string(key) + "' is " + std::string(what) +
                                   "; settings are text, whole numbers, true or false")
        .with_hint(
            "write it as one of these, as limit = 20 below [list]; docs/settings.md has all "
            "settings");
}

Status put(Layer& layer, const std::string& key, const toml::node& node) {
    layer.lines[key] = static_cast<int>(node.source().begin.line);
    if (const auto* text = node.as_string())
        layer.values[key] = out_of_ascii(text->get());
    else if (const auto* number = node.as_integer())
        layer.values[key] = std::to_string(number->get());
    else if (const auto* flag = node.as_boolean())
        layer.values[key] = flag->get() ? "true" : "false";
    else
        return misplaced(node, key, layer.source,
                         node.is_table() ? "a table too deep" : "of another type");
    return ok();
}

/// The first byte beyond ASCII that is neither in a string nor in a comment, where TOML 1.0 allows
/// none.
std::size_t first_stray_byte(std::string_view text) {
    std::string_view end;  // of the string or comment that `at` is in
    for (std::size_t at = 0; at < text.size(); ++at) {
        const std::string_view rest = text.substr(at);
        if (!end.empty()) {
            // A line's end ends what may not go on in the next line: unfinished strings too.
            if (rest.starts_with(end) || (end.size() < 3 && rest.front() == '\n')) {
                at += rest.starts_with(end) ? end.size() - 1 : 0;
                end = {};
            } else if (rest.front() == '\\' && end.front() == '"') {
                ++at;
            }
            continue;
        }
        if (static_cast<unsigned char>(rest.front()) >= 0x80) return at;
        for (const std::string_view quote : {"\"\"\"", "'''", "\"", "'"}) {
            if (!rest.starts_with(quote)) continue;
            end = quote;
            at += quote.size() - 1;
            break;
        }
        if (rest.front() == '#') end = "\n";
    }
    return std::string_view::npos;
}

}  // namespace

Result<Layer> parse_toml(std::string_view text, std::string source, bool plan) {
    Layer layer{.source = std::move(source), .plan = plan, .values = {}};
    if (const auto bad = first_invalid_utf8(text)) {
        return fail(Code::invalid,
                    layer.source + ": the byte at " + std::to_string(*bad) + " is not UTF-8")
            .with_hint("save the file as UTF-8");
    }
    if (const std::size_t stray = first_stray_byte(text); stray != std::string_view::npos) {
        const std::string_view before = text.substr(0, stray);
        const std::size_t line_start = before.rfind('\n') + 1;  // 0 in the first line
        return fail(Code::invalid,
                    layer.source + ", line " +
                        std::to_string(std::ranges::count(before, '\n') + 1) + ", column " +
                        std::to_string(stray - line_start + 1) +
                        ": only strings and comments may hold characters beyond ASCII")
            .with_hint("put quotes around it");
    }
    try {
        const toml::table root = toml::parse(in_ascii(text), layer.source);
        for (const auto& [name, node] : root) {
            const std::string section = out_of_ascii(name.str());
            const auto* table = node.as_table();
            if (table == nullptr) {
                TASKSTORE_TRY(put(layer, section, node));
                continue;
            }
            for (const auto& [key, value] : *table)
                TASKSTORE_TRY(put(layer, section + "." + out_of_ascii(key.str()), value));
        }
    } catch (const toml::parse_error& error) {
        return fail(Code::invalid, layer.source + ", line " +
                                       std::to_string(error.source().begin.line) + ", column " +
                                       std::to_string(error.source().begin.column) + ": " +
                                       out_of_ascii(error.description()))
            .with_hint(
                "mend that line of the file, or put # before it; a setting is TOML, as "
                "limit = 20 below [list]");
    } catch (const std::exception& error) {
        return fail(Code::invalid, layer.source + ": " + error.what());
    }
    return layer;
}

}  // namespace taskstore::config
