#pragma once
// A SQLite database shared by the threads of a process: group commit for writers, a pool for
// readers (floor 3).

#include <taskstore/base/clock.hpp>
#include <taskstore/sql/database.hpp>
#include <taskstore/sqlite/driver.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

namespace taskstore::sqlite {

struct WriterOptions {
    Driver* driver = nullptr;  ///< Must outlive the database. nullptr: one over the system's files.
    const Clock* clock = nullptr;  ///< Needed: deadlines and the bound below are in its boot_ns().
    std::size_t group_members_max = 256;
    std::int64_t group_ns_max = 5'000'000;  ///< No further member starts after this much work.
    std::size_t idle_readers_max = 4;       ///< Kept open; more are made when more read at once.
    std::function<void()> queued_for_testing =
        {};  ///< Called by write() when its work is in the queue.
};

/// The file beside the database on which writers of different processes queue.
std::string writer_lock_path(const std::string& path);
/// The file beside the database on which those sleep who wait for a topic (os/wake.hpp).
std::string wake_word_path(const std::string& path, std::string_view topic);

/// Opens `path` (making it as `options` say) for write() and read(); see sql::Database.
///
/// write(): the work may run on another caller's thread, and must not use the database itself
/// (invalid). BEGIN, COMMIT, ROLLBACK, ATTACH and pragmas that change the connection are refused
/// inside a work: it fails with `invalid`, alone, even if it ignored the refusal. Statements must
/// not be kept beyond the work. A work that throws fails with `failed`. Success: its commit is
/// durable as options.durability says. outcome_unknown: the commit met an I/O error; read before
/// repeating. timed_out: not started. With options.read_only: denied.
///
/// read(): all statements of the work see one state. Destroying the database while calls run is a
/// bug.
Result<std::unique_ptr<sql::Database>> open_database(const std::string& path,
                                                     const sql::OpenOptions& options,
                                                     const WriterOptions& writer);

}  // namespace taskstore::sqlite
