// Requests that were answered: the same one again has no second effect and gets the first answer.

#include "sql_task_store.hpp"

#include <task_sql.hpp>
#include <taskstore/base/hash.hpp>
#include <taskstore/base/json.hpp>

namespace taskstore::tasks {
namespace {

constexpr std::int64_t kAnswerKeptMs = 86'400'000;

struct Answer {
    std::string id;
    std::int64_t revision = 0;
    TaskStatus status = TaskStatus::pending;
    std::int64_t fence = 0;
    std::optional<std::int64_t> lease_expires_at;
    std::int64_t at = 0;
};

Result<std::vector<Answer>> answers_of(const std::string& text) {
    std::vector<Answer> answers;
    TASKSTORE_LET(const Json list, Json::parse(text));
    for (std::size_t i = 0; i < list.size(); ++i) {
        const Json one = list.at(i);
        const auto id = one.at(0).as_string();
        const auto status = status_of(one.at(2).as_string().value_or(""));
        if (!id || !status) return fail(Code::corrupt, "an answer of no known form: " + text);
        answers.push_back({*id, one.at(1).as_int64().value_or(0), *status,
                           one.at(3).as_int64().value_or(0), one.at(4).as_int64(),
                           one.at(5).as_int64().value_or(0)});
    }
    return answers;
}

}  // namespace

SqlTaskStore::Request SqlTaskStore::request_of(std::string_view verb, const Hold& hold,
                                               std::initializer_list<sql::Value> values) {
    if (hold.request_id.empty()) return {};
    std::string text = hold.task_id + "\n" + std::to_string(hold.fence.value_or(-1));
    for (const sql::Value& value : values) {
        const auto* const word = std::get_if<std::string>(&value);
        const auto* const number = std::get_if<std::int64_t>(&value);
        text += "\n" + (word != nullptr     ? "t" + std::to_string(word->size()) + ":" + *word
                        : number != nullptr ? std::to_string(*number)
                                            : std::string("n"));
    }
    return {hold.request_id, verb, sha256_hex(text)};
}

/// The tasks of the first answer, as it told of them.
Result<std::optional<std::vector<Task>>> SqlTaskStore::answer_to(const Request& request) {
    using Tasks = std::optional<std::vector<Task>>;
    if (request.id.empty()) return Tasks();
    TASKSTORE_TRY(check_name("request_id", request.id));
    TASKSTORE_LET(const auto found,
                  read_one({.sql = x_read_texts.find_request, .values = {now(), request.id}}));
    if (found[0].rows.empty()) return Tasks();
    RowReader read(found[0].rows[0]);
    const bool same = read.text() == request.verb && read.text() == request.fingerprint;
    if (!same)
        return taskstore::fail(Code::conflict,
                               "the request '" + request.id + "' was another one the first time")
            .with_hint("give each request an id of its own");
    TASKSTORE_LET(const auto answers, answers_of(RowReader(found[0].rows[0]).text_at(2)));
    Statements gets;
    for (const Answer& one : answers) gets.push_back({.sql = x_texts.get_task, .values = {one.id}});
    std::vector<Task> tasks;
    if (gets.empty()) return Tasks(std::move(tasks));
    TASKSTORE_LET(const auto rows, x_database.read_batch(gets));
    for (std::size_t i = 0; i < answers.size(); ++i) {
        std::optional<Task> kept;
        if (rows[i].rows.empty()) {
            TASKSTORE_LET(kept, get_archived(answers[i].id));
        } else {
            TASKSTORE_LET(kept, task_of(rows[i].rows[0]));
        }
        if (!kept) continue;  // Removed since.
        Task& task = *kept;
        if (task.revision != answers[i].revision) {
            task.revision = answers[i].revision;
            task.status = answers[i].status;
            task.fence = answers[i].fence;
            task.lease_expires_at = answers[i].lease_expires_at;
            task.updated_at = answers[i].at;
        }
        tasks.push_back(std::move(task));
    }
    return Tasks(std::move(tasks));
}

void SqlTaskStore::keep_answer(Statements& batch, const Request& request, const std::string& task,
                               std::int64_t write) const {
    if (request.id.empty()) return;
    batch.push_back({.sql = x_texts.drop_expired_request, .values = {now(), request.id}});
    batch.push_back({.sql = x_texts.answer_of_write,
                     .values = {now(), request.id, std::string(request.verb), request.fingerprint,
                                kAnswerKeptMs, task, write}});
}

/// Takes the place of the answer before anything is claimed: the same request, while this one is
/// on its way, waits for it and is refused, and does not find nothing because this one has it.
void SqlTaskStore::take_request(Statements& batch, const Request& request) const {
    if (request.id.empty()) return;
    batch.push_back({.sql = x_texts.drop_expired_request, .values = {now(), request.id}});
    batch.push_back({.sql = x_texts.take_request,
                     .values = {now(), request.id, std::string(request.verb), request.fingerprint,
                                kAnswerKeptMs}});
}

/// Fills that place, or gives it back where there was nothing to claim.
void SqlTaskStore::answer_request(Statements& batch, const Request& request,
                                  const std::string& worker, std::int64_t write) const {
    if (request.id.empty()) return;
    batch.push_back({.sql = x_texts.answer_of_claim, .values = {request.id, worker, write}});
    batch.push_back({.sql = task_sql::give_back_request, .values = {request.id}});
}

}  // namespace taskstore::tasks
