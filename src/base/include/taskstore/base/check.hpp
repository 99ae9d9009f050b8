#pragma once
// TASKSTORE_CHECK: where a bug of ours stops (floor 0; used everywhere). Never for input, disks or
// servers: those answer with an Error. Stays on in release builds.

#include <string_view>

namespace taskstore {

/// Called with the failed expression and its place; must not return. The default prints both to
/// stderr and aborts. A program that embeds the library may set its own (once, before threads
/// start).
using CheckHandler = void (*)(std::string_view expression, std::string_view file, int line);
void set_check_handler(CheckHandler handler);
[[noreturn]] void check_failed(std::string_view expression, std::string_view file, int line);

}  // namespace taskstore

#define TASKSTORE_CHECK(expr) \
    ((expr) ? static_cast<void>(0) : ::taskstore::check_failed(#expr, __FILE__, __LINE__))
