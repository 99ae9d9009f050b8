#include "input.hpp"

#include <taskstore/base/ascii.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/exchange/outgoing.hpp>

#include <algorithm>
#include <array>

namespace taskstore::exchange {
namespace {

constexpr std::array<std::string_view, 7> kWords{"taskstore", "tracker",  "taskwarrior", "github",
                                                 "csv",       "markdown", "jsonl"};
constexpr std::array kKinds{Kind::own,   Kind::tracker,   Kind::taskwarrior, Kind::github,
                            Kind::table, Kind::checklist, Kind::plain};

bool has(const Incoming& record, std::string_view name) {
    return !record.raw_of(name).empty();
}

/// Most telling first: a tracker's names are the most common ones.
Kind kind_of_record(const Incoming& record) {
    if (has(record, kCollectionMember) || has(record, kDeclaresMember)) return Kind::own;
    if (has(record, "uuid") && has(record, "description") &&
        (has(record, "entry") || has(record, "status")))
        return Kind::taskwarrior;
    if (has(record, "number") && has(record, "title")) return Kind::github;
    if (has(record, "id") && has(record, "title") &&
        (has(record, "status") || has(record, "created_at") || has(record, "dependencies")))
        return Kind::tracker;
    return Kind::plain;
}

std::string_view first_line_of(std::string_view text) {
    while (!text.empty() && (text.front() == '\n' || text.front() == '\r')) text.remove_prefix(1);
    text = text.substr(0, text.find('\n'));
    if (text.ends_with('\r')) text.remove_suffix(1);
    return text;
}

/// A header of at least two names: their kind. Nothing: this is no table.
std::optional<Kind> kind_of_header(std::string_view line) {
    const char delimiter = delimiter_of(line);
    Incoming header;
    std::vector<std::string> names;
    std::string name;
    bool quoted = false;
    for (const char c : line) {
        if (c == '"') {
            quoted = !quoted;
        } else if (c == delimiter && !quoted) {
            names.push_back(std::move(name));
            name.clear();
        } else {
            name += c;
        }
    }
    names.push_back(std::move(name));
    if (names.size() < 2) return std::nullopt;
    for (const std::string& one : names) header.members.push_back({one, "1"});
    if (has(header, "_collection")) return Kind::own;
    for (std::string& one : names) one = ascii::lowered(one);
    for (const std::string_view known : {"title", "name", "summary", "subject", "task"}) {
        if (std::ranges::find(names, known) != names.end()) return Kind::table;
    }
    for (const std::string_view known : {"id", "key", "uuid"}) {
        if (std::ranges::find(names, known) != names.end()) return Kind::plain;
    }
    return std::nullopt;
}

bool looks_like_markdown(std::string_view text) {
    bool below_text = false;
    while (!text.empty()) {
        std::string_view line = text.substr(0, text.find('\n'));
        text.remove_prefix(std::min(line.size() + 1, text.size()));
        const std::size_t hashes = line.find_first_not_of('#');
        if (hashes != std::string_view::npos && hashes > 0 && hashes < 7 && line[hashes] == ' ')
            return true;
        if (line.starts_with("===") && line.find_last_not_of("= \t\r") == std::string_view::npos &&
            below_text)
            return true;
        below_text = line.find_first_not_of(" \t\r") != std::string_view::npos;
        line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
        for (const std::string_view box : {" [ ] ", " [x] ", " [X] "}) {
            const std::size_t at = line.find(box);
            if (at != std::string_view::npos && at > 0 && at < 8 &&
                line.find_first_not_of("-*+0123456789.)") == at)
                return true;
        }
    }
    return false;
}

Failure not_known() {
    return fail(Code::invalid,
                "what this file holds is not recognised: it is neither JSON records, nor CSV with "
                "a header, nor a Markdown checklist")
        .with_hint(
            "say it with --from (taskstore, tracker, taskwarrior, github, csv, markdown, jsonl)");
}

Result<std::optional<Format>> kind_of_json(std::string_view head, bool whole) {
    std::optional<Damage> first;
    ReaderOptions options;
    options.on_damage = [&](const Damage& damage) {
        if (!first) first = damage;
    };
    const auto reader = open_json(text_source(head), std::move(options));
    Incoming record;
    TASKSTORE_LET(const bool got, reader->next(record));
    if (got) return std::optional(Format{Syntax::json, kind_of_record(record)});
    if (!whole) return std::optional<Format>();
    if (!first) return std::optional(Format{Syntax::json, Kind::plain, true});
    return fail(Code::invalid, "there is no whole JSON object in it: line " +
                                   std::to_string(first->line) + " column " +
                                   std::to_string(first->column) + ": " + first->reason)
        .with_hint("look whether the file was cut off, or is no JSON: --from says what it is");
}

}  // namespace

std::span<const std::string_view> kind_words() {
    return kWords;
}

Result<Kind> kind_of_word(std::string_view word) {
    const auto found = std::ranges::find(kWords, word);
    if (found != kWords.end()) return kKinds.at(static_cast<std::size_t>(found - kWords.begin()));
    const auto nearest = nearest_name(word, kWords);
    std::string list;
    for (const std::string_view one : kWords) list += (list.empty() ? "" : ", ") + std::string(one);
    return fail(Code::invalid, "'" + std::string(word) + "' is no kind of source: one of " + list)
        .with_hint(nearest ? "did you mean '" + std::string(*nearest) + "'?" : "");
}

std::string describe(const Format& format) {
    if (format.empty) return "nothing";
    const std::string syntax = format.syntax == Syntax::csv ? "CSV" : "JSON";
    switch (format.kind) {
        case Kind::own:
            return "taskstore export, " + syntax;
        case Kind::tracker:
            return "tracker issues, " + syntax;
        case Kind::taskwarrior:
            return "Taskwarrior tasks, " + syntax;
        case Kind::github:
            return "GitHub issues, " + syntax;
        case Kind::table:
            return "table of tasks, CSV";
        case Kind::checklist:
            return "Markdown checklist";
        case Kind::plain:
            break;
    }
    return "records, " + syntax;
}

Result<std::optional<Format>> recognise(std::string_view head, bool whole,
                                        std::optional<Kind> given) {
    if (head.starts_with("\xEF\xBB\xBF")) head.remove_prefix(3);
    if (head.starts_with("\xFF\xFE") || head.starts_with("\xFE\xFF")) {
        return fail(Code::invalid, "the text is UTF-16; UTF-8 is needed")
            .with_hint("convert it: iconv -f UTF-16 -t UTF-8 FILE");
    }
    if (given == Kind::checklist) return std::optional(Format{Syntax::markdown, Kind::checklist});
    const std::size_t first = head.find_first_not_of(" \t\r\n");
    const char start = first == std::string_view::npos ? '\0' : head[first];
    if (start == '\0' && !whole) return std::optional<Format>();
    if (start == '\0')
        return std::optional(Format{Syntax::json, given.value_or(Kind::plain), true});
    const bool json = start == '{' || start == '[';
    const bool wants_json = given == Kind::tracker || given == Kind::taskwarrior ||
                            given == Kind::github || given == Kind::plain;
    if (json && given != Kind::table) {
        if (given) return std::optional(Format{Syntax::json, *given});
        return kind_of_json(head, whole);
    }
    if (wants_json && start != '\0' && given != Kind::plain)
        return std::optional(Format{Syntax::json, *given});
    if (!given && head.starts_with("SQLite format 3"))
        return fail(Code::invalid, "it is a SQLite database, which is not looked into by itself")
            .with_hint(
                "'--from lib-task-store FILE' takes the tasks of one, '--from adt DIR' those "
                "of a home of ADT");
    const std::string_view line = first_line_of(head);
    if (line.size() == head.size() && !whole) return std::optional<Format>();
    const auto table = kind_of_header(line);
    if (given == Kind::table || given == Kind::own)
        return std::optional(Format{
            Syntax::csv, given == Kind::own || table == Kind::own ? Kind::own : Kind::table});
    if (given == Kind::plain && table) return std::optional(Format{Syntax::csv, Kind::plain});
    if (given) return std::optional(Format{Syntax::json, *given});
    // A line of prose may have commas too, so a heading or a box anywhere speaks first.
    if (table == Kind::own) return std::optional(Format{Syntax::csv, Kind::own});
    if (looks_like_markdown(head)) return std::optional(Format{Syntax::markdown, Kind::checklist});
    if (table) return std::optional(Format{Syntax::csv, *table});
    return not_known();
}

Result<std::unique_ptr<Reader>> open_reader(std::unique_ptr<ByteSource> source,
                                            ReaderOptions options) {
    switch (options.format.syntax) {
        case Syntax::json:
            return open_json(std::move(source), std::move(options));
        case Syntax::csv:
            return open_csv(std::move(source), std::move(options));
        case Syntax::markdown:
            break;
    }
    return open_checklist(std::move(source), std::move(options));
}

}  // namespace taskstore::exchange
