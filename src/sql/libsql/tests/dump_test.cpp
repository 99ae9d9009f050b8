#include "servers.hpp"
#include "stub.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <taskstore/libsql/database.hpp>

namespace taskstore::libsql {
namespace {

using testing::EndsWith;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kEmpty = "PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\nCOMMIT;\n";

struct Dumped {
    Status status = ok();
    std::string text = {};
    int pieces = 0;
};
Dumped dump_of(const std::string& url, const Options& options = test_options()) {
    Dumped dumped;
    dumped.status = dump(url, options, [&](std::string_view piece) {
        dumped.text += piece;
        ++dumped.pieces;
        return ok();
    });
    return dumped;
}

TEST(Dumps, HoldWhatIsCommittedAndWaitForNobody) {
    const FreshDatabase fresh;
    const auto database = open_with_table(fresh.location());
    ASSERT_TRUE(database->write_batch(std::vector{insert(1)}));
    Driver driver(test_options());
    const auto writer = *driver.connect(fresh.location(), {});
    must(writer->begin_write());
    must(writer->execute("INSERT INTO notes (id, x) VALUES (2, 'not yet')"));
    const Dumped before = dump_of(fresh.location());
    ASSERT_TRUE(before.status) << before.status.error().message;
    EXPECT_THAT(before.text, StartsWith("PRAGMA foreign_keys=OFF;\nBEGIN TRANSACTION;\n"));
    EXPECT_THAT(before.text, HasSubstr("INSERT INTO notes VALUES(1,"));
    EXPECT_THAT(before.text, Not(HasSubstr("not yet")));
    EXPECT_THAT(before.text, EndsWith("COMMIT;\n"));
    must(writer->commit());
    EXPECT_THAT(dump_of(fresh.location()).text, HasSubstr("not yet"));
}

TEST(Dumps, ComeInPiecesHoweverLargeTheyAre) {
    const FreshDatabase fresh;
    const auto database = open_with_table(fresh.location());
    for (std::int64_t id = 1; id <= 3; ++id)
        ASSERT_TRUE(database->write_batch(
            std::vector<sql::BoundStatement>{{.sql = "INSERT INTO notes (id, x) VALUES (?1, ?2)",
                                              .values = {id, std::string(4 << 20, 'x')}}}));
    Options options = test_options();
    options.reply_bytes_max = 1 << 20;
    const Dumped dumped = dump_of(fresh.location(), options);
    ASSERT_TRUE(dumped.status) << dumped.status.error().message;
    EXPECT_GT(dumped.text.size(), 12U << 20U);
    EXPECT_GT(dumped.pieces, 12);
    EXPECT_THAT(dumped.text, EndsWith("COMMIT;\n"));
}

TEST(Dumps, OfADatabaseThatIsNotThereAreNone) {
    const FreshDatabase fresh;
    std::string url = fresh.location();
    url.replace(url.find("//") + 2, 1, "nowhere-");
    EXPECT_EQ(dump_of(url).status.error().code, Code::unsupported);
    EXPECT_EQ(dump_of("http://127.0.0.1:1").status.error().code, Code::unavailable);
    EXPECT_EQ(dump_of("nowhere").status.error().code, Code::invalid);
}

TEST(Dumps, WantThePasswordOfTheServer) {
    const auto sqld = start_sqld({.basic_auth = "dXNlcjpnZWhlaW0="});
    ASSERT_TRUE(sqld) << sqld.error().message;
    const std::string port = std::to_string(sqld->server->port());
    EXPECT_EQ(dump_of("http://user:geheim@127.0.0.1:" + port).text, kEmpty);
    const Dumped refused = dump_of("http://user:falsch@127.0.0.1:" + port);
    EXPECT_EQ(refused.status.error().code, Code::denied) << refused.status.error().message;
    EXPECT_THAT(refused.status.error().message, Not(HasSubstr("falsch")));
    EXPECT_EQ(refused.text, "");
}

class OddServer : public testing::Test {
  protected:
    Error refused(Fate fate) {
        fate.run = false;
        x_stub.set_fate([fate](const Seen& seen) {
            if (seen.path != "/dump") return Fate{};  // A question for a sign of life.
            EXPECT_THAT(seen.headers, HasSubstr("Bearer secret"));
            return fate;
        });
        const Dumped dumped = dump_of(x_stub.location(), x_options);
        EXPECT_FALSE(dumped.status);
        return dumped.status ? Error{} : dumped.status.error();
    }
    Options x_options = [] {
        Options options = test_options();
        options.token = "secret";
        return options;
    }();
    HranaStub x_stub;
};

TEST_F(OddServer, WithoutDumpsIsToldFromOneThatIsAway) {
    for (const int status : {302, 400, 403, 404, 405, 500, 501})
        EXPECT_EQ(refused({.body = "no", .status = status}).code, Code::unsupported) << status;
    for (const int status : {429, 502, 503, 504})
        EXPECT_EQ(refused({.body = "later", .status = status}).code, Code::unavailable) << status;
    EXPECT_EQ(refused({.body = "who?", .status = 401}).code, Code::denied);
    EXPECT_EQ(refused({.hang_up_before_answer = true}).code, Code::unavailable);
    EXPECT_EQ(refused({.body = std::string(kEmpty), .cut_after = 30}).code, Code::unavailable);
}

TEST_F(OddServer, MaySendItPacked) {
    x_stub.set_fate([](const Seen& seen) {
        EXPECT_THAT(seen.headers, HasSubstr("gzip"));
        return Fate{.run = false, .body = std::string(kEmpty), .packed = true};
    });
    EXPECT_EQ(dump_of(x_stub.location()).text, kEmpty);
}

TEST_F(OddServer, IsNotAskedOnWhereThePiecesAreRefused) {
    x_stub.set_fate(
        [](const Seen&) { return Fate{.run = false, .body = std::string(4 << 20, 'x')}; });
    int pieces = 0;
    const Status status = dump(x_stub.location(), test_options(), [&](std::string_view) {
        ++pieces;
        return Status(fail(Code::corrupt, "that is no dump"));
    });
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().message, "that is no dump");
    EXPECT_EQ(status.error().code, Code::corrupt);
    EXPECT_EQ(pieces, 1);
}

}  // namespace
}  // namespace taskstore::libsql
