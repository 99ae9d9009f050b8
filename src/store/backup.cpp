#include "backup_file.hpp"

#include <taskstore/base/json.hpp>

#include <array>
#include <ctime>

namespace taskstore::store {
namespace {

std::string header_text(DatabaseName name, const sql::Identity& identity,
                        const std::vector<std::pair<std::string, std::int64_t>>& versions,
                        std::int64_t made_at_ms) {
    std::string text;
    JsonWriter writer(text);
    writer.begin_object()
        .key("taskstore_backup")
        .integer(kBackupFormat)
        .key("database")
        .string(name_of(name))
        .key("id")
        .string(identity.id)
        .key("epoch")
        .integer(identity.epoch)
        .key("made_at")
        .integer(made_at_ms)
        .key("modules")
        .begin_object();
    for (const auto& [module, version] : versions) writer.key(module).integer(version);
    writer.end_object().end_object();
    return text;
}

std::string table_text(std::string_view table, const std::vector<std::string>& columns) {
    std::string text;
    JsonWriter writer(text);
    writer.begin_object().key("table").string(table).key("columns").begin_array();
    for (const std::string& column : columns) writer.string(column);
    writer.end_array().end_object();
    return text;
}

Status write_table(sql::Connection& connection, const sql::Table& table, BackupWriter& writer,
                   std::int64_t& rows, const RowProgress& progress) {
    TableRows source(connection, table);
    Row row;
    TASKSTORE_LET(bool more, source.next(row));
    TASKSTORE_TRY(writer.line(table_text(table.name, source.columns())));
    std::string text;
    while (more) {
        text.clear();
        append_row(text, row);
        TASKSTORE_TRY(writer.line(text));
        if (++rows % 1'000 == 0 && progress) progress(rows, 0);
        TASKSTORE_LET(more, source.next(row));
    }
    return ok();
}

}  // namespace

std::string backup_name(DatabaseName name, std::int64_t made_at_ms) {
    const std::time_t seconds = made_at_ms / 1'000;
    std::tm parts{};
    gmtime_r(&seconds, &parts);
    std::array<char, 32> text{};
    const std::size_t size = std::strftime(text.data(), text.size(), "%Y%m%dT%H%M%SZ", &parts);
    return std::string(name_of(name)) + "-" + std::string(text.data(), size) + ".taskstore.zst";
}

namespace {

struct Attempt {
    Databases& databases;
    DatabaseName name;
    const sql::Location& location;
    const std::string& path;
    const RowProgress& progress;
    /// Rows are being read, or copied, and nothing stands in the way but the connection.
    bool reading = false;
};

/// What the database is, where it may be backed up. In the transaction that is open.
Result<sql::Identity> check_source(Attempt& attempt, sql::Connection& connection) {
    TASKSTORE_LET(const auto identity, sql::find_identity(connection, name_of(attempt.name)));
    if (!identity)
        return fail(Code::not_found, sql::shown(attempt.location) + " holds no database '" +
                                         std::string(name_of(attempt.name)) + "' yet");
    // Of what has moved away there is a newer state elsewhere; what is being filled is no state.
    TASKSTORE_TRY(check_live(*identity));
    // Tables that only a newer version knows would be left out without a word.
    TASKSTORE_TRY(attempt.databases.check_schema(connection, attempt.name, attempt.location));
    return *identity;
}

/// All of it is read in one transaction: a state that was there at one moment.
Result<BackupReport> write_backup(Attempt& attempt, sql::Connection& connection) {
    TASKSTORE_LET(const auto transaction, sql::Transaction::begin_read(connection));
    TASKSTORE_LET(const sql::Identity identity, check_source(attempt, connection));
    Databases& databases = attempt.databases;
    const auto modules = databases.modules(attempt.name, connection.dialect());
    std::vector<std::pair<std::string, std::int64_t>> versions;
    for (const DatabaseModule& module : modules)
        versions.emplace_back(module.name, static_cast<std::int64_t>(module.migrations.size()));
    TASKSTORE_LET(auto writer, BackupWriter::begin(databases.files(), attempt.path));
    TASKSTORE_TRY(
        writer.line(header_text(attempt.name, identity, versions, databases.clock().wall_ms())));
    std::int64_t rows = 0;
    attempt.reading = true;
    for (const sql::Table& table : tables_of(modules))
        TASKSTORE_TRY(write_table(connection, table, writer, rows, attempt.progress));
    attempt.reading = false;
    BackupReport report{.database = std::string(name_of(attempt.name)), .path = attempt.path};
    TASKSTORE_TRY(writer.finish(rows, report));
    return report;
}

/// Nothing is copied of what may not be backed up.
Status check_before_copy(Attempt& attempt, sql::Connection& connection) {
    TASKSTORE_LET(const auto transaction, sql::Transaction::begin_read(connection));
    TASKSTORE_LET(const sql::Identity identity, check_source(attempt, connection));
    return ok();
}

Result<BackupReport> back_up_once(Attempt& attempt) {
    Databases& databases = attempt.databases;
    TASKSTORE_LET(const auto connection, databases.connect(attempt.name, attempt.location, {}));
    TASKSTORE_TRY(check_before_copy(attempt, *connection));
    attempt.reading = true;
    TASKSTORE_LET(const auto copy,
                  databases.copy(attempt.name, attempt.location, os::folder_of(attempt.path)));
    attempt.reading = false;
    return write_backup(attempt, copy != nullptr ? *copy : *connection);
}

}  // namespace

Result<BackupReport> back_up(Databases& databases, DatabaseName name, const std::string& path,
                             const RowProgress& progress) {
    if (databases.files().info(path) && !BackupReader::open(databases.files(), path))
        return fail(Code::exists, "'" + path + "' is there and no backup: it is not replaced")
            .with_hint("name another file, or a folder");
    TASKSTORE_LET(const DatabasePlace at, databases.place(name));
    constexpr int kTries = 5;
    for (int i = 1;; ++i) {
        Attempt attempt{databases, name, at.location, path, progress};
        auto report = back_up_once(attempt);
        // The state of that moment is gone with its transaction: another one, from the start.
        const bool lost = !report && attempt.reading && report.error().code == Code::unavailable;
        if (!lost) return report;
        if (i == kTries)
            return fail(std::move(report).error())
                .with_hint("it was begun " + std::to_string(kTries) +
                           " times, and lost its transaction each time; nothing was written");
    }
}

}  // namespace taskstore::store
