#pragma once
// Moves a device's database to another place while others work with it (floor 5).
//
// There are never two truths. The steps, each of which may be the last one before a crash; the same
// call goes on from there:
//
//   begun       both ends were found good; the device's journal names them
//   marked      the target is closed: it lets this move alone write (sql/identity.hpp)
//   copied      the rows are there; the source goes on working
//   sealing     the journal says that the source may be sealed
//   sealed      the source refuses writes from now on, also of who has it open
//   equal       what changed since is copied; every row was compared with the other side's, and of
//               tables that had changed count and SHA-256 agree when they are read again
//   going_live  the journal says that the target may be the truth, and with which epoch
//   live        the target is the truth, its epoch above both, and so the fences that it gives out
//   switched    the device's config.toml names the new place
//
// The journal is `move-NAME.json` in the device's home (mode 0600: the places may hold passwords),
// kept until the move is taken back, or another one begins. undo_move() goes back the same way:
// what was written in the new place meanwhile is copied back. Where the target never went live, the
// source is only opened again. One process of a device moves or restores a database at a time; of
// several devices the first one that seals the source goes on, and the others are told where to.
//
// Back into a place that was sealed goes only what is where that place says it has moved to, which
// is known by the place's id (sql/identity.hpp), not by its name: a backup that was restored in a
// third place, over that place, or where it was lost, has the same id as the database, and is
// another one. It goes into an empty place; or back with `forget`. After two moves, back is two
// moves too. What a version sealed that knew no ids of places goes by the name.
//
// So neither a move nor its undo takes such a backup for its own end, whatever step was reached
// (mover.cpp: M8): both refuse (conflict), the source stays sealed with what the backup lacks, and
// the journal stays. undo_move() with `forget` opens the source as it was at the seal, and nobody
// holds anything there, as after a restore. Who goes on with the backup names its place in
// config.toml: the next call then puts the journal away.
//
// A place may name a replica of its server: what decides, and all rows after the seal, are read in
// transactions that write to the row of the database first, and are taken back. Such a transaction
// is its primary's (sqld passes it on as a whole from BEGIN IMMEDIATE on; a standby of PostgreSQL
// refuses it), sees all that was acknowledged before it, and in a file costs no flush.
//
// Costs: all rows are read and written while the source works; while it is sealed both sides are
// read, what changed is written, and tables that had changed are read there once more.

#include <taskstore/store/backup.hpp>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace taskstore::store {

enum class MoveStep : std::uint8_t {
    begun = 1,
    marked,
    copied,
    sealing,
    sealed,
    equal,
    going_live,
    live,
    switched,
};

struct MoveRequest {
    DatabaseName name = DatabaseName::tasks;
    /// Absolute, if it is a file. Of undo_move() without `from`: not looked at.
    sql::Location to;
    std::string to_text;  ///< How config.toml is to name it.
    /// The device's config.toml; made where there is none. Of a symbolic link, what it names is
    /// written, and one that leads nowhere is `invalid`.
    std::string config_path;
    std::string home;  ///< Where move-NAME.json is kept.
    /// Of undo_move(), with `to`: takes back what another device has begun, and cannot end.
    std::optional<sql::Location> from = {};
    /// What cannot be asked, or is another database by now, is lost for good, and what was written
    /// there. Of undo_move(): the new place; where that can be reached, nothing changes. Of
    /// move_database(): where a sealed `to` says that it has moved to.
    bool forget = false;
    RowProgress progress = {};
    /// Called after each step; an error ends the move there, as a crash would.
    std::function<Status(MoveStep step)> after_step_for_testing = {};
};

struct MoveReport {
    std::string database;
    std::string from;  ///< Without passwords.
    std::string to;
    std::int64_t rows = 0;
    std::int64_t copied_online = 0;
    std::int64_t copied_sealed = 0;  ///< Written or deleted while the source was sealed.
    std::int64_t sealed_ms = 0;
    std::int64_t epoch = 0;
    /// What it survives that the place takes writes, and all rows in it; nothing: it did before.
    std::optional<sql::DurabilityLevel> level = {};
    /// False: an environment variable names the place, and must be changed by whoever set it.
    bool config_switched = false;
    std::string place_source;  ///< Who named the old place.
    /// Of undo_move(): the new place had never been the truth, nothing was copied.
    bool reopened = false;
};

/// invalid: source and target are one, or config.toml cannot be edited. conflict: the target holds
/// another database, another move is on its way on this device, or an end changed meanwhile.
/// unavailable: the source has moved, or an end is not there. unsupported: an end cannot refuse
/// writes, or the target takes no row as large as the source has. denied: who is connected could
/// close an end and not open it again. Before anything was changed all these leave no trace; later
/// the step reached stays, and nothing is lost by calling it again, or by undo_move().
Result<MoveReport> move_database(Databases& databases, const MoveRequest& request);

/// Takes a move back, whichever step it reached. not_found: there was none. unavailable: a place
/// that may be the truth is not there now; nothing is changed. conflict: the new place is not what
/// the move left there, or the journal is of an earlier time; nothing is changed.
///
/// With `from`, of a move whose device was lost between the seal and the end: both places are
/// asked, and `from` is opened where `to` is being filled from it and never was the truth: first
/// its seal becomes this undo's, so that the device that was lost, should it come back, finds no
/// licence to bring `to` to life. Stopped at any step, the same call of any device goes on, or
/// undo_move() of the one that was lost. invalid: `from` takes writes. conflict: `to` does, and
/// `from` is sealed as before, or it is not what the move was filling.
Result<MoveReport> undo_move(Databases& databases, const MoveRequest& request);

/// A move of this device that has begun and not ended; places without passwords.
struct OpenMove {
    DatabaseName name = DatabaseName::tasks;
    std::string from;
    std::string to;
    bool back = false;  ///< It is being taken back.
};

/// By the journals in `home`; asks no database. corrupt: a journal that is none.
Result<std::vector<OpenMove>> open_moves(os::FileSystem& files, const std::string& home);

}  // namespace taskstore::store
