#pragma once
// For what a test cannot go on without.

#include <taskstore/base/result.hpp>

#include <cstdlib>
#include <iostream>
#include <utility>

namespace taskstore {

/// Ends the test program with the message where there is no value.
template <typename T>
T must(Result<T> result) {
    if (!result) {
        std::cerr << result.error().message << "; " << result.error().hint << '\n';
        std::exit(1);
    }
    return std::move(*result);
}

}  // namespace taskstore
