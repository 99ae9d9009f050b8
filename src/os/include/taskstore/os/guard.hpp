#pragma once
// A command under a guard (floor 1): a small process between a worker and the command that it runs.
//
//   worker ── guard ── command ── whatever that starts
//
// The guard holds a lock on a file of its own (an open file description lock, which it alone takes,
// after its fork). When the worker dies, however it dies, the guard kills the command with all that
// it started, waits until nothing of it is left, and ends: the lock is free only when the command
// is gone. Others on the host see that in the file (lock_state(), and a watch of its folder).
//
// The guard is forked and never runs another program: none has to be found, and none can be of
// another version. It closes every descriptor of the worker, leaves its session, and takes no
// signal but KILL.
//
// A command may be given an end (end_at()), which the guard keeps by itself: a worker that is
// stopped does not keep it from that.
//
// An isolated command (isolation.hpp) with a pid namespace has a first process between it and the
// guard, which ends with either, and by whose end the kernel kills all that is left in there.
//
// What may outlive a command without one: a process that runs as another user (setuid), which
// nobody here may kill: the lock is then held until it ends. Whoever kills the guard itself frees
// the lock at once; the command's first process dies with it, the others are found by end_marked().
// Whoever stops the guard too has end_guarded() do its work.

#include <taskstore/base/result.hpp>
#include <taskstore/os/isolation.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace taskstore::os {

/// A variable of the environment of all that runs under a guard; its value is the lock file's name.
inline constexpr std::string_view kGuardMark = "TASKSTORE_TASK_LOCK";

struct GuardedCommand {
    /// The program, looked up on PATH where it holds no '/', and its arguments.
    std::vector<std::string> arguments;
    std::string folder = {};  ///< Where it runs; empty: the working folder.
    /// Names of our own environment that it gets, and beginnings of names, which end in '*'.
    /// Nothing: all of it.
    std::optional<std::vector<std::string>> environment_kept = {};
    /// On top of that: a value, or nothing to take the name away.
    std::vector<std::pair<std::string, std::optional<std::string>>> environment = {};
    std::string_view input = {};  ///< What it reads from its standard input.
    /// Both its outputs are appended to this file (mode 0600). Empty: they are thrown away.
    std::string log_path = {};
    /// Nothing: it may do whatever its user may.
    std::optional<Isolation> isolation = {};
};

/// How a command ended.
struct CommandEnd {
    int exit_code = 0;    ///< 128 + the signal's number for one that a signal ended.
    int signal = 0;       ///< That signal; 0: none.
    bool lapsed = false;  ///< It was killed because its time was over (Guard::end_at()).
    friend bool operator==(const CommandEnd&, const CommandEnd&) = default;
};

/// Which of the system's clocks an end goes by: SystemClock's boot_ns(), or its running_ns().
enum class GuardClock : std::uint8_t { boot, running };

/// One command at most. Used by one thread at a time, but for what says otherwise.
class Guard {
  public:
    /// Returns when the guard holds the lock; makes the file (0600) where it is missing. Waits for
    /// whoever else has the lock.
    static Result<Guard> start(const std::string& lock_path);
    Guard(Guard&&) noexcept;
    Guard& operator=(Guard&&) noexcept;
    /// Kills what runs and waits for its end. The lock file stays, free: as if the worker had died.
    ~Guard();

    /// When the guard is to kill the command with all that it started, whatever the worker does by
    /// then; the last word holds. Before run(): a command whose end has come is not begun.
    void end_at(std::int64_t at_ns, GuardClock clock);
    /// Returns when the command has begun, in a process group of its own. not_found: there is no
    /// such program or folder; denied; timed_out: its end came first; failed: a part of its
    /// isolation is not to be had any more; failed, unavailable: as of wait(). After an error the
    /// guard is of no further use.
    Status run(const GuardedCommand& command);
    /// How it ended, once nothing of it is left: what it started and left behind was killed.
    /// Nothing: the time is over (none: as long as it takes), or wake() was called. failed:
    /// somebody killed the guard; what it left is killed. unavailable: it could not be, and the
    /// lock file is to stay, for others to try.
    Result<std::optional<CommandEnd>> wait(std::optional<std::int64_t> timeout_ms);
    /// Ends a wait(), now or the next one. For any thread.
    void wake();
    /// SIGTERM, to its process group.
    void terminate();
    /// SIGKILL, to all that it started.
    void kill();
    /// The same as the destructor, and takes the lock file away: nobody refers to it any more.
    void dismiss();

    std::int64_t pid() const;  ///< The guard's own.
    /// 0 before run(). Its process group has the same number; in a pid namespace of its own it is
    /// that of the first process there.
    std::int64_t command_pid() const;
    const std::string& lock_path() const;

  private:
    struct State;
    explicit Guard(std::unique_ptr<State> state);
    std::unique_ptr<State> x_state;
};

enum class LockState : std::uint8_t {
    absent,  ///< No such file: nothing is known.
    free,    ///< Whoever held it is gone, with all that it ran.
    held,
};
/// Of a guard's lock file. Takes no lock itself, and disturbs nobody.
Result<LockState> lock_state(const std::string& lock_path);
/// Removes the file if its lock is free; false where it is held, or not there.
Result<bool> remove_free_lock(const std::string& lock_path);

/// Does what a guard does at the command's end, whatever state the guard is in (it may be stopped,
/// or gone): kills what descends from it and what end_marked() finds, until nothing of it is left.
/// Without a file there is nothing to do. timed_out: something is left; conflict: as of
/// end_marked(); unsupported: the guard is in another pid namespace, and nothing was killed.
Status end_guarded(const std::string& lock_path, std::int64_t timeout_ms);

/// What end_marked() does, for the lock files of these names all at once, with one look over the
/// processes. The names of those of which something is left: it is there after so many ms, may not
/// be killed, or is this process itself.
std::vector<std::string> end_all_marked(const std::vector<std::string>& names,
                                        std::int64_t timeout_ms);

/// Kills every process of this user that began with this entry ("NAME=value") in its environment,
/// until there is none. How many there were. Processes that took the entry out of their environment
/// are not found. conflict: this process is one of them, and nothing was killed.
Result<int> end_marked(std::string_view entry);

}  // namespace taskstore::os
