// sql_bench [SECONDS] [FOLDER]: the SQLite driver against SQLite's own C interface, on two
// databases of one folder (the working one, whose disk flushes). Rounds of each are interleaved;
// the middle one counts.

#include "must.hpp"
#include "timing.hpp"

#include <sqlite3.h>
#include <taskstore/base/check.hpp>
#include <taskstore/sqlite/database.hpp>
#include <taskstore/sqlite/driver.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <functional>
#include <thread>

namespace taskstore {
namespace {

using bench::must;

constexpr int kRounds = 15;
constexpr int kCallers = 64;
constexpr std::int64_t kRows = 50'000;
constexpr int kBetween = 64;  ///< Point selects between two looks at the clock.
constexpr std::string_view kCreate = "CREATE TABLE jobs (id INTEGER PRIMARY KEY, body TEXT)";
constexpr std::string_view kInsert = "INSERT INTO jobs (id, body) VALUES (?1, ?2)";
constexpr std::string_view kPoint = "SELECT body FROM jobs WHERE id = ?1";
const std::string kBody(400, 'x');

std::int64_t next_id() {
    static std::atomic<std::int64_t> last{1'000'000};
    return last.fetch_add(1) + 1;
}

/// SQLite as a program would use it that knows what it wants: statements prepared once.
class Raw {
  public:
    explicit Raw(const std::string& path) {
        TASKSTORE_CHECK(sqlite3_open(path.c_str(), &x_db) == SQLITE_OK);
        run("PRAGMA journal_mode = WAL");
        run("PRAGMA synchronous = FULL");
        run("PRAGMA mmap_size = 268435456");
        run("PRAGMA cache_size = -16384");
        run(std::string(kCreate).c_str());
        x_begin = prepare("BEGIN IMMEDIATE");
        x_commit = prepare("COMMIT");
        x_insert = prepare(kInsert);
        x_point = prepare(kPoint);
    }
    ~Raw() {
        for (sqlite3_stmt* one : {x_begin, x_commit, x_insert, x_point}) sqlite3_finalize(one);
        sqlite3_close(x_db);
    }
    Raw(const Raw&) = delete;
    Raw& operator=(const Raw&) = delete;

    void insert(int rows) {
        step(x_begin);
        for (int i = 0; i < rows; ++i) insert_row(next_id());
        step(x_commit);
    }
    void fill() {
        step(x_begin);
        for (std::int64_t id = 0; id < kRows; ++id) insert_row(id);
        step(x_commit);
    }
    std::size_t point(std::int64_t id) {
        sqlite3_bind_int64(x_point, 1, id);
        TASKSTORE_CHECK(sqlite3_step(x_point) == SQLITE_ROW);
        static_cast<void>(sqlite3_column_text(x_point, 0));
        const auto bytes = static_cast<std::size_t>(sqlite3_column_bytes(x_point, 0));
        sqlite3_reset(x_point);
        return bytes;
    }

  private:
    void insert_row(std::int64_t id) {
        sqlite3_bind_int64(x_insert, 1, id);
        sqlite3_bind_text(x_insert, 2, kBody.data(), static_cast<int>(kBody.size()), nullptr);
        step(x_insert);
    }
    void run(const char* sql) {
        TASKSTORE_CHECK(sqlite3_exec(x_db, sql, nullptr, nullptr, nullptr) == SQLITE_OK);
    }
    sqlite3_stmt* prepare(std::string_view sql) {
        sqlite3_stmt* out = nullptr;
        TASKSTORE_CHECK(sqlite3_prepare_v3(x_db, sql.data(), static_cast<int>(sql.size()),
                                           SQLITE_PREPARE_PERSISTENT, &out, nullptr) == SQLITE_OK);
        return out;
    }
    static void step(sqlite3_stmt* statement) {
        TASKSTORE_CHECK(sqlite3_step(statement) == SQLITE_DONE);
        sqlite3_reset(statement);
    }

    sqlite3* x_db = nullptr;
    sqlite3_stmt* x_begin = nullptr;
    sqlite3_stmt* x_commit = nullptr;
    sqlite3_stmt* x_insert = nullptr;
    sqlite3_stmt* x_point = nullptr;
};

class Bench {
  public:
    Bench(double seconds, const std::string& folder)
        : x_seconds(seconds), x_raw(folder + "/raw.db"), x_path(folder + "/port.db") {
        x_database =
            must(sqlite::open_database(x_path, {}, {.driver = &x_driver, .clock = &x_clock}));
        must(x_database->write([](sql::Connection& connection) -> Status {
            TASKSTORE_TRY(connection.execute(kCreate));
            for (std::int64_t id = 0; id < kRows; ++id) TASKSTORE_TRY(insert_row(connection, id));
            return ok();
        }));
        x_raw.fill();
        // Until both have gone once around their logs: a flush of a file that grows is another one.
        for (int i = 0; i < 2'000; ++i) {
            x_raw.insert(1);
            by_work();
        }
    }

    void inserts() {
        std::vector<double> raw_many;
        std::vector<double> works;
        std::vector<double> batches;
        std::vector<double> raw_one;
        std::vector<double> one_work;
        std::vector<double> one_batch;
        for (int round = 0; round < kRounds; ++round) {
            raw_many.push_back(rate(1, [&] {
                x_raw.insert(kCallers);
                return kCallers;
            }));
            works.push_back(rate(kCallers, [&] { return by_work(); }));
            batches.push_back(rate(kCallers, [&] { return by_batch(); }));
            raw_one.push_back(rate(1, [&] {
                x_raw.insert(1);
                return 1;
            }));
            one_work.push_back(rate(1, [&] { return by_work(); }));
            one_batch.push_back(rate(1, [&] { return by_batch(); }));
        }
        const double loop = bench::median(raw_many);
        const double alone = bench::median(raw_one);
        std::printf("64 rows a transaction, raw   %9.0f rows/s\n", loop);
        say("64 callers, a work each", bench::median(works), bench::median(works) / loop, ">= 0.5");
        say("64 callers, a batch each", bench::median(batches), bench::median(batches) / loop,
            ">= 0.5");
        std::printf("one row a transaction, raw   %9.0f rows/s\n", alone);
        say("one caller, a work each", bench::median(one_work), alone / bench::median(one_work),
            "<= 1.2 of the time");
        say("one caller, a batch each", bench::median(one_batch), alone / bench::median(one_batch),
            "<= 1.2 of the time");
    }

    void points() {
        const auto connection = must(x_driver.connect(x_path, {}));
        std::vector<double> raw;
        std::vector<double> cached;
        std::vector<double> kept;
        std::int64_t id = 0;
        const auto next = [&] { return id = (id + 7'919) % kRows; };
        const auto select = must(connection->prepare(kPoint));
        for (int round = 0; round < kRounds; ++round) {
            raw.push_back(rate(
                1,
                [&] {
                    TASKSTORE_CHECK(x_raw.point(next()) == kBody.size());
                    return 1;
                },
                kBetween));
            cached.push_back(rate(
                1,
                [&] {
                    const auto statement = must(connection->prepare(kPoint));
                    TASKSTORE_CHECK(point(*statement, next()) == kBody.size());
                    return 1;
                },
                kBetween));
            kept.push_back(rate(
                1,
                [&] {
                    TASKSTORE_CHECK(point(*select, next()) == kBody.size());
                    select->reset();
                    return 1;
                },
                kBetween));
        }
        const double base = bench::median(raw);
        std::printf("point select, raw            %9.0f /s\n", base);
        say("the port, prepared each time", bench::median(cached), base / bench::median(cached),
            "<= 1.15 of the time");
        say("the port, statement kept", bench::median(kept), base / bench::median(kept),
            "<= 1.15 of the time");
    }

  private:
    static Status insert_row(sql::Connection& connection, std::int64_t id) {
        TASKSTORE_LET(const auto insert, connection.prepare(kInsert));
        TASKSTORE_TRY(insert->bind(1, id));
        TASKSTORE_TRY(insert->bind(2, std::string_view(kBody)));
        return insert->run();
    }
    static std::size_t point(sql::Statement& statement, std::int64_t id) {
        must(statement.bind(1, id));
        TASKSTORE_CHECK(must(statement.step()));
        return statement.column_text(0).size();
    }
    int by_work() {
        must(x_database->write(
            [](sql::Connection& connection) { return insert_row(connection, next_id()); }));
        return 1;
    }
    int by_batch() {
        const sql::BoundStatement insert{.sql = kInsert, .values = {next_id(), kBody}};
        must(x_database->write_batch({&insert, 1}));
        return 1;
    }

    /// How many a second, of all threads together.
    double rate(int threads, const std::function<int()>& work, int calls_between = 1) const {
        std::atomic<std::int64_t> done{0};
        std::atomic<bool> stop{false};
        const double took = bench::seconds_of([&] {
            std::vector<std::jthread> callers;
            const auto until =
                std::chrono::steady_clock::now() + std::chrono::duration<double>(x_seconds);
            const auto call = [&] {
                std::int64_t mine = 0;
                std::int64_t calls = 0;
                while (!stop.load(std::memory_order_relaxed)) {
                    mine += work();
                    const bool asks = threads > 1 || ++calls % calls_between == 0;
                    if (asks && std::chrono::steady_clock::now() >= until) stop.store(true);
                }
                done.fetch_add(mine);
            };
            if (threads == 1) {
                call();
            } else {
                for (int i = 0; i < threads; ++i) callers.emplace_back(call);
            }
        });
        return static_cast<double>(done.load()) / took;
    }
    static void say(const char* what, double rate, double ratio, const char* bar) {
        std::printf("%-28s %9.0f /s   ratio %.2f (%s)\n", what, rate, ratio, bar);
    }

    const double x_seconds;
    SystemClock x_clock;
    sqlite::Driver x_driver;
    Raw x_raw;
    const std::string x_path;
    std::unique_ptr<sql::Database> x_database;
};

}  // namespace
}  // namespace taskstore

int main(int argc, char** argv) {
    const double seconds = argc > 1 ? std::atof(argv[1]) : 0.1;
    const taskstore::TemporaryFolder here;
    taskstore::Bench bench(seconds, argc > 2 ? std::string(argv[2]) : here.path());
    bench.inserts();
    bench.points();
    return 0;
}
