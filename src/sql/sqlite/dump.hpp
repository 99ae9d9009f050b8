#pragma once
// Dumps: SQL text as SQLite's shell and libSQL's servers write it. Pure.
//
//   dump = { comment } "PRAGMA foreign_keys=OFF;" "BEGIN TRANSACTION;" { statement } "COMMIT;"
//
// Who makes it may be anybody, so a dump is not a script: each statement is judged by its first
// words, and of the known ones only those are run that make tables and rows.

#include <taskstore/base/result.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::sqlite {

/// Cuts a dump into its statements, as its parts come. Each byte is looked at once.
class DumpText {
  public:
    using Each = std::function<Status(std::string_view statement)>;
    /// Calls `each` for every statement that is whole now, without its semicolon. unsupported: text
    /// with U+0000, or a statement that is too long.
    Status take(std::string_view text, const Each& each);
    /// Nothing but space is left over.
    bool is_at_end() const;

  private:
    enum class State : std::uint8_t { plain, quoted, line_comment, block_comment };
    /// To the next semicolon that ends a statement; false: there is none yet.
    bool scan();
    bool scan_plain();
    bool skip_past(std::string_view end);
    bool ends_statement();
    bool pass_word();

    std::string x_text;
    std::size_t x_begin = 0;  ///< Of the statement.
    std::size_t x_at = 0;
    State x_state = State::plain;
    char x_quote = 0;
    /// A trigger ends with "; END;", whatever space and comments there are between.
    enum class Tail : std::uint8_t { other, semicolon, end };
    Tail x_tail = Tail::other;
    std::optional<bool> x_is_trigger = {};  ///< Known from the first semicolon on.
};

enum class DumpStatement : std::uint8_t {
    nothing,  ///< A comment; the pragma that every dump begins with.
    begin,
    table,     ///< CREATE TABLE.
    row,       ///< INSERT INTO a table.
    left_out,  ///< Indexes, triggers, views, counters of AUTOINCREMENT, statistics.
    commit,
    rollback,  ///< Instead of COMMIT: who made it met an error.
    foreign,   ///< Everything else.
};
DumpStatement kind_of_dump_statement(std::string_view statement);

/// An INSERT with its reals as ?1, ?2, …: SQLite's own reading of a decimal may be off by its last
/// bit, and takes -0, which only a real is written as, for a whole number.
struct RowText {
    std::string sql;
    std::vector<double> reals;
};
RowText without_reals(std::string_view insert);

}  // namespace taskstore::sqlite
