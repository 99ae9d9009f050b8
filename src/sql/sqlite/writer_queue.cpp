// Group commit. The states of a request, and who moves it:
//
//   waiting ──► answered    by the leader of its round, after the COMMIT that holds it (or fails)
//      └──────► leading     by the leader before it, when that one has done its round: its thread
//                           goes on
//
// Numbered so that the tests can cite them:
//   G1 At most one thread leads; whoever finds nobody leading does, with its own request at the
//      front.
//   G2 No request is answered, success or failure, before the commit of its round has succeeded: a
//      failure may have been caused by the uncommitted work of another member.
//   G3 When the shared transaction is lost, every member runs again, alone, in its own transaction.
//      Where a member failed that nothing but the end of the transaction undoes, all of them run
//      again together, each in a savepoint.
//   G4 A work runs a second time only when the first run is known to be undone.

#include "connection.hpp"
#include "word_waiter.hpp"

#include <taskstore/base/check.hpp>
#include <taskstore/os/lock.hpp>
#include <taskstore/sqlite/database.hpp>

#include <algorithm>
#include <atomic>
#include <deque>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace taskstore::sqlite {
namespace {

enum class Turn : int { waiting, answered, leading };

struct Request {
    const sql::Work* work = nullptr;
    sql::WriteOptions options;
    bool started = false;  ///< Its deadline was met once; running again does not ask a second time.
    Status answer = ok();
    std::atomic<Turn> turn{Turn::waiting};
};

enum class Guard : std::uint8_t {
    none,
    savepoints,  ///< Undo a member by itself. SQLite copies each page that one changes first.
};
/// After a member failed, others are likely to: so many groups have savepoints, which are a tenth
/// of a group's work, where one that runs twice costs all of it.
constexpr int kGuardedGroups = 16;
enum class Ran : std::uint8_t { whole, member_failed, lost };

// Shared: the leader wakes a request after its owner may have seen the answer and gone.
using RequestPtr = std::shared_ptr<Request>;

/// Who has not gone to sleep need not be woken, one after the other: where a flush takes 0.2 ms
/// that is a quarter of what 64 callers get done. Bounded, for disks that take longer.
Turn wait_for_turn(const Request& request) {
    constexpr int kLooksMax = 32;
    for (int looks = 0; looks < kLooksMax && request.turn.load() == Turn::waiting; ++looks)
        std::this_thread::yield();
    request.turn.wait(Turn::waiting);
    return request.turn.load();
}

/// Databases in whose works this thread is: using one again from there would wait for itself.
thread_local std::vector<const void*> databases_in_use;

class InUse {
  public:
    explicit InUse(const void* database) { databases_in_use.push_back(database); }
    ~InUse() { databases_in_use.pop_back(); }
    InUse(const InUse&) = delete;
    InUse& operator=(const InUse&) = delete;
    static bool holds(const void* database) {
        for (const void* one : databases_in_use) {
            if (one == database) return true;
        }
        return false;
    }
};

class EngineDatabase final : public sql::Database {
  public:
    EngineDatabase(std::string path, sql::OpenOptions options, const WriterOptions& writer,
                   std::unique_ptr<Driver> own_driver)
        : x_path(std::move(path)),
          x_options(std::move(options)),
          x_writer_options(writer),
          x_own_driver(std::move(own_driver)),
          x_driver(x_own_driver != nullptr ? *x_own_driver : *writer.driver),
          x_lock(x_driver.files(), writer_lock_path(x_path)) {}

    Status open();
    Result<sql::Committed> write(const sql::Work& work, const sql::WriteOptions& options) override;
    Result<sql::Committed> write_batch(sql::Batch batch, const sql::WriteOptions& options) override;
    Status read(const sql::Work& work, const sql::ReadOptions& options) override;
    Result<std::vector<sql::Rows>> read_batch(sql::Batch batch,
                                              const sql::ReadOptions& options) override;
    Result<std::unique_ptr<sql::Waiter>> waiter(std::string_view topic) override;
    std::string_view dialect() const override { return "sqlite"; }
    sql::Capabilities capabilities() const override {
        // The log is flushed before its index shows what is in it.
        return {.works_share_a_commit = true, .wakes = true, .interrupts = true, .seen = level()};
    }

  private:
    sql::DurabilityLevel level() const {
        return x_options.durability == sql::Durability::flushed ? sql::DurabilityLevel::flushed
                                                                : sql::DurabilityLevel::server;
    }
    Status queue(const sql::Work& work, const sql::WriteOptions& options);
    void wake_waiters(const std::vector<RequestPtr>& done);
    Result<std::shared_ptr<os::WakeWord>> word_of(std::string_view topic);
    void lead(const RequestPtr& first);
    void gather();
    std::vector<RequestPtr> run_round(const RequestPtr& first);
    std::vector<RequestPtr> run_group(const RequestPtr& first);
    Ran run_members(std::vector<RequestPtr>& members, Guard guard, std::int64_t started_ns);
    Ran run_member(Request& member, Guard guard);
    void run_alone(Request& request, bool in_doubt);
    Status commit();
    bool expired(Request& request);
    Status call(EngineConnection& connection, const sql::Work& work);
    RequestPtr next_for_group(std::size_t members, std::int64_t started_ns);
    Result<std::unique_ptr<EngineConnection>> take_reader();

    const std::string x_path;
    const sql::OpenOptions x_options;
    const WriterOptions x_writer_options;
    std::unique_ptr<Driver> x_own_driver;
    Driver& x_driver;
    os::FileLock x_lock;

    // The leader's alone; handed on together with the leadership.
    std::unique_ptr<EngineConnection> x_writer;
    int x_guarded_groups = 0;        ///< So many more have savepoints.
    std::size_t x_callers = 1;       ///< Of the last round, and who stood behind it.
    bool x_commit_in_doubt = false;  ///< A COMMIT met an I/O error, and none has succeeded since.

    std::mutex x_mutex;  ///< Guards the queue and who leads.
    std::deque<RequestPtr> x_queue;
    bool x_led = false;

    std::mutex x_readers_mutex;
    std::vector<std::unique_ptr<EngineConnection>> x_idle_readers;

    std::mutex x_words_mutex;
    std::map<std::string, std::shared_ptr<os::WakeWord>, std::less<>> x_words;
};

Status EngineDatabase::open() {
    if (x_options.read_only) {
        TASKSTORE_LET(auto reader, take_reader());
        x_idle_readers.push_back(std::move(reader));
        return ok();
    }
    TASKSTORE_LET(x_writer, connect_engine(x_driver, x_path, x_options));
    return ok();
}

// --- writers

Result<sql::Committed> EngineDatabase::write(const sql::Work& work,
                                             const sql::WriteOptions& options) {
    TASKSTORE_TRY(queue(work, options));
    return sql::Committed{.level = level()};
}

Result<sql::Committed> EngineDatabase::write_batch(sql::Batch batch,
                                                   const sql::WriteOptions& options) {
    std::vector<sql::Rows> answers;
    const sql::Work work = [&](sql::Connection& connection) -> Status {
        TASKSTORE_LET(answers, sql::run_batch(connection, batch));
        return ok();
    };
    TASKSTORE_LET(sql::Committed committed, write(work, options));
    committed.answers = std::move(answers);
    return committed;
}

Status EngineDatabase::queue(const sql::Work& work, const sql::WriteOptions& options) {
    if (x_options.read_only)
        return fail(Code::denied, x_path + ": the database was opened read-only");
    if (InUse::holds(this)) {
        return fail(Code::invalid,
                    x_path +
                        ": a work must not write to its own database but through the "
                        "connection that it was given");
    }
    TASKSTORE_TRY(sql::check_topic(options.wake));
    TASKSTORE_TRY(sql::check_topic(options.wake_too));
    const auto request = std::make_shared<Request>();
    request->work = &work;
    request->options = options;
    bool leading = false;
    {
        const std::lock_guard lock(x_mutex);
        x_queue.push_back(request);
        leading = !std::exchange(x_led, true);
    }
    if (x_writer_options.queued_for_testing) x_writer_options.queued_for_testing();
    if (!leading) {
        leading = wait_for_turn(*request) == Turn::leading;
    }
    if (leading) lead(request);
    return std::move(request->answer);
}

// One round: at least `first`, which is at the front of the queue. Then the next in line goes on in
// its own thread, so that no caller works for others for longer than a round.
void EngineDatabase::lead(const RequestPtr& first) {
    const std::vector<RequestPtr> done = run_round(first);
    RequestPtr next;
    {
        const std::lock_guard lock(x_mutex);
        x_callers = done.size() + x_queue.size();
        if (x_queue.empty()) {
            x_led = false;
        } else {
            next = x_queue.front();
        }
    }
    if (next != nullptr) {
        next->turn.store(Turn::leading);
        next->turn.notify_one();
    }
    wake_waiters(done);
    for (const RequestPtr& request : done) {
        if (request == first) continue;
        request->turn.store(Turn::answered);
        request->turn.notify_one();
    }
}

// Whom the last round answered is about to ask again, on this processor perhaps: without a moment's
// patience the next round begins with the first of them, and pays a flush for a few. Waiting for
// half of them is enough: the others come while these run. Who is alone waits for nobody.
void EngineDatabase::gather() {
    constexpr int kLooksInVainMax = 32;
    const std::size_t enough = x_callers / 2;
    std::size_t queued = 0;
    for (int looks = 0; looks < kLooksInVainMax; ++looks) {
        {
            const std::lock_guard lock(x_mutex);
            if (x_queue.size() > queued) looks = 0;
            queued = x_queue.size();
        }
        if (queued >= enough) return;
        std::this_thread::yield();
    }
}

std::vector<RequestPtr> EngineDatabase::run_round(const RequestPtr& first) {
    gather();
    // Others may join the queue while this waits for writers of other processes.
    auto lock = x_lock.acquire();
    bool others_wait = false;
    {
        const std::lock_guard queue_lock(x_mutex);
        TASKSTORE_CHECK(x_queue.front() == first);
        x_queue.pop_front();
        others_wait = !x_queue.empty();
    }
    if (!lock) {
        first->answer = fail(std::move(lock).error());
        return {first};
    }
    if (!first->options.alone && others_wait) return run_group(first);
    run_alone(*first, /*in_doubt=*/false);
    return {first};
}

std::vector<RequestPtr> EngineDatabase::run_group(const RequestPtr& first) {
    std::vector<RequestPtr> members{first};
    if (auto status = x_writer->begin_write(); !status) {
        first->answer = std::move(status);
        return members;
    }
    const std::int64_t started_ns = x_writer_options.clock->boot_ns();
    const Guard guard =
        x_guarded_groups > 0 || x_writer->works_have_savepoints() ? Guard::savepoints : Guard::none;
    if (x_guarded_groups > 0) --x_guarded_groups;
    Ran ran = run_members(members, guard, started_ns);
    if (ran == Ran::member_failed) x_guarded_groups = kGuardedGroups;
    // Nobody's work is undone for good but that of one who failed, and he has nobody beside him.
    if (ran == Ran::member_failed && (members.size() > 1 || members.front()->answer)) {
        x_writer->rollback();
        if (const auto status = x_writer->begin_write(); !status) {
            for (const RequestPtr& member : members) member->answer = fail(status.error());
            return members;
        }
        ran = run_members(members, Guard::savepoints, started_ns);
    }
    bool in_doubt = false;
    if (ran == Ran::whole) {
        const auto status = commit();
        if (status) return members;
        in_doubt = status.error().code == Code::outcome_unknown;
    }
    x_writer->rollback();
    // Alone, so nobody else's work is the cause (G2).
    if (ran == Ran::member_failed) return members;
    for (const RequestPtr& member : members) run_alone(*member, in_doubt && x_commit_in_doubt);
    return members;
}

/// All that are in it, and who comes meanwhile.
Ran EngineDatabase::run_members(std::vector<RequestPtr>& members, Guard guard,
                                std::int64_t started_ns) {
    for (std::size_t i = 0;; ++i) {
        if (i == members.size()) {
            RequestPtr next = next_for_group(members.size(), started_ns);
            if (next == nullptr) return Ran::whole;
            members.push_back(std::move(next));
        }
        if (const Ran ran = run_member(*members[i], guard); ran != Ran::whole) return ran;
    }
}

RequestPtr EngineDatabase::next_for_group(std::size_t members, std::int64_t started_ns) {
    if (members >= x_writer_options.group_members_max) return nullptr;
    if (x_writer_options.clock->boot_ns() - started_ns >= x_writer_options.group_ns_max)
        return nullptr;
    const std::lock_guard lock(x_mutex);
    if (x_queue.empty() || x_queue.front()->options.alone) return nullptr;
    RequestPtr next = std::move(x_queue.front());
    x_queue.pop_front();
    return next;
}

/// Lost is the shared transaction: by an interrupt, RAISE(ROLLBACK), a disk error.
Ran EngineDatabase::run_member(Request& member, Guard guard) {
    if (expired(member)) return Ran::whole;
    if (guard == Guard::savepoints && !x_writer->open_savepoint()) return Ran::lost;
    member.answer = call(*x_writer, *member.work);
    if (!x_writer->in_transaction()) return Ran::lost;
    if (guard == Guard::none)
        return member.answer && !x_writer->works_have_savepoints() ? Ran::whole
                                                                   : Ran::member_failed;
    return member.answer ? (x_writer->keep_savepoint() ? Ran::whole : Ran::lost)
                         : (x_writer->undo_savepoint() ? Ran::whole : Ran::lost);
}

// The second attempt after a COMMIT in doubt is safe (G4): this connection has taken the first one
// back, and under the writer lock nobody else has written since, so the second one's frames
// overwrite it in the WAL. Where no commit succeeds any more the doubt stays, and is what the
// caller is told, whatever stopped the repetition.
//
// `in_doubt`: the request was in a COMMIT that may have reached the disk.
void EngineDatabase::run_alone(Request& request, bool in_doubt) {
    constexpr int kAttempts = 2;
    if (expired(request)) return;
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        request.answer = x_writer->begin_write();
        if (!request.answer) break;
        request.answer = call(*x_writer, *request.work);
        if (!request.answer) {
            x_writer->rollback();
            break;
        }
        if (!x_writer->in_transaction()) {
            request.answer = fail(Code::failed, x_path +
                                                    ": the work went on after an error that had "
                                                    "ended its transaction; nothing is kept");
            break;
        }
        request.answer = commit();
        if (request.answer || request.answer.error().code != Code::outcome_unknown) break;
        in_doubt = true;
    }
    in_doubt = in_doubt && x_commit_in_doubt;
    if (request.answer || !in_doubt) return;
    Error error = std::move(request.answer).error();
    error.code = Code::outcome_unknown;
    request.answer = fail(std::move(error));
}

Status EngineDatabase::commit() {
    auto status = x_writer->commit();
    if (status) x_commit_in_doubt = false;
    if (!status && status.error().code == Code::outcome_unknown) x_commit_in_doubt = true;
    return status;
}

bool EngineDatabase::expired(Request& request) {
    const std::int64_t deadline_ns = request.options.deadline_boot_ns;
    if (request.started || deadline_ns == 0 || x_writer_options.clock->boot_ns() <= deadline_ns) {
        request.started = true;
        return false;
    }
    request.answer = fail(Code::timed_out, x_path + ": the deadline passed before the write began");
    return true;
}

Status EngineDatabase::call(EngineConnection& connection, const sql::Work& work) {
    const InUse in_use(this);
    return connection.run_work(work);
}

// --- readers

Result<std::unique_ptr<EngineConnection>> EngineDatabase::take_reader() {
    {
        const std::lock_guard lock(x_readers_mutex);
        if (!x_idle_readers.empty()) {
            auto reader = std::move(x_idle_readers.back());
            x_idle_readers.pop_back();
            return reader;
        }
    }
    sql::OpenOptions options = x_options;
    options.read_only = true;
    return connect_engine(x_driver, x_path, options);
}

Status EngineDatabase::read(const sql::Work& work, const sql::ReadOptions& options) {
    if (options.deadline_boot_ns != 0 &&
        x_writer_options.clock->boot_ns() > options.deadline_boot_ns) {
        return fail(Code::timed_out, x_path + ": the deadline passed before the read began");
    }
    TASKSTORE_LET(auto reader, take_reader());
    TASKSTORE_TRY(reader->begin_read());
    const Clock& clock = *x_writer_options.clock;
    reader->end_statements_at(clock, options.deadline_boot_ns);
    Status status = reader->run_work(work);
    reader->end_statements_at(clock, 0);
    if (!status && status.error().code == Code::cancelled && options.deadline_boot_ns != 0 &&
        clock.boot_ns() > options.deadline_boot_ns)
        status = fail(Code::timed_out, x_path + ": the deadline passed before the read was over");
    reader->rollback();
    const std::lock_guard lock(x_readers_mutex);
    if (x_idle_readers.size() < x_writer_options.idle_readers_max) {
        x_idle_readers.push_back(std::move(reader));
    }
    return status;
}

Result<std::vector<sql::Rows>> EngineDatabase::read_batch(sql::Batch batch,
                                                          const sql::ReadOptions& options) {
    std::vector<sql::Rows> answers;
    TASKSTORE_TRY(read(
        [&](sql::Connection& connection) -> Status {
            TASKSTORE_LET(answers, sql::run_batch(connection, batch));
            return ok();
        },
        options));
    return answers;
}

// --- waiters

Result<std::unique_ptr<sql::Waiter>> EngineDatabase::waiter(std::string_view topic) {
    TASKSTORE_TRY(sql::check_topic(topic));
    TASKSTORE_LET(auto word, word_of(topic));
    return wait_on(std::move(word), *x_writer_options.clock);
}

Result<std::shared_ptr<os::WakeWord>> EngineDatabase::word_of(std::string_view topic) {
    const std::lock_guard lock(x_words_mutex);
    if (const auto known = x_words.find(topic); known != x_words.end()) return known->second;
    TASKSTORE_LET(auto word, open_word(x_driver.files(), x_path, topic));
    x_words.emplace(topic, word);
    return word;
}

// After the commit: a waiter that is woken before it would look and find nothing. A word that
// cannot be made wakes nobody; waiters look again by themselves.
void EngineDatabase::wake_waiters(const std::vector<RequestPtr>& done) {
    std::vector<std::string_view> woken{""};
    for (const RequestPtr& request : done) {
        if (!request->answer) continue;
        for (const std::string_view topic : {request->options.wake, request->options.wake_too}) {
            if (std::ranges::find(woken, topic) != woken.end()) continue;
            woken.push_back(topic);
            if (const auto word = word_of(topic)) (*word)->wake();
        }
    }
}

}  // namespace

std::string writer_lock_path(const std::string& path) {
    return path + "-writer.lock";
}

Result<std::unique_ptr<sql::Database>> open_database(const std::string& path,
                                                     const sql::OpenOptions& options,
                                                     const WriterOptions& writer) {
    TASKSTORE_CHECK(writer.clock != nullptr);
    if (path == ":memory:") {
        return fail(Code::invalid, "a database in memory has one connection: it cannot be shared");
    }
    std::unique_ptr<Driver> own_driver;
    if (writer.driver == nullptr) own_driver = std::make_unique<Driver>();
    auto database = std::make_unique<EngineDatabase>(path, options, writer, std::move(own_driver));
    TASKSTORE_TRY(database->open());
    return std::unique_ptr<sql::Database>(std::move(database));
}

}  // namespace taskstore::sqlite
