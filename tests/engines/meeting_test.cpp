// Verbs of many callers that meet in one transaction of PostgreSQL, and there in one statement of
// each kind: everybody is told what he would be told alone.

#include "must.hpp"
#include "task_invariants.hpp"

#include <gmock/gmock.h>
#include <taskstore/base/clock.hpp>
#include <taskstore/postgres/database.hpp>
#include <taskstore/postgres/driver.hpp>
#include <taskstore/tasks/task_store.hpp>
#include <taskstore/testing/proxy.hpp>
#include <taskstore/testing/server.hpp>

#include <atomic>
#include <map>
#include <random>
#include <set>
#include <thread>

namespace taskstore::tasks {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

/// Of the program; ends with its main thread.
class MeetingServer final : public testing::Environment {
  public:
    void SetUp() override { x_server = must(start_postgres()); }
    void TearDown() override { x_server.reset(); }
    Server& get() const { return *x_server; }
    std::string fresh_database() {
        const std::string name = "d" + std::to_string(++x_count);
        EXPECT_TRUE(x_server->run({must(postgres_programs()) + "createdb", "-h", "127.0.0.1", "-p",
                                   "{port}", "-U", "postgres", name}));
        return name;
    }

  private:
    std::unique_ptr<Server> x_server;
    int x_count = 0;
};
auto* const server =
    static_cast<MeetingServer*>(testing::AddGlobalTestEnvironment(new MeetingServer));

using Call = std::function<void()>;

class Meeting : public testing::Test {
  protected:
    void SetUp() override {
        const std::string name = server->fresh_database();
        {
            postgres::Driver driver({.clock = &x_clock, .schema = "tasks"});
            const auto made =
                must(driver.connect(postgres_location(server->get(), "postgres", name), {}));
            ASSERT_TRUE(sql::migrate(*made, kModule, migrations(made->dialect()), x_clock));
            ASSERT_TRUE(sql::identify(*made, kModule, x_clock, x_random));
        }
        x_proxy = must(Proxy::start(server->get().port()));
        x_database =
            must(postgres::open_database({.location = "postgresql://postgres@127.0.0.1:" +
                                                      std::to_string(x_proxy->port()) + "/" + name,
                                          .schema = "tasks",
                                          .pool = {.max_connections = 1},
                                          .clock = &x_clock,
                                          .random = &x_random,
                                          .queued_for_testing = [this] {
                                              x_queued.fetch_add(1);
                                              x_queued.notify_all();
                                          }}));
        x_store = make_task_store(*x_database, x_clock, x_random);
        make({.title = "the first"});
    }
    Task make(const CreateTask& task) { return must(x_store->create_task(task)).value; }
    Task get(const std::string& id) { return must(x_store->get_task(id)).value(); }
    Task claim(const std::string& worker) {
        return must(x_store->claim_tasks({.worker = worker})).value.at(0);
    }
    std::vector<std::string> verbs_of(const std::string& id) {
        std::vector<std::string> verbs;
        for (const auto& entry : must(x_store->history(id))) verbs.push_back(entry.verb);
        return verbs;
    }

    /// Each call writes once, and all wait while the one before them has no answer yet.
    void together(const std::vector<Call>& calls) {
        std::vector<std::jthread> threads;
        x_proxy->hold(Proxy::to_client, true);
        x_proxy->mark();
        threads.emplace_back(
            [&] { make({.title = "who leads", .project = "elsewhere", .agent_type = "none"}); });
        // Once it is on its way nobody joins it.
        while (x_proxy->recorded(Proxy::to_server).find("who leads") == std::string::npos)
            std::this_thread::yield();
        for (const Call& call : calls) {
            const int before = x_queued.load();
            threads.emplace_back(call);
            x_queued.wait(before);
        }
        x_proxy->mark();
        x_proxy->hold(Proxy::to_client, false);
        threads.clear();
        // A form that the server refuses would be told to nobody: all would go on one by one.
        EXPECT_THAT(x_proxy->recorded(Proxy::to_client), Not(HasSubstr("ERROR")));
    }
    bool answered(std::string_view tag) {
        return x_proxy->recorded(Proxy::to_client).find(std::string(tag) + '\0') !=
               std::string::npos;
    }

    SystemClock x_clock;
    SeededRandom x_random{7};
    std::atomic<int> x_queued{0};
    std::unique_ptr<Proxy> x_proxy;
    std::unique_ptr<sql::Database> x_database;
    std::unique_ptr<TaskStore> x_store;
};

TEST_F(Meeting, TasksOfManyAreMadeAtOnce) {
    std::vector<std::string> ids(8);
    std::vector<Call> calls;
    for (std::size_t i = 0; i < ids.size(); ++i)
        calls.emplace_back([&, i] {
            ids[i] = make({.title = "task " + std::to_string(i),
                           .project = i % 2 == 0 ? "even" : "odd",
                           .priority = static_cast<std::int64_t>(i),
                           .capabilities = i < 4 ? std::vector<std::string>{}
                                                 : std::vector<std::string>{"gpu"}})
                         .id;
        });
    together(calls);
    EXPECT_TRUE(answered("INSERT 0 8")) << "in one statement";
    EXPECT_TRUE(answered("INSERT 0 4")) << "four lanes, asked for by eight";
    for (std::size_t i = 0; i < ids.size(); ++i) {
        const Task task = get(ids[i]);
        EXPECT_EQ(task.title, "task " + std::to_string(i));
        EXPECT_EQ(task.priority, static_cast<std::int64_t>(i));
        EXPECT_EQ(task.project, i % 2 == 0 ? "even" : "odd");
        EXPECT_THAT(verbs_of(ids[i]), ElementsAre("create"));
    }
    EXPECT_EQ(must(x_store->list_tasks({.words = {"task"}})).tasks.size(), ids.size());
    EXPECT_THAT(what_is_wrong(*x_database, x_clock.wall_ms()), IsEmpty());
}

TEST_F(Meeting, WhoAsksAlikeGetsTheFirstOnes) {
    std::set<std::string> first{claim("w").id};
    first.clear();
    for (int i = 0; i < 6; ++i) {
        const std::string id = make({.title = "x", .project = i % 2 == 0 ? "p" : "q"}).id;
        if (i < 4) first.insert(id);
    }
    std::vector<std::vector<Task>> got(4);
    std::vector<Call> calls;
    for (std::size_t i = 0; i < got.size(); ++i)
        calls.emplace_back([&, i] {
            got[i] = must(x_store->claim_tasks({.worker = "w" + std::to_string(i),
                                                .lease_ms = 1'000 + static_cast<std::int64_t>(i)}))
                         .value;
        });
    together(calls);
    EXPECT_TRUE(answered("UPDATE 4"));
    std::set<std::string> ids;
    for (std::size_t i = 0; i < got.size(); ++i) {
        ASSERT_EQ(got[i].size(), 1U);
        const Task& task = got[i][0];
        ids.insert(task.id);
        EXPECT_EQ(task.assigned_to, "w" + std::to_string(i));
        EXPECT_EQ(*task.lease_expires_at - *task.started_at, 1'000 + static_cast<std::int64_t>(i));
        EXPECT_EQ(task, get(task.id));
        const auto history = must(x_store->history(task.id));
        ASSERT_EQ(history.size(), 2U);
        EXPECT_EQ(history[1].verb, "claim");
        EXPECT_EQ(history[1].actor, task.assigned_to);
        EXPECT_EQ(history[1].fence, task.fence);
    }
    EXPECT_EQ(ids, first);
}

TEST_F(Meeting, WhoAsksOtherwiseGetsWhatFitsAndNoTaskHasTwo) {
    claim("w");
    for (int i = 0; i < 3; ++i) make({.title = "a", .project = "a"});
    for (int i = 0; i < 2; ++i) make({.title = "b", .command = "true", .project = "b"});
    make({.title = "g", .capabilities = {"gpu"}});
    const std::vector<ClaimRequest> requests{
        {.worker = "w0"},
        {.worker = "w1"},
        {.worker = "w2", .project = "b"},
        {.worker = "w3", .capabilities = {"gpu"}},
        {.worker = "w4", .with_command = true},
        {.worker = "w5", .project = "nowhere"},
        {.worker = "w6", .project = "b"},
    };
    std::vector<std::vector<Task>> got(requests.size());
    std::vector<Call> calls;
    for (std::size_t i = 0; i < requests.size(); ++i)
        calls.emplace_back([&, i] { got[i] = must(x_store->claim_tasks(requests[i])).value; });
    together(calls);
    std::set<std::string> ids;
    for (std::size_t i = 0; i < requests.size(); ++i) {
        for (const Task& task : got[i]) {
            EXPECT_TRUE(ids.insert(task.id).second) << "twice";
            EXPECT_EQ(get(task.id).assigned_to, requests[i].worker);
            EXPECT_EQ(task.project, requests[i].project.value_or(task.project));
            EXPECT_TRUE(task.capabilities.empty() || !requests[i].capabilities.empty());
            EXPECT_TRUE(task.command || !requests[i].with_command);
        }
        if (got[i].empty()) {
            EXPECT_THAT(must(x_store->claim_tasks(requests[i])).value, IsEmpty())
                << "there was something for " << requests[i].worker;
        }
    }
    EXPECT_THAT(got[5], IsEmpty());
    EXPECT_GE(ids.size(), 5U);
    EXPECT_THAT(what_is_wrong(*x_database, x_clock.wall_ms()), IsEmpty());
}

// All find the same first task in one statement.
TEST_F(Meeting, HoweverManyAskOtherwiseEachGetsWhatIsThere) {
    claim("w");
    constexpr std::size_t kCallers = 14;
    for (std::size_t i = 0; i < kCallers; ++i) make({.title = "for anybody"});
    std::vector<std::vector<Task>> got(kCallers);
    std::vector<Call> calls;
    for (std::size_t i = 0; i < kCallers; ++i)
        calls.emplace_back([&, i] {
            got[i] = must(x_store->claim_tasks({.worker = "w" + std::to_string(i),
                                                .capabilities = {"c" + std::to_string(i)}}))
                         .value;
        });
    together(calls);
    std::set<std::string> ids;
    for (const auto& tasks : got) {
        ASSERT_EQ(tasks.size(), 1U);
        ids.insert(tasks[0].id);
    }
    EXPECT_EQ(ids.size(), kCallers);
}

TEST_F(Meeting, WhatIsDueIsThereForAllOfThem) {
    claim("w");
    constexpr std::size_t kCallers = 70;
    std::vector<CreateTask> due(kCallers, {.title = "due", .not_before = 1});
    must(x_store->create_tasks(due));
    std::atomic<std::size_t> got{0};
    std::vector<Call> calls;
    for (std::size_t i = 0; i < kCallers; ++i)
        calls.emplace_back([&, i] {
            got += must(x_store->claim_tasks({.worker = "w" + std::to_string(i)})).value.size();
        });
    together(calls);
    EXPECT_EQ(got.load(), kCallers);
}

TEST_F(Meeting, CompletionsCountForOthersAndStaleOnesAreRefused) {
    claim("w");
    const Task a = make({.title = "a"});
    const Task b = make({.title = "b"});
    const Task stale = make({.title = "stale"});
    const Task key = make({.title = "k", .concurrency_key = "k", .concurrency_limit = 1});
    const Task next = make({.title = "next", .concurrency_key = "k", .concurrency_limit = 1});
    const Task after = make({.title = "after both", .depends_on = {a.id, b.id}});
    std::map<std::string, std::int64_t> fences;
    for (int i = 0; i < 4; ++i) {
        const Task held = claim("w" + std::to_string(i));
        fences[held.id] = held.fence;
    }
    ASSERT_TRUE(fences.contains(key.id));
    const std::vector<Hold> holds{{.task_id = a.id, .fence = fences[a.id]},
                                  {.task_id = a.id, .fence = fences[a.id]},
                                  {.task_id = b.id, .fence = fences[b.id]},
                                  {.task_id = key.id},
                                  {.task_id = stale.id, .fence = fences[stale.id] - 1}};
    std::vector<Result<Written<Task>>> told(holds.size(), Written<Task>{});
    std::vector<Call> calls;
    for (std::size_t i = 0; i < holds.size(); ++i)
        calls.emplace_back([&, i] {
            told[i] = x_store->complete_task(
                holds[i], {.result = "[" + std::to_string(i) + "]",
                           .exit_code = i % 2 == 0 ? std::optional<std::int64_t>(0)
                                                   : std::optional<std::int64_t>()});
        });
    together(calls);
    EXPECT_TRUE(answered("UPDATE 3"));
    EXPECT_NE(told[0].has_value(), told[1].has_value()) << "one of the two";
    const auto& refused = told[0] ? told[1] : told[0];
    EXPECT_EQ(refused.error().code, Code::lease_lost);
    EXPECT_EQ(told[4].error().code, Code::lease_lost);
    for (const std::size_t i : {std::size_t{told[0] ? 0U : 1U}, std::size_t{2}, std::size_t{3}}) {
        ASSERT_TRUE(told[i]) << told[i].error().message;
        EXPECT_EQ(told[i]->value, get(holds[i].task_id));
        EXPECT_EQ(told[i]->value.result, "[" + std::to_string(i) + "]");
        EXPECT_THAT(verbs_of(holds[i].task_id), ElementsAre("create", "claim", "complete"));
    }
    EXPECT_EQ(get(stale.id).status, TaskStatus::in_progress);
    EXPECT_EQ(get(after.id).open_dependencies, 0);
    std::vector<std::string> free;
    for (int i = 0; i < 2; ++i) free.push_back(claim("v").id);
    EXPECT_THAT(free, UnorderedElementsAre(next.id, after.id));
    EXPECT_THAT(what_is_wrong(*x_database, x_clock.wall_ms()), IsEmpty());
}

// Whatever meets: what is counted ahead fits, nobody holds what another one holds, and what was
// told stands there.
TEST_F(Meeting, AnyVerbsLeaveWhatTheRowsSay) {
    const auto seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    std::mt19937 random(seed);
    const auto below = [&](int limit) {
        return std::uniform_int_distribution<int>(0, limit - 1)(random);
    };
    std::vector<std::string> ids;
    std::vector<Task> held;
    for (int round = 0; round < 25; ++round) {
        struct Answer {
            std::vector<Task> claimed;
            std::optional<Task> made;
            std::optional<Task> completed;
        };
        std::vector<Answer> answers(static_cast<std::size_t>(2 + below(12)));
        std::vector<Call> calls;
        for (Answer& answer : answers) {
            const int what = below(3);
            if (what == 0) {
                CreateTask task{.title = "any", .project = below(2) == 0 ? "p" : "q"};
                if (below(4) == 0) task.concurrency_key = "k", task.concurrency_limit = 2;
                if (below(4) == 0 && !ids.empty())
                    task.depends_on = {
                        ids[static_cast<std::size_t>(below(static_cast<int>(ids.size())))]};
                calls.emplace_back([this, &answer, task] { answer.made = make(task); });
            } else if (what == 1 || held.empty()) {
                ClaimRequest request{.worker = "w" + std::to_string(below(3))};
                if (below(3) == 0) request.project = "p";
                request.limit = 1 + below(2);
                calls.emplace_back([this, &answer, request] {
                    answer.claimed = must(x_store->claim_tasks(request)).value;
                });
            } else {
                const Task one =
                    held[static_cast<std::size_t>(below(static_cast<int>(held.size())))];
                calls.emplace_back([this, &answer, one] {
                    const auto told =
                        x_store->complete_task({.task_id = one.id, .fence = one.fence}, {});
                    if (told) answer.completed = told->value;
                });
            }
        }
        together(calls);
        for (const Answer& answer : answers) {
            if (answer.made) ids.push_back(answer.made->id);
            if (!answer.completed) continue;
            EXPECT_EQ(std::erase_if(
                          held, [&](const Task& one) { return one.id == answer.completed->id; }),
                      1U)
                << "completed by one, who held it";
            EXPECT_EQ(get(answer.completed->id), *answer.completed);
        }
        for (const Answer& answer : answers)
            for (const Task& task : answer.claimed) {
                EXPECT_TRUE(
                    std::ranges::none_of(held, [&](const Task& one) { return one.id == task.id; }));
                held.push_back(task);
            }
        ASSERT_THAT(what_is_wrong(*x_database, x_clock.wall_ms()), IsEmpty());
    }
    EXPECT_FALSE(held.empty());
}

}  // namespace
}  // namespace taskstore::tasks
