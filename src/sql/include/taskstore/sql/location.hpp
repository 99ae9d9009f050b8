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
#include <string>
#include <string_view>

namespace taskstore::sql {

enum class Engine : std::uint8_t { sqlite, postgres, libsql };
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

/// For people: "sqlite:/home/ann/tasks.db", the URL without user and password, and of its query what
/// says where it leads. Where the URL can be read in two ways (a raw '@' behind a '?', say), "…"
/// stands for all but the scheme.
std::string shown(const Location& location);

}  // namespace taskstore::sql
