// What is told of waits for a connection.

#include "stub.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <taskstore/libsql/database.hpp>

#include <atomic>
#include <thread>
#include <vector>

namespace taskstore::libsql {
namespace {

/// The system's, which counts how often it is asked.
class CountingClock final : public Clock {
  public:
    std::int64_t wall_ms() const override { return x_clock.wall_ms(); }
    std::int64_t boot_ns() const override {
        x_asked.fetch_add(1);
        return x_clock.boot_ns();
    }
    std::int64_t running_ns() const override { return x_clock.running_ns(); }
    int asked() const { return x_asked.load(); }

  private:
    const SystemClock x_clock;
    mutable std::atomic<int> x_asked{0};
};

/// What is told while somebody waits for the only connection.
std::vector<std::string> told_of_a_wait(std::int64_t slow_acquire_threshold_ms) {
    HranaStub stub;
    const CountingClock clock;
    SystemRandom random;
    std::vector<std::string> told;
    Options options;
    options.clock = &clock;
    options.random = &random;
    options.pool = {.max_connections = 1, .slow_acquire_threshold_ms = slow_acquire_threshold_ms};
    options.warn = [&](const std::string& text) { told.push_back(text); };
    const auto database = *open_database(stub.location(), options);
    const std::vector<sql::BoundStatement> select{{.sql = "SELECT 1"}};
    std::jthread waiter;
    EXPECT_TRUE(database->read([&](sql::Connection&) {
        const int before = clock.asked();
        waiter = std::jthread([&] { EXPECT_TRUE(database->read_batch(select)); });
        // When it began to wait, and each time that it looks whether it has waited long enough.
        while (clock.asked() < before + 3) std::this_thread::yield();
        return ok();
    }));
    waiter.join();
    return told;
}

TEST(Pool, ASlowWaitForAConnectionIsToldAndAFastOneIsNot) {
    EXPECT_THAT(told_of_a_wait(1),
                testing::ElementsAre(testing::HasSubstr("ms for one of 1 connections")));
    EXPECT_THAT(told_of_a_wait(3'600'000), testing::IsEmpty());
}

}  // namespace
}  // namespace taskstore::libsql
