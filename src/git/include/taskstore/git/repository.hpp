#pragma once
// A git repository seen from one of its folders (floor 2; store uses it): where it is, found by
// looking at files alone, and git itself, run as a child process. Nothing here may be called while
// a lock of taskstore is held (I12), but find() and what only looks at files.

#include <taskstore/os/command.hpp>
#include <taskstore/os/file_system.hpp>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::git {

/// How much is taken from git at once: its answer, a file of a commit.
inline constexpr std::size_t kAnswerBytesMax = std::size_t{4} << 30;

/// What git tells the hooks that it runs. A hook of one repository may work on another one, whose
/// folders these are not: Repository::find() tells.
struct Environment {
    std::string working_folder;  ///< Absolute; relative values are against it.
    std::string git_dir;         ///< GIT_DIR; empty: not set.
    std::string work_tree;       ///< GIT_WORK_TREE
    std::string index_file;      ///< GIT_INDEX_FILE
    /// Of this process.
    static Environment of_process();
};

/// One entry of the index.
struct Entry {
    std::string path;  ///< From the root of the work tree, bytes as they are.
    std::string blob;  ///< Its object's id, hexadecimal.
    std::uint32_t mode = 0;
    int stage = 0;  ///< 0: settled; of an unfinished merge 1 base, 2 ours, 3 theirs.
    friend bool operator==(const Entry&, const Entry&) = default;
};

/// Immutable, so thread-safe.
class Repository {
  public:
    /// Of the work tree or bare repository that holds `folder` (absolute). No process is started.
    /// not_found: none holds it.
    static Result<Repository> find(os::FileSystem& files, const std::string& folder,
                                   const Environment& environment);

    /// The root of the work tree; empty in a bare repository.
    const std::string& work_tree() const { return x_work_tree; }
    /// Of this work tree: HEAD and the index are here. Absolute.
    const std::string& git_dir() const { return x_git_dir; }
    /// What all work trees share: config, hooks, objects, info.
    const std::string& common_dir() const { return x_common_dir; }
    /// The index that counts now: in a hook, the one that git is about to commit.
    const std::string& index_path() const { return x_index_path; }
    std::string config_path() const { return os::join_path(x_common_dir, "config"); }
    std::string attributes_path() const;  ///< info/attributes
    /// `path` from the root of the work tree; nothing: it lies elsewhere.
    std::optional<std::string> relative(std::string_view path) const;

    /// Runs `git ARGUMENTS…` at the root of the work tree and answers whatever its exit code;
    /// pathspecs are taken literally, it asks nobody anything. not_found: git is not installed.
    /// unsupported: its answer is larger than `output_bytes_max`.
    Result<os::Finished> run(std::vector<std::string> arguments, std::string_view input = {},
                             std::size_t output_bytes_max = kAnswerBytesMax) const;
    /// What it printed. failed: an exit code other than 0; the message holds what git said. The
    /// rest as run().
    Result<std::string> output(std::vector<std::string> arguments, std::string_view input = {},
                               std::size_t output_bytes_max = kAnswerBytesMax) const;

    /// Where git looks for hooks: core.hooksPath, else hooks/ of the common folder. Absolute.
    Result<std::string> hooks_folder() const;
    /// The value of `name` that git would use, from whichever of its files; nothing: none sets it.
    Result<std::optional<std::string>> config(const std::string& name) const;
    /// The index's entries under `path` (a file, or a folder with all in it), in the order of git.
    Result<std::vector<Entry>> staged(const std::string& path) const;
    /// The same of an index file, read without git where that is possible.
    Result<std::vector<Entry>> entries(os::FileSystem& files, const std::string& index,
                                       const std::string& path) const;
    /// The content of an object. unsupported: it is larger than kAnswerBytesMax.
    Result<std::string> blob(const std::string& id) const;

  private:
    Repository() = default;
    std::string x_work_tree;
    std::string x_git_dir;
    std::string x_common_dir;
    std::string x_index_path;
    bool x_own_environment = false;  ///< The process' GIT_* variables are of this repository.
};

/// The index's entries under `path`, read from its file without git. unsupported: git alone can
/// tell (an index in parts, a version unknown here); corrupt: it ends early. No file: no entries.
/// `id_bytes` is that of the repository's hash: 20, or 32 with SHA-256.
Result<std::vector<Entry>> read_index(os::FileSystem& files, const std::string& index_path,
                                      std::string_view path, std::size_t id_bytes = 20);

/// What the index notes of entries that were unmerged and have been settled, as bytes that are only
/// good for being compared: other notes are other bytes, and now and then equal notes are too. No
/// such notes, no such file: empty. Reads the file as a whole; no process.
Result<std::string> resolve_undo_notes(os::FileSystem& files, const std::string& index_path);

}  // namespace taskstore::git
