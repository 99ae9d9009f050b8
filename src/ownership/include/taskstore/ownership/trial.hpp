#pragma once
// A trial of a store of tasks on the disk and the engine that it is to run on (floor 5): processes
// that create, claim, renew, end, cancel and look at tasks of one store, while they are paused,
// killed and their clocks jump; then the checker says whether what they were told can be true.

#include <taskstore/base/clock.hpp>
#include <taskstore/os/file_system.hpp>
#include <taskstore/ownership/checker.hpp>
#include <taskstore/tasks/task_store.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace taskstore::ownership {

struct TrialOptions {
    std::int64_t operations = 100'000;
    int processes = 16;
    std::uint64_t seed = 1;
    std::string folder;  ///< An empty one: each process keeps there what it was told.
    /// Opens the store, which nobody else uses; called once in each process, and again after a
    /// kill.
    std::function<Result<std::unique_ptr<tasks::TaskStore>>(const Clock&, Random&)> open;
    /// Pauses, kills and jumps of the clock; without, the processes only meet each other.
    bool disturb = true;
    /// Called now and then while they work, where it is given: stops and starts the server.
    std::function<Status()> restart_server = {};
    std::function<void(std::int64_t done, std::int64_t total)> progress = {};
    /// Asked now and then while they work, where it is given: true ends them, and the error is
    /// cancelled.
    std::function<bool()> stopped = {};
};

struct TrialReport {
    Verdict verdict;
    std::int64_t claimed = 0;
    std::int64_t completed = 0;
    std::int64_t refused = 0;     ///< Writes that came too late, and were told so.
    std::int64_t unanswered = 0;  ///< By the one who asked: killed, or the store did not know.
    std::int64_t kills = 0;
    std::int64_t pauses = 0;
    std::int64_t jumps = 0;
    std::int64_t restarts = 0;
    std::int64_t took_ms = 0;
};

/// Forks: the process must have no other threads, and no connection to the store. An error is one
/// of the trial itself, or an answer of the store that no client has to expect (corrupt, failed);
/// what the checker finds is in the report.
Result<TrialReport> run_trial(const TrialOptions& options, os::FileSystem& files,
                              const Clock& clock);

}  // namespace taskstore::ownership
