#include "guard_process.hpp"

#include "guarded_command.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace taskstore::os {
namespace {

constexpr int kControl = 3;
constexpr int kSignalOfDeath = SIGUSR1;
constexpr int kLookAgainMs = 20;
constexpr std::int64_t kNsPerSecond = 1'000'000'000;

void tell(GuardMessage::Kind kind, int value) {
    const GuardMessage message{kind, value, 0, 0};
    // A worker that is gone hears nothing; the next look at the socket says so.
    static_cast<void>(::send(kControl, &message, sizeof message, MSG_NOSIGNAL));
}

void tell_unable(const StepFailure& failure) {
    GuardMessage message{GuardMessage::unable, failure.error, 0, 0};
    message.step = static_cast<std::int32_t>(failure.step);
    static_cast<void>(::send(kControl, &message, sizeof message, MSG_NOSIGNAL));
}

/// Nothing of the worker's is kept open but the socket.
int leave_descriptors(int control) {
    if (control != kControl && ::dup2(control, kControl) < 0) return errno;
    if (::syscall(SYS_close_range, kControl + 1, ~0U, 0U) != 0) {
        const long most = ::sysconf(_SC_OPEN_MAX);
        for (int fd = kControl + 1; fd < most; ++fd) ::close(fd);
    }
    const int nothing = ::open("/dev/null", O_RDWR);
    if (nothing < 0) return errno;
    for (int fd = 0; fd < kControl; ++fd) {
        if (::dup2(nothing, fd) < 0) return errno;
    }
    if (nothing > kControl) ::close(nothing);
    return ::fcntl(kControl, F_SETFD, FD_CLOEXEC) < 0 ? errno : 0;
}

/// All signals wait, for whoever reads them from the descriptor; handlers of the worker are gone.
int hold_signals(int& signals) {
    struct sigaction plain{};
    plain.sa_handler = SIG_DFL;
    for (int number = 1; number < NSIG; ++number) ::sigaction(number, &plain, nullptr);
    sigset_t all;
    ::sigfillset(&all);
    if (::sigprocmask(SIG_SETMASK, &all, nullptr) != 0) return errno;
    sigset_t wanted;
    ::sigemptyset(&wanted);
    ::sigaddset(&wanted, SIGCHLD);
    ::sigaddset(&wanted, kSignalOfDeath);
    signals = ::signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK);
    return signals < 0 ? errno : 0;
}

int take_lock(const char* path, int& lock) {
    while (true) {
        lock = ::open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NOCTTY, 0600);
        if (lock < 0) return errno;
        struct flock whole{};
        whole.l_type = F_WRLCK;
        whole.l_whence = SEEK_SET;
        while (::fcntl(lock, F_OFD_SETLKW, &whole) != 0) {
            if (errno != EINTR) return errno;
        }
        // Whoever cleans up may have removed the file meanwhile: the lock that counts is at the
        // path.
        struct stat own{};
        struct stat there{};
        if (::fstat(lock, &own) != 0) return errno;
        if (::stat(path, &there) == 0 && own.st_dev == there.st_dev && own.st_ino == there.st_ino)
            return 0;
        ::close(lock);
    }
}

char* append_number(char* at, std::uint64_t number) {
    std::array<char, 20> digits;
    std::size_t count = 0;
    do {
        digits[count++] = static_cast<char>('0' + number % 10);
        number /= 10;
    } while (number > 0);
    while (count > 0) *at++ = digits[--count];
    return at;
}

/// For those who have to do our work because somebody stopped us.
int sign_lock(int lock) {
    struct stat space{};
    if (::stat("/proc/self/ns/pid", &space) != 0) space.st_ino = 0;
    std::array<char, 64> text;
    char* end = append_number(text.data(), static_cast<std::uint64_t>(::getpid()));
    *end++ = ' ';
    end = append_number(end, space.st_ino);
    *end++ = '\n';
    if (::ftruncate(lock, 0) != 0) return errno;
    return write_all(lock, text.data(), static_cast<std::size_t>(end - text.data())) ? 0 : errno;
}

/// Field 4 of proc(5) stat, behind a name that may hold anything.
pid_t parent_of(const char* pid_text) {
    std::array<char, 64> path{"/proc/"};
    std::strncat(path.data(), pid_text, 20);
    std::strncat(path.data(), "/stat", 6);
    const int fd = ::open(path.data(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    std::array<char, 512> text{};
    const ssize_t got = ::read(fd, text.data(), text.size() - 1);
    ::close(fd);
    if (got <= 0) return 0;
    const char* at = std::strrchr(text.data(), ')');
    if (at == nullptr || std::strlen(at) < 5) return 0;
    return static_cast<pid_t>(std::strtol(at + 4, nullptr, 10));
}

struct DirectoryEntry {
    std::uint64_t inode;
    std::int64_t offset;
    std::uint16_t bytes;
    std::uint8_t type;
    char name[1];  // NOLINT(modernize-avoid-c-arrays): the kernel's layout
};

/// KILL to each child of ours, whatever group or session it went to: orphans come to us.
void kill_children() {
    const int folder = ::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) return;
    const pid_t own = ::getpid();
    alignas(DirectoryEntry) std::array<char, 16384> buffer;
    while (true) {
        const long got = ::syscall(SYS_getdents64, folder, buffer.data(), buffer.size());
        if (got <= 0) break;
        for (long at = 0; at < got;) {
            const auto* entry = reinterpret_cast<const DirectoryEntry*>(buffer.data() + at);
            at += entry->bytes;
            if (entry->name[0] < '1' || entry->name[0] > '9') continue;
            if (parent_of(entry->name) == own)
                ::kill(static_cast<pid_t>(std::strtol(entry->name, nullptr, 10)), SIGKILL);
        }
    }
    ::close(folder);
}

class GuardProcess {
  public:
    GuardProcess(pid_t worker, const char* lock_path) : x_worker(worker), x_path(lock_path) {}

    [[noreturn]] void serve(int control) {
        int error = leave_descriptors(control);
        if (error == 0) error = hold_signals(x_signals);
        // Not the terminal's: what interrupts the worker there, the worker decides about.
        ::setsid();
        ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        ::prctl(PR_SET_PDEATHSIG, kSignalOfDeath, 0, 0, 0);
        ::prctl(PR_SET_NAME, "taskstore-guard", 0, 0, 0);
        if (error == 0) error = take_lock(x_path, x_lock);
        if (error == 0) error = sign_lock(x_lock);
        if (error != 0) {
            tell(GuardMessage::refused, error);
            ::_exit(1);
        }
        tell(GuardMessage::locked, 0);
        while (true) {
            // The signal of death comes too when only the thread ended that forked us.
            if (::getppid() != x_worker) leave();
            std::array<struct pollfd, 3> waited{
                {{kControl, POLLIN, 0}, {x_signals, POLLIN, 0}, {x_timer, POLLIN, 0}}};
            if (::poll(waited.data(), waited.size(), -1) < 0) continue;
            if (waited[1].revents != 0) {
                drain_signals();
                look_for_end();
            }
            // Whoever stopped us may have kept us from a later end that is there to be read.
            if (waited[0].revents != 0)
                obey();
            else if (waited[2].revents != 0)
                lapse();
        }
    }

  private:
    void drain_signals() const {
        std::array<struct signalfd_siginfo, 8> some;
        while (::read(x_signals, some.data(), sizeof some) > 0) {
        }
    }

    void obey() {
        GuardMessage message;
        if (!read_all(kControl, &message, sizeof message)) leave();
        switch (message.kind) {
            case GuardMessage::run:
                start(message.bytes);
                break;
            case GuardMessage::terminate:
                if (x_command > 0) ::kill(-x_command, SIGTERM);
                break;
            case GuardMessage::kill:
                if (x_command > 0) end_command();
                break;
            case GuardMessage::end_at:
                set_end({message.at_ns, message.value});
                break;
            case GuardMessage::dismiss:
                kill_all();
                ::unlink(x_path);
                ::_exit(0);
            default:
                leave();
        }
    }

    void set_end(const End& end) {
        x_end = end;
        if (x_timer >= 0) ::close(x_timer);
        x_timer = ::timerfd_create(end.clock, TFD_CLOEXEC | TFD_NONBLOCK);
        struct itimerspec when{};
        when.it_value.tv_sec = end.at_ns / kNsPerSecond;
        when.it_value.tv_nsec = end.at_ns % kNsPerSecond;
        // Without an end that is kept nothing may run.
        if (x_timer < 0 || ::timerfd_settime(x_timer, TFD_TIMER_ABSTIME, &when, nullptr) != 0)
            leave();
    }

    void lapse() {
        ::close(x_timer);
        x_timer = -1;
        if (x_command > 0) end_command(GuardMessage::lapsed);
    }

    void start(std::uint64_t bytes) {
        Order order;
        if (!read_order(kControl, bytes, order)) leave();
        // What the command is not to know is in the worker's memory, which we have a copy of.
        if (order.head.isolated != 0) ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
        CommandStart start{.order = order, .end = x_end, .guard = ::getpid()};
        StepFailure failure = open_streams(start);
        if (!failure) failure = begin(start);
        close_streams(start);
        if (failure) {
            kill_all();
            drop_status();
            x_command = 0;
            return tell_unable(failure);
        }
        tell(GuardMessage::started, x_command);
    }

    /// Returns when the program has taken over.
    StepFailure begin(CommandStart& start) {
        const pid_t pid = fork_into(start.order.surroundings.parts);
        if (pid == 0) {
            // Shared with the guard by the fork: nobody but the guard is to hold any of them.
            for (const int fd : {x_lock, x_signals, x_timer, kControl}) {
                if (fd >= 0) ::close(fd);
            }
            be_command(start);
        }
        if (pid < 0)
            return {start.order.surroundings.parts == 0 ? Step::begin : Step::namespaces, errno};
        ::setpgid(pid, pid);
        close_child_ends(start);
        x_command = pid;
        x_told_status = start.status[0];
        start.status[0] = -1;
        StepFailure failure;
        if (!read_all(start.failed[0], &failure, sizeof failure)) failure = {};
        return failure;
    }

    void look_for_end() {
        siginfo_t info{};
        // Not taken from the kernel yet: as long as it is there, nobody gets the number of its
        // group.
        if (x_command > 0 &&
            ::waitid(P_PID, static_cast<id_t>(x_command), &info, WEXITED | WNOHANG | WNOWAIT) ==
                0 &&
            info.si_pid != 0)
            return end_command();
        reap_orphans();
    }

    void reap_orphans() const {
        while (true) {
            siginfo_t info{};
            if (::waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || info.si_pid == 0 ||
                info.si_pid == x_command)
                return;
            ::waitpid(info.si_pid, nullptr, WNOHANG);
        }
    }

    void end_command(GuardMessage::Kind kind = GuardMessage::ended) {
        kill_all();
        // The first process of a namespace is not the command; killed, it has nothing to say.
        int status = 0;
        if (x_told_status >= 0 && ::read(x_told_status, &status, sizeof status) == sizeof status)
            x_status = status;
        drop_status();
        x_command = 0;
        tell(kind, x_status);
    }

    void drop_status() {
        if (x_told_status >= 0) ::close(x_told_status);
        x_told_status = -1;
    }

    /// Returns when nothing is left of what was started.
    void kill_all() {
        pid_t group = x_command;
        while (true) {
            if (group > 0) ::kill(-group, SIGKILL);
            while (true) {
                int status = 0;
                const pid_t gone = ::waitpid(-1, &status, WNOHANG);
                if (gone < 0) return;
                if (gone == 0) break;
                if (gone != x_command) continue;
                x_status = status;
                group = 0;
            }
            kill_children();
            struct pollfd waited{x_signals, POLLIN, 0};
            ::poll(&waited, 1, kLookAgainMs);
            drain_signals();
        }
    }

    /// The worker is gone. The lock file stays, for those who look whether it is free.
    [[noreturn]] void leave() {
        kill_all();
        ::_exit(0);
    }

    pid_t x_worker;
    const char* x_path;
    int x_signals = -1;
    int x_lock = -1;
    int x_timer = -1;
    End x_end;
    pid_t x_command = 0;  ///< Or the first process of its namespace.
    int x_told_status = -1;
    int x_status = 0;
};

}  // namespace

void be_guard(int control, pid_t worker, const char* lock_path) {
    GuardProcess(worker, lock_path).serve(control);
}

}  // namespace taskstore::os
