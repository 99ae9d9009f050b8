// What makes two truths impossible, in the words of the rows (sql/identity.hpp):
//
//   M1 A target goes live only while the source is sealed with the same mark: the seal is the
//      licence, and there is one.
//   M2 A source is opened again only by who has its seal, and only where the target has not gone
//      live and cannot any more. An undo first takes the seal (its mark is the undo's from then
//      on), then swaps the target's row, then opens. Say it opens; then nobody changed its seal
//      since it took it. Who brought the target to life swapped the target's row from a mark under
//      which the source was sealed when it looked. Before the undo's swap it did not, for that
//      found the target being filled. After it the target had to be marked anew first, and the
//      source looked at after that: it was the undo's by then. Where the undo's swap finds the
//      target live, that is the truth, and the seal goes back to the move, as if nothing had been.
//      An undo that is run again draws another mark, so that no COMMIT of the first run finds what
//      it expects.
//   M3 The journal names a stage before the first step of it is taken. It may be of an earlier time
//      all the same (a snapshot put back): a target that has been the truth since is known by the
//      database's id and an epoch above the sealed source's, and neither filled nor left behind.
//   M4 Who reads a row to decide changes it by comparing with what was read.
//   M5 Rows go only between ends whose schema is this version's, which is looked at before anything
//      is marked, in the transaction of the seal, and where the target goes live. What is older is
//      brought up: a live end as by whoever opens it, a closed one by who has its mark.
//   M6 What decides is read in a transaction that writes (sql::begin_settled_read), and so are the
//      rows of both ends once the source is sealed: a server may answer other reads from a replica
//      that has not heard of the seal, or of writes before it.
//   M7 A sealed place opens for what is where its seal leads to: that place is known by its id, not
//      by its name, but for seals of versions that knew no ids.
//   M8 A move takes for its own end what lives with exactly the epoch that it planned, where the
//      seal that bears its mark leads to. Nothing else is both: the id of a place is drawn at
//      random, goes with its tables, and a restore draws another in the transaction in which it
//      shuts writers out, before it changes a row; every other life that begins in a place has an
//      epoch above the one before. Where the place was lost and is made anew, it has another id,
//      or none. So what a backup left there is another database, for the move, its undo and other
//      devices, who ask the same seal, and what the backup lacks is not given up: the source stays
//      sealed until somebody says that what it led to is lost (--forget). A restore cannot come
//      between the mark and going live, for it takes no place that a move fills. One by a version
//      that draws no id shows by its epoch; its device's move is not ended by it.

#include "mover.hpp"

#include <algorithm>

namespace taskstore::store {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::string_view kUndone = " undone ";

/// Rows in a database that was never used.
Failure rows_are_there(const std::string& place) {
    return fail(Code::conflict, place + " holds rows already")
        .with_hint("name a place that holds no database of that name");
}

}  // namespace

std::string undone_mark(const std::string& mark, const Clock& clock, Random& random) {
    return std::string(move_of(mark)) + " " + sql::new_mark("undone", clock, random);
}

std::string_view move_of(std::string_view mark) {
    return mark.substr(0, mark.find(kUndone));
}

Result<End> open_known_end(Databases& databases, DatabaseName name, const sql::Location& location) {
    End end{.location = location, .connection = nullptr, .identity = {}};
    const std::string shown = sql::shown(location);
    const auto not_there = [&] {
        return fail(Code::unavailable, shown + " is not there")
            .with_hint(
                "bring it back: what it holds decides how to go on (is the disk mounted? has a "
                "folder another name by now? move-" +
                std::string(name_of(name)) +
                ".json in the device's home names it); lost for good: 'taskstore help move'");
    };
    auto connection = databases.connect(name, location, {.read_only = false, .create = false});
    if (!connection && connection.error().code == Code::not_found) return not_there();
    if (!connection) return fail(std::move(connection).error());
    end.connection = std::move(*connection);
    // A server of many databases may say only now that it has not this one.
    auto found = sql::find_settled_identity(*end.connection, name_of(name));
    if (!found && found.error().code == Code::not_found) return not_there();
    TASKSTORE_LET(auto identity, std::move(found));
    if (!identity)
        return fail(Code::conflict,
                    shown + " holds no database '" + std::string(name_of(name)) + "' any more")
            .with_hint("bring back what was there: it decides how to go on");
    end.identity = std::move(*identity);
    TASKSTORE_TRY(databases.is_older(*end.connection, name, location));
    return end;
}

Status change_end(Databases& databases, DatabaseName name, const sql::Location& location,
                  sql::Identity& from, const EndChange& change) {
    TASKSTORE_LET(const auto writer, databases.open_at(name, location));
    const std::vector<sql::Table> tables = change.tables.empty() ? tables_of(name) : change.tables;
    const auto swapped = writer->write(
        [&](sql::Connection& connection) -> Status {
            TASKSTORE_TRY(sql::change_identity(connection, name_of(name), tables, from, change.next,
                                               change.while_open));
            if (change.next.epoch != from.epoch) TASKSTORE_TRY(begin_epoch(connection, name));
            return change.also ? change.also(connection) : ok();
        },
        {.alone = true, .wake = change.wake[0], .wake_too = change.wake[1]});
    if (!swapped) return fail(swapped.error());
    if (change.level != nullptr) *change.level = swapped->level;
    const std::string place = from.place;
    from = change.next;
    from.place = place;
    // What opens an end is not waited for: where that is lost, it is closed.
    if (!swapped->cut_short || from.is_live()) return ok();
    return confirm_end(databases, name, location, from);
}

Status confirm_end(Databases& databases, DatabaseName name, const sql::Location& location,
                   const sql::Identity& end) {
    TASKSTORE_LET(const auto writer, databases.open_at(name, location));
    // A standby that has this commit has all before it.
    const auto touched = writer->write(
        [&](sql::Connection& connection) {
            return sql::touch_identity(connection, name_of(name), end);
        },
        {.alone = true});
    if (!touched) return fail(touched.error());
    if (!touched->cut_short) return ok();
    return fail(Code::unavailable, sql::shown(location) +
                                       " is closed, but no synchronous standby has heard of it: "
                                       "where one takes over now, it is open there")
        .with_hint("bring the standby back, or take it out of synchronous_standby_names");
}

Mover::Mover(Databases& databases, const MoveRequest& request, Way& way,
             std::function<Status()> save)
    : x_databases(databases),
      x_request(request),
      x_way(way),
      x_save(std::move(save)),
      x_name(name_of(request.name)),
      x_tables(tables_of(request.name)) {}

Status Mover::enter(Stage stage) {
    if (x_way.stage >= stage) return ok();
    x_way.stage = stage;
    return x_save();
}

Result<End> Mover::open_end(const sql::Location& location, bool make) {
    if (!make) return open_known_end(x_databases, x_request.name, location);
    End end{.location = location, .connection = nullptr, .identity = {}};
    TASKSTORE_LET(end.connection, x_databases.connect_or_make(x_request.name, location));
    TASKSTORE_LET(auto known, sql::find_settled_identity(*end.connection, x_name));
    if (!known) TASKSTORE_TRY(x_databases.check_may_make(x_request.name, location));
    TASKSTORE_TRY(x_databases.is_older(*end.connection, x_request.name, location));
    if (!known || known->is_live()) {
        TASKSTORE_LET(known, x_databases.bring_up(*end.connection, x_request.name, location));
    }
    end.identity = std::move(*known);
    return end;
}

Status Mover::judge_source() {
    const sql::Identity& here = x_source.identity;
    if (is_sealed_by(here, x_way.mark)) return ok();
    // Where the target is live already, that undo comes too late.
    if (is_sealed_for(here, x_way.mark))
        return x_way.stage >= Stage::going_live ? ok() : taken_back_elsewhere();
    TASKSTORE_TRY(check_live(here));
    if (x_way.stage > Stage::sealing)
        return fail(Code::conflict,
                    sql::shown(x_way.from) + " takes writes again, though this move had sealed it")
            .with_hint("nothing was changed; run the same command again");
    if (!x_way.id.empty() && here.id != x_way.id)
        return fail(Code::conflict, sql::shown(x_way.from) + " holds another database '" + x_name +
                                        "' (" + here.id + ") than when the move began")
            .with_hint("'taskstore move --undo' forgets the move");
    return ok();
}

Status check_place(DatabaseName name, const sql::Identity& source, const sql::Identity& there,
                   const Way& way) {
    if (!source.moved_to || leads_to(source, there)) return ok();
    const bool restored =
        there.incoming_from && there.incoming_from->starts_with(sql::from_backup(""));
    const std::string now = restored          ? " waits for a backup that is being restored"
                            : there.is_live() ? " takes writes"
                            : there.moved_to  ? " has moved to " + *there.moved_to
                                              : std::string(" is being filled");
    const std::string from = sql::shown(way.from);
    const std::string to = sql::shown(way.to);
    return fail(Code::conflict, to + " is another place than the one of that name that " + from +
                                    " has moved to, or a backup was restored there since; " + to +
                                    now + " (epoch " + std::to_string(there.epoch) + "), " + from +
                                    " stays closed")
        .with_hint(
            "nothing was changed; where another disk is mounted, or another server is "
            "behind that name from here, bring back the right one; to go on with what is "
            "there, name it in config.toml (databases." +
            std::string(name_of(name)) + "); to have back what " + from +
            " holds, as it was at the seal: 'taskstore help move'");
}

Failure Mover::taken_back_elsewhere() const {
    return fail(Code::conflict,
                "the move to " + sql::shown(x_way.to) + " is being taken back on another device")
        .with_hint("'taskstore move --undo' ends that, here or there");
}

Failure outdated(const Way& way, const sql::Identity& there, DatabaseName name) {
    const std::string text(name_of(name));
    return fail(Code::conflict,
                "the journal of this move is of an earlier time: " + sql::shown(way.to) +
                    (there.is_live() ? " is where '" + text + "' takes writes by now"
                     : there.moved_to
                         ? " has held '" + text + "' since, which moved on to " + *there.moved_to
                         : " has held '" + text + "' since, and is being filled") +
                    " (epoch " + std::to_string(there.epoch) + ")")
        .with_hint("nothing was changed; run the same command again");
}

bool Mover::target_is_live() const {
    const sql::Identity& there = x_target.identity;
    return x_way.stage >= Stage::going_live && there.is_live() &&
           there.id == x_source.identity.id && there.epoch == x_way.epoch &&
           is_sealed_for(x_source.identity, x_way.mark) && leads_to(x_source.identity, there);
}

// What may be filled: what this very move fills, what an earlier one of the same database left
// behind (sealed, by a move to where the source is; or half filled: only who holds the seal of the
// source brings it to life), or a database without a row: of one that was ever used the history has
// some.
Status Mover::judge_target() {
    const sql::Identity& here = x_source.identity;
    const sql::Identity& there = x_target.identity;
    const std::string place = sql::shown(x_way.to);
    if (target_is_live()) return ok();
    if (is_sealed_for(here, x_way.mark) && !is_sealed_by(here, x_way.mark))
        return taken_back_elsewhere();
    if (auto same = check_place(x_request.name, here, there, x_way); !same) {
        x_says_all = true;
        return same;
    }
    if (is_filled_by(there, x_way.mark)) return ok();
    // A seal is the licence for one target, once.
    if (x_way.stage < Stage::going_live && is_sealed_by(here, x_way.mark) &&
        was_live_since(there, here)) {
        x_says_all = true;
        return outdated(x_way, there, x_request.name);
    }
    if (x_way.stage >= Stage::going_live && !is_taken_over(there, here, x_way)) {
        if (there.id == here.id) TASKSTORE_TRY(check_live(there));
        return fail(Code::conflict, place + " is not what this move left there: it holds '" +
                                        x_name + "' (" + there.id + ", epoch " +
                                        std::to_string(there.epoch) + ")")
            .with_hint("bring back what was there before it goes on");
    }
    if (there.is_live() && there.id == here.id)
        return fail(Code::invalid, sql::shown(x_way.from) + " and " + place +
                                       " are the same database, or one is a copy of the other's "
                                       "file")
            .with_hint("name a place that holds none");
    if (there.moved_to && there.id == here.id) return judge_old_place();
    if (there.incoming_from == here.id) return ok();
    if (there.is_live())
        return check_no_rows(*x_target.connection, x_tables, rows_are_there(place));
    return fail(Code::conflict, place + " holds another database '" + x_name + "' (" + there.id +
                                    "), which " +
                                    (there.incoming_from ? "is being filled" : "has moved away"))
        .with_hint("name a place that holds none");
}

/// What a transaction does with a closed end that is of an older version.
std::function<Status(sql::Connection&)> Mover::bringing_up(bool older) {
    if (!older) return {};
    return [this](sql::Connection& connection) {
        return x_databases.bring_up_within(
            connection, x_databases.modules(x_request.name, connection.dialect()));
    };
}

// A move may have been broken off by an older version than this one.
Status Mover::bring_up_source() {
    TASKSTORE_LET(const bool older,
                  x_databases.is_older(*x_source.connection, x_request.name, x_way.from));
    if (!older) return ok();
    if (x_source.identity.is_live()) {
        TASKSTORE_LET(x_source.identity,
                      x_databases.bring_up(*x_source.connection, x_request.name, x_way.from));
        return ok();
    }
    TASKSTORE_TRY(x_databases.keep_copies(*x_source.connection, x_request.name, x_way.from));
    return change_end(x_databases, x_request.name, x_way.from, x_source.identity,
                      {.next = x_source.identity, .while_open = bringing_up(true)});
}

// A backup that was restored elsewhere has the same id as what it was made of.
Status Mover::judge_old_place() const {
    const sql::Identity& here = x_source.identity;
    const sql::Identity& there = x_target.identity;
    const std::string from = sql::shown(x_way.from);
    const std::string& moved_to = *there.moved_to;
    const bool same =
        there.moved_place.empty() ? moved_to == from : there.moved_place == here.place;
    if (same || x_request.forget) return ok();
    return fail(Code::conflict,
                sql::shown(x_way.to) + " has moved to " + moved_to +
                    ": it takes back what is there, and this is " +
                    (moved_to == from ? "another place of that name, or a backup that was restored "
                                        "there since"
                                      : from))
        .with_hint("name an empty place, or move the database of " + moved_to +
                   " back to it; lost for good: 'taskstore help move'");
}

Status Mover::fill() {
    TASKSTORE_LET(const bool older,
                  x_databases.is_older(*x_target.connection, x_request.name, x_way.to));
    if (is_filled_by(x_target.identity, x_way.mark) && !older) return ok();
    TASKSTORE_TRY(x_databases.keep_copies(*x_target.connection, x_request.name, x_way.to));
    const bool was_live = x_target.identity.is_live();
    sql::Identity next = x_target.identity;
    next.moved_to.reset();
    next.moved_place.clear();
    next.incoming_from = x_source.identity.id;
    next.mark = x_way.mark;
    // Looked at again where nobody else can write any more.
    const auto also = [&](sql::Connection& connection) {
        return was_live ? check_no_rows(connection, x_tables, rows_are_there(sql::shown(x_way.to)))
                        : ok();
    };
    return change_end(x_databases, x_request.name, x_way.to, x_target.identity,
                      {.next = next, .while_open = bringing_up(older), .also = also});
}

/// The number of rows written or deleted. Of a source that works on, what comes is copied. With
/// `compare` both ends stand still, and every row is read where writes go; what was written is read
/// again, and count and hash of its table must agree.
Result<std::int64_t> Mover::copy(bool compare) {
    TASKSTORE_LET(const auto writer, x_databases.open_at(x_request.name, x_way.to));
    CopyTarget to{*x_target.connection, *writer, x_name, x_target.identity};
    const Standing there_still{x_name, x_target.identity};
    const auto here_still =
        compare ? std::optional(Standing{x_name, x_source.identity}) : std::nullopt;
    std::int64_t changed = 0;
    x_report.rows = 0;
    for (const sql::Table& table : x_tables) {
        TableRows rows(*x_source.connection, table, here_still);
        RowDigest digest;
        const std::int64_t before = x_report.rows;
        TASKSTORE_LET(
            const CopyCounts counts,
            copy_rows(rows, table, to, compare ? &digest : nullptr, [&](std::int64_t done) {
                if (x_request.progress) x_request.progress(before + done, 0);
            }));
        x_report.rows += counts.rows;
        changed += counts.written + counts.deleted;
        // Where nothing had to be written, every row was read where writes go on both sides, and
        // is the same.
        if (!compare || counts.written + counts.deleted == 0) continue;
        TASKSTORE_LET(const auto there, digest_of(*x_target.connection, table, there_still));
        if (there.first != digest.rows() || there.second != digest.finish_hex())
            return fail(Code::failed, "table '" + std::string(table.name) +
                                          "' is not the same in both places after the copy: " +
                                          std::to_string(digest.rows()) + " rows here, " +
                                          std::to_string(there.first) + " there");
    }
    return changed;
}

Status Mover::seal() {
    if (is_sealed_by(x_source.identity, x_way.mark)) return ok();
    sql::Identity next = x_source.identity;
    next.moved_to = sql::shown(x_way.to);
    next.mark = x_way.mark;
    next.moved_place = x_target.identity.place;
    // A newer version may have opened it, and brought it up, while rows were copied.
    const auto also = [&](sql::Connection& connection) {
        return x_databases.check_schema(connection, x_request.name, x_way.from);
    };
    // Who waits there goes with it.
    EndChange change{.next = next, .also = also};
    for (const DatabaseModule& module :
         x_databases.modules(x_request.name, x_source.connection->dialect()))
        change.wake = module.topics;
    return change_end(x_databases, x_request.name, x_way.from, x_source.identity, change);
}

// One transaction in the target: from here on it is the truth.
Status Mover::go_live() {
    {
        const auto settled =
            sql::begin_settled_read(*x_source.connection, x_name, x_source.identity);
        if (!settled && settled.error().code == Code::conflict)
            return fail(Code::conflict,
                        sql::shown(x_way.from) + " is no longer sealed by this move")
                .with_hint("'taskstore move --undo' forgets the move");
        if (!settled) return fail(settled.error());
        // Whoever found it live before the seal may have brought it up after.
        TASKSTORE_TRY(x_databases.check_schema(*x_source.connection, x_request.name, x_way.from));
    }
    // An earlier run may have sealed it, and heard of no standby.
    TASKSTORE_TRY(confirm_end(x_databases, x_request.name, x_way.from, x_source.identity));
    const sql::Identity live{.id = x_source.identity.id, .epoch = x_way.epoch};
    const auto also = [&](sql::Connection& connection) {
        return x_databases.check_schema(connection, x_request.name, x_way.to);
    };
    return change_end(x_databases, x_request.name, x_way.to, x_target.identity,
                      {.next = live, .also = also, .level = &x_report.level});
}

Status Mover::go() {
    TASKSTORE_TRY(enter(Stage::copying));
    TASKSTORE_TRY(reached(MoveStep::begun));
    TASKSTORE_TRY(bring_up_source());
    TASKSTORE_TRY(fill());
    if (x_target.identity.place.empty()) {
        TASKSTORE_LET(x_target.identity.place,
                      sql::name_place(*x_target.connection, x_name, x_databases.clock(),
                                      x_databases.random()));
    }
    TASKSTORE_TRY(reached(MoveStep::marked));
    if (x_source.identity.is_live()) {
        TASKSTORE_LET(x_report.copied_online, copy(false));
    }
    TASKSTORE_TRY(reached(MoveStep::copied));
    if (x_source.identity.is_live() && x_way.source_epoch != x_source.identity.epoch) {
        x_way.source_epoch = x_source.identity.epoch;
        x_way.stage = std::max(x_way.stage, Stage::sealing);
        TASKSTORE_TRY(x_save());
    }
    TASKSTORE_TRY(enter(Stage::sealing));
    TASKSTORE_TRY(reached(MoveStep::sealing));
    const std::int64_t sealed_ns = x_databases.clock().boot_ns();
    TASKSTORE_TRY(seal());
    TASKSTORE_TRY(reached(MoveStep::sealed));
    TASKSTORE_LET(x_report.copied_sealed, copy(true));
    TASKSTORE_TRY(reached(MoveStep::equal));
    if (x_way.stage < Stage::going_live)
        x_way.epoch = sql::next_epoch(std::max(x_source.identity.epoch, x_target.identity.epoch),
                                      x_databases.clock().wall_ms());
    TASKSTORE_TRY(enter(Stage::going_live));
    TASKSTORE_TRY(reached(MoveStep::going_live));
    TASKSTORE_TRY(go_live());
    x_report.sealed_ms = (x_databases.clock().boot_ns() - sealed_ns) / kNsPerMs;
    return reached(MoveStep::live);
}

/// With what it means for the two places, as they are now.
Error Mover::told(Error error) {
    if (x_way.stage < Stage::copying || x_says_all) return error;
    const auto here = x_source.connection ? sql::find_settled_identity(*x_source.connection, x_name)
                                          : Result<std::optional<sql::Identity>>(std::nullopt);
    const bool known = here && *here;
    const bool sealed = known && is_sealed_by(**here, x_way.mark);
    if (known && !sealed && is_sealed_for(**here, x_way.mark)) return taken_back_elsewhere().error;
    const bool closed = known && !sealed && !(*here)->is_live();
    if (closed && x_way.stage <= Stage::sealing) {
        x_void = true;
        return *sql::why_closed(**here);
    }
    error.hint += error.hint.empty() ? "" : "; ";
    if (sealed || (!known && x_way.stage >= Stage::sealing))
        error.hint += "the old place stays closed until the same command has ended the move";
    else
        error.hint += "the old place goes on; the same command goes on with the move";
    error.hint += ", or 'taskstore move --undo' takes it back";
    return error;
}

Result<MoveReport> Mover::run(bool make) {
    x_report = {.database = x_name, .from = sql::shown(x_way.from), .to = sql::shown(x_way.to)};
    const auto gone = [&]() -> Status {
        TASKSTORE_LET(x_source, open_end(x_way.from, make));
        TASKSTORE_TRY(judge_source());
        TASKSTORE_LET(x_target, open_end(x_way.to, make));
        TASKSTORE_TRY(judge_target());
        if (!target_is_live()) {
            TASKSTORE_TRY(sql::check_can_close(*x_source.connection, x_tables));
            TASKSTORE_TRY(sql::check_can_close(*x_target.connection, x_tables));
            TASKSTORE_LET(const std::int64_t bytes, largest_row(*x_source.connection, x_tables));
            TASKSTORE_TRY(check_takes_row(*x_target.connection, bytes, sql::shown(x_way.to)));
            x_way.id = x_source.identity.id;
            TASKSTORE_TRY(go());
        }
        return enter(Stage::live);
    }();
    if (!gone) return fail(told(gone.error()));
    x_report.epoch = x_target.identity.epoch;
    return x_report;
}

}  // namespace taskstore::store
