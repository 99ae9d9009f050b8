#include "naming.hpp"

#include <taskstore/base/display.hpp>

#include <charconv>

namespace taskstore::cli {

std::string noun_of(std::string_view collection) {
    const records::Kind* kind = records::find_kind(collection);
    return kind != nullptr ? std::string(kind->noun) : std::string(collection);
}

Result<std::int64_t> limit_of(Context& context) {
    if (!context.call.has("limit")) {
        TASKSTORE_LET(const config::Config* const config, context.settings());
        return config->integer("list.limit");
    }
    const std::string text = context.call.value("limit", "0");
    std::int64_t limit = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), limit);
    if (error != std::errc() || end != text.data() + text.size() || limit <= 0) {
        return fail(Code::invalid, "--limit wants a number from 1, not '" + text + "'");
    }
    return limit;
}

Result<std::string> collection_of(Context& context, const std::string& word) {
    if (!ledger::is_collection_name(word)) {
        return fail(Code::invalid,
                    "'" + word + "' is no collection's name: 1 to 64 of A-Z a-z 0-9 _ -");
    }
    const records::Kind* kind = records::find_kind(word);
    if (kind == nullptr || kind->collection == word) return word;
    TASKSTORE_LET(const std::string folder, context.ledger_folder());
    if (context.files.info(os::join_path(folder, word + ".jsonl"))) return word;
    return std::string(kind->collection);
}

Result<records::Found> find_anywhere(Context& context, records::Plan& plan) {
    const std::vector<std::string>& words = context.call.arguments;
    const std::string& part = words.back();
    std::string collection;
    if (words.size() > 1) {
        TASKSTORE_LET(collection, collection_of(context, words[0]));
    }
    TASKSTORE_LET(const auto found, plan.find(part, collection));
    if (found.size() == 1) return found[0];
    if (found.empty())
        return fail(Code::not_found, "nothing has the id '" + part + "'")
            .with_hint("'taskstore list-prds' and 'taskstore KIND list' show ids");
    std::string list;
    for (const records::Found& one : found)
        list += "\n  " + noun_of(one.collection) + " " + printable_line(one.id) +
                (one.deleted ? " (deleted)" : "");
    return fail(Code::conflict, "'" + part + "' names more than one record:" + list)
        .with_hint("give more of the id, or the collection before it");
}

}  // namespace taskstore::cli
