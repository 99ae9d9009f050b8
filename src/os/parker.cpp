#include <taskstore/os/parker.hpp>

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <chrono>
#include <ctime>

namespace taskstore::os {
namespace {

using Steady = std::chrono::steady_clock;

static_assert(sizeof(std::atomic<std::uint32_t>) == 4 &&
              std::atomic<std::uint32_t>::is_always_lock_free);

/// While it is 0; wakes for nothing now and then.
void sleep_on(std::atomic<std::uint32_t>& word, const timespec* timeout) {
    static_cast<void>(::syscall(SYS_futex, &word, FUTEX_WAIT_PRIVATE, 0U, timeout, nullptr, 0U));
}

}  // namespace

void Parker::park() {
    while (!take()) sleep_on(x_permit, nullptr);
}

bool Parker::park_for(std::int64_t timeout_ns) {
    constexpr std::int64_t kNsPerSecond = 1'000'000'000;
    const auto began = Steady::now();
    while (!take()) {
        const std::int64_t left_ns = timeout_ns - (Steady::now() - began).count();
        if (left_ns <= 0) return false;
        const timespec timeout{.tv_sec = left_ns / kNsPerSecond, .tv_nsec = left_ns % kNsPerSecond};
        sleep_on(x_permit, &timeout);
    }
    return true;
}

void Parker::unpark() {
    x_permit.store(1, std::memory_order_release);
    static_cast<void>(::syscall(SYS_futex, &x_permit, FUTEX_WAKE_PRIVATE, 1, nullptr, nullptr, 0U));
}

}  // namespace taskstore::os
