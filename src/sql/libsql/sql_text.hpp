#pragma once
// What a statement is, by its text: enough of SQLite's grammar (https://sqlite.org/lang.html) to
// split scripts, to count parameters and to tell what reads, writes or touches transactions. What
// is misspelt is the server's to say.

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace taskstore::libsql {

enum class StatementKind : std::uint8_t {
    read,    ///< Cannot change the database: SELECT, VALUES, EXPLAIN, WITH … SELECT.
    write,   ///< Everything else that is not below.
    pragma,  ///< See `name` and `has_argument`.
    begin,
    commit,  ///< COMMIT and END.
    rollback,
    savepoint,  ///< SAVEPOINT, RELEASE and ROLLBACK TO; see `name`.
    attach,     ///< ATTACH and DETACH.
};

struct StatementText {
    std::string_view sql;  ///< Without space and comments before it, and without its semicolon.
    StatementKind kind = StatementKind::write;
    std::string_view name = {};    ///< Of a savepoint or a pragma, as written.
    bool has_argument = false;     ///< Of a pragma.
    bool returns_rows = false;     ///< Reads, pragmas, and what has a RETURNING.
    bool immediate = false;        ///< BEGIN IMMEDIATE or EXCLUSIVE.
    int parameters = 0;            ///< The highest number of one, as SQLite counts them.
    bool inserts_one_row = false;  ///< INSERT INTO … VALUES (one row), with no way to insert none.
};

/// The statements of a text, empty ones left out. The views point into `sql`.
std::vector<StatementText> split_statements(std::string_view sql);

/// Whether a pragma changes nothing: those that look, with or without an argument, and those that
/// answer without one.
bool pragma_reads(const StatementText& pragma);

}  // namespace taskstore::libsql
