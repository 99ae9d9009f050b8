// What follows from the command table beside the help: completions for three shells and the man
// page.

#include "context.hpp"

#include <taskstore/base/code.hpp>

#include <algorithm>
#include <map>
#include <utility>

namespace taskstore::cli {
namespace {

/// In single quotes of bash, zsh and fish.
std::string quoted(std::string_view text) {
    std::string out = "'";
    for (const char c : text) {
        if (c == '\'') {
            out += "'\\''";
        } else {
            out += c;
        }
    }
    return out + "'";
}

/// What may follow the words so far: "" the first words, "prd" its verbs, "task dead" those of the
/// dead; with their help.
using NextWords = std::map<std::string, std::vector<std::pair<std::string, std::string>>>;
NextWords next_words() {
    NextWords next;
    for (const Command& command : commands()) {
        const std::string words(command.words);
        for (std::size_t begin = 0; begin < words.size();) {
            const std::size_t end = std::min(words.find(' ', begin), words.size());
            auto& here = next[words.substr(0, begin == 0 ? 0 : begin - 1)];
            const std::string word = words.substr(begin, end - begin);
            if (std::ranges::find(here, word, &std::pair<std::string, std::string>::first) ==
                here.end())
                here.emplace_back(word, end == words.size() ? command.help : "");
            begin = end + 1;
        }
    }
    // What has verbs is told by the first of them.
    constexpr std::size_t kTold = 4;
    for (auto& [words, list] : next)
        for (auto& [word, help] : list) {
            const auto verbs = next.find(words.empty() ? word : words + " " + word);
            if (!help.empty() || verbs == next.end()) continue;
            for (std::size_t i = 0; i < std::min(kTold, verbs->second.size()); ++i)
                help += (i == 0 ? "" : ", ") + verbs->second[i].first;
            if (verbs->second.size() > kTold) help += ", …";
        }
    return next;
}

std::string dashed(const Option& option) {
    return option.name.empty() ? std::string("-") + option.letter : "--" + std::string(option.name);
}

bool takes_file(const Command& command) {
    return command.arguments.find("FILE") != std::string_view::npos;
}

std::string joined(std::span<const std::string_view> words, std::string_view between = " ") {
    std::string out;
    for (const std::string_view word : words)
        out += std::string(out.empty() ? "" : between) + std::string(word);
    return out;
}

/// The words of the command that the cursor is in, as a shell function's first lines. bash and zsh
/// read the same.
std::string find_command(std::string_view words, std::string_view cursor, std::string_view first) {
    return "  local command= word i\n"
           "  local -a at=()\n"
           "  for ((i = " +
           std::string(first) + "; i < " + std::string(cursor) +
           "; ++i)); do\n"
           "    word=${" +
           std::string(words) +
           "[i]}\n"
           "    case $word in\n"
           "      --store|-s|-C) ((++i)); at+=(\"$word\" \"${" +
           std::string(words) +
           "[i]}\") ;;\n"
           "      -*) ;;\n"
           "      *)\n"
           "        command=\"${command:+$command }$word\"\n"
           "        case $command in " +
           [] {
               std::string groups;
               for (const auto& [words_so_far, unused] : next_words()) {
                   if (!words_so_far.empty())
                       groups += (groups.empty() ? "" : "|") + quoted(words_so_far);
               }
               return groups;
           }() +
           ") ;; *) break ;; esac\n"
           "        ;;\n"
           "    esac\n"
           "  done\n";
}

/// Which names of collections the command's first argument is one of: what `completion` prints
/// them by; empty: none.
std::string_view names_for(const Command& command) {
    const std::string_view words = command.words;
    if (words.starts_with("record ") || words == "export") return "collections";
    const bool declared = words == "collection set" || words == "collection rm" ||
                          words == "collection show" || words == "show";
    return declared ? "declared" : "";
}
/// The same of an option's value.
std::string_view names_for(const Option& option) {
    return option.value == "COLLECTION" ? "collections" : "";
}
/// bash and zsh: the names, one a line, of the store that the command line means.
std::string ask_for(std::string_view names) {
    return "taskstore \"${at[@]}\" completion " + std::string(names) + " 2>/dev/null";
}
/// What the word before is where the first argument comes; any word may stand before those of a
/// list.
std::string first_argument_of(const Command& command) {
    const bool repeats = command.arguments.ends_with("]…") && command.arguments.starts_with("[C");
    return repeats ? "*" : std::string(command.words.substr(command.words.rfind(' ') + 1));
}

std::string bash_completion() {
    std::string out =
        "# bash completion of taskstore; made by `taskstore completion bash`\n"
        "_taskstore() {\n"
        "  local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n" +
        find_command("COMP_WORDS", "COMP_CWORD", "1") +
        "  local next= options= files=\n"
        "  case $command in\n";
    for (const auto& [words, next] : next_words()) {
        std::string list;
        for (const auto& [word, help] : next) list += (list.empty() ? "" : " ") + word;
        out += "    " + quoted(words) + ") next=" + quoted(list) + " ;;\n";
    }
    for (const Command& command : commands()) {
        std::string options;
        std::string values;
        for (const Option& option : options_of(command)) {
            options += (options.empty() ? "" : " ") + dashed(option);
            if (!option.choices.empty())
                values += " " + dashed(option) + ") next=" + quoted(joined(option.choices)) + " ;;";
            if (const auto names = names_for(option); !names.empty())
                values += " " + dashed(option) + ") next=$(" + ask_for(names) + ") ;;";
        }
        if (const auto names = names_for(command); !names.empty())
            values +=
                " " + first_argument_of(command) + ") next+=\" $(" + ask_for(names) + ")\" ;;";
        out += "    " + quoted(command.words) + ") options=" + quoted(options);
        if (takes_file(command)) out += " files=1";
        if (command.words == "completion") out += " next='bash zsh fish'";
        if (!values.empty()) out += "; case $before in" + values + " esac";
        out += " ;;\n";
    }
    return out +
           "  esac\n"
           "  case $before in -C|--store) compopt -o dirnames; COMPREPLY=(); return ;; "
           "--output|-o) "
           "files=1 ;; esac\n"
           "  [[ $current == -* ]] && next=$options\n"
           "  COMPREPLY=($(compgen -W \"$next\" -- \"$current\"))\n"
           "  [[ -n $files && $current != -* ]] && COMPREPLY+=($(compgen -f -- \"$current\"))\n"
           "}\n"
           "complete -o filenames -F _taskstore taskstore\n";
}

std::string zsh_pair(std::string_view word, std::string_view help) {
    std::string text(word);
    for (std::size_t at = 0; (at = text.find(':', at)) != std::string::npos; at += 2)
        text.insert(at, "\\");
    return quoted(text + ":" + std::string(help));
}

std::string zsh_completion() {
    std::string out =
        "#compdef taskstore\n"
        "# zsh completion of taskstore; made by `taskstore completion zsh`\n"
        "_taskstore() {\n"
        "  local before=${words[CURRENT-1]}\n"
        "  local -a next options\n"
        "  local files=\n" +
        find_command("words", "CURRENT", "2") + "  case $command in\n";
    for (const auto& [words, next] : next_words()) {
        out += "    " + quoted(words) + ") next=(";
        for (const auto& [word, help] : next) out += zsh_pair(word, help) + " ";
        out.back() = ')';
        out += " ;;\n";
    }
    for (const Command& command : commands()) {
        std::string values;
        out += "    " + quoted(command.words) + ") options=(";
        for (const Option& option : options_of(command)) {
            out += zsh_pair(dashed(option), option.help) + " ";
            if (!option.choices.empty())
                values += " " + dashed(option) + ") next=(" + joined(option.choices) + ") ;;";
            if (const auto names = names_for(option); !names.empty())
                values += " " + dashed(option) + ") next=(${(f)\"$(" + ask_for(names) + ")\"}) ;;";
        }
        if (const auto names = names_for(command); !names.empty())
            values += " " + first_argument_of(command) + ") next+=(${(f)\"$(" + ask_for(names) +
                      ")\"}) ;;";
        out.back() = ')';
        if (takes_file(command)) out += " files=1";
        if (command.words == "completion") out += " next=(bash zsh fish)";
        if (!values.empty()) out += "; case $before in" + values + " esac";
        out += " ;;\n";
    }
    return out +
           "  esac\n"
           "  case $before in -C|--store) _files -/; return ;; --output|-o) files=1 ;; esac\n"
           "  if [[ $PREFIX == -* ]]; then _describe option options; return; fi\n"
           "  (( $#next )) && _describe word next\n"
           "  [[ -n $files ]] && _files\n"
           "}\n"
           "if [[ $funcstack[1] == _taskstore ]]; then _taskstore \"$@\"; else compdef _taskstore "
           "taskstore; fi\n";
}

std::string fish_completion() {
    std::string out =
        "# fish completion of taskstore; made by `taskstore completion fish`\n"
        "function __taskstore_at\n"
        "  set -l words\n"
        "  set -l skip 0\n"
        "  for word in (commandline -opc)[2..-1]\n"
        "    if test $skip = 1; set skip 0; continue; end\n"
        "    switch $word\n"
        "      case --store -s -C; set skip 1\n"
        "      case '-*'\n"
        "      case '*'; set -a words $word\n"
        "    end\n"
        "  end\n"
        "  set -l wanted (string split ' ' -- \"$argv[1]\")\n"
        "  if test -z \"$argv[1]\"; test (count $words) = 0; return; end\n"
        "  test \"$words[1..\"(count $wanted)\"]\" = \"$argv[1]\"; or return 1\n"
        "  if test \"$argv[2]\" = exact; test (count $words) = (count $wanted); end\n"
        "end\n"
        "function __taskstore_names\n"
        "  set -l at\n"
        "  set -l take 0\n"
        "  for word in (commandline -opc)[2..-1]\n"
        "    if test $take = 1; set -a at $word; set take 0; continue; end\n"
        "    switch $word\n"
        "      case --store -s -C; set -a at $word; set take 1\n"
        "    end\n"
        "  end\n"
        "  command taskstore $at completion $argv[1] 2>/dev/null\n"
        "end\n"
        "complete -c taskstore -f\n";
    for (const auto& [words, next] : next_words()) {
        for (const auto& [word, help] : next) {
            out += "complete -c taskstore -n " +
                   quoted("__taskstore_at " + quoted(words) + " exact") + " -a " + quoted(word) +
                   " -d " + quoted(help) + "\n";
        }
    }
    for (const Command& command : commands()) {
        const std::string here =
            "complete -c taskstore -n " + quoted("__taskstore_at " + quoted(command.words));
        for (const Option& option : options_of(command)) {
            out += here;
            if (!option.name.empty()) out += " -l " + std::string(option.name);
            if (option.letter != '\0') out += std::string(" -s ") + option.letter;
            const bool file =
                option.value.find("FILE") != std::string_view::npos || option.value == "DIR";
            if (!option.value.empty()) out += file ? " -r -F" : " -x";
            if (!option.choices.empty()) out += " -a " + quoted(joined(option.choices));
            if (const auto names = names_for(option); !names.empty())
                out += " -a '(__taskstore_names " + std::string(names) + ")'";
            out += " -d " + quoted(option.help) + "\n";
        }
        if (const auto names = names_for(command); !names.empty()) {
            const bool all = first_argument_of(command) == "*";
            out += "complete -c taskstore -n " +
                   quoted("__taskstore_at " + quoted(command.words) + (all ? "" : " exact")) +
                   " -a '(__taskstore_names " + std::string(names) + ")'\n";
        }
        if (takes_file(command)) out += here + " -F\n";
        if (command.words == "completion") out += here + " -a 'bash zsh fish'\n";
    }
    return out;
}

/// Text of a man page: groff takes \ and a . or ' at the start of a line for itself.
std::string roff(std::string_view text) {
    constexpr std::string_view kEllipsis = "…";
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        if (text.substr(i).starts_with(kEllipsis)) {
            out += "\\[u2026]";
            i += kEllipsis.size() - 1;
        } else if (c == '\\') {
            out += "\\e";
        } else if (c == '-') {
            out += "\\-";
        } else if ((c == '.' || c == '\'') && (out.empty() || out.back() == '\n')) {
            out += std::string("\\&") + c;
        } else {
            out += c;
        }
    }
    return out;
}

void put_options(std::string& out, std::span<const Option> options) {
    for (const Option& option : options) {
        out += ".TP\n.B ";
        if (option.letter != '\0') out += roff(std::string("-") + option.letter);
        if (!option.name.empty())
            out += std::string(option.letter != '\0' ? ", " : "") +
                   roff("--" + std::string(option.name));
        if (!option.value.empty()) out += " \\fI" + roff(option.value) + "\\fR";
        out += "\n" + roff(option.help);
        if (!option.choices.empty()) out += roff(": " + joined(option.choices, ", "));
        out += "\n";
    }
}

std::string man_page() {
    std::string out =
        ".TH TASKSTORE 1 \"\" \"taskstore\" \"User Commands\"\n"
        ".SH NAME\ntaskstore \\- plans that travel with git, kept durably\n"
        ".SH SYNOPSIS\n.B taskstore\n.I COMMAND\n[\\fIARGUMENTS\\fR] [\\fIOPTIONS\\fR]\n"
        ".SH DESCRIPTION\n"
        "Keeps PRDs, task specs, executions, dependencies, workflows and records of any other kind "
        "in append\\-only JSONL files\nin\n.I .taskstore\nat the root of a git work tree, and a "
        "cache of them,\n.IR store.db ,\nthat can be deleted at any moment. What it says happened "
        "is on the disk.\n.PP\nAn id may be shortened to any unique part of it.\n"
        ".SH COMMANDS\n";
    for (const Command& command : commands()) {
        out += ".SS \"taskstore " + roff(command.words);
        if (!command.arguments.empty()) out += " " + roff(command.arguments);
        out += "\"\n" + roff(command.help) + "\n";
        const std::vector<Option> options = options_of(command);
        put_options(out, std::span(options).first(options.size() - global_options().size()));
        out += ".PP\n.nf\n.RS\n" + roff(command.examples) + "\n.RE\n.fi\n";
    }
    out += ".SH OPTIONS\nOf every command:\n";
    put_options(out, global_options());
    out += ".SH EXIT STATUS\n.TP\n.B 0\nsuccess, printed after the change is on the disk\n";
    std::map<int, std::string> by_exit;
    for (const CodeRow& row : code_rows()) {
        std::string& names = by_exit[row.exit_code];
        names += (names.empty() ? "" : ", ") + std::string(row.name);
    }
    for (const auto& [exit_code, names] : by_exit)
        out += ".TP\n.B " + std::to_string(exit_code) + "\n" + roff(names) + "\n";
    return out +
           ".SH ENVIRONMENT\n"
           ".TP\n.B TASKSTORE_DIR\nthe store's own folder, as\n.B \\-\\-store\n"
           ".TP\n.B TASKSTORE_HOME\nthe device's folder (default $XDG_DATA_HOME/taskstore)\n"
           ".TP\n.B TASKSTORE_CONFIG_SECTION__KEY\na setting;\n.B taskstore config show\nlists "
           "all\n"
           ".TP\n.B NO_COLOR\nno colours\n"
           ".SH FILES\n.TP\n.I .taskstore/*.jsonl\nthe records: tracked by git, the truth\n"
           ".TP\n.I .taskstore/schemas/*.json\nwhat collections are declared to be: tracked by "
           "git\n"
           ".TP\n.I .taskstore/store.db\nthe cache; built again when it is not there\n";
}

Status answer(Context& context, std::string_view kind, const std::string& text) {
    if (!context.json) {
        context.print(text);
        return ok();
    }
    std::string data;
    JsonWriter(data).string(text);
    context.print_json(kind, data);
    return ok();
}

/// One a line.
Result<std::string> collection_names(Context& context, bool only_declared) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    TASKSTORE_LET(const auto catalogue, plan->catalogue());
    TASKSTORE_LET(const auto all, plan->collections());
    std::string out;
    for (const auto& [name, count] : all) {
        const records::Kind* const kind = catalogue->find_collection(name);
        if (!only_declared || (kind != nullptr && kind->declared)) out += name + "\n";
    }
    return out;
}

}  // namespace

Status run_completion(Context& context) {
    const std::string& shell = context.call.arguments[0];
    if (shell == "bash") return answer(context, "completion", bash_completion());
    if (shell == "zsh") return answer(context, "completion", zsh_completion());
    if (shell == "fish") return answer(context, "completion", fish_completion());
    if (shell == "collections" || shell == "declared") {
        TASKSTORE_LET(const std::string names, collection_names(context, shell == "declared"));
        return answer(context, "completion", names);
    }
    return fail(Code::invalid, "there are no completions for '" + shell + "'")
        .with_hint("bash, zsh and fish have some");
}

Status run_manual(Context& context) {
    return answer(context, "manual", man_page());
}

}  // namespace taskstore::cli
