#pragma once
// The device's databases, opened (floor 5; composition roots use it): made where they are missing,
// brought up to this version, refused where they are not to be trusted.

#include <taskstore/base/clock.hpp>
#include <taskstore/os/file_system.hpp>
#include <taskstore/sql/identity.hpp>
#include <taskstore/sql/migration.hpp>
#include <taskstore/sql/part.hpp>
#include <taskstore/store/device.hpp>
#include <taskstore/store/place.hpp>

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace taskstore::store {

/// A module that keeps tables in a logical database.
struct DatabaseModule {
    std::string_view name;
    std::span<const sql::Migration> migrations;
    std::span<const sql::Table> tables;
    std::string_view begin_epoch = {};    ///< Statements for when an epoch begins; empty: none.
    std::string_view after_restore = {};  ///< After those, where it begins with a backup's state.
    /// The same for the state of a place that had moved to one that is given up for lost.
    std::string_view after_loss = {};
    std::array<std::string_view, 2> topics = {};  ///< Of those who wait for its changes.
};
/// In the order in which they are made. `dialect` as of sql::Connection.
std::vector<DatabaseModule> modules_of(DatabaseName name, std::string_view dialect);
/// All their tables, those that others refer to first.
std::vector<sql::Table> tables_of(DatabaseName name);
/// Those that their migrations make, which may be fewer than this version knows.
std::vector<sql::Table> tables_of(std::span<const DatabaseModule> modules);

struct DatabasesOptions {
    DatabaseSettings settings;
    sql::PoolOptions pool = {};
    bool pooler = false;
    std::string token = {};  ///< For libSQL.
    bool allow_network = false;
    Opener opener = {};
    std::string safe_directories = {};
    /// The driver of an engine; drivers outlive what they open.
    std::function<Result<sql::Part*>(sql::Engine)> part;
    std::function<void(const std::string&)> warn = {};
    /// Instead of modules_of(): those of an older or newer version.
    std::function<std::vector<DatabaseModule>(DatabaseName name, std::string_view dialect)>
        modules_for_testing = {};
};

/// What a database has and what this version would add.
struct MigrationReport {
    struct Module {
        std::string name;
        std::vector<sql::AppliedMigration> applied;
        std::vector<sql::Migration> pending;
        bool newer = false;  ///< The database knows versions that this program does not.
    };
    DatabaseName database = DatabaseName::main;
    DatabasePlace place;
    bool exists = false;
    /// Why it cannot be told: a move of this device says that the database is there, and it is not.
    std::optional<Error> away = {};
    std::vector<Module> modules;
};

/// Not thread-safe; what it hands out is.
class Databases {
  public:
    Databases(os::FileSystem& files, const Clock& clock, Random& random, DatabasesOptions options);
    ~Databases();
    Databases(const Databases&) = delete;
    Databases& operator=(const Databases&) = delete;

    Result<DatabasePlace> place(DatabaseName name) const;
    /// Opened once and kept; lives as long as this object. Folders and file are made (0700, 0600);
    /// what is missing of its schema is applied, after a copy of the file beside it where it held
    /// an older one. denied: another user's file, a network file system. unavailable: it has moved,
    /// or is being filled; or a move of this device says that it is there, and it is not.
    /// unsupported: written by a newer version, or the driver is missing.
    Result<sql::Database*> open(DatabaseName name);
    /// The same for a place that no setting names, live or not: for moves and restores. Nothing is
    /// migrated.
    Result<std::unique_ptr<sql::Database>> open_at(DatabaseName name,
                                                   const sql::Location& location);
    /// A session of its own. Nothing is made but the file (with `create`), nothing is migrated. A
    /// server that does not answer is asked again for 2 s. not_found: no such file.
    struct Access {
        bool read_only = true;
        bool create = false;
        std::int64_t until_boot_ns = 0;  ///< As of sql::OpenRequest, of servers.
    };
    Result<std::unique_ptr<sql::Connection>> connect(DatabaseName name,
                                                     const sql::Location& location, Access access);
    /// What the database holds at one moment, copied by the engine's own means into a file in
    /// `folder` that has no name once it is made, and goes with the connection: to read. Of what a
    /// crash left there the next call makes use. Null: the engine has no such means, or this server
    /// has not or refuses it, or the copy would not be the same: a read transaction of connect()
    /// shows one state, too. unavailable: the server broke it off half-way. failed: the disk is
    /// full.
    Result<std::unique_ptr<sql::Connection>> copy(DatabaseName name, const sql::Location& location,
                                                  const std::string& folder);
    /// The same where a file may be made; unavailable where check_may_make() says so.
    Result<std::unique_ptr<sql::Connection>> connect_or_make(DatabaseName name,
                                                             const sql::Location& location);
    /// A session where the settings place it, to read. not_found: nobody has made it yet;
    /// unavailable: as open().
    Result<std::unique_ptr<sql::Connection>> find(DatabaseName name);
    /// unavailable: a move of this device says that the database is at the place. For who found
    /// none there.
    Status check_may_make(DatabaseName name, const sql::Location& location);
    /// Identity and schema of a database that `connect` opened, as open() does it. The identity is
    /// as it is, live or not.
    Result<sql::Identity> bring_up(sql::Connection& connection, DatabaseName name,
                                   const sql::Location& location);
    /// The schema alone, to what these modules know, in the write transaction that is open: of what
    /// is closed, by who has its mark.
    Status bring_up_within(sql::Connection& connection, const std::vector<DatabaseModule>& modules);
    /// A copy of a file beside it, where its schema is older; of servers none.
    Status keep_copies(sql::Connection& connection, DatabaseName name,
                       const sql::Location& location);
    /// Whether this version would add to the schema. unsupported, naming the place: it is a newer
    /// version's. Changes nothing; in the transaction that is open, if any.
    Result<bool> is_older(sql::Connection& connection, DatabaseName name,
                          const sql::Location& location);
    /// unsupported, naming the place: the schema is not this version's. Otherwise as is_older().
    Status check_schema(sql::Connection& connection, DatabaseName name,
                        const sql::Location& location);
    /// Those that this version knows.
    std::vector<DatabaseModule> modules(DatabaseName name, std::string_view dialect) const;
    /// Changes nothing.
    Result<MigrationReport> migrations(DatabaseName name);

    const DatabasesOptions& options() const { return x_options; }
    os::FileSystem& files() { return x_files; }
    const Clock& clock() const { return x_clock; }
    Random& random() { return x_random; }

  private:
    Status check_found(DatabaseName name, const sql::Location& location,
                       const Result<std::unique_ptr<sql::Connection>>& found);
    Status check_file(const std::string& path, bool create);
    Result<sql::OpenRequest> request(DatabaseName name, const sql::Location& location,
                                     Access access);
    Status keep_copy(sql::Connection& connection, const std::string& path, int version);

    os::FileSystem& x_files;
    const Clock& x_clock;
    Random& x_random;
    DatabasesOptions x_options;
    std::array<std::unique_ptr<sql::Database>, kDatabaseNames.size()> x_open;
};

/// What the modules of a database have to do when an epoch begins, in its transaction.
Status begin_epoch(sql::Connection& connection, DatabaseName name);

/// Where a state of an earlier time comes from.
enum class EarlierState : std::uint8_t { of_backup, of_sealed_place };
/// Nobody holds anything any more (DatabaseModule::after_restore, after_loss): in the transaction
/// in which such a state begins its epoch. The schema is this version's.
Status end_holds(sql::Connection& connection, std::span<const DatabaseModule> modules,
                 EarlierState state);

/// unavailable where a database must not be used: it has moved (says where to), or is being filled.
Status check_live(const sql::Identity& identity);

}  // namespace taskstore::store
