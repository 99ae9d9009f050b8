#include <taskstore/base/ascii.hpp>
#include <taskstore/tasks/task.hpp>

#include <algorithm>
#include <array>
#include <span>
#include <utility>

namespace taskstore::tasks {
namespace {

template <typename T>
using Word = std::pair<std::string_view, T>;

// The first spellings, one per value and in their order, are those that are stored.
constexpr std::array<Word<TaskStatus>, 11> kStatuses{{
    {"pending", TaskStatus::pending},
    {"in_progress", TaskStatus::in_progress},
    {"completed", TaskStatus::completed},
    {"failed", TaskStatus::failed},
    {"cancelled", TaskStatus::cancelled},
    {"running", TaskStatus::in_progress},
    {"in-progress", TaskStatus::in_progress},
    {"complete", TaskStatus::completed},
    {"done", TaskStatus::completed},
    {"error", TaskStatus::failed},
    {"canceled", TaskStatus::cancelled},
}};
constexpr std::array<Word<Backoff>, 4> kBackoffs{{{"none", Backoff::none},
                                                  {"linear", Backoff::linear},
                                                  {"exponential", Backoff::exponential},
                                                  {"fibonacci", Backoff::fibonacci}}};
constexpr std::array<Word<ErrorClass>, 4> kClasses{{{"infra", ErrorClass::infra},
                                                    {"logic", ErrorClass::logic},
                                                    {"policy", ErrorClass::policy},
                                                    {"timeout", ErrorClass::timeout}}};
constexpr std::array<Word<OnFailedDependency>, 3> kPolicies{{{"block", OnFailedDependency::block},
                                                             {"cancel", OnFailedDependency::cancel},
                                                             {"run", OnFailedDependency::run}}};
constexpr std::array<Word<std::int64_t>, 4> kPriorities{
    {{"low", -10}, {"normal", 0}, {"high", 10}, {"urgent", 20}}};

template <typename T>
std::optional<T> find_word(std::span<const Word<T>> words, std::string_view word) {
    for (const auto& [known, value] : words) {
        if (ascii::same_word(word, known)) return value;
    }
    return std::nullopt;
}

}  // namespace

std::string_view name_of(TaskStatus status) {
    return kStatuses[static_cast<std::size_t>(status)].first;
}
std::optional<TaskStatus> status_of(std::string_view word) {
    return find_word<TaskStatus>(kStatuses, word);
}
std::string_view name_of(Backoff backoff) {
    return kBackoffs[static_cast<std::size_t>(backoff)].first;
}
std::optional<Backoff> backoff_of(std::string_view word) {
    return find_word<Backoff>(kBackoffs, word);
}
std::string_view name_of(ErrorClass error_class) {
    return kClasses[static_cast<std::size_t>(error_class)].first;
}
std::optional<ErrorClass> error_class_of(std::string_view word) {
    return find_word<ErrorClass>(kClasses, word);
}
std::string_view name_of(OnFailedDependency policy) {
    return kPolicies[static_cast<std::size_t>(policy)].first;
}
std::optional<OnFailedDependency> on_failed_dependency_of(std::string_view word) {
    return find_word<OnFailedDependency>(kPolicies, word);
}
std::optional<std::int64_t> priority_of(std::string_view word) {
    return find_word<std::int64_t>(kPriorities, word);
}

}  // namespace taskstore::tasks
