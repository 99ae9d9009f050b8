#include <taskstore/base/id.hpp>
#include <taskstore/sql/identity.hpp>
#include <taskstore/sql/migration.hpp>
#include <taskstore/sql/quoted.hpp>

#include <algorithm>
#include <array>

namespace taskstore::sql {
namespace {

/// What closes a place must outlive the server, and be with its standby, also where others need
/// not.
constexpr std::string_view kFlushed =
    "SELECT set_config('synchronous_commit', 'on', true) WHERE "
    "current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')";
constexpr std::string_view kMoved = "taskstore: moved to ";
constexpr std::string_view kFilled = "taskstore: being filled from ";
constexpr std::string_view kBackup = "backup ";
constexpr std::string_view kWriting = " writing";

constexpr std::array kMigrations{
    Migration{1, "identity",
              "CREATE TABLE taskstore_database (name TEXT PRIMARY KEY NOT NULL, id TEXT NOT NULL, "
              "epoch BIGINT NOT NULL, moved_to TEXT, incoming_from TEXT)"}};

constexpr std::string_view kPlace = " place";
constexpr std::string_view kAt = " at ";

constexpr std::string_view kSelect =
    "SELECT id, epoch, moved_to, incoming_from, (SELECT p.id FROM taskstore_database p WHERE "
    "p.name = ?2) FROM taskstore_database WHERE name = ?1";
constexpr std::string_view kState =
    "SELECT id, epoch, moved_to, incoming_from FROM taskstore_database WHERE name = ?1";
constexpr std::string_view kInsertNew =
    "INSERT INTO taskstore_database (name, id, epoch) VALUES (?1, ?2, ?3) ON CONFLICT (name) DO "
    "NOTHING";
// No column of it is ever an empty text.
constexpr std::string_view kSwap =
    "UPDATE taskstore_database SET id = ?6, epoch = ?7, moved_to = ?8, incoming_from = ?9 WHERE "
    "name = ?1 AND id = ?2 AND epoch = ?3 AND coalesce(moved_to, '') = ?4 AND "
    "coalesce(incoming_from, '') = ?5";
constexpr std::string_view kRenamePlace = "UPDATE taskstore_database SET id = ?2 WHERE name = ?1";
constexpr std::string_view kSelectPlace = "SELECT id FROM taskstore_database WHERE name = ?1";
constexpr std::string_view kTouch = "UPDATE taskstore_database SET epoch = epoch WHERE name = ?1";
constexpr std::string_view kTouchExpected =
    "UPDATE taskstore_database SET epoch = epoch WHERE name = ?1 AND id = ?2 AND epoch = ?3 AND "
    "coalesce(moved_to, '') = ?4 AND coalesce(incoming_from, '') = ?5";
constexpr std::string_view kFill =
    "UPDATE taskstore_database SET incoming_from = ?3 WHERE name = ?1 AND incoming_from = ?2";

constexpr std::int64_t kMsPerSecond = 1'000;
/// 2200-01-01: what a clock says from there on is no time.
constexpr std::int64_t kTimeMax = 7'258'118'400;
/// Smaller ones were counted, or are of a clock that has lost its time.
constexpr std::int64_t kFirstTime = std::int64_t{1} << kEpochShift;

bool was_counted(const Identity& identity, const Clock& clock) {
    return identity.is_live() && identity.epoch < kFirstTime &&
           next_epoch(identity.epoch, clock.wall_ms()) >= kFirstTime;
}

std::optional<std::string> text_or_nothing(Statement& statement, int column) {
    if (statement.is_null(column)) return std::nullopt;
    return std::string(statement.column_text(column));
}

/// What stands in a column: the text with the mark in brackets behind it.
std::string with_mark(const std::optional<std::string>& text, const std::string& mark) {
    if (!text) return {};
    return mark.empty() ? *text : *text + " (" + mark + ")";
}

/// Of a sealed one the place that it leads to stands behind the mark.
std::string moved_text(const Identity& identity) {
    const std::string text = with_mark(identity.moved_to, identity.mark);
    return text.empty() || identity.moved_place.empty()
               ? text
               : text + std::string(kAt) + identity.moved_place;
}

Value value_of(const std::string& text) {
    return text.empty() ? Value{} : Value{text};
}

std::string place_row(std::string_view name) {
    return std::string(name) + std::string(kPlace);
}

/// Takes the mark off a text that may go on behind it (`rest`); empty: it has none.
std::string take_mark(std::string& text, std::string* rest = nullptr) {
    const std::size_t at = std::max(text.rfind(" (move ") + 1, text.rfind(" (restore ") + 1);
    if (at == 0) return {};
    const std::size_t end = text.find(')', at);
    if (end == std::string::npos) return {};
    std::string mark = text.substr(at + 1, end - at - 1);
    if (rest != nullptr) *rest = text.substr(end + 1);
    text.resize(at - 1);
    return mark;
}

Status run(Connection& connection, BoundStatement bound) {
    TASKSTORE_TRY(run_batch(connection, {&bound, 1}));
    return ok();
}

constexpr std::array<std::string_view, 3> kChanges{"INSERT", "UPDATE", "DELETE"};

std::string trigger_name(std::string_view kind, std::string_view table, std::string_view change) {
    return "taskstore_" + std::string(kind) + "_" + std::string(table) + "_" + std::string(change);
}

std::vector<std::string_view> changes_of(bool postgres) {
    std::vector<std::string_view> changes(kChanges.begin(), kChanges.end());
    if (postgres) changes.emplace_back("TRUNCATE");
    return changes;
}

constexpr std::string_view kSealed = "sealed";
constexpr std::string_view kIncoming = "incoming";

constexpr std::string_view kSealedFunction =
    "CREATE OR REPLACE FUNCTION taskstore_sealed() RETURNS trigger LANGUAGE plpgsql AS $refuse$ "
    "BEGIN RAISE EXCEPTION '%', TG_ARGV[0]; END $refuse$; ";
constexpr std::string_view kIncomingFunction =
    "CREATE OR REPLACE FUNCTION taskstore_incoming() RETURNS trigger LANGUAGE plpgsql AS $refuse$ "
    "BEGIN IF NOT EXISTS (SELECT 1 FROM taskstore_database WHERE name = TG_ARGV[1] AND "
    "incoming_from = TG_ARGV[2]) THEN RAISE EXCEPTION '%', TG_ARGV[0]; END IF; RETURN NULL; END "
    "$refuse$; ";

// A trigger of SQLite sees rows, one of PostgreSQL statements; either refuses what would change
// one.
/// The statements by which the engine begins to refuse; empty for a database that is live.
std::string closing_text(std::string_view dialect, std::string_view name,
                         std::span<const Table> tables, const Identity& closed) {
    if (closed.is_live()) return {};
    const bool postgres = dialect == "postgres";
    const bool sealed = closed.moved_to.has_value();
    const std::string state =
        with_mark(sealed ? closed.moved_to : closed.incoming_from, closed.mark);
    const std::string why = quoted(std::string(sealed ? kMoved : kFilled) + state);
    const std::string filler = quoted(state + std::string(kWriting));
    const std::string_view kind = sealed ? kSealed : kIncoming;
    std::string text;
    if (postgres) text += sealed ? kSealedFunction : kIncomingFunction;
    for (const Table& table : tables) {
        for (const std::string_view change : changes_of(postgres)) {
            text += "CREATE TRIGGER " + trigger_name(kind, table.name, change) + " BEFORE " +
                    std::string(change) + " ON " + std::string(table.name);
            if (postgres) {
                text += " FOR EACH STATEMENT EXECUTE FUNCTION taskstore_" + std::string(kind) +
                        "(" + why + (sealed ? "" : ", " + quoted(name) + ", " + filler) + "); ";
                continue;
            }
            if (!sealed)
                text += " WHEN NOT EXISTS (SELECT 1 FROM taskstore_database WHERE name = " +
                        quoted(name) + " AND incoming_from = " + filler + ")";
            text += " BEGIN SELECT RAISE(ABORT, " + why + "); END; ";
        }
    }
    return text;
}

/// The statements that take away what refuses.
std::string opening_text(std::string_view dialect, std::span<const Table> tables,
                         const Identity& closed) {
    if (closed.is_live()) return {};
    const bool postgres = dialect == "postgres";
    std::string text;
    for (const Table& table : tables) {
        for (const std::string_view change : changes_of(postgres)) {
            text += "DROP TRIGGER IF EXISTS " +
                    trigger_name(closed.moved_to ? kSealed : kIncoming, table.name, change) +
                    (postgres ? " ON " + std::string(table.name) : "") + "; ";
        }
    }
    return text;
}

Failure another_was_quicker(std::string_view name) {
    return fail(Code::conflict, "somebody else has just moved, restored or opened the database '" +
                                    std::string(name) + "'")
        .with_hint("nothing was changed; look at what it is now, and try again");
}

/// conflict: the row says something else.
Status swap_row(Connection& connection, std::string_view name, const Identity& expected,
                const Identity& next) {
    const auto swapped = run(
        connection,
        {.sql = kSwap,
         .values = {std::string(name), expected.id, expected.epoch, moved_text(expected),
                    with_mark(expected.incoming_from, expected.mark), next.id, next.epoch,
                    value_of(moved_text(next)), value_of(with_mark(next.incoming_from, next.mark))},
         .changes_expected = 1});
    if (!swapped && swapped.error().code == Code::conflict) return another_was_quicker(name);
    return swapped;
}

Status swap(Connection& connection, std::string_view name, std::span<const Table> tables,
            const Identity& expected, const Identity& next,
            const std::function<Status(Connection&)>& while_open) {
    TASKSTORE_TRY(connection.lock_for_migration());
    if (connection.dialect() == "postgres") TASKSTORE_TRY(connection.execute(kFlushed));
    TASKSTORE_TRY(swap_row(connection, name, expected, next));
    const auto run_text = [&](const std::string& text) {
        return text.empty() ? ok() : connection.execute(text);
    };
    const std::string opening = opening_text(connection.dialect(), tables, expected);
    const std::string closing = closing_text(connection.dialect(), name, tables, next);
    if (!while_open) return run_text(opening + closing);
    TASKSTORE_TRY(run_text(opening));
    TASKSTORE_TRY(while_open(connection));
    return run_text(closing);
}

Status touch(Connection& connection, std::string_view name, const Identity& expected) {
    return run(connection,
               {.sql = kTouchExpected,
                .values = {std::string(name), expected.id, expected.epoch, moved_text(expected),
                           with_mark(expected.incoming_from, expected.mark)},
                .changes_expected = 1});
}

/// Makes the row, or gives it an epoch that is a time; what it says then.
Result<Identity> begin_first_epoch(Connection& connection, std::string_view name,
                                   const Clock& clock, Random& random, const EpochBegun& begun) {
    TASKSTORE_LET(auto transaction, Transaction::begin_write(connection));
    TASKSTORE_TRY(connection.lock_for_migration());
    // Writes first, and reads in the same transaction: a replica may not have heard of it yet.
    TASKSTORE_TRY(run(connection, {.sql = kTouch, .values = {std::string(name)}}));
    TASKSTORE_LET(auto found, find_identity(connection, name));
    if (found && !was_counted(*found, clock)) return std::move(*found);
    const std::int64_t epoch = next_epoch(found ? found->epoch : 0, clock.wall_ms());
    if (found) {
        Identity next = *found;
        next.epoch = epoch;
        TASKSTORE_TRY(swap_row(connection, name, *found, next));
    } else {
        UuidSource ids(clock, random);
        TASKSTORE_TRY(
            run(connection, {.sql = kInsertNew, .values = {std::string(name), ids.next(), epoch}}));
    }
    if (begun) TASKSTORE_TRY(begun(connection));
    TASKSTORE_LET(found, find_identity(connection, name));
    TASKSTORE_TRY(transaction.commit());
    if (!found)
        return fail(Code::corrupt,
                    "the database does not keep its identity '" + std::string(name) + "'");
    return std::move(*found);
}

// Only an owner drops a trigger.
constexpr std::string_view kOwnerOfAnother =
    "SELECT pg_get_userbyid(relowner)::text, current_user::text FROM pg_class WHERE oid = "
    "to_regclass(?1::text) AND NOT pg_has_role(relowner, 'USAGE')";

Status check_owns(Connection& connection, std::span<const Table> tables) {
    for (const Table& table : tables) {
        const BoundStatement owner{.sql = kOwnerOfAnother, .values = {std::string(table.name)}};
        TASKSTORE_LET(const auto answers, run_batch(connection, {&owner, 1}));
        if (answers[0].rows.empty()) continue;
        const std::string name = std::get<std::string>(answers[0].rows[0].at(0));
        return fail(Code::denied, "table '" + std::string(table.name) + "' is owned by '" + name +
                                      "': '" + std::get<std::string>(answers[0].rows[0].at(1)) +
                                      "' could close the database, and not open it again")
            .with_hint("nothing was changed; connect as '" + name + "', or as a member of it");
    }
    return ok();
}

Failure cannot_close(const Error& error) {
    return fail({Code::unsupported,
                 "the database cannot refuse writes by triggers, which moves and restores need: " +
                     error.message,
                 "nothing was changed; PostgreSQL has them with PL/pgSQL: CREATE EXTENSION plpgsql",
                 error.native});
}

/// A table may refuse what another one takes (distributed ones of Citus). One at a time, and
/// undone: nobody waits for two of them. What somebody holds is left to the seal, which tries
/// again.
Status try_triggers(Connection& connection, std::span<const Table> tables) {
    for (const Table& table : tables) {
        const BoundStatement there{.sql = "SELECT 1 WHERE to_regclass(?1::text) IS NOT NULL",
                                   .values = {std::string(table.name)}};
        TASKSTORE_LET(const auto answers, run_batch(connection, {&there, 1}));
        if (answers[0].rows.empty()) continue;
        TASKSTORE_TRY(connection.execute("SAVEPOINT taskstore_trial"));
        const Status tried = connection.execute(
            "CREATE TRIGGER taskstore_trial BEFORE INSERT ON " + std::string(table.name) +
            " FOR EACH STATEMENT EXECUTE FUNCTION taskstore_sealed('trial')");
        TASKSTORE_TRY(connection.execute("ROLLBACK TO SAVEPOINT taskstore_trial"));
        if (!tried && !row_of(tried.error().code).retryable) return cannot_close(tried.error());
    }
    return ok();
}

}  // namespace

std::int64_t next_epoch(std::int64_t known, std::int64_t now_ms) {
    const std::int64_t now = now_ms / kMsPerSecond;
    return now > known && now < kTimeMax ? now : known + 1;
}

Result<std::optional<Identity>> find_identity(Connection& connection, std::string_view name) {
    auto select = connection.prepare(kSelect);
    if (!select && select.error().code == Code::invalid) return std::optional<Identity>();
    if (!select) return fail(std::move(select).error());
    TASKSTORE_TRY((*select)->bind(1, name));
    const std::string place = place_row(name);
    TASKSTORE_TRY((*select)->bind(2, place));
    auto row = (*select)->step();
    // No such table yet, where the engine tells so only when it runs.
    if (!row && row.error().code == Code::invalid) return std::optional<Identity>();
    if (!row) return fail(std::move(row).error());
    if (!*row) return std::optional<Identity>();
    Statement& at = **select;
    Identity found{.id = std::string(at.column_text(0)),
                   .epoch = at.column_int64(1),
                   .moved_to = text_or_nothing(at, 2),
                   .incoming_from = text_or_nothing(at, 3),
                   .place = text_or_nothing(at, 4).value_or("")};
    if (found.epoch < 1 || found.epoch > kEpochMax)
        return fail(Code::corrupt, "the database '" + std::string(name) + "' has the epoch " +
                                       std::to_string(found.epoch) + ", which cannot be")
            .with_hint("restore a backup into an empty place");
    if (found.moved_to) {
        std::string rest;
        found.mark = take_mark(*found.moved_to, &rest);
        if (rest.starts_with(kAt)) found.moved_place = rest.substr(kAt.size());
    } else if (found.incoming_from) {
        found.mark = take_mark(*found.incoming_from);
    }
    return std::optional(std::move(found));
}

Result<Identity> identify(Connection& connection, std::string_view name, const Clock& clock,
                          Random& random, const EpochBegun& begun) {
    TASKSTORE_LET(const auto known, find_identity(connection, name));
    if (known && !was_counted(*known, clock)) return *known;
    TASKSTORE_TRY(migrate(connection, "identity", kMigrations, clock));
    auto made = begin_first_epoch(connection, name, clock, random, begun);
    if (!made && known && made.error().code == Code::denied)
        return fail(std::move(made).error())
            .with_hint("let the owner of its tables open it once with this version");
    // On engines without a lock for this somebody else has just done it.
    if (!made && made.error().code == Code::conflict) {
        TASKSTORE_LET(auto found, find_settled_identity(connection, name));
        if (found) return std::move(*found);
    }
    return made;
}

Result<std::string> name_place(Connection& connection, std::string_view name, const Clock& clock,
                               Random& random) {
    TASKSTORE_LET(auto transaction, Transaction::begin_write(connection));
    TASKSTORE_TRY(run(connection, {.sql = kInsertNew,
                                   .values = {place_row(name), UuidSource(clock, random).next(),
                                              std::int64_t{1}}}));
    const BoundStatement select{.sql = kSelectPlace, .values = {place_row(name)}};
    TASKSTORE_LET(const auto answers, run_batch(connection, {&select, 1}));
    TASKSTORE_TRY(transaction.commit());
    return std::get<std::string>(answers[0].rows.at(0).at(0));
}

Status rename_place(Connection& connection, std::string_view name, const Clock& clock,
                    Random& random) {
    return run(connection, {.sql = kRenamePlace,
                            .values = {place_row(name), UuidSource(clock, random).next()}});
}

Status touch_identity(Connection& connection, std::string_view name, const Identity& expected) {
    if (connection.dialect() == "postgres") TASKSTORE_TRY(connection.execute(kFlushed));
    const auto touched = touch(connection, name, expected);
    if (!touched && touched.error().code == Code::conflict) return another_was_quicker(name);
    return touched;
}

Result<Transaction> begin_settled_read(Connection& connection, std::string_view name,
                                       const Identity& expected) {
    TASKSTORE_LET(auto transaction, Transaction::begin_write(connection));
    const auto touched = touch(connection, name, expected);
    if (!touched && touched.error().code == Code::conflict) return another_was_quicker(name);
    if (!touched) return fail(touched.error());
    return transaction;
}

Result<std::optional<Identity>> find_settled_identity(Connection& connection,
                                                      std::string_view name) {
    TASKSTORE_LET(const auto transaction, Transaction::begin_write(connection));
    const auto touched = run(connection, {.sql = kTouch, .values = {std::string(name)}});
    // No such table yet.
    if (!touched && touched.error().code == Code::invalid) return std::optional<Identity>();
    if (!touched) return fail(touched.error());
    return find_identity(connection, name);
}

std::string from_backup(std::string_view hash) {
    return std::string(kBackup) + std::string(hash);
}

std::string new_mark(std::string_view verb, const Clock& clock, Random& random) {
    return std::string(verb) + " " + UuidSource(clock, random).next();
}

std::optional<Error> why_closed(const Identity& identity) {
    if (identity.moved_to)
        return Error{Code::unavailable, "the database has moved to " + *identity.moved_to,
                     "open it there: the device's config.toml names its place under [databases]",
                     0};
    if (!identity.incoming_from) return std::nullopt;
    if (identity.incoming_from->starts_with(kBackup))
        return Error{Code::unavailable, "the database is being restored",
                     "wait until 'taskstore restore' ends; one that was broken off is run again",
                     0};
    return Error{Code::unavailable, "the database is being filled by a move that has not ended",
                 "wait until it ends; one that was broken off goes on with the same 'taskstore "
                 "move', on the device that began it",
                 0};
}

BoundStatement state_query(std::string_view name) {
    return {.sql = kState, .values = {std::string(name)}};
}

std::optional<Error> why_closed(const Rows& state) {
    if (state.rows.empty()) return std::nullopt;
    Identity identity;
    const auto take = [&](std::size_t column, std::optional<std::string>& into) {
        if (const auto* text = std::get_if<std::string>(&state.rows[0].at(column))) {
            into = *text;
            static_cast<void>(take_mark(*into));
        }
    };
    take(2, identity.moved_to);
    take(3, identity.incoming_from);
    return why_closed(identity);
}

Status change_identity(Connection& connection, std::string_view name, std::span<const Table> tables,
                       const Identity& expected, const Identity& next,
                       const std::function<Status(Connection&)>& while_open) {
    if (connection.in_transaction())
        return swap(connection, name, tables, expected, next, while_open);
    TASKSTORE_LET(auto transaction, Transaction::begin_write(connection));
    TASKSTORE_TRY(swap(connection, name, tables, expected, next, while_open));
    return transaction.commit();
}

BoundStatement begin_filling(std::string_view name, const Identity& incoming) {
    const std::string state = with_mark(incoming.incoming_from, incoming.mark);
    return {.sql = kFill,
            .values = {std::string(name), state, state + std::string(kWriting)},
            .changes_expected = 1};
}

BoundStatement end_filling(std::string_view name, const Identity& incoming) {
    const std::string state = with_mark(incoming.incoming_from, incoming.mark);
    return {.sql = kFill,
            .values = {std::string(name), state + std::string(kWriting), state},
            .changes_expected = 1};
}

Status check_can_close(Connection& connection, std::span<const Table> tables) {
    if (connection.dialect() == "postgres") TASKSTORE_TRY(check_owns(connection, tables));
    constexpr std::array kTrial{Table{"taskstore_trial", "id"}};
    const Identity sealed{.moved_to = "nowhere", .mark = "move trial"};
    const Identity incoming{.incoming_from = "nowhere", .mark = "move trial"};
    // Its end takes everything back.
    TASKSTORE_LET(const auto transaction, Transaction::begin_write(connection));
    TASKSTORE_TRY(connection.lock_for_migration());
    TASKSTORE_TRY(connection.execute("CREATE TABLE taskstore_trial (id TEXT PRIMARY KEY)"));
    const std::string_view dialect = connection.dialect();
    const auto tried = connection.execute(closing_text(dialect, "trial", kTrial, sealed) +
                                          closing_text(dialect, "trial", kTrial, incoming));
    if (!tried && row_of(tried.error().code).retryable) return tried;
    if (!tried) return cannot_close(tried.error());
    return dialect == "postgres" ? try_triggers(connection, tables) : ok();
}

Error explain_refusal(Error error) {
    Identity closed;
    const std::size_t moved = error.message.find(kMoved);
    const std::size_t filled = error.message.find(kFilled);
    if (moved == std::string::npos && filled == std::string::npos) return error;
    const std::size_t at =
        moved != std::string::npos ? moved + kMoved.size() : filled + kFilled.size();
    std::string text = error.message.substr(at);
    text.resize(std::min(text.find('\n'), text.size()));
    static_cast<void>(take_mark(text));
    (moved != std::string::npos ? closed.moved_to : closed.incoming_from) = std::move(text);
    Error why = *why_closed(closed);
    why.native = error.native;
    return why;
}

}  // namespace taskstore::sql
