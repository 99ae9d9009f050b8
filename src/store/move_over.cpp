// Moves that were broken off, and are over all the same.

#include "mover.hpp"

#include <algorithm>

namespace taskstore::store {

namespace {

std::string numbered(std::int64_t epoch) {
    return " (epoch " + std::to_string(epoch) + ")";
}

/// An end, where it can be asked.
std::optional<sql::Identity> asked(Databases& databases, DatabaseName name,
                                   const sql::Location& location) {
    auto end = open_known_end(databases, name, location);
    return end ? std::optional(std::move(end->identity)) : std::nullopt;
}

/// Nothing where it is another database than the way's.
std::optional<sql::Identity> same_as(const Way& way, const std::optional<sql::Identity>& end) {
    return end && end->id == way.id ? end : std::nullopt;
}

/// Whether the device's settings name the place.
bool is_named(const Databases& databases, DatabaseName name, const sql::Location& location) {
    const auto at = databases.place(name);
    return at && at->location == location;
}

/// Whether the target has been the truth since this way sealed the source.
bool was_brought_to_life(const Way& way, const std::optional<sql::Identity>& source,
                         const std::optional<sql::Identity>& target) {
    if (!target) return false;
    if (way.stage >= Stage::going_live) return target->epoch >= way.epoch;
    return source && is_sealed_for(*source, way.mark) && was_live_since(*target, *source);
}

/// The same where the seal names no place: then its name counts.
bool leads_home(const sql::Identity& sealed, const sql::Identity& place, const std::string& name) {
    return sealed.moved_place.empty() ? sealed.moved_to == name : leads_to(sealed, place);
}

}  // namespace

Ending ending_of(Databases& databases, DatabaseName name, const Way& way) {
    const std::string called = "'" + std::string(name_of(name)) + "'";
    const std::string from = sql::shown(way.from);
    const std::string to = sql::shown(way.to);
    const auto source = same_as(way, asked(databases, name, way.from));
    const auto there = asked(databases, name, way.to);
    const auto target = same_as(way, there);
    const bool is_sealed = source && is_sealed_for(*source, way.mark);
    if (is_sealed && there && !leads_to(*source, *there)) {
        // One that is older, or of another origin, is no later state of it: another disk, perhaps,
        // unless the settings name it.
        const bool is_meant = target ? was_live_since(*target, *source)
                                     : there->is_live() && is_named(databases, name, way.to);
        if (!is_meant || there->incoming_from) return {};
        return {Outcome::replaced,
                to + " holds another " + called + numbered(there->epoch) +
                    ": a backup was restored there, or it is another place of that name; " + from +
                    " stays closed" + numbered(source->epoch)};
    }
    const bool opened_again =
        source && source->is_live() &&
        (way.source_epoch > 0 ? source->epoch > way.source_epoch : way.stage >= Stage::going_live);
    const bool was_truth = was_brought_to_life(way, source, target);
    // A source that takes writes by now may be a backup that was restored where it was lost.
    const bool came_back = was_truth && source && leads_home(*target, *source, from);
    if (was_truth && !target->is_live() && !came_back)
        return {Outcome::moved_on,
                to + " has held " + called + " since" +
                    (target->moved_to ? ", which moved on to " + *target->moved_to
                                      : std::string(", and is being filled anew")) +
                    numbered(target->epoch)};
    if (opened_again && target && target->is_live())
        return {Outcome::both_live, from + numbered(source->epoch) + " and " + to +
                                        numbered(target->epoch) + " both take writes of " + called +
                                        ": one of them was given up for lost"};
    if (opened_again)
        return {Outcome::taken_back, from + " is where " + called + " takes writes again" +
                                         numbered(source->epoch) + ": the move to " + to +
                                         " was taken back"};
    if (!was_truth || !target->is_live()) return {};
    // By which this move was not ended, but another one that led back there.
    const bool came_again = is_sealed && way.stage < Stage::ended && target->epoch > way.epoch;
    if (way.stage >= Stage::going_live && !came_again) return {};
    return {Outcome::arrived,
            to + " is where " + called + " takes writes by now" + numbered(target->epoch)};
}

Failure over(const Ending& ending, DatabaseName name) {
    const bool both = ending.outcome == Outcome::both_live;
    return fail(ending.outcome == Outcome::moved_on ? Code::unavailable : Code::conflict,
                "this device's move is over: " + ending.why)
        .with_hint("its journal is put away; let config.toml name the place that " +
                   std::string(both ? "is right" : "takes writes") + " (databases." +
                   std::string(name_of(name)) + ")" + (both ? ", and put the other one away" : ""));
}

}  // namespace taskstore::store
