#pragma once
// Who still lives of those that hold tasks (floor 5; workers and waiters). Nobody has to cooperate:
// the kernel frees a lock, or says that a process has ended, and whoever watches the folder frees
// the task at once.
//
//   liveness = "lock:" MACHINE ":" BOOT ":" NAMESPACE ":" DEVICE ":" INODE ":" FILE
//            | "process:" MACHINE ":" BOOT ":" NAMESPACE ":" PID ":" START
//              and after it, where a server sees the program too (sessions.hpp), ";session:" KEY
//
//   run/live-TAG-UUID          FILE: held by a guard as long as its command, or any part of it,
//   runs run/process-TAG-PID-START  says to watchers that this process is to be watched; holds its
//                              liveness
//
// TAG is the database's, so that several may share a folder. MACHINE is os::machine_name().
//
// What cannot be seen from here is never judged: there the lease decides. That is all of another
// boot, but for one of this machine (MACHINE is the same), whose processes and guards are gone with
// it; a file that is missing, or another one of that name (a copy of the folder); another pid
// namespace: a container's process, and what a guard there left behind. A process that is only
// stopped or slow lives.

#include <taskstore/base/clock.hpp>
#include <taskstore/base/result.hpp>
#include <taskstore/os/file_system.hpp>
#include <taskstore/tasks/task_store.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <thread>

namespace taskstore::work {

/// Where the holders of a database's tasks are seen on this host.
struct RunFolder {
    std::string path;  ///< Absolute; made when somebody holds.
    std::string tag;   ///< Of the database: [0-9a-z]+.
    friend bool operator==(const RunFolder&, const RunFolder&) = default;
};
/// run/ in `folder`, for the database of this name (its location, as text).
RunFolder run_folder(const std::string& folder, std::string_view location);
/// run/ beside a database's file, however its path is spelt.
RunFolder run_folder_beside(const std::string& path);

enum class Life : std::uint8_t { lives, dead, unknown };
/// Of a holder. Thread-safe.
Life life_of(const RunFolder& run, std::string_view liveness);

/// The path of a new lock file in the folder, for a guard.
std::string new_lock_path(const RunFolder& run, const Clock& clock, Random& random);
/// Of the guard that holds the lock file.
Result<std::string> lock_liveness(const std::string& lock_path);
/// Makes the folder (0700) where it is missing.
Status make_run_folder(os::FileSystem& files, const RunFolder& run);

/// Of a process that runs now and can be seen from here; tells watchers of it. not_found: there is
/// none, or it cannot be seen; then a claim in its name is refused.
Result<std::string> watch_process(os::FileSystem& files, const RunFolder& run, std::int64_t pid);

/// Frees the tasks of holders that are dead, once, and takes away what the dead left in the folder.
/// Of a lock that is free whatever of its command may still run is killed first
/// (os::end_all_marked); where that cannot be done, its task waits for the next look, and no other.
/// How many tasks were freed. Costs nothing where the folder holds no file of ours.
Result<std::int64_t> rescue_dead(tasks::TaskStore& store, os::FileSystem& files,
                                 const RunFolder& run);

/// For tasks::TaskStoreOptions::before_freeing: ends what still runs of a claim whose lease ran
/// out, though its worker and its guard may be stopped (os::end_guarded). Of holders that are not
/// seen from here, and of processes, nothing is ended: there the lease decides.
std::function<Status(const tasks::WatchedTask&)> end_lapsed(RunFolder run);

/// The same as rescue_dead() for as long as it lives, in a thread of its own that sleeps until
/// somebody dies.
class Watch {
  public:
    /// `warn`: of what it cannot do, from its thread; it goes on trying. Where the folder cannot be
    /// watched, it says so and looks each second.
    static Result<std::unique_ptr<Watch>> start(tasks::TaskStore& store, os::FileSystem& files,
                                                RunFolder run,
                                                std::function<void(const std::string&)> warn = {});
    ~Watch();

  private:
    struct State;
    explicit Watch(std::unique_ptr<State> state);
    std::unique_ptr<State> x_state;
};

}  // namespace taskstore::work
