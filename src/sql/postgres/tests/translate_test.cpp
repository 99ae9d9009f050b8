#include "translate.hpp"

#include <gmock/gmock.h>

namespace taskstore::postgres {
namespace {

std::string one(std::string_view sql) {
    const auto statements = translate(sql);
    if (!statements) return "error: " + statements.error().message;
    return statements->size() == 1 ? statements->front().text : "not one";
}

std::vector<std::string> texts(std::string_view sql) {
    std::vector<std::string> out;
    const auto statements = translate(sql);
    for (const Translated& statement : *statements) out.push_back(statement.text);
    return out;
}

StatementKind kind(std::string_view sql) {
    return translate(sql)->front().kind;
}

TEST(Translate, ParametersBecomeDollars) {
    EXPECT_EQ(one("SELECT ?1, ?22 + ?1"), "SELECT $1, $22 + $1");
    EXPECT_EQ(translate("SELECT ?1, ?22")->front().parameters, 22);
    EXPECT_EQ(one("SELECT ?1::bigint[], a[?2]"), "SELECT $1::bigint[], a[$2]");
    EXPECT_EQ(one("SELECT ?1AND"), "SELECT $1 AND");
}

TEST(Translate, OperatorsOfJsonStay) {
    EXPECT_EQ(one("SELECT a ? 'b', a ?| c, a ?& c, a @? '$.x', a ??| c"),
              "SELECT a ? 'b', a ?| c, a ?& c, a @? '$.x', a ??| c");
}

TEST(Translate, QuotedTextStays) {
    for (const std::string sql :
         {"SELECT 'a ?1 '' ?2'", R"(SELECT "?1 "" ?2")", R"(SELECT E'\' ?1')",
          R"(SELECT '\', '?1')", "SELECT $$ ?1 ' $$", "SELECT $tag$ $$ ?1 $tag$",
          "SELECT a$1$b FROM t", "SELECT U&'?1'", "SELECT B'01', X'1F', 1e5, 0x1F"}) {
        EXPECT_EQ(one(sql), sql);
    }
}

TEST(Translate, CommentsGo) {
    EXPECT_EQ(one("SELECT 1 -- ?1\n, ?2"), "SELECT 1  \n, $2");
    EXPECT_EQ(one("SELECT /* ?1 /* ' */ ?2 */ ?3"), "SELECT   $3");
}

TEST(Translate, SemicolonsSeparateOnlyOutside) {
    EXPECT_THAT(texts("SELECT ';'; SELECT 2;;  -- nothing\n ;"),
                testing::ElementsAre("SELECT ';'", " SELECT 2"));
    EXPECT_THAT(texts("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3"),
                testing::SizeIs(2));
    EXPECT_THAT(texts("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT CASE WHEN true THEN 1 "
                      "END; SELECT 2; END; SELECT 3"),
                testing::SizeIs(2));
}

TEST(Translate, WhatHasNoEndIsInvalid) {
    for (const char* sql : {"SELECT 'a", "SELECT \"a", "SELECT $$a", "SELECT /* a", "SELECT ?0",
                            "SELECT ?65536", "SELECT ?99999999999", "SELECT $1"}) {
        const auto statements = translate(sql);
        ASSERT_FALSE(statements) << sql;
        EXPECT_EQ(statements.error().code, Code::invalid) << sql;
    }
}

TEST(Translate, KindsAreToldByTheFirstWords) {
    EXPECT_EQ(kind("select 1"), StatementKind::query);
    EXPECT_EQ(kind("(SELECT 1)"), StatementKind::query);
    EXPECT_EQ(kind("/* x */ Commit"), StatementKind::transaction);
    EXPECT_EQ(kind("ROLLBACK WORK"), StatementKind::transaction);
    EXPECT_EQ(kind("ROLLBACK WORK TO a"), StatementKind::savepoint);
    EXPECT_EQ(kind("SET TRANSACTION READ WRITE"), StatementKind::transaction);
    EXPECT_EQ(kind("SET LOCAL x = 1"), StatementKind::other);
    EXPECT_EQ(kind("SET search_path = x"), StatementKind::session);
    EXPECT_EQ(kind("COPY t FROM STDIN"), StatementKind::copy);
    EXPECT_EQ(kind("INSERT INTO t VALUES (1)"), StatementKind::other);
}

TEST(Translate, AStringGoesOnBehindANewlineAsItBegan) {
    EXPECT_EQ(translate("SELECT E'a' -- b\n '\\'?1', 'c'\n'?2', ?3")->front().parameters, 3);
    EXPECT_EQ(translate("SELECT 'a'\n'\\', ?1")->front().parameters, 1);
}

TEST(Translate, FunctionsThatEscapeReadOnlyAreSeen) {
    EXPECT_TRUE(translate("SELECT set_config('a', 'b', false)")->front().escapes_read_only);
    EXPECT_TRUE(translate("SELECT pg_catalog.\"lo_create\"(1)")->front().escapes_read_only);
    EXPECT_FALSE(translate("SELECT 'set_config(' FROM t")->front().escapes_read_only);
    EXPECT_THAT(
        translate("SELECT Pg_Ls_Dir /* ( */ ('.'), t.\"Lo\" (1), x, (2) FROM 'f'(y) -- z(\n")
            ->front()
            .names,
        testing::ElementsAre("Lo", "from", "pg_ls_dir", "select", "t", "x", "y"));
}

}  // namespace
}  // namespace taskstore::postgres
