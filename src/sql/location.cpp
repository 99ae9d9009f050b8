#include <taskstore/base/ascii.hpp>
#include <taskstore/base/secrets.hpp>
#include <taskstore/sql/location.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace taskstore::sql {
namespace {

constexpr std::array kEngines{
    EngineRow{.engine = Engine::sqlite,
              .name = "sqlite",
              .dialect = "sqlite",
              .built_in = true,
              .is_file = true,
              .has_schemas = false},
    EngineRow{.engine = Engine::postgres,
              .name = "postgres",
              .dialect = "postgres",
              .built_in = false,
              .is_file = false,
              .has_schemas = true},
    EngineRow{.engine = Engine::libsql,
              .name = "libsql",
              .dialect = "sqlite",
              .built_in = false,
              .is_file = false,
              .has_schemas = false},
};
static_assert(std::ranges::all_of(kEngines, [](const EngineRow& row) {
    return &row - kEngines.data() == static_cast<std::ptrdiff_t>(row.engine);
}));

constexpr std::array<std::pair<std::string_view, Engine>, 5> kSchemes{{
    {"postgres", Engine::postgres},
    {"postgresql", Engine::postgres},
    {"libsql", Engine::libsql},
    {"http", Engine::libsql},
    {"https", Engine::libsql},
}};
constexpr std::array<std::pair<std::string_view, Engine>, 5> kWords{{
    {"sqlite", Engine::sqlite},
    {"postgres", Engine::postgres},
    {"postgresql", Engine::postgres},
    {"libsql", Engine::libsql},
    {"turso", Engine::libsql},
}};

bool is_scheme(std::string_view text) {
    constexpr std::size_t kBytesMax = 16;
    return !text.empty() && text.size() <= kBytesMax && std::ranges::all_of(text, [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-';
    });
}

constexpr std::string_view kForms =
    "a database is sqlite:PATH, an absolute path, postgres://… or libsql://…";

}  // namespace

std::span<const EngineRow> engines() {
    return kEngines;
}

const EngineRow& row_of(Engine engine) {
    return kEngines.at(static_cast<std::size_t>(engine));
}

std::string_view name_of(Engine engine) {
    return row_of(engine).name;
}

Result<Engine> engine_of(std::string_view word) {
    const std::string small = ascii::lowered(word);
    for (const auto& [known, engine] : kWords) {
        if (known == small) return engine;
    }
    return fail(Code::invalid, "there is no backend '" + std::string(word) + "'")
        .with_hint("it is one of sqlite, postgres (or postgresql), libsql (or turso)");
}

Result<Location> parse_location(std::string_view text) {
    if (text.starts_with("sqlite:")) {
        std::string_view path = text.substr(7);
        // sqlite:///path is what URL libraries write for an absolute path.
        if (path.starts_with("///")) path.remove_prefix(2);
        if (path.empty() || path.starts_with("//")) {
            return fail(Code::invalid, "'sqlite:' wants a path after it")
                .with_hint(std::string(kForms));
        }
        return Location{Engine::sqlite, std::string(path)};
    }
    if (text.starts_with('/') || text.starts_with("~/") || text.starts_with("./") ||
        text.starts_with("../")) {
        return Location{Engine::sqlite, std::string(text)};
    }
    const std::size_t colon = text.find("://");
    if (colon != std::string_view::npos) {
        const std::string scheme = ascii::lowered(text.substr(0, colon));
        for (const auto& [known, engine] : kSchemes) {
            if (known != scheme) continue;
            return Location{engine, scheme + std::string(text.substr(colon))};
        }
        if (is_scheme(scheme))
            return fail(Code::invalid,
                        "no backend takes a URL that begins with '" + scheme + "://'")
                .with_hint(std::string(kForms));
    }
    // The text may hold a password: it is not repeated.
    return fail(Code::invalid, text.empty() ? "a database's place is empty"
                                            : "a database's place has none of the known forms")
        .with_hint(std::string(kForms));
}

std::string text_of(const Location& location) {
    return (location.engine == Engine::sqlite ? "sqlite:" : "") + location.text;
}

std::string shown(const Location& location) {
    const std::string_view text = location.text;
    const std::size_t scheme = text.find("://");
    if (location.engine == Engine::sqlite) {
        // A URL behind a slip of the pen is a path to us, with a password all the same.
        const bool url = scheme != std::string_view::npos;
        return "sqlite:" + std::string(url ? text.substr(0, scheme) : text) + (url ? "://…" : "");
    }
    const UrlParts parts = split_url(text);
    if (!parts.certain) return std::string(parts.scheme) + "…";
    return std::string(parts.scheme) + std::string(parts.place) + leading_parameters(parts.query);
}

}  // namespace taskstore::sql
