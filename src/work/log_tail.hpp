#pragma once
// The end of what a command printed, for the task's `logs`. Private to work.

#include <taskstore/os/file_system.hpp>

#include <optional>
#include <string>

namespace taskstore::work {

/// Nothing where it printed nothing. UTF-8 without U+0000, whatever the file holds; where it is
/// cut, a line before it says how much there is before, and where.
std::optional<std::string> log_tail(os::FileSystem& files, const std::string& path,
                                    std::size_t bytes_max);

}  // namespace taskstore::work
