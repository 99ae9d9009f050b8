#include <taskstore/os/command.hpp>

#include "deadline.hpp"
#include "descriptor.hpp"
#include "environment.hpp"
#include "system_error.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace taskstore::os {
namespace {

constexpr std::size_t kErrorBytesMax = std::size_t{64} << 10;

struct Ends {
    Descriptor read;
    Descriptor write;
};

/// Both above the three that the child gets, so that none is closed by taking another's place.
Status open_pipe(Ends& ends) {
    std::array<int, 2> pair{};
    if (pipe2(pair.data(), O_CLOEXEC) != 0) return system_failure("make", "pipe", errno);
    ends.read.take(pair[0]);
    ends.write.take(pair[1]);
    for (Descriptor* end : {&ends.read, &ends.write}) {
        if (end->get() > STDERR_FILENO) continue;
        const int higher = fcntl(end->get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
        if (higher < 0) return system_failure("make", "pipe", errno);
        end->take(higher);
    }
    return ok();
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
    std::vector<char*> out;
    out.reserve(texts.size() + 1);
    for (std::string& text : texts) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

/// While it lives, a write into a pipe that nobody reads is an error and no signal.
class PipeSignalHeld {
  public:
    PipeSignalHeld() {
        sigemptyset(&x_pipe);
        sigaddset(&x_pipe, SIGPIPE);
        pthread_sigmask(SIG_BLOCK, &x_pipe, &x_before);
    }
    PipeSignalHeld(const PipeSignalHeld&) = delete;
    PipeSignalHeld& operator=(const PipeSignalHeld&) = delete;
    ~PipeSignalHeld() {
        if (sigismember(&x_before, SIGPIPE) == 1) return;
        const timespec at_once{};
        while (sigtimedwait(&x_pipe, nullptr, &at_once) < 0 && errno == EINTR) {
        }
        pthread_sigmask(SIG_SETMASK, &x_before, nullptr);
    }
    const sigset_t& before() const { return x_before; }

  private:
    sigset_t x_pipe{};
    sigset_t x_before{};
};

/// While it lives, what a person interrupts at the terminal is the child alone (system(3) does so).
class InterruptsLeft {
  public:
    explicit InterruptsLeft(bool wanted) : x_wanted(wanted) {
        if (!x_wanted) return;
        struct sigaction ignore{};
        ignore.sa_handler = SIG_IGN;
        sigaction(SIGINT, &ignore, &x_interrupt);
        sigaction(SIGQUIT, &ignore, &x_quit);
    }
    InterruptsLeft(const InterruptsLeft&) = delete;
    InterruptsLeft& operator=(const InterruptsLeft&) = delete;
    ~InterruptsLeft() {
        if (!x_wanted) return;
        sigaction(SIGINT, &x_interrupt, nullptr);
        sigaction(SIGQUIT, &x_quit, nullptr);
    }

  private:
    bool x_wanted;
    struct sigaction x_interrupt{};
    struct sigaction x_quit{};
};

class Child {
  public:
    explicit Child(const Command& command) : x_command(command) {}
    Child(const Child&) = delete;
    Child& operator=(const Child&) = delete;
    ~Child() {
        if (x_pid <= 0) return;
        ::kill(x_pid, SIGKILL);
        (void)wait().has_value();
    }

    Status start(const sigset_t& signals) {
        for (Ends* ends : {&x_input, &x_output, &x_errors}) {
            if (!x_command.shares_streams) TASKSTORE_TRY(open_pipe(*ends));
        }
        std::vector<std::string> arguments = x_command.arguments;
        std::vector<std::string> environment = environment_with(x_command.environment);
        posix_spawn_file_actions_t actions{};
        posix_spawn_file_actions_init(&actions);
        if (!x_command.folder.empty())
            posix_spawn_file_actions_addchdir_np(&actions, x_command.folder.c_str());
        const std::array given{std::pair{x_input.read.get(), STDIN_FILENO},
                               std::pair{x_output.write.get(), STDOUT_FILENO},
                               std::pair{x_errors.write.get(), STDERR_FILENO}};
        for (const auto& [end, stream] : given) {
            if (end >= 0) posix_spawn_file_actions_adddup2(&actions, end, stream);
        }
        posix_spawnattr_t attributes{};
        posix_spawnattr_init(&attributes);
        sigset_t defaults;
        sigemptyset(&defaults);
        sigaddset(&defaults, SIGPIPE);
        if (x_command.shares_streams) {
            sigaddset(&defaults, SIGINT);
            sigaddset(&defaults, SIGQUIT);
        }
        posix_spawnattr_setsigdefault(&attributes, &defaults);
        posix_spawnattr_setsigmask(&attributes, &signals);
        posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
        const int error =
            posix_spawnp(&x_pid, arguments.front().c_str(), &actions, &attributes,
                         pointers_to(arguments).data(), pointers_to(environment).data());
        posix_spawnattr_destroy(&attributes);
        posix_spawn_file_actions_destroy(&actions);
        if (error != 0) {
            x_pid = -1;
            return system_failure("run", x_command.arguments.front(), error);
        }
        x_input.read.close();
        x_output.write.close();
        x_errors.write.close();
        if (x_command.input.empty()) x_input.write.close();
        for (const int fd : {x_input.write.get(), x_output.read.get(), x_errors.read.get()}) {
            if (fd >= 0) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
        }
        return ok();
    }

    /// Feeds it and takes what it prints, until it has closed both its outputs.
    Status talk(Finished& out, const Deadline& deadline) {
        while (x_output.read.get() >= 0 || x_errors.read.get() >= 0) {
            // poll(2) leaves out what is closed: its descriptor is negative.
            std::array<pollfd, 3> ends{{{x_input.write.get(), POLLOUT, 0},
                                        {x_output.read.get(), POLLIN, 0},
                                        {x_errors.read.get(), POLLIN, 0}}};
            const int ready = poll(ends.data(), ends.size(), deadline.poll_ms());
            if (ready < 0 && errno != EINTR) return system_failure("wait for", name(), errno);
            if (ready <= 0) {
                if (deadline.passed())
                    return fail(Code::timed_out, "'" + name() + "' took too long and was ended");
                continue;
            }
            if (ends[0].revents != 0) feed();
            if (ends[1].revents != 0)
                TASKSTORE_TRY(take(x_output.read, out.output, x_command.output_bytes_max, true));
            if (ends[2].revents != 0)
                TASKSTORE_TRY(take(x_errors.read, out.errors, kErrorBytesMax, false));
        }
        return ok();
    }

    Result<int> wait() {
        int status = 0;
        pid_t got = 0;
        do {
            got = waitpid(x_pid, &status, 0);
        } while (got < 0 && errno == EINTR);
        x_pid = -1;
        if (got < 0) return system_failure("wait for", name(), errno);
        return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
    }

  private:
    const std::string& name() const { return x_command.arguments.front(); }

    void feed() {
        const std::string_view rest = x_command.input.substr(x_fed);
        const ssize_t put = ::write(x_input.write.get(), rest.data(), rest.size());
        if (put >= 0) x_fed += static_cast<std::size_t>(put);
        // It may end without having read it all: that is its own affair.
        const bool over = put < 0 && errno != EAGAIN && errno != EINTR;
        if (over || x_fed == x_command.input.size()) x_input.write.close();
    }

    Status take(Descriptor& end, std::string& out, std::size_t bytes_max, bool strict) {
        std::array<char, std::size_t{64} << 10> buffer;
        const ssize_t got = ::read(end.get(), buffer.data(), buffer.size());
        if (got < 0) {
            if (errno == EAGAIN || errno == EINTR) return ok();
            return system_failure("read from", name(), errno);
        }
        if (got == 0) end.close();
        const auto bytes = static_cast<std::size_t>(got);
        if (bytes > bytes_max - out.size() && strict)
            return fail(Code::corrupt, "'" + name() + "' printed more than " +
                                           std::to_string(bytes_max) + " bytes");
        out.append(buffer.data(), std::min(bytes, bytes_max - out.size()));
        return ok();
    }

    const Command& x_command;
    pid_t x_pid = -1;
    Ends x_input;
    Ends x_output;
    Ends x_errors;
    std::size_t x_fed = 0;
};

}  // namespace

Result<Finished> run_command(const Command& command) {
    if (command.arguments.empty()) return fail(Code::invalid, "no program was named");
    const Deadline deadline(command.timeout_ms);
    const PipeSignalHeld held;
    const InterruptsLeft left(command.shares_streams);
    Child child(command);
    TASKSTORE_TRY(child.start(held.before()));
    Finished out;
    TASKSTORE_TRY(child.talk(out, deadline));
    TASKSTORE_LET(out.exit_code, child.wait());
    return out;
}

}  // namespace taskstore::os
