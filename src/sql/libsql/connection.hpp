#pragma once
// A connection: a stream of the server while a transaction is open, single requests else.
//
//   idle ──begin_read()──► planned ──first statement──► open ──commit(), rollback()──► idle
//     └────begin_write()───────────────────────────────►  │
//   open ──any answer that the stream is gone, or the transaction stolen──► idle, `lost`
//
// Inside a transaction every statement is a step of a batch that runs only while the transaction is
// there: after the server has taken it away, nothing runs by itself.

#include "client.hpp"
#include "sql_text.hpp"

#include <taskstore/sql/database.hpp>

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::libsql {

/// The number of a transaction in the table taskstore_outcomes; see outcomes.hpp.
struct Mark;

class EngineConnection final : public sql::Connection {
  public:
    /// Its client is shared with nobody, or outlives it.
    EngineConnection(std::shared_ptr<Client> client, sql::OpenOptions options);
    ~EngineConnection() override;
    EngineConnection(const EngineConnection&) = delete;
    EngineConnection& operator=(const EngineConnection&) = delete;

    Result<std::unique_ptr<sql::Statement>> prepare(std::string_view sql) override;
    Status execute(std::string_view sql) override;
    std::int64_t changes() override { return x_changes; }
    bool in_transaction() override { return x_state != State::idle; }
    std::string_view dialect() const override { return "sqlite"; }
    Status begin_read() override;
    Status begin_write() override;
    Status commit() override;
    void rollback() override;
    void interrupt() override { x_interrupt.fire(); }

    // --- for the database: works within bounds --------------------------------------------------
    /// Runs the work; what it may not do is refused, and makes it fail even if it went on; what it
    /// throws becomes an error.
    Status run_work(const sql::Work& work);
    /// As commit(), numbered: what it leaves unknown can be asked for.
    Status commit_marked(const Mark& mark);
    void set_deadline(std::int64_t boot_ns) { x_deadline_boot_ns = boot_ns; }
    /// The last error was of the server or the way to it, and may be another one later.
    bool transient() const { return x_transient; }
    std::int64_t retry_after_ms() const { return x_retry_after_ms; }

    // --- for the statements ---------------------------------------------------------------------
    Result<sql::Rows> run(const StatementText& statement, std::span<const sql::Value> values);
    Result<std::vector<std::string>> describe(const StatementText& statement);
    Client& client() { return *x_client; }
    void borrow() { ++x_borrowed; }
    void give_back() { --x_borrowed; }

  private:
    enum class State : std::uint8_t { idle, planned, open };

    Status check_allowed(const StatementText& statement);
    Result<sql::Rows> run_control(const StatementText& statement);
    Result<sql::Rows> run_inside(const StatementText& statement, const std::string& json);
    Result<sql::Rows> run_alone(const StatementText& statement, const std::string& json);
    Result<sql::Rows> run_large(const StatementText& statement, const std::string& json);
    Status execute_inside(std::span<const StatementText> statements);
    /// Asks again, while the connection's own patience lasts, what failed before it ran.
    template <typename Ask>
    Asked ask(const Ask& once);
    Patience patience();
    Status commit_with(const Mark* mark);
    Status refuse_in_work(std::string_view what);
    Failure lose(Asked asked);
    Failure lose(std::string why);
    /// Of a step that failed, or was skipped, inside the transaction.
    Failure step_failure(const StepAnswer& step, std::string_view sql);
    std::string guard(int begun) const;
    void after_batch(const PipelineAnswer& answer, bool failed);

    std::shared_ptr<Client> x_client;
    sql::OpenOptions x_options;
    Stream x_stream;
    State x_state = State::idle;
    bool x_reading = false;  ///< By begin_read().
    std::int64_t x_changes = 0;
    std::int64_t x_deadline_boot_ns = 0;
    bool x_transient = false;
    std::int64_t x_retry_after_ms = 0;
    Interrupt x_interrupt;
    int x_borrowed = 0;

    bool x_in_work = false;
    std::string x_broken;  ///< What the work did that it may not.
};

/// Refuses what is not one statement.
Result<StatementText> only_statement(const std::string& shown, std::string_view sql);

}  // namespace taskstore::libsql
