// Several stores asked at once.

#include <gmock/gmock.h>
#include <taskstore/base/json.hpp>
#include <taskstore/query/query.hpp>
#include <taskstore/sqlite/database.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <deque>

namespace taskstore::query {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class Stores : public testing::Test {
  protected:
    struct One {
        std::unique_ptr<sql::Database> database;
        std::unique_ptr<tasks::TaskStore> store;
        bool away = false;
    };
    One& make(const std::string& name) {
        const std::string path = x_folder / (name + ".db");
        One& one = x_made.emplace_back();
        const auto connection = x_driver.connect(path, {});
        EXPECT_TRUE(
            sql::migrate(**connection, tasks::kModule, tasks::migrations("sqlite"), x_clock));
        EXPECT_TRUE(sql::identify(**connection, tasks::kModule, x_clock, x_random));
        auto database = sqlite::open_database(path, {}, {.driver = &x_driver, .clock = &x_clock});
        EXPECT_TRUE(database);
        one.database = std::move(*database);
        one.store = tasks::make_task_store(*one.database, x_clock, x_random,
                                           {.time = tasks::TimeSource::clock});
        x_stores.push_back({.name = name, .open = [&one](std::int64_t) -> Result<sql::Database*> {
                                if (one.away)
                                    return fail(Code::unavailable,
                                                "postgres://u:geheim@h/db does not answer");
                                return one.database.get();
                            }});
        return one;
    }
    std::string add(One& one, const std::string& title) {
        x_clock.advance_ms(1);
        const auto made = one.store->create_task({.title = title});
        EXPECT_TRUE(made);
        return made ? made->value.id : "";
    }
    Json asked(const std::string& request) {
        x_answer = answer_of_stores(request, x_stores, x_clock, x_random);
        const auto json = Json::parse(x_answer.text);
        EXPECT_TRUE(json) << x_answer.text;
        return json ? *json : Json();
    }
    static std::vector<std::string> titles_of(const Json& answer) {
        std::vector<std::string> titles;
        const Json list = answer.get("data").get("tasks");
        for (std::size_t i = 0; i < list.size(); ++i)
            titles.push_back(list.at(i).get("store").as_string().value_or("?") + " " +
                             list.at(i).get("title").as_string().value_or("?"));
        return titles;
    }
    /// A page of two, in the order in which tasks were made.
    Json page(const Json& before) {
        const Json cursor = before.get("data").get("next_cursor");
        return asked(R"({"query_type":"list_tasks","params":{"order":"created","limit":2)" +
                     (cursor.is_null() ? "" : ",\"cursor\":" + cursor.to_text()) + "}}");
    }

    TemporaryFolder x_folder;
    FakeClock x_clock;
    SeededRandom x_random{5};
    sqlite::Driver x_driver;
    std::deque<One> x_made;
    std::vector<Store> x_stores;
    Answer x_answer;
};

TEST_F(Stores, ListsAreJoinedInOrderPageByPage) {
    One& a = make("a");
    One& b = make("b");
    for (One* one : {&a, &a, &b, &a, &b}) add(*one, std::to_string(x_clock.wall_ms() % 10));
    Json answer = page(Json());
    EXPECT_EQ(answer.get("status").as_string(), "ok");
    EXPECT_THAT(titles_of(answer), ElementsAre("a 0", "a 1"));
    // What is removed and what is made between pages neither hides nor doubles another.
    EXPECT_TRUE(a.store->delete_task(*answer.get("data").get("tasks").at(1).get("id").as_string()));
    add(b, "late");
    answer = page(answer);
    EXPECT_THAT(titles_of(answer), ElementsAre("b 2", "a 3"));
    answer = page(answer);
    EXPECT_THAT(titles_of(answer), ElementsAre("b 4", "b late"));
    EXPECT_TRUE(answer.get("data").get("next_cursor").is_null());
}

TEST_F(Stores, AStoreThatIsAwayHidesNoneOfTheOthers) {
    One& a = make("a");
    One& b = make("b");
    add(a, "one");
    add(b, "two");
    add(a, "three");
    b.away = true;
    Json answer = page(Json());
    EXPECT_EQ(answer.get("status").as_string(), "partial");
    EXPECT_EQ(x_answer.status.error().code, Code::partial);
    EXPECT_THAT(titles_of(answer), ElementsAre("a one", "a three"));
    const Json outcomes = answer.get("stores");
    EXPECT_EQ(outcomes.at(0).get("status").as_string(), "ok");
    EXPECT_EQ(outcomes.at(0).get("level").as_string(), "flushed");
    EXPECT_EQ(outcomes.at(1).get("status").as_string(), "unavailable");
    EXPECT_THAT(x_answer.text, HasSubstr("postgres://u:***@h/db does not answer"));
    EXPECT_THAT(x_answer.text, testing::Not(HasSubstr("geheim")));
    a.away = true;
    EXPECT_EQ(asked(R"({"query_type":"list_tasks"})").get("status").as_string(), "unavailable");
    EXPECT_TRUE(Json::parse(x_answer.text)->get("data").is_null());
}

TEST_F(Stores, WhatWasAwayForAPageComesLater) {
    One& a = make("a");
    One& b = make("b");
    add(b, "first");
    for (const char* title : {"1", "2", "3"}) add(a, title);
    b.away = true;
    Json answer = page(Json());
    EXPECT_THAT(titles_of(answer), ElementsAre("a 1", "a 2"));
    b.away = false;
    answer = page(answer);
    EXPECT_THAT(titles_of(answer), ElementsAre("b first", "a 3"));
    EXPECT_TRUE(answer.get("data").get("next_cursor").is_null());
}

TEST_F(Stores, ATaskOfTheSameIdInTwoStoresIsToldByStore) {
    One& a = make("a");
    make("b");
    const std::string id = add(a, "mine");
    EXPECT_TRUE(a.store->claim_tasks({.worker = "w"}));
    {
        const auto from = x_driver.connect(x_folder / "a.db", {});
        ASSERT_TRUE((*from)->execute("ATTACH '" + (x_folder / "b.db") + "' AS b"));
        ASSERT_TRUE((*from)->execute(
            "INSERT INTO b.tasks SELECT * FROM main.tasks; UPDATE b.tasks SET title = 'theirs'"));
    }
    const Json answer =
        asked(R"({"query_type":"get_task","params":{"id":")" + id.substr(4) + "\"}}");
    EXPECT_THAT(titles_of(answer), ElementsAre("a mine", "b theirs"));
    EXPECT_THAT(titles_of(page(Json())), ElementsAre("a mine", "b theirs"));
    // One at a time: neither is passed over, though their places are the same.
    const Json first = asked(R"({"query_type":"list_tasks","params":{"limit":1}})");
    EXPECT_THAT(titles_of(first), ElementsAre("a mine"));
    const Json second = asked(R"({"query_type":"list_tasks","params":{"limit":1,"cursor":)" +
                              first.get("data").get("next_cursor").to_text() + "}}");
    EXPECT_THAT(titles_of(second), ElementsAre("b theirs"));
    EXPECT_TRUE(second.get("data").get("next_cursor").is_null());
}

TEST_F(Stores, ATaskIsNotFoundOnlyWhereAllHaveSaidSo) {
    One& a = make("a");
    One& b = make("b");
    const std::string id = add(a, "mine");
    EXPECT_EQ(asked(R"({"query_type":"get_task","params":{"id":")" + id + "\"}}")
                  .get("status")
                  .as_string(),
              "ok");
    const std::string nobody = R"({"query_type":"get_task","params":{"id":"nobody"}})";
    EXPECT_EQ(asked(nobody).get("status").as_string(), "not_found");
    b.away = true;
    EXPECT_EQ(asked(nobody).get("status").as_string(), "partial");
}

TEST_F(Stores, FiguresAreSummedUp) {
    One& a = make("a");
    One& b = make("b");
    add(a, "1");
    add(b, "2");
    EXPECT_TRUE(b.store->claim_tasks({.worker = "w"}));
    const Json data = asked(R"({"query_type":"get_task_stats"})").get("data");
    EXPECT_EQ(data.get("total").as_int64(), 2);
    EXPECT_EQ(data.get("pending").as_int64(), 1);
    EXPECT_EQ(data.get("by_holder").get("w").as_int64(), 1);
    EXPECT_EQ(data.get("oldest_pending_at").as_string(), "2023-11-14T22:13:20.001Z");
}

TEST_F(Stores, ACursorOfOtherStoresIsRefused) {
    One& a = make("a");
    make("b");
    for (const char* title : {"1", "2", "3"}) add(a, title);
    const Json answer = page(Json());
    std::swap(x_stores[0], x_stores[1]);
    EXPECT_EQ(page(answer).get("status").as_string(), "invalid");
    for (const std::string cursor : {"c1.x", "s", "s0123456789abcdef", "s0123456789abcdef9:x"})
        EXPECT_EQ(asked(R"({"query_type":"list_tasks","params":{"cursor":")" + cursor + "\"}}")
                      .get("status")
                      .as_string(),
                  "invalid");
    x_stores[1].name = x_stores[0].name;
    EXPECT_EQ(page(Json()).get("status").as_string(), "invalid");
    x_stores.clear();
    EXPECT_EQ(page(Json()).get("status").as_string(), "invalid");
}

}  // namespace
}  // namespace taskstore::query
