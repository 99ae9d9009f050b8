// What is on the disk, beyond SQLite's own format (https://sqlite.org/fileformat2.html):
//
//   page     = content(4076) mark(12) hash(8)     the last 20 bytes are SQLite's "reserved" ones
//   hash     = XXH3-64(content mark) xor page number * kPageFactor
//   mark     = salts(8) frames(4)                 on page 1; zeros on the others
//
// A database page is sealed with its hash when it is written to the database file and checked when
// it is read from there. A frame of the WAL is sealed by SQLite itself, with a sum over this and
// all earlier frames, which SQLite looks at only while it recovers a WAL; here it is checked at
// each read of a frame.
//
// The mark is about recovery. It takes the frames up to the first one that does not fit, as a
// crash may leave such. Where a checkpoint has copied later frames into the database already, that
// would mix old pages with new ones, all of them with right checksums. So before a checkpoint
// copies its first page, page 1 gets the salts of the WAL and the number of frames that are going
// to be copied; a WAL with these salts and fewer frames has been damaged.

#include "checksums.hpp"

#include <taskstore/base/check.hpp>
#include <taskstore/base/hash.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <bit>
#include <cstdint>
#include <cstring>
#include <limits>
#include <mutex>
#include <string_view>
#include <vector>

namespace taskstore::sqlite {
namespace {

constexpr int kPageBytes = 4'096;
constexpr int kHashBytes = 8;
constexpr int kMarkBytes = 12;
constexpr int kReservedBytes = kMarkBytes + kHashBytes;
constexpr int kHashAt = kPageBytes - kHashBytes;
constexpr int kMarkAt = kHashAt - kMarkBytes;
constexpr std::uint64_t kPageFactor = 0x9E37'79B9'7F4A'7C15;
/// SQLite reads parts of a page only where it wants the header of the file, of 100 bytes.
constexpr int kPartBytesMax = 100;

// https://sqlite.org/walformat.html
constexpr int kWalHeaderBytes = 32;
constexpr int kFrameHeaderBytes = 24;
constexpr int kFrameBytes = kFrameHeaderBytes + kPageBytes;
constexpr int kSumBytes = 8;
/// SQLite's own VFS takes less than 128 KiB at once (seekAndWriteFd in os_unix.c).
constexpr std::size_t kGatheredBytesMax = 64 * 1'024;
constexpr int kIndexRegionBytes = 32'768;
constexpr std::size_t kIndexHeaderBytes = 48;  ///< There twice; equal while nobody writes it.
constexpr std::size_t kIndexFramesAt = 16;
constexpr std::size_t kIndexSaltsAt = 32;
constexpr std::size_t kIndexBackfillAt = 128;

using Page = std::array<char, kPageBytes>;

struct Mark {
    std::array<char, 8> salts{};
    std::uint32_t frames = 0;
};

/// A file stays the base VFS's own, but for its table of methods: a copy with ours in places, and
/// behind it what ours need.
struct CheckedMethods {
    sqlite3_io_methods methods;  ///< First: a file's pMethods point here.
    const sqlite3_io_methods* base;
    /// Of the database: a WAL has that of its database.
    bool* damaged = nullptr;

    // Of the database. Once a page was wrong nothing more is read or written: also damage that only
    // a checkpoint has met, whose errors SQLite keeps to itself, must come out.
    bool trusted = false;
    bool was_damaged = false;
    bool in_checkpoint = false;
    bool marked = false;
    bool has_index = false;
    Mark mark{};
    CheckedMethods* wal = nullptr;

    // Of the WAL.
    CheckedMethods* of_database = nullptr;
    // A page that a transaction writes a second time goes into its first frame, and
    // SQLite mends the sums from there on not before the commit.
    std::uint32_t header_written = 0;
    std::uint32_t unsummed_from = std::numeric_limits<std::uint32_t>::max();
    /// SQLite writes each frame of a transaction in two pieces; they go to the file together, at
    /// the latest with the frame that commits.
    std::vector<char> gathered;
    sqlite3_int64 gathered_at = 0;
    int failed = SQLITE_OK;        ///< Of writing them, until the right to write is let go of.
    bool commits = false;          ///< The last header gathered is of a commit: its page ends it.
    std::uint32_t last_frame = 0;  ///< Of the transaction; what comes before it is written again.
};

CheckedMethods& checked(sqlite3_file* file) {
    return *reinterpret_cast<CheckedMethods*>(const_cast<sqlite3_io_methods*>(file->pMethods));
}

int damaged(CheckedMethods& state) {
    *state.damaged = true;
    return SQLITE_IOERR_DATA;
}

// --- the database file
// ------------------------------------------------------------------------------------------

std::uint64_t hash_of(const char* page, std::uint64_t number) {
    return xxh3_64(std::string_view(page, kHashAt)) ^ (number * kPageFactor);
}

bool is_sealed(const char* page, std::uint64_t number) {
    std::uint64_t hash = 0;
    std::memcpy(&hash, page + kHashAt, sizeof hash);
    return hash == hash_of(page, number);
}

void seal(Page& page, std::uint64_t number, const Mark& mark) {
    std::memcpy(page.data() + kMarkAt, mark.salts.data(), mark.salts.size());
    std::memcpy(page.data() + kMarkAt + mark.salts.size(), &mark.frames, sizeof mark.frames);
    const std::uint64_t hash = hash_of(page.data(), number);
    std::memcpy(page.data() + kHashAt, &hash, sizeof hash);
}

Mark mark_of(const char* page) {
    Mark mark;
    std::memcpy(mark.salts.data(), page + kMarkAt, mark.salts.size());
    std::memcpy(&mark.frames, page + kMarkAt + mark.salts.size(), sizeof mark.frames);
    return mark;
}

int read_sealed(sqlite3_file* file, char* page, sqlite3_int64 offset) {
    // Page 1 gets its mark while others may be reading it, so a page that is half new is looked at
    // again.
    constexpr int kAttempts = 8;
    CheckedMethods& state = checked(file);
    const std::uint64_t number = static_cast<std::uint64_t>(offset / kPageBytes) + 1;
    for (int attempt = 0; attempt < (number == 1 ? kAttempts : 1); ++attempt) {
        const int result = state.base->xRead(file, page, kPageBytes, offset);
        if (result == SQLITE_IOERR_SHORT_READ) break;  // The file was cut.
        if (result != SQLITE_OK) return result;
        if (is_sealed(page, number)) return SQLITE_OK;
    }
    return damaged(state);
}

int read_database(sqlite3_file* file, void* out, int bytes, sqlite3_int64 offset) {
    CheckedMethods& state = checked(file);
    if (*state.damaged) return SQLITE_IOERR_DATA;
    if (state.trusted || bytes <= kPartBytesMax) return state.base->xRead(file, out, bytes, offset);
    if (bytes != kPageBytes || offset % kPageBytes != 0) return damaged(state);
    return read_sealed(file, static_cast<char*>(out), offset);
}

/// The WAL index is a file that is opened by its name, with the first region of it. If another
/// database has been given the name of ours since, the index is that one's: and POSIX locks do not
/// tell a process from itself, so SQLite would cut it off under the feet of the connections that
/// this process has there (SIGBUS). So no index is opened for a database that has lost its name;
/// one mutex for the process keeps others from opening one between the looks.
int map_index(sqlite3_file* file, int region, int bytes, int extend, void volatile** out) {
    CheckedMethods& state = checked(file);
    if (state.has_index) return state.base->xShmMap(file, region, bytes, extend, out);
    const auto has_moved = [&] {
        int moved = 0;
        return state.base->xFileControl(file, SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
               moved != 0;
    };
    static std::mutex opening;
    const std::lock_guard guard(opening);
    *out = nullptr;
    if (has_moved()) return SQLITE_CANTOPEN;
    const int result = state.base->xShmMap(file, region, bytes, extend, out);
    if (has_moved()) {
        *out = nullptr;
        state.base->xShmUnmap(file, /*deleteFlag=*/0);
        return SQLITE_CANTOPEN;
    }
    state.has_index = result == SQLITE_OK;
    return result;
}

int unmap_index(sqlite3_file* file, int delete_it) {
    CheckedMethods& state = checked(file);
    state.has_index = false;
    return state.base->xShmUnmap(file, delete_it);
}

/// The first region of the WAL index, where this connection uses one.
const volatile char* wal_index(sqlite3_file* file) {
    void volatile* region = nullptr;
    const auto& base = *checked(file).base;
    if (base.iVersion < 2 || base.xShmMap == nullptr ||
        map_index(file, 0, kIndexRegionBytes, /*extend=*/0, &region) != SQLITE_OK)
        return nullptr;
    return static_cast<const volatile char*>(region);
}

void copy_out(const volatile char* from, char* to, std::size_t bytes) {
    for (std::size_t i = 0; i < bytes; ++i) to[i] = from[i];
}

/// What the WAL index says is in the WAL.
bool read_index(sqlite3_file* file, const volatile char* index, Mark* wal) {
    const CheckedMethods& state = checked(file);
    constexpr int kAttempts = 1'000;
    std::array<char, 2 * kIndexHeaderBytes> headers{};
    for (int attempt = 0; attempt < kAttempts; ++attempt) {
        // Whoever changes it writes the second header first.
        copy_out(index, headers.data(), kIndexHeaderBytes);
        state.base->xShmBarrier(file);
        copy_out(index + kIndexHeaderBytes, headers.data() + kIndexHeaderBytes, kIndexHeaderBytes);
        if (std::memcmp(headers.data(), headers.data() + kIndexHeaderBytes, kIndexHeaderBytes) != 0)
            continue;
        std::memcpy(wal->salts.data(), headers.data() + kIndexSaltsAt, wal->salts.size());
        std::memcpy(&wal->frames, headers.data() + kIndexFramesAt, sizeof wal->frames);
        return true;
    }
    return false;
}

/// At the first page of a checkpoint: what the mark is to say, and page 1 with it on the disk.
int mark_checkpoint(sqlite3_file* file, bool page_one_follows) {
    CheckedMethods& state = checked(file);
    const volatile char* const index = wal_index(file);
    if (index == nullptr || !read_index(file, index, &state.mark)) return SQLITE_IOERR;
    copy_out(index + kIndexBackfillAt, reinterpret_cast<char*>(&state.mark.frames),
             sizeof state.mark.frames);
    state.marked = true;
    if (page_one_follows) return SQLITE_OK;
    Page page{};
    if (const int result = read_sealed(file, page.data(), 0); result != SQLITE_OK) return result;
    seal(page, 1, state.mark);
    return state.base->xWrite(file, page.data(), kPageBytes, 0);
}

int write_database(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
    CheckedMethods& state = checked(file);
    if (*state.damaged) return SQLITE_IOERR_DATA;
    if (count != kPageBytes || offset % kPageBytes != 0)
        return state.base->xWrite(file, bytes, count, offset);
    const std::uint64_t number = static_cast<std::uint64_t>(offset / kPageBytes) + 1;
    if (state.in_checkpoint && !state.marked) {
        const int result = mark_checkpoint(file, number == 1);
        if (result != SQLITE_OK) return result;
    }
    Page page;
    std::memcpy(page.data(), bytes, kPageBytes);
    seal(page, number, number == 1 && state.in_checkpoint ? state.mark : Mark{});
    return state.base->xWrite(file, page.data(), kPageBytes, offset);
}

int control_database(sqlite3_file* file, int operation, void* argument) {
    CheckedMethods& state = checked(file);
    if (operation == SQLITE_FCNTL_CKPT_START) {
        state.in_checkpoint = true;
        state.marked = false;
    }
    if (operation == SQLITE_FCNTL_CKPT_DONE) state.in_checkpoint = false;
    return state.base->xFileControl(file, operation, argument);
}

/// Whoever lets go of the right to write without a commit leaves frames that count for nothing, in
/// a place where the next writer's go.
int lock_index(sqlite3_file* file, int first, int count, int flags) {
    constexpr int kWriteLock = 0;
    CheckedMethods& state = checked(file);
    if (first == kWriteLock && (flags & SQLITE_SHM_UNLOCK) != 0 && state.wal != nullptr) {
        state.wal->gathered.clear();
        state.wal->failed = SQLITE_OK;
        state.wal->last_frame = 0;
        // A commit has mended the sums; without one the frames count for nothing.
        state.wal->unsummed_from = std::numeric_limits<std::uint32_t>::max();
    }
    return state.base->xShmLock(file, first, count, flags);
}

// --- the WAL
// ------------------------------------------------------------------------------------------------

sqlite3_int64 frame_at(std::uint32_t frame) {
    return kWalHeaderBytes + static_cast<sqlite3_int64>(frame - 1) * kFrameBytes;
}

/// The frame whose part of `part_at` bytes after its start is at `offset`, from 1; 0: none.
std::uint32_t frame_of(sqlite3_int64 offset, int part_at) {
    const sqlite3_int64 start = offset - kWalHeaderBytes - part_at;
    if (start < 0 || start % kFrameBytes != 0) return 0;
    return static_cast<std::uint32_t>(start / kFrameBytes) + 1;
}

struct Sum {
    std::uint32_t first = 0;
    std::uint32_t second = 0;
    bool operator==(const Sum&) const = default;

    void add(const char* bytes, int count) {
        for (int i = 0; i < count; i += kSumBytes) {
            std::array<std::uint32_t, 2> words;
            std::memcpy(words.data(), bytes + i, sizeof words);
            first += words[0] + second;
            second += words[1] + first;
        }
    }
};

/// Sums are stored with their high bytes first, and made of words in the machine's own order: a
/// WAL from a machine of the other order does not fit, and its database is built again.
Sum stored_sum(const char* bytes) {
    Sum sum;
    std::memcpy(&sum.first, bytes, sizeof sum.first);
    std::memcpy(&sum.second, bytes + sizeof sum.first, sizeof sum.second);
    if constexpr (std::endian::native == std::endian::little)
        return {__builtin_bswap32(sum.first), __builtin_bswap32(sum.second)};
    return sum;
}

int write_gathered(sqlite3_file* file) {
    CheckedMethods& state = checked(file);
    state.commits = false;
    if (state.gathered.empty() || state.failed != SQLITE_OK) return state.failed;
    // SQLite believes these frames to be written: whatever it does next in this transaction fails
    // too.
    state.failed = state.base->xWrite(file, state.gathered.data(),
                                      static_cast<int>(state.gathered.size()), state.gathered_at);
    state.gathered.clear();
    return state.failed;
}

int read_wal(sqlite3_file* file, void* out, int bytes, sqlite3_int64 offset) {
    CheckedMethods& state = checked(file);
    if (*state.damaged) return SQLITE_IOERR_DATA;
    if (const int result = write_gathered(file); result != SQLITE_OK) return result;
    const std::uint32_t frame = bytes == kPageBytes ? frame_of(offset, kFrameHeaderBytes) : 0;
    if (frame == 0) return state.base->xRead(file, out, bytes, offset);

    // Both the WAL's header and a frame's end in the sum. One read from there on costs less than
    // three, though the page before comes along.
    const sqlite3_int64 before_at =
        (frame == 1 ? kWalHeaderBytes : frame_at(frame - 1) + kFrameHeaderBytes) - kSumBytes;
    const auto header_at = static_cast<std::size_t>(frame_at(frame) - before_at);
    std::array<char, kSumBytes + kPageBytes + kFrameBytes> around;
    const auto count = static_cast<int>(header_at) + kFrameBytes;
    const int result = state.base->xRead(file, around.data(), count, before_at);
    if (result != SQLITE_OK) return result == SQLITE_IOERR_SHORT_READ ? damaged(state) : result;
    const char* const header = around.data() + header_at;
    const char* const page = header + kFrameHeaderBytes;
    std::memcpy(out, page, kPageBytes);
    if (frame >= state.unsummed_from) return SQLITE_OK;
    Sum sum = stored_sum(around.data());
    sum.add(header, kSumBytes);
    sum.add(page, kPageBytes);
    return sum == stored_sum(header + kFrameHeaderBytes - kSumBytes) ? SQLITE_OK : damaged(state);
}

int write_wal(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
    CheckedMethods& state = checked(file);
    if (*state.damaged) return SQLITE_IOERR_DATA;
    if (count == kFrameHeaderBytes) {
        const std::uint32_t frame = frame_of(offset, 0);
        state.header_written = frame;
        if (frame == state.unsummed_from)
            state.unsummed_from = std::numeric_limits<std::uint32_t>::max();
    } else if (const std::uint32_t frame = frame_of(offset, kFrameHeaderBytes);
               frame != 0 && frame != state.header_written) {
        state.unsummed_from = std::min(state.unsummed_from, frame);
    }
    const auto* const piece = static_cast<const char*>(bytes);
    const bool follows =
        offset == state.gathered_at + static_cast<sqlite3_int64>(state.gathered.size());
    if (state.gathered.empty() || !follows || state.gathered.size() >= kGatheredBytesMax) {
        if (const int result = write_gathered(file); result != SQLITE_OK) return result;
        // A new frame begins with its header. A piece by itself is one that is written again: a
        // page, or a header whose sum changes with that.
        const std::uint32_t frame = count == kFrameHeaderBytes ? frame_of(offset, 0) : 0;
        if (frame <= state.last_frame) return state.base->xWrite(file, bytes, count, offset);
        state.gathered_at = offset;
    }
    state.gathered.insert(state.gathered.end(), piece, piece + count);
    if (count == kFrameHeaderBytes) {
        state.last_frame = frame_of(offset, 0);
        // "For commit records, the size of the database file in pages after the commit."
        constexpr int kCommitAt = 4;
        state.commits = std::any_of(piece + kCommitAt, piece + 2 * kCommitAt,
                                    [](char byte) { return byte != 0; });
        return SQLITE_OK;
    }
    return state.commits ? write_gathered(file) : SQLITE_OK;
}

int truncate_wal(sqlite3_file* file, sqlite3_int64 size) {
    if (const int result = write_gathered(file); result != SQLITE_OK) return result;
    return checked(file).base->xTruncate(file, size);
}

int sync_wal(sqlite3_file* file, int flags) {
    if (const int result = write_gathered(file); result != SQLITE_OK) return result;
    return checked(file).base->xSync(file, flags);
}

int size_of_wal(sqlite3_file* file, sqlite3_int64* size) {
    if (const int result = write_gathered(file); result != SQLITE_OK) return result;
    return checked(file).base->xFileSize(file, size);
}

// --- the VFS
// ------------------------------------------------------------------------------------------------

int close_file(sqlite3_file* file) {
    CheckedMethods* const state = &checked(file);
    if (state->of_database != nullptr) state->of_database->wal = nullptr;
    file->pMethods = state->base;
    delete state;
    return file->pMethods->xClose(file);
}

int open_file(sqlite3_vfs* vfs, const char* name, sqlite3_file* file, int flags, int* out_flags) {
    sqlite3_vfs* const base = reinterpret_cast<ChecksumVfs::Registered*>(vfs)->base;
    const int result = base->xOpen(base, name, file, flags, out_flags);
    const bool database = (flags & SQLITE_OPEN_MAIN_DB) != 0;
    if (result != SQLITE_OK || (!database && (flags & SQLITE_OPEN_WAL) == 0)) return result;
    auto* const state = new CheckedMethods{.methods = *file->pMethods, .base = file->pMethods};
    state->methods.xClose = close_file;
    state->methods.xRead = database ? read_database : read_wal;
    state->methods.xWrite = database ? write_database : write_wal;
    if (database) {
        state->methods.xFileControl = control_database;
        state->methods.xShmLock = lock_index;
        if (state->base->iVersion >= 2 && state->base->xShmMap != nullptr) {
            state->methods.xShmMap = map_index;
            state->methods.xShmUnmap = unmap_index;
        }
        state->damaged = &state->was_damaged;
    } else {
        state->methods.xTruncate = truncate_wal;
        state->methods.xSync = sync_wal;
        state->methods.xFileSize = size_of_wal;
        state->of_database = &checked(sqlite3_database_file_object(name));
        state->of_database->wal = state;
        state->damaged = state->of_database->damaged;
    }
    // Mapped pages would be seen by nobody here, and a file cut short would kill the process.
    state->methods.iVersion = std::min(state->methods.iVersion, 2);
    file->pMethods = &state->methods;
    return result;
}

sqlite3_file* main_file(sqlite3* db) {
    sqlite3_file* file = nullptr;
    sqlite3_file_control(db, "main", SQLITE_FCNTL_FILE_POINTER, static_cast<void*>(&file));
    TASKSTORE_CHECK(file != nullptr && file->pMethods != nullptr &&
                    file->pMethods->xRead == read_database);
    return file;
}

std::atomic<int> instances{0};

}  // namespace

ChecksumVfs::ChecksumVfs(const char* base)
    : x_name("taskstore-checked-" + std::to_string(instances.fetch_add(1) + 1)) {
    sqlite3_vfs* const found = sqlite3_vfs_find(base);
    TASKSTORE_CHECK(found != nullptr);
    x_registered = {*found, found};
    x_registered.vfs.pNext = nullptr;
    x_registered.vfs.zName = x_name.c_str();
    x_registered.vfs.xOpen = open_file;
    TASKSTORE_CHECK(sqlite3_vfs_register(&x_registered.vfs, /*makeDflt=*/0) == SQLITE_OK);
}

ChecksumVfs::~ChecksumVfs() {
    sqlite3_vfs_unregister(&x_registered.vfs);
}

int reserve_checksums(sqlite3* db) {
    int bytes = kReservedBytes;
    const int result = sqlite3_exec(db, "PRAGMA page_size=4096", nullptr, nullptr, nullptr);
    if (result != SQLITE_OK) return result;
    return sqlite3_file_control(db, "main", SQLITE_FCNTL_RESERVE_BYTES, &bytes);
}

void trust_pages(sqlite3* db) {
    checked(main_file(db)).trusted = true;
}

int check_wal_is_whole(sqlite3* db) {
    // 1: rollback journal, 2: WAL (the "file format read version").
    constexpr std::size_t kVersionAt = 19;
    constexpr char kVersionWal = 2;
    sqlite3_file* const file = main_file(db);
    sqlite3_int64 size = 0;
    if (checked(file).base->xFileSize(file, &size) != SQLITE_OK || size == 0) return SQLITE_OK;
    Page page{};
    if (const int result = read_database(file, page.data(), kPageBytes, 0); result != SQLITE_OK)
        return result;
    if (page[kVersionAt] != kVersionWal) return SQLITE_OK;
    // The mark before the index: the other way round a checkpoint in between would look like
    // damage.
    const Mark mark = mark_of(page.data());
    Mark wal;
    const volatile char* const index = wal_index(file);
    if (index == nullptr || !read_index(file, index, &wal)) return SQLITE_OK;
    return wal.salts == mark.salts && wal.frames < mark.frames ? damaged(checked(file)) : SQLITE_OK;
}

}  // namespace taskstore::sqlite
