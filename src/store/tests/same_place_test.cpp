// Places are told apart by more than their names.

#include "moving.hpp"

#include <gmock/gmock.h>

namespace taskstore::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr std::array kFiles{"new.db", "new.db-wal", "new.db-shm"};

void rename_new(Device& device, const std::string& from, const std::string& to) {
    ASSERT_TRUE(os::make_directories(device.files, device.folder / to, 0700));
    for (const char* file : kFiles)
        static_cast<void>(device.files.rename(device.folder / (from + "/" + file),
                                              device.folder / (to + "/" + file)));
}

Status run_at(Device& device, const std::string& place, const std::string& text) {
    const auto databases = device.databases();
    TASKSTORE_LET(const auto connection,
                  databases->connect(DatabaseName::tasks, {sql::Engine::sqlite, place},
                                     {.read_only = false}));
    return connection->execute(text);
}

/// Has moved to here/new.db, and works there; here/t.zst is a backup of it.
struct MovedAway : Device {
    MovedAway() {
        {
            OpenTasks(*this).add("a");
        }
        const auto moved = move_database(*databases(), move_to("here/new.db"));
        EXPECT_TRUE(moved) << moved.error().message;
        place = folder / "here/new.db";
        const auto made = back_up(*databases(), DatabaseName::tasks, folder / "t.zst", {});
        EXPECT_TRUE(made) << made.error().message;
        OpenTasks(*this).add("b");
    }
};

TEST(SamePlace, OneOfTheSameNameThatIsAnotherIsNotTakenForWhereTheDatabaseIs) {
    MovedAway device;
    // As on another machine, where the same path is another file.
    rename_new(device, "here", "elsewhere");
    ASSERT_TRUE(restore(*device.databases(), {.path = device.folder / "t.zst"}));
    for (const bool undo : {false, true}) {
        const auto refused =
            undo ? undo_move(*device.databases(), device.move_to("unused"))
                 : move_database(*device.databases(), device.move_to("home/tasks.db"));
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Code::conflict) << refused.error().message;
        EXPECT_THAT(refused.error().message, HasSubstr("another place"));
        EXPECT_THAT(refused.error().hint, testing::Not(HasSubstr("--forget")));
    }
    EXPECT_TRUE(device.identity_at(device.folder / "home/tasks.db").moved_to);
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("empty.db")))
        << "there is always a place for it";
    rename_new(device, "elsewhere", "here");
    const auto home = move_database(*device.databases(), device.move_to("home/tasks.db"));
    ASSERT_TRUE(home) << home.error().message;
    device.place.clear();
    EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a", "b"));
}

TEST(SamePlace, WhatIsLostForGoodIsForgottenOnDemand) {
    MovedAway device;
    rename_new(device, "here", "lost");
    ASSERT_TRUE(restore(*device.databases(), {.path = device.folder / "t.zst"}));
    MoveRequest request = device.move_to("home/tasks.db");
    request.forget = true;
    const auto home = move_database(*device.databases(), request);
    ASSERT_TRUE(home) << home.error().message;
    device.place.clear();
    EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a"));
}

TEST(SamePlace, OneThatGotAnotherNameGoesBack) {
    MovedAway device;
    rename_new(device, "here", "elsewhere");
    device.place = device.folder / "elsewhere/new.db";
    const auto home = move_database(*device.databases(), device.move_to("home/tasks.db"));
    ASSERT_TRUE(home) << home.error().message;
    device.place.clear();
    EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a", "b"));
}

TEST(SamePlace, AfterTwoMovesBackIsTwoMoves) {
    MovedAway device;
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("third.db")));
    device.place = device.folder / "third.db";
    EXPECT_EQ(move_database(*device.databases(), device.move_to("home/tasks.db")).error().code,
              Code::conflict);
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("here/new.db")));
    device.place = device.folder / "here/new.db";
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("home/tasks.db")));
    device.place.clear();
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("here/new.db")))
        << "and there again";
}

// Another device means another file by the path, which an old move of that database left half
// filled.
TEST(SamePlace, AnUndoFromOutsideIsNotMisledByAHalfFilledPlaceOfThatName) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    EXPECT_FALSE(move_database(*device.databases(),
                               broken_off(device.move_to("here/new.db"), MoveStep::copied)));
    ASSERT_TRUE(undo_move(*device.databases(), device.move_to("unused")));
    rename_new(device, "here", "half");
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("here/new.db")));
    rename_new(device, "here", "elsewhere");
    rename_new(device, "half", "here");
    Device outside;
    MoveRequest request = outside.move_to("unused");
    request.from = sql::Location{sql::Engine::sqlite, device.folder / "home/tasks.db"};
    request.to = {sql::Engine::sqlite, device.folder / "here/new.db"};
    const auto back = undo_move(*outside.databases(), request);
    EXPECT_EQ(back.error().code, Code::conflict) << back.error().message;
    EXPECT_THAT(back.error().message, HasSubstr("another place"));
    EXPECT_FALSE(takes_writes(device, device.folder / "home/tasks.db"));
    EXPECT_TRUE(takes_writes(device, device.folder / "elsewhere/new.db"));
}

TEST(SamePlace, AnUndoFromOutsideFindsThePlaceUnderAnotherName) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    EXPECT_FALSE(move_database(*device.databases(),
                               broken_off(device.move_to("here/new.db"), MoveStep::equal)));
    rename_new(device, "here", "elsewhere");
    Device outside;
    MoveRequest request = outside.move_to("unused");
    request.from = sql::Location{sql::Engine::sqlite, device.folder / "home/tasks.db"};
    request.to = {sql::Engine::sqlite, device.folder / "elsewhere/new.db"};
    const auto back = undo_move(*outside.databases(), request);
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_TRUE(takes_writes(device, device.folder / "home/tasks.db"));
}

TEST(SamePlace, ASealThatKnowsNoPlaceGoesByTheName) {
    for (const bool other_name : {false, true}) {
        MovedAway device;
        ASSERT_TRUE(run_at(device, device.folder / "home/tasks.db",
                           "UPDATE taskstore_database SET moved_to = substr(moved_to, 1, "
                           "instr(moved_to, ' at ') - 1) WHERE moved_to IS NOT NULL"));
        ASSERT_TRUE(run_at(device, device.folder / "here/new.db",
                           "DELETE FROM taskstore_database WHERE name = 'tasks place'"));
        if (other_name) {
            rename_new(device, "here", "elsewhere");
            device.place = device.folder / "elsewhere/new.db";
        }
        const auto home = move_database(*device.databases(), device.move_to("home/tasks.db"));
        EXPECT_EQ(home.has_value(), !other_name) << (home ? "" : home.error().message);
    }
}

}  // namespace
}  // namespace taskstore::store
