// What a queue's work costs: tasks made, claimed and completed by 64 callers, flushed.
//   cycles_bench [SECONDS] [ROUNDS] [sqlite|postgres]     on the disk of the working folder
// SQLite against a loop on the same schema that writes 64 times one row and its history in a
// transaction; PostgreSQL (a server of its own, fsync on, 4 connections) against pgbench with 4
// clients that insert, claim as the founding data layer does (with SKIP LOCKED) and update. Rounds
// are interleaved; the middle one counts.
#include "must.hpp"
#include "timing.hpp"

#include <sqlite3.h>
#include <taskstore/base/check.hpp>
#include <taskstore/sqlite/database.hpp>
#include <taskstore/task_store.hpp>
#ifdef TASKSTORE_BENCH_POSTGRES
#include <taskstore/postgres/database.hpp>
#include <taskstore/testing/server.hpp>
#endif

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string_view>
#include <thread>

namespace taskstore {
namespace {

using bench::must;

constexpr int kCallers = 64;
constexpr std::size_t kRawTasks = 20'000;

/// Transitions a second of 64 callers, each of whom makes a task, claims one and completes that.
double cycles(tasks::TaskStore& store, double seconds) {
    std::atomic<std::int64_t> moves{0};
    const double took = bench::seconds_of([&] {
        const auto until =
            std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
        std::vector<std::jthread> callers;
        for (int i = 0; i < kCallers; ++i) {
            callers.emplace_back([&, worker = "w" + std::to_string(i)] {
                while (std::chrono::steady_clock::now() < until) {
                    must(store.create_task({.title = "one of many"}));
                    // Another caller may have taken the one of this caller and not made its own.
                    const auto held = must(store.claim_tasks({.worker = worker}));
                    moves.fetch_add(1 + 2 * static_cast<std::int64_t>(held.value.size()));
                    for (const tasks::Task& task : held.value)
                        must(store.complete_task({.task_id = task.id, .fence = task.fence}, {}));
                }
            });
        }
    });
    return static_cast<double>(moves.load()) / took;
}

/// One row's transition and its history, 64 times in a transaction, as a program would that knows
/// what it wants.
class RawLoop {
  public:
    explicit RawLoop(const std::string& path) {
        const auto store = must(create_task_store(Sqlite{path}));
        const std::vector<tasks::CreateTask> tasks(kRawTasks, {.title = "one of many"});
        x_ids = must(store->create_tasks(tasks)).value;
        TASKSTORE_CHECK(sqlite3_open(path.c_str(), &x_db) == SQLITE_OK);
        for (const char* text : {"PRAGMA synchronous = FULL", "PRAGMA cache_size = -16384"})
            TASKSTORE_CHECK(sqlite3_exec(x_db, text, nullptr, nullptr, nullptr) == SQLITE_OK);
        x_begin = prepare("BEGIN IMMEDIATE");
        x_commit = prepare("COMMIT");
        x_claim = prepare(
            "UPDATE tasks SET status = 'in_progress', ready = 0, assigned_to = 'w', fence = fence "
            "+ "
            "1, lease_expires_at = ?2, started_at = ?2, updated_at = ?2, revision = revision + 1, "
            "last_write = ?3 WHERE id = ?1");
        x_release = prepare(
            "UPDATE tasks SET status = 'pending', ready = 1, assigned_to = NULL, lease_expires_at "
            "= "
            "NULL, updated_at = ?2, revision = revision + 1, last_write = ?3 WHERE id = ?1");
        x_history = prepare(
            "INSERT INTO task_history (task_id, revision, verb, from_status, to_status, actor, "
            "fence, at) VALUES (?1, ?3, ?4, ?5, ?6, 'w', 1, ?2)");
    }
    ~RawLoop() {
        for (sqlite3_stmt* one : {x_begin, x_commit, x_claim, x_release, x_history})
            sqlite3_finalize(one);
        sqlite3_close(x_db);
    }
    RawLoop(const RawLoop&) = delete;
    RawLoop& operator=(const RawLoop&) = delete;

    double transitions(double seconds) {
        std::int64_t moves = 0;
        const double took = bench::seconds_of([&] {
            const auto until =
                std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
            while (std::chrono::steady_clock::now() < until) {
                step(x_begin);
                for (int i = 0; i < kCallers; ++i) move();
                step(x_commit);
                moves += kCallers;
            }
        });
        return static_cast<double>(moves) / took;
    }

  private:
    void move() {
        const std::string& id = x_ids[x_at++ % x_ids.size()];
        const auto round = static_cast<std::int64_t>((x_at - 1) / x_ids.size());
        const bool claims = round % 2 == 0;
        sqlite3_stmt* const update = claims ? x_claim : x_release;
        for (sqlite3_stmt* one : {update, x_history}) {
            sqlite3_bind_text(one, 1, id.data(), static_cast<int>(id.size()), SQLITE_STATIC);
            sqlite3_bind_int64(one, 2, 1'700'000'000'000);
        }
        sqlite3_bind_int64(update, 3, static_cast<std::int64_t>(x_at));
        step(update);
        sqlite3_bind_int64(x_history, 3, round + 2);
        const char* const words[] = {claims ? "claim" : "release",
                                     claims ? "pending" : "in_progress",
                                     claims ? "in_progress" : "pending"};
        for (int i = 0; i < 3; ++i)
            sqlite3_bind_text(x_history, 4 + i, words[i], -1, SQLITE_STATIC);
        step(x_history);
    }
    sqlite3_stmt* prepare(const char* sql) {
        sqlite3_stmt* out = nullptr;
        TASKSTORE_CHECK(sqlite3_prepare_v3(x_db, sql, -1, SQLITE_PREPARE_PERSISTENT, &out,
                                           nullptr) == SQLITE_OK);
        return out;
    }
    void step(sqlite3_stmt* statement) {
        if (sqlite3_step(statement) != SQLITE_DONE) {
            std::fprintf(stderr, "%s\n", sqlite3_errmsg(x_db));
            std::exit(1);
        }
        sqlite3_reset(statement);
    }

    sqlite3* x_db = nullptr;
    std::vector<std::string> x_ids;
    std::size_t x_at = 0;
    sqlite3_stmt* x_begin = nullptr;
    sqlite3_stmt* x_commit = nullptr;
    sqlite3_stmt* x_claim = nullptr;
    sqlite3_stmt* x_release = nullptr;
    sqlite3_stmt* x_history = nullptr;
};

void say(const char* what, const std::vector<double>& ours, const char* other,
         const std::vector<double>& theirs, const char* bar) {
    std::vector<double> ratios;
    for (std::size_t i = 0; i < ours.size(); ++i) ratios.push_back(ours[i] / theirs[i]);
    const auto [least, most] = std::ranges::minmax(ratios);
    std::printf("%-34s %9.0f transitions/s\n%-34s %9.0f transitions/s\n", what, bench::median(ours),
                other, bench::median(theirs));
    std::printf("%-34s %9.2f   (%.2f to %.2f; bar: %s)\n", "ratio", bench::median(ratios), least,
                most, bar);
}

void on_sqlite(const std::string& folder, double seconds, int rounds) {
    const auto store = must(create_task_store(Sqlite{folder + "/tasks.db"}));
    RawLoop loop(folder + "/raw.db");
    cycles(*store, seconds);
    loop.transitions(seconds);
    std::vector<double> ours;
    std::vector<double> raw;
    for (int round = 0; round < rounds; ++round) {
        raw.push_back(loop.transitions(seconds));
        ours.push_back(cycles(*store, seconds));
    }
    say("SQLite, 64 callers", ours, "64 rows a transaction, raw", raw, ">= 0.5");
}

#ifdef TASKSTORE_BENCH_POSTGRES
/// Transitions a second of pgbench: each of its transactions is three of them.
double pgbench(const std::string& programs, const std::string& location, const std::string& folder,
               double seconds) {
    const std::string command = programs + "pgbench -n -M prepared -c 4 -j 4 -T " +
                                std::to_string(std::max(1, static_cast<int>(seconds))) + " -f '" +
                                folder + "/founding.sql' '" + location +
                                "' 2>&1 | sed -n 's/^tps = \\([0-9.]*\\).*/\\1/p' > '" + folder +
                                "/tps'";
    TASKSTORE_CHECK(std::system(command.c_str()) == 0);
    double tps = 0;
    std::ifstream(folder + "/tps") >> tps;
    TASKSTORE_CHECK(tps > 0);
    return 3 * tps;
}

void on_postgres(const std::string& folder, double seconds, int rounds) {
    const auto server = must(start_postgres({.fsync = true}));
    const std::string location = postgres_location(*server);
    const std::string programs = must(postgres_programs());
    std::ofstream(folder + "/founding.sql")
        << "INSERT INTO founding (id, project, title) VALUES (md5(random()::text), 'p', 'one of "
           "many');\n"
           "UPDATE founding SET status = 'in_progress', assigned_to = 'w', started_at = "
           "CURRENT_TIMESTAMP WHERE id = (SELECT id FROM founding WHERE status = 'pending' ORDER "
           "BY "
           "CASE priority WHEN 'urgent' THEN 0 WHEN 'high' THEN 1 WHEN 'normal' THEN 2 ELSE 3 END, "
           "created_at LIMIT 1 FOR UPDATE SKIP LOCKED) RETURNING id \\gset\n"
           "UPDATE founding SET status = 'completed', completed_at = CURRENT_TIMESTAMP WHERE id = "
           ":id;\n";
    const SystemClock clock;
    SystemRandom random;
    const auto database = must(postgres::open_database(
        {.location = location, .pool = {}, .clock = &clock, .random = &random}));
    must(database->write([](sql::Connection& connection) {
        return connection.execute(
            "CREATE TABLE public.founding (id TEXT PRIMARY KEY, project TEXT NOT NULL, title TEXT "
            "NOT NULL, priority TEXT DEFAULT 'normal', status TEXT DEFAULT 'pending', assigned_to "
            "TEXT, created_at TIMESTAMP DEFAULT CURRENT_TIMESTAMP, started_at TIMESTAMP, "
            "completed_at TIMESTAMP, retry_count INTEGER DEFAULT 0);"
            "CREATE INDEX idx_founding_status ON public.founding (status);"
            "CREATE INDEX idx_founding_project ON public.founding (project)");
    }));
    const auto store = must(create_task_store(Postgres{location, {.max_connections = 4}}));
    cycles(*store, seconds);
    pgbench(programs, location, folder, seconds);
    std::vector<double> ours;
    std::vector<double> theirs;
    for (int round = 0; round < rounds; ++round) {
        theirs.push_back(pgbench(programs, location, folder, seconds));
        ours.push_back(cycles(*store, seconds));
    }
    say("PostgreSQL, 64 callers", ours, "pgbench, 4 clients", theirs, ">= 1.5");
}
#endif

}  // namespace
}  // namespace taskstore

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    const double seconds = argc > 1 ? std::atof(argv[1]) : 3;
    const int rounds = argc > 2 ? std::atoi(argv[2]) : 5;
    const std::string_view only = argc > 3 ? argv[3] : "";
    const std::string folder =
        std::filesystem::current_path() / ("cycles_bench-" + std::to_string(::getpid()));
    std::filesystem::create_directory(folder);
    ::setenv("TASKSTORE_HOME", folder.c_str(), 1);
    if (only != "postgres") taskstore::on_sqlite(folder, seconds, rounds);
#ifdef TASKSTORE_BENCH_POSTGRES
    if (only != "sqlite") taskstore::on_postgres(folder, seconds, rounds);
#endif
    std::filesystem::remove_all(folder);
    return 0;
}
