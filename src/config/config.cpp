#include <taskstore/base/ascii.hpp>
#include <taskstore/base/check.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/config/config.hpp>

#include <algorithm>
#include <array>

namespace taskstore::config {
namespace {

constexpr std::int64_t kSecondsMax = 86'400 * 7;
constexpr std::array kSettings{
    Setting{.key = "databases.archive",
            .type = SettingType::text,
            .initial = "",
            .in_plan = false,
            .help = "where tasks go that ended long ago"},
    Setting{.key = "databases.backend",
            .type = SettingType::text,
            .initial = "",
            .in_plan = false,
            .help = "sqlite, postgres or libsql: which of databases.path and databases.url counts"},
    Setting{.key = "databases.logs",
            .type = SettingType::text,
            .initial = "",
            .in_plan = false,
            .help = "where events and agent runs are: sqlite:PATH, postgres://…, libsql://…"},
    Setting{.key = "databases.main",
            .type = SettingType::text,
            .initial = "",
            .in_plan = false,
            .help = "where projects and agents are"},
    Setting{.key = "databases.memory",
            .type = SettingType::text,
            .initial = "",
            .in_plan = false,
            .help = "where the workflow memory is"},
    Setting{.key = "databases.path",
            .type = SettingType::text,
            .initial = "",
            .in_plan = false,
            .help = "the file of the tasks database; the others are its siblings"},
    Setting{.key = "databases.pooler",
            .type = SettingType::boolean,
            .initial = "false",
            .in_plan = false,
            .help = "PgBouncer in transaction mode lies before PostgreSQL"},
    Setting{.key = "databases.tasks",
            .type = SettingType::text,
            .initial = "",
            .in_plan = false,
            .help = "where tasks and their history are"},
    Setting{.key = "databases.url",
            .type = SettingType::text,
            .initial = "",
            .in_plan = false,
            .help = "the server that all five are on, where they have no place of their own"},
    Setting{.key = "files.allow_network",
            .type = SettingType::boolean,
            .initial = "false",
            .in_plan = false,
            .help = "open stores on NFS, SMB, 9p or FUSE, whose locks cannot be trusted"},
    Setting{.key = "files.safe_directories",
            .type = SettingType::text,
            .initial = "",
            .in_plan = false,
            .help = "stores of other users to open: absolute folders joined by ':'; '*': all"},
    Setting{.key = "ledger.ahead_ms_max",
            .type = SettingType::integer,
            .initial = "86400000",
            .min = 0,
            .max = 31'536'000'000,
            .help = "how far in the future a stamp may lie before doctor reports it (ms)"},
    Setting{.key = "ledger.lock_wait_ms_max",
            .type = SettingType::integer,
            .initial = "30000",
            .min = 0,
            .max = 86'400'000,
            .in_plan = false,
            .help = "how long a write waits for another process before it gives up (ms)"},
    Setting{.key = "list.limit",
            .type = SettingType::integer,
            .initial = "0",
            .min = 0,
            .max = 1'000'000,
            .help = "records a list prints without --limit; 0: all"},
    Setting{.key = "pool.acquire_timeout_seconds",
            .type = SettingType::integer,
            .initial = "30",
            .min = 1,
            .max = kSecondsMax,
            .in_plan = false,
            .help = "how long a caller waits for a free connection before it gives up"},
    Setting{.key = "pool.idle_timeout_seconds",
            .type = SettingType::integer,
            .initial = "600",
            .min = 1,
            .max = kSecondsMax,
            .in_plan = false,
            .help = "how long a connection that nobody uses stays open"},
    Setting{.key = "pool.max_connections",
            .type = SettingType::integer,
            .initial = "10",
            .min = 1,
            .max = 1'000,
            .in_plan = false,
            .help = "connections to one database server at once"},
    Setting{.key = "pool.max_lifetime_seconds",
            .type = SettingType::integer,
            .initial = "1800",
            .min = 1,
            .max = kSecondsMax,
            .in_plan = false,
            .help = "how old a connection gets before it is made anew"},
    Setting{.key = "pool.min_connections",
            .type = SettingType::integer,
            .initial = "0",
            .min = 0,
            .max = 1'000,
            .in_plan = false,
            .help = "connections kept open though nobody uses them"},
    Setting{.key = "pool.slow_acquire_threshold_ms",
            .type = SettingType::integer,
            .initial = "500",
            .min = 0,
            .max = 86'400'000,
            .in_plan = false,
            .help = "waiting longer for a connection is told (ms)"},
    Setting{.key = "pool.statement_timeout_ms",
            .type = SettingType::integer,
            .initial = "30000",
            .min = 0,
            .max = 86'400'000,
            .in_plan = false,
            .help = "how long a statement may run on a server (ms); 0: as long as it takes"},
    Setting{
        .key = "tasks.archive_after_days",
        .type = SettingType::integer,
        .initial = "0",
        .min = 0,
        .max = 36'500,
        .in_plan = false,
        .help = "how long tasks that have ended stay before they are archived (days); 0: for ever"},
    Setting{.key = "tasks.archive_drop",
            .type = SettingType::boolean,
            .initial = "false",
            .in_plan = false,
            .help = "such tasks are dropped, and kept in no archive"},
    Setting{.key = "tasks.log_bytes_max",
            .type = SettingType::integer,
            .initial = "1073741824",
            .min = 0,
            .max = INT64_MAX,
            .in_plan = false,
            .help = "how much of what commands printed is kept in files (bytes); 0: all"},
    Setting{.key = "tasks.log_days_max",
            .type = SettingType::integer,
            .initial = "30",
            .min = 0,
            .max = 36'500,
            .in_plan = false,
            .help = "how long what commands printed is kept in files (days); 0: for ever"},
    Setting{.key = "tasks.session_grace_ms",
            .type = SettingType::integer,
            .initial = "10000",
            .min = 0,
            .max = 86'400'000,
            .in_plan = false,
            .help = "how long a server may miss a worker's session before its tasks are freed "
                    "(ms); 0: sessions say nothing"},
    Setting{.key = "user.actor",
            .type = SettingType::text,
            .initial = "",
            .in_plan = false,
            .help = "who writes: the `by` of each line"},
};
static_assert(std::ranges::is_sorted(kSettings, {}, &Setting::key));

constexpr std::array<std::pair<std::string_view, std::string_view>, 11> kPlainNames{{
    {"TASKSTORE_ACTOR", "user.actor"},
    {"TASKSTORE_DIR", "the store's own folder, as --store"},
    {"TASKSTORE_DRIVERS", "the folder of the loadable database drivers"},
    {"TASKSTORE_HOME", "the device's folder, with its config.toml"},
    {"TASKSTORE_HOOK", "the git hook that runs the program; set by the hooks themselves"},
    {"TASK_STORE_AUTH_TOKEN", "the token of a libSQL server"},
    {"TASK_STORE_BACKEND", "databases.backend"},
    {"TASK_STORE_PATH", "databases.path"},
    {"TASK_STORE_URL", "databases.url"},
    {"TURSO_TOKEN", "the same as TASK_STORE_AUTH_TOKEN, which comes first"},
    {"NO_COLOR", "no colours"},
}};
/// Of these, the ones that set a setting.
constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kSettingNames{{
    {"TASKSTORE_ACTOR", "user.actor"},
    {"TASK_STORE_BACKEND", "databases.backend"},
    {"TASK_STORE_PATH", "databases.path"},
    {"TASK_STORE_URL", "databases.url"},
}};

/// Words by which a plan's file might reach for a device's database or commands.
constexpr std::array<std::string_view, 8> kDeviceWords{"databases", "database", "url",  "token",
                                                       "password",  "command",  "auth", "home"};

const Setting* setting_of(std::string_view key) {
    const auto found = std::ranges::find(kSettings, key, &Setting::key);
    return found == kSettings.end() ? nullptr : &*found;
}

Failure unknown(std::string_view key, std::string_view source) {
    std::vector<std::string_view> keys;
    for (const Setting& setting : kSettings) keys.push_back(setting.key);
    const auto nearest = nearest_name(key, keys);
    return fail(Code::invalid,
                "unknown setting '" + std::string(key) + "' in " + std::string(source))
        .with_hint(nearest ? "did you mean '" + std::string(*nearest) + "'?"
                           : "'taskstore config show' lists them all");
}

Status check_value(const Setting& setting, const std::string& value, std::string_view source) {
    const auto wrong = [&](const std::string& want) {
        return fail(Code::invalid, "setting '" + std::string(setting.key) + "' in " +
                                       std::string(source) + " wants " + want + ", not '" +
                                       std::string(cut_utf8(value, 60)) + "'")
            .with_hint("'" + std::string(setting.key) + "': " + std::string(setting.help));
    };
    if (setting.type == SettingType::boolean && value != "true" && value != "false")
        return wrong("true or false");
    if (setting.type == SettingType::integer) {
        const auto number = raw_to_int64(value);
        if (!number || *number < setting.min || *number > setting.max) {
            return wrong("a number from " + std::to_string(setting.min) + " to " +
                         std::to_string(setting.max));
        }
    }
    if (first_invalid_utf8(value) || value.find('\0') != std::string::npos)
        return wrong("UTF-8 text");
    return ok();
}

/// A name that looks like ours is one of the list, or reserved for the commands that taskstore
/// starts.
Status check_plain(std::string_view name) {
    if (!name.starts_with("TASKSTORE_") && !name.starts_with("TASK_STORE_")) return ok();
    if (name.starts_with("TASKSTORE_TASK_")) return ok();
    std::vector<std::string_view> names;
    std::string list;
    for (const auto& [known, what] : kPlainNames) {
        if (known == name) return ok();
        names.push_back(known);
        list += (list.empty() ? "" : ", ") + std::string(known);
    }
    const auto nearest = nearest_name(name, names);
    return fail(Code::invalid,
                "unknown name '" + std::string(name) + "' in the environment: it sets nothing")
        .with_hint(nearest ? "did you mean '" + std::string(*nearest) + "'?"
                           : "unset it; settings are TASKSTORE_CONFIG_SECTION__KEY, other names " +
                                 list);
}

}  // namespace

std::span<const Setting> settings() {
    return kSettings;
}
std::span<const std::pair<std::string_view, std::string_view>> plain_names() {
    return kPlainNames;
}

Result<Layer> from_environment(std::span<const std::string> entries) {
    constexpr std::string_view kPrefix = "TASKSTORE_CONFIG_";
    Layer layer{.source = "environment", .plan = false, .values = {}};
    for (const std::string& entry : entries) {
        const std::size_t equals = entry.find('=');
        if (equals == std::string::npos) continue;
        const std::string name = entry.substr(0, equals);
        const std::string value = entry.substr(equals + 1);
        for (const auto& [known, key] : kSettingNames) {
            if (name == known && !value.empty()) layer.values[std::string(key)] = value;
        }
        if (!name.starts_with(kPrefix)) {
            TASKSTORE_TRY(check_plain(name));
            continue;
        }
        std::string key = ascii::lowered(std::string_view(name).substr(kPrefix.size()));
        if (const std::size_t two = key.find("__"); two != std::string::npos)
            key.replace(two, 2, ".");
        if (setting_of(key) == nullptr) return unknown(key, "the environment (" + name + ")");
        // An empty variable counts as unset, as in the XDG base directories.
        if (value.empty()) continue;
        layer.values[key] = value;
    }
    return layer;
}

std::string Layer::place_of(std::string_view key) const {
    const auto line = lines.find(key);
    return line == lines.end() ? source : source + ", line " + std::to_string(line->second);
}

Result<Config> Config::from(const std::vector<Layer>& layers) {
    Config config;
    for (const Setting& setting : kSettings)
        config.x_entries.push_back(
            {std::string(setting.key), std::string(setting.initial), "default"});
    for (const Layer& layer : layers) {
        for (const auto& [key, value] : layer.values) {
            const Setting* setting = setting_of(key);
            const bool device = std::ranges::any_of(kDeviceWords, [&](std::string_view word) {
                return key == word || key.starts_with(std::string(word) + ".") ||
                       key.ends_with("." + std::string(word));
            });
            const std::string place = layer.place_of(key);
            if (layer.plan && (device || (setting != nullptr && !setting->in_plan))) {
                return fail(Code::denied,
                            "'" + key + "' in " + place +
                                " belongs to a device, not to a plan that travels with git")
                    .with_hint("put it into the device's own config.toml");
            }
            if (setting == nullptr) return unknown(key, place);
            TASKSTORE_TRY(check_value(*setting, value, place));
            Entry& entry = config.x_entries[static_cast<std::size_t>(setting - kSettings.data())];
            entry.value = value;
            entry.source = layer.source;
        }
    }
    return config;
}

const Config::Entry& Config::find(std::string_view key) const {
    const auto found = std::ranges::find(x_entries, key, &Entry::key);
    TASKSTORE_CHECK(found != x_entries.end());
    return *found;
}

const std::string& Config::text(std::string_view key) const {
    return find(key).value;
}
std::int64_t Config::integer(std::string_view key) const {
    return raw_to_int64(find(key).value).value_or(0);
}
bool Config::boolean(std::string_view key) const {
    return find(key).value == "true";
}

}  // namespace taskstore::config
