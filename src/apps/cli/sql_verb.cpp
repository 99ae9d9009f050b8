// taskstore sql: questions of people to the plan's cache and to the device's databases.

#include "context.hpp"

#include <taskstore/base/display.hpp>

namespace taskstore::cli {
namespace {

struct SqlAnswer {
    std::vector<std::string> head;
    std::vector<std::vector<Cell>> cells;
    std::string json;  ///< The rows.
};

Status answer_sql(sql::Connection& connection, const std::string& text, SqlAnswer& answer) {
    answer = {};
    TASKSTORE_LET(auto rows, connection.prepare(text));
    for (int i = 0; i < rows->column_count(); ++i) answer.head.emplace_back(rows->column_name(i));
    JsonWriter writer(answer.json);
    writer.begin_array();
    while (true) {
        TASKSTORE_LET(const bool row, rows->step());
        if (!row) break;
        std::vector<Cell> line;
        writer.begin_array();
        for (int i = 0; i < rows->column_count(); ++i) {
            const sql::Value value = rows->column_value(i);
            if (const auto* integer = std::get_if<std::int64_t>(&value))
                writer.integer(*integer);
            else if (const auto* real = std::get_if<double>(&value))
                writer.number(*real);
            else if (const auto* string = std::get_if<std::string>(&value))
                writer.string(repaired_utf8(*string));
            else if (std::holds_alternative<sql::Blob>(value))
                writer.string("(blob)");
            else
                writer.null();
            const bool blob = std::holds_alternative<sql::Blob>(value);
            line.push_back({std::holds_alternative<std::monostate>(value) ? ""
                            : blob                                        ? "(blob)"
                                   : std::string(rows->column_text(i)),
                            Colour::none});
        }
        writer.end_array();
        answer.cells.push_back(std::move(line));
    }
    writer.end_array();
    return ok();
}

}  // namespace

Status answer_query(Context& context, sql::Connection& connection, const std::string& text) {
    SqlAnswer answer;
    TASKSTORE_TRY(answer_sql(connection, text, answer));
    if (context.json) {
        std::string columns;
        JsonWriter names(columns);
        names.begin_array();
        for (const std::string& name : answer.head) names.string(repaired_utf8(name));
        names.end_array();
        context.print_json("sql_result",
                           "{\"columns\":" + columns + ",\"rows\":" + answer.json + "}");
    } else if (!answer.head.empty()) {
        context.print(format_table(context.terminal, answer.head, answer.cells));
    }
    return ok();
}

namespace {

Status query_database(Context& context, const std::string& text) {
    TASKSTORE_LET(const store::DatabaseName name,
                  store::database_of(context.call.value("database")));
    TASKSTORE_LET(store::Databases* const databases, context.databases());
    TASKSTORE_LET(const store::DatabasePlace at, databases->place(name));
    TASKSTORE_LET(const auto connection, databases->find(name));
    if (sql::row_of(at.location.engine).is_file) return answer_query(context, *connection, text);
    // Never committed: whatever a question did in spite of all, nothing of it stays.
    TASKSTORE_LET(const auto transaction, sql::Transaction::begin_read(*connection));
    return answer_query(context, *connection, text);
}

Status query_plan(Context& context, const std::string& text) {
    TASKSTORE_LET(records::Plan* const plan, context.plan());
    return plan->query(
        [&](sql::Connection& connection) { return answer_query(context, connection, text); });
}

}  // namespace

Status run_sql(Context& context) {
    std::string text = context.call.arguments[0];
    if (text == "-" || text.starts_with('@')) {
        TASKSTORE_LET(text, context.read_text(text == "-" ? text : text.substr(1)));
    }
    const bool device = context.call.has("database");
    auto answered = device ? query_database(context, text) : query_plan(context, text);
    if (answered || answered.error().code != Code::denied) return answered;
    Error error = std::move(answered).error();
    if (error.hint.empty())
        error.hint = device ? "sql only reads"
                            : "sql only reads; 'set' and 'rm' of a kind or of 'taskstore record' "
                              "change records";
    return fail(std::move(error));
}

}  // namespace taskstore::cli
