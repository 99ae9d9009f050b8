#pragma once
// What the tests of this driver share.

#include <taskstore/os/fault_file_system.hpp>
#include <taskstore/sqlite/database.hpp>
#include <taskstore/sqlite/driver.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <filesystem>
#include <memory>
#include <string>

namespace taskstore::sqlite {

/// Aborts the test program with the message where there is no value.
template <typename T>
T must(Result<T> result);
void must(const Status& status);
[[noreturn]] void die(const Error& error);

template <typename T>
T must(Result<T> result) {
    if (!result) die(result.error());
    return std::move(*result);
}

/// The first column of the first row.
std::int64_t number(sql::Connection& connection, std::string_view sql);
std::string text(sql::Connection& connection, std::string_view sql);

}  // namespace taskstore::sqlite
