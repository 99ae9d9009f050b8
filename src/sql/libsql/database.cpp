// A libSQL database shared by the threads of a process. Who may write, and when:
//
//   queued ──► turn      a work, at the front of the queue, in its caller's thread
//      └─────► in flight a batch, taken by the writer thread with those behind it, as one group
//   in flight ──► answered, or ──► queued again (nothing of it ran, or the group is void)
//
//   W1 One transaction that writes at a time: the server has one writer, and two of ours would only
//      take its lock from each other.
//   W2 No member is answered before the COMMIT of its group has succeeded, or it is known that it
//      never will.
//   W3 A caller whose deadline passes leaves: timed_out where nothing was sent, outcome_unknown
//      where it was. What it leaves behind is never sent again.
//   W4 A transaction is repeated only when the one before is known to be undone (outcomes.hpp).

#include "connection.hpp"
#include "group.hpp"
#include "outcomes.hpp"

#include <taskstore/base/check.hpp>
#include <taskstore/base/id.hpp>
#include <taskstore/os/wake.hpp>
#include <taskstore/sql/retry.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <map>
#include <thread>

namespace taskstore::libsql {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kLookMs = 500;  ///< A waiting thread looks at the clock at least that often.

enum class Phase : std::uint8_t { queued, in_flight, answered, left };

struct Request {
    bool is_work = false;
    Member member = {};  ///< Of a batch.
    std::size_t bytes = 0;
    sql::WriteOptions options;
    std::int64_t give_up_ns = 0;  ///< Its deadline, or the end of retries without one.
    Phase phase = Phase::queued;  ///< Under the queue's mutex.
    MemberAnswer answer = std::vector<sql::Rows>{};
    std::condition_variable changed;
};
using RequestPtr = std::shared_ptr<Request>;

/// Databases in whose works this thread is: writing to one from there would wait for itself.
thread_local std::vector<const void*> databases_in_use;

class InUse {
  public:
    explicit InUse(const void* database) { databases_in_use.push_back(database); }
    ~InUse() { databases_in_use.pop_back(); }
    InUse(const InUse&) = delete;
    InUse& operator=(const InUse&) = delete;
    static bool holds(const void* database) {
        return std::ranges::find(databases_in_use, database) != databases_in_use.end();
    }
};

class TopicWaiter final : public sql::Waiter {
  public:
    TopicWaiter(std::shared_ptr<os::WakeWord> word, const Clock& clock)
        : x_word(std::move(word)), x_clock(clock), x_seen(x_word->value()) {}

    Result<bool> wait(std::int64_t deadline_boot_ns, const std::stop_token& cancel) override {
        std::int64_t wait_ms = x_pause_ms;
        if (deadline_boot_ns != 0) {
            const std::int64_t left_ns = deadline_boot_ns - x_clock.boot_ns();
            if (left_ns <= 0) return false;
            wait_ms = std::min(wait_ms, left_ns / kNsPerMs + 1);
        }
        const os::WakeReason reason = x_word->wait(x_seen, wait_ms, cancel);
        x_seen = x_word->value();
        if (reason == os::WakeReason::cancelled) return fail(Code::cancelled, "asked to stop");
        x_pause_ms =
            reason == os::WakeReason::changed ? kPauseMsMin : std::min(2 * x_pause_ms, kPauseMsMax);
        return deadline_boot_ns == 0 || reason == os::WakeReason::changed ||
               x_clock.boot_ns() < deadline_boot_ns;
    }

  private:
    static constexpr std::int64_t kPauseMsMin = 10;
    static constexpr std::int64_t kPauseMsMax = 1'000;
    std::shared_ptr<os::WakeWord> x_word;
    const Clock& x_clock;
    std::uint64_t x_seen;
    std::int64_t x_pause_ms = kPauseMsMin;
};

class EngineDatabase final : public sql::Database {
  public:
    EngineDatabase(std::shared_ptr<Client> client, std::string writer)
        : x_client(std::move(client)), x_writer(std::move(writer)) {}
    ~EngineDatabase() override;

    Result<sql::Committed> write(const sql::Work& work, const sql::WriteOptions& options) override;
    Result<sql::Committed> write_batch(sql::Batch batch, const sql::WriteOptions& options) override;
    Status read(const sql::Work& work, const sql::ReadOptions& options) override;
    Result<std::vector<sql::Rows>> read_batch(sql::Batch batch,
                                              const sql::ReadOptions& options) override;
    Result<std::unique_ptr<sql::Waiter>> waiter(std::string_view topic) override;
    std::string_view dialect() const override { return "sqlite"; }
    sql::Capabilities capabilities() const override {
        return {.interrupts = true, .network = true, .finite_doubles_only = true};
    }

  private:
    const Clock& clock() const { return x_client->clock(); }
    const Options& options() const { return x_client->options(); }
    std::int64_t give_up_ns(std::int64_t deadline_boot_ns) const;
    Status check_write(const sql::WriteOptions& options) const;
    RequestPtr enqueue(Request request_like);
    bool passed(std::int64_t deadline_boot_ns) const {
        return deadline_boot_ns != 0 && clock().boot_ns() > deadline_boot_ns;
    }
    Failure too_late() const {
        return fail(Code::timed_out,
                    x_client->shown() + ": the deadline passed before the write began");
    }
    void wake(std::string_view topic);
    std::shared_ptr<os::WakeWord> word_of(std::string_view topic);

    // Works.
    Status take_turn(const RequestPtr& request);
    void end_turn();
    Status run_work(const sql::Work& work, const Request& request);
    Status run_work_once(const sql::Work& work, EngineConnection& connection, bool& again);

    // Batches.
    MemberAnswer await(const RequestPtr& request);
    void write_groups(const std::stop_token& stop);
    std::vector<RequestPtr> take_group(std::unique_lock<std::mutex>& lock);
    void run_group(std::vector<RequestPtr> members, const std::stop_token& stop);
    /// One request; answers whom it can, the rest is to be repeated: together, or each alone.
    struct Round {
        std::vector<RequestPtr> rest = {};
        bool alone = false;
        std::int64_t wait_ms = 0;  ///< What the server asked for.
        bool at_once = false;
        Error error = {};  ///< Why, for those whose patience ends.
    };
    Round send_group(const std::vector<RequestPtr>& members);
    Round read_group(const std::vector<RequestPtr>& members, const GroupText& text, Asked asked);
    Round settle(const std::vector<RequestPtr>& members, const Mark& mark, Error error);
    Asked send_large(const Member& member, const Mark& mark, GroupText& text);
    bool begin_flight(std::vector<RequestPtr>& members, const Error& why);
    void back_to_queue(const std::vector<RequestPtr>& members);
    void answer(const RequestPtr& request, MemberAnswer result);
    Patience group_patience(const std::vector<RequestPtr>& members) const;

    // Outcomes.
    Mark next_mark();
    /// Nothing: it cannot be asked until then.
    std::optional<Outcome> ask_outcome(const Mark& mark, std::int64_t until_ns);
    bool pause(std::int64_t ms);

    const std::shared_ptr<Client> x_client;
    const std::string x_writer;  ///< Its id in taskstore_outcomes.

    std::mutex x_mutex;  ///< Guards the queue, whose turn it is, and the requests' phases.
    std::condition_variable x_queued;
    std::deque<RequestPtr> x_queue;
    bool x_turn_taken = false;
    bool x_stopping = false;
    std::condition_variable x_stop;

    // The one's whose turn it is.
    std::int64_t x_number = 0;
    bool x_table_known = false;
    std::size_t x_last_group = 1;
    std::size_t x_group_before = 1;
    std::int64_t x_last_ns = 0;
    Interrupt x_interrupt;

    std::mutex x_words_mutex;
    std::map<std::string, std::shared_ptr<os::WakeWord>, std::less<>> x_words;

    std::once_flag x_started;
    std::jthread x_thread;  ///< Must be last.
};

EngineDatabase::~EngineDatabase() {
    {
        const std::lock_guard lock(x_mutex);
        x_stopping = true;
    }
    x_stop.notify_all();
    x_queued.notify_all();
    x_interrupt.fire();
}

// --- what all writes share ----------------------------------------------------------------------

std::int64_t EngineDatabase::give_up_ns(std::int64_t deadline_boot_ns) const {
    if (deadline_boot_ns != 0) return deadline_boot_ns;
    return clock().boot_ns() + options().pool.retry_ms_max * kNsPerMs;
}

Status EngineDatabase::check_write(const sql::WriteOptions& write_options) const {
    if (options().read_only)
        return fail(Code::denied, x_client->shown() + ": the database was opened read-only");
    if (InUse::holds(this)) {
        return fail(Code::invalid, x_client->shown() +
                                       ": a work must not write to its own database but through "
                                       "the connection that it was given");
    }
    return sql::check_topic(write_options.wake);
}

std::shared_ptr<os::WakeWord> EngineDatabase::word_of(std::string_view topic) {
    const std::lock_guard lock(x_words_mutex);
    if (const auto known = x_words.find(topic); known != x_words.end()) return known->second;
    auto made = os::WakeWord::in_process();
    if (!made) return nullptr;
    auto word = std::make_shared<os::WakeWord>(std::move(*made));
    x_words.emplace(topic, word);
    return word;
}

void EngineDatabase::wake(std::string_view topic) {
    if (topic.empty()) return;
    if (const auto word = word_of(topic)) word->wake();
}

Mark EngineDatabase::next_mark() {
    return {.writer = x_writer, .number = ++x_number, .make_table = !x_table_known};
}

bool EngineDatabase::pause(std::int64_t ms) {
    std::unique_lock lock(x_mutex);
    return !x_stop.wait_for(lock, std::chrono::milliseconds(ms), [&] { return x_stopping; });
}

std::optional<Outcome> EngineDatabase::ask_outcome(const Mark& mark, std::int64_t until_ns) {
    sql::Backoff backoff({.base_ms = 20, .cap_ms = 200, .deadline_boot_ns = until_ns}, clock(),
                         x_client->random());
    while (true) {
        Question question = question_of(mark);
        const std::array<std::string, 2> requests{batch_request(question.batch.take()),
                                                  std::string(kCloseRequest)};
        Stream stream;
        Patience patience = x_client->patience_of(until_ns);
        patience.interrupt = &x_interrupt;
        const Asked asked = x_client->pipeline(stream, requests, patience);
        if (asked.answer) {
            const auto outcome = read_outcome(question, asked.answer->results.front());
            if (outcome) return *outcome;
        }
        const std::int64_t wait_ms = backoff.next_ms();
        if (wait_ms < 0 || !pause(std::max(wait_ms, asked.retry_after_ms))) return std::nullopt;
    }
}

// --- works --------------------------------------------------------------------------------------

Result<sql::Committed> EngineDatabase::write(const sql::Work& work,
                                             const sql::WriteOptions& write_options) {
    TASKSTORE_TRY(check_write(write_options));
    const auto request = std::make_shared<Request>();
    request->is_work = true;
    request->options = write_options;
    {
        const std::lock_guard lock(x_mutex);
        x_queue.push_back(request);
    }
    if (options().queued_for_testing) options().queued_for_testing();
    TASKSTORE_TRY(take_turn(request));
    const Status status =
        passed(write_options.deadline_boot_ns) ? Status(too_late()) : run_work(work, *request);
    end_turn();
    if (!status) return fail(status.error());
    wake(write_options.wake);
    return sql::Committed{.level = sql::DurabilityLevel::server};
}

Status EngineDatabase::take_turn(const RequestPtr& request) {
    std::unique_lock lock(x_mutex);
    while (x_turn_taken || x_queue.front() != request) {
        request->changed.wait_for(lock, std::chrono::milliseconds(kLookMs));
        if (!x_turn_taken && x_queue.front() == request) break;
        if (!passed(request->options.deadline_boot_ns)) continue;
        std::erase(x_queue, request);
        if (!x_queue.empty() && !x_turn_taken) {
            x_queue.front()->changed.notify_one();
            x_queued.notify_one();
        }
        return too_late();
    }
    x_queue.pop_front();
    x_turn_taken = true;
    return ok();
}

void EngineDatabase::end_turn() {
    const std::lock_guard lock(x_mutex);
    x_turn_taken = false;
    if (x_queue.empty()) return;
    if (x_queue.front()->is_work) {
        x_queue.front()->changed.notify_one();
    } else {
        x_queued.notify_one();
    }
}

Status EngineDatabase::run_work(const sql::Work& work, const Request& request) {
    const std::int64_t until_ns = give_up_ns(request.options.deadline_boot_ns);
    TASKSTORE_LET(const auto slot, x_client->take_slot(request.options.deadline_boot_ns));
    sql::Backoff backoff({.deadline_boot_ns = until_ns}, clock(), x_client->random());
    while (true) {
        EngineConnection connection(x_client, {.busy_timeout_ms = 0});
        connection.set_deadline(request.options.deadline_boot_ns);
        bool again = false;
        Status status = connection.begin_write();
        if (status) {
            status = run_work_once(work, connection, again);
        } else {
            again = connection.transient();
        }
        if (status || !again) return status;
        const std::int64_t wait_ms = backoff.next_ms();
        if (wait_ms < 0 || !pause(std::max(wait_ms, connection.retry_after_ms()))) return status;
    }
}

Status EngineDatabase::run_work_once(const sql::Work& work, EngineConnection& connection,
                                     bool& again) {
    Status status = ok();
    {
        const InUse in_use(this);
        status = connection.run_work(work);
    }
    if (!connection.in_transaction()) {
        again = connection.transient();
        if (status) {
            status = fail(again ? Code::unavailable : Code::failed,
                          x_client->shown() +
                              ": the work went on after an error that had ended its transaction; "
                              "nothing is kept");
        }
        return status;
    }
    if (!status) {
        connection.rollback();
        return status;
    }
    const Mark mark = next_mark();
    status = connection.commit_marked(mark);
    if (status) {
        x_table_known = true;
        return status;
    }
    again = connection.transient();
    if (status.error().code != Code::outcome_unknown) {
        if (status.error().message.find("taskstore_outcomes") != std::string::npos) {
            again = again || x_table_known;
            x_table_known = false;
        }
        return status;
    }
    again = false;
    const auto outcome = ask_outcome(mark, give_up_ns(0));
    if (!outcome) return status;
    if (outcome->committed) return ok();
    again = true;
    Error error = status.error();
    error.code = Code::unavailable;
    error.message += "; it is not committed";
    return fail(std::move(error));
}

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
    request->options.wake = {};  // The caller may leave; it is woken here.
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
    sql::Backoff backoff({.deadline_boot_ns = std::numeric_limits<std::int64_t>::max()}, clock(),
                         x_client->random());
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
    GroupText text = write_group(texts, mark, x_client->version_3());
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
    return read_group(members, text, std::move(asked));
}

/// Its rows are more than a pipeline may answer, so nothing of it was kept.
Asked EngineDatabase::send_large(const Member& member, const Mark& mark, GroupText& text) {
    const Member* const only = &member;
    text = write_group(std::span(&only, 1), mark, x_client->version_3());
    Stream stream;
    Patience patience = x_client->patience_of(0);
    patience.interrupt = &x_interrupt;
    Asked asked = x_client->cursor(stream, std::move(text.batch), patience);
    x_client->close(stream);
    return asked;
}

EngineDatabase::Round EngineDatabase::read_group(const std::vector<RequestPtr>& members,
                                                 const GroupText& text, Asked asked) {
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

// --- readers ------------------------------------------------------------------------------------

Status EngineDatabase::read(const sql::Work& work, const sql::ReadOptions& read_options) {
    const std::int64_t deadline_ns = read_options.deadline_boot_ns;
    if (passed(deadline_ns))
        return fail(Code::timed_out,
                    x_client->shown() + ": the deadline passed before the read began");
    TASKSTORE_LET(const auto slot, x_client->take_slot(deadline_ns));
    sql::Backoff backoff({.deadline_boot_ns = give_up_ns(deadline_ns)}, clock(),
                         x_client->random());
    while (true) {
        EngineConnection connection(x_client, {.read_only = true, .busy_timeout_ms = 0});
        connection.set_deadline(deadline_ns);
        TASKSTORE_TRY(connection.begin_read());
        Status status = connection.run_work(work);
        const bool lost = !connection.in_transaction() && connection.transient();
        connection.rollback();
        if (!lost) return status;
        if (status)
            status = fail(Code::unavailable, x_client->shown() + ": the read was interrupted");
        const std::int64_t wait_ms = backoff.next_ms();
        if (wait_ms < 0 || !pause(std::max(wait_ms, connection.retry_after_ms()))) return status;
    }
}

Result<std::vector<sql::Rows>> EngineDatabase::read_batch(sql::Batch batch,
                                                          const sql::ReadOptions& read_options) {
    const std::int64_t deadline_ns = read_options.deadline_boot_ns;
    if (passed(deadline_ns))
        return fail(Code::timed_out,
                    x_client->shown() + ": the deadline passed before the read began");
    TASKSTORE_LET(const Member member, make_member(x_client->shown(), batch, /*reads_only=*/true));
    TASKSTORE_LET(const auto slot, x_client->take_slot(deadline_ns));
    sql::Backoff backoff({.deadline_boot_ns = give_up_ns(deadline_ns)}, clock(),
                         x_client->random());
    bool by_cursor = false;
    while (true) {
        GroupText text = write_read(member);
        Stream stream;
        const Patience patience = x_client->patience_of(deadline_ns);
        Asked asked;
        if (by_cursor) {
            asked = x_client->cursor(stream, std::move(text.batch), patience);
            x_client->close(stream);
        } else {
            const std::array<std::string, 2> requests{batch_request(text.batch.take()),
                                                      std::string(kCloseRequest)};
            asked = x_client->pipeline(stream, requests, patience);
        }
        Error error = asked.error;
        bool transient = asked.transient;
        if (asked.answer) {
            RequestAnswer& answer = asked.answer->results.front();
            if (answer.error && is_too_large(*answer.error) && !by_cursor) {
                by_cursor = true;
                continue;
            }
            if (!answer.error) {
                auto rows = read_member(*x_client, member, text.members[0], answer);
                if (rows || rows.error().code != Code::unavailable) return rows;
                error = rows.error();
            } else {
                error = x_client->error_of(*answer.error, member.empty() ? "" : member[0].sql);
            }
            transient = error.code == Code::unavailable;
        }
        if (!transient) return fail(std::move(error));
        if (asked.version_found) continue;
        const std::int64_t wait_ms = backoff.next_ms();
        if (wait_ms < 0 || !pause(std::max(wait_ms, asked.retry_after_ms)))
            return fail(std::move(error));
    }
}

Result<std::unique_ptr<sql::Waiter>> EngineDatabase::waiter(std::string_view topic) {
    TASKSTORE_TRY(sql::check_topic(topic));
    auto word = word_of(topic);
    if (word == nullptr) return fail(Code::failed, "no memory to wait with");
    return std::unique_ptr<sql::Waiter>(std::make_unique<TopicWaiter>(std::move(word), clock()));
}

}  // namespace

Result<std::unique_ptr<sql::Database>> open_database(const std::string& url,
                                                     const Options& options) {
    TASKSTORE_CHECK(options.clock != nullptr && options.random != nullptr);
    TASKSTORE_LET(Endpoint endpoint, parse_url(url));
    auto client = std::make_shared<Client>(std::move(endpoint), options);
    UuidSource ids(*options.clock, *options.random);
    return std::unique_ptr<sql::Database>(
        std::make_unique<EngineDatabase>(std::move(client), ids.next()));
}

Result<std::unique_ptr<sql::Connection>> Driver::connect(const std::string& location,
                                                         const sql::OpenOptions& open_options) {
    TASKSTORE_CHECK(x_options.clock != nullptr && x_options.random != nullptr);
    TASKSTORE_LET(Endpoint endpoint, parse_url(location));
    auto client = std::make_shared<Client>(std::move(endpoint), x_options);
    return std::unique_ptr<sql::Connection>(
        std::make_unique<EngineConnection>(std::move(client), open_options));
}

}  // namespace taskstore::libsql
