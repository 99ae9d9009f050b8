#include <taskstore/sqlite/driver.hpp>

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

#include <cstring>
#include <list>
#include <unordered_map>

namespace taskstore::sqlite {
namespace {

constexpr std::size_t kCachedStatementsMax = 64;

Code code_of(int result) {
    switch (result & 0xFF) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED: return Code::unavailable;
        case SQLITE_CONSTRAINT: return Code::conflict;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB: return Code::corrupt;
        case SQLITE_READONLY:
        case SQLITE_AUTH:
        case SQLITE_PERM: return Code::denied;
        case SQLITE_INTERRUPT: return Code::cancelled;
        case SQLITE_ERROR:
        case SQLITE_MISMATCH:
        case SQLITE_RANGE:
        case SQLITE_TOOBIG: return Code::invalid;
        default: return Code::failed;
    }
}

Failure failure(sqlite3* database, int result, std::string_view what) {
    return fail(code_of(result), std::string(what) + ": " + sqlite3_errmsg(database))
        .with_native(sqlite3_extended_errcode(database));
}

struct StatementCloser {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};
using StatementHandle = std::unique_ptr<sqlite3_stmt, StatementCloser>;

/// Prepared statements by text, least recently used last. One that is in use is not in here.
class StatementCache {
  public:
    StatementHandle take(std::string_view sql) {
        const auto found = x_by_text.find(sql);
        if (found == x_by_text.end()) return nullptr;
        StatementHandle statement = std::move(found->second->statement);
        const auto entry = found->second;
        x_by_text.erase(found);
        x_entries.erase(entry);
        return statement;
    }
    void give_back(StatementHandle statement) {
        const std::string_view sql(sqlite3_sql(statement.get()));
        if (x_by_text.contains(sql)) return;
        x_entries.push_front({std::string(sql), std::move(statement)});
        x_by_text.emplace(x_entries.front().sql, x_entries.begin());
        if (x_entries.size() > kCachedStatementsMax) {
            x_by_text.erase(x_entries.back().sql);
            x_entries.pop_back();
        }
    }

  private:
    struct Entry {
        std::string sql;
        StatementHandle statement;
    };
    std::list<Entry> x_entries;
    std::unordered_map<std::string_view, std::list<Entry>::iterator> x_by_text;
};

class SqliteStatement final : public sql::Statement {
  public:
    SqliteStatement(sqlite3* database, StatementCache& cache, StatementHandle statement)
        : x_database(database), x_cache(cache), x_statement(std::move(statement)) {}
    ~SqliteStatement() override {
        SqliteStatement::reset();
        x_cache.give_back(std::move(x_statement));
    }

    Status bind_null(int index) override { return bound(sqlite3_bind_null(x_statement.get(), index)); }
    Status bind(int index, std::int64_t value) override {
        return bound(sqlite3_bind_int64(x_statement.get(), index, value));
    }
    Status bind(int index, double value) override {
        return bound(sqlite3_bind_double(x_statement.get(), index, value));
    }
    Status bind(int index, std::string_view text) override {
        if (std::memchr(text.data() == nullptr ? "" : text.data(), 0, text.size()) != nullptr) {
            return fail(Code::invalid, "text with the character U+0000 cannot be stored");
        }
        const char* bytes = text.data() == nullptr ? "" : text.data();
        return bound(sqlite3_bind_text64(x_statement.get(), index, bytes, text.size(), SQLITE_STATIC, SQLITE_UTF8));
    }
    Status bind_blob(int index, std::string_view bytes) override {
        const char* start = bytes.data() == nullptr ? "" : bytes.data();
        return bound(sqlite3_bind_blob64(x_statement.get(), index, start, bytes.size(), SQLITE_STATIC));
    }

    Result<bool> step() override {
        const int result = sqlite3_step(x_statement.get());
        if (result == SQLITE_ROW) return true;
        if (result == SQLITE_DONE) return false;
        return failure(x_database, result, "the statement failed");
    }
    void reset() override {
        sqlite3_reset(x_statement.get());
        sqlite3_clear_bindings(x_statement.get());
    }
    int column_count() override { return sqlite3_column_count(x_statement.get()); }
    std::string_view column_name(int column) override { return sqlite3_column_name(x_statement.get(), column); }
    bool is_null(int column) override { return sqlite3_column_type(x_statement.get(), column) == SQLITE_NULL; }
    std::int64_t column_int64(int column) override { return sqlite3_column_int64(x_statement.get(), column); }
    double column_double(int column) override { return sqlite3_column_double(x_statement.get(), column); }
    std::string_view column_text(int column) override {
        const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(x_statement.get(), column));
        return text == nullptr ? std::string_view() : std::string_view(text, bytes_of(column));
    }
    std::string_view column_blob(int column) override {
        const auto* bytes = static_cast<const char*>(sqlite3_column_blob(x_statement.get(), column));
        return bytes == nullptr ? std::string_view() : std::string_view(bytes, bytes_of(column));
    }
    sql::Value column_value(int column) override {
        switch (sqlite3_column_type(x_statement.get(), column)) {
            case SQLITE_INTEGER: return column_int64(column);
            case SQLITE_FLOAT: return column_double(column);
            case SQLITE_TEXT: return std::string(column_text(column));
            case SQLITE_BLOB: return sql::Blob{std::string(column_blob(column))};
            default: return std::monostate{};
        }
    }

  private:
    std::size_t bytes_of(int column) {
        return static_cast<std::size_t>(sqlite3_column_bytes(x_statement.get(), column));
    }
    Status bound(int result) {
        if (result == SQLITE_OK) return ok();
        return failure(x_database, result, "a parameter cannot be bound");
    }

    sqlite3* x_database;
    StatementCache& x_cache;
    StatementHandle x_statement;
};

int allow_reading_alone(void* /*context*/, int action, const char* name, const char* argument, const char* /*db*/,
                        const char* /*trigger*/) {
    switch (action) {
        case SQLITE_SELECT:
        case SQLITE_READ:
        case SQLITE_RECURSIVE:
        case SQLITE_TRANSACTION: return SQLITE_OK;
        case SQLITE_FUNCTION: return std::strcmp(argument, "load_extension") == 0 ? SQLITE_DENY : SQLITE_OK;
        case SQLITE_PRAGMA:
            for (const char* reading : {"table_info", "table_xinfo", "table_list", "index_list", "index_info",
                                        "foreign_key_list", "data_version"}) {
                if (std::strcmp(name, reading) == 0) return SQLITE_OK;
            }
            return argument == nullptr && std::strcmp(name, "user_version") == 0 ? SQLITE_OK : SQLITE_DENY;
        default: return SQLITE_DENY;
    }
}

class SqliteConnection final : public sql::Connection {
  public:
    explicit SqliteConnection(sqlite3* database) : x_database(database) {}
    ~SqliteConnection() override {
        x_cache = {};
        sqlite3_close_v2(x_database);
    }
    SqliteConnection(const SqliteConnection&) = delete;
    SqliteConnection& operator=(const SqliteConnection&) = delete;

    Status configure(const sql::OpenOptions& options) {
        sqlite3_extended_result_codes(x_database, 1);
        sqlite3_busy_timeout(x_database, static_cast<int>(options.busy_timeout_ms));
        std::string pragmas = "PRAGMA cache_size=-" + std::to_string(options.cache_bytes / 1024) +
                              ";PRAGMA mmap_size=" + std::to_string(options.mmap_bytes) +
                              ";PRAGMA foreign_keys=1;PRAGMA trusted_schema=0;";
        if (options.read_only) {
            pragmas += "PRAGMA query_only=1;";
        } else if (options.durability == sql::Durability::building) {
            pragmas += "PRAGMA secure_delete=0;PRAGMA journal_mode=OFF;PRAGMA synchronous=OFF;";
        } else {
            pragmas += "PRAGMA secure_delete=0;PRAGMA journal_mode=WAL;PRAGMA synchronous=";
            pragmas += options.durability == sql::Durability::flushed ? "FULL;" : "NORMAL;";
        }
        TASKSTORE_TRY(execute(pragmas));
        if (options.read_only) sqlite3_set_authorizer(x_database, &allow_reading_alone, nullptr);
        return ok();
    }

    Result<std::unique_ptr<sql::Statement>> prepare(std::string_view sql) override {
        StatementHandle handle = x_cache.take(sql);
        if (handle == nullptr) {
            sqlite3_stmt* raw = nullptr;
            const char* rest = nullptr;
            const int result = sqlite3_prepare_v3(x_database, sql.data(), static_cast<int>(sql.size()),
                                                  SQLITE_PREPARE_PERSISTENT, &raw, &rest);
            handle.reset(raw);
            if (result != SQLITE_OK) return failure(x_database, result, "this SQL cannot run");
            if (handle == nullptr) return fail(Code::invalid, "there is no SQL statement in the text");
            const std::string_view left(rest, static_cast<std::size_t>(sql.data() + sql.size() - rest));
            if (left.find_first_not_of(" \t\r\n;") != std::string_view::npos) {
                return fail(Code::invalid, "one statement at a time: there is text after the first");
            }
        }
        return std::unique_ptr<sql::Statement>(
            std::make_unique<SqliteStatement>(x_database, x_cache, std::move(handle)));
    }

    Status execute(std::string_view sql) override {
        const std::string text(sql);
        const int result = sqlite3_exec(x_database, text.c_str(), nullptr, nullptr, nullptr);
        if (result == SQLITE_OK) return ok();
        return failure(x_database, result, "this SQL cannot run");
    }
    std::int64_t changes() override { return sqlite3_changes64(x_database); }
    bool in_transaction() override { return sqlite3_get_autocommit(x_database) == 0; }
    std::string_view dialect() const override { return "sqlite"; }

  private:
    sqlite3* x_database;
    StatementCache x_cache;
};

std::string as_uri(const std::string& path, std::string_view query) {
    std::string uri = "file:";
    for (const char c : path) {
        if (c == '?' || c == '#' || c == '%') {
            uri += '%';
            uri += "0123456789ABCDEF"[static_cast<unsigned char>(c) >> 4U];
            uri += "0123456789ABCDEF"[static_cast<unsigned char>(c) & 15U];
        } else {
            uri += c;
        }
    }
    return uri + std::string(query);
}

}  // namespace

Result<std::unique_ptr<sql::Connection>> Driver::connect(const std::string& location,
                                                         const sql::OpenOptions& options) {
    std::string name = location;
    int flags = SQLITE_OPEN_NOMUTEX;
    if (options.read_only) {
        flags |= SQLITE_OPEN_READONLY;
        // Without write permission for the folder there can be no shared-memory file; with no WAL to miss, the
        // database file alone is the whole truth.
        const std::size_t slash = location.rfind('/');
        const std::string folder = slash == std::string::npos ? "." : location.substr(0, slash + 1);
        if (access(folder.c_str(), W_OK) != 0 && access((location + "-wal").c_str(), F_OK) != 0) {
            name = as_uri(location, "?immutable=1");
            flags |= SQLITE_OPEN_URI;
        }
    } else {
        flags |= SQLITE_OPEN_READWRITE;
        if (options.create) {
            // Made by us, so that it has mode 0600 from its first moment.
            const int fd = open(location.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
            if (fd >= 0) close(fd);
        }
    }
    sqlite3* raw = nullptr;
    const int result = sqlite3_open_v2(name.c_str(), &raw, flags, nullptr);
    auto connection = std::make_unique<SqliteConnection>(raw);
    if (result != SQLITE_OK) {
        const bool absent = access(location.c_str(), F_OK) != 0;
        return fail(absent ? Code::not_found : code_of(result),
                    "cannot open the database '" + location + "': " + sqlite3_errmsg(raw))
            .with_native(sqlite3_extended_errcode(raw));
    }
    TASKSTORE_TRY(connection->configure(options));
    return std::unique_ptr<sql::Connection>(std::move(connection));
}

}  // namespace taskstore::sqlite
