// How requests and answers travel: connections that are kept, answers that are packed.

#include "stub.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <taskstore/libsql/database.hpp>

namespace taskstore::libsql {
namespace {

using testing::ContainsRegex;
using testing::Each;
using testing::Not;
using testing::SizeIs;

class Way : public testing::Test {
  protected:
    Way() {
        x_options.clock = &x_clock;
        x_options.random = &x_random;
    }

    const SystemClock x_clock;
    SystemRandom x_random;
    Options x_options;
    HranaStub x_stub;
};

TEST_F(Way, ItIsKeptForManyRequests) {
    const auto database = *open_database(x_stub.location(), x_options);
    for (int i = 0; i < 20; ++i)
        ASSERT_TRUE(database->read([](sql::Connection& connection) -> Status {
            TASKSTORE_TRY(connection.execute("SELECT 1"));
            return ok();
        }));
    EXPECT_GE(x_stub.requests(), 20);
    EXPECT_LE(x_stub.connections(), 2);
}

TEST_F(Way, AnswersMayComePacked) {
    std::vector<std::string> headers;
    x_stub.set_fate([&](const Seen& seen) -> Fate {
        headers.push_back(seen.headers);
        return {.packed = true};
    });
    const auto database = *open_database(x_stub.location(), x_options);
    const std::string large(200'000, 'a');
    const std::vector<sql::BoundStatement> batch{
        {.sql = "SELECT ?1, 7", .values = {large}},
    };
    const auto answers = database->read_batch(batch);
    ASSERT_TRUE(answers) << answers.error().message;
    EXPECT_EQ((*answers)[0].rows.at(0), (std::vector<sql::Value>{large, std::int64_t{7}}));
    x_stub.settle();
    EXPECT_THAT(headers, Not(SizeIs(0)));
    EXPECT_THAT(headers, Each(ContainsRegex("[Aa]ccept-[Ee]ncoding: gzip")));
}

}  // namespace
}  // namespace taskstore::libsql
