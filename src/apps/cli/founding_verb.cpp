// import --from lib-task-store and --from adt: tasks of the systems before this one.

#include "task_verbs.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/founding/adt.hpp>
#include <taskstore/founding/copy.hpp>
#include <taskstore/founding/task_table.hpp>
#include <taskstore/store/task_import.hpp>

namespace taskstore::cli {
namespace {

constexpr std::size_t kShownMax = 20;

/// A session with a copy; the copy lies in a folder that goes with this object.
class Copies {
  public:
    explicit Copies(Context& context) : x_context(context) {}

    Result<std::unique_ptr<sql::Connection>> open(const std::string& path) {
        if (!x_folder) {
            TASKSTORE_LET(x_folder, PrivateFolder::make(x_context.clock));
        }
        TASKSTORE_LET(const founding::CopiedDatabase copy,
                      founding::copy_database(x_context.files, path, x_folder->path()));
        x_copies.emplace_back(copy.path, path);
        if (copy.has_journal) TASKSTORE_TRY(x_context.driver.connect(copy.path, {.create = false}));
        return x_context.driver.connect(copy.path, {.read_only = true});
    }
    /// Nobody knows the copies by their names.
    std::string named(std::string text) const {
        for (const auto& [copy, path] : x_copies)
            for (std::size_t at = 0; (at = text.find(copy, at)) != std::string::npos;
                 at += path.size())
                text.replace(at, copy.size(), path);
        return text;
    }

  private:
    Context& x_context;
    std::unique_ptr<PrivateFolder> x_folder;
    std::vector<std::pair<std::string, std::string>> x_copies;
};

/// Where ADT keeps its home: ADT_HOME, else ~/.adt.
Result<std::string> home_of_adt(Context& context) {
    if (!context.call.arguments.empty()) return context.call.arguments[0];
    if (const char* const home = environment("ADT_HOME")) return std::string(home);
    if (const char* const home = environment("HOME")) return os::join_path(home, ".adt");
    return fail(Code::invalid, "no home of ADT is known: neither ADT_HOME nor HOME is set")
        .with_hint("name the folder: 'taskstore import --from adt DIR'");
}

Result<founding::Found> read_by_copies(Context& context, founding::System system, std::string& path,
                                       Copies& copies) {
    if (system == founding::System::adt) {
        TASKSTORE_LET(path, home_of_adt(context));
        return founding::read_adt(
            context.files,
            {.folder = path, .open = [&](const std::string& name) { return copies.open(name); }});
    }
    if (context.call.arguments.empty())
        return fail(Code::invalid,
                    "which file? lib-task-store keeps its tasks where it was told to")
            .with_hint("'taskstore import --from lib-task-store ~/.local/share/adi/tasks.db'");
    path = context.call.arguments[0];
    founding::Found found{.system = system};
    TASKSTORE_LET(const auto connection, copies.open(path));
    TASKSTORE_TRY(founding::read_tasks(*connection, {.where = os::name_of_path(path)}, found));
    return found;
}

Result<founding::Found> read_source(Context& context, founding::System system, std::string& path) {
    Copies copies(context);
    auto found = read_by_copies(context, system, path, copies);
    if (!found) {
        Error error = std::move(found).error();
        error.message = copies.named(std::move(error.message));
        if (error.code == Code::not_found && error.hint.empty())
            error.hint = "check the path, or name another: 'taskstore import --from " +
                         std::string(founding::word_of(system)) + " PATH'";
        return fail(std::move(error));
    }
    for (founding::Refused& one : found->refused) one.reason = copies.named(std::move(one.reason));
    return found;
}

void put_counts(JsonWriter& writer, const store::TaskImportReport& report) {
    const auto skipped = static_cast<std::int64_t>(report.refused.size()) + report.removed;
    writer.key("collections").begin_object().key("tasks").begin_object();
    writer.key("created").integer(report.created).key("updated").integer(0);
    writer.key("unchanged").integer(report.unchanged).key("deleted").integer(0);
    writer.key("skipped").integer(skipped).end_object().end_object();
    writer.key("skipped").begin_object();
    if (report.removed > 0) writer.key("removed here").integer(report.removed);
    writer.end_object();
    writer.key("held").integer(report.held).key("for_person").integer(report.for_person);
    writer.key("changed_there").integer(report.changed);
}

std::string report_json(const std::string& path, const store::TaskImportReport& report, bool dry) {
    std::string data;
    JsonWriter writer(data);
    writer.begin_object().key("file").string(repaired_utf8(path));
    writer.key("recognised").string(founding::word_of(report.system));
    writer.key("dry_run").boolean(dry).key("records").integer(report.records);
    put_counts(writer, report);
    writer.key("no_place").begin_array();
    for (const founding::NoPlace& one : report.no_place) {
        writer.begin_object().key("what").string(repaired_utf8(one.what));
        writer.key("where").string(repaired_utf8(one.where)).key("count").integer(one.count);
        writer.end_object();
    }
    writer.end_array();
    writer.key("damaged_count").integer(static_cast<std::int64_t>(report.refused.size()));
    writer.key("damaged").begin_array();
    for (const founding::Refused& one : report.refused) {
        writer.begin_object().key("where").string(repaired_utf8(one.where));
        writer.key("reason").string(repaired_utf8(one.reason)).end_object();
    }
    writer.end_array().end_object();
    return data;
}

void tell_what_was_not(Context& context, const store::TaskImportReport& report) {
    for (std::size_t i = 0; i < report.refused.size() && i < kShownMax; ++i)
        context.warn("left out: " + report.refused[i].where + ": " + report.refused[i].reason);
    if (report.refused.size() > kShownMax)
        context.warn("and " + std::to_string(report.refused.size() - kShownMax) +
                     " more that were left out; --json lists them");
    for (const founding::NoPlace& one : report.no_place)
        context.warn("no place for " + one.what + " (" + std::to_string(one.count) + "), which " +
                     (one.count == 1 ? "stays in " : "stay in ") + one.where);
    for (const std::string& note : report.notes) context.warn(note);
}

void print_report(Context& context, const std::string& path,
                  const store::TaskImportReport& report) {
    const std::string name =
        printable_line(path) + " (" + std::string(founding::word_of(report.system)) + ")";
    if (report.records == 0) {
        context.print("nothing to import: " + name + " holds no tasks\n");
        return;
    }
    std::string out;
    if (report.created == 0)
        out = "nothing new in " + name + "\n";
    else
        out = (context.call.has("dry-run") ? "would import " : "imported ") + name + ": " +
              counted(report.created, "task", "tasks") + "\n";
    if (report.created > 0 && report.unchanged > 0)
        out += "  unchanged: " + counted(report.unchanged, "task", "tasks") + "\n";
    if (report.removed > 0)
        out += "  skipped: " + std::to_string(report.removed) + " removed here\n";
    context.print(out);
}

/// Null where there are no tasks yet and none are to be made.
Result<std::shared_ptr<tasks::TaskStore>> tasks_for(Context& context) {
    if (context.call.has("dry-run")) {
        TASKSTORE_LET(store::Databases* const databases, context.databases());
        TASKSTORE_LET(const auto report, databases->migrations(store::DatabaseName::tasks));
        if (!report.exists && !report.away) return std::shared_ptr<tasks::TaskStore>();
    }
    return open_tasks(context);
}

}  // namespace

Status run_import_of_tasks(Context& context, founding::System system) {
    for (const std::string_view option : {"to", "revive"}) {
        if (context.call.has(option))
            return fail(Code::invalid, "--" + std::string(option) +
                                           " is for records of a plan, not for tasks from " +
                                           std::string(founding::word_of(system)));
    }
    store::TaskImportRequest request{.project = context.call.value("project"),
                                     .dry_run = context.call.has("dry-run"),
                                     .strict = context.call.has("strict")};
    std::string path;
    TASKSTORE_LET(founding::Found found, read_source(context, system, path));
    TASKSTORE_LET(request.actor, task_actor(context));
    request.progress = [&](std::int64_t done, std::int64_t total) {
        context.progress("importing tasks", done, total);
    };
    TASKSTORE_LET(const auto store, tasks_for(context));
    TASKSTORE_LET(const store::TaskImportReport report,
                  store::import_found(store.get(), context.clock, std::move(found), request));
    if (report.level) {
        context.wrote = "the import of " + path;
        context.survives(*report.level);
    }
    const bool refused = request.strict && !report.complete();
    tell_what_was_not(context, report);
    if (context.json)
        context.print_json("import_report", report_json(path, report, request.dry_run));
    else if (!context.quiet && !refused)
        print_report(context, path, report);
    if (refused)
        return fail(Code::failed, "not all of it had a place")
            .with_hint("the notes above say what was left out");
    return ok();
}

}  // namespace taskstore::cli
