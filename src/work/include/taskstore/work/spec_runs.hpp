#pragma once
// The plan meets the queue (floor 5; the program's `spec enqueue` and `work`): a task carries out a
// task spec, and while a worker is at it the plan shows who, as an execution.
//
// The plan is written by whoever works in its work tree, with a verb of its own; tasks whose spec
// is of another plan are left alone. The queue is the truth about tasks: what a worker that died
// left in the plan is settled by the next one, from the queue.
//
//   claimed      spec running, assigned_to; execution TASK-FENCE running
//   completed    spec complete;   execution complete
//   failed       spec failed;     execution failed, error_message
//   again        spec pending;    execution failed, error_message
//   given back, cancelled, lost
//                spec pending (lost: as it is);   execution stopped
//
// A spec that a person has completed meanwhile stays complete.

#include <taskstore/records/plan.hpp>
#include <taskstore/records/planning.hpp>
#include <taskstore/tasks/task_store.hpp>
#include <taskstore/work/worker.hpp>

#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace taskstore::work {

/// Where a spec's task stands.
struct EnqueuedSpec {
    tasks::Task task;
    bool made = false;  ///< False: it was open already.
    /// What the task survives, where it was asked for; nothing: it was open already.
    std::optional<sql::DurabilityLevel> level = {};
};

struct SpecRunsOptions {
    std::string worktree_path = {};                 ///< Execution::worktree_path.
    std::function<std::string()> branch_name = {};  ///< Asked as a task begins.
};

/// Not thread-safe. Everything passed in must outlive it. Errors, beyond its own: those of
/// records::Plan and tasks::TaskStore.
class SpecRuns {
  public:
    SpecRuns(records::Plan& plan, tasks::TaskStore& store, SpecRunsOptions options);

    /// The task that carries the spec out: one that is open, else a new one by `task`, with the
    /// spec as input, and its phase and description where `task` has no title and description. Two
    /// that ask at once get the same one. `_spec` of its metadata says when the spec was created,
    /// which tells it from one of the same id in another plan. not_found: no such spec. conflict:
    /// it is complete, or somebody is at it without the queue. unavailable, where the plan shows
    /// somebody at it: the queue, or its archive, cannot say whether that is over; or tasks of it
    /// end as quickly as they are made; ask again.
    Result<EnqueuedSpec> enqueue(const std::string& spec_id, const tasks::CreateTask& task);

    /// A worker has claimed it. ok() where it has no spec, or none of this plan.
    Status began(const tasks::Task& task);
    Status ended(const Finished& finished);

    /// Closes executions of claims that ended without a word to the plan, and takes over what was
    /// carried out where the plan did not hear of it. How many.
    Result<std::int64_t> settle();

  private:
    struct Ending;
    struct Unasked;
    Result<EnqueuedSpec> enqueue_once(const std::string& spec_id, tasks::CreateTask task);
    /// Of the spec that was created then; the newest one first.
    Result<std::vector<tasks::Task>> tasks_of(const std::string& spec_id,
                                              std::string_view created_at);
    Result<std::optional<records::Record>> spec_of(const tasks::Task& task);
    Result<std::int64_t> settle(std::vector<Unasked>& unasked);
    Result<bool> hear_of(const records::Record& spec, std::span<const tasks::Task> tasks);
    Status close(const std::string& execution_id, const std::string& spec_id, const Ending& ending);

    records::Plan& x_plan;
    tasks::TaskStore& x_store;
    SpecRunsOptions x_options;
};

}  // namespace taskstore::work
