#pragma once
// A forked child of one test (floor 2), for what only another process can show: locks, crashes.

#include <taskstore/base/check.hpp>

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>

namespace taskstore {

/// One end of a pipe with two directions, for taking turns.
class Pipe {
  public:
    explicit Pipe(int fd) : x_fd(fd) {}
    Pipe(const Pipe&) = delete;
    Pipe& operator=(const Pipe&) = delete;
    ~Pipe() { ::close(x_fd); }
    void send(char letter) { x_open = ::send(x_fd, &letter, 1, MSG_NOSIGNAL) == 1 && x_open; }
    /// Waits; 0 when the other end is gone.
    char receive() {
        char letter = 0;
        return ::read(x_fd, &letter, 1) == 1 ? letter : '\0';
    }

  private:
    int x_fd;
    bool x_open = true;
};

/// Made while the test has no other threads. Killed and reaped at the latest when it goes out of
/// scope.
class Child {
  public:
    /// `body(pipe)` returns the exit status. It must not use the test's threads, locks or
    /// assertions.
    template <typename Body>
    explicit Child(Body body) : x_ends(make_ends()), x_pipe(x_ends[0]) {
        x_pid = ::fork();
        if (x_pid == 0) {
            int status = 0;
            {
                Pipe own(x_ends[1]);
                ::close(x_ends[0]);
                status = body(own);
            }
            ::_exit(status);
        }
        ::close(x_ends[1]);
    }
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        if (x_pid > 0) kill();
    }
    Pipe& pipe() { return x_pipe; }
    pid_t pid() const { return x_pid; }
    /// The exit status; -1 when a signal ended it.
    int wait() {
        int status = 0;
        TASKSTORE_CHECK(::waitpid(x_pid, &status, 0) == x_pid);
        x_pid = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    }
    void kill() {
        ::kill(x_pid, SIGKILL);
        wait();
    }

  private:
    static std::array<int, 2> make_ends() {
        std::array<int, 2> ends{-1, -1};
        TASKSTORE_CHECK(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
        return ends;
    }
    std::array<int, 2> x_ends;
    Pipe x_pipe;
    pid_t x_pid = 0;
};

}  // namespace taskstore
