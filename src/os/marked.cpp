// Finding what belongs to a command when its guard cannot say: by what the environment of processes
// held when they began, and by who descends from the guard.

#include <taskstore/os/guard.hpp>

#include "deadline.hpp"
#include "descriptor.hpp"
#include "proc_stat.hpp"
#include "system_error.hpp"

#include <poll.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <map>
#include <set>

namespace taskstore::os {
namespace {

constexpr std::int64_t kWaitMsMax = 5'000;

/// Empty where it is not ours to read, or gone.
std::string text_of(const std::string& path) {
    return proc_text(path).value_or("");
}

struct Seen {
    pid_t pid = 0;
    ProcStat stat;
    bool is(const Result<ProcStat>& now) const {
        return now && now->start_ticks == stat.start_ticks;
    }
};

/// Entries of what it began with.
std::string environment_of(pid_t pid) {
    const std::string folder = "/proc/" + std::to_string(pid);
    std::string text = text_of(folder + "/environ");
    if (!text.empty()) return text;
    // A first thread that has ended has none any more; the others have.
    const std::vector<pid_t> threads = proc_numbers(folder + "/task");
    for (const pid_t thread : threads) {
        if (threads.size() < 2 || !text.empty()) break;
        text = text_of(folder + "/task/" + std::to_string(thread) + "/environ");
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

/// Those that are to end, with the descendants of `guard` (0: of none).
std::vector<Seen> found(const std::string& entry, pid_t guard) {
    std::map<pid_t, Seen> all;
    for (const pid_t pid : proc_numbers("/proc"))
        if (const auto stat = proc_stat(pid)) all.emplace(pid, Seen{pid, *stat});
    const auto descends = [&](const Seen& seen) {
        // A bound, for numbers that were given anew while we read.
        pid_t above = seen.stat.parent;
        for (std::size_t step = 0; guard != 0 && above != 0 && step < all.size(); ++step) {
            if (above == guard) return true;
            const auto parent = all.find(above);
            above = parent == all.end() ? 0 : parent->second.stat.parent;
        }
        return false;
    };
    std::vector<Seen> wanted;
    for (const auto& [pid, seen] : all)
        if (!seen.stat.ended && (descends(seen) || has_entry(pid, entry))) wanted.push_back(seen);
    return wanted;
}

/// The lock file's name in what a process under a guard began with.
std::string mark_of(pid_t pid) {
    const std::string name = std::string(kGuardMark) + "=";
    const std::string text = environment_of(pid);
    std::size_t at = text.find(name);
    while (at != std::string::npos && at > 0 && text[at - 1] != '\0') at = text.find(name, at + 1);
    return at == std::string::npos ? "" : std::string(text.c_str() + at + name.size());
}

/// Sends KILL to those that are still the same. What they may be waited for by.
std::vector<Descriptor> kill_seen(const std::vector<Seen>& wanted, int& error) {
    std::vector<Descriptor> killed;
    for (const Seen& one : wanted) {
        // The descriptor stands for the process that is looked at again: its number may be
        // another's by now.
        Descriptor process(static_cast<int>(::syscall(SYS_pidfd_open, one.pid, 0U)));
        if (process.get() < 0 || !one.is(proc_stat(one.pid))) continue;
        if (::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0U) == 0)
            killed.push_back(std::move(process));
        else if (errno != ESRCH)
            error = errno;
    }
    return killed;
}

void wait_for(const std::vector<Descriptor>& killed, const Deadline& deadline) {
    for (const Descriptor& one : killed) {
        struct pollfd waited{one.get(), POLLIN, 0};
        ::poll(&waited, 1, deadline.poll_ms());
    }
}

/// How many there were.
Result<int> end_all(const std::string& entry, pid_t guard, const Deadline& deadline) {
    if (has_entry(::getpid(), entry))
        return fail(Code::conflict, "this process itself began with " + entry);
    int count = 0;
    while (true) {
        const std::vector<Seen> wanted = found(entry, guard);
        if (wanted.empty()) return count;
        int error = 0;
        const std::vector<Descriptor> killed = kill_seen(wanted, error);
        count += static_cast<int>(killed.size());
        wait_for(killed, deadline);
        if (error != 0)
            return system_failure("end", "process " + std::to_string(wanted.front().pid), error);
        if (deadline.passed())
            return fail(Code::timed_out, "process " + std::to_string(wanted.front().pid) +
                                             ", which belongs to " + entry +
                                             ", is still there after it was killed");
    }
}

/// The guard that holds the lock; 0: nobody does.
Result<pid_t> guard_of(const std::string& lock_path) {
    const std::string text = text_of(lock_path);
    // Looked at after the file was read: as long as it is held, what it says is true.
    TASKSTORE_LET(const LockState state, lock_state(lock_path));
    if (state != LockState::held) return pid_t{0};
    pid_t pid = 0;
    std::uint64_t space = 0;
    const char* const end = text.data() + text.size();
    const auto read = std::from_chars(text.data(), end, pid);
    if (read.ec == std::errc() && read.ptr != end) std::from_chars(read.ptr + 1, end, space);
    struct stat own{};
    if (::stat("/proc/self/ns/pid", &own) != 0 || own.st_ino != space || pid <= 0)
        return fail(Code::unsupported, "the guard that holds " + lock_path +
                                           " cannot be seen from here: it runs in another "
                                           "container, or has only begun");
    return pid;
}

}  // namespace

Result<int> end_marked(std::string_view entry) {
    return end_all(std::string(entry), 0, Deadline(kWaitMsMax));
}

std::vector<std::string> end_all_marked(const std::vector<std::string>& names,
                                        std::int64_t timeout_ms) {
    const Deadline deadline(timeout_ms);
    const std::string own = mark_of(::getpid());
    std::set<std::string> left;
    while (!names.empty()) {
        std::vector<Seen> wanted;
        left.clear();
        for (const pid_t pid : proc_numbers("/proc")) {
            const std::string mark = mark_of(pid);
            if (mark.empty() || std::ranges::find(names, mark) == names.end()) continue;
            const auto stat = proc_stat(pid);
            if (!stat || stat->ended) continue;
            left.insert(mark);
            if (mark != own) wanted.push_back({pid, *stat});
        }
        int error = 0;
        const std::vector<Descriptor> killed = kill_seen(wanted, error);
        wait_for(killed, deadline);
        // Nothing to be killed is left, or nothing more can be done.
        if (killed.empty() || deadline.passed()) break;
    }
    return {left.begin(), left.end()};
}

Status end_guarded(const std::string& lock_path, std::int64_t timeout_ms) {
    TASKSTORE_LET(const LockState state, lock_state(lock_path));
    if (state == LockState::absent) return ok();
    TASKSTORE_LET(const pid_t guard, guard_of(lock_path));
    const std::string name = lock_path.substr(lock_path.rfind('/') + 1);
    TASKSTORE_TRY(end_all(std::string(kGuardMark) + "=" + name, guard, Deadline(timeout_ms)));
    return ok();
}

}  // namespace taskstore::os
