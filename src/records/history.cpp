// What a record was, and the way back to it.

#include "plan_impl.hpp"

#include <taskstore/base/text.hpp>

#include <algorithm>

namespace taskstore::records {
namespace {

constexpr int kMovedMax = 4;

struct Lines {
    std::vector<std::string> texts;
    std::vector<ledger::Line> lines;  ///< By stamp, oldest first.
};

}  // namespace

std::string shown(std::string_view raw) {
    const std::string text = kind_of_raw(raw) == JsonKind::string
                                 ? unescape_json(raw).value_or(std::string(raw))
                                 : std::string(raw);
    const std::string line = text.substr(0, text.find('\n'));
    return line.size() < text.size() || line.size() > 60 ? std::string(cut_utf8(line, 60)) + "…"
                                                         : line;
}

Result<std::vector<Version>> PlanImpl::history(std::string_view collection, std::string_view id) {
    TASKSTORE_LET(auto past, past_of(collection, id));
    std::vector<Version> versions;
    versions.reserve(past.size());
    for (Past& one : past) versions.push_back(std::move(one.version));
    return versions;
}

Result<std::vector<PlanImpl::Past>> PlanImpl::past_of(std::string_view collection,
                                                      std::string_view id) {
    Lines own;
    const ledger::Shape shape = shape_of(collection);
    const auto read_lines = [&](Cache& cache) -> Status {
        own = {};
        TASKSTORE_LET(const StoredState stored, cache.load(collection, id));
        if (stored.rid == 0)
            return fail(Code::not_found, "nothing is known of '" + std::string(id) + "'");
        TASKSTORE_LET(own.texts, cache.lines_of(collection, stored.rid));
        if (own.texts.empty())
            return fail(Code::not_found,
                        "the lines of '" + std::string(id) + "' wait for the rest of their batch");
        ledger::LineDecoder decoder(shape);
        for (const std::string& text : own.texts) {
            auto line = decoder.decode(text);
            if (!line || line->id != id)
                return fail(Code::corrupt, "the cache does not know the ledger that is there");
            own.lines.push_back(std::move(*line));
        }
        return ok();
    };
    // It reads the files themselves, where the cache says that the lines stand. What somebody else
    // put there since the cache looked is no damage of the cache: it looks again.
    Status known = ok();
    for (int times = 0; times <= kMovedMax; ++times) {
        x_checked_boot_ns = 0;
        bool moved = false;
        known = read([&](sql::Connection& db, const Catalogue& catalogue) -> Status {
            TASKSTORE_LET(auto snapshot, sql::Transaction::begin_read(db));
            Cache cache(db, x_ledger, x_clock, catalogue.shared_from_this());
            auto status = read_lines(cache);
            if (status || times == kMovedMax) return status;
            TASKSTORE_LET(moved, is_replaced(cache, collection));
            return moved ? Status(fail(Code::conflict, status.error().message)) : status;
        });
        if (known || !moved) break;
    }
    if (!known) {
        if (known.error().code == Code::not_found) TASKSTORE_TRY(check_is_file(collection));
        return fail(known.error());
    }
    std::ranges::sort(own.lines, [](const ledger::Line& a, const ledger::Line& b) {
        return std::tie(a.at, a.text) < std::tie(b.at, b.text);
    });
    const auto same = std::ranges::unique(
        own.lines, [](const ledger::Line& a, const ledger::Line& b) { return a.text == b.text; });
    own.lines.erase(same.begin(), same.end());
    std::vector<Past> past;
    ledger::State before;
    for (std::size_t i = 0; i < own.lines.size(); ++i) {
        if (i % 64 == 63 && x_options.progress) {
            x_options.progress("folding versions", static_cast<std::int64_t>(i),
                               static_cast<std::int64_t>(own.lines.size()));
        }
        const ledger::Line& line = own.lines[i];
        ledger::State after = ledger::fold(shape, std::span(own.lines).first(i + 1));
        Version version{std::string(collection),
                        std::string(id),
                        to_text(line.at),
                        line.by,
                        line.updated_at,
                        {},
                        {},
                        {},
                        line.forced,
                        {}};
        version.action = line.tombstone                   ? "deleted"
                         : !before.live() && after.live() ? "created"
                                                          : "changed";
        if (!line.stamped && !line.tombstone)
            version.action = before.live() ? "changed" : "imported";
        version.live = after.live();
        version.revision = to_text(after.at);
        for (const ledger::MemberState& member : after.members) {
            if (!before.live() || ledger::is_frame_member(shape, member.name)) continue;
            const ledger::MemberState* old = before.find(member.name);
            if (old != nullptr && old->raw_value == member.raw_value) continue;
            version.changed.push_back(member.name + ": " +
                                      (old == nullptr ? "–" : shown(old->raw_value)) + " → " +
                                      shown(member.raw_value));
            version.changed_members.push_back(member.name);
        }
        for (const ledger::MemberState& member : before.members) {
            if (!after.live() || after.find(member.name) != nullptr) continue;
            version.changed.push_back(member.name + ": " + shown(member.raw_value) + " → –");
            version.changed_members.push_back(member.name);
        }
        // After a deletion nothing of it stands, also where the record was created again since.
        const bool too_late = !line.tombstone && before.life != 0 && line.life != 0 &&
                              line.life < after.life && version.changed.empty();
        if (too_late || (!version.live && !line.tombstone)) {
            version.action = "lost";
            for (const ledger::LostValue& lost : after.lost) {
                if (lost.stamp != line.at) continue;
                version.changed.push_back(lost.name + ": " + shown(lost.raw_value) +
                                          " lost to the deletion");
                version.changed_members.push_back(lost.name);
            }
        }
        version.data = ledger::to_record_text(after);
        if (line.batch) version.batch = line.batch->id;
        Past one{std::move(version), line.at.replica == x_replica->id(), {}, after.lost};
        for (const ledger::Member& member : line.members) {
            if (member.stamp == line.at) one.written.push_back(member.name);
        }
        past.push_back(std::move(one));
        before = std::move(after);
    }
    return past;
}

namespace {

struct Slice {
    JsonSlicer slicer;
    std::vector<JsonMember> members;
    std::string_view raw_of(std::string_view name) const {
        const auto found = std::ranges::find(members, name, &JsonMember::name);
        return found == members.end() ? std::string_view() : found->raw_value;
    }
};

Status slice(const Version& version, Slice& out) {
    TASKSTORE_LET(const auto* const members, out.slicer.slice(version.data));
    out.members = *members;
    return ok();
}

/// What the members that `now` and `before` have unlike must become.
std::vector<ledger::Change> back_to(const ledger::Shape& shape, const Slice& before,
                                    const Slice& now) {
    std::vector<ledger::Change> changes;
    for (const JsonMember& member : before.members) {
        if (!ledger::is_frame_member(shape, member.name) &&
            now.raw_of(member.name) != member.raw_value)
            changes.push_back({std::string(member.name), std::string(member.raw_value)});
    }
    for (const JsonMember& member : now.members) {
        if (!ledger::is_frame_member(shape, member.name) && before.raw_of(member.name).empty())
            changes.push_back({std::string(member.name), ""});
    }
    return changes;
}

/// Lines that say once more what lost and was settled by the change that `write` takes back: as
/// `write` is made beside them, they lose to it and are listed again.
void list_again(const std::vector<ledger::LostValue>& settled, const Slice& before,
                const Slice& now, Write write, std::vector<Write>& writes) {
    const bool live = write.kind != WriteKind::create;
    std::vector<Write> again;
    for (const ledger::LostValue& lost : settled) {
        // Where the record has to be created again, nothing can be said of a member that it lacks.
        const std::string_view then = before.raw_of(lost.name);
        if (live ? then.empty() && now.raw_of(lost.name).empty()
                 : then.empty() || lost.raw_value.empty())
            continue;
        if (write.kind == WriteKind::update &&
            std::ranges::find(write.changes, lost.name, &ledger::Change::name) ==
                write.changes.end())
            write.changes.push_back({lost.name, std::string(then)});
        const auto has_room = [&](const Write& other) {
            return std::ranges::find(other.changes, lost.name, &ledger::Change::name) ==
                   other.changes.end();
        };
        auto place = std::ranges::find_if(again, has_room);
        if (place == again.end()) {
            Write one = write;
            if (write.kind == WriteKind::remove) one.kind = WriteKind::update;
            one.changes.clear();
            one.beside = true;
            place = again.insert(again.end(), std::move(one));
        }
        place->changes.push_back({lost.name, lost.raw_value});
    }
    write.beside = !again.empty();
    std::ranges::move(again, std::back_inserter(writes));
    writes.push_back(std::move(write));
}

/// A line that others have replaced or built on.
Failure changed_since(const std::string& id, const std::string& who) {
    return fail(Code::conflict, "'" + id + "' was changed by " + who +
                                    " since the last change here, which cannot be taken back alone")
        .with_hint("'taskstore history " + id + "' shows what became of it; 'taskstore undo " + id +
                   "' takes back the last change of it, whoever made it");
}

std::string all_ids(const Catalogue& catalogue, std::string_view columns) {
    std::string sql = "SELECT collection, id, " + std::string(columns) + " FROM records";
    for (const Kind& kind : catalogue.kinds())
        sql += " UNION ALL SELECT '" + std::string(kind.collection) + "', id, " +
               std::string(columns) + " FROM " + table_of(&kind);
    return sql;
}

}  // namespace

/// Whether another file has the place of the one that was taken in.
Result<bool> PlanImpl::is_replaced(Cache& cache, std::string_view collection) {
    TASKSTORE_LET(const FileRow row, cache.file_row(collection));
    const auto info = x_files.info(x_ledger.path_of(collection));
    return row.number != 0 && !(info && info->identity == row.identity);
}

/// What others did and git brought is not taken back unasked. A record's revision is its last line
/// of all, so where that is another's, and not older than the last of ours that shows as one, ours
/// may stand beneath it: the lines of such records, few as a rule, are looked at.
Result<std::pair<Found, Stamp>> PlanImpl::last_own_change() {
    bool moved = false;
    const auto look = [&](sql::Connection& db,
                          const Catalogue& catalogue) -> Result<std::pair<Found, Stamp>> {
        TASKSTORE_LET(auto snapshot, sql::Transaction::begin_read(db));
        const std::string ours = "@" + x_replica->id();
        std::pair<Found, Stamp> last;
        auto& [found, latest] = last;
        const auto consider = [&](std::string_view collection, std::string_view id, Stamp stamp) {
            if (!found.id.empty() && stamp < latest) return;
            latest = std::move(stamp);
            found = {std::string(collection), std::string(id), {}};
        };
        // What lost in an earlier life may be stamped later than the record.
        const std::string revisions =
            "SELECT collection, id, revision FROM (" + all_ids(catalogue, "revision") +
            " UNION ALL SELECT collection, id, json_extract(stamps,'$.at') FROM taskstore_dead "
            "WHERE stamps<>'' UNION ALL SELECT collection, id, stamp FROM taskstore_lost) WHERE "
            "substr(revision,-length(?1))=?1";
        {
            TASKSTORE_LET(auto rows, db.prepare(revisions));
            TASKSTORE_TRY(rows->bind(1, std::string_view(ours)));
            while (true) {
                TASKSTORE_LET(const bool row, rows->step());
                if (!row) break;
                auto stamp = parse_stamp(rows->column_text(2));
                if (stamp) consider(rows->column_text(0), rows->column_text(1), std::move(*stamp));
            }
        }
        struct Covered {
            std::string collection;
            std::string id;
            std::int64_t rid;
        };
        std::vector<Covered> covered;
        {
            TASKSTORE_LET(auto rows,
                          db.prepare("SELECT collection, id, rid FROM (" +
                                     all_ids(catalogue, "rid, updated_at") +
                                     " UNION ALL SELECT collection, id, rid, updated_at FROM "
                                     "taskstore_dead WHERE stamps<>'') WHERE updated_at>=?1 "
                                     "ORDER BY rid"));
            TASKSTORE_TRY(rows->bind(1, found.id.empty() ? 0 : latest.ms));
            while (true) {
                TASKSTORE_LET(const bool row, rows->step());
                if (!row) break;
                covered.push_back({std::string(rows->column_text(0)),
                                   std::string(rows->column_text(1)), rows->column_int64(2)});
            }
        }
        Cache cache(db, x_ledger, x_clock, catalogue.shared_from_this());
        for (const Covered& record : covered) {
            const auto texts = cache.lines_of(record.collection, record.rid);
            if (!texts) {
                // As in a history: what was replaced since the cache looked is no damage of it.
                TASKSTORE_LET(moved, is_replaced(cache, record.collection));
                return moved ? fail(Code::conflict, "the ledger changes while it is read")
                             : fail(texts.error());
            }
            for (const std::string& text : *texts) {
                if (text.find(ours) == std::string::npos) continue;
                ledger::LineDecoder decoder(shape_of(record.collection));
                const auto line = decoder.decode(text);
                if (line && line->id == record.id && line->at.replica == x_replica->id())
                    consider(record.collection, record.id, line->at);
            }
        }
        if (found.id.empty())
            return fail(Code::not_found, "nothing was changed here: there is nothing to take back")
                .with_hint("name a record to take back its last change, whoever made it");
        return last;
    };
    for (int times = 0;; ++times) {
        x_checked_boot_ns = 0;
        moved = false;
        auto last = read(look);
        if (last || !moved || times == kMovedMax) return last;
    }
}

Result<std::vector<Found>> PlanImpl::records_of_batch(const std::string& batch) {
    return read([&](sql::Connection& db, const Catalogue& catalogue) -> Result<std::vector<Found>> {
        std::vector<Found> found;
        TASKSTORE_LET(
            auto rows,
            db.prepare("WITH touched AS (SELECT rid, max(k) k FROM taskstore_lines WHERE batch="
                       "(SELECT batch FROM taskstore_batches WHERE name=?1) GROUP BY rid), ids AS "
                       "(" +
                       all_ids(catalogue, "rid") +
                       " UNION ALL SELECT collection, id, rid FROM taskstore_dead) SELECT "
                       "ids.collection, ids.id FROM touched JOIN ids ON ids.rid=touched.rid "
                       "ORDER BY touched.k DESC"));
        TASKSTORE_TRY(rows->bind(1, std::string_view(batch)));
        while (true) {
            TASKSTORE_LET(const bool row, rows->step());
            if (!row) return found;
            found.push_back(
                {std::string(rows->column_text(0)), std::string(rows->column_text(1)), {}});
        }
    });
}

/// Adds what takes the record back to how it was before `count` of its versions from `first` on; of
/// others that came after them it keeps what they wrote.
Status PlanImpl::take_back(std::vector<Past> past, std::size_t first, std::size_t count,
                           std::vector<Write>& writes) {
    const Version& newest = past.back().version;
    Write write{
        .collection = newest.collection, .id = newest.id, .expected_revision = newest.revision};
    write.check_references = false;
    write.verbatim = true;
    write.settles_only.emplace();
    for (std::size_t i = first; i < first + count; ++i) {
        if (const auto stamp = parse_stamp(past[i].version.stamp))
            write.settles_only->push_back(*stamp);
    }
    const std::vector<Past> since(past.begin() + static_cast<std::ptrdiff_t>(first + count),
                                  past.end());
    const bool later =
        std::ranges::any_of(since, [](const Past& one) { return one.version.action != "lost"; });
    const Past& last = past[first + count - 1];
    const Past* const then = first > 0 ? &past[first - 1] : nullptr;
    const bool existed = then != nullptr && then->version.live;
    if (!existed && !last.version.live) return ok();
    write.kind = !existed            ? WriteKind::remove
                 : last.version.live ? WriteKind::update
                                     : WriteKind::create;
    const ledger::Shape shape = shape_of(newest.collection);
    Slice before;
    Slice now;
    if (existed) TASKSTORE_TRY(slice(then->version, before));
    TASKSTORE_TRY(slice(last.version, now));
    if (existed) write.changes = back_to(shape, before, now);
    if (later) {
        // Only the members that the change wrote go back, so it must have been an edit, and theirs
        // must be others.
        std::string who;
        bool apart = write.kind == WriteKind::update && !write.changes.empty() && newest.live;
        for (const Past& one : since) {
            const std::string by = one.version.by.empty() ? "somebody" : one.version.by;
            if (!one.ours && (", " + who + ",").find(", " + by + ",") == std::string::npos)
                who += (who.empty() ? "" : ", ") + by;
            apart = apart && (one.version.action == "changed" || one.version.action == "lost") &&
                    std::ranges::none_of(write.changes, [&](const ledger::Change& change) {
                        return std::ranges::find(one.written, change.name) != one.written.end();
                    });
        }
        if (!apart) return changed_since(newest.id, who.empty() ? "somebody" : who);
    }
    if (write.kind == WriteKind::update) {
        // What the change itself said and what lost is taken back with it.
        for (const ledger::LostValue& lost : past.back().lost) {
            const std::string_view standing = before.raw_of(lost.name);
            if (!standing.empty() &&
                std::ranges::find(*write.settles_only, lost.stamp) != write.settles_only->end() &&
                std::ranges::find(write.changes, lost.name, &ledger::Change::name) ==
                    write.changes.end())
                write.changes.push_back({lost.name, std::string(standing)});
        }
    }
    std::vector<ledger::LostValue> settled;
    if (then != nullptr) {
        const auto decided_since = [&](const std::string& name) {
            return later && std::ranges::any_of(since, [&](const Past& one) {
                       return std::ranges::find(one.written, name) != one.written.end();
                   });
        };
        for (const ledger::LostValue& lost : then->lost) {
            const auto same = [&](const ledger::LostValue& other) {
                return other.name == lost.name && other.stamp == lost.stamp;
            };
            const bool taken_back =
                std::ranges::find(*write.settles_only, lost.stamp) != write.settles_only->end();
            if (!taken_back && !decided_since(lost.name) &&
                std::ranges::none_of(past.back().lost, same))
                settled.push_back(lost);
        }
    }
    list_again(settled, before, now, std::move(write), writes);
    return ok();
}

Result<Written> PlanImpl::undo(std::string_view collection, std::string_view id) {
    Found one{std::string(collection), std::string(id), {}};
    std::string batch;
    Stamp own;
    if (id.empty()) {
        TASKSTORE_LET(std::tie(one, own), last_own_change());
        TASKSTORE_LET(const auto past, past_of(one.collection, one.id));
        const std::string stamp = to_text(own);
        const auto ours = std::ranges::find(
            past, stamp, [](const Past& version) { return version.version.stamp; });
        if (ours == past.end())
            return fail(Code::conflict, "'" + one.id + "' changes while it is read")
                .with_hint("repeat the command");
        if (ours->version.action == "lost")
            return fail(Code::conflict,
                        "the last change here, of '" + one.id +
                            "', lost to its deletion: there is nothing to take back")
                .with_hint("'taskstore history " + one.id + "' shows it; 'taskstore undo " +
                           one.id + "' takes back the last change of it that stands");
        batch = ours->version.batch;
    }
    std::vector<Found> records{one};
    if (!batch.empty()) {
        TASKSTORE_LET(records, records_of_batch(batch));
    }
    std::vector<Write> writes;
    for (const Found& record : records) {
        TASKSTORE_LET(auto past, past_of(record.collection, record.id));
        const auto taken = [&](const Past& version) {
            return batch.empty() ? version.version.stamp == to_text(own)
                                 : version.version.batch == batch;
        };
        std::size_t end = past.size();
        std::size_t count = 1;
        if (id.empty()) {
            while (end > 0 && !taken(past[end - 1])) --end;
            count = 0;
            while (count < end && taken(past[end - 1 - count])) ++count;
            const auto earlier = std::span(past).first(end - count);
            if (count == 0 || std::ranges::any_of(earlier, taken))
                return changed_since(record.id, "somebody");
        } else {
            // Edits that changed nothing, for the record was deleted, are not what somebody takes
            // back.
            while (end > 1 && past[end - 1].version.action == "lost") --end;
        }
        TASKSTORE_TRY(take_back(std::move(past), end - count, count, writes));
    }
    if (writes.empty()) return fail(Code::not_found, "there is no earlier version to go back to");
    TASKSTORE_LET(Written written, this->write(std::move(writes)));
    // Of a record that took several lines the last one is what became of it.
    for (std::size_t i = 0; i + 1 < written.records.size();) {
        const Record& record = written.records[i];
        const Record& next = written.records[i + 1];
        if (record.collection != next.collection || record.id != next.id) {
            ++i;
            continue;
        }
        written.records.erase(written.records.begin() + static_cast<std::ptrdiff_t>(i));
        written.effects.erase(written.effects.begin() + static_cast<std::ptrdiff_t>(i));
    }
    return written;
}

}  // namespace taskstore::records
