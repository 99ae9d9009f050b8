#pragma once
// In which order tasks that depend on each other can be taken in, and which cannot.

#include <taskstore/founding/found.hpp>

#include <cstddef>
#include <string>
#include <vector>

namespace taskstore::store {

struct Ordered {
    /// Places in the list of tasks, those first that others depend on.
    std::vector<std::size_t> order;
    /// The dependencies of each task that hold here, as places.
    std::vector<std::vector<std::size_t>> depends_on;
    /// Tasks that lost dependencies which cannot be said here: ended ones.
    std::vector<bool> cut;
    struct Left {
        std::size_t task = 0;
        std::string reason;
    };
    std::vector<Left> left;  ///< Those that cannot be taken in.
};

/// By dependencies, else as they come. Two tasks of one id: the second is left.
Ordered order_of(const std::vector<founding::FoundTask>& tasks);

bool has_ended(const founding::FoundTask& task);

}  // namespace taskstore::store
