#pragma once
// What of a task is searched, as the column `words` holds it; the database keeps its index of words
// by that (sql/*/add_words.sql).

#include <taskstore/base/result.hpp>
#include <taskstore/sql/database.hpp>
#include <taskstore/tasks/task.hpp>

#include <optional>
#include <string>

namespace taskstore::tasks {

/// The tokens of the first 64 KiB of title and description, a space between two of them.
std::string words_of(const std::string& title, const std::optional<std::string>& description);

/// Brings the words of all tasks up, in the transaction that is open: what migration 4 does after
/// its statements.
Status fill_words(sql::Connection& connection);
/// The same on PostgreSQL, whose triggers come before it: in the way that the server has.
/// unsupported: it has no PL/pgSQL.
Status keep_and_fill_words(sql::Connection& connection);

}  // namespace taskstore::tasks
