#include <taskstore/sql/database.hpp>

#include <variant>

namespace taskstore::sql {

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
