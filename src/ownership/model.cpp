#include "model.hpp"

#include <algorithm>

namespace taskstore::ownership {
namespace {

using tasks::TaskStatus;

constexpr std::int64_t kNsPerMs = 1'000'000;
/// Stores count whole milliseconds: at both ends of a lease up to half of one, or all of it at one.
constexpr std::int64_t kTickNs = kNsPerMs;

std::int64_t end_of_lease(const Operation& operation) {
    return operation.begin_ns + operation.lease_ms * kNsPerMs - kTickNs;
}

bool is_held(const State& state) {
    return state.exists && state.status == TaskStatus::in_progress;
}

bool has_ended(const State& state) {
    return state.status == TaskStatus::completed || state.status == TaskStatus::failed ||
           state.status == TaskStatus::cancelled;
}

/// What the store may have made of it by itself before the operation was answered.
std::optional<State> rescued(const State& state, const Operation& operation) {
    if (!is_held(state) || operation.end_ns < state.held_until_ns) return std::nullopt;
    State next = state;
    next.status = state.cancel_asked ? TaskStatus::cancelled : TaskStatus::pending;
    next.cancel_asked = false;
    next.not_before_ns = std::max(state.not_before_ns, state.held_until_ns);
    return next;
}

bool holds(const State& state, const Operation& operation) {
    return is_held(state) && state.fence == operation.fence;
}

/// Whether the answer, if it says a status, says this one.
bool told(const Operation& operation, TaskStatus status) {
    return !operation.status || *operation.status == status;
}

std::optional<State> ended(const State& state, const Operation& operation, TaskStatus status) {
    if (!told(operation, status)) return std::nullopt;
    State next = state;
    next.status = status;
    next.cancel_asked = false;
    return next;
}

std::optional<State> claimed(const State& state, const Operation& operation) {
    if (!state.exists || state.status != TaskStatus::pending || operation.fence <= state.fence)
        return std::nullopt;
    State next = state;
    next.status = TaskStatus::in_progress;
    next.fence = operation.fence;
    next.held_until_ns = end_of_lease(operation);
    return next;
}

std::optional<State> renewed(const State& state, const Operation& operation) {
    if (state.cancel_asked) return ended(state, operation, TaskStatus::cancelled);
    if (!told(operation, TaskStatus::in_progress)) return std::nullopt;
    State next = state;
    next.held_until_ns = std::max(state.held_until_ns, end_of_lease(operation));
    return next;
}

/// An attempt that failed, or a task that was given back.
std::optional<State> given_back(const State& state, const Operation& operation) {
    if (state.cancel_asked) return ended(state, operation, TaskStatus::cancelled);
    if (operation.act == Act::fail && operation.status == TaskStatus::failed)
        return ended(state, operation, TaskStatus::failed);
    return ended(state, operation, TaskStatus::pending);
}

std::optional<State> cancelled(const State& state, const Operation& operation) {
    if (!state.exists || has_ended(state)) return std::nullopt;
    if (state.status == TaskStatus::pending) return ended(state, operation, TaskStatus::cancelled);
    if (!told(operation, TaskStatus::in_progress)) return std::nullopt;
    State next = state;
    next.cancel_asked = true;
    return next;
}

std::optional<State> retried(const State& state, const Operation& operation) {
    if (!state.exists ||
        (state.status != TaskStatus::failed && state.status != TaskStatus::cancelled))
        return std::nullopt;
    return ended(state, operation, TaskStatus::pending);
}

std::optional<State> created(const State& state) {
    // The same key again is the task that is there.
    if (state.exists) return state;
    State next;
    next.exists = true;
    return next;
}

std::optional<State> refused(const State& state, const Operation& operation) {
    bool right = true;
    switch (operation.act) {
        case Act::renew:
        case Act::complete:
        case Act::fail:
        case Act::release:
            right = !holds(state, operation);
            break;
        case Act::cancel:
            right = !state.exists || has_ended(state);
            break;
        case Act::retry:
            right = !state.exists ||
                    (state.status != TaskStatus::failed && state.status != TaskStatus::cancelled);
            break;
        case Act::look:
            right = !state.exists;
            break;
        default:
            // Nobody is refused who creates or claims: there is a task, or there is none.
            right = false;
            break;
    }
    return right ? std::optional(state) : std::nullopt;
}

std::optional<State> done(const State& state, const Operation& operation) {
    switch (operation.act) {
        case Act::create:
            return created(state);
        case Act::claim:
            return claimed(state, operation);
        case Act::cancel:
            return cancelled(state, operation);
        case Act::retry:
            return retried(state, operation);
        case Act::look:
            return state.exists && told(operation, state.status) && state.fence == operation.fence
                       ? std::optional(state)
                       : std::nullopt;
        default:
            break;
    }
    if (!holds(state, operation)) return std::nullopt;
    switch (operation.act) {
        case Act::renew:
            return renewed(state, operation);
        case Act::complete:
            return ended(state, operation, TaskStatus::completed);
        case Act::sign:
            return state;
        default:
            return given_back(state, operation);
    }
}

}  // namespace

Steps steps_of(const State& state, const Operation& operation) {
    const auto apply = operation.outcome == Outcome::refused ? refused : done;
    Steps steps;
    if (operation.end_ns < state.not_before_ns) return steps;
    if (const auto next = apply(state, operation)) steps.add(*next);
    if (const auto freed = rescued(state, operation)) {
        if (const auto next = apply(*freed, operation)) steps.add(*next);
    }
    return steps;
}

Wrong why_not(const State& state, const Operation& operation) {
    if (operation.outcome == Outcome::refused)
        return holds(state, operation) ? Wrong::holder_refused : Wrong::lost_change;
    switch (operation.act) {
        case Act::claim:
            if (is_held(state)) return Wrong::double_claim;
            if (!state.exists || has_ended(state)) return Wrong::claim_of_ended;
            return Wrong::fence_not_grown;
        case Act::renew:
        case Act::complete:
        case Act::fail:
        case Act::release:
            return holds(state, operation) ? Wrong::lost_change : Wrong::stale_write;
        case Act::sign:
            return Wrong::running_when_freed;
        default:
            return Wrong::lost_change;
    }
}

}  // namespace taskstore::ownership
