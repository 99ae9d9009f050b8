#include <taskstore/base/check.hpp>
#include <taskstore/base/hash.hpp>
#include <taskstore/sql/migration.hpp>

namespace taskstore::sql {
namespace {

// The checksum is taken over the text as given, comments and white space included: a migration that
// was shipped is history, and whoever edits one finds out on the first database that has it.
constexpr std::string_view kCreateTable =
    "CREATE TABLE IF NOT EXISTS taskstore_migrations ("
    "module TEXT NOT NULL, version BIGINT NOT NULL, name TEXT NOT NULL, checksum TEXT NOT NULL, "
    "applied_at BIGINT NOT NULL, PRIMARY KEY (module, version))";
constexpr std::string_view kSelectApplied =
    "SELECT version, name, checksum, applied_at FROM taskstore_migrations WHERE module = ?1 "
    "ORDER BY version";
constexpr std::string_view kInsertApplied =
    "INSERT INTO taskstore_migrations (module, version, name, checksum, applied_at) "
    "VALUES (?1, ?2, ?3, ?4, ?5)";

std::string label(std::string_view module, std::int64_t version) {
    return "migration " + std::to_string(version) + " of '" + std::string(module) + "'";
}

using Applied = AppliedMigration;

Result<std::vector<Applied>> read_applied(Connection& connection, std::string_view module) {
    TASKSTORE_LET(const auto select, connection.prepare(kSelectApplied));
    TASKSTORE_TRY(select->bind(1, module));
    std::vector<Applied> applied;
    while (true) {
        TASKSTORE_LET(const bool row, select->step());
        if (!row) return applied;
        applied.push_back({static_cast<int>(select->column_int64(0)),
                           std::string(select->column_text(1)), std::string(select->column_text(2)),
                           select->column_int64(3)});
    }
}

Status check_applied(const std::vector<Applied>& applied, std::string_view module,
                     std::span<const Migration> migrations) {
    for (std::size_t i = 0; i < applied.size(); ++i) {
        const Applied& row = applied[i];
        if (row.version > static_cast<int>(migrations.size())) {
            return fail(Code::unsupported, "the database is at version " +
                                               std::to_string(applied.back().version) + " of '" +
                                               std::string(module) +
                                               "'; this program knows versions up to " +
                                               std::to_string(migrations.size()))
                .with_hint("upgrade this program: a newer one has used this database");
        }
        if (row.version != static_cast<int>(i) + 1) {
            return fail(Code::corrupt, label(module, static_cast<std::int64_t>(i) + 1) +
                                           " is missing from the database, a later one is there");
        }
        if (row.checksum != sha256_hex(migrations[i].sql)) {
            return fail(Code::corrupt,
                        label(module, row.version) + " ('" + std::string(migrations[i].name) +
                            "') was applied with another text than this program has");
        }
    }
    return ok();
}

Status apply(Connection& connection, std::string_view module, const Migration& migration,
             const Clock& clock) {
    if (auto status = connection.execute(migration.sql); !status) {
        Error error = std::move(status).error();
        error.message = label(module, migration.version) + ": " + error.message;
        return fail(std::move(error));
    }
    if (migration.fill != nullptr) {
        if (auto status = migration.fill(connection); !status) {
            Error error = std::move(status).error();
            error.message = label(module, migration.version) + ": " + error.message;
            return fail(std::move(error));
        }
    }
    if (!connection.in_transaction()) {
        return fail(Code::invalid,
                    label(module, migration.version) + " ends the transaction that it runs in");
    }
    TASKSTORE_LET(const auto insert, connection.prepare(kInsertApplied));
    const std::string checksum = sha256_hex(migration.sql);
    TASKSTORE_TRY(insert->bind(1, module));
    TASKSTORE_TRY(insert->bind(2, static_cast<std::int64_t>(migration.version)));
    TASKSTORE_TRY(insert->bind(3, migration.name));
    TASKSTORE_TRY(insert->bind(4, std::string_view{checksum}));
    TASKSTORE_TRY(insert->bind(5, clock.wall_ms()));
    return insert->run();
}

// Without the write lock, which a start that has nothing to do must not wait for. False: look again
// under the lock.
Result<bool> up_to_date(Connection& connection, std::string_view module,
                        std::span<const Migration> migrations) {
    TASKSTORE_LET(const auto applied, applied_migrations(connection, module));
    TASKSTORE_TRY(check_applied(applied, module, migrations));
    return applied.size() == migrations.size();
}

/// True: nothing was missing any more. `known`: how many were applied when it looked.
Result<bool> apply_next(Connection& connection, std::string_view module,
                        std::span<const Migration> migrations, const Clock& clock,
                        std::size_t& known) {
    // What is applied is read again under each write lock: another process may be at the same work.
    TASKSTORE_LET(auto transaction, Transaction::begin_write(connection));
    TASKSTORE_TRY(connection.lock_for_migration());
    TASKSTORE_TRY(connection.execute(kCreateTable));
    TASKSTORE_LET(const auto applied, read_applied(connection, module));
    known = applied.size();
    TASKSTORE_TRY(check_applied(applied, module, migrations));
    const bool done = known == migrations.size();
    if (!done) TASKSTORE_TRY(apply(connection, module, migrations[known], clock));
    TASKSTORE_TRY(transaction.commit());
    return done;
}

}  // namespace

Status migrate(Connection& connection, std::string_view module,
               std::span<const Migration> migrations, const Clock& clock) {
    for (std::size_t i = 0; i < migrations.size(); ++i) {
        TASKSTORE_CHECK(migrations[i].version == static_cast<int>(i) + 1);
    }
    TASKSTORE_LET(const bool done, up_to_date(connection, module, migrations));
    if (done) return ok();
    std::size_t known = 0;
    while (true) {
        auto next = apply_next(connection, module, migrations, clock, known);
        if (next && *next) return ok();
        if (next) continue;
        // Engines without a lock for this: what another process has applied in the meantime is no
        // failure.
        const auto applied = applied_migrations(connection, module);
        if (!applied || applied->size() <= known) return fail(std::move(next).error());
        known = applied->size();
    }
}

Status migrate_within(Connection& connection, std::string_view module,
                      std::span<const Migration> migrations, const Clock& clock) {
    TASKSTORE_TRY(connection.lock_for_migration());
    TASKSTORE_TRY(connection.execute(kCreateTable));
    TASKSTORE_LET(const auto applied, read_applied(connection, module));
    TASKSTORE_TRY(check_applied(applied, module, migrations));
    for (std::size_t i = applied.size(); i < migrations.size(); ++i)
        TASKSTORE_TRY(apply(connection, module, migrations[i], clock));
    return ok();
}

Result<bool> is_older(Connection& connection, std::string_view module,
                      std::span<const Migration> migrations) {
    TASKSTORE_LET(const bool done, up_to_date(connection, module, migrations));
    return !done;
}

Status check_migrated(Connection& connection, std::string_view module,
                      std::span<const Migration> migrations) {
    TASKSTORE_LET(const bool done, up_to_date(connection, module, migrations));
    if (done) return ok();
    return fail(Code::unsupported, "the database has an older version of '" + std::string(module) +
                                       "' than this program knows, which is " +
                                       std::to_string(migrations.size()))
        .with_hint("'taskstore migrate --apply' brings it up");
}

Result<std::vector<AppliedMigration>> applied_migrations(Connection& connection,
                                                         std::string_view module) {
    // A table that is not there yet is `invalid`, as any name that is not known.
    const auto read = [&]() -> Result<std::vector<AppliedMigration>> {
        auto applied = read_applied(connection, module);
        if (!applied && applied.error().code == Code::invalid)
            return std::vector<AppliedMigration>();
        return applied;
    };
    if (connection.in_transaction()) return read();
    TASKSTORE_LET(const auto transaction, Transaction::begin_read(connection));
    return read();
}

}  // namespace taskstore::sql
