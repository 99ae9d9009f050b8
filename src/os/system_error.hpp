#pragma once
// errno to Error, in one place, so that both implementations of the port answer alike.

#include <taskstore/base/result.hpp>

#include <string>
#include <string_view>

namespace taskstore::os {

/// "cannot <verb> '<path>': <text of errno>", with a hint where the cure is known.
Failure system_failure(std::string_view verb, std::string_view path, int error);

}  // namespace taskstore::os
