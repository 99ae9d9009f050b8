#pragma once
// The file of a backup: JSON Lines, packed with zstd (RFC 8878). The first line is the header; then
// for each table a line with its columns and one for each row (rows.hpp); the last line has the
// number of rows and the SHA-256 of all before it.

#include "rows.hpp"

#include <taskstore/base/hash.hpp>
#include <taskstore/exchange/stream.hpp>
#include <taskstore/os/file_system.hpp>
#include <taskstore/sql/identity.hpp>
#include <taskstore/store/backup.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

struct ZSTD_CCtx_s;

namespace taskstore::store {

inline constexpr std::int64_t kBackupFormat = 1;

/// Lines, hashed, packed and put into a file that takes its name at the end.
class BackupWriter {
  public:
    static Result<BackupWriter> begin(os::FileSystem& files, const std::string& path);
    /// With its line end.
    Status line(std::string_view text);
    /// The end line, and the name. Durable when it returns.
    Status finish(std::int64_t rows, BackupReport& report);

  private:
    explicit BackupWriter(os::Replacement file);
    Status pack(std::string_view text, bool last);

    struct Free {
        void operator()(ZSTD_CCtx_s* packer) const;
    };
    os::Replacement x_file;
    std::unique_ptr<ZSTD_CCtx_s, Free> x_packer;
    std::vector<char> x_out;
    Sha256 x_hash;
    std::int64_t x_bytes = 0;
};

struct BackupHeader {
    std::string database;
    sql::Identity identity;
    std::vector<std::pair<std::string, std::int64_t>> versions;  ///< Of modules.
};

/// Lines of a backup, one after the other.
class BackupReader {
  public:
    static Result<std::unique_ptr<BackupReader>> open(os::FileSystem& files,
                                                      const std::string& path);

    const BackupHeader& header() const { return x_header; }
    /// The next line but the header; false after the end line, which has been checked.
    Result<bool> next(std::string_view& line);
    /// Of all of it; known after the end line.
    const std::string& sha256() const { return x_sha256; }
    Failure damaged(const std::string& why) const;

  private:
    BackupReader(std::string path, exchange::Unpacked unpacked)
        : x_path(std::move(path)), x_unpacked(std::move(unpacked)) {}
    Status check_ended();
    Status take_line(std::string_view& line);
    Status read_header();

    std::string x_path;
    exchange::Unpacked x_unpacked;
    BackupHeader x_header;
    std::string x_text;
    std::size_t x_at = 0;
    std::int64_t x_rows = 0;
    Sha256 x_hash;
    std::string x_sha256;
};

struct WholeBackup {
    std::int64_t rows = 0;
    std::int64_t largest_bytes = 0;  ///< As bytes_of().
    std::string sha256;
    std::vector<std::string> tables;  ///< Their lines.
};
/// Reads to the end: every byte is what was written.
Result<WholeBackup> check_whole(os::FileSystem& files, const std::string& path);

}  // namespace taskstore::store
