#include "guarded_command.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace taskstore::os {
namespace {

constexpr int kNoProgram = 127;
constexpr std::int64_t kNsPerSecond = 1'000'000'000;

/// A file in memory: a command that reads nothing keeps nobody waiting.
int open_input(const Order& order) {
    if (order.head.input_bytes == 0) return ::open("/dev/null", O_RDONLY | O_CLOEXEC);
    const int fd = ::memfd_create("input", MFD_CLOEXEC);
    if (fd < 0) return fd;
    if (!write_all(fd, order.input, order.head.input_bytes) || ::lseek(fd, 0, SEEK_SET) != 0) {
        ::close(fd);
        return -1;
    }
    return fd;
}

int open_output(const char* log) {
    if (*log == '\0') return ::open("/dev/null", O_WRONLY | O_CLOEXEC);
    return ::open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
}

void close_one(int& fd) {
    if (fd >= 0) ::close(fd);
    fd = -1;
}

[[noreturn]] void say(const CommandStart& start, StepFailure failure) {
    static_cast<void>(!::write(start.failed[1], &failure, sizeof failure));
    ::_exit(kNoProgram);
}

StepFailure failed_to_begin() {
    return {Step::begin, errno};
}

/// Returns only where it fails. `parent`: who it is to die with, as seen from here.
StepFailure become(const CommandStart& start, pid_t parent) {
    const Order& order = start.order;
    ::setpgid(0, 0);
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return failed_to_begin();
    if (::getppid() != parent) return {Step::begin, ESRCH};
    if (::dup2(start.input, STDIN_FILENO) < 0 || ::dup2(start.output, STDOUT_FILENO) < 0 ||
        ::dup2(start.output, STDERR_FILENO) < 0)
        return failed_to_begin();
    if (*order.folder != '\0' && ::chdir(order.folder) != 0) return failed_to_begin();
    if (order.head.isolated != 0) {
        if (const StepFailure failure = limit_self(order.head.limits)) return failure;
    }
    sigset_t none;
    ::sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    // As late as can be: we may have been stopped on the way.
    if (start.end.passed()) return {Step::begin, ETIME};
    ::execve(order.program, order.arguments, order.variables);
    return failed_to_begin();
}

}  // namespace

bool read_all(int fd, void* to, std::size_t bytes) {
    auto* at = static_cast<char*>(to);
    while (bytes > 0) {
        const ssize_t got = ::read(fd, at, bytes);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        at += got;
        bytes -= static_cast<std::size_t>(got);
    }
    return true;
}

bool write_all(int fd, const char* from, std::size_t bytes) {
    while (bytes > 0) {
        const ssize_t put = ::write(fd, from, bytes);
        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return false;
        from += put;
        bytes -= static_cast<std::size_t>(put);
    }
    return true;
}

bool End::passed() const {
    struct timespec now{};
    if (at_ns == 0 || ::clock_gettime(clock, &now) != 0) return false;
    return now.tv_sec * kNsPerSecond + now.tv_nsec >= at_ns;
}

bool read_order(int control, std::uint64_t bytes, Order& order) {
    if (bytes < sizeof(GuardOrder) || !read_all(control, &order.head, sizeof(GuardOrder)))
        return false;
    const std::uint64_t rest = bytes - sizeof(GuardOrder);
    if (rest != order.head.string_bytes + order.head.input_bytes) return false;
    const std::size_t pointers =
        (std::size_t{order.head.arguments} + order.head.variables + order.head.writable + 2) *
        sizeof(char*);
    void* memory = ::mmap(nullptr, pointers + rest + 1, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    auto* next = static_cast<char**>(memory);
    char* text = static_cast<char*>(memory) + pointers;
    if (!read_all(control, text, rest)) return false;
    order.input = text + order.head.string_bytes;
    const auto take = [&text] {
        char* one = text;
        text += std::strlen(text) + 1;
        return one;
    };
    order.program = take();
    order.folder = take();
    order.log = take();
    order.surroundings = {.parts = order.head.isolated != 0 ? order.head.parts : 0,
                          .writable_count = order.head.writable,
                          .tmp = take(),
                          .user = ::geteuid(),
                          .group = ::getegid()};
    order.arguments = next;
    for (std::uint32_t i = 0; i < order.head.arguments; ++i) *next++ = take();
    *next++ = nullptr;
    order.variables = next;
    for (std::uint32_t i = 0; i < order.head.variables; ++i) *next++ = take();
    *next++ = nullptr;
    order.surroundings.writable = next;
    for (std::uint32_t i = 0; i < order.head.writable; ++i) *next++ = take();
    return true;
}

StepFailure open_streams(CommandStart& start) {
    start.input = open_input(start.order);
    start.output = open_output(start.order.log);
    const bool first = has(start.order.surroundings.parts, IsolationPart::pid);
    if (start.input < 0 || start.output < 0 || ::pipe2(start.failed.data(), O_CLOEXEC) != 0 ||
        (first && ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
                               start.status.data()) != 0))
        return failed_to_begin();
    return {};
}

void close_streams(CommandStart& start) {
    for (int* fd : {&start.input, &start.output, &start.failed[0], &start.failed[1],
                    &start.status[0], &start.status[1]})
        close_one(*fd);
}

void close_child_ends(CommandStart& start) {
    for (int* fd : {&start.input, &start.output, &start.failed[1], &start.status[1]})
        close_one(*fd);
}

void be_command(CommandStart& start) {
    const Order& order = start.order;
    close_one(start.failed[0]);
    close_one(start.status[0]);
    if (order.head.isolated != 0) {
        StepFailure failure = furnish(order.surroundings);
        if (!failure) failure = give_up_rights();
        if (failure) say(start, failure);
    }
    if (!has(order.surroundings.parts, IsolationPart::pid)) say(start, become(start, start.guard));

    // Nobody can be asked from here whether the guard lives: be_first() sees that its end is open.
    ::setpgid(0, 0);
    ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    const pid_t own = ::getpid();
    const pid_t command = fork_into(0);
    if (command == 0) say(start, become(start, own));
    if (command < 0) say(start, failed_to_begin());
    ::setpgid(command, command);
    for (int* fd : {&start.input, &start.output, &start.failed[1]}) close_one(*fd);
    be_first(command, start.status[1]);
}

}  // namespace taskstore::os
