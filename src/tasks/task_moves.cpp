// Moves that depend on what the task is: read, decided by the table of transitions, written if the
// task is still the same.

#include "backoff.hpp"
#include "task_move.hpp"

#include <task_sql.hpp>
#include <taskstore/base/check.hpp>

#include <array>
#include <set>

namespace taskstore::tasks {
namespace {

constexpr std::string_view kStore = "taskstore";
/// What sql/sqlite/history_of_row.sql takes of the task that the statement before it answers.
constexpr std::array kMovedRow{kIdColumn,         kRevisionColumn, kStatusColumn,
                               kAssignedToColumn, kFenceColumn,    kUpdatedAtColumn};
/// How much one tending does before it leaves the rest to the next one, about.
constexpr std::int64_t kTendedMax = 64;

sql::Value value_of_name(std::string_view text) {
    return text.empty() ? sql::Value{} : sql::Value{std::string(text)};
}

}  // namespace

sql::BoundStatement SqlTaskStore::history_of(const std::string& id, std::int64_t write, Verb verb,
                                             TaskStatus from, const std::string& actor,
                                             const std::optional<std::string>& reason,
                                             const std::string& request_id) const {
    return {.sql = x_texts.history_of_write,
            .values = {id, write, std::string(name_of(verb)), std::string(name_of(from)),
                       value_of_name(actor), value_of(reason), value_of_name(request_id)},
            .set_based = x_texts.histories_of_writes,
            .after = {.back = 1, .sql = x_texts.history_of_row, .columns = kMovedRow}};
}

SqlTaskStore::Move SqlTaskStore::move_of(const Task& was, Verb verb, TaskStatus to,
                                         const std::string& actor) {
    return {.verb = verb,
            .to = to,
            .actor = actor.empty() ? was.assigned_to.value_or("") : actor,
            .next = was};
}

/// What the end of a task means to others; the last statement says whether keys are to be settled.
void SqlTaskStore::end_for_others(Statements& batch, const std::string& id, std::int64_t write,
                                  TaskStatus to) const {
    if (to == TaskStatus::completed) {
        batch.push_back(
            {.sql = task_sql::count_down, .values = {id, write}, .set_based = x_texts.counts_down});
        batch.push_back({.sql = task_sql::close_edges,
                         .values = {id, write},
                         .set_based = x_texts.closed_edges});
    } else if (is_final(state_of(to))) {
        const std::string why =
            "task " + id + ", which it waits for, is " + std::string(name_of(to));
        batch.push_back({.sql = x_texts.cancel_dependents, .values = {now(), id, write, why}});
        batch.push_back(
            {.sql = x_texts.history_of_dependents, .values = {id, write, std::string(kStore)}});
        batch.push_back({.sql = x_texts.count_down_anyway, .values = {id, write}});
        batch.push_back({.sql = x_texts.close_edges_anyway, .values = {id, write}});
        batch.push_back({.sql = x_texts.mark_limits_anyway, .values = {id, write}});
        return;
    }
    batch.push_back(
        {.sql = x_texts.mark_limits, .values = {id, write}, .set_based = x_texts.marked_limits});
}

SqlTaskStore::Moved SqlTaskStore::add_move(Statements& batch, const Task& was, const Move& move) {
    TASKSTORE_CHECK(allowed(state_of(was.status), move.verb, state_of(move.to)));
    const std::int64_t write = draw();
    const bool pending = move.to == TaskStatus::pending;
    const bool ready = pending && !move.wait_ms && !was.concurrency_key;
    const auto if_so = [](bool is) { return is ? sql::Value{std::int64_t{0}} : sql::Value{}; };
    const Task& next = move.next;
    Moved moved{.task = batch.size(), .write = write};
    batch.push_back(
        {.sql = x_texts.move_task,
         .values = {now(), was.id, std::string(name_of(move.to)), std::int64_t{ready ? 1 : 0},
                    next.retry_count, next.rescues, value_of(move.wait_ms), if_so(move.dead),
                    if_so(!pending), value_of(next.error), name_value(next.error_class),
                    value_of(next.exit_code), value_of(next.logs), value_of(next.result), write,
                    was.revision, value_of(was.lease_expires_at)}});
    sql::BoundStatement history =
        history_of(was.id, write, move.verb, was.status, move.actor, move.reason, move.request.id);
    if (was.cancel_requested_at && move.to == TaskStatus::cancelled)
        history = {.sql = x_texts.history_of_cancelled, .values = std::move(history.values)};
    batch.push_back(std::move(history));
    end_for_others(batch, was.id, write, move.to);
    moved.limits = batch.size() - 1;
    keep_answer(batch, move.request, was.id, write);
    return moved;
}

Result<std::optional<Written<Task>>> SqlTaskStore::write_move(const Task& was, const Move& move) {
    Statements batch;
    const Moved moved = add_move(batch, was, move);
    // Also of one that ends by the fence: the command that says so may go on beside the next one's.
    const bool held = was.status == TaskStatus::in_progress;
    TASKSTORE_LET(const sql::Committed committed,
                  write_batch(batch, held ? waking_holders() : waking()));
    const auto& rows = committed.answers[moved.task].rows;
    if (rows.empty()) return std::optional<Written<Task>>();
    TASKSTORE_LET(Task task, task_of(rows[0]));
    settle_after(committed, moved, task);
    return std::optional(Written<Task>{std::move(task), committed.level});
}

/// Reads, decides and writes until nobody came between.
Result<Written<Task>> SqlTaskStore::end_hold(const Hold& hold, const Request& request,
                                             const std::function<Move(const Task&)>& decide) {
    TASKSTORE_TRY(check_member("actor", hold.actor));
    for (int attempt = 0; attempt < kDecisionsMax; ++attempt) {
        TASKSTORE_LET(auto answered, answer_to(request));
        if (answered && !answered->empty())
            return Written<Task>{std::move(answered->front()), seen()};
        TASKSTORE_LET(const Task task, must_get(hold.task_id));
        if (auto error = lost(task, hold)) return taskstore::fail(std::move(*error));
        Move move = decide(task);
        move.request = request;
        auto written = write_move(task, move);
        // The same request may have been answered between the look and the write.
        if (!written && is_conflict(written.error()) && !request.id.empty()) continue;
        if (!written) return taskstore::fail(std::move(written).error());
        if (*written) return std::move(**written);
    }
    return too_fast(hold.task_id);
}

Result<Written<Task>> SqlTaskStore::fail_task(const Hold& hold, const FailedAttempt& attempt) {
    TASKSTORE_TRY(check_member("error", attempt.error));
    if (attempt.logs) TASKSTORE_TRY(check_member("logs", *attempt.logs));
    const Request request =
        request_of("fail", hold,
                   {attempt.error, name_value(attempt.error_class), value_of(attempt.exit_code),
                    value_of(attempt.logs), std::int64_t{attempt.final ? 1 : 0}});
    return end_hold(hold, request, [&](const Task& task) {
        const std::int64_t failed = task.retry_count + 1;
        const bool used_up = failed >= task.retry.max_attempts;
        const TaskStatus to = task.cancel_requested_at   ? TaskStatus::cancelled
                              : attempt.final || used_up ? TaskStatus::failed
                                                         : TaskStatus::pending;
        Move move = move_of(task, Verb::fail, to, hold.actor);
        move.reason = attempt.error;
        move.next.retry_count = failed;
        move.next.error = attempt.error;
        move.next.error_class = attempt.error_class;
        move.next.exit_code = attempt.exit_code;
        if (attempt.logs) move.next.logs = attempt.logs;
        // Whoever calls it final has looked at it; what only ran out of attempts has nobody's eye.
        move.dead = to == TaskStatus::failed && !attempt.final;
        if (to == TaskStatus::pending) {
            const std::int64_t wait_ms = backoff_ms(task.retry, failed, x_random);
            if (wait_ms > 0) move.wait_ms = wait_ms;
        }
        return move;
    });
}

Result<Written<Task>> SqlTaskStore::release_task(const Hold& hold, const std::string& reason) {
    TASKSTORE_TRY(check_member("reason", reason));
    return end_hold(hold, request_of("release", hold, {reason}), [&](const Task& task) {
        const bool cancelled = task.cancel_requested_at.has_value();
        Move move = move_of(task, Verb::release,
                            cancelled ? TaskStatus::cancelled : TaskStatus::pending, hold.actor);
        if (!reason.empty()) move.reason = reason;
        return move;
    });
}

Result<Written<Task>> SqlTaskStore::cancel_task(const std::string& id, const std::string& actor,
                                                const std::string& reason) {
    TASKSTORE_TRY(check_member("actor", actor));
    TASKSTORE_TRY(check_member("reason", reason));
    for (int attempt = 0; attempt < kDecisionsMax; ++attempt) {
        TASKSTORE_LET(Task task, must_get(id));
        if (!allowed(state_of(task.status), Verb::cancel))
            return taskstore::fail(Code::conflict, "task '" + id + "' has ended: it is " +
                                                       std::string(name_of(task.status)))
                .with_hint(way_on_from(task));
        if (task.status == TaskStatus::pending) {
            Move move = move_of(task, Verb::cancel, TaskStatus::cancelled, actor);
            if (!reason.empty()) move.reason = reason;
            TASKSTORE_LET(auto written, write_move(task, move));
            if (written) return std::move(*written);
            continue;
        }
        const Statements ask{{.sql = x_texts.request_cancel, .values = {now(), id, task.revision}},
                             {.sql = task_sql::note_cancel,
                              .values = {id, task.revision, actor, value_of_name(reason)}}};
        TASKSTORE_LET(const sql::Committed committed, write_batch(ask, {.wake = kHolderTopic}));
        if (committed.answers[0].rows.empty()) continue;
        TASKSTORE_LET(task, task_of(committed.answers[0].rows[0]));
        return Written<Task>{std::move(task), committed.level};
    }
    return too_fast(id);
}

Result<Written<Task>> SqlTaskStore::retry_task(const std::string& id, const std::string& actor) {
    TASKSTORE_TRY(check_member("actor", actor));
    for (int attempt = 0; attempt < kDecisionsMax; ++attempt) {
        TASKSTORE_LET(const Task task, must_get(id));
        if (!allowed(state_of(task.status), Verb::retry))
            return taskstore::fail(Code::conflict, "task '" + id + "' is " +
                                                       std::string(name_of(task.status)) +
                                                       ": only a failed or cancelled one is tried "
                                                       "again")
                .with_hint(way_on_from(task));
        Move move = move_of(task, Verb::retry, TaskStatus::pending, actor);
        move.next.retry_count = 0;
        move.next.rescues = 0;
        move.next.error = std::nullopt;
        move.next.error_class = std::nullopt;
        move.next.exit_code = std::nullopt;
        TASKSTORE_LET(auto written, write_move(task, move));
        if (written) return std::move(*written);
    }
    return too_fast(id);
}

/// Its holder may be stopped, with something still running.
bool SqlTaskStore::may_be_freed(const Task& task) const {
    if (!x_before_freeing || task.status != TaskStatus::in_progress || !task.liveness) return true;
    return x_before_freeing({.task_id = task.id,
                             .fence = task.fence,
                             .holder = task.assigned_to.value_or(""),
                             .liveness = *task.liveness})
        .has_value();
}

Result<std::int64_t> SqlTaskStore::tend() {
    std::int64_t done = 0;
    TASKSTORE_LET(const std::int64_t fired, fire_due());
    std::set<std::string> refused;
    // What a lease gives back may be past its deadline: look again.
    for (std::int64_t before = -1; before < done && done < kTendedMax;) {
        before = done;
        TASKSTORE_LET(const auto answers,
                      read_one({.sql = x_texts.list_expired, .values = {now()}}));
        for (const auto& row : answers[0].rows) {
            TASKSTORE_LET(const Task task, task_of(row));
            if (refused.contains(task.id)) continue;
            if (!may_be_freed(task)) {
                refused.insert(task.id);
                continue;
            }
            TASKSTORE_LET(const auto written, write_move(task, what_is_due(task)));
            if (written) ++done;
        }
    }
    TASKSTORE_LET(const std::int64_t ranked, rank_some());
    TASKSTORE_LET(const std::int64_t settled, settle_keys());
    const Statements forget{{.sql = x_texts.forget_expired, .values = {now()}},
                            {.sql = x_texts.forget_keys, .values = {now()}},
                            {.sql = task_sql::forget_cancels}};
    TASKSTORE_TRY(write_batch(forget));
    return fired + done + ranked + settled;
}

Result<std::vector<WatchedTask>> SqlTaskStore::watched_tasks() {
    TASKSTORE_LET(const auto answers, read_one({.sql = x_texts.list_watched}));
    std::vector<WatchedTask> watched;
    for (const auto& row : answers[0].rows) watched.push_back(watched_task_of(row));
    return watched;
}

Result<Written<Task>> SqlTaskStore::rescue_task(const WatchedTask& task,
                                                const std::string& reason) {
    TASKSTORE_TRY(check_member("reason", reason));
    const Hold hold{.task_id = task.task_id, .fence = task.fence, .actor = std::string(kStore)};
    return end_hold(hold, {}, [&](const Task& now) { return rescue_of(now, reason); });
}

Result<std::int64_t> SqlTaskStore::rescue_tasks(std::span<const WatchedTask> tasks,
                                                const std::string& reason) {
    constexpr std::size_t kAtOnce = 64;
    TASKSTORE_TRY(check_member("reason", reason));
    std::int64_t freed = 0;
    for (; !tasks.empty(); tasks = tasks.subspan(std::min(kAtOnce, tasks.size()))) {
        TASKSTORE_LET(const std::int64_t some,
                      rescue_some(tasks.first(std::min(kAtOnce, tasks.size())), reason));
        freed += some;
    }
    return freed;
}

/// Reads, decides and writes until all of them are freed, or held no more by that claim.
Result<std::int64_t> SqlTaskStore::rescue_some(std::span<const WatchedTask> tasks,
                                               const std::string& reason) {
    std::vector<std::string> ids;
    for (const WatchedTask& task : tasks) ids.push_back(task.task_id);
    std::int64_t freed = 0;
    for (int attempt = 0; attempt < kDecisionsMax; ++attempt) {
        TASKSTORE_LET(const auto found, get_tasks(ids));
        Statements batch;
        std::vector<Moved> moves;
        for (std::size_t i = 0; i < found.size(); ++i)
            if (found[i] && found[i]->status == TaskStatus::in_progress &&
                found[i]->fence == tasks[i].fence)
                moves.push_back(add_move(batch, *found[i], rescue_of(*found[i], reason)));
        if (moves.empty()) return freed;
        TASKSTORE_LET(const sql::Committed committed, write_batch(batch, waking_holders()));
        for (const Moved& move : moves) {
            const auto& rows = committed.answers[move.task].rows;
            if (rows.empty()) continue;
            ++freed;
            TASKSTORE_LET(const Task task, task_of(rows[0]));
            settle_after(committed, move, task);
        }
    }
    return too_fast(ids.front());
}

/// Of a task whose lease ran out, or whose deadline passed before anybody began.
SqlTaskStore::Move SqlTaskStore::what_is_due(const Task& task) {
    if (task.status == TaskStatus::pending) {
        Move move = move_of(task, Verb::expire, TaskStatus::failed, std::string(kStore));
        move.reason = "the deadline passed before anybody began";
        move.next.error = move.reason;
        move.next.error_class = ErrorClass::timeout;
        move.dead = true;
        return move;
    }
    return rescue_of(task, "the lease of " + task.assigned_to.value_or("its holder") + " ran out");
}

SqlTaskStore::Move SqlTaskStore::rescue_of(const Task& task, const std::string& reason) {
    const bool too_often = task.rescues >= task.retry.max_rescues;
    const TaskStatus to = task.cancel_requested_at ? TaskStatus::cancelled
                          : too_often              ? TaskStatus::failed
                                                   : TaskStatus::pending;
    Move move = move_of(task, Verb::rescue, to, std::string(kStore));
    move.reason = reason;
    move.next.rescues = task.rescues + 1;
    move.dead = to == TaskStatus::failed;
    if (move.dead) {
        move.next.error = reason + " once too often";
        move.next.error_class = ErrorClass::infra;
    }
    return move;
}

/// Which tasks of a key may be claimed is found out anew from what is held and what waits.
Status SqlTaskStore::settle(const std::string& key) {
    const Statements batch{{.sql = task_sql::settle_lock, .values = {key}},
                           {.sql = x_texts.settle_due, .values = {now(), key}},
                           {.sql = x_texts.settle_out, .values = {key}},
                           {.sql = x_texts.settle_in, .values = {key}}};
    TASKSTORE_TRY(write_batch(batch, waking()));
    return ok();
}

/// After a commit that marked keys. It is what was asked for: that it cannot go on to settle them
/// is no error of it, and any claim settles what is marked.
void SqlTaskStore::settle_or_leave_marked() {
    static_cast<void>(settle_keys());
}

void SqlTaskStore::settle_after(const sql::Committed& committed, const Moved& moved,
                                const Task& task) {
    // Not known (-1) may be some.
    bool marked = committed.answers[moved.limits].changes != 0;
    // Those that wait for it are counted, or cancelled, between the two.
    bool concerns = task.concurrency_key.has_value();
    for (std::size_t i = moved.task + 2; i < moved.limits; ++i)
        concerns = concerns || committed.answers[i].changes != 0;
    if (!marked && concerns && x_database.dialect() == "postgres") {
        const sql::BoundStatement again{.sql = x_texts.mark_limits_again,
                                        .values = {task.id, moved.write}};
        const auto written = write_batch({&again, 1});
        marked = written && written->answers[0].changes > 0;
    }
    if (marked) settle_or_leave_marked();
}

Result<std::int64_t> SqlTaskStore::settle_keys() {
    TASKSTORE_LET(const auto answers, read_one({.sql = x_texts.keys_to_settle, .values = {now()}}));
    for (const auto& row : answers[0].rows) TASKSTORE_TRY(settle(RowReader(row).text()));
    return std::ssize(answers[0].rows);
}

}  // namespace taskstore::tasks
