#include "moving.hpp"

#include <gmock/gmock.h>

namespace taskstore::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Move, BrokenOffAfterAnyStepItCanBeTakenBack) {
    for (const MoveStep broken : kSteps) {
        const int number = static_cast<int>(broken);
        Device device;
        OpenTasks tasks(device);
        tasks.add("a");
        const std::int64_t first = device.identity_at(device.folder / "home/tasks.db").epoch;
        EXPECT_FALSE(
            move_database(*device.databases(), broken_off(device.move_to("new.db"), broken)));
        const auto back = undo_move(*device.databases(), device.move_to("new.db"));
        ASSERT_TRUE(back) << "after step " << number << ": " << back.error().message;
        EXPECT_EQ(back->reopened, broken < MoveStep::live) << number;
        tasks.add("b");
        OpenTasks here(device);
        EXPECT_THAT(here.titles(), ElementsAre("a", "b")) << "after step " << number;
        EXPECT_FALSE(broken != MoveStep::begun && takes_writes(device, device.folder / "new.db"))
            << "after step " << number;
        EXPECT_THAT(config_of(device), testing::Not(HasSubstr("tasks")));
        const std::int64_t epoch = device.identity_at(device.folder / "home/tasks.db").epoch;
        EXPECT_EQ(epoch > first, broken >= MoveStep::sealing) << number;
        const auto moved = move_database(*device.databases(), device.move_to("new.db"));
        ASSERT_TRUE(moved) << "and there again: " << moved.error().message;
        EXPECT_GT(moved->epoch, epoch);
    }
}

TEST(Move, AnUndoThatIsBrokenOffGoesOn) {
    for (const MoveStep broken : kSteps) {
        const int number = static_cast<int>(broken);
        Device device;
        {
            OpenTasks(device).add("a");
        }
        const auto moved = move_database(*device.databases(), device.move_to("new.db"));
        ASSERT_TRUE(moved) << moved.error().message;
        const auto first =
            undo_move(*device.databases(), broken_off(device.move_to("new.db"), broken));
        ASSERT_EQ(first.error().code, Code::cancelled) << number;
        const bool old_takes = takes_writes(device, device.folder / "home/tasks.db");
        const bool new_takes = takes_writes(device, device.folder / "new.db");
        EXPECT_EQ(old_takes, broken >= MoveStep::live) << number;
        EXPECT_EQ(new_takes, broken < MoveStep::sealed) << number;
        EXPECT_EQ(move_database(*device.databases(), device.move_to("other.db")).error().code,
                  Code::conflict);
        const auto back = undo_move(*device.databases(), device.move_to("new.db"));
        ASSERT_TRUE(back) << "after step " << number << ": " << back.error().message;
        EXPECT_GT(back->epoch, moved->epoch);
        OpenTasks here(device);
        here.add("b");
        EXPECT_FALSE(takes_writes(device, device.folder / "new.db")) << number;
    }
}

TEST(Move, AnUndoThatOnlyOpensAgainGoesOnToo) {
    for (const MoveStep sealed : {MoveStep::copied, MoveStep::sealed, MoveStep::going_live}) {
        for (const MoveStep broken : {MoveStep::begun, MoveStep::marked, MoveStep::live}) {
            Device device;
            OpenTasks tasks(device);
            tasks.add("a");
            EXPECT_FALSE(
                move_database(*device.databases(), broken_off(device.move_to("new.db"), sealed)));
            EXPECT_FALSE(
                undo_move(*device.databases(), broken_off(device.move_to("new.db"), broken)));
            EXPECT_EQ(move_database(*device.databases(), device.move_to("new.db")).error().code,
                      Code::conflict);
            const auto back = undo_move(*device.databases(), device.move_to("new.db"));
            ASSERT_TRUE(back) << back.error().message;
            tasks.add("b");
            EXPECT_FALSE(takes_writes(device, device.folder / "new.db"));
        }
    }
}

TEST(Move, AnUndoWhoseNewPlaceIsAwayChangesNothing) {
    for (const MoveStep broken : {MoveStep::sealed, MoveStep::equal, MoveStep::going_live,
                                  MoveStep::live, MoveStep::switched}) {
        Device device;
        {
            OpenTasks(device).add("a");
        }
        EXPECT_FALSE(
            move_database(*device.databases(), broken_off(device.move_to("disk/new.db"), broken)));
        ASSERT_TRUE(device.files.rename(device.folder / "disk", device.folder / "away"));
        for (const bool mount_point : {false, true}) {
            if (mount_point) {
                ASSERT_TRUE(device.files.make_directory(device.folder / "disk"));
            }
            const auto back = undo_move(*device.databases(), device.move_to("unused"));
            EXPECT_EQ(back.error().code, Code::unavailable);
            EXPECT_THAT(back.error().message, HasSubstr("disk/new.db is not there"));
            EXPECT_FALSE(device.files.info(device.folder / "disk/new.db"));
            EXPECT_FALSE(takes_writes(device, device.folder / "home/tasks.db"));
        }
        ASSERT_TRUE(device.files.remove_directory(device.folder / "disk"));
        ASSERT_TRUE(device.files.rename(device.folder / "away", device.folder / "disk"));
        const auto back = undo_move(*device.databases(), device.move_to("unused"));
        ASSERT_TRUE(back) << back.error().message;
        EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a"));
    }
}

TEST(Move, AnUndoOfWhatWasNotSealedNeedsNoNewPlace) {
    for (const MoveStep broken : {MoveStep::marked, MoveStep::copied, MoveStep::sealing}) {
        Device device;
        {
            OpenTasks(device).add("a");
        }
        EXPECT_FALSE(
            move_database(*device.databases(), broken_off(device.move_to("disk/new.db"), broken)));
        ASSERT_TRUE(device.files.rename(device.folder / "disk", device.folder / "away"));
        const auto again = move_database(*device.databases(), device.move_to("disk/new.db"));
        EXPECT_EQ(again.error().code, Code::unavailable) << "nothing is made in its place";
        EXPECT_THAT(again.error().hint, HasSubstr("--undo"));
        ASSERT_TRUE(undo_move(*device.databases(), device.move_to("unused")));
        OpenTasks(device).add("b");
    }
}

TEST(Move, AnUndoWhoseOldPlaceIsGoneMakesNone) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
    ASSERT_TRUE(device.files.unlink(device.folder / "home/tasks.db"));
    EXPECT_EQ(undo_move(*device.databases(), device.move_to("new.db")).error().code,
              Code::unavailable);
    EXPECT_FALSE(device.files.info(device.folder / "home/tasks.db"));
    EXPECT_TRUE(takes_writes(device, device.folder / "new.db"));
}

TEST(Move, AnUndoAfterAnotherDatabaseCameToTheNewPlaceIsRefused) {
    Device other;
    {
        OpenTasks(other).add("theirs");
    }
    ASSERT_TRUE(back_up(*other.databases(), DatabaseName::tasks, other.folder / "t.zst", {}));
    Device device;
    {
        OpenTasks(device).add("a");
    }
    ASSERT_TRUE(back_up(*device.databases(), DatabaseName::tasks, device.folder / "t.zst", {}));
    for (const std::string& backup : {device.folder / "t.zst", other.folder / "t.zst"}) {
        device.place.clear();
        if (!device.files.info(device.folder / "home/move-tasks.json")) {
            ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
        }
        device.place = device.folder / "new.db";
        ASSERT_TRUE(restore(*device.databases(), {.path = backup, .replace = true}));
        const auto back = undo_move(*device.databases(), device.move_to("new.db"));
        EXPECT_EQ(back.error().code, Code::conflict) << back.error().message;
        EXPECT_THAT(back.error().message, HasSubstr("a backup was restored there since"));
        EXPECT_FALSE(takes_writes(device, device.folder / "home/tasks.db"));
        if (backup == other.folder / "t.zst") break;
        EXPECT_THAT(back.error().hint, testing::Not(HasSubstr("--")));
        MoveRequest request = device.move_to("home/tasks.db");
        EXPECT_EQ(move_database(*device.databases(), request).error().code, Code::conflict)
            << "what the backup lacks is there alone";
        request.forget = true;
        const auto home = move_database(*device.databases(), request);
        ASSERT_TRUE(home) << home.error().message;
        ASSERT_TRUE(os::replace_file(device.files, device.folder / "home/config.toml", ""));
        ASSERT_TRUE(device.files.unlink(device.folder / "home/move-tasks.json"));
    }
}

TEST(Move, AnUndoAfterAnotherDeviceBroughtItBackForgetsTheMove) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
    Device other;
    other.place = device.folder / "new.db";
    MoveRequest home = other.move_to("unused");
    home.to.text = device.folder / "home/tasks.db";
    ASSERT_TRUE(move_database(*other.databases(), home));
    device.place = other.place;
    const auto back = undo_move(*device.databases(), device.move_to("new.db"));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_TRUE(back->reopened);
    EXPECT_THAT(config_of(device), testing::Not(HasSubstr("tasks")));
    device.place.clear();
    OpenTasks(device).add("b");
}

}  // namespace
}  // namespace taskstore::store
