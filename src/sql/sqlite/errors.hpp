#pragma once
// SQLite's result codes as ours, with what was tried and where in the message.

#include <sqlite3.h>
#include <taskstore/base/result.hpp>

#include <string>
#include <string_view>

namespace taskstore::sqlite {

/// The code for an extended result code; `system_errno` refines SQLITE_CANTOPEN, 0 where unknown.
Code code_of(int extended, int system_errno);

/// `doing` reads like "cannot open it"; the message becomes "PATH: DOING: REASON".
Failure engine_failure(sqlite3* db, int result, std::string_view path, std::string_view doing);

/// `sql` on one line, cut to what fits into a message.
std::string excerpt(std::string_view sql);

inline int primary(int extended) {
    return extended & 0xff;
}

}  // namespace taskstore::sqlite
