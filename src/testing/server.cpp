#include <taskstore/base/check.hpp>
#include <taskstore/testing/server.hpp>
#include <taskstore/testing/small_disk.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>

extern char** environ;

namespace taskstore {
namespace {

using Words = std::vector<std::string>;

class Descriptor {
  public:
    explicit Descriptor(int fd) : x_fd(fd) {}
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    ~Descriptor() { take(-1); }
    void take(int fd) {
        if (x_fd >= 0) ::close(x_fd);
        x_fd = fd;
    }
    int fd() const { return x_fd; }

  private:
    int x_fd;
};

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

bool accepts_connections(std::uint16_t port) {
    const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    const sockaddr_in address = loopback(port);
    return ::connect(socket.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

void replace_all(std::string& text, std::string_view what, std::string_view by) {
    for (std::size_t at = text.find(what); at != std::string::npos;
         at = text.find(what, at + by.size()))
        text.replace(at, what.size(), by);
}

std::string slurp(const std::string& path) {
    std::ostringstream out;
    out << std::ifstream(path, std::ios::binary).rdbuf();
    return out.str();
}

std::vector<char*> pointers(Words& words) {
    std::vector<char*> out;
    for (std::string& word : words) out.push_back(word.data());
    out.push_back(nullptr);
    return out;
}

struct Account {
    uid_t uid;
    gid_t gid;
};

class RunningServer final : public Server {
  public:
    RunningServer(ServerCommand command, std::uint16_t port)
        : x_command(std::move(command)), x_port(port) {}
    RunningServer(const RunningServer&) = delete;
    RunningServer& operator=(const RunningServer&) = delete;
    ~RunningServer() override { stop(); }

    Status prepare() {
        if (x_command.disk_bytes_max != 0) {
            TASKSTORE_LET(x_disk, SmallDisk::mount(folder(), x_command.disk_bytes_max));
        }
        if (x_command.user_instead_of_root && ::geteuid() == 0) {
            const passwd* const account = ::getpwnam(x_command.user_instead_of_root->c_str());
            if (account == nullptr)
                return fail(Code::not_found,
                            "there is no user '" + *x_command.user_instead_of_root + "'");
            x_account = Account{account->pw_uid, account->pw_gid};
            if (::chown(folder().c_str(), account->pw_uid, account->pw_gid) != 0)
                return fail(Code::failed, "chown '" + folder() + "': " + std::strerror(errno));
        }
        for (const Words& words : x_command.prepare) TASKSTORE_TRY(run(words));
        return ok();
    }

    Status start_again() override {
        // Hangs up when the last of those that it started has ended.
        pollfd leftovers{.fd = x_family.fd(), .events = 0, .revents = 0};
        if (!is_running()) ::poll(&leftovers, 1, static_cast<int>(x_command.leftovers_ms_max));
        return run_once();
    }

    Status run_once() {
        if (x_pid > 0) return ok();
        std::array<int, 2> ends{-1, -1};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0)
            return fail(Code::failed, std::string("pipe: ") + std::strerror(errno));
        x_family.take(ends[0]);
        const Descriptor inherited(ends[1]);
        TASKSTORE_LET(x_pid, spawn(x_command.words, inherited.fd()));
        const auto deadline =
            std::chrono::steady_clock::now() + std::chrono::milliseconds(x_command.ready_ms_max);
        while (true) {
            if (!is_running())
                return fail(Code::failed,
                            "'" + x_command.words.front() + "' ended at once: " + output());
            if (x_command.ready ? x_command.ready(*this) : accepts_connections(x_port)) return ok();
            if (std::chrono::steady_clock::now() > deadline) {
                kill();
                return fail(Code::timed_out,
                            "'" + x_command.words.front() + "' was not ready in time: " + output());
            }
            wait_for_end(20);
        }
    }

    std::uint16_t port() const override { return x_port; }
    const std::string& folder() const override { return x_folder.path(); }
    std::int64_t pid() const override { return x_pid; }
    std::string output() const override { return slurp(x_folder / "output.log"); }
    bool is_running() override { return x_pid > 0 && !wait_for_end(0); }

    void stop() override {
        if (x_pid <= 0) return;
        ::kill(x_pid, x_command.stop_signal);
        if (!wait_for_end(x_command.stop_ms_max)) kill();
    }
    void kill() override {
        if (x_pid <= 0) return;
        ::kill(-x_pid, SIGKILL);
        while (!wait_for_end(1'000)) {
        }
    }
    Status run(const Words& words) const override {
        TASKSTORE_LET(const pid_t pid, spawn(words));
        int status = 0;
        while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        }
        if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return ok();
        return fail(Code::failed, "'" + words.front() + "' failed: " + output());
    }

  private:
    /// Whether it has ended, at the latest after the time (ms). Reaps it.
    bool wait_for_end(std::int64_t timeout_ms) {
        int status = 0;
        const auto gone = [&] { return ::waitpid(x_pid, &status, WNOHANG) == x_pid; };
        bool ended = gone();
        if (!ended && timeout_ms > 0) {
            const Descriptor handle(static_cast<int>(::syscall(SYS_pidfd_open, x_pid, 0)));
            pollfd wait{.fd = handle.fd(), .events = POLLIN, .revents = 0};
            ::poll(&wait, 1, static_cast<int>(timeout_ms));
            ended = gone();
        }
        if (ended) x_pid = 0;
        return ended;
    }

    /// Starts the words in a process group of their own, which dies with this thread; `inherited`
    /// is open in it, and in what it starts.
    Result<pid_t> spawn(Words words, int inherited = -1) const {
        for (std::string& word : words) {
            replace_all(word, "{port}", std::to_string(x_port));
            replace_all(word, "{folder}", x_folder.path());
        }
        Words environment;
        for (char** entry = environ; *entry != nullptr; ++entry) environment.emplace_back(*entry);
        for (const auto& [name, value] : x_command.environment) {
            std::erase_if(environment, [&prefix = name](const std::string& entry) {
                return entry.starts_with(prefix + "=");
            });
            environment.push_back(name + "=" + value);
        }
        // Everything that allocates stands before the fork: other threads may hold the allocator.
        const std::vector<char*> arguments = pointers(words);
        const std::vector<char*> variables = pointers(environment);
        const std::string log = x_folder / "output.log";
        const pid_t parent = ::getpid();
        std::array<int, 2> refusal{-1, -1};
        if (::pipe2(refusal.data(), O_CLOEXEC) != 0)
            return fail(Code::failed, std::string("pipe: ") + std::strerror(errno));
        const Descriptor told(refusal[0]);
        const pid_t pid = ::fork();
        if (pid == 0) {
            become(log, parent);
            if (inherited >= 0) ::fcntl(inherited, F_SETFD, 0);
            ::execvpe(arguments.front(), arguments.data(), variables.data());
            const int why = errno;
            if (::write(refusal[1], &why, sizeof why) < 0) ::_exit(126);
            ::_exit(127);
        }
        ::close(refusal[1]);
        if (pid < 0) return fail(Code::failed, std::string("fork: ") + std::strerror(errno));
        int why = 0;
        if (::read(told.fd(), &why, sizeof why) == sizeof why) {
            ::waitpid(pid, nullptr, 0);
            return fail(why == ENOENT ? Code::not_found : Code::failed,
                        "cannot start '" + words.front() + "': " + std::strerror(why));
        }
        return pid;
    }

    /// In the child: whose it is, where it stands, what it prints to.
    void become(const std::string& log, pid_t parent) const {
        ::setpgid(0, 0);
        const int out = ::open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
        const int nothing = ::open("/dev/null", O_RDONLY);
        ::dup2(nothing, 0);
        ::dup2(out, 1);
        ::dup2(out, 2);
        if (::chdir(x_folder.path().c_str()) != 0) ::_exit(126);
        if (x_account && (::setgroups(0, nullptr) != 0 || ::setgid(x_account->gid) != 0 ||
                          ::setuid(x_account->uid) != 0))
            ::_exit(126);
        ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // After setuid, which clears it.
        if (::getppid() != parent) ::_exit(126);
    }

    ServerCommand x_command;
    std::uint16_t x_port;
    TemporaryFolder x_folder;
    std::unique_ptr<SmallDisk> x_disk;  ///< On the folder; null: none of its own.
    std::optional<Account> x_account;
    pid_t x_pid = 0;
    Descriptor x_family{-1};  ///< The other end is open in the server and in all that it started.
};

}  // namespace

Result<std::uint16_t> free_port() {
    const Descriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    if (::bind(socket.fd(), reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
        ::getsockname(socket.fd(), reinterpret_cast<sockaddr*>(&address), &size) != 0)
        return fail(Code::failed, std::string("no free port: ") + std::strerror(errno));
    return ntohs(address.sin_port);
}

Result<std::unique_ptr<Server>> Server::start(const ServerCommand& command) {
    TASKSTORE_CHECK(!command.words.empty());
    for (int round = 1;; ++round) {
        TASKSTORE_LET(const std::uint16_t port, free_port());
        auto server = std::make_unique<RunningServer>(command, port);
        TASKSTORE_TRY(server->prepare());
        const Status started = server->run_once();
        if (started) return std::unique_ptr<Server>(std::move(server));
        const bool port_taken = started.error().code == Code::failed && accepts_connections(port);
        if (!port_taken || round == 3) return fail(started.error());
    }
}

Result<std::string> postgres_programs() {
    if (const char* const named = std::getenv("TASKSTORE_TEST_POSTGRES_BIN"))
        return std::string(named) + "/";
    const char* const path = std::getenv("PATH");
    std::istringstream folders(path != nullptr ? path : "");
    for (std::string folder; std::getline(folders, folder, ':');)
        if (::access((folder + "/initdb").c_str(), X_OK) == 0)
            return std::filesystem::canonical(folder + "/initdb").parent_path().string() + "/";
    for (int version = 30; version >= 13; --version) {
        std::string folder = "/usr/lib/postgresql/" + std::to_string(version) + "/bin/";
        if (::access((folder + "initdb").c_str(), X_OK) == 0) return folder;
    }
    return fail(Code::not_found,
                "PostgreSQL's initdb is neither in PATH nor in /usr/lib/postgresql")
        .with_hint("install the package postgresql");
}

Result<std::unique_ptr<Server>> start_postgres(const PostgresOptions& options) {
    TASKSTORE_LET(const std::string programs, postgres_programs());
    ServerCommand command;
    command.prepare = {{programs + "initdb", "--pgdata={folder}/data", "--username=postgres",
                        "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"}};
    // The log's files are as large as they are from the start: the limit is for the others.
    if (options.file_kib_max != 0 || options.disk_bytes_max != 0)
        command.prepare.front().emplace_back("--wal-segsize=1");
    if (!options.prepare.empty()) command.prepare = options.prepare;
    command.disk_bytes_max = options.disk_bytes_max;
    command.words = {programs + "postgres",
                     "-D",
                     "{folder}/data",
                     "-p",
                     "{port}",
                     "-c",
                     "listen_addresses=127.0.0.1",
                     "-c",
                     "unix_socket_directories={folder}",
                     "-c",
                     options.fsync ? "fsync=on" : "fsync=off"};
    for (const std::string& setting : options.settings) {
        command.words.emplace_back("-c");
        command.words.push_back(setting);
    }
    if (options.file_kib_max != 0) {
        const std::string limit =
            "ulimit -f " + std::to_string(options.file_kib_max * 2) + R"sh(; exec "$0" "$@")sh";
        command.words.insert(command.words.begin(), {"sh", "-c", limit});
    }
    // What pg_ctl looks at: the file of this very server says that it is ready.
    command.ready = [](const Server& server) {
        const std::string file = slurp(server.folder() + "/data/postmaster.pid");
        return file.starts_with(std::to_string(server.pid()) + "\n") &&
               file.find("\nready") != std::string::npos;
    };
    constexpr std::int64_t kLeftoversMs = 10'000;
    command.leftovers_ms_max = kLeftoversMs;
    command.stop_signal = SIGINT;  // Its fast shutdown: sessions are ended.
    command.user_instead_of_root = ::getpwnam("postgres") != nullptr ? "postgres" : "nobody";
    return Server::start(command);
}

std::string postgres_location(const Server& server, const std::string& user,
                              const std::string& database) {
    return "postgresql://" + user + "@127.0.0.1:" + std::to_string(server.port()) + "/" + database;
}

}  // namespace taskstore
