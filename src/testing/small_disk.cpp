#include <taskstore/base/check.hpp>
#include <taskstore/testing/small_disk.hpp>

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace taskstore {
namespace {

Failure refused(const std::string& what) {
    const int why = errno;
    const bool denied = why == EPERM || why == EACCES;
    return fail(denied ? Code::denied : Code::failed, what + ": " + std::strerror(why))
        .with_hint("a disk of a test's own is for root (CAP_SYS_ADMIN)");
}

/// Mounts from now on are this thread's, and end with it.
Status own_mounts() {
    static thread_local bool own = false;
    if (own) return ok();
    if (::unshare(CLONE_NEWNS) != 0) return refused("unshare");
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        return refused("mount --make-rprivate /");
    own = true;
    return ok();
}

}  // namespace

Result<std::unique_ptr<SmallDisk>> SmallDisk::mount(const std::string& folder,
                                                    std::int64_t bytes_max) {
    TASKSTORE_TRY(own_mounts());
    const std::string size = "size=" + std::to_string(bytes_max) + ",mode=0755";
    if (::mount("taskstore-test", folder.c_str(), "tmpfs", MS_NOSUID | MS_NODEV, size.c_str()) != 0)
        return refused("mount on '" + folder + "'");
    return std::unique_ptr<SmallDisk>(new SmallDisk(folder));
}

SmallDisk::~SmallDisk() {
    ::umount2(x_folder.c_str(), MNT_DETACH);
}

Ballast::Ballast(const std::string& folder) : x_path(folder + "/ballast") {
    const int fd = ::open(x_path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    TASKSTORE_CHECK(fd >= 0);
    // Who writes at the same time takes a share: what is left is taken in smaller and smaller
    // bites.
    off_t taken = 0;
    for (off_t bite = 1 << 20; bite > 0;) {
        if (::posix_fallocate(fd, taken, bite) == 0)
            taken += bite;
        else
            bite /= 2;
    }
    ::close(fd);
}

Ballast::~Ballast() {
    ::unlink(x_path.c_str());
}

}  // namespace taskstore
