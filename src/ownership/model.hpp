#pragma once
// One task as the checker sees it. Nothing of the store is used here but the names of states.

#include <taskstore/ownership/checker.hpp>

#include <compare>

namespace taskstore::ownership {

struct State {
    bool exists = false;
    tasks::TaskStatus status = tasks::TaskStatus::pending;
    std::int64_t fence = 0;
    std::int64_t held_until_ns = 0;  ///< Until then nobody may take it from its holder.
    bool cancel_asked = false;
    /// The store took it back when the lease had run out: all that follows was answered after that.
    std::int64_t not_before_ns = 0;
    friend auto operator<=>(const State&, const State&) = default;
};

/// The states that may follow where the operation happens in this one: none, one or two.
struct Steps {
    std::array<State, 2> states;
    std::size_t count = 0;
    void add(const State& state) {
        if (count == 1 && states[0] == state) return;
        states.at(count++) = state;
    }
};
Steps steps_of(const State& state, const Operation& operation);

/// Why it cannot have happened in this state.
Wrong why_not(const State& state, const Operation& operation);

}  // namespace taskstore::ownership
