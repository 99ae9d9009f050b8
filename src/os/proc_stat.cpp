#include "proc_stat.hpp"

#include "descriptor.hpp"
#include "system_error.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <memory>

namespace taskstore::os {
namespace {

constexpr int kParentField = 4;
constexpr int kStartField = 22;

Result<ProcStat> read_stat(const std::string& path) {
    TASKSTORE_LET(const std::string text, proc_text(path));
    const auto unreadable = [&] {
        return fail(Code::failed, "cannot read a start time from " + path + ": '" + text + "'");
    };
    // Field 2 is the name in parentheses, and may hold anything itself.
    std::size_t at = text.rfind(')');
    if (at == std::string::npos || at + 3 >= text.size()) return unreadable();
    const char letter = text[at + 2];
    ProcStat stat{.ended = letter == 'Z' || letter == 'X' || letter == 'x'};
    const char* const end = text.data() + text.size();
    at += 4;
    if (std::from_chars(text.data() + at, end, stat.parent).ec != std::errc{}) return unreadable();
    for (int field = kParentField; field < kStartField; ++field) {
        at = text.find(' ', at);
        if (at++ == std::string::npos) return unreadable();
    }
    if (std::from_chars(text.data() + at, end, stat.start_ticks).ec != std::errc{})
        return unreadable();
    return stat;
}

}  // namespace

Result<std::string> proc_text(const std::string& path) {
    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    if (file.get() < 0) return system_failure("open", path, errno);
    std::string text;
    std::array<char, 16384> some;
    while (true) {
        const ssize_t got = ::read(file.get(), some.data(), some.size());
        if (got < 0 && errno == EINTR) continue;
        // It ended after it was opened.
        if (got < 0 && errno == ESRCH) return system_failure("read", path, ENOENT);
        if (got < 0) return system_failure("read", path, errno);
        if (got == 0) return text;
        text.append(some.data(), static_cast<std::size_t>(got));
    }
}

std::vector<pid_t> proc_numbers(const std::string& folder) {
    std::vector<pid_t> numbers;
    const std::unique_ptr<DIR, int (*)(DIR*)> list(::opendir(folder.c_str()), ::closedir);
    while (const dirent* const one = list ? ::readdir(list.get()) : nullptr) {
        if (one->d_name[0] < '1' || one->d_name[0] > '9') continue;
        numbers.push_back(static_cast<pid_t>(std::strtol(one->d_name, nullptr, 10)));
    }
    return numbers;
}

Result<ProcStat> proc_stat(pid_t pid) {
    const std::string folder = "/proc/" + std::to_string(pid);
    TASKSTORE_LET(ProcStat stat, read_stat(folder + "/stat"));
    if (!stat.ended) return stat;
    // Its first thread has ended: others may go on, and it with them.
    const std::vector<pid_t> threads = proc_numbers(folder + "/task");
    stat.ended = std::ranges::none_of(threads, [&](pid_t thread) {
        const auto one = read_stat(folder + "/task/" + std::to_string(thread) + "/stat");
        return one && !one->ended;
    });
    return stat;
}

}  // namespace taskstore::os
