#include <taskstore/sql/location.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace taskstore::sql {
namespace {

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

std::string lower(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    return out;
}

/// Of the parameters of a URL those that say where it leads, and no others.
std::string shown_parameters(std::string_view url) {
    constexpr std::array<std::string_view, 4> kShown{"host", "hostaddr", "port", "service"};
    std::string out;
    std::size_t at = std::min(url.find('?'), url.size());
    while (at < url.size() && url[at] != '#') {
        const std::size_t end = std::min(url.find_first_of("&#", at + 1), url.size());
        const std::string_view member = url.substr(at + 1, end - at - 1);
        if (std::ranges::find(kShown, member.substr(0, member.find('='))) != kShown.end())
            out += (out.empty() ? "?" : "&") + std::string(member);
        at = end;
    }
    return out;
}

constexpr std::string_view kForms =
    "a database is sqlite:PATH, an absolute path, postgres://… or libsql://…";

}  // namespace

std::string_view name_of(Engine engine) {
    switch (engine) {
        case Engine::sqlite:
            return "sqlite";
        case Engine::postgres:
            return "postgres";
        case Engine::libsql:
            return "libsql";
    }
    return "sqlite";
}

Result<Engine> engine_of(std::string_view word) {
    const std::string small = lower(word);
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
        const std::string scheme = lower(text.substr(0, colon));
        for (const auto& [known, engine] : kSchemes) {
            if (known != scheme) continue;
            return Location{engine, scheme + std::string(text.substr(colon))};
        }
        return fail(Code::invalid, "no backend takes a URL that begins with '" + scheme + "://'")
            .with_hint(std::string(kForms));
    }
    // The text may hold a password: it is not repeated.
    return fail(Code::invalid, text.empty() ? "a database's place is empty"
                                            : "a database's place has none of the known forms")
        .with_hint(std::string(kForms));
}

std::string shown(const Location& location) {
    if (location.engine == Engine::sqlite) return "sqlite:" + location.text;
    const std::string_view text = location.text;
    const std::size_t start = text.find("://") + 3;
    const std::string_view rest = text.substr(start, text.find_first_of("?#", start) - start);
    const std::size_t at = rest.rfind('@');
    return std::string(text.substr(0, start)) +
           std::string(at == std::string_view::npos ? rest : rest.substr(at + 1)) +
           shown_parameters(text.substr(start));
}

}  // namespace taskstore::sql
