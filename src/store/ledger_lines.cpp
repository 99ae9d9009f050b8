#include "ledger_lines.hpp"

#include <taskstore/ledger/files.hpp>
#include <taskstore/os/file_system.hpp>

#include <algorithm>

namespace taskstore::store {
namespace {

constexpr std::string_view kSuffix = ".jsonl";

}  // namespace

std::vector<std::string_view> lines_of(std::string_view text) {
    std::vector<std::string_view> out;
    while (!text.empty()) {
        const std::size_t end = std::min(text.find('\n'), text.size());
        std::string_view line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        if (line.ends_with('\r')) line.remove_suffix(1);
        if (line.find_first_not_of(" \t") != std::string_view::npos) out.push_back(line);
    }
    return out;
}

LineSet set_of(const std::vector<std::string_view>& lines) {
    return {lines.begin(), lines.end()};
}

std::string id_of(ledger::LineDecoder& decoder, std::string_view line) {
    auto decoded = decoder.decode(line);
    return decoded ? std::move(decoded->id) : std::string();
}

bool is_ledger_file(std::string_view path, std::string_view folder) {
    if (!path.starts_with(folder) || path.size() <= folder.size() || path[folder.size()] != '/')
        return false;
    std::string_view name = path.substr(folder.size() + 1);
    if (!name.ends_with(kSuffix)) return false;
    name.remove_suffix(kSuffix.size());
    return ledger::is_collection_name(name);
}

}  // namespace taskstore::store
