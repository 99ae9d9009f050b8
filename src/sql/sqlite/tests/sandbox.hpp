#pragma once
// Temporary places for databases: a real folder, or a disk in memory.

#include <taskstore/os/fault_file_system.hpp>
#include <taskstore/sqlite/database.hpp>
#include <taskstore/sqlite/driver.hpp>

#include <filesystem>
#include <memory>
#include <string>

namespace taskstore::sqlite {

/// A folder of its own under the system's temporary one; removed at the end.
class TemporaryFolder {
  public:
    TemporaryFolder();
    ~TemporaryFolder();
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    std::string path(const std::string& name) const { return x_path + "/" + name; }
    const std::string& path() const { return x_path; }

  private:
    std::string x_path;
};

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
