#include "moving.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <filesystem>
#include <set>
#include <thread>

namespace taskstore::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(Move, TheRowsAreThereTheSourceIsSealedAndTheConfigSaysSo) {
    Device device;
    OpenTasks before(device);
    before.add("a");
    before.add("b");
    const auto databases = device.databases();
    const std::int64_t epoch = device.identity_at(device.folder / "home/tasks.db").epoch;
    const auto moved = move_database(*databases, device.move_to("new/tasks.db"));
    ASSERT_TRUE(moved) << moved.error().message;
    EXPECT_EQ(moved->rows, 5) << "two tasks, their histories, their lane";
    EXPECT_GT(moved->epoch, epoch);
    const auto refused = before.store->create_task({.title = "late"});
    EXPECT_EQ(refused.error().code, Code::unavailable) << "though it was open before";
    EXPECT_THAT(refused.error().message, HasSubstr("new/tasks.db"));
    EXPECT_EQ(device.databases()->open(DatabaseName::tasks).error().code, Code::unavailable)
        << "who opens the old place is told";
    EXPECT_EQ(config_of(device),
              "[databases]\ntasks = \"sqlite:" + (device.folder / "new/tasks.db") + "\"\n");
    device.place = device.folder / "new/tasks.db";
    OpenTasks after(device);
    EXPECT_THAT(after.titles(), ElementsAre("a", "b"));
    after.add("c");
}

// A claim that finds nothing changes no row, so no trigger sees it.
TEST(Move, WhoAsksForWorkInTheOldPlaceIsToldThatItHasMoved) {
    Device device;
    OpenTasks before(device);
    const auto waiter = before.store->waiter();
    ASSERT_TRUE(waiter);
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
    EXPECT_EQ(before.store->claim_tasks({.worker = "w"}).error().code, Code::unavailable);
    EXPECT_EQ(before.store->outlook({.worker = "w"}).error().code, Code::unavailable);
}

TEST(Move, UndoBringsBackWhatWasWrittenMeanwhile) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    const auto moved = move_database(*device.databases(), device.move_to("new.db"));
    ASSERT_TRUE(moved) << moved.error().message;
    device.place = device.folder / "new.db";
    OpenTasks there(device);
    there.add("b");
    const auto back = undo_move(*device.databases(), device.move_to("new.db"));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_GT(back->epoch, moved->epoch);
    EXPECT_EQ(there.store->create_task({.title = "late"}).error().code, Code::unavailable);
    device.place.clear();
    OpenTasks here(device);
    EXPECT_THAT(here.titles(), ElementsAre("a", "b"));
    here.add("c");
    EXPECT_THAT(config_of(device), testing::Not(HasSubstr("tasks")));
    EXPECT_EQ(undo_move(*device.databases(), device.move_to("new.db")).error().code,
              Code::not_found);
    EXPECT_TRUE(move_database(*device.databases(), device.move_to("new.db"))) << "and there again";
}

// A process may die after each step: there are never two places that take writes, and the same call
// goes on.
TEST(Move, BrokenOffAfterAnyStepThereAreNeverTwoTruthsAndItGoesOn) {
    for (const MoveStep broken : kSteps) {
        const int number = static_cast<int>(broken);
        Device device;
        OpenTasks before(device);
        before.add("a");
        const std::int64_t epoch = device.identity_at(device.folder / "home/tasks.db").epoch;
        const auto first =
            move_database(*device.databases(), broken_off(device.move_to("new.db"), broken));
        ASSERT_EQ(first.error().code, Code::cancelled) << number;
        const bool old_takes = before.store->create_task({.title = "b"}).has_value();
        const bool new_takes =
            broken != MoveStep::begun && takes_writes(device, device.folder / "new.db");
        EXPECT_FALSE(old_takes && new_takes) << "after step " << number;
        EXPECT_EQ(old_takes, broken < MoveStep::sealed) << number;
        EXPECT_EQ(new_takes, broken >= MoveStep::live) << number;
        const auto moved = move_database(*device.databases(), device.move_to("new.db"));
        ASSERT_TRUE(moved) << "after step " << number << ": " << moved.error().message;
        EXPECT_GT(moved->epoch, epoch);
        EXPECT_FALSE(before.store->create_task({.title = "c"}));
        device.place = device.folder / "new.db";
        OpenTasks after(device);
        if (old_takes)
            EXPECT_THAT(after.titles(), ElementsAre("a", "b"));
        else if (new_takes)
            EXPECT_THAT(after.titles(), ElementsAre("a", "probe"));
        else
            EXPECT_THAT(after.titles(), ElementsAre("a"));
    }
}

TEST(Move, WhatWriterWasToldIsWrittenIsInTheNewPlace) {
    Device device;
    OpenTasks source(device);
    for (int i = 0; i < 2'000; ++i) source.add("old " + std::to_string(i));
    std::atomic<bool> stop{false};
    std::vector<std::string> acknowledged;
    std::atomic<int> written{0};
    std::jthread writer([&] {
        OpenTasks own(device);
        for (int i = 0; !stop.load(); ++i) {
            const std::string title = "new " + std::to_string(i);
            if (!own.store->create_task({.title = title})) return;
            acknowledged.push_back(title);
            written.fetch_add(1);
            written.notify_all();
        }
    });
    written.wait(0);
    const auto moved = move_database(*device.databases(), device.move_to("new.db"));
    stop.store(true);
    writer.join();
    ASSERT_TRUE(moved) << moved.error().message;
    device.place = device.folder / "new.db";
    const auto titles = OpenTasks(device).titles();
    const std::set<std::string> there(titles.begin(), titles.end());
    for (const std::string& title : acknowledged) EXPECT_TRUE(there.contains(title)) << title;
    EXPECT_EQ(there.size(), 2'000 + acknowledged.size());
}

// A server may take a COMMIT long after whoever sent it is gone.
TEST(Move, ASealThatArrivesAfterTheMoveWasTakenBackSealsNothing) {
    Device device;
    OpenTasks(device).add("a");
    const sql::Location here{sql::Engine::sqlite, device.folder / "home/tasks.db"};
    const auto identity = [&] {
        const auto databases = device.databases();
        return **sql::find_identity(**databases->connect(DatabaseName::tasks, here, {}), "tasks");
    };
    MoveRequest request = device.move_to("new.db");
    request.after_step_for_testing = [](MoveStep step) {
        return step == MoveStep::sealing ? Status(fail(Code::cancelled, "as planned")) : ok();
    };
    const sql::Identity expected = identity();
    ASSERT_EQ(move_database(*device.databases(), request).error().code, Code::cancelled);
    ASSERT_TRUE(undo_move(*device.databases(), device.move_to("new.db")));
    sql::Identity sealed = expected;
    sealed.moved_to = "nowhere";
    sealed.mark = "move late";
    const auto databases = device.databases();
    const auto late = databases->connect(DatabaseName::tasks, here, {.read_only = false});
    EXPECT_EQ(
        sql::change_identity(**late, "tasks", tables_of(DatabaseName::tasks), expected, sealed)
            .error()
            .code,
        Code::conflict);
    EXPECT_TRUE(identity().is_live());
    OpenTasks(device).add("b");
}

TEST(Move, AnotherDatabaseIsNotWrittenOver) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    Device other;
    {
        OpenTasks(other).add("theirs");
    }
    MoveRequest request = device.move_to("unused");
    request.to.text = other.folder / "home/tasks.db";
    const auto moved = move_database(*device.databases(), request);
    EXPECT_EQ(moved.error().code, Code::conflict) << moved.error().message;
    EXPECT_THAT(OpenTasks(other).titles(), ElementsAre("theirs"));
    EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a"));
    EXPECT_TRUE(move_database(*device.databases(), device.move_to("new.db")))
        << "and the refusal is in nobody's way";
}

TEST(Move, TheSamePlaceUnderAnotherNameIsRefused) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    MoveRequest request = device.move_to("home/../home/tasks.db");
    EXPECT_EQ(move_database(*device.databases(), request).error().code, Code::invalid);
    EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a"));
}

TEST(Move, BackToThePlaceOfAnEarlierMoveIsAMoveOfItsOwn) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    const auto moved = move_database(*device.databases(), device.move_to("new.db"));
    ASSERT_TRUE(moved) << moved.error().message;
    device.place = device.folder / "new.db";
    OpenTasks(device).add("b");
    const auto home = move_database(*device.databases(), device.move_to("home/tasks.db"));
    ASSERT_TRUE(home) << home.error().message;
    EXPECT_GT(home->epoch, moved->epoch);
    device.place = device.folder / "home/tasks.db";
    OpenTasks(device).add("c");
    const auto again = move_database(*device.databases(), device.move_to("new.db"));
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_GT(again->epoch, home->epoch);
    device.place = device.folder / "new.db";
    EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a", "b", "c"));
}

TEST(Move, ABackupThatWasRestoredElsewhereIsNotTheDatabaseThatLeftAnOldPlace) {
    Device device;
    OpenTasks(device).add("a");
    const std::string backup = device.folder / "t.zst";
    ASSERT_TRUE(back_up(*device.databases(), DatabaseName::tasks, backup, {}));
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
    Device clone;
    ASSERT_TRUE(restore(*clone.databases(), {.path = backup}));
    OpenTasks(clone).add("theirs");
    MoveRequest request = clone.move_to("unused");
    request.to.text = device.folder / "home/tasks.db";
    const auto moved = move_database(*clone.databases(), request);
    ASSERT_FALSE(moved);
    EXPECT_EQ(moved.error().code, Code::conflict) << moved.error().message;
    EXPECT_THAT(moved.error().message,
                HasSubstr("has moved to sqlite:" + device.folder / "new.db"));
    EXPECT_THAT(OpenTasks(clone).titles(), ElementsAre("a", "theirs")) << "nothing was changed";
    ASSERT_TRUE(undo_move(*device.databases(), device.move_to("new.db")));
    EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a"));
}

TEST(Move, AConfigThatIsALinkStaysOne) {
    Device device;
    OpenTasks(device).add("a");
    const std::string config = device.folder / "home/config.toml";
    const std::string real = device.folder / "dotfiles.toml";
    std::filesystem::create_symlink("../dotfiles.toml", config);
    const auto refused = move_database(*device.databases(), device.move_to("new.db"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::invalid);
    EXPECT_THAT(refused.error().message, HasSubstr("leads nowhere"));
    EXPECT_FALSE(device.files.info(device.folder / "new.db"));
    ASSERT_TRUE(os::replace_file(device.files, real, "# mine\n", 0600));
    const auto moved = move_database(*device.databases(), device.move_to("new.db"));
    ASSERT_TRUE(moved) << moved.error().message;
    EXPECT_TRUE(std::filesystem::is_symlink(config));
    EXPECT_EQ(*os::read_file(device.files, real), config_of(device));
    EXPECT_THAT(config_of(device), HasSubstr("# mine\n\n[databases]\ntasks = \"sqlite:"));
    ASSERT_TRUE(undo_move(*device.databases(), device.move_to("new.db")));
    EXPECT_TRUE(std::filesystem::is_symlink(config));
    EXPECT_THAT(config_of(device), testing::Not(HasSubstr("tasks =")));
}

// The config was set back by hand: the old place is closed, and stays so.
TEST(Move, TheSameMoveAgainAfterItEndedIsNotTakenForABrokenOffOne) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
    const auto again = move_database(*device.databases(), device.move_to("new.db"));
    EXPECT_EQ(again.error().code, Code::unavailable) << again.error().message;
    EXPECT_THAT(again.error().message, HasSubstr("new.db"));
    ASSERT_TRUE(undo_move(*device.databases(), device.move_to("new.db"))) << "it can be undone";
}

TEST(Move, AWrongPlaceLeavesNothingInTheWay) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    ASSERT_TRUE(os::replace_file(device.files, device.folder / "file", "x"));
    for (const char* place : {"file/new.db", "file", "home"}) {
        EXPECT_FALSE(move_database(*device.databases(), device.move_to(place))) << place;
        EXPECT_FALSE(device.files.info(device.folder / "home/move-tasks.json")) << place;
    }
    EXPECT_EQ(*os::read_file(device.files, device.folder / "file"), "x")
        << "a file that is too short for a database is not taken for an empty one";
    EXPECT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
}

TEST(Move, AConfigThatCannotBeEditedIsFoundBeforeAnythingIsCopied) {
    Device device;
    OpenTasks before(device);
    before.add("a");
    const std::string config = device.folder / "home/config.toml";
    for (const char* text : {"databases = { tasks = \"sqlite:x\" }\n", "[databases\n"}) {
        ASSERT_TRUE(os::replace_file(device.files, config, text));
        const auto moved = move_database(*device.databases(), device.move_to("new.db"));
        EXPECT_EQ(moved.error().code, Code::invalid) << moved.error().message;
        EXPECT_EQ(config_of(device), text);
        EXPECT_FALSE(device.files.info(device.folder / "new.db"));
        before.add("b");
    }
    ASSERT_TRUE(device.files.unlink(config));
    ASSERT_TRUE(device.files.make_directory(config));
    EXPECT_FALSE(move_database(*device.databases(), device.move_to("new.db")));
    before.add("c");
    MoveRequest elsewhere = device.move_to("new.db");
    elsewhere.config_path = device.folder / "home/tasks.db/config.toml";
    EXPECT_FALSE(move_database(*device.databases(), elsewhere)) << "its folder cannot be made";
    EXPECT_FALSE(device.files.info(device.folder / "new.db"));
}

TEST(Move, AMoveOnItsWayIsNamedToAnotherOne) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    EXPECT_FALSE(
        move_database(*device.databases(), broken_off(device.move_to("new.db"), MoveStep::sealed)));
    const auto other = move_database(*device.databases(), device.move_to("other.db"));
    EXPECT_EQ(other.error().code, Code::conflict);
    EXPECT_THAT(other.error().message, HasSubstr("new.db"));
    EXPECT_THAT(other.error().hint, HasSubstr("--undo"));
    EXPECT_FALSE(device.files.info(device.folder / "other.db"));
}

TEST(Move, ADamagedJournalIsRefused) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    for (const char* text : {"", "{}", R"({"way":{"from":"sqlite:/a","to":"sqlite:/b"}})"}) {
        ASSERT_TRUE(os::replace_file(device.files, device.folder / "home/move-tasks.json", text));
        for (const auto& refused : {move_database(*device.databases(), device.move_to("new.db")),
                                    undo_move(*device.databases(), device.move_to("new.db"))}) {
            EXPECT_EQ(refused.error().code, Code::corrupt) << text;
            EXPECT_THAT(refused.error().hint, HasSubstr("config.toml"));
        }
    }
}

// What goes wrong while the old place is closed is told with what to do, and both ways are open.
TEST(Move, RefusedAfterTheSealItIsEndedByTheSameCommandOrTakenBack) {
    for (const bool undo : {false, true}) {
        Device device;
        {
            OpenTasks(device).add("a");
        }
        const auto refused = [&]() -> Result<MoveReport> {
            MoveRequest request = device.move_to("new.db");
            request.after_step_for_testing = [&](MoveStep step) -> Status {
                if (step != MoveStep::equal) return ok();
                return fail(Code::conflict, "the target refuses");
            };
            return move_database(*device.databases(), request);
        }();
        ASSERT_FALSE(refused);
        EXPECT_THAT(refused.error().hint, HasSubstr("stays closed"));
        EXPECT_THAT(refused.error().hint, HasSubstr("'taskstore move --undo'"));
        if (undo) {
            ASSERT_TRUE(undo_move(*device.databases(), device.move_to("new.db")));
            OpenTasks(device).add("b");
        } else {
            ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
            EXPECT_TRUE(takes_writes(device, device.folder / "new.db"));
        }
    }
}

}  // namespace
}  // namespace taskstore::store
