#include <taskstore/founding/adt.hpp>
#include <taskstore/sqlite/driver.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <unistd.h>

namespace taskstore::founding {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;

std::int64_t as_utc(std::int64_t ms) {
    return ms;
}

TEST(AdtQueue, ItemsAreTasksAndOthersAreRefused) {
    Found found{.system = System::adt};
    const auto read = read_queue(
        R"( [{"id":"a","project":"web","description":"d","priority":"high","status":"completed",
             "result":"{}","completed_at":"1970-01-01T00:00:09","metadata":{"n": [1, 2]},
             "surprise":{"x":null},"error":null},
            {"id":"b","id":"c","description":"d","status":"pending"}, 7,
            {"id":"e","status":"pending"}] )",
        "q", as_utc, found);
    ASSERT_TRUE(read) << read.error().message;
    EXPECT_EQ(found.records, 4);
    ASSERT_EQ(found.tasks.size(), 1U);
    const FoundTask& task = found.tasks[0];
    EXPECT_EQ(task.where, "q, item 1, task 'a'");
    EXPECT_EQ(task.result, "\"{}\"");
    EXPECT_EQ(task.completed_at, 9'000);
    EXPECT_EQ(task.metadata, R"({"n": [1, 2]})");
    EXPECT_THAT(task.others, ElementsAre(testing::Pair("surprise", R"({"x":null})")));
    ASSERT_EQ(found.refused.size(), 3U);
    EXPECT_EQ(found.refused[0].where, "q, item 2");
    EXPECT_EQ(found.refused[1].where, "q, item 3");
    EXPECT_EQ(found.refused[2].reason, "it has neither a title nor a description");
}

TEST(AdtQueue, WhatIsNoArrayOfTasksSaysWhere) {
    Found found{.system = System::adt};
    const auto cut = read_queue("[{\"id\":\"a\"},\n {\"id\"", "queue/tasks.json", as_utc, found);
    ASSERT_FALSE(cut);
    EXPECT_EQ(cut.error().code, Code::corrupt);
    EXPECT_THAT(cut.error().message, HasSubstr("queue/tasks.json is no JSON"));
    EXPECT_EQ(read_queue("{}", "q", as_utc, found).error().code, Code::invalid);
    EXPECT_FALSE(read_queue("", "q", as_utc, found));
    EXPECT_TRUE(read_queue("[]", "q", as_utc, found));
    EXPECT_TRUE(found.tasks.empty());
}

class Adt : public testing::Test {
  protected:
    void put(const std::string& name, std::string_view text) {
        const std::string path = x_home + "/" + name;
        ASSERT_TRUE(os::make_directories(x_files, os::folder_of(path)));
        ASSERT_TRUE(os::replace_file(x_files, path, text));
    }
    void put_database(const std::string& name, std::string_view sql) {
        ASSERT_TRUE(os::make_directories(x_files, x_home + "/data"));
        const auto made = x_driver.connect(x_home + "/data/" + name, {});
        ASSERT_TRUE(made);
        const auto status = (*made)->execute(sql);
        ASSERT_TRUE(status) << status.error().message;
    }
    Result<Found> read() {
        return read_adt(x_files, {.folder = x_home,
                                  .open =
                                      [&](const std::string& path) {
                                          return x_driver.connect(path, {.read_only = true});
                                      },
                                  .zone = as_utc});
    }
    std::vector<std::string> no_place(const Found& found) {
        std::vector<std::string> out;
        for (const NoPlace& one : found.no_place)
            out.push_back(one.where + ": " + one.what + " " + std::to_string(one.count));
        return out;
    }

    os::SystemFileSystem x_files;
    sqlite::Driver x_driver;
    TemporaryFolder x_folder;
    std::string x_home = x_folder / "adt";
};

constexpr std::string_view kTasks = "CREATE TABLE tasks (id, project, description, status);";

TEST_F(Adt, TheDatabaseCountsWhereATaskIsInTheQueueToo) {
    put("queue/tasks.json", R"([{"id":"a","description":"old","status":"pending"},
                                {"id":"b","description":"queued","status":"pending"}])");
    put_database("tasks.db",
                 std::string(kTasks) + "INSERT INTO tasks VALUES ('a', 'p', 'new', 'completed')");
    const auto found = read();
    ASSERT_TRUE(found) << found.error().message;
    ASSERT_EQ(found->tasks.size(), 2U);
    EXPECT_EQ(found->tasks[0].title, "new");
    EXPECT_EQ(found->tasks[1].title, "queued");
    EXPECT_EQ(found->records, 2);
    EXPECT_THAT(found->notes, ElementsAre(HasSubstr("1 tasks of queue/tasks.json are in")));
}

TEST_F(Adt, WhatHasNoPlaceIsToldWithItsFile) {
    put("config.yml", "server:\n  port: 8420\n# a comment: x\nagents: {}\n- odd\n");
    put("agents/web.state.json", R"({"project":"web","current_task":"ab12"})");
    put("logs/agents/web.log", "x");
    put("logs/agents/api.log", "x");
    put("vault.json", "{}");
    put_database("logs.db", "CREATE TABLE events (x); INSERT INTO events VALUES (1), (2)");
    put_database("main.db", "CREATE TABLE projects (x); INSERT INTO projects VALUES (1)");
    const auto found = read();
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_THAT(
        no_place(*found),
        ElementsAre("data/logs.db: events 2", "data/main.db: projects 1",
                    "agents/web.state.json: state of an agent (it was at: ab12) 1",
                    "config.yml: settings (server, agents) 2", "logs/agents: logs of agents 2",
                    "vault.json: no file of ADT that is known 1"));
    EXPECT_TRUE(found->refused.empty());
}

TEST_F(Adt, BrokenPartsThatHoldNoTasksAreToldAndPassedOver) {
    put("queue/tasks.json", R"([{"id":"b","description":"queued","status":"pending"}])");
    put("agents/web.state.json", "{\"project\":");
    put("data/main.db", "no database at all");
    ASSERT_EQ(symlink("/etc/passwd", (x_home + "/config.yml").c_str()), 0);
    ASSERT_EQ(symlink("/etc", (x_home + "/logs").c_str()), 0);
    const auto found = read();
    ASSERT_TRUE(found) << found.error().message;
    EXPECT_EQ(found->tasks.size(), 1U);
    std::vector<std::string> refused;
    for (const Refused& one : found->refused) refused.push_back(one.where);
    EXPECT_THAT(refused,
                ElementsAre("data/main.db", "agents/web.state.json", "config.yml", "logs"));
}

TEST_F(Adt, BrokenTasksEndTheImport) {
    put("queue/tasks.json", "[{\"id\":\"a\"}");
    EXPECT_EQ(read().error().code, Code::corrupt);
    ASSERT_TRUE(x_files.unlink(x_home + "/queue/tasks.json"));
    ASSERT_EQ(symlink("/etc/passwd", (x_home + "/queue/tasks.json").c_str()), 0);
    EXPECT_THAT(read().error().message, HasSubstr("symbolic link"));
    ASSERT_TRUE(x_files.unlink(x_home + "/queue/tasks.json"));
    put_database("tasks.db", "CREATE TABLE jobs (id)");
    EXPECT_THAT(read().error().message, HasSubstr("data/tasks.db has no table 'tasks'"));
}

TEST_F(Adt, AFolderOfSomethingElseIsRefused) {
    EXPECT_EQ(read().error().code, Code::not_found);
    put("README.md", "x");
    EXPECT_EQ(read().error().code, Code::invalid);
    x_home += "/README.md";
    EXPECT_THAT(read().error().message, HasSubstr("is no folder"));
}

}  // namespace
}  // namespace taskstore::founding
