#pragma once
// A copy of a SQLite file (floor 3): SQLite makes files beside what it opens, even to read it, and
// rolls back a journal that it finds. A source is not to change, so the engine gets a copy.

#include <taskstore/base/result.hpp>
#include <taskstore/os/file_system.hpp>

#include <cstdint>
#include <string>

namespace taskstore::founding {

inline constexpr std::int64_t kDatabaseBytesMax = std::int64_t{1} << 30;

struct CopiedDatabase {
    std::string path;
    /// A journal came along: who opens the copy first must be able to write, so that it is rolled
    /// back.
    bool has_journal = false;
};

/// The file, with its write-ahead log or its journal, into a folder that is there, under a name of
/// its own. not_found; invalid: no regular file, too large, or no SQLite database, and the message
/// says which; unavailable: somebody writes to it all the time. The source is opened to be read
/// alone.
Result<CopiedDatabase> copy_database(os::FileSystem& files, const std::string& path,
                                     const std::string& folder);

/// invalid: a symbolic link, a folder, a device, or more than `bytes_max`. not_found.
Status check_readable(os::FileSystem& files, const std::string& path, std::int64_t bytes_max);

}  // namespace taskstore::founding
