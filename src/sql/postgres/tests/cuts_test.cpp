// The line to the server, or to a pooler before it, is cut at every message of a commit: what was
// acknowledged is there, what failed is not, and nothing is there twice.

#include "faults.hpp"

#include <array>
#include <functional>
#include <tuple>

namespace taskstore::postgres {
namespace {

/// Where the messages of a recording end (PostgreSQL protocol 3: a type byte, then a length that
/// counts itself).
std::vector<std::uint64_t> ends_of_messages(const std::string& bytes) {
    std::vector<std::uint64_t> ends{0};
    std::size_t at = 0;
    while (at + 5 <= bytes.size()) {
        std::uint32_t length = 0;
        for (std::size_t i = 1; i <= 4; ++i)
            length = length << 8 | static_cast<unsigned char>(bytes[at + i]);
        at += 1 + length;
        ends.push_back(at);
    }
    return ends;
}

// --- cuts at every message of a commit
// ------------------------------------------------------------------------

using Write = std::function<Result<sql::Committed>(sql::Database&, std::int64_t id)>;
struct Way {
    std::string name;
    Write write;
};

/// Where the cuts are made; a pooler keeps its sessions of the server when its clients go, and its
/// clients when the server goes.
enum class Where : std::uint8_t { no_pooler, before_pooler, behind_pooler };

struct Line {
    std::unique_ptr<Proxy> proxy;
    std::unique_ptr<Server> pooler;  ///< Of this test, where the cuts are behind it.
    std::string location;
};

Line line_with_cuts(Where where) {
    if (where == Where::behind_pooler) {
        auto proxy = must(Proxy::start(shared_server().port()));
        auto pooler = start_pooler(proxy->port());
        std::string location = plain_location(*pooler);
        return {std::move(proxy), std::move(pooler), std::move(location)};
    }
    Server& next = where == Where::no_pooler ? shared_server() : shared_pooler();
    auto proxy = must(Proxy::start(next.port()));
    std::string location = through(*proxy);
    return {std::move(proxy), nullptr, std::move(location)};
}

class CutCommit : public testing::TestWithParam<std::tuple<Where, Way>> {};

TEST_P(CutCommit, AtEveryMessageInBothDirections) {
    const auto& [where, way] = GetParam();
    const Line line = line_with_cuts(where);
    Proxy* const proxy = line.proxy.get();
    const std::string schema = fresh_schema();
    const auto direct = open(plain_location(shared_server()), schema);
    execute(*direct, kCreate);
    const auto database =
        open(line.location, schema,
             {.pool = {.max_connections = 2}, .pooler = where != Where::no_pooler});
    Ledger ledger;
    std::int64_t id = 0;
    for (int i = 0; i < 3; ++i) must(way.write(*database, ++id));  // Now names are prepared.
    proxy->mark();
    must(way.write(*database, ++id));
    const std::array ends{ends_of_messages(proxy->recorded(Proxy::to_server)),
                          ends_of_messages(proxy->recorded(Proxy::to_client))};
    ASSERT_GT(ends[0].size(), 8U);
    ASSERT_GT(ends[1].size(), 8U);
    int cuts = proxy->cuts();
    for (const auto direction : {Proxy::to_server, Proxy::to_client}) {
        for (const std::uint64_t end : ends[direction]) {
            for (int i = 0; i < 2; ++i) must(way.write(*database, ++id));
            proxy->cut_after(direction, end);
            ++id;
            ledger.note(id, way.write(*database, id));
            EXPECT_GT(proxy->cuts(), cuts) << "nothing was cut at byte " << end;
            cuts = proxy->cuts();
            proxy->heal();
        }
    }
    ledger.compare(*direct);
    const int tried = static_cast<int>(ends[0].size() + ends[1].size());
    // Behind a pooler nobody can tell which server to ask.
    const int unknown = where == Where::no_pooler ? 0 : ledger.count(Code::outcome_unknown);
    EXPECT_EQ(ledger.count(std::nullopt) + unknown, tried)
        << "a lost connection is tried again, or what became of the commit is asked";
    EXPECT_GT(ledger.count(std::nullopt), tried / 2);
}

const auto kWays = testing::Values(
    Way{"BatchOfTwo",
        [](sql::Database& database, std::int64_t id) {
            auto batch = insert(id);
            batch.push_back({.sql = "SELECT count(*) FROM notes WHERE id = ?1", .values = {id}});
            return database.write_batch(batch);
        }},
    Way{"Batch",
        [](sql::Database& database, std::int64_t id) { return database.write_batch(insert(id)); }},
    Way{"BatchThatExpects",
        [](sql::Database& database, std::int64_t id) {
            auto batch = insert(id);
            batch.front().changes_expected = 1;
            return database.write_batch(batch, {.wake = "notes"});
        }},
    Way{"WorkThatExecutes",
        [](sql::Database& database, std::int64_t id) {
            return database.write([id](sql::Connection& connection) {
                return connection.execute("INSERT INTO notes VALUES (" + std::to_string(id) + ")");
            });
        }},
    Way{"Work", [](sql::Database& database, std::int64_t id) {
            return database.write([id](sql::Connection& connection) -> Status {
                TASKSTORE_LET(const auto statement, connection.prepare(kInsert));
                TASKSTORE_TRY(statement->bind(1, id));
                return statement->run();
            });
        }});
std::string name_of_cut(const testing::TestParamInfo<std::tuple<Where, Way>>& test) {
    constexpr std::array<std::string_view, 3> kWhere{"", "BeforePgBouncer", "BehindPgBouncer"};
    const auto& [where, way] = test.param;
    return way.name + std::string(kWhere.at(static_cast<std::size_t>(where)));
}
const auto kPlaces = testing::Values(Where::no_pooler, Where::before_pooler, Where::behind_pooler);
INSTANTIATE_TEST_SUITE_P(Ways, CutCommit, testing::Combine(kPlaces, kWays), name_of_cut);

TEST(CutStatement, OutsideOfATransactionAWriteIsInDoubtAndAReadIsNot) {
    const auto proxy = must(Proxy::start(shared_server().port()));
    const std::string schema = fresh_schema();
    execute(*open(plain_location(shared_server()), schema), kCreate);
    for (const bool pooler : {false, true}) {
        Driver driver({.clock = &real_clock(), .schema = schema, .pooler = pooler});
        const auto lost = [&](const std::function<Status(sql::Connection&)>& ask) {
            const auto connection = must(driver.connect(through(*proxy), {}));
            proxy->cut_after(Proxy::to_client, 0);
            const Status told = ask(*connection);
            proxy->heal();
            return told ? Code::failed : told.error().code;
        };
        const auto execute = [](std::string_view sql) {
            return [sql](sql::Connection& connection) { return connection.execute(sql); };
        };
        const auto run = [](std::string_view sql) {
            return [sql](sql::Connection& connection) -> Status {
                TASKSTORE_LET(const auto statement, connection.prepare(sql));
                return statement->run();
            };
        };
        constexpr std::string_view kInsertOne = "INSERT INTO notes (id) VALUES (1)";
        EXPECT_EQ(lost(execute(kInsertOne)), Code::outcome_unknown);
        EXPECT_EQ(lost(run(kInsertOne)), Code::outcome_unknown);
        EXPECT_EQ(lost(execute("SELECT 1")), Code::unavailable);
        EXPECT_EQ(lost(run("SELECT 1")), Code::unavailable);
        EXPECT_EQ(lost([](sql::Connection& connection) -> Status {
                      TASKSTORE_TRY(connection.begin_write());
                      return connection.execute(kInsertOne);
                  }),
                  Code::unavailable)
            << "its transaction is undone with the session";
    }
}

// --- poolers and servers behind them
// -----------------------------------------------------------------------------

TEST(PoolerFaults, AKilledServerBehindItLosesNothingAndIsMetWithinASecond) {
    const auto server = must(start_postgres({.fsync = true, .settings = {kQuickRecovery}}));
    make_plain_user(*server);
    const auto pooler = start_pooler(server->port());
    const auto database =
        open(plain_location(*pooler), "main", {.pool = {.max_connections = 4}, .pooler = true});
    execute(*database, kCreate);
    Ledger ledger;
    {
        Load load(*database, ledger, 8);
        kill_again_and_again(*server, load, 2);
        server->stop();  // Sessions are ended, and say so.
        start_again(*server);
        load.wait_for_successes(1);
    }
    compare_and_expect_no_failure(ledger, *database);
}

TEST(PoolerFaults, AKilledPoolerLosesNothingAndIsMetWithinASecond) {
    const auto pooler = start_pooler(shared_server().port());
    const std::string schema = fresh_schema();
    const auto database =
        open(plain_location(*pooler), schema, {.pool = {.max_connections = 4}, .pooler = true});
    execute(*database, kCreate);
    Ledger ledger;
    {
        Load load(*database, ledger, 8);
        kill_again_and_again(*pooler, load, 3);
    }
    compare_and_expect_no_failure(ledger, *open(plain_location(shared_server()), schema));
}

}  // namespace
}  // namespace taskstore::postgres
