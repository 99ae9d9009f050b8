// Finding processes by what their environment held when they began.

#include <taskstore/os/guard.hpp>

#include "deadline.hpp"
#include "descriptor.hpp"
#include "system_error.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <memory>

namespace taskstore::os {
namespace {

constexpr std::int64_t kWaitMsMax = 5'000;

/// Entries of what it began with; empty where it is not ours to read.
std::string environment_of(pid_t pid) {
    const Descriptor file(
        ::open(("/proc/" + std::to_string(pid) + "/environ").c_str(), O_RDONLY | O_CLOEXEC));
    std::string text;
    std::array<char, 16384> some;
    while (file.get() >= 0) {
        const ssize_t got = ::read(file.get(), some.data(), some.size());
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) break;
        text.append(some.data(), static_cast<std::size_t>(got));
    }
    return text;
}

bool has_entry(pid_t pid, const std::string& entry) {
    const std::string text = environment_of(pid);
    for (std::size_t at = text.find(entry); at != std::string::npos;
         at = text.find(entry, at + 1)) {
        const std::size_t end = at + entry.size();
        const bool begins = at == 0 || text[at - 1] == '\0';
        if (begins && (end == text.size() || text[end] == '\0')) return true;
    }
    return false;
}

Result<std::vector<pid_t>> marked(const std::string& entry) {
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc"), ::closedir);
    if (!folder) return system_failure("list", "/proc", errno);
    std::vector<pid_t> found;
    while (const dirent* const one = ::readdir(folder.get())) {
        if (one->d_name[0] < '1' || one->d_name[0] > '9') continue;
        const auto pid = static_cast<pid_t>(std::strtol(one->d_name, nullptr, 10));
        if (has_entry(pid, entry)) found.push_back(pid);
    }
    return found;
}

}  // namespace

Result<int> end_marked(std::string_view entry) {
    const std::string wanted(entry);
    if (has_entry(::getpid(), wanted))
        return fail(Code::conflict, "this process itself began with " + wanted);
    const Deadline deadline(kWaitMsMax);
    int count = 0;
    while (true) {
        TASKSTORE_LET(const std::vector<pid_t> found, marked(wanted));
        if (found.empty()) return count;
        for (const pid_t pid : found) {
            // The descriptor stands for the process that is looked at again: its number may be
            // another's by now.
            const Descriptor process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0U)));
            if (process.get() < 0 || !has_entry(pid, wanted)) continue;
            if (::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0U) != 0) {
                if (errno == ESRCH) continue;
                return system_failure("end", "process " + std::to_string(pid), errno);
            }
            ++count;
            struct pollfd waited{process.get(), POLLIN, 0};
            ::poll(&waited, 1, deadline.poll_ms());
        }
        if (deadline.passed())
            return fail(Code::timed_out, "processes that began with " + wanted +
                                             " are still there after they were killed");
    }
}

}  // namespace taskstore::os
