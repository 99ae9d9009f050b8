#include "../log_cleaning.hpp"

#include <taskstore/base/clock.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <gmock/gmock.h>

#include <fcntl.h>
#include <sys/stat.h>

#include <fstream>

namespace taskstore::work {
namespace {

using testing::UnorderedElementsAre;

constexpr std::int64_t kDayMs = 86'400'000;

class LogCleaningTest : public testing::Test {
  protected:
    void write(const std::string& name, std::int64_t age_ms, std::size_t bytes = 10) {
        const std::string path = x_folder / name;
        std::ofstream(path) << std::string(bytes, 'x');
        const std::int64_t at_ms = x_now_ms - age_ms;
        const struct timespec at{at_ms / 1'000, at_ms % 1'000 * 1'000'000};
        const std::array<struct timespec, 2> times{at, at};
        ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times.data(), 0), 0);
    }
    std::int64_t clean(const LogLimits& limits) {
        auto removed = clean_logs(x_files, x_folder.path(), limits, x_now_ms);
        EXPECT_TRUE(removed) << removed.error().message;
        return std::move(removed).value_or(-1);
    }
    std::vector<std::string> names() { return *x_files.list(x_folder.path()); }

    TemporaryFolder x_folder;
    os::SystemFileSystem x_files;
    std::int64_t x_now_ms = SystemClock().wall_ms();
};

TEST_F(LogCleaningTest, WhatIsTooOldGoesAndNothingElse) {
    write("a-1.log", 3 * kDayMs);
    write("a-1.result", 3 * kDayMs);
    write("b-2.log", kDayMs);
    write("notes.log", 9 * kDayMs);
    write("b-2.txt", 9 * kDayMs);
    write("-3.log", 9 * kDayMs);
    write("c-.log", 9 * kDayMs);
    write("c-3x.log", 9 * kDayMs);
    EXPECT_EQ(clean({.age_ms_max = 2 * kDayMs}), 2);
    EXPECT_THAT(names(), UnorderedElementsAre("b-2.log", "notes.log", "b-2.txt", "-3.log", "c-.log",
                                              "c-3x.log"));
}

TEST_F(LogCleaningTest, WhereThereIsTooMuchTheOldestGo) {
    write("a-1.log", 1'000, 100);
    write("b-1.log", 3'000, 100);
    write("c-1.log", 2'000, 100);
    write("other", 9'000, 1'000);
    EXPECT_EQ(clean({.bytes_max = 299}), 1);
    EXPECT_THAT(names(), UnorderedElementsAre("a-1.log", "c-1.log", "other"));
    EXPECT_EQ(clean({.bytes_max = 200}), 0);
    EXPECT_EQ(clean({.bytes_max = 1}), 2);
}

TEST_F(LogCleaningTest, WhatACommandStillWritesToStays) {
    write("a-1.log", 9 * kDayMs);
    write("b-1.log", 8 * kDayMs);
    std::ofstream writes(x_folder / "a-1.log", std::ios::app);
    EXPECT_EQ(clean({.age_ms_max = kDayMs, .bytes_max = 1}), 1);
    EXPECT_THAT(names(), UnorderedElementsAre("a-1.log"));
    writes.close();
    EXPECT_EQ(clean({.age_ms_max = kDayMs}), 1);
}

TEST_F(LogCleaningTest, WithoutLimitsAllStaysAndWithoutAFolderThereIsNothing) {
    write("a-1.log", 9'000 * kDayMs, 100'000);
    EXPECT_EQ(clean({}), 0);
    EXPECT_EQ(clean_logs(x_files, x_folder / "none", {.age_ms_max = 1}, x_now_ms).value_or(-1), 0);
}

}  // namespace
}  // namespace taskstore::work
