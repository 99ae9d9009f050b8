// A request of another device, or of a program, about this device's tasks, or about those of the
// stores that it names.

#include "task_verbs.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/query/query.hpp>

#include <algorithm>
#include <deque>

namespace taskstore::cli {
namespace {

/// A store that is asked, and what of it is opened.
struct NamedStore {
    NamedStore(Context& context, sql::Location place, const store::DatabasesOptions& options)
        : location(std::move(place)),
          databases(context.files, context.clock, context.random, options) {}
    sql::Location location;
    store::Databases databases;
    std::unique_ptr<sql::Database> tasks;
};

/// As it is: a question to another store makes nothing there, and brings nothing up.
Result<sql::Database*> open_as_it_is(NamedStore& named, std::int64_t until_boot_ns) {
    constexpr auto kTasks = store::DatabaseName::tasks;
    store::Databases& databases = named.databases;
    TASKSTORE_LET(const auto connection,
                  databases.connect(kTasks, named.location, {.until_boot_ns = until_boot_ns}));
    TASKSTORE_LET(const auto identity, sql::find_identity(*connection, store::name_of(kTasks)));
    if (!identity)
        return fail(Code::not_found, "there are no tasks in " + sql::shown(named.location));
    TASKSTORE_TRY(store::check_live(*identity));
    TASKSTORE_TRY(databases.check_schema(*connection, kTasks, named.location));
    TASKSTORE_LET(named.tasks, databases.open_at(kTasks, named.location));
    return named.tasks.get();
}

/// As people may see it; two that differ in what they may not see get numbers.
std::string name_among(const std::vector<query::Store>& stores, const sql::Location& location) {
    const std::string shown = sql::shown(location);
    std::string name = shown;
    for (int n = 2; std::ranges::find(stores, name, &query::Store::name) != stores.end(); ++n)
        name = shown + " #" + std::to_string(n);
    return name;
}

Result<query::Answer> ask_named(Context& context, const std::string& request) {
    TASKSTORE_LET(store::Databases* const own, context.databases());
    std::deque<NamedStore> named;
    std::vector<query::Store> stores;
    for (const std::string& text : context.call.options.at("on")) {
        TASKSTORE_LET(sql::Location location, store::location_of(store::DatabaseName::tasks, text,
                                                                 "--on", own->options().settings));
        // One file, however it is spelt.
        if (sql::row_of(location.engine).is_file) location.text = context.absolute(location.text);
        if (std::ranges::find(named, location, &NamedStore::location) != named.end())
            return fail(Code::invalid, "--on names " + sql::shown(location) + " twice");
        NamedStore& one = named.emplace_back(context, location, own->options());
        stores.push_back(
            {.name = name_among(stores, location), .open = [&one](std::int64_t until_boot_ns) {
                 return open_as_it_is(one, until_boot_ns);
             }});
    }
    return query::answer_of_stores(request, stores, context.clock, context.random);
}

query::Answer ask_own(Context& context, const std::string& request) {
    const auto open = [&]() -> Result<sql::Database*> {
        TASKSTORE_LET(store::Databases* const databases, context.databases());
        return databases->open(store::DatabaseName::tasks);
    };
    return query::answer(request, open, context.clock, context.random);
}

}  // namespace

Status run_query(Context& context) {
    std::string request = context.call.arguments.empty() ? "-" : context.call.arguments[0];
    if (request == "-") {
        TASKSTORE_LET(request, context.read_text("-"));
    }
    query::Answer answer;
    if (context.call.has("on")) {
        TASKSTORE_LET(answer, ask_named(context, request));
    } else {
        answer = ask_own(context, request);
    }
    // Whoever asked has an answer in any case; the exit code is for scripts.
    context.print(printable_json(answer.text) + "\n");
    return std::move(answer.status);
}

}  // namespace taskstore::cli
