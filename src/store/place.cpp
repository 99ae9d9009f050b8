#include <taskstore/base/hash.hpp>
#include <taskstore/ledger/files.hpp>
#include <taskstore/records/kind.hpp>
#include <taskstore/store/place.hpp>

#include <algorithm>

namespace taskstore::store {
namespace {

bool is_folder(os::FileSystem& files, const std::string& path) {
    const auto info = files.info(path);
    return info && info->kind == os::FileKind::directory;
}

/// The git folder of a work tree whose root is `root`: .git itself, or what the file .git points to
/// (a linked work tree, a submodule). Empty where there is none.
std::string git_folder(os::FileSystem& files, const std::string& root) {
    std::string dot_git = os::join_path(root, ".git");
    if (is_folder(files, dot_git)) return dot_git;
    const auto text = os::read_file(files, dot_git, 65536);
    if (!text || !text->starts_with("gitdir: ")) return {};
    std::string path = text->substr(8, text->find_last_not_of("\r\n") + 1 - 8);
    if (!path.starts_with('/')) path = os::join_path(root, path);
    return is_folder(files, path) ? path : std::string();
}

/// The root of the work tree that holds `path`, and its git folder; both empty outside git.
struct WorkTree {
    std::string root;
    std::string git;
};

WorkTree work_tree_of(os::FileSystem& files, const std::string& path) {
    for (std::string at = path;; at = os::folder_of(at)) {
        if (std::string git = git_folder(files, at); !git.empty()) return {at, std::move(git)};
        if (at == "/" || at == ".") return {};
    }
}

Result<Place> place_of(os::FileSystem& files, std::string folder, std::string work_tree,
                       const std::string& git) {
    Place place{std::move(folder), std::move(work_tree), {}, false};
    const auto info = files.info(place.folder);
    if (info && info->kind != os::FileKind::directory) {
        return fail(Code::corrupt, "'" + place.folder + "' is not a folder, so not a store")
            .with_hint("move it away, or name the store's folder with --store");
    }
    place.exists = info.has_value();
    if (git.empty()) {
        place.replica_path = os::join_path(os::join_path(place.folder, "run"), "replica.json");
    } else {
        // A work tree may hold more than one store: each has an identity of its own.
        const std::string name = "replica-" + sha256_hex(place.folder).substr(0, 12) + ".json";
        place.replica_path = os::join_path(os::join_path(git, "taskstore"), name);
    }
    return place;
}

std::string_view without_slashes(std::string_view path) {
    while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
    return path;
}

/// Also where nobody may look into it: then what opens it says why it cannot.
bool is_store(os::FileSystem& files, const std::string& folder) {
    const auto may_be_there = [&](const std::string& name) {
        const auto info = files.info(os::join_path(folder, name));
        return info || info.error().code != Code::not_found;
    };
    return may_be_there(".version") ||
           std::ranges::any_of(records::kinds(), [&](const records::Kind& kind) {
               return may_be_there(std::string(kind.collection) + ".jsonl");
           });
}

bool lists(std::string_view safe_directories, std::string_view path) {
    for (std::string_view rest = safe_directories; !rest.empty();) {
        const std::size_t end = std::min(rest.find(':'), rest.size());
        const std::string_view entry = rest.substr(0, end);
        if (entry == "*" || (!entry.empty() && without_slashes(entry) == path)) return true;
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    return false;
}

}  // namespace

namespace {

Status trust(const std::string& what, const std::string& path, std::uint32_t owner,
             const Opener& opener, std::string_view safe_directories) {
    if (owner == opener.uid) return ok();
    if (opener.uid == 0 && opener.sudo_uid && owner == *opener.sudo_uid) return ok();
    const std::string_view folder = without_slashes(path);
    if (lists(safe_directories, folder) || lists(safe_directories, os::folder_of(folder)))
        return ok();
    return fail(Code::denied, what + " belongs to user " + std::to_string(owner) +
                                  ", not to user " + std::to_string(opener.uid) + " who opens it")
        .with_hint("if you trust it, add '" + std::string(folder) +
                   "' to files.safe_directories in the device's config.toml or in "
                   "TASKSTORE_CONFIG_FILES__SAFE_DIRECTORIES");
}

}  // namespace

Status check_owner(os::FileSystem& files, const Place& place, const Opener& opener,
                   std::string_view safe_directories) {
    const auto found = files.info(place.folder);
    if (!found && found.error().code == Code::not_found) return ok();
    TASKSTORE_LET(const os::FileInfo info, found);
    return trust("the store at '" + place.folder + "'", place.folder, info.owner, opener,
                 safe_directories);
}

Status check_file_owner(const std::string& path, std::uint32_t owner, const Opener& opener,
                        std::string_view safe_directories) {
    return trust("'" + path + "'", os::folder_of(path), owner, opener, safe_directories);
}

Result<Place> find_place(os::FileSystem& files, const std::string& from) {
    if (!from.starts_with('/'))
        return fail(Code::invalid, "'" + from + "' is not an absolute path");
    const auto [root, git] = work_tree_of(files, from);
    for (std::string at = from;; at = os::folder_of(at)) {
        const std::string folder = os::join_path(at, ".taskstore");
        if (files.info(folder)) return place_of(files, folder, root, git);
        if (at == root || at == "/") break;
        // Outside git only the folder itself counts, so that nobody writes into a stranger's store
        // above.
        if (root.empty()) break;
    }
    return place_of(files, os::join_path(root.empty() ? from : root, ".taskstore"), root, git);
}

Result<Place> place_at(os::FileSystem& files, const std::string& folder) {
    // Named or found, a store in a work tree is the same replica.
    TASKSTORE_LET(Place place, place_of(files, folder, {}, work_tree_of(files, folder).git));
    // Any folder can be named: only what marks a store makes it one.
    place.exists = place.exists && is_store(files, folder);
    return place;
}

std::string name_in_plan(os::FileSystem& files, const Place& place, const std::string& path) {
    std::string root = place.work_tree;
    // A store that was named may lie in a work tree all the same.
    if (root.empty()) root = work_tree_of(files, place.folder).root;
    if (root.empty()) root = os::folder_of(place.folder);
    const std::string inside = root.ends_with('/') ? root : root + "/";
    return path.starts_with(inside) ? path.substr(inside.size()) : path;
}

Status make_store(os::FileSystem& files, const Place& place) {
    TASKSTORE_TRY(os::make_directories(files, place.folder));
    TASKSTORE_TRY(os::make_directories(files, os::join_path(place.folder, "run")));
    TASKSTORE_TRY(ledger::complete_folder(files, place.folder));
    for (const records::Kind& kind : records::kinds()) {
        TASKSTORE_TRY(
            files.open(os::join_path(place.folder, std::string(kind.collection) + ".jsonl"),
                       os::OpenMode::create));
    }
    return files.sync_directory(place.folder);
}

}  // namespace taskstore::store
