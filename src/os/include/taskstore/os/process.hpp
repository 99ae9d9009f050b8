#pragma once
// Who a process is and whether it still runs (floor 1): leases and locks name their holder with it.

#include <taskstore/base/result.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace taskstore::os {

/// Tells a process from every other one, also from a later one of the same pid. A plain value, to
/// be stored; meaningful on the machine that it was made on.
struct ProcessIdentity {
    std::int64_t pid = 0;
    std::uint64_t start_ticks =
        0;                ///< Clock ticks from boot to its start: field 22 of proc(5) stat.
    std::string boot_id;  ///< Changes with every boot.
    std::uint64_t pid_namespace = 0;  ///< Inode of /proc/self/ns/pid; 0 where the system has none.
    friend bool operator==(const ProcessIdentity&, const ProcessIdentity&) = default;
};

enum class Liveness : std::uint8_t {
    alive,
    dead,     ///< Also a zombie without threads, and any process of an earlier boot.
    unknown,  ///< Of another pid namespace (a container), or hidden from us (hidepid).
};

/// All functions are thread-safe. /proc has to be mounted: `failed` or `not_found` without it.

/// Of this process. Not cached: it differs after fork().
Result<ProcessIdentity> this_process();
/// Of a process that runs now, in our pid namespace. not_found: no such process, or hidden from us.
Result<ProcessIdentity> identify_process(std::int64_t pid);

/// Never says `dead` on a guess: only for another boot of this machine, a pid that is free, or one
/// that a younger process has got. Whoever stores identities from several machines compares machine
/// ids first.
Liveness liveness_of(const ProcessIdentity& process);

/// True when it is dead, at once or within the time (nothing: as long as it takes); false when the
/// time is over. unsupported: liveness is unknown. Sleeps in the kernel (pidfd_open, Linux 5.3),
/// else asks with backoff.
Result<bool> wait_for_exit(const ProcessIdentity& process, std::optional<std::int64_t> timeout_ms);

/// Waits for the ends of many processes at once, through one descriptor that poll(2) takes. Not
/// thread-safe.
class ExitWatch {
  public:
    static Result<ExitWatch> open();
    ExitWatch(ExitWatch&&) noexcept;
    ExitWatch& operator=(ExitWatch&&) noexcept;
    ~ExitWatch();

    /// False: it is dead, or who it is cannot be seen; it is not watched. The same one again is
    /// watched once.
    Result<bool> add(const ProcessIdentity& process);
    /// Readable when one of them has ended.
    int descriptor() const;
    /// Those that have ended, which are watched no more.
    std::vector<ProcessIdentity> ended();

  private:
    struct State;
    explicit ExitWatch(std::unique_ptr<State> state);
    std::unique_ptr<State> x_state;
};

/// /proc/sys/kernel/random/boot_id. Containers share it with their host.
Result<std::string> boot_id();
/// The user's name in the user database (getpwuid_r(3)). not_found: it has none.
Result<std::string> name_of_user(std::uint32_t uid);
/// Tells this machine from others over its boots: digits made of machine-id(5) and the addresses of
/// its network cards, as clones of one disk image share the former. Empty: it has no machine-id.
/// Another one after its cards were changed.
std::string machine_name();
/// machine-id(5): 32 hexadecimal digits, stable over boots; clones of one disk image share it.
/// not_found: the system has none (some containers).
Result<std::string> machine_id();

}  // namespace taskstore::os
