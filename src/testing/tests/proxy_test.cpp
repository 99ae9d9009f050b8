#include <taskstore/testing/proxy.hpp>

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <string>
#include <thread>

namespace taskstore {
namespace {

int socket_to(std::uint16_t port) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -1;
    return fd;
}

/// Sends back what it is sent.
class Echo {
  public:
    Echo() {
        x_listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        sockaddr_in address{};
        address.sin_family = AF_INET;
        address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        socklen_t size = sizeof address;
        EXPECT_EQ(::bind(x_listener, reinterpret_cast<sockaddr*>(&address), size), 0);
        EXPECT_EQ(::listen(x_listener, 8), 0);
        ::getsockname(x_listener, reinterpret_cast<sockaddr*>(&address), &size);
        port = ntohs(address.sin_port);
        x_thread = std::jthread([this] {
            while (true) {
                const int fd = ::accept(x_listener, nullptr, nullptr);
                if (fd < 0) return;
                char bytes[4096];
                ssize_t got = 0;
                while ((got = ::read(fd, bytes, sizeof bytes)) > 0)
                    if (::send(fd, bytes, static_cast<std::size_t>(got), MSG_NOSIGNAL) < 0) break;
                ::close(fd);
            }
        });
    }
    ~Echo() {
        ::shutdown(x_listener, SHUT_RDWR);
        x_thread.join();
        ::close(x_listener);
    }
    std::uint16_t port = 0;

  private:
    int x_listener = -1;
    std::jthread x_thread;
};

/// Sends `text`, ends, and reads all that comes back within the end of the connection or `bytes`.
std::string talk(std::uint16_t port, const std::string& text, std::size_t bytes) {
    const int fd = socket_to(port);
    if (fd < 0) return "no connection";
    EXPECT_EQ(::send(fd, text.data(), text.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(text.size()));
    std::string back;
    char some[4096];
    while (back.size() < bytes) {
        const ssize_t got = ::read(fd, some, sizeof some);
        if (got <= 0) break;
        back.append(some, static_cast<std::size_t>(got));
    }
    ::close(fd);
    return back;
}

TEST(Proxy, ForwardsAndRecords) {
    Echo echo;
    const auto proxy = *Proxy::start(echo.port);
    const std::string long_text(100'000, 'x');
    EXPECT_EQ(talk(proxy->port(), "hello", 5), "hello");
    EXPECT_EQ(talk(proxy->port(), long_text, long_text.size()), long_text);
    EXPECT_EQ(proxy->recorded(Proxy::to_server), "hello" + long_text);
    EXPECT_EQ(proxy->recorded(Proxy::to_client), "hello" + long_text);
}

TEST(Proxy, CutsOnceAtTheByte) {
    Echo echo;
    const auto proxy = *Proxy::start(echo.port);
    proxy->cut_after(Proxy::to_client, 3);
    EXPECT_EQ(talk(proxy->port(), "hello", 5), "hel");
    proxy->cut_after(Proxy::to_server, 0);
    EXPECT_EQ(talk(proxy->port(), "hello", 5), "");
    EXPECT_EQ(talk(proxy->port(), "hello", 5), "hello");
    EXPECT_EQ(proxy->cuts(), 2);
}

TEST(Proxy, CutsWhereAPatternPasses) {
    Echo echo;
    const auto proxy = *Proxy::start(echo.port);
    proxy->cut_at(Proxy::to_client, "ll");
    EXPECT_EQ(talk(proxy->port(), "hello", 5), "hell");
    proxy->cut_at(Proxy::to_client, "ll", /*before=*/true);
    EXPECT_EQ(talk(proxy->port(), "hello", 5), "he");
}

TEST(Proxy, RefusesAndHeals) {
    Echo echo;
    const auto proxy = *Proxy::start(echo.port);
    proxy->refuse(true);
    EXPECT_EQ(talk(proxy->port(), "hello", 5), "");
    proxy->heal();
    EXPECT_EQ(talk(proxy->port(), "hello", 5), "hello");
}

TEST(Proxy, DelaysAndThrottles) {
    Echo echo;
    const auto proxy = *Proxy::start(echo.port);
    const auto ms_of = [&](const std::string& text) {
        const auto start = std::chrono::steady_clock::now();
        EXPECT_EQ(talk(proxy->port(), text, text.size()), text);
        return std::chrono::duration_cast<std::chrono::milliseconds>(
                   std::chrono::steady_clock::now() - start)
            .count();
    };
    proxy->delay_ms(30);
    EXPECT_GE(ms_of("hello"), 60);
    proxy->heal();
    proxy->throttle(100'000);
    EXPECT_GE(ms_of(std::string(5'000, 'x')), 40);
}

}  // namespace
}  // namespace taskstore
