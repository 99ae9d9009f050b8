// libSQL over a real sqld on this machine:
//   libsql_bench [INSERTS] [CALLERS]
// Single-row inserts by many callers at once through write_batch, against one request and commit
// each on a kept connection, interleaved; one caller; point reads.
#include "timing.hpp"

#include <taskstore/base/clock.hpp>
#include <taskstore/libsql/database.hpp>
#include <taskstore/testing/sqld.hpp>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <thread>

namespace {

using namespace taskstore;

constexpr int kRounds = 5;

std::atomic<std::uint64_t> requests{0};
std::atomic<std::int64_t> next_id{0};

void insert(sql::Database& database) {
    const std::vector<sql::BoundStatement> batch{
        {.sql = "INSERT INTO notes (id, text) VALUES (?1, ?2)",
         .values = {next_id++, std::string("a line that somebody wrote")}}};
    if (database.write_batch(batch)) return;
    std::fputs("an insert failed\n", stderr);
    std::exit(1);
}

double by_callers(sql::Database& database, int inserts, int callers) {
    return bench::seconds_of([&] {
        std::atomic<int> left{inserts};
        std::vector<std::jthread> threads;
        for (int t = 0; t < callers; ++t) {
            threads.emplace_back([&] {
                while (left.fetch_sub(1) > 0) insert(database);
            });
        }
    });
}

double one_request_each(sql::Connection& connection, int inserts) {
    return bench::seconds_of([&] {
        const auto statement = *connection.prepare("INSERT INTO notes (id, text) VALUES (?1, ?2)");
        for (int i = 0; i < inserts; ++i) {
            const bool done = statement->bind(1, next_id++) &&
                              statement->bind(2, std::string_view("a line that somebody wrote")) &&
                              statement->run();
            if (!done) std::exit(1);
            statement->reset();
        }
    });
}

}  // namespace

int main(int argc, char** argv) {
    const int inserts = argc > 1 ? std::atoi(argv[1]) : 1'000;
    const int callers = argc > 2 ? std::atoi(argv[2]) : 64;
    const auto sqld = start_sqld();
    if (!sqld) {
        std::fprintf(stderr, "%s\n", sqld.error().message.c_str());
        return 1;
    }
    const SystemClock clock;
    SystemRandom random;
    libsql::Options options;
    options.clock = &clock;
    options.random = &random;
    options.traffic_for_testing = [](const libsql::Traffic& traffic) {
        requests = traffic.requests;
    };
    const auto database = *libsql::open_database(sqld->location(), options);
    libsql::Options quiet = options;
    quiet.traffic_for_testing = {};
    libsql::Driver driver(quiet);
    const auto connection = *driver.connect(sqld->location(), {});
    if (!connection->execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT)")) return 1;
    insert(*database);

    std::vector<double> grouped;
    std::vector<double> single;
    std::vector<double> counts;
    for (int round = 0; round < kRounds; ++round) {
        const std::uint64_t before = requests;
        grouped.push_back(by_callers(*database, inserts, callers));
        counts.push_back(static_cast<double>(requests - before));
        single.push_back(one_request_each(*connection, inserts));
    }
    const double alone = by_callers(*database, inserts / 5, 1) / (inserts / 5);
    const std::vector<sql::BoundStatement> read{
        {.sql = "SELECT text FROM notes WHERE id = ?1", .values = {std::int64_t{1}}}};
    const double read_s = bench::seconds_of([&] {
        for (int i = 0; i < inserts; ++i) {
            if (!database->read_batch(read)) std::exit(1);
        }
    });
    std::printf("%d inserts, %d callers: %.0f ms, %.0f requests\n", inserts, callers,
                bench::median(grouped) * 1e3, bench::median(counts));
    std::printf("one request each: %.0f ms; ratio %.1f\n", bench::median(single) * 1e3,
                bench::median(single) / bench::median(grouped));
    std::printf("one caller: %.2f ms an insert; a point read: %.2f ms\n", alone * 1e3,
                read_s / inserts * 1e3);
    return 0;
}
