#include "sandbox.hpp"

#include <cstdio>
#include <cstdlib>

namespace taskstore::sqlite {

TemporaryFolder::TemporaryFolder() {
    std::string pattern =
        (std::filesystem::temp_directory_path() / "taskstore-sqlite-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) std::abort();
    x_path = pattern;
}

TemporaryFolder::~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(x_path, ignored);
}

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
