#include "location.hpp"

#include "errors.hpp"

#include <libpq-fe.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <string_view>

namespace taskstore::postgres {
namespace {

constexpr std::string_view kForm =
    "postgres://USER:PASSWORD@HOST:PORT/DATABASE; write : / @ % of a password as %3A %2F %40 %25";

struct FreeOptions {
    void operator()(PQconninfoOption* options) const { PQconninfoFree(options); }
};

std::vector<std::string> split(const std::string& list) {
    std::vector<std::string> parts;
    std::size_t start = 0;
    while (true) {
        const std::size_t comma = list.find(',', start);
        parts.push_back(list.substr(start, comma - start));
        if (comma == std::string::npos) return parts;
        start = comma + 1;
    }
}

std::string* value_of(Settings& settings, std::string_view key) {
    const auto found =
        std::ranges::find(settings, key, &std::pair<std::string, std::string>::first);
    return found == settings.end() ? nullptr : &found->second;
}

void set_default(Settings& settings, std::string_view key, std::string_view value) {
    if (value_of(settings, key) == nullptr) settings.emplace_back(key, value);
}

/// A peer that is gone without a word is noticed within a minute, not within two hours.
void watch_the_peer(Settings& settings) {
    set_default(settings, "keepalives_idle", "30");
    set_default(settings, "keepalives_interval", "10");
    set_default(settings, "keepalives_count", "3");
}

std::vector<Settings> one_per_host(const Settings& settings) {
    Settings all = settings;
    // Where a standby is only preferred, the order is libpq's affair.
    const std::string* const wanted = value_of(all, "target_session_attrs");
    std::size_t hosts = 1;
    constexpr std::string_view kLists[] = {"host", "hostaddr", "port"};
    for (const std::string_view key : kLists) {
        if (const std::string* list = value_of(all, key))
            hosts = std::max(hosts, split(*list).size());
    }
    if (hosts == 1 || (wanted != nullptr && *wanted == "prefer-standby")) return {all};
    std::vector<Settings> attempts;
    for (std::size_t i = 0; i < hosts; ++i) {
        Settings one = all;
        for (const std::string_view key : kLists) {
            std::string* const list = value_of(one, key);
            if (list == nullptr) continue;
            const auto parts = split(*list);
            *list = parts[std::min(i, parts.size() - 1)];
        }
        attempts.push_back(std::move(one));
    }
    return attempts;
}

bool is_port(const std::string& text) {
    constexpr std::size_t kDigitsMax = 5;
    constexpr int kPortMax = 65'535;
    if (text.empty()) return true;
    return text.size() <= kDigitsMax && text.find_first_not_of("0123456789") == std::string::npos &&
           std::stoi(text) <= kPortMax;
}

/// To libpq a user ends at the first '@'. One more before the parameters means that the rest of a
/// password stands where host and database should, which messages name.
Status check_places(std::string_view url) {
    url.remove_prefix(url.find("://") + 3);
    const std::size_t sign = std::min(url.find_first_of("@/"), url.size());
    if (sign < url.size() && url[sign] == '@') url.remove_prefix(sign + 1);
    if (url.substr(0, url.find('?')).find('@') == std::string_view::npos) return ok();
    return fail(Code::invalid, "the URL of the PostgreSQL database has an '@' after its host")
        .with_hint(std::string(kForm));
}

}  // namespace

Result<Location> parse_location(const std::string& location) {
    if (!location.starts_with("postgres://") && !location.starts_with("postgresql://")) {
        return fail(Code::invalid,
                    "this is no URL of a PostgreSQL database: it begins with neither "
                    "\"postgres://\" nor \"postgresql://\"");
    }
    char* error = nullptr;
    const std::unique_ptr<PQconninfoOption, FreeOptions> options(
        PQconninfoParse(location.c_str(), &error));
    if (options == nullptr) {
        const std::string why = error != nullptr ? without_quotes(error) : "out of memory";
        PQfreemem(error);
        return fail(Code::invalid,
                    "the URL of the PostgreSQL database cannot be understood: " + why)
            .with_hint(std::string(kForm));
    }
    TASKSTORE_TRY(check_places(location));
    Settings settings;
    for (const PQconninfoOption* one = options.get(); one->keyword != nullptr; ++one) {
        if (one->val != nullptr) settings.emplace_back(one->keyword, one->val);
    }
    if (const std::string* ports = value_of(settings, "port");
        ports != nullptr && !std::ranges::all_of(split(*ports), is_port)) {
        // libpq would print it; it may be a part of a password.
        return fail(Code::invalid,
                    "the URL of the PostgreSQL database has a port that is no number up to 65535")
            .with_hint(std::string(kForm));
    }
    watch_the_peer(settings);
    set_default(settings, "fallback_application_name", "taskstore");
    Location parsed;
    if (const std::string* seconds = value_of(settings, "connect_timeout")) {
        std::int64_t number = 0;
        const auto end = seconds->data() + seconds->size();
        if (std::from_chars(seconds->data(), end, number).ec == std::errc{} && number > 0)
            parsed.connect_ms_max = number * 1'000;
    }
    if (std::string* encoding = value_of(settings, "client_encoding"))
        *encoding = "UTF8";
    else
        settings.emplace_back("client_encoding", "UTF8");
    parsed.attempts = one_per_host(settings);
    return parsed;
}

}  // namespace taskstore::postgres
