#include "guard_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/mman.h>
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
constexpr int kNoProgram = 127;
constexpr std::int64_t kNsPerSecond = 1'000'000'000;

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

void tell(GuardMessage::Kind kind, int value) {
    const GuardMessage message{kind, value, 0, 0};
    // A worker that is gone hears nothing; the next look at the socket says so.
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

/// When a command is to be killed.
struct End {
    std::int64_t at_ns = 0;  ///< 0: never.
    clockid_t clock = CLOCK_BOOTTIME;

    bool passed() const {
        struct timespec now{};
        if (at_ns == 0 || ::clock_gettime(clock, &now) != 0) return false;
        return now.tv_sec * kNsPerSecond + now.tv_nsec >= at_ns;
    }
};

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

struct Order {
    GuardOrder head;
    const char* program = nullptr;
    const char* folder = nullptr;
    const char* log = nullptr;
    char** arguments = nullptr;
    char** variables = nullptr;
    const char* input = nullptr;
};

/// Reads an order into pages of its own, which stay until the guard ends.
bool read_order(std::uint64_t bytes, Order& order) {
    if (bytes < sizeof(GuardOrder) || !read_all(kControl, &order.head, sizeof(GuardOrder)))
        return false;
    const std::uint64_t rest = bytes - sizeof(GuardOrder);
    if (rest != order.head.string_bytes + order.head.input_bytes) return false;
    const std::size_t pointers =
        (std::size_t{order.head.arguments} + order.head.variables + 2) * sizeof(char*);
    void* memory = ::mmap(nullptr, pointers + rest + 1, PROT_READ | PROT_WRITE,
                          MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    auto* next = static_cast<char**>(memory);
    char* text = static_cast<char*>(memory) + pointers;
    if (!read_all(kControl, text, rest)) return false;
    order.input = text + order.head.string_bytes;
    const auto take = [&text] {
        char* one = text;
        text += std::strlen(text) + 1;
        return one;
    };
    order.program = take();
    order.folder = take();
    order.log = take();
    order.arguments = next;
    for (std::uint32_t i = 0; i < order.head.arguments; ++i) *next++ = take();
    *next++ = nullptr;
    order.variables = next;
    for (std::uint32_t i = 0; i < order.head.variables; ++i) *next++ = take();
    *next = nullptr;
    return true;
}

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
        if (!read_order(bytes, order)) leave();
        std::array<int, 2> failed{};
        if (::pipe2(failed.data(), O_CLOEXEC) != 0) return tell(GuardMessage::unable, errno);
        const pid_t own = ::getpid();
        const pid_t pid = ::fork();
        if (pid == 0) {
            // Shared with the guard by the fork: nobody but the guard is to hold it.
            ::close(x_lock);
            const int error = become(order, own, x_end);
            static_cast<void>(!::write(failed[1], &error, sizeof error));
            ::_exit(kNoProgram);
        }
        const int fork_error = errno;
        ::close(failed[1]);
        if (pid < 0) {
            ::close(failed[0]);
            return tell(GuardMessage::unable, fork_error);
        }
        ::setpgid(pid, pid);
        int error = 0;
        // Ends when the program has taken over, or with the error.
        if (!read_all(failed[0], &error, sizeof error)) error = 0;
        ::close(failed[0]);
        if (error != 0) {
            kill_all();
            return tell(GuardMessage::unable, error);
        }
        x_command = pid;
        tell(GuardMessage::started, pid);
    }

    /// In the command's process. Returns errno.
    static int become(const Order& order, pid_t guard, const End& end) {
        ::setpgid(0, 0);
        if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return errno;
        if (::getppid() != guard) return ESRCH;
        const int input = open_input(order);
        if (input < 0) return errno;
        const int output =
            *order.log == '\0'
                ? ::open("/dev/null", O_WRONLY | O_CLOEXEC)
                : ::open(order.log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (output < 0) return errno;
        if (::dup2(input, STDIN_FILENO) < 0 || ::dup2(output, STDOUT_FILENO) < 0 ||
            ::dup2(output, STDERR_FILENO) < 0)
            return errno;
        if (*order.folder != '\0' && ::chdir(order.folder) != 0) return errno;
        sigset_t none;
        ::sigemptyset(&none);
        ::sigprocmask(SIG_SETMASK, &none, nullptr);
        // As late as can be: we may have been stopped on the way.
        if (end.passed()) return ETIME;
        ::execve(order.program, order.arguments, order.variables);
        return errno;
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
        x_command = 0;
        tell(kind, x_status);
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
    pid_t x_command = 0;
    int x_status = 0;
};

}  // namespace

void be_guard(int control, pid_t worker, const char* lock_path) {
    GuardProcess(worker, lock_path).serve(control);
}

}  // namespace taskstore::os
