#pragma once
// Files that are symbolic links (floor 1).

#include <taskstore/os/file_system.hpp>

#include <string>

namespace taskstore::os {

/// The file that `path` means in the end: itself (there or not), or where its symbolic link leads.
/// For replace_file(), which would put a file in place of the link. invalid: the link leads
/// nowhere.
Result<std::string> linked_path(FileSystem& files, const std::string& path);

}  // namespace taskstore::os
