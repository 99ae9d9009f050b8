#pragma once
// What a device knows of a move of its own: move-NAME.json in its home, and the lock beside it.

#include <taskstore/os/lock.hpp>
#include <taskstore/store/move.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

namespace taskstore::store {

/// How far a way may have come. Written before the step that it allows, so that a stage that was
/// not reached says for sure that the step was not taken. Stored by name: never rename.
enum class Stage : std::uint8_t {
    none,        ///< Nothing was done, but looking.
    copying,     ///< The target may be marked and hold rows.
    sealing,     ///< The source may be sealed.
    going_live,  ///< The target may be the truth: only it can tell.
    live,        ///< The target is the truth.
    ended,       ///< And the device's config says so.
};

/// A database's way from one place to another.
struct Way {
    sql::Location from;
    sql::Location to;
    std::string mark = {};  ///< Stands in both ends while they are closed.
    std::string id = {};    ///< The database's.
    Stage stage = Stage::none;
    std::int64_t epoch = 0;         ///< With which the target goes live; set before it does.
    std::int64_t source_epoch = 0;  ///< Of what is sealed; 0: an older version wrote this.
};

struct Journal {
    Way way;
    /// What config.toml said before; nothing: it did not say.
    std::optional<std::string> setting_before;
    /// The way back, once one began. Where the target never went live, it has no stage: the source
    /// is only opened again.
    std::optional<Way> back;

    bool ended() const { return way.stage == Stage::ended && !back; }
    /// The one that goes on: the way back, once that has begun to copy.
    const Way& going() const { return back && back->stage != Stage::none ? *back : way; }
};

/// Files in the home are where the home is now, if it has got another name since.
Result<std::optional<Journal>> read_journal(os::FileSystem& files, const std::string& home,
                                            DatabaseName name);
/// The largest epoch that a move of this device may bring a place to life with, though no place
/// says so yet; 0: there is no journal.
Result<std::int64_t> planned_epoch(os::FileSystem& files, const std::string& home,
                                   DatabaseName name);
/// Whether a move of this device led to the place, or one that has not ended is from or to it: then
/// the database was there, and is not made anew where it is not. Also by the name that the place
/// had before the home was renamed.
Result<bool> is_named_by_move(os::FileSystem& files, const std::string& home, DatabaseName name,
                              const sql::Location& location);
/// Durable when it returns; mode 0600.
Status write_journal(os::FileSystem& files, const std::string& home, DatabaseName name,
                     const Journal& journal);
Status forget_journal(os::FileSystem& files, const std::string& home, DatabaseName name);

/// Held while a device moves or restores one of its databases.
class TransferLock {
  public:
    /// conflict: another process of this device is at it; says which.
    static Result<TransferLock> take(os::FileSystem& files, const std::string& home,
                                     DatabaseName name);

  private:
    TransferLock(std::unique_ptr<os::FileLock> lock, os::FileLock::Guard guard)
        : x_lock(std::move(lock)), x_guard(std::move(guard)) {}
    std::unique_ptr<os::FileLock> x_lock;
    os::FileLock::Guard x_guard;
};

}  // namespace taskstore::store
