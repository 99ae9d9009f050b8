#include <taskstore/work/sessions.hpp>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <utility>

namespace taskstore::work {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kLooksInGrace = 4;
constexpr std::int64_t kLookMsMin = 10;
constexpr std::int64_t kLookMsMax = 2'500;
/// Where no server sees anybody: the tasks may move to one that does.
constexpr std::int64_t kNoSessionsMs = 30'000;

}  // namespace

Result<std::int64_t> free_lost(tasks::TaskStore& store, const RunFolder& run,
                               std::int64_t grace_ms) {
    if (grace_ms == 0 || !store.sees_sessions()) return 0;
    TASKSTORE_LET(auto lost, store.lost_tasks(grace_ms));
    std::erase_if(lost, [&](const tasks::WatchedTask& task) {
        return life_of(run, task.liveness) != Life::unknown;
    });
    if (lost.empty()) return 0;
    return store.rescue_tasks(
        lost, "the server has missed its worker's session for longer than its grace");
}

struct SessionWatch::State {
    tasks::TaskStore& store;
    const Clock& clock;
    SessionOptions options;
    mutable std::mutex mutex;
    std::condition_variable_any stopped;
    std::string session;                        ///< Empty: none by now.
    std::optional<std::int64_t> held_until_ns;  ///< Once there was one.
    std::string told;                           ///< The thread's alone.
    std::jthread thread;

    State(tasks::TaskStore& given_store, const Clock& given_clock, SessionOptions given)
        : store(given_store), clock(given_clock), options(std::move(given)) {}

    Status look() {
        if (options.key) {
            const std::int64_t asked_ns = clock.boot_ns();
            auto kept = store.keep_session(*options.key, options.grace_ms);
            const std::lock_guard lock(mutex);
            session = kept ? kept->value_or("") : "";
            if (!session.empty() || (kept && held_until_ns))
                held_until_ns = asked_ns + options.grace_ms * kNsPerMs;
            if (!kept) return fail(std::move(kept).error());
        }
        TASKSTORE_TRY(free_lost(store, options.run(), options.grace_ms));
        return ok();
    }
    void look_and_tell() {
        if (!store.sees_sessions()) return;
        const Status looked = look();
        if (!looked && options.warn && told != looked.error().message)
            options.warn(told = looked.error().message);
        if (looked) told.clear();
    }
    void watch(const std::stop_token& stop) {
        while (!stop.stop_requested()) {
            const std::int64_t ms =
                store.sees_sessions()
                    ? std::clamp(options.grace_ms / kLooksInGrace, kLookMsMin, kLookMsMax)
                    : kNoSessionsMs;
            {
                std::unique_lock lock(mutex);
                stopped.wait_for(lock, stop, std::chrono::milliseconds(ms), [] { return false; });
            }
            if (!stop.stop_requested()) look_and_tell();
        }
    }
};

SessionWatch::SessionWatch(tasks::TaskStore& store, const Clock& clock, SessionOptions options)
    : x_state(std::make_unique<State>(store, clock, std::move(options))) {
    State& it = *x_state;
    if (it.options.grace_ms == 0) return;
    it.look_and_tell();
    it.thread = std::jthread([&it](const std::stop_token& stop) { it.watch(stop); });
}

SessionWatch::~SessionWatch() = default;

std::string SessionWatch::with_session(std::string liveness) const {
    const std::lock_guard lock(x_state->mutex);
    return x_state->session.empty() ? liveness : liveness + ";" + x_state->session;
}

std::optional<std::int64_t> SessionWatch::held_until_ns() const {
    if (!x_state->store.sees_sessions()) return std::nullopt;
    const std::lock_guard lock(x_state->mutex);
    return x_state->held_until_ns;
}

}  // namespace taskstore::work
