#include <taskstore/testing/database_contract.hpp>

#include <gmock/gmock.h>

#include <cmath>
#include <limits>

namespace taskstore::sql {
namespace {

using testing::ElementsAre;

const std::string kFourBytes = "\xF0\x9F\xA6\x8A \xF4\x8F\xBF\xBF \xEF\xBB\xBF \xC3\xA9 e\xCC\x81";

void must(const Status& status) {
    ASSERT_TRUE(status) << status.error().message;
}

template <typename T>
T must(Result<T> result) {
    if (!result) {
        ADD_FAILURE() << result.error().message;
        std::abort();  // Nothing after it could run.
    }
    return std::move(*result);
}

std::int64_t number(Connection& connection, std::string_view sql) {
    const auto statement = must(connection.prepare(sql));
    EXPECT_TRUE(must(statement->step()));
    return statement->column_int64(0);
}

void make_table(Connection& connection) {
    must(connection.execute("CREATE TABLE t (id BIGINT PRIMARY KEY, text TEXT)"));
}

/// Stores `value` in a column of `type` and reads it back.
Value round_trip(Connection& connection, const std::string& type, const Value& value) {
    must(connection.execute("DROP TABLE IF EXISTS v"));
    must(connection.execute("CREATE TABLE v (x " + type + ")"));
    const auto insert = must(connection.prepare("INSERT INTO v (x) VALUES (?1)"));
    must(insert->bind_value(1, value));
    must(insert->run());
    const auto select = must(connection.prepare("SELECT x FROM v"));
    EXPECT_TRUE(must(select->step()));
    return select->column_value(0);
}

}  // namespace

std::unique_ptr<Connection> PortContract::connect(const OpenOptions& options) {
    return must(x_sandbox->driver().connect(x_sandbox->location(), options));
}

// --- values
// -----------------------------------------------------------------------------------------------

TEST_P(PortContract, IntegersKeepTheirExtremes) {
    const auto connection = connect();
    using Limits = std::numeric_limits<std::int64_t>;
    for (const std::int64_t value :
         {Limits::min(), std::int64_t{-1}, std::int64_t{0}, Limits::max()}) {
        EXPECT_EQ(round_trip(*connection, "BIGINT", value), Value(value));
    }
}

TEST_P(PortContract, DoublesKeepTheirBits) {
    const auto connection = connect();
    using Limits = std::numeric_limits<double>;
    for (const double value : {0.0, 0.1, 1.0 / 3.0, -Limits::max(), Limits::min(),
                               Limits::denorm_min(), 9007199254740993.0}) {
        EXPECT_EQ(round_trip(*connection, "DOUBLE PRECISION", value), Value(value));
    }
}

TEST_P(PortContract, InfinityIsKeptOrRefused) {
    const FakeClock clock;
    const auto database = must(x_sandbox->open_database(clock, [] {}));
    const auto connection = connect();
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    for (const double value : {kInfinity, -kInfinity}) {
        if (database->capabilities().finite_doubles_only) {
            const auto select = must(connection->prepare("SELECT ?1"));
            EXPECT_EQ(select->bind(1, value).error().code, Code::invalid);
        } else {
            EXPECT_EQ(round_trip(*connection, "DOUBLE PRECISION", value), Value(value));
        }
    }
}

TEST_P(PortContract, TextKeepsEveryCharacter) {
    const auto connection = connect();
    for (const std::string& value :
         {kFourBytes, std::string("\x01\x7f'\"\\ \r\n%_"), std::string("null")}) {
        EXPECT_EQ(round_trip(*connection, "TEXT", value), Value(value));
    }
}

TEST_P(PortContract, BlobsKeepEveryByte) {
    const auto connection = connect();
    Blob blob;
    for (int byte = 0; byte < 256; ++byte) blob.bytes += static_cast<char>(byte);
    EXPECT_EQ(round_trip(*connection, x_sandbox->blob_type(), blob), Value(blob));
}

TEST_P(PortContract, TenMegabytesComeBackWhole) {
    const auto connection = connect();
    std::string text(10 << 20, 'x');
    for (std::size_t i = 0; i < text.size(); i += 4'099) text[i] = static_cast<char>('a' + i % 26);
    EXPECT_TRUE(round_trip(*connection, "TEXT", text) == Value(text));
    EXPECT_TRUE(round_trip(*connection, x_sandbox->blob_type(), Blob{text}) == Value(Blob{text}));
}

TEST_P(PortContract, EmptyIsNotNull) {
    const auto connection = connect();
    EXPECT_EQ(round_trip(*connection, "TEXT", std::string()), Value(std::string()));
    EXPECT_EQ(round_trip(*connection, x_sandbox->blob_type(), Blob{}), Value(Blob{}));
    EXPECT_EQ(round_trip(*connection, "TEXT", std::monostate{}), Value(std::monostate{}));
}

TEST_P(PortContract, EmptyViewsWithoutAnAddressAreNotNull) {
    const auto connection = connect();
    make_table(*connection);
    const auto insert = must(connection->prepare("INSERT INTO t (id, text) VALUES (1, ?1)"));
    must(insert->bind(1, std::string_view{}));
    must(insert->run());
    EXPECT_EQ(number(*connection, "SELECT COUNT(*) FROM t WHERE text = ''"), 1);
}

TEST_P(PortContract, WhatCannotBeKeptIsRefused) {
    const auto connection = connect();
    make_table(*connection);
    const auto insert = must(connection->prepare("INSERT INTO t (id, text) VALUES (1, ?1)"));
    EXPECT_EQ(insert->bind(1, std::string_view("a\0b", 3)).error().code, Code::invalid);
    EXPECT_EQ(insert->bind(1, std::nan("")).error().code, Code::invalid);
    EXPECT_EQ(insert->bind(7, std::int64_t{1}).error().code, Code::invalid);
}

// --- statements
// -------------------------------------------------------------------------------------------

TEST_P(PortContract, ResetClearsTheBindings) {
    const auto connection = connect();
    make_table(*connection);
    const auto insert = must(connection->prepare("INSERT INTO t (id, text) VALUES (?1, ?2)"));
    must(insert->bind(1, std::int64_t{1}));
    must(insert->bind(2, std::string_view{"one"}));
    must(insert->run());
    insert->reset();
    must(insert->bind(1, std::int64_t{2}));
    must(insert->run());
    EXPECT_EQ(number(*connection, "SELECT COUNT(*) FROM t WHERE text IS NULL"), 1);
}

TEST_P(PortContract, AStatementBorrowedTwiceIsTwoStatements) {
    const auto connection = connect();
    make_table(*connection);
    must(connection->execute("INSERT INTO t (id) VALUES (1), (2)"));
    constexpr std::string_view kSql = "SELECT id FROM t ORDER BY id";
    const auto outer = must(connection->prepare(kSql));
    std::vector<std::int64_t> seen;
    while (must(outer->step())) {
        const auto inner = must(connection->prepare(kSql));
        while (must(inner->step()))
            seen.push_back(outer->column_int64(0) * 10 + inner->column_int64(0));
    }
    EXPECT_THAT(seen, ElementsAre(11, 12, 21, 22));
}

TEST_P(PortContract, AReturnedStatementStartsAfresh) {
    const auto connection = connect();
    make_table(*connection);
    must(connection->execute("INSERT INTO t (id, text) VALUES (1, 'a'), (2, NULL)"));
    constexpr std::string_view kSql =
        "SELECT id FROM t WHERE text IS NULL OR text = ?1 ORDER BY id";
    {
        const auto half_read = must(connection->prepare(kSql));
        must(half_read->bind(1, std::string_view{"a"}));
        EXPECT_TRUE(must(half_read->step()));
        EXPECT_EQ(half_read->column_int64(0), 1);
    }
    const auto again = must(connection->prepare(kSql));
    EXPECT_TRUE(must(again->step()));
    EXPECT_EQ(again->column_int64(0), 2) << "a binding of the last borrower is still there";
}

TEST_P(PortContract, StatementsFollowASchemaThatChanges) {
    const auto connection = connect();
    make_table(*connection);
    must(connection->execute("INSERT INTO t (id) VALUES (1)"));
    EXPECT_EQ(must(connection->prepare("SELECT * FROM t"))->column_count(), 2);
    must(connection->execute("ALTER TABLE t ADD COLUMN more TEXT"));
    const auto select = must(connection->prepare("SELECT * FROM t"));
    EXPECT_TRUE(must(select->step()));
    EXPECT_EQ(select->column_count(), 3);
    EXPECT_EQ(select->column_name(2), "more");
}

TEST_P(PortContract, NamesOfColumnsFollowASchemaThatChanges) {
    const auto connection = connect();
    make_table(*connection);
    must(connection->execute("INSERT INTO t (id) VALUES (1); ALTER TABLE t ADD COLUMN more TEXT"));
    const auto third_name = [&] {
        const auto select = must(connection->prepare("SELECT * FROM t"));
        EXPECT_TRUE(must(select->step()));
        const ColumnNames names = select->column_names();
        EXPECT_EQ(std::ssize(names), 3);
        EXPECT_EQ(names[0], "id");
        return names[2];
    };
    EXPECT_EQ(third_name(), "more");
    EXPECT_EQ(third_name(), "more");
    must(connection->execute("ALTER TABLE t RENAME COLUMN more TO other"));
    EXPECT_EQ(third_name(), "other");
    const auto none = must(connection->prepare("DELETE FROM t"));
    EXPECT_FALSE(must(none->step()));
    EXPECT_TRUE(none->column_names().empty());
}

TEST_P(PortContract, MoreStatementsThanTheCacheHoldsStillRun) {
    const auto connection = connect();
    for (int round = 0; round < 2; ++round) {
        for (int i = 0; i < 200; ++i) {
            EXPECT_EQ(number(*connection, "SELECT " + std::to_string(i)), i);
        }
    }
}

TEST_P(PortContract, BadSqlIsInvalidAndSaysWhere) {
    const auto connection = connect();
    const auto status = connection->execute("SELEC 1");
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, Code::invalid);
    EXPECT_THAT(status.error().message, testing::HasSubstr("SELEC 1"));
    EXPECT_NE(status.error().native, 0);
    EXPECT_EQ(connection->prepare("SELECT 1; SELECT 2").error().code, Code::invalid);
    EXPECT_EQ(connection->prepare(" -- nothing\n").error().code, Code::invalid);
    EXPECT_TRUE(connection->prepare("SELECT 1 ; -- one"));
}

TEST_P(PortContract, ExecuteRunsSeveralStatementsAndStopsAtAnError) {
    const auto connection = connect();
    make_table(*connection);
    EXPECT_EQ(connection
                  ->execute("INSERT INTO t (id) VALUES (1); INSERT INTO t (id) VALUES (1);"
                            "INSERT INTO t (id) VALUES (2)")
                  .error()
                  .code,
              Code::conflict);
    EXPECT_EQ(number(*connection, "SELECT COUNT(*) FROM t WHERE id = 2"), 0);
}

TEST_P(PortContract, ChangesCountsTheRowsOfTheLastStatement) {
    const auto connection = connect();
    make_table(*connection);
    must(connection->execute("INSERT INTO t (id) VALUES (1), (2), (3)"));
    EXPECT_EQ(connection->changes(), 3);
    must(connection->execute("UPDATE t SET text = 'x' WHERE id = 9"));
    EXPECT_EQ(connection->changes(), 0);
}

// --- transactions
// -----------------------------------------------------------------------------------------

TEST_P(PortContract, UndoIsTheDefault) {
    const auto connection = connect();
    make_table(*connection);
    {
        const auto transaction = must(Transaction::begin_write(*connection));
        must(connection->execute("INSERT INTO t (id) VALUES (1)"));
        EXPECT_TRUE(connection->in_transaction());
    }
    EXPECT_FALSE(connection->in_transaction());
    EXPECT_EQ(number(*connection, "SELECT COUNT(*) FROM t"), 0);
}

TEST_P(PortContract, SavepointsUndoTheirPartAlone) {
    const auto connection = connect();
    make_table(*connection);
    auto transaction = must(Transaction::begin_write(*connection));
    must(
        connection->execute("INSERT INTO t (id) VALUES (1); SAVEPOINT part;"
                            "INSERT INTO t (id) VALUES (2); ROLLBACK TO part; RELEASE part"));
    must(transaction.commit());
    EXPECT_EQ(number(*connection, "SELECT SUM(id) FROM t"), 1);
}

TEST_P(PortContract, OthersSeeNothingBeforeTheCommit) {
    const auto writer = connect();
    const auto reader = connect();
    make_table(*writer);
    auto transaction = must(Transaction::begin_write(*writer));
    must(writer->execute("INSERT INTO t (id) VALUES (1)"));
    EXPECT_EQ(number(*reader, "SELECT COUNT(*) FROM t"), 0);
    must(transaction.commit());
    EXPECT_EQ(number(*reader, "SELECT COUNT(*) FROM t"), 1);
}

TEST_P(PortContract, AReadTransactionSeesOneState) {
    const auto writer = connect();
    const auto reader = connect({.read_only = true});
    make_table(*writer);
    auto transaction = must(Transaction::begin_read(*reader));
    EXPECT_EQ(number(*reader, "SELECT COUNT(*) FROM t"), 0);
    must(writer->execute("INSERT INTO t (id) VALUES (1)"));
    EXPECT_EQ(number(*reader, "SELECT COUNT(*) FROM t"), 0);
    must(transaction.commit());
    EXPECT_EQ(number(*reader, "SELECT COUNT(*) FROM t"), 1);
}

TEST_P(PortContract, ReadersDoNotBlockOnAWriterNorBlockIt) {
    const auto writer = connect({.busy_timeout_ms = 0});
    const auto reader = connect({.busy_timeout_ms = 0});
    make_table(*writer);
    auto reading = must(Transaction::begin_read(*reader));
    EXPECT_EQ(number(*reader, "SELECT COUNT(*) FROM t"), 0);
    auto writing = must(Transaction::begin_write(*writer));
    must(writer->execute("INSERT INTO t (id) VALUES (1)"));
    EXPECT_EQ(number(*reader, "SELECT COUNT(*) FROM t"), 0);
    must(writing.commit());
}

TEST_P(PortContract, AConstraintIsAConflictAndUndoesItsStatement) {
    const auto connection = connect();
    make_table(*connection);
    auto transaction = must(Transaction::begin_write(*connection));
    must(connection->execute("INSERT INTO t (id) VALUES (1)"));
    const auto status = connection->execute("INSERT INTO t (id) VALUES (2), (1)");
    EXPECT_EQ(status.error().code, Code::conflict);
}

TEST_P(PortContract, ABrokenDeferredConstraintFailsTheCommitAndRollsBack) {
    const auto connection = connect();
    must(connection->execute(
        "CREATE TABLE parent (id BIGINT PRIMARY KEY);"
        "CREATE TABLE child (id BIGINT PRIMARY KEY, parent BIGINT REFERENCES parent (id) "
        "DEFERRABLE INITIALLY DEFERRED)"));
    auto transaction = must(Transaction::begin_write(*connection));
    must(connection->execute("INSERT INTO child (id, parent) VALUES (1, 9)"));
    EXPECT_EQ(transaction.commit().error().code, Code::conflict);
    EXPECT_FALSE(connection->in_transaction());
    EXPECT_EQ(number(*connection, "SELECT COUNT(*) FROM child"), 0);
}

TEST_P(PortContract, RollbackWithoutATransactionIsNothing) {
    const auto connection = connect();
    connection->rollback();
    EXPECT_FALSE(connection->in_transaction());
    EXPECT_FALSE(connection->commit());
}

// --- read-only
// --------------------------------------------------------------------------------------------

TEST_P(PortContract, AReadOnlyConnectionChangesNothing) {
    const auto writer = connect();
    make_table(*writer);
    must(writer->execute("INSERT INTO t (id) VALUES (1)"));
    const auto reader = connect({.read_only = true});
    for (const char* sql : {
             "DELETE FROM t",
             "INSERT INTO t (id) VALUES (2)",
             "INSERT INTO t (id) VALUES (2) RETURNING id",
             "UPDATE t SET text = 'x'",
             "WITH gone AS (SELECT id FROM t) DELETE FROM t WHERE id IN (SELECT id FROM gone)",
             "WITH gone AS (SELECT id FROM t) INSERT INTO t (id) SELECT id + 1 FROM gone",
             "CREATE TABLE u (id BIGINT)",
             "DROP TABLE t",
             "ALTER TABLE t ADD COLUMN more TEXT",
             "CREATE INDEX i ON t (text)",
             "CREATE VIEW w AS SELECT 1",
             "SELECT 1; DELETE FROM t",
         }) {
        const auto status = reader->execute(sql);
        ASSERT_FALSE(status) << sql;
        EXPECT_EQ(status.error().code, Code::denied) << sql;
    }
    EXPECT_EQ(reader->begin_write().error().code, Code::denied);
    EXPECT_EQ(number(*reader, "SELECT COUNT(*) FROM t"), 1);
    EXPECT_EQ(number(*reader,
                     "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5) "
                     "SELECT SUM(i) FROM n"),
              15);
}

TEST_P(PortContract, ALongStatementCanBeStopped) {
    int questions = 0;
    const auto connection = connect({.should_stop = [&] { return ++questions > 3; }});
    const auto status = connection->execute(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
        "1000000000) SELECT SUM(i) FROM n");
    ASSERT_FALSE(status);
    EXPECT_EQ(status.error().code, Code::cancelled);
}

}  // namespace taskstore::sql
