#include <taskstore/os/file_system.hpp>
#include <taskstore/os/process.hpp>

#include "deadline.hpp"
#include "system_error.hpp"

#include <poll.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <thread>

namespace taskstore::os {
namespace {

constexpr std::size_t kProcBytesMax = 1U << 16;
constexpr std::size_t kStateField = 3;
constexpr std::size_t kStartField = 22;

Result<std::string> read_line(const std::string& path) {
    SystemFileSystem files;
    TASKSTORE_LET(std::string text, read_file(files, path, kProcBytesMax));
    text.resize(std::min(text.find('\n'), text.size()));
    return text;
}

struct ProcessState {
    std::uint64_t start_ticks = 0;
    bool ended = false;
};

Result<ProcessState> state_of(std::int64_t pid) {
    TASKSTORE_LET(const std::string line, read_line("/proc/" + std::to_string(pid) + "/stat"));
    const auto unreadable = [&] {
        return fail(Code::failed, "cannot read the start time of process " + std::to_string(pid) +
                                      " from /proc: '" + line + "'");
    };
    // Field 2 is the name in parentheses and may hold spaces and parentheses itself.
    const std::size_t name_end = line.rfind(')');
    if (name_end == std::string::npos || name_end + 2 >= line.size()) return unreadable();
    ProcessState state;
    const char letter = line[name_end + 2];
    state.ended = letter == 'Z' || letter == 'X' || letter == 'x';
    std::size_t at = name_end + 2;
    for (std::size_t field = kStateField; field < kStartField; ++field) {
        at = line.find(' ', at);
        if (at == std::string::npos) return unreadable();
        ++at;
    }
    const char* end = line.data() + line.size();
    if (std::from_chars(line.data() + at, end, state.start_ticks).ec != std::errc{}) {
        return unreadable();
    }
    return state;
}

std::uint64_t own_pid_namespace() {
    struct stat status{};
    return ::stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
}

class Pidfd {
  public:
    explicit Pidfd(std::int64_t pid)
        : x_fd(static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0U))) {}
    Pidfd(const Pidfd&) = delete;
    Pidfd& operator=(const Pidfd&) = delete;
    ~Pidfd() {
        if (x_fd >= 0) ::close(x_fd);
    }
    int get() const { return x_fd; }

  private:
    int x_fd;
};

}  // namespace

Result<std::string> boot_id() {
    return read_line("/proc/sys/kernel/random/boot_id");
}

Result<std::string> name_of_user(std::uint32_t uid) {
    std::string room(1024, '\0');
    while (true) {
        struct passwd entry{};
        struct passwd* found = nullptr;
        const int error = ::getpwuid_r(uid, &entry, room.data(), room.size(), &found);
        if (error == EINTR) continue;
        if (error == ERANGE && room.size() < kProcBytesMax) {
            room.resize(room.size() * 2);
            continue;
        }
        if (error != 0 || found == nullptr || *found->pw_name == '\0')
            return fail(Code::not_found, "user " + std::to_string(uid) + " has no name")
                .with_native(error);
        return std::string(found->pw_name);
    }
}

Result<std::string> machine_id() {
    for (const char* path : {"/etc/machine-id", "/var/lib/dbus/machine-id"}) {
        auto id = read_line(path);
        // systemd writes "uninitialized" into images that have not booted yet.
        if (id && id->size() == 32) return id;
    }
    return fail(Code::not_found, "this system has no machine id in /etc/machine-id")
        .with_hint("systemd-machine-id-setup makes one");
}

Result<ProcessIdentity> identify_process(std::int64_t pid) {
    ProcessIdentity identity;
    TASKSTORE_LET(const ProcessState state, state_of(pid));
    TASKSTORE_LET(identity.boot_id, boot_id());
    identity.pid = pid;
    identity.start_ticks = state.start_ticks;
    identity.pid_namespace = own_pid_namespace();
    return identity;
}

Result<ProcessIdentity> this_process() {
    return identify_process(::getpid());
}

Liveness liveness_of(const ProcessIdentity& process) {
    const auto boot = boot_id();
    if (!boot) return Liveness::unknown;
    if (*boot != process.boot_id) return Liveness::dead;
    if (process.pid_namespace != own_pid_namespace()) return Liveness::unknown;
    if (const auto state = state_of(process.pid); state) {
        const bool same = state->start_ticks == process.start_ticks;
        return same && !state->ended ? Liveness::alive : Liveness::dead;
    }
    // Not in /proc: gone, or hidden because it belongs to another user (hidepid).
    if (process.pid <= 0) return Liveness::dead;
    const bool gone = ::kill(static_cast<pid_t>(process.pid), 0) != 0 && errno == ESRCH;
    return gone ? Liveness::dead : Liveness::unknown;
}

Result<bool> wait_for_exit(const ProcessIdentity& process, std::optional<std::int64_t> timeout_ms) {
    const Deadline deadline(timeout_ms);
    const Pidfd pidfd(process.pid);
    std::int64_t pause_ms = 1;
    for (;;) {
        // Asked after the descriptor is open: it then stands for the very process that was asked
        // about.
        switch (liveness_of(process)) {
            case Liveness::dead:
                return true;
            case Liveness::unknown:
                return fail(Code::unsupported,
                            "cannot see whether process " + std::to_string(process.pid) +
                                " still runs: it belongs to another container or user");
            case Liveness::alive:
                break;
        }
        if (deadline.passed()) return false;
        if (pidfd.get() >= 0) {
            struct pollfd waited{.fd = pidfd.get(), .events = POLLIN, .revents = 0};
            if (::poll(&waited, 1, deadline.poll_ms()) < 0 && errno != EINTR) {
                return system_failure("wait for process", std::to_string(process.pid), errno);
            }
        } else {
            std::this_thread::sleep_for(deadline.at_most(pause_ms));
            pause_ms = std::min<std::int64_t>(pause_ms * 2, 250);
        }
    }
}

}  // namespace taskstore::os
