#include "uri.hpp"

#include <optional>

namespace taskstore::schema {
namespace {

struct Parts {
    std::optional<std::string_view> scheme;
    std::optional<std::string_view> authority;
    std::string_view path;
    std::optional<std::string_view> query;
    std::optional<std::string_view> fragment;
};

bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

Parts parts_of(std::string_view uri) {
    Parts parts;
    if (const std::size_t hash = uri.find('#'); hash != std::string_view::npos) {
        parts.fragment = uri.substr(hash + 1);
        uri = uri.substr(0, hash);
    }
    if (const std::size_t mark = uri.find('?'); mark != std::string_view::npos) {
        parts.query = uri.substr(mark + 1);
        uri = uri.substr(0, mark);
    }
    std::size_t at = 0;
    if (!uri.empty() && is_letter(uri[0])) {
        while (at < uri.size() && (is_letter(uri[at]) || (uri[at] >= '0' && uri[at] <= '9') ||
                                   uri[at] == '+' || uri[at] == '-' || uri[at] == '.')) {
            ++at;
        }
        if (at < uri.size() && uri[at] == ':') {
            parts.scheme = uri.substr(0, at);
            uri = uri.substr(at + 1);
        }
    }
    if (uri.starts_with("//")) {
        const std::size_t slash = uri.find('/', 2);
        parts.authority = uri.substr(2, slash == std::string_view::npos ? slash : slash - 2);
        uri = slash == std::string_view::npos ? std::string_view() : uri.substr(slash);
    }
    parts.path = uri;
    return parts;
}

/// RFC 3986 section 5.2.4.
std::string without_dots(std::string_view path) {
    std::string out;
    while (!path.empty()) {
        if (path.starts_with("../")) {
            path.remove_prefix(3);
        } else if (path.starts_with("./")) {
            path.remove_prefix(2);
        } else if (path.starts_with("/./")) {
            path.remove_prefix(2);
        } else if (path == "/.") {
            path = "/";
        } else if (path.starts_with("/../") || path == "/..") {
            path = path == "/.." ? std::string_view("/") : path.substr(3);
            const std::size_t slash = out.rfind('/');
            out.resize(slash == std::string::npos ? 0 : slash);
        } else if (path == "." || path == "..") {
            path = {};
        } else {
            const std::size_t slash = path.find('/', 1);
            out += path.substr(0, slash);
            path = slash == std::string_view::npos ? std::string_view() : path.substr(slash);
        }
    }
    return out;
}

std::string joined(const Parts& parts, std::string_view path) {
    std::string uri;
    if (parts.scheme) uri.append(*parts.scheme).append(":");
    if (parts.authority) uri.append("//").append(*parts.authority);
    uri += path;
    if (parts.query) uri.append("?").append(*parts.query);
    if (parts.fragment) uri.append("#").append(*parts.fragment);
    return uri;
}

}  // namespace

std::string resolve_uri(std::string_view base, std::string_view reference) {
    Parts target = parts_of(reference);
    if (target.scheme) {
        return joined(target, target.path.starts_with('/') ? without_dots(target.path)
                                                           : std::string(target.path));
    }
    const Parts from = parts_of(base);
    target.scheme = from.scheme;
    if (target.authority) return joined(target, without_dots(target.path));
    target.authority = from.authority;
    if (target.path.empty()) {
        if (!target.query) target.query = from.query;
        return joined(target, from.path);
    }
    if (target.path.starts_with('/')) return joined(target, without_dots(target.path));
    std::string merged;
    if (from.authority && from.path.empty()) {
        merged = "/";
    } else if (const std::size_t slash = from.path.rfind('/'); slash != std::string_view::npos) {
        merged = from.path.substr(0, slash + 1);
    }
    merged += target.path;
    return joined(target, without_dots(merged));
}

SplitUri split_fragment(std::string_view uri) {
    const std::size_t hash = uri.find('#');
    if (hash == std::string_view::npos) return {uri, {}};
    return {uri.substr(0, hash), uri.substr(hash + 1)};
}

std::string percent_decoded(std::string_view text) {
    const auto digit = [](char c) {
        if (c >= '0' && c <= '9') return c - '0';
        if (c >= 'a' && c <= 'f') return c - 'a' + 10;
        if (c >= 'A' && c <= 'F') return c - 'A' + 10;
        return -1;
    };
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 &&
            digit(text[i + 2]) >= 0) {
            out += static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2]));
            i += 2;
        } else {
            out += text[i];
        }
    }
    return out;
}

}  // namespace taskstore::schema
