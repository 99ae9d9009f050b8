#pragma once
// When a schedule ticks (floor 4; schedules, and who shows what is to come).
//
//   cron  = minute hour day-of-month month day-of-week      as of crontab(5)
//         | "@hourly" | "@daily" | "@midnight" | "@weekly" | "@monthly" | "@yearly" | "@annually"
//   field = part { "," part }
//   part  = ( "*" | value | value "-" value ) [ "/" step ]  a step wants "*" or a range before it
//
// Names of months and of days (jan, Mon) are values too, and 7 is Sunday as 0 is. Where neither
// day field begins with "*", a day counts that fits one of them; else it has to fit both.
//
// The fields are local time of the zone. Where its clocks change, what crontab(5) says holds:
//   - a schedule whose minute and hour fields do not begin with "*" ticks at its times of day: once
//     where a time comes twice, at the first of them; and where clocks jump over it, at the moment
//     of the jump, once for all that was jumped over;
//   - others go by the clock as it goes on: what it shows twice counts twice, what it does not show
//     is not there.

#include <taskstore/base/result.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace taskstore::tasks {

/// One of the two.
struct Timing {
    std::string cron = {};
    std::int64_t every_ms = 0;   ///< 1'000 to 366 days, counted from `anchor_at`.
    std::string zone = "UTC";    ///< Of cron: a name of the tz database.
    std::int64_t anchor_at = 0;  ///< Of every_ms: the first tick is one step after it.
    friend bool operator==(const Timing&, const Timing&) = default;
};

/// Thread-safe.
class Ticks {
  public:
    /// invalid: says which field is wrong; a zone that the tz database does not have; neither of
    /// the two, or both. unsupported: there is no tz database here.
    static Result<Ticks> of(const Timing& timing);
    ~Ticks();
    Ticks(Ticks&&) noexcept;
    Ticks& operator=(Ticks&&) noexcept;

    /// The first one after a moment; nothing where none comes in the ten years after it, or before
    /// the year 2200.
    std::optional<std::int64_t> next(std::int64_t after_ms) const;
    /// The last `most` of those in from..until, both belong to it, oldest first.
    std::vector<std::int64_t> last(std::int64_t from_ms, std::int64_t until_ms,
                                   std::size_t most) const;

  private:
    struct State;
    explicit Ticks(std::unique_ptr<State> state);
    std::unique_ptr<const State> x_state;
};

}  // namespace taskstore::tasks
