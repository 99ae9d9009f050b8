// Lists of tasks, and search.

#include "sql_task_store.hpp"

#include <task_sql.hpp>
#include <taskstore/base/json.hpp>
#include <taskstore/sql/tokens.hpp>

#include <algorithm>
#include <array>

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

void add_range(Conditions& where, const std::string& column, const Range& range) {
    if (range.least) where.add(column + " >= " + where.bound(*range.least));
    if (range.most) where.add(column + " <= " + where.bound(*range.most));
}

/// Of a JSON array of strings, the same on every engine: within one of them a quote has a backslash
/// before it.
void add_capability(Conditions& where, const std::string& word) {
    std::string first = json_list({word});
    first.pop_back();
    const std::string later = "," + first.substr(1);
    where.add("(replace(capabilities, " + where.bound(first) + ", '') <> capabilities OR " +
              "replace(capabilities, " + where.bound(later) + ", '') <> capabilities)");
}

void add_filter(Conditions& where, const TaskFilter& filter, const std::string& created_at) {
    if (filter.status) where.add("status = " + where.bound(std::string(name_of(*filter.status))));
    if (filter.project) where.add("project = " + where.bound(*filter.project));
    if (filter.assigned_to) where.add("assigned_to = " + where.bound(*filter.assigned_to));
    if (filter.agent_type) where.add("agent_type = " + where.bound(*filter.agent_type));
    for (const std::string& word : filter.capabilities) add_capability(where, word);
    add_range(where, "priority", filter.priority);
    add_range(where, created_at, filter.created_at);
    add_range(where, "updated_at", filter.updated_at);
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

/// invalid: what no database could hold.
Status check_words(const TaskFilter& filter) {
    for (const auto* word :
         {&filter.project, &filter.assigned_to, &filter.agent_type, &filter.spec_id})
        if (*word) TASKSTORE_TRY(check_member("a filter", **word));
    for (const std::string& word : filter.capabilities)
        TASKSTORE_TRY(check_member("a capability", word));
    return ok();
}

/// How a list is ordered, and what its cursors begin with.
struct Ordered {
    std::string mark;
    std::string column;
    bool descending = false;
    std::int64_t place_of(const Task& task) const {
        if (mark[0] == 'p') return rank_of(task);
        return mark[0] == 'u' ? task.updated_at : task.created_at;
    }
    std::string cursor_after(const Task& task) const {
        return mark + std::to_string(place_of(task)) + "." + task.id;
    }
};

Ordered ordered_by(const TaskFilter& filter, const std::string& created_at) {
    const auto of = [&](const char* mark, const std::string& column, bool descending) {
        return Ordered{mark + std::string(filter.descending ? "-" : ""), column, descending};
    };
    switch (filter.order) {
        case TaskOrder::by_part:
            // What may be claimed is listed in the order of claims.
            if (filter.part == TaskPart::ready) return {"p-", "rank", false};
            return {"c-", created_at, true};
        case TaskOrder::created:
            return of("c", created_at, filter.descending);
        case TaskOrder::updated:
            return of("u", "updated_at", filter.descending);
        case TaskOrder::priority:
            return of("p", "rank", !filter.descending);
    }
    return {};
}

Status add_cursor(Conditions& where, const std::string& cursor, const Ordered& order,
                  const std::string& id) {
    if (cursor.empty()) return ok();
    const std::size_t dot = cursor.find('.');
    const std::size_t digits = std::min(cursor.find_first_of("0123456789"), cursor.size());
    const auto at = dot == std::string::npos || dot < digits
                        ? std::nullopt
                        : raw_to_int64(std::string_view(cursor).substr(digits, dot - digits));
    if (!at || cursor.substr(0, digits) != order.mark)
        return fail(Code::invalid, "'" + cursor + "' is no cursor of this list of tasks")
            .with_hint("take next_cursor of the page before, in the same order, or begin anew");
    TASKSTORE_TRY(check_member("cursor", cursor));
    const std::string place = where.bound(*at);
    where.add("(" + order.column + ", " + id + ") " + (order.descending ? "<" : ">") + " (" +
              place + ", " + where.bound(cursor.substr(dot + 1)) + ")");
    return ok();
}

}  // namespace

bool order_by(std::string_view word, TaskFilter& filter) {
    constexpr std::array kOrders{std::pair{std::string_view("created"), TaskOrder::created},
                                 std::pair{std::string_view("updated"), TaskOrder::updated},
                                 std::pair{std::string_view("priority"), TaskOrder::priority}};
    const bool descending = word.starts_with('-');
    for (const auto& [name, order] : kOrders) {
        if (word.substr(descending ? 1 : 0) != name) continue;
        filter.order = order;
        filter.descending = descending;
        return true;
    }
    return false;
}

bool comes_before(const TaskFilter& filter, const Task& a, const Task& b) {
    const Ordered order = ordered_by(filter, {});
    const auto here = std::make_pair(order.place_of(a), std::string_view(a.id));
    const auto there = std::make_pair(order.place_of(b), std::string_view(b.id));
    return order.descending ? here > there : here < there;
}

std::string cursor_after(const TaskFilter& filter, const Task& last) {
    return ordered_by(filter, {}).cursor_after(last);
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
    if (found.empty())
        return no_such_task(part).with_hint("look at 'taskstore task list --all-projects'");
    std::string list;
    for (const std::string& id : found) list += "\n  " + id;
    return fail(Code::conflict, "'" + part + "' is part of more than one task's id:" + list)
        .with_hint("give more of the id");
}

Result<TaskPage> SqlTaskStore::list_tasks(const TaskFilter& filter) {
    if (filter.limit < 1 || filter.limit > kPageMax)
        return fail(Code::invalid, "limit " + std::to_string(filter.limit) + " is not in 1.." +
                                       std::to_string(kPageMax));
    Conditions where;
    // A search that goes by its index finds tasks in the order of the answer.
    const bool search = !filter.words.empty();
    const std::string created_at = search ? "found.at" : "created_at";
    if (search) {
        TASKSTORE_LET(auto tokens, tokens_of_words(filter.words));
        TASKSTORE_TRY(sort_by_rarity(tokens));
        add_tokens(where, tokens);
    }
    TASKSTORE_TRY(check_words(filter));
    add_filter(where, filter, created_at);
    const Ordered order = ordered_by(filter, created_at);
    const std::string id = search && order.column == created_at ? "found.task_id" : "id";
    TASKSTORE_TRY(add_cursor(where, filter.after, order, id));
    const std::string direction = order.descending ? " DESC" : "";
    const std::string text = (search ? x_texts.search_tasks : x_texts.list_tasks) + where.text +
                             " ORDER BY " + order.column + direction + ", " + id + direction +
                             " LIMIT " + where.bound(filter.limit + 1);
    TASKSTORE_LET(const auto answers, read_one({.sql = text, .values = std::move(where.values)}));
    TaskPage page;
    for (const auto& row : answers[0].rows) {
        if (std::ssize(page.tasks) == filter.limit) {
            page.next_cursor = order.cursor_after(page.tasks.back());
            break;
        }
        TASKSTORE_LET(Task task, task_of(row));
        page.tasks.push_back(std::move(task));
    }
    return page;
}

}  // namespace taskstore::tasks
