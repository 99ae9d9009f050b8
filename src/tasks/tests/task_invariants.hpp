#pragma once
// Whether what the store counts ahead is what its rows say, found out anew from them: for tests.

#include <taskstore/sql/database.hpp>

#include <cstdint>
#include <string>
#include <vector>

namespace taskstore::tasks {

/// What does not fit, a line for each; empty: all does. Keys are looked for until `now_ms`.
/// Whatever is to be settled yet (task_limits.dirty) is left out.
std::vector<std::string> what_is_wrong(sql::Database& database, std::int64_t now_ms);

}  // namespace taskstore::tasks
