#include <taskstore/os/file_system.hpp>
#include <taskstore/store/device.hpp>

#include <algorithm>

namespace taskstore::store {
namespace {

bool is_file(sql::Engine engine) {
    return sql::row_of(engine).is_file;
}

using Text = DatabaseSettings::Text;

constexpr std::array<std::string_view, kDatabaseNames.size()> kNames{"main", "tasks", "logs",
                                                                     "memory", "archive"};

bool is_name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

Failure said(Code code, const std::string& what, const Text& text) {
    return fail(code, what + " (" + text.source + ")");
}

/// Whether what stands at `at` of a URL is a part where a variable's ':', '/' and '@' are letters
/// of a user, a password or a parameter, and no signs of the URL's own.
bool is_quoted_part(std::string_view url, std::size_t at) {
    const std::size_t start = std::min(url.find("://"), url.size());
    const std::size_t end = std::min(url.find_first_of("/?#", start + 3), url.size());
    const std::size_t user_end = url.substr(0, end).rfind('@');
    if (at < end) return user_end != std::string_view::npos && at < user_end;
    return at > url.find('?', end);
}

std::string percent_encoded(std::string_view text) {
    constexpr std::string_view kDigits = "0123456789ABCDEF";
    std::string out;
    for (const char c : text) {
        if (is_name_byte(c) || c == '-' || c == '.' || c == '~') {
            out += c;
            continue;
        }
        const auto byte = static_cast<unsigned char>(c);
        out += {'%', kDigits[byte >> 4U], kDigits[byte & 15U]};
    }
    return out;
}

/// $NAME and ${NAME}; in URLs only the second, for '$' may stand in a password. A variable in the
/// user, the password or a parameter of a URL stands for itself, whatever it is made of.
Result<std::string> expanded(const Text& text, const DatabaseSettings& settings, bool braces_only) {
    const std::string& from = text.value;
    std::string out;
    for (std::size_t at = 0; at < from.size();) {
        const bool braces = from.compare(at, 2, "${") == 0;
        const std::size_t start = at + (braces ? 2 : 1);
        std::size_t end = start;
        while (end < from.size() && is_name_byte(from[end])) ++end;
        const bool closed = !braces || (end < from.size() && from[end] == '}');
        if (from[at] != '$' || end == start || !closed || (braces_only && !braces)) {
            out += from[at++];
            continue;
        }
        const std::string name = from.substr(start, end - start);
        const auto value = settings.variable(name);
        if (!value)
            return said(Code::invalid,
                        "a database's place names the variable " + name + ", which is not set",
                        text);
        out += braces_only && is_quoted_part(from, at) ? percent_encoded(*value) : *value;
        at = end + (braces ? 1 : 0);
    }
    return out;
}

Result<std::string> absolute_path(std::string path, const Text& text,
                                  const DatabaseSettings& settings) {
    if (path == "~" || path.starts_with("~/")) {
        const auto home = settings.variable("HOME");
        if (!home || !home->starts_with('/'))
            return said(Code::invalid, "'~' wants HOME to be set", text);
        path = *home + path.substr(1);
    } else if (path.starts_with('~')) {
        return said(Code::invalid,
                    "'" + path + "': '~' alone is known, as the home of who runs this", text)
            .with_hint("write the folder in full, or './" + path + "' for a file of that name");
    }
    if (path.ends_with('/'))
        return said(Code::invalid, "'" + path + "' is a folder, a database is a file", text);
    return path.starts_with('/') ? path : os::join_path(settings.folder, path);
}

Result<DatabasePlace> read_place(const Text& text, const DatabaseSettings& settings) {
    const bool url = text.value.find("://") != std::string::npos;
    TASKSTORE_LET(const std::string full, expanded(text, settings, url));
    auto location = sql::parse_location(full);
    if (!location) {
        Error error = std::move(location).error();
        error.message += " (" + text.source + ")";
        return fail(std::move(error));
    }
    if (is_file(location->engine)) {
        TASKSTORE_LET(location->text, absolute_path(location->text, text, settings));
    }
    return DatabasePlace{std::move(*location), text.source};
}

/// databases.path: that file is the tasks database, the others are its siblings.
Result<DatabasePlace> sibling_place(DatabaseName name, const DatabaseSettings& settings) {
    const Text& text = settings.path;
    if (text.value.find("://") != std::string::npos)
        return said(Code::invalid, "databases.path wants a file, not a URL", text);
    TASKSTORE_LET(std::string path, expanded(text, settings, false));
    if (path.starts_with("sqlite:")) path.erase(0, 7);
    TASKSTORE_LET(path, absolute_path(std::move(path), text, settings));
    if (name != DatabaseName::tasks)
        path =
            os::join_path(path.substr(0, path.rfind('/') + 1), std::string(name_of(name)) + ".db");
    return DatabasePlace{{sql::Engine::sqlite, std::move(path)}, text.source};
}

/// What path, url and backend say together; nothing where none of them is set.
Result<std::optional<DatabasePlace>> general_place(DatabaseName name,
                                                   const DatabaseSettings& settings) {
    std::optional<sql::Engine> engine;
    if (!settings.backend.value.empty()) {
        auto named = sql::engine_of(settings.backend.value);
        if (!named) {
            Error error = std::move(named).error();
            error.message += " (" + settings.backend.source + ")";
            return fail(std::move(error));
        }
        engine = *named;
    }
    const bool has_path = !settings.path.value.empty();
    const bool has_url = !settings.url.value.empty();
    if (!engine && has_path && has_url && settings.path.environment == settings.url.environment)
        return said(Code::invalid, "both a path and a URL are set for the device's databases",
                    settings.url)
            .with_hint("TASK_STORE_BACKEND (databases.backend) says which counts");
    const bool by_path =
        engine ? is_file(*engine) && has_path : has_path && (!has_url || settings.path.environment);
    if (by_path) {
        TASKSTORE_LET(auto place, sibling_place(name, settings));
        return std::optional(std::move(place));
    }
    if (!has_url) {
        if (engine && !is_file(*engine))
            return said(Code::invalid,
                        "the backend is " + std::string(sql::name_of(*engine)) +
                            ", and no URL says where it is",
                        settings.backend)
                .with_hint("set TASK_STORE_URL (databases.url)");
        return std::optional<DatabasePlace>();
    }
    TASKSTORE_LET(DatabasePlace place, read_place(settings.url, settings));
    if (engine && place.location.engine != *engine) {
        // A path for another time may stand beside the backend of now; a URL of another kind is a
        // contradiction, but where a file is asked for, which needs neither.
        if (is_file(*engine)) return std::optional<DatabasePlace>();
        return said(Code::invalid,
                    "the backend is " + std::string(sql::name_of(*engine)) +
                        ", and the URL is one of " +
                        std::string(sql::name_of(place.location.engine)),
                    settings.url);
    }
    if (is_file(place.location.engine) && name != DatabaseName::tasks) {
        const std::string& path = place.location.text;
        place.location.text =
            os::join_path(path.substr(0, path.rfind('/') + 1), std::string(name_of(name)) + ".db");
    }
    return std::optional(std::move(place));
}

}  // namespace

std::string_view name_of(DatabaseName name) {
    return kNames[static_cast<std::size_t>(name)];
}

Result<DatabaseName> database_of(std::string_view word) {
    const auto found = std::ranges::find(kNames, word);
    if (found != kNames.end()) return static_cast<DatabaseName>(found - kNames.begin());
    return fail(Code::invalid, "there is no database '" + std::string(word) + "'")
        .with_hint("it is one of main, tasks, logs, memory, archive");
}

Result<DatabasePlace> place_of(DatabaseName name, const DatabaseSettings& settings) {
    const Text& own = settings.places[static_cast<std::size_t>(name)];
    const bool by_environment =
        settings.backend.environment || settings.path.environment || settings.url.environment;
    if (!own.value.empty() && (own.environment || !by_environment))
        return read_place(own, settings);
    TASKSTORE_LET(auto general, general_place(name, settings));
    if (general) return std::move(*general);
    if (settings.home.empty())
        return fail(Code::invalid, "no home is known for the device's databases")
            .with_hint("set TASKSTORE_HOME, or TASK_STORE_PATH");
    return DatabasePlace{
        {sql::Engine::sqlite, os::join_path(settings.home, std::string(name_of(name)) + ".db")},
        "default"};
}

Result<sql::Location> location_of(DatabaseName name, const std::string& text,
                                  const std::string& source, DatabaseSettings settings) {
    for (Text* const other : {&settings.backend, &settings.path, &settings.url}) *other = {};
    settings.places[static_cast<std::size_t>(name)] = {text, source, true};
    TASKSTORE_LET(DatabasePlace place, place_of(name, settings));
    return std::move(place.location);
}

}  // namespace taskstore::store
