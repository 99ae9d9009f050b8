#pragma once
// The port's connection over one session. What the shared database needs beyond the port (groups,
// the id of a transaction, levels) is public here.

#include "session.hpp"

#include <taskstore/sql/database.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::postgres {

struct ConnectionOptions {
    const Clock* clock = nullptr;
    std::shared_ptr<Translations> translations;
    std::string schema;
    bool create_schema = true;
    bool read_only = false;
    bool pooler = false;
    std::int64_t statement_timeout_ms = 0;
    std::int64_t lock_timeout_ms = 0;
    std::function<bool()> should_stop = {};
};

/// What a session was told by its server when it began.
struct ServerFacts {
    sql::DurabilityLevel level = sql::DurabilityLevel::server;
    /// The cluster, and this run of it: both empty where the fate of a transaction cannot be asked.
    std::string cluster;
    std::string run;
};

/// invalid: not 1 to 32 of [a-z0-9_].
Status check_schema_name(std::string_view schema);

/// A key for advisory locks, the same in every process.
std::string advisory_key(std::string_view name);
/// Empty where the result has no such cell.
std::string_view cell_of(const PGresult* result, int row, int column);

/// Whether a statement may run in a work or a batch at all. invalid, denied.
Status check_statement(const Translated& statement, bool read_only);

class EngineConnection final : public sql::Connection {
  public:
    static Result<std::unique_ptr<EngineConnection>> open(const Location& location,
                                                          const ConnectionOptions& options,
                                                          std::int64_t deadline_boot_ns);
    ~EngineConnection() override;

    Result<std::unique_ptr<sql::Statement>> prepare(std::string_view sql) override;
    Status execute(std::string_view sql) override;
    std::int64_t changes() override { return x_changes; }
    bool in_transaction() override;
    std::string_view dialect() const override { return "postgres"; }
    Status begin_read() override;
    Status begin_write() override;
    Status commit() override;
    void rollback() override;
    void interrupt() override { x_session->cancel(); }
    Status lock_for_migration() override;

    // --- for the shared database -----------------------------------------------------------------
    Session& session() { return *x_session; }
    const ServerFacts& facts() const { return x_facts; }
    const ConnectionOptions& options() const { return x_options; }
    bool broken() const { return x_session->broken(); }
    std::int64_t opened_ns() const { return x_opened_ns; }
    /// begin_write(), which also asks for the id of the transaction.
    Status begin_traced();
    /// As it came; empty: not known (yet).
    const std::string& transaction_id() const { return x_transaction_id; }
    /// A statement of this transaction failed in a way that a repetition may mend.
    bool met_transient() const { return x_met_transient; }
    /// Runs the work under the guard: what a work may not do is refused, and makes it fail even if
    /// it went on; what it throws becomes an error.
    Status run_work(const sql::Work& work, bool read_only);
    /// SELECT that begins each transaction: its id, and settings that hold for it alone.
    /// `lock_timeout_ms`: 0 for what the session has.
    /// `by_indexes`: its statements are planned as for large tables.
    std::string prelude(bool traced, std::int64_t lock_timeout_ms, bool by_indexes = false) const;
    /// commit() with `before` in the same round trip.
    Status commit_after(std::span<const Outgoing> before);
    /// A commit that succeeded promises this.
    sql::DurabilityLevel level_of_commit() { return x_level_of_commit; }
    /// The last commit's wait for a standby was broken off.
    bool commit_was_cut_short() const { return x_commit_was_cut_short; }
    void note_transaction_id(const PGresult* prelude_result);
    void note_failure(const PGresult* result);
    void begin_use() { x_met_transient = false; }
    void note_lost() { x_met_transient = true; }
    /// Of statements that went out of use the server keeps a few; a round trip for many at once.
    void deallocate_evicted();

    // --- for the statements ----------------------------------------------------------------------
    Result<ResultPtr> run(const Translated& statement, const Parameters& parameters);
    Result<ResultPtr> describe(const Translated& statement);
    void statement_gone() { --x_borrowed; }

  private:
    enum class Begin : std::uint8_t { none, read, write, traced };

    EngineConnection(std::unique_ptr<Session> session, const ConnectionOptions& options)
        : x_session(std::move(session)),
          x_options(options),
          x_opened_ns(options.clock->boot_ns()) {}
    Status configure();
    Status ask_facts();
    Status make_schema();
    Status check_allowed(const Translated& statement);
    Status check_calls(const Translated& statement);
    Status refuse_in_work(std::string_view what);
    /// `commits`: the statement ends a transaction, its own or an open one, so that one that lost
    /// its answer is in doubt.
    Failure statement_failure(const PGresult* result, std::string_view sql, bool commits = false);
    Failure lost_failure(Error error, bool commits);
    std::string_view begin_sql() const;
    bool has_prelude() const;
    void append_begin(std::vector<Outgoing>& parts, std::string& prelude_text);
    Status send_begin();
    Result<ResultPtr> run_pipeline(const Translated& statement, const Parameters& parameters,
                                   bool wrapped);
    Status finish_commit(ResultPtr result);
    void check_settings();

    std::unique_ptr<Session> x_session;
    ConnectionOptions x_options;
    std::int64_t x_opened_ns;
    ServerFacts x_facts;
    Begin x_pending = Begin::none;  ///< BEGIN goes out with the first statement.
    std::string x_transaction_id;
    sql::DurabilityLevel x_level_of_commit = sql::DurabilityLevel::server;
    bool x_commit_was_cut_short = false;
    std::int64_t x_changes = 0;
    std::size_t x_borrowed = 0;
    bool x_in_work = false;
    bool x_work_reads = false;
    bool x_met_transient = false;
    std::set<std::string, std::less<>> x_reading_functions;  ///< That the server was asked about.
    std::string x_broken_by_work;  ///< What a work tried that only a work may not.
};

}  // namespace taskstore::postgres
