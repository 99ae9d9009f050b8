// Any three files: the merge ends, both directions of a merge without clashes write the same lines,
// and no record of a side is missing from the result but one that the other side dropped from the
// base.
#include <taskstore/base/check.hpp>
#include <taskstore/ledger/merge.hpp>

#include <algorithm>
#include <set>

namespace {

using namespace taskstore;

/// The lines that count: neither blank nor with what differs by the end of a line alone.
std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size() - 1) + 1;
        std::string line(text.substr(0, end));
        text.remove_prefix(end);
        if (line.ends_with('\n')) line.pop_back();
        if (line.ends_with('\r')) line.pop_back();
        if (line.find_first_not_of(" \t") != std::string::npos) lines.push_back(std::move(line));
    }
    std::ranges::sort(lines);
    const auto same = std::ranges::unique(lines);
    lines.erase(same.begin(), same.end());
    return lines;
}

std::set<std::string> ids_of(std::string_view text) {
    std::set<std::string> ids;
    ledger::LineDecoder decoder;
    for (const std::string& line : lines_of(text)) {
        const auto decoded = decoder.decode(line);
        if (decoded) ids.insert(decoded->id);
    }
    return ids;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char*>(data), size);
    const std::size_t first = std::min(text.find('\0'), text.size());
    const std::size_t second = std::min(text.find('\0', first + 1), text.size());
    const ledger::MergeInput input{
        text.substr(0, first),
        first < text.size() ? text.substr(first + 1, second - first - 1) : "",
        second < text.size() ? text.substr(second + 1) : ""};
    const ledger::Merged here = ledger::merge_files(input, {});
    const ledger::Merged there = ledger::merge_files({input.base, input.theirs, input.ours}, {});
    TASKSTORE_CHECK(here.clashes.empty() == there.clashes.empty());
    if (here.clashes.empty()) TASKSTORE_CHECK(lines_of(here.text) == lines_of(there.text));
    const auto before = ids_of(input.base);
    const auto ours = ids_of(input.ours);
    const auto theirs = ids_of(input.theirs);
    const auto after = ids_of(here.text);
    for (const std::string& id : ours)
        TASKSTORE_CHECK(after.contains(id) || (before.contains(id) && !theirs.contains(id)));
    for (const std::string& id : theirs)
        TASKSTORE_CHECK(after.contains(id) || (before.contains(id) && !ours.contains(id)));
    return 0;
}
