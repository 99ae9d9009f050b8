#include <taskstore/base/id.hpp>
#include <taskstore/sql/identity.hpp>
#include <taskstore/sql/migration.hpp>

#include <array>

namespace taskstore::sql {
namespace {

constexpr std::string_view kSealMark = "taskstore: moved to ";

constexpr std::array kMigrations{
    Migration{1, "identity",
              "CREATE TABLE taskstore_database (name TEXT PRIMARY KEY NOT NULL, id TEXT NOT NULL, "
              "epoch BIGINT NOT NULL, moved_to TEXT, incoming_from TEXT)"}};

constexpr std::string_view kSelect =
    "SELECT id, epoch, moved_to, incoming_from FROM taskstore_database WHERE name = ?1";
constexpr std::string_view kInsertNew =
    "INSERT INTO taskstore_database (name, id, epoch) VALUES (?1, ?2, 1) ON CONFLICT (name) DO "
    "NOTHING";
constexpr std::string_view kPut =
    "INSERT INTO taskstore_database (name, id, epoch, moved_to, incoming_from) "
    "VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (name) DO UPDATE SET id = excluded.id, "
    "epoch = excluded.epoch, moved_to = excluded.moved_to, incoming_from = excluded.incoming_from";
constexpr std::string_view kSetMoved =
    "UPDATE taskstore_database SET moved_to = ?1 WHERE name = ?2";

std::optional<std::string> text_or_nothing(Statement& statement, int column) {
    if (statement.is_null(column)) return std::nullopt;
    return std::string(statement.column_text(column));
}

Value value_of(const std::optional<std::string>& text) {
    return text ? Value{*text} : Value{};
}

Status run(Connection& connection, BoundStatement bound) {
    TASKSTORE_TRY(run_batch(connection, {&bound, 1}));
    return ok();
}

/// A string constant of SQL: quotes doubled. In PostgreSQL, too: a backslash is itself there.
std::string quoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'') out += c;
        out += c;
    }
    return out + "'";
}

constexpr std::array<std::string_view, 3> kChanges{"INSERT", "UPDATE", "DELETE"};

std::string trigger_name(std::string_view table, std::string_view change) {
    return "taskstore_sealed_" + std::string(table) + "_" + std::string(change);
}

Status set_seal(Connection& connection, std::string_view name, std::span<const Table> tables,
                const std::optional<std::string>& moved_to) {
    TASKSTORE_LET(auto transaction, Transaction::begin_write(connection));
    for (const std::string& text : unseal_statements(connection.dialect(), tables))
        TASKSTORE_TRY(connection.execute(text));
    if (moved_to) {
        for (const std::string& text : seal_statements(connection.dialect(), tables, *moved_to))
            TASKSTORE_TRY(connection.execute(text));
    }
    TASKSTORE_TRY(run(connection, {.sql = kSetMoved,
                                   .values = {value_of(moved_to), std::string(name)},
                                   .changes_expected = 1}));
    return transaction.commit();
}

}  // namespace

Result<std::optional<Identity>> find_identity(Connection& connection, std::string_view name) {
    auto select = connection.prepare(kSelect);
    if (!select && select.error().code == Code::invalid) return std::optional<Identity>();
    if (!select) return fail(std::move(select).error());
    TASKSTORE_TRY((*select)->bind(1, name));
    auto row = (*select)->step();
    // No such table yet, where the engine tells so only when it runs.
    if (!row && row.error().code == Code::invalid) return std::optional<Identity>();
    if (!row) return fail(std::move(row).error());
    if (!*row) return std::optional<Identity>();
    Statement& at = **select;
    return std::optional(Identity{.id = std::string(at.column_text(0)),
                                  .epoch = at.column_int64(1),
                                  .moved_to = text_or_nothing(at, 2),
                                  .incoming_from = text_or_nothing(at, 3)});
}

Result<Identity> identify(Connection& connection, std::string_view name, const Clock& clock,
                          Random& random) {
    TASKSTORE_LET(auto found, find_identity(connection, name));
    if (found) return std::move(*found);
    TASKSTORE_TRY(migrate(connection, "identity", kMigrations, clock));
    UuidSource ids(clock, random);
    {
        TASKSTORE_LET(auto transaction, Transaction::begin_write(connection));
        TASKSTORE_TRY(
            run(connection, {.sql = kInsertNew, .values = {std::string(name), ids.next()}}));
        TASKSTORE_TRY(transaction.commit());
    }
    TASKSTORE_LET(found, find_identity(connection, name));
    if (!found)
        return fail(Code::corrupt,
                    "the database does not keep its identity '" + std::string(name) + "'");
    return std::move(*found);
}

Status put_identity(Connection& connection, std::string_view name, const Identity& identity,
                    const Clock& clock) {
    const bool within = connection.in_transaction();
    if (!within) TASKSTORE_TRY(migrate(connection, "identity", kMigrations, clock));
    return run(connection,
               {.sql = kPut,
                .values = {std::string(name), identity.id, identity.epoch,
                           value_of(identity.moved_to), value_of(identity.incoming_from)}});
}

// A trigger of SQLite sees rows, one of PostgreSQL statements; either refuses what would change
// one.
std::vector<std::string> seal_statements(std::string_view dialect, std::span<const Table> tables,
                                         std::string_view moved_to) {
    const bool postgres = dialect == "postgres";
    const std::string why = quoted(std::string(kSealMark) + std::string(moved_to));
    std::vector<std::string> texts;
    if (postgres) {
        texts.emplace_back(
            "CREATE OR REPLACE FUNCTION taskstore_sealed() RETURNS trigger LANGUAGE plpgsql AS "
            "$seal$ BEGIN RAISE EXCEPTION '%', TG_ARGV[0]; END $seal$");
    }
    for (const Table& table : tables) {
        for (const std::string_view change : kChanges) {
            const std::string head = "CREATE TRIGGER " + trigger_name(table.name, change) +
                                     " BEFORE " + std::string(change) + " ON " +
                                     std::string(table.name);
            texts.push_back(postgres
                                ? head + " FOR EACH STATEMENT EXECUTE FUNCTION taskstore_sealed(" +
                                      why + ")"
                                : head + " BEGIN SELECT RAISE(ABORT, " + why + "); END");
        }
    }
    return texts;
}

std::vector<std::string> unseal_statements(std::string_view dialect,
                                           std::span<const Table> tables) {
    std::vector<std::string> texts;
    for (const Table& table : tables) {
        for (const std::string_view change : kChanges) {
            texts.push_back("DROP TRIGGER IF EXISTS " + trigger_name(table.name, change) +
                            (dialect == "postgres" ? " ON " + std::string(table.name) : ""));
        }
    }
    return texts;
}

Status seal(Connection& connection, std::string_view name, std::span<const Table> tables,
            std::string_view moved_to) {
    return set_seal(connection, name, tables, std::string(moved_to));
}

Status unseal(Connection& connection, std::string_view name, std::span<const Table> tables) {
    return set_seal(connection, name, tables, std::nullopt);
}

Error explain_seal(Error error) {
    const std::size_t at = error.message.find(kSealMark);
    if (at == std::string::npos) return error;
    const std::string to = error.message.substr(at + kSealMark.size());
    return {Code::unavailable, "the database has moved to " + to.substr(0, to.find('\n')),
            "open it there: the device's config.toml has the place under [databases]",
            error.native};
}

}  // namespace taskstore::sql
