#pragma once
// What a guarded command is kept from (floor 1): namespaces of its own, limits, no privileges.
//
// The system gives a namespace or refuses it: a container's rules, a setting of the kernel, a
// limit. try_isolation() tries each and says which it gives. A command then gets exactly those:
// where the system takes one back later, Guard::run() fails, and nothing runs in the open.
//
//   part     of its own are then                                  needs
//   user     capabilities and privileges: none over the host's
//   mount    the file system: read-only but for its folders, with a   user, or root
//            /tmp, /var/tmp and /dev/shm of its own
//   ipc      System V and POSIX queues, semaphores, shared memory     user, or root
//   uts      the host's name                                          user, or root
//   network  devices and addresses: a loopback that leads nowhere     user, or root
//   pid      processes: it sees and can signal no others; when its    mount, for /proc
//            first one ends the kernel kills all others, of whichever user
//
// Whatever of these there is, an isolated command has no capability, gains none by setuid programs,
// writes no core file, and its guard cannot be read by it where there is `user` or `pid`.
//
// What it is not: files that its user may read stay readable, sockets in the file system can be
// connected to, and the kernel is shared.

#include <taskstore/base/result.hpp>

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::os {

enum class IsolationPart : std::uint8_t { user, mount, ipc, uts, network, pid };
inline constexpr std::array kIsolationParts{IsolationPart::user,    IsolationPart::mount,
                                            IsolationPart::ipc,     IsolationPart::uts,
                                            IsolationPart::network, IsolationPart::pid};
std::string_view name_of(IsolationPart part);

/// Of each process of a command (setrlimit(2)); nothing: as ours. One above our own hard limit is
/// that limit.
struct CommandLimits {
    /// Memory that it may write to and shares with nobody (RLIMIT_DATA).
    std::optional<std::int64_t> memory_bytes = {};
    std::optional<std::int64_t> cpu_seconds = {};  ///< Then XCPU, a second later KILL.
    std::optional<std::int64_t> files = {};        ///< Open at once.
    /// Of the command all together, where it has a user namespace (Linux 5.14); without one, of all
    /// that its user runs. Root's are not counted.
    std::optional<std::int64_t> processes = {};
};

inline constexpr std::size_t kWritableMax = 64;

struct Isolation {
    std::vector<IsolationPart> parts = {};  ///< That try_isolation() got.
    /// Absolute paths that are there, kWritableMax at most: with `mount` nothing else can be
    /// written.
    std::vector<std::string> writable = {};
    /// With `mount`: a folder in one of these, which the command finds at /tmp and /var/tmp, unless
    /// its program, its folder or something writable lies there. Empty: both are as they are,
    /// read-only.
    std::string tmp = {};
    CommandLimits limits = {};
};

struct RefusedPart {
    IsolationPart part = IsolationPart::user;
    std::string reason;
};
struct IsolationTrial {
    std::vector<IsolationPart> got;
    std::vector<RefusedPart> refused;
};
/// Tries these parts, each with those before it, in processes that end at once. Each is in one of
/// the two lists. failed, denied: even a process without any part cannot be made. Thread-safe.
Result<IsolationTrial> try_isolation(const std::vector<IsolationPart>& wanted);

/// Whether the path is hidden by a /tmp of one's own.
bool lies_in_tmp(std::string_view path);

}  // namespace taskstore::os
