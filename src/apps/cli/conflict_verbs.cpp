// Verbs about what two sides wrote unlike: telling it, and settling it.

#include "context.hpp"
#include "git_verbs.hpp"
#include "naming.hpp"
#include "written.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/base/hash.hpp>
#include <taskstore/git/repository.hpp>
#include <taskstore/os/command.hpp>

#include <algorithm>

namespace taskstore::cli {
namespace {

using records::Conflict;
using records::ConflictMember;
using records::ConflictSide;
using records::Settlement;

void write_side(JsonWriter& writer, const ConflictSide& side) {
    writer.begin_object().key("value");
    if (side.raw_value.empty())
        writer.null();
    else
        writer.raw(side.raw_value);
    writer.key("removed").boolean(side.raw_value.empty());
    writer.key("by").string(side.by).key("at").integer(side.stamp.ms);
    writer.key("stamp").string(to_text(side.stamp)).key("stands").boolean(side.stands);
    writer.end_object();
}

void write_conflict(JsonWriter& writer, const Conflict& conflict) {
    writer.begin_object().key("collection").string(conflict.collection);
    writer.key("id").string(conflict.id).key("revision").string(conflict.revision);
    writer.key("deleted").boolean(conflict.deleted).key("record").raw(conflict.data);
    writer.key("members").begin_array();
    for (const ConflictMember& member : conflict.members) {
        writer.begin_object().key("member").string(member.name);
        writer.key("clash").boolean(member.clash).key("ours");
        write_side(writer, member.ours);
        writer.key("theirs").begin_array();
        for (const ConflictSide& side : member.theirs) write_side(writer, side);
        writer.end_array().end_object();
    }
    writer.end_array().end_object();
}

std::string shown_value(const ConflictSide& side, bool deleted) {
    if (side.raw_value.empty()) return deleted ? "(deleted)" : "(removed)";
    if (kind_of_raw(side.raw_value) != JsonKind::string) return side.raw_value;
    return unescape_json(side.raw_value).value_or(side.raw_value);
}

std::string who_and_when(const ConflictSide& side) {
    std::string text = side.by.empty() ? "–" : side.by;
    if (side.stamp.ms > 0) text += ", " + shown_time(side.stamp.ms);
    return text;
}

void print_conflict(Context& context, const Conflict& conflict) {
    std::vector<std::vector<Cell>> rows;
    for (const ConflictMember& member : conflict.members) {
        for (std::size_t i = 0; i < member.theirs.size(); ++i) {
            const ConflictSide& theirs = member.theirs[i];
            const auto colour = [](const ConflictSide& side) {
                return side.stands ? Colour::green : Colour::none;
            };
            rows.push_back(
                {{i == 0 ? member.name : ""},
                 {i == 0 ? shown_value(member.ours, conflict.deleted) : "", colour(member.ours)},
                 {shown_value(theirs, false), colour(theirs)}});
            rows.push_back({{""},
                            {i == 0 ? who_and_when(member.ours) : "", Colour::grey},
                            {who_and_when(theirs), Colour::grey}});
        }
    }
    context.print(noun_of(conflict.collection) + " " +
                  context.terminal.paint(Colour::cyan, printable_line(conflict.id)) +
                  (conflict.deleted ? ", deleted beside an edit" : "") + "\n" +
                  format_table(context.terminal, {"MEMBER", "OURS", "THEIRS"}, rows) + "\n");
}

/// The lines above what is edited: both sides, so that nobody has to remember them.
std::string sheet_of(const Conflict& conflict) {
    std::string text =
        "# " + printable_line(noun_of(conflict.collection) + " " + conflict.id) +
        ": give each member the value that it shall have (JSON), then save and leave.\n"
        "# A member that you take out stays unsettled. Saved as it is, nothing is settled.\n#\n";
    std::string values;
    JsonWriter writer(values, 2);
    writer.begin_object();
    for (const ConflictMember& member : conflict.members) {
        text += "# " + printable_line(member.name) + "\n#   ours    " +
                printable_line(member.ours.raw_value) + "    " + who_and_when(member.ours) + "\n";
        for (const ConflictSide& side : member.theirs)
            text += "#   theirs  " + printable_line(side.raw_value) + "    " + who_and_when(side) +
                    "\n";
        const ConflictSide& first =
            member.ours.raw_value.empty() ? member.theirs.front() : member.ours;
        writer.key(member.name);
        if (first.raw_value.empty())
            writer.null();
        else
            writer.raw(first.raw_value);
    }
    writer.end_object();
    return text + values + "\n";
}

Result<Settlement> settlement_from(const Conflict& conflict, std::string_view text) {
    std::string json;
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        if (text[at] != '#') json += std::string(text.substr(at, end - at)) + "\n";
        at = end + 1;
    }
    JsonSlicer slicer;
    const auto members = slicer.slice(json);
    if (!members) return fail(Code::invalid, "it is no JSON object: " + slicer.damage().reason);
    Settlement out = records::undecided(conflict);
    out.revive = conflict.deleted;
    for (const JsonMember& member : **members) {
        if (std::ranges::find(conflict.members, member.name, &ConflictMember::name) ==
            conflict.members.end())
            return fail(Code::invalid, "'" + std::string(member.name) + "' has nothing to settle");
        out.members.push_back({std::string(member.name), std::string(member.raw_value)});
    }
    if (out.members.empty()) return fail(Code::invalid, "it names no member");
    return out;
}

/// What the person makes of it in their editor. The file stays where it did not lead to anything,
/// for it may hold an hour's work.
Result<Settlement> edited(Context& context, const Conflict& conflict, std::string& path) {
    const char* editor = environment("VISUAL");
    if (editor == nullptr) editor = environment("EDITOR");
    if (editor == nullptr)
        return fail(Code::invalid, "no editor is known")
            .with_hint("set EDITOR, or choose with --take");
    TASKSTORE_LET(const store::Place place, context.place());
    const std::string folder = os::join_path(place.folder, "run");
    TASKSTORE_TRY(os::make_directories(context.files, folder));
    const std::string name = sha256_hex(conflict.collection + "/" + conflict.id).substr(0, 12);
    path = os::join_path(folder, "resolve-" + name + ".json");
    // What an earlier attempt left there may be wanted.
    for (int i = 2; context.files.info(path); ++i)
        path = os::join_path(folder, "resolve-" + name + "-" + std::to_string(i) + ".json");
    const std::string sheet = sheet_of(conflict);
    TASKSTORE_TRY(os::replace_file(context.files, path, sheet));
    // As git runs it: the variable may hold arguments.
    os::Command command{{"sh", "-c", std::string(editor) + " \"$1\"", editor, path}};
    command.shares_streams = true;
    TASKSTORE_LET(const os::Finished finished, os::run_command(command));
    if (finished.exit_code != 0)
        return fail(Code::failed, "the editor ended with " + std::to_string(finished.exit_code) +
                                      ": nothing was settled")
            .with_hint("what you wrote is kept in '" + path + "'");
    TASKSTORE_LET(const std::string text, os::read_file(context.files, path));
    if (text == sheet) {
        (void)context.files.unlink(path).has_value();
        return fail(Code::invalid, "the text was left as it is: nothing was settled")
            .with_hint("'--accept' settles it as it stands");
    }
    auto settlement = settlement_from(conflict, text);
    if (settlement) return settlement;
    Error error = std::move(settlement).error();
    error.hint = "what you wrote is kept in '" + path + "'";
    return fail(std::move(error));
}

/// Tells git that the file of the collection is as it shall be: nothing is left between markers.
Status stage(Context& context, const std::string& collection) {
    TASKSTORE_LET(const store::Place place, context.place());
    if (place.work_tree.empty()) return ok();
    TASKSTORE_LET(const auto repository, git::Repository::find(context.files, place.folder,
                                                               git::Environment::of_process()));
    const std::string path = os::join_path(place.folder, collection + ".jsonl");
    const auto inside = repository.relative(path);
    if (!inside) return ok();
    const auto added = repository.output({"add", "--", *inside});
    if (!added)
        context.warn("it is settled, but git did not take it: " + added.error().message +
                     "; 'git add' the file yourself");
    return ok();
}

/// Markers around what is settled now go, if they may; then git is told.
Status finish(Context& context, records::Plan& plan, const std::string& collection) {
    TASKSTORE_LET(const records::SyncReport report, plan.sync());
    TASKSTORE_LET(const auto left, plan.conflicts(collection));
    const bool marked = std::ranges::any_of(left, [](const Conflict& conflict) {
        return std::ranges::any_of(conflict.members, &ConflictMember::clash);
    });
    if (report.broken_blocks == 0 && !(marked && report.clashes > 0))
        return stage(context, collection);
    for (const std::string& note : report.notes) context.warn(note);
    context.warn("the file of '" + collection +
                 "' still has merge markers: 'taskstore conflicts' lists what they wait for");
    return ok();
}

}  // namespace

Status run_conflicts(Context& context) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    records::Found found;
    if (!context.call.arguments.empty()) {
        TASKSTORE_LET(found, find_anywhere(context, *plan));
    }
    TASKSTORE_LET(const auto conflicts, plan->conflicts(found.collection, found.id));
    context.flush_notes();
    if (context.json) {
        std::string data;
        JsonWriter writer(data);
        writer.begin_array();
        for (const Conflict& conflict : conflicts) write_conflict(writer, conflict);
        writer.end_array();
        context.print_json("conflict_list", data);
        return ok();
    }
    for (const Conflict& conflict : conflicts) print_conflict(context, conflict);
    if (context.quiet) return ok();
    if (conflicts.empty())
        context.print("✓ nothing waits to be settled\n");
    else
        context.print(
            "settle with: taskstore resolve ID --take ours|theirs|MEMBER=theirs, --edit "
            "or --accept (as it stands)\n");
    return ok();
}

Status run_resolve(Context& context) {
    const auto takes = context.call.options.find("take");
    const bool takes_sides = takes != context.call.options.end();
    const int ways =
        int{takes_sides} + int{context.call.has("edit")} + int{context.call.has("accept")};
    if (ways != 1)
        return fail(Code::invalid, ways == 0 ? "nothing says how to settle it"
                                             : "--take, --edit and --accept exclude each other")
            .with_hint("--take ours|theirs|MEMBER=theirs, --edit, or --accept (as it stands)");
    // What git left unmerged is merged first: the file is staged at the end, and with it what it
    // then lacked would be gone.
    TASKSTORE_TRY(context.settings());
    TASKSTORE_LET(const store::Place place, context.place());
    for (const store::Unmerged& one : settle_unmerged(context, place)) {
        if (!one.left.empty())
            return fail(Code::conflict, "'" + one.path + "' is unmerged: " + one.left)
                .with_hint("tell git which one stays ('git add' or 'git rm'), then repeat this");
    }
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const records::Found found, find_anywhere(context, *plan));
    TASKSTORE_LET(const auto conflicts, plan->conflicts(found.collection, found.id));
    if (conflicts.empty())
        return fail(Code::not_found, "'" + found.id + "' has nothing to settle")
            .with_hint("'taskstore conflicts' lists what has");
    const Conflict& conflict = conflicts.front();
    Settlement settlement = records::accept(conflict);
    std::string sheet;
    if (takes_sides) {
        TASKSTORE_LET(settlement, records::settlement_of(conflict, takes->second));
    } else if (context.call.has("edit")) {
        TASKSTORE_LET(settlement, edited(context, conflict, sheet));
    }
    const auto written = plan->settle(settlement);
    if (!written) {
        Error error = written.error();
        if (!sheet.empty()) error.hint = "what you wrote is kept in '" + sheet + "'";
        return fail(std::move(error));
    }
    if (!sheet.empty()) (void)context.files.unlink(sheet).has_value();
    context.wrote = "settled " + noun_of(found.collection) + " " + found.id;
    TASKSTORE_TRY(finish(context, *plan, found.collection));
    return print_written(context, *written, "settled");
}

}  // namespace taskstore::cli
