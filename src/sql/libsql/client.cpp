#include "client.hpp"

#include <taskstore/base/text.hpp>

#include <algorithm>
#include <chrono>
#include <utility>

namespace taskstore::libsql {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kLeftMsMax = 300;
constexpr long kOk = 200;

}  // namespace

std::string excerpt(std::string_view sql) {
    constexpr std::size_t kExcerptBytesMax = 120;
    const std::string_view head = cut_utf8(sql, kExcerptBytesMax);
    std::string line;
    for (const char c : head) {
        const bool space = c == '\n' || c == '\r' || c == '\t' || c == ' ';
        if (space && (line.empty() || line.back() == ' ')) continue;
        line += space ? ' ' : c;
    }
    if (head.size() < sql.size()) line += "…";
    return line;
}

Client::Client(Endpoint endpoint, const Options& options)
    : x_options(options), x_transport(std::move(endpoint), options) {}

Patience Client::patience_of(std::int64_t deadline_boot_ns) const {
    Patience patience{.deadline_boot_ns = deadline_boot_ns};
    const std::int64_t timeout_ms = x_options.pool.statement_timeout_ms;
    if (timeout_ms > 0) patience.statement_boot_ns = clock().boot_ns() + timeout_ms * kNsPerMs;
    return patience;
}

Error Client::error_of(const ServerError& error, std::string_view sql) const {
    Error out = fail(code_of(error), shown() + ": cannot run \"" + excerpt(sql) + "\": " +
                                         (error.message.empty() ? error.code : error.message))
                    .with_native(native_of(error))
                    .error;
    if (error.message.ends_with("string or blob too big"))
        out.hint = "the server takes no larger value (sqld: max_row_size of the namespace, 5 MB)";
    if (error.message.ends_with("disk I/O error") || error.message.ends_with("disk is full"))
        out.hint = "look at the server's log: its disk may be full, or damaged";
    return out;
}

// --- exchanges ----------------------------------------------------------------------------------

Exchange Client::post(const Stream& stream, std::string_view kind, std::string_view body,
                      const Patience& patience) {
    const std::string& base =
        stream.base_url.empty() ? x_transport.endpoint().base : stream.base_url;
    const int known = x_version.load();
    const auto path = [&](int version) {
        return "/v" + std::to_string(version) + "/" + std::string(kind);
    };
    Exchange exchange = x_transport.post(base, path(known == 2 ? 2 : 3), body, patience);
    if (exchange.reach != Reach::answered || known != 0) return exchange;
    constexpr long kNotFound = 404;
    if (exchange.status != kNotFound || stream.open()) {
        if (exchange.status == kOk) x_version.store(3);
        return exchange;
    }
    // No such path, or no such database: the other version's answer to nothing tells. The request
    // itself may say what only version 3 understands, so it is for its caller to make another.
    const std::string nothing(kCloseRequest);
    const Exchange probe =
        x_transport.post(base, path(2), pipeline_body("", std::span(&nothing, 1)), patience);
    if (probe.reach != Reach::answered || probe.status != kOk) return exchange;
    x_version.store(2);
    exchange.reach = Reach::not_sent;
    exchange.error = fail(Code::unavailable, shown() + ": the server speaks Hrana 2").error;
    return exchange;
}

namespace {

Asked not_there(Asked asked) {
    asked.error.hint =
        "make the database on the server (with namespaces it is the first label of the host), or "
        "name another in the URL";
    return asked;
}

}  // namespace

Asked Client::refused(const Exchange& exchange, bool on_stream) const {
    const ServerError said = parse_refusal(exchange.body);
    const std::string where = shown() + ": the server answers " + std::to_string(exchange.status);
    const std::string text = where + (said.message.empty() ? "" : ": " + said.message);
    const auto asked = [&](Code code, std::string message, Reach reach, bool transient) {
        Asked out{.reach = reach, .transient = transient};
        out.error =
            fail(code, std::move(message)).with_native(static_cast<int>(exchange.status)).error;
        out.retry_after_ms = exchange.retry_after_ms;
        return out;
    };
    switch (exchange.status) {
        case 401:
        case 403: {
            auto out = asked(Code::denied, text, Reach::not_sent, false);
            out.error.hint =
                "check the token: TASK_STORE_AUTH_TOKEN, TURSO_TOKEN or authToken in the URL";
            return out;
        }
        case 400:
        case 404:
        case 410:
            if (on_stream) {
                return asked(Code::unavailable,
                             shown() + ": the stream is gone (" + std::to_string(exchange.status) +
                                 "), so its transaction was rolled back",
                             Reach::not_sent, true);
            }
            if (exchange.status == 400) return asked(Code::failed, text, Reach::not_sent, false);
            // A sqld that shuts down says so of databases that it has, until it is gone.
            return not_there(
                asked(Code::not_found, text, Reach::not_sent, /*transient=*/x_version.load() != 0));
        case 413:
            return asked(Code::invalid, text, Reach::not_sent, false);
        case 408:
        case 425:
        case 429:
        case 503:
            return asked(Code::unavailable, text, Reach::not_sent, true);
        case 502:
        case 504:
            return asked(Code::unavailable, text, Reach::lost, true);
        default:
            break;
    }
    if (exchange.status >= 300 && exchange.status < 400)
        return asked(Code::failed, where + " (a redirect, which is not followed)", Reach::not_sent,
                     false);
    // sqld answers what it cannot parse in a cursor like an accident of its own.
    if (said.message.find("SQL string could not be parsed") != std::string::npos)
        return asked(Code::invalid, text, Reach::not_sent, false);
    return asked(Code::failed, text, Reach::lost, false);
}

Asked Client::read_answer(Stream& stream, Exchange exchange, std::size_t results, std::size_t steps,
                          bool is_cursor) {
    const bool on_stream = stream.open();
    if (exchange.reach != Reach::answered || exchange.status != kOk) {
        Stream left = std::exchange(stream, {});
        if (exchange.reach == Reach::answered) return refused(exchange, on_stream);
        // Where the request never arrived, the stream is still there and holds its lock. Where it
        // did, the baton is an old one, and this is refused.
        if (exchange.error.code == Code::unavailable) close(left, kLeftMsMax);
        // Who has said nothing for that long is not waited for a second time.
        const bool transient = exchange.error.code == Code::unavailable && !exchange.silent;
        const bool version_found = transient && exchange.status != 0 && !version_3();
        return {.error = std::move(exchange.error),
                .reach = exchange.reach,
                .transient = transient,
                .version_found = version_found};
    }
    auto parsed = is_cursor ? parse_cursor(exchange.body, steps) : parse_pipeline(exchange.body);
    if (parsed && parsed->results.size() != results)
        parsed = fail(Code::failed, "the server's answer has another number of results");
    if (!parsed) {
        stream.clear();
        Asked out{.error = std::move(parsed).error(), .reach = Reach::lost};
        out.transient = out.error.code == Code::unavailable;
        out.error.message = shown() + ": " + out.error.message;
        return out;
    }
    stream.baton = parsed->baton;
    if (!parsed->base_url.empty()) {
        auto base = moved_base(x_transport.endpoint(), parsed->base_url);
        if (!base) {
            stream.clear();
            return {.error = std::move(base).error(), .reach = Reach::lost};
        }
        stream.base_url = std::move(*base);
    }
    if (stream.baton.empty()) stream.clear();
    return {.answer = std::move(*parsed)};
}

Asked Client::pipeline(Stream& stream, std::span<const std::string> requests,
                       const Patience& patience) {
    const std::string body = pipeline_body(stream.baton, requests);
    return read_answer(stream, post(stream, "pipeline", body, patience), requests.size(), 0, false);
}

Asked Client::cursor(Stream& stream, BatchText batch, const Patience& patience) {
    const auto steps = static_cast<std::size_t>(batch.size());
    const std::string body = cursor_body(stream.baton, batch.take());
    if (!version_3()) {
        return {.error = fail(Code::unsupported,
                              shown() + ": the answer is larger than this server sends at once")
                             .error,
                .reach = Reach::not_sent};
    }
    return read_answer(stream, post(stream, "cursor", body, patience), 1, steps, true);
}

void Client::close(Stream& stream, std::int64_t ms_max) {
    if (!stream.open()) return;
    const std::string request(kCloseRequest);
    const Patience patience{.deadline_boot_ns = clock().boot_ns() + ms_max * kNsPerMs};
    const std::string body = pipeline_body(stream.baton, std::span(&request, 1));
    static_cast<void>(post(stream, "pipeline", body, patience));
    stream.clear();
}

// --- slots --------------------------------------------------------------------------------------

Result<Client::Slot> Client::take_slot(std::int64_t deadline_boot_ns) {
    constexpr std::int64_t kLookMs = 100;
    const std::int64_t from_ns = clock().boot_ns();
    const std::int64_t give_up_ns =
        from_ns + x_options.pool.acquire_timeout_seconds * 1'000 * kNsPerMs;
    std::unique_lock lock(x_slots_mutex);
    while (x_slots_used >= std::max(x_options.pool.max_connections, 1)) {
        x_slot_free.wait_for(lock, std::chrono::milliseconds(kLookMs));
        if (x_slots_used < std::max(x_options.pool.max_connections, 1)) break;
        const std::int64_t now_ns = clock().boot_ns();
        if (deadline_boot_ns != 0 && now_ns > deadline_boot_ns)
            return fail(Code::timed_out,
                        shown() + ": the deadline passed before a connection was free");
        if (now_ns > give_up_ns) {
            return fail(Code::unavailable,
                        shown() + ": all " + std::to_string(x_slots_used) +
                            " connections have been in use for " +
                            std::to_string(x_options.pool.acquire_timeout_seconds) + " s")
                .with_hint("raise max_connections, or hold transactions for shorter");
        }
    }
    ++x_slots_used;
    lock.unlock();
    tell_slow((clock().boot_ns() - from_ns) / kNsPerMs);
    return Slot(*this);
}

void Client::release_slot() {
    {
        const std::lock_guard lock(x_slots_mutex);
        --x_slots_used;
    }
    x_slot_free.notify_one();
}

void Client::tell_slow(std::int64_t waited_ms) {
    constexpr std::int64_t kMinuteNs = 60'000 * kNsPerMs;
    if (!x_options.warn || waited_ms < x_options.pool.slow_acquire_threshold_ms) return;
    {
        const std::lock_guard lock(x_slots_mutex);
        const std::int64_t now_ns = clock().boot_ns();
        if (x_told_ns != 0 && now_ns - x_told_ns < kMinuteNs) return;
        x_told_ns = now_ns;
    }
    x_options.warn(shown() + ": waited " + std::to_string(waited_ms) + " ms for one of " +
                   std::to_string(x_options.pool.max_connections) + " connections");
}

}  // namespace taskstore::libsql
