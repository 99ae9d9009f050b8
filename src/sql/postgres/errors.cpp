#include "errors.hpp"

#include <algorithm>
#include <array>

namespace taskstore::postgres {
namespace {

struct Row {
    std::string_view prefix;  ///< The first row that fits counts.
    Code code;
    bool transient;
};

constexpr std::array kRows{
    Row{"40001", Code::unavailable, true},  // serialization_failure
    Row{"40P01", Code::unavailable, true},  // deadlock_detected
    Row{"40002", Code::conflict, false},    // transaction_integrity_constraint_violation
    Row{"40", Code::unavailable, true},     // another rollback by the server
    Row{"55P03", Code::unavailable, true},  // lock_not_available
    Row{"55006", Code::unavailable, true},  // object_in_use
    Row{"57014", Code::cancelled, false},   // query_canceled
    Row{"57P04", Code::not_found, false},   // database_dropped
    Row{"57", Code::unavailable, true},     // shutdowns, starting up
    Row{"53300", Code::unavailable, true},  // too_many_connections
    Row{"53100", Code::failed, false},      // disk_full
    Row{"53", Code::failed, false},         // out of memory
    Row{"08", Code::unavailable, true},     // connection
    Row{"25P03", Code::unavailable, true},  // idle_in_transaction_session_timeout
    Row{"25006", Code::denied, false},      // read_only_sql_transaction
    Row{"25P02", Code::failed, false},      // in_failed_sql_transaction
    Row{"25", Code::invalid, false},        //
    Row{"26", Code::unavailable, true},     // a prepared statement that the session lost
    Row{"23", Code::conflict, false},       // constraints
    Row{"44", Code::conflict, false},       // with_check_option_violation
    Row{"42501", Code::denied, false},      // insufficient_privilege
    Row{"28", Code::denied, false},         // authorization
    Row{"3D", Code::not_found, false},      // no such database
    Row{"XX001", Code::corrupt, false},     // data_corrupted
    Row{"XX002", Code::corrupt, false},     // index_corrupted
    Row{"F0", Code::failed, false},         // config file
    Row{"58", Code::failed, false},         // I/O
    Row{"XX", Code::failed, false},         //
    Row{"P0001", Code::conflict, false},    // raise_exception: a trigger's rule
};

const Row* row_of(std::string_view sqlstate) {
    const auto found = std::ranges::find_if(
        kRows, [&](const Row& row) { return sqlstate.starts_with(row.prefix); });
    return found == kRows.end() ? nullptr : &*found;
}

std::string_view field(const PGresult* result, int code) {
    const char* const text = result != nullptr ? PQresultErrorField(result, code) : nullptr;
    return text != nullptr ? std::string_view{text} : std::string_view{};
}

std::string on_one_line(std::string_view text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.remove_suffix(1);
    std::string line(text);
    std::ranges::replace(line, '\n', ' ');
    std::ranges::replace(line, '\t', ' ');
    return line;
}

}  // namespace

Code code_of(std::string_view sqlstate) {
    if (sqlstate.empty()) return Code::unavailable;
    const Row* const row = row_of(sqlstate);
    return row != nullptr ? row->code : Code::invalid;
}

bool is_transient(std::string_view sqlstate) {
    if (sqlstate.empty()) return true;
    const Row* const row = row_of(sqlstate);
    return row != nullptr && row->transient;
}

int native_of(std::string_view sqlstate) {
    int number = 0;
    for (const char c : sqlstate.substr(0, 5)) {
        const bool digit = c >= '0' && c <= '9';
        number = number * 36 + (digit ? c - '0' : c - 'A' + 10);
    }
    return number;
}

bool is_lacking(const Error& error) {
    // feature_not_supported, undefined_function
    return error.native == native_of("0A000") || error.native == native_of("42883");
}

bool is_there_already(const Error& error) {
    // unique_violation (of the catalogue), duplicate_schema
    return error.native == native_of("23505") || error.native == native_of("42P06");
}

std::string_view sqlstate_of(const PGresult* result) {
    return field(result, PG_DIAG_SQLSTATE);
}

bool is_of_the_line(const PGresult* result) {
    std::string_view severity = field(result, PG_DIAG_SEVERITY_NONLOCALIZED);
    if (severity.empty()) severity = field(result, PG_DIAG_SEVERITY);  // Poolers have but this one.
    return severity == "FATAL" || severity == "PANIC" || sqlstate_of(result).starts_with("08");
}

Failure engine_failure(const PGresult* result, std::string_view place, std::string_view doing) {
    const std::string_view sqlstate = sqlstate_of(result);
    std::string_view reason = field(result, PG_DIAG_MESSAGE_PRIMARY);
    if (reason.empty() && result != nullptr) reason = PQresultErrorMessage(result);
    std::string message(place);
    message += ": ";
    message += doing;
    message += ": ";
    message += reason.empty() ? "the connection is lost" : on_one_line(reason);
    if (!sqlstate.empty()) message += " (" + std::string(sqlstate) + ")";
    auto failure = fail(code_of(sqlstate), std::move(message)).with_native(native_of(sqlstate));
    if (sqlstate == "53100")
        return std::move(failure).with_hint("the server's disk is full: free some space there");
    if (sqlstate == "42501")
        return std::move(failure).with_hint(
            "the role lacks a right: see docs/operating/postgres.md");
    return failure;
}

std::string without_quotes(std::string_view message) {
    // A quotation may hold quotes itself, so that where it ends is not known.
    const std::string line = on_one_line(message);
    const std::size_t quote = line.find_first_of("\"'");
    return quote == std::string::npos ? line : line.substr(0, quote) + "…";
}

}  // namespace taskstore::postgres
