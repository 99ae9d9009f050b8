#include "json_scan.hpp"

#include <simdjson.h>
#include <taskstore/base/text.hpp>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <deque>

namespace taskstore {
namespace {

constexpr std::size_t kTextBytesMax = 1U << 30U;
constexpr std::size_t kKeptBytesMax = 1U << 20U;  ///< Longer texts are rare: their buffers go.

/// A parser with a padded buffer, both kept between calls.
class Validator {
  public:
    bool valid(std::string_view text) {
        if (text.empty() || text.size() > kTextBytesMax) return false;
        if (text.size() + simdjson::SIMDJSON_PADDING > x_padded.size()) {
            x_padded.resize(
                std::max<std::size_t>(4096, 2 * text.size() + simdjson::SIMDJSON_PADDING));
        }
        std::memcpy(x_padded.data(), text.data(), text.size());
        std::memset(x_padded.data() + text.size(), ' ', simdjson::SIMDJSON_PADDING);
        if (text.size() > x_parser.capacity() || x_parser.max_depth() != kJsonDepthMax) {
            if (x_parser.allocate(std::max<std::size_t>(4096, 2 * text.size()), kJsonDepthMax) !=
                simdjson::SUCCESS) {
                return false;
            }
        }
        return x_parser.parse(x_padded.data(), text.size(), false).error() == simdjson::SUCCESS;
    }

  private:
    simdjson::dom::parser x_parser;
    std::string x_padded;
};

/// One for each thread: its buffers cost more than most texts take to check.
bool passes_fast_check(std::string_view text) {
    if (text.size() > kKeptBytesMax) return Validator().valid(text);
    thread_local Validator validator;
    return validator.valid(text);
}

/// Most names differ in length or in how they begin: that is seen without a call.
bool same_name(std::string_view one, std::string_view other) {
    return one.size() == other.size() &&
           (one.empty() || (one.front() == other.front() && one == other));
}

}  // namespace

bool is_valid_json(std::string_view text) {
    // simdjson refuses integers beyond 64 bits and numbers beyond double; they are JSON all the
    // same, and the ledger keeps their spelling. The slow check decides about what the fast one
    // refuses.
    return passes_fast_check(text) || !find_json_damage(text);
}

struct JsonSlicer::State {
    std::vector<JsonMember> members;
    std::deque<std::string> unescaped;
    JsonDamage damage;
};

JsonSlicer::JsonSlicer() : x_state(std::make_unique<State>()) {}
JsonSlicer::~JsonSlicer() = default;
JsonSlicer::JsonSlicer(JsonSlicer&&) noexcept = default;
JsonSlicer& JsonSlicer::operator=(JsonSlicer&&) noexcept = default;

const JsonDamage& JsonSlicer::damage() const {
    return x_state->damage;
}

Result<const std::vector<JsonMember>*> JsonSlicer::slice(std::string_view text) {
    State& state = *x_state;
    state.members.clear();
    state.unescaped.clear();
    const auto damaged = [&](JsonDamage damage) {
        state.damage = std::move(damage);
        return fail(Code::corrupt, "column " + std::to_string(state.damage.offset + 1) + ": " +
                                       state.damage.reason);
    };
    const std::size_t start = skip_space(text, 0);
    if (!passes_fast_check(text)) {
        if (auto damage = find_json_damage(text)) return damaged(std::move(*damage));
    }
    if (text[start] != '{') return damaged({start, "not a JSON object"});
    walk_object(text.substr(start), [&](std::string_view raw_name, std::string_view raw_value) {
        std::string_view name = raw_name.substr(1, raw_name.size() - 2);
        if (name.find('\\') != std::string_view::npos) {
            name = state.unescaped.emplace_back(*unescape_json(raw_name));
        }
        state.members.push_back({raw_name, name, raw_value});
    });
    for (std::size_t i = 1; i < state.members.size(); ++i) {
        for (std::size_t k = 0; k < i && state.members.size() <= 64; ++k) {
            if (same_name(state.members[i].name, state.members[k].name)) {
                return damaged(
                    {static_cast<std::size_t>(state.members[i].raw_name.data() - text.data()),
                     "member '" + std::string(state.members[i].name) + "' stands twice"});
            }
        }
    }
    if (state.members.size() > 64) {
        std::vector<std::string_view> names;
        for (const JsonMember& member : state.members) names.push_back(member.name);
        std::ranges::sort(names);
        if (const auto twice = std::ranges::adjacent_find(names); twice != names.end()) {
            return damaged({start, "member '" + std::string(*twice) + "' stands twice"});
        }
    }
    return &state.members;
}

JsonKind kind_of_raw(std::string_view raw) {
    switch (raw.empty() ? 'n' : raw[0]) {
        case '{':
            return JsonKind::object;
        case '[':
            return JsonKind::array;
        case '"':
            return JsonKind::string;
        case 't':
        case 'f':
            return JsonKind::boolean;
        case 'n':
            return JsonKind::null;
        default:
            return JsonKind::number;
    }
}

Result<std::string> unescape_json(std::string_view raw) {
    if (raw.size() < 2 || raw.front() != '"' || skip_string(raw, 0) != raw.size()) {
        return fail(Code::invalid, "not a JSON string");
    }
    const auto unit_at = [&](std::size_t at) {
        unsigned unit = 0;
        std::from_chars(raw.data() + at, raw.data() + at + 4, unit, 16);
        return unit;
    };
    std::string text;
    text.reserve(raw.size() - 2);
    for (std::size_t i = 1; i + 1 < raw.size(); ++i) {
        const std::size_t plain = std::min(raw.find('\\', i), raw.size() - 1);
        text += raw.substr(i, plain - i);
        i = plain;
        if (i + 1 == raw.size()) break;
        switch (raw[++i]) {
            case 'b':
                text += '\b';
                break;
            case 'f':
                text += '\f';
                break;
            case 'n':
                text += '\n';
                break;
            case 'r':
                text += '\r';
                break;
            case 't':
                text += '\t';
                break;
            case 'u': {
                unsigned code = unit_at(i + 1);
                i += 4;
                if (code >= 0xD800 && code <= 0xDBFF) {
                    if (i + 6 >= raw.size() || raw[i + 1] != '\\')
                        return fail(Code::invalid, "a lone surrogate");
                    code = 0x10000 + ((code - 0xD800) << 10U) + (unit_at(i + 3) - 0xDC00);
                    i += 6;
                }
                append_utf8(text, code);
                break;
            }
            default:
                text += raw[i];
                break;
        }
    }
    return text;
}

bool members_of_raw(std::string_view raw, std::vector<JsonMember>& out) {
    constexpr std::size_t kComparedMax = 32;
    out.clear();
    if (kind_of_raw(raw) != JsonKind::object) return false;
    bool plain = true;
    walk_object(raw, [&](std::string_view raw_name, std::string_view raw_value) {
        const std::string_view name = raw_name.substr(1, raw_name.size() - 2);
        plain = plain && name.find('\\') == std::string_view::npos && out.size() < kComparedMax &&
                std::ranges::find(out, name, &JsonMember::name) == out.end();
        if (plain) out.push_back({raw_name, name, raw_value});
    });
    return plain;
}

std::vector<std::string_view> items_of_raw(std::string_view raw) {
    std::vector<std::string_view> items;
    if (kind_of_raw(raw) == JsonKind::array)
        walk_array(raw, [&](std::string_view item) { items.push_back(item); });
    return items;
}

std::optional<std::int64_t> raw_to_int64(std::string_view raw) {
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(raw.data(), raw.data() + raw.size(), value);
    if (error != std::errc() || end != raw.data() + raw.size()) return std::nullopt;
    return value;
}

}  // namespace taskstore
