#pragma once
// The Database port (floor 2): what modules above write their SQL against, whichever engine is
// behind it. A driver (sql/sqlite, later sql/postgres and sql/libsql) implements Connection,
// Statement and Database; only composition roots name one.

#include <taskstore/base/result.hpp>
#include <taskstore/sql/value.hpp>

#include <cstdint>
#include <functional>
#include <memory>
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
/// denied (read-only), failed (disk full, I/O), cancelled (interrupted); `native` is the engine's
/// extended code.
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

/// A small transaction: runs in a transaction (or a savepoint of a shared one) that it must not end
/// itself. It may be run again from the start after a rollback, so its only effects are through the
/// connection.
using Work = std::function<Status(Connection&)>;

struct WriteOptions {
    std::int64_t deadline_boot_ns =
        0;               ///< 0: none. Checked before the work starts, never inside a group.
    bool alone = false;  ///< Known to be long: gets a transaction of its own.
};

/// A database that is the truth, shared by the threads of a process. Thread-safe.
/// write(): concurrent small works share one commit (group commit), each isolated from the others'
/// failures; returns after the commit that holds the work is durable, or with the work's own error,
/// nothing of it kept. read(): on a reader connection of its own; never blocks on a writer.
class Database {
  public:
    virtual ~Database() = default;
    virtual Status write(const Work& work, const WriteOptions& options = {}) = 0;
    virtual Status read(const Work& work) = 0;
};

}  // namespace taskstore::sql
