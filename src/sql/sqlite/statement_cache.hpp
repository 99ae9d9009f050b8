#pragma once
// Compiled statements that nobody runs at the moment, least recently used first to go. Compiling
// one costs more than most of our statements cost to run.

#include <sqlite3.h>

#include <cstddef>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

namespace taskstore::sqlite {

struct CompiledStatement {
    std::string sql;
    sqlite3_stmt* handle = nullptr;
};

class StatementCache {
  public:
    /// A list of one: its node moves between cache and borrower without an allocation.
    using Node = std::list<CompiledStatement>;

    ~StatementCache() { clear(); }
    /// Empty where the cache has none for `sql`.
    Node take(std::string_view sql);
    /// The statement must be reset. A second one of the same text is finalized.
    void give(Node node);
    void clear();
    std::size_t size() const { return x_idle.size(); }

  private:
    void drop_oldest();
    Node x_idle;                                                    ///< Most recently used first.
    std::unordered_map<std::string_view, Node::iterator> x_by_sql;  ///< Keys point into x_idle.
};

}  // namespace taskstore::sqlite
