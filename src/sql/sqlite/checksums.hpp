#pragma once
// Page checksums: a VFS (https://sqlite.org/vfs.html) over another one, under which a database page
// that is read is the page that was written, or the read fails with SQLITE_IOERR_DATA. The grammar
// stands at the top of checksums.cpp.

#include <sqlite3.h>

#include <string>

namespace taskstore::sqlite {

/// Registered with SQLite while it lives, under a name of its own. Thread-safe.
class ChecksumVfs {
  public:
    /// Over the registered VFS `base`, which must outlive it; nullptr: over SQLite's default.
    explicit ChecksumVfs(const char* base);
    ~ChecksumVfs();
    ChecksumVfs(const ChecksumVfs&) = delete;
    ChecksumVfs& operator=(const ChecksumVfs&) = delete;
    const char* name() const { return x_name.c_str(); }

    /// SQLite hands `vfs` to the functions: they find `base` beside it.
    struct Registered {
        sqlite3_vfs vfs;
        sqlite3_vfs* base;
    };

  private:
    std::string x_name;
    Registered x_registered{};
};

// For a connection through a ChecksumVfs to a file:

/// A database that is still empty gets the room for checksums. Before the first read.
int reserve_checksums(sqlite3* db);

/// Pages are written with checksums and read without a look at them. For a database that is being
/// built: SQLite reads pages there that it never wrote (freed before their first write).
void trust_pages(sqlite3* db);

/// SQLITE_IOERR_DATA where the WAL has lost what the database already holds a part of; to be asked
/// after the first read, which is where a WAL is recovered. Not for immutable databases.
int check_wal_is_whole(sqlite3* db);

}  // namespace taskstore::sqlite
