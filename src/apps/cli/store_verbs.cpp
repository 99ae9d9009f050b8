// Verbs about the store as a whole.

#include "context.hpp"
#include "git_verbs.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/base/secrets.hpp>

#include <sqlite3.h>

#include <algorithm>

namespace taskstore::cli {
namespace {

Status sync_store(Context& context, const std::vector<store::Unmerged>& unmerged);

Status sync_in_hook(Context& context, const store::Place& place) {
    TASKSTORE_TRY(context.settings());
    const std::vector<store::Unmerged> unmerged = settle_unmerged(context, place);
    SeenByHook seen(context, place);
    if (unmerged.empty() && seen.holds()) return ok();
    TASKSTORE_TRY(sync_store(context, unmerged));
    if (unmerged.empty()) seen.keep();
    return ok();
}

}  // namespace

Status run_init(Context& context) {
    TASKSTORE_LET(store::Place place, context.place());
    // A folder that was named may be there already without being a store.
    place.exists =
        place.exists && context.files.info(os::join_path(place.folder, ".version")).has_value();
    TASKSTORE_TRY(context.settings());  // refuses another user's folder before it is changed
    TASKSTORE_TRY(store::make_store(context.files, place));
    TASKSTORE_TRY(context.plan());
    context.wrote = "the store " + place.folder + " is there";
    std::string data;
    JsonWriter(data)
        .begin_object()
        .key("folder")
        .string(place.folder)
        .key("created")
        .boolean(!place.exists)
        .end_object();
    if (context.json)
        context.print_json("store", data);
    else if (!context.quiet)
        context.print((place.exists ? "the store is already there: " : "made the store ") +
                      printable_line(place.folder) + "\n");
    return ok();
}

Status run_sync(Context& context) {
    const char* const hook = environment("TASKSTORE_HOOK");
    TASKSTORE_LET(const store::Place place, context.place());
    if (hook == nullptr) {
        TASKSTORE_TRY(context.settings());
        return sync_store(context, settle_unmerged(context, place));
    }
    // On a branch without a store a hook makes none.
    if (!place.exists) return ok();
    const Status synced = sync_in_hook(context, place);
    if (std::string_view(hook) != "pre-commit") return synced;
    // Whatever kept the sync from running, what is staged is judged.
    TASKSTORE_TRY(refuse_bad_commit(context));
    if (synced) return ok();
    // Codes of refusals are for refusals alone.
    return fail(Code::failed, synced.error().message).with_hint(synced.error().hint);
}

namespace {

Status sync_store(Context& context, const std::vector<store::Unmerged>& unmerged) {
    TASKSTORE_LET(const store::Place place, context.place());
    TASKSTORE_LET(records::Plan* const plan,
                  context.plan(Context::Make::where_missing, Context::TakeIn::later));
    if (place.exists && context.files.info(os::join_path(place.folder, "lock"))) {
        if (auto status = ledger::complete_folder(context.files, place.folder); !status)
            context.warn("the store's .gitignore or .version could not be completed: " +
                         status.error().message);
    }
    TASKSTORE_LET(const records::SyncReport report, plan->sync(context.call.has("rebuild")));
    for (const std::string& note : report.notes) context.warn(note);
    for (const records::Finding& left : store::findings_of(unmerged))
        context.warn(left.where + ": " + left.why + ": " + left.mend);
    if (context.json) {
        std::string data;
        JsonWriter(data)
            .begin_object()
            .key("records")
            .integer(report.records)
            .key("files_changed")
            .integer(report.files_changed)
            .key("lines_read")
            .integer(report.lines_read)
            .key("damaged_lines")
            .integer(report.damaged_lines)
            .key("incomplete_batches")
            .integer(report.incomplete_batches)
            .key("lost_values")
            .integer(report.lost_values)
            .key("clashes")
            .integer(report.clashes)
            .key("broken_blocks")
            .integer(report.broken_blocks)
            .key("unmerged_files")
            .integer(static_cast<std::int64_t>(unmerged.size()))
            .key("rebuilt")
            .boolean(report.rebuilt)
            .end_object();
        context.print_json("sync_report", data);
    } else if (!context.quiet) {
        context.print("✓ " + counted(report.records, "record", "records") +
                      (report.rebuilt ? ", store.db built from " : ", read ") +
                      counted(report.lines_read, "line", "lines") + "\n");
    }
    if (!context.quiet && environment("TASKSTORE_HOOK") == nullptr) {
        TASKSTORE_LET(const auto histories, plan->long_histories());
        for (const records::LongHistory& one : histories)
            context.warn(one.collection + ".jsonl has " +
                         std::to_string(one.lines / std::max<std::int64_t>(1, one.records)) +
                         " lines for each record, " + short_number(static_cast<double>(one.bytes)) +
                         "B in all: 'taskstore compact --dry-run' tells what folding them saves");
    }
    if (report.damaged_lines > 0)
        context.warn(counted(report.damaged_lines, "damaged line was", "damaged lines were") +
                     " set aside: 'taskstore doctor' lists " +
                     (report.damaged_lines == 1 ? "it" : "them"));
    if (report.incomplete_batches > 0)
        context.warn(
            counted(report.incomplete_batches, "incomplete batch does", "incomplete batches do") +
            " not count: 'taskstore doctor' lists " +
            (report.incomplete_batches == 1 ? "it" : "them"));
    if (report.lost_values > 0)
        context.warn(counted(report.lost_values, "value", "values") +
                     " lost to another edit or a deletion, not settled yet: 'taskstore conflicts' "
                     "lists " +
                     (report.lost_values == 1 ? "it" : "them"));
    if (report.broken_blocks > 0) {
        return fail(Code::conflict,
                    std::to_string(report.broken_blocks) +
                        (report.broken_blocks == 1 ? " block of merge markers lacks"
                                                   : " blocks of merge markers lack") +
                        " a middle or an end")
            .with_hint(
                "'taskstore doctor' lists them; put the lines right in an editor and take "
                "the markers away");
    }
    if (report.clashes > 0) {
        return fail(Code::conflict,
                    std::to_string(report.clashes) +
                        (report.clashes == 1 ? " member has" : " members have") +
                        " another value of the same time on each side of a merge; the markers stay")
            .with_hint(
                "'taskstore conflicts' lists them, 'taskstore resolve ID --take ours' or "
                "'--take theirs' settles one");
    }
    return ok();
}

}  // namespace

Status run_stats(Context& context) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const auto collections, plan->collections());
    TASKSTORE_LET(const auto catalogue, plan->catalogue());
    std::string data;
    JsonWriter writer(data);
    writer.begin_object();
    std::vector<std::vector<Cell>> rows;
    for (const auto& [name, count] : collections) {
        writer.key(name).begin_object().key("total").integer(count);
        rows.push_back({{name}, {""}, {std::to_string(count)}});
        const records::Kind* kind = catalogue->find_collection(name);
        if (kind != nullptr && kind->field("status") != nullptr) {
            TASKSTORE_LET(const auto tally, plan->tally(name, "status"));
            writer.key("by_status").begin_object();
            const auto put = [&](const std::string& value, std::int64_t number) {
                writer.key(value).integer(number);
                rows.push_back({{""},
                                {printable_line(value), colour_of_status(value)},
                                {std::to_string(number)}});
            };
            const auto choices = kind->field("status")->choices;
            for (const std::string_view status : choices) {
                for (const auto& [value, number] : tally) {
                    if (value == status) put(value, number);
                }
            }
            // What other programs made up comes last.
            for (const auto& [value, number] : tally) {
                if (std::ranges::find(choices, value) == choices.end()) put(value, number);
            }
            writer.end_object();
        }
        writer.end_object();
    }
    writer.end_object();
    if (context.json)
        context.print_json("stats", data);
    else
        context.print(format_table(context.terminal, {"COLLECTION", "STATUS", "COUNT"}, rows));
    return ok();
}

Status run_state(Context& context) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const std::string hash, plan->state_hash());
    if (context.json)
        context.print_json("state", "{\"hash\":\"" + hash + "\"}");
    else
        context.print(hash + "\n");
    return ok();
}

Status run_config_show(Context& context) {
    TASKSTORE_LET(const store::Place place, context.place());
    TASKSTORE_LET(const config::Config* const config, context.settings());
    std::vector<config::Config::Entry> settings = config->entries();
    for (config::Config::Entry& entry : settings) {
        if (entry.key == "user.actor" && entry.value.empty())
            entry = {entry.key, user_name(), "the user's name"};
    }
    // Not settings of a file, but what people look for here.
    const std::string found = context.call.has("store") ? "command line (--store)"
                              : environment("TASKSTORE_DIR") != nullptr
                                  ? "environment (TASKSTORE_DIR)"
                                  : "found from the working folder";
    settings.push_back(
        {"(store)", place.exists ? place.folder : "",
         place.exists ? found : "there is none yet; 'taskstore init' would make " + place.folder});
    settings.push_back(
        {"(device home)", device_home(),
         environment("TASKSTORE_HOME") != nullptr ? "environment (TASKSTORE_HOME)" : "default"});
    for (const auto& [name, what] : config::plain_names()) {
        const char* const value = environment(std::string(name).c_str());
        const bool secret = name.ends_with("_TOKEN");
        settings.push_back({std::string(name),
                            value == nullptr ? ""
                            : secret         ? "***"
                                             : repaired_utf8(value),
                            "environment, " + std::string(value == nullptr ? "not set: " : "") +
                                std::string(what)});
    }
    std::string data;
    JsonWriter writer(data);
    writer.begin_array();
    std::vector<std::vector<Cell>> rows;
    for (config::Config::Entry& setting : settings) {
        setting.value = without_passwords(setting.value);
        writer.begin_object()
            .key("name")
            .string(setting.key)
            .key("value")
            .string(setting.value)
            .key("source")
            .string(setting.source)
            .end_object();
        rows.push_back({{setting.key}, {setting.value}, {setting.source}});
    }
    writer.end_array();
    if (context.json)
        context.print_json("setting_list", data);
    else
        context.print(format_table(context.terminal, {"SETTING", "VALUE", "FROM"}, rows));
    return ok();
}

namespace {

/// What a loadable driver says of itself; empty where it is not installed.
std::string driver_version(Backends& backends, sql::Engine engine) {
    const auto part = backends.part(engine);
    return part ? (*part)->version() : std::string();
}

}  // namespace

Status run_version(Context& context) {
    const std::string describe = TASKSTORE_DESCRIBE;
    std::vector<std::pair<std::string, std::string>> drivers;
    if (context.call.has("features") || context.json) {
        const char* const folder = environment("TASKSTORE_DRIVERS");
        Backends backends(folder == nullptr ? "" : folder);
        for (const sql::EngineRow& row : sql::engines()) {
            if (!row.built_in) drivers.emplace_back(row.name, driver_version(backends, row.engine));
        }
    }
    std::string data;
    JsonWriter writer(data);
    writer.begin_object().key("version").string(TASKSTORE_VERSION).key("describe").string(describe);
    if (!drivers.empty()) {
        writer.key("features").begin_object().key("sqlite").string(sqlite3_libversion());
        for (const auto& [name, version] : drivers) {
            writer.key(name);
            if (version.empty())
                writer.null();
            else
                writer.string(version);
        }
        writer.end_object();
    }
    writer.end_object();
    if (context.json) {
        context.print_json("version", data);
        return ok();
    }
    context.print("taskstore " TASKSTORE_VERSION + (describe.empty() ? "" : " (" + describe + ")") +
                  "\n");
    if (drivers.empty()) return ok();
    std::vector<std::vector<Cell>> rows{{{"sqlite"}, {sqlite3_libversion()}}};
    for (const auto& [name, version] : drivers)
        rows.push_back({{name}, {version.empty() ? "not installed" : version}});
    context.print(format_table(context.terminal, {"FEATURE", "STATE"}, rows));
    return ok();
}

}  // namespace taskstore::cli
