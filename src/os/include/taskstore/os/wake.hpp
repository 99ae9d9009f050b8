#pragma once
// The wake-up word (floor 1): a counter in a small mapped file on which processes of one host sleep
// without polling, woken by whoever committed something (futex(2), shared between processes).
//
//   std::uint64_t seen = word.value();      // before looking at the data, or a change in between
//   is missed while (!there_is_work()) {
//       word.wait(seen, 2000);
//       seen = word.value();
//   }
//
// Limits. A hint, never the truth: it may wake for nothing, and a writer that is killed between its
// commit and wake() wakes nobody, so waiters look again after a while (2 s). One host only: on NFS
// the word is not shared. The file is never truncated by taskstore; if somebody else cuts it to
// nothing while it is mapped, the next access kills the process (SIGBUS). Deleted or replaced, it
// goes on working between those that have it open: wake() reaches the new file as well, and waiters
// of the old one notice within 2 s and return. 2^32 wake-ups between value() and wait() go
// unnoticed.

#include <taskstore/base/result.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

namespace taskstore::os {

enum class WakeReason : std::uint8_t {
    changed,  ///< The value is another one than `seen`, or the file was replaced.
    timed_out,
    cancelled,
    interrupted,  ///< A signal handler without SA_RESTART ran in this thread.
};

/// Thread-safe. Movable; moved from, it may only be destroyed or assigned to.
class WakeWord {
  public:
    /// Maps the file, which is made when absent. Errors as FileSystem::open; full disk: failed
    /// (ENOSPC), since a mapped file without space behind it would kill the process.
    static Result<WakeWord> open(const std::string& path, std::uint32_t permissions = 0600);
    /// Without a file: for the threads of this process, and children that it forks later.
    static Result<WakeWord> in_process();

    WakeWord(WakeWord&&) noexcept;
    WakeWord& operator=(WakeWord&&) noexcept;
    ~WakeWord();

    /// Only equality means anything. Differs from all earlier ones, except as the limits say.
    std::uint64_t value() const;
    /// Changes the value and wakes all waiters of all processes. About a microsecond; never fails.
    void wake();
    /// Sleeps while the value is `seen`; no timeout: as long as it takes. A cancellation changes
    /// the value, so the other waiters wake for nothing once.
    WakeReason wait(std::uint64_t seen, std::optional<std::int64_t> timeout_ms,
                    const std::stop_token& cancel = {}) const;

  private:
    struct State;
    explicit WakeWord(std::unique_ptr<State> state);
    std::unique_ptr<State> x_state;
};

}  // namespace taskstore::os
