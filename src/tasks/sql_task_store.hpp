#pragma once
// The store over a database of the port. Its methods stand in several files, by what they are
// about.

#include "lease_clock.hpp"
#include "task_checks.hpp"
#include "task_rows.hpp"
#include "task_texts.hpp"
#include "transitions.hpp"

#include <taskstore/base/id.hpp>
#include <taskstore/tasks/schedule.hpp>
#include <taskstore/tasks/task_archive.hpp>
#include <taskstore/tasks/task_import.hpp>
#include <taskstore/tasks/task_store.hpp>

#include <functional>
#include <initializer_list>
#include <map>
#include <mutex>
#include <set>

namespace taskstore::tasks {

/// Who waits for tasks waits for this.
inline constexpr std::string_view kTopic = kTopics[0];
/// Holders that listen wait for this.
inline constexpr std::string_view kHolderTopic = kTopics[1];
/// How often a decision is made anew when the task has changed before it was written.
inline constexpr int kDecisionsMax = 32;

class SqlTaskStore final : public TaskStore, public Schedules, public Pruning {
  public:
    SqlTaskStore(sql::Database& database, const Clock& clock, Random& random,
                 TaskStoreOptions options);

    Result<Written<Task>> create_task(const CreateTask& request) override;
    Result<Written<std::vector<std::string>>> create_tasks(
        std::span<const CreateTask> requests) override;
    Result<Written<std::vector<Imported>>> import_tasks(const ImportTasks& request) override;
    Result<std::optional<Task>> get_task(const std::string& id) override;
    Result<std::vector<std::optional<Task>>> get_tasks(std::span<const std::string> ids) override;
    Result<std::string> find_id(const std::string& part) override;
    Result<TaskPage> list_tasks(const TaskFilter& filter) override;
    Result<Written<Task>> update_task(const std::string& id, const UpdateTask& change) override;
    Result<sql::DurabilityLevel> delete_task(const std::string& id,
                                             const std::string& actor) override;
    Result<Written<std::vector<Task>>> claim_tasks(const ClaimRequest& request) override;
    Result<Written<Task>> renew_task(const Hold& hold,
                                     std::optional<std::int64_t> lease_ms) override;
    Result<Written<Task>> complete_task(const Hold& hold, const Completion& completion) override;
    Result<Written<Task>> fail_task(const Hold& hold, const FailedAttempt& attempt) override;
    Result<Written<Task>> release_task(const Hold& hold, const std::string& reason) override;
    Result<Written<Task>> cancel_task(const std::string& id, const std::string& actor,
                                      const std::string& reason) override;
    Result<Written<Task>> retry_task(const std::string& id, const std::string& actor) override;
    Result<std::vector<WatchedTask>> watched_tasks() override;
    Result<Written<Task>> rescue_task(const WatchedTask& task, const std::string& reason) override;
    Result<std::int64_t> rescue_tasks(std::span<const WatchedTask> tasks,
                                      const std::string& reason) override;
    bool sees_sessions() const override { return x_database.dialect() == "postgres"; }
    Result<std::optional<std::string>> keep_session(std::int64_t key,
                                                    std::int64_t grace_ms) override;
    Result<std::vector<WatchedTask>> lost_tasks(std::int64_t grace_ms) override;
    bool leases_count_sleep() const override { return !x_lease_clock; }
    Result<std::int64_t> tend() override;
    Result<Ageing> ageing() override;
    Result<Written<Ageing>> set_ageing(std::optional<std::int64_t> ageing_ms) override;
    Result<Outlook> outlook(const ClaimRequest& request) override;
    Result<std::unique_ptr<sql::Waiter>> waiter() override;
    Result<std::unique_ptr<sql::Waiter>> holder_waiter() override;
    Result<TaskStats> stats(const std::optional<std::string>& project) override;
    Result<std::string> why(const std::string& id) override;
    Result<std::vector<HistoryEntry>> history(const std::string& id) override;
    Schedules& schedules() override { return *this; }
    Pruning& pruning() override { return *this; }

    Result<std::int64_t> now_ms() override;
    Result<std::vector<EndedTask>> ended_tasks(const EndedAsked& asked) override;
    Result<WholeTasks> whole_tasks(std::span<const EndedTask> tasks) override;
    Result<Written<std::vector<std::string>>> forget_tasks(
        std::span<const EndedTask> tasks) override;
    Result<std::vector<KnownTask>> known_tasks(std::span<const std::string> ids) override;
    Result<std::vector<MadeTask>> tasks_made_by(const MadeAsked& asked) override;

    Result<Written<Schedule>> add_schedule(const CreateSchedule& schedule) override;
    Result<std::optional<Schedule>> get_schedule(const std::string& id) override;
    Result<std::string> find_schedule_id(const std::string& part) override;
    Result<std::vector<Schedule>> list_schedules(
        const std::optional<std::string>& project) override;
    Result<Written<Schedule>> update_schedule(const std::string& id,
                                              const UpdateSchedule& change) override;
    Result<sql::DurabilityLevel> delete_schedule(const std::string& id,
                                                 const std::string& actor) override;
    Result<std::vector<ScheduleEntry>> schedule_history(const std::string& id) override;
    Result<std::int64_t> fire_due() override;
    Result<std::optional<std::int64_t>> next_tick_in_ms() override;

  private:
    using Statements = std::vector<sql::BoundStatement>;
    /// What making tasks takes, kind by kind: neighbours of one kind go to the server as one.
    struct Making;

    // creating (task_create.cpp)
    /// `settled`: what it depends on and needs no wait any more, for it is archived.
    Status add_task(Making& making, const CreateTask& request, const Task& task,
                    const std::set<std::string>& settled = {}) const;
    Result<Written<Task>> create_anew(const CreateTask& request, Task task,
                                      const std::set<std::string>& settled);
    Result<std::optional<std::string>> find_key(const CreateTask& request);
    /// Of dependencies that are not among the tasks, those that the archive settles, into
    /// `settled`. not_found; conflict.
    Status find_settled(const Task& task, std::set<std::string>& settled);

    // taking in (task_import.cpp)
    struct Traces {
        std::map<std::string, Imported> known;
        std::map<std::string, TaskStatus> archived;  ///< Of those that are there.
        bool has_dependencies(const Task& task) const;
    };
    Result<Traces> find_traces(const std::set<std::string>& ids);
    Status add_imported(Making& making, const ImportTasks& request, const Task& task,
                        const Traces& traces) const;

    // schedules (schedules.cpp, schedules_fire.cpp)
    Result<Schedule> must_get_schedule(const std::string& id);
    Result<bool> write_schedule(const Schedule& was, const Schedule& next,
                                const ScheduleEntry& entry, sql::DurabilityLevel& level);
    Result<std::int64_t> fire(const Schedule& schedule, std::int64_t now_ms);
    Result<bool> write_ticks(const Schedule& was, const std::vector<std::int64_t>& ticks,
                             const Schedule& next, const std::string& passed_over);
    Result<std::vector<std::int64_t>> without_known(const Schedule& schedule,
                                                    std::vector<std::int64_t> ticks);
    static void forget_schedule_history(Statements& batch, const Schedule& schedule);
    Status pause_unreadable(const Schedule& schedule, std::int64_t now_ms);
    Status pause_broken(const Schedule& schedule, const Error& error, std::int64_t now_ms);

    // changing (task_update.cpp)
    static void mark_keys(Statements& batch, std::set<std::optional<std::string>> keys);
    /// Nothing: it was not there. conflict: somebody does the same at once.
    Result<std::optional<sql::DurabilityLevel>> remove_archived(TaskArchive& archive,
                                                                const std::string& id,
                                                                const std::string& actor);
    /// From the archive; `is_here`: the task is among the tasks, too.
    Result<std::optional<sql::DurabilityLevel>> remove_copy(const std::string& id,
                                                            const std::string& actor, bool is_here);

    // listing (task_lists.cpp)
    Status sort_by_rarity(std::vector<std::string>& tokens);

    // what a task waits for (task_edges.cpp)
    /// Puts into the task what the change says of its dependencies. not_found; conflict.
    Status apply_edges(const UpdateTask& change, Task& task, std::set<std::string>& settled);
    /// Before and after the statement that drew `write`, which writes the task; `had`: what it
    /// waited for until then.
    static void hold_edges(Statements& batch, const Task& task, const std::vector<std::string>& had,
                           bool adds);
    void write_edges(Statements& batch, const Task& task, const std::vector<std::string>& had,
                     const std::set<std::string>& settled, bool otherwise_ready,
                     std::int64_t write) const;

    // ageing (task_ageing.cpp)
    /// A page of what an ageing that was set has left to be ranked. How much was done.
    Result<std::int64_t> rank_some();

    // claiming (task_claims.cpp)
    Result<Written<std::vector<Task>>> claim_once(const ClaimRequest& request, bool meets,
                                                  bool& look);
    Result<bool> has_candidate(const ClaimRequest& request);
    /// Why a hold is not what it says; nothing where it is.
    static std::optional<Error> lost(const Task& task, const Hold& hold);

    // requests that were answered (task_requests.cpp)
    struct Request {
        std::string id;  ///< Empty: nobody wants the answer kept.
        std::string_view verb;
        std::string fingerprint;
    };
    Result<std::optional<std::vector<Task>>> answer_to(const Request& request);
    /// Of a transition of the task that drew `write`.
    void keep_answer(Statements& batch, const Request& request, const std::string& task,
                     std::int64_t write) const;
    void take_request(Statements& batch, const Request& request) const;
    void answer_request(Statements& batch, const Request& request, const std::string& worker,
                        std::int64_t write) const;
    static Request request_of(std::string_view verb, const Hold& hold,
                              std::initializer_list<sql::Value> values);

    // deciding by the task as it is (task_moves.cpp)
    struct Move;
    static Move move_of(const Task& was, Verb verb, TaskStatus to, const std::string& actor);
    static Move what_is_due(const Task& task);
    static Move rescue_of(const Task& task, const std::string& reason);
    sql::BoundStatement history_of(const std::string& id, std::int64_t write, Verb verb,
                                   TaskStatus from, const std::string& actor,
                                   const std::optional<std::string>& reason,
                                   const std::string& request_id) const;
    /// Which statements of a batch say whether a task was moved, and whether keys are to be
    /// settled.
    struct Moved {
        std::size_t task = 0;
        std::size_t limits = 0;
        std::int64_t write = 0;
    };
    Moved add_move(Statements& batch, const Task& was, const Move& move);
    Result<std::int64_t> rescue_some(std::span<const WatchedTask> tasks, const std::string& reason);
    /// Nothing: the task has changed since it was read.
    Result<std::optional<Written<Task>>> write_move(const Task& was, const Move& move);
    void end_for_others(Statements& batch, const std::string& id, std::int64_t write,
                        TaskStatus to) const;
    Result<Written<Task>> end_hold(const Hold& hold, const Request& request,
                                   const std::function<Move(const Task&)>& decide);
    bool may_be_freed(const Task& task) const;
    Status settle(const std::string& key);
    Result<std::int64_t> settle_keys();
    void settle_or_leave_marked();
    /// After the commit of a move of the task: settles what it marked, and on PostgreSQL what
    /// somebody else had marked before it, and was settling then.
    void settle_after(const sql::Committed& committed, const Moved& moved, const Task& task);
    std::int64_t draw() { return static_cast<std::int64_t>(x_random.next_u64() >> 1U); }

    // what ended (task_ended.cpp)
    /// How many of the first of them kWholeBytes hold, one at least.
    Result<std::size_t> slice_of(std::span<const EndedTask> tasks);

    // reading (task_store.cpp)
    /// Of the tasks alone. must_get: not_found; conflict where it is archived.
    Result<std::optional<Task>> get_kept(const std::string& id);
    Result<Task> must_get(const std::string& id);
    /// conflict: somebody holds it, or waits for it (task_update.cpp).
    Status check_removable(const Task& task);
    /// Null: there is none.
    Result<std::shared_ptr<TaskArchive>> archive() const;
    /// Nothing too where it was removed here.
    Result<std::optional<Task>> get_archived(const std::string& id);
    Result<std::vector<sql::Rows>> read_one(sql::BoundStatement statement);
    /// Every write of the store: the time that its statements go by is right.
    Result<sql::Committed> write_batch(sql::Batch batch, const sql::WriteOptions& options = {});
    Status keep_time();

    /// Of what stands there already, where an answer is not from a commit of its own.
    sql::DurabilityLevel seen() const { return x_database.capabilities().seen; }
    /// ?1 of every statement that has @now@.
    sql::Value now() const;
    sql::WriteOptions waking() const { return {.wake = kTopic}; }
    /// Of what may end a hold without its holder's doing.
    sql::WriteOptions waking_holders() const { return {.wake = kTopic, .wake_too = kHolderTopic}; }

    // Destroyed last: what opened the database.
    std::shared_ptr<void> x_owner;
    sql::Database& x_database;
    const Clock& x_clock;
    Random& x_random;
    UuidSource x_ids;
    const bool x_server_time;
    const Texts& x_texts;
    /// Who reads has not kept the time first, and a database that came from elsewhere has none.
    const Texts& x_read_texts;
    const std::function<Status(const WatchedTask&)> x_before_freeing;
    const ArchiveFinder x_archive;
    std::mutex x_session_mutex;
    std::unique_ptr<sql::Presence> x_session;
    bool x_session_written = false;  ///< That it is there.
    /// Nothing where the server's time counts, or its own offset is not needed.
    std::optional<LeaseClock> x_lease_clock;
};

/// The number of rows that a write changed is not the one it expected.
inline bool is_conflict(const Error& error) {
    return error.code == Code::conflict;
}
Failure no_such_task(const std::string& id);
/// For whoever asked for what the state of this task does not allow.
std::string way_on_from(const Task& task);

}  // namespace taskstore::tasks
