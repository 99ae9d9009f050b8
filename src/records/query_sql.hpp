#pragma once
// From Query to SQL over the cache. Private to records.

#include <taskstore/records/catalogue.hpp>
#include <taskstore/records/query.hpp>
#include <taskstore/sql/value.hpp>

#include <string>
#include <vector>

namespace taskstore::records {

struct SelectSql {
    std::string text;
    std::vector<sql::Value> parameters;
    std::string order_field;
    bool descending = true;
};

/// SELECT id, data, revision, updated_at, ORDER-KEY … (limit + 1 rows, to know whether there are
/// more).
Result<SelectSql> select_sql(const Catalogue& catalogue, const Query& query);
Result<SelectSql> count_sql(const Catalogue& catalogue, const Query& query);
std::string make_cursor(const Query& query, const SelectSql& sql, const sql::Value& order_key,
                        std::string_view id);

/// The value that json_extract() gives for raw JSON.
sql::Value value_of_raw(std::string_view raw);
/// The SQL expression of a member in the cache's table of the collection.
std::string column_of(const Kind* kind, std::string_view field);
std::string quoted(std::string_view identifier);
/// The cache's table: the kind's own, or the one that all undeclared collections share.
std::string table_of(const Kind* kind);

}  // namespace taskstore::records
