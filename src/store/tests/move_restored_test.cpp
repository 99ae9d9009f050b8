// Backups that are restored where a move that was broken off has filled a place, or was to.

#include "moving.hpp"

#include <gmock/gmock.h>

namespace taskstore::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

constexpr std::array kFiles{"new.db", "new.db-wal", "new.db-shm"};

/// Its move of a and b to new.db was broken off, then a backup that has a alone came there.
struct Restored : Device {
    explicit Restored(MoveStep broken) {
        OpenTasks tasks(*this);
        tasks.add("a");
        EXPECT_TRUE(back_up(*databases(), DatabaseName::tasks, folder / "t.zst", {}));
        tasks.add("b");
        EXPECT_FALSE(move_database(*databases(), broken_off(move_to("new.db"), broken)));
        // What is being filled takes no backup: it was lost, and is made anew.
        if (broken < MoveStep::live)
            for (const char* file : kFiles)
                static_cast<void>(files.rename(folder / file, folder / ("lost-" + name(file))));
        restore_into_new(*this);
    }
    static std::string name(const char* file) { return file; }
    static void restore_into_new(Device& device) {
        device.place = device.folder / "new.db";
        const auto restored =
            restore(*device.databases(), {.path = device.folder / "t.zst", .replace = true});
        EXPECT_TRUE(restored) << restored.error().message;
        device.place.clear();
    }
    MoveRequest undo(bool forget) {
        MoveRequest request = move_to("unused");
        request.forget = forget;
        return request;
    }
    std::string old_place() { return folder / "home/tasks.db"; }
    std::string new_place() { return folder / "new.db"; }
    bool has_journal() { return files.info(folder / "home/move-tasks.json").has_value(); }
    std::vector<std::string> titles_at(const std::string& at) {
        place = at;
        return OpenTasks(*this).titles();
    }
};

constexpr std::array kSealedSteps{MoveStep::sealed, MoveStep::equal, MoveStep::going_live,
                                  MoveStep::live, MoveStep::switched};

MoveRequest from_outside(Device& outside, Restored& device) {
    MoveRequest request = outside.move_to("unused");
    request.from = sql::Location{sql::Engine::sqlite, device.old_place()};
    request.to = {sql::Engine::sqlite, device.new_place()};
    return request;
}

TEST(MoveRestored, TheSameCommandDoesNotTakeTheBackupForItsOwnEnd) {
    for (const MoveStep broken : kSealedSteps) {
        SCOPED_TRACE(static_cast<int>(broken));
        Restored device(broken);
        const sql::Identity old = device.identity_at(device.old_place());
        const sql::Identity there = device.identity_at(device.new_place());
        const std::string config = config_of(device);
        for (const bool undo : {false, true}) {
            const auto refused = undo
                                     ? undo_move(*device.databases(), device.undo(false))
                                     : move_database(*device.databases(), device.move_to("new.db"));
            ASSERT_FALSE(refused) << undo;
            EXPECT_EQ(refused.error().code, Code::conflict) << refused.error().message;
            EXPECT_THAT(refused.error().message, HasSubstr("new.db takes writes"));
            EXPECT_THAT(refused.error().message, HasSubstr("a backup was restored"));
            EXPECT_THAT(refused.error().hint, HasSubstr("databases.tasks"));
            EXPECT_THAT(refused.error().hint, HasSubstr("as it was at the seal"));
            EXPECT_THAT(refused.error().hint, Not(HasSubstr("--")));
            EXPECT_TRUE(device.has_journal());
        }
        EXPECT_EQ(config_of(device), config);
        EXPECT_EQ(device.identity_at(device.old_place()), old);
        EXPECT_EQ(device.identity_at(device.new_place()), there);
    }
}

TEST(MoveRestored, WhatTheOldPlaceHoldsComesBackOnDemand) {
    for (const MoveStep broken : kSealedSteps) {
        for (const bool outside_too : {false, true}) {
            SCOPED_TRACE(std::to_string(static_cast<int>(broken)) +
                         (outside_too ? " outside" : ""));
            Restored device(broken);
            Device outside;
            Device& who = outside_too ? outside : device;
            MoveRequest request = outside_too ? from_outside(outside, device) : device.undo(false);
            const auto refused = undo_move(*who.databases(), request);
            EXPECT_EQ(refused.error().code, Code::conflict) << refused.error().message;
            request.forget = true;
            const auto back = undo_move(*who.databases(), request);
            ASSERT_TRUE(back) << back.error().message;
            EXPECT_THAT(device.titles_at(device.old_place()), ElementsAre("a", "b"));
            EXPECT_THAT(device.titles_at(device.new_place()), ElementsAre("a"));
            if (!outside_too) {
                EXPECT_FALSE(device.has_journal());
                EXPECT_THAT(config_of(device), Not(HasSubstr("new.db")));
            }
        }
    }
}

TEST(MoveRestored, WhoNamesTheNewPlaceGoesOnWithTheBackup) {
    for (const MoveStep broken : kSealedSteps) {
        SCOPED_TRACE(static_cast<int>(broken));
        Restored device(broken);
        device.place = device.new_place();
        const auto same = move_database(*device.databases(), device.move_to("new.db"));
        EXPECT_EQ(same.error().code, Code::invalid) << same.error().message;
        EXPECT_THAT(same.error().message, HasSubstr("is there already"));
        EXPECT_FALSE(device.has_journal());
        const auto home = move_database(*device.databases(), device.move_to("home/tasks.db"));
        EXPECT_EQ(home.error().code, Code::conflict) << "its rows are nowhere else";
        const auto moved = move_database(*device.databases(), device.move_to("third.db"));
        ASSERT_TRUE(moved) << moved.error().message;
        EXPECT_THAT(device.titles_at(device.folder / "third.db"), ElementsAre("a"));
        Device outside;
        MoveRequest request = from_outside(outside, device);
        request.forget = true;
        ASSERT_TRUE(undo_move(*outside.databases(), request));
        EXPECT_THAT(device.titles_at(device.old_place()), ElementsAre("a", "b"));
    }
}

TEST(MoveRestored, ARestoreThatWasBrokenOffThereIsNotFilledByTheMove) {
    Restored device(MoveStep::live);
    device.place = device.new_place();
    EXPECT_FALSE(restore(
        *device.databases(),
        {.path = device.folder / "t.zst", .replace = true, .after_step_for_testing = [](int step) {
             return step == 1 ? Status(fail(Code::cancelled, "as planned")) : ok();
         }}));
    device.place.clear();
    for (const bool undo : {false, true}) {
        const auto refused = undo ? undo_move(*device.databases(), device.undo(false))
                                  : move_database(*device.databases(), device.move_to("new.db"));
        EXPECT_EQ(refused.error().code, Code::conflict) << refused.error().message;
        EXPECT_THAT(refused.error().message, HasSubstr("a backup that is being restored"));
    }
    ASSERT_TRUE(undo_move(*device.databases(), device.undo(true)));
    EXPECT_THAT(device.titles_at(device.old_place()), ElementsAre("a", "b"));
}

TEST(MoveRestored, ItsEpochIsAboveWhatTheMoveHadPlanned) {
    Device device;
    OpenTasks(device).add("a");
    ASSERT_TRUE(back_up(*device.databases(), DatabaseName::tasks, device.folder / "t.zst", {}));
    // An epoch that runs ahead of the clock, as after many that began within one second.
    const auto databases = device.databases();
    const auto connection = databases->connect(
        DatabaseName::tasks, {sql::Engine::sqlite, device.folder / "home/tasks.db"},
        {.read_only = false});
    ASSERT_TRUE((*connection)->execute("UPDATE taskstore_database SET epoch = epoch + 100000"));
    ASSERT_FALSE(
        move_database(*device.databases(), broken_off(device.move_to("new.db"), MoveStep::live)));
    const std::int64_t planned = device.identity_at(device.folder / "new.db").epoch;
    for (const char* file : kFiles) static_cast<void>(device.files.unlink(device.folder / file));
    Restored::restore_into_new(device);
    EXPECT_GT(device.identity_at(device.folder / "new.db").epoch, planned);
}

// The old place took writes again, by a step of which the device has not heard.
TEST(MoveRestored, AnUndoDoesNotTakeTheBackupForItsOwnEnd) {
    for (const MoveStep broken : {MoveStep::live, MoveStep::switched}) {
        Device device;
        OpenTasks(device).add("a");
        ASSERT_TRUE(back_up(*device.databases(), DatabaseName::tasks, device.folder / "t.zst", {}));
        ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
        device.place = device.folder / "new.db";
        OpenTasks(device).add("b");
        ASSERT_FALSE(undo_move(*device.databases(), broken_off(device.move_to("unused"), broken)));
        device.place.clear();
        ASSERT_TRUE(
            restore(*device.databases(), {.path = device.folder / "t.zst", .replace = true}));
        device.place = device.folder / "new.db";
        const auto refused = undo_move(*device.databases(), device.move_to("unused"));
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Code::conflict) << refused.error().message;
        EXPECT_THAT(refused.error().message, HasSubstr("home/tasks.db takes writes"));
        EXPECT_THAT(refused.error().message, HasSubstr("a backup was restored"));
        EXPECT_TRUE(device.identity_at(device.folder / "new.db").moved_to);
        MoveRequest request = device.move_to("unused");
        request.from = sql::Location{sql::Engine::sqlite, device.folder / "new.db"};
        request.to = {sql::Engine::sqlite, device.folder / "home/tasks.db"};
        EXPECT_EQ(undo_move(*device.databases(), request).error().code, Code::conflict);
        request.forget = true;
        const auto back = undo_move(*device.databases(), request);
        ASSERT_TRUE(back) << back.error().message;
        EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a", "b"));
        EXPECT_TRUE(open_moves(device.files, device.folder / "home")->empty());
    }
}

TEST(MoveRestored, WhoNamesTheOldPlaceAfterAnUndoGoesOnWithTheBackup) {
    Device device;
    OpenTasks(device).add("a");
    ASSERT_TRUE(back_up(*device.databases(), DatabaseName::tasks, device.folder / "t.zst", {}));
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
    ASSERT_FALSE(
        undo_move(*device.databases(), broken_off(device.move_to("unused"), MoveStep::live)));
    ASSERT_TRUE(restore(*device.databases(), {.path = device.folder / "t.zst", .replace = true}));
    const auto over = undo_move(*device.databases(), device.move_to("unused"));
    EXPECT_EQ(over.error().code, Code::conflict) << over.error().message;
    EXPECT_THAT(over.error().hint, HasSubstr("journal is put away"));
    EXPECT_TRUE(open_moves(device.files, device.folder / "home")->empty());
    EXPECT_TRUE(move_database(*device.databases(), device.move_to("third.db")));
}

// What was held at the seal may have ended in the place that is lost.
TEST(MoveRestored, WhatWasHeldAtTheSealIsHeldByNobodyWhenTheNewPlaceIsForgotten) {
    for (const bool stops : {false, true}) {
        for (const bool newer : {false, true}) {
            Device device;
            OpenTasks tasks(device);
            tasks.add("a");
            const auto held = tasks.store->claim_tasks({.worker = "w"});
            ASSERT_TRUE(held) << held.error().message;
            const tasks::Task mine = held->value.at(0);
            ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
            ASSERT_TRUE(device.files.rename(device.folder / "new.db", device.folder / "lost.db"));
            device.next_version = newer;
            MoveRequest request = device.move_to("unused");
            request.forget = true;
            if (stops) {
                ASSERT_FALSE(undo_move(*device.databases(), broken_off(request, MoveStep::marked)));
            }
            const auto back = undo_move(*device.databases(), request);
            ASSERT_TRUE(back) << back.error().message;
            OpenTasks here(device);
            const auto task = **here.store->get_task(mine.id);
            EXPECT_EQ(task.status, tasks::TaskStatus::pending);
            EXPECT_EQ(task.retry_count + task.rescues, 0) << "neither is its fault";
            EXPECT_THAT(here.store->history(mine.id)->back().reason.value_or(""),
                        HasSubstr("given up for lost (move --undo --forget)"));
            EXPECT_EQ(here.store->complete_task({mine.id, mine.fence}, {}).error().code,
                      Code::lease_lost);
            const auto again = here.store->claim_tasks({.worker = "w2"});
            ASSERT_TRUE(again) << again.error().message;
            EXPECT_GT(again->value.at(0).fence, mine.fence);
        }
    }
}

TEST(MoveRestored, WhatWasHeldAtTheSealIsHeldOnWhereTheNewPlaceNeverLived) {
    Device device;
    OpenTasks tasks(device);
    tasks.add("a");
    const auto held = tasks.store->claim_tasks({.worker = "w"});
    ASSERT_TRUE(held) << held.error().message;
    ASSERT_FALSE(move_database(*device.databases(),
                               broken_off(device.move_to("new.db"), MoveStep::going_live)));
    MoveRequest request = device.move_to("unused");
    request.forget = true;
    ASSERT_TRUE(undo_move(*device.databases(), request));
    const tasks::Task& mine = held->value.at(0);
    EXPECT_TRUE(tasks.store->complete_task({mine.id, mine.fence}, {}));
}

// It is the truth all the same: nothing was restored there.
TEST(MoveRestored, ANewPlaceThatMovedOnAndCameBackIsNamed) {
    for (const bool undo : {false, true}) {
        Device device;
        OpenTasks(device).add("a");
        ASSERT_FALSE(move_database(*device.databases(),
                                   broken_off(device.move_to("new.db"), MoveStep::live)));
        Device other;
        other.place = device.folder / "new.db";
        ASSERT_TRUE(move_database(*other.databases(), other.move_to("third.db")));
        other.place = other.folder / "third.db";
        MoveRequest back = other.move_to("unused");
        back.to.text = device.folder / "new.db";
        ASSERT_TRUE(move_database(*other.databases(), back));
        const auto over = undo ? undo_move(*device.databases(), device.move_to("unused"))
                               : move_database(*device.databases(), device.move_to("new.db"));
        ASSERT_FALSE(over);
        EXPECT_EQ(over.error().code, Code::conflict) << over.error().message;
        EXPECT_THAT(over.error().message, HasSubstr("new.db is where 'tasks' takes writes"));
        EXPECT_THAT(over.error().hint, HasSubstr("journal is put away"));
        device.place = device.folder / "new.db";
        EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a"));
    }
}

}  // namespace
}  // namespace taskstore::store
