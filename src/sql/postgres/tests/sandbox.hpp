#pragma once
// What the tests of this driver share: one server per program, with fsync on, and a schema of an
// ordinary user per sandbox.

#include <taskstore/postgres/database.hpp>
#include <taskstore/postgres/driver.hpp>
#include <taskstore/testing/database_contract.hpp>
#include <taskstore/testing/server.hpp>

#include <memory>
#include <string>
#include <vector>

namespace taskstore::postgres {

/// Aborts the test program with the message where there is no value.
[[noreturn]] void die(const Error& error);
template <typename T>
T must(Result<T> result) {
    if (!result) die(result.error());
    return std::move(*result);
}
void must(const Status& status);

/// Runs SQL as the superuser.
void as_superuser(const Server& server, const std::string& sql);
/// The role "plain" with its database "taskstore".
void make_plain_user(const Server& server);
/// Of the program; started at the first call.
Server& shared_server();
std::string plain_location(const Server& server);
/// PgBouncer in transaction mode before what listens on that port of 127.0.0.1.
std::unique_ptr<Server> start_pooler(std::uint16_t server_port);
/// One before the server of the program; started at the first call.
Server& shared_pooler();

const Clock& real_clock();
Random& real_random();

/// A name that no other sandbox of the program has.
std::string fresh_schema();
std::unique_ptr<sql::Database> open(const std::string& location, const std::string& schema,
                                    Options options = {});

std::int64_t number(sql::Database& database, std::string_view sql);
void execute(sql::Database& database, const std::string& sql);

}  // namespace taskstore::postgres
