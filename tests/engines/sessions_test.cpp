// Programs that hold tasks, as PostgreSQL sees them: sessions that end, come back, or end with
// their server.

#include "must.hpp"

#include <gmock/gmock.h>
#include <taskstore/base/clock.hpp>
#include <taskstore/postgres/database.hpp>
#include <taskstore/postgres/driver.hpp>
#include <taskstore/tasks/task_store.hpp>
#include <taskstore/testing/proxy.hpp>
#include <taskstore/testing/server.hpp>
#include <taskstore/testing/temporary_folder.hpp>
#include <taskstore/work/sessions.hpp>
#include <taskstore/work/worker.hpp>

#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <fstream>
#include <thread>

namespace taskstore::work {
namespace {

using tasks::Task;
using tasks::TaskStatus;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
using testing::StartsWith;

constexpr std::int64_t kHourMs = 3'600'000;

/// Of the program; ends with its main thread.
class SessionServer final : public testing::Environment {
  public:
    void SetUp() override { x_server = must(start_postgres()); }
    void TearDown() override { x_server.reset(); }
    Server& get() const { return *x_server; }

  private:
    std::unique_ptr<Server> x_server;
};
auto* const server =
    static_cast<SessionServer*>(testing::AddGlobalTestEnvironment(new SessionServer));

/// A program that uses the tasks.
struct Program {
    Program(const std::string& name, std::uint16_t port, bool pooler)
        : database(must(postgres::open_database(
              {.location = "postgresql://postgres@127.0.0.1:" + std::to_string(port) + "/" + name,
               .schema = "tasks",
               .pooler = pooler,
               .clock = &clock,
               .random = &random}))),
          store(tasks::make_task_store(*database, clock, random)) {}

    Task make(const tasks::CreateTask& task) { return must(store->create_task(task)).value; }
    Task get(const std::string& id) { return must(store->get_task(id)).value(); }
    Task claim(const std::string& liveness) {
        return must(store->claim_tasks({.worker = "w", .liveness = liveness})).value.at(0);
    }
    std::vector<std::string> lost(std::int64_t grace_ms) {
        std::vector<std::string> ids;
        for (const auto& task : must(store->lost_tasks(grace_ms))) ids.push_back(task.task_id);
        return ids;
    }
    /// Until the server sees this program.
    std::string session() {
        while (true) {
            if (auto kept = must(store->keep_session(key, own_grace_ms))) return *kept;
            std::this_thread::yield();
        }
    }
    std::vector<sql::Value> first(std::string_view text) {
        const sql::BoundStatement one{.sql = text};
        auto rows = must(database->read_batch({&one, 1}))[0].rows;
        return rows.empty() ? std::vector<sql::Value>{} : rows[0];
    }

    void change(std::string_view text) {
        const sql::BoundStatement one{.sql = text};
        must(database->write_batch({&one, 1}));
    }

    SystemClock clock;
    SystemRandom random;
    const std::int64_t key = static_cast<std::int64_t>(random.next_u64() >> 1U);
    std::int64_t own_grace_ms = 0;  ///< Who looks decides.
    std::unique_ptr<sql::Database> database;
    std::unique_ptr<tasks::TaskStore> store;
};

class Sessions : public testing::Test {
  protected:
    void SetUp() override {
        static int count = 0;
        x_name = "d" + std::to_string(++count);
        EXPECT_TRUE(server->get().run({must(postgres_programs()) + "createdb", "-h", "127.0.0.1",
                                       "-p", "{port}", "-U", "postgres", x_name}));
        postgres::Driver driver({.clock = &x_clock, .schema = "tasks"});
        const auto made =
            must(driver.connect(postgres_location(server->get(), "postgres", x_name), {}));
        ASSERT_TRUE(
            sql::migrate(*made, tasks::kModule, tasks::migrations(made->dialect()), x_clock));
        ASSERT_TRUE(sql::identify(*made, tasks::kModule, x_clock, x_random));
        x_proxy = must(Proxy::start(server->get().port()));
    }
    std::unique_ptr<Program> holder() { return program(x_proxy->port()); }
    std::unique_ptr<Program> watcher() { return program(server->get().port()); }
    std::unique_ptr<Program> program(std::uint16_t port, bool pooler = false) {
        return std::make_unique<Program>(x_name, port, pooler);
    }
    /// Until somebody who looks misses it.
    static void miss(Program& looker) {
        while (looker.first("SELECT id FROM task_sessions WHERE lost_at IS NOT NULL").empty())
            EXPECT_THAT(looker.lost(kHourMs), IsEmpty());
    }
    void cut() {
        x_proxy->refuse(true);
        x_proxy->cut_all();
    }

    SystemClock x_clock;
    SystemRandom x_random;
    std::string x_name;
    std::unique_ptr<Proxy> x_proxy;
};

TEST_F(Sessions, WhatAProgramHeldThatIsGoneIsFreeAfterTheGrace) {
    const auto holder = this->holder();
    const auto watcher = this->watcher();
    const std::string session = holder->session();
    EXPECT_THAT(session, StartsWith("session:"));
    EXPECT_EQ(holder->session(), session);
    const Task made = holder->make({.title = "x"});
    const Task by_hand = holder->make({.title = "y"});
    const Task held = holder->claim("elsewhere;" + session);
    ASSERT_TRUE(holder->store->claim_tasks({.worker = "w", .liveness = "elsewhere"}));
    EXPECT_THAT(watcher->lost(1), IsEmpty());
    EXPECT_THAT(watcher->lost(1), IsEmpty());
    cut();
    miss(*watcher);
    constexpr std::int64_t kGraceMs = 300;
    std::vector<std::string> lost;
    while (lost.empty()) lost = watcher->lost(kGraceMs);
    EXPECT_THAT(lost, ElementsAre(made.id)) << "and not what names no session";
    const auto since = watcher->first(
        "SELECT (extract(epoch FROM statement_timestamp()) * 1000)::bigint - lost_at FROM "
        "task_sessions");
    EXPECT_GE(std::get<std::int64_t>(since.at(0)), kGraceMs);
    EXPECT_EQ(must(free_lost(*watcher->store, {}, kGraceMs)), 1);
    EXPECT_EQ(watcher->get(made.id).status, TaskStatus::pending);
    EXPECT_EQ(watcher->get(made.id).rescues, 1);
    EXPECT_EQ(watcher->get(by_hand.id).status, TaskStatus::in_progress);
    EXPECT_THAT(must(watcher->store->history(made.id)).back().reason.value_or(""),
                HasSubstr("missed its worker's session for longer than its grace"));
    // Its row goes too, and what comes back is told that it holds no more.
    EXPECT_THAT(watcher->lost(1), IsEmpty());
    EXPECT_THAT(watcher->first("SELECT id FROM task_sessions"), IsEmpty());
    x_proxy->heal();
    EXPECT_EQ(holder->session(), session);
    EXPECT_EQ(
        holder->store->complete_task({.task_id = held.id, .fence = held.fence}, {}).error().code,
        Code::lease_lost);
}

TEST_F(Sessions, WhoComesBackWithinTheGraceKeepsItsTasks) {
    const auto holder = this->holder();
    const auto watcher = this->watcher();
    const std::string session = holder->session();
    holder->make({.title = "x"});
    const Task held = holder->claim(session);
    for (const bool by_the_server : {false, true}) {
        if (by_the_server)
            watcher->change(
                "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND "
                "objsubid = 1 AND mode = 'ShareLock' AND ((classid::bigint << 32) | "
                "objid::bigint) = (SELECT id FROM task_sessions)");
        else
            cut();
        if (!by_the_server) miss(*watcher);
        x_proxy->heal();
        EXPECT_EQ(holder->session(), session);
        EXPECT_THAT(watcher->first("SELECT id FROM task_sessions WHERE lost_at IS NOT NULL"),
                    IsEmpty());
        EXPECT_THAT(watcher->lost(1), IsEmpty());
    }
    EXPECT_EQ(watcher->get(held.id).status, TaskStatus::in_progress);
    EXPECT_TRUE(holder->store->complete_task({.task_id = held.id, .fence = held.fence}, {}));
}

// Nobody but those who look knows: it is enough that the lock is there again.
TEST_F(Sessions, WhoIsSeenAgainIsMissedNoMore) {
    const auto holder = this->holder();
    const auto watcher = this->watcher();
    holder->make({.title = "x"});
    holder->claim(holder->session());
    cut();
    miss(*watcher);
    x_proxy->heal();
    while (!watcher->first("SELECT id FROM task_sessions WHERE lost_at IS NOT NULL").empty())
        EXPECT_THAT(watcher->lost(kHourMs), IsEmpty());
}

TEST_F(Sessions, AServerThatIsStartedAgainMissesNobody) {
    const auto holder = this->holder();
    const std::string session = holder->session();
    holder->make({.title = "x"});
    const Task held = holder->claim(session);
    x_proxy->refuse(true);
    server->get().kill();
    ASSERT_TRUE(server->get().start_again());
    const auto watcher = this->watcher();
    const auto judged = [&] {
        return !watcher->first("SELECT id FROM task_sessions WHERE lost_at IS NOT NULL").empty();
    };
    for (int look = 0; look < 20; ++look) {
        EXPECT_THAT(watcher->lost(1), IsEmpty());
        EXPECT_FALSE(judged());
    }
    EXPECT_EQ(watcher->get(held.id).status, TaskStatus::in_progress);
    // Once it was there since then, it may be missed again.
    x_proxy->heal();
    EXPECT_EQ(holder->session(), session);
    EXPECT_THAT(watcher->lost(1), IsEmpty());
    cut();
    miss(*watcher);
    std::vector<std::string> lost;
    while (lost.empty()) lost = watcher->lost(1);
    EXPECT_THAT(lost, ElementsAre(held.id));
}

TEST_F(Sessions, ThroughAPoolerNobodyIsSeenButOthersAreMissed) {
    const auto pooled = program(server->get().port(), /*pooler=*/true);
    EXPECT_EQ(must(pooled->store->keep_session(pooled->key, 0)), std::nullopt);
    EXPECT_THAT(pooled->first("SELECT id FROM task_sessions"), IsEmpty());
    const auto holder = this->holder();
    const Task made = holder->make({.title = "x"});
    holder->claim(holder->session());
    cut();
    miss(*pooled);
    while (must(free_lost(*pooled->store, {}, 1)) == 0) std::this_thread::yield();
    EXPECT_EQ(pooled->get(made.id).status, TaskStatus::pending);
}

TEST_F(Sessions, AHolderThatIsSeenToLiveHereKeepsItsTask) {
    os::SystemFileSystem files;
    const TemporaryFolder folder;
    const RunFolder run = run_folder(folder.path(), x_name);
    const auto holder = this->holder();
    const auto watcher = this->watcher();
    const Task made = holder->make({.title = "x"});
    const std::string liveness = must(watch_process(files, run, ::getpid()));
    holder->claim(liveness + ";" + holder->session());
    EXPECT_EQ(life_of(run, liveness + ";session:1"), Life::lives);
    cut();
    miss(*watcher);
    while (watcher->lost(1).empty()) std::this_thread::yield();
    EXPECT_EQ(must(free_lost(*watcher->store, run, 1)), 0);
    EXPECT_EQ(must(free_lost(*watcher->store, {}, 0)), 0) << "sessions say nothing";
    EXPECT_EQ(watcher->get(made.id).status, TaskStatus::in_progress);
}

// Whether something of its command still runs is seen here alone.
TEST_F(Sessions, AHolderThatDiedHereIsLeftToWhoSeesThat) {
    os::SystemFileSystem files;
    const TemporaryFolder folder;
    const RunFolder run = run_folder(folder.path(), x_name);
    const auto holder = this->holder();
    const auto watcher = this->watcher();
    const pid_t child = ::fork();
    if (child == 0) {
        ::pause();
        ::_exit(0);
    }
    holder->make({.title = "x"});
    const std::string liveness = must(watch_process(files, run, child));
    holder->claim(liveness + ";" + holder->session());
    ASSERT_EQ(::kill(child, SIGKILL), 0);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    EXPECT_EQ(life_of(run, liveness), Life::dead);
    cut();
    miss(*watcher);
    while (watcher->lost(1).empty()) std::this_thread::yield();
    EXPECT_EQ(must(free_lost(*watcher->store, run, 1)), 0);
}

TEST_F(Sessions, WhoReachesTheServerWithoutItsSessionIsNotMissed) {
    const auto holder = this->holder();
    const auto watcher = this->watcher();
    holder->make({.title = "x"});
    holder->claim(holder->session());
    x_proxy->refuse(true);
    watcher->change(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = "
        "1 AND mode = 'ShareLock' AND ((classid::bigint << 32) | objid::bigint) = (SELECT id FROM "
        "task_sessions)");
    miss(*watcher);
    while (must(holder->store->keep_session(holder->key, 0))) std::this_thread::yield();
    EXPECT_THAT(watcher->first("SELECT id FROM task_sessions WHERE lost_at IS NOT NULL"),
                IsEmpty());
    // Its grace begins anew.
    EXPECT_THAT(watcher->lost(kHourMs), IsEmpty());
    x_proxy->heal();
    holder->session();
}

TEST_F(Sessions, AServerThatRefusesToShowLocksIsHeardAllTheSame) {
    const auto owner = this->watcher();
    owner->change("CREATE ROLE \"plain_" + x_name + "\" LOGIN");
    owner->change("GRANT ALL ON ALL TABLES IN SCHEMA tasks TO \"plain_" + x_name + "\"");
    owner->change("GRANT USAGE ON SCHEMA tasks TO \"plain_" + x_name + "\"");
    owner->change("REVOKE SELECT ON pg_locks FROM public");
    const auto database = must(postgres::open_database(
        {.location = "postgresql://plain_" + x_name +
                     "@127.0.0.1:" + std::to_string(server->get().port()) + "/" + x_name,
         .schema = "tasks",
         .clock = &x_clock,
         .random = &x_random}));
    const auto waiter = must(database->waiter("t"));
    EXPECT_EQ(must(database->presence(7)), nullptr);
    // On one session, that stays: each new one would end the wait.
    constexpr std::int64_t kWaitNs = 1'500'000'000;
    int ends = 0;
    while (ends < 4 && must(waiter->wait(x_clock.boot_ns() + kWaitNs))) ++ends;
    EXPECT_LT(ends, 4) << "a session after the other";
}

// Its connections are cut: others may have its task from the end of the grace.
TEST_F(Sessions, AWorkerThatIsCutOffEndsItsCommandBeforeOthersHaveTheTask) {
    os::SystemFileSystem files;
    const TemporaryFolder folder;
    const auto cut_off = this->holder();
    const auto watcher = this->watcher();
    const std::string pid_file = folder / "pid";
    const Task made = watcher->make({.title = "long",
                                     .command = "echo $$ > " + pid_file + ".new && mv " + pid_file +
                                                ".new " + pid_file + " && exec sleep 300",
                                     .shell = true});
    std::atomic<bool> lost{false};
    WorkerOptions options{.name = "far"};
    options.tasks_max = 1;
    options.session_grace_ms = 2'000;
    options.run = run_folder(folder.path(), x_name);
    options.log_folder = folder / "logs";
    options.finished = [&](const Finished& finished) { lost = finished.outcome == Outcome::lost; };
    Worker worker(*cut_off->store, cut_off->clock, cut_off->random, files, options);
    std::jthread working([&] { EXPECT_TRUE(worker.run()); });
    std::string pid;
    while (pid.empty()) {
        std::ifstream(pid_file) >> pid;
        std::this_thread::yield();
    }
    EXPECT_EQ(::kill(std::stoi(pid), 0), 0);
    cut();
    while (watcher->lost(kHourMs).empty()) std::this_thread::yield();
    EXPECT_NE(::kill(std::stoi(pid), 0), 0) << "both would work on it";
    EXPECT_EQ(must(free_lost(*watcher->store, {}, kHourMs)), 1);
    EXPECT_EQ(watcher->get(made.id).status, TaskStatus::pending);
    x_proxy->heal();
    working.join();
    EXPECT_TRUE(lost);
}

TEST_F(Sessions, AWorkerHoldsWithItsSessionAndFreesWhatOthersLost) {
    os::SystemFileSystem files;
    const TemporaryFolder folder;
    const auto holder = this->holder();
    const auto other = this->watcher();
    holder->own_grace_ms = 40;
    const Task lost = holder->make({.title = "lost", .command = "true", .priority = 20});
    holder->claim("elsewhere;" + holder->session());
    cut();
    const Task mine = other->make({.title = "mine", .command = "true"});
    std::vector<std::string> livenesses;
    std::atomic<int> ended{0};
    WorkerOptions options{.name = "w2"};
    options.session_grace_ms = 2'000;
    options.run = run_folder(folder.path(), x_name);
    options.log_folder = folder / "logs";
    options.began = [&](const Task& task) { livenesses.push_back(task.liveness.value_or("")); };
    Worker* running = nullptr;
    options.finished = [&](const Finished&) {
        if (++ended == 2) running->drain();
    };
    Worker worker(*other->store, other->clock, other->random, files, options);
    running = &worker;
    ASSERT_TRUE(worker.run());
    EXPECT_THAT(livenesses, SizeIs(2));
    for (const std::string& liveness : livenesses) {
        EXPECT_THAT(liveness, StartsWith("lock:"));
        EXPECT_THAT(liveness, HasSubstr(";session:"));
    }
    EXPECT_EQ(other->get(mine.id).status, TaskStatus::completed);
    EXPECT_EQ(other->get(lost.id).status, TaskStatus::completed);
    EXPECT_EQ(other->get(lost.id).assigned_to, "w2");
}

}  // namespace
}  // namespace taskstore::work
