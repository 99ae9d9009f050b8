// Journals that are of an earlier time, or were lost with their device.

#include "moving.hpp"

#include <gmock/gmock.h>

namespace taskstore::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string journal_path(Device& device) {
    return device.folder / "home/move-tasks.json";
}

/// The request, which keeps what the journal says after that step.
MoveRequest keeping(Device& device, MoveRequest request, MoveStep at, std::string& journal) {
    request.after_step_for_testing = [&device, &journal, at](MoveStep step) {
        if (step == at)
            journal = os::read_file(device.files, journal_path(device), 1 << 20).value_or("");
        return ok();
    };
    return request;
}

void put_back(Device& device, const std::string& journal) {
    ASSERT_FALSE(journal.empty());
    ASSERT_TRUE(os::replace_file(device.files, journal_path(device), journal));
}

TEST(Journal, AMoveThatWasBrokenOffIsListed) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    const auto listed = [&] { return *open_moves(device.files, device.folder / "home"); };
    EXPECT_TRUE(listed().empty());
    MoveRequest request = device.move_to("new.db");
    request.after_step_for_testing = [&](MoveStep step) {
        return step == MoveStep::sealed ? Status(fail(Code::cancelled, "as planned")) : ok();
    };
    EXPECT_FALSE(move_database(*device.databases(), request));
    ASSERT_EQ(listed().size(), 1U);
    EXPECT_EQ(listed()[0].name, DatabaseName::tasks);
    EXPECT_THAT(listed()[0].to, HasSubstr("new.db"));
    EXPECT_FALSE(listed()[0].back);
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
    EXPECT_TRUE(listed().empty()) << "what has ended is none";
}

TEST(Journal, OneOfBeforeTheEndOpensNoSecondPlace) {
    for (const MoveStep at : kSteps) {
        const int number = static_cast<int>(at);
        Device device;
        {
            OpenTasks(device).add("a");
        }
        std::string journal;
        ASSERT_TRUE(move_database(*device.databases(),
                                  keeping(device, device.move_to("new.db"), at, journal)));
        ASSERT_TRUE(takes_writes(device, device.folder / "new.db"));
        put_back(device, journal);
        if (at < MoveStep::going_live) {
            for (const bool undo : {false, true}) {
                put_back(device, journal);
                const auto refused =
                    undo ? undo_move(*device.databases(), device.move_to("new.db"))
                         : move_database(*device.databases(), device.move_to("new.db"));
                ASSERT_FALSE(refused) << number;
                EXPECT_EQ(refused.error().code, Code::conflict) << number;
                EXPECT_THAT(refused.error().message,
                            HasSubstr("new.db is where 'tasks' takes writes"));
                EXPECT_FALSE(device.files.info(journal_path(device))) << number;
            }
            EXPECT_FALSE(takes_writes(device, device.folder / "home/tasks.db")) << number;
            EXPECT_TRUE(takes_writes(device, device.folder / "new.db")) << number;
        } else {
            const auto back = undo_move(*device.databases(), device.move_to("new.db"));
            ASSERT_TRUE(back) << number << back.error().message;
            EXPECT_FALSE(back->reopened) << number;
            EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a", "probe")) << number;
            EXPECT_FALSE(takes_writes(device, device.folder / "new.db")) << number;
        }
    }
}

TEST(Journal, OneOfBeforeItMovedOnFillsNothingAgain) {
    for (const MoveStep at : kSteps) {
        const int number = static_cast<int>(at);
        Device device;
        {
            OpenTasks(device).add("a");
        }
        std::string journal;
        ASSERT_TRUE(move_database(*device.databases(),
                                  keeping(device, device.move_to("new.db"), at, journal)));
        Device other;
        other.place = device.folder / "new.db";
        ASSERT_TRUE(move_database(*other.databases(), other.move_to("third.db")));
        put_back(device, journal);
        EXPECT_FALSE(move_database(*device.databases(), device.move_to("new.db"))) << number;
        EXPECT_FALSE(undo_move(*device.databases(), device.move_to("new.db"))) << number;
        EXPECT_FALSE(takes_writes(device, device.folder / "home/tasks.db")) << number;
        EXPECT_FALSE(takes_writes(device, device.folder / "new.db")) << number;
        EXPECT_TRUE(takes_writes(device, other.folder / "third.db")) << number;
    }
}

TEST(Journal, OneOfAnUndoThatEndedOpensNoSecondPlace) {
    for (const MoveStep at : kSteps) {
        const int number = static_cast<int>(at);
        Device device;
        {
            OpenTasks(device).add("a");
        }
        ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
        std::string journal;
        ASSERT_TRUE(
            undo_move(*device.databases(), keeping(device, device.move_to("new.db"), at, journal)));
        ASSERT_TRUE(move_database(*device.databases(), device.move_to("third.db")));
        put_back(device, journal);
        EXPECT_FALSE(undo_move(*device.databases(), device.move_to("new.db"))) << number;
        EXPECT_FALSE(takes_writes(device, device.folder / "home/tasks.db")) << number;
        EXPECT_FALSE(takes_writes(device, device.folder / "new.db")) << number;
        EXPECT_TRUE(takes_writes(device, device.folder / "third.db")) << number;
    }
}

/// Another device, which knows nothing of the move but the two places.
MoveRequest from_outside(Device& outside, Device& device) {
    MoveRequest request = outside.move_to("unused");
    request.from = sql::Location{sql::Engine::sqlite, device.folder / "home/tasks.db"};
    request.to = {sql::Engine::sqlite, device.folder / "disk/new.db"};
    return request;
}

TEST(Journal, AnotherDeviceTakesBackWhatNeverWentLive) {
    for (const MoveStep broken : {MoveStep::sealed, MoveStep::equal, MoveStep::going_live}) {
        Device device;
        {
            OpenTasks(device).add("a");
        }
        EXPECT_FALSE(
            move_database(*device.databases(), broken_off(device.move_to("disk/new.db"), broken)));
        Device outside;
        const auto back = undo_move(*outside.databases(), from_outside(outside, device));
        ASSERT_TRUE(back) << back.error().message;
        EXPECT_TRUE(back->reopened);
        EXPECT_FALSE(takes_writes(device, device.folder / "disk/new.db"));
        OpenTasks(device).add("b");
        EXPECT_FALSE(outside.files.info(journal_path(outside)));
        const auto again = undo_move(*outside.databases(), from_outside(outside, device));
        EXPECT_EQ(again.error().code, Code::invalid) << again.error().message;
        EXPECT_THAT(again.error().message, HasSubstr("takes writes"));
        ASSERT_TRUE(move_database(*outside.databases(),
                                  [&] {
                                      MoveRequest request = outside.move_to("third.db");
                                      outside.place = device.folder / "home/tasks.db";
                                      return request;
                                  }()))
            << "and it moves on from there";
    }
}

TEST(Journal, TheLostDeviceThatComesBackBringsItsTargetToLifeNoMore) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    Device outside;
    MoveRequest request = device.move_to("disk/new.db");
    request.after_step_for_testing = [&](MoveStep step) {
        if (step == MoveStep::going_live) {
            EXPECT_TRUE(undo_move(*outside.databases(), from_outside(outside, device)));
        }
        return ok();
    };
    EXPECT_EQ(move_database(*device.databases(), request).error().code, Code::conflict);
    EXPECT_TRUE(takes_writes(device, device.folder / "home/tasks.db"));
    EXPECT_FALSE(takes_writes(device, device.folder / "disk/new.db"));
}

TEST(Journal, AnotherDeviceMustNameTheNewPlaceAsTheOldOneDoes) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    // An earlier move left a place half filled; the database went elsewhere since.
    EXPECT_FALSE(move_database(*device.databases(),
                               broken_off(device.move_to("disk/new.db"), MoveStep::copied)));
    ASSERT_TRUE(undo_move(*device.databases(), device.move_to("disk/new.db")));
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("third.db")));
    Device outside;
    for (const char* place : {"disk/new.db", "typo.db"}) {
        for (const bool forget : {false, true}) {
            MoveRequest request = from_outside(outside, device);
            request.to.text = device.folder / place;
            request.forget = forget;
            const auto back = undo_move(*outside.databases(), request);
            EXPECT_EQ(back.error().code, Code::conflict) << back.error().message;
            EXPECT_THAT(back.error().message, HasSubstr("third.db"));
        }
    }
    EXPECT_FALSE(takes_writes(device, device.folder / "home/tasks.db"));
    EXPECT_TRUE(takes_writes(device, device.folder / "third.db"));
}

TEST(Journal, AnOldPlaceThatWasLostAndMadeAnewIsNotWhatAnUndoOpens) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    EXPECT_FALSE(
        move_database(*device.databases(), broken_off(device.move_to("new.db"), MoveStep::sealed)));
    ASSERT_TRUE(device.files.rename(device.folder / "home/tasks.db", device.folder / "away.db"));
    {
        Device other;
        other.place = device.folder / "home/tasks.db";
        OpenTasks(other).add("theirs");
    }
    const auto back = undo_move(*device.databases(), device.move_to("new.db"));
    EXPECT_EQ(back.error().code, Code::conflict) << back.error().message;
    EXPECT_THAT(back.error().message, HasSubstr("another 'tasks'"));
    EXPECT_TRUE(device.files.info(journal_path(device))) << "it is the way to what was copied";
}

TEST(Journal, ADatabaseThatWentOnElsewhereIsNotTakenForOneThatCameBack) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    ASSERT_TRUE(back_up(*device.databases(), DatabaseName::tasks, device.folder / "t.zst", {}));
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
    ASSERT_TRUE(device.files.rename(device.folder / "home/tasks.db", device.folder / "away.db"));
    Device copy;
    copy.place = device.folder / "home/tasks.db";
    ASSERT_TRUE(restore(*copy.databases(), {.path = device.folder / "t.zst"}));
    Device other;
    other.place = device.folder / "new.db";
    ASSERT_TRUE(move_database(*other.databases(), other.move_to("third.db")));
    const auto back = undo_move(*device.databases(), device.move_to("new.db"));
    EXPECT_EQ(back.error().code, Code::unavailable) << back.error().message;
    EXPECT_THAT(back.error().message, HasSubstr("third.db"));
}

TEST(Journal, AnotherDeviceIsToldWhereTheNewPlaceTakesWrites) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("disk/new.db")));
    Device outside;
    for (const bool forget : {false, true}) {
        MoveRequest request = from_outside(outside, device);
        request.forget = forget;
        const auto back = undo_move(*outside.databases(), request);
        EXPECT_EQ(back.error().code, Code::conflict) << back.error().message;
        EXPECT_THAT(back.error().message, HasSubstr("disk/new.db is where 'tasks' takes writes"));
        EXPECT_THAT(back.error().hint, HasSubstr("config.toml"));
    }
    MoveRequest elsewhere = from_outside(outside, device);
    elsewhere.to.text = outside.folder / "home/tasks.db";
    OpenTasks(outside).add("theirs");
    EXPECT_EQ(undo_move(*outside.databases(), elsewhere).error().code, Code::conflict);
    EXPECT_FALSE(takes_writes(device, device.folder / "home/tasks.db"));
}

TEST(Journal, ANewPlaceThatIsOnlyBusyIsNotLost) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
    const auto databases = device.databases();
    const auto busy = *databases->connect(
        DatabaseName::tasks, {sql::Engine::sqlite, device.folder / "new.db"}, {.read_only = false});
    ASSERT_TRUE(busy->begin_write());
    MoveRequest request = device.move_to("unused");
    request.forget = true;
    const auto refused = undo_move(*device.databases(), request);
    EXPECT_EQ(refused.error().code, Code::unavailable) << refused.error().message;
    busy->rollback();
    EXPECT_FALSE(takes_writes(device, device.folder / "home/tasks.db"));
    EXPECT_TRUE(takes_writes(device, device.folder / "new.db"));
}

TEST(Journal, ANewPlaceThatIsLostForGoodIsForgottenOnlyOnDemand) {
    for (const MoveStep broken : {MoveStep::sealed, MoveStep::live, MoveStep::switched}) {
        for (const bool outside_too : {false, true}) {
            Device device;
            {
                OpenTasks(device).add("a");
            }
            EXPECT_FALSE(move_database(*device.databases(),
                                       broken_off(device.move_to("disk/new.db"), broken)));
            ASSERT_TRUE(device.files.rename(device.folder / "disk", device.folder / "away"));
            const std::int64_t epoch = device.identity_at(device.folder / "home/tasks.db").epoch;
            Device outside;
            Device& who = outside_too ? outside : device;
            MoveRequest request =
                outside_too ? from_outside(outside, device) : device.move_to("unused");
            const auto refused = undo_move(*who.databases(), request);
            EXPECT_EQ(refused.error().code, Code::unavailable) << refused.error().message;
            EXPECT_THAT(refused.error().hint, testing::Not(HasSubstr("--forget")));
            EXPECT_FALSE(takes_writes(device, device.folder / "home/tasks.db"));
            request.forget = true;
            const auto back = undo_move(*who.databases(), request);
            ASSERT_TRUE(back) << back.error().message;
            EXPECT_GT(back->epoch, epoch);
            EXPECT_EQ(config_of(device).find("new.db") != std::string::npos,
                      outside_too && broken == MoveStep::switched);
            OpenTasks(device).add("b");
            EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a", "b"));
        }
    }
}

}  // namespace
}  // namespace taskstore::store
