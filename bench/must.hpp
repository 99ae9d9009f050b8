#pragma once
// For what a benchmark cannot go on without.

#include <taskstore/base/result.hpp>

#include <cstdio>
#include <cstdlib>
#include <type_traits>
#include <utility>

namespace taskstore::bench {

/// Ends the program with the message where there is no value.
template <typename T>
T must(Result<T> result) {
    if (!result) {
        std::fprintf(stderr, "%s\n", result.error().message.c_str());
        std::exit(1);
    }
    if constexpr (!std::is_void_v<T>) return std::move(*result);
}

}  // namespace taskstore::bench
