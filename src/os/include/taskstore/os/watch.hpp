#pragma once
// Waiting for changes in a folder (floor 1): inotify(7) where it can be trusted, else polling, and
// it says which.
//
// Limits. A hint, as every watch: changes through a mapped file are not seen, and after an overflow
// of the kernel's queue the names are unknown. One folder, not what is below it.

#include <taskstore/os/file_system.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

namespace taskstore::os {

enum class WatchMode : std::uint8_t {
    automatic,
    polling,  ///< Through the port alone: for file systems of tests, and where inotify misses
              ///< changes.
};

struct FolderChange {
    enum class Kind : std::uint8_t {
        changed,
        timed_out,
        cancelled,
        other,  ///< The descriptor that wait() was given is ready; of the folder nothing was read.
        gone,   ///< The folder was removed, renamed or unmounted: this watch is of no further use.
    };
    Kind kind = Kind::timed_out;
    /// Of the entries that changed, sorted, each once. Empty with `changed`: not known which.
    std::vector<std::string> names;
};

/// Movable; used by one thread at a time. Changes count from open() on, also those between two
/// waits.
class FolderWatch {
  public:
    /// not_found: no such folder. Without inotify (limits of the user reached, a network file
    /// system) it polls.
    static Result<FolderWatch> open(FileSystem& files, const std::string& folder,
                                    WatchMode mode = WatchMode::automatic);
    FolderWatch(FolderWatch&&) noexcept;
    FolderWatch& operator=(FolderWatch&&) noexcept;
    ~FolderWatch();

    /// Why it polls, as a sentence to show, with the cure where known; empty: it does not.
    const std::string& polling_reason() const;

    /// Sleeps until something changes. Changes that are there already come together, at once. When
    /// polling, it looks every 10 ms at first, in the end every second. After an error it may be
    /// called again. `also`: a descriptor that ends the wait when it is readable; -1: none.
    Result<FolderChange> wait(std::optional<std::int64_t> timeout_ms,
                              const std::stop_token& cancel = {}, int also = -1);

  private:
    struct State;
    explicit FolderWatch(std::unique_ptr<State> state);
    std::unique_ptr<State> x_state;
};

}  // namespace taskstore::os
