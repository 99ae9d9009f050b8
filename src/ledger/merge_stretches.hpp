#pragma once
// What three files share, found by comparing bytes. Private to ledger.

#include "each_line.hpp"

#include <taskstore/ledger/merge.hpp>

#include <algorithm>
#include <array>
#include <string_view>
#include <vector>

namespace taskstore::ledger {

/// Whole lines that stand in all three files alike.
struct Stretch {
    std::array<std::size_t, 3> begin{};  ///< In base, ours and theirs.
    std::size_t bytes = 0;
};

/// In order. What lies between them has to be looked at line by line: with files that people
/// changed here and there that is little.
std::vector<Stretch> shared_stretches(const MergeInput& input);

/// Whether any line of it is a marker of `bytes_min` characters at least.
bool has_marker(std::string_view file, std::size_t bytes_min);

}  // namespace taskstore::ledger
