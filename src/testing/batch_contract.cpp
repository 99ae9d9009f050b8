#include <taskstore/testing/database_contract.hpp>

#include <gmock/gmock.h>

#include <array>
#include <limits>
#include <thread>

namespace taskstore::sql {
namespace {

using testing::ElementsAre;
using testing::SizeIs;

constexpr std::string_view kInsert = "INSERT INTO notes (id, text) VALUES (?1, ?2)";
constexpr std::string_view kInsertMany =
    "INSERT INTO notes (id, text) SELECT * FROM unnest(?1::bigint[], ?2::text[])";

BoundStatement insert(std::int64_t id, std::string text = "x") {
    return {.sql = kInsert, .values = {id, std::move(text)}};
}

}  // namespace

TEST_P(BatchContract, EachStatementHasItsAnswerInOrder) {
    const std::vector<BoundStatement> batch{
        insert(1, "one"),
        insert(2, "two"),
        {.sql = "SELECT id, text FROM notes WHERE id > ?1 ORDER BY id",
         .values = {std::int64_t{0}}},
        {.sql = "UPDATE notes SET text = ?1", .values = {std::string("both")}},
        {.sql = "DELETE FROM notes WHERE id = ?1 RETURNING text", .values = {std::int64_t{2}}}};
    const auto committed = x_database->write_batch(batch);
    ASSERT_TRUE(committed) << committed.error().message;
    ASSERT_THAT(committed->answers, SizeIs(5));
    EXPECT_EQ(committed->answers[0].changes, 1);
    EXPECT_THAT(committed->answers[2].columns, ElementsAre("id", "text"));
    ASSERT_THAT(committed->answers[2].rows, SizeIs(2));
    EXPECT_EQ(committed->answers[2].rows[1][0], Value{std::int64_t{2}});
    EXPECT_EQ(committed->answers[2].rows[1][1], Value{std::string("two")});
    EXPECT_EQ(committed->answers[3].changes, 2);
    ASSERT_THAT(committed->answers[4].rows, SizeIs(1));
    EXPECT_EQ(committed->answers[4].rows[0][0], Value{std::string("both")});
    EXPECT_THAT(note_ids(), ElementsAre(1));
}

TEST_P(BatchContract, AStatementThatFailsLeavesNothingOfItsBatch) {
    EXPECT_EQ(x_database->write_batch(std::vector{insert(1), insert(2), insert(1)}).error().code,
              Code::conflict);
    const std::vector<BoundStatement> misspelt{insert(3),
                                               {.sql = "INSERT INTO nowhere VALUES (1)"}};
    EXPECT_EQ(x_database->write_batch(misspelt).error().code, Code::invalid);
    EXPECT_THAT(note_ids(), ElementsAre());
    EXPECT_TRUE(x_database->write_batch(std::vector{insert(4)}));
    EXPECT_THAT(note_ids(), ElementsAre(4));
}

TEST_P(BatchContract, AnotherNumberOfChangesThanExpectedUndoesTheBatch) {
    ASSERT_TRUE(x_database->write_batch(std::vector{insert(1, "old")}));
    const auto swap = [&](std::string from, std::string to) {
        return x_database->write_batch(std::vector<BoundStatement>{
            insert(to == "new" ? 2 : 3),
            {.sql = "UPDATE notes SET text = ?1 WHERE id = 1 AND text = ?2",
             .values = {std::move(to), std::move(from)},
             .changes_expected = 1}});
    };
    EXPECT_TRUE(swap("old", "new"));
    EXPECT_EQ(swap("old", "newer").error().code, Code::conflict);
    EXPECT_THAT(note_ids(), ElementsAre(1, 2));
}

TEST_P(BatchContract, WhatComesAfterARowIsDoneWhicheverWayItRuns) {
    ASSERT_TRUE(x_database->write_batch(std::vector{insert(1, "old")}));
    constexpr std::array kBoth{0, 1};
    const auto copy = [&](std::int64_t id) {
        return x_database->write_batch(std::vector<BoundStatement>{
            {.sql = "UPDATE notes SET text = 'new' WHERE id = ?1 RETURNING id, text, id - 1",
             .values = {id}},
            {.sql = "INSERT INTO notes (id, text) SELECT id + 10, text FROM notes WHERE id = ?1",
             .values = {id},
             .after = {.back = 1,
                       .sql = "INSERT INTO notes (id, text) VALUES (?2 + 10, ?3)",
                       .columns = kBoth}},
            {.sql = "DELETE FROM notes WHERE id = ?1 AND id > 1",
             .values = {id},
             .after = {.back = 2, .unless_zero = 2}},
            {.sql = "SELECT text FROM notes ORDER BY id"}});
    };
    const auto none = copy(5);
    ASSERT_TRUE(none) << none.error().message;
    EXPECT_EQ(none->answers[1].changes, 0);
    EXPECT_THAT(none->answers[3].rows, SizeIs(1));
    const auto one = copy(1);
    ASSERT_TRUE(one) << one.error().message;
    EXPECT_EQ(one->answers[1].changes, 1);
    EXPECT_EQ(one->answers[2].changes, 0);
    EXPECT_THAT(one->answers[3].rows, ElementsAre(ElementsAre(Value{std::string("new")}),
                                                  ElementsAre(Value{std::string("new")})));
    EXPECT_TRUE(copy(11));
    EXPECT_THAT(note_ids(), ElementsAre(1, 21));
}

TEST_P(BatchContract, AWriteInStepsAnswersWhatTheStatementWould) {
    ASSERT_TRUE(x_database->write_batch(
        std::vector{insert(1, "old"), insert(2, "odd"), insert(3, "older")}));
    // The one write leaves out what the statement does to a text that is odd.
    const auto renew = [&](std::int64_t id) {
        return x_database->write_batch(std::vector<BoundStatement>{
            {.sql = "UPDATE notes SET text = CASE text WHEN 'odd' THEN 'even' ELSE 'new' END "
                    "WHERE id = ?1 RETURNING text, id",
             .values = {id},
             .steps = {.write = "UPDATE notes SET text = 'new' WHERE id = ?1 AND text <> 'odd'",
                       .read = "SELECT text, id FROM notes WHERE id = ?1"}},
            {.sql = "INSERT INTO notes (id, text) SELECT id + 10, text FROM notes WHERE id = ?1",
             .values = {id},
             .after = {.back = 1}}});
    };
    const auto expect = [](const Result<sql::Committed>& committed, const std::string& text,
                           std::int64_t id) {
        ASSERT_TRUE(committed) << committed.error().message;
        EXPECT_THAT(committed->answers[0].rows, ElementsAre(ElementsAre(Value{text}, Value{id})));
        EXPECT_EQ(committed->answers[0].changes, 1);
        EXPECT_EQ(committed->answers[1].changes, 1);
    };
    expect(renew(1), "new", 1);
    expect(renew(2), "even", 2);
    const auto none = renew(9);
    ASSERT_TRUE(none) << none.error().message;
    EXPECT_THAT(none->answers[0].rows, SizeIs(0));
    EXPECT_EQ(none->answers[0].changes, 0);

    const auto take_least = [&](std::int64_t above) {
        return x_database->write_batch(std::vector<BoundStatement>{
            {.sql = "UPDATE notes SET text = 'taken' WHERE id = (SELECT min(id) FROM notes WHERE "
                    "id > ?1 AND text <> 'taken') RETURNING text, id",
             .values = {above},
             .steps = {.find = "SELECT 'taken', id FROM notes WHERE id > ?1 AND text <> 'taken' "
                               "ORDER BY id",
                       .write = "UPDATE notes SET text = ?2 WHERE id = ?3",
                       .read = "SELECT text, id FROM notes WHERE id = ?3"}},
            {.sql = "SELECT 1"}});
    };
    for (const std::int64_t id : {11, 12}) {
        const auto taken = take_least(10);
        ASSERT_TRUE(taken) << taken.error().message;
        EXPECT_THAT(taken->answers[0].rows,
                    ElementsAre(ElementsAre(Value{std::string("taken")}, Value{id})));
        EXPECT_EQ(taken->answers[0].changes, 1);
    }
    const auto nothing = take_least(10);
    ASSERT_TRUE(nothing) << nothing.error().message;
    EXPECT_THAT(nothing->answers[0].rows, SizeIs(0));
    EXPECT_EQ(nothing->answers[0].changes, 0);
    EXPECT_THAT(nothing->answers[1].rows, SizeIs(1));
}

TEST_P(BatchContract, ValuesComeBackAsTheyWentIn) {
    constexpr std::size_t kLongBytes = 10'000'000;
    const std::vector<std::string> texts{"", "'quoted' \"too\" ?1 $1 :x",
                                         "\xF0\x9F\xA6\x80 \xE2\x82\xAC \xC3\xA9",
                                         "line\r\nline\t\x01\x7F", std::string(kLongBytes, 'x')};
    const std::vector<std::int64_t> numbers{0, -1, std::numeric_limits<std::int64_t>::min(),
                                            std::numeric_limits<std::int64_t>::max(),
                                            (std::int64_t{1} << 53) + 1};
    for (std::size_t i = 0; i < texts.size(); ++i) {
        ASSERT_TRUE(x_database->write_batch(std::vector{insert(numbers[i], texts[i])})) << i;
        const auto read = x_database->read_batch(std::vector<BoundStatement>{
            {.sql = "SELECT text FROM notes WHERE id = ?1", .values = {numbers[i]}}});
        ASSERT_TRUE(read) << read.error().message;
        ASSERT_THAT((*read)[0].rows, SizeIs(1)) << i;
        EXPECT_TRUE((*read)[0].rows[0][0] == Value{texts[i]}) << i;
    }
    ASSERT_TRUE(x_database->write_batch(
        std::vector<BoundStatement>{{.sql = kInsert, .values = {std::int64_t{7}, Value{}}}}));
    const auto read = x_database->read_batch(
        std::vector<BoundStatement>{{.sql = "SELECT text FROM notes WHERE id = 7"}});
    EXPECT_EQ((*read)[0].rows[0][0], Value{});
    EXPECT_EQ(x_database->write_batch(std::vector{insert(8, std::string("a\0b", 3))}).error().code,
              Code::invalid);
}

TEST_P(BatchContract, BytesAndDoublesComeBackAsTheyWentIn) {
    const std::string create = "CREATE TABLE extremes (id BIGINT, bytes " + x_sandbox->blob_type() +
                               ", real DOUBLE PRECISION)";
    ASSERT_TRUE(x_database->write_batch(std::vector<BoundStatement>{{.sql = create}}));
    std::string every;
    for (int byte = 0; byte < 256; ++byte) every += static_cast<char>(byte);
    std::string large;
    while (large.size() < 10'000'000) large += every;
    using Limits = std::numeric_limits<double>;
    const std::vector<std::vector<Value>> rows{
        {std::int64_t{0}, Blob{""}, -0.0},
        {std::int64_t{1}, Blob{every}, Limits::denorm_min()},
        {std::int64_t{2}, Blob{large}, -Limits::max()},
        {std::int64_t{3}, Value{}, 0.1},
        {std::int64_t{4}, Blob{std::string(3, '\0')}, 1e21},
    };
    for (const auto& row : rows) {
        const std::vector<BoundStatement> insert_one{
            {.sql = "INSERT INTO extremes (id, bytes, real) VALUES (?1, ?2, ?3)", .values = row}};
        const auto written = x_database->write_batch(insert_one);
        ASSERT_TRUE(written) << written.error().message;
    }
    const auto read = x_database->read_batch(
        std::vector<BoundStatement>{{.sql = "SELECT id, bytes, real FROM extremes ORDER BY id"}});
    ASSERT_TRUE(read) << read.error().message;
    ASSERT_THAT((*read)[0].rows, SizeIs(rows.size()));
    for (std::size_t i = 0; i < rows.size(); ++i) EXPECT_TRUE((*read)[0].rows[i] == rows[i]) << i;
}

TEST_P(BatchContract, CountersThatManyRaiseAtOnceLoseNothing) {
    constexpr int kThreads = 8;
    constexpr int kRounds = 10;
    ASSERT_TRUE(x_database->write_batch(
        std::vector<BoundStatement>{{.sql = "CREATE TABLE counters (id BIGINT, n BIGINT)"},
                                    {.sql = "INSERT INTO counters VALUES (1, 0)"}}));
    constexpr std::string_view kRaise = "UPDATE counters SET n = n + 1 WHERE id = 1";
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < kThreads; ++t) {
            threads.emplace_back([&, t] {
                for (int i = 0; i < kRounds; ++i) {
                    if (t % 2 == 0) {
                        const auto raised = x_database->write_batch(std::vector<BoundStatement>{
                            {.sql = kRaise, .values = {}, .changes_expected = 1}});
                        EXPECT_TRUE(raised) << raised.error().message;
                    } else {
                        const auto raised = x_database->write(
                            [&](Connection& connection) { return connection.execute(kRaise); });
                        EXPECT_TRUE(raised) << raised.error().message;
                    }
                }
            });
        }
    }
    const auto read =
        x_database->read_batch(std::vector<BoundStatement>{{.sql = "SELECT n FROM counters"}});
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ((*read)[0].rows[0][0], Value{std::int64_t{kThreads * kRounds}});
}

TEST_P(BatchContract, AReadBatchSeesOneStateAndCannotWrite) {
    ASSERT_TRUE(x_database->write_batch(std::vector{insert(1), insert(2)}));
    const auto read = x_database->read_batch(std::vector<BoundStatement>{
        {.sql = "SELECT COUNT(*) FROM notes"}, {.sql = "SELECT MAX(id) FROM notes"}});
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ((*read)[0].rows[0][0], Value{std::int64_t{2}});
    EXPECT_EQ((*read)[1].rows[0][0], Value{std::int64_t{2}});
    EXPECT_EQ(x_database->read_batch(std::vector<BoundStatement>{{.sql = "DELETE FROM notes"}})
                  .error()
                  .code,
              Code::denied);
    EXPECT_THAT(note_ids(), ElementsAre(1, 2));
}

TEST_P(BatchContract, BatchesOfManyThreadsShareCommitsAndFailAlone) {
    constexpr int kThreads = 32;
    constexpr int kWrites = 10;
    std::atomic<int> wrong{0};
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < kThreads; ++t) {
            threads.emplace_back([&, t] {
                for (int i = 0; i < kWrites; ++i) {
                    const bool to_fail = i % 3 == 2;
                    const std::int64_t id = t * 1'000 + i;
                    // Odd threads: alone in the batch, with the form for many rows.
                    std::vector<BoundStatement> batch{insert(to_fail ? t * 1'000 : id)};
                    if (t % 2 == 1) {
                        batch[0].set_based = kInsertMany;
                    } else {
                        batch.push_back({.sql = "UPDATE notes SET text = 'seen' WHERE id = ?1",
                                         .values = {id},
                                         .changes_expected = 1});
                    }
                    const auto committed = x_database->write_batch(batch);
                    const Code expected = to_fail ? Code::conflict : Code::failed;
                    if (static_cast<bool>(committed) == to_fail) wrong.fetch_add(1);
                    if (!committed && committed.error().code != expected) wrong.fetch_add(1);
                }
            });
        }
    }
    EXPECT_EQ(wrong.load(), 0);
    constexpr int kFailing = kWrites / 3;
    EXPECT_EQ(note_ids().size(), static_cast<std::size_t>(kThreads * (kWrites - kFailing)));
}

TEST_P(BatchContract, TheAnswerNamesWhatTheCommitSurvives) {
    const auto committed = x_database->write_batch(std::vector{insert(1)});
    ASSERT_TRUE(committed);
    EXPECT_EQ(committed->level, x_sandbox->level());
    EXPECT_EQ(x_database->write(add_note(2))->level, x_sandbox->level());
}

TEST_P(BatchContract, APassedDeadlineIsMetBeforeAnythingRuns) {
    x_clock.advance_ms(10);
    const auto late = x_database->write_batch(std::vector{insert(1)}, {.deadline_boot_ns = 5});
    EXPECT_EQ(late.error().code, Code::timed_out);
    const auto read = x_database->read_batch(std::vector<BoundStatement>{{.sql = "SELECT 1"}},
                                             {.deadline_boot_ns = 5});
    EXPECT_EQ(read.error().code, Code::timed_out);
    EXPECT_THAT(note_ids(), ElementsAre());
}

TEST_P(BatchContract, WhoWaitsForATopicSeesWhatWokeHim) {
    const auto waiter = x_database->waiter("notes");
    ASSERT_TRUE(waiter) << waiter.error().message;
    std::jthread writer(
        [&] { EXPECT_TRUE(x_database->write_batch(std::vector{insert(1)}, {.wake = "notes"})); });
    while (note_ids().empty()) ASSERT_TRUE((*waiter)->wait(0)) << "woken, or told to look again";
    EXPECT_THAT(note_ids(), ElementsAre(1));
}

TEST_P(BatchContract, WhatIsCommittedBeforeTheWaitBeginsEndsIt) {
    const auto waiter = x_database->waiter("notes");
    ASSERT_TRUE(waiter);
    ASSERT_TRUE(x_database->write(add_note(1), {.wake = "notes"}));
    EXPECT_TRUE(*(*waiter)->wait(0));
}

TEST_P(BatchContract, AWaitEndsAtItsDeadlineAndWhenAskedTo) {
    const SystemClock clock;
    const auto database = x_sandbox->open_database(clock, [] {});
    ASSERT_TRUE(database) << database.error().message;
    const auto waiter = (*database)->waiter("quiet");
    ASSERT_TRUE(waiter);
    constexpr std::int64_t kWaitNs = 50'000'000;
    const std::int64_t until = clock.boot_ns() + kWaitNs;
    while (*(*waiter)->wait(until)) EXPECT_LT(clock.boot_ns(), until);
    EXPECT_GE(clock.boot_ns(), until);
    std::stop_source stop;
    stop.request_stop();
    EXPECT_EQ((*waiter)->wait(0, stop.get_token()).error().code, Code::cancelled);
}

TEST_P(BatchContract, TopicsAreShortPlainWords) {
    for (const std::string_view topic :
         {"a b", "Tasks", "x'; DROP TABLE notes; --", "a_word_of_more_than_thirty_two_letters"}) {
        EXPECT_EQ(x_database->waiter(topic).error().code, Code::invalid) << topic;
        EXPECT_EQ(x_database->write(add_note(1), {.wake = topic}).error().code, Code::invalid);
    }
    EXPECT_THAT(note_ids(), ElementsAre());
}

}  // namespace taskstore::sql
