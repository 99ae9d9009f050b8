#include <taskstore/work/claim_wait.hpp>
#include <taskstore/work/sessions.hpp>
#include <taskstore/work/worker.hpp>

#include "isolated.hpp"
#include "log_cleaning.hpp"
#include "running.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <thread>

namespace taskstore::work {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr int kJobsMax = 256;
constexpr std::int64_t kAfterErrorMs = 1'000;
constexpr std::int64_t kCleaningNs = std::int64_t{3'600'000} * kNsPerMs;
constexpr std::int64_t kGraceMsMax = 86'400'000;

}  // namespace

struct Worker::State {
    /// One of the threads that claim and run.
    struct Job {
        sql::Waiter& waiter;
        ClaimWait wait;
        std::optional<os::Guard> guard = {};  ///< Started, and named by no task yet.
        RunFolder run = {};                   ///< Its lock is there.
        std::string liveness = {};            ///< What a claim says of it.
    };

    State(tasks::TaskStore& given_store, const Clock& given_clock, Random& given_random,
          os::FileSystem& given_files, WorkerOptions given)
        : options(std::move(given)),
          random(given_random),
          services{given_store, given_clock, given_files,
                   options,     isolation,   [this] { return sessions->held_until_ns(); }} {}

    WorkerOptions options;
    std::optional<IsolationFound> isolation;  ///< Set before there are threads.
    Random& random;
    Services services;
    std::stop_source draining;
    std::stop_source stopping;
    std::mutex mutex;
    std::vector<Running*> running;
    std::int64_t begun = 0;
    int busy = 0;  ///< Jobs that claim or run.
    std::mutex telling;
    std::int64_t cleaned_ns = 0;  ///< The listener's alone, once it is there.
    Status failure;

    std::string handler_liveness;  ///< The same in every folder; set before there are threads.
    std::mutex watching;           ///< Of what follows.
    RunFolder run;                 ///< That is watched, the last of them.
    std::vector<std::unique_ptr<Watch>> watches;
    std::unique_ptr<SessionWatch> sessions;  ///< Set before there are threads.

    void warn(const std::string& what) {
        const std::lock_guard guard(telling);
        if (options.warn) options.warn(what);
    }
    Status check() const;
    Status prepare();
    Status watch(const RunFolder& folder);
    Result<RunFolder> watched_run();
    void listen(const std::stop_token& stop);
    Status look_at_held();
    void job();
    Status isolate();
    void clean_now_and_then();
    void clean_logs();
    void do_chores(const std::stop_token& stop);
    Status work_on(Job& job);
    bool may_begin();
    bool take_turn();
    void give_turn_back(bool ran);
    Result<bool> claim_and_run(const tasks::ClaimRequest& asked, Job& job);
    void run_one(tasks::Task task, const LeaseTime& claimed, os::Guard* guard);
    tasks::ClaimRequest request() const;
};

Status Worker::State::check() const {
    const auto bounds = [](std::string_view what, std::int64_t value, std::int64_t least,
                           std::int64_t most) -> Status {
        if (value >= least && value <= most) return ok();
        return fail(Code::invalid, std::string(what) + " " + std::to_string(value) + " is not in " +
                                       std::to_string(least) + ".." + std::to_string(most));
    };
    TASKSTORE_TRY(bounds("jobs", options.jobs, 1, kJobsMax));
    TASKSTORE_TRY(bounds("grace", options.grace_ms, 0, kGraceMsMax));
    TASKSTORE_TRY(bounds("session grace", options.session_grace_ms, 0, kGraceMsMax));
    if (options.timeout_ms) TASKSTORE_TRY(bounds("timeout", *options.timeout_ms, 1, INT64_MAX));
    if (options.tasks_max) TASKSTORE_TRY(bounds("tasks", *options.tasks_max, 1, INT64_MAX));
    if (options.handler && options.isolation)
        return fail(Code::invalid,
                    "a handler runs in this process, and cannot be isolated from it");
    return ok();
}

Status Worker::State::prepare() {
    os::FileSystem& files = services.files;
    TASKSTORE_TRY(make_run_folder(files, options.run));
    // Here too, not by the watch alone: who ends when there is nothing must have seen what is free.
    TASKSTORE_TRY(rescue_dead(services.store, files, options.run));
    if (!options.handler) {
        TASKSTORE_TRY(os::make_directories(files, options.log_folder, 0700));
        TASKSTORE_TRY(isolate());
        clean_now_and_then();
    }
    TASKSTORE_TRY(watch(options.run));
    sessions = std::make_unique<SessionWatch>(
        services.store, services.clock,
        SessionOptions{
            .grace_ms = options.session_grace_ms,
            .key = static_cast<std::int64_t>(random.next_u64() >> 1U),
            .run = options.run_now ? options.run_now : [run = options.run] { return run; },
            .warn = [this](const std::string& what) { warn(what); }});
    return ok();
}

Status Worker::State::isolate() {
    if (!options.isolation) return ok();
    TASKSTORE_LET(isolation, find_isolation(*options.isolation));
    if (options.isolated) options.isolated(*isolation);
    return ok();
}

Status Worker::State::watch(const RunFolder& folder) {
    if (options.handler) {
        TASKSTORE_LET(std::string own, watch_process(services.files, folder, ::getpid()));
        if (handler_liveness.empty()) handler_liveness = std::move(own);
    }
    TASKSTORE_LET(auto watch, Watch::start(services.store, services.files, folder,
                                           [this](const std::string& what) { warn(what); }));
    watches.push_back(std::move(watch));
    run = folder;
    return ok();
}

/// Where the lock of the next claim goes. What was claimed before a move has its lock in the folder
/// of then, which stays watched.
Result<RunFolder> Worker::State::watched_run() {
    const std::lock_guard lock(watching);
    if (const RunFolder now = options.run_now ? options.run_now() : options.run; now != run)
        TASKSTORE_TRY(watch(now));
    return run;
}

tasks::ClaimRequest Worker::State::request() const {
    return {.worker = options.name,
            .project = options.project,
            .capabilities = options.capabilities,
            .agent_type = options.agent_type,
            .lease_ms = options.lease_ms,
            .with_command = options.command.empty() && !options.handler};
}

/// What became meanwhile of the tasks that run here, in one read.
Status Worker::State::look_at_held() {
    std::vector<std::string> ids;
    std::vector<std::int64_t> fences;
    {
        const std::lock_guard lock(mutex);
        for (const Running* const one : running) {
            ids.push_back(one->task().id);
            fences.push_back(one->task().fence);
        }
    }
    // Where there are none, too: a store that follows its database looks where that is.
    TASKSTORE_LET(const auto found, services.store.get_tasks(ids));
    const std::lock_guard lock(mutex);
    // A claim of since then is not meant by what was read before it.
    for (std::size_t i = 0; i < ids.size(); ++i)
        for (Running* const one : running)
            if (one->task().id == ids[i] && one->task().fence == fences[i]) one->look(found[i]);
    return ok();
}

/// What cannot be removed keeps nobody from working.
void Worker::State::clean_now_and_then() {
    const std::int64_t now_ns = services.clock.boot_ns();
    if (cleaned_ns != 0 && now_ns < cleaned_ns + kCleaningNs) return;
    cleaned_ns = now_ns;
    if (!options.log_folder.empty()) clean_logs();
    if (!options.isolation) return;
    const auto cleared = clear_isolated(services.files, options.isolation->folder);
    if (!cleared) warn("what killed commands left stays: " + cleared.error().message);
}

void Worker::State::clean_logs() {
    const auto cleaned =
        work::clean_logs(services.files, options.log_folder,
                         {options.log_age_ms_max, options.log_bytes_max}, services.clock.wall_ms());
    if (!cleaned) warn("old logs stay: " + cleaned.error().message);
}

void Worker::State::do_chores(const std::stop_token& stop) {
    if (!options.chore) return;
    do {  // Once at least, however soon the worker has nothing to do.
        const Status done = options.chore(stop);
        if (!done) warn(done.error().message);
        pause(kCleaningNs / kNsPerMs, stop);
    } while (!stop.stop_requested());
}

/// Renewals tell of others' doings too; this is for being told at once.
void Worker::State::listen(const std::stop_token& stop) {
    const auto waiter = services.store.holder_waiter();
    if (!waiter) return warn(waiter.error().message);
    while (!stop.stop_requested()) {
        clean_now_and_then();
        const Status looked = look_at_held();
        const auto woken = looked ? (*waiter)->wait(0, stop) : Result<bool>(fail(looked.error()));
        if (!woken && woken.error().code != Code::cancelled) {
            warn(woken.error().message);
            pause(kAfterErrorMs, stop);
        }
    }
}

bool Worker::State::may_begin() {
    const std::lock_guard guard(mutex);
    return !options.tasks_max || begun < *options.tasks_max;
}

/// False: no further task is to be begun.
bool Worker::State::take_turn() {
    const std::lock_guard guard(mutex);
    if (options.tasks_max && begun >= *options.tasks_max) return false;
    ++begun;
    ++busy;
    return true;
}

void Worker::State::give_turn_back(bool ran) {
    const std::lock_guard guard(mutex);
    if (!ran) --begun;
    --busy;
}

void Worker::State::run_one(tasks::Task task, const LeaseTime& claimed, os::Guard* guard) {
    // A reference that the two ways of doing may keep.
    const tasks::Task kept = task;
    Running one(
        services, std::move(task),
        guard == nullptr ? run_handler(services, kept) : run_command(services, kept, *guard),
        claimed, stopping.get_token());
    {
        const std::lock_guard lock(mutex);
        running.push_back(&one);
    }
    if (options.began) {
        const std::lock_guard lock(telling);
        options.began(kept);
    }
    const Finished finished = one.carry_out();
    {
        const std::lock_guard lock(mutex);
        std::erase(running, &one);
    }
    // Where the store could not be told, the lock stays, free: then the task is free as well.
    if (guard != nullptr && finished.outcome != Outcome::unwritten) guard->dismiss();
    const std::lock_guard lock(telling);
    if (options.finished) options.finished(finished);
}

/// The lock is held before the claim that names it: a claim is never without it.
Result<bool> Worker::State::claim_and_run(const tasks::ClaimRequest& asked, Job& job) {
    tasks::ClaimRequest request = asked;
    TASKSTORE_LET(const RunFolder folder, watched_run());
    if (options.handler) {
        request.liveness = handler_liveness;
    } else {
        if (job.guard && job.run != folder) {
            job.guard->dismiss();
            job.guard.reset();
        }
        if (!job.guard) {
            const std::string path = new_lock_path(folder, services.clock, random);
            TASKSTORE_LET(job.guard, os::Guard::start(path));
            TASKSTORE_LET(job.liveness, lock_liveness(path));
            job.run = folder;
        }
        request.liveness = job.liveness;
    }
    request.liveness = sessions->with_session(*request.liveness);
    const LeaseTime claimed_at = lease_now(services);
    TASKSTORE_LET(auto claimed, services.store.claim_tasks(request));
    if (claimed.value.empty()) return false;
    run_one(std::move(claimed.value.front()), claimed_at, job.guard ? &*job.guard : nullptr);
    job.guard.reset();
    return true;
}

/// One look, and what follows from it; waits where there is nothing.
Status Worker::State::work_on(Job& job) {
    if (!may_begin()) {
        draining.request_stop();
        return ok();
    }
    const tasks::ClaimRequest asked = request();
    TASKSTORE_LET(const tasks::Outlook outlook, services.store.outlook(asked));
    if (outlook.claimable) {
        if (!take_turn()) return ok();
        const auto ran = claim_and_run(asked, job);
        give_turn_back(ran && *ran);
        if (!ran) return fail(ran.error());
        if (*ran) return ok();
    }
    if (options.until_empty) {
        const std::lock_guard lock(mutex);
        // Who is busy may make others ready by its end, and looks again after it.
        if (busy == 0) {
            draining.request_stop();
            return ok();
        }
    }
    const auto woken =
        job.waiter.wait(job.wait.until_ns(outlook, outlook.claimable), draining.get_token());
    if (!woken && woken.error().code != Code::cancelled) return fail(woken.error());
    return ok();
}

void Worker::State::job() {
    const auto waiter = services.store.waiter();
    if (!waiter) {
        const std::lock_guard guard(mutex);
        failure = fail(waiter.error());
        draining.request_stop();
        return;
    }
    Job own{.waiter = **waiter, .wait = ClaimWait(services.clock, random)};
    while (!draining.stop_requested()) {
        const Status status = work_on(own);
        if (status) continue;
        // A guard whose claim got no answer may be named by a task.
        own.guard.reset();
        if (!row_of(status.error().code).retryable &&
            status.error().code != Code::outcome_unknown) {
            const std::lock_guard lock(mutex);
            failure = fail(status.error());
            draining.request_stop();
            return;
        }
        warn(status.error().message);
        pause(kAfterErrorMs, draining.get_token());
    }
    if (own.guard) own.guard->dismiss();
}

Worker::Worker(tasks::TaskStore& store, const Clock& clock, Random& random, os::FileSystem& files,
               WorkerOptions options)
    : x_state(std::make_unique<State>(store, clock, random, files, std::move(options))) {}
Worker::~Worker() = default;

Status Worker::run() {
    State& state = *x_state;
    TASKSTORE_TRY(state.check());
    TASKSTORE_TRY(state.prepare());
    const std::jthread chores([&state](const std::stop_token& stop) { state.do_chores(stop); });
    const std::jthread listener([&state](const std::stop_token& stop) { state.listen(stop); });
    {
        std::vector<std::jthread> jobs;
        for (int i = 0; i < state.options.jobs; ++i) jobs.emplace_back([&state] { state.job(); });
    }
    state.watches.clear();
    state.sessions.reset();
    return state.failure;
}

void Worker::drain() {
    x_state->draining.request_stop();
}

void Worker::stop() {
    x_state->draining.request_stop();
    x_state->stopping.request_stop();
}

}  // namespace taskstore::work
