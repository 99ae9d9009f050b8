#pragma once
// Where a database is (floor 2): the one text that names it in settings, on the command line and in
// the environment.
//
//   location = "sqlite:" path | absolute path | "~/" path | "./" path | "../" path
//            | ("postgres" | "postgresql") "://" …      a URI of libpq
//            | ("libsql" | "http" | "https") "://" …    a libSQL server (Turso, sqld)
//
// Other words before the colon are errors: a misspelt engine must not become a file.

#include <taskstore/base/result.hpp>

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace taskstore::sql {

enum class Engine : std::uint8_t { sqlite, postgres, libsql };

/// All that the house above the drivers knows of an engine. Whoever asks for more than this of a
/// place asks its connection.
struct EngineRow {
    Engine engine;
    std::string_view name;     ///< In settings, reports and the file name of its driver.
    std::string_view dialect;  ///< Connection::dialect() of all its connections.
    bool built_in;             ///< Its driver is part of the program, not a file beside it.
    bool is_file;      ///< Location::text is a path, looked after by the file system's means.
    bool has_schemas;  ///< Databases of several names have room in one place, each apart.
};
/// Every engine, in the order of Engine: the line that a new backend adds.
std::span<const EngineRow> engines();
const EngineRow& row_of(Engine engine);
std::string_view name_of(Engine engine);
/// Every founding spelling, in any case: sqlite; postgres, postgresql; libsql, turso. invalid: says
/// which there are.
Result<Engine> engine_of(std::string_view word);

struct Location {
    Engine engine = Engine::sqlite;
    std::string text;  ///< SQLite: the path, as written. Others: the URL, with its passwords.
    friend bool operator==(const Location&, const Location&) = default;
};

/// invalid: none of the forms above, or empty. Looks at no file and no server.
Result<Location> parse_location(std::string_view text);

/// What parse_location() reads as this location, with its passwords.
std::string text_of(const Location& location);

/// For people: "sqlite:/home/ann/tasks.db", the URL without user and password, and of its query
/// what says where it leads. Where the URL can be read in two ways (a raw '@' behind a '?', say),
/// "…" stands for all but the scheme.
std::string shown(const Location& location);

}  // namespace taskstore::sql
