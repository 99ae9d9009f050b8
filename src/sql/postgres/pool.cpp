#include "pool.hpp"

#include <taskstore/base/check.hpp>

#include <algorithm>
#include <chrono>

namespace taskstore::postgres {
namespace {

constexpr std::int64_t kNsPerSecond = 1'000'000'000;
constexpr std::int64_t kTellAgainNs = 60 * kNsPerSecond;
/// How often the keeper looks: connections live a little longer than asked, never shorter.
constexpr auto kHousekeeping = std::chrono::seconds(1);

std::chrono::nanoseconds at_most(std::int64_t ns) {
    constexpr std::int64_t kNsMax = 3'600 * kNsPerSecond;
    return std::chrono::nanoseconds(std::clamp<std::int64_t>(ns, 0, kNsMax));
}

}  // namespace

Pool::Pool(const sql::PoolOptions& options, const Clock& clock, std::string place, Connect connect,
           Tell tell)
    : x_options(options),
      x_clock(clock),
      x_place(std::move(place)),
      x_connect(std::move(connect)),
      x_tell(std::move(tell)) {}

Pool::~Pool() {
    if (x_keeper.joinable()) {
        x_keeper.request_stop();
        x_keeper.join();
    }
    x_open -= static_cast<int>(x_idle.size());
    TASKSTORE_CHECK(x_open == 0);
}

int Pool::open_count() {
    const std::lock_guard lock(x_mutex);
    return x_open;
}

bool Pool::too_old(const EngineConnection& connection) const {
    return x_clock.boot_ns() - connection.opened_ns() >
           x_options.max_lifetime_seconds * kNsPerSecond;
}

Result<Pool::Lease> Pool::acquire(std::int64_t deadline_boot_ns, bool& transient) {
    transient = true;
    const std::int64_t asked_ns = x_clock.boot_ns();
    std::vector<std::unique_ptr<EngineConnection>> gone;  // Closed without the lock (P4).
    std::unique_lock lock(x_mutex);
    while (x_line.empty() && !x_idle.empty()) {
        auto connection = std::move(x_idle.back().connection);
        x_idle.pop_back();
        if (!too_old(*connection) && !connection->session().hung_up()) {
            connection->session().set_deadline(deadline_boot_ns);
            return Lease(*this, std::move(connection));
        }
        --x_open;
        gone.push_back(std::move(connection));
    }
    if (x_line.empty() && x_open < std::max(1, x_options.max_connections)) {
        ++x_open;
        lock.unlock();
        return connect(deadline_boot_ns);
    }
    const auto asker = std::make_shared<Asker>();
    x_line.push_back(asker);
    TASKSTORE_LET(const bool may_connect, wait_in_line(lock, asker, deadline_boot_ns, transient));
    tell_if_slow(x_clock.boot_ns() - asked_ns);
    lock.unlock();
    if (may_connect) return connect(deadline_boot_ns);
    asker->connection->session().set_deadline(deadline_boot_ns);
    return Lease(*this, std::move(asker->connection));
}

/// True: with the right to open a connection; false: with one.
Result<bool> Pool::wait_in_line(std::unique_lock<std::mutex>& lock,
                                const std::shared_ptr<Asker>& asker, std::int64_t deadline_boot_ns,
                                bool& transient) {
    const std::int64_t give_up_ns =
        x_clock.boot_ns() + x_options.acquire_timeout_seconds * kNsPerSecond;
    while (asker->connection == nullptr && !asker->may_connect) {
        const std::int64_t now = x_clock.boot_ns();
        const bool late = deadline_boot_ns != 0 && now >= deadline_boot_ns;
        if (late || now >= give_up_ns) {
            x_line.remove(asker);
            const std::string message =
                x_place + ": no connection was free in time: " + std::to_string(x_open) +
                " of at most " + std::to_string(std::max(1, x_options.max_connections)) +
                " are in use, and " + std::to_string(x_line.size()) + " others wait";
            transient = false;
            if (late) return fail(Code::timed_out, message);
            return fail(Code::unavailable, message)
                .with_hint("raise max_connections or acquire_timeout_seconds, or ask less at once");
        }
        std::int64_t until = give_up_ns;
        if (deadline_boot_ns != 0) until = std::min(until, deadline_boot_ns);
        asker->served.wait_for(lock, at_most(until - now));
    }
    return asker->may_connect;
}

Result<Pool::Lease> Pool::connect(std::int64_t deadline_boot_ns) {
    auto connection = x_connect(deadline_boot_ns);
    if (!connection) {
        give_up_place();
        return fail(std::move(connection).error());
    }
    {
        const std::lock_guard lock(x_mutex);
        start_keeper();
    }
    (*connection)->session().set_deadline(deadline_boot_ns);
    return Lease(*this, std::move(*connection));
}

/// The next in line may try to connect in its place.
void Pool::give_up_place() {
    const std::lock_guard lock(x_mutex);
    if (x_line.empty()) {
        --x_open;
        return;
    }
    const auto next = std::move(x_line.front());
    x_line.pop_front();
    next->may_connect = true;
    next->served.notify_one();
}

void Pool::give_back(std::unique_ptr<EngineConnection> connection) {
    connection->rollback();
    connection->session().set_deadline(0);
    if (connection->broken() || connection->session().state() != PQTRANS_IDLE ||
        too_old(*connection)) {
        connection.reset();
        give_up_place();
        return;
    }
    const std::lock_guard lock(x_mutex);
    if (x_line.empty()) {
        x_idle.push_back({std::move(connection), x_clock.boot_ns()});
        return;
    }
    const auto next = std::move(x_line.front());
    x_line.pop_front();
    next->connection = std::move(connection);
    next->served.notify_one();
}

void Pool::tell_if_slow(std::int64_t waited_ns) {
    const std::int64_t now = x_clock.boot_ns();
    const std::int64_t waited_ms = waited_ns / 1'000'000;
    if (!x_tell || waited_ms < x_options.slow_acquire_threshold_ms) return;
    if (x_told_ns != 0 && now - x_told_ns < kTellAgainNs) return;
    x_told_ns = now;
    x_tell(x_place + ": waited " + std::to_string(waited_ms) + " ms for a connection; " +
           std::to_string(x_open) + " are open, " + std::to_string(x_line.size()) + " others wait");
}

// --- housekeeping
// -----------------------------------------------------------------------------------------

void Pool::start_keeper() {
    if (x_keeper.joinable()) return;
    x_keeper = std::jthread([this](const std::stop_token& stop) { keep_house(stop); });
}

/// Closes what was idle too long, and keeps min_connections open.
void Pool::keep_house(const std::stop_token& stop) {
    std::unique_lock lock(x_mutex);
    while (!stop.stop_requested()) {
        x_keeper_wakes.wait_for(lock, stop, kHousekeeping, [] { return false; });
        std::vector<std::unique_ptr<EngineConnection>> gone;
        const std::int64_t idle_ns_max = x_options.idle_timeout_seconds * kNsPerSecond;
        // The front was idle the longest.
        while (!x_idle.empty() && x_open > x_options.min_connections &&
               x_clock.boot_ns() - x_idle.front().since_ns > idle_ns_max) {
            gone.push_back(std::move(x_idle.front().connection));
            x_idle.pop_front();
            --x_open;
        }
        std::erase_if(x_idle, [&](Idle& idle) {
            if (!too_old(*idle.connection) && !idle.connection->session().hung_up()) return false;
            gone.push_back(std::move(idle.connection));
            --x_open;
            return true;
        });
        const bool wants_one =
            x_open < std::min(x_options.min_connections, x_options.max_connections) &&
            !stop.stop_requested();
        if (wants_one) ++x_open;
        lock.unlock();
        gone.clear();
        if (wants_one) {
            auto connection = x_connect(x_clock.boot_ns() + kNsPerSecond);
            if (connection)
                give_back(std::move(*connection));
            else
                give_up_place();
        }
        lock.lock();
    }
}

}  // namespace taskstore::postgres
