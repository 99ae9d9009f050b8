#pragma once
// The one door to files (floor 1): what ledger, config and stores use instead of calling the
// system. Two implementations: SystemFileSystem (POSIX) and FaultFileSystem
// (os/fault_file_system.hpp), which lives in memory, fails the call it is told to fail and can lose
// power. Every durable effect of taskstore goes through here or through a SQLite VFS over it, so
// that a test can break each one.

#include <taskstore/base/result.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::os {

/// What tells one state of a file from another. Times are in ns since the epoch; btime_ns is 0
/// where unknown.
struct FileIdentity {
    std::uint64_t device = 0;
    std::uint64_t inode = 0;
    std::int64_t btime_ns = 0;
    std::int64_t size = 0;
    std::int64_t mtime_ns = 0;
    std::int64_t ctime_ns = 0;
    friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

enum class FileKind : std::uint8_t { regular, directory, other };

struct FileInfo {
    FileIdentity identity;
    FileKind kind = FileKind::regular;
    std::uint32_t mode = 0;  ///< Permission bits.
    std::uint32_t owner = 0;
};

enum class OpenMode : std::uint8_t {
    read,        ///< must exist
    read_write,  ///< must exist
    create,      ///< read and write; made if absent
    create_new,  ///< read and write; `exists` if it is there
};

/// How long a lock is waited for, and who hears of it.
struct LockWait {
    std::optional<std::int64_t> limit_ms = {};  ///< Nothing: as long as it takes; 0: one attempt.
    std::int64_t tell_after_ms = 1'000;
    /// Called once, in the thread that waits, when it has waited so long: for which file, and for
    /// which process where the system tells.
    std::function<void(const std::string& what)> tell = {};
};

/// An open file. Positional, so one handle may be read by several threads; writes are the caller's
/// to order. Errors: not_found, denied (EACCES, EPERM, EROFS), exists, failed (EIO, ENOSPC and the
/// rest); `native` is errno.
class File {
  public:
    virtual ~File() = default;
    /// Bytes read: fewer than asked only at the end of the file.
    virtual Result<std::size_t> read_at(std::int64_t offset, char* out, std::size_t bytes) = 0;
    /// All of `bytes`, or an error after which any prefix of them may have been written.
    virtual Status write_at(std::int64_t offset, std::string_view bytes) = 0;
    /// Writes at the end, wherever that is by then: bytes that somebody else appended meanwhile are
    /// not written over. `written` says how many of `bytes` got there, after an error too; they
    /// stand in one piece, or where a write stopped half-way (a full disk) in several.
    virtual Status append(std::string_view bytes, std::size_t& written) = 0;
    virtual Status truncate(std::int64_t size) = 0;
    /// fdatasync: content and size. After a failure the state on disk is unknown.
    virtual Status sync_data() = 0;
    virtual Result<FileInfo> info() = 0;
    /// Sets the modification time alone (the change time moves too).
    virtual Status set_mtime_ns(std::int64_t mtime_ns) = 0;
    /// Advisory whole-file lock (flock: queued by the kernel, freed when the holder dies). Shared
    /// by nobody.
    virtual Status lock_exclusive() = 0;
    /// The same, in the same queue, within a limit. timed_out: somebody else held it all the time;
    /// the message names the process where the system tells. Close the file then: a thread stays in
    /// its place in the queue until its turn comes, and lets go at once.
    virtual Status lock_within(const LockWait& wait) = 0;
    /// False when somebody else holds it.
    virtual Result<bool> try_lock_exclusive() = 0;
    virtual void unlock() = 0;
    /// Whether somebody else has the file open and may write to it. For a file opened with
    /// OpenMode::read. unsupported: the system does not tell (it is another user's file, or the
    /// file system has no leases).
    virtual Result<bool> has_other_writers() {
        return fail(Code::unsupported, "who else has the file open is not known");
    }
};

/// Thread-safe. Paths are UTF-8 or any bytes but NUL; relative ones are against the working folder.
class FileSystem {
  public:
    virtual ~FileSystem() = default;
    virtual Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                               std::uint32_t permissions = 0644) = 0;
    /// Follows symbolic links. not_found where nothing is there.
    virtual Result<FileInfo> info(const std::string& path) = 0;
    /// As info(), but of a symbolic link itself: FileKind::other.
    virtual Result<FileInfo> link_info(const std::string& path) = 0;
    virtual Status rename(const std::string& from, const std::string& to) = 0;
    /// A second name for the same file; of a symbolic link, for the link. exists: that name is
    /// taken. denied or failed with EPERM, EOPNOTSUPP, EMLINK: this file system has no such thing,
    /// or not of this file.
    virtual Status hard_link(const std::string& from, const std::string& to) = 0;
    virtual Status unlink(const std::string& path) = 0;
    /// exists: something of that name is there already.
    virtual Status make_directory(const std::string& path, std::uint32_t permissions = 0755) = 0;
    /// An empty folder. not_found; failed with ENOTEMPTY: something is in it.
    virtual Status remove_directory(const std::string& path) = 0;
    /// Names without "." and "..", sorted by bytes.
    virtual Result<std::vector<std::string>> list(const std::string& path) = 0;
    /// Makes created, renamed and unlinked names of the folder durable.
    virtual Status sync_directory(const std::string& path) = 0;
    /// Whether the file system of `path` is one on which locks and mapped files cannot be trusted
    /// (NFS, SMB, 9p, FUSE); gives its name.
    virtual std::optional<std::string> network_file_system(const std::string& path) = 0;
};

/// The real one.
class SystemFileSystem final : public FileSystem {
  public:
    Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                       std::uint32_t permissions = 0644) override;
    Result<FileInfo> info(const std::string& path) override;
    Result<FileInfo> link_info(const std::string& path) override;
    Status rename(const std::string& from, const std::string& to) override;
    Status hard_link(const std::string& from, const std::string& to) override;
    Status unlink(const std::string& path) override;
    Status make_directory(const std::string& path, std::uint32_t permissions = 0755) override;
    Status remove_directory(const std::string& path) override;
    Result<std::vector<std::string>> list(const std::string& path) override;
    Status sync_directory(const std::string& path) override;
    std::optional<std::string> network_file_system(const std::string& path) override;
};

// --- what is built on the port alone ------------------------------------------------------------

/// The folder part of a path ("." where there is none) and its last part.
std::string folder_of(std::string_view path);
std::string name_of_path(std::string_view path);
std::string join_path(std::string_view folder, std::string_view name);

/// Whether hard_link() failed because it cannot be: no such thing on this file system, or not of
/// this file.
bool lacks_links(const Error& error);

/// The whole file. corrupt: larger than `bytes_max`.
Result<std::string> read_file(FileSystem& files, const std::string& path,
                              std::size_t bytes_max = 1U << 30);

/// The temporary file that replace_file uses: ".<name>.tmp" beside `path`. For ignore lists.
std::string temporary_path_of(std::string_view path);

/// Writes a temporary file beside `path`, flushes it, renames it over `path` and flushes the
/// folder. Readers see the old or the new content, never a part. After an error `path` is as it
/// was, or (only when the last flush failed, or a rename that happened was reported as failed:
/// outcome_unknown) one of the two. The temporary file is removed; one left by a crash, by the next
/// call. Safe between processes: each locks the temporary file, the last one wins.
Status replace_file(FileSystem& files, const std::string& path, std::string_view content,
                    std::uint32_t permissions = 0644);

/// replace_file() in pieces, for content that does not fit into memory. Not thread-safe.
class Replacement {
  public:
    /// Waits for another replacement of the same file.
    static Result<Replacement> begin(FileSystem& files, std::string path,
                                     std::uint32_t permissions = 0644);
    Replacement(Replacement&& other) noexcept;
    Replacement& operator=(Replacement&&) = delete;
    /// Without a commit `path` stays as it was.
    ~Replacement();
    Status write(std::string_view bytes);
    /// Begins again with nothing written.
    Status rewind();
    /// What was written is durable, under its temporary name; a commit right after is quick.
    Status flush();
    /// Durable when it returns; errors as of replace_file(). Call once.
    Status commit();

  private:
    Replacement(FileSystem& files, std::string path, std::unique_ptr<File> file)
        : x_files(files), x_path(std::move(path)), x_file(std::move(file)) {}
    FileSystem& x_files;
    std::string x_path;
    std::unique_ptr<File> x_file;  ///< Null: nothing to take back.
    std::int64_t x_at = 0;
};

/// Makes the folder and its missing parents, each flushed into its parent (also the one that is
/// there already: its maker may have died before the flush). Idempotent. not_found with errno
/// ENOTDIR: a file is in the way.
Status make_directories(FileSystem& files, const std::string& path,
                        std::uint32_t permissions = 0755);

}  // namespace taskstore::os
