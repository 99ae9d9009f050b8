#pragma once
// What a child gets as its environment. Private to os.

#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace taskstore::os {

/// Ours, or of it what is kept (names, and beginnings that end in '*'), with these changes on top:
/// a value, or nothing to take the name away.
std::vector<std::string> environment_with(
    const std::vector<std::pair<std::string, std::optional<std::string>>>& changes,
    const std::vector<std::string>* kept = nullptr);

}  // namespace taskstore::os
