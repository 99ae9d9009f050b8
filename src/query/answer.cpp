// What the tasks of a device say to a request.

#include "ask.hpp"
#include "task_text.hpp"

#include <taskstore/base/code.hpp>
#include <taskstore/query/query.hpp>

namespace taskstore::query {
namespace {

/// The answer's `data`.
std::string data_of(QueryType type, const Found& found) {
    std::string data;
    JsonWriter writer(data);
    switch (type) {
        case QueryType::list_tasks:
        case QueryType::search_tasks:
            writer.begin_object().key("tasks").begin_array();
            for (const tasks::Task& task : found.page.tasks) put_task(writer, task);
            writer.end_array();
            put_cursor(writer, found.page.next_cursor);
            writer.end_object();
            break;
        case QueryType::get_task:
            writer.begin_object().key("task");
            put_task(writer, found.page.tasks.at(0));
            writer.end_object();
            break;
        case QueryType::get_task_stats:
            put_stats(writer, found.stats);
            break;
    }
    return data;
}

/// What others are told of an error: of one that is not about their request its code, and nothing
/// of places, paths and servers.
Error told(const Error& error) {
    if (error.code == Code::invalid || error.code == Code::not_found ||
        error.code == Code::conflict)
        return error;
    Error out{.code = error.code, .message = "the device cannot read its tasks", .hint = {}};
    if (error.code == Code::timed_out) out.message = "the deadline passed before the answer came";
    if (error.code == Code::unavailable) out.message = "the device cannot reach its tasks now";
    return out;
}

std::string text_of(const Asked& asked, const Result<std::string>& data) {
    std::string text;
    JsonWriter writer(text);
    writer.begin_object();
    put_asked(writer, asked);
    writer.key("status");
    if (data) {
        writer.string("ok").key("data").raw(*data).key("error").null();
    } else {
        writer.string(name_of(data.error().code)).key("data").null();
        put_error(writer, data.error());
    }
    writer.key("is_final").boolean(true).end_object();
    return text;
}

}  // namespace

Answer answer(std::string_view text, const OpenDatabase& open, const Clock& clock, Random& random) {
    const std::int64_t began_ns = clock.boot_ns();
    Asked asked;
    const auto request = parse_request(text, asked);
    if (!request)
        return {.text = text_of(asked, fail(request.error())), .status = fail(request.error())};
    // Whatever opening says is about the device, not about the request.
    bool is_open = false;
    const auto opened = [&]() -> Result<sql::Database*> {
        auto database = open();
        is_open = database.has_value();
        return database;
    };
    const auto found =
        ask_store(*request, opened, deadline_boot_ns(*request, began_ns), clock, random);
    if (found) return {.text = text_of(asked, data_of(*asked.type, *found)), .status = ok()};
    Error error = found.error();
    if (!is_open && error.code != Code::timed_out && error.code != Code::unavailable)
        error = {.code = error.code, .message = "the device cannot read its tasks", .hint = {}};
    return {.text = text_of(asked, fail(told(error))), .status = fail(found.error())};
}

}  // namespace taskstore::query
