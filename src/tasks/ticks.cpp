#include <taskstore/tasks/ticks.hpp>

#include "cron.hpp"

#include <date/tz.h>

#include <algorithm>
#include <array>
#include <deque>
#include <fstream>

namespace taskstore::tasks {
namespace {

constexpr std::int64_t kMsPerMinute = 60'000;
constexpr std::int64_t kMinutesPerDay = 1'440;
constexpr std::int64_t kEveryMsMin = 1'000;
constexpr std::int64_t kEveryMsMax = 366LL * 86'400'000;
/// A leap day may be eight years away.
constexpr std::int64_t kSearchedMinutes = 3'653 * kMinutesPerDay;
constexpr std::int64_t kMinuteMax = 7'258'118'400'000 / kMsPerMinute;  // 2200-01-01

std::int64_t floor_of(std::int64_t number, std::int64_t by) {
    return number / by - (number % by < 0 ? 1 : 0);
}

/// Between two changes of a zone's clocks. Minutes since 1970; local time is UTC plus `offset`.
struct Stretch {
    std::int64_t begin = INT64_MIN;
    std::int64_t end = INT64_MAX;
    std::int64_t offset = 0;
    std::int64_t offset_before = 0;
};

std::int64_t minutes_of(std::chrono::seconds seconds) {
    return floor_of(seconds.count(), 60);
}

Stretch stretch_of(const date::time_zone* zone, std::int64_t minute) {
    if (zone == nullptr) return {};
    const auto info = zone->get_info(date::sys_seconds(std::chrono::seconds(minute * 60)));
    Stretch out{.begin = minutes_of(info.begin.time_since_epoch()),
                .end = minutes_of(info.end.time_since_epoch()),
                .offset = minutes_of(info.offset),
                .offset_before = minutes_of(info.offset)};
    // Nobody asks for what is before 1970.
    if (out.begin > 0)
        out.offset_before = minutes_of(zone->get_info(info.begin - std::chrono::seconds(1)).offset);
    return out;
}

/// Whether there is a file of the tz database in it.
bool is_zone_file(const std::string& path) {
    std::array<char, 4> magic{};
    std::ifstream file(path, std::ios::binary);
    return file.read(magic.data(), magic.size()) &&
           std::string_view(magic.data(), magic.size()) == "TZif";
}

// The library throws where something is wrong, and what it throws cannot be caught: the program has
// a C++ runtime of its own. So it is asked only what it can answer.
Result<const date::time_zone*> zone_of(const std::string& name) {
    // The tz database is read only by whom needs it.
    if (name == "UTC") return static_cast<const date::time_zone*>(nullptr);
    const std::string folder = "/usr/share/zoneinfo/";
    if (!is_zone_file(folder + "UTC"))
        return fail(Code::unsupported, "there is no tz database in " + folder)
            .with_hint("install the package tzdata");
    const auto& zones = date::get_tzdb().zones;
    const auto found = std::ranges::find(
        zones, name, [](const date::time_zone& zone) -> const std::string& { return zone.name(); });
    if (found == zones.end() || !is_zone_file(folder + name))
        return fail(Code::invalid, "there is no time zone '" + name + "'")
            .with_hint("a name of the tz database, such as Europe/Berlin");
    return &*found;
}

std::optional<std::int64_t> first_of(std::uint64_t set, std::int64_t from) {
    for (std::int64_t n = from; n < 64; ++n)
        if ((set >> n & 1U) != 0) return n;
    return std::nullopt;
}

/// The first minute of the day that fits, from `from` on.
std::optional<std::int64_t> minute_of_day(const Cron& cron, std::int64_t from) {
    for (auto hour = first_of(cron.hours, from / 60); hour;
         hour = first_of(cron.hours, *hour + 1)) {
        const std::int64_t least = *hour == from / 60 ? from % 60 : 0;
        if (const auto minute = first_of(cron.minutes, least)) return *hour * 60 + *minute;
    }
    return std::nullopt;
}

/// The first local minute of from..until, which does not belong to it, that fits.
std::optional<std::int64_t> local_minute(const Cron& cron, std::int64_t from, std::int64_t until) {
    while (from < until) {
        const std::int64_t day = floor_of(from, kMinutesPerDay);
        const date::sys_days date{date::days(day)};
        const date::year_month_day ymd(date);
        if (cron.has_day(unsigned(ymd.month()), unsigned(ymd.day()),
                         date::weekday(date).c_encoding())) {
            if (const auto minute = minute_of_day(cron, from - day * kMinutesPerDay)) {
                const std::int64_t found = day * kMinutesPerDay + *minute;
                return found < until ? std::optional(found) : std::nullopt;
            }
        }
        from = (day + 1) * kMinutesPerDay;
    }
    return std::nullopt;
}

}  // namespace

struct Ticks::State {
    Cron cron;
    const date::time_zone* zone = nullptr;  ///< Nothing: UTC.
    std::int64_t every_ms = 0;
    std::int64_t anchor_at = 0;

    std::optional<std::int64_t> next_minute(std::int64_t minute) const;
    std::optional<std::int64_t> next_step(std::int64_t after_ms) const {
        const std::int64_t steps = after_ms < anchor_at ? 0 : (after_ms - anchor_at) / every_ms;
        const std::int64_t at = anchor_at + (steps + 1) * every_ms;
        return at < kMinuteMax * kMsPerMinute ? std::optional(at) : std::nullopt;
    }
};

/// From `minute` on. Stretch by stretch: in one of them local time is UTC but for a number.
std::optional<std::int64_t> Ticks::State::next_minute(std::int64_t minute) const {
    const std::int64_t limit = std::min(minute + kSearchedMinutes, kMinuteMax);
    while (minute < limit) {
        const Stretch now = stretch_of(zone, minute);
        std::int64_t local = minute + now.offset;
        if (cron.at_times && now.offset != now.offset_before) {
            const std::int64_t before = now.begin + now.offset_before;
            // What the clocks jumped over.
            if (minute == now.begin && local_minute(cron, before, local)) return minute;
            // What they show for the second time has been.
            local = std::max(local, before);
        }
        const std::int64_t end = std::min(now.end, limit);
        if (const auto found = local_minute(cron, local, end + now.offset))
            return *found - now.offset;
        minute = end;
    }
    return std::nullopt;
}

Ticks::Ticks(std::unique_ptr<State> state) : x_state(std::move(state)) {}
Ticks::~Ticks() = default;
Ticks::Ticks(Ticks&&) noexcept = default;
Ticks& Ticks::operator=(Ticks&&) noexcept = default;

Result<Ticks> Ticks::of(const Timing& timing) {
    auto state = std::make_unique<State>();
    if (timing.cron.empty() == (timing.every_ms == 0))
        return fail(Code::invalid, "a schedule goes by cron, or by a number of milliseconds");
    if (timing.cron.empty()) {
        if (timing.every_ms < kEveryMsMin || timing.every_ms > kEveryMsMax)
            return fail(Code::invalid, "a schedule comes every 1 s to 366 days, not every " +
                                           std::to_string(timing.every_ms) + " ms");
        if (timing.zone != "UTC") return fail(Code::invalid, "only cron goes by a time zone");
        state->every_ms = timing.every_ms;
        state->anchor_at = timing.anchor_at;
        return Ticks(std::move(state));
    }
    TASKSTORE_LET(state->cron, parse_cron(timing.cron));
    TASKSTORE_LET(state->zone, zone_of(timing.zone));
    return Ticks(std::move(state));
}

std::optional<std::int64_t> Ticks::next(std::int64_t after_ms) const {
    // Nobody's schedule is older, or goes on for longer.
    after_ms = std::clamp<std::int64_t>(after_ms, -1, kMinuteMax * kMsPerMinute);
    if (x_state->every_ms > 0) return x_state->next_step(after_ms);
    const auto minute = x_state->next_minute(floor_of(after_ms, kMsPerMinute) + 1);
    return minute ? std::optional(*minute * kMsPerMinute) : std::nullopt;
}

// Looked for from the end, ever further back: of years of ticks only the last are gone through.
std::vector<std::int64_t> Ticks::last(std::int64_t from_ms, std::int64_t until_ms,
                                      std::size_t most) const {
    const std::int64_t step = x_state->every_ms > 0 ? x_state->every_ms : kMsPerMinute;
    for (std::int64_t back = step * static_cast<std::int64_t>(most + 1);; back *= 2) {
        const bool all = until_ms - back <= from_ms;
        std::deque<std::int64_t> found;
        for (auto at = next(all ? from_ms - 1 : until_ms - back); at && *at <= until_ms;
             at = next(*at)) {
            found.push_back(*at);
            if (found.size() > most) found.pop_front();
        }
        if (all || found.size() == most) return {found.begin(), found.end()};
    }
}

}  // namespace taskstore::tasks
