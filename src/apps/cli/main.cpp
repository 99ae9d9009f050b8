// taskstore: parse, run, answer.

#include "context.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/base/secrets.hpp>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <span>

namespace taskstore::cli {
namespace {

/// Whether what is not found is one of the device's databases, and no record.
bool is_about_databases(const Command* command, const Invocation& call) {
    if (command == nullptr) return false;
    constexpr std::array<std::string_view, 4> kVerbs{"migrate", "backup", "restore", "move"};
    return std::ranges::find(kVerbs, command->words) != kVerbs.end() ||
           command->words.starts_with("task ") || command->words.starts_with("schedule ") ||
           command->words == "query" || call.has("database");
}

/// What to do next, where the error itself does not say.
std::string hint_of(const Error& error, const Command* command, bool databases) {
    if (!error.hint.empty()) return error.hint;
    switch (error.code) {
        case Code::invalid:
            return "see 'taskstore " +
                   (command != nullptr ? std::string(command->words) + " " : std::string()) +
                   "--help'";
        case Code::not_found:
            if (databases)
                return "'taskstore migrate --status' says where each database should be, 'migrate "
                       "--apply' makes what is missing; config.toml ([databases]) or "
                       "TASK_STORE_URL choose another place";
            return "'taskstore stats' says what is here, 'taskstore KIND list' shows ids";
        case Code::exists:
            return "choose another, or change the one that is there with 'set'";
        case Code::conflict:
            return "look at it again, then repeat the change";
        case Code::corrupt:
            return "'taskstore doctor' lists what is damaged and how to mend it";
        case Code::denied:
            return "look at who may read and write the files that are named";
        case Code::unsupported:
            return "'taskstore version --features' says what this program can do";
        case Code::outcome_unknown:
            return "run 'taskstore sync', then look whether the change is there";
        default:
            return row_of(error.code).retryable ? "try again" : "'taskstore doctor' may tell more";
    }
}

/// What a message lists below its first line, each indented by two.
std::vector<std::string> reasons_in(const std::string& message) {
    std::vector<std::string> reasons;
    for (std::size_t at = message.find('\n'); at != std::string::npos;) {
        const std::size_t end = message.find('\n', at + 1);
        const std::string line = message.substr(at + 1, end - at - 1);
        if (line.starts_with("  "))
            reasons.push_back(line.substr(2));
        else if (!reasons.empty())
            reasons.back() += "\n" + line;
        at = end;
    }
    return reasons;
}

int report(const Error& raw, bool json, const Command* command, bool databases = false) {
    // What words of the command line and other programs' messages repeat may hold a password.
    Error error = raw;
    error.message = without_passwords(raw.message, Wording::prose);
    const CodeRow& row = row_of(error.code);
    const std::string hint = without_passwords(hint_of(error, command, databases), Wording::prose);
    if (json) {
        std::string out;
        JsonWriter writer(out);
        writer.begin_object()
            .key("error")
            .begin_object()
            .key("code")
            .string(row.name)
            .key("message")
            .string(error.message);
        writer.key("hint").string(hint);
        if (const auto reasons = reasons_in(error.message); !reasons.empty()) {
            writer.key("reasons").begin_array();
            for (const std::string& reason : reasons) writer.string(reason);
            writer.end_array();
        }
        writer.end_object().end_object();
        std::fprintf(stderr, "%s\n", printable_json(out).c_str());
    } else {
        std::fprintf(stderr, "taskstore: %s\n", printable_text(error.message).c_str());
        std::fprintf(stderr, "  %s\n", printable_text(hint).c_str());
    }
    return row.exit_code;
}

/// The output could not be written. What the command did stands, and must not be done twice.
Error untold(const std::string& done) {
    if (done.empty()) {
        return {Code::failed, "standard output cannot be written",
                "see where it goes: to a full disk, or to a reader that is gone", 0};
    }
    return {Code::failed,
            "this is done and will last: " + done + "; only standard output cannot be written",
            "do not repeat it: 'taskstore history ID' shows what was written", 0};
}

int run(const std::vector<std::string>& words) {
    const auto end = std::ranges::find(words, "--");
    const bool json = std::find(words.begin(), end, "--json") != end;
    auto call = parse(words);
    if (!call) return report(call.error(), json, nullptr);
    const bool help = call->help;
    const Command* const command = call->command;
    Context context(std::move(*call));
    Status status;
    if (help && json)
        context.print_json("help", help_json(context.call));
    else if (help)
        context.print(command != nullptr ? help_of(*command) : overview(context.call.topic));
    else
        status = command->run(context);
    context.flush_notes();
    context.end_progress();
    const bool told = std::fflush(stdout) == 0 && std::ferror(stdout) == 0;
    if (!status)
        return report(status.error(), json, command, is_about_databases(command, context.call));
    if (!told) return report(untold(context.wrote), json, command);
    return words.empty() ? row_of(Code::invalid).exit_code : 0;
}

/// Takes passwords out of what `ps` shows of this process; `move --to URL` may hold one.
void hide_passwords(std::span<char* const> words) {
    for (char* const word : words) {
        const std::size_t bytes = std::strlen(word);
        std::string shown = without_passwords(word);
        if (shown == word) continue;
        shown.resize(bytes, '\0');
        std::memcpy(word, shown.data(), bytes);
    }
}

}  // namespace
}  // namespace taskstore::cli

int main(int argc, char** argv) {
    // Whoever started us may have left it ignored, and then no child could be waited for.
    std::signal(SIGCHLD, SIG_DFL);
    std::vector<std::string> words(argv + 1, argv + argc);
    taskstore::cli::hide_passwords(std::span(argv, static_cast<std::size_t>(argc)));
    if (words.size() == 1 && (words[0] == "-V" || words[0] == "--version")) words[0] = "version";
    return taskstore::cli::run(words);
}
