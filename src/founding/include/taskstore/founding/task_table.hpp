#pragma once
// The founding `tasks` table (floor 3), as lib-task-store and ADT have it in a SQLite file.

#include <taskstore/base/result.hpp>
#include <taskstore/founding/found.hpp>
#include <taskstore/sql/database.hpp>

#include <string>

namespace taskstore::founding {

inline constexpr std::int64_t kTasksMax = 1'000'000;

struct TableSource {
    std::string where;  ///< The file, as reports call it.
    Zone zone = system_zone();
    bool wants_tasks = true;  ///< False: a database without the table is told whole.
};

/// All tasks, into `found`; of other tables, that they have no place. One state of the database is
/// read. invalid: no such table, or it lacks id, status, or both title and description; it is one
/// of taskstore's own; there are too many tasks. Errors of the connection name the file.
Status read_tasks(sql::Connection& connection, const TableSource& source, Found& found);

}  // namespace taskstore::founding
