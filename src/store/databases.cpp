#include "move_journal.hpp"

#include <taskstore/sql/quoted.hpp>
#include <taskstore/sql/retry.hpp>
#include <taskstore/store/databases.hpp>
#include <taskstore/tasks/task_archive.hpp>
#include <taskstore/tasks/task_store.hpp>

#include <algorithm>

namespace taskstore::store {
namespace {

/// Says of a write that met a closed database where it is now, or what it waits for.
class ClosedAware final : public sql::Database {
  public:
    explicit ClosedAware(std::unique_ptr<sql::Database> database)
        : x_database(std::move(database)) {}
    Result<sql::Committed> write(const sql::Work& work, const sql::WriteOptions& options) override {
        return explained(x_database->write(work, options));
    }
    Result<sql::Committed> write_batch(sql::Batch batch,
                                       const sql::WriteOptions& options) override {
        return explained(x_database->write_batch(batch, options));
    }
    Status read(const sql::Work& work, const sql::ReadOptions& options) override {
        return x_database->read(work, options);
    }
    Result<std::vector<sql::Rows>> read_batch(sql::Batch batch,
                                              const sql::ReadOptions& options) override {
        return x_database->read_batch(batch, options);
    }
    Result<std::unique_ptr<sql::Waiter>> waiter(std::string_view topic) override {
        return x_database->waiter(topic);
    }
    Result<std::unique_ptr<sql::Presence>> presence(std::int64_t key) override {
        return x_database->presence(key);
    }
    std::string_view dialect() const override { return x_database->dialect(); }
    sql::Capabilities capabilities() const override { return x_database->capabilities(); }

  private:
    static Result<sql::Committed> explained(Result<sql::Committed> answer) {
        if (answer) return answer;
        return fail(sql::explain_refusal(std::move(answer).error()));
    }
    std::unique_ptr<sql::Database> x_database;
};

Error at_place(Error error, const sql::Location& location) {
    error.message = sql::shown(location) + ": " + error.message;
    return error;
}

/// Whether the database has not changed since it was copied.
bool is_of_now(os::FileSystem& files, const std::string& copy, const std::string& path) {
    const auto made = files.info(copy);
    if (!made) return false;
    for (const std::string& file : {path, path + "-wal"}) {
        const auto changed = files.info(file);
        if (changed && changed->identity.mtime_ns > made->identity.mtime_ns) return false;
    }
    return true;
}

}  // namespace

std::vector<DatabaseModule> modules_of(DatabaseName name, std::string_view dialect) {
    if (name == DatabaseName::archive)
        return {{.name = tasks::kArchiveModule,
                 .migrations = tasks::archive_migrations(dialect),
                 .tables = tasks::archive_tables()}};
    if (name != DatabaseName::tasks) return {};
    return {{.name = tasks::kModule,
             .migrations = tasks::migrations(dialect),
             .tables = tasks::tables(),
             .begin_epoch = tasks::begin_epoch(dialect),
             .after_restore = tasks::after_restore(dialect),
             .after_loss = tasks::after_loss(dialect),
             .topics = tasks::kTopics}};
}

std::vector<sql::Table> tables_of(DatabaseName name) {
    return tables_of(modules_of(name, "sqlite"));
}

std::vector<sql::Table> tables_of(std::span<const DatabaseModule> modules) {
    std::vector<sql::Table> tables;
    for (const DatabaseModule& module : modules)
        std::ranges::copy_if(
            module.tables, std::back_inserter(tables), [&](const sql::Table& table) {
                return static_cast<std::size_t>(table.since) <= module.migrations.size();
            });
    return tables;
}

Status begin_epoch(sql::Connection& connection, DatabaseName name) {
    for (const DatabaseModule& module : modules_of(name, connection.dialect())) {
        if (!module.begin_epoch.empty()) TASKSTORE_TRY(connection.execute(module.begin_epoch));
    }
    return ok();
}

Status end_holds(sql::Connection& connection, std::span<const DatabaseModule> modules,
                 EarlierState state) {
    for (const DatabaseModule& module : modules) {
        const std::string_view text =
            state == EarlierState::of_backup ? module.after_restore : module.after_loss;
        if (!text.empty()) TASKSTORE_TRY(connection.execute(text));
    }
    return ok();
}

Status check_live(const sql::Identity& identity) {
    if (auto error = sql::why_closed(identity)) return fail(std::move(*error));
    return ok();
}

Databases::Databases(os::FileSystem& files, const Clock& clock, Random& random,
                     DatabasesOptions options)
    : x_files(files), x_clock(clock), x_random(random), x_options(std::move(options)) {}
Databases::~Databases() = default;

Result<DatabasePlace> Databases::place(DatabaseName name) const {
    return place_of(name, x_options.settings);
}

Status Databases::check_file(const std::string& path, bool create) {
    const std::string folder = os::folder_of(path);
    if (create) TASKSTORE_TRY(os::make_directories(x_files, folder, 0700));
    if (const auto network = x_files.network_file_system(folder);
        network && !x_options.allow_network) {
        return fail(Code::denied, "'" + path + "' is on " + *network +
                                      ", where locks and mapped files cannot be trusted")
            .with_hint("name a place on a local disk, or set files.allow_network = true");
    }
    const auto info = x_files.info(path);
    if (!info && info.error().code == Code::not_found) {
        if (create) return ok();
        return fail(Code::not_found, "there is no database '" + path + "'");
    }
    if (!info) return fail(info.error());
    if (info->kind != os::FileKind::regular)
        return fail(Code::invalid, "'" + path + "' is no file");
    // SQLite takes for empty, and writes over, what is shorter than its smallest page.
    constexpr std::int64_t kPageBytesMin = 512;
    if (info->identity.size > 0 && info->identity.size < kPageBytesMin)
        return fail(Code::invalid, "'" + path + "' is no database, and not empty")
            .with_hint("name another file");
    return check_file_owner(path, info->owner, x_options.opener, x_options.safe_directories);
}

Result<sql::OpenRequest> Databases::request(DatabaseName name, const sql::Location& location,
                                            Access access) {
    if (sql::row_of(location.engine).is_file)
        TASKSTORE_TRY(check_file(location.text, access.create));
    return sql::OpenRequest{.location = location,
                            .name = std::string(name_of(name)),
                            .pool = x_options.pool,
                            .read_only = access.read_only,
                            .create = access.create,
                            .until_boot_ns = access.until_boot_ns,
                            .pooler = x_options.pooler,
                            .token = x_options.token,
                            .clock = &x_clock,
                            .random = &x_random,
                            .warn = x_options.warn};
}

Result<std::unique_ptr<sql::Connection>> Databases::connect(DatabaseName name,
                                                            const sql::Location& location,
                                                            Access access) {
    TASKSTORE_LET(const sql::OpenRequest asked, request(name, location, access));
    TASKSTORE_LET(sql::Part* const part, x_options.part(location.engine));
    if (sql::row_of(location.engine).is_file) return part->connect(asked);
    // A server that is started again, or gives way to another one, is back soon.
    constexpr std::int64_t kComesBackNs = 2'000'000'000;
    std::int64_t until_ns = x_clock.boot_ns() + kComesBackNs;
    if (access.until_boot_ns != 0) until_ns = std::min(until_ns, access.until_boot_ns);
    Result<std::unique_ptr<sql::Connection>> made = std::unique_ptr<sql::Connection>();
    TASKSTORE_TRY(sql::retry({.base_ms = 20, .cap_ms = 250, .deadline_boot_ns = until_ns}, x_clock,
                             x_random, [&]() -> Status {
                                 made = part->connect(asked);
                                 return made ? ok() : Status(fail(made.error()));
                             }));
    return made;
}

// A copy of the whole file, made by the engine (VACUUM INTO): what a migration that turns out wrong
// is taken back by.
Status Databases::keep_copy(sql::Connection& connection, const std::string& path, int version) {
    const std::string name = path + ".before-version-" + std::to_string(version);
    std::string copy = name;
    for (int n = 2;;) {
        // One that is there may be of an earlier upgrade, that was taken back.
        if (x_files.info(copy)) {
            if (is_of_now(x_files, copy, path)) return ok();
            copy = name + "." + std::to_string(n++);
            continue;
        }
        // Waits for another one that makes the same; then its copy is there.
        TASKSTORE_LET(auto made, os::Replacement::begin(x_files, copy, 0600));
        if (x_files.info(copy)) continue;
        TASKSTORE_TRY(
            connection.execute("VACUUM INTO " + sql::quoted(os::temporary_path_of(copy))));
        return made.commit();
    }
}

std::vector<DatabaseModule> Databases::modules(DatabaseName name, std::string_view dialect) const {
    return x_options.modules_for_testing ? x_options.modules_for_testing(name, dialect)
                                         : modules_of(name, dialect);
}

Status Databases::keep_copies(sql::Connection& connection, DatabaseName name,
                              const sql::Location& location) {
    if (!sql::row_of(location.engine).is_file) return ok();
    for (const DatabaseModule& module : modules(name, connection.dialect())) {
        TASKSTORE_LET(const auto applied, sql::applied_migrations(connection, module.name));
        if (!applied.empty() && applied.size() < module.migrations.size())
            TASKSTORE_TRY(
                keep_copy(connection, location.text, static_cast<int>(module.migrations.size())));
    }
    return ok();
}

Result<sql::Identity> Databases::bring_up(sql::Connection& connection, DatabaseName name,
                                          const sql::Location& location) {
    TASKSTORE_TRY(keep_copies(connection, name, location));
    for (const DatabaseModule& module : modules(name, connection.dialect()))
        TASKSTORE_TRY(sql::migrate(connection, module.name, module.migrations, x_clock));
    return sql::identify(connection, name_of(name), x_clock, x_random,
                         [&](sql::Connection& within) { return begin_epoch(within, name); });
}

Status Databases::bring_up_within(sql::Connection& connection,
                                  const std::vector<DatabaseModule>& modules) {
    for (const DatabaseModule& module : modules)
        TASKSTORE_TRY(sql::migrate_within(connection, module.name, module.migrations, x_clock));
    return ok();
}

Result<bool> Databases::is_older(sql::Connection& connection, DatabaseName name,
                                 const sql::Location& location) {
    bool older = false;
    for (const DatabaseModule& module : modules(name, connection.dialect())) {
        const auto one = sql::is_older(connection, module.name, module.migrations);
        if (!one) return fail(at_place(one.error(), location));
        older = older || *one;
    }
    return older;
}

Status Databases::check_schema(sql::Connection& connection, DatabaseName name,
                               const sql::Location& location) {
    for (const DatabaseModule& module : modules(name, connection.dialect())) {
        const auto same = sql::check_migrated(connection, module.name, module.migrations);
        if (!same) return fail(at_place(same.error(), location));
    }
    return ok();
}

/// A place that was moved to and is not there is a disk that is not mounted, a server that was set
/// up anew.
Status Databases::check_may_make(DatabaseName name, const sql::Location& location) {
    TASKSTORE_LET(const bool was_there,
                  is_named_by_move(x_files, x_options.settings.home, name, location));
    if (!was_there) return ok();
    return fail(Code::unavailable, "'" + std::string(name_of(name)) + "' was moved, and " +
                                       sql::shown(location) + " does not hold it now")
        .with_hint(
            "bring that place back (is its disk mounted, the home renamed?); where it is lost for "
            "good: 'taskstore help move'");
}

/// The same for what was connected to, or not: an empty file is as little of it as none.
Status Databases::check_found(DatabaseName name, const sql::Location& location,
                              const Result<std::unique_ptr<sql::Connection>>& found) {
    if (!found)
        return found.error().code == Code::not_found ? check_may_make(name, location) : ok();
    // A damaged journal keeps nobody from looking.
    const auto named = is_named_by_move(x_files, x_options.settings.home, name, location);
    if (!named || !*named) return ok();
    const auto known = sql::find_identity(**found, name_of(name));
    const bool is_there = known ? known->has_value() : known.error().code != Code::not_found;
    return is_there ? ok() : check_may_make(name, location);
}

Result<std::unique_ptr<sql::Connection>> Databases::find(DatabaseName name) {
    TASKSTORE_LET(const DatabasePlace at, place(name));
    auto connection = connect(name, at.location, {});
    TASKSTORE_TRY(check_found(name, at.location, connection));
    return connection;
}

Result<std::unique_ptr<sql::Connection>> Databases::connect_or_make(DatabaseName name,
                                                                    const sql::Location& location) {
    if (!sql::row_of(location.engine).is_file)
        return connect(name, location, {.read_only = false, .create = true});
    auto connection = connect(name, location, {.read_only = false, .create = false});
    if (connection || connection.error().code != Code::not_found) return connection;
    TASKSTORE_TRY(check_may_make(name, location));
    return connect(name, location, {.read_only = false, .create = true});
}

Result<sql::Database*> Databases::open(DatabaseName name) {
    auto& slot = x_open[static_cast<std::size_t>(name)];
    if (slot != nullptr) return slot.get();
    TASKSTORE_LET(const DatabasePlace at, place(name));
    TASKSTORE_LET(sql::Part* const part, x_options.part(at.location.engine));
    TASKSTORE_LET(auto connection, connect_or_make(name, at.location));
    // What is closed is not brought up either: it is another one's to change.
    TASKSTORE_LET(const auto known, sql::find_identity(*connection, name_of(name)));
    TASKSTORE_TRY(known ? check_live(*known) : check_may_make(name, at.location));
    TASKSTORE_LET(const sql::Identity identity, bring_up(*connection, name, at.location));
    TASKSTORE_TRY(check_live(identity));
    // A file's is kept until there is another one: the last one that closes puts the log away.
    if (!sql::row_of(at.location.engine).is_file) connection.reset();
    TASKSTORE_LET(const sql::OpenRequest asked,
                  request(name, at.location, {.read_only = false, .create = true}));
    TASKSTORE_LET(auto database, part->open_database(asked));
    slot = std::make_unique<ClosedAware>(std::move(database));
    return slot.get();
}

Result<std::unique_ptr<sql::Database>> Databases::open_at(DatabaseName name,
                                                          const sql::Location& location) {
    TASKSTORE_LET(const sql::OpenRequest asked,
                  request(name, location, {.read_only = false, .create = true}));
    TASKSTORE_LET(sql::Part* const part, x_options.part(location.engine));
    return part->open_database(asked);
}

Result<MigrationReport> Databases::migrations(DatabaseName name) {
    MigrationReport report{.database = name, .place = {}, .exists = true, .modules = {}};
    TASKSTORE_LET(report.place, place(name));
    auto connection = connect(name, report.place.location, {});
    if (!connection && connection.error().code != Code::not_found)
        return fail(std::move(connection).error());
    if (auto there = check_found(name, report.place.location, connection); !there)
        report.away = std::move(there).error();
    report.exists = connection.has_value() && !report.away;
    const std::string_view dialect = sql::row_of(report.place.location.engine).dialect;
    for (const DatabaseModule& module : modules(name, dialect)) {
        MigrationReport::Module one{
            .name = std::string(module.name), .applied = {}, .pending = {}, .newer = false};
        if (report.exists) {
            TASKSTORE_LET(one.applied, sql::applied_migrations(**connection, module.name));
        }
        one.newer = one.applied.size() > module.migrations.size();
        const std::size_t done = std::min(one.applied.size(), module.migrations.size());
        if (!report.away)
            one.pending.assign(module.migrations.begin() + static_cast<std::ptrdiff_t>(done),
                               module.migrations.end());
        report.modules.push_back(std::move(one));
    }
    return report;
}

}  // namespace taskstore::store
