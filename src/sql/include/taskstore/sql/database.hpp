#pragma once
// The Database port (floor 2): what modules above write their SQL against, whichever engine is
// behind it. A driver (sql/sqlite, sql/postgres, sql/libsql) implements Connection, Statement and
// Database; only composition roots name one.

#include <taskstore/base/result.hpp>
#include <taskstore/sql/column_names.hpp>
#include <taskstore/sql/value.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::sql {

/// A prepared statement, borrowed from its connection's cache: reset and returned when it goes out
/// of scope. Must not outlive its connection. Not thread-safe. Parameters are ?1, ?2, … counted
/// from 1.
class Statement {
  public:
    virtual ~Statement() = default;
    virtual Status bind_null(int index) = 0;
    virtual Status bind(int index, std::int64_t value) = 0;
    /// invalid: NaN, which engines store differently (SQLite as NULL).
    virtual Status bind(int index, double value) = 0;
    /// The text is read, not copied: it must live until the next step() to completion or reset().
    /// invalid: it holds U+0000, which no engine keeps faithfully.
    virtual Status bind(int index, std::string_view text) = 0;
    virtual Status bind_blob(int index, std::string_view bytes) = 0;
    Status bind(int index, const char*) =
        delete;  ///< Would pick the integer overload on some engines: say string_view.
    Status bind_value(int index, const Value& value);

    /// True: a row is there to read. False: done. After an error or false, reset() before the next
    /// run.
    virtual Result<bool> step() = 0;
    /// Also clears the bindings.
    virtual void reset() = 0;

    virtual int column_count() = 0;
    virtual std::string_view column_name(int column) = 0;
    /// All of them; as they are after a step().
    virtual ColumnNames column_names();
    virtual bool is_null(int column) = 0;
    virtual std::int64_t column_int64(int column) = 0;
    virtual double column_double(int column) = 0;
    /// Valid until the next step() or reset().
    virtual std::string_view column_text(int column) = 0;
    virtual std::string_view column_blob(int column) = 0;
    virtual Value column_value(int column) = 0;

    /// step() to the end, for statements without rows.
    Status run();
};

/// One session with the engine. Not thread-safe. Errors: unavailable (busy, locked: retry),
/// conflict (a constraint), invalid (bad SQL, wrong type), corrupt (damaged or not a database),
/// denied (read-only), failed (disk full, I/O), cancelled (interrupted), outcome_unknown (a change
/// outside of a transaction whose answer was lost); `native` is the engine's extended code.
class Connection {
  public:
    virtual ~Connection() = default;
    /// From the cache, or compiled and cached.
    virtual Result<std::unique_ptr<Statement>> prepare(std::string_view sql) = 0;
    /// Runs one or several statements without parameters; rows are ignored.
    virtual Status execute(std::string_view sql) = 0;
    virtual std::int64_t changes() = 0;
    virtual bool in_transaction() = 0;
    virtual std::string_view dialect() const = 0;  ///< "sqlite", "postgres"

    /// All reads until commit() or rollback() see one state, taken at the first of them.
    virtual Status begin_read() = 0;
    virtual Status begin_write() = 0;  ///< Takes the write lock now, not at the first write.
    /// outcome_unknown where the engine cannot say; otherwise an error means rolled back.
    virtual Status commit() = 0;
    virtual void rollback() = 0;  ///< Nothing where no transaction is open.
    /// Within a write transaction: waits until no other one holds it, till the transaction ends.
    /// For engines whose write transactions run side by side, where "create if not exists" races.
    virtual Status lock_for_migration() { return ok(); }

    /// Ends the running statement with `cancelled`; a change it was making may take the whole
    /// transaction with it, so look at in_transaction(). Nothing where none runs. The one method
    /// for any thread.
    virtual void interrupt() = 0;
};

/// Rolls back at the end of its scope unless commit() succeeded: undo is the default.
class Transaction {
  public:
    static Result<Transaction> begin_write(Connection& connection);
    static Result<Transaction> begin_read(Connection& connection);
    ~Transaction();
    Transaction(Transaction&& other) noexcept;
    Transaction& operator=(Transaction&&) = delete;
    Status commit();

  private:
    explicit Transaction(Connection& connection) : x_connection(&connection) {}
    Connection* x_connection;
};

/// How much a commit of this database promises (I1).
enum class Durability : std::uint8_t {
    flushed,   ///< The truth: on disk when commit() returns (SQLite: synchronous=FULL).
    cache,     ///< A cache of something durable: may fall behind at a power cut, never wrong
               ///< (synchronous=NORMAL).
    building,  ///< Nobody reads it yet: no flushes at all (synchronous=OFF); the builder flushes
               ///< the file at the end.
};

struct OpenOptions {
    Durability durability = Durability::flushed;
    bool read_only =
        false;           ///< Cannot change the database, whatever is run: refused by the engine.
    bool create = true;  ///< Made if absent (mode 0600); otherwise not_found.
    std::int64_t busy_timeout_ms = 5'000;
    std::int64_t cache_bytes = 16 << 20;
    std::int64_t mmap_bytes = 256 << 20;
    /// Each page has a checksum: damage of the files (a flipped bit, a cut, zeros) is answered with
    /// `corrupt`, never with other rows; a database made without them is `corrupt` too. For caches,
    /// which can be made again. Engines without pages of their own ignore it; SQLite reads without
    /// mmap.
    bool checksums = false;
    /// Asked now and then while a statement runs; true ends it as interrupt() does. Must be quick.
    std::function<bool()> should_stop = {};
};

/// Makes connections to one kind of engine. Thread-safe.
class Driver {
  public:
    virtual ~Driver() = default;
    virtual Result<std::unique_ptr<Connection>> connect(const std::string& location,
                                                        const OpenOptions& options) = 0;
};

/// A small transaction: runs in a transaction, a shared one perhaps, that it must not end itself.
/// It may be run again from the start after a rollback, also where another work of the shared
/// transaction failed, so its only effects are through the connection.
using Work = std::function<Status(Connection&)>;

/// How a statement runs where the engine is in this process, and so the answer to an earlier one of
/// its batch is there first: not at all where that answered no row, or one that says that there is
/// nothing to do. A cheaper way to what `sql` of the statement does; other engines run that.
struct AfterRow {
    std::size_t back = 0;       ///< The earlier one is so many before; 0: there is none.
    std::string_view sql = {};  ///< Instead; empty: as it is. Must outlive the call.
    /// Of the first row: parameters of the statement, behind its own. Must outlive the call.
    std::span<const int> columns = {};
    std::optional<int> unless_zero = {};  ///< A column of that row: a 0 says nothing is to do.
};

/// How a statement that changes one row at most and answers it runs where the engine is in this
/// process, where asking twice costs little, and a table that an engine makes for what RETURNING
/// or LIMIT answers costs more. Other engines run `sql` of the statement. The texts must outlive
/// the call, and each has the parameters of the others up to its own last one.
struct InSteps {
    /// Where `write` needs it: its first row has the parameters behind the statement's own; no row
    /// says that nothing is to do. Empty: there are the statement's own.
    std::string_view find = {};
    std::string_view write = {};  ///< Where it changes nothing `sql` runs. Empty: there are none.
    std::string_view read = {};   ///< Answers what `sql` would.
};

/// A statement with its parameters, for transactions whose statements are known before they run.
struct BoundStatement {
    std::string_view sql;       ///< One statement. Must outlive the call.
    std::vector<Value> values;  ///< ?1, ?2, …
    /// The batch is undone, and the answer is `conflict`, where the statement changes another
    /// number of rows: the state that a write expects is part of it.
    std::optional<std::int64_t> changes_expected = {};
    /// The same for many rows at once, in engines that have such a form (PostgreSQL's unnest):
    /// parameter n is the array of every row's n-th value. It returns rows where `sql` does, each
    /// with one column before the others: the number of its row of values, from 1. Where `sql`
    /// returns none it may return these numbers alone, one for each row that it changed for that
    /// one; else it is to change one row at most for each, and `changes` of all is -1, not known,
    /// where some changed one and others none.
    ///
    /// Sent so are neighbours in a batch, and batches of up to 64 statements that all have forms,
    /// the same ones in the same order, with others of their like: the first statements of all,
    /// then the second ones, and so on. So none may read what another row, or another such batch,
    /// wrote. Engines without such a form run `sql`.
    std::string_view set_based = {};
    AfterRow after = {};
    InSteps steps = {};  ///< Not where `after` has another text.
};
using Batch = std::span<const BoundStatement>;

/// What a statement of a batch answered.
struct Rows {
    ColumnNames columns;
    std::vector<std::vector<Value>> rows;
    std::int64_t changes = 0;  ///< Of a statement that changes rows; of others, nothing to rely on.
};

/// What an acknowledged commit survives (I1).
enum class DurabilityLevel : std::uint8_t {
    flushed,     ///< A crash and a power cut: it is on the disk of the database.
    replicated,  ///< The loss of that machine, too: a synchronous standby has flushed it.
    server,      ///< What the server was set to; it does not say.
};
std::string_view name_of(DurabilityLevel level);
/// What both survive: `server` is the least, `replicated` the most.
DurabilityLevel weaker_of(DurabilityLevel one, DurabilityLevel other);

/// The answer to a write that succeeded.
struct Committed {
    DurabilityLevel level = DurabilityLevel::flushed;
    std::vector<Rows> answers = {};  ///< One per statement of the batch; of a Work, none.
    /// The server was to wait for more than `level` says, and that wait was broken off.
    bool cut_short = false;
};

struct WriteOptions {
    /// In the clock's boot_ns(); 0: none. Passed before the work starts: `timed_out`. An engine
    /// behind a network also stops waiting for its answer then: `timed_out` before COMMIT was sent,
    /// `outcome_unknown` after. Never checked inside a group.
    std::int64_t deadline_boot_ns = 0;
    bool alone = false;  ///< Known to be long: gets a transaction of its own.
    /// Who waits for this topic is woken after the commit; empty: nobody. At most 32 of [a-z0-9_].
    std::string_view wake = {};
    std::string_view wake_too = {};  ///< A second topic, the same.
};

struct ReadOptions {
    std::int64_t deadline_boot_ns = 0;  ///< As of WriteOptions; passed: `timed_out`.
};

/// What an engine can and cannot do, for callers that choose a way and for tests that name what is
/// missing.
struct Capabilities {
    /// Concurrent Works share a transaction; one that fails is undone, and harms no other. Else
    /// each has its own, and only batches share one.
    bool works_share_a_commit = false;
    bool wakes = false;  ///< Waiters are told; else they look again and again, ever more seldom.
    bool interrupts = false;  ///< Connection::interrupt() ends a statement that runs.
    bool network = false;     ///< A connection may be lost, a commit's outcome stay unknown.
    bool finite_doubles_only = false;  ///< Infinity is refused with `invalid`, as NaN is.
    /// What a commit survives that a read sees, whoever made it.
    DurabilityLevel seen = DurabilityLevel::server;
};

/// invalid: neither empty nor 1 to 32 of [a-z0-9_].
Status check_topic(std::string_view topic);

/// Waits for a topic. Begin to wait before looking at the data: what is committed after that ends
/// the wait. Not thread-safe; may be destroyed on any thread.
class Waiter {
  public:
    virtual ~Waiter() = default;
    /// True: woken, perhaps for nothing: look again. False: the deadline passed (0: none, but it
    /// returns true now and then anyway, for a writer that was killed between commit and wake).
    /// cancelled: asked to stop. A lost connection is no error: it is made again, and true says
    /// look again.
    virtual Result<bool> wait(std::int64_t deadline_boot_ns,
                              const std::stop_token& cancel = {}) = 0;
};

/// What others can see of this program at the server: it ends with the connection that it stands
/// on, however the program ends. Thread-safe.
class Presence {
  public:
    virtual ~Presence() = default;
    virtual std::int64_t key() const = 0;
    /// By now. A lost connection is made again, and the presence with it, under the same key.
    virtual bool held() const = 0;
};

/// A database that is the truth, shared by the threads of a process. Thread-safe.
///
/// write(): concurrent small works share one commit where the engine can (group commit), each
/// isolated from the others' failures; returns after the commit that holds the work is durable, or
/// with the work's own error, nothing of it kept. write_batch(): the same for statements known
/// before; every engine shares a commit among concurrent batches, and behind a network a group
/// costs one or two round trips, not two per statement. read(), read_batch(): on a connection of
/// their own; all statements see one state; never block on a writer.
///
/// Transient errors (busy, serialization, a lost connection before COMMIT was sent, a server that
/// starts) are retried with backoff (retry.hpp) until the deadline; without one, for
/// PoolOptions::retry_ms_max.
class Database {
  public:
    virtual ~Database() = default;
    virtual Result<Committed> write(const Work& work, const WriteOptions& options = {}) = 0;
    virtual Result<Committed> write_batch(Batch batch, const WriteOptions& options = {}) = 0;
    virtual Status read(const Work& work, const ReadOptions& options = {}) = 0;
    virtual Result<std::vector<Rows>> read_batch(Batch batch, const ReadOptions& options = {}) = 0;
    virtual Result<std::unique_ptr<Waiter>> waiter(std::string_view topic) = 0;
    /// Under a key that nobody else has. PostgreSQL: a shared advisory lock of the session that
    /// listens; waits for it, but not for ever. Null where there is none: without a server, through
    /// a pooler, where advisory locks do nothing.
    /// conflict: it is there already.
    virtual Result<std::unique_ptr<Presence>> presence(std::int64_t /*key*/) {
        return std::unique_ptr<Presence>();
    }
    virtual std::string_view dialect() const = 0;  ///< As Connection::dialect().
    virtual Capabilities capabilities() const = 0;
};

/// Runs a batch on a connection, in whatever transaction is open; the answers as of write_batch().
/// For drivers whose round trips cost nothing. conflict: another number of changes than expected.
Result<std::vector<Rows>> run_batch(Connection& connection, Batch batch);

}  // namespace taskstore::sql
