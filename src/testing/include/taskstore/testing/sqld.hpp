#pragma once
// sqld, the libSQL server, for one test (floor 2). `tools/setup test` installs it; TASKSTORE_SQLD
// names another one.

#include <taskstore/base/result.hpp>
#include <taskstore/testing/server.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace taskstore {

struct SqldOptions {
    std::string jwt_key = {};     ///< PEM of an Ed25519 public key: who has no token is refused.
    std::string basic_auth = {};  ///< Base64 of "user:password": who has another is refused.
    bool namespaces = false;      ///< A database per host NAME.localhost; see make_namespace().
    std::string self_url = {};    ///< What it answers as base_url; "{port}" is replaced.
    std::string max_response_size = {};  ///< "1MB"; empty: 10 MB.
    std::int64_t disk_bytes_max = 0;     ///< As of ServerCommand.
    bool replicated = false;             ///< Replicas may follow it; see Sqld::replica_port.
    /// It is a replica of the one that is asked at this port: reads come from its own copy, writes
    /// go there. 0: it is none.
    std::uint16_t primary_port = 0;
};

struct Sqld {
    std::unique_ptr<Server> server;
    std::uint16_t admin_port = 0;    ///< With namespaces.
    std::uint16_t replica_port = 0;  ///< Where replicas ask, with `replicated`: gRPC over HTTP/2.
    /// http://127.0.0.1:PORT, or http://NAME.localhost:PORT.
    std::string location(std::string_view name = {}) const;
};

/// With a fresh database (or none yet, with namespaces), ready to answer. not_found: not installed.
Result<Sqld> start_sqld(const SqldOptions& options = {});
/// An empty database of that name; one value may have up to `value_bytes_max`.
Status make_namespace(const Sqld& sqld, std::string_view name,
                      std::int64_t value_bytes_max = 64 << 20);
Status drop_namespace(const Sqld& sqld, std::string_view name);

}  // namespace taskstore
