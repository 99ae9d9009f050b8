// Verbs that carry the device's databases elsewhere: backup, restore, move.

#include "context.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/store/backup.hpp>
#include <taskstore/store/move.hpp>

namespace taskstore::cli {
namespace {

store::RowProgress rows_of(Context& context, std::string_view what) {
    return [&context, what](std::int64_t done, std::int64_t total) {
        context.progress(what, done, total);
    };
}

bool is_folder(Context& context, const std::string& path) {
    const auto info = context.files.info(path);
    return info && info->kind == os::FileKind::directory;
}

void write_backup(JsonWriter& writer, const store::BackupReport& report) {
    writer.begin_object()
        .key("database")
        .string(report.database)
        .key("path")
        .string(report.path)
        .key("rows")
        .integer(report.rows)
        .key("bytes")
        .integer(report.bytes)
        .key("sha256")
        .string(report.sha256)
        .end_object();
}

/// The one that is named; else those that are there.
Result<std::vector<store::DatabaseName>> to_back_up(Context& context, store::Databases& databases) {
    if (context.call.has("database")) {
        TASKSTORE_LET(const auto name, store::database_of(context.call.value("database")));
        const auto there = databases.find(name);
        if (!there && there.error().code != Code::not_found) return fail(there.error());
        return std::vector{name};
    }
    std::vector<store::DatabaseName> names;
    for (const store::DatabaseName name : store::kDatabaseNames) {
        if (store::tables_of(name).empty()) continue;
        const auto there = databases.find(name);
        if (!there && there.error().code == Code::not_found) continue;
        if (!there) return fail(there.error());
        if (name == store::DatabaseName::archive) {
            // A server is there before the archive is.
            TASKSTORE_LET(const auto known, sql::find_identity(**there, store::name_of(name)));
            if (!known) continue;
        }
        names.push_back(name);
    }
    if (names.empty())
        return fail(Code::not_found, "this device has no databases yet")
            .with_hint("'taskstore migrate --status' says where they would be");
    return names;
}

}  // namespace

Status run_backup(Context& context) {
    TASKSTORE_LET(store::Databases* const databases, context.databases());
    TASKSTORE_LET(const auto names, to_back_up(context, *databases));
    const std::string target = context.absolute(context.call.arguments[0]);
    const bool folder = is_folder(context, target);
    if (!folder && names.size() > 1)
        return fail(Code::invalid, "'" + target + "' is no folder, and there are " +
                                       std::to_string(names.size()) + " databases")
            .with_hint("name a folder that is there, or one database: --database tasks FILE");
    std::string data;
    JsonWriter writer(data);
    writer.begin_array();
    std::vector<std::vector<Cell>> rows;
    for (const store::DatabaseName name : names) {
        const std::string path =
            folder ? os::join_path(target, store::backup_name(name, context.clock.wall_ms()))
                   : target;
        TASKSTORE_LET(const auto report,
                      store::back_up(*databases, name, path, rows_of(context, "backing up rows")));
        context.wrote = "the backup " + path + " is complete";
        context.survives(sql::DurabilityLevel::flushed);  // The file.
        write_backup(writer, report);
        rows.push_back({{report.database, Colour::cyan},
                        {std::to_string(report.rows)},
                        {short_number(static_cast<double>(report.bytes)) + "B"},
                        {printable_line(report.path)}});
    }
    writer.end_array();
    if (context.json)
        context.print_json("backup_list", data);
    else if (!context.quiet)
        context.print(format_table(context.terminal, {"DATABASE", "ROWS", "SIZE", "FILE"}, rows));
    return ok();
}

Status run_restore(Context& context) {
    TASKSTORE_LET(store::Databases* const databases, context.databases());
    store::RestoreRequest request{.path = context.absolute(context.call.arguments[0]),
                                  .replace = context.call.has("replace"),
                                  .progress = rows_of(context, "restoring rows")};
    if (context.call.has("database")) {
        TASKSTORE_LET(request.name, store::database_of(context.call.value("database")));
    }
    auto restored = store::restore(*databases, request);
    if (!restored && restored.error().code == Code::not_found &&
        !context.files.info(request.path)) {
        Error error = std::move(restored).error();
        error.hint = "name a file that 'taskstore backup' has made: FILE.taskstore.zst";
        return fail(std::move(error));
    }
    TASKSTORE_LET(const store::RestoreReport report, std::move(restored));
    context.wrote = "the database " + report.database + " is restored";
    if (report.level) context.survives(*report.level);
    if (context.json) {
        std::string data;
        JsonWriter(data)
            .begin_object()
            .key("database")
            .string(report.database)
            .key("place")
            .string(report.place)
            .key("rows")
            .integer(report.rows)
            .key("written")
            .integer(report.written)
            .key("deleted")
            .integer(report.deleted)
            .key("epoch")
            .integer(report.epoch)
            .end_object();
        context.print_json("restore_report", data);
    } else if (!context.quiet) {
        context.print("restored " + counted(report.rows, "row", "rows") + " of " + report.database +
                      " into " + printable_line(report.place) + "\n");
    }
    return ok();
}

namespace {

/// What an option names, as config.toml would.
Result<sql::Location> place_named(Context& context, store::Databases& databases,
                                  store::DatabaseName name, const std::string& option) {
    return store::location_of(name, context.call.value(option), "--" + option,
                              databases.options().settings);
}

Result<store::MoveRequest> move_request(Context& context, store::Databases& databases) {
    store::MoveRequest request;
    TASKSTORE_LET(request.name, store::database_of(context.call.value("database", "tasks")));
    if (store::tables_of(request.name).empty())
        return fail(Code::invalid, "'" + std::string(store::name_of(request.name)) +
                                       "' has no tables in this version: there is nothing to move");
    request.home = databases.options().settings.home;
    request.config_path = os::join_path(device_home(), "config.toml");
    request.progress = rows_of(context, "copying rows");
    request.forget = context.call.has("forget");
    if (context.call.has("from")) {
        TASKSTORE_LET(request.from, place_named(context, databases, request.name, "from"));
    }
    if (!context.call.has("to")) return request;
    TASKSTORE_LET(request.to, place_named(context, databases, request.name, "to"));
    request.to_text = sql::text_of(request.to);
    return request;
}

void print_move(Context& context, const store::MoveReport& report) {
    if (context.json) {
        std::string data;
        JsonWriter(data)
            .begin_object()
            .key("database")
            .string(report.database)
            .key("from")
            .string(report.from)
            .key("to")
            .string(report.to)
            .key("rows")
            .integer(report.rows)
            .key("copied_online")
            .integer(report.copied_online)
            .key("copied_sealed")
            .integer(report.copied_sealed)
            .key("sealed_ms")
            .integer(report.sealed_ms)
            .key("epoch")
            .integer(report.epoch)
            .key("reopened")
            .boolean(report.reopened)
            .key("config_switched")
            .boolean(report.config_switched)
            .end_object();
        context.print_json("move_report", data);
        return;
    }
    if (context.quiet) return;
    if (report.reopened) {
        context.print("taken back: " + printable_line(report.to) + " holds " + report.database +
                      " and takes writes; nothing had to be copied\n");
        return;
    }
    context.print("moved " + report.database + ": " + counted(report.rows, "row", "rows") + ", " +
                  printable_line(report.from) + " → " + printable_line(report.to) +
                  "\nthe old place refused writes for " + std::to_string(report.sealed_ms) +
                  " ms, and refuses them from now on\n");
}

}  // namespace

Status run_move(Context& context) {
    const bool undo = context.call.has("undo");
    const bool from = context.call.has("from");
    const bool to = context.call.has("to");
    if (undo ? from != to : !to || from)
        return fail(Code::invalid, "move wants --to PLACE, or --undo")
            .with_hint("what another device began is taken back by --undo --from PLACE --to PLACE");
    TASKSTORE_LET(store::Databases* const databases, context.databases());
    TASKSTORE_LET(const store::MoveRequest request, move_request(context, *databases));
    TASKSTORE_LET(const store::MoveReport report, undo ? store::undo_move(*databases, request)
                                                       : store::move_database(*databases, request));
    context.wrote = "the database " + report.database + " is in " + report.to + " now";
    if (report.level) context.survives(*report.level);
    print_move(context, report);
    if (!report.config_switched)
        context.warn(
            "the environment names the database's place (TASK_STORE_URL, TASK_STORE_PATH or "
            "TASKSTORE_CONFIG_DATABASES__…): change it there, to " +
            report.to);
    return ok();
}

}  // namespace taskstore::cli
