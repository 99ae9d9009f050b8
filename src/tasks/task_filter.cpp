#include "task_filter.hpp"

#include "task_checks.hpp"
#include "task_rows.hpp"

#include <taskstore/base/json.hpp>
#include <taskstore/sql/tokens.hpp>

#include <algorithm>
#include <array>

namespace taskstore::tasks {
namespace {

constexpr std::int64_t kPageMax = 10'000;
constexpr std::size_t kTokensMax = 32;

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

}  // namespace

void add_filter(Conditions& where, const TaskFilter& filter, const std::string& created_at,
                std::string_view ready) {
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
            where.add(ready);
            break;
        case TaskPart::blocked:
            where.add("status = 'pending' AND open_dependencies > 0");
            break;
        case TaskPart::dead:
            where.add("dead_at IS NOT NULL");
            break;
    }
}

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

Status check_filter(const TaskFilter& filter) {
    if (filter.limit < 1 || filter.limit > kPageMax)
        return fail(Code::invalid, "limit " + std::to_string(filter.limit) + " is not in 1.." +
                                       std::to_string(kPageMax));
    for (const auto* word :
         {&filter.project, &filter.assigned_to, &filter.agent_type, &filter.spec_id})
        if (*word) TASKSTORE_TRY(check_member("a filter", **word));
    for (const std::string& word : filter.capabilities)
        TASKSTORE_TRY(check_member("a capability", word));
    return ok();
}

std::int64_t Ordered::place_of(const Task& task, const std::vector<sql::Value>& row) const {
    if (mark[0] == 'r') return std::get<std::int64_t>(row.back());
    if (mark[0] == 'p') return strict_rank_of(task);
    return mark[0] == 'u' ? task.updated_at : task.created_at;
}

std::string Ordered::cursor_after(const TaskPage& page, std::size_t at) const {
    return mark + std::to_string(page.places.at(at)) + "." + page.tasks.at(at).id;
}

Ordered ordered_by(const TaskFilter& filter, const std::string& created_at) {
    const auto of = [&](const char* mark, const std::string& column, bool descending) {
        return Ordered{mark + std::string(filter.descending ? "-" : ""), column, descending};
    };
    switch (filter.order) {
        case TaskOrder::by_part:
            // What may be claimed is listed in the order of claims.
            if (filter.part == TaskPart::ready) return {"r", "rank", false};
            return {"c-", created_at, true};
        case TaskOrder::created:
            return of("c", created_at, filter.descending);
        case TaskOrder::updated:
            return of("u", "updated_at", filter.descending);
        case TaskOrder::priority:
            return of("p", "((100 - priority) * 8796093022208 + created_at)", !filter.descending);
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

std::string order_and_limit(Conditions& where, const TaskFilter& filter, const Ordered& order,
                            const std::string& id) {
    const std::string direction = order.descending ? " DESC" : "";
    return " ORDER BY " + order.column + direction + ", " + id + direction + " LIMIT " +
           where.bound(filter.limit + 1);
}

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

bool comes_before(const TaskFilter& filter, const TaskPage& a, std::size_t at_a, const TaskPage& b,
                  std::size_t at_b) {
    const auto here = std::make_pair(a.places.at(at_a), std::string_view(a.tasks.at(at_a).id));
    const auto there = std::make_pair(b.places.at(at_b), std::string_view(b.tasks.at(at_b).id));
    return ordered_by(filter, {}).descending ? here > there : here < there;
}

std::string cursor_after(const TaskFilter& filter, const TaskPage& page, std::size_t at) {
    return ordered_by(filter, {}).cursor_after(page, at);
}

}  // namespace taskstore::tasks
