#pragma once
// What the columns of an answer are called (floor 2).

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace taskstore::sql {

/// A list that does not change, and is shared: all answers to one statement have the same one.
/// Thread-safe to read.
class ColumnNames {
  public:
    using value_type = std::string;
    using const_iterator = std::vector<std::string>::const_iterator;

    ColumnNames() = default;
    ColumnNames(std::vector<std::string> names)
        : x_names(std::make_shared<const std::vector<std::string>>(std::move(names))) {}

    const std::vector<std::string>& list() const {
        static const std::vector<std::string> none;
        return x_names ? *x_names : none;
    }
    const_iterator begin() const { return list().begin(); }
    const_iterator end() const { return list().end(); }
    std::size_t size() const { return x_names ? x_names->size() : 0; }
    bool empty() const { return size() == 0; }
    const std::string& operator[](std::size_t at) const { return list()[at]; }

  private:
    std::shared_ptr<const std::vector<std::string>> x_names;
};

}  // namespace taskstore::sql
