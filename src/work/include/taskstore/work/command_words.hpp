#pragma once
// A task's command as the words that a program is started with (floor 5). No shell sees them: what
// a shell would expand stands for itself.

#include <taskstore/base/result.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace taskstore::work {

/// Words are parted by blanks; 'quoted' as it stands; "quoted" and \" \\ in it; a backslash outside
/// of quotes takes the next character as it is. invalid: a quote that does not end, a backslash at
/// the end, or no word at all.
Result<std::vector<std::string>> words_of_command(std::string_view command);

}  // namespace taskstore::work
