#pragma once
// What a bad disk makes of a file (floor 2), for the tests of whoever must notice it. Disks that
// fail calls and lose power are in taskstore/os/fault_file_system.hpp.

#include <algorithm>
#include <random>
#include <string>

namespace taskstore {

/// Cuts the bytes at a random place, zeroes a page of 4096, or (mostly) flips a bit. Says which.
inline std::string damage(std::string& bytes, std::mt19937_64& random) {
    const auto below = [&](std::size_t bound) {
        return static_cast<std::size_t>(random() % std::max<std::size_t>(bound, 1));
    };
    const std::size_t at = below(bytes.size());
    const std::size_t kind = below(8);
    if (kind == 0) {
        bytes.resize(at);
        return "cut at " + std::to_string(at);
    }
    if (kind == 1) {
        const std::size_t page = at / 4'096 * 4'096;
        const std::size_t count = std::min<std::size_t>(4'096, bytes.size() - page);
        std::fill_n(bytes.begin() + static_cast<std::ptrdiff_t>(page), count, '\0');
        return "zeros at " + std::to_string(page);
    }
    if (!bytes.empty())
        bytes[at] = static_cast<char>(static_cast<unsigned char>(bytes[at]) ^ (1U << below(8)));
    return "bit flipped at " + std::to_string(at);
}

}  // namespace taskstore
