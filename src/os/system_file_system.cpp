#include <taskstore/os/file_system.hpp>

#include "deadline.hpp"
#include "descriptor.hpp"
#include "lock_text.hpp"
#include "system_error.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <dirent.h>
#include <csignal>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

namespace taskstore::os {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::chrono::milliseconds kMillisecond{1};

/// Repeats a system call that a signal interrupted.
template <typename Call>
auto uninterrupted(Call call) {
    decltype(call()) result;
    do {
        result = call();
    } while (result == -1 && errno == EINTR);
    return result;
}

/// The system would take the part before it and act on another file.
bool has_nul(const std::string& path) {
    return path.find('\0') != std::string::npos;
}

FileKind kind_of(std::uint32_t mode) {
    if (S_ISREG(mode)) return FileKind::regular;
    return S_ISDIR(mode) ? FileKind::directory : FileKind::other;
}

std::int64_t ns_of(const struct statx_timestamp& time) {
    return time.tv_sec * kNsPerSecond + time.tv_nsec;
}

std::int64_t ns_of(const struct timespec& time) {
    return time.tv_sec * kNsPerSecond + time.tv_nsec;
}

/// Old containers refuse statx, which alone knows the time of birth; 0 then stands for it.
int info_by_stat(int fd, const char* path, FileInfo& out, bool follow) {
    struct stat status{};
    const int failed = path[0] == '\0' ? ::fstat(fd, &status)
                       : follow        ? ::stat(path, &status)
                                       : ::lstat(path, &status);
    if (failed != 0) return errno;
    out.identity = {.device = status.st_dev,
                    .inode = status.st_ino,
                    .btime_ns = 0,
                    .size = status.st_size,
                    .mtime_ns = ns_of(status.st_mtim),
                    .ctime_ns = ns_of(status.st_ctim)};
    out.kind = kind_of(status.st_mode);
    out.mode = status.st_mode & 07777;
    out.owner = status.st_uid;
    return 0;
}

/// Of the open file when `path` is empty. Returns errno.
int info_of(int fd, const char* path, FileInfo& out, bool follow = true) {
    struct statx status{};
    const int flags = (path[0] == '\0' ? AT_EMPTY_PATH : 0) | (follow ? 0 : AT_SYMLINK_NOFOLLOW);
    if (::statx(fd, path, flags, STATX_BASIC_STATS | STATX_BTIME, &status) != 0) {
        if (errno == ENOSYS || errno == EPERM) return info_by_stat(fd, path, out, follow);
        return errno;
    }
    const bool born = (status.stx_mask & STATX_BTIME) != 0;
    out.identity = {.device = makedev(status.stx_dev_major, status.stx_dev_minor),
                    .inode = status.stx_ino,
                    .btime_ns = born ? ns_of(status.stx_btime) : 0,
                    .size = static_cast<std::int64_t>(status.stx_size),
                    .mtime_ns = ns_of(status.stx_mtime),
                    .ctime_ns = ns_of(status.stx_ctime)};
    out.kind = kind_of(status.stx_mode);
    out.mode = status.stx_mode & 07777U;
    out.owner = status.stx_uid;
    return 0;
}

/// flock(2) knows no time limit, and whoever asks again and again has no place in its queue: a
/// thread of its own waits there, on the same open file. When its caller has given up, it lets go
/// at once.
class QueuedLock {
  public:
    /// Takes `fd` over. Throws std::system_error where there can be no thread.
    explicit QueuedLock(Descriptor fd) : x_turn(std::make_shared<Turn>(std::move(fd))) {
        // Signals are for the threads of the program.
        sigset_t all;
        sigset_t before;
        ::sigfillset(&all);
        ::pthread_sigmask(SIG_SETMASK, &all, &before);
        const auto restore = [&] { ::pthread_sigmask(SIG_SETMASK, &before, nullptr); };
        try {
            std::thread([turn = x_turn] { turn->wait_for_it(); }).detach();
        } catch (...) {
            restore();
            throw;
        }
        restore();
    }
    ~QueuedLock() {
        const std::lock_guard guard(x_turn->mutex);
        x_turn->abandoned = true;
    }
    QueuedLock(const QueuedLock&) = delete;
    QueuedLock& operator=(const QueuedLock&) = delete;

    /// errno, or 0: locked. Nothing: not yet, after `deadline`.
    std::optional<int> wait(const Deadline& deadline) {
        std::unique_lock guard(x_turn->mutex);
        const auto came = [&] { return x_turn->error.has_value(); };
        if (!deadline.end())
            x_turn->came.wait(guard, came);
        else
            x_turn->came.wait_until(guard, *deadline.end(), came);
        return x_turn->error;
    }

  private:
    struct Turn {
        explicit Turn(Descriptor own) : fd(std::move(own)) {}
        void wait_for_it() {
            const int failed = uninterrupted([&] { return ::flock(fd.get(), LOCK_EX); });
            const int number = failed == 0 ? 0 : errno;
            const std::lock_guard guard(mutex);
            if (abandoned && number == 0) uninterrupted([&] { return ::flock(fd.get(), LOCK_UN); });
            error = number;
            came.notify_all();
        }
        Descriptor fd;
        std::mutex mutex;
        std::condition_variable came;
        std::optional<int> error;
        bool abandoned = false;
    };
    std::shared_ptr<Turn> x_turn;
};

class SystemFile final : public File {
  public:
    SystemFile(Descriptor fd, std::string path) : x_fd(std::move(fd)), x_path(std::move(path)) {}

    Result<std::size_t> read_at(std::int64_t offset, char* out, std::size_t bytes) override {
        std::size_t done = 0;
        while (done < bytes) {
            const auto at = offset + static_cast<std::int64_t>(done);
            const ssize_t n =
                uninterrupted([&] { return ::pread(x_fd.get(), out + done, bytes - done, at); });
            if (n < 0) return system_failure("read", x_path, errno);
            if (n == 0) break;
            done += static_cast<std::size_t>(n);
        }
        return done;
    }

    Status write_at(std::int64_t offset, std::string_view bytes) override {
        while (!bytes.empty()) {
            const ssize_t n = uninterrupted(
                [&] { return ::pwrite(x_fd.get(), bytes.data(), bytes.size(), offset); });
            if (n < 0) return system_failure("write", x_path, errno);
            if (n == 0) return system_failure("write", x_path, ENOSPC);
            bytes.remove_prefix(static_cast<std::size_t>(n));
            offset += n;
        }
        return ok();
    }

    Status append(std::string_view bytes, std::size_t& written) override {
        written = 0;
        while (written < bytes.size()) {
            struct iovec part{const_cast<char*>(bytes.data() + written), bytes.size() - written};
            ssize_t n =
                uninterrupted([&] { return ::pwritev2(x_fd.get(), &part, 1, 0, RWF_APPEND); });
            if (n < 0 && (errno == EOPNOTSUPP || errno == ENOSYS)) {
                // A file system or kernel without it: the size that was just asked is the best
                // there is.
                FileInfo now;
                if (const int error = info_of(x_fd.get(), "", now); error != 0)
                    return system_failure("examine", x_path, error);
                n = uninterrupted([&] {
                    return ::pwrite(x_fd.get(), part.iov_base, part.iov_len, now.identity.size);
                });
            }
            if (n < 0) return system_failure("write", x_path, errno);
            if (n == 0) return system_failure("write", x_path, ENOSPC);
            written += static_cast<std::size_t>(n);
        }
        return ok();
    }

    Status truncate(std::int64_t size) override {
        if (uninterrupted([&] { return ::ftruncate(x_fd.get(), size); }) != 0) {
            return system_failure("set the size of", x_path, errno);
        }
        return ok();
    }

    Status sync_data() override {
        if (uninterrupted([&] { return ::fdatasync(x_fd.get()); }) != 0) {
            return system_failure("flush", x_path, errno);
        }
        return ok();
    }

    Result<FileInfo> info() override {
        FileInfo info;
        if (const int error = info_of(x_fd.get(), "", info); error != 0) {
            return system_failure("examine", x_path, error);
        }
        return info;
    }

    Status set_mtime_ns(std::int64_t mtime_ns) override {
        std::int64_t seconds = mtime_ns / kNsPerSecond;
        std::int64_t rest = mtime_ns % kNsPerSecond;
        if (rest < 0) {
            rest += kNsPerSecond;
            --seconds;
        }
        std::array<struct timespec, 2> times{};
        times[0].tv_nsec = UTIME_OMIT;
        times[1].tv_sec = seconds;
        times[1].tv_nsec = rest;
        if (::futimens(x_fd.get(), times.data()) != 0) {
            return system_failure("set the time of", x_path, errno);
        }
        return ok();
    }

    Status lock_exclusive() override {
        if (uninterrupted([&] { return ::flock(x_fd.get(), LOCK_EX); }) != 0) {
            return system_failure("lock", x_path, errno);
        }
        return ok();
    }

    /// A read lease is given only where nobody has the file open for writing (fcntl(2)).
    Result<bool> has_other_writers() override {
        // Who opens it in between must not end this process: SIGIO would, SIGURG is ignored.
        if (::fcntl(x_fd.get(), F_SETSIG, SIGURG) != 0) return File::has_other_writers();
        if (::fcntl(x_fd.get(), F_SETLEASE, F_RDLCK) == 0) {
            ::fcntl(x_fd.get(), F_SETLEASE, F_UNLCK);
            return false;
        }
        if (errno == EAGAIN) return true;
        return File::has_other_writers();
    }

    Status lock_within(const LockWait& wait) override {
        if (!wait.limit_ms && !wait.tell) return lock_exclusive();
        const Deadline limit(wait.limit_ms);
        const auto holder = [&] {
            const auto held = info();
            return held ? holder_text(held->identity) : std::string("another process holds it");
        };
        TASKSTORE_LET(const bool locked, try_lock_exclusive());
        if (locked) return ok();
        if (limit.passed()) return lock_timed_out(x_path, *wait.limit_ms, holder());
        Descriptor own(::fcntl(x_fd.get(), F_DUPFD_CLOEXEC, 0));
        if (own.get() < 0) return system_failure("lock", x_path, errno);
        try {
            QueuedLock queued(std::move(own));
            const std::int64_t first_ms = limit.at_most(wait.tell_after_ms) / kMillisecond;
            auto error = queued.wait(Deadline(first_ms));
            if (!error) {
                if (wait.tell && !limit.passed())
                    wait.tell("waiting for '" + x_path + "': " + holder());
                error = queued.wait(limit);
            }
            if (!error) return lock_timed_out(x_path, *wait.limit_ms, holder());
            return *error == 0 ? ok() : Status(system_failure("lock", x_path, *error));
        } catch (const std::system_error& error) {
            return system_failure("lock", x_path, error.code().value());
        }
    }

    Result<bool> try_lock_exclusive() override {
        if (uninterrupted([&] { return ::flock(x_fd.get(), LOCK_EX | LOCK_NB); }) == 0) return true;
        if (errno == EWOULDBLOCK) return false;
        return system_failure("lock", x_path, errno);
    }

    void unlock() override {
        uninterrupted([&] { return ::flock(x_fd.get(), LOCK_UN); });
    }

  private:
    Descriptor x_fd;
    std::string x_path;
};

int flags_of(OpenMode mode) {
    switch (mode) {
        case OpenMode::read:
            return O_RDONLY;
        case OpenMode::read_write:
            return O_RDWR;
        case OpenMode::create:
            return O_RDWR | O_CREAT;
        case OpenMode::create_new:
            return O_RDWR | O_CREAT | O_EXCL;
    }
    return O_RDONLY;
}

struct NamedType {
    std::uint32_t magic;
    std::string_view name;
};

// statfs(2) and linux/magic.h. virtiofs reports FUSE's number.
constexpr std::array kNetworkTypes{
    NamedType{0x6969, "NFS"},
    NamedType{0x517B, "SMB"},
    NamedType{0xFE534D42, "SMB"},
    NamedType{0xFF534D42, "SMB"},
    NamedType{0x01021997, "9p"},
    NamedType{0x65735546, "FUSE"},
    NamedType{0x00C36400, "Ceph"},
    NamedType{0x5346414F, "AFS"},
    NamedType{0x6B414653, "AFS"},
    NamedType{0x73757245, "Coda"},
    NamedType{0x0BD00BD0, "Lustre"},
    NamedType{0x47504653, "GPFS"},
    NamedType{0x19830326, "BeeGFS"},
    NamedType{0x786F4256, "a VirtualBox shared folder"},
    NamedType{0xBACBACBC, "VMware shared folders"},
};

}  // namespace

Result<std::unique_ptr<File>> SystemFileSystem::open(const std::string& path, OpenMode mode,
                                                     std::uint32_t permissions) {
    if (has_nul(path)) return system_failure("open", path, EINVAL);
    // Without O_NONBLOCK a named pipe in the place of a file would hang the caller.
    const int flags = flags_of(mode) | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    Descriptor fd(uninterrupted([&] { return ::open(path.c_str(), flags, permissions); }));
    if (!fd) return system_failure(mode == OpenMode::create_new ? "create" : "open", path, errno);
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0) return system_failure("examine", path, errno);
    if (S_ISDIR(status.st_mode)) return system_failure("open", path, EISDIR);
    if (S_ISFIFO(status.st_mode)) {
        return fail(Code::failed, "cannot open '" + path + "': it is a pipe, not a file")
            .with_native(ESPIPE);
    }
    return std::unique_ptr<File>(std::make_unique<SystemFile>(std::move(fd), path));
}

namespace {

Result<FileInfo> info_of_path(const std::string& path, bool follow) {
    if (has_nul(path)) return system_failure("examine", path, EINVAL);
    if (path.empty()) return system_failure("examine", path, ENOENT);
    FileInfo info;
    if (const int error = info_of(AT_FDCWD, path.c_str(), info, follow); error != 0) {
        return system_failure("examine", path, error);
    }
    return info;
}

}  // namespace

Result<FileInfo> SystemFileSystem::info(const std::string& path) {
    return info_of_path(path, true);
}

Result<FileInfo> SystemFileSystem::link_info(const std::string& path) {
    return info_of_path(path, false);
}

Status SystemFileSystem::rename(const std::string& from, const std::string& to) {
    if (has_nul(from)) return system_failure("rename", from, EINVAL);
    if (has_nul(to)) return system_failure("rename to", to, EINVAL);
    if (::rename(from.c_str(), to.c_str()) != 0) {
        const int error = errno;
        return system_failure("rename '" + from + "' to", to, error);
    }
    return ok();
}

Status SystemFileSystem::hard_link(const std::string& from, const std::string& to) {
    if (has_nul(from)) return system_failure("link", from, EINVAL);
    if (has_nul(to)) return system_failure("link to", to, EINVAL);
    if (::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), 0) != 0) {
        const int error = errno;
        return system_failure("link '" + from + "' to", to, error);
    }
    return ok();
}

Status SystemFileSystem::unlink(const std::string& path) {
    if (has_nul(path)) return system_failure("remove", path, EINVAL);
    if (::unlink(path.c_str()) != 0) return system_failure("remove", path, errno);
    return ok();
}

Status SystemFileSystem::make_directory(const std::string& path, std::uint32_t permissions) {
    if (has_nul(path)) return system_failure("make the folder", path, EINVAL);
    if (::mkdir(path.c_str(), permissions) != 0) {
        return system_failure("make the folder", path, errno);
    }
    return ok();
}

Status SystemFileSystem::remove_directory(const std::string& path) {
    if (has_nul(path)) return system_failure("remove the folder", path, EINVAL);
    if (::rmdir(path.c_str()) != 0) return system_failure("remove the folder", path, errno);
    return ok();
}

Result<std::vector<std::string>> SystemFileSystem::list(const std::string& path) {
    if (has_nul(path)) return system_failure("list", path, EINVAL);
    struct Closer {
        void operator()(DIR* folder) const { ::closedir(folder); }
    };
    // glibc and musl open it with O_CLOEXEC.
    const std::unique_ptr<DIR, Closer> folder(::opendir(path.c_str()));
    if (!folder) return system_failure("list", path, errno);
    std::vector<std::string> names;
    for (;;) {
        errno = 0;
        const struct dirent* entry = ::readdir(folder.get());
        if (entry == nullptr) break;
        const std::string_view name(static_cast<const char*>(entry->d_name));
        if (name != "." && name != "..") names.emplace_back(name);
    }
    if (errno != 0) return system_failure("list", path, errno);
    std::sort(names.begin(), names.end());
    return names;
}

Status SystemFileSystem::sync_directory(const std::string& path) {
    if (has_nul(path)) return system_failure("flush the folder", path, EINVAL);
    const Descriptor fd(
        uninterrupted([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    if (!fd) return system_failure("open", path, errno);
    // EINVAL: a file system that has no flush of folders keeps names by other means.
    if (uninterrupted([&] { return ::fsync(fd.get()); }) != 0 && errno != EINVAL) {
        return system_failure("flush the folder", path, errno);
    }
    return ok();
}

std::optional<std::string> SystemFileSystem::network_file_system(const std::string& path) {
    struct statfs status{};
    std::string at = path.empty() ? "." : path;
    while (uninterrupted([&] { return ::statfs(at.c_str(), &status); }) != 0) {
        // What is not there yet will be on the file system of the folder that is.
        std::string up = folder_of(at);
        if ((errno != ENOENT && errno != ENOTDIR) || up == at) return std::nullopt;
        at = std::move(up);
    }
    const auto magic = static_cast<std::uint32_t>(status.f_type);
    for (const NamedType& type : kNetworkTypes) {
        if (type.magic == magic) return std::string(type.name);
    }
    return std::nullopt;
}

}  // namespace taskstore::os
