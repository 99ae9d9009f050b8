#pragma once
// Takes a database along a Way, step by step (move.hpp says which, and what holds between them).

#include "move_journal.hpp"
#include "rows.hpp"

#include <taskstore/store/move.hpp>

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace taskstore::store {

/// One of the two ends.
struct End {
    sql::Location location;
    std::unique_ptr<sql::Connection> connection;
    sql::Identity identity;
};

/// An end of a way that began: as it is, nothing is made or brought up. unavailable: it is not
/// there now; conflict: there is no such database in it; unsupported: it is of a newer version.
Result<End> open_known_end(Databases& databases, DatabaseName name, const sql::Location& location);

/// Whether the row of a closed end says that it is `mark`'s.
inline bool is_sealed_by(const sql::Identity& identity, const std::string& mark) {
    return identity.moved_to.has_value() && identity.mark == mark;
}
inline bool is_filled_by(const sql::Identity& identity, const std::string& mark) {
    return identity.incoming_from.has_value() && identity.mark == mark;
}

/// The mark under which an undo holds the seal of a move; the move's own one stands in it, so that
/// whoever finds it can go on with the undo, or give the seal back.
std::string undone_mark(const std::string& mark, const Clock& clock, Random& random);
/// The move's own mark, also of such a one.
std::string_view move_of(std::string_view mark);
/// Whether a place is sealed by the move of a mark, be that being taken back or not.
inline bool is_sealed_for(const sql::Identity& identity, const std::string& mark) {
    return identity.moved_to.has_value() && move_of(identity.mark) == move_of(mark);
}

/// Whether a place has been the truth since the source of a way was sealed: it keeps the database's
/// id from then on, and an epoch above the source's.
inline bool was_live_since(const sql::Identity& there, const sql::Identity& source) {
    return there.id == source.id && there.epoch > source.epoch;
}
/// Whether, for sure, the way has not brought its target to life, and cannot any more: another
/// filler of the same database has taken it, and it has not been the truth.
inline bool is_taken_over(const sql::Identity& there, const sql::Identity& source, const Way& way) {
    return there.incoming_from == way.id && there.mark != way.mark &&
           !was_live_since(there, source);
}

/// Whether a sealed source may have moved to `there`, by the place's id; a seal that names none
/// leads anywhere.
inline bool leads_to(const sql::Identity& source, const sql::Identity& there) {
    return source.moved_place.empty() || source.moved_place == there.place;
}
/// conflict: `there` has the name of what a sealed source has moved to, and is another place, or a
/// backup was restored there (M8). Says what is where.
Status check_place(DatabaseName name, const sql::Identity& source, const sql::Identity& there,
                   const Way& way);

/// conflict: what the journal says is of an earlier time, for the target has been the truth since.
Failure outdated(const Way& way, const sql::Identity& there, DatabaseName name);

/// How a way that was broken off has ended without its device.
enum class Outcome : std::uint8_t {
    open,        ///< It has not, or what would tell cannot be asked.
    taken_back,  ///< The source takes writes again, with a newer epoch.
    both_live,   ///< So it does, and the target, too: somebody gave one of them up for lost.
    moved_on,    ///< The target was the truth, and is not any more.
    arrived,     ///< The target is the truth; the journal is of an earlier time, or it came back.
    replaced,    ///< The source is sealed, and what is at the target's place is another database.
};
struct Ending {
    Outcome outcome = Outcome::open;
    std::string why = {};  ///< For people.
};
Ending ending_of(Databases& databases, DatabaseName name, const Way& way);
/// What a command says that put the journal of such a way away: unavailable (moved_on), conflict.
Failure over(const Ending& ending, DatabaseName name);

/// change_identity() in a transaction that is tried again where the engine says so, and what is to
/// be done in it after that. On return `from` is what stands there. unavailable: what closes the
/// end is there, but not as safe as the server is set to make it (confirm_end()).
struct EndChange {
    sql::Identity next;
    std::function<Status(sql::Connection&)> while_open = {};
    std::function<Status(sql::Connection&)> also = {};
    std::vector<sql::Table> tables = {};  ///< That are there; empty: all that this version knows.
    std::array<std::string_view, 2> wake = {};  ///< Topics.
    /// Where it is said what the change survives.
    std::optional<sql::DurabilityLevel>* level = nullptr;
};
Status change_end(Databases& databases, DatabaseName name, const sql::Location& location,
                  sql::Identity& from, const EndChange& change);
/// What the row of an end says survives all that the server is set to let a commit survive.
/// unavailable: a synchronous standby does not have it yet, so that the end would open again when
/// that takes over. conflict: the row is not `end`.
Status confirm_end(Databases& databases, DatabaseName name, const sql::Location& location,
                   const sql::Identity& end);

/// For people.
inline std::string called(const MoveRequest& request) {
    return "'" + std::string(name_of(request.name)) + "'";
}
inline Status reached(const MoveRequest& request, MoveStep step) {
    return request.after_step_for_testing ? request.after_step_for_testing(step) : ok();
}

class Mover {
  public:
    /// `save` keeps the way, which this object changes, in the journal.
    Mover(Databases& databases, const MoveRequest& request, Way& way, std::function<Status()> save);

    /// Goes on from the way's stage to `live`. `make`: a way that begins; ends that are not there
    /// are made, and brought up to this version.
    Result<MoveReport> run(bool make);
    /// After an error of run(): somebody else has closed the source, so that this way leads
    /// nowhere, and there is nothing of it to take back.
    bool is_void() const { return x_void; }

  private:
    Result<End> open_end(const sql::Location& location, bool make);
    Status judge_source();
    Status judge_target();
    Failure taken_back_elsewhere() const;
    Status judge_old_place() const;
    Status go();
    Status bring_up_source();
    Status fill();
    std::function<Status(sql::Connection&)> bringing_up(bool older);
    Status seal();
    Status go_live();
    Status reached(MoveStep step) const { return store::reached(x_request, step); }
    Status enter(Stage stage);
    Result<std::int64_t> copy(bool compare);
    Error told(Error error);
    bool target_is_live() const;

    Databases& x_databases;
    const MoveRequest& x_request;
    Way& x_way;
    std::function<Status()> x_save;
    const std::string x_name;
    const std::vector<sql::Table> x_tables;
    End x_source;
    End x_target;
    MoveReport x_report;
    bool x_void = false;
    /// The error tells what it means for the two places.
    bool x_says_all = false;
};

}  // namespace taskstore::store
