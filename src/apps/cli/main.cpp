// taskstore: parse, run, answer.

#include "context.hpp"

#include <taskstore/base/display.hpp>

#include <algorithm>
#include <cstdio>

namespace taskstore::cli {
namespace {

int report(const Error& error, bool json) {
    const CodeRow& row = row_of(error.code);
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
        writer.key("hint").string(error.hint).end_object().end_object();
        std::fprintf(stderr, "%s\n", printable_json(out).c_str());
    } else {
        std::fprintf(stderr, "taskstore: %s\n", printable_text(error.message).c_str());
        if (!error.hint.empty()) std::fprintf(stderr, "  %s\n", printable_text(error.hint).c_str());
    }
    return row.exit_code;
}

int run(const std::vector<std::string>& words) {
    const bool json = std::ranges::find(words, "--json") != words.end();
    auto call = parse(words);
    if (!call) return report(call.error(), json);
    if (call->help) {
        const std::string text = call->command != nullptr ? help_of(*call->command) : overview();
        std::fputs(text.c_str(), stdout);
        return words.empty() ? 2 : 0;
    }
    Context context(std::move(*call));
    const Status status = context.call.command->run(context);
    context.flush_notes();
    if (std::fflush(stdout) != 0 || std::ferror(stdout) != 0)
        return report(Error{Code::failed, "standard output cannot be written", {}, 0}, json);
    return status ? 0 : report(status.error(), json);
}

}  // namespace
}  // namespace taskstore::cli

int main(int argc, char** argv) {
    std::vector<std::string> words(argv + 1, argv + argc);
    if (words.size() == 1 && (words[0] == "-V" || words[0] == "--version")) words[0] = "version";
    return taskstore::cli::run(words);
}
