#pragma once
// The filter that every statement passes when it is compiled (sqlite3_set_authorizer): what a
// read-only connection and what a work inside a shared transaction may not do.

#include <sqlite3.h>

#include <string>

namespace taskstore::sqlite {

/// Set once per connection, before any statement is cached: changing the authorizer would expire
/// them all.
struct Guard {
    bool read_only = false;
    bool in_work = false;         ///< A work of Database::write or read is running.
    bool broken_by_work = false;  ///< A work tried what only a work may not; cleared before each.
    /// A work has compiled a savepoint of its own: it may leave it open, and another may end it.
    bool works_have_savepoints = false;
    std::string refused;  ///< Why, by the last refusal.

    void install(sqlite3* db);
    bool allows(int action, const char* first, const char* second);
    /// Notes that a work broke the rules; false, to be returned.
    bool refuse_work(std::string why);
};

}  // namespace taskstore::sqlite
