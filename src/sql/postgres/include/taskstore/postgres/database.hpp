#pragma once
// A PostgreSQL database shared by the threads of a process (floor 3): a pool, group commit of
// batches, waiters that the server wakes.

#include <taskstore/base/clock.hpp>
#include <taskstore/sql/database.hpp>
#include <taskstore/sql/pool.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace taskstore::postgres {

struct Options {
    std::string location;         ///< A URL as of Driver.
    std::string schema = "main";  ///< As of DriverOptions; topics are this schema's.
    sql::PoolOptions pool = {};
    bool read_only = false;
    bool create = true;  ///< The schema; otherwise not_found.
    /// Behind PgBouncer in transaction mode, or what works like it: statements have no names,
    /// settings hold for one transaction, and nobody is woken (waiters look again and again).
    bool pooler = false;
    const Clock* clock = nullptr;  ///< Needed. Must outlive the database, as `random`.
    Random* random = nullptr;      ///< Needed: for the backoff.
    /// What is worth a line in a log: a slow acquire, once a minute.
    std::function<void(std::string_view)> tell = {};
    /// Called when a batch has joined the queue of a group, and when a write is done.
    std::function<void()> queued_for_testing = {};
};

/// Connects once, so that a wrong location is told now; see sql::Database.
///
/// write(): the work runs in the caller's thread and in a transaction of its own (READ COMMITTED),
/// again after a serialization failure, a deadlock or a connection that was lost before COMMIT. It
/// must not use the database itself (invalid), nor begin or end transactions, nor change the
/// session.
///
/// write_batch(): batches that are queued at the same time share one transaction of at most 256.
/// Lone statements with the same `set_based` form are sent as one. COMMIT goes out when the
/// transaction's number is there, which comes while such statements run; behind others, when their
/// answers are. The leader of a group waits for those whom the last group answered: an eighth of
/// that one's time, 5 ms at most; who is alone waits for nobody. In a group a row that another
/// session holds is waited for 100 ms; then its batch goes alone. A group that fails is undone: the
/// batch that failed runs alone, the others again; nobody is answered before the COMMIT that holds
/// him.
///
/// A connection that is lost after COMMIT was sent: the server is asked what became of the
/// transaction, until the deadline. `outcome_unknown` remains where it cannot tell: no answer in
/// time; the server has crashed or another one took over, and says "committed" of a number that may
/// have been given twice; behind a pooler; servers without txid_status().
///
/// The level of a commit is what the session found at its beginning: `flushed` with fsync and
/// synchronous_commit on, `replicated` with synchronous standbys besides, else `server`.
///
/// unavailable: all connections were in use for acquire_timeout_seconds (says how many), or nobody
/// answers. Destroying the database while calls run is a bug.
Result<std::unique_ptr<sql::Database>> open_database(Options options);

}  // namespace taskstore::postgres
