#pragma once
// A statement and the rows of its last run.

#include "connection.hpp"

#include <taskstore/sql/database.hpp>

#include <optional>
#include <string>
#include <vector>

namespace taskstore::libsql {

class EngineStatement final : public sql::Statement {
  public:
    EngineStatement(EngineConnection& connection, std::string sql, const StatementText& facts);
    ~EngineStatement() override;
    EngineStatement(const EngineStatement&) = delete;
    EngineStatement& operator=(const EngineStatement&) = delete;

    using sql::Statement::bind;
    Status bind_null(int index) override { return bind_any(index, sql::Value{}); }
    Status bind(int index, std::int64_t value) override { return bind_any(index, value); }
    Status bind(int index, double value) override { return bind_any(index, value); }
    Status bind(int index, std::string_view text) override {
        return bind_any(index, std::string(text));
    }
    Status bind_blob(int index, std::string_view bytes) override {
        return bind_any(index, sql::Blob{std::string(bytes)});
    }

    Result<bool> step() override;
    void reset() override;

    int column_count() override;
    std::string_view column_name(int column) override;
    bool is_null(int column) override;
    std::int64_t column_int64(int column) override;
    double column_double(int column) override;
    std::string_view column_text(int column) override;
    std::string_view column_blob(int column) override { return column_text(column); }
    sql::Value column_value(int column) override { return value(column); }

  private:
    Status bind_any(int index, sql::Value value);
    const sql::Value& value(int column) const;
    const sql::ColumnNames& columns();

    EngineConnection& x_connection;
    std::string x_sql;
    StatementText x_facts;  ///< Its views point into x_sql.
    std::vector<sql::Value> x_values;
    bool x_ran = false;
    bool x_described = false;
    /// Why the columns are not known: the next step() says so, without another wait.
    std::optional<Error> x_unreachable;
    sql::Rows x_rows;
    std::size_t x_next = 0;  ///< The row after the current one.
    std::string x_spelt;     ///< A number as text, for column_text().
};

}  // namespace taskstore::libsql
