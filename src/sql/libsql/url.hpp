#pragma once
// Where a server is, by its URL; the grammar stands in database.hpp.

#include <taskstore/base/result.hpp>

#include <string>
#include <string_view>

namespace taskstore::libsql {

struct Endpoint {
    std::string base;   ///< "https://host:port/path", without a slash at its end.
    std::string shown;  ///< The same for people: what was written, without secrets.
    std::string token;  ///< authToken, decoded; empty: none.
    std::string user;   ///< "user:password", decoded; empty: none.
    bool secure = true;
    bool loopback = false;  ///< localhost, *.localhost, 127.*, ::1: never through a proxy.
};

/// invalid: says which part of the URL is wrong; never its secrets.
Result<Endpoint> parse_url(const std::string& url);

/// Where a stream has moved to. denied: to http from https, or not a plain HTTP URL.
Result<std::string> moved_base(const Endpoint& endpoint, const std::string& base_url);

}  // namespace taskstore::libsql
