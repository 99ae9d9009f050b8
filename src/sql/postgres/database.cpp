// The shared database: works, and the queue of batches. The states of a batch that waits, and who
// moves it:
//
//   queued ──► told      by the leader, with a verdict (group.hpp)
//      │ └───► leading   by the leader before it: its thread goes on with the next group
//      └─────► gone      by itself, at its deadline
//
//   D1 At most one thread leads: groups of one process never wait for each other's rows.
//   D2 A batch is told nothing before the COMMIT that holds it has answered, or its group is
//   undone. D3 No wait outlives a deadline: a group's is the nearest of its members'.

#include "fate.hpp"
#include "group.hpp"
#include "listener.hpp"
#include "pool.hpp"

#include <taskstore/base/check.hpp>
#include <taskstore/os/parker.hpp>
#include <taskstore/postgres/database.hpp>
#include <taskstore/sql/retry.hpp>

#include <algorithm>
#include <chrono>
#include <deque>
#include <mutex>
#include <optional>
#include <thread>

namespace taskstore::postgres {
namespace {

constexpr std::size_t kMembersMax = 256;
/// A group's values: a server that unpacks them needs a multiple of it.
constexpr std::size_t kGroupBytesMax = 4 << 20;
/// More statements than this make a transaction worth its own.
constexpr std::size_t kStatementsInGroupMax = 64;
constexpr std::int64_t kBackoffCapMs = 250;  // A server that is back is met within a second.

enum class Turn : std::uint8_t { queued, leading, told };

struct Request {
    CheckedBatch batch;
    Member member;
    std::int64_t deadline_ns = 0;
    GroupOutcome outcome;
    ServerFacts facts;
    Turn turn = Turn::queued;  ///< Once it is in the queue: another's to set, before `moved`.
    os::Parker moved;
};

/// Databases in whose works this thread is: a second write from there might wait for itself.
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

/// How one attempt at something ended.
struct Attempt {
    Result<sql::Committed> result = sql::Committed{};
    bool transient = false;  ///< Nothing was kept, and the next attempt may succeed.
    bool at_once = false;    ///< No need to wait before it.
};

class EngineDatabase final : public sql::Database {
  public:
    EngineDatabase(Options options, Location location, std::string place)
        : x_options(std::move(options)),
          x_location(std::move(location)),
          x_clock(*x_options.clock),
          x_translations(std::make_shared<Translations>()),
          x_pool(
              x_options.pool, x_clock, std::move(place),
              [this](std::int64_t deadline) { return connect(deadline); }, x_options.tell),
          x_listener(std::make_shared<Listener>(
              x_options.schema, x_clock,
              x_options.pooler ? Listener::Connect{}
                               : [this](std::int64_t deadline) { return connect(deadline); })) {}
    ~EngineDatabase() override { x_listener->stop(); }

    Status open();
    Result<sql::Committed> write(const sql::Work& work, const sql::WriteOptions& options) override;
    Result<sql::Committed> write_batch(sql::Batch batch, const sql::WriteOptions& options) override;
    Status read(const sql::Work& work, const sql::ReadOptions& options) override;
    Result<std::vector<sql::Rows>> read_batch(sql::Batch batch,
                                              const sql::ReadOptions& options) override;
    Result<std::unique_ptr<sql::Waiter>> waiter(std::string_view topic) override {
        return x_listener->waiter(topic);
    }
    Result<std::unique_ptr<sql::Presence>> presence(std::int64_t key) override {
        return x_listener->presence(key);
    }
    std::string_view dialect() const override { return "postgres"; }
    sql::Capabilities capabilities() const override {
        return {.works_share_a_commit = false,
                .wakes = !x_options.pooler,
                .interrupts = true,
                .network = true};
    }

  private:
    Result<std::unique_ptr<EngineConnection>> connect(std::int64_t deadline_boot_ns);
    Status check_write(const sql::WriteOptions& options);
    Status check_deadline(std::int64_t deadline_boot_ns) const;
    bool passed(std::int64_t deadline_boot_ns) const {
        return deadline_boot_ns != 0 && x_clock.boot_ns() >= deadline_boot_ns;
    }
    Result<sql::Committed> repeat(std::int64_t deadline_boot_ns,
                                  const std::function<Attempt()>& attempt);
    Attempt write_once(const sql::Work& work, const sql::WriteOptions& options);
    Attempt ended(EngineConnection& connection, Status why, std::int64_t deadline_boot_ns);
    Attempt settle(const InDoubt& doubt, const Error& error, std::int64_t deadline_boot_ns,
                   std::optional<std::vector<sql::Rows>> answers);
    Attempt batch_once(const std::shared_ptr<Request>& request, bool& alone);
    Attempt batch_alone(Request& request);
    Attempt told(Request& request, bool& alone);
    std::optional<Attempt> wait_for_turn(const std::shared_ptr<Request>& request);
    Attempt lead(const std::shared_ptr<Request>& first);
    std::vector<std::shared_ptr<Request>> take_group(const std::shared_ptr<Request>& first);
    void hand_on();
    void gather();

    const Options x_options;
    const Location x_location;
    const Clock& x_clock;
    std::shared_ptr<Translations> x_translations;
    Pool x_pool;
    std::shared_ptr<Listener> x_listener;

    std::mutex x_mutex;  ///< Guards the queue and who leads.
    std::deque<std::shared_ptr<Request>> x_queue;
    bool x_led = false;
    std::size_t x_group_expected = 1;  ///< By the last group and who stood behind it.
};

Result<std::unique_ptr<EngineConnection>> EngineDatabase::connect(std::int64_t deadline_boot_ns) {
    return EngineConnection::open(x_location,
                                  {.clock = &x_clock,
                                   .translations = x_translations,
                                   .schema = x_options.schema,
                                   .create_schema = x_options.create,
                                   .read_only = x_options.read_only,
                                   .pooler = x_options.pooler,
                                   .statement_timeout_ms = x_options.pool.statement_timeout_ms},
                                  deadline_boot_ns);
}

Status EngineDatabase::open() {
    bool transient = false;
    TASKSTORE_LET(const auto lease, x_pool.acquire(0, transient));
    return ok();
}

Status EngineDatabase::check_deadline(std::int64_t deadline_boot_ns) const {
    if (!passed(deadline_boot_ns)) return ok();
    return fail(Code::timed_out, "the deadline passed before the database was asked");
}

Status EngineDatabase::check_write(const sql::WriteOptions& options) {
    if (x_options.read_only) return fail(Code::denied, "the database was opened read-only");
    if (InUse::holds(this)) {
        return fail(Code::invalid,
                    "a work must not write to its own database but through the connection that it "
                    "was given");
    }
    TASKSTORE_TRY(sql::check_topic(options.wake));
    TASKSTORE_TRY(sql::check_topic(options.wake_too));
    return check_deadline(options.deadline_boot_ns);
}

Result<sql::Committed> EngineDatabase::repeat(std::int64_t deadline_boot_ns,
                                              const std::function<Attempt()>& attempt) {
    const std::int64_t until = deadline_boot_ns != 0
                                   ? deadline_boot_ns
                                   : x_clock.boot_ns() + x_options.pool.retry_ms_max * 1'000'000;
    sql::Backoff backoff({.cap_ms = kBackoffCapMs, .deadline_boot_ns = until}, x_clock,
                         *x_options.random);
    while (true) {
        Attempt one = attempt();
        if (one.result || !one.transient) return std::move(one.result);
        if (one.at_once) continue;
        const std::int64_t wait_ms = backoff.next_ms();
        if (wait_ms < 0) {
            if (!passed(deadline_boot_ns)) return std::move(one.result);
            Error error = std::move(one.result).error();
            error.code = Code::timed_out;
            return fail(std::move(error));
        }
        std::this_thread::sleep_for(std::chrono::milliseconds(wait_ms));
    }
}

// --- works
// ------------------------------------------------------------------------------------------------

Result<sql::Committed> EngineDatabase::write(const sql::Work& work,
                                             const sql::WriteOptions& options) {
    TASKSTORE_TRY(check_write(options));
    auto result = repeat(options.deadline_boot_ns, [&] { return write_once(work, options); });
    if (x_options.queued_for_testing) x_options.queued_for_testing();
    return result;
}

Attempt EngineDatabase::write_once(const sql::Work& work, const sql::WriteOptions& options) {
    bool transient = false;
    const auto lease = x_pool.acquire(options.deadline_boot_ns, transient);
    if (!lease)
        return {.result = fail(lease.error()),
                .transient = transient && lease.error().code == Code::unavailable};
    EngineConnection& connection = **lease;
    connection.begin_use();
    Status status = connection.begin_traced();
    if (status) {
        const InUse in_use(this);
        status = connection.run_work(work, /*read_only=*/false);
    }
    if (!status) return ended(connection, std::move(status), options.deadline_boot_ns);
    std::array<std::string, 2> notify;
    std::vector<Outgoing> before;
    // Behind a pooler nobody is woken, and servers that need the setting may have no NOTIFY.
    for (std::size_t i = 0; i < notify.size(); ++i) {
        const std::string_view topic = i == 0 ? options.wake : options.wake_too;
        if (topic.empty() || x_options.pooler || !connection.in_transaction()) continue;
        notify[i] = notify_sql(x_options.schema, topic);
        before.push_back({.sql = notify[i]});
    }
    const ServerFacts facts = connection.facts();
    status = connection.commit_after(before);
    if (status)
        return {.result = sql::Committed{.level = connection.level_of_commit(),
                                         .cut_short = connection.commit_was_cut_short()}};
    if (status.error().code != Code::outcome_unknown)
        return ended(connection, std::move(status), options.deadline_boot_ns);
    return settle({connection.transaction_id(), facts}, status.error(), options.deadline_boot_ns,
                  std::vector<sql::Rows>{});
}

/// A transaction that was not committed: what the caller is told, and whether to try again.
Attempt EngineDatabase::ended(EngineConnection& connection, Status why,
                              std::int64_t deadline_boot_ns) {
    const bool transient = connection.met_transient() && !passed(deadline_boot_ns);
    connection.rollback();
    Error error = std::move(why).error();
    // Whatever stopped it, it was the deadline: the server and we watch for the same moment.
    if (passed(deadline_boot_ns) &&
        (error.code == Code::cancelled || error.code == Code::unavailable))
        error.code = Code::timed_out;
    return {.result = fail(std::move(error)), .transient = transient};
}

/// `answers`: of the batch; nothing where they were lost with the connection.
Attempt EngineDatabase::settle(const InDoubt& doubt, const Error& error,
                               std::int64_t deadline_boot_ns,
                               std::optional<std::vector<sql::Rows>> answers) {
    const std::int64_t until = deadline_boot_ns != 0
                                   ? deadline_boot_ns
                                   : x_clock.boot_ns() + x_options.pool.retry_ms_max * 1'000'000;
    Error unknown = error;
    unknown.code = Code::outcome_unknown;
    switch (ask_fate(x_pool, doubt, x_clock, *x_options.random, until)) {
        case Fate::undone:
            unknown.code = Code::unavailable;
            return {.result = fail(std::move(unknown)), .transient = true, .at_once = true};
        case Fate::committed:
            if (answers) {
                // Whether a standby had it when the session was lost, nobody can tell.
                const auto level = doubt.facts.level == sql::DurabilityLevel::replicated
                                       ? sql::DurabilityLevel::flushed
                                       : doubt.facts.level;
                return {.result = sql::Committed{.level = level,
                                                 .answers = std::move(*answers),
                                                 .cut_short = level != doubt.facts.level}};
            }
            unknown.message += "; it was committed, but the answers were lost with the connection";
            break;
        case Fate::unknown:
            break;
    }
    return {.result = fail(std::move(unknown))};
}

Status EngineDatabase::read(const sql::Work& work, const sql::ReadOptions& options) {
    TASKSTORE_TRY(check_deadline(options.deadline_boot_ns));
    const auto result = repeat(options.deadline_boot_ns, [&]() -> Attempt {
        bool transient = false;
        const auto lease = x_pool.acquire(options.deadline_boot_ns, transient);
        if (!lease)
            return {.result = fail(lease.error()),
                    .transient = transient && lease.error().code == Code::unavailable};
        (*lease)->begin_use();
        Status status = (*lease)->begin_read();
        if (status) status = (*lease)->run_work(work, /*read_only=*/true);
        if (!status) return ended(**lease, std::move(status), options.deadline_boot_ns);
        return {};
    });
    return result ? ok() : Status(fail(result.error()));
}

Result<std::vector<sql::Rows>> EngineDatabase::read_batch(sql::Batch batch,
                                                          const sql::ReadOptions& options) {
    TASKSTORE_TRY(check_deadline(options.deadline_boot_ns));
    TASKSTORE_LET(const CheckedBatch checked, check_batch(batch, *x_translations, true));
    TASKSTORE_LET(
        sql::Committed read, repeat(options.deadline_boot_ns, [&]() -> Attempt {
            bool transient = false;
            const auto lease = x_pool.acquire(options.deadline_boot_ns, transient);
            if (!lease)
                return {.result = fail(lease.error()),
                        .transient = transient && lease.error().code == Code::unavailable};
            auto answers = read_group(**lease, checked);
            if (!answers)
                return ended(**lease, fail(std::move(answers).error()), options.deadline_boot_ns);
            return {.result = sql::Committed{.answers = std::move(*answers)}};
        }));
    return std::move(read.answers);
}

// --- batches
// ----------------------------------------------------------------------------------------------

Result<sql::Committed> EngineDatabase::write_batch(sql::Batch batch,
                                                   const sql::WriteOptions& options) {
    TASKSTORE_TRY(check_write(options));
    const auto request = std::make_shared<Request>();
    TASKSTORE_LET(request->batch, check_batch(batch, *x_translations, false));
    request->member.batch = &request->batch;
    if (!x_options.pooler) {
        request->member.wake = options.wake;
        request->member.wake_too = options.wake_too;
    }
    request->deadline_ns = options.deadline_boot_ns;
    bool alone = options.alone || request->batch.alone || request->batch.bytes > kGroupBytesMax ||
                 batch.size() > kStatementsInGroupMax;
    return repeat(options.deadline_boot_ns, [&] { return batch_once(request, alone); });
}

Attempt EngineDatabase::batch_once(const std::shared_ptr<Request>& request, bool& alone) {
    if (alone) return batch_alone(*request);
    bool queued = false;
    {
        const std::lock_guard lock(x_mutex);
        queued = std::exchange(x_led, true);
        request->turn = queued ? Turn::queued : Turn::leading;
        if (queued) x_queue.push_back(request);
    }
    if (x_options.queued_for_testing) x_options.queued_for_testing();
    if (queued) {
        if (auto gone = wait_for_turn(request)) return std::move(*gone);
    }
    if (request->turn == Turn::leading) {
        Attempt led = lead(request);
        if (!led.result) return led;
    }
    return told(*request, alone);
}

/// An attempt where the deadline came first (D3).
std::optional<Attempt> EngineDatabase::wait_for_turn(const std::shared_ptr<Request>& request) {
    while (request->deadline_ns != 0) {
        constexpr std::int64_t kNsMin = 1'000'000;
        const std::int64_t left_ns = request->deadline_ns - x_clock.boot_ns();
        if (request->moved.park_for(std::max(left_ns, kNsMin))) return std::nullopt;
        if (!passed(request->deadline_ns)) continue;
        const std::lock_guard lock(x_mutex);
        const auto place = std::ranges::find(x_queue, request);
        if (place == x_queue.end()) break;
        x_queue.erase(place);
        return Attempt{.result =
                           fail(Code::timed_out, "the deadline passed before the batch was sent")};
    }
    // Taken into a group, it ends with the group, whose deadline is not later than this one.
    request->moved.park();
    return std::nullopt;
}

// Whom the last group answered is about to ask again: without a moment's patience each full group
// would be followed by one of the first that came back. Who is alone waits for nobody.
void EngineDatabase::gather() {
    constexpr int kLooksInVainMax = 32;
    std::size_t queued = 0;
    for (int looks = 0; looks < kLooksInVainMax; ++looks) {
        {
            const std::lock_guard lock(x_mutex);
            if (x_queue.size() + 1 >= std::min(x_group_expected, kMembersMax)) return;
            if (x_queue.size() > queued) looks = 0;
            queued = x_queue.size();
        }
        std::this_thread::yield();
    }
}

std::vector<std::shared_ptr<Request>> EngineDatabase::take_group(
    const std::shared_ptr<Request>& first) {
    std::vector<std::shared_ptr<Request>> group{first};
    std::size_t bytes = first->batch.bytes;
    gather();
    const std::lock_guard lock(x_mutex);
    while (!x_queue.empty() && group.size() < kMembersMax &&
           bytes + x_queue.front()->batch.bytes <= kGroupBytesMax) {
        auto next = std::move(x_queue.front());
        x_queue.pop_front();
        if (passed(next->deadline_ns)) {
            next->member.verdict = Verdict::answered;
            next->member.answer =
                fail(Code::timed_out, "the deadline passed before the batch was sent");
            next->outcome = {};
            next->turn = Turn::told;
            next->moved.unpark();
            continue;
        }
        bytes += next->batch.bytes;
        group.push_back(std::move(next));
    }
    x_group_expected = group.size() + x_queue.size();
    return group;
}

void EngineDatabase::hand_on() {
    std::shared_ptr<Request> next;
    {
        const std::lock_guard lock(x_mutex);
        if (x_queue.empty()) {
            x_led = false;
            return;
        }
        next = std::move(x_queue.front());
        x_queue.pop_front();
        next->turn = Turn::leading;
    }
    next->moved.unpark();
}

/// Runs one group; an error is one of getting a connection, and holds for `first` alone.
Attempt EngineDatabase::lead(const std::shared_ptr<Request>& first) {
    std::vector<std::shared_ptr<Request>> group;
    {
        bool transient = false;
        const auto lease = x_pool.acquire(first->deadline_ns, transient);
        if (!lease) {
            hand_on();
            return {.result = fail(lease.error()),
                    .transient = transient && lease.error().code == Code::unavailable};
        }
        group = take_group(first);
        std::vector<Member*> members;
        std::int64_t deadline_ns = 0;
        for (const auto& request : group) {
            members.push_back(&request->member);
            if (request->deadline_ns != 0)
                deadline_ns = deadline_ns == 0 ? request->deadline_ns
                                               : std::min(deadline_ns, request->deadline_ns);
        }
        (*lease)->session().set_deadline(deadline_ns);
        const GroupOutcome outcome = run_group(**lease, members, x_options.schema, /*shared=*/true);
        for (const auto& request : group) {
            request->outcome = outcome;
            request->facts = (*lease)->facts();
        }
    }
    hand_on();
    for (const auto& request : group) {
        request->turn = Turn::told;
        if (request != first) request->moved.unpark();
    }
    return {};
}

Attempt EngineDatabase::batch_alone(Request& request) {
    {
        bool transient = false;
        const auto lease = x_pool.acquire(request.deadline_ns, transient);
        if (!lease)
            return {.result = fail(lease.error()),
                    .transient = transient && lease.error().code == Code::unavailable};
        std::vector<Member*> members{&request.member};
        request.outcome = run_group(**lease, members, x_options.schema, /*shared=*/false);
        request.facts = (*lease)->facts();
    }
    bool alone = true;
    return told(request, alone);
}

/// What the verdict makes of the attempt, in the thread that asked.
Attempt EngineDatabase::told(Request& request, bool& alone) {
    Member& member = request.member;
    switch (member.verdict) {
        case Verdict::alone:
            alone = true;
            [[fallthrough]];
        case Verdict::again:
            return {.result = fail(Code::unavailable, "the group of the batch was undone"),
                    .transient = true,
                    .at_once = true};
        case Verdict::in_doubt: {
            std::optional<std::vector<sql::Rows>> answers;
            if (member.answers_complete) answers = std::move(member.answers);
            return settle({request.outcome.transaction_id, request.facts}, member.answer.error(),
                          request.deadline_ns, std::move(answers));
        }
        case Verdict::answered:
            break;
    }
    if (member.answer) {
        return {.result =
                    sql::Committed{.level = request.outcome.level,
                                   .answers = std::move(member.answers),
                                   .cut_short = request.outcome.level != request.facts.level}};
    }
    Error error = member.answer.error();
    const bool late = passed(request.deadline_ns);
    if (late && (error.code == Code::cancelled || error.code == Code::unavailable))
        error.code = Code::timed_out;
    // Of a group whose nearest deadline was another's.
    if (!late && error.code == Code::timed_out && request.outcome.transient)
        error.code = Code::unavailable;
    const bool transient = request.outcome.transient && !late;
    return {.result = fail(std::move(error)), .transient = transient};
}

}  // namespace

Result<std::unique_ptr<sql::Database>> open_database(Options options) {
    TASKSTORE_CHECK(options.clock != nullptr && options.random != nullptr);
    TASKSTORE_TRY(check_schema_name(options.schema));
    TASKSTORE_LET(Location location, parse_location(options.location));
    std::string place = "schema \"" + options.schema + "\"";
    auto database =
        std::make_unique<EngineDatabase>(std::move(options), std::move(location), std::move(place));
    TASKSTORE_TRY(database->open());
    return std::unique_ptr<sql::Database>(std::move(database));
}

}  // namespace taskstore::postgres
