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
            TASKSTORE_LET(const FileRow row, cache.file_row(collection));
            const auto info = x_files.info(x_ledger.path_of(collection));
            moved = row.number != 0 && !(info && info->identity == row.identity);
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
    std::vector<Version> versions;
    ledger::State before;
    for (std::size_t i = 0; i < own.lines.size(); ++i) {
        if (i % 64 == 63 && x_options.progress) {
            x_options.progress("folding versions", static_cast<std::int64_t>(i),
                               static_cast<std::int64_t>(own.lines.size()));
        }
        const ledger::Line& line = own.lines[i];
        const ledger::State after = ledger::fold(shape, std::span(own.lines).first(i + 1));
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
        if (!version.live && !line.tombstone) {
            version.action = "lost";
            for (const ledger::LostValue& lost : after.lost) {
                if (lost.stamp != line.at) continue;
                version.changed.push_back(lost.name + ": " + shown(lost.raw_value) +
                                          " lost to the deletion");
                version.changed_members.push_back(lost.name);
            }
        }
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
        version.data = ledger::to_record_text(after);
        if (line.batch) version.batch = line.batch->id;
        versions.push_back(std::move(version));
        before = after;
    }
    return versions;
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

/// What takes the record back to how it was before its last `count` versions; nothing where that is
/// how it is.
Result<std::optional<Write>> compensation(std::vector<Version> versions, std::size_t count) {
    // Edits that changed nothing, for the record was deleted, are not what somebody takes back.
    const std::string revision = versions.back().revision;
    while (versions.size() > 1 && versions.back().action == "lost") versions.pop_back();
    versions.back().revision = revision;
    const Version& last = versions.back();
    const bool live = last.live;
    const Version* then =
        count < versions.size() ? &versions[versions.size() - 1 - count] : nullptr;
    if (then != nullptr && !then->live) then = nullptr;
    Write write{.collection = last.collection, .id = last.id, .expected_revision = last.revision};
    write.check_references = false;
    write.verbatim = true;
    if (then == nullptr) {
        if (!live) return std::optional<Write>();
        write.kind = WriteKind::remove;
        return std::optional(std::move(write));
    }
    write.kind = live ? WriteKind::update : WriteKind::create;
    const ledger::Shape shape = shape_of(last.collection);
    Slice before;
    Slice now;
    TASKSTORE_TRY(slice(*then, before));
    TASKSTORE_TRY(slice(last, now));
    for (const JsonMember& member : before.members) {
        if (!ledger::is_frame_member(shape, member.name) &&
            now.raw_of(member.name) != member.raw_value)
            write.changes.push_back({std::string(member.name), std::string(member.raw_value)});
    }
    for (const JsonMember& member : now.members) {
        if (!ledger::is_frame_member(shape, member.name) && before.raw_of(member.name).empty())
            write.changes.push_back({std::string(member.name), ""});
    }
    return std::optional(std::move(write));
}

std::string all_ids(const Catalogue& catalogue, std::string_view columns) {
    std::string sql = "SELECT collection, id, " + std::string(columns) + " FROM records";
    for (const Kind& kind : catalogue.kinds())
        sql += " UNION ALL SELECT '" + std::string(kind.collection) + "', id, " +
               std::string(columns) + " FROM " + table_of(&kind);
    return sql;
}

}  // namespace

/// The record that this replica changed last: what others did and git brought is not taken back
/// unasked.
Result<Found> PlanImpl::last_own_change() {
    return read([&](sql::Connection& db, const Catalogue& catalogue) -> Result<Found> {
        const std::string ours = "@" + x_replica->id();
        Found found;
        Stamp latest;
        const auto consider = [&](sql::Statement& row, std::string_view revision) {
            if (!revision.ends_with(ours)) return;
            auto stamp = parse_stamp(revision);
            if (!stamp || (!found.id.empty() && *stamp < latest)) return;
            latest = std::move(*stamp);
            found = {std::string(row.column_text(0)), std::string(row.column_text(1)), {}};
        };
        {
            TASKSTORE_LET(auto rows, db.prepare(all_ids(catalogue, "revision")));
            while (true) {
                TASKSTORE_LET(const bool row, rows->step());
                if (!row) break;
                consider(*rows, rows->column_text(2));
            }
        }
        TASKSTORE_LET(auto rows, db.prepare("SELECT collection, id, stamps FROM taskstore_dead "
                                            "WHERE stamps<>''"));
        while (true) {
            TASKSTORE_LET(const bool row, rows->step());
            if (!row) break;
            const auto stamps = Json::parse(rows->column_text(2));
            if (stamps) consider(*rows, stamps->get("at").as_string().value_or(""));
        }
        if (found.id.empty())
            return fail(Code::not_found, "nothing was changed here: there is nothing to take back")
                .with_hint("name a record to take back its last change, whoever made it");
        return found;
    });
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

Result<Written> PlanImpl::undo(std::string_view collection, std::string_view id) {
    Found one{std::string(collection), std::string(id), {}};
    std::string batch;
    if (id.empty()) {
        TASKSTORE_LET(one, last_own_change());
        TASKSTORE_LET(const auto versions, history(one.collection, one.id));
        if (versions.back().action == "lost")
            return fail(Code::conflict,
                        "the last change here, of '" + one.id +
                            "', lost to its deletion: there is nothing to take back")
                .with_hint("'taskstore undo " + one.id + "' takes the deletion back");
        batch = versions.back().batch;
    }
    std::vector<Found> records{one};
    if (!batch.empty()) {
        TASKSTORE_LET(records, records_of_batch(batch));
    }
    std::vector<Write> writes;
    for (const Found& record : records) {
        TASKSTORE_LET(const auto versions, history(record.collection, record.id));
        std::size_t count = 1;
        if (!batch.empty()) {
            const auto of_batch = [&](const Version& version) { return version.batch == batch; };
            const auto later =
                std::ranges::find_if_not(versions.rbegin(), versions.rend(), of_batch);
            count = static_cast<std::size_t>(later - versions.rbegin());
            if (count == 0 || std::any_of(later, versions.rend(), of_batch))
                return fail(Code::conflict,
                            "'" + record.id +
                                "' was changed again since the batch that would be taken back")
                    .with_hint("take back single records: taskstore undo ID");
        }
        TASKSTORE_LET(auto write, compensation(versions, count));
        if (write) writes.push_back(std::move(*write));
    }
    if (writes.empty()) return fail(Code::not_found, "there is no earlier version to go back to");
    return this->write(std::move(writes));
}

}  // namespace taskstore::records
