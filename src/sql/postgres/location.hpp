#pragma once
// A location (postgres://…) as libpq's settings, host by host, so that each wait for one of them is
// bounded by us: libpq's own bound holds for its blocking functions only.

#include <taskstore/base/result.hpp>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace taskstore::postgres {

using Settings = std::vector<std::pair<std::string, std::string>>;

struct Location {
    /// One per host to try, in order; at least one. What they lack comes from the environment, the
    /// service file and the password file, as in libpq.
    std::vector<Settings> attempts;
    std::int64_t connect_ms_max = 10'000;  ///< Per attempt: connect_timeout, where it is given.
};

/// invalid: no URL of PostgreSQL. The message tells nothing that the URL may hold of a password.
Result<Location> parse_location(const std::string& location);

}  // namespace taskstore::postgres
