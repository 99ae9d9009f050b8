#include "transitions.hpp"

namespace taskstore::tasks {
namespace {

constexpr std::array<std::string_view, 10> kVerbs{"create",  "claim",  "complete", "fail",
                                                  "release", "cancel", "retry",    "rescue",
                                                  "expire",  "remove"};
static_assert(kVerbs.size() == static_cast<std::size_t>(Verb::remove) + 1);

std::string_view name_of(Who who) {
    switch (who) {
        case Who::anyone:
            return "anyone";
        case Who::worker:
            return "worker";
        case Who::holder:
            return "holder";
        case Who::store:
            return "store";
    }
    return "";
}

std::string_view node_of(State state) {
    return state == State::none ? "[*]" : name_of(state);
}

}  // namespace

std::string_view name_of(Verb verb) {
    return kVerbs[static_cast<std::size_t>(verb)];
}

std::string_view name_of(State state) {
    if (state == State::none) return "";
    return name_of(static_cast<TaskStatus>(static_cast<std::uint8_t>(state) - 1));
}

std::string move_text(const Transition& transition) {
    return std::string(name_of(transition.verb)) + ":" + std::string(name_of(transition.from)) +
           ">" + std::string(name_of(transition.to));
}

std::string statuses_for_sql() {
    std::string out;
    for (auto state = State::pending; state <= State::cancelled;
         state = static_cast<State>(static_cast<std::uint8_t>(state) + 1))
        out += (out.empty() ? "'" : ", '") + std::string(name_of(state)) + "'";
    return out;
}

std::string moves_for_sql() {
    std::string out;
    for (const Transition& one : kTransitions)
        out += (out.empty() ? "        '" : ",\n        '") + move_text(one) + "'";
    return out;
}

std::string diagram() {
    std::string out = "stateDiagram-v2\n";
    for (const Transition& one : kTransitions) {
        out += "    " + std::string(node_of(one.from)) + " --> " + std::string(node_of(one.to)) +
               ": " + std::string(name_of(one.verb)) + " (" + std::string(name_of(one.who)) + ")";
        if (!one.when.empty()) out += ", " + std::string(one.when);
        out += "\n";
    }
    return out;
}

}  // namespace taskstore::tasks
