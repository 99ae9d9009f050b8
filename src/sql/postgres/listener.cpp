#include "listener.hpp"

#include "group.hpp"

#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>

namespace taskstore::postgres {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kNsPerSecond = 1'000'000'000;
/// A waiter that is heard looks again this often all the same.
constexpr std::int64_t kLookAgainMs = 30'000;
/// Without a session: from this, doubled each time, to that.
constexpr std::int64_t kBlindFirstMs = 50;
constexpr std::int64_t kBlindLastMs = 2'000;
/// How long a new waiter waits until the server listens; then it looks by itself for a while.
constexpr std::int64_t kRegisterMsMax = 2'000;
constexpr std::int64_t kReconnectMs = 200;
constexpr std::int64_t kIdleMs = 10'000;

}  // namespace

class TopicWaiter final : public sql::Waiter {
  public:
    TopicWaiter(std::shared_ptr<Listener> listener, std::string channel, std::uint64_t seen)
        : x_listener(std::move(listener)), x_channel(std::move(channel)), x_seen(seen) {}
    ~TopicWaiter() override { x_listener->leave(x_channel); }
    TopicWaiter(const TopicWaiter&) = delete;
    TopicWaiter& operator=(const TopicWaiter&) = delete;

    Result<bool> wait(std::int64_t deadline_boot_ns, const std::stop_token& cancel) override {
        Listener& listener = *x_listener;
        std::unique_lock lock(listener.x_mutex);
        Listener::Topic& topic = listener.x_topics.find(x_channel)->second;
        if (topic.heard) x_blind_ms = kBlindFirstMs;
        std::int64_t left_ms = topic.heard ? kLookAgainMs : x_blind_ms;
        if (!topic.heard) x_blind_ms = std::min(kBlindLastMs, x_blind_ms * 2);
        if (deadline_boot_ns != 0) {
            const std::int64_t left_ns = deadline_boot_ns - listener.x_clock.boot_ns();
            if (left_ns <= 0 && topic.told == x_seen) return false;
            left_ms = std::min(left_ms, std::max<std::int64_t>(0, left_ns) / kNsPerMs + 1);
        }
        const bool told = listener.x_changed.wait_for(
            lock, cancel, std::chrono::milliseconds(left_ms), [&] { return topic.told != x_seen; });
        x_seen = topic.told;
        if (cancel.stop_requested() && !told) return fail(Code::cancelled, "asked to stop");
        if (told) return true;
        return deadline_boot_ns == 0 || listener.x_clock.boot_ns() < deadline_boot_ns;
    }

  private:
    std::shared_ptr<Listener> x_listener;
    std::string x_channel;
    std::uint64_t x_seen;
    std::int64_t x_blind_ms = kBlindFirstMs;
};

class KeyPresence final : public sql::Presence {
  public:
    KeyPresence(std::shared_ptr<Listener> listener, std::int64_t key)
        : x_listener(std::move(listener)), x_key(key) {}
    ~KeyPresence() override {
        const std::lock_guard lock(x_listener->x_mutex);
        x_listener->x_keys.at(x_key).wanted = false;
        x_listener->wake_thread();
    }
    KeyPresence(const KeyPresence&) = delete;
    KeyPresence& operator=(const KeyPresence&) = delete;
    std::int64_t key() const override { return x_key; }
    bool held() const override {
        const std::lock_guard lock(x_listener->x_mutex);
        return x_listener->x_keys.at(x_key).held;
    }

  private:
    std::shared_ptr<Listener> x_listener;
    const std::int64_t x_key;
};

Listener::Listener(std::string schema, const Clock& clock, Connect connect)
    : x_schema(std::move(schema)),
      x_clock(clock),
      x_connect(std::move(connect)),
      x_wake_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Listener::~Listener() {
    stop();
    ::close(x_wake_fd);
}

void Listener::stop() {
    std::jthread thread;
    {
        const std::lock_guard lock(x_mutex);
        thread = std::move(x_thread);
    }
    if (!thread.joinable()) return;
    thread.request_stop();
    wake_thread();
}

void Listener::wake_thread() {
    static_cast<void>(::eventfd_write(x_wake_fd, 1));
}

Result<std::unique_ptr<sql::Waiter>> Listener::waiter(std::string_view topic) {
    TASKSTORE_TRY(sql::check_topic(topic));
    if (topic.empty()) return fail(Code::invalid, "a topic has a name");
    const std::string channel = channel_of(x_schema, topic);
    std::unique_lock lock(x_mutex);
    Topic& entry = x_topics[channel];
    ++entry.waiters;
    if (x_connect) {
        start_thread();
        // What is committed after this returns must end the wait.
        x_changed.wait_for(lock, std::chrono::milliseconds(kRegisterMsMax),
                           [&] { return entry.heard; });
    }
    return std::unique_ptr<sql::Waiter>(
        std::make_unique<TopicWaiter>(shared_from_this(), channel, entry.told));
}

Result<std::unique_ptr<sql::Presence>> Listener::presence(std::int64_t key) {
    if (!x_connect) return std::unique_ptr<sql::Presence>();
    std::unique_ptr<sql::Presence> presence;
    std::unique_lock lock(x_mutex);
    if (x_keys.contains(key)) return fail(Code::conflict, "this program is there under that key");
    Key& entry = x_keys[key];
    start_thread();
    x_changed.wait_for(lock, std::chrono::milliseconds(kRegisterMsMax),
                       [&] { return entry.held || entry.unseen; });
    if (!entry.unseen) presence = std::make_unique<KeyPresence>(shared_from_this(), key);
    if (entry.unseen) entry.wanted = false;
    return presence;
}

/// With x_mutex.
void Listener::start_thread() {
    if (!x_thread.joinable())
        x_thread = std::jthread([this](const std::stop_token& stop) { run(stop); });
    wake_thread();
}

void Listener::leave(const std::string& channel) {
    const std::lock_guard lock(x_mutex);
    Topic& topic = x_topics.find(channel)->second;
    if (--topic.waiters == 0) wake_thread();
}

// --- the thread
// -------------------------------------------------------------------------------------------

void Listener::run(const std::stop_token& stop) {
    while (!stop.stop_requested()) {
        {
            auto connection = x_connect(x_clock.boot_ns() + 2 * kNsPerSecond);
            if (connection) {
                while (!stop.stop_requested() && serve(**connection, stop)) {
                }
            }
        }
        forget_session();
        std::unique_lock lock(x_mutex);
        x_changed.wait_for(lock, stop, std::chrono::milliseconds(kReconnectMs),
                           [] { return false; });
    }
}

/// False: the session is lost.
bool Listener::serve(EngineConnection& connection, const std::stop_token& stop) {
    eventfd_t ignored = 0;
    static_cast<void>(::eventfd_read(x_wake_fd, &ignored));
    if (stop.stop_requested()) return true;
    // Keys first: a topic may have to wait for the end of somebody's commit.
    if (!follow_keys(connection) || !follow_wishes(connection)) return false;
    take_notifications(connection);
    const auto ready =
        connection.session().wait_readable(x_clock.boot_ns() + kIdleMs * kNsPerMs, x_wake_fd);
    if (!ready) return false;
    take_notifications(connection);
    return !connection.session().hung_up();
}

/// LISTEN before the lock: who gets past a writer's lock hears the next one.
bool Listener::follow_wishes(EngineConnection& connection) {
    std::string wanted;
    std::string unwanted;
    {
        const std::lock_guard lock(x_mutex);
        for (const auto& [channel, topic] : x_topics) {
            if (topic.waiters > 0 && !topic.heard && wanted.empty()) wanted = channel;
            if (topic.waiters == 0 && topic.heard && unwanted.empty()) unwanted = channel;
        }
    }
    if (wanted.empty() && unwanted.empty()) return true;
    const std::string& channel = wanted.empty() ? unwanted : wanted;
    const std::string key = advisory_key(channel);
    const std::string sql =
        wanted.empty() ? "SELECT pg_advisory_unlock_shared(" + key + "); UNLISTEN " + channel
                       : "LISTEN " + channel + "; SELECT pg_advisory_lock_shared(" + key + ")";
    // The wait for the lock is one for the end of a commit.
    if (ask_within(connection, sql) == nullptr) return false;
    const std::lock_guard lock(x_mutex);
    Topic& topic = x_topics.find(channel)->second;
    topic.heard = !wanted.empty();
    ++topic.told;  // What was committed before the lock was had is told to nobody: look.
    x_changed.notify_all();
    wake_thread();  // There may be more of them.
    return true;
}

ResultPtr Listener::ask_within(EngineConnection& connection, const std::string& sql) {
    connection.session().set_deadline(x_clock.boot_ns() + 10 * kNsPerSecond);
    auto done = ask(connection.session(), sql, "cannot listen");
    connection.session().set_deadline(0);
    return done ? std::move(*done) : nullptr;
}

/// Shared locks: a session that the server has not missed yet keeps nobody from having another. It
/// is held where everybody can see that it is: some servers take every lock, and show none.
bool Listener::follow_keys(EngineConnection& connection) {
    std::optional<std::int64_t> wanted;
    std::optional<std::int64_t> unwanted;
    {
        const std::lock_guard lock(x_mutex);
        std::erase_if(x_keys,
                      [](const auto& one) { return !one.second.wanted && !one.second.held; });
        for (const auto& [key, state] : x_keys) {
            if (state.wanted && !state.held && !state.unseen) wanted = key;
            if (!state.wanted) unwanted = key;
        }
    }
    if (!wanted && !unwanted) return true;
    const std::int64_t key = wanted ? *wanted : *unwanted;
    // A host that vanished is missed within seconds, not hours; what was sent to it and is not
    // acknowledged keeps the probes back, and has a time of its own. A server that knows no such
    // setting keeps its own.
    if (wanted) {
        for (const char* const one :
             {"SET tcp_keepalives_idle = 5", "SET tcp_keepalives_interval = 2",
              "SET tcp_keepalives_count = 3", "SET tcp_user_timeout = 11000"})
            static_cast<void>(ask_within(connection, one));
    }
    const std::string text = std::to_string(key);
    const ResultPtr done = ask_within(
        connection,
        wanted ? "SELECT pg_advisory_lock_shared(" + text +
                     "); SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = "
                     "1 AND granted AND pid = pg_backend_pid() AND ((classid::bigint << 32) | "
                     "objid::bigint) = " +
                     text
               : "SELECT pg_advisory_unlock_shared(" + text + ")");
    // A server that refuses the question shows nobody; topics are heard all the same.
    if (done == nullptr && (!wanted || connection.session().broken())) return false;
    const std::lock_guard lock(x_mutex);
    Key& state = x_keys.at(key);
    state.held = wanted && done != nullptr && cell_of(done.get(), 0, 0) != "0";
    state.unseen = wanted && !state.held;
    x_changed.notify_all();
    wake_thread();  // There may be more of them.
    return true;
}

void Listener::take_notifications(EngineConnection& connection) {
    struct Free {
        void operator()(PGnotify* notify) const { PQfreemem(notify); }
    };
    while (
        const std::unique_ptr<PGnotify, Free> notify{PQnotifies(connection.session().handle())}) {
        const std::lock_guard lock(x_mutex);
        const auto topic = x_topics.find(std::string_view(notify->relname));
        if (topic == x_topics.end()) continue;
        ++topic->second.told;
        x_changed.notify_all();
    }
}

void Listener::forget_session() {
    const std::lock_guard lock(x_mutex);
    for (auto& [channel, topic] : x_topics) {
        topic.heard = false;
        ++topic.told;
    }
    for (auto& [key, state] : x_keys) state.held = false;
    x_changed.notify_all();
}

}  // namespace taskstore::postgres
