// Works and readers of a shared database, and how one is opened; writer.hpp tells who may write
// when.
#include "writer.hpp"

#include <taskstore/base/check.hpp>
#include <taskstore/base/id.hpp>
#include <taskstore/sql/retry.hpp>

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

namespace taskstore::libsql {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

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

}  // namespace

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
    TASKSTORE_TRY(sql::check_topic(write_options.wake));
    return sql::check_topic(write_options.wake_too);
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
    sql::Backoff backoff({.base_ms = 20, .cap_ms = kBackoffCapMs, .deadline_boot_ns = until_ns},
                         clock(), x_client->random());
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
    wake(write_options.wake_too);
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
    sql::Backoff backoff({.cap_ms = kBackoffCapMs, .deadline_boot_ns = until_ns}, clock(),
                         x_client->random());
    while (true) {
        EngineConnection connection(x_client, {.busy_timeout_ms = 0});
        connection.set_deadline(request.options.deadline_boot_ns);
        bool again = false;
        Status status = connection.begin_write();
        if (status) {
            status = run_work_once(work, connection, request.options.deadline_boot_ns, again);
        } else {
            again = connection.transient();
        }
        if (status || !again) return status;
        const std::int64_t wait_ms = backoff.next_ms();
        if (wait_ms < 0 || !pause(std::max(wait_ms, connection.retry_after_ms()))) return status;
    }
}

/// What became of a COMMIT without an answer is asked until the deadline.
Status EngineDatabase::run_work_once(const sql::Work& work, EngineConnection& connection,
                                     std::int64_t deadline_boot_ns, bool& again) {
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
    const auto outcome = ask_outcome(mark, give_up_ns(deadline_boot_ns));
    if (!outcome) return status;
    if (outcome->committed) return ok();
    again = true;
    Error error = status.error();
    error.code = Code::unavailable;
    error.message += "; it is not committed";
    return fail(std::move(error));
}

// --- readers ------------------------------------------------------------------------------------

Status EngineDatabase::read(const sql::Work& work, const sql::ReadOptions& read_options) {
    const std::int64_t deadline_ns = read_options.deadline_boot_ns;
    if (passed(deadline_ns))
        return fail(Code::timed_out,
                    x_client->shown() + ": the deadline passed before the read began");
    TASKSTORE_LET(const auto slot, x_client->take_slot(deadline_ns));
    sql::Backoff backoff({.cap_ms = kBackoffCapMs, .deadline_boot_ns = give_up_ns(deadline_ns)},
                         clock(), x_client->random());
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
    sql::Backoff backoff({.cap_ms = kBackoffCapMs, .deadline_boot_ns = give_up_ns(deadline_ns)},
                         clock(), x_client->random());
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
    auto connection = std::make_unique<EngineConnection>(std::move(client), open_options);
    connection->set_deadline(x_options.until_boot_ns);
    return std::unique_ptr<sql::Connection>(std::move(connection));
}

}  // namespace taskstore::libsql
