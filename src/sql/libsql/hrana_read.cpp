#include "hrana.hpp"

#include <simdjson.h>
#include <taskstore/base/text.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

namespace taskstore::libsql {
namespace {

namespace dom = simdjson::dom;

Failure odd(std::string_view what) {
    return fail(Code::failed, "the server's answer is not Hrana: " + std::string(what));
}

/// A member that is text; empty where it is absent or null.
std::string text_of(const dom::object& object, std::string_view name) {
    std::string_view text;
    if (object[name].get(text) != simdjson::SUCCESS) return {};
    return std::string(text);
}

Result<dom::array> array_of(const dom::object& object, std::string_view name) {
    dom::array array;
    if (object[name].get(array) != simdjson::SUCCESS)
        return odd("no array '" + std::string(name) + "'");
    return array;
}

Result<dom::object> object_of(const dom::element& element, std::string_view what) {
    dom::object object;
    if (element.get(object) != simdjson::SUCCESS) return odd(std::string(what) + " is no object");
    return object;
}

// A replica passes on what its primary said as text, without the code: SQLite's own words tell it.
constexpr std::string_view kByPrimary = "error executing a request on the primary: ";
constexpr std::array<std::pair<std::string_view, std::string_view>, 12> kWords{{
    {"constraint failed", "SQLITE_CONSTRAINT"},
    {"taskstore: ", "SQLITE_CONSTRAINT"},  // What our triggers raise.
    {"integer overflow", "SQLITE_UNKNOWN"},
    {"database is locked", "SQLITE_BUSY"},
    {"database table is locked", "SQLITE_LOCKED"},
    {"database or disk is full", "SQLITE_FULL"},
    {"attempt to write a readonly database", "SQLITE_READONLY"},
    {"database disk image is malformed", "SQLITE_CORRUPT"},
    {"string or blob too big", "SQLITE_TOOBIG"},
    {"no such ", "SQLITE_UNKNOWN"},
    {"already exists", "SQLITE_UNKNOWN"},
    {"syntax error", "SQLITE_UNKNOWN"},
}};

ServerError error_of(const dom::object& object) {
    ServerError error{text_of(object, "message"), text_of(object, "code")};
    if (error.code != "PROXY_ERROR" || !error.message.starts_with(kByPrimary)) return error;
    error.message.erase(0, kByPrimary.size());
    for (const auto& [words, code] : kWords) {
        if (error.message.find(words) == std::string::npos) continue;
        error.code = code;
        break;
    }
    return error;
}

Result<sql::Value> value_of(const dom::element& element) {
    TASKSTORE_LET(const dom::object object, object_of(element, "a value"));
    const std::string type = text_of(object, "type");
    if (type == "null") return sql::Value{};
    if (type == "integer") {
        const std::string text = text_of(object, "value");
        std::int64_t number = 0;
        const auto read = std::from_chars(text.data(), text.data() + text.size(), number);
        if (read.ec != std::errc{} || read.ptr != text.data() + text.size() || text.empty())
            return odd("an integer that is none");
        return sql::Value{number};
    }
    if (type == "float") {
        double number = 0;
        if (object["value"].get(number) != simdjson::SUCCESS)
            return fail(Code::failed,
                        "a row holds an infinite number, which the server cannot send");
        return sql::Value{number};
    }
    std::string_view text;
    if (type == "text" && object["value"].get(text) == simdjson::SUCCESS)
        return sql::Value{std::string(text)};
    if (type == "blob" && object["base64"].get(text) == simdjson::SUCCESS) {
        if (auto bytes = from_base64(text)) return sql::Value{sql::Blob{std::move(*bytes)}};
    }
    return odd("a value of type '" + std::string(cut_utf8(type, 20)) + "'");
}

Result<std::vector<std::string>> columns_of(const dom::object& object) {
    std::vector<std::string> out;
    TASKSTORE_LET(const dom::array columns, array_of(object, "cols"));
    for (const dom::element column : columns) {
        TASKSTORE_LET(const dom::object named, object_of(column, "a column"));
        out.push_back(text_of(named, "name"));
    }
    return out;
}

Status read_row(const dom::array& values, sql::Rows& rows) {
    auto& row = rows.rows.emplace_back();
    row.reserve(rows.columns.size());
    for (const dom::element element : values) {
        TASKSTORE_LET(sql::Value value, value_of(element));
        row.push_back(std::move(value));
    }
    if (row.size() == rows.columns.size()) return ok();
    return odd("a row of another width than its columns");
}

std::int64_t changes_of(const dom::object& object) {
    std::int64_t changes = 0;
    return object["affected_row_count"].get(changes) == simdjson::SUCCESS ? changes : 0;
}

Result<sql::Rows> rows_of(const dom::element& element) {
    TASKSTORE_LET(const dom::object object, object_of(element, "a result"));
    sql::Rows rows;
    TASKSTORE_LET(rows.columns, columns_of(object));
    TASKSTORE_LET(const dom::array lines, array_of(object, "rows"));
    for (const dom::element line : lines) {
        dom::array values;
        if (line.get(values) != simdjson::SUCCESS) return odd("a row is no array");
        TASKSTORE_TRY(read_row(values, rows));
    }
    rows.changes = changes_of(object);
    return rows;
}

Result<std::vector<StepAnswer>> steps_of(const dom::object& result) {
    TASKSTORE_LET(const dom::array results, array_of(result, "step_results"));
    TASKSTORE_LET(const dom::array errors, array_of(result, "step_errors"));
    if (results.size() != errors.size()) return odd("as many results as errors are wanted");
    std::vector<StepAnswer> steps(results.size());
    std::size_t i = 0;
    for (const dom::element element : results) {
        StepAnswer& step = steps[i++];
        if (element.is_null()) continue;
        TASKSTORE_LET(step.rows, rows_of(element));
        step.state = StepState::done;
    }
    i = 0;
    for (const dom::element element : errors) {
        StepAnswer& step = steps[i++];
        if (element.is_null()) continue;
        TASKSTORE_LET(const dom::object error, object_of(element, "an error"));
        step.error = error_of(error);
        step.state = StepState::failed;
    }
    return steps;
}

Result<RequestAnswer> result_of(const dom::element& element) {
    TASKSTORE_LET(const dom::object object, object_of(element, "a result"));
    RequestAnswer answer;
    const std::string type = text_of(object, "type");
    dom::object inner;
    if (type == "error" && object["error"].get(inner) == simdjson::SUCCESS) {
        answer.error = error_of(inner);
        return answer;
    }
    if (type != "ok" || object["response"].get(inner) != simdjson::SUCCESS)
        return odd("neither ok nor error");
    const std::string kind = text_of(inner, "type");
    if (kind == "get_autocommit") {
        bool autocommit = false;
        if (inner["is_autocommit"].get(autocommit) != simdjson::SUCCESS)
            return odd("no is_autocommit");
        answer.autocommit = autocommit;
    }
    dom::object result;
    if (kind == "batch") {
        if (inner["result"].get(result) != simdjson::SUCCESS) return odd("no result of a batch");
        TASKSTORE_LET(answer.steps, steps_of(result));
    }
    if (kind == "describe") {
        if (inner["result"].get(result) != simdjson::SUCCESS) return odd("no description");
        TASKSTORE_LET(answer.columns, columns_of(result));
    }
    return answer;
}

/// Reads the lines of a cursor, one after the other.
class CursorReader {
  public:
    explicit CursorReader(std::size_t steps) : x_steps(steps) {}

    Status take(std::string_view line) {
        dom::element root;
        if (x_parser.parse(simdjson::padded_string(line)).get(root) != simdjson::SUCCESS)
            return odd("a line of a cursor is no JSON");
        TASKSTORE_LET(const dom::object object, object_of(root, "a line of a cursor"));
        if (std::exchange(x_first, false)) {
            x_answer.baton = text_of(object, "baton");
            x_answer.base_url = text_of(object, "base_url");
            return ok();
        }
        return take_entry(object);
    }

    Result<PipelineAnswer> finish() {
        if (!x_ended)
            return fail(Code::unavailable, "the cursor ends without its mark: it was cut");
        return std::move(x_answer);
    }

  private:
    Result<StepAnswer*> step_of(const dom::object& object) {
        std::uint64_t index = 0;
        if (object["step"].get(index) != simdjson::SUCCESS || index >= x_steps)
            return odd("a cursor's step that nobody asked for");
        auto& steps = result().steps;
        if (steps.size() <= index) steps.resize(index + 1);
        x_current = index;
        return &steps[index];
    }

    Status take_entry(const dom::object& object) {
        const std::string type = text_of(object, "type");
        if (type == "replication_index") {
            x_ended = true;
            return ok();
        }
        if (type == "error") return take_error(object);
        if (type == "step_begin" || type == "step_error") {
            TASKSTORE_LET(StepAnswer * step, step_of(object));
            if (type == "step_begin") {
                TASKSTORE_LET(step->rows.columns, columns_of(object));
                return ok();
            }
            dom::object error;
            if (object["error"].get(error) != simdjson::SUCCESS)
                return odd("an error without text");
            step->state = StepState::failed;
            step->error = error_of(error);
            return ok();
        }
        if (type != "row" && type != "step_end")
            return ok();  // Of a later version of the protocol.
        if (x_current >= result().steps.size()) return odd("a row before its step");
        StepAnswer& step = result().steps[x_current];
        if (type == "step_end") {
            step.state = StepState::done;
            step.rows.changes = changes_of(object);
            return ok();
        }
        TASKSTORE_LET(const dom::array values, array_of(object, "row"));
        return read_row(values, step.rows);
    }

    Status take_error(const dom::object& object) {
        dom::object error;
        if (object["error"].get(error) != simdjson::SUCCESS) return odd("an error without text");
        result().error = error_of(error);
        x_ended = true;
        return ok();
    }

    RequestAnswer& result() {
        if (x_answer.results.empty()) x_answer.results.emplace_back();
        return x_answer.results.front();
    }

    dom::parser x_parser;
    std::size_t x_steps;
    std::size_t x_current = static_cast<std::size_t>(-1);
    bool x_first = true;
    bool x_ended = false;
    PipelineAnswer x_answer;
};

// What sqld calls SQLite's primary codes (libsql-server/src/hrana/stmt.rs), and their numbers.
struct NativeRow {
    std::string_view name;
    int native;
    Code code;
};
constexpr std::array<NativeRow, 24> kNatives{{
    {"SQLITE_UNKNOWN", 1, Code::invalid},      {"SQLITE_ERROR", 1, Code::invalid},
    {"SQLITE_INTERNAL", 2, Code::failed},      {"SQLITE_PERM", 3, Code::denied},
    {"SQLITE_ABORT", 4, Code::failed},         {"SQLITE_BUSY", 5, Code::unavailable},
    {"SQLITE_LOCKED", 6, Code::unavailable},   {"SQLITE_NOMEM", 7, Code::failed},
    {"SQLITE_READONLY", 8, Code::denied},      {"SQLITE_INTERRUPT", 9, Code::cancelled},
    {"SQLITE_IOERR", 10, Code::failed},        {"SQLITE_CORRUPT", 11, Code::corrupt},
    {"SQLITE_NOTFOUND", 12, Code::failed},     {"SQLITE_FULL", 13, Code::failed},
    {"SQLITE_CANTOPEN", 14, Code::failed},     {"SQLITE_PROTOCOL", 15, Code::unavailable},
    {"SQLITE_SCHEMA", 17, Code::unavailable},  {"SQLITE_TOOBIG", 18, Code::invalid},
    {"SQLITE_CONSTRAINT", 19, Code::conflict}, {"SQLITE_MISMATCH", 20, Code::invalid},
    {"SQLITE_MISUSE", 21, Code::invalid},      {"SQLITE_AUTH", 23, Code::denied},
    {"SQLITE_RANGE", 25, Code::invalid},       {"SQLITE_NOTADB", 26, Code::corrupt},
}};
// Codes of the protocol.
constexpr std::array<std::pair<std::string_view, Code>, 13> kOthers{{
    {"TRANSACTION_TIMEOUT", Code::unavailable},
    {"TRANSACTION_BUSY", Code::unavailable},
    {"STREAM_EXPIRED", Code::unavailable},
    {"PROXY_ERROR", Code::unavailable},
    {"SQL_PARSE_ERROR", Code::invalid},
    {"SQL_NO_STATEMENT", Code::invalid},
    {"SQL_MANY_STATEMENTS", Code::invalid},
    {"SQL_INPUT_ERROR", Code::invalid},
    {"ARGS_INVALID", Code::invalid},
    {"ARGS_BOTH_POSITIONAL_AND_NAMED", Code::invalid},
    {"RESPONSE_TOO_LARGE", Code::invalid},
    {"BLOCKED", Code::denied},
    {"AUTH_JWT_INVALID", Code::denied},
}};

const NativeRow* native_row(std::string_view code) {
    // Extended names ("SQLITE_CONSTRAINT_PRIMARYKEY", as Turso has them) begin with the primary.
    const auto row = std::ranges::find_if(kNatives, [&](const NativeRow& one) {
        return code == one.name ||
               (code.starts_with(one.name) && code.substr(one.name.size()).starts_with('_'));
    });
    return row == kNatives.end() ? nullptr : &*row;
}

}  // namespace

Code code_of(const ServerError& error) {
    if (const NativeRow* row = native_row(error.code)) return row->code;
    const auto other =
        std::ranges::find(kOthers, error.code, &std::pair<std::string_view, Code>::first);
    return other != kOthers.end() ? other->second : Code::failed;
}

int native_of(const ServerError& error) {
    const NativeRow* row = native_row(error.code);
    return row != nullptr ? row->native : 1;
}

bool ends_transaction(const ServerError& error) {
    return error.code == "TRANSACTION_TIMEOUT" || error.code == "TRANSACTION_BUSY" ||
           error.code == "STREAM_EXPIRED";
}

bool is_too_large(const ServerError& error) {
    return error.code == "RESPONSE_TOO_LARGE";
}

Result<PipelineAnswer> parse_pipeline(std::string_view body) {
    dom::parser parser;
    dom::element root;
    const simdjson::padded_string padded(body);
    if (parser.parse(padded).get(root) != simdjson::SUCCESS) return odd("no JSON");
    TASKSTORE_LET(const dom::object object, object_of(root, "it"));
    PipelineAnswer answer;
    answer.baton = text_of(object, "baton");
    answer.base_url = text_of(object, "base_url");
    TASKSTORE_LET(const dom::array results, array_of(object, "results"));
    for (const dom::element element : results) {
        TASKSTORE_LET(RequestAnswer result, result_of(element));
        answer.results.push_back(std::move(result));
    }
    return answer;
}

Result<PipelineAnswer> parse_cursor(std::string_view body, std::size_t steps) {
    CursorReader reader(steps);
    while (!body.empty()) {
        const std::size_t end = std::min(body.find('\n'), body.size());
        const std::string_view line = body.substr(0, end);
        body.remove_prefix(std::min(end + 1, body.size()));
        if (line.find_first_not_of(" \r\t") == std::string_view::npos) continue;
        TASKSTORE_TRY(reader.take(line));
    }
    TASKSTORE_LET(PipelineAnswer answer, reader.finish());
    if (answer.results.empty()) answer.results.emplace_back();
    answer.results.front().steps.resize(steps);
    return answer;
}

ServerError parse_refusal(std::string_view body) {
    constexpr std::size_t kMessageBytesMax = 300;
    ServerError error;
    dom::parser parser;
    dom::element root;
    dom::object object;
    const simdjson::padded_string padded(body);
    if (parser.parse(padded).get(root) == simdjson::SUCCESS &&
        root.get(object) == simdjson::SUCCESS) {
        error = error_of(object);
        if (error.message.empty()) error.message = text_of(object, "error");
    } else if (!first_invalid_utf8(body)) {
        error.message = body.substr(0, body.find('\n'));
    }
    error.message = cut_utf8(error.message, kMessageBytesMax);
    return error;
}

std::optional<std::string> from_base64(std::string_view text) {
    while (text.ends_with('=')) text.remove_suffix(1);
    if (text.size() % 4 == 1) return std::nullopt;
    std::string out;
    out.reserve(text.size() * 3 / 4);
    std::uint32_t bits = 0;
    int count = 0;
    for (const char c : text) {
        std::uint32_t digit = 0;
        if (c >= 'A' && c <= 'Z') {
            digit = static_cast<std::uint32_t>(c - 'A');
        } else if (c >= 'a' && c <= 'z') {
            digit = static_cast<std::uint32_t>(c - 'a' + 26);
        } else if (c >= '0' && c <= '9') {
            digit = static_cast<std::uint32_t>(c - '0' + 52);
        } else if (c == '+' || c == '-') {
            digit = 62;
        } else if (c == '/' || c == '_') {
            digit = 63;
        } else {
            return std::nullopt;
        }
        bits = (bits << 6) | digit;
        count += 6;
        if (count >= 8) {
            count -= 8;
            out += static_cast<char>((bits >> count) & 255);
        }
    }
    return out;
}

}  // namespace taskstore::libsql
