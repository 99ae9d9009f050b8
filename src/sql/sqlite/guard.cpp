#include "guard.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <string_view>
#include <utility>

namespace taskstore::sqlite {
namespace {

using Names = std::span<const std::string_view>;

// Their argument says what to look at; nothing changes either way.
constexpr std::array<std::string_view, 16> kLookingPragmas{
    "collation_list",   "compile_options", "database_list", "foreign_key_check",
    "foreign_key_list", "function_list",   "index_info",    "index_list",
    "index_xinfo",      "integrity_check", "module_list",   "pragma_list",
    "quick_check",      "table_info",      "table_list",    "table_xinfo"};

// Answer without an argument, change something with one.
constexpr std::array<std::string_view, 20> kAnsweringPragmas{
    "application_id", "auto_vacuum",  "cache_size",     "data_version", "defer_foreign_keys",
    "encoding",       "foreign_keys", "freelist_count", "journal_mode", "journal_size_limit",
    "max_page_count", "mmap_size",    "page_count",     "page_size",    "query_only",
    "schema_version", "synchronous",  "temp_store",     "user_version", "wal_autocheckpoint"};

// Change the database (and are undone with the transaction) or this transaction alone, never the
// connection that the next work inherits.
constexpr std::array<std::string_view, 3> kTransactionPragmas{"application_id",
                                                              "defer_foreign_keys", "user_version"};

constexpr std::array<std::string_view, 2> kHostileFunctions{"fts3_tokenizer", "load_extension"};

bool same_name(std::string_view a, std::string_view b) {
    return a.size() == b.size() &&
           sqlite3_strnicmp(a.data(), b.data(), static_cast<int>(a.size())) == 0;
}

bool one_of(Names names, std::string_view name) {
    return std::ranges::any_of(names,
                               [&](std::string_view entry) { return same_name(entry, name); });
}

bool reads_only(std::string_view pragma, bool has_argument) {
    return one_of(kLookingPragmas, pragma) || (!has_argument && one_of(kAnsweringPragmas, pragma));
}

// The savepoints of the writer queue; a work may use any other name.
constexpr std::string_view kReservedPrefix = "taskstore_";

int authorize(void* guard, int action, const char* first, const char* second,
              const char* /*database*/, const char* /*trigger*/) {
    return static_cast<Guard*>(guard)->allows(action, first, second) ? SQLITE_OK : SQLITE_DENY;
}

}  // namespace

void Guard::install(sqlite3* db) {
    sqlite3_set_authorizer(db, authorize, this);
}

bool Guard::refuse_work(std::string why) {
    refused = std::move(why);
    broken_by_work = true;
    return false;
}

bool Guard::allows(int action, const char* first, const char* second) {
    const std::string_view one = first != nullptr ? first : "";
    const std::string_view two = second != nullptr ? second : "";
    if (in_work) {
        switch (action) {
            case SQLITE_TRANSACTION:
                return refuse_work("a work must not begin or end transactions (" +
                                   std::string(one) + ")");
            case SQLITE_SAVEPOINT:
                if (two.size() >= kReservedPrefix.size() &&
                    same_name(two.substr(0, kReservedPrefix.size()), kReservedPrefix)) {
                    return refuse_work("savepoints named taskstore_… are not a work's to touch");
                }
                works_have_savepoints = true;
                break;
            case SQLITE_ATTACH:
            case SQLITE_DETACH:
                return refuse_work("a work must not attach or detach databases");
            case SQLITE_PRAGMA:
                if (!reads_only(one, second != nullptr) && !one_of(kTransactionPragmas, one)) {
                    return refuse_work("a work must not change the connection (PRAGMA " +
                                       std::string(one) + ")");
                }
                break;
            default:
                break;
        }
    }
    if (action == SQLITE_FUNCTION && one_of(kHostileFunctions, two)) {
        refused = "the function " + std::string(two) + " is not allowed";
        return false;
    }
    if (!read_only) return true;
    switch (action) {
        case SQLITE_SELECT:
        case SQLITE_READ:
        case SQLITE_FUNCTION:
        case SQLITE_RECURSIVE:
        case SQLITE_TRANSACTION:
        case SQLITE_SAVEPOINT:
            return true;
        case SQLITE_UPDATE:
            // SQLite asks this when it declares a virtual table for reading (it compiles, and
            // drops, what would store a new table's text); a statement that says so it refuses by
            // itself.
            if (one == "sqlite_master") return true;
            refused = "the connection is read-only";
            return false;
        case SQLITE_PRAGMA:
            if (reads_only(one, second != nullptr)) return true;
            refused = "PRAGMA " + std::string(one) + " is not allowed on a read-only connection";
            return false;
        default:
            refused = "the connection is read-only";
            return false;
    }
}

}  // namespace taskstore::sqlite
