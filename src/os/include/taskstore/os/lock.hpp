#pragma once
// An advisory lock on a separate file (floor 1): writers of one store queue on it, across threads
// and processes.

#include <taskstore/os/file_system.hpp>

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace taskstore::os {

/// One per lock file and process, outliving its guards. Threads queue in here first; among
/// processes the kernel queues (flock), so that nobody starves who waits without a time limit. The
/// lock file is never deleted by taskstore; when somebody else deletes or replaces it while we
/// wait, we queue again on the new one. Not to be held while git or a user's command runs (I12). A
/// child of fork() without exec shares the lock until it ends.
class FileLock {
  public:
    FileLock(FileSystem& files, std::string path) : x_files(files), x_path(std::move(path)) {}
    FileLock(const FileLock&) = delete;
    FileLock& operator=(const FileLock&) = delete;

    /// Holds the lock until destroyed, in whichever thread. The kernel frees it when the process
    /// dies.
    class Guard {
      public:
        Guard(Guard&& other) noexcept;
        Guard& operator=(Guard&&) = delete;
        ~Guard();

      private:
        friend class FileLock;
        Guard(FileLock& lock, std::unique_ptr<File> file)
            : x_lock(&lock), x_file(std::move(file)) {}
        FileLock* x_lock;
        std::unique_ptr<File> x_file;
    };

    /// Waits as long as it takes (holders keep it for milliseconds; a rebuild for seconds). Makes
    /// the file when absent. Not recursive: a thread that already holds it waits for ever.
    Result<Guard> acquire() { return acquire_until({}, false); }
    /// The same within a limit, without losing the place in the queue. timed_out as below.
    Result<Guard> acquire(const LockWait& wait) { return acquire_until(wait, false); }
    /// timed_out: somebody else held it all the time; the message names the process where the
    /// system tells. 0 ms: one attempt. Among processes this asks again every 5 ms or less, so
    /// those that queue in acquire() go first.
    Result<Guard> acquire_within(std::int64_t timeout_ms) {
        return acquire_until({.limit_ms = timeout_ms}, true);
    }
    const std::string& path() const { return x_path; }

  private:
    Result<Guard> acquire_until(const LockWait& wait, bool polls);
    Result<std::unique_ptr<File>> lock_file(const LockWait& wait, bool polls);
    void leave();

    FileSystem& x_files;
    std::string x_path;
    std::mutex x_mutex;
    std::condition_variable x_left;
    bool x_held =
        false;  ///< By a thread of this process, or one of them is waiting for another process.
};

/// The process that holds a flock on the file, from /proc/locks; nothing when nobody does or it
/// cannot be told (another pid namespace, a file system whose device numbers differ there).
std::optional<std::int64_t> lock_holder(const FileIdentity& file);

}  // namespace taskstore::os
