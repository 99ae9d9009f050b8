#pragma once
// Copies of this process that do a part of its work, and memory that they share (floor 1): for
// trials that kill and pause whoever works. Everything else starts programs (command.hpp).

#include <taskstore/base/result.hpp>

#include <sys/types.h>

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>

namespace taskstore::os {

/// A forked child. Killed and reaped when it goes out of scope, and killed when the thread that
/// made it ends. Not thread-safe.
class Forked {
  public:
    /// Runs `body` in a copy of this process, which then ends with what it returns, without
    /// destructors or exit handlers. This process must have no other threads: of those the copy
    /// would have the locks and not the hands. failed: the system makes no process.
    static Result<Forked> start(const std::function<int()>& body);
    Forked(Forked&& other) noexcept : x_pid(other.x_pid) { other.x_pid = 0; }
    Forked& operator=(Forked&& other) noexcept;
    ~Forked();

    /// Waits until it stands still, or has ended.
    void pause();
    void go_on();
    /// SIGKILL, and waits until it is gone.
    void kill();
    /// What it ended with, if it has: 128 + the signal's number for one that a signal ended.
    std::optional<int> ended();

  private:
    explicit Forked(pid_t pid) : x_pid(pid) {}
    pid_t x_pid;
};

/// Numbers in memory that this process shares with those that it forks. They begin as 0.
class SharedNumbers {
  public:
    static Result<SharedNumbers> make(std::size_t count);
    SharedNumbers(SharedNumbers&& other) noexcept;
    SharedNumbers& operator=(SharedNumbers&&) = delete;
    ~SharedNumbers();
    std::atomic<std::int64_t>& operator[](std::size_t index) const { return x_numbers[index]; }

  private:
    explicit SharedNumbers(std::span<std::atomic<std::int64_t>> numbers) : x_numbers(numbers) {}
    std::span<std::atomic<std::int64_t>> x_numbers;
};

}  // namespace taskstore::os
