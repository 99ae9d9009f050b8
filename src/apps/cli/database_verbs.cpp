// Verbs about the device's databases as such.

#include "context.hpp"

#include <taskstore/base/display.hpp>

#include <algorithm>

namespace taskstore::cli {
namespace {

std::vector<store::DatabaseName> named(const Context& context) {
    if (!context.call.has("database"))
        return {store::kDatabaseNames.begin(), store::kDatabaseNames.end()};
    const auto name = store::database_of(context.call.value("database"));
    return name ? std::vector{*name} : std::vector<store::DatabaseName>();
}

/// The first task that goes into the archive makes it: a device without one has one database.
bool is_wanted_later(const store::MigrationReport& report) {
    return report.database == store::DatabaseName::archive && !report.away &&
           std::ranges::all_of(report.modules, [](const store::MigrationReport::Module& one) {
               return one.applied.empty();
           });
}

void write_module(JsonWriter& writer, const store::MigrationReport::Module& module) {
    writer.begin_object().key("module").string(module.name).key("applied").begin_array();
    for (const sql::AppliedMigration& one : module.applied)
        writer.begin_object()
            .key("version")
            .integer(one.version)
            .key("name")
            .string(one.name)
            .key("checksum")
            .string(one.checksum)
            .key("applied_at")
            .integer(one.applied_at)
            .end_object();
    writer.end_array().key("pending").begin_array();
    for (const sql::Migration& one : module.pending)
        writer.begin_object()
            .key("version")
            .integer(one.version)
            .key("name")
            .string(one.name)
            .key("sql")
            .string(one.sql)
            .end_object();
    writer.end_array().key("newer").boolean(module.newer).end_object();
}

void print_reports(Context& context, const std::vector<store::MigrationReport>& reports,
                   bool with_sql) {
    std::string data;
    JsonWriter writer(data);
    writer.begin_array();
    std::vector<std::vector<Cell>> rows;
    std::string texts;
    for (const store::MigrationReport& report : reports) {
        const std::string name(store::name_of(report.database));
        const std::string place = sql::shown(report.place.location);
        writer.begin_object().key("database").string(name).key("place").string(place);
        writer.key("exists").boolean(report.exists);
        writer.key("away").boolean(report.away.has_value()).key("modules").begin_array();
        if (report.modules.empty())
            rows.push_back({{name}, {place}, {""}, {"no tables in this version", Colour::grey}});
        for (const store::MigrationReport::Module& module : report.modules) {
            write_module(writer, module);
            const std::string state =
                report.away                                 ? "away: it was moved there"
                : !report.exists || is_wanted_later(report) ? "not made yet"
                : module.newer                              ? "newer than this program: upgrade it"
                : module.pending.empty()                    ? "up to date"
                                         : counted(static_cast<std::int64_t>(module.pending.size()),
                                                   "migration", "migrations") +
                                               " to apply";
            const bool good = module.pending.empty() && !module.newer;
            rows.push_back(
                {{name},
                 {place},
                 {report.away ? "" : module.name + " " + std::to_string(module.applied.size())},
                 {state, report.away ? Colour::red
                         : good      ? Colour::green
                                     : Colour::yellow}});
            for (const sql::Migration& one : module.pending)
                texts += "\n-- " + name + ": " + module.name + " " + std::to_string(one.version) +
                         " (" + std::string(one.name) + ")\n" + std::string(one.sql);
        }
        writer.end_array().end_object();
    }
    writer.end_array();
    if (context.json) {
        context.print_json("migration_list", data);
    } else if (!context.quiet) {
        context.print(
            format_table(context.terminal, {"DATABASE", "PLACE", "SCHEMA", "STATE"}, rows));
        if (with_sql) context.print(texts);
    }
}

}  // namespace

Status run_migrate(Context& context) {
    const Invocation& call = context.call;
    if (call.has("apply") && (call.has("plan") || call.has("status")))
        return fail(Code::invalid, "--apply changes, --plan and --status only look: choose one");
    TASKSTORE_LET(store::Databases* const databases, context.databases());
    std::vector<store::MigrationReport> reports;
    for (const store::DatabaseName name : named(context)) {
        TASKSTORE_LET(auto report, databases->migrations(name));
        const bool now = call.has("database") || !is_wanted_later(report);
        if (call.has("apply") && now && !store::tables_of(name).empty()) {
            TASKSTORE_TRY(databases->open(name));
            context.wrote = "the schema of " + std::string(store::name_of(name)) + " is up to date";
            TASKSTORE_LET(report, databases->migrations(name));
        }
        reports.push_back(std::move(report));
    }
    print_reports(context, reports, call.has("plan"));
    for (store::MigrationReport& report : reports)
        if (report.away) return fail(std::move(*report.away));
    return ok();
}

}  // namespace taskstore::cli
