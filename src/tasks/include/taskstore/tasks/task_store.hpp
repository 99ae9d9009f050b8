#pragma once
// The tasks of a device, the same over every database (floor 4; the store and whoever embeds it).

#include <taskstore/base/clock.hpp>
#include <taskstore/base/result.hpp>
#include <taskstore/sql/database.hpp>
#include <taskstore/sql/identity.hpp>
#include <taskstore/sql/migration.hpp>
#include <taskstore/tasks/task.hpp>
#include <taskstore/tasks/task_import.hpp>

#include <array>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace taskstore::tasks {

struct CreateTask {
    std::string title;  ///< Empty: the first line of the description that says anything.
    std::optional<std::string> description = {};
    std::optional<std::string> command = {};
    std::string input = "null";  ///< JSON.
    std::string project = {};
    std::int64_t priority = 0;    ///< -100..100.
    std::string metadata = "{}";  ///< JSON object.
    std::optional<std::string> agent_type = {};
    std::vector<std::string> capabilities = {};
    RetryPolicy retry = {};
    std::int64_t lease_ms = 600'000;
    std::optional<std::int64_t> not_before = {};
    std::optional<std::int64_t> deadline = {};
    std::vector<std::string> depends_on = {};  ///< Ids of tasks that are there.
    OnFailedDependency on_failed_dependency = OnFailedDependency::block;
    std::optional<std::string> parent = {};
    std::optional<std::string> concurrency_key = {};
    /// How many tasks of the key may be in progress at once; the last word about a key holds. None
    /// leaves the key as it is; a new one has 1.
    std::optional<std::int64_t> concurrency_limit = {};
    /// Within the project: the same key and the same content again is the task that is there.
    std::optional<std::string> idempotency_key = {};
    std::int64_t key_retention_ms = 7LL * 86'400'000;
    std::optional<std::string> spec_id = {};
    bool shell = false;  ///< The command is a line for sh, not words.
    std::optional<std::int64_t> timeout_ms = {};
    std::string actor = {};  ///< Who asks, for the history.
    friend bool operator==(const CreateTask&, const CreateTask&) = default;
};

/// Members without a value stay as they are. The second optional: set, or taken away.
struct UpdateTask {
    std::optional<std::string> title = {};
    std::optional<std::optional<std::string>> description = {};
    std::optional<std::optional<std::string>> command = {};
    std::optional<std::string> input = {};
    std::optional<std::int64_t> priority = {};
    std::optional<std::string> metadata = {};
    std::optional<std::string> project = {};
    std::optional<std::optional<std::string>> agent_type = {};
    std::optional<std::vector<std::string>> capabilities = {};
    std::optional<RetryPolicy> retry = {};
    std::optional<std::int64_t> lease_ms = {};
    std::optional<std::optional<std::int64_t>> not_before = {};
    std::optional<std::optional<std::int64_t>> deadline = {};
    std::optional<OnFailedDependency> on_failed_dependency = {};
    std::optional<std::optional<std::string>> parent = {};
    std::optional<std::optional<std::string>> concurrency_key = {};
    std::optional<std::int64_t> concurrency_limit = {};
    std::optional<std::optional<std::string>> spec_id = {};
    std::optional<bool> shell = {};
    std::optional<std::optional<std::int64_t>> timeout_ms = {};
    /// Ids of tasks that are there, for which it waits from now on; before it is begun.
    std::vector<std::string> add_dependencies = {};
    /// Of those that it waits for; taken away before others are added.
    std::vector<std::string> remove_dependencies = {};
    /// conflict where the task has another one by now.
    std::optional<std::int64_t> revision = {};
    friend bool operator==(const UpdateTask&, const UpdateTask&) = default;
};

/// Into what a task is made of; dependencies and the revision are not of it. Checks nothing:
/// create_task() does.
void put_change(const UpdateTask& change, CreateTask& task);

enum class TaskPart : std::uint8_t {
    all,
    ready,    ///< May be claimed now; listed in the order of claims.
    blocked,  ///< Pending, and waits for other tasks.
    dead,
};

enum class TaskOrder : std::uint8_t {
    by_part,  ///< What is ready as claims go; else the last made first.
    created,
    updated,
    priority,  ///< Small numbers first, of one the last made first; descending, that is as claims
               ///< go where there is no ageing.
};

/// Bounds that are given, both belong to it.
struct Range {
    std::optional<std::int64_t> least = {};
    std::optional<std::int64_t> most = {};
};

struct TaskFilter {
    std::optional<TaskStatus> status = {};
    std::optional<std::string> project = {};
    std::optional<std::string> assigned_to = {};
    std::optional<std::string> agent_type = {};
    std::vector<std::string> capabilities = {};  ///< Wants each of them.
    Range priority = {};
    Range created_at = {};
    Range updated_at = {};
    std::optional<std::string> spec_id = {};
    TaskPart part = TaskPart::all;
    /// Title and description have all of their tokens (sql/tokens.hpp), in any order; of a text the
    /// first 64 KiB are searched. invalid: there is none in them, or more than 32.
    std::vector<std::string> words = {};
    TaskOrder order = TaskOrder::by_part;
    bool descending = false;   ///< Says nothing of by_part.
    std::int64_t limit = 100;  ///< 1..10'000.
    /// The cursor of an earlier page in the same order. It names the last task of that page, so
    /// what stays as it is comes once, whatever is made, changed or removed meanwhile; what moves
    /// in the order may come again, or not at all.
    std::string after = {};
};

/// "created", "updated", "priority"; "-" before it descends. False: the word is none of these.
bool order_by(std::string_view word, TaskFilter& filter);

/// Of equal places in the order, in that of the ids.
struct TaskPage {
    std::vector<Task> tasks;
    std::string next_cursor;           ///< Empty: this was the last page.
    std::vector<std::int64_t> places;  ///< Of each of the tasks, for comes_before().
};

/// For whoever joins the lists of several stores, all of them answers to the filter: whether the
/// task at `at_a` of `a` stands before that at `at_b` of `b`, and the cursor of a page that ends
/// with the task at `at`.
bool comes_before(const TaskFilter& filter, const TaskPage& a, std::size_t at_a, const TaskPage& b,
                  std::size_t at_b);
std::string cursor_after(const TaskFilter& filter, const TaskPage& page, std::size_t at);

/// What an acknowledged write promises, beside the answer: of several commits the weakest. An
/// answer that stood there already (a known key, a request that was answered) has the level of what
/// reads see.
template <typename T>
struct Written {
    T value;
    sql::DurabilityLevel level;
};

struct ClaimRequest {
    std::string worker;                          ///< Who will hold the tasks.
    std::optional<std::string> project = {};     ///< Of this one alone.
    std::vector<std::string> capabilities = {};  ///< What the worker offers.
    std::optional<std::string> agent_type = {};
    std::int64_t limit = 1;                     ///< 1..1'000.
    std::optional<std::int64_t> lease_ms = {};  ///< Nothing: as each task says.
    bool with_command = false;                  ///< Only tasks that say what is to be run.
    /// Task::liveness of what is claimed.
    std::optional<std::string> liveness = {};
    /// The same request again within a day is answered as the first one, if that got anything.
    std::string request_id = {};
};

/// In whose name a task that is held is written to. With the fence of the claim: refused with
/// lease_lost where the task is no longer held by that claim. Without: a person acts in the place
/// of whoever holds it.
struct Hold {
    std::string task_id;
    std::optional<std::int64_t> fence = {};
    std::string actor = {};  ///< For the history.
    /// As of ClaimRequest; complete, fail and release take it.
    std::string request_id = {};
};

struct Completion {
    std::optional<std::string> result = {};  ///< JSON.
    std::optional<std::int64_t> exit_code = {};
    std::optional<std::string> logs = {};
};

struct FailedAttempt {
    std::string error;
    std::optional<ErrorClass> error_class = {};
    std::optional<std::int64_t> exit_code = {};
    std::optional<std::string> logs = {};
    bool final = false;  ///< No further attempt, whatever the policy says.
};

/// How age counts against priority, for all who use the database.
struct Ageing {
    /// A task goes before one of ten more priority that was made so much later, and so on in
    /// proportion. Nothing: never, priority goes strictly before age.
    std::optional<std::int64_t> ms = {};
    /// Tasks that were pending when it was set are still being put in their order.
    bool ranking = false;
    friend bool operator==(const Ageing&, const Ageing&) = default;
};

/// A task whose holder's life can be seen by its host.
struct WatchedTask {
    std::string task_id;
    std::int64_t fence = 0;
    std::string holder;
    std::string liveness;
    friend bool operator==(const WatchedTask&, const WatchedTask&) = default;
};

/// What a worker may hope for.
struct Outlook {
    bool claimable = false;  ///< A claim would get something, or has something to put in order.
    /// When a time comes that may change that; nothing: none is known.
    std::optional<std::int64_t> next_time = {};
    /// How long that is from the look, by the clock that leases and waits go by: a wall clock that
    /// is wrong here makes nobody late. Not below 0.
    std::optional<std::int64_t> next_in_ms = {};
};

struct TaskStats {
    using Counts = std::array<std::int64_t, 5>;  ///< In the order of TaskStatus.
    Counts by_status{};
    std::map<std::string, Counts> by_project;
    std::map<std::string, std::int64_t> by_holder;  ///< How many each worker holds now.
    std::optional<std::int64_t> oldest_pending_at;
    std::int64_t completed_last_hour = 0;
    std::int64_t completed_last_day = 0;
};

class Schedules;
class TaskArchive;
/// Null: there is none.
using ArchiveFinder = std::function<Result<std::shared_ptr<TaskArchive>>()>;

/// Which of the tasks that have ended prune.hpp asks for: a page of those that were made by
/// a time, in the order in which they were made.
struct EndedAsked {
    TaskStatus status = TaskStatus::completed;
    std::int64_t by = 0;
    std::optional<std::string> project = {};
    std::int64_t limit = 1;              ///< 250 at most.
    std::int64_t after_created_at = -1;  ///< The last of the page before.
    std::string after_id = {};
};
struct EndedTask {
    std::string id;
    std::int64_t revision = 0;
    std::int64_t created_at = 0;
    bool is_old = false;  ///< It ended by then.
    bool may_go = false;  ///< And nobody needs it.
};
/// Tasks and their histories as rows, for an archive of this version.
struct WholeTasks {
    std::vector<std::vector<sql::Value>> tasks;
    std::vector<std::vector<sql::Value>> histories;
    std::size_t looked_at = 0;  ///< So many of those that were asked for, the first of them.
};
/// A page of tasks that were made by a time, in the order in which they were made.
struct MadeAsked {
    std::int64_t by = 0;
    std::optional<std::string> project = {};
    std::int64_t limit = 1;
    std::int64_t after_created_at = -1;  ///< The last of the page before.
    std::string after_id = {};
};
struct MadeTask {
    std::string id;
    std::int64_t created_at = 0;
};
struct KnownTask {
    std::string id;
    bool removed = false;  ///< By somebody; otherwise it is here.
};

/// What is held in memory of tasks at once: so many bytes, more or less, or one task.
inline constexpr std::int64_t kWholeBytes = std::int64_t{8} << 20U;

/// What prune.hpp is made of; nobody else needs it. Thread-safe, as its TaskStore.
class Pruning {
  public:
    virtual ~Pruning() = default;
    /// By the clock that the ends of tasks go by.
    virtual Result<std::int64_t> now_ms() = 0;
    virtual Result<std::vector<EndedTask>> ended_tasks(const EndedAsked& asked) = 0;
    /// Of the first of these, as many as kWholeBytes hold: those that are still at the revision,
    /// all of one moment.
    virtual Result<WholeTasks> whole_tasks(std::span<const EndedTask> tasks) = 0;
    /// One transaction: what is still at the revision and may go is deleted, with its history and
    /// all that refers to it. Their ids.
    virtual Result<Written<std::vector<std::string>>> forget_tasks(
        std::span<const EndedTask> tasks) = 0;
    /// Of these, those that have an end or a place here, whatever an archive holds of them.
    virtual Result<std::vector<KnownTask>> known_tasks(std::span<const std::string> ids) = 0;
    virtual Result<std::vector<MadeTask>> tasks_made_by(const MadeAsked& asked) = 0;
};

/// Thread-safe. Errors of every method, beyond its own: those of sql::Database.
class TaskStore {
  public:
    virtual ~TaskStore() = default;
    /// invalid: no title and no description, JSON that is none, a number out of bounds, U+0000.
    /// not_found: a task that it depends on. conflict: the idempotency key belongs to a task of
    /// other content.
    virtual Result<Written<Task>> create_task(const CreateTask& task) = 0;
    /// All or none, in one transaction. The ids, in the order given; new ones ascend. Of tasks with
    /// an idempotency key that is known, the id that is there.
    virtual Result<Written<std::vector<std::string>>> create_tasks(
        std::span<const CreateTask> tasks) = 0;
    /// Tasks of another system, each with the id that it has there or that was derived from it; one
    /// transaction. What became of each, in the order given: the same again changes nothing, and
    /// what was removed here stays so. invalid, naming the task (check_import()): nothing was
    /// written.
    virtual Result<Written<std::vector<Imported>>> import_tasks(const ImportTasks& request) = 0;
    /// Nothing where there is none. This, and what follows about one task by its id, tells of
    /// archived ones too, where TaskStoreOptions::archive leads to some; a verb that would change
    /// one is a conflict, and says that it is archived. That one can be removed, and waited for.
    virtual Result<std::optional<Task>> get_task(const std::string& id) = 0;
    /// Of each of them, in the order given, all of one moment.
    virtual Result<std::vector<std::optional<Task>>> get_tasks(
        std::span<const std::string> ids) = 0;
    /// The whole id that is meant by a part of it: a whole one wins, then what ids begin with, then
    /// what they hold. not_found; conflict, with candidates, where there are several.
    virtual Result<std::string> find_id(const std::string& part) = 0;
    /// invalid: a limit out of bounds, a cursor of another order, words as above. Goes by an index
    /// where words, a status, a project or a spec are given, or nothing is and tasks come as they
    /// were made; else it looks through all of them.
    virtual Result<TaskPage> list_tasks(const TaskFilter& filter) = 0;
    /// The task as it is afterwards. not_found: it, or one that it is to wait for or to wait for no
    /// more. conflict: the revision; dependencies of a task that is held or completed; or the task
    /// would wait for itself, and the message has the circle (a → b → a). Refused, nothing is
    /// written.
    virtual Result<Written<Task>> update_task(const std::string& id, const UpdateTask& change) = 0;
    /// Its history stays; of an archived one only that it was removed: after an error that may
    /// stand there already. Then, and where the archive cannot be asked about a task that is here,
    /// a copy may stay there: it is not found any more, and goes with the next removal of the same.
    /// not_found; conflict: it is held, or others still wait for it.
    virtual Result<sql::DurabilityLevel> delete_task(const std::string& id,
                                                     const std::string& actor = {}) = 0;
    /// Takes up to `limit` tasks for the worker: by priority strictly, then by age, or as the
    /// ageing says. Nobody else gets them until their leases run out. Empty: there is nothing to
    /// claim.
    virtual Result<Written<std::vector<Task>>> claim_tasks(const ClaimRequest& request) = 0;
    /// A lease of `lease_ms` from now (nothing: as the task says), never a shorter one than there
    /// is. A task that was to be cancelled comes back cancelled: the hold has ended. lease_lost;
    /// without a fence: conflict, where nobody holds the task.
    virtual Result<Written<Task>> renew_task(const Hold& hold,
                                             std::optional<std::int64_t> lease_ms) = 0;
    /// Errors of all that end a hold: not_found; lease_lost, nothing was written; without a fence:
    /// conflict.
    virtual Result<Written<Task>> complete_task(const Hold& hold, const Completion& completion) = 0;
    /// Pending again after the backoff while attempts are left, else failed; cancelled where that
    /// was asked for.
    virtual Result<Written<Task>> fail_task(const Hold& hold, const FailedAttempt& attempt) = 0;
    /// Pending again at once: no attempt is counted.
    virtual Result<Written<Task>> release_task(const Hold& hold, const std::string& reason) = 0;
    /// Of a pending task: at once. Of one that is held: asks its holder, who is told at the next
    /// renewal; if the lease runs out first, the store cancels it. conflict: it has ended.
    virtual Result<Written<Task>> cancel_task(const std::string& id, const std::string& actor,
                                              const std::string& reason) = 0;
    /// A failed or cancelled task is pending again, with all its attempts. conflict: others.
    virtual Result<Written<Task>> retry_task(const std::string& id, const std::string& actor) = 0;
    /// Every task that is held and has a liveness, in its order. On which of them the holder is
    /// dead, only its host can say.
    virtual Result<std::vector<WatchedTask>> watched_tasks() = 0;
    /// What becomes of a task when its lease runs out, at once: for whoever knows that the holder
    /// is dead, with what it ran. lease_lost: it is no longer held by that claim; nothing was
    /// written.
    virtual Result<Written<Task>> rescue_task(const WatchedTask& task,
                                              const std::string& reason) = 0;
    /// The same of many, of a bounded number in one commit each. How many were freed: those that
    /// are no longer held by that claim are passed over.
    virtual Result<std::int64_t> rescue_tasks(std::span<const WatchedTask> tasks,
                                              const std::string& reason) = 0;
    /// Whether the two that follow have anything to ask: of PostgreSQL.
    virtual bool sees_sessions() const = 0;
    /// What a claim's liveness ends with, so that others miss this program when its session with
    /// the server ends ("session:KEY"). The first call begins it; it is to be called again each
    /// second or so: what comes back is not missed any more, and who reaches the server while its
    /// session is away is missed anew with each call. `key` is the program's own, wherever its
    /// tasks move to. Others free what it holds once they have missed it for `grace_ms` (0: for as
    /// long as they choose), so a program ends by itself what it has not asked this for that long.
    /// Nothing: the server does not see it, or not by now, as through a pooler; then the lease
    /// decides.
    virtual Result<std::optional<std::string>> keep_session(std::int64_t key,
                                                            std::int64_t grace_ms) = 0;
    /// Claims whose session has been missed for its grace, or `grace_ms` where it has none, by the
    /// server's clock, first by this or an earlier call of anybody, and is not back. Where the
    /// server was started again meanwhile, nobody is missed that has not been there since. Somebody
    /// who sees the holder live may know better.
    virtual Result<std::vector<WatchedTask>> lost_tasks(std::int64_t grace_ms) = 0;
    /// Whether leases go on while this machine sleeps: those of a server do.
    virtual bool leases_count_sleep() const = 0;
    /// What is due: ticks of schedules, leases that ran out, deadlines that passed, slots that
    /// became free, tasks that an ageing puts elsewhere. A bounded number; claims do it by
    /// themselves. How much was done.
    virtual Result<std::int64_t> tend() = 0;
    virtual Result<Ageing> ageing() = 0;
    /// 1'000 ms..366 days; nothing: off. Of every task that is made, changed or pending again after
    /// it returns it holds at once; those that are pending follow in pages with each tend() and
    /// each claim, and once with them `ranking` ends. Until then claims go by the ranks that there
    /// are. On PostgreSQL it waits for those who are just writing tasks. The same again changes
    /// nothing. invalid: out of bounds.
    virtual Result<Written<Ageing>> set_ageing(std::optional<std::int64_t> ageing_ms) = 0;
    virtual Result<Outlook> outlook(const ClaimRequest& request) = 0;
    /// Ends when tasks have changed.
    virtual Result<std::unique_ptr<sql::Waiter>> waiter() = 0;
    /// Ends when a holder may have lost a task or is to give it up, other than by its own word:
    /// somebody wants it cancelled, or has released, failed, completed or rescued it. It need not
    /// wait for its next renewal.
    virtual Result<std::unique_ptr<sql::Waiter>> holder_waiter() = 0;
    /// Of one project, or of all.
    virtual Result<TaskStats> stats(const std::optional<std::string>& project) = 0;
    /// In words: why nobody works on the task, or who does. not_found.
    virtual Result<std::string> why(const std::string& id) = 0;
    /// In order; also of a task that was removed. Empty where there never was one.
    virtual Result<std::vector<HistoryEntry>> history(const std::string& id) = 0;
    /// What makes tasks on time (schedule.hpp); lives as long as the store.
    virtual Schedules& schedules() = 0;
    /// For prune.hpp; lives as long as the store.
    virtual Pruning& pruning() = 0;
};

/// Whose clock leases and waits go by.
enum class TimeSource : std::uint8_t {
    by_engine,  ///< A server's own, where there is a server; else the clock passed in.
    clock,      ///< The clock passed in, always: for simulations and tests.
};

struct TaskStoreOptions {
    TimeSource time = TimeSource::by_engine;
    /// Of this boot of the machine; empty: os::boot_id(). Leases of an earlier boot run out by the
    /// wall clock.
    std::string boot_id = {};
    /// Kept till the store is gone: what opened the database.
    std::shared_ptr<void> owner = {};
    /// Asked before a task is freed whose lease ran out, if its claim named a liveness: whoever can
    /// see that holder ends what it still runs. An error: the task stays as it is, until the next
    /// one who tends asks again. From any thread; never while a transaction is open.
    std::function<Status(const WatchedTask&)> before_freeing = {};
    /// Asked for what is not among the tasks, and by removals. From any thread.
    ArchiveFinder archive = {};
};

/// Over a database that has the migrations and an identity named kModule. Both must outlive it.
std::unique_ptr<TaskStore> make_task_store(sql::Database& database, const Clock& clock,
                                           Random& random, TaskStoreOptions options = {});

/// The module's name in taskstore_migrations, and what to apply. `dialect` as of sql::Connection.
inline constexpr std::string_view kModule = "tasks";
std::span<const sql::Migration> migrations(std::string_view dialect);
/// Its tables, those that others refer to first.
std::span<const sql::Table> tables();
/// What is to be run within the transaction in which an epoch begins; empty: nothing.
std::string_view begin_epoch(std::string_view dialect);
/// The same for the transaction in which what came from a backup begins its epoch: every hold ends.
/// Such a task is pending again, and neither an attempt nor a rescue is counted; one that was to be
/// cancelled has a fence that nobody knows and a lease that is over, so that whoever tends next
/// cancels it.
std::string_view after_restore(std::string_view dialect);
/// The same where the state is that of a place that had moved to one that is lost; histories say
/// so.
std::string_view after_loss(std::string_view dialect);
/// Who waits for tasks, or holds some, waits for one of these.
inline constexpr std::array<std::string_view, 2> kTopics{"tasks", "tasks_held"};

}  // namespace taskstore::tasks
