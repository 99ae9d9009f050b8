// Lists of tasks, and search.

#include "sql_task_store.hpp"

#include <task_sql.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/sql/tokens.hpp>

#include <algorithm>

namespace taskstore::tasks {
namespace {

constexpr std::int64_t kPageMax = 10'000;
constexpr std::size_t kTokensMax = 32;

/// Conditions and their values, joined by AND.
struct Conditions {
    std::string text;
    std::vector<sql::Value> values;
    void add(std::string_view condition) {
        text += (text.empty() ? " WHERE " : " AND ") + std::string(condition);
    }
    std::string bound(sql::Value value) {
        values.push_back(std::move(value));
        return "?" + std::to_string(values.size());
    }
};

void add_filter(Conditions& where, const TaskFilter& filter) {
    if (filter.status) where.add("status = " + where.bound(std::string(name_of(*filter.status))));
    if (filter.project) where.add("project = " + where.bound(*filter.project));
    if (filter.spec_id) where.add("spec_id = " + where.bound(*filter.spec_id));
    switch (filter.part) {
        case TaskPart::all:
            break;
        case TaskPart::ready:
            where.add("ready = 1");
            break;
        case TaskPart::blocked:
            where.add("status = 'pending' AND open_dependencies > 0");
            break;
        case TaskPart::dead:
            where.add("dead_at IS NOT NULL");
            break;
    }
}

/// invalid: there is no word in them, or there are too many.
Result<std::vector<std::string>> tokens_of_words(const std::vector<std::string>& words) {
    std::string text;
    for (const std::string& word : words) text += word + " ";
    auto tokens = sql::tokens_of(text);
    if (tokens.empty())
        return fail(Code::invalid,
                    "there is no word to search for in '" + text.substr(0, text.size() - 1) + "'")
            .with_hint("words are made of letters and digits; everything else divides them");
    if (tokens.size() > kTokensMax)
        return fail(Code::invalid, "a search takes at most " + std::to_string(kTokensMax) +
                                       " words, not " + std::to_string(tokens.size()));
    return tokens;
}

/// The first of them is looked for, the others are looked up.
void add_tokens(Conditions& where, const std::vector<std::string>& tokens) {
    for (std::size_t i = 0; i < tokens.size(); ++i) {
        const std::string token = where.bound(tokens[i]);
        if (i == 0)
            where.add("found.token = " + token + " AND tasks.id = found.task_id");
        else
            where.add("EXISTS (SELECT 1 FROM task_words w WHERE w.token = " + token +
                      " AND w.at = found.at AND w.task_id = found.task_id)");
    }
}

}  // namespace

/// The rarest first, as far as a bounded look tells.
Status SqlTaskStore::sort_by_rarity(std::vector<std::string>& tokens) {
    if (tokens.size() < 2) return ok();
    Statements counts;
    for (const std::string& token : tokens)
        counts.push_back({.sql = task_sql::count_word, .values = {token}});
    TASKSTORE_LET(const auto answers, x_database.read_batch(counts));
    std::vector<std::pair<std::int64_t, std::string>> counted;
    for (std::size_t i = 0; i < tokens.size(); ++i)
        counted.emplace_back(RowReader(answers[i].rows.at(0)).number(), std::move(tokens[i]));
    std::ranges::sort(counted);
    for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = std::move(counted[i].second);
    return ok();
}

Result<TaskPage> SqlTaskStore::list_tasks(const TaskFilter& filter) {
    if (filter.limit < 1 || filter.limit > kPageMax)
        return fail(Code::invalid, "limit " + std::to_string(filter.limit) + " is not in 1.." +
                                       std::to_string(kPageMax));
    Conditions where;
    const bool search = !filter.words.empty();
    if (search) {
        TASKSTORE_LET(auto tokens, tokens_of_words(filter.words));
        TASKSTORE_TRY(sort_by_rarity(tokens));
        add_tokens(where, tokens);
    }
    add_filter(where, filter);
    // What may be claimed is listed in the order of claims. A search that goes by its index finds
    // tasks in the order of the answer.
    const bool by_rank = filter.part == TaskPart::ready;
    const std::string order = by_rank ? "rank" : search ? "found.at" : "created_at";
    const std::string id = search && !by_rank ? "found.task_id" : "id";
    if (!filter.after.empty()) {
        const std::size_t dot = filter.after.find('.');
        const auto at = raw_to_int64(std::string_view(filter.after).substr(0, dot));
        if (!at || dot == std::string::npos)
            return fail(Code::invalid, "'" + filter.after + "' is no cursor of a list of tasks")
                .with_hint("take next_cursor of the page before, or begin anew");
        const std::string bound = where.bound(*at);
        where.add("(" + order + ", " + id + ") " + (by_rank ? ">" : "<") + " (" + bound + ", " +
                  where.bound(filter.after.substr(dot + 1)) + ")");
    }
    const std::string direction = by_rank ? "" : " DESC";
    const std::string text = (search ? x_texts.search_tasks : x_texts.list_tasks) + where.text +
                             " ORDER BY " + order + direction + ", " + id + direction + " LIMIT " +
                             where.bound(filter.limit + 1);
    TASKSTORE_LET(const auto answers, read_one({.sql = text, .values = std::move(where.values)}));
    TaskPage page;
    for (const auto& row : answers[0].rows) {
        if (std::ssize(page.tasks) == filter.limit) {
            const Task& last = page.tasks.back();
            page.next_cursor =
                std::to_string(by_rank ? rank_of(last) : last.created_at) + "." + last.id;
            break;
        }
        TASKSTORE_LET(Task task, task_of(row));
        page.tasks.push_back(std::move(task));
    }
    return page;
}

}  // namespace taskstore::tasks
