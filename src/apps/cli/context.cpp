#include "context.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/base/secrets.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/os/process.hpp>
#include <taskstore/store/hooks.hpp>

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <system_error>
#include <utility>

namespace taskstore::cli {

Context::Context(Invocation invocation)
    : call(std::move(invocation)), json(call.has("json")), quiet(call.has("quiet")) {}

Context::~Context() = default;

const char* environment(const char* name) {
    const char* const value = std::getenv(name);
    return value == nullptr || *value == '\0' ? nullptr : value;
}

std::string device_home() {
    // What is kept of it (journals of moves) is to hold from any folder.
    if (const char* home = environment("TASKSTORE_HOME")) {
        std::error_code error;
        const auto whole = std::filesystem::absolute(home, error);
        return error ? home : whole.lexically_normal().string();
    }
    if (const char* data = environment("XDG_DATA_HOME"); data != nullptr && *data == '/')
        return os::join_path(data, "taskstore");
    if (const char* home = environment("HOME"); home != nullptr && *home == '/')
        return os::join_path(home, ".local/share/taskstore");
    return {};
}

namespace {

constexpr std::int64_t kHookWaitMs = 1'000;

store::Opener opener() {
    store::Opener opener{.uid = geteuid(), .sudo_uid = {}};
    if (const char* sudo = environment("SUDO_UID")) {
        const auto uid = raw_to_int64(sudo);
        if (uid && *uid >= 0 && *uid < std::numeric_limits<std::uint32_t>::max())
            opener.sudo_uid = static_cast<std::uint32_t>(*uid);
    }
    return opener;
}

/// One spelling per folder: its identity and the list of trusted folders go by the path.
std::string resolved(const std::string& path) {
    std::error_code error;
    const auto real = std::filesystem::weakly_canonical(path, error);
    return error ? path : real.string();
}

}  // namespace

Result<const config::Config*> Context::settings() {
    if (x_settings) return &*x_settings;
    TASKSTORE_LET(x_settings, read_settings());
    return &*x_settings;
}

Result<config::Config> Context::read_settings() {
    std::vector<config::Layer> layers;
    const auto add_file = [&](const std::string& folder, bool plan) -> Status {
        if (folder.empty()) return ok();
        const std::string path = os::join_path(folder, "config.toml");
        const auto text = os::read_file(files, path, 1 << 20);
        if (!text) return text.error().code == Code::not_found ? ok() : Status(fail(text.error()));
        TASKSTORE_LET(auto layer, config::parse_toml(*text, path, plan));
        layers.push_back(std::move(layer));
        return ok();
    };
    TASKSTORE_LET(const store::Place at, place());
    TASKSTORE_TRY(add_file(device_home(), false));
    std::vector<std::string> entries;
    for (char** entry = environ; *entry != nullptr; ++entry) entries.emplace_back(*entry);
    TASKSTORE_LET(auto environment, config::from_environment(entries));
    if (at.exists) {
        // Whether the plan's owner is trusted is settled before its file is read, by the device's
        // word alone.
        std::vector<config::Layer> own = layers;
        own.push_back(environment);
        TASKSTORE_LET(const auto device, config::Config::from(own));
        TASKSTORE_TRY(
            store::check_owner(files, at, opener(), device.text("files.safe_directories")));
    }
    if (at.exists || call.has("at")) {
        TASKSTORE_LET(const std::string folder, ledger_folder());
        TASKSTORE_TRY(add_file(folder, true));
    }
    layers.push_back(std::move(environment));
    return config::Config::from(layers);
}

std::string counted(std::int64_t count, std::string_view one, std::string_view many) {
    return std::to_string(count) + " " + std::string(count == 1 ? one : many);
}

std::string user_name() {
    for (const char* name : {"USER", "LOGNAME"}) {
        if (const char* value = environment(name); value != nullptr && !first_invalid_utf8(value))
            return value;
    }
    if (auto name = os::name_of_user(getuid()); name && !first_invalid_utf8(*name)) return *name;
    return "uid-" + std::to_string(getuid());
}

Result<store::Place> Context::place() {
    std::string here;
    if (char* current = get_current_dir_name()) {
        here = current;
        std::free(current);
    }
    const auto absolute = [&](const std::string& path) -> Result<std::string> {
        if (path.starts_with('/')) return path;
        if (here.empty())
            return fail(Code::not_found, "the working folder is gone, or hidden from this user")
                .with_hint("change to a folder that is there, or name one with -C");
        return path.empty() ? here : os::join_path(here, path);
    };
    if (call.has("C")) {
        TASKSTORE_LET(here, absolute(call.value("C")));
        const auto info = files.info(here);
        if (!info || info->kind != os::FileKind::directory)
            return fail(Code::not_found, "there is no folder '" + here + "'")
                .with_hint("check the path that -C names");
    }
    std::string folder = call.value("store");
    if (const char* named = environment("TASKSTORE_DIR"); folder.empty() && named != nullptr)
        folder = named;
    TASKSTORE_LET(const std::string from, absolute(folder));
    return folder.empty() ? store::find_place(files, resolved(from))
                          : store::place_at(files, resolved(from));
}

Result<store::Revisions*> Context::revisions() {
    if (!x_revisions) {
        TASKSTORE_LET(const store::Place at, place());
        TASKSTORE_LET(auto found, store::Revisions::of(files, at, git::Environment::of_process()));
        x_revisions = std::make_unique<store::Revisions>(std::move(found));
    }
    return x_revisions.get();
}

Result<std::string> Context::ledger_folder() {
    if (!call.has("at")) {
        TASKSTORE_LET(store::Place at, place());
        return std::move(at.folder);
    }
    if (!x_at) {
        TASKSTORE_LET(store::Revisions* const git, revisions());
        TASKSTORE_LET(const std::string commit, git->commit(call.value("at")));
        TASKSTORE_LET(auto folder, PrivateFolder::make(clock));
        TASKSTORE_TRY(git->put_out(commit, folder->path()));
        x_at = std::move(folder);
    }
    return x_at->path();
}

os::LockWait Context::lock_wait() {
    std::int64_t limit = x_settings->integer("ledger.lock_wait_ms_max");
    // Whoever runs git does not wait for whoever writes to the plan: the next command catches up.
    if (environment("TASKSTORE_HOOK") != nullptr)
        limit = std::min<std::int64_t>(limit, kHookWaitMs);
    return {.limit_ms = limit, .tell = [this](const std::string& what) { warn(what); }};
}

void Context::note_missing_driver() {
    if (quiet) return;
    const auto around = repository();
    if (!around || !store::lacks_driver(files, *around)) return;
    // Each command notices it; people want to hear of it once a day. Where the mark cannot be kept
    // they hear of it more often.
    constexpr std::int64_t kDayMs = 86'400'000;
    const std::string mark = os::join_path(around->git_dir(), "taskstore/told-of-driver");
    const auto told = files.info(mark);
    const std::int64_t age_ms =
        told ? clock.wall_ms() - told->identity.mtime_ns / 1'000'000 : kDayMs;
    if (age_ms >= 0 && age_ms < kDayMs) return;
    warn(
        "git has no merge driver for ledger files here and merges them line by line: 'taskstore "
        "install-hooks' sets it up");
    if (!os::make_directories(files, os::folder_of(mark))) return;
    auto file = files.open(mark, os::OpenMode::create, 0600);
    if (file) (void)(*file)->set_mtime_ns(clock.wall_ms() * 1'000'000).has_value();
}

Result<records::Plan*> Context::plan(Make make, TakeIn take_in) {
    if (x_plan) return x_plan.get();
    TASKSTORE_LET(store::Place at, place());
    TASKSTORE_LET(const config::Config* const config, settings());
    const bool past = call.has("at");
    if (!at.exists && !past) {
        const bool named = call.has("store") || environment("TASKSTORE_DIR") != nullptr;
        // A misspelt name should not become a store; `init` makes one where it is told to.
        if (named && (make == Make::no || !files.info(at.folder))) {
            return fail(Code::not_found, "there is no store at '" + at.folder + "'")
                .with_hint(std::string("check the path that ") +
                           (call.has("store") ? "--store" : "TASKSTORE_DIR") +
                           " names; 'taskstore init' with it makes a store there");
        }
        if (make == Make::no || (at.work_tree.empty() && !named)) {
            return fail(Code::not_found,
                        "there is no store here: no .taskstore in this folder" +
                            std::string(at.work_tree.empty() ? " (and it is no git work tree)"
                                                             : " or above it in " + at.work_tree))
                .with_hint("'taskstore init' makes one");
        }
        if (make == Make::for_now) {
            TASKSTORE_LET(at, scratch_place());
        }
        TASKSTORE_TRY(store::make_store(files, at));
        if (make != Make::for_now) warn("made the store " + at.folder);
    }
    std::string folder = at.folder;
    if (!x_scratch) {
        TASKSTORE_LET(folder, ledger_folder());
    }
    if (const auto network = files.network_file_system(folder);
        network && !past && !config->boolean("files.allow_network")) {
        return fail(Code::denied, "'" + at.folder + "' is on " + *network +
                                      ", where locks and mapped files cannot be trusted")
            .with_hint(
                "move the store to a local disk, or set files.allow_network = true in the device's "
                "config.toml");
    }
    if (!past && make != Make::for_now && !at.work_tree.empty()) note_missing_driver();
    records::PlanOptions options;
    options.folder = std::move(folder);
    options.replica_path = past ? os::join_path(options.folder, "replica.json") : at.replica_path;
    options.actor = config->text("user.actor").empty() ? user_name() : config->text("user.actor");
    options.take_in_on_open = take_in == TakeIn::on_open;
    options.ahead_ms_max = config->integer("ledger.ahead_ms_max");
    options.lock_wait_ms_max = *lock_wait().limit_ms;
    options.waiting = [this](const std::string& what) { warn(what); };
    options.progress = [this](std::string_view what, std::int64_t done, std::int64_t total) {
        progress(what, done, total);
    };
    TASKSTORE_LET(x_plan, records::Plan::open(files, driver, clock, random, std::move(options)));
    flush_notes();
    return x_plan.get();
}

Result<std::string> Context::database_home() {
    if (call.has("store") || environment("TASKSTORE_DIR") != nullptr) {
        TASKSTORE_LET(const store::Place at, place());
        if (at.work_tree.empty()) return at.folder;
    }
    return device_home();
}

Result<store::Databases*> Context::databases() {
    if (x_databases) return x_databases.get();
    TASKSTORE_LET(const config::Config* const config, settings());
    TASKSTORE_LET(x_databases, make_databases(*config));
    return x_databases.get();
}

Result<std::shared_ptr<store::Databases>> Context::databases_now() {
    TASKSTORE_LET(const config::Config config, read_settings());
    TASKSTORE_LET(auto made, make_databases(config));
    return std::shared_ptr<store::Databases>(std::move(made));
}

Result<std::unique_ptr<store::Databases>> Context::make_databases(const config::Config& config) {
    const auto said = [&](const std::string& key) {
        for (const config::Config::Entry& entry : config.entries()) {
            if (entry.key == key)
                return store::DatabaseSettings::Text{entry.value, entry.source,
                                                     entry.source == "environment"};
        }
        return store::DatabaseSettings::Text{};
    };
    store::DatabasesOptions options;
    options.settings.backend = said("databases.backend");
    options.settings.path = said("databases.path");
    options.settings.url = said("databases.url");
    for (const store::DatabaseName name : store::kDatabaseNames)
        options.settings.places[static_cast<std::size_t>(name)] =
            said("databases." + std::string(store::name_of(name)));
    TASKSTORE_LET(options.settings.home, database_home());
    options.settings.folder = absolute(".");
    options.settings.variable = [](const std::string& name) -> std::optional<std::string> {
        const char* const value = std::getenv(name.c_str());
        return value == nullptr ? std::nullopt : std::optional<std::string>(value);
    };
    options.pool = {.max_connections = static_cast<int>(config.integer("pool.max_connections")),
                    .min_connections = static_cast<int>(config.integer("pool.min_connections")),
                    .acquire_timeout_seconds = config.integer("pool.acquire_timeout_seconds"),
                    .idle_timeout_seconds = config.integer("pool.idle_timeout_seconds"),
                    .max_lifetime_seconds = config.integer("pool.max_lifetime_seconds"),
                    .slow_acquire_threshold_ms = config.integer("pool.slow_acquire_threshold_ms"),
                    .statement_timeout_ms = config.integer("pool.statement_timeout_ms")};
    options.pooler = config.boolean("databases.pooler");
    for (const char* name : {"TURSO_TOKEN", "TASK_STORE_AUTH_TOKEN"}) {
        if (const char* const token = environment(name)) options.token = token;
    }
    options.allow_network = config.boolean("files.allow_network");
    options.opener = opener();
    options.safe_directories = config.text("files.safe_directories");
    if (!x_backends) {
        const char* const drivers = environment("TASKSTORE_DRIVERS");
        x_backends = std::make_unique<Backends>(drivers == nullptr ? "" : drivers);
    }
    options.part = [this](sql::Engine engine) { return x_backends->part(engine); };
    options.warn = [this](const std::string& what) { warn(what); };
    return std::make_unique<store::Databases>(files, clock, random, std::move(options));
}

Result<store::Place> Context::scratch_place() {
    TASKSTORE_LET(x_scratch, PrivateFolder::make(clock));
    return store::Place{.folder = os::join_path(x_scratch->path(), ".taskstore"),
                        .work_tree = {},
                        .replica_path = os::join_path(x_scratch->path(), "replica.json"),
                        .exists = false};
}

void Context::flush_notes() {
    if (!x_plan) return;
    for (const std::string& text : x_plan->take_notes()) warn(text);
}

void Context::warn(std::string_view note) {
    const std::string text = without_passwords(note, Wording::prose);
    const std::lock_guard guard(x_noting);
    if (quiet || !x_noted.insert(text).second) return;
    end_progress();
    std::string line;
    if (json) {
        JsonWriter(line)
            .begin_object()
            .key("note")
            .begin_object()
            .key("message")
            .string(text)
            .end_object()
            .end_object();
        line = printable_json(line);
    } else {
        line = "taskstore: note: " + printable_text(text);
    }
    std::fprintf(stderr, "%s\n", line.c_str());
}

void Context::print(std::string_view text) const {
    end_progress();
    std::fwrite(text.data(), 1, text.size(), stdout);
}

void Context::tell_now() const {
    std::fflush(stdout);
}

void Context::print_json(std::string_view kind, std::string_view data,
                         std::string_view next_cursor) const {
    std::string out;
    JsonWriter writer(out);
    writer.begin_object()
        .key("schema_version")
        .integer(kSchemaVersion)
        .key("kind")
        .string(kind)
        .key("data")
        .raw(data)
        .key("next_cursor");
    if (next_cursor.empty())
        writer.null();
    else
        writer.string(next_cursor);
    if (level) writer.key("level").string(name_of(*level));
    writer.end_object();
    print(printable_json(out) + "\n");
}

void Context::end_progress() const {
    if (x_progress) x_progress->clear();
}

std::string Context::absolute(const std::string& path) const {
    std::error_code error;
    std::filesystem::path base = std::filesystem::current_path(error);
    if (call.has("C")) base /= call.value("C");
    const auto real = std::filesystem::weakly_canonical(base / path, error);
    return error ? path : real.string();
}

void Context::progress(std::string_view what, std::int64_t done, std::int64_t total) {
    if (!x_progress) x_progress = std::make_unique<Progress>(!quiet && !json);
    x_progress->show(what, done, total);
}

namespace {

Failure too_large(const std::string& what, const Context::TextBound& most) {
    return fail(Code::invalid, what + " is larger than " + std::to_string(most.bytes_max >> 20U) +
                                   " MiB" + std::string(most.why))
        .with_hint(std::string(most.hint));
}

Result<std::string> read_stream(std::FILE* stream, const std::string& what,
                                const Context::TextBound& most) {
    std::string text;
    char buffer[65536];
    while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, stream)) {
        text.append(buffer, got);
        if (text.size() > most.bytes_max) return too_large(what, most);
    }
    if (std::ferror(stream) != 0) return fail(Code::failed, "cannot read " + what);
    return text;
}

Result<std::string> read_path(os::FileSystem& files, const std::string& path,
                              const std::string& what, const Context::TextBound& most) {
    const auto info = files.info(path);
    if (info && info->kind == os::FileKind::directory) {
        return fail(Code::invalid, what + " is a folder; a file is needed")
            .with_hint("name a file in it");
    }
    if (info && info->kind != os::FileKind::regular) {
        std::FILE* const stream = std::fopen(path.c_str(), "rb");
        if (stream == nullptr) return fail(Code::denied, "cannot open " + what);
        auto text = read_stream(stream, what, most);
        std::fclose(stream);
        return text;
    }
    if (info && static_cast<std::uint64_t>(info->identity.size) > most.bytes_max)
        return too_large(what, most);
    auto read = os::read_file(files, path, most.bytes_max);
    if (!read && read.error().code == Code::not_found)
        return fail(Code::not_found, read.error().message)
            .with_hint("check the path; a relative one starts at the working folder, or at -C");
    return read;
}

}  // namespace

Result<std::string> Context::read_text(const std::string& path, const TextBound& most) {
    std::string text;
    if (path == "-") {
        if (std::exchange(x_stdin_read, true))
            return fail(Code::invalid, "'-' stands twice: standard input can be read once");
        TASKSTORE_LET(text, read_stream(stdin, "standard input", most));
    } else {
        const std::string base =
            call.has("C") && !path.starts_with('/') ? os::join_path(call.value("C"), path) : path;
        TASKSTORE_LET(text, read_path(files, base, "'" + path + "'", most));
    }
    if (const auto bad = first_invalid_utf8(text))
        return fail(Code::invalid, "'" + path + "' is not UTF-8: byte " + std::to_string(*bad + 1));
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
