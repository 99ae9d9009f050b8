#pragma once
// Who a logical database is, and whether it is still the truth (floor 2; the store opens, moves and
// restores by it). A row of taskstore_database(name, id, epoch, moved_to, incoming_from) for each
// logical database that lives in the engine's one.
//
//   live       the truth
//   incoming   being filled from a database (incoming_from holds its id) or from a backup: nobody's
//              truth
//   sealed     moved away (moved_to says where)
//
// What is not live is closed: the engine itself refuses every write to its tables, through
// triggers, also of who opened it before; an incoming one lets its filler in. Whoever closes a
// database leaves a mark, and only who knows the mark goes on: so two moves, or two restores, never
// share an end. The row changes by compare and swap alone.
//
// Places are known by more than their names, which mean one thing here and another there
// (localhost, the same path on two machines, a folder that was renamed): a row of its own (NAME
// " place") gives each an id, and a seal says which place it leads to. It stays as long as its
// tables do, whatever is moved into them; a restore renews it, for what it leaves there is another
// database than what a seal leads to: it may lack rows that are behind that seal alone.
//
// The epoch is the high part of fences: fence = (epoch << 20) + n, where n counts the claims of one
// task. It is the Unix time in seconds at which it began, but at least one more than every epoch
// that is known then: that of the place, of the backup, of the other end of a move. So the epochs
// of a place that was lost come never again, though nobody knows them any more, and whatever was
// claimed under them has a smaller fence: nobody claims one task a million times a second. Fences
// stay below 2^53, which is what readers of JSON with doubles hold exactly.
//
// Not covered: a clock that is wrong when an epoch begins. Behind what is known it is not heeded;
// behind an epoch that nobody knows any more it may give that one again. Epochs that began within
// one second run ahead of the clock, by one each: a place that is lost and made anew within those
// seconds may get one of them again.

#include <taskstore/base/clock.hpp>
#include <taskstore/sql/database.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::sql {

/// A table of a module: what copies, backups and seals go by.
struct Table {
    std::string_view name;
    std::string_view key;          ///< Columns of its primary key, joined by ", ".
    std::string_view unique = {};  ///< Of another unique index, in the same way; empty: none.
    int since = 1;                 ///< The migration of its module that makes it.
};

struct Identity {
    std::string id;                       ///< UUIDv7; stays the same through moves.
    std::int64_t epoch = 1;               ///< 1 to kEpochMax.
    std::optional<std::string> moved_to;  ///< For people: without passwords.
    /// The id of the database that it is filled from, or what from_backup() says.
    std::optional<std::string> incoming_from;
    /// "move UUID" or "restore UUID": who closed it; empty while it is live.
    std::string mark = {};
    /// Of a sealed one: the `place` that it has moved to; empty: a version sealed it that had none.
    std::string moved_place = {};
    /// Which place it is; empty: nothing has moved there yet. No part of what is changed.
    std::string place = {};

    bool is_live() const { return !moved_to && !incoming_from; }
    bool operator==(const Identity&) const = default;
};

inline constexpr int kEpochShift = 20;
inline constexpr std::int64_t kEpochMax = (std::int64_t{1} << 33) - 1;

/// The epoch that begins now, `known` being the largest one that is known (0: none). A time that is
/// past 2200-01-01, or not past `known`, is not taken: then it is known + 1.
std::int64_t next_epoch(std::int64_t known, std::int64_t now_ms);
/// Called within the transaction in which an epoch begins, when the row says so.
using EpochBegun = std::function<Status(Connection&)>;

/// The incoming_from of a restore; `hash` tells backups apart.
std::string from_backup(std::string_view hash);
/// A mark that nobody has; `verb` is "move" or "restore".
std::string new_mark(std::string_view verb, const Clock& clock, Random& random);

/// unavailable, saying where it is or what it waits for; nothing where it is live.
std::optional<Error> why_closed(const Identity& identity);
/// The same for batches: a statement, and what its answer says. For transactions that may change no
/// row, which no trigger sees.
BoundStatement state_query(std::string_view name);
std::optional<Error> why_closed(const Rows& state);

/// Nothing where the engine does not know the name, or has no such table yet. Changes nothing.
/// corrupt: an epoch that cannot be.
Result<std::optional<Identity>> find_identity(Connection& connection, std::string_view name);
/// The same; made, live, with a new id, where there is none. A live one whose epoch was counted (1,
/// 2, …), as versions before the first release did, gets one that is a time: who holds a task
/// holds it on. Safe when several processes start at once.
Result<Identity> identify(Connection& connection, std::string_view name, const Clock& clock,
                          Random& random, const EpochBegun& begun = {});

/// The place's id, made where there is none. The identity's table must be there.
Result<std::string> name_place(Connection& connection, std::string_view name, const Clock& clock,
                               Random& random);
/// In the write transaction that is open: a place that has an id gets another one.
Status rename_place(Connection& connection, std::string_view name, const Clock& clock,
                    Random& random);

/// A write transaction to read in. It begins with a write to the row that changes nothing, so what
/// is read in it comes from where writes go: outside of one a replica may answer, which has not
/// heard of the last of them. Taken back at the end of its scope. conflict: the row is not
/// `expected`. Otherwise as Transaction::begin_write().
Result<Transaction> begin_settled_read(Connection& connection, std::string_view name,
                                       const Identity& expected);
/// find_identity() in such a transaction, whatever the row says: to decide by.
Result<std::optional<Identity>> find_settled_identity(Connection& connection,
                                                      std::string_view name);

/// A write to the row that changes nothing and, like change_identity(), waits for all that the
/// server can make it survive. conflict: the row is not `expected`.
Status touch_identity(Connection& connection, std::string_view name, const Identity& expected);

/// From `expected` to `next`, with the triggers that go with it, in the transaction that is open or
/// in one of its own; waits for writers that are at work. conflict: the row says something else by
/// now; nothing was changed. `while_open` runs in that transaction while no trigger of ours is
/// there: for migrations of what is closed, which may make tables anew.
Status change_identity(Connection& connection, std::string_view name, std::span<const Table> tables,
                       const Identity& expected, const Identity& next,
                       const std::function<Status(Connection&)>& while_open = {});

/// The first and the last statement of a transaction in which its filler writes to an incoming
/// database: `conflict` where it is no longer the filler's.
BoundStatement begin_filling(std::string_view name, const Identity& incoming);
BoundStatement end_filling(std::string_view name, const Identity& incoming);

/// unsupported: this engine, or this database, cannot refuse writes by triggers. Tried out, and
/// taken back. denied: who is connected could close the tables that are there and not open them
/// again (PostgreSQL: a role that may make triggers on tables of another one).
Status check_can_close(Connection& connection, std::span<const Table> tables);

/// The error of a write that met a closed database, as why_closed() says it; others as they are.
Error explain_refusal(Error error);

}  // namespace taskstore::sql
