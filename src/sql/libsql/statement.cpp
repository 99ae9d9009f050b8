#include "statement.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

namespace taskstore::libsql {
namespace {

/// As SQLite's cast does: the number that the text begins with, or 0.
template <typename Number>
Number number_in(std::string_view text) {
    const std::size_t from = text.find_first_not_of(" \t\r\n");
    if (from == std::string_view::npos) return 0;
    text.remove_prefix(from);
    if (text.starts_with('+')) text.remove_prefix(1);
    Number number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

std::int64_t to_int64(double number) {
    constexpr double kLimit = 9223372036854775808.0;
    if (number >= kLimit) return std::numeric_limits<std::int64_t>::max();
    if (number < -kLimit) return std::numeric_limits<std::int64_t>::min();
    return static_cast<std::int64_t>(number);
}

}  // namespace

EngineStatement::EngineStatement(EngineConnection& connection, std::string sql,
                                 const StatementText& facts)
    : x_connection(connection), x_sql(std::move(sql)), x_facts(facts) {
    x_facts.sql = x_sql;
    x_facts.name = {};
    if (!facts.name.empty()) {
        const auto at = static_cast<std::size_t>(facts.name.data() - facts.sql.data());
        x_facts.name = std::string_view(x_sql).substr(at, facts.name.size());
    }
    x_connection.borrow();
}

EngineStatement::~EngineStatement() {
    x_connection.give_back();
}

Status EngineStatement::bind_any(int index, sql::Value value) {
    const auto refused = [&](const std::string& why) {
        return fail(Code::invalid, x_connection.client().shown() + ": parameter " +
                                       std::to_string(index) + " of \"" + excerpt(x_sql) +
                                       "\": " + why);
    };
    if (index < 1 || index > x_facts.parameters) return refused("there is none of that number");
    if (auto status = check_value(value); !status) return refused(status.error().message);
    x_values.resize(static_cast<std::size_t>(x_facts.parameters));
    x_values[static_cast<std::size_t>(index) - 1] = std::move(value);
    return ok();
}

Result<bool> EngineStatement::step() {
    if (x_unreachable) return fail(*std::exchange(x_unreachable, std::nullopt));
    if (!x_ran) {
        TASKSTORE_LET(x_rows, x_connection.run(x_facts, x_values));
        x_ran = true;
        x_described = true;
        x_next = 0;
    }
    if (x_next >= x_rows.rows.size()) {
        x_next = x_rows.rows.size() + 1;
        return false;
    }
    ++x_next;
    return true;
}

void EngineStatement::reset() {
    x_ran = false;
    x_unreachable.reset();
    x_rows.rows.clear();
    x_next = 0;
    x_values.clear();
}

const sql::ColumnNames& EngineStatement::columns() {
    if (!std::exchange(x_described, true)) {
        auto described = x_connection.describe(x_facts);
        if (described) {
            x_rows.columns = std::move(*described);
        } else if (described.error().code == Code::unavailable) {
            x_unreachable = std::move(described).error();
        }
    }
    return x_rows.columns;
}

int EngineStatement::column_count() {
    return static_cast<int>(columns().size());
}

std::string_view EngineStatement::column_name(int column) {
    const auto at = static_cast<std::size_t>(column);
    return at < columns().size() ? std::string_view(columns()[at]) : std::string_view();
}

const sql::Value& EngineStatement::value(int column) const {
    static const sql::Value null;
    const auto at = static_cast<std::size_t>(column);
    if (x_next == 0 || x_next > x_rows.rows.size()) return null;
    const auto& row = x_rows.rows[x_next - 1];
    return at < row.size() ? row[at] : null;
}

bool EngineStatement::is_null(int column) {
    return std::holds_alternative<std::monostate>(value(column));
}

std::int64_t EngineStatement::column_int64(int column) {
    const sql::Value& from = value(column);
    if (const auto* const number = std::get_if<std::int64_t>(&from)) return *number;
    if (const auto* const number = std::get_if<double>(&from)) return to_int64(*number);
    return number_in<std::int64_t>(column_text(column));
}

double EngineStatement::column_double(int column) {
    const sql::Value& from = value(column);
    if (const auto* const number = std::get_if<double>(&from)) return *number;
    if (const auto* const number = std::get_if<std::int64_t>(&from))
        return static_cast<double>(*number);
    return number_in<double>(column_text(column));
}

std::string_view EngineStatement::column_text(int column) {
    const sql::Value& from = value(column);
    if (const auto* const text = std::get_if<std::string>(&from)) return *text;
    if (const auto* const blob = std::get_if<sql::Blob>(&from)) return blob->bytes;
    std::array<char, 32> spelt{};
    char* end = spelt.data();
    if (const auto* const number = std::get_if<std::int64_t>(&from))
        end = std::to_chars(spelt.data(), spelt.data() + spelt.size(), *number).ptr;
    if (const auto* const number = std::get_if<double>(&from))
        end = std::to_chars(spelt.data(), spelt.data() + spelt.size(), *number).ptr;
    x_spelt.assign(spelt.data(), end);
    return x_spelt;
}

Result<std::unique_ptr<sql::Statement>> EngineConnection::prepare(std::string_view sql) {
    TASKSTORE_LET(const StatementText facts, only_statement(x_client->shown(), sql));
    TASKSTORE_TRY(check_allowed(facts));
    return std::unique_ptr<sql::Statement>(
        std::make_unique<EngineStatement>(*this, std::string(facts.sql), facts));
}

}  // namespace taskstore::libsql
