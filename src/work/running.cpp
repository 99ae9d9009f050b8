#include "running.hpp"

#include "log_tail.hpp"

#include <algorithm>

namespace taskstore::work {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
/// A lease is renewed when so much of it has passed.
constexpr std::int64_t kRenewalsPerLease = 3;
constexpr std::int64_t kRetryMs = 1'000;
/// How long before the end of its lease a command is killed: a part of the lease, at most so much.
constexpr std::int64_t kPartToEnd = 10;
constexpr std::int64_t kToEndNsMax = 1'000 * kNsPerMs;
/// How often one looks whether the server still sees this program, at least.
constexpr std::int64_t kSessionLookNs = 1'000 * kNsPerMs;

bool may_pass(Code code) {
    return code == Code::unavailable || code == Code::timed_out || code == Code::outcome_unknown;
}

std::string text_of(const os::CommandEnd& end) {
    if (end.signal != 0) return "ended by signal " + std::to_string(end.signal);
    return "exit code " + std::to_string(end.exit_code);
}

}  // namespace

std::string_view name_of(Outcome outcome) {
    constexpr std::array<std::string_view, 7> kNames{"completed", "failed", "again",    "cancelled",
                                                     "released",  "lost",   "unwritten"};
    return kNames[static_cast<std::size_t>(outcome)];
}

LeaseTime lease_now(const Services& services) {
    return {.boot_ns = services.clock.boot_ns(), .running_ns = services.clock.running_ns()};
}

std::int64_t ns_until(const Services& services, const LeaseTime& time) {
    return services.store.leases_count_sleep() ? time.boot_ns - services.clock.boot_ns()
                                               : time.running_ns - services.clock.running_ns();
}

void pause(std::int64_t ms, const std::stop_token& stop) {
    std::mutex own;
    std::unique_lock lock(own);
    std::condition_variable_any().wait_for(lock, stop, std::chrono::milliseconds(ms),
                                           [] { return false; });
}

Running::Running(const Services& services, tasks::Task task, std::unique_ptr<Doing> doing,
                 LeaseTime claimed, std::stop_token stop)
    : x_services(services),
      x_task(std::move(task)),
      x_doing(std::move(doing)),
      x_stop(std::move(stop)),
      x_claimed(claimed),
      x_lease_ns(services.options.lease_ms.value_or(x_task.lease_ms) * kNsPerMs) {}

void Running::look(const std::optional<tasks::Task>& task) {
    if (!task || task->fence != x_task.fence) return tell(Why::lost);
    if (task->status == tasks::TaskStatus::pending) return tell(Why::given_up);
    if (task->status != tasks::TaskStatus::in_progress) return tell(Why::said);
    if (task->cancel_requested_at) tell(Why::cancelled);
}

void Running::tell(Why why) {
    {
        const std::lock_guard lock(x_mutex);
        if (why <= x_told) return;
        x_told = why;
    }
    x_doing->wake();
}

Finished Running::carry_out() {
    const std::int64_t began = now_ns();
    hold_from(x_claimed);
    const auto timeout_ms = x_task.timeout_ms ? x_task.timeout_ms : x_services.options.timeout_ms;
    if (timeout_ms) x_timeout_at = began + *timeout_ms * kNsPerMs;
    Finished finished{.task = x_task, .log_path = x_doing->log_path()};
    if (!may_begin(finished)) return finished;
    const Status begun = x_doing->begin();
    if (!begun &&
        (begun.error().code == Code::timed_out || begun.error().code == Code::unavailable)) {
        x_why = Why::lost;
        x_left = begun.error().code == Code::unavailable;
        write_end(finished);
        return finished;
    }
    if (!begun) {
        finished.error = begun.error().message;
        // What the command says cannot be mended by another attempt; what is missing may come.
        const bool final = begun.error().code == Code::invalid;
        write_failure(finished, final ? tasks::ErrorClass::policy : tasks::ErrorClass::infra,
                      final);
        return finished;
    }
    wait_for_end(finished);
    finished.duration_ms = (now_ns() - began) / kNsPerMs;
    write_end(finished);
    return finished;
}

/// The claim may be old by now, and its task another's. False: it is written what became of it.
bool Running::may_begin(Finished& finished) {
    while (true) {
        const auto task = x_services.store.get_task(x_task.id);
        if (task) {
            look(*task);
            break;
        }
        if (!may_pass(task.error().code) || lease_is_over()) {
            finished.outcome = Outcome::unwritten;
            finished.error = task.error().message;
            return false;
        }
        if (x_stop.stop_requested()) break;
        pause(kRetryMs, x_stop);
    }
    {
        const std::lock_guard lock(x_mutex);
        x_why = x_told;
    }
    if (x_why == Why::none && x_stop.stop_requested()) x_why = Why::stopped;
    if (x_why == Why::none) return true;
    write_end(finished);
    return false;
}

void Running::wait_for_end(Finished& finished) {
    const std::stop_callback on_stop(x_stop, [this] { x_doing->wake(); });
    x_keeper = std::jthread([this](const std::stop_token& stop) { keep(stop); });
    while (true) {
        heed();
        auto end = x_doing->wait(next_ms());
        if (!end) {
            finished.error = end.error().message;
            x_left = end.error().code == Code::unavailable;
            break;
        }
        finished.end = *end;
        if (!finished.end) continue;
        if (finished.end->lapsed) x_why = Why::lost;
        break;
    }
    x_keeper.request_stop();
}

void Running::heed() {
    Why told = Why::none;
    {
        const std::lock_guard lock(x_mutex);
        const auto session = session_until_ns();
        x_end_moved = x_end_moved || session != x_session_until_ns;
        x_session_until_ns = session;
        if (x_end_moved) tell_end();
        if (ns_until(x_services, x_held_until) <= 0 || (session && *session <= now_ns()))
            x_told = Why::lost;
        told = x_told;
    }
    const std::int64_t now = now_ns();
    if (x_why == Why::none && x_stop.stop_requested()) end_early(Why::stopped);
    if (told > x_why && (told > Why::cancelled || x_why == Why::none)) end_early(told);
    if (x_why == Why::none && x_timeout_at != 0 && now >= x_timeout_at) end_early(Why::timed_out);
    if (x_why != Why::none && !x_killed && now >= x_kill_at) {
        x_killed = true;
        x_doing->kill();
    }
}

void Running::end_early(Why why) {
    // Somebody else may work on the task already: no time is left to put things in order.
    const bool at_once = why == Why::lost || why == Why::given_up;
    if (x_why == Why::none && !at_once) {
        x_kill_at = now_ns() + x_services.options.grace_ms * kNsPerMs;
        x_doing->terminate();
    }
    if (at_once) x_kill_at = now_ns();
    x_why = why;
}

std::optional<std::int64_t> Running::next_ms() {
    constexpr std::int64_t kNever = INT64_MAX;
    std::int64_t left = kNever;
    if (x_why != Why::lost) left = lease_left_ns();
    if (const auto session = session_until_ns(); session && x_why != Why::lost)
        left = std::min({left, kSessionLookNs, (*session - now_ns()) / 2});
    if (x_why == Why::none && x_timeout_at != 0) left = std::min(left, x_timeout_at - now_ns());
    if (x_why != Why::none && !x_killed) left = std::min(left, x_kill_at - now_ns());
    if (left == kNever) return std::nullopt;
    return std::max<std::int64_t>((left + kNsPerMs - 1) / kNsPerMs, 0);
}

/// A lease that was given for a request of that time began no earlier.
void Running::hold_from(const LeaseTime& asked) {
    const std::lock_guard lock(x_mutex);
    x_held_until = asked + x_lease_ns;
    x_renew_at = asked + x_lease_ns / kRenewalsPerLease;
    tell_end();
}

/// The guard keeps this end by itself. It takes a while to kill what may be a lot.
void Running::tell_end() {
    x_end_moved = false;
    LeaseTime end = x_held_until + -std::min(x_lease_ns / kPartToEnd, kToEndNsMax);
    if (x_session_until_ns) {
        const std::int64_t grace_ns = x_services.options.session_grace_ms * kNsPerMs;
        end.boot_ns = std::min(end.boot_ns,
                               *x_session_until_ns - std::min(grace_ns / kPartToEnd, kToEndNsMax));
    }
    if (x_services.store.leases_count_sleep())
        x_doing->end_at(end.boot_ns, os::GuardClock::boot);
    else
        x_doing->end_at(end.running_ns, os::GuardClock::running);
}

std::int64_t Running::lease_left_ns() {
    const std::lock_guard lock(x_mutex);
    return ns_until(x_services, x_held_until);
}

/// What was claimed with a session is judged by that, too, while a server sees them.
std::optional<std::int64_t> Running::session_until_ns() const {
    if (!x_task.liveness || x_task.liveness->find(";session:") == std::string::npos)
        return std::nullopt;
    return x_services.session_until_ns();
}

bool Running::lease_is_over() {
    return lease_left_ns() <= 0;
}

tasks::Hold Running::hold() const {
    return {.task_id = x_task.id, .fence = x_task.fence, .actor = x_services.options.name};
}

void Running::keep(const std::stop_token& stop) {
    std::unique_lock lock(x_mutex);
    while (!stop.stop_requested() && x_told < Why::said) {
        const std::int64_t left = ns_until(x_services, x_renew_at);
        if (left > 0) {
            x_stopped.wait_for(lock, stop, std::chrono::nanoseconds(left), [] { return false; });
            continue;
        }
        lock.unlock();
        renew();
        lock.lock();
    }
}

/// Looks first: a renewal of a task that is to be cancelled would end the hold while its command
/// still runs.
void Running::renew() {
    const LeaseTime asked = lease_now(x_services);
    const auto task = x_services.store.get_task(x_task.id);
    std::optional<tasks::Task> renewed;
    bool cancelled = false;
    if (task) {
        look(*task);
        if (!*task || (*task)->fence != x_task.fence) return;
        if ((*task)->status != tasks::TaskStatus::in_progress) return;
        cancelled = (*task)->cancel_requested_at.has_value();
        auto written = cancelled ? Result<tasks::Written<tasks::Task>>(fail(Code::cancelled, ""))
                                 : x_services.store.renew_task(hold(), x_services.options.lease_ms);
        if (written) renewed = std::move(written->value);
    }
    if (renewed) look(renewed);
    {
        const std::lock_guard lock(x_mutex);
        // Somebody may have changed how long it is.
        if (renewed && !x_services.options.lease_ms) x_lease_ns = renewed->lease_ms * kNsPerMs;
        if (renewed) x_held_until = asked + x_lease_ns;
        x_end_moved = x_end_moved || renewed.has_value();
        x_renew_at =
            renewed || cancelled
                ? asked + x_lease_ns / kRenewalsPerLease
                : lease_now(x_services) + std::min(kRetryMs * kNsPerMs, x_lease_ns / kPartToEnd);
    }
    if (renewed) x_doing->wake();
}

/// Tries until the lease is over: till then nobody else has the task. Where a try that got no
/// answer was written after all, the next one finds the hold ended, as it said.
template <typename Write>
void Running::write(Finished& finished, const Write& once) {
    while (true) {
        const Result<tasks::Written<tasks::Task>> written = once();
        if (written) {
            finished.level = written->level;
            switch (written->value.status) {
                case tasks::TaskStatus::completed:
                    finished.outcome = Outcome::completed;
                    return;
                case tasks::TaskStatus::failed:
                    finished.outcome = Outcome::failed;
                    return;
                case tasks::TaskStatus::cancelled:
                    finished.outcome = Outcome::cancelled;
                    return;
                default:
                    finished.outcome = x_why == Why::stopped ? Outcome::released : Outcome::again;
                    return;
            }
        }
        const Error& error = written.error();
        if (error.code == Code::lease_lost || error.code == Code::not_found)
            return note_said(finished);
        if (!may_pass(error.code) || lease_is_over() || x_stop.stop_requested()) {
            finished.outcome = Outcome::unwritten;
            finished.error = error.message;
            return;
        }
        pause(kRetryMs, x_stop);
    }
}

void Running::write_end(Finished& finished) {
    if (x_left) {
        // The lock is free, and its file stays: whoever looks for dead workers tries again.
        finished.outcome = Outcome::unwritten;
        return;
    }
    switch (x_why) {
        case Why::lost:
            finished.outcome = Outcome::lost;
            finished.error =
                "its lease ran out, its server did not see this worker for the grace, or another "
                "claim "
                "holds the task by now";
            return;
        case Why::said:
        case Why::given_up:
            return note_said(finished);
        case Why::stopped:
            return write(finished, [&] {
                return x_services.store.release_task(hold(), "its worker was told to stop");
            });
        case Why::cancelled:
            // Told only now that nothing of it runs any more.
            return write(finished, [&] { return x_services.store.renew_task(hold(), {}); });
        case Why::timed_out:
            finished.error = "it ran longer than its time";
            return write_failure(finished, tasks::ErrorClass::timeout, false);
        case Why::none:
            return write_exit(finished);
    }
}

void Running::write_exit(Finished& finished) {
    if (!finished.end) {
        // Whoever sees the free lock says the same: which of us comes first makes no difference.
        const tasks::WatchedTask held{x_task.id, x_task.fence, x_services.options.name,
                                      x_task.liveness.value_or("")};
        return write(finished, [&] { return x_services.store.rescue_task(held, finished.error); });
    }
    auto result = x_doing->result();
    if (!result || finished.end->exit_code != 0) {
        finished.error = result ? text_of(*finished.end) : result.error().message;
        return write_failure(
            finished,
            finished.end->signal != 0 ? tasks::ErrorClass::infra : tasks::ErrorClass::logic, false);
    }
    const tasks::Completion completion{
        .result = std::move(*result),
        .exit_code = 0,
        .logs = log_tail(x_services.files, finished.log_path, kLogTailBytes)};
    write(finished, [&] { return x_services.store.complete_task(hold(), completion); });
}

void Running::write_failure(Finished& finished, tasks::ErrorClass error_class, bool final) {
    tasks::FailedAttempt attempt{
        .error = finished.error,
        .error_class = error_class,
        .logs = log_tail(x_services.files, finished.log_path, kLogTailBytes),
        .final = final};
    if (finished.end) attempt.exit_code = finished.end->exit_code;
    write(finished, [&] { return x_services.store.fail_task(hold(), attempt); });
}

/// The command itself, or somebody else, has said how it ended.
void Running::note_said(Finished& finished) {
    finished.outcome = Outcome::lost;
    const auto task = x_services.store.get_task(x_task.id);
    if (!task || !*task || (*task)->fence != x_task.fence) return;
    switch ((*task)->status) {
        case tasks::TaskStatus::completed:
            finished.outcome = Outcome::completed;
            break;
        case tasks::TaskStatus::failed:
            finished.outcome = Outcome::failed;
            break;
        case tasks::TaskStatus::cancelled:
            finished.outcome = Outcome::cancelled;
            break;
        case tasks::TaskStatus::pending:
            finished.outcome = Outcome::again;
            break;
        case tasks::TaskStatus::in_progress:
            return;
    }
    finished.error = (*task)->error.value_or("");
}

}  // namespace taskstore::work
