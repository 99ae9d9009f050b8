// Takes a move back: opens the source again, or moves the database back into it (mover.cpp: M2,
// M8).

#include "move_setting.hpp"
#include "mover.hpp"

#include <algorithm>

namespace taskstore::store {
namespace {

/// What a user's word that a place is lost counts for: nobody answers there, or another one does.
/// An engine that answers, be it that it is busy or full, has the place.
bool is_lost(const Error& error) {
    return error.code == Code::conflict || (error.code == Code::unavailable && error.native == 0);
}

/// Takes a move back.
class Undo {
  public:
    /// `kept`: the journal is the device's.
    Undo(Databases& databases, const MoveRequest& request, Journal journal, bool kept)
        : x_databases(databases), x_request(request), x_journal(std::move(journal)), x_kept(kept) {}
    Result<MoveReport> run();

  private:
    enum class What : std::uint8_t { open_again, bring_back };
    Result<What> look();
    Result<End> open_target(const sql::Identity& here);
    Result<MoveReport> go();
    Failure not_ours(const sql::Identity& there) const;
    Failure not_filled(const sql::Identity& here, const sql::Identity& there) const;
    Result<MoveReport> bring_back();
    Result<MoveReport> open_again();
    Status take_seal(End& here);
    Status give_seal_back(End& here);
    Status open_source(End& here, bool was_sealed);
    Status close_target(const sql::Identity& here);
    Status save() {
        x_kept = true;
        return write_journal(x_databases.files(), x_request.home, x_request.name, x_journal);
    }
    Status forget() {
        x_kept = false;
        return forget_journal(x_databases.files(), x_request.home, x_request.name);
    }
    Way new_back() const {
        const Way& way = x_journal.way;
        return {.from = way.to,
                .to = way.from,
                .mark = sql::new_mark("move", x_databases.clock(), x_databases.random()),
                .id = way.id};
    }
    Status switch_back(MoveReport& report);

    Databases& x_databases;
    const MoveRequest& x_request;
    Journal x_journal;
    bool x_kept;
    /// Found out by look(): it cannot be asked, and the request says that it is lost for good.
    bool x_target_is_lost = false;
    std::optional<sql::DurabilityLevel> x_reopened;
};

Failure Undo::not_ours(const sql::Identity& there) const {
    const Way& way = x_journal.way;
    const auto text = [](const std::string& id, std::int64_t epoch) {
        return id + ", epoch " + std::to_string(epoch);
    };
    return fail(Code::conflict, sql::shown(way.to) + " holds " + called(x_request) + " (" +
                                    text(there.id, there.epoch) + "), and the move left (" +
                                    text(way.id, way.epoch) + ") there")
        .with_hint(there.id == way.id
                       ? "it has moved on and come back since, or an older version has restored a "
                         "backup there; " +
                             sql::shown(way.from) + " stays closed, as it was at the seal"
                       : "another database was restored there; the old place stays closed");
}

/// Of a move that another device has begun.
Failure Undo::not_filled(const sql::Identity& here, const sql::Identity& there) const {
    const Way& way = x_journal.way;
    if (there.is_live() && was_live_since(there, here))
        return fail(Code::conflict, "the move has ended: " + sql::shown(way.to) + " is where " +
                                        called(x_request) + " takes writes (epoch " +
                                        std::to_string(there.epoch) + ")")
            .with_hint("name it in the device's config.toml: " + setting_key(x_request.name));
    return fail(Code::conflict, sql::shown(way.to) + " is not what the move from " +
                                    sql::shown(way.from) + " was filling")
        .with_hint("it was to " + here.moved_to.value_or("nowhere") + "; nothing was changed");
}

Result<End> Undo::open_target(const sql::Identity& here) {
    const Way& way = x_journal.way;
    TASKSTORE_LET(End there, open_known_end(x_databases, x_request.name, way.to));
    if (is_sealed_for(here, way.mark))
        TASKSTORE_TRY(check_place(x_request.name, here, there.identity, way));
    return there;
}

// Where the source is closed by this move, or the target may be the truth, the target is asked,
// whatever stage the journal names: it may be of an earlier time.
Result<Undo::What> Undo::look() {
    const Way& way = x_journal.way;
    const std::string fill_mark = x_journal.back ? x_journal.back->mark : way.mark;
    TASKSTORE_LET(End here, open_known_end(x_databases, x_request.name, way.from));
    // What was made anew there knows nothing of this move, and the target may hold the only copy.
    if (way.stage >= Stage::sealing && here.identity.id != way.id)
        return fail(Code::conflict, sql::shown(way.from) + " holds another " + called(x_request) +
                                        " (" + here.identity.id + ") than when the move began (" +
                                        way.id + ")")
            .with_hint("nothing was changed; bring back what was there, or restore a backup of it");
    const bool sealed = is_sealed_for(here.identity, way.mark);
    if (way.stage < Stage::going_live && !sealed) return What::open_again;
    auto asked = open_target(here.identity);
    if (!asked && is_lost(asked.error()) && x_request.forget) {
        x_target_is_lost = true;
        return What::open_again;
    }
    TASKSTORE_LET(const End there, std::move(asked));
    if (is_filled_by(there.identity, way.mark) || is_filled_by(there.identity, fill_mark) ||
        is_taken_over(there.identity, here.identity, way))
        return What::open_again;
    if (sealed && was_live_since(there.identity, here.identity))
        TASKSTORE_TRY(give_seal_back(here));
    if (x_request.from) return not_filled(here.identity, there.identity);
    if (way.stage < Stage::going_live && was_live_since(there.identity, here.identity))
        return outdated(way, there.identity, x_request.name);
    TASKSTORE_TRY(check_live(there.identity));
    if (there.identity.id != way.id || there.identity.epoch != way.epoch)
        return not_ours(there.identity);
    return What::bring_back;
}

Status Undo::switch_back(MoveReport& report) {
    report.config_switched = !named_by_environment(x_databases, x_request.name);
    if (report.config_switched)
        TASKSTORE_TRY(switch_config(x_databases.files(), x_request, x_journal.setting_before));
    TASKSTORE_TRY(reached(x_request, MoveStep::switched));
    return forget();
}

Result<MoveReport> Undo::bring_back() {
    if (!named_by_environment(x_databases, x_request.name))
        TASKSTORE_TRY(check_config(x_databases.files(), x_request, x_journal.setting_before));
    Way back =
        x_journal.back && x_journal.back->stage != Stage::none ? *x_journal.back : new_back();
    Mover mover(x_databases, x_request, back, [&] {
        x_journal.back = back;
        return save();
    });
    auto report = mover.run(false);
    if (!report) {
        if (mover.is_void() && x_journal.back) {
            x_journal.back.reset();
            TASKSTORE_TRY(save());
        }
        return report;
    }
    TASKSTORE_TRY(switch_back(*report));
    return report;
}

// Whoever looks at the source's seal from here on does not find the move's, and brings nothing to
// life by it.
Status Undo::take_seal(End& here) {
    sql::Identity next = here.identity;
    next.mark = x_journal.back->mark;
    TASKSTORE_TRY(
        change_end(x_databases, x_request.name, x_journal.way.from, here.identity, {.next = next}));
    TASKSTORE_TRY(reached(x_request, MoveStep::sealed));
    const auto closed = close_target(here.identity);
    if (closed || closed.error().code != Code::conflict) return closed;
    // Whoever had looked before was quicker, or it is something else by now.
    TASKSTORE_TRY(give_seal_back(here));
    return closed;
}

Status Undo::give_seal_back(End& here) {
    sql::Identity next = here.identity;
    next.mark = move_of(here.identity.mark);
    if (next == here.identity) return ok();
    return change_end(x_databases, x_request.name, x_journal.way.from, here.identity,
                      {.next = next});
}

// From here on the move cannot bring the target to life any more, not even by a commit that is
// still on its way to a server.
Status Undo::close_target(const sql::Identity& here) {
    const Way& way = x_journal.way;
    if (x_target_is_lost) return ok();
    TASKSTORE_LET(End there, open_target(here));
    if (!is_filled_by(there.identity, way.mark) && !is_taken_over(there.identity, here, way))
        return x_request.from ? not_filled(here, there.identity) : not_ours(there.identity);
    sql::Identity next = there.identity;
    next.mark = x_journal.back->mark;
    return change_end(x_databases, x_request.name, way.to, there.identity, {.next = next});
}

// As it was at the seal, where the target is lost: what was held then may have ended there, or be
// held by another one, and nobody is told any more.
Status Undo::open_source(End& here, bool was_sealed) {
    const Way& way = x_journal.way;
    EndChange change{.next = {.id = here.identity.id,
                              .epoch = sql::next_epoch(std::max(here.identity.epoch, way.epoch),
                                                       x_databases.clock().wall_ms())}};
    const auto modules = x_databases.modules(x_request.name, here.connection->dialect());
    if (was_sealed && x_target_is_lost) {
        TASKSTORE_TRY(x_databases.keep_copies(*here.connection, x_request.name, way.from));
        change.while_open = [&](sql::Connection& within) {
            return x_databases.bring_up_within(within, modules);
        };
        change.also = [&](sql::Connection& within) {
            return end_holds(within, modules, EarlierState::of_sealed_place);
        };
        for (const DatabaseModule& module : modules)
            if (!module.after_loss.empty()) change.wake = module.topics;
    }
    change.level = &x_reopened;
    return change_end(x_databases, x_request.name, way.from, here.identity, change);
}

Result<MoveReport> Undo::open_again() {
    const Way& way = x_journal.way;
    x_journal.back = new_back();
    x_journal.back->mark = undone_mark(way.mark, x_databases.clock(), x_databases.random());
    TASKSTORE_TRY(save());
    TASKSTORE_TRY(reached(x_request, MoveStep::begun));
    TASKSTORE_LET(End here, open_known_end(x_databases, x_request.name, way.from));
    const bool sealed = is_sealed_for(here.identity, way.mark);
    if (sealed) TASKSTORE_TRY(take_seal(here));
    TASKSTORE_TRY(reached(x_request, MoveStep::marked));
    // Also where it looks live: the COMMIT of a seal may still be on its way to a server, and must
    // not find what it expects.
    const bool may_be_sealed_yet = way.stage >= Stage::sealing && here.identity.is_live();
    if (may_be_sealed_yet || sealed) TASKSTORE_TRY(open_source(here, sealed));
    TASKSTORE_TRY(reached(x_request, MoveStep::live));
    MoveReport report{.database = std::string(name_of(x_request.name)),
                      .from = sql::shown(way.to),
                      .to = sql::shown(way.from),
                      .epoch = here.identity.epoch,
                      .level = x_reopened,
                      .config_switched = true,
                      .reopened = true};
    // What another device's config says is not known here.
    if (x_request.forget && !x_request.from)
        TASKSTORE_TRY(switch_back(report));
    else
        TASKSTORE_TRY(forget());
    // Somebody else's by now: there was nothing of this move to take back.
    TASKSTORE_TRY(check_live(here.identity));
    return report;
}

Result<MoveReport> Undo::run() {
    auto report = go();
    // Of what another device has begun the two ends tell all that is to be known.
    if (!report && x_request.from && x_kept && report.error().code == Code::conflict)
        TASKSTORE_TRY(forget());
    return report;
}

Result<MoveReport> Undo::go() {
    // A way back that has begun to copy goes on as any other.
    if (x_journal.back && x_journal.back->stage != Stage::none) return bring_back();
    TASKSTORE_LET(const What what, look());
    return what == What::open_again ? open_again() : bring_back();
}

/// Of a move that another device has begun: what its two ends tell. Nothing: it has been taken
/// back, and `known` is the journal of that.
Result<std::optional<Journal>> journal_of_ends(Databases& databases, const MoveRequest& request,
                                               bool known) {
    TASKSTORE_LET(const End here, open_known_end(databases, request.name, *request.from));
    const std::string place = sql::shown(*request.from);
    if (here.identity.is_live() && known) return std::optional<Journal>();
    if (here.identity.is_live())
        return fail(Code::invalid, place + " takes writes: there is nothing to take back");
    if (!here.identity.moved_to)
        return fail(Code::conflict, place + " is being filled: it is not the old place of a move")
            .with_hint("--from is the place that is closed, --to the one where it was moved to");
    const bool named = sql::shown(request.to) == *here.identity.moved_to;
    const auto there = named || here.identity.moved_place.empty()
                           ? Result<End>(End{})
                           : open_known_end(databases, request.name, request.to);
    const bool same = there && !here.identity.moved_place.empty() &&
                      there->identity.place == here.identity.moved_place;
    if (!named && !same)
        return fail(Code::conflict, place + " was closed by a move to " + *here.identity.moved_to +
                                        ", not to " + sql::shown(request.to))
            .with_hint("name that place with --to, as it stands there");
    return std::optional(Journal{.way = {.from = *request.from,
                                         .to = request.to,
                                         .mark = here.identity.mark,
                                         .id = here.identity.id,
                                         .stage = Stage::sealing},
                                 .setting_before = std::nullopt,
                                 .back = std::nullopt});
}

/// Of a move that another device has begun.
Result<MoveReport> undo_from_outside(Databases& databases, const MoveRequest& request,
                                     const std::optional<Journal>& journal) {
    const bool known =
        journal && journal->way.from == *request.from && journal->way.to == request.to;
    // The undo of an undo: what that was to go back into is lost, or another database.
    const bool turned = journal && journal->back && journal->back->from == *request.from &&
                        journal->back->to == request.to;
    if (journal && !journal->ended() && !(known && journal->back) && !turned)
        return fail(Code::conflict, "this device has a move of " + called(request) + " on its way")
            .with_hint("end that first, or take it back: 'taskstore move --undo'");
    const bool kept = known && journal->back;
    TASKSTORE_LET(auto told, journal_of_ends(databases, request, kept));
    if (told) return Undo(databases, request, std::move(*told), kept).run();
    TASKSTORE_TRY(forget_journal(databases.files(), request.home, request.name));
    return MoveReport{.database = std::string(name_of(request.name)),
                      .from = sql::shown(request.to),
                      .to = sql::shown(*request.from),
                      .config_switched = true,
                      .reopened = true};
}

/// Of a move that is over there is nothing to take back; where somebody else has done it, the
/// config follows, if it still names the new place.
Result<MoveReport> forget_undone(Databases& databases, const MoveRequest& request,
                                 const Journal& journal, const Ending& ending) {
    os::FileSystem& files = databases.files();
    const bool taken_back = &journal.going() == &journal.way ? ending.outcome == Outcome::taken_back
                                                             : ending.outcome == Outcome::arrived;
    MoveReport report{.database = std::string(name_of(request.name)),
                      .from = sql::shown(journal.way.to),
                      .to = sql::shown(journal.way.from),
                      .config_switched = true,
                      .reopened = true};
    TASKSTORE_LET(const DatabasePlace at, databases.place(request.name));
    if (taken_back && at.location == journal.way.to) {
        report.config_switched = !named_by_environment(databases, request.name);
        if (report.config_switched)
            TASKSTORE_TRY(switch_config(files, request, journal.setting_before));
    }
    TASKSTORE_TRY(forget_journal(files, request.home, request.name));
    if (!taken_back) return over(ending, request.name);
    return report;
}

}  // namespace

Result<MoveReport> undo_move(Databases& databases, const MoveRequest& request) {
    TASKSTORE_LET(const auto lock,
                  TransferLock::take(databases.files(), request.home, request.name));
    TASKSTORE_LET(auto journal, read_journal(databases.files(), request.home, request.name));
    if (request.from) return undo_from_outside(databases, request, journal);
    if (!journal)
        return fail(Code::not_found, "no move of " + called(request) + " is known to this device")
            .with_hint("'taskstore move --to PLACE' moves it");
    const Ending ending = ending_of(databases, request.name, journal->going());
    TASKSTORE_LET(const DatabasePlace at, databases.place(request.name));
    // Who names the old place in the config already goes on with what was restored there.
    const bool goes_on_there =
        &journal->going() != &journal->way && at.location == journal->way.from;
    if (ending.outcome == Outcome::open || (ending.outcome == Outcome::replaced && !goes_on_there))
        return Undo(databases, request, std::move(*journal), true).run();
    return forget_undone(databases, request, *journal, ending);
}

}  // namespace taskstore::store
