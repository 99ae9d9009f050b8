// Opening and syncing a plan.

#include "plan_impl.hpp"

#include <taskstore/base/text.hpp>

#include <algorithm>
#include <set>
#include <utility>

namespace taskstore::records {
Result<std::unique_ptr<Plan>> Plan::open(os::FileSystem& files, sql::Driver& driver,
                                         const Clock& clock, Random& random, PlanOptions options) {
    auto plan = std::make_unique<PlanImpl>(files, driver, clock, random, std::move(options));
    TASKSTORE_TRY(plan->start());
    return std::unique_ptr<Plan>(std::move(plan));
}

Result<Record> Plan::create(std::string_view collection, std::vector<ledger::Change> changes,
                            std::string id) {
    TASKSTORE_LET(Written written, write({Write{.kind = WriteKind::create,
                                                .collection = std::string(collection),
                                                .id = std::move(id),
                                                .changes = std::move(changes)}}));
    return std::move(written.records[0]);
}
Result<Record> Plan::update(std::string_view collection, std::string_view id,
                            std::vector<ledger::Change> changes, std::string expected_revision) {
    TASKSTORE_LET(Written written,
                  write({Write{.kind = WriteKind::update,
                               .collection = std::string(collection),
                               .id = std::string(id),
                               .changes = std::move(changes),
                               .expected_revision = std::move(expected_revision)}}));
    return std::move(written.records[0]);
}
Result<Record> Plan::remove(std::string_view collection, std::string_view id) {
    TASKSTORE_LET(Written written, write({Write{.kind = WriteKind::remove,
                                                .collection = std::string(collection),
                                                .id = std::string(id)}}));
    return std::move(written.records[0]);
}

Result<std::string> list_sql_for_testing(const Query& query) {
    TASKSTORE_LET(const SelectSql select, select_sql(query));
    return select.text;
}

PlanImpl::PlanImpl(os::FileSystem& files, sql::Driver& driver, const Clock& clock, Random& random,
                   PlanOptions options)
    : x_files(files),
      x_driver(driver),
      x_clock(clock),
      x_options(std::move(options)),
      x_cache_path(os::join_path(x_options.folder, "store.db")),
      x_ledger(files, x_options.folder, clock),
      x_ids(clock, random) {
    // Minted ids and stamps share the random source of the caller.
    auto replica =
        ledger::Replica::open(files, clock, random, x_options.folder, x_options.replica_path);
    if (replica) x_replica = std::move(*replica);
}

void PlanImpl::note(std::string text) {
    const std::lock_guard lock(x_reader_mutex);
    x_notes.push_back(std::move(text));
}

std::vector<std::string> PlanImpl::take_notes() {
    const std::lock_guard lock(x_reader_mutex);
    return std::exchange(x_notes, {});
}

Status PlanImpl::start() {
    if (!x_replica)
        return fail(Code::not_found, "there is no store at '" + x_options.folder + "'")
            .with_hint("run 'taskstore init'");
    if (const auto version =
            os::read_file(x_files, os::join_path(x_options.folder, ".version"), 4096)) {
        const auto number = raw_to_int64(
            std::string_view(*version).substr(0, version->find_first_not_of("0123456789")));
        if (number && *number > 1) {
            return fail(Code::unsupported, "the store at '" + x_options.folder + "' has format " +
                                               std::to_string(*number) + ", this program knows 1")
                .with_hint("upgrade taskstore to open it");
        }
    }
    const std::lock_guard db(x_db_mutex);
    bool opened = false;
    TASKSTORE_TRY(open_cache(&opened));
    if (opened) {
        auto fresh = x_cache->is_fresh();
        if (fresh && *fresh) {
            x_checked_boot_ns = x_clock.boot_ns();
            return ok();
        }
    }
    SyncReport& report = x_taken_in;
    auto guard = x_ledger.lock().acquire();
    if (!guard && guard.error().code != Code::denied) return fail(guard.error());
    if (!guard || x_in_memory) {
        // I9: where nothing can be written the ledger is folded in memory, and the answers are the
        // same.
        x_in_memory = true;
        note("'" + x_options.folder +
             "' cannot be written: the ledger was read into memory for this command");
        sql::OpenOptions memory;
        memory.durability = sql::Durability::building;
        TASKSTORE_LET(x_db, x_driver.connect(":memory:", memory));
        TASKSTORE_TRY(x_db->execute(schema_tables()));
        TASKSTORE_TRY(x_db->execute(schema_indexes()));
        x_cache = std::make_unique<Cache>(*x_db, x_ledger, x_clock);
        TASKSTORE_LET(auto transaction, sql::Transaction::begin_write(*x_db));
        TASKSTORE_TRY(x_cache->take_in(report, x_options.progress));
        return transaction.commit();
    }
    // Somebody else may have built it while we waited for the lock.
    if (!opened || cache_was_replaced()) TASKSTORE_TRY(open_cache(&opened));
    auto status = opened ? refresh_locked(report) : rebuild_locked(report);
    x_checked_boot_ns = x_clock.boot_ns();
    return status;
}

Status PlanImpl::open_cache(bool* opened) {
    *opened = false;
    x_cache.reset();
    x_db.reset();
    {
        const std::lock_guard lock(x_reader_mutex);
        x_readers.clear();
        ++x_reader_age;
    }
    const auto info = x_files.info(x_cache_path);
    if (!info) return info.error().code == Code::not_found ? ok() : Status(fail(info.error()));
    if (info->kind == os::FileKind::directory)
        return fail(Code::failed, "'" + x_cache_path + "' is a folder; the cache is a file")
            .with_hint("move the folder away: the cache is built again from the ledger");
    sql::OpenOptions options;
    options.durability = sql::Durability::cache;
    options.checksums = true;
    options.create = false;
    auto connected = x_driver.connect(x_cache_path, options);
    if (!connected && connected.error().code == Code::denied) {
        options.read_only = true;
        connected = x_driver.connect(x_cache_path, options);
        if (!connected) {
            x_in_memory = true;
            return ok();
        }
    }
    const auto usable = [&]() -> Result<bool> {
        if (!connected) return fail(connected.error());
        TASKSTORE_LET(auto rows,
                      (*connected)->prepare("SELECT value FROM taskstore_meta WHERE key='schema'"));
        TASKSTORE_LET(const bool row, rows->step());
        return row && rows->column_text(0) == schema_version();
    }();
    if (!usable) {
        const Code code = usable.error().code;
        if (code == Code::unavailable || code == Code::failed) return fail(usable.error());
        note("store.db was damaged or not ours (" + usable.error().message +
             "): it was built again from the ledger");
        return ok();
    }
    if (!*usable) {
        note("store.db was made by another version: it was built again from the ledger");
        return ok();
    }
    x_db = std::move(*connected);
    x_cache = std::make_unique<Cache>(*x_db, x_ledger, x_clock);
    x_cache_identity = info->identity;
    *opened = true;
    return ok();
}

bool PlanImpl::cache_was_replaced() {
    if (x_in_memory) return false;
    if (!x_db) return true;
    const auto info = x_files.info(x_cache_path);
    return !info || info->identity.inode != x_cache_identity.inode ||
           info->identity.device != x_cache_identity.device ||
           info->identity.btime_ns != x_cache_identity.btime_ns;
}

Status PlanImpl::rebuild_locked(SyncReport& report) {
    report.rebuilt = true;
    x_cache.reset();
    x_db.reset();
    const std::string fresh = x_cache_path + ".new";
    for (const std::string& leftover :
         {fresh, fresh + "-journal", fresh + "-wal", fresh + "-shm"}) {
        if (auto removed = x_files.unlink(leftover);
            !removed && removed.error().code != Code::not_found)
            return removed;
    }
    {
        sql::OpenOptions options;
        options.durability = sql::Durability::building;
        options.checksums = true;
        TASKSTORE_LET(auto connection, x_driver.connect(fresh, options));
        Cache cache(*connection, x_ledger, x_clock);
        TASKSTORE_LET(auto transaction, sql::Transaction::begin_write(*connection));
        TASKSTORE_TRY(connection->execute(schema_tables()));
        TASKSTORE_TRY(cache.take_in_bulk(report, x_options.progress));
        TASKSTORE_LET(auto meta,
                      connection->prepare("INSERT INTO taskstore_meta VALUES ('schema', ?1)"));
        const std::string version = schema_version();
        TASKSTORE_TRY(meta->bind(1, std::string_view(version)));
        TASKSTORE_TRY(meta->run());
        meta.reset();
        TASKSTORE_TRY(transaction.commit());
    }
    {
        TASKSTORE_LET(auto file, x_files.open(fresh, os::OpenMode::read_write));
        TASKSTORE_TRY(file->sync_data());
    }
    // The log of the old database must be gone before the new one has its name: it would be
    // replayed into it. Nobody writes another in between, for whoever writes holds the ledger's
    // lock.
    for (const std::string& old : {x_cache_path + "-wal", x_cache_path + "-shm"}) {
        if (auto removed = x_files.unlink(old); !removed && removed.error().code != Code::not_found)
            return removed;
    }
    TASKSTORE_TRY(x_files.rename(fresh, x_cache_path));
    TASKSTORE_TRY(x_files.sync_directory(x_options.folder));
    bool opened = false;
    TASKSTORE_TRY(open_cache(&opened));
    if (!opened) return fail(Code::failed, "store.db was built but cannot be opened");
    return ok();
}

Status PlanImpl::refresh_locked(SyncReport& report) {
    // The transaction must be gone before a rebuild takes its connection away.
    const Status status = [&]() -> Status {
        TASKSTORE_LET(auto transaction, sql::Transaction::begin_write(*x_db));
        TASKSTORE_TRY(x_cache->take_in(report, x_options.progress));
        return transaction.commit();
    }();
    if (status || (status.error().code != Code::corrupt && status.error().code != Code::invalid &&
                   status.error().code != Code::conflict))
        return status;
    note("store.db was damaged (" + status.error().message +
         "): it was built again from the ledger");
    report = {};
    return rebuild_locked(report);
}

Result<SyncReport> PlanImpl::sync(bool rebuild) {
    const std::lock_guard db(x_db_mutex);
    SyncReport report = std::exchange(x_taken_in, {});
    if (x_in_memory) {
        TASKSTORE_TRY(count_up(report));
        report.notes = take_notes();
        return report;
    }
    TASKSTORE_LET(auto guard, x_ledger.lock().acquire());
    bool opened = x_db != nullptr;
    if (cache_was_replaced()) TASKSTORE_TRY(open_cache(&opened));
    if (rebuild || !opened)
        TASKSTORE_TRY(rebuild_locked(report));
    else
        TASKSTORE_TRY(refresh_locked(report));
    const auto settle = [&]() -> Status {
        bool rewritten = false;
        TASKSTORE_TRY(settle_markers_locked(report, &rewritten));
        if (rewritten) TASKSTORE_TRY(refresh_locked(report));
        return count_up(report);
    };
    auto settled = settle();
    if (!settled && settled.error().code == Code::corrupt) {
        // Damage of a part that nothing had to be taken into.
        note("store.db was damaged (" + settled.error().message +
             "): it was built again from the ledger");
        TASKSTORE_TRY(rebuild_locked(report));
        settled = settle();
    }
    TASKSTORE_TRY(settled);
    x_checked_boot_ns = x_clock.boot_ns();
    report.notes = take_notes();
    return report;
}

namespace {

/// A file with leftover merge markers: each block is settled or kept as it stands.
class MarkedFile {
  public:
    MarkedFile(std::string_view text, ledger::Shape shape, const std::set<std::string>& clashing)
        : x_text(text), x_decoder(std::move(shape)), x_clashing(clashing) {}

    void take(const ledger::ScannedLine& line) {
        using enum ledger::LineKind;
        const auto offset = static_cast<std::size_t>(line.offset);
        (x_inside ? x_block : x_clean) += x_text.substr(x_done, offset - x_done);  // blank lines
        const std::size_t lf = x_text.find('\n', offset);
        x_done = lf == std::string_view::npos ? x_text.size() : lf + 1;
        const std::string_view bytes = x_text.substr(offset, x_done - offset);
        if (line.kind == ours_marker) {
            close();
            x_inside = true;
        }
        if (!x_inside) {
            if (line.kind == record || line.kind == torn)
                x_clean += bytes;
            else
                ++x_settled;  // a marker without a block around it
            return;
        }
        x_block += bytes;
        if (line.kind == record && x_seen.insert(std::string(line.text)).second) {
            // A line that both sides hold is wanted once.
            x_lines += bytes;
            if (x_lines.back() != '\n') x_lines += '\n';
            const auto decoded = x_decoder.decode(line.text);
            if (decoded && x_clashing.contains(decoded->id)) x_clashes = true;
        } else if (line.kind == torn) {
            x_lines += bytes;
        }
        if (line.kind == theirs_marker) close();
    }
    /// The whole text without the blocks that are settled.
    std::string finish() {
        close();
        x_clean += x_text.substr(x_done);
        return std::move(x_clean);
    }
    int settled() const { return x_settled; }

  private:
    void close() {
        if (!x_inside) return;
        x_clean += x_clashes ? x_block : x_lines;
        if (!x_clashes) ++x_settled;
        x_block.clear();
        x_lines.clear();
        x_seen.clear();
        x_clashes = false;
        x_inside = false;
    }

    std::string_view x_text;
    ledger::LineDecoder x_decoder;
    const std::set<std::string>& x_clashing;
    std::string x_clean;
    std::string x_block;  ///< As it stands.
    std::string x_lines;  ///< Without its markers.
    std::set<std::string> x_seen;
    std::size_t x_done = 0;
    int x_settled = 0;
    bool x_inside = false;
    bool x_clashes = false;
};

}  // namespace

Status PlanImpl::settle_markers_locked(SyncReport& report, bool* rewritten) {
    std::map<std::string, std::set<std::string>> clashing;  // by collection that has markers
    for (const char* sql : {"SELECT DISTINCT collection, NULL FROM taskstore_damaged WHERE "
                            "what='merge_marker'",
                            "SELECT DISTINCT collection, id FROM taskstore_lost WHERE clash=1"}) {
        TASKSTORE_LET(auto rows, x_db->prepare(sql));
        while (true) {
            TASKSTORE_LET(const bool row, rows->step());
            if (!row) break;
            const std::string collection(rows->column_text(0));
            if (rows->is_null(1))
                clashing[collection];
            else if (const auto found = clashing.find(collection); found != clashing.end())
                found->second.emplace(rows->column_text(1));
        }
    }
    for (const auto& [collection, ids] : clashing) {
        const std::string path = x_ledger.path_of(collection);
        TASKSTORE_LET(auto file, x_files.open(path, os::OpenMode::read));
        TASKSTORE_LET(const os::FileInfo info, file->info());
        std::string text(static_cast<std::size_t>(info.identity.size), '\0');
        TASKSTORE_LET(const std::size_t got, file->read_at(0, text.data(), text.size()));
        text.resize(got);
        MarkedFile marked(text, shape_of(collection), ids);
        std::vector<ledger::Chunk> chunks;
        TASKSTORE_TRY(ledger::scan(*file, static_cast<std::int64_t>(got), {}, chunks,
                                   [&](const ledger::ScannedLine& line) {
                                       marked.take(line);
                                       return ok();
                                   }));
        const std::string clean = marked.finish();
        if (marked.settled() == 0) continue;
        // Whoever changed it meanwhile is read first; the markers wait for the next sync.
        const auto now = x_files.link_info(path);
        if (!now || now->identity != info.identity) continue;
        TASKSTORE_TRY(os::replace_file(x_files, path, clean, info.mode));
        report.notes.push_back(collection +
                               ".jsonl held leftover merge markers: both sides' lines "
                               "were kept, the rule decided, the markers are gone");
        note(report.notes.back());
        *rewritten = true;
    }
    return ok();
}

Status PlanImpl::count_up(SyncReport& report) {
    TASKSTORE_LET(
        report.damaged_lines,
        x_cache->number("SELECT count(*) FROM taskstore_damaged WHERE what='damaged_line'"));
    TASKSTORE_LET(report.incomplete_batches,
                  x_cache->number("SELECT count(*) FROM taskstore_batches WHERE complete=0"));
    TASKSTORE_LET(report.clashes,
                  x_cache->number("SELECT count(*) FROM taskstore_lost WHERE clash=1"));
    TASKSTORE_LET(report.records, x_cache->number("SELECT sum(live) FROM taskstore_files"));
    return ok();
}

Status PlanImpl::ensure_fresh() {
    if (x_in_memory) return ok();
    const std::int64_t now = x_clock.boot_ns();
    const auto recent = [&] {
        return x_checked_boot_ns != 0 && now - x_checked_boot_ns < kNoticeNs;
    };
    if (recent()) return ok();
    // Whoever holds the connection is writing or syncing, and looks at the files itself: a reader
    // does not wait for it.
    const std::unique_lock db(x_db_mutex, std::try_to_lock);
    if (!db.owns_lock() || recent()) return ok();
    bool opened = x_db != nullptr;
    if (cache_was_replaced()) TASKSTORE_TRY(open_cache(&opened));
    if (opened) {
        const auto fresh = x_cache->is_fresh();
        if (fresh && *fresh) {
            x_checked_boot_ns = now;
            return ok();
        }
    }
    TASKSTORE_LET(auto guard, x_ledger.lock().acquire());
    if (!opened) TASKSTORE_TRY(open_cache(&opened));
    TASKSTORE_TRY(opened ? refresh_locked(x_taken_in) : rebuild_locked(x_taken_in));
    x_checked_boot_ns = now;
    return ok();
}

Result<std::unique_ptr<sql::Connection>> PlanImpl::reader() {
    {
        const std::lock_guard lock(x_reader_mutex);
        if (!x_readers.empty()) {
            auto connection = std::move(x_readers.back());
            x_readers.pop_back();
            return connection;
        }
    }
    sql::OpenOptions options;
    options.durability = sql::Durability::cache;
    options.checksums = true;
    options.read_only = true;
    options.create = false;
    return x_driver.connect(x_cache_path, options);
}

}  // namespace taskstore::records
