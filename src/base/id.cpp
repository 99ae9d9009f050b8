#include <taskstore/base/id.hpp>

#include <algorithm>
#include <array>

namespace taskstore {
namespace {

bool is_hex(char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

}  // namespace

// Layout (RFC 9562 section 5.7): 48 bits of ms, version 7, 12 bits counter, variant, 14 bits
// counter, 48 random. The counter of 26 bits starts below its half at each new millisecond and runs
// on within one; when it is spent, the millisecond is borrowed from the future (section 6.2).
std::string UuidSource::next() {
    std::uint64_t ms = 0;
    std::uint32_t counter = 0;
    const std::uint64_t random = x_random.next_u64();
    {
        const std::lock_guard lock(x_mutex);
        const auto now = static_cast<std::uint64_t>(std::max<std::int64_t>(0, x_clock.wall_ms()));
        if (now > x_last_ms) {
            x_last_ms = now;
            x_counter = static_cast<std::uint32_t>(x_random.next_u64() & 0x1FFFFFFU);
        } else if (++x_counter > 0x3FFFFFFU) {
            ++x_last_ms;
            x_counter = 0;
        }
        ms = x_last_ms & 0xFFFFFFFFFFFFULL;
        counter = x_counter;
    }
    const std::uint64_t high = (ms << 16U) | 0x7000U | (counter >> 14U);
    const std::uint64_t low = 0x8000000000000000ULL |
                              (static_cast<std::uint64_t>(counter & 0x3FFFU) << 48U) |
                              (random >> 16U);
    std::string text(36, '-');
    std::size_t at = 0;
    for (unsigned nibble = 0; nibble < 32; ++nibble) {
        if (nibble == 8 || nibble == 12 || nibble == 16 || nibble == 20) ++at;
        const std::uint64_t word = nibble < 16 ? high : low;
        text[at++] = "0123456789abcdef"[(word >> (60U - 4U * (nibble % 16U))) & 15U];
    }
    return text;
}

bool is_uuid(std::string_view text) {
    if (text.size() != 36) return false;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (dash ? text[i] != '-' : !is_hex(text[i])) return false;
    }
    return true;
}

}  // namespace taskstore
