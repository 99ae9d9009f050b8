#pragma once
// What ties a store to the repository that it lives in (floor 5; programs use it): the merge driver
// and the textconv in the repository's config, the rule in its attributes, and hooks.
//
// All of it is written through the port, so that a stop at any point leaves each file whole, and
// every old hook where git or the new one finds it. What was there before is kept in one file of
// the git folder (GitPlaces::record) until it is put back.

#include <taskstore/git/repository.hpp>
#include <taskstore/store/place.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::store {

/// The hooks, by git's names. Git has no post-rebase: post-rewrite is what it runs then.
std::span<const std::string_view> hook_names();

/// Where the pieces go. All paths absolute but `store`.
struct GitPlaces {
    std::string store;  ///< The ledger folder, from the root of the work tree.
    std::string attributes;
    std::string info_attributes;
    std::string config;
    std::string hooks;
    bool hooks_are_ours = true;  ///< False: core.hooksPath leads out of this repository.
    std::string record;
};

/// not_found: the store is in no work tree; as Repository::hooks_folder() where git cannot say.
/// Runs git.
Result<GitPlaces> git_places(os::FileSystem& files, const git::Repository& repository,
                             const Place& place);

/// One piece, as it is.
struct Piece {
    /// off: a hook of ours that is not executable, so that git passes it over.
    enum class State : std::uint8_t { in_place, missing, other, off };
    std::string what;  ///< driver, textconv, attributes, info_attributes, or a hook's name
    std::string path;
    State state = State::in_place;
    std::string why = {};  ///< What `other` means here.
};
Result<std::vector<Piece>> look_at_pieces(os::FileSystem& files, const GitPlaces& places);

struct Installed {
    std::vector<std::string> done;   ///< What changed, one sentence each; none: all was as wanted.
    std::vector<std::string> notes;  ///< What a person should know or do.
};

/// Brings every piece in place. Idempotent. unavailable: git is writing its config at this moment.
/// After an error the pieces that were reached are in place; repeat it.
Result<Installed> install_hooks(os::FileSystem& files, const GitPlaces& places);
/// Puts back what was there, of all stores of the repository; of files that somebody changed since,
/// only what install_hooks() added is taken out. Idempotent; errors as there.
Result<Installed> uninstall_hooks(os::FileSystem& files, const GitPlaces& places);

/// The text of a hook for stores at these places.
std::string hook_text(std::string_view hook, std::span<const std::string> stores);
/// The line of .gitattributes for a store.
std::string attributes_rule(std::string_view store);

/// Whether the attributes name our merge driver and git is told of none. Reads files; runs git only
/// where the repository's own config has no driver, to ask for the user's. Hold no lock.
bool lacks_driver(os::FileSystem& files, const git::Repository& repository);

}  // namespace taskstore::store
