// The way back: what a change did is taken back by a new line.

#include "plan_impl.hpp"

#include <algorithm>
#include <span>

namespace taskstore::records {
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

bool has_written(const Past& version, std::string_view member) {
    return std::ranges::find(version.written, member) != version.written.end();
}

/// Only the members that the change wrote go back, so it must have been an edit, and what came
/// `since` must have written others.
Status check_apart(const Write& write, const Version& newest, std::span<const Past> since) {
    std::string who;
    bool apart = write.kind == WriteKind::update && !write.changes.empty() && newest.live;
    for (const Past& one : since) {
        const std::string by = one.version.by.empty() ? "somebody" : one.version.by;
        if (!one.ours && (", " + who + ",").find(", " + by + ",") == std::string::npos)
            who += (who.empty() ? "" : ", ") + by;
        apart = apart && (one.version.action == "changed" || one.version.action == "lost") &&
                std::ranges::none_of(write.changes, [&](const ledger::Change& change) {
                    return has_written(one, change.name);
                });
    }
    return apart ? ok() : Status(changed_since(newest.id, who.empty() ? "somebody" : who));
}

/// What was listed before the change and is settled now, by the change alone.
std::vector<ledger::LostValue> settled_by(const std::vector<Stamp>& change, const Past& before,
                                          std::span<const Past> since, const Past& newest) {
    std::vector<ledger::LostValue> settled;
    for (const ledger::LostValue& lost : before.lost) {
        const auto same = [&](const ledger::LostValue& other) {
            return other.name == lost.name && other.stamp == lost.stamp;
        };
        const auto decided = [&](const Past& one) { return has_written(one, lost.name); };
        const bool taken_back = std::ranges::find(change, lost.stamp) != change.end();
        if (!taken_back && std::ranges::none_of(since, decided) &&
            std::ranges::none_of(newest.lost, same))
            settled.push_back(lost);
    }
    return settled;
}

std::string all_ids(const Catalogue& catalogue, std::string_view columns) {
    std::string sql = "SELECT collection, id, " + std::string(columns) + " FROM records";
    for (const Kind& kind : catalogue.kinds())
        sql += " UNION ALL SELECT '" + std::string(kind.collection) + "', id, " +
               std::string(columns) + " FROM " + table_of(&kind);
    return sql;
}

}  // namespace

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
    if (std::ranges::any_of(std::span(past).subspan(first, count), &Past::folded))
        return fail(Code::not_found, "the last change of '" + newest.id +
                                         "' is in the line that a compaction made of its history: "
                                         "what stood before it is in git alone")
            .with_hint("look it up with 'git log -p -- " + std::string(newest.collection) +
                       ".jsonl' in the store's folder, then set the members to what they were");
    Write write{
        .collection = newest.collection, .id = newest.id, .expected_revision = newest.revision};
    write.check_references = false;
    write.verbatim = true;
    write.settles_only.emplace();
    for (std::size_t i = first; i < first + count; ++i) {
        if (const auto stamp = parse_stamp(past[i].version.stamp))
            write.settles_only->push_back(*stamp);
    }
    const auto since = std::span<const Past>(past).subspan(first + count);
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
    if (later) TASKSTORE_TRY(check_apart(write, newest, since));
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
    if (then != nullptr)
        settled = settled_by(*write.settles_only, *then, later ? since : std::span<const Past>(),
                             past.back());
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
