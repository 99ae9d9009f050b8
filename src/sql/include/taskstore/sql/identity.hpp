#pragma once
// Who a logical database is, and whether it is still the truth (floor 2; the store opens, moves and
// restores by it). A row of taskstore_database(name, id, epoch, moved_to, incoming_from) for each
// logical database that lives in the engine's one.
//
//   live       the truth
//   incoming   being filled from another one (incoming_from holds that one's id): nobody's truth
//   sealed     moved away (moved_to says where): every write to its tables is refused by the engine
//              itself, through triggers, also of who opened it before
//
// The epoch is the high part of fences: it grows with every move, restore and re-creation.

#include <taskstore/base/clock.hpp>
#include <taskstore/sql/database.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::sql {

/// A table of a module: what copies, backups and seals go by.
struct Table {
    std::string_view name;
    std::string_view key;  ///< Columns of its primary key, joined by ", ".
};

struct Identity {
    std::string id;  ///< UUIDv7; stays the same through moves.
    std::int64_t epoch = 1;
    std::optional<std::string> moved_to;  ///< For people: without passwords.
    std::optional<std::string> incoming_from;
};

/// Nothing where the engine does not know the name, or has no such table yet. Changes nothing.
Result<std::optional<Identity>> find_identity(Connection& connection, std::string_view name);
/// The same; made, live, with a new id, where there is none. Safe when several processes start at
/// once.
Result<Identity> identify(Connection& connection, std::string_view name, const Clock& clock,
                          Random& random);
/// Sets the row as a whole; made where there is none. In the transaction that is open, or by
/// itself.
Status put_identity(Connection& connection, std::string_view name, const Identity& identity,
                    const Clock& clock);

/// The statements by which the engine begins to refuse writes to `tables`, and stops it; for
/// transactions that write to a sealed database all the same.
std::vector<std::string> seal_statements(std::string_view dialect, std::span<const Table> tables,
                                         std::string_view moved_to);
std::vector<std::string> unseal_statements(std::string_view dialect, std::span<const Table> tables);

/// In one transaction: waits for writers that are at work, puts `moved_to` into the row, and has
/// the engine refuse every later write to `tables`. Idempotent.
Status seal(Connection& connection, std::string_view name, std::span<const Table> tables,
            std::string_view moved_to);
/// Takes that back. Idempotent.
Status unseal(Connection& connection, std::string_view name, std::span<const Table> tables);

/// The error of a write that met a seal, as `unavailable`, saying where the database is now; others
/// as they are.
Error explain_seal(Error error);

}  // namespace taskstore::sql
