#pragma once
// Migrations (floor 2): up only, each in a transaction of its own, recorded with the SHA-256 of its
// text in the table taskstore_migrations(module, version, name, checksum, applied_at). Two modules
// may share a database.

#include <taskstore/base/clock.hpp>
#include <taskstore/sql/database.hpp>

#include <span>

namespace taskstore::sql {

struct Migration {
    int version = 0;  ///< 1, 2, 3 … without gaps.
    std::string_view name;
    std::string_view sql;
    /// Run after the text, in its transaction: what no SQL can do to the rows that are there.
    /// Bounded statements; what it does must not change once it was shipped, either.
    Status (*fill)(Connection&) = nullptr;
};

/// Applies what is missing, in order. Safe when several processes start at once.
/// unsupported: the database holds a newer version than the last of `migrations` (says what to
/// upgrade); corrupt: an applied one has another checksum. After an error the versions applied
/// before it stay.
Status migrate(Connection& connection, std::string_view module,
               std::span<const Migration> migrations, const Clock& clock);

/// The same in the write transaction that is open: all of it, or none.
Status migrate_within(Connection& connection, std::string_view module,
                      std::span<const Migration> migrations, const Clock& clock);

/// Whether some of `migrations` are missing. Errors as of migrate(). Changes nothing; reads in the
/// transaction that is open, or in one of its own.
Result<bool> is_older(Connection& connection, std::string_view module,
                      std::span<const Migration> migrations);

/// Whether the database is at the last of `migrations`; for who copies tables and knows no others.
/// unsupported: it is newer, or older; corrupt: as above. Otherwise as is_older().
Status check_migrated(Connection& connection, std::string_view module,
                      std::span<const Migration> migrations);

/// What the database has of a module. Changes nothing.
struct AppliedMigration {
    int version = 0;
    std::string name;
    std::string checksum;
    std::int64_t applied_at = 0;
};
/// In order; empty where the database knows nothing of the module. In the transaction that is open,
/// or in one of its own.
Result<std::vector<AppliedMigration>> applied_migrations(Connection& connection,
                                                         std::string_view module);

}  // namespace taskstore::sql
