// Claims, slots, waits and leases over thousands of seeded simulations of the store in memory, each
// beside a model written apart. TASKSTORE_SEED repeats one of them; TASKSTORE_FULL runs 100,000.

#include "simulation.hpp"

#include <gtest/gtest.h>
#include <taskstore/sqlite/driver.hpp>

#include <cstdlib>
#include <iostream>
#include <mutex>

namespace taskstore::tasks {
namespace {

/// SQLite in memory: one connection, each write a transaction.
class MemoryDatabase final : public sql::Database {
  public:
    MemoryDatabase() {
        auto connection = x_driver.connect(":memory:", {});
        EXPECT_TRUE(connection);
        x_connection = std::move(*connection);
        const FakeClock clock;
        SeededRandom random{3};
        EXPECT_TRUE(sql::migrate(*x_connection, kModule, migrations("sqlite"), clock));
        EXPECT_TRUE(sql::identify(*x_connection, kModule, clock, random));
    }
    void clear() {
        std::string text;
        for (const sql::Table& table : tables())
            text += "DELETE FROM " + std::string(table.name) + ";";
        EXPECT_TRUE(x_connection->execute(text));
    }
    Result<sql::Committed> write(const sql::Work& work, const sql::WriteOptions&) override {
        TASKSTORE_LET(auto transaction, sql::Transaction::begin_write(*x_connection));
        TASKSTORE_TRY(work(*x_connection));
        TASKSTORE_TRY(transaction.commit());
        return sql::Committed{};
    }
    Result<sql::Committed> write_batch(sql::Batch batch, const sql::WriteOptions&) override {
        TASKSTORE_LET(auto transaction, sql::Transaction::begin_write(*x_connection));
        TASKSTORE_LET(auto answers, sql::run_batch(*x_connection, batch));
        TASKSTORE_TRY(transaction.commit());
        return sql::Committed{.answers = std::move(answers)};
    }
    Status read(const sql::Work& work, const sql::ReadOptions&) override {
        return work(*x_connection);
    }
    Result<std::vector<sql::Rows>> read_batch(sql::Batch batch, const sql::ReadOptions&) override {
        return sql::run_batch(*x_connection, batch);
    }
    Result<std::unique_ptr<sql::Waiter>> waiter(std::string_view) override {
        return fail(Code::unsupported, "nobody else is here to wait for");
    }
    std::string_view dialect() const override { return "sqlite"; }
    sql::Capabilities capabilities() const override { return {}; }

  private:
    sqlite::Driver x_driver;
    std::unique_ptr<sql::Connection> x_connection;
};

/// More than that by chance: less than once in 10^10 runs.
constexpr double kUnevenMost = 90;

TEST(SchedulingSimulation, OrderSlotsWaitsAndLeasesAreThoseOfTheModel) {
    const char* const given = std::getenv("TASKSTORE_SEED");
    const bool full = std::getenv("TASKSTORE_FULL") != nullptr;
    const std::uint64_t count = given != nullptr ? 1 : full ? 100'000 : TASKSTORE_SIMULATIONS;
    const std::uint64_t first =
        given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    std::cout << "TASKSTORE_SEED=" << first << " and the " << count - 1 << " after it\n";
    MemoryDatabase database;
    JitterShares shares;
    for (std::uint64_t seed = first; seed != first + count; ++seed) {
        const std::string wrong = Simulation(database, seed, shares).run();
        if (!wrong.empty()) FAIL() << wrong;
        database.clear();
    }
    if (given != nullptr) return;
    std::cout << shares.total() << " waits with jitter, chi-square " << shares.unevenness() << "\n";
    EXPECT_GT(shares.total(), static_cast<std::int64_t>(count / 4)) << "too few waits to tell";
    EXPECT_LT(shares.unevenness(), kUnevenMost)
        << "jitter takes some shares more often than others";
}

/// How many urgent tasks go before one of low priority, while a worker does one each 10 ms and
/// another one comes; at most 1,000.
int urgent_ones_before_a_low_one(std::optional<std::int64_t> ageing_ms) {
    MemoryDatabase database;
    FakeClock clock;
    SeededRandom random{1};
    const auto store = make_task_store(database, clock, random, {.time = TimeSource::clock});
    EXPECT_TRUE(store->set_ageing(ageing_ms));
    EXPECT_TRUE(store->create_task({.title = "low", .priority = -10}));
    for (int done = 0; done < 1'000; ++done) {
        EXPECT_TRUE(store->create_task({.title = "urgent", .priority = 20}));
        const auto claimed = store->claim_tasks({.worker = "w"});
        if (claimed->value.at(0).title == "low") return done;
        EXPECT_TRUE(store->complete_task({.task_id = claimed->value[0].id}, {}));
        clock.advance_ms(10);
    }
    return 1'000;
}

TEST(SchedulingSimulation, WithAnAgeingNothingWaitsForWhatIsMadeTooLate) {
    EXPECT_EQ(urgent_ones_before_a_low_one({}), 1'000);
    // Three tens of priority, a second each, and one task each 10 ms.
    EXPECT_EQ(urgent_ones_before_a_low_one(1'000), 300);
    EXPECT_EQ(urgent_ones_before_a_low_one(2'000), 600);
}

}  // namespace
}  // namespace taskstore::tasks
