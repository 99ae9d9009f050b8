#pragma once
// Tasks as rows, and rows as tasks.

#include <taskstore/base/result.hpp>
#include <taskstore/sql/database.hpp>
#include <taskstore/tasks/task_store.hpp>

#include <optional>
#include <span>
#include <string>
#include <vector>

namespace taskstore::tasks {

inline sql::Value value_of(const std::optional<std::string>& text) {
    return text ? sql::Value{*text} : sql::Value{};
}
inline sql::Value value_of(std::optional<std::int64_t> number) {
    return number ? sql::Value{*number} : sql::Value{};
}
template <typename T>
sql::Value name_value(const std::optional<T>& word) {
    return word ? sql::Value{std::string(name_of(*word))} : sql::Value{};
}
/// A JSON array of strings.
std::string json_list(const std::vector<std::string>& words);
/// For statements that have @ids@: [[id], …]
std::string ids_json(std::span<const std::string> ids);
/// The first column.
std::vector<std::string> ids_of(const sql::Rows& answer);

/// What sql/insert_task.sql and sql/rewrite_task.sql say first of a task, after its id and
/// revision.
void append_terms(std::vector<sql::Value>& values, const Task& task);

/// Columns in order, each of the type that is asked for.
class RowReader {
  public:
    explicit RowReader(const std::vector<sql::Value>& row) : x_row(row) {}
    std::string text() { return maybe_text().value_or(std::string()); }
    std::string text_at(std::size_t column) {
        x_at = column;
        return text();
    }
    std::int64_t number() { return maybe_number().value_or(0); }
    std::optional<std::string> maybe_text() {
        const auto* text = std::get_if<std::string>(&x_row[x_at++]);
        return text == nullptr ? std::nullopt : std::optional(*text);
    }
    std::optional<std::int64_t> maybe_number() {
        const auto* number = std::get_if<std::int64_t>(&x_row[x_at++]);
        return number == nullptr ? std::nullopt : std::optional(*number);
    }

  private:
    const std::vector<sql::Value>& x_row;
    std::size_t x_at = 0;
};

/// Where they stand in sql/columns.sql.
inline constexpr int kIdColumn = 0;
inline constexpr int kStatusColumn = 7;
inline constexpr int kAssignedToColumn = 8;
inline constexpr int kFenceColumn = 23;
inline constexpr int kUpdatedAtColumn = 43;
inline constexpr int kRevisionColumn = 44;
inline constexpr int kTaskColumns = 48;  ///< So many; what a statement adds begins here.
/// From the columns of sql/columns.sql; more may follow. corrupt: a word that this version does not
/// know.
Result<Task> task_of(const std::vector<sql::Value>& row);
/// From the columns of sql/list_watched.sql.
WatchedTask watched_task_of(const std::vector<sql::Value>& row);
/// From the columns of sql/list_history.sql.
Result<HistoryEntry> history_entry_of(const std::vector<sql::Value>& row);

}  // namespace taskstore::tasks
