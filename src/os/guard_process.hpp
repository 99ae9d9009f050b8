#pragma once
// The guard itself: what runs in the forked process. Private to os; guard.cpp is its other end.
//
// It may be forked by a thread of a program with many: so it calls what is safe in a signal
// handler, allocates nothing but pages of its own, and never returns.

#include "isolation_process.hpp"

#include <sys/types.h>

#include <cstdint>

namespace taskstore::os {

/// Both ways on the socket between worker and guard, each followed by `bytes` bytes.
struct GuardMessage {
    enum Kind : std::uint32_t {
        // worker to guard
        run = 1,    ///< Followed by an order.
        terminate,  ///< TERM to the group.
        kill,       ///< KILL to everything.
        dismiss,    ///< Kill, remove the lock file, end.
        end_at,     ///< at_ns, by the clock whose number is `value`.
        // guard to worker
        locked,
        refused,  ///< value: errno of the step that failed before `locked`.
        started,  ///< value: the command's pid.
        unable,   ///< value: errno of the `step` that kept the command from starting.
        ended,    ///< value: the status of waitpid(2); nothing is left of it.
        lapsed,   ///< The same, and it was killed at its end.
    };
    std::uint32_t kind = 0;
    std::int32_t value = 0;
    std::uint64_t bytes = 0;
    std::int64_t at_ns = 0;
    std::int32_t step = 0;
    std::int32_t unused = 0;
};

/// What `run` is followed by: this, the strings, each with its NUL (program, folder, log, /tmp, the
/// arguments, the environment, what is writable), and the input.
struct GuardOrder {
    std::uint32_t arguments = 0;
    std::uint32_t variables = 0;
    std::uint32_t writable = 0;
    std::uint32_t isolated = 0;  ///< 0: what follows is not looked at.
    std::uint32_t parts = 0;
    std::uint32_t unused = 0;
    LimitNumbers limits = {};
    std::uint64_t string_bytes = 0;
    std::uint64_t input_bytes = 0;
};

/// The lock file of a guard says who it is, for end_guarded(): "PID NAMESPACE\n", the namespace as
/// of ProcessIdentity. It counts as long as the lock is held.

/// `control`: its end of the socket. `worker`: who forked it.
[[noreturn]] void be_guard(int control, pid_t worker, const char* lock_path);

}  // namespace taskstore::os
