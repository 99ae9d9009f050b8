#include <taskstore/base/stamp.hpp>

#include <algorithm>
#include <charconv>

namespace taskstore {

std::string to_text(const Stamp& stamp) {
    std::string text = std::to_string(stamp.ms);
    if (stamp.counter != 0) text += "." + std::to_string(stamp.counter);
    return text + "@" + stamp.replica;
}

Result<Stamp> parse_stamp(std::string_view text) {
    const auto bad = [&](std::string_view why) {
        return fail(Code::invalid, "'" + std::string(text.substr(0, 64)) + "' is not a stamp: " +
                                       std::string(why) + " (expected MS[.COUNTER]@REPLICA)");
    };
    const auto number = [](std::string_view digits, auto& out) {
        if (digits.empty() || (digits.size() > 1 && digits[0] == '0')) return false;
        const auto [end, error] =
            std::from_chars(digits.data(), digits.data() + digits.size(), out);
        return error == std::errc() && end == digits.data() + digits.size();
    };
    const std::size_t at = text.find('@');
    if (at == std::string_view::npos) return bad("no '@'");
    const std::string_view time = text.substr(0, at);
    const std::size_t dot = time.find('.');
    Stamp stamp;
    if (!number(time.substr(0, dot), stamp.ms) || stamp.ms < 0) return bad("bad milliseconds");
    if (dot != std::string_view::npos &&
        (!number(time.substr(dot + 1), stamp.counter) || stamp.counter == 0)) {
        return bad("bad counter");
    }
    if (stamp.ms > kStampMsMax) return bad("it lies beyond the year 2200");
    stamp.replica = text.substr(at + 1);
    const bool right = std::ranges::all_of(
        stamp.replica, [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z'); });
    if (stamp.replica.size() > 32 || !right) return bad("bad replica id");
    return stamp;
}

Hlc::Hlc(const Clock& clock, ReplicaId replica, const Stamp& last)
    : x_clock(clock), x_replica(std::move(replica)), x_ms(last.ms), x_counter(last.counter) {}

Stamp Hlc::tick() {
    const std::lock_guard lock(x_mutex);
    const std::int64_t now = std::clamp<std::int64_t>(x_clock.wall_ms(), 0, kStampMsMax);
    if (now > x_ms) {
        x_ms = now;
        x_counter = 0;
    } else if (x_counter == 0xFFFFU) {
        ++x_ms;
        x_counter = 0;
    } else {
        ++x_counter;
    }
    return Stamp{x_ms, x_counter, x_replica};
}

bool Hlc::observe(const Stamp& stamp, std::int64_t ahead_ms_max) {
    const std::lock_guard lock(x_mutex);
    if (stamp.ms > x_clock.wall_ms() + ahead_ms_max) return false;
    if (std::pair(stamp.ms, stamp.counter) > std::pair(x_ms, x_counter)) {
        x_ms = stamp.ms;
        x_counter = stamp.counter;
    }
    return true;
}

Stamp Hlc::last() const {
    const std::lock_guard lock(x_mutex);
    return Stamp{x_ms, x_counter, x_replica};
}

ReplicaId make_replica_id(Random& random) {
    std::uint64_t bits = random.next_u64();
    ReplicaId id(10, '0');
    for (char& c : id) {
        c = "0123456789abcdefghjkmnpqrstvwxyz"[bits & 31U];
        bits >>= 5U;
    }
    return id;
}

}  // namespace taskstore
