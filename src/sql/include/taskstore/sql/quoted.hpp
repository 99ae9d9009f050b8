#pragma once
// Text within statements that take no parameters (floor 2).

#include <string>
#include <string_view>

namespace taskstore::sql {

/// A string constant: quotes doubled. In PostgreSQL, too, a backslash is itself there
/// (standard_conforming_strings, its default).
std::string quoted(std::string_view text);

/// A name of a table or a column, whatever it holds: in double quotes, these doubled.
std::string quoted_name(std::string_view name);

}  // namespace taskstore::sql
