#pragma once
// What taskstore-merge does with three files. Private to the program, and to its tests.

#include <taskstore/ledger/merge.hpp>
#include <taskstore/os/file_system.hpp>

#include <string>

namespace taskstore {

enum class DriverExit : int { merged = 0, clashes = 1, failed = 2 };

struct DriverOperands {
    std::string base;
    std::string ours;
    std::string theirs;
    /// The file's name in the work tree. Empty: git was not asked for it (the driver line of the
    /// earlier program has three operands), and the rule in .gitattributes is for files of stores.
    std::string path;
    std::size_t marker_bytes = 7;
};

/// Merges over `ours`, and says on stderr what there is to say. At any moment `ours` holds what it
/// held or the whole result: the merge, or after an error (failed) what was there and all of theirs
/// between markers; if not even that can be written, what it held. Git counts the file as merged
/// after `merged` alone, and keeps all three versions else.
DriverExit merge_over_ours(os::FileSystem& files, const DriverOperands& operands);

/// One line on stderr.
void say(const std::string& text);

}  // namespace taskstore
