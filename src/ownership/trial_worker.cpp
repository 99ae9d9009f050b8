#include "trial_worker.hpp"

#include <algorithm>
#include <chrono>
#include <thread>

namespace taskstore::ownership {
namespace {

using tasks::Task;
using tasks::TaskStatus;

constexpr std::int64_t kNsPerMs = 1'000'000;
/// A server that is started again is back by then.
constexpr std::int64_t kPatienceNs = 60'000 * kNsPerMs;
constexpr std::int64_t kPauseMs = 5;
constexpr std::int64_t kShortestLeaseMs = 50;
constexpr std::int64_t kLongestLeaseMs = 400;
constexpr std::size_t kRemembered = 24;
/// Nothing ends a task but what is asked.
constexpr std::int64_t kPlenty = 1'000'000;

/// Whether the same question has one effect, however often it is asked.
bool has_a_name(Act act) {
    return act == Act::create || act == Act::claim || act == Act::complete || act == Act::fail ||
           act == Act::release;
}

bool is_refusal(Code code) {
    return code == Code::lease_lost || code == Code::conflict || code == Code::not_found;
}

bool is_no_answer(Code code) {
    return code == Code::unavailable || code == Code::timed_out || code == Code::outcome_unknown;
}

tasks::CreateTask task_to_create(const std::string& name) {
    return {.title = "trial " + name,
            .retry = {.max_attempts = kPlenty,
                      .max_rescues = kPlenty,
                      .backoff = tasks::Backoff::none,
                      .base_ms = 0,
                      .cap_ms = 0},
            .idempotency_key = name};
}

Result<std::vector<Task>> one(Result<tasks::Written<Task>> written) {
    if (!written) return fail(std::move(written).error());
    return std::vector<Task>{std::move(written->value)};
}

}  // namespace

Result<std::vector<Task>> Asker::once(const Call& call) {
    const std::string name = x_process + "." + std::to_string(call.number);
    const tasks::Hold hold{.task_id = call.task,
                           .fence = call.fence,
                           .actor = x_process,
                           .request_id = has_a_name(call.act) ? name : ""};
    switch (call.act) {
        case Act::create:
            return one(x_store.create_task(task_to_create(name)));
        case Act::claim: {
            auto claimed = x_store.claim_tasks({.worker = x_process,
                                                .limit = call.limit,
                                                .lease_ms = call.lease_ms,
                                                .request_id = name});
            if (!claimed) return fail(std::move(claimed).error());
            return std::move(claimed->value);
        }
        case Act::renew:
            return one(x_store.renew_task(hold, call.lease_ms));
        case Act::complete:
            return one(x_store.complete_task(hold, {.result = "1"}));
        case Act::fail:
            return one(x_store.fail_task(hold, {.error = "trial"}));
        case Act::release:
            return one(x_store.release_task(hold, "trial"));
        case Act::cancel:
            return one(x_store.cancel_task(call.task, x_process, "trial"));
        case Act::retry:
            return one(x_store.retry_task(call.task, x_process));
        default:
            break;
    }
    TASKSTORE_LET(auto task, x_store.get_task(call.task));
    if (!task) return fail(Code::not_found, "there is no such task");
    return std::vector<Task>{std::move(*task)};
}

Result<Answer> Asker::until_answered(const Call& call) {
    const std::int64_t give_up_ns = x_clock.running_ns() + kPatienceNs;
    while (true) {
        auto told = once(call);
        Answer answer{.outcome = Outcome::done, .at_ns = x_clock.running_ns()};
        if (told) {
            for (const Task& task : *told)
                answer.tasks.push_back({task.id, task.fence, task.status});
            return answer;
        }
        const Code code = told.error().code;
        if (is_refusal(code) && call.act != Act::create && call.act != Act::claim) {
            answer.outcome = Outcome::refused;
            return answer;
        }
        if (!is_no_answer(code) || x_clock.running_ns() > give_up_ns)
            return fail(std::move(told).error());
        if (!has_a_name(call.act)) {
            answer.outcome = Outcome::unknown;
            return answer;
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(kPauseMs));
    }
}

Result<Answer> Asker::ask(Call call) {
    call.number = ++x_number;
    call.at_ns = x_clock.running_ns();
    TASKSTORE_TRY(x_log.asked(call));
    TASKSTORE_LET(const Answer answer, until_answered(call));
    TASKSTORE_TRY(x_log.told(call.number, answer));
    return answer;
}

Result<Answer> Asker::ask_again(const Call& call) {
    if (!has_a_name(call.act)) return Answer{};
    TASKSTORE_LET(const Answer answer, until_answered(call));
    TASKSTORE_TRY(x_log.told(call.number, answer));
    return answer;
}

std::int64_t Worker::below(std::int64_t bound) {
    return static_cast<std::int64_t>(x_random.next_u64() % static_cast<std::uint64_t>(bound));
}

void Worker::know(const std::string& task) {
    if (std::ranges::find(x_known, task) != x_known.end()) return;
    if (x_known.size() == kRemembered) x_known.erase(x_known.begin());
    x_known.push_back(task);
}

void Worker::remember(const Call& call, const Answer& answer) {
    for (const Answer::Told& told : answer.tasks) know(told.task);
    if (call.act == Act::claim) {
        for (const Answer::Told& told : answer.tasks) x_held.push_back({told.task, told.fence});
        return;
    }
    const auto own = std::ranges::find_if(x_held, [&](const Held& held) {
        return held.task == call.task && held.fence == call.fence;
    });
    if (own == x_held.end() || answer.outcome == Outcome::unknown) return;
    const bool goes_on = call.act == Act::renew && answer.outcome == Outcome::done &&
                         answer.tasks.at(0).status == TaskStatus::in_progress;
    if (goes_on || call.act == Act::look || call.act == Act::cancel || call.act == Act::retry)
        return;
    if (x_stale.size() == kRemembered) x_stale.erase(x_stale.begin());
    x_stale.push_back(*own);
    x_held.erase(own);
}

void Worker::take_over(const std::vector<Asked>& before) {
    for (const Asked& one : before) {
        if (one.answer) remember(one.call, *one.answer);
    }
}

Call Worker::call_of_holder() {
    const Held& held = x_held[static_cast<std::size_t>(below(std::ssize(x_held)))];
    Call call{.task = held.task, .fence = held.fence};
    const std::int64_t dice = below(100);
    call.act = dice < 25   ? Act::renew
               : dice < 65 ? Act::complete
               : dice < 80 ? Act::fail
               : dice < 95 ? Act::release
                           : Act::look;
    if (call.act == Act::renew)
        call.lease_ms = kShortestLeaseMs + below(kLongestLeaseMs - kShortestLeaseMs);
    // Some dawdle until their lease has run out, or nearly.
    x_dawdle = below(12) == 0;
    return call;
}

Call Worker::next_call() {
    if (!x_held.empty() && below(100) < 60) return call_of_holder();
    const std::int64_t dice = below(100);
    const auto any = [&](const auto& list) -> const auto& {
        return list[static_cast<std::size_t>(below(std::ssize(list)))];
    };
    if (dice < 8 && !x_stale.empty()) {
        const Held& stale = any(x_stale);
        constexpr std::array kWrites{Act::renew, Act::complete, Act::fail, Act::release};
        return {.act = any(kWrites),
                .task = stale.task,
                .fence = stale.fence,
                .lease_ms = kLongestLeaseMs};
    }
    if (dice < 25 && !x_known.empty())
        return {.act = dice < 11   ? Act::cancel
                       : dice < 14 ? Act::retry
                                   : Act::look,
                .task = any(x_known)};
    if (dice < 70)
        return {.act = Act::claim,
                .lease_ms = kShortestLeaseMs + below(kLongestLeaseMs - kShortestLeaseMs),
                .limit = 1 + below(2)};
    return {.act = Act::create};
}

Status Worker::step() {
    const Call call = next_call();
    if (x_dawdle) {
        x_dawdle = false;
        std::this_thread::sleep_for(std::chrono::milliseconds(below(kLongestLeaseMs)));
    }
    TASKSTORE_LET(const Answer answer, x_asker.ask(call));
    remember(call, answer);
    return ok();
}

}  // namespace taskstore::ownership
