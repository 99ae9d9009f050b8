#include "vfs.hpp"

#include <taskstore/base/check.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>
#include <thread>
#include <utility>

namespace taskstore::sqlite {
namespace {

constexpr int kPathBytesMax = 4'096;
constexpr std::uint32_t kFilePermissions = 0600;
/// Julian days in ms at the Unix epoch.
constexpr std::int64_t kUnixEpochJulianMs = 210'866'760'000'000;

/// Where a name is not given SQLite wants a file for itself alone, gone when closed.
class MemoryFile final : public os::File {
  public:
    Result<std::size_t> read_at(std::int64_t offset, char* out, std::size_t bytes) override {
        const auto start = static_cast<std::size_t>(offset);
        if (start >= x_content.size()) return std::size_t{0};
        const std::size_t count = std::min(bytes, x_content.size() - start);
        std::memcpy(out, x_content.data() + start, count);
        return count;
    }
    Status write_at(std::int64_t offset, std::string_view bytes) override {
        const auto start = static_cast<std::size_t>(offset);
        if (x_content.size() < start + bytes.size()) x_content.resize(start + bytes.size());
        std::memcpy(x_content.data() + start, bytes.data(), bytes.size());
        return ok();
    }
    Status append(std::string_view bytes, std::size_t& written) override {
        x_content += bytes;
        written = bytes.size();
        return ok();
    }
    Status truncate(std::int64_t size) override {
        x_content.resize(static_cast<std::size_t>(size));
        return ok();
    }
    Status sync_data() override { return ok(); }
    Result<os::FileInfo> info() override {
        os::FileInfo info;
        info.identity.size = static_cast<std::int64_t>(x_content.size());
        return info;
    }
    Status set_mtime_ns(std::int64_t /*mtime_ns*/) override { return ok(); }
    Status lock_exclusive() override { return ok(); }
    Status lock_within(const os::LockWait&) override { return ok(); }
    Result<bool> try_lock_exclusive() override { return true; }
    void unlock() override {}

  private:
    std::string x_content;
};

struct OpenFile {
    Vfs* vfs = nullptr;
    std::unique_ptr<os::File> file;
    std::string path;
    std::shared_ptr<DatabaseLocks> locks;  ///< Of the main database only.
    LockHolder holder;
    bool joined_index = false;
    bool name_is_new = false;  ///< The folder must be flushed with the first flush of the content.
    bool delete_on_close = false;
};

/// What SQLite allocates for us: its own part, and ours.
struct EngineFile {
    sqlite3_file base;
    OpenFile* open;
};

OpenFile& file_of(sqlite3_file* file) {
    return *reinterpret_cast<EngineFile*>(file)->open;
}
Vfs& vfs_of(sqlite3_vfs* vfs) {
    return *static_cast<Vfs*>(vfs->pAppData);
}

int failed(Vfs& vfs, const Error& error, int result) {
    vfs.note_failure(error.native);
    return result;
}

int failed_write(Vfs& vfs, const Error& error, int result) {
    return failed(vfs, error,
                  error.native == ENOSPC || error.native == EDQUOT ? SQLITE_FULL : result);
}

// --- one file
// ---------------------------------------------------------------------------------------------

int close_file(sqlite3_file* file) {
    OpenFile* const open = std::exchange(reinterpret_cast<EngineFile*>(file)->open, nullptr);
    if (open->locks != nullptr) open->locks->unlock(open->holder, SQLITE_LOCK_NONE);
    open->locks.reset();  // Before the file's numbers may go to another one.
    open->file.reset();
    if (open->delete_on_close) static_cast<void>(open->vfs->files().unlink(open->path));
    delete open;
    return SQLITE_OK;
}

int read_file(sqlite3_file* file, void* out, int bytes, sqlite3_int64 offset) {
    OpenFile& open = file_of(file);
    auto* const start = static_cast<char*>(out);
    const auto asked = static_cast<std::size_t>(bytes);
    const auto count = open.file->read_at(offset, start, asked);
    if (!count) return failed(*open.vfs, count.error(), SQLITE_IOERR_READ);
    if (*count == asked) return SQLITE_OK;
    std::memset(start + *count, 0, asked - *count);  // SQLite relies on it.
    return SQLITE_IOERR_SHORT_READ;
}

int write_file(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
    OpenFile& open = file_of(file);
    const std::string_view content(static_cast<const char*>(bytes),
                                   static_cast<std::size_t>(count));
    const auto status = open.file->write_at(offset, content);
    return status ? SQLITE_OK : failed_write(*open.vfs, status.error(), SQLITE_IOERR_WRITE);
}

int truncate_file(sqlite3_file* file, sqlite3_int64 size) {
    OpenFile& open = file_of(file);
    const auto status = open.file->truncate(size);
    return status ? SQLITE_OK : failed_write(*open.vfs, status.error(), SQLITE_IOERR_TRUNCATE);
}

int sync_file(sqlite3_file* file, int /*flags*/) {
    OpenFile& open = file_of(file);
    if (const auto status = open.file->sync_data(); !status) {
        return failed_write(*open.vfs, status.error(), SQLITE_IOERR_FSYNC);
    }
    if (!open.name_is_new) return SQLITE_OK;
    if (const auto status = open.vfs->files().sync_directory(os::folder_of(open.path)); !status) {
        return failed(*open.vfs, status.error(), SQLITE_IOERR_DIR_FSYNC);
    }
    open.name_is_new = false;
    return SQLITE_OK;
}

int file_size(sqlite3_file* file, sqlite3_int64* size) {
    OpenFile& open = file_of(file);
    const auto info = open.file->info();
    if (!info) return failed(*open.vfs, info.error(), SQLITE_IOERR_FSTAT);
    *size = info->identity.size;
    return SQLITE_OK;
}

int lock_file(sqlite3_file* file, int level) {
    OpenFile& open = file_of(file);
    return open.locks == nullptr ? SQLITE_OK : open.locks->lock(open.holder, level);
}

int unlock_file(sqlite3_file* file, int level) {
    OpenFile& open = file_of(file);
    if (open.locks != nullptr) open.locks->unlock(open.holder, level);
    return SQLITE_OK;
}

int check_reserved_lock(sqlite3_file* file, int* reserved) {
    OpenFile& open = file_of(file);
    *reserved = open.locks != nullptr && open.locks->reserved() ? 1 : 0;
    return SQLITE_OK;
}

/// Whether another file, or none, has the name of this one. SQLite asks before it changes or takes
/// away the journals that lie beside the name: they are the other file's.
bool has_moved(OpenFile& open) {
    const auto ours = open.file->info();
    const auto there = open.vfs->files().info(open.path);
    if (!ours || (!there && there.error().code != Code::not_found)) return false;
    return !there || there->identity.inode != ours->identity.inode ||
           there->identity.device != ours->identity.device;
}

int control_file(sqlite3_file* file, int operation, void* argument) {
    OpenFile& open = file_of(file);
    if (operation != SQLITE_FCNTL_HAS_MOVED || open.locks == nullptr) return SQLITE_NOTFOUND;
    *static_cast<int*>(argument) = has_moved(open) ? 1 : 0;
    return SQLITE_OK;
}
int sector_size(sqlite3_file* /*file*/) {
    return 4'096;
}
// As SQLite's own VFS assumes of today's disks: a write that power cuts short harms no byte beside
// it.
int device_characteristics(sqlite3_file* /*file*/) {
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

int map_index(sqlite3_file* file, int region, int bytes, int extend, void volatile** out) {
    OpenFile& open = file_of(file);
    if (!open.joined_index) {
        open.locks->join_index();
        open.joined_index = true;
    }
    open.locks->map_region(static_cast<std::size_t>(region), static_cast<std::size_t>(bytes),
                           extend != 0, out);
    return SQLITE_OK;
}

int lock_index(sqlite3_file* file, int offset, int count, int flags) {
    OpenFile& open = file_of(file);
    const unsigned mask = ((1U << count) - 1U) << offset;
    if ((flags & SQLITE_SHM_UNLOCK) != 0) {
        open.locks->unlock_index(open.holder, mask);
        return SQLITE_OK;
    }
    return open.locks->lock_index(open.holder, mask, (flags & SQLITE_SHM_EXCLUSIVE) != 0);
}

void index_barrier(sqlite3_file* file) {
    file_of(file).locks->barrier();
}

int unmap_index(sqlite3_file* file, int /*delete_it*/) {
    OpenFile& open = file_of(file);
    if (!std::exchange(open.joined_index, false)) return SQLITE_OK;
    open.locks->leave_index(open.holder);
    return SQLITE_OK;
}

int fetch(sqlite3_file* /*file*/, sqlite3_int64 /*offset*/, int /*bytes*/, void** page) {
    *page = nullptr;
    return SQLITE_OK;
}
int unfetch(sqlite3_file* /*file*/, sqlite3_int64 /*offset*/, void* /*page*/) {
    return SQLITE_OK;
}

constexpr sqlite3_io_methods kMethods{3,
                                      close_file,
                                      read_file,
                                      write_file,
                                      truncate_file,
                                      sync_file,
                                      file_size,
                                      lock_file,
                                      unlock_file,
                                      check_reserved_lock,
                                      control_file,
                                      sector_size,
                                      device_characteristics,
                                      map_index,
                                      lock_index,
                                      index_barrier,
                                      unmap_index,
                                      fetch,
                                      unfetch};

// --- the file system
// --------------------------------------------------------------------------------------

os::OpenMode mode_of(int flags) {
    if ((flags & SQLITE_OPEN_READONLY) != 0) return os::OpenMode::read;
    if ((flags & SQLITE_OPEN_CREATE) == 0) return os::OpenMode::read_write;
    return (flags & SQLITE_OPEN_EXCLUSIVE) != 0 ? os::OpenMode::create_new : os::OpenMode::create;
}

/// Opens what `flags` ask for; read-only where writing is not permitted, as SQLite expects of a
/// VFS.
Result<std::unique_ptr<os::File>> open_as_asked(os::FileSystem& files, const std::string& path,
                                                int flags, int* granted) {
    *granted = flags;
    auto file = files.open(path, mode_of(flags), kFilePermissions);
    if (file || file.error().code != Code::denied || (flags & SQLITE_OPEN_READWRITE) == 0)
        return file;
    auto for_reading = files.open(path, os::OpenMode::read);
    if (!for_reading) return file;
    *granted = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
    return for_reading;
}

int open_file(sqlite3_vfs* engine_vfs, const char* name, sqlite3_file* file, int flags,
              int* out_flags) {
    Vfs& vfs = vfs_of(engine_vfs);
    auto* const engine_file = reinterpret_cast<EngineFile*>(file);
    engine_file->base.pMethods = nullptr;  // Not to be closed, should we fail.
    auto open = std::make_unique<OpenFile>();
    open->vfs = &vfs;
    int granted = flags;
    if (name == nullptr) {
        open->file = std::make_unique<MemoryFile>();
    } else {
        open->path = name;
        constexpr int kJournals =
            SQLITE_OPEN_MAIN_JOURNAL | SQLITE_OPEN_SUPER_JOURNAL | SQLITE_OPEN_WAL;
        // Also where the name is there already: whoever made it may have died before flushing it.
        open->name_is_new = (flags & kJournals) != 0 && (flags & SQLITE_OPEN_CREATE) != 0;
        auto opened = open_as_asked(vfs.files(), open->path, flags, &granted);
        if (!opened) return failed(vfs, opened.error(), SQLITE_CANTOPEN);
        open->file = std::move(*opened);
        open->delete_on_close = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
        if ((flags & SQLITE_OPEN_MAIN_DB) != 0) {
            const auto info = open->file->info();
            if (!info) return failed(vfs, info.error(), SQLITE_CANTOPEN);
            open->locks = vfs.locks().of(info->identity);
        }
    }
    engine_file->open = open.release();
    engine_file->base.pMethods = &kMethods;
    if (out_flags != nullptr) *out_flags = granted;
    return SQLITE_OK;
}

int delete_file(sqlite3_vfs* engine_vfs, const char* name, int sync_folder) {
    Vfs& vfs = vfs_of(engine_vfs);
    if (const auto status = vfs.files().unlink(name); !status) {
        const bool absent = status.error().code == Code::not_found;
        return failed(vfs, status.error(),
                      absent ? SQLITE_IOERR_DELETE_NOENT : SQLITE_IOERR_DELETE);
    }
    if (sync_folder == 0) return SQLITE_OK;
    const auto status = vfs.files().sync_directory(os::folder_of(name));
    return status ? SQLITE_OK : failed(vfs, status.error(), SQLITE_IOERR_DIR_FSYNC);
}

int access_file(sqlite3_vfs* engine_vfs, const char* name, int flags, int* answer) {
    Vfs& vfs = vfs_of(engine_vfs);
    const auto info = vfs.files().info(name);
    if (!info && info.error().code != Code::not_found) {
        return failed(vfs, info.error(), SQLITE_IOERR_ACCESS);
    }
    // An empty journal is as good as none: SQLite's own VFS says so too.
    const bool exists = info && (info->kind != os::FileKind::regular || info->identity.size > 0);
    *answer = flags == SQLITE_ACCESS_EXISTS ? exists : info.has_value();
    return SQLITE_OK;
}

int full_pathname(sqlite3_vfs* /*vfs*/, const char* name, int bytes, char* out) {
    const std::size_t length = std::strlen(name);
    if (length + 1 > static_cast<std::size_t>(bytes)) return SQLITE_CANTOPEN;
    std::memcpy(out, name, length + 1);
    return SQLITE_OK;
}

void* open_library(sqlite3_vfs* /*vfs*/, const char* /*name*/) {
    return nullptr;
}
void library_error(sqlite3_vfs* /*vfs*/, int bytes, char* out) {
    sqlite3_snprintf(bytes, out, "loadable extensions are not supported");
}
void (*find_symbol(sqlite3_vfs* /*vfs*/, void* /*library*/, const char* /*name*/))() {
    return nullptr;
}
void close_library(sqlite3_vfs* /*vfs*/, void* /*library*/) {}

// SQLite seeds its one generator, also for the salts of WALs, from its default VFS; this is never
// asked.
int randomness(sqlite3_vfs* /*vfs*/, int /*bytes*/, char* /*out*/) {
    return 0;
}

int sleep_us(sqlite3_vfs* /*vfs*/, int microseconds) {
    std::this_thread::sleep_for(std::chrono::microseconds(microseconds));
    return microseconds;
}

int current_time_ms(sqlite3_vfs* vfs, sqlite3_int64* julian_ms) {
    *julian_ms = kUnixEpochJulianMs + vfs_of(vfs).wall_ms();
    return SQLITE_OK;
}

int current_time(sqlite3_vfs* vfs, double* julian_days) {
    sqlite3_int64 julian_ms = 0;
    current_time_ms(vfs, &julian_ms);
    *julian_days = static_cast<double>(julian_ms) / 86'400'000.0;
    return SQLITE_OK;
}

int last_error(sqlite3_vfs* vfs, int /*bytes*/, char* /*out*/) {
    return vfs_of(vfs).last_errno();
}

std::atomic<int> instances{0};

}  // namespace

Vfs::Vfs(os::FileSystem& files, const Clock* clock) : x_files(files), x_clock(clock) {
    x_name = "taskstore-" + std::to_string(instances.fetch_add(1) + 1);
    x_vfs.iVersion = 2;
    x_vfs.szOsFile = static_cast<int>(sizeof(EngineFile));
    x_vfs.mxPathname = kPathBytesMax;
    x_vfs.zName = x_name.c_str();
    x_vfs.pAppData = this;
    x_vfs.xOpen = open_file;
    x_vfs.xDelete = delete_file;
    x_vfs.xAccess = access_file;
    x_vfs.xFullPathname = full_pathname;
    x_vfs.xDlOpen = open_library;
    x_vfs.xDlError = library_error;
    x_vfs.xDlSym = find_symbol;
    x_vfs.xDlClose = close_library;
    x_vfs.xRandomness = randomness;
    x_vfs.xSleep = sleep_us;
    x_vfs.xCurrentTime = current_time;
    x_vfs.xGetLastError = last_error;
    x_vfs.xCurrentTimeInt64 = current_time_ms;
    TASKSTORE_CHECK(sqlite3_vfs_register(&x_vfs, /*makeDflt=*/0) == SQLITE_OK);
}

Vfs::~Vfs() {
    sqlite3_vfs_unregister(&x_vfs);
}

std::int64_t Vfs::wall_ms() const {
    constexpr std::int64_t kFixedMs = 1'700'000'000'000;
    return x_clock != nullptr ? x_clock->wall_ms() : kFixedMs;
}

}  // namespace taskstore::sqlite
