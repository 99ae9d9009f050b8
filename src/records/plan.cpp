// Opening, syncing and reading a plan.

#include "plan_impl.hpp"

#include <taskstore/base/hash.hpp>
#include <taskstore/base/text.hpp>

#include <algorithm>

namespace taskstore::records {
namespace {

Result<Record> record_of(std::string_view collection, sql::Statement& row) {
    return Record{std::string(collection), std::string(row.column_text(0)),
                  std::string(row.column_text(1)), std::string(row.column_text(2)),
                  row.column_int64(3)};
}

std::string shown(std::string_view raw) {
    const std::string text = kind_of_raw(raw) == JsonKind::string
                                 ? unescape_json(raw).value_or(std::string(raw))
                                 : std::string(raw);
    const std::string line = text.substr(0, text.find('\n'));
    return line.size() < text.size() || line.size() > 60 ? std::string(cut_utf8(line, 60)) + "…"
                                                         : line;
}

}  // namespace

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
    SyncReport report;
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
    sql::OpenOptions options;
    options.durability = sql::Durability::cache;
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
    auto transaction = sql::Transaction::begin_write(*x_db);
    Status status = transaction ? x_cache->take_in(report, x_options.progress)
                                : Status(fail(transaction.error()));
    if (status)
        status = transaction->commit();
    else if (transaction)
        x_db->rollback();
    if (status || (status.error().code != Code::corrupt && status.error().code != Code::invalid &&
                   status.error().code != Code::conflict))
        return status;
    note("store.db was damaged (" + status.error().message +
         "): it was built again from the ledger");
    report = {};
    return rebuild_locked(report);
}

Result<SyncReport> PlanImpl::sync(bool rebuild) {
    SyncReport report;
    if (x_in_memory) {
        TASKSTORE_TRY(count_up(report));
        report.notes = take_notes();
        return report;
    }
    const std::lock_guard db(x_db_mutex);
    TASKSTORE_LET(auto guard, x_ledger.lock().acquire());
    bool opened = x_db != nullptr;
    if (cache_was_replaced()) TASKSTORE_TRY(open_cache(&opened));
    if (rebuild || !opened)
        TASKSTORE_TRY(rebuild_locked(report));
    else
        TASKSTORE_TRY(refresh_locked(report));
    bool rewritten = false;
    TASKSTORE_TRY(settle_markers_locked(report, &rewritten));
    if (rewritten) TASKSTORE_TRY(refresh_locked(report));
    TASKSTORE_TRY(count_up(report));
    x_checked_boot_ns = x_clock.boot_ns();
    report.notes = take_notes();
    return report;
}

Status PlanImpl::settle_markers_locked(SyncReport& report, bool* rewritten) {
    std::vector<std::string> marked;
    {
        TASKSTORE_LET(
            auto rows,
            x_db->prepare(
                "SELECT DISTINCT collection FROM taskstore_damaged d WHERE what='merge_marker' AND "
                "NOT EXISTS "
                "(SELECT 1 FROM taskstore_lost l WHERE l.collection=d.collection AND l.clash=1)"));
        while (true) {
            TASKSTORE_LET(const bool row, rows->step());
            if (!row) break;
            marked.emplace_back(rows->column_text(0));
        }
    }
    for (const std::string& collection : marked) {
        const std::string path = x_ledger.path_of(collection);
        TASKSTORE_LET(auto file, x_files.open(path, os::OpenMode::read));
        TASKSTORE_LET(const os::FileInfo info, file->info());
        std::string clean;
        std::set<std::string> kept;
        bool inside = false;
        std::vector<ledger::Chunk> chunks;
        TASKSTORE_TRY(ledger::scan(
            *file, info.identity.size, {}, chunks, [&](const ledger::ScannedLine& line) {
                using enum ledger::LineKind;
                if (line.kind == ours_marker) inside = true;
                if (line.kind == theirs_marker) inside = false;
                // A line that both sides hold is wanted once.
                if (line.kind == record && (!inside || kept.insert(std::string(line.text)).second))
                    clean += std::string(line.text) + "\n";
                if (line.kind == torn) clean += line.text;
                return ok();
            }));
        TASKSTORE_TRY(os::replace_file(x_files, path, clean, info.mode));
        report.notes.push_back(collection +
                               ".jsonl held leftover merge markers: both sides' lines were kept, "
                               "the rule decided, the markers are gone");
        note(report.notes.back());
        *rewritten = true;
    }
    return ok();
}

Status PlanImpl::count_up(SyncReport& report) {
    report.damaged_lines =
        *x_cache->number("SELECT count(*) FROM taskstore_damaged WHERE what='damaged_line'");
    report.incomplete_batches =
        *x_cache->number("SELECT count(*) FROM taskstore_batches WHERE complete=0");
    report.clashes = *x_cache->number("SELECT count(*) FROM taskstore_lost WHERE clash=1");
    std::string sql = "SELECT (SELECT count(*) FROM records)";
    for (const Kind& kind : kinds())
        sql += "+(SELECT count(*) FROM " + std::string(kind.collection) + ")";
    TASKSTORE_LET(report.records, x_cache->number(sql));
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
    SyncReport report;
    if (!opened) TASKSTORE_TRY(open_cache(&opened));
    TASKSTORE_TRY(opened ? refresh_locked(report) : rebuild_locked(report));
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
    options.read_only = true;
    options.create = false;
    return x_driver.connect(x_cache_path, options);
}

template <typename Work>
auto PlanImpl::read(Work&& work) -> decltype(work(std::declval<sql::Connection&>())) {
    for (int attempt = 0;; ++attempt) {
        TASKSTORE_TRY(ensure_fresh());
        if (x_in_memory) {
            const std::lock_guard db(x_db_mutex);
            return work(*x_db);
        }
        std::int64_t age = 0;
        {
            const std::lock_guard lock(x_reader_mutex);
            age = x_reader_age;
        }
        TASKSTORE_LET(auto connection, reader());
        auto answer = work(*connection);
        if (answer || attempt > 0 ||
            (answer.error().code != Code::corrupt && answer.error().code != Code::failed)) {
            const std::lock_guard lock(x_reader_mutex);
            if (answer && age == x_reader_age && x_readers.size() < 4)
                x_readers.push_back(std::move(connection));
            return answer;
        }
        // The cache broke under the read: it can always be had again.
        connection.reset();
        TASKSTORE_TRY(sync(true));
        note("store.db was damaged: it was built again from the ledger");
    }
}

Result<Record> PlanImpl::get(std::string_view collection, std::string_view id) {
    const Kind* kind = find_kind(collection);
    return read([&](sql::Connection& db) -> Result<Record> {
        TASKSTORE_LET(
            auto rows,
            db.prepare("SELECT id,data,revision,updated_at FROM " + table_of(kind) +
                       (kind != nullptr ? " WHERE id=?1" : " WHERE id=?1 AND collection=?2")));
        TASKSTORE_TRY(rows->bind(1, id));
        if (kind == nullptr) TASKSTORE_TRY(rows->bind(2, collection));
        TASKSTORE_LET(const bool row, rows->step());
        if (!row) {
            return fail(Code::not_found,
                        "there is no " +
                            (kind != nullptr ? std::string(kind->noun) : std::string(collection)) +
                            " '" + std::string(id) + "'");
        }
        return record_of(collection, *rows);
    });
}

Result<std::string> PlanImpl::resolve(std::string_view collection, std::string_view part) {
    const Kind* kind = find_kind(collection);
    const std::string noun = kind != nullptr ? std::string(kind->noun) : std::string(collection);
    if (part.empty()) return fail(Code::invalid, "an id is needed");
    return read([&](sql::Connection& db) -> Result<std::string> {
        std::string from =
            " FROM " + table_of(kind) + " WHERE " + (kind == nullptr ? "collection=?2 AND " : "");
        std::vector<std::string> found;
        for (const std::string& sql :
             {"SELECT id" + from + "id=?1", "SELECT id" + from + "instr(id,?1)>0 LIMIT 6"}) {
            TASKSTORE_LET(auto rows, db.prepare(sql));
            TASKSTORE_TRY(rows->bind(1, part));
            if (kind == nullptr) TASKSTORE_TRY(rows->bind(2, collection));
            while (true) {
                TASKSTORE_LET(const bool row, rows->step());
                if (!row) break;
                found.emplace_back(rows->column_text(0));
            }
            if (found.size() == 1) return found[0];
        }
        if (found.empty()) {
            return fail(Code::not_found, "there is no " + noun + " '" + std::string(part) + "'")
                .with_hint("look at 'taskstore " + noun + " list'");
        }
        std::string list;
        for (const std::string& id : found) list += "\n  " + id;
        return fail(Code::conflict, "'" + std::string(part) + "' is part of more than one " + noun +
                                        "'s id:" + list)
            .with_hint("give more of the id");
    });
}

Result<std::vector<std::string>> PlanImpl::short_ids(std::string_view collection,
                                                     const std::vector<std::string>& ids) {
    const Kind* kind = find_kind(collection);
    return read([&](sql::Connection& db) -> Result<std::vector<std::string>> {
        std::vector<std::string> out;
        const std::string sql = "SELECT count(*) FROM (SELECT 1 FROM " + table_of(kind) +
                                " WHERE " + (kind == nullptr ? "collection=?2 AND " : "") +
                                "instr(id,?1)>0 LIMIT 2)";
        for (const std::string& id : ids) {
            std::string best = id;
            for (std::size_t length = 8; length < id.size() && id.size() > 12; length += 4) {
                const std::string part = id.substr(id.size() - length);
                if ((static_cast<unsigned char>(part[0]) & 0xC0U) == 0x80U) continue;
                TASKSTORE_LET(auto rows, db.prepare(sql));
                TASKSTORE_TRY(rows->bind(1, std::string_view(part)));
                if (kind == nullptr) TASKSTORE_TRY(rows->bind(2, collection));
                TASKSTORE_TRY(rows->step());
                if (rows->column_int64(0) == 1) {
                    best = part;
                    break;
                }
            }
            out.push_back(std::move(best));
        }
        return out;
    });
}

Result<Page> PlanImpl::list(const Query& query) {
    TASKSTORE_LET(const SelectSql select, select_sql(query));
    return read([&](sql::Connection& db) -> Result<Page> {
        TASKSTORE_LET(auto rows, db.prepare(select.text));
        for (std::size_t i = 0; i < select.parameters.size(); ++i) {
            TASKSTORE_TRY(rows->bind_value(static_cast<int>(i + 1), select.parameters[i]));
        }
        Page page;
        sql::Value last_key;
        while (true) {
            TASKSTORE_LET(const bool row, rows->step());
            if (!row) return page;
            if (query.limit > 0 && static_cast<std::int64_t>(page.records.size()) == query.limit) {
                page.next_cursor = make_cursor(query, select, last_key, page.records.back().id);
                return page;
            }
            TASKSTORE_LET(auto record, record_of(query.collection, *rows));
            page.records.push_back(std::move(record));
            last_key = rows->column_value(4);
        }
    });
}

Result<std::int64_t> PlanImpl::count(const Query& query) {
    TASKSTORE_LET(const SelectSql select, count_sql(query));
    return read([&](sql::Connection& db) -> Result<std::int64_t> {
        TASKSTORE_LET(auto rows, db.prepare(select.text));
        for (std::size_t i = 0; i < select.parameters.size(); ++i) {
            TASKSTORE_TRY(rows->bind_value(static_cast<int>(i + 1), select.parameters[i]));
        }
        TASKSTORE_TRY(rows->step());
        return rows->column_int64(0);
    });
}

Result<std::vector<std::pair<std::string, std::int64_t>>> PlanImpl::collections() {
    return read(
        [&](sql::Connection& db) -> Result<std::vector<std::pair<std::string, std::int64_t>>> {
            std::vector<std::pair<std::string, std::int64_t>> out;
            std::string sql;
            for (const Kind& kind : kinds()) {
                sql += (sql.empty() ? "SELECT '" : " UNION ALL SELECT '") +
                       std::string(kind.collection) + "', count(*) FROM " +
                       std::string(kind.collection);
            }
            sql +=
                " UNION ALL SELECT * FROM (SELECT f.collection, (SELECT count(*) FROM records r "
                "WHERE r.collection=f.collection) FROM taskstore_files f ORDER BY 1)";
            TASKSTORE_LET(auto rows, db.prepare(sql));
            while (true) {
                TASKSTORE_LET(const bool row, rows->step());
                if (!row) return out;
                const std::string name(rows->column_text(0));
                if (std::ranges::find(out, name, &std::pair<std::string, std::int64_t>::first) ==
                    out.end())
                    out.emplace_back(name, rows->column_int64(1));
            }
        });
}

Result<std::vector<std::pair<std::string, std::int64_t>>> PlanImpl::tally(
    std::string_view collection, std::string_view field) {
    const Kind* kind = find_kind(collection);
    return read(
        [&](sql::Connection& db) -> Result<std::vector<std::pair<std::string, std::int64_t>>> {
            const std::string column = column_of(kind, field);
            TASKSTORE_LET(auto rows,
                          db.prepare("SELECT " + column + ", count(*) FROM " + table_of(kind) +
                                     (kind == nullptr ? " WHERE collection=?1" : "") +
                                     " GROUP BY 1 ORDER BY 1"));
            if (kind == nullptr) TASKSTORE_TRY(rows->bind(1, collection));
            std::vector<std::pair<std::string, std::int64_t>> out;
            while (true) {
                TASKSTORE_LET(const bool row, rows->step());
                if (!row) return out;
                out.emplace_back(rows->column_text(0), rows->column_int64(1));
            }
        });
}

namespace {

struct Lines {
    std::vector<std::string> texts;
    std::vector<ledger::Line> lines;  ///< By stamp, oldest first.
};

}  // namespace

Result<std::vector<Version>> PlanImpl::history(std::string_view collection, std::string_view id) {
    TASKSTORE_TRY(ensure_fresh());
    Lines own;
    {
        const std::lock_guard db(x_db_mutex);
        std::optional<os::FileLock::Guard> guard;
        if (!x_in_memory) {
            TASKSTORE_LET(auto held, x_ledger.lock().acquire());
            guard.emplace(std::move(held));
            SyncReport report;
            TASKSTORE_LET(const bool fresh, x_cache->is_fresh());
            if (!fresh) TASKSTORE_TRY(refresh_locked(report));
        }
        TASKSTORE_LET(const StoredState stored, x_cache->load(collection, id));
        if (stored.rid == 0)
            return fail(Code::not_found, "nothing is known of '" + std::string(id) + "'");
        TASKSTORE_LET(own.texts, x_cache->lines_of(collection, stored.rid));
        if (own.texts.empty())
            return fail(Code::not_found,
                        "the lines of '" + std::string(id) + "' wait for the rest of their batch");
    }
    const ledger::Shape shape = shape_of(collection);
    ledger::LineDecoder decoder(shape);
    for (const std::string& text : own.texts) {
        TASKSTORE_LET(auto line, decoder.decode(text));
        own.lines.push_back(std::move(line));
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
        const ledger::Line& line = own.lines[i];
        const ledger::State after = ledger::fold(shape, std::span(own.lines).first(i + 1));
        Version version{std::string(collection),
                        std::string(id),
                        to_text(line.at),
                        line.by,
                        line.updated_at,
                        {},
                        {},
                        line.forced,
                        {}};
        version.action = line.tombstone                   ? "deleted"
                         : !before.live() && after.live() ? "created"
                                                          : "changed";
        if (!line.stamped && !line.tombstone)
            version.action = before.live() ? "changed" : "imported";
        for (const ledger::MemberState& member : after.members) {
            if (!before.live() || ledger::is_frame_member(shape, member.name)) continue;
            const ledger::MemberState* old = before.find(member.name);
            if (old != nullptr && old->raw_value == member.raw_value) continue;
            version.changed.push_back(member.name + ": " +
                                      (old == nullptr ? "–" : shown(old->raw_value)) + " → " +
                                      shown(member.raw_value));
        }
        for (const ledger::MemberState& member : before.members) {
            if (after.live() && after.find(member.name) == nullptr)
                version.changed.push_back(member.name + ": " + shown(member.raw_value) + " → –");
        }
        version.data = ledger::to_record_text(after);
        versions.push_back(std::move(version));
        before = after;
    }
    return versions;
}

Result<Written> PlanImpl::undo(std::string_view collection, std::string_view given_id) {
    std::string name(collection);
    std::string id(given_id);
    if (id.empty()) {
        std::string sql =
            "SELECT collection, id, updated_at u FROM taskstore_dead WHERE stamps<>'' UNION ALL "
            "SELECT collection, id, updated_at FROM records";
        for (const Kind& kind : kinds())
            sql += " UNION ALL SELECT '" + std::string(kind.collection) +
                   "', id, updated_at FROM " + std::string(kind.collection);
        TASKSTORE_TRY(read([&](sql::Connection& db) -> Status {
            TASKSTORE_LET(auto rows, db.prepare(sql + " ORDER BY u DESC LIMIT 1"));
            TASKSTORE_LET(const bool row, rows->step());
            if (!row) return fail(Code::not_found, "there is nothing to undo: the plan is empty");
            name = rows->column_text(0);
            id = rows->column_text(1);
            return ok();
        }));
    }
    TASKSTORE_LET(const auto versions, history(name, id));
    const Version& last = versions.back();
    Write write{.collection = name, .id = id, .force = true, .check_references = false};
    write.expected_revision = last.stamp;
    const ledger::Shape shape = shape_of(name);
    const Kind* kind = find_kind(name);
    JsonSlicer now_slicer;
    JsonSlicer then_slicer;
    const bool settable_all = kind == nullptr;
    const auto settable = [&](std::string_view member) {
        if (ledger::is_frame_member(shape, member)) return false;
        const Field* field = settable_all ? nullptr : kind->field(member);
        return field == nullptr || field->setter == FieldSetter::user;
    };
    if (last.action == "created" || last.action == "imported") {
        write.kind = WriteKind::remove;
    } else {
        if (versions.size() < 2)
            return fail(Code::not_found,
                        "there is no earlier version of '" + id + "' to go back to");
        const Version& then = versions[versions.size() - 2];
        TASKSTORE_LET(const auto* const then_members, then_slicer.slice(then.data));
        TASKSTORE_LET(const auto* const now_members, now_slicer.slice(last.data));
        const auto raw_of = [](const std::vector<JsonMember>& members, std::string_view member) {
            const auto found = std::ranges::find(members, member, &JsonMember::name);
            return found == members.end() ? std::string() : std::string(found->raw_value);
        };
        write.kind = last.action == "deleted" ? WriteKind::create : WriteKind::update;
        if (write.kind == WriteKind::create) write.expected_revision.clear();
        for (const JsonMember& member : *then_members) {
            if (settable(member.name) && raw_of(*now_members, member.name) != member.raw_value) {
                write.changes.push_back({std::string(member.name), std::string(member.raw_value)});
            }
        }
        for (const JsonMember& member : *now_members) {
            if (settable(member.name) && raw_of(*then_members, member.name).empty())
                write.changes.push_back({std::string(member.name), ""});
        }
        // A null that was there before is what a create sets by itself.
        if (write.kind == WriteKind::create)
            std::erase_if(write.changes, [&](const ledger::Change& change) {
                return kind != nullptr &&
                       (change.raw_value == "null" || kind->field(change.name) == nullptr);
            });
    }
    return this->write({std::move(write)});
}

Result<std::string> PlanImpl::state_hash() {
    return read([&](sql::Connection& db) -> Result<std::string> {
        TASKSTORE_LET(auto transaction, sql::Transaction::begin_read(db));
        Sha256 hash;
        JsonSlicer slicer;
        const auto part = [&](std::string_view text) {
            hash.update(std::to_string(text.size()) + ":");
            hash.update(text);
        };
        std::string sql;
        for (const Kind& kind : kinds()) {
            sql += "SELECT '" + std::string(kind.collection) + "' c, id, data FROM " +
                   std::string(kind.collection) + " UNION ALL ";
        }
        sql +=
            "SELECT collection, id, data FROM records UNION ALL SELECT collection, id, '' FROM "
            "taskstore_dead WHERE stamps<>'' ORDER BY 1, 2";
        TASKSTORE_LET(auto rows, db.prepare(sql));
        while (true) {
            TASKSTORE_LET(const bool row, rows->step());
            if (!row) break;
            part(rows->column_text(0));
            part(rows->column_text(1));
            const std::string_view data = rows->column_text(2);
            if (data.empty()) {
                part("deleted");
                continue;
            }
            TASKSTORE_LET(const auto* const members, slicer.slice(data));
            std::vector<JsonMember> sorted = *members;
            std::ranges::sort(sorted, {}, &JsonMember::name);
            for (const JsonMember& member : sorted) {
                if (member.name == "_stamps") continue;
                part(member.name);
                part(member.raw_value);
            }
        }
        return hash.finish_hex();
    });
}

Result<std::vector<LostEntry>> PlanImpl::lost() {
    return read([&](sql::Connection& db) -> Result<std::vector<LostEntry>> {
        TASKSTORE_LET(auto rows,
                      db.prepare("SELECT collection,id,member,value,stamp,actor,lost_to,clash FROM "
                                 "taskstore_lost ORDER BY 1,2,3,5"));
        std::vector<LostEntry> out;
        while (true) {
            TASKSTORE_LET(const bool row, rows->step());
            if (!row) return out;
            LostEntry entry{
                std::string(rows->column_text(0)), std::string(rows->column_text(1)), {}};
            entry.value.name = rows->column_text(2);
            entry.value.raw_value = rows->column_text(3);
            entry.value.stamp = parse_stamp(rows->column_text(4)).value_or(Stamp{});
            entry.value.by = rows->column_text(5);
            entry.value.lost_to =
                rows->column_int64(6) == 0 ? ledger::LostTo::edit : ledger::LostTo::deletion;
            entry.value.clash = rows->column_int64(7) != 0;
            out.push_back(std::move(entry));
        }
    });
}

Result<std::vector<Finding>> PlanImpl::findings() {
    TASKSTORE_LET(
        auto out, read([&](sql::Connection& db) -> Result<std::vector<Finding>> {
            std::vector<Finding> found;
            {
                TASKSTORE_LET(auto rows, db.prepare("SELECT collection,line,col,what,reason,raw "
                                                    "FROM taskstore_damaged ORDER BY 1,2"));
                while (true) {
                    TASKSTORE_LET(const bool row, rows->step());
                    if (!row) break;
                    const std::string what(rows->column_text(3));
                    Finding finding{what,
                                    std::string(rows->column_text(0)) + ".jsonl, line " +
                                        std::to_string(rows->column_int64(1)) + ", column " +
                                        std::to_string(rows->column_int64(2)),
                                    std::string(rows->column_text(4)) + ": " +
                                        std::string(cut_utf8(rows->column_text(5), 80)),
                                    {}};
                    finding.mend =
                        what == "torn_tail"
                            ? "nothing to do: the next write saves it to run/torn and cuts it"
                        : what == "merge_marker"
                            ? "settle the clashing values, then run 'taskstore sync'"
                            : "mend the line in an editor, or take the file's last good version "
                              "from git";
                    found.push_back(std::move(finding));
                }
            }
            {
                TASKSTORE_LET(
                    auto rows,
                    db.prepare("SELECT name, n, (SELECT count(DISTINCT k) FROM taskstore_lines l "
                               "WHERE l.batch=b.batch) FROM taskstore_batches b WHERE complete=0"));
                while (true) {
                    TASKSTORE_LET(const bool row, rows->step());
                    if (!row) break;
                    found.push_back(
                        {"incomplete_batch", "batch " + std::string(rows->column_text(0)),
                         std::to_string(rows->column_int64(2)) + " of " +
                             std::to_string(rows->column_int64(1)) +
                             " lines are here: a write that did not finish, or files that were "
                             "committed apart; none of them counts",
                         "commit or merge the other files of the batch, or repeat the write"});
                }
            }
            {
                TASKSTORE_LET(auto rows,
                              db.prepare("SELECT collection,id,member,value,clash,lost_to FROM "
                                         "taskstore_lost ORDER BY 1,2,3"));
                while (true) {
                    TASKSTORE_LET(const bool row, rows->step());
                    if (!row) break;
                    const bool clash = rows->column_int64(4) != 0;
                    found.push_back(
                        {"lost_value",
                         std::string(rows->column_text(0)) + " " +
                             std::string(rows->column_text(1)) + ", " +
                             std::string(rows->column_text(2)),
                         std::string(clash ? "two values have the same stamp; not shown: "
                                     : rows->column_int64(5) != 0 ? "edited beside a deletion: "
                                                                  : "lost to a concurrent edit: ") +
                             shown(rows->column_text(3)),
                         "set the member to the value that you want; it stays listed until it is "
                         "settled"});
                }
            }
            for (const Kind& kind : kinds()) {
                for (const Field& field : kind.fields) {
                    if (field.refers_to.empty()) continue;
                    const Kind& target = *find_kind(field.refers_to);
                    std::string unknown =
                        "SELECT t.id, t." + std::string(field.name) + " FROM " + table_of(&kind) +
                        " t WHERE t." + std::string(field.name) +
                        " IS NOT NULL AND NOT EXISTS (SELECT 1 FROM " + table_of(&target) +
                        " r WHERE r.id=t." + std::string(field.name) + ")";
                    for (const Field& other : target.fields) {
                        if (other.unique)
                            unknown += " AND NOT EXISTS (SELECT 1 FROM " + table_of(&target) +
                                       " r WHERE r." + std::string(other.name) + "=t." +
                                       std::string(field.name) + ")";
                    }
                    TASKSTORE_LET(auto rows, db.prepare(unknown + " LIMIT 100"));
                    while (true) {
                        TASKSTORE_LET(const bool row, rows->step());
                        if (!row) break;
                        found.push_back(
                            {"orphan",
                             std::string(kind.noun) + " " + std::string(rows->column_text(0)),
                             std::string(field.name) + " names " + std::string(target.noun) + " '" +
                                 std::string(rows->column_text(1)) + "', which is not here",
                             "it may come with another branch; else set " +
                                 std::string(field.name) + " to one that is"});
                    }
                }
                if (const Field* status = kind.field("status")) {
                    std::string list;
                    for (const std::string_view choice : status->choices)
                        list += (list.empty() ? "'" : ",'") + std::string(choice) + "'";
                    TASKSTORE_LET(
                        auto rows,
                        db.prepare("SELECT id, json_extract(data, '$.status') FROM " +
                                   table_of(&kind) + " WHERE status IS NULL OR status NOT IN (" +
                                   list + ") LIMIT 100"));
                    while (true) {
                        TASKSTORE_LET(const bool row, rows->step());
                        if (!row) break;
                        found.push_back(
                            {"misfit",
                             std::string(kind.noun) + " " + std::string(rows->column_text(0)),
                             "its status is '" + std::string(rows->column_text(1)) + "'",
                             "set it to one of " + list});
                    }
                }
            }
            const std::int64_t bound = x_clock.wall_ms() + x_options.ahead_ms_max;
            std::string ahead =
                "SELECT collection, id, updated_at FROM records WHERE updated_at>?1";
            for (const Kind& kind : kinds())
                ahead += " UNION ALL SELECT '" + std::string(kind.collection) +
                         "', id, updated_at FROM " + table_of(&kind) + " WHERE updated_at>?1";
            TASKSTORE_LET(auto rows, db.prepare(ahead + " LIMIT 100"));
            TASKSTORE_TRY(rows->bind(1, bound));
            while (true) {
                TASKSTORE_LET(const bool row, rows->step());
                if (!row) break;
                found.push_back(
                    {"clock_ahead",
                     std::string(rows->column_text(0)) + " " + std::string(rows->column_text(1)),
                     "it was stamped " + to_rfc3339(rows->column_int64(2)) +
                         ", far in the future: the clock of its writer was wrong",
                     "set that clock right; the next edit of the record still comes after it"});
            }
            return found;
        }));
    TASKSTORE_LET(const auto strangers, x_ledger.strangers());
    for (const std::string& stranger : strangers) {
        out.push_back({"stranger", stranger.substr(0, stranger.find(": ")),
                       stranger.substr(stranger.find(": ") + 2),
                       "rename or move it: it is not read"});
    }
    const std::string torn = os::join_path(os::join_path(x_options.folder, "run"), "torn");
    if (const auto saved = x_files.list(torn)) {
        for (const std::string& name : *saved) {
            out.push_back({"torn_tail", os::join_path(torn, name),
                           "the end of an append that did not finish was saved here",
                           "look at it; it was never acknowledged, so the file may go"});
        }
    }
    return out;
}

}  // namespace taskstore::records
