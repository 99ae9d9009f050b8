// Lists of tasks, and search.

#include "sql_task_store.hpp"
#include "task_filter.hpp"

#include <task_sql.hpp>

#include <algorithm>

namespace taskstore::tasks {
namespace {

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

Failure part_of_many(const std::string& part, const std::vector<std::string>& ids) {
    std::string list;
    for (const std::string& id : ids) list += "\n  " + id;
    return fail(Code::conflict, "'" + part + "' is part of more than one task's id:" + list)
        .with_hint("give more of the id");
}

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

Result<std::string> SqlTaskStore::find_id(const std::string& part) {
    if (part.empty()) return fail(Code::invalid, "an id is needed");
    TASKSTORE_TRY(check_member("an id", part));
    // Behind everything that begins with it.
    const std::string end = part + "\xF4\x8F\xBF\xBF";
    std::vector<std::string> found;
    for (const sql::BoundStatement& look :
         {sql::BoundStatement{.sql = task_sql::find_id, .values = {part}},
          sql::BoundStatement{.sql = task_sql::find_ids_from, .values = {part, end}},
          sql::BoundStatement{.sql = task_sql::find_ids_with, .values = {part}}}) {
        TASKSTORE_LET(const auto answers, read_one(look));
        for (const auto& row : answers[0].rows) found.push_back(RowReader(row).text());
        if (!found.empty()) break;
    }
    if (found.size() == 1) return found[0];
    if (found.size() > 1) return part_of_many(part, found);
    TASKSTORE_LET(const auto kept, archive());
    if (kept) return kept->find_id(part);
    return no_such_task(part);
}

Result<TaskPage> SqlTaskStore::list_tasks(const TaskFilter& filter) {
    TASKSTORE_TRY(check_filter(filter));
    Conditions where;
    std::string_view ready;
    if (filter.part == TaskPart::ready) {
        // What has become due since the last claim is not in order yet, and mostly there is none.
        TASKSTORE_LET(const auto looked, read_one({.sql = x_read_texts.look, .values = {now()}}));
        const bool promotes =
            looked[0].rows.at(0).at(kPromotesColumn) != sql::Value{std::int64_t{0}};
        ready = promotes ? x_read_texts.is_ready_or_due : x_read_texts.is_ready;
        where.bound(now());
    }
    // A search that goes by its index finds tasks in the order of the answer.
    const bool search = !filter.words.empty();
    const std::string created_at = search ? "found.at" : "created_at";
    if (search) {
        TASKSTORE_LET(auto tokens, tokens_of_words(filter.words));
        TASKSTORE_TRY(sort_by_rarity(tokens));
        add_tokens(where, tokens);
    }
    add_filter(where, filter, created_at, ready);
    const Ordered order = ordered_by(filter, created_at);
    const std::string id = search && order.column == created_at ? "found.task_id" : "id";
    TASKSTORE_TRY(add_cursor(where, filter.after, order, id));
    std::string text = (search ? x_texts.search_tasks : x_texts.list_tasks) + where.text;
    text += order_and_limit(where, filter, order, id);
    TASKSTORE_LET(const auto answers, read_one({.sql = text, .values = std::move(where.values)}));
    return page_of(answers[0], filter, order, task_of);
}

}  // namespace taskstore::tasks
