// Filters as people write them, and what they find.
#include "plan_process.hpp"

#include <taskstore/records/declare.hpp>

#include <gtest/gtest.h>

namespace taskstore::records {
namespace {

using testing_plan::new_disk;
using testing_plan::prd;
using testing_plan::Process;

std::string shape(const Filter& filter) {
    if (filter.kind != Filter::Kind::compare) {
        std::string text;
        for (const Filter& part : filter.parts)
            text += (text.empty()                          ? ""
                     : filter.kind == Filter::Kind::all_of ? " & "
                                                           : " | ") +
                    shape(part);
        return (filter.kind == Filter::Kind::none_of ? "!(" : "(") + text + ")";
    }
    std::string text = filter.field + "#" + std::to_string(static_cast<int>(filter.op));
    for (const std::string& value : filter.values) text += " " + value;
    return text;
}

std::string parsed(std::string_view text, const char* collection = "") {
    const auto filter = parse_filter(text, find_collection(collection));
    return filter ? shape(*filter) : filter.error().message;
}

TEST(Filters, GroupsAndListsAreRead) {
    EXPECT_EQ(parsed("a=1"), "a#0 1");
    EXPECT_EQ(parsed(" a = b c "), "a#0 \"b c\"");
    EXPECT_EQ(parsed("a=1 AND b=2 OR c=3"), "((a#0 1 & b#0 2) | c#0 3)");
    EXPECT_EQ(parsed("a=1 AND (b=2 OR c=3)"), "(a#0 1 & (b#0 2 | c#0 3))");
    EXPECT_EQ(parsed("(a=1)AND(b=2)"), "(a#0 1 & b#0 2)");
    EXPECT_EQ(parsed("a in (x, 2,\"y,)\" , null)"), "a#7 \"x\" 2 \"y,)\" null");
    EXPECT_EQ(parsed("a=f(x) OR b=2"), "(a#0 \"f(x)\" | b#0 2)");
    EXPECT_EQ(parsed("a=\"x AND y\" AND b!=null"), "(a#0 \"x AND y\" & b#1 null)");
    EXPECT_EQ(parsed("a=\"x\" y"), "a#0 \"\\\"x\\\" y\"");
    EXPECT_EQ(parsed("a=SAND AND b=ORb"), "(a#0 \"SAND\" & b#0 \"ORb\")");
    EXPECT_EQ(parsed("a=1 and (b=2 Or c=3)"), "(a#0 1 & (b#0 2 | c#0 3))");
    EXPECT_EQ(parsed("a=\"x or y\""), "a#0 \"x or y\"");
    EXPECT_NE(parsed("a=x or y").find("compares nothing"), std::string::npos);
    for (const char* empty : {"a IN ()", "a in ( )", "a not in ()"})
        EXPECT_NE(parsed(empty).find("the list of 'a' is empty"), std::string::npos) << empty;
    for (const char* bad :
         {"", "a", "=1", "a=1 AND", "(a=1", "a=1)", "a in (1", "in (1)", "a (1)", "a=1 AND OR b=2",
          "a=1 and or b=2", "()", "not", "a=1 and not", "not not"})
        EXPECT_NE(parsed(bad).find("is no filter"), std::string::npos) << bad;
    EXPECT_NE(parsed(std::string(200, '(') + "a=1").find("too deep"), std::string::npos);
}

TEST(Filters, NotTakesWhatStandsAfterIt) {
    EXPECT_EQ(parsed("NOT a=1"), "!(a#0 1)");
    EXPECT_EQ(parsed("not a=1 and b=2"), "(!(a#0 1) & b#0 2)");
    EXPECT_EQ(parsed("a=1 OR NOT (b=2 OR c=3)"), "(a#0 1 | !((b#0 2 | c#0 3)))");
    EXPECT_EQ(parsed("(not(a=1))"), "!(a#0 1)");
    EXPECT_EQ(parsed("not not a=1"), "!(!(a#0 1))");
    EXPECT_EQ(parsed("a NOT IN (1,2)"), "!(a#7 1 2)");
    // A member may have that name, and a value may hold the word.
    EXPECT_EQ(parsed("not=1"), "not#0 1");
    EXPECT_EQ(parsed("not >= 1"), "not#5 1");
    EXPECT_EQ(parsed("a=not b"), "a#0 \"not b\"");
    std::string deep;
    for (int i = 0; i < 200; ++i) deep += "not ";
    EXPECT_NE(parsed(deep + "a=1").find("too deep"), std::string::npos);
}

TEST(Filters, TheDeclaredTypeDecidesHowAValueIsRead) {
    EXPECT_EQ(parsed("title=1.10", "prds"), "title#0 \"1.10\"");
    EXPECT_EQ(parsed("title in (true,5)", "prds"), "title#7 \"true\" \"5\"");
    EXPECT_EQ(parsed("review_passes=07", "prds"), "review_passes#0 7");
    EXPECT_EQ(parsed("review_passes>=2", "prds"), "review_passes#5 2");
    EXPECT_NE(parsed("review_passes=many", "prds").find("a whole number"), std::string::npos);
    EXPECT_EQ(parsed("created_at>1970-01-01T00:00:01Z", "prds"), "created_at#4 1000");
    EXPECT_EQ(parsed("id=12", "prds"), "id#0 \"12\"");
    EXPECT_EQ(parsed("id=12", "notes"), "id#0 \"12\"");
    EXPECT_EQ(parsed("n=1.10"), "n#0 1.10");
    EXPECT_EQ(parsed("n=\"1.10\""), "n#0 \"1.10\"");
    EXPECT_EQ(parsed("n~5"), "n#6 \"5\"");
}

TEST(Filters, FindWhatTheySay) {
    auto disk = new_disk();
    Process p(*disk);
    const auto add = [&](const char* id, const char* title, const char* status) {
        ASSERT_TRUE(
            p->create("prds", {{"title", raw_text(title)}, {"status", raw_text(status)}}, id));
    };
    add("a", "1.10", "draft");
    add("b", "true", "ready");
    add("c", "x AND y", "active");
    const auto ids = [&](std::string_view text) {
        const auto page =
            p->list({.collection = "prds", .filter = *parse_filter(text, find_collection("prds"))});
        EXPECT_TRUE(page) << page.error().message;
        std::string out;
        for (const Record& record : page->records) out.insert(0, record.id);
        return out;
    };
    EXPECT_EQ(ids("title=1.10"), "a");
    EXPECT_EQ(ids("title=true"), "b");
    EXPECT_EQ(ids("status in (draft,READY)"), "ab");
    EXPECT_EQ(ids("status in (draft) OR (status=active AND title~AND)"), "ac");
    EXPECT_EQ(ids("description in (null,none)"), "");
    EXPECT_EQ(ids("title in (\"x AND y\",1.10)"), "ac");
    EXPECT_EQ(ids("not status=draft"), "bc");
    EXPECT_EQ(ids("status not in (draft) and not title~AND"), "b");
    // Of a comparison that a missing value makes neither true nor false, NOT is true.
    ASSERT_TRUE(p->create("notes", {{"n", "1"}}, "n1"));
    ASSERT_TRUE(p->create("notes", {}, "n2"));
    EXPECT_EQ(*p->count({.collection = "notes", .filter = *parse_filter("not n>5")}), 2);
    EXPECT_EQ(*p->count({.collection = "notes", .filter = *parse_filter("not (n=1)")}), 1);
    EXPECT_EQ(*p->count({.collection = "notes", .filter = Filter::none_of({})}), 2);
}

TEST(Filters, NumbersBeyondADoubleArePlacedAndPaged) {
    auto disk = new_disk();
    Process p(*disk);
    for (const auto& [id, raw] :
         {std::pair("a", "1e400"), std::pair("b", "-1e400"), std::pair("c", "5"),
          std::pair("d", "1e999"), std::pair("e", "1e-400")})
        ASSERT_TRUE(p->create("notes", {{"n", raw}}, id));
    for (const bool descending : {false, true}) {
        Query query{
            .collection = "notes", .order_field = "n", .descending = descending, .limit = 1};
        std::string seen;
        do {
            const auto page = p->list(query);
            ASSERT_TRUE(page) << page.error().message;
            seen += page->records[0].id;
            query.cursor = page->next_cursor;
        } while (!query.cursor.empty() && seen.size() < 10);
        EXPECT_EQ(seen, descending ? "daceb" : "becad");
    }
    EXPECT_EQ(*p->count({.collection = "notes", .filter = *parse_filter("n>1e400")}), 0);
    EXPECT_EQ(*p->count({.collection = "notes", .filter = *parse_filter("n>=1e400")}), 2);
}

TEST(Filters, TrueIsNoOneInMembersThatNobodyDeclared) {
    auto disk = new_disk();
    Process p(*disk);
    for (const auto& [id, raw] :
         {std::pair("a", "true"), std::pair("b", "1"), std::pair("c", "false"), std::pair("d", "0"),
          std::pair("e", "null"), std::pair("f", "\"true\"")})
        ASSERT_TRUE(p->create("notes", {{"n", raw}}, id));
    const auto ids = [&](const std::string& filter) {
        const auto page =
            p->list({.collection = "notes", .filter = *parse_filter(filter), .order_field = "id"});
        EXPECT_TRUE(page) << page.error().message;
        std::string out;
        for (const Record& record : page->records) out += record.id;
        return out;
    };
    EXPECT_EQ(ids("n=true"), "a");
    EXPECT_EQ(ids("n=1"), "b");
    EXPECT_EQ(ids("n=\"true\""), "f");
    EXPECT_EQ(ids("n!=true"), "bcdef");
    EXPECT_EQ(ids("n!=0"), "abcef");
    EXPECT_EQ(ids("n>=0"), "bd");
    EXPECT_EQ(ids("n in (1,false,null)"), "bce");
    EXPECT_EQ(ids("NOT n in (1,false)"), "adef");
    EXPECT_EQ(ids("n>true"), "");
    EXPECT_EQ(ids("n=null"), "e");
    EXPECT_EQ(ids("n!=null"), "abcdf");
}

TEST(Filters, AMemberWhoseNameCannotBeAskedForIsRefused) {
    auto disk = new_disk();
    Process p(*disk);
    ASSERT_TRUE(p->create("notes", {{"n", "1"}}, "a"));
    for (const char* name : {"a\"b", "a\\b", "\xff"}) {
        EXPECT_EQ(p->list({.collection = "notes", .filter = Filter::compare(name, Op::eq, "1")})
                      .error()
                      .code,
                  Code::invalid);
        EXPECT_EQ(p->list({.collection = "notes", .order_field = name}).error().code,
                  Code::invalid);
    }
    EXPECT_EQ(*p->count({.collection = "notes", .filter = *parse_filter("a'b=null")}), 1);
}

}  // namespace
}  // namespace taskstore::records
