#pragma once
// What the system says of a process: fields 3, 4 and 22 of proc(5) stat.

#include <taskstore/base/result.hpp>

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

namespace taskstore::os {

struct ProcStat {
    pid_t parent = 0;
    std::uint64_t start_ticks = 0;  ///< Tells it from a later one of that number.
    bool ended = false;             ///< A zombie of which no thread runs any more.
};

/// not_found: there is no such process.
Result<ProcStat> proc_stat(pid_t pid);

/// A file of /proc as a whole.
Result<std::string> proc_text(const std::string& path);

/// The names in a folder of /proc that are numbers; none where it cannot be listed.
std::vector<pid_t> proc_numbers(const std::string& folder);

}  // namespace taskstore::os
