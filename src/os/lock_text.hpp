#pragma once
// What is said of a lock that somebody else holds. Private to os.

#include <taskstore/os/file_system.hpp>

namespace taskstore::os {

/// "process 4711 (taskstore) holds it", as far as the system tells.
std::string holder_text(const FileIdentity& file);
Failure lock_timed_out(const std::string& path, std::int64_t limit_ms, const std::string& holder);

}  // namespace taskstore::os
