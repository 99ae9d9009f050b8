#include <taskstore/founding/found.hpp>

#include <gtest/gtest.h>

namespace taskstore::founding {
namespace {

constexpr std::int64_t kHour = 3'600'000;

std::optional<std::int64_t> read(std::string_view text, bool* was_local = nullptr) {
    bool local = false;
    const auto ms = time_of_text(text, [](std::int64_t at) { return at - kHour; }, local);
    if (was_local != nullptr) *was_local = local;
    return ms;
}

TEST(FoundingTimes, EachSystemsSpellingIsRead) {
    EXPECT_EQ(read("1970-01-02T00:00:00Z"), 24 * kHour);
    EXPECT_EQ(read("1970-01-02T02:00:00.123456789+02:00"), 24 * kHour + 123);
    EXPECT_EQ(read("1970-01-02 00:00:00"), 24 * kHour) << "SQLite's CURRENT_TIMESTAMP is UTC";
    bool local = false;
    EXPECT_EQ(read("1970-01-02T00:00:00.123456", &local), 23 * kHour + 123) << "ADT writes local";
    EXPECT_TRUE(local);
}

TEST(FoundingTimes, WhatIsNoTimeIsNone) {
    for (const char* text :
         {"", "1970-01-02", "yesterday at noon", "1970-13-02T00:00:00", "1970-01-02T00:00:00 ",
          "2300-01-01T00:00:00Z", "1969-01-01 00:00:00", "1970-01-01T00:00:00"})
        EXPECT_EQ(read(text), std::nullopt) << text;
}

TEST(FoundingTimes, TheSystemsZoneKnowsSummer) {
    ASSERT_EQ(setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3", 1), 0);
    tzset();
    const Zone zone = system_zone();
    bool local = false;
    const auto at = [&](std::string_view text) { return *time_of_text(text, zone, local); };
    const auto utc = [&](std::string_view text) { return *read(text); };
    EXPECT_EQ(at("2026-01-10T12:00:00.5"), utc("2026-01-10T11:00:00.5Z"));
    EXPECT_EQ(at("2026-07-10T12:00:00"), utc("2026-07-10T10:00:00Z"));
    EXPECT_EQ(at("2026-10-25T02:30:00"), utc("2026-10-25T00:30:00Z")) << "the first of the two";
    EXPECT_EQ(at("2026-10-25T03:30:00"), utc("2026-10-25T02:30:00Z"));
    unsetenv("TZ");
    tzset();
}

}  // namespace
}  // namespace taskstore::founding
