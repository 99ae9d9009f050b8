#include <taskstore/base/check.hpp>
#include <taskstore/base/json.hpp>

#include <array>
#include <charconv>
#include <cmath>

namespace taskstore {

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    std::size_t copied = 0;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const auto c = static_cast<unsigned char>(text[i]);
        if (c >= 0x20 && c != '"' && c != '\\') continue;
        out += text.substr(copied, i - copied);
        copied = i + 1;
        switch (c) {
            case '"':
                out += "\\\"";
                break;
            case '\\':
                out += "\\\\";
                break;
            case '\b':
                out += "\\b";
                break;
            case '\f':
                out += "\\f";
                break;
            case '\n':
                out += "\\n";
                break;
            case '\r':
                out += "\\r";
                break;
            case '\t':
                out += "\\t";
                break;
            default:
                out += "\\u00";
                out += "0123456789abcdef"[c >> 4U];
                out += "0123456789abcdef"[c & 15U];
        }
    }
    out += text.substr(copied);
    out += '"';
}

void JsonWriter::newline() {
    if (x_indent == 0) return;
    x_out += '\n';
    x_out.append(x_has_items.size() * static_cast<std::size_t>(x_indent), ' ');
}

void JsonWriter::before_value() {
    if (x_after_key) {
        x_after_key = false;
        return;
    }
    if (x_has_items.empty()) return;
    if (x_has_items.back()) x_out += ',';
    x_has_items.back() = true;
    newline();
}

JsonWriter& JsonWriter::begin_object() {
    before_value();
    x_out += '{';
    x_has_items.push_back(false);
    return *this;
}

JsonWriter& JsonWriter::end_object() {
    TASKSTORE_CHECK(!x_has_items.empty() && !x_after_key);
    const bool items = x_has_items.back();
    x_has_items.pop_back();
    if (items) newline();
    x_out += '}';
    return *this;
}

JsonWriter& JsonWriter::begin_array() {
    before_value();
    x_out += '[';
    x_has_items.push_back(false);
    return *this;
}

JsonWriter& JsonWriter::end_array() {
    TASKSTORE_CHECK(!x_has_items.empty() && !x_after_key);
    const bool items = x_has_items.back();
    x_has_items.pop_back();
    if (items) newline();
    x_out += ']';
    return *this;
}

JsonWriter& JsonWriter::key(std::string_view name) {
    TASKSTORE_CHECK(!x_has_items.empty() && !x_after_key);
    before_value();
    append_json_string(x_out, name);
    x_out += x_indent == 0 ? ":" : ": ";
    x_after_key = true;
    return *this;
}

JsonWriter& JsonWriter::string(std::string_view text) {
    before_value();
    append_json_string(x_out, text);
    return *this;
}

JsonWriter& JsonWriter::integer(std::int64_t value) {
    before_value();
    std::array<char, 24> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    x_out.append(digits.data(), end);
    return *this;
}

JsonWriter& JsonWriter::number(double value) {
    if (!std::isfinite(value)) return null();
    before_value();
    std::array<char, 40> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), value).ptr;
    x_out.append(digits.data(), end);
    return *this;
}

JsonWriter& JsonWriter::boolean(bool value) {
    return raw(value ? "true" : "false");
}
JsonWriter& JsonWriter::null() {
    return raw("null");
}

JsonWriter& JsonWriter::raw(std::string_view json) {
    before_value();
    x_out += json;
    return *this;
}

}  // namespace taskstore
