// A text as a request. The tables below are the format: what is not in them is refused.

#include <taskstore/base/json.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/query/query.hpp>

#include <algorithm>
#include <array>
#include <span>

namespace taskstore::query {
namespace {

constexpr std::int64_t kDeadlineMsMax = 600'000;
constexpr std::size_t kIdBytesMax = 256;
constexpr std::array kTypes{QueryType::list_tasks, QueryType::get_task, QueryType::get_task_stats,
                            QueryType::search_tasks};

Failure wrong(std::string_view member, std::string_view what) {
    return fail(Code::invalid, std::string(member) + " is no " + std::string(what));
}

Result<std::string> text_of(std::string_view member, const Json& value) {
    auto text = value.as_string();
    if (!text) return wrong(member, "text");
    return std::move(*text);
}

Result<std::int64_t> number_of(std::string_view member, const Json& value, std::int64_t least,
                               std::int64_t most) {
    const auto number = value.as_int64();
    if (!number) return wrong(member, "whole number");
    if (*number < least || *number > most)
        return fail(Code::invalid, std::string(member) + " " + std::to_string(*number) +
                                       " is not in " + std::to_string(least) + ".." +
                                       std::to_string(most));
    return *number;
}

Result<std::int64_t> time_of(std::string_view member, const Json& value) {
    if (const auto ms = value.as_int64()) return *ms;
    const auto at = parse_rfc3339_ms(value.as_string().value_or(""));
    if (!at) return wrong(member, "time: RFC 3339, or milliseconds since 1970");
    return *at;
}

Result<std::int64_t> priority_of(std::string_view member, const Json& value) {
    if (const auto number = value.as_int64()) return *number;
    const auto word = value.as_string();
    const auto priority = word ? tasks::priority_of(*word) : std::nullopt;
    if (!priority) return wrong(member, "priority: low, normal, high, urgent or a number");
    return *priority;
}

/// One text, or a list of them.
Result<std::vector<std::string>> texts_of(std::string_view member, const Json& value) {
    std::vector<std::string> texts;
    if (value.kind() != JsonKind::array) {
        TASKSTORE_LET(std::string one, text_of(member, value));
        texts.push_back(std::move(one));
        return texts;
    }
    for (std::size_t i = 0; i < value.size(); ++i) {
        TASKSTORE_LET(std::string one, text_of(member, value.at(i)));
        texts.push_back(std::move(one));
    }
    return texts;
}

Status read_status(Request& request, std::string_view member, const Json& value) {
    TASKSTORE_LET(const std::string word, text_of(member, value));
    request.filter.status = tasks::status_of(word);
    if (!request.filter.status)
        return wrong(member,
                     "status: pending, in_progress (or running), completed, failed, cancelled");
    return ok();
}

Status read_part(Request& request, std::string_view member, const Json& value) {
    using tasks::TaskPart;
    TASKSTORE_LET(const std::string word, text_of(member, value));
    for (const auto& [name, part] :
         std::array<std::pair<std::string_view, TaskPart>, 4>{{{"all", TaskPart::all},
                                                               {"ready", TaskPart::ready},
                                                               {"blocked", TaskPart::blocked},
                                                               {"dead", TaskPart::dead}}}) {
        if (word != name) continue;
        request.filter.part = part;
        return ok();
    }
    return wrong(member, "part: all, ready, blocked, dead");
}

Status read_order(Request& request, std::string_view member, const Json& value) {
    TASKSTORE_LET(const std::string word, text_of(member, value));
    if (tasks::order_by(word, request.filter)) return ok();
    return wrong(member, "order: created, updated, priority, or - and one of these");
}

Status read_id(Request& request, std::string_view member, const Json& value) {
    TASKSTORE_LET(request.task_id, text_of(member, value));
    return ok();
}

Status read_project(Request& request, std::string_view member, const Json& value) {
    TASKSTORE_LET(request.filter.project, text_of(member, value));
    request.project = request.filter.project;
    return ok();
}

Status read_limit(Request& request, std::string_view member, const Json& value) {
    TASKSTORE_LET(request.filter.limit, number_of(member, value, 1, kTasksMax));
    return ok();
}

/// What is read as it is into a member of the filter.
template <auto Member, auto Read>
Status into(Request& request, std::string_view member, const Json& value) {
    TASKSTORE_LET(request.filter.*Member, Read(member, value));
    return ok();
}

/// The same into a bound of a range of it.
template <auto Member, auto Bound, auto Read>
Status bound(Request& request, std::string_view member, const Json& value) {
    TASKSTORE_LET((request.filter.*Member).*Bound, Read(member, value));
    return ok();
}

using tasks::Range;
using tasks::TaskFilter;

struct Parameter {
    std::string_view name;
    Status (*read)(Request& request, std::string_view member, const Json& value);
};
constexpr std::array kOfLists{
    Parameter{"status", read_status},
    Parameter{"part", read_part},
    Parameter{"project", read_project},
    Parameter{"assigned_to", into<&TaskFilter::assigned_to, text_of>},
    Parameter{"agent_type", into<&TaskFilter::agent_type, text_of>},
    Parameter{"capability", into<&TaskFilter::capabilities, texts_of>},
    Parameter{"spec_id", into<&TaskFilter::spec_id, text_of>},
    Parameter{"min_priority", bound<&TaskFilter::priority, &Range::least, priority_of>},
    Parameter{"max_priority", bound<&TaskFilter::priority, &Range::most, priority_of>},
    Parameter{"created_since", bound<&TaskFilter::created_at, &Range::least, time_of>},
    Parameter{"created_until", bound<&TaskFilter::created_at, &Range::most, time_of>},
    Parameter{"updated_since", bound<&TaskFilter::updated_at, &Range::least, time_of>},
    Parameter{"updated_until", bound<&TaskFilter::updated_at, &Range::most, time_of>},
    Parameter{"order", read_order},
    Parameter{"limit", read_limit},
    Parameter{"cursor", into<&TaskFilter::after, text_of>},
    Parameter{"query", into<&TaskFilter::words, texts_of>}};
constexpr std::array kOfTask{Parameter{"id", read_id}};
constexpr std::array kOfStats{Parameter{"project", read_project}};

std::span<const Parameter> parameters_of(QueryType type) {
    switch (type) {
        case QueryType::list_tasks:
            return std::span(kOfLists).first(kOfLists.size() - 1);
        case QueryType::search_tasks:
            return kOfLists;
        case QueryType::get_task:
            return kOfTask;
        case QueryType::get_task_stats:
            return kOfStats;
    }
    return {};
}

Failure unknown_member(const std::string& member, std::vector<std::string_view> known) {
    const auto nearest = nearest_name(member, known);
    std::string all;
    for (const std::string_view name : known) all += (all.empty() ? "" : ", ") + std::string(name);
    return fail(Code::invalid, "the member '" + member + "' is not known")
        .with_hint(nearest ? "did you mean '" + std::string(*nearest) + "'?"
                           : "what is known here: " + all);
}

Status read_params(Request& request, const Json& params) {
    if (!params.is_null() && params.kind() != JsonKind::object) return wrong("params", "object");
    const auto known = parameters_of(*request.asked.type);
    for (const std::string& name : params.names()) {
        const auto row = std::ranges::find(known, name, &Parameter::name);
        if (row == known.end()) {
            std::vector<std::string_view> names;
            for (const Parameter& parameter : known) names.push_back(parameter.name);
            return unknown_member(name, std::move(names));
        }
        const Json value = params.get(name);
        // As if it were not there.
        if (!value.is_null()) TASKSTORE_TRY(row->read(request, "params." + name, value));
    }
    if (request.asked.type == QueryType::get_task && request.task_id.empty())
        return fail(Code::invalid, "params.id is missing: which task?");
    if (request.asked.type == QueryType::search_tasks && request.filter.words.empty())
        return fail(Code::invalid, "params.query is missing: the words to search for");
    return ok();
}

Status read_type(const Json& json, Asked& asked) {
    const Json value = json.get("query_type");
    const auto word = value.as_string();
    for (const QueryType type : kTypes)
        if (word == name_of(type)) asked.type = type;
    constexpr std::string_view kThereAre =
        "query: list_tasks, get_task, get_task_stats, search_tasks";
    if (!word) return fail(Code::invalid, "query_type is missing: which " + std::string(kThereAre));
    if (!asked.type) return wrong("query_type", kThereAre);
    return ok();
}

}  // namespace

std::string_view name_of(QueryType type) {
    constexpr std::array<std::string_view, 4> kNames{"list_tasks", "get_task", "get_task_stats",
                                                     "search_tasks"};
    return kNames.at(static_cast<std::size_t>(type));
}

Result<Request> parse_request(std::string_view text, Asked& asked) {
    asked = {};
    if (text.size() > kRequestBytesMax)
        return fail(Code::invalid,
                    "the request is longer than " + std::to_string(kRequestBytesMax) + " bytes");
    TASKSTORE_LET(const Json json, Json::parse(text));
    if (json.kind() != JsonKind::object) return wrong("the request", "JSON object");
    // First, so that the answer has it whatever else is wrong.
    if (const Json id = json.get("query_id"); !id.is_null()) {
        TASKSTORE_LET(std::string word, text_of("query_id", id));
        if (word.size() > kIdBytesMax)
            return fail(Code::invalid,
                        "query_id is longer than " + std::to_string(kIdBytesMax) + " bytes");
        asked.id = std::move(word);
    }
    if (const Json protocol = json.get("protocol"); !protocol.is_null()) {
        const auto number = protocol.as_int64();
        if (number != kProtocol)
            return fail(Code::unsupported, "protocol " + protocol.to_text() +
                                               " is not spoken here, but " +
                                               std::to_string(kProtocol));
    }
    TASKSTORE_TRY(read_type(json, asked));
    for (const std::string& name : json.names()) {
        constexpr std::array<std::string_view, 5> kMembers{"protocol", "query_id", "query_type",
                                                           "params", "deadline_ms"};
        if (std::ranges::find(kMembers, name) == kMembers.end())
            return unknown_member(name, {kMembers.begin(), kMembers.end()});
    }
    Request request{.asked = asked, .filter = {}, .task_id = {}, .project = {}};
    if (const Json deadline = json.get("deadline_ms"); !deadline.is_null()) {
        TASKSTORE_LET(request.deadline_ms, number_of("deadline_ms", deadline, 1, kDeadlineMsMax));
    }
    TASKSTORE_TRY(read_params(request, json.get("params")));
    return request;
}

}  // namespace taskstore::query
