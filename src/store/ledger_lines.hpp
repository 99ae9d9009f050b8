#pragma once
// Ledger files as lists of lines, for what looks at several versions of one.

#include <taskstore/ledger/line.hpp>

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

namespace taskstore::store {

using LineSet = std::unordered_set<std::string_view>;

/// Without line ends; blank lines are left out.
std::vector<std::string_view> lines_of(std::string_view text);
LineSet set_of(const std::vector<std::string_view>& lines);
/// The id of a record's line; empty where it is none.
std::string id_of(ledger::LineDecoder& decoder, std::string_view line);
/// Whether the path is that of a ledger file right in the folder.
bool is_ledger_file(std::string_view path, std::string_view folder);

}  // namespace taskstore::store
