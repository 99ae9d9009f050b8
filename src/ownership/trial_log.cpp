#include "trial_log.hpp"

#include <taskstore/base/json.hpp>

#include <limits>

namespace taskstore::ownership {
namespace {

using tasks::TaskStatus;

constexpr std::size_t kLogBytesMax = std::size_t{4} << 30U;

Result<Asked> call_of(const Json& json) {
    const auto act = act_of(json.get("call").as_string().value_or(""));
    if (!act) return fail(Code::corrupt, "a question of no known kind");
    return Asked{.call = {.number = json.get("n").as_int64().value_or(0),
                          .act = *act,
                          .at_ns = json.get("at").as_int64().value_or(0),
                          .task = json.get("task").as_string().value_or(""),
                          .fence = json.get("fence").as_int64().value_or(0),
                          .lease_ms = json.get("lease").as_int64().value_or(0),
                          .limit = json.get("limit").as_int64().value_or(1)},
                 .answer = {}};
}

Result<Answer> answer_of(const Json& json) {
    const auto outcome = outcome_of(json.get("outcome").as_string().value_or(""));
    if (!outcome) return fail(Code::corrupt, "an answer of no known kind");
    Answer answer{.outcome = *outcome, .at_ns = json.get("at").as_int64().value_or(0)};
    const Json list = json.get("tasks");
    for (std::size_t i = 0; i < list.size(); ++i) {
        const Json one = list.at(i);
        const auto status = tasks::status_of(one.at(2).as_string().value_or(""));
        if (!status) return fail(Code::corrupt, "a status of no known name");
        answer.tasks.push_back(
            {one.at(0).as_string().value_or(""), one.at(1).as_int64().value_or(0), *status});
    }
    return answer;
}

Status take_line(std::vector<Asked>& all, std::string_view line) {
    TASKSTORE_LET(const Json json, Json::parse(line));
    if (json.has("call")) {
        TASKSTORE_LET(Asked asked, call_of(json));
        all.push_back(std::move(asked));
        return ok();
    }
    // Questions are asked one after the other: an answer is to the last one.
    if (all.empty() || all.back().call.number != json.get("n").as_int64())
        return fail(Code::corrupt, "an answer to no question");
    TASKSTORE_LET(all.back().answer, answer_of(json));
    return ok();
}

Operation operation_of(const std::string& process, const Call& call) {
    return {.process = process,
            .number = call.number,
            .act = call.act,
            .task = call.task,
            .begin_ns = call.at_ns,
            .outcome = Outcome::unknown,
            .fence = call.fence,
            .lease_ms = call.lease_ms};
}

}  // namespace

Result<TrialLog> TrialLog::open(os::FileSystem& files, const std::string& path) {
    TASKSTORE_LET(auto file, files.open(path, os::OpenMode::create, 0600));
    return TrialLog(std::move(file));
}

Status TrialLog::line(std::string text) {
    text += '\n';
    std::size_t written = 0;
    return x_file->append(text, written);
}

Status TrialLog::asked(const Call& call) {
    std::string text;
    JsonWriter(text)
        .begin_object()
        .key("n")
        .integer(call.number)
        .key("call")
        .string(name_of(call.act))
        .key("at")
        .integer(call.at_ns)
        .key("task")
        .string(call.task)
        .key("fence")
        .integer(call.fence)
        .key("lease")
        .integer(call.lease_ms)
        .key("limit")
        .integer(call.limit)
        .end_object();
    return line(std::move(text));
}

Status TrialLog::told(std::int64_t number, const Answer& answer) {
    std::string text;
    JsonWriter writer(text);
    writer.begin_object()
        .key("n")
        .integer(number)
        .key("outcome")
        .string(name_of(answer.outcome))
        .key("at")
        .integer(answer.at_ns)
        .key("tasks")
        .begin_array();
    for (const Answer::Told& one : answer.tasks)
        writer.begin_array()
            .string(one.task)
            .integer(one.fence)
            .string(tasks::name_of(one.status))
            .end_array();
    writer.end_array().end_object();
    return line(std::move(text));
}

Result<std::vector<Asked>> read_log(os::FileSystem& files, const std::string& path) {
    auto text = os::read_file(files, path, kLogBytesMax);
    if (!text && text.error().code == Code::not_found) return std::vector<Asked>();
    if (!text) return fail(std::move(text).error());
    std::vector<Asked> all;
    std::size_t at = 0;
    for (std::size_t end = text->find('\n'); end != std::string::npos;
         at = end + 1, end = text->find('\n', at)) {
        auto taken = take_line(all, std::string_view(*text).substr(at, end - at));
        if (!taken)
            return fail(Code::corrupt,
                        path + ": byte " + std::to_string(at) + ": " + taken.error().message);
    }
    return all;
}

std::vector<Operation> operations_of(const std::string& process, const std::vector<Asked>& asked) {
    std::vector<Operation> operations;
    for (const Asked& one : asked) {
        Operation operation = operation_of(process, one.call);
        if (!one.answer || one.answer->outcome == Outcome::unknown) {
            // Of looks nothing remains; which task a claim was about nobody knows, and whoever asks
            // it again is told.
            if (!operation.task.empty() && operation.act != Act::look)
                operations.push_back(std::move(operation));
            continue;
        }
        operation.end_ns = one.answer->at_ns;
        operation.outcome = one.answer->outcome;
        if (operation.outcome == Outcome::refused) {
            operations.push_back(std::move(operation));
            continue;
        }
        for (const Answer::Told& told : one.answer->tasks) {
            operation.task = told.task;
            operation.status = told.status;
            if (operation.act == Act::claim || operation.act == Act::look)
                operation.fence = told.fence;
            operations.push_back(operation);
        }
    }
    return operations;
}

}  // namespace taskstore::ownership
