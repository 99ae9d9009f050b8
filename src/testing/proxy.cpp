#include <taskstore/testing/proxy.hpp>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <list>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>
#include <vector>

namespace taskstore {
namespace {

using Time = std::chrono::steady_clock::time_point;
constexpr std::size_t kChunkBytes = 16 * 1024;
/// What a throttled line may make up for when it was looked at too late.
constexpr auto kThrottleDebtMax = std::chrono::milliseconds(5);

Time now() {
    return std::chrono::steady_clock::now();
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    return address;
}

void prepare(int fd) {
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK);
}

struct Chunk {
    Time due;
    std::string bytes;
};

/// Parts what one side of HTTP/2 sends into frames (RFC 9113, section 4.1).
class FrameParter {
  public:
    /// Calls take(stream, frame) for each that is whole by now.
    template <typename Take>
    void part(std::string_view bytes, const Take& take) {
        x_rest += bytes;
        std::size_t at = 0;
        if (x_rest.starts_with(kPreface)) at = kPreface.size();
        while (x_rest.size() - at >= kHeadBytes) {
            const std::size_t size = kHeadBytes + number(at, 3);
            if (x_rest.size() - at < size) break;
            take(number(at + 5, 4) & 0x7FFFFFFFU, std::string_view(x_rest).substr(at, size));
            at += size;
        }
        x_rest.erase(0, at);
    }

  private:
    static constexpr std::size_t kHeadBytes = 9;
    static constexpr std::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    std::uint32_t number(std::size_t at, std::size_t bytes) const {
        std::uint32_t value = 0;
        for (std::size_t i = 0; i < bytes; ++i)
            value = value << 8U | static_cast<unsigned char>(x_rest[at + i]);
        return value;
    }
    std::string x_rest;
};

/// Keeps back what the server sends on older streams.
class StreamGate {
  public:
    void hold() { x_old = x_newest; }
    void look(std::string_view of_client) {
        x_of_client.part(of_client, [&](std::uint32_t stream, std::string_view) {
            x_newest = std::max(x_newest, stream);
        });
    }
    /// What passes.
    std::string pass(std::string_view of_server) {
        std::string passing;
        x_of_server.part(of_server, [&](std::uint32_t stream, std::string_view frame) {
            (stream != 0 && stream <= x_old ? x_kept : passing) += frame;
        });
        return passing;
    }
    /// What was kept back.
    std::string release() {
        x_old = 0;
        return std::exchange(x_kept, {});
    }

  private:
    FrameParter x_of_client;
    FrameParter x_of_server;
    std::string x_kept;
    std::uint32_t x_newest = 0;
    std::uint32_t x_old = 0;
};

/// One direction of one connection.
struct Lane {
    int from = -1;
    int to = -1;
    std::deque<Chunk> waiting;
    std::uint64_t passed = 0;  ///< Since mark().
    std::string tail;          ///< The last bytes that passed, for patterns.
    bool ended = false;        ///< The sender has closed.
};

struct Link {
    std::array<Lane, 2> lanes;
    StreamGate gate;
    bool doomed = false;  ///< Cut as soon as what may still pass has passed.
};

struct Rule {
    std::optional<std::uint64_t> cut_after;
    std::string pattern;
    bool before = false;
    bool held = false;
};

class RunningProxy final : public Proxy {
  public:
    RunningProxy(int listener, std::uint16_t port, std::uint16_t target, bool http2)
        : x_listener(listener),
          x_wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
          x_port(port),
          x_target(target),
          x_http2(http2),
          x_thread([this](const std::stop_token& stop) { run(stop); }) {}
    RunningProxy(const RunningProxy&) = delete;
    RunningProxy& operator=(const RunningProxy&) = delete;
    ~RunningProxy() override {
        x_thread.request_stop();
        wake();
        x_thread.join();
        for (Link& link : x_links) close_both(link);
        ::close(x_listener);
        ::close(x_wake);
    }

    std::uint16_t port() const override { return x_port; }
    void cut_after(Direction direction, std::uint64_t bytes) override {
        change([&] {
            for (Link& link : x_links) link.lanes[direction].passed = 0;
            x_rules[direction].cut_after = bytes;
        });
    }
    void cut_at(Direction direction, std::string bytes, bool before) override {
        change([&] {
            x_rules[direction].pattern = std::move(bytes);
            x_rules[direction].before = before;
        });
    }
    void hold(Direction direction, bool held) override {
        change([&] { x_rules[direction].held = held; });
    }
    void hold_streams(bool held) override {
        change([&] {
            for (Link& link : x_links) {
                if (held)
                    link.gate.hold();
                else
                    queue(link.lanes[to_client], link.gate.release());
            }
        });
    }
    void refuse(bool refused) override {
        change([&] { x_refused = refused; });
    }
    void delay_ms(std::int64_t ms) override {
        change([&] { x_delay = std::chrono::milliseconds(ms); });
    }
    void throttle(std::int64_t bytes_per_second) override {
        change([&] { x_bytes_per_second = bytes_per_second; });
    }
    void cut_all() override {
        change([&] {
            for (Link& link : x_links) close_both(link);
            x_links.clear();
        });
    }
    void heal() override {
        change([&] {
            x_rules = {};
            x_refused = false;
            x_delay = {};
            x_bytes_per_second = 0;
        });
        hold_streams(false);
    }
    void mark() override {
        change([&] {
            x_recorded = {};
            for (Link& link : x_links)
                for (Lane& lane : link.lanes) lane.passed = 0;
        });
    }
    std::string recorded(Direction direction) override {
        const std::lock_guard lock(x_mutex);
        return x_recorded[direction];
    }
    int connections() override {
        const std::lock_guard lock(x_mutex);
        return static_cast<int>(x_links.size());
    }
    int cuts() override {
        const std::lock_guard lock(x_mutex);
        return x_cuts;
    }
    bool wait_for_cuts(int count, std::int64_t timeout_ms) override {
        std::unique_lock lock(x_mutex);
        return x_cut.wait_for(lock, std::chrono::milliseconds(timeout_ms),
                              [&] { return x_cuts >= count; });
    }

  private:
    template <typename Change>
    void change(const Change& make) {
        {
            const std::lock_guard lock(x_mutex);
            make();
        }
        wake();
    }
    void wake() { static_cast<void>(::eventfd_write(x_wake, 1)); }

    void run(const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            std::vector<pollfd> polled{{.fd = x_wake, .events = POLLIN, .revents = 0},
                                       {.fd = x_listener, .events = POLLIN, .revents = 0}};
            int timeout = -1;
            {
                const std::lock_guard lock(x_mutex);
                timeout = gather(polled);
            }
            ::poll(polled.data(), polled.size(), timeout);
            eventfd_t ignored = 0;
            static_cast<void>(::eventfd_read(x_wake, &ignored));
            const std::lock_guard lock(x_mutex);
            if (polled[1].revents != 0) accept_one();
            for (Link& link : x_links) serve(link);
            std::erase_if(x_links, [](const Link& link) { return link.lanes[0].from < 0; });
        }
    }

    /// What to wait for; the longest wait in ms.
    int gather(std::vector<pollfd>& polled) {
        std::optional<Time> soonest;
        for (Link& link : x_links) {
            for (std::size_t d = 0; d < 2; ++d) {
                Lane& lane = link.lanes[d];
                if (!x_rules[d].held && !lane.ended && lane.waiting.size() < 64)
                    polled.push_back({.fd = lane.from, .events = POLLIN, .revents = 0});
                if (lane.waiting.empty()) continue;
                const Time due = std::max(lane.waiting.front().due, x_next_budget);
                if (due <= now())
                    polled.push_back({.fd = lane.to, .events = POLLOUT, .revents = 0});
                else
                    soonest = soonest ? std::min(*soonest, due) : due;
            }
        }
        if (!soonest) return -1;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(*soonest - now());
        return static_cast<int>(std::max<std::int64_t>(0, left.count()));
    }

    void accept_one() {
        const int client = ::accept4(x_listener, nullptr, nullptr, SOCK_CLOEXEC);
        if (client < 0) return;
        const int server = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        const sockaddr_in address = loopback(x_target);
        const bool connected =
            !x_refused &&
            ::connect(server, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
        if (!connected) {
            ::close(client);
            ::close(server);
            return;
        }
        prepare(client);
        prepare(server);
        Link& link = x_links.emplace_back();
        link.lanes[to_server].from = link.lanes[to_client].to = client;
        link.lanes[to_client].from = link.lanes[to_server].to = server;
    }

    void serve(Link& link) {
        for (std::size_t d = 0; d < 2 && link.lanes[0].from >= 0; ++d) {
            if (!x_rules[d].held && !link.doomed) take(link, d);
            if (link.lanes[0].from >= 0) give(link, link.lanes[d]);
        }
        if (link.lanes[0].from < 0) return;
        const bool over = link.lanes[0].ended || link.lanes[1].ended;
        const bool empty = link.lanes[0].waiting.empty() && link.lanes[1].waiting.empty();
        if ((over || link.doomed) && empty) close_both(link);
    }

    void take(Link& link, std::size_t d) {
        Lane& lane = link.lanes[d];
        if (lane.ended || lane.waiting.size() >= 64) return;
        std::string bytes(kChunkBytes, '\0');
        const ssize_t got = ::recv(lane.from, bytes.data(), bytes.size(), 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (got <= 0) {
            lane.ended = true;
            return;
        }
        bytes.resize(static_cast<std::size_t>(got));
        if (const auto cut = cut_place(lane, x_rules[d], bytes)) {
            bytes.resize(*cut);
            x_rules[d].cut_after.reset();
            x_rules[d].pattern.clear();
            link.doomed = true;
            ++x_cuts;
            x_cut.notify_all();
        }
        lane.passed += bytes.size();
        x_recorded[d] += bytes;
        if (x_http2 && d == to_server) link.gate.look(bytes);
        if (x_http2 && d == to_client) bytes = link.gate.pass(bytes);
        queue(lane, std::move(bytes));
    }

    void queue(Lane& lane, std::string bytes) const {
        if (!bytes.empty()) lane.waiting.push_back({now() + x_delay, std::move(bytes)});
    }

    /// How many of `bytes` still pass; nothing: all of them, and what follows.
    static std::optional<std::size_t> cut_place(Lane& lane, const Rule& rule,
                                                const std::string& bytes) {
        std::optional<std::size_t> place;
        if (rule.cut_after && lane.passed + bytes.size() >= *rule.cut_after)
            place =
                static_cast<std::size_t>(*rule.cut_after - std::min(*rule.cut_after, lane.passed));
        if (!rule.pattern.empty()) {
            const std::string seen = lane.tail + bytes;
            if (const std::size_t at = seen.find(rule.pattern); at != std::string::npos) {
                const std::size_t end = rule.before ? at : at + rule.pattern.size();
                place = end > lane.tail.size() ? end - lane.tail.size() : 0;
            }
            const std::size_t keep = std::min(seen.size(), rule.pattern.size() - 1);
            lane.tail = seen.substr(seen.size() - keep);
        }
        return place;
    }

    void give(Link& link, Lane& lane) {
        while (!lane.waiting.empty() && lane.waiting.front().due <= now() &&
               x_next_budget <= now()) {
            std::string& bytes = lane.waiting.front().bytes;
            std::size_t some = bytes.size();
            if (x_bytes_per_second > 0) {
                // A millisecond's worth at once, which is a byte or two on a slow line.
                const auto most = static_cast<std::size_t>(x_bytes_per_second / 1'000 + 1);
                some = std::min(some, most);
                x_next_budget = std::max(x_next_budget, now() - kThrottleDebtMax) +
                                std::chrono::nanoseconds(1'000'000'000) *
                                    static_cast<std::int64_t>(some) / x_bytes_per_second;
            }
            const ssize_t sent = ::send(lane.to, bytes.data(), some, MSG_NOSIGNAL);
            if (sent < 0 && (errno == EAGAIN || errno == EINTR)) return;
            if (sent < 0) {
                close_both(link);
                return;
            }
            bytes.erase(0, static_cast<std::size_t>(sent));
            if (bytes.empty()) lane.waiting.pop_front();
        }
    }

    static void close_both(Link& link) {
        Lane& lane = link.lanes[to_server];
        if (lane.from < 0) return;
        ::close(lane.from);
        ::close(lane.to);
        lane.from = lane.to = -1;
        link.lanes[to_client].from = link.lanes[to_client].to = -1;
    }

    const int x_listener;
    const int x_wake;
    const std::uint16_t x_port;
    const std::uint16_t x_target;
    const bool x_http2;

    std::mutex x_mutex;  ///< Guards all below.
    std::condition_variable x_cut;
    std::list<Link> x_links;
    std::array<Rule, 2> x_rules;
    std::array<std::string, 2> x_recorded;
    bool x_refused = false;
    std::chrono::milliseconds x_delay{};
    std::int64_t x_bytes_per_second = 0;
    Time x_next_budget{};
    int x_cuts = 0;
    std::jthread x_thread;  ///< Last: ends before what it uses.
};

Result<std::unique_ptr<Proxy>> start_proxy(std::uint16_t target_port, bool http2) {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    sockaddr_in address = loopback(0);
    socklen_t size = sizeof address;
    constexpr int kBacklog = 128;
    if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), size) != 0 ||
        ::listen(listener, kBacklog) != 0 ||
        ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
        const std::string why = std::strerror(errno);
        ::close(listener);
        return fail(Code::failed, "cannot listen: " + why);
    }
    return std::unique_ptr<Proxy>(
        std::make_unique<RunningProxy>(listener, ntohs(address.sin_port), target_port, http2));
}

}  // namespace

Result<std::unique_ptr<Proxy>> Proxy::start(std::uint16_t target_port) {
    return start_proxy(target_port, false);
}

Result<std::unique_ptr<Proxy>> Proxy::start_http2(std::uint16_t target_port) {
    return start_proxy(target_port, true);
}

}  // namespace taskstore
