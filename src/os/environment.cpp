#include "environment.hpp"

#include <unistd.h>

#include <algorithm>
#include <string_view>

namespace taskstore::os {

std::vector<std::string> environment_with(
    const std::vector<std::pair<std::string, std::optional<std::string>>>& changes,
    const std::vector<std::string>* kept) {
    std::vector<std::string> entries;
    const auto is_changed = [&](std::string_view name) {
        return std::ranges::any_of(changes, [&](const auto& one) { return one.first == name; });
    };
    const auto is_kept = [&](std::string_view name) {
        return kept == nullptr || std::ranges::any_of(*kept, [&](std::string_view one) {
                   return one.ends_with('*') ? name.starts_with(one.substr(0, one.size() - 1))
                                             : name == one;
               });
    };
    for (char** entry = environ; *entry != nullptr; ++entry) {
        const std::string_view whole = *entry;
        const std::string_view name = whole.substr(0, whole.find('='));
        if (!is_changed(name) && is_kept(name)) entries.emplace_back(whole);
    }
    for (const auto& [name, value] : changes) {
        if (value) entries.push_back(name + "=" + *value);
    }
    return entries;
}

}  // namespace taskstore::os
