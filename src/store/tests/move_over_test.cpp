// Moves that were broken off, and are over though their device does not know.

#include "moving.hpp"

#include <taskstore/store/backup.hpp>

#include <gmock/gmock.h>

namespace taskstore::store {
namespace {

using testing::HasSubstr;

bool has_journal(Device& device) {
    return device.files.info(device.folder / "home/move-tasks.json").has_value();
}

Result<MoveReport> again(Device& device, bool undo) {
    return undo ? undo_move(*device.databases(), device.move_to("new.db"))
                : move_database(*device.databases(), device.move_to("new.db"));
}

void lose(Device& device, MoveStep at) {
    {
        OpenTasks(device).add("a");
    }
    ASSERT_EQ(
        move_database(*device.databases(), broken_off(device.move_to("new.db"), at)).error().code,
        Code::cancelled);
}

void move_on(Device& device, const char* from, const char* to) {
    Device other;
    other.place = device.folder / from;
    MoveRequest request = other.move_to("unused");
    request.to.text = device.folder / to;
    const auto moved = move_database(*other.databases(), request);
    ASSERT_TRUE(moved) << moved.error().message;
}

Result<MoveReport> take_back_from_outside(Device& device, bool forget) {
    Device outside;
    MoveRequest request = outside.move_to("unused");
    request.from = sql::Location{sql::Engine::sqlite, device.folder / "home/tasks.db"};
    request.to = {sql::Engine::sqlite, device.folder / "new.db"};
    request.forget = forget;
    return undo_move(*outside.databases(), request);
}

TEST(MoveOver, ADeviceThatWasKilledBeforeItNamedTheNewPlaceIsToldWhereTheDatabaseMovedOn) {
    for (const MoveStep killed : {MoveStep::live, MoveStep::switched}) {
        for (const bool undo : {false, true}) {
            Device device;
            lose(device, killed);
            move_on(device, "new.db", "third.db");
            const auto refused = again(device, undo);
            ASSERT_FALSE(refused);
            EXPECT_EQ(refused.error().code, Code::unavailable) << refused.error().message;
            EXPECT_THAT(refused.error().message, HasSubstr("third.db"));
            EXPECT_THAT(refused.error().hint, HasSubstr("journal is put away"));
            EXPECT_FALSE(has_journal(device));
            EXPECT_FALSE(takes_writes(device, device.folder / "home/tasks.db"));
            EXPECT_FALSE(takes_writes(device, device.folder / "new.db"));
        }
    }
}

TEST(MoveOver, ADeviceWhoseConfigNamesTheThirdPlaceByNowMovesOnFromThere) {
    Device device;
    lose(device, MoveStep::live);
    move_on(device, "new.db", "third.db");
    device.place = device.folder / "third.db";
    const auto moved = move_database(*device.databases(), device.move_to("fourth.db"));
    ASSERT_TRUE(moved) << moved.error().message;
    EXPECT_TRUE(takes_writes(device, device.folder / "fourth.db"));
    EXPECT_FALSE(takes_writes(device, device.folder / "third.db"));
}

TEST(MoveOver, WhatWasTakenBackElsewhereIsMovedAnewOrForgotten) {
    for (const MoveStep lost : {MoveStep::sealed, MoveStep::equal, MoveStep::going_live}) {
        for (const bool undo : {false, true}) {
            Device device;
            lose(device, lost);
            ASSERT_TRUE(take_back_from_outside(device, false));
            const sql::Identity open = device.identity_at(device.folder / "home/tasks.db");
            const auto ended = again(device, undo);
            ASSERT_TRUE(ended) << ended.error().message;
            EXPECT_EQ(takes_writes(device, device.folder / "home/tasks.db"), undo);
            EXPECT_EQ(takes_writes(device, device.folder / "new.db"), !undo);
            EXPECT_TRUE(open_moves(device.files, device.folder / "home")->empty());
            if (undo) {
                EXPECT_EQ(device.identity_at(device.folder / "home/tasks.db"), open)
                    << "nobody who works there is refused";
            }
        }
    }
}

TEST(MoveOver, AfterAnotherDeviceForgotTheNewPlaceTheConfigFollows) {
    Device device;
    lose(device, MoveStep::switched);
    ASSERT_THAT(config_of(device), HasSubstr("new.db"));
    ASSERT_TRUE(device.files.rename(device.folder / "new.db", device.folder / "lost.db"));
    ASSERT_TRUE(take_back_from_outside(device, true));
    device.place = device.folder / "new.db";
    const auto moved = again(device, false);
    EXPECT_EQ(moved.error().code, Code::conflict) << moved.error().message;
    EXPECT_THAT(moved.error().message, HasSubstr("home/tasks.db is where 'tasks' takes writes"));
    EXPECT_FALSE(has_journal(device));
}

TEST(MoveOver, AnUndoAfterAnotherDeviceForgotTheNewPlaceNamesTheOldOneAgain) {
    Device device;
    lose(device, MoveStep::switched);
    ASSERT_TRUE(device.files.rename(device.folder / "new.db", device.folder / "lost.db"));
    ASSERT_TRUE(take_back_from_outside(device, true));
    device.place = device.folder / "new.db";
    const auto back = again(device, true);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_TRUE(back->config_switched);
    EXPECT_THAT(config_of(device), testing::Not(HasSubstr("new.db")));
    EXPECT_FALSE(has_journal(device));
}

// Somebody gave the new place up for lost, and it came back.
TEST(MoveOver, TwoPlacesThatTakeWritesAreBothNamed) {
    for (const bool undo : {false, true}) {
        Device device;
        lose(device, MoveStep::live);
        ASSERT_TRUE(device.files.rename(device.folder / "new.db", device.folder / "lost.db"));
        ASSERT_TRUE(take_back_from_outside(device, true));
        ASSERT_TRUE(device.files.rename(device.folder / "lost.db", device.folder / "new.db"));
        const auto told = again(device, undo);
        ASSERT_FALSE(told);
        EXPECT_EQ(told.error().code, Code::conflict) << told.error().message;
        EXPECT_THAT(told.error().message, HasSubstr("both take writes"));
        EXPECT_THAT(told.error().message, HasSubstr("new.db"));
        EXPECT_THAT(told.error().message, HasSubstr("home/tasks.db"));
        EXPECT_FALSE(has_journal(device));
    }
}

TEST(MoveOver, AnUndoWhoseOldPlaceMovedOnBeforeItEndedIsOver) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
    EXPECT_FALSE(
        undo_move(*device.databases(), broken_off(device.move_to("new.db"), MoveStep::live)));
    move_on(device, "home/tasks.db", "third.db");
    const auto back = again(device, true);
    ASSERT_FALSE(back);
    EXPECT_EQ(back.error().code, Code::unavailable) << back.error().message;
    EXPECT_THAT(back.error().message, HasSubstr("third.db"));
    EXPECT_FALSE(has_journal(device));
    device.place = device.folder / "third.db";
    EXPECT_TRUE(move_database(*device.databases(), device.move_to("fourth.db")));
}

/// A database that was moved, and whose new place is away.
struct Away {
    Away() {
        {
            OpenTasks(device).add("a");
        }
        EXPECT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
        EXPECT_TRUE(device.files.rename(place, away));
        device.place = place;
    }
    void leave_an_empty_file() { ASSERT_TRUE(os::replace_file(device.files, place, "", 0600)); }
    void come_back() { ASSERT_TRUE(device.files.rename(away, place)); }

    Device device;
    const std::string place = device.folder / "new.db";
    const std::string away = device.folder / "away.db";
};

TEST(MoveOver, WhatWasMovedAndIsNotThereIsNotMadeAnew) {
    Away moved_away;
    Device& device = moved_away.device;
    const std::string& place = moved_away.place;
    const auto opened = device.databases()->open(DatabaseName::tasks);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Code::unavailable) << opened.error().message;
    EXPECT_THAT(opened.error().message, HasSubstr(place));
    EXPECT_FALSE(device.files.info(place));

    // An empty file is as little of it.
    moved_away.leave_an_empty_file();
    EXPECT_EQ(device.databases()->open(DatabaseName::tasks).error().code, Code::unavailable);
    moved_away.come_back();
    EXPECT_THAT(OpenTasks(device).titles(), testing::ElementsAre("a"));
}

TEST(MoveOver, WhoReadsWhatWasMovedAndIsNotThereIsToldSo) {
    Away moved_away;
    Device& device = moved_away.device;
    for (const bool empty : {false, true}) {
        if (empty) moved_away.leave_an_empty_file();
        const auto found = device.databases()->find(DatabaseName::tasks);
        ASSERT_FALSE(found);
        EXPECT_EQ(found.error().code, Code::unavailable) << found.error().message;
        const auto report = device.databases()->migrations(DatabaseName::tasks);
        ASSERT_TRUE(report && report->away) << (report ? "" : report.error().message);
        EXPECT_THAT(report->away->message, HasSubstr(moved_away.place));
        EXPECT_FALSE(report->exists);
        EXPECT_TRUE(report->modules.at(0).pending.empty());
    }
    ASSERT_TRUE(os::replace_file(device.files, device.folder / "home/move-tasks.json", "{", 0600));
    EXPECT_TRUE(device.databases()->find(DatabaseName::tasks)) << "the journal is damaged";
    EXPECT_EQ(device.databases()->find(DatabaseName::logs).error().code, Code::not_found);
    moved_away.come_back();
    const auto report = device.databases()->migrations(DatabaseName::tasks);
    ASSERT_TRUE(report && report->exists);
    EXPECT_FALSE(report->away);
}

TEST(MoveOver, AMoveFromAPlaceThatIsAwayIsRefusedAndItsJournalStays) {
    Away moved_away;
    Device& device = moved_away.device;
    const std::string& place = moved_away.place;
    for (const bool empty : {false, true}) {
        if (empty) moved_away.leave_an_empty_file();
        const auto moved = move_database(*device.databases(), device.move_to("third.db"));
        ASSERT_FALSE(moved);
        EXPECT_EQ(moved.error().code, Code::unavailable) << moved.error().message;
        EXPECT_EQ(device.files.info(place).has_value(), empty);
        EXPECT_FALSE(takes_writes(device, device.folder / "home/tasks.db"));
    }
    moved_away.come_back();
    ASSERT_TRUE(undo_move(*device.databases(), device.move_to("unused")));
    EXPECT_TRUE(takes_writes(device, device.folder / "home/tasks.db"));
}

TEST(MoveOver, ABackupOfAnotherDatabaseInTheNewPlaceThatIsNamedIsGoneOnWith) {
    Device other;
    {
        OpenTasks(other).add("theirs");
    }
    const std::string backup = other.folder / "other.zst";
    ASSERT_TRUE(back_up(*other.databases(), DatabaseName::tasks, backup, {}));
    Device device;
    {
        OpenTasks(device).add("a");
    }
    EXPECT_FALSE(
        move_database(*device.databases(), broken_off(device.move_to("new.db"), MoveStep::live)));
    device.place = device.folder / "new.db";
    ASSERT_TRUE(restore(*device.databases(), {.path = backup, .replace = true}));
    // What was sealed may yet be wanted.
    EXPECT_EQ(again(device, true).error().code, Code::conflict);
    EXPECT_TRUE(has_journal(device));
    const auto moved = move_database(*device.databases(), device.move_to("third.db"));
    ASSERT_TRUE(moved) << moved.error().message;
    device.place = device.folder / "third.db";
    EXPECT_THAT(OpenTasks(device).titles(), testing::ElementsAre("theirs"));
    EXPECT_FALSE(takes_writes(device, device.folder / "home/tasks.db"));
}

TEST(MoveOver, WhatIsBeingMovedAndIsNotThereIsNotMadeAnew) {
    for (const MoveStep broken : kSteps) {
        Device device;
        {
            OpenTasks(device).add("a");
        }
        EXPECT_FALSE(
            move_database(*device.databases(), broken_off(device.move_to("new.db"), broken)));
        for (const char* const name : {"home/tasks.db", "new.db"}) {
            const std::string place = device.folder / name;
            if (!device.files.info(place)) continue;
            const std::string away = device.folder / "away.db";
            ASSERT_TRUE(device.files.rename(place, away));
            device.place = place;
            EXPECT_EQ(device.databases()->open(DatabaseName::tasks).error().code,
                      Code::unavailable);
            EXPECT_FALSE(device.files.info(place));
            ASSERT_TRUE(device.files.rename(away, place));
        }
    }
}

TEST(MoveOver, APlaceInAHomeThatWasRenamedIsNotMadeAnewUnderItsOldName) {
    Device before;
    {
        OpenTasks(before).add("a");
    }
    ASSERT_TRUE(move_database(*before.databases(), before.move_to("home/new.db")));
    Device device;
    ASSERT_TRUE(before.files.rename(before.folder / "home", device.folder / "home"));
    device.place = before.folder / "home/new.db";
    const auto opened = device.databases()->open(DatabaseName::tasks);
    ASSERT_FALSE(opened);
    EXPECT_EQ(opened.error().code, Code::unavailable) << opened.error().message;
    EXPECT_FALSE(device.files.info(before.folder / "home"));
}

TEST(MoveOver, AHomeThatIsRenamedTakesItsMoveAlong) {
    for (const MoveStep broken : {MoveStep::copied, MoveStep::sealed, MoveStep::going_live,
                                  MoveStep::live, MoveStep::switched}) {
        for (const bool undo : {false, true}) {
            Device before;
            {
                OpenTasks(before).add("a");
            }
            EXPECT_FALSE(move_database(*before.databases(),
                                       broken_off(before.move_to("home/new.db"), broken)));
            Device device;
            ASSERT_TRUE(before.files.rename(before.folder / "home", device.folder / "home"));
            const auto ended =
                undo ? undo_move(*device.databases(), device.move_to("unused"))
                     : move_database(*device.databases(), device.move_to("home/new.db"));
            ASSERT_TRUE(ended) << static_cast<int>(broken) << ended.error().message;
            EXPECT_EQ(takes_writes(device, device.folder / "home/tasks.db"), undo);
            EXPECT_EQ(takes_writes(device, device.folder / "home/new.db"), !undo);
            EXPECT_FALSE(before.files.info(before.folder / "home"));
        }
    }
}

}  // namespace
}  // namespace taskstore::store
