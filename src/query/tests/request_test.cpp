#include <gmock/gmock.h>
#include <taskstore/query/query.hpp>

namespace taskstore::query {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<Request> parsed(std::string_view text) {
    Asked asked;
    return parse_request(text, asked);
}

/// The message of what is refused, with its hint.
std::string refused(std::string_view text) {
    const auto request = parsed(text);
    if (request) return "it was taken";
    EXPECT_EQ(request.error().code, Code::invalid) << request.error().message;
    return request.error().message + "; " + request.error().hint;
}

std::string list_with(const std::string& params) {
    return R"({"query_type":"list_tasks","params":{)" + params + "}}";
}

TEST(QueryRequest, EveryMemberIsRead) {
    const auto request = parsed(
        R"({"protocol":1,"query_id":"q7","query_type":"search_tasks","deadline_ms":250,"params":{
            "query":"index build","status":"RUNNING","part":"all","project":"p","assigned_to":"w",
            "agent_type":"cursor","capability":["gpu","arm"],"spec_id":"s","min_priority":"high",
            "max_priority":20,"created_since":"2023-11-14T22:13:20Z","created_until":1700000000001,
            "updated_since":1,"updated_until":2,"order":"-priority","limit":7,"cursor":"p-1.a"}})");
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->asked.id, "q7");
    EXPECT_EQ(request->asked.type, QueryType::search_tasks);
    EXPECT_EQ(request->deadline_ms, 250);
    const tasks::TaskFilter& filter = request->filter;
    EXPECT_THAT(filter.words, ElementsAre("index build"));
    EXPECT_EQ(filter.status, tasks::TaskStatus::in_progress);
    EXPECT_EQ(filter.project, "p");
    EXPECT_EQ(filter.assigned_to, "w");
    EXPECT_EQ(filter.agent_type, "cursor");
    EXPECT_THAT(filter.capabilities, ElementsAre("gpu", "arm"));
    EXPECT_EQ(filter.spec_id, "s");
    EXPECT_EQ(filter.priority.least, 10);
    EXPECT_EQ(filter.priority.most, 20);
    EXPECT_EQ(filter.created_at.least, 1'700'000'000'000);
    EXPECT_EQ(filter.created_at.most, 1'700'000'000'001);
    EXPECT_EQ(filter.updated_at.least, 1);
    EXPECT_EQ(filter.updated_at.most, 2);
    EXPECT_EQ(filter.order, tasks::TaskOrder::priority);
    EXPECT_TRUE(filter.descending);
    EXPECT_EQ(filter.limit, 7);
    EXPECT_EQ(filter.after, "p-1.a");
}

TEST(QueryRequest, LittleIsEnough) {
    const auto request = parsed(R"({"query_type":"list_tasks"})");
    ASSERT_TRUE(request) << request.error().message;
    EXPECT_EQ(request->asked.id, std::nullopt);
    EXPECT_EQ(request->filter.limit, 100);
    EXPECT_EQ(request->deadline_ms, 30'000);
    EXPECT_TRUE(parsed(R"({"query_type":"get_task_stats","query_id":null,"params":null})"));
    EXPECT_EQ(parsed(R"({"query_type":"get_task","params":{"id":"01a"}})")->task_id, "01a");
}

TEST(QueryRequest, StatusesAreTakenInEveryFoundingSpelling) {
    using tasks::TaskStatus;
    for (const auto& [word, status] :
         std::vector<std::pair<std::string, TaskStatus>>{{"pending", TaskStatus::pending},
                                                         {"running", TaskStatus::in_progress},
                                                         {"in_progress", TaskStatus::in_progress},
                                                         {"complete", TaskStatus::completed},
                                                         {"completed", TaskStatus::completed},
                                                         {"done", TaskStatus::completed},
                                                         {"error", TaskStatus::failed},
                                                         {"failed", TaskStatus::failed},
                                                         {"canceled", TaskStatus::cancelled},
                                                         {"Cancelled", TaskStatus::cancelled}}) {
        const auto request = parsed(list_with(R"("status":")" + word + "\""));
        ASSERT_TRUE(request) << word;
        EXPECT_EQ(request->filter.status, status) << word;
    }
}

TEST(QueryRequest, WhatIsWrongIsNamed) {
    EXPECT_THAT(refused(""), HasSubstr("JSON"));
    EXPECT_THAT(refused("[]"), HasSubstr("no JSON object"));
    EXPECT_THAT(refused("{}"), HasSubstr("query_type"));
    EXPECT_THAT(refused(R"({"query_type":"drop_tasks"})"), HasSubstr("list_tasks, get_task"));
    EXPECT_THAT(refused(R"({"query_type":"list_tasks","parms":{}})"), HasSubstr("'params'?"));
    EXPECT_THAT(refused(R"({"query_type":"list_tasks","query_type":"get_task"})"),
                HasSubstr("query_type"));
    EXPECT_THAT(refused(R"({"query_type":"list_tasks","params":[]})"), HasSubstr("params"));
    EXPECT_THAT(refused(R"({"query_type":"get_task"})"), HasSubstr("params.id"));
    EXPECT_THAT(refused(R"({"query_type":"search_tasks"})"), HasSubstr("params.query"));
    EXPECT_THAT(refused(R"({"query_type":"list_tasks","deadline_ms":0})"), HasSubstr("1..600000"));
    EXPECT_THAT(refused(R"({"query_type":"list_tasks","query_id":7})"), HasSubstr("query_id"));
    EXPECT_THAT(refused(R"({"query":"list_tasks"})"), HasSubstr("query_type is missing: which"));
    EXPECT_THAT(refused(R"({"query_type":"lists"})"), HasSubstr("query_type is no query: list_"));
    EXPECT_THAT(refused(list_with(R"("statis":"done")")), HasSubstr("'status'?"));
    EXPECT_THAT(refused(list_with(R"("query":"x")")), HasSubstr("'query' is not known"));
    EXPECT_THAT(refused(list_with(R"("status":"lost")")), HasSubstr("params.status"));
    EXPECT_THAT(refused(list_with(R"("limit":1001)")), HasSubstr("1..1000"));
    EXPECT_THAT(refused(list_with(R"("limit":1.5)")), HasSubstr("params.limit"));
    EXPECT_THAT(refused(list_with(R"("order":"title")")), HasSubstr("params.order"));
    EXPECT_THAT(refused(list_with(R"("part":"some")")), HasSubstr("params.part"));
    EXPECT_THAT(refused(list_with(R"("created_since":"monday")")), HasSubstr("RFC 3339"));
    EXPECT_THAT(refused(list_with(R"("min_priority":"huge")")), HasSubstr("params.min_priority"));
    EXPECT_THAT(refused(list_with(R"("capability":[1])")), HasSubstr("params.capability"));
    EXPECT_THAT(refused(std::string(kRequestBytesMax + 1, ' ')), HasSubstr("longer than"));
}

TEST(QueryRequest, AnotherProtocolIsSaidToBeOne) {
    const auto request = parsed(R"({"protocol":2,"query_type":"list_tasks"})");
    ASSERT_FALSE(request);
    EXPECT_EQ(request.error().code, Code::unsupported);
}

TEST(QueryRequest, WhoAskedIsKnownThoughTheRestIsWrong) {
    Asked asked;
    EXPECT_FALSE(
        parse_request(R"({"params":{"x":1},"query_type":"get_task","query_id":"q"})", asked));
    EXPECT_EQ(asked.id, "q");
    EXPECT_EQ(asked.type, QueryType::get_task);
    EXPECT_FALSE(parse_request("{", asked));
    EXPECT_EQ(asked.id, std::nullopt);
}

}  // namespace
}  // namespace taskstore::query
