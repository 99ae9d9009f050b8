#include <taskstore/tasks/task.hpp>

#include <algorithm>
#include <array>
#include <utility>

namespace taskstore::tasks {
namespace {

// The first spelling of each is the one that is stored.
constexpr std::array<std::pair<std::string_view, TaskStatus>, 11> kWords{{
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

}  // namespace

std::string_view name_of(TaskStatus status) {
    return kWords[static_cast<std::size_t>(status)].first;
}

std::optional<TaskStatus> status_of(std::string_view word) {
    const auto same = [](char a, char b) {
        return (a >= 'A' && a <= 'Z' ? static_cast<char>(a - 'A' + 'a') : a) == b;
    };
    for (const auto& [known, status] : kWords) {
        if (std::ranges::equal(word, known, same)) return status;
    }
    return std::nullopt;
}

}  // namespace taskstore::tasks
