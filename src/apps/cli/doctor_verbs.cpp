// doctor: what is found, and what can be mended without a person's decision.

#include "git_verbs.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/ledger/files.hpp>
#include <taskstore/store/databases.hpp>
#include <taskstore/store/move.hpp>
#include <taskstore/tasks/schedule.hpp>

#include <algorithm>
#include <iterator>

namespace taskstore::cli {
namespace {

using Findings = std::vector<records::Finding>;

void write_findings(JsonWriter& writer, const Findings& findings) {
    writer.begin_array();
    for (const records::Finding& finding : findings) {
        writer.begin_object()
            .key("what")
            .string(finding.what)
            .key("where")
            .string(finding.where)
            .key("why")
            .string(finding.why)
            .key("mend")
            .string(finding.mend)
            .end_object();
    }
    writer.end_array();
}

void add(Findings& to, Findings from) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
}

/// Of the repository; none where the store is in none, or git is not there.
Result<Findings> around(Context& context, const store::Place& place) {
    const auto repository = context.repository();
    if (!repository || repository->work_tree().empty()) return Findings();
    auto places = store::git_places(context.files, *repository, place);
    if (!places) {
        // A store whose folder is the work tree itself is none that git merges.
        if (places.error().code == Code::not_found && repository->relative(place.folder) == "")
            return Findings();
        return Findings{
            {"git", repository->work_tree(), places.error().message,
             places.error().hint.empty() ? "see that git works here" : places.error().hint}};
    }
    const char* const path = environment("PATH");
    return store::git_findings(context.files, *repository, place, *places,
                               path == nullptr ? "" : path);
}

/// Moves of the device's databases that were broken off.
Findings of_the_device(Context& context) {
    const auto home = context.database_home();
    if (!home) return {};  // Then it has no databases.
    const auto moves = store::open_moves(context.files, *home);
    if (!moves) return {{"move", *home, moves.error().message, moves.error().hint}};
    Findings findings;
    for (const store::OpenMove& move : *moves) {
        const std::string name(store::name_of(move.name));
        findings.push_back(
            {"move", name + ": " + move.from + " to " + move.to,
             move.back ? "it was being taken back, and that has not ended"
                       : "it has begun and not ended",
             move.back ? "'taskstore move --database " + name + " --undo' goes on with it"
                       : "the same 'taskstore move' goes on with it; with --undo it is taken "
                         "back"});
    }
    return findings;
}

/// Schedules that make no tasks, for they cannot be read; of a database that is there and of this
/// version.
Result<Findings> of_the_schedules(Context& context, store::Databases& databases,
                                  const store::MigrationReport& report) {
    Findings findings;
    const bool usable = report.exists && !report.away &&
                        std::ranges::all_of(report.modules, [](const auto& module) {
                            return module.pending.empty() && !module.newer;
                        });
    if (!usable) return findings;
    TASKSTORE_LET(const auto database, databases.open_at(report.database, report.place.location));
    const auto store = tasks::make_task_store(*database, context.clock, context.random);
    TASKSTORE_LET(const auto list, store->schedules().list_schedules(std::nullopt));
    for (const tasks::Schedule& one : list) {
        if (!one.fault.empty())
            findings.push_back(
                {"schedule", one.id, one.fault,
                 "'taskstore schedule rm " + one.id + "' takes it away; then add it anew"});
    }
    return findings;
}

/// Databases that cannot be used as they are. One that is not made yet is none of them.
Result<Findings> of_the_databases(Context& context) {
    if (!context.database_home()) return Findings();
    TASKSTORE_LET(store::Databases* const databases, context.databases());
    Findings findings;
    for (const store::DatabaseName name : store::kDatabaseNames) {
        const std::string noun(store::name_of(name));
        const auto found = [&](const Error& error) {
            findings.push_back(
                {"database", noun, error.message,
                 error.hint.empty() ? "'taskstore config show' names its place" : error.hint});
        };
        const auto report = databases->migrations(name);
        if (!report) {
            found(report.error());
            continue;
        }
        if (report->away) found(*report->away);
        if (name == store::DatabaseName::tasks) {
            auto schedules = of_the_schedules(context, *databases, *report);
            if (schedules)
                add(findings, std::move(*schedules));
            else
                found(schedules.error());
        }
        for (const auto& module : report->modules) {
            if (!module.newer) continue;
            findings.push_back(
                {"database", noun + " at " + sql::shown(report->place.location),
                 "module '" + module.name + "' was written by a newer version of this program",
                 "upgrade this program"});
        }
    }
    return findings;
}

/// Puts right what needs nobody's decision; what it did, one sentence each.
Result<std::vector<std::string>> mend(Context& context, const store::Place& place,
                                      records::Plan& plan) {
    std::vector<std::string> done;
    const std::string ignore = os::join_path(place.folder, ".gitignore");
    const auto before = os::read_file(context.files, ignore, 1 << 20);
    TASKSTORE_TRY(ledger::complete_folder(context.files, place.folder));
    const auto after = os::read_file(context.files, ignore, 1 << 20);
    if (after && (!before || *before != *after))
        done.push_back("git ignores the databases again: " + ignore);
    const auto repository = context.repository();
    if (repository && !repository->work_tree().empty()) {
        if (const auto places = store::git_places(context.files, *repository, place)) {
            TASKSTORE_LET(store::Installed installed, store::install_hooks(context.files, *places));
            for (std::string& text : installed.done) done.push_back(std::move(text));
            for (const std::string& note : installed.notes) context.warn(note);
        }
    }
    // Leftover markers that the rule can settle go with it.
    TASKSTORE_LET(const records::SyncReport report, plan.sync());
    for (const std::string& note : report.notes) done.push_back(note);
    return done;
}

}  // namespace

namespace {

struct Looked {
    std::vector<std::string> done;  ///< What was mended.
    Findings findings;
};

Result<Looked> look_at_plan(Context& context, const store::Place& place, bool fix) {
    Looked looked;
    // A file in three versions has no state that could be looked at: it is merged first.
    const std::vector<store::Unmerged> unmerged = settle_unmerged(context, place);
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    for (const store::Unmerged& one : unmerged) {
        if (one.rewritten) looked.done.push_back(one.path + " was merged by the rule");
    }
    if (fix) {
        TASKSTORE_LET(auto mended, mend(context, place, *plan));
        for (std::string& text : mended) looked.done.push_back(std::move(text));
    }
    TASKSTORE_LET(looked.findings, plan->findings());
    add(looked.findings, store::findings_of(unmerged));
    TASKSTORE_LET(Findings outside, around(context, place));
    add(looked.findings, std::move(outside));
    return looked;
}

}  // namespace

Status run_doctor(Context& context) {
    TASKSTORE_LET(const store::Place place, context.place());
    TASKSTORE_TRY(context.settings());
    const bool fix = context.call.has("fix");
    const bool named = context.call.has("store") || environment("TASKSTORE_DIR") != nullptr;
    Looked looked;
    if (place.exists || named) {
        TASKSTORE_LET(looked, look_at_plan(context, place, fix));
    } else {
        context.warn("there is no plan here: only the device's databases are looked at");
    }
    auto& [done, findings] = looked;
    add(findings, of_the_device(context));
    TASKSTORE_LET(Findings unusable, of_the_databases(context));
    add(findings, std::move(unusable));
    if (!done.empty()) context.wrote = "what could be mended is mended";
    if (context.json) {
        std::string data;
        JsonWriter writer(data);
        if (!fix) {
            for (const std::string& text : done) context.warn(text);
            write_findings(writer, findings);
            context.print_json("finding_list", data);
            return ok();
        }
        writer.begin_object().key("mended").begin_array();
        for (const std::string& text : done) writer.string(text);
        writer.end_array().key("left");
        write_findings(writer, findings);
        writer.end_object();
        context.print_json("mending", data);
        return ok();
    }
    for (const std::string& text : done) context.print("✓ " + printable_line(text) + "\n");
    if (findings.empty()) context.print(done.empty() ? "✓ nothing found\n" : "✓ nothing is left\n");
    for (const records::Finding& finding : findings) {
        context.print(context.terminal.paint(Colour::yellow, printable_line(finding.what)) + "  " +
                      printable_line(finding.where) + "\n    " + printable_line(finding.why) +
                      "\n    → " + printable_line(finding.mend) + "\n");
    }
    return ok();
}

}  // namespace taskstore::cli
