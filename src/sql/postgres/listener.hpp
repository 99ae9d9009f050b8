#pragma once
// Who waits for topics, and the one session on which the server tells of them; others see by its
// locks that this program is there (sql::Presence). Its thread starts with the first of them. A
// lost session is made again, and everybody told to look; while there is none, waiters look by
// themselves, ever more seldom.

#include "connection.hpp"

#include <taskstore/sql/database.hpp>

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>

namespace taskstore::postgres {

class Listener : public std::enable_shared_from_this<Listener> {
  public:
    using Connect =
        std::function<Result<std::unique_ptr<EngineConnection>>(std::int64_t deadline_boot_ns)>;

    /// `connect` empty: there is nobody to tell; waiters look by themselves.
    Listener(std::string schema, const Clock& clock, Connect connect);
    ~Listener();
    Listener(const Listener&) = delete;
    Listener& operator=(const Listener&) = delete;

    Result<std::unique_ptr<sql::Waiter>> waiter(std::string_view topic);
    /// Null where there is nobody to ask.
    Result<std::unique_ptr<sql::Presence>> presence(std::int64_t key);
    /// Ends the thread; waiters that are left look by themselves.
    void stop();

  private:
    friend class TopicWaiter;
    friend class KeyPresence;
    struct Topic {
        std::uint64_t told = 0;  ///< Grows with every notification.
        int waiters = 0;
        bool heard = false;  ///< The session listens, and holds the topic's lock.
    };

    void run(const std::stop_token& stop);
    bool serve(EngineConnection& connection, const std::stop_token& stop);
    bool follow_wishes(EngineConnection& connection);
    bool follow_keys(EngineConnection& connection);
    /// Null: the session is lost.
    ResultPtr ask_within(EngineConnection& connection, const std::string& sql);
    void start_thread();
    void take_notifications(EngineConnection& connection);
    void forget_session();
    void wake_thread();
    void leave(const std::string& channel);

    const std::string x_schema;
    const Clock& x_clock;
    const Connect x_connect;
    int x_wake_fd = -1;

    std::mutex x_mutex;  ///< Guards all below.
    std::condition_variable_any x_changed;
    std::map<std::string, Topic, std::less<>> x_topics;  ///< By channel.
    struct Key {
        bool wanted = true;
        bool held = false;
        bool unseen = false;  ///< The server has it, and shows it to nobody.
    };
    std::map<std::int64_t, Key> x_keys;  ///< Of presences.
    std::jthread x_thread;
};

}  // namespace taskstore::postgres
