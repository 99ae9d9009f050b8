#pragma once
// Which task may go where, by which verb, and who may say so: the one table that the code decides
// by. The SQL checks and the diagram of docs/tasks.md are printed from it (transitions_test.cpp
// compares; TASKSTORE_UPDATE=1 writes them).

#include <taskstore/tasks/task.hpp>

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace taskstore::tasks {

/// The states of a task, and `none` before it is made and after it is removed.
enum class State : std::uint8_t { none, pending, in_progress, completed, failed, cancelled };

enum class Verb : std::uint8_t {
    create,
    claim,
    complete,
    fail,
    release,
    cancel,
    retry,
    rescue,  ///< Its lease ran out, or its worker died.
    expire,  ///< Its deadline passed before it was begun.
    remove,
};

enum class Who : std::uint8_t {
    anyone,
    worker,  ///< Who claims.
    holder,  ///< Who has the fence; a person without one acts in the holder's place.
    store,   ///< The store itself, when a time has come.
};

struct Transition {
    State from;
    Verb verb;
    State to;
    Who who;
    std::string_view when;  ///< For the diagram.
    friend constexpr bool operator==(const Transition&, const Transition&) = default;
};

inline constexpr std::array kTransitions{
    Transition{State::none, Verb::create, State::pending, Who::anyone, ""},
    Transition{State::pending, Verb::claim, State::in_progress, Who::worker, ""},
    Transition{State::in_progress, Verb::complete, State::completed, Who::holder, ""},
    Transition{State::in_progress, Verb::fail, State::pending, Who::holder, "attempts are left"},
    Transition{State::in_progress, Verb::fail, State::failed, Who::holder, "no attempt is left"},
    Transition{State::in_progress, Verb::fail, State::cancelled, Who::holder,
               "it was to be cancelled"},
    Transition{State::in_progress, Verb::release, State::pending, Who::holder, ""},
    Transition{State::in_progress, Verb::release, State::cancelled, Who::holder,
               "it was to be cancelled"},
    Transition{State::in_progress, Verb::cancel, State::cancelled, Who::holder,
               "the holder is told"},
    Transition{State::in_progress, Verb::rescue, State::pending, Who::store,
               "the lease ran out, or the worker died"},
    Transition{State::in_progress, Verb::rescue, State::failed, Who::store, "too often"},
    Transition{State::in_progress, Verb::rescue, State::cancelled, Who::store,
               "it was to be cancelled"},
    Transition{State::pending, Verb::cancel, State::cancelled, Who::anyone, ""},
    Transition{State::pending, Verb::expire, State::failed, Who::store, "the deadline passed"},
    Transition{State::failed, Verb::retry, State::pending, Who::anyone, ""},
    Transition{State::cancelled, Verb::retry, State::pending, Who::anyone, ""},
    Transition{State::pending, Verb::remove, State::none, Who::anyone, ""},
    Transition{State::completed, Verb::remove, State::none, Who::anyone, ""},
    Transition{State::failed, Verb::remove, State::none, Who::anyone, ""},
    Transition{State::cancelled, Verb::remove, State::none, Who::anyone, ""},
};

constexpr bool allowed(State from, Verb verb, State to) {
    return std::ranges::any_of(kTransitions, [&](const Transition& t) {
        return t.from == from && t.verb == verb && t.to == to;
    });
}
constexpr bool allowed(State from, Verb verb) {
    return std::ranges::any_of(
        kTransitions, [&](const Transition& t) { return t.from == from && t.verb == verb; });
}
/// Nothing goes on from here by itself, nor by a worker.
constexpr bool is_final(State state) {
    return std::ranges::none_of(
        kTransitions, [&](const Transition& t) { return t.from == state && t.who != Who::anyone; });
}

namespace transitions_are {
constexpr bool each_once() {
    for (std::size_t i = 0; i < kTransitions.size(); ++i)
        for (std::size_t j = i + 1; j < kTransitions.size(); ++j)
            if (kTransitions[i].from == kTransitions[j].from &&
                kTransitions[i].verb == kTransitions[j].verb &&
                kTransitions[i].to == kTransitions[j].to)
                return false;
    return true;
}
constexpr bool reachable() {
    std::array<bool, 6> reached{true};
    for (std::size_t round = 0; round < reached.size(); ++round)
        for (const Transition& t : kTransitions)
            if (reached[static_cast<std::size_t>(t.from)])
                reached[static_cast<std::size_t>(t.to)] = true;
    return std::ranges::all_of(reached, [](bool one) { return one; });
}
/// A task that is held changes by its holder's word, or when a time has come: by nobody else.
constexpr bool held_is_held() {
    return std::ranges::none_of(kTransitions, [](const Transition& t) {
        return t.from == State::in_progress && t.who != Who::holder && t.who != Who::store;
    });
}
}  // namespace transitions_are

static_assert(transitions_are::each_once());
static_assert(transitions_are::reachable());
static_assert(transitions_are::held_is_held());
static_assert(is_final(State::completed) && is_final(State::failed) && is_final(State::cancelled));
static_assert(!is_final(State::pending) && !is_final(State::in_progress));
static_assert(!allowed(State::completed, Verb::retry) && !allowed(State::completed, Verb::claim));
static_assert(!allowed(State::in_progress, Verb::remove));

constexpr State state_of(TaskStatus status) {
    return static_cast<State>(static_cast<std::uint8_t>(status) + 1);
}
static_assert(state_of(TaskStatus::cancelled) == State::cancelled);

std::string_view name_of(Verb verb);
/// Empty for none.
std::string_view name_of(State state);

/// What a history row has for a transition: "fail:in_progress>pending".
std::string move_text(const Transition& transition);
/// 'pending', 'in_progress', … as the SQL check lists them.
std::string statuses_for_sql();
/// The moves as the SQL check lists them, a line each.
std::string moves_for_sql();
/// Mermaid, without the fences.
std::string diagram();

}  // namespace taskstore::tasks
