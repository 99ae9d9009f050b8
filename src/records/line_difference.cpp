#include "line_difference.hpp"

#include <taskstore/base/hash.hpp>

#include <algorithm>
#include <unordered_set>

namespace taskstore::records {
namespace {

struct ViewHash {
    std::size_t operator()(std::string_view text) const { return xxh3_64(text); }
};
using ViewSet = std::unordered_set<std::string_view, ViewHash>;

/// Bytes of whole lines that both begin with.
std::size_t shared_start(std::string_view a, std::string_view b) {
    const std::size_t both = std::min(a.size(), b.size());
    // In steps, so that the comparison is the machine's own.
    constexpr std::size_t kStep = 1 << 16;
    std::size_t same = 0;
    while (same + kStep <= both && a.substr(same, kStep) == b.substr(same, kStep)) same += kStep;
    while (same < both && a[same] == b[same]) ++same;
    // What one of them ends with is a whole line only where the other goes on with a new one.
    if (same == a.size() && same == b.size()) return same;
    const std::size_t lf = same == 0 ? std::string_view::npos : a.rfind('\n', same - 1);
    return lf == std::string_view::npos ? 0 : lf + 1;
}

/// Bytes of whole lines that both end with. Both end in LF there, or at the same bytes.
std::size_t shared_end(std::string_view a, std::string_view b) {
    const std::size_t both = std::min(a.size(), b.size());
    constexpr std::size_t kStep = 1 << 16;
    std::size_t same = 0;
    while (same + kStep <= both &&
           a.substr(a.size() - same - kStep, kStep) == b.substr(b.size() - same - kStep, kStep))
        same += kStep;
    while (same < both && a[a.size() - same - 1] == b[b.size() - same - 1]) ++same;
    // Up to the first line that begins inside.
    const std::string_view tail = a.substr(a.size() - same);
    const std::size_t lf = tail.find('\n');
    return lf == std::string_view::npos ? 0 : same - lf - 1;
}

std::int64_t lines_in(std::string_view text) {
    return static_cast<std::int64_t>(std::ranges::count(text, '\n'));
}

std::vector<PlacedText> lines_of(std::string_view text, std::int64_t first_number) {
    std::vector<PlacedText> lines;
    ledger::scan_text(text, first_number, [&](const ledger::ScannedLine& line) {
        lines.push_back({line.text, line.number, line.kind});
        return true;
    });
    return lines;
}

void keep_those_not_in(std::vector<PlacedText>& lines, const std::vector<PlacedText>& others) {
    if (lines.empty() || others.empty()) return;
    ViewSet known;
    known.reserve(others.size());
    for (const PlacedText& other : others) known.insert(other.text);
    std::erase_if(lines, [&](const PlacedText& line) { return known.contains(line.text); });
}

}  // namespace

LineDifference difference_of(std::string_view before, std::string_view after) {
    const std::size_t start = shared_start(before, after);
    const std::int64_t number = lines_in(before.substr(0, start)) + 1;
    before.remove_prefix(start);
    after.remove_prefix(start);
    const std::size_t end = shared_end(before, after);
    before.remove_suffix(end);
    after.remove_suffix(end);
    LineDifference difference{lines_of(before, number), lines_of(after, number)};
    std::vector<PlacedText> gone = difference.gone;
    keep_those_not_in(gone, difference.added);
    keep_those_not_in(difference.added, difference.gone);
    difference.gone = std::move(gone);
    return difference;
}

LinePicker::LinePicker(const ledger::Shape& shape) {
    append_json_string(x_quoted_id, shape.id_member);
}

std::string_view LinePicker::id_of(std::string_view line) const {
    const auto skip = [&](std::string_view token) {
        const std::size_t at = line.find_first_not_of(" \t");
        if (at == std::string_view::npos || !line.substr(at).starts_with(token)) return false;
        line.remove_prefix(at + token.size());
        return true;
    };
    if (!skip("{") || !skip(x_quoted_id) || !skip(":") || !skip("\"")) return {};
    const std::size_t end = line.find_first_of("\"\\");
    return end == std::string_view::npos || line[end] == '\\' ? std::string_view()
                                                              : line.substr(0, end);
}

std::optional<std::string_view> LinePicker::batch_of(std::string_view line) {
    constexpr std::string_view kName = "\"b\"";
    constexpr std::string_view kBatch = "\"b\":[\"";
    const std::size_t at = line.find(kName);
    if (at == std::string_view::npos) return std::string_view();
    // Another program's spelling, or a member of the record that is called the same.
    if (!line.substr(at).starts_with(kBatch) || line.rfind(kName) != at) return std::nullopt;
    const std::string_view rest = line.substr(at + kBatch.size());
    const std::size_t end = rest.find_first_of("\"\\");
    if (end == std::string_view::npos || rest[end] == '\\') return std::nullopt;
    return rest.substr(0, end);
}

}  // namespace taskstore::records
