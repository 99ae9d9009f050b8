#pragma once
// The messages of Hrana over HTTP: what is sent as JSON text, what comes back parsed. Sources:
// HRANA_3_SPEC.md and HTTP_V2_SPEC.md of libsql; sqld 0.24 where it differs from them. Pure: no
// connection here.

#include <taskstore/base/result.hpp>
#include <taskstore/sql/database.hpp>

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace taskstore::libsql {

// --- what is sent -------------------------------------------------------------------------------

/// invalid: NaN, infinity (JSON has neither, and sqld answers both with null), text with U+0000 or
/// not UTF-8.
Status check_value(const sql::Value& value);

/// {"sql": …, "args": […]}. The values must have passed check_value; NULLs are added up to
/// `parameters`, since the server wants one for each.
std::string statement_json(std::string_view sql, std::span<const sql::Value> values,
                           int parameters);

// Conditions of a step on those before it, as JSON. `error` is not among them: on a step that was
// skipped servers answer it differently.
std::string ok_condition(int step);
std::string not_condition(std::string_view condition);
std::string both_condition(std::string_view one, std::string_view other);
/// Hrana 3.
std::string in_transaction_condition();

/// The steps of a batch.
class BatchText {
  public:
    BatchText() : x_text("{\"steps\":[") {}
    /// A step's index. `statement`: as statement_json() makes it.
    int add(std::string_view statement, std::string_view condition = {});
    /// The same for a statement without parameters.
    int add_sql(std::string_view sql, std::string_view condition = {});
    int size() const { return x_size; }
    std::string take();

  private:
    std::string x_text;
    int x_size = 0;
};

// Requests of a pipeline. Only one of a pipeline may change something: a fault of the protocol
// loses all answers, and what ran before it stays.
std::string batch_request(std::string_view batch);
std::string describe_request(std::string_view sql);
inline constexpr std::string_view kCloseRequest = R"({"type":"close"})";
inline constexpr std::string_view kAutocommitRequest = R"({"type":"get_autocommit"})";

std::string pipeline_body(std::string_view baton, std::span<const std::string> requests);
std::string cursor_body(std::string_view baton, std::string_view batch);

// --- what comes back ----------------------------------------------------------------------------

/// What the server said of a statement, or of a request.
struct ServerError {
    std::string message;
    std::string code;  ///< "SQLITE_BUSY", "SQL_PARSE_ERROR", …; empty: not told.
};
/// unavailable, conflict, invalid, denied, …: by the server's code.
Code code_of(const ServerError& error);
/// SQLite's primary code where it is one of those; 1 (SQLITE_ERROR) otherwise.
int native_of(const ServerError& error);
/// The transaction is gone: stolen by another writer, or timed out.
bool ends_transaction(const ServerError& error);
bool is_too_large(const ServerError& error);

enum class StepState : std::uint8_t { skipped, done, failed };
struct StepAnswer {
    StepState state = StepState::skipped;
    sql::Rows rows = {};
    ServerError error = {};
};

struct RequestAnswer {
    std::optional<ServerError> error;
    std::vector<StepAnswer> steps = {};     ///< Of a batch.
    std::optional<bool> autocommit = {};    ///< Of get_autocommit.
    std::vector<std::string> columns = {};  ///< Of describe.
};

struct PipelineAnswer {
    std::string baton;  ///< Empty: the stream is closed.
    std::string base_url;
    std::vector<RequestAnswer> results;
};

/// failed: not what a server may answer, or a float without a value (the server's infinity).
Result<PipelineAnswer> parse_pipeline(std::string_view body);

/// The answer to a cursor: JSON by lines. unavailable: its end marker is missing, it was cut.
/// `results` has one element, whose steps are as many as were begun, at most `steps`.
Result<PipelineAnswer> parse_cursor(std::string_view body, std::size_t steps);

/// The error of a body that is not an answer: {"error": …}, {"message": …, "code": …} or plain
/// text, cut to a line.
ServerError parse_refusal(std::string_view body);

std::string to_base64(std::string_view bytes);
/// With padding or without.
std::optional<std::string> from_base64(std::string_view text);

}  // namespace taskstore::libsql
