#pragma once
// Server programs of one test (floor 2): started on a free loopback port in a folder of their own,
// and gone with the test, however it ends.
//
//   TASKSTORE_LET(const auto server, Server::start({.words = {"redis-server", "--port",
//   "{port}"}})); connect("127.0.0.1", server->port());

#include <taskstore/base/result.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace taskstore {

class Server;

struct ServerCommand {
    /// The program (looked up in PATH) and its arguments; "{port}" and "{folder}" are replaced.
    std::vector<std::string> words;
    std::vector<std::pair<std::string, std::string>> environment = {};  ///< Added to ours.
    /// Asked until it says yes; empty: a connection to the port is accepted.
    std::function<bool(const Server&)> ready = {};
    std::int64_t ready_ms_max = 30'000;
    int stop_signal = 15;              ///< What asks it to end: SIGTERM.
    std::int64_t stop_ms_max = 5'000;  ///< Then it is killed.
    /// Its children may outlive a kill() for a moment and be in the way of the next one: how long
    /// start_again() waits for their end.
    std::int64_t leftovers_ms_max = 0;
    /// Run before the first start, in the server's folder, to their end; words as above.
    std::vector<std::vector<std::string>> prepare = {};
    /// Its folder is a disk of its own of that size (small_disk.hpp); 0: it is not.
    std::int64_t disk_bytes_max = 0;
    /// Whom root becomes for it, where the program refuses to be root.
    std::optional<std::string> user_instead_of_root = {};
};

/// A running server. Not thread-safe. It is killed when the thread that started it ends, and so
/// when the test program is: start it from the main thread. Its own children outlive a killed test
/// unless they notice by themselves.
class Server {
  public:
    /// Waits until it is ready. not_found: no such program; failed: it ended before, and its output
    /// is in the message; timed_out: it was not ready in time. Nothing is left running then. A port
    /// that another program took in between is replaced by another one, thrice.
    static Result<std::unique_ptr<Server>> start(const ServerCommand& command);
    /// Stops it and removes its folder.
    virtual ~Server() = default;

    /// On 127.0.0.1.
    virtual std::uint16_t port() const = 0;
    /// Its own; holds what it has printed as `output.log`.
    virtual const std::string& folder() const = 0;
    virtual std::int64_t pid() const = 0;
    virtual bool is_running() = 0;
    virtual std::string output() const = 0;
    /// Asks it to end, and waits until it has. Idempotent.
    virtual void stop() = 0;
    /// SIGKILL to it and its process group, as a crash of the server. Idempotent.
    virtual void kill() = 0;
    /// After stop() or kill(): runs it again on the same port and folder. Errors as start().
    virtual Status start_again() = 0;
    /// Runs a command (words as in ServerCommand) in the server's folder, with its user, to its
    /// end.
    virtual Status run(const std::vector<std::string>& words) const = 0;
};

/// A TCP port of 127.0.0.1 that nobody listens on at this moment.
Result<std::uint16_t> free_port();

struct PostgresOptions {
    bool fsync = false;                      ///< Tests of durability want it.
    std::vector<std::string> settings = {};  ///< "name=value", as of `postgres -c`.
    /// Makes the cluster instead of initdb, in {folder}/data; words as of ServerCommand.
    std::vector<std::vector<std::string>> prepare = {};
    std::int64_t file_kib_max = 0;    ///< No file of the server grows larger: its disk is full.
    std::int64_t disk_bytes_max = 0;  ///< As of ServerCommand: the whole disk is that large.
};
/// PostgreSQL with a fresh cluster: superuser `postgres`, no password. The programs come from the
/// folder that TASKSTORE_TEST_POSTGRES_BIN names, from PATH or from Debian's /usr/lib/postgresql.
/// not_found: it is not installed.
Result<std::unique_ptr<Server>> start_postgres(const PostgresOptions& options = {});
/// postgresql://USER@127.0.0.1:PORT/DATABASE
std::string postgres_location(const Server& server, const std::string& user = "postgres",
                              const std::string& database = "postgres");
/// The folder of PostgreSQL's programs with its slash. not_found: it is not installed.
Result<std::string> postgres_programs();

}  // namespace taskstore
