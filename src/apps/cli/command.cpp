#include "command.hpp"

#include "context.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/base/text.hpp>

#include <algorithm>
#include <array>

namespace taskstore::cli {
namespace {

constexpr std::array kGlobal{
    Option{"json", 0, "", "one JSON document on stdout, nothing else"},
    Option{"store", 's', "DIR", "the store's own folder, instead of looking for .taskstore"},
    Option{"", 'C', "DIR", "work as if started in DIR"},
    Option{"quiet", 'q', "", "no notes, no progress"},
    Option{"help", 'h', "", "this help"},
};
constexpr std::array kStatus{Option{"status", 0, "S", "only records in this status"},
                             Option{"limit", 0, "N", "at most N records"},
                             Option{"cursor", 0, "C", "go on where an earlier page ended"}};
constexpr std::array kPage{Option{"limit", 0, "N", "at most N records"},
                           Option{"cursor", 0, "C", "go on where an earlier page ended"}};
constexpr std::array kAdd{
    Option{"id", 0, "ID", "its id (default: a new UUIDv7)"},
    Option{"no-check", 0, "", "accept references to records that are not here"}};
constexpr std::array kSet{
    Option{"if-revision", 0, "R", "only if the record is still at this revision"},
    Option{"force", 'f', "", "override the status table (recorded)"},
    Option{"no-check", 0, "", "accept references to records that are not here"}};
constexpr std::array kRm{
    Option{"if-revision", 0, "R", "only if the record is still at this revision"}};
constexpr std::array kList{
    Option{"status", 0, "S", "only records in this status"},
    Option{"filter", 'f', "F", "FIELD=VALUE; also != < <= > >= ~", true},
    Option{"any", 0, "", "filters are alternatives (OR) instead of all of them"},
    Option{"order", 0, "FIELD", "order by FIELD; -FIELD descends"},
    Option{"limit", 0, "N", "at most N records"},
    Option{"cursor", 0, "C", "go on where an earlier page ended"},
    Option{"count", 0, "", "only how many"}};
constexpr std::array kSync{Option{"rebuild", 0, "", "build store.db from nothing"}};
constexpr std::array kState{Option{"hash", 0, "", "SHA-256 of all live records and deletions"}};
constexpr std::array kFeatures{Option{"features", 0, "", "what was built in"}};
constexpr std::array<Option, 0> kNone{};

#define TASKSTORE_KIND_COMMANDS(noun, argument_example, add_example)                             \
    Command{noun " add",  "",  "create a " noun, kAdd, "taskstore " noun " add " add_example,    \
            run_kind_add, true},                                                                 \
        Command{noun " set",                                                                     \
                "ID",                                                                            \
                "change fields of a " noun,                                                      \
                kSet,                                                                            \
                "taskstore " noun " set " argument_example,                                      \
                run_kind_set,                                                                    \
                true},                                                                           \
        Command{                                                                                 \
            noun " rm", "ID", "delete a " noun, kRm, "taskstore " noun " rm 3f9a", run_kind_rm}, \
        Command{noun " list", "", "list them", kList, "taskstore " noun " list --limit 20",      \
                run_kind_list},                                                                  \
        Command {                                                                                \
        noun " show", "ID", "show one", kNone, "taskstore " noun " show 3f9a", run_kind_show     \
    }

constexpr std::array kCommands{
    Command{"init", "", "make a store here: at the root of the git work tree, else in this folder",
            kNone, "taskstore init", run_init},
    Command{"sync", "",
            "bring store.db up to date with the JSONL files; makes the store in a git work tree",
            kSync, "taskstore sync\ntaskstore sync --rebuild", run_sync},
    Command{"list-prds", "", "list PRDs, newest first", kStatus,
            "taskstore list-prds --status active", run_list_prds},
    Command{"list-task-specs", "PRD_ID", "list the task specs of a PRD, oldest first", kPage,
            "taskstore list-task-specs 3f9a", run_list_task_specs},
    Command{"list-executions", "", "list executions, newest first", kStatus,
            "taskstore list-executions --status running", run_list_executions},
    Command{"show", "KIND ID",
            "show one record; KIND: prd, ts, execution, dependency, workflow, repo", kNone,
            "taskstore show prd 3f9a", run_show},
    Command{"stats", "", "how many records, by kind and status", kNone, "taskstore stats --json",
            run_stats},
    TASKSTORE_KIND_COMMANDS("prd", "3f9a --status ready", "--title 'Search' --content plan.md"),
    TASKSTORE_KIND_COMMANDS("spec", "3f9a --status running",
                            "--prd-id 3f9a --phase-name 'Build the index'"),
    TASKSTORE_KIND_COMMANDS("execution", "3f9a --status complete",
                            "--ts-id 3f9a --branch-name main"),
    TASKSTORE_KIND_COMMANDS("dependency", "3f9a --payload done",
                            "--from-exec-id 1a --to-exec-id 2b --dependency-type notify"),
    TASKSTORE_KIND_COMMANDS("workflow", "3f9a --description 'two reviews'",
                            "--name review --awl-code flow.awl"),
    Command{"record add", "COLLECTION [FIELD=VALUE]…", "create a record in any collection", kAdd,
            "taskstore record add notes text='call back' priority=2", run_record_add},
    Command{"record get", "COLLECTION ID", "print one record as JSON", kNone,
            "taskstore record get notes 3f9a", run_record_get},
    Command{"record set", "COLLECTION ID FIELD=VALUE…", "change members; FIELD= removes one", kSet,
            "taskstore record set notes 3f9a priority=3", run_record_set},
    Command{"record rm", "COLLECTION ID", "delete a record", kRm, "taskstore record rm notes 3f9a",
            run_record_rm},
    Command{"record list", "COLLECTION", "list the records of any collection", kList,
            "taskstore record list notes -f 'priority>=2' --order -priority", run_record_list},
    Command{"import", "FILE",
            "take in a Markdown checklist: headings become PRDs, items task specs; twice changes "
            "nothing",
            kNone, "taskstore import docs/roadmap.md", run_import},
    Command{"history", "[COLLECTION] ID",
            "every version of a record, deleted ones too: what changed, when and by whom", kNone,
            "taskstore history 3f9a\ntaskstore history notes n1", run_history},
    Command{"undo", "[COLLECTION] [ID]",
            "take back the last change, of one record or of the plan, by a new line", kNone,
            "taskstore undo 3f9a", run_undo},
    Command{"state", "", "a hash that is equal wherever the ledgers are equal", kState,
            "taskstore state --hash", run_state},
    Command{"doctor", "", "list what is damaged, lost, orphaned or odd, and how to mend it", kNone,
            "taskstore doctor", run_doctor},
    Command{"config show", "", "every setting with its value and where it comes from", kNone,
            "taskstore config show", run_config_show},
    Command{"sql", "QUERY", "run a SELECT on store.db; cannot write", kNone,
            "taskstore sql \"SELECT status, count(*) FROM prds GROUP BY 1\"", run_sql},
    Command{"version", "", "the version", kFeatures, "taskstore version --features", run_version},
};

#undef TASKSTORE_KIND_COMMANDS

/// The options of a command: its own, the global ones, and for records one per field that people
/// set.
std::vector<Option> options_of(const Command& command, std::vector<std::string>& names) {
    std::vector<Option> options(command.options.begin(), command.options.end());
    if (command.record_fields) {
        const records::Kind* kind =
            records::find_kind(command.words.substr(0, command.words.find(' ')));
        names.reserve(kind->fields.size());
        for (const records::Field& field : kind->fields) {
            if (field.setter != records::FieldSetter::user) continue;
            std::string& name = names.emplace_back(field.name);
            std::ranges::replace(name, '_', '-');
            options.push_back({name, 0, field.document ? "FILE|-" : "V", field.help});
        }
    }
    options.insert(options.end(), kGlobal.begin(), kGlobal.end());
    return options;
}

Failure unknown(std::string_view what, const std::string& word,
                const std::vector<std::string_view>& known, std::string_view help) {
    const auto nearest = nearest_name(word, known);
    return fail(Code::invalid, std::string(what) + " '" + word + "'")
        .with_hint(nearest ? "did you mean '" + std::string(*nearest) + "'?"
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

}  // namespace

std::span<const Command> commands() {
    return kCommands;
}

std::string Invocation::value(std::string_view option, std::string other) const {
    const auto found = options.find(option);
    return found == options.end() ? std::move(other) : found->second.back();
}

Result<Invocation> parse(const std::vector<std::string>& words) {
    Invocation call;
    std::vector<std::string> plain;
    // The command's words come first, before or between global options; find them before options
    // are judged.
    std::vector<std::string> leading;
    for (std::size_t i = 0; i < words.size() && leading.size() < 2; ++i) {
        const std::string& word = words[i];
        if (word == "-C" || word == "--store" || word == "-s") {
            ++i;
        } else if (!word.starts_with('-')) {
            leading.push_back(word);
        } else if (word == "--") {
            break;
        }
    }
    if (!leading.empty() && (leading[0] == "ts" || leading[0] == "task-spec")) leading[0] = "spec";
    for (const Command& command : kCommands) {
        const std::size_t count = words_in(command.words);
        const std::string both = leading.size() >= count
                                     ? (count == 1 ? leading[0] : leading[0] + " " + leading[1])
                                     : "";
        if (both == command.words) call.command = &command;
    }
    const bool asks_help = std::ranges::any_of(
        words, [](const std::string& word) { return word == "--help" || word == "-h"; });
    if (leading.empty() || leading[0] == "help" || (call.command == nullptr && asks_help)) {
        call.help = true;
        if (leading.size() > 1) {
            for (const Command& command : kCommands) {
                if (command.words == leading[1]) call.command = &command;
            }
        }
        return call;
    }
    if (call.command == nullptr) {
        std::vector<std::string_view> known;
        const std::string start = leading[0] + " ";
        for (const Command& command : kCommands) {
            if (command.words.starts_with(start))
                known.push_back(command.words.substr(start.size()));
        }
        if (!known.empty()) {
            std::string list;
            for (const std::string_view word : known)
                list += (list.empty() ? "" : ", ") + std::string(word);
            if (leading.size() < 2)
                return fail(Code::invalid, "'" + leading[0] + "' needs a verb: " + list);
            return unknown("'" + leading[0] + "' has no verb", leading[1], known,
                           "taskstore --help");
        }
        for (const Command& command : kCommands)
            known.push_back(command.words.substr(0, command.words.find(' ')));
        return unknown("no command is called", leading[0], known, "taskstore --help");
    }
    std::vector<std::string> names;
    const std::vector<Option> options = options_of(*call.command, names);
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
                return fail(Code::invalid, "option " + name + " takes no value");
            call.options[key].emplace_back();
            continue;
        }
        if (equals == std::string::npos && i + 1 >= words.size())
            return fail(Code::invalid,
                        "option " + name + " needs a value: " + std::string(option->help));
        auto& values = call.options[key];
        if (!values.empty() && !option->repeats)
            return fail(Code::invalid, "option " + name + " stands twice");
        values.push_back(equals != std::string::npos ? word.substr(equals + 1) : words[++i]);
    }
    call.help = call.has("help");
    call.arguments.assign(
        plain.begin() + static_cast<std::ptrdiff_t>(words_in(call.command->words)), plain.end());
    const auto [least, most] = wanted(call.command->arguments);
    if (!call.help && (call.arguments.size() < least || call.arguments.size() > most)) {
        return fail(Code::invalid, "usage: taskstore " + std::string(call.command->words) + " " +
                                       std::string(call.command->arguments))
            .with_hint("see '" + help + "'");
    }
    return call;
}

std::string help_of(const Command& command) {
    std::string out = "taskstore " + std::string(command.words) +
                      (command.arguments.empty() ? "" : " ") + std::string(command.arguments) +
                      "\n  " + std::string(command.help) + "\n\nOptions\n";
    std::vector<std::string> names;
    for (const Option& option : options_of(command, names)) {
        std::string left = "  ";
        if (option.letter != '\0') left += std::string("-") + option.letter;
        if (!option.name.empty())
            left += (option.letter != '\0' ? ", --" : "--") + std::string(option.name);
        if (!option.value.empty()) left += " " + std::string(option.value);
        left.append(left.size() < 26 ? 26 - left.size() : 1, ' ');
        out += left + std::string(option.help) + "\n";
    }
    out += "\nExamples\n";
    for (std::size_t at = 0; at < command.examples.size();) {
        const std::size_t end = std::min(command.examples.find('\n', at), command.examples.size());
        out += "  " + std::string(command.examples.substr(at, end - at)) + "\n";
        at = end + 1;
    }
    return out;
}

std::string overview() {
    std::string out =
        "taskstore: plans that travel with git, kept durably\n\nusage: taskstore COMMAND "
        "[ARGUMENTS] [OPTIONS]\n\n";
    for (const Command& command : kCommands) {
        std::string left = "  " + std::string(command.words) +
                           (command.arguments.empty() ? "" : " ") + std::string(command.arguments);
        const std::size_t width = display_width(left);
        left.append(width < 40 ? 40 - width : 1, ' ');
        out += left + std::string(command.help) + "\n";
    }
    return out +
           "\nEverywhere: --json, -C DIR, --store DIR, --quiet; `taskstore COMMAND --help` has "
           "options and examples.\n"
           "Exit codes: 0 success, 1 failure, 2 usage, 3 not found, 4 conflict, 5 unavailable, 6 "
           "corrupt, 7 not permitted, 8 outcome unknown.\n";
}

}  // namespace taskstore::cli
