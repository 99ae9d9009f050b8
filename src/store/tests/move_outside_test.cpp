// A device takes back what another one has begun, which comes back meanwhile.

#include "moving.hpp"

#include <gmock/gmock.h>

namespace taskstore::store {
namespace {

using testing::HasSubstr;

bool is_live(Device& device, const char* place) {
    return device.identity_at(device.folder / place).is_live();
}

/// Another device, which knows nothing of the move but the two places.
MoveRequest from_outside(Device& outside, Device& device) {
    MoveRequest request = outside.move_to("unused");
    request.from = sql::Location{sql::Engine::sqlite, device.folder / "home/tasks.db"};
    request.to = {sql::Engine::sqlite, device.folder / "new.db"};
    return request;
}

/// `device` has come to that step of its move to new.db, and was lost.
void lose(Device& device, MoveStep at) {
    {
        OpenTasks(device).add("a");
    }
    ASSERT_EQ(
        move_database(*device.databases(), broken_off(device.move_to("new.db"), at)).error().code,
        Code::cancelled);
}

/// As the last step of a move whose COMMIT was on its way to a server.
void bring_to_life(Device& device, const sql::Identity& filled) {
    Device other;
    const auto databases = other.databases();
    const auto connection = databases->connect(
        DatabaseName::tasks, {sql::Engine::sqlite, device.folder / "new.db"}, {.read_only = false});
    const auto journal = *os::read_file(device.files, device.folder / "home/move-tasks.json");
    const std::string key = "\"epoch\": ";
    const std::int64_t epoch = std::stoll(journal.substr(journal.find(key) + key.size()));
    ASSERT_TRUE(sql::change_identity(
        **connection, "tasks", tables_of(DatabaseName::tasks), filled,
        {.id = device.identity_at(device.folder / "home/tasks.db").id, .epoch = epoch}));
}

constexpr std::array kUndoSteps{MoveStep::begun, MoveStep::sealed, MoveStep::marked,
                                MoveStep::live};

// Whichever step the undo has reached when the lost device goes on, and whether it goes on itself.
TEST(MoveOutside, TheLostDeviceThatGoesOnMakesNoSecondTruthAndSomebodyEndsIt) {
    for (const MoveStep lost : {MoveStep::sealed, MoveStep::going_live}) {
        for (const MoveStep step : kUndoSteps) {
            for (const bool takes_back : {false, true}) {
                for (const bool stops : {false, true}) {
                    SCOPED_TRACE("lost at " + std::to_string(static_cast<int>(lost)) +
                                 ", undo at " + std::to_string(static_cast<int>(step)) +
                                 (takes_back ? ", taken back" : ", moved") +
                                 (stops ? ", stopped" : ""));
                    Device device;
                    lose(device, lost);
                    Device outside;
                    MoveRequest request = from_outside(outside, device);
                    request.after_step_for_testing = [&](MoveStep reached) {
                        if (reached != step) return ok();
                        static_cast<void>(
                            takes_back
                                ? undo_move(*device.databases(), device.move_to("new.db"))
                                : move_database(*device.databases(), device.move_to("new.db")));
                        return stops ? Status(fail(Code::cancelled, "as planned")) : ok();
                    };
                    static_cast<void>(undo_move(*outside.databases(), request));
                    EXPECT_FALSE(is_live(device, "home/tasks.db") && is_live(device, "new.db"));
                    Device third;
                    const auto ended = undo_move(*third.databases(), from_outside(third, device));
                    EXPECT_NE(is_live(device, "home/tasks.db"), is_live(device, "new.db"))
                        << (ended ? "" : ended.error().message);
                }
            }
        }
    }
}

TEST(MoveOutside, AnUndoThatWasStoppedIsEndedByAnyDevice) {
    for (const MoveStep step : kUndoSteps) {
        for (const int who : {0, 1, 2}) {
            SCOPED_TRACE("undo at " + std::to_string(static_cast<int>(step)) + ", ended by " +
                         std::to_string(who));
            Device device;
            lose(device, MoveStep::going_live);
            Device outside;
            Device third;
            EXPECT_EQ(
                undo_move(*outside.databases(), broken_off(from_outside(outside, device), step))
                    .error()
                    .code,
                Code::cancelled);
            const auto ended =
                who == 0   ? undo_move(*outside.databases(), from_outside(outside, device))
                : who == 1 ? undo_move(*third.databases(), from_outside(third, device))
                           : undo_move(*device.databases(), device.move_to("new.db"));
            if (step < MoveStep::live || who != 1)
                EXPECT_TRUE(ended) << ended.error().message;
            else
                EXPECT_EQ(ended.error().code, Code::invalid) << "it takes writes";
            EXPECT_TRUE(is_live(device, "home/tasks.db"));
            EXPECT_FALSE(is_live(device, "new.db"));
            if (who == 0) {
                EXPECT_TRUE(open_moves(outside.files, outside.folder / "home")->empty());
            }
        }
    }
}

TEST(MoveOutside, TheLostDeviceIsToldThatItsMoveIsBeingTakenBack) {
    for (const MoveStep lost : {MoveStep::sealed, MoveStep::going_live}) {
        Device device;
        lose(device, lost);
        Device outside;
        EXPECT_FALSE(undo_move(*outside.databases(),
                               broken_off(from_outside(outside, device), MoveStep::sealed)));
        const auto moved = move_database(*device.databases(), device.move_to("new.db"));
        EXPECT_EQ(moved.error().code, Code::conflict) << moved.error().message;
        EXPECT_THAT(moved.error().message, HasSubstr("is being taken back"));
        EXPECT_THAT(moved.error().hint, HasSubstr("'taskstore move --undo' ends that"));
        EXPECT_TRUE(undo_move(*device.databases(), device.move_to("new.db")));
        EXPECT_TRUE(is_live(device, "home/tasks.db"));
    }
}

// The lost device had looked at its seal right before that was taken.
TEST(MoveOutside, ANewPlaceThatComesToLifeMeanwhileIsTheTruthAndTheSealGoesBack) {
    for (const MoveStep step : {MoveStep::begun, MoveStep::sealed}) {
        for (const bool stops : {false, true}) {
            Device device;
            lose(device, MoveStep::going_live);
            const sql::Identity seal = device.identity_at(device.folder / "home/tasks.db");
            Device outside;
            MoveRequest request = from_outside(outside, device);
            request.after_step_for_testing = [&](MoveStep reached) {
                if (reached != step) return ok();
                bring_to_life(device, device.identity_at(device.folder / "new.db"));
                return stops ? Status(fail(Code::cancelled, "as planned")) : ok();
            };
            EXPECT_FALSE(undo_move(*outside.databases(), request));
            EXPECT_FALSE(is_live(device, "home/tasks.db"));
            if (stops) {
                const auto moved = move_database(*device.databases(), device.move_to("new.db"));
                EXPECT_TRUE(moved) << moved.error().message;
                EXPECT_THAT(config_of(device), HasSubstr("new.db"));
            }
            request.after_step_for_testing = {};
            const auto again = undo_move(*outside.databases(), request);
            EXPECT_EQ(again.error().code, Code::conflict) << again.error().message;
            EXPECT_THAT(again.error().message, HasSubstr("new.db is where 'tasks' takes writes"));
            EXPECT_EQ(device.identity_at(device.folder / "home/tasks.db"), seal);
            EXPECT_TRUE(open_moves(outside.files, outside.folder / "home")->empty());
            EXPECT_TRUE(undo_move(*device.databases(), device.move_to("new.db")));
            EXPECT_TRUE(is_live(device, "home/tasks.db"));
            EXPECT_FALSE(is_live(device, "new.db"));
        }
    }
}

}  // namespace
}  // namespace taskstore::store
