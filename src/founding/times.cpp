#include <taskstore/base/text.hpp>
#include <taskstore/founding/found.hpp>

#include <array>
#include <ctime>

namespace taskstore::founding {
namespace {

constexpr std::int64_t kMsPerSecond = 1'000;
/// By how much clocks are set back: then an hour, or half of one, is there twice.
constexpr std::array<std::time_t, 2> kShifts{3'600, 1'800};
constexpr std::int64_t kTimeMsMax = 7'258'118'400'000;  // 2200-01-01

/// Behind the seconds and their fraction: an offset, or a Z.
bool has_zone(std::string_view text) {
    constexpr std::size_t kTimeAt = 11;
    return text.size() > kTimeAt &&
           text.substr(kTimeAt).find_first_of("Zz+-") != std::string_view::npos;
}

}  // namespace

Zone system_zone() {
    return [](std::int64_t local_ms) {
        const std::int64_t part = ((local_ms % kMsPerSecond) + kMsPerSecond) % kMsPerSecond;
        const std::time_t as_utc = static_cast<std::time_t>((local_ms - part) / kMsPerSecond);
        std::tm wall{};
        if (gmtime_r(&as_utc, &wall) == nullptr) return local_ms;
        std::tm asked = wall;
        asked.tm_isdst = -1;
        std::time_t at = std::mktime(&asked);
        for (const std::time_t shift : kShifts) {
            const std::time_t earlier = at - shift;
            std::tm then{};
            if (localtime_r(&earlier, &then) != nullptr && then.tm_mday == wall.tm_mday &&
                then.tm_hour == wall.tm_hour && then.tm_min == wall.tm_min)
                at = earlier;
        }
        return static_cast<std::int64_t>(at) * kMsPerSecond + part;
    };
}

std::optional<std::int64_t> time_of_text(std::string_view text, const Zone& zone, bool& local) {
    constexpr std::size_t kDateBytes = 10;
    if (text.size() <= kDateBytes) return std::nullopt;
    const bool zoned = has_zone(text);
    auto ms = parse_rfc3339_ms(zoned ? std::string(text) : std::string(text) + "Z");
    if (!ms) return std::nullopt;
    const bool by_zone = !zoned && (text[kDateBytes] == 'T' || text[kDateBytes] == 't');
    const std::int64_t at = by_zone ? zone(*ms) : *ms;
    if (at < 0 || at > kTimeMsMax) return std::nullopt;
    local = by_zone;
    return at;
}

}  // namespace taskstore::founding
