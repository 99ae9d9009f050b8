// Several devices, or several processes of one, that move one database.

#include "moving.hpp"

#include <gmock/gmock.h>

namespace taskstore::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// Another device, with a config that names the same old place.
struct SecondDevice : Device {
    explicit SecondDevice(Device& first) { place = first.folder / "home/tasks.db"; }
};

TEST(Move, WhatAnotherDeviceHasMovedIsRefusedWithWhereItIs) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    SecondDevice second(device);
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
    const auto moved = move_database(*second.databases(), second.move_to("theirs.db"));
    EXPECT_EQ(moved.error().code, Code::unavailable);
    EXPECT_THAT(moved.error().message, HasSubstr(device.folder / "new.db"));
    EXPECT_FALSE(second.files.info(second.folder / "theirs.db"));
    EXPECT_FALSE(second.files.info(second.folder / "home/move-tasks.json"));
    EXPECT_EQ(undo_move(*second.databases(), second.move_to("theirs.db")).error().code,
              Code::not_found);
    EXPECT_FALSE(takes_writes(device, device.folder / "home/tasks.db"));
}

// Whichever step the first has reached when the second begins, or ends: one of them gets it.
TEST(Move, OfTwoDevicesThatMoveAtOnceOneGetsTheDatabase) {
    for (const MoveStep step : kSteps) {
        for (const bool same_target : {false, true}) {
            const int number = static_cast<int>(step);
            Device device;
            {
                OpenTasks(device).add("a");
            }
            SecondDevice second(device);
            MoveRequest other = second.move_to("theirs.db");
            if (same_target) other.to.text = device.folder / "new.db";
            Code second_code = Code::failed;
            MoveRequest first = device.move_to("new.db");
            first.after_step_for_testing = [&](MoveStep reached) {
                if (reached != step) return ok();
                const auto moved = move_database(*second.databases(), other);
                second_code = moved ? Code::exists : moved.error().code;
                return ok();
            };
            const auto moved = move_database(*device.databases(), first);
            EXPECT_NE(moved.has_value(), second_code == Code::exists) << number << same_target;
            EXPECT_EQ(moved.has_value(), step >= MoveStep::sealed) << number << same_target;
            if (moved)
                EXPECT_EQ(second_code, Code::unavailable) << number;
            else
                EXPECT_EQ(moved.error().code, Code::unavailable) << moved.error().message;
            EXPECT_FALSE(takes_writes(device, device.folder / "home/tasks.db"));
            const bool here = takes_writes(device, device.folder / "new.db");
            const bool there = !same_target && !moved && takes_writes(device, other.to.text);
            EXPECT_TRUE(here != there) << number << same_target;
            EXPECT_EQ(move_database(*device.databases(), device.move_to("third.db")).error().code,
                      Code::unavailable)
                << "and the loser's journal is in nobody's way";
        }
    }
}

TEST(Move, ASealOfAnotherDeviceIsNotTakenUp) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    SecondDevice second(device);
    EXPECT_FALSE(move_database(*second.databases(),
                               broken_off(second.move_to("theirs.db"), MoveStep::copied)));
    EXPECT_FALSE(
        move_database(*device.databases(), broken_off(device.move_to("new.db"), MoveStep::sealed)));
    EXPECT_EQ(move_database(*second.databases(), second.move_to("theirs.db")).error().code,
              Code::unavailable);
    EXPECT_FALSE(takes_writes(device, device.folder / "home/tasks.db"));
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
}

// The second marked the same new place after the first, and left it there: the first has the seal.
TEST(Move, WhoHasTheSealTakesTheNewPlaceBack) {
    for (const MoveStep step : {MoveStep::copied, MoveStep::equal, MoveStep::going_live}) {
        for (const bool undo : {false, true}) {
            Device device;
            {
                OpenTasks(device).add("a");
            }
            SecondDevice second(device);
            MoveRequest theirs = broken_off(second.move_to("unused"), MoveStep::marked);
            theirs.to.text = device.folder / "new.db";
            MoveRequest request = device.move_to("new.db");
            request.after_step_for_testing = [&](MoveStep reached) {
                if (reached == step && step == MoveStep::copied) {
                    EXPECT_FALSE(move_database(*second.databases(), theirs));
                }
                if (reached != step || step == MoveStep::copied) return ok();
                // As if theirs had come before the seal.
                Device other;
                sql::Identity now = device.identity_at(device.folder / "new.db");
                sql::Identity next = now;
                next.mark = "move theirs";
                const auto databases = other.databases();
                const auto connection = databases->connect(
                    DatabaseName::tasks, {sql::Engine::sqlite, device.folder / "new.db"},
                    {.read_only = false});
                return sql::change_identity(**connection, "tasks", tables_of(DatabaseName::tasks),
                                            now, next);
            };
            const auto first = move_database(*device.databases(), request);
            EXPECT_EQ(first.error().code, Code::conflict) << first.error().message;
            EXPECT_THAT(first.error().hint, HasSubstr("stays closed"));
            const auto ended = undo ? undo_move(*device.databases(), device.move_to("new.db"))
                                    : move_database(*device.databases(), device.move_to("new.db"));
            ASSERT_TRUE(ended) << static_cast<int>(step) << ended.error().message;
            EXPECT_EQ(takes_writes(device, device.folder / "home/tasks.db"), undo);
            EXPECT_EQ(takes_writes(device, device.folder / "new.db"), !undo);
        }
    }
}

TEST(Move, AnUndoOpensNothingThatAnotherHasSealed) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    SecondDevice second(device);
    EXPECT_FALSE(move_database(*second.databases(),
                               broken_off(second.move_to("theirs.db"), MoveStep::copied)));
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
    EXPECT_EQ(undo_move(*second.databases(), second.move_to("theirs.db")).error().code,
              Code::unavailable);
    EXPECT_FALSE(takes_writes(device, device.folder / "home/tasks.db"));
    EXPECT_EQ(undo_move(*second.databases(), second.move_to("theirs.db")).error().code,
              Code::not_found);
}

TEST(Move, TheSecondProcessOfADeviceIsToldOfTheFirst) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    int told = 0;
    MoveRequest request = device.move_to("new.db");
    request.after_step_for_testing = [&](MoveStep) {
        for (const auto& second : {move_database(*device.databases(), device.move_to("new.db")),
                                   undo_move(*device.databases(), device.move_to("new.db"))}) {
            EXPECT_EQ(second.error().code, Code::conflict);
            EXPECT_THAT(second.error().message, HasSubstr("another process"));
            ++told;
        }
        return ok();
    };
    EXPECT_TRUE(move_database(*device.databases(), request));
    EXPECT_EQ(told, 18);
}

TEST(Move, WhileItIsFilledTheNewPlaceTakesNobodysWrites) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    Device other;
    other.place = device.folder / "new.db";
    OpenTasks there(other);  // Made, and empty.
    MoveRequest request = device.move_to("new.db");
    request.after_step_for_testing = [&](MoveStep step) {
        if (step < MoveStep::marked || step >= MoveStep::live) return ok();
        const auto refused = there.store->create_task({.title = "mine"});
        EXPECT_EQ(refused.error().code, Code::unavailable) << static_cast<int>(step);
        return ok();
    };
    const auto moved = move_database(*device.databases(), request);
    ASSERT_TRUE(moved) << moved.error().message;
    there.add("b");
    EXPECT_THAT(there.titles(), ElementsAre("a", "b"));
}

TEST(Move, RowsThatCameToTheNewPlaceBeforeItWasClosedAreNotWrittenOver) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    Device other;
    other.place = device.folder / "new.db";
    OpenTasks there(other);
    MoveRequest request = device.move_to("new.db");
    request.after_step_for_testing = [&](MoveStep step) {
        if (step == MoveStep::begun) there.add("theirs");
        return ok();
    };
    EXPECT_EQ(move_database(*device.databases(), request).error().code, Code::conflict);
    EXPECT_THAT(there.titles(), ElementsAre("theirs"));
    EXPECT_TRUE(takes_writes(device, device.folder / "home/tasks.db"));
    ASSERT_TRUE(undo_move(*device.databases(), request));
    there.add("more");
}

TEST(Move, ASecondDatabaseDoesNotShareTheNewPlace) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    Device other;
    {
        OpenTasks(other).add("b");
    }
    EXPECT_FALSE(
        move_database(*device.databases(), broken_off(device.move_to("new.db"), MoveStep::copied)));
    MoveRequest theirs = other.move_to("unused");
    theirs.to.text = device.folder / "new.db";
    const auto refused = move_database(*other.databases(), theirs);
    EXPECT_EQ(refused.error().code, Code::conflict) << refused.error().message;
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
    device.place = device.folder / "new.db";
    EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a"));
}

}  // namespace
}  // namespace taskstore::store
