// Moves and restores between versions of the program: rows go only between equal schemas.

#include "moving.hpp"

#include <gmock/gmock.h>

namespace taskstore::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// As the next version of the program opens the place, and brings it up.
void upgrade(const std::string& place) {
    Device next;
    next.place = place;
    next.next_version = true;
    ASSERT_TRUE(next.databases()->open(DatabaseName::tasks)) << place;
}

/// Titles as the last migration of the next version has copied them, too.
std::vector<std::string> titles_at(Device& device, const std::string& place) {
    device.place = place;
    device.next_version = true;
    const auto databases = device.databases();
    const auto connection =
        databases->connect(DatabaseName::tasks, {sql::Engine::sqlite, place}, {});
    const sql::BoundStatement all{.sql = "SELECT title, next_one FROM tasks ORDER BY id"};
    const auto answers = sql::run_batch(**connection, {&all, 1});
    EXPECT_TRUE(answers) << (answers ? "" : answers.error().message);
    std::vector<std::string> titles;
    if (answers)
        for (const auto& row : (*answers)[0].rows) titles.push_back(std::get<std::string>(row[0]));
    return titles;
}

TEST(Versions, AMoveFromANewerSchemaIsRefusedBeforeAnythingIsChanged) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    upgrade(device.folder / "home/tasks.db");
    const auto moved = move_database(*device.databases(), device.move_to("new.db"));
    EXPECT_EQ(moved.error().code, Code::unsupported) << moved.error().message;
    EXPECT_THAT(moved.error().message, HasSubstr("home/tasks.db: the database is at version"));
    EXPECT_THAT(moved.error().hint, HasSubstr("upgrade this program"));
    EXPECT_FALSE(device.files.info(device.folder / "new.db"));
    EXPECT_FALSE(device.files.info(device.folder / "home/move-tasks.json"));
}

TEST(Versions, AMoveIntoANewerSchemaIsRefusedBeforeAnythingIsChanged) {
    Device device;
    OpenTasks tasks(device);
    tasks.add("a");
    upgrade(device.folder / "new.db");
    const auto moved = move_database(*device.databases(), device.move_to("new.db"));
    EXPECT_EQ(moved.error().code, Code::unsupported) << moved.error().message;
    EXPECT_THAT(moved.error().message, HasSubstr("new.db: "));
    EXPECT_FALSE(device.files.info(device.folder / "home/move-tasks.json"));
    EXPECT_TRUE(device.identity_at(device.folder / "new.db").is_live());
    tasks.add("b");
}

// A newer program opens the source while rows are copied, or has found it live right before the
// seal and brings it up after it.
TEST(Versions, ASourceThatIsBroughtUpMeanwhileIsNotLeftHalfMoved) {
    for (const MoveStep at :
         {MoveStep::copied, MoveStep::sealing, MoveStep::sealed, MoveStep::equal}) {
        for (const bool undo : {false, true}) {
            Device device;
            {
                OpenTasks(device).add("a");
            }
            const std::string old = device.folder / "home/tasks.db";
            MoveRequest request = device.move_to("new.db");
            request.after_step_for_testing = [&](MoveStep step) -> Status {
                if (step != at) return ok();
                Device next;
                next.next_version = true;
                next.next_updates = false;
                const auto databases = next.databases();
                const sql::Location location{sql::Engine::sqlite, old};
                const auto connection =
                    databases->connect(DatabaseName::tasks, location, {.read_only = false});
                const auto up = databases->bring_up(**connection, DatabaseName::tasks, location);
                EXPECT_TRUE(up) << up.error().message;
                return ok();
            };
            const auto moved = move_database(*device.databases(), request);
            EXPECT_EQ(moved.error().code, Code::unsupported) << moved.error().message;
            EXPECT_EQ(device.identity_at(old).is_live(), at < MoveStep::sealed);
            device.next_version = true;
            device.next_updates = false;
            const auto ended = undo ? undo_move(*device.databases(), device.move_to("new.db"))
                                    : move_database(*device.databases(), device.move_to("new.db"));
            ASSERT_TRUE(ended) << static_cast<int>(at) << ended.error().message;
            const std::string here = undo ? old : device.folder / "new.db";
            EXPECT_TRUE(device.identity_at(here).is_live());
            device.place = here;
            OpenTasks(device).add("b");
            EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a", "b"));
        }
    }
}

TEST(Versions, AMoveGoesOnWithANewerProgramFromAnyStep) {
    for (const MoveStep broken : kSteps) {
        for (const bool undo : {false, true}) {
            Device device;
            {
                OpenTasks(device).add("a");
            }
            EXPECT_FALSE(
                move_database(*device.databases(), broken_off(device.move_to("new.db"), broken)));
            device.next_version = true;
            const auto ended = undo ? undo_move(*device.databases(), device.move_to("new.db"))
                                    : move_database(*device.databases(), device.move_to("new.db"));
            ASSERT_TRUE(ended) << static_cast<int>(broken) << ended.error().message;
            device.place = undo ? device.folder / "home/tasks.db" : device.folder / "new.db";
            OpenTasks(device).add("b");
            EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a", "b"));
            EXPECT_THAT(titles_at(device, device.place), ElementsAre("a", "b"));
        }
    }
}

TEST(Versions, AnUndoBringsTheOldPlaceUpToTheNewOnesSchema) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
    upgrade(device.folder / "new.db");
    const auto refused = undo_move(*device.databases(), device.move_to("new.db"));
    EXPECT_EQ(refused.error().code, Code::unsupported) << refused.error().message;
    EXPECT_THAT(refused.error().message, HasSubstr("new.db: "));
    EXPECT_TRUE(device.identity_at(device.folder / "new.db").is_live());
    EXPECT_TRUE(device.identity_at(device.folder / "home/tasks.db").moved_to);
    device.next_version = true;
    {
        device.place = device.folder / "new.db";
        OpenTasks(device).add("b");
    }
    const auto back = undo_move(*device.databases(), device.move_to("new.db"));
    ASSERT_TRUE(back) << back.error().message;
    EXPECT_THAT(titles_at(device, device.folder / "home/tasks.db"), ElementsAre("a", "b"));
    OpenTasks(device).add("c");
}

TEST(Versions, AMoveIntoAnOlderPlaceOfTheSameDatabaseBringsItUp) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
    device.place = device.folder / "new.db";
    device.next_version = true;
    const auto home = move_database(*device.databases(), device.move_to("home/tasks.db"));
    ASSERT_TRUE(home) << home.error().message;
    EXPECT_THAT(titles_at(device, device.folder / "home/tasks.db"), ElementsAre("a"));
}

TEST(Versions, ARestoreThatWasBrokenOffIsEndedByANewerProgram) {
    for (const int broken : {1, 2}) {
        Device device;
        OpenTasks tasks(device);
        tasks.add("a");
        ASSERT_TRUE(back_up(*device.databases(), DatabaseName::tasks, device.folder / "t.zst", {}));
        tasks.add("b");
        const auto stopped =
            restore(*device.databases(),
                    {.path = device.folder / "t.zst",
                     .replace = true,
                     .after_step_for_testing = [&](int step) {
                         return step == broken ? Status(fail(Code::cancelled, "as planned")) : ok();
                     }});
        EXPECT_EQ(stopped.error().code, Code::cancelled) << stopped.error().message;
        device.next_version = true;
        const auto ended = restore(*device.databases(), {.path = device.folder / "t.zst"});
        ASSERT_TRUE(ended) << ended.error().message;
        EXPECT_THAT(titles_at(device, device.folder / "home/tasks.db"), ElementsAre("a"));
        OpenTasks(device).add("c");
    }
}

TEST(Versions, ABackupOfAnOlderVersionGoesIntoAnEmptyPlaceAndIsBroughtUp) {
    Device device;
    {
        OpenTasks(device).add("a");
    }
    ASSERT_TRUE(back_up(*device.databases(), DatabaseName::tasks, device.folder / "t.zst", {}));
    Device other;
    other.next_version = true;
    ASSERT_TRUE(restore(*other.databases(), {.path = device.folder / "t.zst"}));
    EXPECT_THAT(titles_at(other, other.folder / "home/tasks.db"), ElementsAre("a"));
    const auto over =
        restore(*other.databases(), {.path = device.folder / "t.zst", .replace = true});
    EXPECT_EQ(over.error().code, Code::unsupported) << over.error().message;
    EXPECT_THAT(over.error().hint, HasSubstr("a place that holds no database yet"));
    OpenTasks(other).add("b");
    ASSERT_TRUE(back_up(*other.databases(), DatabaseName::tasks, other.folder / "t.zst", {}));
    const auto older =
        restore(*device.databases(), {.path = other.folder / "t.zst", .replace = true});
    EXPECT_EQ(older.error().code, Code::unsupported) << older.error().message;
    EXPECT_THAT(older.error().hint, HasSubstr("upgrade this program"));
}

TEST(Versions, ABackupThatIsOlderThanATableIsRestoredAndTheTableIsEmpty) {
    Device device;
    OpenTasks(device).add("a");
    ASSERT_TRUE(back_up(*device.databases(), DatabaseName::tasks, device.folder / "t.zst", {}));
    Device next;
    next.next_version = next.next_table = true;
    const auto restored = restore(*next.databases(), {.path = device.folder / "t.zst"});
    ASSERT_TRUE(restored) << restored.error().message;
    EXPECT_THAT(OpenTasks(next).titles(), ElementsAre("a"));
    const auto databases = next.databases();
    const auto connection = databases->connect(DatabaseName::tasks,
                                               {sql::Engine::sqlite, next.folder / "home/tasks.db"},
                                               {.read_only = false});
    ASSERT_TRUE((*connection)->execute("INSERT INTO task_more VALUES ('x')"));
    // With the table it is in the backup, and nobody's damage.
    ASSERT_TRUE(back_up(*databases, DatabaseName::tasks, next.folder / "t.zst", {}));
    const auto newer =
        restore(*device.databases(), {.path = next.folder / "t.zst", .replace = true});
    EXPECT_EQ(newer.error().code, Code::unsupported) << newer.error().message;
    EXPECT_THAT(newer.error().hint, HasSubstr("upgrade this program"));
    ASSERT_TRUE((*connection)->execute("DELETE FROM task_more"));
    ASSERT_TRUE(restore(*databases, {.path = next.folder / "t.zst", .replace = true}));
    const sql::BoundStatement count{.sql = "SELECT count(*) FROM task_more"};
    const auto answers = sql::run_batch(**connection, {&count, 1});
    ASSERT_TRUE(answers) << answers.error().message;
    EXPECT_EQ((*answers)[0].rows[0][0], sql::Value(std::int64_t{1}));
}

TEST(Versions, ABackupThatKnowsNotAModuleGoesNowhereWhereItsRowsWouldStay) {
    Device device;
    OpenTasks(device).add("a");
    ASSERT_TRUE(back_up(*device.databases(), DatabaseName::tasks, device.folder / "t.zst", {}));
    Device next;
    next.next_module = true;
    OpenTasks(next).add("b");
    const auto databases = next.databases();
    const auto connection = databases->connect(DatabaseName::tasks,
                                               {sql::Engine::sqlite, next.folder / "home/tasks.db"},
                                               {.read_only = false});
    ASSERT_TRUE((*connection)->execute("INSERT INTO notes VALUES ('x')"));
    const sql::Identity before = next.identity_at(next.folder / "home/tasks.db");
    const auto refused =
        restore(*next.databases(), {.path = device.folder / "t.zst", .replace = true});
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().code, Code::unsupported) << refused.error().message;
    EXPECT_THAT(refused.error().message, HasSubstr("'notes'"));
    EXPECT_THAT(refused.error().hint, HasSubstr("a place that holds no database yet"));
    EXPECT_EQ(next.identity_at(next.folder / "home/tasks.db"), before);
    EXPECT_THAT(OpenTasks(next).titles(), ElementsAre("b"));
    next.place = next.folder / "empty.db";
    ASSERT_TRUE(restore(*next.databases(), {.path = device.folder / "t.zst"}));
    EXPECT_THAT(OpenTasks(next).titles(), ElementsAre("a"));
    ASSERT_TRUE(back_up(*next.databases(), DatabaseName::tasks, next.folder / "t.zst", {}));
    ASSERT_TRUE(restore(*next.databases(), {.path = next.folder / "t.zst", .replace = true}));
}

}  // namespace
}  // namespace taskstore::store
