#include <taskstore/ownership/operation.hpp>

#include <array>

namespace taskstore::ownership {
namespace {

constexpr std::array<std::string_view, 10> kActs{"create",  "claim",  "renew", "complete", "fail",
                                                 "release", "cancel", "retry", "look",     "sign"};
constexpr std::array<std::string_view, 3> kOutcomes{"done", "refused", "unknown"};

template <typename Enum, std::size_t N>
std::optional<Enum> named(const std::array<std::string_view, N>& names, std::string_view word) {
    for (std::size_t i = 0; i < N; ++i) {
        if (names.at(i) == word) return static_cast<Enum>(i);
    }
    return std::nullopt;
}

}  // namespace

std::string_view name_of(Act act) {
    return kActs.at(static_cast<std::size_t>(act));
}
std::optional<Act> act_of(std::string_view word) {
    return named<Act>(kActs, word);
}
std::string_view name_of(Outcome outcome) {
    return kOutcomes.at(static_cast<std::size_t>(outcome));
}
std::optional<Outcome> outcome_of(std::string_view word) {
    return named<Outcome>(kOutcomes, word);
}

}  // namespace taskstore::ownership
