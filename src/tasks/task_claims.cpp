// Claiming, renewing, completing: one transaction each, written so that it says itself what it
// expects, and looked into only where it did nothing.

#include "sql_task_store.hpp"

#include "task_move.hpp"

#include <task_sql.hpp>
#include <taskstore/base/hash.hpp>
#include <taskstore/sql/identity.hpp>

#include <algorithm>
#include <array>

namespace taskstore::tasks {
namespace {

constexpr std::int64_t kClaimMax = 1'000;
constexpr std::int64_t kLeaseMsMax = 366LL * 86'400'000;
/// What sql/complete.sql adds to the task.
constexpr int kConcernsOthersColumn = kTaskColumns;
/// What sql/sqlite/history_of_claimed_row.sql takes of the task.
constexpr std::array kClaimedRow{kIdColumn, kRevisionColumn, kFenceColumn, kUpdatedAtColumn};
/// How often a claim is tried again that got nothing although there is something.
constexpr int kClaimTriesMax = 8;

Status check_lease(std::optional<std::int64_t> lease_ms) {
    if (!lease_ms || (*lease_ms > 0 && *lease_ms <= kLeaseMsMax)) return ok();
    return fail(Code::invalid, "a lease of " + std::to_string(*lease_ms) + " ms is not in 1.." +
                                   std::to_string(kLeaseMsMax));
}

Status check_claim(const ClaimRequest& request) {
    TASKSTORE_TRY(check_name("worker", request.worker));
    if (request.project && !request.project->empty())
        TASKSTORE_TRY(check_name("project", *request.project));
    for (const std::string& word : request.capabilities)
        TASKSTORE_TRY(check_name("capability", word));
    if (request.agent_type) TASKSTORE_TRY(check_name("agent_type", *request.agent_type));
    if (request.liveness) TASKSTORE_TRY(check_name("liveness", *request.liveness));
    if (request.limit < 1 || request.limit > kClaimMax)
        return fail(Code::invalid, "limit " + std::to_string(request.limit) + " is not in 1.." +
                                       std::to_string(kClaimMax));
    return check_lease(request.lease_ms);
}

std::string offers_of(const ClaimRequest& request) {
    return json_list(needs_of(request.capabilities, request.agent_type));
}

/// The order in which they were claimed: an engine answers in any.
Result<std::vector<Task>> claimed_tasks(const sql::Rows& rows) {
    std::vector<std::pair<std::int64_t, Task>> ranked;
    for (const auto& row : rows.rows) {
        TASKSTORE_LET(Task task, task_of(row));
        ranked.emplace_back(std::get<std::int64_t>(row.back()), std::move(task));
    }
    std::ranges::sort(ranked, [](const auto& a, const auto& b) {
        return std::tie(a.first, a.second.id) < std::tie(b.first, b.second.id);
    });
    std::vector<Task> tasks;
    for (auto& [rank, task] : ranked) tasks.push_back(std::move(task));
    return tasks;
}

}  // namespace

/// `meets`: in one statement with what others ask. Those who ask unlike things find the same task
/// there, and one of them gets it; one after the other each sees what those before him took.
Result<Written<std::vector<Task>>> SqlTaskStore::claim_once(const ClaimRequest& request, bool meets,
                                                            bool& look) {
    const std::string offers = offers_of(request);
    const std::int64_t write = draw();
    const Request asked = request.request_id.empty()
                              ? Request{}
                              : Request{request.request_id, "claim",
                                        sha256_hex(request.worker + "\n" + offers + "\n" +
                                                   request.project.value_or("\n") + "\n" +
                                                   std::to_string(request.limit))};
    TASKSTORE_LET(auto answered, answer_to(asked));
    if (answered) return Written<std::vector<Task>>{std::move(*answered), seen()};
    Statements batch;
    take_request(batch, asked);
    const std::size_t first = batch.size();
    const bool one = request.limit == 1;
    const Statements claim{
        {.sql = x_texts.look, .values = {now()}, .set_based = x_texts.looks},
        {.sql = x_texts.promote_due,
         .values = {now()},
         .set_based = x_texts.promotions_due,
         .after = {.back = 1, .unless_zero = kPromotesColumn}},
        {.sql = one ? x_texts.claim_one : x_texts.claim,
         .values = {now(), value_of(request.project), offers, request.worker,
                    value_of(request.lease_ms), write, request.limit, value_of(request.liveness),
                    std::int64_t{request.with_command ? 1 : 0}},
         .set_based = one && meets ? std::string_view(x_texts.claims) : std::string_view(),
         .steps = one ? sql::InSteps{.find = x_texts.find_claimable,
                                     .write = x_texts.claim_found,
                                     .read = x_texts.claimed_task}
                      : sql::InSteps{}},
        {.sql = one ? x_texts.history_of_claim_of_one : x_texts.history_of_claim,
         .values = {request.worker, write,
                    request.request_id.empty() ? sql::Value{} : sql::Value{request.request_id}},
         .set_based = x_texts.histories_of_claims,
         .after = one ? sql::AfterRow{.back = 1,
                                      .sql = x_texts.history_of_claimed_row,
                                      .columns = kClaimedRow}
                      : sql::AfterRow{}}};
    batch.insert(batch.end(), claim.begin(), claim.end());
    answer_request(batch, asked, request.worker, write);
    auto committed = write_batch(batch);
    const auto is_met = [&] {
        return !committed && is_conflict(committed.error()) && !asked.id.empty();
    };
    for (int attempt = 1; is_met() && attempt < kDecisionsMax; ++attempt) {
        // The same request was on its way: it is answered now, or found nothing.
        TASKSTORE_LET(answered, answer_to(asked));
        if (answered) return Written<std::vector<Task>>{std::move(*answered), seen()};
        committed = write_batch(batch);
    }
    if (!committed) return fail(std::move(committed).error());
    RowReader looked(committed->answers[first].rows.at(0));
    look = looked.number() != 0;
    looked.number();
    look = looked.number() != 0 || look;
    TASKSTORE_LET(auto tasks, claimed_tasks(committed->answers[first + 2]));
    return Written<std::vector<Task>>{std::move(tasks), committed->level};
}

Result<bool> SqlTaskStore::has_candidate(const ClaimRequest& request) {
    const Statements batch{{.sql = x_texts.find_candidate,
                            .values = {now(), value_of(request.project), offers_of(request),
                                       std::int64_t{request.with_command ? 1 : 0}}},
                           sql::state_query("tasks")};
    TASKSTORE_LET(const auto answers, x_database.read_batch(batch));
    // Who found nothing has changed nothing, and met no trigger of a database that has moved.
    if (auto closed = sql::why_closed(answers[1])) return fail(std::move(*closed));
    return !answers[0].rows.empty();
}

Result<Written<std::vector<Task>>> SqlTaskStore::claim_tasks(const ClaimRequest& request) {
    TASKSTORE_TRY(check_claim(request));
    for (int attempt = 1;; ++attempt) {
        bool look = false;
        TASKSTORE_LET(auto claimed, claim_once(request, attempt == 1, look));
        const auto tended = look ? tend() : Result<std::int64_t>(0);
        // What was claimed is told, whatever comes after it: the next claim tends again.
        if (!claimed.value.empty()) return claimed;
        if (!tended) return taskstore::fail(tended.error());
        // What others were about to claim, and did not, is there again; so is what was due, and
        // what waited for that: another look puts it in order.
        bool more = *tended > 0;
        if (!more) {
            TASKSTORE_LET(more, has_candidate(request));
        }
        if (!more || attempt == kClaimTriesMax) return claimed;
    }
}

Result<Outlook> SqlTaskStore::outlook(const ClaimRequest& request) {
    TASKSTORE_TRY(check_claim(request));
    TASKSTORE_TRY(keep_time());
    Outlook outlook;
    const Statements batch{{.sql = x_texts.find_candidate,
                            .values = {now(), value_of(request.project), offers_of(request),
                                       std::int64_t{request.with_command ? 1 : 0}}},
                           {.sql = x_texts.look, .values = {now()}},
                           {.sql = x_texts.next_time},
                           sql::state_query("tasks")};
    TASKSTORE_LET(const auto answers, x_database.read_batch(batch));
    if (auto closed = sql::why_closed(answers[3])) return fail(std::move(*closed));
    RowReader look(answers[1].rows.at(0));
    const bool due = look.number() != 0;
    const std::int64_t now_ms = look.number();
    outlook.next_time = RowReader(answers[2].rows.at(0)).maybe_number();
    if (outlook.next_time)
        outlook.next_in_ms = std::max<std::int64_t>(*outlook.next_time - now_ms, 0);
    outlook.claimable =
        !answers[0].rows.empty() || due || (!x_server_time && outlook.next_in_ms == 0);
    return outlook;
}

Result<std::unique_ptr<sql::Waiter>> SqlTaskStore::waiter() {
    return x_database.waiter(kTopic);
}

Result<std::unique_ptr<sql::Waiter>> SqlTaskStore::holder_waiter() {
    return x_database.waiter(kHolderTopic);
}

std::optional<Error> SqlTaskStore::lost(const Task& task, const Hold& hold) {
    const bool held = task.status == TaskStatus::in_progress;
    if (held && (!hold.fence || *hold.fence == task.fence)) return std::nullopt;
    const std::string state = std::string(name_of(task.status));
    if (!hold.fence)
        return taskstore::fail(Code::conflict,
                               "task '" + task.id + "' is " + state + ": nobody holds it")
            .with_hint(way_on_from(task))
            .error;
    if (held)
        return taskstore::fail(Code::lease_lost, "task '" + task.id + "' is held by " +
                                                     task.assigned_to.value_or("another worker") +
                                                     " now, under another claim")
            .with_hint("drop the result: nothing was written")
            .error;
    return taskstore::fail(Code::lease_lost,
                           "task '" + task.id + "' is " + state + ": that claim holds it no more")
        .with_hint("nothing was written")
        .error;
}

Result<Written<Task>> SqlTaskStore::renew_task(const Hold& hold,
                                               std::optional<std::int64_t> lease_ms) {
    TASKSTORE_TRY(check_lease(lease_ms));
    const sql::BoundStatement renew{
        .sql = x_texts.renew,
        .values = {now(), hold.task_id, value_of(hold.fence), value_of(lease_ms)}};
    for (int attempt = 0; attempt < kDecisionsMax; ++attempt) {
        TASKSTORE_LET(const sql::Committed committed, write_batch({&renew, 1}));
        if (!committed.answers[0].rows.empty()) {
            TASKSTORE_LET(Task task, task_of(committed.answers[0].rows[0]));
            return Written<Task>{std::move(task), committed.level};
        }
        TASKSTORE_LET(const Task task, must_get(hold.task_id));
        if (auto error = lost(task, hold)) return taskstore::fail(std::move(*error));
        if (!task.cancel_requested_at) continue;
        Move move = move_of(task, Verb::cancel, TaskStatus::cancelled, hold.actor);
        move.reason = "the holder was told";
        TASKSTORE_LET(auto told, write_move(task, move));
        if (told) return std::move(*told);
    }
    return too_fast(hold.task_id);
}

Result<Written<Task>> SqlTaskStore::complete_task(const Hold& hold, const Completion& completion) {
    TASKSTORE_TRY(check_member("actor", hold.actor));
    if (completion.result) TASKSTORE_TRY(check_json_member("result", *completion.result));
    if (completion.logs) TASKSTORE_TRY(check_member("logs", *completion.logs));
    const Request asked = request_of(
        "complete", hold,
        {value_of(completion.result), value_of(completion.exit_code), value_of(completion.logs)});
    TASKSTORE_LET(auto answered, answer_to(asked));
    if (answered && !answered->empty()) return Written<Task>{std::move(answered->front()), seen()};
    const std::int64_t write = draw();
    Statements batch{{.sql = x_texts.complete,
                      .values = {now(), hold.task_id, write, value_of(completion.result),
                                 value_of(completion.exit_code), value_of(completion.logs),
                                 value_of(hold.fence)},
                      .set_based = x_texts.completions,
                      .steps = {.write = x_texts.complete_held, .read = x_texts.completed_task}},
                     history_of(hold.task_id, write, Verb::complete, TaskStatus::in_progress,
                                hold.actor, std::nullopt, asked.id)};
    end_for_others(batch, hold.task_id, write, TaskStatus::completed);
    for (std::size_t i = 2; i < batch.size(); ++i)
        batch[i].after = {.back = i, .unless_zero = kConcernsOthersColumn};
    const Moved moved{.task = 0, .limits = batch.size() - 1, .write = write};
    keep_answer(batch, asked, hold.task_id, write);
    // With its fence it is the holder who ends it, and knows.
    auto committed = write_batch(batch, hold.fence ? waking() : waking_holders());
    if (!committed && !is_conflict(committed.error()))
        return taskstore::fail(std::move(committed).error());
    if (committed && !committed->answers[0].rows.empty()) {
        TASKSTORE_LET(Task task, task_of(committed->answers[0].rows[0]));
        settle_after(*committed, moved, task);
        return Written<Task>{std::move(task), committed->level};
    }
    // The same request may have come between: of one who was killed with it on its way, and asks
    // again.
    TASKSTORE_LET(answered, answer_to(asked));
    if (answered && !answered->empty()) return Written<Task>{std::move(answered->front()), seen()};
    if (!committed) return taskstore::fail(std::move(committed).error());
    TASKSTORE_LET(const Task task, must_get(hold.task_id));
    if (auto error = lost(task, hold)) return taskstore::fail(std::move(*error));
    return too_fast(hold.task_id);
}

}  // namespace taskstore::tasks
