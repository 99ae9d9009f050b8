// Keywords where implementations go wrong: numbers, equality, the differences of draft-07; and that
// what compiles is what the metaschema accepts. The suite has the rest.
#include "../decimal.hpp"
#include "../format.hpp"
#include "../uri.hpp"
#include "generated.hpp"

#include <taskstore/schema/schema.hpp>

#include <gtest/gtest.h>

#include <cstdlib>

namespace taskstore::schema {
namespace {

bool fits(std::string_view schema, std::string_view json,
          Dialect dialect = Dialect::draft_2020_12) {
    const auto compiled = Schema::compile(schema, {.dialect = dialect});
    EXPECT_TRUE(compiled) << schema << "\n" << (compiled ? "" : compiled.error().message);
    if (!compiled) return false;
    const auto result = compiled->fits(json);
    EXPECT_TRUE(result) << json << "\n" << (result ? "" : result.error().message);
    return result && *result;
}

TEST(Keywords, CountInExactDecimals) {
    EXPECT_TRUE(fits(R"({"multipleOf":0.1})", "0.3"));
    EXPECT_TRUE(fits(R"({"multipleOf":0.01})", "19.99"));
    EXPECT_FALSE(fits(R"({"multipleOf":0.1})", "0.35"));
    EXPECT_TRUE(fits(R"({"multipleOf":1e-300})", "5"));
    EXPECT_TRUE(fits(R"({"multipleOf":3})", "123456789012345678901234567890"));
    EXPECT_FALSE(fits(R"({"multipleOf":3})", "123456789012345678901234567892"));
    EXPECT_TRUE(fits(R"({"multipleOf":12345678901234567890123})", "24691357802469135780246"));
    EXPECT_FALSE(fits(R"({"multipleOf":12345678901234567890123})", "24691357802469135780247"));
    EXPECT_TRUE(fits(R"({"multipleOf":50})", "1e900000000"));
    EXPECT_FALSE(fits(R"({"multipleOf":50})", "25"));
    EXPECT_TRUE(fits(R"({"multipleOf":7})", "-0.0"));
    EXPECT_FALSE(fits(R"({"maximum":9007199254740992})", "9007199254740993"));
    EXPECT_FALSE(fits(R"({"maximum":1e400})", "1.0000001e400"));
    EXPECT_TRUE(fits(R"({"exclusiveMinimum":-1e400})", "-9e399"));
    EXPECT_FALSE(fits(R"({"minimum":0.1})", "0.0999999999999999999999999"));
    EXPECT_TRUE(fits(R"({"const":100})", "1.00e2"));
    EXPECT_FALSE(fits(R"({"const":9007199254740993})", "9007199254740992"));
}

TEST(Keywords, KnowIntegersByValue) {
    for (const char* json : {"1.0", "1e3", "120e-1", "-0.0", "123456789012345678901234567890"}) {
        EXPECT_TRUE(fits(R"({"type":"integer"})", json)) << json;
    }
    for (const char* json : {"1.5", "1e-1", "125e-1", "\"1\""}) {
        EXPECT_FALSE(fits(R"({"type":"integer"})", json)) << json;
    }
}

TEST(Keywords, TakeHugeBoundsForWhatTheyMean) {
    EXPECT_TRUE(fits(R"({"maxLength":1e400,"maxItems":1e30,"minProperties":0.0})", "\"abc\""));
    EXPECT_FALSE(fits(R"({"minLength":1e400})", "\"abc\""));
}

TEST(Keywords, CountCharactersNotBytes) {
    EXPECT_TRUE(fits(R"({"maxLength":2,"minLength":2})", R"("é😀")"));
    EXPECT_TRUE(fits(R"({"maxLength":2,"minLength":2})", R"("\u00e9\ud83d\ude00")"));
    EXPECT_TRUE(fits(R"({"maxLength":3,"minLength":3})", R"("\n\"\\")"));
    EXPECT_FALSE(fits(R"({"minLength":3})", R"("\ud83d\ude00é")"));
}

TEST(Keywords, CompareValuesNotTexts) {
    EXPECT_FALSE(fits(R"({"uniqueItems":true})", R"([{"a":1,"b":[2]},{"b":[2.0],"\u0061":1.0}])"));
    EXPECT_TRUE(
        fits(R"({"uniqueItems":true})", R"([1,true,"1",[1],{"a":1},{"a":true},null,0,false])"));
    EXPECT_TRUE(fits(R"({"enum":[{"a":[1,"\u00e9"]},2]})", R"({"a":[1.0,"é"]})"));
    EXPECT_TRUE(fits(R"({"const":"é"})", R"("\u00e9")"));
    EXPECT_TRUE(fits(R"({"properties":{"é":false},"required":["a"]})", R"({"\u0061":1})"));
    EXPECT_FALSE(fits(R"({"properties":{"é":false}})", R"({"\u00e9":1})"));
    EXPECT_FALSE(fits(R"({"enum":[1,2,3,4,5,6,7,8,9,"a"]})", "10"));
    EXPECT_TRUE(fits(R"({"enum":[1,2,3,4,5,6,7,8,9,10,"a"]})", "1e1"));
}

TEST(Keywords, FollowDraft07WhereItDiffers) {
    constexpr Dialect k7 = Dialect::draft_07;
    EXPECT_TRUE(
        fits(R"({"$ref":"#/definitions/a","type":"string","definitions":{"a":{"type":"null"}}})",
             "null", k7));
    EXPECT_FALSE(
        fits(R"({"$ref":"#/$defs/a","type":"string","$defs":{"a":{"type":"null"}}})", "null"));
    EXPECT_FALSE(fits(R"({"items":[{"type":"null"}],"additionalItems":false})", "[null,1]", k7));
    EXPECT_FALSE(fits(R"({"dependencies":{"a":["b"]}})", R"({"a":1})", k7));
    EXPECT_FALSE(fits(R"({"dependencies":{"a":{"required":["b"]}}})", R"({"a":1})", k7));
    EXPECT_TRUE(fits(R"({"unevaluatedProperties":false,"minContains":9})", R"({"a":1})", k7));
    EXPECT_FALSE(
        fits(R"({"$schema":"http://json-schema.org/draft-07/schema#","items":[false]})", "[1]"));
}

TEST(Keywords, CompileWhatTheMetaschemaAccepts) {
    const auto meta = Schema::compile(R"({"$ref":"https://json-schema.org/draft/2020-12/schema"})");
    ASSERT_TRUE(meta) << meta.error().message;
    const auto meta_07 = Schema::compile(R"({"$ref":"http://json-schema.org/draft-07/schema#"})");
    ASSERT_TRUE(meta_07) << meta_07.error().message;
    const std::uint64_t seed = std::random_device{}();
    SCOPED_TRACE("seed " + std::to_string(seed));
    Generator generate(seed);
    for (int i = 0; i < 600; ++i) {
        const std::string text = generate.damaged_keyword();
        if (text.find("\"(\"") != std::string::npos) continue;  // Patterns are no affair of its.
        const auto wanted = meta->fits(text);
        ASSERT_TRUE(wanted);
        EXPECT_EQ(Schema::compile(text).has_value(), *wanted) << text;
        if (text.find("examples") != std::string::npos) continue;
        const auto wanted_07 = meta_07->fits(text);
        ASSERT_TRUE(wanted_07);
        EXPECT_EQ(Schema::compile(text, {.dialect = Dialect::draft_07}).has_value(), *wanted_07)
            << text;
    }
}

TEST(Keywords, ResolveUrisAsRfc3986Shows) {
    constexpr std::string_view kBase = "http://a/b/c/d;p?q";
    for (const auto& [reference, wanted] :
         {std::pair{"g", "http://a/b/c/g"}, std::pair{"./g", "http://a/b/c/g"},
          std::pair{"/g", "http://a/g"}, std::pair{"//g", "http://g"},
          std::pair{"?y", "http://a/b/c/d;p?y"}, std::pair{"#s", "http://a/b/c/d;p?q#s"},
          std::pair{"", "http://a/b/c/d;p?q"}, std::pair{"..", "http://a/b/"},
          std::pair{"../../g", "http://a/g"}, std::pair{"../../../g", "http://a/g"},
          std::pair{"g;x=1/../y", "http://a/b/c/y"}, std::pair{"urn:x:y", "urn:x:y"}}) {
        EXPECT_EQ(resolve_uri(kBase, reference), wanted) << reference;
    }
    EXPECT_EQ(resolve_uri("", "a.json#b"), "a.json#b");
}

}  // namespace
}  // namespace taskstore::schema
