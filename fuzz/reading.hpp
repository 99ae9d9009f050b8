#pragma once
// Reads a source twice, whole and in crumbs: both give the same.
#include <taskstore/base/check.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/exchange/meaning.hpp>
#include <taskstore/exchange/outgoing.hpp>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

namespace taskstore::exchange {

class Crumbs final : public ByteSource {
  public:
    explicit Crumbs(std::string_view rest) : x_rest(rest) {}
    Result<std::size_t> read(char* out, std::size_t bytes) override {
        const std::size_t got = x_rest.copy(out, std::min<std::size_t>(bytes, 7));
        x_rest.remove_prefix(got);
        return got;
    }

  private:
    std::string_view x_rest;
};

struct Read {
    std::vector<std::vector<std::pair<std::string, std::string>>> records;
    std::vector<std::string> damages;
    friend bool operator==(const Read&, const Read&) = default;
};

inline Read read_once(std::unique_ptr<ByteSource> source, Format format) {
    Read out;
    ReaderOptions options{format, "f", [&](const Damage& damage) {
                              TASKSTORE_CHECK(damage.line > 0 && damage.column > 0);
                              out.damages.push_back(std::to_string(damage.line) + ":" +
                                                    std::to_string(damage.column) + damage.reason);
                          }};
    const auto reader = open_reader(std::move(source), std::move(options));
    TASKSTORE_CHECK(reader.has_value());
    Incoming record;
    std::int64_t line = 0;
    while (true) {
        const auto got = (*reader)->next(record);
        if (!got) out.damages.push_back(got.error().message);
        if (!got || !*got) return out;
        TASKSTORE_CHECK(record.line >= line);
        line = record.line;
        std::set<std::string_view> names;
        auto& members = out.records.emplace_back();
        for (const Member& member : record.members) {
            TASKSTORE_CHECK(names.insert(member.name).second);
            TASKSTORE_CHECK(check_json(member.raw).has_value());
            TASKSTORE_CHECK(member.raw.find('\n') == std::string_view::npos);
            members.emplace_back(member.name, member.raw);
        }
        for (const Kind kind : {Kind::tracker, Kind::table, Kind::taskwarrior, Kind::github})
            (void)interpret(kind, record);
    }
}

inline Read read_twice(std::string_view text, Format format) {
    Read whole = read_once(text_source(text), format);
    TASKSTORE_CHECK(whole == read_once(std::make_unique<Crumbs>(text), format));
    return whole;
}

/// What the writers make of the records, read again.
inline void check_round_trip(const Read& read) {
    std::vector<std::string> texts;
    for (const auto& members : read.records) {
        std::string& text = texts.emplace_back("{");
        for (const auto& [name, raw] : members) {
            if (text.size() > 1) text += ',';
            append_json_string(text, name);
            text += ':' + raw;
        }
        text += '}';
    }
    std::string jsonl;
    JsonSlicer slicer;
    CsvWriter writer;
    bool fits = true;
    for (const std::string& text : texts) {
        TASKSTORE_CHECK(append_jsonl(jsonl, slicer, "c", text).has_value());
        fits = fits && writer.see(text);
    }
    std::string csv = fits ? writer.header() : "";
    for (const std::string& text : texts) {
        if (fits) TASKSTORE_CHECK(writer.append(csv, "c", text).has_value());
    }
    for (const Syntax syntax : {Syntax::json, Syntax::csv}) {
        if (syntax == Syntax::csv && !fits) continue;
        const Read again =
            read_once(text_source(syntax == Syntax::csv ? csv : jsonl), {syntax, Kind::own});
        TASKSTORE_CHECK(again.damages.empty());
        TASKSTORE_CHECK(again.records.size() == read.records.size());
        for (std::size_t i = 0; i < read.records.size(); ++i) {
            TASKSTORE_CHECK(again.records[i].size() == read.records[i].size() + 1);
            for (const auto& [name, raw] : read.records[i]) {
                const auto found = std::ranges::find_if(again.records[i], [&](const auto& member) {
                    return member.first != kCollectionMember && own_name(member.first) == name;
                });
                TASKSTORE_CHECK(found != again.records[i].end());
                const bool same =
                    found->second == raw || text_of_raw(found->second) == text_of_raw(raw);
                TASKSTORE_CHECK(same && kind_of_raw(found->second) == kind_of_raw(raw));
            }
        }
    }
}

}  // namespace taskstore::exchange
