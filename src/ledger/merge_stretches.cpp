#include "merge_stretches.hpp"

#include <taskstore/ledger/scan.hpp>

#include <cstring>
#include <optional>

namespace taskstore::ledger {
namespace {

/// From the start on, of all three: to the first byte that any of them has otherwise.
std::size_t common_bytes(const std::array<std::string_view, 3>& files) {
    constexpr std::size_t kBlock = 4096;
    const auto& [a, b, c] = files;
    const std::size_t end = std::min({a.size(), b.size(), c.size()});
    std::size_t at = 0;
    while (end - at >= kBlock && std::memcmp(a.data() + at, b.data() + at, kBlock) == 0 &&
           std::memcmp(a.data() + at, c.data() + at, kBlock) == 0)
        at += kBlock;
    while (at < end && a[at] == b[at] && a[at] == c[at]) ++at;
    return at;
}

std::string_view first_line(std::string_view text) {
    return text.substr(0, std::min(text.find('\n'), text.size() - 1) + 1);
}

/// Where the three files, of which the first lines are not all alike, are so again: the bytes to
/// skip in each. Nothing: not soon.
std::optional<std::array<std::size_t, 3>> next_alike(const std::array<std::string_view, 3>& rest) {
    constexpr std::size_t kLines = 32;
    std::array<std::vector<std::string_view>, 3> ahead;
    for (std::size_t i = 0; i < rest.size(); ++i) {
        std::string_view text = rest[i];
        while (!text.empty() && ahead[i].size() < kLines) {
            ahead[i].push_back(first_line(text));
            text.remove_prefix(ahead[i].back().size());
        }
    }
    for (const std::string_view line : ahead[0]) {
        if (!line.ends_with('\n')) continue;
        std::array<std::size_t, 3> skip{static_cast<std::size_t>(line.data() - rest[0].data())};
        bool everywhere = true;
        for (std::size_t i = 1; i < rest.size(); ++i) {
            const auto found = std::ranges::find(ahead[i], line);
            everywhere = everywhere && found != ahead[i].end();
            if (everywhere) skip[i] = static_cast<std::size_t>(found->data() - rest[i].data());
        }
        if (everywhere) return skip;
    }
    return std::nullopt;
}

}  // namespace

std::vector<Stretch> shared_stretches(const MergeInput& input) {
    std::vector<Stretch> out;
    std::array rest{input.base, input.ours, input.theirs};
    std::array<std::size_t, 3> at{};
    const auto skip = [&](const std::array<std::size_t, 3>& bytes) {
        for (std::size_t i = 0; i < rest.size(); ++i) {
            rest[i].remove_prefix(bytes[i]);
            at[i] += bytes[i];
        }
    };
    while (std::ranges::none_of(rest, &std::string_view::empty)) {
        std::size_t bytes = common_bytes(rest);
        bytes = bytes == 0 ? 0 : rest[0].rfind('\n', bytes - 1) + 1;
        if (bytes > 0) {
            out.push_back({at, bytes});
            skip({bytes, bytes, bytes});
            continue;
        }
        const auto alike = next_alike(rest);
        if (!alike) break;
        skip(*alike);
    }
    return out;
}

bool has_marker(std::string_view file, std::size_t bytes_min) {
    for (std::size_t at = 0; at < file.size();
         at = std::min(file.find('\n', at), file.size()) + 1) {
        if (file[at] == '{') continue;
        std::string_view line = first_line(file.substr(at));
        line = line.substr(0, line.find_first_of("\r\n"));
        if (marker_of(line, bytes_min).kind != LineKind::record) return true;
    }
    return false;
}

}  // namespace taskstore::ledger
