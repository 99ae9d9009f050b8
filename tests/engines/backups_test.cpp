// Backups by each engine's own means: they are what its rows, read one after the other, would be.

#include "servers.hpp"

#include <gmock/gmock.h>
#include <taskstore/store/backup.hpp>
#include <taskstore/testing/proxy.hpp>

#include <atomic>
#include <cmath>
#include <filesystem>
#include <limits>
#include <random>
#include <thread>

namespace taskstore::store {
namespace {

using testing::HasSubstr;

/// It stands still: what a backup says of its time is the same twice.
class StillClock final : public Clock {
  public:
    std::int64_t wall_ms() const override { return 1'795'000'000'000; }
    std::int64_t boot_ns() const override { return x_now.boot_ns(); }
    std::int64_t running_ns() const override { return x_now.running_ns(); }

  private:
    SystemClock x_now;
};

/// A driver whose copies a test looks at, or does without.
class Watched final : public sql::Part {
  public:
    Result<std::unique_ptr<sql::Database>> open_database(const sql::OpenRequest& request) override {
        return real->open_database(request);
    }
    Result<std::unique_ptr<sql::Connection>> connect(const sql::OpenRequest& request) override {
        return real->connect(request);
    }
    std::string version() const override { return real->version(); }
    bool copies() const override { return with_copies && real->copies(); }
    Status copy(const sql::OpenRequest& request, sql::CopyFile& to) override {
        ++begun;
        if (before) TASKSTORE_TRY(before());
        TASKSTORE_TRY(real->copy(request, to));
        ++ended;
        return ok();
    }
    Result<std::unique_ptr<sql::CopyFile>> begin_copy(const std::string& path) override {
        return real->begin_copy(path);
    }

    sql::Part* real = nullptr;
    bool with_copies = true;
    std::function<Status()> before = {};
    int begun = 0;
    int ended = 0;
};

constexpr std::array kRows{sql::Migration{
    1, "rows", "CREATE TABLE things (id TEXT PRIMARY KEY, t TEXT, n INTEGER, r REAL, b BLOB)"}};
constexpr std::array kPostgresRows{sql::Migration{
    1, "rows",
    "CREATE TABLE things (id TEXT COLLATE \"C\" PRIMARY KEY, t TEXT, n BIGINT, r DOUBLE PRECISION, "
    "b BYTEA)"}};
constexpr std::array kTables{sql::Table{.name = "things", .key = "id"}};

/// A database of one table that takes every value, at a place.
struct Things {
    explicit Things(std::string at) : place(std::move(at)) {}

    std::unique_ptr<Databases> databases() {
        DatabasesOptions options;
        options.settings.home = folder / "home";
        options.settings.folder = folder / ".";
        options.settings.variable = [](const std::string&) { return std::nullopt; };
        options.settings.places[static_cast<std::size_t>(DatabaseName::tasks)] = {
            place, "config.toml", false};
        options.opener.uid = os::SystemFileSystem().info(folder / ".")->owner;
        options.part = [this](sql::Engine engine) -> Result<sql::Part*> {
            auto& part = parts.at(static_cast<std::size_t>(engine));
            if (part.real == nullptr) {
                TASKSTORE_LET(part.real, backends.part(engine));
            }
            return &part;
        };
        options.modules_for_testing = [](DatabaseName name, std::string_view dialect) {
            auto modules = modules_of(name, dialect);
            const auto& rows = dialect == "postgres" ? kPostgresRows : kRows;
            modules.push_back({.name = "things", .migrations = rows, .tables = kTables});
            return modules;
        };
        return std::make_unique<Databases>(files, clock, random, std::move(options));
    }
    Watched& part(sql::Engine engine) { return parts.at(static_cast<std::size_t>(engine)); }
    std::string backup() const { return folder / "things.zst"; }
    Result<BackupReport> back_up() {
        return store::back_up(*databases(), DatabaseName::tasks, backup(), {});
    }
    std::string must_back_up() {
        const auto report = back_up();
        EXPECT_TRUE(report) << report.error().message;
        return report ? report->sha256 : "";
    }

    TemporaryFolder folder;
    os::SystemFileSystem files;
    StillClock clock;
    SeededRandom random{11};
    Backends backends{TASKSTORE_DRIVERS_HERE};
    std::array<Watched, 3> parts;
    std::string place;
};

std::string place_of(sql::Engine engine) {
    return engine == sql::Engine::sqlite ? "" : servers->fresh(engine);
}

void add(sql::Database& database, const std::string& id, const std::vector<sql::Value>& rest) {
    std::vector<sql::Value> values{id};
    values.insert(values.end(), rest.begin(), rest.end());
    const sql::BoundStatement one{.sql = "INSERT INTO things VALUES (?1, ?2, ?3, ?4, ?5)",
                                  .values = values};
    const auto written = database.write_batch({&one, 1});
    ASSERT_TRUE(written) << id << ": " << written.error().message;
}

void add_extremes(sql::Database& database) {
    using Limits = std::numeric_limits<double>;
    std::string bytes;
    for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
    const std::vector<std::string> texts{"",
                                         "plain",
                                         "it's; \"quoted\"\n-- COMMIT;\r\n/* \t */",
                                         "a\\nb\\r(\\n0)\nc\\012\r",
                                         "\xF0\x9F\xA6\x80\xF4\x8F\xBF\xBF",
                                         "1.0",
                                         "-0",
                                         "NULL",
                                         "X'00'",
                                         "\x01\x7f",
                                         std::string(10 << 20, 'y') + "\n"};
    const std::vector<double> reals{0.0,
                                    -0.0,
                                    1e-308,
                                    Limits::denorm_min(),
                                    Limits::min(),
                                    Limits::max(),
                                    -Limits::max(),
                                    0.1 + 0.2,
                                    1.0 / 3,
                                    3.0,
                                    1e15,
                                    9007199254740993.0,
                                    123456789012345680.0,
                                    1e19,
                                    -8.41e21,
                                    5e-5,
                                    std::nextafter(1.0, 2.0)};
    int i = 0;
    const auto next = [&] { return "x" + std::to_string(1'000 + i++); };
    for (const std::string& text : texts) add(database, next(), {text, {}, {}, {}});
    for (const double real : reals) add(database, next(), {{}, {}, real, {}});
    for (const std::int64_t number : {std::numeric_limits<std::int64_t>::min(), std::int64_t{-1},
                                      std::int64_t{0}, std::numeric_limits<std::int64_t>::max()})
        add(database, next(), {{}, number, {}, {}});
    for (const std::string& blob : {std::string(), bytes, std::string(1 << 20, '\0')})
        add(database, next(), {{}, {}, {}, sql::Blob{blob}});
    // Of every size.
    std::mt19937_64 random(3);
    for (int k = 0; k < 2'000; ++k) {
        const double real = std::ldexp(static_cast<double>(random() >> 11U),
                                       static_cast<int>(random() % 2'000) - 1'050);
        add(database, next(), {{}, {}, std::isfinite(real) ? real : 1.0, {}});
    }
}

TEST(Backups, ByACopyAreTheSameBytesAsByRows) {
    for (const auto engine : {sql::Engine::sqlite, sql::Engine::libsql}) {
        Things things(place_of(engine));
        {
            const auto databases = things.databases();
            add_extremes(*must(databases->open(DatabaseName::tasks)));
        }
        const std::string by_copy = things.must_back_up();
        EXPECT_EQ(things.part(engine).ended, 1);
        things.part(engine).with_copies = false;
        EXPECT_EQ(things.must_back_up(), by_copy);
        EXPECT_EQ(things.part(engine).begun, 1);
        Things other("");
        const auto restored = restore(*other.databases(), {.path = things.backup()});
        ASSERT_TRUE(restored) << restored.error().message;
        EXPECT_GE(restored->rows, 2'035);
    }
}

TEST(Backups, OfAServerThatGivesNoDumpAreMadeOfRows) {
    Things things(place_of(sql::Engine::libsql));
    add(**things.databases()->open(DatabaseName::tasks), "a", {{}, std::int64_t{1}, 2.0, {}});
    const std::string by_copy = things.must_back_up();
    Watched& part = things.part(sql::Engine::libsql);
    for (const Code refused : {Code::unsupported, Code::denied}) {
        part.before = [refused] { return Status(fail(refused, "no dump for you")); };
        EXPECT_EQ(things.must_back_up(), by_copy);
    }
    EXPECT_EQ(part.begun, 3);
    EXPECT_EQ(part.ended, 1);
}

std::int64_t number(sql::Connection& connection, std::string_view text) {
    const sql::BoundStatement one{.sql = text};
    return std::get<std::int64_t>(must(sql::run_batch(connection, {&one, 1}))[0].rows.at(0).at(0));
}

TEST(Backups, AreOneStateWhileOthersWrite) {
    for (const auto engine : kEngines) {
        Things things(place_of(engine));
        const auto databases = things.databases();
        sql::Database& database = *must(databases->open(DatabaseName::tasks));
        // The pair stands at both ends of what is read.
        add(database, "a", {{}, std::int64_t{0}, {}, {}});
        add(database, "z", {{}, std::int64_t{0}, {}, {}});
        for (int i = 0; i < 1'200; ++i)
            add(database, "m" + std::to_string(i), {std::string(500, 'x'), {}, {}, {}});
        std::atomic<bool> stop = false;
        std::atomic<int> written = 0;
        std::jthread writer([&] {
            const std::vector<sql::BoundStatement> pair{
                {.sql = "UPDATE things SET n = n + 1 WHERE id = 'a'"},
                {.sql = "UPDATE things SET n = n + 1 WHERE id = 'z'"}};
            while (!stop) {
                EXPECT_TRUE(database.write_batch(pair));
                ++written;
            }
        });
        for (int i = 0; i < 3; ++i) {
            for (const int seen = written; written == seen;) std::this_thread::yield();
            const int before = written;
            things.must_back_up();
            Things other("");
            ASSERT_TRUE(restore(*other.databases(), {.path = things.backup()}));
            const auto opened = other.databases();
            const auto connection = must(opened->connect(
                DatabaseName::tasks, opened->place(DatabaseName::tasks)->location, {}));
            EXPECT_EQ(number(*connection, "SELECT count(DISTINCT n) FROM things WHERE n > 0"), 1);
            EXPECT_GE(number(*connection, "SELECT n FROM things WHERE id = 'a'"), before);
            EXPECT_EQ(number(*connection, "SELECT n FROM things WHERE id = 'a'"),
                      number(*connection, "SELECT n FROM things WHERE id = 'z'"));
        }
        stop = true;
        writer.join();
        EXPECT_EQ(things.part(engine).ended, engine == sql::Engine::postgres ? 0 : 3);
    }
}

TEST(Backups, WhoseDumpIsCutBeginAgain) {
    Things things(place_of(sql::Engine::libsql));
    {
        const auto databases = things.databases();
        sql::Database& database = *must(databases->open(DatabaseName::tasks));
        for (int i = 0; i < 600; ++i)
            add(database, "m" + std::to_string(i), {std::to_string(i * i), {}, {}, {}});
    }
    const std::string whole = things.must_back_up();
    const auto proxy = must(Proxy::start(servers->port(sql::Engine::libsql)));
    const std::string port = ":" + std::to_string(servers->port(sql::Engine::libsql));
    things.place.replace(things.place.find(port), port.size(), ":" + std::to_string(proxy->port()));
    Watched& part = things.part(sql::Engine::libsql);
    for (const int losses : {1, 5}) {
        part.begun = 0;
        part.before = [&] {
            proxy->heal();
            if (part.begun <= losses) proxy->cut_after(Proxy::to_client, 1'500);
            return ok();
        };
        const auto report = things.back_up();
        proxy->heal();
        EXPECT_EQ(part.begun, losses == 1 ? 2 : 5);
        ASSERT_EQ(report.has_value(), losses == 1);
        if (report) {
            EXPECT_EQ(report->sha256, whole);
            continue;
        }
        EXPECT_EQ(report.error().code, Code::unavailable) << report.error().message;
        EXPECT_THAT(report.error().hint, HasSubstr("5 times"));
        for (const auto& entry : std::filesystem::directory_iterator(things.folder.path()))
            EXPECT_THAT(entry.path().filename().string(), testing::Not(HasSubstr("copy")));
    }
}

TEST(Backups, OfPostgresAreOneSnapshot) {
    Things things(place_of(sql::Engine::postgres));
    const auto databases = things.databases();
    add(*must(databases->open(DatabaseName::tasks)), "a", {{}, std::int64_t{1}, {}, {}});
    const auto connection = must(databases->connect(
        DatabaseName::tasks, databases->place(DatabaseName::tasks)->location, {}));
    const auto transaction = must(sql::Transaction::begin_read(*connection));
    const sql::BoundStatement asked{
        .sql =
            "SELECT current_setting('transaction_isolation') || ', ' || "
            "current_setting('transaction_read_only')"};
    EXPECT_EQ(
        std::get<std::string>(must(sql::run_batch(*connection, {&asked, 1}))[0].rows.at(0).at(0)),
        "repeatable read, on");
    EXPECT_EQ(number(*connection, "SELECT count(*) FROM things"), 1);
    add(*must(databases->open(DatabaseName::tasks)), "b", {{}, std::int64_t{1}, {}, {}});
    EXPECT_EQ(number(*connection, "SELECT count(*) FROM things"), 1);
}

}  // namespace
}  // namespace taskstore::store
