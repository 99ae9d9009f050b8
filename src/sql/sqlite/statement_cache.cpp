#include "statement_cache.hpp"

namespace taskstore::sqlite {

namespace {
constexpr std::size_t kStatementsMax = 64;
}

StatementCache::Node StatementCache::take(std::string_view sql) {
    Node node;
    const auto found = x_by_sql.find(sql);
    if (found == x_by_sql.end()) return node;
    const auto entry = found->second;
    x_by_sql.erase(found);
    node.splice(node.begin(), x_idle, entry);
    return node;
}

void StatementCache::give(Node node) {
    const auto [place, fresh] = x_by_sql.try_emplace(node.front().sql, node.begin());
    if (!fresh) {
        sqlite3_finalize(node.front().handle);
        return;
    }
    x_idle.splice(x_idle.begin(), node);
    if (x_idle.size() > kStatementsMax) drop_oldest();
}

void StatementCache::drop_oldest() {
    x_by_sql.erase(x_idle.back().sql);
    sqlite3_finalize(x_idle.back().handle);
    x_idle.pop_back();
}

void StatementCache::clear() {
    while (!x_idle.empty()) drop_oldest();
}

}  // namespace taskstore::sqlite
