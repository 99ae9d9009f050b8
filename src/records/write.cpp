// The write path: prepare every change of a group against the cache, append, flush, then bring the
// cache along.

#include "plan_impl.hpp"

#include <taskstore/base/text.hpp>

#include <algorithm>
#include <optional>
#include <utility>

namespace taskstore::records {
namespace {

constexpr std::size_t kIdBytesMax = 256;
constexpr int kTakenAwayMax = 16;

}  // namespace

std::string_view to_text(Effect effect) {
    constexpr std::array<std::string_view, 4> kTexts{"unchanged", "created", "changed", "deleted"};
    return kTexts[static_cast<std::size_t>(effect)];
}

Status check_id(std::string_view id) {
    if (id.empty() || id.size() > kIdBytesMax)
        return fail(Code::invalid, "an id has 1 to 256 bytes");
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
            if (!value || *value < 0) return wrong("a whole number from 0");
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

std::string text_of_raw(std::string_view raw) {
    return kind_of_raw(raw) == JsonKind::string ? unescape_json(raw).value_or(std::string(raw))
                                                : std::string(raw);
}

}  // namespace

/// What this group has prepared so far: later members must see earlier ones.
struct PlanImpl::Group {
    std::map<std::pair<std::string, std::string>, std::size_t>
        latest;  ///< The last of `lines` for a record.
    std::vector<Prepared> lines;
    /// What the cache has seen of the files that it was prepared against; under the lock nobody
    /// changes that.
    std::map<std::string, FileRow, std::less<>> files;
    Ticket* current = nullptr;  ///< The one that is being prepared.
    /// From the first look into the cache to the rows of the lines: taking and leaving a snapshot
    /// for each look costs more than the looks. Nothing where somebody else keeps the cache locked.
    std::optional<sql::Transaction> cache;

    void add(Prepared line) {
        latest[{line.collection, line.id}] = lines.size();
        lines.push_back(std::move(line));
    }
    const Prepared* find(std::string_view collection, std::string_view id) const {
        const auto found = latest.find({std::string(collection), std::string(id)});
        return found == latest.end() ? nullptr : &lines[found->second];
    }
    void clear() {
        cache.reset();
        files.clear();
        forget_from(0);
    }
    void forget_from(std::size_t count) {
        lines.resize(count);
        latest.clear();
        for (std::size_t i = 0; i < count; ++i) latest[{lines[i].collection, lines[i].id}] = i;
    }
};

Result<Written> PlanImpl::write(std::vector<Write> writes) {
    if (writes.empty()) return Written{};
    Ticket ticket;
    ticket.writes = std::move(writes);
    std::unique_lock queue(x_queue_mutex);
    x_queue.push_back(&ticket);
    while (!ticket.done) {
        if (x_leading) {
            x_queue_moved.wait(queue, [&] { return ticket.done || !x_leading; });
            continue;
        }
        // Whoever finds the queue without a leader leads: one append and one flush for all who
        // wait.
        x_leading = true;
        std::vector<Ticket*> tickets;
        while (!x_queue.empty() && tickets.size() < kGroupMax) {
            tickets.push_back(x_queue.front());
            x_queue.pop_front();
        }
        queue.unlock();
        commit_group(tickets);
        queue.lock();
        for (auto served = tickets.rbegin(); served != tickets.rend(); ++served) {
            if (std::exchange((*served)->waits, false))
                x_queue.push_front(*served);
            else
                (*served)->done = true;
        }
        x_leading = false;
        x_queue_moved.notify_all();
    }
    return std::move(ticket.result);
}

Status PlanImpl::check_fresh_for(Group& group, const std::vector<Ticket*>& tickets) {
    std::set<std::string> touched;
    for (const Ticket* ticket : tickets) {
        for (const Write& write : ticket->writes) {
            touched.insert(write.collection);
            const Kind* kind = find_collection(write.collection);
            if (kind == nullptr) continue;
            if (!write.check_references) continue;
            for (const ledger::Change& change : write.changes) {
                const Field* field = kind->field(change.name);
                if (field != nullptr && !field->refers_to.empty())
                    touched.insert(std::string(field->refers_to));
            }
        }
    }
    bool fresh = is_of_this_boot();
    for (const std::string& collection : touched) {
        if (!fresh) break;
        if (!ledger::is_collection_name(collection)) continue;
        TASKSTORE_LET(const FileRow row, x_cache->file_row(collection));
        group.files[collection] = row;
        const auto info = x_files.info(x_ledger.path_of(collection));
        const bool absent = !info && info.error().code == Code::not_found;
        fresh = absent ? row.number == 0 : info && !row.racy && row.identity == info->identity;
    }
    if (fresh) return ok();
    group.files.clear();
    group.cache.reset();
    x_db->rollback();
    TASKSTORE_TRY(refresh_locked());
    return begin(group);
}

Status PlanImpl::begin(Group& group) {
    if (auto transaction = sql::Transaction::begin_write(*x_db)) {
        group.cache.emplace(std::move(*transaction));
        return ok();
    }
    return x_db->begin_read();
}

/// Everything before the first append: an error leaves no trace.
Status PlanImpl::prepare_all(Group& group, const std::vector<Ticket*>& tickets) {
    Cached cached = cached_state();
    const auto attempt = [&]() -> Status {
        if (cached != Cached::open || x_cache_read_only)
            TASKSTORE_TRY(bring_up_locked(x_cache_read_only ? Cached::damaged : cached));
        TASKSTORE_TRY(begin(group));
        TASKSTORE_TRY(check_fresh_for(group, tickets));
        x_cache->forget_rids();
        x_replica->catch_up();
        for (Ticket* ticket : tickets) {
            const std::size_t before = group.lines.size();
            if (auto status = prepare(group, *ticket); !status) {
                const Code code = status.error().code;
                if (code == Code::corrupt || code == Code::failed) return status;
                ticket->result = fail(status.error());
                group.forget_from(before);
            }
        }
        return ok();
    };
    const auto give_up = [&] {
        group.clear();
        if (x_db) x_db->rollback();
    };
    Status status = attempt();
    // Somebody may take it away as often as it is built: that is no reason to fail yet.
    for (int tries = 0; !status && is_broken(status.error()) &&
                        tries < (status.error().code == Code::not_found ? kTakenAwayMax : 1);
         ++tries) {
        give_up();
        cached = cached_state();
        if (cached == Cached::open) {
            cached = Cached::damaged;
            x_broken = "was damaged (" + status.error().message + ")";
        }
        status = attempt();
    }
    if (!status)
        give_up();
    else if (!group.cache)
        x_db->rollback();
    return status;
}

void PlanImpl::commit_group(std::vector<Ticket*>& tickets) {
    const auto fail_all = [&](const Error& error) {
        for (Ticket* ticket : tickets) ticket->result = fail(error);
    };
    const std::lock_guard db(x_db_mutex);
    auto guard = x_ledger.lock().acquire(x_ledger.lock_wait());
    if (!guard) return fail_all(cannot_write(guard.error()));
    Group group;
    if (auto status = prepare_all(group, tickets); !status)
        return fail_all(cannot_write(status.error()));
    // A store that was made by another program learns at our first line what git must not see.
    if (!group.lines.empty() && !std::exchange(x_folder_completed, true)) {
        if (auto status = ledger::complete_folder(x_files, x_options.folder); !status)
            note("the store's .gitignore or .version could not be completed: " +
                 status.error().message);
    }
    std::map<std::string, std::string> texts;
    for (const Prepared& line : group.lines) texts[line.collection] += line.text;
    std::map<std::string, ledger::Appended> appended;
    std::map<std::string, Error> failures;
    for (const auto& [collection, text] : texts) {
        auto done = x_ledger.append(collection, text);
        if (done)
            appended[collection] = std::move(*done);
        else
            failures[collection] = done.error();
    }
    for (const Prepared& line : group.lines) {
        const auto failure = failures.find(line.collection);
        if (failure == failures.end()) continue;
        line.ticket->result = fail(cannot_write(failure->second));
    }
    // The stamps may stand in the ledger, also those of an append that failed: no later one must be
    // smaller.
    if (!texts.empty()) (void)x_replica->save().has_value();
    std::erase_if(group.lines, [&](const Prepared& line) { return !line.ticket->result; });
    if (!failures.empty()) x_checked_boot_ns = 0;
    if (group.lines.empty()) return;

    // Durable from here on: what goes wrong now is a warning, never an error.
    std::vector<std::string> warnings;
    // Of a batch that failed in part, lines may stand in the files that nobody is told of.
    const bool whole = failures.empty();
    if (!whole || !apply(group, appended)) {
        group.cache.reset();
        x_db->rollback();
        x_cache->forget_counts();
        if (auto status = bring_up_locked(cached_state()); !status) {
            take_cache_away();
            warnings.push_back("the record is safe in the ledger, but the cache stayed behind (" +
                               status.error().message + "); the next command builds it again");
        }
    }
    for (Prepared& line : group.lines) {
        Written& written = *line.ticket->result;
        written.records.push_back(std::move(line.record));
        written.effects.push_back(line.effect);
        if (!warnings.empty() && written.notes.empty()) written.notes = warnings;
        for (const std::string& text : appended[line.collection].notes) {
            if (std::ranges::find(written.notes, text) == written.notes.end())
                written.notes.push_back(text);
        }
    }
}

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

Result<StoredState> PlanImpl::load(Group& group, std::string_view collection, std::string_view id) {
    const Prepared* earlier = group.latest.empty() ? nullptr : group.find(collection, id);
    if (earlier == nullptr) return x_cache->load(collection, id);
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
    const Kind* kind = find_collection(write.collection);
    const ledger::Shape shape = shape_of(write.collection);
    ledger::EditOptions options = given_options;
    const std::string id = write.id.empty() ? x_ids.next() : write.id;
    TASKSTORE_TRY(check_id(id));
    // Nobody else has the 74 random bits of an id that was minted just now.
    StoredState stored;
    if (!write.id.empty()) {
        TASKSTORE_LET(stored, load(group, write.collection, id));
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
        if (kind == nullptr || write.verbatim) {
            if (field != nullptr && field->unique)
                TASKSTORE_TRY(check_unique(group, *kind, *field, change.raw_value, id));
            if (!change.raw_value.empty()) changes.push_back(change);
            continue;
        }
        if (field == nullptr) return unknown_field(*kind, change.name);
        if (!people_set(*field))
            return fail(Code::invalid, "'" + change.name + "' is set by the store");
    }
    if (kind != nullptr && !write.verbatim) {
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
    TASKSTORE_LET(Prepared prepared,
                  finish(write.collection, stored,
                         ledger::encode_edit(shape, stored.state, changes, at, options), false));
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
    const Kind* kind = find_collection(write.collection);
    const ledger::Shape shape = shape_of(write.collection);
    const std::string noun = kind != nullptr ? std::string(kind->noun) : write.collection;
    ledger::EditOptions options = given_options;
    TASKSTORE_LET(const StoredState stored, load(group, write.collection, write.id));
    const ledger::State& state = stored.state;
    // Deleting again what lost a concurrent edit to its deletion confirms the deletion.
    const bool confirms = write.kind == WriteKind::remove && state.deleted && !state.live() &&
                          !x_cache->lost_of(stored.rid).value_or({}).empty();
    if (!state.live() && !confirms)
        return fail(Code::not_found, "there is no " + noun + " '" + write.id + "'");
    if (!write.expected_revision.empty() && write.expected_revision != to_text(state.at)) {
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
    TASKSTORE_LET(const Stamp at, stamp_for(state));
    // Who writes a member has seen what stands and what lost, and decides: the lost value is
    // settled, also where the decision is what stands.
    if (stored.rid != 0) {
        TASKSTORE_LET(options.settles, x_cache->lost_of(stored.rid));
        if (write.kind != WriteKind::remove) {
            std::erase_if(options.settles, [&](const auto& lost) {
                return std::ranges::find(write.changes, lost.first, &ledger::Change::name) ==
                       write.changes.end();
            });
        }
    }
    const auto settled = [&](const std::string& name) {
        return std::ranges::any_of(options.settles,
                                   [&](const auto& lost) { return lost.first == name; });
    };
    std::string text;
    if (write.kind == WriteKind::remove) {
        text = ledger::encode_tombstone(shape, state, at, options);
    } else {
        std::vector<ledger::Change> changes;
        for (const ledger::Change& change : write.changes) {
            if (ledger::is_frame_member(shape, change.name))
                return fail(Code::invalid, "'" + change.name + "' is set by the store");
            const Field* field = kind != nullptr ? kind->field(change.name) : nullptr;
            if (kind == nullptr || write.verbatim) {
                if (field != nullptr && field->unique)
                    TASKSTORE_TRY(check_unique(group, *kind, *field, change.raw_value, write.id));
                changes.push_back(change);
                continue;
            }
            const ledger::MemberState* before = state.find(change.name);
            // A member that nobody declared but the record has may be changed as it is.
            if (field == nullptr && before == nullptr) return unknown_field(*kind, change.name);
            if (field == nullptr) {
                changes.push_back(change);
                continue;
            }
            if (field->setter == FieldSetter::marked) {
                const bool was = before != nullptr && is_mark(before->raw_value);
                if (is_mark(change.raw_value) != was)
                    changes.push_back({change.name, was ? "null" : std::to_string(at.ms)});
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
                    if (!write.force) {
                        std::string next;
                        for (const Transition& transition : kind->transitions) {
                            if (transition.from == from)
                                next += (next.empty() ? "" : ", ") + std::string(transition.to);
                        }
                        return fail(Code::conflict, noun + " '" + write.id + "' cannot go from " +
                                                        from + " to " + to)
                            .with_hint("from " + from + " it goes to " +
                                       (next.empty() ? "nothing else" : next) +
                                       "; --force overrides and is recorded");
                    }
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
        text = ledger::encode_edit(shape, state, changes, at, options);
    }
    TASKSTORE_LET(Prepared prepared, finish(write.collection, stored, std::move(text),
                                            write.kind == WriteKind::remove));
    prepared.id = write.id;
    prepared.record.id = write.id;
    prepared.record.data = prepared.removes
                               ? ledger::to_record_text(state)
                               : std::string(ledger::split_own_line(prepared.text).first) + "}";
    prepared.record.revision = to_text(at);
    prepared.record.updated_at = at.ms;
    return prepared;
}

/// Hashes what our appends left behind the chunks, once it is a chunk's worth. Only if the file is
/// the one that was taken in, before and after: a hash of other bytes would hide them for ever.
Status PlanImpl::extend_chunks(std::string_view collection, FileRow& row) {
    if (row.identity.size - row.hashed < ledger::kChunkBytes) return ok();
    TASKSTORE_LET(auto chunks, x_cache->chunks_of(row.number));
    ledger::ScanStart start;
    if (!chunks.empty()) {
        start = {chunks.back().line_start, chunks.back().line_number};
        chunks.resize(std::min(chunks.size() - 1,
                               static_cast<std::size_t>(start.offset / ledger::kChunkBytes) + 1));
    }
    const auto file = x_files.open(x_ledger.path_of(collection), os::OpenMode::read);
    const auto is_ours = [&] {
        const auto info = (*file)->info();
        return info && info->identity == row.identity;
    };
    if (!file || !is_ours()) return ok();
    const auto scanned = ledger::scan(**file, row.identity.size, start, chunks,
                                      [](const ledger::ScannedLine&) { return ok(); });
    if (!scanned || !is_ours()) return ok();
    return x_cache->save_chunks(row, chunks);
}

Status PlanImpl::apply(Group& group, std::map<std::string, ledger::Appended>& appended) {
    std::vector<Prepared>& lines = group.lines;
    if (!group.cache) TASKSTORE_TRY(begin(group));
    if (!group.cache) return fail(Code::unavailable, "somebody keeps the cache locked");
    x_cache->forget_counts();
    std::map<std::string, FileRow> rows;
    std::map<std::string, std::int64_t> offsets;
    for (auto& [collection, file] : appended) {
        FileRow row;
        if (const auto known = group.files.find(collection); known != group.files.end()) {
            row = known->second;
        } else {
            TASKSTORE_LET(row, x_cache->file_row(collection));
        }
        const bool seen_before =
            row.number == 0 ? file.before.size == 0 : !row.racy && row.identity == file.before;
        if (!file.chained || !seen_before) {
            // Others wrote to it too: it is read like any file that changed.
            TASKSTORE_TRY(x_cache->take_in(x_taken_in, x_options.progress));
            return commit(group);
        }
        if (row.number == 0) {
            TASKSTORE_LET(const std::int64_t last,
                          x_cache->number("SELECT max(file) FROM taskstore_files"));
            row.number = last + 1;
            TASKSTORE_TRY(x_cache->save_file(collection, row));
        }
        row.identity = file.after;
        row.racy = !file.marked;
        rows[collection] = row;
        offsets[collection] = file.offset;
    }
    std::map<Ticket*, std::int64_t> batches;
    std::int64_t done = 0;
    for (const Prepared& line : lines) {
        if (++done % 256 == 0 && x_options.progress)
            x_options.progress("writing", done, static_cast<std::int64_t>(lines.size()));
        const FileRow& row = rows[line.collection];
        std::int64_t& offset = offsets[line.collection];
        const auto bytes = static_cast<std::int64_t>(line.text.size()) - 1;
        std::int64_t batch = 0;
        if (line.batch_number != 0) {
            batch = batches[line.ticket];
            if (batch == 0) {
                TASKSTORE_LET(
                    batch, x_cache->add_batch(line.ticket->batch,
                                              static_cast<std::int64_t>(line.ticket->writes.size()),
                                              true));
                batches[line.ticket] = batch;
            }
        }
        TASKSTORE_TRY(x_cache->add_line(row.number * kFileSpan + offset, line.rid, bytes, batch,
                                        line.batch_number));
        offset += bytes + 1;
        if (!line.known && !line.members.empty()) {
            TASKSTORE_TRY(x_cache->put_new(line.collection, line.rid, line.record,
                                           ledger::split_own_line(line.text).second, line.members));
        } else {
            TASKSTORE_TRY(x_cache->put_own(line.collection, line.rid, line.text, true));
        }
    }
    for (auto& [collection, row] : rows) {
        TASKSTORE_TRY(extend_chunks(collection, row));
        TASKSTORE_TRY(x_cache->save_file(collection, row));
    }
    TASKSTORE_TRY(x_cache->save_counts());
    return commit(group);
}

Status PlanImpl::commit(Group& group) {
    sql::Transaction transaction = std::move(*group.cache);
    group.cache.reset();
    return transaction.commit();
}

}  // namespace taskstore::records
