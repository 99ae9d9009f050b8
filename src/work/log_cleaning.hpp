#pragma once
// What commands printed does not stay for ever. Private to work.

#include <taskstore/os/file_system.hpp>

#include <cstdint>
#include <string>

namespace taskstore::work {

/// 0: no limit.
struct LogLimits {
    std::int64_t age_ms_max = 0;  ///< Since they were last written to.
    std::int64_t bytes_max = 0;   ///< Of all together.
};

/// Removes from a folder what the commands of tasks left there (TASK-FENCE.log and .result): what
/// is older, then the oldest until the rest is no larger. Other files stay, and so does what a
/// command still writes to; where the system does not tell whether one does, age alone counts.
/// Answers how many were removed. The cost grows with the files in the folder.
Result<std::int64_t> clean_logs(os::FileSystem& files, const std::string& folder,
                                const LogLimits& limits, std::int64_t now_ms);

}  // namespace taskstore::work
