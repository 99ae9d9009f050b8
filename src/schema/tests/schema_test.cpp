// What the compiled schema tells and offers.
#include <taskstore/schema/schema.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

namespace taskstore::schema {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Schema compiled(std::string_view text, const CompileOptions& options = {}) {
    auto schema = Schema::compile(text, options);
    EXPECT_TRUE(schema) << text << "\n" << (schema ? "" : schema.error().message);
    return schema ? *schema : *Schema::compile("false");
}

std::vector<std::string> told(const Schema& schema, std::string_view json) {
    const auto violations = schema.validate(json);
    EXPECT_TRUE(violations) << (violations ? "" : violations.error().message);
    std::vector<std::string> lines;
    if (!violations) return lines;
    for (const Violation& one : *violations) {
        lines.push_back(one.instance_path + " | " + one.schema_path + " | " + one.value + " | " +
                        one.message);
    }
    const auto fits = schema.fits(json);
    EXPECT_TRUE(fits && *fits == lines.empty());
    return lines;
}

std::string refusal(std::string_view text, const CompileOptions& options = {}) {
    const auto schema = Schema::compile(text, options);
    EXPECT_FALSE(schema) << text;
    return schema ? "" : schema.error().message;
}

TEST(Schema, TellsAllViolationsAtOnceWithTheirPlaces) {
    const Schema schema = compiled(R"({"type":"object","required":["id","a/b"],
        "properties":{"id":true,"title":{"type":"string","maxLength":3},"n":{"minimum":5},
                      "tags":{"items":{"enum":["x","y"]}}},
        "additionalProperties":false})");
    EXPECT_THAT(
        told(schema, R"({"title":"abcd","n":1,"tags":["x",7],"titel":null,"id":1})"),
        ElementsAre(
            R"(/title | /properties/title/maxLength | "abcd" | must have at most 3 characters, but has 4)",
            "/n | /properties/n/minimum | 1 | must be at least 5",
            R"(/tags/1 | /properties/tags/items/enum | 7 | must be one of "x", "y")",
            "/titel | /additionalProperties | null | the member 'titel' is not allowed; did you "
            "mean 'title'?",
            R"( | /required | {"title":"abcd","n":1,"tags":["x",7],"titel":null,"id":1} | must have the member 'a/b')"));
}

TEST(Schema, TellsPlacesBehindReferences) {
    const Schema schema = compiled(
        R"({"properties":{"a~b":{"$ref":"#/$defs/x/y"}},"$defs":{"x/y":{"type":"integer"},"x":{"y":{"type":["string","null"]}}}})");
    EXPECT_THAT(
        told(schema, R"({"a~b":2.5})"),
        ElementsAre("/a~0b | /$defs/x/y/type | 2.5 | must be null or string, but is number"));
}

TEST(Schema, TellsOfTheNearestBranch) {
    const Schema schema = compiled(
        R"({"anyOf":[{"type":"string"},{"properties":{"kind":{"const":"b"}},"required":["kind","size"]}]})");
    EXPECT_THAT(
        told(schema, R"({"kind":"c","size":1})"),
        ElementsAre(HasSubstr("must fit one of 2 schemas, and fits none; the nearest is at 1"),
                    R"(/kind | /anyOf/1/properties/kind/const | "c" | must be "b")"));
    EXPECT_THAT(
        told(compiled(R"({"oneOf":[true,{"type":"null"},{"minimum":3}]})"), "5"),
        ElementsAre(" | /oneOf | 5 | must fit exactly one of 3 schemas, but fits those at 0 "
                    "and 2"));
}

TEST(Schema, BoundsViolationsAndShortensValues) {
    const Schema schema = compiled(R"({"items":{"type":"null"}})");
    std::string json = "[";
    for (int i = 0; i < 500; ++i) json += "1,";
    json += "\"" + std::string(1000, 'x') + "\"]";
    const auto few = schema.validate(json, {.violations_max = 7});
    ASSERT_TRUE(few);
    EXPECT_EQ(few->size(), 7U);
    const auto all = schema.validate(json, {.violations_max = 1000});
    ASSERT_TRUE(all);
    ASSERT_EQ(all->size(), 501U);
    EXPECT_LT(all->back().value.size(), 90U);
    EXPECT_EQ(all->back().instance_path, "/500");
}

TEST(Schema, NamesTheKeywordsOfDraft07ByTheirOwnPlaces) {
    const auto place = [](std::string_view schema, std::string_view json) {
        CompileOptions options;
        options.dialect = Dialect::draft_07;
        const auto violations = compiled(schema, options).validate(json);
        return violations && violations->size() == 1
                   ? violations->front().instance_path + " | " + violations->front().schema_path
                   : "";
    };
    EXPECT_EQ(place(R"({"items":[true],"additionalItems":false})", "[1,2]"),
              "/1 | /additionalItems");
    EXPECT_EQ(place(R"({"items":[true],"additionalItems":{"type":"null"}})", "[1,2]"),
              "/1 | /additionalItems/type");
    EXPECT_EQ(place(R"({"items":[true,{"type":"null"}]})", "[1,2]"), "/1 | /items/1/type");
    EXPECT_EQ(place(R"({"items":false})", "[1]"), "/0 | /items");
    EXPECT_EQ(place(R"({"dependencies":{"a":["b","c"]}})", R"({"a":1,"c":2})"), " | /dependencies");
    EXPECT_EQ(place(R"({"dependencies":{"a":{"required":["b"]}}})", R"({"a":1})"),
              " | /dependencies/a/required");
    EXPECT_EQ(place(R"({"dependencies":{"a":false}})", R"({"a":1})"), " | /dependencies/a");
}

TEST(Schema, SaysWhereAnInstanceIsNoJson) {
    const Schema schema = compiled("true");
    for (const auto& [json, message] :
         {std::pair{"{\"a\":1,\n \"a\":2}", "line 2, column 2: member \"a\" stands twice"},
          std::pair{"[1,]", "column 4: expected a value"}, std::pair{"", "expected a value"},
          std::pair{"\"\\ud800\"", "a lone high surrogate"}, std::pair{"01", "a leading zero"},
          std::pair{"[\"\xff\"]", "not UTF-8"}, std::pair{"{\"a\" 1}", "expected ':'"},
          std::pair{"1 2", "text after the end"}, std::pair{"[1 2]", "expected ',' or ']'"},
          std::pair{"{\"a\":1,}", "expected a member's name"},
          std::pair{"tru", "expected a value"}}) {
        const auto fits = schema.fits(json);
        ASSERT_FALSE(fits) << json;
        EXPECT_EQ(fits.error().code, Code::invalid);
        EXPECT_THAT(fits.error().message, HasSubstr(message));
    }
}

TEST(Schema, NamesWhatIsWrongWithASchemaAllAtOnce) {
    const std::string message = refusal(
        R"({"properties":{"a":{"type":"text"},"b":{"minLength":-1}},"$defs":{"unused":{"pattern":"("}},"required":"a"})");
    EXPECT_THAT(message, HasSubstr("/properties/a/type: must be array, boolean"));
    EXPECT_THAT(message, HasSubstr("/properties/b/minLength: must be an integer of at least 0"));
    EXPECT_THAT(message, HasSubstr("/$defs/unused/pattern: not a pattern"));
    EXPECT_THAT(message, HasSubstr("/required: must be an array of unlike strings"));
}

TEST(Schema, IsAnObjectOrABoolean) {
    for (const char* text : {"1", "null", "[]", "\"a\"", R"({"not":1})", R"({"allOf":[2]})"}) {
        EXPECT_THAT(refusal(text), HasSubstr("must be a schema: an object or a boolean"));
    }
}

TEST(Schema, FetchesNothing) {
    EXPECT_THAT(refusal(R"({"$ref":"https://example.org/other.json"})"),
                HasSubstr("/$ref: reaches nothing: 'https://example.org/other.json'"));
    EXPECT_THAT(refusal(R"({"$ref":"#/$defs/absent"})"), HasSubstr("reaches nothing"));
    EXPECT_THAT(refusal(R"({"$schema":"http://json-schema.org/draft-04/schema#"})"),
                HasSubstr("is not known"));
}

TEST(Schema, ReachesGivenDocumentsAndMetaschemas) {
    CompileOptions options;
    options.base_uri = "https://example.org/schemas/root.json";
    options.documents = {
        {"https://example.org/schemas/person.json",
         R"({"$id":"urn:person","$defs":{"name":{"$anchor":"name","minLength":2}}})"},
        {"https://example.org/broken.json", R"({"type":5})"}};
    const Schema schema = compiled(
        R"({"properties":{"a":{"$ref":"person.json#name"},"b":{"$ref":"urn:person#/$defs/name"}}})",
        options);
    EXPECT_THAT(told(schema, R"({"a":"x","b":"y"})"),
                ElementsAre(HasSubstr("person.json#/$defs/name/minLength"),
                            HasSubstr("/b | https://example.org/schemas/person.json#")));
    EXPECT_THAT(refusal(R"({"$ref":"https://example.org/broken.json"})", options),
                HasSubstr("broken.json#/type"));

    const Schema meta = compiled(R"({"$ref":"https://json-schema.org/draft/2020-12/schema"})");
    EXPECT_TRUE(told(meta, R"({"type":"object"})").empty());
    EXPECT_FALSE(told(meta, R"({"properties":{"a":{"type":"text"}}})").empty());
}

TEST(Schema, AssertsFormatsOnRequestOrByVocabulary) {
    constexpr std::string_view kText = R"({"format":"date"})";
    EXPECT_TRUE(told(compiled(kText), "\"2026-02-30\"").empty());
    EXPECT_THAT(told(compiled(kText, {.assert_formats = true}), "\"2026-02-30\""),
                ElementsAre(HasSubstr("must have the format date")));
    CompileOptions options;
    options.documents = {{"https://example.org/meta",
                          R"({"$schema":"https://json-schema.org/draft/2020-12/schema",
        "$vocabulary":{"https://json-schema.org/draft/2020-12/vocab/core":true,
                       "https://json-schema.org/draft/2020-12/vocab/format-assertion":true}})"}};
    const Schema schema = compiled(
        R"({"$schema":"https://example.org/meta","format":"date","minLength":100})", options);
    EXPECT_EQ(told(schema, "\"2026-02-30\"").size(), 1U);
    options.documents[0].text = R"({"$vocabulary":{"https://example.org/own":true}})";
    EXPECT_THAT(refusal(R"({"$schema":"https://example.org/meta"})", options),
                HasSubstr("requires the vocabulary 'https://example.org/own'"));
}

TEST(Schema, DescribesTopLevelMembers) {
    const Schema schema = compiled(R"({"title":"T","description":"D",
        "properties":{"id":{"type":"string","title":"Id","format":"uuid"},
                      "state":{"enum":["a","b",null],"default":"a"},
                      "ref":{"$ref":"#/$defs/when","title":"Own"}},
        "required":["id"],
        "allOf":[{"properties":{"more":{"type":["integer","null"]},"id":{"maxLength":3}},"required":["more"]}],
        "$defs":{"when":{"type":"integer","title":"When","description":"ms"}}})");
    EXPECT_EQ(schema.title(), "T");
    EXPECT_EQ(schema.description(), "D");
    const auto properties = schema.properties();
    ASSERT_EQ(properties.size(), 4U);
    EXPECT_EQ(properties[0].name, "id");
    EXPECT_EQ(properties[0].title, "Id");
    EXPECT_EQ(properties[0].format, "uuid");
    EXPECT_TRUE(properties[0].required);
    EXPECT_THAT(properties[1].types, ElementsAre("null", "string"));
    EXPECT_THAT(properties[1].enum_values, ElementsAre("\"a\"", "\"b\"", "null"));
    EXPECT_EQ(properties[1].default_json, "\"a\"");
    EXPECT_FALSE(properties[1].required);
    EXPECT_EQ(properties[2].title, "Own");
    EXPECT_EQ(properties[2].description, "ms");
    EXPECT_THAT(properties[2].types, ElementsAre("integer"));
    EXPECT_THAT(properties[3].types, ElementsAre("integer", "null"));
    EXPECT_TRUE(properties[3].required);
}

TEST(Schema, IsSharedByThreads) {
    const Schema schema = compiled(R"({"properties":{"a":{"pattern":"^x+$","maxLength":5}}})");
    std::vector<std::thread> threads;
    std::array<int, 4> right{};
    for (std::size_t t = 0; t < right.size(); ++t) {
        threads.emplace_back([&, t] {
            for (int i = 0; i < 300; ++i) {
                const bool good = i % 2 == 0;
                const auto fits = schema.fits(good ? R"({"a":"xxx"})" : R"({"a":"xxxy"})");
                right[t] += fits && *fits == good ? 1 : 0;
            }
        });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_THAT(right, ::testing::Each(300));
}

}  // namespace
}  // namespace taskstore::schema
