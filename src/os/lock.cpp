#include <taskstore/os/lock.hpp>

namespace taskstore::os {

FileLock::Guard::Guard(Guard&& other) noexcept = default;

FileLock::Guard::~Guard() {
    if (x_file) x_file->unlock();
}

Result<FileLock::Guard> FileLock::acquire() {
    std::unique_lock thread(x_mutex);
    while (true) {
        TASKSTORE_LET(auto file, x_files.open(x_path, OpenMode::create));
        TASKSTORE_TRY(file->lock_exclusive());
        TASKSTORE_LET(const FileInfo mine, file->info());
        const auto at_path = x_files.info(x_path);
        if (at_path && at_path->identity.device == mine.identity.device &&
            at_path->identity.inode == mine.identity.inode) {
            return Guard(std::move(thread), std::move(file));
        }
        if (!at_path && at_path.error().code != Code::not_found) return fail(at_path.error());
    }
}

}  // namespace taskstore::os
