#include "system_error.hpp"

#include <taskstore/os/forked.hpp>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <new>
#include <utility>

namespace taskstore::os {
namespace {

constexpr int kSignalled = 128;

int exit_code_of(int status) {
    return WIFSIGNALED(status) ? kSignalled + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

Result<Forked> Forked::start(const std::function<int()>& body) {
    const pid_t parent = ::getpid();
    const pid_t pid = ::fork();
    if (pid < 0) return system_failure("copy", "this process", errno);
    if (pid == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);
        // The parent may have ended before that.
        if (::getppid() != parent) ::_exit(1);
        ::_exit(body());
    }
    return Forked(pid);
}

Forked& Forked::operator=(Forked&& other) noexcept {
    if (this == &other) return *this;
    kill();
    x_pid = std::exchange(other.x_pid, 0);
    return *this;
}

Forked::~Forked() {
    kill();
}

void Forked::pause() {
    if (x_pid <= 0 || ::kill(x_pid, SIGSTOP) != 0) return;
    // Its end is left for ended() to tell.
    siginfo_t info{};
    while (::waitid(P_PID, static_cast<id_t>(x_pid), &info, WSTOPPED | WEXITED | WNOWAIT) < 0 &&
           errno == EINTR) {
    }
}

void Forked::go_on() {
    if (x_pid > 0) ::kill(x_pid, SIGCONT);
}

void Forked::kill() {
    if (x_pid <= 0) return;
    ::kill(x_pid, SIGKILL);
    while (::waitpid(x_pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    x_pid = 0;
}

std::optional<int> Forked::ended() {
    int status = 0;
    if (x_pid <= 0 || ::waitpid(x_pid, &status, WNOHANG) != x_pid) return std::nullopt;
    x_pid = 0;
    return exit_code_of(status);
}

Result<SharedNumbers> SharedNumbers::make(std::size_t count) {
    static_assert(std::atomic<std::int64_t>::is_always_lock_free);
    void* const memory = ::mmap(nullptr, count * sizeof(std::atomic<std::int64_t>),
                                PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return system_failure("share", "memory", errno);
    auto* const numbers = static_cast<std::atomic<std::int64_t>*>(memory);
    for (std::size_t i = 0; i < count; ++i) new (numbers + i) std::atomic<std::int64_t>(0);
    return SharedNumbers({numbers, count});
}

SharedNumbers::SharedNumbers(SharedNumbers&& other) noexcept
    : x_numbers(std::exchange(other.x_numbers, {})) {}

SharedNumbers::~SharedNumbers() {
    if (!x_numbers.empty()) ::munmap(x_numbers.data(), x_numbers.size_bytes());
}

}  // namespace taskstore::os
