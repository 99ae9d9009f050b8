#include "command.hpp"

#include "context.hpp"
#include "schedule_verbs.hpp"
#include "task_verbs.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/base/secrets.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/exchange/incoming.hpp>
#include <taskstore/founding/found.hpp>

#include <algorithm>
#include <array>

namespace taskstore::cli {
namespace {

constexpr std::array kGlobal{
    Option{"json", 0, "", "one JSON document on stdout, nothing else"},
    Option{"store", 's', "DIR", "the store's own folder, instead of looking for .taskstore"},
    Option{"", 'C', "DIR", "work as if started in DIR"},
    Option{"quiet", 'q', "", "no notes, no progress; an add prints the bare id"},
    Option{"help", 'h', "", "this help"},
};
constexpr Option kAt{"at", 0, "REV", "as the plan was in this commit, branch or tag of git"};
constexpr std::array kStatus{Option{"status", 's', "S", "only records in this status"},
                             Option{"limit", 0, "N", "at most N records"},
                             Option{"cursor", 0, "C", "go on where an earlier page ended"}, kAt};
constexpr std::array kPage{Option{"limit", 0, "N", "at most N records"},
                           Option{"cursor", 0, "C", "go on where an earlier page ended"}, kAt};
constexpr std::array kPast{kAt};
constexpr std::array kAdd{
    Option{"id", 0, "ID", "its id (default: a new UUIDv7)"},
    Option{"no-check", 0, "", "accept references to records that are not here"}};
constexpr std::array kSet{
    Option{"if-revision", 0, "R", "only if the record is still at this revision"},
    Option{"force", 'f', "", "override the status table, or the collection's schema (recorded)"},
    Option{"no-check", 0, "", "accept references to records that are not here"}};
constexpr std::array kRm{
    Option{"if-revision", 0, "R", "only if the record is still at this revision"}};
constexpr std::array kList{
    Option{"status", 0, "S", "only records in this status"},
    Option{"filter", 'f', "F",
           "FIELD=VALUE; also != < <= > >= ~ and 'FIELD in (A,B)'; AND, OR, NOT, ( )", true},
    Option{"any", 0, "", "filters are alternatives (OR) instead of all of them"},
    Option{"order", 0, "FIELD", "order by FIELD; -FIELD descends"},
    Option{"limit", 0, "N", "at most N records"},
    Option{"cursor", 0, "C", "go on where an earlier page ended"},
    Option{"count", 0, "", "only how many"},
    kAt};
constexpr std::array kRecordAdd{
    Option{"id", 0, "ID", "its id (default: a new UUIDv7)"},
    Option{"force", 'f', "", "override the collection's schema (recorded)"},
    Option{"no-check", 0, "", "accept references to records that are not here"}};
constexpr std::array kDeclareCollection{
    Option{"schema", 0, "FILE", "its JSON Schema: draft 2020-12, or draft-07 if it says so"},
    Option{"index", 0, "FIELD", "keep an index on FIELD, for filters and order", true},
    Option{"status-table", 0, "FILE",
           "JSON: {\"initial\": STATE, \"transitions\": {STATE: [STATE…]…}}"}};
constexpr std::array kChangeCollection{
    Option{"schema", 0, "FILE", "another JSON Schema instead of the one it has"},
    Option{"index", 0, "FIELD", "the fields with an index, instead of those it has", true},
    Option{"status-table", 0, "FILE", "another status table"},
    Option{"no-index", 0, "", "no indexes any more"},
    Option{"no-status-table", 0, "", "no status table any more"}};
constexpr std::array kSync{Option{"rebuild", 0, "", "build store.db from nothing"}};
constexpr std::array kDoctor{
    Option{"fix", 0, "", "mend what needs nobody's decision: merges, hooks, driver, .gitignore"}};
constexpr std::array kInstallHooks{
    Option{"uninstall", 0, "", "put back what was there before, byte for byte"}};
constexpr std::array kCompact{
    Option{"dry-run", 0, "", "tell what it would save, and change nothing"},
    Option{"horizon", 0, "DAYS",
           "records that were deleted longer ago go altogether (default: 90d)"},
    Option{"without-git", 0, "",
           "drop lines that git does not have, too: nothing keeps the history then"}};
constexpr std::array kState{Option{"hash", 0, "", "SHA-256 of all live records and deletions"},
                            kAt};
constexpr std::array kLog{
    Option{"since", 0, "REV", "only what REV does not have: a commit, a branch or a tag"},
    Option{"limit", 0, "N", "at most N commits (default: 20)"}};
constexpr std::array kHistory{
    Option{"git", 0, "", "also every version that git has, though it is in the file no more"}};
constexpr std::array kResolve{
    Option{"take", 0, "SIDE",
           "ours, theirs, or MEMBER=ours, MEMBER=theirs, MEMBER=STAMP; joined by commas, or one by "
           "one",
           true},
    Option{"edit", 0, "", "in $VISUAL or $EDITOR: a value for each member"},
    Option{"accept", 0, "", "as it stands: what lost is left behind"}};
constexpr std::array<std::string_view, 5> kDatabases{"main", "tasks", "logs", "memory", "archive"};
constexpr std::array kSql{
    Option{"database", 0, "NAME", "a database of the device, not the plan's", false, kDatabases}};
constexpr std::array kMigrate{
    Option{"status", 0, "", "which versions each database has (default)"},
    Option{"plan", 0, "", "what --apply would do, and change nothing"},
    Option{"apply", 0, "", "do it; of a file that holds an older version a copy is kept first"},
    Option{"database", 0, "NAME", "this one alone", false, kDatabases}};
constexpr std::array kBackup{Option{"database", 0, "NAME", "this one alone", false, kDatabases}};
constexpr std::array kRestore{
    Option{"database", 0, "NAME", "what the backup must be of", false, kDatabases},
    Option{"replace", 0, "", "over a database that holds rows: it becomes equal to the backup"}};
constexpr std::array kMove{
    Option{"database", 0, "NAME", "which one (default: tasks)", false, kDatabases},
    Option{"to", 0, "PLACE", "sqlite:PATH, postgres://… or libsql://…"},
    Option{"undo", 0, "", "back to where it was, with what was written meanwhile"},
    Option{
        "from", 0, "PLACE",
        "with --undo and --to: take back what a device began that is lost; only where --to never "
        "took writes"},
    Option{"forget", 0, "",
           "what cannot be asked, or was replaced by a backup, is lost for good, with all that was "
           "written there. With --undo: the new place; the old one takes writes again, as it was "
           "when it was closed. With --to alone: where that place says it has moved to; what is "
           "here goes into it"}};
constexpr std::array kSelftest{
    Option{"ownership", 0, "",
           "tasks are held once: processes are killed, paused, their clock set"},
    Option{"operations", 0, "N", "how often the processes ask (default: 20000)"},
    Option{"processes", 0, "N", "how many there are (default: 16)"},
    Option{"seed", 0, "N", "of the chance by which they ask and are disturbed (default: any)"},
    Option{"place", 0, "PLACE",
           "on the disk or server of PLACE (default: where the device's tasks are)"}};
constexpr std::array kFeatures{Option{"features", 0, "", "what was built in"}};
constexpr std::array<std::string_view, 3> kFormats{"jsonl", "csv", "markdown"};
constexpr std::array kImport{
    Option{"from", 0, "KIND", "what the file is, where its content does not tell"},
    Option{"to", 0, "COLLECTION", "put the records there as they are; each needs an id"},
    Option{"strict", 0, "", "import nothing, and exit 1, if anything has no place to go"},
    Option{"dry-run", 'n', "", "only say what would change"},
    Option{"revive", 0, "", "take in again what was deleted here"},
    Option{"project", 0, "P", "of tasks (lib-task-store, adt) that name none"}};
constexpr std::array kExport{
    Option{"format", 0, "F", "jsonl is the default; markdown has PRDs and specs", false, kFormats},
    Option{"output", 'o', "FILE", "into FILE, which is replaced as a whole (default: stdout)"},
    Option{"stamps", 0, "", "JSONL with each record's _stamps"}, kAt};
constexpr std::array<Option, 0> kNone{};

#define TASKSTORE_KIND_COMMANDS(noun, article, argument_example, add_example)                    \
    Command{noun " add",                                                                         \
            "",                                                                                  \
            "create " article " " noun,                                                          \
            kAdd,                                                                                \
            "taskstore " noun " add " add_example,                                               \
            run_kind_add,                                                                        \
            true},                                                                               \
        Command{noun " set",                                                                     \
                "ID",                                                                            \
                "change fields of " article " " noun,                                            \
                kSet,                                                                            \
                "taskstore " noun " set " argument_example,                                      \
                run_kind_set,                                                                    \
                true},                                                                           \
        Command{noun " rm", "ID", "delete " article " " noun, kRm, "taskstore " noun " rm 3f9a", \
                run_kind_rm},                                                                    \
        Command{noun " list", "", "list them", kList, "taskstore " noun " list --limit 20",      \
                run_kind_list},                                                                  \
        Command {                                                                                \
        noun " show", "ID", "show one", kPast, "taskstore " noun " show 3f9a", run_kind_show     \
    }

constexpr std::array kPlanCommands{
    Command{"init", "",
            "make a store here: at the root of the git work tree, where all its folders find it; "
            "else in this folder, and then only this folder does (others name it: --store)",
            kNone, "taskstore init", run_init},
    Command{"sync", "",
            "bring store.db up to date with the JSONL files; makes the store in a git work tree",
            kSync, "taskstore sync\ntaskstore sync --rebuild", run_sync},
    Command{"install-hooks", "",
            "tie the store to git: merge driver, textconv and attributes, and hooks that run "
            "'taskstore sync --quiet'",
            kInstallHooks, "taskstore install-hooks\ntaskstore install-hooks --uninstall",
            run_install_hooks},
    Command{"list-prds", "", "list PRDs, newest first", kStatus,
            "taskstore list-prds --status active", run_list_prds},
    Command{"list-task-specs", "PRD_ID", "list the task specs of a PRD, oldest first", kPage,
            "taskstore list-task-specs 3f9a", run_list_task_specs},
    Command{"list-executions", "", "list executions, newest first", kStatus,
            "taskstore list-executions --status running", run_list_executions},
    Command{"show", "KIND ID",
            "show one record; KIND: prd, ts, execution, dependency, workflow, repo, or a declared "
            "collection",
            kPast, "taskstore show prd 3f9a\ntaskstore show prd 3f9a --at HEAD~1", run_show},
    Command{"stats", "", "how many records, by kind and status", kPast, "taskstore stats --json",
            run_stats},
    TASKSTORE_KIND_COMMANDS("prd", "a", "3f9a --status ready",
                            "--title 'Search' --content plan.md"),
    TASKSTORE_KIND_COMMANDS("spec", "a", "3f9a --status running",
                            "--prd-id 3f9a --phase-name 'Build the index'"),
    TASKSTORE_KIND_COMMANDS("execution", "an", "3f9a --status complete",
                            "--ts-id 3f9a --branch-name main"),
    TASKSTORE_KIND_COMMANDS("dependency", "a", "3f9a --resolved-at now --payload done",
                            "--from-exec-id 1a --to-exec-id 2b --dependency-type notify"),
    TASKSTORE_KIND_COMMANDS("workflow", "a", "3f9a --description 'two reviews'",
                            "--name review --awl-code flow.awl"),
    Command{"record add", "COLLECTION [FIELD=VALUE]…", "create a record in any collection",
            kRecordAdd, "taskstore record add notes text='call back' priority=2", run_record_add},
    Command{"record get", "COLLECTION ID", "print one record as JSON", kPast,
            "taskstore record get notes 3f9a", run_record_get},
    Command{"record set", "COLLECTION ID FIELD=VALUE…", "change members; FIELD= removes one", kSet,
            "taskstore record set notes 3f9a priority=3", run_record_set},
    Command{"record rm", "COLLECTION ID", "delete a record", kRm, "taskstore record rm notes 3f9a",
            run_record_rm},
    Command{"record list", "COLLECTION", "list the records of any collection", kList,
            "taskstore record list notes -f 'priority>=2' --order -priority", run_record_list},
    Command{"collection add", "NAME",
            "declare a collection: its records must fit a schema, which travels with git",
            kDeclareCollection,
            "taskstore collection add bugs --schema bug.json --index severity --index owner\n"
            "taskstore collection add bugs --schema bug.json --status-table states.json",
            run_collection_add},
    Command{"collection set", "NAME",
            "change its schema, indexes or states; records that do not fit are listed, not refused",
            kChangeCollection,
            "taskstore collection set bugs --schema bug.json\n"
            "taskstore collection set bugs --index severity",
            run_collection_set},
    Command{"collection rm", "NAME", "declare it no more; its records stay, untyped", kNone,
            "taskstore collection rm bugs", run_collection_rm},
    Command{"collection list", "",
            "every collection: where it is from, its records, how many do not fit, its indexes",
            kNone, "taskstore collection list", run_collection_list},
    Command{"collection show", "NAME", "its schema, and the records that do not fit", kNone,
            "taskstore collection show bugs\ntaskstore collection show bugs --json",
            run_collection_show},
    Command{"import", "[FILE]",
            "take in tracker JSONL, CSV, Taskwarrior or GitHub JSON, a Markdown checklist or an "
            "export (xz, zst and gz too); twice changes nothing; makes the store in a git work "
            "tree, as sync does. From lib-task-store (its SQLite file) and adt (its home, ~/.adt "
            "where none is named) the device's tasks",
            kImport,
            "taskstore import issues.jsonl.xz\ntaskstore import docs/roadmap.md --dry-run\n"
            "task export | taskstore import -\n"
            "gh issue list --state all --json number,title,body,state,labels,url | taskstore "
            "import -\n"
            "taskstore import contacts.csv --to contacts\n"
            "taskstore import --from lib-task-store ~/.local/share/adi/tasks.db\n"
            "taskstore import --from adt --dry-run",
            run_import},
    Command{"export", "[COLLECTION]…",
            "write all live records, or those of some collections, in a form that import takes in "
            "again",
            kExport,
            "taskstore export > backup.jsonl\ntaskstore export prd spec --format markdown "
            "--output plan.md\ntaskstore export notes --format csv --output notes.csv",
            run_export},
    Command{"history", "[COLLECTION] ID",
            "every version of a record, deleted ones too: what changed, when and by whom; goes on "
            "in git where the file was compacted",
            kHistory, "taskstore history 3f9a\ntaskstore history notes n1", run_history},
    Command{"undo", "[COLLECTION] [ID]",
            "take back the last change, of one record or of the plan, by a new line; the undo is a "
            "change too, so a second one brings it back",
            kNone, "taskstore undo 3f9a", run_undo},
    Command{
        "conflicts", "[COLLECTION] [ID]",
        "what two sides wrote unlike and nobody has settled, side by side; what stands is ours, "
        "what lost is theirs, and between merge markers the sides are git's",
        kNone, "taskstore conflicts\ntaskstore conflicts 3f9a --json", run_conflicts},
    Command{"resolve", "[COLLECTION] ID",
            "settle what 'conflicts' lists of a record, and tell git (git add)", kResolve,
            "taskstore resolve 3f9a --take theirs\n"
            "taskstore resolve 3f9a --take title=theirs,status=ours\n"
            "taskstore resolve 3f9a --accept",
            run_resolve},
    Command{"state", "", "a hash that is equal wherever the ledgers are equal", kState,
            "taskstore state --hash\ntaskstore state --hash --at HEAD", run_state},
    Command{"log", "",
            "what changed in the plan, commit by commit, newest first; what is not committed yet "
            "comes before them",
            kLog, "taskstore log\ntaskstore log --since HEAD~1", run_log},
    Command{"diff", "[REV] [REV]",
            "what changed in the plan from one revision (HEAD) to another (the work tree)", kNone,
            "taskstore diff\ntaskstore diff HEAD~1\ntaskstore diff HEAD~1 HEAD", run_diff},
    Command{"textconv", "FILE",
            "print a ledger file by its records, as git asks for it (diff.taskstore.textconv)",
            kNone, "taskstore textconv .taskstore/prds.jsonl", run_textconv},
    Command{"doctor", "",
            "list what is damaged, lost, orphaned or odd, and how to mend it; merges what git left "
            "unmerged",
            kDoctor, "taskstore doctor\ntaskstore doctor --fix", run_doctor},
    Command{"check-staged", "",
            "what the pre-commit hook asks: refuses staged ledger files with conflict markers or "
            "damaged lines, or without one side's records of an unfinished merge",
            kNone, "taskstore check-staged", run_check_staged},
    Command{"compact", "",
            "fold the lines of each record into one, where git has them; what stands, what lost "
            "and every merge to come stay as they are",
            kCompact, "taskstore compact --dry-run\ntaskstore compact --horizon 180d", run_compact},
    Command{"config show", "", "every setting with its value and where it comes from", kNone,
            "taskstore config show", run_config_show},
    Command{"sql", "QUERY", "run a SELECT on store.db or a database of the device; cannot write",
            kSql,
            "taskstore sql \"SELECT status, count(*) FROM prds GROUP BY 1\"\n"
            "taskstore sql --database tasks \"SELECT status, count(*) FROM tasks GROUP BY 1\"",
            run_sql},
    Command{"migrate", "", "bring the schemas of the device's databases up to this version",
            kMigrate,
            "taskstore migrate --status\ntaskstore migrate --plan\ntaskstore migrate --apply",
            run_migrate},
    Command{"backup", "FOLDER",
            "write the device's databases into files, one consistent state of each while others "
            "work; a file's name goes too where one database is named",
            kBackup, "taskstore backup .\ntaskstore backup --database tasks tasks.zst", run_backup},
    Command{
        "restore", "FILE",
        "put a backup into the place of its database; whoever claimed a task since the backup is "
        "refused",
        kRestore, "taskstore restore --replace tasks.zst", run_restore},
    Command{"move", "",
            "move a database of the device elsewhere while others work with it; broken off, the "
            "same command goes on",
            kMove,
            "taskstore move --database tasks --to sqlite:moved/tasks.db\n"
            "taskstore move --database tasks --undo\n"
            "taskstore move --undo --from sqlite:/old/tasks.db --to sqlite:/new/tasks.db",
            run_move},
    Command{
        "selftest", "",
        "show that a promise holds on your disk and your server; in a scratch database that "
        "goes away",
        kSelftest,
        "taskstore selftest --ownership\n"
        "taskstore selftest --ownership --operations 1000000 --place postgres://localhost/tasks",
        run_selftest},
    Command{"completion", "SHELL",
            "the completions for bash, zsh or fish, for a file where the shell looks for them; "
            "'collections' and 'declared' print the names that these offer",
            kNone, "taskstore completion bash", run_completion},
    Command{"manual", "", "the man page; man -l - shows it", kNone, "taskstore manual", run_manual},
    Command{"version", "", "the version", kFeatures, "taskstore version --features", run_version},
};

#undef TASKSTORE_KIND_COMMANDS

constexpr auto kCommands = [] {
    std::array<Command, kPlanCommands.size() + kTaskCommands.size() + kScheduleCommands.size()>
        all{};
    auto end = std::ranges::copy(kPlanCommands, all.begin()).out;
    end = std::ranges::copy(kTaskCommands, end).out;
    std::ranges::copy(kScheduleCommands, end);
    return all;
}();

std::string_view value_name(const records::Field& field) {
    if (field.document) return "FILE|-";
    if (field.setter == records::FieldSetter::marked) return "now|none";
    if (field.type == records::FieldType::integer) return "N";
    if (field.type == records::FieldType::choice) return "WORD";
    return field.refers_to.empty() ? "TEXT" : "ID";
}

/// Of options that name no field: the kind of which a list's --status is.
const records::Kind* kind_of(const Command& command) {
    std::string_view word = command.words.substr(0, command.words.find(' '));
    if (word.starts_with("list-")) word.remove_prefix(5);
    return records::find_kind(word);
}

/// "help: draft, ready, active"
std::string help_text(const Option& option) {
    std::string text(option.help);
    for (std::size_t i = 0; i < option.choices.size(); ++i)
        text += (i == 0 ? ": " : ", ") + std::string(option.choices[i]);
    return text;
}

std::span<const std::string_view> choices_of(const records::Field* field) {
    return field != nullptr && field->type == records::FieldType::choice
               ? field->choices
               : std::span<const std::string_view>();
}

/// "prd-id" for prd_id. The kinds of a command line are known from the start.
std::string_view option_name(const records::Field& field) {
    static const auto kNames = [] {
        std::map<std::string_view, std::string> names;
        for (const records::Kind& kind : records::kinds()) {
            for (const records::Field& one : kind.fields) {
                std::string& name = names[one.name] = one.name;
                std::ranges::replace(name, '_', '-');
            }
        }
        return names;
    }();
    return kNames.at(field.name);
}

Failure unknown(std::string_view what, const std::string& word,
                const std::vector<std::string_view>& known, std::string_view help) {
    const std::size_t start = std::min(word.find_first_not_of('-'), word.size());
    const auto nearest = nearest_name(std::string_view(word).substr(start), known);
    const std::string dashes = start > 0 ? "--" : "";
    return fail(Code::invalid, std::string(what) + " '" + without_passwords(word) + "'")
        .with_hint(nearest ? "did you mean '" + dashes + std::string(*nearest) + "'?"
                           : "see '" + std::string(help) + "'");
}

std::size_t words_in(std::string_view text) {
    return static_cast<std::size_t>(std::ranges::count(text, ' ')) + 1;
}

/// How many arguments the command wants, at least and at most.
std::pair<std::size_t, std::size_t> wanted(std::string_view arguments) {
    std::size_t least = 0;
    std::size_t most = 0;
    for (std::size_t at = 0; at < arguments.size();) {
        const std::size_t end = std::min(arguments.find(' ', at), arguments.size());
        const std::string_view one = arguments.substr(at, end - at);
        const bool repeats = one.ends_with("…");
        if (one[0] != '[') ++least;
        most = repeats ? 1'000'000 : most + 1;
        at = end + 1;
    }
    return {least, most};
}

/// Where no command says which options there are: the global ones, with their values.
Status only_global(const std::vector<std::string>& words, Invocation& call) {
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string& word = words[i];
        if (!word.starts_with('-') || word == "-" || word == "--") continue;
        const std::string name = word.substr(0, word.find('='));
        const auto option = std::ranges::find_if(kGlobal, [&](const Option& known) {
            return (!known.name.empty() && name == "--" + std::string(known.name)) ||
                   (known.letter != '\0' && name == std::string("-") + known.letter);
        });
        // With a command word beside it the word is at fault, not an option that may belong to it.
        const bool alone = std::ranges::all_of(
            words, [](const std::string& other) { return other.starts_with('-'); });
        if (option == kGlobal.end()) {
            if (!alone) continue;
            std::vector<std::string_view> known;
            for (const Option& one : kGlobal) known.push_back(one.name);
            return unknown("taskstore has no option", name, known, "taskstore --help");
        }
        const bool missing = !option->value.empty() && name == word && ++i >= words.size();
        if (missing)
            return fail(Code::invalid,
                        "option " + name + " needs a value: " + std::string(option->help))
                .with_hint("see 'taskstore --help'");
        call.options[option->name.empty() ? std::string(1, option->letter)
                                          : std::string(option->name)];
    }
    return ok();
}

}  // namespace

/// Kinds of files, and the systems whose tasks come along.
std::span<const std::string_view> import_words() {
    static const std::vector<std::string_view> kWords = [] {
        std::vector<std::string_view> words(exchange::kind_words().begin(),
                                            exchange::kind_words().end());
        words.push_back(founding::word_of(founding::System::lib_task_store));
        words.push_back(founding::word_of(founding::System::adt));
        return words;
    }();
    return kWords;
}

std::span<const Command> commands() {
    return kCommands;
}

std::span<const Option> global_options() {
    return kGlobal;
}

std::vector<Option> options_of(const Command& command) {
    std::vector<Option> options(command.options.begin(), command.options.end());
    if (const records::Kind* const kind = kind_of(command)) {
        for (Option& option : options) {
            if (option.name == "status") option.choices = choices_of(kind->field("status"));
        }
        if (command.record_fields) {
            for (const records::Field& field : kind->fields) {
                if (!records::people_set(field)) continue;
                options.push_back({option_name(field), 0, value_name(field), field.help, false,
                                   choices_of(&field), true});
            }
        }
    }
    if (command.words == "import") options[0].choices = import_words();
    for (Option option : kGlobal) {
        // A command's own letter comes first: the founding lists have -s for --status.
        if (std::ranges::find(command.options, option.letter, &Option::letter) !=
            command.options.end())
            option.letter = '\0';
        options.push_back(option);
    }
    return options;
}

std::string Invocation::value(std::string_view option, const std::string& other) const {
    const auto found = options.find(option);
    return found == options.end() ? other : found->second.back();
}

Result<Invocation> parse(std::vector<std::string> words) {
    // The earlier program's name for it.
    for (std::string& word : words) {
        if (word == "--") break;
        if (word == "--store-path" || word.starts_with("--store-path="))
            word.replace(0, std::string_view("--store-path").size(), "--store");
    }
    Invocation call;
    std::vector<std::string> plain;
    // The command's words come first, before or between global options; find them before options
    // are judged.
    std::vector<std::string> leading;
    bool asks_help = false;
    for (std::size_t i = 0; i < words.size() && words[i] != "--"; ++i) {
        const std::string& word = words[i];
        if (word == "-C" || word == "--store" || word == "-s") {
            ++i;
        } else if (word == "-h" || word == "--help") {
            asks_help = true;
        } else if (!word.starts_with('-') && leading.size() < 3) {
            leading.push_back(word);
        }
    }
    const bool help_command = !leading.empty() && leading[0] == "help";
    if (help_command) leading.erase(leading.begin());
    if (!leading.empty() && (leading[0] == "ts" || leading[0] == "task-spec")) leading[0] = "spec";
    for (const Command& command : kCommands) {
        const std::size_t count = words_in(command.words);
        if (leading.size() < count) continue;
        std::string first = leading[0];
        for (std::size_t i = 1; i < count; ++i) first += " " + leading[i];
        if (first == command.words) call.command = &command;
    }
    if (call.command == nullptr || help_command) TASKSTORE_TRY(only_global(words, call));
    if (leading.empty() && !help_command && !asks_help && !words.empty()) {
        return fail(Code::invalid, "no command is given").with_hint("see 'taskstore --help'");
    }
    if (leading.empty() || (help_command && call.command != nullptr)) {
        call.help = true;
        return call;
    }
    if (call.command == nullptr) {
        // "task dead" has verbs too.
        std::string group = leading[0];
        std::size_t depth = 1;
        const auto leads = [](const std::string& start) {
            return std::ranges::any_of(kCommands, [&](const Command& command) {
                return command.words.starts_with(start + " ");
            });
        };
        while (depth < leading.size() && leads(group + " " + leading[depth]))
            group += " " + leading[depth++];
        std::vector<std::string_view> known;
        for (const Command& command : kCommands) {
            if (command.words.starts_with(group + " "))
                known.push_back(command.words.substr(group.size() + 1));
        }
        if (!known.empty()) {
            if (leading.size() == depth && (asks_help || help_command)) {
                call.help = true;
                call.topic = group;
                return call;
            }
            std::string list;
            for (const std::string_view word : known)
                list += (list.empty() ? "" : ", ") + std::string(word);
            if (leading.size() == depth)
                return fail(Code::invalid, "'" + group + "' needs a verb: " + list)
                    .with_hint("see 'taskstore " + group + " --help'");
            return unknown("'" + group + "' has no verb", leading[depth], known,
                           "taskstore " + group + " --help");
        }
        for (const Command& command : kCommands)
            known.push_back(command.words.substr(0, command.words.find(' ')));
        return unknown("no command is called", leading[0], known, "taskstore --help");
    }
    const std::vector<Option> options = options_of(*call.command);
    const std::string help = "taskstore " + std::string(call.command->words) + " --help";
    bool only_arguments = false;
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string& word = words[i];
        if (only_arguments || word == "-" || !word.starts_with('-')) {
            plain.push_back(word);
            continue;
        }
        if (word == "--") {
            only_arguments = true;
            continue;
        }
        const std::size_t equals = word.starts_with("--") ? word.find('=') : std::string::npos;
        const std::string name = word.substr(0, equals);
        const auto option = std::ranges::find_if(options, [&](const Option& known) {
            return (!known.name.empty() && name == "--" + std::string(known.name)) ||
                   (known.letter != '\0' && name == std::string("-") + known.letter);
        });
        if (option == options.end()) {
            std::vector<std::string_view> known;
            for (const Option& one : options) known.push_back(one.name);
            return unknown("'taskstore " + std::string(call.command->words) + "' has no option",
                           name, known, help);
        }
        const std::string key =
            option->name.empty() ? std::string(1, option->letter) : std::string(option->name);
        if (option->value.empty()) {
            if (equals != std::string::npos)
                return fail(Code::invalid, "option " + name + " takes no value")
                    .with_hint("see '" + help + "'");
            call.options[key].emplace_back();
            continue;
        }
        if (equals == std::string::npos && i + 1 >= words.size())
            return fail(Code::invalid,
                        "option " + name + " needs a value: " + std::string(option->help))
                .with_hint("see '" + help + "'");
        auto& values = call.options[key];
        if (!values.empty() && !option->repeats)
            return fail(Code::invalid, "option " + name + " stands twice")
                .with_hint("leave one of them away");
        values.push_back(equals != std::string::npos ? word.substr(equals + 1) : words[++i]);
        // The fields of a record may be emptied; what steers the command may not be forgotten. An
        // empty cursor is that of a first page.
        if (values.back().empty() && key != "cursor" && !option->field)
            return fail(Code::invalid, "option " + name + " is empty")
                .with_hint("leave it away, or give it a value: " + std::string(option->help));
    }
    call.help = call.has("help");
    call.arguments.assign(
        plain.begin() + static_cast<std::ptrdiff_t>(words_in(call.command->words)), plain.end());
    const auto [least, most] = wanted(call.command->arguments);
    if (!call.help && (call.arguments.size() < least || call.arguments.size() > most)) {
        return fail(Code::invalid, "usage: taskstore " + std::string(call.command->words) +
                                       (call.command->arguments.empty() ? "" : " ") +
                                       std::string(call.command->arguments))
            .with_hint("see '" + help + "'");
    }
    return call;
}

std::string help_of(const Command& command) {
    std::string out = "taskstore " + std::string(command.words) +
                      (command.arguments.empty() ? "" : " ") + std::string(command.arguments) +
                      "\n  " + std::string(command.help) + "\n\nOptions\n";
    for (const Option& option : options_of(command)) {
        std::string left = "  ";
        if (option.letter != '\0') left += std::string("-") + option.letter;
        if (!option.name.empty())
            left += (option.letter != '\0' ? ", --" : "--") + std::string(option.name);
        if (!option.value.empty()) left += " " + std::string(option.value);
        left.append(left.size() < 26 ? 26 - left.size() : 1, ' ');
        out += left + help_text(option) + "\n";
    }
    if (command.record_fields)
        out +=
            "\nTEXT is taken as written, or from a file with @FILE, or from standard input with - "
            "(@@ for an @ at its start).\nID is any unique part of an id; one that several ids "
            "have is exit "
            "code 4.\n";
    out += "\nExamples\n";
    for (std::size_t at = 0; at < command.examples.size();) {
        const std::size_t end = std::min(command.examples.find('\n', at), command.examples.size());
        out += "  " + std::string(command.examples.substr(at, end - at)) + "\n";
        at = end + 1;
    }
    return out;
}

std::string overview(std::string_view topic) {
    std::string out =
        "taskstore: plans that travel with git, kept durably\n\nusage: taskstore COMMAND "
        "[ARGUMENTS] [OPTIONS]\n\n";
    for (const Command& command : kCommands) {
        if (!topic.empty() && !command.words.starts_with(std::string(topic) + " ")) continue;
        std::string left = "  " + std::string(command.words) +
                           (command.arguments.empty() ? "" : " ") + std::string(command.arguments);
        const std::size_t width = display_width(left);
        left.append(width < 40 ? 40 - width : 1, ' ');
        out += left + std::string(command.help) + "\n";
    }
    return out +
           "\nEverywhere: --json, -C DIR, --store DIR, --quiet; `taskstore COMMAND --help` has "
           "options and examples.\n"
           "Exit codes: 0 success, 1 failure, 2 usage, 3 not found, 4 conflict or a shortened id "
           "in doubt, 5 unavailable or timed out, 6 corrupt, 7 not permitted, 8 outcome unknown, 9 "
           "some "
           "answered.\n";
}

std::string help_json(const Invocation& call) {
    std::string data;
    JsonWriter writer(data);
    const auto head = [&](const Command& command) {
        writer.begin_object()
            .key("command")
            .string(command.words)
            .key("arguments")
            .string(command.arguments)
            .key("help")
            .string(command.help);
    };
    if (call.command == nullptr) {
        writer.begin_array();
        for (const Command& command : kCommands) {
            if (!call.topic.empty() && !command.words.starts_with(call.topic + " ")) continue;
            head(command);
            writer.end_object();
        }
        writer.end_array();
        return data;
    }
    head(*call.command);
    writer.key("options").begin_array();
    for (const Option& option : options_of(*call.command)) {
        const std::string letter = option.letter == '\0' ? "" : std::string(1, option.letter);
        writer.begin_object().key("name").string(option.name).key("letter").string(letter);
        writer.key("value").string(option.value).key("help").string(help_text(option));
        writer.key("repeats").boolean(option.repeats).end_object();
    }
    writer.end_array().key("examples").begin_array();
    const std::string_view examples = call.command->examples;
    for (std::size_t at = 0; at < examples.size();) {
        const std::size_t end = std::min(examples.find('\n', at), examples.size());
        writer.string(examples.substr(at, end - at));
        at = end + 1;
    }
    writer.end_array().end_object();
    return data;
}

}  // namespace taskstore::cli
