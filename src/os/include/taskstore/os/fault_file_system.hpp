#pragma once
// A disk in memory that breaks on demand (floor 1): the second implementation of the port, for the
// tests of every module. It fails the call it is told to fail, and loses power the way a real disk
// may:
//
// clang-format off
//   for (std::size_t n = 0;; ++n) {
//       FaultFileSystem disk;                       // as it was before
//       disk.power_off_after(n);                    // n calls happen, later ones fail
//       const Status status = operation(disk);
//       for (const PowerCut& cut : PowerCut::matrix(20)) {
//           auto after = disk.after_power_cut(cut);  // what a fresh boot could find
//           check_invariants(*after, status);        // acknowledged => all there
//       }
//       if (!disk.power_is_off()) break;             // n is beyond the last call
//   }
// clang-format on
//
// The model. Names and contents have a volatile state, which all calls see, and a durable one.
// - sync_data makes a file's content and size durable, not its name. sync_directory makes all
//   creations, renames and unlinks of that folder durable (a rename between two folders: when
//   either is flushed).
// - At a power cut each unflushed write or truncation is kept, lost, or torn, each by itself, so a
//   later one may survive without an earlier one; the size may be any that the file had since;
//   bytes that were never written out read as zeros.
// - Unflushed operations on names survive as a prefix of their order (as with a journal), or with
//   `any_names` as any subset.
// - Times reach the disk with a flush that also carries a new size, as with fdatasync.
// - After a failed sync_data the bytes count as clean, as on Linux: reads see them, a later flush
//   succeeds without writing them, and a power cut may lose them.
// Not modelled: permissions (fail a call with EACCES instead), symbolic links, other file systems,
// blocks that go bad after a flush.

#include <taskstore/os/file_system.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::os {

enum class Call : std::uint8_t {
    create,  ///< open() that makes a file
    write,
    truncate,
    sync_data,
    set_mtime,
    rename,
    hard_link,
    unlink,
    make_directory,
    remove_directory,
    sync_directory,
    // Reading calls: counted only with FaultOptions::count_reads.
    open,
    read,
    file_info,
    path_info,
    list,
    lock,
    try_lock,
    unlock,
};
std::string_view name_of(Call call);
inline bool is_mutating(Call call) {
    return call < Call::open;
}

enum class FaultKind : std::uint8_t {
    error,        ///< The call fails and does nothing (a failed sync_data: see above).
    error_after,  ///< The call does its work, then reports failure.
    short_write,  ///< A write stores a part, then fails with ENOSPC; other calls as `error` with
                  ///< ENOSPC.
    disk_full,    ///< From there on: as short_write for whatever needs space; the rest works.
    read_only,    ///< From there on: EROFS for every mutating call but the flushes.
};

struct Fault {
    FaultKind kind = FaultKind::error;
    int error = 5;         ///< errno of error and error_after; EIO.
    bool forever = false;  ///< Every matching call from there on, until clear_faults().
    /// Which calls count and fail: all counted ones, or those of one kind and a part of the path.
    std::optional<Call> only{};
    std::string path_part{};
    /// How many bytes a short write stores; half of them unless told.
    std::optional<std::size_t> bytes_kept{};
};

/// Which of the possible states the disk is in after the power cut.
struct PowerCut {
    enum class Kind : std::uint8_t {
        drop_all,  ///< Only what was flushed.
        keep_all,  ///< Everything; also what a killed process leaves behind.
        torn,    ///< All but the last write of each file, of which the first half of the bytes; all
                 ///< names.
        zeroed,  ///< Names and sizes, no unflushed byte: the longest files of zeros.
        random,  ///< By the seed.
    };
    Kind kind = Kind::drop_all;
    std::uint64_t seed = 0;
    bool any_names = false;

    static PowerCut drop_all() { return {Kind::drop_all, 0, false}; }
    static PowerCut keep_all() { return {Kind::keep_all, 0, false}; }
    static PowerCut torn() { return {Kind::torn, 0, false}; }
    static PowerCut zeroed() { return {Kind::zeroed, 0, false}; }
    static PowerCut random(std::uint64_t seed, bool any_names = false) {
        return {Kind::random, seed, any_names};
    }
    /// The four fixed ones, then `seeds` random ones from `first_seed` on, every second with
    /// any_names.
    static std::vector<PowerCut> matrix(std::uint64_t seeds, std::uint64_t first_seed = 1);
    /// For failure messages: "random(17, any_names)".
    std::string text() const;
};

struct FaultOptions {
    bool count_reads = false;
    /// Freed inode numbers are given out again, smallest first, as ext4 does.
    bool reuse_inode_numbers = false;
    bool birth_times = true;  ///< False: btime_ns is 0, as on file systems without.
    std::int64_t now_ns = 1'700'000'000'000'000'000;
    std::int64_t step_ns = 1'000;     ///< How far each mutating call moves the clock.
    std::int64_t granularity_ns = 1;  ///< Times are rounded down to it.
    std::uint32_t owner = 0;          ///< Of every file and folder.
    std::string network_type{};       ///< What network_file_system() says; empty: a local disk.
};

struct CallRecord {
    std::size_t number = 0;  ///< From 1; 0 for a call that is not counted.
    Call call = Call::open;
    std::string path{};
    std::string other_path{};  ///< Where a rename leads, or the second name.
    std::int64_t offset = 0;   ///< Of reads and writes (-1: an append); the size of a truncation.
    std::size_t bytes = 0;
    int error = 0;  ///< errno of its failure, 0 for success.
};

/// Thread-safe, but for the hook and the schedule, which are set while nobody else calls. Files may
/// outlive it. Relative paths are against "/", which is all that exists at first.
class FaultFileSystem final : public FileSystem {
  public:
    explicit FaultFileSystem(FaultOptions options = {});
    ~FaultFileSystem() override;
    FaultFileSystem(const FaultFileSystem&) = delete;
    FaultFileSystem& operator=(const FaultFileSystem&) = delete;

    Result<std::unique_ptr<File>> open(const std::string& path, OpenMode mode,
                                       std::uint32_t permissions = 0644) override;
    Result<FileInfo> info(const std::string& path) override;
    Result<FileInfo> link_info(const std::string& path) override { return info(path); }
    Status rename(const std::string& from, const std::string& to) override;
    Status hard_link(const std::string& from, const std::string& to) override;
    Status unlink(const std::string& path) override;
    Status make_directory(const std::string& path, std::uint32_t permissions = 0755) override;
    Status remove_directory(const std::string& path) override;
    Result<std::vector<std::string>> list(const std::string& path) override;
    Status sync_directory(const std::string& path) override;
    std::optional<std::string> network_file_system(const std::string& path) override;

    // --- faults ---------------------------------------------------------------------------------

    /// Fails the n-th matching call from now (1: the next). Several may be armed.
    void fail_at(std::size_t n, Fault fault = {});
    void clear_faults();
    /// Counted calls so far, failed ones included; those refused because the power is off are not.
    std::size_t calls() const;
    void reset_calls();
    /// The last 4096 calls; each line: number, name, path, range, outcome.
    std::vector<CallRecord> log() const;
    std::string log_text() const;
    /// Runs before each call (not for calls out of the hook itself, which are neither counted nor
    /// failed), in the caller's thread, with no lock held. An empty function removes it.
    void set_hook(std::function<void(const CallRecord&)> hook);

    // --- power ----------------------------------------------------------------------------------

    /// The next n counted calls happen; then the power is off and every call fails with EIO.
    /// Blocked lock calls fail too.
    void power_off_after(std::size_t n);
    bool power_is_off() const;
    /// The disk as the next boot finds it, in a file system of its own (same options, no faults, no
    /// hook). This one is unchanged, so that many outcomes of one run can be looked at.
    std::unique_ptr<FaultFileSystem> after_power_cut(const PowerCut& cut) const;
    /// The same in place: open files are dead (EIO), locks free, faults cleared, the power back on.
    void power_cut(const PowerCut& cut);

    // --- for tests: never counted, failed or logged ---------------------------------------------

    /// A durable new file (or a new one in place of an old one, as git does it), with its folders.
    void put_file(const std::string& path, std::string_view content);
    /// Durably other bytes in the same inode. The file must exist.
    void overwrite_file(const std::string& path, std::string_view content);
    void put_directory(const std::string& path);
    /// Makes everything durable.
    void sync_everything();
    std::optional<std::string> get_file(const std::string& path) const;
    /// One line per file and folder: path, inode, size, escaped beginning of the content.
    std::string tree() const;
    /// One line per unflushed change of a content or a name; empty: a power cut would lose nothing.
    std::string unflushed() const;
    void advance_time_ns(std::int64_t ns);

  private:
    struct Disk;
    class OpenFile;
    explicit FaultFileSystem(std::shared_ptr<Disk> disk);
    std::shared_ptr<Disk> x_disk;
};

}  // namespace taskstore::os
