#include <taskstore/testing/database_contract.hpp>

#include <gmock/gmock.h>

#include <stdexcept>
#include <thread>

namespace taskstore::sql {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::int64_t> ids_of(Connection& connection) {
    std::vector<std::int64_t> ids;
    const auto select = connection.prepare("SELECT id FROM notes ORDER BY id");
    if (!select) return {-1};
    while (*(*select)->step()) ids.push_back((*select)->column_int64(0));
    return ids;
}

}  // namespace

Work add_note(std::int64_t id) {
    return [id](Connection& connection) -> Status {
        TASKSTORE_LET(const auto insert, connection.prepare("INSERT INTO notes (id) VALUES (?1)"));
        TASKSTORE_TRY(insert->bind(1, id));
        return insert->run();
    };
}

void GroupCommitContract::SetUp() {
    auto opened = x_sandbox->open_database(x_clock, [this] {
        x_queued.fetch_add(1);
        x_queued.notify_all();
    });
    ASSERT_TRUE(opened) << opened.error().message;
    x_database = std::move(*opened);
    ASSERT_TRUE(x_database->write([](Connection& connection) {
        return connection.execute(
            "CREATE TABLE notes (id BIGINT PRIMARY KEY, text TEXT);"
            "CREATE TABLE parent (id BIGINT PRIMARY KEY);"
            "CREATE TABLE child (parent BIGINT REFERENCES parent (id) DEFERRABLE INITIALLY "
            "DEFERRED)");
    }));
}

bool GroupCommitContract::shares_commits() {
    return x_database->capabilities().works_share_a_commit;
}

std::vector<Result<Committed>> GroupCommitContract::write_together(const std::vector<Work>& works,
                                                                   const WriteOptions& options) {
    std::atomic<bool> gate_reached{false};
    std::atomic<bool> gate_open{false};
    std::vector<Result<Committed>> results(works.size(), Committed{});
    {
        std::jthread gate([&] {
            EXPECT_TRUE(x_database->write(
                [&](Connection&) {
                    gate_reached.store(true);
                    gate_reached.notify_all();
                    gate_open.wait(false);
                    return ok();
                },
                {.alone = true}));
        });
        gate_reached.wait(false);
        std::vector<std::jthread> threads;
        for (std::size_t i = 0; i < works.size(); ++i) {
            const int before = x_queued.load();
            threads.emplace_back([&, i] { results[i] = x_database->write(works[i], options); });
            x_queued.wait(before);
        }
        gate_open.store(true);
        gate_open.notify_all();
    }
    return results;
}

std::vector<std::int64_t> GroupCommitContract::note_ids() {
    std::vector<std::int64_t> ids;
    EXPECT_TRUE(x_database->read([&](Connection& connection) {
        ids = ids_of(connection);
        return ok();
    }));
    return ids;
}

TEST_P(GroupCommitContract, MembersShareATransactionAndAreAnsweredAfterIt) {
    if (!shares_commits()) GTEST_SKIP() << "missing capability: works_share_a_commit";
    std::atomic<bool> first_answered{false};
    std::vector<std::int64_t> seen_inside;
    std::vector<std::int64_t> seen_outside{-1};
    bool answered_early = true;
    std::atomic<bool> gate_reached{false};
    std::atomic<bool> gate_open{false};
    std::jthread gate([&] {
        EXPECT_TRUE(x_database->write([&](Connection&) {
            gate_reached.store(true);
            gate_reached.notify_all();
            gate_open.wait(false);
            return ok();
        }));
    });
    gate_reached.wait(false);
    int before = x_queued.load();
    std::jthread first([&] {
        EXPECT_TRUE(x_database->write(add_note(1)));
        first_answered.store(true);
        EXPECT_THAT(note_ids(), testing::Contains(1));
    });
    x_queued.wait(before);
    before = x_queued.load();
    std::jthread second([&] {
        EXPECT_TRUE(x_database->write([&](Connection& connection) {
            seen_inside = ids_of(connection);
            seen_outside = note_ids();
            answered_early = first_answered.load();
            return add_note(2)(connection);
        }));
    });
    x_queued.wait(before);
    gate_open.store(true);
    gate_open.notify_all();
    gate.join();
    first.join();
    second.join();
    EXPECT_THAT(seen_inside, ElementsAre(1))
        << "the second member runs in the transaction of the first";
    EXPECT_THAT(seen_outside, ElementsAre()) << "which is not committed";
    EXPECT_FALSE(answered_early) << "so nobody may have been told so (G2)";
}

TEST_P(GroupCommitContract, AMemberThatFailsLeavesNothingAndHarmsNobody) {
    const auto results = write_together({add_note(1),
                                         [](Connection& connection) -> Status {
                                             TASKSTORE_TRY(add_note(2)(connection));
                                             return fail(Code::not_found, "changed my mind");
                                         },
                                         add_note(1), add_note(3)});
    EXPECT_TRUE(results[0]);
    EXPECT_EQ(results[1].error().code, Code::not_found);
    EXPECT_EQ(results[2].error().code, Code::conflict);
    EXPECT_TRUE(results[3]);
    EXPECT_THAT(note_ids(), ElementsAre(1, 3));
}

TEST_P(GroupCommitContract, AMemberThatBreaksADeferredConstraintFailsAlone) {
    const auto results =
        write_together({add_note(1),
                        [](Connection& connection) -> Status {
                            TASKSTORE_TRY(add_note(2)(connection));
                            return connection.execute("INSERT INTO child (parent) VALUES (9)");
                        },
                        add_note(3)});
    EXPECT_TRUE(results[0]);
    EXPECT_EQ(results[1].error().code, Code::conflict);
    EXPECT_TRUE(results[2]);
    EXPECT_THAT(note_ids(), ElementsAre(1, 3));
}

TEST_P(GroupCommitContract, AFailureThatOnlyAnUncommittedMemberCausedIsNotAnswered) {
    // The second is a conflict only with the first, whose work is taken back when the commit fails.
    const auto results =
        write_together({[](Connection& connection) -> Status {
                            TASKSTORE_TRY(add_note(1)(connection));
                            return connection.execute("INSERT INTO child (parent) VALUES (9)");
                        },
                        add_note(1)});
    EXPECT_EQ(results[0].error().code, Code::conflict);
    EXPECT_TRUE(results[1]);
    EXPECT_THAT(note_ids(), ElementsAre(1));
}

TEST_P(GroupCommitContract, AMemberThatEndsTheTransactionFailsAlone) {
    std::vector<Work> works{add_note(1)};
    for (const char* sql : {"COMMIT", "ROLLBACK", "END", "BEGIN"}) {
        works.push_back([sql](Connection& connection) -> Status {
            TASKSTORE_TRY(add_note(100)(connection));
            static_cast<void>(connection.execute(sql));
            return ok();  // It must fail even though it looks away.
        });
    }
    works.push_back([](Connection& connection) { return connection.commit(); });
    works.push_back([](Connection& connection) {
        connection.rollback();
        return ok();
    });
    works.push_back([](Connection& connection) {
        return Transaction::begin_write(connection) ? ok() : fail(Code::conflict, "no");
    });
    works.push_back(add_note(2));
    const auto results = write_together(works);
    EXPECT_TRUE(results.front());
    EXPECT_TRUE(results.back());
    for (std::size_t i = 1; i + 1 < results.size(); ++i) {
        ASSERT_FALSE(results[i]) << i;
        EXPECT_EQ(results[i].error().code, Code::invalid) << i;
    }
    EXPECT_THAT(note_ids(), ElementsAre(1, 2));
}

TEST_P(GroupCommitContract, AMemberThatThrowsFailsAlone) {
    const auto results = write_together(
        {add_note(1), [](Connection&) -> Status { throw std::runtime_error("oops"); },
         add_note(2)});
    EXPECT_TRUE(results[0]);
    EXPECT_EQ(results[1].error().code, Code::failed);
    EXPECT_THAT(results[1].error().message, HasSubstr("oops"));
    EXPECT_TRUE(results[2]);
}

TEST_P(GroupCommitContract, SavepointsOfAMemberAreItsOwn) {
    const auto results =
        write_together({[](Connection& connection) -> Status {
                            TASKSTORE_TRY(add_note(1)(connection));
                            TASKSTORE_TRY(connection.execute("SAVEPOINT mine"));
                            TASKSTORE_TRY(add_note(2)(connection));
                            return connection.execute("ROLLBACK TO mine");  // And left open.
                        },
                        [](Connection& connection) -> Status {
                            TASKSTORE_TRY(connection.execute("SAVEPOINT mine"));
                            TASKSTORE_TRY(add_note(3)(connection));
                            return connection.execute("RELEASE mine");
                        }});
    EXPECT_TRUE(results[0]);
    EXPECT_TRUE(results[1]);
    EXPECT_THAT(note_ids(), ElementsAre(1, 3));
}

TEST_P(GroupCommitContract, AWorkMustNotWriteToItsOwnDatabase) {
    Result<Committed> inner = Committed{};
    EXPECT_TRUE(x_database->write([&](Connection&) {
        inner = x_database->write(add_note(1));
        return ok();
    }));
    EXPECT_EQ(inner.error().code, Code::invalid);
}

TEST_P(GroupCommitContract, AnExpiredDeadlineIsMetBeforeTheWorkStarts) {
    bool ran = false;
    const Work work = [&](Connection&) {
        ran = true;
        return ok();
    };
    x_clock.advance_ms(10);
    EXPECT_EQ(x_database->write(work, {.deadline_boot_ns = 5'000'000}).error().code,
              Code::timed_out);
    EXPECT_FALSE(ran);
    EXPECT_TRUE(x_database->write(work, {.deadline_boot_ns = x_clock.boot_ns() + 1}));
    EXPECT_TRUE(ran);
}

TEST_P(GroupCommitContract, ADeadlinePassedInTheQueueFailsThatMemberOnly) {
    if (!shares_commits()) GTEST_SKIP() << "missing capability: works_share_a_commit";
    const auto results = write_together({[&](Connection& connection) -> Status {
                                             x_clock.advance_ms(2);
                                             return add_note(1)(connection);
                                         },
                                         add_note(2)},
                                        {.deadline_boot_ns = x_clock.boot_ns() + 1'000'000});
    EXPECT_TRUE(results[0]);
    EXPECT_EQ(results[1].error().code, Code::timed_out);
    EXPECT_THAT(note_ids(), ElementsAre(1));
}

TEST_P(GroupCommitContract, AGroupEndsAfterFiveMilliseconds) {
    if (!shares_commits()) GTEST_SKIP() << "missing capability: works_share_a_commit";
    std::vector<std::int64_t> committed_before;
    write_together({[&](Connection& connection) -> Status {
                        x_clock.advance_ms(6);
                        return add_note(1)(connection);
                    },
                    [&](Connection& connection) -> Status {
                        committed_before = note_ids();
                        return add_note(2)(connection);
                    }});
    EXPECT_THAT(committed_before, ElementsAre(1));
}

TEST_P(GroupCommitContract, AWorkThatAsksToBeAloneIs) {
    if (!shares_commits()) GTEST_SKIP() << "missing capability: works_share_a_commit";
    std::vector<std::int64_t> committed_before;
    const auto results = write_together({add_note(1),
                                         [&](Connection& connection) -> Status {
                                             committed_before = note_ids();
                                             return add_note(2)(connection);
                                         }},
                                        {.alone = true});
    EXPECT_THAT(committed_before, ElementsAre(1));
    EXPECT_THAT(note_ids(), ElementsAre(1, 2));
}

TEST_P(GroupCommitContract, AReadSeesOneStateAndCannotWrite) {
    EXPECT_TRUE(x_database->read([&](Connection& connection) -> Status {
        EXPECT_THAT(ids_of(connection), ElementsAre());
        EXPECT_TRUE(x_database->write(add_note(1))) << "a reader does not block a writer";
        EXPECT_THAT(ids_of(connection), ElementsAre());
        EXPECT_EQ(connection.execute("DELETE FROM notes").error().code, Code::denied);
        return ok();
    }));
    EXPECT_EQ(x_database->read([](Connection& connection) { return connection.execute("COMMIT"); })
                  .error()
                  .code,
              Code::invalid);
    EXPECT_THAT(note_ids(), ElementsAre(1));
}

TEST_P(GroupCommitContract, SixtyFourThreadsLoseNothing) {
    constexpr int kThreads = 64;
    constexpr int kWrites = 12;
    std::atomic<int> wrong{0};
    {
        std::vector<std::jthread> threads;
        for (int t = 0; t < kThreads; ++t) {
            threads.emplace_back([&, t] {
                for (int i = 0; i < kWrites; ++i) {
                    const std::int64_t id = t * 1'000 + i;
                    const bool to_fail = i % 4 == 3;
                    const auto status = x_database->write([&](Connection& connection) -> Status {
                        TASKSTORE_TRY(add_note(id)(connection));
                        return to_fail ? fail(Code::cancelled, "as planned") : ok();
                    });
                    const bool kept = [&] {
                        const auto ids = note_ids();
                        return std::ranges::find(ids, id) != ids.end();
                    }();
                    if (static_cast<bool>(status) == to_fail || kept == to_fail) wrong.fetch_add(1);
                }
            });
        }
    }
    EXPECT_EQ(wrong.load(), 0);
    EXPECT_EQ(note_ids().size(), static_cast<std::size_t>(kThreads * kWrites * 3 / 4));
}

}  // namespace taskstore::sql
