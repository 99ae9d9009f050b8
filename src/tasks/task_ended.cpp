// Tasks that have ended: which may go, all of them as rows, and their end here (prune.hpp).

#include "sql_task_store.hpp"

#include <task_sql.hpp>
#include <taskstore/base/json.hpp>

#include <map>

namespace taskstore::tasks {
namespace {

/// [[id, revision], …]
std::string pairs_of(std::span<const EndedTask> tasks) {
    std::string out;
    JsonWriter writer(out);
    writer.begin_array();
    for (const EndedTask& one : tasks) {
        writer.begin_array();
        writer.string(one.id);
        writer.integer(one.revision);
        writer.end_array();
    }
    writer.end_array();
    return out;
}

}  // namespace

Result<std::vector<EndedTask>> SqlTaskStore::ended_tasks(const EndedAsked& asked) {
    TASKSTORE_LET(const auto answers,
                  read_one({.sql = x_texts.ended_tasks,
                            .values = {now(), asked.by, std::string(name_of(asked.status)),
                                       asked.after_created_at, asked.after_id,
                                       value_of(asked.project), asked.limit}}));
    std::vector<EndedTask> tasks;
    for (const auto& row : answers[0].rows) {
        RowReader read(row);
        EndedTask one{.id = read.text(), .revision = read.number(), .created_at = read.number()};
        const std::int64_t stage = read.number();
        one.is_old = stage > 0;
        one.may_go = stage > 1;
        tasks.push_back(std::move(one));
    }
    return tasks;
}

Result<WholeTasks> SqlTaskStore::whole_tasks(std::span<const EndedTask> tasks) {
    const std::string pairs = pairs_of(tasks);
    const Statements batch{{.sql = x_texts.whole_tasks, .values = {pairs}},
                           {.sql = x_texts.whole_histories, .values = {pairs}}};
    TASKSTORE_LET(auto answers, x_database.read_batch(batch));
    std::map<std::string, std::int64_t> wanted;
    for (const EndedTask& one : tasks) wanted.emplace(one.id, one.revision);
    WholeTasks whole;
    for (auto& row : answers[0].rows) {
        const auto found = wanted.find(RowReader(row).text());
        const auto* const revision = std::get_if<std::int64_t>(&row.at(kRevisionColumn));
        if (found == wanted.end()) continue;
        if (revision == nullptr || *revision != found->second)
            wanted.erase(found);
        else
            whole.tasks.push_back(std::move(row));
    }
    for (auto& row : answers[1].rows)
        if (wanted.contains(RowReader(row).text_at(1))) whole.histories.push_back(std::move(row));
    return whole;
}

Result<Written<std::int64_t>> SqlTaskStore::forget_tasks(std::span<const EndedTask> tasks) {
    const std::string pairs = pairs_of(tasks);
    const std::int64_t write = draw();
    Statements batch{{.sql = x_texts.hold_ended, .values = {pairs}},
                     {.sql = x_texts.mark_ended, .values = {now(), write, pairs}}};
    for (const std::string* const sql :
         {&x_texts.forget_history_of_ended, &x_texts.forget_edges_of_ended,
          &x_texts.forget_edges_on_ended, &x_texts.forget_keys_of_ended, &x_texts.forget_ended})
        batch.push_back({.sql = *sql, .values = {pairs, write}});
    TASKSTORE_LET(const sql::Committed committed, write_batch(batch, {.alone = true}));
    return Written<std::int64_t>{std::ssize(committed.answers.back().rows), committed.level};
}

}  // namespace taskstore::tasks
