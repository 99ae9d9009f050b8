#pragma once
// What stood in a repository before the hooks were installed: one file of the git folder.

#include <taskstore/base/result.hpp>

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::store {

/// A file of which we write a part: what it was, and what we made of it.
struct Changed {
    std::string path;
    std::optional<std::string> before;
    std::string after;
};

/// What the repository's record holds:
///   "taskstore hooks 1" LF
///   "store" SP BYTES LF, the bytes, LF          each store
///   "folder" SP BYTES LF, its path, LF          each folder that was made
///   "file" SP PATH BEFORE AFTER LF, bytes, LF   lengths; BEFORE is -1 where there was no file
struct HookRecord {
    std::vector<std::string> stores;
    std::vector<std::string> folders;
    std::vector<Changed> files;

    Changed* find(std::string_view path);
    std::string text() const;
    /// Nothing: the text is no record.
    static std::optional<HookRecord> read(std::string_view text);
};

}  // namespace taskstore::store
