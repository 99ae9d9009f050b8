#include <taskstore/testing/database_contract.hpp>

#include <gmock/gmock.h>
#include <taskstore/sql/identity.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <thread>

namespace taskstore::sql {
namespace {

constexpr std::array kTables{Table{"notes", "id"}};

class ClosedDatabase {
  public:
    explicit ClosedDatabase(Connection& connection, const Clock& clock) : x_connection(connection) {
        SeededRandom random(1);
        now = *identify(connection, "tasks", clock, random);
    }
    Status change(const Identity& next) {
        TASKSTORE_TRY(change_identity(x_connection, "tasks", kTables, now, next));
        now = next;
        return ok();
    }
    Identity sealed(const std::string& place) const {
        return {.id = now.id, .epoch = now.epoch, .moved_to = place, .mark = "move 1"};
    }
    Identity incoming() const {
        return {.id = now.id, .epoch = now.epoch, .incoming_from = "other", .mark = "move 2"};
    }
    Identity live() const { return {.id = now.id, .epoch = now.epoch + 1}; }

    Identity now;

  private:
    Connection& x_connection;
};

constexpr std::array kWrites{"INSERT INTO notes (id) VALUES (2)", "UPDATE notes SET text = 'x'",
                             "DELETE FROM notes"};

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
    EXPECT_EQ((*find_identity(*connection, "tasks"))->epoch, next_epoch(0, x_clock.wall_ms()));
}

// As versions before the first release did.
TEST_P(IdentityContract, AnEpochThatWasCountedBecomesATimeOnce) {
    const auto connection = connect();
    SeededRandom random(1);
    const Identity made = *identify(*connection, "tasks", x_clock, random);
    ASSERT_TRUE(connection->execute("UPDATE taskstore_database SET epoch = 3"));
    x_clock.advance_ms(60'000);
    const std::int64_t now = next_epoch(3, x_clock.wall_ms());
    std::atomic<int> begun{0};
    const auto opened = [&](std::uint64_t seed) {
        SeededRandom own_random(seed);
        const auto own = connect();
        const auto found =
            identify(*own, "tasks", x_clock, own_random, [&](Connection& within) -> Status {
                EXPECT_TRUE(within.in_transaction());
                TASKSTORE_LET(const auto seen, find_identity(within, "tasks"));
                EXPECT_EQ(seen->epoch, now);
                ++begun;
                return ok();
            });
        EXPECT_TRUE(found) << (found ? "" : found.error().message);
        return found ? *found : Identity{};
    };
    {
        std::vector<std::jthread> threads;
        for (std::uint64_t i = 0; i < 4; ++i)
            threads.emplace_back([&, i] { EXPECT_EQ(opened(i).epoch, now); });
    }
    EXPECT_EQ(begun.load(), 1);
    x_clock.advance_ms(60'000);
    EXPECT_EQ(opened(9), (Identity{.id = made.id, .epoch = now})) << "a time stays as it is";
}

TEST_P(IdentityContract, AnEpochThatWasCountedStaysWhereItIsClosedOrTheClockHasLostItsTime) {
    const auto connection = connect();
    ClosedDatabase database(*connection, x_clock);
    ASSERT_TRUE(connection->execute("UPDATE taskstore_database SET epoch = 3"));
    SeededRandom random(1);
    const FakeClock lost(1'000'000);
    EXPECT_EQ(identify(*connection, "tasks", lost, random)->epoch, 3);
    database.now.epoch = 3;
    ASSERT_TRUE(database.change(database.sealed("there")));
    EXPECT_EQ(*identify(*connection, "tasks", x_clock, random), database.now);
}

TEST_P(IdentityContract, AnEpochThatCannotBeIsNotBelieved) {
    const auto connection = connect();
    const ClosedDatabase database(*connection, x_clock);
    for (const char* epoch : {"0", "-1", "8589934592", "9223372036854775807"}) {
        ASSERT_TRUE(
            connection->execute("UPDATE taskstore_database SET epoch = " + std::string(epoch)));
        EXPECT_EQ(find_identity(*connection, "tasks").error().code, Code::corrupt) << epoch;
    }
}

TEST_P(IdentityContract, AnEmptyDatabaseHasNone) {
    const auto connection = connect();
    const auto found = find_identity(*connection, "tasks");
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_FALSE(found->has_value());
}

TEST_P(IdentityContract, WhatHasMovedRefusesWritesOfWhoOpenedBefore) {
    const auto connection = connect();
    ClosedDatabase database(*connection, x_clock);
    ASSERT_TRUE(x_database->write(add_note(1)));
    const Identity sealed = database.sealed("postgres://h/it's (move x)");
    ASSERT_TRUE(database.change(sealed));
    for (const char* text : kWrites) {
        const BoundStatement write{.sql = text};
        const auto refused = x_database->write_batch({&write, 1});
        ASSERT_FALSE(refused) << text;
        const Error error = explain_refusal(refused.error());
        EXPECT_EQ(error.code, Code::unavailable) << refused.error().message;
        EXPECT_EQ(error.message, "the database has moved to postgres://h/it's (move x)");
    }
    EXPECT_THAT(note_ids(), testing::ElementsAre(1));
    EXPECT_EQ(**find_identity(*connection, "tasks"), sealed);
    ASSERT_TRUE(database.change(database.live()));
    EXPECT_TRUE(x_database->write(add_note(2)));
    EXPECT_EQ(**find_identity(*connection, "tasks"), database.now);
}

TEST_P(IdentityContract, WhatIsBeingFilledTakesWritesOfItsFillerAlone) {
    const auto connection = connect();
    ClosedDatabase database(*connection, x_clock);
    ASSERT_TRUE(x_database->write(add_note(1)));
    ASSERT_TRUE(database.change(database.incoming()));
    for (const char* text : kWrites) {
        const BoundStatement write{.sql = text};
        const auto refused = x_database->write_batch({&write, 1});
        ASSERT_FALSE(refused) << text;
        const Error error = explain_refusal(refused.error());
        EXPECT_EQ(error.code, Code::unavailable) << refused.error().message;
        EXPECT_THAT(error.message, testing::HasSubstr("being filled"));
    }
    const auto fill = [&](const Identity& as, std::string_view text) {
        const std::array batch{begin_filling("tasks", as), BoundStatement{.sql = text},
                               end_filling("tasks", as)};
        const auto written = x_database->write_batch(batch, {.alone = true});
        return written ? ok() : Status(fail(written.error()));
    };
    EXPECT_TRUE(fill(database.now, "INSERT INTO notes (id) VALUES (2)"));
    EXPECT_TRUE(fill(database.now, "DELETE FROM notes WHERE id = 1"));
    EXPECT_THAT(note_ids(), testing::ElementsAre(2));
    EXPECT_FALSE(x_database->write(add_note(3))) << "the filler has closed the door behind it";
    Identity other = database.now;
    other.mark = "move 3";
    EXPECT_EQ(fill(other, "DELETE FROM notes").error().code, Code::conflict);
    const Identity before = database.now;
    ASSERT_TRUE(database.change(other));
    EXPECT_EQ(fill(before, "DELETE FROM notes").error().code, Code::conflict)
        << "who has lost it to another writes nothing more";
    ASSERT_TRUE(database.change(database.live()));
    EXPECT_TRUE(x_database->write(add_note(3)));
    EXPECT_THAT(note_ids(), testing::ElementsAre(2, 3));
}

TEST_P(IdentityContract, APlaceHasOneIdAndASealNamesTheOneThatItLeadsTo) {
    const auto connection = connect();
    ClosedDatabase database(*connection, x_clock);
    EXPECT_EQ(database.now.place, "");
    SeededRandom random(7);
    const std::string place = *name_place(*connection, "tasks", x_clock, random);
    EXPECT_EQ(*name_place(*connection, "tasks", x_clock, random), place);
    EXPECT_NE(*name_place(*connection, "logs", x_clock, random), place);
    EXPECT_EQ((*find_settled_identity(*connection, "tasks"))->place, place);
    Identity sealed = database.sealed("postgres://h/it's (move x) at y");
    sealed.moved_place = "0192";
    ASSERT_TRUE(database.change(sealed));
    sealed.place = place;
    EXPECT_EQ(**find_identity(*connection, "tasks"), sealed);
    const BoundStatement write{.sql = "DELETE FROM notes"};
    ASSERT_TRUE(database.change(database.live())) << "by the whole of what was read";
    EXPECT_TRUE(x_database->write_batch({&write, 1}));
}

TEST_P(IdentityContract, ARowChangesOnlyFromWhatWasRead) {
    const auto connection = connect();
    ClosedDatabase database(*connection, x_clock);
    const Identity live = database.now;
    std::vector<Identity> stale(4, live);
    stale[0].id = "other";
    ++stale[1].epoch;
    stale[2].moved_to = "x";
    stale[3].incoming_from = "x";
    for (const Identity& other : stale) {
        const auto refused =
            change_identity(*connection, "tasks", kTables, other, database.sealed("there"));
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Code::conflict) << refused.error().message;
        EXPECT_EQ(**find_identity(*connection, "tasks"), live);
    }
    EXPECT_TRUE(x_database->write(add_note(1))) << "no trigger was left behind";
    ASSERT_TRUE(database.change(database.sealed("there")));
    Identity other = database.now;
    other.mark = "move 7";
    EXPECT_EQ(change_identity(*connection, "tasks", kTables, other, live).error().code,
              Code::conflict)
        << "another mark";
    EXPECT_FALSE(x_database->write(add_note(2)));
}

TEST_P(IdentityContract, OfManyWhoCloseItAtOnceOneDoes) {
    const auto connection = connect();
    const ClosedDatabase database(*connection, x_clock);
    std::vector<Code> codes(4, Code::failed);
    std::vector<int> done(codes.size(), 0);
    {
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < codes.size(); ++i) {
            threads.emplace_back([&, i] {
                Identity next = database.sealed("place " + std::to_string(i));
                next.mark = "move " + std::to_string(i);
                const auto own = connect();
                const auto changed = change_identity(*own, "tasks", kTables, database.now, next);
                done[i] = changed ? 1 : 0;
                codes[i] = changed ? Code::conflict : changed.error().code;
            });
        }
    }
    EXPECT_EQ(std::ranges::count(done, 1), 1);
    EXPECT_THAT(codes, testing::Each(Code::conflict));
}

TEST_P(IdentityContract, WhatIsReadToDecideByIsReadWhereWritesGo) {
    const auto connection = connect();
    EXPECT_FALSE(*find_settled_identity(*connection, "tasks"));
    EXPECT_FALSE(connection->in_transaction());
    ClosedDatabase database(*connection, x_clock);
    EXPECT_FALSE(*find_settled_identity(*connection, "logs"));
    const Identity live = database.now;
    EXPECT_EQ(**find_settled_identity(*connection, "tasks"), live);
    {
        const auto settled = begin_settled_read(*connection, "tasks", live);
        ASSERT_TRUE(settled) << settled.error().message;
        EXPECT_TRUE(connection->in_transaction());
    }
    EXPECT_FALSE(connection->in_transaction());
    ASSERT_TRUE(database.change(database.sealed("there")));
    const auto other = begin_settled_read(*connection, "tasks", live);
    EXPECT_EQ(other.error().code, Code::conflict) << other.error().message;
    EXPECT_FALSE(connection->in_transaction());
    EXPECT_TRUE(begin_settled_read(*connection, "tasks", database.now));
    EXPECT_EQ(**find_settled_identity(*connection, "tasks"), database.now);
}

TEST_P(IdentityContract, TryingWhetherItCanCloseLeavesNothing) {
    const auto connection = connect();
    const ClosedDatabase database(*connection, x_clock);
    for (int i = 0; i < 2; ++i) {
        const auto tried = check_can_close(*connection, kTables);
        EXPECT_TRUE(tried) << tried.error().message;
    }
    EXPECT_FALSE(connection->in_transaction());
    EXPECT_TRUE(x_database->write(add_note(1)));
}

TEST_P(IdentityContract, OtherErrorsStayAsTheyAre) {
    EXPECT_EQ(explain_refusal({Code::conflict, "a task of that id", "", 7}).code, Code::conflict);
}

}  // namespace taskstore::sql
