#include "sandbox.hpp"

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>

namespace taskstore::postgres {

void die(const Error& error) {
    std::fprintf(stderr, "unexpected: %s\n", error.message.c_str());
    std::abort();
}

void must(const Status& status) {
    if (!status) die(status.error());
}

const Clock& real_clock() {
    static const SystemClock clock;
    return clock;
}

Random& real_random() {
    static SystemRandom random;
    return random;
}

void as_superuser(const Server& server, const std::string& sql) {
    Driver driver({.clock = &real_clock(), .schema = "main"});
    must(must(driver.connect(postgres_location(server), {}))->execute(sql));
}

void make_plain_user(const Server& server) {
    as_superuser(server, "CREATE ROLE plain LOGIN");
    as_superuser(server, "CREATE DATABASE taskstore OWNER plain");
}

Server& shared_server() {
    static const std::unique_ptr<Server> server = [] {
        auto started = must(start_postgres({.fsync = true}));
        make_plain_user(*started);
        return started;
    }();
    return *server;
}

std::unique_ptr<Server> start_pooler(std::uint16_t server_port) {
    // A server that was away is asked again at once; auth_type any needs the user named.
    const std::string settings =
        "[databases]\\n* = host=127.0.0.1 user=plain port=" + std::to_string(server_port) +
        "\\n[pgbouncer]\\nlisten_addr = 127.0.0.1\\nlisten_port = {port}\\nauth_type = any\\n"
        "unix_socket_dir =\\npool_mode = transaction\\ndefault_pool_size = 8\\n"
        "max_client_conn = 200\\nserver_login_retry = 0.1\\n";
    ServerCommand command;
    // Sh, since a line of words cannot hold the settings.
    command.words = {"sh", "-c",
                     "printf '" + settings +
                         "' > {folder}/pgbouncer.ini; PATH=$PATH:/usr/sbin; exec pgbouncer -q "
                         "{folder}/pgbouncer.ini"};
    command.stop_signal = SIGINT;
    command.user_instead_of_root = "nobody";
    return must(Server::start(command));
}

Server& shared_pooler() {
    static const std::unique_ptr<Server> server = start_pooler(shared_server().port());
    return *server;
}

std::string plain_location(const Server& server) {
    return postgres_location(server, "plain", "taskstore");
}

std::string fresh_schema() {
    static std::atomic<int> count{0};
    return "s" + std::to_string(count.fetch_add(1));
}

std::unique_ptr<sql::Database> open(const std::string& location, const std::string& schema,
                                    Options options) {
    options.location = location;
    options.schema = schema;
    options.clock = &real_clock();
    options.random = &real_random();
    return must(open_database(std::move(options)));
}

std::int64_t number(sql::Database& database, std::string_view sql) {
    const std::vector<sql::BoundStatement> batch{{.sql = sql}};
    const auto rows = must(database.read_batch(batch));
    return std::get<std::int64_t>(rows.front().rows.at(0).at(0));
}

void execute(sql::Database& database, const std::string& sql) {
    const auto done =
        database.write([&](sql::Connection& connection) { return connection.execute(sql); });
    if (!done) die(done.error());
}

}  // namespace taskstore::postgres
