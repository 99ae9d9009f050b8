// Work on several threads that ends well, or is told.
#include "../parts.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <new>

namespace taskstore::ledger {
namespace {

TEST(Parts, EachRunsOnce) {
    std::atomic<int> sum = 0;
    run_in_parts(5, [&](std::size_t part) { sum += 1 << (4 * part); });
    EXPECT_EQ(sum, 0x11111);
    EXPECT_EQ(parts_of(10, 100), 1U);
    EXPECT_LE(parts_of(1'000'000, 1), 8U);
}

TEST(Parts, WhatAThreadThrowsComesOutWhereTheWorkWasAskedFor) {
    for (std::size_t failing = 0; failing < 4; ++failing) {
        std::atomic<int> ended = 0;
        EXPECT_THROW(run_in_parts(4,
                                  [&](std::size_t part) {
                                      if (part == failing) throw std::bad_alloc();
                                      ++ended;
                                  }),
                     std::bad_alloc);
        EXPECT_EQ(ended, 3) << "the others end first";
    }
}

}  // namespace
}  // namespace taskstore::ledger
