#include "mover.hpp"

#include <taskstore/base/json.hpp>
#include <taskstore/exchange/stream.hpp>
#include <taskstore/store/backup.hpp>

#include <zstd.h>

#include <algorithm>
#include <array>
#include <ctime>

namespace taskstore::store {
namespace {

constexpr std::int64_t kFormat = 1;
constexpr int kLevel = 6;
/// About the year 2210: the epochs after a restore must fit, too.
constexpr std::int64_t kBackupEpochMax = sql::kEpochMax - 1'000'000'000;

// --- writing
// ------------------------------------------------------------------------------------------------

/// Lines, hashed, packed and put into a file that takes its name at the end.
class BackupWriter {
  public:
    static Result<BackupWriter> begin(os::FileSystem& files, const std::string& path) {
        TASKSTORE_LET(auto file, os::Replacement::begin(files, path, 0600));
        BackupWriter writer(std::move(file));
        if (writer.x_packer == nullptr ||
            ZSTD_isError(ZSTD_CCtx_setParameter(writer.x_packer.get(), ZSTD_c_checksumFlag, 1)) !=
                0 ||
            ZSTD_isError(ZSTD_CCtx_setParameter(writer.x_packer.get(), ZSTD_c_compressionLevel,
                                                kLevel)) != 0)
            return fail(Code::failed, "zstd cannot begin");
        return writer;
    }

    /// With its line end.
    Status line(std::string_view text) {
        x_hash.update(text);
        x_hash.update("\n");
        TASKSTORE_TRY(pack(text, ZSTD_e_continue));
        return pack("\n", ZSTD_e_continue);
    }

    /// The end line, and the name. Durable when it returns.
    Status finish(std::int64_t rows, BackupReport& report) {
        report.sha256 = x_hash.finish_hex();
        std::string end;
        JsonWriter(end)
            .begin_object()
            .key("end")
            .boolean(true)
            .key("rows")
            .integer(rows)
            .key("sha256")
            .string(report.sha256)
            .end_object();
        TASKSTORE_TRY(pack(end + "\n", ZSTD_e_end));
        report.rows = rows;
        report.bytes = x_bytes;
        return x_file.commit();
    }

  private:
    explicit BackupWriter(os::Replacement file)
        : x_file(std::move(file)), x_packer(ZSTD_createCCtx()), x_out(ZSTD_CStreamOutSize()) {}

    Status pack(std::string_view text, ZSTD_EndDirective directive) {
        ZSTD_inBuffer in{text.data(), text.size(), 0};
        while (true) {
            ZSTD_outBuffer out{x_out.data(), x_out.size(), 0};
            const std::size_t left = ZSTD_compressStream2(x_packer.get(), &out, &in, directive);
            if (ZSTD_isError(left) != 0)
                return fail(Code::failed, std::string("zstd: ") + ZSTD_getErrorName(left));
            TASKSTORE_TRY(x_file.write({x_out.data(), out.pos}));
            x_bytes += static_cast<std::int64_t>(out.pos);
            if (directive == ZSTD_e_continue ? in.pos == in.size : left == 0) return ok();
        }
    }

    struct Free {
        void operator()(ZSTD_CCtx* packer) const { ZSTD_freeCCtx(packer); }
    };
    os::Replacement x_file;
    std::unique_ptr<ZSTD_CCtx, Free> x_packer;
    std::vector<char> x_out;
    Sha256 x_hash;
    std::int64_t x_bytes = 0;
};

std::string header_text(DatabaseName name, const sql::Identity& identity,
                        const std::vector<std::pair<std::string, std::int64_t>>& versions,
                        std::int64_t made_at_ms) {
    std::string text;
    JsonWriter writer(text);
    writer.begin_object()
        .key("taskstore_backup")
        .integer(kFormat)
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

// --- reading
// ------------------------------------------------------------------------------------------------

struct Header {
    std::string database;
    sql::Identity identity;
    std::vector<std::pair<std::string, std::int64_t>> versions;
};

/// Lines of a backup, one after the other.
class BackupReader {
  public:
    static Result<std::unique_ptr<BackupReader>> open(os::FileSystem& files,
                                                      const std::string& path) {
        TASKSTORE_LET(auto file, files.open(path, os::OpenMode::read));
        TASKSTORE_LET(auto unpacked, exchange::unpacked(exchange::file_source(std::move(file))));
        auto reader = std::unique_ptr<BackupReader>(new BackupReader(path, std::move(unpacked)));
        TASKSTORE_TRY(reader->read_header());
        return reader;
    }

    const Header& header() const { return x_header; }
    /// The next line but the header; false after the end line, which has been checked.
    Result<bool> next(std::string_view& line) {
        TASKSTORE_TRY(take_line(line));
        if (!line.starts_with(R"({"end":)")) {
            x_hash.update(line);
            x_hash.update("\n");
            if (line.starts_with('[')) ++x_rows;
            return true;
        }
        const auto end = Json::parse(line);
        if (!end || end->get("rows").as_int64() != x_rows ||
            end->get("sha256").as_string() != x_hash.finish_hex())
            return damaged("its checksum is another one than its rows have");
        x_sha256 = *end->get("sha256").as_string();
        TASKSTORE_TRY(check_ended());
        return false;
    }
    /// Of all of it; known after the end line.
    const std::string& sha256() const { return x_sha256; }
    Failure damaged(const std::string& why) const {
        return fail(Code::corrupt, x_path + ": the backup is damaged: " + why)
            .with_hint("restore another one; nothing was changed");
    }

  private:
    BackupReader(std::string path, exchange::Unpacked unpacked)
        : x_path(std::move(path)), x_unpacked(std::move(unpacked)) {}

    /// Nothing follows the end line, and the packing ends as it should.
    Status check_ended() {
        char byte = 0;
        const auto got = x_unpacked.bytes->read(&byte, 1);
        if (!got) return damaged(got.error().message);
        if (x_at < x_text.size() || *got != 0) return damaged("something stands behind its end");
        return ok();
    }

    Status take_line(std::string_view& line) {
        while (true) {
            if (const std::size_t end = x_text.find('\n', x_at); end != std::string::npos) {
                line = std::string_view(x_text).substr(x_at, end - x_at);
                x_at = end + 1;
                return ok();
            }
            x_text.erase(0, x_at);
            x_at = 0;
            std::array<char, 65'536> buffer{};
            const auto got = x_unpacked.bytes->read(buffer.data(), buffer.size());
            if (!got) return damaged(got.error().message);
            if (*got == 0) return damaged("it ends too soon");
            x_text.append(buffer.data(), *got);
        }
    }

    Status read_header() {
        std::string_view line;
        const auto taken = take_line(line);
        const auto json = taken ? Json::parse(line) : Json::parse("");
        const auto format = json ? json->get("taskstore_backup").as_int64() : std::nullopt;
        if (!format)
            return fail(Code::invalid, x_path + " is no backup of taskstore")
                .with_hint("'taskstore backup' makes them: FILE.taskstore.zst");
        if (*format > kFormat)
            return fail(Code::unsupported, x_path + " has the format " + std::to_string(*format) +
                                               ", this version reads up to " +
                                               std::to_string(kFormat))
                .with_hint("upgrade this program");
        x_header.database = json->get("database").as_string().value_or("");
        x_header.identity.id = json->get("id").as_string().value_or("");
        x_header.identity.epoch = json->get("epoch").as_int64().value_or(0);
        const Json modules = json->get("modules");
        for (const std::string& module : modules.names())
            x_header.versions.emplace_back(module, modules.get(module).as_int64().value_or(0));
        if (x_header.identity.id.empty()) return damaged("its header lacks an id");
        if (x_header.identity.epoch < 1 || x_header.identity.epoch > kBackupEpochMax)
            return damaged("its header has an epoch that cannot be");
        x_hash.update(line);
        x_hash.update("\n");
        return ok();
    }

    std::string x_path;
    exchange::Unpacked x_unpacked;
    Header x_header;
    std::string x_text;
    std::size_t x_at = 0;
    std::int64_t x_rows = 0;
    Sha256 x_hash;
    std::string x_sha256;
};

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

struct Whole {
    std::int64_t rows = 0;
    std::int64_t largest_bytes = 0;  ///< As bytes_of().
    std::string sha256;
    std::vector<std::string> tables;  ///< Their lines.
};

/// Reads to the end: every byte is what was written.
Result<Whole> check_whole(os::FileSystem& files, const std::string& path) {
    constexpr std::size_t kTablesMax = 1'000;
    TASKSTORE_LET(const auto reader, BackupReader::open(files, path));
    Whole whole;
    std::string_view line;
    while (true) {
        TASKSTORE_LET(const bool more, reader->next(line));
        if (!more) break;
        if (!line.starts_with('[')) {
            if (whole.tables.size() == kTablesMax)
                return reader->damaged("it names too many tables");
            whole.tables.emplace_back(line);
            continue;
        }
        if (whole.tables.empty()) return reader->damaged("a row of no table");
        TASKSTORE_LET(const Row row, parse_row(line));
        whole.largest_bytes = std::max(whole.largest_bytes, bytes_of(row));
        ++whole.rows;
    }
    whole.sha256 = reader->sha256();
    return whole;
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
Result<std::vector<DatabaseModule>> modules_then(const Header& header,
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

/// `reading`: the rows are being read, and nothing stands in its way but the connection.
Result<BackupReport> back_up_once(Databases& databases, DatabaseName name, const DatabasePlace& at,
                                  const std::string& path, const RowProgress& progress,
                                  bool& reading) {
    TASKSTORE_LET(const auto connection, databases.connect(name, at.location, {}));
    const auto modules = databases.modules(name, connection->dialect());
    BackupReport report{.database = std::string(name_of(name)), .path = path};
    // All of it is read in one transaction: a state that was there at one moment.
    TASKSTORE_LET(const auto transaction, sql::Transaction::begin_read(*connection));
    TASKSTORE_LET(const auto identity, sql::find_identity(*connection, name_of(name)));
    if (!identity)
        return fail(Code::not_found, sql::shown(at.location) + " holds no database '" +
                                         std::string(name_of(name)) + "' yet");
    // Of what has moved away there is a newer state elsewhere; what is being filled is no state.
    TASKSTORE_TRY(check_live(*identity));
    // Tables that only a newer version knows would be left out without a word.
    TASKSTORE_TRY(databases.check_schema(*connection, name, at.location));
    std::vector<std::pair<std::string, std::int64_t>> versions;
    for (const DatabaseModule& module : modules)
        versions.emplace_back(module.name, static_cast<std::int64_t>(module.migrations.size()));
    TASKSTORE_LET(auto writer, BackupWriter::begin(databases.files(), path));
    TASKSTORE_TRY(writer.line(header_text(name, *identity, versions, databases.clock().wall_ms())));
    std::int64_t rows = 0;
    reading = true;
    for (const sql::Table& table : tables_of(modules))
        TASKSTORE_TRY(write_table(*connection, table, writer, rows, progress));
    reading = false;
    TASKSTORE_TRY(writer.finish(rows, report));
    return report;
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
        bool reading = false;
        auto report = back_up_once(databases, name, at, path, progress, reading);
        // The state of that moment is gone with its transaction: another one, from the start.
        const bool lost = !report && reading && report.error().code == Code::unavailable;
        if (!lost) return report;
        if (i == kTries)
            return fail(std::move(report).error())
                .with_hint("it was begun " + std::to_string(kTries) +
                           " times, and lost its transaction each time; nothing was written");
    }
}

namespace {

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

}  // namespace

Result<RestoreReport> restore(Databases& databases, const RestoreRequest& request) {
    os::FileSystem& files = databases.files();
    TASKSTORE_LET(const Whole whole, check_whole(files, request.path));
    TASKSTORE_LET(const auto reader, BackupReader::open(files, request.path));
    const Header& header = reader->header();
    TASKSTORE_LET(const DatabaseName of, database_of(header.database));
    const DatabaseName name = request.name.value_or(of);
    if (name != of)
        return fail(Code::invalid, request.path + " is a backup of '" + header.database +
                                       "', not of '" + std::string(name_of(name)) + "'");
    TASKSTORE_LET(const DatabasePlace at, databases.place(name));
    TASKSTORE_LET(
        const auto then,
        modules_then(header, databases.modules(name, sql::row_of(at.location.engine).dialect)));
    const std::vector<sql::Table> tables = tables_of(then);
    TASKSTORE_TRY(check_tables(*reader, tables, whole.tables));
    TASKSTORE_LET(const auto lock,
                  TransferLock::take(files, databases.options().settings.home, name));
    TASKSTORE_LET(const std::int64_t planned,
                  planned_epoch(files, databases.options().settings.home, name));
    TASKSTORE_LET(const auto connection,
                  databases.connect(name, at.location, {.read_only = false, .create = true}));
    const std::string place = sql::shown(at.location);
    TASKSTORE_LET(sql::Identity identity,
                  identity_before(databases, *connection, name, at.location, then));
    const std::string incoming_from = sql::from_backup(whole.sha256);
    TASKSTORE_TRY(check_may_restore(identity, incoming_from, request, place));
    TASKSTORE_TRY(sql::check_can_close(*connection, tables));
    TASKSTORE_TRY(check_takes_row(*connection, whole.largest_bytes, place));
    const bool was_live = identity.is_live();
    if (was_live && !request.replace)
        TASKSTORE_TRY(check_no_rows(*connection, tables, rows_are_there(place)));
    sql::Identity incoming = identity;
    incoming.incoming_from = incoming_from;
    incoming.mark = sql::new_mark("restore", databases.clock(), databases.random());
    const auto also = [&](sql::Connection& within) -> Status {
        TASKSTORE_TRY(
            sql::rename_place(within, name_of(name), databases.clock(), databases.random()));
        if (!was_live || request.replace) return ok();
        return check_no_rows(within, tables, rows_are_there(place));
    };
    const EndChange closing{.next = incoming,
                            .while_open = bringing_up(databases, then),
                            .also = also,
                            .tables = tables};
    // From here on writers are shut out; rows are looked for again where there cannot be more, and
    // no move takes the place for what it has left there (mover.cpp: M8).
    TASKSTORE_TRY(change_end(databases, name, at.location, identity, closing));
    if (request.after_step_for_testing) TASKSTORE_TRY(request.after_step_for_testing(1));
    RestoreReport report{.database = header.database, .place = place};
    TASKSTORE_LET(const auto writer, databases.open_at(name, at.location));
    CopyTarget to{*connection, *writer, name_of(name), identity};
    TASKSTORE_TRY(copy_tables(*reader, tables, to, whole.rows, request, report));
    if (reader->sha256() != whole.sha256) return reader->damaged("it has changed meanwhile");
    if (request.after_step_for_testing) TASKSTORE_TRY(request.after_step_for_testing(2));
    const sql::Identity live{
        .id = header.identity.id,
        .epoch = sql::next_epoch(std::max({identity.epoch, header.identity.epoch, planned}),
                                 databases.clock().wall_ms())};
    // With what this version adds to the backup's.
    const auto now = databases.modules(name, connection->dialect());
    EndChange change{.next = live,
                     .while_open = bringing_up(databases, now),
                     .also = [&](sql::Connection& within) { return end_holds(within, now); },
                     .tables = tables,
                     .level = &report.level};
    for (const DatabaseModule& module : now)
        if (!module.after_restore.empty()) change.wake = module.topics;
    TASKSTORE_TRY(change_end(databases, name, at.location, identity, change));
    report.epoch = live.epoch;
    return report;
}

}  // namespace taskstore::store
