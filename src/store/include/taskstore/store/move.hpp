#pragma once
// Moves a device's database to another place while others work with it (floor 5).
//
// There are never two truths. The steps, each of which may be the last one before a crash; the same
// call goes on from there:
//
//   1 copying   the target is marked as being filled (nobody opens it), rows are copied; the source
//               goes on working
//   2 sealed    the source refuses writes from now on, also of who has it open (sql/identity.hpp)
//   3 equal     what changed since is copied; counts and SHA-256 of every table agree on both sides
//   4 live      the target is the truth, its epoch one larger: fences of before are refused
//   5 switched  the device's config.toml names the new place
//
// What goes on is kept in `move-NAME.json` in the device's home (mode 0600: the places may hold
// passwords), from the first step until it is undone or forgotten. undo() goes back the same way:
// what was written in the new place meanwhile is copied back.
//
// Costs: twice the rows while the source works, once while it is sealed (reading both sides;
// writing what changed alone).

#include <taskstore/store/backup.hpp>

#include <functional>
#include <optional>
#include <string>

namespace taskstore::store {

struct MoveRequest {
    DatabaseName name = DatabaseName::tasks;
    sql::Location to;         ///< Absolute, if it is a file. Of undo(): not looked at.
    std::string to_text;      ///< How config.toml is to name it.
    std::string config_path;  ///< The device's config.toml; made where there is none.
    std::string home;         ///< Where move-NAME.json is kept.
    RowProgress progress = {};
    /// Called after each step with its number; an error ends the move there, as a crash would.
    std::function<Status(int step)> after_step_for_testing = {};
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
    /// False: an environment variable names the place, and must be changed by whoever set it.
    bool config_switched = false;
    std::string place_source;  ///< Who named the old place.
};

/// invalid: source and target are one. conflict: the target holds another database, or another move
/// is on its way. Errors leave the step reached; nothing is lost by calling it again.
Result<MoveReport> move_database(Databases& databases, const MoveRequest& request);

/// Takes a move back, whichever step it reached. not_found: there was none.
Result<MoveReport> undo_move(Databases& databases, const MoveRequest& request);

}  // namespace taskstore::store
