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

namespace taskstore::sql {

/// What a driver is asked to open.
struct OpenRequest {
    Location location;
    /// The logical database: main, tasks, logs, memory. A schema of its own where the engine has
    /// them.
    std::string name;
    PoolOptions pool = {};
    bool read_only = false;
    bool create = true;
    bool pooler = false;           ///< PgBouncer in transaction mode lies in between.
    std::string token = {};        ///< Bearer token, where the location carries none.
    const Clock* clock = nullptr;  ///< These two must outlive what is opened.
    Random* random = nullptr;
    std::function<void(const std::string&)> warn = {};  ///< Any thread.
};

/// One driver. Thread-safe.
class Part {
  public:
    virtual ~Part() = default;
    virtual Result<std::unique_ptr<Database>> open_database(const OpenRequest& request) = 0;
    /// One session, for migrations and for people's own questions.
    virtual Result<std::unique_ptr<Connection>> connect(const OpenRequest& request) = 0;
    virtual std::string version() const = 0;  ///< Of the engine's library: "libpq 15.18".
};

/// What a shared object exports by the name `taskstore_part`.
struct PartEntry {
    const char* stamp;         ///< kPartStamp of its build.
    Part* (*make)() noexcept;  ///< The caller owns it; nullptr: out of memory.
};
inline constexpr const char* kPartSymbol = "taskstore_part";
/// Version of the port and of the compiler: equal or not loaded.
inline constexpr const char* kPartStamp = "taskstore-part-1 " __VERSION__;

}  // namespace taskstore::sql
