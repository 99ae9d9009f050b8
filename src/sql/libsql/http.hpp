#pragma once
// Exchanges over HTTP/1.1 with one server (libcurl 7.85 or later), on connections that are kept.

#include "url.hpp"

#include <taskstore/base/clock.hpp>
#include <taskstore/libsql/database.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::libsql {

/// Ends an exchange from another thread. Thread-safe.
class Interrupt {
  public:
    /// Nothing where no exchange runs.
    void fire();

  private:
    friend class Running;
    std::mutex x_mutex;
    void* x_multi = nullptr;
    bool x_fired = false;
};

/// How long to wait, and who may end it.
struct Patience {
    std::int64_t deadline_boot_ns = 0;   ///< 0: none. Passed: timed_out.
    std::int64_t statement_boot_ns = 0;  ///< 0: none. Passed: cancelled.
    const std::function<bool()>* should_stop = nullptr;
    Interrupt* interrupt = nullptr;
};

/// What is known of a request that has no answer of the server.
enum class Reach : std::uint8_t {
    answered,  ///< It has one.
    not_sent,  ///< The server cannot have run it: its last byte was never sent.
    lost,      ///< It may have run, may be running, or never arrive.
};

struct Exchange {
    Reach reach = Reach::not_sent;
    Error error = {};  ///< Of the other two.
    bool silent =
        false;  ///< The server takes connections and says nothing: Options::silence_ms_max.
    long status = 0;
    std::string body = {};
    std::int64_t retry_after_ms = 0;  ///< What the server asked for.
};

/// Thread-safe.
class Transport {
  public:
    Transport(Endpoint endpoint, const Options& options);
    ~Transport();
    Transport(const Transport&) = delete;
    Transport& operator=(const Transport&) = delete;

    const Endpoint& endpoint() const { return x_endpoint; }
    /// POSTs JSON to base + path; `base` is the endpoint's, or where it has moved a stream. Sent at
    /// most once: a connection that dies under it is not tried again.
    Exchange post(const std::string& base, std::string_view path, std::string_view body,
                  const Patience& patience);
    /// Takes a body in pieces of some kilobytes; an error ends the exchange, and is its own.
    using Taker = std::function<Status(std::string_view piece)>;
    /// GETs endpoint + path. The body of a 200 goes to `take`, however long it is; of others it is
    /// in the answer.
    Exchange get(std::string_view path, const Taker& take, const Patience& patience);

  private:
    struct Handle;
    struct Flight;
    Exchange exchange(const std::string& base, std::string_view path, Flight& flight,
                      const Patience& patience);
    std::unique_ptr<Handle> take_handle();
    void give_handle(std::unique_ptr<Handle> handle);
    void prune(std::int64_t now_ns);

    const Endpoint x_endpoint;
    const sql::PoolOptions x_pool;
    const std::size_t x_reply_bytes_max;
    const std::int64_t x_silence_ms_max;
    const std::function<void(const Traffic&)> x_traffic_told;
    const Clock& x_clock;
    std::string x_authorization;  ///< The header; empty: none.

    std::mutex x_mutex;
    std::vector<std::unique_ptr<Handle>> x_idle;  ///< The last used at the end.
    Traffic x_traffic;
};

}  // namespace taskstore::libsql
