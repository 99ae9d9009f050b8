#include "environment.hpp"

#include <unistd.h>

#include <algorithm>
#include <string_view>

namespace taskstore::os {

std::vector<std::string> environment_with(
    const std::vector<std::pair<std::string, std::optional<std::string>>>& changes) {
    std::vector<std::string> entries;
    const auto is_changed = [&](std::string_view entry) {
        const std::string_view name = entry.substr(0, entry.find('='));
        return std::ranges::any_of(changes, [&](const auto& one) { return one.first == name; });
    };
    for (char** entry = environ; *entry != nullptr; ++entry) {
        if (!is_changed(*entry)) entries.emplace_back(*entry);
    }
    for (const auto& [name, value] : changes) {
        if (value) entries.push_back(name + "=" + *value);
    }
    return entries;
}

}  // namespace taskstore::os
