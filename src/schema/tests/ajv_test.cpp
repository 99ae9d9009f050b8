// Generated schemas and instances, answered by ours and by npm's ajv (2020-12) in one node process.
// Where they differ, a third implementation (@hyperjump/json-schema) decides, and a difference that
// it does not blame on ajv is a failure. Ways in which ajv 8.20 is known to leave the standard:
//   KD1  items that `contains` found do not count as evaluated for unevaluatedItems (not generated)
//   KD2  numbers are those of binary floating point (the generator uses quarters)
//   KD3  names of Object.prototype count as present for required (not generated)
//   KD4  an empty enum is refused (not generated)
//   KD5  contains with maxContains beside prefixItems lets the empty array pass
//   KD6  what a failed `if` or branch of oneOf evaluated still counts for unevaluated…
//   KD7  some schemas compile to code that throws when it runs
// The seed is printed; TASKSTORE_SEED repeats a run.
#include "generated.hpp"

#include <taskstore/schema/schema.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>

namespace taskstore::schema {
namespace {

namespace fs = std::filesystem;

std::uint64_t seed() {
    const char* given = std::getenv("TASKSTORE_SEED");
    const std::uint64_t seed =
        given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
    std::printf("TASKSTORE_SEED=%llu\n", static_cast<unsigned long long>(seed));
    return seed;
}

struct Case {
    std::string schema;
    std::vector<std::string> instances;
};

/// Runs `script` on a file of lines and reads the lines that it answers.
std::vector<std::string> ask(const char* script, const std::string& questions) {
    const fs::path folder =
        fs::temp_directory_path() / ("taskstore_ajv_" + std::to_string(std::random_device{}()));
    fs::create_directories(folder);
    std::ofstream(folder / "questions") << questions;
    const std::string command = "node '" TASKSTORE_SCHEMA_TESTS "/" + std::string(script) +
                                "' '" TASKSTORE_PEERS "' '" + (folder / "questions").string() +
                                "' '" + (folder / "answers").string() + "'";
    EXPECT_EQ(std::system(command.c_str()), 0) << "node is needed: run tools/setup test";
    std::vector<std::string> answers;
    std::ifstream in(folder / "answers");
    for (std::string line; std::getline(in, line);) answers.push_back(line);
    fs::remove_all(folder);
    return answers;
}

std::vector<std::string> ask_ajv(const std::vector<Case>& cases) {
    std::string questions;
    for (const Case& one : cases) {
        questions += "{\"schema\":" + one.schema + ",\"instances\":[";
        for (std::size_t i = 0; i < one.instances.size(); ++i) {
            questions += (i > 0 ? "," : "") + one.instances[i];
        }
        questions += "]}\n";
    }
    return ask("ajv_answers.cjs", questions);
}

struct Difference {
    std::string schema;
    std::string instance;
    bool ours = false;
    std::string told;
};

TEST(AjvComparison, AnswersAreTheSameForGeneratedSchemasAndInstances) {
    Generator generate(seed());
    const std::size_t count = std::getenv("TASKSTORE_FULL") != nullptr ? 20'000 : 4'000;
    std::vector<Case> cases(count);
    for (Case& one : cases) {
        one.schema = generate.schema();
        for (int i = 0; i < 12; ++i) one.instances.push_back(generate.value(3));
    }
    const auto answers = ask_ajv(cases);
    ASSERT_EQ(answers.size(), cases.size());
    std::size_t fitting = 0;
    std::size_t total = 0;
    std::size_t given_up = 0;
    std::vector<Difference> differences;
    for (std::size_t i = 0; i < cases.size(); ++i) {
        const auto schema = Schema::compile(cases[i].schema);
        ASSERT_TRUE(schema) << cases[i].schema << "\n" << schema.error().message;
        ASSERT_EQ(answers[i].size(), cases[i].instances.size()) << cases[i].schema;
        for (std::size_t k = 0; k < cases[i].instances.size(); ++k) {
            const auto told = schema->validate(cases[i].instances[k]);
            ASSERT_TRUE(told) << cases[i].schema << "\n" << cases[i].instances[k];
            const auto fits = schema->fits(cases[i].instances[k]);
            EXPECT_TRUE(fits && *fits == told->empty());
            ++total;
            fitting += told->empty() ? 1U : 0U;
            given_up += answers[i][k] == 'x' ? 1U : 0U;
            if (answers[i][k] == 'x' || (answers[i][k] == '1') == told->empty()) continue;
            differences.push_back({cases[i].schema, cases[i].instances[k], told->empty(),
                                   told->empty() ? "fits" : to_text((*told)[0])});
        }
    }
    // Where the two differ, a third one decides which of them leaves the standard.
    std::string questions;
    for (const Difference& one : differences) {
        questions += "{\"schema\":" + one.schema + ",\"instance\":" + one.instance + "}\n";
    }
    const auto decided =
        differences.empty() ? std::vector<std::string>{} : ask("referee_answers.mjs", questions);
    ASSERT_EQ(decided.size(), differences.size());
    std::size_t of_ajv = 0;
    for (std::size_t i = 0; i < differences.size(); ++i) {
        const Difference& one = differences[i];
        of_ajv += decided[i] == (one.ours ? "1" : "0") ? 1U : 0U;
        EXPECT_EQ(decided[i], one.ours ? "1" : "0")
            << "schema   " << one.schema << "\ninstance " << one.instance << "\nours     "
            << one.told << "\najv and the referee say otherwise";
    }
    EXPECT_LE(of_ajv, total / 1000);
    std::printf("%zu instances, %zu fit; ajv threw on %zu and was wrong on %zu\n", total, fitting,
                given_up, of_ajv);
    EXPECT_LT(given_up, total / 100);
    EXPECT_GT(fitting, total / 10);
    EXPECT_LT(fitting, total - total / 10);
}

TEST(AjvComparison, RefusesWhatAjvRefuses) {
    Generator generate(seed());
    std::vector<Case> cases;
    while (cases.size() < 1'500) {
        const std::string damaged = generate.damaged_keyword();
        if (damaged == "{\"enum\":[]}") continue;  // KD4
        const bool deep = generate.one_in(2);
        cases.push_back({deep ? "{\"properties\":{\"a\":" + damaged + "}}" : damaged, {"1"}});
    }
    const auto answers = ask_ajv(cases);
    ASSERT_EQ(answers.size(), cases.size());
    for (std::size_t i = 0; i < cases.size(); ++i) {
        const auto schema = Schema::compile(cases[i].schema);
        EXPECT_EQ(schema.has_value(), answers[i] != "e")
            << cases[i].schema << "\n"
            << (schema ? "compiles" : schema.error().message);
    }
}

}  // namespace
}  // namespace taskstore::schema
