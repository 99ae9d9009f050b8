#pragma once
// An advisory lock on a separate file (floor 1): writers of one store queue on it, across threads and processes.

#include <taskstore/os/file_system.hpp>

#include <mutex>

namespace taskstore::os {

/// One per lock file and process; acquire() from several threads queues them in here first, because flock
/// belongs to the open file, not to the thread. The lock file is never deleted by taskstore; when somebody else
/// deletes or replaces it while we wait, we queue again on the new one.
class FileLock {
  public:
    FileLock(FileSystem& files, std::string path) : x_files(files), x_path(std::move(path)) {}

    /// Holds the lock until destroyed. The kernel frees it when the process dies.
    class Guard {
      public:
        Guard(Guard&& other) noexcept;
        Guard& operator=(Guard&&) = delete;
        ~Guard();

      private:
        friend class FileLock;
        Guard(std::unique_lock<std::mutex> thread, std::unique_ptr<File> file)
            : x_thread(std::move(thread)), x_file(std::move(file)) {}
        std::unique_lock<std::mutex> x_thread;
        std::unique_ptr<File> x_file;
    };

    /// Waits as long as it takes (holders keep it for milliseconds; a rebuild for seconds).
    Result<Guard> acquire();
    const std::string& path() const { return x_path; }

  private:
    FileSystem& x_files;
    std::string x_path;
    std::mutex x_mutex;
};

}  // namespace taskstore::os
