#include <gmock/gmock.h>
#include <taskstore/base/json.hpp>
#include <taskstore/query/query.hpp>
#include <taskstore/sqlite/database.hpp>
#include <taskstore/testing/temporary_folder.hpp>

namespace taskstore::query {
namespace {

using testing::HasSubstr;

class Query : public testing::Test {
  protected:
    Query() {
        const auto connection = x_driver.connect(x_folder / "tasks.db", {});
        EXPECT_TRUE(
            sql::migrate(**connection, tasks::kModule, tasks::migrations("sqlite"), x_clock));
        EXPECT_TRUE(sql::identify(**connection, tasks::kModule, x_clock, x_random));
        auto database = sqlite::open_database(x_folder / "tasks.db", {},
                                              {.driver = &x_driver, .clock = &x_clock});
        EXPECT_TRUE(database);
        x_database = std::move(*database);
        x_store = tasks::make_task_store(*x_database, x_clock, x_random,
                                         {.time = tasks::TimeSource::clock});
    }
    tasks::Task created(const tasks::CreateTask& task) {
        auto written = x_store->create_task(task);
        EXPECT_TRUE(written) << (written ? "" : written.error().message);
        return written ? std::move(written->value) : tasks::Task{};
    }
    std::string asked(std::string_view request) {
        return answer(
                   request, [&]() -> Result<sql::Database*> { return x_database.get(); }, x_clock,
                   x_random)
            .text;
    }
    Json data_of(std::string_view request) {
        const auto json = Json::parse(asked(request));
        EXPECT_TRUE(json);
        EXPECT_EQ(json->get("status").as_string(), "ok") << json->to_text();
        return json->get("data");
    }

    TemporaryFolder x_folder;
    FakeClock x_clock;
    SeededRandom x_random{5};
    sqlite::Driver x_driver;
    std::unique_ptr<sql::Database> x_database;
    std::unique_ptr<tasks::TaskStore> x_store;
};

TEST_F(Query, ATaskIsAnsweredInRfc3339AndWithoutWhatIsAbsent) {
    const auto made = created({.title = "Build", .input = R"({"n":1})", .priority = 10});
    EXPECT_EQ(asked(R"({"protocol":1,"query_id":"q1","query_type":"get_task","params":{"id":")" +
                    made.id + "\"}}"),
              R"({"protocol":1,"query_id":"q1","query_type":"get_task","status":"ok","data":)"
              R"({"task":{"id":")" +
                  made.id +
                  R"(","title":"Build","input":{"n":1},"priority":10,"status":"pending",)"
                  R"("retry_count":0,"metadata":{},"created_at":"2023-11-14T22:13:20Z",)"
                  R"("updated_at":"2023-11-14T22:13:20Z","revision":1}},)"
                  R"("error":null,"is_final":true})");
}

TEST_F(Query, ListsGoOnWhereTheLastPageEnded) {
    for (int i = 0; i < 5; ++i) created({.title = "t" + std::to_string(i), .project = "p"});
    created({.title = "other"});
    std::vector<std::string> seen;
    std::string cursor;
    for (int pages = 0; pages < 4; ++pages) {
        const Json data = data_of(
            R"({"query_type":"list_tasks","params":{"project":"p","order":"created","limit":2)" +
            (cursor.empty() ? "" : R"(,"cursor":")" + cursor + "\"") + "}}");
        const Json list = data.get("tasks");
        for (std::size_t i = 0; i < list.size(); ++i)
            seen.push_back(list.at(i).get("title").as_string().value_or(""));
        if (data.get("next_cursor").is_null()) break;
        cursor = data.get("next_cursor").as_string().value_or("");
    }
    EXPECT_THAT(seen, testing::ElementsAre("t0", "t1", "t2", "t3", "t4"));
}

TEST_F(Query, SearchesAndFiguresAreAnswered) {
    created({.title = "Build the index", .project = "p"});
    created({.title = "other"});
    EXPECT_TRUE(x_store->claim_tasks({.worker = "w", .project = "p"}));
    const Json found =
        data_of(R"({"query_type":"search_tasks","params":{"query":"INDEX","status":"running"}})");
    EXPECT_EQ(found.get("tasks").size(), 1U);
    EXPECT_EQ(found.get("tasks").at(0).get("assigned_to").as_string(), "w");
    const Json stats = data_of(R"({"query_type":"get_task_stats"})");
    EXPECT_EQ(stats.get("pending").as_int64(), 1);
    EXPECT_EQ(stats.get("in_progress").as_int64(), 1);
    EXPECT_EQ(stats.get("total").as_int64(), 2);
    EXPECT_EQ(stats.get("by_project").get("p").get("total").as_int64(), 1);
    EXPECT_EQ(stats.get("by_holder").get("w").as_int64(), 1);
    EXPECT_EQ(stats.get("oldest_pending_at").as_string(), "2023-11-14T22:13:20Z");
    const Json one = data_of(R"({"query_type":"get_task_stats","params":{"project":"p"}})");
    EXPECT_EQ(one.get("total").as_int64(), 1);
}

TEST_F(Query, AnErrorIsAnAnswerToo) {
    const auto none =
        Json::parse(asked(R"({"query_id":"q","query_type":"get_task","params":{"id":"nobody"}})"));
    ASSERT_TRUE(none);
    EXPECT_EQ(none->get("status").as_string(), "not_found");
    EXPECT_EQ(none->get("query_id").as_string(), "q");
    EXPECT_TRUE(none->get("data").is_null());
    EXPECT_THAT(*none->get("error").get("message").as_string(), HasSubstr("nobody"));
    const auto wrong = Json::parse(asked("\xff"));
    ASSERT_TRUE(wrong);
    EXPECT_EQ(wrong->get("status").as_string(), "invalid");
    EXPECT_TRUE(wrong->get("query_id").is_null());
}

TEST_F(Query, NothingIsOpenedForARequestThatIsRefused) {
    int opened = 0;
    const auto open = [&]() -> Result<sql::Database*> {
        ++opened;
        return fail(Code::unavailable, "the server is away");
    };
    EXPECT_EQ(answer("{}", open, x_clock, x_random).status.error().code, Code::invalid);
    EXPECT_EQ(opened, 0);
    const Answer away = answer(R"({"query_type":"list_tasks"})", open, x_clock, x_random);
    EXPECT_EQ(opened, 1);
    EXPECT_EQ(away.status.error().code, Code::unavailable);
    EXPECT_THAT(away.text, HasSubstr(R"("status":"unavailable")"));
    EXPECT_THAT(away.text, testing::Not(HasSubstr("server"))) << "others are told no places";
    EXPECT_EQ(away.status.error().message, "the server is away");
}

TEST_F(Query, ADeadlineThatHasPassedIsSaid) {
    const auto slow = [&]() -> Result<sql::Database*> {
        x_clock.advance_ms(51);
        return x_database.get();
    };
    const Answer late =
        answer(R"({"query_type":"list_tasks","deadline_ms":50})", slow, x_clock, x_random);
    EXPECT_EQ(late.status.error().code, Code::timed_out);
    EXPECT_THAT(late.text, HasSubstr(R"("status":"timed_out")"));
}

}  // namespace
}  // namespace taskstore::query
