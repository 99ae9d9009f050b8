#include "errors.hpp"

#include <taskstore/base/text.hpp>

#include <cerrno>

namespace taskstore::sqlite {

Code code_of(int extended, int system_errno) {
    if (extended == SQLITE_IOERR_DATA) return Code::corrupt;
    switch (primary(extended)) {
        case SQLITE_BUSY:
        case SQLITE_LOCKED:
        case SQLITE_PROTOCOL:
        case SQLITE_SCHEMA:
            return Code::unavailable;
        case SQLITE_CONSTRAINT:
            return Code::conflict;
        case SQLITE_ERROR:
        case SQLITE_MISMATCH:
        case SQLITE_RANGE:
        case SQLITE_TOOBIG:
        case SQLITE_MISUSE:
            return Code::invalid;
        case SQLITE_CORRUPT:
        case SQLITE_NOTADB:
        case SQLITE_FORMAT:
            return Code::corrupt;
        case SQLITE_READONLY:
        case SQLITE_PERM:
        case SQLITE_AUTH:
            return Code::denied;
        case SQLITE_INTERRUPT:
            return Code::cancelled;
        case SQLITE_CANTOPEN:
            if (system_errno == ENOENT) return Code::not_found;
            if (system_errno == EACCES || system_errno == EPERM || system_errno == EROFS) {
                return Code::denied;
            }
            return Code::failed;
        default:  // SQLITE_FULL, SQLITE_IOERR, SQLITE_NOMEM, SQLITE_ABORT, SQLITE_INTERNAL
            return Code::failed;
    }
}

Failure engine_failure(sqlite3* db, int result, std::string_view path, std::string_view doing) {
    const int extended = db != nullptr ? sqlite3_extended_errcode(db) : result;
    const bool fresh = primary(extended) == primary(result);
    const int system_errno = db != nullptr ? sqlite3_system_errno(db) : 0;
    std::string message(path);
    message += ": ";
    message += doing;
    message += ": ";
    const int native = fresh ? extended : result;
    if (native == SQLITE_IOERR_DATA)
        message += "a checksum does not fit, so the file was damaged";
    else
        message += db != nullptr && fresh ? sqlite3_errmsg(db) : sqlite3_errstr(result);
    auto failure = fail(code_of(native, system_errno), std::move(message)).with_native(native);
    switch (primary(native)) {
        case SQLITE_FULL:
            return std::move(failure).with_hint("the disk is full: free some space and try again");
        case SQLITE_BUSY:
            return std::move(failure).with_hint("another process is writing: try again");
        default:
            return failure;
    }
}

std::string excerpt(std::string_view sql) {
    constexpr std::size_t kExcerptBytesMax = 120;
    const std::string_view head = cut_utf8(sql, kExcerptBytesMax);
    std::string line;
    for (const char c : head) {
        const bool space = c == '\n' || c == '\r' || c == '\t' || c == ' ';
        if (space && (line.empty() || line.back() == ' ')) continue;
        line += space ? ' ' : c;
    }
    if (head.size() < sql.size()) line += "…";
    return line;
}

}  // namespace taskstore::sqlite
