// Tasks, backups and moves on real servers, with the drivers loaded as the program loads them.

#include "servers.hpp"
#include "task_store_contract.hpp"

#include <gmock/gmock.h>
#include <taskstore/task_store.hpp>
#include <taskstore/testing/proxy.hpp>

#include <array>
#include <cstdlib>
#include <thread>

namespace taskstore {
namespace {

using testing::ElementsAre;

}  // namespace

namespace tasks {
namespace {

class ServerSandbox final : public TaskSandbox {
  public:
    explicit ServerSandbox(sql::Engine engine) {
        // Both in one: their tables do not meet.
        x_device.place = x_device.archive_place = servers->fresh(engine);
        x_databases = x_device.databases();
        auto database = x_databases->open(store::DatabaseName::tasks);
        EXPECT_TRUE(database) << (database ? "" : database.error().message);
        x_database = *database;
    }
    sql::Database& database() override { return *x_database; }
    sql::Database& archive() override {
        auto database = x_databases->open(store::DatabaseName::archive);
        EXPECT_TRUE(database) << (database ? "" : database.error().message);
        return **database;
    }

  private:
    store::Device x_device{TASKSTORE_DRIVERS_HERE};
    std::unique_ptr<store::Databases> x_databases;
    sql::Database* x_database = nullptr;
};

TaskBackend backend(std::string name, sql::Engine engine) {
    return {.name = std::move(name),
            .make = [engine](const Clock&) { return std::make_unique<ServerSandbox>(engine); },
            .level = engine == sql::Engine::postgres ? sql::DurabilityLevel::flushed
                                                     : sql::DurabilityLevel::server};
}

INSTANTIATE_TEST_SUITE_P(Servers, TaskStoreContract,
                         testing::Values(backend("Postgres", sql::Engine::postgres),
                                         backend("Libsql", sql::Engine::libsql)),
                         backend_name);

// The claim of the founding document 3, as it stands there but for the parameter: on PostgreSQL two
// sessions that run it at once get the same task, for the second one waits for the row, and then
// looks at nothing but its id again.
constexpr std::string_view kFoundingClaim =
    "UPDATE founding SET status = 'in_progress', assigned_to = ?1, started_at = CURRENT_TIMESTAMP "
    "WHERE id = (SELECT id FROM founding WHERE status = 'pending' ORDER BY CASE priority WHEN "
    "'urgent' THEN 0 WHEN 'high' THEN 1 WHEN 'normal' THEN 2 ELSE 3 END, created_at LIMIT 1) "
    "RETURNING id";

class TwoSessions : public testing::Test {
  protected:
    std::unique_ptr<sql::Connection> session() {
        return must(x_databases->connect(store::DatabaseName::tasks,
                                         must(sql::parse_location(x_device.place)),
                                         {.read_only = false}));
    }

    store::Device x_device{TASKSTORE_DRIVERS_HERE};
    std::unique_ptr<store::Databases> x_databases = [this] {
        x_device.place = servers->fresh(sql::Engine::postgres);
        return x_device.databases();
    }();
    sql::Database* x_database = must(x_databases->open(store::DatabaseName::tasks));
};

TEST_F(TwoSessions, TheFoundingClaimGivesOneTaskToBoth) {
    const auto first = session();
    const auto second = session();
    const auto looker = session();
    ASSERT_TRUE(first->execute(
        "CREATE TABLE founding (id TEXT PRIMARY KEY, priority TEXT DEFAULT 'normal', status TEXT "
        "DEFAULT 'pending', assigned_to TEXT, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, "
        "started_at TIMESTAMP);"
        "INSERT INTO founding (id) VALUES ('a'), ('b')"));
    ASSERT_TRUE(first->begin_write());
    const std::string got = store::first_of(*first, kFoundingClaim, {std::string("w1")});
    std::string got_too;
    {
        std::jthread other(
            [&] { got_too = store::first_of(*second, kFoundingClaim, {std::string("w2")}); });
        store::wait_until_one_waits(*looker);
        ASSERT_TRUE(first->commit());
    }
    EXPECT_EQ(got, got_too) << "it is why claims here are made otherwise";
}

TEST_F(TwoSessions, OurClaimPassesOverWhatAnotherIsAboutToTake) {
    SystemClock clock;
    SeededRandom random{9};
    const auto tasks = make_task_store(*x_database, clock, random);
    const std::string a = must(tasks->create_task({.title = "a"})).value.id;
    const std::string b = must(tasks->create_task({.title = "b"})).value.id;
    const auto first = session();
    ASSERT_TRUE(first->begin_write());
    EXPECT_EQ(store::first_of(*first,
                              "SELECT id FROM tasks WHERE ready = 1 ORDER BY rank, id LIMIT 1 "
                              "FOR UPDATE SKIP LOCKED"),
              a);
    EXPECT_EQ(must(tasks->claim_tasks({.worker = "w2"})).value.at(0).id, b);
    ASSERT_TRUE(first->commit());
    EXPECT_EQ(must(tasks->claim_tasks({.worker = "w2"})).value.at(0).id, a);
    EXPECT_TRUE(must(tasks->claim_tasks({.worker = "w2"})).value.empty());
}

TEST_F(TwoSessions, ASlotThatBecomesFreeWhileItsKeyIsSettledIsGivenAway) {
    SystemClock clock;
    SeededRandom random{9};
    const auto tasks = make_task_store(*x_database, clock, random);
    const CreateTask keyed{.title = "x", .concurrency_key = "k", .concurrency_limit = 1};
    const std::string first = must(tasks->create_task(keyed)).value.id;
    const std::string second = must(tasks->create_task(keyed)).value.id;
    const auto settler = session();
    ASSERT_TRUE(settler->execute("UPDATE task_limits SET dirty = 1"));
    ASSERT_TRUE(settler->begin_write());
    ASSERT_TRUE(settler->execute("UPDATE task_limits SET dirty = 0 WHERE name = 'k'"));
    {
        std::jthread other([&] { EXPECT_TRUE(tasks->cancel_task(first, "ann", "")); });
        while (must(tasks->get_task(first))->status != TaskStatus::cancelled) {
        }
        ASSERT_TRUE(settler->commit());
    }
    const auto claimed = must(tasks->claim_tasks({.worker = "w"})).value;
    ASSERT_EQ(claimed.size(), 1U);
    EXPECT_EQ(claimed[0].id, second);
}

TEST_F(TwoSessions, LeasesOfAServerGoByItsClock) {
    FakeClock wrong(1'000'000);  // Of a device that has lost its time.
    SeededRandom random{9};
    const auto tasks = make_task_store(*x_database, wrong, random);
    must(tasks->create_task({.title = "a"}));
    const Task held = must(tasks->claim_tasks({.worker = "w"})).value.at(0);
    const SystemClock right;
    EXPECT_GT(*held.lease_expires_at, right.wall_ms());
    EXPECT_LE(*held.lease_expires_at, right.wall_ms() + held.lease_ms);
}

}  // namespace
}  // namespace tasks

namespace store {
namespace {

TEST(Engines, ADatabaseGoesRoundThemAllAndIsTheSame) {
    Device device(TASKSTORE_DRIVERS_HERE);
    std::vector<tasks::Task> made;
    std::vector<tasks::HistoryEntry> history;
    {
        OpenTasks tasks(device);
        for (int i = 0; i < 1'200; ++i) tasks.add("task " + std::to_string(i));
        ASSERT_TRUE(tasks.store->create_task({.title = "full",
                                              .description = "it's \xF0\x9F\xA6\x80\r\n\t",
                                              .command = "",
                                              .input = R"([1.50, 9007199254740993])",
                                              .priority = -100}));
        const auto before = tasks.store->create_task({.title = "first of two"});
        ASSERT_TRUE(tasks.store->create_task({.title = "second of two",
                                              .capabilities = {"gpu"},
                                              .depends_on = {before->value.id},
                                              .concurrency_key = "k",
                                              .idempotency_key = "once"}));
        const auto held = tasks.store->claim_tasks({.worker = "w", .request_id = "r"});
        ASSERT_TRUE(held) << held.error().message;
        made = tasks.store->list_tasks({.limit = 10'000})->tasks;
        history = *tasks.store->history(held->value[0].id);
        ASSERT_EQ(history.size(), 2U);
    }
    std::int64_t epoch = device.identity_at(device.folder / "home/tasks.db").epoch;
    for (const std::string& place :
         {servers->fresh(sql::Engine::postgres), servers->fresh(sql::Engine::libsql),
          device.folder / "end.db"}) {
        const auto moved = move_database(*device.databases(), to(device, place));
        ASSERT_TRUE(moved) << place << ": " << moved.error().message;
        EXPECT_GT(moved->epoch, epoch);
        epoch = moved->epoch;
        EXPECT_EQ(device.databases()->open(DatabaseName::tasks).error().code, Code::unavailable);
        device.place = place;
        OpenTasks tasks(device);
        EXPECT_TRUE(tasks.store->list_tasks({.limit = 10'000})->tasks == made) << place;
        EXPECT_EQ(*tasks.store->history(history[0].task_id), history) << place;
        EXPECT_EQ(tasks.store->claim_tasks({.worker = "w", .request_id = "r"})->value[0].id,
                  history[0].task_id)
            << "requests were answered before the move";
        EXPECT_EQ(tasks.store
                      ->create_task({.title = "second of two",
                                     .capabilities = {"gpu"},
                                     .depends_on = made[1].depends_on.empty() ? made[0].depends_on
                                                                              : made[1].depends_on,
                                     .concurrency_key = "k",
                                     .idempotency_key = "once"})
                      ->value.id,
                  made[0].idempotency_key ? made[0].id : made[1].id);
        // A fence of after a move is larger than any before it.
        const auto again = tasks.store->release_task({.task_id = history[0].task_id}, "");
        ASSERT_TRUE(again) << again.error().message;
        const auto held = tasks.store->claim_tasks({.worker = "w2"});
        ASSERT_TRUE(held) << held.error().message;
        EXPECT_EQ(held->value[0].id, history[0].task_id);
        EXPECT_EQ(held->value[0].fence, (epoch << sql::kEpochShift) + 1) << place;
        made = tasks.store->list_tasks({.limit = 10'000})->tasks;
        history = *tasks.store->history(history[0].task_id);
        EXPECT_TRUE(std::ranges::is_sorted(history, {}, &tasks::HistoryEntry::seq));
    }
}

TEST(Engines, AnUndoBringsTheOldPlaceUpToTheNewOnesSchema) {
    for (const auto engine : {sql::Engine::postgres, sql::Engine::libsql}) {
        Device device(TASKSTORE_DRIVERS_HERE);
        const std::string old = servers->fresh(engine);
        device.place = old;
        OpenTasks(device).add("a");
        ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
        device.next_version = true;
        device.place = device.folder / "new.db";
        OpenTasks(device).add("b");
        device.next_version = false;
        EXPECT_EQ(undo_move(*device.databases(), device.move_to("new.db")).error().code,
                  Code::unsupported);
        device.next_version = true;
        const auto back = undo_move(*device.databases(), device.move_to("new.db"));
        ASSERT_TRUE(back) << back.error().message;
        device.place = old;
        OpenTasks(device).add("c");
        EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a", "b", "c"));
    }
}

TEST(Engines, WhatWasSealedRefusesWhoHasItOpen) {
    for (const auto engine : {sql::Engine::postgres, sql::Engine::libsql}) {
        Device device(TASKSTORE_DRIVERS_HERE);
        device.place = servers->fresh(engine);
        OpenTasks before(device);
        before.add("a");
        ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
        const auto refused = before.store->create_task({.title = "late"});
        ASSERT_FALSE(refused);
        EXPECT_EQ(refused.error().code, Code::unavailable) << refused.error().message;
        const auto back = undo_move(*device.databases(), device.move_to("new.db"));
        ASSERT_TRUE(back) << back.error().message;
        OpenTasks(device).add("b");
        EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a", "b"));
    }
}

TEST(Engines, ABackupOfOneIsRestoredInAnother) {
    Device device(TASKSTORE_DRIVERS_HERE);
    device.place = servers->fresh(sql::Engine::postgres);
    {
        OpenTasks tasks(device);
        for (int i = 0; i < 700; ++i) tasks.add("task " + std::to_string(i));
    }
    const auto report =
        back_up(*device.databases(), DatabaseName::tasks, device.folder / "t.zst", {});
    ASSERT_TRUE(report) << report.error().message;
    for (const std::string& place : {servers->fresh(sql::Engine::libsql), std::string(),
                                     servers->fresh(sql::Engine::postgres)}) {
        Device other(TASKSTORE_DRIVERS_HERE);
        other.place = place;
        const auto restored = restore(*other.databases(), {.path = device.folder / "t.zst"});
        ASSERT_TRUE(restored) << place << ": " << restored.error().message;
        EXPECT_EQ(OpenTasks(other).titles(), OpenTasks(device).titles());
        const auto again =
            back_up(*other.databases(), DatabaseName::tasks, other.folder / "t.zst", {});
        ASSERT_TRUE(again) << again.error().message;
        EXPECT_EQ(again->rows, report->rows);
    }
}

bool takes_writes(const std::string& place) {
    Device other(TASKSTORE_DRIVERS_HERE);
    other.place = place;
    const auto databases = other.databases();
    const auto database = databases->open(DatabaseName::tasks);
    if (!database) return false;
    return tasks::make_task_store(**database, other.clock, other.random)
        ->create_task({.title = "probe"})
        .has_value();
}

MoveRequest broken_off(MoveRequest request, MoveStep at) {
    request.after_step_for_testing = [at](MoveStep step) {
        return step == at ? Status(fail(Code::cancelled, "as planned")) : ok();
    };
    return request;
}

TEST(Engines, AMoveBrokenOffAfterAnyStepGoesOnOrIsTakenBack) {
    for (int broken = 1; broken <= static_cast<int>(MoveStep::switched); ++broken) {
        const auto step = static_cast<MoveStep>(broken);
        for (const auto engine : {sql::Engine::postgres, sql::Engine::libsql}) {
            const bool undo = (broken + (engine == sql::Engine::libsql ? 1 : 0)) % 2 == 0;
            Device device(TASKSTORE_DRIVERS_HERE);
            device.place = servers->fresh(engine);
            const std::string source = device.place;
            {
                OpenTasks(device).add("a");
            }
            const std::string target = servers->fresh(
                engine == sql::Engine::libsql ? sql::Engine::postgres : sql::Engine::libsql);
            const auto first =
                move_database(*device.databases(), broken_off(to(device, target), step));
            EXPECT_EQ(first.error().code, Code::cancelled) << first.error().message;
            const auto moved = undo ? undo_move(*device.databases(), to(device, target))
                                    : move_database(*device.databases(), to(device, target));
            ASSERT_TRUE(moved) << "after step " << broken << ": " << moved.error().message;
            device.place = undo ? source : target;
            EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a"));
            EXPECT_FALSE(takes_writes(undo ? target : source) && step >= MoveStep::marked);
        }
    }
}

TEST(Engines, WhatAnotherDeviceMovesOrHasMovedIsRefused) {
    for (const auto engine : kEngines) {
        Device device(TASKSTORE_DRIVERS_HERE);
        device.place = fresh_place(device, engine, "old.db");
        OpenTasks before(device);
        before.add("a");
        Device second(TASKSTORE_DRIVERS_HERE);
        second.place = device.place;
        const std::string target = fresh_place(device, engine, "new.db");
        const std::string theirs = fresh_place(device, engine, "theirs.db");
        for (const MoveStep step : {MoveStep::copied, MoveStep::sealed}) {
            MoveRequest request = to(device, target);
            request.after_step_for_testing = [&](MoveStep reached) -> Status {
                if (reached != step) return ok();
                const auto refused = move_database(
                    *second.databases(), broken_off(to(second, theirs), MoveStep::copied));
                EXPECT_EQ(refused.error().code,
                          step == MoveStep::sealed ? Code::unavailable : Code::cancelled);
                return fail(Code::cancelled, "as planned");
            };
            EXPECT_EQ(move_database(*device.databases(), request).error().code, Code::cancelled);
        }
        ASSERT_TRUE(move_database(*device.databases(), to(device, target)));
        const auto refused = move_database(*second.databases(), to(second, theirs));
        EXPECT_EQ(refused.error().code, Code::unavailable) << refused.error().message;
        EXPECT_FALSE(takes_writes(device.place));
        EXPECT_FALSE(takes_writes(theirs));
        EXPECT_EQ(back_up(*second.databases(), DatabaseName::tasks, device.folder / "b.zst", {})
                      .error()
                      .code,
                  Code::unavailable);
        device.place = target;
        EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a"));
    }
}

TEST(Engines, WhileItIsFilledTheNewPlaceTakesNobodysWrites) {
    for (const auto engine : kEngines) {
        Device device(TASKSTORE_DRIVERS_HERE);
        {
            OpenTasks(device).add("a");
        }
        Device other(TASKSTORE_DRIVERS_HERE);
        other.place = fresh_place(device, engine, "new.db");
        OpenTasks there(other);
        MoveRequest request = to(device, other.place);
        request.after_step_for_testing = [&](MoveStep step) {
            if (step < MoveStep::marked || step >= MoveStep::live) return ok();
            EXPECT_EQ(there.store->create_task({.title = "mine"}).error().code, Code::unavailable);
            return ok();
        };
        const auto moved = move_database(*device.databases(), request);
        ASSERT_TRUE(moved) << moved.error().message;
        there.add("b");
        EXPECT_THAT(there.titles(), ElementsAre("a", "b"));
    }
}

TEST(Engines, ARestoreShutsWritersOutAndGoesOnWhereItWasBrokenOff) {
    for (const auto engine : kEngines) {
        Device device(TASKSTORE_DRIVERS_HERE);
        device.place = fresh_place(device, engine, "here.db");
        OpenTasks tasks(device);
        for (int i = 0; i < 600; ++i) tasks.add("task " + std::to_string(i));
        const std::string backup = device.folder / "t.zst";
        ASSERT_TRUE(back_up(*device.databases(), DatabaseName::tasks, backup, {}));
        const auto titles = tasks.titles();
        tasks.add("late");
        const auto held = tasks.store->claim_tasks({.worker = "w"});
        ASSERT_TRUE(held) << held.error().message;
        const auto first = restore(
            *device.databases(),
            {.path = backup, .replace = true, .after_step_for_testing = [&](int step) -> Status {
                 const auto refused = tasks.store->create_task({.title = "mine"});
                 EXPECT_EQ(refused.error().code, Code::unavailable);
                 if (step == 1) return ok();
                 return fail(Code::cancelled, "as planned");
             }});
        EXPECT_EQ(first.error().code, Code::cancelled) << first.error().message;
        EXPECT_FALSE(takes_writes(device.place));
        const auto restored = restore(*device.databases(), {.path = backup});
        ASSERT_TRUE(restored) << restored.error().message;
        EXPECT_EQ(restored->written, 0) << "what was there is left";
        EXPECT_EQ(tasks.titles(), titles);
        EXPECT_EQ(
            tasks.store
                ->complete_task({.task_id = held->value[0].id, .fence = held->value[0].fence}, {})
                .error()
                .code,
            Code::lease_lost);
        const auto again = tasks.store->claim_tasks({.worker = "w"});
        ASSERT_TRUE(again) << again.error().message;
        EXPECT_EQ(again->value[0].fence, (restored->epoch << sql::kEpochShift) + 1);
    }
}

TEST(Engines, ARowThatIsTooLargeForAPlaceIsToldBeforeAnythingIsChanged) {
    Device device(TASKSTORE_DRIVERS_HERE);
    const std::string large(10'000'000, 'x');
    {
        OpenTasks tasks(device);
        ASSERT_TRUE(tasks.store->create_task({.title = "large", .description = large}));
    }
    const std::string backup = device.folder / "t.zst";
    ASSERT_TRUE(back_up(*device.databases(), DatabaseName::tasks, backup, {}));
    const std::string small = servers->fresh(sql::Engine::libsql, 5 << 20);
    const auto moved = move_database(*device.databases(), to(device, small));
    ASSERT_FALSE(moved);
    EXPECT_EQ(moved.error().code, Code::unsupported) << moved.error().message;
    EXPECT_THAT(moved.error().hint, testing::HasSubstr("max_row_size"));
    EXPECT_FALSE(device.files.info(device.folder / "home/move-tasks.json"));
    OpenTasks(device).add("b");
    Device other(TASKSTORE_DRIVERS_HERE);
    other.place = small;
    EXPECT_EQ(restore(*other.databases(), {.path = backup}).error().code, Code::unsupported);
    EXPECT_TRUE(takes_writes(small)) << "both left it as it was";
    for (const auto engine : kEngines) {
        const std::string place = fresh_place(device, engine, "large.db");
        const auto fits = move_database(*device.databases(), to(device, place));
        ASSERT_TRUE(fits) << fits.error().message;
        device.place = place;
        const auto page = must(OpenTasks(device).store->list_tasks({}));
        ASSERT_EQ(page.tasks.size(), 2U);
        EXPECT_EQ(page.tasks[1].description, large);
        ASSERT_TRUE(back_up(*device.databases(), DatabaseName::tasks, backup, {}));
        other.place = servers->fresh(sql::Engine::libsql);
        const auto restored = restore(*other.databases(), {.path = backup});
        ASSERT_TRUE(restored) << restored.error().message;
    }
}

TEST(Engines, ABackupThatLosesItsTransactionBeginsAgain) {
    constexpr auto engine = sql::Engine::postgres;
    Device device(TASKSTORE_DRIVERS_HERE);
    const std::string real = servers->fresh(engine);
    device.place = real;
    OpenTasks tasks(device);
    for (int i = 0; i < 1'200; ++i) tasks.add("task " + std::to_string(i));
    const auto proxy = must(Proxy::start(servers->port(engine)));
    const std::string port = ":" + std::to_string(servers->port(engine));
    device.place.replace(real.find(port), port.size(), ":" + std::to_string(proxy->port()));
    const std::string backup = device.folder / "t.zst";
    for (const int losses : {1, 5}) {
        int lost = 0;
        const auto report = back_up(*device.databases(), DatabaseName::tasks, backup,
                                    [&](std::int64_t rows, std::int64_t) {
                                        if (rows != 1'000 || lost == losses) return;
                                        ++lost;
                                        proxy->heal();
                                        proxy->cut_after(Proxy::to_client, 100);
                                    });
        proxy->heal();
        EXPECT_EQ(lost, losses);
        EXPECT_EQ(report.has_value(), losses == 1);
        if (!report) {
            EXPECT_EQ(report.error().code, Code::unavailable) << report.error().message;
        }
    }
    Device other(TASKSTORE_DRIVERS_HERE);
    ASSERT_TRUE(restore(*other.databases(), {.path = backup}));
    EXPECT_EQ(OpenTasks(other).titles(), tasks.titles());
}

/// A refusal leaves no trace, a restore is refused alike, and who works goes on.
void expect_refused_and_works_on(Device& device, OpenTasks& tasks, Code code,
                                 const Error& of_move) {
    EXPECT_EQ(of_move.code, code) << of_move.message;
    EXPECT_FALSE(device.files.info(device.folder / "home/move-tasks.json"));
    tasks.add("b");
    const std::string backup = device.folder / "t.zst";
    ASSERT_TRUE(back_up(*device.databases(), DatabaseName::tasks, backup, {}));
    EXPECT_EQ(restore(*device.databases(), {.path = backup, .replace = true}).error().code, code);
    tasks.add("c");
    EXPECT_THAT(tasks.titles(), ElementsAre("a", "b", "c"));
}

TEST(Engines, APostgresWithoutPlpgsqlIsToldBeforeAnythingIsChanged) {
    Device device(TASKSTORE_DRIVERS_HERE);
    device.place = servers->fresh(sql::Engine::postgres);
    OpenTasks tasks(device);
    tasks.add("a");
    {
        const auto databases = device.databases();
        const auto connection = must(databases->connect(
            DatabaseName::tasks, must(sql::parse_location(as_role(device.place, "postgres"))),
            {.read_only = false}));
        ASSERT_TRUE(connection->execute("DROP EXTENSION plpgsql CASCADE"));
    }
    const auto moved = move_database(*device.databases(), device.move_to("new.db"));
    ASSERT_FALSE(moved);
    EXPECT_THAT(moved.error().hint, testing::HasSubstr("PL/pgSQL"));
    expect_refused_and_works_on(device, tasks, Code::unsupported, moved.error());
}

TEST(Engines, AServerWithoutTransitionTablesKeepsTheWordsOfTasksRowByRow) {
    Device device(TASKSTORE_DRIVERS_HERE);
    device.place = servers->fresh(sql::Engine::postgres);
    {
        OpenTasks(device).add("of a server that has them");
    }
    const auto databases = device.databases();
    const auto connection = must(databases->connect(
        DatabaseName::tasks, must(sql::parse_location(device.place)), {.read_only = false}));
    ASSERT_TRUE(connection->execute("DROP SCHEMA tasks CASCADE; CREATE SCHEMA tasks"));
    const auto superuser = must(databases->connect(
        DatabaseName::tasks, must(sql::parse_location(as_role(device.place, "postgres"))),
        {.read_only = false}));
    ASSERT_TRUE(superuser->execute(
        "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN "
        "IF current_query() ~ 'REFERENCING NEW TABLE' THEN RAISE EXCEPTION 'not supported' "
        "USING ERRCODE = '0A000'; END IF; END $$;"
        "CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ('CREATE TRIGGER') "
        "EXECUTE FUNCTION refuse()"));
    OpenTasks tasks(device);
    tasks.add("alpha beta");
    tasks.add("beta gamma");
    const auto of_rows = connection->prepare(
        "SELECT count(*) FROM pg_trigger WHERE tgname = 'task_words_added' AND tgtype & 1 = 1");
    ASSERT_TRUE(of_rows) << of_rows.error().message;
    ASSERT_TRUE(must((*of_rows)->step()));
    EXPECT_EQ((*of_rows)->column_int64(0), 1);
    const auto found = tasks.store->list_tasks({.words = {"beta", "alpha"}});
    ASSERT_TRUE(found) << found.error().message;
    ASSERT_EQ(found->tasks.size(), 1U);
    EXPECT_EQ(found->tasks[0].title, "alpha beta");
    ASSERT_TRUE(superuser->execute("DROP EVENT TRIGGER refuse; DROP FUNCTION refuse()"));
}

TEST(Engines, ARoleThatCouldCloseAndNotOpenAgainIsToldBeforeAnythingIsChanged) {
    Device device(TASKSTORE_DRIVERS_HERE);
    const std::string owned = servers->fresh(sql::Engine::postgres);
    device.place = owned;
    OpenTasks tasks(device);
    tasks.add("a");
    const auto databases = device.databases();
    const auto superuser = must(databases->connect(
        DatabaseName::tasks, must(sql::parse_location(as_role(owned, "postgres"))),
        {.read_only = false}));
    ASSERT_TRUE(superuser->execute(
        "CREATE ROLE hand LOGIN; DO $$ BEGIN EXECUTE format('GRANT USAGE, CREATE ON SCHEMA %I TO "
        "hand; GRANT ALL ON ALL TABLES IN SCHEMA %1$I TO hand; GRANT ALL ON ALL SEQUENCES IN "
        "SCHEMA %1$I TO hand', current_schema()); END $$"));
    device.place = as_role(owned, "hand");
    const auto moved = move_database(*device.databases(), device.move_to("new.db"));
    ASSERT_FALSE(moved);
    EXPECT_THAT(moved.error().message, testing::HasSubstr("owned by 'plain'"));
    expect_refused_and_works_on(device, tasks, Code::denied, moved.error());
    ASSERT_TRUE(superuser->execute("GRANT plain TO hand"));
    const auto as_member = move_database(*device.databases(), device.move_to("new.db"));
    ASSERT_TRUE(as_member) << as_member.error().message;
    device.place = device.folder / "new.db";
    EXPECT_THAT(OpenTasks(device).titles(), ElementsAre("a", "b", "c"));
}

TEST(Engines, WhatHasMovedIsNotTruncatedEither) {
    Device device(TASKSTORE_DRIVERS_HERE);
    device.place = servers->fresh(sql::Engine::postgres);
    {
        OpenTasks(device).add("a");
    }
    ASSERT_TRUE(move_database(*device.databases(), device.move_to("new.db")));
    const auto databases = device.databases();
    const auto connection = must(databases->connect(
        DatabaseName::tasks, must(sql::parse_location(device.place)), {.read_only = false}));
    const auto refused = connection->execute("TRUNCATE task_limits");
    ASSERT_FALSE(refused);
    EXPECT_EQ(sql::explain_refusal(refused.error()).code, Code::unavailable);
}

TEST(Engines, ANewPlaceWhoseServerIsLostMayBeGivenUp) {
    for (const auto engine : {sql::Engine::postgres, sql::Engine::libsql}) {
        Device device(TASKSTORE_DRIVERS_HERE);
        device.pool.retry_ms_max = 500;
        auto proxy = must(Proxy::start(servers->port(engine)));
        const std::string place = through(*proxy, servers->fresh(engine), servers->port(engine));
        device.place = "sqlite:" + (device.folder / "file.db");
        {
            OpenTasks(device).add("a");
        }
        MoveRequest request = to(device, place);
        EXPECT_FALSE(move_database(*device.databases(), broken_off(request, MoveStep::live)));
        proxy.reset();
        request.forget = true;
        const auto back = undo_move(*device.databases(), request);
        ASSERT_TRUE(back) << back.error().message;
        EXPECT_TRUE(takes_writes(device.place));
    }
}

// The answer to the COMMIT that seals, or that brings to life, is lost, and the server with it: the
// next run finds out by reading.
TEST(Engines, ACommitWhoseAnswerIsLostIsFoundOutByReading) {
    for (const auto engine : {sql::Engine::postgres, sql::Engine::libsql}) {
        for (const MoveStep step : {MoveStep::sealing, MoveStep::going_live}) {
            for (const bool undo : {false, true}) {
                Device device(TASKSTORE_DRIVERS_HERE);
                device.pool.retry_ms_max = 500;
                const std::string real = servers->fresh(engine);
                const auto proxy = must(Proxy::start(servers->port(engine)));
                const std::string place = through(*proxy, real, servers->port(engine));
                // The server is the source where it is sealed, else the target.
                const bool source = step == MoveStep::sealing;
                const std::string file = "sqlite:" + (device.folder / "file.db");
                device.place = source ? place : file;
                {
                    OpenTasks(device).add("a");
                }
                MoveRequest request = to(device, source ? file : place);
                const MoveRequest again = request;
                request.after_step_for_testing = [&](MoveStep reached) {
                    if (reached != step) return ok();
                    const bool answer = engine == sql::Engine::postgres;
                    proxy->cut_at(answer ? Proxy::to_client : Proxy::to_server, "COMMIT", answer);
                    return ok();
                };
                std::jthread gone([&](const std::stop_token& stop) {
                    while (!stop.stop_requested() && !proxy->wait_for_cuts(1, 100)) {
                    }
                    if (proxy->cuts() > 0) proxy->refuse(true);
                });
                const auto first = move_database(*device.databases(), request);
                gone.request_stop();
                gone.join();
                EXPECT_GT(proxy->cuts(), 0);
                proxy->heal();
                if (first) continue;  // It was quick enough to ask.
                const auto moved = undo ? undo_move(*device.databases(), again)
                                        : move_database(*device.databases(), again);
                ASSERT_TRUE(moved) << moved.error().message << first.error().message;
                const bool here = takes_writes(device.place);
                const bool there = takes_writes(source ? file : place);
                EXPECT_EQ(here, undo);
                EXPECT_EQ(there, !undo);
            }
        }
    }
}

TEST(Engines, TenThatOpenAtOnceFindOneSchemaAndOneIdentity) {
    for (const auto engine : {sql::Engine::postgres, sql::Engine::libsql, sql::Engine::sqlite}) {
        Device device(TASKSTORE_DRIVERS_HERE);
        if (engine != sql::Engine::sqlite) device.place = servers->fresh(engine);
        std::vector<std::string> errors(10);
        {
            std::vector<std::jthread> threads;
            for (std::string& error : errors) {
                threads.emplace_back([&] {
                    const auto databases = device.databases();
                    const auto opened = databases->open(DatabaseName::tasks);
                    if (!opened) error = opened.error().message;
                });
            }
        }
        for (const std::string& error : errors) EXPECT_EQ(error, "");
        const auto report = device.databases()->migrations(DatabaseName::tasks);
        ASSERT_TRUE(report);
        EXPECT_EQ(report->modules[0].applied.size(), tasks::migrations("sqlite").size());
    }
}

}  // namespace
}  // namespace store

namespace {

TEST(CreateTaskStore, EachBackendInOneCall) {
    setenv("TASKSTORE_DRIVERS", TASKSTORE_DRIVERS_HERE, 1);
    const TemporaryFolder folder;
    for (const TaskStoreBackend& backend :
         {TaskStoreBackend{Sqlite{folder / "deep/er/tasks.db"}},
          TaskStoreBackend{Postgres{servers->fresh(sql::Engine::postgres)}},
          TaskStoreBackend{Libsql{servers->fresh(sql::Engine::libsql)}}}) {
        const auto store = create_task_store(backend);
        ASSERT_TRUE(store) << store.error().message;
        const auto created = (*store)->create_task({.title = "Build project"});
        ASSERT_TRUE(created) << created.error().message;
        EXPECT_EQ((*(*store)->get_task(created->value.id))->title, "Build project");
    }
    unsetenv("TASKSTORE_DRIVERS");
}

TEST(Backends, ADriverThatIsNotThereIsNamedWithWhereItWasLookedFor) {
    Backends backends("/nowhere");
    const auto part = backends.part(sql::Engine::postgres);
    ASSERT_FALSE(part);
    EXPECT_EQ(part.error().code, Code::unsupported);
    EXPECT_THAT(part.error().message, testing::HasSubstr("/nowhere/taskstore-postgres.so"));
}

}  // namespace
}  // namespace taskstore
