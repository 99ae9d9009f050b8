#pragma once
// Takes away a folder with all that somebody else has put into it (floor 1): what a command leaves.

#include <taskstore/base/result.hpp>

#include <string>

namespace taskstore::os {

/// Follows no symbolic link, goes into folders of ours that nobody may enter, and as deep as they
/// lie. Others may remove it at the same time, nobody may add to it meanwhile, and it has no
/// mounts. Not durable. Idempotent: where nothing is there, it is done. denied, failed: something
/// stays; what could go is gone.
Status remove_tree(const std::string& path);

}  // namespace taskstore::os
