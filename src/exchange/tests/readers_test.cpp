#include <taskstore/base/json.hpp>
#include <taskstore/exchange/incoming.hpp>

#include <gtest/gtest.h>

namespace taskstore::exchange {
namespace {

struct Seen {
    std::vector<std::string> records;  ///< "line:column name=raw name=raw"
    std::vector<std::string> damages;  ///< "line:column reason"
};

/// Gives a byte at a time, so that every border is crossed.
class Trickle final : public ByteSource {
  public:
    explicit Trickle(std::string text) : x_text(std::move(text)) {}
    Result<std::size_t> read(char* out, std::size_t) override {
        if (x_at == x_text.size()) return std::size_t{0};
        *out = x_text[x_at++];
        return std::size_t{1};
    }

  private:
    std::string x_text;
    std::size_t x_at = 0;
};

Seen read_all(const std::string& text, Format format) {
    Seen seen;
    for (const bool trickle : {false, true}) {
        Seen one;
        ReaderOptions options{format, "f.md", [&](const Damage& damage) {
                                  one.damages.push_back(std::to_string(damage.line) + ":" +
                                                        std::to_string(damage.column) + " " +
                                                        damage.reason);
                              }};
        auto source = trickle ? std::make_unique<Trickle>(text) : text_source(text);
        const auto reader = *open_reader(std::move(source), options);
        Incoming record;
        while (true) {
            const auto got = reader->next(record);
            if (!got) {
                one.damages.push_back("error " + got.error().message);
                break;
            }
            if (!*got) break;
            std::string line = std::to_string(record.line) + ":" + std::to_string(record.column);
            for (const Member& member : record.members)
                line += " " + std::string(member.name) + "=" + std::string(member.raw);
            one.records.push_back(line);
        }
        if (trickle) {
            EXPECT_EQ(one.records, seen.records);
            EXPECT_EQ(one.damages, seen.damages);
        }
        seen = std::move(one);
    }
    return seen;
}

using Lines = std::vector<std::string>;
constexpr Format kJson{Syntax::json, Kind::plain};
constexpr Format kCsv{Syntax::csv, Kind::table};

TEST(JsonReader, ALineIsARecordAndEveryMemberStaysAsItIsSpelled) {
    const Seen seen = read_all(
        "\xEF\xBB\xBF{\"id\":\"a\",\"n\":1.10,\"t\":\"\\u00e9\"}\r\n\n  {\"x\":{\"y\":[1, 2]}},\n",
        kJson);
    EXPECT_EQ(seen.records, (Lines{"1:1 id=\"a\" n=1.10 t=\"\\u00e9\"", "3:3 x={\"y\":[1, 2]}"}));
    EXPECT_TRUE(seen.damages.empty());
}

TEST(JsonReader, WithinAValueNoLineEndStays) {
    EXPECT_EQ(read_all("{\"x\":[1,\r\r 2,\"\\r\"]}\n", kJson).records,
              (Lines{"1:1 x=[1,2,\"\\r\"]"}));
}

TEST(JsonReader, ADamagedLineIsToldWithItsPlaceAndSpoilsNoOther) {
    const Seen seen = read_all(
        "{\"a\":1}\n{\"a\":x}\n[1]\n{\"a\":1,\"a\":2}\n{\"b\":\"\xff\"}\n{\"a\":2}\n{\"a\":",
        kJson);
    EXPECT_EQ(seen.records, (Lines{"1:1 a=1", "6:1 a=2"}));
    ASSERT_EQ(seen.damages.size(), 5U);
    EXPECT_TRUE(seen.damages[0].starts_with("2:6 ")) << seen.damages[0];
    EXPECT_EQ(seen.damages[1], "3:1 not a JSON object");
    EXPECT_EQ(seen.damages[2], "4:8 member 'a' stands twice");
    EXPECT_TRUE(seen.damages[3].starts_with("5:7 not UTF-8")) << seen.damages[3];
    EXPECT_TRUE(seen.damages[4].starts_with("7:6 ")) << seen.damages[4];
}

TEST(JsonReader, ArraysAreReadThoughPrettyAndSeveral) {
    const Seen seen = read_all(
        "[\n  {\n    \"id\": 1,\n    \"l\": [\n      \"a b\",\n      {}\n    ]\n  },\n"
        "  {\"id\": tru}, 7,\n  {\"id\": 2}\n]\n[{\"id\":3}]",
        kJson);
    EXPECT_EQ(seen.records, (Lines{"2:3 id=1 l=[\"a b\",{}]", "10:3 id=2", "12:2 id=3"}));
    ASSERT_EQ(seen.damages.size(), 2U);
    EXPECT_TRUE(seen.damages[0].starts_with("9:10 ")) << seen.damages[0];
    EXPECT_EQ(seen.damages[1], "9:16 not a JSON object");
}

TEST(JsonReader, AnArrayThatBreaksOffSaysWhereFrom) {
    const Seen seen = read_all("[{\"id\":1},\n {\"id\":\"2}\n, {\"id\":3}]", kJson);
    EXPECT_EQ(seen.records, (Lines{"1:2 id=1"}));
    ASSERT_EQ(seen.damages.size(), 1U);
    EXPECT_TRUE(seen.damages[0].starts_with("2:2 an object that begins here does not end"));
}

TEST(CsvReader, QuotesHoldAnythingAndEmptyCellsAreAbsent) {
    const Seen seen = read_all(
        "id,title,\"a \"\"b\"\"\"\r\n1,\"x, \"\"y\"\"\r\nz\",\r\n\r\n007,5\" disk,true\n", kCsv);
    EXPECT_EQ(seen.records, (Lines{R"(2:1 id=1 title="x, \"y\"\r\nz")",
                                   R"(5:1 id="007" title="5\" disk" a "b"=true)"}));
    EXPECT_TRUE(seen.damages.empty());
}

TEST(CsvReader, ACellSaysAnyJsonValue) {
    const Seen seen =
        read_all("v\n1.10\n\"\"\"1\"\"\"\nnull\n-0\n1.\n+1\n\"[1,\"\"a\"\"]\"\n[1\ntrue \n", kCsv);
    EXPECT_EQ(seen.records,
              (Lines{"2:1 v=1.10", "3:1 v=\"1\"", "4:1 v=null", "5:1 v=-0", "6:1 v=\"1.\"",
                     "7:1 v=\"+1\"", "8:1 v=[1,\"a\"]", "9:1 v=\"[1\"", "10:1 v=\"true \""}));
}

TEST(CsvReader, SemicolonsAndTabsAreSeenInTheHeader) {
    EXPECT_EQ(read_all("id;title\n1;a,b\n", kCsv).records, (Lines{"2:1 id=1 title=\"a,b\""}));
    EXPECT_EQ(read_all("id\ttitle\n1\ta,b\n", kCsv).records, (Lines{"2:1 id=1 title=\"a,b\""}));
}

TEST(CsvReader, DamagedRowsAreToldWithTheirPlace) {
    const Seen seen =
        read_all("a,b\n1\n1,2,3\n\"x\"y,2\n1,\"\n\xff\"\n\"q\"\r,2\n3,4\n5,\"open\n6,7\n", kCsv);
    EXPECT_EQ(seen.records, (Lines{"8:1 a=3 b=4"}));
    EXPECT_EQ(seen.damages[0], "2:1 1 cells where the header has 2");
    EXPECT_EQ(seen.damages[1], "3:1 3 cells where the header has 2");
    EXPECT_EQ(seen.damages[2], "4:4 text behind the quote that closes a cell");
    EXPECT_EQ(seen.damages[3], "6:1 not UTF-8");
    EXPECT_EQ(seen.damages[4], "7:5 text behind the quote that closes a cell");
    EXPECT_TRUE(seen.damages[5].starts_with("9:1 a record that begins here does not end"));
    EXPECT_EQ(read_all("a,a\n1,2\n", kCsv).damages[0], "error the header has the column 'a' twice");
    EXPECT_EQ(read_all("\"a\"x,b\n1,2\n", kCsv).damages[1],
              "error the header of the CSV cannot be read");
}

TEST(Recognise, ByContentAlone) {
    const std::vector<std::pair<std::string, Format>> samples{
        {"{\"_collection\":\"prds\",\"id\":\"a\"}\n", {Syntax::json, Kind::own}},
        {"_collection,id\nprds,a\n", {Syntax::csv, Kind::own}},
        {"{\"id\":\"a\",\"title\":\"t\",\"status\":\"open\"}\n", {Syntax::json, Kind::tracker}},
        {"[{\"id\":1,\"description\":\"d\",\"uuid\":\"u\",\"status\":\"pending\"}]",
         {Syntax::json, Kind::taskwarrior}},
        {"[{\"number\":1,\"title\":\"t\",\"state\":\"OPEN\"}]", {Syntax::json, Kind::github}},
        {"{\"id\":\"a\",\"x\":1}\n", {Syntax::json, Kind::plain}},
        {"Id,Title,Status\n1,a,open\n", {Syntax::csv, Kind::table}},
        {"id,colour\n1,red\n", {Syntax::csv, Kind::plain}},
        {"intro, with, commas\n\n# Plan\n", {Syntax::markdown, Kind::checklist}},
        {"- [ ] one\n", {Syntax::markdown, Kind::checklist}},
        {"Plan, with commas\n====\ntext\n", {Syntax::markdown, Kind::checklist}},
        {"broken{\n", {}},
    };
    for (const auto& [text, format] : samples) {
        const auto got = recognise(text, true, {});
        if (text.starts_with("broken")) {
            ASSERT_FALSE(got);
            EXPECT_NE(got.error().hint.find("--from"), std::string::npos);
        } else {
            ASSERT_TRUE(got && *got) << text;
            EXPECT_EQ(**got, format) << text;
        }
    }
    EXPECT_EQ(recognise("\xFF\xFEi", true, {}).error().code, Code::invalid);
    // The first record is longer than what was read so far.
    EXPECT_EQ(*recognise("[{\"number\":1,\"bo", false, {}), std::nullopt);
    EXPECT_EQ(**recognise("a,b\n", true, Kind::tracker), (Format{Syntax::json, Kind::tracker}));
    EXPECT_EQ(kind_of_word("trackr").error().hint, "did you mean 'tracker'?");
}

}  // namespace
}  // namespace taskstore::exchange
