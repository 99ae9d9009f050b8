#include "isolation_process.hpp"

#include <fcntl.h>
#include <linux/capability.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

namespace taskstore::os {
namespace {

constexpr const char* kSharedMemoryOptions = "size=64m,mode=1777";
constexpr int kCapabilitiesMax = 64;

struct PartFlag {
    IsolationPart part;
    unsigned long flag;
};
constexpr std::array kFlags{
    PartFlag{IsolationPart::user, CLONE_NEWUSER},   PartFlag{IsolationPart::mount, CLONE_NEWNS},
    PartFlag{IsolationPart::ipc, CLONE_NEWIPC},     PartFlag{IsolationPart::uts, CLONE_NEWUTS},
    PartFlag{IsolationPart::network, CLONE_NEWNET}, PartFlag{IsolationPart::pid, CLONE_NEWPID}};

StepFailure failed(Step step) {
    return {step, errno};
}

bool write_file(const char* path, const char* text, std::size_t bytes) {
    const int fd = ::open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return false;
    const bool written = ::write(fd, text, bytes) == static_cast<ssize_t>(bytes);
    const int error = errno;
    ::close(fd);
    errno = error;
    return written;
}

/// "ID ID 1": the one that it has outside.
bool map_id(const char* path, std::uint32_t id) {
    std::array<char, 10> digits;
    std::size_t count = 0;
    do {
        digits[count++] = static_cast<char>('0' + id % 10);
        id /= 10;
    } while (id > 0);
    std::array<char, 32> text;
    char* end = text.data();
    for (int times = 0; times < 2; ++times) {
        for (std::size_t i = count; i > 0; --i) *end++ = digits[i - 1];
        *end++ = ' ';
    }
    *end++ = '1';
    return write_file(path, text.data(), static_cast<std::size_t>(end - text.data()));
}

bool map_user(const Surroundings& wanted) {
    // The files in /proc are root's where a process is not to be read.
    ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    return map_id("/proc/self/uid_map", wanted.user) &&
           write_file("/proc/self/setgroups", "deny", 4) &&
           map_id("/proc/self/gid_map", wanted.group);
}

bool set_read_only(const char* path, bool read_only, unsigned flags) {
    struct mount_attr change{};
    (read_only ? change.attr_set : change.attr_clr) = MOUNT_ATTR_RDONLY;
    return ::mount_setattr(AT_FDCWD, path, flags, &change, sizeof change) == 0;
}

bool bind(const char* what, const char* where) {
    return ::mount(what, where, nullptr, MS_BIND | MS_REC, nullptr) == 0;
}

StepFailure furnish_files(const Surroundings& wanted) {
    if (::mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        return failed(Step::mounts);
    std::array<bool, kWritableMax> was_read_only{};
    for (std::uint32_t i = 0; i < wanted.writable_count; ++i) {
        struct statfs status{};
        if (::statfs(wanted.writable[i], &status) != 0 ||
            !bind(wanted.writable[i], wanted.writable[i]))
            return failed(Step::writable);
        was_read_only[i] = (static_cast<unsigned long>(status.f_flags) & ST_RDONLY) != 0;
    }
    if (!set_read_only("/", true, AT_RECURSIVE)) return failed(Step::read_only);
    for (std::uint32_t i = 0; i < wanted.writable_count; ++i) {
        if (!was_read_only[i] && !set_read_only(wanted.writable[i], false, 0))
            return failed(Step::writable);
    }
    for (const char* where : {"/tmp", "/var/tmp"}) {
        if (*wanted.tmp != '\0' && !bind(wanted.tmp, where) && errno != ENOENT)
            return failed(Step::tmp);
    }
    if (::mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, kSharedMemoryOptions) != 0 &&
        errno != ENOENT)
        return failed(Step::shared_memory);
    return {};
}

bool raise_loopback() {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    struct ifreq request{};
    std::memcpy(request.ifr_name, "lo", 3);
    bool up = ::ioctl(fd, SIOCGIFFLAGS, &request) == 0;
    request.ifr_flags = static_cast<short>(request.ifr_flags | IFF_UP);
    up = up && ::ioctl(fd, SIOCSIFFLAGS, &request) == 0;
    const int error = errno;
    ::close(fd);
    errno = error;
    return up;
}

bool limit(int which, std::int64_t wanted, std::int64_t further) {
    if (wanted < 0) return true;
    struct rlimit now{};
    const auto resource = static_cast<__rlimit_resource>(which);
    if (::getrlimit(resource, &now) != 0) return false;
    const auto most = now.rlim_max;
    now.rlim_cur = std::min(static_cast<rlim_t>(wanted), most);
    now.rlim_max = std::min(static_cast<rlim_t>(wanted) + static_cast<rlim_t>(further), most);
    return ::setrlimit(resource, &now) == 0;
}

/// Whether TERM came from outside of the namespace: those within have no say over it.
bool is_told_to_end(int signals) {
    bool told = false;
    struct signalfd_siginfo one{};
    while (::read(signals, &one, sizeof one) == sizeof one)
        told = told || (one.ssi_signo == SIGTERM && one.ssi_pid == 0);
    return told;
}

}  // namespace

pid_t fork_into(PartBits parts) {
    unsigned long flags = SIGCHLD;
    for (const PartFlag& one : kFlags) {
        if (has(parts, one.part)) flags |= one.flag;
    }
    return static_cast<pid_t>(::syscall(SYS_clone, flags, nullptr, nullptr, nullptr, nullptr));
}

StepFailure furnish(const Surroundings& wanted) {
    if (has(wanted.parts, IsolationPart::user) && !map_user(wanted)) return failed(Step::user);
    ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
    if (has(wanted.parts, IsolationPart::mount)) {
        if (const StepFailure failure = furnish_files(wanted)) return failure;
    }
    if (has(wanted.parts, IsolationPart::network) && !raise_loopback())
        return failed(Step::loopback);
    if (has(wanted.parts, IsolationPart::pid) &&
        ::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr) != 0)
        return failed(Step::processes);
    return {};
}

StepFailure give_up_rights() {
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return failed(Step::rights);
    ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    for (int capability = 0; capability < kCapabilitiesMax; ++capability) {
        if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0 || errno == EINVAL) continue;
        // Who has none, and is not root, gains none without new privileges.
        if (::geteuid() == 0 || ::getuid() == 0) return failed(Step::rights);
        break;
    }
    struct __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
    std::array<struct __user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none{};
    if (::syscall(SYS_capset, &head, none.data()) != 0) return failed(Step::rights);
    return {};
}

StepFailure limit_self(const LimitNumbers& limits) {
    constexpr std::int64_t kSecondsToKill = 1;
    if (limit(RLIMIT_CORE, 0, 0) && limit(RLIMIT_DATA, limits.memory_bytes, 0) &&
        limit(RLIMIT_CPU, limits.cpu_seconds, kSecondsToKill) &&
        limit(RLIMIT_NOFILE, limits.files, 0) && limit(RLIMIT_NPROC, limits.processes, 0))
        return {};
    return failed(Step::limits);
}

void be_first(pid_t command, int guard) {
    ::prctl(PR_SET_NAME, "taskstore-first", 0, 0, 0);
    sigset_t wanted;
    ::sigemptyset(&wanted);
    ::sigaddset(&wanted, SIGCHLD);
    ::sigaddset(&wanted, SIGTERM);
    const int signals = ::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals < 0) ::_exit(1);
    while (true) {
        // Looked at once before the first sleep: it may have ended already.
        int status = 0;
        for (pid_t gone = 0; (gone = ::waitpid(-1, &status, WNOHANG)) > 0;) {
            if (gone != command) continue;
            static_cast<void>(!::write(guard, &status, sizeof status));
            ::_exit(0);
        }
        std::array<struct pollfd, 2> waited{{{signals, POLLIN, 0}, {guard, 0, 0}}};
        if (::poll(waited.data(), waited.size(), -1) < 0) continue;
        if (waited[1].revents != 0) ::_exit(1);
        if (is_told_to_end(signals)) ::kill(-command, SIGTERM);
    }
}

}  // namespace taskstore::os
