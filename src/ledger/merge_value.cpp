#include "merge_value.hpp"

#include <taskstore/base/json.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <vector>

namespace taskstore::ledger {
namespace {

/// Values longer than this in all are not compared line by line or element by element.
constexpr std::size_t kCellsMax = 16U << 20U;
/// Deeper values are compared and merged as a whole: each level is sliced anew.
constexpr int kDepthMax = 16;

using Members = std::vector<std::pair<std::string, std::string>>;

/// Where a merge is: how deep, and what of the sides it has dropped.
struct Way {
    int depth = 0;
    bool* first_lost = nullptr;
    bool* second_lost = nullptr;
    Way deeper() const { return {depth + 1, first_lost, second_lost}; }
    Way swapped() const { return {depth, second_lost, first_lost}; }
};

bool same_value_at(std::string_view a, std::string_view b, int depth);
std::optional<std::string> merge_at(std::string_view base, std::string_view first,
                                    std::string_view second, const Way& way);

std::optional<Members> members_of(std::string_view raw) {
    JsonSlicer slicer;
    const auto sliced = slicer.slice(raw);
    if (!sliced) return std::nullopt;
    Members out;
    for (const JsonMember& member : **sliced)
        out.emplace_back(std::string(member.name), std::string(member.raw_value));
    return out;
}

using Index = std::map<std::string_view, std::string_view>;

Index index_of(const Members& members) {
    return {members.begin(), members.end()};
}

/// Empty: absent.
std::string_view find(const Index& members, std::string_view name) {
    const auto found = members.find(name);
    return found == members.end() ? std::string_view() : found->second;
}

bool is_scalar(std::string_view raw) {
    const JsonKind kind = kind_of_raw(raw);
    return kind != JsonKind::array && kind != JsonKind::object;
}

/// How the objects of some arrays are told apart: the members that make their key.
enum class KeyForm : std::uint8_t { id, key, uuid, references, name };
constexpr std::array kKeyForms{KeyForm::id, KeyForm::key, KeyForm::uuid, KeyForm::references,
                               KeyForm::name};

std::optional<std::string> key_of(std::string_view raw, KeyForm form) {
    const auto members = members_of(raw);
    if (!members) return std::nullopt;
    if (form == KeyForm::references) {
        std::map<std::string, std::string> parts;
        for (const auto& [name, value] : *members) {
            if (name.ends_with("_id") || (name == "type" && is_scalar(value)))
                parts.emplace(name, value);
        }
        const bool any = std::ranges::any_of(
            parts, [](const auto& part) { return part.first.ends_with("_id"); });
        if (!any) return std::nullopt;
        std::string key;
        for (const auto& [name, value] : parts) {
            if (!is_scalar(value)) return std::nullopt;
            key += name + "=" + value + ",";
        }
        return key;
    }
    const std::string_view name = form == KeyForm::id     ? "id"
                                  : form == KeyForm::key  ? "key"
                                  : form == KeyForm::uuid ? "uuid"
                                                          : "name";
    const auto value = std::ranges::find(*members, name, &Members::value_type::first);
    if (value == members->end() || !is_scalar(value->second) || value->second == "null")
        return std::nullopt;
    return value->second;
}

struct Item {
    std::string key;
    std::string_view raw;
};
using Items = std::vector<Item>;

const Item* find(const Items& items, std::string_view key) {
    const auto found = std::ranges::find(items, key, &Item::key);
    return found == items.end() ? nullptr : &*found;
}

template <typename KeyOf>
std::optional<Items> keyed(std::string_view raw, const KeyOf& key) {
    Items items;
    if (raw.empty()) return items;
    for (const std::string_view element : items_of_raw(raw)) {
        auto own = key(element);
        if (!own) return std::nullopt;
        items.push_back({std::move(*own), element});
    }
    std::vector<std::string_view> keys;
    for (const Item& item : items) keys.push_back(item.key);
    std::ranges::sort(keys);
    if (std::ranges::adjacent_find(keys) != keys.end()) return std::nullopt;
    return items;
}

/// One element or member: what stays of it. Empty text: it is gone. Gone on one side and changed
/// on the other is not clean.
std::optional<std::string> merge_one(std::string_view base, std::string_view first,
                                     std::string_view second, const Way& way) {
    if (same_value_at(first, second, way.depth)) return std::string(first);
    if (same_value_at(first, base, way.depth)) return std::string(second);
    if (same_value_at(second, base, way.depth)) return std::string(first);
    if (first.empty() || second.empty()) return std::nullopt;
    return merge_at(base, first, second, way.deeper());
}

/// Whether two objects say the same but for when it was done and by whom.
bool alike_but_for_marks(std::string_view a, std::string_view b) {
    auto one = members_of(a);
    auto other = members_of(b);
    if (!one || !other) return false;
    const auto is_mark = [](const auto& member) {
        return member.first.ends_with("_at") || member.first.ends_with("_by");
    };
    std::erase_if(*one, is_mark);
    std::erase_if(*other, is_mark);
    std::ranges::sort(*one);
    std::ranges::sort(*other);
    return *one == *other;
}

/// The keys of `items` that `other` has too, in order.
std::vector<std::string_view> shared_keys(const Items& items, const Items& other) {
    std::vector<std::string_view> keys;
    for (const Item& item : items) {
        if (find(other, item.key) != nullptr) keys.push_back(item.key);
    }
    return keys;
}

bool same_order(const Items& a, const Items& b) {
    return shared_keys(a, b) == shared_keys(b, a);
}

/// Both put another value in one and the same place.
bool replaced_alike(const Items& base, const Items& first, const Items& second) {
    if (base.size() != first.size() || base.size() != second.size()) return false;
    for (std::size_t i = 0; i < base.size(); ++i) {
        if (first[i].key != second[i].key && base[i].key != first[i].key &&
            base[i].key != second[i].key)
            return true;
    }
    return false;
}

std::optional<std::string> join(const Items& base, const Items& first, const Items& second,
                                std::optional<KeyForm> form, const Way& way);

/// The order is the one that a side alone changed.
std::optional<std::string> join_ordered(const Items& base, const Items& first, const Items& second,
                                        std::optional<KeyForm> form, const Way& way) {
    if (first.size() * second.size() + base.size() * (first.size() + second.size()) > kCellsMax)
        return std::nullopt;
    if (!form && replaced_alike(base, first, second)) return std::nullopt;
    if (same_order(first, second) || same_order(second, base))
        return join(base, first, second, form, way);
    if (same_order(first, base)) return join(base, second, first, form, way.swapped());
    return std::nullopt;
}

std::optional<std::string> join(const Items& base, const Items& first, const Items& second,
                                std::optional<KeyForm> form, const Way& way) {
    const auto raw_of = [](const Item* item) {
        return item == nullptr ? std::string_view() : item->raw;
    };
    std::string out;
    JsonWriter writer(out);
    writer.begin_array();
    const auto put = [&](const Item& item) {
        const std::string_view old = raw_of(find(base, item.key));
        const std::string_view one = raw_of(find(first, item.key));
        const std::string_view other = raw_of(find(second, item.key));
        const auto kept = merge_one(old, one, other, way);
        if (kept) {
            if (!kept->empty()) writer.raw(*kept);
            return true;
        }
        // Taken away on one side, and on the other nothing of it changed but its marks.
        if (!old.empty() && (one.empty() || other.empty())) {
            *(one.empty() ? way.second_lost : way.first_lost) = true;
            return alike_but_for_marks(old, one.empty() ? other : one);
        }
        if (!old.empty() || !form) return false;
        if (*form == KeyForm::references) {
            // One reference, drawn on both sides.
            if (!alike_but_for_marks(one, other)) return false;
            *(one < other ? way.second_lost : way.first_lost) = true;
            writer.raw(std::min(one, other));
            return true;
        }
        // Two that were numbered alike: both stay.
        if (*form == KeyForm::name) return false;
        writer.raw(std::min(one, other)).raw(std::max(one, other));
        return true;
    };
    for (const Item& item : first) {
        if (!put(item)) return std::nullopt;
    }
    for (const Item& item : second) {
        if (find(first, item.key) == nullptr && !put(item)) return std::nullopt;
    }
    writer.end_array();
    return out;
}

std::optional<std::string> merge_arrays(std::string_view base, std::string_view first,
                                        std::string_view second, const Way& way) {
    const auto attempt = [&](const auto& key,
                             std::optional<KeyForm> form) -> std::optional<std::string> {
        const auto b = keyed(base, key);
        const auto f = keyed(first, key);
        const auto s = keyed(second, key);
        if (!b || !f || !s) return std::nullopt;
        bool first_lost = false;
        bool second_lost = false;
        auto joined = join_ordered(*b, *f, *s, form, {way.depth, &first_lost, &second_lost});
        if (joined && first_lost) *way.first_lost = true;
        if (joined && second_lost) *way.second_lost = true;
        return joined;
    };
    const auto itself = [](std::string_view raw) {
        return is_scalar(raw) ? std::optional(std::string(raw)) : std::nullopt;
    };
    if (auto scalars = attempt(itself, std::nullopt)) return scalars;
    for (const KeyForm form : kKeyForms) {
        if (auto joined = attempt([&](std::string_view raw) { return key_of(raw, form); }, form))
            return joined;
    }
    return std::nullopt;
}

std::optional<std::string> merge_objects(std::string_view base, std::string_view first,
                                         std::string_view second, const Way& way) {
    const auto b = base.empty() ? Members{} : members_of(base);
    const auto f = members_of(first);
    const auto s = members_of(second);
    if (!b || !f || !s) return std::nullopt;
    const Index old = index_of(*b);
    const Index one = index_of(*f);
    const Index other = index_of(*s);
    std::string out;
    JsonWriter writer(out);
    writer.begin_object();
    const auto put = [&](const std::string& name) {
        const auto kept = merge_one(find(old, name), find(one, name), find(other, name), way);
        if (kept && !kept->empty()) writer.key(name).raw(*kept);
        return kept.has_value();
    };
    for (const auto& [name, raw] : *f) {
        if (!put(name)) return std::nullopt;
    }
    for (const auto& [name, raw] : *s) {
        if (!one.contains(name) && !put(name)) return std::nullopt;
    }
    writer.end_object();
    return out;
}

using Lines = std::vector<std::string_view>;

Lines lines_of(std::string_view text) {
    Lines lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
        lines.push_back(text.substr(0, end));
        text.remove_prefix(end);
    }
    return lines;
}

constexpr std::size_t kNone = static_cast<std::size_t>(-1);

/// For each line of `from` the line of `to` that it corresponds to in a longest common subsequence.
std::optional<std::vector<std::size_t>> matches(const Lines& from, const Lines& to) {
    std::vector<std::size_t> out(from.size(), kNone);
    std::size_t head = 0;
    while (head < from.size() && head < to.size() && from[head] == to[head]) {
        out[head] = head;
        ++head;
    }
    std::size_t tail = 0;
    while (tail < from.size() - head && tail < to.size() - head &&
           from[from.size() - 1 - tail] == to[to.size() - 1 - tail]) {
        out[from.size() - 1 - tail] = to.size() - 1 - tail;
        ++tail;
    }
    const std::size_t rows = from.size() - head - tail;
    const std::size_t columns = to.size() - head - tail;
    if ((rows + 1) * (columns + 1) > kCellsMax) return std::nullopt;
    // length[r][c]: of the longest common subsequence of what is left from r and c on.
    std::vector<std::uint32_t> length((rows + 1) * (columns + 1), 0);
    const auto at = [&](std::size_t r, std::size_t c) -> std::uint32_t& {
        return length[r * (columns + 1) + c];
    };
    for (std::size_t r = rows; r-- > 0;) {
        for (std::size_t c = columns; c-- > 0;) {
            at(r, c) = from[head + r] == to[head + c] ? at(r + 1, c + 1) + 1
                                                      : std::max(at(r + 1, c), at(r, c + 1));
        }
    }
    for (std::size_t r = 0, c = 0; r < rows && c < columns;) {
        if (from[head + r] == to[head + c]) {
            out[head + r++] = head + c++;
        } else if (at(r + 1, c) >= at(r, c + 1)) {
            ++r;
        } else {
            ++c;
        }
    }
    return out;
}

/// diff3: what one side alone changed between two lines that all three share is taken.
std::optional<std::string> merge_text(std::string_view base, std::string_view first,
                                      std::string_view second) {
    const Lines b = lines_of(base);
    const Lines f = lines_of(first);
    const Lines s = lines_of(second);
    const auto to_first = matches(b, f);
    const auto to_second = matches(b, s);
    if (!to_first || !to_second) return std::nullopt;
    std::string out;
    std::size_t at_base = 0;
    std::size_t at_first = 0;
    std::size_t at_second = 0;
    while (true) {
        std::size_t next = at_base;
        while (next < b.size() && ((*to_first)[next] == kNone || (*to_second)[next] == kNone))
            ++next;
        const bool end = next == b.size();
        const auto part = [](const Lines& lines, std::size_t from, std::size_t to) {
            return std::span(lines).subspan(from, to - from);
        };
        const auto old = part(b, at_base, next);
        const auto ours = part(f, at_first, end ? f.size() : (*to_first)[next]);
        const auto theirs = part(s, at_second, end ? s.size() : (*to_second)[next]);
        const bool changed_first = !std::ranges::equal(ours, old);
        const bool changed_second = !std::ranges::equal(theirs, old);
        if (changed_first && changed_second && !std::ranges::equal(ours, theirs))
            return std::nullopt;
        for (const std::string_view line : changed_first ? ours : theirs) out += line;
        if (end) return out;
        out += b[next];
        at_base = next + 1;
        at_first = (*to_first)[next] + 1;
        at_second = (*to_second)[next] + 1;
    }
}

std::optional<std::string> merge_strings(std::string_view base, std::string_view first,
                                         std::string_view second) {
    if (base.empty()) return std::nullopt;
    const auto b = unescape_json(base);
    const auto f = unescape_json(first);
    const auto s = unescape_json(second);
    if (!b || !f || !s) return std::nullopt;
    if (b->find('\n') == std::string::npos && f->find('\n') == std::string::npos &&
        s->find('\n') == std::string::npos)
        return std::nullopt;
    const auto merged = merge_text(*b, *f, *s);
    if (!merged) return std::nullopt;
    std::string out;
    append_json_string(out, *merged);
    return out;
}

bool same_value_at(std::string_view a, std::string_view b, int depth) {
    if (a == b) return true;
    if (a.empty() || b.empty() || depth > kDepthMax || kind_of_raw(a) != kind_of_raw(b))
        return false;
    switch (kind_of_raw(a)) {
        case JsonKind::string: {
            const auto one = unescape_json(a);
            const auto other = unescape_json(b);
            return one && other && *one == *other;
        }
        case JsonKind::array: {
            const auto one = items_of_raw(a);
            const auto other = items_of_raw(b);
            return std::ranges::equal(one, other, [&](std::string_view x, std::string_view y) {
                return same_value_at(x, y, depth + 1);
            });
        }
        case JsonKind::object: {
            const auto one = members_of(a);
            const auto other = members_of(b);
            if (!one || !other || one->size() != other->size()) return false;
            const Index values = index_of(*other);
            return std::ranges::all_of(*one, [&](const auto& member) {
                return same_value_at(member.second, find(values, member.first), depth + 1);
            });
        }
        default:
            return false;
    }
}

std::optional<std::string> merge_at(std::string_view base, std::string_view first,
                                    std::string_view second, const Way& way) {
    const JsonKind kind = kind_of_raw(first);
    if (kind != kind_of_raw(second) || way.depth > kDepthMax) return std::nullopt;
    // A value of another kind was replaced as a whole by both.
    if (!base.empty() && kind_of_raw(base) != kind) base = {};
    if (kind == JsonKind::array) return merge_arrays(base, first, second, way);
    if (kind == JsonKind::object) return merge_objects(base, first, second, way);
    if (kind == JsonKind::string) return merge_strings(base, first, second);
    return std::nullopt;
}

}  // namespace

bool same_value(std::string_view a, std::string_view b) {
    return same_value_at(a, b, 0);
}

std::optional<Joined> merge_values(std::string_view base, std::string_view first,
                                   std::string_view second) {
    Joined out;
    auto raw = merge_at(base, first, second, {0, &out.first_lost, &out.second_lost});
    if (!raw) return std::nullopt;
    out.raw = std::move(*raw);
    return out;
}

}  // namespace taskstore::ledger
