// What a task waits for, when that changes after it was made.

#include "sql_task_store.hpp"

#include <task_sql.hpp>

#include <algorithm>
#include <deque>
#include <map>

namespace taskstore::tasks {
namespace {

using Words = std::vector<std::string>;

bool has(const Words& words, const std::string& word) {
    return std::ranges::find(words, word) != words.end();
}

/// From `id` back to itself, where `from` waits for it; empty: it does not.
std::string circle(const std::string& id, const std::string& from, const sql::Rows& edges) {
    std::multimap<std::string, std::string> next;
    for (const auto& row : edges.rows) {
        RowReader read(row);
        std::string task = read.text();
        next.emplace(std::move(task), read.text());
    }
    std::map<std::string, std::string> came_from{{from, id}};
    std::deque<std::string> open{from};
    while (!open.empty() && open.front() != id) {
        const auto [first, last] = next.equal_range(open.front());
        for (auto edge = first; edge != last; ++edge)
            if (came_from.try_emplace(edge->second, open.front()).second)
                open.push_back(edge->second);
        open.pop_front();
    }
    if (open.empty()) return {};
    std::string text = id;
    std::string at = id;
    do {
        at = came_from.at(at);
        text = at + " → " + text;
    } while (at != id);
    return text;
}

}  // namespace

Status SqlTaskStore::apply_edges(const UpdateTask& change, Task& task,
                                 std::set<std::string>& settled) {
    if (change.add_dependencies.empty() && change.remove_dependencies.empty()) return ok();
    if (task.status == TaskStatus::in_progress || task.status == TaskStatus::completed)
        return fail(Code::conflict, "task '" + task.id + "' is " +
                                        std::string(name_of(task.status)) +
                                        ": it waits for nothing any more");
    for (const std::string& other : change.remove_dependencies)
        if (std::erase(task.depends_on, other) == 0)
            return fail(Code::not_found, "task '" + task.id + "' does not wait for '" + other + "'")
                .with_hint("'taskstore task show " + task.id + "' has what it waits for");
    for (const std::string& other : change.add_dependencies) {
        if (has(task.depends_on, other)) continue;
        Task alone = task;
        alone.on_failed_dependency =
            change.on_failed_dependency.value_or(task.on_failed_dependency);
        alone.depends_on = {other};
        TASKSTORE_TRY(find_settled(alone, settled));
        TASKSTORE_LET(const auto edges,
                      read_one({.sql = task_sql::edges_before, .values = {other}}));
        const std::string found =
            other == task.id ? other + " → " + other : circle(task.id, other, edges[0]);
        if (!found.empty())
            return fail(Code::conflict, "task '" + task.id + "' would wait for itself: " + found)
                .with_hint(
                    "take one of these dependencies away first: 'taskstore task set ID "
                    "--no-depends-on OTHER'");
        task.depends_on.push_back(other);
    }
    return ok();
}

void SqlTaskStore::hold_edges(Statements& batch, const Task& task, const Words& had, bool adds) {
    if (adds) batch.push_back({.sql = task_sql::lock_edges});
    Words others = had;
    others.insert(others.end(), task.depends_on.begin(), task.depends_on.end());
    std::ranges::sort(others);
    const auto again = std::ranges::unique(others);
    others.erase(again.begin(), again.end());
    // Nothing that it waits for comes to an end meanwhile.
    for (const std::string& other : others)
        batch.push_back({.sql = task_sql::touch_task, .values = {other}});
}

void SqlTaskStore::write_edges(Statements& batch, const Task& task, const Words& had,
                               const std::set<std::string>& settled, bool otherwise_ready,
                               std::int64_t write) const {
    for (const std::string& other : had)
        if (!has(task.depends_on, other))
            batch.push_back({.sql = task_sql::delete_edge, .values = {task.id, other, write}});
    const std::string policy(name_of(task.on_failed_dependency));
    for (const std::string& other : task.depends_on) {
        if (has(had, other) || settled.contains(other)) continue;
        batch.push_back({.sql = task_sql::add_edge,
                         .values = {task.id, other, policy, write},
                         .changes_expected = 1});
    }
    batch.push_back({.sql = task_sql::close_failed_edges, .values = {task.id, write}});
    batch.push_back({.sql = x_texts.count_open_again,
                     .values = {task.id, std::int64_t{otherwise_ready ? 1 : 0}, write}});
}

}  // namespace taskstore::tasks
