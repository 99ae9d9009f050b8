#include "statement.hpp"

#include <charconv>
#include <cmath>
#include <cstdlib>

namespace taskstore::postgres {
namespace {

std::string_view text_of(const PGresult* result, int row, int column) {
    if (row < 0 || row >= PQntuples(result) || column < 0 || column >= PQnfields(result)) return {};
    return {PQgetvalue(result, row, column),
            static_cast<std::size_t>(PQgetlength(result, row, column))};
}

std::optional<std::int64_t> integer_in(std::string_view text) {
    std::int64_t number = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
    return number;
}

/// As PostgreSQL prints them: also Infinity and NaN.
double double_in(std::string_view text) {
    return std::strtod(std::string(text).c_str(), nullptr);
}

int nibble(char c) {
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

}  // namespace

std::string unescape_bytea(std::string_view hex) {
    if (!hex.starts_with("\\x")) return std::string(hex);
    hex.remove_prefix(2);
    std::string bytes(hex.size() / 2, '\0');
    for (std::size_t i = 0; i < bytes.size(); ++i)
        bytes[i] = static_cast<char>(nibble(hex[2 * i]) * 16 + nibble(hex[2 * i + 1]));
    return bytes;
}

sql::Value value_of(const PGresult* result, int row, int column) {
    if (row < 0 || PQgetisnull(result, row, column) != 0) return std::monostate{};
    const std::string_view text = text_of(result, row, column);
    switch (PQftype(result, column)) {
        case type::kBool:
            return std::int64_t{text == "t"};
        case type::kInt2:
        case type::kInt4:
        case type::kInt8:
        case type::kOid:
            return integer_in(text).value_or(0);
        case type::kFloat4:
        case type::kFloat8:
            return double_in(text);
        case type::kNumeric:
            if (const auto integer = integer_in(text)) return *integer;
            return double_in(text);
        case type::kBytea:
            return sql::Blob{unescape_bytea(text)};
        default:
            return std::string(text);
    }
}

std::int64_t changes_of(const PGresult* result) {
    const char* const changed = PQcmdTuples(const_cast<PGresult*>(result));
    return *changed != '\0' ? std::strtoll(changed, nullptr, 10) : 0;
}

sql::Rows rows_of(const PGresult* result) {
    sql::Rows answer;
    const int columns = PQnfields(result);
    const int rows = PQntuples(result);
    std::vector<std::string> names;
    names.reserve(static_cast<std::size_t>(columns));
    for (int c = 0; c < columns; ++c) names.emplace_back(PQfname(result, c));
    answer.columns = std::move(names);
    answer.rows.reserve(static_cast<std::size_t>(rows));
    for (int r = 0; r < rows; ++r) {
        auto& values = answer.rows.emplace_back();
        values.reserve(static_cast<std::size_t>(columns));
        for (int c = 0; c < columns; ++c) values.push_back(value_of(result, r, c));
    }
    answer.changes = changes_of(result);
    return answer;
}

Status check_value(const sql::Value& value) {
    if (const auto* number = std::get_if<double>(&value); number != nullptr && std::isnan(*number))
        return fail(Code::invalid, "NaN cannot be stored");
    if (const auto* text = std::get_if<std::string>(&value);
        text != nullptr && text->find('\0') != std::string::npos)
        return fail(Code::invalid, "the text holds U+0000, which cannot be stored");
    return ok();
}

Failure EngineStatement::refused(int index, std::string_view why) {
    return fail(Code::invalid, x_connection.session().place() + ": parameter " +
                                   std::to_string(index) + " of \"" + excerpt(x_translated->text) +
                                   "\": " + std::string(why));
}

Status EngineStatement::check_index(int index) {
    if (index >= 1 && index <= x_parameters.count()) return ok();
    return refused(index, "there is no such parameter");
}

Status EngineStatement::bind_null(int index) {
    TASKSTORE_TRY(check_index(index));
    x_parameters.set_null(index - 1);
    return ok();
}
Status EngineStatement::bind(int index, std::int64_t value) {
    TASKSTORE_TRY(check_index(index));
    x_parameters.set(index - 1, value);
    return ok();
}
Status EngineStatement::bind(int index, double value) {
    TASKSTORE_TRY(check_index(index));
    if (std::isnan(value)) return refused(index, "NaN cannot be stored");
    x_parameters.set(index - 1, value);
    return ok();
}
Status EngineStatement::bind(int index, std::string_view text) {
    TASKSTORE_TRY(check_index(index));
    if (text.find('\0') != std::string_view::npos)
        return refused(index, "the text holds U+0000, which cannot be stored");
    x_parameters.set_text(index - 1, text);
    return ok();
}
Status EngineStatement::bind_blob(int index, std::string_view bytes) {
    TASKSTORE_TRY(check_index(index));
    x_parameters.set_blob(index - 1, bytes);
    return ok();
}

Result<bool> EngineStatement::step() {
    x_blobs.clear();
    if (x_result == nullptr) {
        if (x_failed) return refused(0, "reset it before it is run again");
        x_failed = true;
        TASKSTORE_LET(x_result, x_connection.run(*x_translated, x_parameters));
        x_failed = false;
        x_row = -1;
    }
    if (x_row >= PQntuples(x_result.get())) return false;
    ++x_row;
    return x_row < PQntuples(x_result.get());
}

void EngineStatement::reset() {
    x_result.reset();
    x_row = -1;
    x_failed = false;
    x_blobs.clear();
    x_parameters.clear();
}

const PGresult* EngineStatement::columns() {
    if (x_result != nullptr) return x_result.get();
    if (x_described == nullptr) {
        if (auto described = x_connection.describe(*x_translated))
            x_described = std::move(*described);
    }
    return x_described.get();
}

int EngineStatement::column_count() {
    return PQnfields(columns());
}
std::string_view EngineStatement::column_name(int column) {
    const char* const name = PQfname(columns(), column);
    return name != nullptr ? name : "";
}
bool EngineStatement::is_null(int column) {
    return x_result == nullptr || PQgetisnull(x_result.get(), x_row, column) != 0;
}
std::string_view EngineStatement::cell(int column) {
    return x_result == nullptr ? std::string_view{} : text_of(x_result.get(), x_row, column);
}
std::int64_t EngineStatement::column_int64(int column) {
    const std::string_view text = cell(column);
    if (const auto integer = integer_in(text)) return *integer;
    if (text == "t") return 1;
    return static_cast<std::int64_t>(double_in(text));
}
double EngineStatement::column_double(int column) {
    return double_in(cell(column));
}
std::string_view EngineStatement::column_text(int column) {
    return cell(column);
}
std::string_view EngineStatement::column_blob(int column) {
    const std::string_view text = cell(column);
    if (x_result == nullptr || PQftype(x_result.get(), column) != type::kBytea) return text;
    return x_blobs.emplace_back(unescape_bytea(text));
}
sql::Value EngineStatement::column_value(int column) {
    if (x_result == nullptr) return std::monostate{};
    return value_of(x_result.get(), x_row, column);
}

}  // namespace taskstore::postgres
