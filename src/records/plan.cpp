// Opening and syncing a plan.

#include "plan_impl.hpp"

#include <taskstore/base/text.hpp>
#include <taskstore/os/process.hpp>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>
#include <tuple>
#include <utility>

namespace taskstore::records {
namespace {
constexpr int kBuildsMax = 4;  // of a cache that is taken away as often as it is built
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
    TASKSTORE_LET(const SelectSql select, select_sql(*Catalogue::founding(), query));
    return select.text;
}

PlanImpl::PlanImpl(os::FileSystem& files, sql::Driver& driver, const Clock& clock, Random& random,
                   PlanOptions options)
    : x_files(files),
      x_driver(driver),
      x_clock(clock),
      x_options(std::move(options)),
      x_cache_path(os::join_path(x_options.folder, "store.db")),
      x_ledger(files, x_options.folder, clock,
               {.limit_ms = x_options.lock_wait_ms_max, .tell = x_options.waiting}),
      x_ids(clock, random) {
    // Minted ids and stamps share the random source of the caller.
    auto replica =
        ledger::Replica::open(files, clock, random, x_options.folder, x_options.replica_path);
    if (replica) x_replica = std::move(*replica);
    if (x_options.boot_id.empty()) x_options.boot_id = os::boot_id().value_or("unknown");
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
        if (!number) {
            return fail(Code::corrupt, "'" + os::join_path(x_options.folder, ".version") +
                                           "' does not begin with the number of a format")
                .with_hint("write '1' into it, or the number that it has in git");
        }
        if (*number > 1) {
            return fail(Code::unsupported, "the store at '" + x_options.folder + "' has format " +
                                               std::to_string(*number) + ", this program knows 1")
                .with_hint("upgrade taskstore to open it");
        }
    }
    if (!x_options.take_in_on_open) return ok();
    const std::lock_guard db(x_db_mutex);
    return bring_up(Cached::absent, Busy::leave);
}

namespace {

/// Whether the ledger may still be readable where the cache cannot be had.
bool may_fold_in_memory(const Error& error) {
    return error.code == Code::denied || error.code == Code::failed ||
           error.code == Code::outcome_unknown || error.code == Code::unavailable ||
           error.code == Code::timed_out || error.code == Code::corrupt ||
           error.code == Code::not_found;
}

/// A new cache needs more room than what failed for the want of it. The engine tells it by a number
/// of its own, the system by an errno.
bool is_out_of_space(const Error& error) {
    constexpr int kEngineFull = 13;
    return (error.code == Code::failed || error.code == Code::outcome_unknown) &&
           (error.native == kEngineFull || error.native == ENOSPC || error.native == EDQUOT);
}

bool is_same_file(const os::FileIdentity& one, const os::FileIdentity& other) {
    return one.inode == other.inode && one.device == other.device && one.btime_ns == other.btime_ns;
}

/// Of a cache no outcome is unknown that anybody would care for: the ledger has not been touched.
Status of_cache(Status status) {
    if (status || status.error().code != Code::outcome_unknown) return status;
    return fail(Code::failed, status.error().message).with_native(status.error().native);
}

}  // namespace

bool PlanImpl::is_broken(const Error& error) {
    switch (error.code) {
        case Code::corrupt:
        case Code::invalid:
        case Code::conflict:
        case Code::not_found:
        case Code::failed:
        case Code::outcome_unknown:
            return !is_out_of_space(error);
        default:
            // The engine says "read-only" of a file that has lost its name.
            return error.code != Code::cancelled && cached_state() != Cached::open;
    }
}

PlanImpl::Cached PlanImpl::cached_state() {
    if (!x_db || x_in_memory) return Cached::absent;
    const auto stands = [&](const char* suffix, const os::FileIdentity& seen) {
        const auto info = x_files.info(x_cache_path + suffix);
        return info && is_same_file(info->identity, seen);
    };
    if (!stands("", x_cache_identity[0])) return Cached::absent;
    // Without the right to write and without a log to join, the engine has to believe that nobody
    // changes the file: what it reads after a change is of no one moment.
    if (x_cache_read_only && x_cache_identity[1].size == 0) {
        for (std::size_t i = 0; i < x_cache_identity.size(); ++i) {
            const auto info = x_files.info(x_cache_path + std::array{"", "-wal", "-shm"}[i]);
            if ((info ? info->identity : os::FileIdentity{}) != x_cache_identity[i])
                return Cached::absent;
        }
    }
    // Without its log the database lacks what was committed last; with another one, two processes
    // write it at cross purposes. Neither shows in its pages.
    for (const auto& [suffix, seen] :
         {std::pair{"-wal", &x_cache_identity[1]}, std::pair{"-shm", &x_cache_identity[2]}}) {
        if (seen->inode != 0 && !stands(suffix, *seen)) {
            x_broken = "had lost its log";
            return Cached::damaged;
        }
    }
    return schemas_fit() ? Cached::open : Cached::absent;
}

Status PlanImpl::bring_up(Cached cached, Busy busy) {
    bool opened = cached == Cached::open;
    Status status = ok();
    if (cached == Cached::absent) status = open_cache(&opened);
    if (status && opened) {
        const auto fresh = x_cache->is_fresh();
        if (fresh && *fresh) {
            x_checked_boot_ns = x_clock.boot_ns();
            return ok();
        }
    }
    if (status) {
        if (!opened) hide_cache_from_git();
        const auto guard = x_ledger.lock().acquire_within(0);
        if (guard) {
            status = bring_up_locked(cached == Cached::damaged ? cached : cached_state());
        } else if (guard.error().code != Code::timed_out) {
            status = fail(guard.error());
        } else if (opened && is_of_this_boot()) {
            // A writer is at work: what it has committed is what it has acknowledged.
            x_checked_boot_ns = x_clock.boot_ns();
            return ok();
        } else if (busy == Busy::leave) {
            return ok();
        } else {
            status = fail(guard.error());
        }
    }
    if (!status && may_fold_in_memory(status.error())) status = fold_in_memory(status.error());
    if (status) x_checked_boot_ns = x_clock.boot_ns();
    return status;
}

Status PlanImpl::bring_up_locked(Cached cached) {
    bool opened = cached == Cached::open;
    if (cached == Cached::absent) TASKSTORE_TRY(open_cache(&opened));
    return opened && !x_cache_read_only ? refresh_locked() : rebuild_locked();
}

/// I9: where nothing can be written the ledger is folded in memory, and the answers are the same.
Status PlanImpl::fold_in_memory(const Error& why) {
    if (x_in_memory && schemas_fit()) {
        const auto fresh = x_cache->is_fresh();
        if (fresh && *fresh) return ok();
    }
    drop_cache();
    schemas_fit();
    x_broken.clear();
    x_taken_in = {};
    sql::OpenOptions memory;
    memory.durability = sql::Durability::building;
    TASKSTORE_LET(auto connection, x_driver.connect(":memory:", memory));
    TASKSTORE_TRY(connection->execute(schema_tables(*x_catalogue)));
    auto cache = std::make_unique<Cache>(*connection, x_ledger, x_clock, x_catalogue);
    TASKSTORE_LET(auto transaction, sql::Transaction::begin_write(*connection));
    TASKSTORE_TRY(cache->take_in_bulk(x_taken_in, x_options.progress));
    TASKSTORE_TRY(transaction.commit());
    TASKSTORE_TRY(connection->execute("PRAGMA query_only=ON"));
    x_db = std::move(connection);
    x_cache = std::move(cache);
    x_in_memory = true;
    if (!std::exchange(x_memory_told, true)) {
        note((why.code == Code::timed_out   ? "store.db is being built by another process"
              : why.code == Code::not_found ? "store.db is taken away again and again"
                                            : cannot_write(why).message) +
             "; the ledger was read into memory for this command" +
             (why.hint.empty() || why.code == Code::timed_out ? "" : ": " + why.hint));
    }
    return ok();
}

void PlanImpl::drop_cache() {
    x_cache.reset();
    x_db.reset();
    x_in_memory = false;
    x_cache_read_only = false;
    x_of_this_boot = false;
    x_other_tables = false;
    const std::lock_guard lock(x_reader_mutex);
    x_readers.clear();
    x_reader_cache = {};
    ++x_reader_age;
}

Error PlanImpl::cannot_write(Error error) const {
    if (error.native == EISDIR) error.code = Code::corrupt;
    if (error.code == Code::denied || error.code == Code::failed)
        error.message = "'" + x_options.folder + "' cannot be written: " + error.message;
    return error;
}

Status PlanImpl::open_cache(bool* opened) {
    *opened = false;
    drop_cache();
    schemas_fit();
    // A link may lead to anybody's database, and opening that would already change it.
    const auto info = x_files.link_info(x_cache_path);
    if (!info || info->kind != os::FileKind::regular) return ok();
    sql::OpenOptions options;
    options.durability = sql::Durability::cache;
    options.checksums = true;
    options.create = false;
    auto connected = x_driver.connect(x_cache_path, options);
    if (!connected && connected.error().code == Code::denied) {
        options.read_only = true;
        connected = x_driver.connect(x_cache_path, options);
        if (!connected) return ok();
    }
    bool other_schemas = false;
    const auto usable = [&]() -> Result<bool> {
        if (!connected) return fail(connected.error());
        TASKSTORE_LET(auto rows,
                      (*connected)->prepare("SELECT value FROM taskstore_meta WHERE key='schema'"));
        TASKSTORE_LET(const bool row, rows->step());
        if (!row) return false;
        const std::string_view found = rows->column_text(0);
        const std::string wanted = schema_version(*x_catalogue);
        // Other schemas than when it was built: nothing that anybody would have to be told.
        other_schemas = found != wanted &&
                        found.substr(0, found.find(' ')) == schema_version(*Catalogue::founding());
        return found == wanted;
    }();
    if (!usable) {
        const Error& error = usable.error();
        if (error.code == Code::unavailable) return fail(error);
        // Somebody took it away in between: nothing to tell.
        if (error.code != Code::not_found)
            x_broken = "was damaged or not ours (" + error.message + ")";
        return ok();
    }
    if (!*usable) {
        if (!other_schemas) x_broken = "was made by another version";
        return ok();
    }
    x_db = std::move(*connected);
    x_cache = std::make_unique<Cache>(*x_db, x_ledger, x_clock, x_catalogue);
    x_cache->follow(x_replica->clock(), x_options.ahead_ms_max);
    x_cache_identity = {info->identity, {}, {}};
    for (const auto& [suffix, seen] :
         {std::pair{"-wal", &x_cache_identity[1]}, std::pair{"-shm", &x_cache_identity[2]}}) {
        if (const auto log = x_files.info(x_cache_path + suffix)) *seen = log->identity;
    }
    x_cache_read_only = options.read_only;
    {
        const std::lock_guard lock(x_reader_mutex);
        x_reader_cache = info->identity;
    }
    *opened = true;
    return ok();
}

Status PlanImpl::build(const std::string& path) {
    {
        sql::OpenOptions options;
        options.durability = sql::Durability::building;
        options.checksums = true;
        TASKSTORE_LET(auto connection, x_driver.connect(path, options));
        Cache cache(*connection, x_ledger, x_clock, x_catalogue);
        cache.follow(x_replica->clock(), x_options.ahead_ms_max);
        TASKSTORE_LET(auto transaction, sql::Transaction::begin_write(*connection));
        TASKSTORE_TRY(connection->execute(schema_tables(*x_catalogue)));
        TASKSTORE_TRY(cache.take_in_bulk(x_taken_in, x_options.progress));
        TASKSTORE_LET(auto meta,
                      connection->prepare("INSERT INTO taskstore_meta VALUES ('schema', ?1)"));
        const std::string version = schema_version(*x_catalogue);
        TASKSTORE_TRY(meta->bind(1, std::string_view(version)));
        TASKSTORE_TRY(meta->run());
        meta.reset();
        TASKSTORE_TRY(transaction.commit());
        // Here and not when it has its name: changing the mode writes the file once more.
        TASKSTORE_TRY(connection->execute("PRAGMA journal_mode=WAL"));
    }
    TASKSTORE_LET(auto file, x_files.open(path, os::OpenMode::read_write));
    return file->sync_data();
}

Status PlanImpl::rebuild_locked() {
    // Who deletes store.db* may do so as soon as it has its name.
    for (int tries = 0; tries < kBuildsMax; ++tries) {
        TASKSTORE_LET(const bool stands, rebuild_once());
        if (stands) return ok();
    }
    return taken_away();
}

Failure PlanImpl::taken_away() const {
    return fail(Code::unavailable, "store.db is taken away again and again")
        .with_hint("stop the program that removes or replaces '" + x_cache_path +
                   "', then try again");
}

/// False: somebody took it away, or put something else in its place, before it could be opened.
Result<bool> PlanImpl::rebuild_once() {
    drop_cache();
    // Whoever built it with other schemas may have seen later ones than we did.
    schemas_fit();
    x_checked_boot_ns = 0;
    x_taken_in = {};
    x_taken_in.rebuilt = true;
    if (const auto info = x_files.link_info(x_cache_path);
        info && info->kind != os::FileKind::regular) {
        return fail(Code::corrupt,
                    "'" + x_cache_path + "' is " +
                        (info->kind == os::FileKind::directory ? "a folder" : "no regular file") +
                        "; the cache is a file")
            .with_hint("move it away: the cache is built again from the ledger");
    }
    // Not store.db.new: `rm store.db*` should not take a cache away before it is built.
    const std::string fresh = os::join_path(x_options.folder, ".store.db.tmp");
    const auto remove = [&](std::initializer_list<std::string> paths) -> Status {
        for (const std::string& path : paths) {
            if (auto removed = x_files.unlink(path);
                !removed && removed.error().code != Code::not_found)
                return removed;
        }
        return ok();
    };
    const auto remove_fresh = [&] {
        return remove({fresh, fresh + "-journal", fresh + "-wal", fresh + "-shm"});
    };
    TASKSTORE_TRY(remove_fresh());
    auto built = build(fresh);
    // The log of the old database must be gone before the new one has its name: it would be
    // replayed into it; and the old one before its log: without it, it lacks what was committed
    // last. Nobody writes another in between, for whoever writes holds the ledger's lock.
    if (built) built = remove({x_cache_path, x_cache_path + "-wal", x_cache_path + "-shm"});
    if (built) built = x_files.rename(fresh, x_cache_path);
    if (!built) {
        (void)remove_fresh().has_value();
        return fail(of_cache(std::move(built)).error());
    }
    TASKSTORE_TRY(x_files.sync_directory(x_options.folder));
    std::string why = std::exchange(x_broken, {});
    bool opened = false;
    TASKSTORE_TRY(open_cache(&opened));
    if (!opened) {
        if (!why.empty()) x_broken = std::move(why);
        return false;
    }
    const Status marked = [&]() -> Status {
        TASKSTORE_LET(auto transaction, sql::Transaction::begin_write(*x_db));
        TASKSTORE_TRY(mark_boot(*x_db));
        return transaction.commit();
    }();
    if (!marked && cached_state() != Cached::open) return false;
    TASKSTORE_TRY(marked);
    keep_clock();
    if (!why.empty()) note("store.db " + why + ": it was built again from the ledger");
    return true;
}

bool PlanImpl::is_of_this_boot() {
    if (x_of_this_boot) return true;
    auto rows = x_db->prepare("SELECT value FROM taskstore_meta WHERE key='boot'");
    if (!rows) return false;
    const auto row = (*rows)->step();
    return x_of_this_boot = row && *row && (*rows)->column_text(0) == boot_and_log();
}

/// Which boot, and which log: with another log (somebody took it away) the database lacks commits.
std::string PlanImpl::boot_and_log() {
    const auto log = x_files.info(x_cache_path + "-wal");
    if (!log) return x_options.boot_id;
    return x_options.boot_id + " " + std::to_string(log->identity.inode) + " " +
           std::to_string(log->identity.btime_ns);
}

Status PlanImpl::mark_boot(sql::Connection& connection) {
    TASKSTORE_LET(auto mark, connection.prepare("INSERT INTO taskstore_meta VALUES ('boot', ?1) ON "
                                                "CONFLICT(key) DO UPDATE SET value=?1 WHERE "
                                                "value<>?1"));
    const std::string now = boot_and_log();
    TASKSTORE_TRY(mark->bind(1, std::string_view(now)));
    return mark->run();
}

/// What was taken in moved the clock; the next process must not fall behind it.
void PlanImpl::keep_clock() {
    x_replica->catch_up();
    (void)x_replica->save().has_value();
}

Status PlanImpl::refresh_locked() {
    // The transaction must be gone before a rebuild takes its connection away.
    const Status status = [&]() -> Status {
        TASKSTORE_LET(auto transaction, sql::Transaction::begin_write(*x_db));
        TASKSTORE_TRY(x_cache->take_in(x_taken_in, x_options.progress));
        TASKSTORE_TRY(mark_boot(*x_db));
        return transaction.commit();
    }();
    if (status) keep_clock();
    if (status || !is_broken(status.error())) return of_cache(status);
    x_broken = "was damaged (" + status.error().message + ")";
    return rebuild_locked();
}

void PlanImpl::take_cache_away() {
    drop_cache();
    x_checked_boot_ns = 0;
    for (const char* suffix : {"", "-wal", "-shm"})
        (void)x_files.unlink(x_cache_path + suffix).has_value();
}

void PlanImpl::hide_cache_from_git() {
    if (x_files.link_info(x_cache_path)) return;
    // Where nothing can be written there will be no cache to hide.
    (void)ledger::complete_gitignore(x_files, x_options.folder).has_value();
}

Result<SyncReport> PlanImpl::sync(bool rebuild) {
    const std::lock_guard db(x_db_mutex);
    hide_cache_from_git();
    {
        auto guard = x_ledger.lock().acquire(x_ledger.lock_wait());
        if (guard) {
            auto late = x_ledger.take_in_replaced();
            if (!late)
                note("lines of a file that was replaced wait for the next sync: " +
                     late.error().message);
            for (std::string& text : late ? *late : std::vector<std::string>())
                note(std::move(text));
        }
        Status status = !guard    ? Status(fail(guard.error()))
                        : rebuild ? rebuild_locked()
                                  : bring_up_locked(cached_state());
        if (status) {
            const auto settle = [&]() -> Status {
                bool rewritten = false;
                TASKSTORE_LET(const auto kept, look_at_markers(*x_db, &rewritten));
                if (rewritten) TASKSTORE_TRY(refresh_locked());
                return count_up(x_taken_in, kept);
            };
            auto settled = settle();
            if (!settled &&
                (settled.error().code == Code::corrupt || cached_state() != Cached::open)) {
                // Damage of a part that nothing had to be taken into, or it was taken away.
                if (settled.error().code == Code::corrupt)
                    x_broken = "was damaged (" + settled.error().message + ")";
                TASKSTORE_TRY(rebuild_locked());
                settled = settle();
                if (!settled && cached_state() != Cached::open) return taken_away();
            }
            TASKSTORE_TRY(settled);
        } else if (rebuild || !may_fold_in_memory(status.error()) ||
                   (!guard && status.error().code == Code::timed_out)) {
            return fail(cannot_write(status.error()));
        } else if (guard || x_in_memory) {
            TASKSTORE_TRY(fold_in_memory(status.error()));
        } else {
            TASKSTORE_TRY(bring_up(cached_state(), Busy::fold));
        }
        if (!status) {
            TASKSTORE_LET(const auto kept, look_at_markers(*x_db, nullptr));
            TASKSTORE_TRY(count_up(x_taken_in, kept));
        }
    }
    SyncReport report = std::exchange(x_taken_in, {});
    x_checked_boot_ns = x_clock.boot_ns();
    // Last, so that the other files are taken in all the same.
    TASKSTORE_TRY(check_own_files());
    for (std::string& text : take_notes()) report.notes.push_back(std::move(text));
    return report;
}

Status PlanImpl::count_up(SyncReport& report, const std::vector<KeptBlock>& kept) {
    TASKSTORE_LET(
        report.damaged_lines,
        x_cache->number("SELECT count(*) FROM taskstore_damaged WHERE what='damaged_line'"));
    TASKSTORE_LET(report.incomplete_batches,
                  x_cache->number("SELECT count(*) FROM taskstore_batches WHERE complete=0"));
    TASKSTORE_LET(report.lost_values, x_cache->number("SELECT count(*) FROM taskstore_lost"));
    std::set<std::tuple<std::string, std::string, std::string>> clashes;
    for (const KeptBlock& block : kept) {
        if (!block.whole) ++report.broken_blocks;
        for (const auto& [key, sides] : block.clashes)
            clashes.emplace(block.collection, key.first, key.second);
    }
    report.clashes = static_cast<std::int64_t>(clashes.size());
    TASKSTORE_LET(report.records, x_cache->number("SELECT sum(live) FROM taskstore_files"));
    return ok();
}

Status PlanImpl::ensure_fresh() {
    const std::int64_t now = x_clock.boot_ns();
    const auto recent = [&] {
        return x_checked_boot_ns != 0 && now - x_checked_boot_ns < kNoticeNs;
    };
    if (recent()) return ok();
    // Whoever holds the connection is writing or syncing, and looks at the files itself: a reader
    // does not wait for it.
    const std::unique_lock db(x_db_mutex, std::try_to_lock);
    if (!db.owns_lock() || recent()) return ok();
    if (x_in_memory && schemas_fit()) {
        const auto fresh = x_cache->is_fresh();
        if (fresh && *fresh) {
            x_checked_boot_ns = now;
            return ok();
        }
    }
    return bring_up(cached_state(), Busy::fold);
}

bool PlanImpl::changed_under_read(std::int64_t age) {
    const std::lock_guard db(x_db_mutex);
    {
        const std::lock_guard lock(x_reader_mutex);
        if (age != x_reader_age) return true;  // another thread has seen it, and opened it anew
    }
    if (!x_cache_read_only || x_in_memory || cached_state() == Cached::open) return false;
    x_checked_boot_ns = 0;
    return true;
}

Status PlanImpl::heal(std::int64_t age, const Error& why) {
    const std::lock_guard db(x_db_mutex);
    {
        const std::lock_guard lock(x_reader_mutex);
        if (age != x_reader_age) return ok();  // another thread has seen to it
    }
    Cached cached = cached_state();
    if (cached == Cached::open) {
        cached = Cached::damaged;
        x_broken = "was damaged (" + why.message + ")";
    }
    return bring_up(cached, Busy::fold);
}

Status PlanImpl::check_is_file(std::string_view collection) {
    if (!ledger::is_collection_name(collection)) return ok();
    const std::string path = x_ledger.path_of(collection);
    const auto info = x_files.link_info(path);
    if (!info || info->kind == os::FileKind::regular) return ok();
    return fail(Code::denied, "'" + path + "' is not a regular file")
        .with_hint("put the file itself there, not a folder or a link");
}

Status PlanImpl::check_own_files() {
    const auto known = known_kinds();
    for (const Kind& kind : known->kinds()) TASKSTORE_TRY(check_is_file(kind.collection));
    return ok();
}

std::shared_ptr<const Catalogue> PlanImpl::known_kinds() {
    const std::lock_guard lock(x_reader_mutex);
    return x_catalogue;
}

PlanImpl::Reader PlanImpl::reader() {
    Reader out;
    os::FileIdentity ours;
    {
        const std::lock_guard lock(x_reader_mutex);
        out.age = x_reader_age;
        out.catalogue = x_catalogue;
        ours = x_reader_cache;
        if (!x_readers.empty()) {
            out.connection = std::move(x_readers.back());
            x_readers.pop_back();
            return out;
        }
    }
    sql::OpenOptions options;
    options.durability = sql::Durability::cache;
    options.checksums = true;
    options.read_only = true;
    options.create = false;
    out.connection = x_driver.connect(x_cache_path, options);
    if (!out.connection) return out;
    const auto info = x_files.info(x_cache_path);
    out.foreign = !info || !is_same_file(info->identity, ours);
    return out;
}

}  // namespace taskstore::records
