#include <taskstore/sql/database.hpp>

#include <taskstore/base/check.hpp>

#include <algorithm>
#include <limits>
#include <variant>

namespace taskstore::sql {

ColumnNames Statement::column_names() {
    std::vector<std::string> names;
    const int columns = column_count();
    names.reserve(static_cast<std::size_t>(columns));
    for (int c = 0; c < columns; ++c) names.emplace_back(column_name(c));
    return names;
}

Status Statement::bind_value(int index, const Value& value) {
    struct Binder {
        Statement& statement;
        int index;
        Status operator()(std::monostate) const { return statement.bind_null(index); }
        Status operator()(std::int64_t number) const { return statement.bind(index, number); }
        Status operator()(double number) const { return statement.bind(index, number); }
        Status operator()(const std::string& text) const {
            return statement.bind(index, std::string_view{text});
        }
        Status operator()(const Blob& blob) const {
            return statement.bind_blob(index, std::string_view{blob.bytes});
        }
    };
    return std::visit(Binder{*this, index}, value);
}

Status Statement::run() {
    while (true) {
        TASKSTORE_LET(const bool row, step());
        if (!row) return ok();
    }
}

std::string_view name_of(DurabilityLevel level) {
    switch (level) {
        case DurabilityLevel::flushed:
            return "flushed";
        case DurabilityLevel::replicated:
            return "replicated";
        case DurabilityLevel::server:
            return "server";
    }
    return "server";
}

DurabilityLevel weaker_of(DurabilityLevel one, DurabilityLevel other) {
    for (const DurabilityLevel level : {DurabilityLevel::server, DurabilityLevel::flushed})
        if (one == level || other == level) return level;
    return DurabilityLevel::replicated;
}

Status check_topic(std::string_view topic) {
    constexpr std::size_t kBytesMax = 32;
    const bool plain = std::ranges::all_of(
        topic, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
    if (plain && topic.size() <= kBytesMax) return ok();
    return fail(Code::invalid, "a topic has at most 32 of [a-z0-9_]: '" + std::string(topic) + "'");
}

namespace {

using Row = std::vector<Value>;

constexpr std::size_t kAllRows = std::numeric_limits<std::size_t>::max();

/// `values`, and behind them `more`. After `rows_max` the rest is not asked for.
Result<Rows> run_text(Connection& connection, std::string_view sql, std::span<const Value> values,
                      std::span<const Value> more = {}, std::size_t rows_max = kAllRows) {
    TASKSTORE_LET(const auto statement, connection.prepare(sql));
    int parameter = 0;
    for (const auto& some : {values, more}) {
        for (const Value& value : some) TASKSTORE_TRY(statement->bind_value(++parameter, value));
    }
    Rows answer;
    while (answer.rows.size() < rows_max) {
        TASKSTORE_LET(const bool row, statement->step());
        if (answer.columns.empty()) answer.columns = statement->column_names();
        if (!row) break;
        const int columns = statement->column_count();
        auto& row_values = answer.rows.emplace_back();
        row_values.reserve(static_cast<std::size_t>(columns));
        for (int c = 0; c < columns; ++c) row_values.push_back(statement->column_value(c));
    }
    answer.changes = connection.changes();
    return answer;
}

Result<Rows> run_in_steps(Connection& connection, const BoundStatement& bound) {
    const InSteps& steps = bound.steps;
    Row found;
    if (!steps.find.empty()) {
        TASKSTORE_LET(Rows rows, run_text(connection, steps.find, bound.values, {}, 1));
        if (rows.rows.empty()) return Rows{};
        found = std::move(rows.rows[0]);
    }
    TASKSTORE_LET(const Rows written, run_text(connection, steps.write, bound.values, found));
    if (written.changes == 0) return run_text(connection, bound.sql, bound.values);
    return run_text(connection, steps.read, bound.values, found);
}

/// `before`: what the statement that it comes after answered.
Result<Rows> run_bound(Connection& connection, const BoundStatement& bound, const Row* before) {
    const AfterRow& after = bound.after;
    if (before != nullptr && !after.sql.empty()) {
        Row more;
        for (const int column : after.columns)
            more.push_back(before->at(static_cast<std::size_t>(column)));
        return run_text(connection, after.sql, bound.values, more);
    }
    if (!bound.steps.write.empty()) return run_in_steps(connection, bound);
    return run_text(connection, bound.sql, bound.values);
}

bool has_nothing_to_do(const AfterRow& after, const Rows& earlier) {
    if (earlier.rows.empty()) return true;
    return after.unless_zero && earlier.rows[0].at(static_cast<std::size_t>(*after.unless_zero)) ==
                                    Value{std::int64_t{0}};
}

}  // namespace

Result<std::vector<Rows>> run_batch(Connection& connection, Batch batch) {
    std::vector<Rows> answers;
    answers.reserve(batch.size());
    for (std::size_t i = 0; i < batch.size(); ++i) {
        const std::size_t back = batch[i].after.back;
        TASKSTORE_CHECK(back <= i);
        const Rows* const earlier = back == 0 ? nullptr : &answers[i - back];
        Rows answer;
        if (earlier == nullptr || !has_nothing_to_do(batch[i].after, *earlier)) {
            const Row* const row = earlier == nullptr ? nullptr : &earlier->rows[0];
            TASKSTORE_LET(answer, run_bound(connection, batch[i], row));
        }
        const auto& expected = batch[i].changes_expected;
        if (expected && *expected != answer.changes) {
            return fail(Code::conflict, "statement " + std::to_string(i + 1) +
                                            " of the batch changed " +
                                            std::to_string(answer.changes) +
                                            " rows, expected were " + std::to_string(*expected));
        }
        answers.push_back(std::move(answer));
    }
    return answers;
}

Result<Transaction> Transaction::begin_write(Connection& connection) {
    TASKSTORE_TRY(connection.begin_write());
    return Transaction(connection);
}

Result<Transaction> Transaction::begin_read(Connection& connection) {
    TASKSTORE_TRY(connection.begin_read());
    return Transaction(connection);
}

Transaction::~Transaction() {
    if (x_connection != nullptr) x_connection->rollback();
}

Transaction::Transaction(Transaction&& other) noexcept
    : x_connection(std::exchange(other.x_connection, nullptr)) {}

Status Transaction::commit() {
    return std::exchange(x_connection, nullptr)->commit();
}

}  // namespace taskstore::sql
