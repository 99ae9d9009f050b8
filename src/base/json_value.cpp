#include "json_scan.hpp"

#include <taskstore/base/check.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <string>

namespace taskstore {

struct Json::Node {
    JsonKind kind = JsonKind::null;
    std::string text;  ///< A number or literal as written; a string unescaped.
    std::vector<std::string> names;
    std::vector<std::shared_ptr<const Node>> items;
};

namespace {

std::optional<double> to_double(std::string_view raw) {
    double value = 0;
    const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
    if (error == std::errc::result_out_of_range || error != std::errc() ||
        end != raw.data() + raw.size()) {
        return std::nullopt;
    }
    return value;
}

std::u16string to_utf16(std::string_view text) {
    std::u16string units;
    for (std::size_t i = 0; i < text.size();) {
        const auto lead = static_cast<unsigned char>(text[i]);
        const std::size_t length = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
        char32_t code = lead;
        if (length > 1) code = lead & (0x7FU >> length);
        for (std::size_t k = 1; k < length; ++k) {
            code = (code << 6U) | (static_cast<unsigned char>(text[i + k]) & 0x3FU);
        }
        if (code < 0x10000) {
            units += static_cast<char16_t>(code);
        } else {
            units += static_cast<char16_t>(0xD800 + ((code - 0x10000) >> 10U));
            units += static_cast<char16_t>(0xDC00 + ((code - 0x10000) & 0x3FFU));
        }
        i += length;
    }
    return units;
}

/// ECMA-262 Number::toString, as RFC 8785 section 3.2.2.3 demands.
std::string ecmascript_number(double value) {
    if (value == 0) return "0";
    std::array<char, 40> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), std::fabs(value),
                                   std::chars_format::scientific)
                         .ptr;
    const std::string_view shortest(buffer.data(), static_cast<std::size_t>(end - buffer.data()));
    const std::size_t e = shortest.find('e');
    std::string digits(shortest.substr(0, 1));
    if (e > 2) digits += shortest.substr(2, e - 2);
    int exponent = 0;
    const char* exponent_text = shortest.data() + e + 1;
    if (*exponent_text == '+') ++exponent_text;
    std::from_chars(exponent_text, shortest.data() + shortest.size(), exponent);
    const int n = exponent + 1;
    const int k = static_cast<int>(digits.size());
    std::string text = value < 0 ? "-" : "";
    if (k <= n && n <= 21) {
        text += digits + std::string(static_cast<std::size_t>(n - k), '0');
    } else if (0 < n && n <= 21) {
        text += digits.substr(0, static_cast<std::size_t>(n)) + "." +
                digits.substr(static_cast<std::size_t>(n));
    } else if (-6 < n && n <= 0) {
        text += "0." + std::string(static_cast<std::size_t>(-n), '0') + digits;
    } else {
        text += digits.substr(0, 1);
        if (k > 1) text += "." + digits.substr(1);
        text += n > 0 ? "e+" : "e-";
        text += std::to_string(std::abs(n - 1));
    }
    return text;
}

Status append_canonical(std::string& out, std::string_view raw) {
    switch (kind_of_raw(raw)) {
        case JsonKind::null:
        case JsonKind::boolean:
            out += raw;
            return ok();
        case JsonKind::number: {
            const auto value = to_double(raw);
            if (!value) {
                return fail(Code::invalid,
                            "the number " + std::string(raw.substr(0, 40)) +
                                " has no canonical form: it does not fit an IEEE double");
            }
            out += ecmascript_number(*value);
            return ok();
        }
        case JsonKind::string: {
            TASKSTORE_LET(const std::string text, unescape_json(raw));
            append_json_string(out, text);
            return ok();
        }
        case JsonKind::array: {
            out += '[';
            Status status;
            bool first = true;
            walk_array(raw, [&](std::string_view item) {
                if (!status) return;
                if (!first) out += ',';
                first = false;
                status = append_canonical(out, item);
            });
            out += ']';
            return status;
        }
        case JsonKind::object:
            break;
    }
    std::vector<std::tuple<std::u16string, std::string, std::string_view>> members;
    Status status;
    walk_object(raw, [&](std::string_view raw_name, std::string_view raw_value) {
        auto name = unescape_json(raw_name);
        if (!name) {
            status = fail(name.error());
            return;
        }
        members.emplace_back(to_utf16(*name), *name, raw_value);
    });
    if (!status) return status;
    std::ranges::sort(members, {}, [](const auto& member) { return std::get<0>(member); });
    out += '{';
    for (std::size_t i = 0; i < members.size(); ++i) {
        const auto& [units, name, value] = members[i];
        if (i > 0) {
            if (std::get<0>(members[i - 1]) == units) {
                return fail(Code::invalid, "member '" + name + "' stands twice");
            }
            out += ',';
        }
        append_json_string(out, name);
        out += ':';
        TASKSTORE_TRY(append_canonical(out, value));
    }
    out += '}';
    return ok();
}

Failure not_json(std::string_view text) {
    const auto damage = find_json_damage(text);
    TASKSTORE_CHECK(damage.has_value());
    const std::string_view before = text.substr(0, damage->offset);
    const auto line = std::ranges::count(before, '\n') + 1;
    const std::size_t last = before.rfind('\n');
    const std::size_t column =
        last == std::string_view::npos ? damage->offset + 1 : damage->offset - last;
    return fail(Code::invalid, "not JSON: line " + std::to_string(line) + ", column " +
                                   std::to_string(column) + ": " + damage->reason);
}

}  // namespace

Status check_json(std::string_view text) {
    if (!is_valid_json(text)) return not_json(text);
    return ok();
}

Json::Json() {
    static const auto null = std::make_shared<const Node>(Node{JsonKind::null, "null", {}, {}});
    x_node = null;
}
Json::Json(std::shared_ptr<const Node> node) : x_node(std::move(node)) {}

Result<Json> Json::parse(std::string_view text) {
    if (!is_valid_json(text)) return not_json(text);
    const auto build = [](const auto& self,
                          std::string_view raw) -> Result<std::shared_ptr<const Node>> {
        auto node = std::make_shared<Node>();
        node->kind = kind_of_raw(raw);
        Status status;
        const auto add = [&](std::string_view raw_item) {
            if (!status) return;
            auto item = self(self, raw_item);
            if (item)
                node->items.push_back(std::move(*item));
            else
                status = fail(std::move(item).error());
        };
        if (node->kind == JsonKind::object) {
            walk_object(raw, [&](std::string_view raw_name, std::string_view raw_value) {
                node->names.push_back(*unescape_json(raw_name));
                add(raw_value);
            });
            std::vector<std::string_view> names(node->names.begin(), node->names.end());
            std::ranges::sort(names);
            if (const auto twice = std::ranges::adjacent_find(names); twice != names.end())
                status = fail(Code::invalid, "not JSON we accept: member '" + std::string(*twice) +
                                                 "' stands twice");
        } else if (node->kind == JsonKind::array) {
            walk_array(raw, add);
        } else if (node->kind == JsonKind::string) {
            node->text = *unescape_json(raw);
        } else {
            node->text = raw;
        }
        if (!status) return fail(std::move(status).error());
        return std::shared_ptr<const Node>(std::move(node));
    };
    const std::size_t start = skip_space(text, 0);
    TASKSTORE_LET(auto node, build(build, text.substr(start, skip_value(text, start) - start)));
    return Json(std::move(node));
}

JsonKind Json::kind() const {
    return x_node->kind;
}
std::optional<bool> Json::as_bool() const {
    return kind() == JsonKind::boolean ? std::optional(x_node->text == "true") : std::nullopt;
}
std::optional<std::int64_t> Json::as_int64() const {
    return kind() == JsonKind::number ? raw_to_int64(x_node->text) : std::nullopt;
}
std::optional<double> Json::as_double() const {
    return kind() == JsonKind::number ? to_double(x_node->text) : std::nullopt;
}
std::optional<std::string> Json::as_string() const {
    return kind() == JsonKind::string ? std::optional(x_node->text) : std::nullopt;
}
std::size_t Json::size() const {
    return x_node->items.size();
}
Json Json::at(std::size_t index) const {
    return index < size() ? Json(x_node->items[index]) : Json();
}
Json Json::get(std::string_view member) const {
    const auto at = std::ranges::find(x_node->names, member);
    return at == x_node->names.end()
               ? Json()
               : Json(x_node->items[static_cast<std::size_t>(at - x_node->names.begin())]);
}
bool Json::has(std::string_view member) const {
    return std::ranges::find(x_node->names, member) != x_node->names.end();
}
std::vector<std::string> Json::names() const {
    return x_node->names;
}

std::string Json::to_text() const {
    if (kind() == JsonKind::number) return x_node->text;
    std::string out;
    JsonWriter writer(out);
    const auto put = [&](const auto& self, const Node& node) -> void {
        if (node.kind == JsonKind::string)
            writer.string(node.text);
        else if (node.kind == JsonKind::array) {
            writer.begin_array();
            for (const auto& item : node.items) self(self, *item);
            writer.end_array();
        } else if (node.kind == JsonKind::object) {
            writer.begin_object();
            for (std::size_t i = 0; i < node.items.size(); ++i) {
                writer.key(node.names[i]);
                self(self, *node.items[i]);
            }
            writer.end_object();
        } else
            writer.raw(node.text);
    };
    put(put, *x_node);
    return out;
}

std::string Json::to_pretty_text() const {
    return pretty_json(to_text());
}

std::string pretty_json(std::string_view text) {
    std::string out;
    JsonWriter writer(out, 2);
    const auto put = [&](const auto& self, std::string_view raw) -> void {
        if (kind_of_raw(raw) == JsonKind::object) {
            writer.begin_object();
            walk_object(raw, [&](std::string_view raw_name, std::string_view raw_value) {
                writer.key(*unescape_json(raw_name));
                self(self, raw_value);
            });
            writer.end_object();
        } else if (kind_of_raw(raw) == JsonKind::array) {
            writer.begin_array();
            walk_array(raw, [&](std::string_view item) { self(self, item); });
            writer.end_array();
        } else {
            writer.raw(raw);
        }
    };
    put(put, text);
    return out;
}

bool operator==(const Json& a, const Json& b) {
    if (a.kind() != b.kind() || a.size() != b.size()) return false;
    switch (a.kind()) {
        case JsonKind::number: {
            const auto x = a.as_double();
            const auto y = b.as_double();
            if (x && y && a.as_int64() == b.as_int64()) return *x == *y;
            return a.x_node->text == b.x_node->text;
        }
        case JsonKind::array:
            for (std::size_t i = 0; i < a.size(); ++i) {
                if (!(a.at(i) == b.at(i))) return false;
            }
            return true;
        case JsonKind::object:
            for (const std::string& name : a.x_node->names) {
                if (!b.has(name) || !(a.get(name) == b.get(name))) return false;
            }
            return true;
        default:
            return a.x_node->text == b.x_node->text;
    }
}

Result<std::string> canonical_json(std::string_view text) {
    if (!is_valid_json(text)) return not_json(text);
    std::string out;
    const std::size_t start = skip_space(text, 0);
    TASKSTORE_TRY(append_canonical(out, text.substr(start, skip_value(text, start) - start)));
    return out;
}

}  // namespace taskstore
