#pragma once
// The locks of one process on its databases, in memory: the five levels on the database file
// (https://sqlite.org/lockingv3.html) and the eight locks of the WAL index
// (https://sqlite.org/walformat.html section 2.3), with the index itself. They die with the
// process, as the real ones do.

#include <taskstore/os/file_system.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace taskstore::sqlite {

/// Who holds a lock: one open file of one connection. Owned by that file; used under VfsLocks'
/// mutex.
struct LockHolder {
    int level = 0;            ///< SQLITE_LOCK_NONE … SQLITE_LOCK_EXCLUSIVE
    unsigned shm_shared = 0;  ///< Bits of the WAL index locks held.
    unsigned shm_exclusive = 0;
};

/// All holders of one file. Every call answers a SQLite result code; SQLITE_BUSY: somebody else
/// holds it.
///
///   NONE → SHARED          unless somebody is PENDING or EXCLUSIVE
///   SHARED → RESERVED      one at a time; others may still read and begin to
///   any → EXCLUSIVE        becomes PENDING at once (no new reader), EXCLUSIVE when the last reader
///   has left
class DatabaseLocks {
  public:
    int lock(LockHolder& holder, int level);
    void unlock(LockHolder& holder, int level);
    bool reserved();

    /// `*region` stays nullptr where the region is not there and `extend` is false.
    void map_region(std::size_t index, std::size_t bytes, bool extend, volatile void** region);
    int lock_index(LockHolder& holder, unsigned mask, bool exclusive);
    void unlock_index(LockHolder& holder, unsigned mask);
    void barrier();
    void join_index();
    /// The last one out takes the index with it: the next connection recovers it from the WAL.
    void leave_index(LockHolder& holder);

  private:
    static constexpr std::size_t kIndexLocks = 8;
    std::mutex x_mutex;
    int x_shared = 0;
    LockHolder* x_reserved = nullptr;  ///< The one that is RESERVED or higher.
    LockHolder* x_pending = nullptr;   ///< The one that is PENDING or EXCLUSIVE.
    std::array<int, kIndexLocks> x_index_shared{};
    std::array<LockHolder*, kIndexLocks> x_index_exclusive{};
    std::vector<std::unique_ptr<std::byte[]>> x_regions;
    int x_index_users = 0;
};

/// Thread-safe.
class VfsLocks {
  public:
    /// Of an open file, not of a name: who holds a file that another was put in place of shares
    /// nothing with the holders of that one. No other file has its numbers while it is open.
    std::shared_ptr<DatabaseLocks> of(const os::FileIdentity& file);

  private:
    std::mutex x_mutex;
    std::map<std::pair<std::uint64_t, std::uint64_t>, std::weak_ptr<DatabaseLocks>>
        x_by_file;  ///< By device and inode.
};

}  // namespace taskstore::sqlite
