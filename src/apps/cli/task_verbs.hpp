#pragma once
// The verbs of the device's tasks: their rows of the command table, and what their files share.

#include "command.hpp"
#include "context.hpp"

#include <taskstore/founding/found.hpp>
#include <taskstore/tasks/task_archive.hpp>
#include <taskstore/work/claim_wait.hpp>
#include <taskstore/work/following_store.hpp>
#include <taskstore/work/sessions.hpp>
#include <taskstore/work/spec_runs.hpp>
#include <taskstore/work/worker.hpp>

#include <array>

namespace taskstore::cli {

Status run_task_add(Context& context);
Status run_task_set(Context& context);
Status run_task_rm(Context& context);
Status run_task_list(Context& context);
Status run_task_ready(Context& context);
Status run_task_blocked(Context& context);
Status run_task_show(Context& context);
Status run_task_why(Context& context);
Status run_task_stats(Context& context);
Status run_task_search(Context& context);
Status run_task_claim(Context& context);
Status run_task_next(Context& context);
Status run_task_renew(Context& context);
Status run_task_complete(Context& context);
Status run_task_fail(Context& context);
Status run_task_release(Context& context);
Status run_task_cancel(Context& context);
Status run_task_retry(Context& context);
Status run_task_dead_list(Context& context);
Status run_task_dead_retry(Context& context);
Status run_task_dead_drop(Context& context);
Status run_task_wait(Context& context);
Status run_task_ageing(Context& context);
Status run_task_archive(Context& context);
Status run_work(Context& context);
/// import --from of a system before this one.
Status run_import_of_tasks(Context& context, founding::System system);
Status run_query(Context& context);
Status run_spec_enqueue(Context& context);
Status run_dependency_resolve(Context& context);
Status run_dependency_wait(Context& context);

// --- what the verbs share (task_verbs_shared.cpp)

/// The device's tasks, opened; lives as long as the context's databases. `archive`: as
/// archive_of_command() has it.
Result<std::shared_ptr<tasks::TaskStore>> open_tasks(Context& context);
Result<std::shared_ptr<tasks::TaskStore>> open_tasks(Context& context,
                                                     tasks::ArchiveFinder archive);
/// For verbs that wait: they go with the database when it moves.
Result<std::unique_ptr<work::FollowingStore>> open_tasks_to_stay(Context& context,
                                                                 work::Patience patience);
/// TaskStoreOptions::archive of the device's tasks, for who stays: it may move meanwhile.
tasks::ArchiveFinder archive_finder(Context& context);
/// The same for one command: it is looked for once, and only if it is asked for.
tasks::ArchiveFinder archive_of_command(Context& context);
/// A note, where it could not be asked while tasks were removed.
void note_copies_that_stay(Context& context, const tasks::ArchiveFinder& archive);
/// A page of it; empty where there is none.
Result<tasks::TaskPage> list_archive(Context& context, const tasks::TaskFilter& filter);
/// Nothing, and a note: it cannot be asked.
std::optional<std::int64_t> count_archive(Context& context, tasks::TaskStore& tasks,
                                          const std::optional<std::string>& project);
/// What the settings say of old tasks, each time anew, for a worker to do now and then.
std::function<Status(const std::stop_token&)> archiving_as_set(Context& context,
                                                               tasks::TaskStore& tasks);
/// Where holders of the device's tasks are seen on this host: beside a database that is a file,
/// else in the device's home.
Result<work::RunFolder> run_folder_of(Context& context);
/// What dead workers of this host held is free before anybody looks.
Status rescue_first(Context& context, tasks::TaskStore& store);
/// Who asks: the setting user.actor, else the user's name.
Result<std::string> task_actor(Context& context);
/// --project, else the repository that we are in; nothing with --all-projects, or outside of any.
Result<std::optional<std::string>> project_of(Context& context);
/// 500ms, 30s, 10m, 2h, 7d.
Result<std::int64_t> duration_of(std::string_view option, const std::string& text);
/// An RFC 3339 time, Unix milliseconds, +DURATION from now, or -DURATION: so long ago.
Result<std::int64_t> time_of(Context& context, std::string_view option, const std::string& text);
Result<std::int64_t> number_of(std::string_view option, const std::string& text);
/// The whole ids of tasks that are meant by parts of them. not_found; conflict with candidates.
Result<std::string> task_id_of(tasks::TaskStore& store, const std::string& part);
Status complete_ids(tasks::TaskStore& store, std::vector<std::string>& parts);
/// not_found, for a whole id.
Failure no_such_task(const std::string& id);
/// The same of what a task refers to.
Status complete_references(tasks::TaskStore& store, tasks::CreateTask& task);
/// A value as written, @FILE, or - for standard input.
Result<std::string> text_option(Context& context, std::string_view option);
using tasks::task_json;
using tasks::task_list_json;
void print_tasks(Context& context, const std::vector<tasks::Task>& list,
                 const std::string& next_cursor = {});
/// What the options of the command line say of a task (those of `task add`), over what there is.
Status put_task_fields(Context& context, tasks::CreateTask& task);
/// A task by these options.
Result<tasks::CreateTask> new_task_of(Context& context);
/// What the plan of the work tree shows of workers. not_found: there is no plan here.
Result<std::unique_ptr<work::SpecRuns>> spec_runs_of(Context& context, tasks::TaskStore& store);
/// Nothing where commands are not to be isolated. invalid: an option that means it is.
Result<std::optional<work::IsolationOptions>> isolation_of(Context& context);
/// What `--share-store` gives: `options` has its isolation, and the place of its holders.
Status share_store(Context& context, work::WorkerOptions& options);
/// Its members, for an object that is open.
void put_isolation(JsonWriter& writer, const work::IsolationFound& found);
/// When a wait ends that the option bounds, in boot_ns; 0: never.
Result<std::int64_t> deadline_of(Context& context, std::string_view option);
Failure waited_in_vain(const std::string& what);
/// One task, or `line` about it.
void print_task(Context& context, const tasks::Task& task, const std::string& line);
/// The answer to a write of one task: "completed task ID".
void print_task_written(Context& context, const tasks::Written<tasks::Task>& written,
                        std::string_view verb);

inline constexpr Option kProject{"project", 0, "P", "of this project (default: the repository's)"};
inline constexpr Option kAllProjects{"all-projects", 0, "", "of every project"};
inline constexpr Option kWorker{"worker", 0, "W",
                                "who holds the tasks (default: TASKSTORE_TASK_WORKER, else you)"};
inline constexpr Option kFence{"fence", 0, "F",
                               "the claim's fence: refused if another claim holds the task by now"};
inline constexpr Option kRequest{"request-id", 0, "ID",
                                 "the same request again has no second effect, and its answer"};
inline constexpr Option kLease{"lease", 0, "D", "how long it is held: 30s, 10m, 2h"};
inline constexpr std::array<std::string_view, 5> kTaskStatuses{"pending", "in_progress",
                                                               "completed", "failed", "cancelled"};
inline constexpr std::array<std::string_view, 4> kBackoffWords{"none", "linear", "exponential",
                                                               "fibonacci"};
inline constexpr std::array<std::string_view, 3> kPolicyWords{"block", "cancel", "run"};
inline constexpr std::array<std::string_view, 4> kErrorClasses{"infra", "logic", "policy",
                                                               "timeout"};
// What tasks have and people set: of add and of set alike.
#define TASKSTORE_TASK_FIELDS                                                                    \
    Option{"title", 0, "T", "what is to be done", false, {}, true},                              \
        Option{"description", 0,  "TEXT", "as written, @FILE, or - for standard input",          \
               false,         {}, true},                                                         \
        Option{"command", 0, "C", "what a worker runs: words, no shell", false, {}, true},       \
        Option{"shell", 0, "", "the command is a line for sh"},                                  \
        Option{"timeout", 0, "D", "how long the command may run: 30s, 10m", false, {}, true},    \
        Option{"input", 0, "JSON", "as written, @FILE, or - for standard input"},                \
        Option{"priority", 0, "P", "low, normal, high, urgent, or -100..100; larger first"},     \
        Option{"agent-type", 0, "A", "only for workers of this type", false, {}, true},          \
        Option{"capability", 0, "C", "what a worker must offer", true, {}, true},                \
        Option{"metadata", 0, "JSON", "an object"},                                              \
        Option{"not-before", 0, "T", "RFC 3339, Unix ms, or +10m", false, {}, true},             \
        Option{"deadline", 0, "T", "if nobody has begun by then, it fails", false, {}, true},    \
        Option{"max-attempts", 0, "N", "failed attempts before it is dead"},                     \
        Option{"max-rescues", 0, "N", "lost leases before it is dead"},                          \
        Option{"backoff", 0, "B", "how waits grow between attempts", false, kBackoffWords},      \
        Option{"backoff-base", 0, "D", "the first wait: 500ms, 1s"},                             \
        Option{"backoff-cap", 0, "D", "the longest wait"},                                       \
        Option{"jitter", 0, "PERCENT", "how much of a wait chance may take away"}, kLease,       \
        Option{"on-failed-dependency",                                                           \
               0,                                                                                \
               "X",                                                                              \
               "when one that it waits for fails",                                               \
               false,                                                                            \
               kPolicyWords},                                                                    \
        Option{"parent", 0, "ID", "the task that it is a part of", false, {}, true},             \
        Option{"concurrency-key",                                                                \
               0,                                                                                \
               "K",                                                                              \
               "tasks of one key share a number of slots",                                       \
               false,                                                                            \
               {},                                                                               \
               true},                                                                            \
        Option{"concurrency-limit", 0, "N", "how many of the key may be held at once"}, Option { \
        "spec", 0, "ID", "the task spec of the plan that it carries out", false, {}, true        \
    }
inline constexpr std::array kTaskAdd{
    TASKSTORE_TASK_FIELDS, Option{"project", 0, "P", "where it belongs (default: the repository)"},
    Option{"depends-on", 0, "ID", "begins when that task has completed", true},
    Option{"key", 0, "K", "the same key and content again is the same task"},
    Option{"keep-key", 0, "D", "how long the key is known (default: 7d)"}};
inline constexpr std::array kTaskSet{
    TASKSTORE_TASK_FIELDS,
    Option{"project", 0, "P", "another project"},
    Option{"no-shell", 0, "", "the command is words, that no shell sees"},
    Option{"depends-on", 0, "ID", "waits for that task too, unless it has begun", true},
    Option{"no-depends-on", 0, "ID", "waits for that task no more", true},
    Option{"if-revision", 0, "R", "only if the task is still at this revision"}};
#undef TASKSTORE_TASK_FIELDS
inline constexpr std::array kTaskList{
    Option{"status", 0, "S", "only tasks in this status", false, kTaskStatuses},
    kProject,
    kAllProjects,
    Option{"assigned-to", 0, "W", "held by W, or ended by W"},
    Option{"agent-type", 0, "A", "only for workers of this type"},
    Option{"capability", 0, "C", "wants workers that offer C", true},
    Option{"min-priority", 0, "P", "of this priority, or a larger one"},
    Option{"max-priority", 0, "P", "of this priority, or a smaller one"},
    Option{"created-since", 0, "T", "RFC 3339, Unix ms, or -2h for two hours ago"},
    Option{"created-until", 0, "T", "the same"},
    Option{"updated-since", 0, "T", "the same"},
    Option{"updated-until", 0, "T", "the same"},
    Option{"text", 0, "WORDS", "with all these words in title or description"},
    Option{"order", 0, "FIELD", "created, updated or priority; -FIELD descends"},
    Option{"limit", 0, "N", "at most N tasks (default: 100)"},
    Option{"cursor", 0, "C", "go on where an earlier page ended"},
    Option{"archived", 0, "", "those in the archive, not the others"}};
inline constexpr std::array kTaskAgeing{
    Option{"set", 0, "D", "so long counts as ten more priority: 10m; or off"}};
inline constexpr std::array kTaskArchive{
    Option{"older-than", 0, "D", "ended so long ago: 30d (default: tasks.archive_after_days)"},
    Option{"drop", 0, "", "do not keep them in the archive"},
    Option{"dry-run", 'n', "", "only say how many would go"},
    Option{"limit", 0, "N", "at most N tasks"},
    kProject,
    kAllProjects};
inline constexpr std::array kTaskPart{
    kProject, kAllProjects, Option{"limit", 0, "N", "at most N tasks"},
    Option{"cursor", 0, "C", "go on where an earlier page ended"}};
inline constexpr std::array kTaskShow{
    Option{"history", 0, "", "every move: from, to, who, when, why"}};
inline constexpr Option kPid{
    "pid", 0, "P", "the process that works on it: when it dies, the task is free at once"};
inline constexpr std::array kTaskClaim{kWorker,
                                       Option{"limit", 0, "N", "at most N tasks (default: 1)"},
                                       kLease,
                                       Option{"capability", 0, "C", "what the worker offers", true},
                                       Option{"agent-type", 0, "A", "which type of agent it is"},
                                       kPid,
                                       kProject,
                                       kAllProjects,
                                       kRequest};
inline constexpr std::array kTaskNext{
    kWorker,
    Option{"wait", 0, "D", "wait for one so long: 30s; then exit code 5"},
    kLease,
    Option{"limit", 0, "N", "at most N tasks (default: 1)"},
    Option{"capability", 0, "C", "what the worker offers", true},
    Option{"agent-type", 0, "A", "which type of agent it is"},
    kPid,
    kProject,
    kAllProjects,
    kRequest};
inline constexpr std::array kTaskRenew{kFence, kLease};
inline constexpr std::array kTaskComplete{
    kFence, Option{"result", 0, "JSON", "as written, @FILE, or - for standard input"},
    Option{"exit-code", 0, "N", "of the command"},
    Option{"logs", 0, "TEXT", "as written, @FILE, or -"}, kRequest};
inline constexpr std::array kTaskFail{
    kFence,
    Option{"error", 0, "TEXT", "what went wrong"},
    Option{"class", 0, "X", "what kind of thing went wrong", false, kErrorClasses},
    Option{"exit-code", 0, "N", "of the command"},
    Option{"logs", 0, "TEXT", "as written, @FILE, or -"},
    Option{"final", 0, "", "no further attempt; failed, and not among the dead"},
    kRequest};
inline constexpr std::array kTaskRelease{kFence, Option{"reason", 0, "TEXT", "for the history"},
                                         kRequest};
inline constexpr std::array kTaskReason{Option{"reason", 0, "TEXT", "for the history"}};
inline constexpr std::array kTaskStats{kProject, kAllProjects};
inline constexpr std::array kTaskWait{
    Option{"timeout", 0, "D", "wait so long: 30s; then exit code 5"}};
inline constexpr std::array kWork{
    Option{"jobs", 0, "N", "so many at once (default: 1)"},
    Option{"worker", 0, "W", "who holds the tasks (default: you, and the process's number)"},
    kProject,
    kAllProjects,
    Option{"capability", 0, "C", "what the worker offers", true},
    Option{"agent-type", 0, "A", "which type of agent it is"},
    Option{"lease", 0, "D", "how long a task is held between renewals (default: as it says)"},
    Option{"timeout", 0, "D", "how long a command may run, where its task does not say"},
    Option{"grace", 0, "D", "from TERM to KILL (default: 10s)"},
    Option{"once", 0, "", "one task, then end"},
    Option{"drain", 0, "", "end when there is nothing to claim"},
    Option{"isolate", 0, "",
           "each command has a folder, an environment, limits and namespaces of its own; what the "
           "system refuses of that is told"},
    Option{"strict", 0, "", "with --isolate: work only where nothing is refused"},
    Option{"no-network", 0, "", "with --isolate: commands have no network"},
    Option{"share-store", 0, "",
           "with --isolate: commands may use the tasks themselves (task complete, …)"},
    Option{"writable", 0, "DIR", "with --isolate: commands may write there too", true},
    Option{"keep-env", 0, "NAME",
           "with --isolate: commands get this variable too; NAME* is a beginning", true},
    Option{"limit-memory", 0, "SIZE", "with --isolate: memory of a process: 512M, 2G"},
    Option{"limit-cpu", 0, "D", "with --isolate: processor time of a process: 30s, 10m"},
    Option{"limit-files", 0, "N", "with --isolate: open files of a process (default: 4096)"},
    Option{"limit-processes", 0, "N",
           "with --isolate: processes of a command (default: 1024, where they are counted so)"}};
inline constexpr std::array<Option, 0> kTaskNone{};
inline constexpr std::array kQuery{Option{
    "on", 0, "URL", "ask this store's tasks instead of the device's own; all at once", true}};

/// Of `options`, the one of that name.
template <std::size_t N>
constexpr Option option_of(const std::array<Option, N>& options, std::string_view name) {
    for (const Option& option : options)
        if (option.name == name) return option;
    throw "no such option";
}
inline constexpr std::array kSpecEnqueue{
    option_of(kTaskAdd, "command"),     option_of(kTaskAdd, "shell"),
    option_of(kTaskAdd, "timeout"),     option_of(kTaskAdd, "priority"),
    option_of(kTaskAdd, "input"),       option_of(kTaskAdd, "agent-type"),
    option_of(kTaskAdd, "capability"),  option_of(kTaskAdd, "not-before"),
    option_of(kTaskAdd, "deadline"),    option_of(kTaskAdd, "max-attempts"),
    option_of(kTaskAdd, "max-rescues"), kLease,
    option_of(kTaskAdd, "depends-on"),  option_of(kTaskAdd, "project")};
inline constexpr std::array kDependencyResolve{
    Option{"payload", 0, "TEXT", "what is told or answered: as written, @FILE, or -"}};
inline constexpr std::array kDependencyWait{
    Option{"for", 0, "EXECUTION", "who waits"},
    Option{"timeout", 0, "D", "wait so long: 30s; then exit code 5"}};

inline constexpr std::array kTaskCommands{
    Command{"task add", "", "put a task into the device's queue", kTaskAdd,
            "taskstore task add --title 'Run the tests' --command 'make test' --priority high\n"
            "taskstore task add --title Deploy --depends-on 0193a1b2 --key deploy-42",
            run_task_add},
    Command{"task list", "", "list tasks, newest first", kTaskList,
            "taskstore task list --status pending --limit 20\n"
            "taskstore task list --capability gpu --min-priority high --order -priority\n"
            "taskstore task list --status failed --updated-since -2h --order -updated",
            run_task_list},
    Command{"task show", "ID", "show one task", kTaskShow, "taskstore task show 0193a1b2 --history",
            run_task_show},
    Command{"task set", "ID", "change a task; an empty value takes a field away", kTaskSet,
            "taskstore task set 0193a1b2 --priority urgent\n"
            "taskstore task set 0193a1b2 --depends-on 0193a1b3 --no-depends-on 0193a1b4",
            run_task_set},
    Command{"task rm", "ID", "remove a task that nobody holds; its history stays", kTaskNone,
            "taskstore task rm 0193a1b2", run_task_rm},
    Command{"task ready", "", "what may be claimed now, in the order of claims", kTaskPart,
            "taskstore task ready", run_task_ready},
    Command{"task blocked", "", "what waits for other tasks", kTaskPart, "taskstore task blocked",
            run_task_blocked},
    Command{"task why", "ID", "why a task is not being worked on", kTaskNone,
            "taskstore task why 0193a1b2", run_task_why},
    Command{"task stats", "", "how many tasks, by status, project and holder", kTaskStats,
            "taskstore task stats --all-projects", run_task_stats},
    Command{"task search", "WORD…", "tasks with all these words in title or description", kTaskPart,
            "taskstore task search index build", run_task_search},
    Command{"task claim", "",
            "take tasks for a worker: by priority, then by age; nobody else gets them while the "
            "lease runs",
            kTaskClaim, "taskstore task claim --worker w1 --limit 3 --lease 10m", run_task_claim},
    Command{"task next", "", "claim, and wait for a task where there is none", kTaskNext,
            "taskstore task next --worker w1 --wait 30s", run_task_next},
    Command{"task renew", "[ID]",
            "hold a task longer; a task that was to be cancelled comes back cancelled", kTaskRenew,
            "taskstore task renew 0193a1b2 --fence 1849529958400001 --lease 10m", run_task_renew},
    Command{"task complete", "[ID]", "it is done", kTaskComplete,
            "taskstore task complete 0193a1b2 --fence 1849529958400001 --result '{\"ok\":true}'",
            run_task_complete},
    Command{"task fail", "[ID]",
            "this attempt failed: again after a wait, or failed if no attempt is left", kTaskFail,
            "taskstore task fail 0193a1b2 --fence 1849529958400001 --error 'exit 2'\n"
            "taskstore task fail 0193a1b2 --error 'no such branch' --final",
            run_task_fail},
    Command{"task release", "[ID]", "give a task back, for others to claim", kTaskRelease,
            "taskstore task release 0193a1b2 --fence 1849529958400001", run_task_release},
    Command{"task cancel", "ID",
            "a pending task at once; of one that is held, the holder is told when it renews",
            kTaskReason, "taskstore task cancel 0193a1b2 --reason 'not needed'", run_task_cancel},
    Command{"task retry", "ID", "try a failed or cancelled task again", kTaskNone,
            "taskstore task retry 0193a1b2", run_task_retry},
    Command{"task dead list", "", "tasks that used up their attempts or lost too many workers",
            kTaskPart, "taskstore task dead list", run_task_dead_list},
    Command{"task dead retry", "ID…", "try dead tasks again", kTaskNone,
            "taskstore task dead retry 0193a1b2", run_task_dead_retry},
    Command{"task dead drop", "ID…", "remove dead tasks", kTaskNone,
            "taskstore task dead drop 0193a1b2", run_task_dead_drop},
    Command{"task ageing", "",
            "whether a task that waits long goes before those of more priority, for all who use "
            "the database",
            kTaskAgeing, "taskstore task ageing\ntaskstore task ageing --set 10m", run_task_ageing},
    Command{"task archive", "",
            "move tasks that ended long ago out of the others' way, into the archive; what is open "
            "or needed stays",
            kTaskArchive,
            "taskstore task archive --older-than 30d\n"
            "taskstore task archive --older-than 90d --drop --dry-run",
            run_task_archive},
    Command{"task wait", "ID…", "until these tasks have ended", kTaskWait,
            "taskstore task wait 0193a1b2 --timeout 10m", run_task_wait},
    Command{
        "work", "[COMMAND]…",
        "claim tasks and run their commands, or COMMAND for each, which reads the task as JSON; "
        "TERM finishes what runs, a second one ends it",
        kWork,
        "taskstore work --jobs 4\ntaskstore work --drain -- ./build.sh --fast\n"
        "taskstore work --isolate --no-network --limit-memory 2G",
        run_work},
    Command{"query", "[REQUEST]",
            "answer one JSON request about the device's tasks, as other devices ask it: REQUEST, "
            "or standard input; or ask it of other stores, and join what they say",
            kQuery,
            "taskstore query '{\"query_type\":\"list_tasks\",\"params\":{\"status\":"
            "\"running\"}}'\n"
            "taskstore query '{\"query_type\":\"get_task_stats\"}'\n"
            "taskstore query --on ./a.db --on postgres://host/b "
            "'{\"query_type\":\"list_tasks\"}'",
            run_query},
    Command{"spec enqueue", "ID",
            "put a task into the queue that carries out a spec, where none is open; the plan shows "
            "who is at it",
            kSpecEnqueue, "taskstore spec enqueue 3f9a --command 'make index'", run_spec_enqueue},
    Command{"dependency resolve", "ID", "tell who waits for it that it is done", kDependencyResolve,
            "taskstore dependency resolve 3f9a --payload 'see the log'", run_dependency_resolve},
    Command{"dependency wait", "",
            "until nothing is open that an execution waits for: what it asked, what others are to "
            "tell it",
            kDependencyWait, "taskstore dependency wait --for 3f9a --timeout 10m",
            run_dependency_wait},
};

}  // namespace taskstore::cli
