#pragma once
// One sqlite3* and its statements. What the writer queue needs beyond the port is public here.

#include "guard.hpp"
#include "statement_cache.hpp"

#include <sqlite3.h>
#include <taskstore/sql/database.hpp>
#include <taskstore/sqlite/driver.hpp>

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace taskstore::sqlite {

class EngineConnection final : public sql::Connection {
  public:
    /// `vfs`: a registered VFS, nullptr for SQLite's own. `immutable`: see Driver on read-only
    /// folders.
    static Result<std::unique_ptr<EngineConnection>> open(const std::string& path,
                                                          const sql::OpenOptions& options,
                                                          const char* vfs, bool immutable);
    ~EngineConnection() override;
    EngineConnection(const EngineConnection&) = delete;
    EngineConnection& operator=(const EngineConnection&) = delete;

    Result<std::unique_ptr<sql::Statement>> prepare(std::string_view sql) override;
    Status execute(std::string_view sql) override;
    std::int64_t changes() override { return sqlite3_changes64(x_db); }
    bool in_transaction() override { return sqlite3_get_autocommit(x_db) == 0; }
    std::string_view dialect() const override { return "sqlite"; }
    Status begin_read() override;
    Status begin_write() override;
    Status commit() override;
    void rollback() override;
    void interrupt() override { sqlite3_interrupt(x_db); }

    // --- for the writer queue: the savepoint of one member, and the bounds of a work -------------
    Status open_savepoint() { return run_own(Own::savepoint); }
    Status keep_savepoint() { return run_own(Own::release); }
    Status undo_savepoint();
    /// Runs the work under the guard: what a work may not do is refused, and makes it fail even if
    /// it went on; statements it left open are reset; what it throws becomes an error.
    Status run_work(const sql::Work& work);
    /// Some work had: since then one without a savepoint around it may undo what another did.
    bool works_have_savepoints() const { return x_guard.works_have_savepoints; }
    /// From then on statements end soon after this time of the clock, with `cancelled`; 0: never.
    void end_statements_at(const Clock& clock, std::int64_t boot_ns);

    // --- for copies -----------------------------------------------------------------------------
    /// From here on it is as one that was opened to read; writes in its open transaction stay.
    Status only_read();

    // --- for the statements ----------------------------------------------------------------------
    sqlite3* db() { return x_db; }
    const std::string& path() const { return x_path; }
    void take_back(StatementCache::Node node);
    /// One step. Within a work whose transaction is gone nothing runs any more: it would commit by
    /// itself.
    Result<bool> step(sqlite3_stmt* handle, std::string_view sql);

  private:
    enum class Own : std::uint8_t {
        begin,
        begin_immediate,
        commit,
        rollback,
        savepoint,
        release,
        rollback_to
    };
    static constexpr std::size_t kOwnCount = 7;

    EngineConnection(std::string path, const sql::OpenOptions& options)
        : x_path(std::move(path)), x_options(options) {}
    Status configure(bool immutable);
    Status check_wal();
    Status use_wal();
    static int wait_for_lock(void* connection, int asked_before);
    static int ask_to_stop(void* connection);
    void ask_now_and_then();
    Status run_own(Own which);
    Status refuse_in_work(std::string_view what);
    int compile(const char* text, int bytes, unsigned flags, sqlite3_stmt** handle,
                const char** tail);
    Failure compile_failure(int result, std::string_view sql);
    void reset_left_open();

    std::string x_path;
    sql::OpenOptions x_options;
    sqlite3* x_db = nullptr;
    bool x_checked = false;                                 ///< Its pages have checksums.
    std::chrono::steady_clock::time_point x_waiting_since;  ///< For a lock.
    const Clock* x_clock = nullptr;                         ///< Of the end of statements.
    std::int64_t x_end_boot_ns = 0;                         ///< 0: none.
    Guard x_guard;
    StatementCache x_cache;
    std::array<sqlite3_stmt*, kOwnCount> x_own{};
    std::size_t x_borrowed = 0;
};

/// Driver::connect, with the type that the writer queue needs.
Result<std::unique_ptr<EngineConnection>> connect_engine(Driver& driver, const std::string& path,
                                                         const sql::OpenOptions& options);

}  // namespace taskstore::sqlite
