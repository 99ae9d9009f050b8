#pragma once
// The files of a ledger folder (floor 3): what they are called, the durable append, and the
// replacement of a file by a shorter one that says the same (I1, I5).

#include <taskstore/base/clock.hpp>
#include <taskstore/os/file_system.hpp>
#include <taskstore/os/lock.hpp>

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace taskstore::ledger {

/// 1–64 bytes of [A-Za-z0-9_-]: a collection's name is a file name, so nothing that a path could
/// abuse.
bool is_collection_name(std::string_view name);

/// Adds the lines that a ledger folder's .gitignore lacks (it is made if absent): what of the
/// folder is not the plan stays out of git. Idempotent.
Status complete_gitignore(os::FileSystem& files, const std::string& folder);

/// That, and .version where there is none. Idempotent.
Status complete_folder(os::FileSystem& files, const std::string& folder);

struct Appended {
    std::int64_t offset = 0;  ///< Where the first new byte stands.
    os::FileIdentity before;  ///< As it was under the lock, before the first write.
    os::FileIdentity
        after;  ///< As it is now; its mtime is our own mark, which no other writer makes by chance.
    bool created = false;
    /// Nothing but the lines came to the file between `before` and `after`: who knew `before` knows
    /// `after`. False: read the file again (somebody else wrote to it, or its tail was mended).
    bool chained = false;
    bool marked = false;  ///< `after` carries our mark; else another change could look the same.
    std::vector<std::string>
        notes;  ///< What was mended on the way, for a person (a torn tail saved and cut).
};

/// Appends to and lists the JSONL files of one folder. Thread-safe only under lock().
class LedgerFolder {
  public:
    /// `wait`: for a lock that others hold, of the folder or of one of its files; each time anew.
    LedgerFolder(os::FileSystem& files, std::string folder, const Clock& clock,
                 os::LockWait wait = {});

    os::FileSystem& files() { return x_files; }
    const std::string& folder() const { return x_folder; }
    std::string path_of(std::string_view collection) const;
    /// The lock that every writer of the folder and of its cache holds (`lock`, ignored by git).
    os::FileLock& lock() { return x_lock; }
    const os::LockWait& lock_wait() const { return x_lock_wait; }
    /// Collections that have a file, sorted. A folder, a symbolic link (it could lead out of the
    /// work tree) or another thing named X.jsonl is not one (see strangers()).
    Result<std::vector<std::string>> collections();
    /// Names that end in .jsonl and are not a collection's file, with the reason.
    Result<std::vector<std::string>> strangers();

    /// Appends whole lines (each ended by LF) with one write and one fdatasync. Hold lock().
    /// Durable when it returns. A tail without LF that is not a whole record (a crash; it was never
    /// acknowledged) is first saved to run/torn/ and cut; a whole one gets its LF. failed, denied,
    /// timed_out (another program holds the file's own flock): nothing of `lines` is in the file.
    /// outcome_unknown: the flush failed; the next append reads the tail again and writes and
    /// flushes it with its own lines. A file that somebody put in place of the one that was written
    /// gets the lines too.
    Result<Appended> append(std::string_view collection, std::string_view lines);

    /// What takes the place of a file.
    using Put = std::function<Status(std::string_view)>;
    struct Rewritten {
        bool done = false;  ///< False: `make` wanted nothing changed.
        std::vector<std::string> notes;
    };
    /// Puts what `make` writes in the place of the collection's file: a temporary file, flushed and
    /// renamed, so that at any moment, a power cut too, the old or the new one is there whole. Hold
    /// lock(). `make` gets the file's content, which lives until it returns, and answers whether
    /// anything is to change. Other programs' writers are kept out by the file's own lock; lines
    /// that one of them appended to the old file all the same, because it had opened it before, are
    /// appended to the new one. Who keeps the old file open for longer, or one whose lines could
    /// not be appended, finds it kept in run/replaced, for take_in_replaced(). Durable when it
    /// returns. not_found: there is no such file. timed_out, denied, failed, conflict (somebody
    /// replaces or writes the file again and again): nothing was changed. outcome_unknown: either
    /// file may be there after a power cut.
    Result<Rewritten> rewrite(
        std::string_view collection,
        const std::function<Result<bool>(std::string_view content, const Put& put)>& make);
    /// Appends what has come to files that rewrite() replaced, by whoever had them open, and lets
    /// go of those that nobody has open any more. Notes for a person. Hold lock(). After an error
    /// the rest waits for the next call.
    Result<std::vector<std::string>> take_in_replaced();

  private:
    Result<std::optional<Rewritten>> rewrite_once(
        std::string_view collection,
        const std::function<Result<bool>(std::string_view content, const Put& put)>& make);
    /// A file that another one has replaced.
    struct Old {
        std::string collection;
        std::int64_t seen = 0;  ///< How much of it is in the new one.
        std::string path;       ///< Its second name; empty: it has none.
    };
    Result<Old> keep_old(std::string_view collection, std::int64_t seen);
    Status let_go(const Old& old);
    Result<bool> follow(os::File& file, Old& old, std::vector<std::string>& notes);
    Status take_late(os::File& file, Old& old, bool ended, std::vector<std::string>& notes);
    Status take_in(const std::string& name, std::vector<std::string>& notes);
    Result<std::string> save_torn(std::string_view collection, std::string_view tail,
                                  std::int64_t at);
    struct Unflushed {
        std::uint64_t inode = 0;
        std::int64_t size = 0;  ///< What stands before it is on the disk.
    };
    Result<bool> append_once(std::string_view collection, std::string_view lines,
                             Appended& appended);
    Status write_unflushed_again(os::File& file, std::string_view collection,
                                 const os::FileIdentity& identity, std::int64_t size);
    static Status write_apart(os::File& file, std::int64_t from, std::int64_t size,
                              std::string_view lines);
    Status mend_tail(os::File& file, std::string_view collection, std::int64_t& size,
                     Appended& appended);
    os::FileSystem& x_files;
    std::string x_folder;
    const Clock& x_clock;
    os::FileLock x_lock;
    os::LockWait x_lock_wait;
    std::map<std::string, Unflushed> x_unflushed;  ///< By collection.
};

}  // namespace taskstore::ledger
