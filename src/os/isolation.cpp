#include <taskstore/os/isolation.hpp>

#include "isolation_process.hpp"
#include "system_error.hpp"

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <system_error>

namespace taskstore::os {
namespace {

/// What the trial's process says, in a page that it shares with us.
class Answer {
  public:
    Answer()
        : x_memory(::mmap(nullptr, sizeof(StepFailure), PROT_READ | PROT_WRITE,
                          MAP_SHARED | MAP_ANONYMOUS, -1, 0)) {}
    ~Answer() {
        if (x_memory != MAP_FAILED) ::munmap(x_memory, sizeof(StepFailure));
    }
    Answer(const Answer&) = delete;
    Answer& operator=(const Answer&) = delete;
    bool is_there() const { return x_memory != MAP_FAILED; }
    StepFailure& operator*() const { return *static_cast<StepFailure*>(x_memory); }

  private:
    void* x_memory;
};

/// A process with these parts, which ends where a command would begin.
StepFailure trial(PartBits parts) {
    const Answer answer;
    if (!answer.is_there()) return {Step::begin, errno};
    const Surroundings wanted{.parts = parts, .user = ::geteuid(), .group = ::getegid()};
    // Handlers of this program are not to run in the child.
    sigset_t all;
    sigset_t before;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before);
    *answer = {Step::begin, EINTR};
    const pid_t child = fork_into(parts);
    const int error = errno;
    if (child == 0) {
        ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
        StepFailure failure = furnish(wanted);
        if (!failure) failure = give_up_rights();
        *answer = failure;
        ::_exit(0);
    }
    ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
    if (child < 0) return {parts == 0 ? Step::begin : Step::namespaces, error};
    while (::waitpid(child, nullptr, 0) < 0 && errno == EINTR) {
    }
    return *answer;
}

std::string reason_of(const StepFailure& failure) {
    return "cannot " + std::string(text_of(failure.step)) + ": " +
           std::generic_category().message(failure.error);
}

}  // namespace

std::string_view name_of(IsolationPart part) {
    constexpr std::array<std::string_view, 6> kNames{"user", "mount",   "ipc",
                                                     "uts",  "network", "pid"};
    return kNames[static_cast<std::size_t>(part)];
}

std::string_view text_of(Step step) {
    constexpr std::array<std::string_view, 13> kTexts{"",
                                                      "begin",
                                                      "make the namespace",
                                                      "map the user",
                                                      "part the mounts from the host's",
                                                      "make the file system read-only",
                                                      "keep folders writable",
                                                      "give a /tmp of its own",
                                                      "give a /dev/shm of its own",
                                                      "mount a new /proc",
                                                      "bring up the loopback",
                                                      "give up privileges",
                                                      "set limits"};
    return kTexts[static_cast<std::size_t>(step)];
}

PartBits bits_of(const std::vector<IsolationPart>& parts) {
    PartBits bits = 0;
    for (const IsolationPart part : parts) bits |= bit_of(part);
    return bits;
}

Result<IsolationTrial> try_isolation(const std::vector<IsolationPart>& wanted) {
    if (const StepFailure failure = trial(0))
        return system_failure(text_of(failure.step), "an isolated command", failure.error);
    IsolationTrial found;
    PartBits got = 0;
    for (const IsolationPart part : kIsolationParts) {
        if (std::ranges::find(wanted, part) == wanted.end()) continue;
        if (part == IsolationPart::pid && !has(got, IsolationPart::mount)) {
            found.refused.push_back({part, "it needs the namespace mount, for its /proc"});
        } else if (const StepFailure failure = trial(got | bit_of(part))) {
            found.refused.push_back({part, reason_of(failure)});
        } else {
            got |= bit_of(part);
            found.got.push_back(part);
        }
    }
    return found;
}

bool lies_in_tmp(std::string_view path) {
    return std::ranges::any_of(
        std::array<std::string_view, 2>{"/tmp", "/var/tmp"}, [&](std::string_view folder) {
            return path.starts_with(folder) &&
                   (path.size() == folder.size() || path[folder.size()] == '/');
        });
}

}  // namespace taskstore::os
