#include <gmock/gmock.h>
#include <taskstore/base/text.hpp>
#include <taskstore/tasks/ticks.hpp>

namespace taskstore::tasks {
namespace {

using testing::ElementsAre;

std::int64_t at(const std::string& text) {
    const auto ms = parse_rfc3339_ms(text);
    EXPECT_TRUE(ms) << text;
    return ms ? *ms : 0;
}

Ticks ticks_of(const Timing& timing) {
    auto ticks = Ticks::of(timing);
    EXPECT_TRUE(ticks) << (ticks ? "" : ticks.error().message);
    return std::move(*ticks);
}

/// The first `count` after a moment, as text.
std::vector<std::string> after(const Timing& timing, const std::string& from, int count) {
    const Ticks ticks = ticks_of(timing);
    std::vector<std::string> out;
    auto next = ticks.next(at(from));
    for (; next && std::ssize(out) < count; next = ticks.next(*next))
        out.push_back(to_rfc3339(*next));
    return out;
}

TEST(TickTimes, ComeAtTheNextMinuteThatFits) {
    EXPECT_THAT(after({.cron = "*/20 9 * * *"}, "2026-11-22T08:59:59.999Z", 4),
                ElementsAre("2026-11-22T09:00:00Z", "2026-11-22T09:20:00Z", "2026-11-22T09:40:00Z",
                            "2026-11-23T09:00:00Z"));
    EXPECT_THAT(after({.cron = "0 9 * * *"}, "2026-11-22T09:00:00Z", 1),
                ElementsAre("2026-11-23T09:00:00Z"))
        << "after means after";
    EXPECT_THAT(after({.cron = "0 0 29 2 *"}, "2096-03-01T00:00:00Z", 1),
                ElementsAre("2104-02-29T00:00:00Z"));
    EXPECT_THAT(after({.cron = "0 0 31 4 *"}, "2026-01-01T00:00:00Z", 1), ElementsAre());
    EXPECT_THAT(
        after({.cron = "0 12 13 * fri"}, "2026-11-12T13:00:00Z", 3),
        ElementsAre("2026-11-13T12:00:00Z", "2026-11-20T12:00:00Z", "2026-11-27T12:00:00Z"));
    EXPECT_THAT(after({.cron = "0 0 1 1 *"}, "2199-06-01T00:00:00Z", 1), ElementsAre());
}

TEST(TickTimes, StepsAreCountedFromTheirAnchor) {
    const Timing timing{.every_ms = 90'000, .anchor_at = at("2026-01-01T00:00:10Z")};
    EXPECT_THAT(after(timing, "2025-01-01T00:00:00Z", 2),
                ElementsAre("2026-01-01T00:01:40Z", "2026-01-01T00:03:10Z"));
    EXPECT_THAT(after(timing, "2026-01-01T00:03:10Z", 1), ElementsAre("2026-01-01T00:04:40Z"));
}

TEST(TickTimes, FieldsAreLocalTimeOfTheZone) {
    const Timing timing{.cron = "30 8 * * *", .zone = "Europe/Berlin"};
    EXPECT_THAT(after(timing, "2026-03-28T00:00:00Z", 2),
                ElementsAre("2026-03-28T07:30:00Z", "2026-03-29T06:30:00Z"));
    EXPECT_THAT(after({.cron = "0 0 * * *", .zone = "Asia/Kathmandu"}, "2026-03-28T00:00:00Z", 1),
                ElementsAre("2026-03-28T18:15:00Z"));
}

TEST(TickTimes, WhatTheClocksJumpOverInSpringComesAtTheJump) {
    // 2026-03-29 in Berlin 02:00 is 03:00: 01:00 in UTC.
    EXPECT_THAT(after({.cron = "30 2 * * *", .zone = "Europe/Berlin"}, "2026-03-28T12:00:00Z", 2),
                ElementsAre("2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"));
    EXPECT_THAT(
        after({.cron = "10,20,30 2,3 * * *", .zone = "Europe/Berlin"}, "2026-03-28T12:00:00Z", 3),
        ElementsAre("2026-03-29T01:00:00Z", "2026-03-29T01:10:00Z", "2026-03-29T01:20:00Z"))
        << "once for all that is jumped over";
    EXPECT_THAT(after({.cron = "0 2,3 * * *", .zone = "Europe/Berlin"}, "2026-03-28T12:00:00Z", 2),
                ElementsAre("2026-03-29T01:00:00Z", "2026-03-30T00:00:00Z"))
        << "the jump and the hour after it are one moment";
    EXPECT_THAT(after({.cron = "*/30 * * * *", .zone = "Europe/Berlin"}, "2026-03-29T00:29:00Z", 3),
                ElementsAre("2026-03-29T00:30:00Z", "2026-03-29T01:00:00Z", "2026-03-29T01:30:00Z"))
        << "what goes by the clock loses nothing";
    EXPECT_THAT(after({.cron = "15 * * * *", .zone = "Europe/Berlin"}, "2026-03-29T00:10:00Z", 2),
                ElementsAre("2026-03-29T00:15:00Z", "2026-03-29T01:15:00Z"));
}

TEST(TickTimes, WhatComesTwiceInAutumnCountsOnce) {
    // 2026-10-25 in Berlin 03:00 is 02:00 again: 01:00 in UTC.
    EXPECT_THAT(after({.cron = "30 2 * * *", .zone = "Europe/Berlin"}, "2026-10-24T12:00:00Z", 2),
                ElementsAre("2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"));
    EXPECT_THAT(after({.cron = "30 2 * * *", .zone = "Europe/Berlin"}, "2026-10-25T01:10:00Z", 1),
                ElementsAre("2026-10-26T01:30:00Z"))
        << "also for whom begins between the two";
    EXPECT_THAT(after({.cron = "30 * * * *", .zone = "Europe/Berlin"}, "2026-10-25T00:00:00Z", 3),
                ElementsAre("2026-10-25T00:30:00Z", "2026-10-25T01:30:00Z", "2026-10-25T02:30:00Z"))
        << "what goes by the clock counts both";
    EXPECT_THAT(after({.cron = "0 3 * * *", .zone = "Europe/Berlin"}, "2026-10-25T00:00:00Z", 1),
                ElementsAre("2026-10-25T02:00:00Z"));
}

TEST(TickTimes, ChangesThatAreNoHourAreChangesToo) {
    // Lord Howe: half an hour; Samoa: a whole day was left out.
    EXPECT_THAT(
        after({.cron = "10 2 * * *", .zone = "Australia/Lord_Howe"}, "2026-10-03T00:00:00Z", 1),
        ElementsAre("2026-10-03T15:30:00Z"));
    EXPECT_THAT(after({.cron = "0 12 30 12 *", .zone = "Pacific/Apia"}, "2011-12-01T00:00:00Z", 1),
                ElementsAre("2011-12-30T10:00:00Z"));
}

TEST(TickTimes, TheLastOfManyAreFoundFromTheEnd) {
    const Ticks minutes = ticks_of({.cron = "* * * * *"});
    const auto last = minutes.last(at("2020-01-01T00:00:00Z"), at("2026-01-01T00:00:30Z"), 2);
    EXPECT_THAT(last, ElementsAre(at("2025-12-31T23:59:00Z"), at("2026-01-01T00:00:00Z")));
    const Ticks yearly = ticks_of({.cron = "@yearly"});
    EXPECT_EQ(yearly.last(at("2020-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z"), 1'000).size(),
              7U);
    EXPECT_THAT(yearly.last(at("2020-01-01T00:00:00Z"), at("2026-06-01T00:00:00Z"), 1),
                ElementsAre(at("2026-01-01T00:00:00Z")));
    EXPECT_THAT(yearly.last(at("2020-01-02T00:00:00Z"), at("2020-06-01T00:00:00Z"), 1),
                ElementsAre());
}

// Minute by minute, as a clock on the wall shows it: written apart from the search.
TEST(TickTimes, AreThoseThatAWalkThroughTheYearMeets) {
    for (const char* const text :
         {"*/7 * * * *", "0 */5 1,15 * *", "5 4 * 2-11 1", "* 0-3 * 3,10 0"}) {
        const Ticks utc = ticks_of({.cron = text});
        const Ticks berlin = ticks_of({.cron = text, .zone = "Europe/Berlin"});
        const std::int64_t summer = at("2026-07-01T00:00:00Z");
        std::int64_t here = summer;
        std::int64_t there = summer - 7'200'000;
        for (int i = 0; i < 50; ++i) {
            here = utc.next(here).value_or(0);
            there = berlin.next(there).value_or(0);
            if (here > at("2026-10-24T00:00:00Z")) break;
            ASSERT_EQ(here, there + 7'200'000) << text;
        }
    }
}

TEST(TickTimes, WhatIsNoTimingIsRefused) {
    for (const Timing& timing :
         {Timing{}, Timing{.cron = "@daily", .every_ms = 1'000}, Timing{.every_ms = 999},
          Timing{.every_ms = 367LL * 86'400'000}, Timing{.cron = "x"},
          Timing{.cron = "@daily", .zone = "Europe/Berlim"},
          Timing{.cron = "@daily", .zone = "../../etc/passwd"},
          Timing{.cron = "@daily", .zone = ""},
          Timing{.every_ms = 5'000, .zone = "Europe/Berlin"}}) {
        const auto ticks = Ticks::of(timing);
        ASSERT_FALSE(ticks) << timing.cron;
        EXPECT_EQ(ticks.error().code, Code::invalid);
    }
}

}  // namespace
}  // namespace taskstore::tasks
