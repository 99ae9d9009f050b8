// The protocol's texts: what is sent, what is read of answers, and the statements and URLs.

#include "hrana.hpp"
#include "outcomes.hpp"
#include "sql_text.hpp"
#include "url.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <taskstore/base/clock.hpp>
#include <taskstore/base/json.hpp>

#include <cmath>
#include <limits>

namespace taskstore::libsql {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

// --- messages -----------------------------------------------------------------------------------

TEST(Hrana, IntegersAreTextAndFloatsAreNumbers) {
    const std::array<sql::Value, 4> values{std::numeric_limits<std::int64_t>::min(), 0.1,
                                           sql::Blob{"a"}, std::string("\"\n")};
    EXPECT_EQ(statement_json("SELECT ?1", values, 5),
              R"({"sql":"SELECT ?1","args":[{"type":"integer","value":"-9223372036854775808"},)"
              R"({"type":"float","value":0.1},{"type":"blob","base64":"YQ=="},)"
              R"({"type":"text","value":"\"\n"},{"type":"null"}]})");
}

TEST(Hrana, WhatTheProtocolCannotCarryIsRefused) {
    for (const sql::Value& value :
         {sql::Value{std::nan("")}, sql::Value{std::numeric_limits<double>::infinity()},
          sql::Value{std::string("a\0b", 3)}, sql::Value{std::string("\xff")}}) {
        EXPECT_EQ(check_value(value).error().code, Code::invalid);
    }
    EXPECT_TRUE(check_value(sql::Blob{std::string("\0\xff", 2)}));
}

TEST(Hrana, Base64ComesBackWithAndWithoutPadding) {
    constexpr std::uint64_t kSeed = 20'261'121;
    SeededRandom random(kSeed);
    for (std::size_t size = 0; size < 70; ++size) {
        std::string bytes(size, '\0');
        random.fill(std::as_writable_bytes(std::span(bytes)));
        std::string text = to_base64(bytes);
        EXPECT_EQ(from_base64(text), bytes) << "seed " << kSeed;
        while (text.ends_with('=')) text.pop_back();
        EXPECT_EQ(from_base64(text), bytes) << "seed " << kSeed;
    }
    EXPECT_EQ(from_base64("a"), std::nullopt);
    EXPECT_EQ(from_base64("a*=="), std::nullopt);
}

TEST(Hrana, ABatchsAnswersAreReadStepByStep) {
    const auto answer = parse_pipeline(
        R"({"baton":"b","base_url":null,"results":[{"type":"ok","response":{"type":"batch","result":
        {"step_results":[{"cols":[{"name":"x"},{"name":null}],"rows":[[{"type":"integer","value":"7"},
        {"type":"blob","base64":"YQ"}]],"affected_row_count":3},null,null],"step_errors":[null,
        {"message":"no","code":"SQLITE_BUSY"},null]}}},{"type":"error","error":{"message":"m"}},
        {"type":"ok","response":{"type":"get_autocommit","is_autocommit":true}}]})");
    ASSERT_TRUE(answer) << answer.error().message;
    EXPECT_EQ(answer->baton, "b");
    const auto& steps = answer->results[0].steps;
    ASSERT_EQ(steps.size(), 3U);
    EXPECT_EQ(steps[0].rows.changes, 3);
    EXPECT_THAT(steps[0].rows.rows[0],
                ElementsAre(sql::Value{std::int64_t{7}}, sql::Value{sql::Blob{"a"}}));
    EXPECT_EQ(steps[1].state, StepState::failed);
    EXPECT_EQ(code_of(steps[1].error), Code::unavailable);
    EXPECT_EQ(steps[2].state, StepState::skipped);
    EXPECT_EQ(answer->results[1].error->message, "m");
    EXPECT_EQ(answer->results[2].autocommit, true);
}

TEST(Hrana, WhatIsNoAnswerIsAnErrorNotARow) {
    for (
        const std::string_view body :
        {"", "null", "{}", "[1]", R"({"results":[{}]})", "\xff", R"({"results":[{"type":"ok"}]})",
         R"({"results":[{"type":"ok","response":{"type":"batch","result":{"step_results":[null],"step_errors":[]}}}]})",
         R"({"results":[{"type":"ok","response":{"type":"batch","result":{"step_results":[{"cols":[],"rows":[[{"type":"null"}]]}],"step_errors":[null]}}}]})"}) {
        EXPECT_FALSE(parse_pipeline(body)) << body;
    }
    const auto with_value = [](const std::string& value) {
        return parse_pipeline(
            R"({"results":[{"type":"ok","response":{"type":"batch","result":{"step_results":[{"cols":[{"name":"x"}],"rows":[[)" +
            value + R"(]]}],"step_errors":[null]}}}]})");
    };
    EXPECT_TRUE(with_value(R"({"type":"integer","value":"9223372036854775807"})"));
    for (const char* value :
         {R"({"type":"integer","value":"9223372036854775808"})",
          R"({"type":"integer","value":"1x"})", R"({"type":"integer","value":""})",
          R"({"type":"float","value":null})", R"({"type":"blob","base64":"?"})",
          R"({"type":"new"})", R"("text")"}) {
        EXPECT_FALSE(with_value(value)) << value;
    }
}

TEST(Hrana, ACursorWithoutItsEndIsNoAnswer) {
    const std::string lines =
        "{\"baton\":\"b\",\"base_url\":null}\n"
        "{\"type\":\"step_begin\",\"step\":1,\"cols\":[{\"name\":\"x\"}]}\n"
        "{\"type\":\"row\",\"row\":[{\"type\":\"integer\",\"value\":\"1\"}]}\n"
        "{\"type\":\"from_the_future\"}\n"
        "{\"type\":\"step_end\",\"affected_row_count\":2,\"last_insert_rowid\":3}\n"
        "{\"type\":\"replication_index\",\"replication_index\":null}\n";
    const auto whole = parse_cursor(lines, 3);
    ASSERT_TRUE(whole) << whole.error().message;
    ASSERT_EQ(whole->results[0].steps.size(), 3U);
    EXPECT_EQ(whole->results[0].steps[1].rows.rows.size(), 1U);
    EXPECT_EQ(whole->results[0].steps[1].rows.changes, 2);
    for (std::size_t bytes = 0; bytes + 1 < lines.size(); ++bytes)
        EXPECT_FALSE(parse_cursor(lines.substr(0, bytes), 3)) << bytes;
    EXPECT_FALSE(parse_cursor(lines, 1)) << "a step that nobody asked for";
}

TEST(Hrana, RefusalsAreReadInEveryForm) {
    EXPECT_EQ(parse_refusal(R"({"error":"a"})").message, "a");
    EXPECT_EQ(parse_refusal(R"({"message":"b","code":"STREAM_EXPIRED"})").code, "STREAM_EXPIRED");
    EXPECT_EQ(parse_refusal("invalid baton\nmore").message, "invalid baton");
    EXPECT_EQ(parse_refusal("\xff").message, "");
}

TEST(Hrana, CodesFollowTheServersNames) {
    const auto code = [](const char* name) { return code_of({"", name}); };
    EXPECT_EQ(code("SQLITE_CONSTRAINT"), Code::conflict);
    EXPECT_EQ(code("SQLITE_CONSTRAINT_PRIMARYKEY"), Code::conflict);
    EXPECT_EQ(code("SQLITE_BUSY_SNAPSHOT"), Code::unavailable);
    EXPECT_EQ(code("TRANSACTION_TIMEOUT"), Code::unavailable);
    EXPECT_EQ(code("SQL_PARSE_ERROR"), Code::invalid);
    EXPECT_EQ(code("SQLITE_UNKNOWN"), Code::invalid);
    EXPECT_EQ(code("BLOCKED"), Code::denied);
    EXPECT_EQ(code("SQLITE_CORRUPT"), Code::corrupt);
    EXPECT_EQ(code("SOMETHING_NEW"), Code::failed);
}

TEST(Hrana, WhatAReplicaPassesOnHasTheCodeThatItsPrimaryMeant) {
    const auto code = [](const std::string& message) {
        const auto answer = parse_pipeline(
            R"({"baton":null,"base_url":null,"results":[{"type":"error","error":{"message":")"
            "error executing a request on the primary: " +
            message + R"(","code":"PROXY_ERROR"}}]})");
        EXPECT_EQ(answer->results[0].error->message, message);
        return code_of(*answer->results[0].error);
    };
    EXPECT_EQ(code("no such table: tasks"), Code::invalid);
    EXPECT_EQ(code("UNIQUE constraint failed: tasks.id"), Code::conflict);
    EXPECT_EQ(code("database is locked"), Code::unavailable);
    EXPECT_EQ(code("database disk image is malformed"), Code::corrupt);
    EXPECT_EQ(code("integer overflow"), Code::invalid);
    EXPECT_EQ(code("taskstore: moved to x"), Code::conflict);
    EXPECT_EQ(code("the way there is broken"), Code::unavailable);
}

TEST(Outcomes, ABadRowIsNoOutcome) {
    Question question = question_of({.writer = "w", .number = 3});
    RequestAnswer answer;
    answer.steps.resize(static_cast<std::size_t>(question.batch.size()));
    auto& row = answer.steps[static_cast<std::size_t>(question.answer_step)].rows.rows;
    answer.steps[static_cast<std::size_t>(question.commit_step)].state = StepState::done;
    EXPECT_FALSE(read_outcome(question, answer));
    row = {{sql::Value{std::string("0,12,")}}};
    EXPECT_THAT(read_outcome(question, answer)->failed, ElementsAre(0, 12));
    row = {{sql::Value{std::string()}}};
    EXPECT_TRUE(read_outcome(question, answer)->committed);
    row = {{sql::Value{std::string("void")}}};
    EXPECT_FALSE(read_outcome(question, answer)->committed);
    row = {{sql::Value{std::string("1,x")}}};
    EXPECT_FALSE(read_outcome(question, answer));
    row = {{sql::Value{std::string("1")}}};
    EXPECT_FALSE(read_outcome(question, answer));
}

// --- statements ---------------------------------------------------------------------------------

std::vector<std::string_view> texts(std::string_view sql) {
    std::vector<std::string_view> out;
    for (const StatementText& one : split_statements(sql)) out.push_back(one.sql);
    return out;
}

TEST(SqlText, StatementsEndAtTheirSemicolonAndNoOther) {
    EXPECT_THAT(texts(" SELECT ';' ; -- ; \n /* ; */ DELETE FROM \"a;b\" ;; ; x [c;d]"),
                ElementsAre("SELECT ';'", "DELETE FROM \"a;b\"", "x [c;d]"));
    EXPECT_THAT(texts("-- nothing\n"), ElementsAre());
    EXPECT_THAT(texts("SELECT 'open ; "), ElementsAre("SELECT 'open ; "));
}

TEST(SqlText, ATriggerIsOneStatement) {
    const std::string trigger =
        "CREATE TEMP TRIGGER t AFTER INSERT ON x BEGIN UPDATE x SET a = CASE WHEN 1 THEN 2 END; "
        "DELETE FROM y; END";
    EXPECT_THAT(texts(trigger + "; SELECT 1"), ElementsAre(trigger, "SELECT 1"));
}

StatementText one(std::string_view sql) {
    return split_statements(sql).at(0);
}

TEST(SqlText, OnlyWhatCannotWriteReads) {
    for (const char* sql : {"SELECT 1", "values (1)", "EXPLAIN DELETE FROM t",
                            "/* x */ WITH a AS (SELECT 1) SELECT 1",
                            "WITH a AS (SELECT 1) SELECT replace(x, 'a', 'b') FROM a",
                            "WITH \"delete\" AS (SELECT 1) "
                            "SELECT * FROM \"delete\"",
                            "SELECT 'writefile', writefile FROM t WHERE edit IN (1)"}) {
        EXPECT_EQ(one(sql).kind, StatementKind::read) << sql;
    }
    for (const char* sql :
         {"DELETE FROM t", "WITH a AS (SELECT 1) DELETE FROM t",
          "WITH a AS (SELECT 1) INSERT INTO t "
          "SELECT 1",
          "WITH a AS (SELECT 1) REPLACE INTO t SELECT 1", "REINDEX", "ANALYZE", "VACUUM",
          "CREATE TABLE x (y)", "nonsense", "WITH a AS (SELECT 1) UPDATE t SET x = 1",
          "SELECT writefile('a', 'b')", "SELECT 1, (SELECT \"WriteFile\" /* x */ ('a', 'b'))",
          "VALUES ([writefile]('a', 'b'))", "SELECT load_extension('x')",
          "WITH a AS (SELECT writefile('a', 'b')) SELECT * FROM a"}) {
        EXPECT_EQ(one(sql).kind, StatementKind::write) << sql;
    }
    EXPECT_EQ(one("BEGIN IMMEDIATE").kind, StatementKind::begin);
    EXPECT_EQ(one("end transaction").kind, StatementKind::commit);
    EXPECT_EQ(one("ROLLBACK").kind, StatementKind::rollback);
    EXPECT_EQ(one("ROLLBACK TRANSACTION TO SAVEPOINT a").name, "a");
    EXPECT_EQ(one("rollback to \"taskstore_member\"").kind, StatementKind::savepoint);
    EXPECT_EQ(one("RELEASE x").name, "x");
}

TEST(SqlText, PragmasReadWhereTheyOnlyLook) {
    EXPECT_TRUE(pragma_reads(one("PRAGMA user_version")));
    EXPECT_TRUE(pragma_reads(one("PRAGMA main.table_info(t)")));
    EXPECT_FALSE(pragma_reads(one("PRAGMA user_version = 3")));
    EXPECT_FALSE(pragma_reads(one("PRAGMA foreign_keys(0)")));
    EXPECT_FALSE(pragma_reads(one("PRAGMA wal_checkpoint")));
}

TEST(SqlText, ParametersAreCountedAsSqliteDoes) {
    EXPECT_EQ(one("SELECT ?1, ?7, ?2, '?9', \"?8\" -- ?10").parameters, 7);
    EXPECT_EQ(one("SELECT ?, ?, :a, :a, @b").parameters, 4);
    EXPECT_EQ(one("SELECT 1").parameters, 0);
}

TEST(SqlText, OneRowIsOnlyWhatIsSurelyOne) {
    EXPECT_TRUE(one("INSERT INTO t (a, b) VALUES (?1, (SELECT 2))").inserts_one_row);
    for (const char* sql :
         {"INSERT INTO t VALUES (1), (2)", "INSERT OR IGNORE INTO t VALUES (1)",
          "INSERT INTO t SELECT 1", "INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING",
          "UPDATE t SET a = 1", "REPLACE INTO t VALUES (1)"}) {
        EXPECT_FALSE(one(sql).inserts_one_row) << sql;
    }
    EXPECT_TRUE(one("INSERT INTO t VALUES (1) RETURNING a").returns_rows);
    EXPECT_FALSE(one("INSERT INTO t VALUES (1)").returns_rows);
}

// --- URLs ---------------------------------------------------------------------------------------

TEST(Url, EveryFormMeansWhatItSays) {
    EXPECT_EQ(parse_url("libsql://x.turso.io")->base, "https://x.turso.io");
    EXPECT_EQ(parse_url("libsql://h:8080?tls=0")->base, "http://h:8080");
    EXPECT_EQ(parse_url("libsql://h?tls=1")->base, "https://h");
    EXPECT_EQ(parse_url("http://h:1/a/b/")->base, "http://h:1/a/b");
    EXPECT_EQ(parse_url("https://[::1]:1")->base, "https://[::1]:1");
    EXPECT_EQ(parse_url("https://h?authToken=a%2Eb")->token, "a.b");
    EXPECT_EQ(parse_url("http://u:p%40@h:1")->user, "u:p@");
    EXPECT_TRUE(parse_url("http://db.localhost:1")->loopback);
}

TEST(Url, WhatIsWrongIsNamedAndSecretsAreNot) {
    for (const char* url :
         {"libsql://h?tls=0", "libsql://h?tls=2", "http://h?tls=1", "https://h?tls=0",
          "libsql://h?authToken=geheim&x=1", "libsql://h#geheim", "ftp://geheim@h", "libsql://",
          "http://u:geheim@h?authToken=geheim", "libsql://h?authToken=geheim%0a", "geheim",
          "libsql://ann:1234?geheim@h", "libsql://ann:1/geheim@h", "libsql://ann:1#geheim@h",
          "libsql://h?authToken=x&geheim", "libsql://ann:geheim"}) {
        const auto endpoint = parse_url(url);
        ASSERT_FALSE(endpoint) << url;
        EXPECT_EQ(endpoint.error().code, Code::invalid) << url;
        EXPECT_THAT(endpoint.error().message, Not(HasSubstr("geheim"))) << url;
    }
    EXPECT_EQ(parse_url("http://u:geheim@h:1")->shown, "http://h:1");
}

TEST(Url, AStreamMovesOnlyToWhereItIsAsSafe) {
    const auto secure = parse_url("libsql://h");
    const auto plain = parse_url("http://h:1");
    EXPECT_EQ(*moved_base(*secure, "https://other/"), "https://other");
    EXPECT_EQ(*moved_base(*plain, "http://other:2"), "http://other:2");
    EXPECT_EQ(moved_base(*secure, "http://other").error().code, Code::denied);
    EXPECT_EQ(moved_base(*plain, "file:///etc/passwd").error().code, Code::denied);
    EXPECT_EQ(moved_base(*plain, "http://u:p@other").error().code, Code::denied);
}

}  // namespace
}  // namespace taskstore::libsql
