#pragma once
// A cron text as sets of numbers (ticks.hpp has the grammar).

#include <taskstore/base/result.hpp>

#include <cstdint>
#include <string_view>

namespace taskstore::tasks {

/// Bit n of a set stands for n.
struct Cron {
    std::uint64_t minutes = 0;
    std::uint64_t hours = 0;
    std::uint64_t days = 0;      ///< 1..31.
    std::uint64_t months = 0;    ///< 1..12.
    std::uint64_t weekdays = 0;  ///< 0..6, 0 is Sunday.
    bool any_day = false;        ///< One of the day fields begins with "*": both must fit.
    bool at_times = false;       ///< Neither minute nor hour begins with "*".

    bool has_day(unsigned month, unsigned day, unsigned weekday) const {
        const auto has = [](std::uint64_t set, unsigned n) { return (set >> n & 1U) != 0; };
        if (!has(months, month)) return false;
        return any_day ? has(days, day) && has(weekdays, weekday)
                       : has(days, day) || has(weekdays, weekday);
    }
};

/// invalid: names the field.
Result<Cron> parse_cron(std::string_view text);

}  // namespace taskstore::tasks
