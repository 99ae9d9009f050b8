#pragma once
// A worker (floor 5; the program's `work`, and programs that embed one): claims tasks, runs each
// one's command under a guard (os/guard.hpp), renews while it runs, and says how it ended.
//
//   Worker worker(*store, clock, random, files, {.name = "w1", .run = …, .log_folder = …});
//   worker.run();
//
// A command gets TASKSTORE_TASK_ID, _FENCE and _WORKER, which the program's verbs go by when it
// calls them itself; TASKSTORE_TASK_RESULT, the path of a file whose JSON becomes the task's
// result; and the task as JSON on its standard input. Exit code 0 completes the task, another one
// fails the attempt.
//
// An isolated one (IsolationOptions) runs in a folder of its own, with an environment that holds
// what was chosen, under limits, and in the namespaces that the system gives (os/isolation.hpp).
// The worker tries them at its start; a command gets exactly those that were told then, and the
// first line of its log names them. A part that the system takes back fails the attempt.
//
// A command that is to end gets SIGTERM with its whole process group, after the grace period
// everything that it started gets SIGKILL.

#include <taskstore/base/clock.hpp>
#include <taskstore/base/result.hpp>
#include <taskstore/os/file_system.hpp>
#include <taskstore/os/guard.hpp>
#include <taskstore/os/isolation.hpp>
#include <taskstore/tasks/task_store.hpp>
#include <taskstore/work/liveness.hpp>

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace taskstore::work {

enum class Outcome : std::uint8_t {
    completed,
    failed,  ///< No further attempt.
    again,   ///< This attempt failed; there will be another one.
    cancelled,
    released,   ///< The worker was told to stop: the task is there for others.
    lost,       ///< Another claim holds it by now, or nobody: nothing was written.
    unwritten,  ///< It ended, and the store could not be told; the lease decides.
};
std::string_view name_of(Outcome outcome);

/// One task that this worker is done with.
struct Finished {
    tasks::Task task;  ///< As it was claimed.
    Outcome outcome = Outcome::completed;
    /// What the outcome survives, where this worker wrote it.
    std::optional<sql::DurabilityLevel> level = {};
    std::optional<os::CommandEnd> end;  ///< Nothing: it never began.
    std::string error;                  ///< Empty: none.
    std::int64_t duration_ms = 0;
    std::string log_path;
};

/// A program's own way to carry out a task, instead of a command; `stop` is asked when it is to end
/// early. The answer is the result, as JSON. Its holder is the process: the task is free when that
/// dies.
using Handler =
    std::function<Result<std::string>(const tasks::Task& task, const std::stop_token& stop)>;

/// What commands are kept from, and what not.
struct IsolationOptions {
    /// Below it each command's own folder (0700), TASK-FENCE: HOME and working folder, TMPDIR, and
    /// the file TASKSTORE_TASK_RESULT are there; TASKSTORE_TASK_FOLDER is where others run. It goes
    /// with the command, however that ended; what is to stay is in the result and the log.
    std::string folder;
    /// Of the worker's environment, besides kEnvironmentKept; a name that ends in '*' is a
    /// beginning.
    std::vector<std::string> environment_kept = {};
    /// Absolute paths that it may write to, besides its folder. With a mount namespace all else is
    /// read-only.
    std::vector<std::string> writable = {};
    bool network = true;  ///< False: none but a loopback of its own; denied where that cannot be.
    bool strict = false;  ///< Works only where the system refuses nothing.
    /// Nothing: kFilesMax open files; kProcessesMax processes where they are counted by command.
    os::CommandLimits limits = {};
};
/// What every isolated command gets of the worker's environment.
inline constexpr std::array<std::string_view, 8> kEnvironmentKept{
    "PATH", "LANG", "LANGUAGE", "LC_*", "TZ", "TERM", "USER", "LOGNAME"};
inline constexpr std::int64_t kFilesMax = 4'096;
inline constexpr std::int64_t kProcessesMax = 1'024;

/// What the system gave.
struct IsolationFound {
    os::IsolationTrial trial;
    os::CommandLimits limits;
};
/// In one line: "user, mount, ipc, uts; refused: pid (…); limits: core 0, files 4096".
std::string text_of(const IsolationFound& found);

struct WorkerOptions {
    std::string name;                            ///< Who holds the tasks.
    std::optional<std::string> project = {};     ///< Of this one alone.
    std::vector<std::string> capabilities = {};  ///< What it offers.
    std::optional<std::string> agent_type = {};
    int jobs = 1;                                 ///< At once: 1..256.
    std::optional<std::int64_t> lease_ms = {};    ///< Nothing: as each task says.
    std::optional<std::int64_t> timeout_ms = {};  ///< Of tasks that do not say; nothing: none.
    std::int64_t grace_ms = 10'000;               ///< From SIGTERM to SIGKILL.
    /// Of programs that a server misses (sessions.hpp); 0: sessions say nothing.
    std::int64_t session_grace_ms = 10'000;
    /// Run for each task, instead of the task's own. Empty: tasks without a command are left to
    /// others.
    std::vector<std::string> command = {};
    Handler handler = {};
    std::optional<std::int64_t> tasks_max = {};  ///< Ends after so many.
    bool until_empty = false;  ///< Ends when there is nothing to claim, and it runs nothing.
    std::string folder = {};   ///< Where commands run; empty: the working folder.
    RunFolder run = {};
    /// Where that is by now: of a store that follows its database. For any thread.
    std::function<RunFolder()> run_now = {};
    std::string log_folder = {};  ///< TASK-FENCE.log: all that a command printed. Made (0700).
    /// At the start and each hour such files go that were last written to before that (ms), then
    /// the oldest until all together hold no more bytes. 0: no limit. Those in use stay.
    std::int64_t log_age_ms_max = std::int64_t{30} * 86'400'000;
    std::int64_t log_bytes_max = std::int64_t{1} << 30;
    /// On top of the environment of every command.
    std::vector<std::pair<std::string, std::optional<std::string>>> environment = {};
    std::optional<IsolationOptions> isolation = {};  ///< Nothing: commands run as the worker does.
    /// Once, before the first claim: with what commands are isolated.
    std::function<void(const IsolationFound&)> isolated = {};
    /// One at a time, from the threads of the worker.
    std::function<void(const tasks::Task&)> began = {};
    std::function<void(const Finished&)> finished = {};
    std::function<void(const std::string&)> warn = {};
    /// Called at the start and each hour, in a thread of its own: what need not be done at once. Is
    /// to end soon when told to stop; its errors go to `warn`, and keep nobody from working.
    std::function<Status(const std::stop_token&)> chore = {};
    /// Kept till the worker is gone: what its store stands on.
    std::shared_ptr<void> owner = {};
};

/// How much of a command's output is kept in the task (its end); all of it is in the log file.
inline constexpr std::size_t kLogTailBytes = std::size_t{64} << 10U;

/// Everything passed in must outlive it.
class Worker {
  public:
    Worker(tasks::TaskStore& store, const Clock& clock, Random& random, os::FileSystem& files,
           WorkerOptions options);
    ~Worker();
    Worker(const Worker&) = delete;
    Worker& operator=(const Worker&) = delete;

    /// Works until it is told to end, or as the options say. invalid: options that are none.
    /// denied: of the isolation something is refused that has to be. Once.
    Status run();
    /// Claims no more, and ends when what runs has ended. For any thread.
    void drain();
    /// Ends what runs too, and gives those tasks back. For any thread.
    void stop();

  private:
    struct State;
    std::unique_ptr<State> x_state;
};

}  // namespace taskstore::work
