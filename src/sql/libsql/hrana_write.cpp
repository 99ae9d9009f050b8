#include "hrana.hpp"

#include <taskstore/base/json.hpp>
#include <taskstore/base/text.hpp>

#include <array>
#include <charconv>
#include <cmath>

namespace taskstore::libsql {
namespace {

constexpr std::string_view kAlphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

struct ValueWriter {
    std::string& out;
    void operator()(std::monostate) const { out += R"({"type":"null"})"; }
    void operator()(std::int64_t number) const {
        out += R"({"type":"integer","value":")";
        out += std::to_string(number);
        out += "\"}";
    }
    void operator()(double number) const {
        std::array<char, 32> text{};
        const auto end = std::to_chars(text.data(), text.data() + text.size(), number).ptr;
        out += R"({"type":"float","value":)";
        out.append(text.data(), end);
        out += '}';
    }
    void operator()(const std::string& text) const {
        out += R"({"type":"text","value":)";
        append_json_string(out, text);
        out += '}';
    }
    void operator()(const sql::Blob& blob) const {
        out += R"({"type":"blob","base64":")";
        out += to_base64(blob.bytes);
        out += "\"}";
    }
};

}  // namespace

Status check_value(const sql::Value& value) {
    if (const auto* const number = std::get_if<double>(&value); number != nullptr) {
        if (std::isfinite(*number)) return ok();
        return fail(Code::invalid, "NaN and infinity cannot be stored behind this server");
    }
    const auto* const text = std::get_if<std::string>(&value);
    if (text == nullptr) return ok();
    if (text->find('\0') != std::string::npos)
        return fail(Code::invalid, "the text holds U+0000, which cannot be stored");
    if (first_invalid_utf8(*text)) return fail(Code::invalid, "the text is not UTF-8");
    return ok();
}

std::string statement_json(std::string_view sql, std::span<const sql::Value> values,
                           int parameters) {
    std::string out = "{\"sql\":";
    append_json_string(out, sql);
    const std::size_t count = std::max(values.size(), static_cast<std::size_t>(parameters));
    if (count > 0) out += ",\"args\":[";
    for (std::size_t i = 0; i < count; ++i) {
        if (i > 0) out += ',';
        std::visit(ValueWriter{out}, i < values.size() ? values[i] : sql::Value{});
    }
    out += count > 0 ? "]}" : "}";
    return out;
}

std::string ok_condition(int step) {
    return R"({"type":"ok","step":)" + std::to_string(step) + "}";
}
std::string not_condition(std::string_view condition) {
    return R"({"type":"not","cond":)" + std::string(condition) + "}";
}
std::string both_condition(std::string_view one, std::string_view other) {
    return R"({"type":"and","conds":[)" + std::string(one) + "," + std::string(other) + "]}";
}
std::string in_transaction_condition() {
    return not_condition(R"({"type":"is_autocommit"})");
}

int BatchText::add(std::string_view statement, std::string_view condition) {
    if (x_size > 0) x_text += ',';
    x_text += "{\"stmt\":";
    x_text += statement;
    if (!condition.empty()) {
        x_text += ",\"condition\":";
        x_text += condition;
    }
    x_text += '}';
    return x_size++;
}

int BatchText::add_sql(std::string_view sql, std::string_view condition) {
    return add(statement_json(sql, {}, 0), condition);
}

std::string BatchText::take() {
    x_text += "]}";
    return std::move(x_text);
}

std::string batch_request(std::string_view batch) {
    return R"({"type":"batch","batch":)" + std::string(batch) + "}";
}

std::string describe_request(std::string_view sql) {
    std::string out = R"({"type":"describe","sql":)";
    append_json_string(out, sql);
    return out + "}";
}

namespace {

std::string with_baton(std::string_view baton) {
    std::string out = "{\"baton\":";
    if (baton.empty()) {
        out += "null";
    } else {
        append_json_string(out, baton);
    }
    return out;
}

}  // namespace

std::string pipeline_body(std::string_view baton, std::span<const std::string> requests) {
    std::string out = with_baton(baton) + ",\"requests\":[";
    for (std::size_t i = 0; i < requests.size(); ++i) {
        if (i > 0) out += ',';
        out += requests[i];
    }
    return out + "]}";
}

std::string cursor_body(std::string_view baton, std::string_view batch) {
    return with_baton(baton) + ",\"batch\":" + std::string(batch) + "}";
}

std::string to_base64(std::string_view bytes) {
    std::string out;
    out.reserve((bytes.size() + 2) / 3 * 4);
    std::uint32_t bits = 0;
    int count = 0;
    for (const char c : bytes) {
        bits = (bits << 8) | static_cast<unsigned char>(c);
        count += 8;
        while (count >= 6) {
            count -= 6;
            out += kAlphabet[(bits >> count) & 63];
        }
    }
    if (count > 0) out += kAlphabet[(bits << (6 - count)) & 63];
    while (out.size() % 4 != 0) out += '=';
    return out;
}

}  // namespace taskstore::libsql
