#include <taskstore/os/file_system.hpp>
#include <taskstore/os/guard.hpp>

#include "deadline.hpp"
#include "descriptor.hpp"
#include "environment.hpp"
#include "guard_process.hpp"
#include "system_error.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace taskstore::os {
namespace {

Result<std::string> program_of(const std::string& name) {
    if (name.find('/') != std::string::npos) return name;
    const char* const path = std::getenv("PATH");
    const std::string_view folders = path == nullptr ? "/usr/local/bin:/usr/bin:/bin" : path;
    for (std::size_t at = 0; at <= folders.size();) {
        const std::size_t end = std::min(folders.find(':', at), folders.size());
        const std::string_view folder = folders.substr(at, end - at);
        std::string whole = join_path(folder.empty() ? "." : folder, name);
        struct stat status{};
        if (::stat(whole.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
            ::access(whole.c_str(), X_OK) == 0)
            return whole;
        at = end + 1;
    }
    return fail(Code::not_found, "there is no program '" + name + "' on PATH");
}

Failure guard_is_gone() {
    return fail(Code::failed, "the guard of the command was killed");
}

Failure interrupted_by_nul(std::string_view what) {
    return fail(Code::invalid, std::string(what) + " holds a NUL, which no program can be given");
}

/// Hides nothing that the command cannot do without.
std::string tmp_of(const Isolation& isolation, const std::string& program,
                   const std::string& folder) {
    const bool hides = lies_in_tmp(program) || lies_in_tmp(folder) ||
                       std::ranges::any_of(isolation.writable, lies_in_tmp);
    return hides ? "" : isolation.tmp;
}

Result<std::string> order_text(const GuardedCommand& command, const std::string& mark) {
    if (command.arguments.empty()) return fail(Code::invalid, "no program was named");
    TASKSTORE_LET(const std::string program, program_of(command.arguments.front()));
    auto changes = command.environment;
    changes.emplace_back(kGuardMark, mark);
    const std::vector<std::string> variables =
        environment_with(changes, command.environment_kept ? &*command.environment_kept : nullptr);
    const Isolation isolation = command.isolation.value_or(Isolation());
    if (isolation.writable.size() > kWritableMax)
        return fail(Code::invalid, std::to_string(isolation.writable.size()) +
                                       " paths are to be writable, " +
                                       std::to_string(kWritableMax) + " can be");
    const std::string tmp = tmp_of(isolation, program, command.folder);
    std::string strings;
    for (const std::string* one : {&program, &command.folder, &command.log_path, &tmp}) {
        if (one->find('\0') != std::string::npos) return interrupted_by_nul("a path");
        strings.append(one->c_str(), one->size() + 1);
    }
    for (const auto* list : {&command.arguments, &variables, &isolation.writable}) {
        for (const std::string& one : *list) {
            if (one.find('\0') != std::string::npos) return interrupted_by_nul("an argument");
            strings.append(one.c_str(), one.size() + 1);
        }
    }
    const CommandLimits& limits = isolation.limits;
    const GuardOrder head{.arguments = static_cast<std::uint32_t>(command.arguments.size()),
                          .variables = static_cast<std::uint32_t>(variables.size()),
                          .writable = static_cast<std::uint32_t>(isolation.writable.size()),
                          .isolated = command.isolation ? 1U : 0U,
                          .parts = bits_of(isolation.parts),
                          .limits = {.memory_bytes = limits.memory_bytes.value_or(-1),
                                     .cpu_seconds = limits.cpu_seconds.value_or(-1),
                                     .files = limits.files.value_or(-1),
                                     .processes = limits.processes.value_or(-1)},
                          .string_bytes = strings.size(),
                          .input_bytes = command.input.size()};
    std::string out(reinterpret_cast<const char*>(&head), sizeof head);
    out += strings;
    out += command.input;
    return out;
}

Failure not_begun(const GuardMessage& answer, const std::string& program) {
    const auto step = static_cast<Step>(answer.step);
    if (step == Step::begin) return system_failure("run", program, answer.value);
    return system_failure(std::string(text_of(step)) + " for", program, answer.value);
}

}  // namespace

struct Guard::State {
    std::string path;
    Descriptor control;
    Descriptor woken{::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)};
    pid_t pid = -1;
    pid_t command = 0;

    ~State() { end(); }

    bool send(GuardMessage::Kind kind, std::string_view text = {}) const {
        return send(GuardMessage{kind, 0, text.size(), 0}, text);
    }
    bool send(const GuardMessage& message, std::string_view text) const {
        std::string whole(reinterpret_cast<const char*>(&message), sizeof message);
        whole += text;
        for (std::string_view rest = whole; !rest.empty();) {
            const ssize_t put = ::send(control.get(), rest.data(), rest.size(), MSG_NOSIGNAL);
            if (put < 0 && errno == EINTR) continue;
            if (put <= 0) return false;
            rest.remove_prefix(static_cast<std::size_t>(put));
        }
        // Somebody may have stopped it; it has to hear this.
        ::kill(pid, SIGCONT);
        return true;
    }

    /// Nothing: the guard is gone.
    std::optional<GuardMessage> receive() const {
        GuardMessage message;
        std::size_t have = 0;
        while (have < sizeof message) {
            const ssize_t got = ::recv(control.get(), reinterpret_cast<char*>(&message) + have,
                                       sizeof message - have, 0);
            if (got < 0 && errno == EINTR) continue;
            if (got <= 0) return std::nullopt;
            have += static_cast<std::size_t>(got);
        }
        return message;
    }

    /// A guard whose worker is gone kills what runs, and ends.
    void end() {
        control.close();
        if (pid <= 0) return;
        ::kill(pid, SIGCONT);
        while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
        }
        pid = -1;
    }

    /// Somebody killed the guard.
    Failure lost() {
        end();
        command = 0;
        const auto ended = end_marked(std::string(kGuardMark) + "=" + name_of_path(path));
        if (ended) return guard_is_gone();
        return fail(Code::unavailable,
                    "the guard of the command was killed, and what it left may "
                    "still run: " +
                        ended.error().message);
    }
};

Guard::Guard(std::unique_ptr<State> state) : x_state(std::move(state)) {}
Guard::Guard(Guard&&) noexcept = default;
Guard& Guard::operator=(Guard&&) noexcept = default;
Guard::~Guard() = default;

Result<Guard> Guard::start(const std::string& lock_path) {
    auto state = std::make_unique<State>();
    state->path = lock_path;
    std::array<int, 2> ends{};
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0)
        return system_failure("make", "socket", errno);
    state->control.take(ends[0]);
    Descriptor other(ends[1]);
    if (state->woken.get() < 0) return system_failure("make", "event", errno);
    const pid_t own = ::getpid();
    const char* const path = state->path.c_str();
    state->pid = ::fork();
    if (state->pid == 0) be_guard(other.get(), own, path);
    if (state->pid < 0) return system_failure("fork", "guard", errno);
    other.close();
    const auto answer = state->receive();
    if (!answer) return guard_is_gone();
    if (answer->kind != GuardMessage::locked)
        return system_failure("lock", lock_path, answer->value);
    return Guard(std::move(state));
}

void Guard::end_at(std::int64_t at_ns, GuardClock clock) {
    const int id = clock == GuardClock::boot ? CLOCK_BOOTTIME : CLOCK_MONOTONIC;
    // 0 is never to the guard.
    static_cast<void>(x_state->send(
        GuardMessage{GuardMessage::end_at, id, 0, std::max<std::int64_t>(at_ns, 1)}, {}));
}

Status Guard::run(const GuardedCommand& command) {
    TASKSTORE_LET(const std::string order, order_text(command, name_of_path(x_state->path)));
    if (!x_state->send(GuardMessage::run, order)) return x_state->lost();
    const auto answer = x_state->receive();
    if (!answer) return x_state->lost();
    if (answer->kind != GuardMessage::started && answer->value == ETIME &&
        static_cast<Step>(answer->step) == Step::begin)
        return fail(Code::timed_out, "the time of the command was over before it began");
    if (answer->kind != GuardMessage::started) return not_begun(*answer, command.arguments.front());
    x_state->command = answer->value;
    return ok();
}

Result<std::optional<CommandEnd>> Guard::wait(std::optional<std::int64_t> timeout_ms) {
    const Deadline deadline(timeout_ms);
    while (true) {
        std::array<struct pollfd, 2> waited{
            {{x_state->control.get(), POLLIN, 0}, {x_state->woken.get(), POLLIN, 0}}};
        const int ready = ::poll(waited.data(), waited.size(), deadline.poll_ms());
        if (ready < 0 && errno != EINTR) return system_failure("wait for", "guard", errno);
        if (ready > 0 && waited[0].revents != 0) {
            const auto answer = x_state->receive();
            const bool lapsed = answer && answer->kind == GuardMessage::lapsed;
            if (!answer || (!lapsed && answer->kind != GuardMessage::ended)) return x_state->lost();
            x_state->command = 0;
            const int status = answer->value;
            CommandEnd end{.lapsed = lapsed};
            end.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
            end.exit_code = end.signal != 0 ? 128 + end.signal : WEXITSTATUS(status);
            return std::optional(end);
        }
        if (ready > 0) {
            std::uint64_t count = 0;
            static_cast<void>(!::read(x_state->woken.get(), &count, sizeof count));
            return std::optional<CommandEnd>();
        }
        if (deadline.passed()) return std::optional<CommandEnd>();
    }
}

void Guard::wake() {
    const std::uint64_t one = 1;
    static_cast<void>(!::write(x_state->woken.get(), &one, sizeof one));
}

void Guard::terminate() {
    static_cast<void>(x_state->send(GuardMessage::terminate));
}

void Guard::kill() {
    static_cast<void>(x_state->send(GuardMessage::kill));
}

void Guard::dismiss() {
    static_cast<void>(x_state->send(GuardMessage::dismiss));
    x_state->end();
    x_state->command = 0;
}

std::int64_t Guard::pid() const {
    return x_state->pid;
}

std::int64_t Guard::command_pid() const {
    return x_state->command;
}

const std::string& Guard::lock_path() const {
    return x_state->path;
}

Result<LockState> lock_state(const std::string& lock_path) {
    const Descriptor file(::open(lock_path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (file.get() < 0) {
        if (errno == ENOENT || errno == ENOTDIR) return LockState::absent;
        return system_failure("open", lock_path, errno);
    }
    struct flock whole{};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (::fcntl(file.get(), F_OFD_GETLK, &whole) != 0)
        return system_failure("examine the lock of", lock_path, errno);
    return whole.l_type == F_UNLCK ? LockState::free : LockState::held;
}

Result<bool> remove_free_lock(const std::string& lock_path) {
    const Descriptor file(::open(lock_path.c_str(), O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
    if (file.get() < 0) {
        if (errno == ENOENT) return false;
        return system_failure("open", lock_path, errno);
    }
    struct flock whole{};
    whole.l_type = F_WRLCK;
    whole.l_whence = SEEK_SET;
    if (::fcntl(file.get(), F_OFD_SETLK, &whole) != 0) {
        if (errno == EAGAIN || errno == EACCES) return false;
        return system_failure("lock", lock_path, errno);
    }
    // Who else removes or replaces it needs this lock, if the file is still the one at the path.
    struct stat own{};
    struct stat there{};
    if (::fstat(file.get(), &own) != 0) return system_failure("examine", lock_path, errno);
    if (::stat(lock_path.c_str(), &there) != 0 || own.st_dev != there.st_dev ||
        own.st_ino != there.st_ino)
        return false;
    if (::unlink(lock_path.c_str()) != 0 && errno != ENOENT)
        return system_failure("remove", lock_path, errno);
    return true;
}

}  // namespace taskstore::os
