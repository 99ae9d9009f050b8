#pragma once
// Rows on their way from one database to another, or into a file and back: read in the order of
// their key, written in bounded transactions.

#include <taskstore/base/hash.hpp>
#include <taskstore/sql/database.hpp>
#include <taskstore/sql/identity.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::store {

using Row = std::vector<sql::Value>;

/// A row as a JSON array, the same from every engine: numbers as written, {"real":"…"}, text,
/// {"blob":"hexadecimal"}, null.
void append_row(std::string& out, const Row& row);
/// corrupt: not what append_row writes.
Result<Row> parse_row(std::string_view text);

/// Rows of one table in ascending order of its key.
class RowSource {
  public:
    virtual ~RowSource() = default;
    /// Of all rows; known after the first next().
    virtual const std::vector<std::string>& columns() const = 0;
    virtual Result<bool> next(Row& out) = 0;
};

/// A database that only one writes to, or nobody: where its row says so still, the pages read after
/// each other are one state.
struct Standing {
    std::string_view name;
    const sql::Identity& identity;
};

/// Reads a table page by page, each page a query of its own: in one state only where the connection
/// is in a transaction. With `standing` each page comes from where writes go, as long as the row
/// says what it says (sql::begin_settled_read); conflict: it says something else. Such a page that
/// fails for a moment is asked for again.
class TableRows final : public RowSource {
  public:
    TableRows(sql::Connection& connection, const sql::Table& table,
              std::optional<Standing> standing = {});
    const std::vector<std::string>& columns() const override { return x_columns; }
    Result<bool> next(Row& out) override;

  private:
    Status read_page();
    Result<sql::Rows> ask(const sql::BoundStatement& page);
    sql::Connection& x_connection;
    sql::Table x_table;
    std::optional<Standing> x_standing;
    std::vector<std::string> x_columns;
    std::vector<std::size_t> x_key;  ///< Places of the key's columns.
    std::vector<Row> x_page;
    std::size_t x_at = 0;
    Row x_last;  ///< Key of the last row of the page before.
    bool x_ended = false;
};

/// Count and SHA-256 of rows as append_row writes them, a line each.
class RowDigest {
  public:
    void add(const Row& row);
    std::int64_t rows() const { return x_rows; }
    std::string finish_hex() { return x_hash.finish_hex(); }

  private:
    Sha256 x_hash;
    std::int64_t x_rows = 0;
    std::string x_text;
};

struct CopyCounts {
    std::int64_t rows = 0;  ///< Of the source.
    std::int64_t written = 0;
    std::int64_t deleted = 0;
};

/// Where rows go: a database that is being filled, and by whom.
struct CopyTarget {
    sql::Connection& reader;
    sql::Database& writer;
    std::string_view name;
    const sql::Identity& incoming;
};

/// Makes the target's table equal to the source's: writes what it lacks or has otherwise, and
/// deletes what the source lacks. What is equal, where writes go, is left. Transactions of some
/// hundred rows: after an error, or a crash, a part is done, and doing it again ends it. conflict:
/// somebody else fills the target by now.
Result<CopyCounts> copy_rows(RowSource& from, const sql::Table& table, CopyTarget& to,
                             RowDigest* digest,
                             const std::function<void(std::int64_t rows)>& progress);

/// `otherwise`, where one of the tables holds a row.
Status check_no_rows(sql::Connection& connection, std::span<const sql::Table> tables,
                     const Failure& otherwise);
/// What an engine counts of a row when it is too large, or a little more.
std::int64_t bytes_of(const Row& row);
/// Of the largest row of all tables, as bytes_of(); the engine looks through them, a part at a
/// time.
Result<std::int64_t> largest_row(sql::Connection& connection, std::span<const sql::Table> tables);
/// unsupported: the engine takes no row of so many bytes, and what to set there. Changes nothing.
/// `place` for the message.
Status check_takes_row(sql::Connection& connection, std::int64_t bytes, const std::string& place);

/// Count and hash of a whole table.
Result<std::pair<std::int64_t, std::string>> digest_of(sql::Connection& connection,
                                                       const sql::Table& table,
                                                       std::optional<Standing> standing);

}  // namespace taskstore::store
