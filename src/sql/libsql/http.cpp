#include "http.hpp"

#include "hrana.hpp"
#include "sign_of_life.hpp"

#include <curl/curl.h>
#include <taskstore/base/ascii.hpp>
#include <taskstore/base/check.hpp>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace taskstore::libsql {
namespace {

constexpr long kConnectMsMax = 5'000;
constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kNsPerSecond = 1'000'000'000;

void start_curl() {
    // Once for the process, before any thread uses it.
    static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
    TASKSTORE_CHECK(started == CURLE_OK);
}

struct HeaderCloser {
    void operator()(curl_slist* list) const { curl_slist_free_all(list); }
};
using Headers = std::unique_ptr<curl_slist, HeaderCloser>;

void add_header(Headers& headers, const std::string& line) {
    headers.reset(curl_slist_append(headers.release(), line.c_str()));
}

}  // namespace

/// One request under way: what curl's callbacks read and write.
struct Transport::Flight {
    std::string_view body = {};
    const Taker* take = nullptr;  ///< Set: a GET, and where its answer goes.
    CURL* easy = nullptr;
    std::uint64_t taken_bytes = 0;
    std::optional<Error> refused = {};  ///< What `take` said.
    std::size_t given = 0;
    std::string reply;
    std::size_t reply_bytes_max = 0;
    bool too_large = false;
    bool headers_ended = false;
    std::uint64_t headers_bytes = 0;
    std::int64_t retry_after_ms = 0;

    std::uint64_t passed() const { return given + headers_bytes + reply.size() + taken_bytes; }
    void set_up(CURL* handle);
    static std::size_t give_body(char* out, std::size_t size, std::size_t count, void* user);
    static std::size_t take_reply(const char* bytes, std::size_t size, std::size_t count,
                                  void* user);
    static std::size_t take_header(const char* bytes, std::size_t size, std::size_t count,
                                   void* user);
};

// The body is handed out by a callback that cannot be rewound: given CURLOPT_POSTFIELDS, curl sends
// it a second time by itself when a kept connection dies before the first byte of an answer, though
// the server may have run it.
std::size_t Transport::Flight::give_body(char* out, std::size_t size, std::size_t count,
                                         void* user) {
    auto& flight = *static_cast<Flight*>(user);
    const std::size_t given = flight.body.substr(flight.given).copy(out, size * count);
    flight.given += given;
    return given;
}

std::size_t Transport::Flight::take_reply(const char* bytes, std::size_t size, std::size_t count,
                                          void* user) {
    auto& flight = *static_cast<Flight*>(user);
    long status = 0;
    constexpr long kOk = 200;
    if (flight.take != nullptr &&
        curl_easy_getinfo(flight.easy, CURLINFO_RESPONSE_CODE, &status) == CURLE_OK &&
        status == kOk) {
        flight.taken_bytes += size * count;
        const Status taken = (*flight.take)({bytes, size * count});
        if (taken) return size * count;
        flight.refused = taken.error();
        return 0;
    }
    if (flight.reply.size() + size * count > flight.reply_bytes_max) {
        flight.too_large = true;
        return 0;
    }
    flight.reply.append(bytes, size * count);
    return size * count;
}

std::size_t Transport::Flight::take_header(const char* bytes, std::size_t size, std::size_t count,
                                           void* user) {
    constexpr std::string_view kName = "retry-after:";
    std::string_view line(bytes, size * count);
    auto& flight = *static_cast<Flight*>(user);
    flight.headers_bytes += line.size();
    flight.headers_ended = line == "\r\n" || line == "\n";
    if (ascii::same_word(line.substr(0, kName.size()), kName)) {
        line.remove_prefix(kName.size());
        line.remove_prefix(std::min(line.find_first_not_of(' '), line.size()));
        int seconds = 0;  // Its other form, a date, is left alone: our own backoff does.
        std::from_chars(line.data(), line.data() + line.size(), seconds);
        flight.retry_after_ms = std::clamp(seconds, 0, 3'600) * 1'000;
    }
    return size * count;
}

namespace {

template <typename Value>
void set(CURL* easy, CURLoption option, Value value) {
    TASKSTORE_CHECK(curl_easy_setopt(easy, option, value) == CURLE_OK);
}

Code code_of_curl(CURLcode result) {
    switch (result) {
        case CURLE_PEER_FAILED_VERIFICATION:
            return Code::denied;
        case CURLE_URL_MALFORMAT:
        case CURLE_UNSUPPORTED_PROTOCOL:
            return Code::invalid;
        case CURLE_OUT_OF_MEMORY:
        case CURLE_SSL_CACERT_BADFILE:
        case CURLE_BAD_CONTENT_ENCODING:
            return Code::failed;
        default:
            return Code::unavailable;
    }
}

}  // namespace

/// Ties an interrupt to the exchange that it would end.
class Running {
  public:
    Running(Interrupt* interrupt, CURLM* multi) : x_interrupt(interrupt) {
        if (x_interrupt == nullptr) return;
        const std::lock_guard lock(x_interrupt->x_mutex);
        x_interrupt->x_multi = multi;
        x_interrupt->x_fired = false;
    }
    ~Running() {
        if (x_interrupt == nullptr) return;
        const std::lock_guard lock(x_interrupt->x_mutex);
        x_interrupt->x_multi = nullptr;
    }
    Running(const Running&) = delete;
    Running& operator=(const Running&) = delete;
    bool fired() const {
        if (x_interrupt == nullptr) return false;
        const std::lock_guard lock(x_interrupt->x_mutex);
        return x_interrupt->x_fired;
    }

  private:
    Interrupt* x_interrupt;
};

void Interrupt::fire() {
    const std::lock_guard lock(x_mutex);
    if (x_multi == nullptr) return;
    x_fired = true;
    curl_multi_wakeup(x_multi);
}

/// An easy handle in a multi handle of its own, which keeps its connection and can be woken.
struct Transport::Handle {
    Handle() : easy(curl_easy_init()), multi(curl_multi_init()) {
        TASKSTORE_CHECK(easy != nullptr && multi != nullptr);
    }
    ~Handle() {
        curl_easy_cleanup(easy);
        curl_multi_cleanup(multi);
    }
    Handle(const Handle&) = delete;
    Handle& operator=(const Handle&) = delete;

    CURL* easy;
    CURLM* multi;
    std::int64_t made_ns = 0;
    std::int64_t used_ns = 0;
};

Transport::Transport(Endpoint endpoint, const Options& options)
    : x_endpoint(std::move(endpoint)),
      x_pool(options.pool),
      x_reply_bytes_max(options.reply_bytes_max),
      x_silence_ms_max(options.silence_ms_max),
      x_traffic_told(options.traffic_for_testing),
      x_clock(*options.clock) {
    start_curl();
    const std::string& token = x_endpoint.token.empty() ? options.token : x_endpoint.token;
    if (!x_endpoint.user.empty()) {
        x_authorization = "Authorization: Basic " + to_base64(x_endpoint.user);
    } else if (!token.empty()) {
        x_authorization = "Authorization: Bearer " + token;
    }
}

Transport::~Transport() = default;

std::unique_ptr<Transport::Handle> Transport::take_handle() {
    const std::int64_t now_ns = x_clock.boot_ns();
    {
        const std::lock_guard lock(x_mutex);
        prune(now_ns);
        if (!x_idle.empty()) {
            auto handle = std::move(x_idle.back());
            x_idle.pop_back();
            return handle;
        }
    }
    auto handle = std::make_unique<Handle>();
    handle->made_ns = now_ns;
    return handle;
}

void Transport::give_handle(std::unique_ptr<Handle> handle) {
    handle->used_ns = x_clock.boot_ns();
    const std::lock_guard lock(x_mutex);
    x_idle.push_back(std::move(handle));
    prune(x_idle.back()->used_ns);
}

void Transport::prune(std::int64_t now_ns) {
    const auto floor = static_cast<std::size_t>(std::max(x_pool.min_connections, 0));
    std::erase_if(x_idle, [&](const std::unique_ptr<Handle>& handle) {
        return now_ns - handle->made_ns > x_pool.max_lifetime_seconds * kNsPerSecond;
    });
    while (x_idle.size() > floor &&
           now_ns - x_idle.front()->used_ns > x_pool.idle_timeout_seconds * kNsPerSecond)
        x_idle.erase(x_idle.begin());
}

namespace {

/// Runs the handle to its end or to that of the patience; what stopped it, if something did.
std::optional<Failure> drive(CURLM* multi, const Running& running, const Patience& patience,
                             const std::function<std::uint64_t()>& passed, SignOfLife& life,
                             const Clock& clock, CURLcode& result) {
    constexpr std::int64_t kQuestionMs = 20;
    while (true) {
        int left = 0;
        curl_multi_perform(multi, &left);
        int waiting = 0;
        while (const CURLMsg* message = curl_multi_info_read(multi, &waiting)) {
            if (message->msg == CURLMSG_DONE && !life.take(message->easy_handle)) {
                result = message->data.result;
                return std::nullopt;
            }
        }
        if (left == 0) {
            result = CURLE_GOT_NOTHING;
            return std::nullopt;
        }
        if (running.fired()) return fail(Code::cancelled, "interrupted");
        if (patience.should_stop != nullptr && *patience.should_stop && (*patience.should_stop)())
            return fail(Code::cancelled, "asked to stop");
        if (!life.look(passed()))
            return fail(Code::unavailable, "the server takes connections and answers nothing")
                .with_hint("it hangs, or a proxy before it does: look at the server");
        std::int64_t wait_ms = patience.should_stop != nullptr ? kQuestionMs : 1'000;
        const std::int64_t now_ns = clock.boot_ns();
        if (life.due_boot_ns() != 0)
            wait_ms =
                std::clamp<std::int64_t>((life.due_boot_ns() - now_ns) / kNsPerMs + 1, 0, wait_ms);
        for (const auto& [until_ns, code] :
             {std::pair{patience.deadline_boot_ns, Code::timed_out},
              std::pair{patience.statement_boot_ns, Code::cancelled}}) {
            if (until_ns == 0) continue;
            if (now_ns > until_ns) {
                return fail(code, code == Code::timed_out
                                      ? "the deadline passed before the server answered"
                                      : "the statement took longer than statement_timeout_ms");
            }
            wait_ms = std::min(wait_ms, (until_ns - now_ns) / kNsPerMs + 1);
        }
        curl_multi_poll(multi, nullptr, 0, static_cast<int>(wait_ms), nullptr);
    }
}

void set_up(CURL* easy, const Endpoint& endpoint, const std::string& url, curl_slist* headers,
            const sql::PoolOptions& pool) {
    curl_easy_reset(easy);  // Keeps its connection.
    set(easy, CURLOPT_URL, url.c_str());
    set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
    set(easy, CURLOPT_HTTPHEADER, headers);
    set(easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    set(easy, CURLOPT_FOLLOWLOCATION, 0L);
    set(easy, CURLOPT_NOSIGNAL, 1L);
    set(easy, CURLOPT_CONNECTTIMEOUT_MS, kConnectMsMax);
    set(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    set(easy, CURLOPT_UPLOAD_BUFFERSIZE, 512L * 1024);
    set(easy, CURLOPT_BUFFERSIZE, 256L * 1024);
    set(easy, CURLOPT_MAXAGE_CONN,
        static_cast<long>(std::max<std::int64_t>(
            pool.min_connections > 0 ? pool.max_lifetime_seconds : pool.idle_timeout_seconds, 1)));
    set(easy, CURLOPT_MAXLIFETIME_CONN,
        static_cast<long>(std::max<std::int64_t>(pool.max_lifetime_seconds, 1)));
    if (endpoint.loopback) set(easy, CURLOPT_NOPROXY, "*");
}

}  // namespace

void Transport::Flight::set_up(CURL* handle) {
    easy = handle;
    if (take == nullptr) {
        set(easy, CURLOPT_POST, 1L);
        set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(body.size()));
        set(easy, CURLOPT_READFUNCTION, &give_body);
        set(easy, CURLOPT_READDATA, this);
    }
    set(easy, CURLOPT_WRITEFUNCTION, &take_reply);
    set(easy, CURLOPT_WRITEDATA, this);
    set(easy, CURLOPT_HEADERFUNCTION, &take_header);
    set(easy, CURLOPT_HEADERDATA, this);
}

Exchange Transport::post(const std::string& base, std::string_view path, std::string_view body,
                         const Patience& patience) {
    Flight flight{.body = body, .reply_bytes_max = x_reply_bytes_max};
    return exchange(base, path, flight, patience);
}

Exchange Transport::get(std::string_view path, const Taker& take, const Patience& patience) {
    Flight flight{.take = &take, .reply_bytes_max = x_reply_bytes_max};
    return exchange(x_endpoint.base, path, flight, patience);
}

Exchange Transport::exchange(const std::string& base, std::string_view path, Flight& flight,
                             const Patience& patience) {
    Headers headers;
    if (flight.take == nullptr) add_header(headers, "Content-Type: application/json");
    add_header(headers, "Expect:");  // Nobody answers 100, and curl would wait a second for it.
    if (!x_authorization.empty()) add_header(headers, x_authorization);
    const std::string url = base + std::string(path);
    auto handle = take_handle();
    set_up(handle->easy, x_endpoint, url, headers.get(), x_pool);
    flight.set_up(handle->easy);

    Exchange out;
    CURLcode result = CURLE_OK;
    std::optional<Failure> stopped;
    {
        const Running running(patience.interrupt, handle->multi);
        SignOfLife life(handle->multi, base + "/v3", x_endpoint.loopback, x_silence_ms_max,
                        x_clock);
        TASKSTORE_CHECK(curl_multi_add_handle(handle->multi, handle->easy) == CURLM_OK);
        stopped = drive(
            handle->multi, running, patience, [&] { return flight.passed(); }, life, x_clock,
            result);
        curl_easy_getinfo(handle->easy, CURLINFO_RESPONSE_CODE, &out.status);
        curl_multi_remove_handle(handle->multi, handle->easy);
    }
    {
        const std::lock_guard lock(x_mutex);
        ++x_traffic.requests;
        x_traffic.bytes_sent += flight.given;
        if (x_traffic_told) x_traffic_told(x_traffic);
    }
    // Headers that end in the middle are none to curl's mind, and the body is what came: nothing.
    if (!stopped && result == CURLE_OK && !flight.headers_ended) result = CURLE_PARTIAL_FILE;
    if (!stopped && result == CURLE_OK) {
        give_handle(std::move(handle));
        out.reach = Reach::answered;
        out.body = std::move(flight.reply);
        out.retry_after_ms = flight.retry_after_ms;
        return out;
    }
    // Its connection is in the middle of something: it goes with the handle.
    // curl's reason may be another: a kept connection that ends without an answer it replaces by
    // itself, and "cannot connect" is then about the new one.
    out.reach = flight.given == flight.body.size() ? Reach::lost : Reach::not_sent;
    if (stopped) {
        out.error = std::move(stopped->error);
        out.silent = out.error.code == Code::unavailable;
    } else if (flight.refused) {
        out.error = std::move(*flight.refused);
        return out;
    } else if (flight.too_large) {
        out.error = fail(Code::failed, "the answer is larger than " +
                                           std::to_string(x_reply_bytes_max) + " bytes")
                        .error;
    } else {
        // No number: those are of who answered.
        out.error = fail(code_of_curl(result), curl_easy_strerror(result)).error;
    }
    out.error.message = x_endpoint.shown + ": " + out.error.message;
    return out;
}

std::string library_version() {
    return std::string("libcurl ") + curl_version_info(CURLVERSION_NOW)->version;
}

}  // namespace taskstore::libsql
