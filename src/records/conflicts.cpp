// What waits to be settled, record by record, and settling it.

#include "plan_impl.hpp"

#include <algorithm>

namespace taskstore::records {
namespace {

/// Who wrote the line of that stamp, where one is here.
std::string writer_of(const std::vector<ledger::Line>& lines, const Stamp& stamp) {
    const auto line = std::ranges::find_if(
        lines, [&](const ledger::Line& one) { return one.stamped && one.at == stamp; });
    return line == lines.end() ? std::string() : line->by;
}

/// The record as it would be without the deletion that ended its last life.
ledger::State undeleted(const ledger::Shape& shape, std::vector<ledger::Line> lines,
                        const ledger::State& state) {
    std::erase_if(lines, [&](const ledger::Line& line) {
        return line.tombstone && (line.life == state.life || !line.stamped);
    });
    return ledger::fold(shape, lines);
}

ConflictSide standing_side(const ledger::State& state, const std::vector<ledger::Line>& lines,
                           const std::string& name) {
    ConflictSide side{.stands = true};
    if (state.deleted) {
        for (const ledger::Line& line : lines) {
            if (line.tombstone && line.life == state.life && side.stamp < line.at) {
                side.stamp = line.at;
                side.by = line.by;
            }
        }
        return side;
    }
    const auto removed = std::ranges::find(state.removed, name, &ledger::RemovedMember::name);
    if (const ledger::MemberState* member = state.find(name)) {
        side.raw_value = member->raw_value;
        side.stamp = member->stamp;
    } else if (removed != state.removed.end()) {
        side.stamp = removed->stamp;
    }
    side.by = writer_of(lines, side.stamp);
    return side;
}

/// Between markers the sides are as git has them, whichever value stands meanwhile.
void put_as_marked(ConflictMember& member, const KeptBlock::Sides& sides) {
    if (sides.ours.empty() || member.ours.raw_value == sides.ours) return;
    const auto ours = std::ranges::find(member.theirs, sides.ours, &ConflictSide::raw_value);
    if (ours != member.theirs.end()) std::swap(member.ours, *ours);
}

std::string words_that_go(const Conflict& conflict) {
    if (conflict.deleted)
        return "'ours' lets it stay deleted, 'theirs' brings it back as it was edited";
    std::string out = "ours, theirs, or one by one: ";
    for (const ConflictMember& member : conflict.members) {
        if (&member != conflict.members.data()) out += ", ";
        out += member.name + "=ours, ";
        if (member.theirs.size() == 1) {
            out += member.name + "=theirs";
            continue;
        }
        for (const ConflictSide& side : member.theirs) {
            if (&side != member.theirs.data()) out += ", ";
            out += member.name + "=" + to_text(side.stamp);
        }
    }
    return out;
}

Failure not_understood(const Conflict& conflict, std::string what) {
    return fail(Code::invalid, std::move(what)).with_hint(words_that_go(conflict));
}

/// The value that a word names; nothing: it names none.
Result<std::string> value_of(const Conflict& conflict, const ConflictMember& member,
                             std::string_view word) {
    if (word == "ours") return member.ours.raw_value;
    if (word == "theirs" && member.theirs.size() == 1) return member.theirs.front().raw_value;
    if (word == "theirs")
        return not_understood(conflict, "of '" + member.name + "' " +
                                            std::to_string(member.theirs.size()) +
                                            " values lost: 'theirs' does not tell which");
    for (const ConflictSide& side : member.theirs) {
        if (to_text(side.stamp) == word) return side.raw_value;
    }
    if (to_text(member.ours.stamp) == word) return member.ours.raw_value;
    return not_understood(conflict,
                          "'" + std::string(word) + "' is no side of '" + member.name + "'");
}

/// The pieces between commas; one that is neither a side nor MEMBER=… goes on after its comma.
std::vector<std::string> pieces_of(const std::vector<std::string>& takes) {
    std::vector<std::string> pieces;
    for (const std::string& take : takes) {
        std::string piece;
        for (std::size_t at = 0; at <= take.size();) {
            const std::size_t end = std::min(take.find(',', at), take.size());
            piece += take.substr(at, end - at);
            at = end + 1;
            const bool whole =
                piece == "ours" || piece == "theirs" || piece.find('=') != std::string::npos;
            if (whole || at > take.size()) {
                pieces.push_back(std::exchange(piece, {}));
            } else {
                piece += ',';
            }
        }
    }
    return pieces;
}

/// Times go with the status: those of the side that wrote it.
void take_times_along(const Kind& kind, const ConflictMember& status,
                      const std::vector<ledger::Line>& lines,
                      std::vector<ledger::Change>& changes) {
    const auto chosen = std::ranges::find(changes, "status", &ledger::Change::name);
    if (chosen == changes.end()) return;
    const auto side = std::ranges::find(status.theirs, chosen->raw_value, &ConflictSide::raw_value);
    if (side == status.theirs.end() || side->stands) return;
    const auto line = std::ranges::find(lines, side->stamp, &ledger::Line::at);
    if (line == lines.end()) return;
    for (const Field& field : kind.fields) {
        const auto member = std::ranges::find(line->members, field.name, &ledger::Member::name);
        if (field.setter == FieldSetter::entered && member != line->members.end() &&
            std::ranges::find(changes, field.name, &ledger::Change::name) == changes.end())
            changes.push_back({std::string(field.name), std::string(member->raw_value)});
    }
}

}  // namespace

Settlement undecided(const Conflict& conflict) {
    Settlement out{conflict.collection, conflict.id, conflict.revision, {}, false, {}};
    for (const ConflictMember& member : conflict.members) {
        out.seen.push_back(member.ours.stamp);
        for (const ConflictSide& side : member.theirs) out.seen.push_back(side.stamp);
    }
    return out;
}

Result<Settlement> settlement_of(const Conflict& conflict, const std::vector<std::string>& takes) {
    Settlement out = undecided(conflict);
    const auto add = [&](const ConflictMember& member, std::string_view word) -> Status {
        TASKSTORE_LET(std::string raw, value_of(conflict, member, word));
        const auto known = std::ranges::find(out.members, member.name, &ledger::Change::name);
        if (known == out.members.end())
            out.members.push_back({member.name, std::move(raw)});
        else if (known->raw_value != raw)
            return not_understood(conflict, "two sides of '" + member.name + "' at once");
        return ok();
    };
    const std::vector<std::string> pieces = pieces_of(takes);
    for (const std::string& piece : pieces) {
        const std::size_t equals = piece.rfind('=');
        if (conflict.deleted) {
            if (piece != "ours" && piece != "theirs")
                return not_understood(conflict, "the record is deleted: '" + piece +
                                                    "' does not tell whether it stays so");
            if (piece != pieces.front())
                return not_understood(conflict, "both sides of one record");
            out.revive = piece == "theirs";
            const auto several = std::ranges::find_if(
                conflict.members, [](const ConflictMember& one) { return one.theirs.size() > 1; });
            if (out.revive && several != conflict.members.end())
                return not_understood(conflict, "of '" + several->name +
                                                    "' several values lost: "
                                                    "'theirs' does not tell which")
                    .with_hint("'--edit' lets you give each member its value");
        } else if (equals == std::string::npos) {
            if (piece != "ours" && piece != "theirs")
                return not_understood(conflict, "'" + piece + "' is no side");
            for (const ConflictMember& member : conflict.members) TASKSTORE_TRY(add(member, piece));
        } else {
            const std::string name = piece.substr(0, equals);
            const auto member = std::ranges::find(conflict.members, name, &ConflictMember::name);
            if (member == conflict.members.end())
                return not_understood(conflict, "'" + name + "' has nothing to settle");
            TASKSTORE_TRY(add(*member, std::string_view(piece).substr(equals + 1)));
        }
    }
    return out;
}

Settlement accept(const Conflict& conflict) {
    Settlement out = undecided(conflict);
    for (const ConflictMember& member : conflict.members) {
        if (conflict.deleted) break;
        const auto stands = std::ranges::find(member.theirs, true, &ConflictSide::stands);
        out.members.push_back({member.name, stands == member.theirs.end() ? member.ours.raw_value
                                                                          : stands->raw_value});
    }
    return out;
}

Result<PlanImpl::OwnLines> PlanImpl::lines_of_record(const Found& record) {
    OwnLines own;
    TASKSTORE_LET(own.texts, lines(record.collection, record.id));
    ledger::LineDecoder decoder(shape_of(record.collection));
    for (const std::string& text : own.texts) {
        TASKSTORE_LET(auto line, decoder.decode(text));
        own.lines.push_back(std::move(line));
    }
    return own;
}

Result<Conflict> PlanImpl::conflict_of(const Found& record, const std::vector<KeptBlock>& kept) {
    TASKSTORE_LET(const OwnLines own, lines_of_record(record));
    const ledger::Shape shape = shape_of(record.collection);
    const ledger::State state = ledger::fold(shape, own.lines);
    Conflict out{record.collection, record.id, to_text(state.at), state.deleted, {}, {}};
    out.data = ledger::to_record_text(state.deleted ? undeleted(shape, own.lines, state) : state);
    for (const ledger::LostValue& lost : state.lost) {  // by name
        if (out.members.empty() || out.members.back().name != lost.name) {
            out.members.push_back(
                {lost.name, standing_side(state, own.lines, lost.name), {}, false});
        }
        ConflictMember& member = out.members.back();
        member.clash = member.clash || lost.clash;
        member.theirs.push_back({lost.raw_value, lost.stamp,
                                 lost.by.empty() ? writer_of(own.lines, lost.stamp) : lost.by,
                                 false});
    }
    for (ConflictMember& member : out.members) {
        for (const KeptBlock& block : kept) {
            const auto sides = block.clashes.find({record.id, member.name});
            if (block.collection == record.collection && sides != block.clashes.end())
                put_as_marked(member, sides->second);
        }
    }
    return out;
}

Result<std::vector<Conflict>> PlanImpl::conflicts(std::string_view collection,
                                                  std::string_view id) {
    std::vector<KeptBlock> kept;
    TASKSTORE_LET(
        const auto records, read([&](sql::Connection& db) -> Result<std::vector<Found>> {
            std::vector<Found> found;
            TASKSTORE_LET(kept, look_at_markers(db, nullptr));
            TASKSTORE_LET(auto rows,
                          db.prepare("SELECT DISTINCT collection, id FROM taskstore_lost "
                                     "WHERE (?1='' OR collection=?1) AND "
                                     "(?2='' OR id=?2) ORDER BY 1,2"));
            TASKSTORE_TRY(rows->bind(1, collection));
            TASKSTORE_TRY(rows->bind(2, id));
            while (true) {
                TASKSTORE_LET(const bool row, rows->step());
                if (!row) return found;
                found.push_back(
                    {std::string(rows->column_text(0)), std::string(rows->column_text(1)), {}});
            }
        }));
    if (records.empty() && !id.empty()) TASKSTORE_TRY(lines(collection, id));
    std::vector<Conflict> out;
    for (const Found& record : records) {
        TASKSTORE_LET(Conflict conflict, conflict_of(record, kept));
        // Somebody may have settled it meanwhile.
        if (!conflict.members.empty()) out.push_back(std::move(conflict));
    }
    return out;
}

Result<Written> PlanImpl::settle(const Settlement& settlement) {
    const Found record{settlement.collection, settlement.id, {}};
    TASKSTORE_LET(const Conflict conflict, conflict_of(record, {}));
    if (conflict.members.empty())
        return fail(Code::conflict, "'" + settlement.id + "' has nothing to settle");
    Write write{.collection = settlement.collection,
                .id = settlement.id,
                .expected_revision = settlement.expected_revision.empty()
                                         ? conflict.revision
                                         : settlement.expected_revision};
    write.verbatim = true;
    write.check_references = false;
    write.settles_only = settlement.seen;
    write.changes = settlement.members;
    if (!conflict.deleted && settlement.members.empty())
        return fail(Code::invalid, "no member is named, so nothing would be settled");
    if (conflict.deleted && !settlement.revive) {
        if (!settlement.members.empty())
            return fail(Code::invalid, "'" + settlement.id + "' is deleted: it has no members");
        write.kind = WriteKind::remove;
    } else if (conflict.deleted) {
        write.kind = WriteKind::create;
        const ledger::Shape shape = shape_of(settlement.collection);
        JsonSlicer slicer;
        TASKSTORE_LET(const auto* const members, slicer.slice(conflict.data));
        for (const JsonMember& member : *members) {
            const std::string name(member.name);
            if (!ledger::is_frame_member(shape, name) &&
                std::ranges::find(write.changes, name, &ledger::Change::name) ==
                    write.changes.end())
                write.changes.push_back({name, std::string(member.raw_value)});
        }
    } else {
        write.kind = WriteKind::update;
        TASKSTORE_LET(const OwnLines own, lines_of_record(record));
        const auto status = std::ranges::find(conflict.members, "status", &ConflictMember::name);
        const Kind* const kind = find_collection(settlement.collection);
        if (kind != nullptr && status != conflict.members.end())
            take_times_along(*kind, *status, own.lines, write.changes);
    }
    return this->write({std::move(write)});
}

}  // namespace taskstore::records
