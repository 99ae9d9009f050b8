#pragma once
// Who still lives of those that hold tasks, as the server of the database sees it (floor 5; workers
// and waiters): for holders on other hosts, whose locks and processes cannot be seen from here. A
// session that ends is missed by whoever looks next; what it held is free when it has been missed
// for the grace. A server that was started again misses nobody, and through a pooler it sees
// nobody: there the lease decides.

#include <taskstore/base/clock.hpp>
#include <taskstore/base/result.hpp>
#include <taskstore/tasks/task_store.hpp>
#include <taskstore/work/liveness.hpp>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace taskstore::work {

/// How long a session may be gone before others free what its program holds (ms).
inline constexpr std::int64_t kSessionGraceMs = 10'000;

/// Frees the tasks of programs whose sessions have been missed for their grace (`grace_ms`: of
/// those that did not say theirs), once; not those of holders of this host: whether they live is
/// seen here. How many.
Result<std::int64_t> free_lost(tasks::TaskStore& store, const RunFolder& run,
                               std::int64_t grace_ms);

struct SessionOptions {
    std::int64_t grace_ms = kSessionGraceMs;  ///< 0: sessions say nothing.
    /// Of this program, if it holds tasks: others are to see it. Drawn at random.
    std::optional<std::int64_t> key = {};
    std::function<RunFolder()> run = {};  ///< For any thread.
    /// Of what it cannot do, from its thread; it goes on trying.
    std::function<void(const std::string&)> warn = {};
};

/// free_lost() for as long as it lives, in a thread of its own that looks four times in the grace,
/// every 2.5 s at the latest; and this program's own session, if it holds tasks.
class SessionWatch {
  public:
    /// The first look is over when it returns. The store and the clock must outlive it.
    SessionWatch(tasks::TaskStore& store, const Clock& clock, SessionOptions options);
    ~SessionWatch();
    SessionWatch(const SessionWatch&) = delete;
    SessionWatch& operator=(const SessionWatch&) = delete;

    /// For tasks::ClaimRequest::liveness: with the session, where there is one by now. Thread-safe.
    std::string with_session(std::string liveness) const;
    /// In the clock's boot_ns(): nobody frees before it what was claimed with the session. Nothing:
    /// no server judges by it. Thread-safe.
    std::optional<std::int64_t> held_until_ns() const;

  private:
    struct State;
    std::unique_ptr<State> x_state;
};

}  // namespace taskstore::work
