// The batches of a shared database: those who ask, and the thread that writes for them.
#include "writer.hpp"

#include <taskstore/sql/retry.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <limits>
#include <utility>

namespace taskstore::libsql {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
/// After a member failed, others are likely to: so many groups have savepoints, which are most
/// of the server's work, where a group that is sent twice costs all of it.
constexpr int kGuardedGroups = 16;

}  // namespace

// --- batches: the callers -----------------------------------------------------------------------

Result<sql::Committed> EngineDatabase::write_batch(sql::Batch batch,
                                                   const sql::WriteOptions& write_options) {
    TASKSTORE_TRY(check_write(write_options));
    TASKSTORE_LET(Member member, make_member(x_client->shown(), batch, /*reads_only=*/false));
    if (passed(write_options.deadline_boot_ns)) return too_late();
    if (member.empty()) return sql::Committed{.level = sql::DurabilityLevel::server};
    std::call_once(x_started, [&] {
        x_thread = std::jthread([this](const std::stop_token& stop) { write_groups(stop); });
    });
    const auto request = std::make_shared<Request>();
    request->bytes = bytes_of(member);
    request->member = std::move(member);
    request->options = write_options;
    // The caller may leave; it is woken here.
    request->options.wake = {};
    request->options.wake_too = {};
    request->give_up_ns = give_up_ns(write_options.deadline_boot_ns);
    {
        const std::lock_guard lock(x_mutex);
        x_queue.push_back(request);
    }
    x_queued.notify_one();
    if (options().queued_for_testing) options().queued_for_testing();
    auto answers = await(request);
    if (!answers) return fail(std::move(answers).error());
    wake(write_options.wake);
    wake(write_options.wake_too);
    return sql::Committed{.level = sql::DurabilityLevel::server, .answers = std::move(*answers)};
}

MemberAnswer EngineDatabase::await(const RequestPtr& request) {
    std::unique_lock lock(x_mutex);
    const std::int64_t deadline_ns = request->options.deadline_boot_ns;
    while (request->phase != Phase::answered) {
        std::int64_t wait_ms = kLookMs;
        if (deadline_ns != 0)
            wait_ms = std::clamp<std::int64_t>((deadline_ns - clock().boot_ns()) / kNsPerMs + 1, 1,
                                               kLookMs);
        request->changed.wait_for(lock, std::chrono::milliseconds(wait_ms));
        if (request->phase == Phase::answered || !passed(deadline_ns)) continue;
        const bool sent = request->phase == Phase::in_flight;
        request->phase = Phase::left;
        std::erase(x_queue, request);
        if (!sent) return too_late();
        return fail(Code::outcome_unknown, x_client->shown() +
                                               ": the deadline passed before the server answered; "
                                               "the write may be committed");
    }
    return std::move(request->answer);
}

void EngineDatabase::answer(const RequestPtr& request, MemberAnswer result) {
    const std::lock_guard lock(x_mutex);
    if (request->phase == Phase::left) return;
    request->answer = std::move(result);
    request->phase = Phase::answered;
    request->changed.notify_one();
}

// --- batches: the writer thread -----------------------------------------------------------------

void EngineDatabase::write_groups(const std::stop_token& stop) {
    std::unique_lock lock(x_mutex);
    while (true) {
        x_queued.wait(lock, [&] {
            return x_stopping || (!x_turn_taken && !x_queue.empty() && !x_queue.front()->is_work);
        });
        if (x_stopping) return;
        x_turn_taken = true;
        auto members = take_group(lock);
        lock.unlock();
        const std::int64_t from_ns = clock().boot_ns();
        x_group_before = std::exchange(x_last_group, members.size());
        run_group(std::move(members), stop);
        x_last_ns = clock().boot_ns() - from_ns;
        end_turn();
        lock.lock();
    }
}

// Who was answered a moment ago is about to ask again: without a pause, a group of all would be
// followed by one of the first that came back, and so on.
std::vector<RequestPtr> EngineDatabase::take_group(std::unique_lock<std::mutex>& lock) {
    constexpr std::int64_t kGatherNsMax = 5 * kNsPerMs;
    const std::size_t before = std::max(x_last_group, x_group_before);
    if (before > 1) {
        const std::int64_t gather_ns = std::min(x_last_ns / 2, kGatherNsMax);
        x_queued.wait_for(lock, std::chrono::nanoseconds(gather_ns),
                          [&] { return x_stopping || x_queue.size() >= before; });
    }
    std::vector<RequestPtr> members;
    std::size_t bytes = 0;
    const std::size_t most = x_client->version_3() ? options().group_members_max : 1;
    while (!x_queue.empty() && !x_queue.front()->is_work) {
        const RequestPtr& next = x_queue.front();
        const bool fits = members.size() < most && bytes + next->bytes <= options().group_bytes_max;
        if (!members.empty() && (!fits || next->options.alone || members[0]->options.alone)) break;
        bytes += next->bytes;
        members.push_back(next);
        x_queue.pop_front();
    }
    return members;
}

void EngineDatabase::run_group(std::vector<RequestPtr> members, const std::stop_token& stop) {
    sql::Backoff backoff(
        {.cap_ms = kBackoffCapMs, .deadline_boot_ns = std::numeric_limits<std::int64_t>::max()},
        clock(), x_client->random());
    Error why;
    while (begin_flight(members, why)) {
        Round round = send_group(members);
        why = round.error;
        if (round.alone && round.rest.size() > 1) {
            back_to_queue(round.rest);
            for (RequestPtr& one : round.rest) run_group({std::move(one)}, stop);
            return;
        }
        members = std::move(round.rest);
        if (members.empty()) return;
        back_to_queue(members);
        if (round.at_once) continue;
        if (!pause(std::max(backoff.next_ms(), round.wait_ms)))
            why = fail(Code::cancelled, x_client->shown() + ": the database is closed").error;
    }
}

/// Leaves out who has gone, or whose time is over. False: nobody is left.
bool EngineDatabase::begin_flight(std::vector<RequestPtr>& members, const Error& why) {
    const std::int64_t now_ns = clock().boot_ns();
    std::vector<RequestPtr> over;
    {
        const std::lock_guard lock(x_mutex);
        std::erase_if(members, [&](const RequestPtr& one) {
            if (one->phase == Phase::left) return true;
            const bool ends = x_stopping || now_ns > one->give_up_ns;
            const bool first = why.message.empty() && one->options.deadline_boot_ns == 0;
            if (ends && !(first && !x_stopping)) {
                over.push_back(one);
                return true;
            }
            one->phase = Phase::in_flight;
            return false;
        });
    }
    for (const RequestPtr& one : over) {
        if (one->options.deadline_boot_ns != 0 || why.message.empty()) {
            answer(one, too_late());
        } else {
            answer(one, fail(why));
        }
    }
    return !members.empty();
}

void EngineDatabase::back_to_queue(const std::vector<RequestPtr>& members) {
    const std::lock_guard lock(x_mutex);
    for (const RequestPtr& one : members) {
        if (one->phase == Phase::in_flight) one->phase = Phase::queued;
    }
}

Patience EngineDatabase::group_patience(const std::vector<RequestPtr>& members) const {
    // Who leaves earlier leaves alone (W3).
    std::int64_t latest_ns = 0;
    for (const RequestPtr& one : members) {
        if (one->options.deadline_boot_ns == 0) return x_client->patience_of(0);
        latest_ns = std::max(latest_ns, one->options.deadline_boot_ns);
    }
    return x_client->patience_of(latest_ns);
}

EngineDatabase::Round EngineDatabase::send_group(const std::vector<RequestPtr>& members) {
    auto slot = x_client->take_slot(group_patience(members).deadline_boot_ns);
    if (!slot) return {.rest = members, .error = std::move(slot).error()};
    std::vector<const Member*> texts;
    for (const RequestPtr& one : members) texts.push_back(&one->member);
    const Mark mark = next_mark();
    const Guard guard = x_guarded_groups > 0 ? Guard::savepoints : Guard::none;
    if (x_guarded_groups > 0) --x_guarded_groups;
    GroupText text = write_group(texts, mark, x_client->version_3(), guard);
    const std::array<std::string, 2> requests{batch_request(text.batch.take()),
                                              std::string(kCloseRequest)};
    Stream stream;
    Patience patience = group_patience(members);
    patience.interrupt = &x_interrupt;
    Asked asked = x_client->pipeline(stream, requests, patience);
    const bool too_large = asked.answer && asked.answer->results.front().error &&
                           is_too_large(*asked.answer->results.front().error);
    if (too_large && members.size() == 1) asked = send_large(members[0]->member, next_mark(), text);
    if (!asked.answer && asked.reach == Reach::lost)
        return settle(members, {.writer = mark.writer, .number = x_number}, std::move(asked.error));
    return read_group(members, text, guard, std::move(asked));
}

/// Its rows are more than a pipeline may answer, so nothing of it was kept.
Asked EngineDatabase::send_large(const Member& member, const Mark& mark, GroupText& text) {
    const Member* const only = &member;
    text = write_group(std::span(&only, 1), mark, x_client->version_3(), Guard::none);
    Stream stream;
    Patience patience = x_client->patience_of(0);
    patience.interrupt = &x_interrupt;
    Asked asked = x_client->cursor(stream, std::move(text.batch), patience);
    x_client->close(stream);
    return asked;
}

EngineDatabase::Round EngineDatabase::read_group(const std::vector<RequestPtr>& members,
                                                 const GroupText& text, Guard guard, Asked asked) {
    const auto answer_all = [&](const Error& error) {
        for (const RequestPtr& one : members) answer(one, fail(error));
        return Round{};
    };
    if (!asked.answer) {
        if (!asked.transient) return answer_all(asked.error);
        return {.rest = members,
                .wait_ms = asked.retry_after_ms,
                .at_once = asked.version_found,
                .error = std::move(asked.error)};
    }
    RequestAnswer& result = asked.answer->results.front();
    if (result.error) {
        // Nothing ran; one of them is to blame.
        if (members.size() > 1) return {.rest = members, .alone = true};
        const Error error = x_client->error_of(*result.error, members[0]->member[0].sql);
        if (error.code != Code::unavailable) return answer_all(error);
        return {.rest = members, .error = error};
    }
    const auto step = [&](int index) -> const StepAnswer& {
        return result.steps.at(static_cast<std::size_t>(index));
    };
    if (step(text.commit).state == StepState::done) {
        x_table_known = true;
        for (std::size_t i = 0; i < members.size(); ++i)
            answer(members[i], read_member(*x_client, members[i]->member, text.members[i], result));
        return {};
    }
    // Nothing is kept (W2). Why: the transaction could not begin, a member alone in it failed, or
    // something that no savepoint undoes.
    for (int i = text.begin; i <= text.mark; ++i) {
        if (step(i).state != StepState::failed) continue;
        Error error = x_client->error_of(
            step(i).error, i == text.begin ? "BEGIN IMMEDIATE" : "taskstore_outcomes");
        const bool table_gone = i == text.mark && std::exchange(x_table_known, false);
        if (error.code != Code::unavailable && !table_gone) return answer_all(error);
        return {.rest = members, .at_once = table_gone, .error = std::move(error)};
    }
    if (members.size() > 1 && guard == Guard::none) {
        x_guarded_groups = kGuardedGroups;
        return {
            .rest = members,
            .at_once = true,
            .error = fail(Code::unavailable, x_client->shown() + ": the group was undone").error};
    }
    if (members.size() > 1) return {.rest = members, .alone = true};
    auto answered = read_member(*x_client, members[0]->member, text.members[0], result);
    if (answered) {
        const StepAnswer& commit = step(text.commit);
        answered = commit.state == StepState::failed
                       ? fail(x_client->error_of(commit.error, "COMMIT"))
                       : fail(Code::unavailable, x_client->shown() + ": the transaction was lost");
    }
    if (answered.error().code == Code::unavailable)
        return {.rest = members, .error = answered.error()};
    answer(members[0], std::move(answered));
    return {};
}

/// The answer to the COMMIT was lost.
EngineDatabase::Round EngineDatabase::settle(const std::vector<RequestPtr>& members,
                                             const Mark& mark, Error error) {
    std::int64_t until_ns = 0;
    for (const RequestPtr& one : members) {
        const bool bounded = one->options.deadline_boot_ns != 0;
        until_ns = std::max(until_ns, bounded ? one->options.deadline_boot_ns : give_up_ns(0));
    }
    const auto outcome = ask_outcome(mark, until_ns);
    if (!outcome) {
        error.code = Code::outcome_unknown;
        for (const RequestPtr& one : members) answer(one, fail(error));
        return {};
    }
    error.code = Code::unavailable;
    if (!outcome->committed) return {.rest = members, .at_once = true, .error = std::move(error)};
    Round round{.alone = true, .at_once = true, .error = std::move(error)};
    for (std::size_t i = 0; i < members.size(); ++i) {
        // Undone, and why is lost with the answer: run again, it says so again.
        if (std::ranges::find(outcome->failed, i) != outcome->failed.end()) {
            round.rest.push_back(members[i]);
        } else {
            answer(members[i], answer_made_up(x_client->shown(), members[i]->member));
        }
    }
    return round;
}

}  // namespace taskstore::libsql
