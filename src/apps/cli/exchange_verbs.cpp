// Moving in and out: import and export.

#include "task_verbs.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/store/export.hpp>
#include <taskstore/store/import.hpp>

#include <array>
#include <cstdio>

namespace taskstore::cli {
namespace {

constexpr std::size_t kPipeBytesMax = 1U << 30U;
constexpr std::size_t kShownMax = 20;

/// Standard input, or a pipe by its name: what can be read once is kept, for an import looks twice.
Result<std::string> read_pipe(const std::string& path) {
    std::FILE* const file = path == "-" ? stdin : std::fopen(path.c_str(), "rb");
    if (file == nullptr) return fail(Code::failed, "cannot open '" + path + "'");
    std::string bytes;
    char buffer[65536];
    while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, file)) {
        bytes.append(buffer, got);
        if (bytes.size() > kPipeBytesMax) break;
    }
    const bool bad = std::ferror(file) != 0;
    if (file != stdin) std::fclose(file);
    if (bad) return fail(Code::failed, "cannot read '" + path + "'");
    if (bytes.size() > kPipeBytesMax) {
        return fail(Code::invalid, "more than 1 GiB came through a pipe")
            .with_hint("put it into a file and import that");
    }
    return bytes;
}

std::string counted_of(std::int64_t count, const std::string& collection) {
    if (collection == "prds") return counted(count, "PRD", "PRDs");
    if (collection == "task_specs") return counted(count, "task spec", "task specs");
    const records::Kind* const kind = records::find_collection(collection);
    const std::string name = printable_line(collection);
    return counted(count, kind != nullptr ? kind->noun : name, name);
}

/// "2 PRDs, 5 task specs"; empty where there are none.
std::string summed(const store::ImportReport& report, std::int64_t store::ImportCounts::* count) {
    std::string out;
    for (const auto& [collection, counts] : report.collections) {
        if (counts.*count > 0)
            out += (out.empty() ? "" : ", ") + counted_of(counts.*count, collection);
    }
    return out;
}

std::string import_json(const std::string& path, const store::ImportReport& report, bool dry) {
    std::string data;
    JsonWriter writer(data);
    writer.begin_object().key("file").string(repaired_utf8(path));
    writer.key("recognised").string(exchange::describe(report.format));
    writer.key("packed").string(exchange::name_of(report.packing));
    writer.key("dry_run").boolean(dry).key("records").integer(report.records);
    writer.key("declared").begin_array();
    for (const std::string& name : report.declared) writer.string(name);
    writer.end_array();
    writer.key("collections").begin_object();
    for (const auto& [name, counts] : report.collections) {
        writer.key(name).begin_object().key("created").integer(counts.created);
        writer.key("updated").integer(counts.updated).key("unchanged").integer(counts.unchanged);
        writer.key("deleted").integer(counts.deleted).key("skipped").integer(counts.skipped);
        writer.end_object();
    }
    writer.end_object();
    for (const auto& [title, map] :
         {std::pair{"skipped", &report.skipped}, std::pair{"no_place", &report.no_place}}) {
        writer.key(title).begin_object();
        for (const auto& [what, count] : *map) writer.key(what).integer(count);
        writer.end_object();
    }
    writer.key("damaged_count").integer(report.damaged_count).key("damaged").begin_array();
    for (const exchange::Damage& damage : report.damaged) {
        writer.begin_object().key("line").integer(damage.line).key("column").integer(damage.column);
        writer.key("reason").string(repaired_utf8(damage.reason)).end_object();
    }
    writer.end_array().key("replaced").begin_array();
    for (const std::string& one : report.replaced) writer.string(one);
    writer.end_array().end_object();
    return data;
}

void print_import(Context& context, const std::string& path, const store::ImportReport& report) {
    const std::string created = summed(report, &store::ImportCounts::created);
    const std::string updated = summed(report, &store::ImportCounts::updated);
    const std::string deleted = summed(report, &store::ImportCounts::deleted);
    const std::string unchanged = summed(report, &store::ImportCounts::unchanged);
    std::string what = exchange::describe(report.format);
    if (report.packing != exchange::Packing::none)
        what += ", " + std::string(exchange::name_of(report.packing));
    const std::string name = printable_line(path) + " (" + what + ")";
    const bool nothing =
        created.empty() && updated.empty() && deleted.empty() && report.declared.empty();
    std::string out;
    if (report.empty())
        out = "nothing to import: " + printable_line(path) + " holds no records\n";
    else if (nothing)
        out = "nothing new in " + name + "\n";
    else if (context.call.has("dry-run"))
        out = "would import " + name + ": " + (created.empty() ? "no new records" : created) + "\n";
    else
        out = "imported " + name + ": " + (created.empty() ? "no new records" : created) + "\n";
    const auto line = [&](const char* title, const std::string& text) {
        if (!text.empty()) out += std::string("  ") + title + ": " + text + "\n";
    };
    std::string declared;
    for (const std::string& one : report.declared) declared += (declared.empty() ? "" : ", ") + one;
    line("declared", declared);
    line("changed", updated);
    line("deleted", deleted);
    if (!nothing) line("unchanged", unchanged);
    for (const auto& [why, count] : report.skipped)
        line("skipped", std::to_string(count) + " " + why);
    context.print(out);
}

void tell_what_was_not(Context& context, const std::string& path,
                       const store::ImportReport& report) {
    for (std::size_t i = 0; i < report.damaged.size() && i < kShownMax; ++i) {
        const exchange::Damage& damage = report.damaged[i];
        context.warn(path + ":" + std::to_string(damage.line) + ":" +
                     std::to_string(damage.column) + ": left out: " + damage.reason);
    }
    if (report.damaged_count > static_cast<std::int64_t>(kShownMax)) {
        context.warn("and " +
                     std::to_string(report.damaged_count - static_cast<std::int64_t>(kShownMax)) +
                     " more that were left out; --json lists " +
                     std::to_string(store::ImportReport::kDamagedMax));
    }
    for (const auto& [what, count] : report.no_place)
        context.warn("no place for " + what + " (" + std::to_string(count) + ")");
    for (std::size_t i = 0; i < report.replaced.size() && i < kShownMax; ++i) {
        context.warn("changed here and in the source, whose value stands now: " +
                     report.replaced[i]);
    }
    if (report.replaced.size() > kShownMax) {
        context.warn("and " + std::to_string(report.replaced.size() - kShownMax) +
                     " more; 'taskstore history ID' has what was here");
    }
    for (const std::string& note : report.notes) context.warn(note);
}

/// A word that is none may be meant for a system whose tasks are taken in.
Result<exchange::Kind> kind_of_file(const std::string& word) {
    auto kind = exchange::kind_of_word(word);
    if (kind) return kind;
    Error error = std::move(kind).error();
    const std::array systems{founding::word_of(founding::System::lib_task_store),
                             founding::word_of(founding::System::adt)};
    error.message +=
        "; tasks come from " + std::string(systems[0]) + ", " + std::string(systems[1]);
    if (const auto nearest = nearest_name(word, systems))
        error.hint = "did you mean '" + std::string(*nearest) + "'?";
    return fail(std::move(error));
}

}  // namespace

Status run_import(Context& context) {
    if (const auto system = founding::system_of(context.call.value("from")))
        return run_import_of_tasks(context, *system);
    if (context.call.has("project"))
        return fail(Code::invalid, "--project is for tasks, from lib-task-store or adt");
    if (context.call.arguments.empty())
        return fail(Code::invalid, "which file? 'taskstore import FILE', or - for standard input");
    const std::string& path = context.call.arguments[0];
    store::ImportRequest request;
    if (context.call.has("from")) {
        TASKSTORE_LET(request.from, kind_of_file(context.call.value("from")));
    }
    request.to = context.call.value("to");
    if (const records::Kind* kind = records::find_kind(request.to)) request.to = kind->collection;
    request.dry_run = context.call.has("dry-run");
    request.revive = context.call.has("revive");
    request.strict = context.call.has("strict");
    request.progress = [&](std::string_view what, std::int64_t done, std::int64_t total) {
        context.progress(std::string(what) + " " + path, done, total);
    };
    std::string piped;
    const std::string absolute = context.absolute(path);
    bool pipe = path == "-";
    if (!pipe) {
        const auto info = context.files.info(absolute);
        if (!info && info.error().code == Code::not_found)
            return fail(Code::not_found, info.error().message)
                .with_hint("check the path; a relative one starts at the working folder, or at -C");
        if (!info) return fail(info.error());
        if (info->kind == os::FileKind::directory)
            return fail(Code::invalid, "'" + path + "' is a folder; an import reads a file");
        pipe = info->kind == os::FileKind::other;
    }
    if (pipe) {
        TASKSTORE_LET(piped, read_pipe(path == "-" ? path : absolute));
        request.open = [&]() -> Result<std::unique_ptr<exchange::ByteSource>> {
            return exchange::text_source(piped);
        };
        request.name = "stdin";
    } else {
        TASKSTORE_LET(store::Place place, context.place());
        for (std::string* known : {&place.folder, &place.work_tree}) {
            if (!known->empty()) *known = context.absolute(*known);
        }
        request.name = store::name_in_plan(context.files, place, absolute);
        request.open = [&]() -> Result<std::unique_ptr<exchange::ByteSource>> {
            TASKSTORE_LET(auto file, context.files.open(absolute, os::OpenMode::read));
            return exchange::file_source(std::move(file));
        };
    }
    TASKSTORE_LET(
        records::Plan* const plan,
        context.plan(request.dry_run ? Context::Make::for_now : Context::Make::where_missing));
    auto imported = store::import_records(*plan, context.clock, request);
    if (!imported) {
        Error error = std::move(imported).error();
        if (error.code == Code::invalid || error.code == Code::corrupt)
            error.message = "'" + path + "': " + error.message;
        return fail(std::move(error));
    }
    const store::ImportReport& report = *imported;
    if (!request.dry_run) {
        context.wrote = "the import of " + path;
        context.survives(sql::DurabilityLevel::flushed);
    }
    tell_what_was_not(context, path, report);
    if (context.json)
        context.print_json("import_report", import_json(path, report, request.dry_run));
    else if (!context.quiet)
        print_import(context, path, report);
    if (request.strict && !report.complete())
        return fail(Code::failed, "not all of it had a place")
            .with_hint("the notes above say what was left out");
    return ok();
}

Status run_export(Context& context) {
    store::ExportRequest request;
    const std::string format = context.call.value("format", "jsonl");
    if (format == "csv") {
        request.format = store::ExportFormat::csv;
    } else if (format == "markdown" || format == "md") {
        request.format = store::ExportFormat::markdown;
    } else if (format != "jsonl") {
        return fail(Code::invalid, "--format is jsonl, csv or markdown, not '" + format + "'");
    }
    const std::string output = context.call.value("output", "-");
    if (context.json && output == "-") {
        return fail(Code::invalid, "with --json the records need a file of their own")
            .with_hint("add --output FILE, or leave --json away: JSONL is the usual format");
    }
    request.stamps = context.call.has("stamps");
    for (const std::string& name : context.call.arguments) {
        const records::Kind* kind = records::find_kind(name);
        request.collections.push_back(kind != nullptr ? std::string(kind->collection) : name);
    }
    request.progress = [&](std::string_view what, std::int64_t done, std::int64_t total) {
        context.progress(what, done, total);
    };
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    std::optional<os::Replacement> replacement;
    const std::string path = output == "-" ? output : context.absolute(output);
    if (output != "-") {
        if (const auto info = context.files.info(path); info && info->kind != os::FileKind::regular)
            return fail(Code::invalid, "'" + output + "' is no regular file");
        auto begun = os::Replacement::begin(context.files, path);
        if (!begun && begun.error().code == Code::not_found) {
            return fail(Code::not_found,
                        "there is no folder '" + os::folder_of(path) + "' for '" + output + "'")
                .with_hint("make the folder, or check the path");
        }
        if (!begun) return fail(std::move(begun).error());
        replacement.emplace(std::move(*begun));
        request.write = [&](std::string_view text) { return replacement->write(text); };
        request.rewind = [&] { return replacement->rewind(); };
    } else {
        request.write = [&](std::string_view text) -> Status {
            context.end_progress();
            if (std::fwrite(text.data(), 1, text.size(), stdout) == text.size()) return ok();
            return fail(Code::failed, "standard output cannot be written")
                .with_hint("see where it goes: to a full disk, or to a reader that is gone");
        };
    }
    TASKSTORE_LET(const store::ExportReport report, store::export_records(*plan, request));
    if (replacement) TASKSTORE_TRY(replacement->commit());
    for (const std::string& note : report.notes) context.warn(note);
    if (!replacement) return ok();
    std::string data;
    JsonWriter writer(data);
    writer.begin_object().key("file").string(repaired_utf8(path)).key("format").string(format);
    writer.key("bytes").integer(report.bytes).key("collections").begin_object();
    std::string what;
    for (const auto& [name, count] : report.collections) {
        writer.key(name).integer(count);
        what += (what.empty() ? "" : ", ") + counted_of(count, name);
    }
    writer.end_object().end_object();
    if (context.json)
        context.print_json("export_report", data);
    else if (!context.quiet)
        context.print("exported " + (what.empty() ? "nothing" : what) + " to " +
                      printable_line(output) + "\n");
    return ok();
}

}  // namespace taskstore::cli
