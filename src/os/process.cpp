#include <taskstore/base/hash.hpp>
#include <taskstore/os/file_system.hpp>
#include <taskstore/os/process.hpp>

#include "deadline.hpp"
#include "descriptor.hpp"
#include "proc_stat.hpp"
#include "system_error.hpp"

#include <poll.h>
#include <pwd.h>
#include <sys/epoll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <map>
#include <thread>

namespace taskstore::os {
namespace {

constexpr std::size_t kProcBytesMax = 1U << 16;
constexpr std::size_t kMachineLetters = 16;

Result<std::string> read_line(const std::string& path) {
    SystemFileSystem files;
    TASKSTORE_LET(std::string text, read_file(files, path, kProcBytesMax));
    text.resize(std::min(text.find('\n'), text.size()));
    return text;
}

std::uint64_t own_pid_namespace() {
    struct stat status{};
    return ::stat("/proc/self/ns/pid", &status) == 0 ? status.st_ino : 0;
}

int open_pidfd(std::int64_t pid) {
    return static_cast<int>(::syscall(SYS_pidfd_open, static_cast<pid_t>(pid), 0U));
}

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

std::string machine_name() {
    const auto id = machine_id();
    if (!id) return "";
    constexpr const char* kCards = "/sys/class/net";
    SystemFileSystem files;
    std::vector<std::string> addresses;
    const auto cards = files.list(kCards);
    for (const std::string& card : cards ? *cards : std::vector<std::string>()) {
        const std::string folder = join_path(kCards, card);
        // Those of hardware alone: what containers and tunnels have changes.
        if (!files.info(folder + "/device")) continue;
        if (auto address = read_line(folder + "/address")) addresses.push_back(*address);
    }
    std::ranges::sort(addresses);
    std::string text = *id;
    for (const std::string& address : addresses) text += "\n" + address;
    return sha256_hex(text).substr(0, kMachineLetters);
}

Result<ProcessIdentity> identify_process(std::int64_t pid) {
    ProcessIdentity identity;
    TASKSTORE_LET(const ProcStat stat, proc_stat(static_cast<pid_t>(pid)));
    TASKSTORE_LET(identity.boot_id, boot_id());
    identity.pid = pid;
    identity.start_ticks = stat.start_ticks;
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
    if (const auto stat = proc_stat(static_cast<pid_t>(process.pid)); stat) {
        const bool same = stat->start_ticks == process.start_ticks;
        return same && !stat->ended ? Liveness::alive : Liveness::dead;
    }
    // Not in /proc: gone, or hidden because it belongs to another user (hidepid).
    if (process.pid <= 0) return Liveness::dead;
    const bool gone = ::kill(static_cast<pid_t>(process.pid), 0) != 0 && errno == ESRCH;
    return gone ? Liveness::dead : Liveness::unknown;
}

Result<bool> wait_for_exit(const ProcessIdentity& process, std::optional<std::int64_t> timeout_ms) {
    const Deadline deadline(timeout_ms);
    const Descriptor pidfd(open_pidfd(process.pid));
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

struct ExitWatch::State {
    Descriptor all{::epoll_create1(EPOLL_CLOEXEC)};
    std::map<std::int64_t, std::pair<ProcessIdentity, Descriptor>> watched;  ///< By pid.
};

ExitWatch::ExitWatch(std::unique_ptr<State> state) : x_state(std::move(state)) {}
ExitWatch::ExitWatch(ExitWatch&&) noexcept = default;
ExitWatch& ExitWatch::operator=(ExitWatch&&) noexcept = default;
ExitWatch::~ExitWatch() = default;

Result<ExitWatch> ExitWatch::open() {
    auto state = std::make_unique<State>();
    if (state->all.get() < 0) return system_failure("make", "epoll", errno);
    return ExitWatch(std::move(state));
}

Result<bool> ExitWatch::add(const ProcessIdentity& process) {
    const auto known = x_state->watched.find(process.pid);
    if (known != x_state->watched.end()) {
        if (known->second.first == process) return true;
        x_state->watched.erase(known);
    }
    Descriptor pidfd(open_pidfd(process.pid));
    // Asked after the descriptor is open, as in wait_for_exit().
    if (pidfd.get() < 0 || liveness_of(process) != Liveness::alive) return false;
    struct epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = static_cast<std::uint64_t>(process.pid);
    if (::epoll_ctl(x_state->all.get(), EPOLL_CTL_ADD, pidfd.get(), &event) != 0)
        return system_failure("watch process", std::to_string(process.pid), errno);
    x_state->watched.emplace(process.pid, std::pair(process, std::move(pidfd)));
    return true;
}

int ExitWatch::descriptor() const {
    return x_state->all.get();
}

std::vector<ProcessIdentity> ExitWatch::ended() {
    std::vector<ProcessIdentity> out;
    std::array<struct epoll_event, 64> events;
    const int ready = ::epoll_wait(x_state->all.get(), events.data(), events.size(), 0);
    for (int i = 0; i < ready; ++i) {
        const auto pid = static_cast<std::int64_t>(events[static_cast<std::size_t>(i)].data.u64);
        const auto found = x_state->watched.find(pid);
        if (found == x_state->watched.end()) continue;
        out.push_back(found->second.first);
        x_state->watched.erase(found);
    }
    return out;
}

}  // namespace taskstore::os
