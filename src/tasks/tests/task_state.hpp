#pragma once
// All rows of a device's tasks and its archive: to compare, and to put back.

#include <taskstore/sql/database.hpp>

#include <map>
#include <set>
#include <string>
#include <string_view>

namespace taskstore::tasks {

class State {
  public:
    static State of(sql::Database& tasks, sql::Database& archive);
    /// Each of the two that is not as it was.
    void restore(sql::Database& tasks, sql::Database& archive) const;
    /// Without what differs from one run to the next: numbers that are drawn, or of transactions.
    std::string text() const;
    /// Every UUID that this state does not have is "new"; lines are sorted.
    std::string without_new_ids(const std::string& text) const;

  private:
    using Tables = std::map<std::string, sql::Rows>;
    Tables x_tasks;
    Tables x_archive;
    std::set<std::string, std::less<>> x_ids;
};

}  // namespace taskstore::tasks
