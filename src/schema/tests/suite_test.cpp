// The JSON Schema Test Suite of draft-07, all of it, as Debian's json-schema-test-suite has it. A
// required test that fails is a failure; of the optional ones those that unsupported() names may.
#include <taskstore/base/json.hpp>
#include <taskstore/schema/schema.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <vector>

namespace taskstore::schema {
namespace {

namespace fs = std::filesystem;

std::string read_all(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

/// Optional files and tests ("file: case: test") that are not supported, each for its reason.
bool unsupported(const std::string& row) {
    static const std::vector<std::string> kRows{
        // The Unicode rules of IDNA need tables: any text is accepted.
        "optional/format/idn-hostname.json",
        // Content keywords are annotations (2020-12 section 8.2), in draft-07 too.
        "optional/content.json",
        // Refers to a schema of draft 2019-09.
        "optional/cross-draft.json: refs to historic drafts",
        "optional/cross-draft.json: refs to future drafts",
    };
    return std::ranges::any_of(kRows,
                               [&](const std::string& start) { return row.starts_with(start); });
}

class Suite {
  public:
    Suite(fs::path root, std::string draft, Dialect dialect)
        : x_root(std::move(root)), x_draft(std::move(draft)), x_dialect(dialect) {
        for (const auto& entry : fs::recursive_directory_iterator(x_root / "remotes")) {
            if (entry.path().extension() != ".json") continue;
            const std::string path = fs::relative(entry.path(), x_root / "remotes").string();
            // Remotes of other drafts are not those that the tests of this one mean.
            if (path.starts_with("draft") && !path.starts_with(x_draft)) continue;
            x_documents.push_back({"http://localhost:1234/" + path, read_all(entry.path())});
        }
    }

    void run() {
        const fs::path tests = x_root / "tests" / x_draft;
        ASSERT_TRUE(fs::is_directory(tests)) << tests << " is missing: run tools/setup test";
        for (const auto& entry : fs::recursive_directory_iterator(tests)) {
            if (entry.path().extension() == ".json") {
                run_file(entry.path(), fs::relative(entry.path(), tests).string());
            }
        }
        std::printf("%s: %zu tests, %zu of them not supported (optional, by the list)\n",
                    x_draft.c_str(), x_count, x_unsupported);
        EXPECT_GT(x_count, 500U);
    }

  private:
    void run_file(const fs::path& path, const std::string& name) {
        const auto cases = Json::parse(read_all(path));
        ASSERT_TRUE(cases) << path;
        CompileOptions options;
        options.dialect = x_dialect;
        options.assert_formats =
            name.starts_with("optional/format/") || name == "optional/ecmascript-regex.json";
        options.documents = x_documents;
        for (std::size_t i = 0; i < cases->size(); ++i) {
            const Json one = cases->at(i);
            const std::string title = name + ": " + *one.get("description").as_string();
            const auto schema = Schema::compile(one.get("schema").to_text(), options);
            for (std::size_t k = 0; k < one.get("tests").size(); ++k) {
                const Json test = one.get("tests").at(k);
                const std::string row = title + ": " + *test.get("description").as_string();
                const bool wanted = *test.get("valid").as_bool();
                ++x_count;
                std::string got = "does not compile: ";
                if (!schema) {
                    got += schema.error().message;
                } else if (const auto fits = schema->fits(test.get("data").to_text()); !fits) {
                    got = fits.error().message;
                } else {
                    got = *fits ? "valid" : "invalid";
                    const auto told = schema->validate(test.get("data").to_text());
                    EXPECT_TRUE(told && told->empty() == *fits) << row;
                }
                const bool right = got == (wanted ? "valid" : "invalid");
                if (!right && unsupported(row)) {
                    ++x_unsupported;
                } else {
                    EXPECT_TRUE(right) << row << ": " << got;
                }
            }
        }
    }

    fs::path x_root;
    std::string x_draft;
    Dialect x_dialect;
    std::vector<Document> x_documents;
    std::size_t x_count = 0;
    std::size_t x_unsupported = 0;
};

TEST(SchemaSuite, PassesDraft07OfDebian) {
    Suite(TASKSTORE_SUITE_DEBIAN, "draft7", Dialect::draft_07).run();
}

}  // namespace
}  // namespace taskstore::schema
