#include "move_setting.hpp"
#include "mover.hpp"

namespace taskstore::store {
namespace {

/// The journal of a move that begins now.
Journal new_journal(Databases& databases, const MoveRequest& request, const DatabasePlace& at) {
    const auto& own = databases.options().settings.places[static_cast<std::size_t>(request.name)];
    return {.way = {.from = at.location,
                    .to = request.to,
                    .mark = sql::new_mark("move", databases.clock(), databases.random())},
            .setting_before =
                own.value.empty() || own.environment ? std::nullopt : std::optional(own.value),
            .back = std::nullopt};
}

/// The device's journal; nothing where there is none, or its move is over and was none that the
/// request goes on with: then it is put away.
Result<std::optional<Journal>> open_journal(Databases& databases, const MoveRequest& request,
                                            const DatabasePlace& at) {
    TASKSTORE_LET(auto journal, read_journal(databases.files(), request.home, request.name));
    // What is being taken back is ended by that command.
    if (!journal || journal->ended() || journal->back) return journal;
    const Way& way = journal->way;
    const Ending ending = ending_of(databases, request.name, way);
    if (ending.outcome == Outcome::open) return journal;
    // Who names it in the config goes on with what is there; to all others it is told, and the
    // journal is their way back.
    if (ending.outcome == Outcome::replaced && at.location == way.from) return journal;
    TASKSTORE_TRY(forget_journal(databases.files(), request.home, request.name));
    const bool is_truth =
        (ending.outcome == Outcome::taken_back && at.location == way.from) ||
        ((ending.outcome == Outcome::arrived || ending.outcome == Outcome::replaced) &&
         at.location == way.to);
    const bool is_elsewhere = !(at.location == way.from || at.location == way.to);
    if (!is_truth && !is_elsewhere) return over(ending, request.name);
    if (databases.options().warn)
        databases.options().warn("an earlier move of " + called(request) +
                                 " is over: " + ending.why);
    return std::optional<Journal>();
}

/// The journal to go on with; `goes_on`: of a move that was broken off.
Result<Journal> journal_of(Databases& databases, const MoveRequest& request,
                           const DatabasePlace& at, bool& goes_on) {
    TASKSTORE_LET(auto journal, open_journal(databases, request, at));
    if (journal && journal->back)
        return fail(Code::conflict,
                    "an earlier move of " + called(request) + " is being taken back")
            .with_hint("end that first: 'taskstore move --undo'");
    // A move that ended is history: its journal is for taking it back.
    goes_on = journal && !journal->ended();
    if (!goes_on) {
        if (at.location == request.to)
            return fail(Code::invalid, "the database is there already: " + sql::shown(at.location));
        return new_journal(databases, request, at);
    }
    const Way& way = journal->way;
    if (!(way.to == request.to))
        return fail(Code::conflict,
                    "a move of " + called(request) + " to " + sql::shown(way.to) + " is on its way")
            .with_hint("end it by naming that place, or take it back: 'taskstore move --undo'");
    if (!(at.location == way.from || at.location == way.to))
        return fail(Code::conflict, "a move of " + called(request) + " from " +
                                        sql::shown(way.from) + " is on its way, and " + at.source +
                                        " names another place by now")
            .with_hint(
                "name the old place there until the move has ended, or take it back: "
                "'taskstore move --undo'");
    return std::move(*journal);
}

}  // namespace

Result<MoveReport> move_database(Databases& databases, const MoveRequest& request) {
    os::FileSystem& files = databases.files();
    TASKSTORE_LET(const auto lock, TransferLock::take(files, request.home, request.name));
    TASKSTORE_LET(const DatabasePlace at, databases.place(request.name));
    bool goes_on = false;
    TASKSTORE_LET(Journal journal, journal_of(databases, request, at, goes_on));
    const bool switches = !named_by_environment(databases, request.name);
    if (switches) TASKSTORE_TRY(check_config(files, request, request.to_text));
    const auto save = [&] { return write_journal(files, request.home, request.name, journal); };
    Mover mover(databases, request, journal.way, save);
    auto moved = mover.run(!goes_on);
    if (!moved) {
        // Nothing is left of it that could be ended or taken back.
        if (mover.is_void()) TASKSTORE_TRY(forget_journal(files, request.home, request.name));
        return moved;
    }
    moved->place_source = at.source;
    moved->config_switched = switches;
    if (switches) TASKSTORE_TRY(switch_config(files, request, request.to_text));
    TASKSTORE_TRY(reached(request, MoveStep::switched));
    journal.way.stage = Stage::ended;
    TASKSTORE_TRY(save());
    return moved;
}

}  // namespace taskstore::store
