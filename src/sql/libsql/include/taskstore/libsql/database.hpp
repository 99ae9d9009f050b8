#pragma once
// The libSQL driver of the Database port (floor 3; composition roots and tests name it, nobody
// else): Turso, sqld and whoever else speaks Hrana 3 or 2 over HTTP (libsql, docs/HRANA_3_SPEC.md
// and docs/HTTP_V2_SPEC.md). The dialect is SQLite's.
//
//   url = ("libsql" | "https" | "http") "://" [user ":" password "@"] host [":" port] [path]
//         ["?" "authToken=" token] ["&" "tls=" ("0" | "1")]
//
// libsql is https, or http with tls=0, which then wants a port. Other keys and fragments are
// errors. A password is sent as HTTP Basic, a token as Bearer; both only to this host and to
// wherever it says that a stream has moved (base_url), never from https to http, never along a
// redirect.

#include <taskstore/base/clock.hpp>
#include <taskstore/sql/database.hpp>
#include <taskstore/sql/pool.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>

namespace taskstore::libsql {

/// Exactly one request is an exchange over HTTP; `bytes_sent` are of bodies.
struct Traffic {
    std::uint64_t requests = 0;
    std::uint64_t bytes_sent = 0;
};

struct Options {
    sql::PoolOptions pool = {};
    std::string token = {};  ///< Bearer; where the URL has an authToken, that one.
    bool read_only = false;  ///< See Driver.
    /// As of sql::OpenRequest, for single connections.
    std::int64_t until_boot_ns = 0;
    const Clock* clock = nullptr;  ///< Needed; these two must outlive what is opened.
    Random* random = nullptr;      ///< Needed: ids of writers, jitter.
    /// Any thread: a connection was waited for too long (once a minute).
    std::function<void(const std::string&)> warn = {};
    std::size_t group_members_max = 256;
    std::size_t group_bytes_max = 4 << 20;
    /// An answer beyond this is refused (`failed`), and nothing that the server sends takes more
    /// memory.
    std::size_t reply_bytes_max = 256 << 20;
    /// A server that takes connections and for that long says nothing at all, also not to a small
    /// question beside the request that waits, counts as gone: `unavailable`, for a write whose
    /// COMMIT may be there `outcome_unknown`. 0: only deadlines and statement_timeout_ms end it.
    std::int64_t silence_ms_max = 10'000;
    std::function<void()> queued_for_testing = {};                 ///< As sqlite::WriterOptions.
    std::function<void(const Traffic&)> traffic_for_testing = {};  ///< After each request.
};

/// Opens a database for write() and read(); see sql::Database. Asks the server nothing: what is
/// wrong with it is the answer to the first question. invalid: the URL.
///
/// Levels: always `server` (sqld's durability is its own setting). write(): each work has a
/// transaction of its own, on a stream; those of one Database run one after the other, since the
/// server has one writer. write_batch(): concurrent batches (up to group_members_max and
/// group_bytes_max) are one conditional batch in one request, each undone alone when it fails. A
/// lost answer to a COMMIT is asked for: the transaction also numbers itself in the table
/// taskstore_outcomes, so the store learns whether it is there, and where it is not, that it never
/// will be. outcome_unknown is what remains: the server cannot be asked before the deadline, or the
/// write is there and the rows that it answered are lost (the message says which).
///
/// read(), read_batch(): within one read transaction that is always rolled back.
///
/// Hrana 2 knows no condition on the state of a transaction, so there each batch has a request of
/// its own, and an error inside a transaction ends it.
Result<std::unique_ptr<sql::Database>> open_database(const std::string& url,
                                                     const Options& options);

/// Makes connections: locations are URLs as above. Thread-safe; must outlive its connections.
///
/// A connection holds a stream of the server within a transaction only; outside, each statement is
/// a request. Within one, the server rolls back after 10 s without a statement, and when another
/// writer has waited 5 s: `unavailable`, and in_transaction() is false. Statements run whole at the
/// first step(), their rows are kept in memory. interrupt(), should_stop and statement_timeout_ms
/// end the waiting and drop the connection, at which sqld ends the statement and its stream;
/// another server may go on with it, within a transaction without effect.
///
/// read_only: only what reads by its text is sent, and each read within a transaction that is
/// rolled back. OpenOptions::create, cache_bytes, mmap_bytes, durability and checksums mean nothing
/// here.
class Driver final : public sql::Driver {
  public:
    /// Clock, random, token, pool.statement_timeout_ms and reply_bytes_max are used.
    explicit Driver(Options options) : x_options(std::move(options)) {}
    Result<std::unique_ptr<sql::Connection>> connect(const std::string& location,
                                                     const sql::OpenOptions& options) override;

  private:
    Options x_options;
};

/// The server's dump (`GET /dump`): SQL text of one state, of which `take` is given piece after
/// piece as they come; its error ends the dump and is the answer. Others write meanwhile. The end
/// of the text is for `take` to know: a server that meets an error says so in the text.
/// unsupported: this server has no dump, or not for who asks (Turso's proxies, a token with less
/// rights). unavailable: no answer, cut off, or silence (Options::silence_ms_max);
/// statement_timeout_ms does not end it. denied: the token.
Status dump(const std::string& url, const Options& options,
            const std::function<Status(std::string_view)>& take);

/// "libcurl 7.88.1".
std::string library_version();

}  // namespace taskstore::libsql
