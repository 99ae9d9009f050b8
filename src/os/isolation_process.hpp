#pragma once
// How a process is isolated, from inside. Private to os. All of it is called in forked processes of
// programs with many threads: only what is safe in a signal handler, and no allocation.

#include <taskstore/os/isolation.hpp>

#include <sys/types.h>

#include <cstdint>

namespace taskstore::os {

/// What failed; the words for it are in isolation.cpp.
enum class Step : std::int32_t {
    none,
    begin,
    namespaces,
    user,
    mounts,
    read_only,
    writable,
    tmp,
    shared_memory,
    processes,
    loopback,
    rights,
    limits,
};
struct StepFailure {
    Step step = Step::none;
    std::int32_t error = 0;  ///< errno.
    explicit operator bool() const { return step != Step::none; }
};
/// "give a /tmp of its own"
std::string_view text_of(Step step);

/// A limit as an order carries it; below 0: as ours.
struct LimitNumbers {
    std::int64_t memory_bytes = -1;
    std::int64_t cpu_seconds = -1;
    std::int64_t files = -1;
    std::int64_t processes = -1;
};

/// A set of parts.
using PartBits = std::uint32_t;
constexpr PartBits bit_of(IsolationPart part) {
    return PartBits{1} << static_cast<unsigned>(part);
}
constexpr bool has(PartBits parts, IsolationPart part) {
    return (parts & bit_of(part)) != 0;
}
PartBits bits_of(const std::vector<IsolationPart>& parts);

struct Surroundings {
    PartBits parts = 0;
    const char* const* writable = nullptr;
    std::uint32_t writable_count = 0;
    const char* tmp = "";
    uid_t user = 0;  ///< As the host numbers them.
    gid_t group = 0;
};

/// fork(), without handlers of anybody, into new namespaces. In a new pid namespace the child is
/// the first process. -1: errno says why.
pid_t fork_into(PartBits parts);
/// In the child: what the namespaces are to hold. Afterwards no process of the same user reads our
/// memory, which is the worker's.
StepFailure furnish(const Surroundings& wanted);
/// In the child, after that: no capability, and none to be gained.
StepFailure give_up_rights();
/// In the command itself, last.
StepFailure limit_self(const LimitNumbers& limits);

/// The first process of a pid namespace, once it has begun the command: passes on TERM from
/// outside, takes in orphans, writes the command's status (of waitpid(2)) to `guard` and ends with
/// it, and the namespace with it; ends as well when nobody has the other end of `guard`. All
/// signals are blocked.
[[noreturn]] void be_first(pid_t command, int guard);

}  // namespace taskstore::os
