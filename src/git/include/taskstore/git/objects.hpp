#pragma once
// What git keeps of the past (floor 2; store tells plans from it): revisions, folders and files as
// they stood in a commit, and the commits that changed a folder. Works in packed, shallow and
// partial clones, linked work trees and bare repositories. Everything here runs git (I12), changes
// nothing, and may be called from several threads. Beside what is said at each: not_found where git
// is not installed; failed where it ends with an error, which the message holds; unsupported where
// it has more to say than kAnswerBytesMax; corrupt where an object is no such thing.

#include <taskstore/git/repository.hpp>

#include <map>

namespace taskstore::git {

/// The commit that `revision` names, in any of git's spellings (gitrevisions(7)): its full id. It
/// is never taken for an option. not_found: no such revision. conflict: an abbreviation of several
/// objects. invalid: it begins with '-', holds a line end, or names something that is no commit.
Result<std::string> find_commit(const Repository& repository, const std::string& revision);

/// HEAD's commit; nothing before the first one.
Result<std::optional<std::string>> head_commit(const Repository& repository);

/// One thing in a folder.
struct TreeEntry {
    std::string name;  ///< Bytes as they are, no '/'.
    std::string id;    ///< Of its object, hexadecimal.
    std::uint32_t mode = 0;
    bool is_folder() const { return mode == 0040000; }
    bool is_file() const { return (mode & 0170000) == 0100000; }
    friend bool operator==(const TreeEntry&, const TreeEntry&) = default;
};
using Tree = std::vector<TreeEntry>;

/// What the folder `path` (from the repository's root; empty: the root) holds in each of `commits`,
/// in git's order; nothing where there is no such folder. Two processes, however many commits.
/// unsupported: the path holds a line end.
Result<std::vector<std::optional<Tree>>> folders_at(const Repository& repository,
                                                    const std::vector<std::string>& commits,
                                                    const std::string& path);

/// The content of objects, in their order, read by one process; as a whole at most
/// `bytes_max`; unsupported: they have more. failed: one of them is not there (a partial clone
/// whose server does not answer).
Result<std::vector<std::string>> read_objects(const Repository& repository,
                                              const std::vector<std::string>& ids,
                                              std::size_t bytes_max = kAnswerBytesMax);

/// How many bytes each of them has. failed: one of them is not there.
Result<std::map<std::string, std::int64_t>> sizes_of(const Repository& repository,
                                                     const std::vector<std::string>& ids);

struct Commit {
    std::string id;
    std::vector<std::string> parents;
    std::string author;  ///< Not yet harmless on a terminal.
    std::string email;
    std::int64_t authored_at = 0;  ///< Unix ms, to the second.
    std::string subject;
    /// The clone is shallow and ends here: the parents are not in it.
    bool ends_clone = false;
};

struct CommitQuery {
    std::string until;       ///< A commit's id: it and what it stands on.
    std::string since = {};  ///< A commit's id: but not what this one stands on, nor itself.
    std::string path = {};   ///< Only those that changed something under it; empty: all.
    std::size_t limit = 100;
    std::size_t skip = 0;
};

/// Newest first, in the order of `git log`, sides of merges too, whatever became of them; of the
/// merges those whose `path` is unlike that of some parent.
Result<std::vector<Commit>> commits(const Repository& repository, const CommitQuery& query);

/// A file that one commit has under another path than the other.
struct MovedFile {
    std::string from;
    std::string to;
};

/// Files of `before` that `after` has not, but one very like it under a path that is new there, as
/// git judges it (diff-tree -M).
Result<std::vector<MovedFile>> moved_files(const Repository& repository, const std::string& before,
                                           const std::string& after);

/// Paths under `path` (of files; from the repository's root) where the work tree is unlike the
/// commit, as git tells it: staged or not, also files that are gone. What git does not track is not
/// among them.
Result<std::vector<std::string>> changed_in_work_tree(const Repository& repository,
                                                      const std::string& commit,
                                                      const std::string& path);

}  // namespace taskstore::git
