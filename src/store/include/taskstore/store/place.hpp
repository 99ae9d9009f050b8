#pragma once
// Where the plan of a work tree lives (floor 5; composition roots use it).

#include <taskstore/os/file_system.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace taskstore::store {

struct Place {
    std::string folder;     ///< The ledger folder, absolute.
    std::string work_tree;  ///< Root of the git work tree; empty outside git.
    std::string
        replica_path;  ///< Where this folder's identity is kept: in the git folder, else in run/.
    bool exists = false;
};

/// Walks up from `from` (absolute) to the root of its work tree, looking for .taskstore. Not found:
/// where `sync` or `init` would make it (the root of the work tree; outside git `from` itself),
/// with exists false.
Result<Place> find_place(os::FileSystem& files, const std::string& from);
/// The folder itself is the store: --store DIR, TASKSTORE_DIR. Exists where it holds `.version` or
/// a kind's JSONL file.
Result<Place> place_at(os::FileSystem& files, const std::string& folder);

/// By what name a plan knows the file at `path` (absolute, no dot or dot-dot in it): its path from
/// the root of the work tree that holds the store, so that it is the same in every clone; outside
/// git, from the folder that holds the store's folder; the absolute path for a file outside of
/// these.
std::string name_in_plan(os::FileSystem& files, const Place& place, const std::string& path);

/// Whose rights count when a store is opened.
struct Opener {
    std::uint32_t uid = 0;  ///< The effective user.
    std::optional<std::uint32_t>
        sudo_uid;  ///< SUDO_UID: whom root acts for; without effect for others.
};

/// denied: the ledger folder belongs to another user (its lines, settings and cache are that user's
/// word) and `safe_directories` lists neither it nor the folder that holds it. The list is absolute
/// paths joined by ':', compared as text; "*" lists all. Nothing to refuse where no folder is yet.
Status check_owner(os::FileSystem& files, const Place& place, const Opener& opener,
                   std::string_view safe_directories);

/// The same for one file, such as a database: denied where neither its folder nor the one above is
/// listed.
Status check_file_owner(const std::string& path, std::uint32_t owner, const Opener& opener,
                        std::string_view safe_directories);

/// Makes what is missing: the folder, .version, .gitignore (completed where an older one stands),
/// run/ and every kind's empty JSONL file. Idempotent.
Status make_store(os::FileSystem& files, const Place& place);

}  // namespace taskstore::store
