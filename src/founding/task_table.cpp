#include "record.hpp"

#include <taskstore/base/json.hpp>
#include <taskstore/base/text.hpp>
#include <taskstore/founding/task_table.hpp>
#include <taskstore/sql/quoted.hpp>

#include <algorithm>
#include <cmath>
#include <set>

namespace taskstore::founding {
namespace {

Failure named(Error error, const std::string& where) {
    error.message = where + ": " + error.message;
    return fail(std::move(error));
}

Result<std::vector<std::string>> tables_of(sql::Connection& connection) {
    // Not virtual ones: their modules need not be here, and what they keep is in tables beside
    // them.
    TASKSTORE_LET(const auto rows,
                  connection.prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND "
                                     "rootpage > 0 ORDER BY name"));
    std::vector<std::string> names;
    while (true) {
        TASKSTORE_LET(const bool row, rows->step());
        if (!row) return names;
        std::string name(rows->column_text(0));
        if (!name.starts_with("sqlite_") && !name.starts_with("_sqlx_"))
            names.push_back(std::move(name));
    }
}

Result<std::int64_t> count_rows(sql::Connection& connection, const std::string& table) {
    const std::string sql = "SELECT count(*) FROM " + sql::quoted_name(table) + " NOT INDEXED";
    TASKSTORE_LET(const auto rows, connection.prepare(sql));
    TASKSTORE_TRY(rows->step());
    return rows->column_int64(0);
}

Status check_columns(sql::Statement& rows, const std::string& where) {
    std::set<std::string, std::less<>> names;
    for (int i = 0; i < rows.column_count(); ++i) names.emplace(rows.column_name(i));
    std::string missing;
    if (!names.contains("id")) missing = "id";
    if (!names.contains("status")) missing = "status";
    if (!names.contains("title") && !names.contains("description")) missing = "title, description";
    if (missing.empty()) return ok();
    return fail(Code::invalid, where + ": its table 'tasks' has no column " + missing)
        .with_hint("it is no table of lib-task-store or ADT");
}

/// Nothing where the value cannot be said in JSON.
std::optional<std::string> raw_of(const sql::Value& value) {
    std::string raw;
    JsonWriter writer(raw);
    if (const auto* integer = std::get_if<std::int64_t>(&value)) {
        writer.integer(*integer);
    } else if (const auto* real = std::get_if<double>(&value)) {
        // JSON has no infinity; spelled as SQLite's shell does.
        if (std::isfinite(*real))
            writer.number(*real);
        else
            writer.string(*real > 0 ? "Inf" : "-Inf");
    } else if (const auto* text = std::get_if<std::string>(&value)) {
        if (first_invalid_utf8(*text)) return std::nullopt;
        append_json_string(raw, *text);
    } else {
        return std::nullopt;
    }
    return raw;
}

Status read_rows(sql::Connection& connection, const TableSource& source, Found& found) {
    // An index that is damaged would hide rows; the table itself says where it is damaged.
    TASKSTORE_LET(const auto rows,
                  connection.prepare("SELECT * FROM tasks NOT INDEXED ORDER BY id"));
    TASKSTORE_TRY(check_columns(*rows, source.where));
    Record record{.of_table = true};
    for (std::int64_t at = 1;; ++at) {
        TASKSTORE_LET(const bool row, rows->step());
        if (!row) return ok();
        record.members.clear();
        record.where = source.where;
        std::string bad;
        for (int i = 0; i < rows->column_count(); ++i) {
            if (rows->is_null(i)) continue;
            const std::string name(rows->column_name(i));
            auto raw = raw_of(rows->column_value(i));
            if (!raw) {
                bad = name;
                continue;
            }
            record.members.push_back({name, std::move(*raw)});
        }
        if (bad.empty()) {
            take_record(record, source.zone, found);
            continue;
        }
        ++found.records;
        const auto id = std::ranges::find(record.members, "id", &RecordMember::name);
        found.refused.push_back(
            {source.where + ", task " + (id == record.members.end() ? std::to_string(at) : id->raw),
             "its " + bad + " holds bytes that are no UTF-8 text"});
    }
}

Status read_within(sql::Connection& connection, const TableSource& source, Found& found) {
    TASKSTORE_LET(const std::vector<std::string> tables, tables_of(connection));
    if (std::ranges::find(tables, "taskstore_migrations") != tables.end())
        return fail(Code::invalid, source.where + " is a database of taskstore itself")
            .with_hint(
                "'taskstore move' takes one elsewhere, 'taskstore restore' takes a backup "
                "in");
    const bool has_tasks = std::ranges::find(tables, "tasks") != tables.end();
    if (!has_tasks && source.wants_tasks) {
        std::string list;
        for (const std::string& name : tables) list += (list.empty() ? "" : ", ") + name;
        return fail(Code::invalid, source.where + " has no table 'tasks'" +
                                       (list.empty() ? "" : "; it has " + list));
    }
    for (const std::string& table : tables) {
        const bool taken = source.wants_tasks && table == "tasks";
        TASKSTORE_LET(const std::int64_t count, count_rows(connection, table));
        if (taken && count > kTasksMax)
            return fail(Code::invalid, source.where + " has " + std::to_string(count) +
                                           " tasks; an import takes at most " +
                                           std::to_string(kTasksMax));
        if (!taken && count > 0) found.no_place.push_back({table, source.where, count});
    }
    return source.wants_tasks ? read_rows(connection, source, found) : ok();
}

}  // namespace

Status read_tasks(sql::Connection& connection, const TableSource& source, Found& found) {
    auto begun = connection.begin_read();
    if (!begun) return named(std::move(begun).error(), source.where);
    auto status = read_within(connection, source, found);
    connection.rollback();
    if (!status && status.error().message.find(source.where) == std::string::npos)
        return named(std::move(status).error(), source.where);
    return status;
}

}  // namespace taskstore::founding
