#include <taskstore/testing/database_contract.hpp>

#include <gmock/gmock.h>
#include <taskstore/sql/migration.hpp>

#include <array>
#include <thread>

namespace taskstore::sql {
namespace {

using testing::HasSubstr;

constexpr std::array kThree{
    Migration{1, "tables", "CREATE TABLE a (id BIGINT PRIMARY KEY); CREATE TABLE b (id BIGINT)"},
    Migration{2, "fill", "INSERT INTO a (id) VALUES (1)"},
    Migration{3, "more", "INSERT INTO b (id) SELECT id FROM a"}};
constexpr std::span<const Migration> kAll{kThree};

std::int64_t count(Connection& connection, std::string_view table) {
    const auto select = connection.prepare("SELECT COUNT(*) FROM " + std::string(table));
    if (!select || !*(*select)->step()) return -1;
    return (*select)->column_int64(0);
}

}  // namespace

TEST_P(MigrationContract, WhatAMigrationFillsIsOfItsTransaction) {
    const auto connection = connect();
    const FakeClock clock;
    std::array steps = kThree;
    steps[1].fill = [](Connection& within) {
        return within.execute("INSERT INTO b (id) SELECT id + 1 FROM a");
    };
    steps[2].fill = [](Connection&) -> Status { return fail(Code::failed, "as planned"); };
    const auto failed = migrate(*connection, "m", steps, clock);
    EXPECT_EQ(failed.error().code, Code::failed);
    EXPECT_THAT(failed.error().message, HasSubstr("migration 3 of 'm': as planned"));
    EXPECT_EQ(count(*connection, "b"), 1) << "of the second alone";
    steps[2].fill = nullptr;
    ASSERT_TRUE(migrate(*connection, "m", steps, clock));
    EXPECT_EQ(count(*connection, "b"), 2);
}

TEST_P(MigrationContract, AppliesWhatIsMissingOnceAndInOrder) {
    const auto connection = connect();
    const FakeClock clock;
    ASSERT_TRUE(migrate(*connection, "m", kAll.first(2), clock));
    EXPECT_EQ(count(*connection, "b"), 0);
    ASSERT_TRUE(migrate(*connection, "m", kAll, clock));
    ASSERT_TRUE(migrate(*connection, "m", kAll, clock));
    EXPECT_EQ(count(*connection, "b"), 1);
    const auto row = *connection->prepare(
        "SELECT name, applied_at, checksum FROM taskstore_migrations WHERE module = 'm' AND "
        "version = 2");
    ASSERT_TRUE(*row->step());
    EXPECT_EQ(row->column_text(0), "fill");
    EXPECT_EQ(row->column_int64(1), clock.wall_ms());
    EXPECT_EQ(row->column_text(2).size(), 64U);
}

TEST_P(MigrationContract, TwoModulesShareADatabase) {
    const auto connection = connect();
    const FakeClock clock;
    constexpr std::array kOther{Migration{1, "tables", "CREATE TABLE other (id BIGINT)"}};
    ASSERT_TRUE(migrate(*connection, "m", kAll, clock));
    ASSERT_TRUE(migrate(*connection, "other", kOther, clock));
    EXPECT_EQ(count(*connection, "taskstore_migrations"), 4);
}

TEST_P(MigrationContract, RefusesANewerSchema) {
    const auto connection = connect();
    const FakeClock clock;
    ASSERT_TRUE(migrate(*connection, "m", kAll, clock));
    const auto status = migrate(*connection, "m", kAll.first(2), clock);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, Code::unsupported);
    EXPECT_THAT(status.error().message, HasSubstr("version 3"));
    EXPECT_THAT(status.error().hint, HasSubstr("upgrade"));
}

TEST_P(MigrationContract, RefusesAnEditedMigration) {
    const auto connection = connect();
    const FakeClock clock;
    ASSERT_TRUE(migrate(*connection, "m", kAll, clock));
    auto edited = kThree;
    edited[1].sql = "INSERT INTO a (id) VALUES (2)";
    const auto status = migrate(*connection, "m", edited, clock);
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, Code::corrupt);
    EXPECT_THAT(status.error().message, HasSubstr("migration 2 of 'm'"));
}

TEST_P(MigrationContract, AFailedOneLeavesTheOnesBeforeIt) {
    const auto connection = connect();
    const FakeClock clock;
    auto broken = kThree;
    broken[2].sql = "INSERT INTO b (id) VALUES (7); INSERT INTO nowhere (id) VALUES (1)";
    const auto status = migrate(*connection, "m", broken, clock);
    ASSERT_FALSE(status);
    EXPECT_THAT(status.error().message, HasSubstr("migration 3 of 'm'"));
    EXPECT_FALSE(connection->in_transaction());
    EXPECT_EQ(count(*connection, "a"), 1);
    EXPECT_EQ(count(*connection, "b"), 0);
    EXPECT_TRUE(migrate(*connection, "m", kAll, clock));
}

TEST_P(MigrationContract, AMigrationMustNotEndItsTransaction) {
    const auto connection = connect();
    const FakeClock clock;
    constexpr std::array kCommits{Migration{1, "commits", "CREATE TABLE a (id BIGINT); COMMIT"}};
    EXPECT_EQ(migrate(*connection, "m", kCommits, clock).error().code, Code::invalid);
}

TEST_P(MigrationContract, AReadOnlyConnectionChecksAndDoesNotApply) {
    const auto connection = connect();
    const FakeClock clock;
    ASSERT_TRUE(migrate(*connection, "m", kAll.first(2), clock));
    const auto reader = connect({.read_only = true});
    EXPECT_TRUE(migrate(*reader, "m", kAll.first(2), clock));
    EXPECT_EQ(migrate(*reader, "m", kAll, clock).error().code, Code::denied);
}

TEST_P(MigrationContract, FourThatStartAtOnceApplyEachOnce) {
    const FakeClock clock;
    std::vector<Status> results(4);
    {
        std::vector<std::jthread> threads;
        for (Status& result : results) {
            threads.emplace_back([&] {
                const auto connection = x_sandbox->driver().connect(x_sandbox->location(), {});
                result =
                    connection ? migrate(**connection, "m", kAll, clock) : fail(connection.error());
            });
        }
    }
    for (const Status& result : results) EXPECT_TRUE(result) << result.error().message;
    EXPECT_EQ(count(*connect(), "b"), 1);
}

}  // namespace taskstore::sql
