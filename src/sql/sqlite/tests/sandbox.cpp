#include "sandbox.hpp"

#include <cstdio>
#include <cstdlib>

namespace taskstore::sqlite {

void die(const Error& error) {
    std::fprintf(stderr, "unexpected: %s\n", error.message.c_str());
    std::abort();
}

void must(const Status& status) {
    if (!status) die(status.error());
}

std::int64_t number(sql::Connection& connection, std::string_view sql) {
    const auto statement = must(connection.prepare(sql));
    return must(statement->step()) ? statement->column_int64(0) : -1;
}

std::string text(sql::Connection& connection, std::string_view sql) {
    const auto statement = must(connection.prepare(sql));
    return must(statement->step()) ? std::string(statement->column_text(0)) : "(no row)";
}

}  // namespace taskstore::sqlite
