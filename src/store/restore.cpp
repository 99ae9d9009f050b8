// Brings the rows of a backup into a place, under a mark of its own (backup.hpp says what holds
// between the steps).

#include "backup_file.hpp"
#include "mover.hpp"

#include <taskstore/base/json.hpp>

#include <algorithm>

namespace taskstore::store {
namespace {

/// The rows of one table of a backup; its table line has been taken. Ends at the line after them,
/// which is kept.
class BackupRows final : public RowSource {
  public:
    BackupRows(BackupReader& reader, std::vector<std::string> columns)
        : x_reader(reader), x_columns(std::move(columns)) {}
    const std::vector<std::string>& columns() const override { return x_columns; }
    Result<bool> next(Row& out) override {
        std::string_view line;
        TASKSTORE_LET(x_more, x_reader.next(line));
        if (!x_more || !line.starts_with('[')) {
            x_after = line;
            return false;
        }
        TASKSTORE_LET(out, parse_row(line));
        if (out.size() != x_columns.size()) return x_reader.damaged("a row of another width");
        return true;
    }
    bool more() const { return x_more; }
    const std::string& after() const { return x_after; }

  private:
    BackupReader& x_reader;
    std::vector<std::string> x_columns;
    bool x_more = true;
    std::string x_after;
};

/// What a table line says.
struct TableLine {
    sql::Table table;
    std::vector<std::string> columns;
};

Result<TableLine> parse_table(BackupReader& reader, std::span<const sql::Table> tables,
                              std::string_view line) {
    const auto json = Json::parse(line);
    const auto table_name = json ? json->get("table").as_string() : std::nullopt;
    if (!table_name) return reader.damaged("a line of no known form");
    const auto table = std::ranges::find(tables, *table_name, &sql::Table::name);
    if (table == tables.end()) return reader.damaged("an unknown table '" + *table_name + "'");
    TableLine out{.table = *table, .columns = {}};
    const Json columns = json->get("columns");
    for (std::size_t i = 0; i < columns.size(); ++i) {
        out.columns.push_back(columns.at(i).as_string().value_or(""));
        // They become a part of statements.
        const bool is_name =
            !out.columns.back().empty() && std::ranges::all_of(out.columns.back(), [](char c) {
                return c == '_' || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
            });
        if (!is_name) return reader.damaged("a column of no known form");
    }
    return out;
}

/// Each of `tables` is there once, and nothing else.
Status check_tables(BackupReader& reader, std::span<const sql::Table> tables,
                    const std::vector<std::string>& lines) {
    std::vector<std::string_view> seen;
    for (const std::string& line : lines) {
        TASKSTORE_LET(const TableLine table, parse_table(reader, tables, line));
        if (std::ranges::find(seen, table.table.name) != seen.end())
            return reader.damaged("table '" + std::string(table.table.name) + "' stands twice");
        seen.push_back(table.table.name);
    }
    return seen.size() == tables.size() ? ok() : Status(reader.damaged("it lacks tables"));
}

/// The modules as they were when the backup was made. unsupported: by a newer version.
Result<std::vector<DatabaseModule>> modules_then(const BackupHeader& header,
                                                 std::vector<DatabaseModule> modules) {
    for (const auto& [module, version] : header.versions) {
        const auto known = std::ranges::find(modules, module, &DatabaseModule::name);
        const std::size_t have = known == modules.end() ? 0 : known->migrations.size();
        if (version < 0 || static_cast<std::size_t>(version) > have)
            return fail(Code::unsupported, "the backup has version " + std::to_string(version) +
                                               " of '" + module + "', this program " +
                                               std::to_string(have))
                .with_hint("upgrade this program");
        if (known != modules.end())
            known->migrations = known->migrations.first(static_cast<std::size_t>(version));
    }
    // Modules that were not there yet.
    std::erase_if(modules, [&](const DatabaseModule& module) {
        return std::ranges::none_of(header.versions,
                                    [&](const auto& one) { return one.first == module.name; });
    });
    return modules;
}

/// unsupported: the place is of a newer version than the backup, and rows go only between equals.
/// So it is where it has a module that the backup does not know: emptying its tables would delete
/// what nobody can have meant by a backup that is silent about them.
Status check_not_newer(sql::Connection& connection, const std::vector<DatabaseModule>& now,
                       const std::vector<DatabaseModule>& then, const std::string& place) {
    for (const DatabaseModule& module : now) {
        const auto known = std::ranges::find(then, module.name, &DatabaseModule::name);
        const std::size_t version = known == then.end() ? 0 : known->migrations.size();
        TASKSTORE_LET(const auto applied, sql::applied_migrations(connection, module.name));
        if (applied.size() <= version) continue;
        return fail(Code::unsupported,
                    (version == 0 ? "the backup does not know '"
                                  : "the backup has version " + std::to_string(version) + " of '") +
                        std::string(module.name) + "', " + place + " has " +
                        (version == 0 ? "version " : "") + std::to_string(applied.size()))
            .with_hint(
                "restore it into a place that holds no database yet: it is brought up there");
    }
    return ok();
}

Status copy_tables(BackupReader& reader, std::span<const sql::Table> tables, CopyTarget& to,
                   std::int64_t total, const RestoreRequest& request, RestoreReport& report) {
    std::string_view first;
    TASKSTORE_LET(bool more, reader.next(first));
    std::string line(first);
    while (more) {
        TASKSTORE_LET(TableLine table, parse_table(reader, tables, line));
        BackupRows rows(reader, std::move(table.columns));
        RowDigest digest;
        const std::int64_t before = report.rows;
        TASKSTORE_LET(const CopyCounts counts,
                      copy_rows(rows, table.table, to, &digest, [&](std::int64_t done) {
                          if (request.progress) request.progress(before + done, total);
                      }));
        TASKSTORE_LET(const auto there,
                      digest_of(to.reader, table.table, Standing{to.name, to.incoming}));
        if (there.first != digest.rows() || there.second != digest.finish_hex())
            return fail(Code::failed,
                        "table '" + std::string(table.table.name) +
                            "' is not what the backup holds: " + std::to_string(digest.rows()) +
                            " rows there, " + std::to_string(there.first) + " here")
                .with_hint("the database stays closed; restore it again");
        report.rows += counts.rows;
        report.written += counts.written;
        report.deleted += counts.deleted;
        more = rows.more();
        line = rows.after();
    }
    return ok();
}

/// Whether `before` may become the backup with that hash, now or where a restore was broken off.
Status check_may_restore(const sql::Identity& before, const std::string& incoming_from,
                         const RestoreRequest& request, const std::string& place) {
    if (before.is_live() || before.incoming_from == incoming_from) return ok();
    const bool broken_off =
        before.incoming_from && before.incoming_from->starts_with(sql::from_backup(""));
    if (!broken_off) return check_live(before);
    if (request.replace) return ok();
    return fail(Code::exists, "a restore of another backup into " + place + " has not ended")
        .with_hint("restore that one again to end it, or say --replace to put this one there");
}

Failure rows_are_there(const std::string& place) {
    return fail(Code::exists, place + " holds rows already")
        .with_hint(
            "name an empty place, or say --replace: rows that the backup lacks are then deleted");
}

std::function<Status(sql::Connection&)> bringing_up(Databases& databases,
                                                    const std::vector<DatabaseModule>& modules) {
    return
        [&](sql::Connection& connection) { return databases.bring_up_within(connection, modules); };
}

/// Who the database at a place is; one that is live is brought up to the backup's version.
Result<sql::Identity> identity_before(Databases& databases, sql::Connection& connection,
                                      DatabaseName name, const sql::Location& location,
                                      const std::vector<DatabaseModule>& then) {
    TASKSTORE_LET(auto known, sql::find_identity(connection, name_of(name)));
    TASKSTORE_TRY(check_not_newer(connection, databases.modules(name, connection.dialect()), then,
                                  sql::shown(location)));
    TASKSTORE_TRY(databases.keep_copies(connection, name, location));
    if (known && !known->is_live()) return std::move(*known);
    for (const DatabaseModule& module : then)
        TASKSTORE_TRY(sql::migrate(connection, module.name, module.migrations, databases.clock()));
    return sql::identify(connection, name_of(name), databases.clock(), databases.random());
}

/// One restore, step by step.
class Restore {
  public:
    Restore(Databases& databases, const RestoreRequest& request, DatabaseName name,
            DatabasePlace at)
        : x_databases(databases),
          x_request(request),
          x_name(name),
          x_at(std::move(at)),
          x_place(sql::shown(x_at.location)),
          x_report{.database = std::string(name_of(name)), .place = x_place} {}

    Result<RestoreReport> run(BackupReader& reader, const WholeBackup& whole);

  private:
    Status close(const WholeBackup& whole);
    Status fill(BackupReader& reader, const WholeBackup& whole);
    Status open(const BackupHeader& header);
    Status reached(int step) const {
        return x_request.after_step_for_testing ? x_request.after_step_for_testing(step) : ok();
    }

    Databases& x_databases;
    const RestoreRequest& x_request;
    const DatabaseName x_name;
    const DatabasePlace x_at;
    const std::string x_place;
    std::vector<DatabaseModule> x_then;  ///< The modules of the backup's time, and their tables.
    std::vector<sql::Table> x_tables;
    std::int64_t x_planned_epoch = 0;  ///< By a move of this device.
    std::unique_ptr<sql::Connection> x_connection;
    sql::Identity x_identity;  ///< The place's.
    RestoreReport x_report;
};

Result<RestoreReport> Restore::run(BackupReader& reader, const WholeBackup& whole) {
    const BackupHeader& header = reader.header();
    const std::string& home = x_databases.options().settings.home;
    TASKSTORE_LET(x_then,
                  modules_then(header, x_databases.modules(
                                           x_name, sql::row_of(x_at.location.engine).dialect)));
    x_tables = tables_of(x_then);
    TASKSTORE_TRY(check_tables(reader, x_tables, whole.tables));
    TASKSTORE_LET(const auto lock, TransferLock::take(x_databases.files(), home, x_name));
    TASKSTORE_LET(x_planned_epoch, planned_epoch(x_databases.files(), home, x_name));
    TASKSTORE_LET(x_connection,
                  x_databases.connect(x_name, x_at.location, {.read_only = false, .create = true}));
    TASKSTORE_LET(x_identity,
                  identity_before(x_databases, *x_connection, x_name, x_at.location, x_then));
    TASKSTORE_TRY(close(whole));
    TASKSTORE_TRY(reached(1));
    TASKSTORE_TRY(fill(reader, whole));
    TASKSTORE_TRY(reached(2));
    TASKSTORE_TRY(open(header));
    return std::move(x_report);
}

// From here on writers are shut out; rows are looked for again where there cannot be more, and no
// move takes the place for what it has left there (mover.cpp: M8).
Status Restore::close(const WholeBackup& whole) {
    const std::string incoming_from = sql::from_backup(whole.sha256);
    TASKSTORE_TRY(check_may_restore(x_identity, incoming_from, x_request, x_place));
    TASKSTORE_TRY(sql::check_can_close(*x_connection, x_tables));
    TASKSTORE_TRY(check_takes_row(*x_connection, whole.largest_bytes, x_place));
    const bool must_be_empty = x_identity.is_live() && !x_request.replace;
    const auto check_empty = [&](sql::Connection& connection) {
        return must_be_empty ? check_no_rows(connection, x_tables, rows_are_there(x_place)) : ok();
    };
    TASKSTORE_TRY(check_empty(*x_connection));
    sql::Identity incoming = x_identity;
    incoming.incoming_from = incoming_from;
    incoming.mark = sql::new_mark("restore", x_databases.clock(), x_databases.random());
    const auto also = [&](sql::Connection& within) -> Status {
        TASKSTORE_TRY(
            sql::rename_place(within, name_of(x_name), x_databases.clock(), x_databases.random()));
        return check_empty(within);
    };
    return change_end(x_databases, x_name, x_at.location, x_identity,
                      {.next = incoming,
                       .while_open = bringing_up(x_databases, x_then),
                       .also = also,
                       .tables = x_tables});
}

Status Restore::fill(BackupReader& reader, const WholeBackup& whole) {
    TASKSTORE_LET(const auto writer, x_databases.open_at(x_name, x_at.location));
    CopyTarget to{*x_connection, *writer, name_of(x_name), x_identity};
    TASKSTORE_TRY(copy_tables(reader, x_tables, to, whole.rows, x_request, x_report));
    return reader.sha256() == whole.sha256 ? ok()
                                           : Status(reader.damaged("it has changed meanwhile"));
}

/// With what this version adds to the backup's.
Status Restore::open(const BackupHeader& header) {
    const sql::Identity live{
        .id = header.identity.id,
        .epoch =
            sql::next_epoch(std::max({x_identity.epoch, header.identity.epoch, x_planned_epoch}),
                            x_databases.clock().wall_ms())};
    const auto now = x_databases.modules(x_name, x_connection->dialect());
    EndChange change{.next = live,
                     .while_open = bringing_up(x_databases, now),
                     .also =
                         [&](sql::Connection& within) {
                             return end_holds(within, now, EarlierState::of_backup);
                         },
                     .tables = x_tables,
                     .level = &x_report.level};
    for (const DatabaseModule& module : now)
        if (!module.after_restore.empty()) change.wake = module.topics;
    x_report.epoch = live.epoch;
    return change_end(x_databases, x_name, x_at.location, x_identity, change);
}

}  // namespace

Result<RestoreReport> restore(Databases& databases, const RestoreRequest& request) {
    TASKSTORE_LET(const WholeBackup whole, check_whole(databases.files(), request.path));
    TASKSTORE_LET(const auto reader, BackupReader::open(databases.files(), request.path));
    const std::string& database = reader->header().database;
    TASKSTORE_LET(const DatabaseName of, database_of(database));
    const DatabaseName name = request.name.value_or(of);
    if (name != of)
        return fail(Code::invalid, request.path + " is a backup of '" + database + "', not of '" +
                                       std::string(name_of(name)) + "'");
    TASKSTORE_LET(DatabasePlace at, databases.place(name));
    return Restore(databases, request, name, std::move(at)).run(*reader, whole);
}

}  // namespace taskstore::store
