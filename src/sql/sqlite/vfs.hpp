#pragma once
// A SQLite VFS (https://sqlite.org/vfs.html) over os::FileSystem: what a test can break or cut off,
// a database can be run on. WAL works (the index is in memory); mapped reads fall back to plain
// ones.

#include "vfs_locks.hpp"

#include <sqlite3.h>
#include <taskstore/base/clock.hpp>
#include <taskstore/os/file_system.hpp>

#include <atomic>
#include <cstdint>
#include <string>

namespace taskstore::sqlite {

/// Registered with SQLite while it lives, under a name of its own. Thread-safe.
class Vfs {
  public:
    Vfs(os::FileSystem& files, const Clock* clock);
    ~Vfs();
    Vfs(const Vfs&) = delete;
    Vfs& operator=(const Vfs&) = delete;
    const char* name() const { return x_name.c_str(); }

    os::FileSystem& files() { return x_files; }
    VfsLocks& locks() { return x_locks; }
    std::int64_t wall_ms() const;
    /// errno of the last failure, for messages.
    void note_failure(int error) { x_last_errno.store(error); }
    int last_errno() const { return x_last_errno.load(); }

  private:
    os::FileSystem& x_files;
    const Clock* x_clock;
    std::string x_name;
    VfsLocks x_locks;
    std::atomic<int> x_last_errno{0};
    sqlite3_vfs x_vfs{};
};

}  // namespace taskstore::sqlite
