// What a writer writes, a reader reads as the same: over generated records.
#include <taskstore/exchange/checklist.hpp>
#include <taskstore/exchange/incoming.hpp>
#include <taskstore/exchange/outgoing.hpp>

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace taskstore::exchange {
namespace {

std::string pick(std::mt19937_64& random, const std::vector<std::string>& from) {
    return from[random() % from.size()];
}

std::string text_of(std::mt19937_64& random) {
    const std::vector<std::string> parts{
        "a",    "plain text", "1", "-0.5e3", "true", "null", "\"",  "\\", ",", ";",  "\n",
        "\r\n", "\t",         "é", "\x7F",   "[1]",  "{}",   "# h", " ",  "=", "😀", "- [ ] x"};
    std::string text;
    for (std::uint64_t n = random() % 4; n > 0; --n) text += pick(random, parts);
    if (random() % 20 == 0) text += '\0';
    return text;
}

std::string raw_of(std::mt19937_64& random) {
    std::string raw;
    switch (random() % 4) {
        case 0:
            return pick(random, {"1", "1.10", "-0", "1e400", "true", "false", "null",
                                 "123456789012345678901234567890"});
        case 1:
            return pick(random, {"[]", "{}", "[1,\"a\\nb\",null]", "{\"a\":{\"b\":\",\"}}",
                                 "\"\\u00e9\\/\""});
        default:
            append_json_string(raw, text_of(random));
            return raw;
    }
}

/// A compact object with an id and members of odd names.
std::string record_of(std::mt19937_64& random, int number) {
    std::string out = "{\"id\":\"r" + std::to_string(number) + "\"";
    const std::vector<std::string> names{
        "title", "_collection", "__collection", "a,b",    "with \"q\"", "",
        "é",     "x y",         "\\collection", "_stamp", "#",          "line\nend"};
    std::vector<std::string> left = names;
    for (std::uint64_t n = random() % 6; n > 0; --n) {
        const std::size_t at = random() % left.size();
        out += ',';
        append_json_string(out, left[at]);
        out += ':' + raw_of(random);
        left.erase(left.begin() + static_cast<std::ptrdiff_t>(at));
    }
    return out + "}";
}

std::vector<std::map<std::string, std::string>> read_back(const std::string& text, Syntax syntax) {
    std::vector<std::map<std::string, std::string>> out;
    ReaderOptions options{{syntax, Kind::own}, "", [](const Damage& damage) {
                              ADD_FAILURE() << damage.line << ": " << damage.reason;
                          }};
    const auto reader = *open_reader(text_source(text), std::move(options));
    Incoming record;
    while (true) {
        const auto got = reader->next(record);
        EXPECT_TRUE(got) << got.error().message;
        if (!got || !*got) return out;
        auto& members = out.emplace_back();
        for (const Member& member : record.members) {
            if (member.name == kCollectionMember)
                EXPECT_EQ(member.raw, "\"notes\"");
            else
                members[std::string(own_name(member.name))] = member.raw;
        }
    }
}

TEST(Outgoing, EveryRecordIsReadBackAsItWas) {
    const std::uint64_t seed = std::random_device{}();
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    std::mt19937_64 random(seed);
    for (int round = 0; round < 200; ++round) {
        std::vector<std::string> records;
        for (int i = 0; i < 5; ++i) records.push_back(record_of(random, i));
        JsonSlicer slicer;
        std::string jsonl;
        std::string csv;
        CsvWriter writer;
        for (const std::string& record : records) {
            ASSERT_TRUE(append_jsonl(jsonl, slicer, "notes", record));
            ASSERT_TRUE(writer.see(record));
        }
        csv = writer.header();
        for (const std::string& record : records) ASSERT_TRUE(writer.append(csv, "notes", record));
        const auto lines = read_back(jsonl, Syntax::json);
        auto rows = read_back(csv, Syntax::csv);
        ASSERT_EQ(lines.size(), records.size());
        ASSERT_EQ(rows.size(), records.size()) << csv;
        for (std::size_t i = 0; i < records.size(); ++i) {
            std::map<std::string, std::string> want;
            for (const JsonMember& member : **slicer.slice(records[i]))
                want[std::string(member.name)] = member.raw_value;
            EXPECT_EQ(lines[i], want);
            ASSERT_EQ(rows[i].size(), want.size()) << csv;
            for (const auto& [name, raw] : want) {
                // A string may be spelled in another way; its value is the same.
                const std::string& got = rows[i][name];
                if (kind_of_raw(raw) == JsonKind::string)
                    EXPECT_EQ(unescape_json(got).value_or("?"), unescape_json(raw).value_or("!"));
                else
                    EXPECT_EQ(got, raw);
            }
        }
    }
}

TEST(Outgoing, AMembersNameThatIsOursGetsAnUnderscore) {
    EXPECT_EQ(outgoing_name("_collection"), "__collection");
    EXPECT_EQ(own_name("__collection"), "_collection");
    EXPECT_EQ(own_name("_collection"), "_collection");
    EXPECT_EQ(outgoing_name("collection"), "collection");
    std::string out;
    JsonSlicer slicer;
    ASSERT_TRUE(append_jsonl(out, slicer, "n", R"({"id":"a","\u005fcollection":1})", "{\"v\":1}"));
    EXPECT_EQ(out,
              "{\"_collection\":\"n\",\"id\":\"a\",\"__collection\":1,\"_stamps\":{\"v\":1}}\n");
}

TEST(Outgoing, CsvSaysWhatItCannotHold) {
    CsvWriter writer;
    EXPECT_EQ(writer.see(R"({"id":"a","x\u0000":1})").error().code, Code::invalid);
    std::string wide = "{\"id\":1";
    for (int i = 0; i < 4097; ++i) wide += ",\"m" + std::to_string(i) + "\":1";
    EXPECT_EQ(writer.see(wide + "}").error().code, Code::invalid);
}

TEST(Outgoing, ChecklistsAreReadBackWithTheirIds) {
    const std::uint64_t seed = std::random_device{}();
    std::printf("seed %llu\n", static_cast<unsigned long long>(seed));
    std::mt19937_64 random(seed);
    const std::vector<std::string> parts{"word",
                                         "# head",
                                         "- [ ] item",
                                         "```",
                                         "~~~",
                                         "\n",
                                         "\n\n",
                                         " ",
                                         "\r\n",
                                         "é",
                                         "<!-- taskstore:end 1 -->",
                                         "<!-- taskstore:text 1 -->",
                                         "*"};
    const auto text = [&] {
        std::string out;
        for (std::uint64_t n = random() % 6; n > 0; --n) out += pick(random, parts);
        return out;
    };
    for (int round = 0; round < 300; ++round) {
        std::vector<ChecklistSection> sections;
        std::string out;
        for (int s = 0; s < 3; ++s) {
            ChecklistSection section;
            section.id = "p--" + std::to_string(s) + pick(random, {"", " x", "-", "é%", "->"});
            section.title = pick(random, {"T", "C #", "#", "a  b", "x <!-- taskstore:y -->"});
            section.content = text();
            append_section(out, section);
            for (std::uint64_t i = random() % 3; i > 0; --i) {
                ChecklistItem item;
                item.id = section.id + "/" + std::to_string(i);
                item.text = pick(random, {"do", "[ ] do", "# do", "a <!-- b -->"});
                item.content = text();
                item.checked = random() % 2 == 0;
                append_item(out, item);
                section.items.push_back(item);
            }
            sections.push_back(section);
        }
        const auto again = read_checklist(out, "x.md");
        ASSERT_TRUE(again) << again.error().message;
        ASSERT_EQ(again->size(), sections.size()) << out;
        for (std::size_t s = 0; s < sections.size(); ++s) {
            EXPECT_EQ((*again)[s].id, sections[s].id) << out;
            EXPECT_EQ((*again)[s].title, sections[s].title) << out;
            EXPECT_EQ((*again)[s].content, sections[s].content) << out;
            ASSERT_EQ((*again)[s].items.size(), sections[s].items.size()) << out;
            for (std::size_t i = 0; i < sections[s].items.size(); ++i) {
                EXPECT_EQ((*again)[s].items[i].id, sections[s].items[i].id) << out;
                EXPECT_EQ((*again)[s].items[i].text, sections[s].items[i].text) << out;
                EXPECT_EQ((*again)[s].items[i].content, sections[s].items[i].content) << out;
                EXPECT_EQ((*again)[s].items[i].checked, sections[s].items[i].checked) << out;
            }
        }
    }
}

}  // namespace
}  // namespace taskstore::exchange
