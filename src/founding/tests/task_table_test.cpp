#include <taskstore/founding/task_table.hpp>
#include <taskstore/sqlite/driver.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace taskstore::founding {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;

constexpr std::string_view kLibTaskStore =
    "CREATE TABLE tasks (id TEXT PRIMARY KEY, title TEXT NOT NULL, description TEXT, status TEXT "
    "NOT NULL, command TEXT, input TEXT NOT NULL, output TEXT, logs TEXT, exit_code INTEGER, "
    "created_at TEXT NOT NULL, updated_at TEXT NOT NULL);";
constexpr std::string_view kAdt =
    "CREATE TABLE tasks (id TEXT PRIMARY KEY, project TEXT NOT NULL, description TEXT NOT NULL, "
    "priority TEXT DEFAULT 'normal', status TEXT DEFAULT 'pending', assigned_to TEXT, created_at "
    "TIMESTAMP DEFAULT CURRENT_TIMESTAMP, started_at TIMESTAMP, completed_at TIMESTAMP, result "
    "TEXT, error TEXT, retry_count INTEGER DEFAULT 0, max_retries INTEGER DEFAULT 3, metadata "
    "JSON, depends_on TEXT, output TEXT, next_tasks TEXT);";

class TaskTable : public testing::Test {
  protected:
    Status read(std::string_view sql, System system = System::adt) {
        auto connection = x_driver.connect(":memory:", {});
        EXPECT_TRUE(connection);
        const auto made = (*connection)->execute(sql);
        EXPECT_TRUE(made) << (made ? "" : made.error().message);
        x_found = {.system = system};
        return read_tasks(**connection,
                          {.where = "tasks.db", .zone = [](std::int64_t ms) { return ms; }},
                          x_found);
    }
    std::vector<std::string> refused() const {
        std::vector<std::string> out;
        for (const Refused& one : x_found.refused) out.push_back(one.where + ": " + one.reason);
        return out;
    }

    sqlite::Driver x_driver;
    Found x_found;
};

TEST_F(TaskTable, EveryColumnOfLibTaskStoreIsRead) {
    ASSERT_TRUE(
        read(std::string(kLibTaskStore) +
                 "INSERT INTO tasks VALUES ('11111111-2222-4333-8444-555555555555', 'It''s', "
                 "'D', 'completed', 'make', ' {\"a\": [1.0]} ', '[true]', 'L', 3, "
                 "'1970-01-01T00:00:01+00:00', '1970-01-01T00:00:02.5+00:00')",
             System::lib_task_store));
    ASSERT_EQ(x_found.tasks.size(), 1U);
    const FoundTask& task = x_found.tasks[0];
    EXPECT_EQ(task.title, "It's");
    EXPECT_EQ(task.description, "D");
    EXPECT_EQ(task.standing, Standing::completed);
    EXPECT_EQ(task.command, "make");
    EXPECT_EQ(task.input, R"({"a": [1.0]})");
    EXPECT_EQ(task.result, "[true]");
    EXPECT_EQ(task.logs, "L");
    EXPECT_EQ(task.exit_code, 3);
    EXPECT_EQ(task.created_at, 1'000);
    EXPECT_EQ(task.updated_at, 2'500);
    EXPECT_THAT(task.others, IsEmpty());
}

TEST_F(TaskTable, ANumberThatJsonCannotSayIsKeptAsItIsShown) {
    ASSERT_TRUE(
        read("CREATE TABLE tasks (id, title, status, cost); INSERT INTO tasks VALUES ('a', "
             "'A', 'pending', 9e999), ('b', 'B', 'pending', -9e999)"));
    ASSERT_EQ(x_found.tasks.size(), 2U);
    EXPECT_THAT(x_found.tasks[0].others, ElementsAre(Pair("cost", "\"Inf\"")));
    EXPECT_THAT(x_found.tasks[1].others, ElementsAre(Pair("cost", "\"-Inf\"")));
}

TEST_F(TaskTable, EveryColumnOfAdtIsRead) {
    ASSERT_TRUE(read(std::string(kAdt) +
                     "INSERT INTO tasks VALUES ('ab12', 'web', '\n first\r\nmore', 'URGENT', "
                     "'in_progress', 'cursor', '1970-01-01 00:00:01', '1970-01-01T00:00:02', NULL, "
                     "'fine', 'Retry 1: x', 1, 5, '{\"k\":1}', '[\"cd34\"]', 'out', '[\"x\"]')"));
    ASSERT_EQ(x_found.tasks.size(), 1U);
    const FoundTask& task = x_found.tasks[0];
    EXPECT_EQ(task.title, " first");
    EXPECT_EQ(task.project, "web");
    EXPECT_EQ(task.priority, 20);
    EXPECT_EQ(task.standing, Standing::held);
    EXPECT_EQ(task.assigned_to, "cursor");
    EXPECT_EQ(task.created_at, 1'000);
    EXPECT_EQ(task.started_at, 2'000);
    EXPECT_EQ(task.result, "\"fine\"") << "a text, whatever it looks like";
    EXPECT_EQ(task.error, "Retry 1: x");
    EXPECT_EQ(task.retry_count, 1);
    EXPECT_EQ(task.max_attempts, 5);
    EXPECT_EQ(task.metadata, R"({"k":1})");
    EXPECT_THAT(task.depends_on, ElementsAre("cd34"));
    EXPECT_EQ(task.logs, "out");
    EXPECT_THAT(task.others, ElementsAre(Pair("next_tasks", R"("[\"x\"]")")));
    EXPECT_EQ(x_found.local_times, 1);
}

TEST_F(TaskTable, WhatCannotBeReadIsCountedByItsName) {
    ASSERT_TRUE(
        read("CREATE TABLE tasks (id TEXT, title TEXT, status TEXT, input TEXT, created_at TEXT, "
             "own TEXT);"
             "INSERT INTO tasks VALUES ('a', 't', 'done', '{', 'yesterday', 'x'), "
             "('b', 't', 'done', '[', '2026-01-02T03:04:05Z', NULL)"));
    ASSERT_EQ(x_found.unread.size(), 2U) << "a member of its own is none that was looked for";
    EXPECT_EQ(x_found.unread["input"].count, 2);
    EXPECT_THAT(x_found.unread["input"].first, testing::HasSubstr("task 'a'"));
    EXPECT_EQ(x_found.unread["created_at"].count, 1);
    EXPECT_THAT(x_found.tasks[0].others,
                ElementsAre(Pair("input", R"("{")"), Pair("created_at", R"("yesterday")"),
                            Pair("own", R"("x")")));
}

TEST_F(TaskTable, APriorityMayBeANumberInAColumnOfTexts) {
    ASSERT_TRUE(
        read("CREATE TABLE tasks (id TEXT, description TEXT, status TEXT, priority TEXT);"
             "INSERT INTO tasks VALUES ('a', 'd', 'done', 5), ('b', 'd', 'done', -100), "
             "('c', 'd', 'done', 101)"));
    ASSERT_EQ(x_found.tasks.size(), 3U);
    EXPECT_EQ(x_found.tasks[0].priority, 5);
    EXPECT_THAT(x_found.tasks[0].others, IsEmpty());
    EXPECT_EQ(x_found.tasks[1].priority, -100);
    EXPECT_EQ(x_found.tasks[2].priority, 0) << "there is no such priority";
    EXPECT_THAT(x_found.tasks[2].others, ElementsAre(Pair("priority", "\"101\"")));
}

TEST_F(TaskTable, WhatAFieldCannotHoldIsKeptAsItIs) {
    ASSERT_TRUE(
        read("CREATE TABLE tasks (id, description, status, priority, created_at, metadata, "
             "depends_on, retry_count, max_retries, color);"
             "INSERT INTO tasks VALUES ('a', 'd', 'done', 'soon', 12345, '[1]', 'b,c', -1, "
             "0, 1.5)"));
    ASSERT_EQ(x_found.tasks.size(), 1U);
    EXPECT_THAT(
        x_found.tasks[0].others,
        ElementsAre(Pair("priority", "\"soon\""), Pair("created_at", "12345"),
                    Pair("metadata", "\"[1]\""), Pair("depends_on", "\"b,c\""),
                    Pair("retry_count", "-1"), Pair("max_retries", "0"), Pair("color", "1.5")));
    EXPECT_EQ(x_found.tasks[0].priority, 0);
    EXPECT_EQ(x_found.tasks[0].created_at, std::nullopt);
}

TEST_F(TaskTable, RowsThatAreNoTasksAreRefusedByName) {
    ASSERT_TRUE(
        read("CREATE TABLE tasks (id, description, status);"
             "INSERT INTO tasks VALUES ('a', 'd', 'someday'), ('b', ' ', 'pending'), "
             "('c', 'd', NULL), (NULL, 'd', 'pending'), ('e', x'ff00', 'pending'), "
             "('f', 'good', 'Pending')"));
    EXPECT_THAT(refused(),
                testing::UnorderedElementsAre(
                    "tasks.db, task 'a': its status 'someday' is not known",
                    "tasks.db, task 'b': it has neither a title nor a description",
                    "tasks.db, task 'c': it has no status", "tasks.db: it has no id",
                    "tasks.db, task \"e\": its description holds bytes that are no UTF-8 text"));
    EXPECT_EQ(x_found.records, 6);
    ASSERT_EQ(x_found.tasks.size(), 1U);
    EXPECT_EQ(x_found.tasks[0].id, "f");
}

TEST_F(TaskTable, EveryStatusWordIsKnown) {
    for (const auto& [word, standing] : {std::pair{"pending", Standing::pending},
                                         {"assigned", Standing::held},
                                         {"Running", Standing::held},
                                         {"in_progress", Standing::held},
                                         {"blocked", Standing::blocked},
                                         {"awaiting_review", Standing::review},
                                         {"complete", Standing::completed},
                                         {"completed", Standing::completed},
                                         {"DONE", Standing::completed},
                                         {"failed", Standing::failed},
                                         {"error", Standing::failed},
                                         {"canceled", Standing::cancelled},
                                         {"cancelled", Standing::cancelled}}) {
        ASSERT_TRUE(
            read("CREATE TABLE tasks (id, title, status);INSERT INTO tasks VALUES ('a', "
                 "'t', '" +
                 std::string(word) + "')"));
        ASSERT_EQ(x_found.tasks.size(), 1U) << word;
        EXPECT_EQ(x_found.tasks[0].standing, standing) << word;
    }
}

TEST_F(TaskTable, OtherTablesAreTold) {
    ASSERT_TRUE(read(std::string(kAdt) +
                     "CREATE TABLE \"odd \"\" name\" (x); INSERT INTO \"odd \"\" name\" VALUES "
                     "(1), (2); CREATE TABLE none (x);"));
    ASSERT_EQ(x_found.no_place.size(), 1U);
    EXPECT_EQ(x_found.no_place[0].what, "odd \" name");
    EXPECT_EQ(x_found.no_place[0].count, 2);
}

TEST_F(TaskTable, ADatabaseOfSomethingElseSaysWhatItHas) {
    EXPECT_THAT(read("CREATE TABLE users (x)").error().message,
                HasSubstr("tasks.db has no table 'tasks'; it has users"));
    EXPECT_THAT(read("CREATE TABLE tasks (id, name, status)").error().message,
                HasSubstr("no column title, description"));
    const auto own = read(
        "CREATE TABLE tasks (id, title, status);"
        "CREATE TABLE taskstore_migrations (x)");
    EXPECT_THAT(own.error().message, HasSubstr("a database of taskstore itself"));
}

TEST_F(TaskTable, AHashChangesWithTheSourceAndNotWithTheZone) {
    const std::string rows =
        "INSERT INTO tasks (id, project, description, created_at) VALUES "
        "('a', 'p', 'd', '1970-01-02T00:00:00')";
    ASSERT_TRUE(read(std::string(kAdt) + rows));
    const FoundTask one = x_found.tasks.at(0);
    FoundTask other = one;
    other.created_at = 5;
    EXPECT_EQ(digest(one), digest(other));
    other.others.emplace_back("x", "1");
    EXPECT_NE(digest(one), digest(other));
    EXPECT_EQ(one.created_as_written, 86'400'000);
}

}  // namespace
}  // namespace taskstore::founding
