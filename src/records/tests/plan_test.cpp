#include <gtest/gtest.h>
TEST(Plan, Builds) { SUCCEED(); }
