#include "checksums.hpp"
#include "connection.hpp"
#include "vfs.hpp"

#include <taskstore/sqlite/driver.hpp>

#include <mutex>

namespace taskstore::sqlite {
namespace {

// Makes the file where it is absent, so that its mode and the durability of its name are ours.
//
// One at a time in the process: were the new file's descriptor closed while another thread's
// connection to the same file is open already, POSIX would drop that connection's locks.
Status make_if_absent(os::FileSystem& files, const std::string& path) {
    static std::mutex mutex;
    const std::lock_guard lock(mutex);
    const auto info = files.info(path);
    if (info && info->identity.size > 0) return ok();
    if (!info && info.error().code != Code::not_found) return fail(info.error());
    if (!info) {
        const auto file = files.open(path, os::OpenMode::create_new, 0600);
        if (!file && file.error().code != Code::exists) return fail(file.error());
    }
    // Also for an empty one that is there already: its maker may have died before this flush.
    return files.sync_directory(os::folder_of(path));
}

Status must_be_file(os::FileSystem& files, const std::string& path) {
    TASKSTORE_LET(const os::FileInfo info, files.info(path));
    if (info.kind == os::FileKind::regular) return ok();
    return fail(Code::invalid, path + ": not a file, so not a database");
}

/// Whether a journal lies there that must be replayed before the database may be read.
Result<bool> has_journal(os::FileSystem& files, const std::string& path) {
    for (const char* suffix : {"-wal", "-journal"}) {
        const auto info = files.info(path + suffix);
        if (info && info->identity.size > 0) return true;
        if (!info && info.error().code != Code::not_found) return fail(info.error());
    }
    return false;
}

bool cannot_join_wal(const Error& error) {
    const int primary = error.native & 0xff;
    return primary == SQLITE_CANTOPEN || primary == SQLITE_READONLY;
}

}  // namespace

Driver::Driver(os::FileSystem* files, const Clock* clock)
    : x_files(files != nullptr ? files : &x_system_files) {
    if (files != nullptr) x_vfs = std::make_unique<Vfs>(*files, clock);
    x_checksum_vfs = std::make_unique<ChecksumVfs>(x_vfs != nullptr ? x_vfs->name() : nullptr);
}

Driver::~Driver() = default;

Result<std::unique_ptr<sql::Connection>> Driver::connect(const std::string& location,
                                                         const sql::OpenOptions& options) {
    TASKSTORE_LET(auto connection, connect_engine(*this, location, options));
    return std::unique_ptr<sql::Connection>(std::move(connection));
}

Result<std::unique_ptr<EngineConnection>> connect_engine(Driver& driver, const std::string& path,
                                                         const sql::OpenOptions& options) {
    const char* vfs = driver.x_vfs != nullptr ? driver.x_vfs->name() : nullptr;
    if (options.checksums) vfs = driver.x_checksum_vfs->name();
    if (path == ":memory:") return EngineConnection::open(path, options, vfs, /*immutable=*/false);
    os::FileSystem& files = driver.files();
    if (options.create && !options.read_only) TASKSTORE_TRY(make_if_absent(files, path));
    TASKSTORE_TRY(must_be_file(files, path));
    auto connection = EngineConnection::open(path, options, vfs, /*immutable=*/false);
    if (connection || !options.read_only || !cannot_join_wal(connection.error())) return connection;
    TASKSTORE_LET(const bool journal, has_journal(files, path));
    if (journal) {
        return fail(Code::denied, path +
                                      ": its journal holds changes that cannot be read without "
                                      "writing beside the database")
            .with_hint("open it once with the right to write its folder")
            .with_native(connection.error().native);
    }
    return EngineConnection::open(path, options, vfs, /*immutable=*/true);
}

}  // namespace taskstore::sqlite
