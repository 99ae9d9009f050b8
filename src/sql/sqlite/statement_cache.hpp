#pragma once
// Compiled statements that nobody runs at the moment, least recently used first to go. Compiling
// one costs more than most of our statements cost to run.

#include <sqlite3.h>
#include <taskstore/sql/column_names.hpp>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <list>
#include <string>
#include <string_view>
#include <unordered_map>

namespace taskstore::sqlite {

struct CompiledStatement {
    std::string sql;
    sqlite3_stmt* handle = nullptr;
    sql::ColumnNames names = {};
    int names_of = -1;  ///< How often SQLite had compiled it again when these were its names.
};

/// Of some places of the text alone: the whole of it costs as much as the statement's work does.
/// Different ones that are alike there are told apart by comparing.
struct HashOfText {
    std::size_t operator()(std::string_view text) const {
        constexpr std::size_t kPlaces = 8;
        std::uint64_t hash = text.size();
        for (std::size_t i = 0; i < kPlaces && text.size() >= sizeof(std::uint64_t); ++i) {
            std::uint64_t word = 0;
            const std::size_t at = (text.size() - sizeof word) * i / (kPlaces - 1);
            std::memcpy(&word, text.data() + at, sizeof word);
            hash = (hash ^ word) * 0x9E3779B97F4A7C15U;
            hash ^= hash >> 32U;
        }
        return hash;
    }
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
    Node x_idle;  ///< Most recently used first.
    /// Keys point into x_idle.
    std::unordered_map<std::string_view, Node::iterator, HashOfText> x_by_sql;
};

}  // namespace taskstore::sqlite
