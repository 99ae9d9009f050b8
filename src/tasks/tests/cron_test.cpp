#include "cron.hpp"

#include <gmock/gmock.h>

namespace taskstore::tasks {
namespace {

std::vector<int> numbers_of(std::uint64_t set) {
    std::vector<int> numbers;
    for (int n = 0; n < 64; ++n)
        if ((set >> n & 1U) != 0) numbers.push_back(n);
    return numbers;
}

Cron parsed(std::string_view text) {
    const auto cron = parse_cron(text);
    EXPECT_TRUE(cron) << text << ": " << (cron ? "" : cron.error().message);
    return cron ? *cron : Cron();
}

TEST(CronText, FieldsAreListsOfValuesRangesAndSteps) {
    const Cron cron = parsed("0,30-34/2 */6\t1-5,31 jan,MAR-may Mon-fri");
    EXPECT_THAT(numbers_of(cron.minutes), testing::ElementsAre(0, 30, 32, 34));
    EXPECT_THAT(numbers_of(cron.hours), testing::ElementsAre(0, 6, 12, 18));
    EXPECT_THAT(numbers_of(cron.days), testing::ElementsAre(1, 2, 3, 4, 5, 31));
    EXPECT_THAT(numbers_of(cron.months), testing::ElementsAre(1, 3, 4, 5));
    EXPECT_THAT(numbers_of(cron.weekdays), testing::ElementsAre(1, 2, 3, 4, 5));
    EXPECT_FALSE(cron.any_day);
    EXPECT_FALSE(cron.at_times) << "the hour field begins with a star";
    EXPECT_TRUE(parsed("0 3 * * *").at_times);
    EXPECT_THAT(numbers_of(parsed("* * * * 5-7").weekdays), testing::ElementsAre(0, 5, 6));
    EXPECT_THAT(numbers_of(parsed("*/100 * * * *").minutes), testing::ElementsAre(0));
}

TEST(CronText, NicknamesStandForFields) {
    EXPECT_THAT(numbers_of(parsed("@hourly").minutes), testing::ElementsAre(0));
    EXPECT_EQ(numbers_of(parsed("@hourly").hours).size(), 24U);
    EXPECT_THAT(numbers_of(parsed("@Daily").hours), testing::ElementsAre(0));
    EXPECT_THAT(numbers_of(parsed("@weekly").weekdays), testing::ElementsAre(0));
    EXPECT_THAT(numbers_of(parsed("@monthly").days), testing::ElementsAre(1));
    EXPECT_THAT(numbers_of(parsed("@yearly").months), testing::ElementsAre(1));
    EXPECT_EQ(parse_cron("@reboot").error().code, Code::invalid);
}

TEST(CronText, TheDayFieldsAreAlternativesWhereBothSaySomething) {
    const Cron either = parsed("0 0 13 * fri");
    EXPECT_TRUE(either.has_day(3, 13, 2));
    EXPECT_TRUE(either.has_day(3, 14, 5));
    EXPECT_FALSE(either.has_day(3, 14, 6));
    const Cron both = parsed("0 0 */2 * fri");
    EXPECT_TRUE(both.has_day(3, 13, 5));
    EXPECT_FALSE(both.has_day(3, 13, 4));
    EXPECT_FALSE(both.has_day(3, 14, 5));
}

TEST(CronText, WhatIsWrongIsNamed) {
    for (const auto& [text, what] : std::vector<std::pair<std::string, std::string>>{
             {"", "five fields"},
             {"* * * *", "there are 4"},
             {"* * * * * *", "there are 6"},
             {"60 * * * *", "'60' is no minute"},
             {"* 24 * * *", "is no hour"},
             {"* * 0 * *", "is no day of month"},
             {"* * * 13 *", "is no month"},
             {"* * * * 8", "is no day of week"},
             {"* * * foo *", "nor a name"},
             {"5/15 * * * *", "wants '*' or a range"},
             {"*/0 * * * *", "a number from 1 on"},
             {"*/ * * * *", "a number from 1 on"},
             {"9-5 * * * *", "ends before it begins"},
             {"1,,2 * * * *", "is no minute"},
             {"-1 * * * *", "is no minute"},
             {"+1 * * * *", "is no minute"},
             {"1- * * * *", "is no minute"},
             {std::string(2'000, '*') + " * * * *", "longer"}}) {
        const auto cron = parse_cron(text);
        ASSERT_FALSE(cron) << text;
        EXPECT_EQ(cron.error().code, Code::invalid);
        EXPECT_THAT(cron.error().message, testing::HasSubstr(what)) << text;
    }
}

}  // namespace
}  // namespace taskstore::tasks
