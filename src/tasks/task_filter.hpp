#pragma once
// What a filter says of a list of tasks, as SQL: of the tasks database and of the archive alike.

#include <taskstore/sql/database.hpp>
#include <taskstore/tasks/task_store.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace taskstore::tasks {

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

/// All but words, the cursor and the limit; `created_at` is the column's name here, `ready` says
/// what may be claimed.
void add_filter(Conditions& where, const TaskFilter& filter, const std::string& created_at,
                std::string_view ready);
/// invalid: a limit out of bounds, or what no database could hold.
Status check_filter(const TaskFilter& filter);
/// invalid: there is no word in them, or there are too many.
Result<std::vector<std::string>> tokens_of_words(const std::vector<std::string>& words);

/// How a list is ordered, and what its cursors begin with.
struct Ordered {
    std::string mark;
    std::string column;
    bool descending = false;
    /// `row` ends with the task's rank where tasks are listed that may be claimed.
    std::int64_t place_of(const Task& task, const std::vector<sql::Value>& row) const;
    std::string cursor_after(const TaskPage& page, std::size_t at) const;
};

Ordered ordered_by(const TaskFilter& filter, const std::string& created_at);
/// invalid: a cursor of another list.
Status add_cursor(Conditions& where, const std::string& cursor, const Ordered& order,
                  const std::string& id);
/// " ORDER BY … LIMIT ?", one row more than the filter wants.
std::string order_and_limit(Conditions& where, const TaskFilter& filter, const Ordered& order,
                            const std::string& id);
/// conflict, with candidates.
Failure part_of_many(const std::string& part, const std::vector<std::string>& ids);
/// The tasks of such a list's answer, that `read` makes of its rows.
template <typename Read>
Result<TaskPage> page_of(const sql::Rows& answer, const TaskFilter& filter, const Ordered& order,
                         const Read& read) {
    TaskPage page;
    for (const auto& row : answer.rows) {
        if (std::ssize(page.tasks) == filter.limit) {
            page.next_cursor = order.cursor_after(page, page.tasks.size() - 1);
            break;
        }
        TASKSTORE_LET(Task task, read(row));
        page.places.push_back(order.place_of(task, row));
        page.tasks.push_back(std::move(task));
    }
    return page;
}

}  // namespace taskstore::tasks
