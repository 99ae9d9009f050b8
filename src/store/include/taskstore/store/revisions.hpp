#pragma once
// A plan as git keeps it (floor 5; the programs use it): its files at a revision, what changed from
// commit to commit, lines that its files no longer hold. Runs git, so it is never used while a lock
// of taskstore is held (I12). Nothing here writes to the plan, its cache or the repository.

#include <taskstore/git/objects.hpp>
#include <taskstore/records/changes.hpp>
#include <taskstore/store/place.hpp>

#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <set>

namespace taskstore::store {

/// One entry of a log.
struct LogEntry {
    std::optional<git::Commit> commit;  ///< Nothing: what is not committed yet.
    records::Changes changes;
};

struct LogQuery {
    std::string since = {};  ///< A revision: nothing that it stands on, nor itself. Empty: all.
    std::size_t limit = 50;  ///< Entries with a commit.
};

/// A line of a record that git has and the file has not.
struct OlderLine {
    std::string text;
    std::string commit;  ///< The newest commit that has it.
};

/// How far to look for them.
enum class Reach : std::uint8_t {
    dropped,  ///< The versions of the file from which a later one dropped lines.
    all,      ///< Every version that git has, each read as a whole.
};

/// Not thread-safe. Keeps what it read last, up to 256 MiB.
class Revisions {
  public:
    /// not_found: the store is in no git repository. `files` must outlive it.
    static Result<Revisions> of(os::FileSystem& files, const Place& place,
                                const git::Environment& environment);

    const git::Repository& repository() const { return x_repository; }
    /// The store's folder from the root of the repository.
    const std::string& path() const { return x_path; }

    /// The full id of a commit that has the store's folder. Errors of git::find_commit; not_found:
    /// the commit has no such folder, naming those of its folders that hold a store.
    Result<std::string> commit(const std::string& revision) const;
    /// The collections' files in a commit (a full id); none where it has no such folder. It must
    /// not outlive this object.
    Result<records::Snapshot> at(const std::string& commit);
    /// The collections' files as they are now. In a bare repository: none.
    Result<records::Snapshot> work_tree();
    /// Puts the collections' files, schemas and config.toml of a commit into `folder`, which is
    /// empty. Not durable: for reading once.
    Status put_out(const std::string& commit, const std::string& folder);

    /// What is not committed yet, where that is anything, then the commits that changed records,
    /// newest first. A merge is told by what it decided itself: what it has unlike each of its
    /// parents; where that is nothing, it is left out, so nothing is told twice. Of the commit with
    /// which a shallow clone begins nothing is told. Whether there are commits beyond the limit.
    /// A folder that was renamed is followed to where it lay before. Ends early with the error that
    /// `each` returns.
    Result<bool> log(const LogQuery& query, const std::function<Status(LogEntry&&)>& each);

    /// Lines of a record in the versions of its file that HEAD stands on, by themselves, under
    /// earlier names of the folder too; those in
    /// `known` are left out. `enough` is asked after each version that had one, and ends it.
    Result<std::vector<OlderLine>> older_lines(
        std::string_view collection, std::string_view id, const std::vector<std::string>& known,
        Reach reach, const std::function<bool(const std::vector<OlderLine>&)>& enough);

  private:
    using Text = std::shared_ptr<const std::string>;
    Revisions(os::FileSystem& files, git::Repository repository, std::string path,
              std::string folder)
        : x_files(files),
          x_repository(std::move(repository)),
          x_path(std::move(path)),
          x_names{x_path},
          x_folder(std::move(folder)) {}
    Result<Text> blob(const std::string& id);
    records::Snapshot snapshot_of(const std::optional<git::Tree>& tree);
    Result<std::optional<LogEntry>> entry_of(const git::Commit& commit,
                                             const std::map<std::string, git::Tree>& trees);
    using CommitLook =
        std::function<Result<bool>(const git::Commit&, const std::map<std::string, git::Tree>&)>;
    Result<bool> each_commit(git::CommitQuery query, const CommitLook& look);
    struct FileVersion;
    Result<std::map<std::string, git::Tree>> trees_of(
        const std::vector<git::Commit>& commits) const;
    Result<std::map<std::string, git::Tree>> folders_of(const std::vector<git::Commit>& commits);
    Result<bool> find_earlier_names(const std::vector<git::Commit>& commits,
                                    const std::map<std::string, git::Tree>& trees);
    Result<std::vector<FileVersion>> versions_of(const std::string& folder, const std::string& name,
                                                 const std::string& head, std::size_t limit,
                                                 std::size_t skip);
    Result<std::string> store_folders(const std::string& commit) const;

    os::FileSystem& x_files;
    git::Repository x_repository;
    std::string x_path;
    /// Where the store has lain in the history that was looked at, the newest name first.
    std::vector<std::string> x_names;
    std::set<std::string> x_begun;  ///< Commits that were asked for an earlier name.
    std::string x_folder;           ///< Absolute; empty in a bare repository.
    std::deque<std::pair<std::string, Text>> x_blobs;  ///< The newest last.
    std::size_t x_blob_bytes = 0;
};

}  // namespace taskstore::store
