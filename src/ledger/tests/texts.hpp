#pragma once
// Files of tests, as lines.

#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::ledger {

/// Without line ends and blank lines.
inline std::vector<std::string> lines_of(std::string_view text) {
    std::vector<std::string> lines;
    std::istringstream stream{std::string(text)};
    for (std::string line; std::getline(stream, line);) {
        if (!line.empty()) lines.push_back(line);
    }
    return lines;
}

}  // namespace taskstore::ledger
