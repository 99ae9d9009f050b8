#pragma once
// Settings of a database that is shared by connections to a server (floor 2; drivers obey them,
// config names them alike).

#include <cstdint>

namespace taskstore::sql {

struct PoolOptions {
    int max_connections = 10;
    int min_connections = 0;                    ///< Kept open, even when idle.
    std::int64_t acquire_timeout_seconds = 30;  ///< Then: unavailable, saying how many are in use.
    std::int64_t idle_timeout_seconds = 600;
    std::int64_t max_lifetime_seconds = 1'800;
    std::int64_t slow_acquire_threshold_ms = 500;  ///< Waiting longer is told, once a minute.
    std::int64_t statement_timeout_ms = 30'000;    ///< 0: none. Passed: cancelled, on the server.
    std::int64_t retry_ms_max =
        15'000;  ///< How long transient errors are retried without a deadline.
};

}  // namespace taskstore::sql
