#include "connection.hpp"
#include "dump.hpp"
#include "errors.hpp"

#include <taskstore/base/ascii.hpp>
#include <taskstore/sql/quoted.hpp>
#include <taskstore/sqlite/copy.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace taskstore::sqlite {
namespace {

constexpr int kValueBytesMax = 256 << 20;
constexpr int kPagesPerStep = 4'096;

struct Finalizer {
    void operator()(sqlite3_stmt* statement) const { sqlite3_finalize(statement); }
};

/// What statements of a dump may do: make tables, and rows out of constants. A function may stand
/// in a table's CHECK, which is not looked at.
int allow_dump(void* making_row, int action, const char* /*first*/, const char* second,
               const char* /*database*/, const char* /*trigger*/) {
    const bool row = *static_cast<const bool*>(making_row);
    switch (action) {
        case SQLITE_INSERT:
            return SQLITE_OK;
        case SQLITE_READ:
        case SQLITE_UPDATE:
        case SQLITE_CREATE_TABLE:
        case SQLITE_CREATE_INDEX:
        case SQLITE_REINDEX:
            return row ? SQLITE_DENY : SQLITE_OK;
        case SQLITE_FUNCTION: {
            const std::string_view name = second;
            return !row || name == "replace" || name == "char" ? SQLITE_OK : SQLITE_DENY;
        }
        default:
            return SQLITE_DENY;
    }
}

/// Of the disk and the memory here; what else goes wrong is the dump's.
bool is_local(int result) {
    const int code = primary(result);
    return code == SQLITE_FULL || code == SQLITE_IOERR || code == SQLITE_NOMEM ||
           code == SQLITE_CANTOPEN;
}

/// Values in columns of this type keep the type that they were written with, where others make a
/// real of a whole number.
bool keeps_types(std::string_view declared) {
    const std::string type = ascii::uppered(declared);
    for (const char* other : {"INT", "CHAR", "CLOB", "TEXT"})
        if (type.find(other) != std::string::npos) return false;
    return type.empty() || type == "ANY" || type.find("BLOB") != std::string::npos;
}

class EngineCopy final : public sql::CopyFile {
  public:
    EngineCopy(Driver& driver, std::unique_ptr<EngineConnection> connection)
        : x_driver(driver), x_connection(std::move(connection)) {}

    Status copy_from(const sql::OpenRequest& request) override;
    Status load(std::string_view dump) override;
    Result<std::unique_ptr<sql::Connection>> finish() override;

  private:
    Failure failure(int result, std::string_view doing) const;
    Failure unreadable(const std::string& why) const {
        return fail(Code::unsupported, "the dump cannot be read here: " + why);
    }
    Status begin_load();
    Status run_of_dump(std::string_view statement);
    Status run(std::string_view statement, const std::vector<double>& reals);
    Status end_load();
    Status check_types();
    Status leave_wal();

    Driver& x_driver;
    std::unique_ptr<EngineConnection> x_connection;
    DumpText x_dump;
    bool x_loading = false;
    bool x_begun = false;
    bool x_ended = false;
    bool x_making_row = false;
};

Failure EngineCopy::failure(int result, std::string_view doing) const {
    auto failure = engine_failure(x_connection->db(), result, x_connection->path(), doing);
    if (primary(result) != SQLITE_FULL) return failure;
    return std::move(failure).with_hint(
        "the disk is full: while a database is copied its folder wants as much room again as the "
        "database has");
}

// --- a database ---------------------------------------------------------------------------------

Status EngineCopy::copy_from(const sql::OpenRequest& request) {
    TASKSTORE_LET(const auto source,
                  connect_engine(x_driver, request.location.text, {.read_only = true}));
    // One transaction from the first step to the last: without it a writer of another process would
    // make each step begin again.
    TASKSTORE_TRY(source->begin_read());
    TASKSTORE_TRY(source->execute("SELECT 1 FROM sqlite_schema LIMIT 1"));
    sqlite3_backup* const copy =
        sqlite3_backup_init(x_connection->db(), "main", source->db(), "main");
    if (copy == nullptr)
        return failure(sqlite3_errcode(x_connection->db()), "cannot begin the copy");
    int result = SQLITE_OK;
    while (result == SQLITE_OK) result = sqlite3_backup_step(copy, kPagesPerStep);
    const int ended = sqlite3_backup_finish(copy);
    source->rollback();
    if (result != SQLITE_DONE)
        return failure(result, "cannot copy " + request.location.text + " into it");
    if (ended != SQLITE_OK) return failure(ended, "cannot end the copy");
    return leave_wal();
}

/// The copy says, as its source, that it has a write-ahead log; one would be made by its name,
/// which may be another's by now. So the two bytes are written into the open file, and what the
/// connection remembers of it is forgotten. https://sqlite.org/fileformat2.html, 1.3.3
Status EngineCopy::leave_wal() {
    constexpr std::array<char, 2> kRollbackJournal{1, 1};
    constexpr sqlite3_int64 kVersionsAt = 18;
    sqlite3_file* file = nullptr;
    const int found = sqlite3_file_control(x_connection->db(), "main", SQLITE_FCNTL_FILE_POINTER,
                                           static_cast<void*>(&file));
    if (found != SQLITE_OK || file == nullptr || file->pMethods == nullptr)
        return failure(found, "cannot find the open file");
    const int written = file->pMethods->xWrite(
        file, kRollbackJournal.data(), static_cast<int>(kRollbackJournal.size()), kVersionsAt);
    if (written != SQLITE_OK) return failure(written, "cannot write its header");
    sqlite3_db_release_memory(x_connection->db());
    return ok();
}

// --- a dump -------------------------------------------------------------------------------------

Status EngineCopy::load(std::string_view dump) {
    if (!x_loading) TASKSTORE_TRY(begin_load());
    return x_dump.take(dump, [&](std::string_view one) { return run_of_dump(one); });
}

Status EngineCopy::begin_load() {
    sqlite3* const db = x_connection->db();
    TASKSTORE_TRY(x_connection->execute("PRAGMA ignore_check_constraints=ON"));
    // Tables come in any order, and a row may be there before what it refers to.
    sqlite3_db_config(db, SQLITE_DBCONFIG_ENABLE_FKEY, 0, nullptr);
    sqlite3_db_config(db, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr);
    sqlite3_limit(db, SQLITE_LIMIT_LENGTH, kValueBytesMax);
    sqlite3_limit(db, SQLITE_LIMIT_ATTACHED, 0);
    TASKSTORE_TRY(x_connection->begin_write());
    sqlite3_set_authorizer(db, allow_dump, &x_making_row);
    x_loading = true;
    return ok();
}

Status EngineCopy::run_of_dump(std::string_view statement) {
    const DumpStatement kind = kind_of_dump_statement(statement);
    if (kind == DumpStatement::nothing) return ok();
    const bool first = kind == DumpStatement::begin;
    if (x_ended || first == x_begun)
        return unreadable("\"" + excerpt(statement) + "\" is not where it should be");
    switch (kind) {
        case DumpStatement::begin:
            x_begun = true;
            return ok();
        case DumpStatement::table:
            x_making_row = false;
            return run(statement, {});
        case DumpStatement::row: {
            x_making_row = true;
            const RowText row = without_reals(statement);
            return run(row.sql, row.reals);
        }
        case DumpStatement::left_out:
        case DumpStatement::nothing:
            return ok();
        case DumpStatement::commit:
            x_ended = true;
            return ok();
        case DumpStatement::rollback:
            return fail(Code::unavailable, "the server met an error while it made the dump")
                .with_hint("look at the server's log");
        case DumpStatement::foreign:
            break;
    }
    return unreadable("\"" + excerpt(statement) + "\"");
}

Status EngineCopy::run(std::string_view statement, const std::vector<double>& reals) {
    sqlite3* const db = x_connection->db();
    sqlite3_stmt* handle = nullptr;
    const char* tail = nullptr;
    int result = sqlite3_prepare_v2(db, statement.data(), static_cast<int>(statement.size()),
                                    &handle, &tail);
    const std::unique_ptr<sqlite3_stmt, Finalizer> owned(handle);
    for (std::size_t i = 0; i < reals.size() && result == SQLITE_OK; ++i)
        result = sqlite3_bind_double(handle, static_cast<int>(i) + 1, reals[i]);
    if (result == SQLITE_OK) result = sqlite3_step(handle);
    if (result == SQLITE_DONE) return ok();
    if (is_local(result)) return failure(result, "cannot write the copy");
    return unreadable("\"" + excerpt(statement) + "\": " + sqlite3_errmsg(db));
}

Status EngineCopy::end_load() {
    sqlite3_set_authorizer(x_connection->db(), nullptr, nullptr);
    if (!x_begun) return unreadable("it does not begin as one");
    if (!x_ended || !x_dump.is_at_end())
        return fail(Code::unavailable, "the dump was cut off before its end");
    const int done = sqlite3_exec(x_connection->db(), "COMMIT", nullptr, nullptr, nullptr);
    if (done != SQLITE_OK) return failure(done, "cannot write the copy");
    return check_types();
}

/// A real without a fraction is dumped as a whole number, which a column of no type would be right
/// with, too.
Status EngineCopy::check_types() {
    TASKSTORE_LET(
        const auto columns,
        x_connection->prepare("SELECT t.name, c.name, c.type FROM sqlite_schema t JOIN "
                              "pragma_table_xinfo(t.name) c WHERE t.type = 'table' AND t.name NOT "
                              "LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY 1, 2"));
    while (true) {
        TASKSTORE_LET(const bool more, columns->step());
        if (!more) return ok();
        if (!keeps_types(columns->column_text(2))) continue;
        const std::string table(columns->column_text(0));
        const std::string column(columns->column_text(1));
        const std::string name = sql::quoted_name(column);
        TASKSTORE_LET(const auto whole,
                      x_connection->prepare("SELECT 1 FROM " + sql::quoted_name(table) +
                                            " WHERE typeof(" + name + ") = 'integer' LIMIT 1"));
        TASKSTORE_LET(const bool found, whole->step());
        if (found)
            return unreadable("'" + table + "." + column +
                              "' has no type, and holds numbers that may have been reals");
    }
}

Result<std::unique_ptr<sql::Connection>> EngineCopy::finish() {
    if (x_loading) TASKSTORE_TRY(end_load());
    TASKSTORE_TRY(x_connection->only_read());
    return std::unique_ptr<sql::Connection>(std::move(x_connection));
}

}  // namespace

Result<std::unique_ptr<sql::CopyFile>> begin_copy(Driver& driver, const std::string& path) {
    TASKSTORE_LET(
        auto connection,
        connect_engine(driver, path, {.durability = sql::Durability::building, .create = true}));
    return std::unique_ptr<sql::CopyFile>(
        std::make_unique<EngineCopy>(driver, std::move(connection)));
}

}  // namespace taskstore::sqlite
