#pragma once
// One server: which protocol it speaks, how many requests and streams at a time, and what its
// refusals mean. A stream is a session on the server, named by its last baton; any answer to it but
// 200 means that it is gone, and its transaction undone.

#include "hrana.hpp"
#include "http.hpp"

#include <taskstore/libsql/database.hpp>

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>

namespace taskstore::libsql {

/// The longest pause before a server is asked again: one that is back is met within a second.
inline constexpr std::int64_t kBackoffCapMs = 250;

struct Stream {
    std::string baton;     ///< Empty: none is open.
    std::string base_url;  ///< Where it has moved to; empty: the endpoint.
    bool open() const { return !baton.empty(); }
    void clear() { *this = {}; }
};

/// An answer, or why there is none.
struct Asked {
    std::optional<PipelineAnswer> answer = {};
    Error error = {};
    /// not_sent: nothing ran (never sent, or refused before it began); lost: who knows.
    Reach reach = Reach::answered;
    bool transient = false;      ///< Of an error: the same may succeed later.
    bool version_found = false;  ///< The server speaks Hrana 2: ask again at once, in its words.
    std::int64_t retry_after_ms = 0;
};

/// Thread-safe.
class Client {
  public:
    Client(Endpoint endpoint, const Options& options);

    const std::string& shown() const { return x_transport.endpoint().shown; }
    const Options& options() const { return x_options; }
    const Clock& clock() const { return *x_options.clock; }
    Random& random() const { return *x_options.random; }
    /// Hrana 3 has conditions on the transaction, get_autocommit and cursors. Known after the first
    /// answer; 3 until then.
    bool version_3() const { return x_version.load() != 2; }

    /// One exchange on the stream, which it moves on, or clears. Errors are told with where. The
    /// answer has as many results as there are requests.
    Asked pipeline(Stream& stream, std::span<const std::string> requests, const Patience& patience);
    /// The same for a batch whose rows may be larger than a pipeline may answer; the stream is open
    /// afterwards. unsupported on Hrana 2.
    Asked cursor(Stream& stream, BatchText batch, const Patience& patience);
    /// Tells the server that the stream is done with; what cannot be told it finds out in 10 s.
    void close(Stream& stream, std::int64_t ms_max = 2'000);

    /// The patience that statement_timeout_ms leaves a request that begins now.
    Patience patience_of(std::int64_t deadline_boot_ns) const;
    /// An error of a statement: "URL: cannot run "…": what the server says".
    Error error_of(const ServerError& error, std::string_view sql) const;

    // --- slots: how many streams and requests are in use at a time ------------------------------
    class Slot {
      public:
        explicit Slot(Client& client) : x_client(&client) {}
        ~Slot() {
            if (x_client != nullptr) x_client->release_slot();
        }
        Slot(Slot&& other) noexcept : x_client(std::exchange(other.x_client, nullptr)) {}
        Slot& operator=(Slot&&) = delete;

      private:
        Client* x_client;
    };
    /// unavailable: none became free in acquire_timeout_seconds; timed_out: the deadline.
    Result<Slot> take_slot(std::int64_t deadline_boot_ns);

  private:
    Exchange post(const Stream& stream, std::string_view kind, std::string_view body,
                  const Patience& patience);
    Asked read_answer(Stream& stream, Exchange exchange, std::size_t results, std::size_t steps,
                      bool is_cursor);
    Asked refused(const Exchange& exchange, bool on_stream) const;
    void release_slot();
    void tell_slow(std::int64_t waited_ms);

    const Options x_options;
    Transport x_transport;
    std::atomic<int> x_version{0};  ///< 0: not known yet.

    std::mutex x_slots_mutex;
    std::condition_variable x_slot_free;
    int x_slots_used = 0;
    std::int64_t x_told_ns = 0;
};

/// The first 120 bytes of a statement, in one line.
std::string excerpt(std::string_view sql);

}  // namespace taskstore::libsql
