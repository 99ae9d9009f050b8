#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <taskstore/base/clock.hpp>
#include <taskstore/ownership/checker.hpp>

#include <algorithm>
#include <array>

namespace taskstore::ownership {
namespace {

using tasks::TaskStatus;

constexpr std::int64_t kMs = 1'000'000;

/// Operations of task "t", told in milliseconds.
class Told {
  public:
    Told& add(Act act, std::int64_t begin, std::int64_t end, std::int64_t fence = 0,
              std::optional<TaskStatus> status = {}, Outcome outcome = Outcome::done) {
        x_operations.push_back({.process = "p",
                                .number = std::ssize(x_operations),
                                .act = act,
                                .task = "t",
                                .begin_ns = begin * kMs,
                                .end_ns = outcome == Outcome::unknown ? kNever : end * kMs,
                                .outcome = outcome,
                                .fence = fence,
                                .lease_ms = act == Act::claim || act == Act::renew ? 100 : 0,
                                .status = status});
        return *this;
    }
    Told& refused(Act act, std::int64_t begin, std::int64_t end, std::int64_t fence) {
        return add(act, begin, end, fence, {}, Outcome::refused);
    }
    Told& unknown(Act act, std::int64_t begin, std::int64_t fence) {
        return add(act, begin, 0, fence, {}, Outcome::unknown);
    }
    /// What is wrong with it; nothing: it can have been so.
    std::string wrong() const {
        const Verdict verdict = check_ownership(x_operations);
        return verdict.violations.empty() ? "" : std::string(name_of(verdict.violations[0].wrong));
    }
    std::vector<Operation> x_operations;
};

Told made() {
    return Told().add(Act::create, 0, 1);
}

TEST(Ownership, ALifeAsItShouldBeIsRight) {
    EXPECT_EQ(made()
                  .add(Act::claim, 2, 3, 1)
                  .add(Act::renew, 50, 51, 1, TaskStatus::in_progress)
                  .add(Act::fail, 60, 61, 1, TaskStatus::pending)
                  .add(Act::claim, 62, 63, 2)
                  .add(Act::release, 64, 65, 2, TaskStatus::pending)
                  .add(Act::claim, 66, 67, 3)
                  .add(Act::complete, 70, 71, 3, TaskStatus::completed)
                  .refused(Act::complete, 72, 73, 3)
                  .add(Act::look, 80, 81, 3, TaskStatus::completed)
                  .wrong(),
              "");
}

TEST(Ownership, TwoClaimsAtOnceAreFound) {
    EXPECT_EQ(made().add(Act::claim, 2, 3, 1).add(Act::claim, 4, 5, 2).wrong(), "double_claim");
    // Also where they overlap: whichever was first held it.
    EXPECT_EQ(made().add(Act::claim, 2, 5, 1).add(Act::claim, 3, 4, 2).wrong(), "double_claim");
}

TEST(Ownership, AClaimAfterTheLeaseIsRightAndBeforeItIsNot) {
    EXPECT_EQ(made().add(Act::claim, 2, 3, 1).add(Act::claim, 101, 102, 2).wrong(), "");
    EXPECT_EQ(made().add(Act::claim, 2, 3, 1).add(Act::claim, 99, 100, 2).wrong(), "double_claim");
}

TEST(Ownership, ARenewalThatWasAcknowledgedHolds) {
    EXPECT_EQ(made()
                  .add(Act::claim, 2, 3, 1)
                  .add(Act::renew, 50, 51, 1, TaskStatus::in_progress)
                  .add(Act::claim, 120, 121, 2)
                  .wrong(),
              "double_claim");
}

TEST(Ownership, AFenceThatDoesNotGrowIsFound) {
    EXPECT_EQ(made()
                  .add(Act::claim, 2, 3, 7)
                  .add(Act::release, 4, 5, 7, TaskStatus::pending)
                  .add(Act::claim, 6, 7, 7)
                  .wrong(),
              "fence_not_grown");
}

TEST(Ownership, AClaimOfWhatHasEndedIsFound) {
    EXPECT_EQ(made()
                  .add(Act::claim, 2, 3, 1)
                  .add(Act::complete, 4, 5, 1, TaskStatus::completed)
                  .add(Act::claim, 200, 201, 2)
                  .wrong(),
              "claim_of_ended");
    EXPECT_EQ(Told().add(Act::claim, 2, 3, 1).wrong(), "claim_of_ended");
}

TEST(Ownership, AStaleWriteThatWasAcceptedIsFound) {
    for (const Act act : {Act::renew, Act::complete, Act::fail, Act::release}) {
        EXPECT_EQ(made()
                      .add(Act::claim, 2, 3, 1)
                      .add(Act::claim, 150, 151, 2)
                      .add(act, 160, 161, 1)
                      .wrong(),
                  "stale_write")
            << name_of(act);
    }
}

TEST(Ownership, AStaleWriteThatOverlapsTheNextClaimMayHaveComeFirst) {
    EXPECT_EQ(made()
                  .add(Act::claim, 2, 3, 1)
                  .add(Act::claim, 150, 170, 2)
                  .add(Act::release, 140, 161, 1, TaskStatus::pending)
                  .wrong(),
              "");
}

TEST(Ownership, AHolderThatWasRefusedIsFound) {
    EXPECT_EQ(made().add(Act::claim, 2, 3, 1).refused(Act::complete, 50, 51, 1).wrong(),
              "holder_refused");
    EXPECT_EQ(made().add(Act::claim, 2, 3, 1).refused(Act::complete, 150, 151, 1).wrong(), "");
}

TEST(Ownership, ALostAcknowledgedChangeIsFound) {
    EXPECT_EQ(made()
                  .add(Act::claim, 2, 3, 1)
                  .add(Act::complete, 4, 5, 1, TaskStatus::completed)
                  .add(Act::look, 6, 7, 1, TaskStatus::pending)
                  .wrong(),
              "lost_change");
    EXPECT_EQ(made().add(Act::look, 6, 7, 0, TaskStatus::completed).wrong(), "lost_change");
    EXPECT_EQ(made().refused(Act::look, 6, 7, 0).wrong(), "lost_change");
}

TEST(Ownership, ACommandThatRunsOnAfterTheTaskWasFreedIsFound) {
    EXPECT_EQ(made()
                  .add(Act::claim, 2, 3, 1)
                  .add(Act::sign, 90, 90, 1)
                  .add(Act::claim, 150, 151, 2)
                  .wrong(),
              "");
    EXPECT_EQ(made()
                  .add(Act::claim, 2, 3, 1)
                  .add(Act::claim, 150, 151, 2)
                  .add(Act::sign, 152, 152, 1)
                  .wrong(),
              "running_when_freed");
}

TEST(Ownership, WhatNobodyWasToldMayHaveHappenedOrNot) {
    const auto killed = [] { return made().add(Act::claim, 2, 3, 1).unknown(Act::complete, 4, 1); };
    EXPECT_EQ(killed().add(Act::look, 50, 51, 1, TaskStatus::completed).wrong(), "");
    EXPECT_EQ(killed().add(Act::look, 50, 51, 1, TaskStatus::in_progress).wrong(), "");
    // Not both, in this order.
    EXPECT_EQ(killed()
                  .add(Act::look, 50, 51, 1, TaskStatus::completed)
                  .add(Act::look, 60, 61, 1, TaskStatus::in_progress)
                  .wrong(),
              "lost_change");
}

TEST(Ownership, ACancelledHoldEndsAtTheNextWordOfItsHolder) {
    const auto asked = [] {
        return made().add(Act::claim, 2, 3, 1).add(Act::cancel, 4, 5, 0, TaskStatus::in_progress);
    };
    EXPECT_EQ(asked().add(Act::renew, 6, 7, 1, TaskStatus::cancelled).wrong(), "");
    EXPECT_EQ(asked().add(Act::fail, 6, 7, 1, TaskStatus::cancelled).wrong(), "");
    EXPECT_EQ(asked().add(Act::complete, 6, 7, 1, TaskStatus::completed).wrong(), "");
    EXPECT_EQ(asked().add(Act::fail, 6, 7, 1, TaskStatus::pending).wrong(), "lost_change");
    EXPECT_EQ(asked()
                  .add(Act::look, 150, 151, 1, TaskStatus::cancelled)
                  .add(Act::retry, 152, 153, 0, TaskStatus::pending)
                  .add(Act::claim, 154, 155, 2)
                  .wrong(),
              "");
}

TEST(Ownership, ACancellationMayBeMeantForALaterClaim) {
    EXPECT_EQ(made()
                  .add(Act::claim, 2, 3, 1)
                  .add(Act::cancel, 4, 5, 0, TaskStatus::in_progress)
                  .add(Act::cancel, 6, 30, 0, TaskStatus::in_progress)
                  .add(Act::renew, 7, 8, 1, TaskStatus::cancelled)
                  .add(Act::retry, 9, 10, 0, TaskStatus::pending)
                  .add(Act::claim, 11, 12, 2)
                  .add(Act::renew, 31, 32, 2, TaskStatus::cancelled)
                  .wrong(),
              "");
}

TEST(Ownership, WhatFollowsARescueWasAnsweredAfterTheLease) {
    const auto taken = [] { return made().add(Act::claim, 2, 3, 1).add(Act::claim, 20, 150, 2); };
    EXPECT_EQ(taken().add(Act::look, 110, 111, 2, TaskStatus::in_progress).wrong(), "");
    // Seen in somebody else's hands before the lease had run out.
    EXPECT_NE(taken().add(Act::look, 30, 31, 2, TaskStatus::in_progress).wrong(), "");
}

TEST(Ownership, NobodyIsRefusedWhoCreatesOrClaims) {
    EXPECT_NE(Told().refused(Act::create, 0, 1, 0).wrong(), "");
    EXPECT_NE(made().refused(Act::claim, 2, 3, 0).wrong(), "");
}

TEST(Ownership, TheReportNamesTheTaskAndTheOperations) {
    const Told told = made().add(Act::claim, 2, 3, 1).add(Act::claim, 4, 5, 2);
    const Verdict verdict = check_ownership(told.x_operations);
    ASSERT_EQ(verdict.violations.size(), 1U);
    EXPECT_EQ(verdict.violations[0].task, "t");
    EXPECT_THAT(verdict.violations[0].report,
                testing::AllOf(testing::HasSubstr("task t: double_claim"),
                               testing::HasSubstr("claim fence 2")));
}

/// A store that does everything right, one operation at an instant, asked by several at once.
class RightStore {
  public:
    explicit RightStore(std::uint64_t seed) : x_random(seed) {}

    std::vector<Operation> life(int count) {
        std::vector<Operation> out{operation(Act::create)};
        out[0].outcome = Outcome::done;
        while (std::ssize(out) < count) {
            x_now_ms += below(40);
            if (x_status == TaskStatus::in_progress && x_now_ms >= x_until_ms && below(2) == 0)
                x_status = TaskStatus::pending;
            out.push_back(next());
        }
        return out;
    }
    std::int64_t below(std::uint64_t bound) {
        return static_cast<std::int64_t>(x_random.next_u64() % bound);
    }

  private:
    Operation operation(Act act) {
        return {.process = "p",
                .number = ++x_number,
                .act = act,
                .task = "t",
                .begin_ns = (x_now_ms - below(15)) * kMs,
                .end_ns = (x_now_ms + below(15)) * kMs,
                .outcome = Outcome::done};
    }
    Operation next() {
        if (x_status == TaskStatus::pending && below(3) > 0) return claim();
        constexpr std::array kActs{Act::renew, Act::fail, Act::release, Act::look, Act::look};
        Operation one = operation(kActs.at(static_cast<std::size_t>(below(kActs.size()))));
        if (one.act == Act::look) {
            one.fence = x_fence;
            one.status = x_status;
            return one;
        }
        one.fence = std::max<std::int64_t>(x_fence - (below(4) == 0 ? 1 : 0), 1);
        const bool holds = x_status == TaskStatus::in_progress && one.fence == x_fence;
        if (!holds) {
            one.outcome = Outcome::refused;
            return one;
        }
        one.status = one.act == Act::renew ? TaskStatus::in_progress : TaskStatus::pending;
        x_status = *one.status;
        if (one.act != Act::renew) return one;
        one.lease_ms = 100;
        x_until_ms = std::max(x_until_ms, x_now_ms + 100);
        return one;
    }
    Operation claim() {
        Operation one = operation(Act::claim);
        one.fence = ++x_fence;
        one.lease_ms = 100;
        x_status = TaskStatus::in_progress;
        x_until_ms = x_now_ms + 100;
        return one;
    }

    SeededRandom x_random;
    std::int64_t x_now_ms = 1'000;
    std::int64_t x_number = 0;
    TaskStatus x_status = TaskStatus::pending;
    std::int64_t x_fence = 0;
    std::int64_t x_until_ms = 0;
};

TEST(Ownership, WhateverARightStoreAnswersIsRight) {
    for (std::uint64_t seed = 1; seed <= 300; ++seed) {
        const auto operations = RightStore(seed).life(120);
        const Verdict verdict = check_ownership(operations);
        ASSERT_TRUE(verdict.violations.empty()) << "seed " << seed << "\n"
                                                << verdict.violations[0].report;
    }
}

// A claim that is told twice, under a fence of its own, while the first one's holder goes on.
TEST(Ownership, ASecondWinnerPutIntoARightHistoryIsFound) {
    int spoilt = 0;
    for (std::uint64_t seed = 1; seed <= 100; ++seed) {
        auto operations = RightStore(seed).life(120);
        const auto claim = std::ranges::find_if(operations, [](const Operation& one) {
            return one.act == Act::claim && one.fence > 3;
        });
        if (claim == operations.end()) continue;
        Operation second = *claim;
        second.begin_ns = claim->end_ns + 1;
        second.end_ns = second.begin_ns + 1;
        Operation write = second;
        write.act = Act::sign;
        write.begin_ns = write.end_ns = second.end_ns + 1;
        operations.push_back(second);
        operations.push_back(write);
        EXPECT_FALSE(check_ownership(operations).violations.empty()) << "seed " << seed;
        ++spoilt;
    }
    EXPECT_GT(spoilt, 50);
}

}  // namespace
}  // namespace taskstore::ownership
