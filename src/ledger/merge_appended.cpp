#include "merge_appended.hpp"

#include "merge_member.hpp"

#include <taskstore/base/json.hpp>

#include <algorithm>

namespace taskstore::ledger {
namespace {

using Lines = std::vector<const Line*>;

/// More are not worth comparing each with each.
constexpr std::size_t kLinesMax = 16;

bool holds(const Lines& lines, const Line* line) {
    return std::ranges::find(lines, line) != lines.end();
}

bool is_plain(const Line& line, std::uint32_t life) {
    return line.stamped && !line.tombstone && line.life == life && !line.batch &&
           line.was == nullptr && line.lost.empty() && line.by != kMergeActor;
}

/// Of a side: what its new lines wrote themselves.
struct Written {
    std::string_view name;
    std::string_view raw;
    const Line* line;
};

/// Whether some line of the side wrote what another one carries along.
bool is_written_in(const Lines& side, const Member& member) {
    return std::ranges::any_of(side, [&](const Line* line) {
        if (line->at != member.stamp) return false;
        const Member* const found = line->find(member.name);
        return found != nullptr && found->stamp == member.stamp &&
               found->raw_value == member.raw_value;
    });
}

/// False: a line carries along what no line of its side wrote.
bool collect(const Shape& shape, const Lines& side, const Lines& base, std::vector<Written>& out) {
    for (const Line* const line : side) {
        if (holds(base, line)) continue;
        for (const Member& member : line->members) {
            if (is_frame_member(shape, member.name)) continue;
            if (member.stamp == line->at)
                out.push_back({member.name, member.raw_value, line});
            else if (!is_written_in(side, member))
                return false;
        }
    }
    return true;
}

/// Neither arrays, objects, text of several lines nor other spellings of one value.
bool wins_whole(const Shape& shape, const Written& one, const Written& other) {
    if (one.line == other.line || one.raw == other.raw) return true;
    const auto is_simple = [](std::string_view raw) {
        if (raw.empty()) return true;
        const JsonKind kind = kind_of_raw(raw);
        return kind != JsonKind::array && kind != JsonKind::object &&
               raw.find('\\') == std::string_view::npos;
    };
    return is_simple(one.raw) && is_simple(other.raw) &&
           !values_agree(shape, one.name, one.raw, other.raw);
}

}  // namespace

bool is_appended_plainly(const Shape& shape, const RecordVersions& versions) {
    const Lines& base = versions.base;
    const Lines& ours = versions.ours;
    const Lines& theirs = versions.theirs;
    if (base.empty() || ours.size() + theirs.size() > kLinesMax) return false;
    for (const Line* const line : base) {
        if (!holds(ours, line) || !holds(theirs, line)) return false;
    }
    const std::uint32_t life = base.front()->life;
    Lines all = ours;
    for (const Line* const line : theirs) {
        if (!holds(ours, line)) all.push_back(line);
    }
    for (std::size_t i = 0; i < all.size(); ++i) {
        if (!is_plain(*all[i], life)) return false;
        // Written by hand under the stamp of another line.
        for (std::size_t j = 0; j < i; ++j) {
            if (all[i]->at == all[j]->at) return false;
        }
    }
    std::vector<Written> here;
    std::vector<Written> there;
    std::vector<Written> before;
    if (!collect(shape, base, {}, before) || !collect(shape, ours, base, here) ||
        !collect(shape, theirs, base, there))
        return false;
    for (const Written& one : here) {
        for (const Written& other : there) {
            if (one.name == other.name && !wins_whole(shape, one, other)) return false;
        }
    }
    return true;
}

}  // namespace taskstore::ledger
