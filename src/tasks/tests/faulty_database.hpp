#pragma once
// A database that breaks off where it is told to: for loops that try every place.

#include <taskstore/sql/database.hpp>

#include <cstddef>
#include <optional>
#include <vector>

namespace taskstore::tasks {

enum class FaultKind : std::uint8_t {
    statement,    ///< The statement fails in its transaction, or COMMIT does; it is rolled back.
    commit,       ///< Only the places of COMMIT are counted.
    answer_lost,  ///< The transaction is committed, and nobody is told; those are counted.
};

/// Counts the places of all databases that share it.
struct Fault {
    FaultKind kind = FaultKind::statement;
    bool comes_back = false;  ///< After the one failure; else all after it fails too.
    int left = -1;            ///< How many places pass; below 0: all.
    bool struck = false;

    /// Which of the next `places` fails; nothing: none.
    std::optional<std::size_t> due_in(std::size_t places) {
        if (left < 0) return std::nullopt;
        if (static_cast<std::size_t>(left) >= places) {
            left -= static_cast<int>(places);
            return std::nullopt;
        }
        const auto at = static_cast<std::size_t>(left);
        struck = true;
        left = -1;
        return at;
    }
    bool is_away() const { return struck && !comes_back; }
};

class FaultyDatabase final : public sql::Database {
  public:
    FaultyDatabase(sql::Database& database, Fault& fault) : x_database(database), x_fault(fault) {}

    Result<sql::Committed> write(const sql::Work& work, const sql::WriteOptions& options) override {
        if (x_fault.is_away()) return away();
        if (!x_fault.due_in(1)) return x_database.write(work, options);
        if (x_fault.kind == FaultKind::answer_lost) return lost(x_database.write(work, options));
        return x_database.write(
            [&](sql::Connection& connection) -> Status {
                TASKSTORE_TRY(work(connection));
                return away();
            },
            options);
    }
    Result<sql::Committed> write_batch(sql::Batch batch,
                                       const sql::WriteOptions& options) override {
        if (x_fault.is_away()) return away();
        const bool each = x_fault.kind == FaultKind::statement;
        const auto at = x_fault.due_in(each ? batch.size() + 1 : 1);
        if (!at) return x_database.write_batch(batch, options);
        if (x_fault.kind == FaultKind::answer_lost)
            return lost(x_database.write_batch(batch, options));
        std::vector<sql::BoundStatement> cut(batch.begin(), batch.end());
        if (each) cut.resize(*at);
        cut.push_back({.sql = "INSERT INTO no_such_table VALUES (1)"});
        const auto done = x_database.write_batch(cut, options);
        // A statement before it may have been refused for its own reason.
        if (!done && done.error().code == Code::conflict) return fail(done.error());
        return away();
    }
    Status read(const sql::Work& work, const sql::ReadOptions& options) override {
        if (reading_fails()) return away();
        return x_database.read(work, options);
    }
    Result<std::vector<sql::Rows>> read_batch(sql::Batch batch,
                                              const sql::ReadOptions& options) override {
        if (reading_fails()) return away();
        return x_database.read_batch(batch, options);
    }
    Result<std::unique_ptr<sql::Waiter>> waiter(std::string_view topic) override {
        return x_database.waiter(topic);
    }
    std::string_view dialect() const override { return x_database.dialect(); }
    sql::Capabilities capabilities() const override { return x_database.capabilities(); }

  private:
    static Failure away() { return fail(Code::unavailable, "as planned"); }
    /// Its own error stays what it is.
    static Result<sql::Committed> lost(Result<sql::Committed> answer) {
        if (!answer) return answer;
        return fail(Code::outcome_unknown, "as planned");
    }
    bool reading_fails() {
        if (x_fault.is_away()) return true;
        return x_fault.kind == FaultKind::statement && x_fault.due_in(1).has_value();
    }

    sql::Database& x_database;
    Fault& x_fault;
};

}  // namespace taskstore::tasks
