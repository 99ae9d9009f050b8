// postgres_bench [SECONDS]: the PostgreSQL driver against libpq and psql, on a server of its own
// with fsync on. Rounds of each are interleaved; the middle one counts.

#include "must.hpp"

#include <libpq-fe.h>

#include <taskstore/base/check.hpp>
#include <taskstore/postgres/database.hpp>
#include <taskstore/postgres/driver.hpp>
#include <taskstore/testing/server.hpp>
#include <taskstore/testing/temporary_folder.hpp>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <string>
#include <thread>
#include <vector>

namespace taskstore {
namespace {

using bench::must;

constexpr int kRounds = 5;
constexpr int kCallers = 64;
constexpr std::int64_t kBulkRows = 100'000;
constexpr std::string_view kInsert = "INSERT INTO jobs (id, body) VALUES (?1, ?2)";
constexpr std::string_view kInsertMany =
    "INSERT INTO jobs (id, body) SELECT * FROM unnest(?1::bigint[], ?2::text[])";
const std::string kBody(400, 'x');

double now() {
    return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch())
        .count();
}

double median(std::vector<double> values) {
    std::ranges::sort(values);
    return values[values.size() / 2];
}

std::int64_t next_id() {
    static std::atomic<std::int64_t> last{0};
    return last.fetch_add(1) + 1;
}

/// libpq, as a program would use it that knows what it wants.
class Raw {
  public:
    explicit Raw(const std::string& location) : x_conn(PQconnectdb(location.c_str())) {
        run("SET search_path = main");
        prepare("one", "INSERT INTO jobs (id, body) VALUES ($1::bigint, $2::text)");
        prepare("many",
                "INSERT INTO jobs (id, body) SELECT * FROM unnest($1::bigint[], $2::text[])");
        prepare("point", "SELECT body FROM jobs WHERE id = $1::bigint");
    }
    ~Raw() { PQfinish(x_conn); }
    Raw(const Raw&) = delete;
    Raw& operator=(const Raw&) = delete;
    void run(const char* sql) { check(PQexec(x_conn, sql)); }
    void prepare(const char* name, const char* sql) {
        check(PQprepare(x_conn, name, sql, 0, nullptr));
    }
    void exec(const char* name, const std::vector<const char*>& values) {
        check(PQexecPrepared(x_conn, name, static_cast<int>(values.size()), values.data(), nullptr,
                             nullptr, 0));
    }
    std::size_t point(std::int64_t id) {
        const std::string text = std::to_string(id);
        const char* const value = text.c_str();
        PGresult* const result = PQexecPrepared(x_conn, "point", 1, &value, nullptr, nullptr, 0);
        TASKSTORE_CHECK(PQntuples(result) == 1);
        const std::size_t size = std::string(PQgetvalue(result, 0, 0)).size();
        PQclear(result);
        return size;
    }

  private:
    static void check(PGresult* result) {
        const ExecStatusType status = PQresultStatus(result);
        TASKSTORE_CHECK(status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK);
        PQclear(result);
    }
    PGconn* x_conn;
};

class Bench {
  public:
    explicit Bench(double seconds)
        : x_seconds(seconds),
          x_server(std::move(*start_postgres({.fsync = true}))),
          x_location(postgres_location(*x_server)) {
        x_database = open({.max_connections = 1});
        must(x_database->write([](sql::Connection& connection) {
            return connection.execute("CREATE TABLE jobs (id BIGINT PRIMARY KEY, body TEXT)");
        }));
    }

    void inserts() {
        std::vector<double> single;
        std::vector<double> grouped;
        std::vector<double> loop;
        Raw raw(x_location);
        for (int round = 0; round < kRounds; ++round) {
            single.push_back(rate([&] {
                const std::string id = std::to_string(next_id());
                raw.exec("one", {id.c_str(), kBody.c_str()});
                return 1;
            }));
            grouped.push_back(callers());
            loop.push_back(rate([&] { return unnest(raw); }));
        }
        const double ours = median(grouped);
        std::printf("one caller, a commit each, libpq    %9.0f rows/s\n", median(single));
        std::printf("64 callers, 1 connection, ours      %9.0f rows/s\n", ours);
        std::printf("loop of 64-row unnest, libpq        %9.0f rows/s\n", median(loop));
        std::printf("ours / one caller                   %9.2f   (bar: >= 4)\n",
                    ours / median(single));
        std::printf("ours / loop                         %9.2f   (bar: >= 0.6)\n",
                    ours / median(loop));
    }

    void bulk() {
        TemporaryFolder folder;
        const std::string file = folder / "rows.tsv";
        std::vector<double> copied;
        std::vector<double> batched;
        for (int round = 0; round < kRounds; ++round) {
            const std::int64_t first = next_id() + 1'000'000'000LL * (round + 1);
            {
                std::ofstream out(file);
                for (std::int64_t i = 0; i < kBulkRows; ++i)
                    out << first + i << '\t' << kBody << '\n';
            }
            const std::string command = "psql -q -X '" + x_location +
                                        "' -c \"\\copy main.jobs (id, body) FROM '" + file + "'\"";
            double start = now();
            TASKSTORE_CHECK(std::system(command.c_str()) == 0);
            copied.push_back(now() - start);
            start = now();
            std::vector<sql::BoundStatement> batch;
            batch.reserve(kBulkRows);
            for (std::int64_t i = 0; i < kBulkRows; ++i)
                batch.push_back({.sql = kInsert,
                                 .values = {first + kBulkRows + i, kBody},
                                 .set_based = kInsertMany});
            must(x_database->write_batch(batch));
            batched.push_back(now() - start);
        }
        std::printf("100k rows, \\copy of psql            %9.3f s\n", median(copied));
        std::printf("100k rows, one batch, ours          %9.3f s\n", median(batched));
        std::printf("psql / ours                         %9.2f   (bar: >= 0.7)\n",
                    median(copied) / median(batched));
    }

    void point_selects() {
        Raw raw(x_location);
        const SystemClock clock;
        postgres::Driver driver({.clock = &clock});
        const auto connection = std::move(*driver.connect(x_location, {}));
        const std::int64_t id = next_id();
        raw.exec("one", {std::to_string(id).c_str(), kBody.c_str()});
        std::vector<double> raw_rates;
        std::vector<double> our_rates;
        for (int round = 0; round < 3 * kRounds; ++round) {
            raw_rates.push_back(rate([&] { return raw.point(id) == kBody.size() ? 1 : 0; }, 0.3));
            our_rates.push_back(rate(
                [&] {
                    const auto select =
                        std::move(*connection->prepare("SELECT body FROM jobs WHERE id = ?1"));
                    TASKSTORE_CHECK(static_cast<bool>(select->bind(1, id)));
                    TASKSTORE_CHECK(*select->step());
                    return std::string(select->column_text(0)).size() == kBody.size() ? 1 : 0;
                },
                0.3));
        }
        std::printf("point select, libpq                 %9.0f /s\n", median(raw_rates));
        std::printf("point select, ours                  %9.0f /s\n", median(our_rates));
        std::printf("time of ours / libpq                %9.3f   (bar: <= 1.05)\n",
                    median(raw_rates) / median(our_rates));
    }

    void reconnect() {
        const auto database = open({.max_connections = 4});
        std::vector<double> seconds;
        for (int round = 0; round < kRounds; ++round) {
            std::atomic<double> answered{0};
            x_server->stop();
            std::jthread writer([&] {
                const std::vector<sql::BoundStatement> batch{
                    {.sql = kInsert, .values = {next_id(), kBody}}};
                must(database->write_batch(batch));
                answered.store(now());
            });
            TASKSTORE_CHECK(static_cast<bool>(x_server->start_again()));
            const double ready = now();
            writer.join();
            seconds.push_back(std::max(0.0, answered.load() - ready));
        }
        std::printf("first write after a restart         %9.3f s, worst of %d   (bar: < 1)\n",
                    *std::ranges::max_element(seconds), kRounds);
    }

  private:
    std::unique_ptr<sql::Database> open(const sql::PoolOptions& pool) {
        return std::move(*postgres::open_database(
            {.location = x_location, .pool = pool, .clock = &x_clock, .random = &x_random}));
    }

    double rate(const std::function<int()>& work, double seconds = 0) const {
        const double start = now();
        const double until = start + (seconds > 0 ? seconds : x_seconds);
        std::int64_t rows = 0;
        while (now() < until) rows += work();
        return static_cast<double>(rows) / (now() - start);
    }

    double callers() {
        const double start = now();
        const double until = start + x_seconds;
        std::atomic<std::int64_t> rows{0};
        {
            std::vector<std::jthread> threads;
            for (int t = 0; t < kCallers; ++t) {
                threads.emplace_back([&] {
                    while (now() < until) {
                        const std::vector<sql::BoundStatement> batch{{.sql = kInsert,
                                                                      .values = {next_id(), kBody},
                                                                      .set_based = kInsertMany}};
                        must(x_database->write_batch(batch));
                        rows.fetch_add(1);
                    }
                });
            }
        }
        return static_cast<double>(rows.load()) / (now() - start);
    }

    static int unnest(Raw& raw) {
        std::string ids = "{";
        std::string bodies = "{";
        for (int i = 0; i < kCallers; ++i) {
            ids += (i == 0 ? "" : ",") + std::to_string(next_id());
            bodies += (i == 0 ? "\"" : ",\"") + kBody + "\"";
        }
        raw.exec("many", {(ids + "}").c_str(), (bodies + "}").c_str()});
        return kCallers;
    }

    double x_seconds;
    SystemClock x_clock;
    SystemRandom x_random;
    std::unique_ptr<Server> x_server;
    std::string x_location;
    std::unique_ptr<sql::Database> x_database;
};

}  // namespace
}  // namespace taskstore

int main(int argc, char** argv) {
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    taskstore::Bench bench(argc > 1 ? std::atof(argv[1]) : 2.0);
    bench.inserts();
    bench.bulk();
    bench.point_selects();
    bench.reconnect();
    return 0;
}
