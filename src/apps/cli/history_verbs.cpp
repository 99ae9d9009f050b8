// The versions of one record: of its lines in the file, and of those that only git has.

#include "context.hpp"
#include "naming.hpp"

#include <taskstore/base/display.hpp>

#include <algorithm>
#include <set>

namespace taskstore::cli {
namespace {

constexpr std::size_t kShortId = 8;

/// The lines of one record with the commits of those that only git has.
struct Sources {
    std::vector<std::string> texts;
    std::vector<std::string> commits;  ///< As many; empty: it is in the file.
    std::vector<ledger::Line> lines;   ///< Views into `texts`.

    void add(std::string text, std::string commit) {
        texts.push_back(std::move(text));
        commits.push_back(std::move(commit));
    }
    Status decode(std::string_view collection) {
        lines.clear();
        ledger::LineDecoder decoder(records::shape_of(collection));
        for (const std::string& text : texts) {
            TASKSTORE_LET(auto line, decoder.decode(text));
            lines.push_back(std::move(line));
        }
        return ok();
    }
};

/// What the lines say of versions that are not among them.
struct Gaps {
    std::set<Stamp> there;  ///< Of lines as they were written, not folded ones.
    std::set<Stamp> missing;
};

Gaps gaps_of(const std::vector<ledger::Line>& lines) {
    Gaps gaps;
    for (const ledger::Line& line : lines) {
        if (line.was == nullptr) gaps.there.insert(line.at);
    }
    const auto want = [&](const Stamp& stamp) {
        if (!stamp.none() && !gaps.there.contains(stamp)) gaps.missing.insert(stamp);
    };
    for (const ledger::Line& line : lines) {
        if (!line.stamped) continue;
        want(line.from);
        if (line.was == nullptr) continue;
        want(line.at);
        for (const ledger::Member& member : line.members) want(member.stamp);
        for (const auto& [stamp, names] : line.was->over) want(stamp);
    }
    return gaps;
}

/// A line of a compaction says nothing beside those that it stands for.
void drop_told(Sources& sources) {
    if (!gaps_of(sources.lines).missing.empty()) return;
    for (std::size_t i = sources.lines.size(); i-- > 0;) {
        if (sources.lines[i].was == nullptr) continue;
        const auto at = static_cast<std::ptrdiff_t>(i);
        sources.lines.erase(sources.lines.begin() + at);
        sources.commits.erase(sources.commits.begin() + at);
    }
}

/// Adds what git has of the record beside the lines that are there.
Status add_from_git(store::Revisions& git, const records::Found& found, store::Reach reach,
                    Sources& sources) {
    const auto enough = [&](const std::vector<store::OlderLine>& older) {
        if (reach == store::Reach::all) return false;
        std::vector<std::string> texts = sources.texts;
        for (const store::OlderLine& line : older) texts.push_back(line.text);
        Sources all{std::move(texts), {}, {}};
        return all.decode(found.collection) && gaps_of(all.lines).missing.empty();
    };
    TASKSTORE_LET(auto older,
                  git.older_lines(found.collection, found.id, sources.texts, reach, enough));
    for (store::OlderLine& line : older) sources.add(std::move(line.text), std::move(line.commit));
    return sources.decode(found.collection);
}

/// A record of which no file knows any more, by its whole id.
Result<records::Found> find_in_git(Context& context, records::Plan& plan, Sources& sources) {
    const std::vector<std::string>& words = context.call.arguments;
    TASKSTORE_LET(store::Revisions* const git, context.revisions());
    std::vector<std::string> collections;
    if (words.size() > 1) {
        TASKSTORE_LET(collections.emplace_back(), collection_of(context, words[0]));
    } else {
        TASKSTORE_LET(const auto known, plan.collections());
        for (const auto& [name, count] : known) collections.push_back(name);
    }
    for (const std::string& collection : collections) {
        const records::Found found{collection, words.back(), true};
        TASKSTORE_TRY(add_from_git(*git, found, store::Reach::all, sources));
        if (!sources.texts.empty()) return found;
    }
    return fail(Code::not_found, "git has no line of '" + words.back() + "' either")
        .with_hint("give the whole id; a collection whose file is gone is named before it");
}

Result<records::Found> gather(Context& context, Sources& sources) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    const bool asked = context.call.has("git");
    auto found = find_anywhere(context, *plan);
    if (!found && found.error().code == Code::not_found) {
        if (asked) return find_in_git(context, *plan, sources);
        Error error = std::move(found).error();
        error.hint += "; with --git it is looked for in git's history too";
        return fail(std::move(error));
    }
    if (!found) return found;
    TASKSTORE_LET(auto texts, plan->lines(found->collection, found->id));
    for (std::string& text : texts) sources.add(std::move(text), {});
    TASKSTORE_TRY(sources.decode(found->collection));
    if (!asked && gaps_of(sources.lines).missing.empty()) return found;
    auto git = context.revisions();
    if (!git && asked) return fail(git.error());
    const auto status =
        git ? add_from_git(**git, *found, asked ? store::Reach::all : store::Reach::dropped,
                           sources)
            : Status(fail(git.error()));
    if (!status && asked) return fail(status.error());
    if (!status)
        context.warn("older versions are not in the file any more, and git was of no help: " +
                     status.error().message);
    drop_told(sources);
    return found;
}

void print_json(Context& context, const std::vector<records::PastVersion>& past,
                const Sources& sources) {
    std::string data;
    JsonWriter writer(data);
    writer.begin_array();
    for (const records::PastVersion& one : past) {
        const records::Version& version = one.version;
        writer.begin_object().key("revision").string(version.stamp);
        writer.key("by").string(version.by).key("at").integer(version.updated_at);
        writer.key("action").string(version.action).key("forced").boolean(version.forced);
        writer.key("changed").begin_array();
        for (const std::string& name : version.changed_members) writer.string(name);
        writer.end_array().key("changes").begin_array();
        for (const std::string& change : version.changed) writer.string(change);
        writer.end_array().key("record").raw(version.data).key("commit");
        if (sources.commits[one.line].empty())
            writer.null();
        else
            writer.string(sources.commits[one.line]);
        writer.end_object();
    }
    writer.end_array();
    context.print_json("version_list", data);
}

}  // namespace

Status run_history(Context& context) {
    Sources sources;
    TASKSTORE_LET(const records::Found found, gather(context, sources));
    context.flush_notes();
    const auto past = records::past_of_lines(found.collection, sources.lines);
    if (context.json) {
        print_json(context, past, sources);
        return ok();
    }
    context.print(noun_of(found.collection) + " " +
                  context.terminal.paint(Colour::cyan, printable_line(found.id)) + "\n");
    const bool from_git = std::ranges::any_of(
        sources.commits, [](const std::string& commit) { return !commit.empty(); });
    std::vector<std::vector<Cell>> rows;
    for (const records::PastVersion& one : past) {
        const records::Version& version = one.version;
        std::string what;
        for (const std::string& change : version.changed)
            what += (what.empty() ? "" : "; ") + change;
        std::vector<Cell> row{{shown_time(version.updated_at)},
                              {version.by.empty() ? "–" : version.by},
                              {version.action + (version.forced ? " (forced)" : ""),
                               version.action == "deleted" ? Colour::red : Colour::none}};
        if (from_git) row.push_back({sources.commits[one.line].substr(0, kShortId)});
        row.push_back({what});
        rows.push_back(std::move(row));
    }
    std::vector<std::string> head{"WHEN (UTC)", "WHO", "WHAT"};
    if (from_git) head.emplace_back("LAST IN COMMIT");
    head.emplace_back("CHANGES");
    context.print(format_table(context.terminal, head, rows));
    return ok();
}

}  // namespace taskstore::cli
