// Schemas and instances made to run away: each ends, and says why.
#include <taskstore/schema/schema.hpp>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace taskstore::schema {
namespace {

using ::testing::HasSubstr;

std::string compile_error(std::string_view text) {
    const auto schema = Schema::compile(text);
    return schema ? "compiles" : schema.error().message;
}
/// What validate and fits say, which must be the same error.
std::string run_error(std::string_view text, std::string_view json) {
    const auto schema = Schema::compile(text);
    if (!schema) return "does not compile: " + schema.error().message;
    // Less than the default, for the sake of builds with sanitizers.
    const ValidateOptions options{.steps_max = 300'000};
    const auto fits = schema->fits(json, options);
    const auto told = schema->validate(json, options);
    EXPECT_EQ(fits.has_value(), told.has_value());
    return fits ? (*fits ? "fits" : "does not fit") : fits.error().message;
}
std::string nested(std::string_view open, std::string_view inner, std::string_view close,
                   std::size_t depth) {
    std::string text;
    for (std::size_t i = 0; i < depth; ++i) text += open;
    text += inner;
    for (std::size_t i = 0; i < depth; ++i) text += close;
    return text;
}
/// d0 … dN, each `format` with the name of the next in place of every '@'.
std::string chain(std::string_view format, std::size_t count, std::string_view last) {
    std::string text = "{\"$ref\":\"#/$defs/d0\",\"$defs\":{";
    for (std::size_t i = 0; i < count; ++i) {
        std::string one(format);
        const std::string next = "#/$defs/d" + std::to_string(i + 1);
        for (std::size_t at = 0; (at = one.find('@', at)) != std::string::npos; at += next.size()) {
            one.replace(at, 1, next);
        }
        text += "\"d" + std::to_string(i) + "\":" + one + ",";
    }
    return text + "\"d" + std::to_string(count) + "\":" + std::string(last) + "}}";
}

TEST(HostileSchema, CyclesAreRefused) {
    for (
        const char* text :
        {R"({"$ref":"#"})", R"({"allOf":[{"$ref":"#"}]})", R"({"not":{"$ref":"#"}})",
         R"({"if":{"$ref":"#"}})", R"({"dependentSchemas":{"a":{"$ref":"#"}}})",
         R"({"$ref":"#/$defs/a","$defs":{"a":{"anyOf":[true,{"$ref":"#/$defs/b"}]},"b":{"oneOf":[{"$ref":"#/$defs/a"}]}}})"}) {
        EXPECT_THAT(compile_error(text), HasSubstr("it would never end")) << text;
    }
    EXPECT_EQ(run_error(R"({"properties":{"a":{"$ref":"#"}},"additionalProperties":false})",
                        R"({"a":{"a":{"a":{}}}})"),
              "fits");
}

TEST(HostileSchema, CyclesThroughDynamicReferencesEnd) {
    EXPECT_THAT(run_error(R"({"$dynamicAnchor":"a","$dynamicRef":"#a"})", "1"),
                HasSubstr("too deeply"));
}

TEST(HostileSchema, LongChainsOfReferencesEnd) {
    EXPECT_EQ(run_error(chain(R"({"$ref":"@"})", 1000, "true"), "1"), "fits");
    EXPECT_THAT(run_error(chain(R"({"$ref":"@"})", 20'000, "true"), "1"), HasSubstr("too deeply"));
    EXPECT_THAT(run_error(chain(R"({"anyOf":[{"not":{"$ref":"@"}}]})", 5'000, "false"), "1"),
                HasSubstr("too deeply"));
}

TEST(HostileSchema, ExponentialBranchesUseUpTheBudget) {
    for (const char* format :
         {R"({"allOf":[{"$ref":"@"},{"$ref":"@"}]})", R"({"oneOf":[{"$ref":"@"},{"$ref":"@"}]})",
          R"({"anyOf":[{"not":{"$ref":"@"}},{"not":{"$ref":"@"}}]})",
          R"({"if":{"$ref":"@"},"then":{"$ref":"@"},"unevaluatedProperties":true})"}) {
        for (const char* last : {R"({"minimum":0})", R"({"type":"string"})"}) {
            const std::string result = run_error(chain(format, 60, last), "1");
            EXPECT_TRUE(result == "fits" || result == "does not fit" ||
                        result.find("too many steps") != std::string::npos)
                << result;
        }
    }
    EXPECT_THAT(
        run_error(chain(R"({"allOf":[{"$ref":"@"},{"$ref":"@"}]})", 60, R"({"minimum":0})"), "1"),
        HasSubstr("too many steps"));
}

TEST(HostileSchema, TellingIsBoundedToo) {
    // The first run says no at once; the second could look for reasons for ever.
    const auto schema = Schema::compile(
        chain(R"({"anyOf":[{"$ref":"@"},{"$ref":"@"}]})", 15, R"({"type":"string"})"));
    ASSERT_TRUE(schema);
    const auto told = schema->validate("1", {.violations_max = 100, .steps_max = 1'000'000});
    ASSERT_TRUE(told) << told.error().message;
    EXPECT_FALSE(told->empty());
}

TEST(HostileSchema, DeepNestingIsRefusedOrRun) {
    EXPECT_THAT(compile_error(nested("{\"not\":", "true", "}", 600)),
                HasSubstr("nested too deeply"));
    EXPECT_EQ(run_error(nested("{\"not\":", "true", "}", 500), "1"), "fits");
    EXPECT_EQ(run_error(nested("{\"items\":", "{}", "}", 500), nested("[", "", "]", 512)), "fits");
    EXPECT_THAT(run_error("true", nested("[", "", "]", 513)), HasSubstr("nested too deeply"));
    EXPECT_THAT(run_error("true", std::string(1U << 20U, '[')), HasSubstr("nested too deeply"));
    // Five schemas for each level of the instance.
    EXPECT_THAT(
        run_error(R"({"allOf":[{"allOf":[{"allOf":[{"allOf":[{"items":{"$ref":"#"}}]}]}]}]})",
                  nested("[", "", "]", 512)),
        HasSubstr("too deeply"));
}

TEST(HostileSchema, CatastrophicPatternsAreLinear) {
    const std::string text = "\"" + std::string(200'000, 'a') + "!\"";
    EXPECT_EQ(run_error(R"({"pattern":"^(a+)+$"})", text), "does not fit");
    EXPECT_EQ(run_error(R"({"pattern":"^(a|aa|a?)*b$"})", text), "does not fit");
    EXPECT_EQ(run_error(R"({"pattern":"(x+x+)+y"})", text), "does not fit");
    EXPECT_THAT(compile_error(R"({"pattern":"((((a{1,99}){1,99}){1,99}){1,99}){1,99}"})"),
                HasSubstr("cannot be compiled"));
    EXPECT_THAT(compile_error("{\"pattern\":\"" + nested("(", "a", ")", 5000) + "\"}"),
                HasSubstr("nested too deeply"));
    EXPECT_THAT(compile_error("{\"pattern\":\"" + std::string(70'000, 'a') + "\"}"),
                HasSubstr("64 KiB"));
}

TEST(HostileSchema, PatternsTooLargeForAnAutomatonArePaidFor) {
    std::string schema = "{\"patternProperties\":{";
    for (int i = 0; i < 100; ++i) {
        schema +=
            "\"(a|b|[a-z]" + std::to_string(i) + "){1,300}.*" + std::to_string(i) + "\":true,";
    }
    std::string json = "{\"k\":1";
    for (int i = 0; i < 500; ++i) json += ",\"abab" + std::to_string(i) + "ababababababababab\":1";
    EXPECT_THAT(run_error(schema + "\"z\":true}}", json + "}"), HasSubstr("too many steps"));
}

TEST(HostileSchema, SizesAreBounded) {
    std::string many = "{\"allOf\":[{}";
    for (int i = 0; i < 100'001; ++i) many += ",{}";
    EXPECT_THAT(compile_error(many + "]}"), HasSubstr("100,000 subschemas"));
    EXPECT_THAT(compile_error("\"" + std::string(9U << 20U, 'x') + "\""), HasSubstr("8 MiB"));
    std::string patterns = "{\"patternProperties\":{";
    for (int i = 0; i < 600; ++i) patterns += "\"p" + std::to_string(i) + "\":true,";
    EXPECT_THAT(compile_error(patterns + "\"z\":true}}"), HasSubstr("more than 512 patterns"));
    EXPECT_THAT(compile_error(R"({"maxLength":1e99999999999})"), HasSubstr("nine digits"));
    EXPECT_THAT(compile_error("{\"multipleOf\":0." + std::string(50, '7') + "}"),
                HasSubstr("37 digits"));
}

TEST(HostileInstance, LargeArraysAreComparedByHash) {
    std::string json = "[0";
    for (int i = 1; i < 60'000; ++i) json += ",{\"a\":" + std::to_string(i) + "}";
    EXPECT_EQ(run_error(R"({"uniqueItems":true})", json + "]"), "fits");
    EXPECT_EQ(run_error(R"({"uniqueItems":true})", json + ",{\"a\":7.0}]"), "does not fit");
}

TEST(HostileInstance, ManyMembersAgainstManyRulesEnd) {
    std::string schema = "{\"dependentRequired\":{\"x\":[]";
    std::string json = "{\"x\":1";
    for (int i = 0; i < 8'000; ++i) {
        schema += ",\"k" + std::to_string(i) + "\":[\"x\"]";
        json += ",\"k" + std::to_string(i) + "\":1";
    }
    const std::string result = run_error(schema + "}}", json + "}");
    EXPECT_TRUE(result == "fits" || result.find("too many steps") != std::string::npos) << result;
}

}  // namespace
}  // namespace taskstore::schema
