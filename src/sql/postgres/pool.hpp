#pragma once
// Connections that the threads of a process share. Numbered so that the tests can cite them:
//   P1 Never more than max_connections are open, those being made included.
//   P2 Who asked first is served first.
//   P3 A connection comes back idle, outside of a transaction, or is dropped.
//   P4 The lock is never held while something is waited for.

#include "connection.hpp"

#include <taskstore/sql/pool.hpp>

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

namespace taskstore::postgres {

class Pool {
  public:
    using Connect =
        std::function<Result<std::unique_ptr<EngineConnection>>(std::int64_t deadline_boot_ns)>;
    using Tell = std::function<void(std::string_view)>;

    Pool(const sql::PoolOptions& options, const Clock& clock, std::string place, Connect connect,
         Tell tell);
    /// No lease may be out.
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    /// A connection until it goes out of scope; then it is rolled back and kept, or dropped.
    class Lease {
      public:
        Lease(Pool& pool, std::unique_ptr<EngineConnection> connection)
            : x_pool(&pool), x_connection(std::move(connection)) {}
        Lease(Lease&& other) noexcept = default;
        Lease& operator=(Lease&&) = delete;
        ~Lease() {
            if (x_connection != nullptr) x_pool->give_back(std::move(x_connection));
        }
        EngineConnection& operator*() const { return *x_connection; }
        EngineConnection* operator->() const { return x_connection.get(); }

      private:
        Pool* x_pool;
        std::unique_ptr<EngineConnection> x_connection;
    };

    /// unavailable, not transient: all were in use for acquire_timeout_seconds. timed_out: the
    /// deadline passed. Else the errors of connecting. `transient`: whether trying again may help.
    Result<Lease> acquire(std::int64_t deadline_boot_ns, bool& transient);
    int open_count();

  private:
    struct Asker {
        std::condition_variable served;
        std::unique_ptr<EngineConnection> connection;
        bool may_connect = false;  ///< It was given the right to open one.
    };
    struct Idle {
        std::unique_ptr<EngineConnection> connection;
        std::int64_t since_ns = 0;
    };

    void give_back(std::unique_ptr<EngineConnection> connection);
    void give_up_place();
    Result<Lease> connect(std::int64_t deadline_boot_ns);
    Result<bool> wait_in_line(std::unique_lock<std::mutex>& lock,
                              const std::shared_ptr<Asker>& asker, std::int64_t deadline_boot_ns,
                              bool& transient);
    void tell_if_slow(std::int64_t waited_ns);
    bool too_old(const EngineConnection& connection) const;
    void keep_house(const std::stop_token& stop);
    void start_keeper();

    const sql::PoolOptions x_options;
    const Clock& x_clock;
    const std::string x_place;
    const Connect x_connect;
    const Tell x_tell;

    std::mutex x_mutex;       ///< Guards all below.
    std::deque<Idle> x_idle;  ///< Most recently used last.
    std::list<std::shared_ptr<Asker>> x_line;
    int x_open = 0;  ///< Idle, leased, or being made.
    std::int64_t x_told_ns = 0;
    std::condition_variable_any x_keeper_wakes;
    std::jthread x_keeper;  ///< Last: ends before what it uses.
};

}  // namespace taskstore::postgres
