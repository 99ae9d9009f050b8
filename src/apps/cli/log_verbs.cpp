// Verbs about what the plan was: as git keeps it.

#include "context.hpp"
#include "naming.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/records/readable.hpp>

#include <algorithm>
#include <charconv>

namespace taskstore::cli {
namespace {

using records::ChangeAction;
using records::Changes;
using records::MemberChange;
using records::OddLine;
using records::RecordChange;

constexpr std::size_t kRecordsShown = 50;  // of one commit, where people read
constexpr std::int64_t kCommitsTold = 20;
constexpr std::size_t kShortId = 8;
constexpr std::size_t kFileBytesMax = std::size_t{1} << 30;

Colour colour_of(ChangeAction action) {
    switch (action) {
        case ChangeAction::created:
        case ChangeAction::created_again:
            return Colour::green;
        case ChangeAction::changed:
            return Colour::yellow;
        case ChangeAction::deleted:
        case ChangeAction::dropped:
            break;
    }
    return Colour::red;
}

std::string words_of(ChangeAction action) {
    return action == ChangeAction::created_again ? "created again" : std::string(to_text(action));
}

std::string joined(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
    return text;
}

std::string measure_of(std::string_view raw) {
    const std::string text = unescape_json(raw).value_or(std::string(raw));
    const auto lines = std::ranges::count(text, '\n') + (text.ends_with('\n') ? 0 : 1);
    return lines > 1 ? counted(lines, "line", "lines")
                     : counted(static_cast<std::int64_t>(text.size()), "byte", "bytes");
}

/// "status: draft → ready"; of long texts that begin alike, how long they are.
std::string told(const MemberChange& change) {
    if (!change.before.empty() && !change.after.empty() &&
        records::shown(change.before) == records::shown(change.after))
        return change.name + ": another text, " + measure_of(change.before) + " → " +
               measure_of(change.after);
    return to_text(change);
}

/// Its members are told where some of them changed; one that is new or gone is told by its title.
void print_record(Context& context, const RecordChange& change, const std::string& indent) {
    const Terminal& terminal = context.terminal;
    std::string line = indent + terminal.paint(colour_of(change.action), words_of(change.action)) +
                       " " + printable_line(noun_of(change.collection)) + " " +
                       terminal.paint(Colour::cyan, printable_line(change.id));
    if (!change.title.empty()) line += "  " + printable_line(records::shown(change.title));
    std::string who = printable_line(joined(change.by));
    if (change.lines > 0) {
        who += (who.empty() ? "" : ", ") + shown_time(change.updated_at);
        if (change.forced) who += ", forced";
    }
    if (!who.empty()) line += "  " + terminal.paint(Colour::grey, "(" + who + ")");
    context.print(line + "\n");
    const std::string inner = indent + "    ";
    const bool members = change.action == ChangeAction::changed ||
                         (change.action == ChangeAction::created_again &&
                          std::ranges::any_of(change.members, [](const MemberChange& member) {
                              return !member.before.empty();
                          }));
    for (const MemberChange& member : change.members) {
        if (members) context.print(inner + printable_line(told(member)) + "\n");
    }
    if (change.action == ChangeAction::dropped)
        context.print(inner + "its lines are gone, and no deletion stands in their place\n");
    const auto tell = [&](std::string_view what, const ledger::LostValue& value) {
        const std::string text = value.name + ": " +
                                 (value.raw_value.empty() ? "–" : records::shown(value.raw_value)) +
                                 (value.by.empty() ? "" : " by " + value.by);
        context.print(inner + terminal.paint(Colour::yellow, what) + " " + printable_line(text) +
                      "\n");
    };
    for (const ledger::LostValue& value : change.lost)
        tell(value.lost_to == ledger::LostTo::deletion ? "lost to the deletion" : "lost", value);
    for (const ledger::LostValue& value : change.settled) tell("settled", value);
}

void print_changes(Context& context, const Changes& changes, const std::string& indent,
                   std::size_t shown_max) {
    for (std::size_t i = 0; i < std::min(shown_max, changes.records.size()); ++i)
        print_record(context, changes.records[i], indent);
    if (changes.records.size() > shown_max)
        context.print(indent + "… and " +
                      counted(static_cast<std::int64_t>(changes.records.size() - shown_max),
                              "record", "records") +
                      " more\n");
    for (const OddLine& line : changes.odd) {
        std::string text = line.what;
        std::ranges::replace(text, '_', ' ');
        text += (line.added ? " came: " : " went: ") + line.collection +
                ".jsonl:" + std::to_string(line.number) + ": " + line.why;
        context.print(indent + context.terminal.paint(Colour::yellow, printable_line(text)) + "\n");
    }
}

void write_lost(JsonWriter& writer, std::string_view key,
                const std::vector<ledger::LostValue>& values) {
    writer.key(key).begin_array();
    for (const ledger::LostValue& value : values) {
        writer.begin_object().key("name").string(value.name).key("value");
        if (value.raw_value.empty())
            writer.null();
        else
            writer.raw(value.raw_value);
        writer.key("by").string(value.by).key("at").integer(value.stamp.ms);
        writer.key("lost_to")
            .string(value.lost_to == ledger::LostTo::deletion ? "deletion" : "edit")
            .key("clash")
            .boolean(value.clash)
            .end_object();
    }
    writer.end_array();
}

/// "changes" and "odd_lines" of the object that is open.
void write_changes(JsonWriter& writer, const Changes& changes) {
    writer.key("changes").begin_array();
    for (const RecordChange& change : changes.records) {
        writer.begin_object().key("action").string(to_text(change.action));
        writer.key("collection").string(change.collection);
        writer.key("kind").string(noun_of(change.collection)).key("id").string(change.id);
        writer.key("title").string(change.title).key("by").begin_array();
        for (const std::string& by : change.by) writer.string(by);
        writer.end_array().key("at");
        if (change.lines > 0)
            writer.integer(change.updated_at);
        else
            writer.null();
        writer.key("edits").integer(static_cast<std::int64_t>(change.lines));
        writer.key("forced").boolean(change.forced).key("members").begin_array();
        for (const MemberChange& member : change.members) {
            writer.begin_object().key("name").string(member.name);
            if (!member.before.empty()) writer.key("from").raw(member.before);
            if (!member.after.empty()) writer.key("to").raw(member.after);
            writer.end_object();
        }
        writer.end_array();
        write_lost(writer, "lost", change.lost);
        write_lost(writer, "settled", change.settled);
        writer.end_object();
    }
    writer.end_array().key("odd_lines").begin_array();
    for (const OddLine& line : changes.odd) {
        writer.begin_object().key("what").string(line.what).key("collection");
        writer.string(line.collection).key("line").integer(line.number);
        writer.key("added").boolean(line.added).key("why").string(line.why);
        writer.key("text").string(repaired_utf8(line.text)).end_object();
    }
    writer.end_array();
    writer.key("lines_added").integer(changes.lines_added);
    writer.key("lines_gone").integer(changes.lines_gone);
}

void print_entry(Context& context, const store::LogEntry& entry, bool first) {
    const Terminal& terminal = context.terminal;
    if (!first) context.print("\n");
    if (!entry.commit) {
        context.print(terminal.paint(Colour::yellow, "not committed") + "\n");
    } else {
        const git::Commit& commit = *entry.commit;
        context.print(terminal.paint(Colour::yellow, commit.id.substr(0, kShortId)) + "  " +
                      shown_time(commit.authored_at) + "  " + printable_line(commit.author) + "  " +
                      printable_line(commit.subject) + "\n");
    }
    print_changes(context, entry.changes, "  ", kRecordsShown);
    if (entry.commit && entry.commit->ends_clone)
        context.print("  this clone is shallow and begins here: what changed is not in it\n");
    else if (entry.changes.empty())
        context.print("  no record changed: " +
                      counted(entry.changes.lines_added, "line came, ", "lines came, ") +
                      counted(entry.changes.lines_gone, "line went", "lines went") + "\n");
}

void write_entry(JsonWriter& writer, const store::LogEntry& entry) {
    writer.begin_object().key("commit");
    if (entry.commit) {
        const git::Commit& commit = *entry.commit;
        writer.begin_object().key("id").string(commit.id).key("parents").begin_array();
        for (const std::string& parent : commit.parents) writer.string(parent);
        writer.end_array().key("author").string(repaired_utf8(commit.author));
        writer.key("email").string(repaired_utf8(commit.email));
        writer.key("at").integer(commit.authored_at);
        writer.key("subject").string(repaired_utf8(commit.subject));
        writer.key("begins_clone").boolean(commit.ends_clone).end_object();
    } else {
        writer.null();
    }
    write_changes(writer, entry.changes);
    writer.end_object();
}

/// The plan's files at a revision; empty, and said so, where it has no plan.
Result<records::Snapshot> snapshot_at(Context& context, store::Revisions& git,
                                      const std::string& revision, std::string& commit) {
    TASKSTORE_LET(commit, git::find_commit(git.repository(), revision));
    if (const auto there = git.commit(commit); !there) {
        if (there.error().code != Code::not_found) return fail(there.error());
        context.warn("there is no folder '" + git.path() + "' in '" + revision +
                     "': compared with an empty plan");
    }
    return git.at(commit);
}

Status no_range(const std::string& word) {
    if (word.find("..") == std::string::npos) return ok();
    return fail(Code::invalid, "'" + word + "' is a range, not a revision")
        .with_hint(
            "two revisions are two words: 'taskstore diff A B'; what B has and A has not, "
            "commit by commit, is 'taskstore log --since A'");
}

}  // namespace

Status run_log(Context& context) {
    TASKSTORE_TRY(context.settings());  // refuses another user's folder
    TASKSTORE_LET(store::Revisions* const git, context.revisions());
    TASKSTORE_TRY(no_range(context.call.value("since")));
    std::int64_t limit = kCommitsTold;
    if (context.call.has("limit")) {
        TASKSTORE_LET(limit, limit_of(context));
    }
    const store::LogQuery query{.since = context.call.value("since"),
                                .limit = static_cast<std::size_t>(limit)};
    if (context.call.has("since") && query.since.empty())
        return fail(Code::invalid, "--since wants a revision: a commit, a branch or a tag");
    std::string data;
    JsonWriter writer(data);
    writer.begin_array();
    bool first = true;
    TASKSTORE_LET(const bool more, git->log(query, [&](store::LogEntry&& entry) {
        if (context.json)
            write_entry(writer, entry);
        else
            print_entry(context, entry, first);
        first = false;
        return ok();
    }));
    writer.end_array();
    if (more)
        context.warn("there are more commits: --limit " + std::to_string(limit * 10) +
                     " shows more of them");
    if (context.json)
        context.print_json("log", data);
    else if (first && !context.quiet)
        context.print("No commit changed the plan" +
                      std::string(query.since.empty() ? "" : " since then") + "\n");
    return ok();
}

Status run_diff(Context& context) {
    const std::vector<std::string>& words = context.call.arguments;
    for (const std::string& word : words) TASKSTORE_TRY(no_range(word));
    TASKSTORE_TRY(context.settings());
    TASKSTORE_LET(store::Revisions* const git, context.revisions());
    std::string from;
    std::string to;
    records::Snapshot before;
    TASKSTORE_LET(const auto head, git::head_commit(git->repository()));
    if (head || !words.empty()) {
        TASKSTORE_LET(before, snapshot_at(context, *git, words.empty() ? "HEAD" : words[0], from));
    }
    if (words.size() < 2 && git->repository().work_tree().empty())
        return fail(Code::invalid, "a bare repository has no work tree to compare with")
            .with_hint("name two revisions: 'taskstore diff HEAD~1 HEAD'");
    TASKSTORE_LET(const records::Snapshot after,
                  words.size() > 1 ? snapshot_at(context, *git, words[1], to) : git->work_tree());
    const records::Snapshot* const one = &before;
    TASKSTORE_LET(const Changes changes, records::changes_between({&one, 1}, after));
    if (context.json) {
        std::string data;
        JsonWriter writer(data);
        writer.begin_object();
        for (const auto& [key, commit] : {std::pair("from", &from), std::pair("to", &to)}) {
            writer.key(key);
            if (commit->empty())
                writer.null();
            else
                writer.string(*commit);
        }
        write_changes(writer, changes);
        writer.end_object();
        context.print_json("diff", data);
    } else if (changes.empty()) {
        if (!context.quiet) context.print("No record changed\n");
    } else {
        print_changes(context, changes, "", changes.records.size());
    }
    return ok();
}

Status run_textconv(Context& context) {
    const std::string& path = context.call.arguments[0];
    const std::string full = context.absolute(path);
    TASKSTORE_LET(const std::string text, os::read_file(context.files, full, kFileBytesMax));
    // Git names its temporary files after the file: "/tmp/git-blob-x/prds.jsonl", before 2.35
    // "/tmp/x_prds.jsonl".
    std::string name = os::name_of_path(full);
    name = name.substr(0, name.find(".jsonl"));
    for (const records::Kind& kind : records::kinds()) {
        if (name.ends_with("_" + std::string(kind.collection))) name = kind.collection;
    }
    if (context.json) {
        std::string readable;
        TASKSTORE_TRY(records::write_readable(text, name, [&](std::string_view piece) {
            readable += piece;
            return ok();
        }));
        std::string data;
        JsonWriter(data).begin_object().key("text").string(readable).end_object();
        context.print_json("readable", data);
        return ok();
    }
    return records::write_readable(text, name, [&](std::string_view piece) {
        context.print(piece);
        return ok();
    });
}

}  // namespace taskstore::cli
