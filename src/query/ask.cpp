#include "ask.hpp"

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

Status look(const Request& request, tasks::TaskStore& store, Found& found) {
    switch (*request.asked.type) {
        case QueryType::list_tasks:
        case QueryType::search_tasks: {
            TASKSTORE_LET(found.page, store.list_tasks(request.filter));
            return ok();
        }
        case QueryType::get_task: {
            TASKSTORE_LET(const std::string id, store.find_id(request.task_id));
            TASKSTORE_LET(auto task, store.get_task(id));
            if (!task)
                return fail(Code::not_found, "there is no task '" + id + "'")
                    .with_hint("look at 'taskstore task list --all-projects'");
            found.page.places.push_back(task->created_at);
            found.page.tasks.push_back(std::move(*task));
            return ok();
        }
        case QueryType::get_task_stats: {
            TASKSTORE_LET(found.stats, store.stats(request.project));
            return ok();
        }
    }
    return ok();
}

}  // namespace

std::int64_t deadline_boot_ns(const Request& request, std::int64_t now_boot_ns) {
    return now_boot_ns + request.deadline_ms * kNsPerMs;
}

Result<Found> ask_store(const Request& request, const OpenDatabase& open,
                        std::int64_t deadline_boot_ns, const Clock& clock, Random& random) {
    const auto opened = open();
    const bool may_be_late = opened || opened.error().code == Code::unavailable;
    if (may_be_late && clock.boot_ns() >= deadline_boot_ns)
        return fail(Code::timed_out, "opening the tasks took longer than the " +
                                         std::to_string(request.deadline_ms) +
                                         " ms of deadline_ms");
    TASKSTORE_LET(sql::Database* const database, opened);
    Found found;
    found.level = database->capabilities().seen;
    ReadUntil reader(*database, deadline_boot_ns);
    TASKSTORE_TRY(look(request, *tasks::make_task_store(reader, clock, random), found));
    return found;
}

void put_asked(JsonWriter& writer, const Asked& asked) {
    writer.key("protocol").integer(kProtocol).key("query_id");
    if (asked.id)
        writer.string(*asked.id);
    else
        writer.null();
    writer.key("query_type");
    if (asked.type)
        writer.string(name_of(*asked.type));
    else
        writer.null();
}

void put_error(JsonWriter& writer, const Error& error) {
    writer.key("error").begin_object().key("message").string(error.message);
    if (!error.hint.empty()) writer.key("hint").string(error.hint);
    writer.end_object();
}

void put_cursor(JsonWriter& writer, const std::string& cursor) {
    writer.key("next_cursor");
    if (cursor.empty())
        writer.null();
    else
        writer.string(cursor);
}

}  // namespace taskstore::query
