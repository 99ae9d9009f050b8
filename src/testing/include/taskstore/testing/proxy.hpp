#pragma once
// What lies between a program and its server (floor 2): a TCP proxy of one test that delays,
// throttles, holds, refuses and cuts, at any byte of either direction.
//
//   TASKSTORE_LET(const auto proxy, Proxy::start(server->port()));
//   connect("127.0.0.1", proxy->port());
//   proxy->cut_after(Proxy::to_client, 100);   // of what passes from now on

#include <taskstore/base/result.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

namespace taskstore {

/// Thread-safe. Rules hold for all connections, from the moment they are made; a cut ends the rule
/// that asked for it, so that the next connection passes. Both ends see the connection closed.
class Proxy {
  public:
    enum Direction : std::uint8_t { to_server, to_client };

    /// Listens on a free port of 127.0.0.1 and forwards to `target_port` there.
    static Result<std::unique_ptr<Proxy>> start(std::uint16_t target_port);
    /// To a server that speaks HTTP/2 from the first byte (gRPC).
    static Result<std::unique_ptr<Proxy>> start_http2(std::uint16_t target_port);
    /// Cuts all connections.
    virtual ~Proxy() = default;
    virtual std::uint16_t port() const = 0;

    /// Cuts the connection on which, from now on, `bytes` have passed in that direction; 0: as soon
    /// as anything comes, before it passes.
    virtual void cut_after(Direction direction, std::uint64_t bytes) = 0;
    /// Cuts where the bytes pass: after them, or right before.
    virtual void cut_at(Direction direction, std::string bytes, bool before = false) = 0;
    /// Nothing passes in that direction, and nothing is closed.
    virtual void hold(Direction direction, bool held) = 0;
    /// HTTP/2: what the server sends on the streams that were begun up to now waits, in order; what
    /// it sends on younger ones passes. Of a proxy made by start() nothing is held.
    virtual void hold_streams(bool held) = 0;
    /// New connections are closed at once.
    virtual void refuse(bool refused) = 0;
    /// What comes passes that much later.
    virtual void delay_ms(std::int64_t ms) = 0;
    /// 0: no limit. Of both directions together; what passes at once is a millisecond's worth.
    virtual void throttle(std::int64_t bytes_per_second) = 0;
    virtual void cut_all() = 0;
    /// Takes all rules back.
    virtual void heal() = 0;

    /// Forgets what was recorded, and the bytes that were counted for cut_after().
    virtual void mark() = 0;
    /// What has passed since mark(), of all connections.
    virtual std::string recorded(Direction direction) = 0;
    virtual int connections() = 0;
    /// Cuts that rules made, since the start.
    virtual int cuts() = 0;
    /// Waits until that many cuts were made; false: not within the time.
    virtual bool wait_for_cuts(int count, std::int64_t timeout_ms) = 0;
};

}  // namespace taskstore
