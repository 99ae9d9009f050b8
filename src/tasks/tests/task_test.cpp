#include <taskstore/tasks/task.hpp>

#include <gtest/gtest.h>

namespace taskstore::tasks {
namespace {

TEST(TaskStatus, EveryFoundingSpellingIsTakenAndOneIsPrinted) {
    EXPECT_EQ(status_of("RUNNING"), TaskStatus::in_progress);
    EXPECT_EQ(status_of("in_progress"), TaskStatus::in_progress);
    EXPECT_EQ(status_of("Complete"), TaskStatus::completed);
    EXPECT_EQ(status_of("canceled"), TaskStatus::cancelled);
    EXPECT_EQ(status_of("error"), TaskStatus::failed);
    EXPECT_EQ(status_of("nonsense"), std::nullopt);
    EXPECT_EQ(name_of(TaskStatus::cancelled), "cancelled");
}

}  // namespace
}  // namespace taskstore::tasks
