// From a write to the line that will be appended: checked against the record's kind, the cache and
// what its group has prepared before.

#include "write_group.hpp"

#include <taskstore/base/text.hpp>

#include <algorithm>
#include <utility>

namespace taskstore::records {
namespace {

constexpr std::size_t kIdBytesMax = 256;
constexpr std::size_t kReasonsMax = 20;

/// Whether nothing of it shows: Unicode's White_Space (PropList.txt) and characters of no width.
bool is_blank(std::string_view text) {
    constexpr std::array<std::string_view, 26> kBlank{" ",
                                                      "\xC2\x85",
                                                      "\xC2\xA0",
                                                      "\xE1\x9A\x80",
                                                      "\xE2\x80\x80",
                                                      "\xE2\x80\x81",
                                                      "\xE2\x80\x82",
                                                      "\xE2\x80\x83",
                                                      "\xE2\x80\x84",
                                                      "\xE2\x80\x85",
                                                      "\xE2\x80\x86",
                                                      "\xE2\x80\x87",
                                                      "\xE2\x80\x88",
                                                      "\xE2\x80\x89",
                                                      "\xE2\x80\x8A",
                                                      "\xE2\x80\x8B",
                                                      "\xE2\x80\x8C",
                                                      "\xE2\x80\x8D",
                                                      "\xE2\x80\xA8",
                                                      "\xE2\x80\xA9",
                                                      "\xE2\x80\xAF",
                                                      "\xE2\x81\x9F",
                                                      "\xE2\x81\xA0",
                                                      "\xE3\x80\x80",
                                                      "\xEF\xBB\xBF",
                                                      "\xC2\xAD"};
    while (!text.empty()) {
        const auto found = std::ranges::find_if(
            kBlank, [&](std::string_view blank) { return text.starts_with(blank); });
        if (found == kBlank.end()) return false;
        text.remove_prefix(found->size());
    }
    return true;
}

}  // namespace

Status check_id(std::string_view id) {
    if (id.empty() || id.size() > kIdBytesMax)
        return fail(Code::invalid, "an id has 1 to 256 bytes");
    if (is_blank(id)) return fail(Code::invalid, "an id is not blank");
    for (const char c : id) {
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F)
            return fail(Code::invalid, "an id holds no control characters");
    }
    if (first_invalid_utf8(id)) return fail(Code::invalid, "the id is not UTF-8");
    return ok();
}

namespace {

Status check_raw(const std::string& name, const std::string& raw) {
    if (raw.empty()) return ok();
    if (auto json = check_json(raw); !json)
        return fail(Code::invalid, "'" + name + "': " + json.error().message);
    if (raw.find('\n') != std::string::npos)
        return fail(Code::invalid, "'" + name + "': JSON in a ledger stands on one line");
    return ok();
}

}  // namespace

Result<std::string> declared_value(const Kind& kind, const Field& field, std::string raw) {
    if (raw.empty()) raw = "null";
    const auto wrong = [&](std::string_view want) {
        return fail(Code::invalid, std::string(kind.noun) + "." + std::string(field.name) + " is " +
                                       std::string(want) + ", not " +
                                       std::string(cut_utf8(raw, 40)));
    };
    if (raw == "null") {
        if (field.required || !field.initial.empty()) return wrong("never null");
        return raw;
    }
    switch (field.type) {
        case FieldType::text:
            if (kind_of_raw(raw) != JsonKind::string) return wrong("text");
            if (field.required && raw == "\"\"") return wrong("not empty");
            if (unescape_json(raw)->find('\0') != std::string::npos)
                return wrong("text without U+0000");
            return raw;
        case FieldType::integer:
        case FieldType::time_ms: {
            const auto value = raw_to_int64(raw);
            if (!value || *value < field.min)
                return wrong("a whole number from " + std::to_string(field.min));
            if (*value > field.max) return wrong("at most " + std::to_string(field.max));
            if (field.type == FieldType::time_ms && *value > kStampMsMax)
                return wrong("a time before the year 2200");
            return raw;
        }
        case FieldType::choice: {
            if (kind_of_raw(raw) != JsonKind::string) return wrong("text");
            TASKSTORE_LET(const std::string text, unescape_json(raw));
            TASKSTORE_LET(const std::string_view choice, parse_choice(field, text));
            return "\"" + std::string(choice) + "\"";
        }
        // No founding kind has one; schemas are checked elsewhere.
        case FieldType::number:
        case FieldType::boolean:
            return raw;
    }
    return raw;
}

namespace {

Failure unknown_field(const Kind& kind, const std::string& name) {
    std::vector<std::string_view> names;
    for (const Field& field : kind.fields) names.push_back(field.name);
    const auto nearest = nearest_name(name, names);
    return fail(Code::invalid, with_article(kind.noun) + " has no field '" + name + "'")
        .with_hint(nearest ? "did you mean '" + std::string(*nearest) + "'?"
                           : "undeclared collections take any member");
}

/// Whether a value of a marked field is one: what it says does not count.
bool is_mark(std::string_view raw) {
    return !raw.empty() && raw != "null" && raw != "false";
}

Failure stale(const Write& write, const std::string& noun, const ledger::State& state,
              const ledger::Shape& shape) {
    std::string theirs;
    for (const ledger::MemberState& member : state.members) {
        if (member.stamp == state.at && !ledger::is_frame_member(shape, member.name))
            theirs += (theirs.empty() ? "" : ", ") + member.name + "=" + member.raw_value;
    }
    std::string mine;
    for (const ledger::Change& change : write.changes)
        mine += (mine.empty() ? "" : ", ") + change.name + "=" + change.raw_value;
    return fail(Code::conflict,
                noun + " '" + write.id + "' has changed since you read it: it is at revision " +
                    to_text(state.at) + (state.by.empty() ? "" : " by " + state.by) + " (" +
                    theirs + "), you expected " + write.expected_revision +
                    (mine.empty() ? "" : " and wanted " + mine))
        .with_hint("read it again and repeat the change");
}

Failure not_allowed(const Kind& kind, const std::string& id, const std::string& from,
                    const std::string& to) {
    std::string next;
    for (const Transition& transition : kind.transitions) {
        if (transition.from == from)
            next += (next.empty() ? "" : ", ") + std::string(transition.to);
    }
    return fail(Code::conflict,
                std::string(kind.noun) + " '" + id + "' cannot go from " + from + " to " + to)
        .with_hint("from " + from + " it goes to " + (next.empty() ? "nothing else" : next) +
                   "; --force overrides and is recorded");
}

/// Whether a change says what a member shall be: by name, or as a time that goes with the status.
bool decides(const Write& write, const Kind* kind, std::string_view member) {
    const auto names = [&](std::string_view name) {
        return std::ranges::find(write.changes, name, &ledger::Change::name) != write.changes.end();
    };
    const Field* field = kind != nullptr ? kind->field(member) : nullptr;
    return names(member) ||
           (field != nullptr && field->setter == FieldSetter::entered && names("status"));
}

/// A choice in the spelling of the schema, whose word the rest of it is.
std::string spelled(const Field* field, const std::string& raw) {
    if (field == nullptr || field->type != FieldType::choice || raw.empty() ||
        kind_of_raw(raw) != JsonKind::string)
        return raw;
    const auto text = unescape_json(raw);
    const auto choice = text ? parse_choice(*field, *text) : fail(Code::invalid, "");
    if (!choice) return raw;
    std::string out;
    append_json_string(out, *choice);
    return out;
}

/// Of the values that lost, those that the write may settle.
void keep_settled(const Write& write, MemberStamps& lost) {
    if (!write.settles_only) return;
    std::erase_if(lost, [&](const auto& value) {
        return std::ranges::find(*write.settles_only, value.second) == write.settles_only->end();
    });
}

/// Of two values for one member nobody can say which is meant.
Status check_named_once(const std::vector<ledger::Change>& changes) {
    std::vector<std::string_view> names;
    names.reserve(changes.size());
    for (const ledger::Change& change : changes) names.push_back(change.name);
    std::ranges::sort(names);
    const auto twice = std::ranges::adjacent_find(names);
    if (twice == names.end()) return ok();
    return fail(Code::invalid, "'" + std::string(*twice) + "' stands twice")
        .with_hint("leave one of them away");
}

std::string text_of_raw(std::string_view raw) {
    return kind_of_raw(raw) == JsonKind::string ? unescape_json(raw).value_or(std::string(raw))
                                                : std::string(raw);
}

}  // namespace

Status PlanImpl::prepare(Group& group, Ticket& ticket) {
    group.current = &ticket;
    ledger::EditOptions options;
    options.by = x_options.actor;
    ticket.batch = ticket.writes.size() > 1 ? x_ids.next() : std::string();
    ticket.result = Written{};
    ticket.waits = false;
    const auto count = static_cast<std::int64_t>(ticket.writes.size());
    for (std::size_t i = 0; i < ticket.writes.size(); ++i) {
        Write& write = ticket.writes[i];
        if (i % 256 == 255 && x_options.progress)
            x_options.progress("preparing", static_cast<std::int64_t>(i), count);
        if (!ledger::is_collection_name(write.collection)) {
            return fail(Code::invalid, "'" + write.collection +
                                           "' is no collection's name: 1 to 64 of A-Z a-z 0-9 _ -");
        }
        TASKSTORE_TRY(check_named_once(write.changes));
        if (!ticket.batch.empty()) {
            options.batch = ledger::Batch{ticket.batch, static_cast<std::uint32_t>(i + 1),
                                          static_cast<std::uint32_t>(ticket.writes.size())};
        }
        options.forced = false;
        for (const ledger::Change& change : write.changes)
            TASKSTORE_TRY(check_raw(change.name, change.raw_value));
        const bool creates = write.kind == WriteKind::create;
        auto prepared =
            creates ? prepare_create(group, write, options) : prepare_change(group, write, options);
        if (!prepared) return fail(std::move(prepared).error());
        if (prepared->text.empty()) {
            ticket.result->records.push_back(std::move(prepared->record));
            ticket.result->effects.push_back(Effect::unchanged);
            continue;
        }
        prepared->batch_number = ticket.batch.empty() ? 0 : static_cast<std::int64_t>(i + 1);
        prepared->ticket = &ticket;
        prepared->beside = write.beside;
        prepared->effect = creates             ? Effect::created
                           : prepared->removes ? Effect::deleted
                                               : Effect::changed;
        group.add(std::move(*prepared));
    }
    return ok();
}

/// Later than the record and than whatever this replica stamped before, but where the record is
/// from too far in the future: that stays its own affair.
Result<Stamp> PlanImpl::stamp_for(const ledger::State& state) {
    Hlc& clock = x_replica->clock();
    TASKSTORE_LET(Stamp at, ledger::next_stamp(clock.tick(), state));
    clock.observe(at, x_options.ahead_ms_max);
    return at;
}

Result<StoredState> PlanImpl::load(Group& group, std::string_view collection, std::string_view id,
                                   bool beside) {
    const Prepared* earlier = group.latest.empty() ? nullptr : group.find(collection, id);
    if (earlier == nullptr || (beside && earlier->ticket == group.current))
        return x_cache->load(collection, id);
    if (earlier->ticket != group.current && !earlier->ticket->batch.empty()) {
        // Its batch may still fail in another file, and then this line must not stand on it.
        group.current->waits = true;
        return fail(Code::unavailable, "it waits for a batch of its group");
    }
    ledger::LineDecoder decoder(shape_of(collection));
    std::string_view text = earlier->text;
    text.remove_suffix(1);
    TASKSTORE_LET(const ledger::Line line, decoder.decode(text));
    return StoredState{earlier->rid, ledger::fold(shape_of(collection), std::span(&line, 1))};
}

Result<PlanImpl::Prepared> PlanImpl::finish(const std::string& collection,
                                            const StoredState& stored, std::string text,
                                            bool removes) {
    // What the rule would not read back as it was meant must never be acknowledged.
    ledger::LineDecoder decoder(shape_of(collection));
    const auto line = decoder.decode(std::string_view(text).substr(0, text.size() - 1));
    if (!line || !line->stamped || line->tombstone != removes ||
        (stored.rid != 0 && line->id != stored.state.id && !stored.state.id.empty())) {
        return fail(Code::invalid,
                    "the record cannot be kept: " +
                        (!line             ? line.error().message
                         : line->tombstone ? "with nothing but 'deleted' it would be a deletion"
                                           : "its line would be read in another way"))
            .with_hint("give it less, or other members");
    }
    Prepared prepared;
    prepared.collection = collection;
    prepared.rid = stored.rid;
    prepared.known = stored.rid != 0;
    if (!prepared.known) {
        TASKSTORE_LET(prepared.rid, x_cache->next_rid());
    }
    prepared.removes = removes;
    prepared.text = std::move(text);
    prepared.record.collection = collection;
    return prepared;
}

/// The line of a create or an edit whose record fits what its collection declares, or is forced.
Result<PlanImpl::Prepared> PlanImpl::finish_fitting(const Kind* kind, const Write& write,
                                                    const StoredState& stored,
                                                    const std::vector<ledger::Change>& changes,
                                                    const Stamp& at, ledger::EditOptions& options) {
    const ledger::Shape shape = shape_of(write.collection);
    std::string text = ledger::encode_edit(shape, stored.state, changes, at, options);
    if (kind != nullptr && kind->declared && !write.verbatim) {
        const std::string data = std::string(ledger::split_own_line(text).first) + "}";
        TASKSTORE_LET(const auto why,
                      reasons_of(*x_catalogue->schema_of(kind->collection), data, kReasonsMax));
        if (!why.empty() && !write.force) {
            std::string message =
                "the record does not fit the schema of '" + write.collection + "':";
            for (const std::string& reason : why) message += "\n  " + reason;
            return fail(Code::invalid, std::move(message))
                .with_hint("'taskstore collection show " + write.collection +
                           "' prints the schema; --force overrides it and is recorded");
        }
        if (!why.empty() && !options.forced) {
            options.forced = true;
            text = ledger::encode_edit(shape, stored.state, changes, at, options);
        }
    }
    return finish(write.collection, stored, std::move(text), false);
}

Status PlanImpl::check_reference(Group& group, const Field& field, const std::string& raw) {
    if (field.refers_to.empty() || raw == "null") return ok();
    const std::string name = text_of_raw(raw);
    const Kind& target = *find_collection(field.refers_to);
    const auto relies_on = [&](const Prepared& prepared) -> Status {
        if (prepared.ticket == group.current) return ok();
        group.current->waits = true;
        return fail(Code::unavailable, "it waits for a record of its group");
    };
    TASKSTORE_LET(const StoredState stored, load(group, target.collection, name));
    const Prepared* const earlier = group.find(target.collection, name);
    if (stored.state.live()) return earlier == nullptr ? ok() : relies_on(*earlier);
    for (const Field& other : target.fields) {
        if (!other.unique) continue;
        for (const auto& [key, index] : group.latest) {
            const Prepared& prepared = group.lines[index];
            if (key.first != target.collection || prepared.removes) continue;
            const auto json = Json::parse(prepared.record.data);
            if (json && json->get(other.name).as_string() == name) return relies_on(prepared);
        }
        TASKSTORE_LET(auto rows, x_db->prepare("SELECT 1 FROM " + table_of(&target) + " WHERE " +
                                               std::string(other.name) + "=?1"));
        TASKSTORE_TRY(rows->bind(1, std::string_view(name)));
        TASKSTORE_LET(const bool row, rows->step());
        if (row) return ok();
    }
    return fail(Code::not_found, std::string(field.name) + ": there is no " +
                                     std::string(target.noun) + " '" + name + "'")
        .with_hint("create it first, or look at '" + list_command(&target, target.collection) +
                   "'");
}

Status PlanImpl::check_unique(Group& group, const Kind& kind, const Field& field,
                              const std::string& raw, std::string_view own_id) {
    const std::string name = text_of_raw(raw);
    const auto taken = [&](std::string_view by) {
        return fail(Code::exists, "the " + std::string(field.name) + " '" + name +
                                      "' is taken by " + std::string(kind.noun) + " " +
                                      std::string(by));
    };
    for (const auto& [key, index] : group.latest) {
        const Prepared& prepared = group.lines[index];
        if (key.first != kind.collection || key.second == own_id || prepared.removes) continue;
        const auto json = Json::parse(prepared.record.data);
        if (json && json->get(field.name).as_string() == name) return taken(key.second);
    }
    TASKSTORE_LET(auto rows, x_db->prepare("SELECT id FROM " + table_of(&kind) + " WHERE " +
                                           std::string(field.name) + "=?1 AND id<>?2"));
    TASKSTORE_TRY(rows->bind(1, std::string_view(name)));
    TASKSTORE_TRY(rows->bind(2, own_id));
    TASKSTORE_LET(const bool row, rows->step());
    if (row) return taken(rows->column_text(0));
    return ok();
}

Result<PlanImpl::Prepared> PlanImpl::prepare_create(Group& group, const Write& write,
                                                    const ledger::EditOptions& given_options) {
    const Kind* kind = x_catalogue->find_collection(write.collection);
    const ledger::Shape shape = shape_of(write.collection);
    ledger::EditOptions options = given_options;
    const std::string id = write.id.empty() ? x_ids.next() : write.id;
    TASKSTORE_TRY(check_id(id));
    // Nobody else has the 74 random bits of an id that was minted just now.
    StoredState stored;
    if (!write.id.empty()) {
        TASKSTORE_LET(stored, load(group, write.collection, id, write.beside));
    }
    if (!write.expected_revision.empty() && write.expected_revision != to_text(stored.state.at))
        return fail(Code::conflict, "'" + id + "' has changed since you read it")
            .with_hint("look at its history and repeat the change");
    if (stored.state.live()) {
        return fail(Code::exists, (kind != nullptr ? std::string(kind->noun) : write.collection) +
                                      " '" + id + "' exists already")
            .with_hint("change it with 'set', or leave --id away");
    }
    TASKSTORE_LET(const Stamp at, stamp_for(stored.state));
    if (stored.rid != 0) {
        TASKSTORE_LET(options.settles, x_cache->lost_of(stored.rid));
        keep_settled(write, options.settles);
    }
    std::vector<ledger::Change> changes;
    std::string raw_id;
    append_json_string(raw_id, id);
    changes.push_back({shape.id_member, raw_id});
    const auto given = [&](std::string_view name) -> const ledger::Change* {
        const auto found = std::ranges::find(write.changes, name, &ledger::Change::name);
        return found == write.changes.end() ? nullptr : &*found;
    };
    for (const ledger::Change& change : write.changes) {
        if (ledger::is_frame_member(shape, change.name))
            return fail(Code::invalid, "'" + change.name + "' is set by the store");
        const Field* field = kind != nullptr ? kind->field(change.name) : nullptr;
        if (kind == nullptr || kind->declared || write.verbatim) {
            if (kind != nullptr && kind->declared && !write.verbatim) {
                if (!change.raw_value.empty())
                    changes.push_back({change.name, spelled(field, change.raw_value)});
                continue;
            }
            if (field != nullptr && field->unique)
                TASKSTORE_TRY(check_unique(group, *kind, *field, change.raw_value, id));
            if (!change.raw_value.empty()) changes.push_back(change);
            continue;
        }
        if (field == nullptr) return unknown_field(*kind, change.name);
        if (!people_set(*field))
            return fail(Code::invalid, "'" + change.name + "' is set by the store");
    }
    if (kind != nullptr && kind->declared && !write.verbatim) {
        for (const auto& [name, raw] : x_catalogue->schema_of(kind->collection)->defaults()) {
            if (given(name) == nullptr) changes.push_back({name, raw});
        }
    } else if (kind != nullptr && !write.verbatim) {
        for (const Field& field : kind->fields) {
            const ledger::Change* change = given(field.name);
            std::string raw(field.initial.empty() ? "null" : field.initial);
            if (field.setter == FieldSetter::created)
                raw = std::to_string(at.ms + write.created_offset_ms);
            if (field.setter == FieldSetter::entered) {
                const ledger::Change* status = given("status");
                const bool entered =
                    status != nullptr &&
                    std::ranges::any_of(field.choices, [&](std::string_view choice) {
                        const auto parsed =
                            parse_choice(*kind->field("status"), text_of_raw(status->raw_value));
                        return parsed && *parsed == choice;
                    });
                raw = entered ? std::to_string(at.ms) : "null";
            }
            if (change != nullptr) {
                raw = change->raw_value;
            } else if (field.required) {
                return fail(Code::invalid, with_article(kind->noun) + " needs " +
                                               std::string(field.name) + ": " +
                                               std::string(field.help));
            }
            if (field.setter == FieldSetter::user) {
                TASKSTORE_LET(raw, declared_value(*kind, field, raw));
            }
            if (field.setter == FieldSetter::marked)
                raw = is_mark(raw) ? std::to_string(at.ms) : "null";
            if (write.check_references) TASKSTORE_TRY(check_reference(group, field, raw));
            if (field.unique) TASKSTORE_TRY(check_unique(group, *kind, field, raw, id));
            changes.push_back({std::string(field.name), raw});
        }
    }
    TASKSTORE_LET(Prepared prepared, finish_fitting(kind, write, stored, changes, at, options));
    prepared.members = std::move(changes);
    prepared.id = id;
    prepared.record.id = id;
    prepared.record.data = std::string(ledger::split_own_line(prepared.text).first) + "}";
    prepared.record.revision = to_text(at);
    prepared.record.updated_at = at.ms;
    return prepared;
}

Result<PlanImpl::Prepared> PlanImpl::prepare_change(Group& group, const Write& write,
                                                    const ledger::EditOptions& given_options) {
    const Kind* kind = x_catalogue->find_collection(write.collection);
    const ledger::Shape shape = shape_of(write.collection);
    const std::string noun = kind != nullptr ? std::string(kind->noun) : write.collection;
    ledger::EditOptions options = given_options;
    TASKSTORE_LET(const StoredState stored, load(group, write.collection, write.id, write.beside));
    const ledger::State& state = stored.state;
    // Deleting again what lost a concurrent edit to its deletion confirms the deletion.
    bool confirms = false;
    if (write.kind == WriteKind::remove && state.deleted) {
        TASKSTORE_LET(const MemberStamps lost, x_cache->lost_of(stored.rid));
        confirms = !lost.empty();
    }
    if (!state.live() && !confirms)
        return fail(Code::not_found, "there is no " + noun + " '" + write.id + "'");
    if (!write.expected_revision.empty() && write.expected_revision != to_text(state.at))
        return stale(write, noun, state, shape);
    TASKSTORE_LET(const Stamp at, stamp_for(state));
    // Who writes a member has seen what stands and what lost, and decides: the lost value is
    // settled, also where the decision is what stands.
    TASKSTORE_LET(options.settles, x_cache->lost_of(stored.rid));
    keep_settled(write, options.settles);
    TASKSTORE_LET(const MemberStamps agreed, x_cache->agreed_of(stored.rid));
    if (write.kind == WriteKind::remove) {
        options.settles.insert(options.settles.end(), agreed.begin(), agreed.end());
    } else {
        std::erase_if(options.settles,
                      [&](const auto& lost) { return !decides(write, kind, lost.first); });
    }
    if (write.beside && write.kind != WriteKind::remove) {
        for (const ledger::Change& change : write.changes) {
            if (const ledger::MemberState* before = state.find(change.name))
                options.settles.emplace_back(change.name, before->stamp);
        }
    }
    const auto settled = [&](const std::string& name) {
        return std::ranges::any_of(options.settles,
                                   [&](const auto& lost) { return lost.first == name; });
    };
    std::vector<ledger::Change> edits;
    if (write.kind != WriteKind::remove) {
        std::vector<ledger::Change> changes;
        for (const ledger::Change& change : write.changes) {
            if (ledger::is_frame_member(shape, change.name))
                return fail(Code::invalid, "'" + change.name + "' is set by the store");
            const Field* field = kind != nullptr ? kind->field(change.name) : nullptr;
            const ledger::MemberState* before = state.find(change.name);
            const bool stands = (before != nullptr ? std::string_view(before->raw_value)
                                                   : std::string_view()) == change.raw_value &&
                                !settled(change.name);
            if (kind == nullptr || write.verbatim) {
                if (field != nullptr && field->unique)
                    TASKSTORE_TRY(check_unique(group, *kind, *field, change.raw_value, write.id));
                if (!stands) changes.push_back(change);
                continue;
            }
            if (kind->declared) {
                std::string raw = spelled(field, change.raw_value);
                if ((before != nullptr ? before->raw_value : std::string()) == raw &&
                    !settled(change.name))
                    continue;
                if (change.name == "status" && before != nullptr) {
                    const std::string from = text_of_raw(before->raw_value);
                    const std::string to = text_of_raw(raw);
                    if (from != to && !allowed(*kind, from, to)) {
                        if (!write.force) return not_allowed(*kind, write.id, from, to);
                        options.forced = true;
                    }
                }
                changes.push_back({change.name, std::move(raw)});
                continue;
            }
            // A member that nobody declared but the record has may be changed as it is.
            if (field == nullptr && before == nullptr) return unknown_field(*kind, change.name);
            if (field == nullptr) {
                if (!stands) changes.push_back(change);
                continue;
            }
            if (field->setter == FieldSetter::marked) {
                const bool was = before != nullptr && is_mark(before->raw_value);
                if (is_mark(change.raw_value) != was)
                    changes.push_back({change.name, was ? "null" : std::to_string(at.ms)});
                else if (before != nullptr && settled(change.name))
                    changes.push_back({change.name, before->raw_value});
                continue;
            }
            if (field->setter != FieldSetter::user)
                return fail(Code::invalid, "'" + change.name + "' is set by the store");
            TASKSTORE_LET(std::string raw, declared_value(*kind, *field, change.raw_value));
            if (field->unique) TASKSTORE_TRY(check_unique(group, *kind, *field, raw, write.id));
            if (before != nullptr && before->raw_value == raw && !settled(change.name)) continue;
            if (write.check_references) TASKSTORE_TRY(check_reference(group, *field, raw));
            if (change.name == "status" && before != nullptr && before->raw_value != raw) {
                const std::string was = text_of_raw(before->raw_value);
                const std::string from(parse_choice(*field, was).value_or(was));
                const std::string to = text_of_raw(raw);
                if (!allowed(*kind, from, to)) {
                    if (!write.force) return not_allowed(*kind, write.id, from, to);
                    options.forced = true;
                }
                for (const Field& timed : kind->fields) {
                    if (timed.setter != FieldSetter::entered) continue;
                    const bool enters = std::ranges::find(timed.choices, to) != timed.choices.end();
                    changes.push_back(
                        {std::string(timed.name), enters ? std::to_string(at.ms) : "null"});
                }
            }
            changes.push_back({change.name, std::move(raw)});
        }
        if (changes.empty() && !options.batch) {
            Prepared unchanged;
            unchanged.collection = write.collection;
            unchanged.id = write.id;
            unchanged.record = {write.collection, write.id, ledger::to_record_text(state),
                                to_text(state.at), state.updated_at};
            return unchanged;
        }
        for (const auto& [name, stamp] : agreed) {
            const auto change = std::ranges::find(changes, name, &ledger::Change::name);
            const ledger::MemberState* before = state.find(name);
            if (change != changes.end() &&
                (before == nullptr || change->raw_value != before->raw_value || settled(name)))
                options.settles.emplace_back(name, stamp);
        }
        edits = std::move(changes);
    }
    TASKSTORE_LET(Prepared prepared,
                  write.kind == WriteKind::remove
                      ? finish(write.collection, stored,
                               ledger::encode_tombstone(shape, state, at, options), true)
                      : finish_fitting(kind, write, stored, edits, at, options));
    prepared.id = write.id;
    prepared.record.id = write.id;
    prepared.record.data = prepared.removes
                               ? ledger::to_record_text(state)
                               : std::string(ledger::split_own_line(prepared.text).first) + "}";
    prepared.record.revision = to_text(at);
    prepared.record.updated_at = at.ms;
    return prepared;
}

}  // namespace taskstore::records
