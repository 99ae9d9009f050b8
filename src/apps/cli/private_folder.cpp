#include "private_folder.hpp"

#include "context.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <filesystem>
#include <thread>

namespace taskstore::cli {
namespace {

constexpr std::string_view kPrefix = "taskstore-at-";
constexpr std::array kSignals{SIGHUP, SIGINT, SIGQUIT, SIGPIPE, SIGTERM};

/// Written by the signal's handler, read by the thread that may do what a handler must not.
int g_wake = -1;

/// It returns at once: what it interrupted may hold a lock that the thread needs.
extern "C" void on_signal(int number) {
    const int kept = errno;
    const auto byte = static_cast<unsigned char>(number);
    if (write(g_wake, &byte, 1) != 1) {
        std::signal(number, SIG_DFL);
        std::raise(number);
    }
    errno = kept;
}

/// The destructor and the thread of the signals may be at it at once, and what one has taken away
/// under the other ends the other's walk.
void remove_all(const std::string& path) {
    constexpr int kTimes = 16;
    std::error_code error;
    for (int i = 0; i < kTimes; ++i) {
        std::filesystem::remove_all(path, error);
        if (!std::filesystem::exists(path, error)) return;
    }
}

void remove_when_signalled(const std::string& path) {
    std::array<int, 2> pipe{};
    if (pipe2(pipe.data(), O_CLOEXEC) != 0) return;
    g_wake = pipe[1];
    std::thread([read_end = pipe[0], path] {
        // The handlers run in the other threads.
        sigset_t all;
        sigfillset(&all);
        pthread_sigmask(SIG_BLOCK, &all, nullptr);
        unsigned char number = 0;
        while (read(read_end, &number, 1) < 0 && errno == EINTR) {
        }
        remove_all(path);
        std::signal(number, SIG_DFL);
        sigset_t one;
        sigemptyset(&one);
        sigaddset(&one, number);
        std::raise(number);
        pthread_sigmask(SIG_UNBLOCK, &one, nullptr);
        _exit(128 + number);
    }).detach();
    for (const int number : kSignals) {
        struct sigaction old{};
        // What is ignored (nohup) stays ignored.
        if (sigaction(number, nullptr, &old) != 0 || old.sa_handler == SIG_IGN) continue;
        struct sigaction action{};
        action.sa_handler = on_signal;
        action.sa_flags = SA_RESTART;
        sigfillset(&action.sa_mask);
        sigaction(number, &action, nullptr);
    }
}

/// Those of processes that were killed: ours, and nobody holds their lock.
void remove_left_behind(const std::string& parent, const Clock& clock) {
    std::error_code error;
    for (const auto& entry : std::filesystem::directory_iterator(
             parent, std::filesystem::directory_options::skip_permission_denied, error)) {
        if (!entry.path().filename().string().starts_with(kPrefix)) continue;
        const int folder =
            open(entry.path().c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (folder < 0) continue;
        struct stat seen{};
        // One that is being made is not locked yet.
        const bool old = fstat(folder, &seen) == 0 && seen.st_uid == geteuid() &&
                         clock.wall_ms() / 1000 - seen.st_mtime > 60;
        if (old && flock(folder, LOCK_EX | LOCK_NB) == 0) remove_all(entry.path().string());
        close(folder);
    }
}

}  // namespace

Result<std::unique_ptr<PrivateFolder>> PrivateFolder::make(const Clock& clock) {
    const char* const named = environment("TMPDIR");
    const std::string parent = named != nullptr ? named : "/tmp";
    remove_left_behind(parent, clock);
    std::string path = os::join_path(parent, std::string(kPrefix) + "XXXXXX");
    if (mkdtemp(path.data()) == nullptr)
        return fail(errno == EACCES || errno == EROFS ? Code::denied : Code::failed,
                    "no folder could be made in '" + parent + "': " + std::strerror(errno))
            .with_hint("set TMPDIR to a folder with room that you may write to");
    const int held = open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    std::unique_ptr<PrivateFolder> folder(new PrivateFolder(std::move(path), held));
    // Without the lock another process would take the folder for one that was left behind.
    if (held < 0 || flock(held, LOCK_EX | LOCK_NB) != 0)
        return fail(Code::failed, "the folder '" + folder->path() +
                                      "' could not be locked: " + std::strerror(errno))
            .with_hint("set TMPDIR to a folder on a local disk");
    remove_when_signalled(folder->path());
    return folder;
}

PrivateFolder::~PrivateFolder() {
    remove_all(x_path);
    if (x_held >= 0) close(x_held);
}

}  // namespace taskstore::cli
