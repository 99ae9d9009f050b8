// What the tasks of a device say to a request.

#include "task_text.hpp"

#include <taskstore/base/code.hpp>
#include <taskstore/query/query.hpp>

namespace taskstore::query {
namespace {

constexpr std::int64_t kNsPerMs = 1'000'000;

/// Reads alone, each with the deadline of the request.
class ReadUntil final : public sql::Database {
  public:
    ReadUntil(sql::Database& database, std::int64_t deadline_boot_ns)
        : x_database(database), x_options{.deadline_boot_ns = deadline_boot_ns} {}
    Result<sql::Committed> write(const sql::Work&, const sql::WriteOptions&) override {
        return changes_nothing();
    }
    Result<sql::Committed> write_batch(sql::Batch, const sql::WriteOptions&) override {
        return changes_nothing();
    }
    Status read(const sql::Work& work, const sql::ReadOptions&) override {
        return x_database.read(work, x_options);
    }
    Result<std::vector<sql::Rows>> read_batch(sql::Batch batch, const sql::ReadOptions&) override {
        return x_database.read_batch(batch, x_options);
    }
    Result<std::unique_ptr<sql::Waiter>> waiter(std::string_view) override {
        return changes_nothing();
    }
    std::string_view dialect() const override { return x_database.dialect(); }
    sql::Capabilities capabilities() const override { return x_database.capabilities(); }

  private:
    static Failure changes_nothing() {
        return fail(Code::denied, "a query changes nothing, and waits for nothing");
    }
    sql::Database& x_database;
    sql::ReadOptions x_options;
};

void put_page(JsonWriter& writer, const tasks::TaskPage& page) {
    writer.key("tasks").begin_array();
    for (const tasks::Task& task : page.tasks) put_task(writer, task);
    writer.end_array().key("next_cursor");
    if (page.next_cursor.empty())
        writer.null();
    else
        writer.string(page.next_cursor);
}

/// The answer's `data`.
Result<std::string> data_of(const Request& request, tasks::TaskStore& store) {
    std::string data;
    JsonWriter writer(data);
    switch (*request.asked.type) {
        case QueryType::list_tasks:
        case QueryType::search_tasks: {
            TASKSTORE_LET(const tasks::TaskPage page, store.list_tasks(request.filter));
            writer.begin_object();
            put_page(writer, page);
            writer.end_object();
            return data;
        }
        case QueryType::get_task: {
            TASKSTORE_LET(const std::string id, store.find_id(request.task_id));
            TASKSTORE_LET(const auto task, store.get_task(id));
            if (!task) return fail(Code::not_found, "there is no task '" + id + "'");
            writer.begin_object().key("task");
            put_task(writer, *task);
            writer.end_object();
            return data;
        }
        case QueryType::get_task_stats: {
            TASKSTORE_LET(const tasks::TaskStats stats, store.stats(request.project));
            put_stats(writer, stats);
            return data;
        }
    }
    return data;
}

/// What others are told of an error that is not about their request: its code, and nothing of
/// places, paths and servers.
Error told(const Error& error) {
    Error out{.code = error.code, .message = "the device cannot read its tasks", .hint = {}};
    if (error.code == Code::timed_out) out.message = "the deadline passed before the answer came";
    if (error.code == Code::unavailable) out.message = "the device cannot reach its tasks now";
    return out;
}

struct Asking {
    Asked asked;
    Result<std::string> data;
    std::optional<Error> told;  ///< What the answer says; nothing: the error as it is.
};

Asking ask(std::string_view text, const OpenDatabase& open, const Clock& clock, Random& random) {
    const std::int64_t began_ns = clock.boot_ns();
    Asking asking{.asked = {}, .data = std::string(), .told = {}};
    const auto request = parse_request(text, asking.asked);
    if (!request) {
        asking.data = fail(request.error());
        return asking;
    }
    const std::int64_t deadline_ns = began_ns + request->deadline_ms * kNsPerMs;
    const auto database = open();
    if (!database) {
        asking.data = fail(database.error());
        asking.told = told(database.error());
        return asking;
    }
    if (clock.boot_ns() >= deadline_ns) {
        asking.data =
            fail(Code::timed_out, "opening the tasks took longer than the " +
                                      std::to_string(request->deadline_ms) + " ms of deadline_ms");
        asking.told = told(asking.data.error());
        return asking;
    }
    ReadUntil reader(**database, deadline_ns);
    asking.data = data_of(*request, *tasks::make_task_store(reader, clock, random));
    if (asking.data) return asking;
    const Code code = asking.data.error().code;
    if (code != Code::invalid && code != Code::not_found && code != Code::conflict)
        asking.told = told(asking.data.error());
    return asking;
}

std::string text_of(const Asking& asking) {
    std::string text;
    JsonWriter writer(text);
    writer.begin_object().key("protocol").integer(kProtocol).key("query_id");
    if (asking.asked.id)
        writer.string(*asking.asked.id);
    else
        writer.null();
    writer.key("query_type");
    if (asking.asked.type)
        writer.string(name_of(*asking.asked.type));
    else
        writer.null();
    writer.key("status");
    if (asking.data) {
        writer.string("ok").key("data").raw(*asking.data).key("error").null();
    } else {
        const Error& error = asking.told ? *asking.told : asking.data.error();
        writer.string(name_of(error.code)).key("data").null();
        writer.key("error").begin_object().key("message").string(error.message);
        if (!error.hint.empty()) writer.key("hint").string(error.hint);
        writer.end_object();
    }
    writer.key("is_final").boolean(true).end_object();
    return text;
}

}  // namespace

Answer answer(std::string_view request, const OpenDatabase& open, const Clock& clock,
              Random& random) {
    const Asking asking = ask(request, open, clock, random);
    return {.text = text_of(asking),
            .status = asking.data ? ok() : Status(fail(asking.data.error()))};
}

}  // namespace taskstore::query
