#pragma once
// One PGconn and every wait for it. Nothing here blocks in libpq: the socket is polled, so that a
// deadline, a stop or a lost server ends the wait. What it sends goes in pipelines: any number of
// statements in one round trip.

#include "errors.hpp"
#include "location.hpp"
#include "parameters.hpp"
#include "statement_names.hpp"
#include "translate.hpp"

#include <libpq-fe.h>
#include <taskstore/base/clock.hpp>
#include <taskstore/base/result.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::postgres {

struct SessionOptions {
    const Clock* clock = nullptr;
    /// No wait for one exchange is longer, whatever the deadline; 0: no bound.
    std::int64_t answer_ms_max = 0;
    bool names = true;  ///< Statements may be prepared under names: not behind a pooler.
    std::function<bool()> should_stop = {};
};

/// A part of a pipeline: a statement, or a mark.
struct Outgoing {
    enum class Mark : std::uint8_t {
        none,
        flush,  ///< The server sends what it has answered so far, before it goes on.
        wait,   ///< Nothing more is sent before the answers up to the last flush are there.
        doubt,  ///< From here on a lost connection leaves the outcome in doubt (COMMIT follows).
    };
    std::string_view sql = {};  ///< Translated.
    const Parameters* parameters = nullptr;
    Mark mark = Mark::none;
    bool once = false;  ///< Its text does not come again: not worth a name.
};

class Session {
  public:
    /// Tries the hosts in order. `deadline_boot_ns`: 0 for none beyond the location's own bounds.
    static Result<std::unique_ptr<Session>> connect(const Location& location,
                                                    const SessionOptions& options,
                                                    std::int64_t deadline_boot_ns);
    ~Session();
    Session(const Session&) = delete;
    Session& operator=(const Session&) = delete;

    /// Called once per statement, in order; the index counts statements, not marks.
    using OnResult = std::function<void(std::size_t index, ResultPtr result)>;
    /// Sends `parts` as one pipeline and hands out every answer (errors and "not run, as an earlier
    /// one failed" included). An error is the connection's: it is broken then, and in_doubt() says
    /// whether the mark had been passed.
    Status exchange(std::span<const Outgoing> parts, const OnResult& on_result);
    /// One statement by itself: what exchange() does, without a pipeline's bookkeeping.
    Result<ResultPtr> run_one(std::string_view sql, const Parameters& parameters);
    /// Several statements without parameters, as one simple query: the last result or the first
    /// error. An error of the function is the connection's.
    Result<ResultPtr> simple(const std::string& sql, bool doubt = false);
    /// Rows that the last statement of simple() changed that changes any.
    std::int64_t changes_of_simple() const { return x_changes; }
    /// Columns of a statement that is not run.
    Result<ResultPtr> describe(std::string_view sql);

    /// The deadline of what follows, in the clock's boot_ns(); 0: none.
    void set_deadline(std::int64_t deadline_boot_ns) { x_deadline_ns = deadline_boot_ns; }
    std::int64_t deadline() const { return x_deadline_ns; }
    bool broken() const { return x_broken || PQstatus(x_conn) != CONNECTION_OK; }
    bool in_doubt() const { return x_in_doubt; }
    void break_off() { x_broken = true; }
    /// Whether the server has hung up, or sent what nobody waits for; looks without waiting.
    bool hung_up();
    PGTransactionStatusType state() const { return PQtransactionStatus(x_conn); }
    /// A warning came with the answers since this was last asked.
    bool take_warned() { return std::exchange(x_warned, false); }
    StatementNames& names() { return x_names; }

    /// Asks the server to end the running statement. For any thread; blocks for a round trip.
    void cancel();
    PGconn* handle() { return x_conn; }
    const std::string& place() const { return x_place; }  ///< HOST:PORT/DATABASE, no more.
    /// Waits for something to read, at the latest until the time. True: there may be.
    Result<bool> wait_readable(std::int64_t until_boot_ns, int wake_fd = -1);

  private:
    struct Expected {
        std::size_t index;
        std::string prepares;  ///< The key of the name that this answer confirms; else empty.
    };

    explicit Session(const SessionOptions& options) : x_options(options) {}
    Status open(const Settings& settings, std::int64_t until_boot_ns);
    Status connect_failure();
    void describe_place();
    Status send(const Outgoing& part, std::size_t index, std::vector<Expected>& expected);
    Status send_unnamed(std::string_view sql, const Parameters& parameters);
    Status send_all(std::span<const Outgoing> parts, std::vector<Expected>& expected,
                    const OnResult& on_result);
    Status receive(std::span<const Expected> expected, const OnResult& on_result);
    Status receive_sync();
    Result<PGresult*> next_result();
    Result<ResultPtr> only_result();
    Status flush_and_wait();
    Status wait(short events);
    void begin_exchange();
    Failure lost(std::string_view doing);
    Failure late();
    static void on_notice(void* session, const PGresult* notice);

    SessionOptions x_options;
    PGconn* x_conn = nullptr;
    PGcancel* x_cancel = nullptr;
    std::string x_place;
    std::int64_t x_deadline_ns = 0;
    std::int64_t x_bound_ns = 0;  ///< Of the exchange that runs, since its second wait; 0: none.
    int x_waits = 0;
    bool x_asked_to_stop = false;
    bool x_broken = false;
    bool x_in_doubt = false;
    bool x_warned = false;
    std::atomic<bool> x_running{false};
    StatementNames x_names;
    std::string x_key;
    ResultPtr x_refused;  ///< By PREPARE: it is the answer of the statement that follows.
    std::int64_t x_changes = 0;
    bool x_failed = false;       ///< A statement of this exchange did.
    std::size_t x_received = 0;  ///< Answers of this exchange that are there.
};

/// Runs one statement and gives its result; for the driver's own questions. An error of the
/// statement is one of the function.
Result<ResultPtr> ask(Session& session, const std::string& sql, std::string_view doing);

}  // namespace taskstore::postgres
