#include <taskstore/testing/database_contract.hpp>

#include <gmock/gmock.h>
#include <taskstore/sql/identity.hpp>

#include <array>
#include <thread>

namespace taskstore::sql {
namespace {

constexpr std::array kTables{Table{"notes", "id"}};

}  // namespace

TEST_P(IdentityContract, ADatabaseGetsOneIdentityHoweverManyAskAtOnce) {
    std::vector<std::string> ids(4);
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < ids.size(); ++i) {
            threads.emplace_back([&, i] {
                SeededRandom random(i);
                const auto connection = connect();
                const auto identity = identify(*connection, "tasks", x_clock, random);
                ids[i] = identity ? identity->id : identity.error().message;
            });
        }
    }
    for (const std::string& id : ids) EXPECT_EQ(id, ids[0]);
    SeededRandom random(9);
    const auto connection = connect();
    EXPECT_NE(identify(*connection, "logs", x_clock, random)->id, ids[0]);
    EXPECT_EQ((*find_identity(*connection, "tasks"))->epoch, 1);
}

TEST_P(IdentityContract, AnEmptyDatabaseHasNone) {
    const auto connection = connect();
    const auto found = find_identity(*connection, "tasks");
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_FALSE(found->has_value());
}

TEST_P(IdentityContract, ASealRefusesWritesOfWhoOpenedBefore) {
    const auto connection = connect();
    SeededRandom random(1);
    ASSERT_TRUE(identify(*connection, "tasks", x_clock, random));
    ASSERT_TRUE(x_database->write(add_note(1)));
    ASSERT_TRUE(seal(*connection, "tasks", kTables, "postgres://h/it's"));
    ASSERT_TRUE(seal(*connection, "tasks", kTables, "postgres://h/it's")) << "idempotent";
    for (const char* text : {"INSERT INTO notes (id) VALUES (2)", "UPDATE notes SET text = 'x'",
                             "DELETE FROM notes"}) {
        const BoundStatement write{.sql = text};
        const auto refused = x_database->write_batch({&write, 1});
        ASSERT_FALSE(refused) << text;
        const Error error = explain_seal(refused.error());
        EXPECT_EQ(error.code, Code::unavailable) << refused.error().message;
        EXPECT_THAT(error.message, testing::HasSubstr("postgres://h/it's"));
    }
    EXPECT_THAT(note_ids(), testing::ElementsAre(1));
    EXPECT_EQ((*find_identity(*connection, "tasks"))->moved_to, "postgres://h/it's");
    ASSERT_TRUE(unseal(*connection, "tasks", kTables));
    ASSERT_TRUE(unseal(*connection, "tasks", kTables));
    EXPECT_TRUE(x_database->write(add_note(2)));
    EXPECT_EQ((*find_identity(*connection, "tasks"))->moved_to, std::nullopt);
}

TEST_P(IdentityContract, OtherErrorsStayAsTheyAre) {
    EXPECT_EQ(explain_seal({Code::conflict, "a task of that id", "", 7}).code, Code::conflict);
}

}  // namespace taskstore::sql
