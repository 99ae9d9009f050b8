#pragma once
// Time and chance as parameters (floor 0): no module reads the wall clock or the system's random
// source by itself (I10). Composition roots pass SystemClock and SystemRandom; tests pass FakeClock
// and SeededRandom.

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <string>

namespace taskstore {

/// Thread-safe.
class Clock {
  public:
    virtual ~Clock() = default;
    /// Unix time in milliseconds, UTC. May step either way.
    virtual std::int64_t wall_ms() const = 0;
    /// Nanoseconds since boot, counting suspend (CLOCK_BOOTTIME). Never goes back within one boot
    /// id.
    virtual std::int64_t boot_ns() const = 0;
    /// The same without suspend (CLOCK_MONOTONIC): what passes while programs can run.
    virtual std::int64_t running_ns() const = 0;
};

class SystemClock final : public Clock {
  public:
    std::int64_t wall_ms() const override;
    std::int64_t boot_ns() const override;
    std::int64_t running_ns() const override;
};

/// Stands still until told to move.
class FakeClock final : public Clock {
  public:
    explicit FakeClock(std::int64_t wall_ms = 1'700'000'000'000) : x_wall_ms(wall_ms) {}
    std::int64_t wall_ms() const override { return x_wall_ms.load(); }
    std::int64_t boot_ns() const override { return x_boot_ns.load(); }
    std::int64_t running_ns() const override { return x_running_ns.load(); }
    void set_wall_ms(std::int64_t ms) { x_wall_ms.store(ms); }
    void advance_ms(std::int64_t ms) {
        suspend_ms(ms);
        x_running_ns.fetch_add(ms * 1'000'000);
    }
    /// The machine sleeps: time passes, and nothing runs.
    void suspend_ms(std::int64_t ms) {
        x_wall_ms.fetch_add(ms);
        x_boot_ns.fetch_add(ms * 1'000'000);
    }

  private:
    std::atomic<std::int64_t> x_wall_ms;
    std::atomic<std::int64_t> x_boot_ns{1};
    std::atomic<std::int64_t> x_running_ns{1};
};

/// Thread-safe.
class Random {
  public:
    virtual ~Random() = default;
    virtual void fill(std::span<std::byte> out) = 0;
    std::uint64_t next_u64();
};

/// getrandom(2). Aborts through TASKSTORE_CHECK if the system has none.
class SystemRandom final : public Random {
  public:
    void fill(std::span<std::byte> out) override;
};

/// Deterministic; for tests and simulations. Print the seed.
class SeededRandom final : public Random {
  public:
    explicit SeededRandom(std::uint64_t seed);
    ~SeededRandom() override;
    void fill(std::span<std::byte> out) override;

  private:
    struct State;
    std::unique_ptr<State> x_state;
};

}  // namespace taskstore
