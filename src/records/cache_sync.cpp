#include "cache.hpp"

#include <taskstore/base/hash.hpp>
#include <taskstore/base/text.hpp>

#include <algorithm>

namespace taskstore::records {
namespace {

constexpr std::int64_t kRacyMs = 100;  // coarser than any kernel's clock tick

/// 64-bit hashes, 16 bytes an entry at most; what is not in it has not been seen.
class HashSet {
  public:
    bool insert(std::uint64_t hash) {
        if (hash == 0) hash = 1;
        if ((x_count + 1) * 2 > x_slots.size()) grow();
        std::uint64_t& slot = find(hash);
        if (slot == hash) return false;
        slot = hash;
        ++x_count;
        return true;
    }

  private:
    std::uint64_t& find(std::uint64_t hash) {
        std::size_t at = hash & (x_slots.size() - 1);
        while (x_slots[at] != 0 && x_slots[at] != hash) at = (at + 1) & (x_slots.size() - 1);
        return x_slots[at];
    }
    void grow() {
        std::vector<std::uint64_t> old(std::max<std::size_t>(1024, x_slots.size() * 2));
        old.swap(x_slots);
        for (const std::uint64_t hash : old) {
            if (hash != 0) find(hash) = hash;
        }
    }
    std::vector<std::uint64_t> x_slots;
    std::size_t x_count = 0;
};

/// The record's text and its stamps' text; `data` stays empty where the line must be folded for it.
struct Split {
    std::string data;
    std::string stamps;
};

Split split_of(const ledger::Line& line) {
    if (!line.stamped && line.text.find("\"_stamps\"") == std::string_view::npos)
        return {std::string(line.text), {}};
    if (!line.stamped) return {};
    const auto [record, stamps] = ledger::split_line(line.text);
    if (record.empty()) return {};
    return {std::string(record) + "}", std::string(stamps)};
}

}  // namespace

struct Cache::Pass {
    std::string collection;
    FileRow file;
    std::vector<ledger::Chunk> chunks;
    ledger::LineDecoder decoder;
    bool empty_before =
        false;  ///< Nothing of the collection was there: ids need no look-up until one repeats.
    HashSet seen;
    SyncReport* report = nullptr;
    std::function<void(std::int64_t)> progress;
};

Result<bool> Cache::is_fresh() {
    TASKSTORE_LET(auto collections, x_ledger.collections());
    TASKSTORE_LET(const std::int64_t known, number("SELECT count(*) FROM taskstore_files"));
    if (known != static_cast<std::int64_t>(collections.size())) return false;
    for (const std::string& collection : collections) {
        TASKSTORE_LET(const FileRow row, file_row(collection));
        TASKSTORE_LET(const os::FileInfo info, x_ledger.files().info(x_ledger.path_of(collection)));
        if (row.racy || !(row.identity == info.identity)) return false;
    }
    return true;
}

Result<os::File*> Cache::file_of(std::string_view collection) {
    auto& file = x_open[std::string(collection)];
    if (!file) {
        TASKSTORE_LET(file,
                      x_ledger.files().open(x_ledger.path_of(collection), os::OpenMode::read));
    }
    return file.get();
}

Status Cache::take_in(
    SyncReport& report,
    const std::function<void(std::string_view, std::int64_t, std::int64_t)>& progress) {
    TASKSTORE_TRY(read_files(report, progress));
    return refold_all();
}

Status Cache::take_in_bulk(
    SyncReport& report,
    const std::function<void(std::string_view, std::int64_t, std::int64_t)>& progress) {
    TASKSTORE_TRY(read_files(report, progress));
    // Sorted once, indexes cost less than kept up row by row; folding repeated ids needs those of
    // the lines.
    TASKSTORE_TRY(x_db.execute(schema_indexes(*x_catalogue)));
    return refold_all();
}

Status Cache::read_files(
    SyncReport& report,
    const std::function<void(std::string_view, std::int64_t, std::int64_t)>& progress) {
    x_open.clear();
    x_refold.clear();
    x_touched_batches.clear();
    x_live.clear();
    // Counted on from here, before anything is cut: a rid that a cut frees waits for its refold and
    // must not go to another record meanwhile.
    TASKSTORE_LET(x_next_rid, number("SELECT max(rid) FROM taskstore_lines"));
    TASKSTORE_LET(auto collections, x_ledger.collections());
    std::vector<std::string> gone;
    {
        TASKSTORE_LET(auto rows, x_db.prepare("SELECT collection FROM taskstore_files"));
        while (true) {
            TASKSTORE_LET(const bool row, rows->step());
            if (!row) break;
            if (std::ranges::find(collections, rows->column_text(0)) == collections.end())
                gone.emplace_back(rows->column_text(0));
        }
    }
    for (const std::string& collection : gone) {
        ++report.files_changed;
        TASKSTORE_TRY(forget_file(collection));
    }
    std::int64_t total = 0;
    for (const std::string& collection : collections) {
        if (const auto info = x_ledger.files().info(x_ledger.path_of(collection)))
            total += info->identity.size;
    }
    std::int64_t done = 0;
    for (const std::string& collection : collections) {
        TASKSTORE_TRY(take_in_file(collection, report, [&](std::int64_t offset) {
            if (progress) progress("sync", done + offset, total);
        }));
        if (const auto info = x_ledger.files().info(x_ledger.path_of(collection)))
            done += info->identity.size;
    }
    return ok();
}

Status Cache::refold_all() {
    TASKSTORE_TRY(settle_batches());
    while (!x_refold.empty()) {
        const auto [collection, rid] = *x_refold.begin();
        x_refold.erase(x_refold.begin());
        TASKSTORE_TRY(refold(collection, rid));
    }
    x_open.clear();
    return save_counts();
}

/// Forgets what stood in the file from `offset` on, and notes what must be folded again.
Status Cache::cut_lines(std::string_view collection, std::int64_t file, std::int64_t offset) {
    const std::int64_t first = file * kFileSpan;
    {
        TASKSTORE_LET(
            auto rows,
            x_db.prepare(
                "SELECT DISTINCT rid, batch FROM taskstore_lines WHERE pos>=?1 AND pos<?2"));
        TASKSTORE_TRY(rows->bind(1, first + offset));
        TASKSTORE_TRY(rows->bind(2, first + kFileSpan));
        while (true) {
            TASKSTORE_LET(const bool row, rows->step());
            if (!row) break;
            x_refold.emplace(collection, rows->column_int64(0));
            if (!rows->is_null(1)) x_touched_batches.insert(rows->column_int64(1));
        }
    }
    TASKSTORE_LET(auto cut, x_db.prepare("DELETE FROM taskstore_lines WHERE pos>=?1 AND pos<?2"));
    TASKSTORE_TRY(cut->bind(1, first + offset));
    TASKSTORE_TRY(cut->bind(2, first + kFileSpan));
    TASKSTORE_TRY(cut->run());
    TASKSTORE_LET(auto places, x_db.prepare("DELETE FROM taskstore_places WHERE pos>=?1 AND pos<?2 "
                                            "RETURNING batch"));
    TASKSTORE_TRY(places->bind(1, first + offset));
    TASKSTORE_TRY(places->bind(2, first + kFileSpan));
    while (true) {
        TASKSTORE_LET(const bool row, places->step());
        if (!row) break;
        x_touched_batches.insert(places->column_int64(0));
    }
    TASKSTORE_LET(auto damaged,
                  x_db.prepare("DELETE FROM taskstore_damaged WHERE collection=?1 AND offset>=?2 "
                               "RETURNING batch"));
    TASKSTORE_TRY(damaged->bind(1, collection));
    TASKSTORE_TRY(damaged->bind(2, offset));
    while (true) {
        TASKSTORE_LET(const bool row, damaged->step());
        if (!row) return ok();
        if (!damaged->is_null(0)) x_touched_batches.insert(damaged->column_int64(0));
    }
}

Status Cache::forget_file(std::string_view collection) {
    TASKSTORE_LET(const FileRow file, file_row(collection));
    TASKSTORE_TRY(cut_lines(collection, file.number, 0));
    for (const char* sql : {"DELETE FROM taskstore_chunks WHERE file=?1",
                            "DELETE FROM taskstore_files WHERE file=?1"}) {
        TASKSTORE_LET(auto statement, x_db.prepare(sql));
        TASKSTORE_TRY(statement->bind(1, file.number));
        TASKSTORE_TRY(statement->run());
    }
    return ok();
}

Status Cache::take_in_file(std::string_view collection, SyncReport& report,
                           const std::function<void(std::int64_t)>& progress) {
    Pass pass;
    pass.collection = collection;
    pass.decoder = ledger::LineDecoder(shape_of(collection));
    pass.report = &report;
    pass.progress = progress;
    TASKSTORE_LET(pass.file, file_row(collection));
    const auto opened = file_of(collection);
    // Taken away since the folder was listed.
    if (!opened && opened.error().code == Code::not_found)
        return pass.file.number == 0 ? ok() : forget_file(collection);
    if (!opened) return fail(opened.error());
    os::File* const file = *opened;
    TASKSTORE_LET(const os::FileInfo info, file->info());
    if (pass.file.number != 0 && !pass.file.racy && pass.file.identity == info.identity)
        return ok();
    if (pass.file.number == 0) {
        TASKSTORE_LET(const std::int64_t last, number("SELECT max(file) FROM taskstore_files"));
        pass.file.number = last + 1;
        pass.empty_before = true;
    }
    const std::int64_t size = info.identity.size;
    TASKSTORE_LET(pass.chunks, chunks_of(pass.file.number));
    const std::int64_t seen_size = pass.file.identity.size;
    TASKSTORE_LET(const ledger::ScanStart start,
                  ledger::first_difference(*file, size, seen_size, pass.chunks));
    pass.file.identity = info.identity;
    pass.file.racy = x_clock.wall_ms() - info.identity.ctime_ns / 1'000'000 < kRacyMs;
    if (start.offset == size && size == seen_size && size != 0 && !pass.chunks.empty())
        return save_file(collection, pass.file);

    ++report.files_changed;
    if (!pass.empty_before) TASKSTORE_TRY(cut_lines(collection, pass.file.number, start.offset));
    TASKSTORE_TRY(
        ledger::scan(*file, size, start, pass.chunks,
                     [&](const ledger::ScannedLine& line) { return take_line(pass, line); }));
    TASKSTORE_TRY(save_chunks(pass.file, pass.chunks));
    return save_file(collection, pass.file);
}

Status Cache::take_line(Pass& pass, const ledger::ScannedLine& scanned) {
    ++pass.report->lines_read;
    if (pass.report->lines_read % 4096 == 0) pass.progress(scanned.offset);
    const auto quarantine = [&](std::string_view what, std::size_t column,
                                const std::string& reason) -> Status {
        TASKSTORE_LET(
            auto insert,
            x_db.prepare("INSERT INTO taskstore_damaged VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9)"));
        // Foreign bytes are kept for a person to look at: what is not UTF-8 shows as '?'.
        std::string raw(cut_utf8(scanned.text, 4096));
        while (const auto bad = first_invalid_utf8(raw)) raw[*bad] = '?';
        std::ranges::replace(raw, '\0', '?');
        TASKSTORE_TRY(insert->bind(1, std::string_view(pass.collection)));
        TASKSTORE_TRY(insert->bind(2, scanned.number));
        TASKSTORE_TRY(insert->bind(3, scanned.offset));
        TASKSTORE_TRY(insert->bind(4, static_cast<std::int64_t>(column + 1)));
        TASKSTORE_TRY(insert->bind(5, what));
        TASKSTORE_TRY(insert->bind(6, std::string_view(reason)));
        TASKSTORE_TRY(insert->bind(7, std::string_view(raw)));
        // The rest of its batch counts without it.
        const auto place = what == "damaged_line" ? ledger::batch_of_damaged(scanned.text)
                                                  : std::optional<ledger::Batch>();
        if (place) {
            TASKSTORE_LET(const std::int64_t batch, add_batch(place->id, place->count, true));
            x_touched_batches.insert(batch);
            TASKSTORE_TRY(insert->bind(8, batch));
            TASKSTORE_TRY(insert->bind(9, std::int64_t{place->number}));
        }
        return insert->run();
    };
    if (scanned.kind == ledger::LineKind::torn)
        return quarantine("torn_tail", 0,
                          "an append that did not finish: it was never acknowledged");
    if (scanned.kind != ledger::LineKind::record)
        return quarantine("merge_marker", 0, "left over from a merge");
    const auto line = pass.decoder.decode(scanned.text);
    if (!line)
        return quarantine("damaged_line", pass.decoder.damage().offset,
                          pass.decoder.damage().reason);
    if (line->id.find('\0') != std::string::npos)
        return quarantine("damaged_line", 0, "the id holds U+0000");

    if (x_hlc != nullptr && line->stamped && line->at > x_latest &&
        x_hlc->observe(line->at, x_ahead_ms_max))
        x_latest = line->at;

    std::int64_t batch = 0;
    if (line->batch) {
        TASKSTORE_LET(batch, add_batch(line->batch->id, line->batch->count, true));
        x_touched_batches.insert(batch);
    }
    std::int64_t rid = 0;
    if (!pass.empty_before || !pass.seen.insert(xxh3_64(line->id))) {
        TASKSTORE_LET(rid, find_rid(pass.collection, line->id));
    }
    const std::int64_t pos = pass.file.number * kFileSpan + scanned.offset;
    const auto bytes = static_cast<std::int64_t>(scanned.text.size());
    if (line->was != nullptr) TASKSTORE_TRY(take_places(pos, *line->was));
    if (rid != 0) {
        x_refold.emplace(pass.collection, rid);
        return add_line(pos, rid, bytes, batch, line->batch ? line->batch->number : 0);
    }
    TASKSTORE_LET(rid, next_rid());
    TASKSTORE_TRY(add_line(pos, rid, bytes, batch, line->batch ? line->batch->number : 0));
    const Split split = split_of(*line);
    const bool plain = !line->tombstone && line->was == nullptr && line->lost.empty() &&
                       !split.data.empty() && (line->stamped || line->life == 0);
    if (plain && std::ranges::none_of(line->members, [](const ledger::Member& member) {
            return member.removed() && !member.over.empty();
        })) {
        return put_line(pass.collection, rid, *line, split.data, split.stamps);
    }
    return put(pass.collection, rid, ledger::fold(shape_of(pass.collection), std::span(&*line, 1)));
}

Status Cache::take_places(std::int64_t pos, const ledger::Folded& was) {
    for (const ledger::Batch& place : was.batches) {
        TASKSTORE_LET(const std::int64_t batch, add_batch(place.id, place.count, true));
        x_touched_batches.insert(batch);
        TASKSTORE_LET(auto insert,
                      x_db.prepare("INSERT OR IGNORE INTO taskstore_places VALUES (?1,?2,?3)"));
        TASKSTORE_TRY(insert->bind(1, pos));
        TASKSTORE_TRY(insert->bind(2, batch));
        TASKSTORE_TRY(insert->bind(3, std::int64_t{place.number}));
        TASKSTORE_TRY(insert->run());
    }
    return ok();
}

Status Cache::settle_batches() {
    for (const std::int64_t batch : x_touched_batches) {
        TASKSTORE_LET(
            auto state,
            x_db.prepare("SELECT n, complete, (SELECT count(*) FROM (SELECT k FROM taskstore_lines "
                         "WHERE batch=?1 UNION SELECT k FROM taskstore_damaged WHERE batch=?1 "
                         "UNION SELECT k FROM taskstore_places WHERE batch=?1)) "
                         "FROM taskstore_batches WHERE batch=?1"));
        TASKSTORE_TRY(state->bind(1, batch));
        TASKSTORE_LET(const bool row, state->step());
        if (!row) continue;
        if (state->column_int64(2) == 0) {
            state.reset();
            TASKSTORE_LET(auto gone, x_db.prepare("DELETE FROM taskstore_batches WHERE batch=?1"));
            TASKSTORE_TRY(gone->bind(1, batch));
            TASKSTORE_TRY(gone->run());
            continue;
        }
        const bool complete = state->column_int64(2) == state->column_int64(0);
        if (complete == (state->column_int64(1) != 0)) continue;
        state.reset();
        TASKSTORE_LET(auto update,
                      x_db.prepare("UPDATE taskstore_batches SET complete=?2 WHERE batch=?1"));
        TASKSTORE_TRY(update->bind(1, batch));
        TASKSTORE_TRY(update->bind(2, std::int64_t{complete ? 1 : 0}));
        TASKSTORE_TRY(update->run());
        TASKSTORE_LET(
            auto rows,
            x_db.prepare(
                "SELECT DISTINCT l.rid, f.collection FROM taskstore_lines l "
                "JOIN taskstore_files f ON f.file = l.pos / 1099511627776 WHERE l.batch=?1"));
        TASKSTORE_TRY(rows->bind(1, batch));
        while (true) {
            TASKSTORE_LET(const bool more, rows->step());
            if (!more) break;
            x_refold.emplace(std::string(rows->column_text(1)), rows->column_int64(0));
        }
    }
    return ok();
}

Result<std::vector<std::string>> Cache::lines_of(std::string_view collection, std::int64_t rid) {
    std::vector<std::string> texts;
    TASKSTORE_LET(
        auto rows,
        x_db.prepare("SELECT l.pos, l.bytes FROM taskstore_lines l LEFT JOIN taskstore_batches b "
                     "ON b.batch=l.batch "
                     "WHERE l.rid=?1 AND (l.batch IS NULL OR b.complete=1) ORDER BY l.pos"));
    TASKSTORE_TRY(rows->bind(1, rid));
    while (true) {
        TASKSTORE_LET(const bool row, rows->step());
        if (!row) return texts;
        TASKSTORE_LET(os::File* const file, file_of(collection));
        std::string text(static_cast<std::size_t>(rows->column_int64(1)), '\0');
        TASKSTORE_LET(const std::size_t got,
                      file->read_at(rows->column_int64(0) % kFileSpan, text.data(), text.size()));
        if (got != text.size())
            return fail(Code::corrupt, "the cache does not know the ledger that is there");
        texts.push_back(std::move(text));
    }
}

namespace {

/// The line is of another record than the cache says, or none.
Failure not_this_ledger() {
    return fail(Code::corrupt, "the cache does not know the ledger that is there");
}

}  // namespace

/// Empty: the cache holds nothing of the record.
Result<std::string> Cache::id_of(std::string_view collection, std::int64_t rid) {
    for (const std::string& sql :
         {"SELECT id FROM " + table_of(x_catalogue->find_collection(collection)) + " WHERE rid=?1",
          std::string("SELECT id FROM taskstore_dead WHERE rid=?1")}) {
        TASKSTORE_LET(auto rows, x_db.prepare(sql));
        TASKSTORE_TRY(rows->bind(1, rid));
        TASKSTORE_LET(const bool row, rows->step());
        if (row) return std::string(rows->column_text(0));
    }
    return std::string();
}

Status Cache::refold(std::string_view collection, std::int64_t rid) {
    TASKSTORE_LET(const auto texts, lines_of(collection, rid));
    TASKSTORE_LET(std::string id, id_of(collection, rid));
    if (texts.empty()) return put_waiting(collection, rid, id);
    std::vector<ledger::Line> lines;
    lines.reserve(texts.size());
    ledger::LineDecoder decoder(shape_of(collection));
    for (const std::string& text : texts) {
        auto line = decoder.decode(text);
        if (!line) return not_this_ledger();
        if (id.empty()) id = line->id;
        if (line->id != id) return not_this_ledger();
        lines.push_back(std::move(*line));
    }
    return put(collection, rid, ledger::fold(shape_of(collection), lines));
}

/// Nothing counts of the record now. If it has lines all the same, they wait for the rest of their
/// batch: its id must be found again, so that later lines join them.
Status Cache::put_waiting(std::string_view collection, std::int64_t rid, std::string_view id) {
    TASKSTORE_TRY(erase(collection, rid));
    TASKSTORE_LET(auto rows,
                  x_db.prepare("SELECT pos, bytes FROM taskstore_lines WHERE rid=?1 LIMIT 1"));
    TASKSTORE_TRY(rows->bind(1, rid));
    TASKSTORE_LET(const bool row, rows->step());
    if (!row) return ok();
    TASKSTORE_LET(os::File* const file, file_of(collection));
    std::string text(static_cast<std::size_t>(rows->column_int64(1)), '\0');
    TASKSTORE_TRY(file->read_at(rows->column_int64(0) % kFileSpan, text.data(), text.size()));
    ledger::LineDecoder decoder(shape_of(collection));
    const auto line = decoder.decode(text);
    if (!line || (!id.empty() && line->id != id)) return not_this_ledger();
    TASKSTORE_LET(auto insert, x_db.prepare("INSERT INTO taskstore_dead VALUES (?1,?2,?3,0,'')"));
    TASKSTORE_TRY(insert->bind(1, rid));
    TASKSTORE_TRY(insert->bind(2, collection));
    TASKSTORE_TRY(insert->bind(3, std::string_view(line->id)));
    return insert->run();
}

}  // namespace taskstore::records
