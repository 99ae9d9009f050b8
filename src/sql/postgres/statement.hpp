#pragma once
// A statement with its bindings, and values out of results.

#include "connection.hpp"

#include <deque>

namespace taskstore::postgres {

/// A cell as the port's value: int2/4/8, oid and bool as integers, float4/8 as doubles, bytea as
/// bytes, numeric as an integer where it is one that fits and else as a double, all others as the
/// text that PostgreSQL prints.
sql::Value value_of(const PGresult* result, int row, int column);
sql::Rows rows_of(const PGresult* result);
std::int64_t changes_of(const PGresult* result);
std::string unescape_bytea(std::string_view hex);

/// invalid: U+0000 in a text, NaN.
Status check_value(const sql::Value& value);

class EngineStatement final : public sql::Statement {
  public:
    EngineStatement(EngineConnection& connection, std::shared_ptr<const Translated> translated)
        : x_connection(connection),
          x_translated(std::move(translated)),
          x_parameters(x_translated->parameters) {}
    ~EngineStatement() override { x_connection.statement_gone(); }
    EngineStatement(const EngineStatement&) = delete;
    EngineStatement& operator=(const EngineStatement&) = delete;

    Status bind_null(int index) override;
    Status bind(int index, std::int64_t value) override;
    Status bind(int index, double value) override;
    Status bind(int index, std::string_view text) override;
    Status bind_blob(int index, std::string_view bytes) override;
    Result<bool> step() override;
    void reset() override;

    int column_count() override;
    std::string_view column_name(int column) override;
    bool is_null(int column) override;
    std::int64_t column_int64(int column) override;
    double column_double(int column) override;
    std::string_view column_text(int column) override;
    std::string_view column_blob(int column) override;
    sql::Value column_value(int column) override;

  private:
    Status check_index(int index);
    Failure refused(int index, std::string_view why);
    const PGresult* columns();
    std::string_view cell(int column);

    EngineConnection& x_connection;
    std::shared_ptr<const Translated> x_translated;
    Parameters x_parameters;
    ResultPtr x_result;
    ResultPtr x_described;
    int x_row = -1;
    bool x_failed = false;
    std::deque<std::string> x_blobs;  ///< Unescaped cells of the row.
};

}  // namespace taskstore::postgres
