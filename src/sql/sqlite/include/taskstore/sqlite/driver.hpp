#pragma once
// The SQLite driver of the Database port (floor 3; composition roots and tests name it, nobody
// else). Engine: SQLite 3.40 or later through its C API (https://sqlite.org/c3ref/intro.html).

#include <taskstore/base/clock.hpp>
#include <taskstore/os/file_system.hpp>
#include <taskstore/sql/database.hpp>

#include <memory>
#include <string>

namespace taskstore::sqlite {

class ChecksumVfs;
class EngineConnection;
class Vfs;

/// Opens SQLite databases. Locations are paths; ":memory:" is a database that dies with its
/// connection. Thread-safe; must outlive its connections.
///
/// A connection is in WAL mode (except `building`: a journal in memory, so that a transaction can
/// still be undone, and the file locked for itself), checks foreign keys, does not overwrite
/// deleted content, trusts no function in a foreign schema, takes "x" for a name and never for a
/// string, and caches 64 statements. A database that it makes has mode 0600, and its name is
/// flushed into the folder.
///
/// read_only: the file is opened for reading, the engine told to refuse writes, and a filter on top
/// lets only queries, read transactions and reading pragmas through. Where the folder cannot be
/// written and no WAL is there, the database is read as immutable: somebody with more rights who
/// writes it at the same moment is not noticed, so open such a database for one question, not for a
/// day. With a WAL that cannot be joined (no shared-memory file, no right to make it) the answer is
/// `denied`, not an old state.
///
/// checksums: a database that it makes has 4096-byte pages with 20 reserved bytes, which others
/// (the sqlite3 shell) can read; what others write has no checksums and is `corrupt` from then on.
/// A WAL that ends before what the database already took from it is `corrupt` too. Once a
/// connection has met damage it reads and commits nothing more.
///
/// A process must not open and close a database file by other means while a connection to it is
/// open: POSIX drops all locks of a process on a file at the first close
/// (https://sqlite.org/howtocorrupt.html).
class Driver final : public sql::Driver {
  public:
    /// nullptr: the system's files, through SQLite's own VFS. Else everything goes through `files`,
    /// with locks and WAL index in this driver's memory: the driver stands for one process, and
    /// only its own connections may use a database at a time. `clock` is SQL's 'now' in that second
    /// form; without it time stands still. (SQL's random() is SQLite's own, seeded by the system,
    /// in both.)
    explicit Driver(os::FileSystem* files = nullptr, const Clock* clock = nullptr);
    ~Driver() override;
    Driver(const Driver&) = delete;
    Driver& operator=(const Driver&) = delete;

    /// Errors beyond those of Connection: not_found (with create=false or read_only), denied,
    /// corrupt (not a database, damaged header or schema).
    Result<std::unique_ptr<sql::Connection>> connect(const std::string& location,
                                                     const sql::OpenOptions& options) override;

    /// The files the databases of this driver are made of.
    os::FileSystem& files() { return *x_files; }

  private:
    friend Result<std::unique_ptr<EngineConnection>> connect_engine(
        Driver& driver, const std::string& path, const sql::OpenOptions& options);
    os::SystemFileSystem x_system_files;
    os::FileSystem* x_files;
    std::unique_ptr<Vfs> x_vfs;
    std::unique_ptr<ChecksumVfs> x_checksum_vfs;  ///< Over x_vfs, or over SQLite's own.
};

}  // namespace taskstore::sqlite
