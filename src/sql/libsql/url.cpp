#include "url.hpp"

#include <curl/curl.h>
#include <taskstore/base/secrets.hpp>
#include <taskstore/sql/location.hpp>

#include <memory>
#include <optional>

namespace taskstore::libsql {
namespace {

struct UrlCloser {
    void operator()(CURLU* url) const { curl_url_cleanup(url); }
};
using Url = std::unique_ptr<CURLU, UrlCloser>;

std::string part_of(const Url& url, CURLUPart part, unsigned flags = 0) {
    char* text = nullptr;
    if (curl_url_get(url.get(), part, &text, flags) != CURLUE_OK) return {};
    std::string out = text;
    curl_free(text);
    return out;
}

std::optional<std::string> decoded(std::string_view text) {
    int size = 0;
    char* plain = curl_easy_unescape(nullptr, text.data(), static_cast<int>(text.size()), &size);
    if (plain == nullptr) return std::nullopt;
    std::string out(plain, static_cast<std::size_t>(size));
    curl_free(plain);
    for (const char c : out) {
        if (static_cast<unsigned char>(c) < 0x20) return std::nullopt;  // Would end a header.
    }
    return out;
}

bool is_loopback(std::string_view host) {
    return host == "localhost" || host.ends_with(".localhost") || host.starts_with("127.") ||
           host == "[::1]";
}

Failure wrong(const std::string& shown, std::string_view what) {
    return fail(Code::invalid, shown + ": " + std::string(what))
        .with_hint(
            "a libSQL database is libsql://HOST[:PORT] or http://HOST:PORT, with "
            "?authToken=… and tls=0|1 as the only keys");
}

constexpr std::size_t kKeyBytesMax = 20;
constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";

Status read_query(std::string_view query, Endpoint& out, std::optional<bool>& tls) {
    while (!query.empty()) {
        const std::size_t end = std::min(query.find('&'), query.size());
        const std::string_view pair = query.substr(0, end);
        query.remove_prefix(std::min(end + 1, query.size()));
        const std::size_t equals = std::min(pair.find('='), pair.size());
        const std::string_view key = pair.substr(0, equals);
        const std::string_view value = pair.substr(std::min(equals + 1, pair.size()));
        if (key == "authToken") {
            auto token = decoded(value);
            if (!token || token->empty())
                return wrong(out.shown, "the authToken is empty or broken");
            out.token = std::move(*token);
        } else if (key == "tls") {
            if (value != "0" && value != "1") return wrong(out.shown, "tls is 0 or 1");
            tls = value == "1";
        } else {
            const bool word = key.size() <= kKeyBytesMax && equals < pair.size() &&
                              key.find_first_not_of(kLetters) == std::string_view::npos;
            // What stands there without a '=' may be a part of a password.
            return wrong(out.shown,
                         word ? "unknown key '" + std::string(key) + "'" : "an unknown key");
        }
    }
    return ok();
}

}  // namespace

Result<Endpoint> parse_url(const std::string& url) {
    Endpoint out;
    const std::size_t colon = url.find("://");
    if (colon == std::string::npos) return wrong("the URL", "it has no scheme");
    std::string scheme = url.substr(0, colon);
    if (scheme != "libsql" && scheme != "https" && scheme != "http")
        return wrong("the URL", "the scheme is libsql, https or http");
    out.shown = scheme + "://…";
    const Url parsed(curl_url());
    const std::string plain = (scheme == "http" ? "http" : "https") + url.substr(colon);
    if (parsed == nullptr ||
        curl_url_set(parsed.get(), CURLUPART_URL, plain.c_str(), 0) != CURLUE_OK)
        return wrong(out.shown, "this is no URL");
    const std::string host = part_of(parsed, CURLUPART_HOST);
    const std::string port = part_of(parsed, CURLUPART_PORT);
    std::string path = part_of(parsed, CURLUPART_PATH);
    while (path.ends_with('/')) path.pop_back();
    const std::string authority = host + (port.empty() ? "" : ":" + port) + path;
    out.shown = sql::shown({sql::Engine::libsql, url});
    while (out.shown.ends_with('/')) out.shown.pop_back();
    if (path.find('@') != std::string::npos)
        return wrong(out.shown,
                     "an '@' after the host: write @ / ? # of a password as %40 %2F %3F %23");
    if (!part_of(parsed, CURLUPART_FRAGMENT).empty())
        return wrong(out.shown, "a fragment (#…) has no meaning here");
    std::optional<bool> tls;
    TASKSTORE_TRY(read_query(part_of(parsed, CURLUPART_QUERY), out, tls));
    out.secure = scheme != "http";
    if (tls && *tls != out.secure) {
        if (scheme != "libsql") return wrong(out.shown, "tls says the opposite of the scheme");
        if (port.empty()) return wrong(out.shown, "with tls=0 a port is needed");
        out.secure = false;
    }
    const auto user = decoded(part_of(parsed, CURLUPART_USER));
    const auto password = decoded(part_of(parsed, CURLUPART_PASSWORD));
    if (!user || !password) return wrong(out.shown, "user or password are broken");
    if (!user->empty()) out.user = *user + ":" + *password;
    if (!out.user.empty() && !out.token.empty())
        return wrong(out.shown, "it has a password and an authToken: one of them");
    out.base = (out.secure ? "https://" : "http://") + authority;
    out.loopback = is_loopback(host);
    return out;
}

Result<std::string> moved_base(const Endpoint& endpoint, const std::string& base_url) {
    const Url parsed(curl_url());
    const bool fine = parsed != nullptr &&
                      curl_url_set(parsed.get(), CURLUPART_URL, base_url.c_str(), 0) == CURLUE_OK;
    const std::string scheme = fine ? part_of(parsed, CURLUPART_SCHEME) : "";
    const bool plain = part_of(parsed, CURLUPART_USER).empty() &&
                       part_of(parsed, CURLUPART_QUERY).empty() &&
                       part_of(parsed, CURLUPART_FRAGMENT).empty();
    if (!plain || (scheme != "https" && (scheme != "http" || endpoint.secure))) {
        return fail(Code::denied, endpoint.shown +
                                      ": the server moves the stream to a place that is not as "
                                      "safe as this one; it is not followed");
    }
    std::string base = base_url;
    while (base.ends_with('/')) base.pop_back();
    return base;
}

}  // namespace taskstore::libsql
