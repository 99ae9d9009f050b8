#pragma once
// The signals by which a program is asked to end (floor 1): for programs that finish their work
// first.

#include <taskstore/base/result.hpp>

#include <memory>
#include <optional>

namespace taskstore::os {

/// While it lives, SIGTERM, SIGINT and SIGHUP do not end the process: wait() tells of them. Made
/// before other threads are, which then leave them alone too; other programs that are started
/// meanwhile do as well, but for commands under a guard. One at a time.
class StopSignals {
  public:
    static Result<StopSignals> take();
    StopSignals(StopSignals&&) noexcept;
    StopSignals& operator=(StopSignals&&) noexcept;
    ~StopSignals();

    /// The signal's number; nothing: wake() was called, before or meanwhile.
    std::optional<int> wait();
    /// Without waiting; nothing: none has come.
    std::optional<int> look();
    /// For any thread.
    void wake();

  private:
    struct State;
    explicit StopSignals(std::unique_ptr<State> state);
    std::unique_ptr<State> x_state;
};

}  // namespace taskstore::os
