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
    sql::BoundStatement look{
        .sql = asked.project ? x_texts.ended_tasks_of_project : x_texts.ended_tasks,
        .values = {now(), asked.by, std::string(name_of(asked.status)), asked.after_created_at,
                   asked.after_id, asked.limit}};
    if (asked.project) look.values.emplace_back(*asked.project);
    TASKSTORE_LET(const auto answers, read_one(std::move(look)));
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

Result<std::size_t> SqlTaskStore::slice_of(std::span<const EndedTask> tasks) {
    TASKSTORE_LET(const auto answers,
                  read_one({.sql = x_texts.measure_tasks, .values = {pairs_of(tasks)}}));
    std::map<std::string, std::int64_t> bytes_of;
    for (const auto& row : answers[0].rows) {
        RowReader read(row);
        const std::string id = read.text();
        bytes_of[id] = read.number();
    }
    std::int64_t bytes = 0;
    for (std::size_t i = 0; i < tasks.size(); ++i) {
        bytes += bytes_of[tasks[i].id];
        if (i > 0 && bytes > kWholeBytes) return i;
    }
    return tasks.size();
}

Result<WholeTasks> SqlTaskStore::whole_tasks(std::span<const EndedTask> tasks) {
    WholeTasks whole;
    TASKSTORE_LET(whole.looked_at, slice_of(tasks));
    tasks = tasks.first(whole.looked_at);
    const std::string pairs = pairs_of(tasks);
    const Statements batch{{.sql = x_texts.whole_tasks, .values = {pairs}},
                           {.sql = x_texts.whole_histories, .values = {pairs}}};
    TASKSTORE_LET(auto answers, x_database.read_batch(batch));
    std::map<std::string, std::int64_t> wanted;
    for (const EndedTask& one : tasks) wanted.emplace(one.id, one.revision);
    for (auto& row : answers[0].rows) {
        const auto found = wanted.find(RowReader(row).text());
        const auto* const revision =
            std::get_if<std::int64_t>(&row.at(static_cast<std::size_t>(kRevisionColumn)));
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

Result<Written<std::vector<std::string>>> SqlTaskStore::forget_tasks(
    std::span<const EndedTask> tasks) {
    const std::string pairs = pairs_of(tasks);
    const std::int64_t write = draw();
    Statements batch{{.sql = x_texts.hold_ended, .values = {pairs}},
                     {.sql = x_texts.mark_ended, .values = {now(), write, pairs}}};
    for (const std::string* const sql :
         {&x_texts.forget_history_of_ended, &x_texts.forget_edges_of_ended,
          &x_texts.forget_edges_on_ended, &x_texts.forget_keys_of_ended, &x_texts.forget_ended})
        batch.push_back({.sql = *sql, .values = {pairs, write}});
    TASKSTORE_LET(const sql::Committed committed, write_batch(batch, {.alone = true}));
    return Written<std::vector<std::string>>{ids_of(committed.answers.back()), committed.level};
}

Result<std::vector<KnownTask>> SqlTaskStore::known_tasks(std::span<const std::string> ids) {
    TASKSTORE_LET(const auto answers,
                  read_one({.sql = x_texts.known_tasks, .values = {ids_json(ids)}}));
    std::vector<KnownTask> known;
    for (const auto& row : answers[0].rows) {
        RowReader read(row);
        known.push_back({.id = read.text(), .removed = read.number() != 0});
    }
    return known;
}

Result<std::vector<MadeTask>> SqlTaskStore::tasks_made_by(const MadeAsked& asked) {
    TASKSTORE_LET(const auto answers,
                  read_one({.sql = task_sql::tasks_made_by,
                            .values = {asked.by, value_of(asked.project), asked.after_created_at,
                                       asked.after_id, asked.limit}}));
    std::vector<MadeTask> tasks;
    for (const auto& row : answers[0].rows) {
        RowReader read(row);
        tasks.push_back({.id = read.text(), .created_at = read.number()});
    }
    return tasks;
}

}  // namespace taskstore::tasks
