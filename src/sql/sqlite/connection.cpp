#include "connection.hpp"

#include "checksums.hpp"
#include "errors.hpp"

#include <taskstore/base/check.hpp>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <thread>
#include <utility>

namespace taskstore::sqlite {
namespace {

constexpr unsigned kPersistent = SQLITE_PREPARE_PERSISTENT;
constexpr int kStepsBetweenQuestions = 4'096;
// 16 MiB: checkpoints are rarer than by default, and a WAL of that size is still read quickly.
constexpr int kCheckpointPages = 4'000;
constexpr std::int64_t kWalBytesKept = 64 << 20;

/// Text that SQLite accepts as empty rather than NULL.
const char* never_null(std::string_view bytes) {
    return bytes.data() != nullptr ? bytes.data() : "";
}

class EngineStatement final : public sql::Statement {
  public:
    EngineStatement(EngineConnection& connection, StatementCache::Node node)
        : x_connection(connection), x_node(std::move(node)), x_handle(x_node.front().handle) {}
    ~EngineStatement() override {
        reset();
        x_connection.take_back(std::move(x_node));
    }
    EngineStatement(const EngineStatement&) = delete;
    EngineStatement& operator=(const EngineStatement&) = delete;

    Status bind_null(int index) override {
        return bound(sqlite3_bind_null(x_handle, index), index);
    }
    Status bind(int index, std::int64_t value) override {
        return bound(sqlite3_bind_int64(x_handle, index, value), index);
    }
    Status bind(int index, double value) override {
        if (std::isnan(value)) return refused(index, "NaN cannot be stored");
        return bound(sqlite3_bind_double(x_handle, index, value), index);
    }
    Status bind(int index, std::string_view text) override {
        const char* start = never_null(text);
        if (std::memchr(start, 0, text.size()) != nullptr) {
            return refused(index, "the text holds U+0000, which cannot be stored");
        }
        return bound(
            sqlite3_bind_text64(x_handle, index, start, text.size(), SQLITE_STATIC, SQLITE_UTF8),
            index);
    }
    Status bind_blob(int index, std::string_view bytes) override {
        return bound(
            sqlite3_bind_blob64(x_handle, index, never_null(bytes), bytes.size(), SQLITE_STATIC),
            index);
    }

    Result<bool> step() override { return x_connection.step(x_handle, x_node.front().sql); }
    void reset() override {
        sqlite3_reset(x_handle);
        sqlite3_clear_bindings(x_handle);
    }

    int column_count() override { return sqlite3_column_count(x_handle); }
    std::string_view column_name(int column) override {
        const char* name = sqlite3_column_name(x_handle, column);
        return name != nullptr ? name : "";
    }
    sql::ColumnNames column_names() override {
        CompiledStatement& compiled = x_node.front();
        const int again = sqlite3_stmt_status(x_handle, SQLITE_STMTSTATUS_REPREPARE, 0);
        if (compiled.names_of != again) {
            compiled.names = Statement::column_names();
            compiled.names_of = again;
        }
        return compiled.names;
    }
    bool is_null(int column) override {
        return sqlite3_column_type(x_handle, column) == SQLITE_NULL;
    }
    std::int64_t column_int64(int column) override {
        return sqlite3_column_int64(x_handle, column);
    }
    double column_double(int column) override { return sqlite3_column_double(x_handle, column); }
    std::string_view column_text(int column) override {
        const auto* text = sqlite3_column_text(x_handle, column);
        if (text == nullptr) return {};
        return {reinterpret_cast<const char*>(text), column_bytes(column)};
    }
    std::string_view column_blob(int column) override {
        const auto* bytes = static_cast<const char*>(sqlite3_column_blob(x_handle, column));
        if (bytes == nullptr) return {};
        return {bytes, column_bytes(column)};
    }
    sql::Value column_value(int column) override {
        switch (sqlite3_column_type(x_handle, column)) {
            case SQLITE_INTEGER:
                return column_int64(column);
            case SQLITE_FLOAT:
                return column_double(column);
            case SQLITE_TEXT:
                return std::string(column_text(column));
            case SQLITE_BLOB:
                return sql::Blob{std::string(column_blob(column))};
            default:
                return std::monostate{};
        }
    }

  private:
    std::size_t column_bytes(int column) {
        return static_cast<std::size_t>(sqlite3_column_bytes(x_handle, column));
    }
    Status bound(int result, int index) {
        if (result == SQLITE_OK) return ok();
        return engine_failure(x_connection.db(), result, x_connection.path(),
                              "cannot bind parameter " + std::to_string(index) + " of \"" +
                                  excerpt(x_node.front().sql) + "\"");
    }
    Status refused(int index, std::string_view why) {
        return fail(Code::invalid, x_connection.path() + ": parameter " + std::to_string(index) +
                                       " of \"" + excerpt(x_node.front().sql) +
                                       "\": " + std::string(why));
    }

    EngineConnection& x_connection;
    StatementCache::Node x_node;
    sqlite3_stmt* x_handle;
};

/// A path as SQLite's URI form wants it, for the one setting that has no other way in.
std::string immutable_uri(std::string_view path) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string uri = "file:";
    for (const char c : path) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '%' || c == '?' || c == '#' || byte < 0x21 || byte > 0x7e) {
            uri += '%';
            uri += kDigits[byte >> 4];
            uri += kDigits[byte & 15];
        } else {
            uri += c;
        }
    }
    return uri + "?immutable=1";
}

}  // namespace

Result<std::unique_ptr<EngineConnection>> EngineConnection::open(const std::string& path,
                                                                 const sql::OpenOptions& options,
                                                                 const char* vfs, bool immutable) {
    std::unique_ptr<EngineConnection> connection(new EngineConnection(path, options));
    int flags = SQLITE_OPEN_NOMUTEX;
    flags |= options.read_only ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
    if (path == ":memory:") flags |= SQLITE_OPEN_CREATE;
    std::string name = path.starts_with("file:") ? "./" + path : path;
    if (immutable) {
        // "file://x" would read x as a host, so a path never starts with two slashes here.
        while (name.starts_with("//")) name.erase(0, 1);
        name = immutable_uri(name);
        flags |= SQLITE_OPEN_URI;
    }
    const int result = sqlite3_open_v2(name.c_str(), &connection->x_db, flags, vfs);
    if (connection->x_db == nullptr) return fail(Code::failed, path + ": out of memory");
    if (result != SQLITE_OK)
        return engine_failure(connection->x_db, result, path, "cannot open the database");
    sqlite3_extended_result_codes(connection->x_db, 1);
    connection->x_checked = options.checksums && path != ":memory:";
    TASKSTORE_TRY(connection->configure(immutable));
    return connection;
}

EngineConnection::~EngineConnection() {
    // A statement that outlives its connection would read freed memory later: stop here, where it
    // is understood.
    TASKSTORE_CHECK(x_borrowed == 0);
    x_cache.clear();
    for (sqlite3_stmt* own : x_own) sqlite3_finalize(own);
    sqlite3_close_v2(x_db);
}

Status EngineConnection::configure(bool immutable) {
    if (!x_options.read_only && sqlite3_db_readonly(x_db, "main") == 1) {
        return fail(Code::denied, x_path + ": the database can only be read")
            .with_hint("check the permissions of the file and its folder");
    }
    sqlite3_busy_handler(x_db, wait_for_lock, this);
    sqlite3_db_config(x_db, SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr);
    sqlite3_db_config(x_db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    sqlite3_db_config(x_db, SQLITE_DBCONFIG_DQS_DDL, 0, nullptr);
    sqlite3_db_config(x_db, SQLITE_DBCONFIG_DQS_DML, 0, nullptr);
    sqlite3_db_config(x_db, SQLITE_DBCONFIG_ENABLE_FKEY, 1, nullptr);
    const bool building = x_options.durability == sql::Durability::building;
    if (x_checked) {
        if (const int result = reserve_checksums(x_db); result != SQLITE_OK)
            return engine_failure(x_db, result, x_path, "cannot reserve room for checksums");
        if (building) trust_pages(x_db);
    }
    ask_now_and_then();
    // A database that is being built sorts its indexes: beyond the cache's size that goes to a
    // file, so that memory does not grow with the rows.
    const std::string settings =
        std::string("PRAGMA temp_store=") + (building ? "FILE" : "MEMORY") +
        "; PRAGMA secure_delete=OFF; PRAGMA cache_size=-" +
        std::to_string(x_options.cache_bytes / 1024) +
        "; PRAGMA mmap_size=" + std::to_string(building || x_checked ? 0 : x_options.mmap_bytes) +
        ";";
    TASKSTORE_TRY(execute(settings));
    if (x_options.read_only) {
        TASKSTORE_TRY(execute("PRAGMA query_only=ON"));
        // The first real read: where it cannot join the WAL, the driver looks for another way.
        TASKSTORE_TRY(execute("SELECT 1 FROM sqlite_schema LIMIT 1"));
        x_guard.read_only = true;
    } else if (building) {
        TASKSTORE_TRY(
            execute("PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=MEMORY; "
                    "PRAGMA synchronous=OFF"));
    } else {
        const bool flushed = x_options.durability == sql::Durability::flushed;
        TASKSTORE_TRY(execute(flushed ? "PRAGMA synchronous=FULL" : "PRAGMA synchronous=NORMAL"));
        // The last one out of a cache need not fold its WAL away, which would cost each short-lived
        // process two flushes.
        if (!flushed) sqlite3_db_config(x_db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
        TASKSTORE_TRY(use_wal());
        TASKSTORE_TRY(execute("PRAGMA journal_size_limit=" + std::to_string(kWalBytesKept)));
        sqlite3_wal_autocheckpoint(x_db, kCheckpointPages);
    }
    if (x_checked && !building && !immutable) TASKSTORE_TRY(check_wal());
    x_guard.install(x_db);
    return ok();
}

Status EngineConnection::only_read() {
    x_options.read_only = true;
    TASKSTORE_TRY(execute("PRAGMA query_only=ON"));
    x_guard.read_only = true;
    x_guard.install(x_db);
    return ok();
}

int EngineConnection::ask_to_stop(void* connection) {
    const auto& self = *static_cast<EngineConnection*>(connection);
    if (self.x_end_boot_ns != 0 && self.x_clock->boot_ns() > self.x_end_boot_ns) return 1;
    // An exception must not unwind through SQLite's frames.
    try {
        return self.x_options.should_stop && self.x_options.should_stop() ? 1 : 0;
    } catch (...) {
        return 1;
    }
}

/// Nobody asks where nobody can say stop.
void EngineConnection::ask_now_and_then() {
    const bool asks = x_options.should_stop || x_end_boot_ns != 0;
    sqlite3_progress_handler(x_db, kStepsBetweenQuestions, asks ? ask_to_stop : nullptr, this);
}

void EngineConnection::end_statements_at(const Clock& clock, std::int64_t boot_ns) {
    x_clock = &clock;
    x_end_boot_ns = boot_ns;
    ask_now_and_then();
}

// SQLite's own wait soon looks ten times a second: somebody who writes without a pause, and holds
// the lock for all but a moment of each of its commits, kept others away until they gave up.
int EngineConnection::wait_for_lock(void* connection, int asked_before) {
    constexpr std::uint64_t kPauseUs = 200;
    constexpr int kPausesLongest = 8;
    auto& self = *static_cast<EngineConnection*>(connection);
    const auto now = std::chrono::steady_clock::now();
    if (asked_before == 0) self.x_waiting_since = now;
    if (now - self.x_waiting_since >= std::chrono::milliseconds(self.x_options.busy_timeout_ms))
        return 0;
    // Up to 2 ms, and not in step with the one that it waits for.
    const auto spread =
        kPauseUs * (1 + static_cast<std::uint64_t>(std::min(asked_before, kPausesLongest)));
    const auto random = static_cast<std::uint64_t>(now.time_since_epoch().count()) % spread;
    std::this_thread::sleep_for(std::chrono::microseconds(kPauseUs + random));
    return 1;
}

Status EngineConnection::check_wal() {
    // A WAL is recovered at the first read.
    TASKSTORE_TRY(execute("SELECT 1 FROM sqlite_schema LIMIT 1"));
    const int result = check_wal_is_whole(x_db);
    if (result == SQLITE_OK) return ok();
    return engine_failure(nullptr, result, x_path, "cannot use the write-ahead log");
}

Status EngineConnection::use_wal() {
    // Where two connections turn a new database to WAL at once, one is told "busy" without its busy
    // handler being asked (it would be a deadlock), so the waiting is done here.
    constexpr int kPauseMs = 2;
    for (std::int64_t waited = 0;; waited += kPauseMs) {
        auto status = execute("PRAGMA journal_mode=WAL");
        if (status || status.error().code != Code::unavailable ||
            waited >= x_options.busy_timeout_ms) {
            return status;
        }
        sqlite3_sleep(kPauseMs);
    }
}

Failure EngineConnection::compile_failure(int result, std::string_view sql) {
    const std::string doing = "cannot compile \"" + excerpt(sql) + "\"";
    if (primary(result) != SQLITE_AUTH) return engine_failure(x_db, result, x_path, doing);
    return fail(x_guard.in_work && x_guard.broken_by_work ? Code::invalid : Code::denied,
                x_path + ": " + doing + ": " + x_guard.refused)
        .with_native(result);
}

/// SQLite looks twice where others change the schema meanwhile, and gives up then: many that bring
/// one file up at once may well do it as often. Each time it was somebody's commit.
int EngineConnection::compile(const char* text, int bytes, unsigned flags, sqlite3_stmt** handle,
                              const char** tail) {
    constexpr int kLooksMax = 1'000;
    int result = SQLITE_SCHEMA;
    for (int looks = 0; primary(result) == SQLITE_SCHEMA && looks < kLooksMax; ++looks)
        result = sqlite3_prepare_v3(x_db, text, bytes, flags, handle, tail);
    return result;
}

Result<std::unique_ptr<sql::Statement>> EngineConnection::prepare(std::string_view sql) {
    StatementCache::Node node = x_cache.take(sql);
    if (node.empty()) {
        CompiledStatement compiled{std::string(sql), nullptr};
        const char* tail = nullptr;
        // The size counts the terminating NUL, which saves SQLite a copy of the text.
        const int result = compile(compiled.sql.c_str(), static_cast<int>(compiled.sql.size() + 1),
                                   kPersistent, &compiled.handle, &tail);
        if (result != SQLITE_OK) return compile_failure(result, sql);
        const std::string_view rest = tail;
        const bool single = rest.find_first_not_of(" \t\r\n;") == std::string_view::npos ||
                            rest.substr(rest.find_first_not_of(" \t\r\n;")).starts_with("--");
        if (compiled.handle == nullptr || !single) {
            sqlite3_finalize(compiled.handle);
            return fail(Code::invalid,
                        x_path +
                            (compiled.handle == nullptr ? ": there is no SQL statement in \""
                                                        : ": more than one SQL statement in \"") +
                            excerpt(sql) + "\"");
        }
        node.push_back(std::move(compiled));
    }
    ++x_borrowed;
    return std::unique_ptr<sql::Statement>(
        std::make_unique<EngineStatement>(*this, std::move(node)));
}

void EngineConnection::take_back(StatementCache::Node node) {
    --x_borrowed;
    x_cache.give(std::move(node));
}

Result<bool> EngineConnection::step(sqlite3_stmt* handle, std::string_view sql) {
    const bool by_itself = sqlite3_get_autocommit(x_db) != 0;
    if (x_guard.in_work && by_itself) {
        return fail(Code::failed, x_path + ": cannot run \"" + excerpt(sql) +
                                      "\": an earlier error ended the transaction of this work");
    }
    const int result = sqlite3_step(handle);
    if (result == SQLITE_ROW) return true;
    if (result == SQLITE_DONE) return false;
    Failure failure = engine_failure(x_db, result, x_path, "cannot run \"" + excerpt(sql) + "\"");
    // Such a statement is its own commit, which met an I/O error: see commit().
    if (by_itself && failure.error.code != Code::corrupt && primary(result) == SQLITE_IOERR &&
        sqlite3_stmt_readonly(handle) == 0) {
        failure.error.code = Code::outcome_unknown;
    }
    return failure;
}

Status EngineConnection::execute(std::string_view sql) {
    const std::string text(sql);
    const char* rest = text.c_str();
    while (*rest != '\0') {
        sqlite3_stmt* handle = nullptr;
        const char* tail = nullptr;
        const int result = compile(rest, -1, 0, &handle, &tail);
        if (result != SQLITE_OK) return compile_failure(result, rest);
        const std::string_view one(rest, static_cast<std::size_t>(tail - rest));
        rest = tail;
        if (handle == nullptr) continue;  // A comment, or nothing.
        Result<bool> row = true;
        while (row && *row) row = step(handle, one);
        sqlite3_finalize(handle);
        if (!row) return fail(std::move(row).error());
    }
    return ok();
}

Status EngineConnection::run_own(Own which) {
    static constexpr std::array<std::string_view, kOwnCount> kSql{"BEGIN",
                                                                  "BEGIN IMMEDIATE",
                                                                  "COMMIT",
                                                                  "ROLLBACK",
                                                                  "SAVEPOINT taskstore_member",
                                                                  "RELEASE taskstore_member",
                                                                  "ROLLBACK TO taskstore_member"};
    const auto index = static_cast<std::size_t>(which);
    sqlite3_stmt*& handle = x_own[index];
    if (handle == nullptr) {
        const int result = compile(kSql[index].data(), -1, kPersistent, &handle, nullptr);
        if (result != SQLITE_OK) return compile_failure(result, kSql[index]);
    }
    const int result = sqlite3_step(handle);
    Status status = ok();
    if (result != SQLITE_DONE) {
        status =
            engine_failure(x_db, result, x_path, "cannot run \"" + std::string(kSql[index]) + "\"");
    }
    sqlite3_reset(handle);
    return status;
}

Status EngineConnection::refuse_in_work(std::string_view what) {
    if (!x_guard.in_work) return ok();
    x_guard.refuse_work("a work must not begin or end transactions (" + std::string(what) + ")");
    return fail(Code::invalid, x_path + ": " + x_guard.refused);
}

Status EngineConnection::begin_read() {
    TASKSTORE_TRY(refuse_in_work("BEGIN"));
    return run_own(Own::begin);
}

Status EngineConnection::begin_write() {
    TASKSTORE_TRY(refuse_in_work("BEGIN"));
    if (x_guard.read_only) return fail(Code::denied, x_path + ": the connection is read-only");
    return run_own(Own::begin_immediate);
}

// A COMMIT that fails on I/O may have put its last frame into the WAL before the flush failed: this
// connection takes it back, but if the machine stops before the next commit overwrites that frame,
// recovery finds a complete transaction. So neither "done" nor "not done" can be promised.
Status EngineConnection::commit() {
    TASKSTORE_TRY(refuse_in_work("COMMIT"));
    auto status = run_own(Own::commit);
    if (status) return status;
    Error error = std::move(status).error();
    rollback();
    // Damage is noticed before anything is written.
    if (primary(error.native) == SQLITE_IOERR && error.code != Code::corrupt)
        error.code = Code::outcome_unknown;
    return fail(std::move(error));
}

void EngineConnection::rollback() {
    if (!refuse_in_work("ROLLBACK") || !in_transaction()) return;
    // An error here means that the engine has rolled back by itself, or will when the connection
    // closes.
    static_cast<void>(run_own(Own::rollback));
}

Status EngineConnection::undo_savepoint() {
    TASKSTORE_TRY(run_own(Own::rollback_to));
    return run_own(Own::release);
}

void EngineConnection::reset_left_open() {
    if (x_borrowed == 0) return;
    for (sqlite3_stmt* it = sqlite3_next_stmt(x_db, nullptr); it != nullptr;
         it = sqlite3_next_stmt(x_db, it)) {
        if (sqlite3_stmt_busy(it) != 0) sqlite3_reset(it);
    }
}

Status EngineConnection::run_work(const sql::Work& work) {
    x_guard.in_work = true;
    x_guard.broken_by_work = false;
    Status status = ok();
    try {
        status = work(*this);
    } catch (const std::exception& exception) {
        status = fail(Code::failed, x_path + ": a work threw: " + exception.what());
    } catch (...) {
        status = fail(Code::failed, x_path + ": a work threw");
    }
    reset_left_open();
    x_guard.in_work = false;
    if (x_guard.broken_by_work) status = fail(Code::invalid, x_path + ": " + x_guard.refused);
    return status;
}

}  // namespace taskstore::sqlite
