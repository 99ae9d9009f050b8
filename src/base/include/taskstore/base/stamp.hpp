#pragma once
// Stamps and the hybrid logical clock (floor 0; the ledger orders edits by them).
// Source: Kulkarni, Demirbas, Madappa, Avva, Leone: "Logical Physical Clocks" (OPODIS 2014): 48-bit
// milliseconds and a 16-bit counter; here joined with the replica that made the stamp.
//
// Text form, stored in ledger lines: MS[.COUNTER]@REPLICA, decimal, no leading zeros, ".0" never
// written:
//   1763689000123@k3v9q2m7x1    1763689000123.4@k3v9q2m7x1    1763689000123@ (an unstamped line)

#include <taskstore/base/clock.hpp>
#include <taskstore/base/result.hpp>

#include <compare>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>

namespace taskstore {

/// Who made a stamp: 1..32 characters of [0-9a-z]; empty for lines that carry no stamps.
using ReplicaId = std::string;

/// The largest millisecond a stamp may hold: 2200-01-01T00:00:00Z. Beyond it a line is damaged.
inline constexpr std::int64_t kStampMsMax = 7'258'118'400'000;

/// Ordered by (ms, counter, replica): the members stand in that order.
struct Stamp {
    std::int64_t ms = 0;  ///< 0..kStampMsMax
    std::uint16_t counter = 0;
    ReplicaId replica;

    friend auto operator<=>(const Stamp&, const Stamp&) = default;
    friend bool operator==(const Stamp&, const Stamp&) = default;
    bool none() const { return ms == 0 && counter == 0 && replica.empty(); }
};

std::string to_text(const Stamp& stamp);
/// invalid: not of the text form, or ms beyond kStampMsMax.
Result<Stamp> parse_stamp(std::string_view text);

/// The clock of one replica. Thread-safe. Each tick() is larger than every tick() and every
/// observed stamp before it, also when the wall clock steps back.
class Hlc {
  public:
    /// `last`: the largest stamp this replica is known to have made (persisted by the ledger);
    /// none() at first.
    Hlc(const Clock& clock, ReplicaId replica, const Stamp& last);
    Stamp tick();
    /// Moves the clock past a foreign stamp. One further ahead of the wall clock than
    /// `ahead_ms_max` is not taken over (it must not drag the clock along) and answers false.
    bool observe(const Stamp& stamp, std::int64_t ahead_ms_max);
    Stamp last() const;
    const ReplicaId& replica() const { return x_replica; }

  private:
    const Clock& x_clock;
    ReplicaId x_replica;
    mutable std::mutex x_mutex;
    std::int64_t x_ms = 0;
    std::uint16_t x_counter = 0;
};

/// A random replica id: 10 characters, 50 bits.
ReplicaId make_replica_id(Random& random);

}  // namespace taskstore
