#pragma once
// Backups of a device's databases (floor 5): one portable format, whatever the engine.
//
//   file    = zstd( lines )                       RFC 8878, with the checksum of its frames
//   lines   = header , { table , { row } } , end  each a line of JSON
//   header  = {"taskstore_backup":1,"database":NAME,"id":ID,"epoch":N,"made_at":MS,
//              "modules":{MODULE:VERSION,…}}
//   table   = {"table":NAME,"columns":[COLUMN,…]}
//   row     = [VALUE,…]                           in the order of the table's key
//   VALUE   = null | whole number | text | {"real":DECIMAL} | {"blob":HEXADECIMAL}
//   end     = {"end":true,"rows":N,"sha256":HEX}  of all bytes before this line
//
// Each engine shows one state by its own means: SQLite's online backup into a file beside the
// backup, libSQL's dump (`GET /dump`) loaded into such a file, PostgreSQL's REPEATABLE READ. From
// there rows are read page by page in one transaction, alike from all. A libSQL server without a
// dump, or whose dump would be read otherwise than it was meant (a number in a column without a
// type, a quotation of a later version), is read as PostgreSQL is; then a program that stands still
// between two pages may lose its transaction (sqld: after 10 s). Both give the same bytes.

#include <taskstore/store/databases.hpp>

#include <cstdint>
#include <functional>
#include <string>

namespace taskstore::store {

/// Called now and then: rows done, of how many (0: not known).
using RowProgress = std::function<void(std::int64_t done, std::int64_t total)>;

struct BackupReport {
    std::string database;
    std::string path;
    std::int64_t rows = 0;
    std::int64_t bytes = 0;  ///< Of the file; 0 where nothing was written.
    std::string sha256;
};

/// Writes one consistent state of the database, while others go on working, into `path`, which is
/// replaced as a whole once everything is on disk (mode 0600). SQLite and libSQL want room for a
/// copy of the database in that folder meanwhile: a file that has no name, so that nothing is left
/// of it, whatever ends the program. Where the server ends its transaction or its dump half-way, it
/// begins again with another state, five times at most, and `progress` from 0; then unavailable.
/// failed: the disk is full. not_found: there is no such database yet. exists: `path` is there and
/// no backup. unavailable: the database has moved (says where to), or is being filled.
Result<BackupReport> back_up(Databases& databases, DatabaseName name, const std::string& path,
                             const RowProgress& progress);

/// "tasks-20261121T203445Z.taskstore.zst"
std::string backup_name(DatabaseName name, std::int64_t made_at_ms);

struct RestoreRequest {
    std::string path;
    /// Empty: the one that the backup is of.
    std::optional<DatabaseName> name = {};
    /// A database that holds rows is made equal to the backup; otherwise that is `exists`.
    bool replace = false;
    RowProgress progress = {};
    /// Called when the database is closed (1) and when all rows are there (2); an error ends the
    /// restore there, as a crash would.
    std::function<Status(int step)> after_step_for_testing = {};
};
struct RestoreReport {
    std::string database;
    std::string place;  ///< Without passwords.
    std::int64_t rows = 0;
    std::int64_t written = 0;
    std::int64_t deleted = 0;
    std::int64_t epoch = 0;
    std::optional<sql::DurabilityLevel> level = {};  ///< What all of it survives.
};
/// Reads the whole file first: corrupt, before anything is changed, where a byte of it is not what
/// was written. Then the engine refuses all other writes (`unavailable`), also of who has the
/// database open, until every row is there and was read again; its epoch grows, above what moves of
/// this device have planned too, and with it every claim ends: fences that were given before are
/// refused. The place gets another id (sql/identity.hpp): to a move that had filled it, and to what
/// is sealed and leads there, it holds another database. After an error, or a crash, it stays
/// closed, until the same backup is restored again, or any with `replace`. exists: rows are there
/// already. unavailable: it has moved, or a move fills it. conflict: another restore or move was
/// quicker. A backup of an older version goes into a place of that version, or an empty one, and is
/// brought up at the end. unsupported: it is of a newer version, or the place is of a newer one
/// than the backup or knows a module that it does not, cannot refuse writes, or takes no row as
/// large as the largest one. denied: who is connected could close the place and not open it again.
Result<RestoreReport> restore(Databases& databases, const RestoreRequest& request);

}  // namespace taskstore::store
