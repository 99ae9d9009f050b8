// Lines of a few kB per second, whose bytes come a few at a time: what is promised of commits holds
// over them as well.

#include <taskstore/testing/database_contract.hpp>
#include <taskstore/testing/proxy.hpp>

#include <array>
#include <thread>

namespace taskstore::sql {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;
constexpr std::int64_t kBytesPerSecond = 4'000;
const SystemClock kClock;

std::string text_of(std::int64_t id) {
    return std::string(500, static_cast<char>('a' + id % 26));
}

Result<Committed> as_batch(Database& database, std::int64_t id, std::int64_t deadline_boot_ns) {
    const std::vector<BoundStatement> batch{
        {.sql = "INSERT INTO notes (id, text) VALUES (?1, ?2)", .values = {id, text_of(id)}}};
    return database.write_batch(batch, {.deadline_boot_ns = deadline_boot_ns});
}

Result<Committed> as_work(Database& database, std::int64_t id, std::int64_t deadline_boot_ns) {
    const Work work = [id](Connection& connection) -> Status {
        TASKSTORE_LET(const auto insert,
                      connection.prepare("INSERT INTO notes (id, text) VALUES (?1, ?2)"));
        TASKSTORE_TRY(insert->bind(1, id));
        const std::string text = text_of(id);
        TASKSTORE_TRY(insert->bind(2, text));
        return insert->run();
    };
    return database.write(work, {.deadline_boot_ns = deadline_boot_ns});
}

using Write = Result<Committed> (*)(Database&, std::int64_t id, std::int64_t deadline_boot_ns);
constexpr std::array<Write, 2> kWrites{as_batch, as_work};

/// How often the row is there; -1: with another text, or it cannot be read.
int count_of(Database& database, std::int64_t id) {
    const std::vector<BoundStatement> batch{
        {.sql = "SELECT text FROM notes WHERE id = ?1", .values = {id}}};
    const auto read = database.read_batch(batch);
    EXPECT_TRUE(read) << read.error().message;
    if (!read) return -1;
    for (const auto& row : read->at(0).rows)
        if (row.at(0) != Value{text_of(id)}) return -1;
    return static_cast<int>(read->at(0).rows.size());
}

/// A fresh database with the table notes, straight and over a line that is quick so far.
struct Line {
    explicit Line(const LineBackend& backend)
        : sandbox(backend.make()),
          proxy(*Proxy::start(sandbox->port())),
          straight(sandbox->open(sandbox->port())) {
        // No key: what is applied twice is there twice.
        EXPECT_TRUE(straight->write([](Connection& connection) {
            return connection.execute("CREATE TABLE notes (id BIGINT, text TEXT)");
        }));
        slow = sandbox->open(proxy->port());
        EXPECT_TRUE(as_batch(*slow, 0, 0)) << "its connection is kept";
    }
    std::unique_ptr<LineSandbox> sandbox;
    std::unique_ptr<Proxy> proxy;
    std::unique_ptr<Database> straight;
    std::unique_ptr<Database> slow;
};

/// READ COMMITTED is none.
bool holds_commit(std::string_view sent) {
    constexpr std::string_view kCommit = "COMMIT";
    for (std::size_t at = sent.find(kCommit); at != std::string_view::npos;
         at = sent.find(kCommit, at + 1))
        if (!sent.substr(at + kCommit.size()).starts_with("TED")) return true;
    return false;
}

void expect_truth_in_time(const LineBackend& backend, Write write, std::int64_t deadline_ms) {
    const Line line(backend);
    line.proxy->mark();
    line.proxy->throttle(kBytesPerSecond);
    const std::int64_t deadline_ns = kClock.boot_ns() + deadline_ms * kNsPerMs;
    const auto told = write(*line.slow, 1, deadline_ns);
    // Whatever else a driver waits for takes seconds.
    constexpr std::int64_t kLateMsMax = 1'500;
    EXPECT_LT(kClock.boot_ns(), deadline_ns + kLateMsMax * kNsPerMs);
    line.proxy->heal();  // What is still under way arrives.
    const int count = count_of(*line.straight, 1);
    if (told) {
        EXPECT_EQ(count, 1);
    } else if (told.error().code == Code::timed_out) {
        EXPECT_EQ(count, 0) << told.error().message;
        EXPECT_FALSE(holds_commit(line.proxy->recorded(Proxy::to_server)));
    } else {
        EXPECT_EQ(told.error().code, Code::outcome_unknown) << told.error().message;
        EXPECT_TRUE(count == 0 || count == 1) << count;
    }
}

}  // namespace

// A file has no line to its server.
GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(SlowLineContract);

TEST_P(SlowLineContract, ACommitIsWholeAndThereOnce) {
    const Line line(GetParam());
    line.proxy->throttle(kBytesPerSecond);
    std::int64_t id = 0;
    for (const Write write : kWrites) {
        const auto told = write(*line.slow, ++id, 0);
        EXPECT_TRUE(told) << told.error().message;
        EXPECT_EQ(count_of(*line.slow, id), 1);
    }
}

TEST_P(SlowLineContract, ADeadlineEndsACommitInTimeAndTellsTheTruth) {
    for (const std::int64_t deadline_ms : {20, 100, 200, 400, 800}) {
        std::vector<std::jthread> threads;
        for (const Write write : kWrites)
            threads.emplace_back(
                [&, write] { expect_truth_in_time(GetParam(), write, deadline_ms); });
    }
}

}  // namespace taskstore::sql
