#pragma once
// The port's SQL as PostgreSQL takes it: `?1` becomes `$1`, outside of strings, quoted names,
// dollar quotes and comments (PostgreSQL 17, "Lexical Structure"). The operators ?, ?| and ?& stay:
// only a question mark right before digits is a parameter. Also what the guard must know of a
// statement.

#include <taskstore/base/result.hpp>

#include <cstddef>
#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace taskstore::postgres {

/// What a statement is to the guard, by its first words.
enum class StatementKind : std::uint8_t {
    query,        ///< SELECT, WITH, VALUES, TABLE, SHOW, EXPLAIN, cursors: the engine refuses what
                  ///< they change.
    savepoint,    ///< SAVEPOINT, RELEASE, ROLLBACK TO.
    transaction,  ///< Begins or ends one, or changes its mode.
    session,      ///< Changes the session beyond the transaction: SET, LISTEN, PREPARE, …
    copy,         ///< Speaks a protocol of its own.
    other,        ///< Changes something.
};

struct Translated {
    std::string text;    ///< One statement, without the semicolon.
    int parameters = 0;  ///< The highest number of a parameter.
    StatementKind kind = StatementKind::other;
    /// Names a function that writes, or undoes the session's settings, in a read-only transaction
    /// too (set_config, large objects, dblink), or what shows files and passwords of the server.
    bool escapes_read_only = false;
    /// All its words and quoted names, as the server folds them: a function is called without
    /// parentheses too (`value.function`).
    std::set<std::string, std::less<>> names = {};
};

/// Every statement of `sql`; comments and empty ones are left out. invalid: a string or comment
/// without end, a parameter 0 or above 65535, or one written as `$1`.
Result<std::vector<Translated>> translate(std::string_view sql);

/// Translations that were made before, by text: least recently used goes first. Thread-safe.
class Translations {
  public:
    /// invalid also: no statement, or more than one.
    Result<std::shared_ptr<const Translated>> one(std::string_view sql);

  private:
    struct Entry {
        std::string sql;
        std::shared_ptr<const Translated> translated;
    };
    std::mutex x_mutex;
    std::list<Entry> x_recent;  ///< Most recently used first.
    std::unordered_map<std::string_view, std::list<Entry>::iterator> x_by_sql;
};

/// `sql` on one line, cut to what fits into a message.
std::string excerpt(std::string_view sql);

}  // namespace taskstore::postgres
