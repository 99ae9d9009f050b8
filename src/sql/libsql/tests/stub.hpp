#pragma once
// A Hrana server for what a real one does not do on request: SQLite behind the same JSON, over
// HTTP/1.1, in this process.

#include <sqlite3.h>
#include <taskstore/base/json.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

namespace taskstore::libsql {

struct Seen {
    std::string path;  ///< "/v3/pipeline"
    std::string headers;
    std::string body;
    int number = 0;  ///< Of the request, from 1.
};

/// What becomes of a request.
struct Fate {
    bool run = true;  ///< It is executed.
    bool hang_up_before_answer = false;
    std::optional<std::string> body = {};  ///< Instead of the true answer.
    int status = 200;                      ///< Another one: `body` is wanted, or is empty.
    std::string headers = {};              ///< Lines with "\r\n" each.
    std::size_t cut_after = static_cast<std::size_t>(-1);  ///< Bytes of the body; then it hangs up.
    int drip_ms = 0;                                       ///< Between the bytes of the answer.
    bool packed = false;                                   ///< In gzip (RFC 1952), stored.
};

class HranaStub {
  public:
    HranaStub();
    ~HranaStub();
    HranaStub(const HranaStub&) = delete;
    HranaStub& operator=(const HranaStub&) = delete;

    std::string location() const { return "http://127.0.0.1:" + std::to_string(x_port); }
    int requests() const { return x_requests.load(); }
    int connections() const { return x_connections.load(); }

    /// Asked for each request, one at a time, in other threads; what it writes is there to read
    /// after settle().
    void set_fate(std::function<Fate(const Seen&)> fate) {
        const std::lock_guard lock(x_fate_mutex);
        x_fate = std::move(fate);
    }
    void settle() { const std::lock_guard lock(x_fate_mutex); }
    std::atomic<bool> only_version_2{false};
    std::atomic<bool> pads_base64{false};
    std::string base_url;  ///< In every answer with a baton. Set before the first request.

    /// Rolls back what is open, as sqld does for a writer that has waited long enough: the next
    /// statement of the stream is told, those after it run by themselves.
    void steal();
    /// Forgets all streams, rolled back.
    void expire();
    std::size_t open_streams();
    /// Executes what was seen, as if it had been under way until now.
    void arrive(const Seen& seen);
    /// Runs SQL on the database directly; the first column of the first row.
    std::int64_t number(const std::string& sql);

  private:
    struct StreamState {
        sqlite3* db = nullptr;
        bool stolen = false;
    };

    void accept_all();
    void serve(int fd);
    bool answer(int fd, const Seen& seen);
    std::string execute(const Seen& seen, int& status);
    std::string pipeline(const Json& request, int& status);
    std::string cursor(const Json& request, int& status);
    std::string run_request(StreamState& stream, const Json& request, bool& closes);
    std::string run_batch(StreamState& stream, const Json& batch, bool as_cursor);
    std::string run_step(StreamState& stream, const Json& statement, bool as_cursor,
                         std::string& error);
    void append_value(std::string& out, sqlite3_stmt* statement, int column) const;
    StreamState* stream_of(const Json& request, std::string& baton);
    sqlite3* open() const;

    TemporaryFolder x_folder;
    int x_listener = -1;
    std::uint16_t x_port = 0;
    std::atomic<int> x_requests{0};
    std::atomic<int> x_connections{0};
    std::atomic<bool> x_stopping{false};
    std::mutex x_fate_mutex;
    std::function<Fate(const Seen&)> x_fate = [](const Seen&) { return Fate{}; };
    std::mutex x_mutex;  ///< Guards the streams; one request is executed at a time.
    std::map<std::string, StreamState> x_streams;
    int x_batons = 0;
    std::mutex x_fds_mutex;
    std::vector<int> x_fds;
    std::vector<std::thread> x_threads;
    std::thread x_acceptor;
};

}  // namespace taskstore::libsql
