#pragma once
// Values that go into and come out of statements (floor 2; every SQL user).

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>

namespace taskstore::sql {

/// Raw bytes, as opposed to UTF-8 text.
struct Blob {
    std::string bytes;
    friend bool operator==(const Blob&, const Blob&) = default;
};

/// NULL, 64-bit integer, double, UTF-8 text, bytes. Owns what it holds.
using Value = std::variant<std::monostate, std::int64_t, double, std::string, Blob>;

}  // namespace taskstore::sql
