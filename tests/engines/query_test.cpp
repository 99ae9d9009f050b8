// A device's answers are the same bytes, whichever engine is behind them.

#include "servers.hpp"

#include <gmock/gmock.h>
#include <taskstore/base/json.hpp>
#include <taskstore/query/query.hpp>

namespace taskstore {
namespace {

/// What a device with some tasks answers to each request, by an engine.
std::vector<std::string> answers_of(sql::Engine engine) {
    store::Device device(TASKSTORE_DRIVERS_HERE);
    if (engine != sql::Engine::sqlite) device.place = servers->fresh(engine);
    const auto databases = device.databases();
    sql::Database* const database = must(databases->open(store::DatabaseName::tasks));
    FakeClock clock;
    const SystemClock now;
    SeededRandom random(23);
    const auto store =
        tasks::make_task_store(*database, clock, random, {.time = tasks::TimeSource::clock});
    std::vector<tasks::CreateTask> list;
    for (int i = 0; i < 7; ++i)
        list.push_back({.title = "Build " + std::to_string(i),
                        .description = i % 2 == 0 ? std::optional<std::string>("\xC3\xBC"
                                                                               "ber \"x\"")
                                                  : std::nullopt,
                        .input = R"({"b":1.50, "a":null})",
                        .project = i % 3 == 0 ? "p" : "",
                        .priority = i % 3,
                        .capabilities = {"gpu", "z\"z"}});
    static_cast<void>(must(store->create_tasks(list)));
    clock.advance_ms(5);
    const tasks::Task late =
        must(store->create_task({.title = "late", .not_before = clock.wall_ms() + 1'000})).value;
    std::vector<std::string> answers;
    for (const std::string& request :
         {std::string(R"({"query_type":"list_tasks"})"),
          std::string(R"({"query_type":"list_tasks","params":{"limit":3,"order":"-priority"}})"),
          std::string(
              R"({"query_type":"list_tasks","params":{"capability":"z\"z","project":"p"}})"),
          std::string(R"({"query_type":"list_tasks","params":{"created_since":1,"limit":2}})"),
          std::string(R"({"query_type":"search_tasks","params":{"query":"UBER build","limit":2}})"),
          std::string(R"({"query_type":"get_task_stats"})"),
          std::string(R"({"query_type":"get_task_stats","params":{"project":"p"}})"),
          R"({"query_type":"get_task","params":{"id":")" + late.id + "\"}}",
          R"({"query_type":"get_task","params":{"id":")" + late.id.substr(0, 6) + "\"}}",
          std::string(R"({"query_type":"get_task","params":{"id":"nobody"}})"),
          std::string(R"({"query_type":"list_tasks","params":{"cursor":"x"}})")}) {
        const query::Answer answer = query::answer(
            request, [&]() -> Result<sql::Database*> { return database; }, now, random);
        answers.push_back(request + "\n" + answer.text);
    }
    return answers;
}

TEST(Queries, AnswersAreTheSameBytesFromEveryEngine) {
    const std::vector<std::string> file = answers_of(sql::Engine::sqlite);
    EXPECT_THAT(file[0], testing::HasSubstr("\"status\":\"ok\""));
    EXPECT_THAT(file[8], testing::HasSubstr("\"status\":\"conflict\""));
    EXPECT_EQ(answers_of(sql::Engine::postgres), file);
    EXPECT_EQ(answers_of(sql::Engine::libsql), file);
}

TEST(Queries, StoresOfAllEnginesAreAskedAtOnce) {
    std::vector<std::unique_ptr<store::Device>> devices;
    std::vector<std::unique_ptr<store::Databases>> opened;
    std::vector<query::Store> stores;
    const SystemClock clock;
    SystemRandom random;
    for (const sql::Engine engine :
         {sql::Engine::sqlite, sql::Engine::postgres, sql::Engine::libsql}) {
        auto& device =
            *devices.emplace_back(std::make_unique<store::Device>(TASKSTORE_DRIVERS_HERE));
        if (engine != sql::Engine::sqlite) device.place = servers->fresh(engine);
        auto& databases = *opened.emplace_back(device.databases());
        sql::Database* const database = must(databases.open(store::DatabaseName::tasks));
        const std::string name(sql::name_of(engine));
        static_cast<void>(must(tasks::make_task_store(*database, clock, random)
                                   ->create_task({.title = "of " + name})));
        stores.push_back(
            {.name = name, .open = [database](std::int64_t) { return Result(database); }});
    }
    stores.push_back({.name = "away", .open = [](std::int64_t) -> Result<sql::Database*> {
                          return fail(Code::unavailable, "nobody answers");
                      }});
    std::string cursor;
    std::vector<std::string> seen;
    for (int pages = 0; pages < 3; ++pages) {
        const query::Answer answer = query::answer_of_stores(
            R"({"query_type":"search_tasks","params":{"query":"of","limit":1,"order":"created")" +
                (cursor.empty() ? "" : ",\"cursor\":" + cursor) + "}}",
            stores, clock, random);
        EXPECT_EQ(answer.status.error().code, Code::partial);
        const Json data = must(Json::parse(answer.text)).get("data");
        seen.push_back(data.get("tasks").at(0).get("store").as_string().value_or(""));
        cursor = data.get("next_cursor").to_text();
    }
    EXPECT_THAT(seen, testing::ElementsAre("sqlite", "postgres", "libsql"));
    EXPECT_EQ(cursor, "null");
}

TEST(Queries, AServerThatIsAwayIsSaidInTheAnswer) {
    store::Device device(TASKSTORE_DRIVERS_HERE);
    device.place = "postgres://postgres@127.0.0.1:1/nothing";
    const auto databases = device.databases();
    const SystemClock clock;
    SystemRandom random;
    const query::Answer answer = query::answer(
        R"({"query_id":"q","query_type":"list_tasks"})",
        [&] { return databases->open(store::DatabaseName::tasks); }, clock, random);
    EXPECT_EQ(answer.status.error().code, Code::unavailable);
    EXPECT_THAT(answer.text, testing::HasSubstr(R"("query_id":"q")"));
    EXPECT_THAT(answer.text, testing::HasSubstr(R"("status":"unavailable")"));
    EXPECT_THAT(answer.text, testing::Not(testing::HasSubstr("127.0.0.1")));
    EXPECT_THAT(answer.status.error().message, testing::HasSubstr("127.0.0.1"));
}

}  // namespace
}  // namespace taskstore
