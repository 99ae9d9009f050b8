#include "device_store.hpp"

#include <gmock/gmock.h>

#include <atomic>
#include <set>
#include <thread>

namespace taskstore::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string config_of(Device& device) {
    return os::read_file(device.files, device.folder / "home/config.toml").value_or("");
}

TEST(Move, TheRowsAreThereTheSourceIsSealedAndTheConfigSaysSo) {
    Device device;
    OpenTasks before(device);
    before.add("a");
    before.add("b");
    const auto databases = device.databases();
    const auto moved = move_database(*databases, device.move_to("new/tasks.db"));
    ASSERT_TRUE(moved) << moved.error().message;
    EXPECT_EQ(moved->rows, 5) << "two tasks, their histories, their lane";
    EXPECT_EQ(moved->epoch, 2);
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

TEST(Move, UndoBringsBackWhatWasWrittenMeanwhile) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
    device.place = device.folder / "new.db";
    OpenTasks there(device);
    there.add("b");
    const auto back = undo_move(*device.databases(), device.move_to("new.db"));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_EQ(back->epoch, 3);
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
    for (int broken = 1; broken <= 5; ++broken) {
        Device device;
        OpenTasks before(device);
        before.add("a");
        MoveRequest request = device.move_to("new.db");
        request.after_step_for_testing = [&](int step) {
            return step == broken ? Status(fail(Code::cancelled, "as planned")) : ok();
        };
        EXPECT_EQ(move_database(*device.databases(), request).error().code, Code::cancelled);
        const bool old_takes = before.store->create_task({.title = "b"}).has_value();
        Device other;
        other.place = device.folder / "new.db";
        const bool new_takes = other.databases()->open(DatabaseName::tasks).has_value();
        EXPECT_FALSE(old_takes && new_takes) << "after step " << broken;
        EXPECT_EQ(old_takes, broken == 1);
        EXPECT_EQ(new_takes, broken >= 4);
        const auto moved = move_database(*device.databases(), device.move_to("new.db"));
        ASSERT_TRUE(moved) << "after step " << broken << ": " << moved.error().message;
        device.place = device.folder / "new.db";
        OpenTasks after(device);
        if (broken == 1)
            EXPECT_THAT(after.titles(), ElementsAre("a", "b"));
        else
            EXPECT_THAT(after.titles(), ElementsAre("a"));
    }
}

TEST(Move, BrokenOffAfterAnyStepItCanBeTakenBack) {
    for (int broken = 1; broken <= 5; ++broken) {
        Device device;
        {
            OpenTasks(device).add("a");
        }
        MoveRequest request = device.move_to("new.db");
        request.after_step_for_testing = [&](int step) {
            return step == broken ? Status(fail(Code::cancelled, "as planned")) : ok();
        };
        EXPECT_FALSE(move_database(*device.databases(), request));
        const auto back = undo_move(*device.databases(), device.move_to("new.db"));
        ASSERT_TRUE(back) << "after step " << broken << ": " << back.error().message;
        OpenTasks here(device);
        here.add("b");
        EXPECT_THAT(here.titles(), ElementsAre("a", "b")) << "after step " << broken;
        Device other;
        other.place = device.folder / "new.db";
        EXPECT_FALSE(other.databases()->open(DatabaseName::tasks)) << "after step " << broken;
    }
}

TEST(Move, AnUndoThatIsBrokenOffGoesOn) {
    for (int broken = 1; broken <= 4; ++broken) {
        Device device;
        {
            OpenTasks(device).add("a");
        }
        ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
        MoveRequest request = device.move_to("new.db");
        request.after_step_for_testing = [&](int step) {
            return step == broken ? Status(fail(Code::cancelled, "as planned")) : ok();
        };
        EXPECT_FALSE(undo_move(*device.databases(), request));
        EXPECT_EQ(move_database(*device.databases(), device.move_to("other.db")).error().code,
                  Code::conflict);
        const auto back = undo_move(*device.databases(), device.move_to("new.db"));
        ASSERT_TRUE(back) << "after step " << broken << ": " << back.error().message;
        OpenTasks here(device);
        EXPECT_THAT(here.titles(), ElementsAre("a"));
        here.add("b");
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

}  // namespace
}  // namespace taskstore::store
