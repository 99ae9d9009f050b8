// Files made shorter: each record's lines folded into one.

#include "plan_impl.hpp"

#include <algorithm>

namespace taskstore::records {
namespace {

constexpr std::int64_t kLinesPerRecord = 4;
constexpr std::int64_t kLongBytes = 1 << 20;
/// Deleted records may wait for lines that the first round folds.
constexpr int kRounds = 2;

/// The file as it is, and after an earlier round.
void add_counts(const ledger::CompactCounts& more, ledger::CompactCounts& counts) {
    if (counts.lines_before == 0) {
        counts = more;
        return;
    }
    counts.lines_after = more.lines_after;
    counts.bytes_after = more.bytes_after;
    counts.folded += more.folded;
    counts.tombstones += more.tombstones;
    counts.tombstones_waiting = more.tombstones_waiting;
}

}  // namespace

Result<CompactReport> PlanImpl::compact(const CompactRequest& request) {
    const std::lock_guard db(x_db_mutex);
    CompactReport report;
    if (request.dry_run) {
        TASKSTORE_TRY(compact_files(request, report));
        return report;
    }
    auto guard = x_ledger.lock().acquire(x_ledger.lock_wait());
    if (!guard) return fail(cannot_write(guard.error()));
    Status status = compact_files(request, report);
    const bool changed = std::ranges::any_of(report.collections, &CompactReport::One::changed);
    // The files say what counts: a cache that fails now is built again by the next command.
    if (changed || !status) {
        x_checked_boot_ns = 0;
        if (auto brought = bring_up_locked(cached_state()); !brought) {
            take_cache_away();
            report.notes.push_back("the files are compacted, but the cache stayed behind (" +
                                   brought.error().message + "); the next command builds it again");
        }
    }
    if (!status) return fail(cannot_write(status.error()));
    return report;
}

Status PlanImpl::compact_files(const CompactRequest& request, CompactReport& report) {
    TASKSTORE_LET(const auto collections, x_ledger.collections());
    const auto committed_of = [&](const std::string& collection) -> const ledger::LineSet* {
        static const ledger::LineSet kNothing;
        if (request.without_git) return nullptr;
        const auto found = request.committed.find(collection);
        return found == request.committed.end() ? &kNothing : &found->second;
    };
    // Batches reach over files: what counts in one may hang on a line of another.
    ledger::BatchPlaces batches;
    constexpr std::size_t kFileBytesMax = std::size_t{1} << 40U;
    for (const std::string& collection : collections) {
        TASKSTORE_LET(const std::string text,
                      os::read_file(x_files, x_ledger.path_of(collection), kFileBytesMax));
        batches.read(text, shape_of(collection), committed_of(collection));
        report.collections.push_back({collection, {}, false});
    }
    bool again = true;
    for (int round = 0; round < kRounds && again; ++round) {
        again = false;
        std::int64_t done = 0;
        for (CompactReport::One& one : report.collections) {
            if (x_options.progress)
                x_options.progress("compacting", done,
                                   static_cast<std::int64_t>(report.collections.size()));
            ++done;
            if (round > 0 && one.counts.tombstones_waiting == 0) continue;
            TASKSTORE_LET(const bool changed, compact_file(request, one, batches, report.notes));
            one.changed = one.changed || changed;
        }
        const bool changed = std::ranges::any_of(report.collections, &CompactReport::One::changed);
        for (const CompactReport::One& one : report.collections)
            again = again || (changed && !request.dry_run && one.counts.tombstones_waiting > 0);
    }
    std::erase_if(report.collections,
                  [](const CompactReport::One& one) { return one.counts.lines_before == 0; });
    return ok();
}

Result<bool> PlanImpl::compact_file(const CompactRequest& request, CompactReport::One& one,
                                    ledger::BatchPlaces& batches, std::vector<std::string>& notes) {
    static const ledger::LineSet kNothing;
    const auto found = request.committed.find(one.collection);
    const ledger::CompactOptions options{.shape = shape_of(one.collection),
                                         .horizon_ms = x_clock.wall_ms() - request.horizon_ms,
                                         .committed = request.without_git ? nullptr
                                                      : found == request.committed.end()
                                                          ? &kNothing
                                                          : &found->second,
                                         .batches = &batches};
    std::map<std::string, std::int64_t> gone;
    ledger::CompactCounts counts;
    const auto make = [&](std::string_view content,
                          const ledger::LedgerFolder::Put& put) -> Result<bool> {
        const ledger::Compaction compaction(content, options);
        counts = compaction.counts();
        if (!compaction.changes() || request.dry_run) return false;
        gone = compaction.gone_of_batches();
        TASKSTORE_TRY(compaction.write(put));
        return true;
    };
    if (request.dry_run) {
        constexpr std::size_t kFileBytesMax = std::size_t{1} << 40U;
        TASKSTORE_LET(const std::string text,
                      os::read_file(x_files, x_ledger.path_of(one.collection), kFileBytesMax));
        TASKSTORE_TRY(make(text, {}));
        add_counts(counts, one.counts);
        return one.counts.bytes_after != one.counts.bytes_before;
    }
    TASKSTORE_LET(const auto rewritten, x_ledger.rewrite(one.collection, make));
    add_counts(counts, one.counts);
    for (const auto& [batch, lines] : gone) batches.forget(batch, lines);
    for (const std::string& text : rewritten.notes) notes.push_back(text);
    return rewritten.done;
}

Result<std::vector<LongHistory>> PlanImpl::long_histories() {
    return read([&](sql::Connection& db) -> Result<std::vector<LongHistory>> {
        std::vector<LongHistory> out;
        TASKSTORE_LET(auto rows,
                      db.prepare("SELECT collection, size, live, (SELECT count(*) FROM "
                                 "taskstore_lines l WHERE l.pos>=f.file*1099511627776 AND "
                                 "l.pos<(f.file+1)*1099511627776), (SELECT count(*) FROM "
                                 "taskstore_dead d WHERE d.collection=f.collection) FROM "
                                 "taskstore_files f WHERE size>?1 ORDER BY 1"));
        TASKSTORE_TRY(rows->bind(1, kLongBytes));
        while (true) {
            TASKSTORE_LET(const bool row, rows->step());
            if (!row) return out;
            LongHistory one{std::string(rows->column_text(0)), rows->column_int64(3),
                            rows->column_int64(2) + rows->column_int64(4), rows->column_int64(1)};
            if (one.lines > kLinesPerRecord * one.records) out.push_back(std::move(one));
        }
    });
}

}  // namespace taskstore::records
