#include "context.hpp"

#include <taskstore/base/text.hpp>

#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace taskstore::cli {

Context::Context(Invocation invocation)
    : call(std::move(invocation)), json(call.has("json")), quiet(call.has("quiet")) {}

std::string actor_name() {
    for (const char* name : {"TASKSTORE_ACTOR", "USER", "LOGNAME"}) {
        if (const char* value = std::getenv(name); value != nullptr && *value != '\0' && !first_invalid_utf8(value)) return value;
    }
    return "uid-" + std::to_string(getuid());
}

Result<store::Place> Context::place() {
    std::string here;
    if (char* current = get_current_dir_name()) {
        here = current;
        std::free(current);
    }
    const auto absolute = [&](const std::string& path) { return path.starts_with('/') ? path : os::join_path(here, path); };
    if (call.has("C")) {
        here = absolute(call.value("C"));
        const auto info = files.info(here);
        if (!info || info->kind != os::FileKind::directory) return fail(Code::not_found, "there is no folder '" + here + "'");
    }
    std::string folder = call.value("store");
    if (const char* named = std::getenv("TASKSTORE_DIR"); folder.empty() && named != nullptr) folder = named;
    if (!folder.empty()) return store::place_at(files, absolute(folder));
    return store::find_place(files, here);
}

Result<records::Plan*> Context::plan(bool make) {
    if (x_plan) return x_plan.get();
    TASKSTORE_LET(const store::Place at, place());
    if (!at.exists) {
        const bool named = call.has("store") || std::getenv("TASKSTORE_DIR") != nullptr;
        if (!make || (at.work_tree.empty() && !named)) {
            return fail(Code::not_found, "there is no store here: no .taskstore in this folder" +
                                             std::string(at.work_tree.empty() ? " (and it is no git work tree)" : " or above it in " + at.work_tree))
                .with_hint("'taskstore init' makes one");
        }
        TASKSTORE_TRY(store::make_store(files, at));
    }
    records::PlanOptions options;
    options.folder = at.folder;
    options.replica_path = at.replica_path;
    options.actor = actor_name();
    x_progress = std::make_unique<Progress>(!quiet && !json);
    options.progress = [this](std::string_view what, std::int64_t done, std::int64_t total) { x_progress->show(what, done, total); };
    TASKSTORE_LET(x_plan, records::Plan::open(files, driver, clock, random, std::move(options)));
    flush_notes();
    return x_plan.get();
}

void Context::flush_notes() {
    if (!x_plan) return;
    for (const std::string& text : x_plan->take_notes()) warn(text);
}

void Context::warn(std::string_view text) const {
    if (quiet) return;
    std::fprintf(stderr, "taskstore: note: %.*s\n", static_cast<int>(text.size()), text.data());
}

void Context::print(std::string_view text) const { std::fwrite(text.data(), 1, text.size(), stdout); }

void Context::print_json(std::string_view kind, std::string_view data, std::string_view next_cursor) const {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object().key("schema_version").integer(kSchemaVersion).key("kind").string(kind).key("data").raw(data).key("next_cursor");
    if (next_cursor.empty()) writer.null();
    else writer.string(next_cursor);
    writer.end_object();
    print(out + "\n");
}

Result<std::string> Context::read_text(const std::string& path) {
    std::string text;
    if (path == "-") {
        char buffer[65536];
        while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, stdin)) text.append(buffer, got);
        if (std::ferror(stdin) != 0) return fail(Code::failed, "cannot read standard input");
    } else {
        const std::string base = call.has("C") && !path.starts_with('/') ? os::join_path(call.value("C"), path) : path;
        TASKSTORE_LET(text, os::read_file(files, base, 64U << 20U));
    }
    if (const auto bad = first_invalid_utf8(text)) return fail(Code::invalid, "'" + path + "' is not UTF-8: byte " + std::to_string(*bad + 1));
    return text;
}

Colour colour_of_status(std::string_view status) {
    if (status == "active" || status == "running") return Colour::green;
    if (status == "draft" || status == "pending" || status == "paused") return Colour::yellow;
    if (status == "complete") return Colour::blue;
    if (status == "cancelled" || status == "failed" || status == "stopped") return Colour::red;
    return Colour::none;
}

std::string shown_time(std::int64_t ms) {
    std::string text = to_rfc3339(ms / 1000 * 1000);
    text[10] = ' ';
    text.pop_back();
    return text;
}

}  // namespace taskstore::cli
