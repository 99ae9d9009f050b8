#include <taskstore/base/check.hpp>
#include <taskstore/base/clock.hpp>

#include <sys/random.h>

#include <cerrno>
#include <cstring>
#include <ctime>
#include <mutex>
#include <random>

namespace taskstore {
namespace {

std::int64_t read_ns(clockid_t clock) {
    timespec now{};
    TASKSTORE_CHECK(clock_gettime(clock, &now) == 0);
    return static_cast<std::int64_t>(now.tv_sec) * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

std::int64_t SystemClock::wall_ms() const {
    return read_ns(CLOCK_REALTIME) / 1'000'000;
}
std::int64_t SystemClock::boot_ns() const {
    return read_ns(CLOCK_BOOTTIME);
}
std::int64_t SystemClock::running_ns() const {
    return read_ns(CLOCK_MONOTONIC);
}

std::uint64_t Random::next_u64() {
    std::uint64_t value = 0;
    fill(std::as_writable_bytes(std::span(&value, 1)));
    return value;
}

void SystemRandom::fill(std::span<std::byte> out) {
    while (!out.empty()) {
        const ssize_t got = getrandom(out.data(), out.size(), 0);
        if (got < 0 && errno == EINTR) continue;
        TASKSTORE_CHECK(got > 0);
        out = out.subspan(static_cast<std::size_t>(got));
    }
}

struct SeededRandom::State {
    explicit State(std::uint64_t seed) : engine(seed) {}
    std::mutex mutex;
    std::mt19937_64 engine;
};

SeededRandom::SeededRandom(std::uint64_t seed) : x_state(std::make_unique<State>(seed)) {}
SeededRandom::~SeededRandom() = default;

void SeededRandom::fill(std::span<std::byte> out) {
    const std::lock_guard lock(x_state->mutex);
    while (!out.empty()) {
        const std::uint64_t word = x_state->engine();
        const std::size_t bytes = std::min(out.size(), sizeof word);
        std::memcpy(out.data(), &word, bytes);
        out = out.subspan(bytes);
    }
}

}  // namespace taskstore
