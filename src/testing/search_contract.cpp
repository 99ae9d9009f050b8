#include <taskstore/testing/database_contract.hpp>

#include <gmock/gmock.h>
#include <taskstore/sql/tokens.hpp>

#include <algorithm>
#include <array>
#include <set>

namespace taskstore::sql {
namespace {

/// Spellings of one word each: what is said of one must be said of all.
const std::array<std::vector<std::string>, 8> kWords{{
    {"login", "LOGIN", "Login", "ｌｏｇｉｎ"},
    {"über", "UBER",
     "u\xCC\x88"
     "ber"},
    {"zürich", "ZÜRICH", "zurich"},
    {"елка", "Ёлка", "ЁЛКА"},
    {"όδος", "ΟΔΟΣ", "οδοσ"},
    {"10", "１０"},
    {"z", "Z"},
    {"검색"},
}};

struct Document {
    std::int64_t at = 0;
    std::string id;
    std::set<std::size_t> words = {};
    std::string text = {};
};

Document make_document(int number, Random& random) {
    Document document{.at = static_cast<std::int64_t>(random.next_u64() % 5), .id = {}};
    // Unlike in their case and length: ids are compared by bytes.
    document.id = std::string(number % 2 == 0 ? "a" : "B") + std::to_string(number);
    for (std::uint64_t left = random.next_u64() % 6; left > 0; --left) {
        const std::size_t word = random.next_u64() % kWords.size();
        const auto& spellings = kWords[word];
        document.words.insert(word);
        document.text +=
            spellings[random.next_u64() % spellings.size()] + (left % 2 == 0 ? " " : "_%'");
    }
    return document;
}

/// As README.md says it: a row per token, and all of a query's tokens are wanted.
std::string search_sql(std::size_t tokens) {
    std::string list;
    for (std::size_t i = 1; i <= tokens; ++i) list += (i > 1 ? ", ?" : "?") + std::to_string(i);
    return "SELECT id FROM words WHERE token IN (" + list +
           ") GROUP BY at, id HAVING COUNT(*) = " + std::to_string(tokens) +
           " ORDER BY at DESC, id";
}

}  // namespace

TEST_P(SearchContract, ATextIsFoundByAllItsWordsInOneOrderOnEveryEngine) {
    constexpr std::uint64_t kSeed = 5;
    SeededRandom random(kSeed);
    {
        const auto connection = connect();
        const std::string text =
            connection->dialect() == "postgres" ? "TEXT COLLATE \"C\"" : "TEXT";
        ASSERT_TRUE(connection->execute("CREATE TABLE words (token " + text + ", at BIGINT, id " +
                                        text + ", PRIMARY KEY (token, at, id))"));
    }
    std::vector<Document> documents;
    std::vector<BoundStatement> rows;
    for (int number = 0; number < 40; ++number) {
        documents.push_back(make_document(number, random));
        const Document& made = documents.back();
        for (const std::string& token : tokens_of(made.text))
            rows.push_back({.sql = "INSERT INTO words (token, at, id) VALUES (?1, ?2, ?3)",
                            .values = {token, made.at, made.id}});
    }
    ASSERT_TRUE(x_database->write_batch(rows));
    std::ranges::sort(documents, [](const Document& left, const Document& right) {
        return left.at != right.at ? left.at > right.at : left.id < right.id;
    });
    for (int query = 0; query < 40; ++query) {
        std::set<std::size_t> words;
        std::string text;
        for (std::uint64_t left = 1 + random.next_u64() % 3; left > 0; --left) {
            const std::size_t word = random.next_u64() % kWords.size();
            words.insert(word);
            text += kWords[word][random.next_u64() % kWords[word].size()] + " ";
        }
        std::vector<std::string> expected;
        for (const Document& document : documents) {
            if (std::ranges::includes(document.words, words)) expected.push_back(document.id);
        }
        const auto tokens = tokens_of(text);
        const std::string sql = search_sql(tokens.size());
        BoundStatement search{.sql = sql};
        for (const std::string& token : tokens) search.values.emplace_back(token);
        const auto answer = x_database->read_batch({&search, 1});
        ASSERT_TRUE(answer) << answer.error().message;
        std::vector<std::string> found;
        for (const auto& row : answer->front().rows) found.push_back(std::get<std::string>(row[0]));
        EXPECT_EQ(found, expected) << text << "; seed " << kSeed;
    }
}

}  // namespace taskstore::sql
