#include <taskstore/work/command_words.hpp>

namespace taskstore::work {
namespace {

Failure unfinished(std::string_view what) {
    return fail(Code::invalid, "the command ends " + std::string(what))
        .with_hint(
            "mend it: 'taskstore task set ID --command …'; or have a shell read it: --shell");
}

/// From behind the quote to behind its end.
bool take_quoted(std::string_view text, std::size_t& at, std::string& word) {
    const char quote = text[at++];
    for (; at < text.size(); ++at) {
        if (text[at] == quote) {
            ++at;
            return true;
        }
        const bool escapes = quote == '"' && text[at] == '\\' && at + 1 < text.size() &&
                             (text[at + 1] == '"' || text[at + 1] == '\\');
        if (escapes) ++at;
        word += text[at];
    }
    return false;
}

}  // namespace

Result<std::vector<std::string>> words_of_command(std::string_view command) {
    constexpr std::string_view kBlanks = " \t\r\n";
    std::vector<std::string> words;
    for (std::size_t at = 0; at < command.size();) {
        if (kBlanks.find(command[at]) != std::string_view::npos) {
            ++at;
            continue;
        }
        std::string word;
        while (at < command.size() && kBlanks.find(command[at]) == std::string_view::npos) {
            if (command[at] == '\'' || command[at] == '"') {
                if (!take_quoted(command, at, word)) return unfinished("inside of quotes");
                continue;
            }
            if (command[at] == '\\' && ++at == command.size())
                return unfinished("with a backslash");
            word += command[at++];
        }
        words.push_back(std::move(word));
    }
    if (words.empty() || words.front().empty())
        return fail(Code::invalid, "the command names no program");
    return words;
}

}  // namespace taskstore::work
