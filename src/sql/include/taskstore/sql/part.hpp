#pragma once
// A driver as a loadable part (floor 2): what the shared object of a driver exports, and what a
// composition root asks of it. Drivers that need libraries of their own (libpq, libcurl) are loaded
// when a location names them, so that nobody else pays for them at start.
//
// The two sides are built from one tree by one compiler: they share C++ types, and `stamp` tells
// where they do not belong together.

#include <taskstore/base/clock.hpp>
#include <taskstore/sql/database.hpp>
#include <taskstore/sql/location.hpp>
#include <taskstore/sql/pool.hpp>

#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace taskstore::sql {

/// What a driver is asked to open.
struct OpenRequest {
    Location location;
    /// The logical database: main, tasks, logs, memory, archive. A schema of its own where the
    /// engine has them.
    std::string name;
    PoolOptions pool = {};
    bool read_only = false;
    bool create = true;
    /// Of connect(), in the clock's boot_ns(): when it is given up, and all that the session is
    /// asked. 0: as the driver and the location say.
    std::int64_t until_boot_ns = 0;
    bool pooler = false;           ///< PgBouncer in transaction mode lies in between.
    std::string token = {};        ///< Bearer token, where the location carries none.
    const Clock* clock = nullptr;  ///< These two must outlive what is opened.
    Random* random = nullptr;
    std::function<void(const std::string&)> warn = {};  ///< Any thread.
};

/// A file of SQLite that becomes the copy of a database, for one reader. It is read and written by
/// its open file alone: once it is made its name may go, and what it holds goes with it. Not
/// thread-safe.
class CopyFile {
  public:
    virtual ~CopyFile() = default;
    /// All of a SQLite database as it is at one moment; its writers go on. Once, and nothing else.
    virtual Status copy_from(const OpenRequest& request) = 0;
    /// A part of a dump: SQL text in SQLite's dialect, cut anywhere; once for each part, in order.
    /// Tables and their rows are taken, the rest of a schema is left out. unsupported: it holds
    /// what no dump holds, or what would be read as another value than was written. unavailable:
    /// who made it gave up.
    virtual Status load(std::string_view dump) = 0;
    /// Of what is whole; only reads. unavailable: the dump ends too soon. unsupported: as load().
    virtual Result<std::unique_ptr<Connection>> finish() = 0;
};

/// One driver. Thread-safe.
class Part {
  public:
    virtual ~Part() = default;
    virtual Result<std::unique_ptr<Database>> open_database(const OpenRequest& request) = 0;
    /// One session, for migrations and for people's own questions.
    virtual Result<std::unique_ptr<Connection>> connect(const OpenRequest& request) = 0;
    virtual std::string version() const = 0;  ///< Of the engine's library: "libpq 15.18".

    /// Whether the engine copies a database by a means of its own (copy()). PostgreSQL has none
    /// that is better than a transaction of one snapshot.
    virtual bool copies() const { return false; }
    /// A consistent copy of the whole database, with all that a read would show now, while others
    /// work. Once per file, whatever becomes of it. unsupported: this server cannot, or the
    /// copy would not be the same: read the rows in a transaction. unavailable: broken off
    /// half-way.
    virtual Status copy(const OpenRequest& request, CopyFile& to);
    /// SQLite's part alone: over an empty file.
    virtual Result<std::unique_ptr<CopyFile>> begin_copy(const std::string& path);
};

/// What a shared object exports by the name `taskstore_part`.
struct PartEntry {
    const char* stamp;         ///< kPartStamp of its build.
    Part* (*make)() noexcept;  ///< The caller owns it; nullptr: out of memory.
};
inline constexpr const char* kPartSymbol = "taskstore_part";
/// Version of the port and of the compiler: equal or not loaded.
inline constexpr const char* kPartStamp = "taskstore-part-4 " __VERSION__;

inline Status Part::copy(const OpenRequest& /*request*/, CopyFile& /*to*/) {
    return fail(Code::unsupported, version() + " copies no databases");
}
inline Result<std::unique_ptr<CopyFile>> Part::begin_copy(const std::string& /*path*/) {
    return fail(Code::unsupported, version() + " makes no files");
}

}  // namespace taskstore::sql
