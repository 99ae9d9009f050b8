#include "vfs_locks.hpp"

#include <sqlite3.h>

#include <cstring>

namespace taskstore::sqlite {

int DatabaseLocks::lock(LockHolder& holder, int level) {
    const std::lock_guard guard(x_mutex);
    if (holder.level >= level) return SQLITE_OK;
    if (level == SQLITE_LOCK_SHARED) {
        if (x_pending != nullptr) return SQLITE_BUSY;
        ++x_shared;
        holder.level = SQLITE_LOCK_SHARED;
        return SQLITE_OK;
    }
    if (x_reserved != nullptr && x_reserved != &holder) return SQLITE_BUSY;
    if (level == SQLITE_LOCK_RESERVED) {
        x_reserved = &holder;
        holder.level = SQLITE_LOCK_RESERVED;
        return SQLITE_OK;
    }
    if (x_pending != nullptr && x_pending != &holder) return SQLITE_BUSY;
    x_reserved = &holder;
    x_pending = &holder;
    holder.level = SQLITE_LOCK_PENDING;
    if (x_shared > 1) return SQLITE_BUSY;  // Its own shared lock counts as one.
    holder.level = SQLITE_LOCK_EXCLUSIVE;
    return SQLITE_OK;
}

void DatabaseLocks::unlock(LockHolder& holder, int level) {
    const std::lock_guard guard(x_mutex);
    if (holder.level <= level) return;
    if (x_pending == &holder) x_pending = nullptr;
    if (x_reserved == &holder) x_reserved = nullptr;
    if (level == SQLITE_LOCK_NONE) --x_shared;
    holder.level = level;
}

bool DatabaseLocks::reserved() {
    const std::lock_guard guard(x_mutex);
    return x_reserved != nullptr;
}

void DatabaseLocks::map_region(std::size_t index, std::size_t bytes, bool extend,
                               volatile void** region) {
    const std::lock_guard guard(x_mutex);
    *region = nullptr;
    if (index >= x_regions.size() && !extend) return;
    while (x_regions.size() <= index) x_regions.push_back(std::make_unique<std::byte[]>(bytes));
    *region = x_regions[index].get();
}

int DatabaseLocks::lock_index(LockHolder& holder, unsigned mask, bool exclusive) {
    const std::lock_guard guard(x_mutex);
    for (std::size_t i = 0; i < kIndexLocks; ++i) {
        if ((mask >> i & 1U) == 0) continue;
        LockHolder* const owner = x_index_exclusive[i];
        if (owner != nullptr && owner != &holder) return SQLITE_BUSY;
        const int mine = static_cast<int>(holder.shm_shared >> i & 1U);
        if (exclusive && x_index_shared[i] > mine) return SQLITE_BUSY;
    }
    for (std::size_t i = 0; i < kIndexLocks; ++i) {
        const unsigned bit = mask & 1U << i;
        if (bit == 0) continue;
        if (exclusive) {
            x_index_exclusive[i] = &holder;
            holder.shm_exclusive |= bit;
        } else if ((holder.shm_shared & bit) == 0) {
            ++x_index_shared[i];
            holder.shm_shared |= bit;
        }
    }
    return SQLITE_OK;
}

void DatabaseLocks::unlock_index(LockHolder& holder, unsigned mask) {
    const std::lock_guard guard(x_mutex);
    for (std::size_t i = 0; i < kIndexLocks; ++i) {
        const unsigned bit = mask & 1U << i;
        if ((holder.shm_exclusive & bit) != 0) x_index_exclusive[i] = nullptr;
        if ((holder.shm_shared & bit) != 0) --x_index_shared[i];
    }
    holder.shm_exclusive &= ~mask;
    holder.shm_shared &= ~mask;
}

void DatabaseLocks::barrier() {
    const std::lock_guard guard(x_mutex);
}

void DatabaseLocks::join_index() {
    const std::lock_guard guard(x_mutex);
    ++x_index_users;
}

void DatabaseLocks::leave_index(LockHolder& holder) {
    unlock_index(holder, ~0U);
    const std::lock_guard guard(x_mutex);
    if (--x_index_users == 0) x_regions.clear();
}

std::shared_ptr<DatabaseLocks> VfsLocks::of(const os::FileIdentity& file) {
    const std::lock_guard guard(x_mutex);
    std::erase_if(x_by_file, [](const auto& entry) { return entry.second.expired(); });
    std::weak_ptr<DatabaseLocks>& entry = x_by_file[{file.device, file.inode}];
    auto locks = entry.lock();
    if (locks == nullptr) {
        locks = std::make_shared<DatabaseLocks>();
        entry = locks;
    }
    return locks;
}

}  // namespace taskstore::sqlite
