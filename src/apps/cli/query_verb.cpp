// A request of another device, or of a program, about this device's tasks.

#include "task_verbs.hpp"

#include <taskstore/base/display.hpp>
#include <taskstore/query/query.hpp>

namespace taskstore::cli {

Status run_query(Context& context) {
    std::string request = context.call.arguments.empty() ? "-" : context.call.arguments[0];
    if (request == "-") {
        TASKSTORE_LET(request, context.read_text("-"));
    }
    const auto open = [&]() -> Result<sql::Database*> {
        TASKSTORE_LET(store::Databases* const databases, context.databases());
        return databases->open(store::DatabaseName::tasks);
    };
    query::Answer answer = query::answer(request, open, context.clock, context.random);
    // Whoever asked has an answer in any case; the exit code is for scripts.
    context.print(printable_json(answer.text) + "\n");
    return std::move(answer.status);
}

}  // namespace taskstore::cli
